//! The command lines of Docker-Map's client for the command line, and those of plans.
//!
//! Each recorded case is a call of the Docker SDK and the command line that Docker-Map made of it;
//! `request` is the body of the call. Where dfab does better on purpose, `deviation` is the number of
//! a known defect or a reason, and `dfab` the command line, or null where no plan has such a step.
#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

use std::path::Path;

use dfab_deploy::plan::{Plan, Step, Work};
use dfab_deploy::shell::script;
use serde_json::Value;

fn cases() -> Vec<Value> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/conformance/commands.jsonl");
    let text = std::fs::read_to_string(file).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// The name of what the call is about, and the step that does the same; none where there is no such.
fn work(case: &Value) -> Option<(String, Work)> {
    let arguments = &case["arguments"];
    let text = |name: &str| arguments[name].as_str().unwrap_or_default().to_owned();
    let body = case["request"].clone();
    let container = text("container");
    let work = match case["method"].as_str().unwrap() {
        "create_container" => return Some((text("name"), Work::CreateContainer { body })),
        "create_network" => return Some((text("name"), Work::CreateNetwork { body })),
        "create_volume" => return Some((text("name"), Work::CreateVolume { body })),
        "remove_network" => return Some((text("net_id"), Work::RemoveNetwork)),
        "remove_volume" => return Some((text("name"), Work::RemoveVolume)),
        "start" => Work::Start,
        "stop" => Work::Stop {
            signal: None,
            timeout_s: arguments["timeout"]
                .as_u64()
                .map(|seconds| seconds.try_into().unwrap()),
        },
        "kill" => Work::Signal {
            signal: text("signal"),
        },
        "remove_container" => Work::RemoveContainer {
            force: arguments["force"].as_bool().unwrap_or_default(),
            volumes: false,
        },
        "connect_container_to_network" => Work::Connect {
            network: text("net_id"),
            endpoint: body,
        },
        "disconnect_container_from_network" => Work::Disconnect {
            network: text("net_id"),
        },
        "exec_create" => Work::Exec {
            argv: match &arguments["cmd"] {
                Value::Array(words) => words
                    .iter()
                    .map(|word| word.as_str().unwrap().to_owned())
                    .collect(),
                line => shell_words::split(line.as_str().unwrap()).unwrap(),
            },
            user: arguments["user"].as_str().map(str::to_owned),
            initial: false,
        },
        "update_container" => Work::Update { body },
        _ => return None,
    };
    Some((container, work))
}

/// The words of the only command of a script.
fn words_of_script(name: String, work: Work) -> Vec<String> {
    let plan = Plan {
        action: "startup".to_owned(),
        hosts: vec!["local".to_owned()],
        steps: vec![Step {
            host: "local".to_owned(),
            host_index: 0,
            kind: "container",
            name,
            work,
            after: Vec::new(),
            reason: String::new(),
            if_changed: Vec::new(),
        }],
        nodes: 1,
    };
    let text = script(&plan, &|_| vec!["docker".to_owned()]).unwrap();
    let body = text.strip_prefix("#!/bin/sh\nset -eu\n").unwrap();
    let lines: Vec<_> = body.lines().filter(|line| !line.starts_with('#')).collect();
    shell_words::split(&lines.join("\n")).unwrap()
}

/// The command, its options in order of the alphabet, and what follows them.
fn normal_form(words: &[String]) -> (Vec<String>, Vec<String>, Vec<String>) {
    let is_option = |word: &&String| word.starts_with('-');
    let is_group = |word: &String| ["network", "volume"].contains(&word.as_str());
    let start = words.iter().position(|word| word == "docker").unwrap();
    let start = start + if is_group(&words[start + 1]) { 3 } else { 2 };
    let (command, rest) = words.split_at(start);
    let mut options = Vec::new();
    let mut rest = rest.iter();
    while let Some(option) = rest.as_slice().first().filter(is_option) {
        rest.next();
        options.push(match option.as_str() {
            "-t" => format!("--time={}", rest.next().unwrap()),
            option if option.starts_with("--expose=") && !option.contains('/') => {
                format!("{option}/tcp")
            }
            option => option
                .trim_end_matches("=true")
                .replace("--net=", "--network="),
        });
    }
    options.sort();
    (command.to_vec(), options, rest.cloned().collect())
}

#[test]
fn recorded_calls_are_command_lines() {
    let cases = cases();
    assert_eq!(cases.len(), 50);
    for case in &cases {
        let title = format!("{} {}", case["method"], case["arguments"]);
        let deviates = case.get("deviation").is_some();
        let wanted = if deviates {
            &case["dfab"]
        } else {
            &case["command"]
        };
        let found = work(case).map(|(name, work)| words_of_script(name, work));
        let wanted = wanted
            .as_str()
            .map(|line| shell_words::split(line).unwrap());
        let found = found.as_deref().map(normal_form);
        assert_eq!(found, wanted.as_deref().map(normal_form), "{title}");
        // A deviation that is none any more is to be taken out.
        if let (true, Some(recorded)) = (deviates, case["command"].as_str()) {
            let recorded = shell_words::split(recorded).unwrap();
            assert_ne!(
                recorded,
                shell_words::split(case["dfab"].as_str().unwrap_or_default()).unwrap(),
                "{title}"
            );
        }
    }
}
