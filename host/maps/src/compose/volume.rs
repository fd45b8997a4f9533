//! `volumes` and `tmpfs` of a service.

use super::service::Service;
use super::translation::{Translation, get, name_of, pairs};
use super::yaml::Yaml;
use crate::diagnostic::Place;
use crate::tree::{Node, Value};

/// A named volume in a container.
#[derive(Debug, Clone)]
pub(super) struct Mount {
    pub(super) volume: String,
    pub(super) path: Yaml,
    pub(super) read_only: bool,
    pub(super) at: Place,
}

/// A path of the host in a container.
#[derive(Debug, Clone)]
pub(super) struct Bind {
    pub(super) path: Yaml,
    host_path: Yaml,
    read_only: bool,
}

/// The entries of `binds`.
pub(super) fn binds(binds: &[Bind]) -> Yaml {
    let entry = |bind: &Bind| {
        let mut entry = vec![bind.path.clone(), bind.host_path.clone()];
        if bind.read_only {
            entry.push(Yaml::text("ro"));
        }
        Yaml::List(entry)
    };
    Yaml::List(binds.iter().map(entry).collect())
}

impl Service {
    pub(super) fn read_volumes(&mut self, node: &Node, translation: &mut Translation) {
        let Value::List(items) = &node.value else {
            if !node.is_null() {
                translation.wrong(node, "volumes", "a list");
            }
            return;
        };
        for item in items {
            match &item.value {
                Value::Map(_) => self.read_long(item, translation),
                _ => self.read_short(item, translation),
            }
        }
    }

    /// A path, or several, each perhaps with options.
    pub(super) fn read_tmpfs(&mut self, node: &Node, translation: &mut Translation) {
        let mut paths = translation.texts(node, "tmpfs");
        paths.retain(|path| translation.is_known(path, "tmpfs", "tmpfs", node.at));
        for path in paths {
            match &path {
                Yaml::Text(text) => {
                    let (path, options) = text.split_once(':').unwrap_or((text, ""));
                    self.tmpfs.push((Yaml::text(path), Yaml::text(options)));
                }
                _ => self.tmpfs.push((path, Yaml::text(""))),
            }
        }
    }

    /// `[SOURCE:]PATH[:OPTIONS]`
    fn read_short(&mut self, item: &Node, translation: &mut Translation) {
        let Some(text) = item.scalar_text() else {
            translation.wrong(item, "a volume", "a text or a mapping");
            return;
        };
        let parts = split_colons(&text);
        match parts.as_slice() {
            [path] => {
                if let Some(path) = container_path(path, item.at, translation) {
                    self.shares.push(path);
                }
            }
            [source, path] => self.mount(source, path, false, item.at, translation),
            [source, path, options] => {
                let mut read_only = false;
                for option in options.split(',') {
                    match option {
                        "ro" => read_only = true,
                        "rw" | "" => {}
                        other => no_option(other, &text, item.at, translation),
                    }
                }
                self.mount(source, path, read_only, item.at, translation);
            }
            _ => {
                let message = format!("{text} is no volume that a map can have; it is left out");
                translation.note(
                    item.at,
                    message,
                    "write it by hand, under `binds` or `attaches`",
                );
            }
        }
    }

