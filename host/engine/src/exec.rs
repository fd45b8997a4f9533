//! Commands inside running containers.

use std::time::Duration;

use bollard::container::LogOutput;
use bollard::exec::StartExecResults;
use bollard::models::ExecConfig;
use futures_util::StreamExt as _;

use crate::call::checked_name;
use crate::engine::Engine;
use crate::error::EngineError;

/// How a command ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecOutcome {
    /// 0 for success; 126 and 127 when the command could not be started.
    pub exit_code: i64,
    /// The first 4 MiB of it.
    pub stdout: Vec<u8>,
    /// The first 4 MiB of it.
    pub stderr: Vec<u8>,
}

impl Engine {
    /// Runs a command in a running container, attached, and waits for its end. Takes a channel of
    /// its own.
    ///
    /// When the future is dropped or the time is over, the command goes on in the container: the
    /// Engine API has no call to end it.
    ///
    /// # Errors
    /// [`EngineError::Unfinished`], [`EngineError::is_conflict`] when the container does not run. A
    /// command that fails is an outcome, not an error.
    pub async fn exec(
        &self,
        container: &str,
        argv: &[String],
        user: Option<&str>,
        timeout: Duration,
    ) -> Result<ExecOutcome, EngineError> {
        let operation = format!(
            "run {} in container {container}",
            argv.first().map_or("nothing", |name| name)
        );
        let name = checked_name(&operation, container)?;
        let config = ExecConfig {
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            cmd: Some(argv.to_vec()),
            user: user.map(str::to_owned),
            ..ExecConfig::default()
        };
        self.bounded(&operation, timeout, async {
            let failed = |error| EngineError::from_bollard(&operation, error);
            let docker = &self.shared.docker;
            let created = docker.create_exec(name, config).await.map_err(failed)?;
            let mut outcome = ExecOutcome {
                exit_code: 0,
                stdout: Vec::new(),
                stderr: Vec::new(),
            };
            if let StartExecResults::Attached {
                mut output,
                input: _input,
            } = docker.start_exec(&created.id, None).await.map_err(failed)?
            {
                while let Some(piece) = output.next().await {
                    match piece.map_err(failed)? {
                        LogOutput::StdErr { message } => keep(&mut outcome.stderr, &message),
                        LogOutput::StdOut { message }
                        | LogOutput::StdIn { message }
                        | LogOutput::Console { message } => keep(&mut outcome.stdout, &message),
                    }
                }
            }
            // The output may end a moment before the Engine has noted the exit code; the time-out
            // around this bounds the loop.
            loop {
                let state = docker.inspect_exec(&created.id).await.map_err(failed)?;
                if let (Some(code), false) = (state.exit_code, state.running.unwrap_or(false)) {
                    outcome.exit_code = code;
                    return Ok(outcome);
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await
        .map_err(|error| match error {
            EngineError::Timeout { operation, after } => {
                EngineError::Unfinished { operation, after }
            }
            other => other,
        })
    }
}

/// What is kept of each stream, in bytes; the rest is read and dropped.
const KEPT: usize = 4 * 1024 * 1024;

fn keep(kept: &mut Vec<u8>, piece: &[u8]) {
    let room = KEPT.saturating_sub(kept.len());
    kept.extend(piece.iter().take(room));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_is_kept_up_to_its_limit() {
        let mut kept = vec![0; KEPT - 1];
        keep(&mut kept, b"ab");
        keep(&mut kept, b"c");
        assert_eq!((kept.len(), kept.last()), (KEPT, Some(&b'a')));
    }
}
