//! What was done leaves nothing to do: random maps on a model of the engine.

#![expect(
    clippy::indexing_slicing,
    reason = "JSON is null where it has nothing: reading it by a name does not panic"
)]

use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context as _, Result, bail, ensure};
use dfab_deploy::plan::{Plan, Step, Work};
use dfab_maps::{Client, Project};
use dfab_tests::planner::{Planner, project};
use dfab_tests::simulation::Simulation;
use proptest::prelude::*;
use serde_json::{Value, json};

/// Decisions about one configuration; what they mean depends on its place in the map.
#[derive(Debug, Clone)]
struct Choices {
    number: u64,
    instances: u8,
    edges: [u8; 4],
    /// Places in [`OPTIONS`], and which of its values.
    options: Vec<(usize, usize)>,
}

/// Options by their section, as JSON; each has two values between which an update changes.
const OPTIONS: [(&str, &str, [&str; 2]); 45] = [
    (
        "create_options",
        "labels",
        [r#"{"a": "b"}"#, r#"{"a": "c", "d": ""}"#],
    ),
    (
        "create_options",
        "entrypoint",
        [r#"["/init", "-v"]"#, r#""/init""#],
    ),
    ("create_options", "working_dir", [r#""/a""#, r#""/b""#]),
    ("create_options", "user", [r#""root""#, r#""web:web""#]),
    ("create_options", "hostname", [r#""one""#, r#""other""#]),
    ("create_options", "tty", ["true", "false"]),
    ("create_options", "stdin_open", ["true", "false"]),
    (
        "create_options",
        "mac_address",
        [r#""02:42:ac:11:00:02""#, r#""02:42:ac:11:00:03""#],
    ),
    ("create_options", "mem_reservation", [r#""8m""#, r#""16m""#]),
    (
        "host_config",
        "binds",
        [r#"["/h:/i"]"#, r#"["/h:/i:ro", "/j:/k:rw"]"#],
    ),
    (
        "host_config",
        "restart_policy",
        [
            r#"{"Name": "always"}"#,
            r#"{"name": "on-failure", "maximum_retry_count": 3}"#,
        ],
    ),
    (
        "host_config",
        "log_config",
        [
            r#"{"type": "syslog", "config": {"tag": "x"}}"#,
            r#"{"Type": "json-file", "Config": {"max-size": "1m"}}"#,
        ],
    ),
    ("host_config", "privileged", ["true", "false"]),
    ("host_config", "read_only", ["true", "false"]),
    ("host_config", "init", ["true", "false"]),
    ("host_config", "publish_all_ports", ["true", "false"]),
    (
        "host_config",
        "cap_drop",
        [r#"["ALL"]"#, r#"["CAP_CHOWN", "KILL"]"#],
    ),
    ("host_config", "group_add", [r#"["a", "b"]"#, r#"["b"]"#]),
    (
        "host_config",
        "security_opt",
        [r#"["no-new-privileges"]"#, r#"["seccomp=unconfined"]"#],
    ),
    (
        "host_config",
        "dns",
        [r#"["10.0.0.1"]"#, r#"["10.0.0.2", "10.0.0.1"]"#],
    ),
    ("host_config", "dns_search", [r#"["example.org"]"#, "[]"]),
    (
        "host_config",
        "extra_hosts",
        [r#"{"a": "10.0.0.1"}"#, r#"["a:10.0.0.2"]"#],
    ),
    (
        "host_config",
        "devices",
        [r#"["/dev/null:/dev/x:r"]"#, r#"["/dev/null"]"#],
    ),
    (
        "host_config",
        "ulimits",
        [
            r#"[{"name": "nofile", "soft": 1, "hard": 2}]"#,
            r#"[{"Name": "nofile", "Soft": 1, "Hard": 3}]"#,
        ],
    ),
    (
        "host_config",
        "mounts",
        [
            r#"[{"type": "tmpfs", "target": "/t"}]"#,
            r#"[{"Type": "bind", "Source": "/h", "Target": "/t", "ReadOnly": true}]"#,
        ],
    ),
    (
        "host_config",
        "sysctls",
        [
            r#"{"net.ipv4.ip_forward": 1}"#,
            r#"{"net.core.somaxconn": "9"}"#,
        ],
    ),
    (
        "host_config",
        "tmpfs",
        [r#"{"/x": "size=1m"}"#, r#"["/x", "/y"]"#],
    ),
    (
        "host_config",
        "storage_opt",
        [r#"{"size": "1g"}"#, r#"{"size": "2g"}"#],
    ),
    ("host_config", "shm_size", [r#""64m""#, r#""1m""#]),
    ("host_config", "ipc_mode", [r#""private""#, r#""host""#]),
    ("host_config", "pid_mode", [r#""host""#, r#""""#]),
    ("host_config", "uts_mode", [r#""host""#, r#""""#]),
    ("host_config", "cgroup_parent", [r#""/a""#, r#""/b""#]),
    ("host_config", "oom_score_adj", ["5", "0"]),
    ("host_config", "oom_kill_disable", ["true", "false"]),
    ("host_config", "pids_limit", ["5", "-1"]),
    ("host_config", "blkio_weight", ["10", "20"]),
    ("host_config", "cpu_shares", ["5", "1024"]),
    ("host_config", "cpu_period", ["1000", "2000"]),
    ("host_config", "cpu_quota", ["1000", "-1"]),
    ("host_config", "cpuset_cpus", [r#""0""#, r#""0-1""#]),
    ("host_config", "cpuset_mems", [r#""0""#, r#""0-1""#]),
    ("host_config", "memswap_limit", [r#""256m""#, "-1"]),
    ("host_config", "mem_swappiness", ["5", "60"]),
    (
        "host_config",
        "device_read_bps",
        [
            r#"[{"Path": "/dev/x", "Rate": 1}]"#,
            r#"[{"Path": "/dev/x", "Rate": 2}]"#,
        ],
    ),
];

/// What the engine refuses where the network is another container's.
const OF_A_NETWORK: [&str; 4] = ["dns", "extra_hosts", "hostname", "mac_address"];

fn choices() -> impl Strategy<Value = Vec<Choices>> {
    let options = proptest::collection::vec((0..OPTIONS.len(), 0..2_usize), 0..6);
    let one = (any::<u64>(), 0..3_u8, any::<[u8; 4]>(), options);
    let one = one.prop_map(|(number, instances, edges, options)| Choices {
        number,
        instances,
        edges,
        options,
    });
    proptest::collection::vec(one, 1..9)
}

/// What an engine can do.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Age {
    /// All that there is.
    Today,
    /// It has neither named volumes nor networks, as before API 1.21.
    Old,
}

impl Age {
    fn client(self) -> Client {
        let mut client = Client::default_client();
        client.interfaces.insert("inside".into(), "10.0.0.1".into());
        if self == Self::Old {
            for feature in ["volumes", "networks"] {
                client.features.insert(feature.into(), false);
            }
        }
        client
    }
}

/// A map in which each configuration needs earlier ones only.
fn map(choices: &[Choices], age: Age) -> String {
    let mut containers = serde_json::Map::new();
    let mut instances: Vec<u8> = Vec::new();
    for (index, choice) in choices.iter().enumerate() {
        let bit = |place: u32| choice.number & (1 << place) != 0;
        let other = |edge: usize| -> Option<String> {
            let place = usize::from(choice.edges[edge]) % (index + 3);
            (place < index).then(|| match instances[place] {
                0 => format!("c{place}"),
                count => format!("c{place}.i{}", choice.edges[edge] % count),
            })
        };
        let mut config =
            json!({ "image": format!("image{}", choice.number % 3), "shares": ["/srv"] });
        let mut set = |name: &str, value: Value| config[name] = value;
        if choice.instances > 0 {
            let names: Vec<_> = (0..choice.instances).map(|one| format!("i{one}")).collect();
            set("instances", json!(names));
        }
        if bit(3) {
            set(
                "attaches",
                json!([[format!("v{index}"), format!("/v{index}")]]),
            );
        }
        let mut uses = Vec::new();
        uses.extend(other(0).map(Value::from));
        if bit(4) && index > 0 && choices[index - 1].number & 8 != 0 {
            // As it is, at another place, or to be read only.
            let volume = format!("v{}", index - 1);
            uses.push(match choice.number >> 32 & 3 {
                0 => json!(volume),
                1 => json!([volume, "/elsewhere"]),
                2 => json!([volume, "/elsewhere", "ro"]),
                _ => json!([volume, "ro"]),
            });
        }
        if bit(17) {
            set(
                "binds",
                json!([
                    ["/etc/x", [format!("/h{}", choice.number % 2), "ro"]],
                    "logs"
                ]),
            );
        }
        if bit(18) {
            set("stop_signal", json!(["SIGINT", "15"][index % 2]));
            set("stop_timeout", json!(choice.number % 3));
        }
        if bit(19) {
            set("permissions", json!("u=rwX"));
        }
        set("uses", json!(uses));
        set("links", json!(other(1)));
        match other(2) {
            Some(other) if bit(5) => {
                set("network_mode", json!(other));
                // The engine refuses both together.
                set("links", Value::Null);
            }
            _ if age == Age::Old => {}
            _ if bit(6) => set(
                "networks",
                json!([["n0", format!("a{}", choice.number % 4)]]),
            ),
            linked if bit(7) => {
                let links: Vec<_> = linked.iter().map(|other| json!([other, "it"])).collect();
                let first =
                    json!({ "links": links, "ipv4_address": format!("10.9.0.{}", 9 + index) });
                // An address of its own is for one.
                let first = if choice.instances > 0 {
                    json!({ "links": links })
                } else {
                    first
                };
                set("networks", json!([["n1", first], "n0"]));
            }
            _ => {}
        }
        // Not with the network of another container, as above.
        let is_shared = bit(5) && other(2).is_some();
        if bit(8) && !is_shared {
            set(
                "exposes",
                json!([
                    80,
                    "53/udp",
                    [443, 8000 + index],
                    [81, 9000 + index, "inside"]
                ]),
            );
        }
        if bit(9) {
            set("user", json!(choice.number % 5));
        }
        if bit(10) {
            set(
                "exec_commands",
                json!([
                    ["serve", "root"],
                    ["/bin/once"],
                    ["init", "root", "initial"]
                ]),
            );
        }
        if bit(11) {
            set("persistent", json!(true));
        }
        let environment = json!({ "A": choice.number % 7, "B": bit(12) });
        let memory = bit(14).then(|| format!("{}m", 64 + choice.number % 3));
        set(
            "create_options",
            json!({ "environment": environment, "command": bit(13).then_some("run") }),
        );
        set(
            "host_config",
            json!({ "mem_limit": memory, "cap_add": bit(15).then_some(["NET_ADMIN"]) }),
        );
        for (place, value) in &choice.options {
            let (section, name, values) = OPTIONS[*place];
            if is_shared && OF_A_NETWORK.contains(&name) {
                continue;
            }
            // What it is worth without a limit is the engine's affair.
            if name == "memswap_limit" && memory.is_none() {
                continue;
            }
            config[section][name] = parsed(values[*value]);
        }
        // The engine refuses both together.
        if config["host_config"]["uts_mode"] == "host" {
            config["create_options"]["hostname"] = Value::Null;
        }
        let mut set = |name: &str, value: Value| config[name] = value;
        if bit(16) {
            set(
                "healthcheck",
                json!({ "test": ["CMD", "x"], "interval": "3s" }),
            );
        }
        instances.push(choice.instances);
        containers.insert(format!("c{index}"), config);
    }
    // JSON is YAML.
    let first = choices[0].number;
    let internal = first & (1 << 20) != 0;
    let mut more = json!({});
    if first & (1 << 21) != 0 {
        more["labels"] = json!({ "a": first % 2 });
    }
    if first & (1 << 22) != 0 {
        more["ipam"] = json!({ "config": [{ "subnet": "10.8.0.0/16" }] });
    }
    let networks = json!({
        "n0": { "internal": internal, "create_options": more },
        "n1": { "driver_options": { "mtu": first % 2 }, "create_options": { "enable_ipv6": true } },
    });
    let volumes = json!({
        "logs": "/logs",
        "v0": {
            "driver": "other", "driver_options": { "o": first % 2 }, "user": 5,
            "create_options": { "labels": { "a": first % 2 } },
        },
    });
    json!({
        "name": "m", "containers": containers, "networks": networks, "volumes": volumes,
        "host": { "logs": "/var/log" },
    })
    .to_string()
}

/// A value of this file.
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
fn parsed(value: &str) -> Value {
    serde_json::from_str(value).unwrap()
}

async fn act(
    planner: &Planner,
    project: &Project,
    engine: &mut Simulation,
    action: &str,
    age: Age,
) -> Result<usize> {
    let all = ["__all__".to_owned()];
    let client = age.client();
    let plan = planner
        .plan(action, project, &all, engine, client, &[])
        .await;
    let plan = plan.with_context(|| format!("plan {action}"))?;
    for step in &plan.steps {
        let done = engine.apply(step);
        done.with_context(|| format!("{action}: {step:?}"))?;
    }
    Ok(plan.steps.len())
}

/// What an action does to containers of the map, in words.
async fn done(
    planner: &Planner,
    project: &Project,
    engine: &mut Simulation,
    action: &str,
    names: &[&str],
) -> Result<Vec<String>> {
    let references: Vec<String> = names.iter().map(|name| format!("m.{name}")).collect();
    let client = Age::Today.client();
    let plan = planner
        .plan(action, project, &references, engine, client, &[])
        .await?;
    for step in &plan.steps {
        engine.apply(step)?;
    }
    let told = |step: &Step| format!("{} {}", step.work.verb(), step.name);
    Ok(plan.steps.iter().map(told).collect())
}

#[tokio::test]
async fn what_others_have_lost_by_a_start_is_given_back_to_them() -> Result<()> {
    let map = "name: m\na: {image: app:1}\nb:\n  image: app:1\n  network_mode: a\n\
               \x20 exec_commands: [[/bin/once, root]]\nc: {image: app:1, network_mode: b}\n\
               d: {image: app:1, links: a}\n";
    let planner = Planner::new().await?;
    let known = project(map, "m")?;
    let mut engine = Simulation::new();
    act(&planner, &known, &mut engine, "startup", Age::Today).await?;
    let started_again = ["stop m.b", "start m.b", "exec m.b", "stop m.c", "start m.c"];
    done(&planner, &known, &mut engine, "restart", &["a"]).await?;
    let mended = done(&planner, &known, &mut engine, "update", &["b", "c", "d"]).await?;
    ensure!(mended == started_again, "{mended:?}");
    let left = done(&planner, &known, &mut engine, "update", &["b", "c", "d"]).await?;
    ensure!(left.is_empty(), "{left:?}");

    // It has ended, and is started by the same plan.
    let mut ended = engine.clone();
    ended.kill("m.a")?;
    let mended = done(&planner, &known, &mut ended, "update", &["c"]).await?;
    let all = [&["start m.a"][..], &started_again].concat();
    ensure!(mended == all, "{mended:?}");

    // Made anew by somebody: what is linked to it goes with it, for it is another one.
    let mut anew = engine.clone();
    anew.make_anew("m.a")?;
    let mended = done(&planner, &known, &mut anew, "update", &["d"]).await?;
    ensure!(
        mended == ["stop m.d", "remove m.d", "create m.d", "start m.d"],
        "{mended:?}"
    );
    let left = done(&planner, &known, &mut anew, "update", &["d"]).await?;
    ensure!(left.is_empty(), "{left:?}");
    Ok(())
}

/// How many steps led from one to the other.
async fn converges(planner: &Planner, first: &str, second: &str, age: Age) -> Result<usize> {
    let (before, after) = (project(first, "m")?, project(second, "m")?);
    let mut engine = Simulation::new();
    if age == Age::Old {
        engine.add_image("tianon/true:latest");
    }
    ensure!(
        act(planner, &before, &mut engine, "startup", age).await? > 0,
        "startup did nothing"
    );
    for action in ["startup", "update"] {
        let left = act(planner, &before, &mut engine, action, age).await?;
        ensure!(left == 0, "{action} after startup still has {left} steps");
    }
    let steps = act(planner, &after, &mut engine, "update", age).await?;
    for action in ["update", "startup"] {
        let left = act(planner, &after, &mut engine, action, age).await?;
        ensure!(left == 0, "{action} after an update still has {left} steps");
    }
    act(planner, &after, &mut engine, "stop", age).await?;
    act(planner, &after, &mut engine, "update", age).await?;
    let left = act(planner, &after, &mut engine, "update", age).await?;
    ensure!(left == 0, "update after a stop still has {left} steps");
    act(planner, &after, &mut engine, "shutdown", age).await?;
    let left = act(planner, &after, &mut engine, "shutdown", age).await?;
    ensure!(left == 0, "shutdown after shutdown still has {left} steps");
    Ok(steps)
}

/// The command lines of a plan, which has nothing else.
fn commands(plan: &Plan) -> Result<Vec<String>> {
    let line = |step: &Step| match &step.work {
        Work::Exec { argv, .. } => Ok(format!("{} {}", step.name, argv.join(" "))),
        other => bail!("{other:?}"),
    };
    plan.steps.iter().map(line).collect()
}

#[tokio::test]
async fn commands_that_end_are_run_once_at_each_start() -> Result<()> {
    let before = "name: m\na:\n  image: app:1\n  exec_commands:\n\
                \x20 - [[/bin/once-each, x], root]\n  - [[/bin/stays], root]\n\
                \x20 - [[/bin/once, new], root, initial]\n";
    let after = before.replace("once-each, x", "once-each, y");
    let planner = Planner::new().await?;
    let (before, after) = (project(before, "m")?, project(&after, "m")?);
    let mut engine = Simulation::new();
    act(&planner, &before, &mut engine, "startup", Age::Today).await?;
    let all = ["__all__".to_owned()];
    for (action, known, check, expected) in [
        ("startup", &before, None, None),
        ("update", &before, None, None),
        ("update", &after, Some("none"), None),
        ("update", &after, None, Some("m.a /bin/once-each y")),
        ("update", &after, None, None),
    ] {
        let options: Vec<(&str, &str)> = check
            .map(|how| ("check-exec-commands", how))
            .into_iter()
            .collect();
        let client = Age::Today.client();
        let plan = planner
            .plan(action, known, &all, &engine, client, &options)
            .await?;
        let expected: Vec<&str> = expected.into_iter().collect();
        ensure!(
            commands(&plan)? == expected,
            "{action} {check:?}: {:?}",
            plan.steps
        );
        for step in &plan.steps {
            engine.apply(step)?;
        }
    }
    act(&planner, &after, &mut engine, "stop", Age::Today).await?;
    let started = act(&planner, &after, &mut engine, "update", Age::Today).await?;
    ensure!(started == 3, "{started} steps: a start and two commands");
    let left = act(&planner, &after, &mut engine, "update", Age::Today).await?;
    ensure!(left == 0, "{left} steps are left");
    Ok(())
}

#[test]
fn startup_and_update_leave_nothing_to_do() -> Result<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    let planner = runtime.block_on(Planner::new())?;
    let changed = AtomicUsize::new(0);
    let config = ProptestConfig {
        cases: 256,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    proptest!(config, |(
        first in choices(),
        second in choices(),
        age in prop::sample::select(vec![Age::Today, Age::Today, Age::Old]),
    )| {
        // The same containers with other settings: of others the second map knows nothing.
        let same = first.iter().zip(second.iter().cycle()).map(|(first, second)| Choices {
            instances: first.instances,
            ..second.clone()
        });
        let (first, second) = (map(&first, age), map(&same.collect::<Vec<_>>(), age));
        let result = runtime.block_on(converges(&planner, &first, &second, age));
        prop_assert!(result.is_ok(), "{:?}\n{first}\n{second}", result.err());
        changed.fetch_add(result.unwrap_or_default(), Ordering::Relaxed);
    });
    ensure!(changed.into_inner() > 256, "the maps hardly differ");
    Ok(())
}
