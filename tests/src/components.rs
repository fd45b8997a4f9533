//! Components to put into bundles: real ones, whose manifests tests write.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::planner::component;
use crate::{folders, process};

/// A component of `tests/guests`, which breaks rules; all are built once for a test run.
///
/// # Errors
/// Where they cannot be built.
pub fn guest(name: &str) -> Result<PathBuf> {
    static BUILT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let build = || -> Result<PathBuf> {
        let target = folders::target()?.join("guests");
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut command = Command::new(env!("CARGO"));
        command
            .args([
                "build",
                "--quiet",
                "--target",
                "wasm32-wasip2",
                "--target-dir",
            ])
            .arg(&target)
            .current_dir(root.join("guests"));
        process::run(&mut command, b"", Duration::from_secs(600))?.success()?;
        Ok(target.join("wasm32-wasip2/debug"))
    };
    let folder = BUILT.get_or_init(|| build().map_err(|error| format!("{error:#}")));
    let folder = folder
        .as_ref()
        .map_err(|error| anyhow::anyhow!("{error}"))?;
    Ok(folder.join(format!("{name}.wasm")))
}

/// What stands before a manifest in a component: the name of its section, with its length.
const SECTION: &[u8] = b"\x0ddfab:manifest";

/// The task component of dfab itself, with its manifest changed.
///
/// # Errors
/// Where it is not built, or the new manifest is longer than the old one: the section keeps its size.
pub fn docker_with(change: impl FnOnce(&mut Value)) -> Result<Vec<u8>> {
    let mut bytes = std::fs::read(component("docker")?)?;
    let at = bytes
        .windows(SECTION.len())
        .position(|part| part == SECTION)
        .context("the component has no manifest")?
        + SECTION.len();
    let section = bytes.get_mut(at..).context("the section is empty")?;
    let mut texts = serde_json::Deserializer::from_slice(section).into_iter::<Value>();
    let mut manifest = texts.next().context("the manifest is empty")??;
    let length = texts.byte_offset();
    change(&mut manifest);
    let mut text = serde_json::to_vec(&manifest)?;
    ensure!(text.len() <= length, "the new manifest is too long");
    text.resize(length, b' ');
    section
        .get_mut(..length)
        .context("the section is too short")?
        .copy_from_slice(&text);
    Ok(bytes)
}
