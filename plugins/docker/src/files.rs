//! Files of containers: copied to the operator's machine, back into a container, and into images.

use dfab_sdk::task::docker::{Copied, Engine, Form, ImageSource, Part, Selection};
use dfab_sdk::task::{Argument, Error, Level, Output, View, log};
use serde_json::json;

use crate::show::{megabytes, short_id};

/// One file or folder.
pub fn copy_resource(engine: &Engine, arguments: &[Argument]) -> Result<Output, Error> {
    let path = argument(arguments, "path")?;
    let target = match dfab_sdk::flag(arguments, "whole") {
        true => last_name(path),
        false => "",
    };
    let files = Selection {
        container: argument(arguments, "container")?.to_owned(),
        parts: vec![Part {
            path: path.to_owned(),
            target: target.to_owned(),
        }],
        owner: None,
        permissions: None,
    };
    let to = argument(arguments, "to")?;
    copied(to, engine.copy_from_container(&files, to, form(to))?)
}

/// Several, each under its own path or another.
pub fn copy_resources(engine: &Engine, arguments: &[Argument]) -> Result<Output, Error> {
    let to = argument(arguments, "to")?;
    let files = selection(arguments)?;
    copied(to, engine.copy_from_container(&files, to, form(to))?)
}

/// The same, into one compressed file.
pub fn isolate_and_get(engine: &Engine, arguments: &[Argument]) -> Result<Output, Error> {
    let files = selection(arguments)?;
    let to = argument(arguments, "to")?;
    let to = match form(to) {
        Form::TarGz => to.to_owned(),
        _ => format!(
            "{}/container_{}.tar.gz",
            to.trim_end_matches('/'),
            files.container
        ),
    };
    copied(&to, engine.copy_from_container(&files, &to, Form::TarGz)?)
}

/// The same, into an image.
pub fn isolate_to_image(engine: &Engine, arguments: &[Argument]) -> Result<Output, Error> {
    let files = selection(arguments)?;
    let image = argument(arguments, "image")?;
    let changes: Vec<String> = changes(arguments);
    let id = engine.import_image(&ImageSource::Selection(files), image, &changes)?;
    Ok(made(image, &id))
}

/// A file, or what is in a folder, the other way.
pub fn copy_into(engine: &Engine, arguments: &[Argument]) -> Result<Output, Error> {
    let (from, container) = (
        argument(arguments, "from")?,
        argument(arguments, "container")?,
    );
    let folder = argument(arguments, "path")?;
    engine.copy_to_container(from, container, folder)?;
    Ok(Output {
        view: View::Text(format!("copied {from} to {folder} in {container}\n")),
        data: json!({ "container": container, "path": folder }).to_string(),
    })
}

/// What is said of an image that was made.
pub fn made(image: &str, id: &str) -> Output {
    Output {
        view: View::Text(format!("{image}  {}\n", short_id(id))),
        data: json!({ "image": image, "id": id }).to_string(),
    }
}

/// What is said of files that were written.
pub fn copied(to: &str, copied: Copied) -> Result<Output, Error> {
    for left_out in &copied.left_out {
        log(Level::Warn, &format!("left out: {left_out}"));
    }
    let size = megabytes(copied.bytes);
    let data = json!({ "to": to, "bytes": copied.bytes, "left_out": copied.left_out });
    Ok(Output {
        view: View::Text(format!("{to}  {size}\n")),
        data: data.to_string(),
    })
}

/// What has to be given, as the command line has made sure.
pub fn argument<'a>(arguments: &'a [Argument], name: &str) -> Result<&'a str, Error> {
    dfab_sdk::argument(arguments, name)
        .ok_or_else(|| Error::Invalid(format!("--{name} is missing")))
}

/// Lines for an image.
pub fn changes(arguments: &[Argument]) -> Vec<String> {
    dfab_sdk::arguments(arguments, "change")
        .map(str::to_owned)
        .collect()
}

/// What the end of a local path asks for.
pub fn form(to: &str) -> Form {
    if to.ends_with(".tar.gz") || to.ends_with(".tgz") {
        Form::TarGz
    } else if to.ends_with(".tar") {
        Form::Tar
    } else {
        Form::Folder
    }
}

