//! Clients: the engines that maps run on, as client files describe them.

use std::fmt;
use std::time::Duration;

use indexmap::IndexMap;
use serde_json::Value as Json;

use crate::config::{delay, number_text, optional_text, seconds};
use crate::diagnostic::{Invalid, Loaded, Reading, Report, nearest};
use crate::tree::{self, Node, Settings, Value};
use crate::waiting::Unset;

/// The name of the client that is meant when a map names none.
const DEFAULT: &str = "__default__";

/// What the registry is called that repositories without a host are in.
const DOCKER_HUB: [&str; 3] = [
    "docker.io",
    "index.docker.io",
    "https://index.docker.io/v1/",
];

/// One engine.
#[derive(Clone, Default, PartialEq)]
pub struct Client {
    /// The name by which maps and operators call it.
    pub name: String,
    /// The SSH destination of its host.
    pub host: Option<String>,
    /// The user there, where the destination does not say.
    pub user: Option<String>,
    /// The port of the SSH server.
    pub port: Option<u16>,
    /// Where the engine is: `unix://` or `tcp://`, as seen from the host if there is one.
    pub base_url: Option<String>,
    /// The API version to speak, where it is not negotiated.
    pub version: Option<String>,
    /// How long to wait for an answer of the engine.
    pub timeout: Option<Duration>,
    /// How to speak TLS with it, as written.
    pub tls: Option<Json>,
    /// The TCP port of the engine as seen from the host, where it has no socket.
    pub tunnel_remote_port: Option<u16>,
    /// The port of this machine that a tunnel to the engine has.
    pub tunnel_local_port: Option<u16>,
    /// What goes before a docker command on the host.
    pub cmd_prefix: Option<String>,
    /// What the docker command is called there.
    pub default_bin: Option<String>,
    /// Whether docker commands want sudo there.
    pub use_sudo: Option<bool>,
    /// Whether docker commands are shown.
    pub debug: Option<bool>,
    /// What socat is called on the host: a name or a path.
    pub socat_path: Option<String>,
    /// Whether the command lines of socat are not shown.
    pub socat_quiet: Option<bool>,
    /// Addresses of interfaces, by the names that maps use.
    pub interfaces: IndexMap<String, String>,
    /// The same for IPv6.
    pub interfaces_ipv6: IndexMap<String, String>,
    /// Interfaces whose addresses wait for settings that are not set, by the section and their names.
    pub unset_interfaces: IndexMap<(&'static str, String), Unset>,
    /// Logins at registries, by their host.
    pub auth_configs: IndexMap<String, RegistryLogin>,
    /// What the engine can do, where its version does not tell: by the feature's name.
    pub features: IndexMap<String, bool>,
    /// Which limits the engine has, where it does not tell: by the limit's name.
    pub constraints: IndexMap<String, bool>,
    /// Domain of its containers.
    pub domain_name: Option<String>,
    /// Seconds until the engine kills a container that says nothing itself.
    pub stop_timeout: Option<u32>,
    /// How long to wait for a container that ends.
    pub wait_timeout: Option<Duration>,
    /// Everything else.
    pub extra: IndexMap<String, Json>,
}

/// A login at a registry.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RegistryLogin {
    /// The user.
    pub username: Option<String>,
    /// The password, or a token that goes for one.
    pub password: Option<Secret>,
    /// The address that registries asked for once.
    pub email: Option<String>,
    /// The registry's own address, where it is not the name of the entry.
    pub registry: Option<String>,
}

/// A text that is not shown by accident.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Keeps a text from being shown.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

