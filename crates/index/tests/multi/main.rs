//! The index of several vectors a document: encodings, tokens, searches, merges, hostile bytes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod book;
mod fde;
mod index;
mod kit;
