//! A link that is worse than loopback, in front of a test host's sshd: bytes take their time, some of
//! them stall, and the link may fall silent or break.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use crate::host::TestHost;
use crate::process;

/// How much is read at once, in bytes: a few packets.
const CHUNK: usize = 16 * 1024;
/// How many chunks may be on their way.
const ON_THE_WAY: usize = 256;
/// For what happens at once on a quiet machine.
const SOON: Duration = Duration::from_secs(60);

/// What a link is like. Without anything said, it is as good as loopback.
#[derive(Debug, Clone, Copy, Default)]
pub struct Link {
    /// How long bytes are on their way, in each direction.
    pub delay: Duration,
    /// Of so many chunks one is late by so much, and all that follows waits for it.
    pub stall: Option<(u64, Duration)>,
}

/// A relay on loopback; dropping it closes its connections.
#[derive(Debug)]
pub struct Relay {
    address: SocketAddr,
    shared: Arc<Shared>,
    runtime: Option<Runtime>,
}

#[derive(Debug)]
struct Shared {
    to: SocketAddr,
    link: Link,
    /// Bytes that went to the host.
    passed: AtomicU64,
    /// How many bytes may go to the host; none go back once these have gone.
    allowed: watch::Sender<u64>,
    /// Counts how often all connections were closed.
    cuts: watch::Sender<u64>,
}

impl Relay {
    /// A relay to a host's sshd.
    ///
    /// # Errors
    /// Where it gets no port.
    pub fn start(host: &TestHost, link: Link) -> Result<Self> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()?;
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            to: SocketAddr::from((host.address(), 22)),
            link,
            passed: AtomicU64::new(0),
            allowed: watch::Sender::new(u64::MAX),
            cuts: watch::Sender::new(0),
        });
        let listener = {
            let _context = runtime.enter();
            TcpListener::from_std(listener)?
        };
        let serving = Arc::clone(&shared);
        runtime.spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(connect(client, Arc::clone(&serving)));
            }
        });
        Ok(Self {
            address,
            shared,
            runtime: Some(runtime),
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Lets so many more bytes to the host, and then nothing in either direction. Connections stay open,
    /// and new ones are accepted.
    pub fn hush_after(&self, bytes: u64) {
        let passed = self.shared.passed.load(Ordering::Acquire);
        self.shared.allowed.send_replace(passed + bytes);
    }

    /// Waits until nothing passes any more.
    ///
    /// # Errors
    /// Where fewer bytes came within a minute.
    pub fn wait_hushed(&self) -> Result<()> {
        process::until(SOON, || {
            let passed = self.shared.passed.load(Ordering::Acquire);
            let allowed = *self.shared.allowed.borrow();
            ensure!(passed >= allowed, "{passed} of {allowed} bytes have passed");
            Ok(())
        })
    }

    /// Ends [`Relay::hush_after`].
    pub fn speak(&self) {
        self.shared.allowed.send_replace(u64::MAX);
    }

    /// Closes all connections.
    pub fn cut(&self) {
        self.shared.cuts.send_modify(|cuts| *cuts += 1);
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

async fn connect(client: TcpStream, shared: Arc<Shared>) -> Result<()> {
    let mut cuts = shared.cuts.subscribe();
    #[expect(clippy::disallowed_methods, reason = "this is no part of dfab")]
    let host = TcpStream::connect(shared.to).await.context("no host")?;
    client.set_nodelay(true)?;
    host.set_nodelay(true)?;
    let (client_in, client_out) = client.into_split();
    let (host_in, host_out) = host.into_split();
    let there = carry(client_in, host_out, &shared, true);
    let back = carry(host_in, client_out, &shared, false);
    tokio::select! {
        _ = async { tokio::join!(there, back) } => {}
        _ = cuts.changed() => {}
    }
    Ok(())
}

/// Carries one direction to its end.
async fn carry(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    shared: &Shared,
    is_to_host: bool,
) -> Result<()> {
    let link = shared.link;
    let (sender, mut on_the_way) = mpsc::channel::<(Instant, Vec<u8>)>(ON_THE_WAY);
    let read = async move {
        for number in 1_u64.. {
            let mut chunk = vec![0; CHUNK];
            let count = from.read(&mut chunk).await.unwrap_or(0);
            if count == 0 {
                break;
            }
            chunk.truncate(count);
            let late = match link.stall {
                Some((every, late)) if number.is_multiple_of(every) => late,
                _ => Duration::ZERO,
            };
            let due = Instant::now() + link.delay + late;
            if sender.send((due, chunk)).await.is_err() {
                break;
            }
        }
    };
    let write = async {
        let mut allowed = shared.allowed.subscribe();
        while let Some((due, chunk)) = on_the_way.recv().await {
            tokio::time::sleep_until(due).await;
            let passed = || shared.passed.load(Ordering::Acquire);
            allowed.wait_for(|allowed| passed() < *allowed).await?;
            to.write_all(&chunk).await?;
            if is_to_host {
                let count = u64::try_from(chunk.len())?;
                shared.passed.fetch_add(count, Ordering::AcqRel);
            }
        }
        to.shutdown().await?;
        anyhow::Ok(())
    };
    // Whoever cannot be written to is not read for either.
    tokio::select! {
        result = write => result,
        () = async { read.await; std::future::pending().await } => Ok(()),
    }
}
