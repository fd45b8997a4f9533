//! `cargo xtask bench`: what dfab costs, beside what the OpenSSH client costs in the same run.
//!
//! Figures of one run may be compared with each other, and with those of another run only as ratios.
#![expect(clippy::print_stdout, reason = "this is a program for a terminal")]

mod maps;

use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use async_trait::async_trait;
use dfab_engine::{ChannelKind, ConnectOptions, Endpoint, Engine};
use dfab_runtime::planning::{
    ContainerDetails, Life, Node, NodeKind, Observation, Request, StopOptions,
};
use dfab_runtime::task::{Command as ShellCommand, ContainerSummary, ImageSummary, Outcome};
use dfab_runtime::{
    CallError, Grants, Level, Limits, LogSink, Origin, Permit, Plugin, PolicyPlugin, Runtime,
    RuntimeOptions, TaskHost, TaskPlugin,
};
use dfab_ssh::{ResolveOptions, Session, resolve};
use dfab_tests::planner::component;
use dfab_tests::{Project, TestHost};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// As in the dfab command.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Bytes moved to measure how fast they move.
const BULK: usize = 512 << 20;

fn main() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    if std::env::args().nth(1).as_deref() == Some("maps") {
        return runtime.block_on(maps::maps());
    }
    let host = TestHost::start()?;
    let project = Project::new()?;
    project.add_host("bench", &host)?;
    runtime.block_on(connections(&project))?;
    runtime.block_on(bulk(&project))?;
    runtime.block_on(components())?;
    runtime.block_on(maps::maps())?;
    whole_command(&project)
}

async fn session(project: &Project) -> Result<Session> {
    let options = ResolveOptions {
        config_file: Some(project.folder().join("ssh_config")),
    };
    let target = resolve(&"bench".parse()?, &options).await?;
    Ok(Session::connect(&target).await?)
}

async fn engine(session: &Session, channel: ChannelKind) -> Result<Engine> {
    let endpoint = Endpoint::Ssh {
        session: session.clone(),
        socket: "/var/run/docker.sock".to_owned(),
        tcp: None,
    };
    let options = ConnectOptions {
        channel: Some(channel),
        ..ConnectOptions::default()
    };
    Ok(Engine::connect(endpoint, &options).await?)
}

async fn connections(project: &Project) -> Result<()> {
    heading("Connections");
    let mut times = Vec::new();
    for _ in 0..10 {
        let start = Instant::now();
        let session = session(project).await?;
        engine(&session, ChannelKind::StreamLocal)
            .await?
            .version()
            .await?;
        times.push(start.elapsed());
        session.close().await;
    }
    let ours = show("connect (ssh -G, handshake, login) and first call", times);
    let mut times = Vec::new();
    for _ in 0..10 {
        let start = Instant::now();
        ssh(project, "true", Stdio::null())?;
        times.push(start.elapsed());
    }
    let theirs = show("the OpenSSH client: connect and run `true`", times);
    ratio(theirs, ours);

    let session = session(project).await?;
    for channel in [
        ChannelKind::StreamLocal,
        ChannelKind::Socat,
        ChannelKind::DialStdio,
    ] {
        let mut times = Vec::new();
        for _ in 0..10 {
            let start = Instant::now();
            engine(&session, channel).await?;
            times.push(start.elapsed());
        }
        show(
            &format!("new channel by {channel}, greeting and version included"),
            times,
        );
        let engine = engine(&session, channel).await?;
        engine.version().await?;
        let before = session.statistics().channels_opened;
        let mut times = Vec::new();
        for _ in 0..500 {
            let start = Instant::now();
            engine.containers(false, &[]).await?;
            times.push(start.elapsed());
        }
        show(
            &format!("list containers on a kept {channel} channel"),
            times,
        );
        let opened = session.statistics().channels_opened - before;
        println!("    for which {opened} further channels were opened");
    }
    session.close().await;
    Ok(())
}

