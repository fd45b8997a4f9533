//! What Docker-Map 1.1.1 asked of an engine, and what dfab asks of one: every recorded case, through
//! the standard policy and a model of the engine.
//!
//! Where dfab does better on purpose, the case says so: `deviations` are numbers of known defects of
//! the original, or reasons, and `dfab` is what it does instead.

#![expect(
    clippy::indexing_slicing,
    reason = "JSON is null where it has nothing: reading it by a name does not panic"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use dfab_deploy::plan::{Plan, Work};
use dfab_maps::{Client, Project, load_clients};
use dfab_runtime::PluginError;
use dfab_tests::planner::{NoSettings, Planner, project};
use dfab_tests::simulation::Simulation;
use serde_json::{Map, Value, json};

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

/// What a plan asks of the engine, in the words of the record.
fn effects(plans: &[(String, Plan)]) -> Vec<Value> {
    let mut effects = Vec::new();
    for (client, plan) in plans {
        for step in &plan.steps {
            for mut effect in effect(&step.name, &step.work) {
                if let (Some(fields), true) = (effect.as_object_mut(), client != "__default__") {
                    fields.insert("client".to_owned(), json!(client));
                }
                effects.push(effect);
            }
        }
    }
    effects
}

fn effect(on: &str, work: &Work) -> Vec<Value> {
    match work {
        Work::PullImage { .. } => vec![json!({ "op": "pull", "on": on })],
        Work::CreateNetwork { body } => vec![json!({
            "op": "create-network", "on": on, "body": essence(body),
        })],
        Work::CreateVolume { body } => vec![json!({
            "op": "create-volume", "on": on, "body": essence(body),
        })],
        Work::CreateContainer { body } => vec![json!({
            "op": "create-container", "on": on, "body": essence(body),
        })],
        Work::Start => vec![json!({ "op": "start", "on": on })],
        Work::Stop { signal: None, .. } => vec![json!({ "op": "stop", "on": on })],
        Work::Stop {
            signal: Some(signal),
            ..
        } if signal == "15" => {
            vec![json!({ "op": "stop", "on": on })]
        }
        Work::Stop { .. } => vec![
            json!({ "op": "kill", "on": on }),
            json!({ "op": "wait", "on": on }),
        ],
        Work::Signal { .. } => vec![json!({ "op": "kill", "on": on })],
        Work::RemoveContainer { force, volumes } => vec![json!({
            "op": "remove-container", "on": on, "force": force, "v": volumes,
        })],
        Work::RemoveNetwork => vec![json!({ "op": "remove-network", "on": on })],
        Work::RemoveVolume => vec![json!({ "op": "remove-volume", "on": on })],
        Work::Connect { network, endpoint } => vec![json!({
            "op": "connect-network", "on": on, "network": network, "body": essence(endpoint),
        })],
        Work::Disconnect { network } => vec![json!({
            "op": "disconnect-network", "on": on, "network": network,
        })],
        Work::Exec { argv, user } => vec![json!({
            "op": "exec", "on": on, "cmd": argv, "user": user,
        })],
        Work::Update { body } => vec![json!({
            "op": "update", "on": on, "body": essence(body),
        })],
        // The owner of a volume was set by a local command, which the record does not have.
        Work::PrepareVolume { .. } | Work::Delay { .. } | Work::Run(_) => Vec::new(),
    }
}

