//! Whom the project trusts: `trust` in dfab.yaml, with the files that it names read.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use dfab_bundles::{
    Credential, Identity, KeyError, PublicKey, Requirement, Revocations, Role, Signature, Signer,
    SignerId, Trust, TrustedRoot, read_file, signature,
};
use jiff::Timestamp;
use serde::Deserialize;

use crate::failure::Failure;
use crate::project::OneOrMany;

/// How large a list of revocations may be, in bytes.
const LIST_LIMIT: usize = 8 << 20;

/// `trust` in dfab.yaml.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct TrustEntry {
    pub(crate) require: Requirement,
    /// Whose certificates for identities are believed: a file `trusted_root.json` of Sigstore.
    sigstore: Option<PathBuf>,
    signers: Vec<SignerEntry>,
    revoked: OneOrMany<PathBuf>,
}

/// Somebody who may sign, vet or revoke.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct SignerEntry {
    name: String,
    /// A file with the public key, or its text.
    key: Option<String>,
    /// Who they are in certificates, `*` and `?` as in file names.
    identity: Option<String>,
    /// Who says that they are.
    issuer: Option<String>,
    may: Vec<Role>,
    /// Names of bundles and components; a signer may speak for no other.
    #[serde(default, rename = "for")]
    names: Vec<String>,
}

impl TrustEntry {
    /// What the signers are called who can be told from others, and what tells them.
    pub(crate) fn signers(&self, folder: &Path) -> Vec<(String, SignerId)> {
        let named = |entry: &SignerEntry| {
            let id = match entry.proof().ok()? {
                Proof::Key(key) => {
                    SignerId::Key(public_key(key, folder).ok()?.fingerprint().clone())
                }
                Proof::Identity(identity) => SignerId::Identity(identity),
            };
            Some((entry.name.clone(), id))
        };
        self.signers.iter().filter_map(named).collect()
    }

    /// The files that it names, as they are written.
    pub(crate) fn files(&self) -> impl Iterator<Item = PathBuf> {
        let keys = self.signers.iter().filter_map(|entry| entry.key.as_ref());
        let keys = keys.filter(|key| !is_text(key)).map(PathBuf::from);
        keys.chain(self.sigstore.clone())
            .chain(Vec::from(self.revoked.clone()))
    }

    /// Reads keys, the trusted root and lists of revocations; their paths are relative to this folder.
    ///
    /// # Errors
    /// Where one of them cannot be used. Then nothing is trusted.
    pub(crate) fn load(&self, folder: &Path) -> Result<Trust, Failure> {
        let mut trust = Trust {
            require: self.require,
            ..Trust::default()
        };
        let root = self.sigstore.as_ref();
        let root = root.map(|file| trusted_root(&folder.join(file)));
        let root = root.transpose()?;
        for entry in &self.signers {
            trust.signers.push(entry.load(folder, root.as_ref())?);
        }
        for file in Vec::from(self.revoked.clone()) {
            let file = folder.join(file);
            let list = revocations(&file, &trust.signers)?;
            trust.revoked.extend(list);
        }
        Ok(trust)
    }
}

/// What a signer is known by, as dfab.yaml has it.
enum Proof<'a> {
    Key(&'a str),
    Identity(Identity),
}

