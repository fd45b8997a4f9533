//! What dfab answers to what cannot be, what it asks before it removes something, and what is left to
//! tell when the time is over.

use std::fs;
use std::net::TcpListener;
use std::time::Duration;

use anyhow::{Result, ensure};
use dfab_tests::process::Running;
use dfab_tests::{Project, TestHost, process};

const IMAGE: &str = "registry.example.com/app:latest";

/// What was told of a wrong command line.
fn refused(project: &Project, arguments: &[&str]) -> Result<String> {
    let output = project.dfab(arguments)?;
    ensure!(output.status == 2, "{arguments:?}: {output:?}");
    Ok(output.stderr)
}

fn assert_refused(project: &Project, arguments: &[&str], wanted: &[&str]) -> Result<()> {
    let told = refused(project, arguments)?;
    for wanted in wanted {
        ensure!(told.contains(wanted), "{wanted:?} is not in: {told}");
    }
    Ok(())
}

#[test]
fn what_makes_no_sense_is_wrong_usage_before_any_host_is_tried() -> Result<()> {
    let project = Project::new()?;
    project.write("dfab.yaml", "hosts: {h1: 127.0.0.1:1}\n")?;
    for (line, wanted) in [
        (
            &["tunnel", "h1", "sh", "ps"][..],
            &["dfab tunnel h1 -- sh ps", "-H sh"][..],
        ),
        (
            &["ps", "--ssh-config", "/no/such"],
            &["/no/such", "--ssh-config"],
        ),
        (&["ps", "--serial", "0"], &["a batch has one host at least"]),
        (
            &["run", "docker", "list-image"],
            &["no task list-image", "did you mean list-images?"],
        ),
        (&["run", "docker", "nosuch"], &["it has: version, info"]),
        // What is to be read is looked for before anybody is asked.
        (
            &[
                "run",
                "docker",
                "load-image",
                "--file",
                "none.tar",
                "-H",
                "h1",
            ],
            &["none.tar", "No such file"],
        ),
        (
            &["script", "web", "--script", "none.sh", "-H", "h1"],
            &["none.sh", "No such file"],
        ),
    ] {
        assert_refused(&project, line, wanted)?;
    }
    // Variables are set in every test, and are not asked for.
    let usage = refused(&project, &["logs"])?;
    ensure!(usage.contains("Usage: dfab logs <CONTAINER>"), "{usage}");
    ensure!(!usage.contains("--ssh-config"), "{usage}");
    project.write("dfab.yaml", "just a text\n")?;
    assert_refused(
        &project,
        &["map", "check"],
        &["dfab.yaml:1:1", "expected a mapping"],
    )
}

#[test]
fn maps_with_nonsense_are_told_with_its_place() -> Result<()> {
    let project = Project::new()?;
    project.write("dfab.yaml", "maps: m.yaml\nhosts: {web1: }\n")?;
    project.write(
        "m.yaml",
        "repository: 3\na:\n  binds: {/a: [b, rx]}\n  instances: [i, i]\n  user: [1]\n",
    )?;
    assert_refused(
        &project,
        &["map", "check"],
        &[
            "m.yaml:1:13",
            "m.yaml:3:19",
            "m.yaml:4:18",
            "m.yaml:5:9",
            "4 mistakes",
        ],
    )?;
    project.write("m.yaml", "clients: [wbe1]\na: {}\n")?;
    let checked = project.dfab(&["map", "check"])?;
    ensure!(
        checked.status == 0 && checked.stderr.contains("did you mean web1?"),
        "{checked:?}"
    );
    Ok(())
}

#[test]
fn keys_and_plugins_say_what_is_wanted() -> Result<()> {
    let project = Project::new()?;
    let installed = project.dfab(&["plugin", "install"])?;
    ensure!(
        installed.status == 0 && installed.stderr.contains("dfab plugin add SOURCE"),
        "{installed:?}"
    );
    project.dfab(&["key", "new", "me"])?.success()?;
    let show = ["key", "show", "me"];
    assert_refused(&project, &show, &["me is a private key", "me.pub"])?;
    project.write("list.txt", "")?;
    let sign = ["bundle", "sign", "list.txt", "--key", "me.pub"];
    assert_refused(&project, &sign, &["me.pub is a public key", "--key me"])?;
    Ok(())
}

