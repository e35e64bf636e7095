//! A collection from end to end: written, searched, changed, stored, opened again.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod common;

use common::{Client, code, memory};
use serde_json::{Value, json};
use tercet_engine::wire::Code;

fn schema() -> Value {
    json!({ "fields": {
        "title": { "type": "text", "analyzer": "english" },
        "body": { "type": "text", "analyzer": "standard", "optional": true },
        "tags": { "type": "keyword", "many": true, "optional": true },
        "kind": { "type": "keyword" },
        "year": { "type": "integer" },
        "rate": { "type": "float", "optional": true },
        "open": { "type": "boolean" },
        "day": { "type": "date", "optional": true },
        "vector": { "type": "dense", "dims": 3, "metric": "cosine", "optional": true },
    }})
}

fn documents() -> Vec<Value> {
    vec![
        json!({ "id": 1, "title": "The stars above", "body": "Astronomy for all", "tags": ["sky", "night"], "kind": "book", "year": 1999, "rate": 4.5, "open": true, "day": "1999-12-31", "vector": [1, 0, 0] }),
        json!({ "id": "1", "title": "A star is born", "tags": ["film"], "kind": "film", "year": 2018, "open": false, "day": "2018-10-05T12:00:00Z", "vector": [0, 1, 0] }),
        json!({ "id": "two", "title": "Deep sea fish", "body": "Fish of the night", "tags": [], "kind": "book", "year": 2005, "rate": -1.0, "open": true, "vector": [0.5, 0.5, 0] }),
        json!({ "id": 42, "title": "Starfish and stars", "kind": "book", "year": 1999, "open": false, "day": 0 }),
    ]
}

fn filled(path: &str) -> (std::sync::Arc<dyn tercet_store::Env>, Client) {
    let env = memory();
    let client = Client::open(&env, path, &schema());
    assert_eq!(client.upsert(&documents()).unwrap(), json!({ "written": 4, "replaced": 0 }));
    (env, client)
}

#[test]
fn words_find_documents_and_ids_keep_their_kind() {
    let (_, c) = filled(":memory:");
    assert_eq!(
        c.ids(json!({ "query": { "kind": "match", "text": "stars" } })),
        [json!(1), json!("1"), json!(42)]
    );
    let both = json!({ "query": { "kind": "match", "text": "fish night", "operator": "and" } });
    assert_eq!(c.ids(both), [json!("two")]);
    assert_eq!(
        c.ids(json!({ "query": { "kind": "all" }, "limit": 2, "offset": 1 })),
        [json!("1"), json!("two")]
    );
    assert_eq!(
        c.ids(json!({ "query": { "kind": "match", "text": "the and of", "fields": ["title"] } })),
        Vec::<Value>::new()
    );
}

#[test]
fn filters_choose_rows() {
    let (_, c) = filled(":memory:");
    let ids = |filter: Value| c.ids(json!({ "query": { "kind": "all" }, "where": filter }));
    let check = |filter: Value, wanted: &[&Value]| assert_eq!(ids(filter).iter().collect::<Vec<_>>(), wanted);
    let (one, text_one, two, other) = (json!(1), json!("1"), json!("two"), json!(42));
    check(json!({ "year": 1999 }), &[&one, &other]);
    check(json!({ "year": { "gt": 1999, "lte": 2018 } }), &[&text_one, &two]);
    check(json!({ "kind": { "in": ["film", "none"] } }), &[&text_one]);
    check(json!({ "kind": { "gte": "c" } }), &[&text_one]);
    check(json!({ "tags": "night" }), &[&one]);
    check(json!({ "tags": { "exists": false } }), &[&other]);
    check(json!({ "rate": { "lt": 0 } }), &[&two]);
    check(json!({ "not": { "rate": { "lt": 0 } } }), &[&one, &text_one, &other]);
    check(json!({ "open": true, "kind": "book" }), &[&one, &two]);
    check(json!({ "or": [{ "open": false }, { "year": 2005 }] }), &[&text_one, &two, &other]);
    check(json!({ "day": { "gte": "1999-12-31", "lt": "2000-01-01" } }), &[&one]);
    check(json!({ "day": 0 }), &[&other]);
    check(json!({ "vector": { "exists": true }, "body": { "exists": false } }), &[&text_one]);
    assert_eq!(ids(json!({})).len(), 4);
    assert_eq!(ids(json!({ "year": { "in": [] } })).len(), 0);
    for (filter, wanted) in [
        (json!({ "title": "x" }), Code::Filter),
        (json!({ "vector": { "eq": 1 } }), Code::Filter),
        (json!({ "year": { "near": 1 } }), Code::Filter),
        (json!({ "year": "1999" }), Code::Filter),
        (json!({ "year": {} }), Code::Filter),
        (json!({ "nope": 1 }), Code::Field),
        (json!([1]), Code::Filter),
        (json!({ "or": {} }), Code::Filter),
    ] {
        assert_eq!(code(c.call("count", json!({ "where": filter }))), wanted, "{filter}");
    }
}

