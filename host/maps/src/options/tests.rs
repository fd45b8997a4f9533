use serde_json::{Map, Value as Json, json};

use super::{KNOWN, Section, read};
use crate::diagnostic::Report;
use crate::tree::{self, NoSettings};

fn applied(section: Section, text: &str) -> Result<Json, String> {
    let mut report = Report::new("m.yaml");
    let node = tree::read(text, &NoSettings, &mut report).unwrap();
    let options = read(section, node, &mut report);
    let (mut body, mut host) = (Map::new(), Map::new());
    for option in &options {
        option.apply(&mut body, &mut host);
    }
    body.insert("HostConfig".to_owned(), Json::Object(host));
    match report.finish(()) {
        Ok(_) => Ok(Json::Object(body)),
        Err(invalid) => Err(invalid.to_string()),
    }
}

#[test]
fn options_become_fields_in_every_way_they_are_written() {
    let host = |text: &str| {
        let body = applied(Section::HostConfig, text).unwrap();
        body.get("HostConfig").cloned().unwrap()
    };
    for (text, fields) in [
        ("mem_limit: 512m", json!({ "Memory": 512 << 20 })),
        ("memswap_limit: -1", json!({ "MemorySwap": -1 })),
        (
            "group_add: [1000, video]",
            json!({ "GroupAdd": ["1000", "video"] }),
        ),
        ("dns: 10.0.0.1", json!({ "Dns": ["10.0.0.1"] })),
        ("privileged: 1", json!({ "Privileged": true })),
        ("cpu_shares: '512'", json!({ "CpuShares": 512 })),
        ("links: {m.db: db}", json!({ "Links": ["m.db:db"] })),
        (
            "links: [[m.db, db], m.web]",
            json!({ "Links": ["m.db:db", "m.web"] }),
        ),
        ("binds: ['/a:/b:ro']", json!({ "Binds": ["/a:/b:ro"] })),
        ("binds: {/a: /b}", json!({ "Binds": ["/a:/b:rw"] })),
        (
            "binds: {/a: {bind: /b, ro: true}}",
            json!({ "Binds": ["/a:/b:ro"] }),
        ),
        (
            "binds: {/a: {bind: /b, mode: z, propagation: shared}}",
            json!({ "Binds": ["/a:/b:z,shared"] }),
        ),
        (
            "tmpfs: ['/run:size=1m', /tmp]",
            json!({ "Tmpfs": { "/run": "size=1m", "/tmp": "" } }),
        ),
        (
            "tmpfs: {/run: size=1m}",
            json!({ "Tmpfs": { "/run": "size=1m" } }),
        ),
        (
            "restart_policy: {Name: no}",
            json!({ "RestartPolicy": { "Name": "no" } }),
        ),
        (
            "log_config: {type: json-file, config: {max-file: 3}}",
            json!({ "LogConfig": { "Type": "json-file", "Config": { "max-file": "3" } } }),
        ),
        (
            "ulimits: [{name: nofile, soft: 5, hard: 5}]",
            json!({ "Ulimits": [{ "Name": "nofile", "Soft": 5, "Hard": 5 }] }),
        ),
        (
            "devices: [/dev/null]",
            json!({ "Devices": [{ "PathOnHost": "/dev/null", "PathInContainer": "/dev/null", "CgroupPermissions": "rwm" }] }),
        ),
        (
            "blkio_weight_device: [{Path: /dev/sda, Weight: 10}]",
            json!({ "BlkioWeightDevice": [{ "Path": "/dev/sda", "Weight": 10 }] }),
        ),
        (
            "port_bindings: {80: 8080}",
            json!({ "PortBindings": { "80/tcp": [{ "HostPort": "8080" }] } }),
        ),
        (
            "port_bindings: {53/udp: [10.0.0.1, 53], 80: [8080, [127.0.0.1, 81]], 81: }",
            json!({ "PortBindings": {
            "53/udp": [{ "HostIp": "10.0.0.1", "HostPort": "53" }],
            "80/tcp": [{ "HostPort": "8080" }, { "HostIp": "127.0.0.1", "HostPort": "81" }],
            "81/tcp": [{ "HostPort": "" }] } }),
        ),
        (
            "port_bindings: {80: {HostIp: 10.0.0.1, HostPort: 8080}, 81: 8000-8001}",
            json!({ "PortBindings": {
            "80/tcp": [{ "HostIp": "10.0.0.1", "HostPort": "8080" }],
            "81/tcp": [{ "HostPort": "8000-8001" }] } }),
        ),
        ("dns_search:", json!({})),
    ] {
        assert_eq!(host(text), fields, "{text}");
    }
    for (text, field, value) in [
        ("command: run 'a b'", "Cmd", json!(["run", "a b"])),
        (
            "entrypoint: [sh, -c, 5]",
            "Entrypoint",
            json!(["sh", "-c", "5"]),
        ),
        ("environment: {A: 1, B: }", "Env", json!(["A=1", "B"])),
        (
            "environment: {A: true, B: off, C: 'true', D: 1.0, E: 1.0e+3, F: 1.5e3, G: 0010}",
            "Env",
            json!([
                "A=True", "B=False", "C=true", "D=1.0", "E=1000.0", "F=1.5e3", "G=8"
            ]),
        ),
        (
            "environment: {A: 1.0e+16, B: 1.5e-5, C: 0.0001, D: -1.0e+100, E: 1.0e+15}",
            "Env",
            json!([
                "A=1e+16",
                "B=1.5e-05",
                "C=0.0001",
                "D=-1e+100",
                "E=1000000000000000.0"
            ]),
        ),
        ("labels: [a, b]", "Labels", json!({ "a": "", "b": "" })),
        ("user: 1000", "User", json!("1000")),
        ("volumes: /data", "Volumes", json!({ "/data": {} })),
        (
            "volumes: [/a, /b]",
            "Volumes",
            json!({ "/a": {}, "/b": {} }),
        ),
        (
            "ports: [80, [53, udp], 81/sctp]",
            "ExposedPorts",
            json!({ "80/tcp": {}, "53/udp": {}, "81/sctp": {} }),
        ),
        (
            "healthcheck: {test: curl x}",
            "Healthcheck",
            json!({ "Test": ["CMD-SHELL", "curl x"] }),
        ),
    ] {
        let body = applied(Section::CreateOptions, text).unwrap();
        assert_eq!(body.get(field), Some(&value), "{text}");
    }
}

