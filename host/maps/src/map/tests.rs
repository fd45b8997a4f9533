use serde_json::{Value as Json, json};

use super::*;
use crate::mount::Bind;
use crate::tree::NoSettings;

struct Project;

impl Settings for Project {
    fn setting(&self, name: &str) -> Option<Json> {
        (name == "root").then(|| json!("/srv"))
    }

    fn variable(&self, name: &str) -> Option<String> {
        (name == "HOME").then(|| "/home/me".to_owned())
    }
}

fn mistakes(text: &str) -> String {
    load_map(text, "map.yaml", "m", &Project)
        .map_or_else(|error| error.to_string(), |_| String::new())
}

#[test]
fn all_mistakes_are_told_at_once_with_their_places() {
    insta::assert_snapshot!(
        mistakes(
            "host_root: !env rood\n\
             web:\n  image: nginx\n  expose: [80]\n  links: [dab]\n  extends: bse\n\
             db:\n  binds: [data]\n  networks: back\n  image: x\n  image: y\n\
             volume: /x\n"
        ),
        @r"
    map.yaml:1:12: error: the setting rood is not set
      help: set it under `settings` in dfab.yaml, or give --set rood=VALUE
    map.yaml:4:3: error: there is no key of a container expose
      help: did you mean exposes?
    map.yaml:5:11: error: there is no container dab, that web refers to
      help: did you mean db?
    map.yaml:6:12: error: there is no configuration bse
      help: there is: web, db
    map.yaml:8:11: error: db binds data, which has no path under `host`
    map.yaml:8:11: error: db binds data, which has no path under `volumes`
    map.yaml:9:13: error: there is no network back
    map.yaml:11:3: error: the key image stands here twice
    map.yaml:12:1: error: volume is no key of a map, and as a container it would be a mapping, not a text
      help: did you mean volumes?
    "
    );
}

/// A large map is read by two threads, in parts.
#[test]
fn a_large_map_is_read_as_a_small_one() {
    let more: String = (0..1000)
        .map(|n| format!("c{n}: {{image: i{n}}}\n"))
        .collect();
    let text = format!(
        "web: {{extends: c3, links: [c999, dab]}}\n{more}c5: {{}}\nvolume: x\n\
         <<: {{c1: {{image: other}}, db: {{image: db}}}}\n"
    );
    let read = |text: &str| load_map(text, "map.yaml", "m", &NoSettings).unwrap_err();
    let large = format!("{text}# {}\n", "x".repeat(LARGE));
    assert!(text.len() < LARGE && large.len() > LARGE);
    assert_eq!(read(&large), read(&text));
    insta::assert_snapshot!(read(&large), @"
    map.yaml:1:34: error: there is no container dab, that web refers to
      help: did you mean db?
    map.yaml:1002:1: error: the key c5 stands here twice
    map.yaml:1003:1: error: volume is no key of a map, and as a container it would be a mapping, not a text
      help: did you mean volumes?
    ");

    let right = large
        .replace(", dab", "")
        .replace("c5: {}\nvolume: x\n", "");
    let map = load_map(&right, "map.yaml", "m", &NoSettings)
        .unwrap()
        .value;
    assert_eq!(map.containers.len(), 1002);
    let image = |name: &str| map.container(name).unwrap().image.clone().flatten();
    assert_eq!(image("web").as_deref(), Some("i3"));
    assert_eq!(image("c1").as_deref(), Some("i1"));
    assert_eq!(image("db").as_deref(), Some("db"));
    let broken = read(&large.replace("c5: {}", "c5: {"));
    assert_eq!(broken.0.len(), 1, "{broken}");
}

#[test]
fn what_makes_no_sense_is_told_where_it_stands() {
    insta::assert_snapshot!(
        mistakes(
            "repository: 3\ndefault_domain: yes\n\
             a:\n  binds: {/a: [b, rx]}\n  uses: [{name: c, readonly: raw}, [c, /p, [ro]]]\n  \
             instances: [i, j, i]\n  user: [1]\n\
             c: {shares: /c}\n\
             d: {extends: a, instances: [i]}\n"
        ),
        @r"
    map.yaml:1:13: error: a repository is wanted here, not a number
      help: if it is one, write it in quotes
    map.yaml:2:17: error: a domain is wanted here, not a boolean
      help: if it is one, write it in quotes
    map.yaml:4:19: error: there is no access mode rx
      help: there is: ro, rw
    map.yaml:5:30: error: there is no access mode raw
      help: did you mean rw?
    map.yaml:5:44: error: an access mode is wanted here, not a list
      help: write ro or rw
    map.yaml:6:21: error: the instance i is named twice
      help: leave out one of them, or call it otherwise
    map.yaml:7:9: error: a user is written as USER, USER:GROUP or [USER, GROUP]
    "
    );
    // What was documented stays: any truth.
    let taken = "a: {binds: [[/a, b, 'true'], [/c, d, 1], [/e, f, '']]}\n";
    let map = load_map(taken, "map.yaml", "m", &Project).unwrap();
    assert_eq!(map.warnings.len(), 1);
}

#[test]
fn configurations_that_extend_each_other_are_told() {
    insta::assert_snapshot!(
        mistakes("a: {extends: b}\nb: {extends: a}\n"),
        @"map.yaml:2:14: error: configurations extend each other in a circle: a -> b -> a"
    );
}

#[test]
fn settings_paths_and_inheritance_are_resolved() {
    let map = load_map(
        "host_root: !env root\n\
         base: {abstract: true, image: x, stop_timeout: 3, exposes: {80: 8080}}\n\
         web: {extends: base, exposes: {80: 9090}, binds: {/a: !path ~/b}}\n",
        "map.yaml",
        "m",
        &Project,
    )
    .unwrap()
    .value;
    assert!(map.container("base").is_none());
    let web = map.container("web").unwrap();
    assert_eq!(web.stop_timeout(), Some(3));
    let ports: Vec<_> = web
        .exposes
        .iter()
        .map(|port| port.host_port.as_deref())
        .collect();
    assert_eq!(ports, [Some("9090")]);
    let Some(Bind::Paths { host_path, .. }) = web.binds.first() else {
        panic!("no bind")
    };
    assert_eq!(
        map.host_path(host_path, None).as_deref(),
        Some("/home/me/b")
    );
    assert_eq!(
        map.host_path(&HostPath::Same("c".to_owned()), None)
            .as_deref(),
        Some("/srv/c")
    );
}
