//! How the vectors of a segment become entries of lists: space, axes, centroids, codes.

use super::layout::{Form, Terms, block_bytes};
use super::{LIST_LEAST, make};
use crate::IndexError;
use crate::cluster::{Centroids, Points, balanced, chance, kmeans, sampled};
use crate::dense::{Codec, DenseOptions, DenseSpec, Reduce, Rerank, Rotate, Work};
use crate::quant::{Codebook, Coder, Planes, Space};
use crate::reduce::{
    PCA_DIMS_MAX, Projection, Reduction, UnitPrefix, check_axes, first_of, pca, random_axes, shared_axes,
};
use crate::sections::reserved;
use crate::values::Dtype;
use crate::values::Values;

/// Vectors from which axes are found.
const AXES_SAMPLE: usize = 4_096;
/// Up to so many components all axes are kept, beyond them those that hold this share of the energy.
const AXES_ALL: usize = 256;
const AXES_SHARE: f64 = 0.98;
/// Vectors that training looks at, for each list and at most.
pub(super) const SAMPLE_OF_LIST: usize = 256;
pub(super) const SAMPLE_MOST: usize = 1 << 17;
/// Lists, as a multiple of the square root of the number of vectors.
const LISTS_OF_ROOT: f64 = 4.0;
/// Components of a part, when their number is chosen here.
const OF_PART: (usize, usize) = (4, 8);
/// The most parts: entries of tables become coarser beyond.
const PARTS_MOST: usize = 1_024;
/// One term of so many may lie beyond the range, and only where it is so many times further out than all others.
const TERMS_BEYOND: usize = 1_000;
const TERMS_ROOM: f32 = 8.0;
/// The same of scales, which sums are multiplied by: room takes bits from those of all others.
const SCALES_ROOM: f32 = 1.5;

/// How vectors become entries.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) space: Space,
    pub(super) reduction: Reduction,
    pub(super) centroids: Centroids,
    pub(super) coding: Coding,
    pub(super) residual: bool,
    pub(super) spill: bool,
    /// Codes by which candidates are ranked.
    pub(super) judge: Option<Coder>,
    /// The axes as rows of 8-bit codes, for queries. Empty without axes.
    pub(super) axes: Vec<u8>,
}

/// Codes of entries.
#[derive(Clone, Debug)]
pub(super) enum Coding {
    Vectors,
    Parts(Codebook),
    Rows(Coder),
    Planes(Planes),
}

impl Coding {
    pub(super) fn form(&self) -> Form {
        match self {
            Coding::Vectors => Form::Vectors,
            Coding::Parts(book) => Form::Parts { m: book.m(), bits: book.bits() },
            Coding::Rows(coder) => Form::Rows { bits: coder.bits() },
            Coding::Planes(planes) => Form::Planes { bits: planes.bits() },
        }
    }

    /// Bytes of an entry while it is being made: a byte a part.
    pub(super) fn loose(&self) -> usize {
        match self {
            Coding::Vectors => 0,
            Coding::Parts(book) => book.m(),
            Coding::Rows(coder) => coder.stride(),
            Coding::Planes(planes) => planes.m(),
        }
    }

    /// Parts of 4 bits that lie in blocks; 0 where there are none.
    pub(super) fn nibbles(&self) -> usize {
        match self {
            Coding::Parts(book) if book.bits() == 4 => book.m(),
            Coding::Planes(planes) => planes.m(),
            _ => 0,
        }
    }

    /// Bytes of codes for so many entries in so many blocks.
    pub(super) fn bytes(&self, entries: u32, blocks: u32) -> u64 {
        match self.nibbles() {
            0 => u64::from(entries) * self.loose() as u64,
            m => u64::from(blocks) * block_bytes(m) as u64,
        }
    }
}

/// Lists for so many vectors.
pub(super) fn lists(options: &DenseOptions, count: usize) -> usize {
    let most = (count / LIST_LEAST).max(1);
    match options.ivf.lists {
        0 => ((count as f64).sqrt() * LISTS_OF_ROOT) as usize,
        asked => asked as usize,
    }
    .clamp(1, most)
}

