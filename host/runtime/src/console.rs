//! What a component prints. Nobody sees it while all is well; it explains a panic or a trap, whose
//! reason is found nowhere else. Only the last bytes are kept.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

/// Bytes that a component may hand over in one write.
const WRITE_LIMIT: usize = 64 << 10;

/// Standard output and standard error of one call.
#[derive(Clone, Debug)]
pub(crate) struct Console {
    kept: Arc<Mutex<Kept>>,
    limit: usize,
}

#[derive(Debug, Default)]
struct Kept {
    bytes: VecDeque<u8>,
    /// More was printed.
    is_cut: bool,
}

impl Console {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            kept: Arc::default(),
            limit,
        }
    }

    /// What was printed last, without characters that could steer a terminal.
    pub(crate) fn text(&self) -> String {
        let bytes: Vec<u8> = self.lock().bytes.iter().copied().collect();
        crate::text::plain(&String::from_utf8_lossy(&bytes))
    }

    /// Whether more was printed than is kept.
    pub(crate) fn is_cut(&self) -> bool {
        self.lock().is_cut
    }

    fn push(&self, bytes: &[u8]) {
        let mut kept = self.lock();
        let new = bytes.iter().skip(bytes.len().saturating_sub(self.limit));
        kept.bytes.extend(new);
        let excess = kept.bytes.len().saturating_sub(self.limit);
        kept.bytes.drain(..excess);
        kept.is_cut |= excess > 0 || bytes.len() > self.limit;
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl IsTerminal for Console {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Console {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    /// Written at once: the default goes through a background task, which a trap would outrun.
    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

#[async_trait::async_trait]
impl Pollable for Console {
    async fn ready(&mut self) {}
}

#[async_trait::async_trait]
impl OutputStream for Console {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.push(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(WRITE_LIMIT)
    }
}

impl AsyncWrite for Console {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        self.push(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_last_bytes() {
        let console = Console::new(4);
        console.push(b"abc");
        assert!(!console.is_cut());
        console.push(b"def");
        assert_eq!(console.text(), "cdef");
        assert!(console.is_cut());
        console.push(b"0123456789");
        assert_eq!(console.text(), "6789");
    }
}
