//! Building images of a context that is sent along (`POST /build`).

use std::fmt;
use std::fs::File;
use std::future::Future;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE;
use bytes::Bytes;
use futures_util::stream;
use http::{HeaderValue, Method, Request, Response, header};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use serde_json::{Map, Value, json};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::build_message::{BuildMessage, BuildMessages};
use crate::call::refusal;
use crate::connector::ChannelError;
use crate::engine::Engine;
use crate::error::EngineError;
use crate::images::RegistryAuth;
use crate::path::query_value;
use crate::stream::next_piece;
use crate::transport::Body;

/// How much of the context is read at once, in bytes.
const PIECE: usize = 256 * 1024;
/// How much of a refusal is read, in bytes.
const REFUSAL: usize = 64 * 1024;
/// The longest query: the HTTP client takes twice that for all of the address.
const LONGEST_QUERY: usize = 32 * 1024;
/// What engines call Docker Hub among the logins, and what else people call it.
const DOCKER_HUB: &str = "https://index.docker.io/v1/";
const DOCKER_HUB_NAMES: [&str; 2] = ["docker.io", "index.docker.io"];

/// What is built.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct BuildRequest {
    /// The path of the Dockerfile in the context.
    pub dockerfile: String,
    /// What the image is called, each with its tag; at least one.
    pub tags: Vec<String>,
    /// Values for `ARG`, which may be secrets; those without one have the Dockerfile's.
    pub arguments: Vec<(String, Option<String>)>,
    /// The stage that is built, instead of the last.
    pub target: Option<String>,
    /// Run each step, also where its result is known.
    pub no_cache: bool,
    /// Ask registries for newer base images.
    pub pull: bool,
    /// For base images.
    pub logins: Vec<RegistryAuth>,
}

impl fmt::Debug for BuildRequest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.arguments.iter().map(|(name, _)| name).collect();
        formatter
            .debug_struct("BuildRequest")
            .field("dockerfile", &self.dockerfile)
            .field("tags", &self.tags)
            .field("arguments", &names)
            .field("target", &self.target)
            .field("no_cache", &self.no_cache)
            .field("pull", &self.pull)
            .field("logins", &self.logins)
            .finish()
    }
}

/// A build that is under way. Dropping it ends it, and the Engine removes the containers of its steps.
#[derive(Debug)]
pub struct Build {
    operation: String,
    body: Incoming,
    messages: BuildMessages,
    idle: Duration,
}

impl Engine {
    /// Sends a context, a tar archive in a file that is read from its beginning, and returns once the
    /// Engine begins to build. However large it is, the deadline is for the longest silence. Takes a
    /// channel of its own, and no place in the queue of calls.
    ///
    /// # Errors
    /// [`EngineError::Refused`] where the Engine takes something of it for a mistake,
    /// [`EngineError::Argument`] where there is no tag or the arguments are too long,
    /// [`EngineError::Idle`] where nothing moves for too long.
    ///
    /// # Cancellation
    /// When dropped, nothing is built.
    pub async fn build_image(
        &self,
        request: &BuildRequest,
        context: Arc<File>,
    ) -> Result<Build, EngineError> {
        let Some(tag) = request.tags.first() else {
            return Err(EngineError::Argument {
                operation: "build an image".to_owned(),
                reason: "it has no name".to_owned(),
            });
        };
        let operation = format!("build {tag}");
        let idle = self.shared.idle_timeout;
        let (moved, last_move) = watch::channel(Instant::now());
        let sent = http_request(&operation, request, context, moved)?;
        let answer = async {
            let response = self.shared.transport.send(sent).await;
            let response =
                response.map_err(|source| EngineError::from_channel(operation.clone(), source))?;
            if response.status().is_success() {
                return Ok(response.into_body());
            }
            Err(refused(&operation, response).await)
        };
        let body = unless_silent(&operation, idle, &last_move, answer).await??;
        Ok(Build {
            operation,
            body,
            messages: BuildMessages::default(),
            idle,
        })
    }
}

impl Build {
    /// The next message; none at the end. May be dropped at any time, and called again.
    ///
    /// # Errors
    /// [`EngineError::Failed`] with the Engine's words where a step fails, [`EngineError::Idle`] after
    /// too long a silence.
    pub async fn next(&mut self) -> Result<Option<BuildMessage>, EngineError> {
        loop {
            if let Some(message) = self.messages.next(&self.operation)? {
                return Ok(Some(message));
            }
            match next_piece(&mut self.body, &self.operation, self.idle).await? {
                Some(bytes) => self.messages.push(&bytes),
                None if self.messages.end() => return Ok(None),
                None => {}
            }
        }
    }

