//! Components: loading, instantiating, calling.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use dfab_runtime::planning::{
    ContainerDetails, Life, Node, NodeKind, Observation, Request, StopOptions,
};
use dfab_runtime::{
    Grants, Level, Limits, LogSink, Origin, Plugin, PolicyPlugin, Runtime, RuntimeOptions,
    TaskPlugin,
};
use dfab_tests::planner::component;
use dfab_tests::recorder::Recorder;

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
        task.run("version", &[], canned()).await?;
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
            ended: Vec::new(),
        },
        requires,
        requested: true,
        container,
        config: None,
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
pub(super) fn canned() -> Arc<Recorder> {
    Arc::new(Recorder {
        is_forgetful: true,
        ..Recorder::default()
    })
}
