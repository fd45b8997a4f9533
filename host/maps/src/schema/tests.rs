use jsonschema::Validator;
use serde_json::{Value as Json, json};

use super::*;
use crate::config::ContainerConfig;
use crate::diagnostic::Report;
use crate::load_map;
use crate::map::SECTIONS;
use crate::tree::{self, Value};

/// Each setting is its own name.
struct Named;

impl crate::Settings for Named {
    fn setting(&self, name: &str) -> Option<Json> {
        Some(json!(name))
    }

    fn variable(&self, _: &str) -> Option<String> {
        None
    }
}

fn parsed(text: &str) -> Json {
    let mut report = Report::new("m.yaml");
    let node = tree::read(text, &Named, &mut report);
    node.unwrap_or_else(|| panic!("{report:?}")).json()
}

fn validator(schema: &Json) -> Validator {
    let schema = jsonschema::draft202012::new(schema);
    schema.unwrap_or_else(|error| panic!("{error}"))
}

/// Where a text does not keep to the schema.
fn mistakes(validator: &Validator, text: &str) -> Vec<String> {
    let document = parsed(text);
    validator
        .iter_errors(&document)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect()
}

fn examples(wanted: fn(&str) -> bool) -> Vec<(String, String)> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/conformance/maps");
    let mut found: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (name, std::fs::read_to_string(path).unwrap())
        })
        .filter(|(name, _)| wanted(name))
        .collect();
    found.sort();
    found
}

#[test]
fn the_schemas_are_schemas() {
    for schema in [map_schema(), client_schema()] {
        jsonschema::draft202012::meta::validate(&schema).unwrap_or_else(|error| panic!("{error}"));
    }
}

#[test]
fn maps_of_the_predecessor_keep_to_the_schema() {
    let validator = validator(&map_schema());
    let maps = examples(|name| !name.contains("clients"));
    assert!(maps.len() > 10);
    for (name, text) in maps {
        assert_eq!(mistakes(&validator, &text), Vec::<String>::new(), "{name}");
    }
}

#[test]
fn client_files_of_the_predecessor_keep_to_the_schema() {
    let validator = validator(&client_schema());
    let clients = examples(|name| name.contains("clients"));
    assert!(clients.len() > 1);
    for (name, text) in clients {
        assert_eq!(mistakes(&validator, &text), Vec::<String>::new(), "{name}");
    }
}

/// Every form of every record, each of which the reader takes as well.
#[test]
fn every_form_of_a_record_keeps_to_the_schema() {
    let validator = validator(&map_schema());
    for text in [
        "a: null",
        "a: {binds: {/c: /h, /d: [/h, ro], v: ro, w: null, /e: {i: /h}}}",
        "a: {binds: [v, [v, ro], [/c, h], [/c, h, true], [/c, [h, rw]], v: ro, /c: [h, ro]]}",
        "a: {binds: [{name: v}, {name: v, readonly: yes}, {path: /c, host_path: h, readonly: no}]}",
        "a: {attaches: v}",
        "a: {attaches: [v, [v, /p], {v: /p}, {name: v, path: /p}]}",
        "a: {attaches: {v: /p, w: null}}",
        "a: {uses: [v, [v, ro], [v, /p], [v, /p, rw], [v, [/p, ro]], {v: ro}, {v: [/p, ro]}, {name: v, path: /p}]}",
        "a: {uses: {v: ro, w: /p}}",
        "a: {links: [c, [c, d], {container: c, alias: d}, {c: d}]}",
        "a: {links: {c: d, e: null}}",
        "a: {exposes: [80, '53/udp', [80, 8080], [80, null], [80, 8080, i], [80, [8080, i]], [80, 8080, i, true]]}",
        "a: {exposes: [[80, {host_port: 80, interface: i}], {exposed_port: 80, host_port: 80}]}",
        "a: {exposes: {80: 80, 81: null, 82: [82, i], 83: {host_port: 83, ipv6: true}}}",
        "a: {networks: [n, [n, x], [n, [x, y]], [n, x, [c], 10.0.0.1], {n: null}, {n: x}, {n: {aliases: x}}]}",
        "a: {networks: {n: [x, y], m: null, o: {links: {c: d}, ipv4_address: 10.0.0.1}}}",
        "a: {networks: [{network_name: n, aliases: [x]}]}",
        "a: {exec_commands: [ls, [ls, root], [[ls, -l], root, initial], {cmd: ls, policy: restart}]}",
        "a: {healthcheck: curl}\nb: {healthcheck: [[CMD, curl], 10s, 3s, 3]}\nc: {healthcheck: {test: NONE}}",
        "a: {network_mode: b.i}\nb: {network_mode: [a, i]}\nc: {network_mode: null}",
        "a: {user: 0}\nb: {user: [a, b]}\nc: {user: 'a:b'}",
        "a: {stop_timeout: !env 5, persistent: !env flag}",
        "a: {create_options: {environment: [A=b], command: ls, mem_limit: 8m}}",
        "a: {start_options: {dns: 10.0.0.1}, network: host, x-mine: {a: b}}",
        "a: {host_config: {x-a: 1, restart_policy: {Name: always, x-a: 1}, ulimits: [{name: core, Soft: 1, Hard: 1, x-a: 1}], devices: [/dev/null]}}",
        "a: {create_options: {x-a: 1, healthcheck: {test: [x], StartPeriod: 1}}, healthcheck: {test: x, x-a: 1}}",
        "a: {networks: [{network_name: n, x-a: 1}], exec_commands: [{cmd: x, x-a: 1}], exposes: [{exposed_port: 80, x-a: 1}]}",
        "networks: {n: {create_options: {x-a: 1, enable_ipv6: true, IPAM: {Config: []}, attachable: true}}}",
        "volumes: {a: /b, c: {default_path: /d, driver: nfs, user: [1, 2]}, e: null}\nnetworks: {n: null}",
        "host: {root: /srv, a: b, c: {i: d}}\ngroups: {g: [a, b.c]}\nx-any: [1]\nclients: c",
    ] {
        assert_eq!(mistakes(&validator, text), Vec::<String>::new(), "{text}");
        assert_eq!(mistakes_of_the_reader(text), Vec::<String>::new(), "{text}");
    }
}

