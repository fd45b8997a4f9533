//! The project: dfab.yaml, and the maps, clients, settings and plugins that it names.

mod mistake;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use dfab_bundles::Digest;
use dfab_maps::{Client, Diagnostic, Invalid, Loaded, MapDefaults, Settings, Surroundings};
use indexmap::{IndexMap, IndexSet};
use serde::Deserialize;
use serde_json::{Map, Value};

pub(crate) use mistake::{mistake, mistake_at};

use crate::action_defaults::ActionDefaults;
use crate::arguments::Common;
use crate::failure::Failure;
use crate::limits::LimitsEntry;
use crate::period::Period;
use crate::selection::Inventory;
use crate::settings::Presets;
use crate::terminal;
use crate::trust::TrustEntry;

/// The name of the project file.
const FILE: &str = "dfab.yaml";

/// What dfab.yaml and the command line say together. Paths are ready to open.
#[derive(Debug, Clone, Default)]
pub(crate) struct Project {
    pub(crate) file: Option<PathBuf>,
    pub(crate) settings: Map<String, Value>,
    pub(crate) maps: Vec<PathBuf>,
    pub(crate) map_defaults: Option<PathBuf>,
    pub(crate) clients: Vec<PathBuf>,
    /// SSH destinations, by the names of the hosts.
    pub(crate) hosts: IndexMap<String, String>,
    pub(crate) groups: IndexMap<String, Vec<String>>,
    pub(crate) plugins: Vec<PluginEntry>,
    pub(crate) trust: TrustEntry,
    pub(crate) ssh_config: Option<PathBuf>,
    pub(crate) timeouts: Timeouts,
    pub(crate) limits: LimitsEntry,
    pub(crate) action_defaults: ActionDefaults,
    /// Where the calls of plugins are written down.
    pub(crate) audit: Option<PathBuf>,
    /// Prints what SSH servers and keys want to know, in the folder of the file.
    pub(crate) password_command: Option<String>,
    /// Settings of the command line.
    given: Vec<String>,
    /// Maps and client files of the command line, which the file does not name.
    chosen: Vec<PathBuf>,
    /// Settings that maps and client files asked for.
    asked: Arc<Mutex<BTreeSet<String>>>,
}

/// A plugin of the project, and what it may do.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PluginEntry {
    pub(crate) path: PathBuf,
    #[serde(default)]
    pub(crate) grant: Vec<String>,
    /// Hosts, groups and patterns that it may work for; any without.
    #[serde(default)]
    pub(crate) hosts: Option<OneOrMany<String>>,
    /// Of its bytes: no others are loaded.
    pub(crate) digest: Option<Held>,
}

/// The bytes that a plugin has that is named by its path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) enum Held {
    /// Whatever is there, while somebody works on it.
    ToAny,
    /// Those with this digest.
    To(Digest),
}

impl TryFrom<String> for Held {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text == "any" {
            return Ok(Self::ToAny);
        }
        let digest = text.parse().map(Self::To);
        digest.map_err(|error| format!("{error}; `digest` is that, or `any`"))
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct ProjectFile {
    settings: Map<String, Value>,
    maps: OneOrMany<PathBuf>,
    map_defaults: Option<PathBuf>,
    clients: OneOrMany<PathBuf>,
    /// SSH destinations by name; without one the name is the destination.
    hosts: IndexMap<String, Option<String>>,
    groups: IndexMap<String, OneOrMany<String>>,
    plugins: Vec<PluginEntry>,
    trust: TrustEntry,
    ssh_config: Option<PathBuf>,
    timeouts: Timeouts,
    limits: LimitsEntry,
    /// Read again when it is known which actions there are.
    action_defaults: Option<serde::de::IgnoredAny>,
    audit: Option<PathBuf>,
    password_command: Option<String>,
}

/// How long what may take, where the command line does not say.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Timeouts {
    /// A connection to a host.
    pub(crate) connect: Option<Period>,
    /// An answer of an engine.
    pub(crate) call: Option<Period>,
    /// A transfer in which nothing moves.
    pub(crate) idle: Option<Period>,
    /// The whole command.
    pub(crate) run: Option<Period>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(crate) enum OneOrMany<T> {
    One(T),
    Many(Vec<T>),
}

impl<T> Default for OneOrMany<T> {
    fn default() -> Self {
        Self::Many(Vec::new())
    }
}

impl<T> From<OneOrMany<T>> for Vec<T> {
    fn from(value: OneOrMany<T>) -> Self {
        match value {
            OneOrMany::One(one) => vec![one],
            OneOrMany::Many(many) => many,
        }
    }
}

impl Project {
    /// Reads the project of this folder, or the one that the command line names.
    ///
    /// # Errors
    /// Where the file cannot be read or has mistakes. Without a file the project is empty.
    pub(crate) fn open(common: &Common) -> Result<Self, Failure> {
        let file = match &common.project {
            Some(file) => Some(file.clone()),
            None => find()?,
        };
        let mut project = match file {
            Some(file) => Self::read(file)?,
            None => Self::default(),
        };
        for (name, value) in &common.settings {
            if name == crate::settings::SECRET {
                // Arguments are for everybody to read, and are kept by shells.
                return Err(Failure::usage(format!(
                    "{name} is a secret, and no argument of a command line is one"
                ))
                .hint(
                    "put it into a client file, as `password: !env VARIABLE` under `auth_configs`, \
                     or log in by `docker login`",
                ));
            }
            let value = Value::String(value.clone());
            project.settings.insert(name.clone(), value);
            project.given.push(name.clone());
        }
        if !common.map.is_empty() {
            project.maps.clone_from(&common.map);
            project.chosen.extend_from_slice(&common.map);
        }
        if let Some(clients) = &common.clients {
            project.clients = vec![clients.clone()];
            project.chosen.push(clients.clone());
        }
        if let Some(audit) = &common.audit {
            project.audit = Some(audit.clone());
        }
        if let Some(ssh_config) = &common.ssh_config {
            project.ssh_config = Some(ssh_config.clone());
        }
        Ok(project)
    }

