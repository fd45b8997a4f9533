//! SSH keys of tests: made once, used by every test and known to nothing else.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::{folders, process};

/// A key pair.
#[derive(Debug, Clone)]
pub(crate) struct Key {
    /// The private key's file.
    pub(crate) file: PathBuf,
}

impl Key {
    /// What users of test hosts log in with.
    pub(crate) fn user() -> Result<Self> {
        named("user")
    }

    /// What every test host identifies itself with.
    pub(crate) fn host() -> Result<Self> {
        named("host")
    }

    /// A key that no test host has.
    pub(crate) fn stranger() -> Result<Self> {
        named("stranger")
    }

    pub(crate) fn private(&self) -> Result<String> {
        read(&self.file)
    }

    /// Type and key, as a line of known_hosts or authorized_keys has them.
    pub(crate) fn public(&self) -> Result<String> {
        let text = read(&self.file.with_extension("pub"))?;
        Ok(text
            .split_whitespace()
            .take(2)
            .collect::<Vec<_>>()
            .join(" "))
    }
}

fn named(name: &str) -> Result<Key> {
    let keys = folders::shared("")?.join("keys");
    if !keys.is_dir() {
        make(&keys)?;
    }
    Ok(Key {
        file: keys.join(name),
    })
}

/// Makes all of them in one go: tests in other processes may be doing the same.
fn make(keys: &Path) -> Result<()> {
    let parent = keys.parent().context("there is no folder for keys")?;
    let new = tempfile::Builder::new()
        .prefix("keys.")
        .tempdir_in(parent)?;
    for name in ["user", "host", "stranger"] {
        let mut command = Command::new("ssh-keygen");
        command
            .args(["-q", "-t", "ed25519", "-N", "", "-C", name, "-f"])
            .arg(new.path().join(name));
        process::run(&mut command, b"", Duration::from_secs(10))?
            .success()
            .context("ssh-keygen failed")?;
    }
    match std::fs::rename(new.path(), keys) {
        Err(error) if !keys.is_dir() => Err(error).context("cannot keep the keys"),
        // Else another process was first, and its keys are as good.
        _ => Ok(()),
    }
}

fn read(file: &Path) -> Result<String> {
    std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))
}
