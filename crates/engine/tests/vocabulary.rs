//! Vocabularies: sparse vectors by words, and where the words are kept.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod common;

use std::sync::Arc;

use common::{Client, code, memory};
use serde_json::{Value, json};
use tercet_engine::api::{Array, Control, root};
use tercet_engine::wire::Code;
use tercet_store::Env;

/// The words of an encoder, the last of them odd.
const COUNT: usize = 2_000;

fn words() -> Vec<String> {
    let mut words: Vec<String> = (0..COUNT - 4).map(|n| format!("word{n:04}")).collect();
    words.extend(["17", "indices", "values", "__proto__"].map(String::from));
    words
}

fn schema() -> Value {
    json!({ "fields": {
        "s": { "type": "sparse", "terms": COUNT, "vocabulary": words(), "optional": true },
        "n": { "type": "integer" },
    }})
}

/// The same, said without the words.
fn plain() -> Value {
    json!({ "fields": { "s": { "type": "sparse", "terms": COUNT, "optional": true }, "n": { "type": "integer" } } })
}

fn documents() -> Vec<Value> {
    vec![
        json!({ "id": 0, "n": 0, "s": { "word0003": 2, "word0001": 0.5 } }),
        json!({ "id": 1, "n": 1, "s": { "indices": [1, 3], "values": [0.5, 2] } }),
        json!({ "id": 2, "n": 2, "s": { "17": 1, "indices": 2, "__proto__": 3 } }),
        json!({ "id": 3, "n": 3, "s": { "indices": 1.5, "values": 2.5 } }),
        json!({ "id": 4, "n": 4, "s": {} }),
    ]
}

fn expand(vector: &Value) -> Value {
    json!({ "query": { "kind": "expand", "field": "s", "vector": vector }, "explain": true })
}

fn scores(client: &Client, vector: &Value) -> Vec<(i64, f32)> {
    let found = client.search(expand(vector)).unwrap();
    found.into_iter().map(|(id, score)| (id.as_i64().unwrap(), score)).collect()
}

/// What holds of a collection with these documents whose terms have names.
fn check(client: &Client) {
    assert_eq!(scores(client, &json!({ "word0003": 3, "word0002": 1 })), [(0, 6.0), (1, 6.0)]);
    assert_eq!(scores(client, &json!({ "indices": [1, 3], "values": [2, 1] })), [(0, 3.0), (1, 3.0)]);
    assert_eq!(scores(client, &json!({ "17": 2, "__proto__": 1 })), [(2, 5.0)]);
    assert_eq!(scores(client, &json!({ "indices": 2, "values": 2 })), [(3, 8.0), (2, 4.0)]);
    // A word that is none is passed over.
    assert_eq!(scores(client, &json!({ "nowhere": 9, "word0003": 1 })), [(0, 2.0), (1, 2.0)]);
    assert_eq!(scores(client, &json!({ "nowhere": 9 })), []);
    let reply = client.call("search", expand(&json!({ "word0003": 3, "17": 1 }))).unwrap();
    assert_eq!(reply["hits"][0]["explain"]["parts"][0]["about"], json!("word0003"));
    let got = client.call("get", json!({ "ids": [0] })).unwrap();
    assert!(got["documents"][0]["s"]["indices"].is_object(), "indices come back, in an array beside: {got}");
    assert_eq!(client.call("schema", json!({})).unwrap()["fields"]["s"]["vocabulary"], json!(words()));
}

#[test]
fn vectors_by_words_are_those_by_terms() {
    let client = Client::open(&memory(), ":memory:", &schema());
    client.upsert(&documents()).unwrap();
    check(&client);
    for (vector, expected, found) in [
        (json!({ "nowhere": 1 }), Code::Argument, "nowhere"),
        (json!({ "3": 1 }), Code::Argument, "3"),
        (json!({ "word0003": 0 }), Code::Limit, "0"),
        (json!({ "word0003": 1e300 }), Code::NotFinite, "inf"),
        (json!({ "word0003": "1" }), Code::Type, "\"1\""),
        (json!({ "word0003": null }), Code::Type, "null"),
    ] {
        let error = client.upsert(&[json!({ "id": 9, "n": 9, "s": vector })]).unwrap_err();
        assert_eq!((error.code(), error.0.field.as_deref()), (expected, Some("s")), "{vector}: {error}");
        assert_eq!(error.0.found.as_deref(), Some(found), "{vector}");
    }
    let query = client.search(expand(&json!({ "word0003": -1 })));
    assert_eq!(code(query), Code::Limit);
    assert_eq!(client.call("count", json!({})).unwrap()["count"], json!(5));
}

#[test]
fn a_field_without_words_takes_numbers() {
    let client = Client::open(&memory(), ":memory:", &plain());
    let word = json!({ "word0003": 1 });
    assert_eq!(code(client.upsert(&[json!({ "id": 1, "n": 1, "s": word })])), Code::Type);
    assert_eq!(code(client.search(expand(&word))), Code::Type);
    for (change, found) in [(json!([]), "0"), (json!(["a", "a"]), "\"a\" again"), (json!(["a"]), "2000")] {
        let mut schema = schema();
        schema["fields"]["s"]["vocabulary"] = change;
        let error = Client::try_open(&memory(), json!({ "path": ":memory:", "schema": schema }))
            .map(drop)
            .unwrap_err();
        assert_eq!((error.code(), error.0.found.as_deref()), (Code::Schema, Some(found)));
    }
}

