//! `.BTF_ids`: the words of a kernel or module that are to hold BTF ids (btf.rst 4.2), as `resolve_btfids` of Linux 6.1 to 7.3
//! fills them in.
//!
//! The section is made of 32-bit words in the byte order of the file; symbols say what belongs where:
//!
//! | symbol | words at it |
//! |---|---|
//! | `__BTF_ID__<kind>__<name>__<number>` | an id; in a set of pairs, flags follow it |
//! | `__BTF_ID__set__<set>` | a count, then ids; the symbol's size spans all of it |
//! | `__BTF_ID__set8__<set>` | a count, the set's flags, then pairs of id and flags |
//!
//! [`section`] reads this, [`names`] finds the ids, [`patch`] writes them and sorts the sets (kernels search them), [`order`]
//! undoes the sorting of an earlier run, [`kfuncs`] says which functions a kernel offers to BPF programs. All are pure functions from
//! bytes to bytes; what there is to say comes back as [`Finding`]s.

pub mod finding;
pub mod finish;
pub mod kfuncs;
pub mod names;
pub mod order;
pub mod patch;
pub mod section;

pub use finding::Finding;
pub use section::IdSection;
