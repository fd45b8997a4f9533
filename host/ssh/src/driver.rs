//! The thread that owns a session.
//!
//! libssh2 is not re-entrant and, where a packet could be sent only in part, wants the very same call
//! again before any other. So one thread does everything on a session, in non-blocking mode, and
//! remembers such a call in [`Driver::resume`]. No channel may move more than [`TURN`] bytes before
//! the others had their turn, and one whose reader is slow is passed over until there is room.

use std::collections::VecDeque;
use std::io;
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant};

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use ssh2::{BlockDirections, ErrorCode};
use tokio::sync::{oneshot, watch};

use crate::pipe::{Incoming, Outgoing};
use crate::slot::{Slot, Task, Turn};

/// How many bytes a channel may move each way before the others have their turn.
pub(crate) const TURN: usize = 256 * 1024;
/// How much is read at once.
const READ: usize = 128 * 1024;
/// How often the server is asked for a sign of life, in seconds.
const KEEP_ALIVE: u32 = 15;
/// LIBSSH2_ERROR_EAGAIN
pub(crate) const AGAIN: ErrorCode = ErrorCode::Session(-37);

/// What a channel leads to.
#[derive(Debug, Clone)]
pub(crate) enum Kind {
    Exec(String),
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

enum Command {
    Open(Kind, oneshot::Sender<Result<Opened, String>>),
    Close(u64),
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
struct State {
    broken: AtomicBool,
    opened: AtomicU64,
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
    /// Lets the driver look again.
    pub(crate) fn wake(&self) {
        wake(&self.0.wake);
    }

    pub(crate) fn close(&self, id: u64) {
        self.send(Command::Close(id));
    }

    pub(crate) fn end(&self) {
        self.send(Command::End);
    }

