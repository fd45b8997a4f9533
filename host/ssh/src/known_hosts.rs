//! What is known of a host's keys: known_hosts files as sshd(8), section SSH_KNOWN_HOSTS FILE FORMAT,
//! describes them, line by line, so that a refusal can name the line.

use std::io::Write;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use openssl::hash::MessageDigest;
use openssl::pkey::PKey;
use openssl::sign::Signer;

use crate::certificate::CERTIFICATE_SUFFIX;
use crate::pattern::list_matches;
use crate::target::Target;
use crate::wire::key_type;

/// The signature algorithms of keys of hosts, in the order of preference of OpenSSH.
const ALGORITHMS: [&str; 6] = [
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "rsa-sha2-512",
    "rsa-sha2-256",
];

/// What a line says of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mark {
    /// It is the host's.
    Known,
    /// It signs certificates of the host.
    Authority,
    /// It was stolen: it is neither.
    Revoked,
}

/// A line about the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) file: PathBuf,
    pub(crate) number: usize,
    pub(crate) mark: Mark,
    pub(crate) key: Vec<u8>,
}

impl Line {
    /// File and line, as it is shown.
    pub(crate) fn place(&self) -> String {
        format!("{}:{}", self.file.display(), self.number)
    }
}

/// The lines of known_hosts files that are about one host.
#[derive(Debug)]
pub(crate) struct KnownKeys {
    /// As the host is named in these files.
    pub(crate) name: String,
    lines: Vec<Line>,
}

impl KnownKeys {
    /// Looks the host up. Files that cannot be read are as empty ones.
    pub(crate) fn of(target: &Target) -> Self {
        let host = target.host_key_alias.as_deref().unwrap_or(&target.host);
        let (name, plain) = if target.port == 22 || target.host_key_alias.is_some() {
            (host.to_owned(), None)
        } else {
            (format!("[{host}]:{}", target.port), Some(host))
        };
        let texts: Vec<(PathBuf, String)> = target
            .user_known_hosts
            .iter()
            .chain(&target.global_known_hosts)
            .filter_map(|file| {
                let bytes = std::fs::read(file).ok()?;
                Some((file.clone(), String::from_utf8_lossy(&bytes).into_owned()))
            })
            .collect();
        let about = |name: &str| {
            let lines = texts.iter().flat_map(|(file, text)| {
                let numbered = text.lines().enumerate();
                numbered.filter_map(|(index, line)| read_line(file, index + 1, line, name))
            });
            lines.collect::<Vec<_>>()
        };
        let mut lines = about(&name);
        // As OpenSSH does it: what is known of the host counts for its other ports, too, as long as
        // nothing is known of the port.
        if let Some(plain) = plain
            && !lines.iter().any(|line| line.mark == Mark::Known)
        {
            lines.extend(about(plain));
        }
        Self { name, lines }
    }

    /// The lines with this mark.
    pub(crate) fn marked(&self, mark: Mark) -> impl Iterator<Item = &Line> {
        self.lines.iter().filter(move |line| line.mark == mark)
    }

    /// The line that gives this key this mark.
    pub(crate) fn find(&self, mark: Mark, key: &[u8]) -> Option<&Line> {
        self.marked(mark).find(|line| line.key == key)
    }

    /// The algorithms to ask for: certificates where somebody is trusted to sign them, then types of
    /// which a key is known, so that a host with several keys shows one that can be compared.
    pub(crate) fn algorithms(&self) -> String {
        let is_known = |algorithm: &&str| {
            let kind = if algorithm.starts_with("rsa-") {
                "ssh-rsa"
            } else {
                algorithm
            };
            self.marked(Mark::Known)
                .any(|line| key_type(&line.key) == Some(kind))
        };
        let (known, others): (Vec<_>, Vec<_>) = ALGORITHMS.into_iter().partition(is_known);
        let certificates = self
            .marked(Mark::Authority)
            .next()
            .map(|_| ALGORITHMS.map(|algorithm| format!("{algorithm}{CERTIFICATE_SUFFIX}")));
        let plain = known.into_iter().chain(others).map(str::to_owned);
        let all: Vec<String> = certificates.into_iter().flatten().chain(plain).collect();
        all.join(",")
    }

