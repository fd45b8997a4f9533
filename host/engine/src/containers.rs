//! The life of a container: create, start, stop, wait, remove.

use std::time::Duration;

use bollard::query_parameters::{
    KillContainerOptionsBuilder, RemoveContainerOptionsBuilder, StartContainerOptions,
    StopContainerOptionsBuilder, WaitContainerOptions,
};
use futures_util::StreamExt as _;
use http::Method;
use serde::Deserialize;
use serde_json::Value;

use crate::call::checked_name;
use crate::engine::Engine;
use crate::error::EngineError;

impl Engine {
    /// Creates a container from the body of `POST /containers/create`, and returns its id.
    ///
    /// # Errors
    /// [`EngineError::is_conflict`] when the name is taken, [`EngineError::is_not_found`] when the
    /// image is not there.
    pub async fn create_container(&self, name: &str, body: &Value) -> Result<String, EngineError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Created {
            id: String,
            #[serde(default, deserialize_with = "crate::summary::nullable")]
            warnings: Vec<String>,
        }
        let operation = format!("create container {name}");
        let path = format!(
            "/containers/create?name={}",
            checked_name(&operation, name)?
        );
        let created: Created = self
            .json(&operation, Method::POST, &path, Some(body))
            .await?;
        for warning in created.warnings {
            tracing::warn!(container = name, "{warning}");
        }
        Ok(created.id)
    }

    /// Starts a container. One that runs already is left as it is.
    ///
    /// # Errors
    /// [`EngineError::Refused`] with the Engine's reason.
    pub async fn start_container(&self, name: &str) -> Result<(), EngineError> {
        let operation = format!("start container {name}");
        let name = checked_name(&operation, name)?;
        let call = self
            .shared
            .docker
            .start_container(name, None::<StartContainerOptions>);
        self.call(&operation, self.shared.timeout, call).await
    }

    /// Stops a container; one that does not run is left as it is.
    ///
    /// Without a signal, or with `SIGTERM`, the Engine stops it: with the container's own stop
    /// signal, then `SIGKILL` after the seconds given or else the container's own. With another
    /// signal that one is sent, and the container gets the seconds given, or ten where there are none
    /// or 0, to end by itself; it is not killed. The deadline of the call is that time and a margin.
    ///
    /// # Errors
    /// [`EngineError::StillRunning`] when another signal did not end it in time.
    pub async fn stop_container(
        &self,
        name: &str,
        signal: Option<&str>,
        timeout_s: Option<u32>,
    ) -> Result<(), EngineError> {
        let operation = format!("stop container {name}");
        checked_name(&operation, name)?;
        match signal {
            None | Some("SIGTERM" | "TERM" | "15") => self.stop(&operation, name, timeout_s).await,
            Some(signal) => {
                // No time at all is no time to end in.
                let seconds = timeout_s.filter(|seconds| *seconds > 0).unwrap_or(GRACE);
                let grace = Duration::from_secs(seconds.into());
                match self.kill_container(name, signal).await {
                    Ok(()) => {}
                    Err(error) if error.is_conflict() && !self.runs(name).await? => return Ok(()),
                    Err(error) => return Err(error),
                }
                match self.wait_container(name, grace).await {
                    Ok(_) => Ok(()),
                    Err(EngineError::Unfinished { .. }) => Err(EngineError::StillRunning {
                        operation,
                        after: grace,
                    }),
                    Err(error) => Err(error),
                }
            }
        }
    }

    /// Changes a container's limits and restart policy in place (`POST /containers/NAME/update`).
    ///
    /// # Errors
    /// [`EngineError::Refused`] with the Engine's reason.
    pub async fn update_container(&self, name: &str, body: &Value) -> Result<(), EngineError> {
        let operation = format!("update container {name}");
        let path = format!("/containers/{}/update", checked_name(&operation, name)?);
        self.told(&operation, Method::POST, &path, Some(body)).await
    }

    /// Sends a signal, by name or number, to a running container.
    ///
    /// # Errors
    /// [`EngineError::is_conflict`] when it does not run.
    pub async fn kill_container(&self, name: &str, signal: &str) -> Result<(), EngineError> {
        let operation = format!("send {signal} to container {name}");
        let name = checked_name(&operation, name)?;
        let options = KillContainerOptionsBuilder::new().signal(signal).build();
        let call = self.shared.docker.kill_container(name, Some(options));
        self.call(&operation, self.shared.timeout, call).await
    }

    /// Waits until a container does not run, and returns its exit code. One that does not run
    /// answers at once. Takes a channel of its own, and no place in the queue of calls.
    ///
    /// # Errors
    /// [`EngineError::Unfinished`] when it still runs after the time given.
    pub async fn wait_container(&self, name: &str, timeout: Duration) -> Result<i64, EngineError> {
        use bollard::errors::Error;
        let operation = format!("wait for container {name}");
        let name = checked_name(&operation, name)?;
        let wait = async {
            let mut answers = Box::pin(
                self.shared
                    .docker
                    .wait_container(name, None::<WaitContainerOptions>),
            );
            match answers.next().await {
                Some(Ok(answer)) => Ok(answer.status_code),
                // Bollard makes an error of every exit code but 0.
                Some(Err(Error::DockerContainerWaitError { error, code })) if error.is_empty() => {
                    Ok(code)
                }
                Some(Err(Error::DockerContainerWaitError { error, .. })) => {
                    Err(EngineError::Failed {
                        operation: operation.clone(),
                        message: error,
                    })
                }
                Some(Err(error)) => Err(EngineError::from_bollard(&operation, error)),
                None => Err(EngineError::Decode {
                    operation: operation.clone(),
                    reason: "it ended before it began".to_owned(),
                }),
            }
        };
        match tokio::time::timeout(timeout, wait).await {
            Ok(result) => result,
            Err(_) => Err(EngineError::Unfinished {
                operation,
                after: timeout,
            }),
        }
    }

    /// Removes a container; with `force` a running one as well, with `volumes` its anonymous
    /// volumes too.
    ///
    /// # Errors
    /// [`EngineError::is_not_found`] when there is none, [`EngineError::is_conflict`] when it runs.
    pub async fn remove_container(
        &self,
        name: &str,
        force: bool,
        volumes: bool,
    ) -> Result<(), EngineError> {
        let operation = format!("remove container {name}");
        let name = checked_name(&operation, name)?;
        let options = RemoveContainerOptionsBuilder::new()
            .force(force)
            .v(volumes)
            .build();
        let call = self.shared.docker.remove_container(name, Some(options));
        self.call(&operation, self.shared.timeout, call).await
    }

    /// Waits until a container that is on its way out is gone, for as long as an answer may take.
    ///
    /// # Errors
    /// [`EngineError::Unfinished`] when it is still there then.
    pub async fn wait_until_gone(&self, name: &str) -> Result<(), EngineError> {
        const PAUSE: Duration = Duration::from_millis(100);
        let after = self.shared.timeout;
        let wait = async {
            while self.inspect_container(name).await?.is_some() {
                tokio::time::sleep(PAUSE).await;
            }
            Ok::<(), EngineError>(())
        };
        match tokio::time::timeout(after, wait).await {
            Ok(result) => result,
            Err(_) => Err(EngineError::Unfinished {
                operation: format!("wait for the removal of container {name}"),
                after,
            }),
        }
    }

    async fn stop(
        &self,
        operation: &str,
        name: &str,
        timeout_s: Option<u32>,
    ) -> Result<(), EngineError> {
        let mut options = StopContainerOptionsBuilder::new();
        let grace = match timeout_s {
            Some(seconds) => {
                options = options.t(i32::try_from(seconds).unwrap_or(i32::MAX));
                seconds
            }
            None => self
                .inspect(operation, name)
                .await?
                .config
                .stop_timeout
                .unwrap_or(GRACE),
        };
        let deadline = Duration::from_secs(grace.into()) + self.shared.timeout;
        let call = self
            .shared
            .docker
            .stop_container(name, Some(options.build()));
        self.call(operation, deadline, call).await
    }

    async fn runs(&self, name: &str) -> Result<bool, EngineError> {
        let operation = format!("inspect container {name}");
        Ok(self.inspect(&operation, name).await?.state.running)
    }

    async fn inspect(&self, operation: &str, name: &str) -> Result<Inspected, EngineError> {
        self.json(
            operation,
            Method::GET,
            &format!("/containers/{name}/json"),
            None,
        )
        .await
    }
}

/// The Engine's own grace between the stop signal and `SIGKILL`, in seconds.
const GRACE: u32 = 10;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Inspected {
    state: InspectedState,
    config: InspectedConfig,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct InspectedState {
    running: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct InspectedConfig {
    /// Seconds.
    stop_timeout: Option<u32>,
}
