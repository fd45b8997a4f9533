//! An Engine that answered, and the calls that read it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bollard::Docker;
use http::Method;
use serde_json::Value;
use tokio::sync::{OnceCell, Semaphore};

use crate::channel::ChannelKind;
use crate::connect::{self, ConnectError, ConnectOptions, Endpoint};
use crate::error::EngineError;
use crate::path::{self, PathError, RequestPath};
use crate::summary::{ContainerSummary, ImageSummary};
use crate::transport::{Transport, calls_at_once};
use crate::version::ApiVersion;

/// A connection to one Docker Engine. Clones share its channels; they close with the last clone.
///
/// All calls may be dropped at any time: their channel is closed, or kept if the answer had been
/// read. What the Engine had been told by then, it may still do.
#[derive(Clone)]
pub struct Engine {
    pub(crate) shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) transport: Transport,
    pub(crate) docker: Docker,
    pub(crate) timeout: Duration,
    pub(crate) idle_timeout: Duration,
    pub(crate) in_flight: Semaphore,
    version: ApiVersion,
    /// The same engine for bulk, where that goes another way.
    bulk: OnceCell<Option<Engine>>,
}

impl fmt::Debug for Engine {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Engine")
            .field("channel", &self.channel())
            .field("version", &self.shared.version)
            .finish_non_exhaustive()
    }
}

/// What a connection has cost so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Statistics {
    /// Channels opened since connecting, closed ones included.
    pub channels_opened: u64,
}

impl Engine {
    /// Finds a way to the Engine and agrees with it on an API version.
    ///
    /// Over SSH the ways are tried in the order stream-local, socat, dial-stdio, and TCP where it
    /// is configured; each with a real `GET /_ping`. May be dropped at any time.
    ///
    /// # Errors
    /// [`ConnectError::NoWay`] tells what each way answered.
    pub async fn connect(
        endpoint: Endpoint,
        options: &ConnectOptions,
    ) -> Result<Self, ConnectError> {
        connect::connect(endpoint, options).await
    }

    /// The same engine for bulk: images, and archives that may be large. Over SSH they go through a
    /// second session, so that they hold up no call; see [`dfab_ssh::Session::for_bulk`].
    pub async fn for_bulk(&self) -> Self {
        let shared = &self.shared;
        let open = async || {
            let transport = shared.transport.for_bulk().await?;
            Self::speaking(
                transport,
                shared.version,
                shared.timeout,
                shared.idle_timeout,
            )
            .ok()
        };
        let bulk = shared.bulk.get_or_init(open).await;
        bulk.as_ref().unwrap_or(self).clone()
    }

    /// The way that was found.
    #[must_use]
    pub fn channel(&self) -> ChannelKind {
        self.shared.transport.kind()
    }

    /// The API version that all calls are made in.
    #[must_use]
    pub fn api_version(&self) -> ApiVersion {
        self.shared.version
    }

