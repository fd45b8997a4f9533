//! An engine as a socket of this machine, for docker, compose and whatever else speaks to engines.
//!
//! A [`Listener`] waits for connections, and [`serve`] gives each a stream to the engine of its own.
//! Streams are carried as they are, both directions by themselves: one that is shut down ends on the
//! other side too while the other goes on, as `docker exec -i` and `attach` need it.

mod listener;
mod relay;
mod stream;

use std::fmt::Display;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::connect::{ConnectError, ConnectOptions, Endpoint};
use crate::engine::Engine;

pub use listener::{Listener, ListenerError, Local, remove_left};
pub use stream::{EngineStream, LastWords};

/// Where streams to one engine come from.
pub trait Source: Send + Sync + 'static {
    /// Why there is none. Told to the client too.
    type Error: Display + Send;

    /// Opens a stream. Dropping the future closes it if it opens all the same.
    fn open(&self) -> impl Future<Output = Result<EngineStream, Self::Error>> + Send;
}

/// What is told of a tunnel that goes on.
#[derive(Debug)]
pub enum Trouble<Error> {
    /// A client got no stream, and was told so.
    NoStream(Error),
    /// The program on the host that carried a stream ended badly.
    Ended(LastWords),
    /// This machine lets nobody connect for the moment.
    Accept(std::io::Error),
}

/// Carries each connection to the engine until `stop` is true. All connections are closed then, and
/// nothing of them is left on the host.
///
/// Dropping the future closes them too, and leaves what is to be ended on the host to tasks of the
/// runtime.
pub async fn serve<S: Source>(
    listener: &Listener,
    source: Arc<S>,
    mut stop: watch::Receiver<bool>,
    tell: Arc<dyn Fn(Trouble<S::Error>) + Send + Sync>,
) {
    let mut relays = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.wait_for(|stop| *stop) => break,
            Some(_) = relays.join_next() => continue,
        };
        match accepted {
            Ok(client) => {
                let (source, stop, tell) = (Arc::clone(&source), stop.clone(), Arc::clone(&tell));
                relays.spawn(async move { relay::carry(client, &*source, stop, &*tell).await });
            }
            Err(error) => {
                // Most likely too many files are open; some may be closed by then.
                tell(Trouble::Accept(error));
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
    let ending = async { while relays.join_next().await.is_some() {} };
    // What does not end by then, the end of the session ends.
    let _ = tokio::time::timeout(GRACE, ending).await;
}

/// Asks the engine behind a tunnel for its version, as any client would; `connect_timeout` is what the way
/// there has, where it was said.
///
/// # Errors
/// Where the tunnel does not lead to an engine.
pub async fn probe(local: &Local, connect_timeout: Option<Duration>) -> Result<(), ConnectError> {
    let endpoint = match local {
        Local::Socket(path) => Endpoint::Unix(path.clone()),
        Local::Port(port) => Endpoint::Tcp {
            host: std::net::Ipv4Addr::LOCALHOST.to_string(),
            port: *port,
        },
    };
    let options = ConnectOptions {
        connect_timeout: PROBE.max(connect_timeout.unwrap_or_default() * 2),
        ..ConnectOptions::default()
    };
    Engine::connect(endpoint, &options).await.map(drop)
}

/// After which this machine may let clients connect again.
const PAUSE: Duration = Duration::from_millis(100);

/// For the end of all that is carried.
const GRACE: Duration = Duration::from_secs(5);

/// Longer than a way to the engine may take, so that its own words are heard.
const PROBE: Duration = Duration::from_secs(30);
