//! The processes on hosts that carry channels, and their end where the engine does not end them.
//!
//! A process ends by itself when its input does and the engine has no more to say. One whose engine hangs
//! would stay, so that its number is asked for when it is started.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use dfab_ssh::{Session, quoted};
use futures_util::future::join_all;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, BufReader};

/// For how long after its channel a process counts as there: later its number may be another's.
const KEPT: Duration = Duration::from_secs(60);

static RUNNING: Mutex<BTreeMap<u64, Running>> = Mutex::new(BTreeMap::new());
static COUNT: AtomicU64 = AtomicU64::new(0);

struct Running {
    session: Session,
    number: u32,
    /// When its channel was closed.
    closed: Option<Instant>,
}

/// How a process that is about to be started says its number: in the first line of its standard error.
#[derive(Debug)]
pub(crate) struct Mark(String);

impl Mark {
    /// The command line that says its number, and is the command then.
    pub(crate) fn new(command: &str) -> (Self, String) {
        let id = COUNT.fetch_add(1, Ordering::Relaxed);
        let mark = format!("dfab-channel-{}-{id}", std::process::id());
        let line = format!(
            "exec sh -c {} {mark} {}",
            quoted(r#"echo "$0 $$" >&2; exec sh -c "$1""#),
            quoted(command)
        );
        (Self(mark), line)
    }

    /// Reads standard error to its end: the number is told when it comes, and the end of all else is
    /// returned.
    pub(crate) async fn listen(
        &self,
        stderr: impl AsyncRead + Unpin,
        mut tell: impl FnMut(u32),
    ) -> String {
        let mut stderr = BufReader::new(stderr);
        let mut kept = Vec::new();
        let mut line = Vec::new();
        loop {
            line.clear();
            let read = (&mut stderr).take(LINE).read_until(b'\n', &mut line).await;
            if !matches!(read, Ok(1..)) {
                break;
            }
            match self.number(&String::from_utf8_lossy(&line)) {
                Some(number) => tell(number),
                None => kept.extend_from_slice(&line),
            }
            let surplus = kept.len().saturating_sub(WORDS);
            kept.drain(..surplus);
        }
        String::from_utf8_lossy(&kept).trim().to_owned()
    }

    fn number(&self, line: &str) -> Option<u32> {
        line.trim().strip_prefix(&self.0)?.trim().parse().ok()
    }
}

/// What is kept of standard error, in bytes.
const WORDS: usize = 4 * 1024;

/// The longest line of it.
const LINE: u64 = 4 * 1024;

/// A process that is about to be started, and is kept in mind for [`end_channels`] once its number is known.
#[derive(Debug)]
pub(crate) struct Started {
    id: u64,
    mark: Mark,
}

impl Started {
    /// With the command line to start.
    pub(crate) fn new(command: &str) -> (Self, String) {
        let (mark, line) = Mark::new(command);
        let id = COUNT.fetch_add(1, Ordering::Relaxed);
        (Self { id, mark }, line)
    }

    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    /// As [`Mark::listen`].
    pub(crate) async fn listen(&self, stderr: impl AsyncRead + Unpin, session: &Session) -> String {
        let keep = |number| {
            let running = Running {
                session: session.clone(),
                number,
                closed: None,
            };
            running_now().insert(self.id, running);
        };
        self.mark.listen(stderr, keep).await
    }
}

/// The process has ended.
pub(crate) fn ended(id: u64) {
    running_now().remove(&id);
}

/// Nobody listens to the process any more, which will end now.
pub(crate) fn closed(id: u64) {
    let mut running = running_now();
    if let Some(process) = running.get_mut(&id) {
        process.closed = Some(Instant::now());
    }
    running.retain(|_, process| process.closed.is_none_or(|at| at.elapsed() < KEPT));
}

/// Ends the processes on hosts that carry channels and are still there, for when the program ends before
/// its time: the engine may never end them. Takes some seconds at most for each host, side by side.
pub async fn end_channels() {
    let all = std::mem::take(&mut *running_now());
    let left = all
        .into_values()
        .filter(|process| process.closed.is_none_or(|at| at.elapsed() < KEPT));
    join_all(left.map(|process| async move {
        process.session.end_process(process.number).await;
    }))
    .await;
}

fn running_now() -> MutexGuard<'static, BTreeMap<u64, Running>> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}
