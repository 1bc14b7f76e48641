//! What there is to say about an encoding: values, in a fixed order, printed by the caller.

use std::fmt;
use std::ops::AddAssign;
use std::time::Duration;

use btf::dialect::Dialect;

use crate::btf_ids::Finding;
use crate::selection::{Note, Reason};
use crate::target::LeftOut;

/// Things that BTF cannot say as they are, counted. Each was replaced by something of the same size, or left out.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Degraded {
    /// Base types without a counterpart: decimal ones are integers now, complex ones and those of odd sizes arrays of bytes.
    pub base_types: u64,
    /// Qualifiers without a counterpart (`_Atomic`), passed over.
    pub qualifiers: u64,
    /// Types of other languages: references are pointers now, variants unions, all else arrays of bytes.
    pub foreign_types: u64,
    /// Enums of odd sizes, now arrays of bytes.
    pub enums: u64,
    /// Typedefs without a name, passed over.
    pub nameless: u64,
    /// Members left out: without a type, at computed or unrepresentable offsets.
    pub members: u64,
    /// Enumerators left out or cut to 32 bits.
    pub enumerators: u64,
    /// Sizes and counts of 4 GiB and more.
    pub sizes: u64,
    /// Variables at the place of another, outside of the per-CPU section.
    pub variables: u64,
}

impl AddAssign for Degraded {
    fn add_assign(&mut self, o: Degraded) {
        self.base_types += o.base_types;
        self.qualifiers += o.qualifiers;
        self.foreign_types += o.foreign_types;
        self.enums += o.enums;
        self.nameless += o.nameless;
        self.members += o.members;
        self.enumerators += o.enumerators;
        self.sizes += o.sizes;
        self.variables += o.variables;
    }
}

impl Degraded {
    /// The counts that are not zero, with what they count.
    pub fn list(&self) -> Vec<(u64, &'static str)> {
        [
            (self.base_types, "base types that BTF does not know, written as integers or bytes"),
            (self.qualifiers, "qualifiers that BTF does not know (_Atomic), left out"),
            (self.foreign_types, "types that only other languages have, written as pointers, unions or bytes"),
            (self.enums, "enums of an odd size, written as bytes"),
            (self.nameless, "typedefs without a name, left out"),
            (self.members, "members that BTF cannot place, left out"),
            (self.enumerators, "enumerators that BTF cannot hold, left out or cut"),
            (self.sizes, "sizes beyond 32 bits"),
            (self.variables, "variables at the place of another one, left out"),
        ]
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .collect()
    }
}

/// What became of the functions of one name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FunctionReport {
    /// The name, without what the compiler appended.
    pub name: String,
    /// `None` if it is described, or why not.
    pub dropped: Option<Reason>,
    /// What is special about the description.
    pub note: Option<Note>,
}

/// What was encoded.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// Units read and left out.
    pub units: usize,
    /// Units left out because of their language.
    pub units_excluded: usize,
    /// Type DIEs read.
    pub types_read: u64,
    /// Own types written, of all kinds.
    pub types: usize,
    /// Functions described.
    pub functions: usize,
    /// Variables described.
    pub variables: usize,
    /// Bytes of the BTF.
    pub bytes: usize,
    /// Bytes of its strings.
    pub string_bytes: usize,
    /// Whether there is a base.
    pub has_base: bool,
    /// If the base was distilled: bytes of what is left of it, its types, and the types that moved into the file's own BTF.
    pub distilled: Option<(usize, usize, usize)>,
    /// Distinct types of the base that the file uses instead of its own.
    pub base_types_used: usize,
    /// Named types of the file that the base has under the same kind and name, but different.
    pub redefined: usize,
    /// Tags with more than one definition.
    pub ambiguous_tags: usize,
    /// The dialect that was spoken.
    pub dialect: Option<Dialect>,
    /// Whether the base decided it.
    pub dialect_of_base: bool,
    /// What a kernel that was named does not accept.
    pub left_out: Option<LeftOut>,
    /// Data sections left out, whose names that kernel does not accept.
    pub sections_refused: usize,
    /// What BTF could not say.
    pub degraded: Degraded,
    /// Names with characters that kernels do not accept, changed.
    pub names_changed: u64,
    /// Warnings, one line each.
    pub warnings: Vec<String>,
    /// What was decided without being asked for, one line each.
    pub remarks: Vec<String>,
    /// What there is to say about `.BTF_ids`, in the order of a kernel build's log.
    pub findings: Vec<Finding>,
    /// Every function with a symbol, by name; if [`crate::options::Options::report_functions`] asks for it.
    pub function_reports: Vec<FunctionReport>,
    /// Time per phase.
    pub phases: Vec<Phase>,
}

/// A phase of an encoding.
#[derive(Clone, Debug)]
pub struct Phase {
    /// What was done.
    pub name: &'static str,
    /// How long it took.
    pub time: Duration,
    /// On how much.
    pub amount: String,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>9.1} ms  {:<22} {}", self.time.as_secs_f64() * 1e3, self.name, self.amount)
    }
}
