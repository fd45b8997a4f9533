//! Keys that are no host's any more: the file that `RevokedHostKeys` names, with one public key a line, or
//! a binary list.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::certificate::Certificate;
use crate::krl::{self, Krl};
use crate::wire::key_type;

/// Why nobody can say which keys are revoked. No host is trusted then, as in OpenSSH.
#[derive(Debug, thiserror::Error)]
pub enum RevokedKeysError {
    /// The file is not to be read.
    #[error(
        "RevokedHostKeys names {}, which cannot be read, so that no key of a host is trusted; make it \
         readable, or take the option away",
        .file.display()
    )]
    Read {
        /// The file.
        file: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file has the binary form of ssh-keygen, and is garbled or newer.
    #[error(
        "RevokedHostKeys names {}, a binary revocation list (KRL) that cannot be read to its end, so that \
         no key of a host is trusted; make it anew with ssh-keygen -k, or name a file with the revoked \
         public keys, one a line",
        .0.display()
    )]
    Binary(PathBuf),
    /// A line is no key.
    #[error(
        "RevokedHostKeys names {}, and its line {line} is no public key, so that no key of a host is \
         trusted; a line is as in .pub files",
        .file.display()
    )]
    Line {
        /// The file.
        file: PathBuf,
        /// The line, from 1.
        line: usize,
    },
}

/// Where the file revokes this key, or the certificate that it comes with.
pub(crate) fn find(
    file: &Path,
    key: &[u8],
    certificate: Option<&Certificate<'_>>,
) -> Result<Option<String>, RevokedKeysError> {
    let bytes = std::fs::read(file).map_err(|source| RevokedKeysError::Read {
        file: file.to_owned(),
        source,
    })?;
    if bytes.starts_with(krl::MAGIC) {
        let krl = Krl::read(&bytes).ok_or_else(|| RevokedKeysError::Binary(file.to_owned()))?;
        let is_revoked = krl.revokes(key, certificate);
        return Ok(is_revoked.then(|| file.display().to_string()));
    }
    let text = String::from_utf8_lossy(&bytes);
    let mut found = None;
    // All lines are read: one that is no key may have been meant for this one.
    for (line, number) in text.lines().zip(1..) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let revoked = read(line).ok_or_else(|| RevokedKeysError::Line {
            file: file.to_owned(),
            line: number,
        })?;
        if found.is_none() && revoked == key {
            found = Some(number);
        }
    }
    Ok(found.map(|line| format!("{}:{line}", file.display())))
}

/// The key of a line; of a certificate the key that is certified.
fn read(line: &str) -> Option<Vec<u8>> {
    let mut fields = line.split_ascii_whitespace();
    let kind = fields.next()?;
    let key = STANDARD.decode(fields.next()?).ok()?;
    if key_type(&key) != Some(kind) {
        return None;
    }
    Some(match Certificate::read(&key) {
        Some(certificate) => certificate.key,
        None => key,
    })
}
