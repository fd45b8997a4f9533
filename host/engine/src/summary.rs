//! Containers, images, networks and volumes as lists show them.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};

use crate::snapshot;

/// A container in a list.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(from = "RawContainer")]
pub struct ContainerSummary {
    /// The full id.
    pub id: String,
    /// Without the leading slash.
    pub names: Vec<String>,
    /// The image as it was named when the container was created.
    pub image: String,
    /// The id of the image.
    pub image_id: String,
    /// The command line.
    pub command: String,
    /// Seconds since 1970.
    pub created: i64,
    /// Such as `running`.
    pub state: String,
    /// Such as `Up 2 hours (healthy)`.
    pub status: String,
    /// Exposed and published ports.
    pub ports: Vec<Port>,
    /// In alphabetical order.
    pub labels: Vec<(String, String)>,
    /// Names of the volumes that are mounted in it, anonymous ones included; engines before API 1.20
    /// tell none.
    pub volumes: Vec<String>,
    /// Names of the networks that it is connected to now; one that does not run is to none.
    pub networks: Vec<String>,
}

impl ContainerSummary {
    /// Its own name; the others are those under which linked containers know it.
    pub fn name(&self) -> &str {
        let own = self.names.iter().find(|name| !name.contains('/'));
        own.unwrap_or(&self.id)
    }

    /// Of the last run, where there was one and it is over.
    pub fn exit_code(&self) -> Option<i32> {
        snapshot::exit_code(&self.status)
    }

    /// `starting`, `healthy` or `unhealthy`, where the container has a health check.
    pub fn health(&self) -> Option<String> {
        snapshot::health(&self.status)
    }

    /// The value of a label.
    pub fn label(&self, name: &str) -> Option<&str> {
        let label = self.labels.iter().find(|(known, _)| known == name);
        label.map(|(_, value)| value.as_str())
    }
}

/// A port of a container.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Port {
    /// Inside the container.
    #[serde(rename = "PrivatePort")]
    pub container_port: u16,
    /// `tcp`, `udp` or `sctp`.
    #[serde(rename = "Type")]
    pub protocol: String,
    /// The address on the host, where the port is published.
    #[serde(rename = "IP", default)]
    pub host_address: Option<String>,
    /// The port on the host, where the port is published.
    #[serde(rename = "PublicPort", default)]
    pub host_port: Option<u16>,
}

/// An image in a list.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(from = "RawImage")]
pub struct ImageSummary {
    /// The full id, such as `sha256:…`.
    pub id: String,
    /// The id of the image that this one was built on, or empty.
    pub parent_id: String,
    /// `repository:tag`; empty for an image without a name.
    pub tags: Vec<String>,
    /// Seconds since 1970.
    pub created: i64,
    /// Bytes.
    pub size: u64,
}

/// A network in a list.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct NetworkSummary {
    /// The full id.
    pub id: String,
    /// The name.
    pub name: String,
    /// Such as `bridge`.
    #[serde(default)]
    pub driver: String,
    /// `local`, `global` or `swarm`.
    #[serde(default)]
    pub scope: String,
    /// In alphabetical order.
    #[serde(default, deserialize_with = "nullable")]
    pub labels: BTreeMap<String, String>,
}

/// A volume in a list.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct VolumeSummary {
    /// The name.
    pub name: String,
    /// Such as `local`.
    #[serde(default)]
    pub driver: String,
    /// In alphabetical order.
    #[serde(default, deserialize_with = "nullable")]
    pub labels: BTreeMap<String, String>,
}

/// The Engine writes `null` for an empty list in some versions.
pub(crate) fn nullable<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RawContainer {
    id: String,
    #[serde(default, deserialize_with = "nullable")]
    names: Vec<String>,
    #[serde(default)]
    image: String,
    #[serde(default, rename = "ImageID")]
    image_id: String,
    #[serde(default)]
    command: String,
    #[serde(default)]
    created: i64,
    #[serde(default)]
    state: String,
    #[serde(default)]
    status: String,
    #[serde(default, deserialize_with = "nullable")]
    ports: Vec<Port>,
    #[serde(default, deserialize_with = "nullable")]
    labels: BTreeMap<String, String>,
    #[serde(default, deserialize_with = "nullable")]
    mounts: Vec<RawMount>,
    #[serde(default, deserialize_with = "nullable")]
    network_settings: RawNetworks,
}

