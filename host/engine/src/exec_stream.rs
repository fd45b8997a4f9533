//! Commands inside running containers, with their streams
//! (`POST /containers/NAME/exec`, `POST /exec/ID/start`, `/resize`, `GET /exec/ID/json`).

use std::time::Duration;

use dfab_ssh::TerminalSize;
use http::Method;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWrite, ReadHalf};

use crate::call::checked_name;
use crate::engine::Engine;
use crate::error::EngineError;
use crate::frames::Frames;
use crate::logs::OutputPiece;
use crate::stream::{StreamRequest, broken};

/// How long the Engine may take to note the end of a command after the end of its output.
const END_TIMEOUT: Duration = Duration::from_secs(10);
/// How much is read at once, in bytes.
const READ: usize = 32 * 1024;
/// The Engine takes these keys for itself, and ends the stream at them; without any it takes
/// Ctrl-P Ctrl-Q, and Ctrl-P alone would do nothing until the next key. Nobody types these.
const DETACH_KEYS: &str = "ctrl-@,ctrl-^,ctrl-@,ctrl-^";

/// What is run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExecRequest {
    /// The program and its arguments.
    pub argv: Vec<String>,
    /// Instead of the container's, as `USER` or `USER:GROUP`.
    pub user: Option<String>,
    /// Instead of the container's working directory.
    pub directory: Option<String>,
    /// More variables, as `NAME=VALUE`.
    pub variables: Vec<String>,
    /// The size of its terminal, where it gets one. Engines before API 1.42 learn it by
    /// [`Engine::resize_exec`] only, when the command runs already.
    pub terminal: Option<TerminalSize>,
    /// Whether it gets a standard input.
    pub input: bool,
}

/// A command whose streams are attached. Dropping it closes the streams; the command goes on if it
/// wants to, since the Engine API has no call to end it.
#[derive(Debug)]
pub struct ExecStream {
    /// Its id on the Engine.
    pub id: String,
    operation: String,
    output: ReadHalf<TokioIo<Upgraded>>,
    frames: Frames,
    buffer: Box<[u8]>,
}

/// What the Engine knows of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExecState {
    /// None while it runs.
    pub exit_code: Option<i64>,
    /// The number of its process as the host counts, where it runs.
    pub process: Option<u32>,
}