/// Only what cannot be a secret: what else there is has its name told, and not its value.
impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("name", &self.name)
            .field("host", &self.host)
            .field("user", &self.user)
            .field("port", &self.port)
            .field("base_url", &self.base_url)
            .field("version", &self.version)
            .field("interfaces", &self.interfaces)
            .field("interfaces_ipv6", &self.interfaces_ipv6)
            .field("auth_configs", &self.auth_configs)
            .field("extra", &self.extra.keys().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

impl Client {
    /// The client that is meant when none is named.
    pub fn default_client() -> Self {
        Self {
            name: DEFAULT.to_owned(),
            ..Self::default()
        }
    }

    /// The login for a repository's registry, with the registry's name: by its host, or by what stands
    /// before the last slash, as Docker-Map wanted it (B-38). None is needed for a public one.
    pub fn registry_login(&self, repository: &str) -> Option<(&str, &RegistryLogin)> {
        let mut keys = Vec::new();
        let first = repository.split_once('/').map(|(first, _)| first);
        let has_host = first.is_some_and(|it| it.contains(['.', ':']) || it == "localhost");
        keys.extend(first.filter(|_| has_host));
        keys.extend(repository.rsplit_once('/').map(|(folder, _)| folder));
        if !has_host {
            keys.extend(DOCKER_HUB);
        }
        let (key, login) = keys
            .iter()
            .find_map(|key| self.auth_configs.get_key_value(*key))?;
        Some((login.registry.as_deref().unwrap_or(key), login))
    }

    /// All logins, each with its registry's name.
    pub fn registry_logins(&self) -> impl Iterator<Item = (&str, &RegistryLogin)> {
        let logins = self.auth_configs.iter();
        logins.map(|(key, login)| (login.registry.as_deref().unwrap_or(key), login))
    }

    /// Whether it is that one.
    pub fn is_default(&self) -> bool {
        self.name == DEFAULT
    }
}

/// Reads a client file: a mapping from names to clients.
///
/// # Errors
/// All mistakes of the file.
pub fn load_clients(
    text: &str,
    file: &str,
    settings: &dyn Settings,
) -> Result<Loaded<IndexMap<String, Client>>, Invalid> {
    read_clients(text, file, settings).checked()
}

/// Reads as much of a client file as can be, with all that is wrong.
pub fn read_clients(
    text: &str,
    file: &str,
    settings: &dyn Settings,
) -> Reading<IndexMap<String, Client>> {
    let mut report = Report::new(file);
    let mut clients = IndexMap::new();
    if let Some(root) = tree::read(text, settings, &mut report) {
        match &root.value {
            Value::Null => {}
            Value::Map(pairs) => {
                for (key, value) in pairs {
                    key.tell_untold(&mut report);
                    let name = key.key_text();
                    let client = client(&name, value, &mut report);
                    clients.insert(name.into_owned(), client);
                }
            }
            _ => {
                root.tell_untold(&mut report);
                report.error(root.at, "a client file is a mapping from names to clients");
            }
        }
    }
    report.reading(Some(clients))
}

const FEATURES: [&str; 8] = [
    "host_config",
    "networks",
    "volumes",
    "stop_signal",
    "container_update",
    "container_update_restart_policy",
    "healthcheck",
    "stop_timeout",
];

/// Limits that a client file may say its engine has, by the names of their options.
pub const CONSTRAINTS: [&str; 10] = [
    "mem_limit",
    "memswap_limit",
    "kernel_memory",
    "cpu_period",
    "cpu_quota",
    "cpu_shares",
    "cpuset_cpus",
    "cpuset_mems",
    "oom_kill_disable",
    "pids_limit",
];

const FIELDS: [&str; 25] = [
    "host",
    "fabric_host",
    "user",
    "port",
    "base_url",
    "version",
    "timeout",
    "tls",
    "tunnel_remote_port",
    "tunnel_local_port",
    "cmd_prefix",
    "default_bin",
    "use_sudo",
    "debug",
    "socat_path",
    "socat_quiet",
    "interfaces",
    "interfaces_ipv6",
    "auth_configs",
    "features",
    "constraints",
    "domainname",
    "stop_timeout",
    "wait_timeout",
    "name",
];

fn client(name: &str, node: &Node, report: &mut Report) -> Client {
    let mut client = Client {
        name: name.to_owned(),
        ..Client::default()
    };
    let Value::Map(pairs) = &node.value else {
        node.tell_untold(report);
        report.error(
            node.at,
            format!("a client is a mapping, not {}", node.kind()),
        );
        return client;
    };
    for (key, value) in pairs {
        key.tell_untold(report);
        if value.is_null() {
            continue;
        }
        client.read_field(key, value, report);
    }
    client
}

impl Client {
    fn read_field(&mut self, key: &Node, value: &Node, report: &mut Report) {
        let name = key.key_text();
        // Addresses can wait until something is published there.
        let has_parts = matches!(&*name, "interfaces" | "interfaces_ipv6");
        if !has_parts || value.is_unset {
            value.tell_untold(report);
        }
        match &*name {
            "host" | "fabric_host" => self.host = optional_text(value, "a host", report),
            "user" => self.user = optional_text(value, "a user", report),
            "port" => self.port = port(value, report),
            "base_url" => self.base_url = optional_text(value, "a URL", report),
            "version" => self.version = optional_text(value, "an API version", report),
            "timeout" => self.timeout = delay(value, report),
            "tls" => self.tls = Some(value.json()),
            "tunnel_remote_port" => self.tunnel_remote_port = port(value, report),
            "tunnel_local_port" => self.tunnel_local_port = port(value, report),
            "cmd_prefix" => self.cmd_prefix = optional_text(value, "a command", report),
            "default_bin" => self.default_bin = optional_text(value, "a command", report),
            "use_sudo" => self.use_sudo = Some(value.is_truthy()),
            "debug" => self.debug = Some(value.is_truthy()),
            "socat_path" => self.socat_path = optional_text(value, "a command", report),
            "socat_quiet" => self.socat_quiet = Some(value.is_truthy()),
            "interfaces" => self.interfaces = self.addresses("interfaces", value, report),
            "interfaces_ipv6" => {
                self.interfaces_ipv6 = self.addresses("interfaces_ipv6", value, report);
            }
            "auth_configs" => self.auth_configs = logins(value, report),
            "features" => {
                let features = switches(value, "feature", &FEATURES, report);
                self.features.extend(features);
            }
            "constraints" => {
                self.constraints = switches(value, "constraint", &CONSTRAINTS, report);
            }
            "domainname" => self.domain_name = optional_text(value, "a domain", report),
            // A time to stop is a number; as a feature it is on or off.
            "stop_timeout" if !matches!(value.value, Value::Bool(_)) => {
                self.stop_timeout = seconds(value, report);
            }
            "wait_timeout" => self.wait_timeout = delay(value, report),
            feature if FEATURES.contains(&feature) => {
                self.features.insert(name.into_owned(), value.is_truthy());
            }
            free if free.starts_with("x-") => {
                self.extra.insert(name.into_owned(), value.json());
            }
            other => {
                if let Some(near) = nearest(other, FIELDS.into_iter()) {
                    report.warning(
                        key.at,
                        format!("{other} means nothing to dfab"),
                        format!("did you mean {near}?"),
                    );
                }
                self.extra.insert(name.into_owned(), value.json());
            }
        }
    }

    fn addresses(
        &mut self,
        section_name: &'static str,
        node: &Node,
        report: &mut Report,
    ) -> IndexMap<String, String> {
        let what_it_is = "interfaces are a mapping from names to addresses";
        let mut addresses = IndexMap::new();
        for (key, value) in section(node, what_it_is, report) {
            key.tell_untold(report);
            let (name, untold) = (key.key_text().into_owned(), value.untold());
            if !untold.is_empty() {
                let without = format!(
                    "containers that publish ports on {name} cannot be created or compared"
                );
                for unset in report.wait_for(untold, &without) {
                    self.unset_interfaces
                        .insert((section_name, name.clone()), unset);
                }
            } else if let Some(address) = optional_text(value, "an address", report) {
                addresses.insert(name, address);
            }
        }
        addresses
    }
}

fn port(node: &Node, report: &mut Report) -> Option<u16> {
    let port = number_text(node, report).and_then(|port| port.parse().ok());
    let port = port.filter(|port| *port > 0);
    if port.is_none() {
        report.error(node.at, "a port is a number from 1 to 65535");
    }
    port
}

fn section<'a>(node: &'a Node, what: &str, report: &mut Report) -> &'a [(Node, Node)] {
    match &node.value {
        Value::Map(pairs) => pairs,
        _ => {
            report.error(node.at, format!("{what}, not {}", node.kind()));
            &[]
        }
    }
}

