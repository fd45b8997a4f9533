//! Signatures, which stand beside what they sign: a file `FILE.sig.jsonl` with one Sigstore bundle
//! (<https://docs.sigstore.dev/about/bundle/>) a line. Those that dfab makes hold a DSSE envelope with
//! a [statement](crate::statement) and name the key by its fingerprint.
//!
//! Read are also bundles that cosign has made with a key, of the artifact's bytes themselves
//! (`cosign sign-blob`) or of a statement. What says that such a bundle was noted in a public log is not
//! looked at: the key is what is trusted. Of those that it has made for an identity ("keyless") all is
//! looked at, by the [authorities](crate::TrustedRoot) that the operator believes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::credential::Credential;
use crate::digest::Digest;
use crate::key::{KeyError, PrivateKey, PublicKey};
use crate::sigstore::{Identity, TrustedRoot};
use crate::statement::{Claim, Mismatch, Signed};

/// What is put behind the name of a file for that of its signatures.
pub const EXTENSION: &str = ".sig.jsonl";

/// The same for the file that cosign is told to write.
pub const COSIGN_EXTENSION: &str = ".sigstore.json";

/// The largest file of signatures, in bytes.
pub const SIZE_LIMIT: usize = 1 << 20;

/// The media type of a signature.
pub const MEDIA_TYPE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";

/// One signature; whether it is good is to be found out.
#[derive(Clone, Debug)]
pub struct Signature {
    raw: Value,
    content: Content,
    key: String,
    is_keyless: bool,
}

