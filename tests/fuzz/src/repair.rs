//! Makes a changed bundle consistent again where it can only be by design: checksums of the archive's
//! headers and digests of components. Without that nearly every change would be found at the door, and
//! nothing behind it tried.

use std::ops::Range;

use dfab_bundles::Digest;

/// Bytes of a block of an archive.
const BLOCK: usize = 512;
/// Where a header has the name of the format, its size and its checksum.
const MAGIC: Range<usize> = 257..262;
const SIZE: Range<usize> = 124..136;
const CHECKSUM: Range<usize> = 148..156;

/// Mends checksums and digests of an archive.
pub fn repair(bytes: &mut [u8]) {
    if bytes.get(MAGIC) != Some(b"ustar".as_slice()) {
        return;
    }
    let entries = entries(bytes);
    let digests: Vec<String> = entries
        .iter()
        .filter_map(|entry| bytes.get(entry.content.clone()))
        .filter(|content| content.starts_with(b"\0asm"))
        .map(|content| Digest::of(content).to_string())
        .collect();
    if let Some(manifest) = entries.first() {
        mend_digests(bytes.get_mut(manifest.content.clone()), &digests);
    }
    for entry in entries {
        mend_checksum(bytes.get_mut(entry.header));
    }
}

struct Entry {
    header: Range<usize>,
    content: Range<usize>,
}

fn entries(bytes: &[u8]) -> Vec<Entry> {
    let mut entries = Vec::new();
    let mut at = 0;
    while let Some(header) = bytes.get(at..at + BLOCK) {
        if header.iter().all(|byte| *byte == 0) {
            break;
        }
        let digits = header.get(SIZE).unwrap_or_default();
        let size = digits
            .iter()
            .map_while(|byte| char::from(*byte).to_digit(8))
            .fold(0_usize, |size, digit| {
                size.saturating_mul(8).saturating_add(digit as usize)
            });
        let from = at + BLOCK;
        let to = from.saturating_add(size).min(bytes.len());
        entries.push(Entry {
            header: at..from,
            content: from..to,
        });
        at = to.next_multiple_of(BLOCK);
    }
    entries
}

/// The n-th digest that a manifest names is that of the n-th component.
fn mend_digests(manifest: Option<&mut [u8]>, digests: &[String]) {
    let Some(manifest) = manifest else { return };
    let mut digests = digests.iter();
    let mut at = 0;
    while let Some(found) = manifest
        .get(at..)
        .and_then(|rest| rest.windows(7).position(|part| part == b"sha256:"))
    {
        let from = at + found;
        let Some(digest) = digests.next() else { return };
        if let Some(place) = manifest.get_mut(from..from + digest.len()) {
            place.copy_from_slice(digest.as_bytes());
        }
        at = from + digest.len();
    }
}

/// The sum of all bytes, those of the checksum taken for spaces.
fn mend_checksum(header: Option<&mut [u8]>) {
    let Some(header) = header else { return };
    if let Some(place) = header.get_mut(CHECKSUM) {
        place.fill(b' ');
    }
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    if let Some(place) = header.get_mut(CHECKSUM) {
        place.copy_from_slice(format!("{sum:07o}\0").as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::seeds;
    use crate::target::Target;
    use dfab_bundles::Artifact;

    #[test]
    fn what_is_good_stays_as_it_is_and_what_was_changed_gets_further() {
        for seed in seeds(Target::Bundle).expect("seeds") {
            let mut repaired = seed.clone();
            repair(&mut repaired);
            assert!(repaired == seed, "changed by the repair");
        }
        let mut seed = seeds(Target::Bundle).expect("seeds").remove(0);
        let at = seed
            .windows(4)
            .position(|part| part == b"\0asm")
            .expect("a component");
        // The last byte of its manifest's name of the licence.
        let licence = seed[at..]
            .windows(3)
            .position(|part| part == b"MIT")
            .expect("a licence");
        seed[at + licence] = b'W';
        let open = |bytes: &[u8]| {
            let opened = Artifact::open(
                bytes::Bytes::copy_from_slice(bytes),
                &crate::examination::examine,
            );
            opened.expect_err("it was changed").to_string()
        };
        assert!(open(&seed).contains("digest"), "{}", open(&seed));
        repair(&mut seed);
        assert!(open(&seed).contains("licence"), "{}", open(&seed));
    }
}
