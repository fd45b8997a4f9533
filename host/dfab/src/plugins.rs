//! The plugins: those built into this binary, and those of the project.

use std::path::PathBuf;

use dfab_runtime::planning::ActionInfo;
use dfab_runtime::recipe::RecipeInfo;
use dfab_runtime::{
    Grant, Grants, Limits, Origin, Parameter, Plugin, PolicyPlugin, RecipePlugin, Runtime,
    RuntimeOptions, TaskPlugin,
};

use crate::arguments::{self, Exports, Outline};
use crate::failure::Failure;
use crate::project::{PluginEntry, Project};
use crate::task_host::Log;

/// Components of dfab's own: name and bytes.
const BUILT_IN: [(&str, &[u8]); 3] = [
    (
        "docker",
        include_bytes!(concat!(env!("OUT_DIR"), "/docker.wasm")),
    ),
    (
        "standard",
        include_bytes!(concat!(env!("OUT_DIR"), "/standard.wasm")),
    ),
    (
        "setup-debian",
        include_bytes!(concat!(env!("OUT_DIR"), "/setup_debian.wasm")),
    ),
];

/// Commands that are not for plugins to define.
const RESERVED: [&str; 6] = ["run", "plan", "perform", "map", "setup", "help"];

/// All plugins of a run, by kind, those of the project first.
#[derive(Debug, Default)]
pub(crate) struct Plugins {
    pub(crate) tasks: Vec<TaskPlugin>,
    pub(crate) policies: Vec<(PolicyPlugin, Vec<ActionInfo>)>,
    pub(crate) recipes: Vec<(RecipePlugin, Vec<RecipeInfo>)>,
}

impl Plugins {
    /// Loads what the words of a command line call for.
    ///
    /// # Errors
    /// Where a plugin of the project cannot be loaded, or exports what cannot be a command.
    pub(crate) async fn load(project: &Project, words: &Outline) -> Result<Self, Failure> {
        let runtime = Runtime::new(RuntimeOptions {
            cache_dir: cache_folder(),
            limits: Limits::default(),
        })
        .map_err(|error| Failure::failed("cannot start the component runtime").because(error))?;
        let mut plugins = Self::default();
        // Maps are files, with which plugins have nothing to do.
        let entries = match words.word(0) {
            Some("map") => &[],
            _ => project.plugins.as_slice(),
        };
        for entry in entries {
            plugins.add(load_file(&runtime, entry)?).await?;
        }
        for (name, bytes) in BUILT_IN {
            if wanted(name, words) {
                let plugin = runtime
                    .load(Origin::BuiltIn(name), bytes, Grants::All)
                    .map_err(|error| {
                        Failure::failed(format!("cannot load {name}")).because(error)
                    })?;
                plugins.add(plugin).await?;
            }
        }
        Ok(plugins)
    }

    /// What the plugins add to the command line, and the tasks of the plugin named on it.
    ///
    /// # Errors
    /// Where that plugin cannot say what its tasks are.
    pub(crate) async fn exports(&self, words: &Outline) -> Result<Exports, Failure> {
        let mut exports = Exports::default();
        for (_, actions) in &self.policies {
            for action in actions {
                if exports
                    .actions
                    .iter()
                    .all(|known| known.name != action.name)
                {
                    exports.actions.push(action.clone());
                }
            }
        }
        for (_, recipes) in &self.recipes {
            for recipe in recipes {
                if exports
                    .recipes
                    .iter()
                    .all(|known| known.name != recipe.name)
                {
                    exports.recipes.push(recipe.clone());
                }
            }
        }
        if words.word(0) == Some("run")
            && let Some(name) = words.word(1)
        {
            let plugin = self.task_plugin(name)?;
            exports.tasks = Some((name.to_owned(), tasks_of(plugin).await?));
        }
        Ok(exports)
    }

    /// The plugin of that name.
    ///
    /// # Errors
    /// Where there is none.
    pub(crate) fn task_plugin(&self, name: &str) -> Result<&TaskPlugin, Failure> {
        self.tasks
            .iter()
            .find(|plugin| plugin.name() == name)
            .ok_or_else(|| {
                let names: Vec<_> = self.tasks.iter().map(|plugin| plugin.name()).collect();
                Failure::usage(format!("there is no task plugin {name}"))
                    .hint(format!("there is: {}", names.join(", ")))
                    .hint("a plugin of your own is named under `plugins` in dfab.yaml")
            })
    }

