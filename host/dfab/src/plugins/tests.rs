use dfab_runtime::ValueKind;

use super::*;
use crate::arguments::bare_parameter;

fn recipe(parameters: &[(&str, ValueKind, bool)]) -> RecipeInfo {
    let parameters = parameters.iter().map(|(name, kind, required)| Parameter {
        required: *required,
        ..bare_parameter(name, *kind)
    });
    RecipeInfo {
        name: "docker".to_owned(),
        summary: String::new(),
        parameters: parameters.collect(),
        systems: Vec::new(),
        looks_for: Vec::new(),
    }
}

#[test]
fn a_plugin_that_is_not_used_stops_what_it_would_do_and_nothing_else() {
    let needs = |kind: &str, line: &str| {
        let components = vec![("acme".to_owned(), kind.to_owned())];
        let plugins = Plugins {
            unusable: vec![locked::Unusable::new(components, Failure::usage("revoked"))],
            ..Plugins::default()
        };
        let words = Outline::read(line.split(' ').map(std::ffi::OsString::from));
        plugins.check_usable(&words).is_err()
    };
    for (kind, line) in [
        ("task", "dfab run acme clean"),
        ("recipe", "dfab setup docker"),
        ("policy", "dfab startup web"),
        ("policy", "dfab plan startup web"),
    ] {
        assert!(needs(kind, line), "{line}");
    }
    // What is not known may be anything, but for what only lists.
    let stops = |line: &str| {
        let plugins = Plugins {
            unusable: vec![locked::Unusable::unknown(Failure::usage("other bytes"))],
            ..Plugins::default()
        };
        let words = Outline::read(line.split(' ').map(std::ffi::OsString::from));
        plugins.check_usable(&words).is_err()
    };
    for line in [
        "dfab run docker version",
        "dfab setup docker",
        "dfab startup web",
    ] {
        assert!(stops(line), "{line}");
    }
    for line in ["dfab", "dfab run", "dfab setup", "dfab help"] {
        assert!(!stops(line), "{line}");
    }
    for (kind, line) in [
        ("task", "dfab run docker version"),
        ("task", "dfab run"),
        ("task", "dfab startup web"),
        ("policy", "dfab run acme clean"),
        ("policy", "dfab setup docker"),
        ("recipe", "dfab startup web"),
    ] {
        assert!(!needs(kind, line), "{line}");
    }
}

#[test]
fn a_task_that_there_is_not_is_told_with_what_there_is() {
    let told = |task| no_task("docker", task, &["version", "list-images"]).to_string();
    insta::assert_snapshot!(
        [told("list-image"), told("nosuch")].join("\n"),
        @r"
    the plugin docker has no task list-image
      hint: did you mean list-images?
    the plugin docker has no task nosuch
      hint: it has: version, list-images
    "
    );
}

#[test]
fn recipes_are_for_one_system_where_both_name_it_or_neither_names_any() {
    let of = |systems: &[&str]| RecipeInfo {
        systems: systems.iter().map(|system| (*system).to_owned()).collect(),
        ..recipe(&[])
    };
    let same = |one: &[&str], other: &[&str]| have_one_system(&of(one), &of(other));
    assert!(same(&[], &[]));
    assert!(same(&["debian"], &["centos", "debian"]));
    assert!(!same(&["debian"], &["centos"]));
    assert!(!same(&["debian"], &[]));
}

#[test]
fn recipes_of_one_name_share_a_command_line() {
    let mut known = recipe(&[("source", ValueKind::Text, false)]);
    let more = [
        ("source", ValueKind::Text, false),
        ("fast", ValueKind::Boolean, false),
    ];
    add_parameters(&mut known, &recipe(&more), "p").unwrap();
    let names: Vec<_> = known.parameters.iter().map(|one| &one.name).collect();
    assert_eq!(names, ["source", "fast"]);
    for other in [
        ("source", ValueKind::Boolean, false),
        ("source", ValueKind::Text, true),
        ("name", ValueKind::Text, true),
    ] {
        assert!(add_parameters(&mut known, &recipe(&[other]), "p").is_err());
    }
}