impl SignerEntry {
    fn proof(&self) -> Result<Proof<'_>, Failure> {
        match (&self.key, &self.identity, &self.issuer) {
            (Some(key), None, None) => Ok(Proof::Key(key)),
            (None, Some(identity), Some(issuer)) => Identity::new(identity, issuer)
                .map(Proof::Identity)
                .map_err(|error| {
                    Failure::usage(format!(
                        "the identity of the signer {} in dfab.yaml cannot be used",
                        self.name
                    ))
                    .because(error)
                }),
            _ => Err(Failure::usage(format!(
                "dfab.yaml does not say what the signer {} is known by",
                self.name
            ))
            .hint("either key: FILE, or both identity: SUBJECT and issuer: URL")),
        }
    }

    fn load(&self, folder: &Path, root: Option<&Arc<TrustedRoot>>) -> Result<Signer, Failure> {
        let credential = match self.proof()? {
            Proof::Key(key) => Credential::Key(public_key(key, folder).map_err(|error| {
                Failure::usage(format!(
                    "the key of the signer {} in dfab.yaml cannot be used",
                    self.name
                ))
                .because(error)
            })?),
            Proof::Identity(identity) => {
                let root = root.ok_or_else(|| {
                    Failure::usage(format!(
                        "dfab.yaml does not say who is believed that somebody is {}",
                        self.name
                    ))
                    .hint("under trust: sigstore: FILE, a trusted_root.json of Sigstore")
                })?;
                Credential::Identity(identity, Arc::clone(root))
            }
        };
        let speaks = self.may.iter().any(|role| *role != Role::Revoke);
        if speaks && self.names.is_empty() {
            return Err(Failure::usage(format!(
                "dfab.yaml does not say for what the signer {} may speak",
                self.name
            ))
            .hint("for: [\"acme-*\"] names bundles and components; for: [\"*\"] means all"));
        }
        Ok(Signer {
            label: self.name.clone(),
            credential,
            may: self.may.iter().copied().collect(),
            names: self.names.clone(),
        })
    }
}

fn is_text(key: &str) -> bool {
    key.trim_start().starts_with("-----BEGIN")
}

fn public_key(key: &str, folder: &Path) -> Result<PublicKey, KeyError> {
    if is_text(key) {
        PublicKey::from_pem(key.as_bytes())
    } else {
        PublicKey::read(&folder.join(key))
    }
}

/// Who is believed that somebody is who they say.
///
/// # Errors
/// Where the file cannot be used.
pub(crate) fn trusted_root(file: &Path) -> Result<Arc<TrustedRoot>, Failure> {
    let read = TrustedRoot::read(file).map_err(|error| {
        Failure::usage("the certificates of signers cannot be checked").because(error)
    })?;
    Ok(Arc::new(read))
}

/// The signatures in the files beside a file: dfab's own, and that which cosign was told to write.
///
/// # Errors
/// Where there is one that cannot be read.
pub(crate) fn signatures_beside(file: &Path) -> Result<Vec<Signature>, Failure> {
    let mut all = Vec::new();
    for extension in [signature::EXTENSION, signature::COSIGN_EXTENSION] {
        let beside = beside(file, extension);
        let text = match read_file(&beside, signature::SIZE_LIMIT) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => {
                return Err(
                    Failure::usage(format!("cannot read {}", beside.display())).because(error)
                );
            }
        };
        all.extend(Signature::read_all(&text).map_err(|error| {
            Failure::usage(format!("{} cannot be used", beside.display())).because(error)
        })?);
    }
    Ok(all)
}

/// The file beside a file whose name has something more at its end.
pub(crate) fn beside(file: &Path, extension: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(extension);
    PathBuf::from(name)
}

fn revocations(file: &Path, signers: &[Signer]) -> Result<Revocations, Failure> {
    let what = || format!("the list of revocations {}", file.display());
    let bytes = read_file(file, LIST_LIMIT)
        .map_err(|error| Failure::usage(format!("cannot read {}", what())).because(error))?;
    let signatures = signatures_beside(file)?;
    Revocations::read(&bytes, &signatures, signers, Timestamp::now()).map_err(|error| {
        Failure::usage(format!("{} cannot be used", what()))
            .because(error)
            .hint("without it nobody knows what must not be used, so no plugin of the project is")
    })
}

#[cfg(test)]
mod tests {
    use dfab_bundles::PrivateKey;

    use super::*;

    fn load(folder: &Path, yaml: &str) -> Result<Trust, String> {
        let entry: TrustEntry = serde_yaml::from_str(yaml).map_err(|error| error.to_string())?;
        let here = format!("{}/", folder.display());
        let trust = entry.load(folder);
        trust.map_err(|failure| failure.to_string().replace(&here, ""))
    }

