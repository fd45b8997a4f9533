//! `dfab update` and the actions beside startup and shutdown, on a host of their own through SSH.

#![expect(
    clippy::indexing_slicing,
    reason = "JSON is null where it has nothing: reading it by a name does not panic"
)]

mod commands;
mod losses;

use anyhow::{Context as _, Result, ensure};
use dfab_tests::{Output, Project, TestHost, images};
use serde_json::Value;

const IMAGE: &str = "dfab-test/update:1";

const MAP: &str = r#"
name: m
volumes:
  data: {default_path: /data}
networks:
  front: {}
db:
  image: dfab-test/update:1
  attaches: data
  create_options: {environment: {A: "1"}, labels: {team: blue}}
  host_config: {mem_limit: 64m, restart_policy: {Name: always}}
web:
  image: dfab-test/update:1
  instances: [a, b]
  networks: [[front, www]]
  uses: data
  shares: /srv
  stop_timeout: 2
side:
  image: dfab-test/update:1
  uses: web.a
  network_mode: web.a
  stop_timeout: 2
  create_options: {environment: {PORT: "81"}}
"#;

struct Scene {
    host: TestHost,
    project: Project,
}

impl Scene {
    fn new() -> Result<Self> {
        Self::with_map(MAP)
    }

    fn with_map(map: &str) -> Result<Self> {
        let (host, project) = Project::with_host()?;
        project.write("dfab.yaml", "maps: m.yaml\n")?;
        project.write("m.yaml", map)?;
        images::ensure(IMAGE)?;
        host.load_image(IMAGE)?;
        Ok(Self { host, project })
    }

    /// The map, with one text in place of another.
    fn map(&self, old: &str, new: &str) -> Result<()> {
        ensure!(MAP.contains(old), "the map has no {old}");
        self.project.write("m.yaml", &MAP.replacen(old, new, 1))?;
        Ok(())
    }

    fn dfab(&self, arguments: &[&str]) -> Result<Output> {
        self.project
            .dfab(&[arguments, &["-H", "h1", "-y"]].concat())
    }

    /// What an action does, as `verb name`.
    fn act(&self, arguments: &[&str]) -> Result<Vec<String>> {
        let plan = self
            .dfab(&[arguments, &["--output", "json"]].concat())?
            .json()?;
        let steps = plan["steps"].as_array().context("a plan has steps")?;
        let word = |step: &Value, name: &str| step[name].as_str().unwrap_or_default().to_owned();
        Ok(steps
            .iter()
            .map(|step| format!("{} {}", word(step, "operation"), word(step, "name")))
            .collect())
    }

    /// Changes the map, updates, and checks that nothing is left to do.
    fn update(&self, old: &str, new: &str) -> Result<Vec<String>> {
        self.map(old, new)?;
        let done = self.act(&["update", "db", "web", "side"])?;
        let left = self.act(&["update", "db", "web", "side"])?;
        ensure!(left.is_empty(), "after {new}: {left:?}");
        Ok(done)
    }

    fn id(&self, container: &str) -> Result<Value> {
        Ok(self.host.inspect(container)?["Id"].clone())
    }
}

fn anew(name: &str) -> [String; 4] {
    ["stop", "remove-container", "create-container", "start"].map(|verb| format!("{verb} {name}"))
}

