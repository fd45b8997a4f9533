//! One repository of a registry: its blobs, manifests and referrers. What comes is hashed before it is
//! used.

use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION};
use reqwest::{Body, Method, Request, Response, StatusCode, Url};
use serde::Deserialize;
use tokio::sync::Mutex;

use super::image::{Descriptor, INDEX, Image, Index, MANIFEST, Manifest};
use super::login::{self, Login};
use super::{REFERRERS, Registries, RegistryError};
use crate::archive;
use crate::digest::Digest;
use crate::source::Reference;
use crate::web::{self, Web};

/// The repository, and the login that it was shown.
pub(super) struct Repository {
    web: Web,
    host: String,
    /// `https://HOST/v2/REPOSITORY/`
    base: Url,
    scope: String,
    login: Option<Login>,
    shown: Mutex<Option<HeaderValue>>,
    /// How many bytes of blobs may still come, all in all.
    left: AtomicUsize,
}

/// The largest manifest, by the specification.
const MANIFEST_LIMIT: usize = 4 << 20;

impl Repository {
    pub(super) async fn open(
        registries: &Registries,
        reference: &Reference,
        login: Option<&Login>,
        actions: &str,
    ) -> Result<Self, RegistryError> {
        let Reference {
            host, repository, ..
        } = reference;
        let scheme = registries.scheme(host).await?;
        Ok(Self {
            web: registries.web.clone(),
            host: host.clone(),
            base: web::parse(&format!("{scheme}://{host}/v2/{repository}/"))?,
            scope: format!("repository:{repository}:{actions}"),
            login: login.cloned(),
            shown: Mutex::default(),
            left: AtomicUsize::new(archive::SIZE_LIMIT),
        })
    }

    pub(super) fn host(&self) -> &str {
        &self.host
    }

    /// The manifest under a tag or a digest, with its digest.
    pub(super) async fn manifest(
        &self,
        which: &str,
    ) -> Result<Option<(Manifest, Digest)>, RegistryError> {
        let Some(bytes) = self.raw_manifest(which).await? else {
            return Ok(None);
        };
        let digest = Digest::of(&bytes);
        if let Ok(wanted) = which.parse::<Digest>()
            && digest != wanted
        {
            return Err(RegistryError::Digest {
                host: self.host.clone(),
                digest: wanted,
            });
        }
        let manifest = serde_json::from_slice(&bytes).map_err(|error| RegistryError::Other {
            reference: format!("{}:{which}", self.base),
            reason: format!("its manifest is not that of an artifact ({error})"),
        })?;
        Ok(Some((manifest, digest)))
    }

    /// A blob, which must have the digest and not more than so many bytes.
    pub(super) async fn blob(
        &self,
        blob: &Descriptor,
        limit: usize,
    ) -> Result<Bytes, RegistryError> {
        let url = self.url(&format!("blobs/{}", blob.digest))?;
        let response = self.send(Method::GET, url, HeaderMap::new(), None).await?;
        let response = self.accepted("a request for a blob", response).await?;
        let limit = limit.min(self.left.load(Ordering::Relaxed));
        let bytes = web::body(response, limit).await?;
        self.left.fetch_sub(bytes.len(), Ordering::Relaxed);
        if Digest::of(&bytes) != blob.digest {
            return Err(RegistryError::Digest {
                host: self.host.clone(),
                digest: blob.digest,
            });
        }
        Ok(bytes)
    }

    /// What refers to a manifest.
    pub(super) async fn referrers(&self, to: Digest) -> Result<Vec<Descriptor>, RegistryError> {
        let url = self.url(&format!("referrers/{to}"))?;
        let response = self.send(Method::GET, url, accept(INDEX), None).await?;
        let bytes = if response.status().is_success() {
            Some(web::body(response, MANIFEST_LIMIT).await?)
        } else {
            self.raw_manifest(&fallback_tag(to)).await?
        };
        let Some(bytes) = bytes else {
            return Ok(Vec::new());
        };
        let index: Index =
            serde_json::from_slice(&bytes).map_err(|error| RegistryError::Other {
                reference: format!("{}:{}", self.base, fallback_tag(to)),
                reason: format!("it is no list of referrers ({error})"),
            })?;
        Ok(index.manifests.into_iter().take(REFERRERS).collect())
    }

