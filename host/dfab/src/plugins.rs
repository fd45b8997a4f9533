//! The plugins: those built into this binary, and those of the project.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use dfab_bundles::Digest;
use dfab_runtime::planning::ActionInfo;
use dfab_runtime::recipe::RecipeInfo;
use dfab_runtime::{
    Grant, Grants, Hosts, Limits, Origin, Parameter, Plugin, PolicyPlugin, RecipePlugin, Runtime,
    RuntimeOptions, TaskPlugin, Terms, ValueKind,
};

use crate::arguments::{self, Exports, Outline};
use crate::audit::Audit;
use crate::failure::Failure;
use crate::locked;
use crate::own_files;
use crate::project::{Held, PluginEntry, Project};
use crate::task_host::Log;
use crate::terminal;

/// Components of dfab's own: name and bytes.
const BUILT_IN: [(&str, &[u8]); 5] = [
    (
        "docker",
        include_bytes!(concat!(env!("OUT_DIR"), "/docker.wasm")),
    ),
    (
        "standard",
        include_bytes!(concat!(env!("OUT_DIR"), "/standard.wasm")),
    ),
    (
        "setup-accounts",
        include_bytes!(concat!(env!("OUT_DIR"), "/setup_accounts.wasm")),
    ),
    (
        "setup-centos",
        include_bytes!(concat!(env!("OUT_DIR"), "/setup_centos.wasm")),
    ),
    (
        "setup-debian",
        include_bytes!(concat!(env!("OUT_DIR"), "/setup_debian.wasm")),
    ),
];

/// Commands that are not for plugins to define, though they serve them.
const RESERVED: [&str; 5] = ["run", "plan", "perform", "setup", "help"];

/// Commands that plugins have nothing to do with; nor are they for them to define.
const WITHOUT_PLUGINS: [&str; 12] = [
    "build", "bundle", "exec", "host", "key", "logs", "map", "plugin", "ps", "ssh", "top", "tunnel",
];

/// All plugins of a run, by kind, those of the project first.
#[derive(Debug, Default)]
pub(crate) struct Plugins {
    pub(crate) tasks: Vec<TaskPlugin>,
    pub(crate) policies: Vec<(PolicyPlugin, Vec<ActionInfo>)>,
    pub(crate) recipes: Vec<(RecipePlugin, Vec<RecipeInfo>)>,
    /// Those of the project that are not used.
    unusable: Vec<locked::Unusable>,
}

impl Plugins {
    /// Loads what the words of a command line call for.
    ///
    /// # Errors
    /// Where a plugin that is called for is not used, dfab.lock cannot be read, or a part of dfab does not
    /// work.
    pub(crate) async fn load(
        project: &Project,
        words: &Outline,
        audit: Option<&Arc<Audit>>,
    ) -> Result<Self, Failure> {
        let runtime = runtime()?;
        let conditions = Conditions { project, audit };
        let mut plugins = Self::default();
        let has_use = |word| !WITHOUT_PLUGINS.contains(&word);
        if words.word(0).is_none_or(has_use) {
            for entry in &project.plugins {
                match load_file(&runtime, &conditions, entry) {
                    Ok(plugin) => plugins.add_of_project(plugin).await,
                    Err(unusable) => plugins.unusable.push(unusable),
                }
            }
            let (locked, unusable) = locked::load(&runtime, &conditions)?;
            plugins.unusable.extend(unusable);
            for plugin in locked {
                plugins.add_of_project(plugin).await;
            }
            plugins.check_usable(words)?;
        }
        for (name, bytes) in BUILT_IN {
            if wanted(name, words) {
                let terms = conditions.terms(Grants::All, None)?;
                let plugin = runtime
                    .load_under(Origin::BuiltIn(name), bytes, terms)
                    .map_err(|error| {
                        Failure::failed(format!("cannot load {name}")).because(error)
                    })?;
                plugins.add(plugin).await?;
            }
        }
        Ok(plugins)
    }

    /// Loads all policies, for a command that only wants to know which actions there are.
    ///
    /// # Errors
    /// As [`Plugins::load`].
    pub(crate) async fn of_actions(
        project: &Project,
        audit: Option<&Arc<Audit>>,
    ) -> Result<Self, Failure> {
        let words = Outline::read(["dfab", "plan"].map(std::ffi::OsString::from));
        Self::load(project, &words, audit).await
    }

