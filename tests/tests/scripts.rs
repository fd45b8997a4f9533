//! Plans as shell scripts, run as they are printed: what they make is what dfab makes.

#![expect(
    clippy::indexing_slicing,
    reason = "JSON is null where it has nothing: reading it by a name does not panic"
)]

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use dfab_tests::{Inventory, Output, Project, TestHost, process};
use serde_json::Value;

const IMAGE: &str = "dfab-test/shell:1";

const MAP: &str = r#"
name: m
volumes:
  data: {default_path: /data, user: "1234:567", permissions: "0750"}
networks:
  front: {}
  back: {internal: true, driver_options: {com.docker.network.driver.mtu: "1400"}}
db:
  image: dfab-test/shell:1
  attaches: data
  networks: back
  create_options:
    environment: {A: "1", WORDS: "it's $HOME & more"}
    labels: {team: "blue red"}
    healthcheck: {Test: [NONE]}
  host_config: {mem_limit: 64m, restart_policy: {Name: always}, cap_drop: [NET_RAW]}
web:
  image: dfab-test/shell:1
  instances: [a, b]
  networks: [[front, www], [back, inner]]
  uses: data
  shares: /srv
  stop_timeout: 2
  stop_signal: SIGQUIT
  exec_commands:
  - [[/app, write, /srv/initial, "a b"], root, initial]
side:
  image: dfab-test/shell:1
  uses: web.a
  network_mode: web.a
  stop_timeout: 2
  create_options: {environment: {PORT: "81"}}
old:
  image: dfab-test/shell:1
  links: {linked: other}
  exposes: {80: 8080}
linked:
  image: dfab-test/shell:1
  stop_timeout: 1
"#;

const ALL: [&str; 4] = ["db", "web", "side", "old"];

/// Two machines, on one of which dfab acts, and on the other one the scripts that it prints.
struct Scene {
    hosts: Vec<TestHost>,
    project: Project,
}

impl Scene {
    fn new() -> Result<Self> {
        let (hosts, project) = Project::with_hosts(2, IMAGE)?;
        project.write("dfab.yaml", "maps: m.yaml\n")?;
        project.write("m.yaml", MAP)?;
        // docker calls ssh by its name, and knows no other configuration than the user's.
        let config = project.folder().join("ssh_config");
        let ssh = format!(
            "#!/bin/sh\nexec /usr/bin/ssh -F {} \"$@\"\n",
            config.display()
        );
        let ssh = project.write("bin/ssh", &ssh)?;
        std::fs::set_permissions(ssh, Permissions::from_mode(0o755))?;
        Ok(Self { hosts, project })
    }

    /// Runs the plan of an action for the second machine as a script, as it is.
    fn script(&self, words: &[&str]) -> Result<Output> {
        let plan = [&["plan"], words, &["-H", "h2", "--format", "sh"]].concat();
        let script = self.project.dfab(&plan)?.success()?;
        let file = self.project.write("plan.sh", &script)?;
        let folder = self.project.folder().display();
        let mut command = Command::new("sh");
        command
            .arg(file)
            .current_dir(self.project.folder())
            .env_clear()
            .env("PATH", format!("{folder}/bin:/usr/bin:/bin"))
            .env("HOME", self.project.folder());
        process::run(&mut command, b"", Duration::from_secs(120)).with_context(|| script.clone())
    }

    /// Does an action on the first machine, and what its script says on the second; then both have the same.
    /// Returns the verbs of what was done.
    fn both(&self, words: &[&str]) -> Result<Vec<String>> {
        let act = [words, &["-H", "h1", "-y", "--output", "json"]].concat();
        let done = self.project.dfab(&act)?;
        let told = done.stderr.clone();
        let steps = done.json().with_context(|| told)?["steps"].clone();
        let steps = steps.as_array().cloned().unwrap_or_default();
        let ran = self.script(words)?;
        ensure!(ran.status == 0, "{words:?}: {}{}", ran.stdout, ran.stderr);
        let essence = |host: &TestHost| anyhow::Ok(Inventory::read(host)?.essence());
        let (ours, theirs) = (essence(&self.hosts[0])?, essence(&self.hosts[1])?);
        let mut differences = Vec::new();
        compare("", &ours, &theirs, &mut differences);
        ensure!(
            differences.is_empty(),
            "after {words:?}, dfab and the script differ:\n{}",
            differences.join("\n")
        );
        let verb = |step: &Value| step["operation"].as_str().unwrap_or_default().to_owned();
        Ok(steps.iter().map(verb).collect())
    }

