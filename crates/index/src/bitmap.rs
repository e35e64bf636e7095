//! A fixed-length set of rows: live rows, rows that pass a filter, rows that hold a term.
//!
//! One bit per row in 64-bit words, because filters combine by whole words and searches skip empty words.
//! Invariant: bits at and after `len` are zero, so that counting and comparing never look at a tail.

use crate::IndexError;

/// A set of rows below a fixed length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bitmap {
    len: u32,
    words: Vec<u64>,
}

fn word_count(len: u32) -> usize {
    len.div_ceil(64) as usize
}

impl Bitmap {
    /// The empty set over `len` rows.
    pub fn new(len: u32) -> Self {
        Bitmap { len, words: vec![0; word_count(len)] }
    }

    /// The set of all `len` rows.
    pub fn full(len: u32) -> Self {
        let mut bitmap = Bitmap { len, words: vec![u64::MAX; word_count(len)] };
        bitmap.clear_tail();
        bitmap
    }

    /// A set from its words, row 0 in the lowest bit of the first word. The number of words must be
    /// `len / 64` rounded up; bits past `len` are dropped.
    pub fn from_words(len: u32, words: Vec<u64>) -> Result<Self, IndexError> {
        if words.len() != word_count(len) {
            return Err(IndexError::shape("words of a bitmap", word_count(len) as u64, words.len() as u64));
        }
        let mut bitmap = Bitmap { len, words };
        bitmap.clear_tail();
        Ok(bitmap)
    }

    /// The number of rows the set ranges over, members or not.
    pub fn len(&self) -> u32 {
        self.len
    }

    /// Whether no row is a member.
    pub fn is_empty(&self) -> bool {
        self.words.iter().all(|&word| word == 0)
    }

    /// The words, to be used for another set.
    pub fn into_words(self) -> Vec<u64> {
        self.words
    }

    /// The words, row 0 in the lowest bit of the first.
    pub fn words(&self) -> &[u64] {
        &self.words
    }

    /// Adds a row; true when it was not a member. Rows past the end are ignored.
    pub fn set(&mut self, row: u32) -> bool {
        if row >= self.len {
            return false;
        }
        let word = &mut self.words[(row / 64) as usize];
        let bit = 1u64 << (row % 64);
        let fresh = *word & bit == 0;
        *word |= bit;
        fresh
    }

    /// Removes a row; true when it was a member. Rows past the end are ignored.
    pub fn clear(&mut self, row: u32) -> bool {
        if row >= self.len {
            return false;
        }
        let word = &mut self.words[(row / 64) as usize];
        let bit = 1u64 << (row % 64);
        let held = *word & bit != 0;
        *word &= !bit;
        held
    }

    /// Whether the row is a member; false past the end.
    #[inline]
    pub fn contains(&self, row: u32) -> bool {
        self.words.get((row / 64) as usize).is_some_and(|word| word >> (row % 64) & 1 == 1)
    }

    /// The number of members. O(len / 64).
    pub fn count(&self) -> u32 {
        self.words.iter().map(|word| word.count_ones()).sum()
    }

    /// Keeps the rows that are in both sets. A shorter `other` counts as empty past its end.
    pub fn and(&mut self, other: &Bitmap) {
        let shared = self.words.len().min(other.words.len());
        for (word, with) in self.words.iter_mut().zip(&other.words) {
            *word &= with;
        }
        self.words[shared..].fill(0);
    }

    /// Adds the rows of `other`; its rows past this set's length are ignored.
    pub fn or(&mut self, other: &Bitmap) {
        for (word, with) in self.words.iter_mut().zip(&other.words) {
            *word |= with;
        }
        self.clear_tail();
    }

    /// Removes the rows of `other`.
    pub fn and_not(&mut self, other: &Bitmap) {
        for (word, with) in self.words.iter_mut().zip(&other.words) {
            *word &= !with;
        }
    }

    /// Turns members into non-members and the reverse.
    pub fn not(&mut self) {
        for word in &mut self.words {
            *word = !*word;
        }
        self.clear_tail();
    }

