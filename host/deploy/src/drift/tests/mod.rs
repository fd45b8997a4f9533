mod fields;
mod network;
mod others;
mod resource;

use std::collections::HashMap;

use dfab_engine::{ContainerState, ObservedContainer};
use serde_json::json;

use super::*;

/// An engine with an image, a network and a container, as it tells of them.
struct Engine {
    snapshot: Snapshot,
    details: Details,
}

impl Engine {
    fn new() -> Self {
        let mut snapshot = Snapshot::default();
        snapshot.images.insert("app:1".into(), "sha256:a".into());
        snapshot.networks.insert("m.net".into(), "n1".into());
        snapshot.networks.insert("bridge".into(), "n0".into());
        let parent = ObservedContainer {
            id: "c0ffee".into(),
            state: ContainerState::Running,
            exit_code: None,
            health: None,
            image: "app:1".into(),
            image_id: "sha256:a".into(),
            labels: Default::default(),
            volumes: Vec::new(),
            networks: Vec::new(),
        };
        snapshot.containers.insert("m.parent".into(), parent);
        let image = json!({ "Id": "sha256:a", "Config": {
            "Env": ["PATH=/bin", "LANG=C"], "Cmd": ["serve"], "User": "app",
            "Labels": { "vendor": "x" }, "Volumes": { "/data": {} }, "ExposedPorts": { "80/tcp": {} },
            "Healthcheck": { "Test": ["CMD", "check"], "Interval": 5_000_000_000_i64 },
        }});
        Self {
            snapshot,
            details: Details {
                images: HashMap::from([("sha256:a".to_owned(), image)]),
                ..Details::default()
            },
        }
    }

    fn differences(&self, body: &Value, networks: &[(String, Value)], live: &Value) -> Vec<String> {
        let wanted = Wanted {
            body,
            networks: Some(networks.to_vec()),
        };
        let scene = Scene {
            snapshot: &self.snapshot,
            details: &self.details,
        };
        let found = container(&wanted, live, scene);
        found
            .iter()
            .map(|one| {
                let remedy = match &one.remedy {
                    Remedy::Recreate => "recreate".to_owned(),
                    Remedy::Update => "update".to_owned(),
                    Remedy::Connect(name) => format!("connect {name}"),
                    Remedy::Disconnect(name) => format!("disconnect {name}"),
                    Remedy::Reconnect(name) => format!("reconnect {name}"),
                    Remedy::Restart => "restart".to_owned(),
                };
                format!("{}: {remedy}", one.field)
            })
            .collect()
    }
}

/// What the engine tells of a container made of `app:1` with nothing else, by dfab.
fn live() -> Value {
    json!({
        "Id": "0123456789abcdef", "Image": "sha256:a",
        "Config": {
            "Image": "app:1", "Hostname": "0123456789ab", "User": "app", "Cmd": ["serve"],
            "Env": ["PATH=/bin", "LANG=C"], "Entrypoint": null, "WorkingDir": "", "Tty": false,
            "Labels": { "vendor": "x", "dfab.map": "m", "dfab.specification": "1 Image" },
            "Volumes": { "/data": {} }, "ExposedPorts": { "80/tcp": {} },
            "Healthcheck": { "Test": ["CMD", "check"], "Interval": 5_000_000_000_i64 },
        },
        "HostConfig": {
            "NetworkMode": "bridge", "RestartPolicy": { "Name": "no", "MaximumRetryCount": 0 },
            "Memory": 0, "MemorySwap": 0, "LogConfig": { "Type": "journald", "Config": {} },
            "ShmSize": 67_108_864, "SecurityOpt": null, "Binds": null, "Links": null,
            "PidsLimit": null, "IpcMode": "private", "CgroupnsMode": "private",
        },
        "NetworkSettings": { "Networks": { "bridge": { "NetworkID": "n0", "Aliases": null } } },
        "Mounts": [],
    })
}

fn with(mut value: Value, path: &str, new: Value) -> Value {
    let mut place = &mut value;
    for part in path.split('/') {
        place = &mut place[part];
    }
    *place = new;
    value
}

fn plain() -> Value {
    json!({ "Image": "app:1" })
}

#[test]
fn what_the_image_and_the_engine_fill_in_is_no_difference() {
    let engine = Engine::new();
    assert!(engine.differences(&plain(), &[], &live()).is_empty());
    // Nor in a container that someone else made.
    let foreign = with(
        live(),
        "Config/Labels",
        json!({ "vendor": "x", "com.example": "1" }),
    );
    assert!(engine.differences(&plain(), &[], &foreign).is_empty());
}

