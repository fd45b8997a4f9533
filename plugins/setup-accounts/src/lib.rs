//! Recipes for users and groups of machines, whatever their system.

use std::fmt;

use dfab_sdk::recipe::{
    Argument, Change, Error, Group, Member, Parameter, Recipe, RecipeInfo, Step, User, ValueKind,
    flag, parameter,
};
use dfab_sdk::{argument, arguments};

dfab_sdk::manifest!("manifest.json");
dfab_sdk::export_recipe!(SetupAccounts);

struct SetupAccounts;

impl Recipe for SetupAccounts {
    fn recipes() -> Vec<RecipeInfo> {
        let recipe = |name: &str, summary: &str, parameters| RecipeInfo {
            name: name.to_owned(),
            summary: summary.to_owned(),
            parameters,
            systems: Vec::new(),
            looks_for: Vec::new(),
        };
        let name = |summary| Parameter {
            required: true,
            ..parameter("name", summary, ValueKind::Text)
        };
        let text = |name, summary| parameter(name, summary, ValueKind::Text);
        let number = |name, summary| parameter(name, summary, ValueKind::Integer);
        vec![
            recipe(
                "account",
                "A user of the machine, with groups",
                vec![
                    name("The user's name"),
                    number("uid", "The user's number; else whichever is free"),
                    number(
                        "gid",
                        "The number of the user's own group, which has the user's name",
                    ),
                    Parameter {
                        many: true,
                        ..text(
                            "member-of",
                            "GROUP or GROUP:NUMBER that the user is in too; made where it is missing",
                        )
                    },
                    flag(
                        "system",
                        "For a service: with numbers for such, and no home folder",
                    ),
                    flag("no-login", "Nobody can log in as this user"),
                    text("home", "The home folder of a new user"),
                    text("shell", "The shell of a new user"),
                    text("comment", "Who it is, of a new user"),
                ],
            ),
            recipe(
                "group",
                "A group of the machine",
                vec![
                    name("The group's name"),
                    number("gid", "The group's number; else whichever is free"),
                    flag("system", "For a service: with a number for such"),
                ],
            ),
        ]
    }

    fn plan(
        recipe: String,
        _: dfab_sdk::recipe::Facts,
        arguments: Vec<Argument>,
    ) -> Result<Vec<Step>, Error> {
        match recipe.as_str() {
            "account" => account(&arguments),
            "group" => {
                let group = Group {
                    name: name(&arguments)?,
                    id: number(&arguments, "gid")?,
                    system: dfab_sdk::flag(&arguments, "system"),
                };
                Ok(vec![group_step(group)])
            }
            other => Err(Error::NotFound(format!("there is no recipe {other}"))),
        }
    }
}

fn account(given: &[Argument]) -> Result<Vec<Step>, Error> {
    let name = name(given)?;
    let system = dfab_sdk::flag(given, "system");
    let text = |name: &str| argument(given, name).map(str::to_owned);
    let mut steps = Vec::new();
    let own = number(given, "gid")?.map(|id| Group {
        name: name.clone(),
        id: Some(id),
        system,
    });
    let user = User {
        name: name.clone(),
        id: number(given, "uid")?,
        group: own.as_ref().map(|group| group.name.clone()),
        system,
        no_login: dfab_sdk::flag(given, "no-login"),
        home: text("home"),
        shell: text("shell"),
        comment: text("comment"),
    };
    if user.no_login && user.shell.is_some() {
        return Err(Error::Invalid(
            "--shell and --no-login contradict each other".to_owned(),
        ));
    }
    steps.extend(own.map(group_step));
    steps.push(Step {
        summary: format!("Add the user {}", numbered(&user.name, user.id)),
        change: Change::User(user),
    });
    for group in arguments(given, "member-of") {
        let group = further_group(group, system)?;
        let member = Member {
            user: name.clone(),
            group: group.name.clone(),
        };
        steps.push(group_step(group));
        steps.push(Step {
            summary: format!(
                "Put {} into the group {}, from the next login on",
                member.user, member.group
            ),
            change: Change::Member(member),
        });
    }
    Ok(steps)
}

fn group_step(group: Group) -> Step {
    Step {
        summary: format!("Add the group {}", numbered(&group.name, group.id)),
        change: Change::Group(group),
    }
}

/// `NAME` or `NAME:NUMBER`.
fn further_group(text: &str, system: bool) -> Result<Group, Error> {
    let (name, id) = match text.split_once(':') {
        Some((name, number)) => (name, Some(read_number("member-of", number)?)),
        None => (text, None),
    };
    Ok(Group {
        name: name.to_owned(),
        id,
        system,
    })
}

fn name(arguments: &[Argument]) -> Result<String, Error> {
    let name = argument(arguments, "name").map(str::to_owned);
    name.ok_or_else(|| Error::Invalid("a name is wanted".to_owned()))
}

fn number(arguments: &[Argument], name: &str) -> Result<Option<u32>, Error> {
    let text = argument(arguments, name);
    text.map(|text| read_number(name, text)).transpose()
}

/// The highest means none to the system.
fn read_number(name: &str, text: &str) -> Result<u32, Error> {
    match text.parse() {
        Ok(number) if number < u32::MAX => Ok(number),
        _ => Err(Error::Invalid(format!(
            "--{name} takes a number from 0 to 4294967294, not {text}"
        ))),
    }
}

fn numbered(name: &str, id: Option<u32>) -> impl fmt::Display {
    match id {
        Some(id) => format!("{name} with the number {id}"),
        None => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summaries(arguments: &[(&str, &str)]) -> Result<String, Error> {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let arguments: Vec<_> = arguments.iter().map(owned).collect();
        let steps = account(&arguments)?;
        let summaries: Vec<_> = steps.into_iter().map(|step| step.summary).collect();
        Ok(summaries.join("\n"))
    }

    #[test]
    fn an_account_is_a_user_with_what_it_needs_before_it() {
        insta::assert_snapshot!(summaries(&[("name", "app")]).unwrap(), @"Add the user app");
        let full = [
            ("name", "app"),
            ("uid", "2000"),
            ("gid", "3000"),
            ("member-of", "web"),
            ("member-of", "log:4000"),
        ];
        insta::assert_snapshot!(summaries(&full).unwrap(), @r"
        Add the group app with the number 3000
        Add the user app with the number 2000
        Add the group web
        Put app into the group web, from the next login on
        Add the group log with the number 4000
        Put app into the group log, from the next login on
        ");
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for wrong in [
            [("name", "app"), ("uid", "-1")],
            [("name", "app"), ("gid", "4294967295")],
            [("name", "app"), ("member-of", "web:x")],
        ] {
            assert!(
                matches!(summaries(&wrong), Err(Error::Invalid(_))),
                "{wrong:?}"
            );
        }
        let both = [("name", "app"), ("no-login", "true"), ("shell", "/bin/sh")];
        assert!(matches!(summaries(&both), Err(Error::Invalid(_))));
    }
}
