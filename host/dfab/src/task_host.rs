//! What a task may reach: the engine and the shell of the one host that it runs for.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use dfab_deploy::host::{Host, HostError};
use dfab_engine::EngineError;
use dfab_runtime::task::{Command, ContainerSummary, ImageSummary, Outcome, Port};
use dfab_runtime::{CallError, Level, LogSink, Permit, TaskHost};
use dfab_ssh::RunError;
use serde_json::{Map, Value};

use crate::failure::describe;

/// How long a command runs that a task gives no time.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(60);
/// How much a command may print, in bytes.
const OUTPUT_LIMIT: usize = 16 << 20;

/// One host, as a task sees it.
#[derive(Debug)]
pub(crate) struct TaskContext {
    pub(crate) host: Arc<Host>,
    pub(crate) settings: Arc<Map<String, Value>>,
}

#[async_trait]
impl TaskHost for TaskContext {
    fn name(&self) -> String {
        self.host.name().to_owned()
    }

    fn log(&self, level: Level, message: &str) {
        Log {
            host: Some(self.host.name()),
        }
        .write(level, message);
    }

    async fn setting(&self, _: Permit, name: &str) -> Result<Option<String>, CallError> {
        Ok(self.settings.get(name).map(Value::to_string))
    }

    async fn version(&self, _: Permit) -> Result<String, CallError> {
        let engine = self.host.engine().await.map_err(unreachable)?;
        engine.version().await.map_err(refused)
    }

    async fn info(&self, _: Permit) -> Result<String, CallError> {
        let engine = self.host.engine().await.map_err(unreachable)?;
        engine.info().await.map_err(refused)
    }

    async fn containers(
        &self,
        _: Permit,
        all: bool,
        filters: &[(String, String)],
    ) -> Result<Vec<ContainerSummary>, CallError> {
        let engine = self.host.engine().await.map_err(unreachable)?;
        let containers = engine.containers(all, filters).await.map_err(refused)?;
        let summary = |container: dfab_engine::ContainerSummary| ContainerSummary {
            id: container.id,
            names: container.names,
            image: container.image,
            image_id: container.image_id,
            command: container.command,
            created: container.created,
            state: container.state,
            status: container.status,
            ports: container
                .ports
                .into_iter()
                .map(|port| Port {
                    container_port: port.container_port,
                    protocol: port.protocol,
                    host_address: port.host_address,
                    host_port: port.host_port,
                })
                .collect(),
            labels: container.labels.into_iter().collect(),
        };
        Ok(containers.into_iter().map(summary).collect())
    }

    async fn images(
        &self,
        _: Permit,
        all: bool,
        filters: &[(String, String)],
    ) -> Result<Vec<ImageSummary>, CallError> {
        let engine = self.host.engine().await.map_err(unreachable)?;
        let images = engine.images(all, filters).await.map_err(refused)?;
        let summary = |image: dfab_engine::ImageSummary| ImageSummary {
            id: image.id,
            parent_id: image.parent_id,
            tags: image.tags,
            created: image.created,
            size: image.size,
        };
        Ok(images.into_iter().map(summary).collect())
    }

    async fn request(
        &self,
        _: Permit,
        method: &str,
        path: &str,
        body: Option<&str>,
    ) -> Result<String, CallError> {
        let body = body
            .map(serde_json::from_str::<Value>)
            .transpose()
            .map_err(|error| {
                CallError::Invalid(format!("the body of {method} {path} is no JSON: {error}"))
            })?;
        let engine = self.host.engine().await.map_err(unreachable)?;
        engine
            .request(method, path, body.as_ref())
            .await
            .map_err(refused)
    }

    fn has_shell(&self, _: Permit) -> bool {
        self.host.has_shell()
    }

    async fn run(&self, _: Permit, command: Command) -> Result<Outcome, CallError> {
        let session = self
            .host
            .session()
            .await
            .map_err(unreachable)?
            .ok_or_else(|| {
                CallError::NotFound(format!("{} is reached without SSH", self.host.name()))
            })?;
        let timeout = command.timeout_s.map_or(COMMAND_TIMEOUT, |seconds| {
            Duration::from_secs(u64::from(seconds))
        });
        let output = session
            .run(
                &command.line,
                command.stdin.as_deref(),
                timeout,
                OUTPUT_LIMIT,
            )
            .await
            .map_err(not_run)?;
        Ok(Outcome {
            status: output.status,
            stdout: output.stdout,
            stderr: output.stderr,
        })
    }
}

/// Where plugins' log lines go: to the log of dfab, which `-v` shows.
#[derive(Debug)]
pub(crate) struct Log<'a> {
    host: Option<&'a str>,
}

impl Log<'_> {
    /// For plugins that run for no host.
    pub(crate) fn sink() -> LogSink {
        Arc::new(|level, message| Log { host: None }.write(level, message))
    }

    fn write(&self, level: Level, message: &str) {
        let host = self.host.map(|host| format!("{host}: "));
        let host = host.unwrap_or_default();
        let message = crate::terminal::plain(message);
        match level {
            Level::Trace => tracing::trace!(target: "plugin", "{host}{message}"),
            Level::Debug => tracing::debug!(target: "plugin", "{host}{message}"),
            Level::Info => tracing::info!(target: "plugin", "{host}{message}"),
            Level::Warn => tracing::warn!(target: "plugin", "{host}{message}"),
            Level::Error => tracing::error!(target: "plugin", "{host}{message}"),
        }
    }
}

fn unreachable(error: HostError) -> CallError {
    CallError::Unreachable(describe(&error))
}

fn refused(error: EngineError) -> CallError {
    if error.is_unreachable() {
        return CallError::Unreachable(describe(&error));
    }
    match error {
        EngineError::Refused {
            status,
            ref message,
            ..
        } => CallError::Remote(status, message.clone()),
        EngineError::Timeout { .. } => CallError::Timeout(describe(&error)),
        error => CallError::Other(describe(&error)),
    }
}

fn not_run(error: RunError) -> CallError {
    match error {
        RunError::Timeout { .. } => CallError::Timeout(describe(&error)),
        error => CallError::Unreachable(describe(&error)),
    }
}