    /// Opens a channel. When dropped, a channel that opens all the same is closed again.
    pub(crate) async fn open(&self, kind: Kind) -> Result<Opened, String> {
        let (sender, receiver) = oneshot::channel();
        self.send(Command::Open(kind, sender));
        receiver.await.unwrap_or_else(|_| Err(self.reason()))
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

/// Makes a driver and the way to it. [`Driver::run`] is for a thread of its own.
pub(crate) fn driver(session: ssh2::Session, tcp: TcpStream) -> io::Result<(Driver, Handle)> {
    let wake = Arc::new(eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?);
    let (sender, commands) = mpsc::channel();
    let (closing, closed) = watch::channel(None);
    let state = Arc::new(State::default());
    session.set_blocking(false);
    session.set_keepalive(true, KEEP_ALIVE);
    let handle = Handle(Arc::new(Shared {
        commands: Mutex::new(sender),
        wake: Arc::clone(&wake),
        state: Arc::clone(&state),
        closed,
    }));
    let driver = Driver {
        session,
        tcp,
        wake,
        commands,
        state,
        closing,
        slots: Vec::new(),
        opening: VecDeque::new(),
        resume: None,
        next_id: 0,
        first: 0,
        buffer: vec![0; READ],
        keep_alive: Instant::now(),
        ending: false,
    };
    Ok((driver, handle))
}

pub(crate) struct Driver {
    session: ssh2::Session,
    tcp: TcpStream,
    wake: Arc<OwnedFd>,
    commands: mpsc::Receiver<Command>,
    state: Arc<State>,
    closing: watch::Sender<Option<String>>,
    slots: Vec<Slot>,
    opening: VecDeque<Opening>,
    /// The call that must be made again before any other.
    resume: Option<Task>,
    next_id: u64,
    /// Which slot has its turn first.
    first: usize,
    buffer: Vec<u8>,
    /// When the server is asked for a sign of life.
    keep_alive: Instant,
    ending: bool,
}

struct Opening {
    kind: Kind,
    reply: oneshot::Sender<Result<Opened, String>>,
    /// A session channel whose command is still to be requested.
    channel: Option<ssh2::Channel>,
}

impl Driver {
    /// Serves the session until its last user is gone or the connection breaks.
    pub(crate) fn run(mut self) {
        let reason = match self.serve() {
            Ok(()) => "the SSH session was closed".to_owned(),
            Err(reason) => format!("the SSH connection broke: {reason}"),
        };
        self.state.broken.store(true, Ordering::Release);
        self.closing.send_replace(Some(reason.clone()));
        for slot in &mut self.slots {
            slot.incoming.fail(&reason);
            slot.errors.fail(&reason);
            slot.outgoing.fail(&reason);
        }
        for opening in self.opening.drain(..) {
            // Whoever asked may have gone.
            let _ = opening.reply.send(Err(reason.clone()));
        }
        if self.ending && self.resume.is_none() {
            // The connection is closed either way; this is for the server's log.
            let _ = self.session.disconnect(None, "done", None);
        }
    }

    fn serve(&mut self) -> Result<(), String> {
        loop {
            self.take_commands();
            if self.ending && self.slots.is_empty() {
                return Ok(());
            }
            let moved = self.pass()?;
            self.slots.retain(|slot| !slot.gone);
            // Acknowledging late would hold up a server that waits before it sends small packets.
            let _ = rustix::net::sockopt::set_tcp_quickack(&self.tcp, true);
            self.sleep(if moved { Some(Duration::ZERO) } else { None })?;
        }
    }

    fn take_commands(&mut self) {
        loop {
            match self.commands.try_recv() {
                Ok(Command::Open(kind, reply)) => {
                    self.opening.push_back(Opening {
                        kind,
                        reply,
                        channel: None,
                    });
                }
                Ok(Command::Close(id)) => {
                    if let Some(slot) = self.slots.iter_mut().find(|slot| slot.id == id) {
                        slot.dropped = true;
                    }
                }
                Ok(Command::End) | Err(mpsc::TryRecvError::Disconnected) => {
                    self.ending = true;
                    for slot in &mut self.slots {
                        slot.dropped = true;
                    }
                    return;
                }
                Err(mpsc::TryRecvError::Empty) => return,
            }
        }
    }

    /// Gives every channel a turn; whether anything moved.
    fn pass(&mut self) -> Result<bool, String> {
        if let Some(task) = self.resume.take()
            && self.attempt(task)? == Turn::Stuck
        {
            return Ok(false);
        }
        if Instant::now() >= self.keep_alive && self.attempt(Task::KeepAlive)? == Turn::Stuck {
            return Ok(false);
        }
        let mut moved = false;
        // One channel opens at a time, to its end: it is one state machine for the whole session.
        while !self.opening.is_empty() {
            match self.attempt(Task::Open)? {
                Turn::Moved | Turn::Paused => moved = true,
                Turn::Idle => break,
                Turn::Stuck => return Ok(moved),
            }
        }
        self.first = self.first.wrapping_add(1);
        let count = self.slots.len();
        for offset in 0..count {
            let Some(slot) = self.slots.get((self.first + offset) % count) else {
                continue;
            };
            for task in slot.tasks() {
                match self.attempt(task)? {
                    Turn::Moved | Turn::Paused => moved = true,
                    Turn::Idle => {}
                    Turn::Stuck => return Ok(moved),
                }
            }
        }
        Ok(moved)
    }

    /// Makes a call, and remembers it if it has to be made again first.
    fn attempt(&mut self, task: Task) -> Result<Turn, String> {
        let turn = match task {
            Task::Open => self.open(),
            Task::KeepAlive => self.ask_for_life()?,
            Task::Send(id) => self.with(id, Slot::send)?,
            Task::SendEnd(id) => self.with(id, Slot::send_end)?,
            Task::Receive(id) => self.with_buffer(id, Slot::receive)?,
            Task::ReceiveErrors(id) => self.with_buffer(id, Slot::receive_errors)?,
            Task::Finish(id) => self.with(id, Slot::finish)?,
            Task::Close(id) => self.with(id, Slot::close)?,
        };
        let outbound = || {
            matches!(
                self.session.block_directions(),
                BlockDirections::Outbound | BlockDirections::Both
            )
        };
        match turn {
            Turn::Idle | Turn::Paused if outbound() => {
                self.resume = Some(task);
                Ok(Turn::Stuck)
            }
            Turn::Paused => Ok(Turn::Moved),
            turn => Ok(turn),
        }
    }

    fn with(
        &mut self,
        id: u64,
        call: fn(&mut Slot) -> Result<Turn, String>,
    ) -> Result<Turn, String> {
        match self.slots.iter_mut().find(|slot| slot.id == id) {
            Some(slot) => call(slot),
            None => Ok(Turn::Moved),
        }
    }

    fn with_buffer(
        &mut self,
        id: u64,
        call: fn(&mut Slot, &mut [u8]) -> Result<Turn, String>,
    ) -> Result<Turn, String> {
        match self.slots.iter_mut().find(|slot| slot.id == id) {
            Some(slot) => call(slot, &mut self.buffer),
            None => Ok(Turn::Moved),
        }
    }

    fn ask_for_life(&mut self) -> Result<Turn, String> {
        match self.session.keepalive_send() {
            Ok(seconds) => {
                let wait = Duration::from_secs(u64::from(seconds.clamp(1, KEEP_ALIVE)));
                self.keep_alive = Instant::now() + wait;
                Ok(Turn::Moved)
            }
            Err(error) if error.code() == AGAIN => Ok(Turn::Idle),
            Err(error) => Err(error.message().to_owned()),
        }
    }

    fn open(&mut self) -> Turn {
        let Some(opening) = self.opening.front_mut() else {
            return Turn::Idle;
        };
        let result = match (&opening.kind, opening.channel.take()) {
            (Kind::Unix(path), _) => self.session.channel_direct_streamlocal(path, None),
            (Kind::Tcp(host, port), _) => self.session.channel_direct_tcpip(host, *port, None),
            (Kind::Exec(command), channel) => {
                let channel = channel.map_or_else(|| self.session.channel_session(), Ok);
                channel.and_then(|mut channel| match channel.exec(command) {
                    Ok(()) => Ok(channel),
                    Err(error) => {
                        opening.channel = Some(channel);
                        Err(error)
                    }
                })
            }
        };
        if matches!(&result, Err(error) if error.code() == AGAIN) {
            return Turn::Idle;
        }
        let Some(mut opening) = self.opening.pop_front() else {
            return Turn::Idle;
        };
        match result {
            Ok(channel) => self.hand_over(opening, channel),
            Err(error) => {
                if let Some(channel) = opening.channel.take() {
                    let slot = self.slot(channel, true).0;
                    self.slots.push(Slot {
                        dropped: true,
                        ..slot
                    });
                }
                let reason = match error.code() {
                    // LIBSSH2_ERROR_CHANNEL_FAILURE is all that libssh2 says of a refusal.
                    ErrorCode::Session(-21) => {
                        format!("the SSH server refused ({})", error.message())
                    }
                    _ => error.message().to_owned(),
                };
                // Whoever asked may have gone.
                let _ = opening.reply.send(Err(reason));
            }
        }
        Turn::Moved
    }

    fn hand_over(&mut self, opening: Opening, channel: ssh2::Channel) {
        self.state.opened.fetch_add(1, Ordering::Relaxed);
        let (slot, exit) = self.slot(channel, matches!(opening.kind, Kind::Exec(_)));
        let opened = Opened {
            id: slot.id,
            incoming: slot.incoming.clone(),
            errors: slot.errors.clone(),
            outgoing: slot.outgoing.clone(),
            exit,
        };
        let taken = opening.reply.send(Ok(opened)).is_ok();
        self.slots.push(Slot {
            dropped: !taken || self.ending,
            ..slot
        });
    }

    fn slot(
        &mut self,
        channel: ssh2::Channel,
        is_exec: bool,
    ) -> (Slot, oneshot::Receiver<ExitStatus>) {
        self.next_id += 1;
        Slot::new(self.next_id, channel, is_exec)
    }

    fn wants_input(&self) -> bool {
        self.resume.is_some()
            || !self.opening.is_empty()
            || self.slots.iter().any(|slot| slot.tasks().next().is_some())
    }

    /// Waits for the server, for a command, or for the next sign of life.
    fn sleep(&self, at_most: Option<Duration>) -> Result<(), String> {
        let until_keep_alive = self.keep_alive.saturating_duration_since(Instant::now());
        let wait = at_most.unwrap_or(until_keep_alive);
        let timeout = Timespec {
            tv_sec: i64::try_from(wait.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(wait.subsec_nanos()),
        };
        // What nobody wants to read stays with the kernel: it would only wake us again and again.
        let mut flags = PollFlags::RDHUP;
        if self.wants_input() {
            flags |= PollFlags::IN;
        }
        if self.resume.is_some() {
            flags |= PollFlags::OUT;
        }
        let mut descriptors = [
            PollFd::new(&self.tcp, flags),
            PollFd::new(&*self.wake, PollFlags::IN),
        ];
        match poll(&mut descriptors, Some(&timeout)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.to_string()),
        }
        let gone = PollFlags::RDHUP | PollFlags::HUP | PollFlags::ERR;
        let tcp = descriptors
            .first()
            .map_or(PollFlags::empty(), PollFd::revents);
        if tcp.intersects(gone) && !flags.contains(PollFlags::IN) {
            return Err("the server closed the connection".to_owned());
        }
        // Without a wake-up there is nothing to read, which is fine.
        let _ = rustix::io::read(&*self.wake, &mut [0_u8; 8]);
        Ok(())
    }
}
