//! Networks and volumes.

use serde_json::{Value, json};

use super::super::{network, volume};
use crate::labels::labelled;

fn fields(found: Vec<super::Difference>) -> Vec<String> {
    found.into_iter().map(|one| one.field).collect()
}

#[test]
fn networks_and_volumes_are_compared_by_what_the_map_says() {
    let wanted = json!({ "Driver": "bridge", "Internal": true, "Options": { "mtu": "1400" } });
    let live =
        json!({ "Driver": "bridge", "Internal": true, "Options": { "mtu": "1400", "x": "y" } });
    assert!(network(&wanted, &live).is_empty());
    let other = json!({ "Driver": "overlay", "Internal": false, "Options": {} });
    let fields: Vec<_> = network(&wanted, &other)
        .into_iter()
        .map(|one| one.field)
        .collect();
    assert_eq!(fields, ["Driver", "Internal", "Options.mtu"]);
    // B-10
    let wanted = json!({ "Name": "v", "DriverOpts": { "type": "nfs" } });
    let live = json!({ "Driver": "local", "Options": { "type": "nfs" } });
    assert!(volume(&wanted, &live).is_empty());
    assert_eq!(volume(&json!({ "Name": "v" }), &live)[0].field, "Options");
    assert!(
        volume(
            &json!({ "Name": "v" }),
            &json!({ "Driver": "local", "Options": null })
        )
        .is_empty()
    );
}

/// What an engine tells of a network that dfab made by a body.
fn made(body: &Value) -> Value {
    let mut live = labelled(body.clone(), "m", "net", None);
    live["Internal"] = json!(false);
    live
}

#[test]
fn what_was_taken_out_of_a_network_is_told() {
    let body = json!({
        "Name": "m.net", "Driver": "bridge", "EnableIPv6": true, "Attachable": true,
        "Options": { "com.example.mtu": "1400", "x": "y" },
        "Labels": { "a": "1", "b": "2" },
        "IPAM": {
            "Driver": "other", "Options": { "o": "p" },
            "Config": [
                { "Subnet": "10.8.0.0/16", "IPRange": "10.8.1.0/24", "Gateway": "10.8.0.9" },
                { "Subnet": "10.9.0.0/16" }, { "Subnet": "fd00::/64" },
            ],
        },
    });
    let live = made(&body);
    assert!(network(&body, &live).is_empty());
    let without = |path: &str| {
        let mut wanted = body.clone();
        let (place, name) = path.rsplit_once('/').unwrap_or(("", path));
        let pointer = if place.is_empty() {
            String::new()
        } else {
            format!("/{place}")
        };
        let place = wanted.pointer_mut(&pointer).unwrap();
        match place {
            Value::Array(items) => drop(items.remove(name.parse().unwrap())),
            other => drop(other.as_object_mut().unwrap().shift_remove(name)),
        }
        fields(network(&wanted, &live))
    };
    for (path, told) in [
        ("Options/x", "Options.x"),
        ("Options/com.example.mtu", "Options.com.example.mtu"),
        ("Labels/a", "Labels.a"),
        ("EnableIPv6", "EnableIPv6"),
        ("Attachable", "Attachable"),
        ("IPAM", "IPAM"),
        ("IPAM/Driver", "IPAM.Driver"),
        ("IPAM/Options", "IPAM.Options"),
        ("IPAM/Config", "IPAM.Config"),
        ("IPAM/Config/1", "IPAM.Config"),
        ("IPAM/Config/0/IPRange", "IPAM.Config.IPRange"),
        ("IPAM/Config/0/Gateway", "IPAM.Config.Gateway"),
    ] {
        assert_eq!(without(path), [told], "{path}");
    }
    assert_eq!(without("Options"), ["Options.com.example.mtu", "Options.x"]);
    assert_eq!(without("Labels"), ["Labels.a", "Labels.b"]);

    // Another value, which is told of nobody's labels.
    let mut wanted = body.clone();
    wanted["Labels"]["a"] = json!("3");
    let found = network(&wanted, &live);
    assert_eq!(found[0].wanted, "the map's value");
    assert_eq!(fields(found), ["Labels.a"]);
}

#[test]
fn what_an_engine_adds_to_a_network_is_its_own_affair() {
    let plain = json!({ "Name": "m.net", "Driver": "bridge" });
    let mut live = made(&plain);
    live["Options"] = json!({ "com.docker.network.enable_ipv4": "true" });
    live["EnableIPv6"] = json!(true);
    live["Labels"]["by.somebody"] = json!("x");
    live["IPAM"] = json!({ "Driver": "default", "Config": [{ "Subnet": "172.18.0.0/16" }] });
    assert!(network(&plain, &live).is_empty());
    // A gateway, and addresses of the other family.
    let pool = json!({ "Name": "m.net", "IPAM": { "Config": [{ "Subnet": "10.8.0.0/16" }] } });
    let mut live = made(&pool);
    live["Driver"] = json!("bridge");
    live["IPAM"]["Driver"] = json!("default");
    live["IPAM"]["Config"] = json!([
        { "Subnet": "10.8.0.0/16", "Gateway": "10.8.0.1" }, { "Subnet": "fd00::/64" },
    ]);
    assert!(network(&pool, &live).is_empty());
    // Nobody knows what somebody else gave.
    let mut foreign = live.clone();
    foreign["Labels"] = json!({ "a": "b" });
    foreign["Options"] = json!({ "x": "y" });
    assert!(network(&pool, &foreign).is_empty());
    assert!(network(&plain, &foreign).is_empty());
}

#[test]
fn networks_that_were_made_before_their_options_were_named_do_not_differ() {
    let body = json!({ "Name": "m.net", "Driver": "bridge", "Options": { "x": "y" } });
    let mut live = made(&body);
    live["Options"]["engine"] = json!("z");
    live["Labels"]["dfab.specification"] = json!("1 Name CheckDuplicate Driver Options");
    assert!(network(&body, &live).is_empty());
    let plain = json!({ "Name": "m.net", "Driver": "bridge" });
    assert_eq!(
        fields(network(&plain, &live)),
        ["Options.x", "Options.engine"]
    );
}

#[test]
fn labels_of_volumes_are_compared() {
    let body = json!({ "Name": "v", "Labels": { "a": "1", "b": "2" } });
    let mut live = labelled(body.clone(), "m", "v", None);
    live["Driver"] = json!("local");
    assert!(volume(&body, &live).is_empty());
    let other = json!({ "Name": "v", "Labels": { "a": "3" } });
    assert_eq!(fields(volume(&other, &live)), ["Labels.a", "Labels.b"]);
    let none = json!({ "Name": "v" });
    assert_eq!(fields(volume(&none, &live)), ["Labels.a", "Labels.b"]);
    live["Labels"] = json!({ "a": "1", "b": "2", "c": "3" });
    assert!(volume(&none, &live).is_empty());
}
