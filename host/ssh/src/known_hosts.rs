//! Whether a host is the one that it was: known_hosts as sshd(8) describes it, line by line, so that a
//! refusal can name the line.

use std::io::Write;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use ssh2::{CheckResult, KnownHostFileKind};

use crate::target::{HostKeyChecking, Target};

/// Why a host is not trusted.
#[derive(Debug, thiserror::Error)]
pub enum HostKeyError {
    /// No key of the host is known.
    #[error(
        "the host is not known; its {kind} key has the fingerprint {fingerprint}. Compare it on the \
         host (ssh-keygen -lf /etc/ssh/ssh_host_{short}_key.pub), then accept it: connect once with \
         `ssh`, or add this line to {file}: {line}"
    )]
    Unknown {
        /// Type of the key.
        kind: String,
        /// Its short name, as in file names of sshd.
        short: String,
        /// SHA-256, as ssh-keygen prints it.
        fingerprint: String,
        /// The file to add to.
        file: String,
        /// The line to add.
        line: String,
    },
    /// Another key is known.
    #[error(
        "THE KEY OF THE HOST HAS CHANGED: {file}:{line} has another {kind} key than the one with the \
         fingerprint {fingerprint}. Somebody may be listening in, or the host was set up anew; if you \
         know that it was, remove that line"
    )]
    Changed {
        /// Type of the key.
        kind: String,
        /// Where the other key stands.
        file: String,
        /// Its line.
        line: usize,
        /// SHA-256 of the key that the host has now.
        fingerprint: String,
    },
    /// The key is marked as stolen.
    #[error("the key of the host is revoked by {file}:{line}")]
    Revoked {
        /// Where.
        file: String,
        /// Its line.
        line: usize,
    },
    /// The host gave no key.
    #[error("the host gave no key")]
    None,
    /// A new key could not be remembered.
    #[error("the new key of the host cannot be added to {file}")]
    Remember {
        /// The file.
        file: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// The lines of known_hosts files that are about one host.
#[derive(Debug)]
pub(crate) struct KnownKeys {
    name: String,
    lines: Vec<Line>,
}

#[derive(Debug)]
struct Line {
    file: PathBuf,
    number: usize,
    revoked: bool,
    kind: String,
    key: Vec<u8>,
}

impl KnownKeys {
    /// Looks the host up. Files that cannot be read are as empty ones.
    pub(crate) fn of(target: &Target) -> Self {
        let host = target.host_key_alias.as_deref().unwrap_or(&target.host);
        let name = if target.port == 22 || target.host_key_alias.is_some() {
            host.to_owned()
        } else {
            format!("[{host}]:{}", target.port)
        };
        let mut lines = Vec::new();
        for file in &target.known_hosts {
            let Ok(text) = std::fs::read_to_string(file) else {
                continue;
            };
            let of_host = text
                .lines()
                .enumerate()
                .filter_map(|(index, line)| read_line(file, index + 1, line, &name));
            lines.extend(of_host);
        }
        Self { name, lines }
    }

    /// The algorithms to ask for: those of keys that are known come first, so that a host with
    /// several keys shows one that can be compared.
    pub(crate) fn preferred_algorithms(&self) -> Option<String> {
        const ALL: [&str; 7] = [
            "ssh-ed25519",
            "ecdsa-sha2-nistp256",
            "ecdsa-sha2-nistp384",
            "ecdsa-sha2-nistp521",
            "rsa-sha2-512",
            "rsa-sha2-256",
            "ssh-rsa",
        ];
        let is_known = |algorithm: &&str| {
            let kind = if algorithm.starts_with("rsa-") {
                "ssh-rsa"
            } else {
                algorithm
            };
            self.lines
                .iter()
                .any(|line| !line.revoked && line.kind == kind)
        };
        let known: Vec<_> = ALL.into_iter().filter(is_known).collect();
        if known.is_empty() {
            return None;
        }
        let others = ALL.into_iter().filter(|algorithm| !is_known(algorithm));
        Some(
            known
                .iter()
                .copied()
                .chain(others)
                .collect::<Vec<_>>()
                .join(","),
        )
    }

    /// Decides whether the host with this key is trusted, and remembers a new one where that is
    /// asked for.
    pub(crate) fn check(
        &self,
        target: &Target,
        key: &[u8],
        fingerprint: &[u8],
    ) -> Result<(), HostKeyError> {
        let same = |line: &&Line| line.key == key;
        if let Some(line) = self.lines.iter().filter(same).find(|line| line.revoked) {
            return Err(HostKeyError::Revoked {
                file: shown(&line.file),
                line: line.number,
            });
        }
        if self.lines.iter().any(|line| same(&line)) {
            return Ok(());
        }
        let kind = kind_of(key).ok_or(HostKeyError::None)?;
        let fingerprint = format!("SHA256:{}", STANDARD_NO_PAD.encode(fingerprint));
        if let Some(line) = self.lines.iter().find(|line| !line.revoked) {
            return Err(HostKeyError::Changed {
                kind,
                file: shown(&line.file),
                line: line.number,
                fingerprint,
            });
        }
        let line = format!("{} {kind} {}", self.name, STANDARD.encode(key));
        let file = target.known_hosts.first();
        if target.host_key_checking == HostKeyChecking::AcceptNew {
            let Some(file) = file else { return Ok(()) };
            return remember(file, &line).map_err(|source| HostKeyError::Remember {
                file: shown(file),
                source,
            });
        }
        let short = kind
            .trim_start_matches("ssh-")
            .split("-sha2")
            .next()
            .unwrap_or_default();
        Err(HostKeyError::Unknown {
            short: short.to_owned(),
            kind,
            fingerprint,
            file: file.map_or_else(|| "known_hosts".to_owned(), |file| shown(file)),
            line,
        })
    }
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

fn remember(file: &Path, line: &str) -> std::io::Result<()> {
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let mut file = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(file)?;
    // One write, so that lines of several sessions do not mix.
    file.write_all(format!("{line}\n").as_bytes())
}

/// The type stands at the front of a key, as a length and a text (RFC 4253, section 6.6).
fn kind_of(key: &[u8]) -> Option<String> {
    let length = u32::from_be_bytes(key.get(..4)?.try_into().ok()?) as usize;
    let kind = key.get(4..4_usize.checked_add(length)?)?;
    String::from_utf8(kind.to_vec()).ok()
}

/// Reads a line, if it is about this host.
fn read_line(file: &Path, number: usize, line: &str, name: &str) -> Option<Line> {
    let text = line.trim();
    let mut fields = text.split_whitespace();
    let mut hosts = fields.next().filter(|field| !field.starts_with('#'))?;
    let mut revoked = false;
    if let Some(marker) = hosts.strip_prefix('@') {
        revoked = marker == "revoked";
        if !revoked {
            return None;
        }
        hosts = fields.next()?;
    }
    let kind = fields.next()?.to_owned();
    let encoded = fields.next()?;
    let key = STANDARD.decode(encoded).ok()?;
    let is_about = if hosts.starts_with('|') {
        is_hash_of(&format!("{hosts} {kind} {encoded}"), name, &key)
    } else {
        matches(hosts, name)
    };
    is_about.then(|| Line {
        file: file.to_owned(),
        number,
        revoked,
        kind,
        key,
    })
}

/// Asks libssh2, which knows the hash.
fn is_hash_of(line: &str, name: &str, key: &[u8]) -> bool {
    let check = || -> Result<bool, ssh2::Error> {
        let session = ssh2::Session::new()?;
        let mut hosts = session.known_hosts()?;
        hosts.read_str(line, KnownHostFileKind::OpenSSH)?;
        Ok(matches!(hosts.check(name, key), CheckResult::Match))
    };
    check().unwrap_or(false)
}

/// Whether a list of patterns has one for this name, and none that excludes it.
fn matches(patterns: &str, name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let mut found = false;
    for pattern in patterns.split(',') {
        match pattern.strip_prefix('!') {
            Some(pattern) if glob(pattern.to_ascii_lowercase().as_bytes(), name.as_bytes()) => {
                return false;
            }
            Some(_) => {}
            None => found |= glob(pattern.to_ascii_lowercase().as_bytes(), name.as_bytes()),
        }
    }
    found
}

/// `*` is any text and `?` any character, without ever trying more than one way back.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while let Some(byte) = text.get(t) {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(wanted) if *wanted == b'?' || wanted == byte => {
                p += 1;
                t += 1;
            }
            _ => match star {
                Some((at, from)) => {
                    star = Some((at, from + 1));
                    p = at + 1;
                    t = from + 1;
                }
                None => return false,
            },
        }
    }
    pattern
        .get(p..)
        .is_some_and(|rest| rest.iter().all(|byte| *byte == b'*'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_in_openssh() {
        assert!(matches("web1,10.0.0.7", "10.0.0.7"));
        assert!(matches("*.example.com,!bad.example.com", "a.example.com"));
        assert!(!matches(
            "*.example.com,!bad.example.com",
            "bad.example.com"
        ));
        assert!(matches("[10.0.0.?]:22??", "[10.0.0.7]:2222"));
        assert!(!matches("web1", "web10"));
        assert!(matches("WEB1", "web1"));
    }

    #[test]
    fn lines_of_other_hosts_and_comments_are_passed_over() {
        let file = Path::new("f");
        assert!(read_line(file, 1, "# web1 ssh-ed25519 AAAA", "web1").is_none());
        assert!(read_line(file, 1, "@cert-authority web1 ssh-rsa AAAA", "web1").is_none());
        assert!(read_line(file, 1, "web2 ssh-rsa AAAA", "web1").is_none());
        let line = read_line(file, 3, "@revoked * ssh-rsa AAAA comment", "web1").unwrap();
        assert!(line.revoked && line.number == 3 && line.kind == "ssh-rsa");
    }
}
