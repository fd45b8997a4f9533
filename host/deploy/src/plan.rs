//! A plan: what a policy answered, checked, with everything at hand to carry it out.

use dfab_maps::{BodyError, Item, Unset};
use dfab_runtime::planning::{Life, NodeKind, Operation, Request, Step as PolicyStep};
use rayon::prelude::*;
use serde::Serialize;
use serde_json::Value;

use crate::drift::update_body;
use crate::execute::Order;
use crate::labels::labelled;
use crate::preparation::Preparation;
use crate::request::Subject;
use crate::run::{Run, RunError};
use crate::survey::Survey;

/// Why a policy's answer is no plan.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// A step names a node that was not in the request.
    #[error("step {step} of the policy is about node {node}, and there are only {count}")]
    NoSuchNode {
        /// Index of the step.
        step: usize,
        /// What it names.
        node: u32,
        /// How many there are.
        count: usize,
    },
    /// A step waits for itself or a later one.
    #[error("step {step} of the policy waits for step {after}, which does not come before it")]
    NotEarlier {
        /// Index of the step.
        step: usize,
        /// What it waits for.
        after: u32,
    },
    /// An operation that its kind of node does not know.
    #[error("step {step} of the policy asks to {operation} {kind} {name}, which cannot be done")]
    Unsuitable {
        /// Index of the step.
        step: usize,
        /// In words.
        operation: String,
        /// Kind of the node.
        kind: &'static str,
        /// Name of the node.
        name: String,
    },
    /// A run that cannot be.
    #[error("step {step} of the policy cannot be done")]
    Run {
        /// Index of the step.
        step: usize,
        /// Why.
        #[source]
        source: RunError,
    },
    /// The map does not give what is needed.
    #[error("cannot {operation} {name} on {host}")]
    Body {
        /// In words.
        operation: String,
        /// Name on the engine.
        name: String,
        /// Host.
        host: String,
        /// Why.
        #[source]
        source: BodyError,
    },
}

/// What is to be done, in an order in which it can be done.
#[derive(Debug)]
pub struct Plan {
    /// The action that was planned.
    pub action: String,
    /// Names of the hosts it is about, in the order asked for.
    pub hosts: Vec<String>,
    /// The steps; what one waits for stands before it.
    pub steps: Vec<Step>,
    /// How many nodes were looked at.
    pub nodes: usize,
}

/// One thing to be done.
#[derive(Debug, Clone, Serialize)]
pub struct Step {
    /// Name of the host.
    pub host: String,
    /// Index into [`Plan::hosts`].
    #[serde(skip)]
    pub host_index: usize,
    /// `image`, `network`, `volume` or `container`.
    pub kind: &'static str,
    /// Name on the engine.
    pub name: String,
    /// What is done.
    #[serde(flatten)]
    pub work: Work,
    /// Indices of earlier steps that must be done before.
    pub after: Vec<usize>,
    /// Why, in a few words.
    pub reason: String,
    /// Images by name, with the id that they had: the step is only done if one of them has another
    /// one when its turn comes. Without any it is always done.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub if_changed: Vec<(String, Option<String>)>,
}

/// What a step does, with all it needs.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "operation", rename_all = "kebab-case")]
#[expect(
    missing_docs,
    reason = "they are named as in the contract, where they are described"
)]
pub enum Work {
    PullImage {
        repository: String,
        tag: String,
    },
    CreateNetwork {
        body: Value,
    },
    CreateVolume {
        body: Value,
    },
    CreateContainer {
        body: Value,
    },
    Start,
    Stop {
        signal: Option<String>,
        timeout_s: Option<u32>,
    },
    Signal {
        signal: String,
    },
    RemoveContainer {
        force: bool,
        volumes: bool,
    },
    RemoveNetwork,
    RemoveVolume,
    Connect {
        network: String,
        endpoint: Value,
    },
    PrepareVolume {
        volume: String,
        path: String,
        user: Option<String>,
        permissions: Option<String>,
    },
    Exec {
        argv: Vec<String>,
        user: Option<String>,
        /// Of the container's creation, rather than of each start.
        initial: bool,
    },
    Delay {
        milliseconds: u32,
    },
    Update {
        body: Value,
    },
    Disconnect {
        network: String,
    },
    Run(Run),
}

