//! The DWARF of kernels and modules as a fast stream of debugging information entries (DIEs).
//!
//! [`elf`] finds the debug sections of an ELF file, decompresses and relocates them; [`mod@unit`] reads unit headers;
//! [`walk`] passes once over the DIEs of a unit and decodes those that a visitor asks for, by a reading plan
//! made per abbreviation. gimli reads what is not in the hot path: location and range lists, expressions.
//!
//! Nothing here knows BTF.
#![forbid(unsafe_code)]

mod compressed;
pub mod cursor;
pub mod die;
pub mod elf;
pub mod error;
mod form;
pub mod plan;
mod relocate;
pub mod sections;
pub mod unit;
pub mod walk;
