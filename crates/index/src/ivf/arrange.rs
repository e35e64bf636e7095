//! How lists stand: none longer than the bound where one is asked for, and many of them in groups that are near each other.
//!
//! k-means cuts large clusters (`cluster/balance.rs`) as far as it can. What is still too long, because vectors lie at one
//! place or came later, is dealt out to further lists of the same centroid, one behind the other; a merge joins them
//! first. Of many lists a search ranks the groups, by the centroids of the lists' centroids, and then the lists of the nearest.

use super::GROUPS_FROM;
use super::layout::BLOCK;
use super::make::Coded;
use super::plan::Plan;
use super::pool::{Candidate, candidate, entry};
use super::reader::Stage;
use crate::IndexError;
use crate::cluster::{Centroids, Members, Points, kmeans};
use crate::dense::{DenseSpec, Work};
use crate::quant::CodeQuery;
use crate::sections::{reserved, zeros};
use std::ops::Range;

/// The longest list, as a multiple of the mean.
const LONGEST: usize = 2;

/// Groups of lists.
pub(super) struct Groups {
    /// Their centroids as 8-bit codes.
    pub(super) codes: Vec<u8>,
    /// Where each ends, in lists.
    pub(super) ends: Vec<u32>,
}

/// Bounds and groups lists, as the options and their number want it.
pub(super) fn arranged(
    spec: &DenseSpec,
    plan: &mut Plan,
    coded: &mut Coded,
    work: &Work<'_>,
) -> Result<Option<Groups>, IndexError> {
    if spec.options.ivf.balance {
        bounded(plan, coded)?;
    }
    if plan.centroids.len() < GROUPS_FROM {
        return Ok(None);
    }
    grouped(plan, coded, spec.options.seed, work).map(Some)
}

/// Of lists of one centroid the first; gives the new number of each.
pub(super) fn joined(plan: &mut Plan) -> Vec<u32> {
    let lists = plan.centroids.len();
    let mut kept: Vec<usize> = Vec::with_capacity(lists);
    let mut numbers = Vec::with_capacity(lists);
    for list in 0..lists {
        let same = list > 0 && plan.centroids.get(list) == plan.centroids.get(list - 1);
        if !same {
            kept.push(list);
        }
        numbers.push(kept.len() as u32 - 1);
    }
    if kept.len() < lists {
        plan.centroids = picked(&plan.centroids, &kept);
    }
    numbers
}

/// Some centroids, in an order.
fn picked(centroids: &Centroids, lists: &[usize]) -> Centroids {
    let stride = centroids.coder.stride();
    let values = lists.iter().flat_map(|list| centroids.get(*list)).copied().collect();
    let codes = lists.iter().flat_map(|list| &centroids.codes[list * stride..(list + 1) * stride]);
    Centroids { values, codes: codes.copied().collect(), ..*centroids }
}

/// Deals the entries of lists that are too long out to further lists of the same centroid.
fn bounded(plan: &mut Plan, coded: &mut Coded) -> Result<(), IndexError> {
    let lists = plan.centroids.len();
    let most = (coded.lists.len().saturating_mul(LONGEST)).div_ceil(lists.max(1)).max(BLOCK);
    let mut lens: Vec<usize> = zeros(lists)?;
    coded.lists.iter().for_each(|list| lens[*list as usize] += 1);
    let pieces = |len: usize| len.div_ceil(most).max(1);
    let mut kept = Vec::with_capacity(lists);
    let mut first: Vec<u32> = Vec::with_capacity(lists);
    for (list, len) in lens.iter().enumerate() {
        first.push(kept.len() as u32);
        kept.extend(std::iter::repeat_n(list, pieces(*len)));
    }
    if kept.len() == lists {
        return Ok(());
    }
    let mut seen: Vec<usize> = zeros(lists)?;
    for list in &mut coded.lists {
        let old = *list as usize;
        let each = lens[old].div_ceil(pieces(lens[old]));
        *list = first[old] + (seen[old] / each) as u32;
        seen[old] += 1;
    }
    plan.centroids = picked(&plan.centroids, &kept);
    Ok(())
}

/// Puts lists that are near each other beside each other.
fn grouped(plan: &mut Plan, coded: &mut Coded, seed: u64, work: &Work<'_>) -> Result<Groups, IndexError> {
    let lists = plan.centroids.len();
    let points = Points { values: &plan.centroids.values, dims: plan.centroids.dims };
    let centres = kmeans(points, lists.isqrt(), seed, work)?;
    let mut nearest: Vec<u32> = reserved(lists)?;
    centres.each_nearest(points, |_, group, _, _| nearest.push(group));
    let members = Members::new(centres.len(), nearest.iter().copied())?;
    let order: Vec<usize> =
        (0..centres.len()).flat_map(|group| members.of(group)).map(|list| *list as usize).collect();
    let mut numbers: Vec<u32> = zeros(lists)?;
    order.iter().enumerate().for_each(|(new, old)| numbers[*old] = new as u32);
    coded.lists.iter_mut().for_each(|list| *list = numbers[*list as usize]);
    plan.centroids = picked(&plan.centroids, &order);
    let mut end = 0;
    let ends = (0..centres.len()).map(|group| {
        end += members.of(group).len() as u32;
        end
    });
    Ok(Groups { ends: ends.collect(), codes: centres.codes })
}

/// The lists to rank: those of the nearest groups, so many at least, or all.
pub(super) fn near_groups(stage: &Stage, wanted: usize, coarse: &CodeQuery, into: &mut Vec<Range<usize>>) {
    let lists = stage.head.lists as usize;
    into.clear();
    let Some((ends, codes)) = stage.groups.as_ref().filter(|_| wanted < lists) else {
        into.push(0..lists);
        return;
    };
    let ends = ends.unverified();
    let mut distances = vec![0.0; ends.len()];
    stage.plan.centroids.coder.distances_in_order(coarse, codes.unverified(), &mut distances);
    let mut near: Vec<Candidate> =
        (0..).zip(&distances).map(|(group, distance)| candidate(*distance, group)).collect();
    near.sort_unstable();
    let mut held = 0;
    for group in near.into_iter().map(|c| entry(c) as usize) {
        let start = group.checked_sub(1).and_then(|before| ends.get(before)).map_or(0, |end| *end as usize);
        let end = ends.get(group).map_or(start, |end| *end as usize);
        // Ends were checked when the file was opened.
        held += end.saturating_sub(start);
        into.push(start..end);
        if held >= wanted {
            break;
        }
    }
}
