//! Commands whose output is read as it comes, and none of which is left behind.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncRead, BufReader, ReadHalf, WriteHalf};
use tokio::sync::oneshot;

use crate::handle::ExitStatus;
use crate::pipe::ErrorStream;
use crate::process::{Guard, RunError, kill, read_mark};
use crate::quoting::quoted;
use crate::session::{Channel, Session};

/// How long a host may take from the channel to the command: login scripts run between.
const START_TIMEOUT: Duration = Duration::from_secs(60);

/// A command that runs on the host. Dropping it, or its [`Ending`], ends the command with everything
/// that it started, as far as the runtime still runs.
#[derive(Debug)]
pub struct Running {
    stdin: WriteHalf<Channel>,
    stdout: ReadHalf<Channel>,
    stderr: BufReader<ErrorStream>,
    ending: Ending,
}

/// How a running command ends.
#[derive(Debug)]
pub struct Ending {
    guard: Guard,
    exit: oneshot::Receiver<ExitStatus>,
}

impl Session {
    /// Starts a command line in the user's own shell (`$SHELL`). At most 8 run at a time; more wait.
    ///
    /// The connection's signs of life are the only deadline of what it prints: a command may be silent
    /// for as long as it likes.
    ///
    /// # Errors
    /// Where it cannot be started, or the connection breaks.
    ///
    /// # Cancellation
    /// When the future is dropped, the command is ended.
    pub async fn spawn(&self, command: &str) -> Result<Running, RunError> {
        static COUNTER: AtomicU64 = AtomicU64::new(0);
        let mark = format!(
            "dfab-stream-{}-{}",
            std::process::id(),
            COUNTER.fetch_add(1, Ordering::Relaxed)
        );
        let line = format!(
            "exec sh -c {} {mark} {}",
            quoted(r#"echo "$0 $$" >&2; exec "${SHELL:-/bin/sh}" -c "$1""#),
            quoted(command)
        );
        let (channel, stderr, exit) = self.exec(&line).await?.into_streams();
        let mut guard = Guard::new(self.clone());
        let mut stderr = BufReader::new(stderr);
        guard.process = tokio::time::timeout(START_TIMEOUT, read_mark(&mut stderr, &mark))
            .await
            .map_err(|_| RunError::Timeout {
                after: START_TIMEOUT,
            })?
            .map_err(RunError::Broken)?;
        let (stdout, stdin) = tokio::io::split(channel);
        Ok(Running {
            stdin,
            stdout,
            stderr,
            ending: Ending { guard, exit },
        })
    }
}

impl Running {
    /// Its standard input, output and error, and its end. The exit status comes once all output was
    /// read.
    pub fn into_parts(
        self,
    ) -> (
        WriteHalf<Channel>,
        ReadHalf<Channel>,
        impl AsyncRead + Unpin + Send + use<>,
        Ending,
    ) {
        (self.stdin, self.stdout, self.stderr, self.ending)
    }
}

impl Ending {
    /// The exit status; 128 and the signal's number where a signal ended it. May be dropped at any
    /// time, and called again then.
    ///
    /// # Errors
    /// Where the connection broke first.
    pub async fn exit(&mut self) -> Result<i32, RunError> {
        let gone = || io::Error::new(io::ErrorKind::ConnectionReset, "no exit status came");
        let status = (&mut self.exit).await;
        self.guard.armed = false;
        status
            .map(|status| status.code)
            .map_err(|_| RunError::Broken(gone()))
    }

    /// Ends the command with everything that it started, and waits for it, 10 s at most.
    pub async fn end(mut self) {
        self.guard.armed = false;
        if let Some(process) = self.guard.process.take() {
            kill(&self.guard.session, &process).await;
        }
    }
}
