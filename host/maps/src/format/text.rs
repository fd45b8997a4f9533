//! Writes a document as YAML.

use super::source::{Content, Document, Entry, Source};
use crate::scalar::plain_scalar;
use crate::tree::Value;

/// How long lines may be that have a collection in them.
const WIDTH: usize = 88;

/// The text of a document.
pub(super) fn written(document: &Document) -> String {
    let mut writer = Writer {
        text: String::new(),
    };
    for comment in &document.header {
        writer.line(0, comment);
    }
    if !document.header.is_empty() {
        writer.text.push('\n');
    }
    match &document.root.content {
        Content::Map(entries) if !entries.is_empty() => {
            let prefix = properties(&document.root);
            if !prefix.is_empty() {
                // A tag or anchor of everything stands behind the mark of the document.
                writer.line(0, &format!("---{prefix}"));
            }
            let mut last_was_long = false;
            for (number, entry) in entries.iter().enumerate() {
                let before = writer.text.len();
                writer.entry(entry, 0);
                let lines = writer.text.get(before..).unwrap_or_default();
                let is_long = lines.lines().count() > 1;
                // Sections of several lines have room around them.
                if number > 0 && (is_long || last_was_long) {
                    writer.text.insert(before, '\n');
                }
                last_was_long = is_long;
            }
        }
        _ => {
            let root = inline(&document.root, false).unwrap_or_default();
            writer.line(0, &root);
        }
    }
    for (number, comment) in document.footer.iter().enumerate() {
        if number == 0 && !writer.text.is_empty() {
            writer.text.push('\n');
        }
        writer.line(0, comment);
    }
    writer.text
}

struct Writer {
    text: String,
}

impl Writer {
    fn line(&mut self, indent: usize, line: &str) {
        self.text.extend(std::iter::repeat_n(' ', indent));
        self.text.push_str(line);
        self.text.push('\n');
    }

    fn entry(&mut self, entry: &Entry, indent: usize) {
        for comment in &entry.leading {
            self.line(indent, comment);
        }
        let start = match &entry.key {
            // Only a collection with comments in it has none, and such are no keys of a map.
            Some(key) => key_text(key).unwrap_or_else(|| "?:".to_owned()),
            None => "-".to_owned(),
        };
        self.rest_of_entry(&start, entry, indent);
    }

    /// Writes the value behind what stands on the line already.
    fn rest_of_entry(&mut self, start: &str, entry: &Entry, indent: usize) {
        let comment = |line: &str| match &entry.trailing {
            Some(comment) => format!("{line} {comment}"),
            None => line.to_owned(),
        };
        let value = &entry.value;
        let depth = if entry.key.is_some() { 1 } else { 2 };
        if let Some(text) = inline(value, false) {
            let line = format!("{start} {text}");
            let is_short = indent + line.chars().count() <= WIDTH && nesting(value) <= depth;
            let is_scalar = nesting(value) == 0;
            if is_scalar || (is_short && !value.in_lines) {
                self.line(indent, &comment(&line));
                return;
            }
        }
        let start = format!("{start}{}", properties(value));
        match &value.content {
            Content::List(entries) | Content::Map(entries) => {
                let is_map = matches!(value.content, Content::Map(_));
                let is_item = start == "-" && entry.trailing.is_none();
                let mut entries = entries.iter();
                if is_map
                    && is_item
                    && let Some(first) = entries.as_slice().first()
                    && first.leading.is_empty()
                    && let Some(key) = first.key.as_ref().and_then(key_text)
                {
                    // A mapping in a list begins on the line of its item.
                    entries.next();
                    let before = self.text.len();
                    self.rest_of_entry(&key, first, indent + 2);
                    let dash = before + indent;
                    self.text.replace_range(dash..=dash, "-");
                } else {
                    self.line(indent, &comment(&start));
                }
                for entry in entries {
                    self.entry(entry, indent + 2);
                }
                for comment in &value.closing {
                    self.line(indent + 2, comment);
                }
            }
            Content::Scalar { text, .. } => {
                let (mark, lines) = match text.strip_suffix('\n') {
                    None => ("|-", text.as_str()),
                    Some(lines) if lines.ends_with('\n') || lines.is_empty() => ("|+", lines),
                    Some(lines) => ("|", lines),
                };
                self.line(indent, &comment(&format!("{start} {mark}")));
                for line in lines.split('\n') {
                    if line.is_empty() {
                        self.text.push('\n');
                    } else {
                        self.line(indent + 2, line);
                    }
                }
            }
            Content::Alias(_) => {}
        }
    }
}

/// Anchor and tag, each with a blank before it.
fn properties(source: &Source) -> String {
    let anchor = source.anchor.iter().map(|name| format!(" &{name}"));
    let tag = source.tag.iter().map(|tag| format!(" {tag}"));
    anchor.chain(tag).collect()
}