    /// The policy that exports an action; the project's own go before the built-in one.
    pub(crate) fn policy(&self, action: &str) -> Option<(&PolicyPlugin, &ActionInfo)> {
        self.policies.iter().find_map(|(plugin, actions)| {
            Some((plugin, actions.iter().find(|known| known.name == action)?))
        })
    }

    /// The recipe of that name.
    pub(crate) fn recipe(&self, name: &str) -> Option<(&RecipePlugin, &RecipeInfo)> {
        self.recipes.iter().find_map(|(plugin, recipes)| {
            Some((plugin, recipes.iter().find(|known| known.name == name)?))
        })
    }

    async fn add(&mut self, plugin: Plugin) -> Result<(), Failure> {
        let broken = |error| Failure::failed("a plugin does not work").because(error);
        match plugin {
            Plugin::Task(plugin) => self.tasks.push(plugin),
            Plugin::Policy(plugin) => {
                let actions = plugin.actions(&Log::sink()).await.map_err(broken)?;
                for action in &actions {
                    check_name(plugin.name(), &action.name, &action.options)?;
                }
                self.policies.push((plugin, actions));
            }
            Plugin::Recipe(plugin) => {
                let recipes = plugin.recipes(&Log::sink()).await.map_err(broken)?;
                for recipe in &recipes {
                    check_name(plugin.name(), &recipe.name, &recipe.parameters)?;
                }
                self.recipes.push((plugin, recipes));
            }
        }
        Ok(())
    }
}

/// What a plugin can do, checked so that it can become commands.
///
/// # Errors
/// Where it fails, or names something so that it cannot be typed.
pub(crate) async fn tasks_of(
    plugin: &TaskPlugin,
) -> Result<Vec<dfab_runtime::task::TaskInfo>, Failure> {
    let tasks = plugin
        .tasks(&Log::sink())
        .await
        .map_err(|error| Failure::failed("a plugin does not work").because(error))?;
    for task in &tasks {
        check_name(plugin.name(), &task.name, &task.parameters)?;
    }
    Ok(tasks)
}

/// Whether a built-in plugin can matter for this command line; loading costs time.
fn wanted(name: &str, words: &Outline) -> bool {
    match words.word(0) {
        Some("run") => name == "docker",
        Some("setup") => name == "setup-debian",
        Some("map") => false,
        Some(_) => name == "standard",
        None => true,
    }
}

fn load_file(runtime: &Runtime, entry: &PluginEntry) -> Result<Plugin, Failure> {
    let path = &entry.path;
    let bytes = std::fs::read(path).map_err(|error| {
        Failure::usage(format!("cannot read the plugin {}", path.display())).because(error)
    })?;
    let grants = entry
        .grant
        .iter()
        .map(|grant| grant.parse::<Grant>())
        .collect::<Result<_, _>>()
        .map_err(|error| {
            Failure::usage(format!("a grant of the plugin {} is wrong", path.display()))
                .because(error)
        })?;
    runtime
        .load(Origin::File(path.clone()), &bytes, Grants::Only(grants))
        .map_err(|error| {
            Failure::usage(format!("cannot load the plugin {}", path.display())).because(error)
        })
}

fn check_name(plugin: &str, name: &str, parameters: &[Parameter]) -> Result<(), Failure> {
    let typable = |name: &str| {
        name.starts_with(|c: char| c.is_ascii_lowercase())
            && name
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
    };
    let refuse = |what: &str, name: &str, why: &str| {
        Err(Failure::usage(format!(
            "the plugin {plugin} calls {what} {name:?}, which {why}"
        )))
    };
    if !typable(name) {
        return refuse(
            "a command",
            name,
            "is not made of small letters, digits and hyphens",
        );
    }
    if RESERVED.contains(&name) {
        return refuse("a command", name, "is a command of dfab itself");
    }
    let mut seen = Vec::new();
    for parameter in parameters {
        let name = parameter.name.as_str();
        if !typable(name) {
            return refuse(
                "an option",
                name,
                "is not made of small letters, digits and hyphens",
            );
        }
        if arguments::is_common(name) || seen.contains(&name) {
            return refuse("an option", name, "is taken already");
        }
        seen.push(name);
    }
    Ok(())
}

/// Where compiled components are kept between runs.
fn cache_folder() -> Option<PathBuf> {
    let base = match std::env::var_os("XDG_CACHE_HOME").filter(|folder| !folder.is_empty()) {
        Some(folder) => PathBuf::from(folder),
        None => std::env::home_dir()?.join(".cache"),
    };
    Some(base.join("dfab").join("components"))
}
