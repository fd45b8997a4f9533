//! A container compared with the body of its creation.

use std::collections::{BTreeMap, BTreeSet};

use dfab_runtime::planning::{Difference, Remedy};
use serde_json::{Map, Value, json};

use super::fields::{CONFIG, Field, Mend, OTHER, host_fields, is_known_host_field};
use super::form::{Form, is_empty, text_of};
use super::{Scene, difference, entries, network, others};
use crate::labels;

/// A container as the map wants it.
#[derive(Debug)]
pub(crate) struct Wanted<'a> {
    /// Body of `POST /containers/create`, without the labels of dfab.
    pub(crate) body: &'a Value,
    /// Its connections, by name of the network, where the engine has networks.
    pub(crate) networks: Option<Vec<(String, Value)>>,
}

/// How a container differs from what is wanted.
pub(crate) fn container(wanted: &Wanted<'_>, live: &Value, scene: Scene<'_>) -> Vec<Difference> {
    let image = live["Image"]
        .as_str()
        .and_then(|id| scene.details.images.get(id));
    let specification = live["Config"]["Labels"][labels::SPECIFICATION].as_str();
    let given = specification.and_then(labels::given_fields);
    let mut comparison = Comparison {
        wanted: wanted.body,
        wanted_host: &wanted.body["HostConfig"],
        live,
        live_host: &live["HostConfig"],
        image: image.map_or(&Value::Null, |image| &image["Config"]),
        given_host: given.as_ref().map(|given| {
            let names = given.iter().copied();
            names
                .filter_map(|name| name.strip_prefix("HostConfig."))
                .collect()
        }),
        given,
        scene,
        found: Vec::new(),
    };
    comparison.image();
    comparison.config();
    comparison.command();
    comparison.environment();
    comparison.labels();
    comparison.keys("Volumes");
    comparison.keys("ExposedPorts");
    comparison.health_check();
    comparison.host_name();
    comparison.host_config();
    comparison.shared_volumes();
    comparison.others();
    if let Some(networks) = &wanted.networks {
        comparison.networks(networks);
    }
    comparison.found
}

/// Modes that may name another container.
const MODES: [&str; 3] = ["IpcMode", "PidMode", "NetworkMode"];

struct Comparison<'a> {
    wanted: &'a Value,
    /// Its `HostConfig`.
    wanted_host: &'a Value,
    live: &'a Value,
    /// Its `HostConfig`.
    live_host: &'a Value,
    /// `Config` of the image that the container was made of; null where it is not known.
    image: &'a Value,
    /// The fields that dfab gave when it made the container; none for someone else's.
    given: Option<BTreeSet<&'a str>>,
    /// Those of `HostConfig` among them.
    given_host: Option<Vec<&'a str>>,
    scene: Scene<'a>,
    found: Vec<Difference>,
}

impl<'a> Comparison<'a> {
    fn recreate(&mut self, field: &str, wanted: &Value, live: &Value) {
        let found = difference(field, wanted, live, Remedy::Recreate);
        self.found.push(found);
    }

    /// By id, where the engine has the image that is wanted; else by name.
    fn image(&mut self) {
        let wanted = &self.wanted["Image"];
        let name = wanted.as_str().unwrap_or_default();
        let is_same = match self.scene.snapshot.images.get(name) {
            Some(id) => self.live["Image"].as_str() == Some(id),
            None => self.live["Config"]["Image"].as_str() == Some(name),
        };
        if !is_same {
            let found = match self.live["Config"]["Image"].as_str() {
                Some(same) if same == name => json!("an older image of that name"),
                _ => self.live["Config"]["Image"].clone(),
            };
            self.recreate("Image", wanted, &found);
        }
    }

