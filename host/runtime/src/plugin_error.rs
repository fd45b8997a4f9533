//! How a call of a component ends badly.

use std::fmt;
use std::time::Duration;

use wasmtime::Trap;
use wasmtime::component::ResourceTableError;
use wasmtime_wasi::I32Exit;

use crate::call_error::CallError;
use crate::limits::{Limit, Limits, Overrun};
use crate::state::State;
use crate::text::{last_lines, plain};

/// Which function of which plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The name of the plugin.
    pub plugin: String,
    /// The function, for a task with its name, such as `run list-images`.
    pub function: String,
}

/// How a call of a component ended badly. Its instance is gone in any case; the next call has a new
/// one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PluginError {
    /// The component's own answer: it could not do what it was asked.
    #[error("{place} gave up")]
    Call {
        /// Where.
        place: Place,
        /// Its words.
        source: CallError,
    },
    /// A panic of a Rust component.
    #[error("{place} panicked: {message}")]
    Panicked {
        /// Where.
        place: Place,
        /// The place in the source and the message.
        message: String,
        /// The last lines that it printed.
        printed: String,
    },
    /// Any other end that the component did not intend.
    #[error("{place} ended abnormally: {reason}{}", Printed(.printed))]
    Trapped {
        /// Where.
        place: Place,
        /// In the words of wasmtime.
        reason: String,
        /// The last lines that it printed; a Python traceback, for example.
        printed: String,
    },
    /// It went beyond one of its limits.
    #[error("{place} was stopped: {overrun}")]
    Limit {
        /// Where.
        place: Place,
        /// Which limit, and how to allow more.
        overrun: Box<Overrun>,
    },
}

/// Lines of what a component printed that a message repeats, and characters of each.
const PRINTED_LINES: usize = 20;
const PRINTED_WIDTH: usize = 500;

impl PluginError {
    /// What a trap means, from what is known of the call.
    pub(crate) fn from_trap(
        place: Place,
        error: &wasmtime::Error,
        state: &State,
        limits: &Limits,
    ) -> Self {
        if let Some(limit) = exceeded(error, state) {
            let overrun = limits.overrun(limit, &place.plugin, Duration::ZERO);
            let overrun = Box::new(overrun);
            return Self::Limit { place, overrun };
        }
        let text = state.console.text();
        let mut printed = last_lines(&text, PRINTED_LINES, PRINTED_WIDTH);
        if state.console.is_cut() {
            let overrun = limits.overrun(Limit::Output, &place.plugin, Duration::ZERO);
            printed = format!("{printed}\n(only the last of it was kept: {overrun})");
        }
        if let Some(message) = panic_message(&text) {
            return Self::Panicked {
                place,
                message,
                printed,
            };
        }
        let reason = match (
            error.downcast_ref::<Trap>(),
            error.downcast_ref::<I32Exit>(),
        ) {
            (_, Some(exit)) => format!("it left with the exit status {}", exit.0),
            (Some(trap), _) => trap.to_string(),
            _ => plain(&error.root_cause().to_string()),
        };
        Self::Trapped {
            place,
            reason,
            printed,
        }
    }

    /// Where it happened.
    #[must_use]
    pub fn place(&self) -> &Place {
        match self {
            Self::Call { place, .. }
            | Self::Panicked { place, .. }
            | Self::Trapped { place, .. }
            | Self::Limit { place, .. } => place,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` of the plugin `{}`", self.function, self.plugin)
    }
}

struct Printed<'a>(&'a str);

impl fmt::Display for Printed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            Ok(())
        } else {
            write!(f, "; it printed last:\n{}", self.0)
        }
    }
}

/// The limit that a trap tells of.
fn exceeded(error: &wasmtime::Error, state: &State) -> Option<Limit> {
    if state.ceiling.exceeded {
        return Some(Limit::Memory);
    }
    if state.out_of_cpu {
        return Some(Limit::Cpu);
    }
    error.chain().find_map(|cause| {
        if let Some(ResourceTableError::Full) = cause.downcast_ref() {
            return Some(Limit::Handles);
        }
        // The type of this error is wasmtime's own.
        cause
            .to_string()
            .contains("fuel allocated for hostcalls has been exhausted")
            .then_some(Limit::Copied)
    })
}

/// What the standard library of Rust prints on a panic: `thread '..' panicked at FILE:LINE:COLUMN:`,
/// the message in the lines after it, then a note on backtraces.
fn panic_message(printed: &str) -> Option<String> {
    let (_, text) = printed.rsplit_once("panicked at ")?;
    let text = text.split("note: run with").next().unwrap_or(text);
    let (place, message) = text.split_once('\n').unwrap_or((text, ""));
    let message: Vec<&str> = message
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    let message: String = message.join(" ").chars().take(PRINTED_WIDTH).collect();
    let place = place.trim_end_matches(':');
    Some(if message.is_empty() {
        format!("at {place}")
    } else {
        format!("{message} (at {place})")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_a_panic_prints() {
        let printed = "\nthread '<unnamed>' (1) panicked at src/lib.rs:24:5:\nno such\nindex\nnote: \
                       run with `RUST_BACKTRACE=1` environment variable to display a backtrace\n";
        assert_eq!(
            panic_message(printed).as_deref(),
            Some("no such index (at src/lib.rs:24:5)")
        );
        assert_eq!(panic_message("all is well"), None);
    }
}
