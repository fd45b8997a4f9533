//! Several maps together: what a reference means, and in which order things depend on each other.

use std::collections::{HashMap, HashSet};

use crate::diagnostic::nearest;
use crate::map::{Item, ResolvedMap};
use crate::relation::needs;

/// The maps of a project.
#[derive(Debug, Clone)]
pub struct Project {
    maps: Vec<ResolvedMap>,
}

/// Why maps do not go together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("two maps are called {name}, {} and {}; give one of them another `name`", .files[0], .files[1])]
pub struct ProjectError {
    name: String,
    files: [String; 2],
}

/// Why a reference selects nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SelectError {
    /// Nothing is called so.
    #[error("there is no container {reference}{}", hint(.near))]
    Unknown {
        /// What was asked for.
        reference: String,
        /// What is called much like it.
        near: Option<String>,
    },
    /// Several maps have it.
    #[error("{reference} is in several maps; write one of: {}", .candidates.join(", "))]
    Ambiguous {
        /// What was asked for.
        reference: String,
        /// With the map's name.
        candidates: Vec<String>,
    },
}

fn hint(near: &Option<String>) -> String {
    near.as_ref()
        .map(|near| format!("; did you mean {near}?"))
        .unwrap_or_default()
}

/// Containers that depend on each other.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("containers of {map} need each other in a circle: {}", .path.join(" -> "))]
pub struct CycleError {
    map: String,
    path: Vec<String>,
}

/// A container, network or volume that was asked for.
#[derive(Debug, Clone)]
pub struct Selected<'a> {
    /// Its map.
    pub map: &'a ResolvedMap,
    /// What it is.
    pub item: Item,
}

impl Selected<'_> {
    /// The clients that it is meant for: a container's own go before those of its map. None: the one
    /// that is meant without a name.
    pub fn clients(&self) -> &[String] {
        self.map.clients_of(&self.item)
    }
}

/// Which items an action is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Walk {
    /// What was asked for and what it needs.
    Dependencies,
    /// What was asked for and the containers that need it, with the volumes that they attach.
    Dependents,
    /// Only what was asked for.
    Selected,
    /// What was asked for and what is its own: images, networks and volumes, but no other containers.
    Alone,
}

/// An item of a walk.
#[derive(Debug, Clone)]
pub struct Planned<'a> {
    /// Its map.
    pub map: &'a ResolvedMap,
    /// What it is.
    pub item: Item,
    /// Indices of the items of the same walk that it needs; they stand before it.
    pub requires: Vec<usize>,
    /// Whether it was asked for.
    pub requested: bool,
}

impl Project {
    /// Puts maps together.
    ///
    /// # Errors
    /// Where two are called the same.
    pub fn new(maps: Vec<ResolvedMap>) -> Result<Self, ProjectError> {
        let mut files = HashMap::new();
        for map in &maps {
            if let Some(other) = files.insert(map.name(), &map.file) {
                return Err(ProjectError {
                    name: map.name().to_owned(),
                    files: [other.clone(), map.file.clone()],
                });
            }
        }
        Ok(Self { maps })
    }

    /// The maps.
    pub fn maps(&self) -> &[ResolvedMap] {
        &self.maps
    }

