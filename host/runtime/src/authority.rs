//! The one place where it is decided whether a component may do something.
//!
//! A component may do what it declared and the operator granted. Each effect has a [`HostCall`], one
//! exhaustive match says what grant that needs, and a [`Permit`] exists only where the check passed.

use std::path::PathBuf;

use crate::call_error::CallError;
use crate::grant::{Grant, Grants};
use crate::request::CanonicalRequest;

/// An effect that a component asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostCall {
    /// One setting of the project.
    Setting {
        /// Its name.
        name: String,
    },
    /// The version of the engine.
    Version,
    /// The system information of the engine.
    Info,
    /// The list of containers.
    Containers,
    /// The list of images.
    Images,
    /// A raw request to the engine, in canonical form.
    Request {
        /// In capitals.
        method: &'static str,
        /// Path and query, without version.
        path: String,
    },
    /// Whether there is a shell.
    Shell,
    /// A command in the shell.
    Run,
}

/// Proof that a component may have the effect that it names. Only the check of the grants makes one,
/// and the effect takes it away.
#[derive(Debug)]
pub struct Permit {
    call: HostCall,
}

impl Permit {
    /// What was permitted.
    #[must_use]
    pub fn call(&self) -> &HostCall {
        &self.call
    }
}

/// What one plugin declared and was granted. Never changes once the plugin is loaded.
#[derive(Debug)]
pub(crate) struct Authority {
    pub(crate) plugin: String,
    /// Of the plugin's file, for the line that grants; none where it is part of dfab.
    pub(crate) path: Option<PathBuf>,
    pub(crate) declared: Vec<Grant>,
    pub(crate) granted: Grants,
}

impl Authority {
    /// # Errors
    /// `denied` where the plugin did not declare it or was not granted it.
    pub(crate) fn authorize(&self, call: HostCall) -> Result<Permit, CallError> {
        let need = Need::of(&call);
        let denial = if !self.declared.iter().any(|grant| need.is_met_by(grant)) {
            self.not_declared(&need)
        } else if !self.is_granted(&need) {
            self.not_granted(&need)
        } else {
            tracing::debug!(plugin = self.plugin, call = %need.grant(), "allowed");
            return Ok(Permit { call });
        };
        tracing::info!(plugin = self.plugin, call = %need.grant(), "denied");
        Err(CallError::Denied(denial))
    }

    /// A raw request: it is brought into its canonical form, and that form is what is permitted.
    ///
    /// # Errors
    /// `invalid` where it has no canonical form, else as [`Self::authorize`].
    pub(crate) fn authorize_request(
        &self,
        method: &str,
        target: &str,
    ) -> Result<(Permit, CanonicalRequest), CallError> {
        let request = CanonicalRequest::new(method, target)
            .map_err(|error| CallError::Invalid(error.to_string()))?;
        let call = HostCall::Request {
            method: request.method(),
            path: request.target(),
        };
        Ok((self.authorize(call)?, request))
    }

    fn is_granted(&self, need: &Need) -> bool {
        match &self.granted {
            Grants::All => true,
            Grants::Only(grants) => grants.iter().any(|grant| need.is_met_by(grant)),
        }
    }

    fn not_declared(&self, need: &Need) -> String {
        format!(
            "the plugin `{}` may not use `{}`: its manifest does not declare it. Its author must \
             add {} to the `capabilities` of the manifest",
            self.plugin,
            need.grant(),
            need.declaration(),
        )
    }

    fn not_granted(&self, need: &Need) -> String {
        let mut grants: Vec<String> = match &self.granted {
            Grants::All => Vec::new(),
            Grants::Only(grants) => grants.iter().map(Grant::to_string).collect(),
        };
        grants.push(need.grant());
        let path = self.path.as_ref().map_or_else(
            || self.plugin.clone(),
            |path| crate::text::plain(&path.to_string_lossy()),
        );
        format!(
            "the plugin `{}` may not use `{}`: it declares it, but was not granted it. To grant \
             it, write in dfab.yaml, under `plugins:`\n- path: {path}\n  grant: {grants:?}",
            self.plugin,
            need.grant(),
        )
    }
}

/// What a call needs to be granted.
enum Need {
    DockerRead,
    DockerRequest(CanonicalRequest),
    SshRun,
    SettingsRead(String),
    /// A call that has no canonical form; no grant covers it.
    Nothing,
}

impl Need {
    fn of(call: &HostCall) -> Self {
        match call {
            HostCall::Version | HostCall::Info | HostCall::Containers | HostCall::Images => {
                Self::DockerRead
            }
            HostCall::Request { method, path } => {
                CanonicalRequest::new(method, path).map_or(Self::Nothing, Self::DockerRequest)
            }
            HostCall::Shell | HostCall::Run => Self::SshRun,
            HostCall::Setting { name } => Self::SettingsRead(name.clone()),
        }
    }

