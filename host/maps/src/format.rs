//! `dfab map fmt`: a map in its canonical form. Sections and keys stand in the order of the
//! documentation, every record in its shortest form; tags, anchors, `x-` keys and comments are kept.

mod canonical;
mod comment;
mod records;
mod source;
mod text;

use crate::diagnostic::{Diagnostic, Invalid, Place, Report, Severity};
use crate::map::ResolvedMap;
use crate::tree::Settings;

use canonical::Order;
use source::Document;

/// Writes a map in its canonical form. What is in that form stays as it is.
///
/// # Errors
/// All mistakes of the file; and comments that cannot be kept, where there are such.
pub fn format_map(text: &str, file: &str) -> Result<String, Invalid> {
    let mut report = Report::new(file);
    let Some(document) = Document::read(text, &mut report) else {
        return Err(refused(report));
    };
    let meaning = meaning(text, file, &document)?;
    // What is defined must stand before what refers to it, so that an order may not be possible.
    for order in [Order::Canonical, Order::AsWritten] {
        let mut canonical = document.clone();
        canonical::arrange(&mut canonical.root, order);
        let formatted = text::written(&canonical);
        let mut again = Report::new(file);
        let Some(read) = Document::read(&formatted, &mut again) else {
            continue;
        };
        if self::meaning(&formatted, file, &read).is_ok_and(|new| new == meaning) {
            return match lost_comment(&document, &read) {
                None => Ok(formatted),
                Some((at, comment)) => {
                    report.error_with_help(
                        at,
                        format!("the comment {comment:?} has no place in the canonical form"),
                        "put it on a line of its own before a key",
                    );
                    Err(refused(report))
                }
            };
        }
    }
    report.error_with_help(
        Place { line: 1, column: 1 },
        "this map would not mean the same in the canonical form",
        "this is a mistake of dfab; leave the file as it is",
    );
    Err(refused(report))
}

/// Texts that stand for what tags stand for, so that a map can be read without its settings.
struct Unknown;

impl Settings for Unknown {
    fn setting(&self, name: &str) -> Option<serde_json::Value> {
        Some(serde_json::Value::String(format!("!env {name}")))
    }

    fn variable(&self, name: &str) -> Option<String> {
        Some(format!("!path {name}"))
    }
}

/// The normal form of the document. What a tag stands for is not known, so that it is no mistake if it
/// does not fit its place.
fn meaning(text: &str, file: &str, document: &Document) -> Result<serde_json::Value, Invalid> {
    let mut report = Report::new(file);
    let map = ResolvedMap::empty().document(text, &Unknown, &mut report);
    let is_mistake = |found: &Diagnostic| {
        let at = Place {
            line: found.line,
            column: found.column,
        };
        found.severity == Severity::Error && !document.tags.contains(&at)
    };
    let found = report.into_diagnostics();
    if found.iter().any(is_mistake) {
        return Err(Invalid(found.into_iter().filter(is_mistake).collect()));
    }
    Ok(map.map_or(serde_json::Value::Null, |map| map.json()))
}

fn refused(report: Report) -> Invalid {
    Invalid(report.into_diagnostics())
}

/// A comment that is in the one and not in the other.
fn lost_comment<'a>(from: &'a Document, to: &Document) -> Option<(Place, &'a str)> {
    let mut kept: Vec<&str> = to.comments.iter().map(|(_, text)| text.as_str()).collect();
    for (at, comment) in &from.comments {
        match kept.iter().position(|text| text == comment) {
            Some(index) => {
                kept.swap_remove(index);
            }
            None => return Some((*at, comment)),
        }
    }
    None
}

#[cfg(test)]
mod tests;
