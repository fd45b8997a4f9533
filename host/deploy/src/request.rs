//! What a policy is asked: the map's items on each engine, and what was seen of them.

use dfab_engine::{ApiVersion, ContainerState, ObservedContainer, Snapshot};
use dfab_maps::{Features, Item, Planned, ResolvedMap};
use dfab_runtime::planning::{
    ContainerDetails, ExecCommand, Life, Node, NodeKind, Observation, Request, StopOptions,
};

use crate::host::Host;

/// What was found on one engine, beside what the maps want of it.
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
}

impl Survey<'_> {
    /// What the engine can do.
    pub fn features(&self) -> Features {
        Features::for_api(self.api_version.major, self.api_version.minor)
    }
}

/// What a node of a request stands for.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// Index of the survey.
    pub survey: usize,
    /// The map it comes from.
    pub map: &'a ResolvedMap,
    /// The item of that map.
    pub item: &'a Item,
}

/// Puts the question to a policy: one request for all engines, and the subject of each of its nodes.
pub fn request<'a>(
    action: &str,
    options: Vec<(String, String)>,
    surveys: &'a [Survey<'a>],
) -> (Request, Vec<Subject<'a>>) {
    let count = surveys.iter().map(|survey| survey.items.len()).sum();
    let mut nodes = Vec::with_capacity(count);
    let mut subjects = Vec::with_capacity(count);
    for (index, survey) in surveys.iter().enumerate() {
        let first = nodes.len();
        for planned in &survey.items {
            nodes.push(node(survey, planned, first));
            subjects.push(Subject {
                survey: index,
                map: planned.map,
                item: &planned.item,
            });
        }
    }
    (
        Request {
            action: action.to_owned(),
            options,
            nodes,
        },
        subjects,
    )
}

fn node(survey: &Survey<'_>, planned: &Planned<'_>, first: usize) -> Node {
    let Planned { map, item, .. } = planned;
    let name = map.engine_name(item);
    let (kind, config_name, instance) = match item {
        Item::Image { repository, tag } => (NodeKind::Image, repository.clone(), Some(tag.clone())),
        Item::Network { name } => (NodeKind::Network, name.clone(), None),
        Item::Volume { alias, .. } => (NodeKind::Volume, alias.clone(), None),
        Item::Container { config, instance } => {
            (NodeKind::Container, config.clone(), instance.clone())
        }
    };
    let container = match item {
        Item::Container { config, instance } => {
            Some(details(map, config, instance.as_deref(), survey))
        }
        _ => None,
    };
    Node {
        kind,
        host: survey.host.name().to_owned(),
        map_name: map.name().to_owned(),
        config_name,
        instance,
        observed: observation(item, &name, &survey.snapshot),
        name,
        requires: planned
            .requires
            .iter()
            .filter_map(|index| u32::try_from(first + index).ok())
            .collect(),
        requested: planned.requested,
        container,
        config: map.config_json(item).to_string(),
    }
}

fn observation(item: &Item, name: &str, snapshot: &Snapshot) -> Observation {
    let found = match item {
        Item::Image { .. } => snapshot.images.get(name).cloned(),
        Item::Network { .. } => snapshot.networks.get(name).cloned(),
        Item::Volume { .. } => snapshot.volumes.get(name).map(|_| name.to_owned()),
        Item::Container { .. } => {
            return snapshot
                .containers
                .get(name)
                .map_or_else(absent, observed_container);
        }
    };
    match found {
        Some(id) => Observation {
            life: Life::Created,
            engine_id: Some(id),
            ..absent()
        },
        None => absent(),
    }
}

fn absent() -> Observation {
    Observation {
        life: Life::Absent,
        exit_code: None,
        health: None,
        engine_id: None,
    }
}

fn observed_container(container: &ObservedContainer) -> Observation {
    Observation {
        life: match container.state {
            ContainerState::Created => Life::Created,
            ContainerState::Running => Life::Running,
            ContainerState::Paused => Life::Paused,
            ContainerState::Restarting => Life::Restarting,
            ContainerState::Exited => Life::Exited,
            ContainerState::Dead | ContainerState::Removing => Life::Dead,
        },
        exit_code: container.exit_code,
        health: container.health.clone(),
        engine_id: Some(container.id.clone()),
    }
}

fn details(
    map: &ResolvedMap,
    config: &str,
    instance: Option<&str>,
    survey: &Survey<'_>,
) -> ContainerDetails {
    let container = map.container(config);
    let client_timeout = survey.host.client().stop_timeout;
    ContainerDetails {
        persistent: container.is_some_and(|c| c.persistent()),
        stop: StopOptions {
            signal: container.and_then(|c| c.stop_signal()).map(str::to_owned),
            timeout_s: container.and_then(|c| c.stop_timeout()).or(client_timeout),
        },
        start_delay_ms: container
            .and_then(|c| c.start_delay())
            .and_then(|delay| u32::try_from(delay.as_millis()).ok())
            .unwrap_or(0),
        networks: further_networks(map, config, survey),
        prepares: dfab_maps::preparations(map, config, instance)
            .into_iter()
            .map(|preparation| preparation.volume)
            .collect(),
        exec_commands: container
            .map(|c| c.exec_commands())
            .unwrap_or_default()
            .into_iter()
            .map(|command| ExecCommand {
                argv: command.argv,
                user: command.user,
                initial: command.initial,
            })
            .collect(),
    }
}

/// The networks that are connected after creation: all but the first.
fn further_networks(map: &ResolvedMap, config: &str, survey: &Survey<'_>) -> Vec<String> {
    if !survey.features().networks {
        return Vec::new();
    }
    map.container_networks(config).into_iter().skip(1).collect()
}
