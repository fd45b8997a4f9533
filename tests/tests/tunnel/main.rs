//! Engines as sockets and ports of this machine: what goes through, and what is left behind.

#[cfg(test)]
mod running;
#[cfg(test)]
mod socat;

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use dfab_tests::process::{self, Output, until};
use dfab_tests::{Project, TestHost, images};

use crate::running::Tunnel;

const APP: &str = "registry.example.com/app:latest";
const SOON: Duration = Duration::from_secs(20);

fn docker(host: &str, arguments: &[&str], input: &[u8]) -> Result<Output> {
    let mut command = Command::new("docker");
    command
        .args(arguments)
        .env("DOCKER_HOST", host)
        .env_remove("DOCKER_CONTEXT");
    process::run(&mut command, input, Duration::from_secs(60))
}

fn project(names: &[&str], user: &str) -> Result<(Vec<TestHost>, Project)> {
    let hosts = TestHost::start_many(names.len())?;
    let project = Project::new()?;
    for (name, host) in names.iter().zip(&hosts) {
        project.add_host_as(name, host, user)?;
    }
    Ok((hosts, project))
}

fn socket_of(docker_host: &str) -> Result<PathBuf> {
    let path = docker_host.strip_prefix("unix://");
    Ok(path.context("no socket")?.into())
}

/// Processes of the host that carry channels.
fn carriers(host: &TestHost) -> Result<String> {
    host.shell("ps -eo args | grep -E 'socat|dial-stdio' | grep -v grep || true")
}

fn gone(host: &TestHost) -> Result<()> {
    until(SOON, || {
        let left = carriers(host)?;
        ensure!(left.is_empty(), "left on the host: {left}");
        Ok(())
    })
}

/// What docker does with an engine, streams that are closed by half included.
fn used_by_docker(host: &TestHost, at: &str) -> Result<()> {
    let name = docker(at, &["info", "-f", "{{.Name}}"], b"")?.success()?;
    ensure!(name.trim() == host.name(), "{name} is another engine");
    let run = ["run", "-d", "--name", "quiet", APP, "sleep", "600"];
    docker(at, &run, b"")?.success()?;
    let listed = docker(at, &["ps", "--format", "{{.Names}}"], b"")?.success()?;
    ensure!(listed.trim() == "quiet", "{listed}");
    // Its end of input is passed on, and what the command says afterwards comes back.
    let input = vec![b'x'; 3_000_000];
    let echo = docker(at, &["exec", "-i", "quiet", "/app", "cat"], &input)?;
    ensure!(
        echo.status == 0 && echo.stdout.as_bytes() == input,
        "{}",
        echo.stderr
    );
    let report = docker(at, &["exec", "quiet", "/app", "report", "3"], b"")?;
    ensure!(report.status == 3 && report.stderr == "err\n", "{report:?}");
    let slow = docker(at, &["exec", "-i", "quiet", "/app", "sleep", "2"], b"")?;
    ensure!(slow.status == 0, "{slow:?}");
    docker(at, &["rm", "-f", "quiet"], b"")?.success()?;
    let loaded = docker(at, &["save", APP], b"")?;
    ensure!(loaded.status == 0 && loaded.stdout.len() > 100_000);
    Ok(())
}

#[test]
fn docker_works_through_every_way_and_nothing_is_left() -> Result<()> {
    let (hosts, project) = project(&["h1"], "deploy")?;
    images::ensure(APP)?;
    hosts[0].load_image(APP)?;
    for channel in ["stream-local", "socat", "dial-stdio"] {
        let mut command = project.command(&["tunnel", "h1", "--channel", channel])?;
        let mut tunnel = Tunnel::start(&mut command)?;
        let at = tunnel.docker_host()?;
        let socket = socket_of(&at)?;
        assert_eq!(fs::metadata(&socket)?.mode() & 0o777, 0o600);
        let folder = socket.parent().context("no folder")?.to_owned();
        assert_eq!(fs::metadata(&folder)?.mode() & 0o777, 0o700);
        used_by_docker(&hosts[0], &at).with_context(|| format!("by {channel}"))?;

        // An attached container that says nothing is what holds on longest.
        let waits = ["run", "--rm", "-i", "--name", "waits", APP, "sleep", "600"];
        let mut attached = Command::new("docker");
        let attached = attached.args(waits).env("DOCKER_HOST", &at);
        let mut attached = attached.stdin(Stdio::piped()).spawn()?;
        until(SOON, || {
            let names = hosts[0].docker(&["ps", "-q", "-f", "name=waits"])?;
            ensure!(!names.is_empty(), "it does not run yet");
            Ok(())
        })?;
        tunnel.signal("INT")?;
        assert_eq!(tunnel.ended()?, 0, "{}", tunnel.told());
        assert!(!socket.exists() && !folder.exists());
        attached.wait()?;
        gone(&hosts[0])?;
        hosts[0].docker(&["rm", "-f", "waits"]).ok();
        let told = tunnel.told();
        assert!(told.contains(&format!("by {channel}: {at}")), "{told}");
    }
    Ok(())
}

