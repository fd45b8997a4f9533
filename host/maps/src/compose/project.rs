//! A Compose file as a whole: what its services have to do with each other.

use std::collections::{HashMap, HashSet};

use indexmap::IndexMap;

use super::attachment::{Volume, shorten};
use super::network::{DEFAULT, Endpoint, Network};
use super::port::{addresses, interface};
use super::service::Service;
use super::translation::{Translation, get, name_of, pairs};
use super::yaml::Yaml;
use super::{Imported, Note};
use crate::diagnostic::Report;
use crate::format::format_map;
use crate::names::is_preset_network;
use crate::tree::{Node, Value};

/// What is read of a Compose file.
#[derive(Debug, Default)]
pub(super) struct Compose {
    name: Option<Yaml>,
    pub(super) services: IndexMap<String, Service>,
    networks: IndexMap<String, Network>,
    pub(super) volumes: IndexMap<String, Volume>,
    free: Vec<(Yaml, Yaml)>,
    pub(super) translation: Translation,
    /// Services by index, and those that each needs.
    pub(super) needs: Vec<Vec<usize>>,
}

impl Compose {
    /// Reads the sections; nothing where it is no Compose file, which is reported then.
    pub(super) fn read(root: &Node, report: &mut Report) -> Option<Self> {
        let Some(services) = get(root, "services") else {
            report.error_with_help(
                root.at,
                "this is no Compose file: it has no services",
                "old files without a section `services` must be brought up to date first",
            );
            return None;
        };
        if !matches!(services.value, Value::Map(_)) {
            report.error(
                services.at,
                format!("services are a mapping, not {}", services.kind()),
            );
            return None;
        }
        let mut compose = Self::default();
        for (key, value) in pairs(root) {
            compose.read_section(key, value);
        }
        compose.needs = vec![Vec::new(); compose.services.len()];
        Some(compose)
    }

    /// The map, and the notes in the order of the file.
    pub(super) fn imported(mut self) -> Imported {
        self.connect();
        self.depend();
        self.attach();
        self.note_hosts();
        let mut notes: Vec<Note> = std::mem::take(&mut self.translation.notes);
        notes.sort_by_key(|note| note.line);
        let mut seen = HashSet::new();
        notes.retain(|note| seen.insert((note.line, note.message.clone())));
        let map = self.yaml().document();
        Imported {
            // A map that cannot be formatted is told about when it is loaded.
            map: format_map(&map, "map").unwrap_or(map),
            notes,
        }
    }

    fn read_section(&mut self, key: &Node, value: &Node) {
        let translation = &mut self.translation;
        let name = name_of(key);
        let mut left_out = |help: &str| {
            let message = format!("a map has nothing like the section {name}; it is left out");
            translation.note(key.at, message, help);
        };
        match name.as_str() {
            "name" => self.name = self.translation.scalar(value, "name"),
            "services" => {
                for (key, value) in pairs(value) {
                    let service = Service::read(key, value, &mut self.translation);
                    self.services.insert(name_of(key), service);
                }
            }
            "networks" => {
                for (key, value) in self.translation.mapping(value, "networks") {
                    let network = Network::read(key, value, &mut self.translation);
                    self.networks.insert(name_of(key), network);
                }
            }
            "volumes" => {
                for (key, value) in self.translation.mapping(value, "volumes") {
                    let volume = Volume::read(key, value, &mut self.translation);
                    self.volumes.insert(name_of(key), volume);
                }
            }
            "version" => left_out("nothing to do: Compose does not read it any more either"),
            "include" => {
                left_out("import what `docker compose config` prints: there it is filled in")
            }
            "configs" | "secrets" => left_out("put the files on the host and bind them"),
            "models" => left_out("run the models by themselves"),
            free if free.starts_with("x-") => {
                self.free
                    .push((Yaml::text(free), Translation::verbatim(value)));
            }
            _ => left_out("look whether it is misspelt"),
        }
    }

    /// Puts every service into its networks, under its name.
    fn connect(&mut self) {
        let mut uses_default = false;
        for service in self.services.values_mut() {
            if service.network_mode.is_some() || service.shared_network.is_some() {
                if !service.networks.is_empty() {
                    let message = format!(
                        "{} has networks and a network_mode; the networks are left out",
                        service.name
                    );
                    self.translation
                        .note(service.at, message, "take one of them out");
                    service.networks.clear();
                }
                continue;
            }
            if service.networks.is_empty() {
                service.networks.push(Endpoint::new(DEFAULT, service.at));
            }
            join_external(service, &self.networks, &mut self.translation);
            let mut seen = HashSet::new();
            service
                .networks
                .retain(|endpoint| seen.insert(endpoint.network.clone()));
            let names: Vec<Yaml> = std::iter::once(Yaml::text(&service.name))
                .chain(std::mem::take(&mut service.aliases))
                .collect();
            for endpoint in &mut service.networks {
                uses_default |= endpoint.network == DEFAULT;
                let own = std::mem::take(&mut endpoint.aliases);
                for alias in names.iter().cloned().chain(own) {
                    if !endpoint.aliases.contains(&alias) {
                        endpoint.aliases.push(alias);
                    }
                }
                let is_known =
                    endpoint.network == DEFAULT || self.networks.contains_key(&endpoint.network);
                if !is_known && !is_preset_network(&endpoint.network) {
                    let message = format!(
                        "the file has no network {}; the map makes one",
                        endpoint.network
                    );
                    self.translation
                        .note(endpoint.at, message, "look whether it is misspelt");
                    self.networks
                        .insert(endpoint.network.clone(), Network::default());
                }
                if service.count > 1 && endpoint.has_address() {
                    let message = format!(
                        "{} has {} instances, of which one only can have its address",
                        service.name, service.count
                    );
                    self.translation.note(
                        endpoint.at,
                        message,
                        "make a configuration of each instance that extends this one",
                    );
                }
            }
        }
        if uses_default && !self.networks.contains_key(DEFAULT) {
            self.networks.insert(DEFAULT.to_owned(), Network::default());
        }
        // They are not the map's.
        self.networks
            .retain(|_, network| network.external.is_none());
    }

