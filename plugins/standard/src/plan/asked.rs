//! What is done only since it was asked for.

use dfab_sdk::policy::{Difference, ExecCommand, Life, Node, NodeKind, Remedy};

use super::tests::{nodes, steps};

#[test]
fn a_network_or_volume_is_forced_by_its_kind_and_name() {
    let mut namesakes = nodes(Life::Running, Life::Running);
    namesakes[1].name = "db".to_owned();
    let forced = |reference: &str, kind: NodeKind| {
        let mut nodes: Vec<Node> = namesakes.clone();
        nodes[1].kind = kind;
        let options = [("force", reference), ("recreate-volumes", "true")];
        steps("update", &options, nodes)
    };
    let container = [
        "db stop 5",
        "db remove force=false",
        "db create",
        "db start",
    ];
    assert_eq!(forced("db", NodeKind::Volume), container);
    assert_eq!(forced("db", NodeKind::Network), container);
    let volume = ["db remove force=false", "db create"];
    assert_eq!(forced("volume:db", NodeKind::Volume), volume);
    let network = ["db remove force=false", "db create", "db connect db"];
    assert_eq!(forced("network:db", NodeKind::Network), network);
}

#[test]
fn initial_commands_are_run_again_in_what_is_named_and_runs() {
    let command = |text: &str, initial| ExecCommand {
        argv: vec![text.to_owned()],
        user: None,
        initial,
    };
    let with_commands = |life| {
        let mut all = nodes(Life::Running, life);
        for node in &mut all[2..] {
            let container = node.container.as_mut().unwrap();
            container.exec_commands = vec![command("serve", false), command("fill", true)];
            node.observed.processes = Some(Vec::new());
            node.observed.ended = vec![0];
        }
        all
    };
    let initial = [("initial", "true")];
    let update = |options: &[(&str, &str)], nodes| steps("update", options, nodes);
    assert!(update(&[], with_commands(Life::Running)).is_empty());
    assert_eq!(
        update(&initial, with_commands(Life::Running)),
        ["web exec fill"]
    );
    // Nothing can be run in one that is frozen.
    assert!(update(&initial, with_commands(Life::Paused)).is_empty());
    // One that is made anew has them once.
    let mut differs = with_commands(Life::Running);
    differs[3].observed.differences = vec![Difference {
        field: "Env.A".to_owned(),
        wanted: "new".to_owned(),
        found: "old".to_owned(),
        remedy: Remedy::Recreate,
    }];
    assert_eq!(
        update(&initial, differs)[4..],
        ["web exec serve", "web exec fill"]
    );
}

#[test]
fn a_persistent_container_that_has_ended_is_started_by_what_starts_and_by_no_update() {
    let mut ended = nodes(Life::Exited, Life::Running);
    ended[2].container.as_mut().unwrap().persistent = true;
    for action in ["start", "startup"] {
        assert_eq!(steps(action, &[], ended.clone()), ["db start"], "{action}");
    }
    assert!(steps("update", &[], ended).is_empty());
}
