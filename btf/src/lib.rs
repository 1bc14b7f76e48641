//! BTF, the BPF Type Format: reading, exact deduplication (also against a base BTF), writing.
#![forbid(unsafe_code)]

pub mod base;
pub mod dedup;
pub mod dialect;
pub mod dump;
pub mod error;
pub mod graph;
pub mod header;
pub mod ids;
pub mod kind;
pub mod map;
mod needed;
pub mod strings;
#[cfg(test)]
mod testing;
pub mod verify;
pub mod view;
pub mod writer;