#[test]
fn a_client_that_goes_away_takes_its_process_along() -> Result<()> {
    let (hosts, project) = project(&["h1"], "deploy")?;
    images::ensure(APP)?;
    hosts[0].load_image(APP)?;
    let mut command = project.command(&["tunnel", "h1", "--channel", "socat"])?;
    let tunnel = Tunnel::start(&mut command)?;
    let at = tunnel.docker_host()?;
    docker(
        &at,
        &["run", "-d", "--name", "quiet", APP, "sleep", "600"],
        b"",
    )?
    .success()?;
    let mut attached = Command::new("docker");
    let mut attached = attached
        .args(["attach", "quiet"])
        .env("DOCKER_HOST", &at)
        .stdin(Stdio::piped())
        .spawn()?;
    let more_than_one = || -> Result<()> {
        let count = carriers(&hosts[0])?.matches(" -t ").count();
        ensure!(count >= 2, "nothing is attached yet");
        Ok(())
    };
    until(SOON, more_than_one)?;
    attached.kill()?;
    attached.wait()?;
    until(SOON, || {
        let left = carriers(&hosts[0])?;
        ensure!(!left.contains(" -t "), "left on the host: {left}");
        Ok(())
    })
}

#[test]
fn hosts_have_consecutive_ports_and_a_taken_one_is_named() -> Result<()> {
    let (hosts, project) = project(&["h1", "h2"], "root")?;
    let free = std::net::TcpListener::bind(("127.0.0.1", 0))?;
    let first = free.local_addr()?.port();
    drop(free);
    let port = first.to_string();
    let command = |more: &[&str]| project.command(&[&["tunnel", "h1,h2"], more].concat());
    let mut tunnel = Tunnel::start(&mut command(&["--port", &port])?)?;
    for (index, host) in (0..).zip(&hosts) {
        let at = tunnel.docker_host()?;
        assert_eq!(at, format!("tcp://127.0.0.1:{}", first + index));
        let name = docker(&at, &["info", "-f", "{{.Name}}"], b"")?.success()?;
        assert_eq!(name.trim(), host.name());
    }
    let again = project.dfab(&["tunnel", "h2", "--port", &(first + 1).to_string()])?;
    assert_eq!(again.status, 1, "{again:?}");
    assert!(
        again.stderr.contains(&format!("port {}", first + 1)),
        "{again:?}"
    );
    let everywhere = project.dfab(&["tunnel", "h2", "--port", "0.0.0.0:1234"])?;
    assert_eq!(everywhere.status, 2, "{everywhere:?}");
    tunnel.signal("TERM")?;
    assert_eq!(tunnel.ended()?, 0);

    // The predecessor's setting, and a client's own port before it.
    project.write(
        "clients.yaml",
        &format!("h2: {{host: h2, tunnel_local_port: {first}}}"),
    )?;
    let setting = format!("docker_tunnel_local_port={}", first + 1);
    let tunnel = Tunnel::start(&mut command(&[
        "--clients",
        "clients.yaml",
        "--set",
        &setting,
        "--output",
        "json",
    ])?)?;
    until(SOON, || {
        ensure!(
            tunnel.told().matches("tcp://127.0.0.1").count() == 2,
            "not yet"
        );
        Ok(())
    })?;
    let text: Vec<String> = tunnel.lines.try_iter().collect();
    let told: serde_json::Value = serde_json::from_str(&text.concat())?;
    assert_eq!(
        told["h1"]["docker_host"],
        format!("tcp://127.0.0.1:{}", first + 1)
    );
    assert_eq!(
        told["h2"]["docker_host"],
        format!("tcp://127.0.0.1:{first}")
    );
    Ok(())
}

