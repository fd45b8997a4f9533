use dfab_sdk::policy::{
    ContainerDetails, Difference, ExecCommand, Life, NodeKind, Observation, Operation, Process,
    Remedy, StopOptions,
};

use super::*;

pub(super) fn node(kind: NodeKind, name: &str, life: Life, requires: &[u32]) -> Node {
    let container = matches!(kind, NodeKind::Container).then(|| ContainerDetails {
        persistent: false,
        stop: StopOptions {
            signal: None,
            timeout_s: Some(5),
        },
        start_delay_ms: 0,
        networks: Vec::new(),
        prepares: Vec::new(),
        exec_commands: Vec::new(),
        tied_to: Vec::new(),
        needs_running: Vec::new(),
        volumes: Vec::new(),
    });
    Node {
        kind,
        host: "h".to_owned(),
        map_name: "m".to_owned(),
        config_name: name.to_owned(),
        instance: None,
        name: name.to_owned(),
        observed: Observation {
            life,
            exit_code: None,
            health: None,
            engine_id: None,
            connected: Vec::new(),
            differences: Vec::new(),
            processes: None,
            ended: Vec::new(),
        },
        requires: requires.to_vec(),
        requested: name == "web",
        container,
        config: None,
    }
}

/// An image, a volume, a container `db` that needs both, and `web` that needs `db`.
pub(super) fn nodes(db: Life, web: Life) -> Vec<Node> {
    let rest = if db == Life::Absent {
        Life::Absent
    } else {
        Life::Created
    };
    vec![
        node(NodeKind::Image, "image", rest, &[]),
        node(NodeKind::Volume, "data", rest, &[]),
        node(NodeKind::Container, "db", db, &[0, 1]),
        node(NodeKind::Container, "web", web, &[0, 2]),
    ]
}

fn planned(action: &str, options: &[(&str, &str)], nodes: Vec<Node>) -> Vec<String> {
    let options = options
        .iter()
        .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()))
        .collect();
    let request = Request {
        action: action.to_owned(),
        options,
        nodes,
        orphans: Vec::new(),
    };
    plan(&request)
        .unwrap()
        .iter()
        .map(|step| shown(step, &request))
        .collect()
}

fn shown(step: &Step, request: &Request) -> String {
    let what = match &step.operation {
        Operation::PullImage => "pull".to_owned(),
        Operation::Create => "create".to_owned(),
        Operation::Start => "start".to_owned(),
        Operation::Stop(options) => format!("stop {:?}", options.timeout_s.unwrap()),
        Operation::Remove(options) if options.volumes => {
            format!("remove force={} with volumes", options.force)
        }
        Operation::Remove(options) => format!("remove force={}", options.force),
        Operation::Connect(network) => format!("connect {network}"),
        Operation::PrepareVolume(volume) => format!("prepare {volume}"),
        Operation::Exec(command) => format!("exec {}", command.argv.join(" ")),
        Operation::Delay(milliseconds) => format!("delay {milliseconds}"),
        Operation::Signal(signal) => format!("signal {signal}"),
        Operation::Update => "update".to_owned(),
        Operation::Disconnect(network) => format!("disconnect {network}"),
        Operation::Run(run) => {
            let words = [run.entrypoint.clone(), run.command.clone()];
            let words: Vec<_> = words.into_iter().flatten().flatten().collect();
            format!("run {}", words.join(" "))
        }
    };
    format!(
        "{} {what} after {:?}",
        request.nodes[step.node as usize].name, step.after
    )
}

#[test]
fn startup_brings_everything_up_in_order() {
    assert_eq!(
        planned("startup", &[], nodes(Life::Absent, Life::Absent)),
        [
            "image pull after []",
            "data create after []",
            "db create after [0, 1]",
            "db start after [2]",
            "web create after [0, 3]",
            "web start after [4]",
        ]
    );
}

#[test]
fn startup_of_what_runs_does_nothing() {
    for life in [Life::Running, Life::Restarting, Life::Paused] {
        assert!(planned("startup", &[], nodes(life, life)).is_empty());
    }
}

#[test]
fn startup_does_everything_that_belongs_to_a_container() {
    let mut nodes = vec![node(NodeKind::Container, "web", Life::Absent, &[])];
    let command = |text: &str, initial| ExecCommand {
        argv: vec![text.to_owned()],
        user: None,
        initial,
    };
    let details = nodes[0].container.as_mut().unwrap();
    details.networks = vec!["back".to_owned()];
    details.prepares = vec!["logs".to_owned()];
    details.start_delay_ms = 500;
    details.exec_commands = vec![command("migrate", true), command("warm", false)];
    assert_eq!(
        planned("startup", &[], nodes.clone()),
        [
            "web create after []",
            "web connect back after [0]",
            "web prepare logs after [1]",
            "web start after [2]",
            "web delay 500 after [3]",
            "web exec migrate after [4]",
            "web exec warm after [5]",
        ]
    );
    nodes[0].observed.life = Life::Exited;
    assert_eq!(
        planned("startup", &[], nodes),
        [
            "web start after []",
            "web delay 500 after [0]",
            "web exec warm after [1]"
        ]
    );
}

