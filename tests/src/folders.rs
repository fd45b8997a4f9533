//! Where tests keep what outlives them: below the target folder, so that `cargo clean` removes it.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The folder of this profile's programs, such as `target/debug`.
pub(crate) fn profile() -> Result<PathBuf> {
    let test = std::env::current_exe().context("cannot find the test's own program")?;
    let folder = test
        .parent()
        .context("the test's own program is in no folder")?;
    // Tests and benches are in `deps`, programs beside it.
    let folder = if folder.ends_with("deps") {
        folder.parent().unwrap_or(folder)
    } else {
        folder
    };
    Ok(folder.to_owned())
}

/// The target folder.
pub(crate) fn target() -> Result<PathBuf> {
    let profile = profile()?;
    Ok(profile
        .parent()
        .context("there is no target folder")?
        .to_owned())
}

/// A folder for what tests share, made where it is missing.
pub(crate) fn shared(name: &str) -> Result<PathBuf> {
    let folder = target()?.join("dfab-tests").join(name);
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("cannot make {}", folder.display()))?;
    Ok(folder)
}

/// A program that `cargo xtask test` builds before it runs tests.
pub(crate) fn built(path: &Path) -> Result<PathBuf> {
    let found = path.canonicalize();
    found.with_context(|| {
        format!(
            "{} is missing; build it first: cargo xtask test",
            path.display()
        )
    })
}