#[test]
fn an_update_does_the_least_that_brings_a_host_to_its_map() -> Result<()> {
    let scene = Scene::new()?;
    scene.dfab(&["startup", "db", "web", "side"])?.success()?;
    assert!(scene.update("", "")?.is_empty());

    // In place: the container stays the same one.
    let db = scene.id("m.db")?;
    assert_eq!(
        scene.update("mem_limit: 64m", "mem_limit: 96m")?,
        ["update m.db"]
    );
    assert_eq!(
        scene.host.inspect("m.db")?["HostConfig"]["Memory"],
        96 << 20
    );
    assert_eq!(scene.id("m.db")?, db);
    let policy = scene.update("Name: always", "Name: on-failure, MaximumRetryCount: 3")?;
    assert_eq!(policy, ["update m.db"]);
    let alias = scene.update("[front, www]", "[front, web]")?;
    assert_eq!(alias[..2], ["update m.db", "disconnect m.web.a"]);
    assert_eq!(alias.len(), 5);

    // What cannot be changed in place, and what hangs on it.
    scene.update("", "")?;
    assert_eq!(scene.update("A: \"1\"", "A: \"2\"")?, anew("m.db"));
    assert_eq!(scene.update("A: \"1\"", "B: \"2\"")?, anew("m.db"));
    assert_eq!(scene.update("team: blue", "team: red")?, anew("m.db"));
    let shares = scene.update("shares: /srv", "shares: [/srv, /opt]")?;
    assert_eq!(shares.len(), 16, "{shares:?}");
    assert_eq!(shares[12..], anew("m.side"));
    scene.update("", "")?;

    // A network made anew gets its containers back; a volume is never emptied by the way.
    let network = scene.update("front: {}", "front: {internal: true}")?;
    assert_eq!(
        network,
        [
            "disconnect m.web.a",
            "disconnect m.web.b",
            "remove-network m.front",
            "create-network m.front",
            "connect m.web.a",
            "connect m.web.b"
        ]
    );
    scene.update("", "")?;
    scene.map(
        "default_path: /data",
        "default_path: /data, driver_options: {type: tmpfs, device: tmpfs}",
    )?;
    let kept = scene.dfab(&["update", "db"])?;
    assert!(
        kept.stderr.contains("--recreate-volumes"),
        "{}",
        kept.stderr
    );
    kept.success()?;
    let lost = scene.act(&["update", "db", "web", "side", "--recreate-volumes"])?;
    assert_eq!(
        lost.iter().filter(|step| step.contains("m.data")).count(),
        2,
        "{lost:?}"
    );
    let volume = scene
        .host
        .docker(&["volume", "inspect", "m.data", "-f", "{{.Options.type}}"])?;
    assert_eq!(volume.trim(), "tmpfs");
    assert!(scene.act(&["update", "db", "web", "side"])?.is_empty());
    Ok(())
}

#[test]
fn what_was_pulled_is_used_where_it_has_changed() -> Result<()> {
    let scene = Scene::new()?;
    let host = &scene.host;
    host.start_registry()?;
    let image = format!("{}/team/app:1", TestHost::REGISTRY);
    let publish = |version: &str| -> Result<()> {
        let source = format!("dfab-test/update-{version}:1");
        images::ensure_with(&source, &[&format!("ENV VERSION={version}")])?;
        host.load_image(&source)?;
        host.docker(&["tag", &source, &image])?;
        host.docker(&["push", "--quiet", &image])?;
        host.docker(&["rmi", &source, &image]).map(drop)
    };
    let version = || -> Result<String> {
        let variables = host.docker(&["exec", "m.app", "/app", "where", "VERSION"])?;
        Ok(variables.split(' ').nth(1).unwrap_or_default().to_owned())
    };
    let map = format!("name: m\napp: {{image: '{image}', stop_timeout: 1}}\n");
    scene.project.write("m.yaml", &map)?;
    publish("one")?;
    let done = scene.act(&["startup", "app"])?;
    assert_eq!(done[0], format!("pull-image {image}"));
    assert_eq!(version()?, "one");

    // Nothing new was pulled, so nothing is done about the container.
    let id = scene.id("m.app")?;
    scene.dfab(&["update", "app", "--pull"])?.success()?;
    assert_eq!(scene.id("m.app")?, id);
    assert!(scene.act(&["update", "app"])?.is_empty());

    host.docker(&["tag", &image, "kept:1"])?;
    publish("two")?;
    host.docker(&["tag", "kept:1", &image])?;
    scene.dfab(&["update", "app", "--pull"])?.success()?;
    assert_eq!(version()?, "two");

    // The same as a script, once with something new and once without.
    host.docker(&["tag", &image, "kept:2"])?;
    publish("three")?;
    host.docker(&["tag", "kept:2", &image])?;
    for _ in 0..2 {
        let plan = [
            "plan", "update", "app", "--pull", "-H", "h1", "--format", "sh",
        ];
        let script = scene.project.dfab(&plan)?.success()?;
        let script = script.replace("docker -H ssh://h1", "docker");
        let before = scene.id("m.app")?;
        let has_new = version()? == "two";
        host.shell(&script).with_context(|| script.clone())?;
        assert_eq!(version()?, "three");
        assert_eq!(scene.id("m.app")? == before, !has_new, "{script}");
    }
    assert!(scene.act(&["update", "app"])?.is_empty());
    Ok(())
}

