//! How a running action ends before its end.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use dfab_deploy::execute::Stop;
use dfab_deploy::temporary::RUN_LABEL;
use tokio::sync::watch;

use crate::audit::Audit;
use crate::deadline::Deadline;
use crate::interrupt::Signals;
use crate::terminal;

/// How long the containers of scripts may take to be removed when the process is to end at once.
const CLEARING: Duration = Duration::from_secs(5);

/// How long it may take to tell what was under way when the process is to end at once.
const TELLING: Duration = Duration::from_secs(2);

/// The first signal ends scripts and lets all else end, the second ends the process: after the removal
/// of what scripts would leave, but no later than [`CLEARING`] or the third. What runs then is abandoned,
/// and whoever told it to run has [`TELLING`] to say so and to end.
pub(crate) async fn end_when_asked(
    stop: Stop,
    mut signals: Signals,
    abandoned: watch::Sender<bool>,
) {
    signals.next().await;
    stop.stop();
    terminal::tell("Stopping: what runs is let end. Press Ctrl-C again to end at once.");
    signals.next().await;
    stop.stop_at_once();
    if stop.is_held() {
        terminal::tell("Removing the containers of scripts. Press Ctrl-C again to leave them.");
        let cleared = async {
            while stop.is_held() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            // With nothing else to do the command ends by itself now, and tells how.
            tokio::time::sleep(Duration::from_millis(200)).await;
        };
        tokio::select! {
            () = cleared => {}
            _ = signals.next() => {}
            () = tokio::time::sleep(CLEARING) => {}
        }
        if stop.is_held() {
            terminal::tell(&format!(
                "The containers of scripts may be left: `docker ps -a --filter label={RUN_LABEL}` on \
                 their hosts shows them."
            ));
        }
    }
    abandoned.send_replace(true);
    tokio::time::sleep(TELLING).await;
    if let Err(failure) = Audit::close() {
        terminal::tell(&format!("error: {failure}"));
    }
    #[expect(
        clippy::disallowed_methods,
        reason = "asked for, with the second signal"
    )]
    std::process::exit(130);
}

/// The same for work that leaves nothing to remove: the second signal ends what runs, and the process ends
/// when that has been told. The signal's exit code is put into `code`.
pub(crate) async fn stop_when_asked(stop: Stop, mut signals: Signals, code: Arc<OnceLock<u8>>) {
    // It is set once.
    let _ = code.set(signals.next().await.code());
    stop.stop();
    terminal::tell("Stopping: what runs is let end. Press Ctrl-C again to end at once.");
    signals.next().await;
    terminal::tell("Ending what runs.");
    stop.stop_at_once();
}

/// Ends what is left of an action when its time is over: what runs is let end.
pub(crate) async fn end_when_over(stop: Stop, deadline: Deadline) {
    deadline.wait().await;
    stop.stop();
    terminal::tell(
        "The time is over (--max-time, or `run` under `timeouts`): what runs is let end, and nothing more is begun.",
    );
}
