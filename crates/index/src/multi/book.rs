//! Centroids of tokens, and what is left of a token beside its centroid in a few bits (ColBERTv2, Santhanam et al., arXiv
//! 2112.01488).
//!
//! ```text
//! token ~ scale * (centroid + deviation .* step * level[code])     levels are whole numbers, -127 to 127
//! ```
//! - Centroids are k-means of a sample of the tokens (`cluster`), rounded to 8 bits: what is left is taken beside what is kept.
//! - Deviations are those of what is left, a number a component; levels are the best of the whole, for all components
//!   together (Lloyd, Max), so that codes of a component that hardly varies are as well used as any.
//! - Codes begin with the nearest levels and are changed one by one while that turns the sum nearer to the token's direction;
//!   the scale then gives it the token's length.
//!
//! Nothing depends on threads or instruction sets: sums are in one order, and k-means is what it is everywhere.

use crate::cluster::{Centroids, Points, kmeans};
use crate::dense::Work;
use crate::{Array, IndexError, SectionSink, SectionSource};
use tercet_kernels::{UnpackTables, f16_to_f32, f32_to_f16};

/// Tokens that a segment has at least before centroids are found: below it, tokens are kept as 8-bit codes.
pub const TRAIN_TOKENS: usize = 8_192;
/// Centroids at most: their numbers are u16, and a query meets all of them.
const CENTROIDS_MAX: usize = 4_096;
/// New centroids are found where so many times as many are asked for: of eight to sixteen times the tokens.
const OUTGROWN: usize = 4;
/// Tokens of the sample, for each centroid.
const SAMPLE: usize = 32;
/// Deviations are at least this share of the tokens' root mean square.
const LEAST: f64 = 1e-4;
/// The histogram that levels are fitted to: so many deviations on both sides, in so many parts.
const RANGE: f64 = 8.0;
const PARTS: usize = 4_096;
/// Rounds of fitting levels.
const ROUNDS: usize = 40;
/// A row of centroid codes is a multiple of so many bytes.
const GRAIN: usize = 32;

/// Centroids of so many tokens: a power of two near four times the root.
pub(super) fn centroids_of(tokens: usize) -> usize {
    let wanted = (16.0 * tokens as f64).sqrt() as usize;
    (1 << wanted.max(1).ilog2()).clamp(16, CENTROIDS_MAX)
}

/// Whether so many centroids are too few for a segment that grew to so many tokens: new ones are then found.
pub(super) fn outgrown(centroids: usize, tokens: usize) -> bool {
    tokens >= TRAIN_TOKENS && centroids * OUTGROWN <= centroids_of(tokens)
}

/// Tokens of a sample to find centroids of so many.
pub(super) fn sample_of(tokens: usize) -> usize {
    (centroids_of(tokens) * SAMPLE).min(tokens)
}

/// Centroids and levels in memory.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Book {
    dims: usize,
    /// Bits a component of what is left; 0: only centroids.
    bits: u32,
    codes: Vec<u8>,
    scales: Vec<f32>,
    /// The step, `2^bits` levels, and the deviation of each component; nothing without bits.
    levels: Vec<f32>,
}

/// The same where it lies.
#[derive(Clone, Copy, Debug)]
pub(super) struct View<'a> {
    pub(super) dims: usize,
    pub(super) bits: u32,
    pub(super) codes: &'a [u8],
    pub(super) scales: &'a [f32],
    pub(super) levels: &'a [f32],
}

/// The sections of a book.
#[derive(Debug)]
pub(super) struct Stored {
    dims: usize,
    bits: u32,
    codes: Array<u8>,
    scales: Array<f32>,
    levels: Option<Array<f32>>,
}

impl Stored {
    pub(super) fn open(
        source: &dyn SectionSource,
        dims: usize,
        bits: u32,
        centroids: u32,
    ) -> Result<Self, IndexError> {
        let count = u64::from(centroids);
        let codes = Array::open_len(source, "centroids", count * stride(dims) as u64)?;
        let scales: Array<f32> = Array::open_len(source, "centroid_scales", count)?;
        if count > CENTROIDS_MAX as u64 {
            return Err(scales.corrupt(format!("{count} centroids")));
        }
        let numbers = 1 + (1 << bits) + dims as u64;
        let levels = (bits > 0).then(|| Array::open_len(source, "levels", numbers)).transpose()?;
        Ok(Stored { dims, bits, codes, scales, levels })
    }

