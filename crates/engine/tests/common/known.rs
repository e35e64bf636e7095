//! What a history may have left on the disk, when not every call of it came to its end.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, dead_code, missing_docs, unreachable_pub)]

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde_json::{Value, json};
use tercet_engine::wire::TercetError;
use tercet_store::Env;

use super::Client;
use super::oracle::{self, State, Step};

/// Which states a folder may be found in.
#[derive(Clone)]
pub struct Known {
    /// The states one after the other: the first is certainly on the disk, the last is what the collection showed.
    states: Vec<State>,
    /// What each batch that was refused since then would have made of the last.
    pending: Vec<State>,
    /// Tags, with the state that each names.
    tags: BTreeMap<&'static str, State>,
    /// Changes of tags that were refused, with what each would name.
    pending_tags: Vec<(&'static str, Option<State>)>,
}

impl Known {
    pub fn empty() -> Known {
        Known {
            states: vec![State::new()],
            pending: Vec::new(),
            tags: BTreeMap::new(),
            pending_tags: Vec::new(),
        }
    }

    pub fn present(&self) -> &State {
        self.states.last().unwrap()
    }

    /// Plays a step. `durable`: a batch is on the disk when it is acknowledged.
    pub fn step(&mut self, client: &Client, step: &Step, durable: bool) -> Result<(), TercetError> {
        let mut next = self.present().clone();
        step.apply(&mut next);
        if let Err(error) = step.run(client, self.present()) {
            match step {
                Step::Tag(name) => self.pending_tags.push((name, Some(next))),
                Step::Untag(name) => self.pending_tags.push((name, None)),
                _ => self.pending.push(next),
            }
            return Err(error);
        }
        match step {
            Step::Tag(name) => drop(self.tags.insert(name, next.clone())),
            Step::Untag(name) => drop(self.tags.remove(name)),
            _ => {}
        }
        // A batch that was refused may be on the disk until a later one takes its place.
        let is_changed = next != *self.present();
        self.states.push(next);
        if is_changed || matches!(step, Step::Flush | Step::Compact | Step::Tag(_)) {
            self.pending.clear();
        }
        if durable || matches!(step, Step::Flush | Step::Compact | Step::Sync | Step::Tag(_)) {
            self.states.drain(..self.states.len() - 1);
        }
        Ok(())
    }

    /// What is shown is on the disk, and nothing else.
    pub fn settle(&mut self) {
        self.states.drain(..self.states.len() - 1);
        self.pending.clear();
    }

    /// The state that a collection is found in; it is one of those that may be there, and from now on it is the only one.
    pub fn found(&mut self, client: &Client) {
        let stored = oracle::stored(client);
        let mut possible = self.states.iter().chain(&self.pending);
        let Some(found) = possible.find(|state| oracle::is(&stored, state)).cloned() else {
            panic!("neither acknowledged nor whole:\n{stored:?}\n{:?}\n{:?}", self.states, self.pending);
        };
        self.states = vec![found];
        self.pending.clear();
    }

    /// Opens what the tags name.
    pub fn check_tags(&mut self, env: &Arc<dyn Env>, request: &Value) {
        let open = |name: &str| {
            let mut request = request.clone();
            request["version"] = json!(name);
            Client::try_open(env, request)
        };
        let mut names: Vec<&'static str> = self.pending_tags.iter().map(|(name, _)| *name).collect();
        names.extend(self.tags.keys());
        names.sort_unstable();
        names.dedup();
        for name in names {
            let stored = open(name).map(|client| oracle::stored(&client));
            let is = |state: &Option<State>| match (&stored, state) {
                (Ok(stored), Some(state)) => oracle::is(stored, state),
                (Err(error), None) => error.code().as_str() == "ERR_NOT_FOUND",
                _ => false,
            };
            let known = self.tags.get(name).cloned();
            let pending =
                self.pending_tags.iter().filter(|(other, _)| *other == name).map(|(_, state)| state.clone());
            let mut possible = [known.clone()].into_iter().chain(pending);
            match possible.find(is) {
                Some(Some(state)) => drop(self.tags.insert(name, state)),
                Some(None) => drop(self.tags.remove(name)),
                None => panic!("tag {name}: {stored:?}, known as {known:?}"),
            }
        }
        self.pending_tags.clear();
        for (name, state) in &self.tags {
            oracle::check(&open(name).unwrap(), state);
        }
    }
}

/// How a workload opens its collection.
pub struct Setting {
    pub request: Value,
    /// Whether a batch is durable when it is acknowledged.
    pub durable: bool,
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "logBytes {}, durability {}", self.request["logBytes"], self.request["durability"])
    }
}

impl Setting {
    pub fn new(log_bytes: u64, interval_ms: Option<u64>) -> Setting {
        let mut request = json!({ "path": "a/folder", "schema": oracle::schema(), "logBytes": log_bytes });
        if let Some(interval_ms) = interval_ms {
            request["durability"] = json!({ "intervalMs": interval_ms });
        }
        Setting { request, durable: interval_ms.is_none() }
    }

    pub fn open(&self, env: &Arc<dyn Env>) -> Result<Client, TercetError> {
        Client::try_open(env, self.request.clone())
    }

    pub fn open_to_read(&self, env: &Arc<dyn Env>) -> Result<Client, TercetError> {
        Client::try_open(env, json!({ "path": self.request["path"], "readOnly": true }))
    }
}

/// A little of everything: batches that fit the log and batches that do not, and every verb that writes files.
pub fn small() -> Vec<Option<Step>> {
    let many = |first: u8, count: u8, batch| {
        let documents: Vec<_> =
            (first..first + count).map(|n| (n, vec![n % 12, (n + 1) % 12, 0], (n % 7) as i8 - 3)).collect();
        Some(Step::upsert(&documents, 16, batch))
    };
    // None: close and open again.
    vec![
        many(0, 3, 1),
        Some(Step::Remove(vec![1, 99])),
        many(2, 2, 2),
        Some(Step::Tag("first")),
        many(4, 1, 3),
        Some(Step::Flush),
        many(3, 40, 4),
        Some(Step::RemoveWhere(2)),
        None,
        many(0, 2, 5),
        Some(Step::Compact),
        Some(Step::Sync),
        Some(Step::Tag("second")),
        many(5, 3, 6),
        Some(Step::Untag("first")),
        many(0, 1, 7),
        many(1, 1, 8),
        many(2, 1, 9),
        many(3, 1, 10),
        many(4, 1, 11),
        many(5, 1, 12),
        many(6, 1, 13),
        many(7, 1, 14),
        many(8, 1, 15),
        Some(Step::Remove(vec![8])),
        None,
        many(20, 2, 16),
    ]
}
