//! The components of `tests/guests`, which break rules. The runtime's own tests have this file too.

use std::io::{Error, Result};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Where one of them is; all are built once for a test run.
///
/// # Errors
/// Where they cannot be built.
pub fn guest(name: &str) -> Result<PathBuf> {
    static BUILT: OnceLock<std::result::Result<PathBuf, String>> = OnceLock::new();
    let built = BUILT.get_or_init(|| build().map_err(|error| error.to_string()));
    let folder = built
        .as_ref()
        .map_err(|error| Error::other(error.as_str()))?;
    Ok(folder.join(format!("{name}.wasm")))
}

fn build() -> Result<PathBuf> {
    let mut above = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    let root = above
        .find(|folder| folder.join("tests/guests").is_dir())
        .ok_or_else(|| Error::other("there is no folder tests/guests"))?;
    let target = root.join("target/guests");
    let status = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--target", "wasm32-wasip2"])
        .arg("--target-dir")
        .arg(&target)
        .current_dir(root.join("tests/guests"))
        .status()?;
    if !status.success() {
        let error = "the guests do not build; is the target wasm32-wasip2 there?";
        return Err(Error::other(error));
    }
    Ok(target.join("wasm32-wasip2/debug"))
}
