//! What the demo prints: steps with their time, commands with their real output, claims that were checked. Nothing is
//! wider than the terminal.

use std::{
    env,
    io::IsTerminal,
    path::Path,
    process::{Command, Stdio},
    sync::OnceLock,
    time::Duration,
};

use anstream::{AutoStream, ColorChoice, eprintln, println};
use owo_colors::{OwoColorize, Style};

/// How far what a command prints is indented.
const OUTPUT_INDENT: usize = 2;

/// Begins the demo.
pub fn title(text: &str) {
    wrapped(0, "", text, Style::new().bold());
}

/// Begins a step.
pub fn step(number: usize, title: &str) {
    println!();
    wrapped(0, &format!("[{number}] ").cyan().bold().to_string(), title, Style::new().bold());
}

/// One thing that was done, and how long it took.
pub fn done(what: &str, took: Duration) {
    let text = format!("{what} ({:.1} s)", took.as_secs_f32());
    wrapped(2, "", &text, Style::new());
}

/// A remark.
pub fn note(text: &str) {
    wrapped(2, "", text, Style::new().dimmed());
}

/// A document, as it is applied.
pub fn document(name: &str, text: &str) {
    println!("  {}", name.dimmed());
    text.lines().for_each(|line| println!("    {line}"));
}

/// A command, before it runs.
pub fn command(arguments: &[&str]) {
    let text = format!("meshfleet {}", arguments.join(" "));
    wrapped(2, &"$ ".green().to_string(), &text, Style::new().green());
}

/// A line that a command printed.
pub fn output(line: &str) {
    println!("{}", format!("{}{line}", " ".repeat(OUTPUT_INDENT)).trim_end());
}

/// A claim that was checked.
pub fn claim(holds: bool, text: &str) {
    let mark = if holds { "✓ ".green().bold().to_string() } else { "✗ ".red().bold().to_string() };
    wrapped(2, &mark, text, Style::new());
}

/// How it all ended.
pub fn conclusion(text: &str) {
    println!();
    wrapped(0, "", text, Style::new().green().bold());
}

/// What went wrong.
pub fn problem(text: &str) {
    eprintln!("\n{} {text}", "demo failed:".red().bold());
}

/// What a person can do while everything is up.
pub fn what_to_try(shown: &Path) {
    let programs = shown.parent().map(|target| target.join("debug")).unwrap_or_default();
    let (programs, folder) = (from_here(&programs), from_here(shown));
    println!("\n{}", "Everything stays up. In another terminal, in this folder:".bold());
    println!("    export PATH=$PWD/{programs}:$PATH");
    println!("    export MESHFLEET_CONTEXT={folder}/admin.context.json");
    println!("    meshfleet status rosa-eu-1");
    println!("    meshfleet plan payments --cluster rosa-eu-1 --show-manifests");
    note("change something by hand, see it, and put it right:");
    println!("    export KUBECONFIG={folder}/rosa-eu-1.kubeconfig");
    println!("    kubectl edit istiocni default");
    println!("    meshfleet drift report");
    println!("    meshfleet rollout start payments --overwrite-drift --wait");
    println!("{}", "Ctrl-C ends it and cleans up.".bold());
}

/// A path as it is typed in this folder.
fn from_here(path: &Path) -> String {
    let here = env::current_dir().unwrap_or_default();
    path.strip_prefix(here).unwrap_or(path).display().to_string()
}

/// How wide what a command prints may be; none where no terminal shows it.
pub fn output_width() -> Option<usize> {
    width().map(|width| width.saturating_sub(OUTPUT_INDENT))
}

/// Whether there is colour.
pub fn in_colour() -> bool {
    AutoStream::choice(&std::io::stdout()) != ColorChoice::Never
}

/// The terminal is asked once: what is printed stays as it is when it is made wider.
fn width() -> Option<usize> {
    static WIDTH: OnceLock<Option<usize>> = OnceLock::new();
    *WIDTH.get_or_init(|| {
        let asked = || Command::new("stty").arg("size").stdin(Stdio::inherit()).output().ok();
        let size = Some(()).filter(|()| std::io::stdout().is_terminal()).and_then(|()| asked())?;
        let columns: usize = String::from_utf8_lossy(&size.stdout).split_whitespace().nth(1)?.parse().ok()?;
        // A terminal that does not know its size says 0.
        (columns > 40).then_some(columns)
    })
}

/// Text after a mark, broken between words, later lines under the first.
fn wrapped(indent: usize, mark: &str, text: &str, style: Style) {
    let hang = indent + anstream::adapter::strip_str(mark).to_string().chars().count();
    let room = width().unwrap_or(usize::MAX).saturating_sub(hang);
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last().map_or(0, |line| line.chars().count());
        match lines.last_mut() {
            Some(last) if line == 0 => last.push_str(word),
            Some(last) if line + 1 + word.chars().count() <= room => {
                last.push(' ');
                last.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    for (index, line) in lines.iter().enumerate() {
        let before = if index == 0 { format!("{}{mark}", " ".repeat(indent)) } else { " ".repeat(hang) };
        println!("{before}{}", line.style(style));
    }
}