    /// The line that makes this key known.
    pub(crate) fn line_for(&self, kind: &str, key: &[u8], hashed: bool) -> String {
        let name = if hashed {
            hashed_name(&self.name)
        } else {
            None
        };
        let name = name.as_deref().unwrap_or(&self.name);
        format!("{name} {kind} {}", STANDARD.encode(key))
    }
}

/// Adds a line to a file, and makes the file and its folder where they are missing.
pub(crate) fn remember(file: &Path, line: &str) -> std::io::Result<()> {
    use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
    if let Some(folder) = file.parent() {
        let mut builder = std::fs::DirBuilder::new();
        builder.recursive(true).mode(0o700).create(folder)?;
    }
    // A file that somebody wrote by hand may not end its last line.
    let ends_open =
        std::fs::read(file).is_ok_and(|bytes| bytes.last().is_some_and(|last| *last != b'\n'));
    let mut file = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(file)?;
    let start = if ends_open { "\n" } else { "" };
    // One write, so that lines of several sessions do not mix.
    file.write_all(format!("{start}{line}\n").as_bytes())
}

/// Reads a line, if it is about the host of this name.
fn read_line(file: &Path, number: usize, line: &str, name: &str) -> Option<Line> {
    let mut fields = line.split_ascii_whitespace();
    let mut hosts = fields.next().filter(|field| !field.starts_with('#'))?;
    let mark = match hosts {
        "@revoked" => Mark::Revoked,
        "@cert-authority" => Mark::Authority,
        // A marker that nobody knows.
        other if other.starts_with('@') => return None,
        _ => Mark::Known,
    };
    if mark != Mark::Known {
        hosts = fields.next()?;
    }
    let is_about = if hosts.starts_with('|') {
        is_hash_of(hosts, name)
    } else {
        list_matches(hosts, name)
    };
    if !is_about {
        return None;
    }
    let kind = fields.next()?;
    let key = STANDARD.decode(fields.next()?).ok()?;
    (key_type(&key) == Some(kind)).then(|| Line {
        file: file.to_owned(),
        number,
        mark,
        key,
    })
}

/// Whether `|1|SALT|HASH` is the hash of this name.
fn is_hash_of(hashed: &str, name: &str) -> bool {
    let check = || -> Option<bool> {
        let (salt, hash) = hashed.strip_prefix("|1|")?.split_once('|')?;
        let salt = STANDARD.decode(salt).ok()?;
        let hash = STANDARD.decode(hash).ok()?;
        Some(hmac_sha1(&salt, &name.to_ascii_lowercase())? == hash)
    };
    check().unwrap_or(false)
}

/// A name in the form that does not tell it.
fn hashed_name(name: &str) -> Option<String> {
    let mut salt = [0; 20];
    openssl::rand::rand_bytes(&mut salt).ok()?;
    let hash = hmac_sha1(&salt, &name.to_ascii_lowercase())?;
    Some(format!(
        "|1|{}|{}",
        STANDARD.encode(salt),
        STANDARD.encode(hash)
    ))
}

