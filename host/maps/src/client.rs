//! Clients: the engines that maps run on, as client files describe them.

use indexmap::IndexMap;
use serde_json::Value as Json;

use crate::diagnostic::{Invalid, Loaded, Report};
use crate::tree::{self, Node, Settings, Value};

/// The name of the client that is meant when a map names none.
const DEFAULT: &str = "__default__";

/// One engine.
#[derive(Debug, Clone, Default, PartialEq)]
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
    /// Addresses of interfaces, by the names that maps use.
    pub interfaces: IndexMap<String, String>,
    /// The same for IPv6.
    pub interfaces_ipv6: IndexMap<String, String>,
    /// Domain of its containers.
    pub domain_name: Option<String>,
    /// Seconds until the engine kills a container that says nothing itself.
    pub stop_timeout: Option<u32>,
    /// Everything else.
    pub extra: IndexMap<String, Json>,
}

impl Client {
    /// The client that is meant when none is named.
    pub fn default_client() -> Self {
        Self {
            name: DEFAULT.to_owned(),
            ..Self::default()
        }
    }

    /// Whether it is that one.
    pub(crate) fn is_default(&self) -> bool {
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
    let mut report = Report::new(file);
    let mut clients = IndexMap::new();
    if let Some(root) = tree::read(text, settings, &mut report) {
        match &root.value {
            Value::Null => {}
            Value::Map(pairs) => {
                for (key, value) in pairs {
                    let name = key.scalar_text().unwrap_or_default();
                    let client = client(&name, value, &mut report);
                    clients.insert(name, client);
                }
            }
            _ => report.error(root.at, "a client file is a mapping from names to clients"),
        }
    }
    report.finish(clients)
}

fn client(name: &str, node: &Node, report: &mut Report) -> Client {
    let mut client = Client {
        name: name.to_owned(),
        ..Client::default()
    };
    let Value::Map(pairs) = &node.value else {
        report.error(
            node.at,
            format!("a client is a mapping, not {}", node.kind()),
        );
        return client;
    };
    for (key, value) in pairs {
        let text = || value.scalar_text();
        match key.scalar_text().unwrap_or_default().as_str() {
            "host" | "fabric_host" => client.host = text(),
            "user" => client.user = text(),
            "port" => {
                client.port = text().and_then(|port| port.parse().ok());
                if client.port.is_none() {
                    report.error(value.at, "a port is a number from 1 to 65535");
                }
            }
            "base_url" => client.base_url = text(),
            "version" => client.version = text(),
            "interfaces" => client.interfaces = addresses(value, report),
            "interfaces_ipv6" => client.interfaces_ipv6 = addresses(value, report),
            "domainname" => client.domain_name = text(),
            "stop_timeout" => client.stop_timeout = text().and_then(|time| time.parse().ok()),
            other => {
                client.extra.insert(other.to_owned(), value.json());
            }
        }
    }
    client
}

fn addresses(node: &Node, report: &mut Report) -> IndexMap<String, String> {
    match &node.value {
        Value::Null => IndexMap::new(),
        Value::Map(pairs) => pairs
            .iter()
            .filter_map(|(key, value)| Some((key.scalar_text()?, value.scalar_text()?)))
            .collect(),
        _ => {
            report.error(node.at, "interfaces are a mapping from names to addresses");
            IndexMap::new()
        }
    }
}
