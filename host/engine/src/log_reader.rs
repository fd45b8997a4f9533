//! The output of a container with the time of each line, past or as it comes
//! (`GET /containers/NAME/logs`).

use std::time::Duration;

use http::Method;
use hyper::body::Incoming;

use crate::call::checked_name;
use crate::engine::Engine;
use crate::error::EngineError;
use crate::frames::Frames;
use crate::logs::OutputPiece;
use crate::path::query_value;
use crate::stream::{StreamRequest, broken, next_piece};

/// Which part of the output is read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogQuery {
    /// Goes on until the container ends.
    pub follow: bool,
    /// Only so many lines from the end.
    pub tail: Option<u64>,
    /// Only what is not older: seconds since 1970, with a fraction where there is one.
    pub since: Option<String>,
}

/// Output that is being read. Dropping it closes its channel.
#[derive(Debug)]
pub struct LogReader {
    operation: String,
    body: Incoming,
    frames: Frames,
    idle: Duration,
}

impl Engine {
    /// Opens the output of a container; each line begins with its time (RFC 3339) and a blank.
    /// `terminal` says whether the container has a terminal, for its output is another then: lines
    /// that the Engine kept in parts (of 16 KiB) have a time before each part.
    ///
    /// The reader has a channel of its own: while nobody reads it, other calls go on.
    ///
    /// # Errors
    /// [`EngineError::is_not_found`] when there is no such container.
    pub async fn read_logs(
        &self,
        container: &str,
        terminal: bool,
        query: &LogQuery,
    ) -> Result<LogReader, EngineError> {
        let operation = format!("read the output of container {container}");
        let mut path = format!(
            "/containers/{}/logs?stdout=1&stderr=1&timestamps=1&follow={}&tail={}",
            checked_name(&operation, container)?,
            u8::from(query.follow),
            query
                .tail
                .map_or_else(|| "all".to_owned(), |lines| lines.to_string()),
        );
        if let Some(time) = &query.since {
            path.push_str(&format!("&since={}", query_value(time)));
        }
        let response = self
            .open_stream(StreamRequest {
                operation: &operation,
                method: Method::GET,
                path: &path,
                body: None,
                upgrade: false,
            })
            .await?;
        Ok(LogReader {
            operation,
            body: response.into_body(),
            frames: Frames::new(terminal),
            idle: self.shared.idle_timeout,
        })
    }
}

impl LogReader {
    /// The next piece; none at the end. Of a container without a terminal it is one line, or a part of
    /// a long one. May be dropped at any time, and called again.
    ///
    /// # Errors
    /// [`EngineError::Idle`] after too long a silence, which need not mean anything: the reader can be
    /// used further.
    pub async fn next(&mut self) -> Result<Option<OutputPiece>, EngineError> {
        loop {
            let unreadable = |reason| EngineError::Decode {
                operation: self.operation.clone(),
                reason,
            };
            if let Some(piece) = self.frames.next().map_err(unreadable)? {
                return Ok(Some(piece));
            }
            match next_piece(&mut self.body, &self.operation, self.idle).await? {
                Some(bytes) => self.frames.push(&bytes),
                None if self.frames.is_whole() => return Ok(None),
                None => return Err(broken(&self.operation, "it ended in the middle of a frame")),
            }
        }
    }
}
