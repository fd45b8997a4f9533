//! Which engines a command is about: from the command line, the maps, the clients and the
//! environment to addresses.

use std::path::PathBuf;

use dfab_deploy::host::{Address, Host, Options};
use dfab_maps::Client;
use dfab_ssh::Destination;
use indexmap::IndexMap;
use serde_json::Value;

use crate::arguments::Common;
use crate::failure::Failure;
use crate::project::Project;

/// The engine's socket, where nothing else is said.
const SOCKET: &str = "/var/run/docker.sock";
/// The name of the engine that is meant when none is named.
const LOCAL: &str = "local";

/// Finds hosts by name.
#[derive(Debug)]
pub(crate) struct Directory {
    clients: IndexMap<String, Client>,
    options: Options,
    docker_host: Option<String>,
}

impl Directory {
    /// Knows the clients of a project.
    ///
    /// # Errors
    /// Where the client file has mistakes, or the environment asks for what dfab cannot do.
    pub(crate) fn new(project: &Project, common: &Common) -> Result<Self, Failure> {
        let docker_host = std::env::var("DOCKER_HOST")
            .ok()
            .filter(|host| !host.is_empty());
        Ok(Self {
            clients: project.load_clients()?,
            options: Options {
                channel: common.channel,
                ssh_config: project.ssh_config.clone(),
            },
            docker_host,
        })
    }

    /// The hosts of those names, each once; the engine that is meant without a name if there is none.
    ///
    /// # Errors
    /// Where a name is none of the clients and no SSH destination either.
    pub(crate) fn hosts(&self, names: &[String]) -> Result<Vec<Host>, Failure> {
        if names.is_empty() {
            return Ok(vec![self.default_host()?]);
        }
        let mut hosts: Vec<Host> = Vec::with_capacity(names.len());
        for name in names {
            if hosts.iter().all(|host| host.name() != name) {
                hosts.push(self.host(name)?);
            }
        }
        Ok(hosts)
    }

    /// The host of that name.
    ///
    /// # Errors
    /// As [`Self::hosts`].
    pub(crate) fn host(&self, name: &str) -> Result<Host, Failure> {
        let (address, client) = if let Some(client) = self.clients.get(name) {
            (client_address(client, name)?, client.clone())
        } else if name == LOCAL {
            return self.default_host();
        } else {
            let destination = destination(name)?;
            let socket = SOCKET.to_owned();
            (
                Address::Ssh {
                    destination,
                    socket,
                    tcp: None,
                },
                Client::default_client(),
            )
        };
        Ok(self.at(name, address, client))
    }

    fn default_host(&self) -> Result<Host, Failure> {
        let default = Client::default_client();
        let client = self.clients.get(&default.name).cloned().unwrap_or(default);
        let configured = client.host.is_some() || client.base_url.is_some();
        let address = match &self.docker_host {
            _ if configured => client_address(&client, LOCAL)?,
            Some(url) => url_address(url, "DOCKER_HOST")?,
            None => Address::Socket(PathBuf::from(SOCKET)),
        };
        Ok(self.at(LOCAL, address, client))
    }

    fn at(&self, name: &str, mut address: Address, client: Client) -> Host {
        // Asked for by hand, TCP goes to where an engine listens by convention.
        if self.options.channel == Some(dfab_engine::ChannelKind::Tcp)
            && let Address::Ssh {
                tcp: tcp @ None, ..
            } = &mut address
        {
            *tcp = Some(("127.0.0.1".to_owned(), 2375));
        }
        Host::new(name.to_owned(), address, client, self.options.clone())
    }
}

