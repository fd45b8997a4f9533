//! The records of a container configuration, each of which may be written in several ways.
//!
//! The outer value of a list of records may be null, a single record, a mapping whose pairs are
//! records, or a list. What an element may look like is in the documentation of each type.

use serde_json::{Value as Json, json};

use crate::diagnostic::{Place, Report};
use crate::map::ResolvedMap;
use crate::tree::{Node, Pairs, Value};

/// A record of a list, which may replace an inherited one.
pub(crate) trait Record: Sized + Clone + PartialEq {
    /// What its fields are called, where they are written by name.
    const FIELDS: &'static [&'static str];

    /// The key of a mapping whose pairs are records, as the first part of one.
    fn first_part(key: &Node) -> Node {
        key.as_text()
    }
    /// Reads an element; reports what is wrong with it.
    fn read(element: Element, report: &mut Report) -> Option<Self>;
    /// Whether this one takes the place of another one of the base configuration.
    fn replaces(&self, other: &Self) -> bool;
    /// For policies and people.
    fn json(&self) -> Json;
}

/// An element of a list of records.
pub(crate) struct Element {
    pub(crate) at: Place,
    pub(crate) parts: Parts,
}

pub(crate) enum Parts {
    /// One after another, by position.
    Positional(Vec<Node>),
    /// By name.
    Named(Vec<(String, Node)>),
}

/// Reads a list of records.
pub(crate) fn records<R: Record>(node: Node, report: &mut Report) -> Vec<R> {
    let kind = node.kind();
    let elements: Vec<Element> = match node.value {
        Value::Null => Vec::new(),
        Value::Map(pairs) => {
            let is_field = |(key, _): &(Node, Node)| R::FIELDS.contains(&&*key.key_text());
            if pairs.len() > 1 && pairs.iter().all(is_field) {
                report.warning(
                    node.at,
                    format!(
                        "this reads as {} entries, not as the fields of one",
                        pairs.len()
                    ),
                    "write it in brackets if it is one: [{ … }]",
                );
            }
            let pair = |(key, value): (Node, Node)| {
                Element::positional(key.at, vec![R::first_part(&key), value])
            };
            pairs.into_iter().map(pair).collect()
        }
        Value::List(items) => items.into_iter().map(Element::of).collect(),
        Value::Text(_) => vec![Element::of(node)],
        Value::Bool(_) | Value::Number(_) => {
            report.error_with_help(
                node.at,
                format!("{kind} is no list"),
                "write it in brackets: [ … ]",
            );
            Vec::new()
        }
    };
    elements
        .into_iter()
        .filter_map(|element| R::read(element, report))
        .collect()
}

impl Element {
    fn positional(at: Place, parts: Vec<Node>) -> Self {
        Self {
            at,
            parts: Parts::Positional(parts),
        }
    }

    fn of(node: Node) -> Self {
        let at = node.at;
        let parts = match node.value {
            Value::List(items) => Parts::Positional(items),
            Value::Map(pairs) => Parts::Named(named(pairs)),
            _ => Parts::Positional(vec![node]),
        };
        Self { at, parts }
    }

    /// As a list of positions: a mapping of one pair whose key is none of `names` stands for
    /// `[key, value]`, and a list in second place is spliced in. Else by name.
    pub(crate) fn sorted(
        self,
        names: &[&str],
        report: &mut Report,
    ) -> Option<Result<Vec<Node>, Fields>> {
        let mut parts = match self.parts {
            Parts::Positional(parts) => parts,
            Parts::Named(mut pairs) => {
                let is_named = |(name, _): &(String, Node)| names.contains(&name.as_str());
                if pairs.len() != 1 || pairs.iter().all(is_named) {
                    let mut wrong = pairs.iter().filter(|pair| !is_named(pair));
                    if let Some((name, value)) = wrong.next() {
                        report.unknown(value.at, "field", name, names);
                        return None;
                    }
                    return Some(Err(Fields { at: self.at, pairs }));
                }
                let (name, value) = pairs.pop()?;
                vec![Node::new(self.at, Value::Text(name)), value]
            }
        };
        if let [
            _,
            Node {
                value: Value::List(inner),
                ..
            },
        ] = parts.as_mut_slice()
        {
            let inner = std::mem::take(inner);
            if inner.is_empty() {
                report.error(self.at, "the list is empty, and says nothing");
                return None;
            }
            parts.truncate(1);
            parts.extend(inner);
        }
        Some(Ok(parts))
    }
}

