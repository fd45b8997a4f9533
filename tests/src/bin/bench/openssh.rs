//! The OpenSSH client, and docker's client through it: what dfab is measured beside.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::Result;
use dfab_tests::Project;

/// A command line on a host, with its output thrown away.
pub(super) fn openssh(project: &Project, host: &str, line: &str) -> Command {
    let mut command = Command::new("ssh");
    command
        .arg("-F")
        .arg(project.folder().join("ssh_config"))
        .args([host, line])
        .stdout(Stdio::null());
    command
}

/// What to put before the search path, so that docker's client finds an `ssh` that reads the project's
/// configuration: it can be told of no other.
pub(super) fn ssh_for_docker(project: &Project) -> Result<PathBuf> {
    let configuration = project.folder().join("ssh_config");
    let script = format!(
        "#!/bin/sh\nexec /usr/bin/ssh -F '{}' \"$@\"\n",
        configuration.display()
    );
    let program = project.write("bin/ssh", &script)?;
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755))?;
    Ok(project.folder().join("bin"))
}
