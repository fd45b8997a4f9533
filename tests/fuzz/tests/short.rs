//! A short form of `cargo xtask fuzz`, which is the same each time, and what was ever found by the long one.
#![expect(clippy::print_stdout, reason = "shown where a test fails")]

use anyhow::{Result, ensure};
use dfab_fuzz::{Mutation, Target, found, seeds};

/// Changes the seeds of a target so many times.
fn try_all(target: Target, times: usize) -> Result<()> {
    for (file, bytes) in found(target)? {
        println!("{}", file.display());
        target.check(&bytes);
    }
    let seeds = seeds(target)?;
    ensure!(!seeds.is_empty(), "nothing to begin with");
    for seed in &seeds {
        target.check(seed);
    }
    let mut taken = 0;
    let mut mutation = Mutation::new(target, 1);
    for (number, seed) in (0..times).zip(seeds.iter().cycle()) {
        let changed = mutation.of(seed);
        // Printed where it fails: all that is needed to see it again.
        println!("{target} {number}");
        taken += usize::from(target.check(&changed));
    }
    println!("{taken} of {times} were taken");
    // Else nothing was tried but the door.
    ensure!(taken * 1000 > times, "only {taken} of {times} were taken");
    Ok(())
}

#[test]
fn any_manifest_is_survived() -> Result<()> {
    try_all(Target::Manifest, 20_000)
}

#[test]
fn any_bundle_is_survived() -> Result<()> {
    try_all(Target::Bundle, 5_000)
}

#[test]
fn any_component_is_survived() -> Result<()> {
    try_all(Target::Component, 1_000)
}

#[test]
fn seeds_are_good() -> Result<()> {
    for bytes in seeds(Target::Component)? {
        dfab_runtime::examine(&bytes)?;
    }
    Ok(())
}
