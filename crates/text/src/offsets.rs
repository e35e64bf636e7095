//! Byte offsets to UTF-16 offsets: JavaScript counts text in UTF-16 code units, the analyzers in bytes.

/// Maps byte offsets of `text` to offsets in UTF-16 code units.
///
/// One pass over the text if `byte_offsets` ascend; an offset below its predecessor starts again from the front.
/// An offset inside a character counts as the start of that character, one past the end as the end.
pub fn utf16_offsets(text: &str, byte_offsets: &[u32]) -> Vec<u32> {
    let mut byte = 0_usize;
    let mut units = 0_u32;
    let map = |&offset: &u32| {
        let offset = floor_boundary(text, offset as usize);
        if offset < byte {
            (byte, units) = (0, 0);
        }
        units = units.saturating_add(utf16_len(&text.as_bytes()[byte..offset]));
        byte = offset;
        units
    };
    byte_offsets.iter().map(map).collect()
}

/// The last character boundary at or below `offset`.
pub(crate) fn floor_boundary(text: &str, offset: usize) -> usize {
    let mut offset = offset.min(text.len());
    while !text.is_char_boundary(offset) {
        offset -= 1;
    }
    offset
}

/// UTF-16 length of whole characters in UTF-8: one unit for each lead byte, one more for each lead of four bytes.
fn utf16_len(bytes: &[u8]) -> u32 {
    bytes.iter().map(|&b| u32::from((b as i8) >= -64) + u32::from(b >= 0xf0)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn counts_surrogate_pairs_and_clamps() {
        let text = "aé漢😀z"; // 1 + 2 + 3 + 4 + 1 bytes, 1 + 1 + 1 + 2 + 1 units
        assert_eq!(utf16_offsets(text, &[0, 1, 3, 6, 10, 11]), [0, 1, 2, 3, 5, 6]);
        assert_eq!(utf16_offsets(text, &[2, 8, 99]), [1, 3, 6]);
        assert_eq!(utf16_offsets(text, &[10, 1]), [5, 1]);
        assert!(utf16_offsets("", &[]).is_empty());
    }

    proptest! {
        #[test]
        fn agrees_with_encode_utf16(text in any::<String>()) {
            let at: Vec<u32> = text.char_indices().map(|(i, _)| i as u32).chain([text.len() as u32]).collect();
            let want: Vec<u32> = at.iter().map(|&i| text[..i as usize].encode_utf16().count() as u32).collect();
            prop_assert_eq!(utf16_offsets(&text, &at), want);
        }
    }
}
