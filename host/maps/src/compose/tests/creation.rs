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
