//! Which versions stay, and which files go.
//!
//! A version stays while it is the newest, has a tag, is leased by a reader, or was replaced less than `retainMs` ago
//! (the latest [`UNTAGGED_MAX`] of those). `compact` and `close` keep only the first three kinds.
//!
//! A lease is a locked file `LEASE.<version>.<hex>`. A reader takes it, then looks whether the manifest still has the
//! version, and begins anew if not. The writer looks at the leases again after it has replaced the manifest, before it
//! removes anything: a reader that came between the two looks keeps the files of a version that was just dropped.

use std::collections::HashSet;

use tercet_store::{Env, StoreError, join};

use super::Collection;
use super::manifest::{Manifest, State, any_file_number};
use super::writer::{Log, Writer};
use crate::wire::{Code, TagReply, TercetError, UntagReply, VersionInfo, VersionsReply};

/// How many replaced versions stay for their age alone.
const UNTAGGED_MAX: usize = 16;
/// How every lease's name begins.
pub(super) const LEASE: &str = "LEASE.";
/// The longest tag, in bytes.
const TAG_BYTES_MAX: usize = 200;
/// The most tags.
const TAGS_MAX: usize = 10_000;

/// The version in a lease's name. Longer names are a lock's own files, beside the lease they belong to.
fn lease_version(name: &str) -> Option<u64> {
    let (version, random) = name.strip_prefix(LEASE)?.split_once('.')?;
    random.bytes().all(|byte| byte.is_ascii_hexdigit()).then(|| version.parse().ok())?
}

/// The versions that readers hold. Leases of dead readers are removed on the way.
pub(super) fn leased(env: &dyn Env, dir: &str) -> HashSet<u64> {
    let mut versions = HashSet::new();
    for name in env.list(dir).unwrap_or_default() {
        let Some(version) = lease_version(&name) else {
            continue;
        };
        let path = join(dir, &name);
        match env.lock(&path) {
            Ok(guard) => {
                let _ = env.remove(&path);
                drop(guard);
            }
            Err(StoreError::NotFound { .. }) => {}
            Err(_) => {
                versions.insert(version);
            }
        }
    }
    versions
}

impl Collection {
    /// Drops the states that need not stay, at `now`.
    pub(super) fn retire(&self, writer: &mut Writer, manifest: &mut Manifest, dir: &str, now: u64) {
        let retain_ms = self.options.retain_ms;
        let young = |state: &State| state.replaced_ms.is_some_and(|at| now.saturating_sub(at) < retain_ms);
        let untagged: Vec<u64> = manifest
            .states
            .iter()
            .rev()
            .skip(1)
            .filter(|state| young(state) && manifest.tags_of(state.version).is_empty())
            .take(UNTAGGED_MAX)
            .map(|state| state.version)
            .collect();
        self.keep_versions(writer, manifest, dir, &untagged);
    }

    /// Drops the states that are not the newest, tagged, leased or among `also`.
    fn keep_versions(&self, writer: &mut Writer, manifest: &mut Manifest, dir: &str, also: &[u64]) {
        let newest = manifest.newest().version;
        if manifest.states.len() == 1 {
            return;
        }
        let leased = leased(self.env.as_ref(), dir);
        let tagged: HashSet<u64> = manifest.tags.values().copied().collect();
        let stays = |state: &State| {
            let version = state.version;
            version == newest
                || tagged.contains(&version)
                || leased.contains(&version)
                || also.contains(&version)
        };
        let (stay, go) = std::mem::take(&mut manifest.states).into_iter().partition(stays);
        manifest.states = stay;
        writer.dropped.extend::<Vec<State>>(go);
    }

    /// Drops every version that is not the newest, tagged or leased, and frees its files.
    pub(super) fn drop_versions(&self, writer: &mut Writer) -> Result<(), TercetError> {
        let (Some(dir), Some(mut next)) = (self.dir.as_deref(), writer.manifest.clone()) else {
            return Ok(());
        };
        let before = next.states.len();
        self.keep_versions(writer, &mut next, dir, &[]);
        if next.states.len() < before {
            next.next_file = writer.next_file;
            self.write_manifest(writer, dir, next)?;
        }
        self.sweep(writer, dir);
        Ok(())
    }

