//! OCI registries (<https://github.com/opencontainers/distribution-spec>): artifacts as the standard
//! Wasm artifact, so that others can pull components too.
//!
//! Under a tag is an image manifest with the config `application/vnd.wasm.config.v0+json` and a layer
//! `application/wasm` for each component, which carries the component's file name as its title. So a
//! bundle of one component is exactly what `wkg` pushes and pulls, and `oras pull` gives the components
//! of any bundle. What else there is refers to that manifest (`subject`): the other files of a bundle
//! as one artifact of the type `application/vnd.dfab.bundle.v1`, and each signature as one of the type
//! `application/vnd.dev.sigstore.bundle.v0.3+json`. Registries that do not list referrers get them
//! under the tag `sha256-HEX`, as the specification has it.
//!
//! From components and files the bundle is made again, since there is only one archive of the same
//! files; its digest must be that of the annotation `dfab.bundle.digest`, and is what signatures are
//! about. So the manifest proves nothing, and need not.

mod image;
mod login;
mod repository;

use bytes::Bytes;
use reqwest::{Method, Request};

use crate::archive::{self, Files};
use crate::artifact::Artifact;
use crate::digest::Digest;
use crate::name::FileName;
use crate::signature::{self, Signature, SignatureError};
use crate::source::{Reference, is_this_machine};
use crate::web::{self, Web, WebError};

use image::{Descriptor, Image};
use repository::Repository;

pub use login::Login;

/// How registries are spoken to.
#[derive(Clone, Debug)]
pub struct Registries {
    web: Web,
    plain_http: bool,
}

/// What was in a registry. Nothing of it was judged.
#[derive(Clone, Debug)]
pub struct Pulled {
    /// A bundle or a component.
    pub bytes: Bytes,
    /// Those that are kept with it.
    pub signatures: Vec<Signature>,
    /// Of the manifest, which the tag pointed to.
    pub manifest: Digest,
}

/// Why a registry did not take or give something.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// Not reached, or too much.
    #[error(transparent)]
    Web(#[from] WebError),
    /// It wants a login, or another one.
    #[error("{host} refuses {}", if *.had_login { "the login" } else { "anybody without a login" })]
    Login {
        /// The registry.
        host: String,
        /// Whether one was shown.
        had_login: bool,
    },
    /// It asks for a login in a way that dfab does not know, or would not send a password by.
    #[error("{host} asks for a login in a way that cannot be followed: {reason}")]
    Challenge {
        /// The registry.
        host: String,
        /// What is odd.
        reason: String,
    },
    /// It does not have it.
    #[error("{0} is not there")]
    NotFound(String),
    /// It says no.
    #[error("{host} answers {status} to {what}{}", reason(.message))]
    Refused {
        /// The registry.
        host: String,
        /// What was asked.
        what: &'static str,
        /// The number.
        status: u16,
        /// Its own words.
        message: String,
    },
    /// The tag is of something else.
    #[error("{reference} is no Wasm artifact: {reason}")]
    Other {
        /// What was pulled.
        reference: String,
        /// What is different.
        reason: String,
    },
    /// Other bytes than were asked for.
    #[error("{host} has given other bytes than {digest} has; they are not used")]
    Digest {
        /// The registry.
        host: String,
        /// What they should have.
        digest: Digest,
    },
    /// The files that make the bundle are not there, or not those.
    #[error(
        "{0} is part of a bundle, whose other files are not in the registry, or not those of this \
         bundle"
    )]
    Incomplete(String),
    /// A signature cannot be read.
    #[error("a signature in {host} cannot be read")]
    Signature {
        /// The registry.
        host: String,
        /// Why.
        #[source]
        source: SignatureError,
    },
}

/// The most things that may refer to an artifact.
const REFERRERS: usize = 64;

impl Registries {
    /// Registries that are spoken to by this client; by plain HTTP only on this machine, or where
    /// `plain_http` says so.
    #[must_use]
    pub fn new(web: Web, plain_http: bool) -> Self {
        Self { web, plain_http }
    }

    /// Puts an artifact under a tag, with its signatures; the digest of its manifest. What the registry
    /// has already is not sent again. Cancel safe: what was sent so far is under no tag.
    ///
    /// # Errors
    /// Where the registry does not take it.
    pub async fn push(
        &self,
        reference: &Reference,
        artifact: &Artifact,
        signatures: &[Signature],
        login: Option<&Login>,
    ) -> Result<Digest, RegistryError> {
        let repository = Repository::open(self, reference, login, "pull,push").await?;
        let image = Image::of(artifact);
        for blob in &image.blobs {
            repository.put_blob(blob).await?;
        }
        let main = image.descriptor();
        // Under its digest first: a tag must not point to what is half there.
        repository
            .put_manifest(&main.digest.to_string(), &image)
            .await?;
        let mut referrers = Vec::new();
        referrers.extend(image::texts(artifact, &main));
        referrers.extend(signatures.iter().map(|one| image::signature(one, &main)));
        for referrer in &referrers {
            for blob in &referrer.blobs {
                repository.put_blob(blob).await?;
            }
            let digest = referrer.descriptor().digest;
            let is_listed = repository
                .put_manifest(&digest.to_string(), referrer)
                .await?;
            if !is_listed {
                repository.list(main.digest, referrer).await?;
            }
        }
        if let Some(tag) = &reference.tag {
            repository.put_manifest(tag, &image).await?;
        }
        Ok(main.digest)
    }

