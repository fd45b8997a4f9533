//! Owner and permissions of a volume.

use dfab_maps::Permissions;

use super::command::quoted;
use super::{Script, ShellError};

/// Where a volume is.
pub(super) struct Place<'a> {
    pub(super) container: Container<'a>,
    pub(super) path: &'a str,
}

/// How a container is named in a script.
pub(super) enum Container<'a> {
    Name(&'a str),
    /// By what a variable holds, such as `$id`.
    Variable(&'a str),
}

/// A call of the script's own function `own`.
pub(super) fn prepare(
    script: &mut Script,
    place: &Place<'_>,
    user: Option<&str>,
    permissions: Option<&str>,
    docker: &[String],
) -> Result<(), ShellError> {
    let (user, group) = match user {
        // A lone user stands for the group of that name or number too.
        Some(user) => user.split_once(':').unwrap_or((user, user)),
        None => ("", ""),
    };
    let permissions = permissions.unwrap_or_default();
    let mode = match permissions {
        "" => String::new(),
        text => arithmetic(&text.parse()?),
    };
    let container = match place.container {
        Container::Name(name) => quoted(name)?,
        Container::Variable(variable) => format!("\"{variable}\""),
    };
    let mut tokens = vec!["own".to_owned(), container];
    let words = [
        place.path.to_owned(),
        plain(user),
        plain(group),
        mode,
        permissions.to_owned(),
    ];
    for word in words.iter().chain(docker) {
        tokens.push(quoted(word)?);
    }
    script.tokens(&tokens);
    Ok(())
}

/// A number as a shell reads it, for which one with a 0 in front is octal; or a name.
fn plain(user: &str) -> String {
    match user.parse::<u32>() {
        Ok(number) => number.to_string(),
        Err(_) => user.to_owned(),
    }
}

/// What the mode `before` of a folder becomes by these permissions, for the arithmetic of a shell. Each
/// bit follows from few others: from the same of users, groups and others.
fn arithmetic(permissions: &Permissions) -> String {
    const BITS: u32 = 12;
    let of = |before: u32| permissions.apply(before, true);
    let modes = 0..1 << BITS;
    // By bit of the mode before: the bits that may follow from it.
    let effects: Vec<(u32, u32)> = (0..BITS)
        .map(|bit| 1 << bit)
        .map(|input| {
            let effect = modes.clone().map(|mode| of(mode) ^ of(mode ^ input));
            (input, effect.fold(0, |all, one| all | one))
        })
        .collect();
    let (mut always, mut kept) = (0, 0);
    let mut others = Vec::new();
    for bit in 0..BITS {
        let is_set = |mode: u32| (of(mode) >> bit) & 1 == 1;
        let matters = effects
            .iter()
            .filter(|(_, effect)| (effect >> bit) & 1 == 1);
        let inputs: u32 = matters.map(|(input, _)| input).sum();
        if inputs == 0 {
            always |= u32::from(is_set(0)) << bit;
        } else if inputs == 1 << bit && is_set(inputs) {
            kept |= 1 << bit;
        } else {
            // Those of their values with which it is set.
            let values = modes.clone().filter(|value| value & !inputs == 0);
            let values = values.filter(|value| is_set(*value));
            others.extend(
                values.map(|value| format!("((before & 0{inputs:o}) == 0{value:o}) << {bit}")),
            );
        }
    }
    // The shell knows octal numbers by a 0 in front.
    let mut terms = Vec::new();
    if always != 0 {
        terms.push(format!("0{always:o}"));
    }
    if kept != 0 {
        terms.push(format!("before & 0{kept:o}"));
    }
    terms.append(&mut others);
    if terms.is_empty() {
        return "0".to_owned();
    }
    terms.join(" | ")
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_shell_reckons_as_permissions_do() {
        let of = |text: &str| arithmetic(&text.parse().unwrap());
        assert_eq!(of("750"), "0750");
        assert_eq!(of("u=rwX,g=rX,o="), "0750 | before & 07000");
        assert_eq!(of("g+w"), "020 | before & 07757");
        // It is 0 from 0 and from 7777, and would be something else in between.
        assert_eq!(of("a-st,u=,o=,g-o,g-g"), "0");
        for text in [
            "g+u",
            "o-g",
            "u=rwX,g=u,o=",
            "g=u",
            "a-st,o=g,g-w",
            "+t,ug+s",
        ] {
            let permissions: Permissions = text.parse().unwrap();
            let expression = arithmetic(&permissions);
            let modes = [0o755, 0o2770, 0o4711, 0, 0o7777, 0o1020];
            let lines = modes.map(|mode| format!("before={mode}; echo $(({expression}))\n"));
            let output = Command::new("sh").args(["-c", &lines.concat()]).output();
            let output = String::from_utf8(output.unwrap().stdout).unwrap();
            let reckoned: Vec<u32> = output.lines().map(|line| line.parse().unwrap()).collect();
            assert_eq!(
                reckoned,
                modes.map(|mode| permissions.apply(mode, true)),
                "{text}"
            );
        }
    }
}
