//! Downloads: encrypted but on this machine, followed to where they lead, with a limit on size and time.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use openssl::error::ErrorStack;
use reqwest::redirect::Policy;
use reqwest::{Client, Request, Response, StatusCode, Url};

use crate::source::is_this_machine;

/// A client for web servers and registries. Clones share its connections.
#[derive(Clone, Debug)]
pub struct Web {
    client: Client,
}

/// Why something was not downloaded or uploaded.
#[derive(Debug, thiserror::Error)]
pub enum WebError {
    /// TLS cannot be prepared.
    #[error("the HTTP client does not start")]
    Client(#[source] reqwest::Error),
    /// Not an address.
    #[error("`{0}` is no address")]
    Address(String),
    /// Not reached, or broken off.
    #[error("{url} {what}")]
    Request {
        /// The address, without what may be secret in it.
        url: String,
        /// What happened to it.
        what: &'static str,
        /// Why.
        #[source]
        source: reqwest::Error,
    },
    /// The server says no.
    #[error("{url} answers {status}")]
    Status {
        /// The address.
        url: String,
        /// The number.
        status: StatusCode,
    },
    /// More than dfab takes.
    #[error("{url} has more than {limit} bytes")]
    TooLarge {
        /// The address.
        url: String,
        /// The most.
        limit: usize,
    },
}

const CONNECT: Duration = Duration::from_secs(10);
const SILENCE: Duration = Duration::from_secs(30);
const WHOLE: Duration = Duration::from_secs(600);
const REDIRECTS: usize = 5;

impl WebError {
    /// Whether the other side speaks no TLS. A certificate that is not trusted is another matter.
    pub(crate) fn is_not_tls(&self) -> bool {
        let Self::Request { source, .. } = self else {
            return false;
        };
        let mut next = std::error::Error::source(source);
        while let Some(error) = next {
            let reasons = error.downcast_ref::<ErrorStack>().map(ErrorStack::errors);
            if reasons.is_some_and(|all| all.iter().any(|one| NOT_TLS.contains(&one.reason_code())))
            {
                return true;
            }
            next = error.source();
        }
        false
    }
}

/// "wrong version number", "http request", "packet length too long" and "unexpected message", as
/// OpenSSL numbers what a server in plain text looks like.
const NOT_TLS: [i32; 4] = [267, 156, 198, 244];

impl Web {
    /// A client that trusts the authorities of this system, or those of `SSL_CERT_FILE`.
    ///
    /// # Errors
    /// Where TLS cannot be prepared.
    pub fn new() -> Result<Self, WebError> {
        let policy = Policy::custom(|attempt| {
            let url = attempt.url();
            // What began encrypted stays so, also on this machine.
            let mut before = attempt.previous().iter();
            let is_safe = url.scheme() == "https"
                || url.host_str().is_some_and(is_this_machine)
                    && before.all(|earlier| earlier.scheme() == "http");
            if !is_safe {
                attempt.error("it leads to an address that is not encrypted")
            } else if attempt.previous().len() > REDIRECTS {
                attempt.error("it leads from one address to the next without an end")
            } else {
                attempt.follow()
            }
        });
        let client = Client::builder()
            .user_agent(concat!("dfab/", env!("CARGO_PKG_VERSION")))
            .redirect(policy)
            .connect_timeout(CONNECT)
            .read_timeout(SILENCE)
            .timeout(WHOLE)
            .build()
            .map_err(WebError::Client)?;
        Ok(Self { client })
    }

    /// Downloads what is at an address. Cancel safe.
    ///
    /// # Errors
    /// Where there is nothing, or more than the limit.
    pub async fn get(&self, url: &str, limit: usize) -> Result<Bytes, WebError> {
        match self.get_if_any(url, limit).await? {
            Some(bytes) => Ok(bytes),
            None => Err(WebError::Status {
                url: shown(&parse(url)?),
                status: StatusCode::NOT_FOUND,
            }),
        }
    }

    /// The same, or none where the server says that there is nothing.
    ///
    /// # Errors
    /// As [`Web::get`].
    pub async fn get_if_any(&self, url: &str, limit: usize) -> Result<Option<Bytes>, WebError> {
        let request = Request::new(reqwest::Method::GET, parse(url)?);
        let response = self.send(request).await?;
        match response.status() {
            status if status.is_success() => body(response, limit).await.map(Some),
            // Some servers do not even tell what they do not have.
            StatusCode::NOT_FOUND | StatusCode::GONE | StatusCode::FORBIDDEN => Ok(None),
            status => Err(WebError::Status {
                url: shown(response.url()),
                status,
            }),
        }
    }

    /// Sends a request; any answer is one.
    pub(crate) async fn send(&self, request: Request) -> Result<Response, WebError> {
        let url = shown(request.url());
        self.client
            .execute(request)
            .await
            .map_err(|error| failed(url, error))
    }
}

/// The whole of an answer, if it is not too large.
pub(crate) async fn body(mut response: Response, limit: usize) -> Result<Bytes, WebError> {
    let url = shown(response.url());
    let too_large = || WebError::TooLarge {
        url: url.clone(),
        limit,
    };
    if response
        .content_length()
        .is_some_and(|length| length > limit as u64)
    {
        return Err(too_large());
    }
    let mut bytes = BytesMut::new();
    while let Some(chunk) = response
        .chunk()
        .await
        .map_err(|error| failed(url.clone(), error))?
    {
        if bytes.len() + chunk.len() > limit {
            return Err(too_large());
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes.freeze())
}

pub(crate) fn parse(url: &str) -> Result<Url, WebError> {
    Url::parse(url).map_err(|_| WebError::Address(crate::name::shown(url)))
}

/// An address without its query, which may be a signature that lets anybody in.
pub(crate) fn shown(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.to_string()
}

fn failed(url: String, error: reqwest::Error) -> WebError {
    let what = if error.is_timeout() {
        "does not answer in time"
    } else if error.is_connect() {
        "cannot be reached"
    } else if error.is_redirect() {
        "leads elsewhere"
    } else {
        "broke off"
    };
    // Its own words would be the address again, with the query.
    WebError::Request {
        url,
        what,
        source: error.without_url(),
    }
}
