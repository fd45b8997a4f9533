//! What was done leaves nothing to do: random maps on a model of the engine.

#![expect(
    clippy::indexing_slicing,
    reason = "JSON is null where it has nothing: reading it by a name does not panic"
)]

use anyhow::{Context as _, Result, ensure};
use dfab_maps::{Client, Project};
use dfab_tests::planner::{Planner, project};
use dfab_tests::simulation::Simulation;
use proptest::prelude::*;
use serde_json::{Value, json};

/// Decisions about one configuration; what they mean depends on its place in the map.
#[derive(Debug, Clone)]
struct Choices {
    number: u32,
    instances: u8,
    edges: [u8; 4],
}

fn choices() -> impl Strategy<Value = Vec<Choices>> {
    let one =
        (any::<u32>(), 0..3_u8, any::<[u8; 4]>()).prop_map(|(number, instances, edges)| Choices {
            number,
            instances,
            edges,
        });
    proptest::collection::vec(one, 1..9)
}

/// A map in which each configuration needs earlier ones only.
fn map(choices: &[Choices]) -> String {
    let mut containers = serde_json::Map::new();
    let mut instances: Vec<u8> = Vec::new();
    for (index, choice) in choices.iter().enumerate() {
        let bit = |place: u32| choice.number & (1 << place) != 0;
        let other = |edge: usize| -> Option<String> {
            let place = usize::from(choice.edges[edge]) % (index + 3);
            (place < index).then(|| match instances[place] {
                0 => format!("c{place}"),
                count => format!("c{place}.i{}", choice.edges[edge] % count),
            })
        };
        let mut config =
            json!({ "image": format!("image{}", choice.number % 3), "shares": ["/srv"] });
        let mut set = |name: &str, value: Value| config[name] = value;
        if choice.instances > 0 {
            let names: Vec<_> = (0..choice.instances).map(|one| format!("i{one}")).collect();
            set("instances", json!(names));
        }
        if bit(3) {
            set(
                "attaches",
                json!([[format!("v{index}"), format!("/v{index}")]]),
            );
        }
        let mut uses = Vec::new();
        uses.extend(other(0));
        if bit(4) && index > 0 && choices[index - 1].number & 8 != 0 {
            uses.push(format!("v{}", index - 1));
        }
        set("uses", json!(uses));
        set("links", json!(other(1)));
        match other(2) {
            Some(other) if bit(5) => {
                set("network_mode", json!(other));
                // The engine refuses both together.
                set("links", Value::Null);
            }
            _ if bit(6) => set(
                "networks",
                json!([["n0", format!("a{}", choice.number % 4)]]),
            ),
            _ if bit(7) => set("networks", json!(["n1", "n0"])),
            _ => {}
        }
        if bit(8) {
            set("exposes", json!([80, [443, 8000 + index]]));
        }
        if bit(9) {
            set("user", json!(choice.number % 5));
        }
        if bit(10) {
            set(
                "exec_commands",
                json!([["serve", "root"], ["init", "root", "initial"]]),
            );
        }
        if bit(11) {
            set("persistent", json!(true));
        }
        let environment = json!({ "A": choice.number % 7, "B": bit(12) });
        set(
            "create_options",
            json!({ "environment": environment, "command": bit(13).then_some("run") }),
        );
        let memory = bit(14).then(|| format!("{}m", 64 + choice.number % 3));
        set(
            "host_config",
            json!({ "mem_limit": memory, "cap_add": bit(15).then_some(["NET_ADMIN"]) }),
        );
        if bit(16) {
            set(
                "healthcheck",
                json!({ "test": ["CMD", "x"], "interval": "3s" }),
            );
        }
        instances.push(choice.instances);
        containers.insert(format!("c{index}"), config);
    }
    // JSON is YAML.
    let internal = choices[0].number & (1 << 20) != 0;
    let networks = json!({ "n0": { "internal": internal }, "n1": {} });
    json!({ "name": "m", "containers": containers, "networks": networks }).to_string()
}

async fn act(
    planner: &Planner,
    project: &Project,
    engine: &mut Simulation,
    action: &str,
) -> Result<usize> {
    let all = ["__all__".to_owned()];
    let client = Client::default_client();
    let plan = planner
        .plan(action, project, &all, engine, client, &[])
        .await;
    let plan = plan.with_context(|| format!("plan {action}"))?;
    for step in &plan.steps {
        let done = engine.apply(step);
        done.with_context(|| format!("{action}: {step:?}"))?;
    }
    Ok(plan.steps.len())
}

async fn converges(planner: &Planner, first: &str, second: &str) -> Result<()> {
    let (before, after) = (project(first, "m")?, project(second, "m")?);
    let mut engine = Simulation::new();
    ensure!(
        act(planner, &before, &mut engine, "startup").await? > 0,
        "startup did nothing"
    );
    for action in ["startup", "update"] {
        let left = act(planner, &before, &mut engine, action).await?;
        ensure!(left == 0, "{action} after startup still has {left} steps");
    }
    act(planner, &after, &mut engine, "update").await?;
    for action in ["update", "startup"] {
        let left = act(planner, &after, &mut engine, action).await?;
        ensure!(left == 0, "{action} after an update still has {left} steps");
    }
    act(planner, &after, &mut engine, "stop").await?;
    act(planner, &after, &mut engine, "update").await?;
    let left = act(planner, &after, &mut engine, "update").await?;
    ensure!(left == 0, "update after a stop still has {left} steps");
    act(planner, &after, &mut engine, "shutdown").await?;
    let left = act(planner, &after, &mut engine, "shutdown").await?;
    ensure!(left == 0, "shutdown after shutdown still has {left} steps");
    Ok(())
}

#[test]
fn startup_and_update_leave_nothing_to_do() -> Result<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    let planner = runtime.block_on(Planner::new())?;
    let config = ProptestConfig {
        cases: 128,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    proptest!(config, |(first in choices(), second in choices())| {
        // The same containers with other settings: of others the second map knows nothing.
        let same = first.iter().zip(second.iter().cycle()).map(|(first, second)| Choices {
            instances: first.instances,
            ..second.clone()
        });
        let (first, second) = (map(&first), map(&same.collect::<Vec<_>>()));
        let result = runtime.block_on(converges(&planner, &first, &second));
        prop_assert!(result.is_ok(), "{:?}\n{first}\n{second}", result.err());
    });
    Ok(())
}
