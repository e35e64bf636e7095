//! What the test files share: a folder that cleans up after itself, and all environments to run a test on.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use tercet_store::{Env, FileEnv, MemoryEnv, SimulatedEnv};

/// A fresh folder under the system's temporary one, removed on drop.
pub struct TempDir(pub String);

impl TempDir {
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("tercet-store-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        TempDir(path.to_str().unwrap().replace('\\', "/"))
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Runs a test on a fresh folder of each environment.
pub fn on_each_env(test: impl Fn(Arc<dyn Env>, &str)) {
    let temp = TempDir::new();
    test(Arc::new(FileEnv::new()), &temp.0);
    let memory = MemoryEnv::new();
    memory.create_dir_all("a/folder").unwrap();
    test(Arc::new(memory), "a/folder");
    let simulated = SimulatedEnv::new(1);
    simulated.create_dir_all("a/folder").unwrap();
    test(Arc::new(simulated), "a/folder");
}

/// Writes a plain file.
pub fn put(env: &dyn Env, path: &str, bytes: &[u8]) {
    let mut file = env.create(path).unwrap();
    file.write_all(bytes).unwrap();
    file.sync().unwrap();
}
