//! The target that `DFAB_FUZZ` names, for libFuzzer. `cargo xtask fuzz` builds and runs it.
#![no_main]

use std::sync::OnceLock;

use dfab_fuzz::{Target, repair};
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
    let size = fuzzer_mutate(data, size, max_size);
    if target() == Target::Bundle && seed % 4 > 0 {
        repair(data.get_mut(..size).unwrap_or_default());
    }
    size
});
