//! Bits of components in planes, with a scale a vector (RaBitQ; Gao and Long, arXiv 2405.12497 and 2409.09913).
//!
//! ```text
//! u_i = bits of component i, 0 .. 2^bits        x^_i = f (u_i - middle)         middle = (2^bits - 1) / 2
//! f   = |x|^2 / (x . (u - middle))              so that q.x^ is right for q = x, whatever u
//! ```
//! The codes of four components' bits of one weight are a part of 4 bits, so that planes are scanned by tables as product
//! codes are; a table has the sums of four components of the query with all signs, times the plane's weight. Turning
//! vectors by chance before makes the error of q.x^ about normal, of deviation |q - x| |e| / sqrt(dims), e = x - x^.

/// Components of a part.
const OF_PART: usize = 4;
/// What fits the largest component, as shares of it, of codes of more than one bit.
const CLIPS: [f32; 10] = [0.25, 0.35, 0.45, 0.55, 0.625, 0.7, 0.775, 0.85, 0.925, 1.0];

/// The shape of codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Planes {
    dims: usize,
    bits: u32,
}

impl Planes {
    /// Of 1 to 8 bits.
    pub(crate) fn new(dims: usize, bits: u32) -> Self {
        Planes { dims, bits: bits.clamp(1, 8) }
    }

    pub(crate) fn bits(&self) -> u32 {
        self.bits
    }

    fn groups(&self) -> usize {
        self.dims.div_ceil(OF_PART)
    }

    /// Parts of all planes, the lowest weight first.
    pub(crate) fn m(&self) -> usize {
        self.groups() * self.bits as usize
    }

    fn middle(&self) -> f32 {
        ((1u32 << self.bits) - 1) as f32 * 0.5
    }

    /// Codes a point: a byte a part. `units` becomes the codes less their middle; gives the scale.
    pub(crate) fn encode(&self, point: &[f32], codes: &mut [u8], units: &mut [f32]) -> f32 {
        let largest = point.iter().fold(0.0f32, |a, x| a.max(x.abs()));
        let half = (1u32 << (self.bits - 1)) as f32;
        let mut best = (f64::NEG_INFINITY, 0.0f32);
        for clip in if self.bits == 1 { &CLIPS[CLIPS.len() - 1..] } else { &CLIPS[..] } {
            let inverse = if largest > f32::MIN_POSITIVE { half / (largest * clip) } else { 0.0 };
            let (mut with, mut own) = (0.0f64, 0.0f64);
            for x in point {
                let unit = self.unit(*x, inverse);
                with += f64::from(unit * x);
                own += f64::from(unit * unit);
            }
            let near = if own > 0.0 { with * with.abs() / own } else { 0.0 };
            if near > best.0 {
                best = (near, inverse);
            }
        }
        let (mut with, mut norm) = (0.0f64, 0.0f64);
        codes.fill(0);
        for (at, (x, unit)) in point.iter().zip(units).enumerate() {
            *unit = self.unit(*x, best.1);
            with += f64::from(*unit * x);
            norm += f64::from(x * x);
            let code = (*unit + self.middle()) as u32;
            for plane in 0..self.bits {
                let part = plane as usize * self.groups() + at / OF_PART;
                codes[part] |= ((code >> plane & 1) as u8) << (at % OF_PART);
            }
        }
        if with > 0.0 { (norm / with) as f32 } else { 0.0 }
    }

    /// The point that codes, a byte a part, stand for with a scale.
    pub(crate) fn decode(&self, codes: &[u8], scale: f32, out: &mut [f32]) {
        for (at, out) in out.iter_mut().enumerate().take(self.dims) {
            let bit = |plane: u32| {
                let part = plane as usize * self.groups() + at / OF_PART;
                u32::from(codes.get(part).copied().unwrap_or(0) >> (at % OF_PART) & 1) << plane
            };
            let code: u32 = (0..self.bits).map(bit).sum();
            *out = (code as f32 - self.middle()) * scale;
        }
    }

    /// The nearest code less the middle.
    #[inline]
    fn unit(&self, x: f32, inverse: f32) -> f32 {
        let half = (1u32 << (self.bits - 1)) as f32;
        let code = (x * inverse + half).clamp(0.0, self.middle() * 2.0 + 0.5) as i32 as f32;
        code.min(self.middle() * 2.0) - self.middle()
    }

    /// `out[part * 16 + c]` becomes minus the product of the query's four components and what the code c of the part adds to
    /// them.
    pub(crate) fn tables(&self, query: &[f32], out: &mut Vec<f32>) {
        out.clear();
        out.resize(self.m() * 16, 0.0);
        let width = self.groups() * 16;
        let (lowest, higher) = out.split_at_mut(width.min(self.m() * 16));
        for (table, some) in lowest.chunks_exact_mut(16).zip(query.chunks(OF_PART)) {
            for (code, entry) in table.iter_mut().enumerate() {
                for (bit, x) in some.iter().enumerate() {
                    *entry -= if code >> bit & 1 == 1 { x * 0.5 } else { x * -0.5 };
                }
            }
        }
        for (plane, tables) in higher.chunks_exact_mut(width.max(1)).enumerate() {
            let weight = (2u32 << plane) as f32;
            tables.iter_mut().zip(&*lowest).for_each(|(entry, lowest)| *entry = lowest * weight);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_with_itself_are_right_and_bits_help() {
        let point: Vec<f32> = (0..37).map(|at| ((at * 29 % 37) as f32 - 18.0) / 20.0).collect();
        let query: Vec<f32> = (0..37).map(|at| ((at * 17 % 37) as f32 - 12.0) / 30.0).collect();
        let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
        let mut last = f32::INFINITY;
        for bits in 1..=8 {
            let planes = Planes::new(37, bits);
            let (mut codes, mut units) = (vec![0; planes.m()], vec![0.0; 37]);
            let scale = planes.encode(&point, &mut codes, &mut units);
            assert!((scale * dot(&units, &point) - dot(&point, &point)).abs() < 1e-4);
            let mut tables = Vec::new();
            planes.tables(&query, &mut tables);
            let mut back = vec![0.0; 37];
            planes.decode(&codes, scale, &mut back);
            assert!(back.iter().zip(&units).all(|(x, unit)| (x - unit * scale).abs() < 1e-6));
            let looked: f32 =
                codes.iter().enumerate().map(|(part, c)| tables[part * 16 + usize::from(*c)]).sum();
            assert!((looked + dot(&units, &query)).abs() < 1e-3, "{bits}: {looked}");
            let lost: f32 = point.iter().zip(&units).map(|(x, u)| (x - scale * u) * (x - scale * u)).sum();
            assert!(lost < last || lost < 1e-3, "{bits}: {lost} after {last}");
            last = lost;
        }
    }

    #[test]
    fn nothing_has_no_scale() {
        let planes = Planes::new(5, 3);
        let (mut codes, mut units) = (vec![7; planes.m()], vec![0.0; 5]);
        assert_eq!(planes.encode(&[0.0; 5], &mut codes, &mut units), 0.0);
        assert!(codes.iter().all(|code| *code < 16));
    }
}
