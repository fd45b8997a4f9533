//! What no map has any more, what is not there, and who uses what a plan takes away.

use dfab_sdk::policy::{Life, NodeKind, Operation};

use super::tests::{node, nodes};
use super::*;
use crate::notice::notices;

fn request(action: &str, options: &[(&str, &str)], nodes: Vec<Node>) -> Request {
    Request {
        action: action.to_owned(),
        options: options
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
        nodes,
        orphans: Vec::new(),
    }
}

fn told(request: &Request) -> Vec<String> {
    notices(request).unwrap()
}

/// An instance that `web` once had, and a container whose configuration is gone.
fn with_orphans(mut request: Request) -> Request {
    let mut instance = node(NodeKind::Container, "web.old", Life::Running, &[]);
    instance.config_name = "web".to_owned();
    let gone = node(NodeKind::Container, "gone", Life::Exited, &[]);
    request.orphans = vec![instance, gone];
    request
}

/// `node operation after`, with the place of the node.
fn steps(request: &Request) -> Vec<(u32, &'static str, Vec<u32>)> {
    plan(request)
        .unwrap()
        .into_iter()
        .map(|step| {
            let verb = match step.operation {
                Operation::Stop(_) => "stop",
                Operation::Remove(_) => "remove",
                Operation::Create => "create",
                Operation::Start => "start",
                _ => "other",
            };
            (step.node, verb, step.after)
        })
        .collect()
}

#[test]
fn orphans_are_told_and_left_alone() {
    for action in ["startup", "update"] {
        let request = with_orphans(request(action, &[], nodes(Life::Running, Life::Running)));
        let told = told(&request);
        assert!(
            matches!(told.as_slice(), [one] if one.contains("web.old, gone") && one.contains("--orphans")),
            "{told:?}"
        );
        assert!(steps(&request).is_empty());
    }
    // Who takes down a configuration hears of its own only.
    let shutdown = with_orphans(request("shutdown", &[], nodes(Life::Absent, Life::Running)));
    let told_at_shutdown = told(&shutdown);
    assert!(
        matches!(told_at_shutdown.as_slice(), [one] if one.contains("web.old;")),
        "{told_at_shutdown:?}"
    );
    assert_eq!(steps(&shutdown).len(), 2);
    assert!(
        told(&with_orphans(request(
            "stop",
            &[],
            nodes(Life::Running, Life::Running)
        )))
        .is_empty()
    );
}

#[test]
fn orphans_go_before_anything_else_if_that_is_asked_for() {
    let orphans = [("orphans", "true")];
    let mut all = nodes(Life::Absent, Life::Absent);
    all.remove(0);
    all.remove(0);
    all[0].requires = Vec::new();
    all[1].requires = vec![0];
    let update = with_orphans(request("update", &orphans, all));
    assert_eq!(
        steps(&update),
        [
            (2, "stop", vec![]),
            (2, "remove", vec![0]),
            (3, "remove", vec![]),
            (0, "create", vec![1, 2]),
            (0, "start", vec![3]),
            (1, "create", vec![1, 2, 4]),
            (1, "start", vec![5]),
        ]
    );
    assert!(told(&update).is_empty());
    let shutdown = with_orphans(request(
        "shutdown",
        &orphans,
        nodes(Life::Absent, Life::Exited),
    ));
    assert_eq!(
        steps(&shutdown),
        [
            (4, "stop", vec![]),
            (4, "remove", vec![0]),
            (5, "remove", vec![]),
            (3, "remove", vec![1, 2]),
        ]
    );
    // What runs is not removed by the way, in a map or out of it.
    let remove = with_orphans(request(
        "remove",
        &orphans,
        nodes(Life::Absent, Life::Exited),
    ));
    let error = plan(&remove).unwrap_err();
    assert!(
        matches!(&error, Error::Invalid(text) if text.contains("web.old on h")),
        "{error:?}"
    );
    // A persistent one is left where those are.
    let mut kept = with_orphans(request(
        "shutdown",
        &[("orphans", "true"), ("no-persistent", "true")],
        nodes(Life::Absent, Life::Absent),
    ));
    kept.orphans[0].container.as_mut().unwrap().persistent = true;
    assert_eq!(steps(&kept), [(5, "remove", vec![])]);
}

#[test]
fn a_volume_that_others_use_is_not_taken_away() {
    let volume = |connected: &[&str], life| {
        let mut all = nodes(life, life);
        all[1].observed.connected = connected.iter().map(|one| (*one).to_owned()).collect();
        all[1].requested = true;
        all
    };
    let force = [("recreate-volumes", "true"), ("force", "volume:data")];
    let attached = [("remove-attached", "true")];
    for (action, options) in [("update", &force[..]), ("shutdown", &attached)] {
        let mine = request(action, options, volume(&["db", "web"], Life::Exited));
        assert!(plan(&mine).is_ok());
        let others = volume(&["db", "foreign", "web"], Life::Exited);
        let error = plan(&request(action, options, others)).unwrap_err();
        assert!(
            matches!(&error, Error::Conflict(text) if text.contains("mounted: foreign;")),
            "{error:?}"
        );
        // An orphan is one of them unless it goes as well.
        let orphaned = || with_orphans(request(action, options, volume(&["gone"], Life::Exited)));
        let error = plan(&orphaned()).unwrap_err();
        assert!(
            matches!(&error, Error::Conflict(text) if text.contains("`--orphans`")),
            "{error:?}"
        );
        let mut with_them = orphaned();
        with_them
            .options
            .push(("orphans".to_owned(), "true".to_owned()));
        assert!(plan(&with_them).is_ok());
    }
}

