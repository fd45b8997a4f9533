//! What people do on many hosts: commands on hosts and in containers, what containers print, which
//! there are, and what they use.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use dfab_tests::process::{self, until};
use dfab_tests::{Project, TestHost};

const IMAGE: &str = "registry.example.com/app:latest";
const SOON: Duration = Duration::from_secs(20);

fn hosts(count: usize) -> Result<(Vec<TestHost>, Project)> {
    Project::with_hosts(count, IMAGE)
}

/// Starts a container by hand.
fn start(host: &TestHost, name: &str, words: &[&str]) -> Result<()> {
    let run = ["run", "-d", "--name", name, "--network", "none", IMAGE];
    host.docker(&[&run, words].concat()).map(drop)
}

/// dfab that goes on, and its output line by line.
struct Running {
    child: Child,
    lines: Receiver<String>,
    seen: Vec<String>,
}

impl Running {
    fn start(project: &Project, arguments: &[&str]) -> Result<Self> {
        let mut child = project
            .command(arguments)?
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let stdout = child.stdout.take().context("no output")?;
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Ok(Self {
            child,
            lines,
            seen: Vec::new(),
        })
    }

    /// Waits for a line with these words.
    fn wait_for(&mut self, words: &str) -> Result<String> {
        loop {
            let line = self.lines.recv_timeout(SOON);
            let line = line.with_context(|| format!("no line has {words:?}: {:?}", self.seen))?;
            self.seen.push(line.clone());
            if line.contains(words) {
                return Ok(line);
            }
        }
    }

