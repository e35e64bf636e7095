//! The same bytes, the same work, the same answers: for any number of threads, on every instruction set, on every
//! machine; and what they may take.
//!
//! `test/baseline/hnsw.json` holds checksums of the sections, recall and work. After a change that is meant to change
//! them: `TERCET_BLESS=1 cargo test -p tercet-index --test hnsw same`, and the difference is part of the change.

use crate::common::{Owned, Rng};
use crate::index::{Index, Threads, at_random, bits, clusters, floats, spec};
use crate::merge::{Merge, without};
use std::fmt::Write;
use std::process::Command;
use tercet_index::{Bitmap, Codec, Counters, DenseSearch, Distance, Dtype, Effort, Reduce, Work};
use tercet_index::{Sections, TopK};

const BASELINE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../test/baseline/hnsw.json");
const QUERIES: usize = 50;

/// FNV-1a of 64 bits over names, lengths and bytes.
fn checksum(sections: &Sections) -> u64 {
    let mut sum = 0xcbf2_9ce4_8422_2325u64;
    let mut add = |bytes: &[u8]| {
        for byte in bytes {
            sum = (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    };
    for (name, bytes) in sections {
        // Reciprocal lengths are sums of floats, which may differ in the last bit.
        if name != "norms" {
            add(name.as_bytes());
            add(&(bytes.len() as u64).to_le_bytes());
            add(bytes);
        }
    }
    sum
}

/// Indexes that take different ways through the code, each with queries.
fn indexes() -> Vec<(&'static str, Index, Owned)> {
    let float = |name, dims: usize, count: usize, metric, codec, reduce| {
        let mut all = clusters(&mut Rng(dims as u64), count + QUERIES, dims, 12);
        let queries = all.split_off(count * dims);
        let mut spec = floats(dims, metric);
        (spec.options.codec, spec.options.reduce, spec.options.seed) = (codec, reduce, 7);
        (name, Index::dense(&spec, Owned::F32(all)), Owned::F32(queries))
    };
    let mut made = vec![
        float("cosine", 24, 1_500, Distance::Cosine, Codec::Auto, Reduce::Auto),
        float("dot lvq8", 20, 1_200, Distance::Dot, Codec::Lvq8, Reduce::None),
        float("l2 lvq4x8", 40, 1_200, Distance::L2, Codec::Lvq4x8, Reduce::None),
        float("l2 pca", 32, 1_200, Distance::L2, Codec::Auto, Reduce::Pca(12)),
        float("cosine axes", 130, 2_100, Distance::Cosine, Codec::Auto, Reduce::Auto),
        float("l2 f32", 16, 1_200, Distance::L2, Codec::F32, Reduce::Auto),
    ];
    let mut rng = Rng(3);
    let centres: Vec<u8> = (0..80).map(|_| rng.below(256) as u8).collect();
    let all = Owned::Bits(bits(&mut rng, &centres, 1_200, 8));
    let queries = Owned::Bits(bits(&mut rng, &centres, QUERIES, 8));
    made.push(("hamming", Index::dense(&spec(64, Distance::Hamming, Dtype::Bits), all), queries));
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
    format!(
        "{{ \"recall\": {recall:.3}, \"scored\": {}, \"hops\": {} }}",
        counters.vectors_scored, counters.hops
    )
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

/// The same in processes that are held to one instruction set each; one that this machine lacks is another run of the
/// best.
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
    for (dims, count, codec) in [(140, 2_100, Codec::Auto), (16, 1_300, Codec::Lvq4x8)] {
        let values = Owned::F32(clusters(&mut Rng(41), count, dims, 9));
        let mut spec = floats(dims, Distance::Cosine);
        spec.options.codec = codec;
        let one = Index::dense(&spec, values.clone());
        for threads in [2, 7] {
            let work = Work { parallel: &Threads(threads), progress: &|_, _| true };
            let other = Index::build(&spec, values.clone(), None, &work);
            assert!(one.sections == other.sections, "{threads} threads, {codec:?}");
        }
        spec.options.seed = 1;
        let other = Index::dense(&spec, values);
        assert!(one.section("links") != other.section("links"), "the seed decides nothing");
    }
}

/// Beside what `flat` keeps: codes, 4 * 2 m bytes of links and 16 more a vector, and what does not grow with them.
#[test]
fn a_graph_is_small() {
    for (dims, codec, m) in
        [(24, Codec::Auto, 16u16), (200, Codec::Auto, 16), (24, Codec::Lvq4x8, 8), (24, Codec::F32, 8)]
    {
        let count = 2_500;
        let mut spec = floats(dims, Distance::Cosine);
        (spec.options.codec, spec.options.m, spec.options.ef_construction) = (codec, m, 32);
        let index = Index::dense(&spec, Owned::F32(clusters(&mut Rng(42), count, dims, 9)));
        let size = |name: &str| index.section(name).map_or(0, <[u8]>::len);
        let kept: usize = ["values", "norms", "meta", "rows"].iter().map(|name| size(name)).sum();
        let codes = size("points") + size("walk");
        let fixed: usize =
            ["graph", "center", "reduction", "mean", "axes"].iter().map(|name| size(name)).sum();
        assert!(fixed <= 4 * (64 + 2 * (dims + 8) + dims * 240), "{fixed}");
        let rest = index.bytes() - kept - codes - fixed;
        let most = count * (4 * 2 * usize::from(m) + 16);
        assert!(rest <= most, "{dims} {codec:?}: {rest} of {most}");
        // Codes are a byte a component in whole half lines, and two lines to walk over.
        let whole = (dims + 8).next_multiple_of(32);
        assert!(codes <= count * (whole + 128), "{codes}");
    }
}
