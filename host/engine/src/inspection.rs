//! Everything the Engine tells of single objects, in its own words: what no list has.

use std::collections::HashMap;
use std::future::Future;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use http::Method;
use serde::Deserialize;
use serde_json::Value;

use crate::call::{checked_image, checked_name};
use crate::engine::Engine;
use crate::error::EngineError;

/// Calls at a time: enough to hide the way, few enough to leave the Engine its breath.
const AT_A_TIME: usize = 16;

/// A process in a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// Its user's name, or number where the host has no name for it.
    pub user: String,
    /// The command line.
    pub command: String,
}

impl Engine {
    /// What `GET /containers/NAME/json` says; none where there is no such container.
    ///
    /// # Errors
    /// [`EngineError`] when the call fails.
    pub async fn inspect_container(&self, name: &str) -> Result<Option<Value>, EngineError> {
        self.inspect_object("containers", name, "/json").await
    }

    /// What `GET /images/NAME/json` says; none where there is no such image.
    ///
    /// # Errors
    /// [`EngineError`] when the call fails.
    pub async fn inspect_image(&self, name: &str) -> Result<Option<Value>, EngineError> {
        self.inspect_object("images", name, "/json").await
    }

    /// What `GET /networks/NAME` says; none where there is no such network.
    ///
    /// # Errors
    /// [`EngineError`] when the call fails.
    pub async fn inspect_network(&self, name: &str) -> Result<Option<Value>, EngineError> {
        self.inspect_object("networks", name, "").await
    }

    /// What `GET /volumes/NAME` says; none where there is no such volume.
    ///
    /// # Errors
    /// [`EngineError`] when the call fails.
    pub async fn inspect_volume(&self, name: &str) -> Result<Option<Value>, EngineError> {
        self.inspect_object("volumes", name, "").await
    }

    /// What `GET /containers/NAME/json` says of each of these, by name. One that has gone meanwhile
    /// is left out. May be dropped at any time.
    ///
    /// # Errors
    /// [`EngineError`] of the first call that fails.
    pub async fn inspect_containers(
        &self,
        names: &[String],
    ) -> Result<HashMap<String, Value>, EngineError> {
        self.inspect_all(names, |name| self.inspect_container(name))
            .await
    }

    /// The same of images, by tag or id (`GET /images/NAME/json`).
    ///
    /// # Errors
    /// As [`Engine::inspect_containers`].
    pub async fn inspect_images(
        &self,
        names: &[String],
    ) -> Result<HashMap<String, Value>, EngineError> {
        self.inspect_all(names, |name| self.inspect_image(name))
            .await
    }

    /// The same of networks (`GET /networks/NAME`).
    ///
    /// # Errors
    /// As [`Engine::inspect_containers`].
    pub async fn inspect_networks(
        &self,
        names: &[String],
    ) -> Result<HashMap<String, Value>, EngineError> {
        self.inspect_all(names, |name| self.inspect_object("networks", name, ""))
            .await
    }

    /// The same of volumes (`GET /volumes/NAME`).
    ///
    /// # Errors
    /// As [`Engine::inspect_containers`].
    pub async fn inspect_volumes(
        &self,
        names: &[String],
    ) -> Result<HashMap<String, Value>, EngineError> {
        self.inspect_all(names, |name| self.inspect_object("volumes", name, ""))
            .await
    }

    /// What runs in these containers, by name (`GET /containers/NAME/top`). One of which the Engine
    /// cannot tell, since it has ended or its host has no `ps`, is left out. May be dropped at any
    /// time.
    ///
    /// # Errors
    /// [`EngineError`] where the engine cannot be asked.
    pub async fn processes(
        &self,
        names: &[String],
    ) -> Result<HashMap<String, Vec<Process>>, EngineError> {
        self.inspect_all(names, |name| async move {
            match self.top(name).await {
                Err(error) if error.is_unreachable() => Err(error),
                Err(error) => {
                    tracing::warn!(container = name, "what runs in it is not known: {error}");
                    Ok(None)
                }
                Ok(processes) => Ok(Some(processes)),
            }
        })
        .await
    }

    async fn inspect_all<'a, T, F: Future<Output = Result<Option<T>, EngineError>>>(
        &'a self,
        names: &'a [String],
        inspect: impl Fn(&'a str) -> F,
    ) -> Result<HashMap<String, T>, EngineError> {
        let answers: Vec<Option<(String, T)>> = stream::iter(names)
            .map(|name| {
                let answer = inspect(name);
                async move { Ok::<_, EngineError>(answer.await?.map(|found| (name.clone(), found))) }
            })
            .buffer_unordered(AT_A_TIME)
            .try_collect()
            .await?;
        Ok(answers.into_iter().flatten().collect())
    }

    async fn inspect_object(
        &self,
        kind: &'static str,
        name: &str,
        suffix: &'static str,
    ) -> Result<Option<Value>, EngineError> {
        let operation = format!("inspect {} {name}", kind.trim_end_matches('s'));
        let name = if kind == "images" {
            checked_image(&operation, name)?
        } else {
            checked_name(&operation, name)?
        };
        let path = format!("/{kind}/{name}{suffix}");
        match self.json(&operation, Method::GET, &path, None).await {
            Ok(value) => Ok(Some(value)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn top(&self, name: &str) -> Result<Vec<Process>, EngineError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Top {
            #[serde(default, deserialize_with = "crate::summary::nullable")]
            processes: Vec<Vec<String>>,
        }
        let operation = format!("list what runs in container {name}");
        let name = checked_name(&operation, name)?;
        // The pid is for the Engine, which sorts the container's processes out by it.
        let path = format!("/containers/{name}/top?ps_args=-eo%20pid,user,args");
        let top: Top = self.json(&operation, Method::GET, &path, None).await?;
        let process = |row: Vec<String>| match row.as_slice() {
            [_, user, command, ..] => Some(Process {
                user: user.clone(),
                command: command.clone(),
            }),
            _ => None,
        };
        Ok(top.processes.into_iter().filter_map(process).collect())
    }
}
