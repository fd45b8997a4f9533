//! Registries that ask for tokens, and those that are not what they say. Each is a few lines on an
//! address of this machine.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails by panicking, also in what its tests share"
)]

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use dfab_bundles::registry::{Login, Registries, RegistryError};
use dfab_bundles::{Digest, Reference, Web, WebError};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What a server is asked.
#[derive(Debug, Clone, Default)]
struct Asked {
    /// `GET /v2/…`
    line: String,
    headers: BTreeMap<String, String>,
}

/// What it answers: status, more headers, and a body.
type Answer = (u16, String, Vec<u8>);

struct Server {
    address: String,
    asked: Arc<Mutex<Vec<Asked>>>,
    serving: JoinHandle<()>,
}

impl Server {
    async fn start(answer: impl Fn(&str, &Asked) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (notes, name) = (Arc::clone(&asked), address.clone());
        let answer = Arc::new(answer);
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (answer, notes, name) = (Arc::clone(&answer), Arc::clone(&notes), name.clone());
                tokio::spawn(serve(stream, move |asked| {
                    notes
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .push(asked.clone());
                    answer(&name, asked)
                }));
            }
        });
        Self {
            address,
            asked,
            serving,
        }
    }

    fn reference(&self, rest: &str) -> Reference {
        format!("{}/{rest}", self.address).parse().unwrap()
    }

    fn asked(&self) -> Vec<Asked> {
        self.asked
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(stream: TcpStream, answer: impl Fn(&Asked) -> Answer) {
    let mut stream = BufReader::new(stream);
    loop {
        let mut asked = Asked::default();
        let mut line = Vec::new();
        // Clients try TLS first, which is no text.
        if stream.read_until(b'\n', &mut line).await.unwrap_or(0) == 0 {
            return;
        }
        let Ok(text) = String::from_utf8(line) else {
            stream
                .write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                .await
                .ok();
            return;
        };
        asked.line = text.trim_end().trim_end_matches(" HTTP/1.1").to_owned();
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).await.unwrap_or(0) <= 2 {
                break;
            }
            if let Some((name, value)) = line.trim_end().split_once(": ") {
                asked
                    .headers
                    .insert(name.to_ascii_lowercase(), value.to_owned());
            }
        }
        let length = asked
            .headers
            .get("content-length")
            .and_then(|it| it.parse().ok());
        let mut body = vec![0; length.unwrap_or(0)];
        if stream.read_exact(&mut body).await.is_err() {
            return;
        }
        let (status, more, body) = answer(&asked);
        let head = format!(
            "HTTP/1.1 {status} X\r\nContent-Length: {}\r\n{more}\r\n",
            body.len()
        );
        if stream
            .write_all(&[head.as_bytes(), &body].concat())
            .await
            .is_err()
        {
            return;
        }
    }
}

fn registries() -> Registries {
    Registries::new(Web::new().unwrap(), false)
}

fn no() -> Answer {
    (404, String::new(), Vec::new())
}

fn yes(body: impl Into<Vec<u8>>) -> Answer {
    (200, String::new(), body.into())
}

const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";

fn manifest(layer: Digest, size: usize) -> Value {
    json!({
        "schemaVersion": 2,
        "config": {
            "mediaType": "application/vnd.wasm.config.v0+json",
            "digest": Digest::of(b"{}"), "size": 2,
        },
        "layers": [{ "mediaType": "application/wasm", "digest": layer, "size": size }],
    })
}

/// What a registry without logins has: one component, as others push it.
fn has_one(asked: &Asked) -> Answer {
    let digest = Digest::of(COMPONENT);
    match asked.line.as_str() {
        "GET /v2/team/one/manifests/1" => yes(manifest(digest, COMPONENT.len()).to_string()),
        line if line == format!("GET /v2/team/one/blobs/{digest}") => yes(COMPONENT),
        _ => no(),
    }
}

#[tokio::test]
async fn a_component_that_others_pushed_is_taken_as_it_is() {
    let server = Server::start(|_, asked| has_one(asked)).await;
    let pulled = registries()
        .pull(&server.reference("team/one:1"), None)
        .await
        .unwrap();
    assert_eq!(pulled.bytes, Bytes::from_static(COMPONENT));
    assert!(pulled.signatures.is_empty());
    let missing = registries()
        .pull(&server.reference("team/one:2"), None)
        .await;
    assert!(
        matches!(missing, Err(RegistryError::NotFound(_))),
        "{missing:?}"
    );
}

/// A registry whose tokens are at a place of their own.
async fn with_tokens() -> Server {
    Server::start(|name, asked| {
        let shown = asked.headers.get("authorization").map(String::as_str);
        if asked.line.starts_with("GET /token?") {
            let login = format!("Basic {}", STANDARD.encode("deploy:open sesame"));
            return if shown == Some(&login) {
                yes(json!({ "token": "secret-token" }).to_string())
            } else {
                (401, String::new(), Vec::new())
            };
        }
        if shown != Some("Bearer secret-token") {
            let challenge = format!(
                "WWW-Authenticate: Bearer realm=\"http://{name}/token\",service=\"reg\"\r\n"
            );
            return (401, challenge, Vec::new());
        }
        has_one(asked)
    })
    .await
}

