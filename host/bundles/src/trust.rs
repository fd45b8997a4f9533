//! Whom an operator trusts for what, and the judgement of an artifact by that.

use std::collections::BTreeSet;
use std::fmt;

use jiff::Timestamp;
use wildmatch::WildMatch;

use crate::artifact::Artifact;
use crate::credential::{Credential, SignerId};
use crate::digest::Digest;
use crate::revocation::Revocations;
use crate::signature::{Doubt, Signature};
use crate::statement::{Claim, Verdict, Vetted};

/// What an operator trusts.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    /// What an artifact must have to be used.
    pub require: Requirement,
    /// Who may say something.
    pub signers: Vec<Signer>,
    /// What must not be used, whoever signed it.
    pub revoked: Revocations,
}

/// What an artifact must have to be used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Requirement {
    /// Nothing.
    #[default]
    Nothing,
    /// A signature of somebody who may sign.
    Signed,
    /// An attestation of somebody who may vet. A signature does not stand in for it.
    Vetted,
}

/// Somebody who may say something.
#[derive(Clone, Debug)]
pub struct Signer {
    /// What the operator calls them.
    pub label: String,
    /// What their signatures are checked by.
    pub credential: Credential,
    /// What they may do.
    pub may: BTreeSet<Role>,
    /// Names of bundles and components that they may do it for, `*` and `?` as in file names.
    pub names: Vec<String>,
}

/// What somebody may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Stand for bytes.
    Sign,
    /// Accept and refuse bytes.
    Vet,
    /// Say what must not be used any more.
    Revoke,
}

/// Why an artifact may be used: who said what of it, as far as somebody trusted did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Approval {
    /// Whose signature counts.
    pub signed: Option<By>,
    /// Whose attestation counts.
    pub vetted: Option<By>,
}

/// Somebody, and until when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct By {
    /// What the operator calls them.
    pub label: String,
    /// What tells them from others.
    pub id: SignerId,
    /// Until when it counts.
    pub until: Option<Timestamp>,
}

/// Why an artifact must not be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TrustError {
    /// On the list of revocations.
    #[error("{what} ({digest}) is revoked{}", because(.reason))]
    Revoked {
        /// The artifact or one of its components.
        what: String,
        /// Of it.
        digest: Digest,
        /// As the list has it.
        reason: String,
    },
    /// A reviewer said no.
    #[error("{by} has vetted it and refused it{}", because(.note))]
    Refused {
        /// Who.
        by: String,
        /// In their words.
        note: String,
    },
    /// Nobody who may sign has signed it.
    #[error("it is not signed by anybody who may sign {names}: {}", list("signature", .found))]
    NotSigned {
        /// What it is called.
        names: String,
        /// What there is instead.
        found: Vec<Finding>,
    },
    /// Nobody who may vet has accepted it.
    #[error("it is not vetted by anybody who may vet {names}: {}", list("attestation", .found))]
    NotVetted {
        /// What it is called.
        names: String,
        /// What there is instead.
        found: Vec<Finding>,
    },
}

/// A signature that does not count, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// The key is none of those that are trusted.
    Unknown {
        /// As the signature names it.
        key: String,
        /// What is wrong otherwise.
        doubt: Doubt,
    },
    /// It is of a known key, but not of these bytes.
    Doubtful {
        /// Who.
        by: String,
        /// What is wrong.
        doubt: Doubt,
    },
    /// The signer may not do that.
    NotAllowed {
        /// Who.
        by: String,
        /// What.
        role: Role,
        /// For which name, if for others.
        name: Option<String>,
    },
    /// It counts no more.
    Expired {
        /// Who.
        by: String,
        /// Since when.
        since: Timestamp,
    },
}

impl Trust {
    /// Judges an artifact by its signatures.
    ///
    /// # Errors
    /// Where it is revoked or refused, or lacks what is required.
    pub fn judge(
        &self,
        artifact: &Artifact,
        signatures: &[Signature],
        now: Timestamp,
    ) -> Result<Approval, TrustError> {
        self.check_revoked(artifact)?;
        let mut approval = Approval::default();
        let mut found = Vec::new();
        let mut verdicts: Vec<(&Signer, Vetted)> = Vec::new();
        for signature in signatures {
            let (signer, claim) = match self.read(signature, artifact, now) {
                Ok(read) => read,
                Err(finding) => {
                    found.push(finding);
                    continue;
                }
            };
            match claim {
                Claim::Signed(_) => {
                    approval
                        .signed
                        .get_or_insert_with(|| By::new(signer, claim.expires()));
                }
                Claim::Vetted(vetted) => verdicts.push((signer, vetted)),
            }
        }
        // The last word of each reviewer counts, and a single no is enough.
        verdicts.sort_by_key(|(_, vetted)| std::cmp::Reverse(vetted.vetted));
        let mut heard = BTreeSet::new();
        for (signer, vetted) in verdicts {
            if !heard.insert(signer.credential.id()) {
                continue;
            }
            if vetted.verdict == Verdict::Refused {
                let note = crate::name::shown(&vetted.note);
                return Err(TrustError::Refused {
                    by: signer.label.clone(),
                    note,
                });
            }
            approval
                .vetted
                .get_or_insert_with(|| By::new(signer, vetted.expires));
        }
        let names: BTreeSet<_> = artifact.names().map(ToString::to_string).collect();
        let names = names.into_iter().collect::<Vec<_>>().join(", ");
        match self.require {
            Requirement::Signed if approval.signed.is_none() => {
                Err(TrustError::NotSigned { names, found })
            }
            Requirement::Vetted if approval.vetted.is_none() => {
                Err(TrustError::NotVetted { names, found })
            }
            _ => Ok(approval),
        }
    }