    pub(super) fn len(&self) -> usize {
        self.scales.len()
    }

    pub(super) fn view(&self) -> Result<View<'_>, IndexError> {
        let levels = self.levels.as_ref().map_or(Ok(&[][..]), Array::all)?;
        let (codes, scales) = (self.codes.all()?, self.scales.all()?);
        Ok(View { dims: self.dims, bits: self.bits, codes, scales, levels })
    }

    pub(super) fn load(&self) -> Result<Book, IndexError> {
        let view = self.view()?;
        let (codes, scales, levels) = (view.codes.to_vec(), view.scales.to_vec(), view.levels.to_vec());
        Ok(Book { dims: self.dims, bits: self.bits, codes, scales, levels })
    }

    /// Whether it is the same.
    pub(super) fn is(&self, book: &Book) -> Result<bool, IndexError> {
        let (mine, view) = (self.view()?, book.view());
        Ok((mine.codes, mine.bits) == (view.codes, view.bits)
            && bytemuck::cast_slice::<f32, u8>(mine.scales) == bytemuck::cast_slice::<f32, u8>(view.scales)
            && bytemuck::cast_slice::<f32, u8>(mine.levels) == bytemuck::cast_slice::<f32, u8>(view.levels))
    }

    /// Checks all bytes.
    pub(super) fn verify(&self) -> Result<(), IndexError> {
        let view = self.view()?;
        let finite = view.scales.iter().chain(view.levels).all(|x| x.is_finite());
        if finite { Ok(()) } else { Err(self.scales.corrupt("numbers that are not finite")) }
    }
}

/// Bytes of a row of centroid codes.
fn stride(dims: usize) -> usize {
    dims.next_multiple_of(GRAIN)
}

impl<'a> View<'a> {
    pub(super) fn len(&self) -> usize {
        self.scales.len()
    }

    pub(super) fn stride(&self) -> usize {
        stride(self.dims)
    }

    /// What a level is multiplied by beside the deviation, levels as whole numbers, deviations.
    pub(super) fn levels(&self) -> (f32, &'a [f32], &'a [f32]) {
        let (step, rest) = self.levels.split_first().map_or((0.0, &[][..]), |(step, rest)| (*step, rest));
        let (levels, deviations) = rest.split_at((1 << self.bits).min(rest.len()));
        (step, levels, deviations)
    }

    /// What a code becomes before it is multiplied: a level plus 128.
    pub(super) fn tables(&self) -> UnpackTables {
        let (_, levels, _) = self.levels();
        let bytes: Vec<u8> = levels.iter().map(|level| (level + 128.0) as u8).collect();
        UnpackTables::new(if bytes.is_empty() { &[0, 0] } else { &bytes })
    }

    /// Some centroids, copied: their codes and their scales.
    pub(super) fn picked(&self, picked: &[u16]) -> (Vec<u8>, Vec<f32>) {
        let stride = self.stride();
        let row = |at: &u16| self.codes.get(usize::from(*at) * stride..).unwrap_or(&[]).iter().take(stride);
        let scale = |at: &u16| self.scales.get(usize::from(*at)).copied().unwrap_or(0.0);
        (picked.iter().flat_map(row).copied().collect(), picked.iter().map(scale).collect())
    }

    fn centroid(&self, at: usize) -> impl Iterator<Item = f32> + use<'a> {
        let scale = self.scales.get(at).copied().unwrap_or(0.0);
        let codes = self.codes.get(at * self.stride()..).unwrap_or(&[]);
        codes.iter().take(self.dims).map(move |code| (f32::from(*code) - 128.0) * scale)
    }

    /// Appends what is kept of a token.
    pub(super) fn decode(&self, packed: &[u8], nearest: u16, scale: u16, out: &mut Vec<f32>) {
        let (step, levels, deviations) = self.levels();
        let (scale, bits, bytes) = (f16_to_f32(scale), self.bits as usize, packed.len().max(1));
        for (i, (centroid, deviation)) in self.centroid(nearest.into()).zip(deviations).enumerate() {
            let code = packed.get(i % bytes).map_or(0, |byte| byte >> (i / bytes * bits));
            let level = levels.get(usize::from(code) & ((1 << bits) - 1)).copied().unwrap_or(0.0);
            out.push(scale * (centroid + deviation * step * level));
        }
    }
}

