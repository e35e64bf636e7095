//! What the suites share: a small generator of numbers, sets of rows of a given density, and vectors of any type.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

use tercet_index::{Bitmap, Dtype, Parallel, Values};

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

/// An owned array of a type.
#[derive(Clone, Debug)]
pub enum Owned {
    F32(Vec<f32>),
    F16(Vec<u16>),
    I8(Vec<i8>),
    U8(Vec<u8>),
    Bits(Vec<u8>),
}

impl Owned {
    pub fn random(rng: &mut Rng, dtype: Dtype, dims: usize, count: usize) -> Owned {
        let len = dtype.elements(dims) * count;
        let mut byte = || rng.below(256) as u8;
        match dtype {
            Dtype::F32 => Owned::F32((0..len).map(|_| rng.component()).collect()),
            // Every sign, exponents around one, any fraction: numbers from 1/16 to 16.
            Dtype::F16 => Owned::F16(
                (0..len)
                    .map(|_| (rng.below(2) << 15 | (11 + rng.below(8)) << 10 | rng.below(1024)) as u16)
                    .collect(),
            ),
            Dtype::I8 => Owned::I8((0..len).map(|_| byte() as i8).collect()),
            Dtype::U8 => Owned::U8((0..len).map(|_| byte()).collect()),
            Dtype::Bits => {
                let mut bits: Vec<u8> = (0..len).map(|_| byte()).collect();
                if !dims.is_multiple_of(8) {
                    bits.chunks_exact_mut(dims.div_ceil(8))
                        .for_each(|v| *v.last_mut().unwrap() &= (1 << (dims % 8)) - 1);
                }
                Owned::Bits(bits)
            }
        }
    }

    pub fn values(&self) -> Values<'_> {
        match self {
            Owned::F32(values) => Values::F32(values),
            Owned::F16(values) => Values::F16(values),
            Owned::I8(values) => Values::I8(values),
            Owned::U8(values) => Values::U8(values),
            Owned::Bits(values) => Values::Bits(values),
        }
    }
}

/// So many threads.
pub struct Threads(pub usize);

impl Parallel for Threads {
    fn threads(&self) -> usize {
        self.0
    }

    fn run(&self, tasks: usize, body: &(dyn Fn(usize) + Sync)) {
        let next = std::sync::atomic::AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..self.0 {
                scope.spawn(|| {
                    loop {
                        let at = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                        if at >= tasks {
                            break;
                        }
                        body(at);
                    }
                });
            }
        });
    }
}
