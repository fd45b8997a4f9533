//! Certificates of keys, and whether one proves what a host is (PROTOCOL.certkeys of OpenSSH).

use std::time::{SystemTime, UNIX_EPOCH};

use openssl::bn::BigNum;
use openssl::ec::{EcGroup, EcKey, EcPoint};
use openssl::ecdsa::EcdsaSig;
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{Id, PKey, Public};
use openssl::rsa::Rsa;
use openssl::sign::Verifier;

use crate::pattern::glob;
use crate::wire::{Reader, put_string};

/// How the names of certificates' types end.
pub(crate) const CERTIFICATE_SUFFIX: &str = "-cert-v01@openssh.com";
/// The type of a certificate of a host.
const HOST: u32 = 2;

/// What a certificate says. Nothing of it is proven before [`Certificate::check_host`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Certificate<'a> {
    /// The key that it is about, without the certificate.
    pub(crate) key: Vec<u8>,
    /// Who signed it.
    pub(crate) authority: &'a [u8],
    /// The number that its authority gave it; zero where it gave none.
    pub(crate) serial: u64,
    /// What its authority calls it.
    pub(crate) identifier: &'a [u8],
    kind: u32,
    principals: Vec<&'a str>,
    valid_after: u64,
    valid_before: u64,
    has_critical_options: bool,
    signed: &'a [u8],
    signature: &'a [u8],
}

impl<'a> Certificate<'a> {
    /// Reads a key that has a certificate; none where it has none, or is garbled.
    pub(crate) fn read(blob: &'a [u8]) -> Option<Self> {
        let mut reader = Reader(blob);
        let plain = reader.text()?.strip_suffix(CERTIFICATE_SUFFIX)?;
        reader.string()?; // the nonce
        let fields = match plain {
            "ssh-ed25519" => 1,
            "ssh-rsa" | "ecdsa-sha2-nistp256" | "ecdsa-sha2-nistp384" | "ecdsa-sha2-nistp521" => 2,
            _ => return None,
        };
        let mut key = Vec::new();
        put_string(&mut key, plain.as_bytes());
        for _ in 0..fields {
            put_string(&mut key, reader.string()?);
        }
        let serial = reader.u64()?;
        let kind = reader.u32()?;
        let identifier = reader.string()?;
        let mut list = Reader(reader.string()?);
        let mut principals = Vec::new();
        while !list.is_empty() {
            principals.push(list.text()?);
        }
        let valid_after = reader.u64()?;
        let valid_before = reader.u64()?;
        let has_critical_options = !reader.string()?.is_empty();
        reader.string()?; // extensions
        reader.string()?; // reserved
        let authority = reader.string()?;
        let signed = blob.get(..blob.len().checked_sub(reader.0.len())?)?;
        let signature = reader.string()?;
        reader.is_empty().then_some(Self {
            key,
            authority,
            serial,
            identifier,
            kind,
            principals,
            valid_after,
            valid_before,
            has_critical_options,
            signed,
            signature,
        })
    }

    /// Whether it proves that its key belongs to the host of this name, provided that its authority
    /// is trusted. The error says why not.
    pub(crate) fn check_host(&self, name: &str, now: SystemTime) -> Result<(), String> {
        if self.kind != HOST {
            return Err("it is no certificate of a host".to_owned());
        }
        let name = name.to_ascii_lowercase();
        let is_for = |principal: &&str| glob(&principal.to_ascii_lowercase(), &name);
        if !self.principals.iter().any(is_for) {
            let names = self.principals.join(", ");
            return Err(format!("it is for {names:?}, not for {name}"));
        }
        let now = now
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_secs());
        if now < self.valid_after {
            return Err("it is not valid yet".to_owned());
        }
        if now >= self.valid_before {
            return Err("it has expired".to_owned());
        }
        if self.has_critical_options {
            return Err("it has critical options, of which hosts know none".to_owned());
        }
        match verify(self.authority, self.signed, self.signature) {
            Ok(true) => Ok(()),
            Ok(false) => Err("its signature is wrong".to_owned()),
            Err(Unverifiable::Type(kind)) => Err(format!("dfab cannot check signatures by {kind}")),
            Err(Unverifiable::Garbled) => Err("its signature is garbled".to_owned()),
        }
    }
}

#[derive(Debug)]
enum Unverifiable {
    Type(String),
    Garbled,
}

impl From<ErrorStack> for Unverifiable {
    /// OpenSSL refuses numbers that make no key and no signature.
    fn from(_: ErrorStack) -> Self {
        Self::Garbled
    }
}

