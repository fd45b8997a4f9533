//! From work on nodes to steps, each of which waits for those that must come before it.
//!
//! Linear in the nodes, their edges and the answer. The answer itself may grow with the square of the
//! nodes where many steps wait for many others through a node that has no step.

use std::collections::HashMap;

use dfab_sdk::policy::{Node, Operation, Request, Step};

use crate::life::remove_orphan;
use crate::options::Options;

/// What is to be done for one node, in order.
#[derive(Default)]
pub struct Work {
    items: Vec<Item>,
}

struct Item {
    /// Where it is not the node itself.
    node: Option<usize>,
    operation: Operation,
    reason: String,
    if_changed: Vec<u32>,
}

impl Work {
    /// Adds a step, with its reason where it does not speak for itself.
    pub fn push(&mut self, operation: Operation, reason: impl Into<String>) {
        self.items.push(Item {
            node: None,
            operation,
            reason: reason.into(),
            if_changed: Vec::new(),
        });
    }

    /// Adds a step on another node.
    pub fn push_on(&mut self, node: usize, operation: Operation, reason: impl Into<String>) {
        self.push(operation, reason);
        if let Some(item) = self.items.last_mut() {
            item.node = Some(node);
        }
    }

    /// Makes the steps from a place on depend on a change of these images.
    pub fn only_if_changed(&mut self, from: usize, images: &[u32]) {
        for item in self.items.iter_mut().skip(from) {
            item.if_changed = images.to_vec();
        }
    }

    /// How many steps there are.
    pub fn len(&self) -> usize {
        self.items.len()
    }
}

/// Each node after those that it requires.
pub fn upward(
    request: &Request,
    options: &Options,
    decide: impl FnMut(usize, &Node, &mut Work),
) -> Vec<Step> {
    upward_after(request, options, &[], decide)
}

/// The same, with some nodes that require nothing before all others; a node to which one of them does
/// something comes after it.
pub fn upward_after(
    request: &Request,
    options: &Options,
    first: &[usize],
    mut decide: impl FnMut(usize, &Node, &mut Work),
) -> Vec<Step> {
    let mut chain = Chain::new(request, options);
    let is_first = |index: &usize| first.contains(index);
    let rest = (0..request.nodes.len()).filter(|index| !is_first(index));
    let mut previous = None;
    for index in first.iter().copied().chain(rest) {
        if let Some(node) = request.nodes.get(index) {
            let mut waits_for = chain.waits_for(index, &node.requires);
            if is_first(&index) {
                // They may do something to the same containers: one after another.
                waits_for.extend(previous.and_then(|previous: usize| u32::try_from(previous).ok()));
                previous = Some(index);
            }
            chain.add(index, node, &waits_for, |work| decide(index, node, work));
        }
    }
    chain.steps
}

/// Each node after those that require it.
pub fn downward(
    request: &Request,
    options: &Options,
    mut decide: impl FnMut(usize, &Node, &mut Work),
) -> Vec<Step> {
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
    let mut chain = Chain::new(request, options);
    for (index, (node, waits_for)) in request.nodes.iter().zip(&required_by).enumerate().rev() {
        chain.add(index, node, waits_for, |work| decide(index, node, work));
    }
    chain.steps
}

/// Steps, and which of them end the work on each node.
struct Chain {
    steps: Vec<Step>,
    /// By node: its last step, or, for one without steps, those that it would have waited for.
    ends: Vec<Vec<u32>>,
    /// By node: the other nodes that have done something to it.
    touched_by: Vec<Vec<u32>>,
    /// By host: the steps that come before those of all nodes.
    before: HashMap<String, Vec<u32>>,
}

impl Chain {
    /// Begins with the orphans: others may want what they have, such as a port.
    fn new(request: &Request, options: &Options) -> Self {
        let nodes = request.nodes.len();
        let count = nodes + request.orphans.len();
        let mut chain = Self {
            steps: Vec::with_capacity(count),
            ends: vec![Vec::new(); count],
            touched_by: vec![Vec::new(); count],
            before: HashMap::new(),
        };
        let mut before: HashMap<String, Vec<u32>> = HashMap::new();
        for (place, orphan) in request.orphans.iter().enumerate() {
            let index = nodes + place;
            chain.add(index, orphan, &[], |work| {
                remove_orphan(orphan, options, work);
            });
            let ends = chain.ends.get(index).into_iter().flatten();
            for end in ends {
                before.entry(orphan.host.clone()).or_default().push(*end);
            }
        }
        chain.before = before;
        chain
    }

    fn waits_for(&self, node: usize, required: &[u32]) -> Vec<u32> {
        let touched_by = self.touched_by.get(node).into_iter().flatten();
        required.iter().chain(touched_by).copied().collect()
    }

    fn add(&mut self, node: usize, of: &Node, waits_for: &[u32], decide: impl FnOnce(&mut Work)) {
        let mut work = Work::default();
        decide(&mut work);
        let mut after: Vec<u32> = self.before.get(&of.host).cloned().unwrap_or_default();
        for other in waits_for {
            after.extend(self.ends.get(*other as usize).into_iter().flatten());
        }
        after.sort_unstable();
        after.dedup();
        for item in work.items {
            if let (Some(other), Ok(node)) = (item.node, u32::try_from(node))
                && let Some(touched_by) = self.touched_by.get_mut(other)
            {
                touched_by.push(node);
            }
            let Ok(place) = u32::try_from(item.node.unwrap_or(node)) else {
                continue;
            };
            let step = Step {
                node: place,
                operation: item.operation,
                after,
                reason: item.reason,
                if_changed: item.if_changed,
            };
            after = u32::try_from(self.steps.len()).into_iter().collect();
            self.steps.push(step);
        }
        if let Some(end) = self.ends.get_mut(node) {
            *end = after;
        }
    }
}