    fn config(&mut self) {
        for (name, form) in CONFIG {
            self.compare_config(name, form);
        }
        // Those that nobody classified.
        let known = |name: &str| {
            CONFIG.iter().any(|(known, _)| *known == name)
                || [
                    "Image",
                    "Cmd",
                    "Env",
                    "Labels",
                    "Volumes",
                    "ExposedPorts",
                    "Healthcheck",
                    "Hostname",
                    "HostConfig",
                    "NetworkingConfig",
                ]
                .contains(&name)
        };
        let given = self.given.iter().flatten().copied();
        let other: BTreeSet<&str> = entries(Some(self.wanted))
            .map(|(name, _)| name.as_str())
            .chain(given)
            .filter(|name| !known(name) && !name.contains('.'))
            .collect();
        for name in other {
            // Newer engines tell an address of the network's where it belongs.
            if name == "MacAddress" && self.has_mac_address() {
                continue;
            }
            self.compare_config(name, Form::Plain);
        }
    }

    fn has_mac_address(&self) -> bool {
        let networks = self.live["NetworkSettings"].get("Networks");
        entries(networks).any(|(_, network)| network["MacAddress"] == self.wanted["MacAddress"])
    }

    fn compare_config(&mut self, name: &str, form: Form) {
        if name == "Entrypoint" && self.starts_as_wanted() {
            return;
        }
        let wanted = match self.wanted.get(name) {
            Some(value) => value,
            None => &self.image[name],
        };
        let live = &self.live["Config"][name];
        if wanted == live {
            return;
        }
        let (one, other) = (form.of(wanted), form.of(live));
        // A container in another's network is told that one's domain.
        let is_others = name == "Domainname" && one.is_null() && !self.has_own_network();
        if one != other && !is_others {
            self.recreate(name, wanted, live);
        }
    }

    /// Whether the process is that of the map's entry point and command, however they are split: of an
    /// entry point of several words, docker's command line takes all but the first to the command.
    fn starts_as_wanted(&self) -> bool {
        let line = |fields: &Value| -> Vec<String> {
            let words = [&fields["Entrypoint"], &fields["Cmd"]];
            let words = words.into_iter().filter_map(Value::as_array).flatten();
            words.map(text_of).collect()
        };
        // Without one in the map, the image's defaults decide what belongs to which.
        let is_given = self
            .wanted
            .get("Entrypoint")
            .is_some_and(|words| !is_empty(words));
        is_given && line(self.wanted) == line(&self.live["Config"])
    }

    /// An entry point of the map's own takes away the image's command.
    fn command(&mut self) {
        if self.starts_as_wanted() {
            return;
        }
        let wanted = match (self.wanted.get("Cmd"), self.wanted.get("Entrypoint")) {
            (Some(command), _) => command,
            (None, Some(_)) => &Value::Null,
            (None, None) => &self.image["Cmd"],
        };
        let live = &self.live["Config"]["Cmd"];
        if Form::Sequence.of(wanted) != Form::Sequence.of(live) {
            self.recreate("Cmd", wanted, live);
        }
    }

    /// The values may be secret, so only names are told.
    fn environment(&mut self) {
        let of_image = assignments(&self.image["Env"]);
        let mut wanted = of_image.clone();
        wanted.extend(assignments(&self.wanted["Env"]));
        let live = assignments(&self.live["Config"]["Env"]);
        for (name, value) in &wanted {
            let found = match live.get(name) {
                Some(found) if found == value => continue,
                Some(_) => "another value",
                // A variable without a value is taken out of the image's.
                None if value.is_none() => continue,
                None => "not set",
            };
            self.recreate(
                &format!("Env.{name}"),
                &json!("the map's value"),
                &json!(found),
            );
        }
        for name in live.keys().filter(|name| !wanted.contains_key(*name)) {
            self.recreate(&format!("Env.{name}"), &json!("not set"), &json!("set"));
        }
    }

