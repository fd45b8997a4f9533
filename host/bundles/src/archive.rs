//! The bytes of a bundle: a tar archive of which there is exactly one for the same files.
//!
//! It is of the form `ustar`, not compressed. [`MANIFEST`] comes first, the others follow in the order
//! of their names. All are regular files without folders, with mode 0644, owner and time 0. What is
//! read is written again and compared, so an archive of another form, with links, devices, longer
//! names, repeated names, or with anything behind its end, is no bundle, whatever a tar program would
//! make of it.

use std::collections::BTreeMap;
use std::io::{self, Write};

use bytes::Bytes;
use tar::{Archive, Builder, EntryType, Header};

use crate::name::{FileName, NameError};

/// The first file of a bundle.
pub const MANIFEST: &str = "bundle.json";

/// The largest bundle, in bytes.
pub const SIZE_LIMIT: usize = 256 << 20;

/// The most files in a bundle.
pub const FILES_LIMIT: usize = 64;

/// The largest component, in bytes.
pub const COMPONENT_LIMIT: usize = 64 << 20;

/// The largest of the other files, in bytes.
const TEXT_LIMIT: usize = 1 << 20;

/// How gzip, bzip2, xz and zstd begin.
const COMPRESSED: [&[u8]; 4] = [b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd"];

/// The files of a bundle.
pub type Files = BTreeMap<FileName, Bytes>;

/// Why bytes or files are no bundle.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// Larger than what dfab reads.
    #[error("it has {0} bytes, and a bundle may have {SIZE_LIMIT}")]
    TooLarge(usize),
    /// More files than dfab reads.
    #[error("it has more than {FILES_LIMIT} files")]
    TooMany,
    /// One of the files is larger than what dfab reads.
    #[error("{file} has {size} bytes, and may have {limit}")]
    File {
        /// Which file.
        file: FileName,
        /// Its bytes, as the archive tells.
        size: u64,
        /// The most.
        limit: usize,
    },
    /// A name that could lead elsewhere.
    #[error(transparent)]
    Name(#[from] NameError),
    /// A link, a folder, a device.
    #[error("{0} is no regular file; a bundle has nothing else")]
    Kind(String),
    /// No manifest, or not at the beginning.
    #[error("it does not begin with {MANIFEST}")]
    NoManifest,
    /// Compressed.
    #[error("it is compressed; bundles are not")]
    Compressed,
    /// No archive at all.
    #[error("it cannot be read as a tar archive")]
    NotTar(#[source] io::Error),
    /// An archive in another form.
    #[error(
        "it is not in the one form that bundles have (sorted, no times, no owners, nothing behind the \
         end); make it with `dfab bundle pack`"
    )]
    NotCanonical,
}

/// The archive of these files.
///
/// # Errors
/// Where they are too many or too large, or have no manifest.
pub fn encode(files: &Files) -> Result<Bytes, ArchiveError> {
    check(files)?;
    let mut bytes = Vec::new();
    write(files, &mut bytes).map_err(ArchiveError::NotTar)?;
    if bytes.len() > SIZE_LIMIT {
        return Err(ArchiveError::TooLarge(bytes.len()));
    }
    Ok(bytes.into())
}

/// The files of an archive; they share its bytes.
///
/// # Errors
/// Where it is not exactly what [`encode`] would make.
pub fn decode(bytes: &Bytes) -> Result<Files, ArchiveError> {
    if bytes.len() > SIZE_LIMIT {
        return Err(ArchiveError::TooLarge(bytes.len()));
    }
    if COMPRESSED.iter().any(|magic| bytes.starts_with(magic)) {
        return Err(ArchiveError::Compressed);
    }
    let mut files = Files::new();
    let mut archive = Archive::new(bytes.as_ref());
    for entry in archive.entries().map_err(ArchiveError::NotTar)?.raw(true) {
        let entry = entry.map_err(ArchiveError::NotTar)?;
        let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        if entry.header().entry_type() != EntryType::Regular {
            return Err(ArchiveError::Kind(crate::name::shown(&path)));
        }
        let file: FileName = path.parse()?;
        if files.is_empty() && file.as_str() != MANIFEST {
            return Err(ArchiveError::NoManifest);
        }
        if files.len() == FILES_LIMIT {
            return Err(ArchiveError::TooMany);
        }
        let size = entry.header().entry_size().map_err(ArchiveError::NotTar)?;
        check_size(&file, size)?;
        let from = usize::try_from(entry.raw_file_position()).unwrap_or(usize::MAX);
        let to = usize::try_from(size)
            .unwrap_or(usize::MAX)
            .saturating_add(from);
        if to > bytes.len() {
            return Err(ArchiveError::NotTar(io::ErrorKind::UnexpectedEof.into()));
        }
        // A repeated name is not written twice, and so found by the comparison.
        files.insert(file, bytes.slice(from..to));
    }
    check(&files)?;
    let mut rest = Compared(Some(bytes.as_ref()));
    write(&files, &mut rest).map_err(ArchiveError::NotTar)?;
    if rest.0.is_some_and(<[u8]>::is_empty) {
        Ok(files)
    } else {
        Err(ArchiveError::NotCanonical)
    }
}

