//! Level-1 indexes against a naive oracle: search, add, remove, compact, save, open.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod common;

use common::{Client, code, memory};
use serde_json::json;
use tercet_engine::api::{Array, root};
use tercet_engine::wire::Code;

const DIMS: usize = 5;

fn vector(seed: u32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2_654_435_761) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        // Few values, so that ties are common.
        (state % 7) as f32 - 3.0
    };
    let mut out: Vec<f32> = (0..DIMS).map(|_| next()).collect();
    out[0] += 0.5;
    out
}

fn build(metric: &str, seeds: std::ops::Range<u32>) -> (std::sync::Arc<dyn tercet_store::Env>, Client) {
    let env = memory();
    let request = json!({ "dims": DIMS, "metric": metric, "index": { "kind": "flat" } });
    let vectors = seeds.flat_map(vector).collect();
    let reply = Client(root(env.clone())).raw("index.build", &request, vec![Array::F32(vectors)]).unwrap();
    (env, Client(reply.handle.unwrap()))
}

fn search(c: &Client, query: &[f32], k: usize) -> Vec<(u32, f32)> {
    let (mut rows, mut scores) = (vec![0; k], vec![0.0; k]);
    let found = c.search_into(query, k, &mut rows, &mut scores).unwrap();
    rows.into_iter().zip(scores).take(found).collect()
}

fn oracle(metric: &str, rows: &[(u32, u32)], query: &[f32], k: usize) -> Vec<(u32, f32)> {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f32>();
    let mut all: Vec<(u32, f32)> = rows
        .iter()
        .map(|(row, seed)| {
            let v = vector(*seed);
            let score = match metric {
                "dot" => dot(&v, query),
                "l2" => -v.iter().zip(query).map(|(x, y)| (x - y) * (x - y)).sum::<f32>(),
                _ => dot(&v, query) / (dot(&v, &v).sqrt() * dot(query, query).sqrt()),
            };
            (*row, score)
        })
        .collect();
    all.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    all.truncate(k);
    all
}

#[test]
fn rows_survive_every_change() {
    for metric in ["dot", "l2", "cosine"] {
        let (env, mut c) = build(metric, 0..40);
        env.create_dir_all("dir").unwrap();
        let mut rows: Vec<(u32, u32)> = (0..40).map(|n| (n, n)).collect();
        let mut next = 40;
        for round in 0..30u32 {
            let fresh = 100 + round * 10..100 + round * 10 + 1 + round % 9;
            let added =
                c.raw("add", &json!({}), vec![Array::F32(fresh.clone().flat_map(vector).collect())]).unwrap();
            let said: serde_json::Value = serde_json::from_str(&added.json).unwrap();
            assert_eq!((&said["first"], &said["count"]), (&json!(next), &json!(fresh.len())));
            rows.extend(fresh.map(|seed| {
                next += 1;
                (next - 1, seed)
            }));
            let gone = [round * 3, round, 9_999];
            c.raw("remove", &json!({}), vec![Array::U32(gone.to_vec())]).unwrap();
            rows.retain(|(row, _)| !gone.contains(row));
            let query = vector(7_777 + round);
            let (found, wanted) = (search(&c, &query, 12), oracle(metric, &rows, &query, 12));
            assert_eq!(found.len(), wanted.len());
            for (f, w) in found.iter().zip(&wanted) {
                assert!((f.1 - w.1).abs() < 1e-5, "{metric} {found:?} {wanted:?}");
                // Sums of small half-integers are exact, so ties are ties and must go to the lower row.
                assert!(f.0 == w.0 || metric == "cosine", "{metric} {found:?} {wanted:?}");
            }
            let queries: Vec<f32> = (round..round + 9).flat_map(vector).collect();
            let left_out = vec![found[0].0, 40 + round];
            let arrays = vec![Array::F32(queries.clone()), Array::U32(left_out.clone())];
            let batch = c.raw("searchBatch", &json!({ "k": 6, "excluded": true }), arrays).unwrap();
            let (Array::U32(many), Array::F32(scores)) = (&batch.arrays[0], &batch.arrays[1]) else {
                panic!("rows and scores")
            };
            for (at, query) in queries.chunks(DIMS).enumerate() {
                let together: Vec<(u32, f32)> = (at * 6..at * 6 + 6).map(|i| (many[i], scores[i])).collect();
                let mut single = search(&c, query, 8);
                single.retain(|(row, _)| !left_out.contains(row));
                assert_eq!(together, single[..6], "{metric}, round {round}, query {at}");
            }
            if round % 7 == 6 {
                c.call("save", json!({ "path": "dir/x.flat" })).unwrap();
                let open = json!({ "path": "dir/x.flat", "index": { "kind": "flat" } });
                c = Client(
                    Client(root(env.clone())).raw("index.open", &open, Vec::new()).unwrap().handle.unwrap(),
                );
                assert_eq!(search(&c, &query, 12), found);
            }
        }
        let query = vector(5);
        let before = search(&c, &query, 20);
        let reply = c.raw("compact", &json!({}), Vec::new()).unwrap();
        let Array::U32(map) = &reply.arrays[0] else { panic!("a map of rows") };
        let renamed: Vec<(u32, f32)> =
            before.iter().map(|(row, score)| (map[*row as usize], *score)).collect();
        assert_eq!(search(&c, &query, 20), renamed);
        assert_eq!(map.iter().filter(|row| **row != u32::MAX).count(), rows.len());
    }
}

