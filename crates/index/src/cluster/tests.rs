#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use super::*;
use crate::dense::Parallel;

fn number(at: usize) -> f32 {
    (share(3, at as u64) * 2.0 - 1.0) as f32
}

/// Some groups of points close together.
fn grouped(groups: usize, of_each: usize, dims: usize) -> Vec<f32> {
    let point = |at: usize| {
        let group = at % groups;
        (0..dims).map(move |i| number(group * dims + i) + 0.02 * number(1_000_000 + at * dims + i))
    };
    (0..groups * of_each).flat_map(point).collect()
}

/// Pieces backwards, said to be on many threads.
struct Backwards;

impl Parallel for Backwards {
    fn threads(&self) -> usize {
        7
    }

    fn run(&self, tasks: usize, body: &(dyn Fn(usize) + Sync)) {
        (0..tasks).rev().for_each(body);
    }
}

#[test]
fn groups_are_found() {
    let (dims, groups) = (9, 40);
    let values = grouped(groups, 50, dims);
    let points = Points { values: &values, dims };
    let found = kmeans(points, groups, 5, &Work::inline()).unwrap();
    assert_eq!(found.len(), groups);
    let mut far = 0;
    found.each_nearest(points, |_, _, distance, _| far += usize::from(distance > 0.05));
    assert!(far <= 100, "{far} of 2000 points far from every centroid");
    let again = kmeans(points, groups, 5, &Work { parallel: &Backwards, progress: &|_, _| true }).unwrap();
    assert_eq!(found.values, again.values, "the same for any threads");
    let other = kmeans(points, groups, 6, &Work::inline()).unwrap();
    assert_ne!(found.values, other.values, "the seed counts");
}

#[test]
fn the_nearest_is_the_nearest() {
    let dims = 20;
    let values: Vec<f32> = (0..300 * dims).map(number).collect();
    let points = Points { values: &values, dims };
    let found = kmeans(points, 25, 0, &Work::inline()).unwrap();
    let squared = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum::<f32>();
    found.each_nearest(points, |at, nearest, distance, all| {
        assert_eq!(all.len(), 25);
        let true_distance = squared(points.get(at), found.get(nearest as usize));
        assert!((distance * 2.0 - true_distance).abs() < 0.1, "{distance} {true_distance}");
        let best = (0..25).map(|c| squared(points.get(at), found.get(c))).fold(f32::INFINITY, f32::min);
        assert!(true_distance <= best + 0.15, "{true_distance} {best}");
    });
}

#[test]
fn few_and_equal_points_have_centroids() {
    for (count, dims, k) in [(0, 3, 4), (1, 3, 4), (3, 1, 8), (50, 2, 50), (64, 5, 7)] {
        let same = vec![0.25; count * dims];
        let found = kmeans(Points { values: &same, dims }, k, 1, &Work::inline()).unwrap();
        assert_eq!(found.len(), k.min(count));
        assert!(found.values.iter().all(|x| (x - 0.25).abs() < 0.01), "{:?}", found.values);
    }
}

#[test]
fn balance_bounds_the_longest() {
    let dims = 6;
    // Nine tenths of the points in one place.
    let mut values = grouped(1, 1_800, dims);
    values.extend(grouped(10, 20, dims).iter().map(|x| x * 3.0));
    let points = Points { values: &values, dims };
    let longest = |centroids: &Centroids| {
        let mut sizes = vec![0; centroids.len()];
        centroids.each_nearest(points, |_, nearest, _, _| sizes[nearest as usize] += 1);
        sizes.into_iter().max().unwrap()
    };
    let plain = Centroids::new(values[1_700 * dims..1_732 * dims].to_vec(), dims);
    let even = balanced(plain, points, 2, &Work::inline()).unwrap();
    assert_eq!(even.len(), 32);
    assert!(longest(&even) <= 160, "{}", longest(&even));
}

#[test]
fn members_come_in_order() {
    let clusters = [2u32, 0, 2, 1, 0, 2];
    let members = Members::new(4, clusters.iter().copied()).unwrap();
    assert_eq!(members.of(0), [1, 4]);
    assert_eq!(members.of(1), [3]);
    assert_eq!(members.of(2), [0, 2, 5]);
    assert!(members.of(3).is_empty());
}
