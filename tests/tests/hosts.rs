//! Several hosts at once, and which hosts are trusted.

use anyhow::Result;
use dfab_tests::{Project, TestHost};

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
    let host = TestHost::start()?;
    let project = Project::new()?;
    project.add_host("h1", &host)?;
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
    let host = TestHost::start()?;
    let project = Project::new()?;
    project.add_host("h1", &host)?;
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
    assert_eq!(project.dfab(&["--help"])?.status, 0);
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
        std::thread::sleep(std::time::Duration::from_secs(3));
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
