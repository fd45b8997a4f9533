//! Results of a container, unpacked into a local folder.
//!
//! What is in the archive is the container's word: nothing is written outside of the folder, or
//! through a link. Modes are kept but for set-user, set-group and sticky, and the owner may always
//! read and write; owners are not kept.

use std::collections::HashMap;
use std::ffi::OsString;
use std::io;
use std::path::{Component, Path, PathBuf};

use cap_std::fs::{Dir, DirBuilder, DirBuilderExt as _, OpenOptions, OpenOptionsExt as _};
use tar::{Archive, Entry, EntryType};

/// Unpacks an archive without the first parts of each path: one, where that is the name of the folder that
/// was packed. Returns what was left out, each with the reason.
///
/// # Errors
/// Where the archive cannot be read or something cannot be written.
pub(crate) fn unpack(
    archive: impl io::Read,
    folder: Dir,
    without: usize,
) -> io::Result<Vec<String>> {
    let mut unpacking = Unpacking {
        folder,
        without,
        links: Vec::new(),
        left_out: Vec::new(),
    };
    for entry in Archive::new(archive).entries()? {
        unpacking.take(entry?)?;
    }
    unpacking.link()
}

struct Unpacking {
    folder: Dir,
    without: usize,
    /// Symbolic links with their targets: made at the end, so that nothing is written through one.
    links: Vec<(PathBuf, PathBuf)>,
    left_out: Vec<String>,
}

