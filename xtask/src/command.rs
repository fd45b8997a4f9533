//! Programs that xtask runs, always in the workspace's folder unless told otherwise.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// A program and its arguments.
#[derive(Debug)]
pub(crate) struct Run {
    command: Command,
}

impl Run {
    pub(crate) fn new<S: AsRef<str>>(program: &str, arguments: &[S]) -> Self {
        let mut command = Command::new(program);
        command
            .args(arguments.iter().map(AsRef::as_ref))
            .stdin(Stdio::null());
        if let Ok(root) = crate::root() {
            command.current_dir(root);
        }
        Self { command }
    }

    pub(crate) fn within(mut self, folder: &Path) -> Self {
        self.command.current_dir(folder);
        self
    }

    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Says what it runs, and runs it with its output shown.
    pub(crate) fn show(mut self) -> Result<()> {
        println!("$ {}", self.line());
        let status = self
            .command
            .status()
            .with_context(|| format!("cannot run {}", self.line()))?;
        if !status.success() {
            bail!("`{}` failed with {status}", self.line());
        }
        Ok(())
    }

    /// The same; its exit code comes back instead of an error.
    pub(crate) fn show_code(mut self) -> Result<i32> {
        println!("\n$ {}", self.line());
        let status = self
            .command
            .status()
            .with_context(|| format!("cannot run {}", self.line()))?;
        status
            .code()
            .with_context(|| format!("`{}` was ended by {status}", self.line()))
    }

    /// Says what it runs, shows its output, and hands on each line of it.
    pub(crate) fn show_each(mut self, mut line: impl FnMut(&str)) -> Result<bool> {
        println!("$ {}", self.line());
        let mut child = self
            .command
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot run {}", self.line()))?;
        let stdout = child.stdout.take().context("no standard output")?;
        for text in BufReader::new(stdout).split(b'\n') {
            let text = String::from_utf8_lossy(&text?).into_owned();
            println!("{text}");
            line(&text);
        }
        Ok(child.wait()?.success())
    }

    /// Runs it in silence; what it printed, where it ended well.
    pub(crate) fn quiet(mut self) -> Result<String> {
        let output = self
            .command
            .output()
            .with_context(|| format!("cannot run {}", self.line()))?;
        if !output.status.success() {
            let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
            bail!(
                "`{}` failed with {}: {}",
                self.line(),
                output.status,
                complaint.trim()
            );
        }
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// Whether it runs and ends well.
    pub(crate) fn works(self) -> bool {
        self.quiet().is_ok()
    }

    fn line(&self) -> String {
        let words = std::iter::once(self.command.get_program()).chain(self.command.get_args());
        words
            .map(OsStr::to_string_lossy)
            .collect::<Vec<_>>()
            .join(" ")
    }
}
