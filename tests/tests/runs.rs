//! Scripts and single commands, what they leave behind, and the volumes that containers attach, on hosts
//! of their own through SSH.

#![expect(
    clippy::indexing_slicing,
    reason = "a test fails by panicking: there is a host, and each volume has its own folder"
)]

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use dfab_tests::{Output, Project, TestHost, images, process};

const IMAGE: &str = "dfab-test/runs:1";
/// The same, but its `chown` and `chmod` are found by nobody.
const BARE: &str = "dfab-test/runs-bare:1";

const MAP: &str = r#"
name: m
volumes:
  data: {default_path: /data, user: "1234:567", permissions: "0750"}
db:
  image: dfab-test/runs:1
  attaches: data
locked:
  image: dfab-test/runs:1
  host_config: {read_only: true, tmpfs: {/tmp: "", /tmp/there: ""}}
web:
  image: dfab-test/runs:1
  instances: [a, b]
linked:
  image: dfab-test/runs:1
  links: web.a
counting:
  image: dfab-test/runs:1
  create_options: {environment: {N1: 1, N2: 2, N3: 3, N4: 4, N5: 5}}
"#;

/// As [`MAP`], with an image that has no tools.
fn bare_map() -> String {
    MAP.replacen(IMAGE, BARE, 1)
}

struct Scene {
    hosts: Vec<TestHost>,
    project: Project,
}

impl Scene {
    fn new(hosts: usize) -> Result<Self> {
        let project = Project::new()?;
        images::ensure(IMAGE)?;
        images::ensure_with(BARE, &["ENV PATH=/none"])?;
        let hosts = TestHost::start_many(hosts)?;
        for (index, host) in hosts.iter().enumerate() {
            project.add_host(&format!("h{}", index + 1), host)?;
            host.load_image(IMAGE)?;
            host.load_image(BARE)?;
        }
        project.write("dfab.yaml", "maps: m.yaml\n")?;
        project.write("m.yaml", MAP)?;
        Ok(Self { hosts, project })
    }

    fn host(&self) -> &TestHost {
        &self.hosts[0]
    }

    fn dfab(&self, arguments: &[&str]) -> Result<Output> {
        self.project
            .dfab(&[arguments, &["-H", "h1", "-y"]].concat())
    }

    /// A script of the test program's own words, with all that it takes to run it.
    fn script(&self, lines: &str, containers: &[&str]) -> Result<Vec<String>> {
        let script = self.project.write("jobs/script.txt", lines)?;
        let mut arguments = vec!["script".to_owned()];
        arguments.extend(containers.iter().map(|name| (*name).to_owned()));
        for word in [
            "--entrypoint",
            "/app",
            "--command-format",
            "run {script_path}",
            "--script",
        ] {
            arguments.push(word.to_owned());
        }
        arguments.push(script.display().to_string());
        Ok(arguments)
    }

    fn containers(&self, host: &TestHost) -> Result<String> {
        host.docker(&["ps", "-a", "--format", "{{.Names}}"])
    }

    /// Owner, mode and path of all in a volume, as its host sees them.
    fn owners(&self, volume: &str) -> Result<Vec<String>> {
        let host = self.host();
        let place = host.docker(&["volume", "inspect", "-f", "{{.Mountpoint}}", volume])?;
        let listed = host.shell(&format!(
            "cd {place} && find . -printf '%U:%G %m %P\\n' | sort -k3"
        ))?;
        Ok(listed
            .lines()
            .map(|line| line.trim_end().to_owned())
            .collect())
    }

    /// Runs the test program on a volume of the first host.
    fn in_volume(&self, volume: &str, words: &[&str]) -> Result<()> {
        let mount = format!("{volume}:/v");
        let run = ["run", "--rm", "-v", &mount, IMAGE];
        self.host().docker(&[&run, words].concat()).map(drop)
    }
}

fn words_of(arguments: &[String]) -> Vec<&str> {
    arguments.iter().map(String::as_str).collect()
}

