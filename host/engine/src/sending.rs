//! Requests with a large body: it goes piece by piece, and takes as long as it likes while pieces go.

use std::future::Future;

use bytes::Bytes;
use futures_util::stream;
use tokio::sync::watch;

use crate::engine::Engine;
use crate::error::EngineError;
use crate::transport::Body;

/// How much goes at once, in bytes.
const PIECE: usize = 64 * 1024;

/// Changes with each piece that goes, and closes with the last.
pub(crate) type Moved = watch::Receiver<()>;

/// A body in pieces, and what tells that they go.
pub(crate) fn in_pieces(bytes: Bytes) -> (Body, Moved) {
    let (sender, moved) = watch::channel(());
    let pieces = stream::unfold((bytes, sender), |(mut rest, sender)| async move {
        if rest.is_empty() {
            return None;
        }
        sender.send_replace(());
        let piece = rest.split_to(PIECE.min(rest.len()));
        Some((piece, (rest, sender)))
    });
    (bollard::body_stream(pieces), moved)
}

impl Engine {
    /// Runs a call of bollard's whose body goes in pieces. Takes a channel of its own, and no place in
    /// the queue of calls.
    pub(crate) async fn sending<T>(
        &self,
        operation: &str,
        mut moved: Moved,
        call: impl Future<Output = Result<T, bollard::errors::Error>>,
    ) -> Result<T, EngineError> {
        let idle = self.shared.idle_timeout;
        let stalled = |_| EngineError::Stalled {
            operation: operation.to_owned(),
            after: idle,
        };
        let told = |error| EngineError::from_bollard(operation, error);
        tokio::pin!(call);
        loop {
            tokio::select! {
                answer = &mut call => return answer.map_err(told),
                piece = tokio::time::timeout(idle, moved.changed()) => {
                    if piece.map_err(stalled)?.is_err() {
                        break;
                    }
                }
            }
        }
        // All of it is on its way, some of it in buffers still.
        let answer = tokio::time::timeout(idle, call).await;
        answer.map_err(stalled)?.map_err(told)
    }
}
