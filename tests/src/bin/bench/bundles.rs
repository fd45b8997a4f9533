//! Bundles: what it costs to verify and to add a large component, beside the same work done by openssl
//! and coreutils.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use dfab_tests::Project;
use dfab_tests::components::{docker_with, padded};
use serde_json::json;

use super::{heading, ratio, show};

/// Bytes of the component.
const SIZE: usize = 20 << 20;
/// Runs of each.
const RUNS: usize = 10;

/// Measures both.
pub(super) fn bundles(project: &Project) -> Result<()> {
    heading("A component of 20 MiB, signed");
    let folder = project.folder();
    let large = padded(named()?, SIZE)?;
    std::fs::write(folder.join("large.wasm"), large)?;
    dfab(project, &["key", "new", "author"])?;
    dfab(
        project,
        &["bundle", "sign", "large.wasm", "--key", "author"],
    )?;
    let trust = "trust:\n  require: signed\n  signers:\n\
                 \x20 - {name: author, key: author.pub, may: [sign], for: ['*']}\n";
    project.write("dfab.yaml", trust)?;
    openssl(
        folder,
        &["dgst", "-sha256", "-binary", "-out", "digest", "large.wasm"],
    )?;
    let sign = "pkeyutl -sign -rawin -inkey author -in digest -out signature";
    openssl(folder, &sign.split(' ').collect::<Vec<_>>())?;
    let theirs = "openssl pkeyutl -verify -rawin -pubin -inkey author.pub -in digest -sigfile signature \
                  && openssl dgst -sha256 -binary large.wasm | cmp - digest";

    let mut verified = Vec::new();
    let mut peer = Vec::new();
    for _ in 0..RUNS {
        let arguments = ["bundle", "verify", "large.wasm", "--key", "author.pub"];
        verified.push(dfab(project, &arguments)?);
        peer.push(shell(folder, theirs)?);
    }
    let ours = show("dfab bundle verify", verified);
    ratio(
        show("openssl pkeyutl -verify, openssl dgst and cmp", peer),
        ours,
    );

    let (mut first, mut again, mut peer) = (Vec::new(), Vec::new(), Vec::new());
    for run in 0..RUNS {
        // Other bytes each time, which are in no cache.
        let file = format!("large{run}.wasm");
        std::fs::write(folder.join(&file), padded(named()?, SIZE)?)?;
        dfab(project, &["bundle", "sign", &file, "--key", "author"])?;
        first.push(dfab(project, &["plugin", "add", &file, "-y"])?);
        std::fs::remove_file(folder.join("dfab.lock"))?;
        again.push(dfab(project, &["plugin", "add", &file, "-y"])?);
        std::fs::remove_file(folder.join("dfab.lock"))?;
        peer.push(shell(folder, &format!("{theirs} && cp large.wasm copy"))?);
    }
    show("dfab plugin add, which compiles it", first);
    let again = show("dfab plugin add, compiled before", again);
    ratio(show("the same with openssl, and cp", peer), again);
    Ok(())
}

/// The task component of dfab under a name of its own.
fn named() -> Result<Vec<u8>> {
    docker_with(|manifest| manifest["name"] = json!("large"))
}

/// The time of a whole command.
fn dfab(project: &Project, arguments: &[&str]) -> Result<Duration> {
    let mut command = project.command(arguments)?;
    let data: PathBuf = project.folder().join("data");
    command.env("XDG_DATA_HOME", data);
    timed(&mut command)
}

fn openssl(folder: &Path, arguments: &[&str]) -> Result<Duration> {
    timed(Command::new("openssl").args(arguments).current_dir(folder))
}

fn shell(folder: &Path, line: &str) -> Result<Duration> {
    timed(Command::new("sh").args(["-c", line]).current_dir(folder))
}

fn timed(command: &mut Command) -> Result<Duration> {
    command.stdin(Stdio::null()).stdout(Stdio::null());
    command.stderr(Stdio::piped());
    let start = Instant::now();
    let output = command.output().context("it cannot be started")?;
    let time = start.elapsed();
    ensure!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(time)
}
