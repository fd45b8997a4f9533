//! The one place where it is decided whether a component may do something.
//!
//! A component may do what it declared and the operator granted. Each effect is a [`HostCall`], one
//! exhaustive match says what grant that needs, and a [`Permit`] exists only where the check passed.

use crate::audit::Decision;
use crate::call_error::CallError;
use crate::denial::{Denial, Ledger};
use crate::effect::{CommandLine, Look, RawRequest, ReadSetting};
use crate::grant::{Grant, Grants};
use crate::host_call::{Effect, HostCall};
use crate::label_scope::Labels;
use crate::need::{Class, Need};
use crate::privilege;
use crate::request::CanonicalRequest;
use crate::terms::Hosts;

/// How long a command line and the words of a command may be, in bytes: what a kernel takes.
const COMMAND_LIMIT: usize = 128 << 10;
/// How long the name of a setting may be, in bytes.
const NAME_LIMIT: usize = 256;

/// Leave for one effect, and that effect itself: only the check of the grants makes one, and whoever has
/// the effect takes it out of here. So nothing is done that was not checked, nothing else than what was
/// checked, and nothing twice.
///
/// ```
/// use dfab_runtime::{CallError, Permit, ReadVersion, TaskHost};
///
/// async fn checked(host: &dyn TaskHost, permit: Permit<ReadVersion>) -> Result<String, CallError> {
///     host.version(permit).await
/// }
/// ```
///
/// Without a permit this does not compile:
///
/// ```compile_fail,E0061
/// use dfab_runtime::{CallError, Permit, ReadVersion, TaskHost};
///
/// async fn unchecked(host: &dyn TaskHost, _: Permit<ReadVersion>) -> Result<String, CallError> {
///     host.version().await
/// }
/// ```
///
/// Nor with one for something else:
///
/// ```compile_fail,E0308
/// use dfab_runtime::{CallError, Permit, ReadInfo, TaskHost};
///
/// async fn other(host: &dyn TaskHost, permit: Permit<ReadInfo>) -> Result<String, CallError> {
///     host.version(permit).await
/// }
/// ```
///
/// Nor does one serve twice:
///
/// ```compile_fail,E0382
/// use dfab_runtime::{CallError, Permit, ReadVersion, TaskHost};
///
/// async fn twice(host: &dyn TaskHost, permit: Permit<ReadVersion>) -> Result<String, CallError> {
///     host.version(permit).await?;
///     host.version(permit).await
/// }
/// ```
///
/// What was permitted can be looked at:
///
/// ```
/// use dfab_runtime::{Permit, ReadSetting};
///
/// fn looked_at(permit: &Permit<ReadSetting>) -> &str {
///     &permit.effect().name
/// }
/// ```
///
/// But nobody changes it, or makes one:
///
/// ```compile_fail,E0616
/// use dfab_runtime::{Permit, ReadSetting};
///
/// fn changed(permit: &mut Permit<ReadSetting>) -> &str {
///     permit.effect.name = "other".to_owned();
///     &permit.effect().name
/// }
/// ```
///
/// ```compile_fail,E0451
/// use dfab_runtime::{CallError, Permit, ReadVersion, TaskHost};
///
/// async fn forged(host: &dyn TaskHost) -> Result<String, CallError> {
///     let permit = Permit { effect: ReadVersion };
///     host.version(permit).await
/// }
/// ```
#[derive(Debug)]
pub struct Permit<E> {
    effect: E,
}

impl<E> Permit<E> {
    /// What was permitted.
    #[must_use]
    pub fn effect(&self) -> &E {
        &self.effect
    }

    /// Uses the permit up, for what it permits.
    #[must_use]
    pub fn into_effect(self) -> E {
        self.effect
    }
}

/// What one plugin declared and was granted. Never changes once the plugin is loaded.
#[derive(Debug)]
pub(crate) struct Authority {
    pub(crate) plugin: String,
    /// Where its grants are written.
    pub(crate) ledger: Ledger,
    pub(crate) declared: Vec<Grant>,
    pub(crate) granted: Grants,
    pub(crate) hosts: Hosts,
}