    /// What references mean: `config`, `map.config`, `map.config.instance`, a group, or `__all__`;
    /// and `network:NAME`, `volume:ALIAS` or `volume:CONFIG`, with or without the map's name.
    ///
    /// # Errors
    /// Where one means nothing, or too much.
    pub fn select(&self, references: &[String]) -> Result<Vec<Selected<'_>>, SelectError> {
        let mut selected: Vec<Selected<'_>> = Vec::new();
        let mut seen = HashSet::new();
        for reference in references {
            for (map, item) in self.meaning(reference)? {
                if seen.insert((map.name(), item.clone())) {
                    selected.push(Selected { map, item });
                }
            }
        }
        Ok(selected)
    }

    /// The items of an action, in an order in which what an item needs stands before it.
    ///
    /// # Errors
    /// Where containers need each other in a circle.
    pub fn walk<'a>(
        &'a self,
        selected: &[Selected<'a>],
        walk: Walk,
    ) -> Result<Vec<Planned<'a>>, CycleError> {
        let mut result = Vec::new();
        for map in &self.maps {
            let of_map = selected.iter().filter(|one| one.map.name() == map.name());
            let requested: Vec<Item> = of_map.map(|one| one.item.clone()).collect();
            if !requested.is_empty() {
                walk_map(map, &requested, walk, &mut result)?;
            }
        }
        Ok(result)
    }

    fn meaning(&self, reference: &str) -> Result<Vec<(&ResolvedMap, Item)>, SelectError> {
        if let Some((kind @ ("network" | "volume"), name)) = reference.split_once(':') {
            return self.meaning_of(kind, name, reference);
        }
        if reference == "__all__" {
            return Ok(self.maps.iter().flat_map(all_of).collect());
        }
        // A map's name goes before a configuration's, as it always did.
        if let Some((name, rest)) = reference.split_once('.')
            && let Some(map) = self.maps.iter().find(|map| map.name() == name)
        {
            if rest == "__all__" {
                return Ok(all_of(map).collect());
            }
            if let Some(items) = meaning_in(map, rest) {
                return Ok(items.into_iter().map(|item| (map, item)).collect());
            }
        }
        let found: Vec<(&ResolvedMap, Vec<Item>)> = self
            .maps
            .iter()
            .filter_map(|map| Some((map, meaning_in(map, reference)?)))
            .collect();
        match found.as_slice() {
            [(map, items)] => Ok(items.iter().map(|item| (*map, item.clone())).collect()),
            [] => Err(self.unknown(reference)),
            several => Err(SelectError::Ambiguous {
                reference: reference.to_owned(),
                candidates: several
                    .iter()
                    .map(|(map, _)| format!("{}.{reference}", map.name()))
                    .collect(),
            }),
        }
    }

    /// A network or volume, by its name in a map, or with the map's name before it; of a container's name
    /// all volumes that it attaches.
    fn meaning_of(
        &self,
        kind: &str,
        name: &str,
        reference: &str,
    ) -> Result<Vec<(&ResolvedMap, Item)>, SelectError> {
        let mut found = Vec::new();
        let mut known = Vec::new();
        for map in &self.maps {
            let items = if kind == "network" {
                networks_of(map)
            } else {
                volumes_of(map)
            };
            let is_meant = |short: &str| {
                name == short || name.strip_prefix(map.name()) == Some(&format!(".{short}"))
            };
            let by_name = items.iter().filter(|(short, _)| is_meant(short));
            let mut meant: Vec<&Item> = by_name.map(|(_, item)| item).collect();
            if meant.is_empty() {
                let is_owners =
                    |item: &&Item| matches!(item, Item::Volume { owner, .. } if is_meant(owner));
                meant.extend(items.iter().map(|(_, item)| item).filter(is_owners));
            }
            if !meant.is_empty() {
                let meant: Vec<_> = meant.into_iter().map(|item| (map, item.clone())).collect();
                found.push(meant);
            }
            let long = |(short, _): &(String, Item)| format!("{kind}:{}.{short}", map.name());
            known.extend(items.iter().map(long));
        }
        if found.len() > 1 {
            let maps = found.iter().flat_map(|meant| meant.first());
            return Err(SelectError::Ambiguous {
                reference: reference.to_owned(),
                candidates: maps
                    .map(|(map, _)| format!("{kind}:{}.{name}", map.name()))
                    .collect(),
            });
        }
        found.pop().ok_or_else(|| SelectError::Unknown {
            reference: reference.to_owned(),
            near: nearest(reference, known.iter().map(String::as_str)).map(str::to_owned),
        })
    }

    fn unknown(&self, reference: &str) -> SelectError {
        let mut known: Vec<String> = Vec::new();
        for map in &self.maps {
            for (name, config) in &map.containers {
                known.push(name.clone());
                known.push(format!("{}.{name}", map.name()));
                let instances = config.instances.iter();
                known.extend(instances.map(|one| format!("{}.{name}.{one}", map.name())));
            }
            known.extend(map.groups.keys().cloned());
        }
        let near = nearest(reference, known.iter().map(String::as_str)).map(str::to_owned);
        SelectError::Unknown {
            reference: reference.to_owned(),
            near,
        }
    }
}

