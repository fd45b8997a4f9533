//! Which engines a command is about: from the command line, the maps, the clients and the
//! environment to addresses.

use std::path::{Path, PathBuf};
use std::time::Duration;

use dfab_deploy::host::{Address, Host, Options};
use dfab_engine::{ChannelKind, CommandNotice, Tls};
use dfab_maps::Client;
use dfab_ssh::Destination;
use indexmap::IndexMap;

use crate::arguments::Common;
use crate::contexts;
use crate::failure::Failure;
use crate::period::Period;
use crate::project::Project;
use crate::selection::Inventory;
use crate::settings::Presets;
use crate::terminal;
use crate::tls;

/// The engine's socket, where nothing else is said.
const SOCKET: &str = "/var/run/docker.sock";
/// Where an engine listens on TCP, where nothing else is said.
const PORT: u16 = 2375;
/// The same, with TLS.
const TLS_PORT: u16 = 2376;
/// The name of the engine that is meant when none is named.
pub(crate) const LOCAL: &str = "local";
/// Before the name of one of docker's contexts.
const CONTEXT: &str = "context:";

/// Finds hosts by name.
#[derive(Debug)]
pub(crate) struct Directory {
    clients: IndexMap<String, Client>,
    inventory: Inventory,
    presets: Presets,
    options: Options,
    call_timeout: CallTimeout,
    docker_host: Option<String>,
    docker_context: Option<String>,
    environment: tls::Environment,
    folder: PathBuf,
}

/// How long an answer of an engine may take.
#[derive(Debug, Clone, Copy, Default)]
struct CallTimeout {
    /// By the command line, whatever clients say.
    given: Option<Duration>,
    /// By the project, where a client says nothing.
    preset: Option<Duration>,
}

/// Where an engine is, and how it is spoken to.
#[derive(Debug)]
struct Place {
    address: Address,
    tls: Option<Tls>,
    /// The only way that leads to it.
    channel: Option<ChannelKind>,
}

impl From<Address> for Place {
    fn from(address: Address) -> Self {
        Self {
            address,
            tls: None,
            channel: None,
        }
    }
}

impl Directory {
    /// Knows the clients of a project.
    ///
    /// # Errors
    /// Where the client file or the settings have mistakes.
    pub(crate) fn new(project: &Project, common: &Common) -> Result<Self, Failure> {
        let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        check_ssh_config(project.ssh_config.as_deref())?;
        let mut clients = project.load_clients()?;
        for (name, destination) in &project.hosts {
            let client = clients.entry(name.clone()).or_insert_with(|| Client {
                name: name.clone(),
                ..Client::default_client()
            });
            match &client.host {
                Some(host) if host != destination => {
                    return Err(Failure::usage(format!(
                        "{name} is {destination} in dfab.yaml and {host} in the client file"
                    ))
                    .hint("leave out one of them"));
                }
                _ => client.host = Some(destination.clone()),
            }
        }
        let default = Client::default_client().name;
        let named = clients.keys().filter(|name| **name != default);
        let presets = project.presets()?;
        for warning in presets.warnings() {
            terminal::tell(&format!("warning: {warning}"));
        }
        Ok(Self {
            inventory: Inventory {
                hosts: named.cloned().collect(),
                groups: project.groups.clone(),
            },
            clients,
            presets,
            options: Options {
                channel: common.channel,
                ssh_config: project.ssh_config.clone(),
                connect_timeout: common.connect_timeout.map(Period::duration),
                idle_timeout: common.idle_timeout.map(Period::duration),
                connector: dfab_ssh::Connector::new(crate::prompt::prompter(project)),
                tls: None,
                on_socat: None,
                known: Vec::new(),
            },
            call_timeout: CallTimeout {
                given: common.call_timeout.map(Period::duration),
                preset: project.timeouts.call.map(Period::duration),
            },
            docker_host: variable("DOCKER_HOST"),
            docker_context: variable("DOCKER_CONTEXT"),
            environment: tls::Environment::current(),
            folder: project.folder().to_owned(),
        })
    }

    /// The names that the command line gives with `-H` and `-g`, narrowed down; none where it gives none.
    ///
    /// # Errors
    /// Where one means nothing, or nothing is left.
    pub(crate) fn named(&self, common: &Common) -> Result<Vec<String>, Failure> {
        let named = self.inventory.named(common)?;
        self.inventory.narrowed(named, common)
    }

    /// The hosts that the command line means; the engine that is meant without a name if it names none.
    ///
    /// # Errors
    /// Where a name leads nowhere, or no host is left.
    pub(crate) fn meant(&self, common: &Common) -> Result<Vec<Host>, Failure> {
        let mut names = self.named(common)?;
        if names.is_empty() {
            names = self.inventory.narrowed(vec![LOCAL.to_owned()], common)?;
        }
        self.hosts(&names)
    }

    /// The hosts that the command line means; all of the project if it names none, and the engine that is
    /// meant without a name where there are none.
    ///
    /// # Errors
    /// As [`Self::meant`].
    pub(crate) fn meant_or_all(&self, common: &Common) -> Result<Vec<Host>, Failure> {
        if common.names_hosts() || self.inventory.hosts.is_empty() {
            return self.meant(common);
        }
        let all = self.inventory.hosts.clone();
        self.hosts(&self.inventory.narrowed(all, common)?)
    }

