//! What the engine tells of its objects.

use serde_json::{Map, Value, json};

use super::{Object, Simulation};

impl Simulation {
    /// `GET /containers/NAME/json`
    pub(super) fn inspect(&self, name: &str) -> Value {
        let Some(container) = self.containers.get(name) else {
            return Value::Null;
        };
        let body = &container.body;
        let mut config = body.as_object().cloned().unwrap_or_default();
        config.shift_remove("NetworkingConfig");
        let host = config.shift_remove("HostConfig").unwrap_or_default();
        let mode = host["NetworkMode"].as_str().unwrap_or("default");
        config.entry("Hostname").or_insert_with(|| {
            let id: String = container.id.chars().take(12).collect();
            json!(id)
        });
        json!({
            "Id": container.id,
            "Name": format!("/{name}"),
            "Created": container.created,
            "State": {
                "Status": container.status(),
                "Running": container.runs(),
                "StartedAt": container.started.as_deref().unwrap_or("0001-01-01T00:00:00Z"),
            },
            "Image": container.image_id,
            "Config": config,
            "HostConfig": host_config(&host, mode),
            "NetworkSettings": { "Networks": container.networks },
            "Mounts": self.mounts(name),
        })
    }

    /// `GET /networks/NAME`
    pub(super) fn inspect_network(&self, name: &str, network: &Object) -> Value {
        let connected = self
            .containers
            .iter()
            .filter(|(_, container)| container.networks.contains_key(name))
            .map(|(name, container)| (container.id.clone(), json!({ "Name": name })));
        let mut fields = network.body.as_object().cloned().unwrap_or_default();
        fields.insert("Id".to_owned(), json!(network.id));
        fields.entry("Internal").or_insert_with(|| json!(false));
        fields.insert(
            "Containers".to_owned(),
            connected.collect::<Map<_, _>>().into(),
        );
        Value::Object(fields)
    }

    pub(super) fn mounts(&self, name: &str) -> Vec<Value> {
        let Some(container) = self.containers.get(name) else {
            return Vec::new();
        };
        let texts = |name: &str| -> Vec<&str> {
            let items = container.body["HostConfig"][name].as_array();
            let items = items.into_iter().flatten();
            items.filter_map(Value::as_str).collect()
        };
        let mut mounts: Vec<Value> = Vec::new();
        for bind in texts("Binds") {
            let mut parts = bind.split(':');
            let source = parts.next().unwrap_or_default();
            let path = parts.next().unwrap_or_default();
            let is_writable = !parts.next().is_some_and(is_read_only);
            mounts.push(if source.starts_with('/') {
                json!({ "Type": "bind", "Source": source, "Destination": path, "RW": is_writable })
            } else {
                json!({ "Type": "volume", "Name": source, "Destination": path, "RW": is_writable })
            });
        }
        let has = |mounts: &[Value], path: &Value| {
            mounts.iter().any(|mount| mount["Destination"] == *path)
        };
        for parent in texts("VolumesFrom") {
            let (parent, options) = parent.split_once(':').unwrap_or((parent, ""));
            for mut mount in self.mounts(parent) {
                if !has(&mounts, &mount["Destination"]) {
                    if is_read_only(options) {
                        mount["RW"] = json!(false);
                    }
                    mounts.push(mount);
                }
            }
        }
        let shares = container.body["Volumes"].as_object().into_iter().flatten();
        for (path, _) in shares {
            if !has(&mounts, &json!(path)) {
                let name = format!("{} {path}", container.id);
                mounts.push(
                    json!({ "Type": "volume", "Name": name, "Destination": path, "RW": true }),
                );
            }
        }
        mounts
    }
}

/// Whether options of a mount, such as `ro,z`, say so.
fn is_read_only(options: &str) -> bool {
    options.split(',').any(|option| option == "ro")
}

/// `GET /volumes/NAME`
pub(super) fn volume(body: &Value) -> Value {
    json!({
        "Name": body["Name"],
        "Driver": body.get("Driver").cloned().unwrap_or_else(|| json!("local")),
        "Options": body.get("DriverOpts"),
        "Labels": body.get("Labels"),
    })
}

fn host_config(given: &Value, mode: &str) -> Value {
    let mut host = json!({
        "NetworkMode": mode,
        "RestartPolicy": { "Name": "no", "MaximumRetryCount": 0 },
        "LogConfig": { "Type": "json-file", "Config": {} },
        "ShmSize": 67_108_864,
        "Memory": 0,
        "MemorySwap": 0,
        "CpuShares": 0,
        "PidsLimit": null,
        "IpcMode": "private",
        "PidMode": "",
        "Binds": null,
        "Links": null,
        "Dns": null,
    });
    if let (Some(fields), Some(given)) = (host.as_object_mut(), given.as_object()) {
        let given = given.iter().filter(|(name, _)| *name != "NetworkMode");
        fields.extend(given.map(|(name, value)| (name.clone(), value.clone())));
        let swap_is_given = fields["MemorySwap"] != json!(0);
        if let (Some(memory), false) = (fields["Memory"].as_i64(), swap_is_given) {
            fields["MemorySwap"] = json!(memory * 2);
        }
        // In a network of one's own they are not kept here.
        if !matches!(mode, "default" | "bridge") {
            fields["Links"] = Value::Null;
        } else if let Some(links) = fields["Links"].as_array() {
            let links = links.iter().filter_map(Value::as_str).map(|link| {
                let (container, alias) = link.split_once(':').unwrap_or((link, link));
                json!(format!("/{container}:/own.name/{alias}"))
            });
            fields["Links"] = links.collect();
        }
    }
    host
}
