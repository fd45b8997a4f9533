//! Recorded maps on a real engine through SSH: it must do what the model of one does.
//!
//! What a plan says is compared at each stage; where the real engine tells something else than the
//! model, the next plan differs.

#![expect(
    clippy::indexing_slicing,
    reason = "JSON is null where it has nothing: reading it by a name does not panic"
)]

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use dfab_maps::{Client, load_clients};
use dfab_tests::planner::{NoSettings, Planner, project};
use dfab_tests::simulation::Simulation;
use dfab_tests::{Project, TestHost, images, process};
use serde_json::Value;

/// Addresses that a host of the tests has.
const CLIENTS: &str = "h1: {host: h1, interfaces: {public: 127.0.0.1}}\n";

const LIFE: [&str; 12] = [
    "create", "start", "update", "stop", "start", "restart", "update", "signal", "update", "stop",
    "startup", "shutdown",
];

/// Runs a map through a life on both, and compares.
async fn replay(map: &str, references: &[&str], changed: &[&str], wanted: &[&str]) -> Result<()> {
    let host = TestHost::start()?;
    let place = Project::new()?;
    place.add_host("h1", &host)?;
    for image in wanted {
        images::ensure(image)?;
        host.load_image(image)?;
    }
    place.write("clients.yaml", CLIENTS)?;
    place.write("dfab.yaml", "maps: map.yaml\nclients: clients.yaml\n")?;
    let planner = Planner::new().await?;
    let mut engine = Simulation::new();
    for image in wanted {
        engine.add_image(image);
    }
    let client = load_clients(CLIENTS, "clients.yaml", &NoSettings)?.value;
    let client = client
        .get("h1")
        .cloned()
        .unwrap_or_else(Client::default_client);
    let references: Vec<String> = references.iter().map(|one| (*one).to_owned()).collect();
    let stages = LIFE.iter().map(|action| (map, *action)).chain(
        // Each of these is another change of the same map, after which nothing must be left.
        [(map, "startup")]
            .into_iter()
            .chain(
                changed
                    .iter()
                    .flat_map(|other| [(*other, "update"), (*other, "update"), (map, "update")]),
            )
            .chain([(map, "shutdown")]),
    );
    for (file, action) in stages {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/conformance/maps/");
        let text = std::fs::read_to_string(format!("{folder}{file}"))?;
        let name = map.trim_end_matches(".yaml");
        let text = if text.contains("\nname:") || text.starts_with("name:") {
            text
        } else {
            format!("name: {name}\n{text}")
        };
        place.write("map.yaml", &text)?;
        let known = project(&text, name)?;
        let plan = planner
            .plan(action, &known, &references, &engine, client.clone(), &[])
            .await?;
        let expected: Vec<String> = plan
            .steps
            .iter()
            .map(|step| format!("{} {}", step.work.verb(), step.name))
            .collect();
        for step in &plan.steps {
            engine
                .apply(step)
                .with_context(|| format!("{action} of {file}"))?;
        }
        let mut arguments = vec![action];
        arguments.extend(references.iter().map(String::as_str));
        arguments.extend(["-H", "h1", "-y", "--output", "json"]);
        let done = place.dfab(&arguments)?;
        let told = done.stderr.clone();
        let done = done
            .json()
            .with_context(|| format!("{action} of {file}: {told}"))?;
        let reasons = done["steps"].to_string();
        let done: Vec<String> = steps(&done)?;
        if action == "signal" {
            // The engine does not wait for the end.
            for step in &plan.steps {
                process::until(Duration::from_secs(10), || {
                    let state = host.inspect(&step.name)?["State"]["Running"].clone();
                    ensure!(state == false, "{} still runs", step.name);
                    Ok(())
                })?;
            }
        }
        ensure!(
            done == expected,
            "{action} of {file}\n  real engine: {done:?}\n  model: {expected:?}\n{reasons}"
        );
    }
    Ok(())
}

/// Verb and name of each step that was done.
fn steps(plan: &Value) -> Result<Vec<String>> {
    let steps = plan["steps"].as_array().context("a plan has steps")?;
    steps
        .iter()
        .map(|step| {
            ensure!(step["outcome"] == "done", "{step}");
            let verb = step["operation"].as_str().unwrap_or_default();
            let verb = verb.split('-').next().unwrap_or_default();
            Ok(format!(
                "{verb} {}",
                step["name"].as_str().unwrap_or_default()
            ))
        })
        .collect()
}

#[tokio::test]
async fn the_shop_lives_as_the_model_says() -> Result<()> {
    let images = [
        "postgres:15",
        "redis:stable",
        "app:stable",
        "nginx:stable",
        "busybox:stable",
    ];
    let images = images.map(|name| format!("registry.example.com/{name}"));
    let images: Vec<&str> = images.iter().map(String::as_str).collect();
    let changed = [
        "shop_cmd.yaml",
        "shop_env.yaml",
        "shop_mem.yaml",
        "shop_mount.yaml",
        "shop_net.yaml",
        "shop_port.yaml",
    ];
    replay("shop.yaml", &["__all__"], &changed, &images).await
}

#[tokio::test]
async fn the_example_lives_as_the_model_says() -> Result<()> {
    let images = [
        "registry.example.com/app:latest",
        "registry.example.com/nginx:latest",
    ];
    replay("example_fixed.yaml", &["web_server"], &[], &images).await
}

#[tokio::test]
async fn persistent_containers_live_as_the_model_says() -> Result<()> {
    replay(
        "s1.yaml",
        &["a", "b", "c"],
        &[],
        &["a:latest", "b:latest", "c:latest"],
    )
    .await
}
