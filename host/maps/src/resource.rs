//! What the sections `volumes` and `networks` of a map say.

use serde_json::Value as Json;

use crate::config::{optional_text, permissions, user};
use crate::diagnostic::Report;
use crate::options::{NETWORK, Shape, VOLUME};
use crate::subnet::{Subnet, subnets};
use crate::tree::{Node, Value};

/// What the `volumes` section says of an alias.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct VolumeConfig {
    pub(crate) default_path: Option<String>,
    pub(crate) driver: Option<String>,
    pub(crate) driver_options: Option<Json>,
    pub(crate) create_options: Option<Json>,
    pub(crate) user: Option<String>,
    pub(crate) permissions: Option<String>,
}

/// What the `networks` section says of a name.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct NetworkConfig {
    pub(crate) driver: Option<String>,
    pub(crate) driver_options: Option<Json>,
    pub(crate) internal: bool,
    pub(crate) create_options: Option<Json>,
    /// Those of its pools of addresses.
    pub(crate) subnets: Vec<Subnet>,
}

impl VolumeConfig {
    pub(crate) fn read(node: &Node, report: &mut Report) -> Self {
        const KEYS: [&str; 6] = [
            "default_path",
            "driver",
            "driver_options",
            "create_options",
            "user",
            "permissions",
        ];
        let mut volume = Self::default();
        match &node.value {
            Value::Null => {}
            Value::Map(pairs) => {
                for (key, value) in pairs {
                    match &*key.key_text() {
                        "default_path" => {
                            volume.default_path =
                                optional_text(value, "a path in the container", report)
                        }
                        "driver" => volume.driver = optional_text(value, "a driver", report),
                        "driver_options" => volume.driver_options = mapping(value, report),
                        "create_options" => {
                            volume.create_options = create_options(value, &VOLUME, report);
                        }
                        "user" => volume.user = user(value, report),
                        "permissions" => volume.permissions = permissions(value, report),
                        free if free.starts_with("x-") => {}
                        other => report.unknown(key.at, "key of a volume", other, &KEYS),
                    }
                }
            }
            Value::Text(path) => volume.default_path = Some(path.clone()),
            _ => report.error(node.at, "a volume is a path or a mapping"),
        }
        volume
    }
}

impl NetworkConfig {
    /// Whether it may have addresses to choose from: a pool of its own, or what another network has.
    pub(crate) fn has_pool(&self) -> bool {
        let fields = self.create_options.as_ref().and_then(Json::as_object);
        fields.into_iter().flatten().any(|(name, _)| {
            let name = name.replace('_', "");
            name.eq_ignore_ascii_case("IPAM") || name.eq_ignore_ascii_case("ConfigFrom")
        })
    }

    pub(crate) fn read(node: &Node, report: &mut Report) -> Self {
        const KEYS: [&str; 4] = ["driver", "driver_options", "internal", "create_options"];
        let mut network = Self::default();
        match &node.value {
            Value::Null => {}
            Value::Map(pairs) => {
                for (key, value) in pairs {
                    match &*key.key_text() {
                        "driver" => network.driver = optional_text(value, "a driver", report),
                        "driver_options" => network.driver_options = mapping(value, report),
                        "internal" => network.internal = value.truth(report),
                        "create_options" => {
                            network.create_options = create_options(value, &NETWORK, report);
                            network.subnets = subnets(value, report);
                        }
                        free if free.starts_with("x-") => {}
                        other => report.unknown(key.at, "key of a network", other, &KEYS),
                    }
                }
            }
            _ => report.error(node.at, "a network is a mapping"),
        }
        network
    }
}

/// What the engine is told beside.
fn create_options(node: &Node, shape: &Shape, report: &mut Report) -> Option<Json> {
    let mut node = node.clone();
    if matches!(node.value, Value::Map(_)) {
        shape.check(&mut node, "create_options", report);
    }
    if let Value::Map(pairs) = &node.value {
        for (key, value) in pairs {
            check_kind(&key.key_text(), value, report);
        }
    }
    mapping(&node, report)
}

/// Tells of values that are of another kind than the engine reads: they are handed over as they are.
fn check_kind(name: &str, node: &Node, report: &mut Report) {
    const FLAGS: [&str; 7] = [
        "checkduplicate",
        "internal",
        "attachable",
        "ingress",
        "configonly",
        "enableipv4",
        "enableipv6",
    ];
    let plain = name.replace('_', "").to_ascii_lowercase();
    if node.is_unset || node.is_null() {
        return;
    }
    if FLAGS.contains(&plain.as_str()) && !matches!(node.value, Value::Bool(_)) {
        let message = format!("{name} takes true or false, not {}", node.kind());
        report.error(node.at, message);
    }
    if !matches!(plain.as_str(), "labels" | "options" | "driveropts") {
        return;
    }
    let Value::Map(pairs) = &node.value else {
        let message = format!("{name} is a mapping, not {}", node.kind());
        return report.error(node.at, message);
    };
    for (_, value) in pairs {
        if matches!(value.value, Value::List(_) | Value::Map(_)) {
            let message = format!("a text is wanted here, not {}", value.kind());
            report.error(value.at, message);
        }
    }
}

/// Options, if there are any.
fn mapping(node: &Node, report: &mut Report) -> Option<Json> {
    match &node.value {
        Value::Null => None,
        Value::Map(pairs) => (!pairs.is_empty()).then(|| node.json()),
        _ => {
            let message = format!("options are a mapping, not {}", node.kind());
            report.error(node.at, message);
            None
        }
    }
}
