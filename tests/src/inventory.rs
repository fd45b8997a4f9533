//! All that a real engine has, as its own `docker inspect` tells.

#![expect(
    clippy::indexing_slicing,
    reason = "JSON is null where it has nothing: reading it by a name does not panic"
)]

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Map, Value, json};

use crate::host::TestHost;

/// Containers, networks and volumes, each as a list.
const EVERYTHING: &str = r#"
    all() { if [ -n "$2" ]; then docker "$1" inspect $2; else echo '[]'; fi; }
    all container "$(docker ps -aq)"
    all network "$(docker network ls -q)"
    all volume "$(docker volume ls -q)"
"#;

/// What an engine has, by name, without its own networks and without volumes that have no name.
#[derive(Debug)]
pub struct Inventory {
    /// Containers.
    pub containers: BTreeMap<String, Value>,
    /// Networks.
    pub networks: BTreeMap<String, Value>,
    /// Volumes.
    pub volumes: BTreeMap<String, Value>,
}

impl Inventory {
    /// Asks the engine of a host.
    ///
    /// # Errors
    /// Where it does not answer.
    pub fn read(host: &TestHost) -> Result<Self> {
        let text = host.shell(EVERYTHING)?;
        let mut kinds = serde_json::Deserializer::from_str(&text).into_iter::<Vec<Value>>();
        let mut next = || -> Result<BTreeMap<String, Value>> {
            let objects = kinds.next().context("a kind of objects is missing")??;
            let named = objects.into_iter().map(|object| {
                let name = object["Name"].as_str().unwrap_or_default();
                (name.trim_start_matches('/').to_owned(), object)
            });
            Ok(named.collect())
        };
        let (containers, mut networks, mut volumes) = (next()?, next()?, next()?);
        ensure!(kinds.next().is_none(), "what is this? {text}");
        networks.retain(|name, _| !["bridge", "host", "none"].contains(&name.as_str()));
        volumes.retain(|name, _| !is_anonymous(name));
        Ok(Self {
            containers,
            networks,
            volumes,
        })
    }

    /// `container:NAME` for `container:ID`.
    pub(crate) fn network_mode(&self, mode: &Value) -> Value {
        let id = mode
            .as_str()
            .and_then(|mode| mode.strip_prefix("container:"));
        let mut containers = self.containers.iter();
        match id.and_then(|id| containers.find(|(_, other)| other["Id"] == id)) {
            Some((name, _)) => json!(format!("container:{name}")),
            None => mode.clone(),
        }
    }

    /// Without the short id and the host name, which the engine adds.
    pub(crate) fn aliases(&self, value: &Value) -> Value {
        let is_id = |alias: &str| {
            self.containers.values().any(|other| {
                let id = other["Id"].as_str().and_then(|id| id.get(..12));
                id == Some(alias) || other["Config"]["Hostname"] == alias
            })
        };
        let aliases = value.as_array().into_iter().flatten();
        let aliases = aliases.filter_map(Value::as_str);
        let aliases: BTreeSet<&str> = aliases.filter(|alias| !is_id(alias)).collect();
        json!(aliases)
    }
}

impl Inventory {
    /// What two engines have in common if the same was made on both, whoever made it: names in the places
    /// of ids, and nothing that an engine hands out.
    #[must_use]
    pub fn essence(&self) -> Value {
        let containers = self.containers.iter().map(|(name, container)| {
            let essence = self.container(container);
            (name.clone(), essence)
        });
        let networks = self.networks.iter().map(|(name, network)| {
            let members = network["Containers"].as_object().into_iter().flatten();
            let members: BTreeSet<&str> = members
                .filter_map(|(_, member)| member["Name"].as_str())
                .collect();
            let essence = json!({
                "Driver": network["Driver"], "Internal": network["Internal"],
                "Options": network["Options"], "Labels": network["Labels"], "Members": members,
            });
            (name.clone(), essence)
        });
        let volumes = self.volumes.iter().map(|(name, volume)| {
            let essence = json!({
                "Driver": volume["Driver"], "Options": volume["Options"], "Labels": volume["Labels"],
            });
            (name.clone(), essence)
        });
        json!({
            "containers": containers.collect::<Map<_, _>>(),
            "networks": networks.collect::<Map<_, _>>(),
            "volumes": volumes.collect::<Map<_, _>>(),
        })
    }

