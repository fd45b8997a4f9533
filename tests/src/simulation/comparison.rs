//! What a real engine has made, against what the model of one was told to make.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result};
use serde_json::{Map, Value, json};

use super::{Container, Simulation};
use crate::host::TestHost;
use crate::inventory::{Inventory, is_anonymous, linked, stripped};

/// A container of an image for which nothing is wanted, and no trace of it. The image's name is in `$1`.
const PLAIN: &str = r#"
    engine() { curl -fsS --unix-socket /var/run/docker.sock -H 'Content-Type: application/json' "$@"; }
    engine -X POST -d "{\"Image\": \"$1\", \"HostConfig\": {}}" http://engine/containers/create?name=plain > /dev/null
    engine http://engine/containers/plain/json
    engine -X DELETE http://engine/containers/plain?v=1
"#;

/// A real engine that is compared with models.
#[derive(Debug, Default)]
pub struct Comparison {
    /// Containers for which nothing was wanted, by their images: what an engine adds by itself.
    plain: BTreeMap<String, Value>,
}

impl Comparison {
    /// In what the engine of a host differs from its model: every field of what was created, the states,
    /// the mounts, and who is connected to what.
    ///
    /// # Errors
    /// Where the engine does not answer.
    pub fn differences(&mut self, host: &TestHost, model: &Simulation) -> Result<Vec<String>> {
        let real = Inventory::read(host)?;
        let mut differences = Differences::default();
        differences.names("container", &real.containers, model.containers.keys());
        let own = |name: &&String| !["bridge", "host", "none"].contains(&name.as_str());
        differences.names("network", &real.networks, model.networks.keys().filter(own));
        differences.names("volume", &real.volumes, model.volumes.keys());
        let mut anonymous = BTreeMap::new();
        for (name, container) in &model.containers {
            let Some(found) = real.containers.get(name) else {
                continue;
            };
            let plain = self.plain(host, container.image())?;
            let told = |field: &str, found: &Value, wanted: &Value| {
                differences.check(&format!("{name}: {field}"), found, wanted);
            };
            compare_container(model, container, found, plain, &real, told);
            differences.mounts(name, found, &model.mounts(name), &mut anonymous);
        }
        for (name, network) in model.networks.iter().filter(|(name, _)| own(name)) {
            let Some(found) = real.networks.get(name) else {
                continue;
            };
            for (field, wanted) in network.body.as_object().into_iter().flatten() {
                // How it is created, and nothing that it has.
                if field != "CheckDuplicate" {
                    differences.check(&format!("{name}: {field}"), &found[field], wanted);
                }
            }
            let running = model
                .containers
                .iter()
                .filter(|(_, container)| container.runs() && container.networks.contains_key(name));
            let wanted: BTreeSet<&str> = running.map(|(name, _)| name.as_str()).collect();
            let members = found["Containers"].as_object().into_iter().flatten();
            let members: BTreeSet<&str> = members
                .filter_map(|(_, member)| member["Name"].as_str())
                .collect();
            differences.check(&format!("{name}: members"), &json!(members), &json!(wanted));
        }
        for (name, body) in &model.volumes {
            let Some(found) = real.volumes.get(name) else {
                continue;
            };
            let driver = body.get("Driver").cloned();
            let driver = driver.unwrap_or_else(|| json!("local"));
            for (field, given, wanted) in [
                ("Driver", "Driver", &driver),
                ("Options", "DriverOpts", &body["DriverOpts"]),
                ("Labels", "Labels", &body["Labels"]),
            ] {
                differences.check(&format!("{name}: {given}"), &found[field], wanted);
            }
        }
        Ok(differences.told)
    }

    fn plain(&mut self, host: &TestHost, image: &str) -> Result<&Value> {
        if !self.plain.contains_key(image) {
            let text = host.exec(&["sh", "-ec", PLAIN, "plain", image])?;
            let plain = serde_json::from_str(&text).with_context(|| format!("no JSON: {text}"))?;
            self.plain.insert(image.to_owned(), plain);
        }
        self.plain.get(image).context("it was put there")
    }
}

impl Container {
    fn image(&self) -> &str {
        self.body["Image"].as_str().unwrap_or_default()
    }
}

