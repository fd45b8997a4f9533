//! A container's connections to networks.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use dfab_runtime::planning::{Difference, Remedy};
use serde_json::{Map, Value};

use super::Scene;
use super::form::{Form, is_empty, text_of};

/// How a container's connections differ from those wanted: endpoint by name of the network. Of one that
/// dfab made also what was taken out of the map is known.
pub(super) fn compare(
    wanted: &[(String, Value)],
    container: &Value,
    scene: Scene<'_>,
    is_own: bool,
    found: &mut Vec<Difference>,
) {
    let empty = Map::new();
    let connected = container["NetworkSettings"]["Networks"]
        .as_object()
        .unwrap_or(&empty);
    let mut is_wanted = BTreeSet::new();
    for (name, endpoint) in wanted {
        is_wanted.insert(name);
        let field = |what: &str| format!("Networks.{name}{what}");
        let Some(live) = connected.get(name) else {
            found.push(Difference {
                field: field(""),
                wanted: "connected".to_owned(),
                found: "not connected".to_owned(),
                remedy: Remedy::Connect(name.clone()),
            });
            continue;
        };
        let id = live["NetworkID"].as_str().unwrap_or_default();
        let networks = &scene.snapshot.networks;
        if networks
            .get(name)
            .is_some_and(|now| !id.is_empty() && now != id)
        {
            found.push(Difference {
                field: field(""),
                wanted: "connected".to_owned(),
                found: "connected to a network of that name that is gone".to_owned(),
                remedy: Remedy::Reconnect(name.clone()),
            });
            continue;
        }
        let mut settings = differing(endpoint, live);
        if is_own {
            // Among the machines of a swarm its manager gives the addresses.
            let network = scene.details.networks.get(name);
            let is_swarms = network.is_some_and(|network| network["Scope"] == "swarm");
            settings.extend(left(endpoint, live, container, !is_swarms));
        }
        if let Some((what, wanted, live)) = settings.into_iter().next() {
            found.push(super::difference(
                &field(what),
                &wanted,
                &live,
                Remedy::Reconnect(name.clone()),
            ));
        }
    }
    let others: BTreeMap<_, _> = connected
        .iter()
        .filter(|(name, _)| !is_wanted.contains(name))
        .collect();
    for name in others.into_keys() {
        found.push(Difference {
            field: format!("Networks.{name}"),
            wanted: "not connected".to_owned(),
            found: "connected".to_owned(),
            remedy: Remedy::Disconnect(name.clone()),
        });
    }
}

/// What of an endpoint is not as wanted. The engine adds aliases of its own.
fn differing(wanted: &Value, live: &Value) -> Vec<(&'static str, Value, Value)> {
    let mut found = Vec::new();
    let aliases = |value: &Value| texts(value).collect::<BTreeSet<String>>();
    if !aliases(&wanted["Aliases"]).is_subset(&aliases(&live["Aliases"])) {
        found.push((
            ".Aliases",
            wanted["Aliases"].clone(),
            live["Aliases"].clone(),
        ));
    }
    if Form::Links.of(&wanted["Links"]) != Form::Links.of(&live["Links"]) {
        found.push((".Links", wanted["Links"].clone(), live["Links"].clone()));
    }
    for name in ["IPv4Address", "IPv6Address"] {
        let (wanted, live) = (&wanted["IPAMConfig"][name], &live["IPAMConfig"][name]);
        if !wanted.is_null() && address(wanted) != address(live) {
            found.push((".IPAMConfig", wanted.clone(), live.clone()));
        }
    }
    let (wanted, live) = (
        &wanted["IPAMConfig"]["LinkLocalIPs"],
        &live["IPAMConfig"]["LinkLocalIPs"],
    );
    let addresses = |value: &Value| -> BTreeSet<String> {
        let items = value.as_array().into_iter().flatten();
        items.map(address).collect()
    };
    if !wanted.is_null() && addresses(wanted) != addresses(live) {
        found.push((".IPAMConfig.LinkLocalIPs", wanted.clone(), live.clone()));
    }
    found
}

/// What of an endpoint was taken out of the map.
fn left(
    wanted: &Value,
    live: &Value,
    container: &Value,
    with_addresses: bool,
) -> Vec<(&'static str, Value, Value)> {
    let mut found = Vec::new();
    let aliases: BTreeSet<String> = texts(&wanted["Aliases"]).collect();
    let is_left = |alias: &String| !aliases.contains(alias) && !is_engines_alias(alias, container);
    if texts(&live["Aliases"]).any(|alias| is_left(&alias)) {
        found.push((
            ".Aliases",
            wanted["Aliases"].clone(),
            live["Aliases"].clone(),
        ));
    }
    for (name, field) in [
        ("IPv4Address", ".IPAMConfig"),
        ("IPv6Address", ".IPAMConfig"),
        ("LinkLocalIPs", ".IPAMConfig.LinkLocalIPs"),
    ] {
        let (wanted, live) = (&wanted["IPAMConfig"][name], &live["IPAMConfig"][name]);
        if with_addresses && wanted.is_null() && !is_empty(live) {
            found.push((field, Value::Null, live.clone()));
        }
    }
    found
}

/// Whether it is an alias that engines give by themselves: the short id, the name or the host name.
fn is_engines_alias(alias: &str, container: &Value) -> bool {
    const SHORT: usize = 12;
    let id = container["Id"].as_str().unwrap_or_default();
    let name = container["Name"].as_str().unwrap_or_default();
    let host_name = container["Config"]["Hostname"].as_str();
    (alias.len() >= SHORT && id.starts_with(alias))
        || alias == name.trim_start_matches('/')
        || Some(alias) == host_name
}

fn texts(value: &Value) -> impl Iterator<Item = String> {
    value.as_array().into_iter().flatten().map(text_of)
}

/// In one spelling, for IPv6 has several.
fn address(value: &Value) -> String {
    let text = text_of(value);
    match text.parse::<IpAddr>() {
        Ok(address) => address.to_string(),
        Err(_) => text,
    }
}
