//! Several hosts at once, and which hosts are trusted.

use std::time::Duration;

use anyhow::{Result, ensure};
use dfab_tests::process::Running;
use dfab_tests::{Project, TestHost, process};

const VERSION: [&str; 3] = ["run", "docker", "version"];

#[test]
fn each_host_has_its_result_and_one_that_is_down_does_not_hold_up_the_other() -> Result<()> {
    let hosts = TestHost::start_many(2)?;
    let project = Project::new()?;
    for (name, host) in ["h1", "h2"].iter().zip(&hosts) {
        project.add_host(name, host)?;
    }
    let both = [&VERSION[..], &["-H", "h1,h2", "--output", "json"]].concat();
    let answer = project.dfab(&both)?.json()?;
    let keys: Vec<_> = answer.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["h1", "h2"]);
    assert!(answer["h1"]["Version"].is_string() && answer["h2"]["Version"].is_string());

    hosts[1].kill()?;
    let output = project.dfab(&both)?;
    assert_eq!(output.status, 3, "{output:?}");
    let answer: serde_json::Value = serde_json::from_str(&output.stdout)?;
    assert!(answer["h1"]["Version"].is_string(), "{answer}");
    assert!(answer["h2"]["error"].is_string(), "{answer}");
    assert!(
        output.stderr.contains("h2") && !output.stderr.contains("h1:"),
        "{}",
        output.stderr
    );

    hosts[0].kill()?;
    assert_eq!(project.dfab(&both)?.status, 4);
    Ok(())
}

#[test]
fn only_known_hosts_are_trusted() -> Result<()> {
    let (host, project) = Project::with_host()?;
    let version = || project.dfab(&[&VERSION[..], &["-H", "h1"]].concat());
    assert_eq!(version()?.status, 0);

    project.forget_host_keys()?;
    let unknown = version()?;
    assert_eq!(unknown.status, 4, "{unknown:?}");
    let known_hosts = std::fs::read_to_string(project.folder().join("known_hosts"))?;
    assert_eq!(known_hosts, "", "a key was trusted that nobody had checked");

    project.expect_other_host_key(&host)?;
    let other = version()?;
    assert_eq!(other.status, 4, "{other:?}");
    // The two are not the same danger.
    assert_ne!(unknown.stderr, other.stderr);
    assert!(
        host.exec(&["cat", "/var/log/sshd.log"])?
            .matches("Accepted publickey")
            .count()
            <= 1
    );
    Ok(())
}

#[test]
fn a_key_that_the_host_refuses_is_told() -> Result<()> {
    let (_host, project) = Project::with_host()?;
    project.use_unknown_user_key()?;
    let output = project.dfab(&[&VERSION[..], &["-H", "h1"]].concat())?;
    assert_eq!(output.status, 4, "{output:?}");
    assert!(
        output.stderr.contains("root"),
        "the user is not named: {}",
        output.stderr
    );
    Ok(())
}

#[test]
fn what_cannot_be_meant_is_wrong_usage_and_what_cannot_be_found_unreachable() -> Result<()> {
    let project = Project::new()?;
    assert_eq!(project.dfab(&[])?.status, 2);
    assert_eq!(project.dfab(&["run", "docker", "no-such-task"])?.status, 2);
    assert_eq!(project.dfab(&["no-such-action", "web_server"])?.status, 2);
    assert_eq!(project.dfab(&["startup", "web_server", "-y"])?.status, 2);
    assert_eq!(
        project
            .dfab(&["run", "docker", "version", "-H", "nowhere.invalid"])?
            .status,
        4
    );
    // A name that is none, beside those that there are; one in a group too.
    project.write(
        "dfab.yaml",
        "hosts: {web-frontend-one: , db: }\ngroups: {all: [web-frontend-oen.invalid]}\n",
    )?;
    for (words, told) in [
        (
            ["-H", "web-frontend-onn.invalid"],
            "did you mean web-frontend-one?",
        ),
        (["-H", "q.invalid"], "there is: web-frontend-one, db"),
        (["-g", "all"], "did you mean web-frontend-one?"),
    ] {
        let output = project.dfab(&[&VERSION[..], &words].concat())?;
        assert_eq!(output.status, 4, "{words:?}: {output:?}");
        assert!(output.stderr.contains(told), "{words:?}: {output:?}");
    }
    // Nothing listens on the port of a listener that is gone.
    let gone = std::net::TcpListener::bind(("127.0.0.1", 0))?.local_addr()?;
    let to = format!("root@{gone}");
    let refused = project.dfab(&[&VERSION[..], &["-H", &to]].concat())?;
    assert_eq!(refused.status, 4, "{refused:?}");
    for told in ["is sshd running there", &format!("dfab host check -H {to}")] {
        assert!(refused.stderr.contains(told), "{told}: {refused:?}");
    }
    assert_eq!(project.dfab(&["--help"])?.status, 0);
    // Arguments are for everybody to read.
    let secret = project.dfab(&["host", "list", "--set", "docker_registry_password=geheim"])?;
    assert_eq!(secret.status, 2, "{secret:?}");
    assert!(
        secret.stderr.contains("auth_configs") && !secret.stderr.contains("geheim"),
        "{secret:?}"
    );
    Ok(())
}