fn hmac_sha1(key: &[u8], text: &str) -> Option<Vec<u8>> {
    let key = PKey::hmac(key).ok()?;
    let mut signer = Signer::new(MessageDigest::sha1(), &key).ok()?;
    signer.sign_oneshot_to_vec(text.as_bytes()).ok()
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use proptest::prelude::*;

    use super::*;

    const KEY: &str = "AAAAC3NzaC1lZDI1NTE5AAAAIJ8Yf3FmT5bVZpGJXoq3D3jQ0vWqL2mBkZ6n1f3nWb9E";

    fn line(hosts: &str) -> String {
        format!("{hosts} ssh-ed25519 {KEY} a comment")
    }

    #[test]
    fn lines_of_other_hosts_and_comments_are_passed_over() {
        let read = |text: &str| read_line(Path::new("f"), 3, text, "web1");
        assert!(read(&line("# web1")).is_none());
        assert!(read(&line("web2")).is_none());
        assert!(read(&line("@unheard-of web1")).is_none());
        assert!(
            read(&format!("web1 ssh-rsa {KEY}")).is_none(),
            "another type"
        );
        assert!(read("web1 ssh-ed25519").is_none() && read("").is_none());
        let known = read(&line("  web1")).unwrap();
        assert_eq!((known.mark, known.place().as_str()), (Mark::Known, "f:3"));
        assert_eq!(read(&line("@revoked *")).unwrap().mark, Mark::Revoked);
        assert_eq!(
            read(&line("@cert-authority web?")).unwrap().mark,
            Mark::Authority
        );
    }

    fn name() -> impl Strategy<Value = String> {
        prop::sample::select(vec![
            "web1",
            "web2",
            "db",
            "10.0.0.7",
            "[web1]:2222",
            "[db]:22",
        ])
        .prop_map(str::to_owned)
    }

    fn hosts() -> impl Strategy<Value = String> {
        let pattern = prop::sample::select(vec![
            "web1",
            "WEB2",
            "web*",
            "!web2",
            "d?",
            "[web1]:2222",
            "[*]:22*",
            "!10.*",
            "*",
            "10.0.0.7",
        ]);
        prop::collection::vec(pattern, 1..4).prop_map(|all| all.join(","))
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

        /// ssh-keygen finds the lines of a host as OpenSSH does.
        #[test]
        fn lines_are_found_as_openssh_finds_them(
            all in prop::collection::vec((hosts(), any::<bool>()), 0..6),
            name in name(),
        ) {
            let folder = tempfile::tempdir().unwrap();
            let file = folder.path().join("known_hosts");
            let lines: Vec<String> = all
                .iter()
                .map(|(hosts, hashed)| {
                    let first = hosts.split(',').next().unwrap_or_default();
                    let plain = !first.contains(['*', '?', '!']);
                    line(&if *hashed && plain { hashed_name(first).unwrap() } else { hosts.clone() })
                })
                .collect();
            std::fs::write(&file, lines.join("\n") + "\n").unwrap();
            let output = Command::new("ssh-keygen")
                .arg("-F").arg(&name).arg("-f").arg(&file)
                .output()
                .unwrap();
            let found: Vec<usize> = String::from_utf8_lossy(&output.stdout)
                .lines()
                .filter_map(|line| line.rsplit_once("found: line ")?.1.trim().parse().ok())
                .collect();
            let ours: Vec<usize> = lines
                .iter()
                .enumerate()
                .filter_map(|(index, line)| read_line(&file, index + 1, line, &name))
                .map(|line| line.number)
                .collect();
            prop_assert_eq!(ours, found, "{:?}", lines);
        }
    }

    #[test]
    fn what_is_added_is_found_again() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("new/known_hosts");
        let known = KnownKeys {
            name: "[Web1]:2222".to_owned(),
            lines: Vec::new(),
        };
        let key = STANDARD.decode(KEY).unwrap();
        for hashed in [true, false] {
            remember(&file, &known.line_for("ssh-ed25519", &key, hashed)).unwrap();
        }
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.starts_with("|1|"), "{text}");
        for (index, line) in text.lines().enumerate() {
            assert!(
                read_line(&file, index, line, "[web1]:2222").is_some(),
                "{line}"
            );
            assert!(read_line(&file, index, line, "web1").is_none(), "{line}");
        }
        // A last line without an end does not swallow what is added.
        std::fs::write(&file, "# open").unwrap();
        remember(&file, "web1 x y").unwrap();
        assert_eq!(
            std::fs::read_to_string(&file).unwrap(),
            "# open\nweb1 x y\n"
        );
    }

    #[test]
    fn known_types_are_asked_for_first() {
        let mut known = KnownKeys {
            name: "h".to_owned(),
            lines: Vec::new(),
        };
        assert!(known.algorithms().starts_with("ssh-ed25519,ecdsa"));
        let mut key = Vec::new();
        crate::wire::put_string(&mut key, b"ssh-rsa");
        known.lines.push(Line {
            file: "f".into(),
            number: 1,
            mark: Mark::Known,
            key,
        });
        assert!(
            known
                .algorithms()
                .starts_with("rsa-sha2-512,rsa-sha2-256,ssh-ed25519")
        );
        known.lines.extend(read_line(
            Path::new("f"),
            2,
            &line("@cert-authority h"),
            "h",
        ));
        assert!(
            known
                .algorithms()
                .starts_with("ssh-ed25519-cert-v01@openssh.com,")
        );
        assert!(
            known
                .algorithms()
                .contains(",rsa-sha2-512,rsa-sha2-256,ssh-ed25519,")
        );
    }
}