#[test]
fn an_entry_point_is_compared_with_its_command() {
    let engine = Engine::new();
    let body = json!({ "Image": "app:1", "Entrypoint": ["/init", "-v"], "Cmd": ["serve"] });
    let same = with(live(), "Config/Entrypoint", json!(["/init", "-v"]));
    assert!(engine.differences(&body, &[], &same).is_empty());
    for other in [json!(null), json!(["/init"]), json!(["-v", "/init"])] {
        let differs = with(live(), "Config/Entrypoint", other);
        let found = engine.differences(&body, &[], &differs);
        assert_eq!(found, ["Entrypoint: recreate"]);
    }
    // Taken out of the map: the image has none.
    assert_eq!(
        engine.differences(&plain(), &[], &same),
        ["Entrypoint: recreate"]
    );
}

#[test]
fn where_an_entry_point_ends_and_its_command_begins_is_no_difference() {
    let engine = Engine::new();
    let body = json!({ "Image": "app:1", "Entrypoint": ["/bin/sh", "-c"], "Cmd": ["sleep 9"] });
    let here = |entry_point: Value, command: Value| {
        let live = with(live(), "Config/Entrypoint", entry_point);
        with(live, "Config/Cmd", command)
    };
    for same in [
        here(json!(["/bin/sh", "-c"]), json!(["sleep 9"])),
        here(json!(["/bin/sh"]), json!(["-c", "sleep 9"])),
        here(json!(null), json!(["/bin/sh", "-c", "sleep 9"])),
        here(json!(["/bin/sh", "-c", "sleep 9"]), json!(null)),
    ] {
        assert!(engine.differences(&body, &[], &same).is_empty(), "{same}");
    }
    let other = here(json!(["/bin/sh"]), json!(["-c", "sleep", "9"]));
    let found = engine.differences(&body, &[], &other);
    assert_eq!(found, ["Entrypoint: recreate", "Cmd: recreate"]);
    // An entry point alone takes away the image's command.
    let alone = json!({ "Image": "app:1", "Entrypoint": ["/init", "-v"] });
    let same = here(json!(["/init"]), json!(["-v"]));
    assert!(engine.differences(&alone, &[], &same).is_empty());
    let other = here(json!(["/init"]), json!(["-v", "serve"]));
    let found = engine.differences(&alone, &[], &other);
    assert_eq!(found, ["Entrypoint: recreate", "Cmd: recreate"]);
    // Without one in the map the image says what is its entry point.
    let command = json!({ "Image": "app:1", "Cmd": ["/init", "-v"] });
    let found = engine.differences(&command, &[], &same);
    assert_eq!(found, ["Entrypoint: recreate", "Cmd: recreate"]);
}

#[test]
fn a_check_by_a_shell_is_not_one_without() {
    let engine = Engine::new();
    let body = json!({ "Image": "app:1", "Healthcheck": { "Test": ["CMD", "true"] } });
    let check = json!({ "Test": ["CMD-SHELL", "true"], "Interval": 5_000_000_000_i64 });
    let shell = with(live(), "Config/Healthcheck", check);
    // The image may have no shell.
    assert_eq!(
        engine.differences(&body, &[], &shell),
        ["Healthcheck: recreate"]
    );
}

#[test]
fn a_health_check_is_compared_with_what_the_image_adds_to_it() {
    let engine = Engine::new();
    let check = |check: Value| json!({ "Image": "app:1", "Healthcheck": check });
    let here = |check: Value| with(live(), "Config/Healthcheck", check);
    let own = check(json!({ "Test": ["CMD", "own"], "Retries": 3 }));
    // The image's interval is that of a check which has none.
    let same = json!({ "Test": ["CMD", "own"], "Retries": 3, "Interval": 5_000_000_000_i64 });
    assert!(
        engine
            .differences(&own, &[], &here(same.clone()))
            .is_empty()
    );
    for (field, other) in [
        ("Test", json!(["CMD", "other"])),
        ("Retries", json!(4)),
        ("Interval", json!(1)),
        ("Timeout", json!(1)),
    ] {
        let differs = here(with(same.clone(), field, other));
        let found = engine.differences(&own, &[], &differs);
        assert_eq!(found, ["Healthcheck: recreate"], "{field}");
    }
    // Taken out of the map, the image's is wanted; taken away, none is.
    let left = here(same);
    assert_eq!(
        engine.differences(&plain(), &[], &left),
        ["Healthcheck: recreate"]
    );
    let none = check(json!({ "Test": ["NONE"] }));
    assert_eq!(
        engine.differences(&none, &[], &live()),
        ["Healthcheck: recreate"]
    );
}