#[test]
fn a_dead_container_is_made_anew() {
    assert_eq!(
        planned(
            "startup",
            &[],
            vec![node(NodeKind::Container, "web", Life::Dead, &[])]
        ),
        [
            "web remove force=true after []",
            "web create after [0]",
            "web start after [1]"
        ]
    );
}

#[test]
fn shutdown_takes_down_what_needs_it_first() {
    assert_eq!(
        planned(
            "shutdown",
            &[("timeout", "3")],
            nodes(Life::Running, Life::Running)
        ),
        [
            "web stop 3 after []",
            "web remove force=false after [0]",
            "db stop 5 after [1]",
            "db remove force=false after [2]",
        ]
    );
    assert_eq!(
        planned(
            "shutdown",
            &[("remove-attached", "true")],
            nodes(Life::Exited, Life::Absent)
        ),
        [
            "db remove force=false after []",
            "data remove force=false after [0]"
        ]
    );
}

#[test]
fn stop_passes_over_what_does_not_run() {
    let steps = planned("stop", &[], nodes(Life::Running, Life::Exited));
    assert_eq!(steps, ["db stop 5 after []"]);
}

#[test]
fn remove_refuses_what_runs() {
    let request = Request {
        action: "remove".to_owned(),
        options: Vec::new(),
        nodes: nodes(Life::Running, Life::Exited),
        orphans: Vec::new(),
    };
    let Err(Error::Invalid(text)) = plan(&request) else {
        panic!("it was planned")
    };
    assert!(
        text.contains("db on h") && text.contains("shutdown"),
        "{text}"
    );
}

#[test]
fn persistent_containers_can_be_kept() {
    let mut nodes = vec![node(NodeKind::Container, "web", Life::Running, &[])];
    nodes[0].container.as_mut().unwrap().persistent = true;
    assert!(planned("shutdown", &[("no-persistent", "true")], nodes.clone()).is_empty());
    assert_eq!(planned("shutdown", &[], nodes).len(), 2);
}

#[test]
fn the_volumes_of_a_kept_container_are_kept() {
    let mut nodes = nodes(Life::Exited, Life::Exited);
    nodes[2].container.as_mut().unwrap().persistent = true;
    let attached = ("remove-attached", "true");
    for action in ["remove", "shutdown"] {
        assert_eq!(
            planned(
                action,
                &[attached, ("no-persistent", "true")],
                nodes.clone()
            ),
            ["web remove force=false after []"]
        );
        assert_eq!(
            planned(action, &[attached], nodes.clone()),
            [
                "web remove force=false after []",
                "db remove force=false after [0]",
                "data remove force=false after [1]"
            ]
        );
    }
}

#[test]
fn restart_is_a_stop_and_a_start() {
    let web = |life| vec![node(NodeKind::Container, "web", life, &[])];
    assert_eq!(
        planned("restart", &[], web(Life::Running)),
        ["web stop 5 after []", "web start after [0]"]
    );
    assert_eq!(
        planned("restart", &[], web(Life::Exited)),
        ["web start after []"]
    );
    assert!(planned("restart", &[], web(Life::Created)).is_empty());
}

#[test]
fn create_and_start_are_the_two_halves_of_startup() {
    assert_eq!(
        planned("create", &[], nodes(Life::Absent, Life::Absent)),
        [
            "image pull after []",
            "data create after []",
            "db create after [0, 1]",
            "web create after [0, 2]"
        ]
    );
    assert_eq!(
        planned("start", &[], nodes(Life::Created, Life::Created)),
        ["db start after []", "web start after [0]"]
    );
    assert!(planned("start", &[], nodes(Life::Absent, Life::Absent)).is_empty());
}

fn with_difference(mut node: Node, field: &str, remedy: Remedy) -> Node {
    node.observed.differences.push(Difference {
        field: field.to_owned(),
        wanted: "new".to_owned(),
        found: "old".to_owned(),
        remedy,
    });
    node
}

/// What is planned, without the order.
pub(super) fn steps(action: &str, options: &[(&str, &str)], nodes: Vec<Node>) -> Vec<String> {
    let steps = planned(action, options, nodes).into_iter();
    steps
        .map(|step| step.split(" after ").next().unwrap_or_default().to_owned())
        .collect()
}

#[test]
fn an_update_of_what_is_as_wanted_does_nothing() {
    assert!(planned("update", &[], nodes(Life::Running, Life::Running)).is_empty());
}

