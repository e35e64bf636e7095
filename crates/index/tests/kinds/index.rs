//! An index with all that went into it, made vectors, and the true neighbours.

pub use crate::common::Threads;
use crate::common::{Owned, Rng, subset};
use tercet_index::{
    Answered, Bitmap, Counters, DenseInput, DenseKind, DenseReader, DenseSearch, DenseSpec, Distance, Dtype,
    Effort, MemorySections, Scored, Sections, TopK, Values, Work, dense_kind,
};

pub fn kind() -> &'static DenseKind {
    dense_kind(crate::KIND).unwrap()
}

/// The spec of a small graph.
pub fn spec(dims: usize, metric: Distance, dtype: Dtype) -> DenseSpec {
    let mut spec = DenseSpec { metric, dtype, ..DenseSpec::new(dims, tercet_index::Metric::L2) };
    (spec.options.m, spec.options.ef_construction) = (8, 48);
    spec
}

pub fn floats(dims: usize, metric: Distance) -> DenseSpec {
    spec(dims, metric, Dtype::F32)
}

/// About normal.
pub fn normal(rng: &mut Rng) -> f32 {
    rng.component() + rng.component() + rng.component()
}

/// Vectors in clusters whose later components are smaller, as those of a trained model are.
pub fn clusters(rng: &mut Rng, count: usize, dims: usize, clusters: usize) -> Vec<f32> {
    let centres: Vec<f32> = (0..clusters * dims).map(|_| normal(rng)).collect();
    around(rng, &centres, count, dims)
}

/// Vectors around centres, one centre after the other.
pub fn around(rng: &mut Rng, centres: &[f32], count: usize, dims: usize) -> Vec<f32> {
    let clusters = centres.len() / dims;
    let mut values = Vec::with_capacity(count * dims);
    for at in 0..count {
        let centre = &centres[at % clusters * dims..][..dims];
        values.extend(
            centre
                .iter()
                .enumerate()
                .map(|(d, centre)| (centre + 0.7 * normal(rng)) / (1.0 + d as f32 / 6.0)),
        );
    }
    values
}

pub struct Index {
    pub spec: DenseSpec,
    pub rows: u32,
    /// The row of each vector.
    pub slots: Vec<u32>,
    pub values: Owned,
    /// The same as numbers.
    pub numbers: Vec<f64>,
    pub sections: Sections,
    pub reader: Box<dyn DenseReader>,
}

impl Index {
    /// Every row has a vector.
    pub fn dense(spec: &DenseSpec, values: Owned) -> Index {
        Self::build(spec, values, None, &Work::inline())
    }

    /// As many rows have none as have one.
    pub fn sparse(spec: &DenseSpec, values: Owned) -> Index {
        let count = values.values().len() / spec.dtype.elements(spec.dims);
        let mut rng = Rng(count as u64);
        let mut row = 0;
        let rows = (0..count).map(|_| {
            let here = row + rng.below(3);
            row = here + 1;
            here
        });
        let rows: Vec<u32> = rows.collect();
        Self::build(spec, values, Some(rows), &Work::inline())
    }

    pub fn build(spec: &DenseSpec, values: Owned, present: Option<Vec<u32>>, work: &Work<'_>) -> Index {
        let count = (values.values().len() / spec.dtype.elements(spec.dims)) as u32;
        let rows = present.as_ref().map_or(count, |rows| rows.last().unwrap() + 5);
        let input = DenseInput { queries: None, rows, present: present.as_deref(), values: values.values() };
        let sections = (kind().build)(spec, &input, work).unwrap();
        Self::open(spec, rows, present.unwrap_or_else(|| (0..count).collect()), values, sections)
    }

    pub fn open(spec: &DenseSpec, rows: u32, slots: Vec<u32>, values: Owned, sections: Sections) -> Index {
        let reader = (kind().open)(spec, rows, &MemorySections::new(&sections)).unwrap();
        reader.verify().unwrap();
        assert_eq!(reader.len(), slots.len());
        let numbers = numbers(values.values());
        Index { spec: spec.clone(), rows, slots, values, numbers, sections, reader }
    }

    pub fn elements(&self) -> usize {
        self.spec.dtype.elements(self.spec.dims)
    }

