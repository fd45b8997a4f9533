//! Images that hosts build of a folder of this machine.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use dfab_tests::process::{self, until};
use dfab_tests::registry::Registry;
use dfab_tests::{Project, TestHost, images};

const IMAGE: &str = "registry.example.com/app:latest";
const SOON: Duration = Duration::from_secs(30);

/// Hosts `h1`, `h2` and so on, without any image.
fn hosts(count: usize) -> Result<(Vec<TestHost>, Project)> {
    let hosts = TestHost::start_many(count)?;
    let project = Project::new()?;
    for (number, host) in (1..).zip(&hosts) {
        project.add_host(&format!("h{number}"), host)?;
    }
    Ok((hosts, project))
}

/// Gives a host the image of the test program.
fn load(host: &TestHost) -> Result<()> {
    images::ensure(IMAGE)?;
    host.load_image(IMAGE)
}

fn id(host: &TestHost, image: &str) -> Result<String> {
    host.docker(&["image", "inspect", "-f", "{{.Id}}", image])
}

/// What is below a folder of an image: mode, owner, size and path of each.
fn contents(host: &TestHost, image: &str, folder: &str) -> Result<Vec<String>> {
    let listed = host.shell(&format!(
        "one=$(docker create {image} none)
         docker export $one | tar -tv --numeric-owner | grep ' {folder}/.' | \
             sed -E 's/ [-0-9]{{10}} [0-9:]{{5}} / /; s/  +/ /'
         docker rm $one > /dev/null"
    ))?;
    Ok(listed.lines().map(str::to_owned).collect())
}

#[test]
fn every_host_gets_the_image_with_all_its_names() -> Result<()> {
    let (hosts, project) = hosts(2)?;
    let dockerfile = "FROM scratch AS base\nARG MODE=none\nCOPY a /\nLABEL mode=$MODE\n\
                      FROM base\nCOPY b /\n";
    project.write("web/Dockerfile", dockerfile)?;
    project.write("web/a", "a")?;
    project.write("web/b", "b")?;
    let names = ["-t", "shop/app:1.2", "-t", "other", "--latest"];
    let line = ["build", "web", "-H", "h1,h2", "--build-arg", "MODE=secret"];
    let line = [&line[..], &names].concat();

    let dry = project.dfab(&[&line[..], &["--dry-run"]].concat())?;
    assert_eq!((dry.status, dry.stdout.as_str()), (0, ""), "{dry:?}");
    let told = "build shop/app:1.2, other:latest, shop/app:latest of web: 3 files, 82 B\n";
    assert!(dry.stderr.starts_with(told), "{}", dry.stderr);
    assert!(
        dry.stderr
            .ends_with("This is a dry run: nothing was done.\n"),
        "{}",
        dry.stderr
    );
    assert_eq!(hosts[0].docker(&["images", "-q"])?, "");

    let built = project.dfab(&line)?;
    assert_eq!(built.status, 0, "{built:?}");
    ensure!(!built.stderr.contains("secret"), "{}", built.stderr);
    let mut table = String::from("HOST  IMAGE\n");
    for (host, name) in hosts.iter().zip(["h1", "h2"]) {
        let image = id(host, "shop/app:1.2")?;
        for other in ["other:latest", "shop/app:latest"] {
            assert_eq!(id(host, other)?, image);
        }
        let label = host.inspect("other")?["Config"]["Labels"]["mode"].clone();
        assert_eq!(label, "secret");
        table.push_str(&format!("{name}    {image}\n"));
        let step = format!("{name} | Step 1/6 : FROM scratch AS base\n");
        assert!(built.stderr.contains(&step), "{}", built.stderr);
        assert_eq!(host.docker(&["ps", "-aq"])?, "");
    }
    assert_eq!(built.stdout, table);

    // One host: the id alone. Here of a stage before the last.
    let one = project.dfab(&[
        "build", "web", "-t", "base:1", "--target", "base", "-H", "h2",
    ])?;
    assert_eq!(one.stdout.trim(), id(&hosts[1], "base:1")?, "{one:?}");
    assert!(one.stderr.contains("\nStep 1/4 :"), "{}", one.stderr);
    let json = [
        "build",
        "web",
        "-t",
        "base:1",
        "-H",
        "h2",
        "--output",
        "json",
        "--no-cache",
    ];
    let json = project.dfab(&json)?.json()?;
    assert_eq!(json["h2"]["image"], id(&hosts[1], "base:1")?);
    assert_eq!(json["h2"]["tags"][0], "base:1");
    Ok(())
}