fn check(files: &Files) -> Result<(), ArchiveError> {
    if files.len() > FILES_LIMIT {
        return Err(ArchiveError::TooMany);
    }
    for (file, bytes) in files {
        check_size(file, bytes.len() as u64)?;
    }
    let has_manifest = files.keys().any(|file| file.as_str() == MANIFEST);
    if has_manifest {
        Ok(())
    } else {
        Err(ArchiveError::NoManifest)
    }
}

fn check_size(file: &FileName, size: u64) -> Result<(), ArchiveError> {
    let limit = limit(file);
    if size > limit as u64 {
        return Err(ArchiveError::File {
            file: file.clone(),
            size,
            limit,
        });
    }
    Ok(())
}

/// How large a file of that name may be.
pub(crate) fn limit(file: &FileName) -> usize {
    if file.is_component() {
        COMPONENT_LIMIT
    } else {
        TEXT_LIMIT
    }
}

fn write(files: &Files, target: impl Write) -> io::Result<()> {
    let mut builder = Builder::new(target);
    let is_manifest = |file: &FileName| file.as_str() == MANIFEST;
    let first = files.iter().filter(|(file, _)| is_manifest(file));
    let others = files.iter().filter(|(file, _)| !is_manifest(file));
    for (file, bytes) in first.chain(others) {
        let mut header = Header::new_ustar();
        header.set_entry_type(EntryType::Regular);
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_size(bytes.len() as u64);
        builder.append_data(&mut header, file.as_str(), bytes.as_ref())?;
    }
    builder.into_inner()?.flush()
}

/// Compares what is written with bytes: what is left of them, or none once something was different.
struct Compared<'a>(Option<&'a [u8]>);