    /// Sends a signal, and waits for the end: the exit code and what was told.
    fn end(mut self, signal: &str) -> Result<(Option<i32>, String)> {
        let id = self.child.id().to_string();
        process::run(Command::new("kill").args([signal, &id]), b"", SOON)?.success()?;
        let status = until(SOON, || self.child.try_wait()?.context("dfab goes on"))?;
        let mut told = String::new();
        if let Some(stderr) = &mut self.child.stderr {
            stderr.read_to_string(&mut told)?;
        }
        Ok((status.code(), told))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// dfab on a terminal of its own, with these keys typed.
fn on_terminal(project: &Project, arguments: &[&str], keys: &str) -> Result<process::Output> {
    on_terminal_within(project, ("", ""), arguments, keys)
}

/// The same, with shell commands before and after it on the same terminal.
fn on_terminal_within(
    project: &Project,
    (before, after): (&str, &str),
    arguments: &[&str],
    keys: &str,
) -> Result<process::Output> {
    project.on_terminal((before, after), arguments, keys)
}

fn processes(host: &TestHost, pattern: &str) -> Result<usize> {
    let found = host.shell(&format!("pgrep -fc '{pattern}' || true"))?;
    Ok(found.parse()?)
}

#[test]
fn a_command_runs_on_every_host_and_each_line_has_its_name() -> Result<()> {
    let (hosts, project) = hosts(2)?;
    let both = |more: &[&str]| project.dfab(&[&["ssh", "-H", "h1,h2"], more].concat());
    let output = both(&["--", "hostname; printf 'a\\033[31mb'; echo err >&2"])?;
    assert_eq!(output.status, 0, "{output:?}");
    let mut lines: Vec<_> = output.stdout.lines().map(str::to_owned).collect();
    lines.sort();
    let mut expected = vec!["h1 | a^[[31mb".to_owned(), "h2 | a^[[31mb".to_owned()];
    expected.extend((0..2).map(|index| format!("h{} | {}", index + 1, hosts[index].name())));
    expected.sort();
    assert_eq!(lines, expected);
    assert_eq!(output.stderr.lines().count(), 2, "{}", output.stderr);

    // Several words arrive as they are.
    let output = both(&["--grouped", "--", "printf", "%s\n", "a  b", "$HOME;"])?;
    for name in ["h1", "h2"] {
        let group = format!("{name}:\na  b\n$HOME;\n");
        assert!(output.stdout.contains(&group), "{output:?}");
    }

    let json = both(&["--output", "json", "--", "echo out; echo err >&2"])?.json()?;
    let keys: Vec<_> = json.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["h1", "h2"]);
    let expected = serde_json::json!({ "stdout": "out\n", "stderr": "err\n", "exit_code": 0 });
    assert_eq!(json["h2"], expected);
    Ok(())
}

#[test]
fn exit_codes_tell_whether_some_or_all_failed() -> Result<()> {
    let (hosts, project) = hosts(2)?;
    let both = |line: &str| project.dfab(&["ssh", "-H", "h1,h2", "--", line]);
    hosts[0].shell("touch /tmp/only-here")?;
    let some = both("test -e /tmp/only-here")?;
    assert_eq!(
        (some.status, some.stderr.as_str()),
        (3, "h2: exit code 1\n")
    );
    assert_eq!(both("exit 9")?.status, 1);
    let slow = project.dfab(&["ssh", "-H", "h1", "--timeout", "1", "--", "sleep 4711"])?;
    assert_eq!(slow.status, 1, "{slow:?}");
    assert_eq!(processes(&hosts[0], "^sleep 4711")?, 0);
    assert_eq!(project.dfab(&["ssh", "-H", "h1,h2"])?.status, 2);
    assert_eq!(project.dfab(&["ssh", "--", "true"])?.status, 2);

    // One host is as with ssh: bytes, input and exit code go through.
    let mut one = project.command(&["ssh", "-H", "h1", "--", "cat; exit 7"])?;
    let one = process::run(&mut one, b"\x1b[1mraw", SOON)?;
    assert_eq!((one.status, one.stdout.as_str()), (7, "\x1b[1mraw"));

    hosts[1].kill()?;
    let one_gone = both("true")?;
    assert_eq!(one_gone.status, 3, "{one_gone:?}");
    assert!(one_gone.stderr.contains("h2: "), "{one_gone:?}");
    hosts[0].kill()?;
    assert_eq!(both("true")?.status, 4);
    Ok(())
}

#[test]
fn a_command_without_input_finds_its_end() -> Result<()> {
    let (_hosts, project) = hosts(2)?;
    for line in [
        &["ssh", "-H", "h1,h2", "--", "cat; echo over"][..],
        &["ssh", "-n", "-H", "h1", "--", "cat; echo over"],
        &[
            "ssh",
            "-n",
            "-H",
            "h1",
            "--output",
            "json",
            "--",
            "cat; echo over",
        ],
    ] {
        // What would be passed on is passed over too.
        let output = process::run(&mut project.command(line)?, b"in", SOON)?;
        assert_eq!(output.status, 0, "{line:?}: {output:?}");
        let told = &output.stdout;
        assert!(
            told.contains("over") && !told.contains("in"),
            "{line:?}: {told}"
        );
    }
    Ok(())
}

#[test]
fn ctrl_c_leaves_no_command_on_a_host() -> Result<()> {
    let (hosts, project) = hosts(2)?;
    let line = "echo started; sleep 4712 & sleep 4712";
    let mut running = Running::start(&project, &["ssh", "-H", "h1,h2", "--", line])?;
    running.wait_for("started")?;
    running.wait_for("started")?;
    assert_eq!(processes(&hosts[1], "^sleep 4712")?, 2);
    let (code, told) = running.end("-INT")?;
    assert_eq!(code, Some(130), "{told}");
    for host in &hosts {
        assert_eq!(processes(host, "^sleep 4712")?, 0);
    }
    Ok(())
}

#[test]
fn ctrl_c_twice_ends_dfab_at_once_and_the_command_soon() -> Result<()> {
    let (hosts, project) = hosts(1)?;
    // It does not heed to be told to end.
    let line = "trap '' TERM; echo started; while :; do sleep 4713; done";
    let mut running = Running::start(&project, &["ssh", "-H", "h1", "--", line])?;
    running.wait_for("started")?;
    let id = running.child.id().to_string();
    process::run(Command::new("kill").args(["-INT", &id]), b"", SOON)?.success()?;
    std::thread::sleep(Duration::from_millis(400));
    let (code, told) = running.end("-INT")?;
    assert_eq!(code, Some(130), "{told}");
    assert!(told.contains("was told to end"), "{told}");
    until(SOON, || {
        let left = processes(&hosts[0], "[s]leep 4713")?;
        ensure!(left == 0, "{left} processes are left");
        Ok(())
    })
}

#[test]
fn a_shell_on_one_host_has_a_terminal() -> Result<()> {
    let (_hosts, project) = hosts(1)?;
    let output = on_terminal(
        &project,
        &["ssh", "-H", "h1"],
        "stty size; tty; echo over-$TERM\nexit 5\n",
    )?;
    assert_eq!(output.status, 5, "{output:?}");
    let text = &output.stdout;
    assert!(
        text.contains("/dev/pts/") && text.contains("over-xterm"),
        "{text}"
    );
    Ok(())
}

#[test]
fn a_terminal_keeps_its_size_on_the_other_side_and_its_settings_on_this_one() -> Result<()> {
    let (hosts, project) = hosts(1)?;
    let before = "stty rows 40 cols 100; (sleep 2; stty rows 50 cols 120) </dev/tty & ";
    let around = (before, "stty -a; ");
    let sizes = |output: &process::Output| {
        let (first, second) = ("40 100", "50 120");
        let text = &output.stdout;
        let found = text.find(first).zip(text.find(second));
        found.is_some_and(|(first, second)| first < second)
    };
    let shell = on_terminal_within(
        &project,
        around,
        &["ssh", "-H", "h1"],
        "stty size; sleep 4; stty size; exit 6\n",
    )?;
    assert!(shell.status == 6 && sizes(&shell), "{shell:?}");
    assert!(shell.stdout.contains(" icanon"), "{shell:?}");
    // The test host's own engine runs the machine's shell in a container that has its programs.
    let run = [
        "run",
        "-d",
        "--name",
        "one",
        "--network",
        "none",
        "-v",
        "/usr:/usr",
        "-v",
        "/lib64:/lib64",
        "-v",
        "/lib:/lib",
    ];
    hosts[0].docker(&[&run[..], &[IMAGE, "sleep", "600"]].concat())?;
    // Older engines tell the size to a command that runs already.
    let line = "sleep 1; stty size; sleep 4; stty size; exit 8";
    let exec = ["exec", "one", "-H", "h1", "--", "/usr/bin/sh", "-c", line];
    let exec = on_terminal_within(&project, around, &exec, "")?;
    assert!(exec.status == 8 && sizes(&exec), "{exec:?}");
    assert!(exec.stdout.contains(" icanon"), "{exec:?}");
    Ok(())
}

#[test]
fn a_command_runs_in_a_container_and_its_exit_code_is_passed_on() -> Result<()> {
    let (hosts, project) = hosts(2)?;
    project.write("m.yaml", "name: m\nweb: {image: app, instances: [a, b]}\n")?;
    for host in &hosts {
        start(host, "m.web.a", &["sleep", "600"])?;
    }
    start(&hosts[0], "m.web.b", &["sleep", "600"])?;
    let exec = |words: &[&str]| project.dfab(&[&["exec", "--map", "m.yaml"], words].concat());

    let one = exec(&["m.web.a", "-H", "h1", "--", "/app", "exit", "7"])?;
    assert_eq!((one.status, one.stderr.as_str()), (7, ""));
    let report = exec(&[
        "m.web.a", "-H", "h1", "-u", "1234", "--", "/app", "report", "0",
    ])?;
    assert_eq!(
        (report.stdout.as_str(), report.stderr.as_str()),
        ("out\n1234\n", "err\n")
    );
    let place = ["-w", "/tmp", "-e", "X=a b", "--", "/app", "where", "X"];
    let place = exec(&[&["m.web.b", "-H", "h1"], &place[..]].concat())?;
    assert_eq!(place.stdout, "/tmp a b false\n");

    let mut cat = project.command(&["exec", "m.web.a", "-H", "h1", "-i", "--", "/app", "cat"])?;
    assert_eq!(process::run(&mut cat, b"in\0put", SOON)?.stdout, "in\0put");

    let several = exec(&["web", "-H", "h1", "--", "/app", "report", "3"])?;
    assert_eq!(several.status, 1, "{several:?}");
    let mut lines: Vec<_> = several.stdout.lines().collect();
    lines.sort_unstable();
    assert_eq!(
        lines,
        [
            "m.web.a | 0",
            "m.web.a | out",
            "m.web.b | 0",
            "m.web.b | out"
        ]
    );
    assert!(
        several.stderr.contains("m.web.b: exit code 3"),
        "{several:?}"
    );

    // One is missing on the second host.
    let missing = exec(&[
        "web", "-H", "h1,h2", "--output", "json", "--", "/app", "exit", "0",
    ])?;
    assert_eq!(missing.status, 3, "{missing:?}");
    let json: serde_json::Value = serde_json::from_str(&missing.stdout)?;
    assert_eq!(json["h2"]["m.web.a"]["exit_code"], 0);
    assert!(json["h2"]["m.web.b"]["error"].is_string(), "{json}");

    let unknown = exec(&["nothing", "-H", "h1", "--", "/app"])?;
    assert_eq!(unknown.status, 1, "{unknown:?}");
    assert!(
        unknown.stderr.contains("no container nothing"),
        "{unknown:?}"
    );
    Ok(())
}

#[test]
fn a_command_in_a_container_gets_a_terminal_and_ends_with_dfab() -> Result<()> {
    let (hosts, project) = hosts(1)?;
    start(&hosts[0], "one", &["sleep", "600"])?;
    let line = ["exec", "one", "-H", "h1", "--", "/app", "where", "X"];
    let output = on_terminal(&project, &line, "")?;
    assert_eq!(output.status, 0, "{output:?}");
    assert!(output.stdout.contains("/  true"), "{output:?}");

    let line = ["exec", "one", "-H", "h1", "--", "/app", "tick", "100"];
    let mut running = Running::start(&project, &line)?;
    running.wait_for("tick 2")?;
    let (code, told) = running.end("-INT")?;
    assert_eq!((code, told.as_str()), (Some(130), ""));
    assert_eq!(processes(&hosts[0], "^/app tick")?, 0);
    Ok(())
}

#[test]
fn output_of_several_hosts_comes_in_the_order_of_time() -> Result<()> {
    let (hosts, project) = hosts(2)?;
    for (name, host) in [("one", &hosts[0]), ("two", &hosts[1]), ("three", &hosts[0])] {
        start(host, name, &["report", "0"])?;
    }
    let logs = |words: &[&str]| project.dfab(&[&["logs", "-H", "h1,h2"], words].concat());
    let all = logs(&["three", "two", "one"])?;
    assert_eq!(all.status, 0, "{all:?}");
    let expected = ["one  ", "two  ", "three"].map(|name| {
        let host = if name == "two  " { "h2" } else { "h1" };
        format!("{host}/{name} | out\n{host}/{name} | 0\n")
    });
    assert_eq!(all.stdout, expected.concat());
    assert_eq!(all.stderr.matches(" | err\n").count(), 3, "{}", all.stderr);

    let last = logs(&["one", "two", "--tail", "1", "--timestamps"])?;
    let stamped = last.stdout.lines().chain(last.stderr.lines());
    assert!(
        stamped.clone().count() == 2 && stamped.clone().all(|line| line.contains("Z ")),
        "{last:?}"
    );
    let json = logs(&["one", "two", "--output", "json"])?;
    let first: serde_json::Value = serde_json::from_str(json.stdout.lines().next().unwrap())?;
    assert_eq!(
        (&first["host"], &first["container"]),
        (&"h1".into(), &"one".into())
    );

    let one = project.dfab(&["logs", "-H", "h2", "two"])?;
    assert_eq!(
        (one.stdout.as_str(), one.stderr.as_str()),
        ("out\n0\n", "err\n")
    );
    let later = project.dfab(&["logs", "-H", "h2", "two", "--since", "2099-01-01"])?;
    assert_eq!((later.status, later.stdout.as_str()), (0, ""));
    assert_eq!(logs(&["one", "nowhere"])?.status, 1);

    // Where each reader is a process on the host, they are read one after another.
    let socat = project.dfab(&["logs", "-H", "h1", "--channel", "socat", "three", "one"])?;
    assert_eq!(
        socat.stdout,
        "one   | out\none   | 0\nthree | out\nthree | 0\n"
    );
    Ok(())
}

#[test]
fn following_goes_on_when_a_container_is_started_again_or_made_anew() -> Result<()> {
    let (hosts, project) = hosts(2)?;
    start(&hosts[0], "ticks", &["tick", "200"])?;
    start(&hosts[1], "other", &["report", "0"])?;
    let line = ["logs", "-f", "-H", "h1,h2", "ticks", "other"];
    let mut logs = Running::start(&project, &line)?;
    logs.wait_for("h2/other | out")?;
    logs.wait_for("h1/ticks | tick 3")?;
    hosts[0].docker(&["restart", "-t", "0", "ticks"])?;
    logs.wait_for("h1/ticks | tick 1")?;
    logs.wait_for("h1/ticks | tick 2")?;
    hosts[0].docker(&["rm", "-f", "ticks"])?;
    std::thread::sleep(Duration::from_secs(2));
    start(&hosts[0], "ticks", &["tick", "200"])?;
    logs.wait_for("h1/ticks | tick 1")?;
    logs.wait_for("h1/ticks | tick 2")?;
    // No line was shown twice: each run counts from one.
    let ones = logs
        .seen
        .iter()
        .filter(|line| line.ends_with("tick 1"))
        .count();
    assert_eq!(ones, 3, "{:?}", logs.seen);
    let (code, told) = logs.end("-INT")?;
    assert_eq!(code, Some(0), "{told}");
    assert!(
        told.contains("h2/other: ended with exit code 0")
            && told.contains("h1/ticks: the container is gone"),
        "{told}"
    );
    Ok(())
}

#[test]
fn the_list_shows_what_is_missing_and_what_is_left_over() -> Result<()> {
    let (hosts, project) = hosts(2)?;
    project.write(
        "m.yaml",
        "name: m\nclients: [h1, h2]\nweb: {image: app}\ndb: {image: app}\n",
    )?;
    project.write("clients.yaml", "h1: {host: h1}\nh2: {host: h2}\n")?;
    project.write("dfab.yaml", "maps: m.yaml\nclients: clients.yaml\n")?;
    start(&hosts[0], "m.web", &["sleep", "600"])?;
    start(&hosts[1], "m.web", &["exit", "3"])?;
    start(&hosts[0], "m.db", &["sleep", "600"])?;
    let orphan = [
        "run",
        "-d",
        "--name",
        "m.old",
        "--label",
        "dfab.map=m",
        IMAGE,
        "exit",
        "0",
    ];
    hosts[0].docker(&orphan)?;
    start(&hosts[1], "stranger", &["exit", "0"])?;

    let rows = |words: &[&str]| -> Result<Vec<String>> {
        let json = project
            .dfab(&[&["ps", "--output", "json"], words].concat())?
            .json()?;
        let mut rows = Vec::new();
        for (host, list) in json.as_object().context("no object")? {
            for row in list.as_array().context("no list")? {
                let state = row["state"].as_str().unwrap_or("-");
                let (name, standing) = (row["name"].as_str(), row["standing"].as_str());
                rows.push(format!(
                    "{host} {} {} {state}",
                    name.unwrap(),
                    standing.unwrap()
                ));
            }
        }
        Ok(rows)
    };
    until(SOON, || {
        let seen = rows(&[])?;
        ensure!(
            seen.iter().any(|row| row == "h1 m.old orphan exited"),
            "{seen:?}"
        );
        Ok(())
    })?;
    assert_eq!(
        rows(&[])?,
        [
            "h1 m.web wanted running",
            "h1 m.db wanted running",
            "h1 m.old orphan exited",
            "h2 m.web wanted exited",
            "h2 m.db missing -",
        ]
    );
    assert_eq!(rows(&["-a"])?.last().unwrap(), "h2 stranger other exited");
    assert_eq!(rows(&["db", "-H", "h2"])?, ["h2 m.db missing -"]);
    assert_eq!(rows(&["stranger"])?, ["h2 stranger other exited"]);

    let table = project.dfab(&["ps"])?;
    let has = |words: &[&str]| {
        let mut lines = table.stdout.lines();
        lines.any(|line| words.iter().all(|word| line.contains(word)))
    };
    assert!(has(&["h2", "m.db", "missing"]), "{}", table.stdout);
    assert!(
        has(&["h1", "m.old", "m (orphan)", "exited (0)"]),
        "{}",
        table.stdout
    );

    hosts[1].kill()?;
    let partly = project.dfab(&["ps"])?;
    assert_eq!(partly.status, 3, "{partly:?}");
    assert!(
        partly.stdout.contains("m.web") && partly.stderr.contains("h2: "),
        "{partly:?}"
    );
    Ok(())
}

#[test]
fn what_is_used_is_counted_on_all_hosts() -> Result<()> {
    let (hosts, project) = hosts(2)?;
    start(&hosts[0], "busy", &["burn"])?;
    start(&hosts[1], "idle", &["sleep", "600"])?;
    start(&hosts[1], "over", &["exit", "0"])?;
    let json = project
        .dfab(&["top", "-H", "h1,h2", "--output", "json"])?
        .json()?;
    let (busy, idle) = (&json["h1"][0], &json["h2"][0]);
    assert_eq!(
        (busy["container"].as_str(), idle["container"].as_str()),
        (Some("busy"), Some("idle"))
    );
    assert_eq!(json["h2"].as_array().unwrap().len(), 1, "{json}");
    let number = |row: &serde_json::Value, field: &str| row[field].as_f64().unwrap_or(-1.0);
    assert!(number(busy, "cpu_percent") > 5.0, "{json}");
    assert!(
        number(idle, "cpu_percent") < number(busy, "cpu_percent"),
        "{json}"
    );
    for row in [busy, idle] {
        assert!(number(row, "memory_bytes") > 0.0, "{json}");
        assert!(
            number(row, "memory_limit_bytes") > number(row, "memory_bytes"),
            "{json}"
        );
        assert!(number(row, "processes") >= 1.0, "{json}");
    }
    let table = project.dfab(&["top", "-H", "h1,h2", "--once"])?;
    let lines: Vec<_> = table.stdout.lines().collect();
    assert!(
        lines[0].starts_with("HOST") && lines[1].contains("busy") && lines[2].contains("idle"),
        "{table:?}"
    );
    // Live, until q is typed.
    let live = on_terminal(&project, &["top", "-H", "h1,h2", "busy"], "q")?;
    assert_eq!(live.status, 0, "{live:?}");
    let screen = ["\u{1b}[?1049h", "HOST", "\u{1b}[?1049l"].map(|part| live.stdout.find(part));
    assert!(screen.is_sorted() && screen[0].is_some(), "{live:?}");
    Ok(())
}

#[test]
fn a_map_that_is_missing_is_told_with_the_file_that_names_it() -> Result<()> {
    const HINT: &str = "dfab.yaml names it: create it, or correct its path there";
    let project = Project::new()?;
    project.write("dfab.yaml", "maps: maps/m.yaml\n")?;
    let named = project.dfab(&["map", "check"])?;
    ensure!(named.status != 0, "{}", named.stdout);
    ensure!(named.stderr.contains("cannot read"), "{}", named.stderr);
    ensure!(named.stderr.contains(HINT), "{}", named.stderr);
    // What the command line names, the file does not.
    let chosen = project.dfab(&["map", "check", "--map", "other.yaml"])?;
    ensure!(chosen.stderr.contains("other.yaml"), "{}", chosen.stderr);
    ensure!(!chosen.stderr.contains(HINT), "{}", chosen.stderr);
    Ok(())
}