/// A chain of containers, each of which takes a second after its start.
const SLOW_CHAIN: &str = "name: chain\nrepository: registry.example.com\n\
    a: {image: app, start_delay: 2}\nb: {image: app, start_delay: 2, links: a}\n\
    c: {image: app, start_delay: 2, links: b}\n";

#[test]
fn a_host_that_goes_in_mid_plan_fails_alone_and_its_steps_are_told() -> Result<()> {
    let hosts = TestHost::start_many(2)?;
    let project = Project::new()?;
    dfab_tests::images::ensure("registry.example.com/app:latest")?;
    for (name, host) in ["h1", "h2"].iter().zip(&hosts) {
        project.add_host(name, host)?;
        host.load_image("registry.example.com/app:latest")?;
    }
    project.write("chain.yaml", SLOW_CHAIN)?;
    let line = ["startup", "c", "--map", "chain.yaml", "-H", "h1,h2", "-y"];
    let output = std::thread::scope(|scope| {
        let run = scope.spawn(|| project.dfab(&line));
        std::thread::sleep(Duration::from_secs(3));
        hosts[1].kill()?;
        run.join().unwrap()
    })?;
    assert_eq!(output.status, 3, "{output:?}");
    let told = |words: &[&str]| {
        output
            .stderr
            .lines()
            .any(|line| words.iter().all(|word| line.contains(word)))
    };
    assert!(
        told(&["h1", "done", "start", "chain.c"]),
        "{}",
        output.stderr
    );
    assert!(told(&["h2", "FAILED"]), "{}", output.stderr);
    assert!(told(&["h2", "skipped", "chain.c"]), "{}", output.stderr);
    Ok(())
}

/// A container's own clients go before those of its map, and `-H` before both.
#[test]
fn a_container_runs_on_its_own_clients() -> Result<()> {
    let hosts = TestHost::start_many(2)?;
    let project = Project::new()?;
    for (name, host) in ["h1", "h2"].iter().zip(&hosts) {
        project.add_host(name, host)?;
    }
    project.write(
        "m.yaml",
        "clients: h1\nweb: {image: x, links: cache}\ncache: {image: x}\ndb: {image: x, clients: [h2]}\n",
    )?;
    // Speaks an old version of the API, whatever the engine may offer.
    project.write(
        "clients.yaml",
        "h1: {host: h1, version: '1.24', features: {volumes: no}}\nh2: {host: h2, timeout: 20}\n",
    )?;
    let created = |words: &[&str]| -> Result<Vec<String>> {
        let files = ["--map", "m.yaml", "--clients", "clients.yaml"];
        let line = [&["plan", "startup"], words, &files, &["--output", "json"]].concat();
        let plan = project.dfab(&line)?.json()?;
        let steps = plan["steps"].as_array().into_iter().flatten();
        let mut created: Vec<String> = steps
            .filter(|step| step["operation"] == "create-container")
            .map(|step| format!("{} {}", step["host"], step["name"]).replace('"', ""))
            .collect();
        created.sort();
        Ok(created)
    };
    assert_eq!(
        created(&["m.__all__"])?,
        ["h1 m.cache", "h1 m.web", "h2 m.db"]
    );
    assert_eq!(created(&["db"])?, ["h2 m.db"]);
    assert_eq!(created(&["db", "-H", "h1"])?, ["h1 m.db"]);
    // The engine notes what it is asked, once it has read that it shall.
    hosts[0].shell(
        "mkdir -p /etc/docker && echo '{\"debug\": true}' > /etc/docker/daemon.json && \
         kill -HUP $(cat /run/docker.pid)",
    )?;
    let line = [&VERSION[..], &["-H", "h1", "--clients", "clients.yaml"]].concat();
    process::until(Duration::from_secs(30), || {
        project.dfab(&line)?.success()?;
        let log = hosts[0].exec(&["cat", "/var/log/dockerd.log"])?;
        ensure!(log.contains("Calling GET /v1.24/version"), "{log}");
        Ok(())
    })
}

