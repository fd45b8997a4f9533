//! Owners and modes of the folders of volumes.

use super::{folder_archive, local, plan, run_with, step};
use crate::plan::Work;
use crate::shell::script;

fn prepare(user: Option<&str>, permissions: Option<&str>) -> Work {
    Work::PrepareVolume {
        volume: "m.data".to_owned(),
        path: "/var/it's".to_owned(),
        user: user.map(str::to_owned),
        permissions: permissions.map(str::to_owned),
    }
}

#[test]
fn owners_that_need_the_image_are_told() {
    let lines = |user, permissions| {
        let text = script(&plan(vec![step("web", prepare(user, permissions))]), &local).unwrap();
        text.rsplit_once("\n\n").unwrap().1.to_owned()
    };
    insta::assert_snapshot!(lines(Some("www"), Some("u=rwX,g=u,o=")), @r"
    # not expressed: the owner www of volume m.data is not UID or UID:GID
    # not expressed: permissions u=rwX,g=u,o= of volume m.data depend on those that it has
    :
    ");
    insta::assert_snapshot!(lines(Some("www"), Some("a-st,u=rwX,g=rX,o=")), @r"
    # not expressed: the owner www of volume m.data is not UID or UID:GID
    own web '/var/it'\''s' '' '' 0750 docker
    ");
}

/// A `docker cp` of which the folder's archive is a file, and commands of an image that are noted.
const COPY: &str = r#"
case "$1 ${2:-}" in
"inspect "*) echo image1 ;;
"run "*) echo "$*" >> "$HERE/log" ;;
"cp web:/var/it's") cat "$HERE/folder.tar" ;;
"cp -") cat > "$HERE/new.tar" && cp "$HERE/new.tar" "$HERE/folder.tar" ;;
*) exit 9 ;;
esac
"#;

#[test]
fn owner_and_mode_are_set_by_an_archive_of_the_folder_alone() {
    let common = "run --rm --network=none --user=0:0 --volumes-from=web";
    let chown =
        |owner: &str| format!("{common} --entrypoint=chown image1 -hR -- {owner} /var/it's\n");
    let chmod = |mode: &str| format!("{common} --entrypoint=chmod image1 -R -- {mode} /var/it's\n");
    for (user, permissions, wanted, ran) in [
        (Some("2000"), None, (0o755, 2000, 2000), chown("2000:2000")),
        (
            Some("0:2097151"),
            Some("2770"),
            (0o2770, 0, 2_097_151),
            chown("0:2097151") + &chmod("02770"),
        ),
        (None, Some("u=rwx,go=,a-st"), (0o700, 7, 8), chmod("0700")),
        // There is nothing in it.
        (Some("3"), Some("700"), (0o700, 3, 3), String::new()),
        // It is so already.
        (Some("7:8"), None, (0o755, 7, 8), String::new()),
    ] {
        let here = tempfile::tempdir().unwrap();
        let archive = folder_archive(0o40755, 7, 8, user != Some("3"));
        std::fs::write(here.path().join("folder.tar"), archive).unwrap();
        let text = script(&plan(vec![step("web", prepare(user, permissions))]), &local).unwrap();
        let output = run_with(COPY, &text, here.path());
        assert!(output.status.success(), "{output:?}");
        assert!(output.stderr.is_empty(), "{output:?}");
        let log = std::fs::read_to_string(here.path().join("log"));
        assert_eq!(log.unwrap_or_default(), ran);
        if user == Some("7:8") {
            assert!(!here.path().join("new.tar").exists());
            continue;
        }
        let file = std::fs::read(here.path().join("new.tar")).unwrap();
        assert_eq!(file.len(), 1536);
        let mut archive = tar::Archive::new(file.as_slice());
        let entries: Vec<_> = archive.entries().unwrap().map(Result::unwrap).collect();
        assert_eq!(entries.len(), 1);
        let header = entries[0].header();
        assert_eq!(header.path_bytes().as_ref(), b"/");
        assert_eq!(header.entry_type(), tar::EntryType::Directory);
        assert_eq!(header.mtime().unwrap(), 1_700_000_000);
        let found = (
            header.mode().unwrap(),
            header.uid().unwrap(),
            header.gid().unwrap(),
        );
        assert_eq!(found, wanted);
    }
}

#[test]
fn an_owner_that_is_not_set_or_not_readable_is_a_failure() {
    let text = script(&plan(vec![step("web", prepare(Some("1"), None))]), &local).unwrap();
    let ignored = r#"[ "$2" = - ] && cat > /dev/null || cat "$HERE/folder.tar""#;
    for (docker, told) in [
        (
            "exit 1",
            "cannot read the owner of the folder /var/it's in web\n",
        ),
        (
            "printf something",
            "cannot read the owner of the folder /var/it's in web\n",
        ),
        (
            ignored,
            "the owner of the folder /var/it's in web is not set\n",
        ),
    ] {
        let here = tempfile::tempdir().unwrap();
        let archive = folder_archive(0o755, 7, 8, false);
        std::fs::write(here.path().join("folder.tar"), archive).unwrap();
        let output = run_with(docker, &text, here.path());
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert_eq!(String::from_utf8(output.stderr).unwrap(), told);
    }
}
