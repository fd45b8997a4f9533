//! A container map: the document, resolved and checked.

use std::sync::mpsc;
use std::thread;

use indexmap::IndexMap;

use crate::config::{ContainerConfig, names, optional_text, prefix};
use crate::defaults::MapDefaults;
use crate::diagnostic::{Invalid, Loaded, Place, Reading, Report, nearest};
use crate::mount::HostPath;
use crate::names::{is_preset_network, split_tag};
use crate::resource::{NetworkConfig, VolumeConfig};
use crate::tree::{self, Node, Pairs, Settings, Value};
use crate::waiting::{Part, Waiting};

/// A thing on an engine that a map describes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Item {
    /// An image that a container is made of.
    Image {
        /// With the registry.
        repository: String,
        /// `latest`, or a digest.
        tag: String,
    },
    /// A network of the map.
    Network {
        /// Its name in the map.
        name: String,
    },
    /// A volume that a container attaches.
    Volume {
        /// The configuration that attaches it.
        owner: String,
        /// Its alias in the map.
        alias: String,
    },
    /// A container.
    Container {
        /// Its configuration.
        config: String,
        /// Its instance, where the configuration has several.
        instance: Option<String>,
    },
}

/// A map whose configurations are extended, without the abstract ones, and whose references lead
/// somewhere.
#[derive(Debug, Clone, Default)]
pub struct ResolvedMap {
    pub(crate) name: String,
    /// As it was named.
    pub(crate) file: String,
    pub(crate) repository: Option<String>,
    pub(crate) default_tag: Option<String>,
    pub(crate) default_domain: Option<String>,
    pub(crate) set_hostname: bool,
    /// What becomes of parts of names in host names, where the map says so.
    pub(crate) hostname_replace: Option<IndexMap<String, String>>,
    pub(crate) use_attached_parent_name: bool,
    pub(crate) clients: Vec<String>,
    /// The same, and where each stands.
    pub(crate) client_names: Vec<(String, Place)>,
    pub(crate) groups: IndexMap<String, Vec<String>>,
    /// Where each group and each of its members stands.
    pub(crate) group_places: IndexMap<String, (Place, Vec<Place>)>,
    pub(crate) containers: IndexMap<String, ContainerConfig>,
    pub(crate) volumes: IndexMap<String, VolumeConfig>,
    pub(crate) networks: IndexMap<String, NetworkConfig>,
    pub(crate) host: IndexMap<String, HostPath>,
    pub(crate) host_root: Option<String>,
    /// Aliases that some configuration attaches, and which one. With parent names the alias is
    /// `config.alias`.
    pub(crate) attached: IndexMap<String, (String, String)>,
    /// Whether a mistake was told of what the names of all images have.
    pub(crate) has_wrong_image_parts: bool,
    /// What cannot be read before settings are set.
    pub(crate) waiting: Vec<Waiting>,
}

pub(crate) const SECTIONS: [&str; 14] = [
    "name",
    "repository",
    "default_tag",
    "default_domain",
    "set_hostname",
    "hostname_replace",
    "use_attached_parent_name",
    "clients",
    "groups",
    "containers",
    "volumes",
    "networks",
    "host",
    "host_root",
];

/// Bytes of a text from which on a thread of its own makes containers of what is read.
const LARGE: usize = 64 << 10;
/// How many parts it may be behind.
const PARTS: usize = 8;

/// Reads a map.
///
/// # Errors
/// All mistakes of the file.
pub fn load_map(
    text: &str,
    file: &str,
    fallback_name: &str,
    settings: &dyn Settings,
) -> Result<Loaded<ResolvedMap>, Invalid> {
    MapDefaults::default().load_map(text, file, fallback_name, settings)
}

impl ResolvedMap {
    /// A map without anything, not even a name.
    pub(crate) fn empty() -> Self {
        Self {
            set_hostname: true,
            ..Self::default()
        }
    }

    /// Reads a map that has from `base` what it does not say, as far as it can be read.
    pub(crate) fn load(
        base: Self,
        text: &str,
        file: &str,
        settings: &dyn Settings,
    ) -> Reading<Self> {
        let mut report = Report::new(file);
        // They are in another file.
        let base = Self {
            client_names: Vec::new(),
            file: file.to_owned(),
            ..base
        };
        let map = base.document(text, settings, &mut report).map(|mut map| {
            map.extend(&mut report);
            map.attach(&mut report);
            map.check(&mut report);
            map
        });
        report.reading(map)
    }

    /// Its name, with which the names of its containers begin.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The clients that it runs on; none is the one that is meant without a name.
    pub fn clients(&self) -> &[String] {
        &self.clients
    }

