//! Merges against building in one go; opening against what it may touch.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use bytes::Bytes;
use proptest::prelude::*;
use serde_json::{Value, json};
use tercet_index::{Bitmap, IndexError, Parallel};
use tercet_store::{Env, MemoryEnv, PAGE_BYTES, SectionFile};

use super::{BlockCache, FieldReader, Segment, SegmentBuilder, merge};
use crate::api::Control;
use crate::document;
use crate::filter::Filter;
use crate::schema::Schema;
use crate::segment::Job;
use crate::wire::Code;

/// Two threads, the later task first.
struct Two;

impl Parallel for Two {
    fn threads(&self) -> usize {
        2
    }

    fn run(&self, tasks: usize, body: &(dyn Fn(usize) + Sync)) {
        std::thread::scope(|scope| {
            (0..tasks).rev().for_each(|task| {
                scope.spawn(move || body(task));
            });
        });
    }
}

/// The younger schema has three fields more and one less.
fn schema(younger: bool) -> Schema {
    let mut fields = json!({
        "text": { "type": "text", "positions": true, "optional": true },
        "tags": { "type": "keyword", "many": true, "optional": true },
        "one": { "type": "keyword" },
        "n": { "type": "integer", "optional": true },
        "f": { "type": "float" },
        "v": { "type": "dense", "dims": 3, "optional": true },
        "gone": { "type": "text", "optional": true },
    });
    if younger {
        fields.as_object_mut().unwrap().remove("gone");
        fields["more"] = json!({ "type": "text", "optional": true });
        fields["w"] = json!({ "type": "dense", "dims": 2, "metric": "dot", "optional": true });
        fields["d"] = json!({ "type": "date", "optional": true });
        fields["k"] = json!({ "type": "keyword", "optional": true });
    }
    Schema::parse(&json!({ "fields": fields })).unwrap()
}

fn documents(from: u32, count: u32, younger: bool, seed: u64) -> Vec<Value> {
    let mut state = seed | 1;
    let mut below = |end: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 20) % end
    };
    let document = |id: u32| {
        let words = |n: u64, below: &mut dyn FnMut(u64) -> u64| {
            (0..n).map(|_| format!("w{}", below(40) * below(10))).collect::<Vec<_>>().join(" ")
        };
        let mut d = json!({ "id": format!("{}-{id}", below(1000)), "f": below(9) as f64 / 4.0, "one": format!("o{}", below(5)) });
        if below(4) > 0 {
            d["text"] = json!(words(below(60), &mut below));
        }
        if below(4) > 0 {
            d["tags"] = json!((0..below(4)).map(|_| format!("t{}", below(30))).collect::<Vec<_>>());
        }
        if below(2) > 0 {
            d["n"] = json!(below(50) as i64 - 20);
        }
        if below(3) > 0 {
            d["v"] = json!([1, below(5), below(5)]);
        }
        if younger && below(3) > 0 {
            d["more"] = json!(words(below(8), &mut below));
            d["w"] = json!([below(3), 2]);
            d["d"] = json!(below(1000));
            d["k"] = json!(format!("k{}", below(7)));
        }
        d
    };
    (from..from + count).map(document).collect()
}

fn build(schema: &Schema, documents: &[Value]) -> Segment {
    let mut builder = SegmentBuilder::new(schema);
    for value in documents {
        builder.push(document::check(schema, value, &[]).unwrap());
    }
    let segment = Segment::from_sections(schema, &builder.finish().unwrap()).unwrap();
    segment.verify_structure().unwrap();
    segment
}

fn sections(file: &SectionFile) -> Vec<(String, Bytes)> {
    // A file that was written says where it is from; what was built in memory does not.
    let names = file.names().filter(|name| *name != "origin");
    names.map(|name| (name.to_owned(), file.section(name).unwrap())).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn a_merge_equals_building_in_one_go(counts in prop::collection::vec((0u32..90, any::<bool>()), 1..6), keep in 0u64..11, seed in any::<u64>()) {
        let younger = schema(true);
        let (mut kept, mut parts, mut from) = (Vec::new(), Vec::new(), 0);
        for (at, &(count, is_younger)) in counts.iter().enumerate() {
            let documents = documents(from, count, is_younger, seed.wrapping_add(at as u64 * 7919));
            let own = build(&schema(is_younger), &documents);
            // Opened again by the schema of today.
            let segment = Segment::from_bytes(&younger, own.bytes(), "part").unwrap();
            segment.verify_structure().unwrap();
            let mut live = Bitmap::full(count);
            for row in (0..count).filter(|row| (u64::from(*row) * 31 + seed) % 10 >= keep) {
                live.clear(row);
            }
            kept.extend(live.iter().map(|row| documents[row as usize].clone()));
            parts.push((segment, live));
            from += count;
        }
        let inputs: Vec<_> = parts
            .iter()
            .map(|(segment, live)| merge::Input { segment, live: (live.count() < segment.rows).then_some(live) })
            .collect();
        let env = MemoryEnv::new();
        let control = Control::new();
        let written = Segment::merge_to_file(&younger, &inputs, &Job::whole(&control), &env, "merged").unwrap();
        prop_assert_eq!(written, env.size("merged").unwrap());
        prop_assert_eq!(control.done(), control.total());
        let merged = Segment::open(&younger, &env, "merged").unwrap();
        merged.verify_structure().unwrap();
        let in_memory = Segment::merge_in_memory(&younger, &inputs, &Job::whole(&control)).unwrap();
        prop_assert_eq!(sections(&in_memory.file), sections(&merged.file));
        let job = Job { parallel: &Two, side_by_side: true, ..Job::whole(&control) };
        let beside = Segment::merge_to_file(&younger, &inputs, &job, &env, "beside").unwrap();
        prop_assert_eq!(beside, written);
        let beside = Segment::open(&younger, &env, "beside").unwrap();
        prop_assert_eq!(sections(&beside.file), sections(&merged.file));
        // A segment that is as young as its schema keeps sections of fields that no document has.
        let mut expected = sections(&build(&younger, &kept).file);
        expected.retain(|(name, _)| merged.file.has(name));
        prop_assert_eq!(sections(&merged.file), expected);
        let absent = merged.fields.iter().filter(|f| matches!(f.reader, FieldReader::Absent)).count();
        prop_assert_eq!(absent == 0, counts.iter().any(|(_, younger)| *younger));
    }
}