    /// Reads the maps; warnings are told.
    ///
    /// # Errors
    /// Where there is none, or one has mistakes: all of them are told.
    pub(crate) fn load_maps(&self) -> Result<dfab_maps::Project, Failure> {
        self.load_maps_or(&|failure| failure)
    }

    /// The same for what is to act on them: where it is hindered by mistakes, nothing was done.
    ///
    /// # Errors
    /// As [`Project::load_maps`].
    pub(crate) fn load_maps_to_act(&self) -> Result<dfab_maps::Project, Failure> {
        self.load_maps_or(&Failure::before_anything)
    }

    fn load_maps_or(
        &self,
        mistaken: &dyn Fn(Failure) -> Failure,
    ) -> Result<dfab_maps::Project, Failure> {
        let defaults = self.load_defaults()?;
        let maps = self.each_map(mistaken, |text, file, name, settings| {
            defaults.load_map(text, file, name, settings)
        })?;
        dfab_maps::Project::new(maps)
            .map_err(|error| Failure::usage("the maps do not go together").because(error))
    }

    fn load_defaults(&self) -> Result<MapDefaults, Failure> {
        let Some(path) = &self.map_defaults else {
            return Ok(MapDefaults::default());
        };
        let defaults =
            MapDefaults::load(&self.read_named(path)?, &path.display().to_string(), self);
        defaults.map(warned).map_err(|mistakes| mistaken(&mistakes))
    }

    /// Reads the maps, where the project has some.
    ///
    /// # Errors
    /// Where one has mistakes.
    pub(crate) fn load_maps_if_any(&self) -> Result<Option<dfab_maps::Project>, Failure> {
        if self.maps.is_empty() {
            return Ok(None);
        }
        self.load_maps().map(Some)
    }

    /// Reads the maps as they are written, in their normal form; warnings are told.
    ///
    /// # Errors
    /// As [`Project::load_maps`].
    pub(crate) fn map_documents(&self) -> Result<Vec<Value>, Failure> {
        self.each_map(&|failure| failure, |text, file, _, settings| {
            dfab_maps::document_json(text, file, settings)
        })
    }

    /// Reads the maps and the client files, and keeps all that is wrong with them.
    ///
    /// # Errors
    /// Where there is no map, or a file cannot be read.
    pub(crate) fn diagnose(&self) -> Result<Diagnosis, Failure> {
        let mut found = Diagnosis::default();
        let mut maps = Vec::new();
        let mut clients = IndexMap::new();
        let mut defaults = MapDefaults::default();
        if let Some(path) = &self.map_defaults {
            let read =
                MapDefaults::read(&self.read_named(path)?, &path.display().to_string(), self);
            found.diagnostics.extend(read.diagnostics);
            defaults = read.value.unwrap_or_default();
        }
        for path in self.map_files()? {
            let stem = path.file_stem().unwrap_or_default().to_string_lossy();
            let name = path.display().to_string();
            let read = defaults.read_map(&self.read_named(path)?, &name, &stem, self);
            found.diagnostics.extend(read.diagnostics);
            maps.extend(read.value);
        }
        let mut are_clients_whole = true;
        for path in &self.clients {
            let read =
                dfab_maps::read_clients(&self.read_named(path)?, &path.display().to_string(), self);
            are_clients_whole &= !read.is_wrong();
            found.diagnostics.extend(read.diagnostics);
            clients.extend(read.value.into_iter().flatten());
        }
        let hosts: Vec<&str> = self.hosts.keys().map(String::as_str).collect();
        let surroundings = Surroundings {
            clients: &clients,
            are_clients_whole,
            hosts: &hosts,
        };
        for map in &maps {
            let examined = dfab_maps::examine_map(map, surroundings);
            found.diagnostics.extend(examined);
        }
        let files = found.diagnostics.iter().map(|one| one.file.clone());
        let files: IndexSet<String> = files.collect();
        found
            .diagnostics
            .sort_by_key(|one| (files.get_index_of(&one.file), one.line, one.column));
        if let Err(error) = dfab_maps::Project::new(maps) {
            found.others.push(error.to_string());
        }
        found.others.extend(self.unused_settings());
        Ok(found)
    }

