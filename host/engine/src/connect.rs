//! Finding a way to an Engine.
//!
//! A way counts only when the Engine has answered over it; a way that fails leaves its reason.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use http::{Method, Request};
use http_body_util::{BodyExt as _, Limited};

use crate::causes::with_causes;
use crate::channel::ChannelKind;
use crate::connector::{ChannelError, Way};
use crate::engine::Engine;
use crate::programs::Programs;
use crate::ssh_channel::{self, SshWay};
use crate::tls::Tls;
use crate::transport::Transport;
use crate::version::{self, ApiVersion, VersionError};

/// Where Docker Engines listen unless they are told otherwise.
pub const DEFAULT_SOCKET: &str = "/var/run/docker.sock";

/// Where an Engine is.
#[derive(Clone)]
pub enum Endpoint {
    /// Behind a Unix socket of this machine.
    Unix(PathBuf),
    /// Behind a TCP port that this machine reaches. Without [`ConnectOptions::tls`] unencrypted: for
    /// loopback and trusted networks.
    Tcp {
        /// Name or address.
        host: String,
        /// The port.
        port: u16,
    },
    /// On the other side of an SSH session.
    Ssh {
        /// The session, which outlives the engine's channels.
        session: dfab_ssh::Session,
        /// The Engine's socket on the host, by default [`DEFAULT_SOCKET`].
        socket: String,
        /// Address and port, as the host sees them, where the Engine listens on TCP as well.
        tcp: Option<(String, u16)>,
    },
}

/// How to connect, and how long to wait.
#[derive(Clone, Debug)]
pub struct ConnectOptions {
    /// Try this way only.
    pub channel: Option<ChannelKind>,
    /// The API version to speak, where it shall not be the newest.
    pub version: Option<ApiVersion>,
    /// For each call, from sending to the answer, and for each piece of a large answer. Calls that wait
    /// for a container get the container's time on top.
    pub timeout: Duration,
    /// For opening a channel, and for the first answer on it.
    pub connect_timeout: Duration,
    /// For streams (archives both ways, pulls, output that is read to its end): the longest time in
    /// which nothing moves.
    pub idle_timeout: Duration,
    /// To speak TLS where the engine is reached by TCP, directly or through SSH.
    pub tls: Option<Tls>,
    /// What the programs on the host are called that carry channels.
    pub programs: Programs,
}

impl Default for ConnectOptions {
    fn default() -> Self {
        Self {
            channel: None,
            version: None,
            timeout: Duration::from_secs(60),
            connect_timeout: Duration::from_secs(15),
            idle_timeout: Duration::from_secs(600),
            tls: None,
            programs: Programs::default(),
        }
    }
}

/// What one way answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// The way.
    pub kind: ChannelKind,
    /// Why it does not work, with the next step where it is known.
    pub reason: String,
}

/// No Engine could be used.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ConnectError {
    /// No way led to an Engine.
    #[error("the Docker Engine cannot be reached:{}", Attempts(.attempts))]
    NoWay {
        /// Every way that was tried, in order.
        attempts: Vec<Attempt>,
    },
    /// The Engine answered, but no API version suits both sides.
    #[error("the Docker Engine answers over {kind}, but cannot be used")]
    Version {
        /// The way over which it answered.
        kind: ChannelKind,
        /// What does not fit.
        #[source]
        source: VersionError,
    },
    /// The way that was asked for does not lead there.
    #[error("the channel `{kind}` cannot be used here: {reason}")]
    WrongKind {
        /// The way that was asked for.
        kind: ChannelKind,
        /// Why not, and what can be used.
        reason: &'static str,
    },
}

/// Tries the ways to the endpoint one after the other.
pub(crate) async fn connect(
    endpoint: Endpoint,
    options: &ConnectOptions,
) -> Result<Engine, ConnectError> {
    let mut ways: std::collections::VecDeque<Way> = ways(&endpoint, options)?.into();
    let mut attempts = Vec::new();
    while let Some(way) = ways.pop_front() {
        let transport = Transport::new(way.clone(), options.tls.clone(), options.connect_timeout);
        let kind = transport.kind();
        let limit = options.connect_timeout.min(options.timeout);
        let tried = tokio::time::timeout(limit, greet(&transport, options.version)).await;
        let failure = match tried {
            Ok(Ok(version)) => match Engine::new(transport.speaking(version), version, options) {
                Ok(engine) => {
                    tracing::debug!(%kind, %version, "connected to the Docker Engine");
                    return Ok(engine);
                }
                Err(error) => {
                    attempts.push(Attempt {
                        kind,
                        reason: with_causes(&error),
                    });
                    continue;
                }
            },
            Ok(Err(Greeting::Version(source))) => {
                return Err(ConnectError::Version { kind, source });
            }
            Ok(Err(Greeting::Channel(error))) => error,
            // Whatever leads to an engine that does not answer does not help. That a process was started
            // says nothing of the engine.
            Err(_) if transport.channels_opened() > 0 && !kind.is_process() => {
                let reason = format!(
                    "the engine takes connections, but has not answered within {} s: it hangs or is \
                     still starting",
                    limit.as_secs_f64()
                );
                attempts.push(Attempt { kind, reason });
                break;
            }
            Err(_) => ChannelError::Slow { kind, after: limit },
        };
        tracing::debug!(%kind, error = %with_causes(&failure), "this way does not lead to the Engine");
        let reason = match &way {
            Way::Ssh(ssh_way) => {
                if let Some(with_sudo) = ssh_way.after(&failure) {
                    ways.push_front(Way::Ssh(with_sudo));
                }
                ssh_channel::reason(ssh_way, &failure).await
            }
            Way::Unix(_) | Way::Tcp { .. } => local_reason(&failure),
        };
        attempts.push(Attempt { kind, reason });
    }
    Err(ConnectError::NoWay { attempts })
}