async fn bulk(project: &Project) -> Result<()> {
    heading(&format!("Bulk, {} MiB", BULK >> 20));
    let session = session(project).await?;
    let command = format!("head -c {BULK} /dev/zero");
    let start = Instant::now();
    let (mut channel, _stderr, _status) = session.exec(&command).await?.into_parts();
    let mut buffer = vec![0; 256 * 1024];
    let mut count = 0;
    loop {
        match channel.read(&mut buffer).await? {
            0 => break,
            read => count += read,
        }
    }
    ensure!(count == BULK, "{count} bytes came instead of {BULK}");
    let ours = speed("down", start.elapsed());
    drop(channel);
    let start = Instant::now();
    ssh(project, &command, Stdio::null())?;
    ratio(speed("down, the OpenSSH client", start.elapsed()), ours);

    let start = Instant::now();
    let (mut channel, _stderr, _status) = session.exec("cat > /dev/null").await?.into_parts();
    let mut left = BULK;
    while left > 0 {
        let piece = buffer.len().min(left);
        channel
            .write_all(buffer.get(..piece).unwrap_or_default())
            .await?;
        left -= piece;
    }
    channel.shutdown().await?;
    channel.read_to_end(&mut Vec::new()).await?;
    let ours = speed("up", start.elapsed());
    drop(channel);
    let zeros = Command::new("head")
        .args(["-c", &BULK.to_string(), "/dev/zero"])
        .stdout(Stdio::piped())
        .spawn()?;
    let start = Instant::now();
    ssh(
        project,
        "cat > /dev/null",
        zeros.stdout.context("no pipe")?.into(),
    )?;
    ratio(speed("up, the OpenSSH client", start.elapsed()), ours);
    session.close().await;
    Ok(())
}

async fn components() -> Result<()> {
    heading("Components");
    let cache = tempfile::tempdir()?;
    let runtime = || {
        Runtime::new(RuntimeOptions {
            cache_dir: Some(cache.path().join("components")),
            limits: Limits::default(),
        })
    };
    let task = std::fs::read(component("docker")?)?;
    let load = |runtime: &Runtime| runtime.load(Origin::BuiltIn("docker"), &task, Grants::All);
    let cold = runtime()?;
    let start = Instant::now();
    load(&cold)?;
    show("load, not compiled yet", vec![start.elapsed()]);
    let mut times = Vec::new();
    for _ in 0..50 {
        let start = Instant::now();
        load(&cold)?;
        times.push(start.elapsed());
    }
    show("load from the compile cache", times);

    let Plugin::Task(task) = load(&cold)? else {
        anyhow::bail!("docker is no task plugin")
    };
    let silent: LogSink = Arc::new(|_: Level, _: &str| {});
    let mut times = Vec::new();
    for _ in 0..200 {
        let start = Instant::now();
        task.tasks(&silent).await?;
        times.push(start.elapsed());
    }
    show("instantiate and list the tasks", times);
    show(
        "instantiate and run a task that makes one host call",
        version_calls(&task).await?,
    );

    let policy = std::fs::read(component("standard")?)?;
    let Plugin::Policy(policy) = cold.load(Origin::BuiltIn("standard"), &policy, Grants::All)?
    else {
        anyhow::bail!("standard is no policy plugin")
    };
    for containers in [1_000, 10_000] {
        let times = plans(&policy, containers, &silent).await?;
        show(&format!("plan startup of {containers} containers"), times);
    }
    Ok(())
}

async fn version_calls(task: &TaskPlugin) -> Result<Vec<Duration>> {
    let mut times = Vec::new();
    for _ in 0..200 {
        let start = Instant::now();
        task.run("version", &[], Arc::new(Canned)).await?;
        times.push(start.elapsed());
    }
    Ok(times)
}

async fn plans(policy: &PolicyPlugin, containers: usize, log: &LogSink) -> Result<Vec<Duration>> {
    let request = startup(containers);
    let mut times = Vec::new();
    for _ in 0..10 {
        let start = Instant::now();
        let steps = policy.plan(&request, log).await?;
        times.push(start.elapsed());
        ensure!(steps.len() == 1 + 2 * containers, "{} steps", steps.len());
    }
    Ok(times)
}

/// A map of that many containers of one image, each needing the one before its tenth.
fn startup(containers: usize) -> Request {
    let node = |kind, name: String, requires, container| Node {
        kind,
        host: "bench".to_owned(),
        map_name: "bench".to_owned(),
        config_name: name.clone(),
        instance: None,
        name,
        observed: Observation {
            life: Life::Absent,
            exit_code: None,
            health: None,
            engine_id: None,
            connected: Vec::new(),
            differences: Vec::new(),
            processes: None,
        },
        requires,
        requested: true,
        container,
        config: r#"{"image":"app","binds":[{"name":"data","readonly":false}]}"#.to_owned(),
    };
    let details = || ContainerDetails {
        persistent: false,
        stop: StopOptions {
            signal: None,
            timeout_s: None,
        },
        start_delay_ms: 0,
        networks: Vec::new(),
        prepares: Vec::new(),
        exec_commands: Vec::new(),
        tied_to: Vec::new(),
        needs_running: Vec::new(),
        volumes: Vec::new(),
    };
    let mut nodes = vec![node(
        NodeKind::Image,
        "app:latest".to_owned(),
        Vec::new(),
        None,
    )];
    for index in 1..=u32::try_from(containers).unwrap_or(u32::MAX) {
        let requires = if index > 10 {
            vec![0, index - 10]
        } else {
            vec![0]
        };
        let name = format!("bench.container{index}");
        nodes.push(node(NodeKind::Container, name, requires, Some(details())));
    }
    Request {
        action: "startup".to_owned(),
        options: Vec::new(),
        nodes,
    }
}