    /// Settings of the command line that no map and no client file asks for, so that a misspelt one is
    /// seen. To be called when all of them are read.
    pub(crate) fn unused_settings(&self) -> Vec<String> {
        let Ok(asked) = self.asked.lock() else {
            return Vec::new();
        };
        let is_unused = |name: &&String| !asked.contains(*name) && !crate::settings::is_known(name);
        // Those that are called like the predecessor's should be some of them.
        let mut unclear: Vec<_> = self
            .settings
            .keys()
            .filter(is_unused)
            .filter(|name| {
                crate::settings::is_of_predecessor(name)
                    && crate::settings::nearest(name).is_none()
                    && !self.given.contains(name)
            })
            .map(|name| format!("the setting {name} means nothing to dfab, and no map asks for it"))
            .collect();
        let unused = self.given.iter().filter(is_unused);
        let unused = unused.map(|name| {
            let known: Vec<&str> = asked.iter().map(String::as_str).collect();
            let known = match known.as_slice() {
                [] => "they ask for none".to_owned(),
                known => format!("they ask for: {}", known.join(", ")),
            };
            format!("no map or client file asks for the setting {name} of --set; {known}")
        });
        unclear.extend(unused);
        unclear
    }

    /// The predecessor's settings, which are presets for clients. To be called when the client files
    /// are read.
    ///
    /// # Errors
    /// Where one of them cannot be what it says.
    pub(crate) fn presets(&self) -> Result<Presets, Failure> {
        let asked = self.asked.lock();
        let asked = asked.map(|asked| asked.clone()).unwrap_or_default();
        Presets::read(&self.settings, &|name| asked.contains(name))
    }

    /// The folder that paths of the project are relative to.
    pub(crate) fn folder(&self) -> &Path {
        let folder = self.file.as_deref().and_then(Path::parent);
        folder.unwrap_or(Path::new(""))
    }

    /// The map files.
    ///
    /// # Errors
    /// Where there is none.
    pub(crate) fn map_files(&self) -> Result<&[PathBuf], Failure> {
        if !self.maps.is_empty() {
            return Ok(&self.maps);
        }
        let failure = Failure::usage("there is no container map");
        Err(match &self.file {
            Some(file) => failure.hint(format!("name one under `maps` in {}", file.display())),
            None => failure.hint(format!(
                "give --map FILE, or name one under `maps` in {FILE}"
            )),
        })
    }

    /// Reads a map or a client file. One that is missing was named by the command line, or by this
    /// project's file.
    fn read_named(&self, path: &Path) -> Result<String, Failure> {
        read(path).map_err(|failure| match &self.file {
            Some(file) if !path.exists() && !self.chosen.iter().any(|one| one == path) => failure
                .hint(format!(
                    "{} names it: create it, or correct its path there",
                    file.display()
                )),
            _ => failure,
        })
    }

    fn each_map<T>(
        &self,
        mistaken: &dyn Fn(Failure) -> Failure,
        load: impl Fn(&str, &str, &str, &dyn Settings) -> Result<Loaded<T>, Invalid>,
    ) -> Result<Vec<T>, Failure> {
        let mut maps = Vec::with_capacity(self.maps.len());
        let mut mistakes = Vec::new();
        for path in self.map_files()? {
            let text = self.read_named(path)?;
            let stem = path.file_stem().unwrap_or_default().to_string_lossy();
            match load(&text, &path.display().to_string(), &stem, self) {
                Ok(loaded) => maps.push(warned(loaded)),
                Err(Invalid(diagnostics)) => mistakes.extend(diagnostics),
            }
        }
        refuse(&mistakes).map_err(mistaken)?;
        Ok(maps)
    }

    /// Reads the client files; warnings are told.
    ///
    /// # Errors
    /// Where one has mistakes: all of them are told.
    pub(crate) fn load_clients(&self) -> Result<IndexMap<String, Client>, Failure> {
        let mut clients = IndexMap::new();
        let mut mistakes = Vec::new();
        for path in &self.clients {
            match dfab_maps::load_clients(
                &self.read_named(path)?,
                &path.display().to_string(),
                self,
            ) {
                Ok(loaded) => clients.extend(warned(loaded)),
                Err(Invalid(diagnostics)) => mistakes.extend(diagnostics),
            }
        }
        refuse(&mistakes)?;
        Ok(clients)
    }

