//! Records of how a container is reached: its ports and its networks.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::ops::Range;

use serde_json::{Value as Json, json};

use crate::diagnostic::{Place, Report};
use crate::options::PROTOCOLS;
use crate::record::{Element, Fields, Link, Parts, Record, records, text, texts, too_many};
use crate::subnet::parsed;
use crate::tree::{Node, Value};
use crate::waiting::Unset;

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

impl Port {
    fn new(
        at: Place,
        exposed: &Node,
        [host_port, interface, ipv6]: [Option<&Node>; 3],
        report: &mut Report,
    ) -> Option<Self> {
        let given = |node: Option<&Node>| node.filter(|node| !node.is_null()).cloned();
        let exposed = port_text(exposed, true, report)?;
        let host_port = match given(host_port) {
            Some(node) if node.value == Value::Text(String::new()) => None,
            Some(node) => Some(port_text(&node, false, report)?),
            None => None,
        };
        let interface = match given(interface) {
            Some(node) => Some(text(&node, "an interface", report)?),
            None => None,
        };
        let port = Self {
            exposed,
            host_port,
            interface,
            ipv6: ipv6.is_some_and(Node::is_truthy),
            at,
        };
        let (mine, host) = (port.numbers().count(), port.host_numbers().count());
        if let Some(host_port) = port.host_port.as_ref().filter(|_| host == 0) {
            report.error(at, format!("{host_port} is no range of ports"));
            return None;
        }
        if mine == 0 || (mine > 1 && host > 0 && host != mine) {
            let host_port = port.host_port.as_deref().unwrap_or_default();
            let message = match mine {
                0 => format!("{} is no range of ports", port.exposed),
                _ => format!(
                    "{} and {host_port} are not equally many ports",
                    port.exposed
                ),
            };
            report.error(at, message);
            return None;
        }
        Some(port)
    }

    /// The protocol.
    pub(crate) fn protocol(&self) -> &str {
        self.exposed
            .split_once('/')
            .map_or("tcp", |(_, protocol)| protocol)
    }

    /// The ports of the container.
    pub(crate) fn numbers(&self) -> Range<u32> {
        numbers(self.exposed.split('/').next().unwrap_or_default())
    }

    /// What the host publishes one of them by. Of several for a single one, the engine chooses.
    pub(crate) fn host_port_at(&self, at: usize) -> Option<String> {
        let host_port = self.host_port.as_ref()?;
        if self.numbers().count() == 1 {
            return Some(host_port.clone());
        }
        self.host_numbers().nth(at).map(|port| port.to_string())
    }

    fn host_numbers(&self) -> Range<u32> {
        numbers(self.host_port.as_deref().unwrap_or_default())
    }
}

/// `80` or `8000-8010`; an empty range where it is neither.
fn numbers(text: &str) -> Range<u32> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    match (first.parse::<u32>(), last.parse::<u32>()) {
        (Ok(first), Ok(last)) => first..last + 1,
        _ => 0..0,
    }
}

/// A port or a range of ports; that of the container may have a protocol.
fn port_text(node: &Node, of_container: bool, report: &mut Report) -> Option<String> {
    let is_port = |text: &str| text.parse::<u16>().is_ok_and(|port| port > 0);
    let Some(text) = node.reading() else {
        let message = format!("a port is wanted here, not {}", node.kind());
        report.error(node.at, message);
        return None;
    };
    if let Some(reading) = node.other_reading() {
        let written = node.scalar_text().unwrap_or_default();
        report.warning(
            node.at,
            format!("{written} without quotes is the number {reading} in YAML 1.1"),
            match written.split_once(':') {
                Some((one, other)) => format!("to publish a port, write {{{other}: {one}}}"),
                None => format!("write {reading} if that is meant"),
            },
        );
    }
    let (ports, protocol) = match text.split_once('/') {
        Some((ports, protocol)) => (ports, Some(protocol)),
        None => (text.as_str(), None),
    };
    let has_protocol = protocol.is_none_or(|name| of_container && PROTOCOLS.contains(&name));
    let (first, last) = ports.split_once('-').unwrap_or((ports, ports));
    if has_protocol && is_port(first) && is_port(last) {
        return Some(text);
    }
    let help = match text.split_once(':') {
        Some((host, port)) => format!("to publish a port, write {{{port}: {host}}}"),
        None if of_container && text.starts_with(|first: char| first.is_ascii_digit()) => {
            "a port is a number from 1 to 65535, or a range such as 8000-8010; after a slash it may have \
             its protocol: tcp, udp or sctp"
                .to_owned()
        }
        None if of_container => {
            "a list names several ports; to publish one, write {PORT: HOST_PORT}, or \
             {PORT: [HOST_PORT, INTERFACE]}"
                .to_owned()
        }
        None => "a port is a number from 1 to 65535, or a range such as 8000-8010".to_owned(),
    };
    report.error_with_help(node.at, format!("{text} is no port"), help);
    None
}

/// A number where it is one: `80` and `"80"` are the same port (B-06).
fn port_json(port: &str) -> Json {
    match port.parse::<u16>() {
        Ok(number) if number.to_string() == port => json!(number),
        _ => json!(port),
    }
}