/// Checks a signature as RFC 4253, section 6.6, RFC 5656 and RFC 8709 have it. RSA with SHA-1 is not
/// accepted, as in OpenSSH (CASignatureAlgorithms).
fn verify(key: &[u8], signed: &[u8], signature: &[u8]) -> Result<bool, Unverifiable> {
    let garbled = || Unverifiable::Garbled;
    let mut key = Reader(key);
    let kind = key.text().ok_or_else(garbled)?;
    let mut signature = Reader(signature);
    let algorithm = signature.text().ok_or_else(garbled)?;
    let signature = signature.string().ok_or_else(garbled)?;
    let unknown = || Unverifiable::Type(format!("{kind} with {algorithm}"));
    match (kind, algorithm) {
        ("ssh-ed25519", "ssh-ed25519") => {
            let point = key.string().ok_or_else(garbled)?;
            let key = PKey::public_key_from_raw_bytes(point, Id::ED25519)?;
            let mut verifier = Verifier::new_without_digest(&key)?;
            // A signature of the wrong length is an error to OpenSSL, and no signature to us.
            Ok(verifier.verify_oneshot(signature, signed).unwrap_or(false))
        }
        ("ssh-rsa", "rsa-sha2-256" | "rsa-sha2-512") => {
            let exponent = BigNum::from_slice(key.string().ok_or_else(garbled)?)?;
            let modulus = BigNum::from_slice(key.string().ok_or_else(garbled)?)?;
            let key = PKey::from_rsa(Rsa::from_public_components(modulus, exponent)?)?;
            let digest = if algorithm == "rsa-sha2-256" {
                MessageDigest::sha256()
            } else {
                MessageDigest::sha512()
            };
            verify_digest(&key, digest, signed, signature)
        }
        (kind, algorithm) if kind == algorithm => {
            let (curve, digest) = match kind {
                "ecdsa-sha2-nistp256" => (Nid::X9_62_PRIME256V1, MessageDigest::sha256()),
                "ecdsa-sha2-nistp384" => (Nid::SECP384R1, MessageDigest::sha384()),
                "ecdsa-sha2-nistp521" => (Nid::SECP521R1, MessageDigest::sha512()),
                _ => return Err(unknown()),
            };
            key.string().ok_or_else(garbled)?; // the curve's name
            let group = EcGroup::from_curve_name(curve)?;
            let mut context = openssl::bn::BigNumContext::new()?;
            let point = key.string().ok_or_else(garbled)?;
            let point = EcPoint::from_bytes(&group, point, &mut context)?;
            let key = PKey::from_ec_key(EcKey::from_public_key(&group, &point)?)?;
            let mut numbers = Reader(signature);
            let r = BigNum::from_slice(numbers.string().ok_or_else(garbled)?)?;
            let s = BigNum::from_slice(numbers.string().ok_or_else(garbled)?)?;
            let signature = EcdsaSig::from_private_components(r, s)?.to_der()?;
            verify_digest(&key, digest, signed, &signature)
        }
        _ => Err(unknown()),
    }
}

fn verify_digest(
    key: &PKey<Public>,
    digest: MessageDigest,
    signed: &[u8],
    signature: &[u8],
) -> Result<bool, Unverifiable> {
    let mut verifier = Verifier::new(digest, key)?;
    Ok(verifier.verify_oneshot(signature, signed).unwrap_or(false))
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::process::Command;
    use std::time::Duration;

    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    fn keygen(folder: &Path, arguments: &[&str]) {
        let output = Command::new("ssh-keygen")
            .current_dir(folder)
            .arg("-q")
            .args(arguments)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
    }

    fn public(folder: &Path, name: &str) -> Vec<u8> {
        let text = std::fs::read_to_string(folder.join(name)).unwrap();
        STANDARD.decode(text.split(' ').nth(1).unwrap()).unwrap()
    }

    const KINDS: [(&str, &[&str]); 5] = [
        ("ed25519", &["-t", "ed25519"]),
        ("p256", &["-t", "ecdsa", "-b", "256"]),
        ("p384", &["-t", "ecdsa", "-b", "384"]),
        ("p521", &["-t", "ecdsa", "-b", "521"]),
        ("rsa", &["-t", "rsa", "-b", "2048"]),
    ];

    #[test]
    fn certificates_of_all_types_prove_what_they_say_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        for (name, kind) in KINDS {
            keygen(folder, &[&["-N", "", "-f", name][..], kind].concat());
        }
        let hour = Duration::from_secs(3600);
        for (authority, _) in KINDS {
            for (name, _) in KINDS {
                let sign = [
                    "-s",
                    authority,
                    "-h",
                    "-I",
                    "x",
                    "-n",
                    "web1,*.example.com",
                    "-V",
                    "+0m:+52w",
                ];
                let file = format!("{name}.pub");
                keygen(folder, &[&sign[..], &[&file]].concat());
                let blob = public(folder, &format!("{name}-cert.pub"));
                let certificate = Certificate::read(&blob).unwrap();
                assert_eq!(certificate.key, public(folder, &file));
                assert_eq!(
                    certificate.authority,
                    public(folder, &format!("{authority}.pub"))
                );
                let now = SystemTime::now();
                assert_eq!(
                    certificate.check_host("web1", now),
                    Ok(()),
                    "{authority} {name}"
                );
                assert_eq!(certificate.check_host("A.Example.com", now), Ok(()));
                let fails = |host, time, word: &str| {
                    let error = certificate.check_host(host, time).unwrap_err();
                    assert!(error.contains(word), "{error}");
                };
                fails("web2", now, "not for web2");
                fails("web1", now - hour, "not valid yet");
                fails("web1", now + 24 * 365 * hour, "expired");
                // Whichever byte of what is signed is another one, the signature is wrong.
                for at in [blob.len() / 3, blob.len() / 2] {
                    let mut forged = blob.clone();
                    forged[at] ^= 1;
                    let error =
                        Certificate::read(&forged).map(|forged| forged.check_host("web1", now));
                    assert!(!matches!(error, Some(Ok(()))), "{authority} {name} {at}");
                }
            }
        }
        keygen(
            folder,
            &["-s", "p256", "-I", "x", "-n", "web1", "ed25519.pub"],
        );
        let blob = public(folder, "ed25519-cert.pub");
        let error = Certificate::read(&blob)
            .unwrap()
            .check_host("web1", SystemTime::now());
        assert!(error.unwrap_err().contains("no certificate of a host"));
        assert_eq!(Certificate::read(&public(folder, "rsa.pub")), None);
        assert_eq!(Certificate::read(&blob[..blob.len() - 1]), None);
    }
}
