//! Signatures without a key of the signer's own ("keyless"): an authority (Fulcio) has looked who somebody
//! is and given a certificate for minutes, and a public log (Rekor) has noted the signature in that time.
//! Both are believed by a `trusted_root.json`, which the operator has as a file. Nothing is asked of anybody.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use sigstore_verify::trust_root::TrustedRoot as Root;
use sigstore_verify::types::Bundle;
use sigstore_verify::{VerificationPolicy, Verifier};
use wildmatch::WildMatch;

use crate::file::FileError;

mod provider;

/// The authorities and logs that are believed.
pub struct TrustedRoot {
    verifier: Verifier,
}

/// Who signs, as a certificate has it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Identity {
    subject: String,
    issuer: String,
}

/// Why nobody can be believed by a file.
#[derive(Debug, thiserror::Error)]
pub enum TrustedRootError {
    /// It cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// It is no such file.
    #[error("{} is no trusted root of Sigstore (trusted_root.json)", .file.display())]
    Content {
        /// Which.
        file: PathBuf,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// Why a text is no identity.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no identity with its issuer; such a one is `SUBJECT{VIA}ISSUER`, without other spaces"
)]
pub struct IdentityError(String);

/// The largest trusted root, in bytes. That of the public instance has 7,000.
const LIMIT: usize = 1 << 20;

/// The longest reason, in characters; parts of it are the bundle's own.
const MESSAGE: usize = 300;

const VIA: &str = " via ";

impl TrustedRoot {
    /// Reads a file.
    ///
    /// # Errors
    /// Where it cannot be read, or one of its keys and certificates is not what it should be.
    pub fn read(file: &Path) -> Result<Self, TrustedRootError> {
        let failed = |source| FileError::read(file, source);
        let bytes = crate::file::read_file(file, LIMIT).map_err(failed)?;
        Self::from_json(&bytes).map_err(|source| TrustedRootError::Content {
            file: file.to_owned(),
            source,
        })
    }

    /// Reads the text of a file.
    ///
    /// # Errors
    /// Where one of its keys and certificates is not what it should be.
    pub fn from_json(json: &[u8]) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        provider::install();
        let root = Root::from_json(std::str::from_utf8(json)?)?;
        let verifier = Verifier::new(&root)?;
        Ok(Self { verifier })
    }

    /// Who has signed these bytes: their certificate is of a believed authority, its issue and the
    /// signature are in believed logs, and it was valid when that was noted.
    ///
    /// # Errors
    /// Where one of that is not so, in words.
    pub(crate) fn signer(&self, bundle: &str, bytes: &[u8]) -> Result<Identity, String> {
        let told = |error: &dyn fmt::Display| -> String {
            let plain = |letter: &char| !letter.is_control();
            error
                .to_string()
                .chars()
                .filter(plain)
                .take(MESSAGE)
                .collect()
        };
        let bundle = Bundle::from_json(bundle).map_err(|error| told(&error))?;
        // Whoever it is; what an operator lets them do is judged by the name that comes out.
        let policy = VerificationPolicy::any_identity();
        let verified = self.verifier.verify(bytes, &bundle, &policy);
        let verified = verified.map_err(|error| told(&error))?;
        if !(verified.certificate_verified() && verified.sct_verified() && verified.tlog_verified())
        {
            return Err("not all of it was verified".to_owned());
        }
        let subject = verified.identity().map(ToString::to_string);
        let issuer = verified.issuer().map(str::to_owned);
        let (Some(subject), Some(issuer)) = (subject, issuer) else {
            return Err("its certificate does not say who it is for".to_owned());
        };
        Identity::new(&subject, &issuer).map_err(|error| error.to_string())
    }
}

impl Identity {
    /// Of a subject and its issuer.
    ///
    /// # Errors
    /// Where one is empty, or has spaces or control characters.
    pub fn new(subject: &str, issuer: &str) -> Result<Self, IdentityError> {
        let is_plain = |text: &str| {
            !text.is_empty() && !text.contains(|it: char| it.is_whitespace() || it.is_control())
        };
        if is_plain(subject) && is_plain(issuer) {
            Ok(Self {
                subject: subject.to_owned(),
                issuer: issuer.to_owned(),
            })
        } else {
            let text = format!("{subject}{VIA}{issuer}");
            Err(IdentityError(crate::name::shown(&text)))
        }
    }

    /// Whether another one is meant by this: the same issuer, and a subject that may have `*` and `?`.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        self.issuer == other.issuer && WildMatch::new(&self.subject).matches(&other.subject)
    }
}

impl fmt::Debug for TrustedRoot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TrustedRoot")
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{VIA}{}", self.subject, self.issuer)
    }
}

impl FromStr for Identity {
    type Err = IdentityError;

    fn from_str(text: &str) -> Result<Self, IdentityError> {
        let (subject, issuer) = text
            .split_once(VIA)
            .ok_or_else(|| IdentityError(crate::name::shown(text)))?;
        Self::new(subject, issuer)
    }
}

impl TryFrom<String> for Identity {
    type Error = IdentityError;

    fn try_from(text: String) -> Result<Self, IdentityError> {
        text.parse()
    }
}

impl From<Identity> for String {
    fn from(identity: Identity) -> Self {
        identity.to_string()
    }
}
