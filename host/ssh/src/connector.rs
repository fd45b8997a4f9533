//! What all sessions of a run share: hosts that are jumped through, limits, and who answers questions.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::future::Future;
use std::hash::{BuildHasher, Hasher};
use std::os::unix::net::UnixStream;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

use crate::connect::{self, ConnectError};
use crate::destination::Destination;
use crate::flight::Flight;
use crate::handle::Handle;
use crate::link::{Link, relay};
use crate::question::{Asker, Nobody, Prompter};
use crate::resolve::{Looked, ResolveError, ResolveOptions, resolve_with};
use crate::session::{Session, WeakSession};
use crate::target::{Proxy, Target};

/// How many handshakes with one server may be under way: sshd turns down some from the tenth on
/// (`MaxStartups` 10:30:100).
const HANDSHAKES: usize = 8;
/// How often a server that turns a connection down before a word is asked again.
const ATTEMPTS: u32 = 8;
/// How long is waited before the second attempt, on average. It doubles each time.
const PAUSE: Duration = Duration::from_millis(100);

/// Opens sessions. Clones share everything.
#[derive(Debug, Clone)]
pub struct Connector(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    asker: Arc<Asker>,
    servers: Mutex<HashMap<String, Arc<Semaphore>>>,
    bastions: Mutex<HashMap<Target, Arc<Bastion>>>,
    looked: Looked,
}

type Linking<'a> = Pin<Box<dyn Future<Output = Result<Link, ConnectError>> + Send + 'a>>;

/// A host that is jumped through. Its session lives as long as somebody uses it.
#[derive(Debug, Default)]
struct Bastion {
    session: Mutex<WeakSession>,
    flight: Flight<ConnectError>,
}

impl Default for Connector {
    /// Nobody answers questions.
    fn default() -> Self {
        Self::new(Arc::new(Nobody))
    }
}

impl Connector {
    /// Questions go to `prompter`: each once, one at a time.
    pub fn new(prompter: Arc<dyn Prompter>) -> Self {
        Self(Arc::new(Shared {
            asker: Arc::new(Asker::new(prompter)),
            servers: Mutex::default(),
            bastions: Mutex::default(),
            looked: Looked::default(),
        }))
    }

    /// As [`crate::resolve`], with every destination looked up once, also those on the way.
    ///
    /// # Errors
    /// As [`crate::resolve`].
    pub async fn resolve(
        &self,
        destination: &Destination,
        options: &ResolveOptions,
    ) -> Result<Target, ResolveError> {
        resolve_with(&self.0.looked, destination, options).await
    }

    /// Opens a session, through other hosts where the target says so. A host that is jumped through
    /// has one session for all that is behind it.
    ///
    /// # Errors
    /// Where the host, or one on the way, cannot be reached, is not trusted, or lets nobody in.
    ///
    /// # Cancellation
    /// Dropping the future ends the attempt at the latest when its time is up.
    pub async fn connect(&self, target: &Target) -> Result<Session, ConnectError> {
        let handle = self.open(target).await?;
        Ok(Session::new(handle, Arc::new(target.clone()), self.clone()))
    }

    /// Connects, and starts the thread of the session.
    pub(crate) async fn open(&self, target: &Target) -> Result<Handle, ConnectError> {
        let server = self.server(target);
        let give_up = Instant::now() + target.connect_timeout.max(Duration::from_secs(20));
        let mut attempt = 1;
        loop {
            let permit = Arc::clone(&server).acquire_owned().await.ok();
            let link = match &target.proxy {
                Proxy::Jump(bastion) => Some(self.link_through(bastion, target).await?),
                Proxy::None | Proxy::Command(_) => None,
            };
            let asker = Arc::clone(&self.0.asker);
            let error = match connect::connect(target, link, asker, permit).await {
                Ok(handle) => return Ok(handle),
                Err(error) => error,
            };
            if !error.is_turned_down() || attempt >= ATTEMPTS || Instant::now() >= give_up {
                return Err(error);
            }
            tracing::debug!(host = target.name, attempt, "the SSH server is busy");
            tokio::time::sleep(pause(attempt)).await;
            attempt += 1;
        }
    }

    /// A stream to the target through a host that is jumped through. Boxed, since that host may be
    /// reached through another one.
    fn link_through<'a>(&'a self, bastion: &'a Target, target: &'a Target) -> Linking<'a> {
        Box::pin(self.open_through(bastion, target))
    }

    async fn open_through(&self, bastion: &Target, target: &Target) -> Result<Link, ConnectError> {
        let through = |source| ConnectError::Bastion {
            bastion: bastion.name.clone(),
            source,
        };
        let session = self.bastion(bastion).await.map_err(through)?;
        let channel = session
            .open_tcp(&target.host, target.port)
            .await
            .map_err(|source| ConnectError::Jump {
                bastion: bastion.name.clone(),
                address: target.address(),
                source: Box::new(source),
            })?;
        let (ours, theirs) = UnixStream::pair().map_err(ConnectError::Local)?;
        tokio::spawn(async move {
            // The channel keeps the bastion's driver, but not what reopens it.
            let _session = session;
            if let Err(error) = relay(channel, theirs).await {
                tracing::debug!(%error, "a jump ended");
            }
        });
        Ok(Link::relayed(ours))
    }

    /// The session of a host that is jumped through: one for all.
    async fn bastion(&self, target: &Target) -> Result<Session, Arc<ConnectError>> {
        let bastion = {
            let mut bastions = lock(&self.0.bastions);
            Arc::clone(bastions.entry(target.clone()).or_default())
        };
        let existing = || {
            let session = lock(&bastion.session).upgrade()?;
            session.is_open().then_some(session)
        };
        let attempt = async {
            let session = self.connect(target).await?;
            *lock(&bastion.session) = session.downgrade();
            Ok(session)
        };
        bastion.flight.run(existing, attempt).await
    }

    /// The limit of handshakes with a server.
    fn server(&self, target: &Target) -> Arc<Semaphore> {
        let way = match &target.proxy {
            Proxy::None => String::new(),
            Proxy::Command(line) => line.clone(),
            Proxy::Jump(bastion) => format!("{} ", bastion.address()),
        };
        let mut servers = lock(&self.0.servers);
        let server = servers
            .entry(format!("{way}{}", target.address()))
            .or_insert_with(|| Arc::new(Semaphore::new(HANDSHAKES)));
        Arc::clone(server)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How long to wait after so many attempts: from half to one and a half of what is due, so that those
/// who were turned down together do not come back together.
fn pause(attempt: u32) -> Duration {
    let due = PAUSE * 2_u32.saturating_pow(attempt.saturating_sub(1).min(5));
    // Every hasher has random keys.
    let random = RandomState::new().build_hasher().finish() % 1000;
    due / 2 + due * u32::try_from(random).unwrap_or(0) / 1000
}
