//! The header of a tar entry, as far as owner and mode go.
//!
//! Written as ustar (POSIX.1-2017, pax, "ustar Interchange Format"), with GNU's binary numbers
//! where an id has more than seven octal digits. Read with pax records as well.

/// Headers and contents of a tar archive are multiples of this, in bytes.
pub(crate) const BLOCK: usize = 512;

/// What one header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TarHeader {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    /// The twelve lower bits.
    pub(crate) mode: u32,
    /// Seconds since 1970.
    pub(crate) modified: u64,
    pub(crate) is_directory: bool,
}

impl TarHeader {
    /// An archive with this entry alone. The name has at most 99 bytes.
    pub(crate) fn archive(&self, name: &str) -> Option<Vec<u8>> {
        let mut block = [0_u8; BLOCK];
        block
            .get_mut(..name.len())
            .filter(|field| field.len() < 100)?
            .copy_from_slice(name.as_bytes());
        write_number(block.get_mut(100..108)?, self.mode.into());
        write_number(block.get_mut(108..116)?, self.uid.into());
        write_number(block.get_mut(116..124)?, self.gid.into());
        write_number(block.get_mut(124..136)?, 0);
        write_number(block.get_mut(136..148)?, self.modified);
        block
            .get_mut(156..157)?
            .copy_from_slice(if self.is_directory { b"5" } else { b"0" });
        block.get_mut(257..265)?.copy_from_slice(b"ustar\x0000");
        let sum = checksum(&block);
        block
            .get_mut(148..156)?
            .copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        let mut archive = block.to_vec();
        archive.resize(3 * BLOCK, 0);
        Some(archive)
    }

    /// Reads the first entry of an archive; [`Reading::Incomplete`] when more bytes are needed.
    pub(crate) fn first_of(archive: &[u8]) -> Reading {
        match first_of(archive) {
            Ok((header, _)) => Reading::Header(header),
            Err(Stop::Incomplete) => Reading::Incomplete,
            Err(Stop::Invalid) => Reading::Invalid,
        }
    }
}

/// Whether the first entry of an archive, a directory, is the only one; none when more bytes are needed
/// or it is no archive.
pub(crate) fn is_alone(archive: &[u8]) -> Option<bool> {
    let (_, rest) = first_of(archive).ok()?;
    let next = rest.get(..BLOCK)?;
    // An archive ends with blocks of zeros.
    Some(next.iter().all(|byte| *byte == 0))
}

/// The outcome of reading the beginning of an archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    Header(TarHeader),
    Incomplete,
    Invalid,
}

enum Stop {
    Incomplete,
    Invalid,
}

/// Pax records before the first entry are far smaller than this, in bytes.
const LARGEST_RECORDS: u64 = 64 * 1024;

/// The first header, and what follows it.
fn first_of(archive: &[u8]) -> Result<(TarHeader, &[u8]), Stop> {
    let mut rest = archive;
    let (mut uid, mut gid) = (None, None);
    loop {
        let block = rest.get(..BLOCK).ok_or(Stop::Incomplete)?;
        let field = |range: std::ops::Range<usize>| block.get(range).unwrap_or_default();
        if read_number(field(148..156)) != Some(checksum(block).into()) {
            return Err(Stop::Invalid);
        }
        let kind = field(156..157);
        if matches!(kind, b"x" | b"g") {
            let size = read_number(field(124..136))
                .filter(|size| *size <= LARGEST_RECORDS)
                .and_then(|size| usize::try_from(size).ok())
                .ok_or(Stop::Invalid)?;
            let records = rest.get(BLOCK..BLOCK + size).ok_or(Stop::Incomplete)?;
            uid = pax_number(records, "uid").or(uid);
            gid = pax_number(records, "gid").or(gid);
            rest = rest
                .get(BLOCK + size.next_multiple_of(BLOCK)..)
                .ok_or(Stop::Incomplete)?;
            continue;
        }
        let id = |pax: Option<u32>, range| {
            pax.or_else(|| read_number(field(range)).and_then(|id| u32::try_from(id).ok()))
                .ok_or(Stop::Invalid)
        };
        let mode = read_number(field(100..108)).ok_or(Stop::Invalid)? & 0o7777;
        let header = TarHeader {
            uid: id(uid, 108..116)?,
            gid: id(gid, 116..124)?,
            mode: u32::try_from(mode).map_err(|_| Stop::Invalid)?,
            modified: read_number(field(136..148)).unwrap_or(0),
            is_directory: kind == b"5",
        };
        return Ok((header, rest.get(BLOCK..).unwrap_or_default()));
    }
}

