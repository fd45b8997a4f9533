//! What is signed, carried and installed: a bundle, or a single component as it is.
//!
//! A bundle's manifest, `bundle.json`, says what the bundle is called, and repeats of each component
//! what the component says about itself, so that it can be read without looking into components. That
//! is a claim, and held against the components whenever a bundle is opened.

use bytes::Bytes;
use semver::Version;

use crate::archive::{self, ArchiveError, Files, MANIFEST};
use crate::component::{Component, Examine, Refusal};
use crate::digest::Digest;
use crate::name::{FileName, Name};

/// A bundle or a component whose form was checked; nothing is said of who made it.
#[derive(Clone, Debug)]
pub struct Artifact {
    bytes: Bytes,
    digest: Digest,
    name: Name,
    version: String,
    description: String,
    parts: Vec<Part>,
    files: Option<Files>,
}

/// A component of an artifact.
#[derive(Clone, Debug)]
pub struct Part {
    /// What it says about itself.
    pub component: Component,
    /// Of its bytes.
    pub digest: Digest,
    /// The component.
    pub bytes: Bytes,
}

/// `bundle.json`.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The version of this form: 1.
    pub bundle: u32,
    /// Of the bundle.
    pub name: Name,
    /// Of the bundle, by the rules of <https://semver.org>.
    #[serde(with = "version_text")]
    pub version: Version,
    /// One line about it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Where its source is.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub source: String,
    /// Its components, in the order of their files.
    #[serde(default)]
    pub components: Vec<Entry>,
}

/// A component in `bundle.json`.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Where in the bundle.
    pub file: FileName,
    /// Of the component's bytes.
    pub digest: Digest,
    /// What it says about itself.
    pub component: Component,
}

/// Why bytes are neither a bundle nor a component that dfab takes.
#[derive(Debug, thiserror::Error)]
pub enum ArtifactError {
    /// Neither an archive nor a component.
    #[error("it is neither a bundle nor a WebAssembly component")]
    Neither,
    /// Machine code made elsewhere.
    #[error("it is machine code; dfab takes components and compiles them itself")]
    MachineCode,
    /// The archive.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// The manifest cannot be read.
    #[error("{MANIFEST} cannot be read")]
    Manifest(#[source] serde_json::Error),
    /// The manifest is of a later form.
    #[error(
        "{MANIFEST} has the form {0}, and this dfab knows the form {FORM}; it needs a newer dfab"
    )]
    Form(u32),
    /// The manifest is written otherwise than dfab writes it.
    #[error("{MANIFEST} is not written as `dfab bundle pack` writes it")]
    ManifestText,
    /// A file that the manifest does not name, or the other way round.
    #[error("{MANIFEST} and the files of the bundle differ: {0}")]
    Files(String),
    /// No component.
    #[error("it has no component")]
    Empty,
    /// Two components that the command line could not tell apart.
    #[error("two of its components are called {0}")]
    Twice(Name),
    /// The manifest says something else of a component than the component itself.
    #[error("{MANIFEST} and {file} differ about its {what}")]
    Claim {
        /// The component.
        file: FileName,
        /// In what.
        what: &'static str,
    },
    /// A component is not one that dfab loads.
    #[error("{file} is refused")]
    Component {
        /// Where in the bundle, or what it is called otherwise.
        file: String,
        /// Why.
        #[source]
        source: Refusal,
    },
}

const FORM: u32 = 1;

impl Artifact {
    /// Opens a bundle, or a single component.
    ///
    /// # Errors
    /// Where it is neither, or where what it says about itself is not so.
    pub fn open(bytes: Bytes, examine: &dyn Examine) -> Result<Self, ArtifactError> {
        if bytes.starts_with(b"\0asm") {
            return Self::single(bytes, examine);
        }
        if bytes.starts_with(b"\x7fELF") {
            return Err(ArtifactError::MachineCode);
        }
        let is_tar = bytes.get(257..262) == Some(b"ustar");
        match archive::decode(&bytes) {
            Ok(files) => Self::of_files(bytes, files, examine),
            Err(ArchiveError::Compressed) => Err(ArchiveError::Compressed.into()),
            Err(error) if is_tar || bytes.len() > archive::SIZE_LIMIT => Err(error.into()),
            Err(_) => Err(ArtifactError::Neither),
        }
    }

    /// Makes a bundle of files, which may be those of another bundle.
    ///
    /// # Errors
    /// Where they are not all that a bundle has, and nothing else.
    pub fn from_files(files: Files, examine: &dyn Examine) -> Result<Self, ArtifactError> {
        let bytes = archive::encode(&files)?;
        // The bytes of the files are those of the archive, so that they are not kept twice.
        Self::open(bytes, examine)
    }

    /// The bytes that are signed and carried.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Of these bytes.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Of the bundle, or of the single component.
    #[must_use]
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// Of the bundle, or of the single component.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// One line about it.
    #[must_use]
    pub fn description(&self) -> &str {
        &self.description
    }

