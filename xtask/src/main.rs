//! `cargo xtask`: whatever would else be a shell script. Every command says what it runs.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "this is a program for a terminal"
)]

mod command;
mod demo;
mod fuzz;
mod python;
mod setup;
mod suite;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};

use crate::command::Run;
use crate::setup::{Missing, Needs};

const USAGE: &str = "\
Usage: cargo xtask COMMAND

Commands:
  setup         Install what building and testing need, where something is missing
  build         Build dfab and its plugins
  test          Run all tests; --fast: only those that need neither root nor Docker
  demo          Show dfab at work on this machine; --dev: with a development build
  bench         Measure; what follows goes to the benchmark
  fuzz          Read what others could send, changed again and again; --minutes N: in all
  ci            Run what the continuous integration runs
";

fn main() -> ExitCode {
    if let Err(error) = fuzz::as_compiler() {
        eprintln!("cargo xtask: {error:#}");
        return ExitCode::FAILURE;
    }
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match words.as_slice() {
        ["setup"] => setup::run(Needs::All),
        ["build"] => build(),
        ["test"] => suite::run(Needs::All),
        ["test", "--fast"] => suite::run(Needs::Build),
        ["demo"] => demo::run("release"),
        ["demo", "--dev"] => demo::run("dev"),
        ["bench", rest @ ..] => bench(rest),
        ["fuzz"] => fuzz::run(None),
        ["fuzz", "--minutes", minutes] => fuzz::run(Some(minutes)),
        ["ci"] => Run::new("bash", &[".ci/run"]).show(),
        ["help" | "--help" | "-h"] => {
            print!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        _ => {
            eprint!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cargo xtask: {error:#}");
            ExitCode::from(if error.is::<Missing>() { 2 } else { 1 })
        }
    }
}

fn build() -> Result<()> {
    setup::run(Needs::Build)?;
    // The plugins are built by the binary's build script.
    Run::new("cargo", &["build", "--package", "dfab"]).show()
}

fn bench(arguments: &[&str]) -> Result<()> {
    setup::run(Needs::All)?;
    suite::build_test_app()?;
    suite::build_guests()?;
    python::build()?;
    Run::new(
        "cargo",
        &[
            "build",
            "--release",
            "--package",
            "dfab",
            "--package",
            "dfab-tests",
        ],
    )
    .show()?;
    let program = root()?.join("target/release/bench");
    Run::new(&program.to_string_lossy(), arguments).show()
}

/// The workspace's folder.
fn root() -> Result<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    Ok(here
        .parent()
        .context("the workspace has no folder")?
        .to_owned())
}