#[test]
fn what_happened_on_a_host_is_mended() -> Result<()> {
    let scene = Scene::new()?;
    scene.dfab(&["startup", "side"])?.success()?;
    scene.host.docker(&["rm", "-f", "m.web.a"])?;
    scene.host.docker(&["stop", "-t", "1", "m.db"])?;
    let done = scene.act(&["update", "side"])?;
    assert_eq!(done[..2], ["start m.db", "create-container m.web.a"]);
    assert_eq!(done[done.len() - 4..], anew("m.side"));
    assert!(scene.act(&["update", "side"])?.is_empty());

    // Containers that someone else made are taken as they are, if they are as the map says.
    scene.dfab(&["shutdown", "db"])?.success()?;
    scene.host.docker(&[
        "run",
        "-d",
        "--name",
        "m.db",
        "--hostname",
        "m-db",
        "-v",
        "m.data:/data",
        "-e",
        "A=1",
        "-l",
        "team=blue",
        "-m",
        "64m",
        "--memory-swap",
        "128m",
        "--restart",
        "always",
        IMAGE,
    ])?;
    let id = scene.id("m.db")?;
    assert!(scene.act(&["update", "db"])?.is_empty());
    assert_eq!(
        scene.act(&["update", "db", "--force-update"])?,
        anew("m.db")
    );
    assert_ne!(scene.id("m.db")?, id);
    assert_eq!(
        scene.act(&["update", "db", "--force", "m.db"])?,
        anew("m.db")
    );

    // Alone, without what it needs; and things that are no containers.
    scene.dfab(&["startup", "web"])?.success()?;
    let alone = scene.act(&["stop", "db", "--only"])?;
    assert_eq!(alone, ["stop m.db"]);
    let network = scene.act(&["shutdown", "network:front"])?;
    assert_eq!(
        network.last().map(String::as_str),
        Some("remove-network m.front")
    );
    assert!(
        network.contains(&"remove-container m.web.b".to_owned()),
        "{network:?}"
    );
    let volume = scene.act(&["remove", "volume:m.data"])?;
    assert_eq!(volume, ["remove-container m.db", "remove-volume m.data"]);
    Ok(())
}

