//! Containers that were made for a map and that it no longer has: by name and labels.

use std::collections::{BTreeMap, HashSet};

use dfab_maps::{Item, ResolvedMap};

use crate::labels;
use crate::survey::Survey;

/// One of them.
#[derive(Debug, Clone)]
pub(crate) struct Orphan<'a> {
    pub(crate) map: &'a ResolvedMap,
    /// What it was made for.
    pub(crate) item: Item,
    /// Its name on the engine.
    pub(crate) name: String,
}

/// Those of the maps that an action is about, by name.
///
/// The name must be the one that the labels tell of: an image that was made of a container of dfab's has
/// its labels, and so have the containers of that image.
pub(crate) fn orphans<'a>(survey: &Survey<'a>) -> Vec<Orphan<'a>> {
    let mut orphans = Vec::new();
    for map in survey.maps() {
        let is_of_map = |labels: &BTreeMap<String, String>| {
            labels
                .get(labels::MAP)
                .is_some_and(|name| name == map.name())
        };
        let mut candidates = survey
            .snapshot
            .containers
            .iter()
            .filter(|(_, container)| is_of_map(&container.labels))
            .peekable();
        if candidates.peek().is_none() {
            continue;
        }
        let known: HashSet<String> = map.container_names().collect();
        for (name, container) in candidates.filter(|(name, _)| !known.contains(*name)) {
            let Some(config) = container.labels.get(labels::CONFIGURATION) else {
                continue;
            };
            let item = Item::Container {
                config: config.clone(),
                instance: container.labels.get(labels::INSTANCE).cloned(),
            };
            if map.engine_name(&item) == *name {
                let name = name.clone();
                orphans.push(Orphan { map, item, name });
            }
        }
    }
    orphans.sort_by(|one, other| one.name.cmp(&other.name));
    orphans
}
