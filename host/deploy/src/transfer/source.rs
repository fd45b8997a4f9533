//! What is read of this machine: a file as it is, or packed.

use std::fs::File;
use std::io::{self, BufWriter};
use std::path::Path;

use cap_fs_ext::{DirExt as _, FollowSymlinks, OpenOptionsFollowExt as _};
use cap_std::fs::{Dir, OpenOptions};
use tar::{Builder, EntryType, Header};

use super::in_thread;
use super::pipe::Writer;
use super::place::{Opened, Place};

/// Sends a file as it is.
pub(super) async fn send_file(place: Place, mut writer: Writer) -> io::Result<()> {
    in_thread(move || {
        let Opened::File(mut file, _) = place.open()? else {
            return Err(io::ErrorKind::IsADirectory.into());
        };
        io::copy(&mut file, &mut writer)?;
        writer.finish()
    })
    .await
}

/// Sends an archive of a file, or of what is in a folder. As with `docker cp`, all of it is root's.
pub(super) async fn send_packed(place: Place, writer: Writer) -> io::Result<()> {
    in_thread(move || {
        let mut builder = Builder::new(BufWriter::with_capacity(64 << 10, writer));
        match place.open()? {
            Opened::File(file, name) => add_file(&mut builder, file, &name)?,
            Opened::Folder(folder) => add_contents(&mut builder, &folder, Path::new(""))?,
        }
        let out = builder.into_inner()?;
        let writer = out.into_inner().map_err(io::IntoInnerError::into_error)?;
        writer.finish()
    })
    .await
}

/// An archive of what is in a folder, in a file without a name that is read from its beginning.
pub(super) async fn packed(place: Place) -> io::Result<File> {
    in_thread(move || {
        let Opened::Folder(folder) = place.open()? else {
            return Err(io::ErrorKind::NotADirectory.into());
        };
        let mut builder = Builder::new(BufWriter::new(tempfile::tempfile()?));
        add_contents(&mut builder, &folder, Path::new(""))?;
        let out = builder.into_inner()?;
        out.into_inner().map_err(io::IntoInnerError::into_error)
    })
    .await
}

fn add_contents<W: io::Write>(
    builder: &mut Builder<W>,
    folder: &Dir,
    path: &Path,
) -> io::Result<()> {
    let mut names = folder
        .entries()?
        .map(|entry| Ok(entry?.file_name()))
        .collect::<io::Result<Vec<_>>>()?;
    names.sort();
    for name in names {
        let path = path.join(&name);
        let found = folder.symlink_metadata(&name)?;
        if found.is_dir() {
            let inner = folder.open_dir_nofollow(&name)?;
            let metadata = inner.try_clone()?.into_std_file().metadata()?;
            let mut header = header(&metadata, EntryType::Directory, 0);
            builder.append_data(&mut header, &path, io::empty())?;
            add_contents(builder, &inner, &path)?;
        } else if found.is_symlink() {
            let mut header = Header::new_gnu();
            header.set_entry_type(EntryType::Symlink);
            header.set_mode(0o777);
            header.set_size(0);
            builder.append_link(&mut header, &path, folder.read_link_contents(&name)?)?;
        } else if found.is_file() {
            let mut options = OpenOptions::new();
            options.read(true).follow(FollowSymlinks::No);
            let file = folder.open_with(&name, &options)?;
            add_file(builder, file.into_std(), &path)?;
        }
    }
    Ok(())
}

fn add_file<W: io::Write>(builder: &mut Builder<W>, file: File, path: &Path) -> io::Result<()> {
    let metadata = file.metadata()?;
    let mut header = header(&metadata, EntryType::Regular, metadata.len());
    // One that grows meanwhile is taken as long as it was.
    builder.append_data(&mut header, path, io::Read::take(file, metadata.len()))
}

fn header(metadata: &std::fs::Metadata, kind: EntryType, size: u64) -> Header {
    use std::os::unix::fs::MetadataExt as _;
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(metadata.mode() & 0o7777);
    header.set_mtime(metadata.mtime().try_into().unwrap_or(0));
    header.set_size(size);
    header
}