    fn is_met_by(&self, grant: &Grant) -> bool {
        match (self, grant) {
            (Self::DockerRead, Grant::DockerRead) | (Self::SshRun, Grant::SshRun) => true,
            (Self::DockerRequest(request), Grant::DockerRequest(pattern)) => {
                pattern.covers(request)
            }
            (Self::SettingsRead(name), Grant::SettingsRead(pattern)) => pattern.covers(name),
            _ => false,
        }
    }

    /// The narrowest grant that covers it.
    fn grant(&self) -> String {
        match self {
            Self::DockerRead => "docker.read".to_owned(),
            Self::DockerRequest(request) => {
                format!("docker.request {} {}", request.method(), request.path())
            }
            Self::SshRun => "ssh.run".to_owned(),
            Self::SettingsRead(name) => format!("settings.read {}", crate::text::plain(name)),
            Self::Nothing => "docker.request".to_owned(),
        }
    }

    fn declaration(&self) -> String {
        let grant = self.grant();
        match grant.split_once(' ') {
            None => format!(r#"{{"capability": "{grant}", "reason": "..."}}"#),
            Some((capability, covered)) => format!(
                r#"{{"capability": "{capability}", "allow": [{covered:?}], "reason": "..."}}"#
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn authority(declared: &[&str], granted: Option<&[&str]>) -> Authority {
        let parse = |grants: &[&str]| -> Vec<Grant> {
            grants
                .iter()
                .map(|grant| grant.parse().expect("a grant"))
                .collect()
        };
        Authority {
            plugin: "backup".to_owned(),
            path: Some(PathBuf::from("plugins/backup.wasm")),
            declared: parse(declared),
            granted: granted.map_or(Grants::All, |granted| Grants::Only(parse(granted))),
        }
    }

    fn calls() -> Vec<(HostCall, &'static str)> {
        let request = HostCall::Request {
            method: "POST",
            path: "/containers/web/pause?t=1".to_owned(),
        };
        vec![
            (
                HostCall::Setting {
                    name: "backup_to".to_owned(),
                },
                "settings.read backup_*",
            ),
            (HostCall::Version, "docker.read"),
            (HostCall::Info, "docker.read"),
            (HostCall::Containers, "docker.read"),
            (HostCall::Images, "docker.read"),
            (request, "docker.request POST /containers/*/pause"),
            (HostCall::Shell, "ssh.run"),
            (HostCall::Run, "ssh.run"),
        ]
    }

    #[test]
    fn every_call_needs_its_grant_declared_and_granted() {
        let all = [
            "settings.read backup_*",
            "docker.read",
            "docker.request POST /containers/*/pause",
            "ssh.run",
        ];
        for (call, needed) in calls() {
            let others: Vec<&str> = all.into_iter().filter(|grant| *grant != needed).collect();
            assert!(
                authority(&[needed], Some(&[needed]))
                    .authorize(call.clone())
                    .is_ok()
            );
            assert!(authority(&[needed], None).authorize(call.clone()).is_ok());
            assert!(
                authority(&others, Some(&all))
                    .authorize(call.clone())
                    .is_err(),
                "{call:?}"
            );
            assert!(
                authority(&all, Some(&others))
                    .authorize(call.clone())
                    .is_err(),
                "{call:?}"
            );
            assert!(
                authority(&others, None).authorize(call.clone()).is_err(),
                "{call:?}"
            );
        }
    }

    #[test]
    fn a_denial_tells_what_to_write() {
        let error = authority(&["docker.read", "ssh.run"], Some(&["docker.read"]))
            .authorize(HostCall::Run)
            .expect_err("not granted");
        assert_eq!(
            error.to_string(),
            "the plugin `backup` may not use `ssh.run`: it declares it, but was not granted it. To \
             grant it, write in dfab.yaml, under `plugins:`\n- path: plugins/backup.wasm\n  grant: \
             [\"docker.read\", \"ssh.run\"]"
        );
        let error = authority(&[], None)
            .authorize_request("post", "/containers/w%65b/pause")
            .expect_err("not declared");
        assert_eq!(
            error.to_string(),
            "the plugin `backup` may not use `docker.request POST /containers/web/pause`: its \
             manifest does not declare it. Its author must add {\"capability\": \
             \"docker.request\", \"allow\": [\"POST /containers/web/pause\"], \"reason\": \"...\"} \
             to the `capabilities` of the manifest"
        );
    }
}
