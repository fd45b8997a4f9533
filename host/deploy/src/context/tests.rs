//! Folders that are packed.

use std::fmt::Write as _;
use std::fs;
use std::io::{Read as _, Seek as _};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::net::UnixListener;

use tempfile::TempDir;

use super::*;

/// A folder with these files, each with its path as its content.
fn folder(files: &[&str]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for file in files {
        write(folder.path(), file, file);
    }
    folder
}

fn write(folder: &Path, file: &str, text: &str) {
    let path = folder.join(file);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// What is in an archive, by the line.
fn listed(context: &BuildContext) -> String {
    let mut file = context.archive.try_clone().unwrap();
    file.rewind().unwrap();
    let mut list = String::new();
    for entry in tar::Archive::new(file).entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().display().to_string();
        let (header, link) = (entry.header().clone(), entry.link_name().unwrap());
        let (mode, kind) = (header.mode().unwrap(), header.entry_type());
        assert_eq!((header.uid().unwrap(), header.gid().unwrap()), (0, 0));
        let what = match link {
            Some(target) => format!("-> {}", target.display()),
            None if kind.is_dir() => String::from("(folder)"),
            None => {
                let mut text = String::new();
                entry.read_to_string(&mut text).unwrap();
                format!("{text:?}")
            }
        };
        writeln!(list, "{mode:o} {path} {what}").unwrap();
    }
    list
}

fn names(context: &BuildContext) -> Vec<String> {
    let list = listed(context);
    let names = list.lines().filter_map(|line| line.split(' ').nth(1));
    names.map(str::to_owned).collect()
}

#[test]
fn files_folders_and_links_go_as_they_are() {
    let folder = folder(&["Dockerfile", "bin/run", "empty/x", "z"]);
    let root = folder.path();
    fs::remove_file(root.join("empty/x")).unwrap();
    for (path, mode) in [
        ("bin/run", 0o4755),
        ("bin", 0o750),
        ("empty", 0o777),
        ("z", 0o600),
        ("Dockerfile", 0o644),
    ] {
        fs::set_permissions(root.join(path), fs::Permissions::from_mode(mode)).unwrap();
    }
    symlink("../nowhere", root.join("bin/link")).unwrap();
    symlink("bin", root.join("folder")).unwrap();
    let long = "n".repeat(120);
    symlink(&long, root.join("long")).unwrap();
    let _socket = UnixListener::bind(root.join("socket")).unwrap();
    let context = pack(root, None).unwrap();
    let list = listed(&context).replace(&long, "n…");
    insta::assert_snapshot!(list, @r#"
    644 Dockerfile "Dockerfile"
    750 bin (folder)
    777 bin/link -> ../nowhere
    4755 bin/run "bin/run"
    777 empty (folder)
    777 folder -> bin
    777 long -> n…
    600 z "z"
    "#);
    assert_eq!((context.files, context.bytes), (3, 18));
    assert_eq!(context.left_out, [PathBuf::from("socket")]);
    assert_eq!(context.dockerfile, "Dockerfile");
}

#[test]
fn b_40_what_is_ignored_stays_out() {
    let folder = folder(&[
        "Dockerfile",
        "a/b/c.md",
        "a/b/d",
        "a/e",
        "src/main.rs",
        "src/target/x",
        "target/y",
    ]);
    write(
        folder.path(),
        ".dockerignore",
        "*\n!src\n**/target\n!**/*.md\n",
    );
    let context = pack(folder.path(), None).unwrap();
    assert_eq!(
        names(&context),
        [
            ".dockerignore",
            "Dockerfile",
            "a",
            "a/b",
            "a/b/c.md",
            "src",
            "src/main.rs"
        ]
    );
}

#[test]
fn a_mistake_in_an_ignore_file_has_its_place() {
    let folder = folder(&["Dockerfile"]);
    write(folder.path(), ".dockerignore", "# a\n[x\n");
    let error = pack(folder.path(), None).unwrap_err();
    let place = folder.path().join(".dockerignore");
    let told = error.to_string();
    assert_eq!(told, format!("{}:2: \"[x\" is no pattern", place.display()));
    assert!(std::error::Error::source(&error).is_some());
}

#[test]
fn the_ignore_file_of_the_dockerfile_goes_before() {
    let folder = folder(&["docker/web", "a", "b"]);
    let root = folder.path();
    write(root, ".dockerignore", "a\n");
    write(root, "docker/web.dockerignore", "b\ndocker\n");
    let context = pack(root, Some(&root.join("docker/web"))).unwrap();
    assert_eq!(context.dockerfile, "docker/web");
    assert_eq!(
        names(&context),
        ["a", "docker", "docker/web", ".dockerignore"]
    );
    // The engine is told by that file what of these two is no part of the image.
    write(root, "docker/web.dockerignore", ".*\ndocker\n");
    let context = pack(root, Some(&root.join("docker/web"))).unwrap();
    let list = listed(&context);
    let told = r#"644 .dockerignore ".*\ndocker\n\n.dockerignore\n""#;
    assert!(list.ends_with(&format!("{told}\n")), "{list}");
}

#[test]
fn a_dockerfile_of_another_folder_gets_a_name_that_is_free() {
    let folder = folder(&["context/.dockerfile", "context/a", "Dockerfile"]);
    let root = folder.path().join("context");
    symlink("../Dockerfile", root.join("link")).unwrap();
    for given in [folder.path().join("Dockerfile"), root.join("link")] {
        let context = pack(&root, Some(&given)).unwrap();
        assert_eq!(context.dockerfile, ".dockerfile_");
        insta::allow_duplicates! {
            insta::assert_snapshot!(listed(&context), @r#"
            644 .dockerfile "context/.dockerfile"
            644 a "context/a"
            777 link -> ../Dockerfile
            644 .dockerfile_ "Dockerfile"
            644 .dockerignore ".dockerignore\n\n.dockerfile_\n"
            "#);
        }
    }
    // What there is of an ignore file is kept.
    write(&root, ".dockerignore", "a");
    let context = pack(&root, Some(&folder.path().join("Dockerfile"))).unwrap();
    let list = listed(&context);
    assert!(
        list.ends_with("644 .dockerignore \"a\\n.dockerfile_\\n\"\n"),
        "{list}"
    );
    assert!(!list.contains("context/a"), "{list}");
}

#[test]
fn what_is_missing_is_told() {
    let folder = folder(&["context/a", "context/sub/dockerfile"]);
    let root = folder.path().join("context");
    let told = |result: Result<BuildContext, ContextError>| {
        let text = result.unwrap_err().to_string();
        text.replace(&folder.path().display().to_string(), "…")
    };
    assert_eq!(
        told(pack(&root, None)),
        "cannot read the Dockerfile …/context/Dockerfile"
    );
    assert_eq!(
        told(pack(&root, Some(&root.join("sub")))),
        "cannot read the Dockerfile …/context/sub"
    );
    assert_eq!(
        told(pack(&root.join("a"), None)),
        "cannot read the folder …/context/a"
    );
    assert_eq!(
        pack(&root.join("sub"), None).unwrap().dockerfile,
        "dockerfile"
    );
}

#[test]
fn folders_may_be_deep() {
    let folder = folder(&["Dockerfile"]);
    let deep = "d/".repeat(900) + "file";
    write(folder.path(), &deep, "x");
    let context = pack(folder.path(), None).unwrap();
    assert_eq!(names(&context).len(), 902);
}
