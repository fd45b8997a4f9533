//! The tasks of the plugin `docker` on real hosts: what they show, tidy up and copy.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use dfab_tests::planner::component;
use dfab_tests::{Output, Project, TestHost, process};
use serde_json::Value;

const IMAGE: &str = "registry.example.com/app:latest";

fn hosts(count: usize) -> Result<(Vec<TestHost>, Project)> {
    Project::with_hosts(count, IMAGE)
}

fn host() -> Result<(TestHost, Project)> {
    let (mut hosts, project) = hosts(1)?;
    Ok((hosts.pop().context("no host")?, project))
}

/// Runs a task on `h1`.
fn run(project: &Project, words: &[&str]) -> Result<Output> {
    project.dfab(&[&["run", "docker"], words, &["-H", "h1"]].concat())
}

/// The same, for its data.
fn data(project: &Project, words: &[&str]) -> Result<Value> {
    let answer = run(project, &[words, &["--output", "json"]].concat())?.json()?;
    Ok(answer.get("h1").cloned().unwrap_or_default())
}

fn texts(data: &Value, field: &str) -> BTreeSet<String> {
    let items = data.as_array().into_iter().flatten();
    items
        .filter_map(|item| item.get(field)?.as_str().map(str::to_owned))
        .collect()
}

fn set<const N: usize>(names: [&str; N]) -> BTreeSet<String> {
    names.map(str::to_owned).into()
}

/// A container that was never started, with these files in /srv: some hidden, some with odd names.
fn container(host: &TestHost, name: &str) -> Result<()> {
    host.shell(&format!(
        "rm -rf /tmp/srv && mkdir -p /tmp/srv/app/.cache && cd /tmp/srv/app
         echo one > 'a *b' && echo two > .hidden && echo three > .cache/x && ln -s .hidden link
         chmod 640 .hidden && chown 7:8 .hidden
         docker create --name {name} {IMAGE} > /dev/null && docker cp -a /tmp/srv {name}:/"
    ))
    .map(drop)
}

/// What is in an archive, a line each: owner, mode and name.
fn listed(archive: &Path) -> Result<Vec<String>> {
    let mut tar = Command::new("tar");
    tar.arg("--numeric-owner").arg("-tvf").arg(archive);
    let printed = process::run(&mut tar, b"", Duration::from_secs(10))?.success()?;
    let mut lines: Vec<String> = printed
        .lines()
        .map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let (about, name) = (words.get(..2), words.get(5..));
            let about = about.unwrap_or_default().join(" ");
            format!("{about} {}", name.unwrap_or_default().join(" "))
        })
        .collect();
    lines.sort();
    Ok(lines)
}

#[test]
fn b_53_lists_show_ids_without_the_kind_of_their_digest() -> Result<()> {
    let (host, project) = host()?;
    host.docker(&["volume", "create", "data"])?;
    host.docker(&["create", "--name", "box", IMAGE])?;
    for (words, object) in [
        (vec!["list-images"], IMAGE),
        (vec!["list-containers", "--all"], "box"),
        (vec!["list-networks"], "bridge"),
    ] {
        let id = host.docker(&["inspect", "--format", "{{.Id}}", object])?;
        let id = id.trim_start_matches("sha256:");
        let table = run(&project, &words)?.success()?;
        let task = words.join(" ");
        let words: Vec<&str> = table.split_whitespace().collect();
        let short = id.get(..12).context("a short id")?;
        ensure!(words.contains(&short), "{task}: {table}");
        ensure!(!table.contains("sha256"), "{task}: {table}");
    }
    let networks = data(&project, &["list-networks"])?;
    assert_eq!(texts(&networks, "name"), set(["bridge", "host", "none"]));
    let filtered = data(&project, &["list-networks", "--filter", "driver=host"])?;
    assert_eq!(texts(&filtered, "name"), set(["host"]));
    let volumes = data(&project, &["list-volumes"])?;
    assert_eq!(texts(&volumes, "name"), set(["data"]));
    Ok(())
}

