//! Owner and permissions of a volume.

use dfab_maps::Permissions;

use super::command::quoted;
use super::{Script, ShellError};

/// Where a volume is.
pub(super) struct Place<'a> {
    pub(super) container: Container<'a>,
    pub(super) volume: &'a str,
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
    let owner = user.map(|user| (user, numbers(user)));
    let mode = permissions.map(|permissions| (permissions, absolute(permissions)));
    if let Some((user, None)) = owner {
        script.comment(&format!(
            "not expressed: the owner {user} of volume {} is not UID or UID:GID",
            place.volume
        ));
    }
    if let Some((permissions, None)) = mode {
        script.comment(&format!(
            "not expressed: permissions {permissions} of volume {} depend on those that it has",
            place.volume
        ));
    }
    let owner = owner.and_then(|(_, owner)| owner);
    let mode = mode.and_then(|(_, mode)| mode);
    if owner.is_none() && mode.is_none() {
        // There may be an `if` around it, which wants a command.
        script.line(":");
        return Ok(());
    }
    let (user, group) = owner.unzip();
    let number = |id: Option<u32>| id.map(|id| id.to_string()).unwrap_or_default();
    // The shell knows octal numbers by a 0 in front.
    let mode = mode.map(|mode| format!("0{mode:o}")).unwrap_or_default();
    let container = match place.container {
        Container::Name(name) => quoted(name)?,
        Container::Variable(variable) => format!("\"{variable}\""),
    };
    let mut words = vec![place.path.to_owned(), number(user), number(group), mode];
    words.extend_from_slice(docker);
    let mut tokens = vec!["own".to_owned(), container];
    for word in &words {
        tokens.push(quoted(word)?);
    }
    script.tokens(&tokens);
    Ok(())
}

/// `UID` or `UID:GID`, of numbers that a plain tar header has room for.
fn numbers(owner: &str) -> Option<(u32, u32)> {
    const LARGEST: u32 = 0o7_777_777;
    let (user, group) = owner.split_once(':').unwrap_or((owner, owner));
    let number = |text: &str| text.parse().ok().filter(|id| *id <= LARGEST);
    Some((number(user)?, number(group)?))
}

/// The mode that follows from these permissions whatever it was before.
fn absolute(permissions: &str) -> Option<u32> {
    let permissions: Permissions = permissions.parse().ok()?;
    let mode = permissions.apply(0, true);
    (0..=0o7777)
        .all(|before| permissions.apply(before, true) == mode)
        .then_some(mode)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_sets_every_bit_is_absolute() {
        assert_eq!(absolute("750"), Some(0o750));
        assert_eq!(absolute("g+w"), None);
        // It is 0 from 0 and from 7777, and something else in between.
        assert_eq!(absolute("a-st,u=,o=,g-o,g-g"), Some(0));
        assert_eq!(absolute("no mode"), None);
    }

    #[test]
    fn owners_are_numbers_that_fit() {
        assert_eq!(numbers("2000"), Some((2000, 2000)));
        assert_eq!(numbers("0:2097151"), Some((0, 2_097_151)));
        assert_eq!(numbers("0:2097152"), None);
        assert_eq!(numbers("www-data"), None);
    }
}