/// How many collections that are not empty are within each other.
fn nesting(source: &Source) -> usize {
    match &source.content {
        Content::List(entries) | Content::Map(entries) => {
            let inner = entries.iter().map(|entry| nesting(&entry.value)).max();
            inner.map_or(0, |inner| inner + 1)
        }
        _ => 0,
    }
}

/// The value on one line; none where it has comments or a text of several lines.
fn inline(source: &Source, in_flow: bool) -> Option<String> {
    let all = |entries: &[Entry]| -> Option<Vec<String>> {
        let one = |entry: &Entry| {
            if entry.has_comments() {
                return None;
            }
            let value = inline(&entry.value, true)?;
            match &entry.key {
                Some(key) => Some(format!("{} {value}", key_text(key)?)),
                None => Some(value),
            }
        };
        entries.iter().map(one).collect()
    };
    let value = match &source.content {
        Content::Alias(name) => format!("*{name}"),
        Content::Scalar { text, .. } if text.contains('\n') && !in_flow && can_be_block(text) => {
            return None;
        }
        Content::Scalar { text, plain: true } if text.is_empty() => "null".to_owned(),
        Content::Scalar { text, plain: true } => {
            // What stood outside of brackets may need quotes within them.
            let is_text = matches!(plain_scalar(text), Value::Text(_));
            if is_text && !can_be_plain_text(text, in_flow) {
                quoted(text)
            } else {
                text.clone()
            }
        }
        Content::Scalar { text, .. } if can_be_plain(text, in_flow) => text.clone(),
        Content::Scalar { text, .. } => quoted(text),
        Content::List(_) | Content::Map(_) if !source.closing.is_empty() => return None,
        Content::List(entries) => format!("[{}]", all(entries)?.join(", ")),
        Content::Map(entries) => format!("{{{}}}", all(entries)?.join(", ")),
    };
    Some(
        format!("{} {value}", properties(source))
            .trim_start()
            .to_owned(),
    )
}

/// A key with its colon, which could be part of the name that an alias has.
fn key_text(key: &Source) -> Option<String> {
    let text = inline(key, true)?;
    Some(match key.content {
        Content::Alias(_) => format!("{text} :"),
        _ => format!("{text}:"),
    })
}

/// A JSON text is one of YAML.
fn quoted(text: &str) -> String {
    serde_json::Value::String(text.to_owned()).to_string()
}

/// Whether a text needs no quotes for any reader of YAML, 1.1 or 1.2.
fn can_be_plain(text: &str, in_flow: bool) -> bool {
    let looks_like_number = text.parse::<f64>().is_ok()
        || text
            .chars()
            .all(|c| c.is_ascii_digit() || "_:-.".contains(c))
            && text.contains(['_', ':', '-'])
        || text.starts_with("0x")
        || text.starts_with("0o")
        || text.starts_with("0b");
    let is_word_of_yaml = matches!(text, "y" | "Y" | "n" | "N" | "=" | "<<")
        || matches!(
            text.to_ascii_lowercase().as_str(),
            ".inf" | "-.inf" | "+.inf" | ".nan"
        );
    matches!(plain_scalar(text), Value::Text(_))
        && !looks_like_number
        && !is_word_of_yaml
        && can_be_plain_text(text, in_flow)
}

/// Whether the characters of a text can stand without quotes.
fn can_be_plain_text(text: &str, in_flow: bool) -> bool {
    let is_safe =
        |c: char| !c.is_control() && c != '\u{feff}' && !matches!(c, '\u{2028}' | '\u{2029}');
    // An option of a command, rather than an item of a list.
    let is_option = text
        .strip_prefix("--")
        .or_else(|| text.strip_prefix('-'))
        .is_some_and(|name| name.starts_with(char::is_alphanumeric));
    !text.is_empty()
        && text.chars().all(is_safe)
        && text.trim() == text
        && (is_option || !text.starts_with(|c: char| "-?:,[]{}#&*!|>'\"%@`".contains(c)))
        && !text.contains(": ")
        && !text.contains(" #")
        && !text.ends_with(':')
        && !text.starts_with("...")
        // Readers differ about a dash that a bracket comes after.
        && !(in_flow && (text.contains(|c: char| ",[]{}".contains(c)) || text.ends_with(" -")))
}

/// Whether a text can stand as a block: its first line tells how deep it is.
fn can_be_block(text: &str) -> bool {
    let is_safe = |c: char| c == '\n' || c == '\t' || !c.is_control();
    let separators = ['\u{feff}', '\u{2028}', '\u{2029}'];
    text.chars().all(is_safe)
        && !text.contains(separators)
        && !text.starts_with([' ', '\n', '\t'])
        && text
            .lines()
            .all(|line| line.is_empty() || !line.trim().is_empty())
}
