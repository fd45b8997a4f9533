//! The terminal that dfab was started on, where its keys are for somebody else.

use std::io::{IsTerminal, stdin, stdout};

use dfab_ssh::TerminalSize;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};

use crate::failure::Failure;

/// What a terminal is thought to be where it does not say.
const USUAL: TerminalSize = TerminalSize {
    columns: 80,
    rows: 24,
};

/// Whether a person sits at both ends: keys come in, and what is written is seen.
pub(crate) fn is_interactive() -> bool {
    stdin().is_terminal() && stdout().is_terminal()
}

/// How large the terminal is.
pub(crate) fn size() -> TerminalSize {
    match tcgetwinsize(stdout()) {
        Ok(size) if size.ws_col > 0 && size.ws_row > 0 => TerminalSize {
            columns: size.ws_col,
            rows: size.ws_row,
        },
        _ => USUAL,
    }
}

/// What the terminal is called.
pub(crate) fn name() -> String {
    let name = std::env::var("TERM").unwrap_or_default();
    let is_plain = |c: char| c.is_ascii_graphic();
    if name.is_empty() || !name.chars().all(is_plain) {
        return "xterm".to_owned();
    }
    name
}

/// The terminal's settings as they were; dropping this brings them back.
#[derive(Debug)]
pub(crate) struct Restored(Termios);

impl Drop for Restored {
    fn drop(&mut self) {
        // A terminal that has gone needs nothing.
        let _ = tcsetattr(stdin(), OptionalActions::Flush, &self.0);
    }
}

/// Gives every key to whoever reads, Ctrl-C as well.
///
/// # Errors
/// Where the terminal refuses.
pub(crate) fn raw() -> Result<Restored, Failure> {
    change(Termios::make_raw)
}

/// Gives each key at once and shows none; Ctrl-C still is a signal.
///
/// # Errors
/// Where the terminal refuses.
pub(crate) fn by_key() -> Result<Restored, Failure> {
    change(|settings| settings.local_modes -= LocalModes::ICANON | LocalModes::ECHO)
}

fn change(change: impl FnOnce(&mut Termios)) -> Result<Restored, Failure> {
    let failed = |error| Failure::failed("cannot change the terminal").because(error);
    let before = tcgetattr(stdin()).map_err(failed)?;
    let mut settings = before.clone();
    change(&mut settings);
    tcsetattr(stdin(), OptionalActions::Drain, &settings).map_err(failed)?;
    Ok(Restored(before))
}
