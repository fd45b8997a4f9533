//! Files and folders of this machine that bytes come from or go to.
//!
//! Below the root, which the operator named, nothing on the way is a symbolic link: a path leads to
//! where it says.

use std::ffi::OsStr;
use std::fmt;
use std::io;
use std::path::{Component, Path, PathBuf};

use cap_fs_ext::{DirExt as _, FollowSymlinks, OpenOptionsFollowExt as _};
use cap_std::ambient_authority;
use cap_std::fs::{Dir, File, OpenOptions};
use cap_tempfile::TempFile;

/// A file or a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    root: PathBuf,
    below: PathBuf,
}

impl Place {
    /// What is at a path below a root; the root itself, where the path is empty.
    #[must_use]
    pub fn new(root: PathBuf, below: PathBuf) -> Self {
        let root = if root.as_os_str().is_empty() {
            PathBuf::from(".")
        } else {
            root
        };
        Self { root, below }
    }

    /// The same, in a folder of that name beside it.
    #[must_use]
    pub fn in_folder(&self, name: &str) -> Self {
        let within = |path: &Path| match (path.parent(), path.file_name()) {
            (Some(folder), Some(last)) => Some(folder.join(name).join(last)),
            _ => None,
        };
        match (within(&self.below), within(&self.root)) {
            (Some(below), _) => Self::new(self.root.clone(), below),
            (None, Some(root)) => Self::new(root, PathBuf::new()),
            (None, None) => self.below(name),
        }
    }

    /// What is below it.
    #[must_use]
    pub fn below(&self, name: &str) -> Self {
        Self::new(self.root.clone(), self.below.join(name))
    }

    /// What there is to read: a file, or the contents of a folder.
    pub(crate) fn open(&self) -> io::Result<Opened> {
        let Some(name) = self.below.file_name() else {
            // The operator may name a link, a component may not.
            if self.root.is_dir() {
                return Dir::open_ambient_dir(&self.root, ambient_authority()).map(Opened::Folder);
            }
            let file = File::open_ambient(&self.root, ambient_authority())?;
            let name = self.root.file_name().unwrap_or_default();
            return Ok(Opened::File(file.into_std(), name.into()));
        };
        let root = Dir::open_ambient_dir(&self.root, ambient_authority())?;
        let folder = walk(root, parent(&self.below), false)?;
        match folder.symlink_metadata(name)? {
            found if found.is_dir() => folder.open_dir_nofollow(name).map(Opened::Folder),
            found if found.is_symlink() => Err(is_link(name)),
            _ => {
                let mut options = OpenOptions::new();
                options.read(true).follow(FollowSymlinks::No);
                let file = folder.open_with(name, &options)?;
                Ok(Opened::File(file.into_std(), name.into()))
            }
        }
    }

    /// The folder, made with all on the way where it is missing.
    pub(crate) fn make_folder(&self) -> io::Result<Dir> {
        std::fs::create_dir_all(&self.root)?;
        let root = Dir::open_ambient_dir(&self.root, ambient_authority())?;
        walk(root, &self.below, true)
    }

    /// Makes the file with what is written, or nothing where the writing fails. The folder is made
    /// where it is missing.
    pub(crate) fn write<T>(
        &self,
        write: impl FnOnce(&mut std::fs::File) -> io::Result<T>,
    ) -> io::Result<T> {
        let in_root = self.below.as_os_str().is_empty();
        let path = if in_root { &self.root } else { &self.below };
        let name = path.file_name();
        let name = name.ok_or_else(|| io::Error::from(io::ErrorKind::IsADirectory))?;
        let folder = if in_root {
            Self::new(parent(path).to_owned(), PathBuf::new())
        } else {
            Self::new(self.root.clone(), parent(path).to_owned())
        };
        let folder = folder.make_folder()?;
        if folder.metadata(name).is_ok_and(|found| found.is_dir()) {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        let temporary = TempFile::new(&folder)?;
        let mut file = temporary.as_file().try_clone()?.into_std();
        let written = write(&mut file)?;
        temporary.replace(name)?;
        Ok(written)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = match (self.root.as_path(), self.below.as_os_str().is_empty()) {
            (root, true) => root.to_owned(),
            (root, false) if root == Path::new(".") => self.below.clone(),
            (root, false) => root.join(&self.below),
        };
        write!(f, "{}", path.display())
    }
}

/// What is read.
#[derive(Debug)]
pub(crate) enum Opened {
    /// A file, and its name.
    File(std::fs::File, PathBuf),
    Folder(Dir),
}

fn parent(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new(""))
}