/// What the reader says of the containers at the top level, whatever they refer to.
fn mistakes_of_the_reader(text: &str) -> Vec<String> {
    let mut report = Report::new("m.yaml");
    let root = tree::read(text, &Named, &mut report).unwrap();
    let Value::Map(pairs) = root.value else {
        panic!("no mapping: {text}");
    };
    for (key, value) in pairs {
        let name = key.scalar_text().unwrap_or_default();
        if !SECTIONS.contains(&name.as_str()) && !name.starts_with("x-") {
            ContainerConfig::read(value, &mut report);
        }
    }
    let errors = report
        .finish(())
        .err()
        .map_or_else(Vec::new, |invalid| invalid.0);
    errors.iter().map(ToString::to_string).collect()
}

/// Whatever the predecessor's own inputs are to the reader, they are to editors.
#[test]
fn inputs_of_the_predecessor_are_right_or_wrong_as_they_are_to_the_reader() {
    // What is wrong with these only the reader finds out.
    let out_of_reach = [
        ("binds", "[{a: x}]"),
        ("binds", "{name: a, readonly: true}"),
        ("binds", "[[a, \"true\"]]"),
        ("exposes", "[80, 8080, private]"),
        ("healthcheck", "[curl, x]"),
    ];
    let validator = validator(&map_schema());
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../tests/conformance/inputs.jsonl"
    );
    let text = std::fs::read_to_string(path).unwrap();
    let mut seen = 0;
    for line in text.lines() {
        let row: Json = serde_json::from_str(line).unwrap();
        let (kind, yaml) = (row["type"].as_str().unwrap(), row["yaml"].as_str().unwrap());
        let key = match kind {
            // These stand on the command line, not in maps.
            "config_ids" => continue,
            "list" => "shares",
            other => other,
        };
        let result = if row["deviation"].is_null() {
            &row["value"]
        } else {
            &row["dfab"]
        };
        let found = mistakes(&validator, &format!("a:\n  {key}: {yaml}\n"));
        let is_refused = result.is_null() && !out_of_reach.contains(&(kind, yaml));
        assert_eq!(!found.is_empty(), is_refused, "{kind}: {yaml}: {found:?}");
        seen += 1;
    }
    assert!(seen > 130);
}

