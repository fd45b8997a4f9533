//! Putting a manifest into a component whose compiler could not: what it says about itself becomes its
//! last custom section.

use crate::inspect::{Inspection, MANIFEST};
use crate::load::{LoadReason, examine};

/// Why a manifest cannot be put into a component.
#[derive(Debug, thiserror::Error)]
pub enum EmbedError {
    /// It has one, which would have to be taken out of the middle of it.
    #[error("it has a manifest already; put another one in where it is built")]
    Present,
    /// It is no component, or the manifest is none that it may have.
    #[error(transparent)]
    Refused(#[from] LoadReason),
}

/// The component with a manifest, which dfab would load.
///
/// # Errors
/// Where it has a manifest, or where it would not be loaded with this one.
pub fn with_manifest(component: &[u8], manifest: &[u8]) -> Result<Vec<u8>, EmbedError> {
    let inspection = Inspection::of(component).map_err(LoadReason::from)?;
    if inspection.manifest.is_some() {
        return Err(EmbedError::Present);
    }
    let name = MANIFEST.as_bytes();
    let mut section = number(name.len());
    section.extend(name);
    section.extend(manifest);
    let mut bytes = component.to_vec();
    // The identifier of custom sections.
    bytes.push(0);
    bytes.extend(number(section.len()));
    bytes.extend(section);
    examine(&bytes)?;
    Ok(bytes)
}

/// A number as WebAssembly writes it: seven bits a byte, the lowest first.
fn number(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = u8::try_from(number & 0x7f).unwrap_or_default();
        number >>= 7;
        if number == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_by_sevens() {
        assert_eq!(number(0), [0]);
        assert_eq!(number(0x7f), [0x7f]);
        assert_eq!(number(0x80), [0x80, 1]);
        assert_eq!(number(624_485), [0xe5, 0x8e, 0x26]);
    }

    #[test]
    fn what_is_no_component_gets_no_manifest() {
        for bytes in [b"".as_slice(), b"\0asm\x01\0\0\0", b"#!/bin/sh"] {
            let refused = with_manifest(bytes, b"{}");
            assert!(
                matches!(refused, Err(EmbedError::Refused(_))),
                "{refused:?}"
            );
        }
    }
}
