//! Names of users and groups, as a container's image has them.

use std::io::Read as _;

use dfab_engine::{Engine, EngineError};

/// Why an owner is nobody.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// The image has no such name.
    #[error(
        "the owner {owner} of volume {volume} is unknown: {file} of the image has no {name}; give a \
         number instead"
    )]
    Unknown {
        /// As the map gives it.
        owner: String,
        /// The volume.
        volume: String,
        /// Where it was looked for.
        file: &'static str,
        /// What was looked for.
        name: String,
    },
    /// The container could not be looked into.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// The numbers of an owner: `USER` or `USER:GROUP`, each by name or number. A lone user stands for
/// the group of that name or number too. A container is only looked into for names.
///
/// # Errors
/// Where its image has no such user or group.
pub(crate) async fn resolve(
    engine: &Engine,
    container: &str,
    owner: &str,
    volume: &str,
) -> Result<(u32, u32), AccountError> {
    let (user, group) = owner.split_once(':').unwrap_or((owner, owner));
    let number = async |name: &str, file: &'static str| match name.parse() {
        Ok(number) => Ok(number),
        Err(_) => {
            let text = read(engine, container, file).await?;
            find(&text, name).ok_or_else(|| AccountError::Unknown {
                owner: owner.to_owned(),
                volume: volume.to_owned(),
                file,
                name: name.to_owned(),
            })
        }
    };
    let user = number(user, "/etc/passwd").await?;
    Ok((user, number(group, "/etc/group").await?))
}

/// A file of a container, which need not run; nothing where there is none.
async fn read(engine: &Engine, container: &str, path: &str) -> Result<String, EngineError> {
    let mut archive = Vec::new();
    match engine.get_archive(container, path, &mut archive).await {
        Err(error) if error.is_not_found() => return Ok(String::new()),
        other => other?,
    }
    let mut text = String::new();
    let mut archive = tar::Archive::new(archive.as_slice());
    let entry = archive.entries().ok().and_then(|mut all| all.next());
    if let Some(Ok(mut entry)) = entry
        && entry.read_to_string(&mut text).is_err()
    {
        text.clear();
    }
    Ok(text)
}

/// The number in the third field of the line that begins with a name.
fn find(text: &str, name: &str) -> Option<u32> {
    text.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next() == Some(name)).then(|| fields.nth(1)?.parse().ok())?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_found_by_its_whole() {
        let text = "root:x:0:0::/:/bin/sh\nwww-data:x:33:33:www:/var/www:\nbroken:x\n";
        assert_eq!(find(text, "www-data"), Some(33));
        assert_eq!(find(text, "root"), Some(0));
        assert_eq!(find(text, "www"), None);
        assert_eq!(find(text, "broken"), None);
    }
}
