//! The processes on hosts that carry channels, and their end where the engine does not end them.
//!
//! A process ends by itself when its input does and the engine has no more to say. One whose engine hangs
//! would stay, so that its number is asked for when it is started.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use dfab_ssh::Session;
use futures_util::future::join_all;

use crate::programs::quoted;

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

/// A process that is about to be started; known by what it says first.
#[derive(Debug)]
pub(crate) struct Started {
    id: u64,
    mark: String,
}

impl Started {
    /// The command line that says its number on standard error, and is the command then.
    pub(crate) fn new(command: &str) -> (Self, String) {
        let id = COUNT.fetch_add(1, Ordering::Relaxed);
        let mark = format!("dfab-channel-{}-{id}", std::process::id());
        let line = format!(
            "exec sh -c {} {mark} {}",
            quoted(r#"echo "$0 $$" >&2; exec sh -c "$1""#),
            quoted(command)
        );
        (Self { id, mark }, line)
    }

    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    /// Takes the number out of the first words; whether they were it.
    pub(crate) fn hear(&self, line: &str, session: &Session) -> bool {
        let told = line.trim().strip_prefix(&self.mark).map(str::trim);
        let Some(number) = told.and_then(|told| told.parse().ok()) else {
            return false;
        };
        let running = Running {
            session: session.clone(),
            number,
            closed: None,
        };
        running_now().insert(self.id, running);
        true
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
