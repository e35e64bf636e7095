//! Sections that lie: a typed error, or a worse answer; never a panic, a hang, or a row that there is not.

use crate::common::{Owned, Rng};
use crate::index::{Index, at_random, clusters, floats, kind};
use crate::merge::{Merge, without};
use tercet_index::{
    Bitmap, Codec, Counters, DenseReader, DenseSearch, Distance, Effort, IndexError, MemorySections,
    Sections, TopK, Values, Work,
};

const DIMS: usize = 24;
const COUNT: usize = 1_050;

fn built(codec: Codec, sparse: bool) -> Index {
    let mut spec = floats(DIMS, Distance::Cosine);
    spec.options.codec = codec;
    (spec.options.ivf.lists, spec.options.ivf.spill) = (20, sparse);
    let values = Owned::F32(clusters(&mut Rng(51), COUNT, DIMS, 6));
    if sparse { Index::sparse(&spec, values) } else { Index::dense(&spec, values) }
}

/// Every way of searching.
fn use_all(reader: &dyn DenseReader, index: &Index, filters: &[Bitmap]) {
    let query: Vec<f32> = (0..DIMS).map(|d| 1.0 / (1.0 + d as f32)).collect();
    for allowed in std::iter::once(None).chain(filters.iter().map(Some)) {
        for (effort, top) in [
            (Effort::Ef(12), TopK::new(5)),
            (Effort::Ef(300), TopK::new(40)),
            (Effort::Usual, TopK::within(2_000, 0.9)),
        ] {
            let mut top = top;
            let search = DenseSearch { effort, allowed, ..DenseSearch::new(Values::F32(&query)) };
            let _ = reader.search(&search, &mut top, &mut Counters::default());
            for hit in top.into_sorted() {
                assert!(hit.row < index.rows && !hit.score.is_nan());
                assert!(allowed.is_none_or(|allowed| allowed.contains(hit.row)));
            }
        }
    }
    let _ = (reader.verify(), reader.len(), reader.cost_ns(10, Some(500)), reader.facts());
}

fn open(index: &Index, sections: &Sections) -> Result<Box<dyn DenseReader>, IndexError> {
    (kind().open)(&index.spec, index.rows, &MemorySections::new(sections))
}

/// Every 32-bit number of every section is replaced by telling values, a few places at a time.
#[test]
fn numbers_that_lie() {
    let values = [
        0u32,
        1,
        3,
        COUNT as u32 - 1,
        COUNT as u32,
        1 << 31,
        u32::MAX - 1,
        u32::MAX,
        0x7fc0_0000,
        0xff80_0000,
    ];
    let pq8 = Codec::Pq { m: 6, bits: 8 };
    let planes = Codec::RaBitQ { bits: 2 };
    for (codec, sparse) in [(Codec::Auto, true), (pq8, false), (planes, false), (Codec::F32, true)] {
        let index = built(codec, sparse);
        let filters = [at_random(&index, 0.5), at_random(&index, 0.02)];
        let mut rng = Rng(52);
        for section in 0..index.sections.len() {
            let length = index.sections[section].1.len() / 4;
            // Every number of a header; elsewhere some.
            let places: Vec<usize> = match length {
                0..40 => (0..length).collect(),
                _ => (0..12).map(|_| rng.below(length as u32) as usize).collect(),
            };
            for (round, place) in places.into_iter().enumerate() {
                for value in if length < 40 { &values[..] } else { &values[round % 3 * 3..][..3] } {
                    let mut changed = index.sections.clone();
                    changed[section].1[place * 4..place * 4 + 4].copy_from_slice(&value.to_le_bytes());
                    if let Ok(reader) = open(&index, &changed) {
                        use_all(reader.as_ref(), &index, &filters);
                    }
                }
            }
        }
    }
}