impl Book {
    /// Finds centroids of `total` tokens, of which some are given, and with bits levels of what is left.
    pub(super) fn train(
        sample: &[f32],
        dims: usize,
        bits: u32,
        total: usize,
        seed: u64,
        work: &Work<'_>,
    ) -> Result<Self, IndexError> {
        let points = Points { values: sample, dims };
        let found = kmeans(points, centroids_of(total), seed, work)?;
        let mut book = Book { dims, bits, codes: Vec::new(), scales: Vec::new(), levels: Vec::new() };
        for centroid in found.values.chunks_exact(dims) {
            let (scale, inverse) = super::tokens::scale(centroid);
            let from = book.codes.len();
            book.codes.extend(centroid.iter().map(|x| (super::tokens::code(*x, inverse) + 128) as u8));
            book.codes.resize(from + stride(dims), 128);
            book.scales.push(scale);
        }
        if bits > 0 {
            book.levels = levels(&book.coder(), points, bits);
        }
        Ok(book)
    }

    pub(super) fn len(&self) -> usize {
        self.scales.len()
    }

    pub(super) fn view(&self) -> View<'_> {
        let Book { dims, bits, codes, scales, levels } = self;
        View { dims: *dims, bits: *bits, codes, scales, levels }
    }

    pub(super) fn write(&self, sink: &mut dyn SectionSink) -> Result<(), IndexError> {
        sink.begin("centroids")?;
        sink.write(&self.codes)?;
        sink.begin("centroid_scales")?;
        sink.write(bytemuck::cast_slice(&self.scales))?;
        if self.bits > 0 {
            sink.begin("levels")?;
            sink.write(bytemuck::cast_slice(&self.levels))?;
        }
        Ok(())
    }

    /// What codes tokens.
    pub(super) fn coder(&self) -> Coder<'_> {
        let view = self.view();
        let mut values = Vec::with_capacity(self.len() * self.dims);
        (0..self.len()).for_each(|at| values.extend(view.centroid(at)));
        Coder { view, clusters: Centroids::new(values, self.dims) }
    }
}

/// The step, the levels and the deviations of what a sample leaves.
fn levels(coder: &Coder<'_>, sample: Points<'_>, bits: u32) -> Vec<f32> {
    let dims = sample.dims;
    let (mut squares, mut all) = (vec![0.0f64; dims], 0.0);
    coder.clusters.each_nearest(sample, |at, nearest, _, _| {
        let token = sample.get(at);
        for (i, (x, c)) in token.iter().zip(coder.clusters.get(nearest as usize)).enumerate() {
            squares[i] += f64::from(x - c) * f64::from(x - c);
            all += f64::from(*x) * f64::from(*x);
        }
    });
    let count = sample.len().max(1) as f64;
    let least = ((all / (count * dims as f64)).sqrt() * LEAST).max(f64::from(f32::MIN_POSITIVE) * 1e6);
    let deviations: Vec<f32> =
        squares.iter().map(|square| (square / count).sqrt().max(least).min(1e30) as f32).collect();
    let mut histogram = vec![0u32; PARTS];
    coder.clusters.each_nearest(sample, |at, nearest, _, _| {
        let pairs = sample.get(at).iter().zip(coder.clusters.get(nearest as usize));
        for ((x, c), deviation) in pairs.zip(&deviations) {
            let part = (f64::from((x - c) / deviation) / RANGE + 1.0) * (PARTS / 2) as f64;
            histogram[(part as usize).min(PARTS - 1)] += 1;
        }
    });
    let levels = lloyd(&histogram, 1 << bits);
    let largest = levels.iter().fold(0.0f64, |largest, level| largest.max(level.abs())).max(1e-3);
    let step = largest / 127.0;
    let mut numbers = vec![step as f32];
    numbers.extend(levels.iter().map(|level| (level / step).round() as f32));
    numbers.extend(&deviations);
    numbers
}

