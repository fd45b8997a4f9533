//! Lines that are not drawn: at both their ends stands where they lead to.

use super::{Edge, EdgeKind, Group, NodeKind};

/// A volume or network of more containers than these has its name in their boxes instead of lines.
const USER_LIMIT: usize = 8;
/// Of more containers that need the same, only the number is shown.
const ARRIVING_LIMIT: usize = 4;

/// An end of a line that is not drawn, or of several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stub {
    pub(super) kind: EdgeKind,
    /// What is at the other end.
    pub(super) label: String,
    pub(super) details: String,
    /// Whether the other end needs this one.
    pub(super) is_arriving: bool,
}

/// Which edges lead to a volume or network that so many have in common that lines would hide the
/// others.
pub(super) fn shared(group: &Group) -> Vec<bool> {
    let mut users = vec![0_usize; group.nodes.len()];
    for edge in &group.edges {
        if let Some(users) = users.get_mut(edge.to) {
            *users += 1;
        }
    }
    let is_shared: Vec<bool> = group
        .nodes
        .iter()
        .zip(users)
        .map(|(node, users)| node.kind != NodeKind::Container && users > USER_LIMIT)
        .collect();
    let is_to_shared = |edge: &Edge| is_shared.get(edge.to).is_some_and(|shared| *shared);
    group.edges.iter().map(is_to_shared).collect()
}

/// What stands at each node for the edges that are not drawn: all that it needs, and then what needs
/// it.
pub(super) fn stubs(group: &Group, is_stub: &[bool]) -> Vec<Vec<Stub>> {
    let edges: Vec<&Edge> = group
        .edges
        .iter()
        .zip(is_stub)
        .filter_map(|(edge, is_stub)| is_stub.then_some(edge))
        .collect();
    let mut stubs = vec![Vec::new(); group.nodes.len()];
    for edge in &edges {
        let stub = stub(group, edge, false);
        if let Some(stubs) = stubs.get_mut(edge.from) {
            stubs.push(stub);
        }
    }
    let mut arriving: Vec<Vec<&Edge>> = vec![Vec::new(); group.nodes.len()];
    for edge in edges {
        if let Some(arriving) = arriving.get_mut(edge.to) {
            arriving.push(edge);
        }
    }
    for (stubs, mut arriving) in stubs.iter_mut().zip(arriving) {
        arriving.sort_by_key(|edge| edge.kind);
        for alike in arriving.chunk_by(|one, other| one.kind == other.kind) {
            match alike {
                [first, ..] if alike.len() > ARRIVING_LIMIT => {
                    let details: Vec<String> =
                        alike.iter().map(|edge| edge.details.join("\n")).collect();
                    stubs.push(Stub {
                        kind: first.kind,
                        label: format!("{} containers", alike.len()),
                        details: details.join("\n"),
                        is_arriving: true,
                    });
                }
                _ => stubs.extend(alike.iter().map(|edge| stub(group, edge, true))),
            }
        }
    }
    stubs
}

fn stub(group: &Group, edge: &Edge, is_arriving: bool) -> Stub {
    let other = if is_arriving { edge.from } else { edge.to };
    let label = group.nodes.get(other).map(|node| node.label.clone());
    Stub {
        kind: edge.kind,
        label: label.unwrap_or_default(),
        details: edge.details.join("\n"),
        is_arriving,
    }
}