#[test]
fn b_56_addresses_are_read_with_what_the_host_has() -> Result<()> {
    let (host, project) = host()?;
    let address = host.shell("ip -4 -o addr show dev docker0 | awk '{print $4}' | cut -d/ -f1")?;
    assert_eq!(data(&project, &["get-ip"])?, serde_json::json!([address]));
    let text = run(&project, &["get-ip"])?.success()?;
    ensure!(text.lines().any(|line| line == address), "{text}");
    let own = data(&project, &["get-ip", "--interface", "eth0"])?;
    assert_eq!(own, serde_json::json!([host.address().to_string()]));
    let missing = run(&project, &["get-ip", "--interface", "eth7"])?;
    assert_eq!(missing.status, 1, "{missing:?}");
    let told = "there is no interface eth7; there are docker0";
    ensure!(missing.stderr.contains(told), "{missing:?}");

    host.shell("rm -f /usr/bin/ip /usr/sbin/ip /usr/bin/ifconfig /usr/sbin/ifconfig")?;
    let neither = run(&project, &["get-ip"])?;
    ensure!(neither.stderr.contains("install iproute2"), "{neither:?}");
    for printed in [
        "inet addr:10.1.2.3  Bcast:10.1.255.255\n          inet6 addr: fd00::7:1/64 Scope:Global",
        "inet 10.1.2.3  netmask 255.255.0.0\n        inet6 fd00::7:1  prefixlen 64",
    ] {
        host.shell(&format!(
            "printf '%s\\n' '#!/bin/sh' 'cat << END' 'docker0   Link' '          {printed}' END \
             > /usr/sbin/ifconfig && chmod 755 /usr/sbin/ifconfig"
        ))?;
        assert_eq!(
            data(&project, &["get-ip"])?,
            serde_json::json!(["10.1.2.3"])
        );
        let expanded = data(&project, &["get-ipv6", "--expand"])?;
        let wanted = "fd00:0000:0000:0000:0000:0000:0007:0001";
        assert_eq!(expanded, serde_json::json!([wanted]));
    }
    Ok(())
}

#[test]
fn b_47_cleaning_up_shows_first_and_removes_what_it_has_shown() -> Result<()> {
    let (host, project) = host()?;
    for name in ["ended", "kept"] {
        host.docker(&[
            "run",
            "--name",
            name,
            "--network",
            "none",
            IMAGE,
            "report",
            "0",
        ])?;
    }
    host.docker(&["run", "-d", "--name", "runs", "--network", "none", IMAGE])?;
    host.docker(&["create", "--name", "new", "--network", "none", IMAGE])?;
    let names = || -> Result<BTreeSet<String>> {
        let names = host.docker(&["ps", "-a", "--format", "{{.Names}}"])?;
        Ok(names.lines().map(str::to_owned).collect())
    };
    let all = set(["ended", "kept", "new", "runs"]);
    for preview in ["--list-only", "--dry-run"] {
        // Nobody is asked: there is nothing to agree to.
        let shown = data(&project, &["remove-all-containers", preview])?;
        assert_eq!(texts(&shown, "name"), all);
        let shown = data(&project, &["cleanup-containers", preview])?;
        assert_eq!(texts(&shown, "name"), set(["ended", "kept"]));
        assert_eq!(names()?, all);
    }
    let refused = run(&project, &["cleanup-containers"])?;
    ensure!(refused.status != 0 && names()? == all, "{refused:?}");

    let clean = [
        "cleanup-containers",
        "--keep",
        "kept",
        "--include-initial",
        "-y",
    ];
    let removed = data(&project, &clean)?;
    assert_eq!(texts(&removed, "name"), set(["ended", "new"]));
    assert_eq!(names()?, set(["kept", "runs"]));
    let removed = data(
        &project,
        &["remove-all-containers", "--stop-timeout", "1", "-y"],
    )?;
    assert_eq!(
        texts(&removed, "outcome"),
        set(["removed", "stopped, removed"])
    );
    assert_eq!(names()?, set([]));
    let nothing = run(&project, &["cleanup-containers", "-y"])?.success()?;
    ensure!(nothing.contains("no container is left over"), "{nothing}");
    Ok(())
}

