mod container;
mod run;
mod volume;

use std::path::Path;
use std::process::{Command as Process, Output};

use serde_json::json;

use super::*;

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

/// The folder of a volume as `docker cp` gives it, maybe with a file in it.
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
