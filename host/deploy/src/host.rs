//! A host: where an engine is, and the connections to it, opened when first used and kept.

use std::path::PathBuf;
use std::time::Duration;

use dfab_engine::{
    ApiVersion, ChannelKind, CommandNotice, ConnectOptions, DEFAULT_SOCKET, Endpoint, Engine,
    Programs, Tls,
};
use dfab_maps::Client;
use dfab_ssh::{Connector, Destination, ResolveOptions, Session};
use tokio::sync::OnceCell;

/// Where an engine is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// A socket on this machine.
    Socket(PathBuf),
    /// An engine that listens on TCP; with TLS where the options say so.
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
            Self::Ssh {
                destination,
                socket,
                ..
            } if socket == DEFAULT_SOCKET => write!(f, "ssh://{destination}"),
            Self::Ssh {
                destination,
                socket,
                ..
            } => write!(f, "ssh://{destination}{socket}"),
        }
    }
}

/// How to connect to a host.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The only channel to try, where one was asked for.
    pub channel: Option<ChannelKind>,
    /// Instead of the user's SSH configuration.
    pub ssh_config: Option<PathBuf>,
    /// How long an SSH session, and then a channel to the engine, may take to open; instead of what the
    /// SSH configuration says.
    pub connect_timeout: Option<Duration>,
    /// How long nothing may move in a transfer.
    pub idle_timeout: Option<Duration>,
    /// Opens SSH sessions: one for all hosts, so that they share those that they jump through.
    pub connector: Connector,
    /// To speak TLS where the engine is reached by TCP.
    pub tls: Option<Tls>,
    /// Is told the command lines of socat, where its client wants them to be seen.
    pub on_socat: Option<CommandNotice>,
    /// Hosts that may have been meant, where the name is not that of a host that is known.
    pub known: Vec<String>,
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
    /// The name is neither that of a host that is known, nor has it an address.
    #[error("no SSH session to {host}")]
    Unknown {
        /// As the operator named it.
        host: String,
        /// Hosts that are known.
        known: Vec<String>,
        /// Why there is no session.
        #[source]
        source: Box<dfab_ssh::ConnectError>,
    },
    /// The client file has no API version.
    #[error("the `version` of the client {host} cannot be read")]
    Version {
        /// As the operator named it.
        host: String,
        /// Why.
        #[source]
        source: dfab_engine::VersionError,
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

    /// The same host, with connections of its own.
    #[must_use]
    pub fn again(&self) -> Self {
        Self::new(
            self.name.clone(),
            self.address.clone(),
            self.client.clone(),
            self.options.clone(),
        )
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

    /// How it is connected to.
    pub fn options(&self) -> &Options {
        &self.options
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
        let channel = self.options.channel;
        self.engine
            .get_or_try_init(|| self.engine_over(channel))
            .await
    }

    /// The ways that may lead to the engine, in the order in which they are tried.
    pub fn ways(&self) -> Vec<ChannelKind> {
        if let Some(only) = self.options.channel {
            return vec![only];
        }
        match &self.address {
            Address::Socket(_) => vec![ChannelKind::Local],
            Address::Tcp { .. } => vec![ChannelKind::Tcp],
            Address::Ssh { tcp, .. } => {
                let mut ways = vec![
                    ChannelKind::StreamLocal,
                    ChannelKind::Socat,
                    ChannelKind::DialStdio,
                ];
                ways.extend(tcp.as_ref().map(|_| ChannelKind::Tcp));
                ways
            }
        }
    }

    /// A connection to the engine of its own: over one way, or over the first that leads there.
    ///
    /// # Errors
    /// Where none does.
    pub async fn engine_over(&self, channel: Option<ChannelKind>) -> Result<Engine, HostError> {
        self.open_engine(channel).await
    }

    async fn open_session(&self, destination: &Destination) -> Result<Session, HostError> {
        let options = ResolveOptions {
            config_file: self.options.ssh_config.clone(),
            connect_timeout: self.options.connect_timeout,
            ..ResolveOptions::default()
        };
        let connector = &self.options.connector;
        let target = connector
            .resolve(destination, &options)
            .await
            .map_err(|source| HostError::Resolve {
                host: self.name.clone(),
                source,
            })?;
        connector.connect(&target).await.map_err(|source| {
            let host = self.name.clone();
            let has_no_address = matches!(source, dfab_ssh::ConnectError::Name { .. });
            if has_no_address && !self.options.known.is_empty() {
                let known = self.options.known.clone();
                HostError::Unknown {
                    host,
                    known,
                    source: Box::new(source),
                }
            } else {
                HostError::Ssh { host, source }
            }
        })
    }

    /// The API version that the client file asks for; `auto` is none.
    fn version(&self) -> Result<Option<ApiVersion>, HostError> {
        let wanted = self
            .client
            .version
            .as_deref()
            .filter(|text| *text != "auto");
        wanted
            .map(str::parse)
            .transpose()
            .map_err(|source| HostError::Version {
                host: self.name.clone(),
                source,
            })
    }

    /// What its client calls the programs there.
    fn programs(&self) -> Programs {
        let preset = Programs::default();
        let client = &self.client;
        Programs {
            socat: client.socat_path.clone().unwrap_or(preset.socat),
            docker: client.default_bin.clone().unwrap_or(preset.docker),
            docker_prefix: client.cmd_prefix.clone(),
            docker_sudo: client.use_sudo.unwrap_or(false),
            on_socat: match client.socat_quiet {
                Some(false) => self.options.on_socat.clone(),
                _ => None,
            },
        }
    }

    async fn open_engine(&self, channel: Option<ChannelKind>) -> Result<Engine, HostError> {
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
        let preset = ConnectOptions::default();
        let options = ConnectOptions {
            channel,
            version: self.version()?,
            timeout: self.client.timeout.unwrap_or(preset.timeout),
            connect_timeout: self
                .options
                .connect_timeout
                .unwrap_or(preset.connect_timeout),
            idle_timeout: self.options.idle_timeout.unwrap_or(preset.idle_timeout),
            tls: self.options.tls.clone(),
            programs: self.programs(),
        };
        Engine::connect(endpoint, &options)
            .await
            .map_err(|source| HostError::Engine {
                host: self.name.clone(),
                source,
            })
    }
}
