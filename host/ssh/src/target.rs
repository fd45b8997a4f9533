//! What a destination means: address, way, user, keys and trust, as OpenSSH's configuration says.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::cipher;
use crate::settings::Settings;
use crate::tokens::{TokenError, Tokens, home};

/// How long connecting may take where the configuration says nothing.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// The longest that a silent server goes unnoticed, whatever the configuration says.
const SILENCE: Duration = Duration::from_secs(45);
/// How often it is asked in vain at most, where it would be more seldom otherwise.
const ASKED: u32 = 8;
/// Where the configuration says nothing, a server that is silent is found within 40 s.
const KEEP_ALIVE: KeepAlive = KeepAlive {
    interval: Duration::from_secs(10),
    count: 3,
};

/// What to do with the key of a host that is not known (`StrictHostKeyChecking`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HostKeyChecking {
    /// Refuse, and say how to accept it.
    Strict,
    /// Ask a person; refuse where there is none. OpenSSH's default.
    Ask,
    /// Accept and remember it. A changed key is refused all the same.
    AcceptNew,
    /// Accept and remember it. A changed key is accepted with a warning, but gets no password.
    Off,
}

/// How to log in (RFC 4252, RFC 4256).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Method {
    /// `publickey`: keys of the agent and in files.
    PublicKey,
    /// `keyboard-interactive`: whatever the server asks.
    KeyboardInteractive,
    /// `password`
    Password,
}

impl Method {
    /// Its name in the protocol.
    pub fn name(self) -> &'static str {
        match self {
            Self::PublicKey => "publickey",
            Self::KeyboardInteractive => "keyboard-interactive",
            Self::Password => "password",
        }
    }
}

/// When a silent server counts as gone (`ServerAliveInterval`, `ServerAliveCountMax`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeepAlive {
    /// How often it is asked for a sign of life.
    pub interval: Duration,
    /// How often in vain, before it counts as gone; 0 for never.
    pub count: u32,
}

impl KeepAlive {
    /// As it is asked for, but so that a silent server is found within [`SILENCE`]: what works on many
    /// hosts must not wait for one that has gone. A count of 0, which is never for OpenSSH, is as late as
    /// that.
    fn new(interval: Duration, count: u32) -> Self {
        if count == 0 {
            return Self {
                interval: SILENCE / (ASKED + 1),
                count: ASKED,
            };
        }
        if interval.saturating_mul(count.saturating_add(1)) <= SILENCE {
            return Self { interval, count };
        }
        let count = count.min(ASKED);
        let interval = interval.min(SILENCE / (count + 1));
        Self { interval, count }
    }
}

/// Which addresses of a host are connected to (`AddressFamily`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum AddressFamily {
    /// All.
    #[default]
    Any,
    /// Those of IPv4.
    Inet,
    /// Those of IPv6.
    Inet6,
}

/// What carries the connection.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Proxy {
    /// TCP from this machine.
    None,
    /// The standard streams of a command line (`ProxyCommand`), ready for the shell.
    Command(String),
    /// TCP from another SSH server (`ProxyJump`).
    Jump(Arc<Target>),
}

/// Everything that a connection needs to know.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Target {
    /// As the operator named it.
    pub name: String,
    /// Name or address to connect to.
    pub host: String,
    /// Port to connect to.
    pub port: u16,
    /// User to log in as.
    pub user: String,
    /// Which of its addresses are connected to.
    pub address_family: AddressFamily,
    /// What carries the connection.
    pub proxy: Proxy,
    /// Private keys, in the order in which they are tried. Those that do not exist are passed over.
    pub identity_files: Vec<PathBuf>,
    /// Certificates of keys, besides those beside the keys (`-cert.pub`).
    pub certificate_files: Vec<PathBuf>,
    /// The agent's socket; none to use no agent.
    pub identity_agent: Option<PathBuf>,
    /// Whether only those keys of the agent are tried that are among the identity files.
    pub identities_only: bool,
    /// Ways to log in, in the order in which they are tried.
    pub methods: Vec<Method>,
    /// How many passwords are asked for.
    pub password_prompts: u32,
    /// Whether nobody is to be asked anything.
    pub batch: bool,
    /// The user's files of known host keys; the first is the one that is added to.
    pub user_known_hosts: Vec<PathBuf>,
    /// The system's.
    pub global_known_hosts: Vec<PathBuf>,
    /// Whether names of hosts are added in a form that does not tell them.
    pub hash_known_hosts: bool,
    /// The name under which the host's key is looked up, where it is another one.
    pub host_key_alias: Option<String>,
    /// Files of keys that are no host's any more, one a line.
    pub revoked_host_keys: Vec<PathBuf>,
    /// What to do with an unknown key.
    pub host_key_checking: HostKeyChecking,
    /// For TCP and the handshake together. Logging in gets its own time.
    pub connect_timeout: Duration,
    /// When a silent server counts as gone.
    pub keep_alive: KeepAlive,
    /// Whether bytes are compressed on the way.
    pub compression: bool,
    /// Names of ciphers, divided by commas, the ones liked most first.
    pub ciphers: String,
}

