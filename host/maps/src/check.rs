//! Whether everything that a map refers to is there.

use crate::config::{ContainerConfig, NetworkMode};
use crate::diagnostic::{Place, Report, nearest};
use crate::map::ResolvedMap;
use crate::mount::Bind;
use crate::names::is_preset_network;
use crate::waiting::Part;

/// More names than these are not told as candidates.
const MANY: usize = 20;

impl ResolvedMap {
    /// Checks that every reference leads somewhere.
    pub(crate) fn check(&self, report: &mut Report) {
        for (group, members) in &self.groups {
            let (at, places) = match self.group_places.get(group) {
                Some((at, places)) => (*at, places.as_slice()),
                None => (Place::default(), [].as_slice()),
            };
            if self.referred(group).is_some() {
                report.error(at, format!("the group {group} is called as a container is"));
            }
            for (member, at) in members.iter().zip(places) {
                let at = *at;
                if self.referred(member).is_none() {
                    self.no_container(at, &format!("of the group {group}"), member, report);
                }
            }
        }
        for (name, config) in &self.containers {
            self.check_volumes(name, config, report);
            let of = format!("that {name} refers to");
            let endpoint_links = config.networks.iter().flat_map(|endpoint| &endpoint.links);
            for link in config.links.iter().chain(endpoint_links) {
                if self.referred(&link.container).is_none() {
                    self.no_container(link.at, &of, &link.container, report);
                }
            }
            for endpoint in &config.networks {
                let known = self.networks.contains_key(&endpoint.network);
                if !known && !is_preset_network(&endpoint.network) {
                    let known: Vec<_> = self.networks.keys().map(String::as_str).collect();
                    report.unknown(endpoint.at, "network", &endpoint.network, &known);
                }
            }
            if let Some((NetworkMode::Container { config, instance }, at)) = &config.network_mode {
                let reference = match instance {
                    Some(instance) => format!("{config}.{instance}"),
                    None => config.clone(),
                };
                // The name of a configuration with instances is not that of a container.
                let is_container = match (instance, self.containers.get(config)) {
                    (None, Some(found)) => found.instances.is_empty(),
                    (Some(_), _) => self.referred(&reference).is_some(),
                    (None, None) => false,
                };
                if !is_container {
                    self.no_container(*at, &of, &reference, report);
                }
            }
        }
    }

    fn check_volumes(&self, name: &str, config: &ContainerConfig, report: &mut Report) {
        for bind in &config.binds {
            let Bind::Alias { alias, at, .. } = bind else {
                continue;
            };
            let host_path = || Part::HostPath {
                alias: alias.clone(),
                instance: None,
            };
            if !self.host.contains_key(alias) && !self.has_waiting(&host_path()) {
                let message = format!("{name} binds {alias}, which has no path under `host`");
                report.error(*at, message);
            }
            if self
                .volumes
                .get(alias)
                .is_none_or(|volume| volume.default_path.is_none())
                && self.unset_path(alias).is_none()
            {
                let message = format!("{name} binds {alias}, which has no path under `volumes`");
                report.error(*at, message);
            }
        }
        for volume in &config.attaches {
            let alias = &volume.name;
            if self.attached_path(name, alias).is_none() && self.unset_path(alias).is_none() {
                let message = format!("{name} attaches {alias}, which has no path");
                report.error_with_help(volume.at, message, "give it one here or under `volumes`");
            }
        }
        for volume in &config.attaches {
            let same = self.containers.get_key_value(&volume.name);
            if let Some((other, _)) = same.filter(|(_, same)| same.has_mounts())
                && !self.use_attached_parent_name
            {
                report.error_with_help(
                    volume.at,
                    format!("{name} attaches {other}, which is also a container with volumes"),
                    "call one of them otherwise, so that it is clear what others use",
                );
            }
        }
        for used in &config.uses {
            let is_volume = self.attached_volume(&used.name).is_some();
            if !is_volume && self.referred(&used.name).is_none() {
                let attached = self.attached.keys().map(String::as_str);
                let containers = self.containers.keys().map(String::as_str);
                let known: Vec<_> = attached.chain(containers).collect();
                report.unknown(used.at, "volume or container", &used.name, &known);
            } else if !is_volume
                && let Some(container) = used.name.split('.').next()
                && self
                    .containers
                    .get(container)
                    .is_some_and(|found| !found.has_mounts() && found.attaches.is_empty())
            {
                report.error_with_help(
                    used.at,
                    format!("{name} uses {container}, which has no volumes"),
                    "give it some under shares, binds, attaches or uses",
                );
            }
        }
    }

    fn no_container(&self, at: Place, of: &str, reference: &str, report: &mut Report) {
        let message = format!("there is no container {reference}, {of}");
        let config = match reference.rsplit_once('.') {
            Some((config, _)) if !self.containers.contains_key(reference) => config,
            _ => reference,
        };
        let instances = self
            .containers
            .get(config)
            .filter(|config| !config.instances.is_empty())
            .map(|config| config.instances.join(", "));
        match (
            instances,
            nearest(reference, self.containers.keys().map(String::as_str)),
        ) {
            (Some(instances), _) => report.error_with_help(
                at,
                message,
                format!("name one of its instances: {instances}"),
            ),
            (None, Some(near)) => {
                report.error_with_help(at, message, format!("did you mean {near}?"));
            }
            (None, None) if self.containers.len() <= MANY => {
                let known: Vec<_> = self.containers.keys().map(String::as_str).collect();
                report.error_with_help(at, message, format!("there is: {}", known.join(", ")));
            }
            (None, None) => report.error(at, message),
        }
    }
}

impl ContainerConfig {
    /// Whether it has volumes that can be used by its name.
    fn has_mounts(&self) -> bool {
        let is_mount = |key: &str| matches!(key, "shares" | "binds");
        let is_waiting = self.unset.iter().any(|(key, _)| is_mount(key));
        let has_none = self.shares.is_empty() && self.binds.is_empty() && self.uses.is_empty();
        is_waiting || !has_none
    }
}