#[test]
fn a_field_that_a_segment_is_older_than_is_nowhere() {
    let younger = schema(true);
    let old = build(&schema(false), &documents(0, 20, false, 5));
    let segment = Segment::from_bytes(&younger, old.bytes(), "old").unwrap();
    let select = |filter: Value| Filter::parse(&younger, &filter).unwrap().select(&segment).unwrap().count();
    for field in ["more", "w", "d", "k"] {
        let at = younger.position(field).unwrap();
        assert_eq!(segment.documents_with(at, None).unwrap(), 0);
        assert_eq!(segment.text_lengths(at, None).unwrap(), (0, 0));
        assert_eq!(segment.field_bytes(field), 0);
        assert_eq!(select(json!({ field: { "exists": true } })), 0);
        assert_eq!(select(json!({ field: { "exists": false } })), 20);
    }
    assert_eq!(select(json!({ "d": { "gte": 0 } })), 0);
    assert_eq!(select(json!({ "not": { "k": { "lte": "z" } } })), 20);
    assert!(segment.text(younger.position("more").unwrap()).is_none());
    // A field that every document must have is damage when it is missing.
    let strict = Schema::parse(&json!({ "fields": { "x": { "type": "integer" } } })).unwrap();
    assert_eq!(Segment::from_bytes(&strict, old.bytes(), "old").err().unwrap().code(), Code::Corrupt);
}

/// One page after the other is damaged. The segment opens as long as it is not the page of a header, what touches the page
/// fails and names the file, and what does not answers as before.
#[test]
fn damage_is_found_where_it_is_touched() {
    let schema = schema(false);
    let documents = documents(0, 6_000, false, 9);
    let whole = build(&schema, &documents);
    let bytes = whole.bytes();
    let env = MemoryEnv::new();
    let pages = whole.file.sections().last().map(|s| (s.offset + s.len) as usize / PAGE_BYTES).unwrap();
    assert!(pages > 10, "{pages}");
    let (mut opened, mut failed) = (0, 0);
    for page in 0..pages {
        let mut bad = bytes.to_vec();
        bad[page * PAGE_BYTES + 777] ^= 4;
        let path = format!("page-{page}");
        env.create(&path).unwrap().write_all(&bad).unwrap();
        let Ok(segment) = Segment::open(&schema, &env, &path) else { continue };
        opened += 1;
        let error = segment.verify_structure().unwrap_err();
        assert_eq!((error.code(), error.0.file.as_deref()), (Code::Corrupt, Some(path.as_str())));
        let mut cache = BlockCache::default();
        for row in (0..6_000).step_by(50) {
            let found = segment.docs.read(row, &mut cache).map(<[u8]>::to_vec).map_err(|e| segment.error(e));
            let mut other = BlockCache::default();
            match found {
                Ok(found) => assert_eq!(found, whole.docs.read(row, &mut other).unwrap()),
                Err(error) => {
                    failed += 1;
                    assert_eq!((error.code(), error.0.file.as_deref()), (Code::Corrupt, Some(path.as_str())));
                }
            }
            if let Ok(id) = segment.id(row) {
                assert_eq!(id, whole.id(row).unwrap());
            }
        }
        let merged = Segment::merge_to_file(
            &schema,
            &[merge::Input { segment: &whole, live: None }, merge::Input { segment: &segment, live: None }],
            &Job::whole(&Control::new()),
            &env,
            "merged",
        );
        let error = merged.unwrap_err();
        assert_eq!((error.code(), error.0.file.as_deref()), (Code::Corrupt, Some(path.as_str())));
        assert!(!env.exists("merged").unwrap(), "what was begun is removed");
    }
    assert!(opened >= pages / 2 && failed > 0, "{opened} opened of {pages}, {failed} failed");
}

#[test]
fn a_merge_can_be_cancelled_and_names_too_many_rows() {
    let schema = schema(false);
    let segment = build(&schema, &documents(0, 50, false, 3));
    let control = Control::new();
    control.cancel();
    let input = || merge::Input { segment: &segment, live: None };
    let env = MemoryEnv::new();
    let error =
        Segment::merge_to_file(&schema, &[input()], &Job::whole(&control), &env, "merged").unwrap_err();
    assert_eq!(error.code(), Code::Aborted);
    assert!(!env.exists("merged").unwrap());
    let error = segment.error(IndexError::TooLarge { what: String::from("rows"), limit: 1 });
    assert_eq!(error.code(), Code::Limit);
}
