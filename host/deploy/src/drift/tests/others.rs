//! What a container had from others.

use serde_json::{Value, json};

use super::{Engine, live, with};

/// What an engine tells of a container, with the seconds of its times.
fn container(id: &str, created: &str, started: Option<&str>, mode: &str) -> Value {
    let time = |seconds: &str| format!("2026-01-01T00:00:{seconds}Z");
    json!({
        "Id": id, "Created": time(created),
        "State": { "Running": started.is_some(), "StartedAt": time(started.unwrap_or(created)) },
        "HostConfig": { "NetworkMode": mode },
    })
}

fn at(created: &str, started: &str) -> Value {
    let own = container("", created, Some(started), "bridge");
    let live = with(live(), "Created", own["Created"].clone());
    with(live, "State", own["State"].clone())
}

#[test]
fn a_link_is_dead_where_its_container_was_made_anew() {
    let mut engine = Engine::new();
    let body = json!({ "Image": "app:1", "HostConfig": { "Links": ["m.db:db"] } });
    let here = with(
        at("05", "06"),
        "HostConfig/Links",
        json!(["/m.db:/m.web/db"]),
    );
    let mut differences = |created: &str, body: &Value, live: &Value| {
        let target = container("db", created, Some("59"), "bridge");
        engine.details.containers.insert("m.db".into(), target);
        engine.differences(body, &[], live)
    };
    // As texts, these would be in another order.
    for earlier in ["04", "04.9999", "05"] {
        assert!(differences(earlier, &body, &here).is_empty(), "{earlier}");
    }
    for later in ["05.1", "06"] {
        let found = differences(later, &body, &here);
        assert_eq!(found, ["HostConfig.Links: recreate"], "{later}");
    }
    // Told once.
    let other = with(
        here.clone(),
        "HostConfig/Links",
        json!(["/m.db:/m.web/other"]),
    );
    let found = differences("06", &body, &other);
    assert_eq!(found, ["HostConfig.Links: recreate"]);
    // In a network of one's own it is a name.
    let own = with(body.clone(), "HostConfig/NetworkMode", json!("m.net"));
    let there = with(here.clone(), "HostConfig/NetworkMode", json!("m.net"));
    let there = with(there, "HostConfig/Links", json!(null));
    let found = differences("06", &own, &there);
    assert!(
        !found.iter().any(|one| one.starts_with("HostConfig.Links")),
        "{found:?}"
    );
    // What is not known is no difference; nor what the clock has still before it.
    engine.details.engine = json!({ "SystemTime": "2026-01-01T00:00:05.5Z" });
    assert!(engine.differences(&body, &[], &here).is_empty());
    engine.details.containers.clear();
    assert!(engine.differences(&body, &[], &here).is_empty());
}

#[test]
fn a_network_is_lost_by_a_start_of_the_container_that_has_it() {
    let mut engine = Engine::new();
    let body = json!({ "Image": "app:1", "HostConfig": { "NetworkMode": "container:m.parent" } });
    let mode = json!("container:c0ffee");
    let here = with(at("05", "10"), "HostConfig/NetworkMode", mode.clone());
    let mut put = |started: Option<&str>, mode: &str| {
        let parent = container("c0ffee", "01", started, mode);
        engine.details.containers.insert("m.parent".into(), parent);
        engine.differences(&body, &[], &here)
    };
    let restart = ["HostConfig.NetworkMode: restart"];
    assert!(put(Some("09.9"), "bridge").is_empty());
    assert!(put(Some("10"), "bridge").is_empty());
    assert_eq!(put(Some("10.5"), "bridge"), restart);
    assert_eq!(put(None, "bridge"), restart);
    // It has another one's in its turn.
    assert!(put(Some("09"), "container:beef").is_empty());
    let grandparent = |started| container("beef", "01", started, "bridge");
    let all = &mut engine.details.containers;
    all.insert("m.grandparent".into(), grandparent(Some("08")));
    assert!(engine.differences(&body, &[], &here).is_empty());
    let all = &mut engine.details.containers;
    all.insert("m.grandparent".into(), grandparent(Some("09.5")));
    assert_eq!(engine.differences(&body, &[], &here), restart);
    // One that the engine removes at its end cannot be started again.
    let removed = with(here.clone(), "HostConfig/AutoRemove", json!(true));
    let found = engine.differences(&body, &[], &removed);
    assert!(
        found.contains(&"HostConfig.NetworkMode: recreate".to_owned()),
        "{found:?}"
    );
    // One that does not run loses nothing.
    let ended = with(here.clone(), "State/Running", json!(false));
    assert!(engine.differences(&body, &[], &ended).is_empty());
    engine.details.containers.clear();
    assert!(engine.differences(&body, &[], &here).is_empty());
}
