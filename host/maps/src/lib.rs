//! Container maps: from YAML to a resolved model, its dependency graph and Engine API bodies.
//!
//! Nothing here reads a file, the environment or an engine: texts come in, values and
//! [`Diagnostic`]s come out.

mod body;
mod check;
mod client;
mod compose;
mod config;
mod defaults;
mod diagnostic;
mod event;
mod examination;
mod format;
mod graph;
mod health_check;
mod image_name;
mod inheritance;
mod map;
mod mount;
mod names;
mod normal_form;
mod options;
mod permissions;
mod picture;
mod port;
mod record;
mod relation;
mod resource;
mod scalar;
mod schema;
mod subnet;
mod tree;
mod waiting;

pub use body::{
    BodyError, Features, Preparation, container_body, data_container_body, endpoint_body,
    network_body, preparations, volume_body,
};
pub use client::{CONSTRAINTS, Client, RegistryLogin, Secret, load_clients, read_clients};
pub use compose::{Imported, Note, import_compose};
pub use config::ContainerConfig;
pub use defaults::MapDefaults;
pub use diagnostic::{Diagnostic, Invalid, Loaded, Reading, Severity};
pub use examination::{Surroundings, examine_map};
pub use format::format_map;
pub use graph::{CycleError, Planned, Project, ProjectError, SelectError, Selected, Walk};
pub use image_name::{ImageName, ImageNameError};
pub use map::{Item, ResolvedMap, load_map};
pub use names::split_tag;
pub use normal_form::document_json;
pub use permissions::{Permissions, PermissionsError};
pub use picture::Picture;
pub use record::ExecCommand;
pub use relation::Tie;
pub use schema::{client_schema, map_schema};
pub use tree::{NoSettings, Settings};
pub use waiting::Unset;
