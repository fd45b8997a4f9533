//! A Sigstore of its own: an authority that gives certificates to identities, and logs that note what they
//! sign, as Fulcio, its log of certificates, and Rekor do. What it makes is for its own trusted root only.

use anyhow::{Context as _, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use openssl::asn1::{Asn1Object, Asn1OctetString, Asn1Time};
use openssl::bn::BigNum;
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::sha::sha256;
use openssl::sign::Signer;
use openssl::x509::extension::{
    BasicConstraints, ExtendedKeyUsage, KeyUsage, SubjectAlternativeName,
};
use openssl::x509::{X509, X509Extension, X509NameBuilder};
use serde_json::{Value, json};

/// An authority with its logs.
#[derive(Debug)]
pub struct Sigstore {
    authority: X509,
    authority_key: PKey<Private>,
    certificates_log: PKey<Private>,
    log: PKey<Private>,
}

/// When something is signed, in seconds from now.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// From when to when the certificate is valid.
    pub valid: (i64, i64),
    /// When the log notes it.
    pub noted: i64,
}

/// As it should be.
pub const GOOD: Times = Times {
    valid: (-120, 480),
    noted: -60,
};

const ORIGIN: &str = "rekor.test - 1";
/// The issuer of an identity, in Fulcio's certificates.
const ISSUER: &str = "1.3.6.1.4.1.57264.1.8";
/// What a log of certificates says of one.
const TIMESTAMPS: &str = "1.3.6.1.4.1.11129.2.4.2";

impl Sigstore {
    /// A new one.
    ///
    /// # Errors
    /// Where OpenSSL fails.
    pub fn new() -> Result<Self> {
        let authority_key = new_key()?;
        let mut name = X509NameBuilder::new()?;
        name.append_entry_by_nid(Nid::COMMONNAME, "identities of tests")?;
        let name = name.build();
        let mut builder = X509::builder()?;
        builder.set_version(2)?;
        builder.set_serial_number(&*BigNum::from_u32(1)?.to_asn1_integer()?)?;
        builder.set_subject_name(&name)?;
        builder.set_issuer_name(&name)?;
        builder.set_pubkey(&authority_key)?;
        builder.set_not_before(&*moment(-86_400)?)?;
        builder.set_not_after(&*moment(86_400)?)?;
        builder.append_extension(BasicConstraints::new().critical().ca().build()?)?;
        builder.append_extension(KeyUsage::new().critical().key_cert_sign().build()?)?;
        builder.sign(&authority_key, MessageDigest::sha256())?;
        Ok(Self {
            authority: builder.build(),
            authority_key,
            certificates_log: new_key()?,
            log: new_key()?,
        })
    }

    /// What its users believe: a `trusted_root.json`.
    ///
    /// # Errors
    /// Where OpenSSL fails.
    pub fn trusted_root(&self) -> Result<Value> {
        let valid = json!({ "start": "2020-01-01T00:00:00Z" });
        let log = |url: &str, key: &PKey<Private>| -> Result<Value> {
            let public = key.public_key_to_der()?;
            Ok(json!({
                "baseUrl": url,
                "hashAlgorithm": "SHA2_256",
                "publicKey": {
                    "rawBytes": STANDARD.encode(&public),
                    "keyDetails": "PKIX_ECDSA_P256_SHA_256",
                    "validFor": valid,
                },
                "logId": { "keyId": STANDARD.encode(sha256(&public)) },
            }))
        };
        Ok(json!({
            "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
            "tlogs": [log("https://rekor.test", &self.log)?],
            "certificateAuthorities": [{
                "subject": { "organization": "tests", "commonName": "identities of tests" },
                "uri": "https://fulcio.test",
                "certChain": { "certificates": [{ "rawBytes": STANDARD.encode(self.authority.to_der()?) }] },
                "validFor": valid,
            }],
            "ctlogs": [log("https://ct.test", &self.certificates_log)?],
            "timestampAuthorities": [],
        }))
    }

    /// Signs bytes for somebody (an address or a URL) whom an issuer knows, as `cosign sign-blob` does.
    ///
    /// # Errors
    /// Where OpenSSL fails.
    pub fn sign(&self, subject: &str, issuer: &str, times: Times, bytes: &[u8]) -> Result<Value> {
        let key = new_key()?;
        let certificate = self.certificate(&key, subject, issuer, times)?;
        let signature = STANDARD.encode(sign(&key, bytes)?);
        let digest = sha256(bytes);
        let body = json!({
            "apiVersion": "0.0.1",
            "kind": "hashedrekord",
            "spec": {
                "data": { "hash": { "algorithm": "sha256", "value": hex(&digest) } },
                "signature": {
                    "content": signature,
                    "publicKey": { "content": STANDARD.encode(certificate.to_pem()?) },
                },
            },
        });
        Ok(json!({
            "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
            "verificationMaterial": {
                "certificate": { "rawBytes": STANDARD.encode(certificate.to_der()?) },
                "tlogEntries": [self.entry(&body.to_string(), now()? + times.noted)?],
            },
            "messageSignature": {
                "messageDigest": { "algorithm": "SHA2_256", "digest": STANDARD.encode(digest) },
                "signature": signature,
            },
        }))
    }