/// What candidates are ranked by, before the vectors.
fn judged(spec: &DenseSpec) -> bool {
    let floats = matches!(spec.dtype, Dtype::F32 | Dtype::F16);
    match spec.options.ivf.rerank {
        // Vectors of bytes are no larger than the codes would be, and where codes stand for the vectors they are there.
        Rerank::Auto => {
            floats
                && spec.options.keep
                && !matches!(spec.options.codec, Codec::F32 | Codec::F16 | Codec::Lvq8)
        }
        Rerank::Lvq8 => !matches!(spec.options.codec, Codec::Lvq8),
        Rerank::None | Rerank::F16 | Rerank::Vectors => false,
    }
}

/// The parts of a vector's codes and their bits; `None` for other codecs.
fn parts(spec: &DenseSpec, points: usize) -> Option<(usize, u32)> {
    let (m, bits) = match spec.options.codec {
        Codec::Auto => (0, 4),
        Codec::Pq { m, bits } => (usize::from(m), u32::from(bits)),
        _ => return None,
    };
    let of_part = if bits == 4 { OF_PART.0 } else { OF_PART.1 };
    let usual = (spec.dims / of_part).next_multiple_of(4);
    let m = if m == 0 { usual } else { m };
    Some((m.clamp(1, points.min(PARTS_MOST)), bits))
}

