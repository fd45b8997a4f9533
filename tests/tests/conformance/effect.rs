//! What a plan asks of an engine, and what the record says, in the same words.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use dfab_deploy::plan::{Plan, Step, Work};
use serde_json::{Map, Value, json};

/// What dfab does otherwise throughout, or the record never has: with reasons, in the data.
pub(crate) struct Throughout {
    value: Value,
}

impl Throughout {
    pub(crate) fn read(folder: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(folder.join("throughout.json"))?;
        Ok(Self {
            value: serde_json::from_str(&text)?,
        })
    }

    /// Whether the order of an action on several containers is dfab's own.
    pub(crate) fn has_own_order(&self, action: &str) -> bool {
        self.value["order"][action].is_string()
    }

    /// A recorded effect in the words of this test; none where dfab never has one like it.
    pub(crate) fn recorded(&self, effect: &Value) -> Option<Value> {
        let op = effect["op"].as_str()?;
        if self.value["effects"][op].is_string() {
            return None;
        }
        let mut ours = Map::new();
        let mut put = |name: &str, value: Value| drop(ours.insert(name.to_owned(), value));
        put("op", json!(op));
        match op {
            "error" => put("error", effect["error"].clone()),
            _ => put("on", effect["on"].clone()),
        }
        let query = &effect["query"];
        match op {
            "stop" => put("t", query["t"].clone()),
            "kill" => put("signal", query["signal"].clone()),
            "remove-container" => {
                put("force", json!(query["force"] == "True"));
                put("v", json!(query["v"] == "True"));
            }
            "exec" => {
                put("cmd", effect["body"]["Cmd"].clone());
                put("user", effect["body"]["User"].clone());
            }
            "create-container" | "create-network" | "create-volume" | "update" => {
                put("body", with_sorted_links(&effect["body"]));
            }
            "connect-network" => {
                put("network", effect["network"].clone());
                put("body", with_sorted_links(&effect["body"]));
            }
            "disconnect-network" => put("network", effect["network"].clone()),
            _ => {}
        }
        if let Some(client) = effect.get("client") {
            put("client", client.clone());
        }
        Some(without_nulls(ours))
    }

    /// An expected effect with the fields of bodies that the record leaves out, or that dfab gives
    /// otherwise.
    pub(crate) fn completed(&self, map: &str, effect: &Value) -> Value {
        let mut effect = effect.clone();
        if effect["op"] != "create-container" {
            return effect;
        }
        let on = effect["on"].clone();
        let rows = self.value["bodies"].as_array().into_iter().flatten();
        let is_for = |row: &&Value| {
            let mut maps = row["maps"].as_array().into_iter().flatten();
            row["on"] == on && maps.any(|one| one == map)
        };
        for row in rows.filter(is_for) {
            let body = &mut effect["body"];
            for name in ["ExposedPorts", "Volumes"] {
                if let Some(names) = row[name].as_array() {
                    let names = names.iter().filter_map(Value::as_str);
                    body[name] = names.map(|one| (one.to_owned(), json!({}))).collect();
                }
            }
            if let Some(signal) = row.get("StopSignal") {
                body["StopSignal"] = signal.clone();
            }
            if let Some(mode) = row.get("NetworkMode") {
                body["HostConfig"]["NetworkMode"] = mode.clone();
            }
            if let Some(endpoints) = row.get("EndpointsConfig") {
                body["NetworkingConfig"] = json!({ "EndpointsConfig": endpoints });
            }
        }
        effect
    }

    /// The names of fields and effects that have a reason, and of those that a row needs one for.
    pub(crate) fn check(&self) -> Result<()> {
        let rows = self.value["bodies"]
            .as_array()
            .context("bodies are a list")?;
        let fields = rows.iter().filter_map(Value::as_object).flatten();
        for (field, _) in fields.filter(|(name, _)| !matches!(name.as_str(), "maps" | "on")) {
            let reason = &self.value["fields"][field];
            ensure!(reason.is_string(), "{field} has no reason");
        }
        Ok(())
    }
}

/// What the plans of all clients ask of their engines.
pub(crate) fn effects(plans: &[(String, Plan)]) -> Result<Vec<Value>> {
    let mut effects = Vec::new();
    for (client, plan) in plans {
        for step in &plan.steps {
            for mut effect in of(step)? {
                if client != "__default__" {
                    effect["client"] = json!(client);
                }
                effects.push(effect);
            }
        }
    }
    Ok(effects)
}

