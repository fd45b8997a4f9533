//! Components: loading, instantiating, calling.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use async_trait::async_trait;
use dfab_runtime::planning::{
    ContainerDetails, Life, Node, NodeKind, Observation, Request, StopOptions,
};
use dfab_runtime::task::{
    ContainerOutcome, ContainerSummary, ImageSummary, NetworkSummary, Outcome, VolumeSummary,
};
use dfab_runtime::{
    CallError, Change, Download, FindShell, Grants, Inspect, Level, Limits, ListContainers,
    ListImages, ListNetworks, ListVolumes, LogSink, Look, Looked, Origin, Permit, Plugin,
    PolicyPlugin, RawRequest, ReadInfo, ReadSetting, ReadVersion, RunAs, RunCommand,
    RunInContainer, Runtime, RuntimeOptions, TaskHost, TaskPlugin, Transfer, Transferred, Upload,
};
use dfab_tests::planner::component;

use super::{heading, show};

/// What plugins cost.
pub(super) async fn components() -> Result<()> {
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
        orphans: Vec::new(),
    }
}

/// A host that answers from memory.
pub(super) struct Canned;

#[async_trait]
impl TaskHost for Canned {
    fn name(&self) -> String {
        "bench".to_owned()
    }

    fn log(&self, _: Level, _: &str) {}

    fn given_paths(&self) -> &[String] {
        &[]
    }

    async fn setting(&self, _: Permit<ReadSetting>) -> Result<Option<String>, CallError> {
        Ok(None)
    }

    async fn version(&self, _: Permit<ReadVersion>) -> Result<String, CallError> {
        Ok(r#"{"Version":"1","ApiVersion":"1.41"}"#.to_owned())
    }

    async fn info(&self, _: Permit<ReadInfo>) -> Result<String, CallError> {
        Ok("{}".to_owned())
    }

    async fn containers(
        &self,
        _: Permit<ListContainers>,
    ) -> Result<Vec<ContainerSummary>, CallError> {
        Ok(Vec::new())
    }

    async fn images(&self, _: Permit<ListImages>) -> Result<Vec<ImageSummary>, CallError> {
        Ok(Vec::new())
    }

    async fn networks(&self, _: Permit<ListNetworks>) -> Result<Vec<NetworkSummary>, CallError> {
        Ok(Vec::new())
    }

    async fn volumes(&self, _: Permit<ListVolumes>) -> Result<Vec<VolumeSummary>, CallError> {
        Ok(Vec::new())
    }

    async fn inspect(&self, _: Permit<Inspect>) -> Result<String, CallError> {
        Ok("{}".to_owned())
    }

    async fn look(&self, _: Permit<Look>) -> Result<Option<Looked>, CallError> {
        Ok(None)
    }

    async fn change(&self, _: Permit<Change>) -> Result<(), CallError> {
        Ok(())
    }

    async fn transfer(&self, _: Permit<Transfer>) -> Result<Transferred, CallError> {
        Ok(Transferred::default())
    }

    async fn run_in_container(
        &self,
        _: Permit<RunInContainer>,
    ) -> Result<ContainerOutcome, CallError> {
        Err(CallError::NotFound("there is no container".to_owned()))
    }

    async fn request(&self, _: Permit<RawRequest>) -> Result<String, CallError> {
        Ok("null".to_owned())
    }

    fn has_shell(&self, _: Permit<FindShell>) -> bool {
        false
    }

    async fn run(&self, _: Permit<RunCommand>) -> Result<Outcome, CallError> {
        Err(CallError::NotFound("there is no shell".to_owned()))
    }

    async fn run_as(&self, _: Permit<RunAs>) -> Result<Outcome, CallError> {
        Err(CallError::NotFound("there is no shell".to_owned()))
    }

    async fn upload(&self, _: Permit<Upload>) -> Result<u64, CallError> {
        Err(CallError::NotFound("there is no shell".to_owned()))
    }

    async fn download(&self, _: Permit<Download>) -> Result<u64, CallError> {
        Err(CallError::NotFound("there is no shell".to_owned()))
    }
}
