//! The Docker client of this machine, on the engine of this machine.

use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::process;

/// No call that tests make takes nearly as long.
const LIMIT: Duration = Duration::from_secs(90);

/// Runs `docker` with these arguments; its output, trimmed.
pub(crate) fn docker<S: AsRef<str>>(arguments: &[S]) -> Result<String> {
    docker_with_input(arguments, b"")
}

/// The same, with something on its standard input.
pub(crate) fn docker_with_input<S: AsRef<str>>(arguments: &[S], input: &[u8]) -> Result<String> {
    let output = process::run(&mut command(arguments), input, LIMIT)?;
    let shown = arguments
        .iter()
        .take(2)
        .map(AsRef::as_ref)
        .collect::<Vec<_>>()
        .join(" ");
    let text = output
        .success()
        .with_context(|| format!("docker {shown} failed"))?;
    Ok(text.trim_end().to_owned())
}

/// Runs one program's output into another one's input.
pub(crate) fn pipe(from: &mut Command, into: &mut Command) -> Result<()> {
    let mut source = from
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot start the source")?;
    let stdout = source.stdout.take().context("the source has no output")?;
    let result = into
        .stdin(stdout)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn();
    let sink = result.and_then(std::process::Child::wait_with_output);
    let ended = source.wait()?;
    let sink = sink.context("cannot run the sink")?;
    if !sink.status.success() || !ended.success() {
        bail!(
            "{from:?} into {into:?} failed: {}",
            String::from_utf8_lossy(&sink.stderr)
        );
    }
    Ok(())
}

/// `docker` on this machine's engine, whatever the developer's own settings point to.
pub(crate) fn command<S: AsRef<str>>(arguments: &[S]) -> Command {
    let mut command = Command::new("docker");
    command
        .env_remove("DOCKER_CONTEXT")
        .env("DOCKER_HOST", "unix:///var/run/docker.sock");
    command.args(arguments.iter().map(AsRef::as_ref));
    command
}
