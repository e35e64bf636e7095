//! What the suites share: a small generator of numbers, and sets of rows of a given density.
#![allow(dead_code, unreachable_pub)]

use tercet_index::Bitmap;

/// SplitMix64: the same numbers on every machine from one seed.
pub struct Rng(pub u64);

impl Rng {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    pub fn below(&mut self, bound: u32) -> u32 {
        (((self.next() >> 32) * u64::from(bound)) >> 32) as u32
    }

    /// From -1 to 1.
    pub fn component(&mut self) -> f32 {
        self.below(1 << 24) as f32 / (1 << 23) as f32 - 1.0
    }

    pub fn chance(&mut self, probability: f64) -> bool {
        f64::from(self.below(1 << 30)) < probability * f64::from(1 << 30)
    }
}

pub fn subset(rng: &mut Rng, len: u32, density: f64) -> Bitmap {
    let mut rows = Bitmap::new(len);
    for row in 0..len {
        if rng.chance(density) {
            rows.set(row);
        }
    }
    rows
}
