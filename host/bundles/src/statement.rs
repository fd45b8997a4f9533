//! What is signed: an in-toto statement (<https://github.com/in-toto/attestation>), whose subject is
//! the digest of an artifact. Two kinds are made here:
//!
//! * `urn:dfab:signature:v1`: the signer stands for these bytes.
//!   `{"signed": TIME, "expires": TIME?}`
//! * `urn:dfab:vetting:v1`: a reviewer has looked into them.
//!   `{"verdict": "accepted" | "refused", "asks": {COMPONENT: [CAPABILITY…]},
//!   "imports": {COMPONENT: [INTERFACE…]}?, "checks": [TEXT…], "failed": [TEXT…]?, "note": TEXT?,
//!   "vetted": TIME, "expires": TIME?}`
//!
//! `cosign sign` of version 3 makes statements too, of the type `https://sigstore.dev/cosign/sign/v1`;
//! they are taken for signatures that do not expire.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

use crate::digest::Digest;
use crate::name::Name;

/// What somebody says of bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// They are what the signer gave out.
    Signed(Signed),
    /// They were looked into.
    Vetted(Vetted),
}

/// The signer stands for the bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Signed {
    /// When; not told by every tool.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed: Option<Timestamp>,
    /// Until when it counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Timestamp>,
}

/// A reviewer's attestation.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Vetted {
    /// Whether it may be used.
    pub verdict: Verdict,
    /// The capabilities that the manifests ask for, by component.
    pub asks: BTreeMap<Name, Vec<String>>,
    /// The interfaces that are imported, by component.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub imports: BTreeMap<Name, Vec<String>>,
    /// What was checked, and was as it should be.
    pub checks: Vec<String>,
    /// What was not as it should be.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failed: Vec<String>,
    /// In the reviewer's words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
    /// When.
    pub vetted: Timestamp,
    /// Until when it counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Timestamp>,
}

/// A reviewer's verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It may be used.
    Accepted,
    /// It must not be used.
    Refused,
}

impl Claim {
    /// Until when it counts.
    #[must_use]
    pub fn expires(&self) -> Option<Timestamp> {
        match self {
            Self::Signed(claim) => claim.expires,
            Self::Vetted(claim) => claim.expires,
        }
    }

    pub(crate) fn statement(&self, name: &str, digest: Digest) -> Vec<u8> {
        let (predicate_type, predicate) = match self {
            Self::Signed(claim) => (SIGNATURE, serde_json::to_value(claim)),
            Self::Vetted(claim) => (VETTING, serde_json::to_value(claim)),
        };
        let statement = Statement {
            kind: STATEMENT.to_owned(),
            subject: vec![Subject {
                name: name.to_owned(),
                digest: BTreeMap::from([("sha256".to_owned(), digest.hex())]),
            }],
            predicate_type: predicate_type.to_owned(),
            // Texts, lists and times cannot fail to be written.
            predicate: predicate.unwrap_or_default(),
        };
        serde_json::to_vec(&statement).unwrap_or_default()
    }

    /// Reads a statement whose signature was checked.
    pub(crate) fn read(statement: &[u8], digest: Digest) -> Result<Self, Mismatch> {
        let malformed = |error: serde_json::Error| Mismatch::Malformed(error.to_string());
        let statement: Statement = serde_json::from_slice(statement).map_err(malformed)?;
        let digests = || {
            statement
                .subject
                .iter()
                .filter_map(|it| it.digest.get("sha256"))
        };
        if !digests().any(|hex| *hex == digest.hex()) {
            let others: Vec<_> = digests().map(|hex| crate::name::shown(hex)).collect();
            return Err(Mismatch::OtherBytes(others.join(", ")));
        }
        match (statement.kind.as_str(), statement.predicate_type.as_str()) {
            (STATEMENT, SIGNATURE) => serde_json::from_value(statement.predicate)
                .map(Self::Signed)
                .map_err(malformed),
            (STATEMENT, VETTING) => serde_json::from_value(statement.predicate)
                .map(Self::Vetted)
                .map_err(malformed),
            (_, COSIGN) => Ok(Self::Signed(Signed::default())),
            (_, other) => Err(Mismatch::Other(crate::name::shown(other))),
        }
    }
}

/// Why a signed statement says nothing about an artifact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Mismatch {
    OtherBytes(String),
    Other(String),
    Malformed(String),
}

const STATEMENT: &str = "https://in-toto.io/Statement/v1";
const SIGNATURE: &str = "urn:dfab:signature:v1";
const VETTING: &str = "urn:dfab:vetting:v1";
const COSIGN: &str = "https://sigstore.dev/cosign/sign/v1";

#[derive(serde::Serialize, serde::Deserialize)]
struct Statement {
    #[serde(rename = "_type")]
    kind: String,
    subject: Vec<Subject>,
    #[serde(rename = "predicateType")]
    predicate_type: String,
    #[serde(default)]
    predicate: Value,
}

#[derive(serde::Serialize, serde::Deserialize)]
struct Subject {
    #[serde(default)]
    name: String,
    digest: BTreeMap<String, String>,
}