    fn labels(&mut self) {
        let mut wanted: BTreeMap<&String, &Value> = entries(Some(&self.image["Labels"])).collect();
        wanted.extend(entries(Some(&self.wanted["Labels"])));
        let labels = &self.live["Config"]["Labels"];
        for (name, value) in &wanted {
            let (wanted, found) = match labels.get(name.as_str()) {
                Some(found) if found == *value || text_of(found) == text_of(value) => continue,
                Some(_) => ("the map's value", "another value"),
                None => ("set", "not set"),
            };
            self.recreate(&format!("Labels.{name}"), &json!(wanted), &json!(found));
        }
        // Labels of others' containers are those of their makers.
        if self.given.is_some() {
            let left: Vec<String> = entries(Some(labels))
                .map(|(name, _)| name.clone())
                .filter(|name| !labels::is_own(name) && !wanted.contains_key(name))
                .collect();
            for name in left {
                self.recreate(&format!("Labels.{name}"), &json!("not set"), &json!("set"));
            }
        }
    }

    /// A mapping of which only the keys matter, to which the image has its own.
    fn keys(&mut self, name: &str) {
        let keys = |value: &'a Value| -> BTreeSet<&'a str> {
            entries(value.get(name))
                .map(|(key, _)| key.as_str())
                .collect()
        };
        let of_image = keys(self.image);
        let wanted = keys(self.wanted);
        let live = keys(&self.live["Config"]);
        for key in wanted.difference(&live) {
            self.recreate(&format!("{name}.{key}"), &json!("set"), &json!("not set"));
        }
        if self.given.is_some() {
            for key in live
                .difference(&wanted)
                .filter(|key| !of_image.contains(*key))
            {
                self.recreate(&format!("{name}.{key}"), &json!("not set"), &json!("set"));
            }
        }
    }

    /// What the map leaves out of its check is the image's.
    fn health_check(&mut self) {
        let live = &self.live["Config"]["Healthcheck"];
        let is_given = self.wanted.get("Healthcheck").is_some();
        if !is_given && live == &self.image["Healthcheck"] {
            return;
        }
        let mut expected = match &self.image["Healthcheck"] {
            Value::Object(fields) => fields.clone(),
            _ => Map::new(),
        };
        if let Some(Value::Object(fields)) = self.wanted.get("Healthcheck") {
            let given = fields.iter().filter(|(_, value)| !is_empty(value));
            expected.extend(given.map(|(name, value)| (name.clone(), value.clone())));
        }
        let expected = Value::Object(expected);
        if Form::Plain.of(&expected) != Form::Plain.of(live) {
            self.recreate("Healthcheck", &expected, live);
        }
    }

    /// Without one in the map it is the beginning of the container's id.
    fn host_name(&mut self) {
        let live = &self.live["Config"]["Hostname"];
        let found = text_of(live);
        let is_as_wanted = match self.wanted.get("Hostname") {
            Some(wanted) => text_of(wanted) == found,
            None => {
                let id = self.live["Id"].as_str().unwrap_or_default();
                // A container in another's network has that one's name, and may have the host's.
                let was_given = self.was_given("Hostname");
                let has_hosts = self.live_host["UTSMode"] == "host";
                let is_own = !found.is_empty() && !has_hosts && self.has_own_network();
                !was_given.unwrap_or(is_own) || id.starts_with(&found)
            }
        };
        if !is_as_wanted {
            let wanted = self.wanted.get("Hostname").unwrap_or(&Value::Null);
            self.recreate("Hostname", &wanted.clone(), live);
        }
    }

    fn has_own_network(&self) -> bool {
        let mode = self.live_host["NetworkMode"].as_str();
        mode.is_none_or(|mode| mode != "host" && !mode.starts_with("container:"))
    }

    /// Whether dfab gave a field; not known for a container that someone else made.
    fn was_given(&self, field: &str) -> Option<bool> {
        self.given.as_ref().map(|given| given.contains(field))
    }

    /// The same of a field of `HostConfig`.
    fn was_host_given(&self, name: &str) -> Option<bool> {
        self.given_host.as_ref().map(|given| given.contains(&name))
    }

