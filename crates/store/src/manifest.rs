//! The manifest: the one file of a folder that is replaced, and the root from which every other file is found.
//!
//! It is written beside the old one, synced, renamed over it, and the folder is synced: after a crash at any moment
//! the name shows the old manifest or the new one, whole. A temporary file left behind by a crash is never read; the
//! next write removes it. When a write fails after the rename (the folder's sync), either may stand there after a
//! power cut, and the caller must read again before it goes on.
//!
//! Layout (32-byte frame, then the payload; nothing after it): magic `TERCETMF`, version u32, payload CRC32C u32,
//! payload length u64, zero u32, CRC32C of the frame.

use crate::decode::{seal, unseal};
use crate::env::{Env, join};
use crate::error::StoreError;
use crate::section::{FlippedBit, flipped_bit, flipped_in_frame};

/// The manifest's name in its folder.
pub const MANIFEST: &str = "MANIFEST";
/// The name a manifest is written under before it is renamed.
pub const MANIFEST_TEMP: &str = "MANIFEST.tmp";
/// The newest version of the manifest's frame that is read, and the one that is written.
pub const MANIFEST_VERSION: u32 = 1;

const MAGIC: &[u8; 8] = b"TERCETMF";
const FRAME_BYTES: usize = 32;

/// Replaces the manifest of `dir` by one with this payload, durably and atomically.
pub fn write_manifest(env: &dyn Env, dir: &str, payload: &[u8]) -> Result<(), StoreError> {
    let temp = join(dir, MANIFEST_TEMP);
    match env.remove(&temp) {
        Ok(()) | Err(StoreError::NotFound { .. }) => {}
        Err(error) => return Err(error),
    }
    let mut bytes = Vec::new();
    let memory = |_| StoreError::Memory { path: temp.clone(), bytes: payload.len() as u64 };
    bytes.try_reserve_exact(FRAME_BYTES + payload.len()).map_err(memory)?;
    bytes.extend_from_slice(&frame(payload));
    bytes.extend_from_slice(payload);
    let mut file = env.create(&temp)?;
    file.write_all(&bytes)?;
    file.sync()?;
    drop(file);
    env.rename(&temp, &join(dir, MANIFEST))?;
    env.sync_dir(dir)
}

/// The payload of the manifest in `dir`, or `None` where there is none.
pub fn read_manifest(env: &dyn Env, dir: &str) -> Result<Option<Vec<u8>>, StoreError> {
    read_manifest_named(env, dir, MANIFEST)
}

/// The payload of a manifest under another name, like [`MANIFEST_TEMP`]: for repairs.
pub fn read_manifest_named(env: &dyn Env, dir: &str, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
    let path = join(dir, name);
    let bytes = match env.read(&path) {
        Ok(bytes) => bytes,
        Err(StoreError::NotFound { .. }) => return Ok(None),
        Err(error) => return Err(error),
    };
    Ok(Some(parse(&bytes, &path)?.to_vec()))
}

/// The bits that were flipped in a manifest, one in the frame and one in the payload at most.
pub fn flipped_bits_of_manifest(file: &[u8]) -> Vec<FlippedBit> {
    let mut found = Vec::new();
    let Some((frame, payload)) = file.split_at_checked(FRAME_BYTES) else {
        return found;
    };
    let mut frame = frame.to_vec();
    if unseal(&frame, MAGIC, MANIFEST_VERSION, "", "header").is_err() {
        let Some(bit) = flipped_in_frame(&frame) else { return found };
        frame[bit.offset] ^= bit.mask;
        found.push(bit);
    }
    let Some(crc) = unseal(&frame, MAGIC, MANIFEST_VERSION, "", "header").ok().and_then(|mut f| f.u32())
    else {
        return Vec::new();
    };
    if crc32c::crc32c(payload) != crc {
        let bit = flipped_bit(payload, crc);
        found.extend(bit.map(|bit| FlippedBit { offset: bit.offset + FRAME_BYTES, ..bit }));
    }
    found
}

fn frame(payload: &[u8]) -> [u8; FRAME_BYTES] {
    let mut fields = [0u8; 12];
    fields[..4].copy_from_slice(&crc32c::crc32c(payload).to_le_bytes());
    fields[4..].copy_from_slice(&(payload.len() as u64).to_le_bytes());
    seal(MAGIC, MANIFEST_VERSION, &fields)
}

fn parse<'a>(bytes: &'a [u8], path: &str) -> Result<&'a [u8], StoreError> {
    let (head, payload) = bytes.split_at_checked(FRAME_BYTES).ok_or_else(|| {
        StoreError::corrupt(path, format!("{} bytes are too few for a manifest", bytes.len()))
    })?;
    let mut fields = unseal(head, MAGIC, MANIFEST_VERSION, path, "header")?;
    let (Some(crc), Some(len)) = (fields.u32(), fields.u64()) else {
        return Err(StoreError::corrupt(path, "header is cut short"));
    };
    if len != payload.len() as u64 {
        let what = format!("header promises {len} bytes of payload, the file has {}", payload.len());
        return Err(StoreError::corrupt(path, what));
    }
    if crc32c::crc32c(payload) != crc {
        return Err(StoreError::corrupt(path, "payload checksum does not match"));
    }
    Ok(payload)
}
