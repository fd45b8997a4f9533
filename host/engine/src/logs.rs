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

fn bytes_of(output: LogOutput) -> Bytes {
    match output {
        LogOutput::StdOut { message }
        | LogOutput::StdErr { message }
        | LogOutput::StdIn { message }
        | LogOutput::Console { message } => message,
    }
}
