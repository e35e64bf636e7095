//! A disk that loses what it may lose, for tests.
//!
//! [`SimulatedEnv`] keeps apart what is durable and what is not, as the contract of [`Env`] allows and no kinder:
//!
//! - bytes that were not synced are lost, kept, torn, or kept although earlier ones of the same file are lost; what is
//!   missing in the middle of a file reads as zeros, as garbage, or as what another file had there;
//! - names that no [`Env::sync_dir`] followed are lost or kept each on its own; a rename is one change;
//! - after a sync that failed, no later sync of that file brings those bytes to the disk for sure.
//!
//! Every call has a number, from 1. Power is cut after a given one ([`SimulatedEnv::cut_after`]), and every later call
//! fails; what the disk shows when power is back comes from [`SimulatedEnv::power_cycle`] as a new environment. Single
//! calls can be made to fail as well ([`SimulatedEnv::fail`]). The clock, chance and every decision follow from the seeds.

mod disk;

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use self::disk::{Chance, Disk};
use crate::env::{Env, FileWriter, LockGuard};
use crate::error::StoreError;
use crate::memory::{MemoryEnv, dir_of, normalize};

/// What of all that was not synced is there when power is back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PowerCut {
    /// Nothing: no byte, no name.
    Nothing,
    /// All of it, as if the process had been killed.
    Everything,
    /// The names but not the bytes: new files are empty.
    Names,
    /// The bytes but not the names.
    Bytes,
    /// Everything but one change of names: of those that were not synced, the one with this number, from 0.
    AllButName(usize),
    /// By the seed: any subset of both, with torn writes and holes.
    Random,
}

/// How a call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// No space is left. Only calls that may need space fail; a write leaves some of its bytes behind.
    NoSpace,
    /// An I/O error, from any call. A write leaves some of its bytes behind; of a sync's bytes nothing is known.
    Io,
    /// A read returns fewer bytes than the file has. Only reads fail.
    ShortRead,
}

/// A call as [`SimulatedEnv::calls`] lists them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// What was called: `read`, `create`, `write`, `sync`, `rename`, `sync_dir`, ...
    pub op: &'static str,
    /// The path it was called with.
    pub path: String,
}

impl Call {
    /// True if the call changes the disk, or what of it is durable.
    pub fn changes(&self) -> bool {
        !matches!(self.op, "read" | "size" | "exists" | "list")
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.op, self.path)
    }
}

/// An [`Env`] on a simulated disk. Clones share the disk.
#[derive(Clone)]
pub struct SimulatedEnv {
    state: Arc<Mutex<State>>,
}

struct State {
    /// What the process sees.
    view: MemoryEnv,
    disk: Disk,
    calls: Vec<Call>,
    cut_after: Option<u64>,
    faults: Vec<(RangeInclusive<u64>, Fault)>,
    chance: Chance,
    now_ms: u64,
}

impl SimulatedEnv {
    /// An empty disk.
    pub fn new(seed: u64) -> Self {
        Self::with_disk(seed, MemoryEnv::new(), Disk::default())
    }

    fn with_disk(seed: u64, view: MemoryEnv, disk: Disk) -> Self {
        let mut chance = Chance::new(seed);
        let now_ms = 1_700_000_000_000 + chance.next() % 1_000_000_000;
        let (calls, faults) = (Vec::new(), Vec::new());
        let state = State { view, disk, calls, cut_after: None, faults, chance, now_ms };
        SimulatedEnv { state: Arc::new(Mutex::new(state)) }
    }

    /// Every call after the `n`-th since the environment was made fails: power is gone.
    pub fn cut_after(&self, n: u64) {
        self.state().cut_after = Some(n);
    }

    /// True once a call found that power is gone.
    pub fn is_cut(&self) -> bool {
        let state = self.state();
        state.cut_after.is_some_and(|n| state.calls.len() as u64 > n)
    }

