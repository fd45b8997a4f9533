//! A policy in Python: built as its README says, named in a project, and used.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use dfab_tests::{Project, TestHost, images, process};

const APP: &str = "registry.example.com/app:latest";

/// Builds the component of `sdk/python` into a project.
fn build(project: &Project) -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .context("tests is in a folder")?;
    let program = root.join("target/python/bin/componentize-py");
    ensure!(
        program.is_file(),
        "componentize-py is not installed: cargo xtask test"
    );
    let mut command = Command::new(program);
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
    process::run(&mut command, b"", Duration::from_secs(60))?.success()?;
    Ok(())
}

#[test]
fn an_action_in_python_is_a_command_and_does_what_it_plans() -> Result<()> {
    let host = TestHost::start()?;
    let project = Project::new()?;
    project.add_host("h1", &host)?;
    build(&project)?;
    project.write(
        "dfab.yaml",
        "maps: one.yaml\nplugins: [{path: signal.wasm}]\n",
    )?;
    project.write(
        "one.yaml",
        "name: one\nrepository: registry.example.com\napp: {}\n",
    )?;
    images::ensure(APP)?;
    host.load_image(APP)?;

    let help = project.dfab(&["reload", "--help"])?.success()?;
    assert!(help.contains("--signal"), "{help}");
    project
        .dfab(&["startup", "app", "-H", "h1", "-y"])?
        .success()?;
    let plan = project
        .dfab(&["plan", "reload", "app", "-H", "h1", "--output", "json"])?
        .json()?;
    assert_eq!(plan["steps"][0]["operation"], "signal");
    assert_eq!(plan["steps"][0]["signal"], "SIGHUP");
    project
        .dfab(&["reload", "app", "-H", "h1", "-y", "--signal", "SIGTERM"])?
        .success()?;
    process::until(Duration::from_secs(10), || {
        let state = host.inspect("one.app")?["State"]["Status"].clone();
        ensure!(state == "exited", "{state}");
        Ok(())
    })?;
    // What does not run gets no signal.
    let plan = project
        .dfab(&["plan", "reload", "app", "-H", "h1", "--output", "json"])?
        .json()?;
    assert_eq!(plan["steps"], serde_json::json!([]));
    Ok(())
}
