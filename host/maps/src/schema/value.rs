//! Values of which dfab takes only some: words, numbers, and texts of a certain form.
//!
//! Of `!env NAME` an editor sees the name alone, so that a text that begins as a name does is taken
//! wherever a setting may stand; what is no name is told.

use serde_json::{Map, Value as Json, json};

use super::{fields, of_type};
use crate::health_check::UNITS;
use crate::options::{LAST_SIGNAL, PROTOCOLS, RESTART_POLICIES, Shape, known_words, number_ranges};

/// What may be the name of a setting.
const SETTING: &str = "^[A-Za-z_]";

/// The definitions that maps refer to.
pub(super) fn definitions() -> Map<String, Json> {
    let definitions = [
        ("port", port()),
        ("host_port", host_port()),
        ("seconds", seconds()),
        ("delay", delay()),
        ("time", time()),
        ("count", count()),
        ("signal", signal()),
        ("capability", capability()),
        ("switch", switch()),
    ];
    definitions
        .into_iter()
        .map(|(name, schema)| (name.to_owned(), schema))
        .collect()
}

/// Any of these, or a setting.
fn any_of(schemas: &[Json]) -> Json {
    let mut schemas = schemas.to_vec();
    schemas.push(text(SETTING));
    json!({ "anyOf": schemas })
}

fn text(pattern: &str) -> Json {
    json!({ "type": "string", "pattern": pattern })
}

/// A number from 1 to 65535, as a text has it.
const PORT: &str =
    r"\+?0*([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])";

/// A port or a range of ports, perhaps with a protocol: as the key of a mapping, or alone.
pub(super) fn port_text() -> Json {
    let protocols = PROTOCOLS.join("|");
    any_of(&[text(&format!("^{PORT}(-{PORT})?(/({protocols}))?$"))])
}

fn port_number() -> Json {
    json!({ "type": "integer", "minimum": 1, "maximum": u16::MAX })
}

fn port() -> Json {
    any_of(&[port_number(), port_text()])
}

fn host_port() -> Json {
    any_of(&[
        port_number(),
        text(&format!("^({PORT}(-{PORT})?)?$")),
        of_type(&["null"]),
    ])
}

fn seconds() -> Json {
    any_of(&[
        json!({ "type": "integer", "minimum": 0, "maximum": u32::MAX }),
        text(r"^\+?[0-9]+$"),
        of_type(&["null"]),
    ])
}

/// A number with a fraction, as a text has it.
const DECIMAL: &str = r"([0-9]+\.?[0-9]*|\.[0-9]+)";

fn delay() -> Json {
    any_of(&[
        json!({ "type": "number", "minimum": 0 }),
        text(&format!(r"^\+?{DECIMAL}([eE][-+]?[0-9]+)?$")),
        of_type(&["null"]),
    ])
}

fn time() -> Json {
    let units = UNITS.map(|(unit, _)| unit).join("|");
    any_of(&[
        json!({ "type": "number", "minimum": 0 }),
        text(&format!(r"^({DECIMAL}\s*({units})?\s*)?$")),
        of_type(&["null"]),
    ])
}

fn count() -> Json {
    any_of(&[
        json!({ "type": "integer", "minimum": 0 }),
        text(r"^\+?[0-9]+$"),
        of_type(&["null"]),
    ])
}

/// A name in capitals that begins as those of signals do is one, or is called after the word itself.
fn signal() -> Json {
    let known = known_words("stop_signal");
    let names: Vec<String> = known
        .iter()
        .map(|word| in_any_case(word.strip_prefix("SIG").unwrap_or(word)))
        .collect();
    let names = names.join("|");
    let numbers: Vec<String> = (1..=LAST_SIGNAL).map(|number| number.to_string()).collect();
    let numbers = numbers.join("|");
    json!({
        "anyOf": [
            { "enum": known },
            text(&format!(
                r"^SIG({names}|[rR][tT]([mM][aA][xX]|[mM][iI][nN]\+([1-9]|1[0-5])|[mM][aA][xX]-([1-9]|1[0-4])))$"
            )),
            text(r"^(?!SIG(?!NAL))[A-Za-z_]"),
            text(&format!(r"^(\+?0*({numbers}))?$")),
            { "type": "integer", "minimum": 1, "maximum": LAST_SIGNAL },
            of_type(&["null"]),
        ],
    })
}

