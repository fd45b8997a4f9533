//! Forms in which values are compared: two that mean the same to the engine are equal in it.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

/// How a field's value is brought into a form in which it can be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// As it is; a number and its text are the same.
    Plain,
    /// A mapping to texts, of which an empty one says something too.
    Texts,
    /// A list whose order matters.
    Sequence,
    /// A list of texts whose order does not matter.
    Set,
    /// The same, of capabilities: `NET_ADMIN` is `CAP_NET_ADMIN`.
    Capabilities,
    /// The same, of security options, without those that the engine adds to a privileged container.
    SecurityOptions,
    /// A list of records whose order does not matter.
    Records,
    /// `HOST:CONTAINER[:OPTIONS]`, in any order.
    Binds,
    /// Container port to addresses and ports on the host.
    PortBindings,
    /// `CONTAINER:ALIAS`, of which the engine makes `/CONTAINER:/OWN/ALIAS`.
    Links,
    /// `no`, `always`, …; a retry count means something with `on-failure` only.
    RestartPolicy,
    /// A signal to stop by, as its name or number; without one it is the engine's.
    StopSignal,
    /// Seconds to stop in; without a number the engine's ten, which 0 is not.
    StopTimeout,
    /// Numbers of CPUs or memory nodes, as text: there is one that is called 0.
    Numbers,
    /// A number of which -1 and 0 are none: engines tell one for the other.
    Limit,
}

impl Form {
    /// The value in this form. Everything empty is null: to the engine, not given and empty are one.
    pub(super) fn of(self, value: &Value) -> Value {
        let texts = |value: &Value| -> Vec<String> {
            let items = value.as_array().into_iter().flatten();
            items.map(text_of).collect()
        };
        let sorted = |mut texts: Vec<String>| {
            texts.sort();
            texts.dedup();
            json!(texts)
        };
        let value = match self {
            Self::Plain => plain(value),
            Self::Texts => {
                let fields = value.as_object().into_iter().flatten();
                let texts: BTreeMap<_, _> = fields
                    .map(|(name, value)| (name.clone(), json!(text_of(value))))
                    .collect();
                texts.into_iter().collect::<Map<_, _>>().into()
            }
            Self::Sequence => json!(texts(value)),
            Self::Set => sorted(texts(value)),
            Self::Capabilities => {
                sorted(texts(value).iter().map(|name| capability(name)).collect())
            }
            Self::SecurityOptions => sorted(
                texts(value)
                    .iter()
                    .map(|option| option.replacen(':', "=", 1))
                    .filter(|option| option != "label=disable")
                    .collect(),
            ),
            Self::Records => {
                let items = value.as_array().into_iter().flatten();
                sorted(items.map(|item| plain(item).to_string()).collect())
            }
            Self::Binds => sorted(texts(value).iter().map(|text| bind(text)).collect()),
            Self::PortBindings => port_bindings(value),
            Self::Links => sorted(texts(value).iter().map(|text| link(text)).collect()),
            Self::RestartPolicy => restart_policy(value),
            Self::StopSignal => json!(signal(&text_of(value))),
            Self::StopTimeout => json!([value.as_i64().unwrap_or(10)]),
            Self::Numbers => match text_of(value) {
                text if text.is_empty() => Value::Null,
                text => json!([text]),
            },
            Self::Limit => match text_of(value) {
                text if text == "-1" => Value::Null,
                text => json!(text),
            },
        };
        if is_empty(&value) { Value::Null } else { value }
    }
}

/// Whether two values mean the same.
pub(super) fn is_same(one: &Value, other: &Value) -> bool {
    Form::Plain.of(one) == Form::Plain.of(other)
}

/// A value for people, not too long.
pub(super) fn short(value: &Value) -> String {
    const LIMIT: usize = 80;
    let text = match value {
        Value::Null => "nothing".to_owned(),
        Value::String(text) if text.is_empty() => "nothing".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    match text.char_indices().nth(LIMIT) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

/// A scalar as text.
pub(super) fn text_of(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Null, zero, false, or without content.
pub(super) fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Bool(true) => false,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty() || text == "0",
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
    }
}

/// Without empty fields, and with scalars as text.
fn plain(value: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().map(plain).collect(),
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields
                .iter()
                .map(|(name, value)| (name.clone(), plain(value)))
                .filter(|(_, value)| !is_empty(value))
                .collect();
            fields.sort_by(|one, other| one.0.cmp(&other.0));
            Value::Object(fields.into_iter().collect::<Map<_, _>>())
        }
        Value::Number(number) => json!(number.to_string()),
        other => other.clone(),
    }
}

fn capability(name: &str) -> String {
    let upper = name.to_ascii_uppercase();
    upper.strip_prefix("CAP_").unwrap_or(&upper).to_owned()
}

fn bind(text: &str) -> String {
    let mut parts = text.split(':');
    let source = path(parts.next().unwrap_or_default());
    let target = path(parts.next().unwrap_or_default());
    let mut options: Vec<_> = parts
        .flat_map(|options| options.split(','))
        .filter(|option| !matches!(*option, "rw" | ""))
        .collect();
    options.sort_unstable();
    format!("{source}:{target}:{}", options.join(","))
}

fn path(text: &str) -> &str {
    match text.trim_end_matches('/') {
        "" => text,
        trimmed => trimmed,
    }
}

/// Bindings with a random port on the host are as good as any.
fn port_bindings(value: &Value) -> Value {
    let mut ports: Vec<(String, Value)> = Vec::new();
    for (port, bindings) in value.as_object().into_iter().flatten() {
        let mut bindings: Vec<String> = bindings
            .as_array()
            .into_iter()
            .flatten()
            .map(|binding| {
                let address = binding["HostIp"].as_str().unwrap_or_default();
                let address = match address.parse::<std::net::IpAddr>() {
                    Ok(address) if address.is_unspecified() && address.is_ipv4() => String::new(),
                    Ok(address) => address.to_string(),
                    Err(_) => address.to_owned(),
                };
                let port = text_of(&binding["HostPort"]);
                format!("{address} {}", if port == "0" { "" } else { &port })
            })
            .collect();
        bindings.sort();
        bindings.dedup();
        let port = if port.contains('/') {
            port.clone()
        } else {
            format!("{port}/tcp")
        };
        if !bindings.is_empty() {
            ports.push((port, json!(bindings)));
        }
    }
    ports.sort_by(|one, other| one.0.cmp(&other.0));
    Value::Object(ports.into_iter().collect())
}

fn link(text: &str) -> String {
    let (container, alias) = text.split_once(':').unwrap_or((text, text));
    let alias = alias.rsplit('/').next().unwrap_or(alias);
    format!("{}:{alias}", container.trim_start_matches('/'))
}

fn restart_policy(value: &Value) -> Value {
    let name = value["Name"].as_str().unwrap_or_default();
    match name {
        "" | "no" => Value::Null,
        "on-failure" => {
            json!([name, value["MaximumRetryCount"].as_u64().unwrap_or(0)])
        }
        _ => json!([name]),
    }
}

fn signal(name: &str) -> String {
    let upper = name.to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    // The numbers of Linux on the machines that the engine runs on.
    const NUMBERS: [(&str, &str); 10] = [
        ("1", "HUP"),
        ("2", "INT"),
        ("3", "QUIT"),
        ("6", "ABRT"),
        ("9", "KILL"),
        ("10", "USR1"),
        ("12", "USR2"),
        ("15", "TERM"),
        ("", "TERM"),
        ("28", "WINCH"),
    ];
    let named = NUMBERS.iter().find(|(number, _)| *number == name);
    named.map_or(name, |(_, name)| name).to_owned()
}
