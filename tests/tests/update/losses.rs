//! What containers lose by what is done to others, and what engines do by themselves: `update` sees it, and
//! leaves nothing to do.

use anyhow::{Result, ensure};

use super::{Scene, anew};

const MAP: &str = r#"
name: m
networks:
  front: {create_options: {labels: {a: b}}}
db: {image: dfab-test/update:1, stop_timeout: 1}
linked: {image: dfab-test/update:1, stop_timeout: 1, links: db}
side: {image: dfab-test/update:1, stop_timeout: 1, network_mode: db}
inside:
  image: dfab-test/update:1
  stop_timeout: 1
  networks: [[front, {aliases: [one, two]}]]
short:
  image: dfab-test/update:1
  stop_timeout: 1
  host_config: {auto_remove: true, pids_limit: -1, blkio_weight: 300, mem_swappiness: 5}
"#;

fn assert_settled(scene: &Scene) -> Result<()> {
    let left = scene.act(&["update", "__all__"])?;
    ensure!(left.is_empty(), "{left:?}");
    Ok(())
}

#[test]
fn what_others_took_away_and_engines_do_by_themselves_is_mended_once() -> Result<()> {
    let scene = Scene::with_map(MAP)?;
    scene.dfab(&["startup", "__all__"])?.success()?;
    assert_settled(&scene)?;

    // The network of one that was started again is another.
    scene.host.docker(&["restart", "--time", "0", "m.db"])?;
    let done = scene.act(&["update", "side"])?;
    ensure!(done == ["stop m.side", "start m.side"], "{done:?}");
    assert_settled(&scene)?;

    // A link is to the container, and not to its name.
    scene.host.docker(&["rm", "--force", "m.db"])?;
    scene.dfab(&["startup", "db"])?.success()?;
    let done = scene.act(&["update", "linked"])?;
    ensure!(done == anew("m.linked"), "{done:?}");
    scene.host.docker(&["restart", "--time", "0", "m.linked"])?;
    let done = scene.act(&["update", "side"])?;
    ensure!(done == anew("m.side"), "{done:?}");
    assert_settled(&scene)?;

    // It goes by itself when it has ended, and is waited for.
    let done = scene.act(&["update", "short", "--force-update"])?;
    ensure!(done == anew("m.short"), "{done:?}");
    assert_settled(&scene)?;
    scene.dfab(&["shutdown", "short"])?.success()?;
    scene.dfab(&["startup", "short"])?.success()?;

    // What was taken out of the map.
    let map = MAP.replace("[one, two]", "[one]");
    scene.project.write("m.yaml", &map)?;
    let done = scene.act(&["update", "inside"])?;
    let again = ["disconnect m.inside", "connect m.inside"];
    ensure!(done == again, "{done:?}");
    assert_settled(&scene)?;
    let map = map.replace(" {create_options: {labels: {a: b}}}", " {}");
    scene.project.write("m.yaml", &map)?;
    let done = scene.act(&["update", "inside"])?;
    let network = [
        "disconnect m.inside",
        "remove-network m.front",
        "create-network m.front",
        "connect m.inside",
    ];
    ensure!(done == network, "{done:?}");
    assert_settled(&scene)
}
