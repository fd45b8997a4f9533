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
mod build;
mod build_message;
mod call;
mod causes;
mod channel;
mod connect;
mod connector;
mod containers;
mod download;
mod engine;
mod error;
mod exec;
mod exec_stream;
mod frames;
mod image_archive;
mod images;
mod inspection;
mod log_reader;
mod logs;
mod networks;
mod ownership;
mod path;
mod processes;
mod programs;
mod sending;
mod snapshot;
mod ssh_channel;
mod stats;
mod stream;
mod summary;
mod tar_header;
mod tls;
mod transport;
pub mod tunnel;
mod upload;
mod version;
mod volumes;

pub use archive::PathStat;
pub use build::{Build, BuildRequest};
pub use build_message::BuildMessage;
pub use causes::with_causes;
pub use channel::{ChannelKind, UnknownChannelKind};
pub use connect::{Attempt, ConnectError, ConnectOptions, DEFAULT_SOCKET, Endpoint};
pub use connector::ChannelError;
pub use download::Download;
pub use engine::{Engine, Statistics};
pub use error::EngineError;
pub use exec::ExecOutcome;
pub use exec_stream::{ExecRequest, ExecState, ExecStream};
pub use images::{PullProgress, RegistryAuth};
pub use inspection::Process;
pub use log_reader::{LogQuery, LogReader};
pub use logs::{OutputOptions, OutputPiece};
pub use ownership::Ownership;
pub use path::{PathError, RequestPath};
pub use processes::end_channels;
pub use programs::{CommandNotice, Programs};
pub use snapshot::{ContainerState, ObservedContainer, Snapshot};
pub use stats::Usage;
pub use summary::{ContainerSummary, ImageSummary, NetworkSummary, Port, VolumeSummary};
pub use tls::{Check, Identity, Tls, TlsError, TlsFileError, TlsOptions};
pub use upload::Upload;
pub use version::{ApiVersion, VersionError};
