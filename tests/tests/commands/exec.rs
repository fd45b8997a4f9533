//! `dfab exec`: commands in containers.

use anyhow::Result;
use dfab_tests::process;

use crate::running::Running;
use crate::{SOON, hosts, processes, start};

#[test]
fn a_command_runs_in_a_container_and_its_exit_code_is_passed_on() -> Result<()> {
    let (hosts, project) = hosts(2)?;
    project.write("m.yaml", "name: m\nweb: {image: app, instances: [a, b]}\n")?;
    for host in &hosts {
        start(host, "m.web.a", &["sleep", "600"])?;
    }
    start(&hosts[0], "m.web.b", &["sleep", "600"])?;
    let exec = |words: &[&str]| project.dfab(&[&["exec", "--map", "m.yaml"], words].concat());

    let one = exec(&["m.web.a", "-H", "h1", "--", "/app", "exit", "7"])?;
    assert_eq!((one.status, one.stderr.as_str()), (7, ""));
    let report = exec(&[
        "m.web.a", "-H", "h1", "-u", "1234", "--", "/app", "report", "0",
    ])?;
    assert_eq!(
        (report.stdout.as_str(), report.stderr.as_str()),
        ("out\n1234\n", "err\n")
    );
    let place = ["-w", "/tmp", "-e", "X=a b", "--", "/app", "where", "X"];
    let place = exec(&[&["m.web.b", "-H", "h1"], &place[..]].concat())?;
    assert_eq!(place.stdout, "/tmp a b false\n");

    let mut cat = project.command(&["exec", "m.web.a", "-H", "h1", "-i", "--", "/app", "cat"])?;
    assert_eq!(process::run(&mut cat, b"in\0put", SOON)?.stdout, "in\0put");

    let several = exec(&["web", "-H", "h1", "--", "/app", "report", "3"])?;
    assert_eq!(several.status, 1, "{several:?}");
    let mut lines: Vec<_> = several.stdout.lines().collect();
    lines.sort_unstable();
    assert_eq!(
        lines,
        [
            "m.web.a | 0",
            "m.web.a | out",
            "m.web.b | 0",
            "m.web.b | out"
        ]
    );
    assert!(
        several.stderr.contains("m.web.b: exit code 3"),
        "{several:?}"
    );

    // One is missing on the second host.
    let missing = exec(&[
        "web", "-H", "h1,h2", "--output", "json", "--", "/app", "exit", "0",
    ])?;
    assert_eq!(missing.status, 3, "{missing:?}");
    let json: serde_json::Value = serde_json::from_str(&missing.stdout)?;
    assert_eq!(json["h2"]["m.web.a"]["exit_code"], 0);
    assert!(json["h2"]["m.web.b"]["error"].is_string(), "{json}");

    let unknown = exec(&["nothing", "-H", "h1", "--", "/app"])?;
    assert_eq!(unknown.status, 1, "{unknown:?}");
    assert!(
        unknown.stderr.contains("no container nothing"),
        "{unknown:?}"
    );
    Ok(())
}

#[test]
fn a_command_in_a_container_gets_a_terminal_and_ends_with_dfab() -> Result<()> {
    let (hosts, project) = hosts(1)?;
    start(&hosts[0], "one", &["sleep", "600"])?;
    let line = ["exec", "one", "-H", "h1", "--", "/app", "where", "X"];
    let output = project.on_terminal(("", ""), &line, "")?;
    assert_eq!(output.status, 0, "{output:?}");
    assert!(output.stdout.contains("/  true"), "{output:?}");

    let line = ["exec", "one", "-H", "h1", "--", "/app", "tick", "100"];
    let mut running = Running::start(&project, &line)?;
    running.wait_for("tick 2")?;
    let (code, told) = running.end("-INT")?;
    assert_eq!((code, told.as_str()), (Some(130), ""));
    assert_eq!(processes(&hosts[0], "^/app tick")?, 0);
    Ok(())
}
