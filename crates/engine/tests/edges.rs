//! Answers at the edges: what is empty, equal, twice, absent, or at the end of its range.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod common;

use common::{Client, code, memory};
use serde_json::{Value, json};
use tercet_engine::api::{Array, Control};
use tercet_engine::wire::Code;

fn open(fields: Value) -> Client {
    Client::open(&memory(), ":memory:", &json!({ "fields": fields }))
}

fn batch(c: &Client) -> Client {
    Client(c.raw("begin", &json!({}), Vec::new()).unwrap().handle.unwrap())
}

#[test]
fn numbers_have_one_spelling() {
    let c = open(json!({ "n": { "type": "integer" }, "f": { "type": "float" } }));
    let stage =
        r#"{"chunk":0,"first":0,"documents":[{"id":7.0,"n":1e3,"f":-0.0},{"id":-0.0,"n":-0.0,"f":1}]}"#;
    let b = batch(&c);
    b.0.call("stage", stage, Vec::new(), &Control::new()).unwrap();
    b.call("commit", json!({})).unwrap();
    let reply = c.raw("get", &json!({ "ids": [7, 0] }), Vec::new()).unwrap();
    assert_eq!(reply.json, r#"{"documents":[{"id":7,"n":1000,"f":-0.0},{"id":0,"n":0,"f":1}]}"#);
    let count = |filter: Value| c.call("count", json!({ "where": filter })).unwrap()["count"].clone();
    assert_eq!(count(json!({ "n": 1e3, "f": 0 })), json!(1));
    assert_eq!(count(json!({ "f": { "gte": 0.0, "lte": -0.0 } })), json!(1));
    assert_eq!(c.call("remove", json!({ "ids": [7.0, "7"] })).unwrap()["removed"], json!(1));
}

#[test]
fn dates_are_cut_towards_the_past() {
    let c = open(json!({ "d": { "type": "date" } }));
    let days = [
        ("1969-12-31T23:59:59.9995Z", -1),
        ("1969-12-31T23:59:59.999Z", -1),
        ("1970-01-01T00:00:00.0009Z", 0),
        ("1970-01-01T01:00:00+01:00", 0),
        ("1969-12-31", -86_400_000),
    ];
    for (text, ms) in days {
        c.upsert(&[json!({ "id": text, "d": text })]).unwrap();
        assert_eq!(
            c.call("get", json!({ "ids": [text] })).unwrap()["documents"][0]["d"],
            json!(ms),
            "{text}"
        );
    }
    let edge = 8_640_000_000_000_000i64;
    c.upsert(&[json!({ "id": 1, "d": edge }), json!({ "id": 2, "d": -edge })]).unwrap();
    assert_eq!(c.ids(json!({ "query": { "kind": "all" }, "where": { "d": { "gte": edge } } })), [json!(1)]);
    for wrong in [json!(edge + 1), json!("2023-02-29"), json!("2023-13-01"), json!(""), json!(0.5)] {
        assert_eq!(code(c.upsert(&[json!({ "id": 3, "d": wrong })])), Code::Type, "{wrong}");
    }
}

#[test]
fn absent_empty_and_twice_are_told_apart() {
    let c = open(json!({ "t": { "type": "keyword", "many": true, "optional": true },
        "n": { "type": "integer", "optional": true } }));
    c.upsert(&[
        json!({ "id": 0 }),
        json!({ "id": 1, "t": [], "n": 0 }),
        json!({ "id": 2, "t": ["a", "a", ""], "n": 5 }),
        json!({ "id": 3, "t": ["b"], "n": null }),
    ])
    .unwrap();
    let ids = |filter: Value| -> Vec<i64> {
        let found = c.ids(json!({ "query": { "kind": "all" }, "where": filter }));
        found.iter().map(|id| id.as_i64().unwrap()).collect()
    };
    assert_eq!(ids(json!({ "t": { "exists": true } })), [1, 2, 3]);
    assert_eq!(ids(json!({ "t": "a" })), [2]);
    assert_eq!(ids(json!({ "t": "" })), [2]);
    assert_eq!(ids(json!({ "t": { "in": ["b", "a", "b", "zz"] } })), [2, 3]);
    assert_eq!(ids(json!({ "not": { "t": "a" } })), [0, 1, 3]);
    assert_eq!(ids(json!({ "not": { "t": { "exists": false }, "n": 5 } })), [0, 1, 2, 3]);
    assert_eq!(ids(json!({ "n": { "exists": false, "eq": 0 } })), [] as [i64; 0]);
    assert_eq!(ids(json!({ "n": { "exists": true, "lt": 5 } })), [1]);
    assert_eq!(ids(json!({ "not": { "n": { "gte": 0 } } })), [0, 3]);
    assert_eq!(ids(json!({ "not": { "not": { "n": 5 } } })), [2]);
    assert_eq!(ids(json!({ "and": [], "not": { "or": [] } })), [0, 1, 2, 3]);
    assert_eq!(ids(json!({ "not": {} })), [] as [i64; 0]);
    assert_eq!(ids(json!({ "t": { "gt": "", "lt": "b" } })), [2]);
}

#[test]
fn words_across_fields_segments_and_ties() {
    let fields = json!({ "a": { "type": "text" }, "b": { "type": "text", "optional": true, "boost": 2 } });
    let c = open(fields);
    // One batch each: as many segments, merged at some point; equal documents tie in the order of insertion.
    for id in 0..20 {
        c.upsert(&[json!({ "id": id, "a": "red fish", "b": "blue fish" })]).unwrap();
    }
    c.upsert(&[json!({ "id": "empty", "a": "" }), json!({ "id": "split", "a": "red", "b": "fish" })])
        .unwrap();
    let ids: Vec<Value> = (0..20).map(Value::from).collect();
    let page = |query: Value, offset: usize, limit: usize| {
        c.ids(json!({ "query": query, "offset": offset, "limit": limit }))
    };
    let words = |text: &str, operator: &str| json!({ "kind": "match", "text": text, "operator": operator });
    assert_eq!(page(words("red fish", "and"), 0, 100), ids);
    assert_eq!(page(words("red fish", "and"), 5, 3), ids[5..8]);
    assert_eq!(page(words("red fish", "and"), 90, 100), Vec::<Value>::new());
    assert_eq!(page(words("red blue", "and"), 0, 100), Vec::<Value>::new());
    assert_eq!(page(words("red unknown", "and"), 0, 100), Vec::<Value>::new());
    assert_eq!(page(words("red unknown", "or"), 0, 100).len(), 21);
    assert_eq!(page(words("red red red", "or"), 0, 100), page(words("red", "or"), 0, 100));
    let twice = json!({ "kind": "match", "text": "fish", "fields": ["b", "b"] });
    let once = json!({ "kind": "match", "text": "fish", "fields": ["b"] });
    assert_eq!(c.search(json!({ "query": twice })).unwrap(), c.search(json!({ "query": once })).unwrap());
    // A document's score is the sum of what its fields give it.
    let score = |fields: Value| {
        let query = json!({ "kind": "match", "text": "fish", "fields": fields });
        let found = c.search(json!({ "query": query, "limit": 100 })).unwrap();
        found.into_iter().find(|(id, _)| *id == json!(7)).unwrap().1
    };
    let both = score(json!({ "a": 2, "b": 3 }));
    assert!((both - score(json!({ "a": 2 })) - score(json!({ "b": 3 }))).abs() < 1e-5);
}

#[test]
fn fusions_at_the_edges() {
    let c = open(json!({ "a": { "type": "text" }, "v": { "type": "dense", "dims": 2, "metric": "dot" } }));
    let documents: Vec<Value> =
        (0..30).map(|id| json!({ "id": id, "a": "w", "v": [if id < 15 { 1 } else { -1 }, 0] })).collect();
    c.upsert_chunks(&documents, 7).unwrap();
    let words = json!({ "kind": "match", "text": "w" });
    let near = json!({ "kind": "near", "field": "v", "vector": [1, 0], "k": 3 });
    let fuse = |queries: Vec<&Value>, rest: Value| {
        let mut query = json!({ "kind": "fuse", "method": "rrf", "queries": queries });
        query.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        c.search(json!({ "query": query, "limit": 20 })).unwrap()
    };
    // The same ranking twice counts twice.
    let twice = fuse(vec![&words, &words], json!({}));
    assert_eq!(twice.len(), 20);
    assert_eq!(twice[4], (json!(4), 2.0 / 65.0));
    // A depth below the page bounds what comes; so does `k`.
    assert_eq!(fuse(vec![&words], json!({ "depth": 4 })).len(), 4);
    assert_eq!(fuse(vec![&near], json!({})).len(), 3);
    assert_eq!(c.ids(json!({ "query": near, "limit": 10 })).len(), 3);
    assert_eq!(c.ids(json!({ "query": near, "limit": 10, "offset": 2 })), [json!(2)]);
    // A weight of 0 adds nothing to a score, and what only it found comes last.
    let weighted = fuse(vec![&words, &near], json!({ "weights": [0, 1] }));
    assert_eq!(weighted.iter().filter(|(_, score)| *score > 0.0).count(), 3);
    assert!(weighted[3..].iter().all(|(_, score)| score.to_bits() == 0));
    // Ties under `near` go to the older document, over all segments.
    let near = json!({ "kind": "near", "field": "v", "vector": [0, 0] });
    let ids: Vec<Value> = (0..10).map(Value::from).collect();
    assert_eq!(c.ids(json!({ "query": near })), ids);
    assert!(c.search(json!({ "query": near })).unwrap().iter().all(|(_, score)| score.to_bits() == 0));
}

#[test]
fn nothing_is_an_answer() {
    let c = open(json!({ "a": { "type": "text", "analyzer": "english", "optional": true },
        "v": { "type": "dense", "dims": 2, "optional": true } }));
    let queries = [
        json!({ "kind": "all" }),
        json!({ "kind": "match", "text": "the of" }),
        json!({ "kind": "match", "text": "word" }),
        json!({ "kind": "near", "field": "v", "vector": [1, 0] }),
        json!({ "kind": "fuse", "method": "rrf", "queries": [{ "kind": "all" }] }),
    ];
    let lengths = || -> Vec<usize> {
        queries
            .iter()
            .map(|q| c.ids(json!({ "query": q, "highlight": ["a"], "explain": true })).len())
            .collect()
    };
    assert_eq!(lengths(), [0, 0, 0, 0, 0]);
    assert_eq!(c.upsert(&[]).unwrap(), json!({ "written": 0, "replaced": 0 }));
    assert_eq!(batch(&c).call("commit", json!({})).unwrap(), json!({ "written": 0, "replaced": 0 }));
    assert_eq!(c.call("compact", json!({})).unwrap()["dropped"], json!(0));
    c.upsert(&[json!({ "id": 1, "a": "the of" }), json!({ "id": 2, "a": "" }), json!({ "id": 3 })]).unwrap();
    assert_eq!(lengths(), [3, 0, 0, 0, 3]);
    assert_eq!(c.ids(json!({ "query": { "kind": "all" }, "limit": 0 })).len(), 0);
    assert_eq!(c.ids(json!({ "query": { "kind": "all" }, "offset": 3 })).len(), 0);
    c.call("removeWhere", json!({ "where": {} })).unwrap();
    c.call("compact", json!({})).unwrap();
    assert_eq!(lengths(), [0, 0, 0, 0, 0]);
}

#[test]
fn a_batch_ends_once() {
    let c = open(json!({ "a": { "type": "text" } }));
    let stage = |b: &Client, chunk: u32, documents: Value| {
        b.call("stage", json!({ "chunk": chunk, "first": chunk, "documents": documents }))
    };
    let one = json!([{ "id": 1, "a": "x" }]);
    let b = batch(&c);
    stage(&b, 0, one.clone()).unwrap();
    assert_eq!(b.call("commit", json!({})).unwrap()["written"], json!(1));
    assert_eq!(code(b.call("commit", json!({}))), Code::Closed);
    assert_eq!(code(stage(&b, 1, one.clone())), Code::Closed);
    // A chunk that is missing is not passed over.
    let b = batch(&c);
    stage(&b, 0, one.clone()).unwrap();
    stage(&b, 2, json!([{ "id": 2, "a": "x" }])).unwrap();
    let error = b.call("commit", json!({})).unwrap_err();
    assert_eq!((error.code(), error.0.expected.as_deref()), (Code::Argument, Some("1")));
    assert_eq!(c.call("count", json!({})).unwrap()["count"], json!(1));
    // What ended a batch is what every later call is told, unless it has an error of its own.
    let b = batch(&c);
    assert_eq!(stage(&b, 1, json!([{ "id": 1 }])).unwrap_err().0.position, Some(1));
    let own = stage(&b, 0, json!([{ "id": [], "a": "x" }])).unwrap_err();
    assert_eq!((own.code(), own.0.position), (Code::Id, Some(0)));
    for error in [stage(&b, 2, one).unwrap_err(), b.call("commit", json!({})).unwrap_err()] {
        assert_eq!((error.code(), error.0.position), (Code::Required, Some(1)));
    }
    let b = batch(&c);
    assert_eq!(code(b.call("stage", json!({}))), Code::Argument);
    assert_eq!(code(b.call("commit", json!({}))), Code::Argument);
}

#[test]
fn a_cancelled_call_changes_nothing() {
    let env = memory();
    let schema = json!({ "fields": { "a": { "type": "text" } } });
    let c = Client::open(&env, "dir", &schema);
    for id in 0..3 {
        c.upsert(&[json!({ "id": id, "a": "x" })]).unwrap();
    }
    let cancelled = Control::new();
    cancelled.cancel();
    let call = |handle: &Client, verb: &str| handle.0.call(verb, "{}", Vec::new(), &cancelled).err().unwrap();
    let before = env.list("dir").unwrap();
    for verb in ["flush", "compact"] {
        assert_eq!(call(&c, verb).code(), Code::Aborted);
        assert_eq!(c.ids(json!({ "query": { "kind": "all" } })).len(), 3);
        assert_eq!(env.list("dir").unwrap(), before);
        assert_eq!(c.call("stats", json!({})).unwrap()["unflushed"], json!(true));
    }
    let b = batch(&c);
    for chunk in 0..2 {
        b.call("stage", json!({ "chunk": chunk, "first": chunk, "documents": [{ "id": chunk, "a": "y" }] }))
            .unwrap();
    }
    assert_eq!(call(&b, "commit").code(), Code::Aborted);
    assert_eq!(c.ids(json!({ "query": { "kind": "match", "text": "x" } })).len(), 3);
    c.call("flush", json!({})).unwrap();
    c.upsert(&[json!({ "id": 9, "a": "x" })]).unwrap();
    assert_eq!(call(&c, "compact").code(), Code::Aborted);
    c.0.close();
    let again = Client::open(&env, "dir", &schema);
    assert_eq!(again.ids(json!({ "query": { "kind": "all" } })).len(), 4);
}

#[test]
fn names_at_their_longest_work() {
    let name = "é".repeat(100);
    let env = memory();
    let kinds = [
        json!({ "type": "text", "positions": true, "optional": true }),
        json!({ "type": "keyword", "optional": true }),
        json!({ "type": "dense", "dims": 2, "optional": true }),
    ];
    for (at, kind) in kinds.iter().enumerate() {
        let schema = json!({ "fields": { &name: kind } });
        let c = Client::open(&env, &format!("dir{at}"), &schema);
        c.upsert(&[json!({ "id": 1 })]).unwrap();
        c.call("flush", json!({})).unwrap();
    }
    let longer = json!({ "path": "x", "schema": { "fields": { format!("{name}a"): kinds[0] } } });
    assert_eq!(code(Client::try_open(&env, longer)), Code::Schema);
    let extra = json!({ "path": "x", "schema": { "fields": { "a": kinds[0] }, "version": 1 } });
    assert_eq!(code(Client::try_open(&env, extra)), Code::Schema);
    // The bytes of a field are its own, though another's name begins with it.
    let fields = json!({ "a": { "type": "integer" }, "a/values": { "type": "keyword" } });
    let c = open(fields);
    c.upsert(&[json!({ "id": 1, "a": 1, "a/values": "x".repeat(1_000) })]).unwrap();
    assert_eq!(c.call("stats", json!({})).unwrap()["fields"]["a"]["bytes"], json!(8));
}

#[test]
fn selected_ids_need_no_document() {
    let c = open(json!({ "a": { "type": "text" }, "v": { "type": "dense", "dims": 2 } }));
    c.upsert(&[json!({ "id": "x", "a": "w", "v": [1, 2] })]).unwrap();
    let request = json!({ "query": { "kind": "all" }, "select": ["v", "id"], "highlight": [] });
    let reply = c.raw("search", &request, Vec::new()).unwrap();
    let page: Value = serde_json::from_str(&reply.json).unwrap();
    assert_eq!(page["hits"][0]["document"], json!({ "id": "x", "v": { "$vector": 1 } }));
    assert_eq!(reply.arrays[1], Array::F32(vec![1.0, 2.0]));
    let request = json!({ "query": { "kind": "match", "text": "w" }, "select": [], "highlight": ["a"] });
    let page = c.call("search", request).unwrap();
    assert_eq!(page["hits"][0]["document"], json!({ "id": "x" }));
    assert_eq!(page["hits"][0]["highlights"]["a"], json!([[0, 1]]));
}
