//! Limits and the audit of every kind of plugin, as an operator meets them.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use dfab_tests::components::guest;
use dfab_tests::process::{Running, until};
use dfab_tests::{Output, Project, TestHost};
use serde_json::Value;

struct Scene {
    host: TestHost,
    project: Project,
}

impl Scene {
    /// A host `h1`, and a project with plugins that do not behave.
    fn new() -> Result<Self> {
        let (host, project) = Project::with_host()?;
        project.write(
            "one.yaml",
            "name: one\nrepository: registry.example.com\napp: {}\n",
        )?;
        for name in ["endless_policy", "endless_recipe", "misbehaving"] {
            let file = project.folder().join(format!("{name}.wasm"));
            std::fs::copy(guest(name)?, file)?;
        }
        Ok(Self { host, project })
    }

    /// What the project has besides its plugins.
    fn settle(&self, more: &str) -> Result<()> {
        let text = format!(
            "maps: one.yaml\nhosts: {{h1: }}\nplugins:\n- {{path: endless_policy.wasm, digest: any}}\n\
             - {{path: endless_recipe.wasm, digest: any}}\n\
             - {{path: misbehaving.wasm, digest: any, \
             grant: [docker.read, ssh.run, 'settings.read test_*']}}\n{more}\n"
        );
        self.project.write("dfab.yaml", &text).map(drop)
    }

    fn on_host(&self, words: &str) -> Result<Output> {
        let words: Vec<_> = words.split_whitespace().chain(["-H", "h1", "-y"]).collect();
        self.project.dfab(&words)
    }

    fn audit(&self) -> Result<Vec<Value>> {
        let text = std::fs::read_to_string(self.project.folder().join("audit.jsonl"))?;
        let lines = text.lines();
        lines
            .map(|line| serde_json::from_str(line).with_context(|| line.to_owned()))
            .collect()
    }
}

fn stopped(output: &Output, wanted: &str) -> Result<()> {
    ensure!(output.status != 0, "it was done: {output:?}");
    let told = &output.stderr;
    ensure!(told.contains(wanted), "{wanted:?} is not in: {told}");
    Ok(())
}

fn overrun(what: &str, name: &str, plugin: &str, raise: &str) -> String {
    format!(
        "{what} (limit `{name}`). To allow more, write in dfab.yaml:\n  \
         limits: {{plugins: {{{plugin}: {{{name}: {raise}}}}}}}"
    )
}

#[test]
fn policies_and_recipes_without_an_end_are_ended() -> Result<()> {
    let scene = Scene::new()?;
    for (command, plugin) in [
        ("spin app", "endless-policy"),
        ("plan spin app", "endless-policy"),
        ("setup spin", "endless-recipe"),
    ] {
        scene.settle("limits: {cpu: 200ms}")?;
        let cpu = "it used up its computing time of 200ms";
        let cpu = overrun(cpu, "cpu", plugin, "400ms");
        stopped(&scene.on_host(command)?, &cpu)?;
        scene.settle(&format!(
            "limits: {{cpu: 1m, plugins: {{{plugin}: {{wall: 300ms}}}}}}"
        ))?;
        let wall = overrun("it took longer than 300ms", "wall", plugin, "600ms");
        stopped(&scene.on_host(command)?, &wall)?;
    }
    // Neither is in the way of the others.
    scene.settle("limits: {cpu: 200ms}")?;
    scene.on_host("setup tell")?.success()?;
    let images = scene.on_host("run docker version")?;
    ensure!(images.status == 0, "{images:?}");
    Ok(())
}

#[test]
fn every_limit_of_the_project_is_told_with_the_line_that_raises_it() -> Result<()> {
    let scene = Scene::new()?;
    let task = |limits: &str, words: &str| {
        scene.settle(&format!("limits: {limits}"))?;
        scene.on_host(&format!("run misbehaving {words}"))
    };
    let told = |what: &str, limit: &str, raise: &str| overrun(what, limit, "misbehaving", raise);
    let much = task("{cpu: 1m, copied: 1MiB}", "copy-much --size 2000000")?;
    stopped(
        &much,
        &told("it handed over more than 1MiB at once", "copied", "2MiB"),
    )?;
    task(
        "{cpu: 1m, copied: 1MiB, plugins: {misbehaving: {copied: 8MiB}}}",
        "copy-much --size 2000000",
    )?
    .success()?;
    let held = task("{cpu: 1m, handles: 20}", "handles")?;
    stopped(
        &held,
        "it held more than 20 handles at once (limit `handles`)",
    )?;
    stopped(&held, "limits: {plugins: {misbehaving: {handles: 40}}}")?;
    // A log that is cut is told, and the task goes on.
    let logged = task("{cpu: 1m, output: 1KiB}", "log-much")?;
    ensure!(logged.status == 0, "{logged:?}");
    ensure!(
        logged
            .stderr
            .contains(&told("it wrote more than 1KiB", "output", "2KiB")),
        "{}",
        logged.stderr
    );
    ensure!(
        logged.stderr.contains("line 3") && !logged.stderr.contains("line 1999"),
        "{}",
        logged.stderr
    );
    let whole = task("{cpu: 1m, output: 1MiB}", "log-much")?;
    ensure!(whole.stderr.contains("line 1999"), "{}", whole.stderr);
    // What it prints before it breaks down does not fill the operator's screen.
    let printed = task("{cpu: 1m, output: 2KiB}", "print-much")?;
    stopped(&printed, "panicked: after much")?;
    ensure!(printed.stderr.len() < 2 << 10, "{}", printed.stderr);
    // What is no limit is told before anything is done.
    scene.settle("limits: {copied: much}")?;
    let nonsense = scene.on_host("run misbehaving log-much")?;
    ensure!(nonsense.status == 2, "{nonsense:?}");
    stopped(&nonsense, "`much`: a size is a number of bytes")
}

