//! `ports` and `expose` of a service.

use super::translation::{Exact, Translation, get, name_of, pairs};
use super::yaml::Yaml;
use crate::diagnostic::Place;
use crate::tree::{Node, Value};

/// A port of a container, and where it is published.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Port {
    /// `80` or `53/udp`.
    exposed: Yaml,
    published: Option<Yaml>,
    /// The address of the host.
    address: Option<String>,
}

/// The entries of `exposes`.
pub(super) fn exposes(ports: &[Port]) -> Yaml {
    let entry = |port: &Port| {
        let mut entry = vec![port.exposed.clone()];
        entry.extend(port.published.clone());
        if let (Some(_), Some(address)) = (&port.published, &port.address) {
            entry.push(Yaml::text(interface(address)));
            if address.contains(':') {
                entry.push(Yaml::plain(true));
            }
        }
        Yaml::List(entry)
    };
    Yaml::List(ports.iter().map(entry).collect())
}

/// Which addresses a service publishes ports on; each stands for an interface of the client.
pub(super) fn addresses(ports: &[Port]) -> impl Iterator<Item = &str> {
    ports.iter().filter_map(|port| port.address.as_deref())
}

/// What an address of the host is called in a client file.
pub(super) fn interface(address: &str) -> String {
    match address {
        "127.0.0.1" | "::1" => "local".to_owned(),
        other => format!(
            "address_{}",
            other.replace(|c: char| !c.is_ascii_alphanumeric(), "_")
        ),
    }
}

/// Reads `ports`.
pub(super) fn ports(node: &Node, all: &mut Vec<Port>, translation: &mut Translation) {
    let Value::List(items) = &node.value else {
        if !node.is_null() {
            translation.wrong(node, "ports", "a list");
        }
        return;
    };
    for item in items {
        match &item.value {
            Value::Map(_) => long(item, all, translation),
            _ => short(item, all, translation),
        }
    }
}

/// Reads `expose`: what is published already is exposed as well.
pub(super) fn expose(node: &Node, all: &mut Vec<Port>, translation: &mut Translation) {
    let items = match &node.value {
        Value::List(items) => items.as_slice(),
        Value::Null => return,
        _ => std::slice::from_ref(node),
    };
    for item in items {
        let text = translation.any_written(item, "expose");
        let exact = text.and_then(|text| translation.exact(&text, "the port", item.at));
        let Some(exact) = exact else {
            continue;
        };
        let known = |all: &[Port], port: &Yaml| all.iter().any(|one| one.exposed == *port);
        match exact {
            Exact::Setting(setting) => all.push(Port::exposed(setting)),
            Exact::Text(text) => {
                let (numbers, protocol) = split_protocol(&text);
                match (range(numbers), is_protocol(protocol)) {
                    (Some((first, last)), true) => {
                        for number in first..=last {
                            let port = exposed(number, protocol);
                            if !known(all, &port) {
                                all.push(Port::exposed(port));
                            }
                        }
                    }
                    _ => refuse(&text, item.at, translation),
                }
            }
        }
    }
}

impl Port {
    pub(super) fn is_published(&self) -> bool {
        self.published.is_some()
    }

    fn exposed(exposed: Yaml) -> Self {
        Self {
            exposed,
            published: None,
            address: None,
        }
    }
}

/// `[[ADDRESS:]HOST_PORT:]PORT[/PROTOCOL]`, where both ports may be ranges.
fn short(item: &Node, all: &mut Vec<Port>, translation: &mut Translation) {
    let Some(text) = item.scalar_text() else {
        translation.wrong(item, "a port", "a text or a mapping");
        return;
    };
    let parts = split_colons(&text);
    let (address, host, container) = match parts.as_slice() {
        [container] => ("", "", *container),
        [host, container] => ("", *host, *container),
        [.., host, container] => {
            let end = text.len() - host.len() - container.len() - 2;
            (text.get(..end).unwrap_or_default(), *host, *container)
        }
        [] => return,
    };
    let (container, protocol) = split_protocol(container);
    add(
        item.at,
        &text,
        [address, host, container, protocol],
        all,
        translation,
    );
}

fn long(item: &Node, all: &mut Vec<Port>, translation: &mut Translation) {
    let [target, published, address, protocol] = ["target", "published", "host_ip", "protocol"]
        .map(|key| {
            let value = get(item, key);
            let text = value.and_then(|value| translation.any_written(value, key));
            text.unwrap_or_default()
        });
    for (key, value) in pairs(item) {
        match name_of(key).as_str() {
            "target" | "published" | "host_ip" | "protocol" => {}
            "mode" if value.scalar_text().as_deref() == Some("ingress") => {}
            "mode" | "name" | "app_protocol" => {
                let message = format!(
                    "a port's {} means nothing to an engine; it is left out",
                    name_of(key)
                );
                translation.note(key.at, message, "nothing to do without Swarm");
            }
            other if other.starts_with("x-") => {
                let message = format!("{other} is left out");
                translation.note(key.at, message, "nothing to do");
            }
            other => {
                let message = format!("Compose has no {other} of a port; it is left out");
                translation.note(key.at, message, "look whether it is misspelt");
            }
        }
    }
    let protocol = match protocol.as_str() {
        "" => "tcp".to_owned(),
        _ => protocol,
    };
    let whole = format!("{target}/{protocol}");
    add(
        item.at,
        &whole,
        [&address, &published, &target, &protocol],
        all,
        translation,
    );
}