/// The sum of all bytes, with the field of the checksum itself taken as spaces.
fn checksum(block: &[u8]) -> u32 {
    block
        .iter()
        .enumerate()
        .map(|(at, byte)| {
            if (148..156).contains(&at) {
                32
            } else {
                u32::from(*byte)
            }
        })
        .sum()
}

/// Octal digits and a NUL, or GNU's form: a set high bit, then big-endian bytes.
fn write_number(field: &mut [u8], value: u64) {
    let digits = field.len() - 1;
    let octal = format!("{value:0digits$o}\0");
    if octal.len() == field.len() {
        field.copy_from_slice(octal.as_bytes());
        return;
    }
    let bytes = value.to_be_bytes();
    let skipped = bytes.len().saturating_sub(field.len());
    let start = field.len().saturating_sub(bytes.len());
    for (place, byte) in field.iter_mut().skip(start).zip(bytes.iter().skip(skipped)) {
        *place = *byte;
    }
    if let Some(first) = field.first_mut() {
        *first |= 0x80;
    }
}

fn read_number(field: &[u8]) -> Option<u64> {
    let (first, rest) = field.split_first()?;
    if first & 0x80 != 0 {
        return rest
            .iter()
            .try_fold(u64::from(first & 0x7f), |value, byte| {
                value.checked_mul(256)?.checked_add((*byte).into())
            });
    }
    let text = std::str::from_utf8(field).ok()?.trim_matches(['\0', ' ']);
    if text.is_empty() {
        Some(0)
    } else {
        u64::from_str_radix(text, 8).ok()
    }
}

/// A record is its own length, a space, `key=value` and a line break.
fn pax_number(records: &[u8], key: &str) -> Option<u32> {
    let prefix = format!("{key}=");
    records.split(|byte| *byte == b'\n').find_map(|record| {
        let record = std::str::from_utf8(record).ok()?;
        record
            .split_once(' ')?
            .1
            .strip_prefix(&prefix)?
            .parse()
            .ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: TarHeader = TarHeader {
        uid: 1000,
        gid: 100,
        mode: 0o2750,
        modified: 1_700_000_000,
        is_directory: true,
    };

    #[test]
    fn what_is_written_reads_back() {
        for uid in [0, 1000, 0o7_777_777, 0o10_000_000, u32::MAX] {
            let header = TarHeader { uid, ..HEADER };
            let archive = header.archive("/").unwrap();
            assert_eq!(TarHeader::first_of(&archive), Reading::Header(header));
        }
    }

    #[test]
    fn pax_records_come_first() {
        let mut archive = HEADER.archive("pax").unwrap();
        archive.truncate(BLOCK);
        archive[156] = b'x';
        archive[124..136].copy_from_slice(b"00000000033\0");
        let sum = checksum(&archive);
        archive[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        let mut records = b"11 path=./\n16 uid=4000000\n\n".to_vec();
        records.resize(BLOCK, 0);
        archive.extend(records);
        assert_eq!(TarHeader::first_of(&archive), Reading::Incomplete);
        archive.extend(HEADER.archive("./").unwrap());
        assert_eq!(
            TarHeader::first_of(&archive),
            Reading::Header(TarHeader {
                uid: 4_000_000,
                ..HEADER
            })
        );
    }

    #[test]
    fn an_entry_is_alone_where_the_archive_ends() {
        let alone = HEADER.archive("./").unwrap();
        assert_eq!(is_alone(&alone), Some(true));
        assert_eq!(is_alone(&alone[..BLOCK]), None);
        let mut two = alone[..BLOCK].to_vec();
        two.extend(HEADER.archive("./a/").unwrap());
        assert_eq!(is_alone(&two), Some(false));
    }

    #[test]
    fn other_bytes_are_no_header() {
        assert_eq!(TarHeader::first_of(&[0; BLOCK]), Reading::Invalid);
        assert_eq!(TarHeader::first_of(b"short"), Reading::Incomplete);
    }

    #[test]
    fn tar_reads_what_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.tar");
        std::fs::write(&path, HEADER.archive("data/").unwrap()).unwrap();
        let listed = std::process::Command::new("tar")
            .arg("-tvf")
            .arg(&path)
            .output()
            .unwrap();
        let listed = String::from_utf8(listed.stdout).unwrap();
        assert!(listed.starts_with("drwxr-s--- 1000/100"), "{listed}");
    }
}
