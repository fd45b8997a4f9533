//! What must not be used any more, whoever signed it: a file with a digest a line, of an artifact or
//! of a component, and the reason behind it.
//!
//! ```text
//! # Lines like this one are for people.
//! sha256:ba78…15ad  1.2.0 sends environment variables home
//! ```
//!
//! Such a file is signed like an artifact. Where somebody may revoke, only a file that they signed is
//! taken, and where their signature expires, only until then: so nobody can go on with an old one.

use std::collections::BTreeMap;
use std::str::FromStr;

use jiff::Timestamp;

use crate::digest::{Digest, DigestError};
use crate::signature::Signature;
use crate::statement::Claim;
use crate::trust::{Role, Signer};

/// Digests that must not be used, with reasons.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Revocations(BTreeMap<Digest, String>);

/// Why a list of revocations cannot be used. Nothing is loaded then: what is revoked is not known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RevocationError {
    /// Not a digest.
    #[error("line {line} cannot be read")]
    Line {
        /// From 1.
        line: usize,
        /// What is wrong.
        source: DigestError,
    },
    /// Not text.
    #[error("it is no text")]
    Text,
    /// Nobody who may revoke has signed it.
    #[error("it is not signed by anybody who may revoke")]
    NotSigned,
    /// The signature counts no more.
    #[error("its signature has expired ({0}); get the current list")]
    Expired(Timestamp),
}

impl Revocations {
    /// Reads a list. Where some of the signers may revoke, one of them must have signed it.
    ///
    /// # Errors
    /// Where it cannot be read, or is not signed as it must be.
    pub fn read(
        bytes: &[u8],
        signatures: &[Signature],
        signers: &[Signer],
        now: Timestamp,
    ) -> Result<Self, RevocationError> {
        let digest = Digest::of(bytes);
        let may_revoke = || {
            signers
                .iter()
                .filter(|signer| signer.may.contains(&Role::Revoke))
        };
        if may_revoke().next().is_some() {
            let mut expired = None;
            let is_signed = may_revoke().any(|signer| {
                signatures.iter().any(|signature| {
                    match signature.check(&signer.credential, bytes, digest) {
                        Ok(claim @ Claim::Signed(_)) => match claim.expires() {
                            Some(expires) if expires <= now => {
                                expired = expired.max(Some(expires));
                                false
                            }
                            _ => true,
                        },
                        _ => false,
                    }
                })
            });
            match (is_signed, expired) {
                (true, _) => {}
                (false, Some(since)) => return Err(RevocationError::Expired(since)),
                (false, None) => return Err(RevocationError::NotSigned),
            }
        }
        std::str::from_utf8(bytes)
            .map_err(|_| RevocationError::Text)?
            .parse()
    }

    /// Why this must not be used, if so.
    #[must_use]
    pub fn reason(&self, digest: Digest) -> Option<&str> {
        self.0.get(&digest).map(String::as_str)
    }

    /// Adds those of another list.
    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }
}

impl FromStr for Revocations {
    type Err = RevocationError;

    fn from_str(text: &str) -> Result<Self, RevocationError> {
        let mut all = BTreeMap::new();
        for (at, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (digest, reason) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
            let digest = digest.parse().map_err(|source| RevocationError::Line {
                line: at + 1,
                source,
            })?;
            all.insert(digest, crate::name::shown(reason.trim()));
        }
        Ok(Self(all))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::key::PrivateKey;
    use crate::statement::Signed;

    #[test]
    fn a_list_has_digests_and_reasons() {
        let (one, two) = (Digest::of(b"1"), Digest::of(b"2"));
        let list: Revocations = format!("# seen in May\n\n{one}\n  {two}\tbad  one \n")
            .parse()
            .unwrap();
        assert_eq!(list.reason(one), Some(""));
        assert_eq!(list.reason(two), Some("bad  one"));
        assert_eq!(list.reason(Digest::of(b"3")), None);
        let wrong = "\nsha256:12 x".parse::<Revocations>().unwrap_err();
        assert!(
            matches!(wrong, RevocationError::Line { line: 2, .. }),
            "{wrong}"
        );
    }

    #[test]
    fn where_somebody_may_revoke_the_list_is_theirs() {
        let key = PrivateKey::generate().unwrap();
        let signer = Signer {
            label: "security".to_owned(),
            credential: key.public().clone().into(),
            may: BTreeSet::from([Role::Revoke]),
            names: Vec::new(),
        };
        let now: Timestamp = "2030-01-01T00:00:00Z".parse().unwrap();
        let list = format!("{}\n", Digest::of(b"1"));
        let sign = |expires: Option<&str>| {
            let expires = expires.map(|it| it.parse().unwrap());
            let claim = Claim::Signed(Signed {
                signed: None,
                expires,
            });
            Signature::make(&key, "revoked", Digest::of(list.as_bytes()), &claim).unwrap()
        };
        let read = |bytes: &[u8], signatures: &[Signature]| {
            Revocations::read(bytes, signatures, std::slice::from_ref(&signer), now)
        };
        assert!(read(list.as_bytes(), &[sign(None)]).is_ok());
        // Shortened, or without its signature.
        assert_eq!(read(b"", &[sign(None)]), Err(RevocationError::NotSigned));
        assert_eq!(read(list.as_bytes(), &[]), Err(RevocationError::NotSigned));
        let old = sign(Some("2029-01-01T00:00:00Z"));
        assert!(matches!(
            read(list.as_bytes(), &[old]),
            Err(RevocationError::Expired(_))
        ));
        assert!(Revocations::read(list.as_bytes(), &[], &[], now).is_ok());
    }
}