    /// A configuration.
    pub fn container(&self, config: &str) -> Option<&ContainerConfig> {
        self.containers.get(config)
    }

    /// The name of an item on the engine.
    pub fn engine_name(&self, item: &Item) -> String {
        let map = &self.name;
        match item {
            Item::Image { repository, tag } if tag.contains(':') => format!("{repository}@{tag}"),
            Item::Image { repository, tag } => format!("{repository}:{tag}"),
            Item::Network { name } if is_preset_network(name) => name.clone(),
            Item::Network { name } => format!("{map}.{name}"),
            Item::Volume { owner, alias } if self.use_attached_parent_name => {
                format!("{map}.{owner}.{alias}")
            }
            Item::Volume { alias, .. } => format!("{map}.{alias}"),
            Item::Container {
                config,
                instance: None,
            } => format!("{map}.{config}"),
            Item::Container {
                config,
                instance: Some(instance),
            } => {
                format!("{map}.{config}.{instance}")
            }
        }
    }

    /// The networks that a container is in, by their names on the engine, in the order given.
    pub fn container_networks(&self, config: &str) -> Vec<String> {
        let endpoints = self
            .containers
            .get(config)
            .map(|config| config.networks.as_slice());
        endpoints
            .unwrap_or_default()
            .iter()
            .map(|endpoint| {
                self.engine_name(&Item::Network {
                    name: endpoint.network.clone(),
                })
            })
            .collect()
    }

    /// The image of a configuration: its own, or the one of its name.
    pub(crate) fn image(&self, name: &str, config: &ContainerConfig) -> Item {
        let image = config
            .image
            .as_ref()
            .and_then(Option::as_deref)
            .filter(|image| !image.is_empty())
            .unwrap_or(name);
        let (image, tag) = split_tag(image);
        let repository = self.repository.clone();
        let repository = repository.or_else(|| self.stand_in(&Part::Repository));
        let repository = match (image.strip_prefix('/'), repository) {
            (Some(rest), _) => rest.to_owned(),
            (None, Some(repository)) if !image.contains('/') => format!("{repository}/{image}"),
            _ => image.to_owned(),
        };
        let tag = tag
            .map(str::to_owned)
            .or_else(|| self.default_tag.clone())
            .or_else(|| self.stand_in(&Part::DefaultTag))
            .unwrap_or_else(|| "latest".to_owned());
        Item::Image { repository, tag }
    }

    /// The names on the engine of its containers, and of those that have its attached volumes where
    /// the engine has no named ones.
    pub fn container_names(&self) -> impl Iterator<Item = String> {
        let containers = self
            .containers
            .keys()
            .flat_map(|config| self.instances(config));
        let volumes = self.attached.values().map(|(owner, alias)| Item::Volume {
            owner: owner.clone(),
            alias: alias.clone(),
        });
        containers
            .chain(volumes)
            .map(|item| self.engine_name(&item))
    }

    /// The names on the engine of what is kept: attached volumes, and persistent containers.
    pub fn persistent_names(&self) -> impl Iterator<Item = String> {
        let volumes = self.attached.values().map(|(owner, alias)| Item::Volume {
            owner: owner.clone(),
            alias: alias.clone(),
        });
        let kept = self.containers.iter().filter(|(_, it)| it.persistent());
        volumes
            .chain(kept.flat_map(|(config, _)| self.instances(config)))
            .map(|item| self.engine_name(&item))
    }

    /// The containers of a configuration.
    pub(crate) fn instances(&self, config: &str) -> Vec<Item> {
        let container = |instance: Option<&String>| Item::Container {
            config: config.to_owned(),
            instance: instance.cloned(),
        };
        match self.containers.get(config) {
            Some(found) if !found.instances.is_empty() => found
                .instances
                .iter()
                .map(|instance| container(Some(instance)))
                .collect(),
            _ => vec![container(None)],
        }
    }

    /// The containers that `config` or `config.instance` means; none where there is no such.
    pub(crate) fn referred(&self, reference: &str) -> Option<Vec<Item>> {
        if self.containers.contains_key(reference) {
            return Some(self.instances(reference));
        }
        // A configuration may have dots in its name.
        reference.match_indices('.').find_map(|(at, _)| {
            let (config, instance) = (reference.get(..at)?, reference.get(at + 1..)?);
            let known = self.containers.get(config)?;
            let has_it = known.instances.iter().any(|name| name == instance);
            has_it.then(|| {
                vec![Item::Container {
                    config: config.to_owned(),
                    instance: Some(instance.to_owned()),
                }]
            })
        })
    }

    /// The configuration and alias behind a used volume, if it is one that some container attaches.
    pub(crate) fn attached_volume(&self, name: &str) -> Option<&(String, String)> {
        self.attached.get(name)
    }

