//! Structured damage to ELF files, their DWARF and BTF: what is changed is chosen by what it means (a reference, a length, a form, a
//! relocation, ...), and the rest stays as it was, so that readers get past their first checks.
//!
//! Everything is a function of the input and a seed, on any machine. [`pipeline`] is what the results are fed to.
#![forbid(unsafe_code)]

pub mod btf;
pub mod dwarf;
pub mod elf;
pub mod file;
pub mod image;
pub mod pipeline;
pub mod rng;
pub mod sites;
pub mod slice;
