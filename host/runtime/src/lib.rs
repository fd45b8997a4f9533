//! Runs dfab's WebAssembly components: load, check, grant, run. This is the only crate that names
//! wasmtime.
//!
//! What holds here:
//! * A component does nothing to a host but through [`TaskHost`], and each of its effects is taken out
//!   of a [`Permit`], which only the check of the grants makes.
//! * What a component may do is what it declared, what the operator granted, and what its kind
//!   allows, all three at once. A policy and a recipe may do nothing.
//! * A policy and a recipe have no clock and no randomness either.
//! * Each call has a store and an instance of its own, and limits on CPU time, waiting time and
//!   memory. Nothing is used again after a trap, a time-out or a cancelled call.

mod audit;
mod authority;
mod bindings;
mod cache;
mod call_error;
mod command_pattern;
mod console;
mod denial;
mod effect;
mod embed;
mod grant;
mod host_call;
mod inspect;
mod kind;
mod label_scope;
mod limit_settings;
mod limits;
mod load;
mod local_path;
mod manifest;
mod mask;
mod need;
mod plugin;
mod plugin_error;
mod privilege;
mod quoting;
mod remote_path;
mod request;
mod state;
mod target;
mod task_host;
mod terms;
mod text;
mod texts;
mod ticker;

pub use audit::{Audit, AuditedCall, Decision};
pub use authority::Permit;
pub use bindings::task_world::dfab::log::log::Level;
pub use bindings::task_world::dfab::types::types::{Parameter, ValueKind};
pub use call_error::CallError;
pub use command_pattern::CommandPattern;
pub use denial::Denial;
pub use effect::{
    Change, CommandLine, Download, Filters, FindShell, ImageSource, Inspect, ListContainers,
    ListImages, ListNetworks, ListVolumes, Look, Looked, RawRequest, ReadInfo, ReadSetting,
    ReadVersion, RunAs, RunCommand, RunInContainer, Transfer, Transferred, Upload,
};
pub use embed::{EmbedError, with_manifest};
pub use grant::{Grant, GrantError, Grants};
pub use host_call::{Free, HostCall};
pub use inspect::InspectError;
pub use kind::Kind;
pub use label_scope::{LabelScope, LabelScopeError, Labels, MAP_LABEL};
pub use limit_settings::{Count, LimitError, LimitRules, LimitSettings, Size, Span};
pub use limits::{Limit, Limits, Overrun};
pub use load::{
    Examined, LoadError, LoadReason, Origin, Runtime, RuntimeError, RuntimeOptions, examine,
};
pub use local_path::{LocalPath, LocalPathError, LocalRoot, ProjectPath};
pub use manifest::{Declared, Manifest, ManifestError};
pub use mask::is_secret;
pub use plugin::{Plugin, PolicyPlugin, RecipePlugin, TaskPlugin};
pub use plugin_error::{Place, PluginError};
pub use privilege::AsUser;
pub use quoting::quoted_line;
pub use remote_path::{RemotePath, RemotePathError, RemotePattern};
pub use task_host::{LogSink, TaskHost};
pub use terms::{Hosts, Terms};
pub use text::steers;

/// What a policy sees, and what it answers with.
pub mod planning {
    pub use crate::bindings::policy_world::dfab::policy::planning::{
        ActionInfo, ContainerDetails, Difference, ExecCommand, Life, Node, NodeKind, Observation,
        Operation, Process, Remedy, RemoveOptions, Request, RunOptions, Step, StopOptions, Walk,
    };
}

/// What a recipe sees of a machine, and what it answers with.
pub mod recipe {
    pub use crate::bindings::recipe_world::exports::dfab::recipe::recipe::{
        Change, Facts, File, Group, GuardedCommand, Member, RecipeInfo, Step, User,
    };
}

/// What a task offers and answers with, and what it sees of a host.
pub mod task {
    pub use crate::bindings::task_world::dfab::docker::docker::{
        BuildOptions, ContainerOutcome, ContainerSummary, Form, ImageSummary, NetworkSummary, Part,
        Port, Selection, VolumeSummary,
    };
    pub use crate::bindings::task_world::dfab::ssh::ssh::Outcome;
    pub use crate::bindings::task_world::exports::dfab::task::tasks::{
        Output, Table, TaskInfo, View,
    };
}
