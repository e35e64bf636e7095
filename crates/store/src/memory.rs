//! Files in memory: for `:memory:` collections, for WebAssembly, and for tests.
//!
//! Behaves like the real file system where a caller could tell: folders must exist, a writer keeps its file when the
//! name is moved or removed, bytes that were read stay readable. Everything is "durable" at once; sync does nothing.
//! Without [`MemoryEnv::with_host`] the clock stands at 0 and chance starts from a fixed seed, so a run repeats.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use crate::aligned::AlignedBuf;
use crate::env::{Env, FileWriter, LockGuard, SPLITMIX_STEP, splitmix64};
use crate::error::StoreError;

/// An [`Env`] whose files live in memory. Clones share the same files.
#[derive(Clone)]
pub struct MemoryEnv {
    tree: Arc<Mutex<Tree>>,
    random: Arc<AtomicU64>,
    now_ms: fn() -> u64,
}

#[derive(Default)]
struct Tree {
    files: BTreeMap<String, Arc<Mutex<Content>>>,
    dirs: BTreeSet<String>,
    /// Files that [`Env::lock`] made, whether they are locked or not.
    lock_files: BTreeSet<String>,
    /// The locks that are held on a name. A lock whose file was removed is not among them.
    locks: BTreeMap<String, Arc<()>>,
}

/// A file grows in its buffer and is frozen by the first read, so that reads share the bytes without a copy.
enum Content {
    Growing(AlignedBuf),
    Frozen(Bytes),
}

impl MemoryEnv {
    /// No files, a clock at 0, a fixed seed.
    pub fn new() -> Self {
        Self::with_host(0, || 0)
    }

    /// No files, and the given seed and clock (milliseconds since 1970-01-01 UTC).
    pub fn with_host(seed: u64, now_ms: fn() -> u64) -> Self {
        MemoryEnv { tree: Arc::default(), random: Arc::new(AtomicU64::new(seed)), now_ms }
    }

    /// The files of a [`snapshot`](Self::snapshot), with the folders their paths name. A path that comes twice keeps
    /// the last content; a path that is empty or also the folder of another is refused.
    pub fn from_files<I, P>(files: I) -> Result<Self, StoreError>
    where
        I: IntoIterator<Item = (P, Bytes)>,
        P: AsRef<str>,
    {
        let env = Self::new();
        {
            let mut tree = env.tree();
            for (path, bytes) in files {
                let path = path.as_ref();
                let key = normalize(path);
                if key.is_empty() || tree.dirs.contains(&key) {
                    return Err(invalid(path, "is a folder"));
                }
                tree.make_dirs(dir_of(&key))?;
                let bytes = crate::aligned::align(bytes, path)?;
                tree.files.insert(key, Arc::new(Mutex::new(Content::Frozen(bytes))));
            }
        }
        Ok(env)
    }

    /// Every file with its bytes, ordered by path. Empty folders and lock files are not part of it.
    pub fn snapshot(&self) -> Vec<(String, Bytes)> {
        let tree = self.tree();
        let files = tree.files.iter().filter(|(path, _)| !tree.lock_files.contains(*path));
        files.map(|(path, content)| (path.clone(), freeze(content))).collect()
    }

    fn tree(&self) -> MutexGuard<'_, Tree> {
        lock(&self.tree)
    }
}

impl Default for MemoryEnv {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MemoryEnv {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryEnv").field("files", &self.tree().files.len()).finish()
    }
}

impl Env for MemoryEnv {
    fn read(&self, path: &str) -> Result<Bytes, StoreError> {
        let content = self.tree().file(path)?;
        Ok(freeze(&content))
    }

    fn read_range(&self, path: &str, start: u64, len: u64) -> Result<Bytes, StoreError> {
        let content = self.tree().file(path)?;
        let content = lock(&content);
        let bytes = match &*content {
            Content::Growing(buf) => buf.as_slice(),
            Content::Frozen(bytes) => bytes,
        };
        let end = start.saturating_add(len).min(bytes.len() as u64);
        // Both are at most the length, which is a usize.
        let (start, end) = (start.min(end) as usize, end as usize);
        Ok(AlignedBuf::copy_of(&bytes[start..end], path)?.freeze())
    }

