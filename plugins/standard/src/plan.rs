//! From what is wanted and what was seen to steps.
//!
//! Linear in the nodes, their edges and the answer. The answer itself may grow with the square of the
//! nodes where many steps wait for many others through a node that has no step.

use dfab_sdk::policy::{
    ContainerDetails, Error, Life, Node, NodeKind, Operation, RemoveOptions, Request, Step,
    StopOptions,
};
use dfab_sdk::{argument, flag};

/// Plans a request.
pub fn plan(request: &Request) -> Result<Vec<Step>, Error> {
    let options = Options::read(request)?;
    match request.action.as_str() {
        "create" => Ok(upward(request, create)),
        "start" => Ok(upward(request, start)),
        "startup" => Ok(upward(request, startup)),
        "restart" => Ok(upward(request, |node, work| restart(node, &options, work))),
        "stop" => Ok(downward(request, |_, node, work| {
            stop(node, &options, work)
        })),
        "remove" => {
            refuse_running(request, &options)?;
            let kept = kept(request, &options);
            Ok(downward(request, |index, node, work| {
                if !kept.get(index).is_some_and(|kept| *kept) {
                    remove(node, &options, work);
                }
            }))
        }
        "shutdown" => {
            let kept = kept(request, &options);
            Ok(downward(request, |index, node, work| {
                if !kept.get(index).is_some_and(|kept| *kept) {
                    stop(node, &options, work);
                    remove(node, &options, work);
                }
            }))
        }
        other => Err(Error::NotFound(format!("there is no action {other}"))),
    }
}

struct Options {
    timeout_s: Option<u32>,
    keep_persistent: bool,
    volumes: bool,
    attached: bool,
    exec_commands: bool,
}

impl Options {
    fn read(request: &Request) -> Result<Self, Error> {
        let given = &request.options;
        let timeout_s = argument(given, "timeout")
            .map(str::parse)
            .transpose()
            .map_err(|_| Error::Invalid("--timeout takes whole seconds, from 0".to_owned()))?;
        Ok(Self {
            timeout_s,
            keep_persistent: flag(given, "keep-persistent"),
            volumes: flag(given, "volumes"),
            attached: flag(given, "attached"),
            exec_commands: flag(given, "exec-commands"),
        })
    }
}

/// What is to be done to one node, in order, each with its reason where it does not speak for itself.
type Work = Vec<(Operation, &'static str)>;

fn create(node: &Node, work: &mut Work) {
    if node.observed.life != Life::Absent {
        return;
    }
    match (&node.kind, &node.container) {
        (NodeKind::Image, _) => work.push((Operation::PullImage, "absent")),
        (_, None) => work.push((Operation::Create, "absent")),
        (_, Some(container)) => create_container(container, "absent", work),
    }
}

fn create_container(container: &ContainerDetails, reason: &'static str, work: &mut Work) {
    work.push((Operation::Create, reason));
    for network in &container.networks {
        work.push((Operation::Connect(network.clone()), ""));
    }
    for volume in &container.prepares {
        work.push((Operation::PrepareVolume(volume.clone()), ""));
    }
}

fn start(node: &Node, work: &mut Work) {
    let Some(container) = &node.container else {
        return;
    };
    match node.observed.life {
        Life::Created => start_container(container, true, "not started yet", work),
        Life::Exited => start_container(container, false, "not running", work),
        Life::Absent | Life::Running | Life::Paused | Life::Restarting | Life::Dead => {}
    }
}

/// Starts a container, and does in it what is to be done after a start.
fn start_container(
    container: &ContainerDetails,
    is_first: bool,
    reason: &'static str,
    work: &mut Work,
) {
    work.push((Operation::Start, reason));
    if container.start_delay_ms > 0 {
        work.push((
            Operation::Delay(container.start_delay_ms),
            "its start_delay",
        ));
    }
    for command in &container.exec_commands {
        if is_first || !command.initial {
            work.push((Operation::Exec(command.clone()), "after its start"));
        }
    }
}

fn startup(node: &Node, work: &mut Work) {
    match (&node.container, node.observed.life) {
        (Some(container), Life::Absent) => {
            create_container(container, "absent", work);
            start_container(container, true, "just created", work);
        }
        (Some(container), Life::Dead) => {
            let options = RemoveOptions {
                force: true,
                volumes: false,
            };
            work.push((Operation::Remove(options), "dead"));
            create_container(container, "was dead", work);
            start_container(container, true, "just created", work);
        }
        (Some(_), _) => start(node, work),
        (None, _) => create(node, work),
    }
}

fn restart(node: &Node, options: &Options, work: &mut Work) {
    let Some(container) = &node.container else {
        return;
    };
    let is_running = runs(node);
    if !is_running && node.observed.life != Life::Exited {
        return;
    }
    if is_running {
        work.push((
            Operation::Stop(stop_options(container, options)),
            "to be started again",
        ));
    }
    work.push((Operation::Start, "asked for"));
    if container.start_delay_ms > 0 {
        work.push((
            Operation::Delay(container.start_delay_ms),
            "its start_delay",
        ));
    }
    if options.exec_commands {
        let again = container
            .exec_commands
            .iter()
            .filter(|command| !command.initial);
        work.extend(again.map(|command| (Operation::Exec(command.clone()), "asked for")));
    }
}

fn stop(node: &Node, options: &Options, work: &mut Work) {
    if let Some(container) = &node.container
        && runs(node)
    {
        work.push((
            Operation::Stop(stop_options(container, options)),
            because(node),
        ));
    }
}

fn remove(node: &Node, options: &Options, work: &mut Work) {
    if node.observed.life == Life::Absent {
        return;
    }
    let removal = RemoveOptions {
        force: node.observed.life == Life::Dead,
        volumes: options.volumes,
    };
    match node.kind {
        NodeKind::Container => work.push((Operation::Remove(removal), because(node))),
        NodeKind::Volume if options.attached => {
            work.push((Operation::Remove(removal), "--attached"))
        }
        NodeKind::Volume | NodeKind::Network | NodeKind::Image => {}
    }
}

/// A running container is not removed by the way: it may be in use.
fn refuse_running(request: &Request, options: &Options) -> Result<(), Error> {
    let running: Vec<_> = request
        .nodes
        .iter()
        .filter(|node| runs(node) && !is_kept(node, options))
        .map(|node| format!("{} on {}", node.name, node.host))
        .collect();
    if running.is_empty() {
        return Ok(());
    }
    Err(Error::Invalid(format!(
        "still running: {}; `stop` them first, or use `shutdown`, which does both",
        running.join(", ")
    )))
}

fn stop_options(container: &ContainerDetails, options: &Options) -> StopOptions {
    StopOptions {
        signal: container.stop.signal.clone(),
        timeout_s: options.timeout_s.or(container.stop.timeout_s),
    }
}

fn runs(node: &Node) -> bool {
    matches!(
        node.observed.life,
        Life::Running | Life::Paused | Life::Restarting
    )
}

fn is_kept(node: &Node, options: &Options) -> bool {
    let is_persistent = node
        .container
        .as_ref()
        .is_some_and(|container| container.persistent);
    options.keep_persistent && is_persistent
}

/// By node: whether it is left alone, as a kept container or as a volume, network or image of one.
fn kept(request: &Request, options: &Options) -> Vec<bool> {
    let mut kept = vec![false; request.nodes.len()];
    for (index, node) in request.nodes.iter().enumerate() {
        if !is_kept(node, options) {
            continue;
        }
        let needs = node.requires.iter().map(|need| *need as usize);
        let things = needs.filter(|need| {
            let needed = request.nodes.get(*need);
            needed.is_some_and(|needed| needed.container.is_none())
        });
        for place in things.chain([index]) {
            if let Some(is_kept) = kept.get_mut(place) {
                *is_kept = true;
            }
        }
    }
    kept
}

fn because(node: &Node) -> &'static str {
    if node.requested {
        "asked for"
    } else {
        "needs what was asked for"
    }
}

