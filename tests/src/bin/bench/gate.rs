//! What it costs that host calls are checked: the same call of the same component, with little to check
//! and with much.

use std::hint::black_box;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use dfab_runtime::{
    Grant, Grants, HostCall, Limits, Origin, Plugin, ReadSetting, Runtime, RuntimeOptions,
    TaskPlugin, with_manifest,
};
use dfab_tests::components::measured;
use serde_json::json;

use super::components::canned;
use super::{heading, show};

/// Calls of one run.
const CALLS: u32 = 20_000;
/// Runs of each.
const RUNS: usize = 15;

/// What a plugin that does a lot is granted. What is asked for is the last, so that all are looked at.
const GRANTS: [(&str, &[&str]); 11] = [
    ("docker.read", &[]),
    ("docker.containers", &[]),
    ("docker.images", &[]),
    ("docker.networks", &[]),
    ("docker.volumes", &[]),
    ("docker.registry", &[]),
    (
        "docker.request",
        &[
            "GET /containers/*/json",
            "POST /containers/*/pause",
            "POST /containers/*/unpause",
            "GET /events",
        ],
    ),
    (
        "ssh.run",
        &[
            "systemctl restart *",
            "systemctl status *",
            "journalctl -u * **",
            "df -h **",
        ],
    ),
    ("files.read", &["config", "certificates"]),
    ("files.write", &["results"]),
    ("settings.read", &["shop_*", "docker_keep_tags", "bench"]),
];

/// Measures the check of host calls.
pub(super) async fn gate() -> Result<()> {
    heading("Checked host calls");
    let calling = measured("calling")?;
    let runtime = Runtime::new(RuntimeOptions {
        cache_dir: None,
        limits: Limits {
            cpu: Duration::from_mins(5),
            ..Limits::default()
        },
    })?;
    let load = |declared: &[(&str, &[&str])], grants: Grants| -> Result<TaskPlugin> {
        let bytes = with_manifest(&calling, &manifest(declared)?)?;
        match runtime.load(Origin::BuiltIn("calling"), &bytes, grants)? {
            Plugin::Task(task) => Ok(task),
            _ => anyhow::bail!("calling is no task plugin"),
        }
    };
    let (last, _) = GRANTS.split_last().context("there are grants")?;
    let all: Vec<Grant> = GRANTS
        .iter()
        .flat_map(|(capability, allow)| texts(capability, allow))
        .map(|text| text.parse())
        .collect::<Result<_, _>>()?;
    let count = all.len();
    // What it imports it has to declare.
    let little = load(&[(last.0, &["bench"]), ("docker.read", &[])], Grants::All)?;
    let much = load(&GRANTS, Grants::Only(all))?;

    // Side by side, so that what else the machine does is the same for all.
    let mut times = [const { Vec::new() }; 3];
    for _ in 0..RUNS {
        let [free, one, many] = &mut times;
        free.push(thousand(&little, "names").await?);
        one.push(thousand(&little, "settings").await?);
        many.push(thousand(&much, "settings").await?);
    }
    let [free, one, many] = times;
    show(
        "1,000 host calls that need no grant (name of the engine)",
        free,
    );
    let one = show("1,000 calls for a setting, all granted", one);
    let many = show(&format!("the same, looked up in {count} grants"), many);
    let mut alone = Vec::new();
    for _ in 0..RUNS {
        alone.push(decisions(&much)?);
    }
    let alone = show("1,000 of these decisions by themselves", alone);
    println!(
        "  so a call costs {:.3} us more with {count} grants, and its whole check {:.3} us",
        (many - one) * 1e3,
        alone * 1e3
    );
    Ok(())
}

/// The time of a thousand calls, without that of the run itself.
async fn thousand(plugin: &TaskPlugin, task: &str) -> Result<Duration> {
    let run = async |count: u32| -> Result<Duration> {
        let arguments = [("count".to_owned(), count.to_string())];
        let start = Instant::now();
        plugin.run(task, &arguments, canned()).await?;
        Ok(start.elapsed())
    };
    let empty = run(0).await?;
    Ok(run(CALLS).await?.saturating_sub(empty) / (CALLS / 1000))
}

fn decisions(plugin: &TaskPlugin) -> Result<Duration> {
    let start = Instant::now();
    for _ in 0..1000 {
        let setting = ReadSetting {
            name: black_box("bench").to_owned(),
        };
        plugin.may_call(black_box(HostCall::ReadSetting(&setting)))?;
    }
    Ok(start.elapsed())
}

fn texts(capability: &str, allow: &[&str]) -> Vec<String> {
    if allow.is_empty() {
        return vec![capability.to_owned()];
    }
    allow
        .iter()
        .map(|covered| format!("{capability} {covered}"))
        .collect()
}

fn manifest(declared: &[(&str, &[&str])]) -> Result<Vec<u8>> {
    let capabilities: Vec<_> = declared
        .iter()
        .map(|(capability, allow)| {
            json!({ "capability": capability, "allow": allow, "reason": "to be measured" })
        })
        .collect();
    Ok(serde_json::to_vec(&json!({
        "name": "calling", "version": "1.0.0", "kind": "task", "capabilities": capabilities,
    }))?)
}
