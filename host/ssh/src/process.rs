//! Commands on the host, and how none is left behind.

use std::future::Future;
use std::io;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::sync::{oneshot, watch};

use crate::handle::ExitStatus;
use crate::pipe::ErrorStream;
use crate::quoting::quoted;
use crate::session::{Channel, OpenError, Session};
use crate::terminal::Resizer;

/// How long ending a command may take.
const KILL_TIMEOUT: Duration = Duration::from_secs(10);

/// A command that runs on the host.
#[derive(Debug)]
pub struct Process {
    channel: Channel,
    stderr: ErrorStream,
    exit: oneshot::Receiver<ExitStatus>,
}

impl Process {
    pub(crate) fn new(
        channel: Channel,
        stderr: ErrorStream,
        exit: oneshot::Receiver<ExitStatus>,
    ) -> Self {
        Self {
            channel,
            stderr,
            exit,
        }
    }

    /// Standard input and output as one stream, standard error, and what resolves to the exit status
    /// once all output was read and the command has ended; none where the connection broke first.
    pub fn into_parts(
        self,
    ) -> (
        Channel,
        ErrorStream,
        impl Future<Output = Option<i32>> + Send + 'static,
    ) {
        let exit = self.exit;
        (self.channel, self.stderr, async move {
            exit.await.ok().map(|status| status.code)
        })
    }

    /// The same, with the exit status as the driver sends it.
    pub(crate) fn into_streams(self) -> (Channel, ErrorStream, oneshot::Receiver<ExitStatus>) {
        (self.channel, self.stderr, self.exit)
    }

    /// What tells the command how large its terminal is, where it has one.
    pub fn resizer(&self) -> Resizer {
        self.channel.resizer()
    }
}

/// What a command printed, and how it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// Exit status; 128 and the signal's number where a signal ended it.
    pub status: i32,
    /// What it printed.
    pub stdout: Vec<u8>,
    /// What it complained about.
    pub stderr: Vec<u8>,
}

/// Why a command has no outcome.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// It could not be started.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The connection broke while it ran; whether it ended is not known.
    #[error("the connection broke while the command ran; whether it was carried out is not known")]
    Broken(#[source] io::Error),
    /// It ran longer than it may, and was ended.
    #[error("the command still ran after {} s and was ended", .after.as_secs_f64())]
    Timeout {
        /// How long it had.
        after: Duration,
    },
    /// It printed more than it may, and was ended.
    #[error("the command printed more than {limit} bytes and was ended")]
    TooMuchOutput {
        /// Bytes.
        limit: usize,
    },
}