    pub fn vector(&self, slot: usize) -> Values<'_> {
        self.values.values().at(slot, self.elements()).unwrap()
    }

    pub fn bytes(&self) -> usize {
        self.sections.iter().map(|(_, bytes)| bytes.len()).sum()
    }

    pub fn section(&self, name: &str) -> Option<&[u8]> {
        self.sections.iter().find(|(found, _)| found == name).map(|(_, bytes)| bytes.as_slice())
    }

    pub fn find(&self, search: &DenseSearch<'_>, top: TopK) -> (Vec<Scored>, Answered, Counters) {
        let (mut top, mut counters) = (top, Counters::default());
        let answered = self.reader.search(search, &mut top, &mut counters).unwrap();
        (top.into_sorted(), answered, counters)
    }

    pub fn ten(&self, query: Values<'_>, ef: u32, allowed: Option<&Bitmap>) -> (Vec<Scored>, Answered) {
        let search = DenseSearch { effort: Effort::Ef(ef), allowed, ..DenseSearch::new(query) };
        let (hits, answered, _) = self.find(&search, TopK::new(10));
        (hits, answered)
    }

    /// Queries one by one.
    pub fn each_query<'q>(&self, queries: &'q Owned) -> impl Iterator<Item = Values<'q>> {
        let elements = self.elements();
        (0..queries.values().len() / elements).map(move |at| queries.values().at(at, elements).unwrap())
    }

    /// The true scores of all allowed rows, best first.
    pub fn truth(&self, query: Values<'_>, allowed: Option<&Bitmap>) -> Vec<(f64, u32)> {
        let query = numbers(query);
        let width = query.len().max(1);
        let mut all: Vec<(f64, u32)> = (0..self.slots.len())
            .filter(|slot| allowed.is_none_or(|allowed| allowed.contains(self.slots[*slot])))
            .map(|slot| {
                let vector = &self.numbers[slot * width..(slot + 1) * width];
                (score(self.spec.metric, &query, vector), self.slots[slot])
            })
            .collect();
        all.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        all
    }

    /// The share of the true ten that are found, over queries; of equal scores any will do.
    pub fn recall(&self, queries: &Owned, ef: u32, allowed: Option<&Bitmap>) -> f64 {
        let (mut found, mut wanted) = (0, 0);
        for query in self.each_query(queries) {
            let mut truth = self.truth(query, allowed);
            truth.truncate(10);
            let (hits, _) = self.ten(query, ef, allowed);
            assert_eq!(hits.len(), truth.len(), "as many as there are");
            assert!(hits.iter().all(|hit| allowed.is_none_or(|allowed| allowed.contains(hit.row))));
            let Some(last) = truth.last() else { continue };
            let least = last.0 - 1e-5 * (1.0 + last.0.abs());
            found += hits.iter().filter(|hit| f64::from(hit.score) >= least).count();
            wanted += truth.len();
        }
        found as f64 / wanted as f64
    }
}

/// The components as numbers; bits as 0 and 1.
pub fn numbers(values: Values<'_>) -> Vec<f64> {
    values.to_f32().iter().map(|x| f64::from(*x)).collect()
}

/// The score from its definition.
pub fn score(metric: Distance, a: &[f64], b: &[f64]) -> f64 {
    let sum = |f: &dyn Fn(f64, f64) -> f64| a.iter().zip(b).map(|(x, y)| f(*x, *y)).sum::<f64>();
    let ratio = |up: f64, down: f64| if down > 0.0 { up / down } else { 0.0 };
    match metric {
        Distance::Dot => sum(&|x, y| x * y),
        Distance::L2 | Distance::Hamming => -sum(&|x, y| (x - y) * (x - y)),
        Distance::Cosine => ratio(sum(&|x, y| x * y), (sum(&|x, _| x * x) * sum(&|_, y| y * y)).sqrt()),
        Distance::Jaccard => ratio(sum(&|x, y| x * y), sum(&|x, y| x.max(y))),
    }
}

/// Bits in clusters: those of a centre, of which about one in eight is another.
pub fn bits(rng: &mut Rng, centres: &[u8], count: usize, bytes: usize) -> Vec<u8> {
    let clusters = centres.len() / bytes;
    (0..count * bytes)
        .map(|at| {
            let noise = rng.next() & rng.next() & rng.next();
            centres[at / bytes % clusters * bytes + at % bytes] ^ noise as u8
        })
        .collect()
}

/// Rows by chance.
pub fn at_random(index: &Index, share: f64) -> Bitmap {
    subset(&mut Rng(77), index.rows, share)
}

/// The share of the rows that lie farthest from a query.
pub fn farthest(index: &Index, query: Values<'_>, share: f64) -> Bitmap {
    let truth = index.truth(query, None);
    let count = ((truth.len() as f64 * share) as usize).max(1);
    let mut rows = Bitmap::new(index.rows);
    truth.iter().rev().take(count).for_each(|(_, row)| {
        rows.set(*row);
    });
    rows
}
