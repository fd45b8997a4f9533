//! Values of a Compose file as values of a map, and what is to be said of them.

use std::collections::HashSet;

use super::Note;
use super::unit::{bytes, is_plain_size, nanoseconds, time_text};
use super::yaml::Yaml;
use crate::diagnostic::Place;
use crate::options::is_known_value;
use crate::tree::{Node, Value};

/// Translates values, and collects what has no counterpart.
#[derive(Debug, Default)]
pub(super) struct Translation {
    pub(super) notes: Vec<Note>,
    /// Variables that became settings; each is told of once.
    settings: HashSet<String>,
}

/// A text as Compose means it.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Meaning {
    Text(String),
    /// The whole text is one variable, perhaps with a default.
    Variable {
        name: String,
        default: Option<String>,
    },
    /// Put together of variables and text.
    Mixed,
}

impl Translation {
    pub(super) fn note(&mut self, at: Place, message: impl Into<String>, help: impl Into<String>) {
        self.notes.push(Note {
            line: at.line,
            // Texts of several lines are told in one.
            message: message.into().replace('\n', " "),
            help: help.into(),
        });
    }

    /// What is not written as Compose wants it.
    pub(super) fn wrong(&mut self, node: &Node, key: &str, wanted: &str) {
        let message = format!(
            "{key} is {wanted} in Compose, not {}; it is left out",
            node.kind()
        );
        self.note(node.at, message, "write it by hand");
    }

    /// A text, or what else there is in its place. A variable that is the whole text becomes a
    /// setting; where variables are only a part, the text is kept as it is.
    pub(super) fn text(&mut self, text: &str, at: Place) -> Yaml {
        match meaning(text) {
            Meaning::Text(text) => Yaml::Text(text),
            Meaning::Variable {
                name,
                default: None,
            } => self.setting(name, at),
            Meaning::Variable {
                default: Some(_), ..
            }
            | Meaning::Mixed => {
                self.note(
                    at,
                    format!(
                        "{text} has variables, which a map does not fill in; it is kept as it is"
                    ),
                    "write the value that is meant, or make it one setting as a whole: !env NAME",
                );
                Yaml::text(text)
            }
        }
    }

    /// A text where a map wants a certain form, so that it cannot be kept with variables in it: the
    /// default of a variable is taken. The second is what it is in text, if that is known.
    pub(super) fn exact(&mut self, text: &str, what: &str, at: Place) -> Option<Exact> {
        match meaning(text) {
            Meaning::Text(text) => Some(Exact::Text(text)),
            Meaning::Variable {
                name,
                default: None,
            } => {
                let setting = self.setting(name, at);
                Some(Exact::Setting(setting))
            }
            Meaning::Variable {
                name,
                default: Some(default),
            } if !default.is_empty() && !default.contains('$') => {
                self.note(
                    at,
                    format!("{text} has a default, which a map does not know; {default} is taken"),
                    format!("to choose it anew each time, write !env {name}"),
                );
                Some(Exact::Text(default))
            }
            _ => {
                let message = format!(
                    "{what} {text} has variables, which a map does not fill in; it is left out"
                );
                self.note(at, message, "write the value that is meant");
                None
            }
        }
    }

    /// The setting that stands for a variable.
    pub(super) fn setting(&mut self, name: String, at: Place) -> Yaml {
        if self.settings.insert(name.clone()) {
            self.note(
                at,
                format!("the variable {name} becomes a setting"),
                format!("set it under `settings` in dfab.yaml, or give --set {name}=VALUE"),
            );
        }
        Yaml::Tagged("env", name)
    }

    /// A text; null is none. A number or boolean is taken as it is written, and told.
    pub(super) fn scalar(&mut self, node: &Node, key: &str) -> Option<Yaml> {
        self.expect_text(node, key);
        self.any_scalar(node, key)
    }

    /// The same where Compose takes numbers and booleans as well.
    pub(super) fn any_scalar(&mut self, node: &Node, key: &str) -> Option<Yaml> {
        match &node.value {
            Value::Null => None,
            Value::Text(text) => Some(self.text(text, node.at)),
            Value::List(_) | Value::Map(_) => {
                self.wrong(node, key, "a text");
                None
            }
            Value::Bool(value) if !is_text(node) => Some(Yaml::Text(value.to_string())),
            Value::Bool(_) | Value::Number(_) => node.scalar_text().map(Yaml::Text),
        }
    }

