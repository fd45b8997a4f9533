//! The canonical form of records.

use std::collections::HashSet;

use super::canonical::{arrange_names, arrange_text, is_null, is_text, truth};
use super::source::{Content, Entry, Source};
use crate::scalar::plain_scalar;
use crate::tree::Value;

/// What a list of records is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Bind,
    Attach,
    Use,
    Link,
    Port,
    Endpoint,
    Command,
}

/// A record: what it is of, and what more is said. Or one whose parts are not known.
enum Record {
    Parts(Source, Vec<Source>),
    AsWritten(Source),
}

const PORT_FIELDS: [&str; 3] = ["host_port", "interface", "ipv6"];
const ENDPOINT_FIELDS: [&str; 5] = [
    "aliases",
    "links",
    "ipv4_address",
    "ipv6_address",
    "link_local_ips",
];

/// Writes a list of records in the shortest form that holds for all of them.
pub(super) fn arrange_records(list: &mut Entry, kind: Kind) {
    if list.value.is_opaque() {
        return;
    }
    if is_null(&list.value) {
        list.value = Source::list(Vec::new());
        return;
    }
    let entries = match &mut list.value.content {
        Content::Alias(_) => return,
        Content::Scalar { text, plain } => {
            let (text, plain) = (std::mem::take(text), *plain);
            vec![Entry::item(Source::new(Content::Scalar { text, plain }))]
        }
        Content::List(entries) => std::mem::take(entries),
        Content::Map(entries) if entries.iter().any(|entry| entry.name() == "<<") => return,
        Content::Map(entries) => std::mem::take(entries),
    };
    let mut records: Vec<(Entry, Record)> = entries
        .into_iter()
        .map(|mut entry| {
            let record = read(&entry, kind);
            if let Record::Parts(..) = record {
                let inner = entry.value.take_comments();
                entry.leading.extend(inner);
            }
            // What is said of it no longer has comments of its own.
            let record = match record {
                Record::Parts(first, mut rest) => {
                    for part in &mut rest {
                        part.take_comments();
                    }
                    Record::Parts(first, rest)
                }
                other => other,
            };
            (entry, record)
        })
        .collect();
    if let [(entry, Record::Parts(first, rest))] = records.as_slice()
        && rest.is_empty()
        && !entry.has_comments()
        && list.value.closing.is_empty()
        && is_text(first)
        && !first.is_opaque()
    {
        list.value = first.clone();
        return;
    }
    let as_map = kind != Kind::Command && can_be_map(&records, kind);
    let written = records.drain(..).map(|(entry, record)| match record {
        Record::AsWritten(value) => Entry {
            key: None,
            value,
            ..entry
        },
        Record::Parts(first, rest) if as_map => Entry {
            key: Some(first),
            value: map_value(rest, kind),
            ..entry
        },
        Record::Parts(first, rest) => Entry {
            key: None,
            value: item_value(first, rest),
            ..entry
        },
    });
    let written = written.collect();
    list.value.content = if as_map {
        Content::Map(written)
    } else {
        Content::List(written)
    };
}

/// Whether it is a plain `yes` or the like.
fn is_truth_word(value: &Source) -> bool {
    let is_plain = matches!(value.content, Content::Scalar { plain: true, .. });
    let reading = value.text().map(plain_scalar);
    is_plain && matches!(reading, Some(Value::Bool(_)))
}

/// A mapping has every key once, and no list that is shorter. Keys that look like the names of fields
/// would be taken for those by people.
fn can_be_map(records: &[(Entry, Record)], kind: Kind) -> bool {
    let mut seen = HashSet::new();
    let mut anything = false;
    for (_, record) in records {
        let Record::Parts(first, rest) = record else {
            return false;
        };
        anything |= !rest.is_empty();
        let Some(name) = first.text() else {
            return false;
        };
        if is_null(first) || name == "<<" || is_field(name, kind) || !seen.insert(name.to_owned()) {
            return false;
        }
    }
    anything
}

fn is_field(name: &str, kind: Kind) -> bool {
    let fields: &[&str] = match kind {
        Kind::Bind | Kind::Attach | Kind::Use => &["name", "path", "host_path", "readonly"],
        Kind::Link => &["container", "alias"],
        Kind::Port => &["exposed_port", "host_port", "interface", "ipv6"],
        Kind::Endpoint => &["network_name"],
        Kind::Command => &["cmd", "user", "policy"],
    };
    fields.contains(&name) || (kind == Kind::Endpoint && ENDPOINT_FIELDS.contains(&name))
}

fn map_value(mut rest: Vec<Source>, kind: Kind) -> Source {
    if rest.len() > 1 {
        return Source::list(rest);
    }
    match (rest.pop(), kind) {
        (Some(value), _) => value,
        // The predecessor takes a null here for a path.
        (None, Kind::Bind | Kind::Use) => Source::plain("rw"),
        (None, _) => Source::plain("null"),
    }
}

fn item_value(first: Source, rest: Vec<Source>) -> Source {
    let is_alone = rest.is_empty() && matches!(first.content, Content::Scalar { .. });
    if is_alone {
        return first;
    }
    Source::list(std::iter::once(first).chain(rest).collect())
}