impl Unpacking {
    fn take<R: io::Read>(&mut self, mut entry: Entry<'_, R>) -> io::Result<()> {
        let whole = entry.path()?.into_owned();
        let path: PathBuf = whole.components().skip(self.without).collect();
        if path.as_os_str().is_empty() {
            return Ok(());
        }
        let is_plain = path
            .components()
            .all(|part| matches!(part, Component::Normal(_)));
        if !is_plain {
            self.leave_out(&whole, "its path leads out of the folder");
            return Ok(());
        }
        let mode = entry.header().mode().unwrap_or(0) & 0o777;
        match entry.header().entry_type() {
            EntryType::Directory => {
                if self.make_parents(&path)? && !self.make_folder(&path, mode | 0o700)? {
                    self.leave_out(&path, "something else is in its place");
                }
            }
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
                if self.make_place(&path)? {
                    let mut options = OpenOptions::new();
                    options.write(true).create_new(true).mode(mode | 0o600);
                    let mut file = self.folder.open_with(&path, &options)?;
                    io::copy(&mut entry, &mut file)?;
                }
            }
            EntryType::Symlink => {
                if let Some(target) = entry.link_name()? {
                    self.links.push((path, target.into_owned()));
                }
            }
            EntryType::Link => self.hard_link(&entry, &path)?,
            _ => self.leave_out(&path, "it is neither a file nor a folder nor a link"),
        }
        Ok(())
    }

    /// Another name of a file that came before.
    fn hard_link<R: io::Read>(&mut self, entry: &Entry<'_, R>, path: &Path) -> io::Result<()> {
        let Some(target) = entry.link_name()? else {
            return Ok(());
        };
        let target: PathBuf = target.components().skip(self.without).collect();
        if !self.is_own_file(&target) {
            self.leave_out(
                path,
                "the file that it is another name of is not in the folder",
            );
        } else if self.make_place(path)? {
            self.folder.hard_link(&target, &self.folder, path)?;
        }
        Ok(())
    }

    /// Makes the links that stay in the folder.
    fn link(mut self) -> io::Result<Vec<String>> {
        let links: HashMap<PathBuf, PathBuf> = self.links.iter().cloned().collect();
        for (path, target) in std::mem::take(&mut self.links) {
            if !self.stays_inside(&path, &links) {
                let reason = format!(
                    "it is a link that leads out of the folder, to {}",
                    target.display()
                );
                self.leave_out(&path, &reason);
            } else if self.make_place(&path)? {
                self.folder.symlink(&target, &path)?;
            }
        }
        Ok(self.left_out)
    }

    /// Follows a link through the others of the archive and those that were there before.
    fn stays_inside(&self, link: &Path, links: &HashMap<PathBuf, PathBuf>) -> bool {
        let parts = |path: &Path| -> Option<Vec<Part>> {
            let parts = path.components().rev();
            parts
                .filter(|part| !matches!(part, Component::CurDir))
                .map(|part| match part {
                    Component::Normal(name) => Some(Part::Into(name.to_owned())),
                    Component::ParentDir => Some(Part::Up),
                    _ => None,
                })
                .collect()
        };
        let Some(mut rest) = parts(link) else {
            return false;
        };
        let mut place = PathBuf::new();
        let mut followed = 0;
        while let Some(part) = rest.pop() {
            match part {
                Part::Up => {
                    if !place.pop() {
                        return false;
                    }
                    continue;
                }
                Part::Into(name) => place.push(name),
            }
            let there = links.get(&place).cloned();
            let Some(target) = there.or_else(|| self.folder.read_link(&place).ok()) else {
                continue;
            };
            followed += 1;
            place.pop();
            match parts(&target) {
                Some(target) if followed <= MOST_FOLLOWED => rest.extend(target),
                _ => return false,
            }
        }
        true
    }

    /// Makes room for something that is no folder: with what leads to it, and without what had its
    /// place. Not where a folder has it.
    fn make_place(&mut self, path: &Path) -> io::Result<bool> {
        if !self.make_parents(path)? {
            return Ok(false);
        }
        match self.folder.symlink_metadata(path) {
            Ok(there) if there.is_dir() => {
                self.leave_out(path, "a folder is in its place");
                Ok(false)
            }
            // A new file: one that others have open, or a link, is not written to.
            Ok(_) => self.folder.remove_file(path).map(|()| true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
            Err(error) => Err(error),
        }
    }

    fn make_parents(&mut self, path: &Path) -> io::Result<bool> {
        let mut parents: Vec<&Path> = path.ancestors().skip(1).collect();
        parents.pop();
        for parent in parents.into_iter().rev() {
            if !self.make_folder(parent, 0o777)? {
                let reason = format!("{} is no folder", parent.display());
                self.leave_out(path, &reason);
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether there is a folder of that path now; a link to one is none.
    fn make_folder(&self, path: &Path, mode: u32) -> io::Result<bool> {
        match self.folder.symlink_metadata(path) {
            Ok(there) => Ok(there.is_dir()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let mut builder = DirBuilder::new();
                builder.mode(mode);
                self.folder.create_dir_with(path, &builder).map(|()| true)
            }
            Err(error) => Err(error),
        }
    }

    fn is_own_file(&self, path: &Path) -> bool {
        let mut parents = path
            .ancestors()
            .skip(1)
            .filter(|path| !path.as_os_str().is_empty());
        let is_folder = |path: &Path| {
            let there = self.folder.symlink_metadata(path);
            there.is_ok_and(|there| there.is_dir())
        };
        let there = self.folder.symlink_metadata(path);
        parents.all(is_folder) && there.is_ok_and(|there| there.is_file())
    }

    fn leave_out(&mut self, path: &Path, reason: &str) {
        self.left_out.push(format!("{}: {reason}", path.display()));
    }
}

/// As many links in a row as Linux follows.
const MOST_FOLLOWED: usize = 40;

enum Part {
    Into(OsString),
    Up,
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};

    use super::*;

    struct Packed(tar::Builder<Vec<u8>>);

    impl Packed {
        fn new() -> Self {
            Self(tar::Builder::new(Vec::new()))
        }

        fn add(mut self, kind: EntryType, name: &str, mode: u32, data: &str) -> Self {
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(kind);
            header.set_mode(mode);
            let is_link = matches!(kind, EntryType::Symlink | EntryType::Link);
            header.set_size(if is_link { 0 } else { data.len() as u64 });
            // The library refuses paths that lead astray; whoever packs may not.
            header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
            if is_link {
                header.as_old_mut().linkname[..data.len()].copy_from_slice(data.as_bytes());
            }
            header.set_cksum();
            let data = if is_link { "" } else { data };
            self.0.append(&header, data.as_bytes()).unwrap();
            self
        }

        fn file(self, name: &str, mode: u32, text: &str) -> Self {
            self.add(EntryType::Regular, name, mode, text)
        }

        fn link(self, name: &str, target: &str) -> Self {
            self.add(EntryType::Symlink, name, 0o777, target)
        }

        fn unpack(self, target: &Path) -> Vec<String> {
            std::fs::create_dir_all(target).unwrap();
            let folder = Dir::open_ambient_dir(target, cap_std::ambient_authority()).unwrap();
            unpack(self.0.into_inner().unwrap().as_slice(), folder, 1).unwrap()
        }
    }

    fn mode(path: &Path) -> u32 {
        path.symlink_metadata().unwrap().permissions().mode() & 0o7777
    }

    #[test]
    fn modes_and_links_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("results");
        let left_out = Packed::new()
            .add(EntryType::Directory, "run/", 0o777, "")
            .add(EntryType::Directory, "run/bin/", 0o555, "")
            .file("run/bin/go", 0o6755, "hi")
            .file("run/secret", 0o000, "s")
            .file("run/new/deep/file", 0o644, "x")
            .add(EntryType::Link, "run/same", 0o644, "run/bin/go")
            .link("run/current", "new/deep")
            .link("run/bin/up", "../new/../current/file")
            .link("run/dangling", "nothing/there")
            .unpack(&target);
        assert!(left_out.is_empty(), "{left_out:?}");
        assert_eq!(mode(&target.join("bin/go")), 0o755);
        assert_eq!(mode(&target.join("bin")), 0o755);
        assert_eq!(mode(&target.join("secret")), 0o600);
        let inode = |name: &str| target.join(name).metadata().unwrap().ino();
        assert_eq!(inode("same"), inode("bin/go"));
        assert_eq!(std::fs::read(target.join("bin/up")).unwrap(), b"x");
        assert_eq!(
            std::fs::read_link(target.join("dangling")).unwrap(),
            Path::new("nothing/there")
        );
    }

    #[test]
    fn nothing_leads_out_of_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("results");
        let outside = folder.path().join("outside");
        std::fs::create_dir(&outside).unwrap();
        std::fs::create_dir(&target).unwrap();
        // Left by whoever used the folder before.
        symlink("../outside", target.join("before")).unwrap();
        symlink("../outside/file", target.join("old")).unwrap();
        symlink(".", target.join("here")).unwrap();
        let left_out = Packed::new()
            .file("run/../../x", 0o644, "no")
            .link("run/absolute", "/etc/passwd")
            .link("run/up", "a/../../outside")
            .link("run/point", ".")
            .link("run/sly", "point/point/..")
            .link("run/slier", "here/here/../..")
            .link("run/through", "before/file")
            .link("run/loop", "loop")
            .link("run/into", "deep")
            .file(
                "run/into/file",
                0o644,
                "in a folder, as it stands in the archive",
            )
            .file("run/before/file", 0o644, "no")
            .file("run/old", 0o644, "new")
            .add(EntryType::Link, "run/hard", 0o644, "run/before/file")
            .add(EntryType::Fifo, "run/pipe", 0o644, "")
            .unpack(&target);
        let names: Vec<_> = left_out
            .iter()
            .filter_map(|line| line.split_once(": "))
            .map(|(name, _)| name)
            .collect();
        assert_eq!(
            names,
            [
                "run/../../x",
                "before/file",
                "hard",
                "pipe",
                "absolute",
                "up",
                "sly",
                "slier",
                "through",
                "loop",
                "into"
            ],
            "{left_out:?}"
        );
        assert!(left_out[4].ends_with("out of the folder, to /etc/passwd"));
        assert!(std::fs::read_dir(&outside).unwrap().next().is_none());
        assert!(!folder.path().join("x").exists());
        // What was a link is a file of its own now.
        assert!(target.join("old").symlink_metadata().unwrap().is_file());
        assert_eq!(std::fs::read(target.join("old")).unwrap(), b"new");
        assert!(target.join("into/file").is_file());
    }
}
