//! What services need of each other, and in which order they are started therefore.

use super::project::Compose;
use super::service::{Dependency, Service};
use super::yaml::Yaml;
use crate::diagnostic::Place;
use crate::names::is_preset_network;

impl Compose {
    /// Finds a place for what services need of each other, apart from volumes of the file.
    pub(super) fn depend(&mut self) {
        let all = 0..self.services.len();
        for index in all.clone() {
            let shared = self
                .service_mut(index)
                .and_then(|service| service.shared_network.take());
            if let Some((name, at)) = shared
                && let Some(other) = self.needed(index, &name, at)
            {
                self.share_network(index, other, at);
            }
        }
        self.use_volumes();
        for index in all {
            let dependencies = self
                .service_mut(index)
                .map(|service| std::mem::take(&mut service.dependencies));
            // Links first: they say more.
            let (links, others): (Vec<_>, Vec<_>) = dependencies
                .unwrap_or_default()
                .into_iter()
                .partition(|dependency| dependency.is_link);
            for dependency in links.iter().chain(&others) {
                if let Some(other) = self.needed(index, &dependency.service, dependency.at) {
                    self.link(index, other, dependency);
                }
            }
        }
    }

    /// The index of a service that another one needs; none where it is not there, or where both
    /// would need each other.
    fn needed(&mut self, index: usize, name: &str, at: Place) -> Option<usize> {
        let service = self.name_at(index);
        let Some(other) = self.services.get_index_of(name) else {
            let message =
                format!("there is no service {name}, which {service} needs; it is left out");
            self.translation
                .note(at, message, "look whether it is misspelt");
            return None;
        };
        if self.reaches(other, index) {
            let message = format!(
                "{service} and {name} need each other; that {service} needs {name} is left out"
            );
            self.translation.note(
                at,
                message,
                "one of them must come first: let it try again until the other answers",
            );
            return None;
        }
        Some(other)
    }

    fn share_network(&mut self, index: usize, other: usize, at: Place) {
        let Some((name, count)) = self
            .services
            .get_index(other)
            .map(|(_, one)| (one.name.clone(), one.count))
        else {
            return;
        };
        let mode = if count > 1 {
            self.translation.note(
                at,
                format!("{name} has {count} instances; the network of the first is shared"),
                "name another one if that is meant",
            );
            Yaml::texts([name, "1".to_owned()])
        } else {
            Yaml::texts([name])
        };
        self.need(index, other);
        if let Some((_, service)) = self.services.get_index_mut(index) {
            service.network_mode = Some(mode);
        }
    }

    /// Lets services use all volumes of others. Those must have some, perhaps by using others'
    /// again.
    fn use_volumes(&mut self) {
        let mut wanted: Vec<(usize, String, bool, Place)> = Vec::new();
        for (index, service) in self.services.values_mut().enumerate() {
            let from = std::mem::take(&mut service.volumes_from).into_iter();
            wanted.extend(from.map(|(name, read_only, at)| (index, name, read_only, at)));
        }
        loop {
            let known = |name: &String| {
                self.services
                    .get(name)
                    .is_none_or(|owner| self.has_volumes(owner))
            };
            let (now, later): (Vec<_>, Vec<_>) =
                wanted.into_iter().partition(|(_, name, ..)| known(name));
            wanted = later;
            if now.is_empty() {
                break;
            }
            for (index, name, read_only, at) in now {
                if let Some(other) = self.needed(index, &name, at) {
                    self.use_volumes_of(index, other, read_only, at);
                }
            }
        }
        for (_, name, _, at) in wanted {
            let message =
                format!("{name} has no volumes of the map that could be used; they are left out");
            self.translation.note(
                at,
                message,
                format!("write host_config.volumes_from: [MAP.{name}], or bind what is meant"),
            );
        }
    }

    fn use_volumes_of(&mut self, index: usize, other: usize, read_only: bool, at: Place) {
        let Some((_, owner)) = self.services.get_index(other) else {
            return;
        };
        let references = owner.references();
        if self.is_mounted(&owner.name) {
            let message = format!(
                "the volumes of {} cannot be used, since a volume is called so too; they are \
                left out",
                owner.name
            );
            self.translation
                .note(at, message, "give the volume another name");
            return;
        }
        self.need(index, other);
        if let Some(service) = self.service_mut(index) {
            service
                .uses
                .extend(references.into_iter().map(|reference| match read_only {
                    true => Yaml::texts([reference, "ro".to_owned()]),
                    false => Yaml::Text(reference),
                }));
        }
    }

    /// Whether the map will know of volumes of a service.
    fn has_volumes(&self, service: &Service) -> bool {
        let is_own = |name: &str| {
            self.volumes
                .get(name)
                .is_none_or(|volume| volume.external.is_none())
        };
        !service.shares.is_empty()
            || !service.binds.is_empty()
            || !service.uses.is_empty()
            || service.mounts.iter().any(|mount| is_own(&mount.volume))
    }

    /// A link within a network that both are in: so the other one is started first.
    fn link(&mut self, index: usize, other: usize, dependency: &Dependency) {
        let is_needed = self
            .needs
            .get(index)
            .is_some_and(|needs| needs.contains(&other));
        if is_needed && !dependency.is_link {
            return;
        }
        let Some((_, needed)) = self.services.get_index(other) else {
            return;
        };
        let references = needed.references();
        let networks: Vec<String> = needed
            .networks
            .iter()
            .map(|endpoint| endpoint.network.clone())
            .collect();
        let alias = match (&dependency.alias, references.len()) {
            (Some(alias), _) => Some(alias.clone()),
            (None, 1) => None,
            (None, _) => Some(needed.name.clone()),
        };
        let Some((_, service)) = self.services.get_index_mut(index) else {
            return;
        };
        let mut endpoints = service.networks.iter_mut();
        let in_both = endpoints.find(|endpoint| {
            networks.contains(&endpoint.network) && !is_preset_network(&endpoint.network)
        });
        let Some(endpoint) = in_both else {
            let message = format!(
                "{} needs {}, and is in no network with it; the map does not say so",
                service.name, dependency.service
            );
            let help = "put both in one network, or start them by name, one after another";
            return self.translation.note(dependency.at, message, help);
        };
        endpoint.links.extend(
            references
                .into_iter()
                .map(|reference| (reference, alias.clone())),
        );
        self.need(index, other);
    }

    pub(super) fn need(&mut self, index: usize, other: usize) {
        if let Some(needs) = self.needs.get_mut(index)
            && !needs.contains(&other)
        {
            needs.push(other);
        }
    }

    /// Whether a service needs another one, however indirectly, or is the same.
    pub(super) fn reaches(&self, from: usize, to: usize) -> bool {
        let mut seen = vec![from];
        let mut next = 0;
        while let Some(&index) = seen.get(next) {
            if index == to {
                return true;
            }
            next += 1;
            for &other in self.needs.get(index).into_iter().flatten() {
                if !seen.contains(&other) {
                    seen.push(other);
                }
            }
        }
        false
    }
}
