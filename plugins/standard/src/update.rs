//! `update`: from how things differ to the least that mends it.

use dfab_sdk::policy::{
    ContainerDetails, Difference, Error, ExecCommand, Level, Life, Node, NodeKind, Observation,
    Operation, Remedy, RemoveOptions, Request, Step, log,
};

use crate::chain::{Work, upward_after};
use crate::life::{
    create, create_container, prepare, removal, runs, start_container, startup, stop_options,
};
use crate::options::{CheckExec, Options};
use crate::strangers;

/// Plans an update.
pub fn plan(request: &Request, options: &Options) -> Result<Vec<Step>, Error> {
    let fates = fates(request, options)?;
    let is_called = called(request, &fates);
    // Containers that were removed before their turn, for a volume that they have mounted.
    let mut is_removed = vec![false; request.nodes.len()];
    // What containers hang on is made anew before anything is done to those.
    let first: Vec<usize> = (0..request.nodes.len())
        .filter(|index| {
            let is_container = |node: &Node| node.container.is_some();
            let fate = fates.get(*index);
            !request.nodes.get(*index).is_some_and(is_container)
                && fate.is_some_and(|fate| fate.recreate.is_some())
        })
        .collect();
    Ok(upward_after(
        request,
        options,
        &first,
        |index, node, work| {
            let Some(fate) = fates.get(index) else {
                return;
            };
            match node.kind {
                NodeKind::Image => {
                    if options.pull && node.observed.life != Life::Absent {
                        work.push(Operation::PullImage, "--pull");
                    } else {
                        create(node, work);
                    }
                }
                NodeKind::Network => match &fate.recreate {
                    Some(reason) => recreate_network(request, node, reason, work),
                    None => create(node, work),
                },
                NodeKind::Volume => match &fate.recreate {
                    Some(reason) => {
                        for (place, user) in users(request, node) {
                            // Another volume of it may have come first.
                            if is_removed.get(place).copied().unwrap_or_default() {
                                continue;
                            }
                            remove_container(place, user, options, reason, work);
                            if let Some(is_removed) = is_removed.get_mut(place) {
                                *is_removed = true;
                            }
                        }
                        work.push(removal(node), reason);
                        work.push(Operation::Create, "made anew");
                    }
                    None => create(node, work),
                },
                NodeKind::Container => {
                    let at = |flags: &[bool]| flags.get(index).copied().unwrap_or_default();
                    let situation = Situation {
                        index,
                        is_removed: at(&is_removed),
                        is_called: at(&is_called),
                    };
                    update_container(request, node, fate, &fates, &situation, options, work);
                }
            }
        },
    ))
}

const IF_PULLED: &str = "if another image was pulled";

/// What becomes of a node.
#[derive(Default)]
struct Fate {
    /// Made anew, and why.
    recreate: Option<String>,
    /// Made anew if one of these images turns out to be another one.
    if_changed: Vec<u32>,
}

impl Fate {
    fn recreate(reason: impl Into<String>) -> Self {
        Self {
            recreate: Some(reason.into()),
            if_changed: Vec::new(),
        }
    }
}

/// What becomes of each node; decided before any step, for a container goes with what it is tied to.
fn fates(request: &Request, options: &Options) -> Result<Vec<Fate>, Error> {
    let mut fates: Vec<Fate> = Vec::with_capacity(request.nodes.len());
    for node in &request.nodes {
        let fate = if node.observed.life == Life::Absent {
            Fate::default()
        } else if is_forced(node, options)
            && (node.kind != NodeKind::Volume || options.recreate_volumes)
        {
            Fate::recreate("asked for")
        } else {
            match (&node.container, node.kind) {
                (Some(container), _) => container_fate(request, node, container, &fates, options),
                (None, NodeKind::Network) => named(recreating(&node.observed.differences)),
                (None, NodeKind::Volume) => volume_fate(node, options),
                (None, _) => Fate::default(),
            }
        };
        if fate.recreate.is_some() && node.container.is_none() {
            let known = |other: &Node, _: usize| other.container.is_some();
            strangers::refuse(request, options, node, "must be made anew", known)?;
        }
        fates.push(fate);
    }
    Ok(fates)
}

