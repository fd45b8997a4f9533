//! The volumes of a Compose file, and which services attach and use them.

use std::collections::HashMap;

use indexmap::IndexMap;

use super::external::external_name;
use super::network::texts_by_name;
use super::project::Compose;
use super::service::Service;
use super::translation::{Translation, name_of, pairs};
use super::yaml::Yaml;
use crate::diagnostic::Place;
use crate::tree::Node;

/// A volume of the file.
#[derive(Debug, Default)]
pub(super) struct Volume {
    at: Place,
    /// What it is called on the engine, if it is there already.
    pub(super) external: Option<Yaml>,
    pub(super) fields: Vec<(Yaml, Yaml)>,
    /// Where it is mounted in the service that attaches it.
    pub(super) path: Option<Yaml>,
}

impl Compose {
    /// Lets one service attach each volume and the others use it. It is one that needs none of the
    /// others, since those will need it.
    pub(super) fn attach(&mut self) {
        let mut by_volume: IndexMap<String, Vec<(usize, bool)>> = IndexMap::new();
        for (index, service) in self.services.values().enumerate() {
            for mount in &service.mounts {
                let users = by_volume.entry(mount.volume.clone()).or_default();
                users.push((index, mount.read_only));
            }
        }
        let mut owners: HashMap<String, usize> = HashMap::new();
        for (name, users) in by_volume {
            let Some(&(first, _)) = users.first() else {
                continue;
            };
            match self.volumes.get(&name) {
                Some(volume) if volume.external.is_some() => continue,
                Some(_) => {}
                None => {
                    let at = self.mount_place(first, &name);
                    let message = format!("the file has no volume {name}; the map makes one");
                    self.translation
                        .note(at, message, "look whether it is misspelt");
                    self.volumes.insert(
                        name.clone(),
                        Volume {
                            at,
                            ..Volume::default()
                        },
                    );
                }
            }
            let is_free = |owner: usize| {
                let mut others = users.iter().filter(|(user, _)| *user != owner);
                others.all(|(user, _)| !self.reaches(owner, *user))
            };
            let may_write = users.iter().filter(|(user, read_only)| {
                !read_only
                    || users
                        .iter()
                        .any(|(other, read_only)| other == user && !read_only)
            });
            let owner = may_write
                .chain(&users)
                .map(|(user, _)| *user)
                .find(|owner| is_free(*owner))
                .unwrap_or(first);
            for (user, _) in &users {
                if *user != owner {
                    self.need(*user, owner);
                }
            }
            owners.insert(name, owner);
        }
        for index in 0..self.services.len() {
            self.mount(index, &owners);
        }
        self.note_volumes();
    }

    /// Owners go before users, so that the path of a volume is known.
    fn mount(&mut self, index: usize, owners: &HashMap<String, usize>) {
        let Some((_, service)) = self.services.get_index_mut(index) else {
            return;
        };
        let name = service.name.clone();
        for mount in std::mem::take(&mut service.mounts) {
            let Some(volume) = self.volumes.get_mut(&mount.volume) else {
                continue;
            };
            if let Some(external) = &volume.external {
                bind_external(
                    service,
                    external,
                    &mount.path,
                    mount.read_only,
                    mount.at,
                    &mut self.translation,
                );
                continue;
            }
            let is_owner = owners.get(&mount.volume) == Some(&index);
            let is_first = is_owner && !service.attaches.contains(&Yaml::text(&mount.volume));
            if is_first {
                if mount.read_only {
                    let message = format!(
                        "{name} attaches {}, which is not read-only then",
                        mount.volume
                    );
                    self.translation.note(
                        mount.at,
                        message,
                        "let another container attach it, and this one use it read-only",
                    );
                }
                volume.path = Some(mount.path.clone());
                service.attaches.push(Yaml::text(&mount.volume));
                continue;
            }
            let mut used = vec![Yaml::text(&mount.volume), mount.path.clone()];
            if mount.read_only {
                used.push(Yaml::text("ro"));
            }
            service.uses.push(Yaml::List(used));
        }
    }

