//! Opens one channel to the Engine at a time, for the pool of kept connections.
//!
//! Invariant: a channel that exists holds its permit, and dropping it closes it; with a process on
//! the host, the process ends with it.

use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::rt::ReadBufCursor;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::channel::ChannelKind;
use crate::ssh_channel::{self, LastWords, SshWay};
use crate::tls::{self, Tls, TlsError};

/// Why a channel could not be opened, or broke.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ChannelError {
    /// The Unix socket of this machine.
    #[error("the socket {} cannot be opened", .path.display())]
    Unix {
        /// The socket.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: Arc<io::Error>,
    },
    /// A TCP port.
    #[error("port {port} of {host} cannot be reached")]
    Tcp {
        /// Name or address.
        host: String,
        /// The Engine's port.
        port: u16,
        /// What the system said.
        #[source]
        source: Arc<io::Error>,
    },
    /// The SSH session could not open the channel.
    #[error("the SSH connection opened no {kind} channel")]
    Ssh {
        /// The way.
        kind: ChannelKind,
        /// What the session said.
        #[source]
        source: Arc<dfab_ssh::OpenError>,
    },
    /// The process on the host that should carry the bytes ended, and said why.
    #[error("`{command}` on the host ended: {words}")]
    Process {
        /// The command.
        command: String,
        /// The end of its standard error, or its exit status.
        words: String,
    },
    /// The Engine's port is open, but TLS does not come about.
    #[error("{source}")]
    Tls {
        /// Why, with the file that it has to do with.
        source: Arc<TlsError>,
    },
    /// Opening took too long.
    #[error(
        "no {kind} channel opened within {} s; --connect-timeout gives it more time",
        .after.as_secs_f64()
    )]
    Slow {
        /// The way.
        kind: ChannelKind,
        /// How long was waited.
        after: Duration,
    },
    /// The connection broke before the answer.
    #[error("the connection broke before the answer")]
    Request {
        /// What the HTTP client said.
        #[source]
        source: Arc<hyper_util::client::legacy::Error>,
    },
    /// The connection broke within the answer.
    #[error("the connection broke within the answer")]
    Response {
        /// What the HTTP client said.
        #[source]
        source: Arc<hyper::Error>,
    },
    /// Reading or writing failed.
    #[error("the connection failed")]
    Stream {
        /// What the system said.
        #[source]
        source: Arc<io::Error>,
    },
}

impl ChannelError {
    /// An error of ours that travels as an I/O error.
    pub(crate) fn within(error: &io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }

    /// Unwraps an error of ours that travelled as an I/O error.
    pub(crate) fn from_io(error: io::Error) -> Self {
        match error.downcast::<Self>() {
            Ok(ours) => ours,
            Err(source) => Self::Stream {
                source: Arc::new(source),
            },
        }
    }
}

/// Where channels come from.
#[derive(Clone)]
pub(crate) enum Way {
    /// The Unix socket of this machine.
    Unix(PathBuf),
    /// A TCP port that this machine reaches.
    Tcp { host: String, port: u16 },
    /// Through an SSH session.
    Ssh(SshWay),
}

impl Way {
    pub(crate) fn kind(&self) -> ChannelKind {
        match self {
            Self::Unix(_) => ChannelKind::Local,
            Self::Tcp { .. } => ChannelKind::Tcp,
            Self::Ssh(way) => way.kind(),
        }
    }

    /// The name or address by which an engine behind TCP is asked for.
    fn tcp_host(&self) -> &str {
        match self {
            Self::Unix(_) => "",
            Self::Tcp { host, .. } => host,
            Self::Ssh(way) => way.tcp_host().unwrap_or_default(),
        }
    }
}

/// The connector of one engine's connection pool.
#[derive(Clone)]
pub(crate) struct Connector {
    shared: Arc<Shared>,
}

struct Shared {
    way: Way,
    tls: Option<Tls>,
    opened: AtomicU64,
    permits: Arc<Semaphore>,
    timeout: Duration,
    last_words: LastWords,
}

impl Connector {
    /// TLS is spoken on TCP only: everything else has its own protection.
    pub(crate) fn new(way: Way, tls: Option<Tls>, timeout: Duration) -> Self {
        let channels = if way.kind().is_process() {
            PROCESSES
        } else {
            CHANNELS
        };
        Self {
            shared: Arc::new(Shared {
                tls: tls.filter(|_| way.kind() == ChannelKind::Tcp),
                way,
                opened: AtomicU64::new(0),
                permits: Arc::new(Semaphore::new(channels)),
                timeout,
                last_words: LastWords::default(),
            }),
        }
    }