fn container_fate(
    request: &Request,
    node: &Node,
    container: &ContainerDetails,
    earlier: &[Fate],
    options: &Options,
) -> Fate {
    let at = |index: &u32| {
        let index = *index as usize;
        Some((request.nodes.get(index)?, earlier.get(index)?))
    };
    if node.observed.life == Life::Dead {
        return Fate::recreate("dead");
    }
    if let Some(code) = node.observed.exit_code
        && options.nonrecoverable.contains(&code)
    {
        return Fate::recreate(format!("ended with {code}"));
    }
    let new_image_is_fine = container.persistent && !options.update_persistent;
    let differences: Vec<&Difference> = recreating(&node.observed.differences)
        .filter(|difference| !(new_image_is_fine && difference.field == "Image"))
        .filter(|difference| !(options.skip_limit_reset && is_limit(&difference.field)))
        .collect();
    if !differences.is_empty() {
        return named(differences.into_iter());
    }
    for (other, fate) in container.tied_to.iter().filter_map(at) {
        if fate.recreate.is_some() || other.observed.life == Life::Absent {
            return Fate::recreate(format!("{} is made anew", other.name));
        }
    }
    for (volume, fate) in container.volumes.iter().filter_map(at) {
        if fate.recreate.is_some() {
            return Fate::recreate(format!("volume {} is made anew", volume.name));
        }
    }
    let mut if_changed = Vec::new();
    if options.pull && !new_image_is_fine {
        let images = node.requires.iter().filter(|index| {
            at(index).is_some_and(|(needed, _)| {
                needed.kind == NodeKind::Image && needed.observed.life != Life::Absent
            })
        });
        if_changed.extend(images);
    }
    for (_, fate) in container.tied_to.iter().filter_map(at) {
        if_changed.extend(&fate.if_changed);
    }
    if_changed.sort_unstable();
    if_changed.dedup();
    Fate {
        recreate: None,
        if_changed,
    }
}

/// A volume's contents are lost with it, so that must be asked for.
fn volume_fate(node: &Node, options: &Options) -> Fate {
    let fate = named(recreating(&node.observed.differences));
    if let Some(reason) = &fate.recreate
        && !options.recreate_volumes
    {
        let text = format!(
            "volume {} on {} differs from the map ({reason}) and is left as it is: a new one would \
             be empty. `--recreate-volumes` makes it anew",
            node.name, node.host
        );
        log(Level::Warn, &text);
        return Fate::default();
    }
    fate
}

/// The differences that only a new one mends.
pub fn recreating(differences: &[Difference]) -> impl Iterator<Item = &Difference> {
    differences
        .iter()
        .filter(|difference| matches!(difference.remedy, Remedy::Recreate))
}

/// A fate for these differences, if there are any.
fn named<'a>(differences: impl Iterator<Item = &'a Difference>) -> Fate {
    told(differences).map(Fate::recreate).unwrap_or_default()
}

/// These differences in words, if there are any.
fn told<'a>(differences: impl Iterator<Item = &'a Difference>) -> Option<String> {
    const TOLD: usize = 3;
    let words: Vec<String> = differences
        .map(|one| format!("{}: {} instead of {}", one.field, one.found, one.wanted))
        .collect();
    if words.is_empty() {
        return None;
    }
    let more = words.len().saturating_sub(TOLD);
    let mut text = words
        .iter()
        .take(TOLD)
        .cloned()
        .collect::<Vec<_>>()
        .join("; ");
    if more > 0 {
        text.push_str(&format!("; and {more} more"));
    }
    Some(text)
}

/// Why a container that runs must be stopped and started again, if it must.
fn restart_reason(node: &Node) -> Option<String> {
    let differences = node.observed.differences.iter();
    let restarting = differences.filter(|one| matches!(one.remedy, Remedy::Restart));
    told(restarting).filter(|_| runs(node))
}

fn is_limit(field: &str) -> bool {
    const LIMITS: [&str; 13] = [
        "BlkioWeight",
        "CpuPeriod",
        "CpuQuota",
        "CpuShares",
        "CpusetCpus",
        "CpusetMems",
        "KernelMemory",
        "Memory",
        "MemoryReservation",
        "MemorySwap",
        "NanoCpus",
        "OomKillDisable",
        "PidsLimit",
    ];
    let name = field.strip_prefix("HostConfig.");
    name.is_some_and(|name| LIMITS.contains(&name))
}

/// Whether something is to be made anew in any case.
pub fn is_forced(node: &Node, options: &Options) -> bool {
    let is_meant = || match node.kind {
        NodeKind::Container => options.forced.contains(&node.name),
        NodeKind::Network => options.forced.contains(&format!("network:{}", node.name)),
        NodeKind::Volume => options.forced.contains(&format!("volume:{}", node.name)),
        NodeKind::Image => false,
    };
    let is_named = options.force_update && node.requested && node.kind != NodeKind::Image;
    is_named || is_meant()
}

