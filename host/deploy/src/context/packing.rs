//! Walks a folder and writes what goes into a build to a tar archive.

use std::ffi::OsString;
use std::fs::{File, FileType, Metadata};
use std::io::{self, BufWriter, Read as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use tar::{EntryType, Header};

use super::ContextError;
use super::ignore::{Ignore, Verdict};

/// Mode of what is made here.
const MADE: u32 = 0o644;

/// What goes into an archive.
#[derive(Debug)]
pub(super) struct Rules {
    pub(super) ignore: Ignore,
    /// Files of the archive that are made here, in place of what has their names.
    pub(super) made: Vec<(String, Vec<u8>)>,
}

/// An archive, at its beginning.
#[derive(Debug)]
pub(super) struct Packed {
    pub(super) archive: File,
    pub(super) files: u64,
    pub(super) bytes: u64,
    pub(super) left_out: Vec<PathBuf>,
}

/// An archive that is being written.
pub(super) struct Packing<'a> {
    root: &'a Path,
    rules: &'a Rules,
    archive: tar::Builder<BufWriter<File>>,
    files: u64,
    bytes: u64,
    left_out: Vec<PathBuf>,
}

/// A folder that is being walked through.
struct Folder {
    /// Below the root.
    path: PathBuf,
    verdict: Verdict,
    entries: std::vec::IntoIter<(OsString, FileType)>,
    /// It goes into the archive once something in it does.
    is_waiting: bool,
}

impl<'a> Packing<'a> {
    /// An empty archive.
    pub(super) fn new(root: &'a Path, rules: &'a Rules) -> Result<Self, ContextError> {
        let file = tempfile::tempfile().map_err(|source| ContextError::Write { source })?;
        Ok(Self {
            root,
            rules,
            archive: tar::Builder::new(BufWriter::new(file)),
            files: 0,
            bytes: 0,
            left_out: Vec::new(),
        })
    }

    /// Packs everything, in the order of the names.
    pub(super) fn finish(mut self) -> Result<Packed, ContextError> {
        let root = self.open(PathBuf::new(), Verdict::default(), false)?;
        let mut open = vec![root];
        // A stack of its own: folders may be deeper in each other than calls.
        while let Some(folder) = open.last_mut() {
            let Some((name, kind)) = folder.entries.next() else {
                open.pop();
                continue;
            };
            let path = folder.path.join(name);
            let text = path.to_string_lossy();
            if self.rules.made.iter().any(|(name, _)| *name == text) {
                continue;
            }
            let ignore = &self.rules.ignore;
            let verdict = ignore.judge(&text, &folder.verdict);
            let is_ignored = verdict.is_ignored;
            if is_ignored && !(kind.is_dir() && ignore.may_except_in(&text)) {
                continue;
            }
            if !is_ignored {
                for above in open.iter_mut().filter(|folder| folder.is_waiting) {
                    above.is_waiting = false;
                    self.add(&above.path)?;
                }
                self.add(&path)?;
            }
            if kind.is_dir() {
                open.push(self.open(path, verdict, is_ignored)?);
            }
        }
        for (name, bytes) in &self.rules.made {
            let mut header = header(EntryType::Regular, MADE, 0, bytes.len() as u64);
            let added = self
                .archive
                .append_data(&mut header, name, bytes.as_slice());
            added.map_err(|source| ContextError::Write { source })?;
            self.count(bytes.len() as u64);
        }
        let archive = self.archive.into_inner().and_then(|writer| {
            let flushed = writer.into_inner();
            flushed.map_err(io::IntoInnerError::into_error)
        });
        Ok(Packed {
            archive: archive.map_err(|source| ContextError::Write { source })?,
            files: self.files,
            bytes: self.bytes,
            left_out: self.left_out,
        })
    }

    fn open(
        &self,
        path: PathBuf,
        verdict: Verdict,
        is_waiting: bool,
    ) -> Result<Folder, ContextError> {
        let place = self.root.join(&path);
        let listed = || -> io::Result<Vec<(OsString, FileType)>> {
            let entries = std::fs::read_dir(&place)?.map(|entry| {
                let entry = entry?;
                Ok((entry.file_name(), entry.file_type()?))
            });
            let mut entries = entries.collect::<io::Result<Vec<_>>>()?;
            entries.sort_by(|(one, _), (other, _)| one.cmp(other));
            Ok(entries)
        };
        match listed() {
            Ok(entries) => Ok(Folder {
                path,
                verdict,
                entries: entries.into_iter(),
                is_waiting,
            }),
            Err(source) => Err(ContextError::Folder {
                path: place,
                source,
            }),
        }
    }

    /// Adds what has this path, without what is in it.
    fn add(&mut self, path: &Path) -> Result<(), ContextError> {
        let place = self.root.join(path);
        let failed = |source| ContextError::Pack {
            path: place.clone(),
            source,
        };
        let metadata = place.symlink_metadata().map_err(failed)?;
        let kind = metadata.file_type();
        if kind.is_dir() {
            let mut header = header_of(EntryType::Directory, &metadata, 0);
            let added = self.archive.append_data(&mut header, path, io::empty());
            added.map_err(failed)
        } else if kind.is_symlink() {
            let target = std::fs::read_link(&place).map_err(failed)?;
            let mut header = header_of(EntryType::Symlink, &metadata, 0);
            let added = self.archive.append_link(&mut header, path, target);
            added.map_err(failed)
        } else if kind.is_file() {
            let file = File::open(&place).map_err(failed)?;
            // What is open now, and not what had the name before.
            let metadata = file.metadata().map_err(failed)?;
            let size = metadata.len();
            let mut header = header_of(EntryType::Regular, &metadata, size);
            let mut content = file.take(size);
            let added = self.archive.append_data(&mut header, path, &mut content);
            added.map_err(failed)?;
            if content.limit() > 0 {
                return Err(ContextError::Changed { path: place });
            }
            self.count(size);
            Ok(())
        } else {
            self.left_out.push(path.to_owned());
            Ok(())
        }
    }

    fn count(&mut self, bytes: u64) {
        self.files += 1;
        self.bytes += bytes;
    }
}

fn header_of(kind: EntryType, metadata: &Metadata, size: u64) -> Header {
    // What is older than tar's beginning of time is as old as that.
    let time = metadata.mtime().try_into().unwrap_or(0);
    header(kind, metadata.permissions().mode() & 0o7777, time, size)
}

/// For root, as everything in a context.
fn header(kind: EntryType, mode: u32, time: u64, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(time);
    header.set_size(size);
    header
}
