//! What is done only since it was asked for.

use dfab_sdk::policy::{Life, Node, NodeKind};

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
