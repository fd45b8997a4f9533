//! What can go wrong with a call of the Engine.
//!
//! Every error names the operation that was attempted.

use std::sync::Arc;
use std::time::Duration;

use crate::connector::ChannelError;
use crate::path::PathError;

/// A call of the Docker Engine that failed.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The Engine answered, and said no.
    #[error("cannot {operation}: the Docker Engine answered {status}: {message}")]
    Refused {
        /// What was attempted, such as "start container web".
        operation: String,
        /// The HTTP status.
        status: u16,
        /// The Engine's own words.
        message: String,
    },
    /// The Engine reported a failure after it had started to answer.
    #[error("cannot {operation}: {message}")]
    Failed {
        /// What was attempted.
        operation: String,
        /// The Engine's own words.
        message: String,
    },
    /// The Engine could not be reached, or the channel to it broke.
    #[error("cannot {operation}: the Docker Engine cannot be reached")]
    Unreachable {
        /// What was attempted.
        operation: String,
        /// What the channel said.
        #[source]
        source: ChannelError,
    },
    /// The channel broke when the call had been sent. Whether the Engine carried it out is not known.
    #[error(
        "cannot {operation}: the connection broke; it is not known whether the Docker Engine carried \
         it out"
    )]
    Broken {
        /// What was attempted.
        operation: String,
        /// What the channel said.
        #[source]
        source: ChannelError,
    },
    /// No answer in time. Whether the Engine carried the call out is not known.
    #[error(
        "cannot {operation}: no answer within {} s; it is not known whether the Docker Engine \
         carried it out; --call-timeout gives it more time",
        .after.as_secs_f64()
    )]
    Timeout {
        /// What was attempted.
        operation: String,
        /// How long was waited.
        after: Duration,
    },
    /// What was waited for takes longer than it may.
    #[error("cannot {operation}: it has not ended within {} s", .after.as_secs_f64())]
    Unfinished {
        /// What was attempted.
        operation: String,
        /// How long was waited.
        after: Duration,
    },
    /// The stream said nothing for too long.
    #[error(
        "cannot {operation}: nothing was received for {} s; --idle-timeout gives it more time",
        .after.as_secs_f64()
    )]
    Idle {
        /// What was attempted.
        operation: String,
        /// How long was waited.
        after: Duration,
    },
    /// Nothing more could be sent for too long. What the Engine did with the rest is not known.
    #[error(
        "cannot {operation}: nothing could be sent for {} s; it is not known what the Docker Engine \
         did with what was sent before; --idle-timeout gives it more time",
        .after.as_secs_f64()
    )]
    Stalled {
        /// What was attempted.
        operation: String,
        /// How long was waited.
        after: Duration,
    },
    /// The container did not stop.
    #[error(
        "cannot {operation}: the container still runs {} s after the signal; give it more time, or \
         stop it with SIGKILL",
        .after.as_secs_f64()
    )]
    StillRunning {
        /// What was attempted.
        operation: String,
        /// How long was waited.
        after: Duration,
    },
    /// The answer is not what the Engine API documents.
    #[error("cannot {operation}: the answer of the Docker Engine cannot be read: {reason}")]
    Decode {
        /// What was attempted.
        operation: String,
        /// What the reader said.
        reason: String,
    },
    /// The answer is larger than what is read into memory.
    #[error("cannot {operation}: the answer is larger than {limit} bytes")]
    TooLarge {
        /// What was attempted.
        operation: String,
        /// Bytes.
        limit: usize,
    },
    /// The call cannot be made: a path, name or method is not one of the Engine API.
    #[error("cannot {operation}")]
    Invalid {
        /// What was attempted.
        operation: String,
        /// What is wrong.
        #[source]
        source: PathError,
    },
    /// The call cannot be made: an argument is not one that the Engine takes.
    #[error("cannot {operation}: {reason}")]
    Argument {
        /// What was attempted.
        operation: String,
        /// What is wrong.
        reason: String,
    },
    /// The Engine took the change, but it is not there afterwards.
    #[error("cannot {operation}: afterwards it has {found} instead of {wanted}")]
    NotApplied {
        /// What was attempted.
        operation: String,
        /// What should be there.
        wanted: String,
        /// What is there.
        found: String,
    },
}

impl EngineError {
    /// Whether the Engine does not know the object.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Refused { status: 404, .. })
    }

    /// Whether the object is in a state, or has a name, that forbids the call.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::Refused { status: 409, .. })
    }

    /// Whether the container is on its way out already: by another call, or since the Engine removes it
    /// by itself when it has ended.
    #[must_use]
    pub fn is_being_removed(&self) -> bool {
        match self {
            Self::Refused {
                status: 409,
                message,
                ..
            } => message.contains("is already in progress"),
            _ => false,
        }
    }

    /// Whether the channel to the Engine is the cause.
    #[must_use]
    pub fn is_unreachable(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Broken { .. })
    }

    /// Sorts what a channel said: it was not there, or it broke with a call on it.
    pub(crate) fn from_channel(operation: String, source: ChannelError) -> Self {
        match source {
            ChannelError::Request { .. }
            | ChannelError::Response { .. }
            | ChannelError::Stream { .. } => Self::Broken { operation, source },
            ChannelError::Unix { .. }
            | ChannelError::Tcp { .. }
            | ChannelError::Ssh { .. }
            | ChannelError::Process { .. }
            | ChannelError::Tls { .. }
            | ChannelError::Slow { .. } => Self::Unreachable { operation, source },
        }
    }

    /// Sorts an error of bollard's, in which ours are wrapped by the transport.
    pub(crate) fn from_bollard(operation: &str, error: bollard::errors::Error) -> Self {
        use bollard::errors::Error;
        let operation = operation.to_owned();
        match error {
            Error::DockerResponseServerError {
                status_code,
                message,
            } => Self::Refused {
                operation,
                status: status_code,
                message: one_line(&message),
            },
            Error::DockerStreamError { error } => Self::Failed {
                operation,
                message: one_line(&error),
            },
            Error::IOError { err } => Self::from_channel(operation, ChannelError::from_io(err)),
            Error::HyperResponseError { err } => {
                let source = Arc::new(err);
                Self::from_channel(operation, ChannelError::Response { source })
            }
            other => Self::Decode {
                operation,
                reason: other.to_string(),
            },
        }
    }
}

/// The Engine ends its messages with a line break.
pub(crate) fn one_line(message: &str) -> String {
    message.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_removal_that_is_under_way_is_told_from_other_conflicts() {
        let refused = |status, message: &str| EngineError::Refused {
            operation: "remove container web".to_owned(),
            status,
            message: message.to_owned(),
        };
        let under_way = "removal of container web is already in progress";
        assert!(refused(409, under_way).is_being_removed());
        assert!(!refused(500, under_way).is_being_removed());
        let running = "You cannot remove a running container 1234. Stop the container first";
        assert!(!refused(409, running).is_being_removed());
    }
}
