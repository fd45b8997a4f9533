//! Containers that a plan leaves alone, and that use what it takes away.

use dfab_sdk::policy::{Error, Node, NodeKind, Request};

use crate::life::is_kept;
use crate::options::Options;

/// Refuses that a network or volume goes while containers have it of which the plan does not take
/// care: the engine would refuse it half-way. `is_seen_to` says by node and index which it does.
pub fn refuse(
    request: &Request,
    options: &Options,
    thing: &Node,
    what_for: &str,
    is_seen_to: impl Fn(&Node, usize) -> bool,
) -> Result<(), Error> {
    let is_removed = |name: &str| {
        let is_it = |node: &Node| node.host == thing.host && node.name == name;
        let nodes = request.nodes.iter().enumerate();
        let mut known = nodes.filter(|(index, node)| is_seen_to(node, *index));
        let goes = |node: &Node| options.orphans && !is_kept(node, options);
        known.any(|(_, node)| is_it(node))
            || request.orphans.iter().any(|node| is_it(node) && goes(node))
    };
    let strangers: Vec<&str> = thing
        .observed
        .connected
        .iter()
        .map(String::as_str)
        .filter(|name| !is_removed(name))
        .collect();
    if strangers.is_empty() {
        return Ok(());
    }
    let (kind, how, end) = match thing.kind {
        NodeKind::Network => ("network", "are connected to it", "disconnect them"),
        _ => ("volume", "have it mounted", "remove them"),
    };
    let is_orphan = |name: &&str| {
        let mut orphans = request.orphans.iter();
        orphans.any(|orphan| orphan.host == thing.host && orphan.name == **name)
    };
    let orphans = if strangers.iter().any(is_orphan) {
        "; `--orphans` removes those that the map no longer has"
    } else {
        ""
    };
    Err(Error::Conflict(format!(
        "{kind} {} on {} {what_for}, and containers that are not part of this action {how}: {}; name \
         them too, or {end} first{orphans}",
        thing.name,
        thing.host,
        strangers.join(", ")
    )))
}
