use std::path::Path;

use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::*;
use crate::document_json;

fn formatted(text: &str) -> String {
    format_map(text, "map.yaml").unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn normal_form(text: &str) -> Json {
    let document = document_json(text, "map.yaml", &Unknown);
    document
        .unwrap_or_else(|error| panic!("{error}\n{text}"))
        .value
}

#[test]
fn a_map_gets_its_canonical_form() {
    let text = formatted(
        "# The shop.\n\nvolumes: {app_socket: {default_path: /var/lib/app/socket}}\n\
         app_server:\n    instances:\n    - blue\n    - green  # the new one\n    image: app\n\
         \x20   permissions: 0750\n    user: [app, web]\n    attaches: [app_socket]\n\n\
         # Seen from outside.\nweb_server:\n  links: [{container: app_server.blue, alias: app}]\n\
         \x20 exposes:\n    # Plain.\n    - [\"80\", [8080]]\n    - exposed_port: 443\n      host_port: 443\n\
         \x20     interface: public # here\n  binds: [[/etc/nginx, [!path ~/nginx, true]], logs, {static: null}]\n\
         \x20 uses: [[app_socket]]\n  network: /other\n  x-mine: {a: 'b'}\n\
         host: {logs: log, static: !env root}\nname: shop\n# The end.\n",
    );
    insta::assert_snapshot!(text, @r#"
    # The shop.

    name: shop

    volumes:
      app_socket: /var/lib/app/socket

    host:
      logs: log
      static: !env root

    app_server:
      image: app
      instances:
        - blue
        - green # the new one
      attaches: app_socket
      user: app:web
      permissions: "0750"

    # Seen from outside.
    web_server:
      binds:
        /etc/nginx: [!path ~/nginx, ro]
        logs: rw
        static: rw
      uses: app_socket
      links: {app_server.blue: app}
      exposes:
        # Plain.
        80: 8080
        # here
        443: [443, public]
      network_mode: container:other
      x-mine: {a: b}

    # The end.
    "#);
    assert_eq!(formatted(&text), text);
}

#[test]
fn records_get_their_shortest_form() {
    let text = formatted(
        "a:\n  exposes: [[80, 8080, private], [80, 8080, public, yes], 53/udp, [81, {host_port: 1, ipv6: on}]]\n\
         \x20 networks: [[n, [x], [[c, d]], 10.0.0.1], {m: {aliases: [y], links: []}}, {o: \"\"}]\n\
         \x20 exec_commands: [{cmd: [sh, -c, 'a # b'], user: root}, [ls, null, initial], pwd]\n\
         \x20 healthcheck: [[curl, x], 1m, null, 3]\n  attaches: [{v: null}, [w, /w]]\n\
         \x20 uses: [{name: z, readonly: true}, [y, [/y, rw]]]\n  links: [b, {c: null}]\n\
         b: {healthcheck: {test: NONE}, network_mode: [a, i], start_options: {dns: 10.0.0.1}}\n",
    );
    insta::assert_snapshot!(text, @r#"
    a:
      attaches: {v: null, w: /w}
      uses: {z: ro, y: /y}
      links: [b, c]
      exposes:
        - [80, 8080, private]
        - [80, 8080, public, true]
        - 53/udp
        - [81, 1, null, true]
      networks:
        n:
          aliases: x
          links: {c: d}
          ipv4_address: 10.0.0.1
        m: y
        o: null
      exec_commands:
        - [[sh, -c, "a # b"], root]
        - [ls, null, initial]
        - pwd
      healthcheck:
        test: [curl, x]
        interval: 1m
        retries: 3

    b:
      network_mode: a.i
      healthcheck: NONE
      host_config:
        dns: 10.0.0.1
    "#);
    assert_eq!(formatted(&text), text);
}

#[test]
fn tags_anchors_and_texts_of_several_lines_are_kept() {
    let text = formatted(
        "x-base: &base {image: \"on\", user: '1000:50'}\na:\n  <<: *base\n  create_options:\n\
         \x20   command: |\n      one # two\n        three\n    environment: {A: \"yes\", B: \"2020-01-01\", C: 'it''s', D: \"a\\tb\"}\n\
         \x20 binds: !env binds\n  stop_timeout: !env seconds\n  exposes: {80: !env port}\n  shares: !path [$A/b, '~/c']\n",
    );
    insta::assert_snapshot!(text, @r#"
    x-base: &base {image: "on", user: "1000:50"}

    a:
      <<: *base
      shares: !path [$A/b, ~/c]
      binds: !env binds
      exposes: {80: !env port}
      stop_timeout: !env seconds
      create_options:
        command: |
          one # two
            three
        environment: {A: "yes", B: "2020-01-01", C: it's, D: "a\tb"}
    "#);
    assert_eq!(formatted(&text), text);
}

#[test]
fn a_dash_before_a_bracket_is_no_item() {
    let text = formatted("a: {create_options: {environment: {A: '. -', B: 'x - y', C: '-'}}}\n");
    assert_eq!(
        text,
        "a:\n  create_options:\n    environment: {A: \". -\", B: x - y, C: \"-\"}\n"
    );
    let outside = formatted("a: {create_options: {command: '. -'}}\n");
    assert_eq!(outside, "a:\n  create_options:\n    command: . -\n");
}

#[test]
fn what_others_refer_to_stays_before_them() {
    // In the canonical order the section would come first.
    let text = "a: &a\n  image: x\n\nvolumes:\n  v: /v\n\nb: *a\n\nnetworks: {}\n";
    assert_eq!(
        formatted(text),
        "volumes:\n  v: /v\n\nnetworks: {}\n\na: &a\n  image: x\n\nb: *a\n"
    );
    let text =
        "a:\n  create_options: &o\n    labels: {a: b}\n\nvolumes:\n  v: {create_options: *o}\n";
    assert_eq!(formatted(text), text);
}

#[test]
fn lines_of_other_systems_and_marks_of_documents_are_understood() {
    assert_eq!(
        formatted("%YAML 1.1\r\n--- # top\r\na:\r\n  # one\r\n  image: 'x' # two\r\n...\r\n"),
        "# top\na:\n  # one\n  image: x # two\n"
    );
    assert_eq!(
        formatted("{a: {image: x}, # c\nname: m}"),
        "name: m\n\na:\n  image: x\n\n# c\n"
    );
}

#[test]
fn comments_of_every_place_are_kept() {
    let text = formatted(
        "#one\na: # two\n  # three\n  image: b # four\n  create_options:\n    command: |  # five\n      # no comment\n\
         \x20     x\n    # six\n    entrypoint: 'a\n      # b'   # seven\n  exposes: [ # eight\n    80, # nine\n    81]\n\
         \x20 links:\n  # ten\n  - c # eleven\n  - # twelve\n    d\n      # thirteen\n\n# fourteen\nb: x#y\n"
            .replace("b: x#y", "b: {image: x#y}")
            .as_str(),
    );
    insta::assert_snapshot!(text, @r#"
    #one
    a: # two
      # three
      image: b # four
      links:
        # ten
        # twelve
        - c # eleven
        - d
        # thirteen
      # eight
      # nine
      exposes: [80, 81]
      create_options:
        command: | # five
          # no comment
          x
        # six
        # seven
        entrypoint: "a # b"

    # fourteen
    b:
      image: x#y
    "#);
    assert_eq!(formatted(&text), text);
}

#[test]
fn comments_at_the_end_of_a_block_stay_there() {
    let text = formatted(
        "a:\n  links:\n    - b\n    # last in links\n  image: x\n  binds:\n    - [/c, /h]\n    # one\n      # two\n\n\
         \x20 # first of shares\n  shares:\n  - /s\n  - /t\n  # of exposes\n  exposes:\n  - 80\n    # indented\n\
         \x20 host_config:\n    mounts:\n    - type: tmpfs\n      target: /x\n      # of the mount\n    # of host_config\n\
         \x20 # of a\n# of b\nb:\n  # only\n  image: y\n  # end\n# of everything\n",
    );
    insta::assert_snapshot!(text, @r#"
    a:
      image: x
      # first of shares
      shares: [/s, /t]
      binds:
        /c: /h
        # one
        # two
      links:
        - b
        # last in links
      # of exposes
      exposes:
        - 80
        # indented
      host_config:
        mounts:
          - type: tmpfs
            target: /x
            # of the mount
        # of host_config
      # of a

    # of b
    b:
      # only
      image: y
      # end

    # of everything
    "#);
    assert_eq!(formatted(&text), text);
}

#[test]
fn a_map_with_mistakes_is_refused_with_their_places() {
    let refused = |text: &str| format_map(text, "map.yaml").unwrap_err().to_string();
    insta::assert_snapshot!(
        refused("a:\n  imag: x\n  exposes: [private]\nb: [\n"),
        @"map.yaml:5:1: error: this is no YAML: while parsing a node, did not find expected node content"
    );
    insta::assert_snapshot!(
        refused("a:\n  imag: x\n  exposes: [private]\n"),
        @r"
    map.yaml:2:3: error: there is no key of a container imag
      help: did you mean image?
    map.yaml:3:13: error: private is no port
      help: a list names several ports; to publish one, write {PORT: HOST_PORT}, or {PORT: [HOST_PORT, INTERFACE]}
    "
    );
}

#[test]
fn every_form_of_the_predecessor_keeps_its_meaning() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/conformance");
    let rows = std::fs::read_to_string(folder.join("inputs.jsonl")).unwrap();
    let mut texts: Vec<String> = rows
        .lines()
        .map(|line| serde_json::from_str::<Json>(line).unwrap())
        .filter(|row| row["type"] != "config_ids" && row["type"] != "list")
        .map(|row| {
            let (kind, yaml) = (row["type"].as_str().unwrap(), row["yaml"].as_str().unwrap());
            format!("c:\n  {kind}: {yaml}\n")
        })
        .filter(|text| document_json(text, "row", &Unknown).is_ok())
        .collect();
    for map in std::fs::read_dir(folder.join("maps")).unwrap() {
        let path = map.unwrap().path();
        if !path.to_string_lossy().contains("clients") {
            texts.push(std::fs::read_to_string(path).unwrap());
        }
    }
    assert!(texts.len() > 120);
    for text in texts {
        let new = formatted(&text);
        assert_eq!(normal_form(&new), normal_form(&text), "{text}{new}");
        assert_eq!(formatted(&new), new, "{text}");
    }
}

/// Ways to write keys of a container, some with tags and comments.
const WAYS: [&str; 58] = [
    "abstract: yes",
    "abstract: false # not any more",
    "image: 'nginx:1.30' # pinned",
    "image: 1.30",
    "image: null",
    "clients: [one, two]",
    "clients: one",
    "stop_signal: SIGQUIT",
    "stop_signal: 15",
    "start_delay: 1.50",
    "start_delay: ~",
    "healthcheck: null",
    "networks: [[a, null, null, 10.0.0.1, 'fd00::1', [169.254.1.1]]]",
    "create_options:\n    # why\n    environment: {A: 'yes', B: !env b} # here\n    command: [x, '', 'a b']",
    "create_options: {labels: {a.b: 'c'}, tty: on, entrypoint: [/x]}",
    "create_options:\n    command: |-\n      x # no comment\n      y\n    tty: on # here",
    "host_config: {mem_limit: 1g, dns: [10.0.0.1], log_config: {type: syslog, config: {tag: x}}}",
    "host_config:\n    binds: !env binds\n    restart_policy: {Name: no}",
    "binds: {/a: [/b, ro], v: null}",
    "binds: [[/a, {i: b, default: c}], [w, ro]]",
    "binds: # why\n    - name: v # here\n      readonly: yes\n    # and\n    - /a: !path ~/b",
    "binds: [[a, !env mode]]",
    "binds: [[/a, !path b, !env mode], {path: /c, host_path: d, readonly: !env e}]",
    "attaches: [v, {w: /w}]",
    "attaches: {v: null}",
    "uses: [[v, [/p, true]], {name: w, path: ro}]",
    "uses: [v.x]",
    "uses: v",
    "links: [a, [a, b], {container: c}]",
    "links: {a: null, b: 'on'}",
    "links: {container: a, alias: b}",
    "exposes: [80, '81', [82, 82], 53/udp]",
    "exposes: {80: {host_port: '80', interface: i}, 90: [90, i, yes]}",
    "exposes: [[80, null, i], [80, 80]]",
    "exposes: {80: null}",
    "networks: [a, b]",
    "networks: {a: [x, y], b: {ipv4_address: 10.0.0.1, aliases: z}}",
    "networks: [{a: [x, [l, [m, n]]]}, [b, {links: {c: null}}]]",
    "networks: {a: !env x}",
    "networks: [{a: !env x}, [b, !env y]]",
    "exec_commands: [[[ls, -l], root], {cmd: pwd, policy: initial}, [x, null, restart]]",
    "exec_commands: ls -l",
    "exec_commands: {ls: root}",
    "healthcheck: [x, 1m, 2s]",
    "healthcheck: {interval: 1.5s, test: [CMD-SHELL, x]}",
    "healthcheck: ''",
    "network_mode: [a, b]",
    "network_mode: off",
    "network: /x",
    "user: [a, b]",
    "user: 1000:50",
    "permissions: 0750 # octal",
    "instances: [a, !env b, 'no']",
    "extends: [base]",
    "stop_timeout: '7'",
    "start_options: {privileged: yes, restart_policy: {Name: 'no'}}",
    "persistent: Off\n  x-any:\n    b: [1, {c: d}]\n    a: |-\n      text # no\n      more\n    # z",
    "shares:\n  - /a\n    # c\n  - /b\n  # d",
];

/// Ways to write the other sections of a map.
const SECTIONS: [&[&str]; 12] = [
    &["name: m # its name\n", "name: '1'\n"],
    &[
        "repository: reg.example.com:5000/a\n",
        "repository: !env r\n",
    ],
    &["default_tag: '1.30'\n", "default_tag: 1.30 # now\n"],
    &["default_domain: example.org\n"],
    &["set_hostname: no\n", "set_hostname: true\n"],
    &[
        "hostname_replace: {_: '-'}\n",
        "hostname_replace:\n  # both\n  '.': x\n  b: ''\n",
    ],
    &[
        "use_attached_parent_name: yes\n",
        "use_attached_parent_name: off\n",
    ],
    &[
        "clients: a\n",
        "clients:\n  # first\n  - a\n  - b # second\n",
    ],
    &[
        "groups: {g: [a, b.c], h: d}\n",
        "groups:\n  g: # why\n  - a\n",
    ],
    &[
        "volumes: {v: /v, w: {default_path: /w, driver: d, driver_options: {n: 1}}}\n",
        "volumes:\n  # data\n  v: {user: [a, b], permissions: 0750, create_options: {labels: {a: b}}}\n  w: null\n",
    ],
    &[
        "networks: {n: null, o: {internal: yes, driver: d, driver_options: {a: b}}}\n",
        "networks:\n  n: {} # plain\n  o: {create_options: {enable_ipv6: true, ipam: {Config: [{Subnet: 10.9.0.0/16}]}}}\n",
    ],
    &[
        "host: {root: /srv, v: a, w: {i: b, default: !path ~/c}}\n",
        "host_root: !path $HOME # below\nhost: !path {v: a}\n",
    ],
];

fn sections() -> impl Strategy<Value = String> {
    let sections: Vec<_> = SECTIONS
        .iter()
        .map(|ways| prop::option::of(prop::sample::select(ways.to_vec())))
        .collect();
    sections
        .prop_map(|sections| sections.into_iter().flatten().collect::<Vec<_>>())
        .prop_shuffle()
        .prop_map(|sections| sections.concat())
}

#[test]
fn every_key_and_every_section_is_among_those_that_are_tried() {
    let mut ways = SECTIONS.concat();
    ways.extend(WAYS);
    for key in crate::config::KEYS.iter().chain(&crate::map::SECTIONS) {
        // All maps have these.
        if ["containers", "extends"].contains(key) {
            continue;
        }
        let start = format!("{key}: ");
        let is_there =
            |way: &&str| way.starts_with(&start) || way.starts_with(&format!("{key}:\n"));
        assert!(
            ways.iter()
                .any(|way| is_there(way) || way.contains(&format!("\n{start}"))),
            "{key}"
        );
    }
}

fn container() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(WAYS.to_vec()), 0..24).prop_map(|keys| {
        let mut text = String::new();
        let mut seen = std::collections::HashSet::new();
        for key in keys {
            let name = key.split(':').next().unwrap_or_default();
            let name = name.replace("network_mode", "network");
            if seen.insert(name.replace("start_options", "host_config")) {
                text.push_str(&format!("  {key}\n"));
            }
        }
        if text.is_empty() {
            " {}\n".to_owned()
        } else {
            format!("\n{text}")
        }
    })
}

fn any_json() -> impl Strategy<Value = Json> {
    let text = prop_oneof![
        any::<String>().prop_map(Json::from),
        "[-a-z0-9:#,{}\\[\\]&*!|>'\"%@` \n\t._=yn?~]{0,12}".prop_map(Json::from),
        prop::sample::select(vec![
            "yes", "0750", "22:22", "~", "1e3", "-", "a: b", "\n", "x\n\n"
        ])
        .prop_map(Json::from),
    ];
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i32>().prop_map(Json::from),
        text,
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Json::from),
            prop::collection::vec(("[a-z]{1,3}|[ -~]{1,6}", inner), 0..4).prop_map(|pairs| {
                Json::Object(pairs.into_iter().filter(|(key, _)| key != "<<").collect())
            }),
        ]
    })
}

