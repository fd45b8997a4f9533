//! Channels to the Engine through an SSH session.
//!
//! Forwarded channels cost the host nothing. The others are processes there, whose last words are
//! kept: they tell why a channel broke.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use dfab_ssh::quoted;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;

use crate::causes::with_causes;
use crate::channel::ChannelKind;
use crate::connector::{ByteStream, ChannelError};
use crate::processes::{self, Started};
use crate::programs::Programs;

/// One way through a session.
#[derive(Clone)]
pub(crate) struct SshWay {
    session: dfab_ssh::Session,
    socket: String,
    route: Route,
    programs: Arc<Programs>,
}

#[derive(Clone)]
enum Route {
    StreamLocal,
    Socat,
    DialStdio { sudo: bool },
    Tcp { host: String, port: u16 },
}

impl SshWay {
    /// All ways, the best first.
    pub(crate) fn all(
        session: &dfab_ssh::Session,
        socket: &str,
        tcp: Option<&(String, u16)>,
        programs: &Programs,
    ) -> Vec<Self> {
        let programs = Arc::new(programs.clone());
        let mut routes = vec![
            Route::StreamLocal,
            Route::Socat,
            Route::DialStdio {
                sudo: programs.docker_sudo,
            },
        ];
        routes.extend(tcp.map(|(host, port)| Route::Tcp {
            host: host.clone(),
            port: *port,
        }));
        routes
            .into_iter()
            .map(|route| Self {
                session: session.clone(),
                socket: socket.to_owned(),
                route,
                programs: Arc::clone(&programs),
            })
            .collect()
    }

    pub(crate) fn kind(&self) -> ChannelKind {
        match self.route {
            Route::StreamLocal => ChannelKind::StreamLocal,
            Route::Socat => ChannelKind::Socat,
            Route::DialStdio { .. } => ChannelKind::DialStdio,
            Route::Tcp { .. } => ChannelKind::Tcp,
        }
    }

    /// The way to try because of how this one failed: the docker client with `sudo`, where only
    /// the permission is missing.
    pub(crate) fn after(&self, failure: &ChannelError) -> Option<Self> {
        match (&self.route, failure) {
            (Route::DialStdio { sudo: false }, ChannelError::Process { words, .. })
                if is_denied(words) =>
            {
                Some(Self {
                    route: Route::DialStdio { sudo: true },
                    ..self.clone()
                })
            }
            _ => None,
        }
    }

    /// The name or address of the engine's TCP port, as the host sees it.
    pub(crate) fn tcp_host(&self) -> Option<&str> {
        match &self.route {
            Route::Tcp { host, .. } => Some(host),
            _ => None,
        }
    }

    /// The same way through another session of the host.
    pub(crate) fn through(&self, session: dfab_ssh::Session) -> Self {
        Self {
            session,
            ..self.clone()
        }
    }

    pub(crate) fn session(&self) -> &dfab_ssh::Session {
        &self.session
    }

    /// The command line whose standard streams are the channel, where it is one. With `linger`, socat
    /// waits so many seconds for what the engine has to say after the client's last word.
    pub(crate) fn command(&self, linger: Option<u32>) -> Option<String> {
        match self.route {
            Route::StreamLocal | Route::Tcp { .. } => None,
            Route::Socat => {
                let command = self.programs.socat_command(&self.socket, linger);
                if let Some(notice) = &self.programs.on_socat {
                    notice.tell(&command);
                }
                Some(command)
            }
            Route::DialStdio { sudo } => Some(self.programs.dial_stdio_command(&self.socket, sudo)),
        }
    }
}

/// What the last process said that ended by itself, or the other side of TLS.
#[derive(Clone, Default)]
pub(crate) struct LastWords {
    heard: Arc<Mutex<Option<ChannelError>>>,
    arrived: Arc<Notify>,
}

impl LastWords {
    /// Takes the last words, which may come a moment after the channel broke.
    pub(crate) async fn heard(&self) -> Option<ChannelError> {
        let arrival = self.arrived.notified();
        tokio::pin!(arrival);
        arrival.as_mut().enable();
        if let Some(words) = self.take() {
            return Some(words);
        }
        tokio::time::timeout(MOMENT, arrival).await.ok();
        self.take()
    }

    pub(crate) fn take(&self) -> Option<ChannelError> {
        self.heard
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }

    pub(crate) fn say(&self, words: ChannelError) {
        *self.heard.lock().unwrap_or_else(PoisonError::into_inner) = Some(words);
        self.arrived.notify_waiters();
    }
}