    /// The actions of all policies, the project's own before those of dfab.
    pub(crate) fn actions(&self) -> Vec<ActionInfo> {
        let mut actions: Vec<ActionInfo> = Vec::new();
        for action in self.policies.iter().flat_map(|(_, actions)| actions) {
            if actions.iter().all(|known| known.name != action.name) {
                actions.push(action.clone());
            }
        }
        actions
    }

    /// Refuses what a plugin that is not used would do, or might: what it exports it cannot be asked, and
    /// another one must not do it in its place. Where all is listed, it is told.
    ///
    /// # Errors
    /// Then.
    fn check_usable(&self, words: &Outline) -> Result<(), Failure> {
        let (first, second) = (words.word(0), words.word(1));
        for plugin in &self.unusable {
            let is_needed = match (first, second) {
                (Some("run"), Some(name)) => plugin.has_tasks(name),
                (Some("setup"), Some(_)) => plugin.has_kind("recipe"),
                (None | Some("run" | "setup" | "help"), _) => {
                    terminal::tell(&format!(
                        "warning: {}",
                        terminal::plain(&plugin.failure().to_string())
                    ));
                    false
                }
                (Some(_), _) => plugin.has_kind("policy"),
            };
            if is_needed {
                return Err(plugin.failure());
            }
        }
        Ok(())
    }

    /// What the plugins add to the command line, and the tasks of the plugin named on it.
    ///
    /// # Errors
    /// Where that plugin cannot say what its tasks are.
    pub(crate) async fn exports(&self, words: &Outline) -> Result<Exports, Failure> {
        let mut exports = Exports {
            actions: self.actions(),
            ..Exports::default()
        };
        for (plugin, recipes) in &self.recipes {
            for recipe in recipes {
                match exports
                    .recipes
                    .iter_mut()
                    .find(|known| known.name == recipe.name)
                {
                    Some(known) => add_parameters(known, recipe, plugin.name())?,
                    None => exports.recipes.push(recipe.clone()),
                }
            }
        }
        if words.word(0) == Some("run")
            && let Some(name) = words.word(1)
        {
            let plugin = self.task_plugin(name)?;
            let tasks = tasks_of(plugin).await?;
            let names: Vec<&str> = tasks.iter().map(|task| task.name.as_str()).collect();
            if let Some(task) = words.word(2).filter(|task| *task != "help")
                && !names.contains(&task)
            {
                return Err(no_task(name, task, &names));
            }
            exports.tasks = Some((name.to_owned(), tasks));
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

    /// The recipes of that name, for different systems; the project's own go before built-in ones.
    pub(crate) fn recipes(&self, name: &str) -> Vec<(&RecipePlugin, &RecipeInfo)> {
        let recipes = self.recipes.iter().filter_map(|(plugin, recipes)| {
            Some((plugin, recipes.iter().find(|known| known.name == name)?))
        });
        recipes.collect()
    }

    /// Adds one of the project's own. One that does not work stops what needs it, and nothing else.
    async fn add_of_project(&mut self, plugin: Plugin) {
        let name = plugin.name().to_owned();
        let component = (name, plugin.manifest().kind.to_string());
        if let Err(failure) = self.add(plugin).await {
            self.unusable
                .push(locked::Unusable::new(vec![component], failure));
        }
    }

    async fn add(&mut self, plugin: Plugin) -> Result<(), Failure> {
        let broken = |error| Failure::failed("a plugin does not work").because(error);
        // The project's own go before those of dfab, and none before another of the project.
        let is_of_dfab = matches!(plugin.origin(), Origin::BuiltIn(_));
        match plugin {
            Plugin::Task(plugin) => {
                let mut tasks = self.tasks.iter();
                let known = tasks.find(|known| known.name() == plugin.name());
                if let Some(known) = known.filter(|_| !is_of_dfab) {
                    let what = format!("task plugins are called {}", plugin.name());
                    return Err(twice(&what, known.origin(), plugin.origin()));
                }
                self.tasks.push(plugin);
            }
            Plugin::Policy(plugin) => {
                let actions = plugin.actions(&Log::sink()).await.map_err(broken)?;
                for action in &actions {
                    check_name(plugin.name(), &action.name, &action.options)?;
                    let known = self.policy(&action.name).filter(|_| !is_of_dfab);
                    if let Some((known, _)) = known {
                        let what = format!("policies have the action {}", action.name);
                        return Err(twice(&what, known.origin(), plugin.origin()));
                    }
                }
                self.policies.push((plugin, actions));
            }
            Plugin::Recipe(plugin) => {
                let recipes = plugin.recipes(&Log::sink()).await.map_err(broken)?;
                for recipe in &recipes {
                    check_name(plugin.name(), &recipe.name, &recipe.parameters)?;
                    let known = self.recipes(&recipe.name);
                    let mut known = known.into_iter().filter(|_| !is_of_dfab);
                    let known = known.find(|(_, known)| have_one_system(known, recipe));
                    if let Some((known, _)) = known {
                        let what = format!("recipes for one system are called {}", recipe.name);
                        return Err(twice(&what, known.origin(), plugin.origin()));
                    }
                }
                self.recipes.push((plugin, recipes));
            }
        }
        Ok(())
    }
}

/// What is said of two plugins of the project that would do one thing.
fn twice(what: &str, one: &Origin, other: &Origin) -> Failure {
    Failure::usage(format!(
        "two {what}: {one} and {other}; nothing says which of them is meant"
    ))
    .hint("one has to go: from `plugins` in dfab.yaml, or from dfab.lock by dfab plugin remove")
}

/// Whether two recipes say of the same system that they are for it.
fn have_one_system(one: &RecipeInfo, other: &RecipeInfo) -> bool {
    if one.systems.is_empty() && other.systems.is_empty() {
        return true;
    }
    let mut systems = one.systems.iter();
    systems.any(|system| other.systems.contains(system))
}

/// What is said of a task that a plugin does not have.
fn no_task(plugin: &str, task: &str, known: &[&str]) -> Failure {
    let likeness = |known: &str| strsim::normalized_damerau_levenshtein(task, known);
    let near = known.iter().filter(|known| likeness(known) > 0.5);
    let near = near.max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
    let failure = Failure::usage(format!("the plugin {plugin} has no task {task}"));
    match near {
        Some(near) => failure.hint(format!("did you mean {near}?")),
        None => failure.hint(format!("it has: {}", known.join(", "))),
    }
}

/// What holds for all plugins of a run.
#[derive(Clone, Copy)]
pub(crate) struct Conditions<'a> {
    pub(crate) project: &'a Project,
    pub(crate) audit: Option<&'a Arc<Audit>>,
}

impl Conditions<'_> {
    /// The terms of a plugin that has these grants, and may work for these hosts or for any.
    ///
    /// # Errors
    /// Where they name no host, or would let it change what it is granted.
    pub(crate) fn terms(
        &self,
        grants: Grants,
        hosts: Option<Vec<String>>,
    ) -> Result<Terms, Failure> {
        own_files::check(self.project, &grants)?;
        let hosts = match hosts {
            None => Hosts::All,
            Some(written) => {
                let names = self.project.inventory()?.meant_by(&written)?;
                Hosts::Only { written, names }
            }
        };
        let audit = self.audit.map(|audit| Arc::clone(audit) as _);
        Ok(Terms {
            grants,
            hosts,
            limits: self.project.limits.rules(),
            audit,
        })
    }
}

