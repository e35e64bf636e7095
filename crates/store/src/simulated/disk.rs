//! What a disk would hold: for each file what is durable and what is not, and the names that no folder sync has covered.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use super::PowerCut;
use crate::env::{SPLITMIX_STEP, splitmix64};

/// Torn writes and holes are cut at the size of a sector or at any byte.
const SECTOR: usize = 512;

/// Numbers from a seed.
#[derive(Debug)]
pub(super) struct Chance(u64);

impl Chance {
    pub(super) fn new(seed: u64) -> Self {
        Chance(splitmix64(seed.wrapping_add(SPLITMIX_STEP)))
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(SPLITMIX_STEP);
        splitmix64(self.0)
    }

    /// A number from 0 to `most`.
    pub(super) fn up_to(&mut self, most: usize) -> usize {
        (self.next() % (most as u64).saturating_add(1)) as usize
    }

    /// True in `part` of eight cases.
    fn eighths(&mut self, part: u64) -> bool {
        self.next() % 8 < part
    }
}

/// A file behind whatever names it has.
#[derive(Clone, Debug, Default)]
struct Inode {
    bytes: Vec<u8>,
    /// Ranges of `bytes` that are not known to be on the disk, in the order of writing.
    unsynced: Vec<Write>,
}

#[derive(Clone, Debug)]
struct Write {
    start: usize,
    end: usize,
    /// A sync that failed covered it: no later one will write it again.
    abandoned: bool,
}

/// A change of names that waits for its folder's sync.
#[derive(Clone, Debug)]
enum Change {
    Name(String, usize),
    Rename(String, String, usize),
    Remove(String),
}

impl Change {
    fn path(&self) -> &str {
        match self {
            Change::Name(path, _) | Change::Rename(_, path, _) | Change::Remove(path) => path,
        }
    }

    fn apply(&self, names: &mut BTreeMap<String, usize>) {
        match self {
            Change::Name(path, inode) => drop(names.insert(path.clone(), *inode)),
            Change::Rename(from, to, inode) => {
                // An earlier rename of the file may be lost: it has one name all the same.
                names.retain(|path, other| path != from && other != inode);
                names.insert(to.clone(), *inode);
            }
            Change::Remove(path) => drop(names.remove(path)),
        }
    }
}

#[derive(Clone, Debug, Default)]
pub(super) struct Disk {
    inodes: Vec<Inode>,
    names: BTreeMap<String, usize>,
    durable: BTreeMap<String, usize>,
    changes: Vec<Change>,
    dirs: BTreeSet<String>,
}

impl Disk {
    /// A disk on which these files are durable.
    pub(super) fn of(files: &[(String, Bytes)], dirs: BTreeSet<String>) -> Self {
        let inodes = files.iter().map(|(_, bytes)| Inode { bytes: bytes.to_vec(), unsynced: Vec::new() });
        let names: BTreeMap<String, usize> = files.iter().map(|(path, _)| path.clone()).zip(0..).collect();
        Disk { inodes: inodes.collect(), durable: names.clone(), names, changes: Vec::new(), dirs }
    }

    pub(super) fn add_dir(&mut self, key: String) {
        self.dirs.insert(key);
    }

    pub(super) fn dirs(&self) -> &BTreeSet<String> {
        &self.dirs
    }

    pub(super) fn create(&mut self, key: String) -> usize {
        self.inodes.push(Inode::default());
        let inode = self.inodes.len() - 1;
        self.change(Change::Name(key, inode));
        inode
    }

    pub(super) fn rename(&mut self, from: &str, to: &str) {
        if let Some(inode) = self.names.get(from) {
            self.change(Change::Rename(from.to_owned(), to.to_owned(), *inode));
        }
    }

    pub(super) fn remove(&mut self, key: &str) {
        if self.knows(key) {
            self.change(Change::Remove(key.to_owned()));
        }
    }

    pub(super) fn knows(&self, key: &str) -> bool {
        self.names.contains_key(key)
    }

    fn change(&mut self, change: Change) {
        change.apply(&mut self.names);
        self.changes.push(change);
    }

    pub(super) fn write(&mut self, inode: usize, bytes: &[u8]) {
        if let Some(file) = self.inodes.get_mut(inode) {
            let start = file.bytes.len();
            file.bytes.extend_from_slice(bytes);
            file.unsynced.push(Write { start, end: file.bytes.len(), abandoned: false });
        }
    }

    pub(super) fn sync(&mut self, inode: usize) {
        if let Some(file) = self.inodes.get_mut(inode) {
            file.unsynced.retain(|write| write.abandoned);
        }
    }

    pub(super) fn abandon(&mut self, inode: usize) {
        let file = self.inodes.get_mut(inode);
        file.into_iter().flat_map(|file| &mut file.unsynced).for_each(|write| write.abandoned = true);
    }

    pub(super) fn sync_dir(&mut self, key: &str) {
        let durable = &mut self.durable;
        self.changes.retain(|change| {
            let here = change.path().rfind('/').map_or("", |at| &change.path()[..at]) == key;
            if here {
                change.apply(durable);
            }
            !here
        });
    }

