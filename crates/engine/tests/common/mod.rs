//! A small client over the engine's door, as a binding would be.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    dead_code,
    missing_docs,
    unreachable_pub
)]

pub mod damaged;
pub mod known;
pub mod oracle;
pub mod watched;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Value, json};
use tercet_engine::api::{Array, Control, Handle, Reply, SearchInto, View, root};
use tercet_engine::wire::{Code, TercetError};
use tercet_store::{Env, FileWriter, LockGuard, MemoryEnv, StoreError};

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

    /// A level-1 search with the usual settings: how many were found.
    pub fn search_into(
        &self,
        query: &[f32],
        k: usize,
        rows: &mut [u32],
        scores: &mut [f32],
    ) -> Result<usize, TercetError> {
        let (query, settings, filter) = (View::F32(query), &mut [][..], None);
        self.0.search_into(SearchInto { query, k, rows, scores, settings, filter, exclude: &[] })
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

/// A fresh folder, removed on drop.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("tercet-test-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    pub fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The code of an error that must be there.
pub fn code<T>(result: Result<T, TercetError>) -> Code {
    match result {
        Ok(_) => panic!("expected an error"),
        Err(error) => error.code(),
    }
}

/// How often a random test is run; `TERCET_TEST_RUNS` multiplies it.
pub fn runs(usual: u32) -> u64 {
    let times = std::env::var("TERCET_TEST_RUNS").map_or(1, |value| value.parse().unwrap());
    u64::from(usual) * times
}

/// Numbers that look random and are the same in every run.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Dice {
        Dice(seed | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }

    /// A number from 0 that is below `end` (which is above 0).
    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }
}

/// What is said about a run when it fails.
pub struct Says<'a, F: Fn() -> String>(pub &'a F);

impl<F: Fn() -> String> Drop for Says<'_, F> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("failed: {}", (self.0)());
        }
    }
}

/// Called with the path and the operation before every call that reads, writes or lists.
pub type Hook = dyn Fn(&str, &'static str) -> Result<(), StoreError> + Send + Sync;

/// Files in memory behind a hook, which may fail or wait.
#[derive(Clone)]
pub struct Hooked {
    pub env: MemoryEnv,
    pub hook: Arc<Hook>,
}

struct HookedWriter {
    path: String,
    writer: Box<dyn FileWriter>,
    hook: Arc<Hook>,
}

impl fmt::Debug for Hooked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.env.fmt(f)
    }
}

impl fmt::Debug for HookedWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.writer.fmt(f)
    }
}

impl FileWriter for HookedWriter {
    /// A write that fails has written half.
    fn write_all(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        if let Err(error) = (self.hook)(&self.path, "write") {
            self.writer.write_all(&bytes[..bytes.len() / 2])?;
            return Err(error);
        }
        self.writer.write_all(bytes)
    }

    fn sync(&mut self) -> Result<(), StoreError> {
        (self.hook)(&self.path, "sync")?;
        self.writer.sync()
    }
}

impl Env for Hooked {
    fn read(&self, path: &str) -> Result<Bytes, StoreError> {
        (self.hook)(path, "read")?;
        self.env.read(path)
    }

    fn create(&self, path: &str) -> Result<Box<dyn FileWriter>, StoreError> {
        (self.hook)(path, "create")?;
        let (path, hook) = (path.to_owned(), self.hook.clone());
        Ok(Box::new(HookedWriter { writer: self.env.create(&path)?, path, hook }))
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), StoreError> {
        (self.hook)(from, "rename")?;
        self.env.rename(from, to)
    }

    fn remove(&self, path: &str) -> Result<(), StoreError> {
        (self.hook)(path, "remove")?;
        self.env.remove(path)
    }

    fn exists(&self, path: &str) -> Result<bool, StoreError> {
        self.env.exists(path)
    }

    fn list(&self, dir: &str) -> Result<Vec<String>, StoreError> {
        (self.hook)(dir, "list")?;
        self.env.list(dir)
    }

    fn create_dir_all(&self, dir: &str) -> Result<(), StoreError> {
        (self.hook)(dir, "create folder")?;
        self.env.create_dir_all(dir)
    }

    fn sync_dir(&self, dir: &str) -> Result<(), StoreError> {
        (self.hook)(dir, "sync folder")?;
        self.env.sync_dir(dir)
    }

    fn lock(&self, path: &str) -> Result<Box<dyn LockGuard>, StoreError> {
        self.env.lock(path)
    }

    fn now_ms(&self) -> u64 {
        0
    }

    fn random_u64(&self) -> u64 {
        self.env.random_u64()
    }
}
