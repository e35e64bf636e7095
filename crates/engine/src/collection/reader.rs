//! A collection that is open for reading and follows the writer of another process.
//!
//! A reader holds a lease on the version it has open, so that the writer leaves its files (`versions.rs`), and
//! remembers how far it has read the log. Refreshing reads the manifest: as long as it names the same version and log,
//! only the log's new records are taken in; otherwise the new version's files are opened, but for those that are open
//! already. A folder that cannot be written to is read without a lease; on most systems an open file outlives its name.

use std::sync::{Arc, PoisonError};

use tercet_store::{Env, LockGuard, StoreError, join, read_log};

use super::manifest::{LogName, Manifest};
use super::open::{read_parts, replay_log};
use super::part::Part;
use super::versions::{LEASE, gone};
use super::{Collection, Snapshot, record};
use crate::schema::Schema;
use crate::wire::{Code, RefreshReply, TercetError, VersionName};

/// How often opening begins anew when a writer replaces the files that are being opened.
const TRIES: usize = 20;

/// Where a reader stands.
pub(super) struct Reader {
    /// A version by name never changes.
    pinned: bool,
    version: u64,
    log: Option<LogName>,
    /// How far the log was read.
    log_end: u64,
    _lease: Option<Lease>,
    looked_ms: u64,
}

/// A lease on one version. Dropping it lets the writer remove the version's files.
struct Lease {
    env: Arc<dyn Env>,
    path: String,
    guard: Option<Box<dyn LockGuard>>,
}

impl Drop for Lease {
    fn drop(&mut self) {
        // A file that stays is a lease of nobody: the next writer to look removes it.
        let _ = self.env.remove(&self.path);
        self.guard = None;
    }
}

/// Takes a lease where the folder lets us.
fn lease(env: &Arc<dyn Env>, dir: &str, version: u64) -> Option<Lease> {
    for _ in 0..TRIES {
        let path = join(dir, &format!("{LEASE}{version}.{:016x}", env.random_u64()));
        match env.lock(&path) {
            Ok(guard) => return Some(Lease { env: env.clone(), path, guard: Some(guard) }),
            // A writer found the file before it was locked, and took it for a dead reader's.
            Err(StoreError::Locked { .. }) => {}
            Err(_) => return None,
        }
    }
    None
}

/// Opens a folder for reading.
pub(super) fn open(
    env: &Arc<dyn Env>,
    dir: &str,
    name: Option<&VersionName>,
) -> Result<(Snapshot, Reader), TercetError> {
    load(env, dir, name, None)
}

/// The state of a version, the newest without a name, as it stands now. Without a lock a writer may remove files in
/// between: then the manifest has changed, and all begins anew.
fn load(
    env: &Arc<dyn Env>,
    dir: &str,
    name: Option<&VersionName>,
    before: Option<&Snapshot>,
) -> Result<(Snapshot, Reader), TercetError> {
    let mut left = TRIES;
    loop {
        left -= 1;
        let manifest = Manifest::read(env.as_ref(), dir)?.ok_or_else(|| gone(dir))?;
        match attempt(env, dir, name, before, &manifest) {
            Ok(Some(loaded)) => return Ok(loaded),
            // The manifest changed before the lease was taken.
            Ok(None) if left > 0 => {}
            Ok(None) => {
                return Err(TercetError::new(Code::Io, format!("{dir} changes too fast to be opened")));
            }
            Err(error) => match Manifest::read(env.as_ref(), dir)? {
                Some(now) if left > 0 && now != manifest => {}
                _ => return Err(error),
            },
        }
    }
}

fn attempt(
    env: &Arc<dyn Env>,
    dir: &str,
    name: Option<&VersionName>,
    before: Option<&Snapshot>,
    manifest: &Manifest,
) -> Result<Option<(Snapshot, Reader)>, TercetError> {
    let state = match name {
        None => manifest.newest(),
        Some(name) => manifest.find(name).ok_or_else(|| no_version(dir, name, manifest))?,
    };
    let lease = lease(env, dir, state.version);
    if lease.is_some() {
        let now = Manifest::read(env.as_ref(), dir)?;
        let stays = now.is_some_and(|now| now.find(&VersionName::Number(state.version)).is_some());
        if !stays {
            return Ok(None);
        }
    }
    let schema = state.schema(dir)?;
    let same = before.filter(|before| same_fields(&before.schema, &schema));
    let known: &[Part] = same.map_or(&[], |before| &before.parts);
    let parts = read_parts(env.as_ref(), dir, &schema, state, known)?;
    let mut reader = Reader {
        pinned: name.is_some(),
        version: state.version,
        log: None,
        log_end: 0,
        _lease: lease,
        looked_ms: env.now_ms(),
    };
    let curves = Arc::new(state.curves.clone());
    let mut snapshot = Snapshot { schema: Arc::new(schema), parts, version: state.version, curves };
    // A version by name is what its files hold, for ever; what the log adds belongs to the next one.
    if name.is_none() {
        let replayed = replay_log(env.as_ref(), dir, &snapshot.schema, manifest, snapshot.parts)?;
        snapshot.parts = replayed.parts;
        reader.log.clone_from(&manifest.log);
        reader.log_end = replayed.end;
    }
    Ok(Some((snapshot, reader)))
}