#[test]
fn a_volume_that_a_shutdown_leaves_is_told_with_what_removes_it() {
    let asked = |action, options: &[(&str, &str)], life| {
        let mut all = nodes(life, life);
        all[1].requested = true;
        told(&request(action, options, all))
    };
    let told = asked("shutdown", &[], Life::Exited);
    assert!(
        matches!(told.as_slice(), [one] if one.contains("data on h stays")
            && one.contains("`--remove-attached`") && one.contains("`remove volume:data`")),
        "{told:?}"
    );
    assert!(asked("shutdown", &[("remove-attached", "true")], Life::Exited).is_empty());
    assert!(asked("shutdown", &[], Life::Absent).is_empty());
    assert!(asked("remove", &[], Life::Exited).is_empty());
}

#[test]
fn a_volume_that_was_to_be_made_anew_is_told_with_what_does_it() {
    let force = ("force", "volume:data");
    let asked = |options: &[(&str, &str)], life| {
        let update = request("update", options, nodes(life, life));
        (steps(&update).len(), told(&update))
    };
    let (count, told) = asked(&[force], Life::Running);
    assert_eq!(count, 0);
    assert!(
        matches!(told.as_slice(), [one] if one.contains("volume data on h is not made anew")
            && one.contains("`--recreate-volumes`")),
        "{told:?}"
    );
    let goes_ahead = asked(&[force, ("recreate-volumes", "true")], Life::Running);
    assert_eq!(goes_ahead, (2, Vec::new()));
    assert!(asked(&[force], Life::Absent).1.is_empty());
    assert!(asked(&[], Life::Running).1.is_empty());
}

#[test]
fn a_network_that_others_are_connected_to_is_not_taken_away() {
    let network = |connected: &[&str]| {
        let mut all = nodes(Life::Running, Life::Running);
        all[1].kind = NodeKind::Network;
        all[1].observed.connected = connected.iter().map(|one| (*one).to_owned()).collect();
        all[1].requested = true;
        all
    };
    // With all that need it, it goes after them.
    let whole = request("shutdown", &[], network(&["db", "web"]));
    assert_eq!(steps(&whole).last(), Some(&(1, "remove", vec![3])));
    let others = request("shutdown", &[], network(&["db", "foreign", "web"]));
    let error = plan(&others).unwrap_err();
    assert!(
        matches!(&error, Error::Conflict(text) if text.contains("connected to it: foreign;")),
        "{error:?}"
    );
    // By itself it does not go while anybody is there, be it of the map or not.
    let mut alone = node(NodeKind::Network, "front", Life::Created, &[]);
    alone.requested = true;
    for action in ["remove", "shutdown"] {
        assert_eq!(
            steps(&request(action, &[], vec![alone.clone()])),
            [(0, "remove", vec![])]
        );
        let mut used = alone.clone();
        used.observed.connected = vec!["web".to_owned()];
        let error = plan(&request(action, &[], vec![used])).unwrap_err();
        assert!(
            matches!(&error, Error::Conflict(text) if text.contains("connected to it: web;")),
            "{error:?}"
        );
    }
}

#[test]
fn what_is_not_there_is_told_with_what_makes_it() {
    let absent = || nodes(Life::Running, Life::Absent);
    for action in ["start", "restart", "kill", "signal", "exec-all"] {
        let told = told(&request(action, &[], absent()));
        assert!(
            matches!(told.as_slice(), [one] if one.contains("no container web;") && one.contains("`startup`")),
            "{told:?}"
        );
    }
    assert_eq!(
        told(&request("stop", &[], absent())),
        ["stop: on h there is no container web"]
    );
    for action in ["startup", "update", "shutdown", "create"] {
        assert!(told(&request(action, &[], absent())).is_empty());
    }
    let ended = nodes(Life::Running, Life::Exited);
    assert_eq!(
        told(&request("kill", &[], ended)),
        ["kill: on h does not run: web; `start` starts it"]
    );
}

#[test]
fn a_script_does_not_run_in_what_another_one_needs() {
    let both = |tie: fn(&mut Node)| {
        let mut all = nodes(Life::Absent, Life::Absent);
        all[2].requested = true;
        tie(&mut all[3]);
        request("single-cmd", &[("command", "true")], all)
    };
    assert!(plan(&both(|_| ())).is_ok());
    let tied = both(|node| node.container.as_mut().unwrap().tied_to = vec![2]);
    let linked = both(|node| node.container.as_mut().unwrap().needs_running = vec![2]);
    for request in [tied, linked] {
        let error = plan(&request).unwrap_err();
        assert!(
            matches!(&error, Error::Conflict(text) if text.contains("web on h needs db")),
            "{error:?}"
        );
    }
}
