//! How the value of an option becomes that of a field.

use serde_json::{Map, Value as Json, json};

use crate::body::{pascal_case, text_of};
use crate::tree::{Node, Value};

/// The names that the engine has for when it starts a container again; an empty one is `no`.
pub(crate) const RESTART_POLICIES: [&str; 5] = ["no", "always", "unless-stopped", "on-failure", ""];

/// What a port may be of.
pub(crate) const PROTOCOLS: [&str; 3] = ["tcp", "udp", "sctp"];

/// What is taken, and what becomes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// A text; numbers become texts.
    Text,
    /// True or false.
    Flag,
    /// A whole number.
    Number,
    /// A number of bytes, with a unit.
    Bytes,
    /// A list of texts; a single value is a list of one.
    List,
    /// A command line: a list, or text that is split as a shell would.
    Command,
    /// `NAME=VALUE` texts, from a mapping or a list.
    Assignments,
    /// A mapping from text to text, from a mapping or a list of names.
    Texts,
    /// `A:B` texts, from a mapping, or a list of texts or pairs.
    Pairs,
    /// `HOST:CONTAINER:MODE` texts, from a mapping or a list.
    Binds,
    /// A mapping from paths to options, from a mapping or a list of `PATH[:OPTIONS]`.
    Tmpfs,
    /// Paths in the container, from a text, a list or a mapping.
    Volumes,
    /// Ports of the container, from a list or a mapping.
    Ports,
    /// Where ports are published, from a mapping.
    PortBindings,
    /// A list of mappings, with names in the Engine API's case already or in the SDK's.
    Records,
    /// The same, or texts `HOST[:CONTAINER[:rwm]]`.
    Devices,
    /// `{Name, MaximumRetryCount}`
    RestartPolicy,
    /// `{Test, Interval, …}`
    HealthCheck,
    /// `{Type, Config}`
    LogConfig,
}

