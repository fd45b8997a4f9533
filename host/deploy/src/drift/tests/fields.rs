//! Each field of the body of a creation.

use serde_json::json;

use super::{Engine, live, plain, with};

#[test]
fn every_field_of_a_container_is_compared() {
    let engine = Engine::new();
    // Body, the same as the engine tells it, something else, and what is to be done about that.
    let fields = [
        ("User", json!("5"), json!("6"), "recreate"),
        ("WorkingDir", json!("/a"), json!("/b"), "recreate"),
        ("Hostname", json!("a"), json!("b"), "recreate"),
        ("Domainname", json!("a"), json!("b"), "recreate"),
        ("StopSignal", json!("SIGQUIT"), json!("SIGINT"), "recreate"),
        ("StopTimeout", json!(5), json!(6), "recreate"),
        ("Tty", json!(true), json!(false), "recreate"),
        ("Cmd", json!(["a", "b"]), json!(["a b"]), "recreate"),
        (
            "HostConfig/CapAdd",
            json!(["NET_ADMIN"]),
            json!(["CAP_SYS_TIME"]),
            "recreate",
        ),
        ("HostConfig/CapDrop", json!(["ALL"]), json!([]), "recreate"),
        (
            "HostConfig/Dns",
            json!(["10.0.0.1", "10.0.0.2"]),
            json!(["10.0.0.2", "10.0.0.1"]),
            "recreate",
        ),
        (
            "HostConfig/ExtraHosts",
            json!(["a:1.2.3.4"]),
            json!(null),
            "recreate",
        ),
        (
            "HostConfig/Devices",
            json!([{ "PathOnHost": "/dev/a" }]),
            json!([]),
            "recreate",
        ),
        (
            "HostConfig/Ulimits",
            json!([{ "Name": "nofile", "Soft": 1, "Hard": 2 }]),
            json!([{ "Name": "nofile", "Soft": 1, "Hard": 3 }]),
            "recreate",
        ),
        (
            "HostConfig/LogConfig",
            json!({ "Type": "syslog", "Config": { "tag": "x" } }),
            json!({ "Type": "syslog", "Config": {} }),
            "recreate",
        ),
        (
            "HostConfig/Mounts",
            json!([{ "Type": "tmpfs", "Target": "/t" }]),
            json!([]),
            "recreate",
        ),
        (
            "HostConfig/Binds",
            json!(["/a:/b:ro"]),
            json!(["/a:/b"]),
            "recreate",
        ),
        (
            "HostConfig/PortBindings",
            json!({ "80/tcp": [{ "HostPort": "1" }] }),
            json!({ "80/tcp": [{ "HostPort": "2" }] }),
            "recreate",
        ),
        (
            "HostConfig/Privileged",
            json!(true),
            json!(false),
            "recreate",
        ),
        (
            "HostConfig/Sysctls",
            json!({ "a": "1" }),
            json!({ "a": "2" }),
            "recreate",
        ),
        (
            "HostConfig/Tmpfs",
            json!({ "/t": "" }),
            json!({ "/u": "" }),
            "recreate",
        ),
        (
            "HostConfig/SecurityOpt",
            json!(["no-new-privileges"]),
            json!(["label=disable"]),
            "recreate",
        ),
        ("HostConfig/PidMode", json!("host"), json!(""), "recreate"),
        (
            "HostConfig/AFieldOfTomorrow",
            json!("a"),
            json!("b"),
            "recreate",
        ),
        ("HostConfig/Memory", json!(1024), json!(2048), "update"),
        ("HostConfig/CpuShares", json!(5), json!(0), "update"),
        ("HostConfig/PidsLimit", json!(5), json!(6), "update"),
        ("HostConfig/BlkioWeight", json!(500), json!(300), "update"),
        (
            "HostConfig/CpuPeriod",
            json!(100_000),
            json!(50_000),
            "update",
        ),
        (
            "HostConfig/CpuQuota",
            json!(50_000),
            json!(20_000),
            "update",
        ),
        (
            "HostConfig/CpusetCpus",
            json!("0-2"),
            json!("0,1"),
            "update",
        ),
        ("HostConfig/CpusetMems", json!("0"), json!(""), "update"),
        (
            "HostConfig/MemoryReservation",
            json!(512),
            json!(1024),
            "update",
        ),
        (
            "HostConfig/RestartPolicy",
            json!({ "Name": "always" }),
            json!({ "Name": "no" }),
            "update",
        ),
    ];
    for (path, wanted, other, remedy) in fields {
        let (field, body, here) = match path.strip_prefix("HostConfig/") {
            Some(name) => (
                format!("HostConfig.{name}"),
                json!({ "Image": "app:1", "HostConfig": { name: wanted } }),
                path.to_owned(),
            ),
            None => (
                path.to_owned(),
                json!({ "Image": "app:1", path: wanted }),
                format!("Config/{path}"),
            ),
        };
        let same = with(live(), &here, wanted.clone());
        assert!(engine.differences(&body, &[], &same).is_empty(), "{path}");
        let differs = with(live(), &here, other);
        let found = engine.differences(&body, &[], &differs);
        assert_eq!(found, [format!("{field}: {remedy}")], "{path}");
        // What dfab gave and the map no longer has is found too, and in place nothing is taken away.
        let label = format!("1 Image {field}");
        let taken_out = with(same, "Config/Labels/dfab.specification", json!(label));
        let found = engine.differences(&plain(), &[], &taken_out);
        assert_eq!(found, [format!("{field}: recreate")], "{path} taken out");
    }
}

#[test]
fn ten_seconds_to_end_in_are_what_the_engine_gives() {
    let engine = Engine::new();
    let body = |seconds: i64| json!({ "Image": "app:1", "StopTimeout": seconds });
    let found = |wanted: &serde_json::Value, live_seconds| {
        let live = with(live(), "Config/StopTimeout", live_seconds);
        engine.differences(wanted, &[], &live)
    };
    assert!(found(&body(10), json!(null)).is_empty());
    assert!(found(&plain(), json!(10)).is_empty());
    for (wanted, live_seconds) in [(0, json!(null)), (0, json!(10)), (9, json!(null))] {
        let told = found(&body(wanted), live_seconds);
        assert_eq!(told, ["StopTimeout: recreate"], "{wanted}");
    }
}