    /// Whether the project has a host or a group of that name.
    pub(crate) fn knows(&self, name: &str) -> bool {
        self.inventory.hosts.iter().any(|host| host == name)
            || self.inventory.groups.contains_key(name)
    }

    /// The groups that a host is in.
    pub(crate) fn groups_of(&self, host: &str) -> Vec<&str> {
        self.inventory.groups_of(host)
    }

    /// Those that are left of hosts which the maps name.
    ///
    /// # Errors
    /// Where none is left.
    pub(crate) fn narrowed(
        &self,
        names: Vec<String>,
        common: &Common,
    ) -> Result<Vec<String>, Failure> {
        self.inventory.narrowed(names, common)
    }

    /// The hosts of those names, each once.
    ///
    /// # Errors
    /// Where a name is none of the clients and no SSH destination either.
    pub(crate) fn hosts(&self, names: &[String]) -> Result<Vec<Host>, Failure> {
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
        if let Some(client) = self.clients.get(name) {
            let client = self.presets.complete(client.clone());
            let place = self.client_place(&client, &format!("the client {name}"))?;
            return Ok(self.at(name, place, client));
        }
        if name == LOCAL {
            return self.default_host();
        }
        let mut client = self.presets.complete(Client::default_client());
        if let Some(context) = name.strip_prefix(CONTEXT) {
            return Ok(self.at(name, self.context_place(context)?, client));
        }
        let destination = destination(name)?;
        client.host = Some(destination.to_string());
        let place = self.client_place(&client, "the setting docker_base_url")?;
        client.host = None;
        Ok(self.at(name, place, client))
    }

    /// The port of the first tunnel, where the settings have one.
    pub(crate) fn first_local_port(&self) -> Option<u16> {
        self.presets.first_local_port
    }

    fn default_host(&self) -> Result<Host, Failure> {
        let default = Client::default_client();
        let client = self.clients.get(&default.name).cloned().unwrap_or(default);
        let client = self.presets.complete(client);
        let configured = client.host.is_some() || client.base_url.is_some();
        let place = match &self.docker_host {
            _ if configured => self.client_place(&client, "the client __default__")?,
            Some(url) => self.environment_place(url)?,
            None => match self.current_context()? {
                Some(context) => self.context_place(&context)?,
                None => Address::Socket(PathBuf::from(SOCKET)).into(),
            },
        };
        Ok(self.at(LOCAL, place, client))
    }

    fn at(&self, name: &str, mut place: Place, mut client: Client) -> Host {
        let CallTimeout { given, preset } = self.call_timeout;
        client.timeout = given.or(client.timeout).or(preset);
        // Asked for by hand, TCP goes to where an engine listens by convention.
        if self.options.channel == Some(ChannelKind::Tcp)
            && let Address::Ssh {
                tcp: tcp @ None, ..
            } = &mut place.address
        {
            *tcp = Some(("127.0.0.1".to_owned(), PORT));
        }
        let host = name.to_owned();
        let options = Options {
            channel: self.options.channel.or(place.channel),
            tls: place.tls,
            on_socat: Some(CommandNotice::new(move |command| {
                terminal::tell(&format!("{host}: {}", terminal::plain(command)));
            })),
            known: match self.clients.contains_key(name) {
                true => Vec::new(),
                false => self.inventory.hosts.clone(),
            },
            ..self.options.clone()
        };
        Host::new(name.to_owned(), place.address, client, options)
    }

    /// Where a client is.
    fn client_place(&self, client: &Client, name: &str) -> Result<Place, Failure> {
        let given = match &client.tls {
            Some(value) => tls::of_client(value, name, &self.folder, &self.environment)?,
            None => None,
        };
        let port = client.tunnel_remote_port;
        let Some(host) = &client.host else {
            let Some(url) = &client.base_url else {
                return Ok(Address::Socket(PathBuf::from(SOCKET)).into());
            };
            let url = with_scheme(url);
            let mut tls = given;
            // Nothing goes in plain text that was to be secret.
            if client.tls.is_none() && is_tcp(&url) {
                tls = self.environment.load()?;
            }
            return url_place(&url, name, port, tls);
        };
        let mut destination = destination(host)?;
        destination.user = client.user.clone().or(destination.user);
        destination.port = client.port.or(destination.port);
        let through_ssh = |socket: String, tcp, channel, tls| Place {
            address: Address::Ssh {
                destination,
                socket,
                tcp,
            },
            tls,
            channel,
        };
        let Some(url) = client.base_url.as_deref() else {
            // An engine may have no socket.
            let tcp = port.map(|port| ("127.0.0.1".to_owned(), port));
            return Ok(through_ssh(SOCKET.to_owned(), tcp, None, given));
        };
        let place = url_place(&with_scheme(url), name, port, given)?;
        match place.address {
            Address::Socket(path) => {
                let path = path.to_string_lossy().into_owned();
                Ok(through_ssh(path, None, None, place.tls))
            }
            // The socket of the host may be that of another engine.
            Address::Tcp { host, port } => Ok(through_ssh(
                SOCKET.to_owned(),
                Some((host, port)),
                Some(ChannelKind::Tcp),
                place.tls,
            )),
            Address::Ssh { .. } => Err(Failure::usage(format!(
                "{name} has both a host and a base_url that is ssh://"
            ))),
        }
    }

