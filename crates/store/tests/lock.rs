//! The lock between processes: the test binary starts itself again as the other process.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod common;

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};

use common::TempDir;
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
