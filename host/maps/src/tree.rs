//! A YAML document as a tree in which everything knows its place.
//!
//! Container maps were always read by the rules of YAML 1.1, in which a plain `yes` is a boolean and
//! `0750` an octal number, so scalars are told apart here, where it is known which were quoted.

mod reader;

use std::borrow::Cow;

use serde_json::{Number, Value as Json};

use crate::diagnostic::{Place, Report};

pub(crate) use reader::{Pairs, read, read_in_parts};

/// What documents are read with: the settings of the project, and the environment.
pub trait Settings {
    /// What `!env NAME` stands for; none where it is not set.
    fn setting(&self, name: &str) -> Option<Json>;
    /// An environment variable, for `!path`.
    fn variable(&self, name: &str) -> Option<String>;
}

/// No settings, and no environment.
#[derive(Debug, Clone, Copy)]
pub struct NoSettings;

impl Settings for NoSettings {
    fn setting(&self, _: &str) -> Option<Json> {
        None
    }

    fn variable(&self, _: &str) -> Option<String> {
        None
    }
}

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Node {
    pub(crate) at: Place,
    pub(crate) value: Value,
    /// How a boolean or number is written: `0750`, or `yes`.
    pub(crate) written: Option<String>,
    /// Whether it is a setting that is not set, by its name.
    pub(crate) is_unset: bool,
    /// Whether that was told already. It is not of `!env_lazy`, which may never be used.
    pub(crate) is_told: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    List(Vec<Node>),
    Map(Vec<(Node, Node)>),
}

impl Node {
    pub(crate) fn new(at: Place, value: Value) -> Self {
        Self {
            at,
            value,
            written: None,
            is_unset: false,
            is_told: false,
        }
    }

    /// The settings in it that are not set and of which nobody was told.
    pub(crate) fn untold(&self) -> Vec<(String, Place)> {
        let mut found = Vec::new();
        self.find_untold(&mut found);
        found
    }

    fn find_untold(&self, found: &mut Vec<(String, Place)>) {
        if self.is_unset && !self.is_told {
            found.push((self.key_text().into_owned(), self.at));
        }
        match &self.value {
            Value::List(items) => items.iter().for_each(|item| item.find_untold(found)),
            Value::Map(pairs) => {
                for (key, value) in pairs {
                    key.find_untold(found);
                    value.find_untold(found);
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Text(_) => {}
        }
    }

    /// Tells of them, where what they stand for is always used.
    pub(crate) fn tell_untold(&self, report: &mut Report) {
        for (name, at) in self.untold() {
            report.unset(at, &name);
        }
    }

    /// Whether it or something in it is a setting that is not set.
    pub(crate) fn has_unset(&self) -> bool {
        self.is_unset
            || match &self.value {
                Value::List(items) => items.iter().any(Self::has_unset),
                Value::Map(pairs) => pairs.iter().any(|(_, value)| value.has_unset()),
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::Text(_) => false,
            }
    }

    pub(crate) fn is_null(&self) -> bool {
        self.value == Value::Null
    }

    /// A scalar as it is written; none for lists, mappings and null.
    pub(crate) fn scalar_text(&self) -> Option<String> {
        self.scalar().map(Cow::into_owned)
    }

    /// A scalar where text is meant: as it is written, with a warning where a YAML 1.1 reader takes it
    /// for something else.
    pub(crate) fn plain_text(&self, report: &mut Report) -> Option<String> {
        self.warn_of_reading(report);
        self.scalar_text()
    }

    /// Warns where what is written without quotes is not what a YAML 1.1 reader understands.
    pub(crate) fn warn_of_reading(&self, report: &mut Report) {
        if let Some(reading) = self.other_reading() {
            let written = self.scalar_text().unwrap_or_default();
            report.warning(
                self.at,
                format!(
                    "{written} without quotes is {reading} in YAML 1.1; it is taken as written"
                ),
                format!("write \"{written}\""),
            );
        }
    }

    /// What a YAML 1.1 reader makes of a scalar, where that is not what is written.
    pub(crate) fn other_reading(&self) -> Option<String> {
        let written = self.written.as_deref()?;
        let reading = self.reading()?;
        (!written.eq_ignore_ascii_case(&reading)).then_some(reading)
    }

    /// The same as a text, whatever it reads as.
    pub(crate) fn as_text(&self) -> Self {
        Self::new(self.at, Value::Text(self.key_text().into_owned()))
    }

    /// The text of a mapping's key.
    pub(crate) fn key_text(&self) -> Cow<'_, str> {
        self.scalar().unwrap_or(Cow::Borrowed("null"))
    }

    /// What a scalar is after reading: `488` for a plain `0750`.
    pub(crate) fn reading(&self) -> Option<String> {
        match &self.value {
            Value::Text(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            Value::Bool(value) => Some(value.to_string()),
            Value::Null | Value::List(_) | Value::Map(_) => None,
        }
    }

    /// What it is, in words.
    pub(crate) fn kind(&self) -> &'static str {
        match self.value {
            Value::Null => "null",
            Value::Bool(_) => "a boolean",
            Value::Number(_) => "a number",
            Value::Text(_) => "a text",
            Value::List(_) => "a list",
            Value::Map(_) => "a mapping",
        }
    }

    /// Python's truth of it, by which Docker-Map reads flags.
    pub(crate) fn is_truthy(&self) -> bool {
        match &self.value {
            Value::Null => false,
            Value::Bool(value) => *value,
            Value::Number(number) => number.as_f64() != Some(0.0),
            Value::Text(text) => !text.is_empty(),
            Value::List(items) => !items.is_empty(),
            Value::Map(pairs) => !pairs.is_empty(),
        }
    }

    /// Whether it counts as true where true or false is meant. That any text does is a trap.
    pub(crate) fn truth(&self, report: &mut Report) -> bool {
        let truth = self.is_truthy();
        if let Value::Text(_) | Value::List(_) | Value::Map(_) = &self.value {
            let message = format!("{} counts as {truth} here", self.kind());
            report.warning(self.at, message, "write true or false");
        }
        truth
    }

    pub(crate) fn json(&self) -> Json {
        match &self.value {
            Value::Null => Json::Null,
            Value::Bool(value) => Json::Bool(*value),
            Value::Number(number) => Json::Number(number.clone()),
            Value::Text(text) => Json::String(text.clone()),
            Value::List(items) => items.iter().map(Self::json).collect(),
            Value::Map(pairs) => Json::Object(
                pairs
                    .iter()
                    .map(|(key, value)| (key.key_text().into_owned(), value.json()))
                    .collect(),
            ),
        }
    }

    fn scalar(&self) -> Option<Cow<'_, str>> {
        match (&self.written, &self.value) {
            (Some(written), _) => Some(Cow::Borrowed(written)),
            (None, Value::Text(text)) => Some(Cow::Borrowed(text)),
            (None, _) => self.reading().map(Cow::Owned),
        }
    }

    fn from_json(at: Place, json: Json) -> Self {
        let value = match json {
            Json::Null => Value::Null,
            Json::Bool(value) => Value::Bool(value),
            Json::Number(number) => Value::Number(number),
            Json::String(text) => Value::Text(text),
            Json::Array(items) => Value::List(
                items
                    .into_iter()
                    .map(|item| Self::from_json(at, item))
                    .collect(),
            ),
            Json::Object(fields) => Value::Map(
                fields
                    .into_iter()
                    .map(|(key, value)| {
                        (Self::new(at, Value::Text(key)), Self::from_json(at, value))
                    })
                    .collect(),
            ),
        };
        Self::new(at, value)
    }
}
