//! What Docker-Map 1.1.1 makes of every way to write a record, and what dfab makes of it.
//!
//! A row of `inputs.jsonl` has the `type` of the record, its `yaml`, and the normalised `value` or the
//! `error` of the original. Where dfab does another thing on purpose, `deviation` says why and `dfab`
//! what, which is null where it refuses the row.
#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::path::Path;

use dfab_maps::{Item, NoSettings, Project, document_json, load_map};
use serde_json::{Map, Value, json};

/// The value of a key of a container, in its normal form; none where it is refused.
fn normalised(key: &str, yaml: &str) -> Option<Value> {
    let map = format!("c:\n  {key}: {yaml}\n");
    let document = document_json(&map, "row", &NoSettings).ok()?.value;
    let value = document["containers"]["c"].get(key);
    Some(value.cloned().unwrap_or_else(|| json!([])))
}

/// What references select in a project that has what the original understood; none where they are
/// refused.
fn selected(yaml: &str, understood: &Value) -> Option<Value> {
    let references: Vec<String> =
        serde_json::from_value(normalised("shares", yaml).filter(|value| value.is_array())?)
            .ok()?;
    let mut maps: Map<String, Value> = Map::new();
    for id in understood.as_array().unwrap() {
        // Without a map, it is that of the project; `__all__` wants some container to find.
        let real = |field: &str, all: &str| match id[field].as_str().unwrap() {
            "__all__" => all.to_owned(),
            name => name.to_owned(),
        };
        let (map, config) = (real("map_name", "MAP"), real("config_name", "a"));
        let instances = id["instance_names"].clone();
        let containers = maps
            .entry(map)
            .or_insert_with(|| json!({ "containers": {} }));
        containers["containers"][config] = json!({ "instances": instances });
    }
    let load = |(name, map): (&String, &Value)| {
        load_map(&map.to_string(), "row", name, &NoSettings)
            .unwrap()
            .value
    };
    let project = Project::new(maps.iter().map(load).collect()).unwrap();
    let found = project.select(&references).ok()?;
    let ids = found.iter().map(|one| match &one.item {
        Item::Container { config, instance } => json!({
            "config_type": "container", "map_name": one.map.name(), "config_name": config,
            "instance_names": instance.as_ref().map(|instance| [instance]),
        }),
        other => panic!("{other:?}"),
    });
    Some(ids.collect())
}

/// Records without the names of their Python classes, which their fields tell as well.
fn without_classes(value: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().map(without_classes).collect(),
        Value::Object(fields) => fields
            .iter()
            .filter(|(name, _)| *name != "_")
            .map(|(name, value)| (name.clone(), without_classes(value)))
            .collect(),
        other => other.clone(),
    }
}

#[test]
fn every_way_to_write_a_record_reads_as_in_docker_map() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/conformance");
    let rows = std::fs::read_to_string(folder.join("inputs.jsonl")).unwrap();
    let mut differences = Vec::new();
    let mut compared = 0;
    for line in rows.lines() {
        let row: Value = serde_json::from_str(line).unwrap();
        let (kind, yaml) = (row["type"].as_str().unwrap(), row["yaml"].as_str().unwrap());
        let theirs = match row.get("error") {
            Some(_) => Value::Null,
            None => without_classes(&row["value"]),
        };
        let ours = match kind {
            "config_ids" => selected(yaml, &row["value"]),
            "list" => normalised("shares", yaml),
            key => normalised(key, yaml),
        }
        .unwrap_or(Value::Null);
        compared += 1;
        let (wanted, is_right) = match row.get("deviation") {
            // A deviation that is none any more has to go.
            Some(reason) => (
                &row["dfab"],
                ours == row["dfab"] && ours != theirs && reason.is_string(),
            ),
            None => (&theirs, ours == theirs),
        };
        if !is_right {
            differences.push(format!(
                "{kind}: {yaml}\n  wanted {wanted}\n  is     {ours}"
            ));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    assert_eq!(compared, 154);
}
