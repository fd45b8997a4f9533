//! What Docker-Map 1.1.1 does wrong with maps, by the numbers of its known defects, and what dfab does.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::panic, reason = "a test fails by panicking")]

use std::path::Path;

use dfab_maps::{
    Client, Features, Item, MapDefaults, Project, ResolvedMap, Settings, Walk, container_body,
    load_map, preparations, volume_body,
};
use serde_json::{Value, json};

struct Environment;

impl Settings for Environment {
    fn setting(&self, _: &str) -> Option<Value> {
        None
    }

    fn variable(&self, name: &str) -> Option<String> {
        (name == "HOME").then(|| "/home/me".to_owned())
    }
}

fn loaded(text: &str) -> ResolvedMap {
    load_map(text, "m.yaml", "m", &Environment)
        .unwrap_or_else(|error| panic!("{error}"))
        .value
}

fn mistakes(text: &str) -> String {
    load_map(text, "m.yaml", "m", &Environment)
        .unwrap_err()
        .to_string()
}

fn body(map: &ResolvedMap, config: &str) -> Value {
    let client = Client::default_client();
    container_body(map, config, None, &client, &Features::for_api(1, 41)).unwrap()
}

fn container(config: &str) -> Item {
    Item::Container {
        config: config.to_owned(),
        instance: None,
    }
}

#[test]
fn b_01_a_name_in_the_file_is_no_container_though_another_name_is_given() {
    let map = loaded("name: shop\na: {image: x}\n");
    assert_eq!(map.name(), "shop");
    assert_eq!(map.json()["containers"], json!({ "a": { "image": "x" } }));
}

#[test]
fn b_02_clients_of_a_container_go_before_those_of_the_map() {
    let map = loaded(
        "clients: one\nbase: {abstract: true, clients: two}\na: {extends: base, clients: three}\nb: {}\n",
    );
    assert_eq!(map.clients_of(&container("a")), ["two", "three"]);
    assert_eq!(map.clients_of(&container("b")), ["one"]);
    assert_eq!(
        map.json()["containers"]["a"]["clients"],
        json!(["two", "three"])
    );
}

#[test]
fn b_03_commands_that_are_lists_are_inherited() {
    let map = loaded(
        "base: {abstract: true, exec_commands: [[[sh, -c, x], root], ls]}\n\
         a: {extends: base, exec_commands: [[[sh, -c, x], root], [[sh, -c, y]]]}\n",
    );
    let commands = map.container("a").unwrap().exec_commands();
    let commands: Vec<_> = commands
        .iter()
        .map(|command| command.argv.join(" "))
        .collect();
    assert_eq!(commands, ["sh -c x", "ls", "sh -c y"]);
}

#[test]
fn b_04_a_bind_with_nothing_behind_it_is_an_alias() {
    for binds in ["[{data: null}]", "{data: null}", "[[data, null]]", "data"] {
        let text = format!("volumes: {{data: /d}}\nhost: {{data: /h}}\na: {{binds: {binds}}}\n");
        let body = body(&loaded(&text), "a");
        assert_eq!(body["HostConfig"]["Binds"], json!(["/h:/d:rw"]), "{binds}");
    }
}

#[test]
fn b_04_the_documented_example_loads_as_it_is_written() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/conformance/maps");
    let read = |file: &str| std::fs::read_to_string(folder.join(file)).unwrap();
    let ours = loaded(&read("example_map.yaml"));
    // The same with words in place of the nulls.
    let fixed = loaded(&read("example_fixed.yaml"));
    assert_eq!(ours.json(), fixed.json());
    assert!(ours.json()["containers"]["app_server"]["binds"].is_array());
}

#[test]
fn b_05_volumes_with_a_path_of_their_own_are_used_by_the_name_of_their_owner() {
    let map =
        loaded("use_attached_parent_name: true\na: {attaches: {v: /v}}\nb: {uses: {a.v: ro}}\n");
    let host = &body(&map, "b")["HostConfig"];
    assert_eq!(host["Binds"], json!(["m.a.v:/v:ro"]));
    assert_eq!(host["VolumesFrom"], Value::Null);
}