#[tokio::test]
async fn tokens_are_got_where_the_registry_says() {
    let server = with_tokens().await;
    let reference = server.reference("team/one:1");
    let login = Login::new("deploy", "open sesame");
    assert!(registries().pull(&reference, Some(&login)).await.is_ok());
    let asked = server.asked();
    let token = asked
        .iter()
        .find(|asked| asked.line.starts_with("GET /token"))
        .unwrap();
    assert_eq!(
        token.line,
        "GET /token?service=reg&scope=repository%3Ateam%2Fone%3Apull"
    );
    // The password goes to the place of tokens alone.
    let told = asked.iter().filter(|asked| {
        let shown = asked.headers.get("authorization");
        shown.is_some_and(|shown| shown.starts_with("Basic"))
    });
    assert_eq!(told.count(), 1);

    let wrong = Login::new("deploy", "guessed");
    let refused = registries()
        .pull(&reference, Some(&wrong))
        .await
        .unwrap_err();
    assert!(
        matches!(
            refused,
            RegistryError::Login {
                had_login: true,
                ..
            }
        ),
        "{refused:?}"
    );
    assert!(!format!("{refused:?} {wrong:?}").contains("guessed"));
    let nobody = registries().pull(&reference, None).await.unwrap_err();
    assert!(
        matches!(
            nobody,
            RegistryError::Login {
                had_login: false,
                ..
            }
        ),
        "{nobody:?}"
    );
}

#[tokio::test]
async fn a_password_is_not_sent_where_it_could_be_read() {
    let server = Server::start(|_, _| {
        let challenge = "WWW-Authenticate: Bearer realm=\"http://tokens.invalid/\"\r\n";
        (401, challenge.to_owned(), Vec::new())
    })
    .await;
    let login = Login::new("deploy", "open sesame");
    let refused = registries()
        .pull(&server.reference("team/one:1"), Some(&login))
        .await;
    let told = refused.unwrap_err().to_string();
    assert!(told.contains("an address that is not encrypted"), "{told}");
}

#[tokio::test]
async fn other_bytes_than_were_asked_for_are_not_used() {
    let server = Server::start(|_, asked| match asked.line.as_str() {
        line if line.contains("/blobs/") => yes(b"\0asm other".as_slice()),
        _ => has_one(asked),
    })
    .await;
    let refused = registries()
        .pull(&server.reference("team/one:1"), None)
        .await;
    assert!(
        matches!(refused, Err(RegistryError::Digest { .. })),
        "{refused:?}"
    );
    let wanted = format!("team/one@{}", Digest::of(b"another manifest"));
    let server = Server::start(|_, asked| match asked.line.as_str() {
        line if line.contains("/manifests/sha256:") => {
            yes(manifest(Digest::of(COMPONENT), COMPONENT.len()).to_string())
        }
        _ => has_one(asked),
    })
    .await;
    let refused = registries().pull(&server.reference(&wanted), None).await;
    assert!(
        matches!(refused, Err(RegistryError::Digest { .. })),
        "{refused:?}"
    );
}

#[tokio::test]
async fn what_is_too_large_is_not_read() {
    // It tells less than it sends, or nothing at all.
    let server = Server::start(|_, _| yes(vec![b' '; (4 << 20) + 1])).await;
    let refused = registries()
        .pull(&server.reference("team/one:1"), None)
        .await;
    assert!(
        matches!(refused, Err(RegistryError::Web(WebError::TooLarge { .. }))),
        "{refused:?}"
    );
    let web = Web::new().unwrap();
    let url = format!("http://{}/file?signature=secret", server.address);
    let refused = web.get(&url, 1000).await.unwrap_err();
    assert!(
        matches!(refused, WebError::TooLarge { limit: 1000, .. }),
        "{refused:?}"
    );
    assert!(!format!("{refused:?}").contains("secret"));
}

#[tokio::test]
async fn what_is_no_wasm_artifact_is_refused() {
    let image = json!({
        "schemaVersion": 2,
        "config": { "mediaType": "application/vnd.oci.image.config.v1+json",
                    "digest": Digest::of(b"{}"), "size": 2 },
        "layers": [{ "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip",
                     "digest": Digest::of(b""), "size": 0 }],
    });
    let index = json!({ "schemaVersion": 2, "manifests": [] });
    for (manifest, wanted) in [
        (image, "its layers are not WebAssembly"),
        (index, "its manifest is not that of an artifact"),
        (json!({ "layers": [] }), "it has no layers"),
        (json!("text"), "its manifest is not that of an artifact"),
    ] {
        let text = manifest.to_string();
        let server = Server::start(move |_, _| yes(text.clone())).await;
        let refused = registries()
            .pull(&server.reference("team/one:1"), None)
            .await;
        let told = refused.unwrap_err().to_string();
        assert!(told.contains(wanted), "{told}");
    }
}

#[tokio::test]
async fn a_download_is_not_led_to_where_it_could_be_changed() {
    let server = Server::start(|_, _| {
        (
            302,
            "Location: http://elsewhere.invalid/\r\n".to_owned(),
            Vec::new(),
        )
    })
    .await;
    let web = Web::new().unwrap();
    let url = format!("http://{}/web.wasm", server.address);
    let refused = web.get(&url, 1000).await.unwrap_err();
    let WebError::Request { what, .. } = refused else {
        panic!("{refused:?}")
    };
    assert_eq!(what, "leads elsewhere");
}
