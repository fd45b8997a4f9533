//! The ways to an engine: each by itself, which is taken, and what is told where none works.

use std::time::Duration;

use anyhow::Result;
use dfab_tests::process::{Running, until};
use dfab_tests::{Output, Project, TestHost};

const SOON: Duration = Duration::from_secs(30);

const EXEC_AND_FORWARDED: [&str; 3] = ["stream-local", "socat", "dial-stdio"];

fn version(project: &Project, more: &[&str]) -> Result<Output> {
    project.dfab(
        &[
            &["run", "docker", "version", "-H", "h1", "--output", "json"],
            more,
        ]
        .concat(),
    )
}

#[test]
fn each_way_reaches_the_engine() -> Result<()> {
    let (host, project) = Project::with_host_as("deploy")?;
    let engine = host.docker(&["version", "-f", "{{.Server.Version}}"])?;
    for channel in EXEC_AND_FORWARDED {
        let answer = version(&project, &["--channel", channel])?.json()?;
        assert_eq!(answer["h1"]["Version"], engine, "{channel}");
    }
    assert_eq!(version(&project, &["--channel", "tcp"])?.status, 4);
    host.shell(
        "socat TCP-LISTEN:2375,bind=127.0.0.1,fork UNIX:/run/docker.sock > /dev/null 2>&1 &",
    )?;
    let answer = version(&project, &["--channel", "tcp"])?.json()?;
    assert_eq!(answer["h1"]["Version"], engine);
    Ok(())
}

#[test]
fn the_next_way_is_taken_where_one_is_missing() -> Result<()> {
    let (host, project) = Project::with_host_as("deploy")?;
    let works = |more: &[&str]| version(&project, more).map(|output| output.status == 0);

    host.set_sshd_option("AllowStreamLocalForwarding no")?;
    assert!(!works(&["--channel", "stream-local"])?);
    assert!(works(&["--channel", "socat"])?);
    assert!(works(&[])?);

    host.remove_socat()?;
    assert!(!works(&["--channel", "socat"])?);
    assert!(works(&["--channel", "dial-stdio"])?);
    assert!(works(&[])?);
    Ok(())
}

/// Whatever carries a channel, nobody else on the host or its network can get at it.
#[test]
fn no_way_opens_a_port_or_a_socket_on_the_host() -> Result<()> {
    let (host, project) = Project::with_host_as("deploy")?;
    // Ports of IPv4 and IPv6, and Unix sockets by their paths.
    let listening = || {
        host.shell("ss -Hltun | awk '{ print $1, $5 }' | sort; ss -Hlx | awk '{ print $5 }' | sort")
    };
    let before = listening()?;
    assert!(before.contains(":22\n"), "sshd does not show: {before}");
    for channel in EXEC_AND_FORWARDED {
        let tunnel = ["tunnel", "h1", "--channel", channel, "--"];
        // An open stream that waits, and a call beside it.
        let line = "docker events & trap \"kill $!\" TERM; docker version && touch open; wait";
        let command = [&tunnel[..], &["sh", "-c", line]].concat();
        let running = Running::start(&mut project.command(&command)?)?;
        let open = project.folder().join("open");
        until(SOON, || Ok(std::fs::metadata(&open)?))?;
        assert_eq!(listening()?, before, "{channel}");
        running.signal("TERM")?;
        running.ended(SOON)?;
        std::fs::remove_file(open)?;
    }
    // What would be seen.
    host.shell("setsid socat TCP-LISTEN:2375,bind=127.0.0.1 STDIO < /dev/null > /dev/null 2>&1 &")?;
    until(SOON, || {
        anyhow::ensure!(listening()? != before, "the port does not show");
        Ok(())
    })
}

#[test]
fn a_user_who_may_not_is_told_what_each_way_answered() -> Result<()> {
    let (_host, project) = Project::with_host_as("plain")?;
    let output = version(&project, &[])?;
    assert_eq!(output.status, 4, "{output:?}");
    for channel in EXEC_AND_FORWARDED {
        assert!(
            output.stderr.contains(channel),
            "{channel} is not told of: {}",
            output.stderr
        );
    }
    assert!(
        output.stderr.to_lowercase().contains("permission denied"),
        "{}",
        output.stderr
    );
    // What helps is named.
    assert!(output.stderr.contains("docker"), "{}", output.stderr);
    Ok(())
}

#[test]
fn an_engine_that_is_stopped_is_no_engine_that_is_refused() -> Result<()> {
    let (host, project) = Project::with_host()?;
    host.stop_engine()?;
    let output = version(&project, &[])?;
    assert_eq!(output.status, 4, "{output:?}");
    assert!(
        !output.stderr.to_lowercase().contains("permission denied"),
        "{}",
        output.stderr
    );
    host.start_engine()?;
    assert_eq!(version(&project, &[])?.status, 0);
    Ok(())
}

#[test]
fn ctrl_c_leaves_no_channel_on_a_host_whose_engine_hangs() -> Result<()> {
    let (host, project) = Project::with_host_as("deploy")?;
    let engine = |signal: &str| host.shell(&format!("kill -s {signal} $(cat /run/docker.pid)"));
    let left = |pattern: &str| host.shell(&format!("pgrep -fc '{pattern}' || true"));
    // This one does not heed the end of its input.
    host.shell(
        "printf '#!/bin/sh\\nexec sleep 4722\\n' > /usr/local/bin/socat && \
         chmod 755 /usr/local/bin/socat",
    )?;
    engine("STOP")?;
    let version = ["run", "docker", "version"];
    let check = ["host", "check"];
    for (channel, pattern, command) in [
        ("dial-stdio", "^docker system dial-stdio", &version[..]),
        ("dial-stdio", "^docker system dial-stdio", &["ps"]),
        ("dial-stdio", "^docker system dial-stdio", &check),
        ("socat", "^sleep 4722", &version),
    ] {
        let line = [command, &["-H", "h1", "--channel", channel]].concat();
        let running = Running::start(&mut project.command(&line)?)?;
        until(SOON, || {
            anyhow::ensure!(left(pattern)? != "0", "no channel is begun: {line:?}");
            Ok(())
        })?;
        running.signal("INT")?;
        let output = running.ended(SOON)?;
        assert_eq!(output.status, 130, "{line:?}: {output:?}");
        assert_eq!(left(pattern)?, "0", "{line:?}: {output:?}");
    }
    engine("CONT")?;
    Ok(())
}

#[test]
fn a_host_that_is_silent_is_given_up() -> Result<()> {
    let (host, project) = Project::with_host()?;
    for (fault, mend) in [
        (
            TestHost::pause as fn(&TestHost) -> Result<()>,
            TestHost::unpause as fn(&_) -> _,
        ),
        (TestHost::cut, TestHost::heal),
        (TestHost::stop_sshd, TestHost::start_sshd),
    ] {
        fault(&host)?;
        // One that waits for ever is ended by the harness, which is an error.
        let output = version(&project, &[])?;
        assert_eq!(output.status, 4, "{output:?}");
        assert!(output.stderr.contains("h1"), "{}", output.stderr);
        mend(&host)?;
        assert_eq!(version(&project, &[])?.status, 0);
    }
    host.kill()?;
    assert_eq!(version(&project, &[])?.status, 4);
    Ok(())
}
