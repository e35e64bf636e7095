#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use super::*;
use crate::parallel::Threads;
use tercet_kernels::Metric;

/// Numbers of a fixed sequence, about normal.
fn numbers(count: usize, seed: u64) -> Vec<f32> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 40) as f32 / (1u64 << 24) as f32 - 0.5
    };
    (0..count).map(|_| next() + next() + next()).collect()
}

fn exact(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(x, y)| (f64::from(*x) - f64::from(*y)).powi(2)).sum()
}

#[test]
fn codes_estimate_half_the_squared_distance() {
    for (coder, tolerance) in [
        (Coder::bits8(1), 0.02),
        (Coder::bits8(24), 0.02),
        (Coder::bits8(121), 0.01),
        (Coder::bits8(385).in_lines(), 0.01),
        (Coder::bits4(7), 0.3),
        (Coder::bits4(48), 0.15),
        (Coder::bits4(240).in_lines(), 0.1),
        (Coder::bits4(300), 0.1),
        (Coder::bits4(1000), 0.1),
    ] {
        let (dims, rows) = (coder.dims(), 50);
        let points = numbers(dims * rows, 7);
        let mut codes = vec![0u8; coder.stride() * rows];
        for (row, point) in codes.chunks_exact_mut(coder.stride()).zip(points.chunks_exact(dims)) {
            coder.encode(point, Coder::norm(point), row);
        }
        let query = numbers(dims, 99);
        let mut made = CodeQuery::default();
        coder.query(&query, Coder::norm(&query), &mut made);
        let ids: Vec<u32> = (0..rows as u32).rev().collect();
        let mut out = vec![0.0; rows];
        coder.distances(&made, &codes, &ids, &mut out);
        let mut in_order = vec![0.0; rows];
        coder.distances_in_order(&made, &codes, &mut in_order);
        let typical = exact(&query, &points[..dims]).max(dims as f64 / 4.0);
        for (id, found) in ids.iter().zip(&out) {
            let at = *id as usize;
            assert_eq!(found.to_bits(), in_order[at].to_bits());
            let truth = exact(&query, &points[at * dims..(at + 1) * dims]);
            let found = f64::from(found + made.half_norm) * 2.0;
            assert!((found - truth).abs() < tolerance * typical, "{coder:?}: {found} for {truth}");
        }
        let mut back = Vec::new();
        coder.decode(&codes[..coder.stride()], &mut back);
        let lost = exact(&back, &points[..dims]) / exact(&points[..dims], &vec![0.0; dims]);
        assert!(lost < tolerance, "{coder:?} loses {lost}");
    }
}

#[test]
fn a_row_is_its_own_query() {
    let coder = Coder::bits8(100);
    let points = numbers(300, 3);
    let mut codes = vec![0u8; coder.stride() * 3];
    for (row, point) in codes.chunks_exact_mut(coder.stride()).zip(points.chunks_exact(100)) {
        coder.encode(point, Coder::norm(point), row);
    }
    let mut query = CodeQuery::default();
    coder.query_of_row(&codes[..coder.stride()], &mut query);
    let mut out = [0.0; 3];
    coder.distances(&query, &codes, &[0, 1, 2], &mut out);
    assert!((out[0] + query.half_norm).abs() < 0.01, "{out:?}");
    assert!(
        (f64::from(out[1] + query.half_norm) * 2.0 - exact(&points[..100], &points[100..200])).abs() < 0.5
    );
}

#[test]
fn a_space_does_not_depend_on_threads_or_on_how_vectors_come() {
    let dims = 70;
    let vectors = numbers(dims * 2_100, 5);
    for metric in [Metric::Cosine, Metric::Dot, Metric::L2] {
        let by = |many: usize, threads: usize| {
            let mut visit = |each: &mut dyn FnMut(&[f32])| {
                vectors.chunks(many * dims).for_each(each);
                Ok(())
            };
            Space::fit_on(metric, dims, &mut visit, &Threads(threads)).unwrap()
        };
        let one = by(1, 1);
        assert_eq!(one, by(2_100, 1));
        assert_eq!(one, by(1_000, 3));
        assert_eq!(
            one,
            Space::fit(metric, dims, &mut |each| {
                vectors.chunks(dims).for_each(each);
                Ok(())
            })
            .unwrap()
        );
        // From the definition: the mean of the points is the origin, the longest one is at most 1 long.
        let (mut point, mut sums, mut longest) =
            (vec![0.0; one.points()], vec![0.0f64; one.points()], 0.0f64);
        for vector in vectors.chunks(dims) {
            one.point(vector, &mut point);
            sums.iter_mut().zip(&point).for_each(|(sum, x)| *sum += f64::from(*x));
            longest = longest.max(exact(&point, &vec![0.0; point.len()]));
        }
        assert!(sums.iter().all(|sum| (sum / 2_100.0).abs() < 1e-5) && longest <= 1.0 && longest > 0.2);
    }
    let none = Space::fit_on(
        Metric::L2,
        dims,
        &mut |each| {
            each(&[]);
            Ok(())
        },
        &Threads(2),
    )
    .unwrap();
    assert_eq!(none.points(), dims);
}
