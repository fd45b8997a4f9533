//! Bodies of requests that are sent as they come: for as long as bytes move, there is no deadline.

use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};

use crate::transport::Body;

/// What is sent, piece by piece. An error breaks the call off, so that the Engine takes nothing for
/// complete that is not.
pub type Upload = Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>>;

/// How much of an upload was taken so far.
pub(crate) struct Progress(Arc<AtomicU64>);

impl Progress {
    /// The body of a request, and what becomes of it.
    pub(crate) fn of(upload: Upload) -> (Body, Self) {
        let taken = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&taken);
        let counted = upload.inspect(move |_| {
            count.fetch_add(1, Ordering::Relaxed);
        });
        (bollard::body_try_stream(counted), Self(taken))
    }

    /// Waits for as long as pieces are taken; none where there was none for too long.
    pub(crate) async fn wait<T>(&self, idle: Duration, work: impl Future<Output = T>) -> Option<T> {
        let mut work = pin!(work);
        let mut seen = self.0.load(Ordering::Relaxed);
        loop {
            if let Ok(done) = tokio::time::timeout(idle, &mut work).await {
                return Some(done);
            }
            let now = self.0.load(Ordering::Relaxed);
            if now == seen {
                return None;
            }
            seen = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::stream;
    use http_body_util::BodyExt as _;

    use super::*;

    #[tokio::test]
    async fn there_is_time_for_as_long_as_pieces_are_taken() {
        let idle = Duration::from_secs(1);
        let pieces = stream::iter(0..25).then(|_| async {
            tokio::time::sleep(Duration::from_millis(60)).await;
            Ok(Bytes::from_static(b"x"))
        });
        let (body, progress) = Progress::of(Box::pin(pieces));
        let taken = progress.wait(idle, body.collect()).await;
        let taken = taken.expect("in time").expect("no error");
        assert_eq!(taken.to_bytes(), "x".repeat(25));

        let (_body, progress) = Progress::of(Box::pin(stream::pending()));
        let nothing = std::future::pending::<()>();
        let waited = progress.wait(Duration::from_millis(10), nothing).await;
        assert!(waited.is_none());
    }
}
