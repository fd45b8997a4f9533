//! Changes of bytes that are the same for the same number.

use crate::repair::repair;
use crate::target::Target;

/// A source of changes.
#[derive(Clone, Debug)]
pub struct Mutation {
    target: Target,
    state: u64,
}

/// What formats are made of.
const WORDS: [&[u8]; 20] = [
    b"\"",
    b"{",
    b"[",
    b"]",
    b"}",
    b",",
    b"\\u0000",
    b"\x1b[2J",
    b"../",
    b"\0asm",
    b"ustar",
    b"sha256:",
    b"bundle.json",
    b".wasm",
    b"dfab:manifest",
    b"docker.read",
    b"ssh.run",
    b"\x80\x80\x80\x80\x10",
    b"\xff\xff\xff\xff",
    b"77777777777",
];

/// Bytes that are longer than this are not made longer still.
const LONGEST: usize = 64 << 10;

impl Mutation {
    /// Changes for a target.
    #[must_use]
    pub fn new(target: Target, number: u64) -> Self {
        Self {
            target,
            state: number,
        }
    }

    /// Other bytes, made of these.
    #[must_use]
    pub fn of(&mut self, seed: &[u8]) -> Vec<u8> {
        let mut bytes = seed.to_vec();
        // Sections of components say how long they are, so that most changes of length end all there.
        let keeps_length = self.target == Target::Component && self.below(2) == 0;
        for _ in 0..=self.below(5) {
            if keeps_length {
                self.flip(&mut bytes);
            } else {
                self.change(&mut bytes);
            }
        }
        if self.target == Target::Bundle && self.below(4) > 0 {
            repair(&mut bytes);
        }
        bytes
    }

    /// Changes one byte.
    pub fn flip(&mut self, bytes: &mut [u8]) {
        let at = self.below(bytes.len());
        let [value, bit, ..] = self.next().to_le_bytes();
        if let Some(byte) = bytes.get_mut(at) {
            *byte = if bit % 2 == 0 {
                value
            } else {
                *byte ^ (1 << (value % 8))
            };
        }
    }

    fn change(&mut self, bytes: &mut Vec<u8>) {
        let from = self.below(bytes.len() + 1);
        let to = (from + self.below(64)).min(bytes.len());
        match self.below(7) {
            0..=2 => self.flip(bytes),
            3 => drop(bytes.drain(from..to)),
            4 => bytes.truncate(from),
            5 if bytes.len() < LONGEST => {
                let part: Vec<u8> = bytes.get(from..to).unwrap_or_default().to_vec();
                bytes.splice(to..to, part);
            }
            _ if bytes.len() < LONGEST => {
                let which = self.below(WORDS.len());
                let word = WORDS.get(which).copied().unwrap_or_default();
                bytes.splice(from..from, word.iter().copied());
            }
            _ => {}
        }
    }

    fn below(&mut self, limit: usize) -> usize {
        let limit = u64::try_from(limit).unwrap_or(u64::MAX).max(1);
        usize::try_from(self.next() % limit).unwrap_or(0)
    }

    /// SplitMix64 (<https://prng.di.unimi.it/splitmix64.c>).
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}