#[test]
fn environment_and_labels_are_compared_by_name_and_tell_no_values() {
    let engine = Engine::new();
    let body = json!({ "Image": "app:1", "Env": ["A=1", "LANG=de"], "Labels": { "a": "1" } });
    let same = with(live(), "Config/Env", json!(["PATH=/bin", "LANG=de", "A=1"]));
    let same = with(same, "Config/Labels/a", json!("1"));
    assert!(engine.differences(&body, &[], &same).is_empty());
    let found = engine.differences(&body, &[], &live());
    assert_eq!(
        found,
        [
            "Env.A: recreate",
            "Env.LANG: recreate",
            "Labels.a: recreate"
        ]
    );
    // Removed from the map (the original never saw that).
    let found = engine.differences(&plain(), &[], &same);
    assert_eq!(
        found,
        [
            "Env.LANG: recreate",
            "Env.A: recreate",
            "Labels.a: recreate"
        ]
    );
    let wanted = Wanted {
        body: &json!({ "Image": "app:1", "Env": ["PASSWORD=secret"] }),
        networks: None,
    };
    let scene = Scene {
        snapshot: &engine.snapshot,
        details: &engine.details,
    };
    let told = format!("{:?}", container(&wanted, &live(), scene));
    assert!(
        told.contains("Env.PASSWORD") && !told.contains("secret"),
        "{told}"
    );
}

#[test]
fn ipv6_bindings_and_numbers_are_equal_however_they_are_written() {
    let engine = Engine::new();
    // B-19, B-20
    let body = json!({ "Image": "app:1", "Env": ["N=5"], "HostConfig": { "PortBindings": {
        "80/tcp": [{ "HostIp": "fe80::1", "HostPort": 8443 }, { "HostPort": "80" }],
    }}});
    let same = with(live(), "Config/Env", json!(["PATH=/bin", "LANG=C", "N=5"]));
    let same = with(
        same,
        "HostConfig/PortBindings",
        json!({ "80/tcp": [
            { "HostIp": "0.0.0.0", "HostPort": "80" },
            { "HostIp": "fe80:0:0:0:0:0:0:1", "HostPort": "8443" },
        ]}),
    );
    assert!(engine.differences(&body, &[], &same).is_empty());
}

#[test]
fn an_image_is_known_by_its_id() {
    let mut engine = Engine::new();
    engine
        .snapshot
        .images
        .insert("app:1".into(), "sha256:b".into());
    assert_eq!(
        engine.differences(&plain(), &[], &live()),
        ["Image: recreate"]
    );
    // Where the engine has no such image, by its name.
    let other = json!({ "Image": "app:2" });
    assert_eq!(
        engine.differences(&other, &[], &live()),
        ["Image: recreate"]
    );
    engine.snapshot.images.clear();
    assert!(engine.differences(&plain(), &[], &live()).is_empty());
}

#[test]
fn volumes_of_another_container_must_be_those_that_it_has_now() {
    // B-21
    let mut engine = Engine::new();
    let mount = |name: &str| json!([{ "Type": "volume", "Name": name, "Destination": "/srv" }]);
    let parent = json!({ "Mounts": mount("new") });
    engine.details.containers.insert("m.parent".into(), parent);
    let body = json!({ "Image": "app:1", "HostConfig": { "VolumesFrom": ["m.parent:ro"] } });
    let live = with(live(), "HostConfig/VolumesFrom", json!(["m.parent:ro"]));
    let same = with(live.clone(), "Mounts", mount("new"));
    assert!(engine.differences(&body, &[], &same).is_empty());
    let old = with(live, "Mounts", mount("old"));
    assert_eq!(
        engine.differences(&body, &[], &old),
        ["Mounts./srv: recreate"]
    );
}

#[test]
fn limits_that_the_engine_cannot_keep_are_not_compared() {
    let mut engine = Engine::new();
    let body = json!({ "Image": "app:1", "HostConfig": { "Memory": 1024, "MemorySwap": 4096 } });
    let here = with(live(), "HostConfig/Memory", json!(1024));
    assert_eq!(
        engine.differences(&body, &[], &here),
        ["HostConfig.MemorySwap: update"]
    );
    engine.details.engine = json!({ "SwapLimit": false });
    assert!(engine.differences(&body, &[], &here).is_empty());
    // Twice the memory is what the engine gives without a limit for the swap.
    let foreign = with(live(), "Config/Labels", json!({ "vendor": "x" }));
    let foreign = with(foreign, "HostConfig/Memory", json!(1024));
    let foreign = with(foreign, "HostConfig/MemorySwap", json!(2048));
    let body = json!({ "Image": "app:1", "HostConfig": { "Memory": 1024 } });
    assert!(engine.differences(&body, &[], &foreign).is_empty());
}