    /// Where DOCKER_HOST leads.
    fn environment_place(&self, url: &str) -> Result<Place, Failure> {
        let tls = match is_tcp(url) {
            true => self.environment.load()?,
            false => None,
        };
        url_place(url, "DOCKER_HOST", None, tls)
    }

    fn current_context(&self) -> Result<Option<String>, Failure> {
        match &self.environment.config {
            Some(folder) => contexts::current(folder, self.docker_context.clone()),
            None => Ok(self.docker_context.clone()),
        }
    }

    fn context_place(&self, name: &str) -> Result<Place, Failure> {
        let folder = self.environment.config.as_deref().ok_or_else(|| {
            Failure::usage("docker's contexts are in the home folder, and there is none")
                .hint("DOCKER_CONFIG names docker's folder")
        })?;
        match contexts::load(folder, name)? {
            None => Ok(Address::Socket(PathBuf::from(SOCKET)).into()),
            Some(context) => {
                let place = format!("the docker context {name}");
                url_place(&context.url, &place, None, context.tls)
            }
        }
    }
}

/// A configuration that was asked for and is not there is a mistake of whoever asked, before any host is
/// tried. `none` is OpenSSH's word for none.
fn check_ssh_config(file: Option<&Path>) -> Result<(), Failure> {
    let Some(file) = file.filter(|file| file.as_os_str() != "none") else {
        return Ok(());
    };
    std::fs::File::open(file).map(drop).map_err(|error| {
        Failure::usage(format!(
            "cannot read the SSH configuration {}",
            file.display()
        ))
        .because(error)
        .hint("it is named by --ssh-config, DFAB_SSH_CONFIG, or `ssh_config` in dfab.yaml")
    })
}

fn is_tcp(url: &str) -> bool {
    ["tcp://", "http://", "https://"]
        .iter()
        .any(|scheme| url.starts_with(scheme))
}

/// `base_url` as Docker-Fabric took it: a path is a socket, and a host alone is reached by TCP.
fn with_scheme(url: &str) -> String {
    if let Some(path) = url
        .strip_prefix("http+unix:")
        .or_else(|| url.strip_prefix("unix:"))
    {
        format!("unix:///{}", path.trim_start_matches('/'))
    } else if url.starts_with('/') {
        format!("unix://{url}")
    } else if url.contains("://") {
        url.to_owned()
    } else {
        format!("tcp://{url}")
    }
}

/// Where a URL leads, as DOCKER_HOST and `base_url` give it. The port is that of TCP where none is
/// given. TLS is for TCP alone.
fn url_place(
    url: &str,
    place: &str,
    port: Option<u16>,
    tls: Option<Tls>,
) -> Result<Place, Failure> {
    let wrong = || {
        Failure::usage(format!("{place} is {url:?}, which leads nowhere"))
            .hint("use unix:///PATH, tcp://HOST:PORT, https://HOST:PORT or ssh://USER@HOST:PORT")
    };
    if let Some(path) = url.strip_prefix("unix://") {
        let path = if path.is_empty() { SOCKET } else { path };
        return Ok(Address::Socket(PathBuf::from(path)).into());
    }
    if let Some(rest) = url.strip_prefix("ssh://") {
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        let destination = host.parse().map_err(|error| wrong().because(error))?;
        let socket = if path.is_empty() {
            SOCKET.to_owned()
        } else {
            format!("/{path}")
        };
        return Ok(Place::from(Address::Ssh {
            destination,
            socket,
            tcp: None,
        }));
    }
    let (rest, tls) = if let Some(rest) = url.strip_prefix("tcp://") {
        (rest, tls)
    } else if let Some(rest) = url.strip_prefix("http://") {
        if tls.is_some() {
            return Err(Failure::usage(format!(
                "{place} is {url}, which is plain text, and TLS is asked for"
            ))
            .hint("use tcp:// or https://"));
        }
        (rest, None)
    } else if let Some(rest) = url.strip_prefix("https://") {
        let preset = || tls::load(dfab_engine::TlsOptions::default(), place);
        (rest, Some(tls.map_or_else(preset, Ok)?))
    } else {
        return Err(wrong());
    };
    // Docker-Fabric cut paths off.
    let rest = rest.split('/').next().unwrap_or(rest);
    let preset = port.unwrap_or(if tls.is_some() { TLS_PORT } else { PORT });
    let (host, port) = match rest.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => {
            (host, port.parse().map_err(|error| wrong().because(error))?)
        }
        _ => (rest, preset),
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    if host.is_empty() {
        return Err(wrong());
    }
    Ok(Place {
        address: Address::Tcp {
            host: host.to_owned(),
            port,
        },
        tls,
        channel: None,
    })
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
mod tests;