    /// Its components, in the order of their files.
    #[must_use]
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// Its files by name; none where it is a single component.
    #[must_use]
    pub fn files(&self) -> Option<&Files> {
        self.files.as_ref()
    }

    /// All names that it takes: its own and those of its components.
    pub fn names(&self) -> impl Iterator<Item = &Name> {
        std::iter::once(&self.name).chain(self.parts.iter().map(|part| &part.component.name))
    }

    fn single(bytes: Bytes, examine: &dyn Examine) -> Result<Self, ArtifactError> {
        let refused = |source| ArtifactError::Component {
            file: "the component".to_owned(),
            source,
        };
        let component = examine.examine(&bytes).map_err(refused)?;
        let digest = Digest::of(&bytes);
        Ok(Self {
            digest,
            name: component.name.clone(),
            version: component.version.clone(),
            description: component.summary.clone(),
            parts: vec![Part {
                component,
                digest,
                bytes: bytes.clone(),
            }],
            files: None,
            bytes,
        })
    }

    fn of_files(bytes: Bytes, files: Files, examine: &dyn Examine) -> Result<Self, ArtifactError> {
        let text = files
            .iter()
            .find_map(|(file, bytes)| (file.as_str() == MANIFEST).then_some(bytes))
            .ok_or(ArchiveError::NoManifest)?;
        let manifest = Manifest::read(text)?;
        if manifest.text() != text.as_ref() {
            return Err(ArtifactError::ManifestText);
        }
        let listed = manifest.components.iter().map(|entry| &entry.file);
        let there = files.keys().filter(|file| file.is_component());
        if !listed.eq(there) {
            return Err(ArtifactError::Files(
                "the components that it lists are not those that are there".to_owned(),
            ));
        }
        let mut parts: Vec<Part> = Vec::new();
        for entry in manifest.components {
            let bytes = files
                .get(&entry.file)
                .ok_or_else(|| ArtifactError::Files(entry.file.to_string()))?;
            let part = part(&entry.file, bytes, examine)?;
            entry.hold_against(&part)?;
            if parts
                .iter()
                .any(|other| other.component.name == part.component.name)
            {
                return Err(ArtifactError::Twice(part.component.name));
            }
            parts.push(part);
        }
        if parts.is_empty() {
            return Err(ArtifactError::Empty);
        }
        Ok(Self {
            digest: Digest::of(&bytes),
            bytes,
            name: manifest.name,
            version: manifest.version.to_string(),
            description: manifest.description,
            parts,
            files: Some(files),
        })
    }
}

pub(crate) fn part(
    file: &FileName,
    bytes: &Bytes,
    examine: &dyn Examine,
) -> Result<Part, ArtifactError> {
    let component = examine
        .examine(bytes)
        .map_err(|source| ArtifactError::Component {
            file: file.to_string(),
            source,
        })?;
    Ok(Part {
        component,
        digest: Digest::of(bytes),
        bytes: bytes.clone(),
    })
}

impl Manifest {
    /// Of a bundle without components yet.
    #[must_use]
    pub fn new(name: Name, version: Version) -> Self {
        Self {
            bundle: FORM,
            name,
            version,
            description: String::new(),
            source: String::new(),
            components: Vec::new(),
        }
    }

    /// Reads `bundle.json`.
    ///
    /// # Errors
    /// Where it is of another form.
    pub fn read(text: &[u8]) -> Result<Self, ArtifactError> {
        /// Of a later form nothing else can be relied on.
        #[derive(serde::Deserialize)]
        struct Form {
            bundle: u32,
        }
        let Form { bundle } = serde_json::from_slice(text).map_err(ArtifactError::Manifest)?;
        if bundle != FORM {
            return Err(ArtifactError::Form(bundle));
        }
        serde_json::from_slice(text).map_err(ArtifactError::Manifest)
    }

    /// The one way to write it.
    pub(crate) fn text(&self) -> Vec<u8> {
        // A structure of texts cannot fail to be written.
        let mut text = serde_json::to_vec_pretty(self).unwrap_or_default();
        text.push(b'\n');
        text
    }
}

impl Entry {
    fn hold_against(&self, part: &Part) -> Result<(), ArtifactError> {
        let (claim, fact) = (&self.component, &part.component);
        let what = if self.digest != part.digest {
            "digest"
        } else if claim.name != fact.name {
            "name"
        } else if claim.kind != fact.kind {
            "kind"
        } else if claim.asks != fact.asks {
            "capabilities"
        } else if claim != fact {
            "version, summary, licence or interfaces"
        } else {
            return Ok(());
        };
        Err(ArtifactError::Claim {
            file: self.file.clone(),
            what,
        })
    }
}

/// Versions as texts.
mod version_text {
    use semver::Version;
    use serde::de::{Deserialize as _, Deserializer, Error as _};
    use serde::ser::Serializer;

    pub(super) fn serialize<S: Serializer>(version: &Version, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(version)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Version, D::Error> {
        let text = String::deserialize(from)?;
        let shown = crate::name::shown(&text);
        text.parse()
            .map_err(|error| D::Error::custom(format!("`{shown}` is no version: {error}")))
    }
}
