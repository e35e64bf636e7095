//! The lock between processes: the test binary starts itself again as the other process.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod common;

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use common::{TempDir, on_each_env};
use tercet_store::{Env, FileEnv, StoreError, join};

const CHILD: &str = "TERCET_TEST_LOCK";

/// Does nothing in a normal run; in the child it takes the lock and holds it until its input ends.
#[test]
fn child_holds_the_lock() {
    let Ok(path) = std::env::var(CHILD) else { return };
    let _guard = FileEnv::new().lock(&path).unwrap();
    println!("\nlocked");
    let _ = std::io::stdin().read(&mut [0]);
}

/// A child that has the lock; killed when dropped.
struct Holder(Child);

impl Holder {
    fn start(path: &str) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child_holds_the_lock", "--nocapture"])
            .env(CHILD, path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap() == "locked"), "the child ended without the lock");
        Holder(child)
    }

    fn kill(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn another_process_keeps_us_out_until_it_dies() {
    let temp = TempDir::new();
    let path = join(&temp.0, "LOCK");
    let env = FileEnv::new();
    let mut holder = Holder::start(&path);
    match env.lock(&path) {
        Err(StoreError::Locked { holder: pid, path: named }) => {
            assert_eq!(pid, if cfg!(windows) { None } else { Some(holder.0.id()) });
            assert_eq!(named, path);
        }
        other => panic!("{other:?}"),
    }
    holder.kill();
    // It had no time to clean up: its pid still stands in the file, and is in nobody's way.
    assert_eq!(std::fs::read_to_string(&path).unwrap(), format!("{}\n", holder.0.id()));
    let guard = env.lock(&path).unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), format!("{}\n", std::process::id()));
    drop(guard);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "");
}

#[test]
fn whatever_stands_in_a_stale_lock_file_is_replaced() {
    let temp = TempDir::new();
    let env = FileEnv::new();
    for stale in ["", "4294967294\n", "999999999999999999999\n", "no number", "\u{0}\u{0}", &"x".repeat(5000)]
    {
        let path = join(&temp.0, "LOCK");
        std::fs::write(&path, stale).unwrap();
        let guard = env.lock(&path).unwrap();
        match env.lock(&path) {
            Err(StoreError::Locked { holder, .. }) => assert_eq!(holder, Some(std::process::id())),
            other => panic!("{other:?}"),
        }
        drop(guard);
    }
}

#[test]
fn a_lock_shows_as_a_file_that_its_holder_may_remove() {
    on_each_env(|env, dir| {
        let path = join(dir, "LEASE.7.0123abcd");
        let lease = env.lock(&path).unwrap();
        assert_eq!(env.list(dir).unwrap(), ["LEASE.7.0123abcd"]);
        assert!(env.exists(&path).unwrap());
        drop(lease);
        assert_eq!(env.list(dir).unwrap(), ["LEASE.7.0123abcd"], "it stays, as it would after a crash");
        // Somebody else finds it free and sweeps it away.
        let stale = env.lock(&path).unwrap();
        env.remove(&path).unwrap();
        assert!(env.list(dir).unwrap().is_empty());
        // The name is free at once, for another lock, which the older one's end does not touch.
        let fresh = env.lock(&path).unwrap();
        drop(stale);
        assert!(matches!(env.lock(&path), Err(StoreError::Locked { .. })));
        assert!(matches!(env.create(&path), Err(StoreError::Exists { .. })));
        drop(fresh);
        env.remove(&path).unwrap();
        assert!(matches!(env.lock(&join(dir, "none/LOCK")), Err(StoreError::NotFound { .. })));
        env.create_dir_all(&path).unwrap();
        assert!(env.lock(&path).is_err(), "a folder is no lock");
    });
}

/// Threads that lock, remove and let go: never two at once, and each error names this process.
#[test]
fn a_lock_whose_file_comes_and_goes_is_exclusive() {
    on_each_env(|env, dir| {
        let path = join(dir, "LEASE");
        let (inside, won) = (AtomicU32::new(0), AtomicU32::new(0));
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let (env, path, inside, won) = (&env, &path, &inside, &won);
                scope.spawn(move || {
                    for round in 0..300 {
                        let guard = match env.lock(path) {
                            Ok(guard) => guard,
                            Err(StoreError::Locked { .. }) => continue,
                            Err(other) => panic!("{other:?}"),
                        };
                        assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                        won.fetch_add(1, Ordering::Relaxed);
                        std::thread::yield_now();
                        inside.fetch_sub(1, Ordering::SeqCst);
                        if (round + thread) % 3 > 0 {
                            env.remove(path).unwrap();
                        }
                        drop(guard);
                    }
                });
            }
        });
        assert!(won.load(Ordering::Relaxed) > 0);
    });
}

#[test]
fn another_thread_is_kept_out_and_told_the_process() {
    on_each_env(|env, dir| {
        let path = join(dir, "LOCK");
        let _guard = env.lock(&path).unwrap();
        let refused = std::thread::scope(|scope| scope.spawn(|| env.lock(&path)).join().unwrap());
        match refused {
            Err(error @ StoreError::Locked { .. }) => {
                let message = error.to_string();
                assert!(message.ends_with(&format!("locked by process {}", std::process::id())), "{message}");
            }
            other => panic!("{other:?}"),
        }
    });
}

/// The lock of the WebAssembly core is a file that names its process.
#[cfg(unix)]
#[test]
fn the_lock_of_the_other_core_keeps_us_out_as_long_as_its_process_lives() {
    let temp = TempDir::new();
    let path = join(&temp.0, "LOCK");
    let held = format!("{path}.js");
    let env = FileEnv::new();
    let mut holder = Holder::start(&join(&temp.0, "OTHER"));
    let living = identity(holder.0.id());
    std::fs::write(&held, &living).unwrap();
    for _ in 0..2 {
        match env.lock(&path) {
            Err(StoreError::Locked { holder: pid, .. }) => assert_eq!(pid, Some(holder.0.id())),
            other => panic!("{other:?}"),
        }
    }
    holder.kill();
    drop(env.lock(&path).unwrap());
    assert_eq!(std::fs::exists(&held).unwrap(), !cfg!(target_os = "linux"));
    for stale in ["", "0", "-1", "1234567890123", "2147483646 1 boot", "no number", "\u{0}"] {
        std::fs::write(&held, stale).unwrap();
        drop(env.lock(&path).unwrap());
    }
    if cfg!(target_os = "linux") {
        // This process's number, but of another start: an older process.
        std::fs::write(&held, format!("{} 1 boot", std::process::id())).unwrap();
        drop(env.lock(&path).unwrap());
        std::fs::write(&held, identity(std::process::id())).unwrap();
        assert!(env.lock(&path).is_err());
    }
}

/// As packages/wasm/src/node-storage.ts writes it.
#[cfg(unix)]
fn identity(pid: u32) -> String {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let started = stat.rsplit(')').next().unwrap().split_whitespace().nth(19).unwrap_or("").to_owned();
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    format!("{pid} {started} {}", boot.trim()).trim().to_owned()
}

#[test]
fn a_holder_that_cannot_be_read_is_left_out() {
    let temp = TempDir::new();
    let path = join(&temp.0, "LOCK");
    let env = FileEnv::new();
    let _guard = env.lock(&path).unwrap();
    std::fs::write(&path, "not a pid\n").unwrap();
    match env.lock(&path) {
        Err(error @ StoreError::Locked { holder: None, .. }) => {
            assert!(error.to_string().ends_with(": locked"))
        }
        other => panic!("{other:?}"),
    }
}