#[test]
fn calls_of_policies_and_recipes_are_in_the_audit() -> Result<()> {
    let scene = Scene::new()?;
    scene.settle("audit: audit.jsonl")?;
    let planned = scene.on_host("tell app")?;
    ensure!(planned.status == 0, "{planned:?}");
    scene.on_host("setup tell")?.success()?;
    scene.settle("audit: audit.jsonl\nlimits: {cpu: 200ms}")?;
    stopped(&scene.on_host("setup spin")?, "(limit `cpu`)")?;
    let lines = scene.audit()?;
    for (plugin, functions) in [
        ("endless-policy", &["plan tell"][..]),
        ("endless-recipe", &["plan tell", "plan spin"]),
    ] {
        let lines: Vec<_> = lines
            .iter()
            .filter(|line| line["plugin"] == plugin)
            .collect();
        ensure!(lines.len() == functions.len(), "{lines:?}");
        for (line, function) in lines.into_iter().zip(functions) {
            ensure!(line["function"] == *function, "{line}");
            ensure!(line["operation"] == "log.write", "{line}");
            ensure!(
                line["decision"] == "free" && line["outcome"] == "done",
                "{line}"
            );
            let digest = line["digest"].as_str().context("a digest")?;
            let file = format!("{}.wasm", plugin.replace('-', "_"));
            let sum = std::fs::read(scene.project.folder().join(file))?;
            let sum = openssl::sha::sha256(&sum).map(|byte| format!("{byte:02x}"));
            ensure!(digest == format!("sha256:{}", sum.concat()), "{line}");
        }
    }
    let runs: std::collections::BTreeSet<_> = lines
        .iter()
        .filter_map(|line| line["run"].as_str())
        .collect();
    ensure!(runs.len() == 3, "{runs:?}");
    Ok(())
}

#[test]
fn what_was_under_way_when_dfab_was_killed_is_in_the_audit() -> Result<()> {
    let scene = Scene::new()?;
    scene.settle("audit: audit.jsonl\nsettings: {test_token: tiefgeheim}")?;
    let arguments = [
        "run",
        "misbehaving",
        "sleep",
        "--line",
        "sleep 61 # tiefgeheim",
        "-H",
        "h1",
        "-y",
    ];
    let running = Running::start(&mut scene.project.command(&arguments)?)?;
    until(Duration::from_secs(30), || {
        scene.host.shell("pgrep -f '[s]leep 61'")
    })?;
    running.signal("KILL")?;
    running.ended(Duration::from_secs(10))?;
    let lines = scene.audit()?;
    let last = lines.last().context("a line")?;
    ensure!(
        last["operation"] == "ssh.run" && last["host"] == "h1",
        "{last}"
    );
    ensure!(last["target"] == "sleep 61 # ***", "{last}");
    ensure!(
        last["outcome"] == "begun" && last["grants"][0] == "ssh.run",
        "{last}"
    );
    // What had ended has both lines, with one number.
    scene
        .on_host("run misbehaving read-info --audit audit.jsonl")?
        .success()?;
    let lines = scene.audit()?;
    let of: Vec<_> = lines
        .iter()
        .filter(|line| line["operation"] == "docker.info")
        .collect();
    let [begun, done] = of.as_slice() else {
        anyhow::bail!("{of:?}");
    };
    ensure!(
        begun["outcome"] == "begun" && done["outcome"] == "done",
        "{of:?}"
    );
    ensure!(
        begun["call"] == done["call"] && begun["run"] == done["run"],
        "{of:?}"
    );
    ensure!(begun["duration_ms"].is_null(), "{begun}");
    Ok(())
}
