//! Reproducible sets of vectors.

/// Numbers from a linear congruential generator (Knuth's MMIX constants).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn word(&mut self) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as u32
    }

    /// In -1..1, exact in f32.
    pub(crate) fn number(&mut self) -> f32 {
        (self.word() >> 7) as f32 / (1 << 23) as f32 - 1.0
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.word() as usize % bound
    }

    /// Tokens near some topics, of unit length.
    pub(crate) fn tokens(&mut self, count: usize, dims: usize) -> Vec<f32> {
        let mut all = Vec::with_capacity(count * dims);
        for _ in 0..count {
            let token: Vec<f32> = (0..dims).map(|_| self.number()).collect();
            let length = token.iter().map(|x| f64::from(x * x)).sum::<f64>().sqrt();
            all.extend(token.iter().map(|x| (f64::from(*x) / length) as f32));
        }
        all
    }
}

/// MaxSim by its definition, in f64.
pub(crate) fn maxsim(query: &[f32], document: &[f32], dims: usize) -> f64 {
    let dot = |q: &[f32], t: &[f32]| q.iter().zip(t).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
    let best = |q: &[f32]| document.chunks(dims).map(|t| dot(q, t)).fold(f64::NEG_INFINITY, f64::max);
    query.chunks(dims).map(best).sum()
}