impl Write for Compared<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self.0.and_then(|rest| rest.strip_prefix(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn files(named: &[(&str, &[u8])]) -> Files {
        named
            .iter()
            .map(|(name, bytes)| (name.parse().unwrap(), Bytes::copy_from_slice(bytes)))
            .collect()
    }

    fn archive(build: impl FnOnce(&mut Builder<Vec<u8>>)) -> Bytes {
        let mut builder = Builder::new(Vec::new());
        build(&mut builder);
        builder.into_inner().unwrap().into()
    }

    fn entry(kind: EntryType, path: &[u8], bytes: &[u8], builder: &mut Builder<Vec<u8>>) {
        let mut header = Header::new_ustar();
        header.set_entry_type(kind);
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_size(bytes.len() as u64);
        // Past the crate's own care for paths.
        header.as_mut_bytes()[..path.len()].copy_from_slice(path);
        header.set_cksum();
        builder.append(&header, bytes).unwrap();
    }

    #[test]
    fn the_form_is_fixed() {
        let bytes = encode(&files(&[
            ("a.wasm", b"\0asm"),
            (MANIFEST, b"{}"),
            ("README.md", b"x"),
        ]))
        .unwrap();
        // Two blocks for each file, and two at the end: another number means another form.
        assert_eq!(bytes.len(), 8 * 512);
        assert_eq!(
            crate::Digest::of(&bytes).to_string(),
            "sha256:3faba93f9c49939ed6957f42f26c9ff7685f71354409613f9e6ea82b9cd09eb0"
        );
        let names: Vec<_> = decode(&bytes)
            .unwrap()
            .into_keys()
            .map(String::from)
            .collect();
        assert_eq!(names, ["README.md", "a.wasm", "bundle.json"]);
    }

    #[test]
    fn paths_that_lead_out_are_refused() {
        for path in ["../evil", "/etc/passwd", "a/b", "..", "bundle.json/../x"] {
            let bytes = archive(|builder| {
                entry(EntryType::Regular, MANIFEST.as_bytes(), b"{}", builder);
                entry(EntryType::Regular, path.as_bytes(), b"x", builder);
            });
            assert!(
                matches!(decode(&bytes), Err(ArchiveError::Name(_))),
                "{path}"
            );
        }
    }

    #[test]
    fn nothing_but_files() {
        for kind in [
            EntryType::Symlink,
            EntryType::Link,
            EntryType::Directory,
            EntryType::Fifo,
            EntryType::Char,
            EntryType::GNULongName,
            EntryType::XHeader,
            EntryType::GNUSparse,
        ] {
            let bytes = archive(|builder| {
                entry(EntryType::Regular, MANIFEST.as_bytes(), b"{}", builder);
                entry(kind, b"x", b"", builder);
            });
            assert!(
                matches!(decode(&bytes), Err(ArchiveError::Kind(_))),
                "{kind:?}"
            );
        }
    }

    #[test]
    fn other_forms_are_refused() {
        let good = encode(&files(&[(MANIFEST, b"{}"), ("a", b"1"), ("b", b"2")])).unwrap();
        let longer = Bytes::from([good.as_ref(), &[0; 512]].concat());
        assert!(matches!(decode(&longer), Err(ArchiveError::NotCanonical)));
        let twice = archive(|builder| {
            entry(EntryType::Regular, MANIFEST.as_bytes(), b"{}", builder);
            entry(EntryType::Regular, b"a", b"1", builder);
            entry(EntryType::Regular, b"a", b"2", builder);
        });
        assert!(matches!(decode(&twice), Err(ArchiveError::NotCanonical)));
        let unsorted = archive(|builder| {
            entry(EntryType::Regular, MANIFEST.as_bytes(), b"{}", builder);
            entry(EntryType::Regular, b"b", b"1", builder);
            entry(EntryType::Regular, b"a", b"2", builder);
        });
        assert!(matches!(decode(&unsorted), Err(ArchiveError::NotCanonical)));
        let late = archive(|builder| {
            entry(EntryType::Regular, b"a", b"1", builder);
            entry(EntryType::Regular, MANIFEST.as_bytes(), b"{}", builder);
        });
        assert!(matches!(decode(&late), Err(ArchiveError::NoManifest)));
        assert!(matches!(
            decode(&Bytes::new()),
            Err(ArchiveError::NoManifest)
        ));
        assert!(matches!(
            decode(&Bytes::from_static(b"\x1f\x8b\x08")),
            Err(ArchiveError::Compressed)
        ));
    }

    #[test]
    fn sizes_are_told_before_anything_is_read() {
        let mut header = Header::new_ustar();
        header.set_entry_type(EntryType::Regular);
        header.set_path(MANIFEST).unwrap();
        header.set_size(u64::MAX >> 2);
        header.set_cksum();
        let bytes = Bytes::copy_from_slice(header.as_bytes());
        assert!(matches!(decode(&bytes), Err(ArchiveError::File { .. })));
        let many = archive(|builder| {
            entry(EntryType::Regular, MANIFEST.as_bytes(), b"{}", builder);
            for number in 0..FILES_LIMIT {
                entry(
                    EntryType::Regular,
                    format!("f{number}").as_bytes(),
                    b"",
                    builder,
                );
            }
        });
        assert!(matches!(decode(&many), Err(ArchiveError::TooMany)));
        assert!(matches!(
            decode(&Bytes::from(vec![0; SIZE_LIMIT + 1])),
            Err(ArchiveError::TooLarge(_))
        ));
    }

    proptest! {
        #[test]
        fn what_is_packed_comes_out(
            contents in prop::collection::btree_map("[a-zA-Z0-9][a-zA-Z0-9._-]{0,99}", prop::collection::vec(any::<u8>(), 0..2000), 0..8)
        ) {
            let mut wanted = files(&[(MANIFEST, b"{}")]);
            wanted.extend(contents.into_iter().map(|(name, bytes)| (name.parse().unwrap(), bytes.into())));
            let bytes = encode(&wanted).unwrap();
            prop_assert_eq!(&decode(&bytes).unwrap(), &wanted);
            prop_assert_eq!(encode(&wanted).unwrap(), bytes);
        }

        #[test]
        fn one_changed_byte_is_another_bundle_or_none(at in any::<prop::sample::Index>(), flip in 1_u8..) {
            let bytes = encode(&files(&[(MANIFEST, b"{}"), ("a.wasm", b"\0asm123")])).unwrap();
            let mut changed = bytes.to_vec();
            let at = at.index(changed.len());
            changed[at] ^= flip;
            if let Ok(files) = decode(&changed.clone().into()) {
                prop_assert_ne!(&files, &decode(&bytes).unwrap());
                prop_assert_eq!(encode(&files).unwrap(), Bytes::from(changed));
            }
        }

        #[test]
        fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..3000)) {
            let _ = decode(&bytes.into());
        }
    }
}
