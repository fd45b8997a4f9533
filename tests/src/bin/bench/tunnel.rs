//! docker's client through `dfab tunnel`, beside its own way over SSH.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use dfab_tests::Project;

use super::openssh::ssh_for_docker;
use super::{heading, ratio, show};

/// `docker ps` both ways.
pub(super) fn tunnel(project: &Project) -> Result<()> {
    heading("docker ps");
    let socket = project.folder().join("bench.sock");
    let socket = socket.to_str().context("a path that is no text")?;
    let mut tunnel = project
        .command(&["tunnel", "bench", "--socket", socket])?
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let output = tunnel.stdout.take().context("no standard output")?;
    let mut line = String::new();
    BufReader::new(output).read_line(&mut line)?;
    let host = line.trim().strip_prefix("DOCKER_HOST=");
    let measured = host
        .context("the tunnel did not open")
        .and_then(|host| repeated("through dfab tunnel", host, project));
    // It ends by itself where its parent does; here it is in the way no longer.
    Command::new("kill").arg(tunnel.id().to_string()).status()?;
    tunnel.wait()?;
    let ours = measured?;
    let theirs = repeated("docker -H ssh://…", "ssh://bench", project)?;
    ratio(theirs, ours);
    Ok(())
}

fn repeated(what: &str, host: &str, project: &Project) -> Result<f64> {
    let path = std::env::var("PATH").unwrap_or_default();
    let ssh = ssh_for_docker(project)?;
    let mut times: Vec<Duration> = Vec::new();
    for _ in 0..20 {
        let start = Instant::now();
        let status = Command::new("docker")
            .args(["-H", host, "ps"])
            .env("PATH", format!("{}:{path}", ssh.display()))
            .stdout(Stdio::null())
            .status()?;
        ensure!(status.success(), "docker ps failed");
        times.push(start.elapsed());
    }
    Ok(show(what, times))
}
