//! One call of the Engine: a place in the queue, a deadline, an answer that is read to its end.
//!
//! The wait for a place is bounded by the deadlines of the calls before; it does not count.

use std::future::Future;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::Value;

use crate::connector::ChannelError;
use crate::engine::Engine;
use crate::error::{EngineError, one_line};
use crate::path::{self, RequestPath};

impl Engine {
    /// Runs a call of bollard's within a deadline.
    pub(crate) async fn call<T>(
        &self,
        operation: &str,
        deadline: Duration,
        call: impl Future<Output = Result<T, bollard::errors::Error>>,
    ) -> Result<T, EngineError> {
        self.bounded(operation, deadline, async {
            call.await
                .map_err(|error| EngineError::from_bollard(operation, error))
        })
        .await
    }

    /// Runs a call within a deadline.
    pub(crate) async fn bounded<T>(
        &self,
        operation: &str,
        deadline: Duration,
        call: impl Future<Output = Result<T, EngineError>>,
    ) -> Result<T, EngineError> {
        // The semaphore is never closed, so there is always a permit in the end.
        let _permit = self.shared.in_flight.acquire().await.ok();
        match tokio::time::timeout(deadline, call).await {
            Ok(result) => {
                // Lets the channel return to the pool before the next call looks for one.
                tokio::task::yield_now().await;
                result
            }
            Err(_) => Err(EngineError::Timeout {
                operation: operation.to_owned(),
                after: deadline,
            }),
        }
    }

    /// Sends JSON or nothing, and reads the answer.
    pub(crate) async fn exchange(
        &self,
        operation: &str,
        method: Method,
        path: &RequestPath,
        body: Option<&Value>,
    ) -> Result<Bytes, EngineError> {
        let unreadable = |reason: String| EngineError::Decode {
            operation: operation.to_owned(),
            reason,
        };
        let mut request = Request::builder()
            .method(method)
            .uri(format!("http://docker{path}"));
        let payload = match body {
            Some(value) => {
                request = request.header(header::CONTENT_TYPE, "application/json");
                Bytes::from(value.to_string())
            }
            None => Bytes::new(),
        };
        let request = request
            .body(bollard::body_full(payload))
            .map_err(|error| unreadable(error.to_string()))?;
        let limit = self.shared.timeout;
        let late = |_| EngineError::Timeout {
            operation: operation.to_owned(),
            after: limit,
        };
        let unreachable = |source| EngineError::from_channel(operation.to_owned(), source);
        // The semaphore is never closed, so there is always a permit in the end.
        let _permit = self.shared.in_flight.acquire().await.ok();
        let sent = tokio::time::timeout(limit, self.shared.transport.send(request));
        let response = sent.await.map_err(late)?.map_err(unreachable)?;
        let status = response.status();
        let mut body = Limited::new(response.into_body(), LARGEST);
        let mut answer = BytesMut::new();
        // On a narrow link a large answer takes longer than one call may: each piece of it has that time.
        while let Some(frame) = tokio::time::timeout(limit, body.frame())
            .await
            .map_err(late)?
        {
            match frame {
                Ok(frame) => answer.extend_from_slice(&frame.into_data().unwrap_or_default()),
                Err(error) if error.is::<LengthLimitError>() => {
                    return Err(EngineError::TooLarge {
                        operation: operation.to_owned(),
                        limit: LARGEST,
                    });
                }
                Err(error) => {
                    let error = std::io::Error::other(error);
                    return Err(unreachable(ChannelError::from_io(error)));
                }
            }
        }
        // Lets the channel return to the pool before the next call looks for one.
        tokio::task::yield_now().await;
        if status.is_success() || status == StatusCode::NOT_MODIFIED {
            return Ok(answer.freeze());
        }
        Err(EngineError::Refused {
            operation: operation.to_owned(),
            status: status.as_u16(),
            message: refusal(&answer),
        })
    }

