//! What an operator may grant, and what a manifest may declare: the same words for both.

use std::fmt;
use std::str::FromStr;

use crate::command_pattern::CommandPattern;
use crate::kind;
use crate::label_scope::LabelScope;
use crate::local_path::ProjectPath;
use crate::remote_path::RemotePattern;
use crate::request::RequestPattern;

/// One thing that a task may do.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Grant {
    /// `docker.read`: all that the Docker Engine tells, but for what is in containers and images; or only of
    /// containers, networks and volumes of a map or with labels: `docker.read map=shop`.
    DockerRead(LabelScope),
    /// `docker.containers`: stop and remove containers, and copy files out of them and into them; all of
    /// them, or those of a map or with labels: `docker.containers map=shop`.
    DockerContainers(LabelScope),
    /// `docker.exec`: run commands in containers; the same.
    DockerExec(LabelScope),
    /// `docker.images`: name, remove, save, load and import images.
    DockerImages,
    /// `docker.build`: build images of files, with the logins of the project.
    DockerBuild,
    /// `docker.networks`: remove networks; as for containers.
    DockerNetworks(LabelScope),
    /// `docker.volumes`: remove volumes; as for containers.
    DockerVolumes(LabelScope),
    /// `docker.registry`: pull and push images, with the logins of the project.
    DockerRegistry,
    /// `docker.request METHOD PATH`: a raw request to the Docker Engine. `*` stands for one segment
    /// of the path, `**` at the end for all that follow.
    DockerRequest(RequestPattern),
    /// `ssh.run`: any command in the shell of the host, or `ssh.run WORDS`: such commands. `*` stands for
    /// one word, `**` at the end for all that follow.
    SshRun(Option<CommandPattern>),
    /// `ssh.sudo`: any command as any user, or `ssh.sudo WORDS`: such commands as root, and as another user
    /// after `-u USER`.
    SshSudo(Option<CommandPattern>),
    /// `ssh.upload PATH`: copy files to such paths of the host. `*` stands for one name, `**` at the end for
    /// all that follow.
    SshUpload(RemotePattern),
    /// `ssh.download PATH`: copy such files of the host.
    SshDownload(RemotePattern),
    /// `files.read FOLDER`: the files in a folder of the project.
    FilesRead(ProjectPath),
    /// `files.write FOLDER`: the same, to write them.
    FilesWrite(ProjectPath),
    /// `settings.read NAME`: a setting of the project; a `*` at the end stands for any rest.
    SettingsRead(SettingPattern),
}

/// The grants of one plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Grants {
    /// Whatever it declares; for the plugins that are part of dfab.
    All,
    /// These, where it declares them too.
    Only(Vec<Grant>),
}

/// The names of settings that a grant covers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingPattern {
    name: String,
    any_rest: bool,
}

/// Why a text is no grant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GrantError {
    /// A word that this version does not know.
    #[error("`{0}` is no capability; there are {known}", known = KNOWN.join(", "))]
    Unknown(String),
    /// Images have no labels that anybody could rely on.
    #[error(
        "`{0}` cannot be restricted to labels or maps: an image has whatever labels its builder gave it, \
         and maps share images"
    )]
    Labels(String),
    /// Some stand alone.
    #[error("`{0}` takes nothing after it")]
    Unexpected(String),
    /// The others say what they cover.
    #[error("`{0}` must say what it covers, for example `{1}`")]
    Missing(String, &'static str),
    /// What is covered cannot be that.
    #[error("`{text}` is no grant: {reason}")]
    Covered {
        /// What was written.
        text: String,
        /// What is wrong with the part after the capability.
        reason: String,
    },
    /// The part after `settings.read`.
    #[error("`{0}` is no name of a setting; a `*` may stand at its end only")]
    Setting(String),
}

impl Grant {
    /// The name of the capability, without what it covers.
    #[must_use]
    pub fn capability(&self) -> &'static str {
        match self {
            Self::DockerRead(_) => "docker.read",
            Self::DockerContainers(_) => "docker.containers",
            Self::DockerExec(_) => "docker.exec",
            Self::DockerImages => "docker.images",
            Self::DockerBuild => "docker.build",
            Self::DockerNetworks(_) => "docker.networks",
            Self::DockerVolumes(_) => "docker.volumes",
            Self::DockerRegistry => "docker.registry",
            Self::DockerRequest(_) => "docker.request",
            Self::SshRun(_) => "ssh.run",
            Self::SshSudo(_) => "ssh.sudo",
            Self::SshUpload(_) => "ssh.upload",
            Self::SshDownload(_) => "ssh.download",
            Self::FilesRead(_) => "files.read",
            Self::FilesWrite(_) => "files.write",
            Self::SettingsRead(_) => "settings.read",
        }
    }
}