#[test]
fn b_06_ports_are_in_the_order_of_their_numbers_however_they_are_written() {
    let map = loaded(
        "a: {exposes: [[443, 443], ['80', 80], ['53/udp', 53], [8080, 1], ['53/tcp', 53]]}\n",
    );
    let body = body(&map, "a");
    let ports: Vec<_> = body["ExposedPorts"].as_object().unwrap().keys().collect();
    assert_eq!(ports, ["53/tcp", "53/udp", "80/tcp", "443/tcp", "8080/tcp"]);
    // And the same port by whichever way it is written.
    let map =
        loaded("b: {abstract: true, exposes: {80: 1}}\na: {extends: b, exposes: {'80': 2}}\n");
    let ports = &map.json()["containers"]["a"]["exposes"];
    assert_eq!(ports.as_array().map(Vec::len), Some(1));
    assert_eq!(ports[0]["host_port"], 2);
}

#[test]
fn b_07_a_user_may_be_a_list_with_a_group() {
    let map = loaded("volumes: {v: /v}\na: {attaches: v, user: [web, 33]}\n");
    assert_eq!(body(&map, "a")["User"], "web");
    let users: Vec<_> = preparations(&map, "a", None)
        .into_iter()
        .map(|preparation| preparation.user)
        .collect();
    assert_eq!(users, [Some("web:33".to_owned())]);
}

#[test]
fn b_08_the_policy_of_a_command_is_kept() {
    let map = loaded("a: {exec_commands: [[x, root, initial], [y, null, restart], z]}\n");
    let commands = map.container("a").unwrap().exec_commands();
    let initial: Vec<_> = commands.iter().map(|command| command.initial).collect();
    assert_eq!(initial, [true, false, false]);
}

#[test]
fn b_09_times_have_hours_and_decimals_and_nothing_else_behind_them() {
    let map =
        loaded("a: {healthcheck: {test: x, interval: 1h, timeout: 1.5s, start_period: 2 ms}}\n");
    let check = &body(&map, "a")["Healthcheck"];
    assert_eq!(check["Interval"], 3_600_000_000_000_i64);
    assert_eq!(check["Timeout"], 1_500_000_000_i64);
    assert_eq!(check["StartPeriod"], 2_000_000);
    insta::assert_snapshot!(
        mistakes("a: {healthcheck: {test: x, interval: 1sec, timeout: 1:30}}\n"),
        @r"
    m.yaml:1:38: error: 1sec is no time: it is written as a number with ns, us, ms, s, m or h
    m.yaml:1:53: error: 1:30 is no time: it is written as a number with ns, us, ms, s, m or h
    "
    );
}

#[test]
fn b_10_a_volume_has_the_driver_and_options_of_its_alias() {
    let map = loaded(
        "volumes:\n  data: {default_path: /d, driver: nfs, driver_options: {o: rw, n: 1}, \
         create_options: {labels: {a: b}}}\n  logs: /l\n  a: {default_path: /a, driver: other}\n\
         a: {attaches: [data, logs]}\n",
    );
    assert_eq!(
        volume_body(&map, "a", "data").unwrap(),
        json!({ "Name": "m.data", "Driver": "nfs", "DriverOpts": { "o": "rw", "n": "1" },
                "Labels": { "a": "b" } })
    );
    // Not those of an alias that is called as the container that attaches it.
    let logs = volume_body(&map, "a", "logs").unwrap();
    assert_eq!(logs, json!({ "Name": "m.logs" }));
}

#[test]
fn b_11_configurations_that_extend_each_other_are_told_with_their_circle() {
    insta::assert_snapshot!(
        mistakes("a: {extends: b}\nb: {extends: [c]}\nc: {extends: a}\nd: {extends: d}\n"),
        @r"
    m.yaml:3:14: error: configurations extend each other in a circle: a -> b -> c -> a
    m.yaml:4:14: error: configurations extend each other in a circle: d -> d
    "
    );
}

#[test]
fn b_12_defaults_of_maps_reach_all_that_a_map_does_not_say() {
    let defaults = MapDefaults::load(
        "repository: registry.example.com\ndefault_tag: stable\ndefault_domain: example.com\n\
         set_hostname: false\nhost_root: /srv\nhost: {data: d}\nclients: [one]\n\
         volumes: {v: /v, w: /w, data: /data}\nnetworks: {back: {internal: true}}\n",
        "defaults.yaml",
        &Environment,
    )
    .unwrap()
    .value;
    let map = |text| {
        defaults
            .load_map(text, "m.yaml", "m", &Environment)
            .unwrap()
    };
    let silent = map("a: {binds: data, attaches: v, networks: back}\nvolumes: {w: /x}\n").value;
    assert_eq!(silent.name(), "m");
    assert_eq!(silent.clients(), ["one"]);
    let made = body(&silent, "a");
    assert_eq!(made["Image"], "registry.example.com/a:stable");
    assert_eq!(made["Domainname"], "example.com");
    assert_eq!(made["Hostname"], Value::Null);
    assert_eq!(made["HostConfig"]["Binds"][0], "/srv/d:/data:rw");
    assert_eq!(silent.json()["volumes"]["w"]["default_path"], "/x");
    assert_eq!(silent.json()["networks"]["back"]["internal"], true);

    let own = map(
        "repository: r.example.com\ndefault_tag: next\nset_hostname: true\n\
                   default_domain:\nhost_root: /own\nhost: {data: e}\nclients: two\na: {binds: data, attaches: v}\n",
    );
    let made = body(&own.value, "a");
    assert_eq!(made["Image"], "r.example.com/a:next");
    assert_eq!(made["Domainname"], Value::Null);
    assert_eq!(made["Hostname"], "m-a");
    assert_eq!(own.value.clients(), ["two"]);
}

