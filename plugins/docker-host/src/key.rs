//! Keys that packages are signed with.

use dfab_sdk::recipe::{Change, GuardedCommand, Step};
use dfab_sdk::shell::Word;

/// What both scripts begin with.
const CHECK: &str = include_str!("key.sh");
const THERE: &str = r#"[ -s "$path" ] && is_right "$path""#;
/// It takes its place only once it is known to be the right one.
const FETCH: &str = r#"curl -fsSL --retry 3 --max-time 120 -o "$work/key" -- "$url" || exit 1
is_right "$work/key" || exit 1
mkdir -p -- "${path%/*}" && chmod 644 "$work/key" && mv -f -- "$work/key" "$path""#;

/// A public key, which is trusted for its fingerprint and not for where it comes from.
#[derive(Debug, Clone, Copy)]
pub struct Key<'a> {
    /// Where it is fetched.
    pub url: &'a str,
    /// Of its primary key: 40 digits.
    pub fingerprint: &'a str,
    /// Where the machine keeps it.
    pub path: &'a str,
}

impl Key<'_> {
    /// It is on the machine. Needs curl and gpg there.
    pub fn step(&self) -> Step {
        Step {
            summary: format!("Fetch the key {} into {}", self.fingerprint, self.path),
            change: Change::Run(GuardedCommand {
                line: self.script(FETCH),
                unless: self.script(THERE),
                as_root: true,
            }),
        }
    }

    fn script(&self, end: &str) -> String {
        format!(
            "url={}\nfingerprint={}\npath={}\n{CHECK}\n{end}",
            Word::new(self.url),
            Word::new(self.fingerprint),
            Word::new(self.path)
        )
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::process::{Command, Output};

    use super::*;

    fn sh(script: &str) -> Output {
        Command::new("sh").args(["-c", script]).output().unwrap()
    }

    /// Makes a key pair; the fingerprint, and the public key in that file.
    fn generate(folder: &Path, file: &str) -> String {
        let script = format!(
            "set -e; export GNUPGHOME={folder}/{file}.home; mkdir -m 700 $GNUPGHOME
             gpg --batch --quiet --passphrase '' --quick-generate-key {file} ed25519 sign never
             gpg --batch --export --armor > {folder}/{file}
             gpg --batch --with-colons --list-keys | grep ^fpr | cut -d: -f10
             gpgconf --kill all",
            folder = folder.display()
        );
        let output = sh(&script);
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    #[test]
    fn only_the_key_with_that_fingerprint_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
        let (right, other) = (
            generate(folder.path(), "right"),
            generate(folder.path(), "other"),
        );
        sh(&format!(
            "cat {} {} > {}",
            at("right"),
            at("other"),
            at("two")
        ));
        let path = at("keys/kept.asc");
        let fetch = |name: &str, fingerprint: &str| {
            let key = Key {
                url: &format!("file://{}", at(name)),
                fingerprint,
                path: &path,
            };
            let there = || sh(&key.script(THERE)).status.success();
            let before = there();
            let output = sh(&key.script(FETCH));
            (before, output.status.success(), there(), output)
        };
        for (name, fingerprint) in [("right", &other), ("two", &right), ("none", &right)] {
            let (before, fetched, after, output) = fetch(name, fingerprint);
            assert!(!before && !fetched && !after, "{name}: {output:?}");
            assert!(!Path::new(&path).exists());
            assert!(!output.stderr.is_empty());
        }
        let (before, fetched, after, output) = fetch("right", &right);
        assert!(!before && fetched && after, "{output:?}");
        assert_eq!(
            std::fs::read(&path).unwrap(),
            std::fs::read(at("right")).unwrap()
        );
    }
}
