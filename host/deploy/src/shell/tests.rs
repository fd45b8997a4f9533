use std::path::Path;
use std::process::{Command as Process, Output};

use serde_json::{Value, json};

use super::*;
use crate::run::Run;

fn step(name: &str, work: Work) -> Step {
    Step {
        host: "local".to_owned(),
        host_index: 0,
        kind: "container",
        name: name.to_owned(),
        work,
        after: Vec::new(),
        reason: String::new(),
        if_changed: Vec::new(),
    }
}

fn plan(steps: Vec<Step>) -> Plan {
    Plan {
        action: "startup".to_owned(),
        hosts: vec!["local".to_owned()],
        nodes: steps.len(),
        steps,
    }
}

fn local(_: &str) -> Vec<String> {
    vec!["docker".to_owned()]
}

/// The lines of one step, after those that every script has.
fn lines(work: Work) -> String {
    let text = script(&plan(vec![step("web", work)]), &local).unwrap();
    text.split_once("on local\n\n").unwrap().1.to_owned()
}

fn create(body: &Value) -> String {
    lines(Work::CreateContainer { body: body.clone() })
}

/// Runs a script with a `docker` that is a script of the test's own, which finds a folder in `$HERE`.
fn run_with(docker: &str, text: &str, here: &Path) -> Output {
    use std::os::unix::fs::PermissionsExt as _;
    let program = here.join("docker");
    std::fs::write(&program, format!("#!/bin/sh\nset -eu\n{docker}")).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let file = here.join("script.sh");
    std::fs::write(&file, text).unwrap();
    Process::new("sh")
        .arg(&file)
        .env("HERE", here)
        .env("PATH", format!("{}:/usr/bin:/bin", here.display()))
        .current_dir(here)
        .output()
        .unwrap()
}

