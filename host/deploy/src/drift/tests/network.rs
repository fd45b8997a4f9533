//! Networks that a container is in.

use serde_json::{Value, json};

use super::{Engine, live, with};

#[test]
fn connections_are_mended_one_by_one() {
    let engine = Engine::new();
    let body = json!({ "Image": "app:1", "HostConfig": { "NetworkMode": "m.net" } });
    let net = |endpoint: Value| vec![("m.net".to_owned(), endpoint)];
    let connected = |endpoint: Value| {
        let live = with(live(), "HostConfig/NetworkMode", json!("m.net"));
        with(
            live,
            "NetworkSettings/Networks",
            json!({ "m.net": endpoint }),
        )
    };
    // Null aliases (B-22) and another spelling of an address.
    let here = connected(
        json!({ "NetworkID": "n1", "Aliases": null, "IPAMConfig": { "IPv6Address": "fd00::1" } }),
    );
    let address = json!({ "IPAMConfig": { "IPv6Address": "fd00:0::1" } });
    assert!(engine.differences(&body, &net(address), &here).is_empty());
    let reconnect = ["Networks.m.net.IPAMConfig: reconnect m.net"];
    assert_eq!(engine.differences(&body, &net(json!({})), &here), reconnect);
    let reconnect = ["Networks.m.net.Aliases: reconnect m.net"];
    assert_eq!(
        engine.differences(&body, &net(json!({ "Aliases": ["a"] })), &here),
        reconnect
    );
    let links = json!({ "Links": ["m.db:db"] });
    let reconnect = ["Networks.m.net.Links: reconnect m.net"];
    assert_eq!(engine.differences(&body, &net(links), &here), reconnect);
    // Addresses of its own: each differs, and each is missing.
    let wanted = json!({ "IPAMConfig": {
        "IPv4Address": "10.0.0.5", "IPv6Address": "fd00::1", "LinkLocalIPs": ["169.254.0.1", "fe80:0::1"],
    }});
    let same = connected(json!({ "NetworkID": "n1", "IPAMConfig": {
        "IPv4Address": "10.0.0.5", "IPv6Address": "fd00::1", "LinkLocalIPs": ["fe80::1", "169.254.0.1"],
    }}));
    assert!(
        engine
            .differences(&body, &net(wanted.clone()), &same)
            .is_empty()
    );
    for (name, other, field) in [
        ("IPv4Address", json!("10.0.0.6"), "IPAMConfig"),
        ("IPv4Address", json!(null), "IPAMConfig"),
        ("IPv6Address", json!("fd00::2"), "IPAMConfig"),
        (
            "LinkLocalIPs",
            json!(["169.254.0.1"]),
            "IPAMConfig.LinkLocalIPs",
        ),
        ("LinkLocalIPs", json!(null), "IPAMConfig.LinkLocalIPs"),
    ] {
        let place = format!("NetworkSettings/Networks/m.net/IPAMConfig/{name}");
        let differs = with(same.clone(), &place, other);
        let found = engine.differences(&body, &net(wanted.clone()), &differs);
        let reconnect = format!("Networks.m.net.{field}: reconnect m.net");
        assert_eq!(found, [reconnect], "{name}");
    }
    // Another network of the same name; one that is missing; one that is too many.
    let gone = connected(json!({ "NetworkID": "n9" }));
    assert_eq!(
        engine.differences(&body, &net(json!({})), &gone),
        ["Networks.m.net: reconnect m.net"]
    );
    assert_eq!(
        engine.differences(&body, &net(json!({})), &live()),
        [
            "Networks.m.net: connect m.net",
            "Networks.bridge: disconnect bridge"
        ]
    );
}

#[test]
fn what_was_taken_out_of_a_connection_is_told_of_ones_own_containers() {
    let mut engine = Engine::new();
    let body = json!({ "Image": "app:1", "HostConfig": { "NetworkMode": "m.net" } });
    let net = |endpoint: Value| vec![("m.net".to_owned(), endpoint)];
    let here = |endpoint: Value| {
        let live = with(live(), "HostConfig/NetworkMode", json!("m.net"));
        let live = with(live, "Name", json!("/m.web"));
        let live = with(live, "Config/Hostname", json!("m-web"));
        with(
            live,
            "NetworkSettings/Networks",
            json!({ "m.net": endpoint }),
        )
    };
    let body = with(body, "Hostname", json!("m-web"));
    let engines = json!({
        "NetworkID": "n1", "Aliases": ["0123456789ab", "m.web", "m-web"], "IPAMConfig": {},
        "IPAddress": "10.0.0.7",
    });
    assert!(
        engine
            .differences(&body, &net(json!({})), &here(engines))
            .is_empty()
    );
    let found = |engine: &Engine, live: Value| engine.differences(&body, &net(json!({})), &live);
    let aliases = json!({ "NetworkID": "n1", "Aliases": ["old", "0123456789ab"] });
    let addresses =
        |name: &str, value: Value| json!({ "NetworkID": "n1", "IPAMConfig": { name: value } });
    for (left, field) in [
        (aliases, "Aliases"),
        (addresses("IPv4Address", json!("10.0.0.5")), "IPAMConfig"),
        (addresses("IPv6Address", json!("fd00::1")), "IPAMConfig"),
        (
            addresses("LinkLocalIPs", json!(["169.254.0.1"])),
            "IPAMConfig.LinkLocalIPs",
        ),
    ] {
        let reconnect = [format!("Networks.m.net.{field}: reconnect m.net")];
        assert_eq!(found(&engine, here(left.clone())), reconnect);
        // Of somebody else's nobody knows what the map had.
        let foreign = with(here(left), "Config/Labels", json!({ "vendor": "x" }));
        assert!(found(&engine, foreign).is_empty(), "{field}");
    }
    // Where a swarm gives addresses they are told as if they had been asked for.
    let swarm = json!({ "Scope": "swarm" });
    engine.details.networks.insert("m.net".into(), swarm);
    let given = addresses("IPv4Address", json!("10.0.0.5"));
    assert!(found(&engine, here(given)).is_empty());
}

#[test]
fn a_network_of_another_container_is_known_by_its_id() {
    let engine = Engine::new();
    let body = json!({ "Image": "app:1", "HostConfig": { "NetworkMode": "container:m.parent" } });
    let same = with(live(), "HostConfig/NetworkMode", json!("container:c0ffee"));
    let same = with(same, "Config/Hostname", json!("m-parent"));
    let same = with(same, "Config/Domainname", json!("example.org"));
    assert!(engine.differences(&body, &[], &same).is_empty());
    let old = with(same, "HostConfig/NetworkMode", json!("container:decaf"));
    assert_eq!(
        engine.differences(&body, &[], &old),
        ["HostConfig.NetworkMode: recreate"]
    );
}
