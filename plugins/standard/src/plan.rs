//! From what is wanted and what was seen to steps.

use dfab_sdk::policy::{Error, Node, NodeKind, Request, Step};

use crate::chain::{Work, downward, upward};
use crate::life::{
    create, exec_all, is_kept, is_spared, pull, remove, restart, runs, signal, start, startup, stop,
};
use crate::options::Options;
use crate::{script, strangers, update};

/// Plans a request.
pub fn plan(request: &Request) -> Result<Vec<Step>, Error> {
    let options = &Options::read(request)?;
    let each = |decide: fn(&Node, &Options, &mut Work)| {
        upward(request, options, |_, node, work| {
            decide(node, options, work);
        })
    };
    match request.action.as_str() {
        "create" => Ok(each(|node, _, work| create(node, work))),
        "start" => Ok(each(start)),
        "startup" => Ok(each(startup)),
        "restart" => Ok(each(restart)),
        "update" => update::plan(request, options),
        "kill" | "signal" => Ok(each(signal)),
        "pull-images" => Ok(each(pull)),
        "exec-all" => Ok(each(exec_all)),
        "script" | "single-cmd" => script::plan(request, options),
        "stop" => Ok(downward(request, options, |_, node, work| {
            stop(node, options, work);
        })),
        "remove" => {
            refuse_running(request, options)?;
            take_down(request, options, remove)
        }
        "shutdown" => take_down(request, options, |node, options, work| {
            stop(node, options, work);
            if !is_spared(node, options) {
                remove(node, options, work);
            }
        }),
        other => Err(Error::NotFound(format!("there is no action {other}"))),
    }
}

fn take_down(
    request: &Request,
    options: &Options,
    decide: fn(&Node, &Options, &mut Work),
) -> Result<Vec<Step>, Error> {
    let kept = kept(request, options);
    let is_kept = |index: usize| kept.get(index).copied().unwrap_or_default();
    let mut goes = vec![false; request.nodes.len()];
    let steps = downward(request, options, |index, node, work| {
        if is_kept(index) {
            return;
        }
        decide(node, options, work);
        if let Some(goes) = goes.get_mut(index) {
            *goes = work.len() > 0;
        }
    });
    let is_shared = |node: &Node| matches!(node.kind, NodeKind::Volume | NodeKind::Network);
    let things = request
        .nodes
        .iter()
        .zip(&goes)
        .filter(|(node, goes)| **goes && is_shared(node));
    for (thing, _) in things {
        let goes = |node: &Node, index: usize| {
            goes.get(index).copied().unwrap_or_default() && node.container.is_some()
        };
        strangers::refuse(request, options, thing, "is to be removed", goes)?;
    }
    Ok(steps)
}

/// A running container is not removed by the way: it may be in use.
fn refuse_running(request: &Request, options: &Options) -> Result<(), Error> {
    let orphans = request.orphans.iter().filter(|_| options.orphans);
    let running: Vec<_> = request
        .nodes
        .iter()
        .chain(orphans)
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

#[cfg(test)]
mod asked;
#[cfg(test)]
mod defects;
#[cfg(test)]
mod orphans;
#[cfg(test)]
mod restarts;
#[cfg(test)]
mod tests;
