//! How maps are read: what is merged, what is warned of, and what the normal form is.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use dfab_maps::{Client, Diagnostic, Features, Settings, container_body, load_clients, load_map};
use serde_json::{Value, json};

struct Project;

impl Settings for Project {
    fn setting(&self, name: &str) -> Option<Value> {
        match name {
            "tag" => Some(json!("1.30")),
            "ports" => Some(json!({ "80": [8080, "public"], "443": null })),
            _ => None,
        }
    }

    fn variable(&self, _: &str) -> Option<String> {
        None
    }
}

fn resolved(text: &str) -> Value {
    load_map(text, "m.yaml", "m", &Project)
        .unwrap_or_else(|error| panic!("{error}\n{text}"))
        .value
        .json()
}

fn warnings(text: &str) -> String {
    let loaded = load_map(text, "m.yaml", "m", &Project).unwrap_or_else(|error| panic!("{error}"));
    let warnings: Vec<_> = loaded.warnings.iter().map(Diagnostic::to_string).collect();
    warnings.join("\n")
}

fn mistakes(text: &str) -> String {
    load_map(text, "m.yaml", "m", &Project)
        .unwrap_err()
        .to_string()
}

#[test]
fn bases_go_before_their_own_and_null_replaces() {
    let map = resolved(
        "networks: {n: null, o: null}\n\
         one: {abstract: true, image: x, user: root, instances: [a], exposes: {80: 1, 81: 1}, \
         stop_timeout: 3, networks: {n: a}, create_options: {command: x, environment: {A: 1, B: 2}}}\n\
         two: {user: web, instances: [b, a], exposes: {82: 2, 81: 2}, links: {one: a}, start_delay: 1.5}\n\
         three: {extends: [one, two], image: null, user: null, exposes: {80: 3}, networks: [o, {n: b}], \
         create_options: {environment: {C: 3}}}\n"
            .replace("links: {one: a}, ", "")
            .as_str(),
    );
    assert_eq!(
        map["containers"]["three"],
        json!({
            "image": null, "instances": ["a", "b"],
            "exposes": [
                { "exposed_port": 80, "host_port": 3, "interface": null, "ipv6": false },
                { "exposed_port": 81, "host_port": 2, "interface": null, "ipv6": false },
                { "exposed_port": 82, "host_port": 2, "interface": null, "ipv6": false },
            ],
            "user": null, "stop_timeout": 3, "start_delay": 1.5,
            "networks": [
                { "network_name": "n", "aliases": ["b"], "links": [], "ipv4_address": null,
                  "ipv6_address": null, "link_local_ips": null },
                { "network_name": "o", "aliases": null, "links": [], "ipv4_address": null,
                  "ipv6_address": null, "link_local_ips": null },
            ],
            "create_options": { "command": "x", "environment": { "C": 3 } },
        })
    );
}

#[test]
fn a_port_may_be_published_in_several_places() {
    let map = resolved("a: {exposes: [[80, 80, public], [80, 8080, private]]}\n");
    assert_eq!(
        map["containers"]["a"]["exposes"].as_array().map(Vec::len),
        Some(2)
    );
}

#[test]
fn a_container_in_two_places_is_one_of_which_the_later_place_goes_before_by_key() {
    let map = resolved(
        "containers: {a: {image: x, instances: [i], host_config: {dns: [d]}}}\n\
         a: {instances: [j], host_config: {privileged: true}}\n",
    );
    assert_eq!(
        map["containers"]["a"],
        json!({ "image": "x", "instances": ["j"], "host_config": { "privileged": true } })
    );
}

#[test]
fn settings_may_be_anything() {
    let map = resolved("default_tag: !env_lazy tag\na: {exposes: !env ports}\n");
    assert_eq!(map["default_tag"], "1.30");
    assert_eq!(map["containers"]["a"]["exposes"][0]["host_port"], 8080);
    assert_eq!(map["containers"]["a"]["exposes"][1]["exposed_port"], 443);
}