/// Whether a plugin of that name is part of dfab.
pub(crate) fn is_built_in(name: &str) -> bool {
    BUILT_IN.iter().any(|(known, _)| *known == name)
}

/// The file of a plugin of that name, among those that dfab.yaml names by their paths.
pub(crate) fn path_of<'a>(project: &'a Project, name: &str) -> Option<&'a Path> {
    let paths = project.plugins.iter().map(|entry| entry.path.as_path());
    let mut paths = paths.filter_map(|path| Some((path, read_file(path).ok()?)));
    let found =
        paths.find(|(path, bytes)| claimed(path, bytes).is_some_and(|(known, _)| known == name));
    found.map(|(path, _)| path)
}

/// What runs components, and keeps what it has compiled.
///
/// # Errors
/// Where WebAssembly cannot be run.
pub(crate) fn runtime() -> Result<Runtime, Failure> {
    Runtime::new(RuntimeOptions {
        cache_dir: cache_folder(),
        limits: Limits::default(),
    })
    .map_err(|error| Failure::failed("cannot start the component runtime").because(error))
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
        check_preview(plugin.name(), task)?;
    }
    Ok(tasks)
}

/// Adds what a further recipe of the same name takes, for another system.
///
/// # Errors
/// Where both call different things by one name, so that the command line could not be read.
fn add_parameters(known: &mut RecipeInfo, more: &RecipeInfo, plugin: &str) -> Result<(), Failure> {
    for parameter in &more.parameters {
        let same = known
            .parameters
            .iter()
            .find(|one| one.name == parameter.name);
        match same {
            Some(same)
                if (same.kind, same.required, same.many)
                    == (parameter.kind, parameter.required, parameter.many) => {}
            None if !parameter.required => known.parameters.push(parameter.clone()),
            _ => {
                return Err(Failure::usage(format!(
                    "{} of the recipe {} is something else to the plugin {plugin} than to others",
                    parameter.name, known.name
                )));
            }
        }
    }
    Ok(())
}

