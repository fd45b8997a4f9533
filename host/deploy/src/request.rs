//! What a policy is asked: the map's items on each engine, and what was seen of them.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};

use dfab_engine::{ContainerState, ObservedContainer, Snapshot};
use dfab_maps::{BodyError, Features, Item, Planned, ResolvedMap};
use dfab_runtime::planning::{
    ActionInfo, ContainerDetails, Difference, ExecCommand, Life, Node, NodeKind, Observation,
    Process, Remedy, Request, StopOptions,
};
use rayon::prelude::*;
use serde_json::Value;

use crate::drift::{self, Details, Scene, Wanted};
use crate::ended_commands::CommandDigest;
use crate::orphans::{Orphan, orphans};
use crate::plan::PlanError;
use crate::survey::Survey;

/// What a node of a request stands for.
#[derive(Debug, Clone)]
pub struct Subject<'a> {
    /// Index of the survey.
    pub survey: usize,
    /// The map it comes from.
    pub map: &'a ResolvedMap,
    /// The item of that map.
    pub item: Cow<'a, Item>,
}

/// Puts the question to a policy: one request for all engines, and the subject of each of its nodes
/// and then of each of its orphans.
///
/// # Errors
/// Where what is there is to be compared with what the map wants, and the map or the client lacks
/// something for that.
pub fn request<'a>(
    action: &ActionInfo,
    options: Vec<(String, String)>,
    surveys: &'a [Survey<'a>],
) -> Result<(Request, Vec<Subject<'a>>), PlanError> {
    let count = surveys.iter().map(|survey| survey.items.len()).sum();
    let mut nodes = Vec::with_capacity(count);
    let mut subjects = Vec::with_capacity(count);
    for (index, survey) in surveys.iter().enumerate() {
        let first = nodes.len();
        let places: HashMap<(&str, &Item), usize> = survey
            .items
            .iter()
            .enumerate()
            .map(|(place, planned)| ((planned.map.name(), &planned.item), first + place))
            .collect();
        let users = Users::of(&survey.snapshot);
        // Each node is made by itself, and comparing large ones is most of the work of a plan.
        let made: Vec<Result<Node, PlanError>> = survey
            .items
            .par_iter()
            .map(|planned| {
                let mut node = node(survey, planned, first, &places, &users)?;
                if action.configurations {
                    let config = planned.map.config_json(&planned.item);
                    node.config = Some(config.to_string());
                }
                Ok(node)
            })
            .collect();
        for node in made {
            nodes.push(node?);
        }
        subjects.extend(survey.items.iter().map(|planned| Subject {
            survey: index,
            map: planned.map,
            item: Cow::Borrowed(&planned.item),
        }));
    }
    let mut orphan_nodes = Vec::new();
    for (index, survey) in surveys.iter().enumerate() {
        for orphan in orphans(survey) {
            orphan_nodes.push(orphan_node(survey, &orphan));
            subjects.push(Subject {
                survey: index,
                map: orphan.map,
                item: Cow::Owned(orphan.item),
            });
        }
    }
    let request = Request {
        action: action.name.clone(),
        options,
        nodes,
        orphans: orphan_nodes,
    };
    Ok((request, subjects))
}

type Places<'a> = HashMap<(&'a str, &'a Item), usize>;

fn node(
    survey: &Survey<'_>,
    planned: &Planned<'_>,
    first: usize,
    places: &Places<'_>,
    users: &Users<'_>,
) -> Result<Node, PlanError> {
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
            Some(details(map, config, instance.as_deref(), survey, places))
        }
        _ => None,
    };
    let mut observed = observation(item, &name, survey);
    let users = match kind {
        NodeKind::Volume => users.of_volumes.get(name.as_str()),
        NodeKind::Network => users.of_networks.get(name.as_str()),
        NodeKind::Image | NodeKind::Container => None,
    };
    observed.connected = users.cloned().unwrap_or_default();
    compare(&mut observed, planned, &name, survey)?;
    Ok(Node {
        kind,
        host: survey.host.name().to_owned(),
        map_name: map.name().to_owned(),
        config_name,
        instance,
        observed,
        name,
        requires: planned
            .requires
            .iter()
            .filter_map(|index| u32::try_from(first + index).ok())
            .collect(),
        requested: planned.requested,
        container,
        config: None,
    })
}

