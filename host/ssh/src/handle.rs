//! The way to a session's thread: what it is asked for, and what it answers.

use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};

use tokio::sync::{OwnedSemaphorePermit, oneshot, watch};

use crate::pipe::{Incoming, Outgoing};
use crate::terminal::{Terminal, TerminalSize};

/// What a channel leads to.
#[derive(Debug, Clone)]
pub(crate) enum Kind {
    Exec(String),
    /// A command on a terminal, or the user's shell where there is none.
    Terminal(Terminal, Option<String>),
    Unix(String),
    Tcp(String, u16),
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExitStatus {
    /// Exit status; 128 and the signal's number where a signal ended it, as shells say it.
    pub code: i32,
}

/// A channel as the driver hands it over.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) id: u64,
    pub(crate) incoming: Incoming,
    pub(crate) errors: Incoming,
    pub(crate) outgoing: Outgoing,
    pub(crate) exit: oneshot::Receiver<ExitStatus>,
}

/// Why a channel was not opened.
#[derive(Debug, Clone)]
pub(crate) struct Refusal {
    pub(crate) reason: String,
    /// The command may have been started all the same.
    pub(crate) may_have_started: bool,
    /// It was the channel that the server refused, and not the command on it.
    pub(crate) of_channel: bool,
}

impl Refusal {
    /// Nothing was sent.
    fn unsent(reason: String) -> Self {
        Self {
            reason,
            may_have_started: false,
            of_channel: true,
        }
    }
}

pub(crate) type Reply = oneshot::Sender<Result<Opened, Refusal>>;

pub(crate) enum Command {
    Open(Kind, Option<OwnedSemaphorePermit>, Reply),
    Close(u64),
    Resize(u64, TerminalSize),
    End,
}

/// The way to a driver. Clones lead to the same one; it ends with the last.
#[derive(Debug, Clone)]
pub(crate) struct Handle(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    commands: Mutex<mpsc::Sender<Command>>,
    wake: Arc<OwnedFd>,
    state: Arc<State>,
    closed: watch::Receiver<Option<String>>,
}

#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) broken: AtomicBool,
    pub(crate) opened: AtomicU64,
}

impl Drop for Shared {
    fn drop(&mut self) {
        let commands = self
            .commands
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner);
        // The driver may have ended already.
        let _ = commands.send(Command::End);
        wake(&self.wake);
    }
}

impl Handle {
    pub(crate) fn new(
        commands: mpsc::Sender<Command>,
        wake: Arc<OwnedFd>,
        state: Arc<State>,
        closed: watch::Receiver<Option<String>>,
    ) -> Self {
        Self(Arc::new(Shared {
            commands: Mutex::new(commands),
            wake,
            state,
            closed,
        }))
    }

    /// Lets the driver look again.
    pub(crate) fn wake(&self) {
        wake(&self.0.wake);
    }

    pub(crate) fn close(&self, id: u64) {
        self.send(Command::Close(id));
    }

    pub(crate) fn resize(&self, id: u64, size: TerminalSize) {
        self.send(Command::Resize(id, size));
    }

    pub(crate) fn end(&self) {
        self.send(Command::End);
    }

    /// Opens a channel, which keeps the permit until it is closed. When dropped, a channel that opens
    /// all the same is closed again.
    pub(crate) async fn open(
        &self,
        kind: Kind,
        permit: Option<OwnedSemaphorePermit>,
    ) -> Result<Opened, Refusal> {
        let (sender, receiver) = oneshot::channel();
        self.send(Command::Open(kind, permit, sender));
        receiver
            .await
            .unwrap_or_else(|_| Err(Refusal::unsent(self.reason())))
    }

    pub(crate) fn is_open(&self) -> bool {
        !self.0.state.broken.load(Ordering::Acquire)
    }

    pub(crate) fn channels_opened(&self) -> u64 {
        self.0.state.opened.load(Ordering::Relaxed)
    }

    /// Why the session is closed.
    pub(crate) fn reason(&self) -> String {
        let reason = self.0.closed.borrow().clone();
        reason.unwrap_or_else(|| "the SSH session is closed".to_owned())
    }

    /// Waits until the session is closed.
    pub(crate) async fn closed(&self) -> String {
        let mut closed = self.0.closed.clone();
        // An error means that the driver is gone, which is what is waited for.
        let _ = closed.wait_for(Option::is_some).await;
        self.reason()
    }

    fn send(&self, command: Command) {
        let commands = self
            .0
            .commands
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        // Without a driver, what waits for an answer sees that the other end is gone.
        let _ = commands.send(command);
        drop(commands);
        self.wake();
    }
}

fn wake(descriptor: &OwnedFd) {
    // The counter can be full only if the driver is to be woken anyway.
    let _ = rustix::io::write(descriptor, &1_u64.to_ne_bytes());
}
