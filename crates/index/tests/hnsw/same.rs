//! The same bytes, the same work, the same answers: for any number of threads, on every instruction set, on every
//! machine; and what they may take.

use crate::baseline::{self, Named};
use crate::common::{Owned, Rng};
use crate::index::{Index, bits, clusters, floats, spec};
use crate::merge::{Merge, without};
use tercet_index::{Bitmap, Codec, Distance, Dtype, Reduce, Work};

const QUERIES: usize = 50;

/// Indexes that take different ways through the code, each with queries.
fn indexes() -> Vec<Named> {
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

#[test]
fn the_baseline() {
    baseline::is_kept(&indexes());
}

#[test]
fn every_instruction_set_gives_the_baseline() {
    baseline::holds_on_every_instruction_set("same::the_baseline");
}

#[test]
fn any_number_of_threads_gives_the_same_bytes() {
    for (dims, count, codec) in [(140, 2_100, Codec::Auto), (16, 1_300, Codec::Lvq4x8)] {
        let values = Owned::F32(clusters(&mut Rng(41), count, dims, 9));
        let mut spec = floats(dims, Distance::Cosine);
        spec.options.codec = codec;
        baseline::is_the_same_by_any_threads(&spec, &values, "links");
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