impl Work {
    /// The verb that a person reads.
    pub fn verb(&self) -> &'static str {
        match self {
            Self::PullImage { .. } => "pull",
            Self::CreateNetwork { .. }
            | Self::CreateVolume { .. }
            | Self::CreateContainer { .. } => "create",
            Self::Start => "start",
            Self::Stop { .. } => "stop",
            Self::Signal { .. } => "signal",
            Self::RemoveContainer { .. } | Self::RemoveNetwork | Self::RemoveVolume => "remove",
            Self::Connect { .. } => "connect",
            Self::PrepareVolume { .. } => "prepare",
            Self::Exec { .. } => "exec",
            Self::Delay { .. } => "wait",
            Self::Update { .. } => "update",
            Self::Disconnect { .. } => "disconnect",
            Self::Run(_) => "run",
        }
    }

    /// What a person reads after the name, if anything.
    pub fn detail(&self) -> Option<String> {
        match self {
            Self::Signal { signal } => Some(signal.clone()),
            Self::Stop {
                signal: Some(signal),
                ..
            } => Some(format!("with {signal}")),
            Self::Connect { network, .. } => Some(format!("to network {network}")),
            Self::PrepareVolume {
                volume,
                user,
                permissions,
                ..
            } => {
                let mut words = vec![format!("volume {volume}:")];
                words.extend(user.as_ref().map(|user| format!("owner {user}")));
                words.extend(
                    permissions
                        .as_ref()
                        .map(|mode| format!("permissions {mode}")),
                );
                Some(words.join(" "))
            }
            Self::Exec { argv, .. } => Some(argv.join(" ")),
            Self::Delay { milliseconds } => Some(format!("{milliseconds} ms")),
            Self::Run(run) => Some(run.detail()),
            Self::Disconnect { network } => Some(format!("from network {network}")),
            Self::Update { body } => {
                let fields = body.as_object().into_iter().flatten();
                Some(
                    fields
                        .map(|(name, _)| name.as_str())
                        .collect::<Vec<_>>()
                        .join(", "),
                )
            }
            _ => None,
        }
    }
}

