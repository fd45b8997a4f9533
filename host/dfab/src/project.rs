//! The project: dfab.yaml, and the maps, clients, settings and plugins that it names.

use std::path::{Path, PathBuf};

use dfab_maps::{Client, Diagnostic, Invalid, Loaded, ResolvedMap, Settings};
use indexmap::IndexMap;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::arguments::Common;
use crate::failure::Failure;
use crate::terminal;

/// The name of the project file.
const FILE: &str = "dfab.yaml";

/// What dfab.yaml and the command line say together. Paths are ready to open.
#[derive(Debug, Clone, Default)]
pub(crate) struct Project {
    pub(crate) file: Option<PathBuf>,
    pub(crate) settings: Map<String, Value>,
    pub(crate) maps: Vec<PathBuf>,
    pub(crate) clients: Vec<PathBuf>,
    pub(crate) plugins: Vec<PluginEntry>,
    pub(crate) ssh_config: Option<PathBuf>,
}

/// A plugin of the project, and what it may do.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PluginEntry {
    pub(crate) path: PathBuf,
    #[serde(default)]
    pub(crate) grant: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct ProjectFile {
    settings: Map<String, Value>,
    maps: OneOrMany<PathBuf>,
    clients: OneOrMany<PathBuf>,
    plugins: Vec<PluginEntry>,
    ssh_config: Option<PathBuf>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum OneOrMany<T> {
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
            project
                .settings
                .insert(name.clone(), Value::String(value.clone()));
        }
        if !common.map.is_empty() {
            project.maps.clone_from(&common.map);
        }
        if let Some(clients) = &common.clients {
            project.clients = vec![clients.clone()];
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
        let maps = self.each_map(dfab_maps::load_map)?;
        dfab_maps::Project::new(maps)
            .map_err(|error| Failure::usage("the maps do not go together").because(error))
    }

    /// Reads the maps as they are written, in their normal form; warnings are told.
    ///
    /// # Errors
    /// As [`Project::load_maps`].
    pub(crate) fn map_documents(&self) -> Result<Vec<Value>, Failure> {
        self.each_map(|text, file, _, settings| dfab_maps::document_json(text, file, settings))
    }

    /// Reads the maps and the client files, and keeps all that is wrong with them.
    ///
    /// # Errors
    /// Where there is no map, or a file cannot be read.
    pub(crate) fn diagnose(&self) -> Result<Diagnosis, Failure> {
        let mut found = Diagnosis::default();
        for path in self.map_files()? {
            let stem = path.file_stem().unwrap_or_default().to_string_lossy();
            let name = path.display().to_string();
            let map = dfab_maps::load_map(&read(path)?, &name, &stem, self);
            found.maps.extend(sorted_out(map, &mut found.diagnostics));
        }
        for path in &self.clients {
            let clients = dfab_maps::load_clients(&read(path)?, &path.display().to_string(), self);
            let clients = sorted_out(clients, &mut found.diagnostics);
            found.clients.extend(clients.into_iter().flatten());
        }
        Ok(found)
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

    fn each_map<T>(
        &self,
        load: impl Fn(&str, &str, &str, &dyn Settings) -> Result<Loaded<T>, Invalid>,
    ) -> Result<Vec<T>, Failure> {
        let mut maps = Vec::with_capacity(self.maps.len());
        let mut mistakes = Vec::new();
        for path in self.map_files()? {
            let text = read(path)?;
            let stem = path.file_stem().unwrap_or_default().to_string_lossy();
            match load(&text, &path.display().to_string(), &stem, self) {
                Ok(loaded) => maps.push(warned(loaded)),
                Err(Invalid(diagnostics)) => mistakes.extend(diagnostics),
            }
        }
        refuse(&mistakes)?;
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
            match dfab_maps::load_clients(&read(path)?, &path.display().to_string(), self) {
                Ok(loaded) => clients.extend(warned(loaded)),
                Err(Invalid(diagnostics)) => mistakes.extend(diagnostics),
            }
        }
        refuse(&mistakes)?;
        Ok(clients)
    }

    fn read(file: PathBuf) -> Result<Self, Failure> {
        let text = read(&file)?;
        let read: ProjectFile = if text.trim().is_empty() {
            ProjectFile::default()
        } else {
            serde_yaml::from_str(&text).map_err(|error| {
                let place = match error.location() {
                    Some(at) => format!("{}:{}:{}", file.display(), at.line(), at.column()),
                    None => file.display().to_string(),
                };
                let text = error.to_string();
                // The place stands before it already.
                let what = text
                    .split_once(" at line ")
                    .map_or(text.as_str(), |(what, _)| what);
                Failure::usage(format!("{place}: {what}"))
            })?
        };
        let folder = file.parent().map(Path::to_owned).unwrap_or_default();
        let within = |path: PathBuf| folder.join(path);
        Ok(Self {
            settings: read.settings,
            maps: Vec::from(read.maps).into_iter().map(within).collect(),
            clients: Vec::from(read.clients).into_iter().map(within).collect(),
            plugins: read
                .plugins
                .into_iter()
                .map(|entry| PluginEntry {
                    path: within(entry.path),
                    ..entry
                })
                .collect(),
            ssh_config: read.ssh_config.map(within),
            file: Some(file),
        })
    }
}

