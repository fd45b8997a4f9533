//! Keys to sign with, and to check signatures by: Ed25519, which `dfab key new` makes, and ECDSA on
//! P-256, which cosign makes. They are files as OpenSSL and everybody else knows them: PKCS#8 for
//! private keys, encrypted where there is a passphrase, and SubjectPublicKeyInfo for public ones.

use std::fmt;
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{HasPublic, Id, PKey, PKeyRef, Private, Public};
use openssl::sign::{Signer, Verifier};
use openssl::symm::Cipher;

/// A key that signs. It is never printed.
pub struct PrivateKey {
    key: PKey<Private>,
    public: PublicKey,
}

/// A key that checks signatures.
#[derive(Clone)]
pub struct PublicKey {
    key: PKey<Public>,
    fingerprint: Fingerprint,
}

/// What tells keys apart: SHA-256 of the public key, written as OpenSSH writes fingerprints.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(into = "String", try_from = "String")]
pub struct Fingerprint(String);

/// Why a key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file cannot be read or written.
    #[error("cannot {what} the key file {}", .file.display())]
    File {
        /// `read` or `write`.
        what: &'static str,
        /// Which.
        file: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Others could take the key.
    #[error("the private key {} can be read by others; take that away: chmod 600 {}", .0.display(), .0.display())]
    Open(PathBuf),
    /// Not the PEM of a key.
    #[error("it is no {0} key (PEM)")]
    Form(&'static str),
    /// A key of cosign's own form.
    #[error(
        "it is a private key of cosign; sign with cosign itself (cosign sign-blob --key … --bundle \
         FILE.sigstore.json FILE), which dfab checks by its public key"
    )]
    Cosign,
    /// No passphrase, or a wrong one.
    #[error("it has a passphrase, and {0}")]
    Passphrase(&'static str),
    /// RSA and others.
    #[error("it is a key of another kind than Ed25519 or ECDSA P-256")]
    Kind,
    /// OpenSSL fails.
    #[error("OpenSSL fails")]
    OpenSsl(#[from] ErrorStack),
}

/// Why a text is no fingerprint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no fingerprint of a key; such a one is `SHA256:` and 43 characters")]
pub struct FingerprintError(String);

impl PrivateKey {
    /// A new key (Ed25519).
    ///
    /// # Errors
    /// Where OpenSSL fails.
    pub fn generate() -> Result<Self, KeyError> {
        Self::new(PKey::generate_ed25519()?)
    }

    /// Reads a key. `passphrase` is asked where the key has one.
    ///
    /// # Errors
    /// Where it is no such key, or the passphrase is not that of the key.
    pub fn from_pem(
        pem: &[u8],
        passphrase: impl FnOnce() -> Option<String>,
    ) -> Result<Self, KeyError> {
        let begins = |label: &str| {
            let line = format!("-----BEGIN {label}-----");
            pem.windows(line.len()).any(|part| part == line.as_bytes())
        };
        if begins("ENCRYPTED SIGSTORE PRIVATE KEY") || begins("ENCRYPTED COSIGN PRIVATE KEY") {
            return Err(KeyError::Cosign);
        }
        let mut asked = None;
        let key = PKey::private_key_from_pem_callback(pem, |target| {
            let given = passphrase();
            asked = Some(given.is_some());
            let given = given.unwrap_or_default();
            match target.get_mut(..given.len()) {
                Some(target) => target.copy_from_slice(given.as_bytes()),
                None => return Ok(0),
            }
            Ok(given.len())
        });
        match (key, asked) {
            (Ok(key), _) => Self::new(key),
            (Err(_), None) => Err(KeyError::Form("private")),
            (Err(_), Some(true)) => Err(KeyError::Passphrase("this is not it")),
            (Err(_), Some(false)) => Err(KeyError::Passphrase("there is nobody to tell it")),
        }
    }

    /// Reads a key file that nobody else can read.
    ///
    /// # Errors
    /// As [`PrivateKey::from_pem`], and where the file is open to others.
    pub fn read(
        file: &Path,
        passphrase: impl FnOnce() -> Option<String>,
    ) -> Result<Self, KeyError> {
        let failed = |source| KeyError::File {
            what: "read",
            file: file.to_owned(),
            source,
        };
        let mode = std::fs::metadata(file).map_err(failed)?.mode();
        if mode & 0o077 != 0 {
            return Err(KeyError::Open(file.to_owned()));
        }
        Self::from_pem(
            &crate::file::read_file(file, LIMIT).map_err(failed)?,
            passphrase,
        )
    }

    /// Writes a new key file that nobody else can read, and the public key beside it, with `.pub`.
    ///
    /// # Errors
    /// Where one of them is there already, or cannot be written.
    pub fn write(&self, file: &Path, passphrase: Option<&str>) -> Result<PathBuf, KeyError> {
        let pem = match passphrase {
            Some(passphrase) => self.key.private_key_to_pem_pkcs8_passphrase(
                Cipher::aes_256_cbc(),
                passphrase.as_bytes(),
            )?,
            None => self.key.private_key_to_pem_pkcs8()?,
        };
        let mut public = file.as_os_str().to_owned();
        public.push(".pub");
        let public = PathBuf::from(public);
        // The public one first: a private key that is left without it can still give it.
        for (file, mode, bytes) in [(&*public, 0o644, self.public.pem()?), (file, 0o600, pem)] {
            std::fs::OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(mode)
                .open(file)
                .and_then(|mut opened| opened.write_all(&bytes))
                .map_err(|source| KeyError::File {
                    what: "write",
                    file: file.to_owned(),
                    source,
                })?;
        }
        Ok(public)
    }

    /// What signatures are checked by.
    #[must_use]
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let mut signer = match self.key.id() {
            Id::ED25519 => Signer::new_without_digest(&self.key)?,
            _ => Signer::new(MessageDigest::sha256(), &self.key)?,
        };
        Ok(signer.sign_oneshot_to_vec(message)?)
    }

    fn new(key: PKey<Private>) -> Result<Self, KeyError> {
        check_kind(&key)?;
        let public = PKey::public_key_from_der(&key.public_key_to_der()?)?;
        Ok(Self {
            public: PublicKey::new(public)?,
            key,
        })
    }
}

