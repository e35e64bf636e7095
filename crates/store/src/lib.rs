//! Bytes that last: checksummed section files, the manifest, and the Env seam to disk, clock and chance.
