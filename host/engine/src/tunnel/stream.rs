//! A stream to an engine that no pool knows of, and the end of the process that carries it.

use std::any::Any;
use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use dfab_ssh::quoted;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::oneshot;

use crate::connector::{ByteStream, ChannelError, Connector, Way};
use crate::engine::Engine;
use crate::processes::Mark;
use crate::ssh_channel::SshWay;

/// What a program on the host said before it ended badly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastWords {
    /// Its command line.
    pub command: String,
    /// Its exit status; none where the connection broke first.
    pub status: Option<i32>,
    /// The end of its standard error.
    pub words: String,
}

impl fmt::Display for LastWords {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "`{}` on the host ended", self.command)?;
        if let Some(status) = self.status {
            write!(formatter, " with exit status {status}")?;
        }
        if !self.words.is_empty() {
            write!(formatter, ": {}", self.words)?;
        }
        Ok(())
    }
}

/// Bytes both ways between a client and the engine, with nothing of dfab's in between.
pub struct EngineStream {
    stream: Option<Box<dyn ByteStream>>,
    process: Option<Carrier>,
    is_at_end: bool,
    held: Option<Box<dyn Any + Send + Sync>>,
}

impl fmt::Debug for EngineStream {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("EngineStream")
            .field("is_at_end", &self.is_at_end)
            .finish_non_exhaustive()
    }
}

/// The process on the host that carries a stream.
struct Carrier {
    session: dfab_ssh::Session,
    number: Arc<OnceLock<u32>>,
    ended: oneshot::Receiver<LastWords>,
}

impl Engine {
    /// Opens a stream of its own to the engine, in the way by which all calls go.
    ///
    /// Dropping the future closes the stream if it opens all the same.
    ///
    /// # Errors
    /// Where it cannot be opened within the time for connecting.
    pub async fn open_tunnel(&self) -> Result<EngineStream, ChannelError> {
        let connector = self.shared.transport.connector();
        let opening = open(connector);
        match tokio::time::timeout(connector.timeout(), opening).await {
            Ok(opened) => opened,
            Err(_) => Err(ChannelError::Slow {
                kind: connector.kind(),
                after: connector.timeout(),
            }),
        }
    }
}

async fn open(connector: &Connector) -> Result<EngineStream, ChannelError> {
    let (stream, process) = match connector.way() {
        Way::Ssh(way) => match way.command(Some(LINGER_S)) {
            Some(command) => start(way, command).await?,
            None => (connector.open_stream().await?, None),
        },
        Way::Unix(_) | Way::Tcp { .. } => (connector.open_stream().await?, None),
    };
    Ok(EngineStream {
        stream: Some(stream),
        process,
        is_at_end: false,
        held: None,
    })
}

/// Starts a process whose number is known, so that it can be ended: half of a stream may be closed
/// for long before the other has anything to say, and so the end of its input does not end it.
async fn start(
    way: &SshWay,
    command: String,
) -> Result<(Box<dyn ByteStream>, Option<Carrier>), ChannelError> {
    let (mark, line) = Mark::new(&command);
    let session = way.session();
    let opened = session.exec(&line).await;
    let process = opened.map_err(|source| ChannelError::Ssh {
        kind: way.kind(),
        source: Arc::new(source),
    })?;
    let (stream, stderr, status) = process.into_parts();
    let number = Arc::new(OnceLock::new());
    let (sender, ended) = oneshot::channel();
    let known = Arc::clone(&number);
    tokio::spawn(async move {
        let keep = |number| {
            // It is told once.
            let _ = known.set(number);
        };
        let words = mark.listen(stderr, keep).await;
        let status = status.await;
        // Nobody may want to know any more.
        let _ = sender.send(LastWords {
            command,
            status,
            words,
        });
    });
    let carrier = Carrier {
        session: session.clone(),
        number,
        ended,
    };
    Ok((Box::new(stream), Some(carrier)))
}

impl EngineStream {
    /// Keeps something for as long as the stream is open.
    #[must_use]
    pub fn holding(mut self, held: impl Any + Send + Sync) -> Self {
        self.held = Some(Box::new(held));
        self
    }

    /// Closes the stream, and ends what carries it on the host. Tells what that said if it ended
    /// badly by itself.
    ///
    /// Takes some seconds at most. Dropping the future leaves the rest to a task.
    pub async fn end(mut self) -> Option<LastWords> {
        let mut process = self.process.take()?;
        let stream = self.stream.take();
        if self.is_at_end
            && let Ok(Ok(words)) = tokio::time::timeout(MOMENT, &mut process.ended).await
        {
            return (words.status != Some(0)).then_some(words);
        }
        let ending = process.kill();
        // In a task, which goes on where this future is dropped.
        let task = tokio::spawn(async move {
            ending.await;
            drop(stream);
        });
        let _ = task.await;
        None
    }
}

impl Carrier {
    /// Ends the process with its group: sshd gives each command one of its own.
    async fn kill(self) {
        let Some(number) = self.number.get() else {
            return;
        };
        // The docker client takes its time.
        let script = format!(
            "group=$(cut -d' ' -f5 /proc/{number}/stat) && kill -s TERM -- \"-$group\" || exit
             for moment in 1 2 3 4 5; do
                 kill -s 0 -- \"-$group\" 2> /dev/null || exit 0
                 sleep 0.1 2> /dev/null || sleep 1
             done
             kill -s KILL -- \"-$group\""
        );
        let line = format!("sh -c {}", quoted(&script));
        // Where it has gone by itself, or the session has, there is nothing left to end.
        let _ = self.session.run(&line, None, KILL, KILL_BYTES).await;
    }
}

impl Drop for EngineStream {
    fn drop(&mut self) {
        if let (Some(process), Ok(runtime)) =
            (self.process.take(), tokio::runtime::Handle::try_current())
        {
            let stream = self.stream.take();
            runtime.spawn(async move {
                process.kill().await;
                drop(stream);
            });
        }
    }
}

impl AsyncRead for EngineStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Some(stream) = &mut self.stream else {
            return Poll::Ready(Ok(()));
        };
        let before = buffer.filled().len();
        let read = Pin::new(stream).poll_read(context, buffer);
        if let Poll::Ready(result) = &read {
            self.is_at_end |= result.is_err() || buffer.filled().len() == before;
        }
        read
    }
}

impl AsyncWrite for EngineStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.stream {
            Some(stream) => Pin::new(stream).poll_write(context, bytes),
            None => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Some(stream) => Pin::new(stream).poll_flush(context),
            None => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Some(stream) => Pin::new(stream).poll_shutdown(context),
            None => Poll::Ready(Ok(())),
        }
    }
}

/// How long socat waits, without a byte from the engine, after the client's last word.
const LINGER_S: u32 = 3600;

/// How long last words may take.
const MOMENT: Duration = Duration::from_secs(1);

/// For ending a process on the host, and how much that may say.
const KILL: Duration = Duration::from_secs(5);
const KILL_BYTES: usize = 4 * 1024;
