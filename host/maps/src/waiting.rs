//! Settings of `!env_lazy` that are not set: which parts of a map wait for them, and who needs those.

use std::fmt;

use crate::config::ContainerConfig;
use crate::diagnostic::{Place, Report};
use crate::map::{Item, ResolvedMap};
use crate::mount::Bind;
use crate::tree::{Node, Value};

/// A setting that is not set, and where it is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unset {
    pub(crate) name: String,
    pub(crate) file: String,
    pub(crate) at: Place,
}

impl Unset {
    /// What stands for it in the name of an image. No image can be called so.
    fn stand_in(&self) -> String {
        format!("<{}>", self.name)
    }
}

impl fmt::Display for Unset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, file, at } = self;
        let Place { line, column } = at;
        write!(
            f,
            "the setting {name} is not set, which {file}:{line}:{column} asks for; set it under \
             `settings` in dfab.yaml, or give --set {name}=VALUE"
        )
    }
}

impl std::error::Error for Unset {}

/// A part of a map that can wait, for only some items need it. What of a container waits is noted there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Part {
    Repository,
    DefaultTag,
    HostRoot,
    /// Where an alias is on the host: for one instance, or at all.
    HostPath {
        alias: String,
        instance: Option<String>,
    },
    /// What `volumes` say of an alias: under one key, or at all.
    Volume {
        alias: String,
        key: Option<String>,
    },
    /// What `networks` say of a name.
    Network(String),
}

impl Part {
    /// Whether it is of the same entry as another one.
    fn is_beside(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::HostPath { alias: one, .. }, Self::HostPath { alias: two, .. })
            | (Self::Volume { alias: one, .. }, Self::Volume { alias: two, .. }) => one == two,
            _ => self == other,
        }
    }

    /// What cannot be created or compared without it.
    fn needed_by(&self) -> String {
        match self {
            Self::Repository => "containers whose images are named with the repository".to_owned(),
            Self::DefaultTag => "containers whose images have no tag of their own".to_owned(),
            Self::HostRoot => "containers that bind relative paths".to_owned(),
            Self::HostPath { alias, .. } => format!("containers that bind {alias}"),
            Self::Volume { alias, key } => match key.as_deref() {
                Some("default_path") => format!("containers that mount {alias}"),
                Some("user" | "permissions") => format!("the container that attaches {alias}"),
                _ => format!("the volume {alias} and containers that mount it"),
            },
            Self::Network(name) => format!("the network {name} and containers in it"),
        }
    }
}

/// A part of a map, and what it waits for.
#[derive(Debug, Clone)]
pub(crate) struct Waiting {
    part: Part,
    unset: Unset,
}

impl Waiting {
    /// Whether it is where an alias is in containers.
    fn is_path_of(&self, volume: &str) -> bool {
        match &self.part {
            Part::Volume { alias, key } => {
                alias == volume && key.as_deref().is_none_or(|key| key == "default_path")
            }
            _ => false,
        }
    }

    /// Whether it is where an alias is on the host, for an instance.
    fn is_host_path_of(&self, bound: &str, instance: Option<&str>) -> bool {
        let name = instance.unwrap_or("default");
        match &self.part {
            Part::HostPath { alias, instance } => {
                alias == bound && instance.as_deref().is_none_or(|instance| instance == name)
            }
            _ => false,
        }
    }
}

/// How maps are read that wait.
impl ResolvedMap {
    /// What of an entry can be read now; none where all of it waits. What was said of it before is
    /// forgotten.
    pub(crate) fn readable(
        &mut self,
        mut entry: Node,
        part: impl Fn(Option<&str>) -> Part,
        report: &mut Report,
    ) -> Option<Node> {
        let whole = part(None);
        self.waiting.retain(|one| !one.part.is_beside(&whole));
        let has_free_keys = matches!(whole, Part::Volume { .. } | Part::Network(_));
        let Value::Map(pairs) = &mut entry.value else {
            return (!self.waits(&whole, &entry, report)).then_some(entry);
        };
        let is_empty = pairs.is_empty();
        pairs.retain(|(key, value)| {
            key.tell_untold(report);
            let name = key.key_text();
            let is_free = has_free_keys && name.starts_with("x-");
            is_free || !self.waits(&part(Some(&*name)), value, report)
        });
        let is_left = is_empty || !pairs.is_empty();
        is_left.then_some(entry)
    }

    fn waits(&mut self, part: &Part, value: &Node, report: &mut Report) -> bool {
        let untold = value.untold();
        if untold.is_empty() {
            return false;
        }
        let without = format!("{} cannot be created or compared", part.needed_by());
        let unset = report.wait_for(untold, &without).into_iter();
        self.waiting.extend(unset.map(|unset| Waiting {
            part: part.clone(),
            unset,
        }));
        true
    }
}

/// Who needs what waits.
impl ResolvedMap {
    /// Refuses an item that cannot be created or compared yet.
    ///
    /// # Errors
    /// The first setting that is not set, of those that it needs.
    pub fn require_settings(&self, item: &Item) -> Result<(), Unset> {
        refused(self.unset_of(item).first().copied())
    }

    /// Refuses a container that cannot be started yet, though it was created.
    ///
    /// # Errors
    /// The first setting that is not set, of those of its commands; and at the first start of those by
    /// which its volumes are prepared.
    pub fn require_start_settings(&self, config: &str, is_first: bool) -> Result<(), Unset> {
        let Some(container) = self.containers.get(config) else {
            return Ok(());
        };
        let prepares = is_first && !container.attaches.is_empty();
        let is_of_start = |key: &str| match key {
            "exec_commands" => true,
            "user" | "permissions" => prepares,
            _ => false,
        };
        let mut own = container.unset.iter();
        let own = own.find(|(key, _)| is_of_start(key));
        let of_volumes = self.waiting.iter().find(|waiting| {
            let is_prepared = match &waiting.part {
                Part::Volume { key, .. } => {
                    let key = key.as_deref();
                    key.is_none_or(|key| matches!(key, "default_path" | "user" | "permissions"))
                }
                _ => false,
            };
            prepares && is_prepared && self.is_needed_by(waiting, config, container, None)
        });
        let own = own.map(|(_, unset)| unset);
        refused(own.or(of_volumes.map(|waiting| &waiting.unset)))
    }