impl Form {
    /// What is wanted, for messages.
    pub(crate) const fn wanted(self) -> &'static str {
        match self {
            Self::Text => "a text",
            Self::Flag => "true or false",
            Self::Number => "a whole number",
            Self::Bytes => "a number of bytes such as 512m",
            Self::List => "a list of texts",
            Self::Command => "a text or a list of words",
            Self::Assignments => "a mapping, or a list of NAME=VALUE",
            Self::Texts => "a mapping, or a list of names",
            Self::Pairs => "a mapping, or a list of ONE:OTHER",
            Self::Binds => {
                "a list of HOST:CONTAINER[:MODE], or {HOST: {bind: CONTAINER, mode: MODE}}"
            }
            Self::Tmpfs => "a list of paths, or a mapping from paths to options",
            Self::Volumes => "a list of paths",
            Self::Ports => "a list of NUMBER or NUMBER/PROTOCOL",
            Self::PortBindings => "a mapping from ports to HOST_PORT or [ADDRESS, HOST_PORT]",
            Self::Records => "a list of mappings",
            Self::Devices => "a list of HOST[:CONTAINER[:rwm]] or mappings",
            Self::RestartPolicy => {
                "{Name: 'no', always, unless-stopped or on-failure, MaximumRetryCount: NUMBER}"
            }
            Self::HealthCheck => "{Test: COMMAND, Interval: NANOSECONDS, …}",
            Self::LogConfig => "{Type: DRIVER, Config: {NAME: VALUE}}",
        }
    }

    /// Whether a plain `yes` may be meant as a word.
    pub(super) const fn takes_words(self) -> bool {
        matches!(
            self,
            Self::Text
                | Self::List
                | Self::Command
                | Self::Assignments
                | Self::Texts
                | Self::RestartPolicy
        )
    }

    /// The field's value; none where the option's is of another form.
    pub(super) fn value_of(self, node: &Node) -> Option<Json> {
        let json = node.json();
        match self {
            Self::Text => scalar(&json).map(Json::String),
            Self::Flag => match json {
                Json::Bool(_) => Some(json),
                Json::Number(number) => Some(json!(number.as_f64() != Some(0.0))),
                _ => None,
            },
            Self::Number => whole_number(&json).map(|number| json!(number)),
            Self::Bytes => bytes(&scalar(&json)?).map(|bytes| json!(bytes)),
            Self::List => match json {
                Json::Array(items) => all(&items, scalar),
                Json::Object(fields) => pairs(&fields),
                other => scalar(&other).map(|text| json!([text])),
            },
            Self::Command => match &node.value {
                Value::List(_) => match json {
                    Json::Array(items) => all(&items, scalar),
                    _ => None,
                },
                _ => shell_words::split(&scalar(&json)?)
                    .ok()
                    .map(|words| json!(words)),
            },
            Self::Assignments => match json {
                Json::Object(fields) => fields
                    .iter()
                    .map(|(name, value)| match value {
                        Json::Null => Some(json!(name)),
                        value => Some(json!(format!("{name}={}", python_text(value)?))),
                    })
                    .collect(),
                Json::Array(items) => all(&items, scalar),
                _ => None,
            },
            Self::Texts => match json {
                Json::Object(fields) => texts(&fields),
                Json::Array(names) => names
                    .iter()
                    .map(|name| Some((scalar(name)?, json!(""))))
                    .collect::<Option<Map<_, _>>>()
                    .map(Json::Object),
                _ => None,
            },
            Self::Pairs => match json {
                Json::Object(fields) => pairs(&fields),
                Json::Array(items) => all(&items, |item| match item {
                    Json::Array(pair) => {
                        let words: Option<Vec<String>> = pair.iter().map(scalar).collect();
                        words.map(|words| words.join(":"))
                    }
                    other => scalar(other),
                }),
                other => scalar(&other).map(|text| json!([text])),
            },
            Self::Binds => match json {
                Json::Object(fields) => fields.iter().map(bind).collect(),
                Json::Array(items) => all(&items, scalar),
                other => scalar(&other).map(|text| json!([text])),
            },
            Self::Tmpfs => match json {
                Json::Object(fields) => texts(&fields),
                Json::Array(items) => items
                    .iter()
                    .map(|item| {
                        let text = scalar(item)?;
                        let (path, options) = text.split_once(':').unwrap_or((&text, ""));
                        Some((path.to_owned(), json!(options)))
                    })
                    .collect::<Option<Map<_, _>>>()
                    .map(Json::Object),
                _ => None,
            },
            Self::Volumes => match json {
                Json::Object(fields) => Some(named(fields.into_iter().map(|(path, _)| path))),
                Json::Array(items) => items
                    .iter()
                    .map(scalar)
                    .collect::<Option<Vec<_>>>()
                    .map(|paths| named(paths.into_iter())),
                other => scalar(&other).map(|path| named([path].into_iter())),
            },
            Self::Ports => {
                let ports: Option<Vec<String>> = match &json {
                    Json::Object(fields) => {
                        fields.keys().map(|port| port_of(&json!(port))).collect()
                    }
                    Json::Array(items) => items.iter().map(port_of).collect(),
                    _ => None,
                };
                ports.map(|ports| named(ports.into_iter()))
            }
            Self::PortBindings => match json {
                Json::Object(fields) => fields
                    .iter()
                    .map(|(port, bindings)| Some((port_of(&json!(port))?, bindings_of(bindings)?)))
                    .collect::<Option<Map<_, _>>>()
                    .map(Json::Object),
                _ => None,
            },
            Self::Records => match json {
                Json::Array(items) => items
                    .iter()
                    .map(|item| item.as_object().map(record))
                    .collect(),
                _ => None,
            },
            Self::Devices => match json {
                Json::Array(items) => items
                    .iter()
                    .map(|item| match item {
                        Json::Object(fields) => Some(record(fields)),
                        other => scalar(other).map(|text| device(&text)),
                    })
                    .collect(),
                _ => None,
            },
            Self::RestartPolicy => edited(json, "Name", |name| match name {
                // YAML reads a plain `no` as a boolean, where the policy of that name is meant.
                Json::Bool(false) => Some(json!("no")),
                Json::String(name) if RESTART_POLICIES.contains(&name.as_str()) => {
                    Some(json!(name))
                }
                _ => None,
            }),
            Self::HealthCheck => edited(json, "Test", |test| match test {
                Json::String(command) => Some(json!(["CMD-SHELL", command])),
                Json::Array(_) => Some(test.clone()),
                _ => None,
            }),
            Self::LogConfig => edited(json, "Config", |config| match config {
                Json::Object(options) => texts(options),
                Json::Null => Some(Json::Null),
                _ => None,
            }),
        }
    }
}