#[test]
fn what_is_removed_is_shown_and_no_is_no_success() -> Result<()> {
    let (hosts, project) = Project::with_hosts(2, IMAGE)?;
    for (host, name) in hosts.iter().zip(["one", "two"]) {
        host.docker(&["create", "--name", name, IMAGE])?;
    }
    let remove = ["run", "docker", "remove-all-containers", "-H", "h1,h2"];
    let ask = |arguments: &[&str], keys: &str| project.on_terminal(("", ""), arguments, keys);
    let told = ask(&remove, "n\r")?;
    ensure!(told.status == 1, "{told:?}");
    for wanted in ["one", "two", "Run it? [y/N]", "Nothing was done."] {
        ensure!(told.stdout.contains(wanted), "{wanted}: {told:?}");
    }
    let names = |host: &TestHost| host.docker(&["ps", "-a", "--format", "{{.Names}}"]);
    ensure!(
        hosts
            .iter()
            .all(|host| names(host).is_ok_and(|names| !names.is_empty()))
    );

    // What cannot be listed is left out.
    let [_, second] = hosts.as_slice() else {
        anyhow::bail!("two hosts");
    };
    second.stop_engine()?;
    let told = ask(&remove, "y\r")?;
    ensure!(told.status == 3, "{told:?}");
    ensure!(told.stdout.contains("h2: left out:"), "{told:?}");
    second.start_engine()?;
    let [first, second] = [names(&hosts[0])?, names(second)?];
    ensure!(
        (first.as_str(), second.as_str()) == ("", "two"),
        "{first} {second}"
    );

    project.write("m.yaml", &format!("name: m\na: {{image: '{IMAGE}'}}\n"))?;
    let startup = ["startup", "a", "--map", "m.yaml", "-H", "h1"];
    let told = ask(&startup, "n\r")?;
    ensure!(
        told.status == 1 && told.stdout.contains("Nothing was done."),
        "{told:?}"
    );
    ensure!(names(&hosts[0])?.is_empty());
    Ok(())
}

#[test]
fn what_is_there_when_the_time_is_over_is_told() -> Result<()> {
    let (hosts, project) = Project::with_hosts(2, IMAGE)?;
    let [first, second] = hosts.as_slice() else {
        anyhow::bail!("two hosts");
    };
    let line = format!(
        "[ \"$(hostname)\" = {} ] && echo quick || exec sleep 4716",
        first.name()
    );
    let common = ["-H", "h1,h2", "--max-time", "8"];
    let over = "h2: not finished when the time was over (--max-time";
    let output = project.dfab(&[&["ssh"], &common[..], &["--", &line]].concat())?;
    ensure!(output.status == 3, "{output:?}");
    ensure!(
        output.stdout.contains("quick") && output.stderr.contains(over),
        "{output:?}"
    );
    // What it ran is ended.
    ensure!(second.shell("pgrep -fc '^sleep 4716' || true")? == "0");

    // An engine that hangs.
    second.shell("kill -STOP $(cat /run/docker.pid)")?;
    let patient = ["--connect-timeout", "60", "--output", "json"];
    for words in [
        &["run", "docker", "list-images"][..],
        &["host", "facts"],
        &["ps"],
    ] {
        let output = project.dfab(&[words, &common, &patient].concat())?;
        ensure!(output.status == 3, "{words:?}: {output:?}");
        let told: serde_json::Value = serde_json::from_str(&output.stdout)?;
        ensure!(told["h1"].get("error").is_none(), "{words:?}: {told}");
        let error = told["h2"]["error"].as_str().unwrap_or_default();
        ensure!(error.contains("--max-time"), "{words:?}: {told}");
    }
    // An action looks at the engines first, which counts.
    project.write("m.yaml", &format!("name: m\na: {{image: '{IMAGE}'}}\n"))?;
    let startup = ["startup", "a", "--map", "m.yaml"];
    for (more, status) in [("--yes", 1), ("--dry-run", 3)] {
        let output = project.dfab(&[&startup[..], &common, &patient, &[more]].concat())?;
        ensure!(output.status == status, "{more}: {output:?}");
        let told: serde_json::Value = serde_json::from_str(&output.stdout)?;
        let unseen = told["unreachable"]["h2"].as_str().unwrap_or_default();
        ensure!(unseen.contains("--max-time"), "{more}: {told}");
        let steps = told["steps"].as_array().into_iter().flatten();
        let outcomes: Vec<_> = steps.map(|step| step["outcome"].as_str()).collect();
        let outcome = (more == "--yes").then_some("not-run");
        ensure!(!outcomes.is_empty(), "{more}: {told}");
        ensure!(outcomes.iter().all(|it| *it == outcome), "{more}: {told}");
    }
    ensure!(first.docker(&["ps", "-aq"])?.is_empty());
    second.shell("kill -CONT $(cat /run/docker.pid)")?;

    // The project's time is for what ends by itself; a tunnel does not.
    project.write("dfab.yaml", "timeouts: {run: 1s}\n")?;
    let tunnel = [
        "tunnel",
        "h1",
        "--",
        "sh",
        "-c",
        "sleep 3; echo still there",
    ];
    let output = project.dfab(&tunnel)?;
    ensure!(
        output.status == 0 && output.stdout.contains("still there"),
        "{output:?}"
    );
    // What it runs has failed then, whatever it says at its end.
    let stubborn = "trap 'exit 0' TERM; echo begun; while :; do sleep 0.1; done";
    let tunnel = ["tunnel", "h1", "--max-time", "8", "--", "sh", "-c"];
    let output = project.dfab(&[&tunnel[..], &[stubborn]].concat())?;
    ensure!(
        output.status == 1 && output.stdout.contains("begun"),
        "{output:?}"
    );
    let over = "error: sh: not finished when the time was over (--max-time";
    ensure!(output.stderr.contains(over), "{output:?}");
    Ok(())
}

