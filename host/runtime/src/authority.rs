//! The one place where it is decided whether a component may do something.
//!
//! A component may do what it declared and the operator granted. Each effect has a [`HostCall`], one
//! exhaustive match says what grant that needs, and a [`Permit`] exists only where the check passed.

use std::path::PathBuf;

use crate::call_error::CallError;
use crate::grant::{Grant, Grants};
use crate::host_call::HostCall;
use crate::need::Need;
use crate::request::CanonicalRequest;

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
    /// Of the plugin's file, for the line that grants; none where it is part of dfab or of a bundle.
    pub(crate) path: Option<PathBuf>,
    pub(crate) declared: Vec<Grant>,
    pub(crate) granted: Grants,
}

impl Authority {
    /// # Errors
    /// `denied` where the plugin did not declare it or was not granted it.
    pub(crate) fn authorize(&self, call: HostCall) -> Result<Permit, CallError> {
        for need in Need::of(&call) {
            let denial = if !self.declares(&need) {
                self.not_declared(&need)
            } else if !self.is_granted(&need) {
                self.not_granted(&need)
            } else {
                tracing::debug!(plugin = self.plugin, call = %need.grant(), "allowed");
                continue;
            };
            tracing::info!(plugin = self.plugin, call = %need.grant(), "denied");
            return Err(CallError::Denied(denial));
        }
        Ok(Permit { call })
    }

    /// A command line. Where any line may be run, it is run as it is; else its words are what is
    /// permitted, and the line that is run is made of them again.
    ///
    /// # Errors
    /// `invalid` where it has no words, else as [`Self::authorize`].
    pub(crate) fn authorize_run(&self, line: &str) -> Result<(Permit, String), CallError> {
        let any = Need::Just(Grant::SshRun(None));
        if (self.declares(&any) && self.is_granted(&any)) || !self.knows_commands() {
            return Ok((
                self.authorize(HostCall::Run { words: None })?,
                line.to_owned(),
            ));
        }
        let words = shell_words::split(line).map_err(|_| {
            CallError::Invalid("a quotation in the command line is not closed".to_owned())
        })?;
        let line = shell_words::join(&words);
        let words = Some(words);
        Ok((self.authorize(HostCall::Run { words })?, line))
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

    /// Whether single commands were declared or granted, so that the words of a line matter.
    fn knows_commands(&self) -> bool {
        let granted: &[Grant] = match &self.granted {
            Grants::All => &[],
            Grants::Only(grants) => grants,
        };
        let mut known = self.declared.iter().chain(granted);
        known.any(|grant| matches!(grant, Grant::SshRun(Some(_))))
    }

    fn declares(&self, need: &Need) -> bool {
        self.declared.iter().any(|grant| need.is_met_by(grant))
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
        let Some(path) = &self.path else {
            // Grants are given anew each time, so that those that were given are named as well.
            let declared = self.declared.iter().find(|grant| need.is_met_by(grant));
            grants.extend(declared.map(Grant::to_string));
            let grants: Vec<String> = grants.iter().map(|it| format!("--grant '{it}'")).collect();
            return format!(
                "the plugin `{}` may not use `{}`: it declares it, but was not granted it. To grant \
                 it, add it again from the source that dfab.lock names: dfab plugin add SOURCE {}",
                self.plugin,
                need.grant(),
                grants.join(" "),
            );
        };
        grants.push(need.grant());
        let path = crate::text::plain(&path.to_string_lossy());
        format!(
            "the plugin `{}` may not use `{}`: it declares it, but was not granted it. To grant \
             it, write in dfab.yaml, under `plugins:`\n- path: {path}\n  grant: {grants:?}",
            self.plugin,
            need.grant(),
        )
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

    #[test]
    fn every_call_needs_all_its_grants_declared_and_granted() {
        for (call, needed) in crate::need::tests::calls() {
            let others: Vec<&str> = crate::need::tests::ALL
                .into_iter()
                .filter(|grant| !needed.contains(grant))
                .collect();
            let authorize = |declared: &[&str], granted: Option<&[&str]>| {
                authority(declared, granted).authorize(call.clone())
            };
            assert!(authorize(&needed, Some(&needed)).is_ok(), "{call:?}");
            assert!(authorize(&needed, None).is_ok(), "{call:?}");
            for missing in &needed {
                let mut all = crate::need::tests::ALL.to_vec();
                all.retain(|grant| grant != missing);
                assert!(authorize(&all, None).is_err(), "{call:?}");
                let everything = &crate::need::tests::ALL;
                assert!(authorize(&all, Some(everything)).is_err(), "{call:?}");
                assert!(authorize(everything, Some(&all)).is_err(), "{call:?}");
            }
            let needs_any = authorize(&others, None).is_err();
            assert_eq!(needs_any, !needed.is_empty(), "{call:?}");
        }
    }

    #[test]
    fn where_only_some_commands_are_granted_the_words_are_what_is_run() {
        let some = ["ssh.run systemctl restart *"];
        let run = |declared: &[&str], granted: Option<&[&str]>, line: &str| {
            let permitted = authority(declared, granted).authorize_run(line);
            permitted.map(|(_, line)| line)
        };
        for (declared, granted) in [
            (&some, None),
            (&["ssh.run"], Some(&some[..])),
            (&some, Some(&["ssh.run"][..])),
        ] {
            let line = run(declared, granted, "systemctl  restart \"a;reboot\"").expect("granted");
            assert_eq!(line, "systemctl restart 'a;reboot'");
            assert!(run(declared, granted, "systemctl restart a; reboot").is_err());
            assert!(run(declared, granted, "systemctl restart $(reboot) x").is_err());
            assert!(run(declared, granted, "reboot").is_err());
        }
        let line = "uptime; echo $HOME";
        assert_eq!(run(&["ssh.run"], None, line), Ok(line.to_owned()));
        let denied = run(&["ssh.run"], Some(&some), "systemctl stop a").expect_err("not granted");
        assert!(
            denied.to_string().ends_with(
                "grant: [\"ssh.run systemctl restart *\", \"ssh.run systemctl stop a\"]"
            ),
            "{denied}"
        );
    }

    #[test]
    fn a_denial_tells_what_to_write() {
        let error = authority(&["docker.read", "ssh.run"], Some(&["docker.read"]))
            .authorize_run("uptime")
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