    /// A file of a container on both machines.
    fn file(&self, container: &str, path: &str) -> Result<[Option<String>; 2]> {
        let source = format!("{container}:{path}");
        let read = |host: &TestHost| host.docker(&["cp", &source, "-"]).ok();
        let [ours, theirs] = [&self.hosts[0], &self.hosts[1]].map(read);
        Ok([ours, theirs])
    }
}

/// What docker leaves out or sends empty is the same to an engine.
fn is_nothing(value: &Value) -> bool {
    value.is_null() || value.as_object().is_some_and(serde_json::Map::is_empty)
}

/// Where two values differ.
fn compare(at: &str, ours: &Value, theirs: &Value, differences: &mut Vec<String>) {
    if let (Value::Object(one), Value::Object(other)) = (ours, theirs) {
        let names: std::collections::BTreeSet<_> = one.keys().chain(other.keys()).collect();
        for name in names {
            let at = format!("{at}/{name}");
            compare(&at, &ours[name], &theirs[name], differences);
        }
    } else if ours != theirs && !(is_nothing(ours) && is_nothing(theirs)) {
        differences.push(format!("{at}: {ours} by dfab, {theirs} by the script"));
    }
}

#[test]
fn a_whole_life_by_scripts_is_as_by_dfab() -> Result<()> {
    let scene = Scene::new()?;
    let all = |action: &'static str, more: &[&'static str]| {
        scene.both(&[&[action], &ALL[..], more].concat())
    };
    let wants = |done: Vec<String>, verbs: &[&str]| {
        for verb in verbs {
            ensure!(done.iter().any(|done| done == verb), "no {verb}: {done:?}");
        }
        Ok(())
    };
    wants(
        all("startup", &[])?,
        &[
            "create-network",
            "create-volume",
            "create-container",
            "connect",
            "prepare-volume",
            "exec",
        ],
    )?;
    ensure!(scene.hosts[1].inspect("m.db")?["Config"]["Labels"]["team"] == "blue red");

    // In place, by networks and by commands; and anew.
    let changes = [
        (
            "mem_limit: 64m, restart_policy: {Name: always}",
            "mem_limit: 96m, restart_policy: {Name: on-failure, MaximumRetryCount: 3}",
        ),
        (
            "[[front, www], [back, inner]]",
            "[[front, web], [back, inner]]",
        ),
        ("  networks: back\n", "  networks: {back: [data, store]}\n"),
        // It leaves a process behind, by which it is known to run.
        (
            "root, initial]\n",
            "root, initial]\n  - [[/bin/two], \"0\"]\n",
        ),
        ("{PORT: \"81\"}", "{PORT: \"82\"}"),
    ];
    let mut map = MAP.to_owned();
    let mut done = Vec::new();
    for (old, new) in changes {
        ensure!(map.contains(old), "the map has no {old}");
        map = map.replace(old, new);
        scene.project.write("m.yaml", &map)?;
        done.extend(all("update", &[])?);
    }
    wants(
        done,
        &[
            "update",
            "connect",
            "disconnect",
            "exec",
            "stop",
            "remove-container",
            "create-container",
        ],
    )?;
    // What the scripts have made is as the plan wants it.
    let left = [
        &["plan", "update"],
        &ALL[..],
        &["-H", "h2", "--output", "json"],
    ]
    .concat();
    let left = scene.project.dfab(&left)?.json()?;
    ensure!(left["steps"] == serde_json::json!([]), "{left}");
    let network = map.replace("front: {}", "front: {internal: true}");
    scene.project.write("m.yaml", &network)?;
    wants(
        all("update", &[])?,
        &["disconnect", "remove-network", "create-network", "connect"],
    )?;

    wants(
        all("restart", &["--restart-exec-commands", "--initial"])?,
        &["stop", "start", "exec"],
    )?;
    for host in &scene.hosts {
        host.docker(&[
            "exec",
            "m.web.a",
            "/app",
            "write",
            "/srv/initial",
            "changed",
        ])?;
    }
    wants(all("exec-all", &["--initial"])?, &["exec"])?;
    let [ours, theirs] = scene.file("m.web.a", "/srv/initial")?;
    ensure!(
        theirs.as_ref().is_some_and(|text| text.contains("a b")),
        "{theirs:?}"
    );
    ensure!(ours.is_some());
    wants(all("signal", &["--signal", "SIGUSR1"])?, &["signal"])?;
    all("start", &[])?;
    wants(all("stop", &["--timeout", "1"])?, &["stop"])?;
    wants(all("remove", &["--remove-volumes"])?, &["remove-container"])?;
    wants(all("create", &[])?, &["create-container"])?;
    wants(all("startup", &[])?, &["start"])?;
    wants(scene.both(&["kill", "db", "web"])?, &["signal"])?;
    let end = ["linked", "--remove-attached", "--remove-volumes"];
    wants(
        all("shutdown", &end)?,
        &["remove-container", "remove-volume"],
    )?;
    for host in &scene.hosts {
        ensure!(host.docker(&["ps", "-aq"])?.is_empty());
        ensure!(
            host.docker(&["volume", "ls", "-q"])?.is_empty(),
            "a volume is left"
        );
    }
    Ok(())
}

