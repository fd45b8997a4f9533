//! The thread that owns a session.
//!
//! libssh2 is not re-entrant and, where a packet could be sent only in part, wants the very same call
//! again before any other. So one thread does everything on a session, in non-blocking mode, and
//! remembers such a call in [`Driver::resume`]. No channel may move more than [`TURN`] bytes before
//! the others had their turn, and one whose reader is slow is passed over until there is room.
//!
//! The server is asked for a sign of life at intervals, and every byte that it sends is one. Bytes
//! that no channel wants stay with the kernel, so what counts is that more of them wait than before.

use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::Ordering;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use ssh2::{BlockDirections, ErrorCode};
use tokio::sync::{OwnedSemaphorePermit, oneshot, watch};

use crate::handle::{Command, ExitStatus, Handle, Kind, Opened, Refusal, Reply, State};
use crate::link::Link;
use crate::slot::{Slot, Task, Turn};
use crate::target::KeepAlive;

/// How many bytes a channel may move each way before the others have their turn.
pub(crate) const TURN: usize = 256 * 1024;
/// How much is read at once.
const READ: usize = 128 * 1024;
/// How long what may have been missed has to wait at most.
const MISSED: Duration = Duration::from_millis(2);
/// How often libssh2 asks for a sign of life at most, in seconds.
const OFTEN: u32 = 2;
/// LIBSSH2_ERROR_EAGAIN
pub(crate) const AGAIN: ErrorCode = ErrorCode::Session(-37);

/// Makes a driver and the way to it. [`Driver::run`] is for a thread of its own.
pub(crate) fn driver(
    session: ssh2::Session,
    link: Link,
    keep_alive: KeepAlive,
) -> io::Result<(Driver, Handle)> {
    let wake = Arc::new(eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?);
    let (sender, commands) = mpsc::channel();
    let (closing, closed) = watch::channel(None);
    let state = Arc::new(State::default());
    session.set_blocking(false);
    session.set_keepalive(true, OFTEN);
    let keep_alive = KeepAlive {
        interval: keep_alive.interval.max(Duration::from_secs(OFTEN.into())),
        ..keep_alive
    };
    let handle = Handle::new(sender, Arc::clone(&wake), Arc::clone(&state), closed);
    let driver = Driver {
        session,
        link,
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
        keep_alive,
        ask_at: Instant::now() + keep_alive.interval,
        asked: 0,
        waiting: 0,
        ending: false,
    };
    Ok((driver, handle))
}

/// Asks for what a session channel is to do, after its terminal where it has one. To be called again
/// until it no longer would wait.
fn start(
    kind: &Kind,
    channel: &mut ssh2::Channel,
    on_terminal: &mut bool,
) -> Result<(), ssh2::Error> {
    match kind {
        Kind::Exec(command) => channel.exec(command),
        Kind::Terminal(terminal, command) => {
            if !*on_terminal {
                let (columns, rows) = (terminal.size.columns.into(), terminal.size.rows.into());
                channel.request_pty(&terminal.name, None, Some((columns, rows, 0, 0)))?;
                *on_terminal = true;
            }
            match command {
                Some(command) => channel.exec(command),
                None => channel.shell(),
            }
        }
        Kind::Unix(_) | Kind::Tcp(..) => Ok(()),
    }
}

pub(crate) struct Driver {
    session: ssh2::Session,
    link: Link,
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
    keep_alive: KeepAlive,
    /// When the server is asked for a sign of life.
    ask_at: Instant,
    /// How often it was asked since it gave one.
    asked: u32,
    /// How many bytes waited in the kernel when it was last looked at.
    waiting: u64,
    ending: bool,
}

