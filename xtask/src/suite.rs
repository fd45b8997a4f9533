//! All tests, in one run that ends with a summary.

use anyhow::{Result, bail};

use crate::command::Run;
use crate::python;
use crate::setup::{self, Needs};

/// Its tests start SSH servers and Docker hosts.
const NEEDS_MACHINES: &str = "dfab-tests";

/// Counts of cargo's own result lines.
#[derive(Debug, Default)]
struct Tally {
    passed: u64,
    failed: u64,
    ignored: u64,
}

impl Tally {
    /// Adds a line like `test result: ok. 2 passed; 0 failed; 0 ignored; …`.
    fn add(&mut self, line: &str) {
        let Some((_, counts)) = line
            .strip_prefix("test result: ")
            .and_then(|rest| rest.split_once(". "))
        else {
            return;
        };
        for count in counts.split(';') {
            match count.trim().split_once(' ') {
                Some((number, "passed")) => self.passed += number.parse().unwrap_or(0),
                Some((number, "failed")) => self.failed += number.parse().unwrap_or(0),
                Some((number, "ignored")) => self.ignored += number.parse().unwrap_or(0),
                _ => {}
            }
        }
    }
}

/// Runs the tests for which the machine is set up.
pub(crate) fn run(needs: Needs) -> Result<()> {
    setup::run(needs)?;
    let mut tally = Tally::default();
    let mut ended_well = components(&mut tally)?;
    ended_well &= match needs {
        Needs::All => everything(&mut tally)?,
        Needs::Build => without_machines(&mut tally)?,
    };
    println!("\n{} passed, {} failed", tally.passed, tally.failed);
    if tally.ignored > 0 {
        bail!(
            "{} tests were ignored; tests are made to run",
            tally.ignored
        );
    }
    if !ended_well || tally.failed > 0 {
        bail!("tests failed, see above");
    }
    if tally.passed == 0 {
        bail!("no test ran");
    }
    Ok(())
}

/// The program in the images that tests and the demo deploy.
pub(crate) fn build_test_app() -> Result<()> {
    // Static, so that an image needs nothing beside it.
    Run::new(
        "cargo",
        &[
            "build",
            "--quiet",
            "--package",
            "dfab-test-app",
            "--release",
            "--target-dir",
            "target/app",
        ],
    )
    .env("RUSTFLAGS", "-C target-feature=+crt-static")
    .show()
}

/// The components that are measured.
pub(crate) fn build_guests() -> Result<()> {
    let root = crate::root()?;
    Run::new(
        "cargo",
        &[
            "build",
            "--quiet",
            "--release",
            "--target",
            "wasm32-wasip2",
            "--target-dir",
            &root.join("target/guests").to_string_lossy(),
        ],
    )
    .within(&root.join("tests/guests"))
    .show()
}

/// What the SDK's and the plugins' own crates test natively, where they decide and touch nothing.
fn components(tally: &mut Tally) -> Result<bool> {
    let root = crate::root()?;
    let target = root.join("target/plugins");
    let mut ended_well = true;
    for workspace in ["sdk/rust", "plugins"] {
        if root.join(workspace).join("Cargo.toml").is_file() {
            ended_well &= Run::new("cargo", &["test", "--workspace", "--no-fail-fast"])
                .within(&root.join(workspace))
                .env("CARGO_TARGET_DIR", &target)
                .show_each(|line| tally.add(line))?;
        }
    }
    Ok(ended_well)
}

fn everything(tally: &mut Tally) -> Result<bool> {
    build_test_app()?;
    python::build()?;
    // With the tests, so that dependencies get the same features and are built once.
    Run::new("cargo", &["build", "--workspace", "--all-targets"]).show()?;
    Run::new("cargo", &["test", "--workspace", "--no-fail-fast"]).show_each(|line| tally.add(line))
}

fn without_machines(tally: &mut Tally) -> Result<bool> {
    let arguments = [
        "test",
        "--workspace",
        "--no-fail-fast",
        "--exclude",
        NEEDS_MACHINES,
    ];
    Run::new("cargo", &arguments).show_each(|line| tally.add(line))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn result_lines_are_added_up() {
        let mut tally = Tally::default();
        tally.add("test result: ok. 2 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out");
        tally.add("test result: FAILED. 3 passed; 4 failed; 0 ignored; 0 measured");
        tally.add("test a::b ... ok");
        assert_eq!((tally.passed, tally.failed, tally.ignored), (5, 4, 1));
    }
}