/// Reads an element, which is an item of a list, or a pair of the outer mapping.
fn read(entry: &Entry, kind: Kind) -> Record {
    let as_written = || {
        Record::AsWritten(match &entry.key {
            // Within a list the pair is a list of two.
            Some(key) => Source::list(vec![key.clone(), entry.value.clone()]),
            None => entry.value.clone(),
        })
    };
    let parts = match &entry.key {
        Some(key) if kind == Kind::Endpoint => pair(key, &entry.value, true),
        Some(key) => pair(key, &entry.value, false),
        None => element(&entry.value, kind),
    };
    let Some((mut first, rest)) = parts else {
        return as_written();
    };
    match kind {
        Kind::Port => unquote_port(&mut first),
        Kind::Command => {}
        _ if entry.key.is_some() => arrange_text(&mut first),
        _ => {}
    }
    let rest = match kind {
        Kind::Bind | Kind::Attach | Kind::Use => mount(rest),
        Kind::Link => link(rest),
        Kind::Port => port(rest),
        Kind::Endpoint => endpoint(rest),
        Kind::Command => command(rest),
    };
    match rest {
        Some(rest) => Record::Parts(first, rest),
        None => as_written(),
    }
}

type Parts = (Source, Vec<Source>);

/// A pair of the outer mapping: a list as its value is more parts, or for networks one of aliases.
fn pair(key: &Source, value: &Source, keeps_list: bool) -> Option<Parts> {
    if key.is_opaque() {
        return None;
    }
    let rest = match &value.content {
        Content::List(items) if !value.is_opaque() && !keeps_list => values(items),
        _ => vec![value.clone()],
    };
    Some((key.clone(), rest))
}

fn values(items: &[Entry]) -> Vec<Source> {
    items.iter().map(|item| item.value.clone()).collect()
}

/// An item of a list.
fn element(value: &Source, kind: Kind) -> Option<Parts> {
    if value.is_opaque() {
        return None;
    }
    match &value.content {
        Content::Alias(_) => None,
        Content::Scalar { .. } => Some((value.clone(), Vec::new())),
        Content::List(items) => {
            let mut parts = values(items).into_iter();
            let first = parts.next()?;
            if first.is_opaque() && kind != Kind::Command {
                return None;
            }
            let mut rest: Vec<_> = parts.collect();
            let splices = !matches!(kind, Kind::Endpoint | Kind::Command);
            if let [inner] = rest.as_slice()
                && let Content::List(inner) = &inner.content
                && splices
            {
                if rest.iter().any(Source::is_opaque) {
                    return None;
                }
                rest = values(inner);
            }
            Some((first, rest))
        }
        Content::Map(fields) => named(fields, kind),
    }
}

/// A mapping within a list: fields by name, or one pair for two parts.
fn named(fields: &[Entry], kind: Kind) -> Option<Parts> {
    let get = |name: &str| {
        let found = fields.iter().find(|field| field.name() == name);
        found.map(|field| field.value.clone())
    };
    let has_tagged_key = |field: &Entry| field.key.as_ref().is_some_and(Source::is_opaque);
    if fields
        .iter()
        .any(|field| field.name() == "<<" || has_tagged_key(field))
    {
        return None;
    }
    let null = || Source::plain("null");
    let part = |name: &str| get(name).unwrap_or_else(null);
    if let [field] = fields
        && !is_field(field.name(), kind)
    {
        return match kind {
            Kind::Command => None,
            Kind::Endpoint => {
                let rest = match &field.value.content {
                    Content::List(items) if !field.value.is_opaque() => values(items),
                    _ if field.value.is_opaque() => return None,
                    _ => vec![field.value.clone()],
                };
                Some((field.key.clone()?, rest))
            }
            _ => pair(field.key.as_ref()?, &field.value, false),
        };
    }
    match kind {
        Kind::Bind | Kind::Attach | Kind::Use => {
            let flag = part("readonly");
            let mode = Source::plain(if truth(&flag)? && flag.text() != Some("rw") {
                "ro"
            } else {
                "rw"
            });
            if kind == Kind::Bind && get("path").is_some_and(|path| !is_null(&path)) {
                return Some((get("path")?, vec![part("host_path"), mode]));
            }
            match get("path").filter(|path| !is_null(path)) {
                Some(path) => Some((get("name")?, vec![path, mode])),
                None => Some((get("name")?, vec![mode])),
            }
        }
        Kind::Link => Some((get("container")?, vec![part("alias")])),
        Kind::Port => Some((get("exposed_port")?, PORT_FIELDS.map(part).to_vec())),
        Kind::Endpoint => {
            let rest = ENDPOINT_FIELDS.map(part).to_vec();
            Some((get("network_name")?, rest))
        }
        Kind::Command => Some((get("cmd")?, vec![part("user"), part("policy")])),
    }
}

