//! What is outside of the project: `external` of a volume or a network.

use super::translation::{Translation, get, name_of};
use super::yaml::Yaml;
use crate::tree::{Node, Value};

/// The name on the engine of what the entry `key` is external to; `None` where it is the project's own.
/// `what` it is, such as `a volume`, is for the note about an entry that is no mapping.
pub(super) fn external_name(
    key: &Node,
    node: &Node,
    what: &str,
    translation: &mut Translation,
) -> Option<Yaml> {
    if !node.is_null() && !matches!(node.value, Value::Map(_)) {
        translation.wrong(node, what, "a mapping");
    }
    let external = get(node, "external")?;
    if !matches!(external.value, Value::Map(_)) && !translation.is_on(node, "external") {
        return None;
    }
    let given = get(external, "name").or_else(|| get(node, "name"));
    let given = given.and_then(|name| translation.scalar(name, "name"));
    Some(given.unwrap_or_else(|| Yaml::text(name_of(key))))
}