#[test]
fn a_step_that_fails_fails_the_build_in_the_engines_words() -> Result<()> {
    let (hosts, project) = hosts(2)?;
    load(&hosts[0])?;
    let dockerfile = format!("FROM {IMAGE}\nARG CODE=0\nRUN [\"/app\", \"report\", \"7\"]\n");
    project.write("run/Dockerfile", &dockerfile)?;
    let failed = project.dfab(&["build", "run", "-t", "a:1", "-H", "h1"])?;
    assert_eq!(
        (failed.status, failed.stdout.as_str()),
        (1, ""),
        "{failed:?}"
    );
    let words = "cannot build a:1: The command '/app report 7' returned a non-zero code: 7";
    assert!(failed.stderr.contains(words), "{}", failed.stderr);
    // What it said before, on both its outputs.
    for word in ["\nout\n", "\nerr\n"] {
        assert!(failed.stderr.contains(word), "{}", failed.stderr);
    }
    assert_eq!(hosts[0].docker(&["ps", "-aq"])?, "");

    project.write("copy/Dockerfile", "FROM scratch\nCOPY nothing /\n")?;
    let failed = project.dfab(&["build", "copy", "-t", "a:1", "-H", "h1"])?;
    assert_eq!(failed.status, 1, "{failed:?}");
    assert!(
        failed.stderr.contains("COPY failed: file not found"),
        "{}",
        failed.stderr
    );

    // The second host has no base image, and no way to one.
    let dockerfile = format!("FROM {IMAGE}\nRUN [\"/bin/one\"]\n");
    project.write("base/Dockerfile", &dockerfile)?;
    let line = [
        "build", "base", "-t", "a:1", "-H", "h1,h2", "--output", "json",
    ];
    let some = project.dfab(&line)?;
    assert_eq!(some.status, 3, "{some:?}");
    let json: serde_json::Value = serde_json::from_str(&some.stdout)?;
    assert_eq!(json["h1"]["image"], id(&hosts[0], "a:1")?);
    let error = json["h2"]["error"].as_str().context("no error")?;
    assert!(error.starts_with("cannot build a:1: "), "{error}");
    assert!(
        some.stderr.contains(&format!("h2: {error}")),
        "{}",
        some.stderr
    );

    hosts[1].stop_sshd()?;
    let gone = project.dfab(&["build", "base", "-t", "a:1", "-H", "h2"])?;
    assert_eq!(gone.status, 4, "{gone:?}");
    Ok(())
}

#[test]
fn b_40_what_arrives_is_what_docker_sends() -> Result<()> {
    let (hosts, project) = hosts(1)?;
    let host = &hosts[0];
    for file in [
        "a.log",
        "a.log.keep",
        "bin/tool",
        "build/out",
        "deep/a/b/temp1",
        "deep/a/b/temp22",
        "docs/README.md",
        "docs/other.md",
        "docs/sub/x",
        "only",
        "src/only",
        "x.txt",
        "y.txt",
        "z.txt",
        "#odd",
        "with blank",
        ".hidden/file",
        "vendor/keep/this/one",
        "vendor/keep/that",
        "vendor/drop",
    ] {
        project.write(&format!("web/{file}"), file)?;
    }
    let ignored = "# what stays out\n*.log\nbuild/\n**/temp?\ndocs\n!docs/README.md\n/only\n\
                   [xy].txt\n  ./with//blank/../../with blank  \n\\#odd\nDockerfile\n\
                   vendor/*\n!vendor/keep\nvendor/keep/that\n";
    project.write("web/.dockerignore", ignored)?;
    project.write("web/Dockerfile", "FROM scratch\nCOPY . /ctx/\n")?;
    let root = project.folder().join("web");
    symlink("../nowhere", root.join("bin/link"))?;
    symlink("docs", root.join("folder"))?;
    symlink("b", root.join("deep/loop"))?;
    fs::create_dir(root.join("empty"))?;
    for (path, mode) in [
        ("bin/tool", 0o4750),
        ("empty", 0o1777),
        ("z.txt", 0o600),
        ("src", 0o700),
    ] {
        fs::set_permissions(root.join(path), fs::Permissions::from_mode(mode))?;
    }

    let built = project.dfab(&["build", "web", "-t", "dfab:1", "-H", "h1"])?;
    assert_eq!(built.status, 0, "{built:?}");
    let place = format!("{}:/web", host.name());
    let mut copy = Command::new("docker");
    copy.args(["cp", "--archive"]).arg(&root).arg(place);
    process::run(&mut copy, b"", SOON)?.success()?;
    host.shell("DOCKER_BUILDKIT=0 docker build -q -t docker:1 /web")?;

    let ours = contents(host, "dfab:1", "ctx")?;
    assert_eq!(ours, contents(host, "docker:1", "ctx")?);
    // So that this compares something.
    let names: Vec<&str> = ours
        .iter()
        .filter_map(|line| line.split(" ctx/").nth(1))
        .collect();
    for (name, is_there) in [
        ("docs/README.md", true),
        ("docs/other.md", false),
        ("vendor/keep/this/one", true),
        ("vendor/keep/that", false),
        ("folder -> docs", true),
        ("src/only", true),
        ("only", false),
        ("with blank", false),
        ("Dockerfile", false),
        (".dockerignore", true),
    ] {
        assert_eq!(names.contains(&name), is_there, "{name}: {names:?}");
    }
    Ok(())
}

