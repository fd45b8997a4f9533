//! What an action passes over, and what to do about it.

use std::collections::BTreeMap;

use dfab_sdk::policy::{Error, Life, Node, NodeKind, Request};

use crate::life::{is_spared, runs};
use crate::options::Options;
use crate::update::{is_forced, recreating};

/// What was asked for and is not there, what is left there, and what is in no map any more.
pub fn notices(request: &Request) -> Result<Vec<String>, Error> {
    let options = Options::read(request)?;
    let mut notices = missing(request);
    notices.extend(spared_volumes(request, &options));
    notices.extend(unforced_volumes(request, &options));
    notices.extend(orphans(request, &options));
    Ok(notices)
}

/// Where it takes a container that is there, those that are not.
fn missing(request: &Request) -> Vec<String> {
    let action = request.action.as_str();
    let asked = request.nodes.iter();
    let asked = asked.filter(|node| node.requested && node.container.is_some());
    let next = match action {
        "start" | "restart" | "kill" | "signal" | "exec-all" => {
            "; `startup` creates and starts it, `create` only creates it"
        }
        "stop" => "",
        _ => return Vec::new(),
    };
    let absent = asked.clone().filter(|node| is_absent(node));
    let mut notices = by_host(absent, |names, host| {
        format!("{action}: on {host} there is no container {names}{next}")
    });
    let idle: fn(&Node) -> bool = match action {
        "restart" => |node| node.observed.life == Life::Created,
        "kill" | "signal" | "exec-all" => |node| !is_absent(node) && !runs(node),
        _ => return notices,
    };
    notices.extend(by_host(asked.filter(|node| idle(node)), |names, host| {
        format!("{action}: on {host} does not run: {names}; `start` starts it")
    }));
    notices
}

/// Volumes that were named, and that a shutdown leaves.
fn spared_volumes(request: &Request, options: &Options) -> Vec<String> {
    let is_told = |node: &&Node| node.requested && !is_absent(node) && is_spared(node, options);
    let nodes = request.nodes.iter();
    nodes
        .filter(|_| request.action == "shutdown")
        .filter(is_told)
        .map(|node| {
            let (name, host) = (&node.name, &node.host);
            format!(
                "shutdown: volume {name} on {host} stays, with what is in it; `--remove-attached`, or \
                 `remove volume:{name}`, removes it"
            )
        })
        .collect()
}

/// Volumes that were to be made anew in any case, which empties them. Of those that differ it is told
/// with the difference.
fn unforced_volumes(request: &Request, options: &Options) -> Vec<String> {
    let is_told = |node: &&Node| {
        node.kind == NodeKind::Volume
            && !is_absent(node)
            && is_forced(node, options)
            && recreating(&node.observed.differences).next().is_none()
    };
    let nodes = request.nodes.iter();
    nodes
        .filter(|_| request.action == "update" && !options.recreate_volumes)
        .filter(is_told)
        .map(|node| {
            let (name, host) = (&node.name, &node.host);
            format!(
                "volume {name} on {host} is not made anew, though that was asked for: a new one would be \
                 empty. `--recreate-volumes` goes ahead with it"
            )
        })
        .collect()
}

/// Containers that nobody would find otherwise. Who takes down a configuration hears of its own.
fn orphans(request: &Request, options: &Options) -> Vec<String> {
    let action = request.action.as_str();
    if options.orphans {
        return Vec::new();
    }
    let is_told = |orphan: &&Node| match action {
        "startup" | "update" => true,
        "shutdown" | "remove" => request.nodes.iter().any(|node| {
            node.requested
                && node.container.is_some()
                && node.map_name == orphan.map_name
                && node.config_name == orphan.config_name
        }),
        _ => false,
    };
    by_host(request.orphans.iter().filter(is_told), |names, host| {
        format!(
            "on {host}, made for a map that has them no longer: {names}; `{action}` with `--orphans` \
             stops and removes them"
        )
    })
}

fn is_absent(node: &Node) -> bool {
    node.observed.life == Life::Absent
}

/// A text for each host with some of these, with their names.
fn by_host<'a>(
    nodes: impl Iterator<Item = &'a Node>,
    text: impl Fn(&str, &str) -> String,
) -> Vec<String> {
    let mut names: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for node in nodes {
        names.entry(&node.host).or_default().push(&node.name);
    }
    names
        .iter()
        .map(|(host, names)| text(&names.join(", "), host))
        .collect()
}
