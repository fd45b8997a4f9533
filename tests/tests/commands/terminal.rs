//! Terminals on hosts and in containers.

use anyhow::Result;
use dfab_tests::Output;

use crate::{IMAGE, hosts};

#[test]
fn a_shell_on_one_host_has_a_terminal() -> Result<()> {
    let (_hosts, project) = hosts(1)?;
    let output = project.on_terminal(
        ("", ""),
        &["ssh", "-H", "h1"],
        "stty size; tty; echo over-$TERM\nexit 5\n",
    )?;
    assert_eq!(output.status, 5, "{output:?}");
    let text = &output.stdout;
    assert!(
        text.contains("/dev/pts/") && text.contains("over-xterm"),
        "{text}"
    );
    Ok(())
}

#[test]
fn a_terminal_keeps_its_size_on_the_other_side_and_its_settings_on_this_one() -> Result<()> {
    let (hosts, project) = hosts(1)?;
    let before = "stty rows 40 cols 100; (sleep 2; stty rows 50 cols 120) </dev/tty & ";
    let around = (before, "stty -a; ");
    let sizes = |output: &Output| {
        let (first, second) = ("40 100", "50 120");
        let text = &output.stdout;
        let found = text.find(first).zip(text.find(second));
        found.is_some_and(|(first, second)| first < second)
    };
    let shell = project.on_terminal(
        around,
        &["ssh", "-H", "h1"],
        "stty size; sleep 4; stty size; exit 6\n",
    )?;
    assert!(shell.status == 6 && sizes(&shell), "{shell:?}");
    assert!(shell.stdout.contains(" icanon"), "{shell:?}");
    // The test host's own engine runs the machine's shell in a container that has its programs.
    let run = [
        "run",
        "-d",
        "--name",
        "one",
        "--network",
        "none",
        "-v",
        "/usr:/usr",
        "-v",
        "/lib64:/lib64",
        "-v",
        "/lib:/lib",
    ];
    hosts[0].docker(&[&run[..], &[IMAGE, "sleep", "600"]].concat())?;
    // Older engines tell the size to a command that runs already.
    let line = "sleep 1; stty size; sleep 4; stty size; exit 8";
    let exec = ["exec", "one", "-H", "h1", "--", "/usr/bin/sh", "-c", line];
    let exec = project.on_terminal(around, &exec, "")?;
    assert!(exec.status == 8 && sizes(&exec), "{exec:?}");
    assert!(exec.stdout.contains(" icanon"), "{exec:?}");
    Ok(())
}