    fn note_volumes(&mut self) {
        let mut is_first = true;
        for (name, volume) in &self.volumes {
            if volume.external.is_some() {
                continue;
            }
            if volume.path.is_none() {
                let message = format!("no service mounts the volume {name}; it is left out");
                self.translation.note(volume.at, message, "nothing to do");
            } else if is_first {
                is_first = false;
                self.translation.note(
                    volume.at,
                    "volumes are named after the map; what those of Compose hold is not taken over",
                    "copy it, or make the volumes external here and import again",
                );
            }
        }
    }

    fn mount_place(&self, index: usize, volume: &str) -> Place {
        let service = self.services.get_index(index).map(|(_, service)| service);
        let mut mounts = service.iter().flat_map(|service| &service.mounts);
        mounts
            .find(|mount| mount.volume == volume)
            .map(|mount| mount.at)
            .unwrap_or_default()
    }

    /// Whether a volume of that name will be attached.
    pub(super) fn is_mounted(&self, name: &str) -> bool {
        let mut mounts = self.services.values().flat_map(|service| &service.mounts);
        mounts.any(|mount| mount.volume == name)
    }
}

impl Volume {
    pub(super) fn read(key: &Node, node: &Node, translation: &mut Translation) -> Self {
        let mut volume = Self {
            at: key.at,
            ..Self::default()
        };
        let name = name_of(key);
        volume.external = external_name(key, node, "a volume", translation);
        for (key, value) in pairs(node) {
            match name_of(key).as_str() {
                "external" => {}
                "name" if volume.external.is_some() => {}
                "driver" => {
                    let driver = translation.scalar(value, "driver");
                    volume
                        .fields
                        .extend(driver.map(|driver| (Yaml::text("driver"), driver)));
                }
                "driver_opts" => {
                    let options = texts_by_name(value, "driver_opts", translation);
                    volume
                        .fields
                        .extend(options.map(|options| (Yaml::text("driver_options"), options)));
                }
                "labels" => {
                    if let Some(labels) = texts_by_name(value, "labels", translation) {
                        let create = Yaml::Map(vec![(Yaml::text("labels"), labels)]);
                        volume.fields.push((Yaml::text("create_options"), create));
                    }
                }
                free if free.starts_with("x-") => {
                    volume
                        .fields
                        .push((Yaml::text(free), Translation::verbatim(value)));
                }
                other => {
                    let message = format!(
                        "a map has nothing like {other} of the volume {name}; it is left out"
                    );
                    let help = match other {
                        "name" => {
                            "dfab names volumes after the map; make it external here to use the \
                            one that is there"
                        }
                        _ => "look whether it is misspelt",
                    };
                    translation.note(key.at, message, help);
                }
            }
        }
        volume
    }
}

/// A volume that is not the map's, by its name on the engine.
fn bind_external(
    service: &mut Service,
    name: &Yaml,
    path: &Yaml,
    read_only: bool,
    at: Place,
    translation: &mut Translation,
) {
    let (Yaml::Text(name), Yaml::Text(path)) = (name, path) else {
        let message =
            "the name or path of a volume that is not the map's is a variable; it is left out";
        return translation.note(at, message, "write it under host_config.binds: [NAME:PATH]");
    };
    let suffix = if read_only { ":ro" } else { "" };
    let bind = Yaml::Text(format!("{name}:{path}{suffix}"));
    let binds = Yaml::text("binds");
    match service.host.iter_mut().find(|(option, _)| *option == binds) {
        Some((_, Yaml::List(all))) => all.push(bind),
        _ => service.put_host("binds", Yaml::List(vec![bind])),
    }
}

/// Without a path that is the volume's own anyway.
pub(super) fn shorten(used: &mut Yaml, paths: &HashMap<String, Yaml>) {
    let Yaml::List(parts) = used else { return };
    let [Yaml::Text(name), path, ..] = parts.as_slice() else {
        return;
    };
    if paths.get(name) != Some(path) {
        return;
    }
    parts.remove(1);
    if let [only] = parts.as_slice() {
        *used = only.clone();
    }
}
