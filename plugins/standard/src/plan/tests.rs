use dfab_sdk::policy::{ExecCommand, Observation};

use super::*;

fn node(kind: NodeKind, name: &str, life: Life, requires: &[u32]) -> Node {
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
        },
        requires: requires.to_vec(),
        requested: name == "web",
        container,
        config: "{}".to_owned(),
    }
}

/// An image, a volume, a container `db` that needs both, and `web` that needs `db`.
fn nodes(db: Life, web: Life) -> Vec<Node> {
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
        Operation::Remove(options) => format!("remove force={}", options.force),
        Operation::Connect(network) => format!("connect {network}"),
        Operation::PrepareVolume(volume) => format!("prepare {volume}"),
        Operation::Exec(command) => format!("exec {}", command.argv.join(" ")),
        Operation::Delay(milliseconds) => format!("delay {milliseconds}"),
        Operation::Signal(signal) => format!("signal {signal}"),
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
            "db stop 3 after [1]",
            "db remove force=false after [2]",
        ]
    );
    assert_eq!(
        planned(
            "shutdown",
            &[("attached", "true")],
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
    assert!(planned("shutdown", &[("keep-persistent", "true")], nodes.clone()).is_empty());
    assert_eq!(planned("shutdown", &[], nodes).len(), 2);
}

#[test]
fn the_volumes_of_a_kept_container_are_kept() {
    let mut nodes = nodes(Life::Exited, Life::Exited);
    nodes[2].container.as_mut().unwrap().persistent = true;
    let attached = ("attached", "true");
    for action in ["remove", "shutdown"] {
        assert_eq!(
            planned(
                action,
                &[attached, ("keep-persistent", "true")],
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