/// The text of a scalar.
fn scalar(json: &Json) -> Option<String> {
    match json {
        Json::Null | Json::Array(_) | Json::Object(_) => None,
        value => Some(text_of(value)),
    }
}

/// A scalar as Python writes it: Docker-Map handed variables over as values, and an old map must not
/// give a container others.
pub(super) fn python_text(json: &Json) -> Option<String> {
    match json {
        Json::Bool(true) => Some("True".to_owned()),
        Json::Bool(false) => Some("False".to_owned()),
        Json::Number(number) if number.is_f64() => number.as_f64().map(python_float),
        other => scalar(other),
    }
}

/// Both write the fewest digits and large and small numbers with an exponent, which has a sign and two
/// digits in Python.
fn python_float(number: f64) -> String {
    let text = format!("{number:?}");
    let Some((digits, exponent)) = text.split_once('e') else {
        return text;
    };
    match exponent.strip_prefix('-') {
        Some(exponent) => format!("{digits}e-{exponent:0>2}"),
        None => format!("{digits}e+{exponent:0>2}"),
    }
}

fn all(items: &[Json], text: impl Fn(&Json) -> Option<String>) -> Option<Json> {
    items
        .iter()
        .map(|item| text(item).map(Json::String))
        .collect()
}

/// `NAME:VALUE`, or a name alone that has no value.
fn pairs(fields: &Map<String, Json>) -> Option<Json> {
    fields
        .iter()
        .map(|(name, value)| match value {
            Json::Null => Some(json!(name)),
            value => Some(json!(format!("{name}:{}", scalar(value)?))),
        })
        .collect()
}

/// A mapping of which the engine wants texts.
fn texts(fields: &Map<String, Json>) -> Option<Json> {
    fields
        .iter()
        .map(|(name, value)| match value {
            Json::Null => Some((name.clone(), json!(""))),
            value => Some((name.clone(), json!(scalar(value)?))),
        })
        .collect::<Option<Map<_, _>>>()
        .map(Json::Object)
}

/// What the engine writes as a set: a mapping to nothing.
fn named(names: impl Iterator<Item = String>) -> Json {
    Json::Object(names.map(|name| (name, json!({}))).collect())
}

