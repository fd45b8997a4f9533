//! Records of what is mounted in a container.

use serde_json::{Value as Json, json};

use crate::diagnostic::{Place, Report};
use crate::record::{Element, Record, is_flag, is_read_only, text, too_many};
use crate::tree::{Node, Value};

/// A path on the host, which may differ from instance to instance.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum HostPath {
    Same(String),
    ByInstance(Vec<(String, String)>),
}

impl HostPath {
    pub(crate) fn read(node: &Node, report: &mut Report) -> Option<Self> {
        match &node.value {
            Value::Map(pairs) => {
                let mut paths = Vec::with_capacity(pairs.len());
                for (key, value) in pairs {
                    paths.push((
                        key.key_text().into_owned(),
                        text(value, "a path on the host", report)?,
                    ));
                }
                Some(Self::ByInstance(paths))
            }
            _ => text(node, "a path on the host", report).map(Self::Same),
        }
    }

    /// The path of an instance; that of `default` without one.
    pub(crate) fn of(&self, instance: Option<&str>) -> Option<&str> {
        match self {
            Self::Same(path) => Some(path),
            Self::ByInstance(paths) => {
                let wanted = instance.unwrap_or("default");
                paths
                    .iter()
                    .find(|(name, _)| name == wanted)
                    .map(|(_, path)| path.as_str())
            }
        }
    }

    pub(crate) fn json(&self) -> Json {
        match self {
            Self::Same(path) => json!(path),
            Self::ByInstance(paths) => paths
                .iter()
                .map(|(name, path)| (name.clone(), json!(path)))
                .collect(),
        }
    }
}

/// `binds`: an alias of the map's `volumes` and `host`, or two paths.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Bind {
    Alias {
        alias: String,
        read_only: bool,
        at: Place,
    },
    Paths {
        path: String,
        host_path: HostPath,
        read_only: bool,
    },
}

impl Bind {
    fn first(&self) -> &str {
        match self {
            Self::Alias { alias, .. } => alias,
            Self::Paths { path, .. } => path,
        }
    }

    fn paths(path: &Node, host: &Node, read_only: bool, report: &mut Report) -> Option<Self> {
        let place = path.at;
        let path = text(path, "a path in the container", report)?;
        if !path.starts_with('/') && !path.starts_with("./") {
            report.error_with_help(
                place,
                format!("{path} is no path in the container"),
                "give two paths, or one alias with ro or rw",
            );
            return None;
        }
        let host_path = HostPath::read(host, report)?;
        Some(Self::Paths {
            path,
            host_path,
            read_only,
        })
    }
}

impl Record for Bind {
    const FIELDS: &'static [&'static str] = &["name", "path", "host_path", "readonly"];

    fn read(element: Element, report: &mut Report) -> Option<Self> {
        let at = element.at;
        match element.sorted(Self::FIELDS, report)? {
            Err(fields) if fields.node("path").is_some() => {
                let path = fields.node("path")?.clone();
                let Some(host) = fields.node("host_path") else {
                    report.error(fields.at, "the field host_path is missing");
                    return None;
                };
                let read_only = fields.read_only("readonly", report);
                Self::paths(&path, &host.clone(), read_only, report)
            }
            Err(fields) => {
                let alias = fields.required("name", report)?;
                Some(Self::Alias {
                    alias,
                    read_only: fields.read_only("readonly", report),
                    at,
                })
            }
            Ok(parts) => match parts.as_slice() {
                [alias] => {
                    let alias = text(alias, "an alias", report)?;
                    Some(Self::Alias {
                        alias,
                        read_only: false,
                        at,
                    })
                }
                // A null says that nothing more is said of the alias (B-04).
                [alias, flag] if flag.is_null() || is_flag(flag) => {
                    let alias = text(alias, "an alias", report)?;
                    Some(Self::Alias {
                        alias,
                        read_only: is_read_only(flag, report),
                        at,
                    })
                }
                [path, host] => Self::paths(path, host, false, report),
                [path, host, flag] => {
                    let read_only = is_read_only(flag, report);
                    Self::paths(path, host, read_only, report)
                }
                _ => too_many(at, "bind", report),
            },
        }
    }

    fn replaces(&self, other: &Self) -> bool {
        self.first() == other.first()
    }

    fn json(&self) -> Json {
        match self {
            Self::Alias {
                alias, read_only, ..
            } => json!({ "name": alias, "readonly": read_only }),
            Self::Paths {
                path,
                host_path,
                read_only,
            } => {
                json!({ "path": path, "host_path": host_path.json(), "readonly": read_only })
            }
        }
    }
}

/// `attaches`: a volume of the configuration's own; `uses`: one of another's, or all of a container's.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Volume {
    pub(crate) name: String,
    /// Where it is mounted, if not where the map's `volumes` say.
    pub(crate) path: Option<String>,
    pub(crate) read_only: bool,
    pub(crate) at: Place,
}

impl Record for Volume {
    const FIELDS: &'static [&'static str] = &["name", "path", "readonly"];

    fn read(element: Element, report: &mut Report) -> Option<Self> {
        let at = element.at;
        match element.sorted(Self::FIELDS, report)? {
            Err(fields) => Some(Self {
                name: fields.required("name", report)?,
                path: fields.text("path"),
                read_only: fields.read_only("readonly", report),
                at,
            }),
            Ok(parts) => {
                let (name, path, flag) = match parts.as_slice() {
                    [name] => (name, None, None),
                    [name, flag] if flag.is_null() || is_flag(flag) => (name, None, Some(flag)),
                    [name, path] => (name, Some(path), None),
                    [name, path, flag] => (name, Some(path), Some(flag)),
                    _ => return too_many(at, "volume", report),
                };
                Some(Self {
                    name: text(name, "a volume", report)?,
                    path: match path {
                        Some(path) => Some(text(path, "a path", report)?),
                        None => None,
                    },
                    read_only: flag.is_some_and(|flag| is_read_only(flag, report)),
                    at,
                })
            }
        }
    }

    fn replaces(&self, other: &Self) -> bool {
        self.name == other.name
    }

    fn json(&self) -> Json {
        match &self.path {
            Some(path) => json!({ "name": self.name, "path": path, "readonly": self.read_only }),
            None => json!({ "name": self.name, "readonly": self.read_only }),
        }
    }
}
