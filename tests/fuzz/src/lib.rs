//! What dfab reads from others, read with anything else.
//!
//! A [`Target`] takes bytes and checks what must hold for any: nothing panics, what is taken is what
//! was given, and what is refused is refused the same way everywhere. `cargo xtask fuzz` searches for
//! bytes by which that breaks, guided by what they reach in this workspace's own crates; a test goes through
//! some thousands that are the same each time, and through all that were ever found ([`found`]).

// As dfab itself does it.
#[path = "../../../host/dfab/src/examination.rs"]
mod examination;
mod mutation;
mod repair;
mod samples;
mod target;

pub use mutation::Mutation;
pub use repair::repair;
pub use samples::{found, seeds};
pub use target::Target;