/// `[mode]`, `[path]` or `[path, mode]`, of which `rw` goes without saying. None where it is not known
/// what stands there.
fn mount(mut rest: Vec<Source>) -> Option<Vec<Source>> {
    let is_only = rest.len() == 1;
    if rest.len() > 2 {
        return None;
    }
    let Some(last) = rest.last() else {
        return Some(rest);
    };
    let is_mode = if is_only {
        is_null(last) || is_mode(last)
    } else {
        true
    };
    if is_mode && let Some(truth) = truth(last) {
        let is_read_only = truth && last.text() != Some("rw");
        rest.pop();
        if is_read_only {
            rest.push(Source::plain("ro"));
        }
    }
    match rest.first() {
        // A lone path that reads as a mode would be one.
        Some(path) if rest.len() == 1 && !is_only && is_mode_or_null(path) => None,
        _ => Some(rest),
    }
}

fn is_mode_or_null(value: &Source) -> bool {
    is_null(value) || is_mode(value)
}

fn is_mode(value: &Source) -> bool {
    let is_marked = value.text().is_some_and(|text| matches!(text, "ro" | "rw"));
    is_marked || is_truth_word(value)
}

fn link(mut rest: Vec<Source>) -> Option<Vec<Source>> {
    if rest.len() == 1 && rest.first().is_some_and(is_null) {
        rest.clear();
    }
    (rest.len() <= 1).then_some(rest)
}

/// A number needs no quotes as a port.
fn unquote_port(port: &mut Source) {
    if let Content::Scalar { text, plain } = &mut port.content
        && text
            .parse::<u16>()
            .is_ok_and(|number| number.to_string() == *text)
    {
        *plain = true;
    }
}

/// `[host_port, interface, ipv6]` as far as they are given.
fn port(rest: Vec<Source>) -> Option<Vec<Source>> {
    let fields = match rest.as_slice() {
        [one] if matches!(one.content, Content::Map(_)) => {
            if one.is_opaque() {
                return Some(rest);
            }
            let Content::Map(fields) = &one.content else {
                return None;
            };
            let is_known = |field: &Entry| PORT_FIELDS.contains(&field.name());
            if !fields.iter().all(is_known) {
                return None;
            }
            PORT_FIELDS
                .map(|name| {
                    let found = fields.iter().find(|field| field.name() == name);
                    found.map_or_else(|| Source::plain("null"), |field| field.value.clone())
                })
                .to_vec()
        }
        _ => rest,
    };
    if fields.len() > PORT_FIELDS.len() {
        return None;
    }
    let mut fields = fields;
    fields.iter_mut().take(1).for_each(unquote_port);
    if fields.get(2).is_some_and(|ipv6| truth(ipv6) == Some(false)) {
        fields.pop();
    }
    if let Some(ipv6) = fields.get_mut(2).filter(|ipv6| truth(ipv6) == Some(true)) {
        *ipv6 = Source::plain("true");
    }
    while fields.last().is_some_and(is_null) {
        fields.pop();
    }
    Some(fields)
}

/// Nothing, or aliases alone, or fields by name.
fn endpoint(rest: Vec<Source>) -> Option<Vec<Source>> {
    let mut fields: Vec<Entry> = match rest.as_slice() {
        [one] if matches!(one.content, Content::Map(_)) => {
            let Content::Map(fields) = &one.content else {
                return None;
            };
            if one.is_opaque() {
                return Some(rest);
            }
            let is_known = |field: &Entry| ENDPOINT_FIELDS.contains(&field.name());
            if !fields.iter().all(is_known) {
                return None;
            }
            fields.clone()
        }
        // An alias of YAML may stand for a mapping of fields.
        [one] if one.is_opaque() => return Some(rest),
        _ if rest.len() <= ENDPOINT_FIELDS.len() => ENDPOINT_FIELDS
            .iter()
            .zip(rest)
            .map(|(name, value)| Entry::pair(Source::plain(name), value))
            .collect(),
        _ => return None,
    };
    let is_empty = |value: &Source| {
        is_null(value)
            || (!value.is_opaque()
                && matches!(&value.content, Content::List(items) if items.is_empty()))
            || value.text() == Some("")
    };
    fields.retain(|field| !is_empty(&field.value));
    fields.sort_by_key(|field| {
        ENDPOINT_FIELDS
            .iter()
            .position(|name| *name == field.name())
    });
    for field in &mut fields {
        match field.name() {
            "links" => arrange_records(field, Kind::Link),
            "aliases" | "link_local_ips" => arrange_names(field),
            _ => arrange_text(&mut field.value),
        }
    }
    Some(match fields.as_slice() {
        [] => Vec::new(),
        [field] if field.name() == "aliases" && !field.value.is_opaque() => {
            vec![field.value.clone()]
        }
        _ => vec![Source::new(Content::Map(fields))],
    })
}

/// `[user, policy]` as far as they are given.
fn command(mut rest: Vec<Source>) -> Option<Vec<Source>> {
    if rest
        .get(1)
        .is_some_and(|policy| policy.text() == Some("restart") || is_null(policy))
    {
        rest.truncate(1);
    }
    if rest.len() == 1 && rest.first().is_some_and(is_null) {
        rest.clear();
    }
    (rest.len() <= 2).then_some(rest)
}