fn ways(endpoint: &Endpoint, options: &ConnectOptions) -> Result<Vec<Way>, ConnectError> {
    let (ways, reason) = match endpoint {
        Endpoint::Unix(path) => (
            vec![Way::Unix(path.clone())],
            "the engine of this machine is reached by `local` only",
        ),
        Endpoint::Tcp { host, port } => (
            vec![Way::Tcp {
                host: host.clone(),
                port: *port,
            }],
            "an engine given by address is reached by `tcp` only",
        ),
        Endpoint::Ssh {
            session,
            socket,
            tcp,
        } => (
            SshWay::all(session, socket, tcp.as_ref(), &options.programs)
                .into_iter()
                .map(Way::Ssh)
                .collect(),
            "over SSH there are stream-local, socat and dial-stdio, and tcp if the host's Docker \
             port is configured",
        ),
    };
    let Some(kind) = options.channel else {
        return Ok(ways);
    };
    let ways: Vec<Way> = ways.into_iter().filter(|way| way.kind() == kind).collect();
    if ways.is_empty() {
        return Err(ConnectError::WrongKind { kind, reason });
    }
    Ok(ways)
}

enum Greeting {
    Channel(ChannelError),
    Version(VersionError),
}

/// `GET /_ping`, then `GET /version`, both without a version, as the Engine API wants it.
async fn greet(transport: &Transport, wish: Option<ApiVersion>) -> Result<ApiVersion, Greeting> {
    read(transport, "http://docker/_ping").await?;
    let answer = read(transport, "http://docker/version").await?;
    version::negotiate(&answer, wish).map_err(Greeting::Version)
}

async fn read(transport: &Transport, uri: &'static str) -> Result<bytes::Bytes, Greeting> {
    let mut request = Request::new(bollard::body_full(bytes::Bytes::new()));
    *request.method_mut() = Method::GET;
    *request.uri_mut() = http::Uri::from_static(uri);
    let response = transport.send(request).await.map_err(Greeting::Channel)?;
    let status = response.status();
    let body = Limited::new(response.into_body(), 1024 * 1024)
        .collect()
        .await
        .map_err(|error| {
            Greeting::Channel(ChannelError::Stream {
                source: std::sync::Arc::new(std::io::Error::other(error)),
            })
        })?;
    if !status.is_success() {
        let mut reason = format!("it answered with HTTP status {status}");
        if String::from_utf8_lossy(&body.to_bytes()).contains("HTTPS server") {
            reason.push_str("; it wants TLS: give `tls`, or DOCKER_TLS_VERIFY");
        }
        return Err(Greeting::Version(VersionError::NotAnEngine { reason }));
    }
    Ok(body.to_bytes())
}

fn local_reason(failure: &ChannelError) -> String {
    let ChannelError::Unix { path, source } = failure else {
        return with_causes(failure);
    };
    let path = path.display();
    match source.kind() {
        std::io::ErrorKind::PermissionDenied => {
            format!("permission denied on the socket {path}: is the user in group docker?")
        }
        std::io::ErrorKind::NotFound => format!(
            "there is no socket {path}: the Docker Engine is not installed, not running, or \
             listens elsewhere"
        ),
        std::io::ErrorKind::ConnectionRefused => {
            format!("nothing listens on the socket {path}: the Docker Engine is not running")
        }
        _ => with_causes(failure),
    }
}

struct Attempts<'a>(&'a [Attempt]);

impl fmt::Display for Attempts<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Attempt { kind, reason } in self.0 {
            write!(formatter, "\n  {kind:<12}  {reason}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_that_was_tried_is_shown_with_its_answer() {
        let error = ConnectError::NoWay {
            attempts: vec![
                Attempt {
                    kind: ChannelKind::StreamLocal,
                    reason: "not allowed".to_owned(),
                },
                Attempt {
                    kind: ChannelKind::Socat,
                    reason: "not found".to_owned(),
                },
            ],
        };
        assert_eq!(
            error.to_string(),
            "the Docker Engine cannot be reached:\n  stream-local  not allowed\n  socat         \
             not found"
        );
    }

    #[test]
    fn a_way_that_does_not_fit_the_endpoint_is_refused_at_once() {
        let endpoint = Endpoint::Unix(DEFAULT_SOCKET.into());
        let options = ConnectOptions {
            channel: Some(ChannelKind::Socat),
            ..ConnectOptions::default()
        };
        let error = ways(&endpoint, &options).err().unwrap();
        assert!(matches!(
            error,
            ConnectError::WrongKind {
                kind: ChannelKind::Socat,
                ..
            }
        ));
    }

    #[tokio::test]
    async fn a_missing_socket_is_explained() {
        let folder = tempfile::tempdir().unwrap();
        let endpoint = Endpoint::Unix(folder.path().join("docker.sock"));
        let error = connect(endpoint, &ConnectOptions::default())
            .await
            .err()
            .unwrap();
        assert!(error.to_string().contains("there is no socket"), "{error}");
    }
}
