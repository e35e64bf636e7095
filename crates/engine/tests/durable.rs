//! What lasts: commits without a flush, readers beside a writer, versions and tags, and schemas that change.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod common;

use std::sync::Arc;

use common::{Client, code, memory};
use serde_json::{Value, json};
use tercet_engine::wire::Code;
use tercet_store::Env;

fn schema() -> Value {
    json!({ "fields": { "a": { "type": "text" }, "n": { "type": "integer", "optional": true } } })
}

fn document(id: u64) -> Value {
    json!({ "id": id, "a": format!("word{} all", id % 7), "n": id })
}

fn all(c: &Client) -> Vec<u64> {
    let ids = c.ids(json!({ "query": { "kind": "all" }, "limit": 1000 }));
    ids.iter().map(|id| id.as_u64().unwrap()).collect()
}

fn open(env: &Arc<dyn Env>, more: Value) -> Result<Client, tercet_engine::wire::TercetError> {
    let mut request = json!({ "path": "dir", "schema": schema() });
    request.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    Client::try_open(env, request)
}

fn reader(env: &Arc<dyn Env>, more: Value) -> Result<Client, tercet_engine::wire::TercetError> {
    let mut request = json!({ "path": "dir", "readOnly": true });
    request.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    Client::try_open(env, request)
}

fn files(env: &Arc<dyn Env>, suffix: &str) -> usize {
    env.list("dir").unwrap().iter().filter(|name| name.ends_with(suffix)).count()
}

fn versions(c: &Client) -> Vec<u64> {
    let reply = c.call("versions", json!({})).unwrap();
    reply["versions"].as_array().unwrap().iter().map(|v| v["version"].as_u64().unwrap()).collect()
}

#[test]
fn a_commit_needs_no_flush() {
    let env = memory();
    let c = open(&env, json!({})).unwrap();
    for id in 0..30 {
        c.upsert(&[document(id)]).unwrap();
    }
    c.call("remove", json!({ "ids": [3, 4] })).unwrap();
    c.call("removeWhere", json!({ "where": { "n": { "gte": 28 } } })).unwrap();
    c.upsert(&[document(5)]).unwrap();
    let before = all(&c);
    assert_eq!(before.len(), 26);
    assert_eq!(before.last(), Some(&5));
    assert_eq!((files(&env, ".seg"), files(&env, ".log")), (0, 1));
    let stats = c.call("stats", json!({})).unwrap();
    assert_eq!(stats["unflushed"], json!(true));
    assert!(stats["logBytes"].as_u64().unwrap() > 1000 && stats["memoryBytes"].as_u64().unwrap() > 1000);
    // Nobody closes or flushes: the lock dies, as it does with a process.
    c.0.close();
    let c = open(&env, json!({ "verify": "full" })).unwrap();
    assert_eq!(all(&c), before);
    assert_eq!((files(&env, ".seg"), files(&env, ".log")), (1, 0));
    let stats = c.call("stats", json!({})).unwrap();
    assert_eq!((&stats["unflushed"], &stats["logBytes"]), (&json!(false), &json!(0)));
    c.call("close", json!({})).unwrap();
    assert_eq!(versions(&reader(&env, json!({})).unwrap()).len(), 1);
}

#[test]
fn opening_says_what_the_log_gave_back() {
    let env = memory();
    let c = open(&env, json!({})).unwrap();
    c.upsert(&[document(1)]).unwrap();
    c.call("remove", json!({ "ids": [1] })).unwrap();
    c.0.close();
    let root = tercet_engine::api::root(env.clone());
    let request = json!({ "path": "dir" }).to_string();
    let opened = |request: &str| -> Value {
        let control = tercet_engine::api::Control::new();
        let reply = root.call("open", request, Vec::new(), &control).unwrap();
        serde_json::from_str(&reply.json).unwrap()
    };
    assert_eq!(opened(&request)["recovered"], json!({ "batches": 2, "droppedBytes": 0 }));
    assert_eq!(opened(&request)["recovered"], Value::Null);
}

#[test]
fn a_full_log_becomes_a_segment() {
    let env = memory();
    let c = open(&env, json!({ "logBytes": 16 << 10 })).unwrap();
    for id in 0..100 {
        c.upsert(&[document(id)]).unwrap();
        let stats = c.call("stats", json!({})).unwrap();
        assert!(stats["logBytes"].as_u64().unwrap() <= 16 << 10);
    }
    assert!(files(&env, ".seg") > 0);
    assert_eq!(all(&c), (0..100).collect::<Vec<_>>());
}

