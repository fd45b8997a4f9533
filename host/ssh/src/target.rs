//! What a destination means: address, user, keys and trust, as OpenSSH's configuration says.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use crate::destination::Destination;

/// How long the OpenSSH client may take to print its configuration.
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long connecting may take where the configuration says nothing.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// What to do with the key of a host that is not known (`StrictHostKeyChecking`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostKeyChecking {
    /// Refuse, and say how to accept it. Also where OpenSSH would ask: dfab never asks.
    Strict,
    /// Accept and remember it. A changed key is refused all the same.
    AcceptNew,
}

/// Everything that a connection needs to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// As the operator named it.
    pub name: String,
    /// Name or address to connect to.
    pub host: String,
    /// Port to connect to.
    pub port: u16,
    /// User to log in as.
    pub user: String,
    /// Private keys, in the order in which they are tried. Those that do not exist are passed over.
    pub identity_files: Vec<PathBuf>,
    /// The agent's socket; none to use no agent.
    pub identity_agent: Option<PathBuf>,
    /// Whether only those keys of the agent are tried that are among the identity files.
    pub identities_only: bool,
    /// Files of known host keys; the first is the one that is added to.
    pub known_hosts: Vec<PathBuf>,
    /// The name under which the host's key is looked up, where it is another one.
    pub host_key_alias: Option<String>,
    /// What to do with an unknown key.
    pub host_key_checking: HostKeyChecking,
    /// For TCP, handshake and authentication together.
    pub connect_timeout: Duration,
}

/// How to find out.
#[derive(Debug, Clone, Default)]
pub struct ResolveOptions {
    /// Instead of the user's and the system's configuration (`ssh -F`).
    pub config_file: Option<PathBuf>,
}

/// Why it could not be found out.
#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    /// The client is there but cannot be run.
    #[error("cannot run `ssh -G`, which tells the configuration of OpenSSH")]
    Run(#[source] std::io::Error),
    /// It did not answer.
    #[error("`ssh -G` did not answer within {} s; is there a Match exec in the configuration?", RESOLVE_TIMEOUT.as_secs())]
    Timeout,
    /// It complained.
    #[error("the SSH configuration is wrong: {0}")]
    Configuration(String),
    /// The way there is one that dfab does not know.
    #[error(
        "the SSH configuration reaches the host by {0}, which dfab does not do yet; a host that can be reached directly works"
    )]
    Proxy(&'static str),
    /// Nobody says whom to log in as.
    #[error("no user is known; write USER@{0}")]
    NoUser(String),
    /// A configuration file was asked for, and there is nothing to read it.
    #[error("the configuration file {} needs the OpenSSH client (`ssh`), which is not installed", .0.display())]
    NoClient(PathBuf),
}

