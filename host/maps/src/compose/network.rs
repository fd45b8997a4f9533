//! `networks` and `network_mode` of a service, and the `networks` section.

use super::external::external_name;
use super::service::Service;
use super::translation::{Translation, name_of, pairs};
use super::yaml::Yaml;
use crate::diagnostic::Place;
use crate::tree::{Node, Value};

/// The network of every service that names none.
pub(super) const DEFAULT: &str = "default";

/// A service in a network.
#[derive(Debug, Clone, Default)]
pub(super) struct Endpoint {
    pub(super) network: String,
    pub(super) at: Place,
    pub(super) aliases: Vec<Yaml>,
    /// Containers, and under which name they are reached.
    pub(super) links: Vec<(String, Option<String>)>,
    ipv4_address: Option<Yaml>,
    ipv6_address: Option<Yaml>,
    link_local_ips: Vec<Yaml>,
}

/// A network of the file.
#[derive(Debug, Clone, Default)]
pub(super) struct Network {
    /// What it is called on the engine, if it is there already.
    pub(super) external: Option<Yaml>,
    fields: Vec<(Yaml, Yaml)>,
}

impl Endpoint {
    pub(super) fn new(network: &str, at: Place) -> Self {
        Self {
            network: network.to_owned(),
            at,
            ..Self::default()
        }
    }

    /// Whether it has an address that no other container can have.
    pub(super) fn has_address(&self) -> bool {
        self.ipv4_address.is_some() || self.ipv6_address.is_some()
    }

    fn yaml(&self) -> Yaml {
        let links = self.links.iter().map(|(container, alias)| {
            let parts = std::iter::once(container).chain(alias);
            Yaml::texts(parts.cloned())
        });
        let mut fields = Vec::new();
        let mut put = |name: &str, value: Option<Yaml>| {
            fields.extend(value.map(|value| (Yaml::text(name), value)));
        };
        put("aliases", list(self.aliases.clone()));
        put("links", list(links.collect()));
        put("ipv4_address", self.ipv4_address.clone());
        put("ipv6_address", self.ipv6_address.clone());
        put("link_local_ips", list(self.link_local_ips.clone()));
        Yaml::Map(fields)
    }
}

/// The entries of `networks` of a container.
pub(super) fn endpoints(endpoints: &[Endpoint]) -> Yaml {
    let pair = |endpoint: &Endpoint| (Yaml::text(&endpoint.network), endpoint.yaml());
    Yaml::Map(endpoints.iter().map(pair).collect())
}

/// A list, if there is anything in it.
pub(super) fn list(items: Vec<Yaml>) -> Option<Yaml> {
    (!items.is_empty()).then_some(Yaml::List(items))
}

impl Service {
    pub(super) fn read_networks(&mut self, node: &Node, translation: &mut Translation) {
        match &node.value {
            Value::List(items) => {
                for item in items {
                    if let Some(name) = translation.written(item, "a network") {
                        self.networks.push(Endpoint::new(&name, item.at));
                    }
                }
            }
            Value::Map(pairs) => {
                for (key, value) in pairs {
                    let endpoint = endpoint(key, value, translation);
                    self.networks.push(endpoint);
                }
            }
            Value::Null => {}
            _ => translation.wrong(node, "networks", "a list or a mapping"),
        }
    }

    pub(super) fn read_network_mode(&mut self, node: &Node, translation: &mut Translation) {
        let Some(text) = translation.written(node, "network_mode") else {
            return;
        };
        if let Some(service) = text.strip_prefix("service:") {
            self.shared_network = Some((service.to_owned(), node.at));
        } else if matches!(text.as_str(), "bridge" | "host" | "none" | "default")
            || (text.starts_with("container:") && !text.contains('$'))
        {
            self.network_mode = Some(Yaml::Text(text));
        } else {
            let message = format!("a map has nothing like the network_mode {text}; it is left out");
            translation.note(
                node.at,
                message,
                "write it under host_config.network_mode, as the engine takes it",
            );
        }
    }
}

fn endpoint(key: &Node, value: &Node, translation: &mut Translation) -> Endpoint {
    let mut endpoint = Endpoint::new(&name_of(key), key.at);
    if !value.is_null() && !matches!(value.value, Value::Map(_)) {
        translation.wrong(value, "a service's network", "a mapping");
    }
    for (key, value) in pairs(value) {
        let name = name_of(key);
        match name.as_str() {
            "aliases" => endpoint.aliases = translation.texts(value, "aliases"),
            "ipv4_address" => endpoint.ipv4_address = translation.word(value, &name, &name),
            "ipv6_address" => endpoint.ipv6_address = translation.word(value, &name, &name),
            "link_local_ips" => endpoint.link_local_ips = translation.texts(value, &name),
            other => {
                let message = format!(
                    "a map has nothing like {other} of the network {}; it is left out",
                    endpoint.network
                );
                let help = match other {
                    "mac_address" => {
                        "write it under create_options.mac_address if it is the only network"
                    }
                    "priority" | "gw_priority" => {
                        "the first network of a container goes before; change the order if it \
                        matters"
                    }
                    _ => "nothing to do, unless the container relies on it",
                };
                translation.note(key.at, message, help);
            }
        }
    }
    endpoint
}

