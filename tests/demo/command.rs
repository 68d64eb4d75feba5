//! The command line as a person runs it: in the folder of the documents, in colour and as wide as the terminal.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
};

use anyhow::{Context, Result, bail};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

use crate::say;

/// `meshfleet`, with the context of the demo's hub.
pub struct Meshfleet {
    program: PathBuf,
    context: PathBuf,
    folder: PathBuf,
}

impl Meshfleet {
    /// The program, and the folder in which the context and the documents lie.
    pub fn new(program: PathBuf, folder: &Path) -> Self {
        Self { program, context: folder.join("admin.context.json"), folder: folder.to_owned() }
    }

    /// Shows a command and what it prints, line by line as it prints it. It must succeed.
    pub async fn show(&self, arguments: &[&str]) -> Result<()> {
        self.show_ending_with(0, arguments).await
    }

    /// The same for a command that must end with this code, for example 3 where it found differences.
    pub async fn show_ending_with(&self, code: i32, arguments: &[&str]) -> Result<()> {
        say::command(arguments);
        let mut child = self.spawn(arguments)?;
        let stdout = child.stdout.take().context("the output of meshfleet is piped")?;
        let mut lines = BufReader::new(stdout).lines();
        while let Some(line) = lines.next_line().await? {
            say::output(&line);
        }
        let ended = child.wait_with_output().await?;
        if ended.status.code() != Some(code) {
            let complaint = String::from_utf8_lossy(&ended.stderr);
            bail!("meshfleet {}: {}\n{complaint}", arguments.join(" "), ended.status);
        }
        Ok(())
    }

    fn spawn(&self, arguments: &[&str]) -> Result<Child> {
        let mut command = Command::new(&self.program);
        command
            .args(arguments)
            .arg("--context")
            .arg(&self.context)
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        if let Some(width) = say::output_width() {
            command.env("COLUMNS", width.to_string());
        }
        if say::in_colour() {
            command.env("CLICOLOR_FORCE", "1");
        }
        command.spawn().context("cannot run meshfleet")
    }
}