/// A container's own fields and those of its host configuration, its state and its endpoints.
fn compare_container(
    model: &Simulation,
    container: &Container,
    found: &Value,
    plain: &Value,
    real: &Inventory,
    mut told: impl FnMut(&str, &Value, &Value),
) {
    told("image", &found["Image"], &plain["Image"]);
    let state = json!(container.status());
    told("state", &found["State"]["Status"], &state);

    let body = &container.body;
    let mode = body["HostConfig"]["NetworkMode"].as_str();
    let mode = mode.unwrap_or("default");
    let mut wanted = plain["Config"].as_object().cloned().unwrap_or_default();
    let mut config = found["Config"].as_object().cloned().unwrap_or_default();
    for (field, value) in body.as_object().into_iter().flatten() {
        let before = wanted.remove(field).unwrap_or_default();
        let value = match field.as_str() {
            "HostConfig" | "NetworkingConfig" => continue,
            "Env" => merged_variables(&before, value),
            "Labels" | "ExposedPorts" | "Volumes" => merged(&before, value),
            _ => value.clone(),
        };
        wanted.insert(field.clone(), value);
    }
    // Another program's usual words are none of this one's.
    if body.get("Entrypoint").is_some() && body.get("Cmd").is_none() {
        wanted.remove("Cmd");
    }
    if mode.starts_with("container:") {
        for field in ["Hostname", "Domainname"] {
            if body.get(field).is_none() {
                // It is the other container's once it runs.
                wanted.remove(field);
                config.remove(field);
            }
        }
    } else if body.get("Hostname").is_none() {
        let id = found["Id"].as_str().unwrap_or_default();
        wanted.insert("Hostname".to_owned(), json!(id.get(..12)));
    }
    sort(&mut config, "Env");
    sort(&mut wanted, "Env");
    compare_fields("Config", &config, &wanted, &mut told);

    let mut wanted = plain["HostConfig"].as_object().cloned().unwrap_or_default();
    let mut host = found["HostConfig"].as_object().cloned().unwrap_or_default();
    let given = body["HostConfig"].as_object().into_iter().flatten();
    wanted.extend(given.map(|(field, value)| (field.clone(), value.clone())));
    if let (Some(memory), None) = (
        body["HostConfig"]["Memory"].as_i64(),
        body["HostConfig"].get("MemorySwap"),
    ) {
        wanted.insert("MemorySwap".to_owned(), json!(memory * 2));
    }
    let of_other = mode.strip_prefix("container:").and_then(|id| {
        let mut others = model.containers.iter();
        others.find(|(_, other)| other.id == id)
    });
    let mode_by_name = match of_other {
        Some((name, _)) => format!("container:{name}"),
        None => mode.to_owned(),
    };
    wanted.insert("NetworkMode".to_owned(), json!(mode_by_name));
    let host_mode = real.network_mode(&host.get("NetworkMode").cloned().unwrap_or_default());
    host.insert("NetworkMode".to_owned(), host_mode);
    // Of one without host configuration it is filled in when it is started.
    if host.get("Runtime").is_none_or(|runtime| runtime == "") {
        let runtime = wanted.get("Runtime").cloned().unwrap_or_default();
        host.insert("Runtime".to_owned(), runtime);
    }
    let links = linked(&body["HostConfig"]["Links"]);
    // In a network of one's own they are of the endpoint.
    let is_bridged = matches!(mode, "default" | "bridge");
    wanted.insert(
        "Links".to_owned(),
        if is_bridged { links } else { Value::Null },
    );
    host.insert("Links".to_owned(), linked(&found["HostConfig"]["Links"]));
    compare_fields("HostConfig", &host, &wanted, &mut told);

    let networks = found["NetworkSettings"]["Networks"].as_object();
    let networks = networks.cloned().unwrap_or_default();
    let names: Vec<&String> = networks.keys().collect();
    let wanted: Vec<&String> = container.networks.keys().collect();
    let names: BTreeSet<_> = names.into_iter().collect();
    told("networks", &json!(names), &json!(wanted));
    for (network, endpoint) in &container.networks {
        let Some(found) = networks.get(network) else {
            continue;
        };
        let id = real.networks.get(network).map(|network| &network["Id"]);
        // It is filled in when it is started.
        if let Some(id) = id.filter(|_| container.runs()) {
            told(&format!("{network}: id"), &found["NetworkID"], id);
        }
        for (field, wanted) in endpoint.as_object().into_iter().flatten() {
            let at = format!("{network}: {field}");
            match field.as_str() {
                "NetworkID" => {}
                "Links" => told(&at, &linked(&found[field]), &linked(wanted)),
                "Aliases" => told(&at, &real.aliases(&found[field]), &real.aliases(wanted)),
                _ => told(&at, &found[field], wanted),
            }
        }
        if endpoint.get("Aliases").is_none() {
            told(
                &format!("{network}: Aliases"),
                &real.aliases(&found["Aliases"]),
                &json!([]),
            );
        }
    }
}

