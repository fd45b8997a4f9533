//! One archive of parts of others: each under the name that it is to have.

use std::ffi::OsStr;
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path, PathBuf};

use dfab_maps::Permissions;
use tar::{Archive, Builder, Entry, EntryType, Header};

/// Records of an entry that are kept: what its file has beyond owner and mode.
const ATTRIBUTES: &str = "SCHILY.xattr.";
/// As long as a link's target may be in a header itself.
const LINK_LENGTH: usize = 100;

/// The archive that is made.
pub(crate) struct Packing<W: Write> {
    builder: Builder<W>,
    owner: Option<(u32, u32)>,
    permissions: Option<Permissions>,
    left_out: Vec<String>,
}

impl<W: Write> Packing<W> {
    /// An empty archive, in which all is to have that owner and these permissions.
    pub(crate) fn new(out: W, owner: Option<(u32, u32)>, permissions: Option<Permissions>) -> Self {
        Self {
            builder: Builder::new(out),
            owner,
            permissions,
            left_out: Vec::new(),
        }
    }

    /// Adds an archive, as the Engine makes one of a path: the first part of each name is that of the
    /// path, and becomes the target. Without a target the contents of a folder come without it.
    ///
    /// # Errors
    /// Where it is no archive, breaks off, or cannot be written.
    pub(crate) fn add(&mut self, mut archive: impl Read, target: &Path) -> io::Result<()> {
        for entry in Archive::new(&mut archive).entries()? {
            self.add_entry(entry?, target)?;
        }
        // What follows the archive's own end; only then it is known to be whole.
        io::copy(&mut archive, &mut io::sink()).map(drop)
    }

    /// Ends the archive; what was left out, each with the reason.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub(crate) fn finish(self) -> io::Result<(W, Vec<String>)> {
        Ok((self.builder.into_inner()?, self.left_out))
    }

    fn add_entry<R: Read>(&mut self, mut entry: Entry<'_, R>, target: &Path) -> io::Result<()> {
        let path = entry.path()?.into_owned();
        let kind = entry.header().entry_type();
        let name = match renamed(&path, target, kind.is_dir()) {
            Renamed::To(name) => name,
            Renamed::Nothing => return Ok(()),
            Renamed::Astray => {
                let path = path.display();
                self.left_out
                    .push(format!("{path}: its path leads out of the folder"));
                return Ok(());
            }
        };
        let mut header = self.header(entry.header(), kind)?;
        self.keep_attributes(&mut entry)?;
        match kind {
            EntryType::Symlink | EntryType::Link => {
                let bytes = entry.link_name_bytes().unwrap_or_default().into_owned();
                let link = match kind {
                    EntryType::Link => {
                        match renamed(Path::new(OsStr::from_bytes(&bytes)), target, false) {
                            Renamed::To(link) => link.into_os_string().into_encoded_bytes(),
                            _ => return Ok(()),
                        }
                    }
                    _ => bytes,
                };
                if link.len() <= LINK_LENGTH {
                    // As it is: the library would make it shorter.
                    header.set_link_name_literal(&link)?;
                    self.builder.append_data(&mut header, name, io::empty())
                } else {
                    let link = Path::new(OsStr::from_bytes(&link));
                    self.builder.append_link(&mut header, name, link)
                }
            }
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
                header.set_entry_type(EntryType::Regular);
                header.set_size(entry.size());
                self.builder.append_data(&mut header, name, entry)
            }
            // With the slash at its end that archives have for folders.
            EntryType::Directory => {
                let name = name.join("");
                self.builder.append_data(&mut header, name, io::empty())
            }
            EntryType::Char | EntryType::Block | EntryType::Fifo => {
                self.builder.append_data(&mut header, name, io::empty())
            }
            _ => Ok(()),
        }
    }

    /// A header that says the same, but for owner and permissions, and has no name yet.
    fn header(&self, from: &Header, kind: EntryType) -> io::Result<Header> {
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_size(0);
        header.set_mtime(from.mtime()?);
        let mode = from.mode()? & 0o7777;
        header.set_mode(match &self.permissions {
            // A link has none of its own.
            Some(permissions) if kind != EntryType::Symlink => {
                permissions.apply(mode, kind.is_dir())
            }
            _ => mode,
        });
        let (uid, gid) = match self.owner {
            Some((uid, gid)) => (uid.into(), gid.into()),
            None => (from.uid()?, from.gid()?),
        };
        header.set_uid(uid);
        header.set_gid(gid);
        if matches!(kind, EntryType::Char | EntryType::Block) {
            header.set_device_major(from.device_major()?.unwrap_or(0))?;
            header.set_device_minor(from.device_minor()?.unwrap_or(0))?;
        }
        Ok(header)
    }

    fn keep_attributes<R: Read>(&mut self, entry: &mut Entry<'_, R>) -> io::Result<()> {
        let Some(records) = entry.pax_extensions()? else {
            return Ok(());
        };
        let mut kept: Vec<(String, Vec<u8>)> = Vec::new();
        for record in records {
            let record = record?;
            if let Ok(key) = record.key()
                && key.starts_with(ATTRIBUTES)
            {
                kept.push((key.to_owned(), record.value_bytes().to_vec()));
            }
        }
        let kept = kept
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_slice()));
        self.builder.append_pax_extensions(kept)
    }
}