    /// Sends a blob, unless it is there.
    pub(super) async fn put_blob(&self, bytes: &Bytes) -> Result<(), RegistryError> {
        let digest = Digest::of(bytes);
        let url = self.url(&format!("blobs/{digest}"))?;
        let there = self.send(Method::HEAD, url, HeaderMap::new(), None).await?;
        if there.status().is_success() {
            return Ok(());
        }
        let url = self.url("blobs/uploads/")?;
        let begun = self
            .send(Method::POST, url.clone(), HeaderMap::new(), None)
            .await?;
        let begun = self.accepted("the beginning of an upload", begun).await?;
        let place = begun
            .headers()
            .get(LOCATION)
            .and_then(|place| place.to_str().ok());
        let place = place.and_then(|place| url.join(place).ok());
        let mut place = place.ok_or_else(|| self.refused("an upload", 0, "it names no place"))?;
        place
            .query_pairs_mut()
            .append_pair("digest", &digest.to_string());
        let mut headers = HeaderMap::new();
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/octet-stream"),
        );
        let sent = self
            .send(Method::PUT, place, headers, Some(bytes.clone()))
            .await?;
        self.accepted("an upload", sent).await.map(drop)
    }

    /// Puts a manifest under a tag or its digest; whether the registry lists what refers to others.
    pub(super) async fn put_manifest(
        &self,
        which: &str,
        image: &Image,
    ) -> Result<bool, RegistryError> {
        let sent = self
            .put_raw_manifest(which, MANIFEST, image.manifest.clone())
            .await?;
        Ok(sent.headers().contains_key("OCI-Subject"))
    }

    /// Notes a referrer where the registry itself does not.
    pub(super) async fn list(&self, to: Digest, referrer: &Image) -> Result<(), RegistryError> {
        let tag = fallback_tag(to);
        let mut listed = self.referrers(to).await?;
        let descriptor = referrer.descriptor();
        if listed.iter().any(|one| one.digest == descriptor.digest) {
            return Ok(());
        }
        listed.push(descriptor);
        let index = Index::new(listed).bytes();
        self.put_raw_manifest(&tag, INDEX, index).await.map(drop)
    }

    async fn raw_manifest(&self, which: &str) -> Result<Option<Bytes>, RegistryError> {
        let url = self.url(&format!("manifests/{which}"))?;
        let accept = accept(&format!("{MANIFEST}, {INDEX}"));
        let response = self.send(Method::GET, url, accept, None).await?;
        if response.status() == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        let response = self.accepted("a request for a manifest", response).await?;
        Ok(Some(web::body(response, MANIFEST_LIMIT).await?))
    }

    async fn put_raw_manifest(
        &self,
        which: &str,
        media_type: &'static str,
        bytes: Bytes,
    ) -> Result<Response, RegistryError> {
        let url = self.url(&format!("manifests/{which}"))?;
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
        let sent = self.send(Method::PUT, url, headers, Some(bytes)).await?;
        self.accepted("a manifest", sent).await
    }

    /// Sends a request, once more with a login where one is asked for.
    async fn send(
        &self,
        method: Method,
        url: Url,
        headers: HeaderMap,
        body: Option<Bytes>,
    ) -> Result<Response, RegistryError> {
        // A registry may have its uploads elsewhere, where its login has no business.
        let is_ours = url.origin() == self.base.origin();
        let request = |authorization: Option<HeaderValue>| {
            let mut request = Request::new(method.clone(), url.clone());
            *request.headers_mut() = headers.clone();
            if let Some(value) = authorization.filter(|_| is_ours) {
                request.headers_mut().insert(AUTHORIZATION, value);
            }
            *request.body_mut() = body.clone().map(Body::from);
            request
        };
        let shown = self.shown.lock().await.clone();
        let was_shown = shown.is_some();
        let response = self.web.send(request(shown)).await?;
        if response.status() != StatusCode::UNAUTHORIZED || !is_ours {
            return Ok(response);
        }
        let login = self.login.as_ref();
        let answer = login::answer(&self.web, &self.host, &self.scope, login, &response).await?;
        if was_shown && *self.shown.lock().await == Some(answer.clone()) {
            return Err(self.no_login());
        }
        *self.shown.lock().await = Some(answer.clone());
        let response = self.web.send(request(Some(answer))).await?;
        if response.status() == StatusCode::UNAUTHORIZED {
            return Err(self.no_login());
        }
        Ok(response)
    }

    fn no_login(&self) -> RegistryError {
        RegistryError::Login {
            host: self.host.clone(),
            had_login: self.login.is_some(),
        }
    }

    async fn accepted(
        &self,
        what: &'static str,
        response: Response,
    ) -> Result<Response, RegistryError> {
        /// The form of errors in the specification.
        #[derive(Deserialize)]
        struct Errors {
            errors: Vec<Error>,
        }
        #[derive(Deserialize)]
        struct Error {
            #[serde(default)]
            code: String,
            #[serde(default)]
            message: String,
        }
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let text = web::body(response, 64 << 10).await.unwrap_or_default();
        let errors: Option<Errors> = serde_json::from_slice(&text).ok();
        let first = errors.and_then(|errors| errors.errors.into_iter().next());
        let message = first.map(|error| {
            if error.message.is_empty() {
                error.code
            } else {
                error.message
            }
        });
        Err(self.refused(what, status.as_u16(), &message.unwrap_or_default()))
    }

    fn refused(&self, what: &'static str, status: u16, message: &str) -> RegistryError {
        RegistryError::Refused {
            host: self.host.clone(),
            what,
            status,
            message: crate::name::shown(message),
        }
    }

    fn url(&self, path: &str) -> Result<Url, RegistryError> {
        Ok(web::parse(&format!("{}{path}", self.base))?)
    }
}

fn accept(types: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if let Ok(types) = HeaderValue::from_str(types) {
        headers.insert(ACCEPT, types);
    }
    headers
}

/// Where referrers are noted by registries that do not list them.
fn fallback_tag(to: Digest) -> String {
    format!("sha256-{}", to.hex())
}
