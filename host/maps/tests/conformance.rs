//! What Docker-Map 1.1.1 sends to an engine when everything is absent, and what dfab does.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::collections::BTreeSet;
use std::path::Path;

use dfab_maps::{
    Client, Features, Item, Project, Settings, Walk, container_body, load_clients, load_map,
    network_body, volume_body,
};
use serde_json::{Value, json};

struct Nothing;

impl Settings for Nothing {
    fn setting(&self, _: &str) -> Option<Value> {
        None
    }

    fn variable(&self, _: &str) -> Option<String> {
        None
    }
}

fn conformance(file: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/conformance");
    std::fs::read_to_string(folder.join(file)).unwrap()
}

/// Where dfab does better on purpose: the number of the known defect, or the reason.
fn known_deviation(map: &str, name: &str) -> Option<&'static str> {
    match (map, name) {
        ("shop.yaml", "shop.probe") => {
            Some("the engine refuses a host name where the network is another container's")
        }
        _ => None,
    }
}

/// The parts of a body that decide, in one form: the engine's client fills in what is empty.
fn essence(body: &Value) -> Value {
    let mut body = body.clone();
    let fields = body.as_object_mut().unwrap();
    // dfab lets the engine default where the Python client says the same in so many words.
    for field in [
        "Name",
        "CheckDuplicate",
        "ExposedPorts",
        "Volumes",
        "AttachStdin",
        "Tty",
    ] {
        fields.remove(field);
    }
    // The engine takes a text; Docker-Map passes on the number that the map has.
    if let Some(Value::Number(signal)) = fields.get("StopSignal") {
        fields["StopSignal"] = json!(signal.to_string());
    }
    // A container's links are also its endpoint's: in a network of one's own the engine takes no notice
    // of the others.
    let links = fields
        .get("HostConfig")
        .map_or(Value::Null, |host| host["Links"].clone());
    let endpoints = fields
        .get_mut("NetworkingConfig")
        .and_then(|config| config.get_mut("EndpointsConfig"))
        .and_then(Value::as_object_mut);
    for (_, endpoint) in endpoints.into_iter().flatten() {
        if let Some(endpoint) = endpoint.as_object_mut()
            && endpoint.get("Links") == Some(&links)
        {
            endpoint.remove("Links");
        }
    }
    if let Some(host) = fields.get_mut("HostConfig").and_then(Value::as_object_mut) {
        // The first network is the network mode, unless the map gives another.
        if host.get("NetworkMode").is_some_and(|mode| {
            mode == "default" || mode.as_str().is_some_and(|mode| mode.contains('.'))
        }) {
            host.remove("NetworkMode");
        }
        if let Some(binds) = host.get_mut("Binds").and_then(Value::as_array_mut) {
            binds.sort_by_key(Value::to_string);
        }
        if let Some(links) = host.get_mut("Links").and_then(Value::as_array_mut) {
            links.sort_by_key(Value::to_string);
        }
        if host.is_empty() {
            fields.remove("HostConfig");
        }
    }
    sorted(&body)
}

/// In the order of names, without what is empty: the recorded bodies are so too.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let mut names: Vec<_> = fields.keys().collect();
            names.sort();
            let fields = names
                .into_iter()
                .map(|name| (name.clone(), sorted(&fields[name])));
            fields.filter(|(_, value)| !is_empty(value)).collect()
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

/// Name and essence of everything that starting from nothing creates.
fn created(map: &str, configs: &[String]) -> Vec<(String, Value)> {
    let text = conformance(&format!("maps/{map}"));
    let name = map.trim_end_matches(".yaml");
    let loaded = load_map(&text, map, name, &Nothing).unwrap_or_else(|error| panic!("{error}"));
    let project = Project::new(vec![loaded.value]).unwrap();
    let selected = project.select(configs).unwrap();
    let client = match map {
        "shop.yaml" => {
            let text = conformance("maps/shop_clients.yaml");
            let clients = load_clients(&text, "clients", &Nothing).unwrap().value;
            clients
                .get("__default__")
                .cloned()
                .unwrap_or_else(Client::default_client)
        }
        _ => Client::default_client(),
    };
    let features = Features::for_api(1, 41);
    let items = project.walk(&selected, Walk::Dependencies).unwrap();
    items
        .iter()
        .filter_map(|planned| {
            let body = match &planned.item {
                Item::Image { .. } => return None,
                Item::Network { name } => network_body(planned.map, name),
                Item::Volume { owner, alias } => volume_body(planned.map, owner, alias),
                Item::Container { config, instance } => {
                    container_body(planned.map, config, instance.as_deref(), &client, &features)
                        .unwrap_or_else(|error| panic!("{error}"))
                }
            };
            Some((planned.map.engine_name(&planned.item), essence(&body)))
        })
        .collect()
}

#[test]
fn bodies_are_those_of_docker_map() {
    let mut compared = 0;
    let mut deviations = BTreeSet::new();
    let mut differences = Vec::new();
    for line in conformance("actions.jsonl").lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        let (map, before) = (
            case["map"].as_str().unwrap(),
            case["before"].as_array().unwrap(),
        );
        let known = ["example_fixed.yaml", "shop.yaml", "s1.yaml", "u1.yaml"].contains(&map);
        if !known || case["action"] != "startup" || !before.is_empty() {
            continue;
        }
        let configs = case["configs"].as_array().unwrap().iter();
        let configs: Vec<_> = configs
            .map(|one| one.as_str().unwrap().to_owned())
            .collect();
        let ours = created(map, &configs);
        for effect in case["effects"].as_array().unwrap() {
            if !effect["op"].as_str().unwrap().starts_with("create-") || effect["body"].is_null() {
                continue;
            }
            let name = effect["on"].as_str().unwrap();
            if effect["op"] == "create-exec" {
                continue;
            }
            let theirs = essence(&effect["body"]);
            let found = ours
                .iter()
                .find(|(ours, _)| ours == name)
                .map(|(_, body)| body);
            compared += 1;
            if found != Some(&theirs) {
                match known_deviation(map, name) {
                    Some(number) => {
                        deviations.insert(number);
                    }
                    None => differences.push(json!({
                        "map": map, "name": name, "theirs": theirs, "ours": found,
                    })),
                }
            }
        }
    }
    assert!(differences.is_empty(), "{:#}", Value::Array(differences));
    assert_eq!(deviations.len(), 1, "{deviations:?}");
    assert!(compared > 20, "only {compared} bodies were compared");
}

#[test]
fn the_documented_example_loads_as_it_is_written() {
    // Its null under `binds` reads as the alias (B-04).
    let ours = created("example_map.yaml", &["web_server".to_owned()]);
    let fixed = created("example_fixed.yaml", &["web_server".to_owned()]);
    let renamed: Vec<_> = fixed
        .into_iter()
        .map(|(name, body)| {
            let body = body.to_string().replace("example_fixed", "example_map");
            let body = body.replace("example-fixed", "example-map");
            (
                name.replace("example_fixed", "example_map"),
                serde_json::from_str(&body).unwrap(),
            )
        })
        .collect();
    assert_eq!(ours, renamed);
}
