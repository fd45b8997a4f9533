//! What the engine is given for a map that was imported.

use super::*;

/// What the engine gets is what Compose would have given it.
#[test]
fn bodies_are_those_that_compose_makes() {
    let map = imported(EVERYTHING).map;
    let bodies = bodies(&map);
    let body = |name: &str| -> &Json {
        let found = bodies.iter().find(|(known, _)| known == name);
        &found.unwrap_or_else(|| panic!("no {name}")).1
    };
    let app = &body("value.app.1")["HostConfig"];
    assert_eq!(app["Memory"], json!(3_u64 << 29));
    assert_eq!(app["MemorySwap"], json!(-1));
    assert_eq!(app["CpuQuota"], json!(50_000));
    assert_eq!(app["ShmSize"], json!(64 << 20));
    assert_eq!(
        app["Ulimits"][1],
        json!({ "Name": "nofile", "Soft": 20_000, "Hard": 40_000 })
    );
    assert_eq!(
        app["LogConfig"],
        json!({ "Type": "json-file", "Config": { "max-size": "10m" } })
    );
    assert_eq!(app["Devices"][1]["PathInContainer"], json!("/dev/b"));
    assert_eq!(
        app["ExtraHosts"],
        json!(["a:10.0.0.1", "b:10.0.0.2", "b:::2"])
    );
    let db = &body("value.db")["HostConfig"];
    assert_eq!(db["Binds"], json!(["existing:/var/lib"]));
    assert_eq!(
        db["DeviceRequests"],
        json!([{ "Driver": "nvidia", "Count": -1, "Capabilities": [["gpu"]] }])
    );
    assert_eq!(
        db["RestartPolicy"],
        json!({ "Name": "on-failure", "MaximumRetryCount": 3 })
    );
    assert_eq!(
        db["BlkioDeviceReadBps"],
        json!([{ "Path": "/dev/sda", "Rate": 12 << 20 }])
    );
    assert_eq!(body("value.db")["StopTimeout"], json!(1));
    let web = body("value.web");
    assert_eq!(web["Cmd"], json!(["sh", "-c", "echo $HOME"]));
    assert_eq!(web["User"], json!("1000:1000"));
    assert_eq!(web["Hostname"], json!("www"));
    assert_eq!(web["HostConfig"]["RestartPolicy"], json!({ "Name": "no" }));
    assert_eq!(
        web["HostConfig"]["PortBindings"]["22/tcp"],
        json!([{ "HostPort": "22" }])
    );
    assert_eq!(
        web["HostConfig"]["PortBindings"]["443/tcp"],
        json!([{ "HostIp": "127.0.0.1", "HostPort": "8443" }, { "HostIp": "::1", "HostPort": "8443" }])
    );
    assert_eq!(
        web["HostConfig"]["Tmpfs"],
        json!({ "/tmp": "size=64m,mode=1777", "/run": "size=1m" })
    );
    let sidecar = &body("value.sidecar")["HostConfig"];
    assert_eq!(sidecar["NetworkMode"], json!("container:value.app.1"));
    assert_eq!(
        sidecar["VolumesFrom"],
        json!(["value.app.1:ro", "value.app.2:ro", "other:ro"])
    );
    assert_eq!(
        body("value.sidecar")["Healthcheck"]["Test"],
        json!(["NONE"])
    );
    assert_eq!(
        body("value.outside")["HostConfig"]["NetworkMode"],
        json!("corp")
    );
    assert_eq!(
        body("value.front")["IPAM"]["Config"],
        json!([{ "Subnet": "10.1.0.0/16", "Gateway": "10.1.0.1", "AuxiliaryAddresses": { "a": "10.1.0.2" } }])
    );
    // The container that may write attaches the volume, and is there first.
    let place = |name: &str| bodies.iter().position(|(known, _)| known == name).unwrap();
    assert!(place("value.app.2") < place("value.web"));
    let map = loaded(&map);
    let endpoint = endpoint_body(&map, "web", "value.front");
    let endpoint = endpoint.unwrap().unwrap();
    assert_eq!(endpoint["Aliases"], json!(["web", "shop-web", "www"]));
    assert_eq!(endpoint["IPAMConfig"], json!({ "IPv4Address": "10.1.0.5" }));
}

