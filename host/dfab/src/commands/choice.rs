//! Which containers on which hosts a command is about: by references into the maps, and by names on
//! the engines.

use std::collections::HashMap;
use std::sync::Arc;

use clap::{Arg, ArgMatches};
use dfab_deploy::host::Host;
use dfab_engine::{ContainerSummary, Engine};
use dfab_maps::{Item, Project, SelectError};

use super::Context;
use crate::arguments::Common;
use crate::deadline::Deadline;
use crate::failure::{Code, Failure, describe, nearest};
use crate::hosts::{Directory, LOCAL};

/// How many digits of an id are enough to mean it.
const SHORT_ID: usize = 6;

/// A container as a map names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MapName {
    pub(crate) map: String,
    pub(crate) config: String,
    pub(crate) instance: Option<String>,
}

/// What is meant on one host.
#[derive(Debug)]
pub(crate) struct HostChoice {
    pub(crate) host: Arc<Host>,
    /// Containers of the maps that were asked for, by their names on the engine.
    pub(crate) expected: Vec<String>,
    /// Names or ids on the engine.
    pub(crate) named: Vec<String>,
    /// All that the maps have on this host, asked for or not.
    pub(crate) of_maps: HashMap<String, MapName>,
}

/// What is meant.
#[derive(Debug)]
pub(crate) struct Choice {
    common: Common,
    deadline: Deadline,
    pub(crate) hosts: Vec<HostChoice>,
    /// Nothing was named, so that everything is meant.
    pub(crate) everything: bool,
    /// The names of the maps.
    pub(crate) maps: Vec<String>,
    /// What is wrong with a reference, if no engine has a container of that name.
    unknown: Vec<(String, Option<String>)>,
}

/// The argument that names containers.
pub(crate) fn argument(required: bool) -> Arg {
    Arg::new("containers")
        .value_name("CONTAINER")
        .required(required)
        .num_args(0..)
        .help(
            "CONFIG, MAP.CONFIG or MAP.CONFIG.INSTANCE; a group; __all__; or a name on the engine",
        )
}

/// What that argument was given.
pub(crate) fn references(matches: &ArgMatches) -> Vec<String> {
    let given = matches.get_many("containers").into_iter().flatten();
    given.cloned().collect()
}

impl Choice {
    /// Finds out what references mean. What no map has is taken for a name on the engine.
    ///
    /// # Errors
    /// Where a reference means too much or no container, or a host leads nowhere.
    pub(crate) fn new(context: &Context, references: &[String]) -> Result<Self, Failure> {
        let maps = context.project.load_maps_if_any()?;
        let directory = Directory::new(&context.project, &context.common)?;
        let mut unknown = Vec::new();
        let mut selected = Vec::new();
        for reference in references {
            let found = maps
                .as_ref()
                .map(|maps| maps.select(std::slice::from_ref(reference)));
            match found {
                Some(Ok(found)) => selected.extend(found),
                Some(Err(error @ SelectError::Unknown { .. })) => {
                    unknown.push((reference.clone(), Some(error.to_string())));
                }
                Some(Err(error)) => return Err(Failure::usage(error.to_string())),
                None => unknown.push((reference.clone(), None)),
            }
        }
        let other = |item: &Item| !matches!(item, Item::Container { .. });
        if let Some(other) = selected.iter().find(|selected| other(&selected.item)) {
            let name = other.map.engine_name(&other.item);
            return Err(Failure::usage(format!("{name} is no container")));
        }
        let everything = references.is_empty();
        let named = directory.named(&context.common)?;
        let all = maps.as_ref().map(all_of).unwrap_or_default();
        let from_maps = if everything || !unknown.is_empty() {
            clients(all.iter().map(|(_, clients, _)| clients.as_slice()))
        } else {
            clients(selected.iter().map(|selected| selected.clients()))
        };
        let mut hosts = Vec::new();
        let found = if !named.is_empty() {
            directory.hosts(&named)?
        } else if from_maps.is_empty() {
            directory.meant_or_all(&context.common)?
        } else {
            directory.hosts(&directory.narrowed(from_maps, &context.common)?)?
        };
        for host in found {
            let is_here = |clients: &[String]| {
                !named.is_empty()
                    || if clients.is_empty() {
                        host.name() == LOCAL
                    } else {
                        clients.iter().any(|client| client == host.name())
                    }
            };
            let mut expected: Vec<String> = Vec::new();
            for selected in selected.iter().filter(|one| is_here(one.clients())) {
                let name = selected.map.engine_name(&selected.item);
                if !expected.contains(&name) {
                    expected.push(name);
                }
            }
            let of_maps: HashMap<_, _> = all
                .iter()
                .filter(|(_, clients, _)| is_here(clients))
                .map(|(name, _, of)| (name.clone(), of.clone()))
                .collect();
            if everything {
                expected.extend(
                    all.iter()
                        .map(|(name, ..)| name)
                        .filter(|name| of_maps.contains_key(*name))
                        .cloned(),
                );
            }
            hosts.push(HostChoice {
                expected,
                named: unknown.iter().map(|(name, _)| name.clone()).collect(),
                of_maps,
                host: Arc::new(host),
            });
        }
        Ok(Self {
            common: context.common.clone(),
            deadline: context.deadline,
            hosts,
            everything,
            maps: maps
                .iter()
                .flat_map(Project::maps)
                .map(|map| map.name().to_owned())
                .collect(),
            unknown,
        })
    }

