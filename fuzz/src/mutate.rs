//! Changes of bytes, by numbers that look random and are the same in every run.

/// A generator (splitmix64).
pub struct Chance(u64);

impl Chance {
    /// The numbers of a seed.
    pub fn new(seed: u64) -> Chance {
        Chance(seed)
    }

    /// The next number.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from 0 that is below `end`; 0 where `end` is 0.
    pub fn below(&mut self, end: usize) -> usize {
        if end == 0 { 0 } else { (self.next() % end as u64) as usize }
    }
}

/// Numbers at which comparisons go wrong.
const ODD: [u64; 16] = [
    0,
    1,
    2,
    7,
    64,
    127,
    128,
    255,
    0xffff,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_fff8,
    0xffff_ffff,
    1 << 40,
    i64::MAX as u64,
    u64::MAX,
];

/// An input of the corpus, changed in a few places, or two of them in one.
pub fn mutated(chance: &mut Chance, corpus: &[Vec<u8>]) -> Vec<u8> {
    let pick = |chance: &mut Chance| corpus.get(chance.below(corpus.len())).cloned().unwrap_or_default();
    let mut bytes = pick(chance);
    if chance.below(12) == 0 {
        let other = pick(chance);
        let (cut, from) = (chance.below(bytes.len() + 1), chance.below(other.len() + 1));
        bytes.truncate(cut);
        bytes.extend_from_slice(&other[from..]);
    }
    for _ in 0..=chance.below(4) {
        change(chance, &mut bytes);
    }
    bytes
}

/// One change.
pub fn change(chance: &mut Chance, bytes: &mut Vec<u8>) {
    let at = chance.below(bytes.len());
    match chance.below(16) {
        0 => bytes.truncate(at),
        1 => bytes.truncate(at / 8 * 8),
        2 => bytes.extend_from_slice(&ODD[chance.below(ODD.len())].to_le_bytes()),
        3 => {
            let len = chance.below(130);
            bytes.splice(at..at, std::iter::repeat_n(0, len));
        }
        4 => {
            let end = at + chance.below((bytes.len() - at).min(200));
            bytes.drain(at..end);
        }
        5 => {
            let end = at + chance.below((bytes.len() - at).min(100));
            let copy = bytes[at..end].to_vec();
            let to = chance.below(bytes.len()).min(bytes.len() - copy.len());
            bytes[to..to + copy.len()].copy_from_slice(&copy);
        }
        6..=8 => overwrite(chance, bytes, 4),
        9..=11 => overwrite(chance, bytes, 8),
        12 => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte = chance.next() as u8;
            }
        }
        _ => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << chance.below(8);
            }
        }
    }
}

/// Puts an odd number, or one near the one that is there, at a multiple of its width.
fn overwrite(chance: &mut Chance, bytes: &mut [u8], width: usize) {
    let at = chance.below(bytes.len()) / width * width;
    let Some(place) = bytes.get_mut(at..at + width) else { return };
    let mut number = [0; 8];
    number[..width].copy_from_slice(place);
    let number = match chance.below(3) {
        0 => u64::from_le_bytes(number).wrapping_add(1),
        1 => u64::from_le_bytes(number).wrapping_sub(1),
        _ => ODD[chance.below(ODD.len())],
    };
    place.copy_from_slice(&number.to_le_bytes()[..width]);
}
