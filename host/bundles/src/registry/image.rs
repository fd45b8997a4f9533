//! Manifests as registries keep them. What is made here is the same for the same artifact.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::artifact::Artifact;
use crate::component::Component;
use crate::digest::Digest;
use crate::name::FileName;
use crate::signature::{self, Signature};

pub(super) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(super) const INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub(super) const WASM: &str = "application/wasm";
/// The type of the artifact that has the texts of a bundle.
pub(super) const BUNDLE: &str = "application/vnd.dfab.bundle.v1";
pub(super) const TITLE: &str = "org.opencontainers.image.title";
const CONFIG: &str = "application/vnd.wasm.config.v0+json";
const EMPTY: &str = "application/vnd.oci.empty.v1+json";
const VERSION: &str = "org.opencontainers.image.version";
const DESCRIPTION: &str = "org.opencontainers.image.description";
const DIGEST: &str = "dfab.bundle.digest";

/// A manifest that is to be pushed, and what it lists.
#[derive(Debug)]
pub(super) struct Image {
    pub(super) manifest: Bytes,
    pub(super) blobs: Vec<Bytes>,
    artifact_type: Option<&'static str>,
}

/// A manifest that was pulled, as far as dfab looks at it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Manifest {
    pub(super) layers: Vec<Descriptor>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

/// A list of manifests.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Index {
    schema_version: u32,
    media_type: String,
    pub(super) manifests: Vec<Descriptor>,
}

/// What a manifest says of a blob, and an index of a manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Descriptor {
    pub(super) media_type: String,
    pub(super) digest: Digest,
    pub(super) size: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) artifact_type: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) annotations: BTreeMap<String, String>,
}

impl Image {
    /// The components of an artifact.
    pub(super) fn of(artifact: &Artifact) -> Self {
        let (layers, mut blobs): (Vec<_>, Vec<_>) = match artifact.files() {
            Some(files) => files
                .iter()
                .filter(|(file, _)| file.is_component())
                .map(|(file, bytes)| (Descriptor::new(WASM, bytes).titled(file), bytes.clone()))
                .unzip(),
            None => {
                let bytes = artifact.bytes();
                (vec![Descriptor::new(WASM, bytes)], vec![bytes.clone()])
            }
        };
        let all = |of: fn(&Component) -> &Vec<String>| -> BTreeSet<&String> {
            let parts = artifact.parts().iter();
            parts.flat_map(|part| of(&part.component)).collect()
        };
        let digests: Vec<_> = layers.iter().map(|layer| layer.digest).collect();
        let config = bytes(&json!({
            // The same artifact, the same manifest: no date.
            "created": "1970-01-01T00:00:00Z",
            "author": null,
            "architecture": "wasm",
            "os": "wasip2",
            "layerDigests": digests,
            "component": {
                "imports": all(|component| &component.imports),
                "exports": all(|component| &component.exports),
                "target": null,
            },
        }));
        let mut annotations = BTreeMap::from([
            (TITLE, artifact.name().to_string()),
            (VERSION, artifact.version().to_owned()),
            (DESCRIPTION, artifact.description().to_owned()),
        ]);
        if artifact.files().is_some() {
            annotations.insert(DIGEST, artifact.digest().to_string());
        }
        annotations.retain(|_, value| !value.is_empty());
        let manifest = bytes(&json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": Descriptor::new(CONFIG, &config),
            "layers": layers,
            "annotations": annotations,
        }));
        blobs.push(config);
        Self {
            manifest,
            blobs,
            artifact_type: None,
        }
    }

    /// How others name it.
    pub(super) fn descriptor(&self) -> Descriptor {
        let mut descriptor = Descriptor::new(MANIFEST, &self.manifest);
        descriptor.artifact_type = self.artifact_type.map(str::to_owned);
        descriptor
    }

    /// Something that refers to something else.
    fn referrer(kind: &'static str, blobs: Vec<(Descriptor, Bytes)>, subject: &Descriptor) -> Self {
        let empty = Bytes::from_static(b"{}");
        let (layers, mut blobs): (Vec<_>, Vec<_>) = blobs.into_iter().unzip();
        let manifest = bytes(&json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "artifactType": kind,
            "config": Descriptor::new(EMPTY, &empty),
            "layers": layers,
            "subject": subject,
        }));
        blobs.push(empty);
        Self {
            manifest,
            blobs,
            artifact_type: Some(kind),
        }
    }
}

/// The other files of a bundle.
pub(super) fn texts(artifact: &Artifact, subject: &Descriptor) -> Option<Image> {
    let files = artifact
        .files()?
        .iter()
        .filter(|(file, _)| !file.is_component());
    let blobs = files.map(|(file, bytes)| {
        let kind = match file.as_str().rsplit_once('.') {
            Some((_, "json")) => "application/json",
            Some((_, "md")) => "text/markdown",
            _ => "text/plain",
        };
        (Descriptor::new(kind, bytes).titled(file), bytes.clone())
    });
    Some(Image::referrer(BUNDLE, blobs.collect(), subject))
}

/// A signature.
pub(super) fn signature(signature: &Signature, subject: &Descriptor) -> Image {
    let line = Bytes::from(signature.line());
    let blob = (Descriptor::new(signature::MEDIA_TYPE, &line), line);
    Image::referrer(signature::MEDIA_TYPE, vec![blob], subject)
}

impl Manifest {
    /// The digest of the bundle that it is of, if it is of one.
    pub(super) fn bundle(&self) -> Option<Digest> {
        self.annotations.get(DIGEST)?.parse().ok()
    }
}

impl Index {
    pub(super) fn new(manifests: Vec<Descriptor>) -> Self {
        Self {
            schema_version: 2,
            media_type: INDEX.to_owned(),
            manifests,
        }
    }

    pub(super) fn bytes(&self) -> Bytes {
        bytes(self)
    }
}

impl Descriptor {
    fn new(media_type: &str, bytes: &Bytes) -> Self {
        Self {
            media_type: media_type.to_owned(),
            digest: Digest::of(bytes),
            size: bytes.len() as u64,
            artifact_type: None,
            annotations: BTreeMap::new(),
        }
    }

    fn titled(mut self, file: &FileName) -> Self {
        self.annotations.insert(TITLE.to_owned(), file.to_string());
        self
    }
}

fn bytes(value: &impl Serialize) -> Bytes {
    // Texts, numbers and lists cannot fail to be written.
    serde_json::to_vec(value).unwrap_or_default().into()
}