/// The whole of `dfab run docker version`, against the engine of this machine.
fn whole_command(project: &Project) -> Result<()> {
    heading("The whole command");
    let mut times = Vec::new();
    for _ in 0..20 {
        let mut command = project.command(&["run", "docker", "version"])?;
        command.stdout(Stdio::null());
        let start = Instant::now();
        ensure!(
            command.status()?.success(),
            "dfab run docker version failed"
        );
        times.push(start.elapsed());
    }
    let ours = show("dfab run docker version", times);
    let mut times = Vec::new();
    for _ in 0..20 {
        let start = Instant::now();
        let status = Command::new("docker")
            .arg("version")
            .stdout(Stdio::null())
            .status()?;
        ensure!(status.success(), "docker version failed");
        times.push(start.elapsed());
    }
    ratio(show("docker version", times), ours);
    Ok(())
}

fn ssh(project: &Project, line: &str, stdin: Stdio) -> Result<()> {
    let status = Command::new("ssh")
        .arg("-F")
        .arg(project.folder().join("ssh_config"))
        .args(["bench", line])
        .stdin(stdin)
        .stdout(Stdio::null())
        .status()?;
    ensure!(status.success(), "ssh failed");
    Ok(())
}

fn heading(text: &str) {
    println!("\n{text}");
}

/// Prints the median and the extremes, and returns the median in seconds.
fn show(what: &str, mut times: Vec<Duration>) -> f64 {
    times.sort();
    let at = |index: usize| times.get(index).copied().unwrap_or_default().as_secs_f64() * 1e3;
    let median = at(times.len() / 2);
    let (least, most) = (at(0), at(times.len().saturating_sub(1)));
    println!(
        "  {what:<64} {median:>9.3} ms  ({least:.3} to {most:.3}, {} times)",
        times.len()
    );
    median / 1e3
}

/// Prints a speed, and returns the time in seconds.
fn speed(what: &str, took: Duration) -> f64 {
    let seconds = took.as_secs_f64();
    println!("  {what:<64} {:>9.0} MB/s", BULK as f64 / 1e6 / seconds);
    seconds
}

/// How many times as fast ours is.
fn ratio(theirs: f64, ours: f64) {
    println!(
        "  {:<64} {:>9.2} times as fast",
        "  so dfab is",
        theirs / ours
    );
}

/// A host that answers from memory.
struct Canned;

#[async_trait]
impl TaskHost for Canned {
    fn name(&self) -> String {
        "bench".to_owned()
    }

    fn log(&self, _: Level, _: &str) {}

    async fn setting(&self, _: Permit, _: &str) -> Result<Option<String>, CallError> {
        Ok(None)
    }

    async fn version(&self, _: Permit) -> Result<String, CallError> {
        Ok(r#"{"Version":"1","ApiVersion":"1.41"}"#.to_owned())
    }

    async fn info(&self, _: Permit) -> Result<String, CallError> {
        Ok("{}".to_owned())
    }

    async fn containers(
        &self,
        _: Permit,
        _: bool,
        _: &[(String, String)],
    ) -> Result<Vec<ContainerSummary>, CallError> {
        Ok(Vec::new())
    }

    async fn images(
        &self,
        _: Permit,
        _: bool,
        _: &[(String, String)],
    ) -> Result<Vec<ImageSummary>, CallError> {
        Ok(Vec::new())
    }

    async fn request(
        &self,
        _: Permit,
        _: &str,
        _: &str,
        _: Option<&str>,
    ) -> Result<String, CallError> {
        Ok("null".to_owned())
    }

    fn has_shell(&self, _: Permit) -> bool {
        false
    }

    async fn run(&self, _: Permit, _: ShellCommand) -> Result<Outcome, CallError> {
        Err(CallError::NotFound("there is no shell".to_owned()))
    }
}
