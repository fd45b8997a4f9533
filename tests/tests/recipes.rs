//! Recipes on a real machine: what is missing is installed, what is there is left alone.

use anyhow::Result;
use dfab_tests::{Project, TestHost};

#[test]
fn socat_is_installed_where_it_is_missing_and_only_there() -> Result<()> {
    let host = TestHost::start()?;
    let project = Project::new()?;
    project.add_host("h1", &host)?;
    let is_there = || host.shell("command -v socat").is_ok();
    let setup = |more: &[&str]| project.dfab(&[&["setup", "socat", "-H", "h1"], more].concat());
    host.remove_socat()?;

    assert_eq!(setup(&["--dry-run"])?.status, 0);
    assert_eq!(setup(&[])?.status, 2, "there is no terminal to ask at");
    assert!(!is_there());

    let output = setup(&["-y"])?;
    assert_eq!(output.status, 0, "{output:?}");
    assert!(is_there());

    let log = || host.shell("cat /var/log/dpkg.log /var/log/apt/history.log 2> /dev/null || true");
    let before = log()?;
    let output = setup(&["-y"])?;
    assert_eq!(output.status, 0, "{output:?}");
    assert_eq!(log()?, before, "it was installed again");
    Ok(())
}

#[test]
fn without_root_it_says_so_and_changes_nothing() -> Result<()> {
    let host = TestHost::start()?;
    let project = Project::new()?;
    project.add_host_as("h1", &host, "plain")?;
    host.remove_socat()?;
    let output = project.dfab(&["setup", "socat", "-H", "h1", "-y"])?;
    assert_eq!(output.status, 1, "{output:?}");
    assert!(
        output.stderr.contains("root") && output.stderr.contains("plain"),
        "{}",
        output.stderr
    );
    assert!(host.shell("command -v socat").is_err());
    Ok(())
}
