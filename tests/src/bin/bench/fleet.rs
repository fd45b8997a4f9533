//! Many hosts: connecting to all of them and making a call on each.
//!
//! All of them are this machine, so that its cores do the work of the servers as well.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use dfab_tests::{Fleet, Project};

use super::openssh::ssh_for_docker;
use super::{heading, ratio, show};

/// `docker version` on 1 to 200 hosts at once, by dfab and by docker's own client over `ssh://`;
/// and the least that OpenSSH's own client can do there.
pub(super) fn fleet() -> Result<()> {
    heading("Many hosts: connect, log in, one call on each");
    let fleet = Fleet::start()?;
    let project = Project::new()?;
    let names = fleet.enlist(&project, 200)?;
    for count in [1, 10, 50, 200] {
        let hosts = names.get(..count).context("too few hosts")?;
        let ours = repeated(&format!("dfab, {count} hosts"), 5, || {
            ended(version(&project, hosts, "32")?.spawn()?)
        })?;
        // Each of these takes a process of docker's and one of OpenSSH's here, and two on the host.
        if count <= 50 {
            let theirs = repeated(
                &format!("docker -H ssh://…, {count} hosts, 32 at a time"),
                3,
                || {
                    ended(at_a_time(
                        &project,
                        hosts,
                        &["docker", "-H", "ssh://{}", "version"],
                    )?)
                },
            )?;
            ratio(theirs, ours);
            let login = repeated(
                &format!("ssh … true, {count} hosts, 32 at a time"),
                3,
                || ended(at_a_time(&project, hosts, &["ssh", "-n", "{}", "true"])?),
            )?;
            ratio(login, ours);
        }
    }
    let mut all = version(&project, &names, "200")?.spawn()?;
    let mut peak = 0;
    while all.try_wait()?.is_none() {
        peak = peak.max(peak_memory(all.id()));
        std::thread::sleep(Duration::from_millis(5));
    }
    ended(all)?;
    println!("  200 hosts, all at a time: {} MiB at the peak", peak >> 10);
    Ok(())
}

fn version(project: &Project, hosts: &[String], parallel: &str) -> Result<Command> {
    let hosts = hosts.join(",");
    let arguments = ["run", "docker", "version", "-H", &hosts];
    let mut command = project.command(&[&arguments[..], &["--parallel", parallel]].concat())?;
    command.stdout(Stdio::null()).stderr(Stdio::null());
    Ok(command)
}

/// A command line for each host, which stands for `{}` in it.
fn at_a_time(project: &Project, hosts: &[String], line: &[&str]) -> Result<Child> {
    let path = std::env::var("PATH").unwrap_or_default();
    let ssh = ssh_for_docker(project)?;
    let mut xargs = Command::new("xargs")
        .args(["-P", "32", "-I", "{}"])
        .args(line)
        .env("PATH", format!("{}:{path}", ssh.display()))
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let mut input = xargs.stdin.take().context("no standard input")?;
    std::io::Write::write_all(&mut input, hosts.join("\n").as_bytes())?;
    Ok(xargs)
}

fn ended(mut child: Child) -> Result<()> {
    ensure!(child.wait()?.success(), "not all hosts answered");
    Ok(())
}

fn repeated(what: &str, times: usize, mut run: impl FnMut() -> Result<()>) -> Result<f64> {
    let mut took = Vec::new();
    for _ in 0..times {
        let start = Instant::now();
        run()?;
        took.push(start.elapsed());
    }
    Ok(show(what, took))
}

/// What a process has held at most, in KiB; 0 where it has ended.
fn peak_memory(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next())
        .and_then(|number| number.parse().ok())
        .unwrap_or(0)
}
