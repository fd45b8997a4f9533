//! From the events of a YAML parser to the tree: aliases, merged mappings, and tags.

use std::collections::{HashMap, HashSet};

use saphyr_parser::{Event, ScalarStyle, Span};

use super::{Node, Settings, Value};
use crate::diagnostic::{Place, Report};
use crate::event::{self, DEPTH_LIMIT, Events, place};
use crate::scalar::plain_scalar;

/// How many values a document may have once its aliases are filled in.
const SIZE_LIMIT: usize = 1_000_000;

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
        events: Events::new_from_str(text),
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
    events: Events<'a>,
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
        event::next(&mut self.events, self.report)
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
        // What stands for a setting that is not set is no path.
        if node.is_unset {
            return node;
        }
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
