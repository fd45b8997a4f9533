//! The Docker Engine through any channel.
//!
//! [`Engine::connect`] finds a way to an Engine: the local socket, a TCP port, or one of several
//! ways through an SSH session. All calls then share a small pool of kept channels, so that a
//! second call costs no handshake and no process.
//!
//! Calls that change something take and return the Engine API's own JSON where its shape matters,
//! so that no field is lost to a model that does not know it
//! (<https://docs.docker.com/reference/api/engine/>).

mod archive;
mod call;
mod channel;
mod connect;
mod connector;
mod containers;
mod engine;
mod error;
mod exec;
mod images;
mod inspection;
mod logs;
mod networks;
mod ownership;
mod path;
pub mod permissions;
mod snapshot;
mod ssh_channel;
mod summary;
mod tar_header;
mod transport;
mod version;
mod volumes;

pub use archive::PathStat;
pub use channel::{ChannelKind, UnknownChannelKind};
pub use connect::{Attempt, ConnectError, ConnectOptions, DEFAULT_SOCKET, Endpoint};
pub use connector::ChannelError;
pub use engine::{Engine, Statistics};
pub use error::EngineError;
pub use exec::ExecOutcome;
pub use images::{PullProgress, RegistryAuth};
pub use inspection::Process;
pub use logs::{OutputOptions, OutputPiece};
pub use ownership::Ownership;
pub use path::{PathError, RequestPath};
pub use snapshot::{ContainerState, ObservedContainer, Snapshot};
pub use summary::{ContainerSummary, ImageSummary, Port};
pub use version::{ApiVersion, VersionError};
