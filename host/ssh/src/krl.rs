//! Key revocation lists, the binary files of `ssh-keygen -k` (PROTOCOL.krl of OpenSSH).

use openssl::sha::{sha1, sha256};

use crate::certificate::Certificate;
use crate::wire::Reader;

/// What such a file begins with.
pub(crate) const MAGIC: &[u8] = b"SSHKRL\n\0";
/// The only version of the format.
const FORMAT: u32 = 1;

/// Parts of a list.
mod section {
    pub(super) const CERTIFICATES: u8 = 1;
    pub(super) const KEYS: u8 = 2;
    pub(super) const SHA1: u8 = 3;
    pub(super) const SIGNATURE: u8 = 4;
    pub(super) const SHA256: u8 = 5;
    pub(super) const EXTENSION: u8 = 255;
}

/// Parts of what is said of an authority's certificates.
mod certificates {
    pub(super) const SERIALS: u8 = 0x20;
    pub(super) const RANGE: u8 = 0x21;
    pub(super) const BITMAP: u8 = 0x22;
    pub(super) const IDENTIFIERS: u8 = 0x23;
    pub(super) const EXTENSION: u8 = 0x39;
}

/// What is revoked.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Krl<'a> {
    keys: Vec<&'a [u8]>,
    sha1: Vec<&'a [u8]>,
    sha256: Vec<&'a [u8]>,
    certificates: Vec<Certificates<'a>>,
}

/// Certificates that are revoked.
#[derive(Debug, PartialEq, Eq)]
struct Certificates<'a> {
    /// Who signed them; empty for whoever it was.
    authority: &'a [u8],
    serials: Vec<Serials<'a>>,
    identifiers: Vec<&'a [u8]>,
}

#[derive(Debug, PartialEq, Eq)]
enum Serials<'a> {
    /// From the first to the last.
    Range(u64, u64),
    /// Those whose bit is set: the last bit is for the first number.
    Bitmap(u64, &'a [u8]),
}

impl<'a> Krl<'a> {
    /// Reads a list; none where it is garbled, or has parts that nobody may pass over and that are not known
    /// here. Its signatures are not checked, as in OpenSSH.
    pub(crate) fn read(bytes: &'a [u8]) -> Option<Self> {
        let mut reader = Reader(bytes.strip_prefix(MAGIC)?);
        if reader.u32()? != FORMAT {
            return None;
        }
        reader.u64()?; // the version of the list
        reader.u64()?; // when it was made
        reader.u64()?; // flags
        reader.string()?; // reserved
        reader.string()?; // a comment
        let mut krl = Self::default();
        while let Some(kind) = reader.byte() {
            let mut part = Reader(reader.string()?);
            match kind {
                section::CERTIFICATES => krl.certificates.push(Certificates::read(part)?),
                section::KEYS => krl.keys.extend(strings(part, None)?),
                section::SHA1 => krl.sha1.extend(strings(part, Some(20))?),
                section::SHA256 => krl.sha256.extend(strings(part, Some(32))?),
                // The key was the part, and the signature comes after it.
                section::SIGNATURE => {
                    reader.string()?;
                }
                section::EXTENSION => extension(&mut part)?,
                _ => return None,
            }
        }
        Some(krl)
    }

    /// Whether a key is revoked, or the certificate that it comes with. Its authority is a key of its own.
    pub(crate) fn revokes(&self, key: &[u8], certificate: Option<&Certificate<'_>>) -> bool {
        self.keys.contains(&key)
            || self.sha1.contains(&sha1(key).as_slice())
            || self.sha256.contains(&sha256(key).as_slice())
            || certificate.is_some_and(|certificate| {
                self.certificates.iter().any(|it| it.revoke(certificate))
            })
    }
}

impl<'a> Certificates<'a> {
    fn read(mut reader: Reader<'a>) -> Option<Self> {
        let authority = reader.string()?;
        reader.string()?; // reserved
        let mut read = Self {
            authority,
            serials: Vec::new(),
            identifiers: Vec::new(),
        };
        while let Some(kind) = reader.byte() {
            let mut part = Reader(reader.string()?);
            match kind {
                certificates::SERIALS => {
                    while !part.is_empty() {
                        let serial = part.u64()?;
                        read.serials.push(Serials::Range(serial, serial));
                    }
                }
                certificates::RANGE => {
                    let range = Serials::Range(part.u64()?, part.u64()?);
                    read.serials.push(part.is_empty().then_some(range)?);
                }
                certificates::BITMAP => {
                    let bitmap = Serials::Bitmap(part.u64()?, part.string()?);
                    read.serials.push(part.is_empty().then_some(bitmap)?);
                }
                certificates::IDENTIFIERS => read.identifiers.extend(strings(part, None)?),
                certificates::EXTENSION => extension(&mut part)?,
                _ => return None,
            }
        }
        Some(read)
    }

