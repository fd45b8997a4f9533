//! Getting artifacts from files, web servers and registries, with their signatures.

use std::path::Path;

use bytes::Bytes;
use dfab_bundles::registry::{Registries, RegistryError};
use dfab_bundles::{Signature, Source, Web, WebError, archive, read_file, signature};

use crate::credentials;
use crate::failure::{Code, Failure};
use crate::tls::Environment;
use crate::trust;

/// What was got. Nothing of it was judged.
#[derive(Debug)]
pub(crate) struct Fetched {
    pub(crate) bytes: Bytes,
    pub(crate) signatures: Vec<Signature>,
    /// Where exactly it was.
    pub(crate) source: Source,
}

/// Gets an artifact. Paths are relative to the folder.
///
/// # Errors
/// Where it is not there, or cannot be reached.
pub(crate) async fn fetch(
    source: &Source,
    folder: &Path,
    plain_http: bool,
) -> Result<Fetched, Failure> {
    match source {
        Source::File(path) => {
            let file = folder.join(path);
            let bytes = read_file(&file, archive::SIZE_LIMIT).map_err(|error| {
                Failure::usage(format!("cannot read {}", file.display())).because(error)
            })?;
            Ok(Fetched {
                bytes,
                signatures: trust::signatures_beside(&file)?,
                source: source.clone(),
            })
        }
        Source::Web(url) => from_web(url, source).await,
        Source::Registry(reference) => {
            let login =
                credentials::login(Environment::current().config.as_deref(), &reference.host)
                    .await?;
            let pulled = registries(plain_http)?
                .pull(reference, login.as_ref())
                .await
                .map_err(|error| of_registry(format!("cannot pull {source}"), error))?;
            let pinned = reference.clone().pinned(pulled.manifest);
            Ok(Fetched {
                bytes: pulled.bytes,
                signatures: pulled.signatures,
                source: Source::Registry(pinned),
            })
        }
    }
}

/// Registries, as this machine reaches them.
///
/// # Errors
/// Where TLS cannot be prepared.
pub(crate) fn registries(plain_http: bool) -> Result<Registries, Failure> {
    Ok(Registries::new(web()?, plain_http))
}

/// The failure that an error of a registry is.
pub(crate) fn of_registry(what: String, error: RegistryError) -> Failure {
    let failure = match &error {
        RegistryError::Web(error) => return of_web(what, error),
        RegistryError::Login { host, .. } => {
            Failure::failed(what).hint(format!("docker login {host}"))
        }
        _ => Failure::failed(what),
    };
    failure.because(error)
}

async fn from_web(url: &str, source: &Source) -> Result<Fetched, Failure> {
    let failed = |error: WebError| of_web(format!("cannot download {source}"), &error);
    let web = web()?;
    let bytes = web.get(url, archive::SIZE_LIMIT).await.map_err(failed)?;
    let mut signatures = Vec::new();
    // An address with a query has nothing beside it.
    if !url.contains('?') {
        for extension in [signature::EXTENSION, signature::COSIGN_EXTENSION] {
            let beside = format!("{url}{extension}");
            let text = web.get_if_any(&beside, signature::SIZE_LIMIT).await;
            if let Some(text) = text.map_err(failed)? {
                signatures.extend(Signature::read_all(&text).map_err(|error| {
                    Failure::failed(format!("{beside} cannot be used")).because(error)
                })?);
            }
        }
    }
    Ok(Fetched {
        bytes,
        signatures,
        source: source.clone(),
    })
}

fn of_web(what: String, error: &WebError) -> Failure {
    let code = match error {
        WebError::Request { .. } => Code::Unreachable,
        _ => Code::Failed,
    };
    Failure::new(code, what).because(crate::failure::describe(error))
}

fn web() -> Result<Web, Failure> {
    Web::new().map_err(|error| Failure::failed("cannot reach anything").because(error))
}