#[test]
fn a_tunnel_that_does_not_open_runs_nothing_and_tells_why() -> Result<()> {
    let soon = Duration::from_secs(30);
    // It takes connections, and never says a word.
    let silent = TcpListener::bind(("127.0.0.1", 0))?;
    let project = Project::new()?;
    project.write(
        "dfab.yaml",
        &format!("hosts: {{silent: 'root@{}'}}\n", silent.local_addr()?),
    )?;
    let tunnel = ["tunnel", "silent", "--connect-timeout", "60"];
    let command = ["--", "touch", "ran"];
    let late = project.dfab(&[&tunnel[..], &["--max-time", "2"], &command].concat())?;
    ensure!(late.status == 1, "{late:?}");
    let over = "silent: not finished when the time was over (--max-time";
    ensure!(late.stderr.contains(over), "{late:?}");

    silent.set_nonblocking(true)?;
    // That of the first command has gone already.
    while silent.accept().is_ok() {}
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let line = [&tunnel[..], &command].concat();
        let running = Running::start(&mut project.command(&line)?)?;
        let _connected = process::until(soon, || Ok(silent.accept()?))?;
        running.signal(signal)?;
        let ended = running.ended(soon)?;
        ensure!(ended.status == code, "{signal}: {ended:?}");
    }
    ensure!(!project.folder().join("ran").exists());
    Ok(())
}

#[test]
fn a_question_that_nobody_answers_ends_with_the_time() -> Result<()> {
    let (hosts, project) = Project::with_hosts(1, IMAGE)?;
    project.write("m.yaml", &format!("name: m\na: {{image: '{IMAGE}'}}\n"))?;
    let startup = ["startup", "a", "--map", "m.yaml", "-H", "h1"];
    let cleanup = ["run", "docker", "cleanup-containers", "-H", "h1"];
    for line in [&startup[..], &cleanup] {
        let line = [line, &["--max-time", "4"]].concat();
        let told = project.typed(&line, "[y/N] ", &[])?;
        ensure!(told.status == 1, "{line:?}: {told:?}");
        ensure!(told.stdout.contains("[y/N] "), "{line:?}: {told:?}");
        ensure!(told.stdout.contains("--max-time"), "{line:?}: {told:?}");
    }
    ensure!(hosts[0].docker(&["ps", "-aq"])?.is_empty());
    // In time it is as it always was.
    let told = project.typed(&startup, "[y/N] ", &["n\n"])?;
    ensure!(
        told.status == 1 && told.stdout.contains("Nothing was done."),
        "{told:?}"
    );
    let done = project.typed(&startup, "[y/N] ", &["y\n"])?;
    ensure!(done.status == 0, "{done:?}");
    ensure!(hosts[0].docker(&["ps", "--format", "{{.Names}}"])? == "m.a");
    Ok(())
}