/// Engines before API 1.22 tell none.
#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RawNetworks {
    #[serde(default, deserialize_with = "nullable")]
    networks: BTreeMap<String, Option<RawEndpoint>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RawEndpoint {
    /// Empty while the container does not run.
    #[serde(default, rename = "EndpointID", deserialize_with = "nullable")]
    endpoint_id: String,
}

/// Only volumes have a name.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RawMount {
    #[serde(default, deserialize_with = "nullable")]
    name: String,
}

impl From<RawContainer> for ContainerSummary {
    fn from(raw: RawContainer) -> Self {
        Self {
            id: raw.id,
            names: raw
                .names
                .iter()
                .map(|name| without_slash(name).to_owned())
                .collect(),
            image: raw.image,
            image_id: raw.image_id,
            command: raw.command,
            created: raw.created,
            state: raw.state,
            status: raw.status,
            ports: raw.ports,
            labels: raw.labels.into_iter().collect(),
            volumes: raw
                .mounts
                .into_iter()
                .map(|mount| mount.name)
                .filter(|name| !name.is_empty())
                .collect(),
            networks: raw
                .network_settings
                .networks
                .into_iter()
                .filter(|(_, endpoint)| {
                    let endpoint = endpoint.as_ref();
                    endpoint.is_some_and(|endpoint| !endpoint.endpoint_id.is_empty())
                })
                .map(|(name, _)| name)
                .collect(),
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RawImage {
    id: String,
    #[serde(default)]
    parent_id: String,
    #[serde(default, deserialize_with = "nullable")]
    repo_tags: Vec<String>,
    #[serde(default)]
    created: i64,
    #[serde(default)]
    size: u64,
}

impl From<RawImage> for ImageSummary {
    fn from(raw: RawImage) -> Self {
        Self {
            id: raw.id,
            parent_id: raw.parent_id,
            // Older engines write `<none>:<none>` for an image without a name.
            tags: raw
                .repo_tags
                .into_iter()
                .filter(|tag| !tag.contains("<none>"))
                .collect(),
            created: raw.created,
            size: raw.size,
        }
    }
}

fn without_slash(name: &str) -> &str {
    name.strip_prefix('/').unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_engines_leave_out_is_empty() {
        let container: ContainerSummary = serde_json::from_str(
            r#"{"Id":"1","Names":null,"Labels":null,"Ports":null,"NetworkSettings":null}"#,
        )
        .unwrap();
        assert!(container.names.is_empty() && container.ports.is_empty());
        let image: ImageSummary = serde_json::from_str(
            r#"{"Id":"sha256:1","ParentId":"","RepoTags":["<none>:<none>"],"Size":5}"#,
        )
        .unwrap();
        assert_eq!((image.tags.len(), image.size), (0, 5));
    }

    #[test]
    fn names_lose_their_slash_and_ports_keep_where_they_are_published() {
        let container: ContainerSummary = serde_json::from_str(
            r#"{"Id":"1","Names":["/web","/db/web"],"Labels":{"b":"2","a":"1"},"Ports":[
                {"IP":"0.0.0.0","PrivatePort":80,"PublicPort":8080,"Type":"tcp"},
                {"PrivatePort":443,"Type":"tcp"}],
                "Mounts":[{"Type":"bind","Source":"/a"},{"Type":"volume","Name":"data"}],
                "NetworkSettings":{"Networks":{"front":{"EndpointID":"4747f6"},
                "back":{"EndpointID":""},"other":null}}}"#,
        )
        .unwrap();
        assert_eq!(container.volumes, ["data"]);
        // Who is to be in a network is connected to it only while it runs.
        assert_eq!(container.networks, ["front"]);
        assert_eq!(container.names, ["web", "db/web"]);
        assert_eq!(container.labels[0], ("a".to_owned(), "1".to_owned()));
        assert_eq!(container.ports[0].host_port, Some(8080));
        assert_eq!(container.ports[1].host_address, None);
    }
}
