//! What a plugin may do, on real hosts: the audit, limits, hosts, labels, other users and files.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use dfab_tests::components::guest;
use dfab_tests::{Output, Project, TestHost, process};
use serde_json::Value;

const IMAGE: &str = "dfab-test/gate:1";

struct Scene {
    hosts: Vec<TestHost>,
    project: Project,
}

impl Scene {
    /// A host `h1` with an image, and a plugin that breaks rules.
    fn new(entry: &str, more: &str) -> Result<Self> {
        let (hosts, project) = Project::with_hosts(1, IMAGE)?;
        let scene = Self { hosts, project };
        scene.settle(entry, more)?;
        Ok(scene)
    }

    /// What the project says of the plugin, and more.
    fn settle(&self, entry: &str, more: &str) -> Result<()> {
        std::fs::copy(guest("misbehaving")?, self.path("misbehaving.wasm"))?;
        let text = format!(
            "hosts: {{h1: , h2: , db1: }}\ngroups: {{web: [h1, h2]}}\nplugins:\n- path: misbehaving.wasm\n  digest: any\n{entry}\n{more}\n"
        );
        self.project.write("dfab.yaml", &text).map(drop)
    }

    fn host(&self) -> Result<&TestHost> {
        self.hosts.first().context("there is a host")
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.project.folder().join(name)
    }

    /// Runs a task of the plugin on the host.
    fn task(&self, arguments: &[&str]) -> Result<Output> {
        let run = ["run", "misbehaving"];
        self.project
            .dfab(&[&run, arguments, &["-H", "h1", "-y"]].concat())
    }

    /// The lines of an audit.
    fn audit(&self, name: &str) -> Result<Vec<Value>> {
        let text = std::fs::read_to_string(self.path(name))?;
        let lines = text.lines();
        lines
            .map(|line| serde_json::from_str(line).with_context(|| line.to_owned()))
            .collect()
    }
}

fn refused(output: &Output, wanted: &str) -> Result<()> {
    ensure!(output.status != 0, "it was done: {output:?}");
    ensure!(
        output.stderr.contains(wanted),
        "{wanted:?} is not in: {}",
        output.stderr
    );
    Ok(())
}

#[test]
fn every_call_is_in_the_audit_and_no_secret() -> Result<()> {
    let scene = Scene::new(
        "  grant: [docker.read, ssh.run, 'settings.read test_*']",
        "settings: {test_token: tiefgeheim}",
    )?;
    let path = ["--path", "in/a"];
    let options = ["--audit", "audit.jsonl"];
    let done = scene.task(&[&["all-calls"], &path[..], &options].concat())?;
    ensure!(done.status == 0, "{}", done.stderr);
    let mode = scene.path("audit.jsonl").metadata()?.permissions().mode();
    ensure!(mode & 0o777 == 0o600, "{mode:o}");
    let lines = scene.audit("audit.jsonl")?;
    let ended: Vec<_> = lines
        .iter()
        .filter(|line| line["outcome"] != "begun")
        .collect();
    let of = |operation: &str, field: &str| -> Result<Value> {
        let found = ended.iter().find(|line| line["operation"] == operation);
        Ok(found.with_context(|| operation.to_owned())?[field].clone())
    };
    ensure!(of("docker.version", "decision")? == "allowed");
    ensure!(of("docker.version", "outcome")? == "done");
    ensure!(of("docker.version", "host")? == "h1");
    ensure!(of("docker.version", "function")? == "run all-calls");
    ensure!(of("docker.version", "grants")?[0] == "docker.read");
    ensure!(of("docker.version", "duration_ms")?.as_f64() > Some(0.0));
    ensure!(of("docker.stop-container", "decision")? == "denied");
    ensure!(of("ssh.run", "target")? == "tool --password ***");
    let digest = of("ssh.run", "digest")?;
    ensure!(
        digest.as_str().is_some_and(|digest| digest.len() == 71),
        "{digest}"
    );
    let text = std::fs::read_to_string(scene.path("audit.jsonl"))?;
    ensure!(!text.contains("geheim"), "{text}");
    let numbers: BTreeSet<_> = ended
        .iter()
        .filter_map(|line| line["call"].as_u64())
        .collect();
    ensure!(numbers.len() == ended.len(), "numbers come twice");

    // The next one is added; plugins of dfab's own are told of too.
    scene
        .project
        .dfab(&[&["run", "docker", "version", "-H", "h1"], &options[..]].concat())?
        .success()?;
    let more = scene.audit("audit.jsonl")?;
    ensure!(more.len() > lines.len());
    let last = more.last().context("a line")?;
    ensure!(
        last["plugin"] == "docker" && last["run"] != lines[0]["run"],
        "{last}"
    );

    // What a task was doing when its time was over.
    let options = ["--audit", "cut.jsonl"];
    scene.settle(
        "  grant: [ssh.run]",
        "limits: {plugins: {misbehaving: {wall: 3s}}}",
    )?;
    let over = scene.task(&[&["sleep", "--line", "sleep 60"], &options[..]].concat())?;
    refused(
        &over,
        "it took longer than 3s, while it waited for ssh.run (limit `wall`)",
    )?;
    let cut = scene.audit("cut.jsonl")?;
    let last = cut.last().context("a line")?;
    ensure!(
        last["outcome"] == "cut off" && last["target"] == "sleep 60",
        "{last}"
    );

    // Without it nothing is begun.
    let output = scene.task(&[
        "run-command",
        "--line",
        "touch /srv/x",
        "--audit",
        "none/audit",
    ])?;
    ensure!(output.status == 2, "{output:?}");
    refused(&output, "cannot write the audit none/audit")?;
    let output = scene.task(&[
        "run-command",
        "--line",
        "touch /srv/x",
        "--audit",
        "/dev/full",
    ])?;
    refused(&output, "the audit is not complete")?;
    Ok(())
}