#[test]
fn services_reach_each_other_by_name_without_a_network_in_the_file() {
    let map = imported("services: {a: {image: x, depends_on: [b]}, b: {image: y}}").map;
    let bodies = bodies(&map);
    let endpoints =
        |index: usize| &bodies[index].1["NetworkingConfig"]["EndpointsConfig"]["shop.default"];
    assert_eq!(endpoints(1), &json!({ "Aliases": ["b"] }));
    assert_eq!(
        endpoints(2),
        &json!({ "Aliases": ["a"], "Links": ["shop.b:b"] })
    );
}

/// A map without quotes would have them as Python writes them.
#[test]
fn booleans_are_variables_as_compose_writes_them() {
    let text = "services: {a: {image: x, environment: {A: true, B: False, C: 1, D: on}}}";
    let bodies = bodies(&imported(text).map);
    let (_, body) = bodies.iter().find(|(name, _)| name == "shop.a").unwrap();
    assert_eq!(body["Env"], json!(["A=true", "B=false", "C=1", "D=on"]));
}

/// Whichever stands first.
#[test]
fn what_deploy_says_goes_before_other_keys() {
    let deploy = "deploy: {replicas: 3, restart_policy: {condition: on-failure}, resources: \
                  {limits: {cpus: '0.5', memory: 64m, pids: 5}, reservations: {memory: 32m, \
                  devices: [{capabilities: [gpu], count: 1}]}}}";
    let others = "restart: always, mem_limit: 128m, cpus: 1, pids_limit: 6, mem_reservation: 16m, \
                  gpus: all, scale: 2";
    for keys in [format!("{deploy}, {others}"), format!("{others}, {deploy}")] {
        let imported = imported(&format!("services:\n  a: {{image: x, {keys}}}\n"));
        let bodies = bodies(&imported.map);
        let (_, body) = bodies.iter().find(|(name, _)| name == "shop.a.3").unwrap();
        let host = &body["HostConfig"];
        assert_eq!(host["RestartPolicy"], json!({ "Name": "on-failure" }));
        assert_eq!(host["Memory"], json!(64 << 20));
        assert_eq!(host["MemoryReservation"], json!(32 << 20));
        assert_eq!(host["CpuQuota"], json!(50_000));
        assert_eq!(host["PidsLimit"], json!(5));
        assert_eq!(host["DeviceRequests"][0]["Count"], json!(1));
        let notes = notes(&imported);
        for (key, path) in [
            ("restart", "restart_policy"),
            ("mem_limit", "resources.limits.memory"),
            ("cpus", "resources.limits.cpus"),
            ("pids_limit", "resources.limits.pids"),
            ("mem_reservation", "resources.reservations.memory"),
            ("gpus", "resources.reservations.devices"),
            ("scale", "replicas"),
        ] {
            let told = format!(
                "line 2: {key} of a is not what deploy.{path} says, which goes before; it is left \
                 out"
            );
            assert!(notes.contains(&told), "{told}: {notes}");
        }
    }
}

#[test]
fn what_deploy_and_other_keys_say_alike_is_not_told() {
    let text = "services:\n  a:\n    image: x\n    restart: always\n    mem_limit: 67108864\n    \
                cpus: 0.50\n    scale: 2\n    deploy: {replicas: 2, restart_policy: {condition: any}, \
                resources: {limits: {cpus: '0.5', memory: 64M}}}\n";
    let imported = imported(text);
    assert!(!notes(&imported).contains("goes before"), "{imported:?}");
    // Nor is what `deploy` says wrongly.
    let text =
        "services: {a: {image: x, mem_limit: 64m, deploy: {resources: {limits: {memory: 1k}}}}}";
    let imported = super::imported(text);
    assert!(imported.map.contains("mem_limit: 64m"), "{imported:?}");
    assert!(!notes(&imported).contains("goes before"), "{imported:?}");
}

