//! Labels by which dfab knows what it made.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::temporary::RUN_LABEL;

/// The map that a container, network or volume was made for.
pub const MAP: &str = dfab_runtime::MAP_LABEL;
/// The configuration, network or volume alias in that map.
pub const CONFIGURATION: &str = "dfab.configuration";
/// The container's instance.
pub const INSTANCE: &str = "dfab.instance";
/// The names of the fields that the map gave at the creation, after the version of this form; of a
/// network's options and addresses also of what is in them. What a later map no longer gives is known by it;
/// values stand in the container itself.
pub const SPECIFICATION: &str = "dfab.specification";

const VERSION: &str = "1";

/// Whether a label is one of dfab's own.
pub(crate) fn is_own(name: &str) -> bool {
    [MAP, CONFIGURATION, INSTANCE, SPECIFICATION, RUN_LABEL].contains(&name)
}

/// Reads [`SPECIFICATION`]; none where it has another form than this version's.
pub(crate) fn given_fields(label: &str) -> Option<BTreeSet<&str>> {
    let mut words = label.split(' ');
    (words.next() == Some(VERSION)).then(|| words.collect())
}

/// Adds dfab's own labels to a body, beside those of the map.
pub(crate) fn labelled(
    mut body: Value,
    map: &str,
    configuration: &str,
    instance: Option<&str>,
) -> Value {
    let specification = specification(&body);
    let Some(fields) = body.as_object_mut() else {
        return body;
    };
    let labels = fields.entry("Labels").or_insert_with(|| json!({}));
    if let Some(labels) = labels.as_object_mut() {
        labels.insert(MAP.to_owned(), json!(map));
        labels.insert(CONFIGURATION.to_owned(), json!(configuration));
        if let Some(instance) = instance {
            labels.insert(INSTANCE.to_owned(), json!(instance));
        }
        labels.insert(SPECIFICATION.to_owned(), json!(specification));
    }
    body
}

fn specification(body: &Value) -> String {
    let mut words = vec![VERSION.to_owned()];
    for (name, value) in body.as_object().into_iter().flatten() {
        match (name.as_str(), value) {
            ("HostConfig", Value::Object(fields)) => {
                words.extend(fields.keys().map(|field| format!("HostConfig.{field}")));
            }
            ("Options" | "IPAM", Value::Object(_)) => names(name, value, &mut words),
            _ => words.push(name.clone()),
        }
    }
    words.join(" ")
}

/// A field's name, and those of the fields in it.
fn names(field: &str, value: &Value, words: &mut Vec<String>) {
    // A word ends there.
    if field.contains(' ') {
        return;
    }
    if !words.iter().any(|word| word == field) {
        words.push(field.to_owned());
    }
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                names(&format!("{field}.{name}"), value, words);
            }
        }
        Value::Array(items) => {
            for item in items {
                names(field, item, words);
            }
        }
        _ => {}
    }
}