fn whole_number(json: &Json) -> Option<i64> {
    match json {
        Json::Number(number) => number.as_i64(),
        Json::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// `HOST: CONTAINER`, or `HOST: {bind: CONTAINER, mode: MODE}`
fn bind((host, target): (&String, &Json)) -> Option<Json> {
    let Json::Object(fields) = target else {
        return Some(json!(format!("{host}:{}:rw", scalar(target)?)));
    };
    let container = scalar(fields.get("bind")?)?;
    let mut mode = match (fields.get("mode"), fields.get("ro")) {
        (Some(mode), None) => scalar(mode)?,
        (None, Some(Json::Bool(true))) => "ro".to_owned(),
        (None, None | Some(Json::Bool(false))) => "rw".to_owned(),
        _ => return None,
    };
    if let Some(propagation) = fields.get("propagation") {
        mode = format!("{mode},{}", scalar(propagation)?);
    }
    Some(json!(format!("{host}:{container}:{mode}")))
}

/// `80`, `80/udp` or `[80, udp]`, with its protocol.
fn port_of(json: &Json) -> Option<String> {
    let text = match json {
        Json::Array(pair) => {
            let words: Option<Vec<String>> = pair.iter().map(scalar).collect();
            words?.join("/")
        }
        other => scalar(other)?,
    };
    let (number, protocol) = text.split_once('/').unwrap_or((&text, "tcp"));
    let is_port = number.parse::<u16>().is_ok_and(|number| number > 0);
    (is_port && PROTOCOLS.contains(&protocol)).then(|| format!("{number}/{protocol}"))
}

/// Where a port is published: one place, or a list of them.
fn bindings_of(json: &Json) -> Option<Json> {
    let binding = |json: &Json| match json {
        Json::Null => Some(json!({ "HostPort": "" })),
        // They are texts to the engine.
        Json::Object(fields) => texts(record(fields).as_object()?),
        Json::Array(pair) => match pair.as_slice() {
            [address] => Some(json!({ "HostIp": scalar(address)?, "HostPort": "" })),
            [address, port] => {
                Some(json!({ "HostIp": scalar(address)?, "HostPort": scalar(port)? }))
            }
            _ => None,
        },
        port => Some(json!({ "HostPort": scalar(port)? })),
    };
    // A pair of scalars is one place, as it was a tuple in Python.
    let is_address = |item: &Json| item.as_str().is_some_and(|text| text.contains(['.', ':']));
    let has_port = |binding: &Json| {
        let port = binding.get("HostPort").and_then(Json::as_str);
        port.is_none_or(is_host_port)
    };
    let binding = |json: &Json| binding(json).filter(has_port);
    match json {
        Json::Array(items) if !items.first().is_some_and(is_address) => {
            items.iter().map(binding).collect()
        }
        one => Some(json!([binding(one)?])),
    }
}

/// A port, a range of them, or nothing, so that the engine chooses one.
fn is_host_port(text: &str) -> bool {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    match (first.parse::<u16>(), last.parse::<u16>()) {
        (Ok(first), Ok(last)) => first <= last,
        _ => text.is_empty(),
    }
}

/// A record with names as the Engine API has them, whichever way they are written.
fn record(fields: &Map<String, Json>) -> Json {
    let named = fields.iter().map(|(name, value)| {
        let name = match name.as_str() {
            "driver_opts" => "Config".to_owned(),
            "device_ids" => "DeviceIDs".to_owned(),
            other => pascal_case(other),
        };
        (name, value.clone())
    });
    Json::Object(named.collect())
}

/// A record of which one field wants more care.
fn edited(json: Json, field: &str, edit: impl Fn(&Json) -> Option<Json>) -> Option<Json> {
    let Json::Object(fields) = json else {
        return None;
    };
    let mut record = record(&fields);
    if let Some(value) = record.get_mut(field) {
        *value = edit(value)?;
    }
    Some(record)
}

/// `HOST[:CONTAINER[:rwm]]`
fn device(text: &str) -> Json {
    let mut parts = text.split(':');
    let host = parts.next().unwrap_or_default();
    let container = parts.next().unwrap_or(host);
    let permissions = parts.next().unwrap_or("rwm");
    json!({
        "PathOnHost": host, "PathInContainer": container, "CgroupPermissions": permissions,
    })
}

/// A number of bytes, with a unit or without.
pub(super) fn bytes(text: &str) -> Option<i64> {
    let lower = text.trim().to_ascii_lowercase();
    let digits = lower.trim_end_matches('b');
    let (number, factor) = match digits.char_indices().last() {
        Some((at, 'k')) => (digits.get(..at), 1_i64 << 10),
        Some((at, 'm')) => (digits.get(..at), 1 << 20),
        Some((at, 'g')) => (digits.get(..at), 1 << 30),
        Some((at, 't')) => (digits.get(..at), 1 << 40),
        _ => (Some(digits), 1),
    };
    number?.trim().parse::<i64>().ok()?.checked_mul(factor)
}
