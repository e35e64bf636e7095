//! The environments behave alike where a caller could tell, and failures of one reach the caller as they are.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::io;

use bytes::Bytes;
use common::{TempDir, on_each_env, put};
use tercet_store::{
    Env, FileEnv, FileWriter, LockGuard, MemoryEnv, SectionFileWriter, StoreError, is_aligned, join,
    write_manifest,
};

#[test]
fn files_and_folders_behave_alike() {
    on_each_env(|env, dir| {
        let (a, b) = (join(dir, "a"), join(dir, "b"));
        assert!(matches!(env.read(&a), Err(StoreError::NotFound { .. })));
        assert!(matches!(env.size(&a), Err(StoreError::NotFound { .. })));
        assert!(matches!(env.remove(&a), Err(StoreError::NotFound { .. })));
        assert!(matches!(env.rename(&a, &b), Err(StoreError::NotFound { .. })));
        assert!(matches!(env.create(&join(dir, "none/a")), Err(StoreError::NotFound { .. })));
        assert!(matches!(env.list(&join(dir, "none")), Err(StoreError::NotFound { .. })));
        assert!(matches!(env.sync_dir(&join(dir, "none")), Err(StoreError::NotFound { .. })));
        assert!(!env.exists(&a).unwrap());

        put(&*env, &a, b"first");
        assert!(env.exists(&a).unwrap());
        assert!(matches!(env.create(&a), Err(StoreError::Exists { .. })));
        put(&*env, &b, b"second");
        env.rename(&a, &b).unwrap();
        assert_eq!(&env.read(&b).unwrap()[..], b"first");
        assert_eq!(env.size(&b).unwrap(), 5);

        let deep = join(dir, "c/d/e");
        env.create_dir_all(&deep).unwrap();
        env.create_dir_all(&deep).unwrap();
        put(&*env, &join(&deep, "f"), b"");
        assert_eq!(env.list(dir).unwrap(), ["b", "c"]);
        assert_eq!(env.list(&deep).unwrap(), ["f"]);
        assert!(env.read(&deep).is_err());
        assert!(env.create(&deep).is_err());
        assert!(env.create_dir_all(&b).is_err());
        env.sync_dir(&deep).unwrap();
        assert!(env.exists(&deep).unwrap());
        env.remove(&b).unwrap();
        assert!(!env.exists(&b).unwrap());
    });
}

#[test]
fn reads_are_aligned_and_outlive_the_file() {
    on_each_env(|env, dir| {
        let path = join(dir, "file");
        let mut file = env.create(&path).unwrap();
        assert!(is_aligned(&env.read(&path).unwrap()));
        file.write_all(b"some").unwrap();
        let half = env.read(&path).unwrap();
        file.write_all(b" more").unwrap();
        let whole = env.read(&path).unwrap();
        env.rename(&path, &join(dir, "other")).unwrap();
        file.write_all(b" still").unwrap();
        assert_eq!(&env.read(&join(dir, "other")).unwrap()[..], b"some more still");
        env.remove(&join(dir, "other")).unwrap();
        file.write_all(b" unseen").unwrap();
        assert_eq!((&half[..], &whole[..]), (&b"some"[..], &b"some more"[..]));
        assert!(is_aligned(&half) && is_aligned(&whole));
    });
}

#[test]
fn a_lock_is_exclusive_and_free_once_it_is_dropped() {
    on_each_env(|env, dir| {
        let path = join(dir, "LOCK");
        let guard = env.lock(&path).unwrap();
        for _ in 0..2 {
            match env.lock(&path) {
                Err(StoreError::Locked { holder, .. }) => assert_eq!(holder, Some(std::process::id())),
                other => panic!("{other:?}"),
            }
        }
        let other = env.lock(&join(dir, "OTHER")).unwrap();
        drop(guard);
        env.lock(&path).unwrap();
        env.lock(&path).unwrap();
        drop(other);
    });
}

#[test]
fn threads_contend_for_one_lock() {
    on_each_env(|env, dir| {
        let path = join(dir, "LOCK");
        let winners: usize = std::thread::scope(|scope| {
            let tries: Vec<_> = (0..8).map(|_| scope.spawn(|| env.lock(&path))).collect();
            // The guards are kept until every thread has tried.
            let results: Vec<_> = tries.into_iter().map(|thread| thread.join().unwrap()).collect();
            results.iter().filter(|result| result.is_ok()).count()
        });
        assert_eq!(winners, 1);
    });
}

#[test]
fn a_snapshot_of_memory_is_the_same_files_again() {
    let env = MemoryEnv::new();
    env.create_dir_all("x/y").unwrap();
    put(&env, "x/y/one", b"1");
    put(&env, "./x//two", b"22");
    write_manifest(&env, "/x", b"three").unwrap();
    let files = env.snapshot();
    let paths: Vec<&str> = files.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(paths, ["x/MANIFEST", "x/two", "x/y/one"]);
    let again = MemoryEnv::from_files(files.clone()).unwrap();
    assert_eq!(again.snapshot(), files);
    assert_eq!(again.list("x").unwrap(), ["MANIFEST", "two", "y"]);
    put(&again, "x/y/more", b"own");
    assert!(!env.exists("x/y/more").unwrap());
    // Bytes from outside are aligned on the way in.
    let odd = Bytes::from(vec![1u8; 99]).slice(1..);
    let moved = MemoryEnv::from_files([("odd", odd.clone())]).unwrap().read("odd").unwrap();
    assert!(is_aligned(&moved));
    assert_eq!(moved, odd);
    for paths in [&[""][..], &["a", "a/b"], &["a/b", "a"]] {
        assert!(MemoryEnv::from_files(paths.iter().map(|path| (*path, Bytes::new()))).is_err());
    }
}

