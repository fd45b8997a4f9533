//! Containers that another one's start has taken something from.

use dfab_sdk::policy::{Difference, ExecCommand, Life, Node, Remedy, Request};

use super::plan;
use super::tests::{nodes, steps};

/// `web` has lost the network of `db`.
fn lost(db: Life, web: Life) -> Vec<Node> {
    let mut all = nodes(db, web);
    all[3].observed.differences = vec![Difference {
        field: "HostConfig.NetworkMode".to_owned(),
        wanted: "the network of db".to_owned(),
        found: "one that is gone".to_owned(),
        remedy: Remedy::Restart,
    }];
    let command = |line: &str, initial| ExecCommand {
        argv: vec![line.to_owned()],
        user: None,
        initial,
    };
    let container = all[3].container.as_mut().unwrap();
    container.exec_commands = vec![command("serve", false), command("init", true)];
    container.needs_running = vec![2];
    all
}

const AGAIN: [&str; 3] = ["web stop 5", "web start", "web exec serve"];

#[test]
fn what_a_new_start_mends_is_started_again() {
    for life in [Life::Running, Life::Restarting, Life::Paused] {
        assert_eq!(steps("update", &[], lost(Life::Running, life)), AGAIN);
    }
    let request = Request {
        action: "update".to_owned(),
        options: Vec::new(),
        nodes: lost(Life::Running, Life::Running),
        orphans: Vec::new(),
    };
    assert_eq!(
        plan(&request).unwrap()[0].reason,
        "HostConfig.NetworkMode: one that is gone instead of the network of db"
    );
    // What does not run is started in any case.
    assert_eq!(
        steps("update", &[], lost(Life::Running, Life::Exited)),
        AGAIN[1..]
    );
}

#[test]
fn what_it_needs_runs_when_it_is_started_again() {
    let mut all = lost(Life::Exited, Life::Running);
    all[2].container.as_mut().unwrap().persistent = true;
    let started = steps("update", &[], all);
    assert_eq!(started[..1], ["db start"]);
    assert_eq!(started[1..], AGAIN);
}

#[test]
fn what_is_made_anew_is_not_started_again_before() {
    let mut all = lost(Life::Running, Life::Running);
    let mut other = all[3].observed.differences[0].clone();
    other.remedy = Remedy::Recreate;
    all[3].observed.differences.push(other);
    assert_eq!(
        steps("update", &[], all),
        [
            "web stop 5",
            "web remove force=false",
            "web create",
            "web start",
            "web exec serve",
            "web exec init"
        ]
    );
}
