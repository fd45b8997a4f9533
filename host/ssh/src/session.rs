//! A session and its channels.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::connect::{self, ConnectError};
use crate::driver::{Handle, Kind, Opened};
use crate::pipe::{ErrorStream, Incoming, Outgoing};
use crate::process::Process;
use crate::target::Target;

/// How many commands run at a time: sshd allows 10 (`MaxSessions`), and others may use the session's
/// user too. Forwarded channels do not count.
const COMMANDS_AT_A_TIME: usize = 8;
/// How long a channel may take to open.
const OPEN_TIMEOUT: Duration = Duration::from_secs(30);

/// Why a channel could not be opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The session is closed or broken.
    #[error("{0}")]
    Closed(String),
    /// The server said no.
    #[error("cannot open {what}: {reason}")]
    Refused {
        /// What was asked for.
        what: String,
        /// Its answer.
        reason: String,
    },
    /// The server said nothing.
    #[error("cannot open {what}: no answer within {} s", .after.as_secs_f64())]
    Timeout {
        /// What was asked for.
        what: String,
        /// How long was waited.
        after: Duration,
    },
}

/// What a session has cost so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Statistics {
    /// Channels opened, commands included.
    pub channels_opened: u64,
    /// Commands started on the host.
    pub commands_started: u64,
}

/// A connection to one SSH server. Clones share it; it closes with the last clone and channel.
#[derive(Debug, Clone)]
pub struct Session {
    driver: Handle,
    name: Arc<str>,
    commands: Arc<Semaphore>,
    commands_started: Arc<AtomicU64>,
}

impl Session {
    /// Connects, checks the host's key and logs in, within the target's `connect_timeout`.
    ///
    /// Dropping the future ends the attempt at the latest when that time is up.
    ///
    /// # Errors
    /// Where the host cannot be reached, is not trusted, or lets nobody in.
    pub async fn connect(target: &Target) -> Result<Self, ConnectError> {
        Ok(Self {
            driver: connect::connect(target).await?,
            name: target.name.as_str().into(),
            commands: Arc::new(Semaphore::new(COMMANDS_AT_A_TIME)),
            commands_started: Arc::default(),
        })
    }

    /// Opens a channel to a unix socket on the host (`direct-streamlocal@openssh.com`).
    ///
    /// Dropping the future closes the channel if it opens all the same.
    ///
    /// # Errors
    /// Where the server refuses, or the session is gone.
    pub async fn open_unix(&self, path: &str) -> Result<Channel, OpenError> {
        let opened = self
            .open(Kind::Unix(path.to_owned()), format!("the socket {path}"))
            .await?;
        Ok(Channel::new(&opened, self.driver.clone(), None))
    }

    /// Opens a channel to a TCP port as seen from the host (`direct-tcpip`, RFC 4254, section 7.2).
    ///
    /// Dropping the future closes the channel if it opens all the same.
    ///
    /// # Errors
    /// Where the server refuses, or the session is gone.
    pub async fn open_tcp(&self, host: &str, port: u16) -> Result<Channel, OpenError> {
        let opened = self
            .open(Kind::Tcp(host.to_owned(), port), format!("{host}:{port}"))
            .await?;
        Ok(Channel::new(&opened, self.driver.clone(), None))
    }

    /// Starts a command line in the user's login shell. At most 8 run at a time; more wait.
    ///
    /// Dropping the [`Process`] closes its streams, which ends commands that read or write them;
    /// [`Session::run`] also ends those that do not.
    ///
    /// # Errors
    /// Where the server refuses, or the session is gone.
    pub async fn exec(&self, command: &str) -> Result<Process, OpenError> {
        let permit = Arc::clone(&self.commands)
            .acquire_owned()
            .await
            .map_err(|_| OpenError::Closed(self.driver.reason()))?;
        self.exec_with(command, Some(permit)).await
    }

    /// As [`Self::exec`], whatever else runs: for ending what runs.
    pub(crate) async fn exec_at_once(&self, command: &str) -> Result<Process, OpenError> {
        self.exec_with(command, None).await
    }

    async fn exec_with(
        &self,
        command: &str,
        permit: Option<OwnedSemaphorePermit>,
    ) -> Result<Process, OpenError> {
        let opened = self
            .open(Kind::Exec(command.to_owned()), "a command".to_owned())
            .await?;
        self.commands_started.fetch_add(1, Ordering::Relaxed);
        let stderr = ErrorStream {
            incoming: opened.errors.clone(),
            driver: self.driver.clone(),
        };
        let channel = Channel::new(&opened, self.driver.clone(), permit);
        Ok(Process::new(channel, stderr, opened.exit))
    }

    /// Whether the session can still be used, as far as is known.
    pub fn is_open(&self) -> bool {
        self.driver.is_open()
    }

    /// Waits until the session is closed or broken, and says why. May be dropped at any time.
    pub async fn closed(&self) -> String {
        self.driver.closed().await
    }

    /// Closes the session with all its channels.
    pub async fn close(&self) {
        self.driver.end();
        // A connection that does not even take the goodbye is left to its thread.
        let _ = tokio::time::timeout(Duration::from_secs(1), self.driver.closed()).await;
    }

    /// The target's name.
    pub fn target_name(&self) -> &str {
        &self.name
    }

    /// What the session has cost so far.
    pub fn statistics(&self) -> Statistics {
        Statistics {
            channels_opened: self.driver.channels_opened(),
            commands_started: self.commands_started.load(Ordering::Relaxed),
        }
    }

    async fn open(&self, kind: Kind, what: String) -> Result<Opened, OpenError> {
        match tokio::time::timeout(OPEN_TIMEOUT, self.driver.open(kind)).await {
            Err(_) => Err(OpenError::Timeout {
                what,
                after: OPEN_TIMEOUT,
            }),
            Ok(Ok(opened)) => Ok(opened),
            Ok(Err(reason)) if !self.is_open() => Err(OpenError::Closed(reason)),
            Ok(Err(reason)) => Err(OpenError::Refused { what, reason }),
        }
    }
}

/// A stream of bytes both ways. Dropping it closes it.
#[derive(Debug)]
pub struct Channel {
    id: u64,
    incoming: Incoming,
    outgoing: Outgoing,
    driver: Handle,
    _permit: Option<OwnedSemaphorePermit>,
}

impl Channel {
    fn new(opened: &Opened, driver: Handle, permit: Option<OwnedSemaphorePermit>) -> Self {
        Self {
            id: opened.id,
            incoming: opened.incoming.clone(),
            outgoing: opened.outgoing.clone(),
            driver,
            _permit: permit,
        }
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        self.driver.close(self.id);
    }
}

impl AsyncRead for Channel {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.incoming.poll_read(context, buffer).map_ok(|pull| {
            if pull {
                self.driver.wake();
            }
        })
    }
}

impl AsyncWrite for Channel {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = self.outgoing.poll_write(context, bytes);
        if matches!(written, Poll::Ready(Ok(_))) {
            self.driver.wake();
        }
        written
    }

    /// What was written is on its way already.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.outgoing.end();
        self.driver.wake();
        Poll::Ready(Ok(()))
    }
}