impl Grant {
    /// The interface of the contract whose functions it allows; that of files is for what the functions of
    /// others read and write.
    pub(crate) fn interface(&self) -> Option<&'static str> {
        match self {
            Self::DockerRead(_)
            | Self::DockerContainers(_)
            | Self::DockerExec(_)
            | Self::DockerImages
            | Self::DockerBuild
            | Self::DockerNetworks(_)
            | Self::DockerVolumes(_)
            | Self::DockerRegistry
            | Self::DockerRequest(_) => Some(kind::DOCKER),
            Self::SshRun(_) | Self::SshSudo(_) | Self::SshUpload(_) | Self::SshDownload(_) => {
                Some(kind::SSH)
            }
            Self::SettingsRead(_) => Some(kind::SETTINGS),
            Self::FilesRead(_) | Self::FilesWrite(_) => None,
        }
    }

    /// Whether it covers all that another one does: where it is the same, or of the same capability and
    /// without a restriction. Of two patterns neither is said to cover the other.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        let is_whole = match self {
            Self::DockerImages
            | Self::DockerBuild
            | Self::DockerRegistry
            | Self::SshRun(None)
            | Self::SshSudo(None) => true,
            Self::DockerRead(scope)
            | Self::DockerContainers(scope)
            | Self::DockerExec(scope)
            | Self::DockerNetworks(scope)
            | Self::DockerVolumes(scope) => scope.is_all(),
            Self::SshRun(Some(_))
            | Self::SshSudo(Some(_))
            | Self::SshUpload(_)
            | Self::SshDownload(_)
            | Self::DockerRequest(_)
            | Self::FilesRead(_)
            | Self::FilesWrite(_)
            | Self::SettingsRead(_) => false,
        };
        self == other || is_whole && self.capability() == other.capability()
    }
}

/// Every capability, with what it covers.
const KNOWN: [&str; 16] = [
    "docker.read",
    "docker.containers",
    "docker.exec",
    "docker.images",
    "docker.build",
    "docker.networks",
    "docker.volumes",
    "docker.registry",
    "docker.request METHOD PATH",
    "ssh.run",
    "ssh.sudo",
    "ssh.upload PATH",
    "ssh.download PATH",
    "files.read FOLDER",
    "files.write FOLDER",
    "settings.read NAME",
];

/// Names of the capabilities for an interface of the contract, which are called after it.
pub(crate) fn capabilities_for(interface: &str) -> String {
    let (_, name) = interface.split_once('/').unwrap_or_default();
    let capabilities = KNOWN.iter().map(|known| known.split(' ').next());
    let mut found: Vec<&str> = capabilities.flatten().collect();
    found.retain(|known| known.split('.').next() == Some(name));
    found.join(", ")
}

impl SettingPattern {
    pub(crate) fn covers(&self, name: &str) -> bool {
        if self.any_rest {
            name.starts_with(&self.name)
        } else {
            name == self.name
        }
    }
}

impl FromStr for Grant {
    type Err = GrantError;

    fn from_str(text: &str) -> Result<Self, GrantError> {
        let text = text.trim();
        let (capability, covered) = match text.split_once(' ') {
            Some((capability, covered)) => (capability, Some(covered.trim())),
            None => (text, None),
        };
        let alone = |grant| match covered {
            None => Ok(grant),
            Some(_) => Err(GrantError::Unexpected(capability.to_owned())),
        };
        let of_images = |grant| match covered.map(str::parse::<LabelScope>) {
            Some(Ok(_)) => Err(GrantError::Labels(capability.to_owned())),
            _ => alone(grant),
        };
        let covered_by =
            |example| covered.ok_or_else(|| GrantError::Missing(capability.to_owned(), example));
        let wrong = |reason: String| GrantError::Covered {
            text: crate::text::plain(text),
            reason,
        };
        let folder = |example| {
            let folder = covered_by(example)?.parse::<ProjectPath>();
            folder.map_err(|error| wrong(error.to_string()))
        };
        let labels = || {
            let labels = covered.unwrap_or_default().parse::<LabelScope>();
            labels.map_err(|error| wrong(error.to_string()))
        };
        let commands = || {
            let pattern = covered.map(CommandPattern::parse).transpose();
            pattern.map_err(|error| wrong(error.to_string()))
        };
        let remote = |example| {
            let pattern = covered_by(example)?.parse::<RemotePattern>();
            pattern.map_err(|error| wrong(error.to_string()))
        };
        match capability {
            "docker.read" => labels().map(Self::DockerRead),
            "docker.containers" => labels().map(Self::DockerContainers),
            "docker.exec" => labels().map(Self::DockerExec),
            "docker.images" => of_images(Self::DockerImages),
            "docker.build" => of_images(Self::DockerBuild),
            "docker.networks" => labels().map(Self::DockerNetworks),
            "docker.volumes" => labels().map(Self::DockerVolumes),
            "docker.registry" => of_images(Self::DockerRegistry),
            "docker.request" => {
                RequestPattern::parse(covered_by("docker.request POST /containers/*/pause")?)
                    .map(Self::DockerRequest)
                    .map_err(|error| wrong(error.to_string()))
            }
            "ssh.run" => commands().map(Self::SshRun),
            "ssh.sudo" => commands().map(Self::SshSudo),
            "ssh.upload" => remote("ssh.upload /srv/app/*").map(Self::SshUpload),
            "ssh.download" => remote("ssh.download /var/log/*").map(Self::SshDownload),
            "files.read" => folder("files.read backups").map(Self::FilesRead),
            "files.write" => folder("files.write results").map(Self::FilesWrite),
            "settings.read" => covered_by("settings.read backup_*")?
                .parse()
                .map(Self::SettingsRead),
            _ => Err(GrantError::Unknown(crate::text::plain(capability))),
        }
    }
}