/// Where a client of the client file is.
fn client_address(client: &Client, name: &str) -> Result<Address, Failure> {
    let place = format!("the client {name}");
    let engine = client
        .base_url
        .as_deref()
        .map(|url| url_address(url, &place))
        .transpose()?;
    // Nothing goes in plain text that was to be secret.
    let wants_tls = match &client.tls {
        None | Some(Value::Null | Value::Bool(false)) => false,
        Some(_) => true,
    };
    if wants_tls && matches!(engine, Some(Address::Tcp { .. })) {
        return Err(Failure::usage(format!(
            "{place} asks for TLS, which dfab does not speak yet"
        ))
        .hint("reach the engine through SSH: give its `host`, without `tls` and `base_url`"));
    }
    let Some(host) = &client.host else {
        return Ok(engine.unwrap_or_else(|| Address::Socket(PathBuf::from(SOCKET))));
    };
    let mut destination = destination(host)?;
    destination.user = client.user.clone().or(destination.user);
    destination.port = client.port.or(destination.port);
    match engine {
        None => Ok(Address::Ssh {
            destination,
            socket: SOCKET.to_owned(),
            tcp: None,
        }),
        Some(Address::Socket(path)) => Ok(Address::Ssh {
            destination,
            socket: path.to_string_lossy().into_owned(),
            tcp: None,
        }),
        Some(Address::Tcp { host, port }) => Ok(Address::Ssh {
            destination,
            socket: SOCKET.to_owned(),
            tcp: Some((host, port)),
        }),
        Some(Address::Ssh { .. }) => Err(Failure::usage(format!(
            "{place} has both a host and a base_url that is ssh://"
        ))),
    }
}

/// Where a URL leads, as DOCKER_HOST and `base_url` give it.
fn url_address(url: &str, place: &str) -> Result<Address, Failure> {
    let wrong = || {
        Failure::usage(format!("{place} is {url:?}, which leads nowhere"))
            .hint("use unix:///PATH, tcp://HOST:PORT or ssh://USER@HOST:PORT")
    };
    if let Some(path) = url.strip_prefix("unix://") {
        let path = if path.is_empty() { SOCKET } else { path };
        Ok(Address::Socket(PathBuf::from(path)))
    } else if let Some(rest) = url.strip_prefix("ssh://") {
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        let destination = host.parse().map_err(|error| wrong().because(error))?;
        let socket = if path.is_empty() {
            SOCKET.to_owned()
        } else {
            format!("/{path}")
        };
        Ok(Address::Ssh {
            destination,
            socket,
            tcp: None,
        })
    } else if let Some(rest) = url
        .strip_prefix("tcp://")
        .or_else(|| url.strip_prefix("http://"))
    {
        if std::env::var_os("DOCKER_TLS_VERIFY").is_some_and(|value| !value.is_empty()) {
            return Err(Failure::usage(format!(
                "{place} asks for TLS, which dfab does not speak yet"
            ))
            .hint("reach the engine through SSH: -H HOST"));
        }
        let rest = rest.trim_end_matches('/');
        let (host, port) = match rest.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => {
                (host, port.parse().map_err(|error| wrong().because(error))?)
            }
            _ => (rest, 2375),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() {
            return Err(wrong());
        }
        Ok(Address::Tcp {
            host: host.to_owned(),
            port,
        })
    } else {
        Err(wrong())
    }
}

fn destination(name: &str) -> Result<Destination, Failure> {
    name.parse::<Destination>().map_err(|error| {
        Failure::usage(format!(
            "{name:?} is neither a client nor an SSH destination"
        ))
        .because(error)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_that_wants_tls_is_not_reached_without() {
        let mut client = Client {
            base_url: Some("tcp://10.0.0.1:2376".to_owned()),
            ..Client::default_client()
        };
        assert!(client_address(&client, "c").is_ok());
        client.tls = Some(Value::Bool(true));
        let refused = client_address(&client, "c").unwrap_err().to_string();
        assert!(refused.contains("asks for TLS"), "{refused}");
        client.tls = Some(Value::Bool(false));
        assert!(client_address(&client, "c").is_ok());
    }

    #[test]
    fn urls_lead_to_engines() {
        let address = |url| {
            url_address(url, "DOCKER_HOST")
                .map(|address| address.to_string())
                .ok()
        };
        assert_eq!(
            address("unix:///run/x.sock").as_deref(),
            Some("unix:///run/x.sock")
        );
        assert_eq!(
            address("unix://").as_deref(),
            Some("unix:///var/run/docker.sock")
        );
        assert_eq!(
            address("tcp://10.0.0.1:2376").as_deref(),
            Some("tcp://10.0.0.1:2376")
        );
        assert_eq!(address("tcp://[::1]:99").as_deref(), Some("tcp://::1:99"));
        assert_eq!(
            address("tcp://engine").as_deref(),
            Some("tcp://engine:2375")
        );
        assert_eq!(
            address("ssh://root@h:22").as_deref(),
            Some("ssh://root@h:22")
        );
        assert_eq!(address("ftp://h"), None);
        assert_eq!(address("tcp://:1"), None);
    }
}
