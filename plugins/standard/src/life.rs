//! What an action does to one node, by what is there.

use dfab_sdk::policy::{
    ContainerDetails, Life, Node, NodeKind, Operation, RemoveOptions, StopOptions,
};

use crate::chain::Work;
use crate::options::Options;

pub fn create(node: &Node, work: &mut Work) {
    if node.observed.life != Life::Absent {
        return;
    }
    match (&node.kind, &node.container) {
        (NodeKind::Image, _) => work.push(Operation::PullImage, "absent"),
        (_, None) => work.push(Operation::Create, "absent"),
        (_, Some(container)) => create_container(container, "absent", work),
    }
}

pub fn create_container(container: &ContainerDetails, reason: &str, work: &mut Work) {
    work.push(Operation::Create, reason);
    for network in &container.networks {
        work.push(Operation::Connect(network.clone()), "");
    }
    prepare(container, work);
}

/// Before the first start, also where it did not work the last time: what is so already is left.
pub fn prepare(container: &ContainerDetails, work: &mut Work) {
    for volume in &container.prepares {
        work.push(Operation::PrepareVolume(volume.clone()), "");
    }
}

pub fn start(node: &Node, options: &Options, work: &mut Work) {
    let Some(container) = &node.container else {
        return;
    };
    match node.observed.life {
        Life::Created => {
            prepare(container, work);
            start_container(container, true, "not started yet", work);
        }
        Life::Exited => start_container(container, options.initial, "not running", work),
        Life::Absent | Life::Running | Life::Paused | Life::Restarting | Life::Dead => {}
    }
}

/// Starts a container, and does in it what is to be done after a start; what belongs to its creation
/// only if that is asked for.
pub fn start_container(
    container: &ContainerDetails,
    with_initial: bool,
    reason: &str,
    work: &mut Work,
) {
    work.push(Operation::Start, reason);
    delay(container, work);
    for command in &container.exec_commands {
        if with_initial || !command.initial {
            work.push(Operation::Exec(command.clone()), "after its start");
        }
    }
}

pub fn startup(node: &Node, options: &Options, work: &mut Work) {
    match (&node.container, node.observed.life) {
        (Some(container), Life::Absent) => {
            create_container(container, "absent", work);
            start_container(container, true, "just created", work);
        }
        (Some(container), Life::Dead) => {
            work.push(removal(node), "dead");
            create_container(container, "was dead", work);
            start_container(container, true, "just created", work);
        }
        (Some(_), _) => start(node, options, work),
        (None, _) => create(node, work),
    }
}

pub fn restart(node: &Node, options: &Options, work: &mut Work) {
    let Some(container) = &node.container else {
        return;
    };
    let is_running = runs(node);
    if !is_running && node.observed.life != Life::Exited {
        return;
    }
    if is_running {
        let stop = stop_options(node, container, options);
        work.push(Operation::Stop(stop), "to be started again");
    }
    work.push(Operation::Start, "asked for");
    delay(container, work);
    if options.restart_exec_commands {
        exec_again(container, options, work);
    }
}

pub fn stop(node: &Node, options: &Options, work: &mut Work) {
    if let Some(container) = &node.container
        && runs(node)
    {
        let stop = stop_options(node, container, options);
        work.push(Operation::Stop(stop), because(node));
    }
}

/// Of a container that its map has no more only the engine knows how it is stopped.
pub fn remove_orphan(node: &Node, options: &Options, work: &mut Work) {
    if !options.orphans || node.observed.life == Life::Absent || is_kept(node, options) {
        return;
    }
    const REASON: &str = "no longer in the map";
    if runs(node)
        && let Some(container) = &node.container
    {
        let stop = stop_options(node, container, options);
        work.push(Operation::Stop(stop), REASON);
    }
    let removal = RemoveOptions {
        force: node.observed.life == Life::Dead,
        volumes: options.remove_volumes,
    };
    work.push(Operation::Remove(removal), REASON);
}

/// Whether it is a persistent container, and those are to be left alone.
pub fn is_kept(node: &Node, options: &Options) -> bool {
    let is_persistent = node
        .container
        .as_ref()
        .is_some_and(|container| container.persistent);
    options.keep_persistent && is_persistent
}

/// Whether a shutdown leaves it: a volume's contents are lost with it, so that must be asked for.
pub fn is_spared(node: &Node, options: &Options) -> bool {
    node.kind == NodeKind::Volume && !options.remove_attached
}

/// A volume or network goes where it was named, and a volume also with its container if that is
/// asked for.
pub fn remove(node: &Node, options: &Options, work: &mut Work) {
    if node.observed.life == Life::Absent {
        return;
    }
    let removal = Operation::Remove(RemoveOptions {
        force: node.observed.life == Life::Dead,
        // Of what goes by the way nobody said that its data may go.
        volumes: options.remove_volumes && node.requested,
    });
    match node.kind {
        NodeKind::Container => work.push(removal, because(node)),
        NodeKind::Volume | NodeKind::Network if node.requested => work.push(removal, "asked for"),
        NodeKind::Volume if options.remove_attached => work.push(removal, "--remove-attached"),
        NodeKind::Volume | NodeKind::Network | NodeKind::Image => {}
    }
}

pub fn signal(node: &Node, options: &Options, work: &mut Work) {
    if node.container.is_some() && runs(node) {
        work.push(Operation::Signal(options.signal.clone()), "asked for");
    }
}

pub fn pull(node: &Node, options: &Options, work: &mut Work) {
    if node.kind != NodeKind::Image {
        return;
    }
    match node.observed.life {
        Life::Absent => work.push(Operation::PullImage, "absent"),
        _ if options.missing_only => {}
        _ => work.push(Operation::PullImage, "asked for"),
    }
}

pub fn exec_all(node: &Node, options: &Options, work: &mut Work) {
    if let Some(container) = node
        .container
        .as_ref()
        .filter(|_| node.observed.life == Life::Running)
    {
        exec_again(container, options, work);
    }
}

fn exec_again(container: &ContainerDetails, options: &Options, work: &mut Work) {
    for command in &container.exec_commands {
        if options.initial || !command.initial {
            work.push(Operation::Exec(command.clone()), "asked for");
        }
    }
}

pub fn runs(node: &Node) -> bool {
    matches!(
        node.observed.life,
        Life::Running | Life::Paused | Life::Restarting
    )
}

/// The time that was given is for what was named: what goes by the way has its own.
pub fn stop_options(node: &Node, container: &ContainerDetails, options: &Options) -> StopOptions {
    let given = options.timeout_s.filter(|_| node.requested);
    StopOptions {
        signal: container.stop.signal.clone(),
        timeout_s: given.or(container.stop.timeout_s),
    }
}

/// Removes a container that is to be made anew. Its anonymous volumes stay: nothing is lost.
pub fn removal(node: &Node) -> Operation {
    Operation::Remove(RemoveOptions {
        force: node.observed.life == Life::Dead,
        volumes: false,
    })
}

fn delay(container: &ContainerDetails, work: &mut Work) {
    if container.start_delay_ms > 0 {
        work.push(
            Operation::Delay(container.start_delay_ms),
            "its start_delay",
        );
    }
}

fn because(node: &Node) -> &'static str {
    if node.requested {
        "asked for"
    } else {
        "needs what was asked for"
    }
}