    /// The id of the image, after the end.
    ///
    /// # Errors
    /// Where the Engine has told none.
    pub fn image(&self) -> Result<String, EngineError> {
        let image = self.messages.image().map(str::to_owned);
        image.ok_or_else(|| EngineError::Failed {
            operation: self.operation.clone(),
            message: "the Docker Engine ended the build without an image".to_owned(),
        })
    }
}

fn http_request(
    operation: &str,
    request: &BuildRequest,
    context: Arc<File>,
    moved: watch::Sender<Instant>,
) -> Result<Request<Body>, EngineError> {
    let wrong = |reason: String| EngineError::Argument {
        operation: operation.to_owned(),
        reason,
    };
    let query = query(request);
    if query.len() > LONGEST_QUERY {
        return Err(wrong(format!(
            "names and arguments of a build have no more than {LONGEST_QUERY} bytes"
        )));
    }
    let length = context
        .metadata()
        .map_err(|error| wrong(format!("the packed folder cannot be read: {error}")))?
        .len();
    let mut builder = Request::builder()
        .method(Method::POST)
        .uri(format!("http://docker/build?{query}"))
        .header(header::CONTENT_TYPE, "application/x-tar")
        .header(header::CONTENT_LENGTH, length);
    if !request.logins.is_empty() {
        let mut logins = HeaderValue::try_from(encoded(&request.logins))
            .map_err(|error| wrong(error.to_string()))?;
        logins.set_sensitive(true);
        builder = builder.header("X-Registry-Config", logins);
    }
    // What is wrong with an address is told without the address: it may hold secrets.
    builder
        .body(pieces(context, moved))
        .map_err(|error| wrong(error.to_string()))
}

fn query(request: &BuildRequest) -> String {
    // Containers of steps are removed, whatever happens.
    let mut query = String::from("rm=1&forcerm=1");
    let mut add = |name: &str, value: &str| {
        query.push_str(&format!("&{name}={}", query_value(value)));
    };
    add("dockerfile", &request.dockerfile);
    for tag in &request.tags {
        add("t", tag);
    }
    if !request.arguments.is_empty() {
        let arguments = request.arguments.iter();
        let arguments: Map<String, Value> = arguments
            .map(|(name, value)| (name.clone(), json!(value)))
            .collect();
        add("buildargs", &Value::Object(arguments).to_string());
    }
    if let Some(target) = &request.target {
        add("target", target);
    }
    if request.no_cache {
        add("nocache", "1");
    }
    if request.pull {
        add("pull", "1");
    }
    query
}

/// Logins by their registries, as engines read them here: not as for a pull.
fn encoded(logins: &[RegistryAuth]) -> String {
    let keyed = logins.iter().map(|login| {
        let (server, fields) = match login {
            RegistryAuth::Password {
                server,
                user,
                password,
            } => (server, json!({ "username": user, "password": password })),
            RegistryAuth::Token { server, token } => (server, json!({ "identitytoken": token })),
        };
        let is_hub = DOCKER_HUB_NAMES.contains(&server.as_str());
        let server = if is_hub { DOCKER_HUB } else { server };
        (server.to_owned(), fields)
    });
    let keyed: Map<String, Value> = keyed.collect();
    BASE64_URL_SAFE.encode(Value::Object(keyed).to_string())
}

/// A file from its beginning, however many read it at a time. Each piece that is taken is a sign of life.
fn pieces(file: Arc<File>, moved: watch::Sender<Instant>) -> Body {
    let next = |(file, offset, moved): (Arc<File>, u64, watch::Sender<Instant>)| async move {
        let source = Arc::clone(&file);
        let read = tokio::task::spawn_blocking(move || {
            let mut piece = vec![0; PIECE];
            let count = source.read_at(&mut piece, offset)?;
            piece.truncate(count);
            io::Result::Ok(piece)
        });
        let piece = read.await.map_err(io::Error::other)??;
        moved.send_replace(Instant::now());
        let end = offset + piece.len() as u64;
        io::Result::Ok((!piece.is_empty()).then(|| (Bytes::from(piece), (file, end, moved))))
    };
    bollard::body_try_stream(stream::try_unfold((file, 0, moved), next))
}