#[test]
fn vectors_and_fusion_rank() {
    let (_, c) = filled(":memory:");
    let near = json!({ "kind": "near", "field": "vector", "vector": [0.9, 0.1, 0.0] });
    assert_eq!(c.ids(json!({ "query": near })), [json!(1), json!("two"), json!("1")]);
    let fused =
        json!({ "kind": "fuse", "method": "rrf", "queries": [near, { "kind": "match", "text": "born" }] });
    let found = c.search(json!({ "query": fused })).unwrap();
    assert_eq!(found[0].0, json!("1"));
    assert!((found[0].1 - (1.0 / 63.0 + 1.0 / 61.0)).abs() < 1e-7);
    assert_eq!(found[1], (json!(1), 1.0 / 61.0));
    let base64 = json!({ "kind": "near", "field": "vector", "vector": { "$f32": "AACAPwAAAAAAAAAA" } });
    assert_eq!(c.search(json!({ "query": base64 })).unwrap()[0], (json!(1), 1.0));
}

#[test]
fn changes_are_seen_and_stored() {
    let (env, c) = filled("dir/papers");
    c.call("flush", json!({})).unwrap();
    let newer = json!({ "id": 1, "title": "New title", "kind": "note", "year": 2020, "open": true });
    assert_eq!(c.upsert(std::slice::from_ref(&newer)).unwrap(), json!({ "written": 1, "replaced": 1 }));
    assert_eq!(c.call("get", json!({ "ids": [1, 99] })).unwrap(), json!({ "documents": [newer, null] }));
    assert_eq!(c.call("remove", json!({ "ids": ["two", "gone"] })).unwrap(), json!({ "removed": 1 }));
    assert_eq!(c.call("removeWhere", json!({ "where": { "year": 2018 } })).unwrap(), json!({ "removed": 1 }));
    let all = json!({ "query": { "kind": "all" } });
    let before = c.ids(all.clone());
    assert_eq!(before, [json!(42), json!(1)]);
    assert_eq!(c.call("stats", json!({})).unwrap()["unflushed"], json!(true));
    c.call("flush", json!({})).unwrap();
    assert_eq!(code(Client::try_open(&env, json!({ "path": "dir/papers" }))), Code::Locked);
    let reader = Client::try_open(&env, json!({ "path": "dir/papers", "readOnly": true })).unwrap();
    assert_eq!(reader.ids(all.clone()), before);
    assert_eq!(code(reader.upsert(&[newer])), Code::Unsupported);
    c.0.close();
    assert_eq!(code(c.call("count", json!({}))), Code::Closed);

    let again = Client::open(&env, "dir/papers", &schema());
    assert_eq!(again.ids(all.clone()), before);
    assert_eq!(again.call("verify", json!({})).unwrap()["problems"], json!([]));
    // As long as somebody reads it, an old version stays.
    let segments = || env.list("dir/papers").unwrap().iter().filter(|name| name.ends_with(".seg")).count();
    again.call("compact", json!({})).unwrap();
    assert!(segments() > 1);
    assert_eq!(reader.ids(all.clone()), before);
    drop(reader);
    let compacted = again.call("compact", json!({})).unwrap();
    assert_eq!(compacted["dropped"], json!(0));
    assert_eq!(again.ids(all), before);
    assert_eq!(segments(), 1);
}