fn reopened(env: &Arc<dyn Env>, schema: Option<Value>) -> Client {
    let mut request = json!({ "path": "d" });
    if let Some(schema) = schema {
        request["schema"] = schema;
    }
    Client::try_open(env, request).unwrap()
}

fn bytes_named(env: &Arc<dyn Env>, suffix: &str) -> Vec<(String, usize)> {
    let names = env.list("d").unwrap().into_iter().filter(|name| name.ends_with(suffix));
    names.map(|name| (name.clone(), env.read(&format!("d/{name}")).unwrap().len())).collect()
}

#[test]
fn words_are_kept_once_with_the_collection() {
    let env = memory();
    let client = Client::open(&env, "d", &schema());
    for document in documents() {
        // A version each, all of them kept.
        client.upsert(&[document]).unwrap();
        client.call("flush", json!({})).unwrap();
    }
    check(&client);
    drop(client);
    let of_words = serde_json::to_string(&words()).unwrap().len();
    let manifest: usize = bytes_named(&env, "MANIFEST").iter().map(|file| file.1).sum();
    assert!(manifest > of_words && manifest < of_words * 3 / 2, "{manifest} bytes, {of_words} of words");
    assert!(bytes_named(&env, ".seg").iter().all(|file| file.1 < of_words), "no segment has them");
    for schema in [None, Some(schema()), Some(plain())] {
        check(&reopened(&env, schema));
    }
    let reader = Client::try_open(&env, json!({ "path": "d", "readOnly": true })).unwrap();
    check(&reader);
    let mut other = schema();
    other["fields"]["s"]["vocabulary"][5] = json!("another");
    let error = Client::try_open(&env, json!({ "path": "d", "schema": other })).map(drop).unwrap_err();
    assert_eq!((error.code(), error.0.field.as_deref()), (Code::Schema, Some("s")));
    assert!(error.to_string().len() < 1_000 && error.to_string().contains("2000 words"), "{error}");
    // Under another name the words are the same, and the field can go.
    let renamed = json!({ "fields": { "t": { "type": "sparse", "terms": COUNT, "optional": true }, "n": { "type": "integer" } } });
    let evolve = json!({ "rename": { "s": "t" } });
    let client = Client::try_open(&env, json!({ "path": "d", "schema": renamed, "evolve": evolve })).unwrap();
    let query = json!({ "query": { "kind": "expand", "field": "t", "vector": { "17": 2 } } });
    assert_eq!(client.ids(query.clone()), [json!(2)]);
    drop(client);
    assert_eq!(reopened(&env, None).ids(query), [json!(2)]);
    let evolve = json!({ "drop": ["t"] });
    let schema = json!({ "fields": { "n": { "type": "integer" } } });
    let client = Client::try_open(&env, json!({ "path": "d", "schema": schema, "evolve": evolve })).unwrap();
    client.upsert(&[json!({ "id": 9, "n": 9 })]).unwrap();
    drop(client);
    assert!(reopened(&env, None).call("schema", json!({})).unwrap()["fields"].get("t").is_none());
}

#[test]
fn words_travel_with_snapshots() {
    let env = memory();
    let client = Client::open(&env, "d", &schema());
    client.upsert(&documents()).unwrap();
    client.call("export", json!({ "path": "snapshot" })).unwrap();
    check(&Client::try_open(&env, json!({ "path": "snapshot" })).unwrap());
    let import = json!({ "from": "snapshot", "path": "e" }).to_string();
    root(env.clone()).call("import", &import, Vec::<Array>::new(), &Control::new()).unwrap();
    check(&Client::try_open(&env, json!({ "path": "e" })).unwrap());
}

#[test]
fn words_may_be_given_later_and_again() {
    let env = memory();
    let client = Client::open(&env, "d", &plain());
    let by_number = json!({ "indices": [1, 3], "values": [0.5, 2] });
    client.upsert(&[json!({ "id": 0, "n": 0, "s": by_number })]).unwrap();
    drop(client);
    let read_only = json!({ "path": "d", "schema": schema(), "readOnly": true });
    assert_eq!(Client::try_open(&env, read_only).map(drop).unwrap_err().code(), Code::Unsupported);
    let client = reopened(&env, Some(schema()));
    assert_eq!(scores(&client, &json!({ "word0003": 3 })), [(0, 6.0)]);
    client.upsert(&documents()).unwrap();
    client.call("flush", json!({})).unwrap();
    drop(client);
    check(&reopened(&env, None));
    // Without a manifest the segments tell the schema, but not the words.
    env.remove("d/MANIFEST").unwrap();
    root(env.clone())
        .call("repair", &json!({ "path": "d" }).to_string(), Vec::new(), &Control::new())
        .unwrap();
    let client = reopened(&env, None);
    assert_eq!(code(client.search(expand(&json!({ "word0003": 1 })))), Code::Type);
    assert_eq!(scores(&client, &json!({ "3": 3 })), [(0, 6.0), (1, 6.0)]);
    drop(client);
    check(&reopened(&env, Some(schema())));
}