/// Why settings make no target.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// Nobody says whom to log in as.
    #[error("no user is known; write USER@{0}")]
    NoUser(String),
    /// A way that dfab does not go.
    #[error(
        "the SSH configuration asks for {0}, which dfab cannot do; use a ProxyCommand that passes bytes on, or ProxyJump"
    )]
    Proxy(&'static str),
    /// No cipher is left.
    #[error("dfab has none of the Ciphers that the SSH configuration allows: {0}")]
    Ciphers(String),
    /// A value that cannot be used.
    #[error("{keyword} in the SSH configuration is wrong: {value:?}")]
    Value {
        /// The option.
        keyword: &'static str,
        /// Its value.
        value: String,
        /// Why.
        #[source]
        source: TokenError,
    },
}

impl Target {
    /// Makes a target of settings as `ssh -G` prints them. A jump is not among them yet.
    pub(crate) fn new(name: &str, alias: &str, settings: &Settings) -> Result<Self, TargetError> {
        let user = settings
            .first("user")
            .map(str::to_owned)
            .or_else(crate::tokens::local_user)
            .ok_or_else(|| TargetError::NoUser(alias.to_owned()))?;
        let host = settings.first("hostname").unwrap_or(alias).to_owned();
        let port = settings.number("port").unwrap_or(22);
        let host_key_alias = settings.first("hostkeyalias").map(str::to_owned);
        let tokens = Tokens {
            name: alias.to_owned(),
            host: host.clone(),
            port,
            user: user.clone(),
            key_alias: host_key_alias.clone(),
            jump: settings.first("proxyjump").unwrap_or_default().to_owned(),
        };
        let paths = |keyword, shown| -> Result<Option<Vec<PathBuf>>, TargetError> {
            let Some(values) = settings.all(keyword) else {
                return Ok(None);
            };
            let given = values.iter().filter(|value| *value != "none");
            let path = |value: &String| {
                tokens.path(value).map_err(|source| TargetError::Value {
                    keyword: shown,
                    value: value.clone(),
                    source,
                })
            };
            given.map(path).collect::<Result<_, _>>().map(Some)
        };
        let known_hosts = |keyword, defaults: &[PathBuf]| match settings.all(keyword) {
            Some(files) => files
                .iter()
                .filter(|file| *file != "none")
                .map(PathBuf::from)
                .collect(),
            None => defaults.to_vec(),
        };
        let folder = home().map(|home| home.join(".ssh"));
        let own = |names: &[&str]| -> Vec<PathBuf> {
            let folder = folder.as_ref();
            folder
                .map(|folder| names.iter().map(|name| folder.join(name)).collect())
                .unwrap_or_default()
        };
        Ok(Self {
            name: name.to_owned(),
            host,
            port,
            user,
            address_family: match settings.first("addressfamily") {
                Some("inet") => AddressFamily::Inet,
                Some("inet6") => AddressFamily::Inet6,
                _ => AddressFamily::Any,
            },
            proxy: proxy(settings, &tokens)?,
            identity_files: paths("identityfile", "IdentityFile")?.unwrap_or_else(|| {
                own(&[
                    "id_rsa",
                    "id_ecdsa",
                    "id_ecdsa_sk",
                    "id_ed25519",
                    "id_ed25519_sk",
                ])
            }),
            certificate_files: paths("certificatefile", "CertificateFile")?.unwrap_or_default(),
            identity_agent: agent(settings.first("identityagent")),
            identities_only: settings.flag("identitiesonly", false),
            methods: methods(settings),
            password_prompts: settings.number("numberofpasswordprompts").unwrap_or(3),
            batch: settings.flag("batchmode", false),
            user_known_hosts: known_hosts(
                "userknownhostsfile",
                &own(&["known_hosts", "known_hosts2"]),
            ),
            global_known_hosts: known_hosts(
                "globalknownhostsfile",
                &[
                    "/etc/ssh/ssh_known_hosts".into(),
                    "/etc/ssh/ssh_known_hosts2".into(),
                ],
            ),
            hash_known_hosts: settings.flag("hashknownhosts", false),
            host_key_alias,
            revoked_host_keys: paths("revokedhostkeys", "RevokedHostKeys")?.unwrap_or_default(),
            host_key_checking: match settings.first("stricthostkeychecking") {
                Some("accept-new") => HostKeyChecking::AcceptNew,
                Some("false" | "no" | "off") => HostKeyChecking::Off,
                Some("true" | "yes") => HostKeyChecking::Strict,
                _ => HostKeyChecking::Ask,
            },
            connect_timeout: settings
                .number("connecttimeout")
                .filter(|seconds| *seconds > 0)
                .map_or(CONNECT_TIMEOUT, Duration::from_secs),
            keep_alive: match settings.number("serveraliveinterval") {
                None | Some(0) => KEEP_ALIVE,
                // Debian's client says so wherever BatchMode is on, and nobody asked for it.
                Some(300) if settings.flag("batchmode", false) => KEEP_ALIVE,
                Some(seconds) => {
                    let count = settings.number("serveralivecountmax").unwrap_or(3);
                    KeepAlive::new(Duration::from_secs(seconds), count)
                }
            },
            compression: settings.flag("compression", false),
            ciphers: cipher::offered(settings.first("ciphers")).ok_or_else(|| {
                TargetError::Ciphers(settings.first("ciphers").unwrap_or_default().to_owned())
            })?,
        })
    }

