//! A YAML document as a tree in which everything knows its place.
//!
//! Container maps were always read by the rules of YAML 1.1, in which a plain `yes` is a boolean and
//! `0750` an octal number, so scalars are told apart here, where it is known which were quoted.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use saphyr_parser::{Event, Parser, ScalarStyle, Span};
use serde_json::{Number, Value as Json};

use crate::diagnostic::{Place, Report};
use crate::scalar::plain_scalar;

/// How many values a document may have once its aliases are filled in.
const SIZE_LIMIT: usize = 1_000_000;
/// How deep values may be nested.
const DEPTH_LIMIT: usize = 64;

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

/// Pairs of a mapping.
pub(crate) type Pairs = Vec<(Node, Node)>;

/// Reads the one document of a text; none where it is no YAML, which is reported then.
pub(crate) fn read(text: &str, settings: &dyn Settings, report: &mut Report) -> Option<Node> {
    reader(text, settings, report).document()
}

/// As [`read`], but hands over the pairs of the outermost mapping while it goes on; that mapping is
/// empty in what is returned.
pub(crate) fn read_in_parts(
    text: &str,
    settings: &dyn Settings,
    report: &mut Report,
    take: &mut dyn FnMut(Pairs),
) -> Option<Node> {
    let mut reader = reader(text, settings, report);
    reader.take = Some(take);
    let mut root = reader.document()?;
    if let Value::Map(pairs) = &mut root.value {
        take(std::mem::take(pairs));
    }
    Some(root)
}

fn reader<'a, 'r>(
    text: &'a str,
    settings: &'r dyn Settings,
    report: &'r mut Report,
) -> Reader<'a, 'r> {
    Reader {
        events: Parser::new_from_str(text),
        settings,
        report,
        anchors: HashMap::new(),
        size: 0,
        take: None,
    }
}

/// How many pairs are handed over at a time.
const PART: usize = 128;

struct Reader<'a, 'r> {
    events: Parser<'a, saphyr_parser::StrInput<'a>>,
    settings: &'r dyn Settings,
    report: &'r mut Report,
    anchors: HashMap<usize, (Node, usize)>,
    size: usize,
    take: Option<&'r mut dyn FnMut(Pairs)>,
}