    /// The names of all hosts, of this file and of the client files. Warnings are for who uses the clients.
    ///
    /// # Errors
    /// Where a client file has mistakes.
    pub(crate) fn inventory(&self) -> Result<Inventory, Failure> {
        let mut hosts: IndexSet<String> = IndexSet::new();
        for path in &self.clients {
            let read =
                dfab_maps::load_clients(&self.read_named(path)?, &path.display().to_string(), self);
            let clients = read.map_err(|mistakes| mistaken(&mistakes))?.value;
            hosts.extend(clients.into_keys());
        }
        hosts.extend(self.hosts.keys().cloned());
        Ok(Inventory {
            hosts: hosts.into_iter().collect(),
            groups: self.groups.clone(),
        })
    }

    pub(crate) fn read(file: PathBuf) -> Result<Self, Failure> {
        let text = read(&file)?;
        let read: ProjectFile = if text.trim().is_empty() {
            ProjectFile::default()
        } else {
            serde_yaml::from_str(&text).map_err(|error| mistake(&file, &error))?
        };
        let folder = file.parent().map(Path::to_owned).unwrap_or_default();
        let within = |path: PathBuf| folder.join(path);
        Ok(Self {
            settings: read.settings,
            maps: Vec::from(read.maps).into_iter().map(within).collect(),
            map_defaults: read.map_defaults.map(within),
            clients: Vec::from(read.clients).into_iter().map(within).collect(),
            hosts: read
                .hosts
                .into_iter()
                .map(|(name, destination)| (name.clone(), destination.unwrap_or(name)))
                .collect(),
            groups: read
                .groups
                .into_iter()
                .map(|(name, members)| (name, members.into()))
                .collect(),
            plugins: read
                .plugins
                .into_iter()
                .map(|entry| PluginEntry {
                    path: within(entry.path),
                    ..entry
                })
                .collect(),
            trust: read.trust,
            ssh_config: read.ssh_config.map(within),
            timeouts: read.timeouts,
            limits: read.limits,
            action_defaults: match read.action_defaults {
                Some(_) => ActionDefaults {
                    file: file.clone(),
                    text,
                },
                None => ActionDefaults::default(),
            },
            audit: read.audit.map(within),
            password_command: read.password_command.filter(|line| !line.is_empty()),
            file: Some(file),
            ..Self::default()
        })
    }
}

impl Settings for Project {
    fn setting(&self, name: &str) -> Option<Value> {
        if let Ok(mut asked) = self.asked.lock() {
            asked.insert(name.to_owned());
        }
        self.settings.get(name).cloned()
    }

    fn variable(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }
}

/// What maps and client files say, and what is wrong with them.
#[derive(Debug, Default)]
pub(crate) struct Diagnosis {
    /// Mistakes and warnings, in the order of the files.
    pub(crate) diagnostics: Vec<Diagnostic>,
    /// Mistakes that are of no single place.
    pub(crate) others: Vec<String>,
}

/// The project file in this folder or the nearest above.
fn find() -> Result<Option<PathBuf>, Failure> {
    let here = std::env::current_dir()
        .map_err(|error| Failure::failed("cannot find out the current folder").because(error))?;
    // A short path reads better in messages than an absolute one.
    if here.join(FILE).is_file() {
        return Ok(Some(PathBuf::from(FILE)));
    }
    Ok(here
        .ancestors()
        .skip(1)
        .map(|folder| folder.join(FILE))
        .find(|file| file.is_file()))
}

/// Reads a file that the operator named.
///
/// # Errors
/// Where it cannot be read.
pub(crate) fn read(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path)
        .map_err(|error| Failure::usage(format!("cannot read {}", path.display())).because(error))
}

fn warned<T>(loaded: Loaded<T>) -> T {
    for warning in &loaded.warnings {
        terminal::tell(&warning.to_string());
    }
    loaded.value
}

/// Tells the mistakes of a file; the failure that ends the command for them.
pub(crate) fn mistaken(mistakes: &Invalid) -> Failure {
    match refuse(&mistakes.0) {
        Err(failure) => failure,
        Ok(()) => Failure::usage(mistakes.to_string()),
    }
}

/// Tells mistakes and warnings; the failure that the mistakes are.
fn refuse(told: &[Diagnostic]) -> Result<(), Failure> {
    for one in told {
        terminal::tell(&one.to_string());
    }
    match told.iter().filter(|one| one.is_error()).count() {
        0 => Ok(()),
        1 => Err(Failure::usage("there is a mistake, shown above")),
        count => Err(Failure::usage(format!(
            "there are {count} mistakes, shown above"
        ))),
    }
}

#[cfg(test)]
mod tests;