    /// The log's only entry, with the promise and the proof of it.
    fn entry(&self, body: &str, time: i64) -> Result<Value> {
        let id = sha256(&self.log.public_key_to_der()?);
        let encoded = STANDARD.encode(body);
        let promise = json!({
            "body": encoded, "integratedTime": time, "logID": hex(&id), "logIndex": 0,
        });
        let promise = sign(&self.log, promise.to_string().as_bytes())?;
        let root = STANDARD.encode(sha256(&[&[0], body.as_bytes()].concat()));
        let head = format!("{ORIGIN}\n1\n{root}\n");
        let hint = id.get(..4).context("a hint")?;
        let seal = [hint, &sign(&self.log, head.as_bytes())?].concat();
        let seal = STANDARD.encode(seal);
        Ok(json!({
            "logIndex": "0",
            "logId": { "keyId": STANDARD.encode(id) },
            "kindVersion": { "kind": "hashedrekord", "version": "0.0.1" },
            "integratedTime": time.to_string(),
            "inclusionPromise": { "signedEntryTimestamp": STANDARD.encode(promise) },
            "inclusionProof": {
                "logIndex": "0",
                "rootHash": root,
                "treeSize": "1",
                "hashes": [],
                "checkpoint": { "envelope": format!("{head}\n\u{2014} rekor.test {seal}\n") },
            },
            "canonicalizedBody": encoded,
        }))
    }

    fn certificate(
        &self,
        key: &PKey<Private>,
        subject: &str,
        issuer: &str,
        times: Times,
    ) -> Result<X509> {
        let (from, to) = (moment(times.valid.0)?, moment(times.valid.1)?);
        let make = |timestamps: Option<&[u8]>| -> Result<X509> {
            let mut builder = X509::builder()?;
            builder.set_version(2)?;
            builder.set_serial_number(&*BigNum::from_u32(2)?.to_asn1_integer()?)?;
            builder.set_subject_name(&X509NameBuilder::new()?.build())?;
            builder.set_issuer_name(self.authority.subject_name())?;
            builder.set_pubkey(key)?;
            builder.set_not_before(&from)?;
            builder.set_not_after(&to)?;
            builder.append_extension(KeyUsage::new().critical().digital_signature().build()?)?;
            builder.append_extension(ExtendedKeyUsage::new().code_signing().build()?)?;
            let mut alternative = SubjectAlternativeName::new();
            match subject.contains("://") {
                true => alternative.uri(subject),
                false => alternative.email(subject),
            };
            let alternative = alternative
                .critical()
                .build(&builder.x509v3_context(None, None))?;
            builder.append_extension(alternative)?;
            builder.append_extension(extension(ISSUER, &wrapped(0x0c, issuer.as_bytes())?)?)?;
            if let Some(timestamps) = timestamps {
                builder.append_extension(extension(TIMESTAMPS, &wrapped(0x04, timestamps)?)?)?;
            }
            builder.sign(&self.authority_key, MessageDigest::sha256())?;
            Ok(builder.build())
        };
        let bare = make(None)?.to_der()?;
        make(Some(&self.timestamp(first_element(&bare)?)?))
    }

    /// That the log of certificates has this one (RFC 6962, section 3.2), as a list of one.
    fn timestamp(&self, certificate: &[u8]) -> Result<Vec<u8>> {
        let issuer = sha256(&self.authority_key.public_key_to_der()?);
        let time = u64::try_from(now()?)?.saturating_mul(1000).to_be_bytes();
        let length = u32::try_from(certificate.len())?.to_be_bytes();
        let length = length.get(1..).context("a length")?;
        let signed = [
            &[0, 0],
            &time[..],
            &[0, 1],
            &issuer,
            length,
            certificate,
            &[0, 0],
        ]
        .concat();
        let signature = sign(&self.certificates_log, &signed)?;
        let id = sha256(&self.certificates_log.public_key_to_der()?);
        // SHA-256 with ECDSA.
        let signature = long(&signature)?;
        let one = [&[0], &id[..], &time, &[0, 0], &[4, 3], &signature].concat();
        long(&long(&one)?)
    }
}

fn new_key() -> Result<PKey<Private>> {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?;
    Ok(PKey::from_ec_key(EcKey::generate(&group)?)?)
}

fn sign(key: &PKey<Private>, bytes: &[u8]) -> Result<Vec<u8>> {
    Ok(Signer::new(MessageDigest::sha256(), key)?.sign_oneshot_to_vec(bytes)?)
}

fn now() -> Result<i64> {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
    Ok(i64::try_from(now.as_secs())?)
}

fn moment(seconds: i64) -> Result<Asn1Time> {
    Ok(Asn1Time::from_unix(now()? + seconds)?)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn extension(oid: &str, content: &[u8]) -> Result<X509Extension> {
    let oid = Asn1Object::from_str(oid)?;
    let content = Asn1OctetString::new_from_bytes(content)?;
    Ok(X509Extension::new_from_der(&oid, false, &content)?)
}

/// With its length in two bytes before it, as TLS writes it.
fn long(bytes: &[u8]) -> Result<Vec<u8>> {
    let length = u16::try_from(bytes.len())?.to_be_bytes();
    Ok([&length, bytes].concat())
}

/// As DER writes it, under 256 bytes.
fn wrapped(tag: u8, bytes: &[u8]) -> Result<Vec<u8>> {
    let length = u8::try_from(bytes.len())?;
    let head = match length {
        0..128 => vec![tag, length],
        128.. => vec![tag, 0x81, length],
    };
    Ok([head.as_slice(), bytes].concat())
}

/// What is signed of a certificate: the first thing in the sequence that it is.
fn first_element(der: &[u8]) -> Result<&[u8]> {
    let (head, _) = lengths(der)?;
    let rest = der.get(head..).context("a certificate")?;
    let (head, content) = lengths(rest)?;
    rest.get(..head + content).context("its first part")
}

/// Of the head and of the content of what is in DER.
fn lengths(der: &[u8]) -> Result<(usize, usize)> {
    let first = usize::from(*der.get(1).context("a length")?);
    if first < 128 {
        return Ok((2, first));
    }
    let bytes = der.get(2..first - 126).context("a length")?;
    let content = bytes
        .iter()
        .fold(0, |length, byte| length << 8 | usize::from(*byte));
    Ok((first - 126, content))
}