    /// The same where a map takes only some values, for an option of it.
    pub(super) fn word(&mut self, node: &Node, key: &str, option: &str) -> Option<Yaml> {
        let word = self.scalar(node, key)?;
        self.is_known(&word, key, option, node.at).then_some(word)
    }

    /// Whether a map takes a value; it is told of one that it does not.
    pub(super) fn is_known(&mut self, word: &Yaml, key: &str, option: &str, at: Place) -> bool {
        let (Yaml::Text(word) | Yaml::Plain(word)) = word else {
            return true;
        };
        let is_known = is_known_value(option, word);
        if !is_known {
            let message = format!("{key} has {word}, which no engine takes; it is left out");
            self.note(at, message, "look whether it is misspelt");
        }
        is_known
    }

    /// A text as it is written, with its variables; none where nothing is written.
    pub(super) fn written(&mut self, node: &Node, key: &str) -> Option<String> {
        self.expect_text(node, key);
        self.any_written(node, key)
    }

    /// The same where Compose takes numbers and booleans as well.
    pub(super) fn any_written(&mut self, node: &Node, key: &str) -> Option<String> {
        if matches!(node.value, Value::List(_) | Value::Map(_)) {
            self.wrong(node, key, "a text");
        }
        node.scalar_text().filter(|text| !text.is_empty())
    }

    /// Tells of a number or boolean where Compose takes texts only.
    fn expect_text(&mut self, node: &Node, key: &str) {
        let is_other = matches!(node.value, Value::Bool(_) | Value::Number(_));
        if is_other && !is_text(node) {
            let message = format!("{key} is a text in Compose, not {}", node.kind());
            self.note(node.at, message, "write it in quotes");
        }
    }

    /// One text or a list of them.
    pub(super) fn texts(&mut self, node: &Node, key: &str) -> Vec<Yaml> {
        match &node.value {
            Value::List(items) => items
                .iter()
                .filter_map(|item| {
                    if item.is_null() {
                        self.wrong(item, key, "a list of texts");
                    }
                    // Groups have numbers as well as names.
                    match key {
                        "group_add" => self.any_scalar(item, key),
                        _ => self.scalar(item, key),
                    }
                })
                .collect(),
            _ => self.scalar(node, key).into_iter().collect(),
        }
    }

