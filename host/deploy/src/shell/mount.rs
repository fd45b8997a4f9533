//! `--mount`

use serde_json::Value;

use super::command::{Command, entries, is_nothing, separated, text};

/// Fields of a mount that are one key of the option each.
const FIELDS: [(&str, &str); 4] = [
    ("Type", "type"),
    ("Source", "source"),
    ("Target", "target"),
    ("Consistency", "consistency"),
];

/// `--mount`, from a `Mount` of the Engine API.
pub(super) fn mount(command: &mut Command, value: &Value) {
    if !value.is_object() {
        command.not_expressed("Mounts", value);
        return;
    }
    let mut parts = Vec::new();
    let mut other = Vec::new();
    for (field, value) in entries(value) {
        let key = FIELDS.iter().find(|(name, _)| name == field);
        match (field.as_str(), key, text(value)) {
            _ if is_nothing(value) => {}
            (_, Some((_, key)), Some(value)) => parts.push(format!("{key}={value}")),
            ("ReadOnly", ..) if value == &Value::Bool(true) => parts.push("readonly".to_owned()),
            ("ReadOnly", ..) if value == &Value::Bool(false) => {}
            ("BindOptions" | "VolumeOptions" | "TmpfsOptions", ..) => {
                for (name, value) in entries(value) {
                    match option(name, value) {
                        Some(more) => parts.extend(more),
                        None => other.push((format!("Mounts.{field}.{name}"), value.clone())),
                    }
                }
            }
            _ => other.push((format!("Mounts.{field}"), value.clone())),
        }
    }
    let parts: Vec<_> = parts.iter().map(|part| separated(part)).collect();
    command.option("mount", parts.join(","));
    for (field, value) in other {
        command.not_expressed(&field, &value);
    }
}

/// None where there is no key for it.
fn option(name: &str, value: &Value) -> Option<Vec<String>> {
    let one = |key: &str| Some(vec![format!("{key}={}", text(value)?)]);
    let each = |key: &str, value: &Value| -> Option<Vec<String>> {
        entries(value)
            .map(|(name, value)| Some(format!("{key}={name}={}", text(value)?)))
            .collect()
    };
    match (name, value) {
        (_, Value::Bool(false)) => Some(Vec::new()),
        _ if is_nothing(value) => Some(Vec::new()),
        ("Propagation", _) => one("bind-propagation"),
        ("NonRecursive", Value::Bool(true)) => Some(vec!["bind-recursive=disabled".to_owned()]),
        ("NoCopy", Value::Bool(true)) => Some(vec!["volume-nocopy".to_owned()]),
        ("Labels", Value::Object(_)) => each("volume-label", value),
        ("Subpath", _) => one("volume-subpath"),
        ("DriverConfig", Value::Object(fields)) => {
            if fields
                .keys()
                .any(|field| field != "Name" && field != "Options")
            {
                return None;
            }
            let mut parts = Vec::new();
            if !is_nothing(&value["Name"]) {
                parts.push(format!("volume-driver={}", text(&value["Name"])?));
            }
            parts.extend(each("volume-opt", &value["Options"])?);
            Some(parts)
        }
        ("SizeBytes", _) => one("tmpfs-size"),
        ("Mode", _) => Some(vec![format!("tmpfs-mode={:o}", value.as_u64()?)]),
        _ => None,
    }
}
