//! Which candidates become links: near ones that do not lie behind a link already chosen (Malkov and Yashunin, algorithm
//! 4), relaxed by a factor as in Vamana (Subramanya et al., NeurIPS 2019), so that some long links stay.

use crate::quant::{CodeQuery, Coder};

/// A candidate is dropped when a link is nearer to it, by this factor of squared distances, than the node itself.
/// Measured on MiniLM and MNIST: 1.0 loses recall at the same effort, 1.2 costs a tenth of the speed.
const RELAXED: f32 = 1.1;
/// Links compared at once; most candidates fall to the first few.
const FIRST: usize = 4;
const NEXT: usize = 8;
/// The most links of a node.
pub(super) const LINKS_MAX: usize = 192;

/// A possible link: half the squared distance to the node, the node of the other end, its slot.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Near {
    pub(super) distance: f32,
    pub(super) node: u32,
    pub(super) slot: u32,
}

impl Near {
    /// Nearest first; of equal ones the lower slot.
    pub(super) fn order(a: &Near, b: &Near) -> std::cmp::Ordering {
        a.distance.total_cmp(&b.distance).then(a.slot.cmp(&b.slot))
    }
}

/// The codes by which links are judged, 8 bits a component.
#[derive(Clone, Copy)]
pub(super) struct Judge<'a> {
    pub(super) coder: Coder,
    pub(super) codes: &'a [u8],
}

impl Judge<'_> {
    pub(super) fn row(&self, slot: u32) -> &[u8] {
        let start = slot as usize * self.coder.stride();
        self.codes.get(start..start + self.coder.stride()).unwrap_or(&[])
    }

    /// Half the squared distances from a slot to others, which are put in order.
    pub(super) fn measure(&self, slot: u32, near: &mut [Near], scratch: &mut PruneScratch) {
        self.coder.query_of_row(self.row(slot), &mut scratch.query);
        scratch.slots.clear();
        scratch.slots.extend(near.iter().map(|near| near.slot));
        for slot in &scratch.slots {
            tercet_kernels::prefetch(self.codes, *slot as usize * self.coder.stride(), self.coder.stride());
        }
        scratch.distances.clear();
        scratch.distances.resize(near.len(), 0.0);
        self.coder.distances(&scratch.query, self.codes, &scratch.slots, &mut scratch.distances);
        for (near, distance) in near.iter_mut().zip(&scratch.distances) {
            near.distance = distance + scratch.query.half_norm;
        }
        near.sort_unstable_by(Near::order);
    }

    /// Chooses at most `most` of the candidates, which are in order; their nodes go to `chosen`.
    pub(super) fn choose(&self, near: &[Near], most: usize, chosen: &mut Vec<u32>, query: &mut CodeQuery) {
        chosen.clear();
        let mut slots = [0u32; LINKS_MAX];
        let mut distances = [0f32; NEXT];
        for candidate in near {
            let count = chosen.len();
            if count >= most.min(LINKS_MAX) {
                break;
            }
            self.coder.query_of_row(self.row(candidate.slot), query);
            let mut at = 0;
            let mut behind = false;
            while at < count && !behind {
                let some = &slots[at..count.min(at + if at == 0 { FIRST } else { NEXT })];
                let found = &mut distances[..some.len()];
                self.coder.distances(query, self.codes, some, found);
                behind = found.iter().any(|d| (d + query.half_norm) * RELAXED < candidate.distance);
                at += some.len();
            }
            if !behind {
                slots[count] = candidate.slot;
                chosen.push(candidate.node);
            }
        }
    }
}

/// What pruning needs, to be used again and again.
#[derive(Default)]
pub(super) struct PruneScratch {
    pub(super) query: CodeQuery,
    pub(super) slots: Vec<u32>,
    pub(super) distances: Vec<f32>,
    pub(super) near: Vec<Near>,
    pub(super) chosen: Vec<u32>,
}