#[test]
fn a_copy_that_fails_leaves_nothing_and_each_host_says_its_own_path() -> Result<()> {
    let (hosts, project) = Project::with_hosts(2, IMAGE)?;
    for host in &hosts {
        host.docker(&["create", "--name", "box", IMAGE])?;
    }
    let copy = |path: &str, to: &str| {
        project.dfab(&[
            "run",
            "docker",
            "copy-resource",
            "--container",
            "box",
            "--path",
            path,
            "--to",
            to,
            "-H",
            "h1,h2",
        ])
    };
    for to in ["out", "out/a.tar", "out/a.tgz"] {
        let missing = copy("/nowhere", to)?;
        ensure!(missing.status == 1, "{missing:?}");
        ensure!(!project.folder().join("out").exists(), "{to}");
    }
    let save = [
        "run",
        "docker",
        "save-image",
        "--image",
        "nosuch:1",
        "--to",
        "out",
        "-H",
        "h1",
    ];
    ensure!(project.dfab(&save)?.status == 1);
    ensure!(!project.folder().join("out").exists());

    for (to, places) in [
        ("out", ["out/h1", "out/h2"]),
        ("out/a.tar", ["out/h1/a.tar", "out/h2/a.tar"]),
    ] {
        let copied = copy("/etc", to)?.success()?;
        for place in places {
            ensure!(copied.contains(&format!("{place}  ")), "{place}: {copied}");
            ensure!(
                fs::metadata(project.folder().join(place)).is_ok(),
                "{place}"
            );
        }
    }
    Ok(())
}

#[test]
fn names_batches_and_scripts_are_explained_on_hosts() -> Result<()> {
    let (hosts, project) = Project::with_hosts(2, IMAGE)?;
    project.write("dfab.yaml", "maps: m.yaml\n")?;
    project.write(
        "m.yaml",
        &format!("name: m\na: {{image: '{IMAGE}', instances: [x, y]}}\n"),
    )?;
    let both = ["-H", "h1,h2"];
    project
        .dfab(&[&["startup", "a", "-y"], &both[..]].concat())?
        .success()?;

    // A name that no host has is no host's failure.
    let unknown = project.dfab(&[&["ps", "m.a.z"], &both[..]].concat())?;
    ensure!(unknown.status == 1, "{unknown:?}");
    ensure!(
        unknown.stderr.contains("did you mean m.a."),
        "{}",
        unknown.stderr
    );

    // A batch is of hosts, with all that is on them.
    let fail = ["exec", "a", "--serial", "1", "--", "/app", "exit", "3"];
    let failed = project.dfab(&[&both[..], &fail].concat())?;
    ensure!(failed.status == 1, "{failed:?}");
    let count = |words: &str| failed.stderr.matches(words).count();
    ensure!(
        (count("exit code 3"), count("not begun")) == (2, 2),
        "{failed:?}"
    );
    hosts[0].docker(&["rm", "-f", "m.a.y"])?;
    let missing = project.dfab(&["exec", "m.a.y", "-H", "h1", "--", "/app"])?;
    ensure!(
        missing.stderr.contains("dfab startup m.a.y -H h1 makes it"),
        "{missing:?}"
    );

    // A script without its x.
    project.write("job.sh", "#!/bin/sh\n")?;
    let script = "script m.a.y --script job.sh --entrypoint /tmp/script_run/job.sh -H h1 -y";
    let script: Vec<&str> = script.split(' ').collect();
    let refused = project.dfab(&script)?;
    ensure!(refused.status == 1, "{refused:?}");
    ensure!(refused.stderr.contains("chmod +x"), "{}", refused.stderr);
    Ok(())
}
