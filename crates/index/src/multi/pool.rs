//! Token pooling (Clavié, Chaffin and Adams, arXiv 2409.14683): tokens of a document that are near each other become their
//! mean, so that a document keeps a half or a third of its vectors.
//!
//! Ward's clustering (1963) of the tokens by the squared distance of unit vectors, `2 - 2 cos`, by the chain of nearest
//! neighbours (Murtagh 1983): O(n^2) steps for n tokens. The merges of least height are taken until `n / factor` clusters,
//! rounded up, are left; each becomes the mean of its tokens, and stands where its first token stood. Every sum is in one
//! order: what is stored is the same on every machine.

/// The most tokens that are clustered together: longer documents are pooled by pieces.
const PIECE: usize = 512;

/// Pools the tokens of one document into `out`; gives the number of each pooled token's first. Tokens of different units
/// (`units` has one for each token, or none) stay apart.
pub(super) fn pool(
    tokens: &[f32],
    dims: usize,
    units: &[u32],
    factor: u32,
    out: &mut Vec<f32>,
) -> Vec<usize> {
    let count = tokens.len() / dims;
    let mut firsts = Vec::new();
    let mut from = 0;
    while from < count {
        let same = |at: usize| units.get(at) == units.get(from);
        let mut end = from + 1;
        while end < count && end - from < PIECE && same(end) {
            end += 1;
        }
        let labels = clusters(&tokens[from * dims..end * dims], dims, factor);
        for first in 0..labels.len() {
            if labels[first] == first {
                firsts.push(from + first);
                let members = (first..labels.len()).filter(|at| labels[*at] == first);
                mean(&tokens[from * dims..end * dims], dims, members, out);
            }
        }
        from = end;
    }
    firsts
}

/// The mean of some tokens.
fn mean(tokens: &[f32], dims: usize, members: impl Iterator<Item = usize>, out: &mut Vec<f32>) {
    let from = out.len();
    let mut count = 0u32;
    for at in members {
        let token = &tokens[at * dims..(at + 1) * dims];
        if count == 0 {
            out.extend_from_slice(token);
        } else {
            out[from..].iter_mut().zip(token).for_each(|(sum, x)| *sum += x);
        }
        count += 1;
    }
    out[from..].iter_mut().for_each(|x| *x /= count as f32);
}

/// For each token the first token of its cluster.
fn clusters(tokens: &[f32], dims: usize, factor: u32) -> Vec<usize> {
    let count = tokens.len() / dims;
    let wanted = count.div_ceil(factor.max(1) as usize);
    let mut far = distances(tokens, dims);
    let mut sizes = vec![1.0f64; count];
    let mut merges: Vec<(f64, usize, usize)> = Vec::with_capacity(count);
    let mut chain: Vec<usize> = Vec::new();
    while merges.len() + 1 < count {
        let Some(&last) = chain.last() else {
            chain.extend(sizes.iter().position(|size| *size > 0.0));
            continue;
        };
        let before = chain.len().checked_sub(2).map(|at| chain[at]);
        let near = nearest(&far, &sizes, last, before);
        if Some(near) != before {
            chain.push(near);
            continue;
        }
        chain.truncate(chain.len() - 2);
        let (low, high) = (last.min(near), last.max(near));
        merges.push((far[low * count + high], low, high));
        join(&mut far, &mut sizes, low, high);
    }
    // Of equal heights the merge that was found first: its parts exist.
    merges.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut labels: Vec<usize> = (0..count).collect();
    for (_, low, high) in merges.into_iter().take(count - wanted) {
        let (a, b) = (labels[low], labels[high]);
        labels.iter_mut().filter(|label| **label == a.max(b)).for_each(|label| *label = a.min(b));
    }
    labels
}

/// `2 - 2 cos` of every two tokens.
fn distances(tokens: &[f32], dims: usize) -> Vec<f64> {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
    let all: Vec<&[f32]> = tokens.chunks(dims).collect();
    let lengths: Vec<f64> = all.iter().map(|token| dot(token, token).sqrt()).collect();
    let mut far = vec![0.0; all.len() * all.len()];
    for a in 0..all.len() {
        for b in a + 1..all.len() {
            let product = lengths[a] * lengths[b];
            let cosine = if product > 0.0 { dot(all[a], all[b]) / product } else { 0.0 };
            far[a * all.len() + b] = 2.0 - 2.0 * cosine;
            far[b * all.len() + a] = far[a * all.len() + b];
        }
    }
    far
}

