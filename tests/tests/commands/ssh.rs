//! `dfab ssh`: commands on hosts.

use std::time::Duration;

use anyhow::{Result, ensure};
use dfab_tests::process::{self, until};

use crate::running::Running;
use crate::{SOON, hosts, processes};

#[test]
fn a_command_runs_on_every_host_and_each_line_has_its_name() -> Result<()> {
    let (hosts, project) = hosts(2)?;
    let both = |more: &[&str]| project.dfab(&[&["ssh", "-H", "h1,h2"], more].concat());
    let output = both(&["--", "hostname; printf 'a\\033[31mb'; echo err >&2"])?;
    assert_eq!(output.status, 0, "{output:?}");
    let mut lines: Vec<_> = output.stdout.lines().map(str::to_owned).collect();
    lines.sort();
    let mut expected = vec!["h1 | a^[[31mb".to_owned(), "h2 | a^[[31mb".to_owned()];
    expected.extend((0..2).map(|index| format!("h{} | {}", index + 1, hosts[index].name())));
    expected.sort();
    assert_eq!(lines, expected);
    assert_eq!(output.stderr.lines().count(), 2, "{}", output.stderr);

    // Several words arrive as they are.
    let output = both(&["--grouped", "--", "printf", "%s\n", "a  b", "$HOME;"])?;
    for name in ["h1", "h2"] {
        let group = format!("{name}:\na  b\n$HOME;\n");
        assert!(output.stdout.contains(&group), "{output:?}");
    }

    let json = both(&["--output", "json", "--", "echo out; echo err >&2"])?.json()?;
    let keys: Vec<_> = json.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["h1", "h2"]);
    let expected = serde_json::json!({ "stdout": "out\n", "stderr": "err\n", "exit_code": 0 });
    assert_eq!(json["h2"], expected);
    Ok(())
}

#[test]
fn exit_codes_tell_whether_some_or_all_failed() -> Result<()> {
    let (hosts, project) = hosts(2)?;
    let both = |line: &str| project.dfab(&["ssh", "-H", "h1,h2", "--", line]);
    hosts[0].shell("touch /tmp/only-here")?;
    let some = both("test -e /tmp/only-here")?;
    assert_eq!(
        (some.status, some.stderr.as_str()),
        (3, "h2: exit code 1\n")
    );
    assert_eq!(both("exit 9")?.status, 1);
    let slow = project.dfab(&["ssh", "-H", "h1", "--timeout", "1", "--", "sleep 4711"])?;
    assert_eq!(slow.status, 1, "{slow:?}");
    assert_eq!(processes(&hosts[0], "^sleep 4711")?, 0);
    assert_eq!(project.dfab(&["ssh", "-H", "h1,h2"])?.status, 2);
    assert_eq!(project.dfab(&["ssh", "--", "true"])?.status, 2);

    // One host is as with ssh: bytes, input and exit code go through.
    let mut one = project.command(&["ssh", "-H", "h1", "--", "cat; exit 7"])?;
    let one = process::run(&mut one, b"\x1b[1mraw", SOON)?;
    assert_eq!((one.status, one.stdout.as_str()), (7, "\x1b[1mraw"));

    hosts[1].kill()?;
    let one_gone = both("true")?;
    assert_eq!(one_gone.status, 3, "{one_gone:?}");
    assert!(one_gone.stderr.contains("h2: "), "{one_gone:?}");
    hosts[0].kill()?;
    assert_eq!(both("true")?.status, 4);
    Ok(())
}

#[test]
fn a_command_without_input_finds_its_end() -> Result<()> {
    let (_hosts, project) = hosts(2)?;
    for line in [
        &["ssh", "-H", "h1,h2", "--", "cat; echo over"][..],
        &["ssh", "-n", "-H", "h1", "--", "cat; echo over"],
        &[
            "ssh",
            "-n",
            "-H",
            "h1",
            "--output",
            "json",
            "--",
            "cat; echo over",
        ],
    ] {
        // What would be passed on is passed over too.
        let output = process::run(&mut project.command(line)?, b"in", SOON)?;
        assert_eq!(output.status, 0, "{line:?}: {output:?}");
        let told = &output.stdout;
        assert!(
            told.contains("over") && !told.contains("in"),
            "{line:?}: {told}"
        );
    }
    Ok(())
}

#[test]
fn ctrl_c_leaves_no_command_on_a_host() -> Result<()> {
    let (hosts, project) = hosts(2)?;
    let line = "echo started; sleep 4712 & sleep 4712";
    let mut running = Running::start(&project, &["ssh", "-H", "h1,h2", "--", line])?;
    running.wait_for("started")?;
    running.wait_for("started")?;
    assert_eq!(processes(&hosts[1], "^sleep 4712")?, 2);
    let (code, told) = running.end("-INT")?;
    assert_eq!(code, Some(130), "{told}");
    for host in &hosts {
        assert_eq!(processes(host, "^sleep 4712")?, 0);
    }
    Ok(())
}

#[test]
fn ctrl_c_twice_ends_dfab_at_once_and_the_command_soon() -> Result<()> {
    let (hosts, project) = hosts(1)?;
    // It does not heed to be told to end.
    let line = "trap '' TERM; echo started; while :; do sleep 4713; done";
    let mut running = Running::start(&project, &["ssh", "-H", "h1", "--", line])?;
    running.wait_for("started")?;
    running.signal("-INT")?;
    std::thread::sleep(Duration::from_millis(400));
    let (code, told) = running.end("-INT")?;
    assert_eq!(code, Some(130), "{told}");
    assert!(told.contains("was told to end"), "{told}");
    until(SOON, || {
        let left = processes(&hosts[0], "[s]leep 4713")?;
        ensure!(left == 0, "{left} processes are left");
        Ok(())
    })
}
