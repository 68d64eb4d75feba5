//! One call of the command line: where the hub is, and how its answer is written.

use std::{
    io::{self, IsTerminal, Write},
    path::PathBuf,
    process::ExitCode,
};

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{
    args::{Arguments, Format},
    context::{self, Context},
    failure::Failure,
    hub::Hub,
    screen::{Screen, bad, harmless, obeyed, plain, strong},
    trace::Trace,
};

/// What became of a call that was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Done.
    Done,
    /// Differences or drift were found, where a check was asked for.
    Differs,
    /// Refused or failed; all is said.
    Failed,
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Done => Self::SUCCESS,
            Outcome::Failed => Self::FAILURE,
            Outcome::Differs => Self::from(3),
        }
    }
}

/// What all commands need.
#[derive(Debug)]
pub struct Call {
    context: Option<PathBuf>,
    pub format: Format,
    /// What the calls of this command hang below.
    pub trace: Trace,
    width: Option<usize>,
}

impl Call {
    pub fn new(arguments: &Arguments) -> Self {
        let (format, trace) = (arguments.output, Trace::default());
        Self { context: arguments.context.clone(), format, trace, width: terminal_width() }
    }

    /// Reads the context anew, because the hub may have written another address since, and connects.
    pub async fn hub(&self) -> Result<Hub, Failure> {
        Hub::connect(&self.context()?, self.trace.clone()).await
    }

    pub fn context(&self) -> Result<Context, Failure> {
        let path = match &self.context {
            Some(path) => path.clone(),
            None => context::default_path()?,
        };
        Context::read(&path)
    }

    /// Writes an answer to standard output. `names` are what other commands take, where there is such a thing.
    pub fn answer(
        &self,
        draw: impl FnOnce(&mut Screen),
        json: impl FnOnce() -> Value,
        names: impl FnOnce() -> Vec<String>,
    ) -> Result<(), Failure> {
        match self.tell(draw, json, names) {
            // Whoever read it has read enough. What came of the command is said by its exit code all the same.
            Err(failure) if failure.is_closed_pipe() => Ok(()),
            told => told,
        }
    }

    fn tell(
        &self,
        draw: impl FnOnce(&mut Screen),
        json: impl FnOnce() -> Value,
        names: impl FnOnce() -> Vec<String>,
    ) -> Result<(), Failure> {
        write_out(&match self.format {
            Format::Table | Format::Wide => self.drawn(draw),
            Format::Json => pretty(&json()),
            Format::Yaml => yaml(&json()),
            Format::Name => lines(&names()),
        })
    }

    /// Writes one event of several: a line, or a YAML document.
    pub fn event(
        &self,
        draw: impl FnOnce(&mut Screen),
        json: impl FnOnce() -> Value,
        names: impl FnOnce() -> Vec<String>,
    ) -> Result<(), Failure> {
        match self.format {
            Format::Table | Format::Wide | Format::Name => self.tell(draw, json, names),
            Format::Json => write_out(&format!("{}\n", quoted(&json().to_string()))),
            Format::Yaml => write_out(&format!("---\n{}", yaml(&json()))),
        }
    }

    /// Writes stored documents: in YAML one after the other, so that they can be applied again.
    pub fn documents(
        &self,
        draw: impl FnOnce(&mut Screen),
        documents: &[Value],
        json: impl FnOnce() -> Value,
        names: impl FnOnce() -> Vec<String>,
    ) -> Result<(), Failure> {
        match self.format {
            Format::Yaml => {
                let texts: Vec<String> = documents.iter().map(yaml).collect();
                write_out(&texts.join("---\n"))
            }
            Format::Table | Format::Wide | Format::Json | Format::Name => self.answer(draw, json, names),
        }
    }

    /// Says something beside the answer, on standard error; programs are spared it.
    pub fn remark(&self, draw: impl FnOnce(&mut Screen)) {
        if self.is_for_people() {
            say(&self.drawn(draw));
        }
    }

    /// Says what was wrong, on standard error; those who asked for data find it there.
    pub fn complain(&self, draw: impl FnOnce(&mut Screen)) {
        match self.format {
            Format::Table | Format::Wide | Format::Name => say(&self.drawn(draw)),
            Format::Json | Format::Yaml => {}
        }
    }

    /// Whether text is written and not data.
    pub fn is_for_people(&self) -> bool {
        match self.format {
            Format::Table | Format::Wide => true,
            Format::Json | Format::Yaml | Format::Name => false,
        }
    }

    fn drawn(&self, draw: impl FnOnce(&mut Screen)) -> String {
        let mut screen = Screen::new(self.width, self.format == Format::Wide);
        draw(&mut screen);
        screen.finish()
    }