#[test]
fn a_script_has_its_steps_in_order_with_their_reasons_and_hosts() {
    let mut pull = step(
        "registry.example/web:1",
        Work::PullImage {
            repository: "registry.example/web".to_owned(),
            tag: "1".to_owned(),
        },
    );
    pull.reason = "not there\n$(reboot)".to_owned();
    let mut start = step("web", Work::Start);
    start.host = "far".to_owned();
    let mut stop = step(
        "web",
        Work::Stop {
            signal: Some("SIGINT".to_owned()),
            timeout_s: None,
        },
    );
    stop.if_changed = vec![
        ("web:1".to_owned(), Some("sha256:1".to_owned())),
        ("base:1".to_owned(), None),
    ];
    let plan = plan(vec![pull, start, stop]);
    let docker = |host: &str| match host {
        "far" => ["docker", "-H", "ssh://far host"]
            .map(str::to_owned)
            .to_vec(),
        _ => vec!["docker".to_owned()],
    };
    insta::assert_snapshot!(script(&plan, &docker).unwrap(), @r#"
    #!/bin/sh
    set -eu

    # dfab startup on local

    # not there\n$(reboot)
    docker pull registry.example/web:1

    docker -H 'ssh://far host' start web

    if [ "$(docker image inspect --format='{{.Id}}' web:1 2> /dev/null)" != sha256:1 ] || \
        [ "$(docker image inspect --format='{{.Id}}' base:1 2> /dev/null)" != '' ]
    then
        docker kill --signal=SIGINT web
        timeout 10 docker wait web > /dev/null || {
            [ $? -ne 124 ] || echo 'web has not ended within 10 s' >&2
            exit 1
        }
    fi
    "#);
}

#[test]
fn a_plan_without_steps_says_so() {
    insta::assert_snapshot!(script(&plan(Vec::new()), &local).unwrap(), @r"
    #!/bin/sh
    set -eu

    # dfab startup on local
    # There is nothing to do.
    ");
}

#[test]
fn everything_that_a_plan_does_has_a_line() {
    let text = |text: &str| text.to_owned();
    let works = vec![
        Work::PullImage {
            repository: text("web"),
            tag: text("sha256:12"),
        },
        Work::CreateNetwork {
            body: json!({
                "Name": "app", "CheckDuplicate": true, "Driver": "bridge", "EnableIPv6": true,
                "Attachable": true, "Labels": { "dfab.map": "m" },
                "IPAM": {
                    "Driver": "default",
                    "Config": [{
                        "Subnet": "10.1.0.0/16", "IPRange": "10.1.1.0/24", "Gateway": "10.1.0.1",
                        "AuxiliaryAddresses": { "router": "10.1.0.2" },
                    }],
                },
                "Shape": 1,
            }),
        },
        Work::CreateVolume {
            body: json!({ "Name": "m.data", "Driver": "nfs", "DriverOpts": { "o": "a=b,c" } }),
        },
        Work::Stop {
            signal: None,
            timeout_s: Some(3),
        },
        Work::Signal {
            signal: text("HUP"),
        },
        Work::RemoveContainer {
            force: true,
            volumes: true,
        },
        Work::RemoveNetwork,
        Work::RemoveVolume,
        Work::Connect {
            network: text("app"),
            endpoint: json!({
                "Aliases": ["a,b"], "Links": ["db:db"], "DriverOpts": { "a": "b" },
                "IPAMConfig": { "IPv6Address": "::1" }, "MacAddress": "02:42:00:00:00:01",
            }),
        },
        Work::Disconnect {
            network: text("app"),
        },
        Work::Exec {
            argv: vec![text("sh"), text("-c"), text("echo $HOME")],
            user: Some(text("0")),
            initial: false,
        },
        Work::Delay { milliseconds: 1200 },
        Work::Update {
            body: json!({
                "Memory": 1024, "RestartPolicy": { "Name": "always" }, "Devices": [],
            }),
        },
    ];
    let all: String = works.into_iter().map(lines).collect();
    insta::assert_snapshot!(all, @r#"
    docker pull web@sha256:12
    # not expressed: Shape 1
    docker network create --driver=bridge --ipv6 --attachable --label='dfab.map=m' \
        --ipam-driver=default --subnet=10.1.0.0/16 --ip-range=10.1.1.0/24 --gateway=10.1.0.1 \
        --aux-address='router=10.1.0.2' app
    docker volume create --driver=nfs --opt='o=a=b,c' m.data
    docker stop -t 3 web
    docker kill --signal=HUP web
    docker rm --force --volumes web
    docker network rm web
    docker volume rm web
    # not expressed: MacAddress "02:42:00:00:00:01"
    docker network connect --alias='"a,b"' --link=db:db --driver-opt='a=b' --ip6=::1 app web
    docker network disconnect app web
    timeout 10 docker exec --user=0 web sh -c 'echo $HOME' || [ $? -eq 124 ]
    sleep 2
    # not expressed: Devices []
    docker update --memory=1024 --restart=always web
    "#);
}

#[test]
fn a_container_has_all_its_fields() {
    let body = json!({
        "Image": "web:1",
        "Hostname": "web",
        "User": "33:33",
        "Env": ["A=b c", "Q=it's", "GONE", "PATH"],
        "Labels": { "dfab.map": "m", "empty": "", "a=b": "c", "x y": "z" },
        "Volumes": { "/v": {}, "/b": {} },
        "OpenStdin": true,
        "Tty": false,
        "Healthcheck": { "Test": ["CMD-SHELL", "test -f /ok"], "Interval": 90_000_000_000_i64, "Retries": 3 },
        "Entrypoint": ["/bin/a", "-x"],
        "Cmd": ["b c", "--name=d"],
        "NetworkingConfig": { "EndpointsConfig": { "app": {
            "Aliases": ["w"], "Links": ["db:db"], "IPAMConfig": { "IPv4Address": "10.1.0.9" },
        } } },
        "HostConfig": {
            "NetworkMode": "app",
            "Links": ["db:db", "old:old"],
            "Binds": ["/b:/b:ro"],
            "PortBindings": {
                "80/tcp": [{ "HostIp": "::1", "HostPort": "8080" }, { "HostPort": "" }],
                "53/udp": [{ "HostIp": "127.0.0.1", "HostPort": "" }],
            },
            "Init": false,
            "Ulimits": [{ "Name": "nofile", "Soft": 10, "Hard": 20 }, { "Name": "core", "Soft": 0 }],
            "Devices": [{ "PathOnHost": "/dev/a", "PathInContainer": "/dev/b", "CgroupPermissions": "r" }],
            "BlkioDeviceReadBps": [{ "Path": "/dev/sda", "Rate": 1000 }],
            "LogConfig": { "Type": "json-file", "Config": { "max-size": "1m" } },
            "Tmpfs": { "/run": "", "/tmp": "size=1m" },
            "SecurityOpt": ["no-new-privileges", "seccomp={}"],
            "Mounts": [{
                "Type": "volume", "Source": "s", "Target": "/x,y", "ReadOnly": true,
                "VolumeOptions": {
                    "NoCopy": true, "Labels": { "a": "b" },
                    "DriverConfig": { "Name": "local", "Options": { "o": "p" } },
                },
                "Other": 1,
            }],
            "DeviceRequests": [
                { "Count": -1, "Capabilities": [["gpu", "utility", "compute"]] },
                { "Driver": "cdi", "DeviceIDs": ["x"] },
            ],
            "CpuCount": 2,
        },
    });
    insta::assert_snapshot!(create(&body), @r#"
    # not expressed: Env PATH is to be taken out
    # not expressed: Labels.a=b "c"
    # not expressed: Labels.x y "z"
    # the client has standard input closed after the first who attaches to it
    # not expressed: SecurityOpt "seccomp={}"
    # not expressed: Mounts.Other 1
    # not expressed: DeviceRequests {"Driver":"cdi","DeviceIDs":["x"]}
    # not expressed: CpuCount 2
    # not expressed: HostConfig.Links "old:old"
    # the client takes one word as the entry point: the others begin the command
    env -u GONE docker create --name=web --hostname=web --user=33:33 --env='A=b c' --env='Q=it'\''s' \
        --env=GONE --label='dfab.map=m' --label='empty=' --volume=/v --volume=/b --interactive \
        --health-cmd='test -f /ok' --health-interval=90s --health-retries=3 --volume=/b:/b:ro \
        --publish='[::1]:8080:80/tcp' --publish=80/tcp --publish=127.0.0.1::53/udp --init=false \
        --ulimit='nofile=10:20' --ulimit='core=0' --device=/dev/a:/dev/b:r \
        --device-read-bps=/dev/sda:1000 --log-driver=json-file --log-opt='max-size=1m' --tmpfs=/run \
        --tmpfs='/tmp:size=1m' --security-opt=no-new-privileges \
        --mount='type=volume,source=s,"target=/x,y",readonly,volume-nocopy,volume-label=a=b,volume-driver=local,volume-opt=o=p' \
        --gpus='count=all,"capabilities=utility,compute"' --network=app --network-alias=w --link=db:db \
        --ip=10.1.0.9 --entrypoint=/bin/a web:1 -x 'b c' --name=d
    "#);
}

#[test]
fn a_check_without_a_shell_is_one_with_a_shell() {
    let body = json!({
        "Image": "web", "Entrypoint": "/bin/a",
        "Healthcheck": { "Test": ["CMD", "curl", "a b", "{c,d}"], "Timeout": 1_500_000_000, "Interval": 1 },
    });
    insta::assert_snapshot!(create(&body), @r#"
    # the client knows checks by the container's shell only, this is without: `dfab update` makes the container anew for it
    docker create --name=web --health-cmd='curl '\''a b'\'' '\''{c,d}'\''' --health-interval=1ns \
        --health-timeout=1500ms --entrypoint=/bin/a web
    "#);
}

#[test]
fn what_is_not_in_its_form_is_told() {
    let body = json!({
        "Image": "web", "Env": { "A": "b" }, "Cmd": [["x"]], "Tty": "yes",
        "Healthcheck": { "Test": ["NONE"], "Retries": 2 },
        "NetworkDisabled": true,
        "HostConfig": {
            "Mounts": ["/a:/b"], "LogConfig": "syslog", "PortBindings": [80], "Memory": [1],
            "NetworkMode": "host", "RestartPolicy": { "Name": "always", "Delay": 1 },
        },
    });
    insta::assert_snapshot!(create(&body), @r#"
    # not expressed: Env {"A":"b"}
    # not expressed: Tty "yes"
    # not expressed: Healthcheck.Retries 2
    # not expressed: Mounts "/a:/b"
    # not expressed: LogConfig "syslog"
    # not expressed: PortBindings [80]
    # not expressed: Memory [1]
    # not expressed: RestartPolicy.Delay 1
    # not expressed: HostConfig.NetworkMode "host"
    # not expressed: Cmd [["x"]]
    docker create --name=web --no-healthcheck --restart=always --network=none web
    "#);
}

#[test]
fn what_cannot_be_a_line_is_refused() {
    let error = |work| {
        let error = script(&plan(vec![step("web", work)]), &local).unwrap_err();
        let source = std::error::Error::source(&error).unwrap().to_string();
        format!("{error}: {source}")
    };
    assert_eq!(
        error(Work::CreateContainer { body: json!({}) }),
        "create container web on local cannot be written as a command line: the container web has \
         no image"
    );
    assert_eq!(
        error(Work::Exec {
            argv: vec!["a\0".to_owned()],
            user: None,
            initial: false,
        }),
        "exec container web on local cannot be written as a command line: \"a\\0\" has a NUL \
         character in it, which no command line can hold"
    );
}

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

fn folder_archive(mode: u32, uid: u64, gid: u64, file: bool) -> Vec<u8> {
    let mut header = tar::Header::new_ustar();
    header.set_entry_type(tar::EntryType::Directory);
    header.set_mode(mode);
    header.set_uid(uid);
    header.set_gid(gid);
    header.set_mtime(1_700_000_000);
    header.set_size(0);
    let mut archive = tar::Builder::new(Vec::new());
    archive
        .append_data(&mut header, "it's/", std::io::empty())
        .unwrap();
    if !file {
        return archive.into_inner().unwrap();
    }
    // More than a pipe holds, of which nobody reads the end.
    let mut file = tar::Header::new_ustar();
    file.set_size(300_000);
    let content = vec![0; 300_000];
    archive
        .append_data(&mut file, "it's/file", content.as_slice())
        .unwrap();
    archive.into_inner().unwrap()
}

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
    for (work, told, log) in [
        (stop, "5 s", "kill\n"),
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

#[test]
fn words_reach_the_client_as_they_are() {
    let argv = [
        "a b", "", "it's", "$HOME", "`x`", "!", "-n", "--", "é\n\t\\", "*", "~",
    ];
    let work = Work::Exec {
        argv: argv.map(str::to_owned).to_vec(),
        user: None,
        initial: false,
    };
    let here = tempfile::tempdir().unwrap();
    let text = script(&plan(vec![step("web", work)]), &local).unwrap();
    let output = run_with(r#"printf '%s\000' "$@""#, &text, here.path());
    let read = String::from_utf8(output.stdout).unwrap();
    let read: Vec<_> = read.split_terminator('\0').collect();
    assert_eq!(read, [&["exec", "web"], argv.as_slice()].concat());
}