#[test]
fn what_is_interrupted_is_in_the_audit() -> Result<()> {
    let scene = Scene::new("  grant: [ssh.run]", "audit: audit.jsonl")?;
    let host = scene.host()?;
    let run = ["run", "misbehaving", "sleep", "--line", "sleep 60"];
    let mut command = scene
        .project
        .command(&[&run[..], &["-H", "h1", "-y"]].concat())?;
    let child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()?;
    process::until(Duration::from_secs(30), || {
        host.shell("pgrep -fx 'sleep 60'")
    })?;
    let process = child.id().to_string();
    ensure!(
        Command::new("kill")
            .args(["-s", "INT", &process])
            .status()?
            .success()
    );
    let ended = child.wait_with_output()?;
    ensure!(ended.status.code() == Some(130), "{ended:?}");
    let lines = scene.audit("audit.jsonl")?;
    let last = lines.last().context("a line")?;
    ensure!(
        last["operation"] == "ssh.run" && last["outcome"] == "cut off",
        "{last}"
    );
    Ok(())
}

#[test]
fn limits_of_the_project_hold() -> Result<()> {
    let scene = Scene::new("  grant: []", "limits: {cpu: 200ms}")?;
    refused(
        &scene.task(&["loop"])?,
        "it used up its computing time of 200ms (limit `cpu`). To allow more, write in dfab.yaml:\n  \
         limits: {plugins: {misbehaving: {cpu: 400ms}}}",
    )?;
    scene.settle(
        "  grant: []",
        "limits: {cpu: 20s, memory: 1GiB, plugins: {misbehaving: {memory: 16MiB}}}",
    )?;
    refused(
        &scene.task(&["eat-memory"])?,
        "it wanted more memory than 16MiB (limit `memory`)",
    )
}

#[test]
fn a_plugin_works_for_its_hosts_only() -> Result<()> {
    let scene = Scene::new("  grant: [docker.read]\n  hosts: web", "")?;
    scene.task(&["read-info"])?.success()?;
    // Nobody is connected to: there is no such host.
    for host in ["db1", "H1", "h1.", "root@h1", "h1:22", "h1,db1"] {
        let run = ["run", "misbehaving", "read-info", "-y", "-H", host];
        let output = scene.project.dfab(&run)?;
        ensure!(output.status == 2, "{host}: {output:?}");
        refused(&output, "was granted what it may do on web only")?;
    }
    let db1 = scene
        .project
        .dfab(&["run", "misbehaving", "read-info", "-y", "-H", "db1"])?;
    refused(
        &db1,
        "- path: misbehaving.wasm\n  hosts: [\"web\", \"db1\"]",
    )?;
    // No host at all is no host at all.
    scene.settle("  grant: [docker.read]\n  hosts: []", "")?;
    refused(&scene.task(&["read-info"])?, "may not work for h1")?;
    scene.settle("  grant: [docker.read]\n  hosts: [none*]", "")?;
    refused(&scene.task(&["read-info"])?, "no host is called none*")
}