#[test]
fn files_go_into_containers_that_cannot_be_written_to_and_come_out_as_they_were() -> Result<()> {
    let scene = Scene::new(1)?;
    let target = scene.project.folder().join("results");
    let lines = "write /tmp/script_run/bin/tool hi\nmode /tmp/script_run/bin/tool 6755\n\
                 link bin/tool /tmp/script_run/current\nlink /etc/passwd /tmp/script_run/absolute\n\
                 link ../.. /tmp/script_run/up\n";
    for folder in ["/tmp/script_run", "/tmp/there", "/srv/new"] {
        let lines = lines.replace("/tmp/script_run", folder);
        let arguments = scene.script(&lines, &["locked"])?;
        let download = target.display().to_string();
        let options = ["--container-script-dir", folder, "--download", &download];
        let done = scene.dfab(
            &[
                words_of(&arguments).as_slice(),
                &options,
                &["--fail-nonzero"],
            ]
            .concat(),
        )?;
        ensure!(done.status == 0, "{folder}: {}", done.stderr);
        ensure!(
            done.stderr
                .contains("not copied: absolute: it is a link that leads out of the folder")
                && done.stderr.contains("not copied: up:"),
            "{}",
            done.stderr
        );
        let tool = target.join("bin/tool");
        ensure!(std::fs::read(&tool)? == b"hi");
        ensure!(tool.metadata()?.permissions().mode() & 0o7777 == 0o755);
        ensure!(std::fs::read_link(target.join("current"))? == Path::new("bin/tool"));
        ensure!(target.join("script.txt").is_file() && !target.join("up").exists());
        std::fs::remove_dir_all(&target)?;
    }
    // Neither container nor anonymous volume is left.
    ensure!(scene.containers(scene.host())?.is_empty());
    ensure!(scene.host().docker(&["volume", "ls", "-q"])?.is_empty());
    Ok(())
}

#[test]
fn output_is_cut_from_its_end_and_begins_with_the_time() -> Result<()> {
    let scene = Scene::new(1)?;
    let words: Vec<String> = (1..=5).map(|number| format!("where N{number}")).collect();
    let script = scene.script(&words.join("\n"), &["counting"])?;
    let command = [
        "single-cmd",
        "counting",
        "--entrypoint",
        "/app",
        "--command",
        "where N5",
    ];
    let shown = |arguments: &[&str], more: &[&str]| -> Result<Vec<String>> {
        let output = scene.dfab(&[arguments, more].concat())?.success()?;
        Ok(output.lines().map(str::to_owned).collect())
    };
    let script = words_of(&script);
    let lines: Vec<String> = (1..=5).map(|number| format!("/ {number} false")).collect();
    ensure!(shown(&script, &[])? == lines);
    ensure!(shown(&script, &["--tail", "2"])? == lines[3..]);
    ensure!(shown(&script, &["--tail", "9"])? == lines);
    ensure!(shown(&command, &["--tail", "1"])? == lines[4..]);
    for arguments in [&script[..], &command] {
        let timed = shown(arguments, &["--timestamps", "--tail", "1"])?;
        let [line] = timed.as_slice() else {
            anyhow::bail!("one line is wanted: {timed:?}");
        };
        let (time, rest) = line.split_once(' ').context("there is no time")?;
        // As the engine has it: 2024-01-31T12:34:56.123456789Z
        let form: String = time
            .chars()
            .map(|letter| if letter.is_ascii_digit() { '0' } else { letter })
            .collect();
        ensure!(
            form.starts_with("0000-00-00T00:00:00.") && form.ends_with('Z'),
            "{line}"
        );
        ensure!(rest == lines[4], "{line}");
    }
    // The same as data.
    let data = scene.dfab(&[&script[..], &["--tail", "2", "--output", "json"]].concat())?;
    ensure!(data.json()?["steps"][0]["stdout"] == "/ 4 false\n/ 5 false\n");
    Ok(())
}

/// A session does for all that a command does on a host, and one more for files.
#[test]
fn a_command_logs_in_once_and_once_more_for_files() -> Result<()> {
    let scene = Scene::new(1)?;
    let logins = || -> Result<usize> {
        let log = scene.host().exec(&["cat", "/var/log/sshd.log"])?;
        Ok(log.matches("Accepted publickey").count())
    };
    let target = scene.project.folder().join("results");
    let lines = "write /tmp/script_run/one hi\n";
    let script = scene.script(lines, &["locked"])?;
    let target_text = target.display().to_string();
    let download = ["--download", &target_text];
    let mut before = logins()?;
    for (command, most) in [
        (vec!["startup", "web", "linked"], 1),
        (vec!["update", "web", "linked"], 1),
        (vec!["run", "docker", "cleanup-containers"], 1),
        (vec!["setup", "group", "workers", "--gid", "4000"], 1),
        ([&words_of(&script)[..], &download].concat(), 2),
        (
            vec![
                "single-cmd",
                "locked",
                "--entrypoint",
                "/app",
                "--command",
                "write /tmp/script_run/two hi",
                download[0],
                download[1],
            ],
            2,
        ),
    ] {
        scene.dfab(&command)?.success()?;
        let after = logins()?;
        let count = after - before;
        ensure!((1..=most).contains(&count), "{command:?}: {count} logins");
        before = after;
    }
    ensure!(std::fs::read(target.join("one"))? == b"hi");
    ensure!(std::fs::read(target.join("two"))? == b"hi");
    Ok(())
}