/// Standard input and output of a process on the host, whose number is kept (see [`processes`]). When it is dropped, so is everything else
/// of the process, and sshd ends it; one that ended by itself gets a moment for its last words.
struct ProcessStream<Stream> {
    stream: Stream,
    ended: bool,
    listener: JoinHandle<()>,
    process: u64,
    _open: oneshot::Sender<()>,
}

impl<Stream> ProcessStream<Stream> {
    fn new(
        stream: Stream,
        stderr: impl AsyncRead + Unpin + Send + 'static,
        status: impl Future<Output = Option<i32>> + Send + 'static,
        started: Started,
        session: dfab_ssh::Session,
        command: String,
        last_words: LastWords,
    ) -> Self {
        let (open, closed) = oneshot::channel();
        let process = started.id();
        let listener = tokio::spawn(async move {
            tokio::select! {
                () = listen(stderr, status, &started, &session, command, last_words) => {}
                () = async { closed.await.ok(); tokio::time::sleep(MOMENT).await } => {}
            }
        });
        Self {
            stream,
            ended: false,
            listener,
            process,
            _open: open,
        }
    }
}

impl<Stream> Drop for ProcessStream<Stream> {
    fn drop(&mut self) {
        if !self.ended {
            self.listener.abort();
        }
        processes::closed(self.process);
    }
}

impl<Stream: AsyncRead + Unpin> AsyncRead for ProcessStream<Stream> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if let Poll::Ready(result) = &read {
            self.ended |= result.is_err() || buffer.filled().len() == before;
        }
        read
    }
}

impl<Stream: AsyncWrite + Unpin> AsyncWrite for ProcessStream<Stream> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.ended |= matches!(written, Poll::Ready(Err(_)));
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// Listens to the process until it has ended, and passes on what it said at last.
async fn listen(
    stderr: impl AsyncRead + Unpin,
    status: impl Future<Output = Option<i32>>,
    started: &Started,
    session: &dfab_ssh::Session,
    command: String,
    last_words: LastWords,
) {
    let said = started.listen(stderr, session).await;
    let status = status.await;
    if status.is_some() {
        processes::ended(started.id());
    }
    let words = match status {
        Some(code) if said.is_empty() => format!("exit status {code}"),
        Some(code @ (126 | 127)) => format!("exit status {code}: {said}"),
        _ if said.is_empty() => "without a word".to_owned(),
        _ => said,
    };
    last_words.say(ChannelError::Process { command, words });
}

/// Opens a channel. The caller bounds the time.
pub(crate) async fn open(
    way: &SshWay,
    last_words: &LastWords,
) -> Result<Box<dyn ByteStream>, ChannelError> {
    let refused = |source| ChannelError::Ssh {
        kind: way.kind(),
        source: Arc::new(source),
    };
    match (&way.route, way.command(None)) {
        (Route::Tcp { host, port }, _) => {
            let channel = way.session.open_tcp(host, *port).await.map_err(refused)?;
            Ok(Box::new(channel))
        }
        (_, None) => {
            let channel = way.session.open_unix(&way.socket).await.map_err(refused)?;
            Ok(Box::new(channel))
        }
        (_, Some(command)) => {
            last_words.take();
            let (started, line) = Started::new(&command);
            let process = way.session.exec(&line).await.map_err(refused)?;
            let (stream, stderr, status) = process.into_parts();
            let words = last_words.clone();
            Ok(Box::new(ProcessStream::new(
                stream,
                stderr,
                status,
                started,
                way.session.clone(),
                command,
                words,
            )))
        }
    }
}

/// Why a way failed, in words that say what to do.
pub(crate) async fn reason(way: &SshWay, failure: &ChannelError) -> String {
    let socket = &way.socket;
    match (&way.route, failure) {
        (_, ChannelError::Process { words, .. }) => {
            explained(&way.route, &way.programs, socket, words)
        }
        (Route::StreamLocal, ChannelError::Ssh { .. } | ChannelError::Request { .. }) => {
            match look_at_socket(way).await.as_deref() {
                Some("absent") => no_socket(socket),
                Some("denied") => denied(socket),
                _ => format!(
                    "{}; sshd may forbid it (AllowStreamLocalForwarding), or the Docker Engine is \
                     not running",
                    with_causes(failure)
                ),
            }
        }
        _ => with_causes(failure),
    }
}

/// How long last words may take.
const MOMENT: Duration = Duration::from_secs(1);

