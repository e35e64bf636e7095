//! Vectors in, sections out: training, coding, and the order of lists.

use super::LISTS_FROM;
use super::alone::alone;
use super::arrange::{Groups, arranged};
use super::far;
use super::layout::{BLOCK, Head, block_bytes};
use super::order::Order;
use super::plan::{Coding, Plan, SAMPLE_MOST, SAMPLE_OF_LIST, lists, scale_most, terms};
use super::source::{Given, Source, check_count};
use crate::batch::in_parallel;
use crate::cluster::{Points, sampled};
use crate::dense::{Codec, DenseInput, DenseSpec, Rerank, Work};
use crate::quant::{Coder, Space};
use crate::reduce::Reduction;
use crate::sections::{ArraySink, reserved};
use crate::values::Dtype;
use crate::{IndexError, SectionSink, Sections, flat};
use tercet_kernels::Metric;

/// Vectors that one piece of parallel work codes, and those that are held as numbers at once, in bytes.
const PIECE: usize = 64;
const ROUND_BYTES: usize = 16 << 20;
/// Lists near a vector that its second one is chosen from.
const SECOND_OF: usize = 12;

/// What is kept of the vectors: codes are the lists' business, but where they stand for the vectors.
pub(super) fn kept(spec: &DenseSpec) -> DenseSpec {
    let mut kept = spec.uncoded();
    if !spec.options.keep && matches!(spec.dtype, Dtype::F32 | Dtype::F16) {
        let half = spec.options.codec == Codec::F16 || spec.options.ivf.rerank == Rerank::F16;
        (kept.options.codec, kept.options.keep) = (if half { Codec::F16 } else { Codec::Lvq8 }, false);
    }
    kept
}

/// The section of the space of lists. Codes that stand for the vectors have a space of their own, which a merge fits anew
/// while the one of lists stays.
pub(super) fn center(spec: &DenseSpec) -> &'static str {
    let kept = kept(spec);
    let coded = kept.options.codec == Codec::Lvq8 && !kept.options.keep;
    if coded { "list_center" } else { "center" }
}

pub(super) fn metric(spec: &DenseSpec) -> Result<Metric, IndexError> {
    spec.metric.on_numbers().ok_or(IndexError::Unsupported { what: "a distance of bits" })
}

pub(super) fn build(
    spec: &DenseSpec,
    input: &DenseInput<'_>,
    work: &Work<'_>,
) -> Result<Sections, IndexError> {
    metric(spec)?;
    let elements = spec.dtype.elements(spec.dims);
    let source = Given { values: input.values, elements, queries: input.queries };
    if alone(spec) && source.count() >= LISTS_FROM {
        flat::check(spec, input)?;
        let mut sections = Sections::new();
        if let Some(rows) = input.present.filter(|rows| rows.len() as u64 != u64::from(input.rows)) {
            sections.begin("rows")?;
            sections.write(bytemuck::cast_slice(rows))?;
        }
        make(spec, &source, &mut sections, work)?;
        return Ok(sections);
    }
    let mut sections = (flat::KIND.build)(&kept(spec), input, work)?;
    if source.count() >= LISTS_FROM {
        make(spec, &source, &mut sections, work)?;
    }
    Ok(sections)
}

/// Trains, codes and writes everything.
pub(super) fn make(
    spec: &DenseSpec,
    source: &dyn Source,
    sink: &mut dyn SectionSink,
    work: &Work<'_>,
) -> Result<(), IndexError> {
    let count = source.count();
    check_count(count)?;
    let space = Space::fit(metric(spec)?, spec.dims, &mut |each| {
        source.visit(&mut |at, vector| {
            each(vector);
            if at.is_multiple_of(4_096) { work.step(0, count as u64) } else { Ok(()) }
        })
    })?;
    let sample = sample(spec, &space, source)?;
    let mut plan = Plan::fit(spec, space, &sample, (count, source.queries()), work)?;
    drop(sample);
    let mut coded = Coded::new(&plan, count)?;
    coded.code_with(&plan, source, work, &mut |_, _| false)?;
    let (error, length) = (coded.error(), coded.length());
    let head = Trained { planned: count as u32, error, length, added_error: 0.0, added: 0 };
    let groups = arranged(spec, &mut plan, &mut coded, work)?;
    write(spec, &plan, &coded, groups, head, sink)
}