fn same_fields(a: &Schema, b: &Schema) -> bool {
    let fields = |s: &Schema| s.fields.iter().map(|f| (f.key.clone(), f.spec.clone())).collect::<Vec<_>>();
    fields(a) == fields(b)
}

fn no_version(dir: &str, name: &VersionName, manifest: &Manifest) -> TercetError {
    let shown = match name {
        VersionName::Number(version) => format!("version {version}"),
        VersionName::Tag(tag) => format!("tag `{tag}`"),
    };
    let versions: Vec<String> = manifest.states.iter().map(|s| s.version.to_string()).collect();
    let tags: Vec<&str> = manifest.tags.keys().map(String::as_str).collect();
    let known = format!("versions {}; tags {}", versions.join(", "), tags.join(", "));
    TercetError::new(Code::NotFound, format!("{dir} has no {shown}; it has {known}"))
        .file(dir)
        .field("version")
        .expected(known, shown)
}

impl Collection {
    /// Takes in what the writer has committed since.
    pub(super) fn refresh(&self) -> Result<RefreshReply, TercetError> {
        self.check_open()?;
        let mut slot = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        let changed = match (&mut *slot, self.dir.as_deref()) {
            (Some(reader), Some(dir)) if !reader.pinned => self.follow(reader, dir)?,
            // A writer sees its own commits, and what is pinned or in one file stays as it is.
            _ => false,
        };
        Ok(RefreshReply { changed, version: self.current().version })
    }

    /// Refreshes if the caller asked for it and the last look is old enough. A reader that is just being refreshed is
    /// not waited for.
    pub(super) fn refresh_if_due(&self) -> Result<(), TercetError> {
        let (Some(every), Some(dir)) = (self.options.refresh_ms, self.dir.as_deref()) else {
            return Ok(());
        };
        let Ok(mut slot) = self.reader.try_lock() else {
            return Ok(());
        };
        match &mut *slot {
            Some(reader) if !reader.pinned && self.env.now_ms().abs_diff(reader.looked_ms) >= every => {
                self.follow(reader, dir).map(|_| ())
            }
            _ => Ok(()),
        }
    }

    fn follow(&self, reader: &mut Reader, dir: &str) -> Result<bool, TercetError> {
        reader.looked_ms = self.env.now_ms();
        let manifest = Manifest::read(self.env.as_ref(), dir)?.ok_or_else(|| gone(dir))?;
        let current = self.current();
        if manifest.newest().version == reader.version && (reader.log.is_none() || reader.log == manifest.log)
        {
            match self.follow_log(reader, dir, &manifest, &current) {
                // The log was removed: there is a newer version.
                Err(error) if error.code() == Code::NotFound => {}
                other => return other,
            }
        }
        let (snapshot, next) = load(&self.env, dir, None, Some(&current))?;
        *reader = next;
        self.show(snapshot);
        Ok(true)
    }

    fn follow_log(
        &self,
        reader: &mut Reader,
        dir: &str,
        manifest: &Manifest,
        current: &Snapshot,
    ) -> Result<bool, TercetError> {
        let Some(log) = &manifest.log else {
            return Ok(false);
        };
        let path = join(dir, &log.file);
        let found = read_log(self.env.as_ref(), &path, log.identity, reader.log_end)?;
        let done = record::replay_all(&current.schema, current.parts.clone(), &found, &path)?;
        reader.log = Some(log.clone());
        reader.log_end = done.end;
        if done.batches == 0 {
            return Ok(false);
        }
        let parts = done.parts;
        let (schema, curves) = (current.schema.clone(), current.curves.clone());
        self.show(Snapshot { schema, parts, version: current.version, curves });
        Ok(true)
    }

    /// Gives the lease back.
    pub(super) fn leave(&self) {
        *self.reader.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}
