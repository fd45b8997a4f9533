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
fn names_and_changes_of_modes_are_left_to_the_container() {
    let lines = |user, permissions| {
        let text = script(&plan(vec![step("web", prepare(user, permissions))]), &local).unwrap();
        text.rsplit_once("\n\n").unwrap().1.to_owned()
    };
    insta::assert_snapshot!(lines(Some("www"), Some("u=rwX,g=u,o=")), @r"own web '/var/it'\''s' www www '0770 | before & 07000' 'u=rwX,g=u,o=' docker");
    insta::assert_snapshot!(lines(Some("www:007"), Some("a-st,u=rwX,g=rX,o=")), @r"own web '/var/it'\''s' www 7 0750 'a-st,u=rwX,g=rX,o=' docker");
    insta::assert_snapshot!(lines(None, Some("750")), @r"own web '/var/it'\''s' '' '' 0750 750 docker");
    let none = plan(vec![step("web", prepare(None, Some("u=rwy")))]);
    assert!(script(&none, &local).is_err());
}

/// A `docker cp` of which the folder's archive is a file, and commands of an image that are noted.
const COPY: &str = r#"
case "$1 ${2:-}" in
"inspect "*) echo image1 ;;
"run "*) echo "$*" >> "$HERE/log" && [ ! -e "$HERE/fails" ] ;;
"cp web:/var/it's") cat "$HERE/folder.tar" ;;
"cp web:/etc/passwd") cat "$HERE/passwd.tar" ;;
"cp web:/etc/group") exit 1 ;;
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
            chown("0:2097151") + &chmod("2770"),
        ),
        (
            None,
            Some("u=rwx,go=,a-st"),
            (0o700, 7, 8),
            chmod("u=rwx,go=,a-st"),
        ),
        (None, Some("g+w"), (0o775, 7, 8), chmod("g+w")),
        (
            Some("www:12"),
            Some("g=u"),
            (0o775, 33, 12),
            chown("33:12") + &chmod("g=u"),
        ),
        // There is nothing in it.
        (Some("3"), Some("700"), (0o700, 3, 3), String::new()),
        // It is so already.
        (
            Some("7:8"),
            Some("u+rwX,g=rX"),
            (0o755, 7, 8),
            String::new(),
        ),
    ] {
        let here = tempfile::tempdir().unwrap();
        let archive = folder_archive(0o40755, 7, 8, user != Some("3"));
        std::fs::write(here.path().join("folder.tar"), archive).unwrap();
        std::fs::write(here.path().join("passwd.tar"), passwd()).unwrap();
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

/// The users of a container as `docker cp` gives them.
fn passwd() -> Vec<u8> {
    let text =
        "root:x:0:0::/:/bin/sh\nwww:x:33:33:www:/var/www:\n1e1:x:34:34::/:\nhigh:x:2097152:1::/:\n";
    let mut header = tar::Header::new_ustar();
    header.set_mode(0o644);
    header.set_size(text.len() as u64);
    let mut archive = tar::Builder::new(Vec::new());
    archive
        .append_data(&mut header, "passwd", text.as_bytes())
        .unwrap();
    archive.into_inner().unwrap()
}

#[test]
fn what_a_script_cannot_set_ends_it() {
    for (user, fails, told) in [
        (
            "nobody:1",
            false,
            "/etc/passwd of web has no nobody; give a number instead\n",
        ),
        (
            "10e0:1",
            false,
            "/etc/passwd of web has no 10e0; give a number instead\n",
        ),
        (
            "1:www",
            false,
            "/etc/group of web has no www; give a number instead\n",
        ),
        (
            "high:1",
            false,
            "the owner high is more than a script can set; dfab itself can\n",
        ),
        (
            "2097152",
            false,
            "the owner 2097152 is more than a script can set; dfab itself can\n",
        ),
        // The folder is as it was, so that it is tried again.
        (
            "1",
            true,
            "what is in the folder /var/it's in web is not changed\n",
        ),
    ] {
        let here = tempfile::tempdir().unwrap();
        let archive = folder_archive(0o40755, 7, 8, true);
        std::fs::write(here.path().join("folder.tar"), archive).unwrap();
        std::fs::write(here.path().join("passwd.tar"), passwd()).unwrap();
        if fails {
            std::fs::write(here.path().join("fails"), "").unwrap();
        }
        let text = script(&plan(vec![step("web", prepare(Some(user), None))]), &local).unwrap();
        let output = run_with(COPY, &text, here.path());
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert_eq!(String::from_utf8(output.stderr).unwrap(), told);
        assert_eq!(here.path().join("new.tar").exists(), fails);
        if fails {
            let file = std::fs::read(here.path().join("new.tar")).unwrap();
            let mut archive = tar::Archive::new(file.as_slice());
            let entry = archive.entries().unwrap().next().unwrap().unwrap();
            let header = entry.header();
            assert_eq!(header.uid().unwrap(), 7);
            assert_eq!(header.mode().unwrap(), 0o755);
        }
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
