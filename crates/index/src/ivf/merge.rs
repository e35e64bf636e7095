//! Merging: centroids and codebooks of the largest inverted file stay, its entries are taken over, and the other vectors are
//! coded by them; when there are several times as many vectors as it was trained for, or one that its space has no point
//! for, everything is trained anew.

use super::LISTS_FROM;
use super::alone::alone;
use super::arrange::{arranged, joined};
use super::entries::Entries;
use super::make::{Coded, Taken, Trained, kept, make, write};
use super::plan::lists;
use super::reader::{IvfReader, Stage};
use super::source::{Each, Source, check_count};
use crate::dense::{DenseSpec, DenseStream, Work};
use crate::reused::{self, Largest, NONE};
use crate::values::Values;
use crate::{IndexError, SectionSink, flat};

/// Centroids are used again while the merged segment has at most so many times the vectors they were trained for.
const GROWTH: usize = 4;
/// ... and while what was added loses at most so many times what was lost in training, unless it is less than this share.
const DRIFT: f64 = 4.0;
const DRIFT_SHARE: u32 = 16;

/// A stream of vectors, by slot.
struct Streamed<'a> {
    vectors: &'a dyn DenseStream,
    count: usize,
}

impl Source for Streamed<'_> {
    fn queries(&self) -> Option<Values<'_>> {
        self.vectors.queries()
    }

    fn count(&self) -> usize {
        self.count
    }

    fn visit(&self, each: &mut Each<'_>) -> Result<(), IndexError> {
        let (mut slot, mut floats) = (0, Vec::new());
        self.vectors.for_each(&mut |_, vector| {
            vector.write_f32(&mut floats);
            slot += 1;
            each(slot - 1, &floats)
        })
    }
}

pub(super) fn merge(
    spec: &DenseSpec,
    rows: u32,
    vectors: &dyn DenseStream,
    sink: &mut dyn SectionSink,
    work: &Work<'_>,
) -> Result<(), IndexError> {
    // Where codes are all that is kept, vectors come from codes, and go into them where nothing can be taken over.
    let alone = alone(spec) && !vectors.plain();
    if !alone {
        (flat::KIND.merge)(&kept(spec), rows, vectors, sink, work)?;
    }
    if vectors.plain() {
        return Ok(());
    }
    let mut base = Reused::largest(spec, rows, vectors)?;
    let (mut slots, mut filled): (Vec<u32>, Vec<u32>) = (Vec::new(), Vec::new());
    let (mut fits, mut floats) = (true, Vec::new());
    let mut point = vec![0.0; base.as_ref().map_or(0, |base| base.stage.plan.space.points())];
    vectors.for_each(&mut |row, vector| {
        let entry = base.as_ref().and_then(|base| base.entries.get(row as usize).copied()).unwrap_or(NONE);
        slots.try_reserve(1).map_err(|_| IndexError::Memory { bytes: 4 })?;
        slots.push(entry);
        if alone {
            push_row(&mut filled, row, rows)?;
        }
        if let Some(base) = base.as_ref().filter(|_| fits && entry == NONE) {
            vector.write_f32(&mut floats);
            fits = base.stage.plan.space.fits(&floats, &mut point);
        }
        Ok(())
    })?;
    base = base.filter(|_| fits);
    let source = Streamed { vectors, count: slots.len() };
    check_count(source.count)?;
    if alone && source.count < LISTS_FROM {
        return (flat::KIND.merge)(&kept(spec), rows, vectors, sink, work);
    }
    if alone && filled.len() as u64 != u64::from(rows) {
        sink.begin("rows")?;
        sink.write(bytemuck::cast_slice(&filled))?;
    }
    match base {
        Some(base) => base.grow(spec, &slots, &source, sink, work),
        None if source.count >= LISTS_FROM => make(spec, &source, sink, work),
        None => Ok(()),
    }
}

