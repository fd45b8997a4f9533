//! What of WASI a component gets: output, and clocks and randomness where it may have them.

use std::time::Duration;

use wasmtime_wasi::random::Deterministic;
use wasmtime_wasi::{HostMonotonicClock, HostWallClock, WasiCtx};

use crate::console::Console;

/// Bytes that a component without randomness gets in their place.
const NOT_RANDOM: [u8; 16] = *b"dfab: not random";

/// A clock that stands still.
struct Stopped;

/// What of WASI there is: nothing but output and, where it is not pure, clocks and randomness.
pub(super) fn context(console: &Console, is_pure: bool) -> WasiCtx {
    let mut wasi = WasiCtx::builder();
    wasi.stdout(console.clone()).stderr(console.clone());
    if is_pure {
        wasi.wall_clock(Stopped)
            .monotonic_clock(Stopped)
            .secure_random(Deterministic::new(NOT_RANDOM.to_vec()))
            .insecure_random(Deterministic::new(NOT_RANDOM.to_vec()))
            .insecure_random_seed(0);
    }
    wasi.build()
}

impl HostWallClock for Stopped {
    fn resolution(&self) -> Duration {
        Duration::from_secs(1)
    }

    fn now(&self) -> Duration {
        Duration::ZERO
    }
}

impl HostMonotonicClock for Stopped {
    fn resolution(&self) -> u64 {
        1_000_000_000
    }

    fn now(&self) -> u64 {
        0
    }
}
