//! What the configurations of a map have to do with each other.

use std::collections::HashSet;

use crate::config::NetworkMode;
use crate::map::{Item, ResolvedMap};
use crate::names::is_preset_network;
use crate::port::Endpoint;

/// By what a container hangs on another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tie {
    /// It has the other one's network stack.
    Network,
    /// It is linked to the other one.
    Link,
    /// It has the other one's volumes.
    Volumes,
}

impl ResolvedMap {
    /// The clients that an item is meant for: a container's own go before those of the map.
    pub fn clients_of(&self, item: &Item) -> &[String] {
        match item {
            Item::Container { config, .. } => match self.containers.get(config) {
                Some(container) if !container.clients.is_empty() => &container.clients,
                _ => &self.clients,
            },
            _ => &self.clients,
        }
    }

    /// The containers whose volumes, links or network stack a configuration's containers have: made
    /// anew, they leave those with something that is gone.
    pub fn tied_to(&self, config: &str) -> Vec<Item> {
        let ties = self.ties(config).into_iter();
        ties.map(|(_, item)| item).collect()
    }

    /// The containers that must run when a configuration's containers start: the engine refuses links
    /// to others, and has no network stack to share.
    pub fn needs_running(&self, config: &str) -> Vec<Item> {
        let ties = self.ties(config).into_iter();
        ties.filter(|(tie, _)| *tie != Tie::Volumes)
            .map(|(_, item)| item)
            .collect()
    }

    /// The containers that a configuration's containers are tied to, and by what.
    pub fn ties(&self, config: &str) -> Vec<(Tie, Item)> {
        let Some(container) = self.containers.get(config) else {
            return Vec::new();
        };
        let mut ties = Vec::new();
        let mut add = |tie: Tie, items: Vec<Item>| {
            ties.extend(items.into_iter().map(|item| (tie, item)));
        };
        if let Some((NetworkMode::Container { config, instance }, _)) = &container.network_mode {
            let owners = match instance {
                Some(instance) => vec![Item::Container {
                    config: config.clone(),
                    instance: Some(instance.clone()),
                }],
                None => self.instances(config),
            };
            add(Tie::Network, owners);
        }
        // In a network of the map's own a link is a name, which the next container of that name has.
        let is_own = |endpoint: &Endpoint| !is_preset_network(&endpoint.network);
        if !container.networks.iter().any(is_own) {
            for link in &container.links {
                add(
                    Tie::Link,
                    self.referred(&link.container).unwrap_or_default(),
                );
            }
        }
        for used in &container.uses {
            if self.attached_volume(&used.name).is_none() {
                add(Tie::Volumes, self.referred(&used.name).unwrap_or_default());
            }
        }
        ties
    }

    /// All containers of the map.
    pub fn container_items(&self) -> impl Iterator<Item = Item> {
        self.containers
            .keys()
            .flat_map(|config| self.instances(config))
    }

    /// The volumes of the map that are mounted in a configuration's containers.
    pub fn mounted_volumes(&self, config: &str) -> Vec<Item> {
        let Some(container) = self.containers.get(config) else {
            return Vec::new();
        };
        let volume = |owner: &str, alias: &str| Item::Volume {
            owner: owner.to_owned(),
            alias: alias.to_owned(),
        };
        let own = container.attaches.iter();
        let used = container.uses.iter();
        own.map(|attached| volume(config, &attached.name))
            .chain(used.filter_map(|used| {
                let (owner, alias) = self.attached_volume(&used.name)?;
                Some(volume(owner, alias))
            }))
            .collect()
    }

    /// The image that a configuration's containers are made of.
    pub fn container_image(&self, config: &str) -> Option<Item> {
        let container = self.containers.get(config)?;
        Some(self.image(config, container))
    }
}

/// The direct needs of a configuration, the same for all its instances, in the order of the
/// documentation; its image first, so that nothing is made of what cannot be had.
pub(crate) fn needs(map: &ResolvedMap, name: &str) -> Vec<Item> {
    let Some(config) = map.containers.get(name) else {
        return Vec::new();
    };
    let mut needs = vec![map.image(name, config)];
    if let Some((NetworkMode::Container { config, instance }, _)) = &config.network_mode {
        match instance {
            Some(instance) => needs.push(Item::Container {
                config: config.clone(),
                instance: Some(instance.clone()),
            }),
            None => needs.extend(map.instances(config)),
        }
    }
    for endpoint in &config.networks {
        if !is_preset_network(&endpoint.network) {
            needs.push(Item::Network {
                name: endpoint.network.clone(),
            });
        }
        let links = endpoint.links.iter();
        needs.extend(
            links
                .filter_map(|link| map.referred(&link.container))
                .flatten(),
        );
    }
    for used in &config.uses {
        match map.attached_volume(&used.name) {
            // A volume's owner brings it along.
            Some((owner, _)) if owner != name => needs.extend(map.instances(owner)),
            Some(_) => {}
            None => needs.extend(map.referred(&used.name).unwrap_or_default()),
        }
    }
    for link in &config.links {
        needs.extend(map.referred(&link.container).unwrap_or_default());
    }
    for volume in &config.attaches {
        needs.push(Item::Volume {
            owner: name.to_owned(),
            alias: volume.name.clone(),
        });
    }
    let mut seen = HashSet::new();
    needs.retain(|item| seen.insert(item.clone()));
    needs
}