impl<'a> Reader<'a, '_> {
    fn document(&mut self) -> Option<Node> {
        let mut root = None;
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::StreamEnd => break,
                Event::StreamStart | Event::Nothing | Event::DocumentEnd => {}
                Event::DocumentStart(_) if root.is_some() => {
                    self.report
                        .error(place(&span), "a file has one document, and this is another");
                    return None;
                }
                Event::DocumentStart(_) => {
                    let (event, span) = self.next()?;
                    root = Some(self.node(event, &span, 0)?);
                }
                _ => {
                    self.report
                        .error(place(&span), "this does not belong to the document");
                    return None;
                }
            }
        }
        let start = Place { line: 1, column: 1 };
        Some(root.unwrap_or(Node::new(start, Value::Null)))
    }

    fn next(&mut self) -> Option<(Event<'a>, Span)> {
        match self.events.next()? {
            Ok(event) => Some(event),
            Err(error) => {
                let mark = error.marker();
                let at = Place {
                    line: mark.line(),
                    column: mark.col() + 1,
                };
                self.report
                    .error(at, format!("this is no YAML: {}", error.info()));
                None
            }
        }
    }

    fn node(&mut self, event: Event<'a>, span: &Span, depth: usize) -> Option<Node> {
        let at = place(span);
        self.size += 1;
        if depth > DEPTH_LIMIT || self.size > SIZE_LIMIT {
            self.report
                .error(at, "the document is nested too deep, or too large");
            return None;
        }
        match event {
            Event::Alias(anchor) => {
                let Some((node, size)) = self.anchors.get(&anchor) else {
                    self.report
                        .error(at, "an alias must not be used within what it names");
                    return None;
                };
                self.size += size;
                Some(Node { at, ..node.clone() })
            }
            Event::Scalar(text, style, anchor, tag) => {
                let is_text = tag.as_ref().is_some_and(|tag| tag.suffix == "str");
                let plain = style == ScalarStyle::Plain && !is_text;
                let value = if plain {
                    plain_scalar(&text)
                } else {
                    Value::Text(text.to_string())
                };
                let is_read = matches!(value, Value::Bool(_) | Value::Number(_));
                let node = Node {
                    at,
                    value,
                    written: is_read.then(|| text.into_owned()),
                    is_unset: false,
                    is_told: false,
                };
                self.finished(node, anchor, 1, tag.as_deref())
            }
            Event::SequenceStart(anchor, tag) => {
                let before = self.size;
                let value = Value::List(self.list(depth)?);
                let size = self.size - before;
                let tag = tag.map(|tag| tag.into_owned());
                self.finished(Node::new(at, value), anchor, size, tag.as_ref())
            }
            Event::MappingStart(anchor, tag) => {
                let before = self.size;
                // What has a tag is changed as a whole.
                let in_parts = depth == 0 && tag.is_none();
                let value = Value::Map(self.map(depth, in_parts)?);
                let size = self.size - before;
                let tag = tag.map(|tag| tag.into_owned());
                self.finished(Node::new(at, value), anchor, size, tag.as_ref())
            }
            _ => {
                self.report.error(at, "a value is wanted here");
                None
            }
        }
    }

    fn finished(
        &mut self,
        node: Node,
        anchor: usize,
        size: usize,
        tag: Option<&saphyr_parser::Tag>,
    ) -> Option<Node> {
        let node = match tag {
            Some(tag) => self.tagged(node, tag)?,
            None => node,
        };
        if anchor > 0 {
            self.anchors.insert(anchor, (node.clone(), size));
        }
        Some(node)
    }

    fn list(&mut self, depth: usize) -> Option<Vec<Node>> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Some(items),
                (event, span) => items.push(self.node(event, &span, depth + 1)?),
            }
        }
    }

    fn map(&mut self, depth: usize, in_parts: bool) -> Option<Pairs> {
        let mut pairs = Pairs::new();
        let mut merged = Vec::new();
        let mut keys = Keys::default();
        loop {
            let key = match self.next()? {
                (Event::MappingEnd, _) => break,
                (event, span) => self.node(event, &span, depth + 1)?,
            };
            let (event, span) = self.next()?;
            let value = self.node(event, &span, depth + 1)?;
            if matches!(&key.value, Value::Text(text) if text == "<<") {
                self.merge(value, &mut merged);
                continue;
            }
            if matches!(key.value, Value::List(_) | Value::Map(_)) {
                let message = format!("{} cannot be a key", key.kind());
                self.report.error(key.at, message);
            } else if keys.is_new(&key, &pairs) {
                pairs.push((key, value));
                if let Some(take) = self
                    .take
                    .as_mut()
                    .filter(|_| in_parts && pairs.len() == PART)
                {
                    keys.remember(&pairs);
                    take(std::mem::take(&mut pairs));
                }
            } else {
                let message = format!("the key {} stands here twice", key.key_text());
                self.report.error(key.at, message);
            }
        }
        for (key, value) in merged {
            if keys.is_new(&key, &pairs) {
                pairs.push((key, value));
            }
        }
        Some(pairs)
    }

    /// `<<`: a mapping, or a list of them of which the first goes before.
    fn merge(&mut self, value: Node, merged: &mut Pairs) {
        match value.value {
            Value::Map(pairs) => merged.extend(pairs),
            Value::List(items) => {
                for item in items {
                    self.merge(item, merged);
                }
            }
            _ => self
                .report
                .error(value.at, "only a mapping can be merged by <<"),
        }
    }

    fn tagged(&mut self, node: Node, tag: &saphyr_parser::Tag) -> Option<Node> {
        if tag.handle != "!" {
            return Some(node);
        }
        match tag.suffix.as_str() {
            "env" | "env_lazy" => {
                let Some(name) = node.scalar_text() else {
                    self.report
                        .error(node.at, "!env takes the name of a setting");
                    return Some(node);
                };
                match self.settings.setting(&name) {
                    Some(value) => Some(Node::from_json(node.at, value)),
                    None => {
                        let is_lazy = tag.suffix == "env_lazy";
                        if !is_lazy {
                            self.report.unset(node.at, &name);
                        }
                        Some(Node {
                            is_unset: true,
                            is_told: !is_lazy,
                            ..node
                        })
                    }
                }
            }
            "path" | "path_lazy" => Some(self.with_paths(node)),
            other => {
                self.report.error_with_help(
                    node.at,
                    format!("there is no tag !{other}"),
                    "there is: !env, !env_lazy, !path, !path_lazy",
                );
                Some(node)
            }
        }
    }

    /// Expands variables and `~` in every text (B-59).
    fn with_paths(&self, node: Node) -> Node {
        let value = match node.value {
            Value::Text(text) => Value::Text(expanded(&text, self.settings)),
            Value::List(items) => Value::List(
                items
                    .into_iter()
                    .map(|item| self.with_paths(item))
                    .collect(),
            ),
            Value::Map(pairs) => Value::Map(
                pairs
                    .into_iter()
                    .map(|(key, value)| (key, self.with_paths(value)))
                    .collect(),
            ),
            other => {
                return Node {
                    value: other,
                    ..node
                };
            }
        };
        Node::new(node.at, value)
    }
}

/// The keys of a mapping that is being read. Most have a few, which are told apart by looking at each.
#[derive(Default)]
struct Keys(HashSet<String>);

impl Keys {
    const FEW: usize = 16;

    /// Whether a key is none of those before it.
    fn is_new(&mut self, key: &Node, before: &[(Node, Node)]) -> bool {
        let text = key.key_text();
        if self.0.is_empty() && before.len() < Self::FEW {
            return !before.iter().any(|(known, _)| known.key_text() == text);
        }
        self.remember(before);
        self.0.insert(text.into_owned())
    }

    fn remember(&mut self, before: &[(Node, Node)]) {
        if self.0.is_empty() {
            let known = before.iter().map(|(key, _)| key.key_text().into_owned());
            self.0.extend(known);
        }
    }
}

fn place(span: &Span) -> Place {
    Place {
        line: span.start.line(),
        column: span.start.col() + 1,
    }
}

/// `$NAME` and `${NAME}` first, then a leading `~`; what is not set stays as it is.
fn expanded(text: &str, settings: &dyn Settings) -> String {
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        result.push_str(before);
        let (name, remaining) = match after.strip_prefix('{').and_then(|a| a.split_once('}')) {
            Some((name, remaining)) => (name, remaining),
            None => {
                let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
                let end = after.find(|c| !is_name(c)).unwrap_or(after.len());
                after.split_at(end)
            }
        };
        match settings.variable(name).filter(|_| !name.is_empty()) {
            Some(value) => {
                result.push_str(&value);
                rest = remaining;
            }
            None => {
                result.push('$');
                rest = after;
            }
        }
    }
    result.push_str(rest);
    match (result.strip_prefix('~'), settings.variable("HOME")) {
        (Some(rest), Some(home)) if rest.is_empty() || rest.starts_with('/') => {
            format!("{home}{rest}")
        }
        _ => result,
    }
}
