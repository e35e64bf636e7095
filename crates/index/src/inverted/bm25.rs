//! The BM25 formula (Robertson and Walker 1994, with Lucene's idf that is never negative).
//!
//! score(row) = sum over query terms of weight * tf * (k1 + 1) / (tf + k1 * (1 - b + b * length / avg_length))
//!
//! where weight is boost * idf * multiplicity. All arithmetic is f32, in one written order and without fused
//! multiply-add, so that a score is the same bits on every machine and in every segment.

/// The two parameters of BM25.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bm25 {
    /// How soon further occurrences of a term stop counting.
    pub k1: f32,
    /// How much a long row is held against it, from 0 to 1.
    pub b: f32,
}

impl Default for Bm25 {
    fn default() -> Self {
        Bm25 { k1: 1.2, b: 0.75 }
    }
}

impl Bm25 {
    /// What one term adds to the score of a row that holds it `tf` times among `length` tokens: the very bits
    /// that a search adds.
    pub fn contribution(&self, weight: f32, tf: u32, length: u32, avg_length: f32) -> f32 {
        self.part(weight, tf as f32, length, avg_length)
    }

    /// The same for a frequency that need not be a whole number: a phrase, or words that stand for one.
    pub fn part(&self, weight: f32, tf: f32, length: u32, avg_length: f32) -> f32 {
        weight * (self.k1 + 1.0) * (tf / (tf + self.norm(length, avg_length)))
    }

    /// What the score holds beside the weight: the saturated frequency, from 0 to k1 + 1.
    pub fn impact(&self, tf: f32, length: u32, avg_length: f32) -> f32 {
        self.part(1.0, tf, length, avg_length)
    }

    /// k1 * (1 - b + b * length / avg_length). Without a usable average every row counts as average.
    #[inline]
    pub(super) fn norm(&self, length: u32, avg_length: f32) -> f32 {
        let relative = if avg_length > 0.0 { length as f32 / avg_length } else { 1.0 };
        self.k1 * (1.0 - self.b + self.b * relative)
    }
}

/// ln(1 + (N - df + 0.5) / (df + 0.5)) for a term in `doc_freq` of `doc_count` rows.
pub fn idf(doc_count: u64, doc_freq: u64) -> f32 {
    let rest = doc_count.saturating_sub(doc_freq) as f64;
    ((rest + 0.5) / (doc_freq as f64 + 0.5)).ln_1p() as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idf_is_positive_and_falls() {
        assert!((idf(10, 1) - (1.0f32 + 9.5 / 1.5).ln()).abs() < 1e-6);
        assert!(idf(10, 10) > 0.0 && idf(10, 2) > idf(10, 3));
        assert!(idf(3, 10) > 0.0, "inconsistent counts stay harmless");
    }
}
