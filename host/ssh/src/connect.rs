//! Opening a session: TCP, handshake, host key, login. All of it blocks, so it happens on the thread
//! that drives the session afterwards.

use std::io;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

use ssh2::{HashType, MethodType};
use tokio::sync::oneshot;

use crate::authentication::{AuthenticationError, authenticate};
use crate::driver::{Handle, driver};
use crate::known_hosts::{HostKeyError, KnownKeys};
use crate::target::Target;

/// How long sent data may stay unacknowledged before the connection counts as broken. With a sign of
/// life every 15 s, a host that is gone is found within 45 s.
const UNACKNOWLEDGED: Duration = Duration::from_secs(30);

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
    #[error("the SSH server did not let us in within {} s", .0.as_secs_f64())]
    Timeout(Duration),
    /// This machine cannot do it.
    #[error("cannot make an SSH session")]
    Local(#[source] io::Error),
}

/// Opens a session and starts its thread.
pub(crate) async fn connect(target: &Target) -> Result<Handle, ConnectError> {
    let (sender, receiver) = oneshot::channel();
    let wanted = target.clone();
    let limit = target.connect_timeout;
    std::thread::Builder::new()
        .name(format!("ssh {}", target.name))
        .spawn(move || {
            let opened = open(&wanted)
                .and_then(|(session, tcp)| driver(session, tcp).map_err(ConnectError::Local));
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
    match tokio::time::timeout(limit + Duration::from_secs(1), receiver).await {
        Ok(Ok(result)) => result,
        Ok(Err(_)) => Err(ConnectError::Local(io::Error::other(
            "the session's thread ended",
        ))),
        Err(_) => Err(ConnectError::Timeout(limit)),
    }
}

fn open(target: &Target) -> Result<(ssh2::Session, TcpStream), ConnectError> {
    let deadline = Instant::now() + target.connect_timeout;
    let address = format!("{}:{}", target.host, target.port);
    let tcp = connect_tcp(target, deadline)?;
    set_options(&tcp).map_err(ConnectError::Local)?;
    let known = KnownKeys::of(target);
    let local = |error: ssh2::Error| ConnectError::Local(error.into());
    let mut session = ssh2::Session::new().map_err(local)?;
    if let Some(algorithms) = known.preferred_algorithms() {
        // libssh2 passes over what it does not know; with nothing left, its own order is as good.
        let _ = session.method_pref(MethodType::HostKey, &algorithms);
    }
    let left = deadline
        .saturating_duration_since(Instant::now())
        .as_millis()
        .max(1);
    session.set_timeout(u32::try_from(left).unwrap_or(u32::MAX));
    session.set_tcp_stream(tcp.try_clone().map_err(ConnectError::Local)?);
    let late = |error: &ssh2::Error| {
        // LIBSSH2_ERROR_TIMEOUT
        error.code() == ssh2::ErrorCode::Session(-9) || Instant::now() >= deadline
    };
    session.handshake().map_err(|source| {
        if late(&source) {
            ConnectError::Timeout(target.connect_timeout)
        } else {
            ConnectError::Handshake { address, source }
        }
    })?;
    let (key, _) = session.host_key().ok_or(HostKeyError::None)?;
    let fingerprint = session
        .host_key_hash(HashType::Sha256)
        .ok_or(HostKeyError::None)?;
    known.check(target, key, fingerprint)?;
    authenticate(&session, target)?;
    // From here on nothing blocks.
    session.set_timeout(0);
    Ok((session, tcp))
}

/// Tries every address of the host.
fn connect_tcp(target: &Target, deadline: Instant) -> Result<TcpStream, ConnectError> {
    let name = |source| ConnectError::Name {
        host: target.host.clone(),
        source,
    };
    let addresses: Vec<SocketAddr> = (target.host.as_str(), target.port)
        .to_socket_addrs()
        .map_err(name)?
        .collect();
    let mut failure = None;
    for address in addresses {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break;
        }
        #[expect(
            clippy::disallowed_methods,
            reason = "this is where SSH connections are opened"
        )]
        match TcpStream::connect_timeout(&address, left) {
            Ok(tcp) => return Ok(tcp),
            Err(source) => {
                failure = Some(ConnectError::Tcp {
                    address: address.to_string(),
                    source,
                });
            }
        }
    }
    Err(failure.unwrap_or(ConnectError::Timeout(target.connect_timeout)))
}

fn set_options(tcp: &TcpStream) -> io::Result<()> {
    tcp.set_nodelay(true)?;
    let milliseconds = u32::try_from(UNACKNOWLEDGED.as_millis()).unwrap_or(u32::MAX);
    rustix::net::sockopt::set_tcp_user_timeout(tcp, milliseconds)?;
    Ok(())
}
