//! SSH sessions that carry many channels at once, over libssh2.
//!
//! [`resolve`] finds out what a name means to OpenSSH, [`Session::connect`] opens a session, which a
//! thread of its own then drives, and any number of [`Channel`]s and [`Process`]es share it without
//! one holding up another. Nothing here asks a person anything, and nothing waits without a deadline.

mod authentication;
mod connect;
mod destination;
mod driver;
mod known_hosts;
mod pipe;
mod process;
mod session;
mod slot;
mod target;

pub use authentication::AuthenticationError;
pub use connect::ConnectError;
pub use destination::{Destination, DestinationError};
pub use driver::ExitStatus;
pub use known_hosts::HostKeyError;
pub use pipe::ErrorStream;
pub use process::{Output, Process, RunError};
pub use session::{Channel, OpenError, Session, Statistics};
pub use target::{HostKeyChecking, ResolveError, ResolveOptions, Target, resolve};