#[test]
fn images_are_cleaned_up_by_use_and_by_tags() -> Result<()> {
    let (host, project) = host()?;
    host.docker(&["create", "--name", "box", IMAGE])?;
    for name in ["old:1", "old:2", "kept:stable", "kept:1"] {
        // Each an image of its own.
        let change = format!("LABEL is={name}");
        host.docker(&["commit", "--change", &change, "box", name])?;
    }
    host.docker(&["tag", "old:1", "again:1"])?;
    host.docker(&["commit", "--change", "LABEL is=none", "box"])?;
    let tags = || -> Result<BTreeSet<String>> {
        let images = host.docker(&["images", "--format", "{{.Repository}}:{{.Tag}}"])?;
        Ok(images.lines().map(str::to_owned).collect())
    };
    let before = tags()?;
    ensure!(before.contains("<none>:<none>"), "{before:?}");
    let shown = data(&project, &["cleanup-images", "--list-only"])?;
    assert_eq!(shown.as_array().map(Vec::len), Some(1));
    assert_eq!(tags()?, before);
    data(&project, &["cleanup-images", "-y"])?;
    let named = set([IMAGE, "again:1", "kept:1", "kept:stable", "old:1", "old:2"]);
    assert_eq!(tags()?, named);

    project.write("dfab.yaml", "settings: {docker_keep_tags: [stable, '2']}\n")?;
    data(&project, &["cleanup-images", "--remove-old", "-y"])?;
    assert_eq!(tags()?, set([IMAGE, "kept:stable", "old:2"]));
    let keep = ["cleanup-images", "--remove-old", "--keep-tag", "2", "-y"];
    data(&project, &keep)?;
    assert_eq!(tags()?, set([IMAGE, "old:2"]));
    // The image of the container stays for its sake, whatever it is called.
    host.docker(&["tag", IMAGE, "other:9"])?;
    host.docker(&["rmi", IMAGE])?;
    data(&project, &["cleanup-images", "--remove-old", "-y"])?;
    assert_eq!(tags()?, set(["old:2", "other:9"]));
    Ok(())
}

#[test]
fn b_55_all_that_is_in_a_folder_comes_along_from_every_host() -> Result<()> {
    let (hosts, project) = hosts(2)?;
    for host in &hosts {
        container(host, "box")?;
    }
    let copy = ["copy-resource", "--container", "box", "--path", "/srv/app"];
    run(&project, &[&copy[..], &["--to", "out"]].concat())?.success()?;
    let read = |path: &str| std::fs::read_to_string(project.folder().join(path));
    assert_eq!(read("out/a *b")?, "one\n");
    assert_eq!(read("out/.hidden")?, "two\n");
    assert_eq!(read("out/.cache/x")?, "three\n");
    let link = std::fs::read_link(project.folder().join("out/link"))?;
    assert_eq!(link, Path::new(".hidden"));
    let mode = std::fs::metadata(project.folder().join("out/.hidden"))?.permissions();
    assert_eq!(mode.mode() & 0o777, 0o640);

    let both = ["-H", "h1,h2", "--to", "both/app.tar", "--whole"];
    project
        .dfab(&[&["run", "docker"], &copy[..], &both[..]].concat())?
        .success()?;
    for host in ["h1", "h2"] {
        let lines = listed(&project.folder().join(format!("both/{host}/app.tar")))?;
        assert_eq!(
            lines,
            [
                "-rw-r----- 7/8 app/.hidden",
                "-rw-r--r-- 0/0 app/.cache/x",
                "-rw-r--r-- 0/0 app/a *b",
                "drwxr-xr-x 0/0 app/",
                "drwxr-xr-x 0/0 app/.cache/",
                "lrwxrwxrwx 0/0 app/link -> .hidden",
            ]
        );
    }
    let missing = run(
        &project,
        &[
            "copy-resource",
            "--container",
            "box",
            "--path",
            "/nowhere",
            "--to",
            "none.tar",
        ],
    )?;
    assert_eq!(missing.status, 1, "{missing:?}");
    ensure!(!project.folder().join("none.tar").exists());
    Ok(())
}

