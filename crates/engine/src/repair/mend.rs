//! Files in which single bits were flipped, made whole again: the checksums say which bits those are.

use tercet_store::{FlippedBit, MANIFEST, StoreError, flipped_bits, flipped_bits_of_manifest};

use super::Repair;
use crate::wire::TercetError;

/// What stands behind the name of a file that is being made whole.
pub(super) const MENDED: &str = ".mended";
/// Bytes written at once.
const COPIED_AT_ONCE: usize = 1 << 20;

impl Repair<'_> {
    /// Sets flipped bits of a file right; the damaged one stays under another name. False where there is nothing that
    /// can be done so.
    pub(super) fn mend(&mut self, name: &str) -> Result<bool, TercetError> {
        let bytes = match self.env.read(&self.path(name)) {
            Ok(bytes) => bytes,
            Err(StoreError::NotFound { .. }) => return Ok(false),
            Err(error) => return Err(error.into()),
        };
        let bits = if name == MANIFEST { flipped_bits_of_manifest(&bytes) } else { flipped_bits(&bytes) };
        if bits.is_empty() {
            return Ok(false);
        }
        let mended = self.path(&format!("{name}{MENDED}"));
        if self.env.exists(&mended)? {
            self.env.remove(&mended)?;
        }
        // The name shows the damaged file until it shows the mended one: a copy is what stays.
        let kept = self.free_name(name)?;
        for (path, bits) in [(self.path(&kept), &[][..]), (mended.clone(), &bits)] {
            if let Err(error) = self.copy(&bytes, bits, &path) {
                let _ = self.env.remove(&path);
                return Err(error);
            }
        }
        self.env.sync_dir(self.dir)?;
        drop(bytes);
        let what = if bits.len() == 1 { "a flipped bit" } else { "flipped bits" };
        let places: Vec<String> = bits.iter().take(8).map(|bit| bit.offset.to_string()).collect();
        self.say(format!("{what} of {name} set right, at byte {}; {kept} is as it was", places.join(", ")));
        self.env.rename(&mended, &self.path(name))?;
        self.env.sync_dir(self.dir)?;
        Ok(true)
    }

    fn copy(&self, bytes: &[u8], bits: &[FlippedBit], path: &str) -> Result<(), TercetError> {
        let mut file = self.env.create(path)?;
        for (at, chunk) in bytes.chunks(COPIED_AT_ONCE).enumerate() {
            let mut chunk = chunk.to_vec();
            for bit in bits {
                let place = bit.offset.checked_sub(at * COPIED_AT_ONCE);
                if let Some(byte) = place.and_then(|place| chunk.get_mut(place)) {
                    *byte ^= bit.mask;
                }
            }
            file.write_all(&chunk)?;
            self.control.step(0)?;
        }
        Ok(file.sync()?)
    }
}
