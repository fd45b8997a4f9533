//! Runs dfab's WebAssembly components: load, check, grant, run. This is the only crate that names
//! wasmtime.
//!
//! What holds here:
//! * A component does nothing to a host but through [`TaskHost`], and each of its effects demands a
//!   [`Permit`], which only the check of the grants makes.
//! * What a component may do is what it declared, what the operator granted, and what its kind
//!   allows, all three at once. A policy and a recipe may do nothing.
//! * Each call has a store and an instance of its own, and limits on CPU time, waiting time and
//!   memory. Nothing is used again after a trap, a time-out or a cancelled call.

mod authority;
mod bindings;
mod cache;
mod call_error;
mod command_pattern;
mod console;
mod embed;
mod grant;
mod host_call;
mod inspect;
mod kind;
mod limits;
mod load;
mod local_path;
mod manifest;
mod need;
mod plugin;
mod plugin_error;
mod request;
mod state;
mod task_host;
mod text;
mod ticker;

pub use authority::Permit;
pub use bindings::task_world::dfab::log::log::Level;
pub use bindings::task_world::dfab::types::types::{Parameter, ValueKind};
pub use call_error::CallError;
pub use command_pattern::CommandPattern;
pub use embed::{EmbedError, with_manifest};
pub use grant::{Grant, GrantError, Grants};
pub use host_call::{Change, HostCall, ImageSource, Object, Transfer, Transferred};
pub use inspect::InspectError;
pub use kind::Kind;
pub use limits::Limits;
pub use load::{
    Examined, LoadError, LoadReason, Origin, Runtime, RuntimeError, RuntimeOptions, examine,
};
pub use local_path::{LocalPath, LocalPathError, LocalRoot, ProjectPath};
pub use manifest::{Declared, Manifest, ManifestError};
pub use plugin::{Plugin, PolicyPlugin, RecipePlugin, TaskPlugin};
pub use plugin_error::{Place, PluginError};
pub use task_host::{LogSink, TaskHost};

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
        ContainerSummary, Form, ImageSummary, NetworkSummary, Part, Port, Selection, VolumeSummary,
    };
    pub use crate::bindings::task_world::dfab::ssh::ssh::{Command, Outcome};
    pub use crate::bindings::task_world::exports::dfab::task::tasks::{
        Output, Table, TaskInfo, View,
    };
}
