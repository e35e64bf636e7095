//! Makes the checksums of changed bytes fit again, as docs/format.md describes them: what is hostile carries valid ones.
//! What is too broken to know where a checksum belongs is left as it is.

const PAGE_BYTES: usize = 65_536;
const FRAME_BYTES: usize = 64;
const ENTRY_BYTES: usize = 32;

fn number(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk().map(|chunk| u64::from_le_bytes(*chunk))
}

fn length(bytes: &[u8], at: usize) -> Option<usize> {
    bytes.get(at..)?.first_chunk().map(|chunk| u32::from_le_bytes(*chunk) as usize)
}

fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    if let Some(place) = bytes.get_mut(at..at + value.len()) {
        place.copy_from_slice(value);
    }
}

/// The checksum at the end of a frame.
fn frame(bytes: &mut [u8], at: usize, len: usize) {
    let Some(checked) = bytes.get(at..at + len - 4) else { return };
    let crc = crc32c::crc32c(checked);
    put(bytes, at + len - 4, &crc.to_le_bytes());
}

/// A section file: both frames, the page checksums and what the trailer says of them.
pub fn section_file(bytes: &mut [u8]) {
    frame(bytes, 0, FRAME_BYTES);
    let Some(trailer) = bytes.len().checked_sub(FRAME_BYTES) else { return };
    put(bytes, trailer + 12, &(bytes.len() as u64).to_le_bytes());
    if let Some((pages_at, contents_at)) = parts(bytes, trailer) {
        for at in (0..pages_at).step_by(PAGE_BYTES) {
            let crc = crc32c::crc32c(&bytes[at..pages_at.min(at + PAGE_BYTES)]);
            put(bytes, pages_at + at / PAGE_BYTES * 4, &crc.to_le_bytes());
        }
        let pages_crc = crc32c::crc32c(&bytes[pages_at..contents_at]);
        let contents_crc = crc32c::crc32c(&bytes[contents_at..trailer]);
        put(bytes, trailer + 36, &pages_crc.to_le_bytes());
        put(bytes, trailer + 40, &contents_crc.to_le_bytes());
    }
    frame(bytes, trailer, FRAME_BYTES);
}

/// Where page table and contents begin. Where the lengths do not add up, the body is made as long as it must be.
fn parts(bytes: &mut [u8], trailer: usize) -> Option<(usize, usize)> {
    let body = usize::try_from(number(bytes, trailer + 20)?).ok()?;
    let contents = usize::try_from(number(bytes, trailer + 28)?).ok()?;
    let pages = body.div_ceil(PAGE_BYTES).checked_mul(4)?;
    if body.checked_add(pages)?.checked_add(contents)? == trailer {
        return Some((body, body + pages));
    }
    let room = trailer.checked_sub(contents)?;
    let pages = room.div_ceil(PAGE_BYTES + 4) * 4;
    let body = room.checked_sub(pages)?;
    put(bytes, trailer + 20, &(body as u64).to_le_bytes());
    (body.div_ceil(PAGE_BYTES) * 4 == pages).then_some((body, body + pages))
}

/// A log: its header and every entry that can be reached; of records that hold a segment, that too.
pub fn log(bytes: &mut [u8]) {
    frame(bytes, 0, FRAME_BYTES);
    let Some(identity) = number(bytes, 12) else { return };
    let mut at = FRAME_BYTES;
    while let Some(len) = length(bytes, at) {
        let begin = at + ENTRY_BYTES;
        let Some(end) = begin.checked_add(len).and_then(|end| end.checked_next_multiple_of(8)) else {
            return;
        };
        if end > bytes.len() {
            return;
        }
        record(&mut bytes[begin..begin + len]);
        let crc = crc32c::crc32c(&bytes[begin..end]);
        put(bytes, at + 24, &crc.to_le_bytes());
        let crc = crc32c::crc32c(&identity.to_le_bytes());
        let crc = crc32c::crc32c_append(crc, &(at as u64).to_le_bytes());
        let crc = crc32c::crc32c_append(crc, &bytes[at..at + 28]);
        put(bytes, at + 28, &crc.to_le_bytes());
        at = end;
    }
}

/// A record of the log: the segment in it, where there is one.
pub fn record(bytes: &mut [u8]) {
    if let Some((1, segment)) = bytes.split_first_mut() {
        section_file(segment);
    }
}

/// A manifest: length and checksum of the payload, and the frame.
pub fn manifest(bytes: &mut [u8]) {
    let Some(payload) = bytes.get(32..) else { return };
    let (crc, len) = (crc32c::crc32c(payload), payload.len() as u64);
    put(bytes, 12, &crc.to_le_bytes());
    put(bytes, 16, &len.to_le_bytes());
    frame(bytes, 0, 32);
}

/// Whatever a file is, by its first bytes.
pub fn any(bytes: &mut [u8]) {
    match bytes.get(..8) {
        Some(b"TERCETSF") => section_file(bytes),
        Some(b"TERCETLG") => log(bytes),
        Some(b"TERCETMF") => manifest(bytes),
        _ => {}
    }
}
