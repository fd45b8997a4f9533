//! Why a call did not do what it was asked: the `error` of the contract, as a Rust error.

use crate::bindings::task_world::dfab::types::types::Error as WitError;
use crate::denial::Denial;
use crate::text::plain;

/// Why a call across the boundary did not do what it was asked. The same for what the host answers
/// to a component and for what a component answers to the host.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// Not granted to the component. The text names the grant and the line that gives it.
    #[error("{0}")]
    Denied(String),
    /// What was named does not exist.
    #[error("{0}")]
    NotFound(String),
    /// What is there stands against it.
    #[error("{0}")]
    Conflict(String),
    /// The arguments make no sense.
    #[error("{0}")]
    Invalid(String),
    /// The host could not be reached, or the connection broke.
    #[error("{0}")]
    Unreachable(String),
    /// It took longer than it may.
    #[error("{0}")]
    Timeout(String),
    /// The Docker Engine or the remote command refused: its status and its own words.
    #[error("{1} (status {0})")]
    Remote(u16, String),
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

impl From<Denial> for CallError {
    fn from(denial: Denial) -> Self {
        Self::Denied(denial.to_string())
    }
}

impl CallError {
    /// What a component answered, without characters that could steer a terminal.
    pub(crate) fn from_component(error: &WitError) -> Self {
        match error {
            WitError::Denied(text) => Self::Denied(plain(text)),
            WitError::NotFound(text) => Self::NotFound(plain(text)),
            WitError::Conflict(text) => Self::Conflict(plain(text)),
            WitError::Invalid(text) => Self::Invalid(plain(text)),
            WitError::Unreachable(text) => Self::Unreachable(plain(text)),
            WitError::Timeout(text) => Self::Timeout(plain(text)),
            WitError::Remote((status, text)) => Self::Remote(*status, plain(text)),
            WitError::Other(text) => Self::Other(plain(text)),
        }
    }

    /// The form in which a component gets it.
    pub(crate) fn into_wit(self) -> WitError {
        match self {
            Self::Denied(text) => WitError::Denied(text),
            Self::NotFound(text) => WitError::NotFound(text),
            Self::Conflict(text) => WitError::Conflict(text),
            Self::Invalid(text) => WitError::Invalid(text),
            Self::Unreachable(text) => WitError::Unreachable(text),
            Self::Timeout(text) => WitError::Timeout(text),
            Self::Remote(status, text) => WitError::Remote((status, text)),
            Self::Other(text) => WitError::Other(text),
        }
    }
}