    /// The files as a process sees them.
    pub(super) fn seen(&self) -> Vec<(String, Bytes)> {
        let bytes = |inode: &usize| self.inodes.get(*inode).map(|file| Bytes::copy_from_slice(&file.bytes));
        self.names.iter().map(|(path, inode)| (path.clone(), bytes(inode).unwrap_or_default())).collect()
    }

    /// The files after the power was cut.
    pub(super) fn after(&self, cut: PowerCut, chance: &mut Chance) -> Vec<(String, Bytes)> {
        let mut names = self.durable.clone();
        let fates = self.fates(cut, chance);
        for (change, _) in self.changes.iter().zip(fates).filter(|(_, kept)| *kept) {
            change.apply(&mut names);
        }
        let file = |(path, inode): (String, usize)| {
            let bytes = self.inodes.get(inode).map(|file| self.content(file, cut, chance));
            (path, Bytes::from(bytes.unwrap_or_default()))
        };
        names.into_iter().map(file).collect()
    }

    pub(super) fn unsynced_names(&self) -> usize {
        self.changes.len()
    }

    /// Which changes of names arrived.
    fn fates(&self, cut: PowerCut, chance: &mut Chance) -> Vec<bool> {
        let count = self.changes.len();
        match cut {
            PowerCut::Nothing | PowerCut::Bytes => vec![false; count],
            PowerCut::Everything | PowerCut::Names => vec![true; count],
            PowerCut::AllButName(lost) => (0..count).map(|at| at != lost).collect(),
            // A journal that was written up to somewhere.
            PowerCut::Random if chance.eighths(3) => {
                let kept = chance.up_to(count);
                (0..count).map(|at| at < kept).collect()
            }
            PowerCut::Random => {
                let part = 1 + chance.next() % 7;
                (0..count).map(|_| chance.eighths(part)).collect()
            }
        }
    }

    fn content(&self, file: &Inode, cut: PowerCut, chance: &mut Chance) -> Vec<u8> {
        let synced = file.unsynced.first().map_or(file.bytes.len(), |write| write.start);
        match cut {
            PowerCut::Everything | PowerCut::Bytes | PowerCut::AllButName(_) => file.bytes.clone(),
            PowerCut::Nothing | PowerCut::Names => self.patched(file, synced, &[], Fill::Zeros, chance),
            PowerCut::Random => {
                let part = chance.next() % 9;
                let mut arrived = Vec::new();
                for write in &file.unsynced {
                    match chance.up_to(3) {
                        _ if chance.eighths(part) => arrived.push((write.start, write.end)),
                        0 => arrived.extend(pieces(write, chance)),
                        // Torn: the first bytes of it.
                        1 => arrived.push((write.start, write.start + chance.up_to(write.end - write.start))),
                        _ => {}
                    }
                }
                let last = arrived.iter().map(|(_, end)| *end).max().unwrap_or(0);
                // The length may be on the disk before the bytes are.
                let len = if chance.eighths(2) { file.bytes.len() } else { last };
                let fill = match chance.up_to(2) {
                    0 => Fill::Zeros,
                    1 => Fill::Garbage,
                    _ => Fill::Stale,
                };
                self.patched(file, len, &arrived, fill, chance)
            }
        }
    }

    /// What is durable of a file and the ranges that arrived, up to `len` (and all that is durable); the rest is holes.
    fn patched(
        &self,
        file: &Inode,
        len: usize,
        arrived: &[(usize, usize)],
        fill: Fill,
        chance: &mut Chance,
    ) -> Vec<u8> {
        let durable_end = self.durable_ranges(file).last().map_or(0, |(_, end)| *end);
        let len = len.max(durable_end);
        let mut out = vec![0u8; len];
        match fill {
            Fill::Zeros => {}
            Fill::Garbage => out.iter_mut().for_each(|byte| *byte = chance.next() as u8),
            // What another file had at the same place: blocks are used again.
            Fill::Stale => {
                if let Some(other) = self.inodes.get(chance.up_to(self.inodes.len().saturating_sub(1))) {
                    let common = len.min(other.bytes.len());
                    out[..common].copy_from_slice(&other.bytes[..common]);
                }
            }
        }
        for (start, end) in self.durable_ranges(file).into_iter().chain(arrived.iter().copied()) {
            let end = end.min(len);
            if start < end {
                out[start..end].copy_from_slice(&file.bytes[start..end]);
            }
        }
        out
    }

    /// The ranges of a file between its unsynced ones.
    fn durable_ranges(&self, file: &Inode) -> Vec<(usize, usize)> {
        let mut ranges = Vec::new();
        let mut at = 0;
        for write in &file.unsynced {
            ranges.push((at, write.start));
            at = write.end;
        }
        ranges.push((at, file.bytes.len()));
        ranges.retain(|(start, end)| start < end);
        ranges
    }
}

#[derive(Clone, Copy)]
enum Fill {
    Zeros,
    Garbage,
    Stale,
}

/// Some of a write's sectors.
fn pieces(write: &Write, chance: &mut Chance) -> Vec<(usize, usize)> {
    let mut pieces = Vec::new();
    let mut at = write.start;
    while at < write.end {
        let end = (at - at % SECTOR + SECTOR).min(write.end);
        if chance.eighths(4) {
            pieces.push((at, end));
        }
        at = end;
    }
    pieces
}