#[test]
fn results_of_several_containers_and_hosts_do_not_meet() -> Result<()> {
    let scene = Scene::new(2)?;
    let target = scene.project.folder().join("results");
    let download = target.display().to_string();
    let arguments = scene.script("write /tmp/script_run/out hi\n", &["web"])?;
    let options = ["--download", &download, "-H", "h1,h2", "-y"];
    let done = scene
        .project
        .dfab(&[words_of(&arguments).as_slice(), &options].concat())?;
    ensure!(done.status == 0, "{}", done.stderr);
    ensure!(
        done.stderr.contains("results/h2/m.web.b"),
        "{}",
        done.stderr
    );
    for place in ["h1/m.web.a", "h1/m.web.b", "h2/m.web.a", "h2/m.web.b"] {
        ensure!(target.join(place).join("out").is_file(), "{place}");
    }
    ensure!(!target.join("out").exists());

    // One that another one needs cannot run a script at the same time.
    let both = scene.script("exit 0\n", &["linked", "web.a"])?;
    let refused = scene.dfab(&words_of(&both))?;
    ensure!(
        refused.status == 2 && refused.stderr.contains("m.linked on h1 needs m.web.a"),
        "{}",
        refused.stderr
    );
    let one = scene.script("exit 0\n", &["linked"])?;
    scene.dfab(&words_of(&one))?.success()?;
    ensure!(scene.containers(scene.host())? == "m.web.a");
    Ok(())
}

/// A run that lasts, as a process of its own.
fn lasting(scene: &Scene) -> Result<Child> {
    let mut command = scene.project.command(&[
        "single-cmd",
        "m.web.b",
        "--entrypoint",
        "/app",
        "--command",
        "sleep 600",
        "-H",
        "h1",
        "-y",
    ])?;
    let child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()?;
    process::until(Duration::from_secs(30), || {
        let running = scene.host().docker(&["ps", "--format", "{{.Names}}"])?;
        ensure!(running == "m.web.b", "{running:?}");
        Ok(())
    })?;
    Ok(child)
}

fn signal(child: &Child, signal: &str) -> Result<()> {
    let process = child.id().to_string();
    let sent = Command::new("kill")
        .args(["-s", signal, &process])
        .status()?;
    ensure!(sent.success());
    Ok(())
}

#[test]
fn a_run_that_is_interrupted_leaves_nothing() -> Result<()> {
    let scene = Scene::new(1)?;
    for first in ["INT", "TERM", "HUP"] {
        let child = lasting(&scene)?;
        signal(&child, first)?;
        let ended = child.wait_with_output()?;
        let told = String::from_utf8_lossy(&ended.stderr).into_owned();
        ensure!(ended.status.code() == Some(1), "{first}: {told}");
        ensure!(told.contains("a stop was asked for"), "{told}");
        ensure!(scene.containers(scene.host())?.is_empty());
    }
    // The second one does not wait for the program, which no signal ends; its container goes all the same.
    let child = lasting(&scene)?;
    signal(&child, "INT")?;
    std::thread::sleep(Duration::from_millis(300));
    signal(&child, "INT")?;
    let ended = child.wait_with_output()?;
    let told = String::from_utf8_lossy(&ended.stderr).into_owned();
    ensure!(matches!(ended.status.code(), Some(1 | 130)), "{told}");
    ensure!(
        told.contains("Removing the containers of scripts"),
        "{told}"
    );
    ensure!(scene.containers(scene.host())?.is_empty(), "{told}");
    // What is kept is kept, but it does not run on.
    let kept = [
        "single-cmd",
        "m.web.b",
        "--entrypoint",
        "/app",
        "--command",
        "sleep 600",
        "--keep",
        "--wait-timeout",
        "1",
    ];
    ensure!(scene.dfab(&kept)?.status == 1);
    ensure!(scene.containers(scene.host())? == "m.web.b");
    ensure!(scene.host().docker(&["ps", "-q"])?.is_empty());
    Ok(())
}

