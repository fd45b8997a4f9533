//! What a task reaches: the engine and the shell of one host, given by whoever runs it.

use std::sync::Arc;

use async_trait::async_trait;

use crate::Level;
use crate::authority::Permit;
use crate::call_error::CallError;
use crate::host_call::{Change, ContainerCommand, Labelled, Looked, Object, Transfer, Transferred};
use crate::task::{
    Command, ContainerOutcome, ContainerSummary, ImageSummary, NetworkSummary, Outcome,
    VolumeSummary,
};

/// Where the log lines of a component go that runs for no host. The text has no control characters
/// but line feeds and tabs.
pub type LogSink = Arc<dyn Fn(Level, &str) + Send + Sync>;

/// One host, as a task sees it. Each effect takes a [`Permit`], which exists only where the grants
/// were checked.
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
    async fn setting(&self, permit: Permit, name: &str) -> Result<Option<String>, CallError>;

    /// `GET /version` of the Engine API, as JSON.
    async fn version(&self, permit: Permit) -> Result<String, CallError>;

    /// `GET /info` of the Engine API, as JSON.
    async fn info(&self, permit: Permit) -> Result<String, CallError>;

    /// `GET /containers/json` of the Engine API.
    async fn containers(
        &self,
        permit: Permit,
        all: bool,
        filters: &[(String, String)],
    ) -> Result<Vec<ContainerSummary>, CallError>;

    /// `GET /images/json` of the Engine API.
    async fn images(
        &self,
        permit: Permit,
        all: bool,
        filters: &[(String, String)],
    ) -> Result<Vec<ImageSummary>, CallError>;

    /// `GET /networks` of the Engine API.
    async fn networks(
        &self,
        permit: Permit,
        filters: &[(String, String)],
    ) -> Result<Vec<NetworkSummary>, CallError>;

    /// `GET /volumes` of the Engine API.
    async fn volumes(
        &self,
        permit: Permit,
        filters: &[(String, String)],
    ) -> Result<Vec<VolumeSummary>, CallError>;

    /// All that the engine tells of an object, as JSON.
    async fn inspect(&self, permit: Permit, object: &Object) -> Result<String, CallError>;

    /// The labels of an object that a grant depends on; none where there is no such object.
    async fn look(&self, permit: Permit, object: &Labelled) -> Result<Option<Looked>, CallError>;

    /// Changes an object.
    async fn change(&self, permit: Permit, change: &Change) -> Result<(), CallError>;

    /// Moves bytes between the engine or the host and this machine, or within the engine. Nothing on
    /// the way of a path of the host is followed that is a symbolic link.
    async fn transfer(&self, permit: Permit, transfer: &Transfer)
    -> Result<Transferred, CallError>;

    /// Runs a command in a container.
    async fn run_in_container(
        &self,
        permit: Permit,
        command: &ContainerCommand,
    ) -> Result<ContainerOutcome, CallError>;

    /// Any other request. Method and path are in the form that was checked: the path has no version,
    /// and its query, where there is one, follows after `?`.
    async fn request(
        &self,
        permit: Permit,
        method: &str,
        path: &str,
        body: Option<&str>,
    ) -> Result<String, CallError>;

    /// Whether the host is reached through SSH.
    fn has_shell(&self, permit: Permit) -> bool;

    /// Runs a command line in the login shell.
    async fn run(&self, permit: Permit, command: Command) -> Result<Outcome, CallError>;
}
