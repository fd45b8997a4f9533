//! A session and its channels. A session whose connection broke is opened again when a channel is
//! wanted, since asking for a channel changes nothing on the host. What was under way is told to its
//! user, who knows what can be done again.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::connect::ConnectError;
use crate::connector::Connector;
use crate::flight::Flight;
use crate::handle::{Handle, Kind, Opened, Refusal};
use crate::pipe::{ErrorStream, Incoming, Outgoing};
use crate::process::Process;
use crate::target::Target;
use crate::terminal::Resizer;

/// How many commands run at a time: sshd allows 10 (`MaxSessions`). Forwarded channels do not count.
/// A server that allows fewer is found out, and the limit lowered.
const COMMANDS_AT_A_TIME: usize = 8;
/// How often a command is tried again that the server refused though no other runs: it may not have
/// noticed yet that the last one has ended.
const TRIES: u32 = 4;
/// How long is waited between, at first.
const PAUSE: Duration = Duration::from_millis(20);
/// How long a channel may take to open, where a connection may not take longer.
const OPEN_TIMEOUT: Duration = Duration::from_secs(30);

/// Why a channel could not be opened.
#[derive(Debug, Clone, thiserror::Error)]
pub enum OpenError {
    /// The session was closed.
    #[error("{0}")]
    Closed(String),
    /// The connection broke, and cannot be made again.
    #[error("the SSH connection broke ({reason}) and cannot be opened again")]
    Reopen {
        /// How it broke.
        reason: String,
        /// Why there is no new one.
        #[source]
        source: Arc<ConnectError>,
    },
    /// The connection broke when the command had been asked for.
    #[error("{0}; whether the command was started is not known")]
    Unknown(String),
    /// The server allows no session channel (`MaxSessions`), though no other command runs.
    #[error("cannot run a command: {reason}; does sshd allow commands (MaxSessions)?")]
    NoCommands {
        /// The server's answer.
        reason: String,
    },
    /// The server said no.
    #[error("cannot open {what}: {reason}")]
    Refused {
        /// What was asked for.
        what: String,
        /// Its answer.
        reason: String,
    },
    /// The server said nothing.
    #[error(
        "cannot open {what}: no answer within {} s; --connect-timeout gives it more time",
        .after.as_secs_f64()
    )]
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

/// A connection to one SSH server, opened again where it broke. Clones share it; it closes with the
/// last clone and channel.
#[derive(Debug, Clone)]
pub struct Session(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    target: Arc<Target>,
    connector: Connector,
    current: Mutex<Connection>,
    reopening: Flight<ConnectError>,
    /// By [`Session::close`].
    ended: AtomicBool,
    /// On connections that are no more.
    channels_before: AtomicU64,
    commands_started: AtomicU64,
    second: Second,
}

/// The connection beside the first.
#[derive(Debug, Default)]
struct Second {
    session: Mutex<WeakSession>,
    opening: Flight<ConnectError>,
    /// There is none: the server did not let us in once more, or this is one itself.
    none: AtomicBool,
}

/// One connection of a session.
#[derive(Debug, Clone)]
struct Connection {
    driver: Handle,
    commands: Arc<Semaphore>,
    /// How many commands may run at a time.
    limit: Arc<AtomicUsize>,
}

impl Connection {
    fn new(driver: Handle) -> Self {
        Self {
            driver,
            commands: Arc::new(Semaphore::new(COMMANDS_AT_A_TIME)),
            limit: Arc::new(AtomicUsize::new(COMMANDS_AT_A_TIME)),
        }
    }

    /// Lowers the limit to what runs, where something runs; how many that is. The command that was
    /// refused has given its permit back.
    fn lower_spare(&self) -> usize {
        let spare = self.commands.available_permits();
        let running = self.limit.load(Ordering::Relaxed).saturating_sub(spare);
        if running > 0 {
            let forgotten = self.commands.forget_permits(spare);
            self.limit.fetch_sub(forgotten, Ordering::Relaxed);
            tracing::debug!(
                limit = running,
                "the SSH server allows fewer commands at a time"
            );
        }
        running
    }
}

/// A session that does not keep itself open.
#[derive(Debug, Clone, Default)]
pub(crate) struct WeakSession(Weak<Inner>);

impl WeakSession {
    pub(crate) fn upgrade(&self) -> Option<Session> {
        self.0.upgrade().map(Session)
    }
}

impl Session {
    /// Connects with a [`Connector`] of its own: nobody answers questions, and a host that is jumped
    /// through is shared with no other session.
    ///
    /// # Errors
    /// As [`Connector::connect`].
    pub async fn connect(target: &Target) -> Result<Self, ConnectError> {
        Connector::default().connect(target).await
    }

    pub(crate) fn new(driver: Handle, target: Arc<Target>, connector: Connector) -> Self {
        Self(Arc::new(Inner {
            target,
            connector,
            current: Mutex::new(Connection::new(driver)),
            reopening: Flight::default(),
            ended: AtomicBool::new(false),
            channels_before: AtomicU64::new(0),
            commands_started: AtomicU64::new(0),
            second: Second::default(),
        }))
    }