/// Pairs by the texts of their keys, without those that are free. Alone, one may be the name of
/// what the record is about.
pub(crate) fn named(pairs: Pairs) -> Vec<(String, Node)> {
    let is_alone = pairs.len() == 1;
    pairs
        .into_iter()
        .map(|(key, value)| (key.key_text().into_owned(), value))
        .filter(|(name, _)| is_alone || !name.starts_with("x-"))
        .collect()
}

/// Fields by name, each of which is known.
pub(crate) struct Fields {
    pub(crate) at: Place,
    pub(crate) pairs: Vec<(String, Node)>,
}

impl Fields {
    pub(crate) fn node(&self, name: &str) -> Option<&Node> {
        let found = self.pairs.iter().find(|(field, _)| field == name);
        found
            .map(|(_, value)| value)
            .filter(|value| !value.is_null())
    }

    /// A field that is not wanted afterwards.
    pub(crate) fn take(&mut self, name: &str) -> Option<Node> {
        let at = self.pairs.iter().position(|(field, _)| field == name)?;
        let (_, value) = self.pairs.swap_remove(at);
        (!value.is_null()).then_some(value)
    }

    pub(crate) fn text(&self, name: &str) -> Option<String> {
        self.node(name).and_then(Node::scalar_text)
    }

    pub(crate) fn required(&self, name: &str, report: &mut Report) -> Option<String> {
        let text = self.text(name);
        if text.is_none() {
            report.error(self.at, format!("the field {name} is missing"));
        }
        text
    }

    pub(crate) fn read_only(&self, name: &str, report: &mut Report) -> bool {
        self.node(name)
            .is_some_and(|node| is_read_only(node, report))
    }
}

/// How volumes may be mounted.
const MODES: [&str; 2] = ["ro", "rw"];

/// Whether a mark says read-only. Any text but `rw` once did, also `false` and a misspelt `rw`.
pub(crate) fn is_read_only(node: &Node, report: &mut Report) -> bool {
    match &node.value {
        Value::Text(text) => match text.as_str() {
            "ro" => return true,
            "rw" | "" => {}
            // As it was documented.
            "true" => {
                report.warning(node.at, "a text counts as read-only here", "write ro");
                return true;
            }
            other => report.unknown(node.at, "access mode", other, &MODES),
        },
        Value::List(_) | Value::Map(_) => {
            let message = format!("an access mode is wanted here, not {}", node.kind());
            report.error_with_help(node.at, message, "write ro or rw");
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => return node.is_truthy(),
    }
    false
}

/// Whether this says how a volume is mounted, rather than where.
pub(crate) fn is_flag(node: &Node) -> bool {
    match &node.value {
        Value::Bool(_) => true,
        Value::Text(text) => text == "ro" || text == "rw",
        _ => false,
    }
}

/// A text that is not empty. Numbers are none: no name is meant by them.
pub(crate) fn text(node: &Node, what: &str, report: &mut Report) -> Option<String> {
    let message = format!("{what} is wanted here, not {}", node.kind());
    match &node.value {
        Value::Text(text) if !text.is_empty() => return Some(text.clone()),
        Value::Text(_) => report.error(node.at, format!("{what} is wanted here, not nothing")),
        Value::Number(_) | Value::Bool(_) => {
            report.error_with_help(node.at, message, "if it is one, write it in quotes");
        }
        _ => report.error(node.at, message),
    }
    None
}

pub(crate) fn too_many<T>(at: Place, what: &str, report: &mut Report) -> Option<T> {
    report.error(
        at,
        format!("this is no {what}: it has too many parts, or none"),
    );
    None
}

/// `links`: a container of the map, and under which name it is known.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Link {
    pub(crate) container: String,
    pub(crate) alias: Option<String>,
    pub(crate) at: Place,
}

impl Link {
    /// The alias given, or the reference in letters that a host name may have.
    pub(crate) fn effective_alias(&self, map: &ResolvedMap) -> String {
        self.alias
            .clone()
            .unwrap_or_else(|| map.host_name(&self.container))
    }
}

