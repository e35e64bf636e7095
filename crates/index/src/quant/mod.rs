//! Codes: vectors as bytes, and the distance of a query to many of them.
//!
//! [`Space`] turns the vectors of any metric into points whose squared Euclidean distance orders them; [`Coder`] turns
//! points into bytes. Everything that decides a stored bit (means, scales, roundings) is computed in one fixed order
//! without fused multiply-add, and the sums over codes are integers: codes, and the distances between codes, are the
//! same bits on every machine.

mod coder;
mod nearest;
mod planes;
mod pq;
mod space;
#[cfg(test)]
mod tests;

pub use coder::{CodeQuery, Coder};
pub(crate) use nearest::{CodeQueries, CodeRows, least};
pub(crate) use planes::Planes;
pub(crate) use pq::{Codebook, range as part_range};
pub(crate) use space::FEW;
pub use space::{Asked, Space, Visit};