#[test]
fn a_reader_sees_commits_when_it_refreshes() {
    let env = memory();
    let c = open(&env, json!({})).unwrap();
    c.upsert(&[document(1)]).unwrap();
    let r = reader(&env, json!({})).unwrap();
    let always = reader(&env, json!({ "refreshMs": 0 })).unwrap();
    for (step, verb) in ["", "flush", "", "compact", ""].into_iter().enumerate() {
        let before = all(&r);
        c.upsert(&[document(10 + step as u64)]).unwrap();
        if !verb.is_empty() {
            c.call(verb, json!({})).unwrap();
        }
        assert_eq!(all(&r), before, "a snapshot does not change");
        assert_eq!(all(&always), all(&c));
        assert_eq!(r.call("refresh", json!({})).unwrap()["changed"], json!(true));
        assert_eq!(all(&r), all(&c));
        assert_eq!(r.call("refresh", json!({})).unwrap()["changed"], json!(false));
    }
    for verb in ["flush", "compact", "sync"] {
        assert_eq!(code(r.call(verb, json!({}))), Code::Unsupported, "{verb}");
    }
    assert_eq!(code(r.call("tag", json!({ "name": "x" }))), Code::Unsupported);
}

#[test]
fn a_lease_keeps_files_and_dies_with_its_reader() {
    let env = memory();
    let c = open(&env, json!({ "retainMs": 0 })).unwrap();
    c.upsert(&[document(1)]).unwrap();
    c.call("flush", json!({})).unwrap();
    let r = reader(&env, json!({})).unwrap();
    let version = *versions(&c).last().unwrap();
    c.upsert(&[document(2)]).unwrap();
    c.call("compact", json!({})).unwrap();
    assert!(versions(&c).contains(&version));
    assert_eq!(all(&r), [1]);
    assert_eq!(all(&reader(&env, json!({ "version": version })).unwrap()), [1]);
    r.0.close();
    c.call("compact", json!({})).unwrap();
    assert_eq!(versions(&c).len(), 1);
    assert_eq!(files(&env, ".seg"), 1);
    assert!(!env.list("dir").unwrap().iter().any(|name| name.starts_with("LEASE")));
    let error = reader(&env, json!({ "version": version })).err().unwrap();
    assert_eq!(error.code(), Code::NotFound);
    assert!(error.to_string().contains(&format!("version {version}")), "{error}");
}

#[test]
fn tags_keep_versions() {
    let env = memory();
    let c = open(&env, json!({ "retainMs": 0 })).unwrap();
    c.upsert(&[document(1)]).unwrap();
    let tagged = c.call("tag", json!({ "name": "first" })).unwrap()["version"].clone();
    c.upsert(&[document(2)]).unwrap();
    c.call("remove", json!({ "ids": [1] })).unwrap();
    c.call("compact", json!({})).unwrap();
    let at = reader(&env, json!({ "version": "first" })).unwrap();
    assert_eq!(all(&at), [1]);
    assert_eq!(at.call("refresh", json!({})).unwrap(), json!({ "changed": false, "version": tagged }));
    drop(at);
    assert_eq!(all(&c), [2]);
    for bad in ["", "7", "1e3"] {
        assert_eq!(code(c.call("tag", json!({ "name": bad }))), Code::Argument, "{bad}");
    }
    c.call("tag", json!({ "name": "first" })).unwrap();
    c.call("compact", json!({})).unwrap();
    assert_eq!(versions(&c).len(), 1, "a tag that moved keeps nothing behind");
    assert_eq!(c.call("untag", json!({ "name": "first" })).unwrap()["removed"], json!(true));
    assert_eq!(c.call("untag", json!({ "name": "first" })).unwrap()["removed"], json!(false));
    assert_eq!(code(reader(&env, json!({ "version": "first" }))), Code::NotFound);
}

