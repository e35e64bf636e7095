//! Random numbers that are the same everywhere: Philox4x32-10 (Salmon, Moraes, Dror and Shaw, Parallel random numbers: as
//! easy as 1, 2, 3, SC 2011). A counter goes in, four words come out; integers alone.

const ROUNDS: u32 = 10;
const MULTIPLIERS: [u32; 2] = [0xd251_1f53, 0xcd9e_8d57];
const WEYL: [u32; 2] = [0x9e37_79b9, 0xbb67_ae85];

/// The words of a counter under a key.
pub(super) fn philox(seed: u64, mut counter: [u32; 4]) -> [u32; 4] {
    let mut key = [seed as u32, (seed >> 32) as u32];
    for _ in 0..ROUNDS {
        let product = |at: usize, of: usize| u64::from(MULTIPLIERS[at]) * u64::from(counter[of]);
        let (low, high) = (product(0, 0), product(1, 2));
        counter = [
            (high >> 32) as u32 ^ counter[1] ^ key[0],
            high as u32,
            (low >> 32) as u32 ^ counter[3] ^ key[1],
            low as u32,
        ];
        key = [key[0].wrapping_add(WEYL[0]), key[1].wrapping_add(WEYL[1])];
    }
    counter
}

/// What numbers are drawn for: a stream of its own for each.
#[derive(Clone, Copy)]
pub(super) enum Stream {
    Directions = 0,
    Projection = 1,
    Final = 2,
}

/// A word of a stream: `at` within `part`.
pub(super) fn word(seed: u64, stream: Stream, part: u32, at: u32) -> u32 {
    philox(seed, [at / 4, part, stream as u32, 0])[(at % 4) as usize]
}

/// A number that is nearly normal: the sum of 16 uniform ones (Irwin and Hall), exact in f32. Its scale is
/// of no matter for a sign.
pub(super) fn normal(seed: u64, stream: Stream, part: u32, at: u32) -> f32 {
    let words = |block: u32| philox(seed, [at * 2 + block, part, stream as u32, 1]);
    let halves = |words: [u32; 4]| words.iter().map(|word| (word & 0xffff) + (word >> 16)).sum::<u32>();
    // 16 halves have the mean 16 * 65535 / 2; twice the sum keeps it whole.
    let sum = 2 * (halves(words(0)) + halves(words(1))) as i32 - 16 * 65_535;
    sum as f32 / 131_072.0
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    /// The known answers of the authors' library (Random123, kat_vectors).
    #[test]
    fn philox_gives_the_known_answers() {
        assert_eq!(philox(0, [0; 4]), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
        assert_eq!(philox(u64::MAX, [u32::MAX; 4]), [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]);
        let pi = [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344];
        assert_eq!(philox(0x299f_31d0_a409_3822, pi), [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]);
    }

    #[test]
    fn normal_numbers_have_no_mean_and_the_variance_of_sixteen() {
        let numbers: Vec<f64> =
            (0..20_000).map(|at| f64::from(normal(7, Stream::Directions, 3, at))).collect();
        let mean = numbers.iter().sum::<f64>() / 20_000.0;
        let variance = numbers.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / 20_000.0;
        assert!(mean.abs() < 0.03 && (variance - 16.0 / 12.0).abs() < 0.05, "{mean} {variance}");
        let beyond = numbers.iter().filter(|x| x.abs() > 2.0 * variance.sqrt()).count();
        assert!((700..1_100).contains(&beyond), "{beyond} beyond two deviations, about 910 of a normal one");
    }
}