#[test]
fn an_update_starts_what_does_not_run_unless_it_is_persistent() {
    assert_eq!(
        steps("update", &[], nodes(Life::Exited, Life::Created)),
        ["db start", "web start"]
    );
    let mut kept = nodes(Life::Exited, Life::Running);
    kept[2].container.as_mut().unwrap().persistent = true;
    assert!(steps("update", &[], kept).is_empty());
}

#[test]
fn what_differs_is_made_anew_and_what_is_tied_to_it() {
    let mut all = nodes(Life::Running, Life::Running);
    all[2] = with_difference(all[2].clone(), "Env.A", Remedy::Recreate);
    let anew = [
        "db stop 5",
        "db remove force=false",
        "db create",
        "db start",
    ];
    assert_eq!(steps("update", &[], all.clone()), anew);
    all[3].container.as_mut().unwrap().tied_to = vec![2];
    let both = steps("update", &[], all);
    assert_eq!(both[..4], anew);
    assert_eq!(
        both[4..],
        [
            "web stop 5",
            "web remove force=false",
            "web create",
            "web start"
        ]
    );
}

#[test]
fn a_persistent_container_keeps_its_image_unless_asked() {
    let mut all = nodes(Life::Running, Life::Running);
    all[2] = with_difference(all[2].clone(), "Image", Remedy::Recreate);
    all[2].container.as_mut().unwrap().persistent = true;
    assert!(steps("update", &[], all.clone()).is_empty());
    assert_eq!(
        steps("update", &[("update-persistent", "true")], all).len(),
        4
    );
}

#[test]
fn limits_are_mended_in_place_and_networks_too() {
    let mut all = nodes(Life::Running, Life::Running);
    all[2] = with_difference(all[2].clone(), "HostConfig.Memory", Remedy::Update);
    all[2] = with_difference(
        all[2].clone(),
        "Networks.a",
        Remedy::Connect("a".to_owned()),
    );
    all[2] = with_difference(
        all[2].clone(),
        "Networks.b",
        Remedy::Reconnect("b".to_owned()),
    );
    all[2] = with_difference(
        all[2].clone(),
        "Networks.c",
        Remedy::Disconnect("c".to_owned()),
    );
    assert_eq!(
        steps("update", &[], all),
        [
            "db connect a",
            "db disconnect b",
            "db connect b",
            "db disconnect c",
            "db update"
        ]
    );
    let mut all = nodes(Life::Running, Life::Running);
    all[2] = with_difference(all[2].clone(), "HostConfig.Memory", Remedy::Recreate);
    assert_eq!(steps("update", &[], all.clone()).len(), 4);
    assert!(steps("update", &[("skip-limit-reset", "true")], all).is_empty());
}

#[test]
fn a_volume_is_not_emptied_by_the_way() {
    let mut all = nodes(Life::Running, Life::Running);
    all[1] = with_difference(all[1].clone(), "Driver", Remedy::Recreate);
    all[2].container.as_mut().unwrap().volumes = vec![1];
    all[3].container.as_mut().unwrap().volumes = vec![1];
    all[1].observed.connected = vec!["db".to_owned(), "web".to_owned()];
    assert_eq!(
        steps("update", &[("recreate-volumes", "true")], all),
        [
            "web stop 5",
            "web remove force=false",
            "db stop 5",
            "db remove force=false",
            "data remove force=false",
            "data create",
            "db create",
            "db start",
            "web create",
            "web start"
        ]
    );
}

#[test]
fn a_network_made_anew_gets_its_containers_back() {
    let mut all = nodes(Life::Running, Life::Running);
    all[1].kind = NodeKind::Network;
    all[1].observed.connected = vec!["db".to_owned()];
    all[1] = with_difference(all[1].clone(), "Internal", Remedy::Recreate);
    assert_eq!(
        steps("update", &[], all.clone()),
        [
            "db disconnect data",
            "data remove force=false",
            "data create",
            "db connect data"
        ]
    );
    all[1].observed.connected.push("stranger".to_owned());
    let request = Request {
        action: "update".to_owned(),
        options: Vec::new(),
        nodes: all,
        orphans: Vec::new(),
    };
    let error = plan(&request).unwrap_err();
    assert!(
        matches!(&error, Error::Conflict(text) if text.contains("stranger")),
        "{error:?}"
    );
}