/// The cluster nearest to `of`; of equally near ones `before`, else the first.
fn nearest(far: &[f64], sizes: &[f64], of: usize, before: Option<usize>) -> usize {
    let row = &far[of * sizes.len()..(of + 1) * sizes.len()];
    let mut best = before.map(|at| (row[at], at));
    for at in (0..sizes.len()).filter(|at| sizes[*at] > 0.0 && *at != of) {
        if best.is_none_or(|(least, _)| row[at] < least) {
            best = Some((row[at], at));
        }
    }
    best.map_or(of, |(_, at)| at)
}

/// `low` becomes both, `high` nothing (Lance and Williams 1967).
fn join(far: &mut [f64], sizes: &mut [f64], low: usize, high: usize) {
    let count = sizes.len();
    let between = far[low * count + high];
    for at in (0..count).filter(|at| sizes[*at] > 0.0 && *at != low && *at != high) {
        let (a, b, c) = (sizes[low], sizes[high], sizes[at]);
        let sum = (a + c) * far[low * count + at] + (b + c) * far[high * count + at] - c * between;
        far[low * count + at] = sum / (a + b + c);
        far[at * count + low] = far[low * count + at];
    }
    sizes[low] += sizes[high];
    sizes[high] = 0.0;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_tokens_become_their_mean_and_stand_where_the_first_stood() {
        let tokens = [1.0, 0.0, 0.0, 1.0, 0.9, 0.1, -1.0, 0.0, 0.0, 0.8, 1.0, 0.1];
        let mut out = Vec::new();
        let firsts = pool(&tokens, 2, &[], 2, &mut out);
        assert_eq!(firsts, [0, 1, 3]);
        assert_eq!(out[2..], [0.0, 0.9, -1.0, 0.0]);
        assert!((out[0] - 2.9 / 3.0).abs() < 1e-6 && (out[1] - 0.2 / 3.0).abs() < 1e-6);
    }

    #[test]
    fn units_stay_apart_and_a_factor_of_one_changes_nothing() {
        let tokens = [1.0, 0.0, 1.0, 0.0, 1.0, 0.0, 1.0, 0.0];
        let mut out = Vec::new();
        assert_eq!(pool(&tokens, 2, &[0, 0, 1, 1], 4, &mut out), [0, 2]);
        assert_eq!(out, [1.0, 0.0, 1.0, 0.0]);
        out.clear();
        assert_eq!(pool(&tokens, 2, &[], 1, &mut out), [0, 1, 2, 3]);
        assert_eq!(out, tokens);
    }

    /// The merges of a plain search for the closest pair, by Ward's definition.
    #[test]
    fn the_chain_finds_what_a_plain_search_finds() {
        let mut state = 1u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f32 / (1u32 << 24) as f32 - 0.5
        };
        for count in [2usize, 5, 17, 40] {
            let mut tokens: Vec<f32> = (0..count * 3).map(|_| next()).collect();
            for token in tokens.chunks_mut(3) {
                let length = token.iter().map(|x| x * x).sum::<f32>().sqrt();
                token.iter_mut().for_each(|x| *x /= length);
            }
            for factor in [2, 3, 4] {
                let wanted = count.div_ceil(factor);
                let mut groups: Vec<Vec<usize>> = (0..count).map(|at| vec![at]).collect();
                while groups.len() > wanted {
                    let center = |group: &Vec<usize>, i: usize| {
                        group.iter().map(|at| f64::from(tokens[at * 3 + i])).sum::<f64>() / group.len() as f64
                    };
                    let mut best = (f64::INFINITY, 0, 0);
                    for a in 0..groups.len() {
                        for b in a + 1..groups.len() {
                            let apart: f64 =
                                (0..3).map(|i| (center(&groups[a], i) - center(&groups[b], i)).powi(2)).sum();
                            let (m, n) = (groups[a].len() as f64, groups[b].len() as f64);
                            let cost = apart * m * n / (m + n);
                            if cost < best.0 {
                                best = (cost, a, b);
                            }
                        }
                    }
                    let gone = groups.remove(best.2);
                    groups[best.1].extend(gone);
                }
                let labels = clusters(&tokens, 3, factor as u32);
                for group in groups {
                    let first = group.iter().copied().min().unwrap_or(0);
                    assert!(group.iter().all(|at| labels[*at] == first), "{count} by {factor}");
                }
            }
        }
    }
}