    /// The pairs of a mapping; none for null, nor for anything else, which is told.
    pub(super) fn mapping<'n>(&mut self, node: &'n Node, key: &str) -> &'n [(Node, Node)] {
        if !node.is_null() && !matches!(node.value, Value::Map(_)) {
            self.wrong(node, key, "a mapping");
        }
        pairs(node)
    }

    /// A command: a list, or text to be split.
    pub(super) fn command(&mut self, node: &Node, key: &str) -> Option<Yaml> {
        match &node.value {
            Value::List(_) => Some(Yaml::List(self.texts(node, key))),
            // An empty one takes the image's away.
            Value::Text(text) if text.is_empty() => Some(Yaml::List(Vec::new())),
            _ => self.scalar(node, key),
        }
    }

    /// `NAME=VALUE` texts or a mapping; a name alone has no value.
    pub(super) fn assignments(
        &mut self,
        node: &Node,
        key: &str,
    ) -> Vec<(String, Option<Yaml>, Place)> {
        match &node.value {
            Value::Null => Vec::new(),
            Value::Map(pairs) => pairs
                .iter()
                .map(|(name, value)| (name_of(name), self.any_scalar(value, key), name.at))
                .collect(),
            Value::List(items) => items
                .iter()
                .filter_map(|item| {
                    let Some(text) = item.scalar_text() else {
                        self.wrong(item, key, "a text");
                        return None;
                    };
                    self.expect_text(item, key);
                    Some(match text.split_once('=') {
                        Some((name, value)) => {
                            (name.to_owned(), Some(self.text(value, item.at)), item.at)
                        }
                        None => (text, None, item.at),
                    })
                })
                .collect(),
            _ => {
                self.wrong(node, key, "a list or a mapping");
                Vec::new()
            }
        }
    }

    pub(super) fn flag(&mut self, node: &Node, key: &str) -> Option<Yaml> {
        if let Value::Bool(value) = &node.value {
            return Some(Yaml::plain(value));
        }
        let text = self.any_written(node, key)?;
        match self.exact(&text, key, node.at)? {
            Exact::Setting(setting) => Some(setting),
            Exact::Text(text) => match text.to_ascii_lowercase().as_str() {
                "true" | "yes" | "on" | "1" => Some(Yaml::plain(true)),
                "false" | "no" | "off" | "0" => Some(Yaml::plain(false)),
                _ => {
                    self.wrong(node, key, "true or false");
                    None
                }
            },
        }
    }

    /// Whether a key of a mapping says yes, where a map has no place for what a variable would say.
    pub(super) fn is_on(&mut self, node: &Node, key: &str) -> bool {
        let Some(value) = get(node, key) else {
            return false;
        };
        match self.flag(value, key) {
            Some(Yaml::Plain(flag)) => flag == "true",
            Some(_) => {
                let message =
                    format!("{key} is a variable, which is not known; it counts as false");
                self.note(value.at, message, "write true or false");
                false
            }
            None => false,
        }
    }

    pub(super) fn whole_number(&mut self, node: &Node, key: &str) -> Option<Yaml> {
        self.number(node, key, |text| text.parse::<i64>().ok())
    }

    /// A number of bytes, with a unit.
    pub(super) fn bytes(&mut self, node: &Node, key: &str) -> Option<Yaml> {
        let text = node.scalar_text().unwrap_or_default();
        match self.number(node, key, bytes)? {
            // As it is written, if that is what a map takes.
            Yaml::Plain(_) if is_plain_size(&text) => Some(Yaml::Text(text.to_ascii_lowercase())),
            other => Some(other),
        }
    }

    /// A number by a reading of its own.
    pub(super) fn number<T: ToString>(
        &mut self,
        node: &Node,
        key: &str,
        read: impl Fn(&str) -> Option<T>,
    ) -> Option<Yaml> {
        if node.is_null() {
            return None;
        }
        let Some(text) = node.scalar_text() else {
            self.wrong(node, key, "a number");
            return None;
        };
        match self.exact(&text, key, node.at)? {
            Exact::Setting(setting) => Some(setting),
            Exact::Text(text) => match read(text.trim()) {
                Some(number) => Some(Yaml::plain(number.to_string())),
                None => {
                    let message =
                        format!("{key} {text} is no number that Compose takes; it is left out");
                    self.note(node.at, message, "write it by hand");
                    None
                }
            },
        }
    }

    /// A time such as `1m30s`, with one unit.
    pub(super) fn time(&mut self, node: &Node, key: &str) -> Option<Yaml> {
        match self.number(node, key, nanoseconds)? {
            Yaml::Plain(number) => number.parse().ok().map(|time| Yaml::Text(time_text(time))),
            other => Some(other),
        }
    }

    /// As it is, without variables being filled in: for what is free.
    pub(super) fn verbatim(node: &Node) -> Yaml {
        match &node.value {
            Value::Null => Yaml::Null,
            Value::Bool(value) => Yaml::plain(value),
            Value::Number(number) => Yaml::plain(number),
            Value::Text(text) => Yaml::text(text),
            Value::List(items) => Yaml::List(items.iter().map(Self::verbatim).collect()),
            Value::Map(pairs) => Yaml::Map(
                pairs
                    .iter()
                    .map(|(key, value)| (Yaml::Text(name_of(key)), Self::verbatim(value)))
                    .collect(),
            ),
        }
    }
}

/// A text in a place where a map wants a certain form.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Exact {
    Text(String),
    Setting(Yaml),
}

impl Exact {
    pub(super) fn yaml(self) -> Yaml {
        match self {
            Self::Text(text) => Yaml::Text(text),
            Self::Setting(setting) => setting,
        }
    }
}

/// The text of a key.
pub(super) fn name_of(key: &Node) -> String {
    key.scalar_text().unwrap_or_else(|| "null".to_owned())
}