/// What is known of a container that the map no longer has.
fn orphan_node(survey: &Survey<'_>, orphan: &Orphan<'_>) -> Node {
    let Orphan { map, item, name } = orphan;
    let (config_name, instance) = match item {
        Item::Container { config, instance } => (config.clone(), instance.clone()),
        _ => (String::new(), None),
    };
    let config = map.container(&config_name);
    let container = survey.snapshot.containers.get(name);
    Node {
        kind: NodeKind::Container,
        host: survey.host.name().to_owned(),
        map_name: map.name().to_owned(),
        instance,
        observed: container.map_or_else(absent, observed_container),
        name: name.clone(),
        requires: Vec::new(),
        requested: false,
        container: Some(ContainerDetails {
            persistent: config.is_some_and(|config| config.persistent()),
            // The engine has it from the container's creation.
            stop: StopOptions {
                signal: None,
                timeout_s: None,
            },
            start_delay_ms: 0,
            networks: Vec::new(),
            prepares: Vec::new(),
            exec_commands: Vec::new(),
            tied_to: Vec::new(),
            needs_running: Vec::new(),
            volumes: Vec::new(),
        }),
        config: None,
        config_name,
    }
}

/// Completes an observation by what is only known where the action compares.
fn compare(
    observed: &mut Observation,
    planned: &Planned<'_>,
    name: &str,
    survey: &Survey<'_>,
) -> Result<(), PlanError> {
    let Some(details) = &survey.details else {
        return Ok(());
    };
    let map = planned.map;
    let incomparable = |source| PlanError::Body {
        operation: "compare".to_owned(),
        name: name.to_owned(),
        host: survey.host.name().to_owned(),
        source,
    };
    match &planned.item {
        Item::Image { .. } => {}
        Item::Network { name: network } => {
            if let Some(live) = details.networks.get(name) {
                observed.connected = connected(live);
                let wanted = dfab_maps::network_body(map, network).map_err(incomparable)?;
                observed.differences = drift::network(&wanted, live);
            }
        }
        Item::Volume { owner, alias } => {
            if let Some(live) = details.volumes.get(name) {
                let wanted = dfab_maps::volume_body(map, owner, alias).map_err(incomparable)?;
                observed.differences = drift::volume(&wanted, live);
            }
        }
        Item::Container { config, instance } => {
            if let Some(live) = details.containers.get(name) {
                observed.differences =
                    container_differences(map, config, instance.as_deref(), live, survey, details)
                        .map_err(incomparable)?;
            }
            let process = |process: &dfab_engine::Process| Process {
                user: process.user.clone(),
                command: process.command.clone(),
            };
            let known = details.processes.get(name);
            observed.processes = known.map(|list| list.iter().map(process).collect());
            if let (Some(ended), Some(config)) = (details.ended.get(name), map.container(config)) {
                observed.ended = indices(&config.exec_commands(), ended);
            }
        }
    }
    Ok(())
}

/// Which of these commands have ended well.
fn indices(commands: &[dfab_maps::ExecCommand], ended: &BTreeSet<CommandDigest>) -> Vec<u32> {
    let has_ended = |command: &dfab_maps::ExecCommand| {
        ended.contains(&CommandDigest::of(&command.argv, command.user.as_deref()))
    };
    (0..)
        .zip(commands)
        .filter_map(|(index, command)| has_ended(command).then_some(index))
        .collect()
}