/// A recorded effect in the words of this test; none where dfab has none like it.
fn recorded(effect: &Value) -> Option<Value> {
    let op = effect["op"].as_str()?;
    let mut ours = Map::new();
    ours.insert("op".to_owned(), json!(op));
    ours.insert("on".to_owned(), effect["on"].clone());
    match op {
        // A registry gets its credentials with the pull.
        "login" => return None,
        "remove-container" => {
            let flag = |name: &str| json!(effect["query"][name] == "True");
            ours.insert("force".to_owned(), flag("force"));
            ours.insert("v".to_owned(), flag("v"));
        }
        "exec" => {
            ours.insert("cmd".to_owned(), effect["body"]["Cmd"].clone());
            ours.insert("user".to_owned(), effect["body"]["User"].clone());
        }
        "create-container" | "create-network" | "create-volume" | "update" => {
            ours.insert("body".to_owned(), essence(&effect["body"]));
        }
        "connect-network" => {
            ours.insert("network".to_owned(), effect["network"].clone());
            ours.insert("body".to_owned(), essence(&effect["body"]));
        }
        "disconnect-network" => {
            ours.insert("network".to_owned(), effect["network"].clone());
        }
        "error" => {
            ours.shift_remove("on");
            ours.insert("error".to_owned(), effect["error"].clone());
        }
        _ => {}
    }
    if let Some(client) = effect
        .get("client")
        .filter(|client| *client != "__default__")
    {
        ours.insert("client".to_owned(), client.clone());
    }
    Some(Value::Object(ours))
}

/// The parts of a body that decide, in one form: the Python client fills in what the engine would,
/// and dfab has labels of its own.
fn essence(body: &Value) -> Value {
    let mut body = body.clone();
    let Some(fields) = body.as_object_mut() else {
        return Value::Null;
    };
    for field in [
        "Name",
        "CheckDuplicate",
        "ExposedPorts",
        "Volumes",
        "AttachStdin",
        "Tty",
    ] {
        fields.shift_remove(field);
    }
    if let Some(labels) = fields.get_mut("Labels").and_then(Value::as_object_mut) {
        labels.retain(|name, _| !name.starts_with("dfab."));
    }
    // The engine takes a text; Docker-Map passes on the number that the map has.
    if let Some(Value::Number(signal)) = fields.get("StopSignal") {
        fields["StopSignal"] = json!(signal.to_string());
    }
    // A container's links are also its endpoint's: in a network of the map's own the engine takes no
    // notice of the others.
    let links = fields.get("HostConfig").map(|host| host["Links"].clone());
    let endpoints = fields
        .get_mut("NetworkingConfig")
        .and_then(|config| config.get_mut("EndpointsConfig"))
        .and_then(Value::as_object_mut);
    for (_, endpoint) in endpoints.into_iter().flatten() {
        if let Some(endpoint) = endpoint.as_object_mut()
            && endpoint.get("Links") == links.as_ref()
        {
            endpoint.shift_remove("Links");
        }
    }
    if let Some(host) = fields.get_mut("HostConfig").and_then(Value::as_object_mut) {
        // The first network is the network mode, unless the map gives another.
        if host.get("NetworkMode").is_some_and(|mode| {
            mode == "default" || mode.as_str().is_some_and(|mode| mode.contains('.'))
        }) {
            host.shift_remove("NetworkMode");
        }
        for name in ["Binds", "Links"] {
            if let Some(list) = host.get_mut(name).and_then(Value::as_array_mut) {
                list.sort_by_key(Value::to_string);
            }
        }
    }
    sorted(&body)
}

/// In the order of names, without what is empty.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let fields: BTreeMap<_, _> = fields
                .iter()
                .map(|(name, value)| (name.clone(), sorted(value)))
                .filter(|(_, value)| !is_empty(value))
                .collect();
            fields.into_iter().collect::<Map<_, _>>().into()
        }
        Value::Array(items) => items.iter().map(sorted).collect(),
        other => other.clone(),
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(fields) => fields.is_empty(),
        Value::Array(items) => items.is_empty(),
        _ => false,
    }
}

fn multiset(effects: &[Value]) -> Vec<String> {
    let mut texts: Vec<String> = effects.iter().map(|one| sorted(one).to_string()).collect();
    texts.sort();
    texts
}

