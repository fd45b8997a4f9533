//! One channel as the driver sees it, and the calls of libssh2 that move its bytes.

use std::io::{self, Read, Write};

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use crate::driver::{AGAIN, TURN};
use crate::handle::ExitStatus;
use crate::pipe::{Incoming, Outgoing};
use crate::terminal::TerminalSize;

/// One call of libssh2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Task {
    Open,
    Send(u64),
    /// What of it could be sent only in part.
    SendRest(u64),
    SendEnd(u64),
    Receive(u64),
    ReceiveErrors(u64),
    Finish(u64),
    Close(u64),
    Resize(u64),
    /// Takes everything from the kernel that has come for any channel. Windows bound how much it is.
    Drain(u64),
}

impl Task {
    /// Whether it is done only when the server has sent something.
    pub(crate) fn hears(self) -> bool {
        matches!(
            self,
            Self::Open | Self::Receive(_) | Self::ReceiveErrors(_) | Self::Finish(_)
        )
    }
}

/// How a call went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    /// Something was done, and there may be more.
    Moved,
    /// Something was done, and now the call would wait.
    Paused,
    /// The call would wait.
    Idle,
    /// The call must be made again, first of all.
    Stuck,
}

pub(crate) struct Slot {
    pub(crate) id: u64,
    pub(crate) channel: ssh2::Channel,
    pub(crate) is_exec: bool,
    pub(crate) incoming: Incoming,
    pub(crate) errors: Incoming,
    pub(crate) outgoing: Outgoing,
    pub(crate) end_sent: bool,
    pub(crate) received_all: bool,
    pub(crate) exit: Option<oneshot::Sender<ExitStatus>>,
    /// The size that its terminal is to have.
    pub(crate) wanted_size: Option<TerminalSize>,
    /// The one that is on its way.
    pub(crate) sent_size: Option<TerminalSize>,
    /// Nobody uses it any more.
    pub(crate) dropped: bool,
    pub(crate) gone: bool,
    /// What the channel counts against, until it is closed.
    pub(crate) _permit: Option<OwnedSemaphorePermit>,
}

impl Slot {
    /// A channel that has just been opened, and where its exit status will come.
    pub(crate) fn new(
        id: u64,
        channel: ssh2::Channel,
        is_exec: bool,
    ) -> (Self, oneshot::Receiver<ExitStatus>) {
        let (exit, exited) = oneshot::channel();
        let slot = Self {
            id,
            channel,
            is_exec,
            incoming: Incoming::default(),
            errors: Incoming::default(),
            outgoing: Outgoing::default(),
            end_sent: false,
            received_all: false,
            exit: is_exec.then_some(exit),
            wanted_size: None,
            sent_size: None,
            dropped: false,
            gone: false,
            _permit: None,
        };
        (slot, exited)
    }

    /// What there may be to do, in order.
    pub(crate) fn tasks(&self) -> impl Iterator<Item = Task> + use<> {
        let id = self.id;
        let sends = !self.dropped && self.outgoing.next().is_some();
        let ends = !self.dropped && !self.end_sent && self.outgoing.is_finished();
        let resizes = self.wanted_size.is_some() || self.sent_size.is_some();
        let receives = !self.dropped && !self.received_all;
        [
            sends.then_some(Task::Send(id)),
            ends.then_some(Task::SendEnd(id)),
            (resizes && !self.dropped).then_some(Task::Resize(id)),
            (receives && self.incoming.has_room()).then_some(Task::Receive(id)),
            (receives && self.is_exec && self.errors.has_room()).then_some(Task::ReceiveErrors(id)),
            (self.received_all && self.exit.is_some() && !self.dropped).then_some(Task::Finish(id)),
            self.dropped.then_some(Task::Close(id)),
        ]
        .into_iter()
        .flatten()
    }

    /// Whether libssh2 may have something for a task that has just found nothing. What it cannot be asked
    /// about is soon over.
    pub(crate) fn may_have_missed(&self) -> bool {
        self.tasks().any(|task| match task {
            Task::Receive(_) | Task::ReceiveErrors(_) => {
                self.channel.read_window().available > 0 || self.channel.eof()
            }
            Task::Send(_) => self.channel.write_window().remaining > 0,
            _ => true,
        })
    }

    pub(crate) fn send(&mut self) -> Result<Turn, String> {
        self.send_up_to(TURN)
    }

    /// Sends what could be sent only in part, and no more: on a narrow link the next would be stuck again,
    /// and nobody else would have a turn.
    pub(crate) fn send_rest(&mut self) -> Result<Turn, String> {
        self.send_up_to(1)
    }

    fn send_up_to(&mut self, limit: usize) -> Result<Turn, String> {
        let mut budget = limit;
        while budget > 0 {
            let Some(chunk) = self.outgoing.next() else {
                break;
            };
            match self.channel.write(&chunk) {
                Ok(0) => break,
                Ok(count) => {
                    self.outgoing.advance(count);
                    budget = budget.saturating_sub(count);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Ok(if budget < limit {
                        Turn::Paused
                    } else {
                        Turn::Idle
                    });
                }
                Err(error) => {
                    self.outgoing
                        .fail(&format!("the other end takes nothing more: {error}"));
                    return Ok(Turn::Moved);
                }
            }
        }
        Ok(if budget < limit {
            Turn::Moved
        } else {
            Turn::Idle
        })
    }