fn switches(
    node: &Node,
    what: &str,
    known: &[&str],
    report: &mut Report,
) -> IndexMap<String, bool> {
    let what_it_is = "this is a mapping from names to true or false";
    let mut switches = IndexMap::new();
    for (key, value) in section(node, what_it_is, report) {
        let name = key.key_text();
        if name.starts_with("x-") {
            continue;
        }
        if !known.contains(&&*name) {
            let help = match nearest(&name, known.iter().copied()) {
                Some(near) => format!("did you mean {near}?"),
                None => format!("there is: {}", known.join(", ")),
            };
            let message = format!("there is no {what} {name}; it means nothing to dfab");
            report.warning(key.at, message, help);
        }
        switches.insert(name.into_owned(), value.is_truthy());
    }
    switches
}

fn logins(node: &Node, report: &mut Report) -> IndexMap<String, RegistryLogin> {
    const FIELDS: [&str; 6] = [
        "username",
        "password",
        "email",
        "registry",
        "reauth",
        "dockercfg_path",
    ];
    let mut logins = IndexMap::new();
    for (key, value) in section(
        node,
        "auth_configs are a mapping from registries to logins",
        report,
    ) {
        let mut login = RegistryLogin::default();
        for (field, value) in section(value, "a login is a mapping", report) {
            match &*field.key_text() {
                "username" => login.username = optional_text(value, "a user", report),
                // Without a warning, which would show it.
                "password" => login.password = value.scalar_text().map(Secret),
                "email" => login.email = optional_text(value, "an address", report),
                "registry" => login.registry = optional_text(value, "a registry", report),
                // Of the Python client's own files and sessions, of which dfab has none.
                "reauth" | "dockercfg_path" => {}
                other => report.unknown(field.at, "field of a login", other, &FIELDS),
            }
        }
        logins.insert(key.key_text().into_owned(), login);
    }
    logins
}