/// Finds out what a destination means: by `ssh -G` where the OpenSSH client is installed, else by its
/// defaults. Dropping the future ends the client.
///
/// # Errors
/// Where the configuration is wrong, or leads through a proxy.
pub async fn resolve(
    destination: &Destination,
    options: &ResolveOptions,
) -> Result<Target, ResolveError> {
    let mut command = tokio::process::Command::new("ssh");
    command.arg("-G").stdin(Stdio::null()).kill_on_drop(true);
    if let Some(file) = &options.config_file {
        command.arg("-F").arg(file);
    }
    if let Some(port) = destination.port {
        command.arg("-p").arg(port.to_string());
    }
    if let Some(user) = &destination.user {
        command.arg("-l").arg(user);
    }
    command.arg("--").arg(&destination.host);
    let run = tokio::time::timeout(RESOLVE_TIMEOUT, command.output());
    match run.await.map_err(|_| ResolveError::Timeout)? {
        Ok(output) if output.status.success() => {
            read(destination, &String::from_utf8_lossy(&output.stdout))
        }
        Ok(output) => {
            let words = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            Err(ResolveError::Configuration(words))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => match &options.config_file {
            Some(file) => Err(ResolveError::NoClient(file.clone())),
            None => read(destination, ""),
        },
        Err(error) => Err(ResolveError::Run(error)),
    }
}

/// Reads what `ssh -G` prints: one `keyword value` a line, keywords in small letters.
fn read(destination: &Destination, printed: &str) -> Result<Target, ResolveError> {
    let values = |keyword: &str| {
        let keyword = keyword.to_owned();
        printed
            .lines()
            .filter_map(|line| line.split_once(' '))
            .filter(move |(name, _)| *name == keyword)
            .map(|(_, value)| value.trim())
            .collect::<Vec<_>>()
    };
    let value = |keyword: &str| values(keyword).into_iter().next();
    for (keyword, name) in [("proxyjump", "ProxyJump"), ("proxycommand", "ProxyCommand")] {
        if value(keyword).is_some_and(|value| value != "none") {
            return Err(ResolveError::Proxy(name));
        }
    }
    let user = value("user")
        .map(str::to_owned)
        .or_else(|| destination.user.clone())
        .or_else(|| std::env::var("USER").ok())
        .or_else(|| std::env::var("LOGNAME").ok())
        .ok_or_else(|| ResolveError::NoUser(destination.host.clone()))?;
    let files = |keyword: &str, defaults: &[&str]| -> Vec<PathBuf> {
        let given = values(keyword);
        let paths: Vec<&str> = if printed.is_empty() {
            defaults.to_vec()
        } else {
            given
        };
        paths
            .into_iter()
            .flat_map(str::split_whitespace)
            .filter_map(expanded)
            .collect()
    };
    let mut known_hosts = files("userknownhostsfile", &["~/.ssh/known_hosts"]);
    known_hosts.extend(files("globalknownhostsfile", &["/etc/ssh/ssh_known_hosts"]));
    let identity_agent = match value("identityagent") {
        Some("none") => None,
        None | Some("SSH_AUTH_SOCK") => std::env::var_os("SSH_AUTH_SOCK").map(PathBuf::from),
        Some(path) => match path.strip_prefix('$') {
            Some(name) => std::env::var_os(name).map(PathBuf::from),
            None => expanded(path),
        },
    };
    let identities = ["~/.ssh/id_ed25519", "~/.ssh/id_ecdsa", "~/.ssh/id_rsa"];
    Ok(Target {
        name: destination.to_string(),
        host: value("hostname").unwrap_or(&destination.host).to_owned(),
        port: value("port")
            .and_then(|port| port.parse().ok())
            .or(destination.port)
            .unwrap_or(22),
        user,
        identity_files: files("identityfile", &identities),
        identity_agent: identity_agent.filter(|path| !path.as_os_str().is_empty()),
        identities_only: value("identitiesonly") == Some("yes"),
        known_hosts,
        host_key_alias: value("hostkeyalias").map(str::to_owned),
        host_key_checking: match value("stricthostkeychecking") {
            Some("accept-new" | "false" | "no" | "off") => HostKeyChecking::AcceptNew,
            _ => HostKeyChecking::Strict,
        },
        connect_timeout: value("connecttimeout")
            .and_then(|seconds| seconds.parse().ok())
            .filter(|seconds| *seconds > 0)
            .map_or(CONNECT_TIMEOUT, Duration::from_secs),
    })
}

/// A path with `~` as OpenSSH expands it; none for `none` and without a home.
fn expanded(path: &str) -> Option<PathBuf> {
    match path.strip_prefix("~/") {
        _ if path == "none" => None,
        Some(rest) => std::env::home_dir().map(|home| home.join(rest)),
        None => Some(PathBuf::from(path)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn destination() -> Destination {
        "me@alias:2200".parse().unwrap()
    }

    #[test]
    fn the_clients_answer_is_read() {
        let target = read(
            &destination(),
            "user me\nhostname 10.0.0.7\nport 2200\nidentityfile /k/a\nidentityfile /k/b\n\
             identitiesonly yes\nidentityagent none\nuserknownhostsfile /k/h1 /k/h2\n\
             globalknownhostsfile none\nstricthostkeychecking accept-new\nconnecttimeout 3\n",
        )
        .unwrap();
        assert_eq!(
            (target.host.as_str(), target.port, target.user.as_str()),
            ("10.0.0.7", 2200, "me")
        );
        assert_eq!(
            target.identity_files,
            [PathBuf::from("/k/a"), PathBuf::from("/k/b")]
        );
        assert_eq!(
            target.known_hosts,
            [PathBuf::from("/k/h1"), PathBuf::from("/k/h2")]
        );
        assert!(target.identities_only && target.identity_agent.is_none());
        assert_eq!(target.host_key_checking, HostKeyChecking::AcceptNew);
        assert_eq!(target.connect_timeout, Duration::from_secs(3));
    }

    #[test]
    fn proxies_are_refused() {
        let error = read(&destination(), "user me\nproxyjump bastion\n").unwrap_err();
        assert!(error.to_string().contains("ProxyJump"), "{error}");
    }

    #[test]
    fn without_the_client_its_defaults_hold() {
        let target = read(&destination(), "").unwrap();
        assert_eq!((target.host.as_str(), target.port), ("alias", 2200));
        assert!(!target.identity_files.is_empty() && !target.known_hosts.is_empty());
        assert_eq!(target.host_key_checking, HostKeyChecking::Strict);
    }
}