/// Goes down name by name, through folders only.
fn walk(root: Dir, path: &Path, make: bool) -> io::Result<Dir> {
    let mut folder = root;
    for part in path.components() {
        let Component::Normal(name) = part else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        folder = match folder.symlink_metadata(name) {
            Ok(found) if found.is_symlink() => return Err(is_link(name)),
            Err(error) if error.kind() == io::ErrorKind::NotFound && make => {
                folder.create_dir(name)?;
                folder.open_dir_nofollow(name)?
            }
            // Who puts a link there meanwhile gains nothing.
            _ => folder.open_dir_nofollow(name)?,
        };
    }
    Ok(folder)
}

fn is_link(name: impl AsRef<OsStr>) -> io::Error {
    let name = name.as_ref().display();
    io::Error::other(format!("{name} is a symbolic link"))
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::os::unix::fs::symlink;

    use super::*;

    fn read(place: &Place) -> io::Result<String> {
        match place.open()? {
            Opened::File(mut file, _) => {
                let mut text = String::new();
                file.read_to_string(&mut text)?;
                Ok(text)
            }
            Opened::Folder(folder) => {
                let mut names: Vec<_> = folder
                    .entries()?
                    .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
                    .collect::<io::Result<_>>()?;
                names.sort();
                Ok(names.join(" "))
            }
        }
    }

    #[test]
    fn below_the_root_no_link_is_followed() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("project");
        std::fs::create_dir_all(root.join("in")).unwrap();
        std::fs::write(folder.path().join("secret"), "s").unwrap();
        std::fs::write(root.join("in/file"), "f").unwrap();
        symlink("../../secret", root.join("in/link")).unwrap();
        symlink("in", root.join("other")).unwrap();
        symlink(folder.path(), root.join("out")).unwrap();
        let place = |below: &str| Place::new(root.clone(), below.into());
        assert_eq!(read(&place("in/file")).unwrap(), "f");
        assert_eq!(read(&place("in")).unwrap(), "file link");
        for path in ["in/link", "other/file", "out/secret", "in/../in/file"] {
            assert!(read(&place(path)).is_err(), "{path}");
        }
        let write = |path: &str| place(path).write(|file| file.write_all(b"x"));
        for path in ["other/new", "out/secret", "../secret"] {
            assert!(write(path).is_err(), "{path}");
        }
        write("new/a/b").unwrap();
        assert_eq!(read(&place("new/a/b")).unwrap(), "x");
        // A link that is in the place of the file makes way for it.
        write("in/link").unwrap();
        assert_eq!(read(&place("in/link")).unwrap(), "x");
        assert_eq!(std::fs::read(folder.path().join("secret")).unwrap(), b"s");
        assert!(place("out/made").make_folder().is_err());
        assert!(place("made/x").make_folder().is_ok());
    }

    /// Somebody puts a link in the place of a folder, and the folder back, as fast as possible.
    #[test]
    fn a_folder_that_becomes_a_link_leads_nowhere() {
        use std::sync::Arc;
        use std::sync::atomic::{AtomicBool, Ordering};
        let base = tempfile::tempdir().unwrap();
        let (root, outside) = (base.path().join("project"), base.path().join("outside"));
        std::fs::create_dir_all(root.join("real")).unwrap();
        std::fs::create_dir(&outside).unwrap();
        std::fs::write(outside.join("file"), "secret").unwrap();
        std::fs::write(root.join("real/file"), "plain").unwrap();
        symlink(&outside, root.join("link")).unwrap();
        let is_over = Arc::new(AtomicBool::new(false));
        let swapping = {
            let (root, is_over) = (root.clone(), Arc::clone(&is_over));
            std::thread::spawn(move || {
                let (shown, real, link) =
                    (root.join("shown"), root.join("real"), root.join("link"));
                while !is_over.load(Ordering::Relaxed) {
                    for there in [&real, &link] {
                        // A folder that was made for what is written makes way.
                        while std::fs::rename(there, &shown).is_err() {
                            let _ = std::fs::remove_dir_all(&shown);
                        }
                        std::thread::yield_now();
                        std::fs::rename(&shown, there).unwrap();
                    }
                }
            })
        };
        // What is not there is an error too, and no refusal.
        let is_refusal = |error: &io::Error| {
            error.kind() == io::ErrorKind::NotADirectory
                || error.to_string().contains("is a symbolic link")
        };
        let (mut read_plain, mut read_refused) = (0, 0);
        let (mut written, mut write_refused) = (0, 0);
        for turn in 0..200_000 {
            match read(&Place::new(root.clone(), "shown/file".into())) {
                Ok(text) => {
                    assert_eq!(text, "plain");
                    read_plain += 1;
                }
                Err(error) => read_refused += u32::from(is_refusal(&error)),
            }
            let place = Place::new(root.clone(), "shown/new".into());
            match place.write(|file| file.write_all(b"x")) {
                Ok(()) => written += 1,
                Err(error) => write_refused += u32::from(is_refusal(&error)),
            }
            let counts = [read_plain, read_refused, written, write_refused];
            if turn > 2000 && counts.iter().all(|count| *count > 0) {
                break;
            }
        }
        is_over.store(true, Ordering::Relaxed);
        swapping.join().unwrap();
        assert_eq!(
            std::fs::read_dir(&outside).unwrap().count(),
            1,
            "it was left"
        );
        assert_eq!(std::fs::read(outside.join("file")).unwrap(), b"secret");
        assert!(read_plain > 0 && written > 0, "nothing got through");
        assert!(
            read_refused > 0 && write_refused > 0,
            "nobody was in the way"
        );
    }

    #[test]
    fn what_the_operator_names_may_be_a_link() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("file"), "f").unwrap();
        symlink("file", folder.path().join("link")).unwrap();
        symlink(".", folder.path().join("here")).unwrap();
        let place = |name: &str| Place::new(folder.path().join(name), PathBuf::new());
        assert_eq!(read(&place("link")).unwrap(), "f");
        assert_eq!(read(&place("here")).unwrap(), "file here link");
        assert_eq!(read(&place("here").below("file")).unwrap(), "f");
    }

    #[test]
    fn a_file_is_there_once_it_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let place = Place::new(folder.path().join("a/b.tar"), PathBuf::new());
        let failed = place.write(|file| {
            file.write_all(b"half")?;
            Err::<(), _>(io::Error::other("no more"))
        });
        assert!(failed.is_err());
        assert_eq!(
            std::fs::read_dir(folder.path().join("a")).unwrap().count(),
            0
        );
        place.write(|file| file.write_all(b"all")).unwrap();
        assert_eq!(read(&place).unwrap(), "all");
        assert!(
            Place::new(folder.path().join("a"), PathBuf::new())
                .write(|_| Ok(()))
                .is_err()
        );
    }

    #[test]
    fn each_host_has_a_folder_of_its_own() {
        let of = |root: &str, below: &str| {
            let place = Place::new(root.into(), below.into()).in_folder("web1");
            place.to_string()
        };
        assert_eq!(of("out/a.tar", ""), "out/web1/a.tar");
        assert_eq!(of("out", "x/a.tar"), "out/x/web1/a.tar");
        assert_eq!(of("a.tar", ""), "web1/a.tar");
        assert_eq!(of(".", "results"), "web1/results");
        assert_eq!(of(".", ""), "web1");
    }
}
