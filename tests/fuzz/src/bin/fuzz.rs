//! The target that `DFAB_FUZZ` names, for libFuzzer. `cargo xtask fuzz` builds and runs it.
#![no_main]
#![expect(clippy::panic, reason = "what does not hold is told by panicking")]

use std::sync::OnceLock;

use dfab_fuzz::{Mutation, Target, repair};
use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};

fn target() -> Target {
    static TARGET: OnceLock<Target> = OnceLock::new();
    *TARGET.get_or_init(|| {
        let name = std::env::var("DFAB_FUZZ").unwrap_or_default();
        match name.parse() {
            Ok(target) => target,
            Err(error) => panic!("DFAB_FUZZ: {error}"),
        }
    })
}

fuzz_target!(|data: &[u8]| {
    target().check(data);
});

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    if target() == Target::Component && seed % 2 == 0 {
        // Its own changes are mostly of the length, which end at the next section.
        let mut mutation = Mutation::new(Target::Component, u64::from(seed));
        for _ in 0..=seed % 4 {
            mutation.flip(data.get_mut(..size).unwrap_or_default());
        }
        return size;
    }
    let size = fuzzer_mutate(data, size, max_size);
    if target() == Target::Bundle && seed % 4 > 0 {
        repair(data.get_mut(..size).unwrap_or_default());
    }
    size
});
