//! What the sections `volumes` and `networks` of a map say.

use serde_json::Value as Json;

use crate::config::{optional_text, permissions, user};
use crate::diagnostic::Report;
use crate::options::{NETWORK, Shape, VOLUME};
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
    mapping(&node, report)
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
