//! The files that decide what plugins may do. No plugin may be granted a folder that holds them, or it
//! would grant itself the rest.

use std::path::{Path, PathBuf};

use dfab_bundles::lock;
use dfab_runtime::{Grant, Grants};

use crate::failure::Failure;
use crate::project::Project;

/// Looks that no grant to write covers one of them.
///
/// # Errors
/// Names the grant and the file.
pub(crate) fn check(project: &Project, grants: &Grants) -> Result<(), Failure> {
    let Grants::Only(grants) = grants else {
        return Ok(());
    };
    let files = files(project);
    for grant in grants {
        let Grant::FilesWrite(folder) = grant else {
            continue;
        };
        if let Some(file) = files.iter().find(|file| folder.covers(file)) {
            return Err(Failure::usage(format!(
                "`{grant}` would let a plugin write {}, which decides what plugins may do",
                file.display()
            ))
            .hint("grant a folder that holds nothing else, such as `files.write results`"));
        }
    }
    Ok(())
}

/// Relative to the folder of the project; what is elsewhere cannot be granted.
fn files(project: &Project) -> Vec<PathBuf> {
    let folder = project.folder();
    let own = project.file.iter().cloned();
    let own = own.chain([folder.join(lock::FILE)]);
    let plugins = project.plugins.iter().map(|entry| entry.path.clone());
    let trusted = project.trust.files().map(|file| folder.join(file));
    let others = project.ssh_config.iter().chain(&project.audit).cloned();
    own.chain(plugins)
        .chain(trusted)
        .chain(others)
        .filter_map(|file| within(folder, &file))
        .collect()
}

/// Names alone, as paths of plugins have them.
fn within(folder: &Path, file: &Path) -> Option<PathBuf> {
    use std::path::Component;
    let mut names = PathBuf::new();
    for part in file.strip_prefix(folder).ok()?.components() {
        match part {
            Component::Normal(name) => names.push(name),
            Component::CurDir => {}
            Component::ParentDir if names.pop() => {}
            _ => return None,
        }
    }
    Some(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_decides_on_grants_cannot_be_granted() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("dfab.yaml");
        let text = "plugins: [{path: ./tasks/../tasks/p.wasm}]\n\
                    trust: {signers: [{name: a, key: keys/a.pub, may: [sign]}], revoked: lists/r.txt}\n";
        std::fs::write(&file, text).unwrap();
        let project = Project::read(file).unwrap();
        let check = |grant: &str| {
            check(&project, &Grants::Only(vec![grant.parse().unwrap()]))
                .map_err(|failure| failure.to_string())
        };
        for grant in [
            "files.read .",
            "files.write results",
            "files.write tasks/out",
            "docker.read",
        ] {
            assert_eq!(check(grant), Ok(()), "{grant}");
        }
        let refused = [
            "files.write .",
            "files.write dfab.lock",
            "files.write tasks",
            "files.write keys",
            "files.write lists/r.txt",
        ];
        let told = refused.map(|grant| check(grant).unwrap_err());
        insta::assert_snapshot!(told.join("\n"), @"
        `files.write .` would let a plugin write dfab.yaml, which decides what plugins may do
          hint: grant a folder that holds nothing else, such as `files.write results`
        `files.write dfab.lock` would let a plugin write dfab.lock, which decides what plugins may do
          hint: grant a folder that holds nothing else, such as `files.write results`
        `files.write tasks` would let a plugin write tasks/p.wasm, which decides what plugins may do
          hint: grant a folder that holds nothing else, such as `files.write results`
        `files.write keys` would let a plugin write keys/a.pub, which decides what plugins may do
          hint: grant a folder that holds nothing else, such as `files.write results`
        `files.write lists/r.txt` would let a plugin write lists/r.txt, which decides what plugins may do
          hint: grant a folder that holds nothing else, such as `files.write results`
        ");
    }
}