    /// Where an attached volume is mounted in its owner.
    pub(crate) fn attached_path(&self, owner: &str, alias: &str) -> Option<&str> {
        let own = self.containers.get(owner).and_then(|config| {
            config
                .attaches
                .iter()
                .find(|volume| volume.name == alias)?
                .path
                .as_deref()
        });
        own.or_else(|| self.volumes.get(alias)?.default_path.as_deref())
    }

    /// A path on the host, below the root if it is not absolute.
    pub(crate) fn host_path(&self, path: &HostPath, instance: Option<&str>) -> Option<String> {
        let path = path.of(instance)?;
        match &self.host_root {
            Some(root) if !path.starts_with('/') => {
                Some(format!("{}/{path}", root.trim_end_matches('/')))
            }
            _ => Some(path.to_owned()),
        }
    }

    /// Reads the document over what is there, without following what it refers to; none where it is no
    /// YAML.
    pub(crate) fn document(
        mut self,
        text: &str,
        settings: &dyn Settings,
        report: &mut Report,
    ) -> Option<Self> {
        let mut of_pairs = report.another();
        let mut take = |pairs| self.read(pairs, &mut of_pairs);
        let root = if text.len() < LARGE {
            tree::read_in_parts(text, settings, report, &mut take)
        } else {
            thread::scope(|scope| {
                let (sender, parts) = mpsc::sync_channel(PARTS);
                scope.spawn(move || parts.into_iter().for_each(take));
                tree::read_in_parts(text, settings, report, &mut |pairs| {
                    // Nobody takes it only where the other thread has panicked, which the scope tells.
                    let _ = sender.send(pairs);
                })
            })
        }?;
        report.append(of_pairs);
        if !matches!(root.value, Value::Map(_)) {
            report.error(root.at, format!("a map is a mapping, not {}", root.kind()));
        }
        Some(self)
    }

    pub(crate) fn read(&mut self, pairs: Pairs, report: &mut Report) {
        for (key, value) in pairs {
            let name = key.key_text();
            // Parts of containers and of some sections may wait until they are needed, as may single
            // texts; and free keys always.
            let is_text = matches!(&*name, "repository" | "default_tag" | "host_root");
            let has_parts = matches!(&*name, "containers" | "volumes" | "networks" | "host")
                || !SECTIONS.contains(&&*name);
            if !is_text && (value.is_unset || !has_parts) {
                value.tell_untold(report);
            }
            if value.is_unset && has_parts {
                continue;
            }
            let of_images = matches!(&*name, "repository" | "default_tag");
            let has_unset = of_images && value.has_unset() && value.untold().is_empty();
            let before = report.errors();
            match &*name {
                "name" => {
                    if let Some(name) = optional_text(&value, "a name", report) {
                        self.name = name;
                    }
                }
                "repository" => {
                    let value = self.readable(value, |_| Part::Repository, report);
                    self.repository =
                        value.and_then(|value| prefix(&value, "a repository", report));
                }
                "default_tag" => {
                    let value = self.readable(value, |_| Part::DefaultTag, report);
                    self.default_tag =
                        value.and_then(|value| optional_text(&value, "a tag", report));
                }
                "default_domain" => self.default_domain = prefix(&value, "a domain", report),
                // Null and false are the same, but not given is not.
                "set_hostname" => self.set_hostname = value.truth(report),
                "hostname_replace" => self.hostname_replace = replaced(value, report),
                "use_attached_parent_name" => self.use_attached_parent_name = value.truth(report),
                "clients" => {
                    self.client_names = names(&value, report);
                    let names = self.client_names.iter();
                    self.clients = names.map(|(name, _)| name.clone()).collect();
                }
                "groups" => {
                    for (key, members) in section(value, "groups", report) {
                        let (members, places) = names(&members, report).into_iter().unzip();
                        let name = key.key_text();
                        self.groups.insert(name.clone().into_owned(), members);
                        self.group_places
                            .insert(name.into_owned(), (key.at, places));
                    }
                }
                "containers" => {
                    for (key, config) in section(value, "containers", report) {
                        self.add_container(&key, config, report);
                    }
                }
                "volumes" => {
                    for (key, volume) in section(value, "volumes", report) {
                        self.read_volume(&key, volume, report);
                    }
                }
                "networks" => {
                    for (key, network) in section(value, "networks", report) {
                        self.read_network(&key, network, report);
                    }
                }
                "host" => {
                    for (key, path) in section(value, "host", report) {
                        self.read_host_path(&key, path, report);
                    }
                }
                "host_root" => self.read_host_root(value, report),
                free if free.starts_with("x-") => {}
                _ => match &value.value {
                    Value::Null | Value::Map(_) => self.add_container(&key, value, report),
                    _ => {
                        let message = format!(
                            "{name} is no key of a map, and as a container it would be a mapping, \
                             not {}",
                            value.kind()
                        );
                        match nearest(&name, SECTIONS.into_iter()) {
                            Some(near) => report.error_with_help(
                                key.at,
                                message,
                                format!("did you mean {near}?"),
                            ),
                            None => report.error(key.at, message),
                        }
                    }
                },
            }
            self.has_wrong_image_parts |= has_unset || of_images && report.errors() > before;
        }
    }

