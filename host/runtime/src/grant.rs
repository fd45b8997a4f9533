//! What an operator may grant, and what a manifest may declare: the same words for both.

use std::fmt;
use std::str::FromStr;

use crate::request::RequestPattern;

/// One thing that a task may do.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Grant {
    /// `docker.read`: the version and the lists of the Docker Engine.
    DockerRead,
    /// `docker.request METHOD PATH`: a raw request to the Docker Engine. `*` stands for one segment
    /// of the path, `**` at the end for all that follow.
    DockerRequest(RequestPattern),
    /// `ssh.run`: any command in the shell of the host.
    SshRun,
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
    #[error(
        "`{0}` is no capability; there are docker.read, docker.request METHOD PATH, ssh.run and \
         settings.read NAME"
    )]
    Unknown(String),
    /// `docker.read` and `ssh.run` stand alone.
    #[error("`{0}` takes nothing after it")]
    Unexpected(String),
    /// The others say what they cover.
    #[error("`{0}` must say what it covers, for example `{1}`")]
    Missing(String, &'static str),
    /// The part after `docker.request`.
    #[error("`{text}` is no grant: {reason}")]
    Request {
        /// What was written.
        text: String,
        /// What is wrong with the method or path.
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
            Self::DockerRequest(_) => "docker.request",
            Self::SshRun => "ssh.run",
            Self::SettingsRead(_) => "settings.read",
        }
    }
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
        match (capability, covered) {
            ("docker.read", None) => Ok(Self::DockerRead),
            ("ssh.run", None) => Ok(Self::SshRun),
            ("docker.read" | "ssh.run", Some(_)) => {
                Err(GrantError::Unexpected(capability.to_owned()))
            }
            ("docker.request", Some(covered)) => RequestPattern::parse(covered)
                .map(Self::DockerRequest)
                .map_err(|error| GrantError::Request {
                    text: crate::text::plain(text),
                    reason: error.to_string(),
                }),
            ("docker.request", None) => Err(GrantError::Missing(
                capability.to_owned(),
                "docker.request POST /containers/*/pause",
            )),
            ("settings.read", Some(covered)) => covered.parse().map(Self::SettingsRead),
            ("settings.read", None) => Err(GrantError::Missing(
                capability.to_owned(),
                "settings.read backup_*",
            )),
            _ => Err(GrantError::Unknown(crate::text::plain(capability))),
        }
    }
}

impl fmt::Display for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.capability())?;
        match self {
            Self::DockerRead | Self::SshRun => Ok(()),
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
            "ssh.run",
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
            "ssh.run uptime",
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