    pub(crate) fn downgrade(&self) -> WeakSession {
        WeakSession(Arc::downgrade(&self.0))
    }

    /// A second connection to the server, for what would hold up the calls on this one: SSH sends one
    /// thing after the other. Opened when first asked for, shared by all who ask, closed with the last of
    /// them. Nobody is asked anything for it; where the server does not let us in so, it is this session.
    pub async fn for_bulk(&self) -> Self {
        let second = &self.0.second;
        let lock = || {
            second
                .session
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
        };
        let existing = || lock().upgrade();
        if second.none.load(Ordering::Acquire) {
            return self.clone();
        }
        let attempt = async {
            let target = Target {
                batch: true,
                ..Target::clone(&self.0.target)
            };
            let session = self.0.connector.connect(&target).await?;
            session.0.second.none.store(true, Ordering::Release);
            *lock() = session.downgrade();
            Ok(session)
        };
        match second.opening.run(existing, attempt).await {
            Ok(session) => session,
            Err(error) => {
                tracing::debug!(%error, "there is no second SSH session for bulk");
                second.none.store(true, Ordering::Release);
                self.clone()
            }
        }
    }

    /// Opens a channel to a unix socket on the host (`direct-streamlocal@openssh.com`).
    ///
    /// Dropping the future closes the channel if it opens all the same.
    ///
    /// # Errors
    /// Where the server refuses, or the session is gone.
    pub async fn open_unix(&self, path: &str) -> Result<Channel, OpenError> {
        self.forward(Kind::Unix(path.to_owned()), format!("the socket {path}"))
            .await
    }

    /// Opens a channel to a TCP port as seen from the host (`direct-tcpip`, RFC 4254, section 7.2).
    ///
    /// Dropping the future closes the channel if it opens all the same.
    ///
    /// # Errors
    /// Where the server refuses, or the session is gone.
    pub async fn open_tcp(&self, host: &str, port: u16) -> Result<Channel, OpenError> {
        self.forward(Kind::Tcp(host.to_owned(), port), format!("{host}:{port}"))
            .await
    }

    /// Starts a command line in the user's login shell. At most 8 run at a time, or as many as the
    /// server allows; more wait.
    ///
    /// Dropping the [`Process`] closes its streams, which ends commands that read or write them;
    /// [`Session::run`] also ends those that do not.
    ///
    /// # Errors
    /// Where the server refuses, or the session is gone.
    pub async fn exec(&self, command: &str) -> Result<Process, OpenError> {
        self.start_process(Kind::Exec(command.to_owned())).await
    }

    /// Starts what a session channel can carry, as [`Self::exec`] does.
    pub(crate) async fn start_process(&self, kind: Kind) -> Result<Process, OpenError> {
        let mut tries = 1;
        loop {
            let connection = self.connection().await?;
            let permit = Arc::clone(&connection.commands).acquire_owned().await;
            let permit = permit.map_err(|_| OpenError::Closed(connection.driver.reason()))?;
            if !connection.driver.is_open() {
                // It broke while this command waited for its turn.
                continue;
            }
            let (refusal, others) = match self.start(&connection, kind.clone(), Some(permit)).await
            {
                Ok(process) => return Ok(process),
                Err(Failure::Open(error)) => return Err(error),
                Err(Failure::Channel(reason)) => (reason, connection.lower_spare()),
            };
            if others > 0 {
                continue;
            }
            if tries == TRIES {
                return Err(OpenError::NoCommands { reason: refusal });
            }
            tokio::time::sleep(PAUSE * 2_u32.pow(tries)).await;
            tries += 1;
        }
    }

    /// Starts a command whatever else runs, on another connection where this one allows no more: for
    /// ending what runs.
    pub(crate) async fn exec_at_once(&self, command: &str) -> Result<Process, OpenError> {
        let kind = Kind::Exec(command.to_owned());
        let connection = self.connection().await?;
        match self.start(&connection, kind.clone(), None).await {
            Ok(process) => Ok(process),
            Err(Failure::Open(error)) => Err(error),
            Err(Failure::Channel(reason)) => {
                let other = self.0.connector.connect(&self.0.target).await;
                let other = other.map_err(|source| OpenError::Reopen {
                    reason,
                    source: Arc::new(source),
                })?;
                let connection = other.connection().await?;
                let started = other.start(&connection, kind, None).await;
                started.map_err(|failure| match failure {
                    Failure::Open(error) => error,
                    Failure::Channel(reason) => OpenError::NoCommands { reason },
                })
            }
        }
    }

