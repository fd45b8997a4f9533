use clap::FromArgMatches;

use super::*;

fn outline(line: &str) -> Outline {
    Outline::read(line.split_whitespace().map(OsString::from))
}

#[test]
fn common_options_may_stand_anywhere() {
    let outline = outline("dfab --map a run -vH h1 docker --set x=1 version -Hh2,h3 --map=b");
    assert_eq!(outline.words, ["run", "docker", "version"]);
    let matches = Common::augment_args(Command::new("dfab"))
        .try_get_matches_from(outline.common_arguments())
        .unwrap();
    let common = Common::from_arg_matches(&matches).unwrap();
    assert_eq!(common.hosts, ["h1", "h2", "h3"]);
    assert_eq!(common.map, [PathBuf::from("a"), PathBuf::from("b")]);
    assert_eq!(common.settings, [("x".to_owned(), "1".to_owned())]);
    assert_eq!(common.verbose, 1);
}

#[test]
fn variables_say_what_the_line_does_not() {
    let read = |line: &[&str], yes: &str| {
        let matches = Common::augment_args(Command::new("dfab")).get_matches_from(line);
        let mut common = Common::from_arg_matches(&matches).unwrap();
        let taken = common.take_variables(|name| match name {
            "DFAB_PROJECT" => Some("p.yaml".into()),
            "DFAB_YES" => Some(yes.into()),
            _ => None,
        });
        taken.map(|()| (common.project.unwrap(), common.yes))
    };
    let path = PathBuf::from;
    assert_eq!(read(&["dfab"], "").unwrap(), (path("p.yaml"), false));
    assert_eq!(read(&["dfab"], "Yes").unwrap(), (path("p.yaml"), true));
    let line = ["dfab", "--project", "q.yaml", "-y"];
    assert_eq!(read(&line, "0").unwrap(), (path("q.yaml"), true));
    assert!(read(&["dfab"], "maybe").is_err());
}

#[test]
fn b_52_parameters_become_options_of_their_kind_and_arguments() {
    let parameter = |name: &str, kind, many| Parameter {
        many,
        choices: vec!["one".to_owned()],
        ..bare_parameter(name, kind)
    };
    let parameters = [
        parameter("all", ValueKind::Boolean, false),
        parameter("filter", ValueKind::Text, true),
        parameter("timeout", ValueKind::Integer, false),
        parameter("pick", ValueKind::Choice, false),
        parameter("to", ValueKind::Path, false),
        Parameter {
            default_value: Some("/etc/passwd".to_owned()),
            ..parameter("from", ValueKind::Path, false)
        },
    ];
    let command = || with_parameters(Command::new("x"), &parameters);
    let matches = command()
        .try_get_matches_from([
            "x", "--filter", "a=1", "--all", "--filter", "b=2", "--to", "out",
        ])
        .unwrap();
    assert_eq!(local_paths::typed(&matches, &parameters), ["out"]);
    let pairs = arguments(&matches, &parameters);
    let pairs: Vec<_> = pairs
        .iter()
        .map(|(n, v)| (n.as_str(), v.as_str()))
        .collect();
    assert_eq!(
        pairs,
        [
            ("all", "true"),
            ("filter", "a=1"),
            ("filter", "b=2"),
            ("to", "out"),
            ("from", "/etc/passwd")
        ]
    );
    assert!(
        command()
            .try_get_matches_from(["x", "--timeout", "soon"])
            .is_err()
    );
    assert!(
        command()
            .try_get_matches_from(["x", "--pick", "two"])
            .is_err()
    );
    // The predecessor took any text for true.
    assert!(
        command()
            .try_get_matches_from(["x", "--all=False"])
            .is_err()
    );
    let none = command().try_get_matches_from(["x"]).unwrap();
    let all = ("all".to_owned(), "false".to_owned());
    assert_eq!(arguments(&none, &parameters).first(), Some(&all));
}

#[test]
fn what_a_recipe_is_about_is_typed_bare() {
    let parameter = |name: &str, required| Parameter {
        required,
        ..bare_parameter(name, ValueKind::Text)
    };
    let recipe = RecipeInfo {
        name: "account".to_owned(),
        summary: String::new(),
        parameters: vec![parameter("name", true), parameter("shell", false)],
        systems: Vec::new(),
        looks_for: Vec::new(),
    };
    let read = |line: &str| {
        let matches = recipe_command(&recipe).try_get_matches_from(line.split(' '))?;
        let name = ("name".to_owned(), "app".to_owned());
        assert!(arguments(&matches, &recipe.parameters).contains(&name));
        Ok::<_, clap::Error>(is_given(&matches, "shell"))
    };
    assert!(read("account app --shell sh").unwrap());
    assert!(!read("account app").unwrap());
    assert!(read("account").is_err());
    assert!(read("account --name app").is_err());
}