impl Network {
    pub(super) fn read(name: &Node, node: &Node, translation: &mut Translation) -> Self {
        let mut network = Self::default();
        let key_name = name_of(name);
        network.external = external_name(name, node, "a network", translation);
        let mut create = Vec::new();
        for (key, value) in pairs(node) {
            let option = name_of(key);
            let put = |to: &mut Vec<(Yaml, Yaml)>, name: &str, value: Option<Yaml>| {
                to.extend(value.map(|value| (Yaml::text(name), value)));
            };
            match option.as_str() {
                "external" => {}
                "name" if network.external.is_some() => {}
                "driver" => {
                    let driver = translation.scalar(value, "driver");
                    put(&mut network.fields, "driver", driver);
                }
                "driver_opts" => {
                    let options = texts_by_name(value, "driver_opts", translation);
                    put(&mut network.fields, "driver_options", options);
                }
                "internal" => {
                    let internal = translation.flag(value, "internal");
                    put(&mut network.fields, "internal", internal);
                }
                "attachable" => put(
                    &mut create,
                    "attachable",
                    translation.flag(value, "attachable"),
                ),
                "enable_ipv6" => put(
                    &mut create,
                    "enable_ipv6",
                    translation.flag(value, "enable_ipv6"),
                ),
                "labels" => put(
                    &mut create,
                    "labels",
                    texts_by_name(value, "labels", translation),
                ),
                "ipam" => put(&mut create, "ipam", ipam(value, translation)),
                free if free.starts_with("x-") => {
                    network
                        .fields
                        .push((Yaml::text(free), Translation::verbatim(value)));
                }
                other => {
                    let message = format!(
                        "a map has nothing like {other} of the network {key_name}; it is left out"
                    );
                    let help = match other {
                        "name" => {
                            "dfab names networks after the map; what is to join it from outside, \
                            joins MAP.NETWORK"
                        }
                        "enable_ipv4" => {
                            "an engine gives IPv4 addresses unless told otherwise by a driver \
                            option"
                        }
                        _ => "look whether it is misspelt",
                    };
                    translation.note(key.at, message, help);
                }
            }
        }
        if !create.is_empty() {
            network
                .fields
                .push((Yaml::text("create_options"), Yaml::Map(create)));
        }
        network
    }

    pub(super) fn yaml(&self) -> Yaml {
        match self.fields.is_empty() {
            true => Yaml::Null,
            false => Yaml::Map(self.fields.clone()),
        }
    }
}

/// A mapping of texts, from a mapping or a list.
pub(super) fn texts_by_name(node: &Node, key: &str, translation: &mut Translation) -> Option<Yaml> {
    let pairs: Vec<_> = translation
        .assignments(node, key)
        .into_iter()
        .map(|(name, value, _)| (Yaml::Text(name), value.unwrap_or_else(|| Yaml::text(""))))
        .collect();
    (!pairs.is_empty()).then_some(Yaml::Map(unique(pairs)))
}

/// Without the earlier ones of pairs with the same key.
pub(super) fn unique(pairs: Vec<(Yaml, Yaml)>) -> Vec<(Yaml, Yaml)> {
    let mut kept: Vec<(Yaml, Yaml)> = Vec::with_capacity(pairs.len());
    for (key, value) in pairs {
        match kept.iter_mut().find(|(known, _)| *known == key) {
            Some((_, known)) => *known = value,
            None => kept.push((key, value)),
        }
    }
    kept
}

/// As the Engine API takes it.
fn ipam(node: &Node, translation: &mut Translation) -> Option<Yaml> {
    let mut fields = Vec::new();
    for (key, value) in translation.mapping(node, "ipam") {
        match name_of(key).as_str() {
            "driver" => {
                let driver = translation.scalar(value, "driver");
                fields.extend(driver.map(|driver| (Yaml::text("Driver"), driver)));
            }
            "options" => {
                let options = texts_by_name(value, "options", translation);
                fields.extend(options.map(|options| (Yaml::text("Options"), options)));
            }
            "config" => {
                let Value::List(items) = &value.value else {
                    translation.wrong(value, "ipam.config", "a list");
                    continue;
                };
                let pools = items.iter().map(|item| Yaml::Map(pool(item, translation)));
                fields.push((Yaml::text("Config"), Yaml::List(pools.collect())));
            }
            other => {
                let message = format!("ipam has no {other} in Compose; it is left out");
                translation.note(key.at, message, "look whether it is misspelt");
            }
        }
    }
    (!fields.is_empty()).then_some(Yaml::Map(fields))
}

fn pool(node: &Node, translation: &mut Translation) -> Vec<(Yaml, Yaml)> {
    let mut fields = Vec::new();
    for (key, value) in translation.mapping(node, "ipam.config") {
        let (name, value) = match name_of(key).as_str() {
            "subnet" => ("Subnet", translation.word(value, "subnet", "subnet")),
            "ip_range" => ("IPRange", translation.word(value, "ip_range", "ip_range")),
            "gateway" => ("Gateway", translation.word(value, "gateway", "gateway")),
            "aux_addresses" => {
                let addresses = texts_by_name(value, "aux_addresses", translation);
                ("AuxiliaryAddresses", addresses)
            }
            other => {
                let message = format!("ipam.config has no {other} in Compose; it is left out");
                translation.note(key.at, message, "look whether it is misspelt");
                continue;
            }
        };
        fields.extend(value.map(|value| (Yaml::text(name), value)));
    }
    fields
}