fn recreate_network(request: &Request, network: &Node, reason: &str, work: &mut Work) {
    let mut reason = reason;
    for (place, node) in request.nodes.iter().enumerate() {
        if node.container.is_some()
            && node.host == network.host
            && network.observed.connected.contains(&node.name)
        {
            let operation = Operation::Disconnect(network.name.clone());
            work.push_on(place, operation, format!("{} is made anew", network.name));
        }
    }
    work.push(removal(network), reason);
    reason = "made anew";
    work.push(Operation::Create, reason);
}

/// The containers that have a volume mounted, those that need others first.
fn users<'a>(request: &'a Request, volume: &Node) -> Vec<(usize, &'a Node)> {
    let has_it = |node: &Node| {
        node.container.is_some()
            && node.host == volume.host
            && volume.observed.connected.contains(&node.name)
    };
    let nodes = request.nodes.iter().enumerate().rev();
    nodes.filter(|(_, node)| has_it(node)).collect()
}

fn remove_container(place: usize, node: &Node, options: &Options, reason: &str, work: &mut Work) {
    let Some(container) = &node.container else {
        return;
    };
    let mut reason = reason.to_owned();
    if runs(node) {
        let stop = Operation::Stop(stop_options(node, container, options));
        work.push_on(place, stop, std::mem::take(&mut reason));
    }
    work.push_on(place, removal(node), reason);
}

/// By node: whether a container that starts in this plan needs it to run.
fn called(request: &Request, fates: &[Fate]) -> Vec<bool> {
    let mut called = vec![false; request.nodes.len()];
    // What needs others stands after them.
    for (index, node) in request.nodes.iter().enumerate().rev() {
        let Some(container) = &node.container else {
            continue;
        };
        let is_called = called.get(index).copied().unwrap_or_default();
        let is_anew = fates
            .get(index)
            .is_some_and(|fate| fate.recreate.is_some() || !fate.if_changed.is_empty());
        let starts = match node.observed.life {
            Life::Absent | Life::Created => true,
            Life::Exited | Life::Dead => is_anew || is_called || !container.persistent,
            Life::Running | Life::Paused | Life::Restarting => {
                is_anew || restart_reason(node).is_some()
            }
        };
        for needed in container.needs_running.iter().filter(|_| starts) {
            if let Some(called) = called.get_mut(*needed as usize) {
                *called = true;
            }
        }
    }
    called
}

/// Where a container is in the plan.
struct Situation {
    index: usize,
    /// It was removed before its turn.
    is_removed: bool,
    /// Another one that starts needs it to run.
    is_called: bool,
}

fn update_container(
    request: &Request,
    node: &Node,
    fate: &Fate,
    fates: &[Fate],
    situation: &Situation,
    options: &Options,
    work: &mut Work,
) {
    let Some(container) = &node.container else {
        return;
    };
    if node.observed.life == Life::Absent {
        startup(node, options, work);
        return;
    }
    let anew = |reason: &str, work: &mut Work| {
        if !situation.is_removed {
            remove_container(situation.index, node, options, reason, work);
        }
        create_container(container, "made anew", work);
        start_container(container, true, "just created", work);
    };
    if let Some(reason) = &fate.recreate {
        anew(reason, work);
        return;
    }
    if situation.is_removed {
        anew("", work);
        return;
    }
    mend_networks(request, node, fates, work);
    let updates: Vec<&str> = node
        .observed
        .differences
        .iter()
        .filter(|difference| matches!(difference.remedy, Remedy::Update))
        .map(|difference| difference.field.as_str())
        .collect();
    if !updates.is_empty() {
        work.push(Operation::Update, format!("{} differ", updates.join(", ")));
    }
    let is_new = node.observed.life == Life::Created;
    if let Some(reason) = restart_reason(node) {
        let stop = stop_options(node, container, options);
        work.push(Operation::Stop(stop), reason);
        start_container(container, options.initial, "to be mended", work);
    } else if runs(node) {
        for command in initial_again(node, container, options) {
            work.push(Operation::Exec(command.clone()), "--initial");
        }
        for command in missing(container, &node.observed, options) {
            work.push(Operation::Exec(command.clone()), "does not run");
        }
    } else if is_new || !container.persistent || situation.is_called {
        let reason = if is_new {
            "not started yet"
        } else {
            "not running"
        };
        if is_new {
            prepare(container, work);
        }
        start_container(container, is_new || options.initial, reason, work);
    }
    if !fate.if_changed.is_empty() {
        let from = work.len();
        // It may have been started a moment ago.
        if runs(node) {
            let stop = stop_options(node, container, options);
            work.push(Operation::Stop(stop), IF_PULLED);
        }
        let removal = RemoveOptions {
            force: true,
            volumes: false,
        };
        work.push(Operation::Remove(removal), IF_PULLED);
        create_container(container, IF_PULLED, work);
        start_container(container, true, IF_PULLED, work);
        work.only_if_changed(from, &fate.if_changed);
    }
}

