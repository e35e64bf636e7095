//! Damage of every kind ends in a typed error or in the right content; never in a panic.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use bytes::Bytes;
use common::{on_each_env, put};
use proptest::prelude::*;
use tercet_store::{
    AlignedBuf, Env, MANIFEST_TEMP, MemoryEnv, PAGE_BYTES, SectionFile, SectionFileWriter, StoreError, join,
    read_manifest, write_manifest,
};

fn small() -> (Vec<(&'static str, Vec<u8>)>, Vec<u8>) {
    let parts = vec![("one", (0..100).collect()), ("empty", vec![]), ("two", vec![5u8; 70])];
    let mut writer = SectionFileWriter::new("test");
    for (name, bytes) in &parts {
        writer.add(name, bytes);
    }
    let bytes = writer.to_bytes().unwrap().to_vec();
    (parts, bytes)
}

fn open(bytes: &[u8]) -> Result<SectionFile, StoreError> {
    SectionFile::from_bytes(AlignedBuf::copy_of(bytes, "file").unwrap().freeze(), "file")
}

fn assert_corrupt<T>(result: Result<T, StoreError>, what: &str) {
    match result {
        Err(StoreError::Corrupt { file, .. }) => {
            assert!(file.ends_with("file") || file.ends_with("MANIFEST"))
        }
        Err(other) => panic!("{what}: {other:?}"),
        Ok(_) => panic!("{what}: accepted"),
    }
}

#[test]
fn every_flipped_byte_is_noticed_and_none_changes_an_answer() {
    let (parts, good) = small();
    for at in 0..good.len() {
        for mask in [0x01, 0x80, 0xff] {
            let mut bad = good.clone();
            bad[at] ^= mask;
            let Ok(file) = open(&bad) else {
                assert_corrupt(open(&bad), &format!("byte {at}"));
                continue;
            };
            assert_corrupt(file.verify(), &format!("byte {at}, verify"));
            for (name, bytes) in &parts {
                match file.section(name) {
                    Ok(section) => assert_eq!(&section[..], &bytes[..], "byte {at}, section {name}"),
                    Err(StoreError::Corrupt { section, .. }) => assert_eq!(section.as_deref(), Some(*name)),
                    Err(other) => panic!("byte {at}: {other:?}"),
                }
            }
        }
    }
}

#[test]
fn every_other_length_is_refused() {
    let (_, good) = small();
    for len in 0..good.len() {
        assert_corrupt(open(&good[..len]), &format!("cut to {len}"));
    }
    for more in [1, 4, 64, 4096] {
        let mut long = good.clone();
        long.resize(good.len() + more, 0);
        assert_corrupt(open(&long), &format!("{more} bytes more"));
        // The real trailer once more at the end, where a careless reader would find it.
        let trailer = good[good.len() - 64..].to_vec();
        long.extend_from_slice(&trailer);
        assert_corrupt(open(&long), &format!("{more} bytes and the trailer more"));
    }
}

#[test]
fn damage_is_placed_and_stays_where_it_is() {
    let mut writer = SectionFileWriter::new("test");
    writer
        .add("head", vec![1u8; PAGE_BYTES])
        .add("body", vec![2u8; 3 * PAGE_BYTES])
        .add("tail", vec![3u8; 100]);
    let mut bytes = writer.to_bytes().unwrap().to_vec();
    bytes[2 * PAGE_BYTES + 17] ^= 4;
    let file = open(&bytes).unwrap();
    file.section("head").unwrap();
    file.section("tail").unwrap();
    // A page that is whole can be read out of a section that is not.
    file.range("body", 2 * PAGE_BYTES as u64, 10).unwrap();
    for result in [
        file.section("body").map(|_| ()),
        file.verify(),
        file.range("body", PAGE_BYTES as u64, 9).map(|_| ()),
    ] {
        match result {
            Err(StoreError::Corrupt { section, what, .. }) => {
                assert_eq!(section.as_deref(), Some("body"));
                assert!(what.contains("page 2"), "{what}");
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(file.section_unchecked("body").unwrap().len(), 3 * PAGE_BYTES);
}

/// A section as the contents claim it: name, offset, length.
type Claim<'a> = (&'a [u8], u64, u64);

/// Writes files by hand, as docs/format.md describes them, with checksums that always fit.
struct Hostile {
    body: Vec<u8>,
    contents: Vec<u8>,
    body_len: Option<u64>,
    contents_len: Option<u64>,
    file_len: Option<u64>,
    page_bytes: u32,
    versions: (u32, u32),
}

fn frame(magic: &[u8; 8], version: u32, fields: &[u8]) -> Vec<u8> {
    let mut frame = [&magic[..], &version.to_le_bytes(), fields].concat();
    frame.resize(60, 0);
    let crc = crc32c::crc32c(&frame);
    frame.extend_from_slice(&crc.to_le_bytes());
    frame
}

impl Hostile {
    /// A body of `len` bytes after the header, and sections given as (name, offset, length).
    fn new(len: usize, sections: &[Claim<'_>]) -> Self {
        let mut contents = b"\x04test".to_vec();
        contents.extend_from_slice(&(sections.len() as u32).to_le_bytes());
        for (name, offset, len) in sections {
            contents.extend_from_slice(&(name.len() as u16).to_le_bytes());
            contents.extend_from_slice(name);
            contents.extend_from_slice(&offset.to_le_bytes());
            contents.extend_from_slice(&len.to_le_bytes());
        }
        Hostile {
            body: vec![9; len],
            contents,
            body_len: None,
            contents_len: None,
            file_len: None,
            page_bytes: PAGE_BYTES as u32,
            versions: (1, 1),
        }
    }

    fn bytes(&self) -> Vec<u8> {
        let mut out = frame(b"TERCETSF", self.versions.0, &[]);
        out.extend_from_slice(&self.body);
        let pages: Vec<u8> =
            out.chunks(PAGE_BYTES).flat_map(|page| crc32c::crc32c(page).to_le_bytes()).collect();
        let body_len = self.body_len.unwrap_or(out.len() as u64);
        out.extend_from_slice(&pages);
        out.extend_from_slice(&self.contents);
        let mut fields = self.file_len.unwrap_or(out.len() as u64 + 64).to_le_bytes().to_vec();
        fields.extend_from_slice(&body_len.to_le_bytes());
        fields.extend_from_slice(&self.contents_len.unwrap_or(self.contents.len() as u64).to_le_bytes());
        fields.extend_from_slice(&crc32c::crc32c(&pages).to_le_bytes());
        fields.extend_from_slice(&crc32c::crc32c(&self.contents).to_le_bytes());
        fields.extend_from_slice(&self.page_bytes.to_le_bytes());
        out.extend_from_slice(&frame(b"TERCETSE", self.versions.1, &fields));
        out
    }
}

#[test]
fn the_hand_written_file_is_the_written_one() {
    let (parts, good) = small();
    let mut hand = Hostile::new(256, &[(b"one", 64, 100), (b"empty", 192, 0), (b"two", 192, 70)]);
    hand.body = [&parts[0].1[..], &[0; 28], &parts[2].1, &[0; 58]].concat();
    assert_eq!(hand.bytes(), good);
}

#[test]
fn hostile_contents_are_refused() {
    let max = u64::MAX;
    let cases: &[(&str, &[Claim<'_>])] = &[
        ("not aligned", &[(b"a", 65, 1)]),
        ("inside the header", &[(b"a", 0, 64)]),
        ("after the body", &[(b"a", 192, 1)]),
        ("far after the body", &[(b"a", 1 << 40, 1)]),
        ("too long", &[(b"a", 64, 129)]),
        ("wrapping around", &[(b"a", 64, max)]),
        ("wrapping to the start", &[(b"a", max - 63, 64)]),
        ("overlapping", &[(b"a", 64, 65), (b"b", 64, 10)]),
        ("the same place", &[(b"a", 64, 64), (b"b", 64, 64)]),
        ("out of order", &[(b"a", 128, 64), (b"b", 64, 64)]),
        ("a name twice", &[(b"a", 64, 1), (b"b", 128, 1), (b"a", 128, 0)]),
        ("no name", &[(b"", 64, 1)]),
        ("a name that is not UTF-8", &[(b"a\xff", 64, 1)]),
        ("a name that is too long", &[(&[b'x'; 256], 64, 1)]),
    ];
    for (what, sections) in cases {
        assert_corrupt(open(&Hostile::new(128, sections).bytes()), what);
    }
    for count in [2, 1000, u32::MAX] {
        let mut file = Hostile::new(128, &[(b"a", 64, 1)]);
        file.contents[5..9].copy_from_slice(&count.to_le_bytes());
        assert_corrupt(open(&file.bytes()), &format!("{count} sections promised"));
    }
    for contents in
        [&b""[..], b"\x04tes", b"\x00\0\0\0\0", b"\x01\xff\0\0\0\0", b"\x04test\0\0\0", b"\x04test\0\0\0\0x"]
    {
        let mut file = Hostile::new(128, &[]);
        file.contents = contents.to_vec();
        assert_corrupt(open(&file.bytes()), &format!("{contents:?}"));
    }
}

#[test]
fn hostile_lengths_are_refused() {
    let section: &[Claim<'_>] = &[(b"a", 64, 128)];
    for len in [0, 63, 64, 128, 191, 193, 256, 1 << 32, 1 << 62, u64::MAX - 63, u64::MAX] {
        let with = |change: fn(&mut Hostile, u64)| {
            let mut file = Hostile::new(128, section);
            change(&mut file, len);
            open(&file.bytes())
        };
        assert_corrupt(with(|file, len| file.body_len = Some(len)), &format!("body of {len}"));
        assert_corrupt(with(|file, len| file.contents_len = Some(len)), &format!("contents of {len}"));
        assert_corrupt(with(|file, len| file.file_len = Some(len)), &format!("file of {len}"));
    }
    for page_bytes in [0, 1, 4096, u32::MAX] {
        let mut file = Hostile::new(128, section);
        file.page_bytes = page_bytes;
        assert_corrupt(open(&file.bytes()), &format!("pages of {page_bytes}"));
    }
    open(&Hostile::new(128, section).bytes()).unwrap().verify().unwrap();
}

#[test]
fn a_newer_version_is_refused_by_name() {
    let section: &[Claim<'_>] = &[(b"a", 64, 128)];
    for versions in [(2, 1), (1, 2), (7, 7)] {
        let mut file = Hostile::new(128, section);
        file.versions = versions;
        match open(&file.bytes()) {
            Err(error @ StoreError::Version { .. }) => {
                let message = error.to_string();
                assert!(message.contains(&format!("version {}", versions.0.max(versions.1))), "{message}");
            }
            other => panic!("{versions:?}: {other:?}"),
        }
    }
    let mut file = Hostile::new(128, section);
    file.versions = (0, 0);
    assert_corrupt(open(&file.bytes()), "version 0");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn whatever_the_contents_say_sections_stay_inside(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)
    ) {
        let mut file = Hostile::new(256, &[(b"a", 64, 100), (b"b", 192, 0), (b"c", 192, 128)]);
        for (at, byte) in &changes {
            let at = at.index(file.contents.len());
            file.contents[at] = *byte;
        }
        if let Ok(open) = open(&file.bytes()) {
            let names: Vec<String> = open.names().map(str::to_owned).collect();
            for name in names {
                prop_assert!(open.section(&name).unwrap().iter().all(|&byte| byte == 9));
            }
        }
    }

    #[test]
    fn noise_is_never_a_file(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(open(&bytes).is_err());
    }
}

fn manifest_of(payload: &[u8]) -> Bytes {
    let env = MemoryEnv::new();
    write_manifest(&env, "", payload).unwrap();
    env.read("MANIFEST").unwrap()
}

fn read_back(bytes: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
    let file = AlignedBuf::copy_of(bytes, "MANIFEST").unwrap().freeze();
    read_manifest(&MemoryEnv::from_files([("MANIFEST", file)]).unwrap(), "")
}

#[test]
fn a_damaged_manifest_is_corrupt() {
    let good = manifest_of(b"forty-two segments and a log");
    assert!(read_back(&good).unwrap().is_some());
    for len in 0..good.len() {
        assert_corrupt(read_back(&good[..len]), &format!("cut to {len}"));
    }
    for at in 0..good.len() {
        let mut bad = good.to_vec();
        bad[at] ^= 0x10;
        assert_corrupt(read_back(&bad), &format!("byte {at}"));
    }
    assert_corrupt(read_back(&[&good[..], b"x"].concat()), "a byte more");
}

#[test]
fn a_hostile_or_newer_manifest_is_refused() {
    for (version, len) in [(1, 5), (1, 3), (1, u64::MAX), (0, 4)] {
        let payload = b"four";
        let mut head =
            [&b"TERCETMF"[..], &u32::to_le_bytes(version), &crc32c::crc32c(payload).to_le_bytes()].concat();
        head.extend_from_slice(&len.to_le_bytes());
        head.extend_from_slice(&[0; 4]);
        let crc = crc32c::crc32c(&head);
        head.extend_from_slice(&crc.to_le_bytes());
        head.extend_from_slice(payload);
        assert_corrupt(read_back(&head), &format!("version {version}, length {len}"));
    }
    let mut newer = manifest_of(b"x").to_vec();
    newer[8] = 9;
    let crc = crc32c::crc32c(&newer[..28]);
    newer[28..32].copy_from_slice(&crc.to_le_bytes());
    assert!(matches!(read_back(&newer), Err(StoreError::Version { found: 9, supported: 1, .. })));
}

#[test]
fn a_leftover_temporary_manifest_is_ignored_then_removed() {
    on_each_env(|env, dir| {
        let temp = join(dir, MANIFEST_TEMP);
        put(&*env, &temp, b"torn");
        assert_eq!(read_manifest(&*env, dir).unwrap(), None);
        write_manifest(&*env, dir, b"first").unwrap();
        put(&*env, &temp, &manifest_of(b"never renamed"));
        assert_eq!(read_manifest(&*env, dir).unwrap().as_deref(), Some(&b"first"[..]));
        write_manifest(&*env, dir, b"second").unwrap();
        assert_eq!(read_manifest(&*env, dir).unwrap().as_deref(), Some(&b"second"[..]));
        assert_eq!(env.list(dir).unwrap(), ["MANIFEST"]);
    });
}
