//! What a signer is known by: a key of their own, or an identity that others vouch for.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::key::{Fingerprint, FingerprintError, PublicKey};
use crate::sigstore::{Identity, TrustedRoot};

/// What signatures of somebody are checked by.
#[derive(Clone, Debug)]
pub enum Credential {
    /// Their key.
    Key(PublicKey),
    /// Their identity, as certificates have it, and who is believed that they are right.
    Identity(Identity, Arc<TrustedRoot>),
}

/// What tells a signer from others.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum SignerId {
    /// Of their key.
    Key(Fingerprint),
    /// As the operator names it.
    Identity(Identity),
}

impl Credential {
    /// What tells it from others.
    #[must_use]
    pub fn id(&self) -> SignerId {
        match self {
            Self::Key(key) => SignerId::Key(key.fingerprint().clone()),
            Self::Identity(identity, _) => SignerId::Identity(identity.clone()),
        }
    }
}

impl From<PublicKey> for Credential {
    fn from(key: PublicKey) -> Self {
        Self::Key(key)
    }
}

impl fmt::Display for SignerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(key) => key.fmt(f),
            Self::Identity(identity) => identity.fmt(f),
        }
    }
}

impl FromStr for SignerId {
    type Err = FingerprintError;

    fn from_str(text: &str) -> Result<Self, FingerprintError> {
        match text.parse() {
            Ok(identity) => Ok(Self::Identity(identity)),
            Err(_) => text.parse().map(Self::Key),
        }
    }
}

impl TryFrom<String> for SignerId {
    type Error = FingerprintError;

    fn try_from(text: String) -> Result<Self, FingerprintError> {
        text.parse()
    }
}

impl From<SignerId> for String {
    fn from(id: SignerId) -> Self {
        id.to_string()
    }
}
