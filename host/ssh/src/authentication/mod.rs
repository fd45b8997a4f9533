//! Logging in, in the order of the configuration and of OpenSSH: keys of the agent, keys in files,
//! then what a person or a program in their stead knows.

mod agent_relay;
mod key_file;
mod keys;
mod passwords;

use std::fmt;
use std::time::Duration;

use crate::host_key::Trust;
use crate::question::{Asker, Clock};
use crate::target::{Method, Target};

/// How long one way to log in may take, without the time for which somebody is asked.
const ATTEMPT: Duration = Duration::from_secs(30);

/// LIBSSH2_ERROR_AUTHENTICATION_FAILED: the server said no.
const REFUSED: ssh2::ErrorCode = ssh2::ErrorCode::Session(-18);

/// One way that was tried, and how it went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// The key, or the kind of login.
    pub way: String,
    /// The server's answer, or why it was not asked.
    pub answer: String,
}

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.way, self.answer)
    }
}

/// Why nobody could log in.
#[derive(Debug, thiserror::Error)]
pub enum AuthenticationError {
    /// The server refused every way that was tried.
    #[error(
        "the server does not let {user} in; tried: {}; the server takes: {methods}",
        describe(.tried)
    )]
    Refused {
        /// The user.
        user: String,
        /// What was tried, and how it went.
        tried: Vec<Attempt>,
        /// What the server says it takes, or still wants.
        methods: String,
    },
    /// The server lost patience.
    #[error(
        "the server closed the connection while {user} was logging in (it takes a few attempts only, \
         MaxAuthTries); tried: {}. Name the right key (IdentityFile, IdentitiesOnly yes)",
        describe(.tried)
    )]
    Closed {
        /// The user.
        user: String,
        /// What was tried, and how it went.
        tried: Vec<Attempt>,
    },
    /// The connection did not last.
    #[error("the connection broke while logging in")]
    Broken(#[source] ssh2::Error),
}

fn describe(tried: &[Attempt]) -> String {
    if tried.is_empty() {
        return "nothing, since there is no agent with keys and no key file; make a key with \
                `ssh-keygen` and bring it to the host with `ssh-copy-id`"
            .to_owned();
    }
    let tried: Vec<String> = tried.iter().map(ToString::to_string).collect();
    tried.join("; ")
}

/// Logs in on a blocking session.
pub(crate) fn authenticate(
    session: &ssh2::Session,
    target: &Target,
    trust: Trust,
    asker: &Asker,
    clock: &Clock,
) -> Result<(), AuthenticationError> {
    let mut login = Login {
        session,
        target,
        asker,
        clock,
        tried: Vec::new(),
        took_a_key: false,
    };
    login.begin();
    let Some(mut offered) = login.methods()? else {
        return Ok(());
    };
    for method in &target.methods {
        if !offered.split(',').any(|name| name == method.name()) {
            continue;
        }
        let outcome = match method {
            Method::PublicKey => login.keys(),
            Method::KeyboardInteractive | Method::Password if trust == Trust::NoPasswords => {
                login.note(
                    method.name(),
                    "the host's key has changed, so it gets no password",
                );
                Outcome::Next
            }
            Method::KeyboardInteractive => login.challenges(),
            Method::Password => login.password(),
        };
        match outcome {
            Outcome::In => return Ok(()),
            Outcome::Closed => {
                return Err(AuthenticationError::Closed {
                    user: target.user.clone(),
                    tried: login.tried,
                });
            }
            Outcome::Next => {}
        }
        // A server that wants several ways accepts a key, and then wants another way.
        if std::mem::take(&mut login.took_a_key) {
            match login.methods()? {
                Some(now) => offered = now,
                None => return Ok(()),
            }
        }
    }
    Err(AuthenticationError::Refused {
        user: target.user.clone(),
        tried: login.tried,
        methods: offered,
    })
}

/// How one way went.
enum Outcome {
    In,
    Next,
    /// There is no use in going on.
    Closed,
}

struct Login<'a> {
    session: &'a ssh2::Session,
    target: &'a Target,
    asker: &'a Asker,
    clock: &'a Clock,
    tried: Vec<Attempt>,
    /// The server agreed to a key, and did not let the user in with its signature.
    took_a_key: bool,
}

impl Login<'_> {
    /// Gives the next call its time.
    fn begin(&self) {
        let limit = ATTEMPT.max(self.target.connect_timeout);
        self.clock.allow(limit);
        let limit = u32::try_from(limit.as_millis()).unwrap_or(u32::MAX);
        self.session.set_timeout(limit);
    }

    fn note(&mut self, way: impl Into<String>, answer: impl Into<String>) {
        self.tried.push(Attempt {
            way: way.into(),
            answer: answer.into(),
        });
    }

    /// What the server takes; none where it let the user in without anything.
    fn methods(&self) -> Result<Option<String>, AuthenticationError> {
        match self.session.auth_methods(&self.target.user) {
            Ok(methods) => Ok(Some(methods.to_owned())),
            Err(_) if self.session.authenticated() => Ok(None),
            Err(error) => Err(AuthenticationError::Broken(error)),
        }
    }

    /// Notes a refusal; whether there is use in going on.
    fn failed(&mut self, way: &str, error: &ssh2::Error) -> Outcome {
        self.note(way, words(error));
        if is_closed(error) {
            Outcome::Closed
        } else {
            Outcome::Next
        }
    }
}

/// Whether the connection is gone. libssh2 says so by several numbers, or only in words.
fn is_closed(error: &ssh2::Error) -> bool {
    // LIBSSH2_ERROR_SOCKET_SEND, _SOCKET_DISCONNECT, _SOCKET_RECV
    matches!(error.code(), ssh2::ErrorCode::Session(-7 | -13 | -43))
        || error.message().starts_with("Waiting for")
}

fn words(error: &ssh2::Error) -> String {
    if error.code() == REFUSED {
        "refused".to_owned()
    } else if is_closed(error) {
        "the server closed the connection".to_owned()
    } else {
        error.message().to_owned()
    }
}
