//! What can be read from a component before it is compiled: that it is one, what it imports and
//! exports, and its manifest. Nothing here trusts the bytes; wasmtime validates them afterwards.

use wasmparser::{Encoding, Parser, Payload};

/// The largest component that is loaded, in bytes.
pub(crate) const SIZE_LIMIT: usize = 64 << 20;

/// The custom section that has the manifest.
pub(crate) const MANIFEST: &str = "dfab:manifest";

/// What the outside of a component shows.
#[derive(Debug, Default)]
pub(crate) struct Inspection {
    pub(crate) imports: Vec<String>,
    pub(crate) exports: Vec<String>,
    pub(crate) manifest: Option<Vec<u8>>,
}

/// Why bytes are not a component that can be looked into.
#[derive(Debug, thiserror::Error)]
pub enum InspectError {
    /// Larger than what dfab loads.
    #[error("it has {size} bytes, and dfab loads components of up to {SIZE_LIMIT} bytes")]
    TooLarge {
        /// Bytes.
        size: usize,
    },
    /// Machine code made by wasmtime; running it would mean to trust it like dfab itself.
    #[error("it is precompiled machine code; dfab compiles components itself")]
    Precompiled,
    /// A core module.
    #[error(
        "it is a core WebAssembly module, not a component; build it for the target wasm32-wasip2"
    )]
    CoreModule,
    /// Anything else.
    #[error("it is not a WebAssembly component")]
    NotWasm(#[source] wasmparser::BinaryReaderError),
    /// Two manifests, for example from two crates linked together.
    #[error("it has more than one manifest (custom section `dfab:manifest`)")]
    TwoManifests,
    /// A section of the name space that is dfab's, which this version does not know.
    #[error("it has a custom section `{0}`, which this dfab does not know")]
    UnknownSection(String),
}

impl Inspection {
    pub(crate) fn of(bytes: &[u8]) -> Result<Self, InspectError> {
        if bytes.len() > SIZE_LIMIT {
            return Err(InspectError::TooLarge { size: bytes.len() });
        }
        if wasmtime::Engine::detect_precompiled(bytes).is_some() {
            return Err(InspectError::Precompiled);
        }
        let mut inspection = Self::default();
        let mut depth = 0_usize;
        for payload in Parser::new(0).parse_all(bytes) {
            match payload.map_err(InspectError::NotWasm)? {
                Payload::Version { encoding, .. } => {
                    if depth == 0 && encoding == Encoding::Module {
                        return Err(InspectError::CoreModule);
                    }
                    depth += 1;
                }
                Payload::End(_) => depth = depth.saturating_sub(1),
                Payload::ComponentImportSection(section) if depth == 1 => {
                    for import in section {
                        let import = import.map_err(InspectError::NotWasm)?;
                        inspection.imports.push(import.name.name.to_owned());
                    }
                }
                Payload::ComponentExportSection(section) if depth == 1 => {
                    for export in section {
                        let export = export.map_err(InspectError::NotWasm)?;
                        inspection.exports.push(export.name.name.to_owned());
                    }
                }
                Payload::CustomSection(section) if section.name() == MANIFEST => {
                    let earlier = inspection.manifest.replace(section.data().to_vec());
                    if earlier.is_some() {
                        return Err(InspectError::TwoManifests);
                    }
                }
                Payload::CustomSection(section) if section.name().starts_with("dfab:") => {
                    let name = crate::text::plain(section.name());
                    return Err(InspectError::UnknownSection(name));
                }
                _ => {}
            }
        }
        Ok(inspection)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMPONENT: [u8; 8] = *b"\0asm\x0d\0\x01\0";
    const MODULE: [u8; 8] = *b"\0asm\x01\0\0\0";

    fn section(name: &str, data: &[u8]) -> Vec<u8> {
        let size = u8::try_from(1 + name.len() + data.len()).expect("a short section");
        let mut bytes = vec![0, size, u8::try_from(name.len()).expect("a short name")];
        bytes.extend(name.bytes());
        bytes.extend(data);
        bytes
    }

    fn nested(module: &[u8]) -> Vec<u8> {
        let mut bytes = vec![1, u8::try_from(module.len()).expect("a short module")];
        bytes.extend(module);
        bytes
    }

    #[test]
    fn finds_the_manifest_in_a_nested_module() {
        let module = [MODULE.as_slice(), &section("dfab:manifest", b"{}")].concat();
        let component = [COMPONENT.as_slice(), &nested(&module)].concat();
        let inspection = Inspection::of(&component).expect("a component");
        assert_eq!(inspection.manifest.as_deref(), Some(b"{}".as_slice()));

        let twice = [component.as_slice(), &section("dfab:manifest", b"{}")].concat();
        assert!(matches!(
            Inspection::of(&twice),
            Err(InspectError::TwoManifests)
        ));
    }

    #[test]
    fn machine_code_is_refused_be_it_our_own() {
        let engine = wasmtime::Engine::default();
        let code = engine
            .precompile_component(&COMPONENT)
            .expect("it compiles");
        assert!(matches!(
            Inspection::of(&code),
            Err(InspectError::Precompiled)
        ));
    }

    #[test]
    fn refuses_what_is_no_component() {
        assert!(matches!(
            Inspection::of(&MODULE),
            Err(InspectError::CoreModule)
        ));
        assert!(matches!(
            Inspection::of(b"#!/bin/sh\n"),
            Err(InspectError::NotWasm(_))
        ));
        assert!(matches!(Inspection::of(b""), Err(InspectError::NotWasm(_))));
        let unknown = [COMPONENT.as_slice(), &section("dfab:manifesto", b"")].concat();
        assert!(matches!(
            Inspection::of(&unknown),
            Err(InspectError::UnknownSection(_))
        ));
    }
}
