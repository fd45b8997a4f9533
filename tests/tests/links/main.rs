//! Links that are slow, narrow, stall, fall silent and break, and servers that allow little.

#[cfg(test)]
mod creation;
#[cfg(test)]
mod servers;

use std::io::Read as _;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use dfab_engine::{ConnectOptions, Engine, EngineError};
use dfab_ssh::Session;
use dfab_tests::relay::Link;
use dfab_tests::{Output, Project, Relay, TestHost, images, process};
use serde_json::json;

const APP: &str = "registry.example.com/app:latest";
/// Far more than anything here takes.
const LONG: Duration = Duration::from_secs(240);
const VERSION: [&str; 5] = ["run", "docker", "version", "-H", "h1"];

const MAP: &str = "name: m\nrepository: registry.example.com\n\
    volumes: {data: {default_path: /data, user: '1234', permissions: '0750'}}\n\
    db: {image: app, attaches: data}\nweb: {image: app, links: db, uses: data}\n";

/// A host with the image of the test program.
fn host() -> Result<TestHost> {
    images::ensure(APP)?;
    let host = TestHost::start()?;
    host.load_image(APP)?;
    Ok(host)
}

/// A project with a map, whose host `h1` is behind the relay.
fn project(host: &TestHost, relay: &Relay, options: &str) -> Result<Project> {
    let project = Project::new()?;
    project.add_relayed("h1", host, relay, options)?;
    project.write("dfab.yaml", "maps: m.yaml\n")?;
    project.write("m.yaml", MAP)?;
    Ok(project)
}

fn dfab(project: &Project, arguments: &[&str]) -> Result<Output> {
    process::run(&mut project.command(arguments)?, b"", LONG)
}

/// Bytes that nothing makes fewer of.
fn noise(count: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        state.to_be_bytes()[0]
    };
    (0..count).map(|_| next()).collect()
}

/// A script beside a file of so many bytes, and the line that runs it with both.
fn script(project: &Project, bytes: usize) -> Result<Vec<&'static str>> {
    project.write("jobs/script.txt", "exit 0\n")?;
    std::fs::write(project.folder().join("jobs/noise"), noise(bytes))?;
    Ok(vec![
        "script",
        "db",
        "--entrypoint",
        "/app",
        "--command-format",
        "run {script_path}",
        "--upload-dir",
        "jobs",
        "--script",
        "jobs/script.txt",
        "-H",
        "h1",
        "-y",
    ])
}

#[test]
fn a_slow_link_with_stalls_carries_everything() -> Result<()> {
    let host = host()?;
    let link = Link {
        delay: Duration::from_millis(80),
        stall: Some((20, Duration::from_secs(1))),
    };
    let relay = Relay::start(&host, link)?;
    let project = project(&host, &relay, "  ConnectTimeout 10")?;
    for channel in ["stream-local", "socat", "dial-stdio"] {
        let line = [&VERSION[..], &["--channel", channel]].concat();
        dfab(&project, &line)?.success().context(channel)?;
    }
    let startup = ["startup", "web", "-H", "h1", "-y"];
    let done = dfab(&project, &startup)?;
    ensure!(done.status == 0, "{}", done.stderr);
    let names = host.docker(&["ps", "--format", "{{.Names}}"])?;
    ensure!(names.lines().count() == 2, "{names}");
    let again = dfab(&project, &startup)?;
    ensure!(again.stderr.contains("Nothing to do."), "{}", again.stderr);

    // Archives both ways.
    let line = script(&project, 2 << 20)?;
    let line = [
        &line[..],
        &["--download", "results", "--remove-existing-before"],
    ]
    .concat();
    let done = dfab(&project, &line)?;
    ensure!(done.status == 0, "{}", done.stderr);
    let back = std::fs::read(project.folder().join("results/noise"))?;
    ensure!(back == noise(2 << 20), "it came back as something else");

    // Images both ways.
    let docker = |words: &[&str]| {
        let line = [&["tunnel", "h1", "--", "docker"], words].concat();
        dfab(&project, &line)?.success()
    };
    docker(&["save", APP, "-o", "image.tar"])?;
    host.shell("docker rm -f $(docker ps -aq)")?;
    host.docker(&["rmi", APP])?;
    docker(&["load", "-i", "image.tar"])?;
    host.docker(&["image", "inspect", APP]).map(drop)
}

