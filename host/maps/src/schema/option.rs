//! The options of `create_options` and `host_config`.

use serde_json::{Map, Value as Json, json};

use super::{of_type, reference};
use crate::options::{Form, Known, Section};

/// What a section may have.
pub(super) fn properties(section: Section) -> Map<String, Json> {
    let property = |known: &Known| {
        let mut schema = schema(known.form);
        if let Some(fields) = schema.as_object_mut() {
            fields.insert("description".to_owned(), json!(known.description));
        }
        (known.name.to_owned(), schema)
    };
    section.options().map(property).collect()
}

fn schema(form: Form) -> Json {
    let scalars = json!({ "type": "array", "items": { "$ref": "#/$defs/scalar" } });
    let values = json!({
        "type": "object",
        "additionalProperties": { "$ref": "#/$defs/text" },
    });
    let records = |items: &[&str]| json!({ "type": ["array", "null"], "items": { "type": items } });
    match form {
        Form::Text => reference("text"),
        Form::Flag => reference("flag"),
        Form::Number => reference("number"),
        Form::Bytes => of_type(&["integer", "string", "null"]),
        Form::Command => reference("command"),
        Form::Assignments | Form::Texts | Form::Tmpfs => {
            json!({ "anyOf": [values, scalars, of_type(&["null"])] })
        }
        Form::List => {
            json!({ "anyOf": [scalars, values, reference("scalar"), of_type(&["null"])] })
        }
        Form::Pairs | Form::Binds | Form::Volumes | Form::Ports => {
            of_type(&["array", "object", "string", "integer", "null"])
        }
        Form::PortBindings | Form::RestartPolicy | Form::HealthCheck | Form::LogConfig => {
            of_type(&["object", "null"])
        }
        Form::Records => records(&["object"]),
        Form::Devices => records(&["object", "string"]),
    }
}