#[test]
fn host_names_are_made_as_the_map_says() {
    let client = load_clients("c_1: {host: h}\n", "c.yaml", &Project);
    let client = client.unwrap().value.shift_remove("c_1").unwrap();
    let features = Features::for_api(1, 41);
    let made = |section: &str| {
        let text = format!("{section}web_a: {{image: x, instances: [i]}}\n");
        let map = load_map(&text, "m.yaml", "m", &Project).unwrap().value;
        let body = container_body(&map, "web_a", Some("i"), &client, &features).unwrap();
        body["Hostname"].as_str().unwrap().to_owned()
    };
    assert_eq!(made(""), "m-web-a-i-c-1");
    assert_eq!(made("hostname_replace:\n"), "m-web-a-i-c-1");
    assert_eq!(
        made("hostname_replace: {_: '', .: x, xw: y}\n"),
        "myebaxi-c1"
    );
    assert_eq!(made("hostname_replace: {}\n"), "m.web_a.i-c_1");
    insta::assert_snapshot!(mistakes("hostname_replace: [_]\n"), @"m.yaml:1:19: error: hostname_replace is a mapping, not a list");
    insta::assert_snapshot!(mistakes("hostname_replace: {_: [x], '': y}\n"), @r"
    m.yaml:1:23: error: a text is wanted here, not a list
    m.yaml:1:28: error: the text that is replaced is missing
    ");
}

#[test]
fn a_lazy_setting_is_missed_by_what_uses_it_alone() {
    let text = "web: {image: x, create_options: {environment: {KEY: !env_lazy key}}}\n\
                db: {image: x, create_options: {environment: {A: !env_lazy tag}}}\nx-any: {a: !env_lazy other}\n";
    let map = load_map(text, "m.yaml", "m", &Project).unwrap().value;
    let client = Client::default_client();
    let features = Features::for_api(1, 41);
    let made = |config: &str| container_body(&map, config, None, &client, &features);
    insta::assert_snapshot!(made("web").unwrap_err(), @"the setting key is not set, which m.yaml:1:53 asks for; set it under `settings` in dfab.yaml, or give --set key=VALUE");
    assert!(made("db").is_ok());
    insta::assert_snapshot!(warnings(text), @r"
    m.yaml:1:53: warning: the setting key is not set; without it the container cannot be created or compared
      help: set it under `settings` in dfab.yaml, or give --set key=VALUE
    ");
    // Wherever it is that a creation is described.
    for key in [
        "binds: [!env_lazy key]",
        "shares: [!env_lazy key]",
        "exposes: {80: !env_lazy key}",
        "user: !env_lazy key",
        "permissions: !env_lazy key",
        "host_config: {mem_limit: !env_lazy key}",
    ] {
        let text = format!("web: {{image: x, {key}}}\ndb: {{image: x}}\n");
        let map = load_map(&text, "m.yaml", "m", &Project).unwrap().value;
        let made = |config: &str| container_body(&map, config, None, &client, &features);
        let missed = made("web").unwrap_err().to_string();
        assert!(missed.starts_with("the setting key is not set"), "{missed}");
        assert!(made("db").is_ok());
    }
    // What is used in any case is missed in any case.
    insta::assert_snapshot!(
        mistakes(
            "default_domain: !env_lazy domain\nvolumes: !env_lazy volumes\n\
             web: {image: !env_lazy image, networks: [!env_lazy net, {n: {links: !env_lazy link}}]}\n\
             db: !env_lazy db\nnetworks: {n: null}\n"
        ),
        @r"
    m.yaml:1:17: error: the setting domain is not set
      help: set it under `settings` in dfab.yaml, or give --set domain=VALUE
    m.yaml:2:10: error: the setting volumes is not set
      help: set it under `settings` in dfab.yaml, or give --set volumes=VALUE
    m.yaml:3:14: error: the setting image is not set
      help: set it under `settings` in dfab.yaml, or give --set image=VALUE
    m.yaml:3:42: error: the setting net is not set
      help: set it under `settings` in dfab.yaml, or give --set net=VALUE
    m.yaml:3:69: error: the setting link is not set
      help: set it under `settings` in dfab.yaml, or give --set link=VALUE
    m.yaml:4:5: error: the setting db is not set
      help: set it under `settings` in dfab.yaml, or give --set db=VALUE
    "
    );
}

#[test]
fn traps_of_yaml_1_1_are_told() {
    insta::assert_snapshot!(
        warnings(
            "volumes: {v: /v}\n\
             a:\n  image: 1.30\n  permissions: 0750\n  user: 1000:50\n  persistent: yes\n  instances: [no, 07]\n\
             \x20 exposes: [22:22]\n\
             \x20 create_options: {environment: {A: yes, B: 0022, C: 1, D: true, E: True, F: 'no'}, tty: yes}\n\
             \x20 host_config: {restart_policy: {Name: no}}\n"
        ),
        @r#"
    m.yaml:3:10: warning: 1.30 without quotes is 1.3 in YAML 1.1; it is taken as written
      help: write "1.30"
    m.yaml:4:16: warning: 0750 without quotes is 488 in YAML 1.1; it is taken as written
      help: write "0750"
    m.yaml:5:9: warning: 1000:50 without quotes is 60050 in YAML 1.1; it is taken as written
      help: write "1000:50"
    m.yaml:7:15: warning: no without quotes is false in YAML 1.1; it is taken as written
      help: write "no"
    m.yaml:7:19: warning: 07 without quotes is 7 in YAML 1.1; it is taken as written
      help: write "07"
    m.yaml:8:13: warning: 22:22 without quotes is the number 1342 in YAML 1.1
      help: to publish a port, write {22: 22}
    m.yaml:9:37: warning: yes without quotes becomes True in a variable, as with Docker-Map
      help: quote it to choose: "yes" or "True"
    m.yaml:9:45: warning: 0022 without quotes is 18 in YAML 1.1
      help: write "0022" if that is meant, else 18
    m.yaml:9:60: warning: true without quotes becomes True in a variable, as with Docker-Map
      help: quote it to choose: "true" or "True"
    m.yaml:10:40: warning: no without quotes is false in YAML 1.1
      help: write "no" if that is meant, else false
    "#
    );
    let map = resolved("a: {image: 1.30, permissions: 0750, user: 1000:50, instances: [no, 07]}\n");
    assert_eq!(
        map["containers"]["a"],
        json!({ "image": "1.30", "instances": ["no", "07"], "user": "1000:50", "permissions": "0750" })
    );
}

#[test]
fn old_keys_and_records_that_read_otherwise_are_told() {
    insta::assert_snapshot!(
        warnings(
            "a: {network: host, start_options: {dns: 10.0.0.1}, exec_commands: {cmd: x, user: u}}\n\
             b: {attaches: [{name: v, path: /p, readonly: true}], x-mine: 1}\n"
        ),
        @r#"
    m.yaml:1:5: warning: network is called network_mode now
      help: rename it
    m.yaml:1:20: warning: start_options is called host_config now
      help: rename it
    m.yaml:1:67: warning: this reads as 2 entries, not as the fields of one
      help: write it in brackets if it is one: [{ … }]
    m.yaml:2:16: warning: the container attaches v, which is its own and therefore not read-only
      help: leave out the mark, or give it where others use the volume
    "#
    );
}

#[test]
fn all_mistakes_are_told_at_once_each_at_its_place() {
    insta::assert_snapshot!(
        mistakes(
            "groups:\n  a: [b]\n  g:\n    - a\n    - a.x\n\
             a:\n  image: [x]\n  instances: [i]\n  network_mode: a\n  start_delay: soon\n\
             b:\n  uses: a\n  attaches: {v: /v, c: /c}\n  exposes: ['80:8080', [[80], 1]]\n  shares: [[a]]\n\
             \x20 binds: [[data, x], {/a: []}, 5]\n  links: [a.j]\n\
             c: {shares: /x}\nnetworks: [n]\nvolume: 5\n"
        ),
        @r"
    m.yaml:2:3: error: the group a is called as a container is
    m.yaml:5:7: error: there is no container a.x, of the group g
      help: name one of its instances: i
    m.yaml:7:10: error: an image is wanted here, not a list
    m.yaml:9:17: error: there is no container a, that a refers to
      help: name one of its instances: i
    m.yaml:10:16: error: seconds are wanted here
    m.yaml:12:9: error: b uses a, which has no volumes
      help: give it some under shares, binds, attaches or uses
    m.yaml:13:21: error: b attaches c, which is also a container with volumes
      help: call one of them otherwise, so that it is clear what others use
    m.yaml:14:13: error: 80:8080 is no port
      help: to publish a port, write {8080: 80}
    m.yaml:14:25: error: a port is wanted here, not a list
    m.yaml:15:12: error: a text is wanted here, not a list
    m.yaml:16:12: error: data is no path in the container
      help: give two paths, or one alias with ro or rw
    m.yaml:16:22: error: the list is empty, and says nothing
    m.yaml:16:32: error: an alias is wanted here, not a number
      help: if it is one, write it in quotes
    m.yaml:17:11: error: there is no container a.j, that b refers to
      help: name one of its instances: i
    m.yaml:19:11: error: networks is a mapping, not a list
    m.yaml:20:1: error: volume is no key of a map, and as a container it would be a mapping, not a number
      help: did you mean volumes?
    "
    );
}

#[test]
fn fields_of_records_within_options_are_known() {
    insta::assert_snapshot!(
        mistakes(
            "a:\n  host_config:\n    restart_policy: {Nam: always}\n    ulimits: [{nam: x}, {name: nofile, soft: 1, hard: 1}]\n\
             \x20   log_config: {typ: x}\n    mounts: [{tpe: bind}, {type: bind, bind_options: {non_recursiv: yes}}]\n\
             \x20   devices: [/dev/null, {path: /dev/null}]\n    device_requests: [{device_id: [x]}]\n\
             \x20   device_read_bps: [{Path: /dev/sda, Weight: 1}]\n    blkio_weight_device: [{Path: /dev/sda, Rate: 1}]\n\
             \x20   binds: {/a: {bnd: /b}}\n    port_bindings: {80: {HostPrt: 80}}\n\
             \x20 create_options: {healthcheck: {tset: x}}\n\
             volumes: {v: {default_path: /v, create_options: {lables: {a: b}}}}\n\
             networks:\n  n: {create_options: {enable_ipvv6: true, ipam: {confg: [], config: [{subnett: x, ip_range: y}]}}}\n"
        ),
        @r"
    m.yaml:3:22: error: there is no field of restart_policy Nam
      help: did you mean Name?
    m.yaml:4:16: error: there is no field of ulimits nam
      help: did you mean name?
    m.yaml:5:18: error: there is no field of log_config typ
      help: did you mean type?
    m.yaml:6:15: error: there is no field of mounts tpe
      help: did you mean type?
    m.yaml:6:55: error: there is no field of mounts.bind_options non_recursiv
      help: did you mean NonRecursive?
    m.yaml:7:27: error: there is no field of devices path
      help: did you mean path_on_host?
    m.yaml:8:24: error: there is no field of device_requests device_id
      help: did you mean device_ids?
    m.yaml:9:40: error: there is no field of device_read_bps Weight
      help: there is: Path, Rate
    m.yaml:10:44: error: there is no field of blkio_weight_device Rate
      help: there is: Path, Weight
    m.yaml:11:18: error: there is no field of binds bnd
      help: did you mean bind?
    m.yaml:12:26: error: there is no field of port_bindings HostPrt
      help: did you mean HostPort?
    m.yaml:13:34: error: there is no field of healthcheck tset
      help: did you mean test?
    m.yaml:14:50: error: there is no field of create_options lables
      help: did you mean labels?
    m.yaml:16:24: error: there is no field of create_options enable_ipvv6
      help: did you mean enable_ipv6?
    m.yaml:16:51: error: there is no field of create_options.ipam confg
      help: did you mean Config?
    m.yaml:16:72: error: there is no field of create_options.ipam.config subnett
      help: did you mean Subnet?
    m.yaml:16:84: error: there is no field of create_options.ipam.config ip_range
      help: there is: Subnet, IPRange, Gateway, AuxiliaryAddresses
    "
    );
    let map = resolved(
        "a:\n  host_config: {restart_policy: {name: on-failure, maximum_retry_count: 2}, log_config: {Type: x, config: {any: y}},\n\
         \x20   mounts: [{type: volume, VolumeOptions: {NoCopy: true, labels: {any: x}}}], sysctls: {x-any: 1}}\n\
         networks: {n: {create_options: {ipam: {Config: [{Subnet: 10.0.0.0/8, iprange: 10.0.0.0/9}]}, enable_ipv6: true}}}\n",
    );
    assert_eq!(map["networks"]["n"]["create_options"]["enable_ipv6"], true);
}

#[test]
fn free_keys_may_stand_wherever_names_are_fixed() {
    let map = resolved(
        "volumes: {v: {default_path: /v, create_options: {x-a: 1, labels: {x-b: c}}}}\nnetworks: {n: {create_options: {x-a: 1}}}\n\
         a:\n  host_config: {x-a: 1, privileged: true, restart_policy: {Name: always, x-a: 1}, ulimits: [{name: core, x-a: 1}]}\n\
         \x20 create_options: {x-a: 1, environment: {x-b: c}}\n  healthcheck: {test: x, x-a: 1}\n\
         \x20 networks: [{network_name: n, x-a: 1}]\n  exec_commands: [{cmd: ls, x-a: 1}]\n  exposes: [{exposed_port: 80, x-a: 1}]\n\
         b: {networks: {n: {aliases: x, x-a: 1}}, exposes: {80: {host_port: 80, x-a: 1}}}\n",
    );
    let text = map.to_string();
    assert!(!text.contains("x-a"), "{text}");
    assert_eq!(
        map["volumes"]["v"]["create_options"],
        json!({ "labels": { "x-b": "c" } })
    );
    let options = &map["containers"]["a"];
    assert_eq!(
        options["host_config"]["restart_policy"],
        json!({ "Name": "always" })
    );
    assert_eq!(
        options["create_options"],
        json!({ "environment": { "x-b": "c" } })
    );
}

#[test]
fn keys_of_other_places_and_tools_lead_to_the_right_ones() {
    insta::assert_snapshot!(
        mistakes(
            "a:\n  restart: always\n  environment: {A: b}\n  command: x\n  ports: ['80:80']\n  mem_limit: 5m\n\
             \x20 host_config: {memory: 5m, memory_swap: 6m}\n  create_options: {cmd: x, env: {A: b}}\n"
        ),
        @r"
    m.yaml:2:3: error: there is no key of a container restart
      help: write it as host_config.restart_policy
    m.yaml:3:3: error: there is no key of a container environment
      help: write it as create_options.environment
    m.yaml:4:3: error: there is no key of a container command
      help: write it as create_options.command
    m.yaml:5:3: error: there is no key of a container ports
      help: write exposes: {PORT: HOST_PORT}
    m.yaml:6:3: error: there is no key of a container mem_limit
      help: write it as host_config.mem_limit
    m.yaml:7:17: error: memory is no option of the engine
      help: did you mean mem_limit?
    m.yaml:7:29: error: memory_swap is no option of the engine
      help: did you mean memswap_limit?
    m.yaml:8:20: error: cmd is no option of the engine
      help: did you mean command?
    m.yaml:8:28: error: env is no option of the engine
      help: did you mean environment?
    "
    );
}

#[test]
fn numbers_that_read_otherwise_are_told() {
    insta::assert_snapshot!(
        warnings(
            "a: {stop_timeout: 010, start_delay: 1:30, healthcheck: {test: x, retries: 010}}\n\
             b: {stop_timeout: 10, start_delay: 1.50, healthcheck: {test: x, retries: 1_0}}\n\
             c: {stop_timeout: '010', start_delay: 0x10}\n"
        ),
        @r"
    m.yaml:1:19: warning: 010 without quotes is 8 in YAML 1.1
      help: write 8 if that is meant
    m.yaml:1:37: warning: 1:30 without quotes is 90 in YAML 1.1
      help: write 90 if that is meant
    m.yaml:1:75: warning: 010 without quotes is 8 in YAML 1.1
      help: write 8 if that is meant
    "
    );
}

#[test]
fn permissions_are_what_chmod_takes() {
    insta::assert_snapshot!(
        mistakes("a: {permissions: u=rwx, user: u}\nb: {permissions: rwx}\nvolumes: {v: {permissions: '999'}}\n"),
        @r"
    m.yaml:2:18: error: `rwx` is not a permission such as 750 or u=rwX,g=rX,o=: a part has none of `+`, `-` and `=`
    m.yaml:3:28: error: `999` is not a permission such as 750 or u=rwX,g=rX,o=: a number is octal, up to 7777
    "
    );
}

#[test]
fn networks_that_no_engine_makes_are_told_with_their_places() {
    insta::assert_snapshot!(
        mistakes(
            "networks:\n  n:\n    create_options:\n      labels: [a]\n      internal: 1\n      IPAM:\n        Config:\n\
             \x20       - Subnet: 10.1.0.0/33\n        - {Subnet: 10.1.0.0/16, Gateway: 10.2.0.1}\n\
             \x20       - {Subnet: 10.1.2.0/24, IPRange: x}\n        - {Gateway: 10.3.0.1}\n\
             a: {image: x, networks: [{n: {ipv4_address: 10.1.0.256}}], exposes: {80: 90-80}}\n"
        ),
        @r"
    m.yaml:4:15: error: labels is a mapping, not a list
    m.yaml:5:17: error: internal takes true or false, not a number
    m.yaml:8:19: error: 10.1.0.0/33 is no subnet
      help: write it as 10.1.0.0/16
    m.yaml:9:42: error: 10.2.0.1 is not in the subnet of its pool
    m.yaml:10:20: error: this subnet overlaps with another one of the network
    m.yaml:10:42: error: x is no range of addresses
      help: write it as 10.1.2.0/24
    m.yaml:11:11: error: a pool of addresses has a subnet
      help: add it: Subnet: 10.1.0.0/16
    m.yaml:12:45: error: 10.1.0.256 is no IPv4 address
      help: write it as 10.1.0.2
    m.yaml:12:70: error: 90-80 is no range of ports
    "
    );
    // Of another driver nothing is known; and labels are texts, however they are written.
    let map = resolved(
        "networks:\n  n: {create_options: {labels: {a: 1}, ipam: {Driver: other, Config: [{Gateway: 10.3.0.1}]}}}\n",
    );
    assert_eq!(map["networks"]["n"]["create_options"]["labels"]["a"], 1);
}