    /// What must be said elsewhere than in the map.
    fn note_hosts(&mut self) {
        let relative = self
            .services
            .values()
            .filter_map(|service| service.has_relative_binds);
        if let Some(at) = relative.min_by_key(|at| at.line) {
            self.translation.note(
                at,
                "relative paths on the host are below host_root, which the map does not set",
                "set host_root to the folder on the host where the files are",
            );
        }
        for service in self.services.values() {
            for address in addresses(&service.ports) {
                let section = if address.contains(':') {
                    "interfaces_ipv6"
                } else {
                    "interfaces"
                };
                self.translation.note(
                    service.at,
                    format!(
                        "{} publishes ports on {address}, for which a map names an interface",
                        service.name
                    ),
                    format!(
                        "give the client in the client file {section}: {{{}: '{address}'}}",
                        interface(address)
                    ),
                );
            }
        }
    }

    fn yaml(mut self) -> Yaml {
        let mut sections = Vec::new();
        let mut put = |name: &str, pairs: Vec<(Yaml, Yaml)>| {
            if !pairs.is_empty() {
                sections.push((Yaml::text(name), Yaml::Map(pairs)));
            }
        };
        // A volume that is used where it is attached needs no path of its own.
        let paths: HashMap<String, Yaml> = self
            .volumes
            .iter()
            .filter_map(|(name, volume)| Some((name.clone(), volume.path.clone()?)))
            .collect();
        for service in self.services.values_mut() {
            for used in &mut service.uses {
                shorten(used, &paths);
            }
        }
        let containers = self
            .services
            .into_iter()
            .map(|(name, service)| (Yaml::Text(name), service.yaml()));
        put("containers", containers.collect());
        let volumes = self.volumes.into_iter().filter_map(|(name, volume)| {
            let path = volume.path?;
            let value = if volume.fields.is_empty() {
                path
            } else {
                let mut fields = vec![(Yaml::text("default_path"), path)];
                fields.extend(volume.fields);
                Yaml::Map(fields)
            };
            Some((Yaml::Text(name), value))
        });
        put("volumes", volumes.collect());
        let networks = self
            .networks
            .iter()
            .map(|(name, network)| (Yaml::text(name), network.yaml()));
        put("networks", networks.collect());
        sections.extend(self.free);
        if let Some(name) = self.name {
            sections.insert(0, (Yaml::text("name"), name));
        }
        Yaml::Map(sections)
    }

    pub(super) fn service_mut(&mut self, index: usize) -> Option<&mut Service> {
        self.services
            .get_index_mut(index)
            .map(|(_, service)| service)
    }

    pub(super) fn name_at(&self, index: usize) -> String {
        let found = self.services.get_index(index);
        found.map(|(name, _)| name.clone()).unwrap_or_default()
    }
}

/// A network that is not the map's can be the only one of a container, named as on the engine.
fn join_external(
    service: &mut Service,
    networks: &IndexMap<String, Network>,
    translation: &mut Translation,
) {
    let external = |endpoint: &Endpoint| {
        let network = networks.get(&endpoint.network)?;
        network.external.clone()
    };
    let all = service.networks.len();
    let found: Vec<(Endpoint, Yaml)> = service
        .networks
        .iter()
        .filter_map(|endpoint| Some((endpoint.clone(), external(endpoint)?)))
        .collect();
    service
        .networks
        .retain(|endpoint| external(endpoint).is_none());
    for (endpoint, name) in found {
        match (&name, all) {
            (Yaml::Text(preset), _) if is_preset_network(preset) => {
                service.networks.push(Endpoint::new(preset, endpoint.at));
            }
            (_, 1) => {
                translation.note(
                    endpoint.at,
                    format!(
                        "the network {} is not the map's; {} joins it, and is not reached \
                    there by its name",
                        endpoint.network, service.name
                    ),
                    "use its name on the engine, MAP.CONTAINER",
                );
                service.put_host("network_mode", name);
            }
            _ => translation.note(
                endpoint.at,
                format!(
                    "the network {} is not the map's, and {} is in others as well; it is left out",
                    endpoint.network, service.name
                ),
                "let the map make the network, or connect the container by hand",
            ),
        }
    }
}