#[test]
fn what_is_of_a_wrong_type_is_told() {
    for (of_a, told) in [
        ("image: 3", "image is a text in Compose, not a number"),
        ("user: 1000", "user is a text in Compose, not a number"),
        (
            "hostname: true",
            "hostname is a text in Compose, not a boolean",
        ),
        (
            "command: [sleep, 5]",
            "command is a text in Compose, not a number",
        ),
        ("dns: [~]", "dns is a list of texts in Compose, not null"),
        (
            "networks: [5]",
            "a network is a text in Compose, not a number",
        ),
        ("deploy: [x]", "deploy is a mapping in Compose, not a list"),
        (
            "deploy: {resources: {limits: 5}}",
            "limits is a mapping in Compose, not a number",
        ),
        (
            "logging: syslog",
            "logging is a mapping in Compose, not a text",
        ),
        (
            "healthcheck: curl",
            "healthcheck is a mapping in Compose, not a text",
        ),
        (
            "healthcheck: {disable: x}",
            "disable is true or false in Compose",
        ),
        (
            "ulimits: [5]",
            "ulimits is a mapping in Compose, not a list",
        ),
        ("ulimits: {nofile: }", "the limit nofile has no number"),
        (
            "ulimits: {nofile: {soft: 5, hard: 4}}",
            "the soft limit of nofile is above its hard one",
        ),
        (
            "depends_on: {b: 5}",
            "is a mapping in Compose, not a number",
        ),
        (
            "gpus: [x]",
            "a device request is a mapping in Compose, not a text",
        ),
        (
            "volumes: [{type: volume, source: [v], target: /v}]",
            "source is a text",
        ),
        (
            "volumes: [{type: bind, source: /v, target: /v, read_only: x}]",
            "read_only is true or false in Compose",
        ),
        ("post_start: [x]", "says not what is run"),
        ("mem_limit: 3m", "mem_limit has 3m, which no engine takes"),
        ("cpus: 0.001", "cpus of a is less than an engine gives"),
    ] {
        let imported = imported(&format!("services: {{a: {{{of_a}}}, b: {{image: x}}}}"));
        let notes = notes(&imported);
        assert!(notes.contains(told), "{of_a}: {notes}");
        bodies(&imported.map);
    }
    for (section, told) in [
        (
            "networks: [n]",
            "networks is a mapping in Compose, not a list",
        ),
        ("volumes: v", "volumes is a mapping in Compose, not a text"),
        (
            "networks: {n: {ipam: x}}",
            "ipam is a mapping in Compose, not a text",
        ),
        (
            "networks: {n: {driver: 5}}",
            "driver is a text in Compose, not a number",
        ),
        (
            "volumes: {v: {external: x}}",
            "external is true or false in Compose",
        ),
        ("name: 3", "name is a text in Compose, not a number"),
    ] {
        let imported = imported(&format!("services: {{a: {{image: x}}}}\n{section}\n"));
        let notes = notes(&imported);
        assert!(notes.contains(told), "{section}: {notes}");
    }
    // Of these Compose takes numbers too, and it reads YAML 1.2.
    let text = "services: {a: {image: yes, labels: {a: 1}, group_add: [1], environment: {B: 5}, \
                ports: [80], expose: [81], user: 22:22, sysctls: {c: 1}}}";
    let notes = notes(&imported(text));
    assert!(!notes.contains("is a text in Compose"), "{notes}");
}

#[test]
fn a_volume_belongs_to_the_service_that_the_others_need() {
    let text = "services:\n\
                \x20 web: {image: x, depends_on: [app], volumes: ['v:/v']}\n\
                \x20 app: {image: x, volumes: ['v:/v:ro']}\n\
                volumes: {v: }\n";
    let imported = imported(text);
    assert!(
        imported
            .map
            .contains("  app:\n    image: x\n    attaches: v"),
        "{}",
        imported.map
    );
    assert!(notes(&imported).contains("app attaches v, which is not read-only then"));
    bodies(&imported.map);
}