    async fn start(
        &self,
        connection: &Connection,
        kind: Kind,
        permit: Option<OwnedSemaphorePermit>,
    ) -> Result<Process, Failure> {
        let what = "a command".to_owned();
        let opening = connection.driver.open(kind, permit);
        let limit = self.open_timeout();
        let opened = match tokio::time::timeout(limit, opening).await {
            Ok(Ok(opened)) => opened,
            Ok(Err(refusal)) => return Err(self.failure(connection, refusal, what)),
            Err(_) => {
                return Err(Failure::Open(OpenError::Timeout { what, after: limit }));
            }
        };
        self.0.commands_started.fetch_add(1, Ordering::Relaxed);
        let stderr = ErrorStream {
            incoming: opened.errors.clone(),
            driver: connection.driver.clone(),
        };
        let channel = Channel::new(&opened, connection.driver.clone());
        Ok(Process::new(channel, stderr, opened.exit))
    }

    fn failure(&self, connection: &Connection, refusal: Refusal, what: String) -> Failure {
        let reason = refusal.reason;
        match (connection.driver.is_open(), refusal.of_channel) {
            (true, true) => Failure::Channel(reason),
            (true, false) => Failure::Open(OpenError::Refused { what, reason }),
            (false, _) if refusal.may_have_started => Failure::Open(OpenError::Unknown(reason)),
            (false, _) => Failure::Open(OpenError::Closed(reason)),
        }
    }

    /// A forwarded channel. Asking for it does nothing on the host, so that after a break it is asked
    /// for once more.
    async fn forward(&self, kind: Kind, what: String) -> Result<Channel, OpenError> {
        let limit = self.open_timeout();
        let mut broken_before = false;
        loop {
            let connection = self.connection().await?;
            let opening = connection.driver.open(kind.clone(), None);
            match tokio::time::timeout(limit, opening).await {
                Ok(Ok(opened)) => return Ok(Channel::new(&opened, connection.driver)),
                Ok(Err(_)) if !connection.driver.is_open() && !broken_before => {
                    broken_before = true;
                }
                Ok(Err(Refusal { reason, .. })) if !connection.driver.is_open() => {
                    return Err(OpenError::Closed(reason));
                }
                Ok(Err(Refusal { reason, .. })) => return Err(OpenError::Refused { what, reason }),
                Err(_) => return Err(OpenError::Timeout { what, after: limit }),
            }
        }
    }

    fn open_timeout(&self) -> Duration {
        OPEN_TIMEOUT.max(self.0.target.connect_timeout)
    }

    /// The connection; a new one where it broke.
    async fn connection(&self) -> Result<Connection, OpenError> {
        let inner = &self.0;
        let open = || {
            let connection = self.current().clone();
            let usable = connection.driver.is_open() || inner.ended.load(Ordering::Acquire);
            usable.then_some(connection)
        };
        if let Some(connection) = open() {
            return Ok(connection);
        }
        let reason = self.current().driver.reason();
        tracing::debug!(
            host = inner.target.name,
            reason,
            "opening the SSH session again"
        );
        let attempt = async {
            let driver = inner.connector.open(&inner.target).await?;
            let mut current = self.current();
            let before = current.driver.channels_opened();
            inner.channels_before.fetch_add(before, Ordering::Relaxed);
            *current = Connection::new(driver);
            Ok(current.clone())
        };
        let reopened = inner.reopening.run(open, attempt).await;
        reopened.map_err(|source| OpenError::Reopen { reason, source })
    }

    fn current(&self) -> MutexGuard<'_, Connection> {
        let current = self.0.current.lock();
        current.unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the connection works, as far as is known. Where it broke, the next channel opens a new
    /// one.
    pub fn is_open(&self) -> bool {
        self.current().driver.is_open()
    }

    /// Waits until the connection is closed or broken, and says why. May be dropped at any time.
    pub async fn closed(&self) -> String {
        let driver = self.current().driver.clone();
        driver.closed().await
    }

    /// Closes the session with all its channels, for good.
    pub async fn close(&self) {
        self.0.ended.store(true, Ordering::Release);
        let driver = self.current().driver.clone();
        driver.end();
        // A connection that does not even take the goodbye is left to its thread.
        let _ = tokio::time::timeout(Duration::from_secs(1), driver.closed()).await;
    }

    /// The target's name.
    pub fn target_name(&self) -> &str {
        &self.0.target.name
    }

    /// What the session has cost so far.
    pub fn statistics(&self) -> Statistics {
        let now = self.current().driver.channels_opened();
        Statistics {
            channels_opened: self.0.channels_before.load(Ordering::Relaxed) + now,
            commands_started: self.0.commands_started.load(Ordering::Relaxed),
        }
    }
}

/// Why a command was not started.
enum Failure {
    Open(OpenError),
    /// The server allows no further session channel.
    Channel(String),
}

/// A stream of bytes both ways. Dropping it closes it.
#[derive(Debug)]
pub struct Channel {
    id: u64,
    incoming: Incoming,
    outgoing: Outgoing,
    driver: Handle,
}

impl Channel {
    fn new(opened: &Opened, driver: Handle) -> Self {
        Self {
            id: opened.id,
            incoming: opened.incoming.clone(),
            outgoing: opened.outgoing.clone(),
            driver,
        }
    }

    pub(crate) fn resizer(&self) -> Resizer {
        Resizer {
            id: self.id,
            driver: self.driver.clone(),
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
