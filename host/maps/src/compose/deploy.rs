//! `deploy` of a service, which goes before what other keys say.

use super::host::device_request;
use super::service::Service;
use super::translation::{Translation, get, name_of};
use super::unit::bytes;
use super::yaml::Yaml;
use crate::tree::{Node, Value};

/// More containers of one service than that are a mistake.
const LARGEST_COUNT: u32 = 1_000;

/// Something of `deploy` that other keys of a service say as well.
struct Deployed {
    /// What it is called below `deploy`.
    path: &'static str,
    keys: &'static [&'static str],
    /// The options of a map that they become.
    options: &'static [&'static str],
}

const RESTART_POLICY: Deployed = Deployed {
    path: "restart_policy",
    keys: &["restart"],
    options: &["restart_policy"],
};
const CPUS: Deployed = Deployed {
    path: "resources.limits.cpus",
    keys: &["cpus", "cpu_quota", "cpu_period"],
    options: &["cpu_quota", "cpu_period"],
};
const MEMORY: Deployed = Deployed {
    path: "resources.limits.memory",
    keys: &["mem_limit"],
    options: &["mem_limit"],
};
const PROCESSES: Deployed = Deployed {
    path: "resources.limits.pids",
    keys: &["pids_limit"],
    options: &["pids_limit"],
};
const RESERVED_MEMORY: Deployed = Deployed {
    path: "resources.reservations.memory",
    keys: &["mem_reservation"],
    options: &["mem_reservation"],
};
const DEVICES: Deployed = Deployed {
    path: "resources.reservations.devices",
    keys: &["gpus"],
    options: &["device_requests"],
};

impl Service {
    /// `scale`, and `replicas`.
    pub(super) fn read_count(&mut self, node: &Node, translation: &mut Translation) {
        match translation.number(node, "the number of containers", |text| {
            text.parse::<u32>().ok()
        }) {
            Some(Yaml::Plain(text)) => match text.parse() {
                Ok(0) => translation.note(
                    node.at,
                    format!(
                        "{} has no containers, which a map cannot say; it has one there",
                        self.name
                    ),
                    "take it out of the map, or set abstract: true",
                ),
                Ok(count) if count <= LARGEST_COUNT => self.count = count,
                _ => {
                    let message = format!(
                        "{text} containers of {} are too many; the map has one",
                        self.name
                    );
                    translation.note(node.at, message, "name them under `instances`");
                }
            },
            Some(_) => translation.note(
                node.at,
                format!(
                    "how many containers {} has is a variable; the map has one",
                    self.name
                ),
                "name them under `instances`",
            ),
            None => {}
        }
    }

    /// Reads `deploy` after all other keys of the service, so that their order means nothing.
    pub(super) fn read_deploy(&mut self, service: &Node, translation: &mut Translation) {
        let Some(node) = get(service, "deploy") else {
            return;
        };
        for (key, value) in translation.mapping(node, "deploy") {
            match name_of(key).as_str() {
                "replicas" => {
                    let before = self.count;
                    self.read_count(value, translation);
                    if let Some(scale) = get(service, "scale").filter(|_| self.count != before) {
                        self.overruled(scale, "scale", "replicas", translation);
                    }
                }
                "resources" => self.read_resources(service, value, translation),
                "restart_policy" => {
                    let before = self.options(&RESTART_POLICY);
                    self.read_deploy_restart(value, translation);
                    self.compare(&RESTART_POLICY, &before, service, translation);
                }
                other => {
                    let message = format!(
                        "a map has nothing like deploy.{other} of {}; it is left out",
                        self.name
                    );
                    let help = match other {
                        "labels" => {
                            "they are labels of a Swarm service; write create_options.labels for \
                            containers"
                        }
                        "placement" => "name the engines under `clients`",
                        _ => "nothing to do without Swarm",
                    };
                    translation.note(key.at, message, help);
                }
            }
        }
    }

