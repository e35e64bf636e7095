//! The WebAssembly binding: the same surface over a plain C ABI.
