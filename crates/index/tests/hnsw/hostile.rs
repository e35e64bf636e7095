//! Graphs whose sections lie.

use crate::common::{Owned, Rng};
use crate::damage::{self, open, use_all};
use crate::index::{Index, at_random, clusters, floats};
use tercet_index::{Bitmap, Codec, Distance, Reduce};

const DIMS: usize = 130;
const COUNT: usize = 1_050;

fn built(codec: Codec, sparse: bool) -> Index {
    let mut spec = floats(DIMS, Distance::Cosine);
    (spec.options.codec, spec.options.m, spec.options.ef_construction) = (codec, 4, 16);
    if codec == Codec::Auto {
        spec.options.reduce = Reduce::Pca(20);
    }
    let values = Owned::F32(clusters(&mut Rng(51), COUNT, DIMS, 6));
    if sparse { Index::sparse(&spec, values) } else { Index::dense(&spec, values) }
}

#[test]
fn numbers_that_lie() {
    for (codec, sparse) in [(Codec::Auto, true), (Codec::F32, false)] {
        damage::numbers_lie(&built(codec, sparse));
    }
}

/// All links to one node, to themselves, to nothing; no scale but NaN.
#[test]
fn sections_of_one_number() {
    let index = built(Codec::Auto, false);
    let data = [
        "values",
        "norms",
        "walk",
        "points",
        "center",
        "axes",
        "mean",
        "links",
        "level_links",
        "level_below",
    ];
    damage::sections_of_one_number(&index, &data);
    // Links of every node to itself alone.
    let mut changed = index.sections.clone();
    let links = changed.iter_mut().find(|(name, _)| name == "links").unwrap();
    links.1.chunks_exact_mut(4 * 8).enumerate().for_each(|(node, links)| {
        links.chunks_exact_mut(4).for_each(|link| link.copy_from_slice(&(node as u32).to_le_bytes()));
    });
    let filters = [at_random(&index, 0.5), at_random(&index, 0.02), Bitmap::full(index.rows)];
    use_all(open(&index, &changed).unwrap().as_ref(), &index, &filters);
}

#[test]
fn sections_that_are_cut_lengthened_or_missing() {
    let index = built(Codec::Lvq4x8, true);
    damage::cut_lengthened_or_missing(&index, "graph");
    // A graph of other vectors, another metric, another codec.
    let f32s = built(Codec::F32, true);
    assert!(open(&f32s, &index.sections).is_err() && open(&index, &f32s.sections).is_err());
}

#[test]
fn merges_of_damage_are_segments() {
    let lying =
        ["graph", "links", "level_slots", "level_below", "level_links", "walk", "points", "center", "axes"];
    damage::merges_of_damage_are_segments(&built(Codec::Auto, false), &lying);
}
