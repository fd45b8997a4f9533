//! The fields of records within options, so that a misspelt one is found.

use std::borrow::Cow;

use crate::diagnostic::Report;
use crate::tree::{Node, Value};

/// The fields of a record.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    /// As the Engine API has them, each with what is in it.
    fields: &'static [(&'static str, Option<&'static Shape>)],
    spelling: Spelling,
}

/// How else fields may be written than in the case of the Engine API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Spelling {
    /// As the SDK has them, with underscores.
    Sdk,
    /// Only in small letters: they are handed over as they are, and the engine takes no notice of case.
    Small,
}

impl Shape {
    /// The names that fields may have.
    pub(crate) fn names(&self) -> impl Iterator<Item = Cow<'static, str>> + '_ {
        self.fields.iter().flat_map(|(name, _)| {
            let other = self.spelling.of(name);
            [Cow::Borrowed(*name), Cow::Owned(other)]
        })
    }

    /// Tells fields that nobody knows, and takes out those that are free.
    pub(crate) fn check(&self, node: &mut Node, of: &str, report: &mut Report) {
        match &mut node.value {
            Value::List(items) => {
                for item in items {
                    self.check(item, of, report);
                }
            }
            Value::Map(pairs) => {
                pairs.retain(|(key, _)| !key.key_text().starts_with("x-"));
                for (key, value) in pairs {
                    self.check_field(key, value, of, report);
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Text(_) => {}
        }
    }

    fn check_field(&self, key: &Node, value: &mut Node, of: &str, report: &mut Report) {
        let name = key.key_text();
        let known = |field: &&(&'static str, Option<&'static Shape>)| {
            field.0 == name || self.spelling.of(field.0) == name
        };
        match self.fields.iter().find(known) {
            Some((_, Some(inner))) => inner.check(value, &format!("{of}.{name}"), report),
            Some((_, None)) => {}
            None => {
                let is_engines = name.contains(char::is_uppercase);
                let names: Vec<Cow<'_, str>> = self
                    .fields
                    .iter()
                    .map(
                        |(field, _)| match is_engines || self.spelling == Spelling::Small {
                            true => Cow::Borrowed(*field),
                            false => Cow::Owned(self.spelling.of(field)),
                        },
                    )
                    .collect();
                let names: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
                report.unknown(key.at, &format!("field of {of}"), &name, &names);
            }
        }
    }
}

impl Spelling {
    fn of(self, name: &str) -> String {
        match self {
            Self::Small => name.to_ascii_lowercase(),
            Self::Sdk => {
                let mut written = String::with_capacity(name.len() + 4);
                let mut after_small = false;
                for letter in name.chars() {
                    if after_small && letter.is_ascii_uppercase() {
                        written.push('_');
                    }
                    after_small = letter.is_ascii_lowercase();
                    written.push(letter.to_ascii_lowercase());
                }
                written
            }
        }
    }
}

const fn sdk(fields: &'static [(&'static str, Option<&'static Shape>)]) -> Shape {
    Shape {
        fields,
        spelling: Spelling::Sdk,
    }
}

const fn small(fields: &'static [(&'static str, Option<&'static Shape>)]) -> Shape {
    Shape {
        fields,
        spelling: Spelling::Small,
    }
}

pub(super) static RESTART_POLICY: Shape = sdk(&[("Name", None), ("MaximumRetryCount", None)]);
pub(super) static HEALTH_CHECK: Shape = sdk(&[
    ("Test", None),
    ("Interval", None),
    ("Timeout", None),
    ("Retries", None),
    ("StartPeriod", None),
    ("StartInterval", None),
]);
pub(super) static LOG_CONFIG: Shape = sdk(&[("Type", None), ("Config", None)]);
pub(super) static ULIMIT: Shape = sdk(&[("Name", None), ("Soft", None), ("Hard", None)]);
pub(super) static RATE: Shape = sdk(&[("Path", None), ("Rate", None)]);
pub(super) static WEIGHT: Shape = sdk(&[("Path", None), ("Weight", None)]);
pub(super) static DEVICE: Shape = sdk(&[
    ("PathOnHost", None),
    ("PathInContainer", None),
    ("CgroupPermissions", None),
]);
pub(super) static DEVICE_REQUEST: Shape = sdk(&[
    ("Driver", None),
    ("Count", None),
    ("DeviceIDs", None),
    ("Capabilities", None),
    ("Options", None),
]);
pub(super) static PORT_BINDING: Shape = sdk(&[("HostIp", None), ("HostPort", None)]);
/// Of the SDK alone.
pub(super) static BIND: Shape = small(&[
    ("bind", None),
    ("mode", None),
    ("ro", None),
    ("propagation", None),
]);
pub(super) static MOUNT: Shape = sdk(&[
    ("Type", None),
    ("Target", None),
    ("Source", None),
    ("ReadOnly", None),
    ("Consistency", None),
    ("BindOptions", Some(&BIND_OPTIONS)),
    ("VolumeOptions", Some(&VOLUME_OPTIONS)),
    ("TmpfsOptions", Some(&TMPFS_OPTIONS)),
    ("ImageOptions", Some(&IMAGE_OPTIONS)),
    ("ClusterOptions", None),
]);
static BIND_OPTIONS: Shape = small(&[
    ("Propagation", None),
    ("NonRecursive", None),
    ("CreateMountpoint", None),
    ("ReadOnlyNonRecursive", None),
    ("ReadOnlyForceRecursive", None),
]);
static VOLUME_OPTIONS: Shape = small(&[
    ("NoCopy", None),
    ("Labels", None),
    ("DriverConfig", Some(&DRIVER_CONFIG)),
    ("Subpath", None),
]);
static DRIVER_CONFIG: Shape = small(&[("Name", None), ("Options", None)]);
static TMPFS_OPTIONS: Shape = small(&[("SizeBytes", None), ("Mode", None), ("Options", None)]);
static IMAGE_OPTIONS: Shape = small(&[("Subpath", None)]);

/// `create_options` of a volume.
pub(crate) static VOLUME: Shape = sdk(&[
    ("Name", None),
    ("Driver", None),
    ("DriverOpts", None),
    ("Labels", None),
    ("ClusterVolumeSpec", None),
]);
/// `create_options` of a network.
pub(crate) static NETWORK: Shape = sdk(&[
    ("Name", None),
    ("CheckDuplicate", None),
    ("Driver", None),
    ("Scope", None),
    ("Internal", None),
    ("Attachable", None),
    ("Ingress", None),
    ("ConfigOnly", None),
    ("ConfigFrom", Some(&CONFIG_FROM)),
    ("IPAM", Some(&IPAM)),
    ("EnableIPv4", None),
    ("EnableIPv6", None),
    ("Options", None),
    ("Labels", None),
]);
static CONFIG_FROM: Shape = small(&[("Network", None)]);
static IPAM: Shape = small(&[("Driver", None), ("Config", Some(&POOL)), ("Options", None)]);
static POOL: Shape = small(&[
    ("Subnet", None),
    ("IPRange", None),
    ("Gateway", None),
    ("AuxiliaryAddresses", None),
]);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_written_as_the_engine_or_the_sdk_has_them() {
        let names = |shape: &Shape| shape.names().collect::<Vec<_>>().join(" ");
        insta::assert_snapshot!(names(&RESTART_POLICY), @"Name name MaximumRetryCount maximum_retry_count");
        insta::assert_snapshot!(names(&DEVICE_REQUEST), @"Driver driver Count count DeviceIDs device_ids Capabilities capabilities Options options");
        insta::assert_snapshot!(names(&NETWORK), @"Name name CheckDuplicate check_duplicate Driver driver Scope scope Internal internal Attachable attachable Ingress ingress ConfigOnly config_only ConfigFrom config_from IPAM ipam EnableIPv4 enable_ipv4 EnableIPv6 enable_ipv6 Options options Labels labels");
        insta::assert_snapshot!(names(&POOL), @"Subnet subnet IPRange iprange Gateway gateway AuxiliaryAddresses auxiliaryaddresses");
    }
}