#[cfg(test)]
mod login_tests {
    use super::*;

    #[test]
    fn a_login_is_found_by_its_registry() {
        let mut client = Client::default_client();
        assert!(client.registry_login("registry.example.com/a/b").is_none());
        for (key, user) in [
            ("registry.example.com", "one"),
            ("team", "two"),
            ("old.example/x", "three"),
        ] {
            let login = RegistryLogin {
                username: Some(user.to_owned()),
                ..RegistryLogin::default()
            };
            client.auth_configs.insert(key.to_owned(), login);
        }
        let user = |repository: &str| {
            let (_, login) = client.registry_login(repository)?;
            login.username.as_deref()
        };
        assert_eq!(user("registry.example.com/a/b"), Some("one"));
        assert_eq!(user("team/app"), Some("two"));
        assert_eq!(user("old.example/x/app"), Some("three"));
        assert_eq!(user("app"), None);
        assert_eq!(user("localhost:5000/app"), None);
        let hub = RegistryLogin {
            username: Some("four".to_owned()),
            ..RegistryLogin::default()
        };
        client.auth_configs.insert("docker.io".to_owned(), hub);
        let user = |repository: &str| {
            let (_, login) = client.registry_login(repository)?;
            login.username.as_deref()
        };
        assert_eq!(user("app"), Some("four"));
        assert_eq!(user("team/app"), Some("two"));
        assert_eq!(user("other/app"), Some("four"));
        assert_eq!(user("localhost:5000/app"), None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::NoSettings;

    #[test]
    fn every_field_of_docker_map_and_docker_fabric_has_its_type() {
        let clients = load_clients(
            "web:\n  fabric_host: root@10.0.0.7:2222\n  base_url: unix:///run/docker.sock\n  version: 1.30\n\
             \x20 timeout: 60\n  stop_timeout: 5\n  wait_timeout: 1.5\n  volumes: false\n\
             \x20 features: {networks: true}\n  constraints: {mem_limit: yes}\n  use_sudo: yes\n\
             \x20 tunnel_remote_port: 2375\n  interfaces: {private: 10.0.0.7}\n  domainname: example.com\n  rack: 7\n",
            "clients.yaml",
            &NoSettings,
        )
        .unwrap();
        let web = &clients.value["web"];
        assert_eq!(web.host.as_deref(), Some("root@10.0.0.7:2222"));
        // As written: read as a number it would be 1.3.
        assert_eq!(web.version.as_deref(), Some("1.30"));
        assert_eq!(web.timeout, Some(Duration::from_secs(60)));
        assert_eq!(web.wait_timeout, Some(Duration::from_millis(1500)));
        assert_eq!(web.stop_timeout, Some(5));
        assert!(!web.features["volumes"] && web.features["networks"]);
        assert!(web.constraints["mem_limit"] && web.use_sudo == Some(true));
        assert_eq!(web.tunnel_remote_port, Some(2375));
        assert_eq!(web.interfaces["private"], "10.0.0.7");
        assert_eq!(web.domain_name.as_deref(), Some("example.com"));
        assert_eq!(web.extra["rack"], 7);
    }

    #[test]
    fn what_a_client_file_says_of_unknown_things_is_told() {
        let loaded = load_clients(
            "a: {features: {netwroks: true, x-mine: 1}, constraints: {memory_limit: no, gpu: yes}, port: 0022}\n",
            "clients.yaml",
            &NoSettings,
        )
        .unwrap();
        let warnings: Vec<_> = loaded.warnings.iter().map(ToString::to_string).collect();
        insta::assert_snapshot!(warnings.join("\n"), @r"
        clients.yaml:1:16: warning: there is no feature netwroks; it means nothing to dfab
          help: did you mean networks?
        clients.yaml:1:58: warning: there is no constraint memory_limit; it means nothing to dfab
          help: did you mean mem_limit?
        clients.yaml:1:76: warning: there is no constraint gpu; it means nothing to dfab
          help: there is: mem_limit, memswap_limit, kernel_memory, cpu_period, cpu_quota, cpu_shares, cpuset_cpus, cpuset_mems, oom_kill_disable, pids_limit
        clients.yaml:1:93: warning: 0022 without quotes is 18 in YAML 1.1
          help: write 18 if that is meant
        ");
    }

    #[test]
    fn mistakes_are_told_with_their_places() {
        let error = load_clients(
            "a: {port: 0, interfaces: 10.0.0.1}\nb: 5\nc: {stop_timeout: soon}\n",
            "clients.yaml",
            &NoSettings,
        )
        .unwrap_err();
        insta::assert_snapshot!(error, @r"
        clients.yaml:1:11: error: a port is a number from 1 to 65535
        clients.yaml:1:26: error: interfaces are a mapping from names to addresses, not a text
        clients.yaml:2:4: error: a client is a mapping, not a number
        clients.yaml:3:19: error: whole seconds are wanted here
        ");
    }

    #[test]
    fn passwords_do_not_show() {
        let clients = load_clients(
            "a:\n  auth_configs: {reg.example.com: {username: me, password: hunter2}}\n  token: hunter2\n",
            "clients.yaml",
            &NoSettings,
        )
        .unwrap()
        .value;
        let login = &clients["a"].auth_configs["reg.example.com"];
        assert_eq!(login.password.as_ref().unwrap().reveal(), "hunter2");
        let shown = format!("{clients:?} {login:?}");
        assert!(
            shown.contains("me") && !shown.contains("hunter2"),
            "{shown}"
        );
    }
}