impl PublicKey {
    /// Reads a key.
    ///
    /// # Errors
    /// Where it is no such key.
    pub fn from_pem(pem: &[u8]) -> Result<Self, KeyError> {
        let key = PKey::public_key_from_pem(pem).map_err(|_| KeyError::Form("public"))?;
        check_kind(&key)?;
        Self::new(key)
    }

    /// Reads a key file.
    ///
    /// # Errors
    /// As [`PublicKey::from_pem`], and where the file cannot be read.
    pub fn read(file: &Path) -> Result<Self, KeyError> {
        let bytes = crate::file::read_file(file, LIMIT).map_err(|source| KeyError::File {
            what: "read",
            file: file.to_owned(),
            source,
        })?;
        Self::from_pem(&bytes)
    }

    /// The key as a file has it.
    ///
    /// # Errors
    /// Where OpenSSL fails.
    pub fn pem(&self) -> Result<Vec<u8>, KeyError> {
        Ok(self.key.public_key_to_pem()?)
    }

    /// What tells it from others.
    #[must_use]
    pub fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }

    /// Whether this signature is of this key over these bytes; what cannot be checked is none.
    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        let verified = || -> Result<bool, ErrorStack> {
            let mut verifier = match self.key.id() {
                Id::ED25519 => Verifier::new_without_digest(&self.key)?,
                _ => Verifier::new(MessageDigest::sha256(), &self.key)?,
            };
            verifier.verify_oneshot(signature, message)
        };
        // OpenSSL leaves errors behind where a signature is not even well-formed.
        verified().unwrap_or(false)
    }

    fn new(key: PKey<Public>) -> Result<Self, KeyError> {
        let digest = crate::Digest::of(&key.public_key_to_der()?);
        let text = STANDARD_NO_PAD.encode(digest.bytes());
        Ok(Self {
            key,
            fingerprint: Fingerprint(format!("SHA256:{text}")),
        })
    }
}

const LIMIT: usize = 64 << 10;

fn check_kind<T: HasPublic>(key: &PKeyRef<T>) -> Result<(), KeyError> {
    let is_p256 = || {
        key.ec_key()
            .is_ok_and(|key| key.group().curve_name() == Some(Nid::X9_62_PRIME256V1))
    };
    if key.id() == Id::ED25519 || (key.id() == Id::EC && is_p256()) {
        Ok(())
    } else {
        Err(KeyError::Kind)
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivateKey({})", self.public.fingerprint)
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.fingerprint)
    }
}

impl FromStr for Fingerprint {
    type Err = FingerprintError;

