//! What Docker-Map 1.1.1 asked of an engine, and what dfab asks of one: every recorded case, through
//! the standard policy and a model of the engine.
//!
//! Where dfab does better on purpose, the case says so: `deviations` are numbers of known defects of
//! the original, or reasons, and `dfab` is what it does instead. What is so in every case, and what the
//! record leaves out, is in `throughout.json`.

#![expect(
    clippy::indexing_slicing,
    reason = "JSON is null where it has nothing: reading it by a name does not panic"
)]

mod effect;
mod order;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use dfab_deploy::plan::Plan;
use dfab_maps::NoSettings;
use dfab_maps::{Client, Project, load_clients};
use dfab_runtime::PluginError;
use dfab_tests::planner::{Planner, project};
use dfab_tests::simulation::Simulation;
use serde_json::{Value, json};

use crate::effect::{Throughout, multiset};
use crate::order::Needs;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("conformance")
}

/// One recorded case.
struct Case {
    value: Value,
}

impl Case {
    fn text(&self, field: &str) -> &str {
        self.value[field].as_str().unwrap_or_default()
    }

    fn title(&self) -> String {
        let before = self.value["before"].as_array().into_iter().flatten();
        let before: Vec<_> = before.filter_map(|step| step["action"].as_str()).collect();
        format!(
            "{} of {} of {} after {before:?}",
            self.text("action"),
            self.value["configs"],
            self.text("map"),
        )
    }
}

fn references(configs: &Value) -> Vec<String> {
    let configs = configs.as_array().into_iter().flatten();
    configs
        .filter_map(|one| one.as_str().map(str::to_owned))
        .collect()
}

/// A map as the original reads it: under the name in it, or its file's.
fn load(map: &str) -> Result<Project> {
    let text = std::fs::read_to_string(folder().join("maps").join(map))?;
    project(&text, map.trim_end_matches(".yaml"))
}

/// The clients that a map runs on.
fn clients(case: &Case, project: &Project) -> Result<Vec<Client>> {
    let known = match case.value["clients"].as_str() {
        Some(file) => {
            let text = std::fs::read_to_string(folder().join("maps").join(file))?;
            load_clients(&text, file, &NoSettings)?.value
        }
        None => indexmap::IndexMap::new(),
    };
    let names: Vec<String> = project.maps()[0].clients().to_vec();
    if names.is_empty() {
        let default = known.get("__default__").cloned();
        return Ok(vec![default.unwrap_or_else(Client::default_client)]);
    }
    names
        .iter()
        .map(|name| {
            known
                .get(name)
                .cloned()
                .with_context(|| format!("no client {name}"))
        })
        .collect()
}

/// Plans and does an action on the models of all clients' engines, and tells the effects by client.
async fn act(
    planner: &Planner,
    case: &Case,
    map: &str,
    action: &str,
    configs: &Value,
    engines: &mut BTreeMap<String, Simulation>,
) -> Result<Vec<(String, Plan)>> {
    let project = load(map)?;
    let action = action.replace('_', "-");
    let mut plans = Vec::new();
    for client in clients(case, &project)? {
        let name = client.name.clone();
        let engine = engines.entry(name.clone()).or_insert_with(Simulation::new);
        let plan = planner
            .plan(&action, &project, &references(configs), engine, client, &[])
            .await?;
        for step in &plan.steps {
            engine.apply(step)?;
        }
        plans.push((name, plan));
    }
    Ok(plans)
}

#[tokio::test]
async fn effects_are_those_of_docker_map_or_better() -> Result<()> {
    let planner = Planner::new().await?;
    let throughout = Throughout::read(&folder())?;
    throughout.check()?;
    let path = folder().join("actions.jsonl");
    let text = std::fs::read_to_string(path)?;
    let mut differing = Vec::new();
    let mut deviations = BTreeSet::new();
    let mut count = 0;
    for line in text.lines() {
        let case = Case {
            value: serde_json::from_str(line)?,
        };
        let mut engines = BTreeMap::new();
        for step in case.value["before"].as_array().into_iter().flatten() {
            let text = |name: &str| step[name].as_str().unwrap_or_default();
            let (map, action) = (text("map"), text("action"));
            act(&planner, &case, map, action, &step["configs"], &mut engines).await?;
        }
        let (map, action) = (case.text("map"), case.text("action"));
        let configs = &case.value["configs"];
        let plans = act(&planner, &case, map, action, configs, &mut engines).await;
        let recorded = case.value["effects"].as_array().into_iter().flatten();
        let theirs: Vec<Value> = recorded
            .filter_map(|effect| throughout.recorded(effect))
            .collect();
        let ours = match plans {
            Ok(plans) => {
                check_order(&throughout, action, &plans, &load(map)?, &theirs)
                    .with_context(|| case.title())?;
                effect::effects(&plans)?
            }
            Err(error) if error.downcast_ref::<PluginError>().is_some() => {
                vec![json!({ "op": "refused", "error": error.root_cause().to_string() })]
            }
            Err(error) => return Err(error.context(case.title())),
        };
        let expected = match case.value.get("dfab") {
            Some(Value::Array(dfab)) => dfab,
            _ => &theirs,
        };
        let reasons = case.value["deviations"].as_array();
        let reasons: Vec<_> = reasons
            .into_iter()
            .flatten()
            .map(Value::to_string)
            .collect();
        ensure!(
            (multiset(expected) == multiset(&theirs)) == reasons.is_empty(),
            "{} must say why dfab does something else, and only then",
            case.title()
        );
        deviations.extend(reasons);
        count += 1;
        let expected = expected.iter().map(|one| throughout.completed(map, one));
        let (ours, expected) = (multiset(&ours), multiset(&expected.collect::<Vec<_>>()));
        if ours != expected {
            let only = |one: &[String], other: &[String]| {
                let only: Vec<_> = one
                    .iter()
                    .filter(|text| !other.contains(text))
                    .cloned()
                    .collect();
                only.join("\n    ")
            };
            differing.push(format!(
                "{}\n  only dfab:\n    {}\n  only expected:\n    {}",
                case.title(),
                only(&ours, &expected),
                only(&expected, &ours)
            ));
        }
    }
    ensure!(
        differing.is_empty(),
        "{} of {count} differ:\n{}",
        differing.len(),
        differing.join("\n")
    );
    ensure!(count == 250, "only {count} cases were compared");
    ensure!(deviations.len() == 12, "{deviations:?}");
    Ok(())
}

/// On each client's engine by itself.
fn check_order(
    throughout: &Throughout,
    action: &str,
    plans: &[(String, Plan)],
    project: &Project,
    theirs: &[Value],
) -> Result<()> {
    let needs = Needs::of(project)?;
    let has_own_order = throughout.has_own_order(action);
    for (client, plan) in plans {
        let theirs = theirs.iter().filter(|effect| {
            let on = effect["client"].as_str().unwrap_or("__default__");
            on == client
        });
        let theirs: Vec<_> = theirs.cloned().collect();
        needs.check_record(plan, &theirs, has_own_order)?;
        if has_own_order {
            needs.check_own(plan)?;
        }
    }
    Ok(())
}