/// The same for what begins with `CAP_`.
fn capability() -> Json {
    let known = known_words("cap_add");
    let names: Vec<String> = known
        .iter()
        .filter(|word| **word != "ALL")
        .map(|word| in_any_case(word))
        .collect();
    let names = names.join("|");
    json!({
        "anyOf": [
            { "enum": known },
            text(&format!("^CAP_({names})$")),
            text("^(?!CAP_)[A-Za-z_]"),
            { "const": "" },
        ],
    })
}

/// True or false where a text is neither. What YAML 1.1 reads as one of them without quotes may be a
/// text to an editor.
fn switch() -> Json {
    json!({
        "anyOf": [
            of_type(&["boolean", "number", "null"]),
            text("^(?!(true|True|TRUE|false|False|FALSE)$)[A-Za-z_]"),
        ],
    })
}

/// A text in which an option knows some words.
pub(super) fn word(option: &str) -> Option<Json> {
    // What stands for many words is none to choose.
    let known = known_words(option);
    let known: Vec<_> = known.iter().filter(|word| !word.contains(':')).collect();
    let scalar = of_type(&["string", "number", "boolean", "null"]);
    (!known.is_empty()).then(|| json!({ "anyOf": [{ "enum": known }, scalar] }))
}

/// A whole number of which an option takes some.
pub(super) fn whole_number(option: &str) -> Json {
    number(option, r"^\s*[-+]?[0-9]+\s*$")
}

/// A number of bytes.
pub(super) fn bytes(option: &str) -> Json {
    number(option, r"^\s*[-+]?[0-9]+\s*[kKmMgGtT]?[bB]*\s*$")
}

fn number(option: &str, pattern: &str) -> Json {
    let mut schemas = vec![text(pattern), of_type(&["null"])];
    for (first, last) in number_ranges(option) {
        let mut schema = json!({ "type": "integer" });
        if let Some(limits) = schema.as_object_mut() {
            if *first > i64::MIN {
                limits.insert("minimum".to_owned(), json!(first));
            }
            if *last < i64::MAX {
                limits.insert("maximum".to_owned(), json!(last));
            }
        }
        schemas.push(schema);
    }
    any_of(&schemas)
}

/// When a container is started again. A plain `no` is false to a reader of YAML 1.1.
pub(super) fn restart_policy(shape: &Shape) -> Json {
    let mut policies: Vec<Json> = RESTART_POLICIES.iter().map(|name| json!(name)).collect();
    policies.push(json!(false));
    let name = any_of(&[json!({ "enum": policies })]);
    let count = any_of(&[
        json!({ "type": "integer", "minimum": 0 }),
        of_type(&["null"]),
    ]);
    let names = "no, always, unless-stopped or on-failure.";
    let attempts = "How often it is tried, with on-failure.";
    json!({
        "type": ["object", "null"],
        "propertyNames": super::option::names(shape),
        "properties": fields([
            ("Name", names, name.clone()),
            ("name", names, name),
            ("MaximumRetryCount", attempts, count.clone()),
            ("maximum_retry_count", attempts, count),
        ]),
    })
}

/// A pattern of a word whatever its letters are.
fn in_any_case(word: &str) -> String {
    let letter = |letter: char| match letter.is_ascii_alphabetic() {
        true => format!(
            "[{}{}]",
            letter.to_ascii_lowercase(),
            letter.to_ascii_uppercase()
        ),
        false => letter.to_string(),
    };
    word.chars().map(letter).collect()
}