    pub(crate) fn send_end(&mut self) -> Result<Turn, String> {
        match self.channel.send_eof() {
            Ok(()) => {}
            Err(error) if error.code() == AGAIN => return Ok(Turn::Idle),
            Err(error) => self.outgoing.fail(error.message()),
        }
        self.end_sent = true;
        Ok(Turn::Moved)
    }

    pub(crate) fn resize(&mut self) -> Result<Turn, String> {
        let Some(size) = self.sent_size.or_else(|| self.wanted_size.take()) else {
            return Ok(Turn::Moved);
        };
        self.sent_size = Some(size);
        let asked =
            self.channel
                .request_pty_size(size.columns.into(), size.rows.into(), None, None);
        match asked {
            Err(error) if error.code() == AGAIN => return Ok(Turn::Idle),
            // A channel that is about to close has no size any more.
            Ok(()) | Err(_) => {}
        }
        self.sent_size = None;
        Ok(Turn::Moved)
    }

    pub(crate) fn receive(&mut self, buffer: &mut [u8]) -> Result<Turn, String> {
        let mut budget = TURN;
        while budget > 0 {
            match self.channel.read(buffer) {
                Ok(0) => {
                    if self.channel.eof() {
                        self.received_all = true;
                        self.incoming.end();
                        self.errors.end();
                        return Ok(Turn::Moved);
                    }
                    break;
                }
                Ok(count) => {
                    let chunk = buffer.get(..count).unwrap_or_default();
                    self.incoming.push(Bytes::copy_from_slice(chunk));
                    budget = budget.saturating_sub(count);
                    if !self.incoming.has_room() {
                        return Ok(Turn::Moved);
                    }
                }
                Err(error) => return self.read_failed(&error, budget < TURN),
            }
        }
        Ok(if budget < TURN {
            Turn::Moved
        } else {
            Turn::Idle
        })
    }

    pub(crate) fn receive_errors(&mut self, buffer: &mut [u8]) -> Result<Turn, String> {
        match self.channel.stderr().read(buffer) {
            Ok(0) => Ok(Turn::Idle),
            Ok(count) => {
                let chunk = buffer.get(..count).unwrap_or_default();
                self.errors.push(Bytes::copy_from_slice(chunk));
                Ok(Turn::Moved)
            }
            Err(error) => self.read_failed(&error, false),
        }
    }

    fn read_failed(&mut self, error: &io::Error, moved: bool) -> Result<Turn, String> {
        if error.kind() == io::ErrorKind::WouldBlock {
            return Ok(if moved { Turn::Paused } else { Turn::Idle });
        }
        // What fails here fails for the whole connection: the socket is read for all channels.
        Err(error.to_string())
    }

    /// After everything was received, the exit status comes with the close.
    pub(crate) fn finish(&mut self) -> Result<Turn, String> {
        match self.channel.wait_close() {
            Ok(()) => {}
            Err(error) if error.code() == AGAIN => return Ok(Turn::Idle),
            Err(error) => return Err(error.message().to_owned()),
        }
        let signal = self
            .channel
            .exit_signal()
            .ok()
            .and_then(|signal| signal.exit_signal);
        let code = match signal {
            Some(signal) => 128 + signal_number(&signal),
            None => self.channel.exit_status().unwrap_or(-1),
        };
        if let Some(exit) = self.exit.take() {
            // Whoever waited may have gone.
            let _ = exit.send(ExitStatus { code });
        }
        Ok(Turn::Moved)
    }

    pub(crate) fn drain(&mut self) -> Result<Turn, String> {
        match self.channel.wait_eof() {
            Ok(()) => Ok(Turn::Moved),
            Err(error) if error.code() == AGAIN => Ok(Turn::Idle),
            Err(error) => Err(error.message().to_owned()),
        }
    }

    pub(crate) fn close(&mut self) -> Result<Turn, String> {
        match self.channel.close() {
            Err(error) if error.code() == AGAIN => Ok(Turn::Idle),
            // Closed, or as good as: the server has closed it first.
            _ => {
                self.gone = true;
                Ok(Turn::Moved)
            }
        }
    }
}

/// The number of a signal as RFC 4254, section 6.10, names it.
fn signal_number(name: &str) -> i32 {
    match name {
        "HUP" => 1,
        "INT" => 2,
        "QUIT" => 3,
        "ILL" => 4,
        "ABRT" => 6,
        "FPE" => 8,
        "KILL" => 9,
        "USR1" => 10,
        "SEGV" => 11,
        "USR2" => 12,
        "PIPE" => 13,
        "ALRM" => 14,
        "TERM" => 15,
        _ => 0,
    }
}