/// What dfab takes, however odd, is no mistake to an editor.
#[test]
fn values_that_the_reader_takes_keep_to_the_schema() {
    let validator = validator(&map_schema());
    for text in [
        "a: {create_options: {detach: true, use_config_proxy: true, version: 1}, host_config: {lxc_conf: {}}}",
        "a: {binds: [[/x, y, 'true'], [/z, y, '']]}",
        "a: {exec_commands: {ls: [root, initial]}}\nb: {exec_commands: [[ls, [a, b]]]}",
        "a: {user: true}",
        "a: {exposes: [1, 65535, '00080', 8000-8010, 8000-8010/sctp, !env port]}",
        "a: {exposes: {!env port: !env host_port, 53/udp: '', 80: 81-82, 81: [5, i]}}",
        "a: {stop_timeout: 0}\nb: {stop_timeout: '5'}\nc: {stop_timeout: !env TIMEOUT}\nd: {stop_timeout: null}",
        "a: {start_delay: 1.5}\nb: {start_delay: '1e3'}\nc: {start_delay: !env delay}\nd: {start_delay: .5}",
        "a: {healthcheck: {test: x, interval: 1.5s, timeout: 5, start_period: '2 ms', retries: '3'}}",
        "a: {healthcheck: [x, 1h, '', null, !env time]}",
        "a: {stop_signal: SIGTERM}\nb: {stop_signal: term}\nc: {stop_signal: 15}\nd: {stop_signal: '15'}",
        "a: {stop_signal: SIGRTMIN+15}\nb: {stop_signal: RTMAX-14}\nc: {stop_signal: !env quit}\nd: {stop_signal: ''}",
        "a: {create_options: {stop_signal: SIGint}}",
        "a: {host_config: {restart_policy: {Name: no}}}\nb: {host_config: {restart_policy: {name: 'no'}}}",
        "a: {host_config: {restart_policy: {Name: '', MaximumRetryCount: null}}}",
        "a: {host_config: {restart_policy: {Name: on-failure, maximum_retry_count: 3}}}",
        "a: {host_config: {cap_add: [NET_ADMIN, CAP_CHOWN, cap_kill, all], cap_drop: ALL}}",
        "a: {host_config: {privileged: yes, read_only: 0, init: null}}",
        "a: {host_config: {mem_limit: 6291456, memswap_limit: -1, shm_size: 64 MB, mem_reservation: '0'}}",
        "a: {host_config: {mem_limit: 0, cpu_period: 1000, cpu_shares: '5', oom_score_adj: -1000}}",
        "a: {host_config: {ipc_mode: 'container:x', cgroupns: host, pid_mode: anything}}",
    ] {
        assert_eq!(mistakes(&validator, text), Vec::<String>::new(), "{text}");
        // What stands for a setting is not known to the reader either.
        if !text.contains("!env") {
            assert_eq!(mistakes_of_the_reader(text), Vec::<String>::new(), "{text}");
        }
    }
}

/// The name of a setting is a text to an editor, so that words which could be one are left to dfab.
#[test]
fn values_that_the_reader_refuses_are_refused() {
    let validator = validator(&map_schema());
    for text in [
        "a: {exposes: [70000]}",
        "a: {exposes: [0]}",
        "a: {exposes: [-1]}",
        "a: {exposes: ['70000']}",
        "a: {exposes: [53/xyz]}",
        "a: {exposes: '80:8080'}",
        "a: {exposes: {'80:8080': null}}",
        "a: {exposes: [{'80:8080': null}]}",
        "a: {exposes: {80: 70000}}",
        "a: {exposes: {80: 53/udp}}",
        "a: {exposes: [[80, 0]]}",
        "a: {exposes: {80: {host_port: -1}}}",
        "a: {stop_timeout: -1}",
        "a: {stop_timeout: 5.5}",
        "a: {stop_timeout: 5s}",
        "a: {stop_timeout: true}",
        "a: {start_delay: 1m}",
        "a: {start_delay: -1}",
        "a: {healthcheck: {test: x, interval: 1x}}",
        "a: {healthcheck: {test: x, interval: -1}}",
        "a: {healthcheck: [x, 1m30s]}",
        "a: {healthcheck: {test: x, retries: 1.5}}",
        "a: {stop_signal: SIGFOO}",
        "a: {stop_signal: 65}",
        "a: {stop_signal: '0'}",
        "a: {create_options: {stop_signal: SIGRTMIN+16}}",
        "a: {host_config: {restart_policy: {Name: 5}}}",
        "a: {host_config: {restart_policy: {Name: true}}}",
        "a: {host_config: {restart_policy: {Name: always, MaximumRetryCount: -1}}}",
        "a: {host_config: {cap_add: [CAP_FOO]}}",
        "a: {host_config: {cap_add: [5]}}",
        "a: {host_config: {privileged: 'true'}}",
        "a: {host_config: {privileged: '1'}}",
        "a: {host_config: {mem_limit: 1.5g}}",
        "a: {host_config: {mem_limit: 1.5}}",
        "a: {host_config: {mem_limit: 1024}}",
        "a: {host_config: {mem_swappiness: 101}}",
        "a: {host_config: {cpu_shares: '5.5'}}",
        "a: {host_config: {blkio_weight: 5}}",
    ] {
        assert!(!mistakes(&validator, text).is_empty(), "{text}");
        assert!(!mistakes_of_the_reader(text).is_empty(), "{text}");
    }
}