/// Points to train on.
fn sample(spec: &DenseSpec, space: &Space, source: &dyn Source) -> Result<Vec<f32>, IndexError> {
    let count = source.count();
    let most = lists(&spec.options, count).saturating_mul(SAMPLE_OF_LIST).min(SAMPLE_MOST);
    let places = sampled(count, most, spec.options.seed);
    let points = space.points();
    let mut sample: Vec<f32> = reserved(places.len().saturating_mul(points))?;
    sample.resize(places.len() * points, 0.0);
    let mut wanted = places.iter().zip(sample.chunks_exact_mut(points)).peekable();
    source.visit(&mut |at, vector| {
        if let Some((_, point)) = wanted.next_if(|(place, _)| **place as usize == at) {
            space.point(vector, point);
        }
        Ok(())
    })?;
    Ok(sample)
}

/// The reduced forms of points.
pub(super) fn projected(
    reduction: &Reduction,
    points: &[f32],
    dims: usize,
    work: &Work<'_>,
) -> Result<Vec<f32>, IndexError> {
    let reduced = reduction.reduced(dims);
    let count = points.len() / dims.max(1);
    let mut out: Vec<f32> = reserved(count.saturating_mul(reduced))?;
    let pieces = in_parallel(work.parallel, count.div_ceil(PIECE), 1, &|piece| {
        let some = &points[piece * PIECE * dims..count.min((piece + 1) * PIECE) * dims];
        let mut shorter = vec![0.0; some.len() / dims * reduced];
        reduction.apply_all(some, dims, &mut shorter);
        shorter
    });
    pieces.iter().for_each(|some| out.extend_from_slice(some));
    Ok(out)
}

/// Entries in the order of slots; of a vector in two lists one after the other.
pub(super) struct Coded {
    pub(super) copies: usize,
    loose: usize,
    pub(super) judge: usize,
    pub(super) lists: Vec<u32>,
    /// A byte a part, or rows.
    pub(super) codes: Vec<u8>,
    pub(super) terms: Vec<f32>,
    /// The scales of planes.
    pub(super) scales: Vec<f32>,
    /// Rows of the judge, one a vector.
    pub(super) judges: Vec<u8>,
    /// Squared errors and squared lengths, and how many vectors they are of.
    lost: (f64, f64),
    pub(super) fresh: u32,
}

/// An entry that is there already.
pub(super) struct Taken<'a> {
    pub(super) list: u32,
    pub(super) term: f32,
    pub(super) scale: f32,
    pub(super) codes: &'a [u8],
    pub(super) judge: &'a [u8],
}

/// Gives the entry of a slot to its second argument, if there is one.
type TakenOf<'t> = dyn FnMut(usize, &mut dyn FnMut(&Taken<'_>)) -> bool + 't;

/// What a piece of work codes.
struct Piece {
    lists: Vec<u32>,
    codes: Vec<u8>,
    terms: Vec<f32>,
    scales: Vec<f32>,
    judges: Vec<u8>,
    lost: (f64, f64),
}

impl Coded {
    pub(super) fn new(plan: &Plan, count: usize) -> Result<Self, IndexError> {
        fn zeros<T: Copy + Default>(len: usize) -> Result<Vec<T>, IndexError> {
            let mut zeros = reserved(len)?;
            zeros.resize(len, T::default());
            Ok(zeros)
        }
        let copies = if plan.spill { 2 } else { 1 };
        let loose = plan.coding.loose();
        let judge = plan.judge.map_or(0, |coder| coder.stride());
        let entries = count * copies;
        Ok(Coded {
            copies,
            loose,
            judge,
            lists: zeros(entries)?,
            codes: zeros(entries.saturating_mul(loose))?,
            terms: zeros(if plan.coding.form().terms() { entries } else { 0 })?,
            scales: zeros(if matches!(plan.coding, Coding::Planes(_)) { entries } else { 0 })?,
            judges: zeros(count.saturating_mul(judge))?,
            lost: (0.0, 0.0),
            fresh: 0,
        })
    }

    /// The mean squared error of what was coded here, as a share of the mean squared length.
    pub(super) fn error(&self) -> f32 {
        if self.lost.1 > 0.0 { (self.lost.0 / self.lost.1) as f32 } else { 0.0 }
    }

    /// The mean squared length of what was coded here.
    fn length(&self) -> f32 {
        (self.lost.1 / f64::from(self.fresh.max(1))) as f32
    }