    fn revoke(&self, certificate: &Certificate<'_>) -> bool {
        if !self.authority.is_empty() && self.authority != certificate.authority {
            return false;
        }
        // Zero is the number of those that were given none.
        let by_serial = certificate.serial != 0
            && self
                .serials
                .iter()
                .any(|serials| serials.have(certificate.serial));
        by_serial || self.identifiers.contains(&certificate.identifier)
    }
}

impl Serials<'_> {
    fn have(&self, serial: u64) -> bool {
        match self {
            Self::Range(first, last) => (*first..=*last).contains(&serial),
            Self::Bitmap(first, bits) => {
                let bit = serial.checked_sub(*first);
                let byte = bit.and_then(|bit| {
                    let index = usize::try_from(bit / 8).ok()?;
                    bits.iter().rev().nth(index)
                });
                byte.zip(bit)
                    .is_some_and(|(byte, bit)| (*byte >> (bit % 8)) & 1 == 1)
            }
        }
    }
}

/// Strings up to the end, of a length where there is only one.
fn strings<'a>(mut reader: Reader<'a>, length: Option<usize>) -> Option<Vec<&'a [u8]>> {
    let mut strings = Vec::new();
    while !reader.is_empty() {
        let string = reader.string()?;
        if length.is_some_and(|length| string.len() != length) {
            return None;
        }
        strings.push(string);
    }
    Some(strings)
}