#[test]
fn a_bad_batch_changes_nothing() {
    let (_, c) = filled(":memory:");
    let good = documents().remove(2);
    let with = |field: &str, value: Value| {
        let mut document = good.clone();
        document["id"] = json!("new");
        document[field] = value;
        document
    };
    for (document, wanted) in [
        (with("nope", json!(1)), Code::Field),
        (with("title", json!(null)), Code::Required),
        (with("title", json!(3)), Code::Type),
        (with("year", json!(1.5)), Code::Type),
        (with("year", json!("1999")), Code::Type),
        (with("day", json!("yesterday")), Code::Type),
        (with("tags", json!("one")), Code::Type),
        (with("vector", json!([1, 2])), Code::Dimension),
        (with("vector", json!([0, 0, 0])), Code::ZeroVector),
        (with("vector", json!([1e39, 0, 0])), Code::NotFinite),
        (with("id", json!("")), Code::Id),
        (with("id", json!(1.5)), Code::Id),
        (json!("text"), Code::Type),
    ] {
        let error = c.upsert(&[documents().remove(0), document]).unwrap_err();
        assert_eq!(error.code(), wanted, "{error}");
        assert_eq!(error.0.position, Some(1), "{error}");
        assert!(error.0.expected.is_some() && error.0.found.is_some(), "{error}");
    }
    let twice =
        c.upsert_chunks(&[with("year", json!(1)), good.clone(), with("year", json!(2))], 2).unwrap_err();
    assert_eq!(
        (twice.code(), twice.0.position, twice.0.id.clone()),
        (Code::DuplicateId, Some(2), Some(json!("new")))
    );
    assert_eq!(c.call("count", json!({})).unwrap(), json!({ "count": 4 }));
    assert_eq!(c.call("get", json!({ "ids": ["new"] })).unwrap(), json!({ "documents": [null] }));
}

#[test]
fn bad_searches_are_named() {
    let (_, c) = filled(":memory:");
    let all = json!({ "kind": "all" });
    let near = |vector: Value| json!({ "query": { "kind": "near", "field": "vector", "vector": vector } });
    for (request, wanted) in [
        (json!({ "query": { "kind": "match", "text": "  " } }), Code::Query),
        (json!({ "query": { "kind": "match", "text": "x", "fields": ["year"] } }), Code::Query),
        (json!({ "query": { "kind": "match", "text": "x", "fields": ["nope"] } }), Code::Field),
        (json!({ "query": { "kind": "match", "text": "x", "fields": { "title": 0 } } }), Code::Limit),
        (json!({ "query": { "kind": "dance" } }), Code::Query),
        (json!({ "query": all, "limit": -1 }), Code::Limit),
        (json!({ "query": all, "limit": 10_001 }), Code::Limit),
        (json!({ "query": all, "offset": 100_000, "limit": 1 }), Code::Limit),
        (json!({ "query": all, "offset": i64::MAX, "limit": 1 }), Code::Limit),
        (json!({ "query": all, "limit": 1.5 }), Code::Query),
        (json!({ "query": all, "select": ["nope"] }), Code::Field),
        (json!({ "query": all, "highlight": ["year"] }), Code::Query),
        (json!({ "query": { "kind": "fuse", "method": "rrf", "queries": [] } }), Code::Limit),
        (
            json!({ "query": { "kind": "fuse", "method": "rrf", "queries": [all], "weights": [] } }),
            Code::Query,
        ),
        (near(json!([1, 2])), Code::Dimension),
        (near(json!([0, 0, 0])), Code::ZeroVector),
        (near(json!({ "$vector": 3 })), Code::Type),
    ] {
        assert_eq!(code(c.search(request.clone())), wanted, "{request}");
    }
}

#[test]
fn schemas_are_checked_and_compared() {
    let env = memory();
    for (fields, part) in [
        (json!({}), "1 to 1000 fields"),
        (json!({ "id": { "type": "text" } }), "cannot be a field name"),
        (json!({ "a": { "type": "texture" } }), "unknown variant"),
        (json!({ "a": { "type": "text", "analyser": "english" } }), "unknown field"),
        (json!({ "a": { "type": "text", "analyzer": "klingon" } }), "no analyzer `klingon`"),
        (json!({ "a": { "type": "text", "b": 2 } }), "b must be 0 to 1"),
        (json!({ "a": { "type": "dense", "dims": 0 } }), "dims must be 1"),
    ] {
        let error =
            Client::try_open(&env, json!({ "path": "x", "schema": { "fields": fields } })).err().unwrap();
        assert_eq!(error.code(), Code::Schema);
        assert!(error.0.message.contains(part), "{error}");
    }
    assert_eq!(code(Client::try_open(&env, json!({ "path": "x" }))), Code::Schema);
    assert_eq!(code(Client::try_open(&env, json!({ "path": "x", "create": false }))), Code::NotFound);
    assert!(!env.exists("x").unwrap());
    Client::open(&env, "x", &schema()).0.close();
    let mut other = schema();
    other["fields"]["year"] = json!({ "type": "float" });
    let error = Client::try_open(&env, json!({ "path": "x", "schema": other })).err().unwrap();
    assert_eq!((error.code(), error.0.field.as_deref()), (Code::Schema, Some("year")));
}

