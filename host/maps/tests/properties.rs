//! What holds for any map: how configurations extend each other, and the normal form.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::fmt::Write as _;

use dfab_maps::{NoSettings, document_json, load_map, map_schema};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::Value;

fn resolved(text: &str) -> Value {
    load_map(text, "m.yaml", "m", &NoSettings)
        .unwrap_or_else(|error| panic!("{error}\n{text}"))
        .value
        .json()
}

/// All keys of a container but those that are its own alone: `abstract` and `extends` say what a
/// configuration is, and are not handed down.
const KEYS: [&[&str]; 21] = [
    &["image: x", "image: y", "image: null"],
    &["instances: [a, b]", "instances: [b, c]"],
    &["clients: one", "clients: [two, one]", "clients: []"],
    &["shares: /a", "shares: [/b, /a]"],
    &["binds: {/a: /b, /c: [d, ro]}", "binds: {/c: e, v: ro}"],
    &["attaches: {s: /s, t: /t}", "attaches: [[t, /u], v]"],
    &["uses: {c.w: /b, c.i: ro}", "uses: [a]", "uses: {a: ro}"],
    &["links: {a: b, c: null}", "links: [a, [a, x], c]"],
    &[
        "exposes: {80: 80, 81: null}",
        "exposes: {81: [1, i], 82: 2}",
        // One key twice, of which the later one counts once it is handed down.
        "exposes: [[82, 3, i], [82, 4, j]]",
    ],
    &["user: a", "user: null", "user: [b, c]"],
    &[
        "permissions: u=rwX",
        "permissions: '0750'",
        "permissions: null",
    ],
    &["stop_timeout: 5", "stop_timeout: null", "stop_timeout: 0"],
    &[
        "stop_signal: SIGINT",
        "stop_signal: 15",
        "stop_signal: null",
    ],
    &["start_delay: 1.5", "start_delay: null"],
    &[
        "network_mode: host",
        "network_mode: null",
        "network_mode: a",
    ],
    &[
        "networks: {n: a, m: null}",
        "networks: [m, {o: {aliases: [x], links: {a: null}, ipv4_address: 10.0.0.1}}]",
    ],
    &[
        "exec_commands: [a b, [[c, d], root]]",
        "exec_commands: [[[c, d], root], [e, f, initial]]",
    ],
    &[
        "healthcheck: x",
        "healthcheck: {test: [y], retries: 3, interval: 1.5s}",
        "healthcheck: null",
    ],
    &["persistent: true", "persistent: false"],
    &[
        "create_options: {command: [a], labels: {c: 2}}",
        "create_options: {labels: {d: 3}, domainname: null}",
        "create_options: {command: b c, domainname: d}",
    ],
    &[
        "host_config: {mem_limit: 1g, sysctls: {c: 2}}",
        "start_options: {sysctls: {d: 3}, dns: null}",
    ],
];

fn container() -> impl Strategy<Value = String> {
    let keys: Vec<_> = KEYS
        .iter()
        .map(|ways| prop::option::of(select(ways.to_vec())))
        .collect();
    keys.prop_map(|keys| keys.into_iter().flatten().collect::<Vec<_>>().join(", "))
}

/// What the keys refer to.
const AROUND: &str = "use_attached_parent_name: true\n\
                      a: {attaches: {w: /w}, shares: /x}\n\
                      c: {instances: [i], attaches: {w: /w}, shares: /x}\n";

/// The sections that belong to it, with nothing more than their names and with all that they can say.
const THINGS: [&str; 2] = [
    "networks: {n: null, m: null, o: null}\nvolumes: {v: /v}\nhost: {v: /v}\n",
    "volumes: {v: {default_path: /v, driver: d, driver_options: {a: 1}, create_options: {labels: {c: d}}, \
     user: [b, c], permissions: '0750'}}\n\
     networks: {n: {driver: d, internal: yes, driver_options: {a: b}, create_options: {attachable: true}}, m: null, o: null}\n\
     host: {v: {i: /a, default: /b}, u: x}\n",
];

/// A configuration without instances is meant by its own name, and may then not be one of several.
fn of_containers(text: &str) -> Value {
    let map = format!("{text}{AROUND}{}", THINGS[0]);
    resolved(&map)["containers"].clone()
}

