//! The same bytes, the same work, the same answers on every instruction set: checksums of sections, recall and work beside
//! those that are committed in `test/baseline/KIND.json`. After a change that is meant to change them:
//! `TERCET_BLESS=1 cargo test -p tercet-index --test KIND same`, and the difference is part of the change.

use crate::common::Owned;
use crate::index::{Index, Threads, at_random};
use std::fmt::Write;
use std::process::Command;
use tercet_index::{Bitmap, Counters, DenseSearch, DenseSpec, Effort, Sections, TopK, Work};

/// An index and its queries, under a name.
pub type Named = (&'static str, Index, Owned);

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

/// Recall and work of all queries.
fn measure(index: &Index, queries: &Owned, ef: u32, allowed: Option<&Bitmap>) -> String {
    let mut counters = Counters::default();
    for query in index.each_query(queries) {
        let search = DenseSearch { effort: Effort::Ef(ef), allowed, ..DenseSearch::new(query) };
        index.reader.search(&search, &mut TopK::new(10), &mut counters).unwrap();
    }
    let recall = index.recall(queries, ef, allowed);
    let Counters { vectors_scored, hops, .. } = counters;
    format!("{{ \"recall\": {recall:.3}, \"scored\": {vectors_scored}, \"hops\": {hops} }}")
}

/// The baseline as it is now.
fn baseline(made: &[Named]) -> String {
    let mut text = String::from("{\n");
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

/// Holds indexes against the committed baseline, or writes it.
pub fn is_kept(made: &[Named]) {
    let file = format!("{}/../../test/baseline/{}.json", env!("CARGO_MANIFEST_DIR"), crate::KIND);
    let found = baseline(made);
    if blessing() {
        std::fs::write(&file, &found).unwrap();
    }
    let expected = std::fs::read_to_string(&file).unwrap().replace("\r\n", "\n");
    for (found, expected) in found.lines().zip(expected.lines()) {
        assert_eq!(found, expected, "{file} says otherwise");
    }
    assert_eq!(found, expected);
}

/// Runs a test again in processes that are held to one instruction set each; one that this machine lacks is another run of
/// the best.
pub fn holds_on_every_instruction_set(test: &str) {
    for isa in ["scalar", "avx2"].into_iter().filter(|_| !blessing()) {
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", test])
            .env("TERCET_ISA", isa)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&child.stdout);
        assert!(child.status.success() && said.contains("1 passed"), "{isa}: {said}");
    }
}

/// The same bytes by any number of threads, and others by another seed, which `seeded` is a section to show it.
pub fn is_the_same_by_any_threads(spec: &DenseSpec, values: &Owned, seeded: &str) {
    let one = Index::dense(spec, values.clone());
    for threads in [2, 7] {
        let work = Work { parallel: &Threads(threads), progress: &|_, _| true };
        let other = Index::build(spec, values.clone(), None, &work);
        assert!(one.sections == other.sections, "{threads} threads, {:?}", spec.options.codec);
    }
    let mut other = spec.clone();
    other.options.seed = spec.options.seed + 1;
    let other = Index::dense(&other, values.clone());
    assert!(one.section(seeded) != other.section(seeded), "the seed decides nothing");
}