    /// What the connection has cost so far.
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        Statistics {
            channels_opened: self.shared.transport.channels_opened(),
        }
    }

    /// `GET /version`, as the Engine wrote it.
    ///
    /// # Errors
    /// [`EngineError`] when the call fails.
    pub async fn version(&self) -> Result<String, EngineError> {
        self.text(
            "read the version of the engine",
            Method::GET,
            "/version",
            None,
        )
        .await
    }

    /// `GET /info`, as the Engine wrote it.
    ///
    /// # Errors
    /// [`EngineError`] when the call fails.
    pub async fn info(&self) -> Result<String, EngineError> {
        self.text("read the state of the engine", Method::GET, "/info", None)
            .await
    }

    /// `GET /containers/json`: running containers, or all of them. Filters are pairs of a name and
    /// a value, as the Engine API knows them; a name may occur more than once.
    ///
    /// # Errors
    /// [`EngineError`] when the call fails.
    pub async fn containers(
        &self,
        all: bool,
        filters: &[(String, String)],
    ) -> Result<Vec<ContainerSummary>, EngineError> {
        let path = list_path("/containers/json", all, filters);
        self.json("list containers", Method::GET, &path, None).await
    }

    /// `GET /images/json`: images with a name, or all layers as well. Filters as for containers.
    ///
    /// # Errors
    /// [`EngineError`] when the call fails.
    pub async fn images(
        &self,
        all: bool,
        filters: &[(String, String)],
    ) -> Result<Vec<ImageSummary>, EngineError> {
        let path = list_path("/images/json", all, filters);
        self.json("list images", Method::GET, &path, None).await
    }

    /// Any call of the Engine API that answers with JSON or with nothing. The path has no version
    /// prefix and may carry a query. Answers with the JSON text, `null` when there is none, and an
    /// array of the messages when the Engine answers with several (pulls, builds).
    ///
    /// # Errors
    /// [`EngineError`] when the path or method is none of the API, the call fails, a message
    /// reports an error, or the answer is not JSON.
    pub async fn request(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Result<String, EngineError> {
        let operation = format!("{method} {path}");
        let method = match method {
            "GET" => Method::GET,
            "HEAD" => Method::HEAD,
            "POST" => Method::POST,
            "PUT" => Method::PUT,
            "DELETE" => Method::DELETE,
            _ => {
                return Err(EngineError::Invalid {
                    operation,
                    source: PathError {
                        path: method.to_owned(),
                        reason: "the Engine API knows GET, HEAD, POST, PUT and DELETE",
                    },
                });
            }
        };
        self.text(&operation, method, path, body).await
    }

    /// Makes an engine of a transport that has been greeted.
    pub(crate) fn new(
        transport: Transport,
        version: ApiVersion,
        options: &ConnectOptions,
    ) -> Result<Self, bollard::errors::Error> {
        Self::speaking(transport, version, options.timeout, options.idle_timeout)
    }

    fn speaking(
        transport: Transport,
        version: ApiVersion,
        timeout: Duration,
        idle_timeout: Duration,
    ) -> Result<Self, bollard::errors::Error> {
        let sender = transport.clone();
        let docker = Docker::connect_with_custom_transport(
            move |request: bollard::BollardRequest| sender.send_for_bollard(request),
            Some("http://docker"),
            BOLLARD_TIMEOUT,
            bollard::API_DEFAULT_VERSION,
        )?;
        let in_flight = Semaphore::new(calls_at_once(transport.kind()));
        Ok(Self {
            shared: Arc::new(Shared {
                transport,
                docker,
                timeout,
                idle_timeout,
                in_flight,
                version,
                bulk: OnceCell::new(),
            }),
        })
    }

    async fn text(
        &self,
        operation: &str,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<String, EngineError> {
        let path = RequestPath::new(path).map_err(|source| EngineError::Invalid {
            operation: operation.to_owned(),
            source,
        })?;
        let answer = self.exchange(operation, method, &path, body).await?;
        crate::call::json_text(operation, &answer)
    }
}

/// In seconds. Bollard's time-out covers the head of an answer only; ours is around every call, so
/// this one must never be the shorter.
const BOLLARD_TIMEOUT: u64 = 7 * 24 * 3600;

fn list_path(resource: &str, all: bool, filters: &[(String, String)]) -> String {
    with_filters(&format!("{resource}?all={}&", u8::from(all)), filters)
}

/// A path up to `?` or `&`, with the filters behind it, if there are any.
pub(crate) fn with_filters(start: &str, filters: &[(String, String)]) -> String {
    if filters.is_empty() {
        return start.trim_end_matches(['?', '&']).to_owned();
    }
    let mut by_name: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, value) in filters {
        by_name.entry(name).or_default().push(value);
    }
    let filters = path::query_value(&serde_json::json!(by_name).to_string());
    format!("{start}filters={filters}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_with_the_same_name_are_alternatives() {
        let filters = [("label", "a=b"), ("name", "web"), ("label", "c")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(
            list_path("/containers/json", true, &filters),
            "/containers/json?all=1&filters=%7B%22label%22%3A%5B%22a%3Db%22%2C%22c%22%5D%2C%22name\
             %22%3A%5B%22web%22%5D%7D"
        );
        assert_eq!(list_path("/images/json", false, &[]), "/images/json?all=0");
        assert_eq!(with_filters("/networks?", &[]), "/networks");
    }
}