fn mend_networks(request: &Request, node: &Node, fates: &[Fate], work: &mut Work) {
    // Networks that are made anew leave nobody connected.
    let anew: Vec<&str> = node
        .requires
        .iter()
        .filter_map(|index| {
            let index = *index as usize;
            let network = request.nodes.get(index)?;
            let is_anew = network.kind == NodeKind::Network && fates.get(index)?.recreate.is_some();
            is_anew.then_some(network.name.as_str())
        })
        .collect();
    for name in &anew {
        work.push(Operation::Connect((*name).to_owned()), "the network is new");
    }
    let is_anew = |name: &str| anew.contains(&name);
    for difference in &node.observed.differences {
        match &difference.remedy {
            Remedy::Connect(network) if !is_anew(network) => {
                work.push(Operation::Connect(network.clone()), "not connected");
            }
            Remedy::Reconnect(network) if !is_anew(network) => {
                let reason = format!("{} differ", difference.field);
                work.push(Operation::Disconnect(network.clone()), reason);
                work.push(Operation::Connect(network.clone()), "");
            }
            _ => {}
        }
    }
    for difference in &node.observed.differences {
        if let Remedy::Disconnect(network) = &difference.remedy
            && !is_made_anew(request, node, fates, network)
        {
            work.push(Operation::Disconnect(network.clone()), "not in the map");
        }
    }
}

/// Whether a network is made anew, and so has left a container already.
fn is_made_anew(request: &Request, container: &Node, fates: &[Fate], network: &str) -> bool {
    let mut nodes = request.nodes.iter().zip(fates);
    nodes.any(|(node, fate)| {
        node.kind == NodeKind::Network
            && node.host == container.host
            && node.name == network
            && fate.recreate.is_some()
    })
}

/// Commands of the creation of a running container, where they are asked for: as any option that is for
/// what was named.
fn initial_again<'a>(
    node: &Node,
    container: &'a ContainerDetails,
    options: &Options,
) -> impl Iterator<Item = &'a ExecCommand> {
    let is_asked = options.initial && node.requested && node.observed.life == Life::Running;
    let commands = container.exec_commands.iter();
    commands.filter(move |command| is_asked && command.initial)
}

/// Commands of each start that are not among a container's processes, and have not ended well. Where
/// the processes are not known, nothing is run a second time.
fn missing<'a>(
    container: &'a ContainerDetails,
    observed: &Observation,
    options: &Options,
) -> Vec<&'a ExecCommand> {
    let (Some(processes), false) = (&observed.processes, options.check_exec == CheckExec::None)
    else {
        return Vec::new();
    };
    let is_partial = options.check_exec == CheckExec::Partial;
    let runs = |command: &&ExecCommand| {
        let line = command.argv.join(" ");
        let user = command.user.as_deref().unwrap_or("root");
        processes.iter().any(|process| {
            let is_command = if is_partial {
                process.command.contains(&line)
            } else {
                process.command == line
            };
            is_command && is_same_user(user, &process.user)
        })
    };
    (0..)
        .zip(&container.exec_commands)
        .filter(|(index, command)| !command.initial && !observed.ended.contains(index))
        .map(|(_, command)| command)
        .filter(|command| !runs(command))
        .collect()
}

/// A name and a number may be the same user: only the container knows.
fn is_same_user(wanted: &str, found: &str) -> bool {
    // `ps` knows no groups.
    let wanted = wanted.split(':').next().unwrap_or_default();
    let is_number = |user: &str| user.bytes().all(|byte| byte.is_ascii_digit());
    wanted == found
        || (wanted == "0" && found == "root")
        || (is_number(wanted) != is_number(found) && wanted != "root" && found != "root")
}
