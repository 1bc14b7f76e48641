//! The fuzz targets: one function each, from bytes to nothing, which panics on what must not be.
//!
//! | target | bytes | what must hold |
//! | --- | --- | --- |
//! | [`elf`] | an ELF file | sections put into it are there, and once more changes nothing |
//! | [`dwarf`] | debug sections ([`parts`]) | units are walked to an error or to their end; what is encoded is valid |
//! | [`btf`] | a base and a split BTF | what verify accepts can be edited, distilled and written, and is still valid |
//! | [`dedup`] | a graph of types | the result is that of the test oracle, in any division over workers |
//! | [`writer`] | types | what is written is read as the same types |
//! | [`pipeline`] | a base and an ELF file | see `mutate::pipeline` |
//!
//! Nothing is bounded but by the size of the input.
#![forbid(unsafe_code)]

pub mod btf;
pub mod bytes;
pub mod dedup;
pub mod dwarf;
pub mod elf;
pub mod parts;
pub mod pipeline;
pub mod writer;

// The oracle of the deduplication's own tests, which stands in their crate.
#[path = "../../btf/tests/dedup/input.rs"]
#[allow(dead_code)] // for tests that look at more
mod input;
#[path = "../../btf/tests/dedup/oracle.rs"]
mod oracle;
#[path = "../../btf/tests/dedup/run.rs"]
#[allow(dead_code)] // for tests that look at more
mod run;