impl Authority {
    /// Labels are those of the object that the call is about, where they were looked at.
    ///
    /// # Errors
    /// Where the plugin did not declare it or was not granted it.
    pub(crate) fn authorize<E: Effect>(
        &self,
        effect: E,
        labels: Option<&Labels>,
    ) -> Result<Permit<E>, Denial> {
        self.check(effect.call(), labels)?;
        Ok(Permit { effect })
    }

    /// # Errors
    /// As [`Authority::authorize`].
    pub(crate) fn check(&self, call: HostCall<'_>, labels: Option<&Labels>) -> Result<(), Denial> {
        for need in Need::of(call) {
            let denial = if !self.declares(&need, labels) {
                self.not_declared(&need)
            } else if !self.is_granted(&need, labels) {
                self.not_granted(&need, labels)
            } else {
                tracing::debug!(plugin = self.plugin, call = %need.grant(labels), "allowed");
                continue;
            };
            tracing::info!(plugin = self.plugin, call = %need.grant(labels), "denied");
            return Err(denial);
        }
        Ok(())
    }

    /// # Errors
    /// Where the plugin may not work for a host of that name.
    pub(crate) fn authorize_host(&self, host: &str) -> Result<(), Denial> {
        if self.hosts.have(host) {
            return Ok(());
        }
        let Hosts::Only { written, .. } = &self.hosts else {
            return Ok(());
        };
        let host = crate::text::shown(host);
        let mut more = written.clone();
        more.push(host.clone());
        Err(Denial::Host {
            plugin: self.plugin.clone(),
            host,
            hosts: written.join(", "),
            how: self.ledger.hosts(&self.plugin, &more),
        })
    }

    /// The object whose labels decide on a call, where no grant covers it whatever they are.
    pub(crate) fn depends_on(&self, effect: &mut impl Effect) -> Option<Look> {
        let look = effect.object()?.look();
        let needs = Need::of(effect.call());
        let is_settled = |need: &Need| self.declares(need, None) && self.is_granted(need, None);
        let may_be_met = |need: &Need| {
            let may_be_granted = match &self.granted {
                Grants::All => true,
                Grants::Only(grants) => grants.iter().any(|grant| need.may_be_met_by(grant)),
            };
            may_be_granted && self.declared.iter().any(|grant| need.may_be_met_by(grant))
        };
        // What is denied anyway is denied without a look.
        (!needs.iter().all(is_settled) && needs.iter().all(may_be_met)).then_some(look)
    }

    /// Whether an object of a list may be seen, where a part of the list is granted only.
    pub(crate) fn may_see(&self, labels: &[(String, String)]) -> bool {
        let need = Need::Object(Class::Read);
        if self.declares(&need, None) && self.is_granted(&need, None) {
            return true;
        }
        let labels: Labels = labels.iter().cloned().collect();
        self.declares(&need, Some(&labels)) && self.is_granted(&need, Some(&labels))
    }

    /// By what a call was allowed.
    pub(crate) fn decision(&self, call: HostCall<'_>, labels: Option<&Labels>) -> Decision {
        let needs = Need::of(call);
        let given = call.given_paths();
        if needs.is_empty() && given.is_empty() {
            return Decision::Free;
        }
        let by = match &self.granted {
            Grants::All => &self.declared,
            Grants::Only(grants) => grants,
        };
        let grants = needs.iter().filter_map(|need| {
            let by = by.iter().find(|grant| need.is_met_by(grant, labels));
            by.map(Grant::to_string)
        });
        Decision::Allowed {
            grants: grants.collect(),
            given,
        }
    }

    /// A command line. Where any line may be run, it is run as it is; else its words are what is
    /// permitted, and the line that is run is made of them again.
    ///
    /// # Errors
    /// `invalid` where it has no words.
    pub(crate) fn command(&self, line: &str) -> Result<CommandLine, CallError> {
        check_length(line.len())?;
        let may = |grant| {
            let need = Need::Just(grant);
            self.declares(&need, None) && self.is_granted(&need, None)
        };
        let is_whole = may(Grant::SshRun(None))
            && (may(Grant::SshSudo(None)) || !privilege::is_in(line))
            || !self.knows_commands();
        if is_whole {
            return Ok(CommandLine::Line(line.to_owned()));
        }
        let words = shell_words::split(line).map_err(|_| {
            CallError::Invalid("a quotation in the command line is not closed".to_owned())
        })?;
        Ok(CommandLine::Words(words))
    }