/// An engine with limits that are shorter than what a transfer takes.
async fn engine(project: &Project, limit: Duration) -> Result<(Session, Engine)> {
    let options = ConnectOptions {
        timeout: limit,
        idle_timeout: limit,
        ..ConnectOptions::default()
    };
    project.connect("h1", &options).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_narrow_link_takes_a_transfer_and_calls_beside_it() -> Result<()> {
    // At 8 Mbit/s each takes longer than any limit.
    const SIZE: usize = 16 << 20;
    let host = host()?;
    let project = Project::new()?;
    project.add_host("h1", &host)?;
    let (session, engine) = engine(&project, Duration::from_secs(10)).await?;
    let create = json!({ "Image": APP });
    engine.create_container("files", &create).await?;
    host.narrow("8mbit")?;

    let beside = async |transfer: &mut (dyn Future<Output = Result<(), EngineError>> + Unpin)| {
        let mut answered = 0;
        loop {
            tokio::select! {
                result = &mut *transfer => return result.map(|()| answered),
                answer = engine.version() => {
                    answer?;
                    answered += 1;
                }
            }
        }
    };
    let mut archive = tar::Builder::new(Vec::new());
    let noise = noise(SIZE);
    let mut header = tar::Header::new_gnu();
    header.set_size(u64::try_from(noise.len())?);
    header.set_mode(0o600);
    archive.append_data(&mut header, "noise", noise.as_slice())?;
    let archive = Bytes::from(archive.into_inner()?);
    let mut up = Box::pin(engine.put_archive("files", "/tmp", archive));
    let answered = beside(&mut up).await.context("up")?;
    ensure!(answered >= 3, "{answered} calls were answered beside it");

    let mut back = Vec::new();
    let answered = {
        let mut down = Box::pin(engine.get_archive("files", "/tmp/noise", &mut back));
        beside(&mut down).await.context("down")?
    };
    ensure!(answered >= 3, "{answered} calls were answered beside it");
    let mut archive = tar::Archive::new(back.as_slice());
    let mut entry = archive.entries()?.next().context("nothing came back")??;
    let mut found = Vec::new();
    entry.read_to_end(&mut found)?;
    ensure!(found == noise, "it came back as something else");
    session.close().await;
    Ok(())
}

#[test]
fn commands_end_whole_on_a_narrow_link_or_say_that_the_time_was_over() -> Result<()> {
    // At 8 Mbit/s each way takes longer than any limit on an answer or on standing still.
    const SIZE: usize = 6 << 20;
    let limits = ["--call-timeout", "4", "--idle-timeout", "4"];
    let host = host()?;
    let project = Project::new()?;
    project.add_host("h1", &host)?;
    project.write("dfab.yaml", "maps: m.yaml\n")?;
    project.write("m.yaml", MAP)?;
    let run = |words: &[&str]| dfab(&project, &[words, &limits].concat());

    // An image with as many bytes, made on the host itself and taken from it.
    host.shell(&format!(
        "mkdir /var/tmp/image; head -c {SIZE} /dev/urandom > /var/tmp/image/noise
         tar -C /var/tmp/image -c noise | docker import - narrow:1"
    ))?;
    let id = host.docker(&["image", "inspect", "-f", "{{.Id}}", "narrow:1"])?;
    host.narrow("8mbit")?;
    let save = [
        "run",
        "docker",
        "save-image",
        "--image",
        "narrow:1",
        "--to",
        "i.tar",
        "-H",
        "h1",
    ];
    run(&save)?.success()?;
    let saved = std::fs::metadata(project.folder().join("i.tar"))?.len();
    ensure!(saved > u64::try_from(SIZE)?, "{saved} bytes");
    host.docker(&["rmi", "narrow:1"])?;
    let load = [
        "run",
        "docker",
        "load-image",
        "--file",
        "i.tar",
        "-H",
        "h1",
        "-y",
    ];
    run(&load)?.success()?;
    ensure!(host.docker(&["image", "inspect", "-f", "{{.Id}}", "narrow:1"])? == id);

    // An action that uploads and downloads.
    let line = script(&project, SIZE)?;
    let line = [
        &line[..],
        &["--download", "results", "--remove-existing-before"],
    ]
    .concat();
    let done = run(&line)?;
    ensure!(done.status == 0, "{}", done.stderr);
    let back = std::fs::read(project.folder().join("results/noise"))?;
    ensure!(back == noise(SIZE), "it came back as something else");

    // With a time that is too short nothing is half there, and it is said why.
    std::fs::remove_file(project.folder().join("i.tar"))?;
    let short = ["--max-time", "3"];
    let late = run(&[&save[..], &short].concat())?;
    ensure!(late.status == 1, "{late:?}");
    ensure!(late.stderr.contains("--max-time"), "{}", late.stderr);
    ensure!(
        !project.folder().join("i.tar").exists(),
        "half an image is left"
    );
    Ok(())
}

/// Ends the processes of all SSH sessions on a host, as a router does that forgets connections.
fn kill_sessions(host: &TestHost) -> Result<()> {
    host.shell("kill -KILL $(grep -al '^sshd[a-z-]*: root' /proc/[0-9]*/cmdline | cut -d/ -f3)")
        .map(drop)
}

/// Signs of life every 2 s, and the end after the second in vain.
const SIGNS: &str = "  ServerAliveInterval 2\n  ServerAliveCountMax 2";

#[test]
fn what_ends_in_a_transfer_is_told_and_its_outcome_is_not_known() -> Result<()> {
    type Fault = fn(&TestHost, &Relay) -> Result<()>;
    let faults: [(&str, Fault, &str); 4] = [
        ("a link that falls silent", |_, _| Ok(()), "no sign of life"),
        (
            "a host that freezes",
            |host, relay| {
                host.pause()?;
                relay.speak();
                Ok(())
            },
            "no sign of life",
        ),
        (
            "a session that is killed",
            |host, relay| {
                kill_sessions(host)?;
                relay.speak();
                Ok(())
            },
            "",
        ),
        (
            "a link that breaks",
            |_, relay| {
                relay.speak();
                relay.cut();
                Ok(())
            },
            "",
        ),
    ];
    let host = host()?;
    for (name, fault, words) in faults {
        let relay = Relay::start(&host, Link::default())?;
        let project = project(&host, &relay, SIGNS)?;
        let line = script(&project, 8 << 20)?;
        relay.hush_after(1 << 20);
        let output = std::thread::scope(|scope| {
            let run = scope.spawn(|| dfab(&project, &line));
            relay.wait_hushed()?;
            fault(&host, &relay)?;
            run.join()
                .unwrap_or_else(|_| anyhow::bail!("running panicked"))
        })?;
        if name == "a host that freezes" {
            host.unpause()?;
        }
        let told = &output.stderr;
        ensure!(output.status == 1, "{name}: {output:?}");
        ensure!(told.contains("FAILED"), "{name}: {told}");
        ensure!(told.contains("it is not known"), "{name}: {told}");
        ensure!(told.contains(words), "{name}: {told}");
        let left = host.docker(&["ps", "-aq", "--filter", "name=m.db"])?;
        if words.is_empty() {
            // A new session did what was left to do.
            ensure!(left.is_empty(), "{name} left {left}: {told}");
        } else if !left.is_empty() {
            // The engine waits for what is still to come, and so does whoever removes its container.
            relay.cut();
            host.docker(&["rm", "-f", &left])?;
        }
    }
    Ok(())
}

#[test]
fn each_limit_is_told_with_the_option_that_lengthens_it() -> Result<()> {
    let host = host()?;
    let relay = Relay::start(&host, Link::default())?;
    let project = project(&host, &relay, "  ServerAliveInterval 300")?;
    relay.hush_after(0);
    let late = dfab(
        &project,
        &[&VERSION[..], &["--connect-timeout", "2"]].concat(),
    )?;
    ensure!(late.status == 4, "{late:?}");
    ensure!(
        late.stderr.contains("within 2 s; --connect-timeout"),
        "{}",
        late.stderr
    );
    // The project's time, which the configuration's does not outdo.
    project.write(
        "dfab.yaml",
        "maps: m.yaml\ntimeouts: {connect: 1s, idle: 2}\n",
    )?;
    let late = dfab(&project, &VERSION)?;
    ensure!(late.stderr.contains("within 1 s"), "{}", late.stderr);
    relay.speak();

    project.write("dfab.yaml", "maps: m.yaml\ntimeouts: {idle: 2, call: 5s}\n")?;
    let line = script(&project, 8 << 20)?;
    relay.hush_after(1 << 20);
    let output = std::thread::scope(|scope| {
        let run = scope.spawn(|| dfab(&project, &line));
        relay.wait_hushed()?;
        run.join()
            .unwrap_or_else(|_| anyhow::bail!("running panicked"))
    })?;
    ensure!(output.status == 1, "{output:?}");
    let words = "nothing could be sent for 2 s";
    ensure!(output.stderr.contains(words), "{}", output.stderr);
    ensure!(
        output.stderr.contains("--idle-timeout"),
        "{}",
        output.stderr
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_answers_no_more_is_told_with_the_option_too() -> Result<()> {
    let host = host()?;
    let project = Project::new()?;
    project.add_host("h1", &host)?;
    let (_session, engine) = engine(&project, Duration::from_secs(2)).await?;
    engine.version().await?;
    host.shell("kill -STOP $(cat /run/docker.pid)")?;
    let late = engine.version().await.err().context("it has answered")?;
    ensure!(late.to_string().contains("--call-timeout"), "{late}");
    host.shell("kill -CONT $(cat /run/docker.pid)")?;
    engine.version().await.map(drop).map_err(Into::into)
}