#[test]
fn what_the_map_gives_already_is_joined_and_a_command_replaced() {
    let mut body = json!({ "Cmd": ["a"], "Entrypoint": ["b"], "Volumes": { "/x": {} } });
    let mut host = json!({ "Binds": ["/a:/a:rw"] });
    let mut report = Report::new("m.yaml");
    let text = "{command: [c], entrypoint: [d, e], volumes: [/y], binds: ['/a:/a:rw', '/b:/b:rw']}";
    let node = tree::read(text, &NoSettings, &mut report).unwrap();
    for option in read(Section::CreateOptions, node, &mut report) {
        option.apply(body.as_object_mut().unwrap(), host.as_object_mut().unwrap());
    }
    let wanted =
        json!({ "Cmd": ["c"], "Entrypoint": ["d", "e"], "Volumes": { "/x": {}, "/y": {} } });
    assert_eq!(body, wanted);
    assert_eq!(host, json!({ "Binds": ["/a:/a:rw", "/b:/b:rw"] }));
}

#[test]
fn mistakes_are_told_all_at_once_with_their_places() {
    let text = "privileged: maybe\ncpu_shares: many\nmem_limit: much\nbinds: {/a: {mode: ro}}\n\
                port_bindings: {0: 1}\nulimits: [nofile=5]\ncap_add: [{a: b}]\nhostname: x\n\
                cap_ad: []\ndetach: true\nname: x\nfrobnicate: 1\nrestart_policy: always\n";
    insta::assert_snapshot!(applied(Section::HostConfig, text).unwrap_err(), @r#"
    m.yaml:1:13: error: privileged takes true or false, not "maybe"
    m.yaml:2:13: error: cpu_shares takes a whole number, not "many"
    m.yaml:3:12: error: mem_limit takes a number of bytes such as 512m, not "much"
    m.yaml:4:8: error: binds takes a list of HOST:CONTAINER[:MODE], or {HOST: {bind: CONTAINER, mode: MODE}}, not this mapping
    m.yaml:5:16: error: port_bindings takes a mapping from ports to HOST_PORT or [ADDRESS, HOST_PORT], not this mapping
    m.yaml:6:10: error: ulimits takes a list of mappings, not this list
    m.yaml:7:10: error: cap_add takes a list of texts, not this list
    m.yaml:8:1: error: hostname is no option of host_config
      help: write it under create_options
    m.yaml:9:1: error: cap_ad is no option of the engine
      help: did you mean cap_add?
    m.yaml:10:1: warning: detach means nothing to the engine
      help: leave it out
    m.yaml:11:1: error: name cannot be given as an option
      help: containers are called after the map and their configuration
    m.yaml:12:1: error: frobnicate is no option of the engine
      help: `dfab map schema` has all of them; options are called as in Docker's Python SDK
    m.yaml:13:17: error: restart_policy takes {Name: 'no', always, unless-stopped or on-failure, MaximumRetryCount: NUMBER}, not "always"
    "#);
}

#[test]
fn no_option_stands_twice() {
    for (at, known) in KNOWN.iter().enumerate() {
        let same = KNOWN
            .iter()
            .skip(at + 1)
            .find(|other| other.name == known.name);
        assert_eq!(same, None);
        assert!(
            super::known::REFUSED
                .iter()
                .all(|(name, _)| *name != known.name)
        );
    }
}

#[test]
fn words_of_which_the_engine_knows_a_fixed_number_are_taken_as_it_takes_them() {
    for (section, text) in [
        (Section::CreateOptions, "stop_signal: SIGTERM"),
        (Section::CreateOptions, "stop_signal: usr1"),
        (Section::CreateOptions, "stop_signal: 64"),
        (Section::CreateOptions, "stop_signal: SIGRTMIN+15"),
        (Section::CreateOptions, "stop_signal: RTMAX-14"),
        (Section::CreateOptions, "stop_signal: ''"),
        (
            Section::HostConfig,
            "cap_add: [NET_ADMIN, cap_chown, all, CAP_BPF]",
        ),
        (Section::HostConfig, "cap_drop: ALL"),
        (
            Section::HostConfig,
            "ulimits: [{name: NOFILE, hard: 5}, {Name: rttime}]",
        ),
        (
            Section::HostConfig,
            "mounts: [{type: bind, bind_options: {Propagation: rslave}}]",
        ),
        (Section::HostConfig, "ipc_mode: container:m.web"),
        (Section::HostConfig, "ipc_mode: ''"),
        (Section::HostConfig, "pid_mode: private"),
        (Section::HostConfig, "cgroupns: private"),
    ] {
        let read = applied(section, text);
        assert!(read.is_ok(), "{text}: {read:?}");
    }
}

#[test]
fn words_that_the_engine_does_not_know_are_told_with_the_nearest() {
    for (section, text, at, told) in [
        (
            Section::CreateOptions,
            "stop_signal: SIGTREM",
            "1:14",
            "there is no signal SIGTREM\n  help: did you mean SIGTERM?",
        ),
        (
            Section::CreateOptions,
            "stop_signal: qit",
            "1:14",
            "did you mean SIGQUIT?",
        ),
        (
            Section::CreateOptions,
            "stop_signal: 65",
            "1:14",
            "there is no signal 65\n  help: the numbers of signals are 1 to 64",
        ),
        (
            Section::CreateOptions,
            "stop_signal: RTMIN+16",
            "1:14",
            "there is no signal RTMIN+16",
        ),
        (
            Section::HostConfig,
            "cap_add: [CHOWN, NET_ADMINN]",
            "1:18",
            "there is no capability NET_ADMINN\n  help: did you mean NET_ADMIN?",
        ),
        (
            Section::HostConfig,
            "cap_drop: cap_sysadmin",
            "1:11",
            "did you mean SYS_ADMIN?",
        ),
        (
            Section::HostConfig,
            "cap_add: CAP_ALL",
            "1:10",
            "there is no capability CAP_ALL",
        ),
        (
            Section::HostConfig,
            "ulimits: [{name: nofiles, soft: 5}]",
            "1:18",
            "there is no limit of processes nofiles\n  help: did you mean nofile?",
        ),
        (
            Section::HostConfig,
            "mounts: [{type: bnd}]",
            "1:17",
            "there is no type of mounts bnd\n  help: did you mean bind?",
        ),
        (
            Section::HostConfig,
            "mounts: [{Type: bind, BindOptions: {Propagation: slvae}}]",
            "1:50",
            "did you mean slave?",
        ),
        (
            Section::HostConfig,
            "ipc_mode: shared",
            "1:11",
            "there is no ipc_mode shared",
        ),
        (
            Section::HostConfig,
            "cgroupns: hots",
            "1:11",
            "did you mean host?",
        ),
    ] {
        let error = applied(section, text).unwrap_err();
        assert!(error.contains(told), "{text}: {error}");
        assert!(error.contains(at), "{text}: {error}");
    }
}

#[test]
fn values_that_every_engine_takes_are_taken() {
    for (section, text) in [
        (Section::CreateOptions, "working_dir: /srv"),
        (Section::CreateOptions, "working_dir: ''"),
        (Section::CreateOptions, "mac_address: '02:42:AC:11:00:02'"),
        (Section::CreateOptions, "mac_address: 02-42-ac-11-00-0f"),
        (
            Section::HostConfig,
            "extra_hosts: {a: 10.0.0.1, b: '::1', c: host-gateway}",
        ),
        (
            Section::HostConfig,
            "extra_hosts: ['a:10.0.0.1', 'b:::1', 'c:host-gateway']",
        ),
        (Section::CreateOptions, "mem_limit: 6m"),
        (Section::HostConfig, "mem_limit: 0"),
        (Section::HostConfig, "mem_reservation: -1"),
        (Section::HostConfig, "mem_swappiness: -1"),
        (Section::HostConfig, "cpu_quota: -1"),
        (Section::HostConfig, "blkio_weight: 0"),
        (
            Section::HostConfig,
            "restart_policy: {Name: on-failure, MaximumRetryCount: 3}",
        ),
        (
            Section::HostConfig,
            "restart_policy: {Name: always, MaximumRetryCount: 0}",
        ),
        (
            Section::HostConfig,
            "ulimits: [{Name: core, Soft: -1, Hard: -1}, {Name: nofile, Soft: 5, Hard: -1}]",
        ),
    ] {
        let read = applied(section, text);
        assert!(read.is_ok(), "{text}: {read:?}");
    }
}

#[test]
fn values_that_no_engine_takes_are_told() {
    for (section, text, at, told) in [
        (
            Section::CreateOptions,
            "working_dir: srv",
            "1:14",
            "srv is no absolute path",
        ),
        (
            Section::CreateOptions,
            "mac_address: '02:42:ac:11:00'",
            "1:14",
            "02:42:ac:11:00 is no MAC address",
        ),
        (
            Section::CreateOptions,
            "mac_address: '02:42:ac:11:00:0g'",
            "1:14",
            "is no MAC address",
        ),
        (
            Section::HostConfig,
            "extra_hosts: ['a:10.0.0.1', 'b:somewhere']",
            "1:29",
            "b:somewhere is no host with its address",
        ),
        (
            Section::HostConfig,
            "extra_hosts: [a]",
            "1:15",
            "a is no host with its address",
        ),
        (
            Section::HostConfig,
            "extra_hosts: {a: 10.0.0}",
            "1:18",
            "10.0.0 is no host with its address",
        ),
        (
            Section::HostConfig,
            "tmpfs: [/run, tmp]",
            "1:15",
            "tmp is no path in the container",
        ),
        (
            Section::HostConfig,
            "tmpfs: {/: size=1m}",
            "1:9",
            "/ is no path in the container",
        ),
        (
            Section::CreateOptions,
            "environment: [A=1, =2]",
            "1:20",
            "=2 has no name before its value",
        ),
        (
            Section::HostConfig,
            "port_bindings: {80: 70000}",
            "1:16",
            "port_bindings takes a mapping from ports",
        ),
        (
            Section::CreateOptions,
            "mem_limit: 3m",
            "1:12",
            "mem_limit has 3m, which no engine takes\n  help: mem_limit is 6m or more, on older engines 4m",
        ),
        (
            Section::HostConfig,
            "mem_limit: -1",
            "1:12",
            "mem_limit has -1, which no engine takes",
        ),
        (
            Section::HostConfig,
            "mem_reservation: 1024k",
            "1:18",
            "mem_reservation has 1024k, which no engine takes",
        ),
        (
            Section::HostConfig,
            "mem_swappiness: 101",
            "1:17",
            "mem_swappiness is a number from 0 to 100",
        ),
        (
            Section::HostConfig,
            "oom_score_adj: -1001",
            "1:16",
            "oom_score_adj is a number from -1000 to 1000",
        ),
        (
            Section::HostConfig,
            "blkio_weight: 5",
            "1:15",
            "blkio_weight is a number from 10 to 1000",
        ),
        (
            Section::HostConfig,
            "cpu_period: 1",
            "1:13",
            "cpu_period is of microseconds",
        ),
        (
            Section::HostConfig,
            "cpu_quota: 999",
            "1:12",
            "cpu_quota is of microseconds",
        ),
        (
            Section::HostConfig,
            "shm_size: -1",
            "1:11",
            "shm_size is not negative",
        ),
        (
            Section::HostConfig,
            "ulimits: [{name: nofile, soft: 5}]",
            "1:32",
            "the soft limit of nofile is above its hard one",
        ),
        (
            Section::HostConfig,
            "ulimits: [{Name: core, Soft: -1, Hard: 10}]",
            "1:30",
            "the soft limit of core is above its hard one",
        ),
        (
            Section::HostConfig,
            "ulimits: [{Name: core, Soft: many, Hard: 10}]",
            "1:30",
            "a whole number is wanted here, not a text",
        ),
        (
            Section::HostConfig,
            "device_read_bps: [{Path: /dev/sda, Rate: 1m}]",
            "1:42",
            "a whole number is wanted here, not a text",
        ),
        (
            Section::HostConfig,
            "restart_policy: {Name: always, maximum_retry_count: 3}",
            "1:53",
            "the restart policy always knows no number of attempts",
        ),
        (
            Section::HostConfig,
            "restart_policy: {Name: on-failure, MaximumRetryCount: -1}",
            "1:55",
            "a number of attempts is not negative",
        ),
    ] {
        let error = applied(section, text).unwrap_err();
        assert!(error.contains(told), "{text}: {error}");
        assert!(error.contains(at), "{text}: {error}");
    }
}
