//! dfab that goes on until somebody ends it.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

use anyhow::{Context as _, Result};
use dfab_tests::Project;
use dfab_tests::process::{self, until};

use crate::SOON;

/// dfab that goes on, and its output line by line.
pub(crate) struct Running {
    child: Child,
    lines: Receiver<String>,
    /// What was waited for, and what came before it.
    pub(crate) seen: Vec<String>,
}

impl Running {
    pub(crate) fn start(project: &Project, arguments: &[&str]) -> Result<Self> {
        let mut child = project
            .command(arguments)?
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let stdout = child.stdout.take().context("no output")?;
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Ok(Self {
            child,
            lines,
            seen: Vec::new(),
        })
    }

    /// Waits for a line with these words.
    pub(crate) fn wait_for(&mut self, words: &str) -> Result<String> {
        loop {
            let line = self.lines.recv_timeout(SOON);
            let line = line.with_context(|| format!("no line has {words:?}: {:?}", self.seen))?;
            self.seen.push(line.clone());
            if line.contains(words) {
                return Ok(line);
            }
        }
    }

    /// Sends a signal, such as `-INT`.
    pub(crate) fn signal(&self, signal: &str) -> Result<()> {
        let id = self.child.id().to_string();
        process::run(Command::new("kill").args([signal, &id]), b"", SOON)?.success()?;
        Ok(())
    }

    /// Sends a signal, and waits for the end: the exit code and what was told.
    pub(crate) fn end(mut self, signal: &str) -> Result<(Option<i32>, String)> {
        self.signal(signal)?;
        let status = until(SOON, || self.child.try_wait()?.context("dfab goes on"))?;
        let mut told = String::new();
        if let Some(stderr) = &mut self.child.stderr {
            stderr.read_to_string(&mut told)?;
        }
        Ok((status.code(), told))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