#[test]
fn containers_of_other_maps_are_left_alone() -> Result<()> {
    let scene = Scene::new(
        "  grant: ['docker.containers map=shop', 'docker.exec map=shop']",
        "",
    )?;
    let host = scene.host()?;
    for (name, map) in [("mine", "shop"), ("other", "shop2")] {
        let label = format!("dfab.map={map}");
        host.docker(&["run", "-d", "--name", name, "--label", &label, IMAGE])?;
    }
    let exec = |container: &str| {
        scene.task(&[
            "in-container",
            "--container",
            container,
            "--line",
            "/app report 3",
        ])
    };
    let said = exec("mine")?.success()?;
    ensure!(said.contains("3 "), "{said}");
    refused(&exec("other")?, "may not use `docker.exec map=shop2`")?;
    refused(&exec("none")?, "it was gone when its labels were looked at")?;
    let stop = |container: &str| scene.task(&["stop", "--container", container]);
    refused(&stop("other")?, "may not use `docker.containers map=shop2`")?;
    // By its id it is no other.
    let id = host.docker(&["inspect", "-f", "{{.Id}}", "other"])?;
    refused(
        &stop(id.trim())?,
        "may not use `docker.containers map=shop2`",
    )?;
    refused(&stop("../other")?, "other")?;
    ensure!(
        host.docker(&["ps", "--format", "{{.Names}}"])?
            .contains("other")
    );
    stop("mine")?.success()?;
    ensure!(host.docker(&["ps", "--format", "{{.Names}}"])?.trim() == "other");
    Ok(())
}

#[test]
fn files_and_commands_of_a_host_are_those_that_were_granted() -> Result<()> {
    let scene = Scene::new(
        "  grant: ['ssh.upload /srv/*', 'ssh.download /var/log/*', 'ssh.sudo id *', files.read in, files.write out]",
        "",
    )?;
    let host = scene.host()?;
    host.shell("mkdir -p /srv /var/log /etc/away && ln -s /etc/away /srv/link && printf logged > /var/log/syslog")?;
    scene.project.write("in/a", "uploaded")?;
    let call = |name: &str, path: &str| scene.task(&["call", "--name", name, "--path", path]);
    call("upload", "in/a")?.success()?;
    let there = host.shell("cat /srv/file && stat -c %a /srv/file")?;
    ensure!(
        there.contains("uploaded") && there.contains("600"),
        "{there}"
    );
    call("upload-elsewhere", "/srv/other")?.success()?;
    refused(
        &call("upload-elsewhere", "/etc/passwd")?,
        "may not use `ssh.upload /etc/passwd`",
    )?;
    refused(
        &call("upload-elsewhere", "/srv/../etc/x")?,
        "a part that is `.` or `..`",
    )?;
    // A link in the place of the file makes way for it.
    call("upload-elsewhere", "/srv/link")?.success()?;
    ensure!(host.shell("ls -A /etc/away")?.trim().is_empty());
    host.shell("rm -rf /srv && ln -s /etc/away /srv")?;
    refused(
        &call("upload", "in/a")?,
        "/srv leads through a symbolic link",
    )?;
    ensure!(host.shell("ls -A /etc/away")?.trim().is_empty());

    call("download", "out/log")?.success()?;
    ensure!(std::fs::read(scene.path("out/log"))? == b"logged");
    host.shell("ln -sf /etc/shadow /var/log/syslog")?;
    refused(&call("download", "out/log")?, "syslog is a symbolic link")?;
    ensure!(
        std::fs::read(scene.path("out/log"))? == b"logged",
        "the old one stays"
    );
    refused(
        &call("download", "elsewhere/log")?,
        "may not use `files.write elsewhere`",
    )?;
    host.shell("rm /var/log/syslog")?;
    refused(
        &call("download", "out/log")?,
        "there is no file /var/log/syslog on the host",
    )?;
    std::os::unix::fs::symlink("/tmp", scene.path("out/away"))?;
    host.shell("printf logged > /var/log/syslog")?;
    refused(&call("download", "out/away/log")?, "is a symbolic link")?;

    refused(&scene.task(&["as-root"])?, "may not use `ssh.sudo id -un`")?;
    scene.settle("  grant: ['ssh.sudo id -un']", "")?;
    ensure!(scene.task(&["as-root"])?.success()?.contains("root"));
    refused(
        &scene.task(&["run-command", "--line", "id -un"])?,
        "may not use `ssh.run id -un`",
    )
}