fn compare_fields(
    of: &str,
    found: &Map<String, Value>,
    wanted: &Map<String, Value>,
    told: &mut impl FnMut(&str, &Value, &Value),
) {
    let fields: BTreeSet<&String> = found.keys().chain(wanted.keys()).collect();
    for field in fields {
        let null = Value::Null;
        told(
            &format!("{of}.{field}"),
            found.get(field).unwrap_or(&null),
            wanted.get(field).unwrap_or(&null),
        );
    }
}

/// Variables of the image that the container does not have otherwise, and its own.
fn merged_variables(image: &Value, own: &Value) -> Value {
    let variables = |value: &Value| -> BTreeMap<String, String> {
        let variables = value.as_array().into_iter().flatten();
        let variables = variables.filter_map(Value::as_str);
        variables
            .map(|variable| {
                let name = variable.split('=').next().unwrap_or_default();
                (name.to_owned(), variable.to_owned())
            })
            .collect()
    };
    let mut all = variables(image);
    all.extend(variables(own));
    all.into_values().collect()
}

fn merged(image: &Value, own: &Value) -> Value {
    let mut all = image.as_object().cloned().unwrap_or_default();
    all.extend(own.as_object().cloned().unwrap_or_default());
    Value::Object(all)
}

fn sort(fields: &mut Map<String, Value>, field: &str) {
    if let Some(Value::Array(items)) = fields.get_mut(field) {
        items.sort_by_key(Value::to_string);
    }
}

#[derive(Default)]
struct Differences {
    told: Vec<String>,
}

impl Differences {
    /// Whether something is as wanted. To engines, nothing, zero and what is missing are the same.
    fn check(&mut self, what: &str, found: &Value, wanted: &Value) {
        let is_assigned = ["Labels", "Options", "DriverOpts"];
        let is_assigned = is_assigned.iter().any(|end| what.ends_with(end));
        let seen = |value: &Value| match is_assigned {
            true => stripped(&assignments(value)),
            false => stripped(value),
        };
        let (found, wanted) = (seen(found), seen(wanted));
        if found != wanted {
            let text = |value: Option<Value>| value.unwrap_or_default().to_string();
            let (found, wanted) = (text(found), text(wanted));
            self.told.push(format!("{what} is {found}, not {wanted}"));
        }
    }

    fn names<'a>(
        &mut self,
        kind: &str,
        real: &BTreeMap<String, Value>,
        wanted: impl Iterator<Item = &'a String>,
    ) {
        let found: BTreeSet<&String> = real.keys().collect();
        let wanted: BTreeSet<&String> = wanted.collect();
        self.check(&format!("names: {kind}"), &json!(found), &json!(wanted));
    }

    /// What is mounted where. Volumes without names are told apart: whose is whose must be as in the model.
    fn mounts(
        &mut self,
        container: &str,
        found: &Value,
        wanted: &[Value],
        anonymous: &mut BTreeMap<String, String>,
    ) {
        let by_path = |mounts: &[Value]| -> BTreeMap<String, Value> {
            let mounts = mounts.iter().map(|mount| {
                let path = mount["Destination"].as_str().unwrap_or_default();
                (path.to_owned(), mount.clone())
            });
            mounts.collect()
        };
        let found = by_path(found["Mounts"].as_array().map_or(&[], Vec::as_slice));
        let wanted = by_path(wanted);
        let paths = |mounts: &BTreeMap<String, Value>| json!(mounts.keys().collect::<Vec<_>>());
        let what = format!("{container}: mounts");
        self.check(&what, &paths(&found), &paths(&wanted));
        for (path, wanted) in &wanted {
            let Some(found) = found.get(path) else {
                continue;
            };
            let name = found["Name"].as_str().unwrap_or_default();
            for field in ["Type", "Source", "Name", "RW"] {
                let mut wanted = wanted[field].clone();
                match field {
                    // The model has no folder for volumes.
                    "Source" if found["Type"] == "volume" => continue,
                    "Name" if is_anonymous(name) => {
                        let model = wanted.as_str().unwrap_or_default().to_owned();
                        let known = anonymous.entry(model).or_insert_with(|| name.to_owned());
                        wanted = json!(known);
                    }
                    _ => {}
                }
                let what = format!("{container}: {field} of the mount at {path}");
                self.check(&what, &found[field], &wanted);
            }
        }
    }
}

/// Labels and options as a list, in which empty ones stand too.
fn assignments(value: &Value) -> Value {
    let all = value.as_object().into_iter().flatten();
    let mut all: Vec<Value> = all.map(|(name, value)| json!([name, value])).collect();
    all.sort_by_key(Value::to_string);
    Value::Array(all)
}
