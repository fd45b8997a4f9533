//! Large maps: from the text to the plan, with the engine's part left out; and Docker-Map with the same.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use dfab_maps::Client;
use dfab_tests::planner::{Planner, project};
use dfab_tests::simulation::{Seen, Simulation};
use dfab_tests::{Project, python};

use super::{heading, ratio, show};

/// Loads, resolves and plans maps of some sizes, and tells the time and the memory of each.
///
/// # Errors
/// Where a plan is not as it must be.
pub(super) async fn maps(folder: &Project) -> Result<()> {
    heading("Large maps: load, resolve and plan");
    let planner = Planner::new().await?;
    for containers in [100, 1_000, 10_000] {
        let text = map(containers);
        let mut engine = Simulation::new();
        let seen = engine.seen();
        forget_peak()?;
        let before = memory("VmRSS")?;
        let (started, ours) = planned(&planner, &text, &seen, "startup", containers).await?;
        let peak = memory("VmHWM")?.saturating_sub(before);
        for step in &started.steps {
            engine.apply(step)?;
        }
        drop(started);
        // Each run has a copy of its own, which counts.
        let seen = engine.seen();
        forget_peak()?;
        let before = memory("VmRSS")?;
        let (updated, _) = planned(&planner, &text, &seen, "update", containers).await?;
        let peak_of_update = memory("VmHWM")?.saturating_sub(before);
        ensure!(updated.steps.is_empty(), "the update still has steps");
        println!(
            "  {containers} containers: {} MiB more at the peak of startup, {} MiB at that of update",
            peak >> 10,
            peak_of_update >> 10
        );
        // It takes a minute for 10,000.
        if containers <= 1_000 {
            ratio(docker_map(folder, &text, containers)?, ours);
        }
    }
    Ok(())
}

async fn planned(
    planner: &Planner,
    text: &str,
    seen: &Seen,
    action: &str,
    containers: usize,
) -> Result<(dfab_deploy::plan::Plan, f64)> {
    let mut times = Vec::new();
    let mut loads = Vec::new();
    let mut plan = None;
    for _ in 0..5 {
        // What was seen of the engine is the network's time, not ours.
        let seen = seen.clone();
        drop(plan.take());
        let start = Instant::now();
        let project = project(text, "bench")?;
        loads.push(start.elapsed());
        let all = ["__all__".to_owned()];
        let client = Client::default_client();
        plan = Some(
            planner
                .plan_seen(action, &project, &all, seen, client, &[])
                .await?,
        );
        times.push(start.elapsed());
    }
    if action == "startup" {
        show(
            &format!("  load and resolve {containers} containers"),
            loads,
        );
    }
    let took = show(&format!("{action} of {containers} containers"), times);
    Ok((plan.context("there is a plan")?, took))
}

/// The same by the predecessor, in seconds.
fn docker_map(folder: &Project, text: &str, containers: usize) -> Result<f64> {
    let map = folder.write("large.yaml", text)?;
    let output = python::script(include_str!("docker_map.py"), &[&map.to_string_lossy()])?;
    if output.status != 0 {
        bail!("Docker-Map has failed: {}", output.stderr);
    }
    let seconds = output.stdout.lines().map(str::parse);
    let seconds = seconds.collect::<Result<Vec<f64>, _>>()?;
    let times = seconds.into_iter().map(Duration::from_secs_f64).collect();
    Ok(show(
        &format!("Docker-Map, startup of {containers} containers"),
        times,
    ))
}

/// A map like those that people have: tiers that need each other, volumes, networks, settings.
fn map(containers: usize) -> String {
    let mut text = String::from(
        "name: bench\nrepository: registry.example.com\nnetworks: {front: {}, back: {internal: true}}\n\
         base:\n  abstract: true\n  create_options: {environment: {TZ: UTC, LANG: C}}\n  \
         host_config: {restart_policy: {Name: always}, mem_limit: 256m}\n",
    );
    for index in 0..containers {
        let _ = write!(
            text,
            "service{index}:\n  extends: base\n  image: app{}\n  networks: [back, [front, s{index}]]\n  \
             attaches: [[data{index}, /data]]\n  binds: {{/etc/app: [/srv/app{index}, ro]}}\n  \
             exposes: [[80, {}]]\n  create_options: {{environment: {{NUMBER: {index}}}}}\n",
            index % 20,
            10_000 + index,
        );
        if index >= 10 {
            let _ = writeln!(text, "  links: [service{}]", index - 10);
        }
    }
    text
}

fn forget_peak() -> Result<()> {
    std::fs::write("/proc/self/clear_refs", "5").context("cannot reset the peak of memory")
}

/// A figure of this process's memory, in KiB.
fn memory(name: &str) -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let figure = line.and_then(|line| line.trim_start_matches(':').split_whitespace().next());
    figure
        .and_then(|figure| figure.parse().ok())
        .with_context(|| format!("{name} is not told"))
}