#[test]
fn what_is_needed_is_left_alone_where_only_what_is_named_is_meant() -> Result<()> {
    let scene = Scene::new()?;
    let states = || {
        scene
            .host
            .docker(&["ps", "-a", "--format", "{{.Names}} {{.State}}"])
    };
    // `web` needs a network and a volume of `db`, and `side` the network of `web.a`: none is there.
    for option in ["--only", "--no-deps"] {
        let failed = scene.dfab(&["startup", "side", option])?;
        ensure!(failed.status == 1, "{}", failed.stderr);
        ensure!(failed.stderr.contains("m.web.a"), "{}", failed.stderr);
        ensure!(states()?.is_empty(), "{}", states()?);
        ensure!(!scene.host.docker(&["network", "ls"])?.contains("m.front"));
    }
    // What is named is all that there is done, whether or not what it needs is as it should be.
    scene.dfab(&["startup", "db", "web"])?.success()?;
    let db = scene.id("m.db")?;
    let alone = scene.act(&["startup", "side", "--only"])?;
    assert_eq!(alone, ["create-container m.side", "start m.side"]);
    // What that does to others is told, with what mends it.
    let tells = |arguments: &[&str], words: &str| -> Result<()> {
        let told = scene.dfab(arguments)?.success()?;
        let tells = told.contains(words);
        ensure!(tells, "{arguments:?}: {told}");
        Ok(())
    };
    for (action, options, change) in [
        ("restart", &[][..], "restarted"),
        ("update", &["--force-update"], "made anew"),
    ] {
        let arguments = [&[action, "m.web.a", "--output", "json"][..], options].concat();
        let tie = format!("on h1, m.side has the network of m.web.a, which is {change}: {action} ");
        tells(
            &arguments,
            &format!("{tie}it too, by `dfab {action} m.side`"),
        )?;
        assert!(!scene.act(&[action, "m.side", "--only"])?.is_empty());
    }
    assert!(scene.act(&["update", "side"])?.is_empty());
    // The engine would not remove it half-way.
    let refused = scene.dfab(&["remove", "network:front", "--only"])?;
    ensure!(refused.status == 2, "{}", refused.stderr);
    let told = "containers that are not part of this action are connected to it: m.web.a, m.web.b;";
    ensure!(refused.stderr.contains(told), "{}", refused.stderr);
    scene.map("A: \"1\"", "A: \"2\"")?;
    scene.host.docker(&["stop", "-t", "1", "m.side", "m.db"])?;
    assert_eq!(
        scene.act(&["update", "side", "--no-deps"])?,
        ["start m.side"]
    );
    assert_eq!(scene.id("m.db")?, db);
    ensure!(states()?.contains("m.db exited"), "{}", states()?);
    let with_all = scene.act(&["update", "side"])?;
    ensure!(
        with_all.contains(&"create-container m.db".to_owned()),
        "{with_all:?}"
    );
    Ok(())
}

#[test]
fn options_are_as_the_project_says_where_none_is_typed() -> Result<()> {
    let scene = Scene::new()?;
    let commands =
        "image: dfab-test/update:1\n  exec_commands: [[[/app, report, \"0\"], \"0\", initial]]";
    scene.map("image: dfab-test/update:1", commands)?;
    scene.dfab(&["startup", "db"])?.success()?;
    let settle = |section: &str| {
        let text = format!("maps: m.yaml\naction_defaults:\n{section}");
        scene.project.write("dfab.yaml", &text)
    };
    settle(
        "  signal: {signal: SIGUSR1}\n  exec-all: {initial: true}\n  stop: {timeout: 3}\n  \
         single-cmd: {entrypoint: /app, command: report 0, tail: 1}\n",
    )?;
    let json = |words: &[&str]| -> Result<Value> {
        let words = [&["plan"], words, &["-H", "h1", "--output", "json"]].concat();
        Ok(scene.project.dfab(&words)?.json()?["steps"].clone())
    };
    ensure!(json(&["signal", "db"])?[0]["signal"] == "SIGUSR1");
    ensure!(json(&["signal", "db", "--signal", "SIGUSR2"])?[0]["signal"] == "SIGUSR2");
    // `kill` is another action.
    ensure!(json(&["kill", "db"])?[0]["signal"] == "SIGKILL");
    ensure!(json(&["exec-all", "db"])?[0]["operation"] == "exec");
    ensure!(json(&["exec-all", "db", "--initial"])?[0]["operation"] == "exec");
    ensure!(json(&["exec-all", "db", "--initial=false"])? == serde_json::json!([]));
    ensure!(json(&["stop", "db"])?[0]["timeout_s"] == 3);
    ensure!(json(&["stop", "db", "--timeout", "4"])?[0]["timeout_s"] == 4);
    // Also where it is done, and what has to be given otherwise.
    let ran = scene.dfab(&["single-cmd", "m.web.a", "--tail", "2"])?;
    ensure!(
        ran.status == 0 && ran.stderr.contains("exit code 0"),
        "{}",
        ran.stderr
    );
    let help = scene.project.dfab(&["exec-all", "--help"])?.success()?;
    ensure!(help.contains("--initial[=<BOOLEAN>]"), "{help}");

    settle("  stop: {timout: 3}\n")?;
    let wrong = scene.dfab(&["stop", "db"])?;
    let told = "dfab.yaml:3:10: action_defaults.stop: there is no option of this action timout; \
                did you mean timeout?";
    ensure!(
        wrong.status == 2 && wrong.stderr.contains(told),
        "{}",
        wrong.stderr
    );
    // Where all mistakes are told it is one of them, and no other command's concern.
    let checked = scene.project.dfab(&["map", "check"])?;
    let told = told.replace(" action_defaults", " error: action_defaults");
    ensure!(
        checked.status == 2 && checked.stderr.contains(&told),
        "{}",
        checked.stderr
    );
    scene.project.dfab(&["map", "show"])?.success()?;
    Ok(())
}

