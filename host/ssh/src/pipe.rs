//! The bytes between one channel's user and the driver: two bounded buffers and who waits for them.
//!
//! Both sides hold the lock only to move whole chunks, never across a call that can wait.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, ReadBuf};

/// How many received bytes wait for a slow reader before the driver lets the SSH window fill.
const INCOMING_LIMIT: usize = 1 << 20;
/// How many bytes wait for the driver before a writer has to.
const OUTGOING_LIMIT: usize = 1 << 20;

/// Bytes in one direction.
#[derive(Debug, Default)]
struct Half {
    chunks: VecDeque<Bytes>,
    bytes: usize,
    waker: Option<Waker>,
    /// Nothing is added any more.
    ended: bool,
}

impl Half {
    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    fn push(&mut self, chunk: Bytes) {
        self.bytes += chunk.len();
        self.chunks.push_back(chunk);
    }
}

/// Bytes that the driver received.
#[derive(Debug, Clone, Default)]
pub(crate) struct Incoming(Arc<Mutex<IncomingState>>);

#[derive(Debug, Default)]
struct IncomingState {
    half: Half,
    broken: Option<String>,
    /// The driver stopped since there was no room.
    starved: bool,
}

impl Incoming {
    fn lock(&self) -> MutexGuard<'_, IncomingState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the driver may add more; if not, the reader will tell it when there is room.
    pub(crate) fn has_room(&self) -> bool {
        let mut state = self.lock();
        state.starved = state.half.bytes >= INCOMING_LIMIT;
        !state.starved && !state.half.ended
    }

    pub(crate) fn push(&self, chunk: Bytes) {
        let mut state = self.lock();
        state.half.push(chunk);
        state.half.wake();
    }

    /// Nothing more comes.
    pub(crate) fn end(&self) {
        let mut state = self.lock();
        state.half.ended = true;
        state.half.wake();
    }

    /// Nothing more comes, since the connection broke.
    pub(crate) fn fail(&self, reason: &str) {
        let mut state = self.lock();
        if !state.half.ended {
            state.broken = Some(reason.to_owned());
            state.half.ended = true;
        }
        state.half.wake();
    }

    /// Reads; the flag says whether the driver waits to be told that there is room again.
    pub(crate) fn poll_read(
        &self,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<bool>> {
        let mut state = self.lock();
        let mut moved = false;
        while buffer.remaining() > 0
            && let Some(chunk) = state.half.chunks.front_mut()
        {
            let count = chunk.len().min(buffer.remaining());
            buffer.put_slice(chunk.get(..count).unwrap_or_default());
            chunk.advance(count);
            if chunk.is_empty() {
                state.half.chunks.pop_front();
            }
            state.half.bytes -= count;
            moved = true;
        }
        if moved || buffer.remaining() == 0 {
            let pull = state.starved && state.half.bytes <= INCOMING_LIMIT / 2;
            if pull {
                state.starved = false;
            }
            return Poll::Ready(Ok(pull));
        }
        if let Some(reason) = &state.broken {
            return Poll::Ready(Err(io::Error::new(
                io::ErrorKind::ConnectionReset,
                reason.clone(),
            )));
        }
        if state.half.ended {
            return Poll::Ready(Ok(false));
        }
        state.half.waker = Some(context.waker().clone());
        Poll::Pending
    }
}

/// Bytes that the driver is to send.
#[derive(Debug, Clone, Default)]
pub(crate) struct Outgoing(Arc<Mutex<OutgoingState>>);

#[derive(Debug, Default)]
struct OutgoingState {
    half: Half,
    /// The driver takes nothing more.
    closed: Option<String>,
}

impl Outgoing {
    fn lock(&self) -> MutexGuard<'_, OutgoingState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn poll_write(
        &self,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut state = self.lock();
        if let Some(reason) = &state.closed {
            return Poll::Ready(Err(io::Error::new(
                io::ErrorKind::BrokenPipe,
                reason.clone(),
            )));
        }
        if state.half.ended {
            let reason = "the write side was shut down before";
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::BrokenPipe, reason)));
        }
        let room = OUTGOING_LIMIT.saturating_sub(state.half.bytes);
        if room == 0 {
            state.half.waker = Some(context.waker().clone());
            return Poll::Pending;
        }
        let count = room.min(bytes.len());
        if count > 0 {
            state.half.push(Bytes::copy_from_slice(
                bytes.get(..count).unwrap_or_default(),
            ));
        }
        Poll::Ready(Ok(count))
    }

    /// The user writes nothing more.
    pub(crate) fn end(&self) {
        self.lock().half.ended = true;
    }

    /// The driver takes nothing more.
    pub(crate) fn fail(&self, reason: &str) {
        let mut state = self.lock();
        state.closed.get_or_insert_with(|| reason.to_owned());
        state.half.chunks.clear();
        state.half.bytes = 0;
        state.half.wake();
    }

    /// What to send next. It stays in the buffer until [`Self::advance`].
    pub(crate) fn next(&self) -> Option<Bytes> {
        self.lock().half.chunks.front().cloned()
    }

    /// So much of what is next was sent.
    pub(crate) fn advance(&self, count: usize) {
        let mut state = self.lock();
        state.half.bytes = state.half.bytes.saturating_sub(count);
        if let Some(chunk) = state.half.chunks.front_mut() {
            chunk.advance(count.min(chunk.len()));
            if chunk.is_empty() {
                state.half.chunks.pop_front();
            }
        }
        if state.half.bytes <= OUTGOING_LIMIT / 2 {
            state.half.wake();
        }
    }

    /// Whether everything was sent and nothing more comes.
    pub(crate) fn is_finished(&self) -> bool {
        let state = self.lock();
        state.half.ended && state.half.chunks.is_empty()
    }
}

/// A stream that only reads: a command's standard error.
#[derive(Debug)]
pub struct ErrorStream {
    pub(crate) incoming: Incoming,
    pub(crate) driver: crate::handle::Handle,
}

impl AsyncRead for ErrorStream {
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