/// Whole sections of one number: all entries one vector, or none; no scale but NaN.
#[test]
fn sections_of_one_number() {
    let index = built(Codec::Auto, false);
    let filters = [at_random(&index, 0.5), at_random(&index, 0.02), Bitmap::full(index.rows)];
    for section in 0..index.sections.len() {
        for value in [0u32, 1, COUNT as u32 - 1, COUNT as u32, u32::MAX, 0x7fc0_0000, 0x7f7f_ffff] {
            let mut changed = index.sections.clone();
            changed[section]
                .1
                .chunks_exact_mut(4)
                .for_each(|bytes| bytes.copy_from_slice(&value.to_le_bytes()));
            if let Ok(reader) = open(&index, &changed) {
                use_all(reader.as_ref(), &index, &filters);
                assert!(name_is_only_data(&index.sections[section].0) || reader.verify().is_err());
            }
        }
    }
}

/// What holds no references: other numbers are other vectors, codes or links, which only a checksum tells.
fn name_is_only_data(name: &str) -> bool {
    [
        "values",
        "norms",
        "points",
        "center",
        "axes",
        "mean",
        "centroids",
        "coarse",
        "codebook",
        "list_codes",
        "list_scales",
        "list_terms",
    ]
    .contains(&name)
}

#[test]
fn sections_that_are_cut_lengthened_or_missing() {
    let index = built(Codec::Lvq4x8, true);
    for section in 0..index.sections.len() {
        let name = &index.sections[section].0;
        let length = index.sections[section].1.len();
        for cut in [0, 1, 4, length / 2 / 4 * 4, length - 4, length - 1] {
            let mut changed = index.sections.clone();
            changed[section].1.truncate(cut);
            assert!(open(&index, &changed).is_err() || cut == length, "{name} cut to {cut} of {length}");
        }
        let mut changed = index.sections.clone();
        changed[section].1.extend_from_slice(&[0; 64]);
        assert!(open(&index, &changed).is_err(), "{name} is longer");
        changed.remove(section);
        match open(&index, &changed) {
            Err(IndexError::Missing { section }) => assert_eq!(&section, name),
            // Without lists it is a segment that waits for them.
            Ok(reader) => assert!(name == "ivf" && reader.capabilities().exact),
            Err(error) => panic!("{name} is missing: {error}"),
        }
    }
}

/// A merge takes over what a damaged index says, as far as it makes sense.
#[test]
fn merges_of_damage_are_segments() {
    let mut rng = Rng(53);
    let whole = built(Codec::Auto, false);
    let part = Index::dense(&whole.spec, Owned::F32(clusters(&mut rng, 60, DIMS, 6)));
    let lie = [
        "ivf",
        "list_ends",
        "list_blocks",
        "ids",
        "places",
        "list_codes",
        "list_terms",
        "points",
        "center",
        "axes",
        "centroids",
    ];
    for round in 0..60 {
        let mut sections = whole.sections.clone();
        let name = lie[round % lie.len()];
        let bytes = &mut sections.iter_mut().find(|(found, _)| found == name).unwrap().1;
        for _ in 0..1 + rng.below(40) {
            let place = rng.below(bytes.len() as u32 / 4) as usize * 4;
            let value = [rng.below(COUNT as u32), u32::MAX, COUNT as u32, 0x7fc0_0000][rng.below(4) as usize];
            bytes[place..place + 4].copy_from_slice(&value.to_le_bytes());
            if name == "graph" {
                break;
            }
        }
        let Ok(reader) = open(&whole, &sections) else { continue };
        let damaged = Index {
            spec: whole.spec.clone(),
            rows: whole.rows,
            slots: whole.slots.clone(),
            values: whole.values.clone(),
            numbers: Vec::new(),
            sections,
            reader,
        };
        let live = without(&damaged, |row| row % 50 == 0);
        let merge = Merge { parts: vec![(&damaged, live), (&part, Bitmap::full(60))] };
        if let Ok(merged) = merge.run(&whole.spec, &Work::inline()) {
            use_all(merged.reader.as_ref(), &merged, &[at_random(&merged, 0.5)]);
        }
    }
}
