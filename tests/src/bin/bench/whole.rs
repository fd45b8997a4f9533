//! The whole of a command, from its start to its end.

use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Result, ensure};
use dfab_tests::Project;

use super::{heading, ratio, show};

/// The whole of `dfab run docker version`, against the engine of this machine.
pub(super) fn whole(project: &Project) -> Result<()> {
    heading("The whole command");
    let mut times = Vec::new();
    for _ in 0..20 {
        let mut command = project.command(&["run", "docker", "version"])?;
        command.stdout(Stdio::null());
        let start = Instant::now();
        ensure!(
            command.status()?.success(),
            "dfab run docker version failed"
        );
        times.push(start.elapsed());
    }
    let ours = show("dfab run docker version", times);
    let mut times = Vec::new();
    for _ in 0..20 {
        let start = Instant::now();
        let status = Command::new("docker")
            .arg("version")
            .stdout(Stdio::null())
            .status()?;
        ensure!(status.success(), "docker version failed");
        times.push(start.elapsed());
    }
    ratio(show("docker version", times), ours);
    Ok(())
}