fn selection(arguments: &[Argument]) -> Result<Selection, Error> {
    let renames = dfab_sdk::arguments(arguments, "rename")
        .map(|text| {
            text.rsplit_once('=')
                .ok_or_else(|| Error::Invalid(format!("--rename takes PATH=TARGET, not {text}")))
        })
        .collect::<Result<Vec<_>, _>>()?;
    let paths: Vec<&str> = dfab_sdk::arguments(arguments, "path").collect();
    Ok(Selection {
        container: argument(arguments, "container")?.to_owned(),
        parts: parts(&paths, &renames)?,
        owner: dfab_sdk::argument(arguments, "owner")
            .map(owner)
            .transpose()?,
        permissions: dfab_sdk::argument(arguments, "permissions").map(str::to_owned),
    })
}

/// Each path with its target: what it was renamed to; else its own name in the folder of `*`; else
/// itself.
fn parts(paths: &[&str], renames: &[(&str, &str)]) -> Result<Vec<Part>, Error> {
    let slashless = |path: &str| path.trim_matches('/').to_owned();
    let renamed = |path: &str| {
        let found = renames
            .iter()
            .find(|(known, _)| slashless(known) == slashless(path));
        found.map(|(_, target)| slashless(target))
    };
    if let Some((path, _)) = renames.iter().find(|(path, _)| {
        *path != "*"
            && !paths
                .iter()
                .any(|known| slashless(known) == slashless(path))
    }) {
        return Err(Error::Invalid(format!(
            "--rename names {path}, which no --path does"
        )));
    }
    let part = |path: &&str| Part {
        path: (*path).to_owned(),
        target: renamed(path).unwrap_or_else(|| match renamed("*") {
            Some(folder) if folder.is_empty() => last_name(path).to_owned(),
            Some(folder) => format!("{folder}/{}", last_name(path)),
            None => slashless(path),
        }),
    };
    Ok(paths.iter().map(part).collect())
}

fn last_name(path: &str) -> &str {
    let path = path.trim_end_matches('/');
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}

fn owner(text: &str) -> Result<(u32, u32), Error> {
    let numbers = text
        .split_once(':')
        .and_then(|(user, group)| Some((user.parse().ok()?, group.parse().ok()?)));
    numbers.ok_or_else(|| Error::Invalid(format!("--owner takes UID:GID in numbers, not {text}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn targets(paths: &[&str], renames: &[(&str, &str)]) -> Vec<String> {
        let parts = parts(paths, renames).expect("targets");
        parts.into_iter().map(|part| part.target).collect()
    }

    #[test]
    fn b_54_a_target_is_the_whole_new_name() {
        let paths = ["/etc/app", "/var/log/app/", "/srv/x y"];
        assert_eq!(targets(&paths, &[]), ["etc/app", "var/log/app", "srv/x y"]);
        assert_eq!(
            targets(
                &paths,
                &[("/etc/app", "config"), ("/var/log/app", "/logs/old/")]
            ),
            ["config", "logs/old", "srv/x y"]
        );
        assert_eq!(
            targets(&paths, &[("*", "all"), ("/etc/app", "config")]),
            ["config", "all/app", "all/x y"]
        );
        assert_eq!(targets(&paths, &[("*", "")]), ["app", "app", "x y"]);
        assert!(parts(&paths, &[("/etc/other", "x")]).is_err());
    }

    #[test]
    fn the_form_is_seen_by_the_name() {
        assert!(matches!(form("a/b.tar"), Form::Tar));
        assert!(matches!(form("b.tgz"), Form::TarGz));
        assert!(matches!(form("b.tar.gz"), Form::TarGz));
        assert!(matches!(form("tar"), Form::Folder));
    }

    #[test]
    fn an_owner_is_two_numbers() {
        assert!(matches!(owner("1000:100"), Ok((1000, 100))));
        assert!(owner("app:app").is_err() && owner("1000").is_err());
    }
}
