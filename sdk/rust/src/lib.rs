//! Write plugins for dfab in Rust.
//!
//! Take the feature of the kind that you write, implement its trait ([`task::Task`],
//! [`policy::Policy`] or [`recipe::Recipe`]), export it with `export_task!`, `export_policy!` or
//! `export_recipe!`, and put a manifest into the component with [`manifest!`]. [`shell`] makes
//! command lines. The README beside this crate goes through it by example.

pub mod shell;

/// Puts a manifest into the component, where dfab reads it without running anything.
///
/// The path is relative to the file that has the macro.
#[macro_export]
macro_rules! manifest {
    ($path:literal) => {
        #[cfg(target_arch = "wasm32")]
        #[used]
        #[unsafe(link_section = "dfab:manifest")]
        static DFAB_MANIFEST: [u8; include_bytes!($path).len()] = *include_bytes!($path);
    };
}

/// The value of an argument; of one given several times, the first.
pub fn argument<'a>(arguments: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let found = arguments.iter().find(|(given, _)| given == name);
    found.map(|(_, value)| value.as_str())
}

/// Whether a boolean argument is given.
pub fn flag(arguments: &[(String, String)], name: &str) -> bool {
    argument(arguments, name) == Some("true")
}

/// All values of an argument that may be given several times.
pub fn arguments<'a>(
    arguments: &'a [(String, String)],
    name: &'a str,
) -> impl Iterator<Item = &'a str> {
    arguments
        .iter()
        .filter(move |(given, _)| given == name)
        .map(|(_, value)| value.as_str())
}

/// Makes a `Parameter` of a kind's own bindings.
#[cfg(any(feature = "task", feature = "policy", feature = "recipe"))]
macro_rules! parameters {
    () => {
        /// A parameter that is there or not: `--name`.
        pub fn flag(name: &str, summary: &str) -> Parameter {
            parameter(name, summary, ValueKind::Boolean)
        }

        /// An optional parameter of that kind. Change its fields for anything else.
        pub fn parameter(name: &str, summary: &str, kind: ValueKind) -> Parameter {
            Parameter {
                name: name.to_owned(),
                summary: summary.to_owned(),
                kind,
                required: false,
                many: false,
                default_value: None,
                choices: Vec::new(),
            }
        }
    };
}

/// Tasks: `dfab run PLUGIN TASK`.
#[cfg(feature = "task")]
pub mod task {
    #[doc(hidden)]
    #[allow(missing_docs, reason = "generated; documented in the contract")]
    pub mod bindings {
        wit_bindgen::generate!({
            path: "../../wit",
            world: "dfab:plugin/task-plugin",
            generate_all,
            pub_export_macro: true,
            export_macro_name: "export_task_bindings",
        });
    }

    pub use bindings::dfab::docker::docker;
    pub use bindings::dfab::log::log::{Level, write as log};
    pub use bindings::dfab::settings::settings;
    pub use bindings::dfab::ssh::ssh;
    pub use bindings::dfab::types::types::{Argument, Error, Parameter, ValueKind};
    pub use bindings::exports::dfab::task::tasks::{Guest as Task, Output, Table, TaskInfo, View};

    parameters!();
}

/// Policies: what must happen to containers.
#[cfg(feature = "policy")]
pub mod policy {
    #[doc(hidden)]
    #[allow(missing_docs, reason = "generated; documented in the contract")]
    pub mod bindings {
        wit_bindgen::generate!({
            path: "../../wit",
            world: "dfab:plugin/policy-plugin",
            generate_all,
            pub_export_macro: true,
            export_macro_name: "export_policy_bindings",
        });
    }

    pub use bindings::dfab::log::log::{Level, write as log};
    pub use bindings::dfab::policy::planning::{
        ActionInfo, ContainerDetails, Difference, ExecCommand, Life, Node, NodeKind, Observation,
        Operation, Process, Remedy, RemoveOptions, Request, RunOptions, Step, StopOptions, Walk,
    };
    pub use bindings::dfab::types::types::{Argument, Error, Parameter, ValueKind};
    pub use bindings::exports::dfab::policy::policy::Guest as Policy;

    parameters!();
}

/// Recipes: what must be so on a machine.
#[cfg(feature = "recipe")]
pub mod recipe {
    #[doc(hidden)]
    #[allow(missing_docs, reason = "generated; documented in the contract")]
    pub mod bindings {
        wit_bindgen::generate!({
            path: "../../wit",
            world: "dfab:plugin/recipe-plugin",
            generate_all,
            pub_export_macro: true,
            export_macro_name: "export_recipe_bindings",
        });
    }

    pub use bindings::dfab::log::log::{Level, write as log};
    pub use bindings::dfab::types::types::{Argument, Error, Parameter, ValueKind};
    pub use bindings::exports::dfab::recipe::recipe::{
        Change, Facts, File, Group, GuardedCommand, Guest as Recipe, Member, RecipeInfo, Step, User,
    };

    parameters!();
}

/// Exports a type that implements [`task::Task`].
#[cfg(feature = "task")]
#[macro_export]
macro_rules! export_task {
    ($task:ident) => {
        $crate::task::bindings::export_task_bindings!($task with_types_in $crate::task::bindings);
    };
}

/// Exports a type that implements [`policy::Policy`].
#[cfg(feature = "policy")]
#[macro_export]
macro_rules! export_policy {
    ($policy:ident) => {
        $crate::policy::bindings::export_policy_bindings!(
            $policy with_types_in $crate::policy::bindings
        );
    };
}

/// Exports a type that implements [`recipe::Recipe`].
#[cfg(feature = "recipe")]
#[macro_export]
macro_rules! export_recipe {
    ($recipe:ident) => {
        $crate::recipe::bindings::export_recipe_bindings!(
            $recipe with_types_in $crate::recipe::bindings
        );
    };
}
