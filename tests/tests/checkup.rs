//! `dfab host`: what is told of hosts that work and of hosts that do not.

use anyhow::Result;
use dfab_tests::{Project, TestHost};
use serde_json::Value;

fn project(host: &TestHost) -> Result<Project> {
    let project = Project::new()?;
    project.add_host("h1", host)?;
    project.write(
        "dfab.yaml",
        "hosts: {h1: , gone: '127.0.0.1:1'}\ngroups: {web: h*}\n",
    )?;
    Ok(project)
}

/// A point's name, its state and what to do.
type Point = (String, String, String);

fn points(told: &Value, host: &str) -> Vec<Point> {
    let text = |point: &Value, name: &str| point[name].as_str().unwrap_or_default().to_owned();
    let points = told[host].as_array().into_iter().flatten();
    points
        .map(|point| {
            (
                text(point, "name"),
                text(point, "state"),
                text(point, "advice"),
            )
        })
        .collect()
}

#[test]
fn hosts_are_listed_and_described() -> Result<()> {
    let host = TestHost::start()?;
    let project = project(&host)?;
    let list = project
        .dfab(&["host", "list", "--output", "json"])?
        .json()?;
    assert_eq!(project.dfab(&["host", "list", "--json"])?.json()?, list);
    assert_eq!(list[0]["name"], "h1");
    assert_eq!(list[0]["groups"][0], "web");
    assert_eq!(list[1]["address"], "ssh://127.0.0.1:1");
    let line = ["host", "facts", "-g", "web", "--json"];
    let facts = project.dfab(&line)?.json()?;
    assert_eq!(facts["h1"]["channel"], "stream-local");
    assert!(facts["h1"]["memory"].as_u64() > Some(0), "{facts}");
    // Without a name, all of them.
    let all = project.dfab(&["host", "check", "--output", "json"])?;
    assert_eq!(all.status, 3, "{all:?}");
    Ok(())
}

#[test]
fn a_checkup_tells_what_fails_and_what_to_do() -> Result<()> {
    let host = TestHost::start()?;
    let project = project(&host)?;
    let check = |host: &str| -> Result<(i32, Vec<Point>)> {
        let told = project.dfab(&["host", "check", "-H", host, "--output", "json"])?;
        Ok((
            told.status,
            points(&serde_json::from_str(&told.stdout)?, host),
        ))
    };
    let (status, found) = check("h1")?;
    assert_eq!(status, 0, "{found:?}");
    let good = |name: &str| {
        found
            .iter()
            .any(|(known, state, _)| known == name && state == "good")
    };
    for name in [
        "ssh",
        "stream-local",
        "socat",
        "engine",
        "permissions",
        "clock",
    ] {
        assert!(good(name), "{name}: {found:?}");
    }
    let shown = project.dfab(&["host", "check", "-H", "h1"])?.stdout;
    let version = host.docker(&[
        "version",
        "-f",
        "{{.Server.Version}}, {{.Server.APIVersion}}",
    ])?;
    for part in version.split(", ").chain(["API version", "root may use"]) {
        assert!(shown.contains(part), "{part} is not in {shown}");
    }
    // How full it is, is this machine's affair.
    let is_known = |(name, state, _): &Point| name == "disk" && state != "unknown";
    assert!(found.iter().any(is_known), "{found:?}");

    // One way less is a note, and the host is fine.
    host.remove_socat()?;
    let (status, found) = check("h1")?;
    assert_eq!(status, 0, "{found:?}");
    let socat = found.iter().find(|(name, ..)| name == "socat");
    assert!(
        socat.is_some_and(|(_, state, advice)| state == "note" && advice.contains("setup socat")),
        "{found:?}"
    );

    host.stop_engine()?;
    let (status, found) = check("h1")?;
    assert_eq!(status, 4, "{found:?}");
    let engine = found.iter().find(|(name, ..)| name == "engine");
    assert!(
        engine.is_some_and(|(_, state, advice)| state == "bad"
            && advice.contains("systemctl")
            && advice.contains("docker")),
        "{found:?}"
    );
    // The ways are not to blame.
    let mut ways = found.iter().filter(|(name, ..)| name != "engine");
    assert!(ways.all(|(_, _, advice)| advice.is_empty()), "{found:?}");
    // A socket that nobody listens on any more is none.
    host.shell(
        r#"rm -f /run/docker.sock
        perl -MSocket -e 'socket(S, PF_UNIX, SOCK_STREAM, 0); bind(S, sockaddr_un("/run/docker.sock")) or die'"#,
    )?;
    let (_, found) = check("h1")?;
    let engine = found.iter().find(|(name, ..)| name == "engine");
    assert!(
        engine.is_some_and(|(_, _, advice)| advice.contains("systemctl start docker")),
        "{found:?}"
    );

    // One that only others may open is not opened by a setting of sshd either.
    host.start_engine()?;
    project.add_host_as("h2", &host, "plain")?;
    let (status, found) = check("h2")?;
    assert_eq!(status, 4, "{found:?}");
    let advised: Vec<&Point> = found
        .iter()
        .filter(|(.., advice)| !advice.is_empty())
        .collect();
    let [(name, _, advice)] = advised.as_slice() else {
        panic!("{found:?}");
    };
    assert_eq!(name, "engine");
    assert!(advice.contains("usermod -aG docker plain"), "{found:?}");

    let (status, found) = check("gone")?;
    assert_eq!(status, 4, "{found:?}");
    assert_eq!(found.len(), 1);
    assert!(found[0].2.contains("ssh ssh://127.0.0.1:1"), "{found:?}");
    Ok(())
}
