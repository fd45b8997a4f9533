//! From work on nodes to steps, each of which waits for those that must come before it.
//!
//! Linear in the nodes, their edges and the answer. The answer itself may grow with the square of the
//! nodes where many steps wait for many others through a node that has no step.

use dfab_sdk::policy::{Node, Operation, Request, Step};

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
pub fn upward(request: &Request, decide: impl FnMut(usize, &Node, &mut Work)) -> Vec<Step> {
    upward_after(request, &[], decide)
}

/// The same, with some nodes that require nothing before all others; a node to which one of them does
/// something comes after it.
pub fn upward_after(
    request: &Request,
    first: &[usize],
    mut decide: impl FnMut(usize, &Node, &mut Work),
) -> Vec<Step> {
    let mut chain = Chain::new(request.nodes.len());
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
            chain.add(index, &waits_for, |work| decide(index, node, work));
        }
    }
    chain.steps
}

/// Each node after those that require it.
pub fn downward(request: &Request, mut decide: impl FnMut(usize, &Node, &mut Work)) -> Vec<Step> {
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
    /// By node: the other nodes that have done something to it.
    touched_by: Vec<Vec<u32>>,
}

impl Chain {
    fn new(nodes: usize) -> Self {
        Self {
            steps: Vec::with_capacity(nodes),
            ends: vec![Vec::new(); nodes],
            touched_by: vec![Vec::new(); nodes],
        }
    }

    fn waits_for(&self, node: usize, required: &[u32]) -> Vec<u32> {
        let touched_by = self.touched_by.get(node).into_iter().flatten();
        required.iter().chain(touched_by).copied().collect()
    }

    fn add(&mut self, node: usize, waits_for: &[u32], decide: impl FnOnce(&mut Work)) {
        let mut work = Work::default();
        decide(&mut work);
        let mut after: Vec<u32> = Vec::new();
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