#[test]
fn b_54_parts_of_a_container_become_files_or_an_image_under_new_names() -> Result<()> {
    let (host, project) = host()?;
    container(&host, "box")?;
    let parts = [
        "--container",
        "box",
        "--path",
        "/srv/app",
        "--path",
        "/etc/passwd",
        "--rename",
        "/srv/app=www/site",
        "--owner",
        "1000:100",
        "--permissions",
        "u=rwX,g=rX,o=",
    ];
    let wanted = [
        "-rw-r----- 1000/100 etc/passwd",
        "-rw-r----- 1000/100 www/site/.cache/x",
        "-rw-r----- 1000/100 www/site/.hidden",
        "-rw-r----- 1000/100 www/site/a *b",
        "drwxr-x--- 1000/100 www/site/",
        "drwxr-x--- 1000/100 www/site/.cache/",
        "lrwxrwxrwx 1000/100 www/site/link -> .hidden",
    ];
    run(
        &project,
        &[&["copy-resources"], &parts[..], &["--to", "parts.tgz"]].concat(),
    )?
    .success()?;
    assert_eq!(listed(&project.folder().join("parts.tgz"))?, wanted);
    run(
        &project,
        &[&["isolate-and-get"], &parts[..], &["--to", "got"]].concat(),
    )?
    .success()?;
    assert_eq!(
        listed(&project.folder().join("got/container_box.tar.gz"))?,
        wanted
    );

    let image = ["--image", "parts:1", "--change", "CMD [\"/www/run\"]", "-y"];
    let made = data(
        &project,
        &[&["isolate-to-image"], &parts[..], &image[..]].concat(),
    )?;
    let inspected = host.inspect("parts:1")?;
    assert_eq!(inspected["Id"], made["id"]);
    assert_eq!(inspected["Config"]["Cmd"], serde_json::json!(["/www/run"]));
    let files = host.shell(
        "docker create --name parts parts:1 > /dev/null
         docker cp parts:/www - | tar --numeric-owner -tv | awk '{print $1, $2, $6}' | sort",
    )?;
    ensure!(
        files.contains("-rw-r----- 1000/100 www/site/.hidden"),
        "{files}"
    );

    let lost = run(
        &project,
        &[
            "isolate-to-image",
            "--container",
            "box",
            "--path",
            "/srv/app",
            "--path",
            "/nowhere",
            "--image",
            "lost:1",
            "-y",
        ],
    )?;
    assert_eq!(lost.status, 1, "{lost:?}");
    ensure!(lost.stderr.contains("/nowhere"), "{lost:?}");
    ensure!(host.inspect("lost:1").is_err(), "half an image was made");
    Ok(())
}

#[test]
fn files_go_into_a_container_as_they_are() -> Result<()> {
    let (host, project) = host()?;
    host.docker(&["create", "--name", "box", IMAGE])?;
    project.write("site/index.html", "hello")?;
    project.write("site/.well-known/x", "y")?;
    std::os::unix::fs::symlink("/etc/shadow", project.folder().join("site/link"))?;
    let copy = [
        "copy-into",
        "--container",
        "box",
        "--path",
        "/tmp",
        "--from",
        "site",
        "-y",
    ];
    run(&project, &copy)?.success()?;
    let files =
        host.shell("docker cp box:/tmp - | tar --numeric-owner -tv | awk '{print $2, $6, $8}'")?;
    for line in [
        "0/0 tmp/index.html",
        "0/0 tmp/.well-known/x",
        "0/0 tmp/link /etc/shadow",
    ] {
        ensure!(files.lines().any(|found| found.trim() == line), "{files}");
    }
    Ok(())
}