    /// Does something for each of the hosts, or of what is on them.
    pub(crate) async fn for_each<I: Copy, T>(
        &self,
        items: &[I],
        work: impl AsyncFn(I) -> Result<T, Failure>,
    ) -> Vec<Result<T, Failure>> {
        super::for_each(&self.common, self.deadline, items, work).await
    }

    /// What is on each host, or why that is not known, in the order of the hosts.
    pub(crate) async fn look(&self) -> Vec<Result<Seen<'_>, Failure>> {
        let hosts: Vec<&HostChoice> = self.hosts.iter().collect();
        self.for_each(&hosts, async |choice| Seen::look(choice).await)
            .await
    }

    /// References that mean nothing on any of the engines that could be seen; not told where one
    /// could not be, for it may be there.
    pub(crate) fn found_nowhere(&self, seen: &[Result<Seen<'_>, Failure>]) -> Vec<Failure> {
        if seen.iter().any(Result::is_err) {
            return Vec::new();
        }
        let is_somewhere = |name: &str| seen.iter().flatten().any(|seen| seen.find(name).is_some());
        let nowhere = self.unknown.iter().filter(|(name, _)| !is_somewhere(name));
        nowhere
            .map(|(name, reason)| {
                let hosts: Vec<_> = self.hosts.iter().map(|choice| choice.host.name()).collect();
                let reason = match reason {
                    Some(reason) => {
                        format!("{reason}, and none of that name on {}", hosts.join(", "))
                    }
                    None => format!("there is no container {name} on {}", hosts.join(", ")),
                };
                let failure = Failure::failed(reason);
                let there = seen.iter().flatten().flat_map(|seen| &seen.containers);
                match nearest(name, there.map(ContainerSummary::name)) {
                    Some(near) => failure.hint(format!("did you mean {near}?")),
                    None => failure.hint("dfab ps -a lists what there is"),
                }
            })
            .collect()
    }
}

/// The containers of a host.
#[derive(Debug)]
pub(crate) struct Seen<'a> {
    pub(crate) choice: &'a HostChoice,
    pub(crate) engine: &'a Engine,
    pub(crate) containers: Vec<ContainerSummary>,
}

impl<'a> Seen<'a> {
    /// Lists them.
    ///
    /// # Errors
    /// Where the engine cannot be reached or does not answer.
    pub(crate) async fn look(choice: &'a HostChoice) -> Result<Self, Failure> {
        let engine = choice.host.engine().await?;
        let containers = engine.containers(true, &[]).await.map_err(engine_failure)?;
        Ok(Self {
            choice,
            engine,
            containers,
        })
    }

    /// The container of that name, or whose id begins so.
    pub(crate) fn find(&self, name: &str) -> Option<&ContainerSummary> {
        let by_name = self.containers.iter().find(|one| one.name() == name);
        by_name.or_else(|| {
            let mut by_id = self
                .containers
                .iter()
                .filter(|one| one.id.starts_with(name));
            let only = by_id.next().filter(|_| name.len() >= SHORT_ID)?;
            by_id.next().is_none().then_some(only)
        })
    }

    /// The names on the engine of what is meant here, and those that are not there though they should
    /// be.
    pub(crate) fn meant(&self) -> (Vec<String>, Vec<String>) {
        let (mut there, mut missing) = (Vec::new(), Vec::new());
        for name in &self.choice.expected {
            match self.find(name) {
                Some(_) => there.push(name.clone()),
                None => missing.push(name.clone()),
            }
        }
        for name in &self.choice.named {
            if let Some(found) = self.find(name)
                && !there.iter().any(|known| known == found.name())
            {
                there.push(found.name().to_owned());
            }
        }
        (there, missing)
    }
}

/// A call of an engine that failed, with the exit code for it.
pub(crate) fn engine_failure(error: dfab_engine::EngineError) -> Failure {
    let code = if error.is_unreachable() {
        Code::Unreachable
    } else {
        Code::Failed
    };
    Failure::new(code, describe(&error))
}

/// What a host's container is called where several are shown: with the host where there are several.
pub(crate) fn label(host: &str, container: &str, hosts: usize) -> String {
    if hosts > 1 {
        format!("{host}/{container}")
    } else {
        container.to_owned()
    }
}

type Known = (String, Vec<String>, MapName);

/// Every container of the maps: its name on the engine and its clients.
fn all_of(maps: &Project) -> Vec<Known> {
    let all = maps.select(&["__all__".to_owned()]).unwrap_or_default();
    all.iter()
        .filter_map(|selected| match &selected.item {
            Item::Container { config, instance } => Some((
                selected.map.engine_name(&selected.item),
                selected.clients().to_vec(),
                MapName {
                    map: selected.map.name().to_owned(),
                    config: config.clone(),
                    instance: instance.clone(),
                },
            )),
            _ => None,
        })
        .collect()
}

/// The hosts of these clients; the one that is meant without a name if there are none.
fn clients<'a>(lists: impl Iterator<Item = &'a [String]>) -> Vec<String> {
    let mut hosts = Vec::new();
    for list in lists {
        match list {
            [] => hosts.push(LOCAL.to_owned()),
            clients => hosts.extend_from_slice(clients),
        }
    }
    hosts
}
