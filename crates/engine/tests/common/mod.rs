//! A small client over the engine's door, as a binding would be.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, dead_code, missing_docs, unreachable_pub)]

use std::sync::Arc;

use serde_json::{Value, json};
use tercet_engine::api::{Array, Control, Handle, Reply, root};
use tercet_engine::wire::{Code, TercetError};
use tercet_store::{Env, MemoryEnv};

/// A fresh environment in memory.
pub fn memory() -> Arc<dyn Env> {
    Arc::new(MemoryEnv::new())
}

pub struct Client(pub Arc<dyn Handle>);

impl Client {
    pub fn open(env: &Arc<dyn Env>, path: &str, schema: &Value) -> Client {
        Client::try_open(env, json!({ "path": path, "schema": schema })).unwrap()
    }

    pub fn try_open(env: &Arc<dyn Env>, request: Value) -> Result<Client, TercetError> {
        let reply = root(env.clone()).call("open", &request.to_string(), Vec::new(), &Control::new())?;
        Ok(Client(reply.handle.unwrap()))
    }

    pub fn raw(&self, verb: &str, request: &Value, arrays: Vec<Array>) -> Result<Reply, TercetError> {
        self.0.call(verb, &request.to_string(), arrays, &Control::new())
    }

    pub fn call(&self, verb: &str, request: Value) -> Result<Value, TercetError> {
        Ok(serde_json::from_str(&self.raw(verb, &request, Vec::new())?.json).unwrap())
    }

    pub fn upsert(&self, documents: &[Value]) -> Result<Value, TercetError> {
        self.upsert_chunks(documents, documents.len().max(1))
    }

    /// One batch, staged in chunks.
    pub fn upsert_chunks(&self, documents: &[Value], chunk: usize) -> Result<Value, TercetError> {
        let batch = Client(self.raw("begin", &json!({}), Vec::new())?.handle.unwrap());
        for (at, documents) in documents.chunks(chunk).enumerate() {
            batch.call("stage", json!({ "chunk": at, "first": at * chunk, "documents": documents }))?;
        }
        batch.call("commit", json!({}))
    }

    /// Ids and scores of a page.
    pub fn search(&self, request: Value) -> Result<Vec<(Value, f32)>, TercetError> {
        let reply = self.raw("search", &request, Vec::new())?;
        let page: Value = serde_json::from_str(&reply.json).unwrap();
        let Array::F32(scores) = &reply.arrays[0] else { panic!("scores are f32") };
        let hits = page["hits"].as_array().unwrap();
        assert_eq!(hits.len(), scores.len());
        Ok(hits.iter().map(|hit| hit["id"].clone()).zip(scores.iter().copied()).collect())
    }

    pub fn ids(&self, request: Value) -> Vec<Value> {
        self.search(request).unwrap().into_iter().map(|(id, _)| id).collect()
    }
}

/// The code of an error that must be there.
pub fn code<T>(result: Result<T, TercetError>) -> Code {
    match result {
        Ok(_) => panic!("expected an error"),
        Err(error) => error.code(),
    }
}