    fn size(&self, path: &str) -> Result<u64, StoreError> {
        let content = self.tree().file(path)?;
        Ok(match &*lock(&content) {
            Content::Growing(buf) => buf.as_slice().len() as u64,
            Content::Frozen(bytes) => bytes.len() as u64,
        })
    }

    fn create(&self, path: &str) -> Result<Box<dyn FileWriter>, StoreError> {
        let key = normalize(path);
        let mut tree = self.tree();
        tree.check_parent(path, &key)?;
        if tree.is_taken(&key) {
            return Err(StoreError::Exists { path: path.to_owned() });
        }
        let content = Arc::new(Mutex::new(Content::Growing(AlignedBuf::new())));
        tree.files.insert(key, Arc::clone(&content));
        Ok(Box::new(MemoryWriter { path: path.to_owned(), content }))
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), StoreError> {
        let (from_key, to_key) = (normalize(from), normalize(to));
        let mut tree = self.tree();
        let content = tree.file(from)?;
        tree.check_parent(to, &to_key)?;
        if tree.is_dir(&to_key) {
            return Err(invalid(to, "is a folder"));
        }
        tree.take(&from_key);
        tree.take(&to_key);
        tree.files.insert(to_key, content);
        Ok(())
    }

    fn remove(&self, path: &str) -> Result<(), StoreError> {
        let mut tree = self.tree();
        tree.file(path)?;
        tree.take(&normalize(path));
        Ok(())
    }

    fn exists(&self, path: &str) -> Result<bool, StoreError> {
        Ok(self.tree().is_taken(&normalize(path)))
    }

    fn list(&self, dir: &str) -> Result<Vec<String>, StoreError> {
        let key = normalize(dir);
        let tree = self.tree();
        if !tree.is_dir(&key) {
            return Err(not_found(dir));
        }
        let names = tree.files.keys().chain(&tree.dirs).filter(|path| dir_of(path) == key);
        let mut names: Vec<String> = names.map(|path| name_of(path).to_owned()).collect();
        names.sort_unstable();
        Ok(names)
    }

    fn create_dir_all(&self, dir: &str) -> Result<(), StoreError> {
        self.tree().make_dirs(&normalize(dir))
    }

    fn sync_dir(&self, dir: &str) -> Result<(), StoreError> {
        if self.tree().is_dir(&normalize(dir)) { Ok(()) } else { Err(not_found(dir)) }
    }

    fn lock(&self, path: &str) -> Result<Box<dyn LockGuard>, StoreError> {
        let key = normalize(path);
        let mut tree = self.tree();
        tree.check_parent(path, &key)?;
        if tree.is_dir(&key) {
            return Err(invalid(path, "is a folder"));
        }
        if tree.locks.contains_key(&key) {
            return Err(StoreError::Locked { path: path.to_owned(), holder: own_pid() });
        }
        if !tree.files.contains_key(&key) {
            let empty = Content::Growing(AlignedBuf::new());
            tree.files.insert(key.clone(), Arc::new(Mutex::new(empty)));
            tree.lock_files.insert(key.clone());
        }
        let token = Arc::new(());
        tree.locks.insert(key.clone(), Arc::clone(&token));
        Ok(Box::new(MemoryLock { tree: Arc::clone(&self.tree), key, token }))
    }

    fn now_ms(&self) -> u64 {
        (self.now_ms)()
    }

    fn random_u64(&self) -> u64 {
        splitmix64(self.random.fetch_add(SPLITMIX_STEP, Ordering::Relaxed).wrapping_add(SPLITMIX_STEP))
    }
}