    fn read_deploy_restart(&mut self, node: &Node, translation: &mut Translation) {
        let condition = get(node, "condition");
        let condition = condition.and_then(|one| translation.written(one, "condition"));
        let name = match condition.as_deref() {
            None | Some("any") => "always",
            Some("on-failure") => "on-failure",
            Some("none") => "no",
            Some(other) => {
                let message = format!("Compose has no restart condition {other}; it is left out");
                translation.note(node.at, message, "look whether it is misspelt");
                return;
            }
        };
        let mut count = None;
        for (key, value) in translation.mapping(node, "restart_policy") {
            match name_of(key).as_str() {
                "condition" => {}
                "max_attempts" if name == "on-failure" => {
                    let read = |text: &str| text.parse::<u32>().ok();
                    match translation.number(value, "max_attempts", read) {
                        Some(Yaml::Plain(number)) => count = number.parse().ok(),
                        Some(_) => translation.note(
                            value.at,
                            "how often a start is tried is a variable; it is left out",
                            "write it under host_config.restart_policy",
                        ),
                        None => {}
                    }
                }
                other => {
                    let message = format!(
                        "a map has nothing like {other} of the restart policy of {}; it is left \
                        out",
                        self.name
                    );
                    translation.note(key.at, message, "nothing to do without Swarm");
                }
            }
        }
        self.put_restart_policy(Yaml::text(name), count);
    }

    fn read_resources(&mut self, service: &Node, node: &Node, translation: &mut Translation) {
        for (section, of_section) in translation.mapping(node, "resources") {
            let section_name = name_of(section);
            for (key, value) in translation.mapping(of_section, &section_name) {
                let deployed = match (section_name.as_str(), name_of(key).as_str()) {
                    ("limits", "cpus") => CPUS,
                    ("limits", "memory") => MEMORY,
                    ("limits", "pids") => PROCESSES,
                    ("reservations", "memory") => RESERVED_MEMORY,
                    ("reservations", "devices") => DEVICES,
                    (section, other) => {
                        let message = format!(
                            "a map has nothing like deploy.resources.{section}.{other} of {}; it \
                            is left out",
                            self.name
                        );
                        translation.note(key.at, message, "nothing to do without Swarm");
                        continue;
                    }
                };
                let before = self.options(&deployed);
                self.read_resource(&deployed, value, translation);
                self.compare(&deployed, &before, service, translation);
            }
        }
    }

    fn read_resource(&mut self, deployed: &Deployed, node: &Node, translation: &mut Translation) {
        match (deployed.path, &node.value) {
            ("resources.limits.cpus", _) => self.read_cpus(node, translation),
            ("resources.limits.pids", _) => {
                let number = translation.whole_number(node, "pids");
                self.put_host_option("pids_limit", number);
            }
            ("resources.reservations.devices", Value::List(items)) => {
                let requests = items
                    .iter()
                    .map(|item| device_request(item, false, translation));
                let requests = Yaml::List(requests.collect());
                self.put_host("device_requests", requests);
            }
            ("resources.reservations.devices", _) => translation.wrong(node, "devices", "a list"),
            _ => {
                let size = translation.bytes(node, "memory");
                for option in deployed.options {
                    self.put_known_option(option, "memory", size.clone(), node, translation);
                }
            }
        }
    }

    /// What the service has of some options so far.
    fn options(&self, deployed: &Deployed) -> Vec<Option<Yaml>> {
        let option = |name: &&str| {
            let name = Yaml::text(*name);
            let found = self.host.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| value.clone())
        };
        deployed.options.iter().map(option).collect()
    }

    /// Tells of keys that `deploy` has taken the place of, unless they say the same.
    fn compare(
        &self,
        deployed: &Deployed,
        before: &[Option<Yaml>],
        service: &Node,
        translation: &mut Translation,
    ) {
        let after = self.options(deployed);
        let is_same = |(before, after): (&Option<Yaml>, &Option<Yaml>)| match (before, after) {
            (Some(before), Some(after)) => say_the_same(before, after),
            _ => true,
        };
        if before.iter().zip(&after).all(is_same) {
            return;
        }
        for key in deployed.keys {
            if let Some(node) = get(service, key) {
                self.overruled(node, key, deployed.path, translation);
            }
        }
    }

    fn overruled(&self, node: &Node, key: &str, path: &str, translation: &mut Translation) {
        let message = format!(
            "{key} of {} is not what deploy.{path} says, which goes before; it is left out",
            self.name
        );
        translation.note(node.at, message, "write one of them only");
    }
}

/// Whether two values say the same, however a size is written.
fn say_the_same(one: &Yaml, other: &Yaml) -> bool {
    match (one, other) {
        (Yaml::Plain(one) | Yaml::Text(one), Yaml::Plain(other) | Yaml::Text(other)) => {
            one == other || bytes(one).is_some_and(|size| bytes(other) == Some(size))
        }
        _ => one == other,
    }
}