#[test]
fn memory_repeats_itself_and_takes_a_host() {
    let (a, b) = (MemoryEnv::new(), MemoryEnv::new());
    let first: Vec<u64> = (0..4).map(|_| a.random_u64()).collect();
    assert_eq!(first, (0..4).map(|_| b.random_u64()).collect::<Vec<_>>());
    assert_eq!(a.now_ms(), 0);
    let host = MemoryEnv::with_host(7, || 1234);
    assert_eq!(host.now_ms(), 1234);
    assert_ne!(host.random_u64(), first[0]);
}

#[test]
fn the_real_clock_and_chance_move() {
    let env = FileEnv::new();
    assert!(env.now_ms() > 1_700_000_000_000);
    let mut numbers: Vec<u64> = (0..1000).map(|_| env.random_u64()).collect();
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), 1000);
}

#[test]
fn errors_carry_operation_and_path() {
    let temp = TempDir::new();
    let env = FileEnv::new();
    match env.read(&temp.0) {
        Err(error @ StoreError::Io { .. }) => {
            let message = error.to_string();
            assert!(message.contains("read") && message.contains(&temp.0), "{message}");
        }
        other => panic!("{other:?}"),
    }
    let full = StoreError::from_io("p", "write", io::ErrorKind::StorageFull.into());
    assert!(matches!(full, StoreError::NoSpace { op: "write", .. }));
}

/// Fails one call by its number, and passes the others on: an implementation from outside the crate.
#[derive(Debug)]
struct Failing {
    inner: MemoryEnv,
    left: std::sync::Arc<std::sync::atomic::AtomicI64>,
}

fn count(left: &std::sync::atomic::AtomicI64, path: &str, op: &'static str) -> Result<(), StoreError> {
    match left.fetch_sub(1, std::sync::atomic::Ordering::Relaxed) {
        0 => Err(StoreError::from_io(path, op, io::ErrorKind::StorageFull.into())),
        _ => Ok(()),
    }
}

#[derive(Debug)]
struct FailingWriter(Box<dyn FileWriter>, std::sync::Arc<std::sync::atomic::AtomicI64>);

impl FileWriter for FailingWriter {
    fn write_all(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        count(&self.1, "", "write").and_then(|()| self.0.write_all(bytes))
    }
    fn sync(&mut self) -> Result<(), StoreError> {
        count(&self.1, "", "sync").and_then(|()| self.0.sync())
    }
}

impl Env for Failing {
    fn read(&self, path: &str) -> Result<Bytes, StoreError> {
        self.inner.read(path)
    }
    fn create(&self, path: &str) -> Result<Box<dyn FileWriter>, StoreError> {
        count(&self.left, path, "create")?;
        Ok(Box::new(FailingWriter(self.inner.create(path)?, self.left.clone())))
    }
    fn rename(&self, from: &str, to: &str) -> Result<(), StoreError> {
        count(&self.left, from, "rename").and_then(|()| self.inner.rename(from, to))
    }
    fn remove(&self, path: &str) -> Result<(), StoreError> {
        self.inner.remove(path)
    }
    fn exists(&self, path: &str) -> Result<bool, StoreError> {
        self.inner.exists(path)
    }
    fn list(&self, dir: &str) -> Result<Vec<String>, StoreError> {
        self.inner.list(dir)
    }
    fn create_dir_all(&self, dir: &str) -> Result<(), StoreError> {
        self.inner.create_dir_all(dir)
    }
    fn sync_dir(&self, dir: &str) -> Result<(), StoreError> {
        count(&self.left, dir, "sync folder").and_then(|()| self.inner.sync_dir(dir))
    }
    fn lock(&self, path: &str) -> Result<Box<dyn LockGuard>, StoreError> {
        self.inner.lock(path)
    }
    fn now_ms(&self) -> u64 {
        self.inner.now_ms()
    }
    fn random_u64(&self) -> u64 {
        self.inner.random_u64()
    }
}

#[test]
fn a_full_disk_at_any_call_leaves_the_old_state_and_no_half_file() {
    let mut succeeded = false;
    for nth in 0..64 {
        let env = Failing { inner: MemoryEnv::new(), left: std::sync::Arc::new((-1).into()) };
        write_manifest(&env, "", b"old").unwrap();
        env.left.store(nth, std::sync::atomic::Ordering::Relaxed);
        let mut writer = SectionFileWriter::new("test");
        writer.add("a", vec![1u8; 100]).add("b", vec![2u8; 10]);
        let file = writer.finish(&env, "segment");
        assert_eq!(env.exists("segment").unwrap(), file.is_ok(), "call {nth}");
        let manifest = file.and_then(|_| write_manifest(&env, "", b"new"));
        let read = tercet_store::read_manifest(&env, "").unwrap().unwrap();
        match manifest {
            Ok(()) => assert_eq!(read, b"new"),
            Err(error) => {
                assert!(matches!(error, StoreError::NoSpace { .. }), "call {nth}: {error:?}");
                assert!(read == b"old" || read == b"new");
                // The next attempt is not in the way of the last one's leavings.
                write_manifest(&env, "", b"again").unwrap();
            }
        }
        succeeded |= env.left.load(std::sync::atomic::Ordering::Relaxed) >= 0;
    }
    assert!(succeeded, "the workload has fewer calls than were tried");
}