/// What a step asks of the engine.
pub(crate) fn of(step: &Step) -> Result<Vec<Value>> {
    let on = step.name.as_str();
    let one = |op: &str, more: Value| {
        let mut fields = Map::new();
        fields.insert("op".to_owned(), json!(op));
        fields.insert("on".to_owned(), json!(on));
        fields.extend(more.as_object().cloned().unwrap_or_default());
        without_nulls(fields)
    };
    let created = |op: &str, body: &Value| -> Result<Vec<Value>> {
        Ok(vec![one(op, json!({ "body": essence(on, body)? }))])
    };
    Ok(match &step.work {
        Work::PullImage { .. } => vec![one("pull", json!({}))],
        Work::CreateNetwork { body } => created("create-network", body)?,
        Work::CreateVolume { body } => created("create-volume", body)?,
        Work::CreateContainer { body } => created("create-container", body)?,
        Work::Start => vec![one("start", json!({}))],
        Work::Stop { signal, timeout_s } => match signal.as_deref() {
            // What the engine would send anyway.
            None | Some("15") => {
                let seconds = timeout_s.map(|seconds| seconds.to_string());
                vec![one("stop", json!({ "t": seconds }))]
            }
            Some(signal) => vec![
                one("kill", json!({ "signal": signal })),
                one("wait", json!({})),
            ],
        },
        Work::Signal { signal } => {
            // This is the engine's own, too.
            let signal = Some(signal).filter(|signal| *signal != "SIGKILL");
            vec![one("kill", json!({ "signal": signal }))]
        }
        Work::RemoveContainer { force, volumes } => {
            vec![one(
                "remove-container",
                json!({ "force": force, "v": volumes }),
            )]
        }
        Work::RemoveNetwork => vec![one("remove-network", json!({}))],
        Work::RemoveVolume => vec![one("remove-volume", json!({}))],
        Work::Connect { network, endpoint } => {
            let body = with_sorted_links(endpoint);
            vec![one(
                "connect-network",
                json!({ "network": network, "body": body }),
            )]
        }
        Work::Disconnect { network } => {
            vec![one("disconnect-network", json!({ "network": network }))]
        }
        Work::Exec { argv, user, .. } => vec![one("exec", json!({ "cmd": argv, "user": user }))],
        Work::Update { body } => vec![one("update", json!({ "body": body }))],
        // The owner of a volume was set by a local command, which the record does not have.
        Work::PrepareVolume { .. } | Work::Delay { .. } | Work::Run(_) => Vec::new(),
    })
}

/// A body of dfab's without what only it has, once that is seen to be right; and with what the engine
/// takes for granted, which the Python client says.
fn essence(on: &str, body: &Value) -> Result<Value> {
    let mut body = with_sorted_links(body);
    let fields = body.as_object_mut().context("a body is a mapping")?;
    if let Some(name) = fields.shift_remove("Name") {
        ensure!(name == on, "{on} is created as {name}");
    }
    if let Some(check) = fields.shift_remove("CheckDuplicate") {
        ensure!(
            check == true,
            "{on}: networks of the same name are asked for"
        );
    }
    let labels = fields.get_mut("Labels").and_then(Value::as_object_mut);
    let labels = labels.with_context(|| format!("{on} has no labels"))?;
    let map = labels.get("dfab.map").cloned().unwrap_or_default();
    ensure!(
        map.as_str()
            .is_some_and(|map| on.starts_with(&format!("{map}."))),
        "{on} is labelled with the map {map}"
    );
    labels.retain(|name, _| !name.starts_with("dfab."));
    if labels.is_empty() {
        fields.shift_remove("Labels");
    }
    if fields.contains_key("Image") {
        let host = fields.entry("HostConfig").or_insert_with(|| json!({}));
        if let Some(host) = host.as_object_mut() {
            host.entry("NetworkMode")
                .or_insert_with(|| json!("default"));
        }
    }
    Ok(body)
}

/// The Python client sorts them, and the engine has them in no order.
fn with_sorted_links(body: &Value) -> Value {
    match body {
        Value::Object(fields) => {
            let inner = fields.iter().map(|(name, value)| {
                let mut value = with_sorted_links(value);
                if let ("Links", Value::Array(links)) = (name.as_str(), &mut value) {
                    links.sort_by_key(Value::to_string);
                }
                (name.clone(), value)
            });
            inner.collect::<Map<_, _>>().into()
        }
        other => other.clone(),
    }
}

fn without_nulls(mut fields: Map<String, Value>) -> Value {
    fields.retain(|_, value| !value.is_null());
    Value::Object(fields)
}

/// Effects as texts in one order, for which the order of fields does not matter.
pub(crate) fn multiset(effects: &[Value]) -> Vec<String> {
    let mut texts: Vec<String> = effects.iter().map(|one| sorted(one).to_string()).collect();
    texts.sort();
    texts
}

fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let fields: BTreeMap<_, _> = fields
                .iter()
                .map(|(name, value)| (name.clone(), sorted(value)))
                .collect();
            fields.into_iter().collect::<Map<_, _>>().into()
        }
        Value::Array(items) => items.iter().map(sorted).collect(),
        other => other.clone(),
    }
}
