//! What each call needs to be granted: the one place where calls and capabilities meet.

use std::path::{Path, PathBuf};

use crate::command_pattern::CommandPattern;
use crate::effect::{
    Change, CommandLine, Download, ImageSource, Look, ReadSetting, RunCommand, Transfer, Upload,
};
use crate::grant::Grant;
use crate::host_call::HostCall;
use crate::kind;
use crate::label_scope::{LabelScope, Labels};
use crate::local_path::{LocalPath, LocalRoot};
use crate::privilege;
use crate::remote_path::{RemotePath, RemotePattern};
use crate::request::CanonicalRequest;
use crate::text::{cut, plain};

/// How much of a grant a message tells, in characters.
const SHOWN: usize = 2000;

/// One thing that has to be granted for a call.
#[derive(Debug)]
pub(crate) enum Need {
    /// A capability that covers nothing in particular.
    Just(Grant),
    /// An object, which a grant covers by its labels.
    Object(Class),
    /// A list, of which a grant may cover a part.
    List,
    /// Whatever depends on the labels of such an object.
    Look(&'static [Class]),
    DockerRequest(CanonicalRequest),
    /// Anything on the host at all.
    Shell,
    /// A command of these words.
    Command(Vec<String>),
    /// A command as another user, as grants have it.
    Sudo(Vec<String>),
    Upload(RemotePath),
    Download(RemotePath),
    SettingsRead(String),
    /// A path in the project.
    FilesRead(PathBuf),
    /// The same.
    FilesWrite(PathBuf),
    /// A call that has no canonical form; no grant covers it.
    Nothing,
}

/// Capabilities that may be restricted to labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    Read,
    Containers,
    Exec,
    Networks,
    Volumes,
}

impl Need {
    /// All that a call needs. A path that the operator gave needs nothing.
    pub(crate) fn of(call: HostCall<'_>) -> Vec<Self> {
        match call {
            HostCall::Free(_) => Vec::new(),
            HostCall::ReadVersion(_)
            | HostCall::ReadInfo(_)
            | HostCall::ListImages(_)
            | HostCall::Inspect(_) => vec![Self::Object(Class::Read)],
            HostCall::ListContainers(_) | HostCall::ListNetworks(_) | HostCall::ListVolumes(_) => {
                vec![Self::List]
            }
            HostCall::Look(object) => vec![Self::Look(match object {
                Look::Container(_) => &[Class::Containers, Class::Exec, Class::Read],
                Look::Network(_) => &[Class::Networks],
                Look::Volume(_) => &[Class::Volumes],
            })],
            HostCall::Change(change) => vec![match change {
                Change::StopContainer { .. } | Change::RemoveContainer { .. } => {
                    Self::Object(Class::Containers)
                }
                Change::RemoveImage { .. } | Change::TagImage { .. } => {
                    Self::Just(Grant::DockerImages)
                }
                Change::PullImage { .. } | Change::PushImage { .. } => {
                    Self::Just(Grant::DockerRegistry)
                }
                Change::RemoveNetwork { .. } => Self::Object(Class::Networks),
                Change::RemoveVolume { .. } => Self::Object(Class::Volumes),
            }],
            HostCall::Transfer(transfer) => Self::of_transfer(transfer),
            HostCall::RawRequest(request) => vec![
                CanonicalRequest::new(request.method, &request.path)
                    .map_or(Self::Nothing, Self::DockerRequest),
            ],
            HostCall::FindShell(_) => vec![Self::Shell],
            HostCall::RunCommand(RunCommand { command, .. }) => match command {
                CommandLine::Line(line) => Self::of_line(line),
                CommandLine::Words(words) => Self::of_words(words),
            },
            HostCall::RunAs(run) => vec![Self::Sudo(run.command.granted_as())],
            HostCall::RunInContainer(_) => vec![Self::Object(Class::Exec)],
            HostCall::ReadSetting(ReadSetting { name }) => vec![Self::SettingsRead(name.clone())],
            HostCall::Upload(Upload { local, remote, .. }) => {
                let read = Self::of_path(local, Self::FilesRead);
                [Self::Upload(remote.clone())]
                    .into_iter()
                    .chain(read)
                    .collect()
            }
            HostCall::Download(Download { remote, to }) => {
                let write = Self::of_path(to, Self::FilesWrite);
                [Self::Download(remote.clone())]
                    .into_iter()
                    .chain(write)
                    .collect()
            }
        }
    }

    fn of_line(line: &str) -> Vec<Self> {
        let mut needs = vec![Self::Just(Grant::SshRun(None))];
        if privilege::is_in(line) {
            needs.push(Self::Just(Grant::SshSudo(None)));
        }
        needs
    }

    /// A command that is run by somebody else than the connection's user needs nothing of `ssh.run`; one
    /// that may lead to such a command needs both.
    fn of_words(words: &[String]) -> Vec<Self> {
        match privilege::AsUser::of_sudo(words) {
            Some(command) => vec![Self::Sudo(command.granted_as())],
            None if words.iter().any(|word| privilege::is_in(word)) => vec![
                Self::Command(words.to_vec()),
                Self::Just(Grant::SshSudo(None)),
            ],
            None => vec![Self::Command(words.to_vec())],
        }
    }

