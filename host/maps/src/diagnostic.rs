//! Mistakes and warnings, with the place in the file that they are about.

use std::fmt;

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

/// A place in a file, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Place {
    pub(crate) line: usize,
    pub(crate) column: usize,
}

/// Collects what there is to be said, so that a file's mistakes are told all at once.
#[derive(Debug)]
pub(crate) struct Report {
    file: String,
    diagnostics: Vec<Diagnostic>,
}

impl Report {
    pub(crate) fn new(file: &str) -> Self {
        Self {
            file: file.to_owned(),
            diagnostics: Vec::new(),
        }
    }

    /// One of the same file, in which nothing is said yet.
    pub(crate) fn another(&self) -> Self {
        Self::new(&self.file)
    }

    pub(crate) fn append(&mut self, mut other: Self) {
        self.diagnostics.append(&mut other.diagnostics);
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

    /// The value, unless there was an error. What is said is in the order of the file.
    pub(crate) fn finish<T>(mut self, value: T) -> Result<Loaded<T>, Invalid> {
        self.diagnostics
            .sort_by_key(|diagnostic| (diagnostic.line, diagnostic.column));
        let is_error = |diagnostic: &Diagnostic| diagnostic.severity == Severity::Error;
        if self.diagnostics.iter().any(is_error) {
            Err(Invalid(self.diagnostics))
        } else {
            Ok(Loaded {
                value,
                warnings: self.diagnostics,
            })
        }
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
