//! What a container had from others that were made or started anew since.

use dfab_runtime::planning::{Difference, Remedy};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Scene, difference};

/// A link in the engine's own network is one to a container, and not to a name: the next container
/// of that name is not meant by it, and the engine starts the one that is linked no more.
pub(super) fn dead_link(wanted: &Value, live: &Value, scene: Scene<'_>) -> Option<Difference> {
    let made = created(live)?;
    let links = wanted["HostConfig"]["Links"].as_array()?;
    let dead = links.iter().filter_map(Value::as_str).find(|link| {
        let target = link.split(':').next().unwrap_or_default();
        let target = scene.details.containers.get(target).and_then(created);
        target.is_some_and(|target| is_later(target, made, scene))
    })?;
    let found = json!("a link to a container of that name that is gone");
    Some(difference(
        "HostConfig.Links",
        &json!(dead),
        &found,
        Remedy::Recreate,
    ))
}

/// A container that has another one's network keeps it until the other one ends; what that one has
/// after its next start is another.
pub(super) fn lost_network(wanted: &Value, live: &Value, scene: Scene<'_>) -> Option<Difference> {
    let containers = &scene.details.containers;
    let name = others_network(wanted)?;
    if !runs(live) {
        return None;
    }
    let mut owner = containers.get(name)?;
    let mut since = started(live)?;
    // It may have the network of another one in its turn; no more often than there are containers.
    for _ in 0..containers.len() {
        let start = started(owner)?;
        if !runs(owner) || is_later(start, since, scene) {
            let wanted = json!(format!("the network of {name}"));
            let found = json!("one that is gone");
            let field = "HostConfig.NetworkMode";
            // The engine removes it when it is stopped, if it was told to.
            let remedy = match live["HostConfig"]["AutoRemove"].as_bool() {
                Some(true) => Remedy::Recreate,
                _ => Remedy::Restart,
            };
            return Some(difference(field, &wanted, &found, remedy));
        }
        since = start;
        let id = others_network(owner)?;
        let mut all = containers.values();
        owner = all.find(|container| container["Id"].as_str() == Some(id))?;
    }
    None
}

fn others_network(container: &Value) -> Option<&str> {
    let mode = container["HostConfig"]["NetworkMode"].as_str()?;
    mode.strip_prefix("container:")
}

fn runs(container: &Value) -> bool {
    container["State"]["Running"].as_bool() == Some(true)
}

fn created(container: &Value) -> Option<Timestamp> {
    container["Created"].as_str()?.parse().ok()
}

fn started(container: &Value) -> Option<Timestamp> {
    container["State"]["StartedAt"].as_str()?.parse().ok()
}

/// Whether one time is after the other. What the engine's clock has still before it says nothing: it
/// was set since, and would make the same container anew each time.
fn is_later(one: Timestamp, other: Timestamp, scene: Scene<'_>) -> bool {
    let now = scene.details.engine["SystemTime"].as_str();
    let now: Option<Timestamp> = now.and_then(|now| now.parse().ok());
    one > other && now.is_none_or(|now| one <= now)
}
