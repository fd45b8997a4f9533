//! A host: where an engine is, and the connections to it, opened when first used and kept.

use std::path::PathBuf;
use std::time::Duration;

use dfab_engine::{ChannelKind, ConnectOptions, Endpoint, Engine};
use dfab_maps::Client;
use dfab_ssh::{Destination, ResolveOptions, Session};
use tokio::sync::OnceCell;

/// Where an engine is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// A socket on this machine.
    Socket(PathBuf),
    /// An engine that listens on TCP, without TLS.
    Tcp {
        /// Name or address.
        host: String,
        /// Port.
        port: u16,
    },
    /// An engine behind an SSH server.
    Ssh {
        /// Whom to ask for.
        destination: Destination,
        /// The engine's socket on that host.
        socket: String,
        /// Where the engine listens on TCP, as seen from that host, if it does.
        tcp: Option<(String, u16)>,
    },
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Socket(path) => write!(f, "unix://{}", path.display()),
            Self::Tcp { host, port } => write!(f, "tcp://{host}:{port}"),
            Self::Ssh { destination, .. } => write!(f, "ssh://{destination}"),
        }
    }
}

/// How to connect, the same for all hosts of a run.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The only channel to try, where one was asked for.
    pub channel: Option<ChannelKind>,
    /// Instead of the user's SSH configuration.
    pub ssh_config: Option<PathBuf>,
}

/// Why a host could not be reached. The texts name the host.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// The name leads nowhere.
    #[error("cannot find out how to reach {host}")]
    Resolve {
        /// As the operator named it.
        host: String,
        /// Why.
        #[source]
        source: dfab_ssh::ResolveError,
    },
    /// No SSH session.
    #[error("no SSH session to {host}")]
    Ssh {
        /// As the operator named it.
        host: String,
        /// Why.
        #[source]
        source: dfab_ssh::ConnectError,
    },
    /// No channel to the engine.
    #[error("no connection to the Docker Engine of {host}")]
    Engine {
        /// As the operator named it.
        host: String,
        /// Why.
        #[source]
        source: dfab_engine::ConnectError,
    },
}

/// One host of a run.
#[derive(Debug)]
pub struct Host {
    name: String,
    address: Address,
    client: Client,
    options: Options,
    session: OnceCell<Session>,
    engine: OnceCell<Engine>,
}

impl Host {
    /// Describes a host; opens nothing.
    pub fn new(name: String, address: Address, client: Client, options: Options) -> Self {
        Self {
            name,
            address,
            client,
            options,
            session: OnceCell::new(),
            engine: OnceCell::new(),
        }
    }

    /// As the operator named it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it is.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Its client configuration.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Whether it is reached through SSH, and so has a shell.
    pub fn has_shell(&self) -> bool {
        matches!(self.address, Address::Ssh { .. })
    }

    /// The SSH session, opened at the first call; none where the host is reached without SSH.
    ///
    /// # Errors
    /// Where the session cannot be opened. A later call tries again.
    pub async fn session(&self) -> Result<Option<&Session>, HostError> {
        let Address::Ssh { destination, .. } = &self.address else {
            return Ok(None);
        };
        let session = self
            .session
            .get_or_try_init(|| self.open_session(destination))
            .await?;
        Ok(Some(session))
    }

    /// The engine, connected at the first call.
    ///
    /// # Errors
    /// Where no channel leads to it. A later call tries again.
    pub async fn engine(&self) -> Result<&Engine, HostError> {
        self.engine.get_or_try_init(|| self.open_engine()).await
    }

    async fn open_session(&self, destination: &Destination) -> Result<Session, HostError> {
        let options = ResolveOptions {
            config_file: self.options.ssh_config.clone(),
        };
        let target = dfab_ssh::resolve(destination, &options)
            .await
            .map_err(|source| HostError::Resolve {
                host: self.name.clone(),
                source,
            })?;
        Session::connect(&target)
            .await
            .map_err(|source| HostError::Ssh {
                host: self.name.clone(),
                source,
            })
    }

    async fn open_engine(&self) -> Result<Engine, HostError> {
        let endpoint = match &self.address {
            Address::Socket(path) => Endpoint::Unix(path.clone()),
            Address::Tcp { host, port } => Endpoint::Tcp {
                host: host.clone(),
                port: *port,
            },
            Address::Ssh {
                destination,
                socket,
                tcp,
            } => Endpoint::Ssh {
                session: self
                    .session
                    .get_or_try_init(|| self.open_session(destination))
                    .await?
                    .clone(),
                socket: socket.clone(),
                tcp: tcp.clone(),
            },
        };
        let options = ConnectOptions {
            channel: self.options.channel,
            timeout: Duration::from_secs(60),
            ..ConnectOptions::default()
        };
        Engine::connect(endpoint, &options)
            .await
            .map_err(|source| HostError::Engine {
                host: self.name.clone(),
                source,
            })
    }
}