/// Each node after those that it requires.
fn upward(request: &Request, mut decide: impl FnMut(&Node, &mut Work)) -> Vec<Step> {
    let mut chain = Chain::new(request.nodes.len());
    for (index, node) in request.nodes.iter().enumerate() {
        chain.add(index, &node.requires, |work| decide(node, work));
    }
    chain.steps
}

/// Each node after those that require it.
fn downward(request: &Request, mut decide: impl FnMut(usize, &Node, &mut Work)) -> Vec<Step> {
    let mut required_by: Vec<Vec<u32>> = vec![Vec::new(); request.nodes.len()];
    for (index, node) in request.nodes.iter().enumerate() {
        for required in &node.requires {
            if let (Some(list), Ok(index)) = (
                required_by.get_mut(*required as usize),
                u32::try_from(index),
            ) {
                list.push(index);
            }
        }
    }
    let mut chain = Chain::new(request.nodes.len());
    for (index, (node, waits_for)) in request.nodes.iter().zip(&required_by).enumerate().rev() {
        chain.add(index, waits_for, |work| decide(index, node, work));
    }
    chain.steps
}

/// Steps, and which of them end the work on each node.
struct Chain {
    steps: Vec<Step>,
    /// By node: its last step, or, for one without steps, those that it would have waited for.
    ends: Vec<Vec<u32>>,
}

impl Chain {
    fn new(nodes: usize) -> Self {
        Self {
            steps: Vec::with_capacity(nodes),
            ends: vec![Vec::new(); nodes],
        }
    }

    fn add(&mut self, node: usize, waits_for: &[u32], decide: impl FnOnce(&mut Work)) {
        let mut work = Work::new();
        decide(&mut work);
        let mut after: Vec<u32> = Vec::new();
        for other in waits_for {
            after.extend(self.ends.get(*other as usize).into_iter().flatten());
        }
        after.sort_unstable();
        after.dedup();
        let Ok(place) = u32::try_from(node) else {
            return;
        };
        for (operation, reason) in work {
            let step = Step {
                node: place,
                operation,
                after,
                reason: reason.to_owned(),
            };
            after = u32::try_from(self.steps.len()).into_iter().collect();
            self.steps.push(step);
        }
        if let Some(end) = self.ends.get_mut(node) {
            *end = after;
        }
    }
}

#[cfg(test)]
mod tests;
