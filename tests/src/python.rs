//! Tools written in Python, as `cargo xtask test` installs them in a folder of their own.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::Result;

use crate::folders;
use crate::process::{self, Output};

/// A program of that folder.
///
/// # Errors
/// Where it is not installed.
pub fn program(name: &str) -> Result<PathBuf> {
    // Not found out by `canonicalize`: an interpreter knows its folder by the link that it is started by.
    let file = folders::target()?.join("python/bin").join(name);
    folders::built(&file)?;
    Ok(file)
}

/// Runs a script with these arguments.
///
/// # Errors
/// Where Python is not installed, or takes longer than a minute.
pub fn script(text: &str, arguments: &[&str]) -> Result<Output> {
    let mut command = Command::new(program("python")?);
    command.args(["-c", text]).args(arguments);
    process::run(&mut command, b"", Duration::from_secs(60))
}
