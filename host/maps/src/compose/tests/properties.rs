//! Whatever a Compose file has, it becomes a map.

use proptest::prelude::*;

use super::{EVERYTHING, bodies, imported, loaded};
use crate::compose::import_compose;

/// The keys of all services of `EVERYTHING`, one entry each.
fn entries() -> Vec<(String, String)> {
    let (_, services) = EVERYTHING.split_once("services:\n").unwrap();
    let (services, _) = services
        .split_once("networks:\n  front:\n    driver")
        .unwrap();
    let mut entries: Vec<(String, String)> = Vec::new();
    let mut service = String::new();
    for line in services.lines() {
        if line.contains("*common") {
            continue;
        }
        if line.starts_with("      ") {
            let (_, entry) = entries.last_mut().unwrap();
            *entry += &format!("{line}\n");
        } else if line.starts_with("    ") {
            entries.push((service.clone(), format!("{line}\n")));
        } else {
            service = line.to_owned();
        }
    }
    entries
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn any_part_of_everything_becomes_a_map_that_loads(
        chosen in prop::collection::vec(any::<bool>(), entries().len()),
        with_sections in any::<bool>(),
    ) {
        let mut text = "services:\n".to_owned();
        let mut service = String::new();
        for ((of, entry), _) in entries().iter().zip(&chosen).filter(|(_, chosen)| **chosen) {
            if *of != service {
                text += &format!("{of}\n");
                service.clone_from(of);
            }
            text += entry;
        }
        if with_sections {
            let (_, sections) = EVERYTHING.split_once("networks:\n  front:\n    driver").unwrap();
            text += &format!("networks:\n  front:\n    driver{sections}");
        }
        if service.is_empty() {
            text = text.replace("services:\n", "services: {}\n");
        }
        let imported = imported(&text);
        bodies(&imported.map);
    }

    #[test]
    fn any_text_that_is_a_compose_file_becomes_a_map_that_loads(text in "(services:|networks:|volumes:|ports:|deploy:|image|\\$\\{|\\}|[-a-z0-9:{}\\[\\], \n'\"$./!&*]){0,40}") {
        if let Ok(imported) = import_compose(&format!("services:\n{text}"), "compose.yaml") {
            loaded(&imported.map);
        }
    }

    /// Of whatever kind it is, expected or not.
    #[test]
    fn any_values_of_keys_become_a_map_that_loads(
        chosen in prop::collection::btree_map(prop::sample::select(keys()), prop::sample::select(&VALUES[..]), 1..8),
    ) {
        // The setting of the tests is a number, which is none of the words or numbers that these know.
        let is_wrong = |key: &str, value: &str| WORDS.contains(&key) && value.contains('$');
        let chosen = chosen.iter().filter(|(key, value)| !is_wrong(key, value));
        let keys: Vec<String> = chosen.map(|(key, value)| format!("{key}: {value}")).collect();
        let keys = keys.join(", ");
        let text = format!("services: {{a: {{{keys}}}, b: {{image: x, volumes: ['v:/v']}}, c.d: {{{keys}}}}}");
        bodies(&imported(&text).map);
    }
}

const WORDS: [&str; 16] = [
    "restart",
    "cap_add",
    "cap_drop",
    "stop_signal",
    "cgroup",
    "ipc",
    "extra_hosts",
    "mac_address",
    "working_dir",
    "blkio_config",
    "mem_limit",
    "mem_reservation",
    "mem_swappiness",
    "oom_score_adj",
    "ulimits",
    "tmpfs",
];

fn keys() -> Vec<String> {
    let key = |entry: &str| Some(entry.split_once(':')?.0.trim().to_owned());
    let mut keys: Vec<String> = entries()
        .iter()
        .filter_map(|(_, entry)| key(entry))
        .collect();
    keys.sort();
    keys.dedup();
    keys
}

const VALUES: [&str; 44] = [
    "null",
    "''",
    "x",
    "5",
    "-1",
    "0",
    "1.5",
    "true",
    "no",
    "0755",
    "22:22",
    "10s",
    "1m30s",
    "512m",
    "1.5g",
    "b",
    "c.d",
    "a",
    "service:b",
    "container:x",
    "host",
    "'/x'",
    "'1000:1000'",
    "'$PORT'",
    "'${PORT}'",
    "'${PORT:-5}'",
    "'a${PORT}'",
    "'$$x'",
    "[]",
    "{}",
    "[a]",
    "[b, b, c.d]",
    "[5, 6/udp, '7-9', '1-2:3']",
    "['80', '127.0.0.1:80:80', '[::1]:5:6']",
    "['v:/v', '/x', './y:/z:ro', 'w:/w:ro']",
    "{a: b}",
    "{b: {condition: x}}",
    "{b: {aliases: [x, '5'], ipv4_address: '1.2.3.4'}}",
    "[{a: b}]",
    "[[a, b], []]",
    "{a: [b, {c: d}]}",
    "[{target: 5, published: 6}, {type: bind, source: /a, target: /b}]",
    "{test: [], interval: 5s}",
    "{replicas: 3, resources: {limits: {cpus: '0.5', memory: 5}}}",
];
