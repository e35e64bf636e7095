//! What is written comes back, aligned, on every environment.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::on_each_env;
use proptest::prelude::*;
use tercet_store::{
    Env, MemoryEnv, PAGE_BYTES, SectionFile, SectionFileWriter, SectionStream, StoreError, is_aligned, join,
    read_manifest, write_manifest,
};

type Parts = Vec<(String, Vec<u8>)>;

fn parts() -> impl Strategy<Value = Parts> {
    let small = prop::collection::vec(any::<u8>(), 0..300);
    // Around a page boundary, where the checksums change over.
    let large = (PAGE_BYTES - 200..PAGE_BYTES + 200, any::<u8>()).prop_map(|(len, byte)| vec![byte; len]);
    let bytes = prop_oneof![4 => small, 1 => large];
    prop::collection::btree_map("[a-zé/]{1,12}", bytes, 0..8).prop_map(|map| map.into_iter().collect())
}

fn write(parts: &Parts) -> SectionFileWriter<'_> {
    let mut writer = SectionFileWriter::new("test");
    for (name, bytes) in parts {
        writer.add(name, bytes);
    }
    writer
}

fn assert_holds(file: &SectionFile, parts: &Parts) {
    assert_eq!(file.kind(), "test");
    file.verify().unwrap();
    assert_eq!(
        file.names().collect::<Vec<_>>(),
        parts.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>()
    );
    for (name, bytes) in parts {
        let section = file.section(name).unwrap();
        assert_eq!(&section[..], &bytes[..]);
        assert!(is_aligned(&section), "section {name:?}");
        assert_eq!(file.section_len(name).unwrap(), bytes.len() as u64);
        assert_eq!(file.section_unchecked(name).unwrap(), section);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn sections_come_back(parts in parts()) {
        on_each_env(|env, dir| {
            let path = join(dir, "file");
            let len = write(&parts).finish(&*env, &path).unwrap();
            assert_eq!(env.size(&path).unwrap(), len);
            assert_holds(&SectionFile::open(&*env, &path).unwrap(), &parts);
            // Written once more, by other means: the same bytes.
            assert_eq!(env.read(&path).unwrap(), write(&parts).to_bytes().unwrap());
        });
    }

    #[test]
    fn a_stream_in_pieces_writes_the_same_file(parts in parts(), piece in 1usize..5000) {
        let env = MemoryEnv::new();
        let mut stream = SectionStream::create(&env, "file", "test").unwrap();
        for (name, bytes) in &parts {
            stream.begin(name).unwrap();
            bytes.chunks(piece).for_each(|piece| stream.write(piece).unwrap());
        }
        stream.finish().unwrap();
        prop_assert_eq!(env.read("file").unwrap(), write(&parts).to_bytes().unwrap());
    }

    #[test]
    fn ranges_are_slices(bytes in prop::collection::vec(any::<u8>(), 0..200_000), a in any::<u32>(), b in any::<u32>()) {
        let mut writer = SectionFileWriter::new("test");
        let bytes_file = writer.add("head", vec![7u8; 100]).add("x", &bytes).to_bytes().unwrap();
        let file = SectionFile::from_bytes(bytes_file, "file").unwrap();
        let (a, b) = (a as usize % (bytes.len() + 1), b as usize % (bytes.len() + 1));
        let (start, end) = (a.min(b), a.max(b));
        prop_assert_eq!(&file.range("x", start as u64, (end - start) as u64).unwrap()[..], &bytes[start..end]);
        let beyond = file.range("x", start as u64, (bytes.len() - start + 1) as u64);
        let refused = matches!(beyond, Err(StoreError::Corrupt { section: Some(_), .. }));
        prop_assert!(refused);
        prop_assert!(file.range("x", u64::MAX, 2).is_err());
    }

    #[test]
    fn manifests_come_back(payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 1..4)) {
        on_each_env(|env, dir| {
            assert_eq!(read_manifest(&*env, dir).unwrap(), None);
            for payload in &payloads {
                write_manifest(&*env, dir, payload).unwrap();
                assert_eq!(read_manifest(&*env, dir).unwrap().as_deref(), Some(&payload[..]));
                assert_eq!(env.list(dir).unwrap(), ["MANIFEST"]);
            }
        });
    }
}

#[test]
fn unaligned_bytes_are_moved_once() {
    let mut writer = SectionFileWriter::new("test");
    let bytes = writer.add("x", vec![1u8; 100]).to_bytes().unwrap();
    let mut shifted = vec![0u8; 1];
    shifted.extend_from_slice(&bytes);
    let file = SectionFile::from_bytes(bytes::Bytes::from(shifted).slice(1..), "shifted").unwrap();
    let (first, again) = (file.section("x").unwrap(), file.section("x").unwrap());
    assert!(is_aligned(&first));
    assert_eq!(first.as_ptr(), again.as_ptr());
    // Bytes that are aligned already are used where they are.
    let file = SectionFile::from_bytes(bytes.clone(), "in place").unwrap();
    assert_eq!(file.section("x").unwrap().as_ptr(), bytes[64..].as_ptr());
}

#[test]
fn bad_names_are_refused_before_anything_is_written() {
    on_each_env(|env, dir| {
        let path = join(dir, "file");
        let long = "x".repeat(256);
        for names in [&["a", "a"][..], &[""], &[&long]] {
            let mut writer = SectionFileWriter::new("test");
            for name in names {
                writer.add(name, &[][..]);
            }
            assert!(matches!(writer.finish(&*env, &path), Err(StoreError::Invalid { .. })), "{names:?}");
            assert!(matches!(writer.to_bytes(), Err(StoreError::Invalid { .. })));
        }
        assert!(matches!(SectionFileWriter::new("").finish(&*env, &path), Err(StoreError::Invalid { .. })));
        assert!(!env.exists(&path).unwrap());
        let mut stream = SectionStream::create(&*env, &path, "test").unwrap();
        assert!(matches!(stream.write(&[1]), Err(StoreError::Invalid { .. })));
        stream.begin("a").unwrap();
        assert!(matches!(stream.begin("a"), Err(StoreError::Invalid { .. })));
    });
}

#[test]
fn a_missing_section_and_another_kind_are_told_apart() {
    let file = SectionFile::from_bytes(SectionFileWriter::new("test").to_bytes().unwrap(), "file").unwrap();
    assert!(matches!(file.section("x"), Err(StoreError::NoSection { .. })));
    assert!(!file.has("x"));
    file.expect_kind("test").unwrap();
    assert!(matches!(file.expect_kind("segment"), Err(StoreError::Corrupt { .. })));
}

#[test]
fn a_name_that_is_taken_is_left_alone() {
    on_each_env(|env, dir| {
        let path = join(dir, "file");
        common::put(&*env, &path, b"mine");
        let finished = SectionFileWriter::new("test").finish(&*env, &path);
        assert!(matches!(finished, Err(StoreError::Exists { .. })));
        assert_eq!(&env.read(&path).unwrap()[..], b"mine");
    });
}

#[test]
fn threads_share_one_open_file() {
    let mut writer = SectionFileWriter::new("test");
    let bytes: Vec<u8> = (0..10 * PAGE_BYTES).map(|i| (i / 7) as u8).collect();
    let file = SectionFile::from_bytes(writer.add("x", &bytes).to_bytes().unwrap(), "file").unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| assert_eq!(&file.section("x").unwrap()[..], &bytes[..]));
        }
    });
}