    /// Codes all vectors but those that `taken` has entries for, which it gives to its second argument.
    pub(super) fn code_with(
        &mut self,
        plan: &Plan,
        source: &dyn Source,
        work: &Work<'_>,
        taken: &mut TakenOf<'_>,
    ) -> Result<(), IndexError> {
        let dims = plan.space.dims();
        let round = (ROUND_BYTES / (dims * 4)).clamp(PIECE, 1 << 13);
        let mut held: Vec<f32> = reserved(round.saturating_mul(dims))?;
        let mut slots: Vec<usize> = reserved(round)?;
        let total = source.count() as u64;
        source.visit(&mut |slot, vector| {
            if taken(slot, &mut |taken| self.take(slot, taken)) {
                return Ok(());
            }
            held.extend_from_slice(vector);
            slots.push(slot);
            if slots.len() == round {
                self.round(plan, &held, &slots, work);
                held.clear();
                slots.clear();
                work.step(slot as u64, total)?;
            }
            Ok(())
        })?;
        self.round(plan, &held, &slots, work);
        work.step(total, total)
    }

    fn take(&mut self, slot: usize, taken: &Taken<'_>) {
        let copy = |to: &mut [u8], from: &[u8]| to.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
        self.lists[slot] = taken.list;
        copy(&mut self.codes[slot * self.loose..(slot + 1) * self.loose], taken.codes);
        copy(&mut self.judges[slot * self.judge..(slot + 1) * self.judge], taken.judge);
        for (numbers, number) in [(&mut self.terms, taken.term), (&mut self.scales, taken.scale)] {
            if let Some(place) = numbers.get_mut(slot) {
                *place = number;
            }
        }
    }

    fn round(&mut self, plan: &Plan, held: &[f32], slots: &[usize], work: &Work<'_>) {
        let dims = plan.space.dims();
        let pieces = in_parallel(work.parallel, slots.len().div_ceil(PIECE), 1, &|piece| {
            let range = piece * PIECE..slots.len().min((piece + 1) * PIECE);
            code_some(plan, &held[range.start * dims..range.end * dims])
        });
        for (piece, slots) in pieces.iter().zip(slots.chunks(PIECE)) {
            for (at, slot) in slots.iter().enumerate() {
                let (from, to) = (at * self.copies, slot * self.copies);
                let put = |to: &mut [u8], from: &[u8], place: usize, at: usize, len: usize| {
                    to[place * len..(place + 1) * len].copy_from_slice(&from[at * len..(at + 1) * len]);
                };
                self.lists[to..to + self.copies].copy_from_slice(&piece.lists[from..from + self.copies]);
                put(&mut self.codes, &piece.codes, *slot, at, self.loose * self.copies);
                put(&mut self.judges, &piece.judges, *slot, at, self.judge);
                for (all, some) in [(&mut self.terms, &piece.terms), (&mut self.scales, &piece.scales)] {
                    if !all.is_empty() {
                        all[to..to + self.copies].copy_from_slice(&some[from..from + self.copies]);
                    }
                }
            }
            self.lost.0 += piece.lost.0;
            self.lost.1 += piece.lost.1;
        }
        self.fresh += slots.len() as u32;
    }
}

/// Codes vectors one after the other.
fn code_some(plan: &Plan, vectors: &[f32]) -> Piece {
    let (dims, points) = (plan.space.dims(), plan.space.points());
    let reduced = plan.reduction.reduced(points);
    let count = vectors.len() / dims;
    let judge = plan.judge.map_or(0, |coder| coder.stride());
    let mut piece = Piece {
        lists: Vec::new(),
        codes: Vec::new(),
        terms: Vec::new(),
        scales: Vec::new(),
        judges: vec![0; count * judge],
        lost: (0.0, 0.0),
    };
    let (mut placed, mut shorter) = (vec![0.0; count * points], vec![0.0; count * reduced]);
    let mut norms = Vec::with_capacity(count);
    let pairs = vectors.chunks_exact(dims).zip(placed.chunks_exact_mut(points));
    for (at, (vector, point)) in pairs.enumerate() {
        plan.space.point(vector, point);
        let norm = Coder::norm(point);
        norms.push(norm);
        if let Some(coder) = plan.judge {
            coder.encode(point, norm, &mut piece.judges[at * judge..(at + 1) * judge]);
        }
    }
    plan.reduction.apply_all(&placed, points, &mut shorter);
    for (at, norm) in norms.iter_mut().enumerate() {
        let of = |all: &'_ [f32], dims: usize| at * dims..((at + 1) * dims).min(all.len());
        let (whole, short) = (&placed[of(&placed, points)], &shorter[of(&shorter, reduced)]);
        *norm = plan.reduction.norm(whole, *norm, short);
    }
    let mut chosen = Vec::with_capacity(count * 2);
    let all = Points { values: &shorter, dims: reduced };
    plan.centroids.each_nearest(all, |at, list, _, distances| {
        chosen.push(list);
        if plan.spill {
            chosen.push(second(plan, all.get(at), list, distances));
        }
    });
    let copies = if plan.spill { 2 } else { 1 };
    for (at, lists) in chosen.chunks_exact(copies).enumerate() {
        let point = all.get(at);
        for (copy, list) in lists.iter().enumerate() {
            let lost = code_one(plan, point, norms[at], *list, &mut piece);
            if copy == 0 {
                piece.lost.0 += f64::from(lost);
                piece.lost.1 += f64::from(norms[at]);
            }
        }
    }
    piece.lists = chosen;
    piece
}