/// Whether a built-in plugin can matter for this command line; loading costs time.
fn wanted(name: &str, words: &Outline) -> bool {
    match words.word(0) {
        Some("run") => name == "docker",
        Some("setup") => name.starts_with("setup-"),
        Some(word) if WITHOUT_PLUGINS.contains(&word) => false,
        Some(_) => name == "standard",
        None => true,
    }
}

/// Loads a plugin that dfab.yaml names by its path.
///
/// # Errors
/// Where it cannot be used: then with what is known of it.
fn load_file(
    runtime: &Runtime,
    conditions: &Conditions<'_>,
    entry: &PluginEntry,
) -> Result<Plugin, locked::Unusable> {
    let bytes = read_file(&entry.path).map_err(locked::Unusable::unknown)?;
    load_bytes(runtime, conditions, entry, &bytes).map_err(|failure| {
        // Other bytes than those that are named may say anything: they are in the place of others.
        let is_other =
            matches!(entry.digest, Some(Held::To(wanted)) if wanted != Digest::of(&bytes));
        let component = claimed(&entry.path, &bytes).filter(|_| !is_other);
        match component {
            Some(component) => locked::Unusable::new(vec![component], failure),
            None => locked::Unusable::unknown(failure),
        }
    })
}

fn read_file(path: &Path) -> Result<Bytes, Failure> {
    dfab_bundles::read_file(path, dfab_bundles::archive::COMPONENT_LIMIT).map_err(|error| {
        Failure::usage(format!("cannot read the plugin {}", path.display())).because(error)
    })
}

fn load_bytes(
    runtime: &Runtime,
    conditions: &Conditions<'_>,
    entry: &PluginEntry,
    bytes: &[u8],
) -> Result<Plugin, Failure> {
    let path = &entry.path;
    locked::check_path(conditions.project, path, entry.digest, bytes)?;
    let grants = entry
        .grant
        .iter()
        .map(|grant| grant.parse::<Grant>())
        .collect::<Result<_, _>>()
        .map_err(|error| {
            Failure::usage(format!("a grant of the plugin {} is wrong", path.display()))
                .because(error)
        })?;
    let hosts = entry.hosts.clone().map(Vec::from);
    let terms = conditions.terms(Grants::Only(grants), hosts)?;
    runtime
        .load_under(Origin::File(path.clone()), bytes, terms)
        .map_err(|error| {
            Failure::usage(format!("cannot load the plugin {}", path.display())).because(error)
        })
}

/// What a component says that it is called, and its kind. Nothing of it is compiled.
fn claimed(path: &Path, bytes: &[u8]) -> Option<(String, String)> {
    let examined = dfab_runtime::examine(bytes).ok()?;
    let stem = || path.file_stem().unwrap_or_default().to_string_lossy();
    let name = match examined.manifest {
        Some(manifest) => manifest.name,
        None => stem().into_owned(),
    };
    Some((name, examined.kind.to_string()))
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
    if RESERVED.contains(&name) || WITHOUT_PLUGINS.contains(&name) {
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

/// With an option that is none, everything would be asked for and nothing shown.
fn check_preview(plugin: &str, task: &dfab_runtime::task::TaskInfo) -> Result<(), Failure> {
    let Some(preview) = &task.preview else {
        return Ok(());
    };
    let is_flag =
        |parameter: &Parameter| parameter.name == *preview && parameter.kind == ValueKind::Boolean;
    if task.parameters.iter().any(is_flag) {
        return Ok(());
    }
    Err(Failure::usage(format!(
        "the plugin {plugin} says that {} only shows what it would do with {preview:?}, which is no \
         boolean option of it",
        task.name
    )))
}

/// Where compiled components are kept between runs.
fn cache_folder() -> Option<PathBuf> {
    let base = match std::env::var_os("XDG_CACHE_HOME").filter(|folder| !folder.is_empty()) {
        Some(folder) => PathBuf::from(folder),
        None => std::env::home_dir()?.join(".cache"),
    };
    Some(base.join("dfab").join("components"))
}

#[cfg(test)]
mod tests;
