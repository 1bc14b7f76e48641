//! BTF, the BPF Type Format: reading, exact deduplication (also against a base BTF), writing.
#![forbid(unsafe_code)]

pub mod base;
mod bits;
pub mod dedup;
pub mod dialect;
pub mod diff;
pub mod distill;
pub mod dump;
pub mod edit;
pub mod error;
pub mod graph;
pub mod header;
pub mod ids;
mod joint;
pub mod kind;
pub mod map;
pub mod merge;
mod name_offsets;
mod needed;
mod spell;
pub mod stats;
pub mod strings;
#[cfg(test)]
mod testing;
pub mod verify;
pub mod view;
pub mod why;
pub mod writer;