impl Engine {
    /// Starts a command in a running container: its output, and its input, whose shutdown is the end of
    /// the input and leaves the output. Takes a channel of its own.
    ///
    /// # Errors
    /// [`EngineError::is_conflict`] when the container does not run, [`EngineError::is_not_found`]
    /// when there is none.
    pub async fn open_exec(
        &self,
        container: &str,
        request: &ExecRequest,
    ) -> Result<(ExecStream, impl AsyncWrite + Send + Unpin + use<>), EngineError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Created {
            id: String,
        }
        let operation = format!(
            "run {} in container {container}",
            request.argv.first().map_or("nothing", |name| name)
        );
        let name = checked_name(&operation, container)?;
        let mut body = json!({
            "AttachStdin": request.input,
            "AttachStdout": true,
            "AttachStderr": true,
            "Tty": request.terminal.is_some(),
            "DetachKeys": DETACH_KEYS,
            "Cmd": request.argv,
        });
        if let Some(fields) = body.as_object_mut() {
            if let Some(size) = request.terminal {
                fields.insert("ConsoleSize".to_owned(), console(size));
            }
            let texts = [("User", &request.user), ("WorkingDir", &request.directory)];
            for (field, text) in texts {
                if let Some(text) = text {
                    fields.insert(field.to_owned(), json!(text));
                }
            }
            if !request.variables.is_empty() {
                fields.insert("Env".to_owned(), json!(request.variables));
            }
        }
        let path = format!("/containers/{name}/exec");
        let created: Created = self
            .json(&operation, Method::POST, &path, Some(&body))
            .await?;
        checked_name(&operation, &created.id)?;
        let mut start = json!({ "Detach": false, "Tty": request.terminal.is_some() });
        if let (Some(fields), Some(size)) = (start.as_object_mut(), request.terminal) {
            fields.insert("ConsoleSize".to_owned(), console(size));
        }
        let response = self
            .open_stream(StreamRequest {
                operation: &operation,
                method: Method::POST,
                path: &format!("/exec/{}/start", created.id),
                body: Some(&start),
                upgrade: true,
            })
            .await?;
        let upgraded = tokio::time::timeout(self.shared.timeout, hyper::upgrade::on(response));
        let upgraded = upgraded.await.map_err(|_| EngineError::Timeout {
            operation: operation.clone(),
            after: self.shared.timeout,
        })?;
        let upgraded = upgraded.map_err(|error| broken(&operation, error))?;
        let (output, input) = tokio::io::split(TokioIo::new(upgraded));
        let stream = ExecStream {
            id: created.id,
            operation,
            output,
            frames: Frames::new(request.terminal.is_some()),
            buffer: vec![0; READ].into(),
        };
        Ok((stream, input))
    }

    /// How a command is.
    ///
    /// # Errors
    /// [`EngineError::is_not_found`] when the Engine has forgotten it.
    pub async fn exec_state(&self, id: &str) -> Result<ExecState, EngineError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct State {
            #[serde(default)]
            running: bool,
            exit_code: Option<i64>,
            #[serde(default)]
            pid: u32,
        }
        let operation = "look at a command in a container";
        let path = format!("/exec/{}/json", checked_name(operation, id)?);
        let state: State = self.json(operation, Method::GET, &path, None).await?;
        Ok(ExecState {
            exit_code: state.exit_code.filter(|_| !state.running),
            process: (state.running && state.pid > 0).then_some(state.pid),
        })
    }

    /// The exit code of a command whose output has ended.
    ///
    /// # Errors
    /// [`EngineError::Unfinished`] where it still runs 10 s later.
    pub async fn exec_exit_code(&self, id: &str) -> Result<i64, EngineError> {
        let noted = async {
            loop {
                if let Some(code) = self.exec_state(id).await?.exit_code {
                    return Ok(code);
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(END_TIMEOUT, noted)
            .await
            .unwrap_or_else(|_| {
                Err(EngineError::Unfinished {
                    operation: "see the end of a command in a container".to_owned(),
                    after: END_TIMEOUT,
                })
            })
    }

    /// Tells a command on a terminal how large that is, in characters.
    ///
    /// # Errors
    /// [`EngineError`] where it does not run yet, or no more.
    pub async fn resize_exec(&self, id: &str, size: TerminalSize) -> Result<(), EngineError> {
        let operation = "resize a terminal in a container";
        let path = format!(
            "/exec/{}/resize?h={}&w={}",
            checked_name(operation, id)?,
            size.rows,
            size.columns
        );
        self.told(operation, Method::POST, &path, None).await
    }
}

fn console(size: TerminalSize) -> Value {
    json!([size.rows, size.columns])
}

impl ExecStream {
    /// The next piece of its output; none at the end. On a terminal, all is standard output. May be
    /// dropped at any time, and called again. Has no deadline: a command may be silent for as long as
    /// it likes, and a broken connection is an error.
    ///
    /// # Errors
    /// Where the connection breaks.
    pub async fn next(&mut self) -> Result<Option<OutputPiece>, EngineError> {
        loop {
            let piece = self.frames.next();
            if let Some(piece) = piece.map_err(|reason| EngineError::Decode {
                operation: self.operation.clone(),
                reason,
            })? {
                return Ok(Some(piece));
            }
            match self.output.read(&mut self.buffer).await {
                Ok(0) if self.frames.is_whole() => return Ok(None),
                Ok(0) => return Err(broken(&self.operation, "it ended in the middle of a frame")),
                Ok(count) => self
                    .frames
                    .push(self.buffer.get(..count).unwrap_or_default()),
                Err(error) => return Err(broken(&self.operation, error)),
            }
        }
    }
}