    /// The settings that are not set and without which an item cannot be created or compared.
    pub(crate) fn unset_of(&self, item: &Item) -> Vec<&Unset> {
        let mut unset = Vec::new();
        if let Item::Container { config, .. } = item
            && let Some(container) = self.containers.get(config)
        {
            unset.extend(container.unset.iter().map(|(_, unset)| unset));
            let endpoints = container.networks.iter();
            unset.extend(endpoints.flat_map(|endpoint| &endpoint.unset));
        }
        let needed = self.waiting.iter().filter(|one| self.needs(item, one));
        unset.extend(needed.map(|waiting| &waiting.unset));
        unset
    }

    fn needs(&self, item: &Item, waiting: &Waiting) -> bool {
        match (item, &waiting.part) {
            (Item::Image { repository, .. }, Part::Repository) => {
                let rest = repository.strip_prefix(waiting.unset.stand_in().as_str());
                rest.is_some_and(|rest| rest.starts_with('/'))
            }
            (Item::Image { tag, .. }, Part::DefaultTag) => *tag == waiting.unset.stand_in(),
            (Item::Network { name }, Part::Network(network)) => name == network,
            (Item::Volume { alias, .. }, Part::Volume { alias: of, key }) => {
                let is_of_mounts = matches!(
                    key.as_deref(),
                    Some("default_path" | "user" | "permissions")
                );
                alias == of && !is_of_mounts
            }
            (Item::Container { config, instance }, _) => {
                let container = self.containers.get(config);
                container.is_some_and(|container| {
                    self.is_needed_by(waiting, config, container, instance.as_deref())
                })
            }
            _ => false,
        }
    }

    fn is_needed_by(
        &self,
        waiting: &Waiting,
        config: &str,
        container: &ContainerConfig,
        instance: Option<&str>,
    ) -> bool {
        match &waiting.part {
            Part::Repository | Part::DefaultTag => {
                self.needs(&self.image(config, container), waiting)
            }
            Part::HostRoot => container.binds.iter().any(|bind| {
                let paths = match bind {
                    Bind::Alias { alias, .. } => self.host.get(alias),
                    Bind::Paths { host_path, .. } => Some(host_path),
                };
                let path = paths.and_then(|paths| paths.of(instance));
                path.is_some_and(|path| !path.starts_with('/'))
            }),
            Part::HostPath { alias, .. } => {
                binds(container, alias) && waiting.is_host_path_of(alias, instance)
            }
            Part::Volume { alias, key } => {
                let mounts = || {
                    let mounted = self.mounted_volumes(config);
                    mounted.iter().any(|item| match item {
                        Item::Volume { alias: mounted, .. } => mounted == alias,
                        _ => false,
                    })
                };
                match key.as_deref() {
                    None => binds(container, alias) || mounts(),
                    Some("default_path") => {
                        binds(container, alias) || self.lacks_path(config, container, alias)
                    }
                    Some("user" | "permissions") => {
                        container.attaches.iter().any(|one| one.name == *alias)
                    }
                    Some(_) => mounts(),
                }
            }
            Part::Network(name) => container.networks.iter().any(|one| one.network == *name),
        }
    }

    /// Whether a container has a volume mounted where the map's `volumes` say, which do not.
    fn lacks_path(&self, config: &str, container: &ContainerConfig, alias: &str) -> bool {
        let lacks = |owner: &str| self.attached_path(owner, alias).is_none();
        let mut attaches = container.attaches.iter();
        let mut uses = container.uses.iter();
        attaches.any(|volume| volume.name == alias && lacks(config))
            || uses.any(|used| {
                let volume = self.attached_volume(&used.name);
                let owner = volume.filter(|(_, mounted)| mounted == alias);
                used.path.is_none() && owner.is_some_and(|(owner, _)| lacks(owner))
            })
    }

    /// Whether something of an entry waits.
    pub(crate) fn has_waiting(&self, entry: &Part) -> bool {
        self.waiting.iter().any(|one| one.part.is_beside(entry))
    }

    /// What the path of an alias in containers waits for.
    pub(crate) fn unset_path(&self, alias: &str) -> Option<&Unset> {
        let mut waiting = self.waiting.iter();
        let found = waiting.find(|one| one.is_path_of(alias));
        found.map(|waiting| &waiting.unset)
    }

    /// Whether a path that a bind of an alias wants waits.
    pub(crate) fn waits_for_bind(&self, alias: &str, instance: Option<&str>) -> bool {
        let is_it = |one: &Waiting| one.is_path_of(alias) || one.is_host_path_of(alias, instance);
        self.waiting.iter().any(is_it)
    }

    /// What stands for a part that waits in the name of an image.
    pub(crate) fn stand_in(&self, part: &Part) -> Option<String> {
        let found = self.waiting.iter().find(|one| one.part == *part);
        found.map(|waiting| waiting.unset.stand_in())
    }
}

fn refused(unset: Option<&Unset>) -> Result<(), Unset> {
    unset.map_or(Ok(()), |unset| Err(unset.clone()))
}

fn binds(container: &ContainerConfig, bound: &str) -> bool {
    let is_it = |bind: &Bind| matches!(bind, Bind::Alias { alias, .. } if alias == bound);
    container.binds.iter().any(is_it)
}
