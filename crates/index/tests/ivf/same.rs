//! The same bytes, the same work, the same answers: for any number of threads, on every instruction set, on every machine.

use crate::baseline::{self, Named};
use crate::common::{Owned, Rng};
use crate::index::{Index, clusters, floats};
use crate::merge::{Merge, without};
use tercet_index::{Bitmap, Codec, Distance, Reduce, Work};

const QUERIES: usize = 50;

/// Indexes that take different ways through the code, each with queries.
fn indexes() -> Vec<Named> {
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
    for (codec, spill) in [(Codec::Auto, true), (Codec::Pq { m: 5, bits: 8 }, false), (Codec::Lvq4x8, false)]
    {
        let values = Owned::F32(clusters(&mut Rng(41), 1_300, 40, 9));
        let mut spec = floats(40, Distance::Cosine);
        (spec.options.codec, spec.options.ivf.spill) = (codec, spill);
        baseline::is_the_same_by_any_threads(&spec, &values, "ids");
    }
}