fn add(
    at: Place,
    whole: &str,
    [address, host, container, protocol]: [&str; 4],
    all: &mut Vec<Port>,
    translation: &mut Translation,
) {
    let mut exact = |text: &str| translation.exact(text, "the port", at);
    let (Some(container), Some(host)) = (exact(container), exact(host)) else {
        return;
    };
    let Some(address) = address_of(address, at, translation) else {
        return;
    };
    let port = |exposed: Yaml, published: Option<Yaml>| Port {
        exposed,
        published,
        address: address.clone(),
    };
    let (container, host) = match (container, host) {
        (Exact::Text(container), Exact::Text(host)) => (container, host),
        // What a setting says is not known, so that ranges are not either.
        (container, host) => {
            let exposed = match container {
                Exact::Text(text) => match range(&text) {
                    Some((first, last)) if first == last => exposed(first, protocol),
                    _ => return refuse(whole, at, translation),
                },
                Exact::Setting(setting) if protocol == "tcp" => setting,
                Exact::Setting(_) => return refuse(whole, at, translation),
            };
            let published = match host {
                Exact::Text(text) if text.is_empty() => None,
                host => Some(host.yaml()),
            };
            all.push(port(exposed, published));
            return;
        }
    };
    let (Some((first, last)), true) = (range(&container), is_protocol(protocol)) else {
        return refuse(whole, at, translation);
    };
    if host.is_empty() || host == "0" {
        translation.note(
            at,
            format!(
                "{whole} is published on a port that the engine chooses; in the map it is \
            only exposed"
            ),
            format!("choose one: {{{first}: HOST_PORT}}"),
        );
        all.extend((first..=last).map(|number| port(exposed(number, protocol), None)));
        return;
    }
    match range(&host) {
        Some((from, to)) if to - from == last - first => {
            for (number, published) in (first..=last).zip(from..=to) {
                all.push(port(
                    exposed(number, protocol),
                    Some(Yaml::plain(published)),
                ));
            }
        }
        // The engine takes one of them.
        Some(_) if first == last => {
            all.push(port(exposed(first, protocol), Some(Yaml::Text(host))));
        }
        _ => refuse(whole, at, translation),
    }
}

/// The address to publish on; none for all of them. Nothing where it cannot be read.
fn address_of(text: &str, at: Place, translation: &mut Translation) -> Option<Option<String>> {
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    if matches!(bare, "" | "0.0.0.0" | "::" | "*") {
        return Some(None);
    }
    match translation.exact(bare, "the address", at)? {
        Exact::Text(address) => Some(Some(address)),
        Exact::Setting(_) => {
            translation.note(
                at,
                format!("a port is published on the address {text}; it is left out"),
                "name an interface in the client file, and add its name to the port: [HOST_PORT, \
                INTERFACE]",
            );
            Some(None)
        }
    }
}

fn refuse(text: &str, at: Place, translation: &mut Translation) {
    let message = format!("{text} is no port that a map can have; it is left out");
    translation.note(at, message, "write it by hand: {PORT: HOST_PORT}");
}

fn exposed(number: u16, protocol: &str) -> Yaml {
    match protocol {
        "tcp" => Yaml::plain(number),
        protocol => Yaml::Text(format!("{number}/{protocol}")),
    }
}

fn is_protocol(text: &str) -> bool {
    matches!(text, "tcp" | "udp" | "sctp")
}

/// Colons within brackets or braces belong to an address or a variable.
fn split_colons(text: &str) -> Vec<&str> {
    let mut depth = 0_usize;
    text.split(|letter: char| {
        match letter {
            '[' | '{' => depth += 1,
            ']' | '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        letter == ':' && depth == 0
    })
    .collect()
}

fn split_protocol(text: &str) -> (&str, &str) {
    match text.rsplit_once('/') {
        Some((port, protocol)) if !protocol.contains('}') => (port, protocol),
        _ => (text, "tcp"),
    }
}

/// The first and the last of a range of ports, which may be one.
fn range(text: &str) -> Option<(u16, u16)> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let number = |text: &str| text.parse::<u16>().ok().filter(|number| *number > 0);
    let (first, last) = (number(first)?, number(last)?);
    (first <= last).then_some((first, last))
}