/// Waits for something until nothing has moved for too long.
async fn unless_silent<T>(
    operation: &str,
    idle: Duration,
    last_move: &watch::Receiver<Instant>,
    work: impl Future<Output = T>,
) -> Result<T, EngineError> {
    tokio::pin!(work);
    loop {
        let end = *last_move.borrow() + idle;
        tokio::select! {
            biased;
            done = &mut work => return Ok(done),
            () = tokio::time::sleep_until(end) => {
                if *last_move.borrow() + idle <= Instant::now() {
                    return Err(EngineError::Idle {
                        operation: operation.to_owned(),
                        after: idle,
                    });
                }
            }
        }
    }
}

async fn refused(operation: &str, response: Response<Incoming>) -> EngineError {
    let status = response.status().as_u16();
    match Limited::new(response.into_body(), REFUSAL).collect().await {
        Ok(body) => EngineError::Refused {
            operation: operation.to_owned(),
            status,
            message: refusal(&body.to_bytes()),
        },
        Err(error) => EngineError::from_channel(
            operation.to_owned(),
            ChannelError::from_io(io::Error::other(error)),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> BuildRequest {
        BuildRequest {
            dockerfile: "docker/a b".to_owned(),
            tags: vec!["r.example:5000/app:1".to_owned(), "app:latest".to_owned()],
            arguments: vec![
                ("TOKEN".to_owned(), Some("hunter2&x=1".to_owned())),
                ("MODE".to_owned(), None),
            ],
            target: Some("web".to_owned()),
            pull: true,
            logins: vec![RegistryAuth::Password {
                server: "docker.io".to_owned(),
                user: "deploy".to_owned(),
                password: "hunter2?>".to_owned(),
            }],
            ..BuildRequest::default()
        }
    }

    #[test]
    fn a_request_is_written_as_the_engine_reads_it() {
        assert_eq!(
            query(&request()),
            "rm=1&forcerm=1&dockerfile=docker%2Fa%20b&t=r.example%3A5000%2Fapp%3A1\
             &t=app%3Alatest&buildargs=%7B%22TOKEN%22%3A%22hunter2%26x%3D1%22%2C%22MODE%22%3Anull%7D\
             &target=web&pull=1"
        );
        let logins = BASE64_URL_SAFE.decode(encoded(&request().logins)).unwrap();
        assert_eq!(
            String::from_utf8(logins).unwrap(),
            r#"{"https://index.docker.io/v1/":{"username":"deploy","password":"hunter2?>"}}"#
        );
    }

    #[test]
    fn secrets_stay_out_of_errors_and_debug_output() {
        let mut request = request();
        assert!(!format!("{request:?}").contains("hunter2"));
        let long = "hunter2".repeat(LONGEST_QUERY);
        request.arguments.push(("LONG".to_owned(), Some(long)));
        let file = Arc::new(tempfile::tempfile().unwrap());
        let (moved, _) = watch::channel(Instant::now());
        let error = http_request("build app:1", &request, file, moved).err();
        assert_eq!(
            error.map(|error| error.to_string()).as_deref(),
            Some(
                "cannot build app:1: names and arguments of a build have no more than 32768 bytes"
            )
        );
    }

    #[tokio::test]
    async fn several_read_one_file_from_its_beginning() {
        let file = tempfile::tempfile().unwrap();
        let bytes: Vec<u8> = (0..PIECE * 2 + 10).map(|at| (at % 251) as u8).collect();
        file.write_all_at(&bytes, 0).unwrap();
        let file = Arc::new(file);
        let (moved, _) = watch::channel(Instant::now());
        let body = || pieces(Arc::clone(&file), moved.clone()).collect();
        let (one, other) = tokio::join!(body(), body());
        assert!(one.unwrap().to_bytes() == bytes && other.unwrap().to_bytes() == bytes);
    }

    #[tokio::test]
    async fn only_a_silence_ends_the_wait() {
        let idle = Duration::from_secs(10);
        let (moved, last_move) = watch::channel(Instant::now() - idle);
        let silent = std::future::pending::<()>();
        let error = unless_silent("build a:1", idle, &last_move, silent).await;
        assert!(matches!(error, Err(EngineError::Idle { .. })));
        let busy = async {
            moved.send_replace(Instant::now());
            for _ in 0..10 {
                tokio::task::yield_now().await;
            }
        };
        let done = unless_silent("build a:1", idle, &last_move, busy).await;
        assert!(done.is_ok());
    }
}