    pub(crate) fn kind(&self) -> ChannelKind {
        self.shared.way.kind()
    }

    /// Channels opened so far.
    pub(crate) fn opened(&self) -> u64 {
        self.shared.opened.load(Ordering::Relaxed)
    }

    /// What the process behind a channel said when it ended, where a process is behind it; or the other
    /// side of TLS.
    pub(crate) async fn last_words(&self) -> Option<ChannelError> {
        if !self.kind().is_process() && self.shared.tls.is_none() {
            return None;
        }
        self.shared.last_words.heard().await
    }

    /// The same with another way to the same engine.
    pub(crate) fn by(&self, way: Way) -> Self {
        Self::new(way, self.shared.tls.clone(), self.shared.timeout)
    }

    /// The way, for streams beside the pool.
    pub(crate) fn way(&self) -> &Way {
        &self.shared.way
    }

    /// Opens a stream that no pool knows of. The caller bounds the time.
    pub(crate) async fn open_stream(&self) -> Result<Box<dyn ByteStream>, ChannelError> {
        let shared = &self.shared;
        let stream = connect(&shared.way, &shared.last_words).await?;
        let Some(tls) = &shared.tls else {
            return Ok(stream);
        };
        shared.last_words.take();
        tls::connect(tls, stream, shared.way.tcp_host(), &shared.last_words)
            .await
            .map_err(|error| ChannelError::Tls {
                source: Arc::new(error),
            })
    }

    /// How long opening may take.
    pub(crate) fn timeout(&self) -> Duration {
        self.shared.timeout
    }

    async fn open(self) -> Result<Channel, ChannelError> {
        let shared = &self.shared;
        let kind = shared.way.kind();
        let permit = Arc::clone(&shared.permits).acquire_owned().await.ok();
        let opening = self.open_stream();
        let stream = if kind.is_process() {
            // It may have to wait for others to end, where the server allows few commands at a time. How
            // long its own start may take, the session knows.
            opening.await?
        } else {
            let opened = tokio::time::timeout(shared.timeout, opening).await;
            opened.map_err(|_| ChannelError::Slow {
                kind,
                after: shared.timeout,
            })??
        };
        let count = shared.opened.fetch_add(1, Ordering::Relaxed) + 1;
        tracing::debug!(%kind, count, "opened a channel to the Docker Engine");
        Ok(Channel {
            stream: TokioIo::new(stream),
            closes_by_drop: kind.is_process(),
            _permit: permit,
        })
    }
}

impl tower_service::Service<http::Uri> for Connector {
    type Response = Channel;
    type Error = ChannelError;
    type Future = Pin<Box<dyn Future<Output = Result<Channel, ChannelError>> + Send>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _uri: http::Uri) -> Self::Future {
        Box::pin(self.clone().open())
    }
}

/// Bytes both ways.
pub(crate) trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<Stream: AsyncRead + AsyncWrite + Send + Unpin> ByteStream for Stream {}

/// One open channel.
pub(crate) struct Channel {
    stream: TokioIo<Box<dyn ByteStream>>,
    closes_by_drop: bool,
    _permit: Option<OwnedSemaphorePermit>,
}

impl Connection for Channel {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl hyper::rt::Read for Channel {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl hyper::rt::Write for Channel {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.closes_by_drop {
            // `dial-stdio` passes an early end of its input on, and the Engine then answers 500.
            return Pin::new(&mut self.stream).poll_flush(context);
        }
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// sshd allows ten sessions a connection (`MaxSessions`); two are left for commands.
const PROCESSES: usize = 8;

/// Calls in flight and streams together; a bound against running away, not a limit to meet.
const CHANNELS: usize = 256;

#[expect(
    clippy::disallowed_methods,
    reason = "channels to the Engine that are not SSH's are opened here and nowhere else"
)]
async fn connect(way: &Way, last_words: &LastWords) -> Result<Box<dyn ByteStream>, ChannelError> {
    match way {
        Way::Unix(path) => match UnixStream::connect(path).await {
            Ok(stream) => Ok(Box::new(stream)),
            Err(source) => Err(ChannelError::Unix {
                path: path.clone(),
                source: Arc::new(source),
            }),
        },
        Way::Tcp { host, port } => {
            let refused = |source| ChannelError::Tcp {
                host: host.clone(),
                port: *port,
                source: Arc::new(source),
            };
            let stream = TcpStream::connect((host.as_str(), *port))
                .await
                .map_err(refused)?;
            stream.set_nodelay(true).map_err(refused)?;
            Ok(Box::new(stream))
        }
        Way::Ssh(way) => ssh_channel::open(way, last_words).await,
    }
}
