//! Levels of a list: postings of nearly the same weight.

/// Levels of a list.
pub(super) const LEVELS: usize = 16;

/// 2^(-l/4): a level holds what is at most this share of the largest weight. Written out, so that every machine has the
/// same.
pub(super) const EDGES: [f32; LEVELS] = [
    1.0,
    0.840_896_4,
    std::f32::consts::FRAC_1_SQRT_2,
    0.594_603_54,
    0.5,
    0.420_448_2,
    0.353_553_4,
    0.297_301_77,
    0.25,
    0.210_224_1,
    0.176_776_7,
    0.148_650_89,
    0.125,
    0.105_112_05,
    0.088_388_35,
    0.074_325_44,
];

/// The level of a weight in a list whose largest is `most`.
pub(super) fn level(weight: f32, most: f32) -> usize {
    EDGES.iter().skip(1).position(|edge| weight > most * edge).unwrap_or(LEVELS - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_hold_what_is_between_their_edges() {
        for (at, edge) in EDGES.iter().enumerate() {
            assert!((f64::from(*edge) - 2f64.powf(at as f64 / -4.0)).abs() < 1e-7);
            assert_eq!(level(200.0 * edge, 200.0), at);
        }
        assert_eq!((level(1e-30, 1.0), level(199.0, 200.0)), (LEVELS - 1, 0));
    }
}
