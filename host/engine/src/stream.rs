//! Answers that have no end of their own: their head has a deadline, and what comes after does not.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use serde_json::Value;

use crate::call::refusal;
use crate::connector::ChannelError;
use crate::engine::Engine;
use crate::error::EngineError;
use crate::path::RequestPath;

/// How much of a refusal is read, in bytes.
const REFUSAL: usize = 64 * 1024;

/// What is asked for.
pub(crate) struct StreamRequest<'a> {
    pub(crate) operation: &'a str,
    pub(crate) method: Method,
    pub(crate) path: &'a str,
    pub(crate) body: Option<&'a Value>,
    /// Whether the connection is to become a stream both ways.
    pub(crate) upgrade: bool,
}

impl Engine {
    /// Sends a request and returns the answer at its head. The channel is the answer's alone, and
    /// closes with it.
    pub(crate) async fn open_stream(
        &self,
        wanted: StreamRequest<'_>,
    ) -> Result<Response<Incoming>, EngineError> {
        let operation = || wanted.operation.to_owned();
        let path = RequestPath::new(wanted.path).map_err(|source| EngineError::Invalid {
            operation: operation(),
            source,
        })?;
        let mut request = Request::builder()
            .method(wanted.method)
            .uri(format!("http://docker{path}"));
        if wanted.upgrade {
            request = request
                .header(header::CONNECTION, "Upgrade")
                .header(header::UPGRADE, "tcp");
        }
        let payload = match wanted.body {
            Some(value) => {
                request = request.header(header::CONTENT_TYPE, "application/json");
                value.to_string().into()
            }
            None => Bytes::new(),
        };
        let request =
            request
                .body(bollard::body_full(payload))
                .map_err(|error| EngineError::Decode {
                    operation: operation(),
                    reason: error.to_string(),
                })?;
        let unreachable = |source| EngineError::Unreachable {
            operation: operation(),
            source,
        };
        let answer = async {
            let response = self
                .shared
                .transport
                .send(request)
                .await
                .map_err(unreachable)?;
            let status = response.status();
            if status == StatusCode::SWITCHING_PROTOCOLS || status.is_success() {
                return Ok(response);
            }
            let body = Limited::new(response.into_body(), REFUSAL).collect().await;
            Err(EngineError::Refused {
                operation: operation(),
                status: status.as_u16(),
                message: body
                    .map(|body| refusal(&body.to_bytes()))
                    .unwrap_or_default(),
            })
        };
        tokio::time::timeout(self.shared.timeout, answer)
            .await
            .unwrap_or_else(|_| {
                Err(EngineError::Timeout {
                    operation: operation(),
                    after: self.shared.timeout,
                })
            })
    }
}

/// The next piece of an answer; none at its end. May be dropped at any time, and called again.
///
/// # Errors
/// [`EngineError::Idle`] after too long a silence.
pub(crate) async fn next_piece(
    body: &mut Incoming,
    operation: &str,
    idle: Duration,
) -> Result<Option<Bytes>, EngineError> {
    loop {
        let frame = tokio::time::timeout(idle, body.frame()).await;
        let frame = frame.map_err(|_| EngineError::Idle {
            operation: operation.to_owned(),
            after: idle,
        })?;
        let Some(frame) = frame else {
            return Ok(None);
        };
        // What is no data is trailers, which Engines do not send.
        if let Ok(data) = frame.map_err(|error| broken(operation, error))?.into_data() {
            return Ok(Some(data));
        }
    }
}

/// An error in the middle of a stream.
pub(crate) fn broken(
    operation: &str,
    error: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> EngineError {
    EngineError::Unreachable {
        operation: operation.to_owned(),
        source: ChannelError::from_io(std::io::Error::other(error)),
    }
}
