//! What Docker-Map 1.1.1 does wrong with actions, by the numbers of its known defects.

use dfab_sdk::policy::{Difference, Life, Node, NodeKind, Remedy};

use super::tests::{node, nodes, steps};

fn persistent(mut nodes: Vec<Node>) -> Vec<Node> {
    for node in &mut nodes {
        if let Some(container) = &mut node.container {
            container.persistent = node.name == "db";
        }
    }
    nodes
}

#[test]
fn b_18_an_exit_code_means_nothing_unless_it_was_named() {
    let mut ended = nodes(Life::Exited, Life::Running);
    ended[2].observed.exit_code = Some(126);
    let named = [
        ("nonrecoverable-exit-code", "125"),
        ("nonrecoverable-exit-code", "126"),
    ];
    assert_eq!(steps("update", &[], ended.clone()), ["db start"]);
    assert_eq!(steps("update", &named, ended).len(), 3);
}

#[test]
fn b_23_a_stopped_container_is_connected_before_it_starts() {
    let mut all = nodes(Life::Exited, Life::Running);
    all[2].observed.differences = vec![Difference {
        field: "Networks.net".to_owned(),
        wanted: "connected".to_owned(),
        found: "not connected".to_owned(),
        remedy: Remedy::Connect("net".to_owned()),
    }];
    assert_eq!(steps("update", &[], all), ["db connect net", "db start"]);
}

#[test]
fn b_26_options_are_for_what_was_named() {
    let all = || nodes(Life::Running, Life::Running);
    let down = [("timeout", "3"), ("remove-volumes", "true")];
    assert_eq!(
        steps("shutdown", &down, all()),
        [
            "web stop 3",
            "web remove force=false with volumes",
            "db stop 5",
            "db remove force=false"
        ]
    );
    assert_eq!(
        steps("stop", &down[..1], all()),
        ["web stop 3", "db stop 5"]
    );
    let ended = nodes(Life::Exited, Life::Exited);
    assert_eq!(
        steps("remove", &down[1..], ended),
        [
            "web remove force=false with volumes",
            "db remove force=false"
        ]
    );
    // An update by the way of what is needed, too.
    let mut differs = all();
    for node in &mut differs[2..] {
        node.observed.differences = vec![Difference {
            field: "Env.A".to_owned(),
            wanted: "new".to_owned(),
            found: "old".to_owned(),
            remedy: Remedy::Recreate,
        }];
    }
    let stops: Vec<_> = steps("update", &down[..1], differs)
        .into_iter()
        .filter(|step| step.contains("stop"))
        .collect();
    assert_eq!(stops, ["db stop 5", "web stop 3"]);
    let forced = steps("update", &[("force-update", "true")], all());
    assert!(
        forced.iter().all(|step| step.starts_with("web")),
        "{forced:?}"
    );
}

#[test]
fn b_27_what_has_ended_is_neither_stopped_nor_signalled() {
    let mut all = nodes(Life::Exited, Life::Exited);
    for node in &mut all {
        if let Some(container) = &mut node.container {
            container.stop.signal = Some("SIGINT".to_owned());
        }
    }
    for action in ["stop", "kill", "signal"] {
        assert!(steps(action, &[], all.clone()).is_empty(), "{action}");
    }
    assert_eq!(steps("restart", &[], all), ["db start", "web start"]);
}

#[test]
fn b_28_networks_and_volumes_go_when_they_are_named() {
    let removed = |name: &str| format!("{name} remove force=false");
    for action in ["remove", "shutdown"] {
        let mut all = vec![
            node(NodeKind::Network, "net", Life::Created, &[]),
            node(NodeKind::Volume, "data", Life::Created, &[]),
            node(NodeKind::Container, "web", Life::Exited, &[0, 1]),
        ];
        let only = steps(action, &[], all.clone());
        assert_eq!(only, [removed("web")]);
        all[0].requested = true;
        let both = steps(action, &[], all.clone());
        assert_eq!(both, [removed("web"), removed("net")]);
        all[1].requested = true;
        let three = [removed("web"), removed("data"), removed("net")];
        // What is in a volume is not lost with a shutdown, unless that is said.
        match action {
            "shutdown" => assert_eq!(steps(action, &[], all.clone()), both),
            _ => assert_eq!(steps(action, &[], all.clone()), three),
        }
        assert_eq!(steps(action, &[("remove-attached", "true")], all), three);
    }
}

#[test]
fn b_29_attached_volumes_go_with_their_containers_if_that_is_asked_for() {
    let all = || nodes(Life::Exited, Life::Exited);
    let attached = [("remove-attached", "true")];
    assert_eq!(
        steps("remove", &attached, all()),
        [
            "web remove force=false",
            "db remove force=false",
            "data remove force=false"
        ]
    );
    assert_eq!(steps("remove", &[], all()).len(), 2);
}

#[test]
fn b_31_a_persistent_container_that_is_kept_is_left_alone() {
    let kept = [("no-persistent", "true"), ("remove-attached", "true")];
    let all = || persistent(nodes(Life::Running, Life::Running));
    assert_eq!(
        steps("shutdown", &kept, all()),
        ["web stop 5", "web remove force=false"]
    );
    assert_eq!(steps("shutdown", &[], all()).len(), 4);
    let ended = persistent(nodes(Life::Running, Life::Exited));
    assert_eq!(steps("remove", &kept, ended), ["web remove force=false"]);
}

#[test]
fn b_30_what_is_there_is_neither_pulled_nor_created_again() {
    let mut all = nodes(Life::Exited, Life::Exited);
    all.push(node(NodeKind::Network, "net", Life::Created, &[]));
    assert_eq!(steps("startup", &[], all), ["db start", "web start"]);
}

#[test]
fn b_32_a_script_pulls_what_is_missing() {
    let script = [("script", "a.sh")];
    let done = steps("script", &script, nodes(Life::Absent, Life::Absent));
    assert_eq!(done[0], "image pull");
    assert_eq!(done.last().unwrap(), "web run /tmp/script_run/a.sh");
}

#[test]
fn b_33_images_are_pulled_all_or_only_what_is_missing() {
    let all = nodes(Life::Running, Life::Running);
    assert_eq!(steps("pull-images", &[], all.clone()), ["image pull"]);
    assert!(steps("pull-images", &[("missing", "true")], all).is_empty());
}
