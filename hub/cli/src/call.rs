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
    screen::{Screen, bad, obeyed, plain, strong},
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
    width: Option<usize>,
}

impl Call {
    pub fn new(arguments: &Arguments) -> Self {
        Self { context: arguments.context.clone(), format: arguments.output, width: terminal_width() }
    }

    /// Reads the context anew, because the hub may have written another address since, and connects.
    pub async fn hub(&self) -> Result<Hub, Failure> {
        Hub::connect(&self.context()?).await
    }

    pub fn context(&self) -> Result<Context, Failure> {
        let path = match &self.context {
            Some(path) => path.clone(),
            None => context::default_path()?,
        };
        Context::read(&path)
    }

    /// Writes an answer to standard output.
    pub fn answer(
        &self,
        draw: impl FnOnce(&mut Screen),
        json: impl FnOnce() -> Value,
    ) -> Result<(), Failure> {
        match self.format {
            Format::Table => {
                let mut screen = Screen::new(self.width);
                draw(&mut screen);
                write_out(&screen.finish())
            }
            Format::Json => write_out(&pretty(&json())),
        }
    }

    /// Writes one event of several: a line.
    pub fn event(&self, draw: impl FnOnce(&mut Screen), json: impl FnOnce() -> Value) -> Result<(), Failure> {
        match self.format {
            Format::Table => self.answer(draw, json),
            Format::Json => write_out(&format!("{}\n", quoted(&json().to_string()))),
        }
    }

    /// Says something beside the answer, on standard error; programs are spared it.
    pub fn remark(&self, draw: impl FnOnce(&mut Screen)) {
        if self.format == Format::Table {
            let mut screen = Screen::new(self.width);
            draw(&mut screen);
            say(&screen.finish());
        }
    }

    /// Says why nothing came of it.
    pub fn fail(&self, failure: &Failure) -> ExitCode {
        if failure.is_closed_pipe() {
            return ExitCode::SUCCESS;
        }
        let hint = failure.hint();
        match self.format {
            Format::Table => {
                let mut screen = Screen::new(self.width);
                screen.line(2, &[bad("error: "), plain(failure.chain())]);
                for detail in failure.details() {
                    screen.line(4, &[plain("  "), plain(detail)]);
                }
                if !hint.is_empty() {
                    screen.line(2, &[strong("hint: "), plain(hint)]);
                }
                say(&screen.finish());
            }
            Format::Json => {
                let error = json!({"error": {
                    "reason": failure.reason(),
                    "message": failure.chain(),
                    "details": failure.details(),
                    "hint": hint,
                }});
                say(&pretty(&error));
            }
        }
        ExitCode::FAILURE
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

fn write_out(text: &str) -> Result<(), Failure> {
    let mut out = anstream::stdout();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(Failure::Output)
}

/// Nobody is left to tell if standard error is gone.
fn say(text: &str) {
    let _ = anstream::stderr().write_all(text.as_bytes());
}

fn pretty(value: &Value) -> String {
    format!("{}\n", quoted(&format!("{value:#}")))
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
    }
}
