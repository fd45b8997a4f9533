//! Opening a session: stream, handshake, host key, login. All of it blocks, so it happens on the
//! thread that drives the session afterwards.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ssh2::MethodType;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use crate::authentication::{AuthenticationError, authenticate};
use crate::driver::driver;
use crate::handle::Handle;
use crate::host_key::{self, HostKeyError};
use crate::known_hosts::KnownKeys;
use crate::link::Link;
use crate::question::{Asker, Clock};
use crate::session::OpenError;
use crate::target::{Proxy, Target};

/// Why there is no session.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The name has no address.
    #[error("the name {host} has no address")]
    Name {
        /// The name.
        host: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Nothing listens there, or nothing answers.
    #[error("cannot connect to {address}")]
    Tcp {
        /// Address and port.
        address: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The host on the way there cannot be used.
    #[error("no SSH session to {bastion}, through which the host is reached")]
    Bastion {
        /// The host on the way.
        bastion: String,
        /// Why.
        #[source]
        source: Arc<ConnectError>,
    },
    /// The host on the way does not reach it.
    #[error("{bastion} opens no connection to {address}")]
    Jump {
        /// The host on the way.
        bastion: String,
        /// Address and port.
        address: String,
        /// Why.
        #[source]
        source: Box<OpenError>,
    },
    /// The proxy command cannot be run.
    #[error("cannot run the proxy command ({command})")]
    ProxyStart {
        /// The command line.
        command: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The proxy command did not bring us there.
    #[error("{complaint}")]
    Proxy {
        /// What it said, and how it ended.
        complaint: String,
        /// What became of the session.
        #[source]
        source: Box<ConnectError>,
    },
    /// The server closed the connection before it said anything: it is busy, or wants no connection
    /// from here.
    #[error(
        "the SSH server at {address} turned the connection down{said}; too many logins at a time (MaxStartups), or this address is shut out"
    )]
    TurnedDown {
        /// Address and port.
        address: String,
        /// What it said instead of its greeting.
        said: String,
        /// What libssh2 said.
        #[source]
        source: ssh2::Error,
    },
    /// What listens there does not agree with us on SSH.
    #[error("the SSH handshake with {address} failed")]
    Handshake {
        /// Address and port.
        address: String,
        /// Why.
        #[source]
        source: ssh2::Error,
    },
    /// The host is not trusted.
    #[error(transparent)]
    HostKey(#[from] HostKeyError),
    /// The login failed.
    #[error(transparent)]
    Authentication(#[from] AuthenticationError),
    /// It took too long.
    #[error(
        "the SSH server at {address} did not answer within {} s; --connect-timeout (ConnectTimeout) gives it more time",
        .after.as_secs_f64()
    )]
    Timeout {
        /// Address and port.
        address: String,
        /// How long was waited.
        after: Duration,
    },
    /// This machine cannot do it.
    #[error("cannot make an SSH session")]
    Local(#[source] io::Error),
}

impl ConnectError {
    /// Whether the server may be there and only busy.
    pub(crate) fn is_turned_down(&self) -> bool {
        match self {
            Self::TurnedDown { .. } => true,
            Self::Proxy { source, .. } => source.is_turned_down(),
            _ => false,
        }
    }
}

/// Opens a session and starts its thread. Without a link, one is opened as the target says. The permit
/// is given back when the login is over.
pub(crate) async fn connect(
    target: &Target,
    link: Option<Link>,
    asker: Arc<Asker>,
    permit: Option<OwnedSemaphorePermit>,
) -> Result<Handle, ConnectError> {
    let (sender, mut receiver) = oneshot::channel();
    let wanted = target.clone();
    let clock = Arc::new(Clock::new(target.connect_timeout));
    let watched = Arc::clone(&clock);
    std::thread::Builder::new()
        .name(format!("ssh {}", target.name))
        .spawn(move || {
            let opened = open(&wanted, link, &asker, &clock).and_then(|(session, link)| {
                driver(session, link, wanted.keep_alive).map_err(ConnectError::Local)
            });
            drop(permit);
            match opened {
                Ok((driver, handle)) => {
                    // Where nobody waits any more, the handle is dropped, and the driver ends at once.
                    let _ = sender.send(Ok(handle));
                    driver.run();
                }
                Err(error) => {
                    let _ = sender.send(Err(error));
                }
            }
        })
        .map_err(ConnectError::Local)?;
    // The steps on the thread have the same limit, so this one is only for the worst case.
    loop {
        let limit = watched.left() + Duration::from_secs(1);
        match tokio::time::timeout(limit, &mut receiver).await {
            Ok(Ok(result)) => return result,
            Ok(Err(_)) => {
                return Err(ConnectError::Local(io::Error::other(
                    "the session's thread ended",
                )));
            }
            Err(_) if watched.left().is_zero() => {
                return Err(ConnectError::Timeout {
                    address: target.address(),
                    after: target.connect_timeout,
                });
            }
            // Somebody was asked meanwhile, or the login began.
            Err(_) => {}
        }
    }
}

fn open(
    target: &Target,
    link: Option<Link>,
    asker: &Asker,
    clock: &Clock,
) -> Result<(ssh2::Session, Link), ConnectError> {
    let deadline = Instant::now() + clock.left();
    let mut link = match (link, &target.proxy) {
        (Some(link), _) => link,
        (None, Proxy::Command(line)) => Link::command(line)?,
        (None, _) => Link::tcp(&target.host, target.port, target.address_family, deadline)
            .map_err(|error| match error {
                ConnectError::Tcp { address, source }
                    if source.kind() == io::ErrorKind::TimedOut =>
                {
                    ConnectError::Timeout {
                        address,
                        after: target.connect_timeout,
                    }
                }
                other => other,
            })?,
    };
    match log_in(target, &link, asker, clock) {
        Ok(session) => Ok((session, link)),
        Err(error) => Err(match link.complaint() {
            Some(complaint) if error.is_about_the_link() => ConnectError::Proxy {
                complaint,
                source: Box::new(error),
            },
            _ => error,
        }),
    }
}

impl ConnectError {
    /// Whether what carries the bytes may be to blame.
    fn is_about_the_link(&self) -> bool {
        matches!(
            self,
            Self::TurnedDown { .. } | Self::Handshake { .. } | Self::Timeout { .. }
        )
    }
}

fn log_in(
    target: &Target,
    link: &Link,
    asker: &Asker,
    clock: &Clock,
) -> Result<ssh2::Session, ConnectError> {
    let known = KnownKeys::of(target);
    let local = |error: ssh2::Error| ConnectError::Local(error.into());
    let mut session = ssh2::Session::new().map_err(local)?;
    // libssh2 passes over what it does not know.
    for (method, names) in [
        (MethodType::HostKey, known.algorithms().as_str()),
        (MethodType::CryptCs, &target.ciphers),
        (MethodType::CryptSc, &target.ciphers),
    ] {
        session.method_pref(method, names).map_err(local)?;
    }
    session.set_compress(target.compression);
    let left = clock.left().as_millis().max(1);
    session.set_timeout(u32::try_from(left).unwrap_or(u32::MAX));
    session.set_tcp_stream(link.descriptor().map_err(ConnectError::Local)?);
    session
        .handshake()
        .map_err(|source| handshake_failed(target, &session, clock, source))?;
    let (key, _) = session.host_key().ok_or(HostKeyError::None)?;
    let trust = host_key::check(&known, target, key, asker, clock)?;
    authenticate(&session, target, trust, asker, clock)?;
    // From here on nothing blocks.
    session.set_timeout(0);
    Ok(session)
}

fn handshake_failed(
    target: &Target,
    session: &ssh2::Session,
    clock: &Clock,
    source: ssh2::Error,
) -> ConnectError {
    let address = target.address();
    // LIBSSH2_ERROR_TIMEOUT
    if source.code() == ssh2::ErrorCode::Session(-9) || clock.left().is_zero() {
        return ConnectError::Timeout {
            address,
            after: target.connect_timeout,
        };
    }
    match session.banner() {
        Some(banner) if banner.starts_with("SSH-") => ConnectError::Handshake { address, source },
        banner => ConnectError::TurnedDown {
            address,
            said: banner.map_or_else(String::new, |words| format!(" ({})", words.escape_debug())),
            source,
        },
    }
}
