//! `!env_lazy`: what waits for a setting that is not set, and what fails without it.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use dfab_maps::{
    BodyError, Client, Diagnostic, Features, Item, MapDefaults, NoSettings, Picture, Project,
    ResolvedMap, Settings, Surroundings, container_body, data_container_body, document_json,
    endpoint_body, examine_map, format_map, load_clients, load_map, network_body, read_clients,
    volume_body,
};
use indexmap::IndexMap;
use serde_json::{Value, json};

const TAG: &str = "!env_lazy key";
const HELP: &str = "set it under `settings` in dfab.yaml, or give --set key=VALUE";

/// The only setting there is.
struct Key(&'static str);

impl Settings for Key {
    fn setting(&self, name: &str) -> Option<Value> {
        (name == "key").then(|| json!(self.0))
    }

    fn variable(&self, _: &str) -> Option<String> {
        None
    }
}

fn loaded(text: &str, settings: &dyn Settings) -> (ResolvedMap, String) {
    let loaded = load_map(text, "m.yaml", "m", settings);
    let loaded = loaded.unwrap_or_else(|error| panic!("{error}\n{text}"));
    let warnings: Vec<_> = loaded.warnings.iter().map(Diagnostic::to_string).collect();
    (loaded.value, warnings.join("\n"))
}

fn made(map: &ResolvedMap, config: &str, instance: Option<&str>) -> Result<Value, BodyError> {
    let features = Features::for_api(1, 41);
    container_body(map, config, instance, &Client::default_client(), &features)
}

/// Where a text asks for the setting.
fn place(text: &str) -> String {
    let (before, _) = text.split_once(TAG).unwrap();
    let line = before.rsplit('\n').next().unwrap();
    format!("{}:{}", before.matches('\n').count() + 1, line.len() + 1)
}

fn missed(text: &str) -> String {
    let place = place(text);
    format!("the setting key is not set, which m.yaml:{place} asks for; {HELP}")
}

/// Without the setting there is a warning, and only those that need it fail; with it nobody does.
fn assert_waits(text: &str, value: &'static str, without: &str, need: &[&str], others: &[&str]) {
    let (map, warnings) = loaded(text, &NoSettings);
    let place = place(text);
    let told = format!("the setting key is not set; without it {without}");
    assert_eq!(
        warnings,
        format!("m.yaml:{place}: warning: {told}\n  help: {HELP}")
    );
    for config in need {
        let error = made(&map, config, None).unwrap_err();
        assert_eq!(error.to_string(), missed(text), "{config}\n{text}");
    }
    for config in others {
        let body = made(&map, config, None);
        body.unwrap_or_else(|error| panic!("{config}: {error}\n{text}"));
    }
    assert_shown(text, &map);

    let (map, warnings) = loaded(text, &Key(value));
    assert_eq!(warnings, "", "{text}");
    for config in need.iter().chain(others) {
        let body = made(&map, config, None);
        body.unwrap_or_else(|error| panic!("{config}: {error}\n{text}"));
    }
}

/// The map can be checked, shown, drawn and formatted all the same.
fn assert_shown(text: &str, map: &ResolvedMap) {
    let surroundings = Surroundings {
        clients: &IndexMap::new(),
        are_clients_whole: true,
        hosts: &[],
    };
    assert_eq!(examine_map(map, surroundings), [], "{text}");
    // What waits is left out.
    assert!(!map.json().to_string().contains("key"), "{text}");
    let document = document_json(text, "m.yaml", &NoSettings).unwrap().value;
    assert!(!document.to_string().contains("key"), "{text}");
    assert!(format_map(text, "m.yaml").unwrap().contains(TAG), "{text}");
    let project = Project::new(vec![map.clone()]).unwrap();
    assert!(!Picture::new(&project).dot().is_empty(), "{text}");
}

#[test]
fn parts_of_image_names_wait_for_the_containers_that_have_them() {
    assert_waits(
        "repository: !env_lazy key\n\
         a: {image: a}\nb:\nc: {image: team/c}\nd: {image: /d}\n",
        "registry.example.com",
        "containers whose images are named with the repository cannot be created or compared",
        &["a", "b"],
        &["c", "d"],
    );
    assert_waits(
        "default_tag: !env_lazy key\na: {image: a}\nb: {image: team/b}\nc: {image: 'c:1'}\n",
        "1.2",
        "containers whose images have no tag of their own cannot be created or compared",
        &["a", "b"],
        &["c"],
    );
    // No image is called as what stands for the setting, and none is pulled by such a name.
    let text = "repository: !env_lazy key\na: {image: web}\nb: {image: /web}\n";
    let (map, _) = loaded(text, &NoSettings);
    let image = |config: &str| map.container_image(config).unwrap();
    assert_eq!(map.engine_name(&image("a")), "<key>/web:latest");
    assert_eq!(map.engine_name(&image("b")), "web:latest");
    let refused = map.require_settings(&image("a")).unwrap_err();
    assert_eq!(refused.to_string(), missed(text));
    assert_eq!(map.require_settings(&image("b")), Ok(()));
    let (map, _) = loaded(text, &Key("r.example.com"));
    let image = map.container_image("a").unwrap();
    assert_eq!(map.engine_name(&image), "r.example.com/web:latest");
    assert_eq!(map.require_settings(&image), Ok(()));
}

#[test]
fn paths_of_volumes_wait_for_the_containers_that_mount_them_there() {
    assert_waits(
        "volumes: {data: {default_path: !env_lazy key}}\nhost: {data: /srv}\n\
         a: {image: x, binds: data}\nb: {image: x, attaches: {data: /own}}\n\
         c: {image: x, uses: {data: /other}}\nd: {image: x, uses: data}\n",
        "/data",
        "containers that mount data cannot be created or compared",
        &["a"],
        &["b", "c", "d"],
    );
    assert_waits(
        "volumes: {data: {default_path: !env_lazy key}}\n\
         a: {image: x, attaches: data}\nb: {image: x, uses: data}\n\
         c: {image: x, uses: {data: /other}}\n",
        "/data",
        "containers that mount data cannot be created or compared",
        &["a", "b"],
        &["c"],
    );
    // Written so it may be more than a path.
    let text = "volumes: {data: !env_lazy key}\na: {image: x, attaches: data}\nb: {image: x}\n";
    assert_waits(
        text,
        "/data",
        "the volume data and containers that mount it cannot be created or compared",
        &["a"],
        &["b"],
    );
    let (map, _) = loaded(text, &NoSettings);
    let holder = data_container_body(&map, "a", "data").unwrap_err();
    assert_eq!(holder.to_string(), missed(text));
    let volume = volume_body(&map, "a", "data").unwrap_err();
    assert_eq!(volume.to_string(), missed(text));
}

#[test]
fn paths_on_the_host_wait_for_the_containers_that_bind_them() {
    assert_waits(
        "volumes: {data: /data}\nhost: {data: !env_lazy key}\n\
         a: {image: x, binds: data}\nb: {image: x, attaches: data}\nc: {image: x, uses: data}\n",
        "/srv",
        "containers that bind data cannot be created or compared",
        &["a"],
        &["b", "c"],
    );
    for root in ["host_root: !env_lazy key", "host: {root: !env_lazy key}"] {
        let text = format!(
            "{root}\nvolumes: {{d: /d}}\n\
             a: {{image: x, binds: {{/c: c}}}}\nb: {{image: x, binds: {{/c: /c}}}}\n\
             c: {{image: x, attaches: d}}\n"
        );
        assert_waits(
            &text,
            "/srv",
            "containers that bind relative paths cannot be created or compared",
            &["a"],
            &["b", "c"],
        );
    }
    // Each instance has its own.
    let text = "volumes: {data: /data}\nhost: {data: {one: !env_lazy key, two: /two}}\n\
                a: {image: x, instances: [one, two], binds: data}\n";
    let (map, _) = loaded(text, &NoSettings);
    let one = made(&map, "a", Some("one")).unwrap_err();
    assert_eq!(one.to_string(), missed(text));
    let two = made(&map, "a", Some("two")).unwrap();
    assert_eq!(two["HostConfig"]["Binds"], json!(["/two:/data:rw"]));
    let (map, _) = loaded(text, &Key("/one"));
    let one = made(&map, "a", Some("one")).unwrap();
    assert_eq!(one["HostConfig"]["Binds"], json!(["/one:/data:rw"]));
}

#[test]
fn options_wait_for_what_is_made_with_them_and_for_its_containers() {
    for options in [
        "driver_options: {o: !env_lazy key}",
        "create_options: {labels: {o: !env_lazy key}}",
    ] {
        let text = format!(
            "networks: {{n: {{{options}}}, o: null}}\n\
             a: {{image: x, networks: [o, n]}}\nb: {{image: x, networks: o}}\n"
        );
        assert_waits(
            &text,
            "1400",
            "the network n and containers in it cannot be created or compared",
            &["a"],
            &["b"],
        );
        let (map, _) = loaded(&text, &NoSettings);
        let error = network_body(&map, "n").unwrap_err();
        assert_eq!(error.to_string(), missed(&text));
        assert!(network_body(&map, "o").is_ok());

        let text = format!(
            "volumes: {{v: {{default_path: /v, {options}}}, w: /w}}\nhost: {{v: /srv}}\n\
             a: {{image: x, attaches: [v, w]}}\nb: {{image: x, uses: v}}\n\
             c: {{image: x, binds: v}}\nd: {{image: x, uses: w}}\n"
        );
        assert_waits(
            &text,
            "1400",
            "the volume v and containers that mount it cannot be created or compared",
            &["a", "b"],
            &["c", "d"],
        );
        let (map, _) = loaded(&text, &NoSettings);
        let error = volume_body(&map, "a", "v").unwrap_err();
        assert_eq!(error.to_string(), missed(&text));
        assert!(volume_body(&map, "a", "w").is_ok());
        // It has no options of the volume.
        assert!(data_container_body(&map, "a", "v").is_ok());
    }
    // There may be a subnet among them.
    let text = "networks: {n: {create_options: {IPAM: !env_lazy key}}}\n\
                a: {image: x, networks: {n: {ipv4_address: 10.1.0.2}}}\n";
    assert_shown(text, &loaded(text, &NoSettings).0);
}

#[test]
fn endpoints_wait_for_their_containers() {
    for endpoint in [
        "{n: !env_lazy key}",
        "{n: {aliases: [www, !env_lazy key]}}",
        "[[n, !env_lazy key]]",
        "[o, {network_name: n, aliases: !env_lazy key}]",
    ] {
        let text = format!(
            "networks: {{n: null, o: null}}\n\
             a: {{image: x, networks: {endpoint}}}\nb: {{image: x, networks: [n, o]}}\n"
        );
        assert_waits(
            &text,
            "web",
            "the container cannot be created or compared",
            &["a"],
            &["b"],
        );
        // It is in the network all the same, and cannot be connected.
        let (map, _) = loaded(&text, &NoSettings);
        assert!(map.container_networks("a").contains(&"m.n".to_owned()));
        let error = endpoint_body(&map, "a", "m.n").unwrap_err();
        assert_eq!(error.to_string(), missed(&text));
        assert!(endpoint_body(&map, "b", "m.n").unwrap().is_some());
    }
    assert_waits(
        "networks: {n: {create_options: {IPAM: {Config: [{Subnet: 10.1.0.0/16}]}}}}\n\
         a: {image: x, networks: {n: {ipv4_address: !env_lazy key}}}\n\
         b: {image: x, networks: n}\n",
        "10.1.0.2",
        "the container cannot be created or compared",
        &["a"],
        &["b"],
    );
    // What extends it and says it anew has nothing to wait for.
    let text = "networks: {n: null}\n\
                a: {image: x, networks: {n: !env_lazy key}}\nb: {extends: a, networks: {n: web}}\n";
    let (map, _) = loaded(text, &NoSettings);
    assert!(made(&map, "a", None).is_err() && made(&map, "b", None).is_ok());
}

#[test]
fn commands_wait_for_the_start_of_their_container() {
    for commands in ["[!env_lazy key]", "[[run, !env_lazy key]]"] {
        let text = format!("a: {{image: x, exec_commands: {commands}}}\nb: {{image: x}}\n");
        assert_waits(
            &text,
            "root",
            "the container cannot be created, started or compared",
            &["a"],
            &["b"],
        );
        let (map, _) = loaded(&text, &NoSettings);
        let refused = map.require_start_settings("a", false).unwrap_err();
        assert_eq!(refused.to_string(), missed(&text));
        assert_eq!(map.require_start_settings("b", true), Ok(()));
    }
}

#[test]
fn a_start_needs_no_more_than_it_does() {
    for text in [
        "a: {image: x, attaches: {v: /v}, user: !env_lazy key}\n",
        "a: {image: x, attaches: v}\nvolumes: {v: {default_path: /v, user: !env_lazy key}}\n",
    ] {
        let (map, _) = loaded(text, &NoSettings);
        // Only before the first one, volumes are prepared.
        let refused = map.require_start_settings("a", true).unwrap_err();
        assert_eq!(refused.to_string(), missed(text));
        assert_eq!(map.require_start_settings("a", false), Ok(()));
        assert!(made(&map, "a", None).is_err());
    }
    let text = "a: {image: x, create_options: {environment: {A: !env_lazy key}}}\n";
    let (map, _) = loaded(text, &NoSettings);
    assert_eq!(map.require_start_settings("a", true), Ok(()));
}

#[test]
fn what_is_said_anew_waits_for_nothing() {
    let text = "a: {image: x, user: !env_lazy key}\nb: {extends: a, user: web}\nc: {extends: a}\n";
    let (map, _) = loaded(text, &NoSettings);
    assert!(made(&map, "b", None).is_ok());
    assert!(made(&map, "c", None).is_err());
    let defaults = "repository: !env_lazy key\n\
                    host: {data: !env_lazy key, logs: !env_lazy key}\n\
                    volumes: {data: /data, logs: /logs}\n";
    let defaults = MapDefaults::load(defaults, "defaults.yaml", &NoSettings).unwrap();
    assert_eq!(defaults.warnings.len(), 3);
    let of_map = "repository: r.example.com\nhost: {data: /srv}\n\
                  a: {image: x, binds: data}\nb: {image: x, binds: logs}\n";
    let map = defaults
        .value
        .load_map(of_map, "m.yaml", "m", &NoSettings)
        .unwrap()
        .value;
    assert_eq!(
        made(&map, "a", None).unwrap()["Image"],
        "r.example.com/x:latest"
    );
    // It is told where the setting is asked for.
    let error = made(&map, "b", None).unwrap_err().to_string();
    assert!(error.contains("defaults.yaml:2:35 asks for"), "{error}");
}

#[test]
fn addresses_of_interfaces_wait_for_the_ports_published_there() {
    let map = "a: {image: x, exposes: {80: [80, public]}}\n\
               b: {image: x, exposes: {80: [81, private]}}\n\
               c: {image: x, exposes: {80: [82, public, true]}}\n";
    let (map, _) = loaded(map, &NoSettings);
    let text = "h:\n  interfaces: {public: !env_lazy key, private: 10.0.0.1}\n\
                \x20 interfaces_ipv6: {public: '::1'}\n";
    let read = |settings: &dyn Settings| {
        let loaded = load_clients(text, "m.yaml", settings).unwrap();
        let warnings: Vec<_> = loaded.warnings.iter().map(Diagnostic::to_string).collect();
        let client = loaded.value.get("h").unwrap().clone();
        let features = Features::for_api(1, 41);
        let bodies =
            ["a", "b", "c"].map(|config| container_body(&map, config, None, &client, &features));
        (warnings, bodies)
    };
    let (warnings, [a, b, c]) = read(&NoSettings);
    let without = "containers that publish ports on public cannot be created or compared";
    let place = place(text);
    let told = format!("the setting key is not set; without it {without}");
    assert_eq!(
        warnings,
        [format!("m.yaml:{place}: warning: {told}\n  help: {HELP}")]
    );
    assert_eq!(a.unwrap_err().to_string(), missed(text));
    assert!(b.is_ok() && c.is_ok());
    let (warnings, [a, _, _]) = read(&Key("10.0.0.2"));
    assert!(warnings.is_empty());
    let bindings = &a.unwrap()["HostConfig"]["PortBindings"];
    assert_eq!(bindings["80/tcp"][0]["HostIp"], "10.0.0.2");

    // `map check` tells it once, and no more of it.
    let clients = read_clients(
        &text.replace("h:\n", "__default__:\n"),
        "c.yaml",
        &NoSettings,
    );
    let found = examine_map(
        &map,
        Surroundings {
            clients: &clients.value.unwrap(),
            are_clients_whole: true,
            hosts: &[],
        },
    );
    assert_eq!(found, []);
    // All else of a client is needed to reach it.
    let wrong = "h: {host: !env_lazy key, interfaces: !env_lazy all}\n";
    let error = load_clients(wrong, "c.yaml", &NoSettings).unwrap_err();
    insta::assert_snapshot!(error, @r"
    c.yaml:1:11: error: the setting key is not set
      help: set it under `settings` in dfab.yaml, or give --set key=VALUE
    c.yaml:1:38: error: the setting all is not set
      help: set it under `settings` in dfab.yaml, or give --set all=VALUE
    ");
}

#[test]
fn what_stands_below_a_path_tag_waits_too() {
    let text = "a: {image: x, binds: !path_lazy {/c: !env_lazy key}}\nb: {image: x}\n";
    let (map, _) = loaded(text, &NoSettings);
    assert_eq!(made(&map, "a", None).unwrap_err().to_string(), missed(text));
    assert!(made(&map, "b", None).is_ok());
}

#[test]
fn networks_and_volumes_need_settings_of_their_own_alone() {
    let text = "repository: !env_lazy key\nvolumes: {v: /v}\nnetworks: {n: null}\n\
                a: {image: x, attaches: v, networks: n}\n";
    let (map, _) = loaded(text, &NoSettings);
    let volume = Item::Volume {
        owner: "a".to_owned(),
        alias: "v".to_owned(),
    };
    let network = Item::Network {
        name: "n".to_owned(),
    };
    for item in [volume, network] {
        assert_eq!(map.require_settings(&item), Ok(()));
    }
}