#[test]
fn an_image_is_saved_on_one_host_and_loaded_on_another() -> Result<()> {
    let (hosts, project) = hosts(2)?;
    let [first, second] = hosts.as_slice() else {
        anyhow::bail!("two hosts were asked for")
    };
    first.docker(&["tag", IMAGE, "team/web:3"])?;
    run(
        &project,
        &["save-image", "--image", "team/web:3", "--to", "images"],
    )?
    .success()?;
    let file = project.folder().join("images/image_web.tar.gz");
    ensure!(
        listed(&file)?
            .iter()
            .any(|line| line.ends_with("manifest.json"))
    );
    second.docker(&["rmi", "-f", IMAGE])?;
    let load = [
        "load-image",
        "--file",
        "images/image_web.tar.gz",
        "-y",
        "-H",
        "h2",
    ];
    let loaded = project
        .dfab(&[&["run", "docker"], &load[..], &["--output", "json"]].concat())?
        .json()?;
    assert_eq!(loaded["h2"], serde_json::json!(["team/web:3"]));
    assert_eq!(
        first.inspect("team/web:3")?["Id"],
        second.inspect("team/web:3")?["Id"]
    );
    let missing = run(
        &project,
        &["save-image", "--image", "no/such", "--to", "none.tar"],
    )?;
    assert_eq!(missing.status, 1, "{missing:?}");
    ensure!(!project.folder().join("none.tar").exists());
    project.write("broken.tar", "this is no archive")?;
    let broken = run(&project, &["load-image", "--file", "broken.tar", "-y"])?;
    assert_eq!(broken.status, 1, "{broken:?}");
    Ok(())
}

#[test]
fn a_flat_image_keeps_its_settings_and_leaves_no_container() -> Result<()> {
    let (host, project) = host()?;
    container(&host, "box")?;
    let changes = [
        "--change",
        "ENV TEXT='a $b \"c\"'",
        "--change",
        "CMD [\"serve\"]",
        "--change",
        "USER 1234",
        "--change",
        "LABEL team='blue green'",
    ];
    host.docker(&[&["commit"], &changes[..], &["box", "deep:1"]].concat())?;
    host.docker(&["rm", "box"])?;
    run(
        &project,
        &[
            "flatten-image",
            "--image",
            "deep:1",
            "--name",
            "flat:1",
            "-y",
        ],
    )?
    .success()?;
    let (deep, flat) = (host.inspect("deep:1")?, host.inspect("flat:1")?);
    assert_eq!(deep["RootFS"]["Layers"].as_array().map(Vec::len), Some(2));
    assert_eq!(flat["RootFS"]["Layers"].as_array().map(Vec::len), Some(1));
    for field in ["Env", "Cmd", "Entrypoint", "User", "Labels"] {
        assert_eq!(flat["Config"][field], deep["Config"][field], "{field}");
    }
    assert_eq!(host.docker(&["ps", "-aq"])?, "");
    let ran = host.docker(&["run", "--rm", "--network", "none", "flat:1", "report", "0"])?;
    ensure!(ran.starts_with("out\n1234"), "{ran}");
    Ok(())
}

#[test]
fn a_plugin_of_the_project_does_what_it_was_granted() -> Result<()> {
    let (host, project) = host()?;
    host.docker(&[
        "run",
        "--name",
        "ended",
        "--network",
        "none",
        IMAGE,
        "report",
        "0",
    ])?;
    let plugin = component("docker")?;
    let grant = |grants: &str| {
        let text = format!(
            "plugins: [{{path: {}, digest: any, grant: [{grants}]}}]\n",
            plugin.display()
        );
        project.write("dfab.yaml", &text)
    };
    grant("docker.read")?;
    let denied = run(&project, &["cleanup-containers", "-y"])?;
    assert_eq!(denied.status, 1, "{denied:?}");
    let line = "grant: [\"docker.read\", \"docker.containers\"]";
    ensure!(denied.stderr.contains(line), "{denied:?}");
    ensure!(host.inspect("ended").is_ok());
    grant("docker.read, docker.containers")?;
    run(&project, &["cleanup-containers", "-y"])?.success()?;
    ensure!(host.inspect("ended").is_err());
    Ok(())
}