    /// What stands on the disk when power is cut now (or was, see [`cut_after`](Self::cut_after)) and is back, on a disk
    /// of its own and with no lock held. This environment stays as it is.
    pub fn power_cycle(&self, seed: u64, cut: PowerCut) -> SimulatedEnv {
        let state = self.state();
        let mut chance = Chance::new(seed);
        let mut files = state.disk.after(cut, &mut chance);
        let dirs: BTreeSet<String> = state.disk.dirs().clone();
        // A file's folder was made durable before the file.
        files.retain(|(path, _)| dir_of(path).is_empty() || dirs.contains(dir_of(path)));
        let disk = Disk::of(&files, dirs);
        state.succeeded(seed, files, disk)
    }

    /// What another process finds when this one is killed now: all that was written, synced or not, and what was not
    /// synced can still be lost. On a disk of its own and with no lock held; this environment stays as it is.
    pub fn restart(&self, seed: u64) -> SimulatedEnv {
        let state = self.state();
        let disk = state.disk.clone();
        state.succeeded(seed, disk.seen(), disk)
    }

    /// Makes the calls with these numbers fail.
    pub fn fail(&self, calls: RangeInclusive<u64>, fault: Fault) {
        self.state().faults.push((calls, fault));
    }

    /// No call fails any more, except for want of power.
    pub fn heal(&self) {
        self.state().faults.clear();
    }

    /// The calls so far: the first has number 1.
    pub fn calls(&self) -> Vec<Call> {
        self.state().calls.clone()
    }

    /// How many calls there were.
    pub fn call_count(&self) -> u64 {
        self.state().calls.len() as u64
    }

    /// How many changes of names no folder sync has covered.
    pub fn unsynced_names(&self) -> usize {
        self.state().disk.unsynced_names()
    }

    /// Moves the clock forward.
    pub fn advance(&self, ms: u64) {
        self.state().now_ms += ms;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(&self, op: &'static str, path: &str) -> Result<MutexGuard<'_, State>, StoreError> {
        let mut state = self.state();
        match state.enter(op, path)? {
            Some(fault) => Err(fault.error(op, path)),
            None => Ok(state),
        }
    }
}

impl State {
    fn read(
        &mut self,
        path: &str,
        read: impl Fn(&MemoryEnv) -> Result<Bytes, StoreError>,
    ) -> Result<Bytes, StoreError> {
        let fault = self.enter("read", path)?;
        let bytes = read(&self.view)?;
        match fault {
            None => Ok(bytes),
            Some(Fault::ShortRead) => {
                let len = self.chance.up_to(bytes.len().saturating_sub(1));
                Ok(bytes.slice(..len))
            }
            Some(fault) => Err(fault.error("read", path)),
        }
    }

    /// A new environment with these files, a little later.
    fn succeeded(&self, seed: u64, files: Vec<(String, Bytes)>, disk: Disk) -> SimulatedEnv {
        let view = MemoryEnv::from_files(files).unwrap_or_default();
        for dir in disk.dirs() {
            let _ = view.create_dir_all(dir);
        }
        let next = SimulatedEnv::with_disk(seed, view, disk);
        next.state().now_ms = self.now_ms + seed % 10_000;
        next
    }

    /// Counts a call; tells how it is to fail.
    fn enter(&mut self, op: &'static str, path: &str) -> Result<Option<Fault>, StoreError> {
        let call = Call { op, path: path.to_owned() };
        let changes = call.changes();
        self.calls.push(call);
        let number = self.calls.len() as u64;
        if self.cut_after.is_some_and(|n| number > n) {
            return Err(io_error(op, path, "power is gone"));
        }
        let fits = |fault: Fault| match fault {
            Fault::NoSpace => changes && op != "remove",
            Fault::Io => true,
            Fault::ShortRead => op == "read",
        };
        let found = self.faults.iter().find(|(calls, fault)| calls.contains(&number) && fits(*fault));
        Ok(found.map(|(_, fault)| *fault))
    }
}

impl Fault {
    fn error(self, op: &'static str, path: &str) -> StoreError {
        match self {
            Fault::NoSpace => StoreError::NoSpace { path: path.to_owned(), op },
            Fault::Io | Fault::ShortRead => io_error(op, path, "simulated failure"),
        }
    }
}

fn io_error(op: &'static str, path: &str, what: &'static str) -> StoreError {
    StoreError::Io { path: path.to_owned(), op, source: io::Error::other(what) }
}

impl fmt::Debug for SimulatedEnv {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        f.debug_struct("SimulatedEnv").field("view", &state.view).field("calls", &state.calls.len()).finish()
    }
}

impl Env for SimulatedEnv {
    fn read(&self, path: &str) -> Result<Bytes, StoreError> {
        self.state().read(path, |view| view.read(path))
    }

