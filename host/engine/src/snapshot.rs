//! What is on an engine, in four calls at once.
//!
//! A list of containers says enough about each (state, exit code, health) that none is inspected.

use std::collections::{BTreeMap, HashMap, HashSet};

use http::Method;
use serde::Deserialize;

use crate::engine::Engine;
use crate::error::EngineError;
use crate::summary::{ContainerSummary, ImageSummary, nullable};

/// The objects of an engine at one time.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// By name.
    pub containers: HashMap<String, ObservedContainer>,
    /// Id by `repository:tag`.
    pub images: HashMap<String, String>,
    /// Id by name.
    pub networks: HashMap<String, String>,
    /// Names.
    pub volumes: HashSet<String>,
}

/// A container as it was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObservedContainer {
    /// The full id.
    pub id: String,
    /// What it does.
    pub state: ContainerState,
    /// Of the last run, where there was one and it is over.
    pub exit_code: Option<i32>,
    /// `starting`, `healthy` or `unhealthy`, where the container has a health check.
    pub health: Option<String>,
    /// The image as it was named when the container was created.
    pub image: String,
    /// The id of the image.
    pub image_id: String,
    /// All labels, the image's included.
    pub labels: BTreeMap<String, String>,
    /// Names of the volumes that are mounted in it.
    pub volumes: Vec<String>,
    /// Names of the networks that it is connected to now.
    pub networks: Vec<String>,
}

/// The states of a container in the Engine API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ContainerState {
    /// Never started.
    Created,
    /// Running.
    Running,
    /// Frozen.
    Paused,
    /// Between two runs.
    Restarting,
    /// Ended.
    Exited,
    /// Could not be removed entirely.
    Dead,
    /// Being removed.
    Removing,
}

impl ContainerState {
    fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "created" => Self::Created,
            "running" => Self::Running,
            "paused" => Self::Paused,
            "restarting" => Self::Restarting,
            "exited" => Self::Exited,
            "dead" => Self::Dead,
            "removing" => Self::Removing,
            _ => return None,
        })
    }
}

impl Engine {
    /// Reads containers, images, networks and volumes, all at once. May be dropped at any time.
    ///
    /// # Errors
    /// [`EngineError`] of the first call that fails.
    pub async fn snapshot(&self) -> Result<Snapshot, EngineError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Network {
            name: String,
            id: String,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Volumes {
            #[serde(default, deserialize_with = "nullable")]
            volumes: Vec<Volume>,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Volume {
            name: String,
        }
        let (containers, images, networks, volumes) = tokio::try_join!(
            self.containers(true, &[]),
            self.images(false, &[]),
            self.json::<Vec<Network>>("list networks", Method::GET, "/networks", None),
            self.json::<Volumes>("list volumes", Method::GET, "/volumes", None),
        )?;
        Ok(Snapshot {
            containers: observe(containers)?,
            images: by_tag(images),
            networks: networks
                .into_iter()
                .map(|network| (network.name, network.id))
                .collect(),
            volumes: volumes
                .volumes
                .into_iter()
                .map(|volume| volume.name)
                .collect(),
        })
    }
}

fn observe(
    summaries: Vec<ContainerSummary>,
) -> Result<HashMap<String, ObservedContainer>, EngineError> {
    let mut containers = HashMap::with_capacity(summaries.len());
    for summary in summaries {
        let state =
            ContainerState::from_name(&summary.state).ok_or_else(|| EngineError::Decode {
                operation: "list containers".to_owned(),
                reason: format!("`{}` is no state of a container", summary.state),
            })?;
        // The others are the names under which linked containers know this one.
        let Some(name) = summary.names.into_iter().find(|name| !name.contains('/')) else {
            continue;
        };
        let container = ObservedContainer {
            id: summary.id,
            state,
            exit_code: exit_code(&summary.status),
            health: health(&summary.status),
            image: summary.image,
            image_id: summary.image_id,
            labels: summary.labels.into_iter().collect(),
            volumes: summary.volumes,
            networks: summary.networks,
        };
        containers.insert(name, container);
    }
    Ok(containers)
}

fn by_tag(images: Vec<ImageSummary>) -> HashMap<String, String> {
    let mut by_tag = HashMap::new();
    for image in images {
        for tag in image.tags {
            by_tag.insert(tag, image.id.clone());
        }
    }
    by_tag
}

/// `Exited (137) 2 hours ago`, `Restarting (1) 5 seconds ago`.
pub(crate) fn exit_code(status: &str) -> Option<i32> {
    let rest = status
        .strip_prefix("Exited (")
        .or_else(|| status.strip_prefix("Restarting ("))?;
    rest.split(')').next()?.parse().ok()
}

/// `Up 2 hours (healthy)`, `Up 1 second (health: starting)`.
pub(crate) fn health(status: &str) -> Option<String> {
    let (_, inner) = status.strip_suffix(')')?.rsplit_once('(')?;
    match inner {
        "healthy" | "unhealthy" => Some(inner.to_owned()),
        "health: starting" => Some("starting".to_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_tells_exit_code_and_health() {
        assert_eq!(exit_code("Exited (137) 2 hours ago"), Some(137));
        assert_eq!(exit_code("Restarting (1) 5 seconds ago"), Some(1));
        assert_eq!(exit_code("Up 2 hours"), None);
        assert_eq!(health("Up 2 hours (healthy)").as_deref(), Some("healthy"));
        assert_eq!(
            health("Up 1 second (health: starting)").as_deref(),
            Some("starting")
        );
        assert_eq!(health("Up 2 hours (Paused)"), None);
        assert_eq!(health("Exited (0) 3 days ago"), None);
    }

    #[test]
    fn a_container_is_known_by_its_own_name_and_an_unknown_state_is_an_error() {
        let mut summary: ContainerSummary = serde_json::from_str(
            r#"{"Id":"1","Names":["/app/db","/db"],"State":"exited","Status":"Exited (3) 1 s ago"}"#,
        )
        .unwrap();
        let seen = observe(vec![summary.clone()]).unwrap();
        assert_eq!(seen["db"].exit_code, Some(3));
        assert_eq!(seen.len(), 1);
        summary.state = "thawing".to_owned();
        assert!(observe(vec![summary]).is_err());
    }
}