    fn read_volume(&mut self, key: &Node, node: Node, report: &mut Report) {
        key.tell_untold(report);
        let alias = key.key_text().into_owned();
        let part = |key: Option<&str>| Part::Volume {
            alias: alias.clone(),
            key: key.map(str::to_owned),
        };
        let readable = self.readable(node, part, report);
        let volume = readable.map(|node| VolumeConfig::read(&node, report));
        self.volumes.insert(alias, volume.unwrap_or_default());
    }

    fn read_network(&mut self, key: &Node, node: Node, report: &mut Report) {
        key.tell_untold(report);
        let name = key.key_text().into_owned();
        let readable = self.readable(node, |_| Part::Network(name.clone()), report);
        let network = readable.map(|node| NetworkConfig::read(&node, report));
        self.networks.insert(name, network.unwrap_or_default());
    }

    fn read_host_path(&mut self, key: &Node, node: Node, report: &mut Report) {
        key.tell_untold(report);
        let alias = key.key_text().into_owned();
        if alias == "root" {
            return self.read_host_root(node, report);
        }
        let part = |instance: Option<&str>| Part::HostPath {
            alias: alias.clone(),
            instance: instance.map(str::to_owned),
        };
        let Some(node) = self.readable(node, part, report) else {
            self.host.shift_remove(&alias);
            return;
        };
        if let Some(path) = HostPath::read(&node, report) {
            self.host.insert(alias, path);
        }
    }

    fn read_host_root(&mut self, node: Node, report: &mut Report) {
        let readable = self.readable(node, |_| Part::HostRoot, report);
        self.host_root =
            readable.and_then(|node| optional_text(&node, "a path on the host", report));
    }

    fn add_container(&mut self, key: &Node, node: Node, report: &mut Report) {
        key.warn_of_reading(report);
        let name = key.key_text();
        match self.containers.get_mut(&*name) {
            Some(known) => known.update(node, report),
            None => {
                let config = ContainerConfig::read(node, report);
                self.containers.insert(name.into_owned(), config);
            }
        }
    }

    /// Notes which configuration attaches which alias.
    fn attach(&mut self, report: &mut Report) {
        let mut attached: IndexMap<String, (String, String)> = IndexMap::new();
        for (name, config) in &self.containers {
            for volume in &config.attaches {
                let alias = if self.use_attached_parent_name {
                    format!("{name}.{}", volume.name)
                } else {
                    volume.name.clone()
                };
                if let Some((other, _)) = attached.get(&alias) {
                    report.error_with_help(
                        volume.at,
                        format!("the volume {alias} is attached by {other} already"),
                        "let one attach it and the others use it, or set use_attached_parent_name",
                    );
                    continue;
                }
                attached.insert(alias, (name.clone(), volume.name.clone()));
            }
        }
        self.attached = attached;
    }
}

/// What stands for what in host names; null is as without it.
fn replaced(node: Node, report: &mut Report) -> Option<IndexMap<String, String>> {
    if node.is_null() {
        return None;
    }
    let pairs = section(node, "hostname_replace", report);
    let mut replaced = IndexMap::with_capacity(pairs.len());
    for (key, value) in pairs {
        let old = key.key_text().into_owned();
        if old.is_empty() {
            report.error(key.at, "the text that is replaced is missing");
            continue;
        }
        match &value.value {
            Value::Null => {
                replaced.insert(old, String::new());
            }
            _ => match value.plain_text(report) {
                Some(new) => drop(replaced.insert(old, new)),
                None => {
                    let message = format!("a text is wanted here, not {}", value.kind());
                    report.error(value.at, message);
                }
            },
        }
    }
    Some(replaced)
}

/// The pairs of a section, which must be a mapping.
fn section(node: Node, name: &str, report: &mut Report) -> Pairs {
    let (at, kind) = (node.at, node.kind());
    match node.value {
        Value::Map(pairs) => pairs,
        Value::Null => Pairs::new(),
        _ => {
            report.error(at, format!("{name} is a mapping, not {kind}"));
            Pairs::new()
        }
    }
}

#[cfg(test)]
mod tests;