    fn read_range(&self, path: &str, start: u64, len: u64) -> Result<Bytes, StoreError> {
        self.state().read(path, |view| view.read_range(path, start, len))
    }

    fn size(&self, path: &str) -> Result<u64, StoreError> {
        self.enter("size", path)?.view.size(path)
    }

    fn create(&self, path: &str) -> Result<Box<dyn FileWriter>, StoreError> {
        let mut state = self.enter("create", path)?;
        let writer = state.view.create(path)?;
        let inode = state.disk.create(normalize(path));
        Ok(Box::new(SimulatedWriter { env: self.clone(), path: path.to_owned(), inode, writer }))
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), StoreError> {
        let mut state = self.enter("rename", from)?;
        state.view.rename(from, to)?;
        state.disk.rename(&normalize(from), &normalize(to));
        Ok(())
    }

    fn remove(&self, path: &str) -> Result<(), StoreError> {
        let mut state = self.enter("remove", path)?;
        state.view.remove(path)?;
        state.disk.remove(&normalize(path));
        Ok(())
    }

    fn exists(&self, path: &str) -> Result<bool, StoreError> {
        self.enter("exists", path)?.view.exists(path)
    }

    fn list(&self, dir: &str) -> Result<Vec<String>, StoreError> {
        self.enter("list", dir)?.view.list(dir)
    }

    fn create_dir_all(&self, dir: &str) -> Result<(), StoreError> {
        let mut state = self.enter("create_dir_all", dir)?;
        state.view.create_dir_all(dir)?;
        let key = normalize(dir);
        let ends = key.match_indices('/').map(|(at, _)| at).chain([key.len()]);
        ends.filter(|end| *end > 0).for_each(|end| state.disk.add_dir(key[..end].to_owned()));
        Ok(())
    }

    fn sync_dir(&self, dir: &str) -> Result<(), StoreError> {
        let mut state = self.enter("sync_dir", dir)?;
        state.view.sync_dir(dir)?;
        state.disk.sync_dir(&normalize(dir));
        Ok(())
    }

    fn lock(&self, path: &str) -> Result<Box<dyn LockGuard>, StoreError> {
        let mut state = self.enter("lock", path)?;
        let guard = state.view.lock(path)?;
        // The lock's file outlives the lock, and may outlive the power.
        let key = normalize(path);
        if state.view.exists(path)? && !state.disk.knows(&key) {
            state.disk.create(key);
        }
        Ok(guard)
    }

    fn now_ms(&self) -> u64 {
        let mut state = self.state();
        state.now_ms += state.chance.next() % 3;
        state.now_ms
    }

    fn random_u64(&self) -> u64 {
        self.state().chance.next()
    }
}

struct SimulatedWriter {
    env: SimulatedEnv,
    path: String,
    inode: usize,
    writer: Box<dyn FileWriter>,
}

impl FileWriter for SimulatedWriter {
    fn write_all(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        let mut state = self.env.state();
        let fault = state.enter("write", &self.path)?;
        let arrived = match fault {
            None => bytes,
            Some(_) => &bytes[..state.chance.up_to(bytes.len())],
        };
        self.writer.write_all(arrived)?;
        state.disk.write(self.inode, arrived);
        fault.map_or(Ok(()), |fault| Err(fault.error("write", &self.path)))
    }

    fn sync(&mut self) -> Result<(), StoreError> {
        let mut state = self.env.state();
        if let Some(fault) = state.enter("sync", &self.path)? {
            state.disk.abandon(self.inode);
            return Err(fault.error("sync", &self.path));
        }
        state.disk.sync(self.inode);
        Ok(())
    }
}

impl fmt::Debug for SimulatedWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimulatedWriter").field("path", &self.path).finish()
    }
}