#[test]
fn hosts_are_meant_by_pattern_and_group_and_follow_one_another_at_a_pace() -> Result<()> {
    let hosts = TestHost::start_many(3)?;
    let project = Project::new()?;
    dfab_tests::images::ensure("registry.example.com/app:latest")?;
    for (name, host) in ["h1", "h2", "h3"].iter().zip(&hosts) {
        project.add_host(name, host)?;
        host.load_image("registry.example.com/app:latest")?;
    }
    project.write("dfab.yaml", "maps: m.yaml\nhosts: {h1: , one: h1, h2: , h3: }\ngroups: {web: [h2, h3], all: [web, 'h?']}\n")?;
    project.write(
        "m.yaml",
        "name: m\na: {image: registry.example.com/app, create_options: {command: sleep 60}}\n",
    )?;
    let names = |words: &[&str]| -> Result<Vec<String>> {
        let line = [&VERSION[..], words, &["--output", "json"]].concat();
        let answer = project.dfab(&line)?.json()?;
        let keys = answer
            .as_object()
            .into_iter()
            .flat_map(|answer| answer.keys());
        Ok(keys.cloned().collect())
    };
    // Told by the name that was given.
    assert_eq!(names(&["-H", "one"])?, ["one"]);
    assert_eq!(names(&["-H", "h*", "--exclude", "web"])?, ["h1"]);
    assert_eq!(names(&["-g", "all", "--limit", "h3,h1"])?, ["h3", "h1"]);
    let typo = project.dfab(&[&VERSION[..], &["-g", "wbe"]].concat())?;
    assert_eq!(typo.status, 2);
    assert!(typo.stderr.contains("web, all"), "{}", typo.stderr);

    // One that cannot be reached counts: whoever goes one by one wants each to go well.
    hosts[1].kill()?;
    let line = [
        "startup", "a", "-H", "h1", "-g", "web", "--serial", "1", "-y",
    ];
    let output = project.dfab(&line)?;
    assert_eq!(output.status, 1, "{output:?}");
    assert!(
        output.stderr.contains("h1, h3: not begun"),
        "{}",
        output.stderr
    );
    assert_eq!(hosts[0].docker(&["ps", "-aq"])?.trim(), "");
    let output = project.dfab(&[&line[..], &["--max-fail", "50%"]].concat())?;
    assert_eq!(output.status, 3, "{output:?}");
    for host in [&hosts[0], &hosts[2]] {
        assert_eq!(
            host.docker(&["ps", "--format", "{{.Names}}"])?.trim(),
            "m.a"
        );
    }
    Ok(())
}

#[test]
fn ctrl_c_lets_steps_end_that_run_and_begins_no_more() -> Result<()> {
    let (hosts, project) = Project::with_hosts(1, "registry.example.com/app:latest")?;
    project.write("chain.yaml", SLOW_CHAIN)?;
    let line = ["startup", "c", "--map", "chain.yaml", "-H", "h1", "-y"];
    let running = Running::start(&mut project.command(&line)?)?;
    let names = || hosts[0].docker(&["ps", "-a", "--format", "{{.Names}}"]);
    process::until(Duration::from_secs(30), || {
        ensure!(names()?.contains("chain.a"), "nothing is begun");
        Ok(())
    })?;
    running.signal("INT")?;
    let output = running.ended(Duration::from_secs(30))?;
    assert_eq!(output.status, 1, "{output:?}");
    for words in ["Stopping: what runs is let end", "done", "not run"] {
        assert!(output.stderr.contains(words), "{words}: {}", output.stderr);
    }
    assert!(!names()?.contains("chain.c"), "{}", output.stderr);
    // Every step that was begun has ended: none failed.
    assert!(!output.stderr.contains("FAILED"), "{}", output.stderr);
    assert_eq!(project.dfab(&line)?.status, 0);
    Ok(())
}