#[test]
fn batches_and_filters_agree_with_single_searches() {
    let (_, c) = build("dot", 0..200);
    let queries: Vec<f32> = (900..905).flat_map(vector).collect();
    let reply = c.raw("searchBatch", &json!({ "k": 7 }), vec![Array::F32(queries.clone())]).unwrap();
    let (Array::U32(rows), Array::F32(scores)) = (&reply.arrays[0], &reply.arrays[1]) else {
        panic!("two arrays")
    };
    for (at, query) in queries.chunks(DIMS).enumerate() {
        let found: Vec<(u32, f32)> = (at * 7..at * 7 + 7).map(|i| (rows[i], scores[i])).collect();
        assert_eq!(found, search(&c, query, 7));
    }
    let filter = vec![0b1010u32, 0, 1];
    let request = json!({ "k": 7, "filtered": true });
    let reply = c.raw("searchBatch", &request, vec![Array::F32(vector(900)), Array::U32(filter)]).unwrap();
    let Array::U32(rows) = &reply.arrays[0] else { panic!("rows first") };
    let mut found: Vec<u32> = rows.iter().copied().filter(|row| *row != u32::MAX).collect();
    found.sort_unstable();
    assert_eq!(found, [1, 3, 64]);
}

#[test]
fn bad_calls_are_named() {
    let (env, c) = build("cosine", 0..3);
    let top = |query: &[f32], k: usize, room: usize| {
        code(c.search_into(query, k, &mut vec![0; room], &mut vec![0.0; room]))
    };
    assert_eq!(top(&[1.0; 4], 1, 1), Code::Dimension);
    assert_eq!(top(&[0.0; 5], 1, 1), Code::ZeroVector);
    assert_eq!(top(&[f32::NAN; 5], 1, 1), Code::NotFinite);
    assert_eq!(top(&[1.0; 5], 0, 1), Code::Limit);
    assert_eq!(top(&[1.0; 5], 100_001, 100_001), Code::Limit);
    assert_eq!(top(&[1.0; 5], 2, 1), Code::Argument);
    let mut vectors = [1.0; 15];
    vectors[11] = f32::INFINITY;
    let error = c.raw("add", &json!({}), vec![Array::F32(vectors.to_vec())]).err().unwrap();
    assert_eq!((error.code(), error.0.position, error.0.component), (Code::NotFinite, Some(2), Some(1)));
    assert_eq!(code(c.raw("add", &json!({}), vec![Array::F32(vec![1.0; 7])])), Code::Dimension);
    assert_eq!(code(c.raw("add", &json!({}), vec![Array::U32(vec![1])])), Code::Type);
    assert_eq!(c.call("stats", json!({})).unwrap()["rows"], json!(3));
    let open = |path: &str| {
        Client(root(env.clone())).raw(
            "index.open",
            &json!({ "path": path, "index": { "kind": "flat" } }),
            Vec::new(),
        )
    };
    assert_eq!(code(open("nowhere")), Code::NotFound);
    c.call("save", json!({ "path": "x" })).unwrap();
    let bytes = env.read("x").unwrap();
    for end in [0, 1, 100, bytes.len() / 2, bytes.len() - 1] {
        let name = format!("cut-{end}");
        env.create(&name).unwrap().write_all(&bytes[..end]).unwrap();
        assert_eq!(code(open(&name)), Code::Corrupt, "{end}");
    }
    Client::open(&env, "folder", &json!({ "fields": { "a": { "type": "text" } } }));
    assert!(matches!(code(open("folder/MANIFEST")), Code::Corrupt));
    c.0.close();
    assert_eq!(code(c.call("stats", json!({}))), Code::Closed);
}