/// Networks by their names.
fn networks_of(map: &ResolvedMap) -> Vec<(String, Item)> {
    let network = |name: &String| (name.clone(), Item::Network { name: name.clone() });
    map.networks.keys().map(network).collect()
}

/// Volumes that containers attach, by their names.
fn volumes_of(map: &ResolvedMap) -> Vec<(String, Item)> {
    let volume = |(name, (owner, alias)): (&String, &(String, String))| {
        let (owner, alias) = (owner.clone(), alias.clone());
        (name.clone(), Item::Volume { owner, alias })
    };
    map.attached.iter().map(volume).collect()
}

fn all_of(map: &ResolvedMap) -> impl Iterator<Item = (&ResolvedMap, Item)> {
    map.containers.keys().flat_map(move |config| {
        map.instances(config)
            .into_iter()
            .map(move |item| (map, item))
    })
}

/// Every circle of a map, each once, with a container of it.
pub(crate) fn circles(map: &ResolvedMap) -> Vec<(Item, CycleError)> {
    let mut circles: Vec<(Item, CycleError)> = Vec::new();
    let all: Vec<Item> = all_of(map).map(|(_, item)| item).collect();
    // Usually there is none, which one walk shows.
    if walk_map(map, &all, Walk::Dependencies, &mut Vec::new()).is_ok() {
        return circles;
    }
    let mut seen: HashSet<String> = HashSet::new();
    for item in all {
        if seen.contains(&map.engine_name(&item)) {
            continue;
        }
        let start = std::slice::from_ref(&item);
        if let Err(circle) = walk_map(map, start, Walk::Dependencies, &mut Vec::new())
            && circle.path.iter().all(|name| !seen.contains(name))
        {
            seen.extend(circle.path.iter().cloned());
            let named = |item: &Item| circle.path.first() == Some(&map.engine_name(item));
            let first = all_of(map).map(|(_, item)| item).find(named);
            circles.push((first.unwrap_or(item), circle));
        }
    }
    circles
}

/// What a reference without the map's name means in a map.
fn meaning_in(map: &ResolvedMap, reference: &str) -> Option<Vec<Item>> {
    match map.groups.get(reference) {
        Some(members) => Some(
            members
                .iter()
                .filter_map(|member| map.referred(member))
                .flatten()
                .collect(),
        ),
        None => map.referred(reference),
    }
}

fn walk_map<'a>(
    map: &'a ResolvedMap,
    requested: &[Item],
    walk: Walk,
    result: &mut Vec<Planned<'a>>,
) -> Result<(), CycleError> {
    let requested_items: HashSet<&Item> = requested.iter().collect();
    let (starts, within) = match walk {
        Walk::Dependencies => (requested.to_vec(), None),
        Walk::Selected => (
            requested.to_vec(),
            Some(requested.iter().cloned().collect()),
        ),
        Walk::Alone => {
            let own = requested.iter().flat_map(|item| match item {
                Item::Container { config, .. } => needs(map, config),
                _ => Vec::new(),
            });
            let own = own.filter(|need| !matches!(need, Item::Container { .. }));
            let within = requested.iter().cloned().chain(own).collect();
            (requested.to_vec(), Some(within))
        }
        Walk::Dependents => {
            let wanted = dependents(map, requested);
            // In the order of the map, so that the same question has the same answer.
            let containers = all_of(map)
                .map(|(_, item)| item)
                .filter(|item| wanted.contains(item));
            // A network or volume that nothing needs is reached from nowhere.
            let starts = containers.chain(requested.iter().cloned()).collect();
            (starts, Some(wanted))
        }
    };
    let mut visit = Visit {
        map,
        within,
        placed: HashMap::new(),
        result,
    };
    for start in &starts {
        visit.place(start)?;
    }
    for planned in visit.result.iter_mut() {
        if planned.map.name() == map.name() {
            planned.requested = requested_items.contains(&planned.item);
        }
    }
    Ok(())
}

