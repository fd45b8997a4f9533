//! Private keys in files, and what can be told of them without a passphrase.

use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::certificate::Certificate;
use crate::wire::Reader;

/// A file that is named as a key, and exists.
#[derive(Debug)]
pub(super) struct KeyFile {
    pub(super) file: PathBuf,
    /// The private key; none where the file has a public one, whose private key an agent has.
    pub(super) private: Option<String>,
    pub(super) is_encrypted: bool,
    /// Whether others may read the private key, which is this user's: then it is a secret no more.
    pub(super) is_exposed: bool,
    /// Type and key, where they are known.
    pub(super) public: Option<Vec<u8>>,
    /// Lines with certificates of the key, with the files that they are from.
    pub(super) certificates: Vec<(PathBuf, String)>,
}

impl KeyFile {
    /// Reads a key file, and finds its certificates: the one beside it, and those of `others` that
    /// are about the same key.
    pub(super) fn read(file: &Path, others: &[PathBuf]) -> io::Result<Self> {
        let private = match std::fs::read_to_string(file) {
            Ok(text) => Some(text),
            // A public key without its private one tells which key of an agent is meant.
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        let private = private.filter(|text| text.contains("PRIVATE KEY"));
        let beside = public_in(&with_suffix(file, ".pub"));
        let public = private
            .as_deref()
            .and_then(public_half)
            .or(beside)
            .or_else(|| public_in(file));
        if private.is_none() && public.is_none() {
            return Err(io::Error::new(
                if file.exists() {
                    io::ErrorKind::InvalidData
                } else {
                    io::ErrorKind::NotFound
                },
                "there is no key in it",
            ));
        }
        let named = with_suffix(file, "-cert.pub");
        let certificates = std::iter::once(&named)
            .chain(others.iter().filter(|other| **other != named))
            .filter_map(|file| {
                let line = std::fs::read_to_string(file).ok()?;
                let blob = key_in(&line)?;
                let of_this = Certificate::read(&blob)?.key;
                let matches = public.as_ref().is_none_or(|public| *public == of_this);
                // Where the public half is not known, only the name says what belongs together.
                (matches && (public.is_some() || *file == named)).then(|| (file.clone(), line))
            })
            .collect();
        Ok(Self {
            file: file.to_owned(),
            is_encrypted: private.as_deref().is_some_and(is_encrypted),
            is_exposed: private.is_some() && is_exposed(&std::fs::metadata(file)?),
            private,
            public,
            certificates,
        })
    }

    /// The keys by which an agent may name this one: with each certificate, and without.
    pub(super) fn blobs(&self) -> Vec<Vec<u8>> {
        let certificates = self.certificates.iter();
        let certified = certificates.filter_map(|(_, line)| key_in(line));
        certified.chain(self.public.clone()).collect()
    }
}

/// As OpenSSH looks at it: what is another user's may be meant for several.
fn is_exposed(file: &Metadata) -> bool {
    file.uid() == rustix::process::getuid().as_raw() && file.mode() & 0o077 != 0
}

fn with_suffix(file: &Path, suffix: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// The key in a file with one public key.
fn public_in(file: &Path) -> Option<Vec<u8>> {
    key_in(&std::fs::read_to_string(file).ok()?)
}

/// A key as lines have it.
pub(super) fn encoded(key: &[u8]) -> String {
    STANDARD.encode(key)
}

/// The key in a line `TYPE KEY COMMENT`.
pub(super) fn key_in(line: &str) -> Option<Vec<u8>> {
    let mut fields = line.split_whitespace();
    let kind = fields.next()?;
    let key = STANDARD.decode(fields.next()?).ok()?;
    (crate::wire::key_type(&key) == Some(kind)).then_some(key)
}

/// The head of a private key in OpenSSH's own format: name of the cipher and public key, which are
/// never encrypted (PROTOCOL.key).
fn head(text: &str) -> Option<(String, Vec<u8>)> {
    let body = text
        .split_once("-----BEGIN OPENSSH PRIVATE KEY-----")?
        .1
        .split_once("-----END")?
        .0;
    let body: String = body.split_whitespace().collect();
    let bytes = STANDARD.decode(body).ok()?;
    let mut reader = Reader(bytes.strip_prefix(b"openssh-key-v1\0")?);
    let cipher = reader.text()?.to_owned();
    reader.string()?; // how the cipher's key is made
    reader.string()?; // with what
    reader.u32()?; // the number of keys, always one
    Some((cipher, reader.string()?.to_vec()))
}

fn public_half(text: &str) -> Option<Vec<u8>> {
    head(text).map(|(_, public)| public)
}

/// Whether a private key needs a passphrase. PEM says so in its head.
fn is_encrypted(text: &str) -> bool {
    match head(text) {
        Some((cipher, _)) => cipher != "none",
        None => text.contains("ENCRYPTED"),
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    fn keygen(folder: &Path, arguments: &[&str]) {
        let mut command = Command::new("ssh-keygen");
        let status = command
            .current_dir(folder)
            .arg("-q")
            .args(arguments)
            .status();
        assert!(status.unwrap().success());
    }

    #[test]
    fn keys_tell_what_they_are_without_their_passphrase() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let key = |name: &str| KeyFile::read(&folder.join(name), &[]).unwrap();
        keygen(folder, &["-t", "ed25519", "-N", "", "-f", "plain"]);
        keygen(folder, &["-t", "ed25519", "-N", "secret", "-f", "closed"]);
        keygen(
            folder,
            &["-t", "rsa", "-m", "PEM", "-N", "secret", "-f", "pem"],
        );
        keygen(
            folder,
            &["-t", "rsa", "-m", "PKCS8", "-N", "secret", "-f", "pkcs8"],
        );
        assert!(!key("plain").is_encrypted);
        for name in ["closed", "pem", "pkcs8"] {
            assert!(key(name).is_encrypted, "{name}");
        }
        let public = public_in(&folder.join("closed.pub"));
        std::fs::remove_file(folder.join("closed.pub")).unwrap();
        assert_eq!(key("closed").public, public);
        // Only the public half is here.
        std::fs::remove_file(folder.join("plain")).unwrap();
        assert!(key("plain").private.is_none() && key("plain.pub").private.is_none());
        assert_eq!(key("plain").public, key("plain.pub").public);
        assert!(KeyFile::read(&folder.join("none"), &[]).is_err());
    }

    #[test]
    fn a_private_key_that_others_may_read_is_exposed() {
        use std::fs::{Permissions, set_permissions};
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        keygen(folder.path(), &["-t", "ed25519", "-N", "", "-f", "key"]);
        for (name, mode, is_exposed) in [
            ("key", 0o600, false),
            ("key", 0o400, false),
            ("key", 0o640, true),
            ("key", 0o604, true),
            ("key.pub", 0o644, false),
        ] {
            let file = folder.path().join(name);
            set_permissions(&file, Permissions::from_mode(mode)).unwrap();
            let key = KeyFile::read(&file, &[]).unwrap();
            assert_eq!(key.is_exposed, is_exposed, "{name} {mode:o}");
            // An agent may have it all the same.
            assert!(key.public.is_some());
        }
    }

    #[test]
    fn certificates_go_to_their_keys() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        for name in ["authority", "a", "b"] {
            keygen(folder, &["-t", "ed25519", "-N", "", "-f", name]);
        }
        keygen(
            folder,
            &["-s", "authority", "-I", "x", "-n", "me", "a.pub", "b.pub"],
        );
        std::fs::rename(folder.join("b-cert.pub"), folder.join("other.pub")).unwrap();
        let others = [folder.join("a-cert.pub"), folder.join("other.pub")];
        let of = |name: &str| {
            let key = KeyFile::read(&folder.join(name), &others).unwrap();
            assert_eq!(key.blobs().len(), 2);
            let files = key.certificates.into_iter().map(|(file, _)| file);
            files.collect::<Vec<_>>()
        };
        assert_eq!(of("a"), [folder.join("a-cert.pub")]);
        assert_eq!(of("b"), [folder.join("other.pub")]);
    }
}