enum Renamed {
    To(PathBuf),
    /// The folder itself, of which only the contents are wanted.
    Nothing,
    /// It would be elsewhere.
    Astray,
}

fn renamed(path: &Path, target: &Path, is_folder: bool) -> Renamed {
    let mut parts = path.components();
    let first = parts.next();
    let rest = parts.as_path();
    let is_plain = |path: &Path| {
        let mut parts = path.components();
        parts.all(|part| matches!(part, Component::Normal(_)))
    };
    if !is_plain(rest) {
        return Renamed::Astray;
    }
    let has_rest = !rest.as_os_str().is_empty();
    match (target.as_os_str().is_empty(), has_rest, first) {
        (false, true, _) => Renamed::To(target.join(rest)),
        (false, false, _) => Renamed::To(target.to_owned()),
        (true, true, _) => Renamed::To(rest.to_owned()),
        (true, false, Some(Component::Normal(name))) if !is_folder => {
            Renamed::To(PathBuf::from(name))
        }
        (true, false, _) => Renamed::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An archive of these: type, name, mode, and the text or the link's target.
    fn archive(entries: &[(EntryType, &str, u32, &str)]) -> Vec<u8> {
        let mut builder = Builder::new(Vec::new());
        for (kind, name, mode, data) in entries {
            let mut header = Header::new_ustar();
            header.set_entry_type(*kind);
            header.set_mode(*mode);
            header.set_uid(7);
            header.set_gid(8);
            header.set_mtime(1_700_000_000);
            let is_link = matches!(kind, EntryType::Symlink | EntryType::Link);
            if is_link {
                header.set_link_name_literal(data).unwrap();
            }
            let data = if is_link { "" } else { data };
            header.set_size(data.len() as u64);
            builder
                .append_data(&mut header, name, data.as_bytes())
                .unwrap();
        }
        builder.into_inner().unwrap()
    }

    /// What an archive has, a line each.
    fn listed(archive: &[u8]) -> String {
        let mut lines = String::new();
        for entry in Archive::new(archive).entries().unwrap() {
            let mut entry = entry.unwrap();
            let mut text = String::new();
            entry.read_to_string(&mut text).unwrap();
            let link = entry
                .link_name_bytes()
                .map(|link| format!(" -> {}", String::from_utf8_lossy(&link)));
            let header = entry.header();
            lines.push_str(&format!(
                "{:?} {} {:o} {}:{}{}{}\n",
                header.entry_type(),
                String::from_utf8_lossy(&entry.path_bytes()),
                header.mode().unwrap(),
                header.uid().unwrap(),
                header.gid().unwrap(),
                link.unwrap_or_default(),
                if text.is_empty() {
                    text
                } else {
                    format!(" {text:?}")
                },
            ));
        }
        lines
    }

    fn app() -> Vec<u8> {
        archive(&[
            (EntryType::Directory, "app/", 0o755, ""),
            (EntryType::Regular, "app/.hidden", 0o600, "secret"),
            (EntryType::Regular, "app/a *b", 0o644, "star"),
            (EntryType::Link, "app/again", 0o644, "app/.hidden"),
            (EntryType::Symlink, "app/link", 0o777, "./.hidden//x"),
            (EntryType::Directory, "app/sub/", 0o700, ""),
        ])
    }

    fn packed(parts: &[(&[u8], &str)]) -> String {
        let mut packing = Packing::new(Vec::new(), None, None);
        for (archive, target) in parts {
            packing.add(*archive, Path::new(target)).unwrap();
        }
        let (bytes, left_out) = packing.finish().unwrap();
        assert!(left_out.is_empty(), "{left_out:?}");
        listed(&bytes)
    }

    #[test]
    fn b_54_the_last_name_of_a_target_is_the_new_name() {
        insta::assert_snapshot!(packed(&[(&app(), "srv/www"), (&archive(&[
            (EntryType::Regular, "hosts", 0o644, "localhost"),
        ]), "names.txt")]), @r#"
        Directory srv/www/ 755 7:8
        Regular srv/www/.hidden 600 7:8 "secret"
        Regular srv/www/a *b 644 7:8 "star"
        Link srv/www/again 644 7:8 -> srv/www/.hidden
        Symlink srv/www/link 777 7:8 -> ./.hidden//x
        Directory srv/www/sub/ 700 7:8
        Regular names.txt 644 7:8 "localhost"
        "#);
    }

    #[test]
    fn b_55_without_a_target_all_that_is_in_a_folder_comes_along() {
        insta::assert_snapshot!(packed(&[(&app(), "")]), @r#"
        Regular .hidden 600 7:8 "secret"
        Regular a *b 644 7:8 "star"
        Link again 644 7:8 -> .hidden
        Symlink link 777 7:8 -> ./.hidden//x
        Directory sub/ 700 7:8
        "#);
        let file = archive(&[(EntryType::Regular, "*", 0o644, "x")]);
        assert_eq!(packed(&[(&file, "")]), "Regular * 644 7:8 \"x\"\n");
    }

    #[test]
    fn owner_and_permissions_are_everybodys() {
        let permissions = "u=rwX,g=rX,o=".parse().unwrap();
        let mut packing = Packing::new(Vec::new(), Some((1000, 100)), Some(permissions));
        packing.add(app().as_slice(), Path::new("srv")).unwrap();
        insta::assert_snapshot!(listed(&packing.finish().unwrap().0), @r#"
        Directory srv/ 750 1000:100
        Regular srv/.hidden 640 1000:100 "secret"
        Regular srv/a *b 640 1000:100 "star"
        Link srv/again 640 1000:100 -> srv/.hidden
        Symlink srv/link 777 1000:100 -> ./.hidden//x
        Directory srv/sub/ 750 1000:100
        "#);
    }

    #[test]
    fn long_names_and_attributes_stay() {
        let (name, link) = ("n".repeat(180), "../".repeat(60));
        let mut builder = Builder::new(Vec::new());
        let attribute = ("SCHILY.xattr.user.note", b"\0binary".as_slice());
        builder
            .append_pax_extensions([attribute, ("mtime", b"1")])
            .unwrap();
        let mut header = Header::new_gnu();
        header.set_size(1);
        header.set_mode(0o644);
        header.set_uid(7);
        header.set_gid(8);
        builder
            .append_data(&mut header, format!("d/{name}"), b"x".as_slice())
            .unwrap();
        let mut header = Header::new_gnu();
        header.set_entry_type(EntryType::Symlink);
        header.set_size(0);
        header.set_mode(0o777);
        header.set_uid(7);
        header.set_gid(8);
        builder.append_link(&mut header, "d/link", &link).unwrap();
        let mut packing = Packing::new(Vec::new(), None, None);
        let archive = builder.into_inner().unwrap();
        packing.add(archive.as_slice(), Path::new("e")).unwrap();
        let bytes = packing.finish().unwrap().0;
        let mut archive = Archive::new(bytes.as_slice());
        let mut entries = archive.entries().unwrap();
        let mut first = entries.next().unwrap().unwrap();
        assert_eq!(first.path().unwrap(), Path::new("e").join(name));
        let mut records = first.pax_extensions().unwrap().unwrap();
        let record = records.next().unwrap().unwrap();
        assert_eq!((record.key().unwrap(), record.value_bytes()), attribute);
        assert!(records.next().is_none());
        let second = entries.next().unwrap().unwrap();
        let long = second.link_name_bytes().unwrap();
        assert_eq!(long, link.as_bytes());
    }

    #[test]
    fn what_breaks_off_is_an_error() {
        let whole = app();
        let mut packing = Packing::new(Vec::new(), None, None);
        let half = whole.get(..700).unwrap();
        assert!(packing.add(half, Path::new("")).is_err());
    }
}
