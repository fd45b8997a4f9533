//! The ports of a container, and where the host publishes them.

use serde_json::{Map, Value as Json, json};

use super::{BodyError, Fault, Parts};
use crate::client::Client;
use crate::config::ContainerConfig;
use crate::port::Port;

/// Puts them into a body.
pub(super) fn ports(container: &ContainerConfig, client: &Client, parts: &mut Parts<'_>) {
    if container.exposes.is_empty() {
        return;
    }
    let mut exposes: Vec<&Port> = container.exposes.iter().collect();
    // By number, then protocol (B-06).
    exposes.sort_by_key(|port| (port.numbers().next(), port.protocol()));
    let mut exposed = Map::new();
    let mut bindings: Map<String, Json> = Map::new();
    for port in exposes {
        for (at, number) in port.numbers().enumerate() {
            let name = format!("{number}/{}", port.protocol());
            exposed.insert(name.clone(), json!({}));
            let Some(host_port) = port.host_port_at(at) else {
                continue;
            };
            let mut binding = json!({ "HostPort": host_port });
            if let Some(interface) = &port.interface {
                match address_of(port, interface, client) {
                    Ok(address) => {
                        binding = json!({ "HostIp": address, "HostPort": host_port });
                    }
                    Err(error) => {
                        let at = Some(port.at);
                        let fault = Fault { error, at };
                        if !parts.faults.contains(&fault) {
                            parts.faults.push(fault);
                        }
                        continue;
                    }
                }
            }
            if let Json::Array(list) = bindings.entry(name).or_insert_with(|| json!([])) {
                list.push(binding);
            }
        }
    }
    parts
        .body
        .insert("ExposedPorts".to_owned(), Json::Object(exposed));
    if !bindings.is_empty() {
        parts
            .host
            .insert("PortBindings".to_owned(), Json::Object(bindings));
    }
}

/// Where the host publishes ports: the address, the port and the protocol of each one. Where it is
/// left to the engine which one it is, there is none.
pub(crate) fn publications(bindings: &Json) -> Vec<(&str, &str, &str)> {
    let mut found = Vec::new();
    for (port, list) in bindings.as_object().into_iter().flatten() {
        let protocol = port.split_once('/').map_or("tcp", |(_, protocol)| protocol);
        for binding in list.as_array().into_iter().flatten() {
            let text = |name: &str| binding.get(name).and_then(Json::as_str);
            let port = text("HostPort").unwrap_or_default();
            if port.parse::<u16>().is_ok_and(|port| port > 0) {
                found.push((text("HostIp").unwrap_or_default(), port, protocol));
            }
        }
    }
    found
}

fn address_of<'a>(
    port: &Port,
    interface: &str,
    client: &'a Client,
) -> Result<&'a String, BodyError> {
    let (addresses, section) = if port.ipv6 {
        (&client.interfaces_ipv6, "interfaces_ipv6")
    } else {
        (&client.interfaces, "interfaces")
    };
    let place = (section, interface.to_owned());
    match (
        addresses.get(interface),
        client.unset_interfaces.get(&place),
    ) {
        (Some(address), _) => Ok(address),
        (None, Some(unset)) => Err(unset.clone().into()),
        (None, None) => Err(BodyError::NoInterface {
            port: port.exposed.clone(),
            interface: interface.to_owned(),
            client: client.name.clone(),
            section,
        }),
    }
}