    /// Where the connection ends, as it is shown.
    pub(crate) fn address(&self) -> String {
        let (host, port) = (&self.host, self.port);
        if host.contains(':') {
            format!("[{host}]:{port}")
        } else {
            format!("{host}:{port}")
        }
    }
}

fn proxy(settings: &Settings, tokens: &Tokens) -> Result<Proxy, TargetError> {
    if settings.flag("proxyusefdpass", false) {
        return Err(TargetError::Proxy("ProxyUseFdpass"));
    }
    match settings.first("proxycommand") {
        None => Ok(Proxy::None),
        Some(line) if line.eq_ignore_ascii_case("none") => Ok(Proxy::None),
        Some("-") => Err(TargetError::Proxy("ProxyCommand -")),
        Some(line) => {
            let command = tokens
                .expand(line, "hnprk")
                .map_err(|source| TargetError::Value {
                    keyword: "ProxyCommand",
                    value: line.to_owned(),
                    source,
                })?;
            Ok(Proxy::Command(command))
        }
    }
}

fn methods(settings: &Settings) -> Vec<Method> {
    let all = "publickey,keyboard-interactive,password";
    let preferred = settings.first("preferredauthentications").unwrap_or(all);
    let method = |name: &str| match name.trim() {
        "publickey" if settings.flag("pubkeyauthentication", true) => Some(Method::PublicKey),
        "keyboard-interactive" if settings.flag("kbdinteractiveauthentication", true) => {
            Some(Method::KeyboardInteractive)
        }
        "password" if settings.flag("passwordauthentication", true) => Some(Method::Password),
        _ => None,
    };
    preferred.split(',').filter_map(method).collect()
}

