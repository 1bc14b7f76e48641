//! What there is to say about a resolution that went through. The texts are those that Kbuild's logs have had since 6.1, since
//! robots read them.

use std::fmt;

use btf::ids::TypeId;

/// A warning.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Finding {
    /// A place in a set of kfuncs has no symbol.
    NoSymbol {
        /// The set.
        set: String,
        /// Number of the entry, from 0.
        entry: usize,
    },
    /// A kfunc is not described among the file's own types.
    NoFunction {
        /// The kfunc.
        name: String,
        /// The set.
        set: String,
    },
    /// More than one type has the kind and the name.
    Ambiguous {
        /// The name.
        name: String,
        /// The first id, which is used.
        first: TypeId,
        /// Another one.
        other: TypeId,
    },
    /// No type has the kind and the name; the word stays 0.
    Unresolved {
        /// The name.
        name: String,
    },
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Finding::NoSymbol { set, entry } => {
                write!(f, "WARN: resolve_btfids: no BTF ID symbol for {set} entry {entry}")
            }
            Finding::NoFunction { name, set } => {
                write!(f, "WARN: resolve_btfids: no BTF func for kfunc {name} in {set}")
            }
            Finding::Ambiguous { name, first, other } => {
                write!(f, "WARN: multiple IDs found for '{name}': {first}, {other} - using {first}")
            }
            Finding::Unresolved { name } => write!(f, "WARN: resolve_btfids: unresolved symbol {name}"),
        }
    }
}