/// Why a file has no signatures that can be read.
#[derive(Debug, thiserror::Error)]
pub enum SignatureError {
    /// No JSON, or not of the form.
    #[error("it is no Sigstore bundle")]
    Form(#[source] serde_json::Error),
    /// The form that cosign had before version 2.4 or without `--new-bundle-format`.
    #[error("it is a bundle of cosign's old form; make it with --new-bundle-format")]
    OldCosign,
    /// Neither a statement nor a signature of bytes.
    #[error("it has neither an envelope nor a signature")]
    Empty,
    /// What should be Base64 is none.
    #[error("{0} is not Base64")]
    Base64(&'static str),
    /// Too many.
    #[error("it has more than {COUNT_LIMIT} signatures")]
    TooMany,
    /// Not made.
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// Why a signature does not count for a key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Doubt {
    /// Another key made it, or the signed statement was changed.
    #[error("it was made with another key, or changed")]
    OtherKey,
    /// A certificate made it.
    #[error("it was made with a certificate for an identity, and not with a key")]
    Keyless,
    /// The certificate, or what the log says of it, does not count.
    #[error("its certificate for an identity does not count: {0}")]
    Certificate(String),
    /// Somebody else made it.
    #[error("it was made by {0}")]
    OtherIdentity(Identity),
    /// It signs something else.
    #[error("it signs other bytes (sha256 {0})")]
    OtherBytes(String),
    /// It says something else of the bytes.
    #[error("it states something that dfab does not know ({0})")]
    Other(String),
    /// The key says nonsense.
    #[error("its statement cannot be read: {0}")]
    Malformed(String),
}

/// The most signatures in a file.
pub const COUNT_LIMIT: usize = 64;
const IN_TOTO: &str = "application/vnd.in-toto+json";

#[derive(Clone, Debug)]
enum Content {
    Statement {
        payload: Vec<u8>,
        kind: String,
        signatures: Vec<Vec<u8>>,
    },
    Bytes {
        signature: Vec<u8>,
    },
}

impl Signature {
    /// Signs a claim about bytes with that digest.
    ///
    /// # Errors
    /// Where OpenSSL fails.
    pub fn make(
        key: &PrivateKey,
        name: &str,
        digest: Digest,
        claim: &Claim,
    ) -> Result<Self, SignatureError> {
        let payload = claim.statement(name, digest);
        let signature = key.sign(&encoded(IN_TOTO, &payload))?;
        let fingerprint = key.public().fingerprint().to_string();
        Self::read(json!({
            "mediaType": MEDIA_TYPE,
            // Empty, but some readers want it.
            "verificationMaterial": { "publicKey": { "hint": fingerprint }, "tlogEntries": [] },
            "dsseEnvelope": {
                "payload": STANDARD.encode(&payload),
                "payloadType": IN_TOTO,
                "signatures": [{ "sig": STANDARD.encode(&signature), "keyid": fingerprint }],
            },
        }))
    }

    /// Reads a file of signatures: one, or one a line.
    ///
    /// # Errors
    /// Where one of them is of another form.
    pub fn read_all(text: &[u8]) -> Result<Vec<Self>, SignatureError> {
        let mut all = Vec::new();
        for value in serde_json::Deserializer::from_slice(text).into_iter() {
            if all.len() == COUNT_LIMIT {
                return Err(SignatureError::TooMany);
            }
            all.push(Self::read(value.map_err(SignatureError::Form)?)?);
        }
        Ok(all)
    }

    /// A file of signatures, one a line.
    #[must_use]
    pub fn write_all(signatures: &[Self]) -> String {
        signatures
            .iter()
            .map(|one| format!("{}\n", one.line()))
            .collect()
    }

    /// It alone, in a line.
    #[must_use]
    pub fn line(&self) -> String {
        self.raw.to_string()
    }

    /// The key that it names, in the words of the tool that made it. Nothing depends on it.
    #[must_use]
    pub fn key_hint(&self) -> &str {
        &self.key
    }

    /// What somebody says of these bytes.
    ///
    /// # Errors
    /// Where the signature is not theirs, or of something else.
    pub fn check(
        &self,
        credential: &Credential,
        bytes: &[u8],
        digest: Digest,
    ) -> Result<Claim, Doubt> {
        match credential {
            Credential::Key(_) if self.is_keyless => return Err(Doubt::Keyless),
            Credential::Key(key) if !self.is_of_key(key, bytes) => return Err(Doubt::OtherKey),
            Credential::Identity(..) if !self.is_keyless => return Err(Doubt::OtherKey),
            Credential::Identity(identity, root) => self.check_identity(identity, root, bytes)?,
            Credential::Key(_) => {}
        }
        match &self.content {
            Content::Bytes { .. } => Ok(Claim::Signed(Signed::default())),
            Content::Statement { kind, .. } if kind != IN_TOTO => {
                Err(Doubt::Other(crate::name::shown(kind)))
            }
            Content::Statement { payload, .. } => {
                Claim::read(payload, digest).map_err(|mismatch| match mismatch {
                    Mismatch::OtherBytes(digests) => Doubt::OtherBytes(digests),
                    Mismatch::Other(kind) => Doubt::Other(kind),
                    Mismatch::Malformed(reason) => Doubt::Malformed(reason),
                })
            }
        }
    }

    fn is_of_key(&self, key: &PublicKey, bytes: &[u8]) -> bool {
        match &self.content {
            Content::Bytes { signature } => key.verifies(bytes, signature),
            Content::Statement {
                payload,
                kind,
                signatures,
            } => {
                let message = encoded(kind, payload);
                let mut signatures = signatures.iter();
                signatures.any(|signature| key.verifies(&message, signature))
            }
        }
    }

    fn check_identity(
        &self,
        identity: &Identity,
        root: &TrustedRoot,
        bytes: &[u8],
    ) -> Result<(), Doubt> {
        let signer = root
            .signer(&self.line(), bytes)
            .map_err(Doubt::Certificate)?;
        if identity.covers(&signer) {
            Ok(())
        } else {
            Err(Doubt::OtherIdentity(signer))
        }
    }

    fn read(raw: Value) -> Result<Self, SignatureError> {
        if raw.get("base64Signature").is_some() {
            return Err(SignatureError::OldCosign);
        }
        let form: form::Bundle =
            serde_json::from_value(raw.clone()).map_err(SignatureError::Form)?;
        let material = form.verification_material;
        let is_keyless =
            material.certificate.is_some() || material.x509_certificate_chain.is_some();
        let mut key = material.public_key.map(|key| key.hint).unwrap_or_default();
        let content = match (form.dsse_envelope, form.message_signature) {
            (Some(envelope), None) => {
                if let Some(signature) = envelope.signatures.first()
                    && key.is_empty()
                {
                    key.clone_from(&signature.keyid);
                }
                Content::Statement {
                    payload: base64("the payload", &envelope.payload)?,
                    kind: envelope.payload_type,
                    signatures: envelope
                        .signatures
                        .iter()
                        .take(COUNT_LIMIT)
                        .map(|signature| base64("a signature", &signature.sig))
                        .collect::<Result<_, _>>()?,
                }
            }
            (None, Some(message)) => Content::Bytes {
                signature: base64("the signature", &message.signature)?,
            },
            _ => return Err(SignatureError::Empty),
        };
        Ok(Self {
            raw,
            content,
            key: crate::name::shown(&key),
            is_keyless,
        })
    }
}

/// What is signed of a DSSE envelope (<https://github.com/secure-systems-lab/dsse>).
fn encoded(kind: &str, payload: &[u8]) -> Vec<u8> {
    let head = format!("DSSEv1 {} {kind} {} ", kind.len(), payload.len());
    [head.as_bytes(), payload].concat()
}

fn base64(what: &'static str, text: &str) -> Result<Vec<u8>, SignatureError> {
    STANDARD
        .decode(text)
        .map_err(|_| SignatureError::Base64(what))
}

/// The part of a Sigstore bundle that is looked at.
mod form {
    use serde::Deserialize;
    use serde_json::Value;

    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    pub(super) struct Bundle {
        pub(super) verification_material: Material,
        pub(super) dsse_envelope: Option<Envelope>,
        pub(super) message_signature: Option<Message>,
    }

    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    pub(super) struct Material {
        pub(super) public_key: Option<Key>,
        pub(super) certificate: Option<Value>,
        pub(super) x509_certificate_chain: Option<Value>,
    }

    #[derive(Deserialize)]
    pub(super) struct Key {
        #[serde(default)]
        pub(super) hint: String,
    }

    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    pub(super) struct Envelope {
        pub(super) payload: String,
        pub(super) payload_type: String,
        pub(super) signatures: Vec<Sig>,
    }

    #[derive(Deserialize)]
    pub(super) struct Sig {
        pub(super) sig: String,
        #[serde(default)]
        pub(super) keyid: String,
    }

    #[derive(Deserialize)]
    pub(super) struct Message {
        pub(super) signature: String,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn signed() -> Claim {
        Claim::Signed(Signed::default())
    }

    #[test]
    fn a_signature_is_of_one_key_and_one_digest() {
        let (key, other) = (
            PrivateKey::generate().unwrap(),
            PrivateKey::generate().unwrap(),
        );
        let digest = Digest::of(b"bytes");
        let made = Signature::make(&key, "web", digest, &signed()).unwrap();
        let read = Signature::read_all(Signature::write_all(&[made]).as_bytes()).unwrap();
        let [signature] = read.as_slice() else {
            panic!("{read:?}")
        };
        assert_eq!(signature.key_hint(), key.public().fingerprint().to_string());
        assert_eq!(
            signature.check(&key.public().clone().into(), b"bytes", digest),
            Ok(signed())
        );
        assert_eq!(
            signature.check(&other.public().clone().into(), b"bytes", digest),
            Err(Doubt::OtherKey)
        );
        assert!(matches!(
            signature.check(&key.public().clone().into(), b"other", Digest::of(b"other")),
            Err(Doubt::OtherBytes(_))
        ));
        // A changed statement under the old signature.
        let mut raw = signature.raw.clone();
        let forged = signed().statement("web", Digest::of(b"other"));
        raw["dsseEnvelope"]["payload"] = json!(STANDARD.encode(forged));
        let forged = Signature::read(raw).unwrap();
        assert_eq!(
            forged.check(&key.public().clone().into(), b"other", Digest::of(b"other")),
            Err(Doubt::OtherKey)
        );
    }

    #[test]
    fn an_envelope_of_another_type_is_no_statement() {
        let key = PrivateKey::generate().unwrap();
        let payload = signed().statement("web", Digest::of(b""));
        let signature = key.sign(&encoded("text/plain", &payload)).unwrap();
        let raw = json!({ "verificationMaterial": {}, "dsseEnvelope": {
            "payload": STANDARD.encode(&payload), "payloadType": "text/plain",
            "signatures": [{ "sig": STANDARD.encode(signature) }] } });
        let signature = Signature::read(raw).unwrap();
        let checked = signature.check(&key.public().clone().into(), b"", Digest::of(b""));
        assert_eq!(checked, Err(Doubt::Other("text/plain".to_owned())));
    }

    #[test]
    fn what_is_no_signature_is_told() {
        let told = |text: &str| {
            Signature::read_all(text.as_bytes())
                .unwrap_err()
                .to_string()
        };
        assert_eq!(told("{"), "it is no Sigstore bundle");
        assert_eq!(told("[]"), "it is no Sigstore bundle");
        assert_eq!(
            told(r#"{"base64Signature": "AA==", "cert": ""}"#),
            "it is a bundle of cosign's old form; make it with --new-bundle-format"
        );
        assert_eq!(
            told(r#"{"verificationMaterial": {}}"#),
            "it has neither an envelope nor a signature"
        );
        assert_eq!(
            told(r#"{"verificationMaterial": {}, "messageSignature": {"signature": "?"}}"#),
            "the signature is not Base64"
        );
        let one = r#"{"verificationMaterial": {}, "messageSignature": {"signature": ""}}"#;
        assert_eq!(told(&one.repeat(65)), "it has more than 64 signatures");
        assert!(Signature::read_all(b"").unwrap().is_empty());
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in ".{0,300}") {
            let _ = Signature::read_all(text.as_bytes());
        }
    }
}
