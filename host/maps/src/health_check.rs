//! `healthcheck`: how the engine finds out whether a container is well.

use serde_json::{Map, Value as Json, json};

use crate::config::number_text;
use crate::diagnostic::Report;
use crate::record::command_line;
use crate::tree::{Node, Value};

const FIELDS: [&str; 5] = ["test", "interval", "timeout", "retries", "start_period"];

/// The units of its times, in nanoseconds.
pub(crate) const UNITS: [(&str, f64); 6] = [
    ("ns", 1.0),
    ("us", 1e3),
    ("ms", 1e6),
    ("s", 1e9),
    ("m", 60e9),
    ("h", 3600e9),
];

/// A health check. Times are in nanoseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HealthCheck {
    /// As the engine takes it: `NONE`, or words after `CMD`, or a line after `CMD-SHELL`.
    pub(crate) test: Vec<String>,
    pub(crate) interval: Option<i64>,
    pub(crate) timeout: Option<i64>,
    pub(crate) retries: Option<i64>,
    pub(crate) start_period: Option<i64>,
}

impl HealthCheck {
    /// A text is the test, a list has the fields by position. Null is no check.
    pub(crate) fn read(node: &Node, report: &mut Report) -> Option<Self> {
        let fields: Vec<(&str, &Node)> = match &node.value {
            Value::Map(pairs) => {
                let mut fields = Vec::new();
                for (key, value) in pairs {
                    let name = key.key_text();
                    match FIELDS.iter().find(|field| **field == name) {
                        Some(field) => fields.push((*field, value)),
                        None if name.starts_with("x-") => {}
                        None => report.unknown(key.at, "field of a health check", &name, &FIELDS),
                    }
                }
                fields
            }
            Value::List(items) if items.len() <= FIELDS.len() => {
                FIELDS.into_iter().zip(items).collect()
            }
            Value::Text(_) | Value::Null => vec![("test", node)],
            Value::List(_) | Value::Bool(_) | Value::Number(_) => {
                report.error_with_help(
                    node.at,
                    "this is no health check",
                    format!(
                        "write {{test: [COMMAND, …]}}; its fields are: {}",
                        FIELDS.join(", ")
                    ),
                );
                return None;
            }
        };
        let get = |name: &str| {
            let found = fields.iter().find(|(field, _)| *field == name);
            found.map(|(_, value)| *value)
        };
        let Some(test) = get("test") else {
            report.error(node.at, "the field test is missing");
            return None;
        };
        let test = test_command(test, report)?;
        let mut time = |name: &str| nanoseconds(get(name)?, report);
        let (interval, timeout, start_period) =
            (time("interval"), time("timeout"), time("start_period"));
        let retries = get("retries").filter(|retries| !retries.is_null());
        let number: Option<i64> = retries.and_then(|node| number_text(node, report)?.parse().ok());
        let number = number.filter(|number| *number >= 0);
        if let (Some(retries), None) = (retries, number) {
            report.error(retries.at, "retries are a whole number");
        }
        Some(Self {
            test,
            interval,
            timeout,
            retries: number,
            start_period,
        })
    }

    /// Its times that the engine refuses: what is given is a millisecond or more, and nothing is no time.
    pub(crate) fn too_short(&self) -> impl Iterator<Item = (&'static str, i64)> {
        const LEAST: i64 = 1_000_000;
        let times = [
            ("interval", self.interval),
            ("timeout", self.timeout),
            ("start_period", self.start_period),
        ];
        times
            .into_iter()
            .filter_map(|(name, time)| Some((name, time?)))
            .filter(|(_, time)| (1..LEAST).contains(time))
    }

    pub(crate) fn json(&self) -> Json {
        let words: Vec<&str> = self.test.iter().map(String::as_str).collect();
        let test = match words.as_slice() {
            ["NONE", ..] => Json::Null,
            // A line that would be read as something else stays a list.
            ["CMD-SHELL", line] if !matches!(*line, "" | "NONE") => json!(line),
            words => json!(words),
        };
        let mut fields = Map::new();
        fields.insert("test".to_owned(), test);
        for (name, value) in [
            ("interval", self.interval),
            ("timeout", self.timeout),
            ("retries", self.retries),
            ("start_period", self.start_period),
        ] {
            if let Some(value) = value {
                fields.insert(name.to_owned(), json!(value));
            }
        }
        Json::Object(fields)
    }
}

fn test_command(node: &Node, report: &mut Report) -> Option<Vec<String>> {
    let none = || Some(vec!["NONE".to_owned()]);
    match &node.value {
        Value::Null => none(),
        Value::Text(text) if text.is_empty() || text == "NONE" => none(),
        Value::Text(text) => Some(vec!["CMD-SHELL".to_owned(), text.clone()]),
        Value::List(items) if items.is_empty() => none(),
        _ => {
            let mut words = command_line(node, report)?;
            let first = words.first().map(String::as_str);
            if !matches!(first, Some("NONE" | "CMD" | "CMD-SHELL")) {
                words.insert(0, "CMD".to_owned());
            }
            Some(words)
        }
    }
}

/// A number of nanoseconds, or one with a unit (B-09: hours and decimals too).
fn nanoseconds(node: &Node, report: &mut Report) -> Option<i64> {
    if node.is_null() {
        return None;
    }
    let text = node.scalar_text().unwrap_or_else(|| "?".to_owned());
    if text.is_empty() {
        return Some(0);
    }
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let factor = match unit.trim() {
        "" => 1.0,
        unit => {
            let found = UNITS.iter().find(|(name, _)| *name == unit);
            found.map_or(f64::NAN, |(_, factor)| *factor)
        }
    };
    let time = number.parse::<f64>().unwrap_or(f64::NAN) * factor;
    if !time.is_finite() || time > 9e18 {
        report.error(
            node.at,
            format!("{text} is no time: it is written as a number with ns, us, ms, s, m or h"),
        );
        return None;
    }
    #[expect(
        clippy::cast_possible_truncation,
        reason = "it was compared with what fits"
    )]
    Some(time.round() as i64)
}
