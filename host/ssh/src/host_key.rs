//! Whether a host is the one that it was.

use std::path::Path;
use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use openssl::sha::sha256;

use crate::certificate::Certificate;
use crate::known_hosts::{KnownKeys, Line, Mark, remember};
use crate::question::{Asker, Clock, NoAnswer, Question};
use crate::quoting::quoted;
use crate::revoked_keys::{self, RevokedKeysError};
use crate::target::{HostKeyChecking, Target};
use crate::wire::key_type;

/// Why a host is not trusted.
#[derive(Debug, thiserror::Error)]
pub enum HostKeyError {
    /// No key of the host is known.
    #[error(
        "the host is not known; its {kind} key has the fingerprint {fingerprint}.{note} Compare it on \
         the host (ssh-keygen -lf /etc/ssh/ssh_host_{short}_key.pub), then accept it: connect once \
         with `ssh`, or add this line to {file}: {line}"
    )]
    Unknown {
        /// Type of the key.
        kind: String,
        /// Its short name, as in file names of sshd.
        short: String,
        /// SHA-256, as ssh-keygen prints it.
        fingerprint: String,
        /// Why nobody was asked, or why a certificate does not count, if there is more to say.
        note: String,
        /// The file to add to.
        file: String,
        /// The line to add.
        line: String,
    },
    /// Another key is known.
    #[error(
        "THE KEY OF THE HOST HAS CHANGED: its {kind} key has the fingerprint {fingerprint}, but \
         {place} has {known_kind} {known}. Somebody may be listening in, or the host was set up \
         anew; if you know that it was, forget the old key: ssh-keygen -f {file} -R {name}"
    )]
    Changed {
        /// Type of the key.
        kind: String,
        /// SHA-256 of the key that the host has now.
        fingerprint: String,
        /// File and line of the key that is known.
        place: String,
        /// Its type.
        known_kind: String,
        /// Its fingerprint.
        known: String,
        /// The file, quoted for a shell.
        file: String,
        /// The host's name in that file, quoted for a shell.
        name: String,
    },
    /// The key is marked as stolen.
    #[error("the key of the host ({fingerprint}) is revoked by {place}")]
    Revoked {
        /// Its fingerprint.
        fingerprint: String,
        /// File and line.
        place: String,
    },
    /// Nobody can say which keys are revoked.
    #[error(transparent)]
    RevokedKeys(#[from] RevokedKeysError),
    /// A person said no.
    #[error("the key of the host ({fingerprint}) was not accepted")]
    Declined {
        /// Its fingerprint.
        fingerprint: String,
    },
    /// The host gave no key.
    #[error("the host gave no key")]
    None,
    /// A new key could not be remembered.
    #[error("the new key of the host cannot be added to {file}")]
    Remember {
        /// The file.
        file: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// How far a host is trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trust {
    Full,
    /// It gets no passwords.
    NoPasswords,
}

/// SHA-256 of a key, as ssh-keygen prints it.
pub(crate) fn fingerprint(key: &[u8]) -> String {
    format!("SHA256:{}", STANDARD_NO_PAD.encode(sha256(key)))
}

/// Decides whether the host with this key is trusted. A new key is remembered where that is asked
/// for, or a person accepts it.
pub(crate) fn check(
    known: &KnownKeys,
    target: &Target,
    key: &[u8],
    asker: &Asker,
    clock: &Clock,
) -> Result<Trust, HostKeyError> {
    let certificate = Certificate::read(key);
    let plain = certificate.as_ref().map_or(key, |it| it.key.as_slice());
    let authority = certificate.as_ref().map(|it| it.authority);
    let signer = authority.map(|key| (key, None));
    for (key, certificate) in std::iter::once((plain, certificate.as_ref())).chain(signer) {
        if let Some(line) = known.find(Mark::Revoked, key) {
            return Err(HostKeyError::Revoked {
                fingerprint: fingerprint(key),
                place: line.place(),
            });
        }
        for file in &target.revoked_host_keys {
            if let Some(place) = revoked_keys::find(file, key, certificate)? {
                return Err(HostKeyError::Revoked {
                    fingerprint: fingerprint(key),
                    place: format!("{place} (RevokedHostKeys)"),
                });
            }
        }
    }
    // A certificate that proves nothing is as a key without one, as in OpenSSH.
    let mut note = String::new();
    if let Some(certificate) = &certificate {
        let proof = match known.find(Mark::Authority, certificate.authority) {
            Some(_) => certificate.check_host(certified_name(target), SystemTime::now()),
            None => Err(format!(
                "who signed it ({}) is not known",
                fingerprint(certificate.authority)
            )),
        };
        match proof {
            Ok(()) => return Ok(Trust::Full),
            Err(reason) => note = format!(" Its certificate does not count: {reason}."),
        }
    }
    if known.find(Mark::Known, plain).is_some() {
        return Ok(Trust::Full);
    }
    let kind = key_type(plain).ok_or(HostKeyError::None)?;
    let same_type = |line: &&Line| key_type(&line.key) == Some(kind);
    let other = known
        .marked(Mark::Known)
        .find(same_type)
        .or_else(|| known.marked(Mark::Known).next());
    if let Some(line) = other {
        return changed(known, target, plain, kind, line);
    }
    unknown(known, target, plain, kind, note, asker, clock)
}

/// The name that a certificate must be for. Ports do not count.
fn certified_name(target: &Target) -> &str {
    target.host_key_alias.as_deref().unwrap_or(&target.host)
}

fn changed(
    known: &KnownKeys,
    target: &Target,
    key: &[u8],
    kind: &str,
    line: &Line,
) -> Result<Trust, HostKeyError> {
    if target.host_key_checking == HostKeyChecking::Off {
        tracing::warn!(
            host = target.name,
            "the key of the host has changed, which StrictHostKeyChecking accepts: {} is not {}",
            fingerprint(key),
            line.place()
        );
        return Ok(Trust::NoPasswords);
    }
    Err(HostKeyError::Changed {
        kind: kind.to_owned(),
        fingerprint: fingerprint(key),
        place: line.place(),
        known_kind: key_type(&line.key).unwrap_or_default().to_owned(),
        known: fingerprint(&line.key),
        file: quoted(&line.file.display().to_string()),
        name: quoted(&known.name),
    })
}

fn unknown(
    known: &KnownKeys,
    target: &Target,
    key: &[u8],
    kind: &str,
    mut note: String,
    asker: &Asker,
    clock: &Clock,
) -> Result<Trust, HostKeyError> {
    let file = target.user_known_hosts.first();
    let line = |hashed| known.line_for(kind, key, hashed);
    let remember = || -> Result<Trust, HostKeyError> {
        let Some(file) = file else {
            return Ok(Trust::Full);
        };
        remember(file, &line(target.hash_known_hosts)).map_err(|source| {
            HostKeyError::Remember {
                file: shown(file),
                source,
            }
        })?;
        Ok(Trust::Full)
    };
    match target.host_key_checking {
        HostKeyChecking::AcceptNew | HostKeyChecking::Off => return remember(),
        HostKeyChecking::Ask if !target.batch => {
            let question = Question::HostKey {
                host: target.name.clone(),
                kind: short(kind).to_ascii_uppercase(),
                fingerprint: fingerprint(key),
                note: if note.is_empty() {
                    String::new()
                } else {
                    format!("{}\n", note.trim())
                },
            };
            match asker.ask(&question, None, clock) {
                Ok(answer) => {
                    let answer = answer.reveal().trim();
                    if answer.eq_ignore_ascii_case("yes") || answer == fingerprint(key) {
                        return remember();
                    }
                    return Err(HostKeyError::Declined {
                        fingerprint: fingerprint(key),
                    });
                }
                Err(NoAnswer::Declined) => {
                    return Err(HostKeyError::Declined {
                        fingerprint: fingerprint(key),
                    });
                }
                Err(NoAnswer::Nobody(_) | NoAnswer::Batch) => {}
                Err(reason @ NoAnswer::Program { .. }) => note.push_str(&format!(" ({reason})")),
            }
        }
        HostKeyChecking::Ask | HostKeyChecking::Strict => {}
    }
    Err(HostKeyError::Unknown {
        kind: kind.to_owned(),
        short: short(kind).to_owned(),
        fingerprint: fingerprint(key),
        note,
        file: file.map_or_else(|| "known_hosts".to_owned(), |file| shown(file)),
        line: line(false),
    })
}

/// The short name of a type, as in file names of sshd.
fn short(kind: &str) -> &str {
    let kind = kind.trim_start_matches("ssh-");
    kind.split("-sha2").next().unwrap_or(kind)
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}
