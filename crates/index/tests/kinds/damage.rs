//! Sections that lie: a typed error, or a worse answer; never a panic, a hang, or a row that there is not.

use crate::common::{Owned, Rng};
use crate::index::{Index, at_random, clusters, kind};
use crate::merge::{Merge, without};
use tercet_index::{
    Bitmap, Counters, DenseReader, DenseSearch, Effort, IndexError, MemorySections, Sections, TopK, Values,
    Work,
};

/// Every way of searching.
pub fn use_all(reader: &dyn DenseReader, index: &Index, filters: &[Bitmap]) {
    let query: Vec<f32> = (0..index.spec.dims).map(|d| 1.0 / (1.0 + d as f32)).collect();
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

/// Opens other sections in place of an index's own.
pub fn open(index: &Index, sections: &Sections) -> Result<Box<dyn DenseReader>, IndexError> {
    (kind().open)(&index.spec, index.rows, &MemorySections::new(sections))
}

/// Every 32-bit number of every section is replaced by telling values, a few places at a time.
pub fn numbers_lie(index: &Index) {
    let count = index.slots.len() as u32;
    let values = [0u32, 1, 3, count - 1, count, 1 << 31, u32::MAX - 1, u32::MAX, 0x7fc0_0000, 0xff80_0000];
    let filters = [at_random(index, 0.5), at_random(index, 0.02)];
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
                if let Ok(reader) = open(index, &changed) {
                    use_all(reader.as_ref(), index, &filters);
                }
            }
        }
    }
}

/// Whole sections of one number. `data`: sections that hold no references; other numbers there are other vectors, codes or
/// links, which only a checksum tells.
pub fn sections_of_one_number(index: &Index, data: &[&str]) {
    let count = index.slots.len() as u32;
    let filters = [at_random(index, 0.5), at_random(index, 0.02), Bitmap::full(index.rows)];
    for section in 0..index.sections.len() {
        for value in [0u32, 1, count - 1, count, u32::MAX, 0x7fc0_0000, 0x7f7f_ffff] {
            let mut changed = index.sections.clone();
            changed[section]
                .1
                .chunks_exact_mut(4)
                .for_each(|bytes| bytes.copy_from_slice(&value.to_le_bytes()));
            if let Ok(reader) = open(index, &changed) {
                use_all(reader.as_ref(), index, &filters);
                assert!(data.contains(&index.sections[section].0.as_str()) || reader.verify().is_err());
            }
        }
    }
}

/// Sections are cut, lengthened and left out. Without `head` it is a segment that waits for what the kind builds.
pub fn cut_lengthened_or_missing(index: &Index, head: &str) {
    for section in 0..index.sections.len() {
        let name = &index.sections[section].0;
        let length = index.sections[section].1.len();
        for cut in [0, 1, 4, length / 2 / 4 * 4, length - 4, length - 1] {
            let mut changed = index.sections.clone();
            changed[section].1.truncate(cut);
            assert!(open(index, &changed).is_err() || cut == length, "{name} cut to {cut} of {length}");
        }
        let mut changed = index.sections.clone();
        changed[section].1.extend_from_slice(&[0; 64]);
        assert!(open(index, &changed).is_err(), "{name} is longer");
        changed.remove(section);
        match open(index, &changed) {
            Err(IndexError::Missing { section }) => assert_eq!(&section, name),
            Ok(reader) => assert!(name == head && reader.capabilities().exact),
            Err(error) => panic!("{name} is missing: {error}"),
        }
    }
}

/// A merge takes over what a damaged index says, as far as it makes sense. Of the first of the `lying` sections, the head,
/// one number lies; of the others many.
pub fn merges_of_damage_are_segments(whole: &Index, lying: &[&str]) {
    let (count, dims) = (whole.slots.len() as u32, whole.spec.dims);
    let mut rng = Rng(53);
    let part = Index::dense(&whole.spec, Owned::F32(clusters(&mut rng, 60, dims, 6)));
    for round in 0..60 {
        let mut sections = whole.sections.clone();
        let name = lying[round % lying.len()];
        let bytes = &mut sections.iter_mut().find(|(found, _)| found == name).unwrap().1;
        for _ in 0..1 + rng.below(40) {
            let place = rng.below(bytes.len() as u32 / 4) as usize * 4;
            let value = [rng.below(count), u32::MAX, count, 0x7fc0_0000][rng.below(4) as usize];
            bytes[place..place + 4].copy_from_slice(&value.to_le_bytes());
            if name == lying[0] {
                break;
            }
        }
        let Ok(reader) = open(whole, &sections) else { continue };
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
