//! Token positions, in sections of their own so that a search that does not ask for them never touches them.
//!
//! Per term, per posting in order of rows: tf positions, ascending; each as a variable-length integer (7 bits a
//! byte, low bits first, the high bit says that more follow), the first as it is, the others as the distance
//! from the one before.

/// Most bytes of one integer: a position is a u32.
const VARINT: usize = 5;

/// Appends the ascending positions of one posting.
pub(super) fn put(bytes: &mut Vec<u8>, positions: &[u32]) {
    let mut before = 0;
    for &position in positions {
        let mut rest = position.wrapping_sub(before);
        before = position;
        while rest >= 0x80 {
            bytes.push(rest as u8 | 0x80);
            rest >>= 7;
        }
        bytes.push(rest as u8);
    }
}

/// Reads the positions of one term, posting by posting.
pub(super) struct PositionsCursor<'a> {
    data: &'a [u8],
}

impl<'a> PositionsCursor<'a> {
    pub(super) fn new(data: &'a [u8]) -> Self {
        PositionsCursor { data }
    }

    /// Appends the positions of the next posting, which has `tf` of them. `None` when the bytes end too early
    /// or are no integers; what was read until then is appended.
    pub(super) fn next(&mut self, tf: u32, out: &mut Vec<u32>) -> Option<()> {
        let mut position = 0u32;
        for _ in 0..tf {
            position = position.wrapping_add(self.varint()?);
            out.push(position);
        }
        Some(())
    }

    /// Passes over the positions of the next posting. `None` when the bytes end too early.
    pub(super) fn skip(&mut self, tf: u32) -> Option<()> {
        let mut left = tf;
        let mut ends = self.data.iter().enumerate().filter(|(_, byte)| **byte < 0x80);
        let mut to = 0;
        while left > 0 {
            to = ends.next()?.0 + 1;
            left -= 1;
        }
        self.data = &self.data[to..];
        Some(())
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.data.is_empty()
    }

    fn varint(&mut self) -> Option<u32> {
        let mut value = 0u32;
        for (index, &byte) in self.data.iter().take(VARINT).enumerate() {
            value |= u32::from(byte & 0x7f).checked_shl(7 * index as u32)?;
            if byte < 0x80 {
                self.data = &self.data[index + 1..];
                return Some(value);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn come_back(mut lists in prop::collection::vec(prop::collection::vec(any::<u32>(), 0..20), 0..20)) {
            let mut bytes = vec![];
            for list in &mut lists {
                list.sort_unstable();
                put(&mut bytes, list);
            }
            let mut cursor = PositionsCursor::new(&bytes);
            let mut skipping = PositionsCursor::new(&bytes);
            for list in &lists {
                skipping.skip(list.len() as u32).unwrap();
                let mut found = vec![];
                cursor.next(list.len() as u32, &mut found).unwrap();
                prop_assert_eq!(&found, list);
            }
            prop_assert!(cursor.is_at_end() && skipping.is_at_end() && skipping.skip(1).is_none());
        }

        #[test]
        fn nonsense_is_harmless(bytes in prop::collection::vec(any::<u8>(), 0..50), tf in any::<u32>()) {
            let mut found = vec![];
            let _ = PositionsCursor::new(&bytes).next(tf, &mut found);
            prop_assert!(found.len() <= bytes.len());
        }
    }
}