#[test]
fn limits_of_which_an_engine_warns_are_not_compared() {
    let mut engine = Engine::new();
    let limits = json!({
        "BlkioWeight": 300, "MemorySwappiness": 5,
        "BlkioWeightDevice": [{ "Path": "/dev/x", "Weight": 10 }],
        "BlkioDeviceReadBps": [{ "Path": "/dev/x", "Rate": 1 }],
        "BlkioDeviceWriteIOps": [{ "Path": "/dev/x", "Rate": 1 }],
    });
    let body = json!({ "Image": "app:1", "HostConfig": limits });
    let all = [
        "HostConfig.BlkioWeightDevice: recreate",
        "HostConfig.BlkioDeviceReadBps: recreate",
        "HostConfig.BlkioDeviceWriteIOps: recreate",
        "HostConfig.BlkioWeight: update",
        "HostConfig.MemorySwappiness: recreate",
    ];
    let only = |kept: &[usize]| kept.iter().map(|index| all[*index]).collect::<Vec<_>>();
    for (info, kept) in [
        (json!({}), &[0, 1, 2, 3, 4][..]),
        (
            json!({ "Warnings": null, "CgroupVersion": "1", "KernelVersion": "4.19.0" }),
            &[0, 1, 2, 3, 4],
        ),
        (
            json!({ "Warnings": ["WARNING: No blkio weight support"] }),
            &[0, 1, 2, 4],
        ),
        (
            json!({ "Warnings": [
                "WARNING: No io.weight support", "WARNING: No io.weight (per device) support",
                "WARNING: No io.max (rbps) support",
            ]}),
            &[2, 4],
        ),
        (
            json!({ "Warnings": ["WARNING: No blkio throttle.write_iops_device support"] }),
            &[0, 1, 3, 4],
        ),
        // Nothing warns of weights that the older control groups of a newer Linux do not have.
        (
            json!({ "CgroupVersion": "1", "KernelVersion": "6.18.44-x" }),
            &[1, 2, 4],
        ),
        (json!({ "KernelVersion": "5.10" }), &[1, 2, 4]),
        (
            json!({ "CgroupVersion": "2", "KernelVersion": "6.1" }),
            &[0, 1, 2, 3],
        ),
    ] {
        engine.details.engine = info.clone();
        assert_eq!(
            engine.differences(&body, &[], &live()),
            only(kept),
            "{info}"
        );
    }
}

#[test]
fn no_limit_of_processes_has_several_numbers() {
    let engine = Engine::new();
    let body = |limit: Value| json!({ "Image": "app:1", "HostConfig": { "PidsLimit": limit } });
    let here = |limit: Value| with(live(), "HostConfig/PidsLimit", limit);
    for wanted in [json!(-1), json!(0), json!(null)] {
        for found in [json!(-1), json!(0), json!(null)] {
            let none = engine.differences(&body(wanted.clone()), &[], &here(found));
            assert!(none.is_empty(), "{wanted}: {none:?}");
        }
    }
    // It can be taken away in place where the map says so.
    assert_eq!(
        engine.differences(&body(json!(-1)), &[], &here(json!(5))),
        ["HostConfig.PidsLimit: update"]
    );
    assert_eq!(
        engine.differences(&body(json!(5)), &[], &here(json!(-1))),
        ["HostConfig.PidsLimit: update"]
    );
}

#[test]
fn an_update_keeps_the_swap_and_a_log_driver_may_add_options() {
    let engine = Engine::new();
    let host =
        json!({ "Memory": 2048, "MemorySwap": 8192, "LogConfig": { "Config": { "tag": "x" } } });
    let body = json!({ "Image": "app:1", "HostConfig": host });
    let here = with(live(), "HostConfig/Memory", json!(1024));
    let here = with(here, "HostConfig/MemorySwap", json!(8192));
    let log = json!({ "Type": "json-file", "Config": { "tag": "x", "max-size": "1m" } });
    let here = with(here, "HostConfig/LogConfig", log);
    assert_eq!(
        engine.differences(&body, &[], &here),
        ["HostConfig.Memory: update"]
    );
    let wanted = Wanted {
        body: &body,
        networks: None,
    };
    let scene = Scene {
        snapshot: &engine.snapshot,
        details: &engine.details,
    };
    let found = container(&wanted, &here, scene);
    assert_eq!(
        update_body(&body, &found),
        json!({ "Memory": 2048, "MemorySwap": 8192 })
    );
}