/// For the look at the socket, and how much that may say.
const LOOK: Duration = Duration::from_secs(10);
const LOOK_BYTES: usize = 4 * 1024;

fn explained(route: &Route, programs: &Programs, socket: &str, words: &str) -> String {
    let (program, preset, field) = match route {
        Route::DialStdio { sudo: true } => return format!("with sudo -n: {words}"),
        Route::DialStdio { sudo: false } => (programs.docker.as_str(), "docker", "default_bin"),
        _ => (programs.socat.as_str(), "socat", "socat_path"),
    };
    let lowered = words.to_ascii_lowercase();
    let explained = if lowered.contains("not found") || lowered.contains("status 127") {
        if program == preset {
            return format!("{program}: not found: install it with `dfab setup {program} -H HOST`");
        }
        return format!(
            "{program}: there is no such program on the host: is `{field}` right? ({words})"
        );
    } else if lowered.contains("status 126") {
        return format!("{program}: cannot be run on the host: is `{field}` right? ({words})");
    } else if is_denied(words) {
        denied(socket)
    } else if lowered.contains("no such file or directory") {
        no_socket(socket)
    } else if lowered.contains("connection refused") || lowered.contains("cannot connect to") {
        "the Docker Engine is not running".to_owned()
    } else {
        return format!("{program}: {words}");
    };
    // What socat says may mean something else to those who know it.
    match route {
        Route::Socat => format!("{explained} ({words})"),
        _ => explained,
    }
}

fn is_denied(words: &str) -> bool {
    words.to_ascii_lowercase().contains("permission denied")
}

fn denied(socket: &str) -> String {
    format!("permission denied on the socket {socket}: is the user in group docker?")
}

fn no_socket(socket: &str) -> String {
    format!(
        "there is no socket {socket}: the Docker Engine is not installed (`dfab setup docker -H \
         HOST`), not running, or listens elsewhere"
    )
}

/// sshd says only that it failed; a look at the socket tells why.
async fn look_at_socket(way: &SshWay) -> Option<String> {
    let socket = quoted(&way.socket);
    let script = format!(
        "if [ ! -e {socket} ]; then echo absent; elif [ ! -w {socket} ]; then echo denied; else \
         echo present; fi"
    );
    let command = format!("sh -c {}", quoted(&script));
    let output = way
        .session
        .run(&command, None, LOOK, LOOK_BYTES)
        .await
        .ok()?;
    Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connect::DEFAULT_SOCKET;

    #[test]
    fn what_processes_say_is_turned_into_a_next_step() {
        let programs = Programs::default();
        let socat = |words| explained(&Route::Socat, &programs, DEFAULT_SOCKET, words);
        assert!(socat("exit status 127: sh: 1: socat: not found").contains("dfab setup socat"));
        assert!(
            socat("socat[7] E connect(5, AF=1 \"/var/run/docker.sock\", 22): Permission denied")
                .contains("is the user in group docker?")
        );
        assert!(
            socat("socat[7] E connect(5, AF=1 \"/run/x\", 8): No such file or directory")
                .starts_with("there is no socket")
        );
        assert!(
            socat("socat[7] E connect(5, AF=1 \"/run/x\", 8): Connection refused")
                .contains("not running")
        );
        assert_eq!(
            explained(
                &Route::DialStdio { sudo: true },
                &programs,
                DEFAULT_SOCKET,
                "sudo: a password is required"
            ),
            "with sudo -n: sudo: a password is required"
        );
        let odd = Programs {
            socat: "/opt/socat".to_owned(),
            ..Programs::default()
        };
        let words = "exit status 127: sh: 1: /opt/socat: not found";
        assert_eq!(
            explained(&Route::Socat, &odd, DEFAULT_SOCKET, words),
            "/opt/socat: there is no such program on the host: is `socat_path` right? (exit status \
             127: sh: 1: /opt/socat: not found)"
        );
    }

    #[tokio::test]
    async fn last_words_are_heard_before_and_after_they_are_waited_for() {
        let words = |words: &str| ChannelError::Process {
            command: "socat".to_owned(),
            words: words.to_owned(),
        };
        let said = LastWords::default();
        said.say(words("before"));
        assert!(said.heard().await.unwrap().to_string().ends_with("before"));
        let later = said.clone();
        let (heard, ()) = tokio::join!(said.heard(), async move {
            tokio::time::sleep(Duration::from_millis(50)).await;
            later.say(words("after"));
        });
        assert!(heard.unwrap().to_string().ends_with("after"));
    }
}