/// The items, all containers that need one of them, however indirectly, and their attached volumes.
fn dependents(map: &ResolvedMap, requested: &[Item]) -> HashSet<Item> {
    let mut needed_by: HashMap<Item, Vec<&str>> = HashMap::new();
    for name in map.containers.keys() {
        for need in needs(map, name)
            .into_iter()
            .chain(map.mounted_volumes(name))
        {
            if !matches!(need, Item::Image { .. }) {
                needed_by.entry(need).or_default().push(name);
            }
        }
    }
    let mut found: HashSet<Item> = requested.iter().cloned().collect();
    let mut queue: Vec<Item> = requested.to_vec();
    while let Some(item) = queue.pop() {
        for config in needed_by.get(&item).into_iter().flatten() {
            for container in map.instances(config) {
                if found.insert(container.clone()) {
                    queue.push(container);
                }
            }
        }
    }
    // A volume goes with its owner, if all instances of that go.
    for (owner, config) in &map.containers {
        if map
            .instances(owner)
            .iter()
            .all(|container| found.contains(container))
        {
            found.extend(config.attaches.iter().map(|volume| Item::Volume {
                owner: owner.clone(),
                alias: volume.name.clone(),
            }));
        }
    }
    found
}

/// A walk in depth, without recursion: maps may be long chains.
struct Visit<'a, 'r> {
    map: &'a ResolvedMap,
    /// The only items to place, where not all are.
    within: Option<HashSet<Item>>,
    /// Index of what was placed; none while what it needs is being placed.
    placed: HashMap<Item, Option<usize>>,
    result: &'r mut Vec<Planned<'a>>,
}

impl Visit<'_, '_> {
    fn place(&mut self, start: &Item) -> Result<(), CycleError> {
        if self.placed.contains_key(start) {
            return Ok(());
        }
        let mut stack = vec![self.open(start)];
        while let Some((item, needs, next)) = stack.last_mut() {
            let Some(need) = needs.get(*next).cloned() else {
                let requires = needs
                    .iter()
                    .filter_map(|need| self.placed.get(need).copied().flatten())
                    .collect();
                let index = self.result.len();
                self.placed.insert(item.clone(), Some(index));
                let item = item.clone();
                self.result.push(Planned {
                    map: self.map,
                    item,
                    requires,
                    requested: false,
                });
                stack.pop();
                continue;
            };
            *next += 1;
            match self.placed.get(&need) {
                Some(Some(_)) => {}
                Some(None) => {
                    let from = stack
                        .iter()
                        .position(|(item, ..)| *item == need)
                        .unwrap_or(0);
                    let circle = stack.iter().skip(from).map(|(item, ..)| item);
                    let path = circle.chain([&need]).map(|item| self.map.engine_name(item));
                    let (map, path) = (self.map.name().to_owned(), path.collect());
                    return Err(CycleError { map, path });
                }
                None => {
                    let opened = self.open(&need);
                    stack.push(opened);
                }
            }
        }
        Ok(())
    }

    fn open(&mut self, item: &Item) -> (Item, Vec<Item>, usize) {
        self.placed.insert(item.clone(), None);
        let mut needs = match item {
            Item::Container { config, .. } => needs(self.map, config),
            _ => Vec::new(),
        };
        if let Some(within) = &self.within {
            needs.retain(|need| within.contains(need));
        }
        (item.clone(), needs, 0)
    }
}

#[cfg(test)]
mod tests;