#[test]
fn a_socket_of_a_dead_dfab_is_replaced_and_one_of_a_live_one_is_not() -> Result<()> {
    let (_hosts, project) = project(&["h1"], "root")?;
    let at = project.folder().join("engine.sock");
    let path = at.display().to_string();
    let line = ["tunnel", "h1", "--socket", path.as_str()];
    let mut tunnel = Tunnel::start(&mut project.command(&line)?)?;
    tunnel.docker_host()?;
    let second = project.dfab(&line)?;
    assert_eq!(second.status, 1, "{second:?}");
    assert!(second.stderr.contains("another dfab"), "{second:?}");
    tunnel.child.kill()?;
    tunnel.child.wait()?;
    assert!(at.exists(), "a killed program cannot tidy up");
    let mut tunnel = Tunnel::start(&mut project.command(&line)?)?;
    let host = tunnel.docker_host()?;
    docker(&host, &["version"], b"")?.success()?;
    tunnel.signal("INT")?;
    tunnel.ended()?;
    let left: Vec<_> = fs::read_dir(project.folder())?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| name.contains("sock") || name.starts_with(".dfab"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
    Ok(())
}

#[test]
fn a_tunnel_ends_with_the_program_that_started_it() -> Result<()> {
    let (hosts, project) = project(&["h1"], "deploy")?;
    let dfab = project.command(&["tunnel", "h1", "--channel", "socat"])?;
    let mut shell = Command::new("sh");
    shell.env_clear();
    for (name, value) in dfab.get_envs() {
        shell.env(name, value.context("a variable without value")?);
    }
    shell.current_dir(project.folder());
    // The shell waits for dfab, and is killed.
    shell.args(["-c", "\"$@\" & wait", "sh"]);
    shell.arg(dfab.get_program()).args(dfab.get_args());
    let mut tunnel = Tunnel::start(&mut shell)?;
    let socket = socket_of(&tunnel.docker_host()?)?;
    ensure!(
        !carriers(&hosts[0])?.is_empty(),
        "nothing runs that could be left"
    );
    tunnel.child.kill()?;
    tunnel.child.wait()?;
    until(SOON, || {
        ensure!(!socket.exists(), "the socket is still there");
        Ok(())
    })?;
    gone(&hosts[0])
}

#[test]
fn a_session_that_breaks_is_replaced_at_the_next_connection() -> Result<()> {
    let (hosts, project) = project(&["h1"], "root")?;
    let tunnel = Tunnel::start(&mut project.command(&["tunnel", "h1"])?)?;
    let at = tunnel.docker_host()?;
    docker(&at, &["version"], b"")?.success()?;
    // The processes of sessions, and not the one that listens.
    hosts[0].shell("pkill -KILL -f '[s]shd: root'")?;
    until(SOON, || {
        ensure!(
            tunnel.told().contains("opens a new session"),
            "{}",
            tunnel.told()
        );
        Ok(())
    })?;
    let name = docker(&at, &["info", "-f", "{{.Name}}"], b"")?.success()?;
    assert_eq!(name.trim(), hosts[0].name());

    // Where there is no way any more, the client is told why.
    hosts[0].stop_sshd()?;
    hosts[0].shell("pkill -KILL -f '[s]shd: root'")?;
    until(SOON, || {
        ensure!(
            tunnel.told().matches("opens a new session").count() == 2,
            "{}",
            tunnel.told()
        );
        Ok(())
    })?;
    let refused = docker(&at, &["version"], b"")?;
    assert_ne!(refused.status, 0);
    assert!(
        refused.stderr.contains("no SSH session to h1"),
        "{refused:?}"
    );
    hosts[0].start_sshd()?;
    docker(&at, &["version"], b"")?.success()?;
    Ok(())
}

/// Opens many connections at once, each of which waits for an event that never comes.
fn waiting(socket: &Path, count: usize) -> Result<Vec<UnixStream>> {
    let mut open = Vec::with_capacity(count);
    for _ in 0..count {
        let mut stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        stream.write_all(b"GET /v1.41/events HTTP/1.1\r\nHost: docker\r\n\r\n")?;
        open.push(stream);
    }
    for stream in &mut open {
        let mut head = [0; 15];
        stream.read_exact(&mut head)?;
        ensure!(
            head == *b"HTTP/1.1 200 OK",
            "{}",
            String::from_utf8_lossy(&head)
        );
    }
    Ok(open)
}

#[test]
fn more_connections_than_a_session_carries_are_open_at_once() -> Result<()> {
    let (hosts, project) = project(&["h1"], "deploy")?;
    for (channel, count) in [("stream-local", 900), ("socat", 30)] {
        // What a shell allows at first is not enough, and dfab takes what it may have.
        let dfab = project.command(&["tunnel", "h1", "--channel", channel])?;
        let mut command = Command::new("sh");
        command.args(["-c", "ulimit -Sn 300; exec \"$@\"", "sh"]);
        command.arg(dfab.get_program()).args(dfab.get_args());
        command.env_clear().current_dir(project.folder());
        command.envs(
            dfab.get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        );
        let mut tunnel = Tunnel::start(&mut command)?;
        let at = tunnel.docker_host()?;
        let open = waiting(&socket_of(&at)?, count)
            .with_context(|| format!("{channel}: {}", tunnel.told()))?;
        docker(&at, &["version"], b"")?.success()?;
        drop(open);
        tunnel.signal("INT")?;
        assert_eq!(tunnel.ended()?, 0);
        gone(&hosts[0])?;
    }
    Ok(())
}

#[test]
fn a_command_has_the_engine_and_its_exit_code_is_passed_on() -> Result<()> {
    let (hosts, project) = project(&["h1"], "root")?;
    let run = |line: &[&str]| project.dfab(&[&["tunnel", "h1", "--"], line].concat());
    let name = run(&["docker", "info", "-f", "{{.Name}}"])?.success()?;
    assert_eq!(name.trim(), hosts[0].name());
    assert_eq!(run(&["sh", "-c", "exit 7"])?.status, 7);
    assert_eq!(run(&["sh", "-c", "kill -TERM $$"])?.status, 143);
    assert_eq!(run(&["/no/such/program"])?.status, 1);
    let mut command = project.command(&[
        "tunnel",
        "h1",
        "--",
        "sh",
        "-c",
        "trap 'exit 9' TERM; echo go; while :; do sleep 0.1; done",
    ])?;
    let mut tunnel = Tunnel::start(&mut command)?;
    assert_eq!(tunnel.lines.recv_timeout(SOON)?, "go");
    tunnel.signal("TERM")?;
    assert_eq!(tunnel.ended()?, 9, "{}", tunnel.told());
    let both = project.dfab(&["tunnel", "h1,local", "--", "true"])?;
    assert_eq!(both.status, 2, "{both:?}");
    assert_eq!(project.dfab(&["tunnel"])?.status, 2);
    Ok(())
}

#[test]
fn docker_compose_makes_and_removes_a_project_through_every_way() -> Result<()> {
    let (hosts, project) = project(&["h1"], "deploy")?;
    images::ensure(APP)?;
    hosts[0].load_image(APP)?;
    let file = format!("version: '3'\nservices: {{web: {{image: '{APP}'}}}}\n");
    project.write("docker-compose.yml", &file)?;
    let names = || hosts[0].docker(&["ps", "-a", "--format", "{{.Image}} {{.State}}"]);
    for channel in ["stream-local", "socat", "dial-stdio"] {
        let compose = |words: &[&str]| -> Result<Output> {
            let tunnel = ["tunnel", "h1", "--channel", channel, "--"];
            let compose = ["docker-compose", "-p", "shop"];
            project.dfab(&[&tunnel[..], &compose, words].concat())
        };
        compose(&["up", "-d", "--scale", "web=2"])?.success()?;
        assert_eq!(
            names()?,
            format!("{APP} running\n{APP} running"),
            "{channel}"
        );
        let report = compose(&["exec", "-T", "web", "/app", "report", "3"])?;
        assert_eq!(report.status, 3, "{channel}: {report:?}");
        compose(&["down", "-t", "1"])?.success()?;
        assert_eq!(names()?, "", "{channel}");
        let networks = hosts[0].docker(&["network", "ls", "--format", "{{.Name}}"])?;
        assert!(!networks.contains("shop"), "{channel}: {networks}");
        gone(&hosts[0])?;
    }
    Ok(())
}
