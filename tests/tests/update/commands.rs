//! Commands that run in containers: which, when, and how they end.

use anyhow::{Result, ensure};

use super::Scene;

#[test]
fn commands_run_in_containers_and_their_exit_codes_are_seen() -> Result<()> {
    let scene = Scene::new()?;
    let commands = r#"image: dfab-test/update:1
  exec_commands:
  - [[/app, write, /initial, x], "0", initial]
  - [[/app, sleep, "300"], "0"]"#;
    scene.map("image: dfab-test/update:1", commands)?;
    scene.dfab(&["startup", "db"])?.success()?;
    // The second one is a service; it is not run a second time while it runs.
    assert!(scene.act(&["update", "db"])?.is_empty());
    scene.host.shell("pkill -f '[a]pp sleep 300'")?;
    assert_eq!(scene.act(&["update", "db"])?, ["exec m.db"]);
    // At a later start only what belongs to each start.
    scene.dfab(&["stop", "db", "--timeout", "1"])?.success()?;
    assert_eq!(scene.act(&["start", "db"])?, ["start m.db", "exec m.db"]);
    assert_eq!(scene.act(&["exec-all", "db", "--initial"])?.len(), 2);

    scene.map(
        "image: dfab-test/update:1",
        "image: dfab-test/update:1\n  exec_commands: /app report 3",
    )?;
    let failed = scene.dfab(&["exec-all", "db"])?;
    assert_eq!(failed.status, 1);
    assert!(
        failed
            .stderr
            .contains("`/app report 3` ended with status 3: err"),
        "{}",
        failed.stderr
    );

    // Signals, by both names.
    assert_eq!(
        scene.act(&["signal", "db", "--signal", "SIGUSR1"])?,
        ["signal m.db"]
    );
    scene.dfab(&["perform", "kill", "db"])?.success()?;
    Ok(())
}

#[test]
fn commands_that_end_are_run_once_at_each_start() -> Result<()> {
    let scene = Scene::new()?;
    let plain = "image: dfab-test/update:1";
    let commands = |words: &str| format!("{plain}\n  exec_commands: [[[/app, {words}], \"0\"]]");
    scene.map(plain, &commands("write, /once, x"))?;
    scene.dfab(&["startup", "db"])?.success()?;
    assert!(scene.act(&["update", "db"])?.is_empty());
    // By others too: what belongs to each start belongs to this one.
    scene.host.docker(&["restart", "--time", "0", "m.db"])?;
    assert_eq!(scene.act(&["update", "db"])?, ["exec m.db"]);
    assert!(scene.act(&["update", "db"])?.is_empty());
    // Another command is another one.
    scene.map(plain, &commands("write, /once, y"))?;
    assert_eq!(scene.act(&["update", "db"])?, ["exec m.db"]);
    assert!(scene.act(&["update", "db"])?.is_empty());
    // One that fails has not ended well.
    scene.map(plain, &commands("report, \"3\""))?;
    for _ in 0..2 {
        let failed = scene.dfab(&["update", "db"])?;
        assert_eq!(failed.status, 1, "{}", failed.stderr);
        ensure!(
            failed.stderr.contains("ended with status 3"),
            "{}",
            failed.stderr
        );
    }
    // Where nothing can be noted, nothing is held to have ended.
    let limits = "host_config: {mem_limit: 64m";
    let read_only = limits.replace('{', "{read_only: true, ");
    let read_only = format!("exec_commands: [[[/app, report, \"0\"], \"0\"]]\n  {read_only}");
    scene.map(limits, &read_only)?;
    scene.dfab(&["update", "db"])?.success()?;
    assert_eq!(scene.act(&["update", "db"])?, ["exec m.db"]);
    Ok(())
}
