//! A container's connections to networks.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;

use dfab_runtime::planning::{Difference, Remedy};
use serde_json::{Map, Value};

use super::form::{Form, text_of};

/// How a container's connections differ from those wanted: endpoint by name of the network.
pub(super) fn compare(
    wanted: &[(String, Value)],
    live: &Value,
    networks: &HashMap<String, String>,
    found: &mut Vec<Difference>,
) {
    let empty = Map::new();
    let connected = live["NetworkSettings"]["Networks"]
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
        let settings = differing(endpoint, live);
        if let Some((what, wanted, live)) = settings.into_iter().next() {
            found.push(super::difference(
                &field(what),
                &wanted,
                &live,
                Remedy::Reconnect(name.clone()),
            ));
        }
    }
    let left: BTreeMap<_, _> = connected
        .iter()
        .filter(|(name, _)| !is_wanted.contains(name))
        .collect();
    for name in left.into_keys() {
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
    let texts = |value: &Value| -> BTreeSet<String> {
        let items = value.as_array().into_iter().flatten();
        items.map(text_of).collect()
    };
    if !texts(&wanted["Aliases"]).is_subset(&texts(&live["Aliases"])) {
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

/// In one spelling, for IPv6 has several.
fn address(value: &Value) -> String {
    let text = text_of(value);
    match text.parse::<IpAddr>() {
        Ok(address) => address.to_string(),
        Err(_) => text,
    }
}