/// Adds the codes of an entry; gives the squared error.
fn code_one(plan: &Plan, point: &[f32], norm: f32, list: u32, piece: &mut Piece) -> f32 {
    let start = piece.codes.len();
    piece.codes.resize(start + plan.coding.loose(), 0);
    let codes = &mut piece.codes[start..];
    let centroid = if plan.residual { plan.centroids.get(list as usize) } else { &[] };
    let rest: Vec<f32> = match plan.residual {
        true => point.iter().zip(centroid).map(|(x, c)| x - c).collect(),
        false => point.to_vec(),
    };
    let mut decoded = vec![0.0; point.len()];
    // What axes that were left out hold.
    let beyond = (norm - Coder::norm(point)).max(0.0);
    match &plan.coding {
        Coding::Vectors => 0.0,
        Coding::Rows(coder) => {
            coder.encode(point, norm, codes);
            coder.decode(codes, &mut decoded);
            squared_distance(point, &decoded) + beyond
        }
        Coding::Parts(book) => {
            book.encode(&rest, codes, &mut decoded);
            let lost = squared_distance(&rest, &decoded) + beyond;
            decoded.iter_mut().zip(centroid).for_each(|(x, c)| *x += c);
            piece.terms.push((Coder::norm(&decoded) + lost - Coder::norm(centroid)) * 0.5);
            lost
        }
        Coding::Planes(planes) => {
            let scale = planes.encode(&rest, codes, &mut decoded);
            let with_centroid: f64 = decoded.iter().zip(centroid).map(|(u, c)| f64::from(u * c)).sum();
            piece.terms.push((Coder::norm(&rest) + beyond) * 0.5 + scale * with_centroid as f32);
            piece.scales.push(scale);
            decoded.iter_mut().for_each(|u| *u *= scale);
            squared_distance(&rest, &decoded) + beyond
        }
    }
}

fn squared_distance(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| f64::from(a - b) * f64::from(a - b)).sum::<f64>() as f32
}

