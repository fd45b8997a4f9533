//! What ends a command early: the one error type of the binary, with its exit code and what to do
//! next.

use std::error::Error;
use std::fmt;

use dfab_deploy::host::HostError;
/// An error with everything it was caused by, in one text.
pub(crate) use dfab_engine::with_causes as describe;

use crate::selection::listed;

/// Exit codes of dfab, on which scripts may rely.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Code {
    Done,
    Failed,
    Usage,
    SomeHostsFailed,
    Unreachable,
    /// That of the one command that was run elsewhere, or of the signal that ended dfab.
    Passed(u8),
}

impl From<Code> for std::process::ExitCode {
    fn from(code: Code) -> Self {
        Self::from(match code {
            Code::Done => 0,
            Code::Failed => 1,
            Code::Usage => 2,
            Code::SomeHostsFailed => 3,
            Code::Unreachable => 4,
            Code::Passed(number) => number,
        })
    }
}

/// Why a command ended early.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) code: Code,
    message: String,
    source: Option<Box<dyn Error + Send + Sync>>,
    hints: Vec<String>,
}

impl Failure {
    /// Something that was asked for cannot be: a wrong option, a map with mistakes.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Code::Usage, message)
    }

    /// Something went wrong that was asked for rightly.
    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Self::new(Code::Failed, message)
    }

    pub(crate) fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            source: None,
            hints: Vec::new(),
        }
    }

    /// Adds why.
    pub(crate) fn because(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Says that it hindered all that was asked for.
    pub(crate) fn before_anything(mut self) -> Self {
        self.message.push_str("; nothing was done");
        self
    }

    /// What went wrong, without why.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// What to do next.
    pub(crate) fn hints(&self) -> &[String] {
        &self.hints
    }

    /// Adds what to do next.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if let Some(source) = &self.source {
            write!(f, ": {}", describe(source.as_ref()))?;
        }
        for hint in &self.hints {
            write!(f, "\n  hint: {hint}")?;
        }
        Ok(())
    }
}

impl From<HostError> for Failure {
    fn from(error: HostError) -> Self {
        let code = match &error {
            // Somebody wrote it wrong, and no host has to do with it.
            HostError::Version { .. } => Code::Usage,
            _ => Code::Unreachable,
        };
        let failure = Self::new(code, describe(&error));
        match &error {
            HostError::Ssh { host, source } if is_refused(source) => failure.hint(format!(
                "is sshd running there, and is the port right? `dfab host check -H {host}` tells more"
            )),
            HostError::Unknown { host, known, .. } => {
                match nearest(host, known.iter().map(String::as_str)) {
                    Some(near) => failure.hint(format!("did you mean {near}?")),
                    None => failure.hint(format!("there is: {}", listed(known))),
                }
            }
            _ => failure,
        }
    }
}

/// Whether nothing listens where a connection was to go.
fn is_refused(error: &(dyn Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        let source = error.downcast_ref::<std::io::Error>();
        if source.is_some_and(|source| source.kind() == std::io::ErrorKind::ConnectionRefused) {
            return true;
        }
        cause = error.source();
    }
    false
}

/// The name that is most like one that is not there.
pub(crate) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let likeness = |known: &str| strsim::normalized_damerau_levenshtein(name, known);
    known
        .filter(|known| likeness(known) > 0.6)
        .max_by(|a, b| likeness(a).total_cmp(&likeness(b)))
}
