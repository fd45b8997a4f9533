//! A document as it is written: with tags, anchors and comments, before anything is resolved.

use std::collections::HashMap;
use std::ops::Range;

use saphyr_parser::{Event, ScalarStyle, Span, Tag};

use super::comment::{self, EntryComments, EntryPlace};
use crate::diagnostic::{Place, Report};
use crate::event::{self, DEPTH_LIMIT, Events, place};

#[derive(Debug, Clone)]
pub(super) struct Document {
    /// Comments before everything, with an empty line after them.
    pub(super) header: Vec<String>,
    pub(super) root: Source,
    /// Comments after everything.
    pub(super) footer: Vec<String>,
    /// Where the values with tags are.
    pub(super) tags: Vec<Place>,
    /// All comments.
    pub(super) comments: Vec<(Place, String)>,
}

/// A value as it is written.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Source {
    /// `!env`.
    pub(super) tag: Option<String>,
    /// The name that aliases refer to, if any do.
    pub(super) anchor: Option<String>,
    pub(super) content: Content,
    /// Whether it is written with a line for each entry, though it may be short.
    pub(super) in_lines: bool,
    /// Comments at the end of a block, after its last entry.
    pub(super) closing: Vec<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Content {
    Alias(String),
    Scalar {
        text: String,
        /// Without quotes, so that it may be something else than a text.
        plain: bool,
    },
    List(Vec<Entry>),
    Map(Vec<Entry>),
}

/// An item of a list, or a pair of a mapping.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Entry {
    /// Comments on lines of their own before it.
    pub(super) leading: Vec<String>,
    /// A comment on its line.
    pub(super) trailing: Option<String>,
    /// None in a list.
    pub(super) key: Option<Source>,
    pub(super) value: Source,
    /// Number in the order of the document.
    pub(super) id: usize,
}

impl Source {
    pub(super) fn new(content: Content) -> Self {
        Self {
            tag: None,
            anchor: None,
            content,
            in_lines: false,
            closing: Vec::new(),
        }
    }

    pub(super) fn plain(text: &str) -> Self {
        Self::new(Content::Scalar {
            text: text.to_owned(),
            plain: true,
        })
    }

    pub(super) fn quoted(text: &str) -> Self {
        Self::new(Content::Scalar {
            text: text.to_owned(),
            plain: false,
        })
    }

    pub(super) fn list(items: Vec<Self>) -> Self {
        Self::new(Content::List(items.into_iter().map(Entry::item).collect()))
    }

    /// Whether what it is can only be known once tags and aliases are resolved, or whether others refer
    /// to it: then it stays as it is.
    pub(super) fn is_opaque(&self) -> bool {
        self.tag.is_some() || self.anchor.is_some() || matches!(self.content, Content::Alias(_))
    }

    /// The text of a scalar that is known.
    pub(super) fn text(&self) -> Option<&str> {
        match &self.content {
            Content::Scalar { text, .. } if !self.is_opaque() => Some(text),
            _ => None,
        }
    }

    /// Takes all comments out of it, in the order of the document.
    pub(super) fn take_comments(&mut self) -> Vec<String> {
        let mut taken = Vec::new();
        if let Content::List(entries) | Content::Map(entries) = &mut self.content {
            for entry in entries {
                taken.append(&mut entry.leading);
                taken.extend(entry.trailing.take());
                taken.append(&mut entry.value.take_comments());
            }
        }
        taken.append(&mut self.closing);
        taken
    }
}

impl Entry {
    pub(super) fn item(value: Source) -> Self {
        Self {
            leading: Vec::new(),
            trailing: None,
            key: None,
            value,
            id: 0,
        }
    }

    pub(super) fn pair(key: Source, value: Source) -> Self {
        Self {
            key: Some(key),
            ..Self::item(value)
        }
    }

    /// The text of the key.
    pub(super) fn name(&self) -> &str {
        match self.key.as_ref().map(|key| &key.content) {
            Some(Content::Scalar { text, .. }) => text,
            _ => "",
        }
    }

