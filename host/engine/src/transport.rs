//! HTTP over kept channels: what bollard and the raw calls both send through.
//!
//! Every request gets the version prefix here, and nowhere else.

use std::error::Error as _;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, Request, Response, Uri};
use hyper::body::{Body as _, Incoming};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use crate::channel::ChannelKind;
use crate::connector::{ChannelError, Connector, Way};
use crate::tls::Tls;
use crate::version::ApiVersion;

/// Sends requests to one engine.
#[derive(Clone)]
pub(crate) struct Transport {
    client: Client<Connector, Body>,
    connector: Connector,
    version: Option<ApiVersion>,
}

/// The body type that bollard's transports take; it has no public name there.
pub(crate) type Body = http_body_util::Either<
    http_body_util::Full<bytes::Bytes>,
    http_body_util::StreamBody<
        Pin<
            Box<
                dyn futures_util::Stream<
                        Item = Result<hyper::body::Frame<bytes::Bytes>, std::io::Error>,
                    > + Send,
            >,
        >,
    >,
>;

impl Transport {
    /// A pool of channels, none open yet.
    pub(crate) fn new(way: Way, tls: Option<Tls>, connect_timeout: Duration) -> Self {
        Self::over(Connector::new(way, tls, connect_timeout))
    }

    fn over(connector: Connector) -> Self {
        let client = Client::builder(TokioExecutor::new())
            .pool_max_idle_per_host(calls_at_once(connector.kind()))
            .pool_idle_timeout(KEPT_FOR)
            .pool_timer(TokioTimer::new())
            .build(connector.clone());
        Self {
            client,
            connector,
            version: None,
        }
    }

    /// A pool on the host's second SSH session; none where there is no other way for bulk.
    pub(crate) async fn for_bulk(&self) -> Option<Self> {
        let Way::Ssh(way) = self.connector.way() else {
            return None;
        };
        let session = way.session().for_bulk().await;
        let way = Way::Ssh(way.through(session));
        Some(Self {
            version: self.version,
            ..Self::over(self.connector.by(way))
        })
    }

    /// The same pool, with the version that all requests are made in from now on.
    pub(crate) fn speaking(self, version: ApiVersion) -> Self {
        Self {
            version: Some(version),
            ..self
        }
    }

    pub(crate) fn kind(&self) -> ChannelKind {
        self.connector.kind()
    }

    pub(crate) fn connector(&self) -> &Connector {
        &self.connector
    }

    pub(crate) fn channels_opened(&self) -> u64 {
        self.connector.opened()
    }

    /// Sends a request and waits for the head of the answer.
    ///
    /// A request that was not sent because a kept channel had died is sent again by the client
    /// below. One that may have reached the Engine is repeated only if it is a plain read.
    pub(crate) async fn send(
        &self,
        mut request: Request<Body>,
    ) -> Result<Response<Incoming>, ChannelError> {
        *request.uri_mut() = self.versioned(request.uri());
        let repeat = self.version.is_some()
            && matches!(*request.method(), Method::GET | Method::HEAD)
            && request.body().is_end_stream();
        let again = repeat.then(|| {
            let mut copy = Request::new(bollard::body_full(bytes::Bytes::new()));
            *copy.method_mut() = request.method().clone();
            *copy.uri_mut() = request.uri().clone();
            *copy.headers_mut() = request.headers().clone();
            copy
        });
        let error = match self.client.request(request).await {
            Ok(response) => return Ok(response),
            Err(error) => error,
        };
        let error = match again {
            Some(request) if !error.is_connect() => match self.client.request(request).await {
                Ok(response) => return Ok(response),
                Err(error) => error,
            },
            _ => error,
        };
        Err(self.explain(error).await)
    }

    /// The future that bollard wants from a transport.
    pub(crate) fn send_for_bollard(
        &self,
        mut request: bollard::BollardRequest,
    ) -> impl Future<Output = Result<Response<Incoming>, bollard::errors::Error>> + Send + use<>
    {
        let transport = self.clone();
        make_url_safe(request.headers_mut());
        async move {
            transport
                .send(request)
                .await
                .map_err(|error| bollard::errors::Error::from(std::io::Error::other(error)))
        }
    }

    async fn explain(&self, error: hyper_util::client::legacy::Error) -> ChannelError {
        let mut cause = error.source();
        while let Some(inner) = cause {
            // Errors of streams come wrapped, and what is within is no source of its own.
            let within = inner
                .downcast_ref::<std::io::Error>()
                .and_then(ChannelError::within);
            if let Some(ours) = inner.downcast_ref::<ChannelError>().or(within) {
                return ours.clone();
            }
            cause = inner.source();
        }
        match self.connector.last_words().await {
            Some(words) => words,
            None => ChannelError::Request {
                source: Arc::new(error),
            },
        }
    }

    fn versioned(&self, uri: &Uri) -> Uri {
        let path = uri.path_and_query().map_or("/", PathAndQuery::as_str);
        let prefixed = match self.version {
            Some(version) => format!("http://docker/v{version}{path}"),
            None => format!("http://docker{path}"),
        };
        // A path that was a valid part of a URI is one behind a prefix as well.
        Uri::try_from(prefixed).unwrap_or_else(|_| uri.clone())
    }
}

/// The Engine reads credentials in base64 with the alphabet for URLs (RFC 4648, section 5), and
/// takes a header that it cannot read for no credentials at all; bollard writes the other alphabet.
fn make_url_safe(headers: &mut HeaderMap) {
    let Some(value) = headers.get_mut("x-registry-auth") else {
        return;
    };
    let translated: Vec<u8> = value
        .as_bytes()
        .iter()
        .map(|byte| match byte {
            b'+' => b'-',
            b'/' => b'_',
            other => *other,
        })
        .collect();
    if let Ok(mut translated) = HeaderValue::from_bytes(&translated) {
        translated.set_sensitive(true);
        *value = translated;
    }
}

/// How many calls are made at a time; more would only queue in the Engine. As many channels are
/// kept while nothing uses them: with fewer, a burst of calls would close and open channels all the
/// time (146 for 200 calls with 8 kept, instead of 32).
pub(crate) const fn calls_at_once(kind: ChannelKind) -> usize {
    // Of the eight processes that a connection may have, two are left for streams.
    if kind.is_process() { 6 } else { 32 }
}

/// Long enough for a plan to be read and confirmed; well below the five minutes after which newer
/// engines close a connection that sends nothing.
const KEPT_FOR: Duration = Duration::from_secs(90);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_written_as_the_engine_reads_them() {
        let mut headers = HeaderMap::new();
        headers.insert("x-registry-auth", HeaderValue::from_static("ab+/cd=="));
        make_url_safe(&mut headers);
        assert_eq!(headers["x-registry-auth"], "ab-_cd==");
        assert!(headers["x-registry-auth"].is_sensitive());
    }
}
