//! The output of a container, as it comes.

use bollard::container::LogOutput;
use bollard::query_parameters::LogsOptionsBuilder;
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, stream};

use crate::call::checked_name;
use crate::engine::Engine;
use crate::error::EngineError;

impl Engine {
    /// The output of a container from its beginning, standard output and error as they came, until
    /// the container ends. Ends with [`EngineError::Idle`] after too long a silence.
    ///
    /// The stream has a channel of its own: while nobody reads it, other calls go on. Dropping it
    /// closes the channel.
    pub fn logs_follow(
        &self,
        container: &str,
    ) -> impl Stream<Item = Result<Bytes, EngineError>> + Send + use<> {
        let operation = format!("read the output of container {container}");
        let checked = checked_name(&operation, container).map(str::to_owned);
        let engine = self.clone();
        let lines = match checked {
            Ok(name) => {
                let options = LogsOptionsBuilder::new()
                    .follow(true)
                    .stdout(true)
                    .stderr(true)
                    .build();
                Ok(Box::pin(engine.shared.docker.logs(&name, Some(options))))
            }
            Err(error) => Err(error),
        };
        stream::unfold(Some(lines), move |state| {
            let operation = operation.clone();
            let idle = engine.shared.idle_timeout;
            async move {
                let mut lines = match state? {
                    Ok(lines) => lines,
                    Err(error) => return Some((Err(error), None)),
                };
                match tokio::time::timeout(idle, lines.next()).await {
                    Ok(Some(Ok(output))) => Some((Ok(bytes_of(output)), Some(Ok(lines)))),
                    Ok(Some(Err(error))) => {
                        Some((Err(EngineError::from_bollard(&operation, error)), None))
                    }
                    Ok(None) => None,
                    Err(_) => Some((
                        Err(EngineError::Idle {
                            operation,
                            after: idle,
                        }),
                        None,
                    )),
                }
            }
        })
    }
}

/// Which part of a container's output is read, and how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutputOptions {
    /// Only so many lines from the end.
    pub tail: Option<u32>,
    /// Each line begins with the time.
    pub timestamps: bool,
}

/// A piece of a container's output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputPiece {
    /// From its standard error rather than its standard output.
    pub is_error: bool,
    /// As it came.
    pub bytes: Bytes,
}

impl Engine {
    /// What a container has printed so far, in order, up to 64 MiB.
    ///
    /// # Errors
    /// [`EngineError::is_not_found`] when there is no such container.
    pub async fn output(
        &self,
        container: &str,
        options: OutputOptions,
    ) -> Result<Vec<OutputPiece>, EngineError> {
        const LIMIT: usize = 64 * 1024 * 1024;
        let operation = format!("read the output of container {container}");
        let name = checked_name(&operation, container)?;
        let tail = options
            .tail
            .map_or_else(|| "all".to_owned(), |lines| lines.to_string());
        let query = LogsOptionsBuilder::new()
            .stdout(true)
            .stderr(true)
            .timestamps(options.timestamps)
            .tail(&tail)
            .build();
        let mut lines = Box::pin(self.shared.docker.logs(name, Some(query)));
        let idle = self.shared.idle_timeout;
        let mut pieces = Vec::new();
        let mut size = 0;
        while let Some(piece) = tokio::time::timeout(idle, lines.next())
            .await
            .map_err(|_| EngineError::Idle {
                operation: operation.clone(),
                after: idle,
            })?
        {
            let piece = piece.map_err(|error| EngineError::from_bollard(&operation, error))?;
            let is_error = matches!(piece, LogOutput::StdErr { .. });
            let bytes = bytes_of(piece);
            size += bytes.len();
            if size > LIMIT {
                return Err(EngineError::Decode {
                    operation,
                    reason: "it printed more than 64 MiB".to_owned(),
                });
            }
            pieces.push(OutputPiece { is_error, bytes });
        }
        Ok(pieces)
    }
}

fn bytes_of(output: LogOutput) -> Bytes {
    match output {
        LogOutput::StdOut { message }
        | LogOutput::StdErr { message }
        | LogOutput::StdIn { message }
        | LogOutput::Console { message } => message,
    }
}