    fn check_revoked(&self, artifact: &Artifact) -> Result<(), TrustError> {
        let parts = artifact.parts().iter().map(|part| {
            (
                format!("the component {}", part.component.name),
                part.digest,
            )
        });
        let whole = (artifact.name().to_string(), artifact.digest());
        for (what, digest) in std::iter::once(whole).chain(parts) {
            if let Some(reason) = self.revoked.reason(digest) {
                return Err(TrustError::Revoked {
                    what,
                    digest,
                    reason: reason.to_owned(),
                });
            }
        }
        Ok(())
    }

    /// Who made a signature that counts, and what it says.
    fn read(
        &self,
        signature: &Signature,
        artifact: &Artifact,
        now: Timestamp,
    ) -> Result<(&Signer, Claim), Finding> {
        let mut unknown = Doubt::OtherKey;
        let mut finding = None;
        for signer in &self.signers {
            let claim =
                match signature.check(&signer.credential, artifact.bytes(), artifact.digest()) {
                    Ok(claim) => claim,
                    Err(doubt @ (Doubt::OtherKey | Doubt::Keyless)) => {
                        // What is known of a certificate says more.
                        if unknown == Doubt::OtherKey {
                            unknown = doubt;
                        }
                        continue;
                    }
                    Err(doubt @ (Doubt::Certificate(_) | Doubt::OtherIdentity(_))) => {
                        unknown = doubt;
                        continue;
                    }
                    Err(doubt) => {
                        let by = signer.label.clone();
                        return Err(Finding::Doubtful { by, doubt });
                    }
                };
            match signer.objection(&claim, artifact, now) {
                None => return Ok((signer, claim)),
                // The same key may be named again, for more.
                Some(objection) => finding = Some(finding.unwrap_or(objection)),
            }
        }
        let key = match signature.key_hint() {
            "" => "a key that is not named".to_owned(),
            key => key.to_owned(),
        };
        Err(finding.unwrap_or(Finding::Unknown {
            key,
            doubt: unknown,
        }))
    }
}

impl Signer {
    /// Why what they say does not count.
    fn objection(&self, claim: &Claim, artifact: &Artifact, now: Timestamp) -> Option<Finding> {
        let by = || self.label.clone();
        let role = match claim {
            Claim::Signed(_) => Role::Sign,
            Claim::Vetted(_) => Role::Vet,
        };
        let others = artifact.names().find(|name| !self.covers(name.as_str()));
        if !self.may.contains(&role) {
            Some(Finding::NotAllowed {
                by: by(),
                role,
                name: None,
            })
        } else if let Some(name) = others {
            Some(Finding::NotAllowed {
                by: by(),
                role,
                name: Some(name.to_string()),
            })
        } else {
            let since = claim.expires().filter(|expires| *expires <= now)?;
            Some(Finding::Expired { by: by(), since })
        }
    }

    fn covers(&self, name: &str) -> bool {
        self.names
            .iter()
            .any(|pattern| WildMatch::new(pattern).matches(name))
    }
}

impl By {
    fn new(signer: &Signer, until: Option<Timestamp>) -> Self {
        Self {
            label: signer.label.clone(),
            id: signer.credential.id(),
            until,
        }
    }
}

impl fmt::Display for By {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.label, self.id)?;
        match self.until {
            Some(until) => write!(f, ", until {until}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sign => "sign",
            Self::Vet => "vet",
            Self::Revoke => "revoke",
        })
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown {
                key,
                doubt: Doubt::OtherKey,
            } => {
                write!(
                    f,
                    "a signature of {key} is of nobody in `trust`, or was changed"
                )
            }
            Self::Unknown {
                doubt: Doubt::OtherIdentity(identity),
                ..
            } => write!(f, "a signature of {identity} is of nobody in `trust`"),
            Self::Unknown { key, doubt } => write!(f, "a signature of {key}: {doubt}"),
            Self::Doubtful { by, doubt } => write!(f, "a signature of {by}: {doubt}"),
            Self::NotAllowed {
                by,
                role,
                name: None,
            } => write!(f, "{by} may not {role}"),
            Self::NotAllowed {
                by,
                role,
                name: Some(name),
            } => {
                write!(f, "{by} may not {role} {name}")
            }
            Self::Expired { by, since } => {
                write!(f, "a signature of {by} has expired ({since})")
            }
        }
    }
}

fn list(what: &str, found: &[Finding]) -> String {
    if found.is_empty() {
        return format!("there is no {what}");
    }
    found
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("; ")
}

fn because(reason: &str) -> String {
    if reason.is_empty() {
        String::new()
    } else {
        format!(": {reason}")
    }
}

#[cfg(test)]
mod tests;