    #[test]
    fn keys_are_files_or_texts() {
        let folder = tempfile::tempdir().unwrap();
        let key = PrivateKey::generate().unwrap();
        key.write(&folder.path().join("ops"), None).unwrap();
        let pem = String::from_utf8(key.public().pem().unwrap()).unwrap();
        let text = serde_json::to_string(&pem).unwrap();
        let trust = load(
            folder.path(),
            &format!(
                "require: vetted\nsigners:\n- {{name: a, key: ops.pub, may: [sign, vet], for: ['*']}}\n\
                 - {{name: b, key: {text}, may: [revoke]}}\n"
            ),
        )
        .unwrap();
        assert_eq!(trust.require, Requirement::Vetted);
        for signer in &trust.signers {
            let id = SignerId::Key(key.public().fingerprint().clone());
            assert_eq!(signer.credential.id(), id);
        }
        assert_eq!(
            load(folder.path(), "{}").unwrap().require,
            Requirement::Nothing
        );
    }

    #[test]
    fn what_cannot_be_trusted_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let key = PrivateKey::generate().unwrap();
        key.write(&folder.path().join("ops"), None).unwrap();
        std::fs::write(folder.path().join("revoked.txt"), "sha256:12\n").unwrap();
        let told = |yaml: &str| load(folder.path(), yaml).unwrap_err();
        let errors = [
            told("signers: [{name: a, key: ops.pub, may: [sign]}]"),
            told("signers: [{name: a, key: none.pub, may: [sign], for: ['*']}]"),
            told("signers: [{name: a, key: ops, may: [sign], for: ['*']}]"),
            told("signers: [{name: a, key: ops.pub, may: [bless], for: ['*']}]"),
            told("signers: [{name: a, may: [sign], for: ['*']}]"),
            told("signers: [{name: a, identity: a@b, may: [sign], for: ['*']}]"),
            told("signers: [{name: a, key: ops.pub, issuer: x, may: [sign], for: ['*']}]"),
            told("signers: [{name: a, identity: a@b, issuer: https://c, may: [sign], for: ['*']}]"),
            told("signers: [{name: a, identity: a b, issuer: https://c, may: [sign], for: ['*']}]"),
            told("sigstore: none.json"),
            told("sigstore: ops.pub"),
            told("require: sign"),
            told("revoked: revoked.txt"),
            told("revoked: none.txt"),
        ];
        insta::assert_snapshot!(errors.join("\n"), @r#"
        dfab.yaml does not say for what the signer a may speak
          hint: for: ["acme-*"] names bundles and components; for: ["*"] means all
        the key of the signer a in dfab.yaml cannot be used: cannot read the key file none.pub: No such file or directory (os error 2)
        the key of the signer a in dfab.yaml cannot be used: it is no public key (PEM)
        signers[0].may[0]: unknown variant `bless`, expected one of `sign`, `vet`, `revoke` at line 1 column 41
        dfab.yaml does not say what the signer a is known by
          hint: either key: FILE, or both identity: SUBJECT and issuer: URL
        dfab.yaml does not say what the signer a is known by
          hint: either key: FILE, or both identity: SUBJECT and issuer: URL
        dfab.yaml does not say what the signer a is known by
          hint: either key: FILE, or both identity: SUBJECT and issuer: URL
        dfab.yaml does not say who is believed that somebody is a
          hint: under trust: sigstore: FILE, a trusted_root.json of Sigstore
        the identity of the signer a in dfab.yaml cannot be used: `a b via https://c` is no identity with its issuer; such a one is `SUBJECT via ISSUER`, without other spaces
        the certificates of signers cannot be checked: cannot read none.json: No such file or directory (os error 2)
        the certificates of signers cannot be checked: ops.pub is no trusted root of Sigstore (trusted_root.json): failed to parse JSON: invalid number at line 1 column 2
        require: unknown variant `sign`, expected one of `nothing`, `signed`, `vetted` at line 1 column 10
        the list of revocations revoked.txt cannot be used: line 1 cannot be read: `sha256:12` is no digest; a digest is `sha256:` and 64 hexadecimal digits
          hint: without it nobody knows what must not be used, so no plugin of the project is
        cannot read the list of revocations none.txt: No such file or directory (os error 2)
        "#);
    }
}
