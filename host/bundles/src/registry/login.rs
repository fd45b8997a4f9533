//! Logins: what is shown to a registry that asks for one (RFC 7617, and tokens as
//! <https://distribution.github.io/distribution/spec/auth/token/> has them).

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http_auth::ChallengeRef;
use reqwest::header::{AUTHORIZATION, HeaderValue, WWW_AUTHENTICATE};
use reqwest::{Method, Request, Response};
use serde::Deserialize;

use super::RegistryError;
use crate::source::is_this_machine;
use crate::web::{self, Web};

/// A name and a password for a registry. Neither is printed.
#[derive(Clone)]
pub struct Login {
    user: String,
    password: String,
}

impl Login {
    /// That name with that password.
    #[must_use]
    pub fn new(user: impl Into<String>, password: impl Into<String>) -> Self {
        Self {
            user: user.into(),
            password: password.into(),
        }
    }

    fn header(&self) -> Option<HeaderValue> {
        let text = STANDARD.encode(format!("{}:{}", self.user, self.password));
        secret(&format!("Basic {text}"))
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Login")
    }
}

/// What a registry wants to see after it has refused a request.
pub(super) async fn answer(
    web: &Web,
    host: &str,
    scope: &str,
    login: Option<&Login>,
    refused: &Response,
) -> Result<HeaderValue, RegistryError> {
    let odd = |reason: &str| RegistryError::Challenge {
        host: host.to_owned(),
        reason: reason.to_owned(),
    };
    let no_login = || RegistryError::Login {
        host: host.to_owned(),
        had_login: login.is_some(),
    };
    let asked = refused.headers().get_all(WWW_AUTHENTICATE);
    for header in asked.iter().filter_map(|header| header.to_str().ok()) {
        let Ok(challenges) = http_auth::parse_challenges(header) else {
            return Err(odd("it cannot be read"));
        };
        for challenge in challenges {
            if challenge.scheme.eq_ignore_ascii_case("basic") {
                return login.and_then(Login::header).ok_or_else(no_login);
            }
            if challenge.scheme.eq_ignore_ascii_case("bearer") {
                return token(web, host, scope, login, &challenge).await;
            }
        }
    }
    Err(odd("it names neither Basic nor Bearer"))
}

/// Gets a token at the place that the registry names.
async fn token(
    web: &Web,
    host: &str,
    scope: &str,
    login: Option<&Login>,
    challenge: &ChallengeRef<'_>,
) -> Result<HeaderValue, RegistryError> {
    #[derive(Deserialize)]
    struct Token {
        token: Option<String>,
        access_token: Option<String>,
    }
    let odd = |reason: &str| RegistryError::Challenge {
        host: host.to_owned(),
        reason: reason.to_owned(),
    };
    let parameter = |name: &str| {
        let mut all = challenge.params.iter();
        all.find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.to_unescaped())
    };
    let realm = parameter("realm").ok_or_else(|| odd("it does not say where tokens are"))?;
    let mut url = web::parse(&realm)?;
    // The password goes there: not in plain text, unless to this machine.
    if url.scheme() != "https" && !url.host_str().is_some_and(is_this_machine) {
        return Err(odd("its tokens are at an address that is not encrypted"));
    }
    if let Some(service) = parameter("service") {
        url.query_pairs_mut().append_pair("service", &service);
    }
    url.query_pairs_mut().append_pair("scope", scope);
    let mut request = Request::new(Method::GET, url);
    if let Some(header) = login.and_then(Login::header) {
        request.headers_mut().insert(AUTHORIZATION, header);
    }
    let response = web.send(request).await?;
    if matches!(response.status().as_u16(), 401 | 403) {
        return Err(RegistryError::Login {
            host: host.to_owned(),
            had_login: login.is_some(),
        });
    }
    if !response.status().is_success() {
        return Err(RegistryError::Refused {
            host: host.to_owned(),
            what: "the request for a token",
            status: response.status().as_u16(),
            message: String::new(),
        });
    }
    let bytes = web::body(response, LIMIT).await?;
    let token: Token = serde_json::from_slice(&bytes).map_err(|_| odd("its token is no JSON"))?;
    token
        .token
        .or(token.access_token)
        .and_then(|token| secret(&format!("Bearer {token}")))
        .ok_or_else(|| odd("it gives no token"))
}

const LIMIT: usize = 256 << 10;

/// A header that is not printed.
fn secret(text: &str) -> Option<HeaderValue> {
    let mut header = HeaderValue::from_str(text).ok()?;
    header.set_sensitive(true);
    Some(header)
}