impl Plan {
    /// Checks what a policy answered and completes it. A step reads and writes no other local paths
    /// than those that the operator gave: `paths`.
    ///
    /// # Errors
    /// Where the answer makes no sense, or a map lacks what a creation needs.
    pub fn new(
        request: &Request,
        subjects: &[Subject<'_>],
        surveys: &[Survey<'_>],
        answer: Vec<PolicyStep>,
        paths: &[String],
    ) -> Result<Self, PlanError> {
        let hosts = surveys
            .iter()
            .map(|survey| survey.host.name().to_owned())
            .collect();
        let steps: Vec<_> = answer
            .into_par_iter()
            .enumerate()
            .map(|(index, step)| complete(index, step, request, subjects, surveys, paths))
            .collect();
        // Of several mistakes always the same one is told.
        let mut steps: Vec<Step> = steps.into_iter().collect::<Result<_, _>>()?;
        keep_results_apart(&mut steps);
        Ok(Self {
            action: request.action.clone(),
            hosts,
            steps,
            nodes: request.nodes.len(),
        })
    }

    /// The order of the steps, for [`crate::execute::execute`].
    pub fn orders(&self) -> Vec<Order> {
        self.steps
            .iter()
            .map(|step| Order {
                group: step.host_index,
                after: step.after.clone(),
            })
            .collect()
    }
}

/// Several runs that leave their results in one folder get one each in it: `HOST/CONTAINER`.
fn keep_results_apart(steps: &mut [Step]) {
    let runs = steps.iter_mut().filter_map(|step| match &mut step.work {
        Work::Run(run) => Some((run.download.as_mut()?, &step.host, &step.name)),
        _ => None,
    });
    let runs: Vec<_> = runs.collect();
    if runs.len() < 2 {
        return;
    }
    for (download, host, container) in runs {
        *download = download.join(folder_name(host)).join(container);
    }
}

/// A host's name as one part of a path. It may be an address.
pub fn folder_name(host: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | '@' | ':');
    let name: String = host
        .chars()
        .map(|c| if is_plain(c) { c } else { '_' })
        .collect();
    if matches!(name.as_str(), "" | "." | "..") {
        format!("_{name}")
    } else {
        name
    }
}

fn complete(
    index: usize,
    step: PolicyStep,
    request: &Request,
    subjects: &[Subject<'_>],
    surveys: &[Survey<'_>],
    paths: &[String],
) -> Result<Step, PlanError> {
    let place = step.node as usize;
    let missing = || PlanError::NoSuchNode {
        step: index,
        node: step.node,
        count: subjects.len(),
    };
    let subject = subjects.get(place).ok_or_else(missing)?;
    let count = request.nodes.len();
    let orphan = place
        .checked_sub(count)
        .and_then(|place| request.orphans.get(place));
    let node = request.nodes.get(place).or(orphan).ok_or_else(missing)?;
    let survey = surveys.get(subject.survey).ok_or_else(missing)?;
    if let Some(&after) = step.after.iter().find(|&&after| after as usize >= index) {
        return Err(PlanError::NotEarlier { step: index, after });
    }
    let kind = match node.kind {
        NodeKind::Image => "image",
        NodeKind::Network => "network",
        NodeKind::Volume => "volume",
        NodeKind::Container => "container",
    };
    let unsuitable = || PlanError::Unsuitable {
        step: index,
        operation: in_words(&step.operation),
        kind,
        name: node.name.clone(),
    };
    let body_error = |source| PlanError::Body {
        operation: in_words(&step.operation),
        name: node.name.clone(),
        host: node.host.clone(),
        source,
    };
    let is_for_orphans = matches!(
        step.operation,
        Operation::Stop(_) | Operation::Signal(_) | Operation::Remove(_)
    );
    if orphan.is_some() && !is_for_orphans {
        return Err(unsuitable());
    }
    let map = subject.map;
    let container_body = |config: &str, instance: Option<&str>| {
        let client = survey.host.client();
        dfab_maps::container_body(map, config, instance, client, &survey.features())
            .map_err(body_error)
    };
    let refused = |unset: Unset| body_error(unset.into());
    let work = match (&step.operation, subject.item.as_ref()) {
        (Operation::PullImage, Item::Image { repository, tag }) => {
            map.require_settings(&subject.item).map_err(refused)?;
            Work::PullImage {
                repository: repository.clone(),
                tag: tag.clone(),
            }
        }
        (Operation::Create, Item::Network { name }) => {
            let body = dfab_maps::network_body(map, name).map_err(body_error)?;
            Work::CreateNetwork {
                body: labelled(body, map.name(), name, None),
            }
        }
        (Operation::Create, Item::Volume { owner, alias }) if !survey.features().volumes => {
            let body = dfab_maps::data_container_body(map, owner, alias).map_err(body_error)?;
            Work::CreateContainer {
                body: labelled(body, map.name(), alias, None),
            }
        }
        (Operation::Remove(_), Item::Volume { .. }) if !survey.features().volumes => {
            Work::RemoveContainer {
                force: false,
                volumes: true,
            }
        }
        (Operation::Create, Item::Volume { owner, alias }) => {
            let body = dfab_maps::volume_body(map, owner, alias).map_err(body_error)?;
            Work::CreateVolume {
                body: labelled(body, map.name(), alias, None),
            }
        }
        (Operation::Create, Item::Container { config, instance }) => {
            let instance = instance.as_deref();
            Work::CreateContainer {
                body: labelled(
                    container_body(config, instance)?,
                    map.name(),
                    config,
                    instance,
                ),
            }
        }
        (Operation::Remove(_), Item::Network { .. }) => Work::RemoveNetwork,
        (Operation::Remove(_), Item::Volume { .. }) => Work::RemoveVolume,
        (operation, Item::Container { config, instance }) => match operation {
            Operation::Start => {
                let is_first = matches!(node.observed.life, Life::Created);
                map.require_start_settings(config, is_first)
                    .map_err(refused)?;
                Work::Start
            }
            Operation::Stop(stop) => Work::Stop {
                signal: stop.signal.clone(),
                timeout_s: stop.timeout_s,
            },
            Operation::Signal(signal) => Work::Signal {
                signal: signal.clone(),
            },
            Operation::Remove(options) => Work::RemoveContainer {
                force: options.force,
                volumes: options.volumes,
            },
            Operation::Connect(network) => Work::Connect {
                network: network.clone(),
                endpoint: dfab_maps::endpoint_body(map, config, network)
                    .map_err(body_error)?
                    .ok_or_else(unsuitable)?,
            },
            Operation::PrepareVolume(volume) => {
                let preparation = dfab_maps::preparations(map, config, instance.as_deref())
                    .into_iter()
                    .find(|preparation| preparation.volume == *volume)
                    .ok_or_else(unsuitable)?;
                Work::PrepareVolume {
                    volume: preparation.volume,
                    path: preparation.path,
                    user: preparation.user,
                    permissions: preparation.permissions,
                }
            }
            Operation::Exec(command) => Work::Exec {
                argv: command.argv.clone(),
                user: command.user.clone(),
                initial: command.initial,
            },
            Operation::Delay(milliseconds) => Work::Delay {
                milliseconds: *milliseconds,
            },
            Operation::Disconnect(network) => Work::Disconnect {
                network: network.clone(),
            },
            Operation::Update => Work::Update {
                body: update_body(
                    &container_body(config, instance.as_deref())?,
                    &node.observed.differences,
                ),
            },
            Operation::Run(options) => {
                let mut options = options.clone();
                let wait = survey.host.client().wait_timeout;
                let wait_s = wait.and_then(|wait| u32::try_from(wait.as_secs().max(1)).ok());
                options.timeout_s = options.timeout_s.or(wait_s);
                let body = container_body(config, instance.as_deref())?;
                let prepares = dfab_maps::preparations(map, config, instance.as_deref());
                let prepares = prepares.into_iter().map(Preparation::from).collect();
                Work::Run(Run::new(&options, body, prepares, paths).map_err(|source| {
                    PlanError::Run {
                        step: index,
                        source,
                    }
                })?)
            }
            Operation::PullImage | Operation::Create => return Err(unsuitable()),
        },
        _ => return Err(unsuitable()),
    };
    let mut if_changed = Vec::with_capacity(step.if_changed.len());
    for image in step.if_changed {
        let image = request
            .nodes
            .get(image as usize)
            .ok_or(PlanError::NoSuchNode {
                step: index,
                node: image,
                count: request.nodes.len(),
            })?;
        if image.kind != NodeKind::Image {
            return Err(unsuitable());
        }
        if_changed.push((image.name.clone(), image.observed.engine_id.clone()));
    }
    Ok(Step {
        host: node.host.clone(),
        host_index: subject.survey,
        kind,
        name: node.name.clone(),
        work,
        after: step.after.iter().map(|&after| after as usize).collect(),
        reason: step.reason,
        if_changed,
    })
}

fn in_words(operation: &Operation) -> String {
    match operation {
        Operation::PullImage => "pull".to_owned(),
        Operation::Create => "create".to_owned(),
        Operation::Start => "start".to_owned(),
        Operation::Stop(_) => "stop".to_owned(),
        Operation::Signal(signal) => format!("send {signal} to"),
        Operation::Remove(_) => "remove".to_owned(),
        Operation::Connect(network) => format!("connect network {network} to"),
        Operation::PrepareVolume(volume) => format!("prepare volume {volume} of"),
        Operation::Exec(_) => "run a command in".to_owned(),
        Operation::Delay(_) => "wait for".to_owned(),
        Operation::Update => "update".to_owned(),
        Operation::Disconnect(network) => format!("disconnect network {network} from"),
        Operation::Run(_) => "run".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn results_of_several_runs_do_not_meet() {
        let run = |host: &str, name: &str, download: Option<&str>| Step {
            host: host.to_owned(),
            host_index: 0,
            kind: "container",
            name: name.to_owned(),
            work: Work::Run(Run {
                body: json!({}),
                prepares: Vec::new(),
                folder: None,
                upload: None,
                download: download.map(Into::into),
                timeout_s: 1,
                keep: false,
                timestamps: false,
                tail: None,
                must_succeed: false,
            }),
            after: Vec::new(),
            reason: String::new(),
            if_changed: Vec::new(),
        };
        let folders = |mut steps: Vec<Step>| -> Vec<_> {
            keep_results_apart(&mut steps);
            let downloads = steps.into_iter().map(|step| match step.work {
                Work::Run(run) => run.download,
                _ => None,
            });
            downloads
                .map(|path| path.map(|path| path.display().to_string()))
                .collect()
        };
        let one = run("h1", "m.a", Some("out"));
        assert_eq!(folders(vec![one.clone()]), [Some("out".to_owned())]);
        let several = vec![
            one,
            run("ssh://me@h2:22/", "m.a", Some("out")),
            run("..", "m.b", Some("out")),
        ];
        assert_eq!(
            folders(several),
            ["out/h1/m.a", "out/ssh:__me@h2:22_/m.a", "out/_../m.b"]
                .map(|path| Some(path.to_owned()))
        );
        let none = vec![run("h1", "m.a", None), run("h2", "m.a", None)];
        assert_eq!(folders(none), [None, None]);
    }
}
