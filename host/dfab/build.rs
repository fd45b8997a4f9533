//! Builds the components that are embedded in the binary, so that `dfab` is one file.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Packages of the plugins workspace, which are also the names of their files.
const PLUGINS: [&str; 5] = [
    "docker",
    "standard",
    "setup-accounts",
    "setup-centos",
    "setup-debian",
];
const TARGET: &str = "wasm32-wasip2";

fn main() -> Result<(), String> {
    let root = variable("CARGO_MANIFEST_DIR")?.join("../..");
    let out = variable("OUT_DIR")?;
    for source in ["plugins", "sdk/rust", "wit"] {
        println!("cargo::rerun-if-changed={}", root.join(source).display());
    }
    // .../target/PROFILE/build/dfab-HASH/out: all profiles share the components.
    let target = out
        .ancestors()
        .nth(4)
        .ok_or_else(|| format!("{} is not in a target folder", out.display()))?
        .join("plugins");
    for plugin in PLUGINS {
        build(&root, &target, plugin)?;
        let file = format!("{}.wasm", plugin.replace('-', "_"));
        let built = target.join(TARGET).join("release").join(&file);
        std::fs::copy(&built, out.join(&file))
            .map_err(|error| format!("cannot copy {}: {error}", built.display()))?;
    }
    Ok(())
}

fn build(root: &Path, target: &Path, plugin: &str) -> Result<(), String> {
    let mut cargo = Command::new(variable("CARGO")?);
    // What is meant for the host's build, such as clippy's wrapper, is not for the components.
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_") && text != "CARGO_HOME"
            || ["RUSTFLAGS", "RUSTC_WORKSPACE_WRAPPER", "RUSTC_WRAPPER"].contains(&&*text)
        {
            cargo.env_remove(&name);
        }
    }
    let output = cargo
        .args([
            "build",
            "--release",
            "--target",
            TARGET,
            "--package",
            plugin,
        ])
        .arg("--manifest-path")
        .arg(root.join("plugins/Cargo.toml"))
        .arg("--target-dir")
        .arg(target)
        .output()
        .map_err(|error| format!("cannot run cargo: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!(
        "cannot build the component {plugin}; if the target is missing: rustup target add {TARGET}\n{}",
        String::from_utf8_lossy(&output.stderr)
    ))
}

fn variable(name: &str) -> Result<PathBuf, String> {
    std::env::var_os(name)
        .map(PathBuf::from)
        .ok_or_else(|| format!("{name} is not set"))
}
