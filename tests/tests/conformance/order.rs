//! In which order a plan does things that have to do with each other.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use dfab_deploy::plan::Plan;
use dfab_maps::{Project, Walk};
use serde_json::Value;

use crate::effect;

/// What needs what, by names on the engine.
pub(crate) struct Needs {
    pairs: BTreeSet<(String, String)>,
}

impl Needs {
    /// Pairs of which the first needs the second, however indirectly.
    pub(crate) fn of(project: &Project) -> Result<Self> {
        let everything = project.select(&["__all__".to_owned()])?;
        let items = project.walk(&everything, Walk::Dependencies)?;
        let mut all: Vec<BTreeSet<usize>> = Vec::new();
        let mut pairs = BTreeSet::new();
        for item in &items {
            let mut needed = BTreeSet::new();
            for index in &item.requires {
                needed.insert(*index);
                needed.extend(all[*index].iter().copied());
            }
            let name = |item: &dfab_maps::Planned<'_>| item.map.engine_name(&item.item);
            pairs.extend(
                needed
                    .iter()
                    .map(|index| (name(item), name(&items[*index]))),
            );
            all.push(needed);
        }
        Ok(Self { pairs })
    }

    fn has(&self, one: &str, other: &str) -> bool {
        self.pairs.contains(&(one.to_owned(), other.to_owned()))
    }

    /// Where two recorded effects are on the same thing, or on two of which one needs the other, the
    /// plan must have them in the same order, whatever else it does side by side. Where the order of
    /// an action is dfab's own, that holds for the same thing only.
    pub(crate) fn check_record(
        &self,
        plan: &Plan,
        theirs: &[Value],
        has_own_order: bool,
    ) -> Result<()> {
        for (index, first) in theirs.iter().enumerate() {
            for second in &theirs[index + 1..] {
                let (Some(one), Some(other)) = (first["on"].as_str(), second["on"].as_str()) else {
                    continue;
                };
                let is_related = !has_own_order && (self.has(one, other) || self.has(other, one));
                if one != other && !is_related {
                    continue;
                }
                // What dfab does not do at all has a reason in the data.
                let (Some(before), Some(after)) = (place(plan, first)?, place(plan, second)?)
                else {
                    continue;
                };
                ensure!(
                    before == after || comes_after(plan, after, before),
                    "{first} must come before {second}"
                );
            }
        }
        Ok(())
    }

    /// What needs another thing comes after it.
    pub(crate) fn check_own(&self, plan: &Plan) -> Result<()> {
        for (after, one) in plan.steps.iter().enumerate() {
            for (before, other) in plan.steps.iter().enumerate() {
                ensure!(
                    !self.has(&one.name, &other.name) || comes_after(plan, after, before),
                    "{} of {} must come after {} of {}",
                    one.work.verb(),
                    one.name,
                    other.work.verb(),
                    other.name
                );
            }
        }
        Ok(())
    }
}

/// The step that has this effect.
fn place(plan: &Plan, effect: &Value) -> Result<Option<usize>> {
    for (index, step) in plan.steps.iter().enumerate() {
        let is_same = |ours: &Value| {
            let fields = ["op", "on", "network", "cmd"];
            fields.iter().all(|field| ours[*field] == effect[*field])
        };
        if effect::of(step)?.iter().any(is_same) {
            return Ok(Some(index));
        }
    }
    Ok(None)
}

/// Whether a step waits for another one, however indirectly.
fn comes_after(plan: &Plan, step: usize, other: usize) -> bool {
    let mut queue = vec![step];
    let mut seen = BTreeSet::new();
    while let Some(step) = queue.pop() {
        if step == other {
            return true;
        }
        if seen.insert(step) {
            queue.extend(&plan.steps[step].after);
        }
    }
    false
}