    /// Removes files of ours that the manifest does not name: merged away, or left by a crash. This is tidying: a file
    /// that resists is tried again at the next checkpoint, and nothing else fails for it.
    pub(super) fn sweep(&self, writer: &mut Writer, dir: &str) {
        let Some(manifest) = &writer.manifest else {
            return;
        };
        // A manifest that could not be written may stand on the disk all the same, and names other files.
        if matches!(writer.log, Log::Lost) {
            return;
        }
        let leased = leased(self.env.as_ref(), dir);
        let states = manifest.states.iter().chain(&writer.dropped);
        if !leased.iter().all(|version| states.clone().any(|state| state.version == *version)) {
            return;
        }
        writer.dropped.retain(|state| leased.contains(&state.version));
        let mut named = manifest.files();
        named.extend(writer.dropped.iter().flat_map(State::files));
        for name in self.env.list(dir).unwrap_or_default() {
            let Some(number) = any_file_number(&name) else {
                continue;
            };
            if !named.contains(&name) && !writer.reserved.contains(&number) {
                let _ = self.env.remove(&join(dir, &name));
            }
        }
    }

    /// The versions that can be opened.
    pub(super) fn versions(&self) -> Result<VersionsReply, TercetError> {
        self.check_open()?;
        let Some(dir) = self.dir.as_deref() else {
            return Ok(VersionsReply { versions: Vec::new() });
        };
        let manifest = Manifest::read(self.env.as_ref(), dir)?.ok_or_else(|| gone(dir))?;
        let newest = manifest.newest().version;
        let info = |state: &State| VersionInfo {
            version: state.version,
            created_ms: state.created_ms,
            documents: state.documents(),
            tags: manifest.tags_of(state.version),
            current: state.version == newest,
        };
        Ok(VersionsReply { versions: manifest.states.iter().map(info).collect() })
    }

    /// Names the present state; a tag that is elsewhere moves.
    pub(super) fn tag(&self, name: &str) -> Result<TagReply, TercetError> {
        self.writable()?;
        check_tag(name)?;
        let version = self.flush()?;
        let (mut writer, dir) = (self.idle_writer()?, self.folder("tags")?);
        let missing = || TercetError::new(Code::Internal, "a collection in a folder has a manifest");
        let mut manifest = writer.manifest.clone().ok_or_else(missing)?;
        // A commit or a merge may have come in between: its version holds this one's documents and more.
        let version =
            if manifest.states.iter().any(|s| s.version == version) { version } else { writer.version() };
        manifest.tags.insert(name.to_owned(), version);
        if manifest.tags.len() > TAGS_MAX {
            let message = format!("a collection has at most {TAGS_MAX} tags");
            return Err(
                TercetError::new(Code::Limit, message).expected(format!("at most {TAGS_MAX}"), "one more")
            );
        }
        manifest.next_file = writer.next_file;
        self.write_manifest(&mut writer, dir, manifest)?;
        Ok(TagReply { version })
    }

    /// Takes a tag away; its version goes when nothing else keeps it.
    pub(super) fn untag(&self, name: &str) -> Result<UntagReply, TercetError> {
        self.writable()?;
        let (mut writer, dir) = (self.idle_writer()?, self.folder("tags")?);
        let Some(mut manifest) = writer.manifest.clone() else {
            return Ok(UntagReply { removed: false });
        };
        let removed = manifest.tags.remove(name).is_some();
        if removed {
            manifest.next_file = writer.next_file;
            self.retire(&mut writer, &mut manifest, dir, self.env.now_ms());
            self.write_manifest(&mut writer, dir, manifest)?;
            self.sweep(&mut writer, dir);
        }
        Ok(UntagReply { removed })
    }

    /// The folder, for what only a collection with one can do.
    pub(super) fn folder(&self, what: &str) -> Result<&str, TercetError> {
        self.dir.as_deref().ok_or_else(|| {
            TercetError::new(Code::Unsupported, format!("a collection in memory has no {what}"))
        })
    }
}

/// A tag is never taken for a number.
fn check_tag(name: &str) -> Result<(), TercetError> {
    if !name.is_empty() && name.len() <= TAG_BYTES_MAX && name.parse::<f64>().is_err() {
        return Ok(());
    }
    let rule = format!("1 to {TAG_BYTES_MAX} bytes that are no number");
    Err(TercetError::new(Code::Argument, format!("`{name}` cannot be a tag: {rule}"))
        .field("name")
        .expected(rule, name))
}

/// The folder lost its manifest while it was open.
pub(super) fn gone(dir: &str) -> TercetError {
    TercetError::new(Code::NotFound, format!("there is no collection in {dir} any more")).file(dir)
}
