//! The files that decide what plugins may do. No plugin may be granted a folder that holds them, or it
//! would grant itself the rest.

use std::ffi::OsString;
use std::io;
use std::path::{Component, Path, PathBuf};

use dfab_bundles::lock;
use dfab_runtime::{Grant, Grants};

use crate::failure::Failure;
use crate::project::Project;

/// Linux follows no more of them.
const MOST_LINKS: usize = 40;

/// Looks that no grant to write covers one of them.
///
/// # Errors
/// Names the grant and the file.
pub(crate) fn check(project: &Project, grants: &Grants) -> Result<(), Failure> {
    let Grants::Only(grants) = grants else {
        return Ok(());
    };
    let files = files(project).map_err(|error| {
        Failure::failed("cannot find out where the files of the project are").because(error)
    })?;
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

/// Relative to the folder of the project; what is elsewhere cannot be granted. Who replaces a link on the
/// way to a file decides as well, so those are among them.
fn files(project: &Project) -> io::Result<Vec<PathBuf>> {
    let folder = project.folder();
    let own = project.file.iter().cloned();
    let own = own.chain([folder.join(lock::FILE)]);
    let plugins = project.plugins.iter().map(|entry| entry.path.clone());
    let trusted = project.trust.files().map(|file| folder.join(file));
    // They say where hosts lead.
    let clients = project.clients.iter().chain(&project.ssh_config).cloned();
    let audit = project.audit.iter().cloned();
    let all = own.chain(plugins).chain(trusted).chain(clients);
    let root = way(folder)?.pop().unwrap_or_default();
    let mut files = Vec::new();
    for file in all.chain(audit) {
        let way = way(&file)?;
        let within = way.iter().filter_map(|step| step.strip_prefix(&root).ok());
        files.extend(within.map(Path::to_path_buf));
    }
    Ok(files)
}

/// Every link on the way to a file, and at last where the file is or would be. None of these paths leads
/// through a link.
fn way(file: &Path) -> io::Result<Vec<PathBuf>> {
    let mut way = Vec::new();
    let mut here = PathBuf::new();
    let mut rest = parts_from_last(&std::path::absolute(Path::new(".").join(file))?);
    while let Some(part) = rest.pop() {
        if part == ".." {
            here.pop();
            continue;
        }
        // The root, where an absolute path begins, takes the place of all before it.
        here.push(&part);
        if way.len() < MOST_LINKS
            && let Ok(target) = std::fs::read_link(&here)
        {
            way.push(here.clone());
            here.pop();
            rest.extend(parts_from_last(&target));
        }
    }
    way.push(here);
    Ok(way)
}

fn parts_from_last(path: &Path) -> Vec<OsString> {
    let parts = path.components().rev();
    parts
        .filter(|part| *part != Component::CurDir)
        .map(|part| part.as_os_str().to_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

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

    #[test]
    fn no_other_way_to_write_a_path_or_link_hides_a_file() {
        let base = tempfile::tempdir().unwrap();
        let folder = base.path().join("project");
        for name in ["keys", "tasks"] {
            std::fs::create_dir_all(folder.join(name)).unwrap();
        }
        symlink("keys", folder.join("keys2")).unwrap();
        symlink(folder.join("keys2"), folder.join("keys3")).unwrap();
        symlink(&folder, base.path().join("linked")).unwrap();
        symlink("loop", folder.join("loop")).unwrap();
        let root = folder.display();
        let text = format!(
            "plugins: [{{path: {root}/tasks/p.wasm}}, {{path: loop/p.wasm}}]\n\
             audit: {root}/logs/a.jsonl\nclients: lists/../hosts/c.yaml\n\
             trust: {{signers: [{{name: a, key: keys3/a.pub, may: [sign]}}]}}\n"
        );
        std::fs::write(folder.join("dfab.yaml"), text).unwrap();
        // As it is, from the current folder, and by a link.
        let depth = std::env::current_dir().unwrap().components().count();
        let mut relative = PathBuf::from("../".repeat(depth));
        relative.push(folder.strip_prefix("/").unwrap());
        for opened in [folder.clone(), relative, base.path().join("linked")] {
            let project = Project::read(opened.join("dfab.yaml")).unwrap();
            let check = |grant: &str| {
                check(&project, &Grants::Only(vec![grant.parse().unwrap()]))
                    .map_err(|failure| failure.to_string())
            };
            for grant in ["results", "lists", "tasks/out"] {
                assert_eq!(check(&format!("files.write {grant}")), Ok(()), "{grant}");
            }
            for (grant, file) in [
                ("tasks", "tasks/p.wasm"),
                ("logs", "logs/a.jsonl"),
                ("hosts", "hosts/c.yaml"),
                ("keys", "keys/a.pub"),
                ("keys2", "keys2"),
                ("keys3", "keys3"),
                ("loop", "loop"),
            ] {
                let told = check(&format!("files.write {grant}")).unwrap_err();
                assert!(told.contains(&format!("write {file}, which")), "{told}");
            }
        }
    }
}
