//! How what is on an engine differs from what a map wants.
//!
//! Compared is what the engine says of a thing with what it would say had it been created from the
//! map today: the body of the creation, completed by the image's and the engine's defaults. What the
//! map does not speak of is the engine's affair, unless dfab gave it at the creation, which the
//! label [`crate::labels::SPECIFICATION`] tells: then it was taken out of the map since. A field
//! of the body that is not known here is compared as it is, and a difference in it means a new
//! container: never silence.

#![expect(
    clippy::indexing_slicing,
    reason = "JSON is null where it has nothing: reading it by a name does not panic"
)]

mod body;
mod fields;
mod form;
mod network;
mod others;
mod resource;

use std::collections::{BTreeSet, HashMap};

use dfab_engine::{Process, Snapshot};
use dfab_runtime::planning::{Difference, Remedy};
use serde_json::Value;

use crate::ended_commands::CommandDigest;

pub(crate) use body::{Wanted, container, update_body};
pub(crate) use resource::{network, volume};

/// Everything an engine tells of the things that an action is about.
#[derive(Debug, Clone, Default)]
pub struct Details {
    /// By name.
    pub containers: HashMap<String, Value>,
    /// By id: those that the containers were made of.
    pub images: HashMap<String, Value>,
    /// By name.
    pub networks: HashMap<String, Value>,
    /// By name.
    pub volumes: HashMap<String, Value>,
    /// By the name of the container, where it is known.
    pub processes: HashMap<String, Vec<Process>>,
    /// By the name of the container: which commands have ended well since its start.
    pub ended: HashMap<String, BTreeSet<CommandDigest>>,
    /// What `GET /info` says.
    pub engine: Value,
}

/// What is compared with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scene<'a> {
    pub(crate) snapshot: &'a Snapshot,
    pub(crate) details: &'a Details,
}

fn entries(value: Option<&Value>) -> impl Iterator<Item = (&String, &Value)> {
    value.and_then(Value::as_object).into_iter().flatten()
}

fn difference(field: &str, wanted: &Value, live: &Value, remedy: Remedy) -> Difference {
    Difference {
        field: field.to_owned(),
        wanted: form::short(wanted),
        found: form::short(live),
        remedy,
    }
}

#[cfg(test)]
mod tests;