#[test]
fn the_dockerfile_may_be_anywhere() -> Result<()> {
    let (hosts, project) = hosts(1)?;
    project.write("web/a", "a")?;
    project.write("web/b", "b")?;
    project.write("docker/web", "FROM scratch\nCOPY . /ctx/\n")?;
    let line = ["build", "web", "-t", "a:1", "-H", "h1", "-f", "docker/web"];
    let built = project.dfab(&line)?;
    assert_eq!(built.status, 0, "{built:?}");
    let names = |image: &str| -> Result<Vec<String>> {
        let contents = contents(&hosts[0], image, "ctx")?;
        let names = contents
            .iter()
            .filter_map(|line| line.split(" ctx/").nth(1));
        Ok(names.map(str::to_owned).collect())
    };
    assert_eq!(names("a:1")?, ["a", "b"]);
    // Its own ignore file goes before that of the folder.
    project.write("web/.dockerignore", "a\n")?;
    project.write("docker/web.dockerignore", "b\n.*\n")?;
    // A way that is a process, and a file that is no small one.
    fs::write(project.folder().join("web/large"), vec![7; 20 << 20])?;
    let built = project.dfab(&[&line[..], &["--channel", "socat"]].concat())?;
    assert_eq!(built.status, 0, "{built:?}");
    assert_eq!(names("a:1")?, ["a", "large"]);
    assert_eq!(hosts[0].inspect("a:1")?["Size"], (20 << 20) + 1);
    Ok(())
}

#[test]
fn mistakes_end_it_before_anything_is_done() -> Result<()> {
    let project = Project::new()?;
    project.write("web/.dockerignore", "# a\n!\n")?;
    project.write("web/Dockerfile", "FROM scratch\n")?;
    for (line, told) in [
        (
            &["web", "-t", "a:1"][..],
            "/web/.dockerignore:2: \"!\" is no pattern",
        ),
        (&["none", "-t", "a:1"], "cannot read the folder none"),
        (
            &["web", "-t", "a:1", "-f", "no"],
            "cannot read the Dockerfile no",
        ),
        (&["web", "-t", "A:1"], "\"A:1\" is no name of an image"),
        (
            &["web", "-t", "a", "--build-arg", "=hunter2"],
            "a --build-arg has no name",
        ),
        (&["web"], "--tag <NAME[:TAG]>"),
    ] {
        let output = project.dfab(&[&["build"], line].concat())?;
        assert_eq!(
            (output.status, output.stdout.as_str()),
            (2, ""),
            "{output:?}"
        );
        let told = told.strip_prefix('/').unwrap_or(told);
        assert!(output.stderr.contains(told), "{told}: {}", output.stderr);
        assert!(!output.stderr.contains("hunter2"), "{}", output.stderr);
    }
    Ok(())
}

#[test]
fn an_interrupt_ends_the_build_on_its_host() -> Result<()> {
    let (hosts, project) = hosts(1)?;
    let host = &hosts[0];
    load(host)?;
    let dockerfile = format!("FROM {IMAGE}\nRUN [\"/app\", \"sleep\", \"600\"]\n");
    project.write("web/Dockerfile", &dockerfile)?;
    for channel in ["stream-local", "socat"] {
        let line = [
            "build",
            "web",
            "-t",
            "a:1",
            "-H",
            "h1",
            "--channel",
            channel,
        ];
        let mut child = project
            .command(&line)?
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let began = until(SOON, || {
            ensure!(!host.docker(&["ps", "-q"])?.is_empty(), "nothing runs");
            Ok(())
        });
        let number = child.id().to_string();
        process::run(Command::new("kill").args(["-INT", &number]), b"", SOON)?.success()?;
        let status = until(SOON, || child.try_wait()?.context("dfab goes on"));
        if status.is_err() {
            child.kill()?;
            child.wait()?;
        }
        began?;
        assert_eq!(status?.code(), Some(130));
        until(SOON, || {
            let left = host.docker(&["ps", "-aq"])?;
            ensure!(left.is_empty(), "{channel}: {left} is left");
            Ok(())
        })?;
        assert!(id(host, "a:1").is_err());
    }
    Ok(())
}

#[tokio::test]
async fn a_base_image_is_asked_for_with_the_login_of_its_registry() -> Result<()> {
    let registry = Registry::start(true).await?;
    let project = Project::new()?;
    let name = registry.name();
    project.write("dfab.yaml", "clients: clients.yaml\n")?;
    let clients = format!(
        "__default__:\n  auth_configs: {{'{name}': {{username: deploy, password: hunter2}}}}\n"
    );
    project.write("clients.yaml", &clients)?;
    project.write("web/Dockerfile", &format!("FROM {name}/team/app:1\n"))?;
    let built = tokio::task::spawn_blocking(move || {
        project.dfab(&["build", "web", "-t", "dfab-test-none:1", "-vv"])
    });
    let built = built.await??;
    assert_eq!(built.status, 1, "{built:?}");
    ensure!(
        built.stderr.contains("manifest unknown"),
        "{}",
        built.stderr
    );
    ensure!(!built.stderr.contains("hunter2"), "{}", built.stderr);
    let asked = registry.asked();
    let given: Vec<_> = asked
        .iter()
        .filter_map(|asked| asked.credentials.as_deref())
        .collect();
    // deploy:hunter2
    ensure!(given.contains(&"ZGVwbG95Omh1bnRlcjI="), "{asked:?}");
    Ok(())
}
