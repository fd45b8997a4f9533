//! Sockets of tunnels: the folder that they are in, and what they are called.

use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use dfab_engine::tunnel::{Local, remove_left};

use crate::failure::Failure;

/// How folders for sockets begin, where the user has none for such things.
const FOLDER: &str = "dfab-";
/// So old is a folder at least that is taken for one of a dead dfab: a younger one may not have its
/// sockets yet.
const YOUNG: Duration = Duration::from_secs(60);

/// A private folder for sockets; one that is removed afterwards where the user has none.
pub(super) fn folder() -> Result<(PathBuf, Option<tempfile::TempDir>), Failure> {
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").filter(|path| !path.is_empty());
    if let Some(runtime) = runtime.map(PathBuf::from) {
        let folder = runtime.join("dfab");
        if is_private(&folder) {
            return Ok((folder, None));
        }
    }
    remove_dead(&std::env::temp_dir());
    let folder = tempfile::Builder::new()
        .prefix(FOLDER)
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o700))
        .tempdir()
        .map_err(|error| Failure::failed("cannot make a folder for sockets").because(error))?;
    Ok((folder.path().to_owned(), Some(folder)))
}

/// The name of a host's socket: nothing of it leads out of the folder, or is another's.
pub(super) fn file_name(host: &str, taken: &[Local]) -> String {
    let safe = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '@');
    let mut name: String = host
        .chars()
        .take(40)
        .map(|c| if safe(c) { c } else { '_' })
        .collect();
    if name.starts_with('.') {
        name.insert(0, '_');
    }
    let is_taken = |file: &str| {
        taken.iter().any(|local| match local {
            Local::Socket(path) => path.file_name().is_some_and(|taken| taken == file),
            Local::Port(_) => false,
        })
    };
    let mut file = format!("{name}.sock");
    let mut number = 2;
    while is_taken(&file) {
        file = format!("{name}-{number}.sock");
        number += 1;
    }
    file
}

/// Removes folders of dfabs that were killed, which could not do it themselves.
fn remove_dead(place: &Path) {
    let entries = fs::read_dir(place).into_iter().flatten().flatten();
    for entry in entries.filter(|entry| entry.file_name().as_bytes().starts_with(FOLDER.as_bytes()))
    {
        // Links are not followed.
        let is_ours = entry.metadata().is_ok_and(|there| {
            let age = there.modified().ok().and_then(|at| at.elapsed().ok());
            there.is_dir()
                && there.uid() == rustix::process::geteuid().as_raw()
                && there.mode() & 0o077 == 0
                && age.is_some_and(|age| age > YOUNG)
        });
        if is_ours {
            // What cannot be removed hinders no new tunnel.
            let _ = remove_left(&entry.path());
        }
    }
}

/// Makes a folder that only this user may look into, or finds it so.
fn is_private(folder: &Path) -> bool {
    let made = fs::DirBuilder::new().mode(0o700).create(folder);
    let there = fs::symlink_metadata(folder);
    match (made, there) {
        (Ok(()), _) => true,
        (Err(_), Ok(there)) => {
            let own = rustix::process::geteuid().as_raw();
            there.is_dir() && there.uid() == own && there.mode() & 0o077 == 0
        }
        (Err(_), Err(_)) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_of_dead_dfabs_are_removed_when_they_are_old_enough() {
        let place = tempfile::tempdir().unwrap();
        let folder = |name: &str, is_old: bool| {
            let path = place.path().join(name);
            fs::DirBuilder::new().mode(0o700).create(&path).unwrap();
            fs::write(path.join("h1.sock.lock"), "").unwrap();
            if is_old {
                let before = std::time::SystemTime::now() - 2 * YOUNG;
                fs::File::open(&path).unwrap().set_modified(before).unwrap();
            }
            path
        };
        let dead = folder("dfab-dead", true);
        let left = [folder("dfab-young", false), folder("other", true)];
        remove_dead(place.path());
        assert!(!dead.exists());
        for path in left {
            assert!(path.exists(), "{}", path.display());
        }
    }

    #[test]
    fn sockets_are_called_after_hosts_and_stay_in_their_folder() {
        let mut taken = Vec::new();
        for (host, wanted) in [
            ("web1", "web1.sock"),
            ("root@10.0.0.7:2222", "root@10.0.0.7_2222.sock"),
            ("root@10.0.0.7/2222", "root@10.0.0.7_2222-2.sock"),
            ("../../etc", "_.._.._etc.sock"),
            ("context:a", "context_a.sock"),
        ] {
            let name = file_name(host, &taken);
            assert_eq!(name, wanted);
            taken.push(Local::Socket(PathBuf::from("/run").join(name)));
        }
    }
}
