//! Running a program with a deadline. No program outlives the call that ran it.

use std::io::{Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// How long the output may stay open after the program has ended.
const DRAIN: Duration = Duration::from_secs(5);

/// What a program printed, and how it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// The exit code; 128 and the signal's number where a signal ended it.
    pub status: i32,
    /// What it printed.
    pub stdout: String,
    /// What it complained about.
    pub stderr: String,
}

impl Output {
    /// The program's output, if it ended with 0.
    ///
    /// # Errors
    /// Where it did not; with everything that it printed.
    pub fn success(self) -> Result<String> {
        if self.status == 0 {
            return Ok(self.stdout);
        }
        bail!("exit code {}\n{}{}", self.status, self.stdout, self.stderr)
    }

    /// The program's output as JSON, if it ended with 0.
    ///
    /// # Errors
    /// Where it did not, or where the output is no JSON.
    pub fn json(self) -> Result<serde_json::Value> {
        let stdout = self.success()?;
        serde_json::from_str(&stdout).with_context(|| format!("this is no JSON: {stdout}"))
    }
}

/// Runs a program to its end, with `input` on its standard input.
///
/// # Errors
/// Where it cannot be started, runs longer than `limit` (then it is killed with all that it
/// started), or leaves something running that holds its output.
pub fn run(command: &mut Command, input: &[u8], limit: Duration) -> Result<Output> {
    let line = shown(command);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
        .with_context(|| format!("cannot start {line}"))?;
    let stdout = child
        .stdout
        .take()
        .map(collect)
        .context("no standard output")?;
    let stderr = child
        .stderr
        .take()
        .map(collect)
        .context("no standard error")?;
    if let Some(mut stdin) = child.stdin.take() {
        let input = input.to_owned();
        // A program may end without having read it all.
        std::thread::spawn(move || stdin.write_all(&input).ok());
    }
    let deadline = Instant::now() + limit;
    let status = loop {
        if let Some(status) = child
            .try_wait()
            .with_context(|| format!("cannot wait for {line}"))?
        {
            break status;
        }
        if Instant::now() >= deadline {
            kill_group(&mut child);
            let (stdout, stderr) = (drained(&stdout), drained(&stderr));
            bail!(
                "{line} still ran after {limit:?}\n{}{}",
                text(stdout),
                text(stderr)
            );
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    let code = status
        .code()
        .or_else(|| status.signal().map(|signal| 128 + signal))
        .unwrap_or(-1);
    let (Some(stdout), Some(stderr)) = (drained(&stdout), drained(&stderr)) else {
        kill_group(&mut child);
        bail!("{line} has ended, but left something running that holds its output");
    };
    Ok(Output {
        status: code,
        stdout: text(Some(stdout)),
        stderr: text(Some(stderr)),
    })
}

/// A program that goes on; dropping it ends it with what it started.
#[derive(Debug)]
pub struct Running {
    child: Child,
    stdout: Receiver<Vec<u8>>,
    stderr: Receiver<Vec<u8>>,
}

impl Running {
    /// Starts a program without input.
    ///
    /// # Errors
    /// Where it cannot be started.
    pub fn start(command: &mut Command) -> Result<Self> {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .with_context(|| format!("cannot start {}", shown(command)))?;
        let stdout = child.stdout.take().context("no standard output")?;
        let stderr = child.stderr.take().context("no standard error")?;
        Ok(Self {
            child,
            stdout: collect(stdout),
            stderr: collect(stderr),
        })
    }

    /// Sends a signal, such as `INT`.
    ///
    /// # Errors
    /// Where the program has ended.
    pub fn signal(&self, name: &str) -> Result<()> {
        let number = self.child.id().to_string();
        let mut kill = Command::new("kill");
        run(kill.args(["-s", name, &number]), b"", DRAIN)?.success()?;
        Ok(())
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// Where it does not end within `limit`.
    pub fn ended(mut self, limit: Duration) -> Result<Output> {
        let status = until(limit, || {
            self.child.try_wait()?.context("the program goes on")
        })?;
        let code = status.code();
        Ok(Output {
            status: code
                .or_else(|| status.signal().map(|signal| 128 + signal))
                .unwrap_or(-1),
            stdout: text(drained(&self.stdout)),
            stderr: text(drained(&self.stderr)),
        })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        kill_group(&mut self.child);
    }
}

/// Repeats an attempt until it works.
///
/// # Errors
/// The last attempt's, after `limit`.
pub fn until<T>(limit: Duration, mut attempt: impl FnMut() -> Result<T>) -> Result<T> {
    let deadline = Instant::now() + limit;
    loop {
        match attempt() {
            Ok(value) => return Ok(value),
            Err(error) if Instant::now() >= deadline => {
                return Err(error.context(format!("gave up after {limit:?}")));
            }
            Err(_) => std::thread::sleep(Duration::from_millis(50)),
        }
    }
}

fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let mut line = words
        .map(|word| word.to_string_lossy())
        .collect::<Vec<_>>()
        .join(" ");
    if let Some((end, _)) = line.char_indices().nth(300) {
        line.truncate(end);
        line.push('…');
    }
    line
}

fn collect(mut pipe: impl Read + Send + 'static) -> Receiver<Vec<u8>> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        // What could be read until then is still worth showing.
        let _ = pipe.read_to_end(&mut bytes);
        sender.send(bytes).ok();
    });
    receiver
}

fn drained(pipe: &Receiver<Vec<u8>>) -> Option<Vec<u8>> {
    pipe.recv_timeout(DRAIN).ok()
}

fn text(bytes: Option<Vec<u8>>) -> String {
    String::from_utf8_lossy(&bytes.unwrap_or_default()).into_owned()
}

/// The child leads a process group of its own.
fn kill_group(child: &mut Child) {
    let group = format!("-{}", child.id());
    Command::new("kill")
        .args(["-KILL", "--", &group])
        .stderr(Stdio::null())
        .status()
        .ok();
    child.kill().ok();
    child.wait().ok();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, limit: Duration) -> Result<Output> {
        run(Command::new("sh").args(["-c", script]), b"in", limit)
    }

    #[test]
    fn output_and_exit_code_come_back() {
        let output = shell("cat; echo err >&2; exit 3", Duration::from_secs(5)).unwrap();
        assert_eq!(
            output,
            Output {
                status: 3,
                stdout: "in".into(),
                stderr: "err\n".into()
            }
        );
    }

    #[test]
    fn a_program_that_hangs_is_killed_with_what_it_started() {
        let error = shell("sleep 4716 & sleep 4716", Duration::from_millis(100)).unwrap_err();
        assert!(error.to_string().contains("still ran"), "{error}");
        let gone = || {
            let left = shell("pgrep -x -f 'sleep 4716' || true", Duration::from_secs(5))?;
            anyhow::ensure!(left.stdout.is_empty(), "left: {}", left.stdout);
            Ok(())
        };
        until(Duration::from_secs(10), gone).unwrap();
    }
}