#[test]
fn wrong_keys_and_forms_are_refused() {
    let validator = validator(&map_schema());
    for text in [
        "volume: /x",
        "a: [80]",
        "a: {expose: [80]}",
        "a: {exposes: 80}",
        "a: {exposes: [[80, 8080, i, true, 5]]}",
        "a: {exposes: [{exposed_port: 80, hostport: 80}]}",
        "a: {binds: [{name: v, read_only: true}]}",
        "a: {binds: [[/c, h, ro, 5]]}",
        "a: {exposes: ['80:8080']}",
        "a: {networks: [[n, {alias: x}]]}",
        "a: {exec_commands: [[ls, root, always]]}",
        "a: {healthcheck: {tset: curl}}",
        "a: {image: [x]}",
        "a: {host_config: {memory_limit: 5m}}",
        "a: {host_config: {command: ls}}",
        "a: {create_options: {enviroment: {}}}",
        "a: {host_config: {restart_policy: {Nam: always}}}",
        "a: {host_config: {ulimits: [{nam: x}]}}",
        "a: {host_config: {log_config: {typ: x}}}",
        "a: {create_options: {healthcheck: {tset: x}}}",
        "networks: {n: {create_options: {enable_ipvv6: true}}}",
        "volumes: {v: {create_options: {lables: {}}}}",
        "volumes: {v: {path: /x}}",
        "networks: {n: {drivr: bridge}}",
        "containers: {a: {imag: x}}",
        "groups: [a]",
    ] {
        assert!(!mistakes(&validator, text).is_empty(), "{text}");
    }
    let validator = self::validator(&client_schema());
    for text in [
        "[a]",
        "a: web1",
        "a: {port: 70000}",
        "a: {interfaces: [x]}",
        "a: {host: [x]}",
    ] {
        assert!(!mistakes(&validator, text).is_empty(), "{text}");
    }
}

/// So that a key that the reader learns is not forgotten here, and none is told of that it refuses.
#[test]
fn keys_are_those_of_the_reader() {
    let schema = map_schema();
    let mut told: Vec<&str> = schema["properties"]
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    let mut known = SECTIONS.to_vec();
    told.sort_unstable();
    known.sort_unstable();
    assert_eq!(told, known);
    let keys = schema["$defs"]["container"]["anyOf"][1]["properties"]
        .as_object()
        .unwrap();
    let refused = load_map("a: {wrong: 1}", "m.yaml", "m", &Named).unwrap_err();
    let help = refused.0[0].help.clone().unwrap();
    let mut known: Vec<&str> = help.trim_start_matches("there is: ").split(", ").collect();
    let mut told: Vec<&str> = keys.keys().map(String::as_str).collect();
    known.sort_unstable();
    told.sort_unstable();
    assert_eq!(told, known);
}

/// Editors show nothing for what has no description.
#[test]
fn every_key_is_described() {
    fn check(schema: &Json, path: &str) {
        if let Some(properties) = schema.get("properties").and_then(Json::as_object) {
            for (name, property) in properties {
                assert!(property["description"].is_string(), "{path}.{name}");
            }
        }
        match schema {
            Json::Object(fields) => {
                for (name, field) in fields {
                    check(field, &format!("{path}.{name}"));
                }
            }
            Json::Array(items) => {
                for item in items {
                    check(item, path);
                }
            }
            _ => {}
        }
    }
    check(&map_schema(), "map");
    check(&client_schema(), "client");
}