fn agent(value: Option<&str>) -> Option<PathBuf> {
    let socket = match value {
        Some("none") => None,
        None | Some("SSH_AUTH_SOCK") => std::env::var_os("SSH_AUTH_SOCK").map(PathBuf::from),
        Some(path) => match path.strip_prefix('$') {
            Some(name) => std::env::var_os(name).map(PathBuf::from),
            None => Some(PathBuf::from(path)),
        },
    };
    socket.filter(|path| !path.as_os_str().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(printed: &str) -> Result<Target, TargetError> {
        Target::new("me@alias", "alias", &Settings::printed(printed))
    }

    #[test]
    fn the_clients_answer_is_read() {
        let target = target(
            "user me\nhostname 10.0.0.7\nport 2200\nidentityfile /k/a %h\nidentityfile /k/b\n\
             identitiesonly yes\nidentityagent none\nuserknownhostsfile /k/h1 /k/h2\n\
             globalknownhostsfile none\nstricthostkeychecking accept-new\nconnecttimeout 3\n\
             proxycommand nc %h %p\npreferredauthentications hostbased,password,publickey\n\
             revokedhostkeys /k/revoked\naddressfamily inet6\n\
             passwordauthentication no\nserveraliveinterval 5\nserveralivecountmax 2\n",
        )
        .unwrap();
        assert_eq!(
            (target.host.as_str(), target.port, target.user.as_str()),
            ("10.0.0.7", 2200, "me")
        );
        assert_eq!(
            target.identity_files,
            [PathBuf::from("/k/a 10.0.0.7"), PathBuf::from("/k/b")]
        );
        assert_eq!(
            target.user_known_hosts,
            [PathBuf::from("/k/h1"), PathBuf::from("/k/h2")]
        );
        assert!(target.global_known_hosts.is_empty());
        assert_eq!(target.revoked_host_keys, [PathBuf::from("/k/revoked")]);
        assert_eq!(target.address_family, AddressFamily::Inet6);
        assert!(target.identities_only && target.identity_agent.is_none());
        assert_eq!(target.host_key_checking, HostKeyChecking::AcceptNew);
        assert_eq!(target.connect_timeout, Duration::from_secs(3));
        assert_eq!(target.proxy, Proxy::Command("nc 10.0.0.7 2200".to_owned()));
        assert_eq!(target.methods, [Method::PublicKey]);
        assert_eq!(target.keep_alive.interval, Duration::from_secs(5));
        assert_eq!(target.keep_alive.count, 2);
    }

    #[test]
    fn a_silent_server_is_found_soon_whatever_is_configured() {
        let keep_alive = |interval: u64, count: u32| {
            let printed =
                format!("user me\nserveraliveinterval {interval}\nserveralivecountmax {count}\n");
            target(&printed).unwrap().keep_alive
        };
        for (interval, count) in [
            (60, 3),
            (60, 1),
            (300, 3),
            (15, 100),
            (2, 1000),
            (u64::MAX, 1),
            (1, 0),
            (60, 0),
        ] {
            let bounded = keep_alive(interval, count);
            let silent = bounded.interval * (bounded.count + 1);
            assert!(
                bounded.count > 0 && silent <= Duration::from_secs(45),
                "{interval} {count}: {bounded:?}"
            );
            // The driver asks no more often than this.
            assert!(bounded.interval >= Duration::from_secs(2), "{bounded:?}");
        }
        // What is found soon enough stays as it is.
        let as_said = KeepAlive {
            interval: Duration::from_secs(5),
            count: 2,
        };
        assert_eq!(keep_alive(5, 2), as_said);
    }

    #[test]
    fn a_way_that_cannot_be_gone_is_refused() {
        let error = target("user me\nproxycommand x\nproxyusefdpass yes\n").unwrap_err();
        assert!(error.to_string().contains("ProxyUseFdpass"), "{error}");
        let error = target("user me\nidentityfile /k/%C\n").unwrap_err();
        assert!(error.to_string().contains("/k/%C"), "{error}");
    }

    #[test]
    fn without_settings_the_clients_defaults_hold() {
        let target = target("").unwrap();
        assert_eq!((target.host.as_str(), target.port), ("alias", 22));
        assert!(!target.identity_files.is_empty() && !target.user_known_hosts.is_empty());
        assert_eq!(target.host_key_checking, HostKeyChecking::Ask);
        let silent = target.keep_alive.interval * (target.keep_alive.count + 1);
        assert!(silent <= Duration::from_secs(45));
        assert_eq!(target.methods.len(), 3);
    }
}