/// The value of a key of a mapping.
pub(super) fn get<'a>(node: &'a Node, key: &str) -> Option<&'a Node> {
    let Value::Map(pairs) = &node.value else {
        return None;
    };
    let found = pairs.iter().find(|(name, _)| name_of(name) == key);
    found
        .map(|(_, value)| value)
        .filter(|value| !value.is_null())
}

/// Whether Compose, which reads YAML 1.2, takes for a text what is a boolean or number in YAML 1.1.
fn is_text(node: &Node) -> bool {
    let written = node.written.as_deref().unwrap_or_default();
    let is = |word: &str| written.eq_ignore_ascii_case(word);
    match &node.value {
        Value::Bool(_) => !is("true") && !is("false"),
        Value::Number(_) => written.contains(':'),
        _ => false,
    }
}

/// The pairs of a mapping; none for everything else.
pub(super) fn pairs(node: &Node) -> &[(Node, Node)] {
    match &node.value {
        Value::Map(pairs) => pairs,
        _ => &[],
    }
}

/// What Compose makes of a text: `$NAME`, `${NAME}` and `${NAME:-DEFAULT}` are filled in, and `$$`
/// is a dollar.
fn meaning(text: &str) -> Meaning {
    let mut literal = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        literal.push_str(before);
        if let Some(after) = after.strip_prefix('$') {
            literal.push('$');
            rest = after;
            continue;
        }
        let Some((variable, remaining)) = variable(after) else {
            // Compose refuses this; it can only be meant as it is.
            literal.push('$');
            rest = after;
            continue;
        };
        if literal.is_empty() && remaining.is_empty() {
            return variable;
        }
        return Meaning::Mixed;
    }
    literal.push_str(rest);
    Meaning::Text(literal)
}

/// The variable at the beginning of what follows a dollar, and what follows it.
fn variable(text: &str) -> Option<(Meaning, &str)> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let (braced, inner) = match text.strip_prefix('{') {
        Some(inner) => (true, inner),
        None => (false, text),
    };
    let end = inner.find(|c| !is_name(c)).unwrap_or(inner.len());
    let (name, after) = inner.split_at(end);
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let name = name.to_owned();
    if !braced {
        return Some((
            Meaning::Variable {
                name,
                default: None,
            },
            after,
        ));
    }
    if let Some(remaining) = after.strip_prefix('}') {
        return Some((
            Meaning::Variable {
                name,
                default: None,
            },
            remaining,
        ));
    }
    // Up to its own brace: defaults may have variables in them.
    let mut depth = 1_usize;
    let (operator, remaining) = after.char_indices().find_map(|(at, letter)| {
        match letter {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        let remaining = after.get(at + 1..)?;
        (depth == 0).then_some((after.get(..at)?, remaining))
    })?;
    let default = operator
        .strip_prefix(":-")
        .or_else(|| operator.strip_prefix('-'));
    match default {
        Some(default) => {
            let default = Some(default.to_owned());
            Some((Meaning::Variable { name, default }, remaining))
        }
        // It must be set, which a setting must as well.
        None if operator.starts_with([':', '?']) && operator.contains('?') => Some((
            Meaning::Variable {
                name,
                default: None,
            },
            remaining,
        )),
        None => Some((Meaning::Mixed, remaining)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_told_from_text() {
        let variable = |name: &str, default: Option<&str>| Meaning::Variable {
            name: name.to_owned(),
            default: default.map(str::to_owned),
        };
        for (text, expected) in [
            ("plain", Meaning::Text("plain".to_owned())),
            ("a$$b", Meaning::Text("a$b".to_owned())),
            ("cost: $5", Meaning::Text("cost: $5".to_owned())),
            ("${A", Meaning::Text("${A".to_owned())),
            ("$A", variable("A", None)),
            ("${A_1}", variable("A_1", None)),
            ("${A:-b}", variable("A", Some("b"))),
            ("${A-${B:-c}}", variable("A", Some("${B:-c}"))),
            ("${A:?must be set}", variable("A", None)),
            ("${A?}", variable("A", None)),
            ("${A:+b}", Meaning::Mixed),
            ("x${A}", Meaning::Mixed),
            ("$A/b", Meaning::Mixed),
            ("$$${A}", Meaning::Mixed),
        ] {
            assert_eq!(meaning(text), expected, "{text}");
        }
    }
}