impl Settings for Project {
    fn setting(&self, name: &str) -> Option<Value> {
        self.settings.get(name).cloned()
    }

    fn variable(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }
}

/// What maps and client files say, and what is wrong with them.
#[derive(Debug, Default)]
pub(crate) struct Diagnosis {
    /// Those without mistakes.
    pub(crate) maps: Vec<ResolvedMap>,
    /// Of the files without mistakes.
    pub(crate) clients: IndexMap<String, Client>,
    /// Mistakes and warnings, in the order of the files.
    pub(crate) diagnostics: Vec<Diagnostic>,
}

fn sorted_out<T>(read: Result<Loaded<T>, Invalid>, diagnostics: &mut Vec<Diagnostic>) -> Option<T> {
    match read {
        Ok(loaded) => {
            diagnostics.extend(loaded.warnings);
            Some(loaded.value)
        }
        Err(Invalid(mistakes)) => {
            diagnostics.extend(mistakes);
            None
        }
    }
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

fn refuse(mistakes: &[Diagnostic]) -> Result<(), Failure> {
    for mistake in mistakes {
        terminal::tell(&mistake.to_string());
    }
    match mistakes.len() {
        0 => Ok(()),
        1 => Err(Failure::usage(
            "there is a mistake, shown above; nothing was done",
        )),
        count => Err(Failure::usage(format!(
            "there are {count} mistakes, shown above; nothing was done"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(text: &str) -> Result<Project, String> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(FILE);
        std::fs::write(&file, text).unwrap();
        let here = format!("{}/", folder.path().display());
        Project::read(file).map_err(|failure| failure.to_string().replace(&here, ""))
    }

    #[test]
    fn paths_are_relative_to_the_file() {
        let project = open("maps: one.yaml\nclients: [a.yaml]\nplugins: [{path: p.wasm}]").unwrap();
        let folder = project.file.as_ref().unwrap().parent().unwrap();
        assert_eq!(project.maps, [folder.join("one.yaml")]);
        assert_eq!(project.clients, [folder.join("a.yaml")]);
        assert_eq!(project.plugins.first().unwrap().path, folder.join("p.wasm"));
    }

    #[test]
    fn a_mistake_is_shown_with_its_place() {
        insta::assert_snapshot!(
            open("maps: []\nplugin: []").unwrap_err(),
            @"dfab.yaml:2:1: unknown field `plugin`, expected one of `settings`, `maps`, `clients`, `plugins`, `ssh_config`"
        );
    }
}
