//! Exact deduplication, also against a base.
//!
//! Two types are one if nothing that can be reached from them tells them apart (the coarsest bisimulation of the type
//! graph), after forward declarations were replaced by the definitions that they stand for. What this gives, step by
//! step:
//!
//! 1. [`fold`]: each unit's types become classes, bottom up, with every reference to a named struct, union or enum cut
//!    down to its tag. This is where millions of types become some ten thousand classes. `cycles` does the same for the
//!    cycles that no tag cuts.
//! 2. `versions`: the few tags with more than one definition. Classes that mention one are split by which definition
//!    their unit means, until nothing splits any more (`partition`); `evidence` says what the forward declarations of
//!    such tags mean.
//! 3. [`resolve`]: forward declarations, the types that the base has, and what is left: the types to write.
//! 4. [`tags`]: DECL_TAGs, which follow their targets.
//!
//! `tests/dedup` has the rules as plain refinement over everything, as slow as it is obvious (`oracle.rs`), and compares.

mod cycles;
mod evidence;
pub mod fold;
pub mod lists;
pub(crate) mod partition;
pub mod renumber;
pub mod resolve;
pub mod table;
pub mod tags;
mod versions;