    fn of_transfer(transfer: &Transfer) -> Vec<Self> {
        let containers = || Self::Object(Class::Containers);
        let images = || Self::Just(Grant::DockerImages);
        let read = |path| Self::of_path(path, Self::FilesRead);
        let write = |path| Self::of_path(path, Self::FilesWrite);
        let (engine, local) = match transfer {
            Transfer::BuildImage { folder, .. } => {
                (vec![Self::Just(Grant::DockerBuild)], read(folder))
            }
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

    /// Whether a grant covers it; labels are those of the object, where they are known.
    pub(crate) fn is_met_by(&self, grant: &Grant, labels: Option<&Labels>) -> bool {
        match self {
            Self::Just(needed) => needed == grant,
            Self::Object(class) => class.scope(grant).is_some_and(|scope| {
                scope.is_all() || labels.is_some_and(|labels| scope.covers(labels))
            }),
            Self::List => Class::Read.scope(grant).is_some(),
            Self::Look(classes) => classes.iter().any(|class| class.scope(grant).is_some()),
            Self::DockerRequest(request) => {
                matches!(grant, Grant::DockerRequest(pattern) if pattern.covers(request))
            }
            Self::Shell => grant.interface() == Some(kind::SSH),
            Self::Command(words) => {
                let covers = |pattern: &CommandPattern| pattern.covers(words);
                matches!(grant, Grant::SshRun(pattern) if pattern.as_ref().is_none_or(covers))
            }
            Self::Sudo(words) => {
                let covers = |pattern: &CommandPattern| pattern.covers(words);
                matches!(grant, Grant::SshSudo(pattern) if pattern.as_ref().is_none_or(covers))
            }
            Self::Upload(path) => {
                matches!(grant, Grant::SshUpload(pattern) if pattern.covers(path))
            }
            Self::Download(path) => {
                matches!(grant, Grant::SshDownload(pattern) if pattern.covers(path))
            }
            Self::SettingsRead(name) => {
                matches!(grant, Grant::SettingsRead(pattern) if pattern.covers(name))
            }
            Self::FilesRead(path) => {
                matches!(grant, Grant::FilesRead(folder) if folder.covers(path))
            }
            Self::FilesWrite(path) => {
                matches!(grant, Grant::FilesWrite(folder) if folder.covers(path))
            }
            Self::Nothing => false,
        }
    }

    /// Whether a grant may cover it, which the labels of the object will tell.
    pub(crate) fn may_be_met_by(&self, grant: &Grant) -> bool {
        match self {
            Self::Object(class) => class.scope(grant).is_some(),
            _ => self.is_met_by(grant, None),
        }
    }

    /// The narrowest grant that covers it, without secrets; for a file, its folder.
    pub(crate) fn grant(&self, labels: Option<&Labels>) -> String {
        let grant = match self {
            Self::Just(grant) => grant.to_string(),
            Self::Object(class) => match labels.and_then(LabelScope::of_map) {
                Some(scope) => format!("{} {scope}", class.capability()),
                None => class.capability().to_owned(),
            },
            Self::List => Class::Read.capability().to_owned(),
            Self::Look(classes) => classes
                .first()
                .map_or("docker.read", |class| class.capability())
                .to_owned(),
            Self::DockerRequest(request) => {
                format!("docker.request {} {}", request.method(), request.path())
            }
            Self::Shell => "ssh.run".to_owned(),
            Self::Command(words) => format!("ssh.run {}", CommandPattern::covering(words)),
            Self::Sudo(words) => format!("ssh.sudo {}", CommandPattern::covering(words)),
            Self::Upload(path) => format!("ssh.upload {}", RemotePattern::covering(path)),
            Self::Download(path) => format!("ssh.download {}", RemotePattern::covering(path)),
            Self::SettingsRead(name) => format!("settings.read {name}"),
            Self::FilesRead(path) => format!("files.read {}", folder(path)),
            Self::FilesWrite(path) => format!("files.write {}", folder(path)),
            Self::Nothing => "docker.request".to_owned(),
        };
        cut(&plain(&grant), SHOWN)
    }

    /// What a manifest says to declare it.
    pub(crate) fn declaration(&self) -> String {
        let grant = self.grant(None);
        match grant.split_once(' ') {
            None => format!(r#"{{"capability": "{grant}", "reason": "..."}}"#),
            Some((capability, covered)) => format!(
                r#"{{"capability": "{capability}", "allow": [{covered:?}], "reason": "..."}}"#
            ),
        }
    }
}

impl Class {
    fn capability(self) -> &'static str {
        match self {
            Self::Read => "docker.read",
            Self::Containers => "docker.containers",
            Self::Exec => "docker.exec",
            Self::Networks => "docker.networks",
            Self::Volumes => "docker.volumes",
        }
    }

    /// The objects for which a grant of this class holds.
    fn scope(self, grant: &Grant) -> Option<&LabelScope> {
        match (self, grant) {
            (Self::Read, Grant::DockerRead(scope))
            | (Self::Containers, Grant::DockerContainers(scope))
            | (Self::Exec, Grant::DockerExec(scope))
            | (Self::Networks, Grant::DockerNetworks(scope))
            | (Self::Volumes, Grant::DockerVolumes(scope)) => Some(scope),
            _ => None,
        }
    }
}

fn folder(path: &Path) -> String {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let text = folder.unwrap_or(path).to_string_lossy();
    if text.is_empty() {
        return ".".to_owned();
    }
    text.into_owned()
}

#[cfg(test)]
#[path = "need_tests.rs"]
pub(crate) mod tests;