    pub(super) fn has_comments(&self) -> bool {
        !self.leading.is_empty() || self.trailing.is_some()
    }
}

impl Document {
    /// Reads a document whose root is a mapping; mistakes are reported.
    pub(super) fn read(text: &str, report: &mut Report) -> Option<Self> {
        let mut reader = Reader {
            characters: text.chars().collect(),
            events: Events::new_from_str(text),
            report,
            names: HashMap::new(),
            tags: Vec::new(),
            scalars: Vec::new(),
            places: comment::Places::default(),
            entries: 0,
        };
        let mut root = reader.document()?;
        let Reader {
            characters,
            names,
            tags,
            scalars,
            places,
            ..
        } = reader;
        name_anchors(&mut root, &names);
        let comments = comment::find(&characters, &scalars);
        let all = comments
            .iter()
            .map(|comment| (comment.at, comment.text.clone()))
            .collect();
        let mut placed = places.assign(comments);
        attach(&mut root, &mut placed.by_entry);
        Some(Self {
            header: placed.header,
            root,
            footer: placed.footer,
            tags,
            comments: all,
        })
    }
}

/// Anchors are known by number until the aliases have told their names.
fn name_anchors(source: &mut Source, names: &HashMap<String, String>) {
    source.anchor = source
        .anchor
        .take()
        .and_then(|number| names.get(&number).cloned());
    if let Content::List(entries) | Content::Map(entries) = &mut source.content {
        for entry in entries {
            for part in entry.key.iter_mut().chain([&mut entry.value]) {
                name_anchors(part, names);
            }
        }
    }
}

fn attach(source: &mut Source, comments: &mut HashMap<usize, EntryComments>) {
    if let Content::List(entries) | Content::Map(entries) = &mut source.content {
        for entry in entries {
            if let Some(of_entry) = comments.remove(&entry.id) {
                entry.leading = of_entry.leading;
                entry.trailing = of_entry.trailing;
                entry.value.closing = of_entry.closing;
            }
            attach(&mut entry.value, comments);
        }
    }
}

struct Reader<'a, 'r> {
    characters: Vec<char>,
    events: Events<'a>,
    report: &'r mut Report,
    names: HashMap<String, String>,
    tags: Vec<Place>,
    /// Where scalars are, in characters: there is no comment in them.
    scalars: Vec<Range<usize>>,
    places: comment::Places,
    entries: usize,
}

