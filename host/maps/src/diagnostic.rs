//! Mistakes and warnings, with the place in the file that they are about.

use std::collections::HashSet;
use std::fmt;

use crate::waiting::Unset;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// The file cannot be used.
    Error,
    /// The file can be used, perhaps not as meant.
    Warning,
}

/// One thing to be said about a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// The file, as it was named.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1, in characters.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
}

impl Diagnostic {
    /// Whether the file cannot be used for it.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        let Self {
            file,
            line,
            column,
            message,
            ..
        } = self;
        write!(f, "{file}:{line}:{column}: {severity}: {message}")?;
        match &self.help {
            Some(help) => write!(f, "\n  help: {help}"),
            None => Ok(()),
        }
    }
}

/// Every mistake of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invalid(pub Vec<Diagnostic>);

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts: Vec<_> = self.0.iter().map(Diagnostic::to_string).collect();
        f.write_str(&texts.join("\n"))
    }
}

impl std::error::Error for Invalid {}

/// Something read from a file, and what there is to be said about it all the same.
#[derive(Debug, Clone)]
pub struct Loaded<T> {
    /// What was read.
    pub value: T,
    /// What may not be as meant.
    pub warnings: Vec<Diagnostic>,
}

/// What a file says as far as it can be read, and all that there is to be said about it.
#[derive(Debug, Clone)]
pub struct Reading<T> {
    /// What was read, without what is wrong; none where nothing can be.
    pub value: Option<T>,
    /// Mistakes and warnings, in the order of the file.
    pub diagnostics: Vec<Diagnostic>,
}

impl<T> Reading<T> {
    /// Whether there is a mistake in it.
    pub fn is_wrong(&self) -> bool {
        self.diagnostics.iter().any(Diagnostic::is_error)
    }

    /// The value, unless there was a mistake.
    pub(crate) fn checked(self) -> Result<Loaded<T>, Invalid> {
        match self.value {
            Some(value) if !self.diagnostics.iter().any(Diagnostic::is_error) => Ok(Loaded {
                value,
                warnings: self.diagnostics,
            }),
            _ => Err(Invalid(self.diagnostics)),
        }
    }
}

/// A place in a file, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct Place {
    pub(crate) line: usize,
    pub(crate) column: usize,
}

/// Collects what there is to be said, so that a file's mistakes are told all at once.
#[derive(Debug)]
pub(crate) struct Report {
    file: String,
    diagnostics: Vec<Diagnostic>,
    /// Where settings are meant that are not set: what is read there is not what it will be.
    unset: HashSet<Place>,
    errors: usize,
}

impl Report {
    pub(crate) fn new(file: &str) -> Self {
        Self {
            file: file.to_owned(),
            diagnostics: Vec::new(),
            unset: HashSet::new(),
            errors: 0,
        }
    }

    /// One of the same file, in which nothing is said yet.
    pub(crate) fn another(&self) -> Self {
        Self::new(&self.file)
    }

    pub(crate) fn append(&mut self, mut other: Self) {
        self.diagnostics.append(&mut other.diagnostics);
        self.unset.extend(other.unset);
        self.errors += other.errors;
    }

    /// How many mistakes were told.
    pub(crate) fn errors(&self) -> usize {
        self.errors
    }

    /// Tells of a setting that is not set. Nothing else is told of that place.
    pub(crate) fn unset(&mut self, at: Place, name: &str) {
        self.error_with_help(
            at,
            format!("the setting {name} is not set"),
            format!("set it under `settings` in dfab.yaml, or give --set {name}=VALUE"),
        );
        self.unset.insert(at);
    }

    /// Warns of settings that are not set, where only some things need them: what becomes of those is
    /// in `without`.
    pub(crate) fn wait_for(&mut self, settings: Vec<(String, Place)>, without: &str) -> Vec<Unset> {
        let mut unset = Vec::with_capacity(settings.len());
        for (name, at) in settings {
            self.warning(
                at,
                format!("the setting {name} is not set; without it {without}"),
                format!("set it under `settings` in dfab.yaml, or give --set {name}=VALUE"),
            );
            let file = self.file.clone();
            unset.push(Unset { name, file, at });
        }
        unset
    }

    pub(crate) fn error(&mut self, at: Place, message: impl Into<String>) {
        self.add(Severity::Error, at, message.into(), None);
    }

    pub(crate) fn error_with_help(
        &mut self,
        at: Place,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.add(Severity::Error, at, message.into(), Some(help.into()));
    }

    pub(crate) fn warning(
        &mut self,
        at: Place,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.add(Severity::Warning, at, message.into(), Some(help.into()));
    }

    /// An unknown word, and the known one that is most like it.
    pub(crate) fn unknown(&mut self, at: Place, what: &str, word: &str, known: &[&str]) {
        let message = format!("there is no {what} {word}");
        match nearest(word, known.iter().copied()) {
            Some(near) => self.error_with_help(at, message, format!("did you mean {near}?")),
            None if known.is_empty() => self.error(at, message),
            None => self.error_with_help(at, message, format!("there is: {}", known.join(", "))),
        }
    }

    fn add(&mut self, severity: Severity, at: Place, message: String, help: Option<String>) {
        let (line, column) = (at.line, at.column);
        self.errors += usize::from(severity == Severity::Error);
        let file = self.file.clone();
        self.diagnostics.push(Diagnostic {
            severity,
            file,
            line,
            column,
            message,
            help,
        });
    }

    /// Everything that was said.
    pub(crate) fn into_diagnostics(self) -> Vec<Diagnostic> {
        self.diagnostics
    }

    /// The value as far as it could be read. What is said is in the order of the file.
    pub(crate) fn reading<T>(mut self, value: Option<T>) -> Reading<T> {
        let mut told = HashSet::new();
        let unset = self.unset;
        // Where a setting is missed at once, that goes before what waits for the same one.
        self.diagnostics.sort_by_key(|one| {
            let (line, column) = (one.line, one.column);
            let is_hidden = unset.contains(&Place { line, column }) && !one.is_error();
            (line, column, is_hidden)
        });
        self.diagnostics.retain(|one| {
            let (line, column) = (one.line, one.column);
            let at = Place { line, column };
            !unset.contains(&at) || told.insert(at)
        });
        Reading {
            value,
            diagnostics: self.diagnostics,
        }
    }

    /// The value, unless there was a mistake. What is said is in the order of the file.
    pub(crate) fn finish<T>(self, value: T) -> Result<Loaded<T>, Invalid> {
        self.reading(Some(value)).checked()
    }
}

/// The word most like another one, if any is like it at all.
pub(crate) fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    known
        .filter_map(|candidate| {
            // The second one sees two letters in the wrong order.
            let likeness = strsim::jaro_winkler(word, candidate);
            let edits = strsim::normalized_damerau_levenshtein(word, candidate);
            (likeness > 0.8 || edits > 0.6).then_some((likeness.max(edits), candidate))
        })
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}
