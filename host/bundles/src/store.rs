//! A folder of artifacts by their digests, with their signatures beside them. What is taken out of it
//! is hashed again.

use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;

use bytes::Bytes;

use crate::archive;
use crate::digest::Digest;
use crate::file::{FileError, read_file, write_file};
use crate::signature::{self, Signature, SignatureError};

/// The folder.
#[derive(Clone, Debug)]
pub struct Store {
    folder: PathBuf,
}

/// Why an artifact is not to be had.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It was never put there.
    #[error("{0} is not on this machine")]
    Missing(Digest),
    /// Somebody has changed it.
    #[error("{} has other bytes than {digest} has; it is not used", .file.display())]
    Changed {
        /// Where.
        file: PathBuf,
        /// What it should have.
        digest: Digest,
    },
    /// The folder or a file cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The signatures beside it cannot be read.
    #[error("the signatures in {} cannot be read", .file.display())]
    Signatures {
        /// Where.
        file: PathBuf,
        /// Why.
        #[source]
        source: SignatureError,
    },
}

impl Store {
    /// The store in a folder, which is made when something is put there.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
        }
    }

    /// Takes an artifact out.
    ///
    /// # Errors
    /// Where it is not there, or not what it was.
    pub fn get(&self, digest: Digest) -> Result<(Bytes, Vec<Signature>), StoreError> {
        let file = self.file(digest);
        let bytes = match read_file(&file, archive::SIZE_LIMIT) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(StoreError::Missing(digest));
            }
            Err(source) => return Err(FileError::read(&file, source).into()),
        };
        if Digest::of(&bytes) != digest {
            return Err(StoreError::Changed { file, digest });
        }
        Ok((bytes, self.signatures(digest)?))
    }

    /// Puts an artifact there; signatures are added to those that are there, the new ones first.
    ///
    /// # Errors
    /// Where that cannot be written.
    pub fn put(&self, bytes: &[u8], signatures: &[Signature]) -> Result<(), StoreError> {
        let failed = |source| FileError::write(&self.folder, source);
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.folder)
            .map_err(failed)?;
        let digest = Digest::of(bytes);
        // Those that cannot be read are not worth keeping.
        let there = self.signatures(digest).unwrap_or_default();
        let mut all: Vec<String> = Vec::new();
        for signature in signatures.iter().chain(&there) {
            let line = format!("{}\n", signature.line());
            if all.len() < signature::COUNT_LIMIT && !all.contains(&line) {
                all.push(line);
            }
        }
        let text = all.concat();
        let write = |file: PathBuf, bytes: &[u8]| {
            write_file(&file, bytes).map_err(|source| FileError::write(&file, source))
        };
        write(self.signature_file(digest), text.as_bytes())?;
        Ok(write(self.file(digest), bytes)?)
    }

    fn signatures(&self, digest: Digest) -> Result<Vec<Signature>, StoreError> {
        let file = self.signature_file(digest);
        let text = match read_file(&file, signature::SIZE_LIMIT) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => return Err(FileError::read(&file, source).into()),
        };
        Signature::read_all(&text).map_err(|source| StoreError::Signatures { file, source })
    }

    fn file(&self, digest: Digest) -> PathBuf {
        self.folder.join(digest.hex())
    }

    fn signature_file(&self, digest: Digest) -> PathBuf {
        self.folder
            .join(format!("{}{}", digest.hex(), signature::EXTENSION))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::PrivateKey;
    use crate::statement::{Claim, Signed};

    #[test]
    fn what_is_put_comes_out_unless_it_was_changed() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(folder.path().join("deep/store"));
        let digest = Digest::of(b"bytes");
        assert!(matches!(store.get(digest), Err(StoreError::Missing(_))));
        let key = PrivateKey::generate().unwrap();
        let claim = Claim::Signed(Signed::default());
        let one = Signature::make(&key, "x", digest, &claim).unwrap();
        store.put(b"bytes", std::slice::from_ref(&one)).unwrap();
        let key = PrivateKey::generate().unwrap();
        let two = Signature::make(&key, "x", digest, &claim).unwrap();
        store.put(b"bytes", &[one, two]).unwrap();
        let (bytes, signatures) = store.get(digest).unwrap();
        assert_eq!((bytes.as_ref(), signatures.len()), (b"bytes".as_slice(), 2));
        std::fs::write(store.file(digest), "other").unwrap();
        assert!(matches!(store.get(digest), Err(StoreError::Changed { .. })));
    }
}
