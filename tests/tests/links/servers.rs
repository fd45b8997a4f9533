//! Servers that allow little, that are on the way to others, and that are gone to one after another.

use anyhow::{Context as _, Result, ensure};
use dfab_tests::{Project, TestHost};

use crate::{APP, MAP, VERSION, dfab, host};

#[test]
fn servers_that_allow_little_are_worked_with() -> Result<()> {
    let host = host()?;
    host.set_sshd_option("MaxSessions 1")?;
    host.set_sshd_option("MaxStartups 2:100:2")?;
    let project = Project::new()?;
    let names: Vec<String> = (1..=6).map(|number| format!("h{number}")).collect();
    for name in &names {
        project.add_host(name, &host)?;
    }
    project.write("dfab.yaml", "maps: m.yaml\n")?;
    project.write("m.yaml", MAP)?;
    let all = names.join(",");
    for channel in ["stream-local", "socat", "dial-stdio"] {
        let line = ["run", "docker", "version", "-H", &all, "--channel", channel];
        dfab(&project, &line)?.success().context(channel)?;
    }
    dfab(&project, &["ssh", "-H", &all, "--", "true"])?.success()?;
    // Each of these takes the engine's ten seconds to end, and no two calls are made at a time.
    let deaf = "{image: app, create_options: {command: sleep 600}}";
    project.write("m.yaml", &format!("{MAP}a: {deaf}\nb: {deaf}\nc: {deaf}\n"))?;
    for (action, channel) in [("startup", "dial-stdio"), ("shutdown", "socat")] {
        let line = [action, "__all__", "-H", "h1", "-y", "--channel", channel];
        let done = dfab(&project, &line)?;
        ensure!(done.status == 0, "{channel}: {}", done.stderr);
    }

    host.set_sshd_option("DisableForwarding yes")?;
    dfab(&project, &VERSION)?.success()?;
    let only = dfab(
        &project,
        &[&VERSION[..], &["--channel", "stream-local"]].concat(),
    )?;
    ensure!(only.status == 4, "{only:?}");
    ensure!(
        only.stderr.contains("AllowStreamLocalForwarding"),
        "{}",
        only.stderr
    );
    Ok(())
}

#[test]
fn two_hosts_on_the_way_are_jumped_through() -> Result<()> {
    let hosts = TestHost::start_many(3)?;
    let project = Project::new()?;
    for (name, host) in ["first", "second", "h1"].iter().zip(&hosts) {
        project.add_host(name, host)?;
    }
    let config = std::fs::read_to_string(project.folder().join("ssh_config"))?;
    let by_list = "Host h1\n  ProxyJump first,second\n";
    let by_host = "Host h1\n  ProxyJump second\nHost second\n  ProxyJump first\n";
    for (times, jumps) in [(1, by_list), (2, by_host)] {
        project.write("ssh_config", &format!("{jumps}{config}"))?;
        let line = [&VERSION[..], &["--output", "json"]].concat();
        let answer = dfab(&project, &line)?.json()?;
        ensure!(answer["h1"]["Version"].is_string(), "{answer}");
        for (host, before) in [(&hosts[1], &hosts[0]), (&hosts[2], &hosts[1])] {
            let log = host.exec(&["cat", "/var/log/sshd.log"])?;
            let accepted = log
                .lines()
                .filter(|line| line.contains("Accepted publickey"));
            let from = format!("from {} ", before.address());
            let through = accepted.filter(|line| line.contains(&from)).count();
            ensure!(through == times, "{jumps}: {log}");
        }
    }
    Ok(())
}

#[test]
fn commands_go_from_host_to_host_at_a_pace() -> Result<()> {
    let host = host()?;
    let project = Project::new()?;
    let names = ["h1", "h2", "h3", "h4"];
    for name in names {
        project.add_host(name, &host)?;
    }
    let run = ["run", "-d", "--name", "box", "--network", "none", APP];
    host.docker(&[&run[..], &["sleep", "600"]].concat())?;
    let all = names.join(",");
    // Each works once: on the first of the hosts, which all are the same one.
    let ssh = ["ssh", "-H", &all, "--output", "json"];
    let exec = ["exec", "box", "-H", &all, "--output", "json"];
    let in_box = ["--", "/app", "link", "there"];
    let lines = |pace: &[&'static str], path: &'static str| -> [Vec<&str>; 2] {
        [
            [&ssh[..], pace, &["--", "mkdir", path]].concat(),
            [&exec[..], pace, &in_box, &[path]].concat(),
        ]
    };
    for (pace, path, failed) in [
        (&["--serial", "1"][..], "/tmp/one", 1),
        (&["--serial", "1", "--max-fail", "1"], "/tmp/two", 2),
        (&["--serial", "25%", "--max-fail", "50%"], "/tmp/three", 3),
        (&["--parallel", "1", "--max-fail", "0"], "/tmp/four", 1),
        (&["--parallel", "1"], "/tmp/five", 3),
    ] {
        for line in lines(pace, path) {
            let output = dfab(&project, &line)?;
            ensure!(output.status == 3, "{line:?}: {output:?}");
            let told = output.stderr.matches("not begun").count();
            ensure!(told == 3 - failed, "{line:?}: {}", output.stderr);
            let results: serde_json::Value = serde_json::from_str(&output.stdout)?;
            for (index, name) in names.iter().enumerate() {
                let result = &results[name];
                let result = result.get("box").unwrap_or(result);
                let as_wanted = match index {
                    0 => result["exit_code"] == 0,
                    index if index <= failed => result["exit_code"].as_i64() > Some(0),
                    _ => result["error"]
                        .as_str()
                        .is_some_and(|why| why.contains("not begun")),
                };
                ensure!(as_wanted, "{line:?}: {name}: {results}");
            }
        }
    }
    Ok(())
}
