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
    assert_eq!(c.ids(json!({ "query": { "kind": "match", "text": "stars" } })), [json!(1), json!("1"), json!(42)]);
    let both = json!({ "query": { "kind": "match", "text": "fish night", "operator": "and" } });
    assert_eq!(c.ids(both), [json!("two")]);
    assert_eq!(c.ids(json!({ "query": { "kind": "all" }, "limit": 2, "offset": 1 })), [json!("1"), json!("two")]);
    assert_eq!(c.ids(json!({ "query": { "kind": "match", "text": "the and of", "fields": ["title"] } })), Vec::<Value>::new());
}

#[test]
fn filters_choose_rows() {
    let (_, c) = filled(":memory:");
    let ids = |filter: Value| c.ids(json!({ "query": { "kind": "all" }, "where": filter }));
    let (one, text_one, two, other) = (json!(1), json!("1"), json!("two"), json!(42));
    assert_eq!(ids(json!({ "year": 1999 })), [one.clone(), other.clone()]);
    assert_eq!(ids(json!({ "year": { "gt": 1999, "lte": 2018 } })), [text_one.clone(), two.clone()]);
    assert_eq!(ids(json!({ "kind": { "in": ["film", "none"] } })), [text_one.clone()]);
    assert_eq!(ids(json!({ "kind": { "gte": "c" } })), [text_one.clone()]);
    assert_eq!(ids(json!({ "tags": "night" })), [one.clone()]);
    assert_eq!(ids(json!({ "tags": { "exists": false } })), [other.clone()]);
    assert_eq!(ids(json!({ "rate": { "lt": 0 } })), [two.clone()]);
    assert_eq!(ids(json!({ "not": { "rate": { "lt": 0 } } })), [one.clone(), text_one.clone(), other.clone()]);
    assert_eq!(ids(json!({ "open": true, "kind": "book" })), [one.clone(), two.clone()]);
    assert_eq!(ids(json!({ "or": [{ "open": false }, { "year": 2005 }] })), [text_one.clone(), two.clone(), other.clone()]);
    assert_eq!(ids(json!({ "day": { "gte": "1999-12-31", "lt": "2000-01-01" } })), [one.clone()]);
    assert_eq!(ids(json!({ "day": 0 })), [other]);
    assert_eq!(ids(json!({ "vector": { "exists": true }, "body": { "exists": false } })), [text_one]);
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
    let fused = json!({ "kind": "fuse", "method": "rrf", "queries": [near, { "kind": "match", "text": "born" }] });
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
    let compacted = again.call("compact", json!({})).unwrap();
    assert_eq!(compacted["dropped"], json!(3));
    assert_eq!(again.ids(all), before);
    assert_eq!(env.list("dir/papers").unwrap().iter().filter(|name| name.ends_with(".seg")).count(), 1);
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
    let twice = c.upsert_chunks(&[with("year", json!(1)), good.clone(), with("year", json!(2))], 2).unwrap_err();
    assert_eq!((twice.code(), twice.0.position, twice.0.id.clone()), (Code::DuplicateId, Some(2), Some(json!("new"))));
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
        (json!({ "query": { "kind": "fuse", "method": "rrf", "queries": [all], "weights": [] } }), Code::Query),
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
        let error = Client::try_open(&env, json!({ "path": "x", "schema": { "fields": fields } })).err().unwrap();
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
