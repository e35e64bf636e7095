//! Merges as the engine makes them: parts, of whose rows some are kept.

use crate::common::{Owned, Rng};
use crate::index::{Index, around, kind, normal};
use tercet_index::{Bitmap, DenseSource, DenseSpec, DenseStream, EachVector, IndexError, Sections, Work};

/// Indexes, of whose rows some are kept.
pub struct Merge<'a> {
    pub parts: Vec<(&'a Index, Bitmap)>,
}

impl Merge<'_> {
    /// For each vector that is kept: its part, its slot, its old row, and its new row.
    fn kept(&self) -> Vec<(usize, usize, u32, u32)> {
        let (mut all, mut base) = (Vec::new(), 0);
        for (at, (index, live)) in self.parts.iter().enumerate() {
            // Rows without a vector move too.
            let places: Vec<u32> = live.iter().collect();
            for (slot, row) in index.slots.iter().enumerate() {
                if let Ok(place) = places.binary_search(row) {
                    all.push((at, slot, *row, base + place as u32));
                }
            }
            base += places.len() as u32;
        }
        all
    }

    pub fn run(&self, spec: &DenseSpec, work: &Work<'_>) -> Result<Index, IndexError> {
        let kept = self.kept();
        let mut values = Vec::new();
        for (part, slot, _, _) in &kept {
            values.extend(self.parts[*part].0.vector(*slot).to_f32());
        }
        let rows = self.parts.iter().map(|(_, live)| live.count()).sum();
        let mut sections = Sections::new();
        (kind().merge)(spec, rows, self, &mut sections, work)?;
        let slots = kept.iter().map(|kept| kept.3).collect();
        Ok(Index::open(spec, rows, slots, Owned::F32(values), sections))
    }
}

impl DenseStream for Merge<'_> {
    fn for_each(&self, each: &mut EachVector<'_>) -> Result<(), IndexError> {
        self.kept()
            .into_iter()
            .try_for_each(|(part, slot, _, row)| each(row, self.parts[part].0.vector(slot)))
    }

    fn sources(&self) -> Vec<DenseSource<'_>> {
        let kept = self.kept();
        let of = |at: usize| kept.iter().filter(move |kept| kept.0 == at).map(|kept| (kept.2, kept.3));
        let source = |at: usize| DenseSource {
            reader: self.parts[at].0.reader.as_ref(),
            kept: Box::new(of(at).collect::<Vec<_>>().into_iter()),
        };
        (0..self.parts.len()).map(source).collect()
    }
}

/// All rows but those that leave.
pub fn without(index: &Index, leaves: impl Fn(u32) -> bool) -> Bitmap {
    let mut live = Bitmap::full(index.rows);
    (0..index.rows).filter(|row| leaves(*row)).for_each(|row| {
        live.clear(row);
    });
    live
}

/// Where vectors come from, time after time: around centres that stay, until somebody moves them.
pub struct Source {
    pub rng: Rng,
    pub centres: Vec<f32>,
    dims: usize,
}

impl Source {
    pub fn new(dims: usize, seed: u64) -> Source {
        let mut rng = Rng(seed);
        let centres = (0..10 * dims).map(|_| normal(&mut rng)).collect();
        Source { rng, centres, dims }
    }

    pub fn vectors(&mut self, count: usize) -> Owned {
        Owned::F32(around(&mut self.rng, &self.centres, count, self.dims))
    }
}