    /// Takes an artifact with its signatures. Cancel safe.
    ///
    /// # Errors
    /// Where it is not there, or is something else.
    pub async fn pull(
        &self,
        reference: &Reference,
        login: Option<&Login>,
    ) -> Result<Pulled, RegistryError> {
        let repository = Repository::open(self, reference, login, "pull").await?;
        let other = |reason: &str| RegistryError::Other {
            reference: reference.to_string(),
            reason: reason.to_owned(),
        };
        let wanted = match (&reference.digest, &reference.tag) {
            (Some(digest), _) => digest.to_string(),
            (None, Some(tag)) => tag.clone(),
            (None, None) => return Err(other("neither a tag nor a digest is named")),
        };
        let found = repository.manifest(&wanted).await?;
        let (manifest, digest) =
            found.ok_or_else(|| RegistryError::NotFound(reference.to_string()))?;
        if manifest.layers.is_empty() || manifest.layers.len() > archive::FILES_LIMIT {
            return Err(other("it has no layers, or too many"));
        }
        if manifest
            .layers
            .iter()
            .any(|layer| layer.media_type != image::WASM)
        {
            return Err(other("its layers are not WebAssembly"));
        }
        let referrers = repository.referrers(digest).await?;
        let bytes = match manifest.bundle() {
            Some(bundle) => {
                let mut files = Files::new();
                for layer in &manifest.layers {
                    let file = layer
                        .file()
                        .ok_or_else(|| other("a component has no name"))?;
                    files.insert(
                        file.clone(),
                        repository.blob(layer, archive::limit(&file)).await?,
                    );
                }
                made_again(&repository, files, &referrers, bundle)
                    .await?
                    .ok_or_else(|| RegistryError::Incomplete(reference.to_string()))?
            }
            None => match manifest.layers.as_slice() {
                [only] => repository.blob(only, archive::COMPONENT_LIMIT).await?,
                _ => return Err(other("it has several layers, and is no bundle of dfab")),
            },
        };
        let signatures = signatures(&repository, &referrers).await?;
        Ok(Pulled {
            bytes,
            signatures,
            manifest: digest,
        })
    }

    /// TLS, but where plain HTTP is asked for, or where a registry on this machine has none.
    async fn scheme(&self, host: &str) -> Result<&'static str, RegistryError> {
        if self.plain_http {
            return Ok("http");
        }
        if is_this_machine(host) {
            let url = web::parse(&format!("https://{host}/v2/"))?;
            let tried = self.web.send(Request::new(Method::HEAD, url)).await;
            if tried.is_err_and(|error| error.is_not_tls()) {
                return Ok("http");
            }
        }
        Ok("https")
    }
}

/// The bundle with that digest, from components and the other files that refer to them.
async fn made_again(
    repository: &Repository,
    components: Files,
    referrers: &[Descriptor],
    bundle: Digest,
) -> Result<Option<Bytes>, RegistryError> {
    let of_bundles = |one: &&Descriptor| one.artifact_type.as_deref() == Some(image::BUNDLE);
    for referrer in referrers.iter().filter(of_bundles) {
        let Some((texts, _)) = repository.manifest(&referrer.digest.to_string()).await? else {
            continue;
        };
        let mut files = components.clone();
        for layer in texts.layers.iter().take(archive::FILES_LIMIT) {
            // Only texts: a component is never taken from here.
            let Some(file) = layer.file().filter(|file| !file.is_component()) else {
                continue;
            };
            let limit = archive::limit(&file);
            files.insert(file, repository.blob(layer, limit).await?);
        }
        if let Ok(bytes) = archive::encode(&files)
            && Digest::of(&bytes) == bundle
        {
            return Ok(Some(bytes));
        }
    }
    Ok(None)
}

async fn signatures(
    repository: &Repository,
    referrers: &[Descriptor],
) -> Result<Vec<Signature>, RegistryError> {
    let of_signatures =
        |one: &&Descriptor| one.artifact_type.as_deref() == Some(signature::MEDIA_TYPE);
    let mut all = Vec::new();
    for referrer in referrers.iter().filter(of_signatures) {
        let Some((manifest, _)) = repository.manifest(&referrer.digest.to_string()).await? else {
            continue;
        };
        for layer in &manifest.layers {
            let text = repository.blob(layer, signature::SIZE_LIMIT).await?;
            let read = Signature::read_all(&text).map_err(|source| RegistryError::Signature {
                host: repository.host().to_owned(),
                source,
            })?;
            all.extend(read);
        }
    }
    Ok(all)
}

impl Descriptor {
    /// The name under which it is in a bundle.
    fn file(&self) -> Option<FileName> {
        self.annotations.get(image::TITLE)?.parse().ok()
    }
}

fn reason(message: &str) -> String {
    if message.is_empty() {
        String::new()
    } else {
        format!(": {message}")
    }
}
