//! Fuzzing of what dfab reads from others. The toolchain of the tests is enough: coverage is an ordinary pass
//! of its compiler, and only crates of this workspace get it, by a wrapper around the compiler, so that
//! dependencies are not built again. The wrapper is this program.

use std::ffi::OsString;
use std::num::NonZero;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::command::Run;

/// Set where this program is run as the compiler.
const WRAPPER: &str = "DFAB_XTASK_COVERAGE";

/// What libFuzzer wants to be told: which code was reached, and what was compared.
const COVERAGE: [&str; 5] = [
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
];

/// As `dfab-fuzz` calls them.
const TARGETS: [&str; 3] = ["manifest", "bundle", "component"];

/// What no single input may take.
const LIMITS: [&str; 3] = ["-timeout=60", "-rss_limit_mb=4096", "-max_len=65536"];

/// Becomes the compiler, with coverage, where cargo calls this program as its wrapper.
///
/// # Errors
/// Where the compiler cannot be started. It does not return otherwise.
pub(crate) fn as_compiler() -> Result<()> {
    if std::env::var_os(WRAPPER).is_none() {
        return Ok(());
    }
    let mut arguments = std::env::args_os().skip(1);
    let compiler = arguments.next().context("no compiler is named")?;
    let arguments: Vec<OsString> = arguments.collect();
    let error = Command::new(compiler).args(arguments).args(COVERAGE).exec();
    Err(error).context("cannot start the compiler")
}

/// Runs every target, for so many minutes in all.
pub(crate) fn run(minutes: Option<&str>) -> Result<()> {
    // The fuzzer takes none at all for no end.
    let minutes: NonZero<u64> = minutes
        .unwrap_or("3")
        .parse()
        .context("--minutes takes a number from 1")?;
    let folder = crate::root()?.join("target/fuzz");
    let found = folder.join("found");
    std::fs::create_dir_all(&found)?;
    let corpus = folder.join("corpus");
    let seeds = corpus.to_string_lossy();
    // With the features that the whole workspace gives to dependencies, or they would be built again.
    let build = ["build", "--quiet", "--workspace", "--bin"];
    Run::new("cargo", &[&build[..], &["fuzz-seeds"]].concat()).show()?;
    let programs = crate::root()?.join("target/debug");
    Run::new(
        &programs.join("fuzz-seeds").to_string_lossy(),
        &[seeds.as_ref()],
    )
    .show()?;
    Run::new(
        "cargo",
        &[&build[..], &["fuzz", "--features", "dfab-fuzz/libfuzzer"]].concat(),
    )
    .env("RUSTC_WORKSPACE_WRAPPER", std::env::current_exe()?)
    .env(WRAPPER, "1")
    .show()?;
    let program = programs.join("fuzz");
    let seconds = minutes.get() * 60 / TARGETS.len() as u64;
    let mut broken = Vec::new();
    for target in TARGETS {
        println!("\n{target}, {seconds} s");
        let time = format!("-max_total_time={seconds}");
        let prefix = format!("-artifact_prefix={}/{target}-", found.display());
        let corpus = corpus.join(target).to_string_lossy().into_owned();
        let shown = ["-verbosity=0", "-print_final_stats=1"];
        let mut arguments = vec![time.as_str(), prefix.as_str(), corpus.as_str()];
        arguments.extend(LIMITS);
        arguments.extend(shown);
        let run = Run::new(&program.to_string_lossy(), &arguments).env("DFAB_FUZZ", target);
        if run.show().is_err() {
            broken.push(target);
        }
    }
    if !broken.is_empty() {
        bail!(
            "something breaks ({}); what does it is in {}",
            broken.join(", "),
            found.display()
        );
    }
    Ok(())
}
