//! Mistakes in a project file, with their places.

use std::path::Path;

use dfab_maps::{Diagnostic, Severity};

use crate::failure::Failure;

/// The failure that a mistake ends a command with.
pub(crate) fn mistake(file: &Path, error: &serde_yaml::Error) -> Failure {
    let place = match error.location() {
        Some(at) => format!("{}:{}:{}", file.display(), at.line(), at.column()),
        None => file.display().to_string(),
    };
    Failure::usage(format!("{place}: {}", in_words(error)))
}

/// The same where all mistakes are told. What has no place of its own is of the file's beginning.
pub(crate) fn mistake_at(file: &Path, error: &serde_yaml::Error) -> Diagnostic {
    let at = error.location();
    Diagnostic {
        severity: Severity::Error,
        file: file.display().to_string(),
        line: at.as_ref().map_or(1, serde_yaml::Location::line),
        column: at.as_ref().map_or(1, serde_yaml::Location::column),
        message: in_words(error),
        help: None,
    }
}

/// What serde says, without the names of types and without the place, which stands before it.
fn in_words(error: &serde_yaml::Error) -> String {
    let text = error.to_string();
    let what = text
        .split_once(" at line ")
        .map_or(text.as_str(), |(what, _)| what);
    let mut text = what.replace(
        "struct ProjectFile",
        "a mapping with keys such as maps and hosts",
    );
    for entry in ["PluginEntry", "TrustEntry", "SignerEntry", "Timeouts"] {
        text = text.replace(&format!("struct {entry}"), "a mapping");
    }
    text.replace(
        "data did not match any variant of untagged enum OneOrMany",
        "one text or a list of them is wanted",
    )
}
