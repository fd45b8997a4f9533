//! Commands and shells on a terminal of the host (RFC 4254, sections 6.2 and 6.7).

use crate::handle::{Handle, Kind};
use crate::process::Process;
use crate::session::{OpenError, Session};

/// How large a terminal is, in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TerminalSize {
    /// In a row.
    pub columns: u16,
    /// On the screen.
    pub rows: u16,
}

/// The terminal that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terminal {
    /// What the environment variable `TERM` says, such as `xterm-256color`.
    pub name: String,
    /// At first.
    pub size: TerminalSize,
}

impl Session {
    /// Starts a command line on a terminal, or the user's login shell where there is none. It counts
    /// as a command; its standard error comes with its standard output.
    ///
    /// Dropping the [`Process`] takes its terminal away, which ends what runs on it (SIGHUP).
    ///
    /// # Errors
    /// Where the server refuses, or the session is gone.
    pub async fn open_terminal(
        &self,
        terminal: &Terminal,
        command: Option<&str>,
    ) -> Result<Process, OpenError> {
        self.start_process(Kind::Terminal(terminal.clone(), command.map(str::to_owned)))
            .await
    }
}

/// Tells a command how large its terminal is now.
#[derive(Debug, Clone)]
pub struct Resizer {
    pub(crate) id: u64,
    pub(crate) driver: Handle,
}

impl Resizer {
    /// The terminal has this size from now on. Does not wait.
    pub fn resize(&self, size: TerminalSize) {
        self.driver.resize(self.id, size);
    }
}