/// Takes neighbours together until one is left: at each step, which ones, and whether the second is
/// a base as well or is what extends the first.
fn grouped(pieces: &[String], choices: &[(Index, bool)]) -> String {
    let mut text = String::new();
    for (index, piece) in pieces.iter().enumerate() {
        writeln!(text, "p{index}: {{abstract: true, {piece}}}").unwrap();
    }
    // Its name, and what it says where it is one that extends nothing.
    let mut groups: Vec<(String, Option<&String>)> = pieces
        .iter()
        .enumerate()
        .map(|(index, piece)| (format!("p{index}"), Some(piece)))
        .collect();
    for (number, (place, is_own)) in choices.iter().enumerate().take(pieces.len() - 1) {
        let place = place.index(groups.len() - 1);
        let (second, piece) = groups.remove(place + 1);
        let first = &groups[place].0;
        let config = match (piece, is_own) {
            (Some(piece), true) => format!("extends: {first}, {piece}"),
            _ => format!("extends: [{first}, {second}]"),
        };
        writeln!(text, "g{number}: {{abstract: true, {config}}}").unwrap();
        groups[place] = (format!("g{number}"), None);
    }
    writeln!(text, "result: {{extends: {}}}", groups[0].0).unwrap();
    text
}

fn flat(pieces: &[String]) -> String {
    let mut text = String::new();
    let mut names = Vec::new();
    for (index, piece) in pieces.iter().enumerate() {
        writeln!(text, "p{index}: {{abstract: true, {piece}}}").unwrap();
        names.push(format!("p{index}"));
    }
    writeln!(text, "result: {{extends: [{}]}}", names.join(", ")).unwrap();
    text
}

#[test]
fn every_key_of_a_container_is_among_those_that_are_tried() {
    let schema = map_schema();
    let known = schema["$defs"]["container"]["anyOf"][1]["properties"]
        .as_object()
        .unwrap();
    let tried = |name: &str| {
        let mut ways = KEYS.iter().flat_map(|ways| ways.iter());
        ways.any(|way| way.starts_with(&format!("{name}: ")))
    };
    let missing: Vec<_> = known.keys().filter(|name| !tried(name)).collect();
    // The last one is another name of network_mode.
    assert_eq!(missing, ["abstract", "extends", "network"]);
}

proptest! {
    /// Whether a configuration extends another which extends a third, or all after one another.
    #[test]
    fn extending_does_not_depend_on_how_it_is_grouped(
        pieces in prop::collection::vec(container(), 2..7),
        choices in prop::collection::vec((any::<Index>(), any::<bool>()), 6),
    ) {
        let grouped = grouped(&pieces, &choices);
        let (one, other) = (of_containers(&grouped), of_containers(&flat(&pieces)));
        prop_assert_eq!(&one["result"], &other["result"], "{}", grouped);
    }

    #[test]
    fn the_normal_form_is_read_as_what_it_is(
        containers in prop::collection::vec(container(), 1..4),
        sections in prop::collection::vec(any::<bool>(), SECTIONS.len()),
        things in select(THINGS.to_vec()),
        is_below in any::<bool>(),
    ) {
        let mut text = format!("{AROUND}{things}");
        for (section, is_given) in SECTIONS.iter().zip(sections) {
            if is_given {
                text.push_str(section);
            }
        }
        for (index, container) in containers.iter().enumerate() {
            if is_below && index == 0 {
                text.push_str("containers:\n");
            }
            let indent = if is_below { "  " } else { "" };
            writeln!(text, "{indent}c{index}: {{{container}}}").unwrap();
        }
        let map = resolved(&text);
        prop_assert_eq!(&resolved(&map.to_string()), &map, "{}", text);
        // And as it is written, with what is extended.
        text.push_str(if is_below { "  " } else { "" });
        text.push_str("later: {extends: [c0, base], stop_timeout: 3}\n");
        let document = document_json(&text, "m.yaml", &NoSettings).unwrap().value;
        let again = document_json(&document.to_string(), "m.yaml", &NoSettings).unwrap().value;
        prop_assert_eq!(again, document, "{}", text);
    }
}

/// The other sections of a map.
const SECTIONS: [&str; 9] = [
    "name: x\n",
    "repository: r\ndefault_tag: '1.0'\n",
    "default_domain: example.org\n",
    "set_hostname: no\n",
    "hostname_replace: {_: '', .: x}\n",
    "clients: [c, d]\n",
    "groups: {g: [a, c.i], h: a}\n",
    "host_root: /r\n",
    "base: {abstract: true, image: z}\n",
];
