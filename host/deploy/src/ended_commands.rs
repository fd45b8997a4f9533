//! Commands of a container's start that have ended well, and so need not run.
//!
//! The engine forgets within minutes how a command ended, and nothing but the engine is there to
//! remember it. So the container itself does: a file by the digest of the command, in which is the start that it
//! belongs to. After another start, by whomever, it counts no more.

use std::collections::BTreeSet;
use std::io::Read as _;

use bytes::Bytes;
use dfab_engine::{Engine, EngineError};
use futures_util::StreamExt as _;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// Where a container has the files; beside `/.dockerenv`, which is the engine's.
const FOLDER: &str = ".dfab";

/// A folder with more in it than that, in bytes, was not made by dfab.
const LIMIT: usize = 1024 * 1024;

/// What a command is known by: its words may be secret, and its line as long as it likes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CommandDigest(String);

impl CommandDigest {
    /// Of a command line and the user that runs it.
    pub fn of(argv: &[String], user: Option<&str>) -> Self {
        let mut hash = Sha256::new();
        for word in user.into_iter().chain(argv.iter().map(String::as_str)) {
            hash.update(word.len().to_le_bytes());
            hash.update(word);
        }
        hash.update([u8::from(user.is_some())]);
        Self(
            hash.finalize()
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect(),
        )
    }
}

/// Notes that a command has ended well. Containers with a read-only file system cannot note anything, and
/// in them it is run again by the next update.
pub(crate) async fn note(engine: &Engine, container: &str, command: &CommandDigest, start: &str) {
    let result = match archive(command, start) {
        Ok(archive) => engine.put_archive(container, "/", archive).await,
        Err(error) => {
            tracing::warn!(container, "cannot note that a command has ended: {error}");
            return;
        }
    };
    if let Err(error) = result {
        tracing::info!(container, "cannot note that a command has ended: {error}");
    }
}

/// The commands of which a container has noted that they have ended well since the start given. A container that
/// has gone, or has noted nothing, has none.
///
/// # Errors
/// [`EngineError`] where the engine cannot be asked.
pub(crate) async fn noted(
    engine: &Engine,
    container: &str,
    start: &str,
) -> Result<BTreeSet<CommandDigest>, EngineError> {
    let mut archive = Vec::new();
    let mut pieces = engine.download_archive(container, &format!("/{FOLDER}"))?;
    while let Some(piece) = pieces.next().await {
        match piece {
            Ok(piece) => archive.extend_from_slice(&piece),
            Err(error) if error.is_unreachable() => return Err(error),
            Err(_) => return Ok(BTreeSet::new()),
        }
        if archive.len() > LIMIT {
            break;
        }
    }
    Ok(read(&archive, start).unwrap_or_default())
}

/// When a container was started the last time, of what the engine tells of it.
pub(crate) fn start_of(container: &Value) -> Option<&str> {
    container.get("State")?.get("StartedAt")?.as_str()
}

fn archive(command: &CommandDigest, start: &str) -> std::io::Result<Bytes> {
    let mut archive = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_ustar();
    header.set_entry_type(tar::EntryType::Directory);
    header.set_mode(0o700);
    header.set_size(0);
    archive.append_data(&mut header, format!("{FOLDER}/"), std::io::empty())?;
    let mut header = tar::Header::new_ustar();
    header.set_mode(0o600);
    header.set_size(start.len() as u64);
    let name = format!("{FOLDER}/{}", command.0);
    archive.append_data(&mut header, name, start.as_bytes())?;
    archive.into_inner().map(Bytes::from)
}

fn read(archive: &[u8], start: &str) -> std::io::Result<BTreeSet<CommandDigest>> {
    let mut noted = BTreeSet::new();
    for entry in tar::Archive::new(archive).entries()? {
        let mut entry = entry?;
        let name = match entry.path()?.file_name().and_then(|name| name.to_str()) {
            Some(name) => name.to_owned(),
            None => continue,
        };
        let mut text = String::new();
        // Longer than any time is.
        let is_text = entry.by_ref().take(64).read_to_string(&mut text).is_ok();
        if is_text && text == start {
            noted.insert(CommandDigest(name));
        }
    }
    Ok(noted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn a_command_is_known_by_its_words_and_its_user() {
        let digest = CommandDigest::of(&words("a b"), None);
        assert_eq!(digest, CommandDigest::of(&words("a b"), None));
        for (line, user) in [
            ("a", None),
            ("a b c", None),
            ("b", Some("a")),
            ("a b", Some("")),
            ("ab", None),
        ] {
            assert_ne!(
                digest,
                CommandDigest::of(&words(line), user),
                "{line} {user:?}"
            );
        }
    }

    #[test]
    fn what_was_noted_counts_for_its_start_alone() {
        let command = CommandDigest::of(&words("a b"), Some("root"));
        let written = archive(&command, "2026-01-01T00:00:00Z").unwrap();
        let read_at = |start| {
            read(&written, start)
                .unwrap()
                .into_iter()
                .collect::<Vec<_>>()
        };
        assert_eq!(read_at("2026-01-01T00:00:00Z"), [command]);
        assert!(read_at("2026-01-02T00:00:00Z").is_empty());
        let cut_off = written.get(..700).unwrap();
        assert!(read(cut_off, "").unwrap_or_default().is_empty());
    }
}