impl Session {
    /// Runs a command line with `sh` to its end, with `stdin` as its input.
    ///
    /// # Errors
    /// Where it cannot be started, runs longer than `timeout`, prints more than `output_limit` bytes,
    /// or the connection breaks.
    ///
    /// # Cancellation
    /// When the future is dropped, and at every error but a broken connection, the command is ended
    /// with everything that it started.
    pub async fn run(
        &self,
        command: &str,
        stdin: Option<&[u8]>,
        timeout: Duration,
        output_limit: usize,
    ) -> Result<Output, RunError> {
        static COUNTER: AtomicU64 = AtomicU64::new(0);
        let mark = format!(
            "dfab-{}-{}",
            std::process::id(),
            COUNTER.fetch_add(1, Ordering::Relaxed)
        );
        // The first line on standard error names the process, so that it can be ended.
        let line = format!(
            "exec sh -c {} {mark} {}",
            quoted(r#"echo "$0 $$" >&2; exec sh -c "$1""#),
            quoted(command)
        );
        let (mut channel, stderr, exit) = self.exec(&line).await?.into_parts();
        let mut guard = Guard::new(self.clone());
        let mut stderr = tokio::io::BufReader::new(stderr);
        let work = async {
            guard.process = read_mark(&mut stderr, &mark)
                .await
                .map_err(RunError::Broken)?;
            let (mut input, mut output) = {
                let (output, input) = tokio::io::split(&mut channel);
                (input, output)
            };
            let send = async {
                // A command need not read all of its input, or any.
                if let Some(bytes) = stdin {
                    let _ = input.write_all(bytes).await;
                }
                let _ = input.shutdown().await;
                Ok(())
            };
            // What printed too much on one stream may never end the other.
            let ((), stdout, stderr) = tokio::try_join!(
                send,
                read_limited(&mut output, output_limit),
                read_limited(&mut stderr, output_limit),
            )?;
            let gone = || io::Error::new(io::ErrorKind::ConnectionReset, "no exit status came");
            let status = exit.await.ok_or_else(|| RunError::Broken(gone()))?;
            Ok(Output {
                status,
                stdout,
                stderr,
            })
        };
        let result = match tokio::time::timeout(timeout, work).await {
            Ok(result) => result,
            Err(_) => Err(RunError::Timeout { after: timeout }),
        };
        match &result {
            Ok(_) | Err(RunError::Broken(_) | RunError::Open(_)) => guard.armed = false,
            Err(RunError::Timeout { .. } | RunError::TooMuchOutput { .. }) => {
                guard.armed = false;
                if let Some(process) = &guard.process {
                    kill(self, process).await;
                }
            }
        }
        result
    }
}

impl Session {
    /// Ends a command of this host by the number of its process, with everything that it started, as far
    /// as the user may. Takes 10 s at most; where the host does not answer, nothing is ended.
    pub async fn end_process(&self, number: u32) {
        kill(self, &number.to_string()).await;
    }
}

/// Ends the command when the future that waits for it is dropped.
#[derive(Debug)]
pub(crate) struct Guard {
    pub(crate) session: Session,
    /// Its number, once that is known.
    pub(crate) process: Option<String>,
    pub(crate) armed: bool,
}

impl Guard {
    pub(crate) fn new(session: Session) -> Self {
        Self {
            session,
            process: None,
            armed: true,
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if !self.armed {
            return;
        }
        if let (Some(process), Ok(runtime)) =
            (self.process.take(), tokio::runtime::Handle::try_current())
        {
            let session = self.session.clone();
            let under_way = UnderWay::begin();
            runtime.spawn(async move {
                kill(&session, &process).await;
                drop(under_way);
            });
        }
    }
}

/// How many commands are being ended that nobody waits for.
static ENDING: LazyLock<watch::Sender<usize>> = LazyLock::new(|| watch::Sender::new(0));

/// One of them.
struct UnderWay;

impl UnderWay {
    fn begin() -> Self {
        ENDING.send_modify(|count| *count += 1);
        Self
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        ENDING.send_modify(|count| *count = count.saturating_sub(1));
    }
}

/// Waits until every command has ended that nobody waited for: to be called before a program ends. May
/// be dropped at any time.
pub async fn commands_ended() {
    // The sender is never dropped.
    let _ = ENDING.subscribe().wait_for(|count| *count == 0).await;
}

/// Ends a command with its whole process group: sshd gives each command one of its own.
pub(crate) async fn kill(session: &Session, process: &str) {
    // Only with -s does every shell's kill know what -- means.
    let script = format!(
        "group=$(cut -d' ' -f5 /proc/{process}/stat 2>/dev/null) || exit
         kill -s TERM -- \"-$group\" 2>/dev/null || exit
         for moment in 1 2 3 4 5 6 7 8 9 10; do
             kill -s 0 -- \"-$group\" 2>/dev/null || exit 0
             sleep 0.1 2>/dev/null || sleep 1
         done
         kill -s KILL -- \"-$group\" 2>/dev/null"
    );
    let line = format!("sh -c {}", quoted(&script));
    let ending = async {
        if let Ok(process) = session.exec_at_once(&line).await {
            let (mut channel, _stderr, exit) = process.into_parts();
            // Nothing is printed; its end is what is waited for.
            let _ = channel.read_to_end(&mut Vec::new()).await;
            let _ = exit.await;
        }
    };
    // Where the host does not answer any more there is nothing left to do.
    let _ = tokio::time::timeout(KILL_TIMEOUT, ending).await;
}

/// Reads the line with the mark and the process number; none where a login script spoiled it.
pub(crate) async fn read_mark(
    stderr: &mut (impl tokio::io::AsyncBufRead + Unpin),
    mark: &str,
) -> io::Result<Option<String>> {
    use tokio::io::AsyncBufReadExt;
    let mut line = Vec::new();
    // A login script may have its say first.
    for _ in 0..64 {
        line.clear();
        if stderr.take(4096).read_until(b'\n', &mut line).await? == 0 {
            return Ok(None);
        }
        let text = String::from_utf8_lossy(&line);
        if let Some(process) = text.trim().strip_prefix(mark) {
            let process = process.trim();
            let is_number = !process.is_empty() && process.bytes().all(|b| b.is_ascii_digit());
            return Ok(is_number.then(|| process.to_owned()));
        }
    }
    Ok(None)
}

async fn read_limited(
    stream: &mut (impl AsyncRead + Unpin),
    limit: usize,
) -> Result<Vec<u8>, RunError> {
    let mut bytes = Vec::new();
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    stream
        .take(most)
        .read_to_end(&mut bytes)
        .await
        .map_err(RunError::Broken)?;
    if bytes.len() > limit {
        return Err(RunError::TooMuchOutput { limit });
    }
    Ok(bytes)
}