    /// Says why nothing came of it.
    pub fn fail(&self, failure: &Failure) -> ExitCode {
        if failure.is_closed_pipe() {
            return ExitCode::SUCCESS;
        }
        let hint = failure.hint();
        let error = || {
            json!({"error": {
                "reason": failure.reason(),
                "message": failure.chain(),
                "details": failure.details(),
                "hint": hint,
            }})
        };
        say(&match self.format {
            Format::Table | Format::Wide | Format::Name => self.drawn(|screen| draw_failure(screen, failure)),
            Format::Json => pretty(&error()),
            Format::Yaml => yaml(&error()),
        });
        ExitCode::from(failure.exit_code())
    }
}

/// What went wrong.
pub fn draw_refusal(screen: &mut Screen, failure: &Failure) {
    screen.line(2, &[bad("error: "), plain(failure.chain())]);
    for detail in failure.details() {
        screen.line(4, &[plain("  "), plain(detail)]);
    }
}

/// What went wrong, and what to do.
fn draw_failure(screen: &mut Screen, failure: &Failure) {
    let hint = failure.hint();
    draw_refusal(screen, failure);
    // Where several things stand against it, each has its own way out.
    let hints: Vec<&str> = match failure.details() {
        [] => vec![hint.as_str()],
        _ => hint.split("; ").collect(),
    };
    for hint in hints.into_iter().filter(|hint| !hint.is_empty()) {
        screen.line(6, &[strong("hint: "), plain(hint)]);
    }
}

/// The time that ages are counted to.
pub fn now() -> Timestamp {
    Timestamp::now()
}

/// The width of the terminal; in a pipe, that of `COLUMNS`, with which whoever reads the pipe asks for one.
fn terminal_width() -> Option<usize> {
    let width = match io::stdout().is_terminal() {
        true => comfy_table::Table::new().width().map(usize::from),
        false => std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok()),
    };
    // Below this, wrapping would make a ladder of single words.
    width.map(|width| width.max(40))
}

/// Writes text that is an answer as it is.
pub fn write_out(text: &str) -> Result<(), Failure> {
    let mut out = anstream::stdout();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(Failure::Output)
}

/// Nobody is left to tell if standard error is gone.
fn say(text: &str) {
    let _ = anstream::stderr().write_all(text.as_bytes());
}

/// JSON over several lines.
pub fn pretty(value: &Value) -> String {
    format!("{}\n", quoted(&format!("{value:#}")))
}

/// YAML of a value. Text with something in it that a terminal would obey is written as JSON, which is YAML too and has
/// an escape for everything.
pub fn yaml(value: &Value) -> String {
    // Long text stays in one line: it is searched for, and pasted.
    let options = serde_saphyr::ser_options! { folded_wrap_chars: usize::MAX };
    match serde_saphyr::to_string_with_options(value, options) {
        Ok(text) if !text.chars().any(|character| character != '\n' && obeyed(character)) => {
            format!("{}\n", text.trim_end())
        }
        _ => pretty(value),
    }
}

fn lines(names: &[String]) -> String {
    names.iter().map(|name| format!("{}\n", harmless(name))).collect()
}

/// JSON with nothing in it that a terminal would obey: what JSON lets stand as it is becomes an escape, which means the
/// same.
fn quoted(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for character in json.chars() {
        if character != '\n' && obeyed(character) {
            let mut units = [0; 2];
            for unit in character.encode_utf16(&mut units) {
                out.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            out.push(character);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_faithful_and_harmless() {
        let value = json!({"message": "a\u{1b}[2J\u{9b}1m\u{202e}\n"});
        let text = pretty(&value);
        assert!(text.chars().all(|character| character == '\n' || !obeyed(character)), "{text:?}");
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
        assert_eq!(yaml(&value), text);
        assert_eq!(lines(&["a\u{1b}\nb".to_owned()]), "a\\u{1b} b\n");
    }

    #[test]
    fn yaml_says_the_same_as_json() {
        let value = json!({
            "texts": ["yes", "1.30", "no", "null", "", " a ", "a: b", "- a", "#", "v1.30.2", "2027-01-31", "${x}", "~"],
            "numbers": [1, -2, 1.5, true, null], "empty": {}, "none": [], "lines": "a\nb\n  c\n", "long": "word ".repeat(40), "0x1": {"a": [{"b": 1}]},
        });
        let text = yaml(&value);
        assert_eq!(serde_saphyr::from_str::<Value>(&text).unwrap(), value, "{text}");
        assert!(text.starts_with("0x1:") || text.starts_with("\"0x1\":"), "{text}");
    }
}