#[test]
fn b_51_a_script_runs_in_a_container_of_its_own_and_its_exit_code_is_told() -> Result<()> {
    let scene = Scene::new()?;
    let script = scene.project.write(
        "jobs/clean.txt",
        "report 0\nwrite /tmp/script_run/a.txt hi\n",
    )?;
    let script = script.to_str().context("a path is text")?;
    let run = [
        "script",
        "m.web.a",
        "--script",
        script,
        "--entrypoint",
        "/app",
    ];
    let as_file = ["--command-format", "run {script_path}"];
    let results = scene.project.folder().join("results");
    let download = ["--download", results.to_str().context("a path is text")?];
    let done = scene.dfab(&[&run[..], &as_file, &download].concat())?;
    assert_eq!(done.stdout, "out\n0\n");
    assert!(done.stderr.contains("exit code 0"), "{}", done.stderr);
    assert_eq!(done.status, 0);
    assert_eq!(std::fs::read(results.join("a.txt"))?, b"hi");
    assert!(results.join("clean.txt").is_file());
    // What it needs stays; itself, never.
    let names = || scene.host.docker(&["ps", "-a", "--format", "{{.Names}}"]);
    assert_eq!(names()?.trim(), "m.db");

    let fails = [
        "single-cmd",
        "m.web.a",
        "--entrypoint",
        "/app",
        "--command",
        "report 3",
    ];
    let told = scene.dfab(&fails)?;
    assert!(
        told.stderr.contains("exit code 3") && told.status == 0,
        "{}",
        told.stderr
    );
    assert_eq!(
        scene
            .dfab(&[&fails[..], &["--fail-nonzero"]].concat())?
            .status,
        1
    );
    let json = scene
        .dfab(&[&fails[..], &["--output", "json"]].concat())?
        .json()?;
    assert_eq!(
        (
            &json["steps"][0]["exit_code"],
            &json["steps"][0]["stdout"],
            &json["steps"][0]["stderr"]
        ),
        (
            &Value::from(3),
            &Value::from("out\n0\n"),
            &Value::from("err\n")
        )
    );
    let slow = [
        "single-cmd",
        "m.web.a",
        "--entrypoint",
        "/app",
        "--command",
        "sleep 60",
        "--wait-timeout",
        "1",
    ];
    let given_up = scene.dfab(&slow)?;
    assert_eq!(given_up.status, 1, "{}", given_up.stderr);
    let no_shell = scene.dfab(&["single-cmd", "m.web.a", "--command", "true"])?;
    assert_eq!(no_shell.status, 1, "{}", no_shell.stderr);
    assert_eq!(names()?.trim(), "m.db");

    // What is there is not touched unless asked.
    scene.dfab(&["startup", "m.web.b"])?.success()?;
    let there = scene.dfab(&[
        "single-cmd",
        "m.web.b",
        "--entrypoint",
        "/app",
        "--command",
        "exit 0",
    ])?;
    assert!(
        there.stderr.contains("--remove-existing-before"),
        "{}",
        there.stderr
    );
    assert_eq!(there.status, 2);
    let missing = scene.dfab(&[
        "script",
        "m.web.a",
        "--script",
        "/no/such",
        "--entrypoint",
        "/app",
    ])?;
    assert_eq!(missing.status, 2);
    assert!(
        missing.stderr.contains("'/no/such' for '--script"),
        "{}",
        missing.stderr
    );
    Ok(())
}