/// The levels of least squares for a histogram (Lloyd; Max, IRE Trans. Information Theory 1960), ascending.
fn lloyd(histogram: &[u32], count: usize) -> Vec<f64> {
    let value = |part: usize| ((part as f64 + 0.5) / (PARTS / 2) as f64 - 1.0) * RANGE;
    let total: u64 = histogram.iter().map(|n| u64::from(*n)).sum();
    // Quantiles, to begin with.
    let (mut levels, mut below) = (Vec::with_capacity(count), 0u64);
    for (part, n) in histogram.iter().enumerate() {
        below += u64::from(*n);
        while levels.len() < count && below * 2 * count as u64 > total * (2 * levels.len() as u64 + 1) {
            levels.push(value(part));
        }
    }
    levels.resize(count, levels.last().copied().unwrap_or(0.0));
    for _ in 0..ROUNDS {
        let mut sums = vec![(0.0f64, 0.0f64); count];
        let mut at = 0;
        for (part, n) in histogram.iter().enumerate() {
            while at + 1 < count && value(part) > (levels[at] + levels[at + 1]) / 2.0 {
                at += 1;
            }
            sums[at].0 += f64::from(*n) * value(part);
            sums[at].1 += f64::from(*n);
        }
        for (level, (sum, n)) in levels.iter_mut().zip(sums).filter(|(_, (_, n))| *n > 0.0) {
            *level = sum / n;
        }
    }
    levels
}

/// Codes tokens by a book.
pub(super) struct Coder<'a> {
    view: View<'a>,
    clusters: Centroids,
}

/// Tokens as codes.
#[derive(Debug, Default)]
pub(super) struct Coded {
    pub(super) nearest: Vec<u16>,
    /// Nothing of a book without bits.
    pub(super) bytes: Vec<u8>,
    pub(super) scales: Vec<u16>,
}

impl Coder<'_> {
    /// Appends the codes of tokens; `stride` bytes each where the book has bits.
    pub(super) fn encode(&self, tokens: &[f32], stride: usize, out: &mut Coded) {
        let points = Points { values: tokens, dims: self.view.dims };
        let (mut codes, mut turned) = (Vec::new(), Vec::new());
        self.clusters.each_nearest(points, |at, nearest, _, _| {
            out.nearest.push(nearest as u16);
            if self.view.bits > 0 {
                let scale = self.codes(points.get(at), nearest as usize, &mut codes, &mut turned);
                out.scales.push(f32_to_f16(scale.min(65_504.0)));
                pack(&codes, self.view.bits, stride, &mut out.bytes);
            }
        });
    }

    /// The codes of a token and its scale. `kept` is memory to use again.
    fn codes(&self, token: &[f32], nearest: usize, codes: &mut Vec<u8>, kept: &mut Vec<f32>) -> f32 {
        let (step, levels, deviations) = self.view.levels();
        let centroid = self.clusters.get(nearest);
        codes.clear();
        kept.clear();
        let (mut with, mut own, mut length) = (0.0f64, 0.0f64, 0.0f64);
        for ((x, c), deviation) in token.iter().zip(centroid).zip(deviations) {
            let steps = (x - c) / (deviation * step);
            let code = levels.windows(2).filter(|pair| steps > (pair[0] + pair[1]) * 0.5).count();
            let sum = c + deviation * step * levels[code];
            with += f64::from(*x) * f64::from(sum);
            own += f64::from(sum) * f64::from(sum);
            length += f64::from(*x) * f64::from(*x);
            codes.push(code as u8);
            kept.push(sum);
        }
        // A neighbouring level where it makes the cosine larger.
        for (i, x) in token.iter().enumerate() {
            for other in [codes[i].wrapping_sub(1), codes[i] + 1] {
                let Some(level) = levels.get(usize::from(other)) else { continue };
                let moved = deviations[i] * step * (level - levels[usize::from(codes[i])]);
                let (x, sum, moved) = (f64::from(*x), f64::from(kept[i]), f64::from(moved));
                let (new_with, new_own) = (with + x * moved, own + (2.0 * sum + moved) * moved);
                if new_with > 0.0 && new_own > 0.0 && new_with * new_with * own > with * with * new_own {
                    (with, own) = (new_with, new_own);
                    codes[i] = other;
                    kept[i] += moved as f32;
                    break;
                }
            }
        }
        let scale = (length / own).sqrt() as f32;
        if scale.is_finite() { scale } else { 0.0 }
    }
}

/// Component i goes to byte i % stride, bits * (i / stride) above its lowest bit.
fn pack(codes: &[u8], bits: u32, stride: usize, out: &mut Vec<u8>) {
    let from = out.len();
    out.resize(from + stride, 0);
    for (plane, codes) in codes.chunks(stride).enumerate() {
        let shift = plane as u32 * bits;
        out[from..].iter_mut().zip(codes).for_each(|(byte, code)| *byte |= code << shift);
    }
}