impl Record for Port {
    const FIELDS: &'static [&'static str] = &["exposed_port", "host_port", "interface", "ipv6"];

    fn first_part(key: &Node) -> Node {
        key.clone()
    }

    fn read(element: Element, report: &mut Report) -> Option<Self> {
        let at = element.at;
        let parts = match element.sorted(Self::FIELDS, report)? {
            Err(fields) => {
                let Some(exposed) = fields.node("exposed_port") else {
                    report.error(at, "the field exposed_port is missing");
                    return None;
                };
                let rest = ["host_port", "interface", "ipv6"].map(|name| fields.node(name));
                return Self::new(at, exposed, rest, report);
            }
            Ok(parts) => parts,
        };
        match parts.as_slice() {
            [
                exposed,
                Node {
                    value: Value::Map(pairs),
                    ..
                },
            ] => {
                let names = ["host_port", "interface", "ipv6"];
                for (key, _) in pairs {
                    let name = key.key_text();
                    if !names.contains(&&*name) && !name.starts_with("x-") {
                        report.unknown(key.at, "field", &name, &names);
                        return None;
                    }
                }
                let rest = names.map(|name| {
                    let found = pairs.iter().find(|(key, _)| key.key_text() == name);
                    found.map(|(_, value)| value)
                });
                Self::new(at, exposed, rest, report)
            }
            [exposed, rest @ ..] if rest.len() <= 3 => {
                let rest = [rest.first(), rest.get(1), rest.get(2)];
                Self::new(at, exposed, rest, report)
            }
            _ => too_many(at, "port", report),
        }
    }

    fn replaces(&self, other: &Self) -> bool {
        self.exposed == other.exposed
    }

    fn json(&self) -> Json {
        json!({
            "exposed_port": port_json(&self.exposed),
            "host_port": self.host_port.as_deref().map(port_json),
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
    /// What some of these wait for.
    pub(crate) unset: Vec<Unset>,
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
    const FIELDS: &'static [&'static str] = &[
        "network_name",
        "aliases",
        "links",
        "ipv4_address",
        "ipv6_address",
        "link_local_ips",
    ];

    fn read(element: Element, report: &mut Report) -> Option<Self> {
        let at = element.at;
        let (network, mut fields) = match element.parts {
            Parts::Positional(parts) => {
                let mut parts = parts.into_iter();
                let Some(network) = parts.next() else {
                    return too_many(at, "network", report);
                };
                let network = text(&network, "a network", report)?;
                let rest = parts.collect();
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
                (network, endpoint_fields(rest, report)?)
            }
        };
        for (name, value) in &fields {
            if name != "network_name"
                && !name.starts_with("x-")
                && !ENDPOINT_FIELDS.contains(&name.as_str())
            {
                report.unknown(value.at, "field", name, &ENDPOINT_FIELDS);
                return None;
            }
        }
        let mut unset = Vec::new();
        fields.retain(|(name, value)| {
            let untold = match name.as_str() {
                "aliases" | "ipv4_address" | "ipv6_address" | "link_local_ips" => value.untold(),
                _ => Vec::new(),
            };
            let is_whole = untold.is_empty();
            let without = "the container cannot be created or compared";
            unset.extend(report.wait_for(untold, without));
            is_whole
        });
        let mut fields = Fields { at, pairs: fields };
        let mut list = |name: &str| match fields.node(name) {
            Some(node) => texts(node, report),
            None => Vec::new(),
        };
        let (aliases, link_local_ips) = (list("aliases"), list("link_local_ips"));
        let links = match fields.take("links") {
            Some(links) => records(links, report),
            None => Vec::new(),
        };
        let given = |name: &str| fields.node(name).filter(|node| !is_empty(node));
        if let Some(node) = given("ipv4_address") {
            parsed::<Ipv4Addr>(node, "IPv4 address", "10.1.0.2", report);
        }
        if let Some(node) = given("ipv6_address") {
            parsed::<Ipv6Addr>(node, "IPv6 address", "fd00::2", report);
        }
        Some(Self {
            network,
            aliases,
            links,
            ipv4_address: fields.text("ipv4_address"),
            ipv6_address: fields.text("ipv6_address"),
            link_local_ips,
            unset,
            at,
        })
    }

    fn replaces(&self, other: &Self) -> bool {
        self.network == other.network
    }

    fn json(&self) -> Json {
        let given = |list: &[String]| (!list.is_empty()).then(|| list.to_vec());
        json!({
            "network_name": self.network, "aliases": given(&self.aliases),
            "links": self.links.iter().map(Record::json).collect::<Vec<_>>(),
            "ipv4_address": self.ipv4_address, "ipv6_address": self.ipv6_address,
            "link_local_ips": given(&self.link_local_ips),
        })
    }
}

fn is_empty(node: &Node) -> bool {
    matches!(&node.value, Value::Text(text) if text.is_empty())
}

fn endpoint_fields(mut rest: Vec<Node>, report: &mut Report) -> Option<Vec<(String, Node)>> {
    if let [
        Node {
            value: Value::Map(pairs),
            ..
        },
    ] = rest.as_mut_slice()
    {
        let pairs = std::mem::take(pairs).into_iter();
        let named = pairs.map(|(key, value)| (key.key_text().into_owned(), value));
        return Some(named.collect());
    }
    if rest.len() > ENDPOINT_FIELDS.len() {
        return too_many(rest.first()?.at, "network", report);
    }
    let names = ENDPOINT_FIELDS.iter().map(|name| (*name).to_owned());
    Some(names.zip(rest).collect())
}
