//! One writer a folder: who comes second is told who was first, wherever that one lives, and nothing is disturbed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod common;

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use common::{Client, Folder};
use serde_json::{Value, json};
use tercet_engine::wire::{Code, TercetError};
use tercet_store::{Env, FileEnv};

const CHILD: &str = "TERCET_TEST_LOCKED";

fn open(path: &str) -> Result<Client, TercetError> {
    let env: Arc<dyn Env> = Arc::new(FileEnv::new());
    Client::try_open(&env, json!({ "path": path, "schema": { "fields": { "n": { "type": "integer" } } } }))
}

fn refused(path: &str, holder: u32) {
    let Err(error) = open(path) else { panic!("there is a writer already") };
    assert_eq!(error.code(), Code::Locked);
    assert!(error.to_string().contains(&format!("process {holder}")), "{error}");
}

fn count(client: &Client) -> Value {
    client.call("stats", json!({})).unwrap()["documents"].clone()
}

/// Does nothing in a normal run; in the child it commits a document and keeps the collection until its input ends.
#[test]
fn child_holds_the_collection() {
    let Ok(path) = std::env::var(CHILD) else { return };
    let client = open(&path).unwrap();
    client.upsert(&[json!({ "id": "of the child", "n": 1 })]).unwrap();
    client.call("flush", json!({})).unwrap();
    println!("\nopen");
    let _ = std::io::stdin().read(&mut [0]);
}

/// The child, and its output, which has to stay open as long as it lives.
fn child(path: &str) -> (Child, impl Sized) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child_holds_the_collection", "--nocapture"])
        .env(CHILD, path)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.by_ref().any(|line| line.unwrap() == "open"), "the child could not open");
    (child, lines)
}

#[test]
fn a_second_handle_and_other_threads_of_this_process_are_refused() {
    let folder = Folder::new("locked-handles");
    let first = open(folder.path()).unwrap();
    first.upsert(&[json!({ "id": 1, "n": 1 })]).unwrap();
    let before = FileEnv::new().list(folder.path()).unwrap();
    refused(folder.path(), std::process::id());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| refused(folder.path(), std::process::id()));
        }
    });
    assert_eq!(FileEnv::new().list(folder.path()).unwrap(), before, "a refusal leaves no trace");
    first.upsert(&[json!({ "id": 2, "n": 2 })]).unwrap();
    first.call("flush", json!({})).unwrap();
    first.0.close();
    let second = open(folder.path()).unwrap();
    assert_eq!(count(&second), 2);
    // A handle that was closed holds nothing, also while it is still referred to.
    refused(folder.path(), std::process::id());
    drop(first);
    refused(folder.path(), std::process::id());
}

#[test]
fn of_many_threads_that_open_at_once_one_gets_in() {
    let folder = Folder::new("locked-race");
    let opened: Vec<_> = std::thread::scope(|scope| {
        let tries: Vec<_> = (0..8).map(|_| scope.spawn(|| open(folder.path()))).collect();
        tries.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    for result in &opened {
        match result {
            Ok(client) => assert_eq!(count(client), 0),
            Err(error) => assert_eq!(error.code(), Code::Locked, "{error}"),
        }
    }
    assert_eq!(opened.iter().filter(|result| result.is_ok()).count(), 1);
}

#[test]
fn another_process_keeps_us_out_until_it_is_gone_and_what_it_committed_is_there() {
    let folder = Folder::new("locked-process");
    let (mut holder, _output) = child(folder.path());
    refused(folder.path(), holder.id());
    // Killed: it cannot clean up, and its lock file stays with its number in it.
    holder.kill().unwrap();
    holder.wait().unwrap();
    if cfg!(unix) {
        let left = std::fs::read_to_string(std::path::Path::new(folder.path()).join("LOCK")).unwrap();
        assert_eq!(left.trim(), holder.id().to_string());
    }
    let client = open(folder.path()).unwrap();
    assert_eq!(count(&client), 1);
    refused(folder.path(), std::process::id());
    client.0.close();
    // Ended in good order.
    let (mut holder, _output) = child(folder.path());
    refused(folder.path(), holder.id());
    drop(holder.stdin.take());
    assert!(holder.wait().unwrap().success());
    open(folder.path()).unwrap();
}