#[test]
fn ctrl_c_twice_tells_what_was_under_way_as_not_known() -> Result<()> {
    let (hosts, project) = Project::with_hosts(1, "registry.example.com/app:latest")?;
    project.write(
        "chain.yaml",
        &SLOW_CHAIN.replace("start_delay: 2", "start_delay: 60"),
    )?;
    let soon = Duration::from_secs(30);
    let line = ["startup", "c", "--map", "chain.yaml", "-H", "h1", "-y"];
    let line = [&line[..], &["--output", "json"]].concat();
    let running = Running::start(&mut project.command(&line)?)?;
    process::until(soon, || {
        let names = hosts[0].docker(&["ps", "--format", "{{.Names}}"])?;
        ensure!(names.contains("chain.a"), "nothing runs");
        Ok(())
    })?;
    // It waits for the first one now, as it does for a minute.
    std::thread::sleep(Duration::from_secs(1));
    running.signal("INT")?;
    std::thread::sleep(Duration::from_millis(500));
    running.signal("INT")?;
    let output = running.ended(soon)?;
    assert_eq!(output.status, 130, "{output:?}");
    let told = output
        .stderr
        .lines()
        .filter(|line| line.starts_with("unknown "));
    assert_eq!(told.count(), 1, "{}", output.stderr);
    let told: serde_json::Value = serde_json::from_str(&output.stdout)?;
    let steps = told["steps"].as_array().into_iter().flatten();
    let outcomes: Vec<_> = steps.filter_map(|step| step["outcome"].as_str()).collect();
    let count = |wanted: &str| {
        outcomes
            .iter()
            .filter(|outcome| **outcome == wanted)
            .count()
    };
    assert_eq!(count("unknown"), 1, "{told}");
    assert!(count("done") >= 2 && count("skipped") >= 2, "{told}");
    assert_eq!(count("failed"), 0, "{told}");
    Ok(())
}

#[test]
fn without_a_host_the_engine_is_named_before_anything_changes() -> Result<()> {
    let host = TestHost::start()?;
    let project = Project::new()?;
    project.write("m.yaml", "a: {image: registry.example.com/app}\n")?;
    let meant = "(unix:///var/run/docker.sock)";
    for line in [
        &["startup", "a", "--map", "m.yaml", "--dry-run"][..],
        // There is nobody to ask, so that nothing is done.
        &["run", "docker", "cleanup-containers"],
        // Hosts of tests are containers of that engine.
        &["exec", host.name(), "--", "true"],
    ] {
        let output = project.dfab(line)?;
        assert!(output.stderr.contains(meant), "{line:?}: {output:?}");
    }
    // The engine says of the first step that it is none, and has built nothing.
    project.write("Dockerfile", "NOSUCH step\n")?;
    let build = project.dfab(&["build", "-t", "registry.example.com/none"])?;
    let told = &build.stderr;
    assert_eq!(build.status, 1, "{told}");
    let (meant, refused) = (told.find(meant), told.find("unknown instruction"));
    assert!(meant.is_some() && meant < refused, "{told}");
    Ok(())
}

#[test]
fn nothing_more_is_begun_when_the_time_is_over() -> Result<()> {
    let host = TestHost::start()?;
    let project = Project::new()?;
    dfab_tests::images::ensure("registry.example.com/app:latest")?;
    project.add_host("h1", &host)?;
    host.load_image("registry.example.com/app:latest")?;
    project.write("chain.yaml", SLOW_CHAIN)?;
    let line = [
        "startup",
        "c",
        "--map",
        "chain.yaml",
        "-H",
        "h1",
        "-y",
        "--max-time",
        "1",
    ];
    let output = project.dfab(&line)?;
    assert_eq!(output.status, 1, "{output:?}");
    assert!(output.stderr.contains("--max-time"), "{}", output.stderr);
    assert!(output.stderr.contains("not run"), "{}", output.stderr);
    // The same line goes on where it ended.
    let output = project.dfab(line.get(..7).unwrap_or_default())?;
    assert_eq!(output.status, 0, "{output:?}");
    Ok(())
}

#[test]
fn a_pull_that_takes_longer_than_the_command_may_is_given_up() -> Result<()> {
    let (host, project) = Project::with_host()?;
    // A registry that takes connections, and never says a word.
    host.shell(
        "setsid socat TCP-LISTEN:5078,fork EXEC:'sleep 4721' > /dev/null 2>&1 < /dev/null &",
    )?;
    project.write("m.yaml", "name: m\na: {image: '127.0.0.1:5078/app:1'}\n")?;
    let line = ["startup", "a", "--map", "m.yaml", "-H", "h1", "-y"];
    let output = project.dfab(&[&line[..], &["--max-time", "3"]].concat())?;
    assert_eq!(output.status, 1, "{output:?}");
    assert!(output.stderr.contains("given up"), "{}", output.stderr);
    assert!(output.stderr.contains("--max-time"), "{}", output.stderr);
    Ok(())
}
