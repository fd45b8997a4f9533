//! Compose files as maps.
//!
//! What Compose does without being told is written down in the map: the default network, the names
//! of services in their networks, and which container a volume belongs to.

mod attachment;
mod deploy;
mod external;
mod host;
mod need;
mod network;
mod port;
mod project;
mod service;
#[cfg(test)]
mod tests;
mod translation;
mod unit;
mod unknown;
mod volume;
mod yaml;

use std::fmt;

use crate::diagnostic::{Invalid, Report};
use crate::tree::{self, NoSettings};

use project::Compose;

/// A map made of a Compose file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    /// The text of the map.
    pub map: String,
    /// What has no counterpart in a map, or another one than might be thought: nothing is left out
    /// without a note.
    pub notes: Vec<Note>,
}

/// Something in a Compose file that a person should look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// The line of the Compose file, from 1.
    pub line: usize,
    /// What it is about.
    pub message: String,
    /// What to do about it.
    pub help: String,
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "line {}: {}\n  help: {}",
            self.line, self.message, self.help
        )
    }
}

/// Makes a map of a Compose file.
///
/// Variables that are a whole value become settings, `!env NAME`.
///
/// # Errors
/// Where the file is no YAML, or has no services.
pub fn import_compose(text: &str, file: &str) -> Result<Imported, Invalid> {
    let mut report = Report::new(file);
    let compose = tree::read(text, &NoSettings, &mut report)
        .and_then(|root| Compose::read(&root, &mut report));
    let compose = report.finish(compose)?.value;
    Ok(compose.unwrap_or_default().imported())
}