/// Adds a row with a vector: above those before it, and one of the segment.
fn push_row(filled: &mut Vec<u32>, row: u32, rows: u32) -> Result<(), IndexError> {
    if let Some(&after) = filled.last().filter(|after| **after >= row) {
        return Err(IndexError::Order { what: "rows with a vector".into(), after, row });
    }
    if row >= rows {
        return Err(IndexError::shape("rows of the segment", rows.into(), u64::from(row) + 1));
    }
    filled.try_reserve(1).map_err(|_| IndexError::Memory { bytes: 4 })?;
    filled.push(row);
    Ok(())
}

/// What a merge holds of a vector: its codes, a byte a part, the judge's, and some words.
pub(super) fn bytes(spec: &DenseSpec) -> u64 {
    (spec.dims as u64).saturating_mul(2) + 64
}

/// An inverted file that is used again.
struct Reused<'a> {
    stage: &'a Stage,
    /// The old entry of each new row, [`NONE`] where the row comes from elsewhere.
    entries: Vec<u32>,
}

impl<'a> Reused<'a> {
    /// The one with the most vectors, if it is worth it.
    fn largest(
        spec: &DenseSpec,
        rows: u32,
        vectors: &'a dyn DenseStream,
    ) -> Result<Option<Self>, IndexError> {
        let Some(Largest { stage, kept, total }) =
            reused::largest(vectors, |reader| reader.as_any().downcast_ref::<IvfReader>()?.stage.as_ref())
        else {
            return Ok(None);
        };
        let asked = spec.options.ivf.lists;
        let as_asked = asked == 0 || lists(&spec.options, total) <= stage.head.lists as usize;
        let worth = total >= LISTS_FROM
            && total <= (stage.head.planned as usize).saturating_mul(GROWTH)
            && total.saturating_mul(GROWTH) >= stage.head.planned as usize
            && as_asked;
        if !worth {
            return Ok(None);
        }
        // Entries of vectors in two lists are made anew: they are near each other in no order.
        let places = if stage.head.spill { &[][..] } else { stage.places.all()? };
        let entry_of = |slot: u32| {
            let entry = places.get(slot as usize).copied();
            entry.filter(|entry| *entry < stage.head.count)
        };
        let entries = reused::old_numbers(rows, &kept, stage.slots.as_ref(), entry_of)?;
        Ok(Some(Reused { stage, entries }))
    }

    fn grow(
        &self,
        spec: &DenseSpec,
        slots: &[u32],
        source: &Streamed<'_>,
        sink: &mut dyn SectionSink,
        work: &Work<'_>,
    ) -> Result<(), IndexError> {
        let stage = self.stage;
        let mut plan = stage.whole_plan()?;
        let numbers = joined(&mut plan);
        let old = Entries::verified(stage)?;
        let mut coded = Coded::new(&plan, slots.len())?;
        let mut codes = vec![0; stage.plan.coding.loose()];
        coded.code_with(&plan, source, work, &mut |slot, take| {
            let entry = slots.get(slot).copied().unwrap_or(NONE);
            if entry == NONE {
                return false;
            }
            let Some((list, term, scale)) = old.get(entry, &mut codes) else { return false };
            let Some(&list) = numbers.get(list as usize) else { return false };
            take(&Taken { list, term, scale, codes: &codes, judge: old.judge(entry) });
            true
        })?;
        let head = &stage.head;
        let (added, fresh) = (f64::from(head.added), f64::from(coded.fresh));
        let error = f64::from(head.added_error) * added + f64::from(coded.error()) * fresh;
        let trained = Trained {
            planned: head.planned,
            error: head.error,
            length: head.length,
            added_error: if added + fresh > 0.0 { (error / (added + fresh)) as f32 } else { 0.0 },
            added: head.added.saturating_add(coded.fresh),
        };
        let drifted = f64::from(trained.added_error) > f64::from(trained.error) * DRIFT
            && trained.added >= slots.len() as u32 / DRIFT_SHARE;
        if drifted {
            drop(coded);
            return make(spec, source, sink, work);
        }
        let groups = arranged(spec, &mut plan, &mut coded, work)?;
        write(spec, &plan, &coded, groups, trained, sink)
    }
}
