//! Files of an operator: never read without a limit, never written by halves.

use std::fs::Permissions;
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use bytes::Bytes;

/// Why a file or a folder cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[error("cannot {what} {}", .file.display())]
pub struct FileError {
    /// `read` or `write`.
    pub what: &'static str,
    /// Which.
    pub file: PathBuf,
    /// Why.
    #[source]
    pub source: io::Error,
}

impl FileError {
    pub(crate) fn read(file: &Path, source: io::Error) -> Self {
        Self {
            what: "read",
            file: file.to_owned(),
            source,
        }
    }

    pub(crate) fn write(file: &Path, source: io::Error) -> Self {
        Self {
            what: "write",
            file: file.to_owned(),
            source,
        }
    }
}

/// Reads a file, but not more than so many bytes.
///
/// # Errors
/// Where it cannot be read, is no file, or is larger.
pub fn read_file(path: &Path, limit: usize) -> io::Result<Bytes> {
    // Opening a pipe would wait for a writer.
    if !std::fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    let mut bytes = Vec::new();
    let most = limit as u64 + 1;
    std::fs::File::open(path)?
        .take(most)
        .read_to_end(&mut bytes)?;
    if bytes.len() > limit {
        let reason = format!("it has more than {limit} bytes");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, reason));
    }
    Ok(bytes.into())
}

/// Puts a file in its place at once, for everybody to read.
///
/// # Errors
/// Where it cannot be written; what was there before is there still.
pub fn write_file(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let mut new = tempfile::Builder::new()
        .permissions(Permissions::from_mode(0o644))
        .tempfile_in(folder)?;
    new.write_all(bytes)?;
    new.persist(path)?;
    Ok(())
}