    /// The same, with the answer read into a type.
    pub(crate) async fn json<T: DeserializeOwned>(
        &self,
        operation: &str,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<T, EngineError> {
        let path = RequestPath::new(path).map_err(|source| EngineError::Invalid {
            operation: operation.to_owned(),
            source,
        })?;
        let answer = self.exchange(operation, method, &path, body).await?;
        serde_json::from_slice(&answer).map_err(|error| EngineError::Decode {
            operation: operation.to_owned(),
            reason: error.to_string(),
        })
    }

    /// The same, for calls whose answer says nothing.
    pub(crate) async fn told(
        &self,
        operation: &str,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<(), EngineError> {
        let path = RequestPath::new(path).map_err(|source| EngineError::Invalid {
            operation: operation.to_owned(),
            source,
        })?;
        self.exchange(operation, method, &path, body)
            .await
            .map(drop)
    }
}

/// Checks a name of a container, network or volume before it becomes part of a path.
pub(crate) fn checked_name<'name>(
    operation: &str,
    name: &'name str,
) -> Result<&'name str, EngineError> {
    path::object_name(name).map_err(|source| EngineError::Invalid {
        operation: operation.to_owned(),
        source,
    })
}

/// Checks a name or id of an image before it becomes part of a path.
pub(crate) fn checked_image<'name>(
    operation: &str,
    name: &'name str,
) -> Result<&'name str, EngineError> {
    path::image_name(name).map_err(|source| EngineError::Invalid {
        operation: operation.to_owned(),
        source,
    })
}

/// The answer as one JSON text.
pub(crate) fn json_text(operation: &str, answer: &[u8]) -> Result<String, EngineError> {
    let unreadable = |reason: String| EngineError::Decode {
        operation: operation.to_owned(),
        reason,
    };
    let text = std::str::from_utf8(answer)
        .map_err(|error| unreadable(error.to_string()))?
        .trim();
    if text.is_empty() {
        return Ok("null".to_owned());
    }
    if !text.contains("\"errorDetail\"") && serde_json::from_str::<IgnoredAny>(text).is_ok() {
        return Ok(text.to_owned());
    }
    let mut messages = serde_json::Deserializer::from_str(text)
        .into_iter::<Value>()
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| unreadable(error.to_string()))?;
    let failed = messages.iter().find_map(|message| {
        message
            .pointer("/errorDetail/message")
            .or_else(|| message.get("error"))?
            .as_str()
    });
    match failed {
        Some(message) => Err(EngineError::Failed {
            operation: operation.to_owned(),
            message: one_line(message),
        }),
        None if messages.len() == 1 => Ok(messages.remove(0).to_string()),
        None => Ok(Value::Array(messages).to_string()),
    }
}

/// Answers are read into memory up to here, in bytes.
const LARGEST: usize = 64 * 1024 * 1024;

pub(crate) fn refusal(body: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Refusal {
        message: String,
    }
    match serde_json::from_slice::<Refusal>(body) {
        Ok(refusal) => one_line(&refusal.message),
        Err(_) => one_line(
            &String::from_utf8_lossy(body)
                .chars()
                .take(500)
                .collect::<String>(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_one_json_text() {
        assert_eq!(json_text("x", b"").unwrap(), "null");
        assert_eq!(
            json_text("x", b"{\"b\":1,\"a\":2}\n").unwrap(),
            r#"{"b":1,"a":2}"#
        );
        assert_eq!(
            json_text("x", b"{\"status\":\"a\"}\r\n{\"status\":\"b\"}\r\n").unwrap(),
            r#"[{"status":"a"},{"status":"b"}]"#
        );
        assert!(matches!(
            json_text("x", b"OK"),
            Err(EngineError::Decode { .. })
        ));
    }

    #[test]
    fn an_error_inside_a_stream_is_a_failure() {
        let stream = b"{\"status\":\"Pulling\"}\n{\"errorDetail\":{\"message\":\"no space\"}}\n";
        let error = json_text("pull x", stream).unwrap_err();
        assert_eq!(error.to_string(), "cannot pull x: no space");
        // A stream of one message is one value all the same.
        assert!(json_text("pull x", b"{\"errorDetail\":{\"message\":\"no space\"}}").is_err());
    }

    #[test]
    fn the_engines_own_words_are_kept() {
        assert_eq!(
            refusal(b"{\"message\":\"No such container: x\\n\"}"),
            "No such container: x"
        );
        assert_eq!(refusal(b"404 page not found\n"), "404 page not found");
    }
}
