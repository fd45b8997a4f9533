//! What of WASI a component gets: output, and clocks and randomness where it may have them.

use std::time::Duration;

use async_trait::async_trait;
use wasmtime::component::{HasSelf, Linker, Resource};
use wasmtime_wasi::p2::bindings::clocks::monotonic_clock;
use wasmtime_wasi::p2::{DynPollable, Pollable, subscribe};
use wasmtime_wasi::random::Deterministic;
use wasmtime_wasi::{HostWallClock, WasiCtx};

use super::State;
use crate::console::Console;

/// Bytes that a component without randomness gets in their place.
const NOT_RANDOM: [u8; 16] = *b"dfab: not random";

/// Links WASI, for components that are pure or for those that are not.
///
/// # Errors
/// Where something is linked twice.
pub(crate) fn link(linker: &mut Linker<State>, is_pure: bool) -> wasmtime::Result<()> {
    wasmtime_wasi::p2::add_to_linker_async(linker)?;
    if is_pure {
        linker.allow_shadowing(true);
        monotonic_clock::add_to_linker::<_, HasSelf<_>>(linker, |state: &mut State| state)?;
        linker.allow_shadowing(false);
    }
    Ok(())
}

/// What of WASI there is: nothing but output and, where it is not pure, clocks and randomness.
pub(super) fn context(console: &Console, is_pure: bool) -> WasiCtx {
    let mut wasi = WasiCtx::builder();
    wasi.stdout(console.clone()).stderr(console.clone());
    if is_pure {
        wasi.wall_clock(Stopped)
            .secure_random(Deterministic::new(NOT_RANDOM.to_vec()))
            .insecure_random(Deterministic::new(NOT_RANDOM.to_vec()))
            .insecure_random_seed(0);
    }
    wasi.build()
}

/// A clock that stands still.
struct Stopped;

impl HostWallClock for Stopped {
    fn resolution(&self) -> Duration {
        Duration::from_secs(1)
    }

    fn now(&self) -> Duration {
        Duration::ZERO
    }
}

/// The clock of a pure component: it stands still. Waiting for it would tell how fast the machine is, by what
/// can be computed until then.
impl monotonic_clock::Host for State {
    fn now(&mut self) -> wasmtime::Result<u64> {
        Ok(0)
    }

    fn resolution(&mut self) -> wasmtime::Result<u64> {
        Ok(1_000_000_000)
    }

    fn subscribe_instant(&mut self, when: u64) -> wasmtime::Result<Resource<DynPollable>> {
        self.subscribe_duration(when)
    }

    fn subscribe_duration(&mut self, duration: u64) -> wasmtime::Result<Resource<DynPollable>> {
        if duration > 0 {
            return Err(wasmtime::format_err!(
                "it waited for a time to pass, and there is no clock for it: it decides, and does nothing else"
            ));
        }
        let now = self.table.push(Now)?;
        subscribe(&mut self.table, now)
    }
}

/// What need not be waited for.
struct Now;

#[async_trait]
impl Pollable for Now {
    async fn ready(&mut self) {}
}
