//! Probes: queries made of stored vectors, to measure recall with where none are given.
//!
//! A stored vector is too easy a query. Its own node stands in the graph, with links to what is to be found, and a curve
//! measured so promises more than other queries get. A probe is a stored vector moved in a random direction, as far as its
//! k-th neighbour lies from it and a quarter more. (docs/decisions/0017-probes.md has what was measured.)
//!
//! The same vectors give the same probes on every machine: few operations of f64 in one order, and the square root.

use tercet_index::Values;

/// How far a probe lies from its vector, in distances of the k-th neighbour.
const REACH: f64 = 1.25;

/// How far a vector is from another: the Euclidean distance, after `scaled` with the other brought to its length; of bits
/// how many differ.
pub(crate) fn distance(vector: Values<'_>, other: Values<'_>, scaled: bool) -> f64 {
    if let (Values::Bits(a), Values::Bits(b)) = (vector, other) {
        return a.iter().zip(b).map(|(a, b)| f64::from((a ^ b).count_ones())).sum();
    }
    let (a, b) = (vector.to_f32(), other.to_f32());
    let length = |values: &[f32]| values.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>().sqrt();
    let (own, others) = (length(&a), length(&b));
    let scale = if scaled && others > 0.0 { own / others } else { 1.0 };
    let each = a.iter().zip(&b).map(|(&a, &b)| f64::from(a) - f64::from(b) * scale);
    each.map(|x| x * x).sum::<f64>().sqrt()
}

/// A query of an index: components, or bits.
pub(crate) enum Probe {
    Numbers(Vec<f32>),
    Bits(Vec<u8>),
}

impl Probe {
    /// Moves a vector whose k-th neighbour is `distance` away. `chance` decides where to.
    pub(crate) fn new(vector: Values<'_>, distance: f64, chance: u64) -> Self {
        let mut random = Random(chance);
        match vector {
            Values::Bits(bits) => Probe::Bits(flipped(bits, distance, &mut random)),
            numbers => Probe::Numbers(moved(&numbers.to_f32(), distance, &mut random)),
        }
    }

    /// What is searched for.
    pub(crate) fn values(&self) -> Values<'_> {
        match self {
            Probe::Numbers(numbers) => Values::F32(numbers),
            Probe::Bits(bits) => Values::Bits(bits),
        }
    }
}

fn moved(vector: &[f32], distance: f64, random: &mut Random) -> Vec<f32> {
    // Sums of a few even chances spread like a normal distribution, and need no logarithm.
    let noise: Vec<f64> = vector.iter().map(|_| (0..4).map(|_| random.next() - 0.5).sum()).collect();
    let length = noise.iter().map(|x| x * x).sum::<f64>().sqrt();
    let scale = if length > 0.0 { REACH * distance / length } else { 0.0 };
    let most = f64::from(f32::MAX);
    let out =
        vector.iter().zip(&noise).map(|(&x, noise)| (f64::from(x) + noise * scale).clamp(-most, most) as f32);
    out.collect()
}

/// Other bits, as many as the distance says and no bit twice (selection sampling; Knuth, volume 2, 3.4.2).
fn flipped(bits: &[u8], distance: f64, random: &mut Random) -> Vec<u8> {
    let mut out = bits.to_vec();
    let all = bits.len() * 8;
    let mut left = (REACH * distance).ceil().min(all as f64 / 2.0);
    for at in 0..all {
        if random.next() * ((all - at) as f64) < left {
            out[at / 8] ^= 1 << (at % 8);
            left -= 1.0;
        }
    }
    out
}

/// Even chances from 0 to 1 (splitmix64; Steele et al., OOPSLA 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((x ^ (x >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(probe: &Probe) -> Vec<f32> {
        probe.values().to_f32()
    }

    #[test]
    fn a_probe_lies_a_quarter_farther_than_the_neighbour() {
        let vector: Vec<f32> = (0..50).map(|at| (at % 7) as f32 - 3.0).collect();
        let probe = Probe::new(Values::F32(&vector), 2.0, 7);
        let away = distance(Values::F32(&vector), probe.values(), false);
        assert!((away - 2.5).abs() < 1e-5, "{away}");
        assert_eq!(numbers(&probe), numbers(&Probe::new(Values::F32(&vector), 2.0, 7)));
        assert_ne!(numbers(&probe), numbers(&Probe::new(Values::F32(&vector), 2.0, 8)));
        assert_eq!(numbers(&Probe::new(Values::F32(&vector), 0.0, 7)), vector);
        let bytes: Vec<i8> = vec![100, -100, 3];
        assert_eq!(numbers(&Probe::new(Values::I8(&bytes), 0.0, 1)), [100.0, -100.0, 3.0]);
        let huge = Probe::new(Values::F32(&[f32::MAX, f32::MIN]), f64::from(f32::MAX), 3);
        assert!(numbers(&huge).iter().all(|x| x.is_finite()));
        assert!(numbers(&Probe::new(Values::F32(&[]), 1.0, 3)).is_empty());
    }

    #[test]
    fn bits_are_flipped() {
        let bits = [0b1010_1010u8, 0xff, 0, 1, 2, 3, 4, 5];
        for (away, flips) in [(0.0, 0.0), (1.0, 2.0), (8.0, 10.0), (60.0, 32.0)] {
            let probe = Probe::new(Values::Bits(&bits), away, 5);
            assert_eq!(distance(Values::Bits(&bits), probe.values(), false), flips);
        }
    }

    #[test]
    fn cosine_knows_no_length() {
        let (a, b) = ([3.0f32, 0.0], [0.0f32, 100.0]);
        let away = distance(Values::F32(&a), Values::F32(&b), true);
        assert!((away - 18f64.sqrt()).abs() < 1e-9, "{away}");
        assert_eq!(distance(Values::F32(&a), Values::F32(&[0.0, 0.0]), true), 3.0);
    }
}