    fn container(&self, container: &Value) -> Value {
        let id = container["Id"].as_str().and_then(|id| id.get(..12));
        let mut config = container["Config"].clone();
        if let Some(fields) = config.as_object_mut() {
            // Whether somebody is attached: docker asks for it, and nobody ever is.
            for field in ["AttachStdout", "AttachStderr", "AttachStdin"] {
                fields.shift_remove(field);
            }
            if fields.get("Hostname").and_then(Value::as_str) == id {
                fields.shift_remove("Hostname");
            }
            if let Some(Value::Array(variables)) = fields.get_mut("Env") {
                variables.sort_by_key(Value::to_string);
            }
        }
        let mut host = container["HostConfig"].clone();
        host["NetworkMode"] = self.network_mode(&host["NetworkMode"]);
        host["Links"] = linked(&host["Links"]);
        if let Some(fields) = host.as_object_mut() {
            // The size of the terminal on which it was made.
            fields.shift_remove("ConsoleSize");
            if fields["RestartPolicy"]["Name"] == "no" {
                fields["RestartPolicy"]["Name"] = json!("");
            }
        }
        let networks = container["NetworkSettings"]["Networks"].as_object();
        let networks = networks.into_iter().flatten().map(|(name, endpoint)| {
            let essence = json!({
                "Aliases": self.aliases(&endpoint["Aliases"]),
                "Links": linked(&endpoint["Links"]),
                "IPAMConfig": endpoint["IPAMConfig"],
                "DriverOpts": endpoint["DriverOpts"],
            });
            (name.clone(), essence)
        });
        let mounts = container["Mounts"].as_array().into_iter().flatten();
        let mut mounts: Vec<Value> = mounts
            .map(|mount| {
                let name = mount["Name"].as_str().unwrap_or_default();
                let name = if is_anonymous(name) { "" } else { name };
                let is_volume = mount["Type"] == "volume";
                let source = if is_volume {
                    &Value::Null
                } else {
                    &mount["Source"]
                };
                json!({
                    "Type": mount["Type"], "Destination": mount["Destination"], "RW": mount["RW"],
                    "Name": name, "Source": source,
                })
            })
            .collect();
        mounts.sort_by_key(|mount| mount["Destination"].to_string());
        json!({
            "State": container["State"]["Status"],
            "Config": stripped(&config),
            "HostConfig": stripped(&host),
            "Networks": networks.collect::<Map<_, _>>(),
            "Mounts": mounts,
        })
    }
}

/// `NAME:ALIAS`, which the engine tells as `/NAME:/OWN_NAME/ALIAS`.
pub(crate) fn linked(value: &Value) -> Value {
    let links = value.as_array().into_iter().flatten();
    let links: BTreeSet<String> = links
        .filter_map(Value::as_str)
        .map(|link| {
            let (name, alias) = link.split_once(':').unwrap_or((link, link));
            let alias = alias.rsplit('/').next().unwrap_or_default();
            format!("{}:{alias}", name.trim_start_matches('/'))
        })
        .collect();
    json!(links)
}

/// The engine's own names for volumes that have none.
pub(crate) fn is_anonymous(volume: &str) -> bool {
    volume.len() == 64 && volume.chars().all(|letter| letter.is_ascii_hexdigit())
}

/// Without fields that have nothing; nothing if that is all.
pub(crate) fn stripped(value: &Value) -> Option<Value> {
    match value {
        Value::Null | Value::Bool(false) => None,
        Value::Bool(true) => Some(value.clone()),
        Value::Number(number) => (number.as_f64() != Some(0.0)).then(|| value.clone()),
        Value::String(text) => (!text.is_empty()).then(|| value.clone()),
        Value::Array(items) if items.is_empty() => None,
        Value::Array(items) => {
            let items = items.iter().map(|item| stripped(item).unwrap_or_default());
            Some(items.collect())
        }
        Value::Object(fields) => {
            let fields: Map<String, Value> = fields
                .iter()
                .filter_map(|(name, value)| match value {
                    // Ports and folders stand for themselves.
                    Value::Object(_) => Some((name.clone(), stripped(value).unwrap_or(json!({})))),
                    _ => Some((name.clone(), stripped(value)?)),
                })
                .collect();
            (!fields.is_empty()).then_some(Value::Object(fields))
        }
    }
}
