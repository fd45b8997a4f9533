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

/// Comments before an entry, and the one on its line.
pub(super) type EntryComments = (Vec<String>, Option<String>);

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
    /// Number, index and line, in the order of the document.
    entries: Vec<(usize, usize, usize)>,
    flows: Vec<(Range<usize>, Option<usize>)>,
}

impl Places {
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn truncate(&mut self, len: usize) {
        self.entries.truncate(len);
    }

    pub(super) fn entry(&mut self, id: usize, index: usize, line: usize) {
        self.entries.push((id, index, line));
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
    /// entry; one within a flow collection that of the entry which has it.
    pub(super) fn assign(&self, comments: Vec<Comment>) -> Placed {
        let mut placed = Placed::default();
        let first_entry = self.entries.first().map(|(_, index, _)| *index);
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
            let owner = match flow {
                Some((_, None)) => None,
                Some((_, Some(owner))) => Some((*owner, false)),
                None => self.owner(&comment),
            };
            match owner {
                _ if number < gap => placed.header.push(comment.text),
                None => placed.footer.push(comment.text),
                Some((id, is_trailing)) => {
                    let (leading, trailing) = placed.by_entry.entry(id).or_default();
                    if is_trailing && trailing.is_none() {
                        *trailing = Some(comment.text);
                    } else {
                        leading.push(comment.text);
                    }
                }
            }
        }
        placed
    }

    /// The entry that a comment outside of flow collections belongs to, and whether it stands on its line.
    fn owner(&self, comment: &Comment) -> Option<(usize, bool)> {
        let next = self
            .entries
            .partition_point(|(_, index, _)| *index < comment.index);
        let before = next.checked_sub(1).and_then(|last| self.entries.get(last));
        let after = self.entries.get(next).map(|(id, ..)| (*id, false));
        match before {
            Some((id, _, line)) if !comment.is_alone && *line == comment.at.line => {
                Some((*id, true))
            }
            // At the end of a value of several lines.
            Some((id, ..)) if !comment.is_alone => Some((*id, false)),
            _ => after,
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
