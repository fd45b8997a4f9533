//! One connection of a tunnel.

use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::watch;

use super::listener::Client;
use super::{Source, Trouble};

/// Carries bytes between a client and the engine until both have ended, the client has gone, or
/// `stop` is true.
pub(super) async fn carry<S: Source>(
    client: Client,
    source: &S,
    mut stop: watch::Receiver<bool>,
    tell: &(dyn Fn(Trouble<S::Error>) + Send + Sync),
) {
    let watched = match &client {
        Client::Unix(stream) => stream.as_fd().try_clone_to_owned(),
        Client::Tcp(stream) => stream.as_fd().try_clone_to_owned(),
    };
    let watched = watched.ok();
    let opened = tokio::select! {
        opened = source.open() => opened,
        () = gone(watched.as_ref()) => return,
        _ = stop.wait_for(|stop| *stop) => return,
    };
    let mut stream = match opened {
        Ok(stream) => stream,
        Err(error) => {
            let words = error.to_string();
            tell(Trouble::NoStream(error));
            match client {
                Client::Unix(stream) => refuse(stream, &words).await,
                Client::Tcp(stream) => refuse(stream, &words).await,
            }
            return;
        }
    };
    let copy = async {
        match client {
            Client::Unix(client) => copy(client, &mut stream).await,
            Client::Tcp(client) => copy(client, &mut stream).await,
        }
    };
    tokio::select! {
        () = copy => {}
        () = gone(watched.as_ref()) => {}
        _ = stop.wait_for(|stop| *stop) => {}
    }
    if let Some(words) = stream.end().await {
        tell(Trouble::Ended(words));
    }
}

async fn copy(
    mut client: impl AsyncRead + AsyncWrite + Unpin,
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
) {
    // An error is of one connection, whose client sees that it has ended.
    let copied = tokio::io::copy_bidirectional_with_sizes(&mut client, stream, PIECE, PIECE).await;
    if let Err(error) = copied {
        tracing::debug!(%error, "a connection of the tunnel broke");
    }
}

/// Waits until the client has closed its socket altogether. One that only writes no more is not
/// gone: it may wait long for an answer.
async fn gone(watched: Option<&OwnedFd>) {
    let Some(socket) = watched else {
        return std::future::pending().await;
    };
    let mut seen = 0;
    loop {
        tokio::time::sleep(LOOK).await;
        let mut poll = [PollFd::new(socket, PollFlags::empty())];
        let now = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        let polled = rustix::event::poll(&mut poll, Some(&now));
        let closed = PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL;
        let is_closed = polled.is_ok() && poll.iter().any(|fd| fd.revents().intersects(closed));
        seen = if is_closed { seen + 1 } else { 0 };
        // Its last words have had the time between to be carried.
        if seen == 2 {
            return;
        }
    }
}

/// Answers as an engine answers that cannot do what was asked, so that docker shows why.
async fn refuse(mut client: impl AsyncRead + AsyncWrite + Unpin, words: &str) {
    let body = serde_json::json!({ "message": words }).to_string();
    let answer = format!(
        "HTTP/1.1 502 Bad Gateway\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{body}",
        body.len()
    );
    let telling = async {
        client.write_all(answer.as_bytes()).await?;
        client.shutdown().await?;
        // A socket that is closed with bytes unread breaks the answer.
        let mut rest = [0; 4096];
        while client.read(&mut rest).await? > 0 {}
        std::io::Result::Ok(())
    };
    // A client that does not listen misses it.
    let _ = tokio::time::timeout(REFUSAL, telling).await;
}

/// In bytes, for each direction.
const PIECE: usize = 64 * 1024;

/// How often a client is looked after.
const LOOK: Duration = Duration::from_secs(1);

/// How long a client may take to read why it is refused.
const REFUSAL: Duration = Duration::from_secs(2);
