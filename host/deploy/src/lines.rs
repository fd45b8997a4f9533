//! The connections that a tunnel to one engine has: as many as its streams need, since one SSH session
//! carries only so many, and new ones for those that broke.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use dfab_engine::{ChannelError, ChannelKind, tunnel, with_causes};
use dfab_ssh::Session;
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;

use crate::host::{Host, HostError};

/// Told of a connection that broke, with the reason.
pub type BrokenNotice = Arc<dyn Fn(&str) + Send + Sync>;

/// Why a tunnel has no stream for a client.
#[derive(Debug, thiserror::Error)]
pub enum LineError {
    /// There is no connection, and none can be made.
    #[error("{}", with_causes(.0.as_ref()))]
    Host(Arc<HostError>),
    /// The connection opens no stream to the engine.
    #[error("{host}: {}", with_causes(.source))]
    Stream {
        /// As the operator named it.
        host: String,
        /// Why.
        #[source]
        source: ChannelError,
    },
}

/// The connections to one engine. Clones share them.
#[derive(Clone)]
pub struct Lines {
    shared: Arc<Shared>,
}

struct Shared {
    host: Host,
    open: Mutex<Open>,
    on_break: BrokenNotice,
}

#[derive(Default)]
struct Open {
    lines: Vec<Arc<Line>>,
    /// The last attempt that failed, and when: whoever waited for it has its answer.
    failure: Option<(Instant, Arc<HostError>)>,
}

impl std::fmt::Debug for Lines {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lines")
            .field("host", &self.shared.host)
            .finish_non_exhaustive()
    }
}

/// One connection.
struct Line {
    host: Host,
    session: Option<Session>,
    kind: ChannelKind,
    room: Arc<Semaphore>,
    was_told: Arc<AtomicBool>,
    /// Ends before the session, where its end is wanted.
    watcher: Option<JoinHandle<()>>,
}

impl Line {
    async fn connect(host: Host, on_break: &BrokenNotice) -> Result<Self, HostError> {
        let kind = host.engine().await?.channel();
        let session = host.session().await?.cloned();
        let was_told = Arc::new(AtomicBool::new(false));
        let watcher = session.clone().map(|session| {
            let (on_break, was_told) = (Arc::clone(on_break), Arc::clone(&was_told));
            tokio::spawn(async move {
                let reason = session.closed().await;
                was_told.store(true, Ordering::Release);
                on_break(&reason);
            })
        });
        let room = match session {
            None => Semaphore::MAX_PERMITS,
            Some(_) if kind.is_process() => PROCESSES,
            Some(_) => CHANNELS,
        };
        Ok(Self {
            host,
            session,
            kind,
            room: Arc::new(Semaphore::new(room)),
            was_told,
            watcher,
        })
    }

    fn is_broken(&self) -> bool {
        let is_closed = self
            .session
            .as_ref()
            .is_some_and(|session| !session.is_open());
        is_closed || self.was_told.load(Ordering::Acquire)
    }

    fn unwatch(&self) {
        if let Some(watcher) = &self.watcher {
            watcher.abort();
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        // An end that nobody wanted is still to be told.
        if !self.is_broken() {
            self.unwatch();
        }
    }
}

impl Lines {
    /// Makes the first connection.
    ///
    /// # Errors
    /// Where the host cannot be reached, or its engine does not answer.
    pub async fn connect(host: &Host, on_break: BrokenNotice) -> Result<Self, HostError> {
        let first = Line::connect(host.again(), &on_break).await?;
        let open = Open {
            lines: vec![Arc::new(first)],
            failure: None,
        };
        Ok(Self {
            shared: Arc::new(Shared {
                host: host.again(),
                open: Mutex::new(open),
                on_break,
            }),
        })
    }

    /// The way to the engine that was found; none where all connections are broken.
    pub async fn kind(&self) -> Option<ChannelKind> {
        let open = self.shared.open.lock().await;
        open.lines.first().map(|line| line.kind)
    }

    /// Closes all connections.
    pub async fn close(&self) {
        let lines = std::mem::take(&mut self.shared.open.lock().await.lines);
        for line in lines {
            line.unwatch();
            if let Some(session) = &line.session {
                session.close().await;
            }
        }
    }

    /// A line that has room, with the room; a new one where there is none.
    async fn free_line(&self) -> Result<(Arc<Line>, OwnedSemaphorePermit), LineError> {
        let asked = Instant::now();
        loop {
            let mut open = self.shared.open.lock().await;
            open.lines.retain(|line| !line.is_broken());
            if let Some(free) = open.lines.iter().find_map(with_room) {
                return Ok(free);
            }
            if open.lines.len() < LINES {
                match &open.failure {
                    Some((when, error)) if *when >= asked => {
                        return Err(LineError::Host(Arc::clone(error)));
                    }
                    _ => {}
                }
                let host = self.shared.host.again();
                match Line::connect(host, &self.shared.on_break).await {
                    Ok(line) => open.lines.push(Arc::new(line)),
                    Err(error) => {
                        let error = Arc::new(error);
                        open.failure = Some((Instant::now(), Arc::clone(&error)));
                        return Err(LineError::Host(error));
                    }
                }
                continue;
            }
            // All are full: the first stream that ends makes room.
            let any: Vec<_> = open.lines.iter().map(room_of).map(Box::pin).collect();
            drop(open);
            if let (Some(free), ..) = futures_util::future::select_all(any).await {
                return Ok(free);
            }
        }
    }
}

fn with_room(line: &Arc<Line>) -> Option<(Arc<Line>, OwnedSemaphorePermit)> {
    let permit = Arc::clone(&line.room).try_acquire_owned().ok()?;
    Some((Arc::clone(line), permit))
}

fn room_of(
    line: &Arc<Line>,
) -> impl Future<Output = Option<(Arc<Line>, OwnedSemaphorePermit)>> + Send + use<> {
    let line = Arc::clone(line);
    async move {
        let permit = Arc::clone(&line.room).acquire_owned().await.ok()?;
        Some((line, permit))
    }
}

impl tunnel::Source for Lines {
    type Error = LineError;

    /// On a connection that turns out to be broken, once more on another one.
    async fn open(&self) -> Result<tunnel::EngineStream, LineError> {
        let mut is_second = false;
        loop {
            let (line, permit) = self.free_line().await?;
            let engine = line.host.engine().await;
            let engine = engine.map_err(|error| LineError::Host(Arc::new(error)))?;
            match engine.open_tunnel().await {
                // The connection stays for as long as a stream is on it.
                Ok(stream) => return Ok(stream.holding((permit, Arc::clone(&line)))),
                Err(_) if line.is_broken() && !is_second => is_second = true,
                Err(source) => {
                    return Err(LineError::Stream {
                        host: self.shared.host.name().to_owned(),
                        source,
                    });
                }
            }
        }
    }
}

/// How many connections a tunnel may have.
const LINES: usize = 16;

/// Streams of a connection that are processes. sshd allows ten (`MaxSessions`): one is for calls, and
/// others are for ending what must be ended.
const PROCESSES: usize = 6;

/// Streams of a connection that are forwarded: each is a file of a process of sshd, which may have 1024.
const CHANNELS: usize = 400;