#[test]
fn b_35_36_37_a_volume_is_given_away_with_all_that_is_in_it() -> Result<()> {
    let scene = Scene::new(1)?;
    let host = scene.host();
    let fill = |volume: &str| -> Result<()> {
        host.docker(&["volume", "create", volume])?;
        scene.in_volume(volume, &["write", "/v/sub/deep/file", "hi"])?;
        scene.in_volume(volume, &["link", "/etc/passwd", "/v/link"])
    };
    // By the image's own commands, also where a script's container attaches it.
    fill("m.data")?;
    let run = [
        "single-cmd",
        "db",
        "--entrypoint",
        "/app",
        "--command",
        "exit 0",
    ];
    scene
        .dfab(&[&run[..], &["--fail-nonzero"]].concat())?
        .success()?;
    let wanted = [
        "1234:567 750",
        "1234:567 777 link",
        "1234:567 750 sub",
        "1234:567 750 sub/deep",
        "1234:567 750 sub/deep/file",
    ];
    ensure!(
        scene.owners("m.data")? == wanted,
        "{:?}",
        scene.owners("m.data")?
    );
    ensure!(scene.containers(host)?.is_empty());
    // Only the folder is looked at from then on.
    scene.in_volume("m.data", &["write", "/v/later", "hi"])?;
    scene.dfab(&["startup", "db"])?.success()?;
    ensure!(
        scene
            .owners("m.data")?
            .contains(&"0:0 644 later".to_owned())
    );
    scene
        .dfab(&["shutdown", "db", "--remove-attached"])?
        .success()?;

    // Without such commands through the Engine API, and not under somebody's hands.
    scene.project.write("m.yaml", &bare_map())?;
    fill("m.data")?;
    host.docker(&["run", "-d", "--name", "other", "-v", "m.data:/v", IMAGE])?;
    let before = scene.owners("m.data")?;
    let failed = scene.dfab(&["startup", "db"])?;
    ensure!(failed.status == 1);
    ensure!(
        failed.stderr.contains("it is in use by other") && failed.stderr.contains("no `chown`"),
        "{}",
        failed.stderr
    );
    ensure!(scene.owners("m.data")? == before);
    host.docker(&["rm", "-f", "other"])?;
    scene.dfab(&["startup", "db"])?.success()?;
    ensure!(
        scene.owners("m.data")? == wanted,
        "{:?}",
        scene.owners("m.data")?
    );
    let text = host.docker(&[
        "exec",
        "m.db",
        "/app",
        "write",
        "/data/sub/deep/file",
        "changed",
    ]);
    text.context("the file is there and can be written")?;
    ensure!(scene.containers(host)? == "m.db");
    scene
        .dfab(&["shutdown", "db", "--remove-attached"])?
        .success()?;

    // More than goes through memory is left as it is, and told, each time.
    host.docker(&["volume", "create", "m.data"])?;
    let place = host.docker(&["volume", "inspect", "-f", "{{.Mountpoint}}", "m.data"])?;
    host.shell(&format!("head -c 17000000 /dev/zero > {place}/large"))?;
    for _ in 0..2 {
        let failed = scene.dfab(&["startup", "db"])?;
        ensure!(
            failed.stderr.contains("it is more than 16 MiB"),
            "{}",
            failed.stderr
        );
        ensure!(
            scene.owners("m.data")?[0] == "0:0 755",
            "{:?}",
            scene.owners("m.data")?
        );
    }
    Ok(())
}

#[test]
fn what_is_in_no_map_any_more_is_told_and_can_be_removed() -> Result<()> {
    let scene = Scene::new(1)?;
    let host = scene.host();
    scene.dfab(&["startup", "web", "locked"])?.success()?;
    let smaller = MAP.replacen("instances: [a, b]", "instances: [a]", 1);
    let smaller = smaller.replacen("locked:", "renamed:", 1);
    scene.project.write("m.yaml", &smaller)?;
    // It has the labels of the container that its image was made of, and is none of dfab's.
    host.docker(&["commit", "m.web.b", "copy:1"])?;
    host.docker(&["create", "--name", "foreign", "copy:1"])?;
    for action in ["startup", "update"] {
        let told = scene.dfab(&[action, "web"])?;
        ensure!(
            told.stderr
                .contains("on h1, made for a map that has them no longer: m.locked, m.web.b;"),
            "{}",
            told.stderr
        );
        ensure!(told.status == 0);
    }
    let left = scene.dfab(&["shutdown", "web"])?;
    ensure!(
        left.stderr.contains("no longer: m.web.b;"),
        "{}",
        left.stderr
    );
    scene.dfab(&["shutdown", "web", "--orphans"])?.success()?;
    ensure!(
        scene.containers(host)? == "foreign",
        "{}",
        scene.containers(host)?
    );

    // What does not exist is told with what makes it.
    let absent = scene.dfab(&["start", "web"])?;
    ensure!(
        absent.status == 0
            && absent
                .stderr
                .contains("start: on h1 there is no container m.web.a; `startup` creates"),
        "{}",
        absent.stderr
    );

    // A volume that others use is not made anew half-way.
    scene.dfab(&["startup", "db"])?.success()?;
    host.docker(&["create", "--name", "user", "-v", "m.data:/v", IMAGE])?;
    let force = ["update", "db", "--force", "data", "--recreate-volumes"];
    let refused = scene.dfab(&force)?;
    ensure!(
        refused.status == 2 && refused.stderr.contains("have it mounted: user;"),
        "{}",
        refused.stderr
    );
    ensure!(host.docker(&["ps", "--format", "{{.Names}}"])? == "m.db");
    host.docker(&["rm", "user"])?;
    scene.dfab(&force)?.success()?;
    Ok(())
}
