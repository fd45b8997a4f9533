//! The options of `create_options` and `host_config`.

use serde_json::{Map, Value as Json, json};

use super::{of_type, reference, value};
use crate::options::{Form, Known, Section, Shape, WITHOUT_EFFECT};

/// What a section may have.
pub(super) fn properties(section: Section) -> Map<String, Json> {
    let property = |known: &Known| {
        let mut schema = schema(known);
        if let Some(fields) = schema.as_object_mut() {
            fields.insert("description".to_owned(), json!(known.description));
        }
        (known.name.to_owned(), schema)
    };
    let without_effect = WITHOUT_EFFECT.map(|name| {
        let description = "Of Docker's Python SDK; means nothing to the engine.";
        let schema = json!({ "description": description, "deprecated": true });
        (name.to_owned(), schema)
    });
    section
        .options()
        .map(property)
        .chain(without_effect)
        .collect()
}

/// The names of a record's fields, and free ones.
pub(super) fn names(shape: &Shape) -> Json {
    let names: Vec<_> = shape.names().collect();
    json!({ "anyOf": [{ "enum": names }, { "pattern": "^x-" }] })
}

fn schema(known: &Known) -> Json {
    let form = known.form;
    let names = || known.shape().map_or(json!({}), names);
    let scalars = json!({ "type": "array", "items": { "$ref": "#/$defs/scalar" } });
    let values = json!({
        "type": "object",
        "additionalProperties": { "$ref": "#/$defs/text" },
    });
    let records = |items: &[&str]| json!({ "type": ["array", "null"], "items": { "type": items, "propertyNames": names() } });
    match form {
        Form::Text if known.name == "stop_signal" => reference("signal"),
        Form::Text => value::word(known.name).unwrap_or_else(|| reference("text")),
        Form::Flag => reference("switch"),
        Form::Number => value::whole_number(known.name),
        Form::Bytes => value::bytes(known.name),
        Form::Command => reference("command"),
        Form::Assignments | Form::Texts | Form::Tmpfs => {
            json!({ "anyOf": [values, scalars, of_type(&["null"])] })
        }
        Form::List if matches!(known.name, "cap_add" | "cap_drop") => {
            let items = json!({ "type": "array", "items": reference("capability") });
            json!({ "anyOf": [items, values, of_type(&["string", "null"])] })
        }
        Form::List => {
            json!({ "anyOf": [scalars, values, reference("scalar"), of_type(&["null"])] })
        }
        Form::Pairs | Form::Binds | Form::Volumes | Form::Ports => {
            of_type(&["array", "object", "string", "integer", "null"])
        }
        Form::PortBindings => of_type(&["object", "null"]),
        Form::RestartPolicy => known.shape().map_or(json!({}), value::restart_policy),
        Form::HealthCheck | Form::LogConfig => {
            json!({ "type": ["object", "null"], "propertyNames": names() })
        }
        Form::Records => records(&["object"]),
        Form::Devices => records(&["object", "string"]),
    }
}