    fn from_str(text: &str) -> Result<Self, FingerprintError> {
        let bytes = text
            .strip_prefix("SHA256:")
            .and_then(|text| STANDARD_NO_PAD.decode(text).ok());
        match bytes {
            Some(bytes) if bytes.len() == 32 => Ok(Self(text.to_owned())),
            _ => Err(FingerprintError(crate::name::shown(text))),
        }
    }
}

impl TryFrom<String> for Fingerprint {
    type Error = FingerprintError;

    fn try_from(text: String) -> Result<Self, FingerprintError> {
        text.parse()
    }
}

impl From<Fingerprint> for String {
    fn from(fingerprint: Fingerprint) -> Self {
        fingerprint.0
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use openssl::ec::{EcGroup, EcKey};
    use openssl::rsa::Rsa;

    use super::*;

    #[test]
    fn keys_come_back_from_their_files() {
        let folder = tempfile::tempdir().unwrap();
        let key = PrivateKey::generate().unwrap();
        for (name, passphrase) in [("plain", None), ("locked", Some("open sesame"))] {
            let file = folder.path().join(name);
            let public = key.write(&file, passphrase).unwrap();
            let mode = std::fs::metadata(&file).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
            let again = PrivateKey::read(&file, || passphrase.map(str::to_owned)).unwrap();
            assert_eq!(again.public().fingerprint(), key.public().fingerprint());
            let public = PublicKey::read(&public).unwrap();
            assert!(public.verifies(b"message", &again.sign(b"message").unwrap()));
            // Nothing is written over.
            assert!(matches!(key.write(&file, None), Err(KeyError::File { .. })));
        }
        let locked = folder.path().join("locked");
        let wrong = PrivateKey::read(&locked, || Some("wrong".to_owned())).unwrap_err();
        assert_eq!(wrong.to_string(), "it has a passphrase, and this is not it");
        let none = PrivateKey::read(&locked, || None).unwrap_err();
        assert_eq!(
            none.to_string(),
            "it has a passphrase, and there is nobody to tell it"
        );
        std::fs::set_permissions(&locked, std::os::unix::fs::PermissionsExt::from_mode(0o640))
            .unwrap();
        assert!(matches!(
            PrivateKey::read(&locked, || None),
            Err(KeyError::Open(_))
        ));
    }

    #[test]
    fn signatures_are_of_one_key_and_one_message() {
        let p256 = EcKey::generate(&EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap());
        let p256 = PKey::from_ec_key(p256.unwrap()).unwrap();
        let keys = [
            PrivateKey::generate().unwrap(),
            PrivateKey::new(p256).unwrap(),
        ];
        for (at, key) in keys.iter().enumerate() {
            let signature = key.sign(b"message").unwrap();
            assert!(key.public().verifies(b"message", &signature));
            assert!(!key.public().verifies(b"another", &signature));
            assert!(!key.public().verifies(b"message", &signature[1..]));
            assert!(!key.public().verifies(b"message", b""));
            assert!(!keys[1 - at].public().verifies(b"message", &signature));
        }
    }

    #[test]
    fn other_keys_are_told() {
        let told = |pem: &[u8]| PublicKey::from_pem(pem).unwrap_err().to_string();
        let rsa = PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap();
        let curve = EcGroup::from_curve_name(Nid::SECP384R1).unwrap();
        let p384 = PKey::from_ec_key(EcKey::generate(&curve).unwrap()).unwrap();
        for key in [rsa, p384] {
            assert_eq!(
                told(&key.public_key_to_pem().unwrap()),
                "it is a key of another kind than Ed25519 or ECDSA P-256"
            );
        }
        assert_eq!(told(b"ssh-ed25519 AAAA"), "it is no public key (PEM)");
        let cosign = b"-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\nAAAA\n";
        assert!(matches!(
            PrivateKey::from_pem(cosign, || None),
            Err(KeyError::Cosign)
        ));
        assert!(matches!(
            PrivateKey::from_pem(b"", || None),
            Err(KeyError::Form(_))
        ));
    }

    #[test]
    fn fingerprints_read_as_they_are_written() {
        let key = PrivateKey::generate().unwrap();
        let fingerprint = key.public().fingerprint();
        assert_eq!(fingerprint.to_string().parse().as_ref(), Ok(fingerprint));
        assert!("SHA256:short".parse::<Fingerprint>().is_err());
        assert!(!format!("{key:?}").contains("PRIVATE"));
    }
}
