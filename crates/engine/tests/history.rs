//! Random histories against a plain list: whatever is written, removed, flushed, merged, tagged and reopened, a search
//! answers as a naive oracle over the surviving documents does, in their order of insertion. Readers beside the writer
//! stay at the state that they opened until they refresh, and tags keep theirs. On every environment.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod common;

use std::collections::BTreeMap;
use std::sync::Arc;

use common::oracle::{self, State, Step};
use common::{Client, memory, runs};
use proptest::prelude::*;
use serde_json::{Value, json};
use tercet_store::{Env, FileEnv, SimulatedEnv};

/// Readers that are open at a time.
const READERS_MAX: usize = 3;
const TAGS: [&str; 2] = ["x", "y"];

#[derive(Clone, Debug)]
enum Event {
    Upsert(Vec<(u8, Vec<u8>, i8)>),
    Write(Step),
    /// Closes, or drops without a word, and opens again.
    Reopen {
        close: bool,
    },
    /// One more reader; the oldest goes when there are too many.
    Read,
    /// The reader of this number sees the present.
    Refresh(usize),
    /// What a tag names, opened.
    OpenTag(&'static str),
}

fn event() -> impl Strategy<Value = Event> {
    let document = (0u8..40, prop::collection::vec(0u8..12, 0..9), -3i8..4);
    let tag = || prop::sample::select(&TAGS[..]);
    prop_oneof![
        8 => prop::collection::vec(document, 1..7).prop_map(Event::Upsert),
        2 => prop::collection::vec(0u8..40, 1..5).prop_map(|ids| Event::Write(Step::Remove(ids))),
        1 => (-3i8..4).prop_map(|number| Event::Write(Step::RemoveWhere(number))),
        2 => Just(Event::Write(Step::Flush)),
        1 => Just(Event::Write(Step::Compact)),
        1 => Just(Event::Write(Step::Sync)),
        1 => tag().prop_map(|name| Event::Write(Step::Tag(name))),
        1 => tag().prop_map(|name| Event::Write(Step::Untag(name))),
        2 => prop::bool::ANY.prop_map(|close| Event::Reopen { close }),
        1 => Just(Event::Read),
        1 => (0..READERS_MAX).prop_map(Event::Refresh),
        1 => tag().prop_map(Event::OpenTag),
    ]
}

struct World<'a> {
    env: &'a Arc<dyn Env>,
    request: Value,
    client: Client,
    kept: State,
    tags: BTreeMap<&'static str, State>,
    readers: Vec<(Client, State)>,
}

impl World<'_> {
    fn write(&mut self, step: &Step) {
        step.run(&self.client, &self.kept).unwrap();
        step.apply(&mut self.kept);
        match step {
            Step::Tag(name) => drop(self.tags.insert(name, self.kept.clone())),
            Step::Untag(name) => drop(self.tags.remove(name)),
            _ => {}
        }
    }

    fn open(&self, changes: &[(&str, Value)]) -> Result<Client, tercet_engine::wire::TercetError> {
        let mut request = self.request.clone();
        changes.iter().for_each(|(name, value)| request[*name] = value.clone());
        Client::try_open(self.env, request)
    }

    fn event(&mut self, event: &Event, batch: u32) {
        match event {
            Event::Upsert(documents) => self.write(&Step::upsert(documents, 3, batch)),
            Event::Write(step) => self.write(step),
            Event::Reopen { close } => {
                let old = std::mem::replace(
                    &mut self.client,
                    Client::open(&common::memory(), "none", &oracle::schema()),
                );
                if *close {
                    old.0.close();
                }
                drop(old);
                self.client = self.open(&[]).unwrap();
            }
            Event::Read => {
                if self.readers.len() == READERS_MAX {
                    self.readers.remove(0).0.0.close();
                }
                self.readers.push((self.open(&[("readOnly", json!(true))]).unwrap(), self.kept.clone()));
            }
            Event::Refresh(at) => {
                if let Some((reader, state)) = self.readers.get_mut(*at) {
                    reader.call("refresh", json!({})).unwrap();
                    *state = self.kept.clone();
                }
            }
            Event::OpenTag(name) => match (self.open(&[("version", json!(name))]), self.tags.get(name)) {
                (Ok(client), Some(state)) => oracle::check(&client, state),
                (Err(error), None) => assert_eq!(error.code().as_str(), "ERR_NOT_FOUND", "{error}"),
                (Ok(_), None) => panic!("tag {name} is gone, but opens"),
                (Err(error), Some(_)) => panic!("tag {name}: {error}"),
            },
        }
    }

    fn check(&self) {
        oracle::check(&self.client, &self.kept);
        for (reader, state) in &self.readers {
            oracle::check(reader, state);
        }
    }
}

fn play(env: &Arc<dyn Env>, path: &str, log_bytes: u64, events: &[Event]) {
    let request = json!({ "path": path, "schema": oracle::schema(), "logBytes": log_bytes, "retainMs": 0 });
    let client = Client::try_open(env, request.clone()).unwrap();
    let (kept, tags, readers) = (State::new(), BTreeMap::new(), Vec::new());
    let mut world = World { env, request, client, kept, tags, readers };
    for (event, batch) in events.iter().zip(0..) {
        world.event(event, batch);
        world.check();
    }
    oracle::sound(&world.client);
    world.client.0.close();
}

/// Small enough that batches go to segment files, or large enough that they stay in the log.
fn log_bytes() -> impl Strategy<Value = u64> {
    prop::sample::select(&[4u64 << 10, 24 << 10, 16 << 20][..])
}

/// Found once: documents whose scores tie after rounding.
#[test]
fn scores_that_tie_after_rounding() {
    let batches = [
        vec![(2, vec![0, 0, 10, 10], 0), (0, vec![0; 7], 0)],
        vec![(3, vec![10, 0, 0, 0, 0, 10, 10], 0)],
        vec![(0, vec![], 0)],
    ];
    play(&memory(), "folder", 16 << 20, &batches.map(Event::Upsert));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: runs(96) as u32, ..ProptestConfig::default() })]

    #[test]
    fn a_collection_is_a_map_that_ranks(events in prop::collection::vec(event(), 1..40), log_bytes in log_bytes()) {
        play(&memory(), "folder", log_bytes, &events);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: runs(48) as u32, ..ProptestConfig::default() })]

    #[test]
    fn on_a_simulated_disk_too(
        events in prop::collection::vec(event(), 1..40),
        log_bytes in log_bytes(),
        seed in 0u64..1_000,
    ) {
        let env: Arc<dyn Env> = Arc::new(SimulatedEnv::new(seed));
        play(&env, "folder", log_bytes, &events);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: runs(8) as u32, ..ProptestConfig::default() })]

    #[test]
    fn on_disk_too(events in prop::collection::vec(event(), 1..25), log_bytes in log_bytes()) {
        let dir = std::env::temp_dir().join(format!("tercet-history-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        let env: Arc<dyn Env> = Arc::new(FileEnv::new());
        play(&env, dir.to_str().unwrap(), log_bytes, &events);
        let _ = std::fs::remove_dir_all(&dir);
    }
}
