//! What containers lose by what is done to others, and what engines do by themselves: `update` sees it, and
//! leaves nothing to do.

use anyhow::{Context as _, Result, ensure};
use dfab_tests::{Output, Project, TestHost, images};
use serde_json::Value;

const IMAGE: &str = "dfab-test/update:1";

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

struct Scene {
    host: TestHost,
    project: Project,
}

impl Scene {
    fn new() -> Result<Self> {
        let (host, project) = Project::with_host()?;
        project.write("dfab.yaml", "maps: m.yaml\n")?;
        project.write("m.yaml", MAP)?;
        images::ensure(IMAGE)?;
        host.load_image(IMAGE)?;
        Ok(Self { host, project })
    }

    fn dfab(&self, arguments: &[&str]) -> Result<Output> {
        self.project
            .dfab(&[arguments, &["-H", "h1", "-y"]].concat())
    }

    /// What an action does, as `verb name`.
    fn act(&self, arguments: &[&str]) -> Result<Vec<String>> {
        let output = self.dfab(&[arguments, &["--output", "json"]].concat())?;
        let plan = output.json()?;
        let steps = plan.get("steps").and_then(Value::as_array);
        let word = |step: &Value, name: &str| {
            let word = step.get(name).and_then(Value::as_str);
            word.unwrap_or_default().to_owned()
        };
        let steps = steps.context("a plan has steps")?.iter();
        Ok(steps
            .map(|step| format!("{} {}", word(step, "operation"), word(step, "name")))
            .collect())
    }

    fn assert_settled(&self) -> Result<()> {
        let left = self.act(&["update", "__all__"])?;
        ensure!(left.is_empty(), "{left:?}");
        Ok(())
    }
}

fn anew(name: &str) -> [String; 4] {
    ["stop", "remove-container", "create-container", "start"].map(|verb| format!("{verb} {name}"))
}

#[test]
fn what_others_took_away_and_engines_do_by_themselves_is_mended_once() -> Result<()> {
    let scene = Scene::new()?;
    scene.dfab(&["startup", "__all__"])?.success()?;
    scene.assert_settled()?;

    // The network of one that was started again is another.
    scene.host.docker(&["restart", "--time", "0", "m.db"])?;
    let done = scene.act(&["update", "side"])?;
    ensure!(done == ["stop m.side", "start m.side"], "{done:?}");
    scene.assert_settled()?;

    // A link is to the container, and not to its name.
    scene.host.docker(&["rm", "--force", "m.db"])?;
    scene.dfab(&["startup", "db"])?.success()?;
    let done = scene.act(&["update", "linked"])?;
    ensure!(done == anew("m.linked"), "{done:?}");
    scene.host.docker(&["restart", "--time", "0", "m.linked"])?;
    let done = scene.act(&["update", "side"])?;
    ensure!(done == anew("m.side"), "{done:?}");
    scene.assert_settled()?;

    // It goes by itself when it has ended, and is waited for.
    let done = scene.act(&["update", "short", "--force-update"])?;
    ensure!(done == anew("m.short"), "{done:?}");
    scene.assert_settled()?;
    scene.dfab(&["shutdown", "short"])?.success()?;
    scene.dfab(&["startup", "short"])?.success()?;

    // What was taken out of the map.
    let map = MAP.replace("[one, two]", "[one]");
    scene.project.write("m.yaml", &map)?;
    let done = scene.act(&["update", "inside"])?;
    let again = ["disconnect m.inside", "connect m.inside"];
    ensure!(done == again, "{done:?}");
    scene.assert_settled()?;
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
    scene.assert_settled()
}
