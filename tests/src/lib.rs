//! What end to end tests stand on: throw-away machines with a real SSH server and a real Docker
//! Engine each, projects to run dfab in, and small images to deploy.
//!
//! Everything that a test makes is gone after it, also where the test process is killed. No packet
//! of a test leaves this machine.

use std::fmt::Write as _;

pub mod artifact_registry;
pub mod certificates;
pub mod components;
pub mod fleet;
pub mod host;
pub mod images;
pub mod inventory;
pub mod planner;
pub mod process;
pub mod project;
pub mod python;
pub mod recorder;
pub mod registry;
pub mod relay;
pub mod sigstore;
pub mod simulation;

mod docker;
mod folders;
mod guests;
mod keys;
mod session;

pub use fleet::Fleet;
pub use host::TestHost;
pub use inventory::Inventory;
pub use process::Output;
pub use project::Project;
pub use relay::Relay;

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