#[test]
fn fields_are_dropped_renamed_and_added() {
    let env = memory();
    let c = open(&env, json!({})).unwrap();
    for id in 0..5 {
        c.upsert(&[document(id)]).unwrap();
    }
    c.call("tag", json!({ "name": "before" })).unwrap();
    c.upsert(&[document(5)]).unwrap();
    c.0.close();
    let next =
        json!({ "fields": { "title": { "type": "text" }, "n": { "type": "keyword", "optional": true } } });
    let plain = open(&env, json!({ "schema": next })).err().unwrap();
    assert_eq!(plain.code(), Code::Schema);
    assert!(plain.to_string().contains("`a`"), "{plain}");
    let steps = json!({ "drop": ["n"], "rename": { "a": "title" }, "add": ["n"] });
    let c = open(&env, json!({ "schema": next, "evolve": steps })).unwrap();
    assert_eq!(all(&c).len(), 6);
    let found = json!({ "query": { "kind": "match", "text": "word2", "fields": ["title"] } });
    assert_eq!(c.ids(found.clone()), [json!(2)]);
    let got = c.call("get", json!({ "ids": [2] })).unwrap();
    assert_eq!(got["documents"][0], json!({ "id": 2, "title": "word2 all" }));
    assert_eq!(c.call("count", json!({ "where": { "n": { "exists": true } } })).unwrap()["count"], json!(0));
    c.upsert(&[json!({ "id": 7, "title": "word2 new", "n": "seven" })]).unwrap();
    assert_eq!(c.call("count", json!({ "where": { "n": "seven" } })).unwrap()["count"], json!(1));
    for verb in ["flush", "compact"] {
        c.call(verb, json!({})).unwrap();
        assert_eq!(c.ids(found.clone()), [json!(2), json!(7)]);
        assert_eq!(c.call("get", json!({ "ids": [2] })).unwrap(), got);
        assert_eq!(c.call("verify", json!({})).unwrap()["problems"], json!([]));
    }
    c.0.close();
    // The old version has its old schema; the steps may stay in the program.
    let old = reader(&env, json!({ "version": "before" })).unwrap();
    assert_eq!(old.call("get", json!({ "ids": [2] })).unwrap()["documents"][0], document(2));
    let steps = json!({ "rename": { "a": "title" }, "add": ["n"] });
    let c = open(&env, json!({ "schema": next, "evolve": steps })).unwrap();
    assert_eq!(c.ids(found), [json!(2), json!(7)]);
}

#[test]
fn a_schema_that_cannot_be_reached_changes_nothing() {
    let env = memory();
    let c = open(&env, json!({})).unwrap();
    c.upsert(&[document(1)]).unwrap();
    c.call("close", json!({})).unwrap();
    c.0.close();
    let before: Vec<_> = env.list("dir").unwrap();
    let field = |optional: bool| json!({ "type": "integer", "optional": optional });
    let text = json!({ "type": "text" });
    for (fields, evolve, says) in [
        (json!({ "a": text, "n": field(true), "m": field(false) }), json!({ "add": ["m"] }), "optional"),
        (json!({ "a": text, "n": field(true) }), json!({ "add": ["m"] }), "`m`"),
        (json!({ "n": text, "a": field(true) }), json!({ "rename": { "a": "n" } }), "there is one already"),
        (json!({ "a": text, "y": field(true) }), json!({ "rename": { "x": "y" } }), "`n`"),
        (json!({ "a": text, "n": field(false) }), json!({}), "`n`"),
        (json!({ "a": text }), json!({ "drop": ["a"] }), "`n`"),
    ] {
        let request = json!({ "schema": { "fields": fields }, "evolve": evolve });
        let error = open(&env, request).err().unwrap();
        assert_eq!(error.code(), Code::Schema, "{error}");
        assert!(error.to_string().contains(says), "{error}");
    }
    assert_eq!(code(open(&env, json!({ "schema": null, "evolve": { "drop": ["n"] } }))), Code::Schema);
    assert_eq!(env.list("dir").unwrap(), before);
    assert_eq!(all(&open(&env, json!({})).unwrap()), [1]);
}

#[test]
fn options_out_of_range_are_refused() {
    let env = memory();
    for (more, field) in [
        (json!({ "logBytes": 100 }), "logBytes"),
        (json!({ "memoryBytes": 1 << 20 }), "memoryBytes"),
        (json!({ "durability": { "intervalMs": 0 } }), "intervalMs"),
    ] {
        let error = open(&env, more).err().unwrap();
        assert_eq!((error.code(), error.0.field.as_deref()), (Code::Limit, Some(field)));
    }
    assert!(open(&env, json!({ "durability": "never" })).is_err());
    assert!(env.list("").unwrap().is_empty());
}