struct Opening {
    kind: Kind,
    permit: Option<OwnedSemaphorePermit>,
    reply: Reply,
    /// A session channel whose command is still to be requested.
    channel: Option<ssh2::Channel>,
    /// It has its terminal already.
    on_terminal: bool,
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
            let may_have_started = opening.channel.is_some();
            // Whoever asked may have gone.
            let _ = opening.reply.send(Err(Refusal {
                reason: reason.clone(),
                may_have_started,
                of_channel: !may_have_started,
            }));
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
            self.link.acknowledge();
            self.hear();
            // Last of all, so that nothing takes the answer from the kernel before it was heard.
            if Instant::now() >= self.ask_at {
                self.ask_for_life()?;
            }
            self.sleep(if moved {
                Some(Duration::ZERO)
            } else if self.resume.is_none() && self.may_have_missed() {
                Some(MISSED)
            } else {
                None
            })?;
        }
    }

    fn take_commands(&mut self) {
        loop {
            match self.commands.try_recv() {
                Ok(Command::Open(kind, permit, reply)) => {
                    self.opening.push_back(Opening {
                        kind,
                        permit,
                        reply,
                        channel: None,
                        on_terminal: false,
                    });
                }
                Ok(Command::Close(id)) => {
                    if let Some(slot) = self.slots.iter_mut().find(|slot| slot.id == id) {
                        slot.dropped = true;
                    }
                }
                Ok(Command::Resize(id, size)) => {
                    if let Some(slot) = self.slots.iter_mut().find(|slot| slot.id == id) {
                        slot.wanted_size = Some(size);
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

    /// Whether something has come for a call that was made before it came. A call for one channel takes
    /// what is there for all of them from the kernel, which then has no reason to wake us for the others.
    fn may_have_missed(&self) -> bool {
        !self.opening.is_empty() || self.slots.iter().any(Slot::may_have_missed)
    }

    /// Makes a call, and remembers it if it has to be made again first.
    fn attempt(&mut self, task: Task) -> Result<Turn, String> {
        let turn = match task {
            Task::Open => self.open(),
            Task::Send(id) => self.with(id, Slot::send)?,
            Task::SendRest(id) => self.with(id, Slot::send_rest)?,
            Task::SendEnd(id) => self.with(id, Slot::send_end)?,
            Task::Receive(id) => self.with_buffer(id, Slot::receive)?,
            Task::ReceiveErrors(id) => self.with_buffer(id, Slot::receive_errors)?,
            Task::Finish(id) => self.with(id, Slot::finish)?,
            Task::Close(id) => self.with(id, Slot::close)?,
            Task::Drain(id) => self.with(id, Slot::drain)?,
            Task::Resize(id) => self.with(id, Slot::resize)?,
        };
        let outbound = || {
            matches!(
                self.session.block_directions(),
                BlockDirections::Outbound | BlockDirections::Both
            )
        };
        if turn == Turn::Moved && task.hears() {
            self.asked = 0;
        }
        match turn {
            Turn::Idle | Turn::Paused if outbound() => {
                self.resume = Some(match task {
                    Task::Send(id) => Task::SendRest(id),
                    task => task,
                });
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

    /// Asks the server for a sign of life, unless it has been silent for too long.
    fn ask_for_life(&mut self) -> Result<(), String> {
        // Behind what nobody reads, an answer might find no room in the kernel.
        let unread = self.slots.iter().filter(|slot| !slot.received_all);
        for id in unread.map(|slot| slot.id).collect::<Vec<_>>() {
            // A channel that the server has ended takes nothing more.
            if self.resume.is_some() || self.attempt(Task::Drain(id))? == Turn::Idle {
                break;
            }
        }
        self.waiting = self.link.waiting();
        if self.keep_alive.count > 0 && self.asked >= self.keep_alive.count {
            let silent = self.keep_alive.interval * (self.asked + 1);
            return Err(format!(
                "the server gave no sign of life for {} s",
                silent.as_secs_f64()
            ));
        }
        // What is sent only in part must be sent again first, which libssh2 does not do for this
        // packet. Where there is no room for it, none is needed: the server owes us an answer anyway.
        if self.resume.is_none() && self.has_room_to_send() {
            let next = self
                .session
                .keepalive_send()
                .map_err(|error| error.message().to_owned())?;
            if next < OFTEN {
                // A moment too early for libssh2.
                self.ask_at = Instant::now() + Duration::from_millis(50);
                return Ok(());
            }
        }
        self.asked = self.asked.saturating_add(1);
        self.ask_at = Instant::now() + self.keep_alive.interval;
        Ok(())
    }

    fn has_room_to_send(&self) -> bool {
        let mut descriptors = [PollFd::new(&self.link, PollFlags::OUT)];
        let polled = poll(&mut descriptors, Some(&Timespec::default()));
        polled.is_ok() && descriptors.iter().any(|it| it.revents() == PollFlags::OUT)
    }

    /// Takes note of bytes that have come.
    fn hear(&mut self) {
        let waiting = self.link.waiting();
        if waiting > self.waiting {
            self.asked = 0;
        }
        self.waiting = waiting;
    }

    fn open(&mut self) -> Turn {
        let Some(opening) = self.opening.front_mut() else {
            return Turn::Idle;
        };
        let result = match (&opening.kind, opening.channel.take()) {
            (Kind::Unix(path), _) => self.session.channel_direct_streamlocal(path, None),
            (Kind::Tcp(host, port), _) => self.session.channel_direct_tcpip(host, *port, None),
            (kind @ (Kind::Exec(_) | Kind::Terminal(..)), channel) => {
                let channel = channel.map_or_else(|| self.session.channel_session(), Ok);
                let on_terminal = &mut opening.on_terminal;
                channel.and_then(|mut channel| match start(kind, &mut channel, on_terminal) {
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
                let on_channel = opening.channel.is_some();
                if let Some(channel) = opening.channel.take() {
                    let slot = self.slot(channel, true).0;
                    self.slots.push(Slot {
                        dropped: true,
                        _permit: opening.permit.take(),
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
                // Whoever is told counts what runs.
                drop(opening.permit.take());
                // Whoever asked may have gone.
                let _ = opening.reply.send(Err(Refusal {
                    reason,
                    may_have_started: on_channel,
                    of_channel: !on_channel,
                }));
            }
        }
        Turn::Moved
    }

    fn hand_over(&mut self, opening: Opening, channel: ssh2::Channel) {
        self.state.opened.fetch_add(1, Ordering::Relaxed);
        let (slot, exit) = self.slot(
            channel,
            matches!(opening.kind, Kind::Exec(_) | Kind::Terminal(..)),
        );
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
            _permit: opening.permit,
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

    /// Waits for the server, for a command, or until the server is asked for a sign of life.
    fn sleep(&mut self, at_most: Option<Duration>) -> Result<(), String> {
        let wait = at_most.unwrap_or(self.ask_at.saturating_duration_since(Instant::now()));
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
            PollFd::new(&self.link, flags),
            PollFd::new(&*self.wake, PollFlags::IN),
        ];
        match poll(&mut descriptors, Some(&timeout)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.to_string()),
        }
        let gone = PollFlags::RDHUP | PollFlags::HUP | PollFlags::ERR;
        let stream = descriptors
            .first()
            .map_or(PollFlags::empty(), PollFd::revents);
        if stream.intersects(gone) && !flags.contains(PollFlags::IN) {
            return Err(match self.link.complaint() {
                Some(complaint) => complaint,
                None => "the server closed the connection".to_owned(),
            });
        }
        self.hear();
        // Without a wake-up there is nothing to read, which is fine.
        let _ = rustix::io::read(&*self.wake, &mut [0_u8; 8]);
        Ok(())
    }
}
