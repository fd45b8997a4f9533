//! What a task reaches: the engine and the shell of one host, given by whoever runs it.

use std::sync::Arc;

use async_trait::async_trait;

use crate::Level;
use crate::authority::Permit;
use crate::call_error::CallError;
use crate::effect::{
    Change, Download, FindShell, Inspect, ListContainers, ListImages, ListNetworks, ListVolumes,
    Look, Looked, RawRequest, ReadInfo, ReadSetting, ReadVersion, RunAs, RunCommand,
    RunInContainer, Transfer, Transferred, Upload,
};
use crate::task::{
    ContainerOutcome, ContainerSummary, ImageSummary, NetworkSummary, Outcome, VolumeSummary,
};

/// Where the log lines of a component go that runs for no host. The text has no control characters
/// but line feeds and tabs.
pub type LogSink = Arc<dyn Fn(Level, &str) + Send + Sync>;

/// One host, as a task sees it. What an effect does stands in its [`Permit`], which exists only where the
/// grants were checked.
///
/// A call may be dropped at any await, when the task runs out of time: an implementation must leave
/// nothing behind then.
#[async_trait]
pub trait TaskHost: Send + Sync {
    /// The name that the operator gave the host.
    fn name(&self) -> String;

    /// Takes a log line, which has no control characters but line feeds and tabs.
    fn log(&self, level: Level, message: &str);

    /// The local paths that the operator gave to this call, as they were typed: those are granted.
    fn given_paths(&self) -> &[String];

    /// A setting of the project as JSON; none where the project does not set it.
    async fn setting(&self, permit: Permit<ReadSetting>) -> Result<Option<String>, CallError>;

    /// `GET /version` of the Engine API, as JSON.
    async fn version(&self, permit: Permit<ReadVersion>) -> Result<String, CallError>;

    /// `GET /info` of the Engine API, as JSON.
    async fn info(&self, permit: Permit<ReadInfo>) -> Result<String, CallError>;

    /// `GET /containers/json` of the Engine API.
    async fn containers(
        &self,
        permit: Permit<ListContainers>,
    ) -> Result<Vec<ContainerSummary>, CallError>;

    /// `GET /images/json` of the Engine API.
    async fn images(&self, permit: Permit<ListImages>) -> Result<Vec<ImageSummary>, CallError>;

    /// `GET /networks` of the Engine API.
    async fn networks(
        &self,
        permit: Permit<ListNetworks>,
    ) -> Result<Vec<NetworkSummary>, CallError>;

    /// `GET /volumes` of the Engine API.
    async fn volumes(&self, permit: Permit<ListVolumes>) -> Result<Vec<VolumeSummary>, CallError>;

    /// All that the engine tells of an object, as JSON.
    async fn inspect(&self, permit: Permit<Inspect>) -> Result<String, CallError>;

    /// The labels of an object that a grant depends on; none where there is no such object.
    async fn look(&self, permit: Permit<Look>) -> Result<Option<Looked>, CallError>;

    /// Changes an object.
    async fn change(&self, permit: Permit<Change>) -> Result<(), CallError>;

    /// Moves bytes between the engine and this machine, or within the engine.
    async fn transfer(&self, permit: Permit<Transfer>) -> Result<Transferred, CallError>;

    /// Runs a command in a container.
    async fn run_in_container(
        &self,
        permit: Permit<RunInContainer>,
    ) -> Result<ContainerOutcome, CallError>;

    /// Any other request.
    async fn request(&self, permit: Permit<RawRequest>) -> Result<String, CallError>;

    /// Whether the host is reached through SSH.
    fn has_shell(&self, permit: Permit<FindShell>) -> bool;

    /// Runs a command in the login shell.
    async fn run(&self, permit: Permit<RunCommand>) -> Result<Outcome, CallError>;

    /// Runs a command as another user.
    async fn run_as(&self, permit: Permit<RunAs>) -> Result<Outcome, CallError>;

    /// Copies a file to the host; its bytes. Nothing on the way of the path there is followed that is a
    /// symbolic link.
    async fn upload(&self, permit: Permit<Upload>) -> Result<u64, CallError>;

    /// Copies a file of the host; the same.
    async fn download(&self, permit: Permit<Download>) -> Result<u64, CallError>;
}