#[test]
fn an_image_is_built_of_a_folder_that_was_granted() -> Result<()> {
    let scene = Scene::new("  grant: [docker.build, files.read in]", "")?;
    scene.project.write(
        "in/app/Dockerfile",
        &format!("FROM {IMAGE}\nARG KEY\nCOPY kept link /srv/\n"),
    )?;
    scene.project.write("in/app/kept", "kept")?;
    scene.project.write("in/app/.dockerignore", "left\n")?;
    scene.project.write("in/app/left", "left")?;
    scene.project.write("secret", "secret")?;
    let link = |from: &str, to: &str| std::os::unix::fs::symlink(to, scene.path(from));
    link("in/app/link", "kept")?;
    let build = |path: &str| scene.task(&["call", "--name", "build-image", "--path", path]);
    build("in/app")?.success()?;
    let host = scene.host()?;
    ensure!(host.docker(&["images", "-q", "dfab-test/built:1"])?.trim() != "");
    refused(&build("other")?, "may not use `files.read other`")?;
    refused(&build("in/../other")?, "a part that is `.` or `..`")?;
    // What a link leads to is not sent.
    std::fs::remove_file(scene.path("in/app/kept"))?;
    link("in/app/kept", "../../secret")?;
    ensure!(build("in/app")?.status != 0, "a link led out of the folder");
    link("in/away", "/etc")?;
    refused(&build("in/away")?, "is a symbolic link")?;
    scene.settle("  grant: [files.read in]", "")?;
    refused(&build("in/app")?, "may not use `docker.build`")
}

#[test]
fn a_plugin_of_the_lock_has_hosts_and_parts_of_what_it_asks_for() -> Result<()> {
    let scene = Scene::new("  grant: []", "")?;
    scene
        .project
        .write("dfab.yaml", "hosts: {h1: , db1: }\ngroups: {web: [h1]}\n")?;
    let dfab = |arguments: &[&str]| -> Result<Output> {
        let mut command = scene.project.command(arguments)?;
        command.env("XDG_DATA_HOME", scene.path("data"));
        process::run(&mut command, b"", Duration::from_secs(60))
    };
    let add = ["plugin", "add", "misbehaving.wasm", "-y"];
    let with = |more: &[&str]| dfab(&[&add, more].concat());
    refused(&with(&["--only-on", "none*"])?, "no host is called none*")?;
    refused(
        &with(&["--grant", "docker.containers maps=shop"])?,
        "does not ask for",
    )?;
    refused(
        &with(&["--grant", "ssh.upload /etc/**"])?,
        "does not ask for",
    )?;
    let part = [
        "--grant",
        "docker.containers map=shop",
        "--grant",
        "docker.read",
    ];
    let added = with(&[&["--only-on", "web"], &part[..]].concat())?;
    ensure!(
        added.stderr.contains("may work for web only")
            && added
                .stderr
                .contains("granted to misbehaving: docker.containers map=shop"),
        "{}",
        added.stderr
    );
    added.success()?;
    // Added again, it stays so.
    with(&[])?.success()?;
    let run = |task: &[&str], host: &str| {
        dfab(&[&["run", "misbehaving"], task, &["-H", host, "-y"]].concat())
    };
    run(&["read-info"], "h1")?.success()?;
    refused(
        &run(&["read-info"], "db1")?,
        "run: dfab plugin grant misbehaving --only-on 'web,db1'",
    )?;
    scene.host()?.docker(&[
        "run",
        "-d",
        "--name",
        "other",
        "--label",
        "dfab.map=shop2",
        IMAGE,
    ])?;
    refused(
        &run(&["stop", "--container", "other"], "h1")?,
        "run: dfab plugin grant misbehaving 'docker.containers map=shop2'",
    )?;
    // What the text says is enough, and leaves the rest as it is.
    let grant = ["plugin", "grant", "misbehaving"];
    let also = |more: &[&str]| dfab(&[&grant[..], more].concat());
    also(&["docker.containers map=shop2"])?.success()?;
    run(&["stop", "--container", "other"], "h1")?.success()?;
    run(&["read-info"], "h1")?.success()?;
    let asked = also(&["ssh.upload /etc/**"])?;
    ensure!(
        asked.status == 2 && asked.stderr.contains("does not ask for ssh.upload /etc/**"),
        "{asked:?}"
    );
    also(&["--only-on", "all"])?.success()?;
    let anywhere = run(&["read-info"], "db1")?;
    ensure!(anywhere.status == 4, "it was connected to: {anywhere:?}");
    Ok(())
}
