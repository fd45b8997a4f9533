//! dfab that holds a tunnel until somebody ends it.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, Result};
use dfab_tests::process::{self, until};

use crate::SOON;

/// dfab, running, with what it has said so far.
pub(crate) struct Tunnel {
    pub(crate) child: Child,
    pub(crate) lines: Receiver<String>,
    told: Arc<Mutex<String>>,
}

impl Tunnel {
    pub(crate) fn start(command: &mut Command) -> Result<Self> {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let (sender, lines) = channel();
        let stdout = child.stdout.take().context("no standard output")?;
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        let told = Arc::new(Mutex::new(String::new()));
        let mut stderr = BufReader::new(child.stderr.take().context("no standard error")?);
        let heard = told.clone();
        std::thread::spawn(move || {
            let mut line = String::new();
            while stderr.read_line(&mut line).is_ok_and(|read| read > 0) {
                let mut heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
                heard.push_str(&line);
                line.clear();
            }
        });
        Ok(Self { child, lines, told })
    }

    pub(crate) fn told(&self) -> String {
        let told = self.told.lock();
        told.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The next line of data, which is where a tunnel is.
    pub(crate) fn docker_host(&self) -> Result<String> {
        let line = self
            .lines
            .recv_timeout(SOON)
            .with_context(|| format!("no tunnel came: {}", self.told()))?;
        let host = line.strip_prefix("DOCKER_HOST=");
        Ok(host
            .with_context(|| format!("not to be exported: {line}"))?
            .to_owned())
    }

    pub(crate) fn signal(&self, name: &str) -> Result<()> {
        let number = self.child.id().to_string();
        let mut kill = Command::new("kill");
        process::run(kill.args(["-s", name, &number]), b"", SOON)?.success()?;
        Ok(())
    }

    /// How it ended, by itself.
    pub(crate) fn ended(&mut self) -> Result<i32> {
        until(SOON, || {
            let status = self.child.try_wait()?.context("dfab still runs")?;
            status.code().context("a signal ended dfab")
        })
    }
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        // Killed at once, it would leave its folder behind.
        if let Ok(None) = self.child.try_wait() {
            self.signal("TERM").ok();
            until(SOON, || self.child.try_wait()?.context("dfab still runs")).ok();
        }
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