impl<'a> Reader<'a, '_> {
    fn document(&mut self) -> Option<Source> {
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::StreamEnd => return Some(Source::new(Content::Map(Vec::new()))),
                Event::StreamStart | Event::Nothing => {}
                Event::DocumentStart(_) => break,
                _ => {
                    self.report.error(place(&span), "a document begins here");
                    return None;
                }
            }
        }
        let (event, span) = self.next()?;
        let root = self.node(event, &span, 0, None)?;
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::StreamEnd => return Some(root),
                Event::DocumentStart(_) => {
                    let message = "a file has one document, and this is another";
                    self.report.error(place(&span), message);
                    return None;
                }
                _ => {}
            }
        }
    }

    fn next(&mut self) -> Option<(Event<'a>, Span)> {
        event::next(&mut self.events, self.report)
    }

    /// Reads a value. `owner` is the entry that it is the value of, outside of flow collections.
    fn node(
        &mut self,
        event: Event<'a>,
        span: &Span,
        depth: usize,
        owner: Option<usize>,
    ) -> Option<Source> {
        let range = span.start.index()..span.end.index();
        if depth > DEPTH_LIMIT {
            self.report
                .error(place(span), "the document is nested too deep");
            return None;
        }
        match event {
            Event::Alias(number) => {
                let name: String = self.characters.get(range)?.iter().skip(1).collect();
                self.names.insert(number.to_string(), name.clone());
                Some(Source::new(Content::Alias(name)))
            }
            Event::Scalar(text, style, anchor, tag) => {
                let range = match style {
                    ScalarStyle::DoubleQuoted => self.quoted('"', range.start),
                    ScalarStyle::SingleQuoted => self.quoted('\'', range.start),
                    _ => range,
                };
                self.scalars.push(range);
                let (tag, is_text) = self.tag(tag.as_deref(), span);
                let content = Content::Scalar {
                    text: text.into_owned(),
                    plain: style == ScalarStyle::Plain && !is_text,
                };
                Some(self.source(content, tag, anchor))
            }
            Event::SequenceStart(anchor, tag) => {
                let (tag, _) = self.tag(tag.as_deref(), span);
                let entries = self.collection(span, depth, owner, false)?;
                Some(self.source(Content::List(entries), tag, anchor))
            }
            Event::MappingStart(anchor, tag) => {
                let (tag, _) = self.tag(tag.as_deref(), span);
                let entries = self.collection(span, depth, owner, true)?;
                Some(self.source(Content::Map(entries), tag, anchor))
            }
            _ => {
                self.report.error(place(span), "a value is wanted here");
                None
            }
        }
    }

    /// The range of a text in quotes. The parser's ends behind the comments that follow.
    fn quoted(&self, quote: char, start: usize) -> Range<usize> {
        let characters = self.characters.iter().enumerate().skip(start + 1);
        let mut escaped = false;
        for (index, character) in characters {
            match character {
                _ if escaped => escaped = false,
                '\\' if quote == '"' => escaped = true,
                // Two single quotes are one; the second begins what is skipped as well.
                found if *found == quote => {
                    if quote == '\'' && self.characters.get(index + 1) == Some(&quote) {
                        escaped = true;
                    } else {
                        return start..index + 1;
                    }
                }
                _ => {}
            }
        }
        start..self.characters.len()
    }

    fn source(&self, content: Content, tag: Option<String>, anchor: usize) -> Source {
        Source {
            tag,
            anchor: (anchor > 0).then(|| anchor.to_string()),
            ..Source::new(content)
        }
    }

    /// The tag as it is written, and whether it says that the value is a text.
    fn tag(&mut self, tag: Option<&Tag>, span: &Span) -> (Option<String>, bool) {
        match tag {
            None => (None, false),
            Some(tag) if tag.is_yaml_core_schema() && tag.suffix == "str" => (None, true),
            Some(tag) => {
                self.tags.push(place(span));
                let handle = if tag.is_yaml_core_schema() {
                    "!!"
                } else {
                    tag.handle.as_str()
                };
                (Some(format!("{handle}{}", tag.suffix)), false)
            }
        }
    }

    /// Items, or pairs. In a flow collection nothing has lines of its own, so that its comments are those
    /// of its owner.
    fn collection(
        &mut self,
        span: &Span,
        depth: usize,
        owner: Option<usize>,
        is_map: bool,
    ) -> Option<Vec<Entry>> {
        let mut entries = Vec::new();
        // Taken back if it turns out to be a flow collection.
        let places = self.places.len();
        loop {
            let (event, start) = self.next()?;
            if matches!(event, Event::SequenceEnd | Event::MappingEnd) {
                let closing = self.characters.get(start.start.index());
                let is_flow = start.end.index() > start.start.index()
                    && closing.is_some_and(|c| matches!(c, ']' | '}'));
                if is_flow {
                    self.places.truncate(places);
                    let range = span.start.index()..start.end.index();
                    self.places.flow(range, owner);
                }
                return Some(entries);
            }
            self.entries += 1;
            let id = self.entries;
            // An item begins with its dash, where its list does.
            let column = match is_map {
                true => start.start.col(),
                false => span.end.col(),
            };
            self.places.entry(EntryPlace {
                id,
                index: start.start.index(),
                line: start.start.line(),
                column: column + 1,
                owner,
            });
            let (key, event, start) = if is_map {
                let key = self.node(event, &start, depth + 1, Some(id))?;
                let (event, start) = self.next()?;
                (Some(key), event, start)
            } else {
                (None, event, start)
            };
            let value = self.node(event, &start, depth + 1, Some(id))?;
            entries.push(Entry {
                leading: Vec::new(),
                trailing: None,
                key,
                value,
                id,
            });
        }
    }
}