impl fmt::Display for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.capability())?;
        match self {
            Self::DockerImages
            | Self::DockerBuild
            | Self::DockerRegistry
            | Self::SshRun(None)
            | Self::SshSudo(None) => Ok(()),
            Self::DockerRead(scope)
            | Self::DockerContainers(scope)
            | Self::DockerExec(scope)
            | Self::DockerNetworks(scope)
            | Self::DockerVolumes(scope) => {
                if scope.is_all() {
                    return Ok(());
                }
                write!(f, " {scope}")
            }
            Self::SshRun(Some(pattern)) | Self::SshSudo(Some(pattern)) => write!(f, " {pattern}"),
            Self::SshUpload(pattern) | Self::SshDownload(pattern) => write!(f, " {pattern}"),
            Self::FilesRead(folder) | Self::FilesWrite(folder) => write!(f, " {folder}"),
            Self::DockerRequest(pattern) => write!(f, " {pattern}"),
            Self::SettingsRead(pattern) => write!(f, " {pattern}"),
        }
    }
}

impl FromStr for SettingPattern {
    type Err = GrantError;

    fn from_str(text: &str) -> Result<Self, GrantError> {
        let (name, any_rest) = match text.strip_suffix('*') {
            Some(name) => (name, true),
            None => (text, false),
        };
        let odd = |c: char| c == '*' || c.is_whitespace() || c.is_control();
        if (name.is_empty() && !any_rest) || name.contains(odd) {
            return Err(GrantError::Setting(crate::text::plain(text)));
        }
        Ok(Self {
            name: name.to_owned(),
            any_rest,
        })
    }
}

impl fmt::Display for SettingPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.name, if self.any_rest { "*" } else { "" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grants_read_as_they_are_written() {
        for text in [
            "docker.read",
            "docker.read map=shop",
            "docker.containers",
            "docker.containers map=shop",
            "docker.exec label=team=a map=shop",
            "docker.images",
            "docker.build",
            "docker.networks",
            "docker.volumes label=backup",
            "docker.registry",
            "ssh.run",
            "ssh.run systemctl restart *",
            "ssh.sudo",
            "ssh.sudo -u app rake *",
            "ssh.upload /srv/app/**",
            "ssh.download /var/log/*",
            "files.read backups",
            "files.write results/daily",
            "files.read .",
            "settings.read backup_*",
            "settings.read *",
            "docker.request POST /containers/*/pause",
            "docker.request GET /images/**",
        ] {
            assert_eq!(text.parse::<Grant>().expect("a grant").to_string(), text);
        }
    }

    #[test]
    fn what_has_no_restriction_covers_what_has_one() {
        for (wide, narrow, covered) in [
            ("docker.read", "docker.read", true),
            ("docker.containers", "docker.containers map=shop", true),
            ("docker.containers map=shop", "docker.containers", false),
            (
                "docker.containers map=shop",
                "docker.containers map=shop",
                true,
            ),
            ("docker.containers", "docker.exec map=shop", false),
            ("ssh.run", "ssh.run uptime", true),
            ("ssh.run", "ssh.sudo uptime", false),
            ("settings.read *", "settings.read a", false),
        ] {
            let parse = |text: &str| text.parse::<Grant>().expect("a grant");
            let (wide, narrow) = (parse(wide), parse(narrow));
            assert_eq!(wide.covers(&narrow), covered, "{wide}: {narrow}");
        }
    }

    #[test]
    fn images_are_not_granted_by_their_labels() {
        for capability in ["docker.images", "docker.build", "docker.registry"] {
            for scope in ["map=shop", "label=team", "label=team=a map=shop"] {
                let refused = format!("{capability} {scope}").parse::<Grant>();
                assert_eq!(refused, Err(GrantError::Labels(capability.to_owned())));
            }
        }
        let refused = "docker.images map=shop".parse::<Grant>();
        insta::assert_snapshot!(refused.expect_err("no grant"), @"`docker.images` cannot be restricted to labels or maps: an image has whatever labels its builder gave it, and maps share images");
    }

    #[test]
    fn refuses_what_is_no_grant() {
        for text in [
            "",
            "docker",
            "docker.*",
            "docker.images web",
            "docker.containers shop",
            "docker.containers map=*",
            "docker.exec label=",
            "ssh.upload",
            "ssh.upload srv",
            "ssh.download /etc/../x",
            "ssh.sudo *",
            "ssh.run *",
            "ssh.run 'a",
            "files.read",
            "files.read /etc",
            "files.write ../other",
            "settings.read",
            "settings.read *x",
            "settings.read a b",
            "docker.request",
            "docker.request /info",
        ] {
            assert!(text.parse::<Grant>().is_err(), "{text:?}");
        }
    }
}