#[test]
fn what_a_script_cannot_say_is_told_in_it_and_nothing_else_is_left_to_update() -> Result<()> {
    const NAMES: [&str; 2] = ["entry", "check"];
    let scene = Scene::new()?;
    let map = "name: m\n\
        entry:\n  image: dfab-test/shell:1\n\
        \x20 create_options: {entrypoint: [/app, sleep], command: ['600']}\n\
        check:\n  image: dfab-test/shell:1\n\
        \x20 healthcheck: {test: [CMD, /app, exit, '0']}\n\
        \x20 create_options: {labels: {'a b': x}}\n";
    scene.project.write("m.yaml", map)?;
    let words = [&["startup"], &NAMES[..]].concat();
    let plan = [&["plan"], &words[..], &["-H", "h2", "--format", "sh"]].concat();
    let script = scene.project.dfab(&plan)?.success()?;
    for note in [
        "# not expressed: Labels.a b \"x\"",
        "# the client knows checks by the container's shell only, this is without",
    ] {
        ensure!(script.contains(note), "{note} is not in\n{script}");
    }
    let ran = scene.script(&words)?;
    ensure!(ran.status == 0, "{}{}", ran.stdout, ran.stderr);
    // The process is the same, wherever its entry point ends.
    let host = &scene.hosts[1];
    ensure!(host.inspect("m.entry")?["Config"]["Entrypoint"] == serde_json::json!(["/app"]));
    let update = [
        &["plan", "update"],
        &NAMES[..],
        &["-H", "h2", "--output", "json"],
    ]
    .concat();
    let left = scene.project.dfab(&update)?.json()?;
    let steps = left["steps"].as_array().context("a plan has steps")?;
    ensure!(!steps.is_empty(), "the notes of m.check are not true");
    ensure!(steps.iter().all(|step| step["name"] == "m.check"), "{left}");
    Ok(())
}

#[test]
fn runs_by_scripts_give_what_runs_by_dfab_give() -> Result<()> {
    let scene = Scene::new()?;
    let job = "where PORT\nwhere A\nreport 3\nwrite /tmp/script_run/sub/out.txt hi\n";
    scene.project.write("jobs/job.txt", job)?;
    let script = [
        "script",
        "side",
        "--script",
        "jobs/job.txt",
        "--entrypoint",
        "/app",
        "--command-format",
        "run {script_path}",
    ];
    let command = [
        "single-cmd",
        "side",
        "--entrypoint",
        "/app",
        "--command",
        "report 3",
    ];
    for words in [&script[..], &command[..]] {
        let mut outputs = Vec::new();
        for (host, folder) in [("h1", "ours"), ("h2", "theirs")] {
            let words = [words, &["--download", folder]].concat();
            let ran = match host {
                "h1" => scene
                    .project
                    .dfab(&[&words[..], &["-H", "h1", "-y"]].concat())?,
                _ => scene.script(&words)?,
            };
            ensure!(ran.status == 0, "{host}: {}{}", ran.stdout, ran.stderr);
            let code = if words[0] == "script" {
                "exit code 0"
            } else {
                "exit code 3"
            };
            ensure!(ran.stderr.contains(code), "{host}: {}", ran.stderr);
            outputs.push(ran.stdout);
        }
        // docker tells before it what it has created for that.
        ensure!(
            outputs[0].contains("out\n0\n") && outputs[1].ends_with(&outputs[0]),
            "{outputs:?}"
        );
        let results = |folder: &str| {
            let folder = scene.project.folder().join(folder);
            let mut list = Command::new("find");
            list.args([".", "-type", "f", "-printf", "%P %m\n"])
                .current_dir(folder);
            process::run(&mut list, b"", Duration::from_secs(5))?.success()
        };
        ensure!(
            results("ours")? == results("theirs")?,
            "{}{}",
            results("ours")?,
            results("theirs")?
        );
    }
    ensure!(std::fs::read(scene.project.folder().join("theirs/sub/out.txt"))? == b"hi");
    // One that must succeed ends the script, and leaves nothing.
    let failing = scene.script(&[&command[..], &["--fail-nonzero"]].concat())?;
    ensure!(failing.status != 0, "{}", failing.stderr);
    for host in &scene.hosts {
        let names = host.docker(&["ps", "-a", "--format", "{{.Names}}"])?;
        ensure!(!names.contains("m.side"), "{names}");
    }
    Ok(())
}
