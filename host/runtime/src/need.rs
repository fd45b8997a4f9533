//! What each call needs to be granted: the one place where calls and capabilities meet.

use std::path::PathBuf;

use crate::grant::Grant;
use crate::host_call::{Change, HostCall, ImageSource, Transfer};
use crate::local_path::{LocalPath, LocalRoot};
use crate::request::CanonicalRequest;

/// One thing that has to be granted for a call.
#[derive(Debug)]
pub(crate) enum Need {
    /// A capability that covers nothing in particular.
    Just(Grant),
    DockerRequest(CanonicalRequest),
    /// Any command at all.
    Shell,
    /// A command of these words.
    Command(Vec<String>),
    SettingsRead(String),
    /// A path in the project.
    FilesRead(PathBuf),
    /// The same.
    FilesWrite(PathBuf),
    /// A call that has no canonical form; no grant covers it.
    Nothing,
}

impl Need {
    /// All that a call needs. A path that the operator gave needs nothing.
    pub(crate) fn of(call: &HostCall) -> Vec<Self> {
        match call {
            HostCall::Version
            | HostCall::Info
            | HostCall::Containers
            | HostCall::Images
            | HostCall::Networks
            | HostCall::Volumes
            | HostCall::Inspect(_) => vec![Self::Just(Grant::DockerRead)],
            HostCall::Change(change) => vec![Self::Just(match change {
                Change::StopContainer { .. } | Change::RemoveContainer { .. } => {
                    Grant::DockerContainers
                }
                Change::RemoveImage { .. } | Change::TagImage { .. } => Grant::DockerImages,
                Change::PullImage { .. } | Change::PushImage { .. } => Grant::DockerRegistry,
                Change::RemoveNetwork { .. } => Grant::DockerNetworks,
                Change::RemoveVolume { .. } => Grant::DockerVolumes,
            })],
            HostCall::Transfer(transfer) => Self::of_transfer(transfer),
            HostCall::Request { method, path } => {
                vec![CanonicalRequest::new(method, path).map_or(Self::Nothing, Self::DockerRequest)]
            }
            HostCall::Shell => vec![Self::Shell],
            HostCall::Run { words: None } => vec![Self::Just(Grant::SshRun(None))],
            HostCall::Run { words: Some(words) } => vec![Self::Command(words.clone())],
            HostCall::Setting { name } => vec![Self::SettingsRead(name.clone())],
        }
    }

    fn of_transfer(transfer: &Transfer) -> Vec<Self> {
        let containers = || Self::Just(Grant::DockerContainers);
        let images = || Self::Just(Grant::DockerImages);
        let read = |path| Self::of_path(path, Self::FilesRead);
        let write = |path| Self::of_path(path, Self::FilesWrite);
        let (engine, local) = match transfer {
            Transfer::CopyFromContainer { to, .. } => (vec![containers()], write(to)),
            Transfer::CopyToContainer { local, .. } => (vec![containers()], read(local)),
            Transfer::SaveImages { to, .. } => (vec![images()], write(to)),
            Transfer::LoadImages { file } => (vec![images()], read(file)),
            Transfer::ImportImage { source, .. } => match source {
                ImageSource::File(file) => (vec![images()], read(file)),
                ImageSource::Selection(_) => (vec![images(), containers()], None),
                ImageSource::Image(_) => (vec![images()], None),
            },
        };
        engine.into_iter().chain(local).collect()
    }

    fn of_path(path: &LocalPath, need: fn(PathBuf) -> Self) -> Option<Self> {
        match path.root {
            LocalRoot::Given(_) => None,
            LocalRoot::Project => Some(need(path.below.clone())),
        }
    }

    pub(crate) fn is_met_by(&self, grant: &Grant) -> bool {
        match (self, grant) {
            (Self::Just(needed), grant) => needed == grant,
            (Self::DockerRequest(request), Grant::DockerRequest(pattern)) => {
                pattern.covers(request)
            }
            (Self::Shell, Grant::SshRun(_)) | (Self::Command(_), Grant::SshRun(None)) => true,
            (Self::Command(words), Grant::SshRun(Some(pattern))) => pattern.covers(words),
            (Self::SettingsRead(name), Grant::SettingsRead(pattern)) => pattern.covers(name),
            (Self::FilesRead(path), Grant::FilesRead(folder))
            | (Self::FilesWrite(path), Grant::FilesWrite(folder)) => folder.covers(path),
            _ => false,
        }
    }

    /// The narrowest grant that covers it; for a file, its folder.
    pub(crate) fn grant(&self) -> String {
        match self {
            Self::Just(grant) => grant.to_string(),
            Self::DockerRequest(request) => {
                format!("docker.request {} {}", request.method(), request.path())
            }
            Self::Shell => "ssh.run".to_owned(),
            Self::Command(words) => {
                format!("ssh.run {}", crate::text::plain(&shell_words::join(words)))
            }
            Self::SettingsRead(name) => format!("settings.read {}", crate::text::plain(name)),
            Self::FilesRead(path) => format!("files.read {}", folder(path)),
            Self::FilesWrite(path) => format!("files.write {}", folder(path)),
            Self::Nothing => "docker.request".to_owned(),
        }
    }