#[test]
fn what_is_a_maps_own_is_no_default() {
    let mistakes = MapDefaults::load("name: x\nweb: {}\n", "d.yaml", &Environment);
    insta::assert_snapshot!(mistakes.unwrap_err().to_string(), @r"
    d.yaml:1:1: error: there is no key of map defaults name
      help: there is: repository, default_tag, default_domain, set_hostname, hostname_replace, use_attached_parent_name, clients, volumes, networks, host, host_root
    d.yaml:2:1: error: there is no key of map defaults web
      help: there is: repository, default_tag, default_domain, set_hostname, hostname_replace, use_attached_parent_name, clients, volumes, networks, host, host_root
    ");
}

#[test]
fn b_13_the_port_of_a_registry_is_no_tag() {
    let map = loaded(
        "repository: reg.example.com:5000/team\ndefault_tag: devel\n\
         a: {image: localhost:5000/img}\nb: {image: 'localhost:5000/img:1'}\nc: {}\nd: {image: /ubuntu}\n\
         e: {image: 'img@sha256:abc'}\n",
    );
    let images: Vec<_> = ["a", "b", "c", "d", "e"]
        .iter()
        .map(|config| body(&map, config)["Image"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(
        images,
        [
            "localhost:5000/img:devel",
            "localhost:5000/img:1",
            "reg.example.com:5000/team/c:devel",
            "ubuntu:devel",
            "reg.example.com:5000/team/img@sha256:abc",
        ]
    );
}

#[test]
fn b_14_a_map_with_nothing_but_abstract_containers_is_an_empty_one() {
    let map = loaded("a: {abstract: true, image: x}\n");
    assert_eq!(map.json(), json!({ "name": "m" }));
}

#[test]
fn b_15_longer_circles_are_told_with_their_path() {
    let project = Project::new(vec![loaded(
        "a: {links: b}\nb: {network_mode: c}\nc: {links: a}\n",
    )]);
    let project = project.unwrap();
    let everything = project.select(&["__all__".to_owned()]).unwrap();
    let error = project.walk(&everything, Walk::Dependencies).unwrap_err();
    assert!(
        error.to_string().ends_with("m.a -> m.b -> m.c -> m.a"),
        "{error}"
    );
}

#[test]
fn b_16_17_networks_and_volumes_are_selected_beside_containers() {
    let text = "a: {attaches: {v: /v}, networks: n}\nb: {uses: v}\nnetworks: {n: {}}\n";
    let project = Project::new(vec![loaded(text)]).unwrap();
    let walked = |references: &[&str], walk| -> Vec<String> {
        let references: Vec<_> = references.iter().map(|one| (*one).to_owned()).collect();
        let selected = project.select(&references).unwrap();
        let items = project.walk(&selected, walk).unwrap();
        let requested = items.iter().filter(|planned| planned.requested);
        requested
            .map(|planned| planned.map.engine_name(&planned.item))
            .collect()
    };
    assert_eq!(
        walked(&["b", "network:n", "volume:m.v"], Walk::Selected),
        ["m.b", "m.n", "m.v"]
    );
    // All that has the volume mounted goes before it.
    let selected = project.select(&["volume:v".to_owned()]).unwrap();
    let items = project.walk(&selected, Walk::Dependents).unwrap();
    let names: Vec<_> = items
        .iter()
        .map(|planned| planned.map.engine_name(&planned.item))
        .collect();
    assert_eq!(names, ["m.v", "m.a", "m.b"]);
    let error = project.select(&["network:m".to_owned()]).unwrap_err();
    assert!(error.to_string().contains("did you mean"), "{error}");
    // By a container all that it attaches, unless a volume is called so.
    let text = "a: {attaches: {v: /v, w: /w}}\nb: {attaches: {a: /a}}\nc: {attaches: {x: /x}}\n";
    let project = Project::new(vec![loaded(text)]).unwrap();
    for (reference, expected) in [
        ("volume:a", vec!["m.a"]),
        ("volume:m.b", vec!["m.a"]),
        ("volume:c", vec!["m.x"]),
    ] {
        let selected = project.select(&[reference.to_owned()]).unwrap();
        let names = selected.iter().map(|one| one.map.engine_name(&one.item));
        assert_eq!(names.collect::<Vec<_>>(), expected, "{reference}");
    }
    let text = text.replace("b: {attaches: {a: /a}}\n", "");
    let project = Project::new(vec![loaded(&text)]).unwrap();
    let selected = project.select(&["volume:m.a".to_owned()]).unwrap();
    let names = selected.iter().map(|one| one.map.engine_name(&one.item));
    assert_eq!(names.collect::<Vec<_>>(), ["m.v", "m.w"]);
}

#[test]
fn b_19_an_environment_is_one_of_texts_however_it_is_written() {
    for environment in ["{N: 5, A: x, B: 'true', C: ''}", "[N=5, A=x, B=true, C=]"] {
        let text = format!("a: {{create_options: {{environment: {environment}}}}}\n");
        let env = &body(&loaded(&text), "a")["Env"];
        assert_eq!(env, &json!(["N=5", "A=x", "B=true", "C="]), "{environment}");
    }
    // Without quotes it is what Python writes, as it always was.
    let map = loaded("a: {create_options: {environment: {B: true, F: 1.50}}}\n");
    assert_eq!(body(&map, "a")["Env"], json!(["B=True", "F=1.5"]));
}

#[test]
fn b_34_an_entry_point_or_a_command_that_is_a_list_is_one_whole() {
    let map = loaded(
        "base: {abstract: true, create_options: {entrypoint: [/init, -v], command: [serve, all]}}\n\
         a: {extends: base, create_options: {entrypoint: [/bin/run], command: [one]}}\n\
         b: {extends: base, create_options: {entrypoint: /bin/run -x}}\n",
    );
    let a = body(&map, "a");
    assert_eq!(a["Entrypoint"], json!(["/bin/run"]));
    assert_eq!(a["Cmd"], json!(["one"]));
    let b = body(&map, "b");
    assert_eq!(b["Entrypoint"], json!(["/bin/run", "-x"]));
    assert_eq!(b["Cmd"], json!(["serve", "all"]));
}

#[test]
fn b_39_what_is_kept_is_listed_by_its_names() {
    let map = loaded(
        "a: {image: x, attaches: [v], persistent: true, instances: [one, two]}\n\
         b: {image: x, attaches: [w]}\nvolumes: {v: /v, w: /w}\n",
    );
    let names: Vec<String> = map.persistent_names().collect();
    assert_eq!(names, ["m.v", "m.w", "m.a.one", "m.a.two"]);
}

#[test]
fn b_59_paths_are_expanded_however_deep_they_are() {
    let map = loaded(
        "host: !path\n  data: {a: ~/a, b: !path '${HOME}/b'}\n  logs: $HOME/logs\n\
         a: {binds: !path_lazy [[/c, [~/d, ro]], {/e: $NOBODY/f}]}\n",
    );
    assert_eq!(
        map.json()["host"],
        json!({ "data": { "a": "/home/me/a", "b": "/home/me/b" }, "logs": "/home/me/logs" })
    );
    let body = body(&map, "a");
    assert_eq!(
        body["HostConfig"]["Binds"],
        json!(["/home/me/d:/c:ro", "$NOBODY/f:/e:rw"])
    );
}

#[test]
fn small_mistakes_are_told_with_what_is_meant() {
    for (text, told) in [
        ("a: {instances: ['']}\n", "an instance has a name"),
        (
            "a: {exposes: {99999: 1}}\n",
            "99999 is no port\n  help: a port is a number from 1 to 65535",
        ),
        (
            "a: {exposes: {80/foo: 1}}\n",
            "80/foo is no port\n  help: a port is a number from 1 to 65535",
        ),
        (
            "a: {exposes: [private]}\n",
            "private is no port\n  help: a list names several ports",
        ),
        (
            "a: {stop_signal: 99}\n",
            "there is no signal 99\n  help: the numbers of signals are 1 to 64",
        ),
    ] {
        let found = mistakes(text);
        assert!(found.contains(told), "{text}{found}");
    }
}