#[test]
fn commands_that_do_not_run_are_run_again_but_for_initial_ones() {
    let mut all = nodes(Life::Running, Life::Running);
    let command = |line: &str, initial| ExecCommand {
        argv: line.split(' ').map(str::to_owned).collect(),
        user: None,
        initial,
    };
    let container = all[2].container.as_mut().unwrap();
    container.exec_commands = vec![
        command("serve a", false),
        command("serve b", false),
        command("init", true),
    ];
    // Where it is not known what runs, nothing is run a second time.
    assert!(steps("update", &[], all.clone()).is_empty());
    let process = |command: &str| Process {
        user: "root".to_owned(),
        command: command.to_owned(),
    };
    all[2].observed.processes = Some(vec![process("serve a"), process("nice serve b")]);
    assert_eq!(steps("update", &[], all.clone()), ["db exec serve b"]);
    // What has ended well since the start need not run.
    let mut done = all.clone();
    done[2].observed.ended = vec![1];
    assert!(steps("update", &[], done.clone()).is_empty());
    done[2].observed.ended = vec![0, 2];
    assert_eq!(steps("update", &[], done), ["db exec serve b"]);
    // B-24
    for how in ["partial", "none"] {
        assert!(steps("update", &[("check-exec-commands", how)], all.clone()).is_empty());
    }
    assert_eq!(
        steps("exec-all", &[], all.clone()),
        ["db exec serve a", "db exec serve b"]
    );
    // As it was before `initial` meant something.
    let mut ended = all.clone();
    ended[2].observed.life = Life::Exited;
    assert_eq!(steps("start", &[], ended.clone()).len(), 3);
    for action in ["start", "startup", "update"] {
        let initial = steps(action, &[("initial", "true")], ended.clone());
        assert_eq!(initial.last().unwrap(), "db exec init", "{action}");
    }
    // All are run after a new start.
    all[2] = with_difference(all[2].clone(), "Env.A", Remedy::Recreate);
    assert_eq!(
        steps("update", &[], all)[4..],
        ["db exec serve a", "db exec serve b", "db exec init"]
    );
}

#[test]
fn with_pull_a_container_is_made_anew_only_for_another_image() {
    let request = Request {
        action: "update".to_owned(),
        options: vec![("pull".to_owned(), "true".to_owned())],
        nodes: nodes(Life::Running, Life::Running),
        orphans: Vec::new(),
    };
    let steps = plan(&request).unwrap();
    assert!(matches!(steps[0].operation, Operation::PullImage));
    assert!(steps[0].if_changed.is_empty());
    assert!(steps[1..].iter().all(|step| step.if_changed == [0]));
    assert_eq!(steps.len(), 9);
}

#[test]
fn what_is_forced_is_made_anew() {
    let all = || nodes(Life::Running, Life::Running);
    assert_eq!(
        steps("update", &[("force-update", "true")], all()),
        [
            "web stop 5",
            "web remove force=false",
            "web create",
            "web start"
        ]
    );
    assert_eq!(steps("update", &[("force", "db")], all())[0], "db stop 5");
    let mut ended = all();
    ended[2].observed.life = Life::Exited;
    ended[2].observed.exit_code = Some(127);
    assert_eq!(
        steps("update", &[("nonrecoverable-exit-code", "127")], ended),
        ["db remove force=false", "db create", "db start"]
    );
}

#[test]
fn a_script_has_a_container_of_its_own() {
    let script = [
        ("script", "jobs/clean.sh"),
        ("command-format", "-x {script_path} '{{}}'"),
    ];
    assert_eq!(
        steps("script", &script, nodes(Life::Exited, Life::Absent)),
        ["db start", "web run -x /tmp/script_run/clean.sh {}"]
    );
    let request = |options: &[(&str, &str)], web| Request {
        action: "script".to_owned(),
        options: options
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
        nodes: nodes(Life::Running, web),
        orphans: Vec::new(),
    };
    let error = plan(&request(&script, Life::Exited)).unwrap_err();
    assert!(matches!(error, Error::Conflict(_)), "{error:?}");
    let forced = [script[0], ("remove-existing-before", "true")];
    assert_eq!(
        steps("script", &forced, nodes(Life::Running, Life::Running)),
        [
            "web stop 5",
            "web remove force=false",
            "web run /tmp/script_run/clean.sh"
        ]
    );
    for wrong in [
        [("script", "a.sh"), ("upload-dir", "jobs")],
        [("script", "a.sh"), ("command-format", "{path}")],
        [("script", "a.sh"), ("container-script-dir", "tmp")],
        [("script", "a.sh"), ("tail", "few")],
    ] {
        assert!(plan(&request(&wrong, Life::Absent)).is_err(), "{wrong:?}");
    }
    let whole = [("script", "jobs/x/a.sh"), ("upload-dir", "jobs/")];
    assert_eq!(
        steps("script", &whole, nodes(Life::Running, Life::Absent)),
        ["web run /tmp/script_run/x/a.sh"]
    );
    assert_eq!(
        steps(
            "single-cmd",
            &[("command", "ls -l")],
            nodes(Life::Running, Life::Absent)
        ),
        ["web run /bin/sh -c ls -l"]
    );
}