proptest! {
    #[test]
    fn the_canonical_form_means_the_same_and_is_its_own(
        containers in prop::collection::vec(container(), 0..4),
        comments in prop::collection::vec(0..5_usize, 4),
        sections in sections(),
        is_below in any::<bool>(),
    ) {
        let mut text = format!("x-first: 1\n{sections}");
        if is_below {
            text.push_str("containers:\n  other: {extends: base}\n");
        }
        for (index, container) in containers.iter().enumerate() {
            match comments[index] {
                0 => text.push_str("# before\n"),
                1 => text.push_str("\n  # between\n\n"),
                _ => {}
            }
            text.push_str(&format!("c{index}:{container}"));
        }
        // Rows that do not go together are none of the formatter's business.
        prop_assume!(document_json(&text, "m", &Unknown).is_ok());
        let new = formatted(&text);
        prop_assert_eq!(normal_form(&new), normal_form(&text), "{}\n{}", &text, &new);
        prop_assert_eq!(&formatted(&new), &new, "{}", &text);
        let count = |text: &str| text.matches(" # ").count() + text.matches("\n# ").count();
        prop_assert_eq!(count(&new) > 0, count(&text) > 0);
    }

    #[test]
    fn any_value_comes_back_as_it_was(value in any_json()) {
        let options = json!({ "any": value });
        let map = json!({ "volumes": { "a": { "driver_options": options } } });
        let new = formatted(&map.to_string());
        let read = normal_form(&new);
        prop_assert_eq!(&read, &normal_form(&map.to_string()), "{}", &new);
        prop_assert_eq!(&read["volumes"]["a"]["driver_options"], &options, "{}", &new);
        prop_assert_eq!(&formatted(&new), &new);
    }
}