    /// Whether single commands were declared or granted, so that the words of a line matter.
    fn knows_commands(&self) -> bool {
        let granted: &[Grant] = match &self.granted {
            Grants::All => &[],
            Grants::Only(grants) => grants,
        };
        let mut known = self.declared.iter().chain(granted);
        known.any(|grant| matches!(grant, Grant::SshRun(Some(_)) | Grant::SshSudo(Some(_))))
    }

    fn declares(&self, need: &Need, labels: Option<&Labels>) -> bool {
        let mut declared = self.declared.iter();
        declared.any(|grant| need.is_met_by(grant, labels))
    }

    fn is_granted(&self, need: &Need, labels: Option<&Labels>) -> bool {
        match &self.granted {
            Grants::All => true,
            Grants::Only(grants) => grants.iter().any(|grant| need.is_met_by(grant, labels)),
        }
    }

    fn not_declared(&self, need: &Need) -> Denial {
        Denial::NotDeclared {
            plugin: self.plugin.clone(),
            grant: need.grant(None),
            declaration: need.declaration(),
        }
    }

    fn not_granted(&self, need: &Need, labels: Option<&Labels>) -> Denial {
        let mut grants: Vec<String> = match &self.granted {
            Grants::All => Vec::new(),
            Grants::Only(grants) => grants.iter().map(Grant::to_string).collect(),
        };
        let mut declared = self.declared.iter();
        let declared = declared.find(|grant| need.is_met_by(grant, labels));
        let grant = match (need, declared) {
            // Anything will do: what it asked for will.
            (Need::Shell, Some(declared)) => declared.to_string(),
            _ => need.grant(labels),
        };
        // Of a plugin that is added, what it asks for can be granted, and less of what has no restriction.
        let is_part = |declared: &&Grant| {
            let narrow = grant.parse::<Grant>();
            narrow.is_ok_and(|narrow| declared.covers(&narrow))
        };
        let as_asked = declared
            .filter(|declared| !matches!(self.ledger, Ledger::Project(_)) && !is_part(declared));
        grants.push(as_asked.map_or_else(|| grant.clone(), Grant::to_string));
        Denial::NotGranted {
            plugin: self.plugin.clone(),
            grant,
            how: self.ledger.grant(&self.plugin, &grants),
        }
    }
}

/// A raw request, in its canonical form: that is what is permitted and what is done.
///
/// # Errors
/// `invalid` where it has none.
pub(crate) fn request(
    method: &str,
    target: &str,
    body: Option<String>,
) -> Result<RawRequest, CallError> {
    let request = CanonicalRequest::new(method, target)
        .map_err(|error| CallError::Invalid(error.to_string()))?;
    Ok(RawRequest {
        method: request.method(),
        path: request.target(),
        body,
    })
}

/// A setting, by a name that no pattern could be mistaken for.
///
/// # Errors
/// `invalid` where it is none.
pub(crate) fn setting(name: String) -> Result<ReadSetting, CallError> {
    let odd = |c: char| c == '*' || c.is_whitespace() || c.is_control();
    if name.is_empty() || name.len() > NAME_LIMIT || name.contains(odd) {
        let shown = crate::text::shown(&name);
        return Err(CallError::Invalid(format!(
            "`{shown}` is no name of a setting"
        )));
    }
    Ok(ReadSetting { name })
}

/// # Errors
/// `invalid` where words are too long together.
pub(crate) fn check_words(words: &[String]) -> Result<(), CallError> {
    check_length(words.iter().map(|word| word.len() + 1).sum())
}

fn check_length(bytes: usize) -> Result<(), CallError> {
    if bytes > COMMAND_LIMIT {
        return Err(CallError::Invalid(format!(
            "the command has {bytes} bytes, and no command may have more than {COMMAND_LIMIT}"
        )));
    }
    Ok(())
}

#[cfg(test)]
#[path = "authority_tests.rs"]
mod tests;