    /// The members, ascending.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.words.iter().enumerate().flat_map(|(index, &word)| {
            let base = index as u32 * 64;
            std::iter::successors((word != 0).then_some(word), |rest| {
                let rest = rest & (rest - 1);
                (rest != 0).then_some(rest)
            })
            .map(move |rest| base + rest.trailing_zeros())
        })
    }

    /// Whether any row of `from..to` is a member.
    pub fn any_in(&self, from: u32, to: u32) -> bool {
        let to = to.min(self.len);
        if from >= to {
            return false;
        }
        let (first, last) = ((from / 64) as usize, ((to - 1) / 64) as usize);
        let head = u64::MAX << (from % 64);
        let tail = u64::MAX >> (63 - (to - 1) % 64);
        if first == last {
            return self.words[first] & head & tail != 0;
        }
        self.words[first] & head != 0
            || self.words[first + 1..last].iter().any(|&word| word != 0)
            || self.words[last] & tail != 0
    }

    fn clear_tail(&mut self) {
        let used = self.len % 64;
        if used != 0
            && let Some(last) = self.words.last_mut()
        {
            *last &= (1u64 << used) - 1;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn of(len: u32, rows: &BTreeSet<u32>) -> Bitmap {
        let mut bitmap = Bitmap::new(len);
        for &row in rows {
            bitmap.set(row);
        }
        bitmap
    }

    fn below(len: u32, rows: &[u32]) -> BTreeSet<u32> {
        rows.iter().copied().filter(|&row| row < len).collect()
    }

    proptest! {
        #[test]
        fn agrees_with_a_set(len in 0u32..300, a in prop::collection::vec(0u32..320, 0..200),
                             b in prop::collection::vec(0u32..320, 0..200), from in 0u32..310, to in 0u32..310) {
            let (sa, sb) = (below(len, &a), below(len, &b));
            let (ma, mb) = (of(len, &sa), of(len, &sb));
            prop_assert_eq!(ma.count() as usize, sa.len());
            prop_assert_eq!(ma.is_empty(), sa.is_empty());
            prop_assert_eq!(ma.iter().collect::<Vec<_>>(), sa.iter().copied().collect::<Vec<_>>());
            prop_assert_eq!(ma.any_in(from, to), sa.iter().any(|&row| from <= row && row < to));
            let mut and = ma.clone();
            and.and(&mb);
            prop_assert_eq!(and, of(len, &sa.intersection(&sb).copied().collect()));
            let mut or = ma.clone();
            or.or(&mb);
            prop_assert_eq!(or, of(len, &sa.union(&sb).copied().collect()));
            let mut minus = ma.clone();
            minus.and_not(&mb);
            prop_assert_eq!(minus, of(len, &sa.difference(&sb).copied().collect()));
            let mut not = ma.clone();
            not.not();
            prop_assert_eq!(not, of(len, &(0..len).filter(|row| !sa.contains(row)).collect()));
            prop_assert_eq!(Bitmap::from_words(len, ma.words().to_vec()).unwrap(), ma.clone());
            for row in 0..320 {
                prop_assert_eq!(ma.contains(row), sa.contains(&row));
            }
        }
    }

    #[test]
    fn set_and_clear_say_what_changed() {
        let mut bitmap = Bitmap::new(65);
        assert!(bitmap.set(64) && !bitmap.set(64) && !bitmap.set(65));
        assert!(bitmap.clear(64) && !bitmap.clear(64) && !bitmap.clear(65));
        assert_eq!(Bitmap::full(65).count(), 65);
        assert_eq!(Bitmap::from_words(3, vec![u64::MAX]).unwrap().count(), 3);
        assert!(Bitmap::from_words(65, vec![0]).is_err());
    }

    #[test]
    fn lengths_may_differ() {
        let mut long = Bitmap::full(200);
        long.and(&Bitmap::full(70));
        assert_eq!(long.count(), 70);
        let mut short = Bitmap::new(70);
        short.or(&Bitmap::full(200));
        assert_eq!(short, Bitmap::full(70));
    }
}
