//! What ends tunnels: somebody, the end of a command, or time.

use std::process::ExitStatus;
use std::time::Duration;

use tokio::process::{Child, Command};

use super::MISLEADING;
use crate::deadline::{Deadline, over};
use crate::failure::{Code, Failure};
use crate::interrupt::{Asked, Signals};
use crate::terminal;

/// How often is looked whether the program that started dfab is still there.
const LOOK: Duration = Duration::from_millis(500);
/// How long a command may take to end that was asked to.
const GRACE: Duration = Duration::from_secs(10);

/// What ends the tunnels: a signal, the end of the program that started dfab, or `--max-time`.
pub(super) struct Ending {
    signals: Signals,
    parent: Option<rustix::process::Pid>,
    deadline: Deadline,
}

impl Ending {
    pub(super) fn new(deadline: Deadline) -> Result<Self, Failure> {
        Ok(Self {
            parent: rustix::process::getppid(),
            signals: Signals::listen()?,
            deadline,
        })
    }

    /// Waits until somebody asks for the end; who started dfab and is no more does so too.
    pub(super) async fn asked(&mut self) -> Asked {
        tokio::select! {
            asked = self.signals.next() => asked,
            () = orphaned(self.parent) => Asked::Hangup,
        }
    }

    /// Waits for the end.
    pub(super) async fn wait(&mut self) {
        let deadline = self.deadline;
        tokio::select! {
            _ = self.asked() => {}
            () = deadline.wait() => {}
        }
    }

    /// Runs a command to its end; its exit code. One that takes too long is ended, and has failed
    /// whatever it says then.
    pub(super) async fn with_command(
        &mut self,
        line: &[std::ffi::OsString],
        docker_host: &str,
    ) -> Result<Code, Failure> {
        let Some((program, arguments)) = line.split_first() else {
            return Err(Failure::usage("a command is wanted after --"));
        };
        let mut command = Command::new(program);
        command.args(arguments).env("DOCKER_HOST", docker_host);
        for name in MISLEADING {
            command.env_remove(name);
        }
        let mut child = command.kill_on_drop(true).spawn().map_err(|error| {
            Failure::failed(format!("cannot run {}", program.to_string_lossy())).because(error)
        })?;
        loop {
            tokio::select! {
                status = child.wait() => return status.map(code).map_err(lost),
                // At a terminal the command has Ctrl-C too, and decides what it means.
                asked = self.signals.next() => if asked != Asked::Interrupt { break },
                () = orphaned(self.parent) => break,
                () = self.deadline.wait() => {
                    end(&mut child).await.map_err(lost)?;
                    let program = terminal::plain(&program.to_string_lossy());
                    terminal::tell(&format!("error: {program}: {}", over()));
                    return Ok(Code::Failed);
                }
            }
        }
        end(&mut child).await.map(code).map_err(lost)
    }
}

/// Waits for the end of the parent.
async fn orphaned(parent: Option<rustix::process::Pid>) {
    while rustix::process::getppid() == parent {
        tokio::time::sleep(LOOK).await;
    }
}

/// Asks a command to end, and ends it where it does not.
async fn end(child: &mut Child) -> std::io::Result<ExitStatus> {
    let number = child.id().and_then(|id| i32::try_from(id).ok());
    if let Some(process) = number.and_then(rustix::process::Pid::from_raw) {
        // It may have ended in this moment.
        let _ = rustix::process::kill_process(process, rustix::process::Signal::TERM);
    }
    if let Ok(status) = tokio::time::timeout(GRACE, child.wait()).await {
        return status;
    }
    child.kill().await?;
    child.wait().await
}

fn code(status: ExitStatus) -> Code {
    use std::os::unix::process::ExitStatusExt as _;
    let number = status
        .code()
        .or_else(|| status.signal().map(|signal| 128 + signal));
    match number.and_then(|number| u8::try_from(number).ok()) {
        Some(0) => Code::Done,
        Some(number) => Code::Passed(number),
        None => Code::Failed,
    }
}

fn lost(error: std::io::Error) -> Failure {
    Failure::failed("cannot wait for the command").because(error)
}