impl Tree {
    fn file(&self, path: &str) -> Result<Arc<Mutex<Content>>, StoreError> {
        let key = normalize(path);
        if let Some(content) = self.files.get(&key) {
            return Ok(Arc::clone(content));
        }
        Err(if self.is_dir(&key) { invalid(path, "is a folder") } else { not_found(path) })
    }

    /// Frees a name, also of the lock that may be held on it.
    fn take(&mut self, key: &str) {
        self.files.remove(key);
        self.lock_files.remove(key);
        self.locks.remove(key);
    }

    fn is_dir(&self, key: &str) -> bool {
        key.is_empty() || self.dirs.contains(key)
    }

    fn is_taken(&self, key: &str) -> bool {
        self.is_dir(key) || self.files.contains_key(key)
    }

    fn check_parent(&self, path: &str, key: &str) -> Result<(), StoreError> {
        if self.is_dir(dir_of(key)) { Ok(()) } else { Err(not_found(path)) }
    }

    fn make_dirs(&mut self, key: &str) -> Result<(), StoreError> {
        let ends = key.match_indices('/').map(|(at, _)| at).chain([key.len()]);
        for dir in ends.map(|end| &key[..end]).filter(|dir| !dir.is_empty()) {
            if self.files.contains_key(dir) {
                return Err(StoreError::Exists { path: dir.to_owned() });
            }
            self.dirs.insert(dir.to_owned());
        }
        Ok(())
    }
}

#[derive(Debug)]
struct MemoryWriter {
    path: String,
    content: Arc<Mutex<Content>>,
}

impl FileWriter for MemoryWriter {
    fn write_all(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        let mut content = lock(&self.content);
        if let Content::Frozen(read) = &*content {
            // Someone read the file half written and shares those bytes: go on in a copy.
            *content = Content::Growing(AlignedBuf::copy_of(read, &self.path)?);
        }
        match &mut *content {
            Content::Growing(buf) => buf.extend(bytes, &self.path),
            Content::Frozen(_) => Ok(()),
        }
    }

    fn sync(&mut self) -> Result<(), StoreError> {
        Ok(())
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Content::Growing(buf) => buf.fmt(f),
            Content::Frozen(bytes) => write!(f, "Frozen({})", bytes.len()),
        }
    }
}

struct MemoryLock {
    tree: Arc<Mutex<Tree>>,
    key: String,
    token: Arc<()>,
}

impl LockGuard for MemoryLock {}

impl Drop for MemoryLock {
    fn drop(&mut self) {
        let mut tree = lock(&self.tree);
        // The name may be another lock's by now.
        if tree.locks.get(&self.key).is_some_and(|token| Arc::ptr_eq(token, &self.token)) {
            tree.locks.remove(&self.key);
        }
    }
}

impl fmt::Debug for MemoryLock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryLock").field("path", &self.key).finish()
    }
}

/// The map stays whole whatever a panicking thread was doing: every change to it is one insert or remove.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn freeze(content: &Mutex<Content>) -> Bytes {
    let mut content = lock(content);
    match &mut *content {
        Content::Frozen(bytes) => bytes.clone(),
        Content::Growing(buf) => {
            let bytes = std::mem::take(buf).freeze();
            *content = Content::Frozen(bytes.clone());
            bytes
        }
    }
}

/// One spelling per file: no empty or `.` components, `..` resolved, no leading slash; the root is empty.
pub(crate) fn normalize(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

pub(crate) fn dir_of(key: &str) -> &str {
    key.rfind('/').map_or("", |at| &key[..at])
}

fn name_of(key: &str) -> &str {
    key.rfind('/').map_or(key, |at| &key[at + 1..])
}

fn own_pid() -> Option<u32> {
    if cfg!(target_arch = "wasm32") { None } else { Some(std::process::id()) }
}

fn not_found(path: &str) -> StoreError {
    StoreError::NotFound { path: path.to_owned() }
}

fn invalid(path: &str, what: &str) -> StoreError {
    StoreError::Invalid { path: path.to_owned(), what: what.to_owned() }
}
