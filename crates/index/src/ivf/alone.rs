//! Codes that are all that is kept: scores and vectors are what codes say.
//!
//! The distance of a query to what an entry stands for is taken from tables of numbers and from the centroid itself, so that a
//! score is finer than what the scan ranks by, and the same bits wherever it is asked for.

use super::entries::Entries;
use super::plan::Coding;
use super::reader::{IvfReader, Stage};
use super::scan::based;
use crate::IndexError;
use crate::dense::{Codec, DenseSpec, Rerank};
use crate::quant::{Asked, CodeQuery, Coder};
use crate::values::Dtype;

/// Sums side by side, of a product in one order.
const LANES: usize = 8;

/// Whether nothing but the codes of lists is kept. A vector in two lists would have two of them.
pub(super) fn alone(spec: &DenseSpec) -> bool {
    let options = &spec.options;
    !options.keep
        && options.ivf.rerank == Rerank::None
        && !options.ivf.spill
        && matches!(spec.dtype, Dtype::F32 | Dtype::F16)
        && !matches!(options.codec, Codec::F32 | Codec::F16)
}

/// A query beside codes.
pub(super) struct CodeScores<'a> {
    pub(super) stage: &'a Stage,
    pub(super) entries: Entries<'a>,
    /// The query as what is coded is: reduced.
    pub(super) reduced: &'a [f32],
    /// Its tables, of parts and planes.
    pub(super) tables: &'a [f32],
    /// Itself as a code, for rows.
    pub(super) query: &'a CodeQuery,
    /// What its distances lack beside those of points: of a prefix its own half length counts.
    pub(super) less: f32,
    pub(super) asked: &'a Asked,
}

impl CodeScores<'_> {
    /// The score of an entry; `None` where a table is damaged.
    pub(super) fn score(&self, entry: u32) -> Option<f32> {
        Some(self.stage.plan.space.score(self.distance(entry)? + self.less, self.asked))
    }

    fn distance(&self, entry: u32) -> Option<f32> {
        if let Coding::Rows(coder) = &self.stage.plan.coding {
            let codes = self.entries.row(entry, coder.stride())?;
            let mut distance = [0.0];
            coder.distances_in_order(self.query, codes, &mut distance);
            return Some(distance[0]);
        }
        let (list, distance) = self.entries.distance(entry, self.tables, self.asked.weight)?;
        Some(if based(self.stage) { distance + self.to_centroid(list as usize)? } else { distance })
    }

    /// The distance to a list's centroid.
    fn to_centroid(&self, list: usize) -> Option<f32> {
        let dims = self.reduced.len();
        let centroid = self.stage.centroids.unverified().get(list * dims..(list + 1) * dims)?;
        let half = 0.5 * self.asked.weight;
        let mut sums = [0.0f32; LANES];
        for (xs, cs) in self.reduced.chunks(LANES).zip(centroid.chunks(LANES)) {
            for ((sum, x), c) in sums.iter_mut().zip(xs).zip(cs) {
                *sum += c * (half * c - x);
            }
        }
        Some(sums.iter().sum())
    }
}

impl IvfReader {
    /// The position of a row's vector; `None` when it has none.
    pub(super) fn position_of(&self, stage: &Stage, row: u32) -> Result<Option<u32>, IndexError> {
        let slot = match &stage.slots {
            None => Some(row).filter(|row| *row < stage.head.count),
            Some(slots) => slots.all()?.binary_search(&row).ok().map(|slot| slot as u32),
        };
        let Some(slot) = slot else { return Ok(None) };
        let position = stage.places.get(slot as usize)?;
        if position >= stage.head.count {
            return Err(stage.places.corrupt(format!("slot {slot} at position {position}")));
        }
        Ok(Some(position))
    }

    /// The vector that a row's codes stand for; `None` when it has none.
    pub(super) fn decoded(&self, stage: &Stage, row: u32) -> Result<Option<Vec<f32>>, IndexError> {
        let Some(position) = self.position_of(stage, row)? else { return Ok(None) };
        let damaged = || stage.ends.corrupt(format!("position {position} lies in no list"));
        let entries = Entries::unverified(stage);
        let reduced = entries.decoded(position).ok_or_else(damaged)?;
        let mut point = vec![0.0; stage.plan.space.points()];
        stage.plan.reduction.back(&reduced, &mut point);
        let mut vector = Vec::new();
        stage.plan.space.vector(&point, &mut vector);
        Ok(Some(vector))
    }
}

impl Entries<'_> {
    /// The reduced point that an entry's codes stand for; `None` where a table is damaged.
    fn decoded(&self, entry: u32) -> Option<Vec<f32>> {
        let plan = &self.stage().plan;
        let mut codes = vec![0; plan.coding.loose()];
        let (list, _, scale) = self.get(entry, &mut codes)?;
        let mut point = vec![0.0; plan.centroids.dims];
        match &plan.coding {
            Coding::Vectors => return None,
            Coding::Rows(coder) => coder.decode(&codes, &mut point),
            Coding::Parts(book) => book.decode(&codes, &mut point),
            Coding::Planes(planes) => planes.decode(&codes, scale, &mut point),
        }
        if based(self.stage()) {
            let start = list as usize * point.len();
            let centroid = self.stage().centroids.unverified().get(start..start + point.len())?;
            point.iter_mut().zip(centroid).for_each(|(x, c)| *x += c);
        }
        Some(point)
    }
}

/// Half the squared length of a query as distances of codes have it, less that of its point: no prefix has the whole.
pub(super) fn less(stage: &Stage, judge: &CodeQuery, reduced: &[f32]) -> f32 {
    match &stage.plan.reduction {
        crate::reduce::Reduction::UnitPrefix(_) => Coder::norm(reduced) * 0.5 - judge.half_norm,
        _ => 0.0,
    }
}
