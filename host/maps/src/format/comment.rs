//! Comments: where they are, and which entry of the document each belongs to.

use std::collections::HashMap;
use std::ops::Range;

use crate::diagnostic::Place;

/// A comment and where it is.
#[derive(Debug, Clone)]
pub(super) struct Comment {
    pub(super) at: Place,
    /// With its `#`.
    pub(super) text: String,
    index: usize,
    /// Nothing else is on its line.
    is_alone: bool,
    /// Whether an empty line follows.
    before_gap: bool,
}

/// Comments of an entry.
#[derive(Debug, Default)]
pub(super) struct EntryComments {
    /// Before it.
    pub(super) leading: Vec<String>,
    /// On its line.
    pub(super) trailing: Option<String>,
    /// At the end of the block that is its value.
    pub(super) closing: Vec<String>,
}

/// Comments by what they belong to.
#[derive(Debug, Default)]
pub(super) struct Placed {
    pub(super) header: Vec<String>,
    pub(super) by_entry: HashMap<usize, EntryComments>,
    pub(super) footer: Vec<String>,
}

/// Where entries with lines of their own begin, and where flow collections are.
#[derive(Debug, Default)]
pub(super) struct Places {
    /// In the order of the document.
    entries: Vec<EntryPlace>,
    flows: Vec<(Range<usize>, Option<usize>)>,
}

/// Where an entry is.
#[derive(Debug)]
pub(super) struct EntryPlace {
    pub(super) id: usize,
    pub(super) index: usize,
    pub(super) line: usize,
    /// How far its block is indented, from 1.
    pub(super) column: usize,
    /// The entry of whose value it is a part.
    pub(super) owner: Option<usize>,
}

/// What a comment stands by.
enum Anchor {
    Before(usize),
    OnLineOf(usize),
    AtEndOf(usize),
}

impl Places {
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn truncate(&mut self, len: usize) {
        self.entries.truncate(len);
    }

    pub(super) fn entry(&mut self, entry: EntryPlace) {
        self.entries.push(entry);
    }

    pub(super) fn flow(&mut self, range: Range<usize>, owner: Option<usize>) {
        // Outer collections end after inner ones, and go before them.
        while self
            .flows
            .pop_if(|(inner, _)| inner.start > range.start)
            .is_some()
        {}
        self.flows.push((range, owner));
    }

    /// A comment on the line of an entry is that entry's; one on a line of its own is that of the next
    /// entry, or of the block that it is the end of; one within a flow collection that of the entry which has it.
    pub(super) fn assign(&self, comments: Vec<Comment>) -> Placed {
        let mut placed = Placed::default();
        let first_entry = self.entries.first().map(|entry| entry.index);
        let gap = comments
            .iter()
            .rposition(|comment| {
                comment.before_gap && first_entry.is_some_and(|first| comment.index < first)
            })
            .map_or(0, |last| last + 1);
        for (number, comment) in comments.into_iter().enumerate() {
            let next = self
                .flows
                .partition_point(|(range, _)| range.start < comment.index);
            let flow = next
                .checked_sub(1)
                .and_then(|last| self.flows.get(last))
                .filter(|(range, _)| range.contains(&comment.index));
            let anchor = match flow {
                Some((_, owner)) => owner.map(Anchor::Before),
                None => self.anchor(&comment),
            };
            match anchor {
                _ if number < gap => placed.header.push(comment.text),
                None => placed.footer.push(comment.text),
                Some(Anchor::Before(id)) => {
                    let comments = placed.by_entry.entry(id).or_default();
                    comments.leading.push(comment.text);
                }
                Some(Anchor::OnLineOf(id)) => {
                    let comments = placed.by_entry.entry(id).or_default();
                    match comments.trailing {
                        None => comments.trailing = Some(comment.text),
                        Some(_) => comments.leading.push(comment.text),
                    }
                }
                Some(Anchor::AtEndOf(id)) => {
                    let comments = placed.by_entry.entry(id).or_default();
                    comments.closing.push(comment.text);
                }
            }
        }
        placed
    }

    /// What a comment outside of flow collections stands by.
    fn anchor(&self, comment: &Comment) -> Option<Anchor> {
        let next = self
            .entries
            .partition_point(|entry| entry.index < comment.index);
        let (before, after) = self.entries.split_at(next);
        let after = after.first();
        match before.last() {
            Some(last) if !comment.is_alone && last.line == comment.at.line => {
                return Some(Anchor::OnLineOf(last.id));
            }
            // At the end of a value of several lines.
            Some(last) if !comment.is_alone => return Some(Anchor::Before(last.id)),
            _ => {}
        }
        // Blocks that are indented further have ended before it.
        let mut open = before.iter().rev();
        let sibling = open.find(|entry| entry.column <= comment.at.column);
        let is_last = |sibling: &&EntryPlace| after.is_none_or(|next| next.column < sibling.column);
        match sibling.filter(is_last).and_then(|sibling| sibling.owner) {
            Some(owner) => Some(Anchor::AtEndOf(owner)),
            None => after.map(|next| Anchor::Before(next.id)),
        }
    }
}

/// Finds the comments of a text in which the ranges of the scalars are known.
pub(super) fn find(characters: &[char], scalars: &[Range<usize>]) -> Vec<Comment> {
    let mut scalars: Vec<_> = scalars.iter().filter(|range| !range.is_empty()).collect();
    scalars.sort_by_key(|range| range.start);
    let mut scalars = scalars.into_iter().peekable();
    let mut found = Vec::new();
    let (mut line, mut line_start, mut index) = (1, 0, 0);
    let mut is_alone = true;
    while let Some(character) = characters.get(index) {
        let scalar = scalars.next_if(|range| range.start <= index);
        if let Some(scalar) = scalar.filter(|scalar| scalar.end > index) {
            is_alone = false;
            for inner in index..scalar.end {
                match characters.get(inner) {
                    // A block ends where the next line begins, or after its blanks.
                    Some('\n') => (line, line_start, is_alone) = (line + 1, inner + 1, true),
                    Some(other) if !other.is_whitespace() => is_alone = false,
                    _ => {}
                }
            }
            index = scalar.end;
            continue;
        }
        let before = index
            .checked_sub(1)
            .and_then(|before| characters.get(before));
        match character {
            '\n' => (line, line_start, is_alone) = (line + 1, index + 1, true),
            '#' if before.is_none_or(|before| before.is_whitespace()) => {
                let rest = characters.get(index..).unwrap_or_default();
                let text: String = rest.iter().take_while(|c| **c != '\n').collect();
                let length = text.chars().count();
                let after = rest.iter().skip(length + 1);
                let next_line: String = after.take_while(|c| **c != '\n').collect();
                found.push(Comment {
                    at: Place {
                        line,
                        column: index - line_start + 1,
                    },
                    index,
                    is_alone,
                    before_gap: is_alone && next_line.trim().is_empty(),
                    text: text.trim_end().to_owned(),
                });
                index += length;
                continue;
            }
            other if !other.is_whitespace() => is_alone = false,
            _ => {}
        }
        index += 1;
    }
    found
}
