//! Documents and collections: schema, segments, filters, search, fusion, evaluation, and the wire types.
//!
//! Bindings see [`api`] and [`wire`] and nothing else.

pub mod api;
mod batch;
mod collection;
mod dense;
mod document;
mod effort;
mod error;
pub mod evaluate;
mod evolve;
mod filter;
mod id;
mod level1;
mod multi;
mod offsets;
mod probe;
mod recall;
mod repair;
mod root;
mod schema;
mod search;
mod sections;
mod segment;
mod snapshot;
mod sparse;
mod verb;
pub mod wire;