/// Passes over an extension, which says whether one may.
fn extension(reader: &mut Reader<'_>) -> Option<()> {
    reader.string()?; // its name
    let is_critical = reader.byte()? != 0;
    (!is_critical).then_some(())
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::process::{Command, Output};

    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use proptest::prelude::*;

    use super::*;
    use crate::wire::put_string;

    fn keygen(folder: &Path, arguments: &[&str]) -> Output {
        let mut keygen = Command::new("ssh-keygen");
        keygen.current_dir(folder).args(arguments).output().unwrap()
    }

    fn made(folder: &Path, arguments: &[&str]) {
        let output = keygen(folder, arguments);
        assert!(output.status.success(), "{arguments:?}: {output:?}");
    }

    fn public(folder: &Path, name: &str) -> Vec<u8> {
        let text = std::fs::read_to_string(folder.join(name)).unwrap();
        STANDARD.decode(text.split(' ').nth(1).unwrap()).unwrap()
    }

    /// As a host is looked at.
    fn is_revoked(krl: &Krl<'_>, key: &[u8]) -> bool {
        match Certificate::read(key) {
            Some(certificate) => {
                krl.revokes(&certificate.key, Some(&certificate))
                    || krl.revokes(certificate.authority, None)
            }
            None => krl.revokes(key, None),
        }
    }

    /// Whatever ssh-keygen writes, it and this module read the same out of it.
    #[test]
    fn lists_revoke_what_ssh_keygen_says() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let mut files = Vec::new();
        for name in ["ca", "other-ca", "a", "b", "c"] {
            made(folder, &["-q", "-t", "ed25519", "-N", "", "-f", name]);
            files.push(format!("{name}.pub"));
        }
        for authority in ["ca", "other-ca"] {
            for (key, serial) in [
                ("a", 0),
                ("a", 1),
                ("a", 2),
                ("a", 7),
                ("b", 40),
                ("b", 41),
                ("b", 43),
                ("c", 99),
                ("c", 5000),
                ("c", u64::MAX),
            ] {
                let (id, serial) = (format!("host-{serial}"), serial.to_string());
                let file = format!("{key}.pub");
                let sign = ["-q", "-s", authority, "-h", "-I", &id, "-n", "h", "-z"];
                made(folder, &[&sign[..], &[&serial, &file]].concat());
                let kept = format!("{authority}-{key}-{serial}-cert.pub");
                std::fs::rename(folder.join(format!("{key}-cert.pub")), folder.join(&kept))
                    .unwrap();
                files.push(kept);
            }
        }
        let line = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
        let (mut revoked, mut spared) = (0, 0);
        for (specification, authority) in [
            (line("a.pub"), None),
            (format!("key: {}", line("b.pub")), None),
            (format!("sha1: {}", line("b.pub")), None),
            (format!("sha256: {}", line("c.pub")), None),
            (line("ca.pub"), None),
            ("serial: 7\n".to_owned(), Some("ca.pub")),
            ("serial: 2-41\n".to_owned(), Some("ca.pub")),
            (
                "serial: 1\nserial: 41\nserial: 43\nserial: 60\nserial: 99\n".to_owned(),
                Some("ca.pub"),
            ),
            (
                "serial: 5000-18446744073709551615\n".to_owned(),
                Some("ca.pub"),
            ),
            ("id: host-0\nid: host-43\n".to_owned(), Some("ca.pub")),
            ("serial: 7\nid: host-40\n".to_owned(), Some("none")),
            (
                format!("serial: 99\nid: host-0\nsha256: {}", line("b.pub")),
                Some("other-ca.pub"),
            ),
            (String::new(), None),
        ] {
            std::fs::write(folder.join("specification"), &specification).unwrap();
            let with = authority.map(|authority| ["-s", authority]);
            let with = with.as_ref().map_or(&[][..], |with| &with[..]);
            made(
                folder,
                &[&["-k", "-f", "krl"], with, &["specification"]].concat(),
            );
            let bytes = std::fs::read(folder.join("krl")).unwrap();
            let krl = Krl::read(&bytes).unwrap_or_else(|| panic!("{specification}"));
            for file in &files {
                let theirs = keygen(folder, &["-Q", "-f", "krl", file]);
                let said = String::from_utf8_lossy(&theirs.stdout).into_owned();
                let is_theirs = said.trim().ends_with(": REVOKED");
                assert!(is_theirs || said.trim().ends_with(": ok"), "{theirs:?}");
                let is_ours = is_revoked(&krl, &public(folder, file));
                assert_eq!(is_ours, is_theirs, "{file} by {specification}");
                *(if is_ours { &mut revoked } else { &mut spared }) += 1;
            }
            // Nothing is left out where the end is missing.
            for end in 0..bytes.len() {
                let cut = Krl::read(&bytes[..end]);
                assert!(cut.is_none_or(|cut| cut != krl), "{end} of {specification}");
            }
        }
        assert!(revoked > 50 && spared > 50, "{revoked} {spared}");
    }

    fn header() -> Vec<u8> {
        let mut bytes = [MAGIC, &FORMAT.to_be_bytes(), &[0; 24]].concat();
        put_string(&mut bytes, b"");
        put_string(&mut bytes, b"a comment");
        bytes
    }

    fn part(kind: u8, content: &[u8]) -> Vec<u8> {
        let mut bytes = vec![kind];
        put_string(&mut bytes, content);
        bytes
    }

    #[test]
    fn what_may_be_passed_over_is_and_the_rest_is_refused() {
        let extension = |is_critical| {
            let mut content = Vec::new();
            put_string(&mut content, b"name@example.com");
            content.push(is_critical);
            put_string(&mut content, b"content");
            content
        };
        let nobodys = [0; 8];
        let mut key = Vec::new();
        put_string(&mut key, b"key");
        let mut signed = part(section::SIGNATURE, b"key");
        put_string(&mut signed, b"signature");
        for (parts, reads) in [
            (part(section::EXTENSION, &extension(0)), true),
            (part(section::EXTENSION, &extension(1)), false),
            (
                part(
                    section::CERTIFICATES,
                    &[&nobodys[..], &part(certificates::EXTENSION, &extension(0))].concat(),
                ),
                true,
            ),
            (
                part(
                    section::CERTIFICATES,
                    &[&nobodys[..], &part(certificates::EXTENSION, &extension(1))].concat(),
                ),
                false,
            ),
            (part(9, b""), false),
            (part(section::SHA1, &key), false),
            (signed, true),
        ] {
            let bytes = [header(), parts.clone(), part(section::KEYS, &key)].concat();
            let krl = Krl::read(&bytes);
            assert_eq!(krl.is_some(), reads, "{parts:?}");
            assert!(krl.is_none_or(|krl| krl.revokes(b"key", None)), "{parts:?}");
        }
        let mut newer = header();
        newer[11] = 2;
        assert_eq!(Krl::read(&newer), None);
    }

    proptest! {
        #[test]
        fn numbers_are_in_a_bitmap_as_they_were_put_there(
            first in prop_oneof![0..100_u64, u64::MAX - 300..u64::MAX],
            offsets in proptest::collection::btree_set(0_u64..300, 0..40),
        ) {
            let mut bits = [0_u8; 38];
            for offset in &offsets {
                bits[37 - usize::try_from(offset / 8).unwrap()] |= 1 << (offset % 8);
            }
            let serials = Serials::Bitmap(first, &bits);
            for offset in 0..300 {
                if let Some(serial) = first.checked_add(offset) {
                    prop_assert_eq!(serials.have(serial), offsets.contains(&offset));
                }
            }
            prop_assert!(first.checked_sub(1).is_none_or(|before| !serials.have(before)));
            prop_assert!(first.checked_add(304).is_none_or(|after| !serials.have(after)));
        }

        #[test]
        fn no_bytes_are_too_odd_to_be_read(sections: Vec<(u8, Vec<u8>)>, rest: Vec<u8>) {
            let mut bytes = header();
            for (kind, content) in &sections {
                bytes.extend(part(kind % 6, content));
                let nested = part(0x20 + kind % 4, content);
                bytes.extend(part(section::CERTIFICATES, &[&[0; 8], &nested[..]].concat()));
            }
            bytes.extend(rest);
            if let Some(krl) = Krl::read(&bytes) {
                krl.revokes(b"key", None);
            }
        }
    }
}
