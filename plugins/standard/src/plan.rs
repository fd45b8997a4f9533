//! From what is wanted and what was seen to steps.

use dfab_sdk::policy::{Error, Node, Request, Step};

use crate::chain::{Work, downward, upward};
use crate::life::{create, exec_all, pull, remove, restart, runs, signal, start, startup, stop};
use crate::options::Options;
use crate::{script, update};

/// Plans a request.
pub fn plan(request: &Request) -> Result<Vec<Step>, Error> {
    let options = Options::read(request)?;
    let each = |decide: fn(&Node, &Options, &mut Work)| {
        upward(request, |_, node, work| decide(node, &options, work))
    };
    match request.action.as_str() {
        "create" => Ok(each(|node, _, work| create(node, work))),
        "start" => Ok(each(start)),
        "startup" => Ok(each(startup)),
        "restart" => Ok(each(restart)),
        "update" => update::plan(request, &options),
        "kill" | "signal" => Ok(each(signal)),
        "pull-images" => Ok(each(pull)),
        "exec-all" => Ok(each(exec_all)),
        "script" | "single-cmd" => script::plan(request, &options),
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

#[cfg(test)]
mod defects;
#[cfg(test)]
mod tests;
