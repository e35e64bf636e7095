//! The indexes that a recommendation is chosen from, with the bytes a vector that each is expected to take.

use crate::dense::PARTS_MAX;
use crate::wire::{CodecName, DenseIndexSpec, FlatSpec, HnswSpec, IvfCodecName, IvfSpec, RerankName};

/// Of lists: the row, its place, and what is added to its distance.
const ROW_BYTES: f64 = 10.0;
/// Blocks of codes are filled up, the more the shorter lists are.
const PADDED: f64 = 1.2;
/// The vectors behind codes, and behind lists what stands for them.
const VECTORS: &[&str] = &["values", "norms"];
const STORED: &[&str] = &["values", "norms", "codes"];
/// Beside the codes of a vector: its scale, its length, what a bound needs.
const TAIL_BYTES: f64 = 8.0;
/// Links of a node of a graph with the usual `m`, and its part of the levels above.
const LINK_BYTES: f64 = 140.0;
/// The codes that a graph is walked by, when they are chosen by the kind.
const WALK_BYTES: f64 = 128.0;

/// An index to measure.
pub(super) struct Candidate {
    pub(super) name: String,
    pub(super) index: DenseIndexSpec,
    /// Bytes a vector that a search goes through, about.
    pub(super) bytes: f64,
    /// Sections that are only looked at to rank a few candidates again.
    pub(super) behind: &'static [&'static str],
    /// What the index says of itself where it is what its name says; few vectors are not worth lists and are scanned.
    pub(super) made: Option<&'static str>,
}

/// Every candidate for vectors of so many components of `component` bytes; where there is a budget, codes of a size that
/// can be chosen are made to fit it.
pub(super) fn candidates(dims: u32, component: f64, budget: Option<f64>) -> Vec<Candidate> {
    let mut all = Vec::new();
    scans(f64::from(dims), component, &mut all);
    graphs(f64::from(dims), component, &mut all);
    lists(dims, component, budget, &mut all);
    all
}

fn scans(dims: f64, component: f64, all: &mut Vec<Candidate>) {
    let mut push = |name: &str, codec, keep, bytes| {
        let index = DenseIndexSpec::Flat(FlatSpec { codec, keep, reduce: None });
        all.push(Candidate {
            name: format!("flat {name}"),
            index,
            bytes,
            behind: if keep && codec != CodecName::Auto { VECTORS } else { &[] },
            made: None,
        });
    };
    push("f32", CodecName::Auto, true, dims * component);
    if component == 4.0 {
        push("f16", CodecName::F16, false, dims * 2.0);
    }
    push("lvq8 alone", CodecName::Lvq8, false, dims + TAIL_BYTES);
    push("lvq8, ranked again", CodecName::Lvq8, true, dims + TAIL_BYTES);
}

fn graphs(dims: f64, component: f64, all: &mut Vec<Candidate>) {
    let mut push = |name: &str, codec, keep, bytes: f64| {
        let index = DenseIndexSpec::Hnsw(HnswSpec { codec, keep, ..HnswSpec::default() });
        let behind = if keep && codec != CodecName::F32 { VECTORS } else { &[] };
        let (name, bytes) = (format!("hnsw {name}"), bytes + LINK_BYTES);
        all.push(Candidate { name, index, bytes, behind, made: None });
    };
    push("f32", CodecName::F32, true, dims * component);
    push("auto, ranked again", CodecName::Auto, true, dims + TAIL_BYTES + WALK_BYTES);
    push("lvq8 alone", CodecName::Lvq8, false, dims + TAIL_BYTES);
    push("lvq4x8, ranked again", CodecName::Lvq4x8, true, dims * 1.5 + TAIL_BYTES);
}

fn lists(dims: u32, component: f64, budget: Option<f64>, all: &mut Vec<Candidate>) {
    let wide = f64::from(dims);
    let room = budget.map(|budget| ((budget - ROW_BYTES) / PADDED).max(1.0));
    let mut push = |name: String, spec: IvfSpec, bytes: f64| {
        for (rerank, keep, how) in
            [(RerankName::None, false, ", no vectors"), (RerankName::Vectors, true, ", ranked again")]
        {
            // Lists of vectors have no codes: what is scanned is what is kept.
            let behind = if spec.codec == IvfCodecName::F16 { &[] } else { STORED };
            let spec = IvfSpec { rerank, keep, ..spec.clone() };
            let (name, index) = (format!("ivf {name}{how}"), DenseIndexSpec::Ivf(spec));
            all.push(Candidate { name, index, bytes: bytes + ROW_BYTES, behind, made: Some("lists") });
        }
    };
    let plain = |codec| IvfSpec { codec, ..IvfSpec::default() };
    if component > 2.0 {
        push("f16".into(), plain(IvfCodecName::F16), wide * 2.0);
    }
    push("lvq8".into(), plain(IvfCodecName::Lvq8), wide + TAIL_BYTES);
    push("lvq4x8".into(), plain(IvfCodecName::Lvq4x8), wide * 1.5 + TAIL_BYTES);
    // As many parts as there is room for, or two components a part.
    for bits in [8, 4] {
        let part = f64::from(bits) / 8.0;
        let m =
            room.map_or(wide / 2.0, |room| room / part).floor().clamp(1.0, wide.min(PARTS_MAX.into())) as u32;
        let spec = IvfSpec { m: Some(m), bits: Some(bits), ..plain(IvfCodecName::Pq) };
        push(format!("pq {m}x{bits}"), spec, f64::from(m) * part);
    }
    let bytes = |bits: u32| wide * f64::from(bits) / 8.0 + TAIL_BYTES;
    let most = (1..=8).rev().find(|bits| room.is_none_or(|room| bytes(*bits) <= room)).unwrap_or(1);
    let mut kinds = if budget.is_some() { vec![most] } else { vec![1, 2, 4] };
    kinds.dedup();
    for bits in kinds {
        let spec = IvfSpec { bits: Some(bits), ..plain(IvfCodecName::Rabitq) };
        push(format!("rabitq {bits} bits"), spec, bytes(bits));
    }
    push("binary".into(), plain(IvfCodecName::Binary), wide / 8.0);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::dense::check;

    #[test]
    fn every_candidate_is_an_index_that_may_be_built() {
        for dims in [1, 3, 96, 384, 4_096] {
            for budget in [None, Some(1.0), Some(20.0), Some(48.0), Some(1e6)] {
                for component in [1.0, 2.0, 4.0] {
                    let all = candidates(dims, component, budget);
                    assert!(all.len() > 15 && all.iter().all(|one| one.bytes.is_finite()));
                    let mut names: Vec<&str> = all.iter().map(|one| one.name.as_str()).collect();
                    names.sort_unstable();
                    names.dedup();
                    assert_eq!(names.len(), all.len());
                    for one in all {
                        match check(None, dims, &one.index) {
                            Ok(()) => {}
                            Err(error) => {
                                assert_eq!(error.code(), crate::wire::Code::Unsupported, "{}", one.name)
                            }
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn codes_of_a_size_that_can_be_chosen_fit_the_budget() {
        let all = candidates(384, 4.0, Some(64.0));
        let of = |name: &str| all.iter().find(|one| one.name.starts_with(name)).unwrap();
        assert!(of("ivf pq 45x8").bytes <= 64.0 && of("ivf pq 90x4").bytes <= 64.0);
        assert!(of("ivf binary").bytes <= 64.0);
        assert!(of("hnsw auto").bytes > 64.0);
    }
}
