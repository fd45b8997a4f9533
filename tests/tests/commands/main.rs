//! What people do on many hosts: commands on hosts and in containers, what containers print, which
//! there are, and what they use.

#[cfg(test)]
mod exec;
#[cfg(test)]
mod logs;
#[cfg(test)]
mod running;
#[cfg(test)]
mod ssh;
#[cfg(test)]
mod terminal;

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use dfab_tests::process::until;
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

fn processes(host: &TestHost, pattern: &str) -> Result<usize> {
    let found = host.shell(&format!("pgrep -fc '{pattern}' || true"))?;
    Ok(found.parse()?)
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
    let live = project.on_terminal(("", ""), &["top", "-H", "h1,h2", "busy"], "q")?;
    assert_eq!(live.status, 0, "{live:?}");
    let screen = ["\u{1b}[?1049h", "HOST", "\u{1b}[?1049l"].map(|part| live.stdout.find(part));
    assert!(screen.is_sorted() && screen[0].is_some(), "{live:?}");
    Ok(())
}
