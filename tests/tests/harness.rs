//! The harness itself: what every other test takes for granted.

use std::time::Duration;

use anyhow::Result;
use dfab_tests::{Project, TestHost, images, process};

#[test]
fn a_host_runs_what_is_loaded_and_has_no_way_out() -> Result<()> {
    let (host, project) = Project::with_host_as("deploy")?;

    let version = project
        .ssh("h1", "docker version --format '{{.Server.Version}}'")?
        .success()?;
    assert_eq!(
        version.trim(),
        host.docker(&["version", "-f", "{{.Server.Version}}"])?
    );

    images::ensure("registry.example.com/app:latest")?;
    host.load_image("registry.example.com/app:latest")?;
    host.docker(&[
        "run",
        "-d",
        "--name",
        "app",
        "registry.example.com/app:latest",
    ])?;
    let address = host.inspect("app")?["NetworkSettings"]["IPAddress"].clone();
    let address = address.as_str().unwrap_or_default();
    let request = format!("printf 'GET /x HTTP/1.0\\r\\n\\r\\n' | socat - TCP:{address}:80");
    let answer = process::until(Duration::from_secs(5), || host.shell(&request))?;
    assert!(answer.ends_with(" /x"), "{answer}");
    // Ends by SIGTERM itself, well before the engine kills it after ten seconds.
    host.docker(&["stop", "app"])?;
    assert_eq!(host.inspect("app")?["State"]["ExitCode"], 0);

    assert_eq!(host.exec(&["ip", "route", "show", "default"])?, "");
    assert!(
        host.docker(&["pull", "registry.example.com/other:latest"])
            .is_err()
    );
    Ok(())
}

#[test]
fn plain_users_may_not_use_the_engine() -> Result<()> {
    let (_host, project) = Project::with_host_as("plain")?;
    assert_eq!(project.ssh("h1", "id -un")?.success()?.trim(), "plain");
    assert_ne!(project.ssh("h1", "docker version")?.status, 0);
    Ok(())
}

#[test]
fn packages_are_removed_and_installed_without_network() -> Result<()> {
    let host = TestHost::start()?;
    assert_eq!(host.shell("command -v socat")?, "/usr/bin/socat");
    host.remove_socat()?;
    assert!(host.shell("command -v socat").is_err());
    host.shell("apt-get update && apt-get install -y socat")?;
    host.exec(&["socat", "-V"])?;
    Ok(())
}

#[test]
fn faults_happen_and_end() -> Result<()> {
    let (host, project) = Project::with_host()?;
    let works = |line| project.ssh("h1", line).map(|output| output.status == 0);

    host.stop_engine()?;
    assert!(works("true")? && !works("docker version")?);
    host.start_engine()?;
    assert!(works("docker version")?);

    host.stop_sshd()?;
    assert!(!works("true")?);
    host.start_sshd()?;
    assert!(works("true")?);

    host.set_sshd_option("AllowUsers deploy")?;
    assert!(!works("true")?);
    host.set_sshd_option("AllowUsers root")?;
    assert!(works("true")?);

    host.pause()?;
    assert!(!works("true")?);
    host.unpause()?;
    assert!(works("true")?);

    host.cut()?;
    assert!(!works("true")?);
    host.heal()?;
    assert!(works("true")?);

    project.expect_other_host_key(&host)?;
    assert!(!works("true")?);
    Ok(())
}
