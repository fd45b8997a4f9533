//! Containers that are run to their end.

use serde_json::json;

use super::{folder_archive, lines, local, plan, run_with, step};
use crate::plan::Work;
use crate::run::Run;
use crate::shell::script;

fn scripted() -> Run {
    Run {
        prepares: Vec::new(),
        body: json!({ "Image": "base:1", "Entrypoint": ["/bin/sh"], "Cmd": ["/tmp/a b/go.sh"] }),
        folder: Some("/tmp/a b".to_owned()),
        upload: Some("go.sh".into()),
        download: Some("-results".into()),
        timeout_s: 20,
        keep: false,
        timestamps: true,
        tail: Some(5),
        must_succeed: true,
    }
}

/// A `docker` that tells what it is asked for, and keeps what is copied.
const LOG: &str = r#"
for word; do printf '<%s>' "$word"; done >> "$HERE/log"
echo >> "$HERE/log"
case "$1" in
create) echo id1 ;;
wait) echo "${CODE:-0}" ;;
cp)
    case "$2 $3" in
    "- "*)
        cat > "$HERE/in.tar"
        tar -tf "$HERE/in.tar" >> "$HERE/list"
        [ -e "$HERE/new.tar" ] || cp "$HERE/in.tar" "$HERE/new.tar"
        ;;
    *" -") if [ -e "$HERE/new.tar" ]; then cat "$HERE/new.tar"; else cat "$HERE/folder.tar"; fi ;;
    esac
    ;;
logs) echo output ;;
esac
"#;

#[test]
fn a_run_leaves_no_container_whatever_happens() {
    for (code, must_succeed, status) in [(0, true, 0), (3, true, 1), (3, false, 0)] {
        let here = tempfile::tempdir().unwrap();
        std::fs::write(here.path().join("go.sh"), "exit 0").unwrap();
        let folder = folder_archive(0o755, 0, 0, false);
        std::fs::write(here.path().join("folder.tar"), folder).unwrap();
        let mut run = scripted();
        run.must_succeed = must_succeed;
        let text = script(&plan(vec![step("job", Work::Run(run))]), &local).unwrap();
        let docker = format!("CODE={code}\n{LOG}");
        let output = run_with(&docker, &text, here.path());
        assert_eq!(output.status.code(), Some(status), "{output:?}\n{text}");
        assert_eq!(output.stdout, b"output\n");
        assert!(here.path().join("-results").is_dir());
        let list = std::fs::read_to_string(here.path().join("list")).unwrap();
        assert_eq!(list, "/\n./\n./go.sh\n");
        let log = std::fs::read_to_string(here.path().join("log")).unwrap();
        insta::allow_duplicates! {
            insta::assert_snapshot!(log, @r"
            <create><--name=job><--entrypoint=/bin/sh><base:1></tmp/a b/go.sh>
            <cp><id1:/tmp/a b><->
            <cp><id1:/tmp/a b><->
            <cp><-><id1:/tmp/a b>
            <cp><id1:/tmp/a b><->
            <cp><-><id1:/tmp/a b>
            <start><id1>
            <wait><id1>
            <logs><--timestamps><--tail=5><id1>
            <cp><id1:/tmp/a b/.><./-results>
            <rm><--force><--volumes><id1>
            ");
        }
    }
}

/// A `docker` that waits as one does whose time is over.
const ENDLESS: &str = r#"
case "$1" in
create) echo id1 ;;
wait) exit 124 ;;
*) echo "$1" >> "$HERE/log" ;;
esac
"#;

#[test]
fn a_script_tells_of_what_does_not_end() {
    let stop = Work::Stop {
        signal: Some("SIGQUIT".to_owned()),
        timeout_s: Some(5),
    };
    let run = Run {
        folder: None,
        upload: None,
        download: None,
        ..scripted()
    };
    // No time at all is the engine's own.
    let none = Work::Stop {
        signal: Some("SIGQUIT".to_owned()),
        timeout_s: Some(0),
    };
    for (work, told, log) in [
        (stop, "5 s", "kill\n"),
        (none, "10 s", "kill\n"),
        (Work::Run(run), "20 s", "start\nrm\n"),
    ] {
        let here = tempfile::tempdir().unwrap();
        let steps = vec![step("it's", work), step("web", Work::RemoveNetwork)];
        let text = script(&plan(steps), &local).unwrap();
        let output = run_with(ENDLESS, &text, here.path());
        assert_eq!(output.status.code(), Some(1), "{output:?}\n{text}");
        let expected = format!("it's has not ended within {told}\n");
        assert_eq!(String::from_utf8(output.stderr).unwrap(), expected);
        let asked = std::fs::read_to_string(here.path().join("log")).unwrap();
        assert_eq!(asked, log);
    }
}

#[test]
fn a_run_without_files_is_short() {
    let run = Run {
        folder: None,
        upload: None,
        download: None,
        tail: None,
        timestamps: false,
        keep: true,
        must_succeed: false,
        ..scripted()
    };
    insta::assert_snapshot!(lines(Work::Run(run)), @r#"
    (
        id=$(docker create --name=web --entrypoint=/bin/sh base:1 '/tmp/a b/go.sh')
        docker start "$id" > /dev/null
        code=$(timeout 20 docker wait "$id") || {
            [ $? -ne 124 ] || echo 'web has not ended within 20 s' >&2
            exit 1
        }
        docker logs "$id"
        echo "exit code $code" >&2
    )
    "#);
}
