//! The clock of the CPU budget: a thread that advances the engine's epoch every 10 ms, and sleeps
//! while no call runs.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use wasmtime::Engine;

/// How often running components are looked at.
pub(crate) const TICK: Duration = Duration::from_millis(10);

/// Ends its thread when dropped.
#[derive(Debug)]
pub(crate) struct Ticker {
    shared: Arc<Shared>,
}

/// While one of these exists, the epoch advances.
#[derive(Debug)]
pub(crate) struct Running {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    calls: Mutex<Calls>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Calls {
    running: usize,
    closed: bool,
}

impl Ticker {
    pub(crate) fn start(engine: &Engine) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let (engine, thread) = (engine.weak(), Arc::clone(&shared));
        std::thread::Builder::new()
            .name("dfab-ticker".to_owned())
            .spawn(move || {
                while thread.wait_for_a_call() {
                    std::thread::sleep(TICK);
                    match engine.upgrade() {
                        Some(engine) => engine.increment_epoch(),
                        None => return,
                    }
                }
            })?;
        Ok(Self { shared })
    }

    pub(crate) fn run(&self) -> Running {
        self.shared.lock().running += 1;
        self.shared.changed.notify_one();
        Running {
            shared: Arc::clone(&self.shared),
        }
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.changed.notify_one();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let mut calls = self.shared.lock();
        calls.running = calls.running.saturating_sub(1);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Calls> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether there is one; else the ticker is closed.
    fn wait_for_a_call(&self) -> bool {
        let idle = |calls: &mut Calls| calls.running == 0 && !calls.closed;
        let calls = self
            .changed
            .wait_while(self.lock(), idle)
            .unwrap_or_else(PoisonError::into_inner);
        !calls.closed
    }
}
