//! Answers that are handed on as they come, with a deadline for each piece.

use std::pin::Pin;

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, stream};

use crate::engine::Engine;
use crate::error::EngineError;

/// What comes, piece by piece. Dropping it closes its channel.
pub type Download = Pin<Box<dyn Stream<Item = Result<Bytes, EngineError>> + Send>>;

impl Engine {
    /// Watches over an answer of bollard's.
    pub(crate) fn download(
        &self,
        operation: String,
        pieces: impl Stream<Item = Result<Bytes, bollard::errors::Error>> + Send + 'static,
    ) -> Download {
        let idle = self.shared.idle_timeout;
        Box::pin(stream::try_unfold(Box::pin(pieces), move |mut pieces| {
            let operation = operation.clone();
            async move {
                match tokio::time::timeout(idle, pieces.next()).await {
                    Ok(Some(Ok(piece))) => Ok(Some((piece, pieces))),
                    Ok(Some(Err(error))) => Err(EngineError::from_bollard(&operation, error)),
                    Ok(None) => Ok(None),
                    Err(_) => Err(EngineError::Idle {
                        operation,
                        after: idle,
                    }),
                }
            }
        }))
    }
}
