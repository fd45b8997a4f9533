use proptest::prelude::*;

use super::*;
use crate::{NoSettings, load_map};

fn project(text: &str) -> Project {
    let map = load_map(text, "m.yaml", "m", &NoSettings).unwrap_or_else(|error| panic!("{error}"));
    Project::new(vec![map.value]).unwrap()
}

fn names(project: &Project, references: &[&str], walk: Walk) -> Vec<String> {
    let references: Vec<_> = references.iter().map(|one| (*one).to_owned()).collect();
    let selected = project.select(&references).unwrap();
    let walked = project.walk(&selected, walk).unwrap();
    walked
        .iter()
        .map(|planned| planned.map.engine_name(&planned.item))
        .collect()
}

const CHAIN: &str = "a: {attaches: {v: /v}}\nb: {uses: v, instances: [x, y]}\nc: {links: b.x}\n\
                     groups: {all: [a, b.y]}\n";

#[test]
fn what_is_needed_stands_first() {
    assert_eq!(
        names(&project(CHAIN), &["c"], Walk::Dependencies),
        [
            "c:latest", "b:latest", "a:latest", "m.v", "m.a", "m.b.x", "m.c"
        ]
    );
    assert_eq!(
        names(&project(CHAIN), &["a"], Walk::Dependents),
        ["m.v", "m.a", "m.b.x", "m.b.y", "m.c"]
    );
    assert_eq!(
        names(&project(CHAIN), &["m.b"], Walk::Selected),
        ["m.b.x", "m.b.y"]
    );
    assert_eq!(
        names(&project(CHAIN), &["all"], Walk::Selected),
        ["m.a", "m.b.y"]
    );
}

#[test]
fn alone_is_with_what_is_its_own() {
    assert_eq!(
        names(&project(CHAIN), &["c"], Walk::Alone),
        ["c:latest", "m.c"]
    );
    assert_eq!(
        names(&project(CHAIN), &["a"], Walk::Alone),
        ["a:latest", "m.v", "m.a"]
    );
}

#[test]
fn the_name_of_a_map_goes_before_that_of_a_configuration() {
    let map = |name: &str, text: &str| load_map(text, "m.yaml", name, &NoSettings).unwrap().value;
    let maps = vec![map("shop", "web: {instances: [a]}"), map("web", "a: {}")];
    let twice = [("m", "x.yaml"), ("n", "y.yaml"), ("m", "z.yaml")];
    let twice = twice.map(|(name, file)| load_map("{}", file, name, &NoSettings).unwrap().value);
    insta::assert_snapshot!(Project::new(twice.into()).unwrap_err(), @"two maps are called m, x.yaml and z.yaml; give one of them another `name`");
    let project = Project::new(maps).unwrap();
    assert_eq!(names(&project, &["web.a"], Walk::Selected), ["web.a"]);
    assert_eq!(
        names(&project, &["shop.web.a"], Walk::Selected),
        ["shop.web.a"]
    );
}

#[test]
fn circles_are_told_with_their_path() {
    let project = project("a: {links: b}\nb: {links: c}\nc: {links: a}\n");
    let selected = project.select(&["b".to_owned()]).unwrap();
    let error = project.walk(&selected, Walk::Dependencies).unwrap_err();
    assert_eq!(
        error.to_string(),
        "containers of m need each other in a circle: m.b -> m.c -> m.a -> m.b"
    );
}

#[test]
fn what_nobody_is_called_is_told_with_what_is_much_like_it() {
    let error = project(CHAIN).select(&["m.b.z".to_owned()]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "there is no container m.b.z; did you mean m.b.y?"
    );
}

proptest! {
    /// Of any map without circles, in whatever order it is written.
    #[test]
    fn requirements_always_come_before(edges in prop::collection::vec((0..20_usize, 0..20_usize), 0..60)) {
        let mut links = vec![Vec::new(); 20];
        for (one, other) in edges {
            if one != other {
                links[one.max(other)].push(format!("c{}", one.min(other)));
            }
        }
        let text: String = links
            .iter()
            .enumerate()
            .rev()
            .map(|(index, links)| format!("c{index}: {{links: [{}]}}\n", links.join(", ")))
            .collect();
        let project = project(&text);
        let selected = project.select(&["__all__".to_owned()]).unwrap();
        for walk in [Walk::Dependencies, Walk::Dependents, Walk::Selected] {
            let walked = project.walk(&selected, walk).unwrap();
            for (index, planned) in walked.iter().enumerate() {
                prop_assert!(planned.requires.iter().all(|required| *required < index));
            }
            let containers = walked
                .iter()
                .filter(|planned| matches!(planned.item, Item::Container { .. }));
            prop_assert_eq!(containers.count(), 20);
        }
    }
}
