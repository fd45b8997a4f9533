//! Ctrl-C and the other signals that ask for the end.

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use crate::audit::Audit;
use crate::failure::Failure;
use crate::terminal;

/// A signal that asks for the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    /// Ctrl-C.
    Interrupt,
    /// By whoever ends the process.
    Terminate,
    /// By the terminal that goes.
    Hangup,
}

impl Asked {
    /// The exit code of a command that it ends, as shells say it.
    fn code(self) -> u8 {
        128 + match self {
            Self::Hangup => 1,
            Self::Interrupt => 2,
            Self::Terminate => 15,
        }
    }
}

/// These signals as they come. None of them ends dfab by itself any more.
#[derive(Debug)]
pub(crate) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Signals {
    /// Takes the signals from now on.
    ///
    /// # Errors
    /// Where the system does not give them.
    pub(crate) fn listen() -> Result<Self, Failure> {
        let listen = |kind| {
            signal(kind).map_err(|error| Failure::failed("cannot wait for signals").because(error))
        };
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            hangup: listen(SignalKind::hangup())?,
        })
    }

    /// Waits for the next one. May be dropped at any time.
    pub(crate) async fn next(&mut self) -> Asked {
        tokio::select! {
            _ = self.interrupt.recv() => Asked::Interrupt,
            _ = self.terminate.recv() => Asked::Terminate,
            _ = self.hangup.recv() => Asked::Hangup,
        }
    }
}

/// Whether the end was asked for, for commands that have something to end elsewhere first.
#[derive(Debug, Clone)]
pub(crate) struct Interrupt(watch::Receiver<Option<u8>>);

impl Interrupt {
    /// Takes the signals from now on. A second one ends dfab at once.
    ///
    /// # Errors
    /// As [`Signals::listen`].
    pub(crate) fn listen() -> Result<Self, Failure> {
        let (sender, receiver) = watch::channel(None);
        tokio::spawn(pass(Signals::listen()?, sender));
        Ok(Self(receiver))
    }

    /// Waits until the end is asked for; the exit code for it. May be dropped at any time.
    pub(crate) async fn wait(&self) -> u8 {
        let mut receiver = self.0.clone();
        let asked = receiver.wait_for(Option::is_some).await;
        // Without anybody to ask, nobody does.
        match asked.ok().and_then(|code| *code) {
            Some(code) => code,
            None => std::future::pending().await,
        }
    }
}

async fn pass(mut signals: Signals, sender: watch::Sender<Option<u8>>) {
    loop {
        let code = signals.next().await.code();
        let again = sender.send_replace(Some(code)).is_some();
        if again {
            terminal::tell("Ended at once: what runs elsewhere may go on.");
            if let Err(failure) = Audit::close() {
                terminal::tell(&format!("error: {failure}"));
            }
            #[expect(clippy::disallowed_methods, reason = "asked for twice")]
            std::process::exit(code.into());
        }
    }
}