/// Where two recorded effects are on containers of which one needs the other, dfab's plan must have
/// them in the same order, whatever else it does side by side.
fn check_order(case: &Case, plan: &Plan, project: &Project, theirs: &[Value]) -> Result<()> {
    let needs = needs(project)?;
    let place = |effect: &Value| {
        plan.steps.iter().position(|step| {
            let ours = self::effect(&step.name, &step.work);
            let is_same = |ours: &Value| ours["op"] == effect["op"] && ours["on"] == effect["on"];
            ours.iter().any(is_same)
        })
    };
    for (index, first) in theirs.iter().enumerate() {
        for second in &theirs[index + 1..] {
            let (Some(one), Some(other)) = (first["on"].as_str(), second["on"].as_str()) else {
                continue;
            };
            let pair = |one: &str, other: &str| needs.contains(&(one.to_owned(), other.to_owned()));
            if !pair(one, other) && !pair(other, one) {
                continue;
            }
            let (Some(before), Some(after)) = (place(first), place(second)) else {
                continue;
            };
            ensure!(
                comes_after(plan, after, before),
                "{}: {first} must come before {second}",
                case.title()
            );
        }
    }
    Ok(())
}

/// Pairs of containers of which the first needs the second, however indirectly.
fn needs(project: &Project) -> Result<BTreeSet<(String, String)>> {
    let everything = project.select(&["__all__".to_owned()])?;
    let items = project.walk(&everything, dfab_maps::Walk::Dependencies)?;
    let mut all: Vec<BTreeSet<usize>> = Vec::new();
    let mut pairs = BTreeSet::new();
    for item in &items {
        let mut needed = BTreeSet::new();
        for index in &item.requires {
            needed.insert(*index);
            needed.extend(all[*index].iter().copied());
        }
        let is_container =
            |item: &dfab_maps::Item| matches!(item, dfab_maps::Item::Container { .. });
        for index in needed.iter().filter(|_| is_container(&item.item)) {
            if is_container(&items[*index].item) {
                let name = |item: &dfab_maps::Planned<'_>| item.map.engine_name(&item.item);
                pairs.insert((name(item), name(&items[*index])));
            }
        }
        all.push(needed);
    }
    Ok(pairs)
}

/// Whether a step waits for another one, however indirectly.
fn comes_after(plan: &Plan, step: usize, other: usize) -> bool {
    let mut queue = vec![step];
    let mut seen = BTreeSet::new();
    while let Some(step) = queue.pop() {
        if step == other {
            return true;
        }
        if seen.insert(step) {
            queue.extend(&plan.steps[step].after);
        }
    }
    false
}

#[tokio::test]
async fn effects_are_those_of_docker_map_or_better() -> Result<()> {
    let planner = Planner::new().await?;
    let path = folder().join("actions.jsonl");
    let text = std::fs::read_to_string(&path)?;
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
        let theirs: Vec<Value> = case.value["effects"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(recorded)
            .collect();
        let ours = match plans {
            Ok(plans) => {
                // These take what was named by itself, in the order of the alphabet.
                let by_itself = ["restart", "signal"].contains(&action);
                if let ([(_, plan)], false) = (plans.as_slice(), by_itself) {
                    check_order(&case, plan, &load(map)?, &theirs)?;
                }
                effects(&plans)
            }
            Err(error) if error.downcast_ref::<PluginError>().is_some() => {
                vec![json!({ "op": "refused", "error": error.root_cause().to_string() })]
            }
            Err(error) => return Err(error.context(case.title())),
        };
        let expected = match case.value.get("dfab") {
            Some(Value::Array(dfab)) => dfab.clone(),
            _ => theirs.clone(),
        };
        let reasons = case.value["deviations"].as_array();
        let reasons: Vec<_> = reasons
            .into_iter()
            .flatten()
            .map(Value::to_string)
            .collect();
        ensure!(
            (multiset(&expected) == multiset(&theirs)) == reasons.is_empty(),
            "{} must say why dfab does something else, and only then",
            case.title()
        );
        deviations.extend(reasons);
        count += 1;
        if multiset(&ours) != multiset(&expected) {
            differing.push(format!(
                "{}\n  dfab: {}\n  expected: {}",
                case.title(),
                Value::Array(ours.clone()),
                Value::Array(expected)
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
    ensure!(deviations.len() == 11, "{deviations:?}");
    Ok(())
}
