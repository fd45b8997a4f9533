//! Records of how a container is reached: its ports and its networks.

use serde_json::{Value as Json, json};

use crate::diagnostic::{Place, Report};
use crate::record::{Element, Fields, Link, Parts, Record, records, text, texts, too_many};
use crate::tree::{Node, Value};

/// `exposes`: a port of the container, and where the host publishes it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Port {
    /// `80` or `53/udp`.
    pub(crate) exposed: String,
    pub(crate) host_port: Option<String>,
    pub(crate) interface: Option<String>,
    pub(crate) ipv6: bool,
    pub(crate) at: Place,
}

impl Record for Port {
    fn read(element: Element, report: &mut Report) -> Option<Self> {
        let at = element.at;
        let names = ["exposed_port", "host_port", "interface", "ipv6"];
        let parts = match element.sorted(&names, report)? {
            Err(fields) => {
                return Some(Self {
                    exposed: fields.required("exposed_port", report)?,
                    host_port: fields.text("host_port"),
                    interface: fields.text("interface"),
                    ipv6: fields.node("ipv6").is_some_and(Node::is_truthy),
                    at,
                });
            }
            Ok(parts) => parts,
        };
        let exposed = match parts.first() {
            Some(exposed) => text(exposed, "a port", report)?,
            None => return too_many(at, "port", report),
        };
        match parts.as_slice() {
            [
                _,
                Node {
                    value: Value::Map(pairs),
                    ..
                },
            ] => {
                let get = |name: &str| {
                    let found = pairs
                        .iter()
                        .find(|(key, _)| key.scalar_text().as_deref() == Some(name));
                    found.map(|(_, value)| value)
                };
                Some(Self {
                    exposed,
                    host_port: get("host_port").and_then(Node::scalar_text),
                    interface: get("interface").and_then(Node::scalar_text),
                    ipv6: get("ipv6").is_some_and(Node::is_truthy),
                    at,
                })
            }
            [_, rest @ ..] if rest.len() <= 3 => Some(Self {
                exposed,
                host_port: rest.first().and_then(Node::scalar_text),
                interface: rest.get(1).and_then(Node::scalar_text),
                ipv6: rest.get(2).is_some_and(Node::is_truthy),
                at,
            }),
            _ => too_many(at, "port", report),
        }
    }

    fn replaces(&self, other: &Self) -> bool {
        self.exposed == other.exposed
    }

    fn json(&self) -> Json {
        json!({
            "exposed_port": self.exposed, "host_port": self.host_port,
            "interface": self.interface, "ipv6": self.ipv6,
        })
    }
}

/// `networks`: a network, and what the container is called there.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Endpoint {
    pub(crate) network: String,
    pub(crate) aliases: Vec<String>,
    pub(crate) links: Vec<Link>,
    pub(crate) ipv4_address: Option<String>,
    pub(crate) ipv6_address: Option<String>,
    pub(crate) link_local_ips: Vec<String>,
    pub(crate) at: Place,
}

const ENDPOINT_FIELDS: [&str; 5] = [
    "aliases",
    "links",
    "ipv4_address",
    "ipv6_address",
    "link_local_ips",
];

impl Record for Endpoint {
    fn read(element: Element, report: &mut Report) -> Option<Self> {
        let at = element.at;
        let (network, fields) = match element.parts {
            Parts::Positional(parts) => {
                let Some((network, rest)) = parts.split_first() else {
                    return too_many(at, "network", report);
                };
                let network = text(network, "a network", report)?;
                (network, endpoint_fields(rest, report)?)
            }
            Parts::Named(pairs) if pairs.iter().any(|(name, _)| name == "network_name") => {
                let fields = Fields { at, pairs };
                (fields.required("network_name", report)?, fields.pairs)
            }
            Parts::Named(mut pairs) => {
                let (Some((network, value)), true) = (pairs.pop(), pairs.is_empty()) else {
                    return too_many(at, "network", report);
                };
                let rest = match value.value {
                    // Within a list, what follows the name stands by position.
                    Value::List(items) => items,
                    _ => vec![value],
                };
                (network, endpoint_fields(&rest, report)?)
            }
        };
        for (name, value) in &fields {
            if name != "network_name" && !ENDPOINT_FIELDS.contains(&name.as_str()) {
                report.unknown(value.at, "field", name, &ENDPOINT_FIELDS);
                return None;
            }
        }
        let fields = Fields { at, pairs: fields };
        let list = |name: &str| fields.node(name).map(texts).unwrap_or_default();
        let links = match fields.node("links") {
            Some(links) => records(&links.clone(), report),
            None => Vec::new(),
        };
        Some(Self {
            network,
            aliases: list("aliases"),
            links,
            ipv4_address: fields.text("ipv4_address"),
            ipv6_address: fields.text("ipv6_address"),
            link_local_ips: list("link_local_ips"),
            at,
        })
    }

    fn replaces(&self, other: &Self) -> bool {
        self.network == other.network
    }

    fn json(&self) -> Json {
        json!({
            "network_name": self.network, "aliases": self.aliases,
            "links": self.links.iter().map(Record::json).collect::<Vec<_>>(),
            "ipv4_address": self.ipv4_address, "ipv6_address": self.ipv6_address,
            "link_local_ips": self.link_local_ips,
        })
    }
}

fn endpoint_fields(rest: &[Node], report: &mut Report) -> Option<Vec<(String, Node)>> {
    if let [
        Node {
            value: Value::Map(pairs),
            ..
        },
    ] = rest
    {
        let pair =
            |(key, value): &(Node, Node)| (key.scalar_text().unwrap_or_default(), value.clone());
        return Some(pairs.iter().map(pair).collect());
    }
    if rest.len() > ENDPOINT_FIELDS.len() {
        return too_many(rest.first()?.at, "network", report);
    }
    let names = ENDPOINT_FIELDS.iter().map(|name| (*name).to_owned());
    Some(names.zip(rest.iter().cloned()).collect())
}