fn container_differences(
    map: &ResolvedMap,
    config: &str,
    instance: Option<&str>,
    live: &Value,
    survey: &Survey<'_>,
    details: &Details,
) -> Result<Vec<Difference>, BodyError> {
    let features = survey.features();
    let body = dfab_maps::container_body(map, config, instance, survey.host.client(), &features)?;
    let endpoint = |network: String| -> Result<(String, Value), BodyError> {
        let endpoint = dfab_maps::endpoint_body(map, config, &network)?;
        Ok((network, endpoint.unwrap_or_default()))
    };
    let networks = map.container_networks(config).into_iter().map(endpoint);
    let networks = networks.collect::<Result<Vec<_>, _>>()?;
    let wanted = Wanted {
        body: &body,
        networks: features.networks.then_some(networks),
    };
    let scene = Scene {
        snapshot: &survey.snapshot,
        details,
    };
    let mut differences = drift::container(&wanted, live, scene);
    without_updates(&mut differences, &features);
    Ok(differences)
}

/// What the engine cannot mend in place wants a new container.
fn without_updates(differences: &mut [Difference], features: &Features) {
    for difference in differences {
        let can_update = match difference.field.as_str() {
            "HostConfig.RestartPolicy" => features.container_update_restart_policy,
            _ => features.container_update,
        };
        if matches!(difference.remedy, Remedy::Update) && !can_update {
            difference.remedy = Remedy::Recreate;
        }
    }
}

/// Without which containers a volume or a network cannot go, by their names.
struct Users<'a> {
    /// Those that have it mounted.
    of_volumes: HashMap<&'a str, Vec<String>>,
    /// Those that are connected to it.
    of_networks: HashMap<&'a str, Vec<String>>,
}

impl<'a> Users<'a> {
    fn of(snapshot: &'a Snapshot) -> Self {
        let mut users = Self {
            of_volumes: HashMap::new(),
            of_networks: HashMap::new(),
        };
        for (name, container) in &snapshot.containers {
            for volume in &container.volumes {
                users
                    .of_volumes
                    .entry(volume)
                    .or_default()
                    .push(name.clone());
            }
            for network in &container.networks {
                users
                    .of_networks
                    .entry(network)
                    .or_default()
                    .push(name.clone());
            }
        }
        let all = users
            .of_volumes
            .values_mut()
            .chain(users.of_networks.values_mut());
        all.for_each(|names| names.sort());
        users
    }
}

/// The names of the containers in a network.
fn connected(network: &Value) -> Vec<String> {
    let containers = network["Containers"].as_object().into_iter().flatten();
    let mut names: Vec<String> = containers
        .filter_map(|(_, container)| Some(container["Name"].as_str()?.to_owned()))
        .collect();
    names.sort();
    names
}

fn observation(item: &Item, name: &str, survey: &Survey<'_>) -> Observation {
    let snapshot = &survey.snapshot;
    let found = match item {
        Item::Image { .. } => snapshot.images.get(name).cloned(),
        Item::Network { .. } => snapshot.networks.get(name).cloned(),
        // Without named volumes it is a container that only has this one, and never runs.
        Item::Volume { .. } if !survey.features().volumes => {
            let container = snapshot.containers.get(name);
            container.map(|container| container.id.clone())
        }
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
        connected: Vec::new(),
        differences: Vec::new(),
        processes: None,
        ended: Vec::new(),
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
        ..absent()
    }
}

fn details(
    map: &ResolvedMap,
    config: &str,
    instance: Option<&str>,
    survey: &Survey<'_>,
    places: &Places<'_>,
) -> ContainerDetails {
    let container = map.container(config);
    let at = |items: Vec<Item>| -> Vec<u32> {
        let places = items
            .iter()
            .filter_map(|item| places.get(&(map.name(), item)));
        places
            .filter_map(|place| u32::try_from(*place).ok())
            .collect()
    };
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
        tied_to: at(map.tied_to(config)),
        needs_running: at(map.needs_running(config)),
        volumes: at(map.mounted_volumes(config)),
    }
}

/// The networks that are connected after creation: all but the first.
fn further_networks(map: &ResolvedMap, config: &str, survey: &Survey<'_>) -> Vec<String> {
    if !survey.features().networks {
        return Vec::new();
    }
    map.container_networks(config).into_iter().skip(1).collect()
}

#[cfg(test)]
mod tests;