    /// What a manifest says to declare it.
    pub(crate) fn declaration(&self) -> String {
        let grant = self.grant();
        match grant.split_once(' ') {
            None => format!(r#"{{"capability": "{grant}", "reason": "..."}}"#),
            Some((capability, covered)) => format!(
                r#"{{"capability": "{capability}", "allow": [{covered:?}], "reason": "..."}}"#
            ),
        }
    }
}

fn folder(path: &std::path::Path) -> String {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let text = folder.unwrap_or(path).to_string_lossy();
    if text.is_empty() {
        return ".".to_owned();
    }
    crate::text::plain(&text)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::host_call::Object;
    use crate::task::{Form, Selection};

    /// A grant of each capability.
    pub(crate) const ALL: [&str; 11] = [
        "settings.read backup_*",
        "docker.read",
        "docker.containers",
        "docker.images",
        "docker.networks",
        "docker.volumes",
        "docker.registry",
        "docker.request POST /containers/*/pause",
        "ssh.run",
        "files.read backups",
        "files.write backups",
    ];

    fn transfers() -> Vec<(Transfer, Vec<&'static str>)> {
        let in_project = || LocalPath {
            root: LocalRoot::Project,
            below: "backups/a.tar".into(),
        };
        let given = || LocalPath {
            root: LocalRoot::Given("/srv/a.tar".into()),
            below: PathBuf::new(),
        };
        let files = || Selection {
            container: "web".to_owned(),
            parts: Vec::new(),
            owner: None,
            permissions: None,
        };
        let copy_out = |to| Transfer::CopyFromContainer {
            files: files(),
            to,
            form: Form::Tar,
        };
        let copy_in = |local| Transfer::CopyToContainer {
            local,
            container: "web".to_owned(),
            folder: "/".to_owned(),
        };
        let save = |to| Transfer::SaveImages {
            images: vec!["app".to_owned()],
            to,
        };
        let load = |file| Transfer::LoadImages { file };
        let import = |source| Transfer::ImportImage {
            source,
            image: "app".to_owned(),
            changes: Vec::new(),
        };
        vec![
            (
                copy_out(in_project()),
                vec!["docker.containers", "files.write backups"],
            ),
            (copy_out(given()), vec!["docker.containers"]),
            (
                copy_in(in_project()),
                vec!["docker.containers", "files.read backups"],
            ),
            (copy_in(given()), vec!["docker.containers"]),
            (
                save(in_project()),
                vec!["docker.images", "files.write backups"],
            ),
            (save(given()), vec!["docker.images"]),
            (
                load(in_project()),
                vec!["docker.images", "files.read backups"],
            ),
            (load(given()), vec!["docker.images"]),
            (
                import(ImageSource::File(in_project())),
                vec!["docker.images", "files.read backups"],
            ),
            (import(ImageSource::File(given())), vec!["docker.images"]),
            (
                import(ImageSource::Selection(files())),
                vec!["docker.images", "docker.containers"],
            ),
            (
                import(ImageSource::Image("app".to_owned())),
                vec!["docker.images"],
            ),
        ]
    }

    fn changes() -> Vec<(Change, &'static str)> {
        let name = || "a".to_owned();
        vec![
            (
                Change::StopContainer {
                    container: name(),
                    timeout_s: None,
                },
                "docker.containers",
            ),
            (
                Change::RemoveContainer {
                    container: name(),
                    force: true,
                    volumes: true,
                },
                "docker.containers",
            ),
            (
                Change::RemoveImage {
                    image: name(),
                    force: true,
                },
                "docker.images",
            ),
            (
                Change::TagImage {
                    image: name(),
                    name: name(),
                },
                "docker.images",
            ),
            (Change::PullImage { image: name() }, "docker.registry"),
            (Change::PushImage { image: name() }, "docker.registry"),
            (Change::RemoveNetwork { network: name() }, "docker.networks"),
            (Change::RemoveVolume { volume: name() }, "docker.volumes"),
        ]
    }

    /// Every call, with the grants that it needs.
    pub(crate) fn calls() -> Vec<(HostCall, Vec<&'static str>)> {
        let object = || "web".to_owned();
        let mut calls = vec![
            (
                HostCall::Setting {
                    name: "backup_to".to_owned(),
                },
                vec!["settings.read backup_*"],
            ),
            (HostCall::Version, vec!["docker.read"]),
            (HostCall::Info, vec!["docker.read"]),
            (HostCall::Containers, vec!["docker.read"]),
            (HostCall::Images, vec!["docker.read"]),
            (HostCall::Networks, vec!["docker.read"]),
            (HostCall::Volumes, vec!["docker.read"]),
            (
                HostCall::Inspect(Object::Container(object())),
                vec!["docker.read"],
            ),
            (
                HostCall::Inspect(Object::Image(object())),
                vec!["docker.read"],
            ),
            (
                HostCall::Request {
                    method: "POST",
                    path: "/containers/web/pause?t=1".to_owned(),
                },
                vec!["docker.request POST /containers/*/pause"],
            ),
            (HostCall::Shell, vec!["ssh.run"]),
            (HostCall::Run { words: None }, vec!["ssh.run"]),
            (
                HostCall::Run {
                    words: Some(vec!["uptime".to_owned()]),
                },
                vec!["ssh.run"],
            ),
        ];
        let changed = changes().into_iter();
        calls.extend(changed.map(|(change, grant)| (HostCall::Change(change), vec![grant])));
        let moved = transfers().into_iter();
        calls.extend(moved.map(|(transfer, grants)| (HostCall::Transfer(transfer), grants)));
        calls
    }

    #[test]
    fn a_file_needs_its_folder() {
        let needs = |path: &str| Need::FilesWrite(path.into()).grant();
        assert_eq!(needs("backups/daily/a.tar"), "files.write backups/daily");
        assert_eq!(needs("backups"), "files.write backups");
        assert_eq!(needs(""), "files.write .");
    }
}