impl Record for Link {
    const FIELDS: &'static [&'static str] = &["container", "alias"];

    fn read(element: Element, report: &mut Report) -> Option<Self> {
        let at = element.at;
        match element.sorted(Self::FIELDS, report)? {
            Err(fields) => Some(Self {
                container: fields.required("container", report)?,
                alias: fields.text("alias"),
                at,
            }),
            Ok(parts) => match parts.as_slice() {
                [container] => Some(Self {
                    container: text(container, "a container", report)?,
                    alias: None,
                    at,
                }),
                [container, alias] => Some(Self {
                    container: text(container, "a container", report)?,
                    alias: alias.scalar_text(),
                    at,
                }),
                _ => too_many(at, "link", report),
            },
        }
    }

    /// A container may be linked several times, by different aliases.
    fn replaces(&self, other: &Self) -> bool {
        self.container == other.container && self.alias == other.alias
    }

    fn json(&self) -> Json {
        json!({ "container": self.container, "alias": self.alias })
    }
}

/// One text or a list of them.
pub(crate) fn texts(node: &Node, report: &mut Report) -> Vec<String> {
    let text = |item: &Node, report: &mut Report| match &item.value {
        Value::Null | Value::List(_) | Value::Map(_) => {
            let message = format!("a text is wanted here, not {}", item.kind());
            report.error(item.at, message);
            None
        }
        _ => item.plain_text(report),
    };
    match &node.value {
        Value::List(items) => items.iter().filter_map(|item| text(item, report)).collect(),
        Value::Null => Vec::new(),
        Value::Text(text) if text.is_empty() => Vec::new(),
        _ => text(node, report).into_iter().collect(),
    }
}

/// `exec_commands`: a command to run in the container after its start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecCommand {
    /// The command and its arguments.
    pub argv: Vec<String>,
    /// Who runs it, where it is not the container's user.
    pub user: Option<String>,
    /// Only after the creation, not at every start.
    pub initial: bool,
}

impl Record for ExecCommand {
    const FIELDS: &'static [&'static str] = &["cmd", "user", "policy"];

    fn read(element: Element, report: &mut Report) -> Option<Self> {
        let at = element.at;
        let (command, user, policy) = match element.parts {
            Parts::Positional(parts) => {
                let mut parts = parts.into_iter();
                let found = (parts.next(), parts.next(), parts.next());
                if parts.next().is_some() {
                    return too_many(at, "command", report);
                }
                found
            }
            Parts::Named(pairs) => {
                if let Some((name, value)) = pairs
                    .iter()
                    .find(|(name, _)| !Self::FIELDS.contains(&name.as_str()))
                {
                    report.unknown(value.at, "field", name, Self::FIELDS);
                    return None;
                }
                let fields = Fields { at, pairs };
                let get = |name: &str| fields.node(name).cloned();
                (get("cmd"), get("user"), get("policy"))
            }
        };
        let Some(command) = command else {
            report.error(at, "the field cmd is missing");
            return None;
        };
        let argv = command_line(&command, report)?;
        let initial = match policy.as_ref().and_then(Node::scalar_text).as_deref() {
            None | Some("restart") => false,
            Some("initial") => true,
            Some(other) => {
                report.unknown(at, "policy", other, &["restart", "initial"]);
                return None;
            }
        };
        if let Some(user) = &user
            && matches!(user.value, Value::List(_) | Value::Map(_))
        {
            let message = format!("{} is no user, and counts as none", user.kind());
            report.warning(user.at, message, "write [COMMAND, USER, POLICY]");
        }
        Some(Self {
            argv,
            user: user.and_then(|user| user.scalar_text()),
            initial,
        })
    }

    fn replaces(&self, other: &Self) -> bool {
        self == other
    }

    fn json(&self) -> Json {
        let policy = if self.initial { "initial" } else { "restart" };
        json!({ "cmd": self.argv, "user": self.user, "policy": policy })
    }
}

/// A command as a list, or as text that is split as a shell would.
pub(crate) fn command_line(node: &Node, report: &mut Report) -> Option<Vec<String>> {
    let argv = match &node.value {
        Value::List(_) => texts(node, report),
        _ => match shell_words::split(&text(node, "a command", report)?) {
            Ok(words) => words,
            Err(error) => {
                report.error(node.at, format!("the command cannot be split: {error}"));
                return None;
            }
        },
    };
    if argv.is_empty() {
        report.error(node.at, "the command is empty");
        return None;
    }
    Some(argv)
}