/// The second list of a point: near, and with a residual that points elsewhere than the first one's, so that a query that
/// misses the one finds the other (SOAR, arXiv 2404.00774).
fn second(plan: &Plan, point: &[f32], first: u32, distances: &[f32]) -> u32 {
    let mut near: Vec<(f32, u32)> = distances
        .iter()
        .enumerate()
        .filter(|(list, _)| *list as u32 != first)
        .map(|(list, distance)| (*distance, list as u32))
        .collect();
    if near.len() > SECOND_OF {
        near.select_nth_unstable_by(SECOND_OF - 1, |a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        near.truncate(SECOND_OF);
    }
    let residual =
        |list: u32| point.iter().zip(plan.centroids.get(list as usize)).map(|(x, c)| f64::from(x - c));
    let length: f64 = residual(first).map(|x| x * x).sum();
    let cost = |list: u32| {
        let squared: f64 = residual(list).map(|x| x * x).sum();
        let along: f64 = residual(list).zip(residual(first)).map(|(a, b)| a * b).sum();
        squared + if length > 0.0 { along * along / length } else { 0.0 }
    };
    let best = near
        .iter()
        .map(|(_, list)| (cost(*list), *list))
        .min_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    best.map_or(first, |(_, list)| list)
}

/// What the head says of training.
#[derive(Clone, Copy)]
pub(super) struct Trained {
    pub(super) planned: u32,
    pub(super) error: f32,
    /// The mean squared length.
    pub(super) length: f32,
    pub(super) added_error: f32,
    pub(super) added: u32,
}

/// Writes all sections but those of `flat`.
pub(super) fn write(
    spec: &DenseSpec,
    plan: &Plan,
    coded: &Coded,
    groups: Option<Groups>,
    trained: Trained,
    sink: &mut dyn SectionSink,
) -> Result<(), IndexError> {
    let lists = plan.centroids.len();
    let order = Order::new(lists, coded)?;
    let points = plan.space.points();
    let scale = terms(&coded.terms);
    let largest = scale_most(&coded.scales);
    let head = Head {
        count: (coded.lists.len() / coded.copies) as u32,
        entries: coded.lists.len() as u32,
        lists: lists as u32,
        blocks: order.blocks.last().copied().unwrap_or(0),
        form: plan.coding.form(),
        reduced: plan.reduction.reduced(points) as u32,
        points: points as u32,
        judge_stride: coded.judge as u32,
        residual: plan.residual,
        spill: plan.spill,
        judged: plan.judge.is_some(),
        planned: trained.planned,
        terms: scale,
        error: trained.error,
        added_error: trained.added_error,
        added: trained.added,
        seed: spec.options.seed,
        scale: largest,
        length: trained.length,
    };
    sink.begin("ivf")?;
    sink.write(bytemuck::cast_slice(&head.numbers()))?;
    plan.space.write_as(center(spec), sink)?;
    plan.reduction.write(points, sink)?;
    sink.begin("centroids")?;
    sink.write(bytemuck::cast_slice(&plan.centroids.values))?;
    sink.begin("coarse")?;
    sink.write(&plan.centroids.codes)?;
    if let Some(groups) = groups {
        sink.begin("group_ends")?;
        sink.write(bytemuck::cast_slice(&groups.ends))?;
        sink.begin("group_coarse")?;
        sink.write(&groups.codes)?;
    }
    if let Coding::Parts(book) = &plan.coding {
        sink.begin("codebook")?;
        sink.write(bytemuck::cast_slice(book.values()))?;
    }
    sink.begin("list_ends")?;
    sink.write(bytemuck::cast_slice(&order.ends))?;
    sink.begin("list_blocks")?;
    sink.write(bytemuck::cast_slice(&order.blocks))?;
    order.write(coded, sink)?;
    write_codes(plan, coded, &order, sink)?;
    if plan.coding.form().terms() {
        write_numbers("list_terms", &order, sink, |entry| scale.code(coded.terms[entry]))?;
    }
    let code = |scale: f32| if largest > 0.0 { scale / largest * 65_535.0 + 0.5 } else { 0.0 };
    if plan.coding.form().terms() {
        far::write(coded, order.entries(), |term, s| scale.beyond(term) || code(s) >= 65_536.0, sink)?;
    }
    if let Coding::Planes(_) = plan.coding {
        write_numbers("list_scales", &order, sink, |entry| code(coded.scales[entry]) as u16)?;
    }
    Ok(())
}

/// Writes a number of each entry, in blocks.
fn write_numbers(
    name: &str,
    order: &Order,
    sink: &mut dyn SectionSink,
    code: impl Fn(usize) -> u16,
) -> Result<(), IndexError> {
    let mut sink = ArraySink::<u16>::begin(sink, name)?;
    order.each_block(|block| {
        let codes = block.iter().map(|entry| code(*entry as usize));
        codes.chain(std::iter::repeat(u16::MAX)).take(BLOCK).try_for_each(|code| sink.push(code))
    })?;
    sink.flush()
}

fn write_codes(
    plan: &Plan,
    coded: &Coded,
    order: &Order,
    sink: &mut dyn SectionSink,
) -> Result<(), IndexError> {
    let row = |entry: &u32| &coded.codes[*entry as usize * coded.loose..][..coded.loose];
    match &plan.coding {
        Coding::Vectors => Ok(()),
        coding if coding.nibbles() > 0 => {
            sink.begin("list_codes")?;
            let mut bytes = vec![0u8; block_bytes(coding.nibbles())];
            order.each_block(|block| {
                bytes.fill(0);
                for (at, entry) in block.iter().enumerate() {
                    let half = BLOCK / 2;
                    let shift = if at < half { 0 } else { 4 };
                    for (part, code) in row(entry).iter().enumerate() {
                        bytes[part * half + at % half] |= code << shift;
                    }
                }
                sink.write(&bytes)
            })
        }
        _ => {
            sink.begin("list_codes")?;
            order.each_block(|block| block.iter().try_for_each(|entry| sink.write(row(entry))))
        }
    }
}
