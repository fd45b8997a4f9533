//! SSH sessions that carry many channels at once, over libssh2.
//!
//! [`resolve`] finds out what a name means to OpenSSH, a [`Connector`] opens a [`Session`], which a
//! thread of its own then drives, and any number of [`Channel`]s and [`Process`]es share it without
//! one holding up another. A [`Prompter`] is asked for what only a person knows; nothing else waits
//! without a deadline.

mod authentication;
mod certificate;
mod cipher;
mod config;
mod connect;
mod connector;
mod destination;
mod driver;
mod flight;
mod handle;
mod host_key;
mod jump;
mod known_hosts;
mod krl;
mod link;
mod pattern;
mod pipe;
mod process;
mod question;
mod quoting;
mod resolve;
mod revoked_keys;
mod running;
mod session;
mod settings;
mod slot;
mod target;
mod terminal;
mod tokens;
mod wire;

pub use authentication::{Attempt, AuthenticationError};
pub use config::ConfigError;
pub use connect::ConnectError;
pub use connector::Connector;
pub use destination::{Destination, DestinationError};
pub use handle::ExitStatus;
pub use host_key::HostKeyError;
pub use link::end_proxy_commands;
pub use pipe::ErrorStream;
pub use process::{Output, Process, RunError, commands_ended};
pub use question::{NoAnswer, Nobody, Program, Prompter, Question, Secret};
pub use quoting::quoted;
pub use resolve::{ResolveError, ResolveOptions, resolve};
pub use revoked_keys::RevokedKeysError;
pub use running::{Ending, Running};
pub use session::{Channel, OpenError, Session, Statistics};
pub use target::{AddressFamily, HostKeyChecking, KeepAlive, Method, Proxy, Target, TargetError};
pub use terminal::{Resizer, Terminal, TerminalSize};
pub use tokens::TokenError;
