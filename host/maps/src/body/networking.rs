//! The networks of a container.

use serde_json::{Map, Value as Json, json};

use super::{BodyError, Features, Parts};
use crate::config::{ContainerConfig, NetworkMode};
use crate::map::{Item, ResolvedMap};
use crate::names::is_preset_network;
use crate::port::Endpoint;
use crate::record::Link;

/// The endpoint of a container in a network, named as on the engine: the `EndpointConfig` of
/// `POST /networks/NAME/connect`. None where the container is not in that network; one without any of
/// its own is in the engine's.
///
/// # Errors
/// Where a setting is not set that it needs.
pub fn endpoint_body(
    map: &ResolvedMap,
    config: &str,
    network: &str,
) -> Result<Option<Json>, BodyError> {
    let Some(container) = map.containers.get(config) else {
        return Ok(None);
    };
    if container.networks.is_empty() && is_preset_network(network) {
        return Ok(Some(json!({})));
    }
    let mut endpoints = container.networks.iter();
    let found = endpoints.find(|endpoint| network_name(map, endpoint) == network);
    match found.and_then(|endpoint| endpoint.unset.first()) {
        Some(unset) => Err(unset.clone().into()),
        None => Ok(found.map(|endpoint| endpoint_of(map, container, endpoint))),
    }
}

/// Puts them into a body.
pub(super) fn networking(
    map: &ResolvedMap,
    container: &ContainerConfig,
    features: &Features,
    parts: &mut Parts<'_>,
) {
    let mode = match &container.network_mode {
        Some((NetworkMode::Plain(mode), _)) => Some(mode.clone()),
        Some((NetworkMode::Container { config, instance }, _)) => {
            let item = Item::Container {
                config: config.clone(),
                instance: instance.clone(),
            };
            Some(format!("container:{}", map.engine_name(&item)))
        }
        None => None,
    };
    if mode.as_deref() == Some("none") {
        parts.body.insert("NetworkDisabled".to_owned(), json!(true));
    } else if let Some(first) = container.networks.first() {
        if !features.networks {
            parts.faults.push(BodyError::TooOld("networks").into());
        }
        let name = network_name(map, first);
        let endpoints = json!({ name.clone(): endpoint_of(map, container, first) });
        parts.body.insert(
            "NetworkingConfig".to_owned(),
            json!({ "EndpointsConfig": endpoints }),
        );
        // Else the engine would connect its default network as well.
        if mode.is_none() {
            parts.host.insert("NetworkMode".to_owned(), json!(name));
        }
    }
    if let Some(mode) = mode {
        // The engine refuses a host name for a container that shares another one's network.
        if mode.starts_with("container:") || mode == "host" {
            parts.body.remove("Hostname");
            parts.body.remove("Domainname");
        }
        parts.host.insert("NetworkMode".to_owned(), json!(mode));
    }
}

fn network_name(map: &ResolvedMap, endpoint: &Endpoint) -> String {
    if is_preset_network(&endpoint.network) {
        return endpoint.network.clone();
    }
    map.engine_name(&Item::Network {
        name: endpoint.network.clone(),
    })
}

/// The endpoint, with the container's own links at the first network of the map: the engine takes no
/// notice of those in the host configuration but in its default network.
fn endpoint_of(map: &ResolvedMap, container: &ContainerConfig, endpoint: &Endpoint) -> Json {
    let is_own = |endpoint: &&Endpoint| !is_preset_network(&endpoint.network);
    let first = container.networks.iter().find(is_own);
    let mut endpoint = endpoint.clone();
    if first.is_some_and(|first| first.network == endpoint.network) {
        endpoint.links.extend(container.links.iter().cloned());
    }
    endpoint_config(map, &endpoint)
}

fn endpoint_config(map: &ResolvedMap, endpoint: &Endpoint) -> Json {
    let mut fields = Map::new();
    if !endpoint.aliases.is_empty() {
        fields.insert("Aliases".to_owned(), json!(endpoint.aliases));
    }
    let links: Vec<String> = endpoint
        .links
        .iter()
        .flat_map(|link| link_texts(map, link))
        .collect();
    if !links.is_empty() {
        fields.insert("Links".to_owned(), json!(links));
    }
    let mut addresses = Map::new();
    if let Some(address) = &endpoint.ipv4_address {
        addresses.insert("IPv4Address".to_owned(), json!(address));
    }
    if let Some(address) = &endpoint.ipv6_address {
        addresses.insert("IPv6Address".to_owned(), json!(address));
    }
    if !endpoint.link_local_ips.is_empty() {
        addresses.insert("LinkLocalIPs".to_owned(), json!(endpoint.link_local_ips));
    }
    if !addresses.is_empty() {
        fields.insert("IPAMConfig".to_owned(), Json::Object(addresses));
    }
    Json::Object(fields)
}

/// `CONTAINER:ALIAS`, one for each container that the link means.
pub(super) fn link_texts(map: &ResolvedMap, link: &Link) -> Vec<String> {
    let alias = link.effective_alias(map);
    let containers = map.referred(&link.container).unwrap_or_default();
    containers
        .iter()
        .map(|one| format!("{}:{alias}", map.engine_name(one)))
        .collect()
}
