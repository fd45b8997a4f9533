//! `cargo xtask bench`: what dfab costs, beside what the OpenSSH client, docker and others cost in the
//! same run. With the name of a part, only that.
//!
//! Figures of one run may be compared with each other, and with those of another run only as ratios.
#![expect(clippy::print_stdout, reason = "this is a program for a terminal")]

mod bulk;
mod bundles;
mod components;
mod connections;
mod fleet;
mod gate;
mod maps;
mod openssh;
mod tunnel;
mod whole;

use std::time::Duration;

use anyhow::{Result, bail};
use dfab_tests::{Project, TestHost};

/// As in the dfab command.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The parts in their order.
const PARTS: [&str; 9] = [
    "connections",
    "fleet",
    "bulk",
    "tunnel",
    "components",
    "gate",
    "bundles",
    "maps",
    "whole",
];

fn main() -> Result<()> {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    if let Some(unknown) = wanted.iter().find(|it| !PARTS.contains(&it.as_str())) {
        bail!("there is no part {unknown}; there are {}", PARTS.join(", "));
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let host = TestHost::start()?;
    let project = Project::new()?;
    project.add_host("bench", &host)?;
    for part in PARTS {
        if !wanted.is_empty() && !wanted.iter().any(|it| it == part) {
            continue;
        }
        match part {
            "connections" => runtime.block_on(connections::connections(&project))?,
            "fleet" => fleet::fleet()?,
            "bulk" => runtime.block_on(bulk::bulk(&project))?,
            "tunnel" => tunnel::tunnel(&project)?,
            "components" => runtime.block_on(components::components())?,
            "gate" => runtime.block_on(gate::gate())?,
            "bundles" => bundles::bundles(&project)?,
            "maps" => runtime.block_on(maps::maps(&project))?,
            _ => whole::whole(&project)?,
        }
    }
    Ok(())
}

fn heading(text: &str) {
    println!("\n{text}");
}

/// Prints the median and the extremes, and returns the median in seconds.
fn show(what: &str, mut times: Vec<Duration>) -> f64 {
    times.sort();
    let at = |index: usize| times.get(index).copied().unwrap_or_default().as_secs_f64() * 1e3;
    let median = at(times.len() / 2);
    let (least, most) = (at(0), at(times.len().saturating_sub(1)));
    println!(
        "  {what:<64} {median:>9.3} ms  ({least:.3} to {most:.3}, {} times)",
        times.len()
    );
    median / 1e3
}

/// How many times as fast ours is.
fn ratio(theirs: f64, ours: f64) {
    println!(
        "  {:<64} {:>9.2} times as fast",
        "  so dfab is",
        theirs / ours
    );
}