#[test]
fn evaluation_is_a_verb_of_the_root() {
    let root = Client(tercet_engine::api::root(memory()));
    let request = json!({
        "run": { "q1": [["a", 2.0], ["b", 1.0]], "q2": [["c", 1.0]] },
        "qrels": { "q1": { "b": 1 }, "q2": { "x": 1 }, "q3": { "y": 0 } },
        "metrics": ["mrr@10", "recall@1"],
    });
    let found = root.call("evaluate", request).unwrap();
    assert_eq!(found["queries"], json!(2));
    assert_eq!(found["means"], json!({ "mrr@10": 0.25, "recall@1": 0.0 }));
    assert_eq!(found["perQuery"]["q1"]["mrr@10"], json!(0.5));
    let bad = json!({ "run": {}, "qrels": {}, "metrics": ["magic"] });
    assert_eq!(code(root.call("evaluate", bad)), Code::Argument);
}

#[test]
fn pages_are_highlighted_and_explained() {
    let (_, c) = filled(":memory:");
    c.upsert(&[json!({ "id": "u", "title": "𝔘 Stars, stars! café", "kind": "k", "year": 1, "open": true })])
        .unwrap();
    let request = json!({ "query": { "kind": "match", "text": "star cafe", "fields": ["title"] }, "limit": 1,
        "highlight": ["title"], "select": ["year"], "explain": true });
    let reply = c.raw("search", &request, Vec::new()).unwrap();
    let page: Value = serde_json::from_str(&reply.json).unwrap();
    let hit = &page["hits"][0];
    assert_eq!(hit["document"], json!({ "id": "u", "year": 1 }));
    // The letter before is two UTF-16 code units wide.
    assert_eq!(hit["highlights"]["title"], json!([[3, 8], [10, 15], [17, 21]]));
    let field = &hit["explain"]["parts"][0];
    let terms = field["parts"].as_array().unwrap();
    let parts: f64 = terms.iter().map(|t| t["score"].as_f64().unwrap()).sum();
    assert!((parts - hit["explain"]["score"].as_f64().unwrap()).abs() < 1e-5);
    // The rarer word comes first.
    let tf = |word: &str| {
        let found = terms.iter().find(|term| term.to_string().contains(&format!("\"{word}\"")));
        found.unwrap()["details"]["tf"].clone()
    };
    assert_eq!((tf("star"), tf("cafe")), (json!(2.0), json!(1.0)));
    assert_eq!(page["exact"], json!(true));
    assert_eq!(page["explain"]["counters"]["documents"], json!(5));
}

#[test]
fn a_search_is_estimated_by_what_it_will_touch() {
    let c = Client::open(&memory(), ":memory:", &json!({ "fields": { "t": { "type": "text" } } }));
    let documents: Vec<Value> =
        (0..60_000).map(|n| json!({ "id": n, "t": format!("common w{n}") })).collect();
    c.upsert_chunks(&documents, 20_000).unwrap();
    let us = |request: Value| c.0.estimate_us("search", &request.to_string(), &[]);
    let words = |text: &str| json!({ "query": { "kind": "match", "text": text }, "select": [] });
    // One posting against sixty thousand: the first runs on the caller's thread, the second does not at ten times the size.
    assert!(us(words("w17")) < 50, "{}", us(words("w17")));
    assert!(us(words("common")) > 100, "{}", us(words("common")));
    assert!(us(json!({ "query": { "kind": "all" }, "limit": 1000 })) > 1_000);
    assert_eq!(us(json!({ "query": { "kind": "dance" } })), 0);
}
