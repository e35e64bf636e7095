//! Lists whose sections lie.

use crate::common::{Owned, Rng};
use crate::damage;
use crate::index::{Index, clusters, floats};
use tercet_index::{Codec, Distance, Rerank, Values};

const DIMS: usize = 24;
const COUNT: usize = 1_050;

fn built(codec: Codec, sparse: bool) -> Index {
    let mut spec = floats(DIMS, Distance::Cosine);
    spec.options.codec = codec;
    (spec.options.ivf.lists, spec.options.ivf.spill) = (20, sparse);
    let values = Owned::F32(clusters(&mut Rng(51), COUNT, DIMS, 6));
    if sparse { Index::sparse(&spec, values) } else { Index::dense(&spec, values) }
}

#[test]
fn numbers_that_lie() {
    let pq8 = Codec::Pq { m: 6, bits: 8 };
    let planes = Codec::RaBitQ { bits: 2 };
    for (codec, sparse) in [(Codec::Auto, true), (pq8, false), (planes, false), (Codec::F32, true)] {
        damage::numbers_lie(&built(codec, sparse));
    }
}

/// Codes that are all there is.
#[test]
fn numbers_of_codes_alone_that_lie() {
    for codec in [Codec::Auto, Codec::Pq { m: 6, bits: 8 }, Codec::RaBitQ { bits: 6 }, Codec::Lvq8] {
        let Index { mut spec, values, .. } = built(codec, false);
        (spec.options.keep, spec.options.ivf.rerank, spec.metric) = (false, Rerank::None, Distance::L2);
        spec.options.ivf.residual = Some(false);
        // One far from all others, whose term 16 bits do not hold.
        let mut values = values.values().to_f32();
        values[40 * DIMS..41 * DIMS].iter_mut().for_each(|x| *x *= 1e4);
        let index = Index::sparse(&spec, Owned::F32(values));
        assert!(codec == Codec::Lvq8 || index.section("far").is_some());
        damage::numbers_lie(&index);
        let query = vec![0.5; DIMS];
        for section in 0..index.sections.len() {
            for value in [0u8, 1, 0x7f, 0xff] {
                let mut changed = index.sections.clone();
                let half = changed[section].1.len() / 2;
                changed[section].1[half..].fill(value);
                let Ok(reader) = damage::open(&index, &changed) else { continue };
                for row in (0..index.rows).step_by(40) {
                    let _ = (reader.stored(row), reader.score(Values::F32(&query), row));
                }
            }
        }
    }
}

/// All entries one vector, or none; no scale but NaN.
#[test]
fn sections_of_one_number() {
    let data = [
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
    ];
    damage::sections_of_one_number(&built(Codec::Auto, false), &data);
}

#[test]
fn sections_that_are_cut_lengthened_or_missing() {
    damage::cut_lengthened_or_missing(&built(Codec::Lvq4x8, true), "ivf");
}

#[test]
fn merges_of_damage_are_segments() {
    let lying = [
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
    damage::merges_of_damage_are_segments(&built(Codec::Auto, false), &lying);
}