    fn host_config(&mut self) {
        for field in host_fields() {
            match field.name {
                // In a network of the map's own they are the endpoint's, and not told here.
                "Links" if self.is_in_own_network() => {}
                name => self.host_config_field(name, field),
            }
        }
        // Those that nobody classified, and what was taken out of the map since.
        let wanted = entries(Some(self.wanted_host)).map(|(name, _)| name.as_str());
        let given = self.given_host.iter().flatten().copied();
        let others: BTreeSet<&str> = wanted
            .chain(given)
            .filter(|name| !is_known_host_field(name) && !MODES.contains(name))
            .collect();
        for name in others {
            self.host_config_field(name, &OTHER);
        }
        for name in MODES {
            self.mode(name);
        }
    }

    fn host_config_field(&mut self, name: &str, field: &Field) {
        // There are few of them: to compare each is faster than to look it up.
        let wanted = entries(Some(self.wanted_host)).find(|(field, _)| *field == name);
        let wanted = wanted.map_or(&Value::Null, |(_, value)| value);
        let was_given = self.was_host_given(name);
        // What was never given is the engine's affair; of others' containers nobody knows.
        if wanted.is_null() && was_given == Some(false) {
            return;
        }
        if !field.is_supported(&self.scene.details.engine) {
            return;
        }
        let live = &self.live_host[name];
        // Newer engines have no such limit any more, and take no notice of it.
        if name == "KernelMemory" && live.is_null() {
            return;
        }
        if name == "LogConfig" && is_log_config(wanted, live) {
            return;
        }
        if wanted.is_null() && name == "MemorySwap" && self.is_default_swap(live) {
            return;
        }
        if wanted == live || field.form.of(wanted) == field.form.of(live) {
            return;
        }
        // A limit that is no longer wanted cannot be taken away in place, but where that has a number.
        let is_given = !field.form.of(wanted).is_null() || wanted.as_i64() == Some(-1);
        let remedy = if field.mend == Mend::Update && is_given {
            Remedy::Update
        } else {
            Remedy::Recreate
        };
        let field = format!("HostConfig.{name}");
        self.found.push(difference(&field, wanted, live, remedy));
    }

    fn is_in_own_network(&self) -> bool {
        let mode = self.wanted_host["NetworkMode"].as_str();
        mode.is_some_and(|mode| is_bridged(mode) && !matches!(mode, "" | "default" | "bridge"))
    }

    /// Without a limit of its own the swap may be as large as the memory once more.
    fn is_default_swap(&self, live: &Value) -> bool {
        let memory = self.wanted_host["Memory"].as_i64().unwrap_or(0);
        matches!(live.as_i64(), None | Some(0 | -1)) || live.as_i64() == memory.checked_mul(2)
    }

    /// A mode that may name another container, of which the engine keeps the id.
    fn mode(&mut self, name: &str) {
        let (wanted, live) = (&self.wanted_host[name], &self.live_host[name]);
        let (one, other) = (self.mode_text(name, wanted), self.mode_text(name, live));
        let was_given = self.was_host_given(name);
        let is_as_wanted = if name == "NetworkMode" {
            // Which networks it is in is compared by itself.
            one == other || (is_bridged(&one) && is_bridged(&other))
        } else {
            one == other || (wanted.is_null() && was_given != Some(true))
        };
        if !is_as_wanted {
            self.recreate(&format!("HostConfig.{name}"), wanted, live);
        }
    }

    fn mode_text(&self, name: &str, mode: &Value) -> String {
        let text = mode.as_str().unwrap_or_default();
        match text.strip_prefix("container:") {
            Some(container) => {
                let known = self.scene.snapshot.containers.get(container);
                let id = known.map_or(container, |known| known.id.as_str());
                format!("container:{id}")
            }
            None if name == "NetworkMode" && text.is_empty() => "default".to_owned(),
            None => text.to_owned(),
        }
    }

