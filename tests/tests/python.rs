//! A policy in Python: built as its README says, bundled, added to a project, and used.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use dfab_tests::{Output, Project, images, process, python};

/// A component of 18 MB is compiled within.
const LIMIT: Duration = Duration::from_secs(120);
const APP: &str = "registry.example.com/app:latest";

/// Builds the component of `sdk/python` into a project, as a bundle that is added to it.
fn add(project: &Project) -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .context("tests is in a folder")?;
    let mut command = Command::new(python::program("componentize-py")?);
    command
        .current_dir(root.join("sdk/python"))
        .args([
            "-d",
            "../../wit",
            "-w",
            "policy-plugin",
            "componentize",
            "app",
        ])
        .args(["-p", "signal_policy", "-o"])
        .arg(project.folder().join("signal.wasm"));
    process::run(&mut command, b"", LIMIT)?.success()?;
    let manifest = root.join("sdk/python/signal_policy/manifest.json");
    let manifest = manifest.to_string_lossy();
    project.write("signal/README.md", "# Signals\n")?;
    project.write("signal/LICENSE", "MIT\n")?;
    for arguments in [
        &[
            "plugin",
            "manifest",
            "signal.wasm",
            "--from",
            &manifest,
            "--to",
            "signal/signal.wasm",
        ][..],
        &["bundle", "pack", "signal", "--to", "signal.tar"],
        &["bundle", "install", "signal.tar", "-y"],
    ] {
        dfab(project, arguments)?.success()?;
    }
    Ok(())
}

/// Runs dfab with a store of its own.
fn dfab(project: &Project, arguments: &[&str]) -> Result<Output> {
    let mut command = project.command(arguments)?;
    command.env("XDG_DATA_HOME", project.folder().join("data"));
    process::run(&mut command, b"", LIMIT)
}

#[test]
fn an_action_in_python_is_a_command_and_does_what_it_plans() -> Result<()> {
    let (host, project) = Project::with_host()?;
    project.write("dfab.yaml", "maps: one.yaml\n")?;
    project.write(
        "one.yaml",
        "name: one\nrepository: registry.example.com\napp: {}\n",
    )?;
    images::ensure(APP)?;
    host.load_image(APP)?;
    add(&project)?;

    let help = dfab(&project, &["reload", "--help"])?.success()?;
    assert!(help.contains("--signal"), "{help}");
    let planned = ["plan", "reload", "app", "-H", "h1", "--output", "json"];
    dfab(&project, &["startup", "app", "-H", "h1", "-y"])?.success()?;
    let plan = dfab(&project, &planned)?.json()?;
    assert_eq!(plan["steps"][0]["operation"], "signal");
    assert_eq!(plan["steps"][0]["signal"], "SIGHUP");
    let reload = ["reload", "app", "-H", "h1", "-y", "--signal", "SIGTERM"];
    dfab(&project, &[&["perform"], &reload[..]].concat())?.success()?;
    process::until(Duration::from_secs(10), || {
        let state = host.inspect("one.app")?["State"]["Status"].clone();
        ensure!(state == "exited", "{state}");
        Ok(())
    })?;
    // What does not run gets no signal.
    let plan = dfab(&project, &planned)?.json()?;
    assert_eq!(plan["steps"], serde_json::json!([]));
    Ok(())
}
