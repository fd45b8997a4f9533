//! What an operator may grant, and what a manifest may declare: the same words for both.

use std::fmt;
use std::str::FromStr;

use crate::command_pattern::CommandPattern;
use crate::local_path::ProjectPath;
use crate::request::RequestPattern;

/// One thing that a task may do.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Grant {
    /// `docker.read`: all that the Docker Engine tells, but for what is in containers and images.
    DockerRead,
    /// `docker.containers`: stop and remove containers, and copy files out of them and into them.
    DockerContainers,
    /// `docker.images`: name, remove, save, load and import images.
    DockerImages,
    /// `docker.networks`: remove networks.
    DockerNetworks,
    /// `docker.volumes`: remove volumes.
    DockerVolumes,
    /// `docker.registry`: pull and push images, with the logins of the project.
    DockerRegistry,
    /// `docker.request METHOD PATH`: a raw request to the Docker Engine. `*` stands for one segment
    /// of the path, `**` at the end for all that follow.
    DockerRequest(RequestPattern),
    /// `ssh.run`: any command in the shell of the host, or `ssh.run WORDS`: such commands. `*` stands for
    /// one word, `**` at the end for all that follow.
    SshRun(Option<CommandPattern>),
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
            Self::DockerRead => "docker.read",
            Self::DockerContainers => "docker.containers",
            Self::DockerImages => "docker.images",
            Self::DockerNetworks => "docker.networks",
            Self::DockerVolumes => "docker.volumes",
            Self::DockerRegistry => "docker.registry",
            Self::DockerRequest(_) => "docker.request",
            Self::SshRun(_) => "ssh.run",
            Self::FilesRead(_) => "files.read",
            Self::FilesWrite(_) => "files.write",
            Self::SettingsRead(_) => "settings.read",
        }
    }
}

/// Every capability, with what it covers.
const KNOWN: [&str; 11] = [
    "docker.read",
    "docker.containers",
    "docker.images",
    "docker.networks",
    "docker.volumes",
    "docker.registry",
    "docker.request METHOD PATH",
    "ssh.run",
    "files.read FOLDER",
    "files.write FOLDER",
    "settings.read NAME",
];

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
        match capability {
            "docker.read" => alone(Self::DockerRead),
            "docker.containers" => alone(Self::DockerContainers),
            "docker.images" => alone(Self::DockerImages),
            "docker.networks" => alone(Self::DockerNetworks),
            "docker.volumes" => alone(Self::DockerVolumes),
            "docker.registry" => alone(Self::DockerRegistry),
            "docker.request" => {
                RequestPattern::parse(covered_by("docker.request POST /containers/*/pause")?)
                    .map(Self::DockerRequest)
                    .map_err(|error| wrong(error.to_string()))
            }
            "ssh.run" => covered
                .map(CommandPattern::parse)
                .transpose()
                .map(Self::SshRun)
                .map_err(|error| wrong(error.to_string())),
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
            Self::DockerRead
            | Self::DockerContainers
            | Self::DockerImages
            | Self::DockerNetworks
            | Self::DockerVolumes
            | Self::DockerRegistry
            | Self::SshRun(None) => Ok(()),
            Self::SshRun(Some(pattern)) => write!(f, " {pattern}"),
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
            "docker.containers",
            "docker.images",
            "docker.networks",
            "docker.volumes",
            "docker.registry",
            "ssh.run",
            "ssh.run systemctl restart *",
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
    fn refuses_what_is_no_grant() {
        for text in [
            "",
            "docker",
            "docker.*",
            "docker.images web",
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
