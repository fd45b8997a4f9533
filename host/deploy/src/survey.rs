//! What was found on one engine, beside what the maps want of it.

use std::collections::{BTreeSet, HashMap};

use dfab_engine::{ApiVersion, Engine, EngineError, Snapshot};
use dfab_maps::{Client, Features, Item, Planned, ResolvedMap};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::Value;

use crate::drift::Details;
use crate::ended_commands::{self, CommandDigest, start_of};
use crate::host::{Host, HostError};

/// An engine with what is on it and what is wanted there.
#[derive(Debug)]
pub struct Survey<'a> {
    /// The engine's host.
    pub host: &'a Host,
    /// Of the engine.
    pub api_version: ApiVersion,
    /// What the action is about, in dependency order.
    pub items: Vec<Planned<'a>>,
    /// What is there.
    pub snapshot: Snapshot,
    /// More about it, where the action compares.
    pub details: Option<Details>,
}

/// Why an engine could not be seen.
#[derive(Debug, thiserror::Error)]
pub enum SurveyError {
    /// It cannot be reached.
    #[error(transparent)]
    Host(#[from] HostError),
    /// It does not answer as it should.
    #[error("cannot see what is on the engine")]
    Engine(#[from] EngineError),
}

impl<'a> Survey<'a> {
    /// Looks at an engine; closer where things are to be compared. May be dropped at any time.
    ///
    /// # Errors
    /// Where the engine cannot be reached or does not answer.
    pub async fn take(
        host: &'a Host,
        items: Vec<Planned<'a>>,
        compares: bool,
    ) -> Result<Self, SurveyError> {
        let engine = host.engine().await?;
        let snapshot = engine.snapshot().await?;
        let details = if compares {
            Some(details(engine, host.client(), &items, &snapshot).await?)
        } else {
            None
        };
        Ok(Self {
            host,
            api_version: engine.api_version(),
            items,
            snapshot,
            details,
        })
    }

    /// The maps that the action is about here.
    pub fn maps(&self) -> Vec<&'a ResolvedMap> {
        let mut maps: Vec<&ResolvedMap> = Vec::new();
        for planned in &self.items {
            // Items of a map stand together.
            if maps
                .last()
                .is_none_or(|map| map.name() != planned.map.name())
            {
                maps.push(planned.map);
            }
        }
        maps
    }

    /// What the engine can do.
    pub fn features(&self) -> Features {
        let version = self.api_version;
        Features::of(version.major, version.minor, self.host.client())
    }
}

/// Each takes a channel of its own.
const LOOKS_AT_A_TIME: usize = 4;

/// What `GET /info` calls the limits that a client file may say of its engine.
const LIMITS: [(&str, &str); 10] = [
    ("mem_limit", "MemoryLimit"),
    ("memswap_limit", "SwapLimit"),
    ("kernel_memory", "KernelMemory"),
    ("cpu_period", "CpuCfsPeriod"),
    ("cpu_quota", "CpuCfsQuota"),
    ("cpu_shares", "CPUShares"),
    ("cpuset_cpus", "CPUSet"),
    ("cpuset_mems", "CPUSet"),
    ("oom_kill_disable", "OomKillDisable"),
    ("pids_limit", "PidsLimit"),
];

/// What the engine says of itself, but for the limits of which its client says otherwise.
fn with_constraints(info: &str, client: &Client) -> Value {
    let mut info = serde_json::from_str(info).unwrap_or(Value::Null);
    if let Value::Object(fields) = &mut info {
        for (name, field) in LIMITS {
            if let Some(has_it) = client.constraints.get(name) {
                fields.insert(field.to_owned(), Value::Bool(*has_it));
            }
        }
    }
    info
}

async fn details(
    engine: &Engine,
    client: &Client,
    items: &[Planned<'_>],
    snapshot: &Snapshot,
) -> Result<Details, EngineError> {
    let mut containers = Vec::new();
    let mut networks = Vec::new();
    let mut volumes = Vec::new();
    let mut with_commands = Vec::new();
    for planned in items {
        let name = planned.map.engine_name(&planned.item);
        match &planned.item {
            Item::Image { .. } => {}
            Item::Network { .. } if snapshot.networks.contains_key(&name) => networks.push(name),
            Item::Volume { .. } if snapshot.volumes.contains(&name) => volumes.push(name),
            Item::Container { config, .. } if snapshot.containers.contains_key(&name) => {
                let config = planned.map.container(config);
                if config
                    .is_some_and(|config| config.exec_commands().iter().any(|one| !one.initial))
                {
                    with_commands.push(name.clone());
                }
                containers.push(name);
            }
            Item::Network { .. } | Item::Volume { .. } | Item::Container { .. } => {}
        }
    }
    // What they have from others depends on when those were made and started. Of others that do not run,
    // only what the action is about is of use.
    for planned in items {
        let Item::Container { config, .. } = &planned.item else {
            continue;
        };
        for needed in planned.map.needs_running(config) {
            let name = planned.map.engine_name(&needed);
            let seen = snapshot.containers.get(&name);
            if seen.is_some_and(|seen| seen.state == dfab_engine::ContainerState::Running) {
                containers.push(name);
            }
        }
    }
    containers.sort();
    containers.dedup();
    with_commands.retain(|name| {
        let seen = snapshot.containers.get(name);
        seen.is_some_and(|seen| seen.state == dfab_engine::ContainerState::Running)
    });
    let images: BTreeSet<String> = containers
        .iter()
        .filter_map(|name| Some(snapshot.containers.get(name)?.image_id.clone()))
        .collect();
    let images: Vec<String> = images.into_iter().collect();
    let (containers, images, networks, volumes, processes, info) = tokio::try_join!(
        engine.inspect_containers(&containers),
        engine.inspect_images(&images),
        engine.inspect_networks(&networks),
        engine.inspect_volumes(&volumes),
        engine.processes(&with_commands),
        engine.info(),
    )?;
    let ended = ended(engine, &with_commands, &containers).await?;
    Ok(Details {
        containers,
        images,
        networks,
        volumes,
        processes,
        ended,
        engine: with_constraints(&info, client),
    })
}

/// Of each of these containers the commands that have ended well since its start.
async fn ended(
    engine: &Engine,
    names: &[String],
    containers: &HashMap<String, Value>,
) -> Result<HashMap<String, BTreeSet<CommandDigest>>, EngineError> {
    let looks = names.iter().filter_map(|name| {
        let start = start_of(containers.get(name)?)?;
        Some(async move {
            let noted = ended_commands::noted(engine, name, start).await?;
            Ok((name.clone(), noted))
        })
    });
    stream::iter(looks)
        .buffer_unordered(LOOKS_AT_A_TIME)
        .try_collect()
        .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_client_says_of_limits_goes_before_what_the_engine_tells() {
        let mut client = Client::default_client();
        let info = r#"{"MemoryLimit": true, "SwapLimit": true, "NCPU": 2}"#;
        let told = serde_json::json!({ "MemoryLimit": true, "SwapLimit": true, "NCPU": 2 });
        assert_eq!(with_constraints(info, &client), told);
        for (name, has_it) in [
            ("memswap_limit", false),
            ("cpu_shares", false),
            ("other", true),
        ] {
            client.constraints.insert(name.to_owned(), has_it);
        }
        let said = serde_json::json!({
            "MemoryLimit": true, "SwapLimit": false, "NCPU": 2, "CPUShares": false,
        });
        assert_eq!(with_constraints(info, &client), said);
        assert_eq!(with_constraints("no JSON", &client), Value::Null);
    }

    #[test]
    fn client_files_know_every_limit() {
        assert_eq!(LIMITS.map(|(name, _)| name), dfab_maps::CONSTRAINTS);
    }
}