    /// Volumes that it has from another container must be those that the other one has now.
    fn shared_volumes(&mut self) {
        let texts = |name: &str| {
            let items = self.wanted_host[name].as_array().into_iter().flatten();
            items.filter_map(Value::as_str)
        };
        let parents = texts("VolumesFrom").filter_map(|from| from.split(':').next());
        let parents: Vec<&str> = parents.collect();
        if parents.is_empty() {
            return;
        }
        let own: BTreeMap<&str, &Value> = mounts(self.live).collect();
        let bound: BTreeSet<&str> = texts("Binds")
            .filter_map(|bind| bind.split(':').nth(1))
            .collect();
        for parent in parents {
            let Some(live) = self.scene.details.containers.get(parent) else {
                continue;
            };
            for (path, mount) in mounts(live).filter(|(path, _)| !bound.contains(*path)) {
                let found = own.get(path).copied().unwrap_or(&Value::Null);
                if found["Name"] != mount["Name"] || found["Source"] != mount["Source"] {
                    self.recreate(
                        &format!("Mounts.{path}"),
                        &json!(format!("the volume of {parent}")),
                        &json!("another one"),
                    );
                }
            }
        }
    }

    /// What other containers have taken from it since they were made or started anew.
    fn others(&mut self) {
        let is_told = self.found.iter().any(|one| one.field == "HostConfig.Links");
        if !self.is_in_own_network() && !is_told {
            let dead = others::dead_link(self.wanted, self.live, self.scene);
            self.found.extend(dead);
        }
        let lost = others::lost_network(self.wanted, self.live, self.scene);
        self.found.extend(lost);
    }

    fn networks(&mut self, wanted: &[(String, Value)]) {
        let mode = self.mode_text("NetworkMode", &self.wanted_host["NetworkMode"]);
        if !is_bridged(&mode) || self.wanted["NetworkDisabled"] == json!(true) {
            return;
        }
        let plain = [(
            if mode == "default" {
                "bridge".to_owned()
            } else {
                mode
            },
            json!({}),
        )];
        let wanted = if wanted.is_empty() { &plain } else { wanted };
        let is_own = self.given.is_some();
        network::compare(wanted, self.live, self.scene, is_own, &mut self.found);
    }
}

/// The part of a body that mends these differences in place.
pub(crate) fn update_body(body: &Value, differences: &[Difference]) -> Value {
    let mut update: Map<String, Value> = differences
        .iter()
        .filter(|difference| difference.remedy == Remedy::Update)
        .filter_map(|difference| {
            let name = difference.field.strip_prefix("HostConfig.")?;
            Some((name.to_owned(), body["HostConfig"].get(name)?.clone()))
        })
        .collect();
    // The engine refuses more memory than the swap that is set allows.
    if let (Some(memory), None) = (
        update.get("Memory").and_then(Value::as_i64),
        update.get("MemorySwap"),
    ) {
        let given = body["HostConfig"].get("MemorySwap").cloned();
        let swap = given.unwrap_or_else(|| json!(memory.saturating_mul(2)));
        update.insert("MemorySwap".to_owned(), swap);
    }
    Value::Object(update)
}

/// Whether a log configuration is as wanted: the engine adds options of its own, and its driver where
/// none is given.
fn is_log_config(wanted: &Value, live: &Value) -> bool {
    let driver = wanted["Type"].as_str().unwrap_or_default();
    !wanted.is_null()
        && (driver.is_empty() || live["Type"].as_str() == Some(driver))
        && entries(wanted.get("Config"))
            .all(|(name, value)| text_of(value) == text_of(&live["Config"][name]))
}

/// A network stack of its own that is connected to networks.
fn is_bridged(mode: &str) -> bool {
    !matches!(mode, "host" | "none") && !mode.starts_with("container:")
}

/// `NAME=VALUE` texts as a mapping; a name alone has no value.
fn assignments(list: &Value) -> BTreeMap<&str, Option<&str>> {
    let items = list.as_array().into_iter().flatten();
    items
        .filter_map(Value::as_str)
        .map(|text| match text.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (text, None),
        })
        .collect()
}

fn mounts(container: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let mounts = container["Mounts"].as_array().into_iter().flatten();
    mounts.filter_map(|mount| Some((mount["Destination"].as_str()?, mount)))
}
