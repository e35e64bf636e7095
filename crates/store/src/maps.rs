//! Advice to the system about bytes of mapped files, and which bytes those are.
//!
//! Advice on memory that is no map of a file would lose what is in it, so every map is known here as long as it lives.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::env::Access;

/// Maps that are alive, by the place where they begin.
static MAPS: Mutex<BTreeMap<usize, Weak<memmap2::Mmap>>> = Mutex::new(BTreeMap::new());

/// Who holds a map.
pub(crate) struct Owner(Arc<memmap2::Mmap>);

impl Owner {
    pub(crate) fn new(map: memmap2::Mmap) -> Self {
        let map = Arc::new(map);
        let mut maps = MAPS.lock().unwrap_or_else(PoisonError::into_inner);
        maps.insert(map.as_ptr() as usize, Arc::downgrade(&map));
        Owner(map)
    }
}

impl AsRef<[u8]> for Owner {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        let mut maps = MAPS.lock().unwrap_or_else(PoisonError::into_inner);
        maps.remove(&(self.0.as_ptr() as usize));
    }
}

/// Tells the system how bytes will be read; nothing is done where they are not of a mapped file. What it comes to is the
/// system's affair, so that nothing here fails.
pub(crate) fn advise(bytes: &[u8], access: Access) {
    let start = bytes.as_ptr() as usize;
    let map = {
        let maps = MAPS.lock().unwrap_or_else(PoisonError::into_inner);
        maps.range(..=start).next_back().and_then(|(_, map)| map.upgrade())
    };
    let Some(map) = map else { return };
    let from = start - map.as_ptr() as usize;
    if bytes.is_empty() || from.saturating_add(bytes.len()) > map.len() {
        return;
    }
    let _ = match access {
        Access::Scattered => map.advise_range(memmap2::Advice::Random, from, bytes.len()),
        Access::Soon => map.advise_range(memmap2::Advice::WillNeed, from, bytes.len()),
        // SAFETY: pages of a read-only map of a file have nothing that is not in the file, which does not change: whoever
        // reads them gets the same bytes again.
        Access::Spare => unsafe {
            map.unchecked_advise_range(memmap2::UncheckedAdvice::DontNeed, from, bytes.len())
        },
    };
}