    fn read_long(&mut self, item: &Node, translation: &mut Translation) {
        let [source, target, kind] = ["source", "target", "type"].map(|key| {
            let value = get(item, key);
            let text = value.and_then(|value| translation.written(value, key));
            text.unwrap_or_default()
        });
        let read_only = translation.is_on(item, "read_only");
        for (key, value) in pairs(item) {
            match (name_of(key).as_str(), kind.as_str()) {
                ("type" | "source" | "target" | "read_only", _) | ("tmpfs", "tmpfs") => {}
                // A folder that is not there is made by the engine, in a map always.
                ("bind", "bind") => {
                    for (key, value) in translation.mapping(value, "bind") {
                        if (name_of(key).as_str(), &value.value)
                            != ("create_host_path", &Value::Bool(true))
                        {
                            no_option(&name_of(key), &target, key.at, translation);
                        }
                    }
                }
                ("volume", "volume") => {
                    for (key, _) in translation.mapping(value, "volume") {
                        no_option(&name_of(key), &target, key.at, translation);
                    }
                }
                (other, _) => no_option(other, &target, key.at, translation),
            }
        }
        match kind.as_str() {
            "volume" if source.is_empty() => {
                if let Some(path) = container_path(&target, item.at, translation) {
                    self.shares.push(path);
                }
            }
            "volume" => self.mount(&source, &target, read_only, item.at, translation),
            "bind" => self.bind(&source, &target, read_only, item.at, translation),
            "tmpfs" => {
                let mut options: Vec<String> = Vec::new();
                if let Some(of_tmpfs) = get(item, "tmpfs") {
                    for (key, value) in translation.mapping(of_tmpfs, "tmpfs") {
                        let name = name_of(key);
                        let value = match name.as_str() {
                            "size" => translation.bytes(value, "size"),
                            "mode" => translation.any_scalar(value, "mode"),
                            other => {
                                no_option(other, &target, key.at, translation);
                                continue;
                            }
                        };
                        match value {
                            Some(Yaml::Plain(value) | Yaml::Text(value)) => {
                                options.push(format!("{name}={value}"));
                            }
                            Some(_) => no_option(&name, &target, key.at, translation),
                            None => {}
                        }
                    }
                }
                if let Some(path) = container_path(&target, item.at, translation) {
                    self.tmpfs.push((path, Yaml::Text(options.join(","))));
                }
            }
            other => {
                let message = format!(
                    "the mount of {target} has the type {other:?}, which a map has not; it is \
                    left out"
                );
                translation.note(
                    item.at,
                    message,
                    "write it under host_config.mounts, as the Engine API takes it",
                );
            }
        }
    }

    /// A source that looks like a path is one; everything else is the name of a volume.
    fn mount(
        &mut self,
        source: &str,
        path: &str,
        read_only: bool,
        at: Place,
        translation: &mut Translation,
    ) {
        let is_drive = source.len() == 1 && path.starts_with('\\');
        if source.starts_with(['/', '.', '~', '$']) || is_drive {
            self.bind(source, path, read_only, at, translation);
        } else if let Some(path) = container_path(path, at, translation) {
            self.mounts.push(Mount {
                volume: source.to_owned(),
                path,
                read_only,
                at,
            });
        }
    }

    fn bind(
        &mut self,
        source: &str,
        path: &str,
        read_only: bool,
        at: Place,
        translation: &mut Translation,
    ) {
        let Some(path) = container_path(path, at, translation) else {
            return;
        };
        let host_path = match source {
            "" => {
                translation.note(
                    at,
                    "a bind has no source; it is left out",
                    "write it by hand, under `binds`",
                );
                return;
            }
            // Compose expands it where it runs, as !path does.
            home if home == "~" || home.starts_with("~/") => Yaml::Tagged("path", home.to_owned()),
            source => {
                let source = source
                    .strip_prefix("./")
                    .filter(|rest| !rest.is_empty())
                    .unwrap_or(source);
                translation.text(source, at)
            }
        };
        if matches!(&host_path, Yaml::Text(text) if !text.starts_with(['/', '$'])) {
            self.has_relative_binds.get_or_insert(at);
        }
        self.binds.push(Bind {
            path,
            host_path,
            read_only,
        });
    }
}

/// A path in the container, which a map wants to begin with a slash.
fn container_path(path: &str, at: Place, translation: &mut Translation) -> Option<Yaml> {
    let exact = translation.exact(path, "the path", at)?.yaml();
    if matches!(&exact, Yaml::Text(text) if !text.starts_with('/')) {
        let message = format!("{path} is no path in a container; it is left out");
        translation.note(at, message, "write it by hand; it begins with a slash");
        return None;
    }
    Some(exact)
}

fn no_option(option: &str, of: &str, at: Place, translation: &mut Translation) {
    let message = format!("a map has nothing like the option {option} of {of}; it is left out");
    translation.note(
        at,
        message,
        "if you need it, write the mount under host_config.mounts, as the Engine API takes it",
    );
}

/// Colons within braces belong to a variable.
fn split_colons(text: &str) -> Vec<&str> {
    let mut depth = 0_usize;
    text.split(|letter: char| {
        match letter {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        letter == ':' && depth == 0
    })
    .collect()
}
