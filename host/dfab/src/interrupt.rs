//! Ctrl-C and the other signals that ask for the end.

use std::future::Future;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use crate::audit::Audit;
use crate::failure::{Code, Failure};
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
    pub(crate) fn code(self) -> u8 {
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
    /// Takes the signals from now on, until the last copy is dropped. A second one ends dfab at once.
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

/// Does the work, unless the end is asked for first: then the work is dropped, and the code is the
/// signal's. For work that asks nobody anything, since Ctrl-C ends no question while it is waited for here.
///
/// # Errors
/// As the work, and as [`Signals::listen`].
pub(crate) async fn or_ended(
    work: impl Future<Output = Result<Code, Failure>>,
) -> Result<Code, Failure> {
    let interrupt = Interrupt::listen()?;
    tokio::select! {
        done = work => done,
        code = interrupt.wait() => Ok(Code::Passed(code)),
    }
}

/// Waits until what dfab began on hosts and did not end is ended there, [`ENDING`] at most, or until the
/// end is asked for again.
pub(crate) async fn elsewhere_ended() {
    let ended = async {
        tokio::join!(dfab_engine::end_channels(), dfab_ssh::commands_ended());
    };
    let asked_again = async {
        match Signals::listen() {
            Ok(mut signals) => {
                signals.next().await;
            }
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        () = ended => {}
        () = asked_again => {}
        () = tokio::time::sleep(ENDING) => {}
    }
}

/// How long a host may take to end what was begun there.
const ENDING: Duration = Duration::from_secs(5);

async fn pass(mut signals: Signals, sender: watch::Sender<Option<u8>>) {
    loop {
        let code = tokio::select! {
            asked = signals.next() => asked.code(),
            () = sender.closed() => return,
        };
        let again = sender.send_replace(Some(code)).is_some();
        if again {
            terminal::tell(
                "Ended at once. What runs elsewhere was told to end, but nobody waits for it any more.",
            );
            if let Err(failure) = Audit::close() {
                terminal::tell(&format!("error: {failure}"));
            }
            #[expect(clippy::disallowed_methods, reason = "asked for twice")]
            std::process::exit(code.into());
        }
    }
}
