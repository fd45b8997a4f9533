//! A registry that has no image, or one, and notes who asks for it.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// The registry, at an address of this machine; dropping it ends it.
#[derive(Debug)]
pub struct Registry {
    name: String,
    asked: Arc<Mutex<Vec<Asked>>>,
    serving: JoinHandle<()>,
}

/// A request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The path.
    pub path: String,
    /// The name and password that came with it, as they came.
    pub credentials: Option<String>,
}

/// Content by path, with its type.
type Shelf = HashMap<String, (&'static str, Vec<u8>)>;

impl Registry {
    /// Starts one without images, which may want a name and a password of everybody.
    ///
    /// # Errors
    /// Where it gets no port.
    pub async fn start(wants_login: bool) -> Result<Self> {
        Self::with(wants_login, Shelf::new()).await
    }

    /// Starts one for everybody, with an image `team/app:1` of a single file.
    ///
    /// # Errors
    /// Where it gets no port.
    pub async fn with_image() -> Result<Self> {
        Self::with(false, shelf()?).await
    }

    async fn with(wants_login: bool, shelf: Shelf) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let name = listener.local_addr()?.to_string();
        let asked = Arc::new(Mutex::default());
        let notes = Arc::clone(&asked);
        let shelf = Arc::new(shelf);
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (notes, shelf) = (Arc::clone(&notes), Arc::clone(&shelf));
                tokio::spawn(serve(stream, wants_login, notes, shelf));
            }
        });
        Ok(Self {
            name,
            asked,
            serving,
        })
    }

    /// What its images' names begin with.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it was asked so far.
    #[must_use]
    pub fn asked(&self) -> Vec<Asked> {
        let asked = self.asked.lock();
        asked.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

const UNKNOWN: &str = r#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}"#;

/// An image by the paths of its manifest and blobs.
fn shelf() -> Result<Shelf> {
    let mut layer = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(6);
    header.set_mode(0o644);
    layer.append_data(&mut header, "greeting", b"hello\n".as_slice())?;
    let layer = layer.into_inner()?;
    let config = json!({
        "architecture": "amd64", "os": "linux", "config": {},
        "rootfs": { "type": "layers", "diff_ids": [digest(&layer)] },
    })
    .to_string()
    .into_bytes();
    let manifest_type = "application/vnd.docker.distribution.manifest.v2+json";
    let manifest = json!({
        "schemaVersion": 2, "mediaType": manifest_type,
        "config": {
            "mediaType": "application/vnd.docker.container.image.v1+json",
            "size": config.len(), "digest": digest(&config),
        },
        "layers": [{
            "mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip",
            "size": layer.len(), "digest": digest(&layer),
        }],
    })
    .to_string()
    .into_bytes();
    let blob = |blob: Vec<u8>| {
        let path = format!("/v2/team/app/blobs/{}", digest(&blob));
        (path, ("application/octet-stream", blob))
    };
    let manifest_at = |tag: &str| {
        let path = format!("/v2/team/app/manifests/{tag}");
        (path, (manifest_type, manifest.clone()))
    };
    let by_digest = digest(&manifest);
    Ok(Shelf::from([
        manifest_at("1"),
        manifest_at(&by_digest),
        blob(config),
        blob(layer),
    ]))
}

fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", crate::hexadecimal(&Sha256::digest(bytes)))
}

/// One connection. Engines try TLS first, which is no text and ends it.
async fn serve(
    stream: TcpStream,
    wants_login: bool,
    notes: Arc<Mutex<Vec<Asked>>>,
    shelf: Arc<Shelf>,
) {
    let mut stream = BufReader::new(stream);
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
            return;
        }
        let is_head = line.starts_with("HEAD ");
        let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
        let mut credentials = None;
        line.clear();
        while stream.read_line(&mut line).await.unwrap_or(0) > 2 {
            if let Some(value) = line.strip_prefix("Authorization: Basic ") {
                credentials = Some(value.trim().to_owned());
            }
            line.clear();
        }
        let json = "application/json";
        let (status, kind, body) = match (shelf.get(&path), path.as_str()) {
            _ if wants_login && credentials.is_none() => {
                ("401 Unauthorized", json, b"{}".as_slice())
            }
            (Some((kind, content)), _) => ("200 OK", *kind, content.as_slice()),
            (None, "/v2/") => ("200 OK", json, b"{}".as_slice()),
            (None, _) => ("404 Not Found", json, UNKNOWN.as_bytes()),
        };
        let head = format!(
            "HTTP/1.1 {status}\r\nWWW-Authenticate: Basic realm=\"test\"\r\n\
             Docker-Distribution-Api-Version: registry/2.0\r\nContent-Type: {kind}\r\n\
             Docker-Content-Digest: {}\r\nContent-Length: {}\r\n\r\n",
            digest(body),
            body.len(),
        );
        let mut answer = head.into_bytes();
        if !is_head {
            answer.extend_from_slice(body);
        }
        notes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(Asked { path, credentials });
        if stream.write_all(&answer).await.is_err() {
            return;
        }
    }
}
