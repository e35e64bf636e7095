//! The same bytes, the same work, the same answers: for any number of threads, on every instruction set, on every machine.
//!
//! `test/baseline/ivf.json` holds checksums of the sections, recall and work. After a change that is meant to change them:
//! `TERCET_BLESS=1 cargo test -p tercet-index --test ivf same`, and the difference is part of the change.

use crate::common::{Owned, Rng};
use crate::index::{Index, Threads, at_random, clusters, floats};
use crate::merge::{Merge, without};
use std::fmt::Write;
use std::process::Command;
use tercet_index::{Bitmap, Codec, Counters, DenseSearch, Distance, Effort, Reduce, Sections, TopK, Work};

const BASELINE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../test/baseline/ivf.json");
const QUERIES: usize = 50;

/// FNV-1a of 64 bits over names, lengths and bytes.
fn checksum(sections: &Sections) -> u64 {
    let mut sum = 0xcbf2_9ce4_8422_2325u64;
    let mut add = |bytes: &[u8]| {
        for byte in bytes {
            sum = (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    };
    // Reciprocal lengths are sums of floats, which may differ in the last bit.
    for (name, bytes) in sections.iter().filter(|(name, _)| name != "norms") {
        add(name.as_bytes());
        add(&(bytes.len() as u64).to_le_bytes());
        add(bytes);
    }
    sum
}

/// Indexes that take different ways through the code, each with queries.
fn indexes() -> Vec<(&'static str, Index, Owned)> {
    let made = |name, dims: usize, metric, codec, reduce, spill| {
        let count = 1_300;
        let mut all = clusters(&mut Rng(dims as u64), count + QUERIES, dims, 12);
        let queries = all.split_off(count * dims);
        let mut spec = floats(dims, metric);
        (spec.options.codec, spec.options.reduce, spec.options.seed) = (codec, reduce, 7);
        (spec.options.ivf.spill, spec.options.ivf.balance) = (spill, spill);
        (name, Index::dense(&spec, Owned::F32(all)), Owned::F32(queries))
    };
    let pq8 = Codec::Pq { m: 5, bits: 8 };
    let mut made = vec![
        made("cosine", 24, Distance::Cosine, Codec::Auto, Reduce::Auto, false),
        made("dot spilt", 40, Distance::Dot, Codec::Auto, Reduce::None, true),
        made("l2 5x8", 21, Distance::L2, pq8, Reduce::Random(18), false),
        made("l2 lvq8", 32, Distance::L2, Codec::Lvq8, Reduce::Pca(12), false),
        made("cosine lvq4", 36, Distance::Cosine, Codec::Lvq4x8, Reduce::Auto, true),
        made("l2 rabitq 2", 27, Distance::L2, Codec::RaBitQ { bits: 2 }, Reduce::Auto, false),
        made("dot binary", 20, Distance::Dot, Codec::Binary, Reduce::Auto, false),
        made("l2 f32", 16, Distance::L2, Codec::F32, Reduce::Auto, false),
    ];
    let (_, cosine, queries) = &made[0];
    let part = Index::dense(&cosine.spec, Owned::F32(clusters(&mut Rng(5), 300, 24, 12)));
    let parts = vec![(cosine, without(cosine, |row| row % 6 == 1)), (&part, Bitmap::full(300))];
    let merged = Merge { parts }.run(&cosine.spec, &Work::inline()).unwrap();
    let queries = queries.clone();
    made.push(("cosine, merged", merged, queries));
    made
}

/// Recall and work of all queries.
fn measure(index: &Index, queries: &Owned, ef: u32, allowed: Option<&Bitmap>) -> String {
    let mut counters = Counters::default();
    for at in 0..QUERIES {
        let query = queries.values().at(at, index.elements()).unwrap();
        let search = DenseSearch { effort: Effort::Ef(ef), allowed, ..DenseSearch::new(query) };
        index.reader.search(&search, &mut TopK::new(10), &mut counters).unwrap();
    }
    let recall = index.recall(queries, ef, allowed);
    let Counters { vectors_scored, hops, .. } = counters;
    format!("{{ \"recall\": {recall:.3}, \"scored\": {vectors_scored}, \"hops\": {hops} }}")
}

/// The baseline as it is now.
fn baseline() -> String {
    let mut text = String::from("{\n");
    let made = indexes();
    for (at, (name, index, queries)) in made.iter().enumerate() {
        let half = at_random(index, 0.5);
        writeln!(text, "  \"{name}\": {{").unwrap();
        writeln!(text, "    \"sections\": \"{:016x}\",", checksum(&index.sections)).unwrap();
        writeln!(text, "    \"bytes\": {},", index.bytes()).unwrap();
        for ef in [10, 40] {
            writeln!(text, "    \"ef {ef}\": {},", measure(index, queries, ef, None)).unwrap();
        }
        writeln!(text, "    \"half, ef 40\": {}", measure(index, queries, 40, Some(&half))).unwrap();
        writeln!(text, "  }}{}", if at + 1 < made.len() { "," } else { "" }).unwrap();
    }
    text + "}\n"
}

fn blessing() -> bool {
    std::env::var("TERCET_BLESS").is_ok_and(|value| value == "1")
}

#[test]
fn the_baseline() {
    let found = baseline();
    if blessing() {
        std::fs::write(BASELINE, &found).unwrap();
    }
    let expected = std::fs::read_to_string(BASELINE).unwrap().replace("\r\n", "\n");
    for (found, expected) in found.lines().zip(expected.lines()) {
        assert_eq!(found, expected, "{BASELINE} says otherwise");
    }
    assert_eq!(found, expected);
}

/// The same in processes that are held to one instruction set each; one that this machine lacks is another run of the best.
#[test]
fn every_instruction_set_gives_the_baseline() {
    for isa in ["scalar", "avx2"].into_iter().filter(|_| !blessing()) {
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "same::the_baseline"])
            .env("TERCET_ISA", isa)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&child.stdout);
        assert!(child.status.success() && said.contains("1 passed"), "{isa}: {said}");
    }
}

#[test]
fn any_number_of_threads_gives_the_same_bytes() {
    for (codec, spill) in [(Codec::Auto, true), (Codec::Pq { m: 5, bits: 8 }, false), (Codec::Lvq4x8, false)]
    {
        let values = Owned::F32(clusters(&mut Rng(41), 1_300, 40, 9));
        let mut spec = floats(40, Distance::Cosine);
        (spec.options.codec, spec.options.ivf.spill) = (codec, spill);
        let one = Index::dense(&spec, values.clone());
        for threads in [2, 7] {
            let work = Work { parallel: &Threads(threads), progress: &|_, _| true };
            let other = Index::build(&spec, values.clone(), None, &work);
            assert!(one.sections == other.sections, "{threads} threads, {codec:?}");
        }
        spec.options.seed = 1;
        let other = Index::dense(&spec, values);
        assert!(one.section("ids") != other.section("ids"), "the seed decides nothing");
    }
}