impl Plan {
    /// Fits a plan to a sample of the points of the space, and to sample queries where there are some.
    pub(super) fn fit(
        spec: &DenseSpec,
        space: Space,
        sample: &[f32],
        (count, queries): (usize, Option<Values<'_>>),
        work: &Work<'_>,
    ) -> Result<Self, IndexError> {
        let points = space.points();
        let options = &spec.options;
        let parts = parts(spec, points);
        let reduction = reduction(spec, &space, (sample, queries), parts, work)?;
        let reduced = reduction.reduced(points);
        let mut shorter = make::projected(&reduction, sample, points, work)?;
        let lists = lists(options, count);
        let all = Points { values: &shorter, dims: reduced };
        let seed = options.seed;
        let mut centroids = kmeans(all, lists, seed, work)?;
        if options.ivf.balance {
            centroids = balanced(centroids, all, seed, work)?;
        }
        let turned = matches!(options.codec, Codec::RaBitQ { .. });
        let signs = options.codec == Codec::Binary;
        let residual = (parts.is_some() || turned || signs) && options.ivf.residual.unwrap_or(!signs);
        if residual {
            less_centroids(&centroids, &mut shorter, reduced);
        }
        let coding = match (options.codec, parts) {
            (_, Some((m, bits))) => {
                let m = m.min(reduced);
                Coding::Parts(Codebook::train(&shorter, reduced, m, bits, chance(seed, 1), work)?)
            }
            (Codec::Lvq8, _) => Coding::Rows(Coder::bits8(reduced)),
            (Codec::Lvq4x8, _) => Coding::Rows(Coder::bits4(reduced)),
            (Codec::RaBitQ { bits }, _) => Coding::Planes(Planes::new(reduced, bits.into())),
            (Codec::Binary, _) => Coding::Planes(Planes::new(reduced, 1)),
            _ => Coding::Vectors,
        };
        let judge = judged(spec).then(|| Coder::bits8(points));
        Ok(Plan::new(space, reduction, centroids, coding, residual, options.ivf.spill, judge))
    }

    /// From its parts.
    pub(super) fn new(
        space: Space,
        reduction: Reduction,
        centroids: Centroids,
        coding: Coding,
        residual: bool,
        spill: bool,
        judge: Option<Coder>,
    ) -> Self {
        let coder = Coder::bits8(space.points());
        let mut axes = Vec::new();
        if let Reduction::Pca(projection) = &reduction {
            axes.resize(projection.reduced * coder.stride(), 0);
            for (at, row) in axes.chunks_exact_mut(coder.stride()).enumerate() {
                let axis = projection.matrix.iter().skip(at).step_by(projection.reduced.max(1));
                // Of no length: what is left of the distance is minus the product.
                coder.encode(&axis.copied().collect::<Vec<f32>>(), 0.0, row);
            }
        }
        Plan { space, reduction, centroids, coding, residual, spill, judge, axes }
    }
}

/// What comes before the lists: as the options say, then turned as the codes want it.
fn reduction(
    spec: &DenseSpec,
    space: &Space,
    (sample, queries): (&[f32], Option<Values<'_>>),
    parts: Option<(usize, u32)>,
    work: &Work<'_>,
) -> Result<Reduction, IndexError> {
    let points = space.points();
    let rotate = match (spec.options.ivf.rotate, parts) {
        (Rotate::Auto, Some(_)) if points <= PCA_DIMS_MAX => Rotate::Opq,
        (Rotate::Auto, _) if matches!(spec.options.codec, Codec::RaBitQ { .. }) => Rotate::Random,
        (Rotate::Auto, _) => Rotate::None,
        (rotate, _) => rotate,
    };
    let some = some_of(sample, points, AXES_SAMPLE, spec.options.seed)?;
    work.step(0, 1)?;
    let first = match spec.options.reduce {
        Reduce::Auto | Reduce::None => Reduction::None,
        Reduce::Pca(axes) => Reduction::Pca(pca(&some, points, (axes as usize).min(points), false, work)?),
        Reduce::Prefix(first) => first_of(spec, space, first as usize)?,
        Reduce::Random(axes) => {
            Reduction::Pca(random_axes(points, (axes as usize).min(points), spec.options.seed, work)?)
        }
        // Lists are of points that lie near each other: one set of axes for data and queries.
        Reduce::LeanVec(axes) => {
            Reduction::Pca(shared_axes(spec, space, (&some, queries), axes as usize, work)?)
        }
    };
    let reduced = first.reduced(points);
    let turn = match (rotate, parts) {
        (Rotate::Opq, Some((m, _))) => {
            let shorter = make::projected(&first, &some, points, work)?;
            let axes = pca(&shorter, reduced, reduced, false, work)?;
            let turned = make::projected(&Reduction::Pca(axes.clone()), &shorter, reduced, work)?;
            let all = reduced <= AXES_ALL || spec.options.reduce != Reduce::Auto;
            spread(axes, &turned, m.min(reduced), if all { 1.0 } else { AXES_SHARE })
        }
        (Rotate::Opq | Rotate::Random, _) => random_axes(reduced, reduced, spec.options.seed, work)?,
        (Rotate::None | Rotate::Auto, _) => return Ok(first),
    };
    compose(first, turn, points, work)
}

/// Deals axes out to parts so that each holds about the same product of variances, which is what codes of so many bits
/// lose least by where the data is normally distributed (the parametric solution of Ge et al., TPAMI 2014).
///
/// Of the axes those are kept that hold `share` of the energy: what the others add to a distance is lost in the error of the
/// codes, and each costs a query a row of the axes and a component of every centroid.
fn spread(axes: Projection, turned: &[f32], m: usize, share: f64) -> Projection {
    let dims = axes.reduced;
    let mut energy = vec![0.0f64; dims];
    for point in turned.chunks_exact(dims) {
        energy.iter_mut().zip(point).for_each(|(sum, x)| *sum += f64::from(*x) * f64::from(*x));
    }
    let mut order: Vec<usize> = (0..dims).collect();
    order.sort_by(|a, b| energy[*b].total_cmp(&energy[*a]).then(a.cmp(b)));
    let total: f64 = energy.iter().sum();
    let mut held = 0.0;
    let enough = order.iter().position(|axis| {
        held += energy[*axis];
        held >= total * share
    });
    let kept = enough.map_or(dims, |last| (last + 1).next_multiple_of(8).max(m).min(dims));
    let kept = if share < 1.0 { kept } else { dims };
    order.truncate(kept);
    // Bits of a float are about its logarithm: sums of them order products.
    let weight = |axis: usize| (energy[axis].max(f64::MIN_POSITIVE).to_bits() >> 32) as i64;
    let mut full: Vec<(i64, Vec<usize>)> = vec![(0, Vec::new()); m];
    for axis in order {
        let room = |part: usize| crate::quant::part_range(kept, m, part).len();
        let next =
            (0..m).filter(|part| full[*part].1.len() < room(*part)).min_by_key(|part| (full[*part].0, *part));
        if let Some(part) = next {
            full[part].0 += weight(axis);
            full[part].1.push(axis);
        }
    }
    let order: Vec<usize> = full.into_iter().flat_map(|(_, axes)| axes).collect();
    let matrix = axes.matrix.chunks_exact(dims).flat_map(|row| order.iter().map(|axis| row[*axis])).collect();
    Projection { matrix, reduced: kept, ..axes }
}

/// One projection after the other.
fn compose(
    first: Reduction,
    turn: Projection,
    points: usize,
    work: &Work<'_>,
) -> Result<Reduction, IndexError> {
    let (reduced, width) = (first.reduced(points), turn.reduced);
    match first {
        Reduction::None => {
            return Ok(Reduction::Pca(Projection { kept: 1.0, mean: vec![0.0; points], ..turn }));
        }
        Reduction::UnitPrefix(prefix) => {
            return Ok(Reduction::UnitPrefix(UnitPrefix { turn: Some(turn), ..prefix }));
        }
        _ => check_axes(points, width)?,
    }
    let mut matrix: Vec<f32> = reserved(points.saturating_mul(width))?;
    let mut row = vec![0.0; reduced];
    let kernel = tercet_kernels::kernels().project;
    for at in 0..points {
        if at.is_multiple_of(64) {
            work.step(at as u64, points as u64)?;
        }
        match &first {
            Reduction::None | Reduction::Prefix { .. } => {
                row.iter_mut().enumerate().for_each(|(axis, x)| *x = f32::from(u8::from(axis == at)));
            }
            Reduction::Pca(projection) => {
                row.copy_from_slice(&projection.matrix[at * reduced..(at + 1) * reduced])
            }
            Reduction::LeanVec(_) | Reduction::UnitPrefix(_) => {
                return Err(IndexError::Unsupported { what: "this reduction" });
            }
        }
        let start = matrix.len();
        matrix.resize(start + width, 0.0);
        kernel(&row, &turn.matrix, &mut matrix[start..]);
    }
    let kept = match &first {
        Reduction::Pca(projection) => projection.kept,
        _ => 1.0,
    };
    Ok(Reduction::Pca(Projection { mean: vec![0.0; points], matrix, dims: points, reduced: width, kept }))
}

/// Some of the points.
fn some_of(points: &[f32], dims: usize, most: usize, seed: u64) -> Result<Vec<f32>, IndexError> {
    let places = sampled(points.len() / dims.max(1), most, seed);
    let mut some = reserved(places.len().saturating_mul(dims))?;
    let point = |at: u32| &points[at as usize * dims..(at as usize + 1) * dims];
    places.iter().for_each(|at| some.extend_from_slice(point(*at)));
    Ok(some)
}

/// Takes from each point its nearest centroid.
fn less_centroids(centroids: &Centroids, points: &mut [f32], dims: usize) {
    const PIECE: usize = 1_024;
    for some in points.chunks_mut(PIECE * dims) {
        let mut nearest = Vec::with_capacity(PIECE);
        centroids.each_nearest(Points { values: some, dims }, |_, list, _, _| nearest.push(list));
        for (point, list) in some.chunks_exact_mut(dims).zip(nearest) {
            point.iter_mut().zip(centroids.get(list as usize)).for_each(|(x, c)| *x -= c);
        }
    }
}

/// The largest scale of planes that 16 bits are dealt out up to: not that of a vector far longer than nearly all others, whose
/// own is written beside (`far.rs`).
pub(super) fn scale_most(scales: &[f32]) -> f32 {
    let mut finite: Vec<f32> = scales.iter().copied().filter(|x| x.is_finite()).collect();
    within_room(&mut finite, 0.0, SCALES_ROOM).unwrap_or(0.0)
}

/// The largest number, or less where few lie far beyond all others.
fn within_room(numbers: &mut [f32], least: f32, room: f32) -> Option<f32> {
    let most = numbers.iter().copied().reduce(f32::max)?;
    let nearly_all = numbers.len() - 1 - numbers.len() / TERMS_BEYOND;
    let (_, high, _) = numbers.select_nth_unstable_by(nearly_all, f32::total_cmp);
    let within = least + (*high - least) * room;
    Some(if within > least { most.min(within) } else { most })
}

/// The range of terms. What lies far above nearly all of them does not stretch it, for a wide range would take every difference
/// from the others: it is written beside (`far.rs`).
pub(super) fn terms(values: &[f32]) -> Terms {
    let mut finite: Vec<f32> = values.iter().copied().filter(|x| x.is_finite()).collect();
    let least = finite.iter().copied().reduce(f32::min).unwrap_or(0.0);
    within_room(&mut finite, least, TERMS_ROOM).map_or(Terms::default(), |most| Terms::between(least, most))
}
