//! What no rule forbids and still goes wrong: BTF that a kernel takes, and then does not find types in, or modules that it does not take
//! for what stands elsewhere in them. The numbers are those of `docs/verify.md`.

mod ids;
mod types;

use btf::verify::KernelVersion;
use btf::view::BtfView;
use dwarf::elf::ElfFile;

/// The first kernel that searches its BTF by halves, and so needs it in name order.
const SORTED: KernelVersion = KernelVersion(7, 0);
/// The first kernel that knows distilled bases.
const DISTILLED: KernelVersion = KernelVersion(6, 11);

/// How bad it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Severity {
    /// A kernel refuses the module.
    Violation,
    /// It loads, and something is lost.
    Hazard,
}

/// One thing that goes wrong.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Hazard {
    /// Number of the hazard.
    pub number: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// What it is about, for people: a type with its id, kind and name, a set, the whole.
    pub subject: String,
    /// What goes wrong.
    pub text: String,
}

impl Hazard {
    fn new(number: &'static str, subject: impl Into<String>, text: impl Into<String>) -> Hazard {
        Hazard { number, severity: Severity::Hazard, subject: subject.into(), text: text.into() }
    }
}

/// Number, what it is, and what to do. In the order in which they are looked for.
pub const TABLE: &[(&str, &str, &str)] = &[
    (
        "Z1",
        "types of a kernel not in the order of their names (7.0 and later)",
        "encode the kernel with btfgen, or let resolve_btfids sort it: kernels from 7.0 on search by halves and do not find what is out of order",
    ),
    (
        "Z2",
        "few ids or bytes of names are left",
        "encode less: beyond 1,048,575 types or 16 MiB of names a kernel takes no module on top of this BTF",
    ),
    (
        "Z3",
        "a struct of operations that BPF programs cannot implement: it is missing beside its `bpf_struct_ops_` wrapper, or of a shape that kernels do not take",
        "make sure that the struct is used where the module can see it whole (BTF_TYPE_EMIT), and encode again",
    ),
    (
        "Z4",
        "a type of the distilled base that no kernel puts there, or that this base has not, or more than once: the module does not load",
        "encode again on this kernel's vmlinux; --distill_base describes ambiguous types in the module itself",
    ),
    (
        "Z5",
        "a type of the distilled base that stands for one of another kind in this base",
        "encode again on this kernel's vmlinux: programs would read a type that is none",
    ),
    (
        "Z6",
        "a function, variable, section or tag of the base that the module refers to",
        "encode again with btfgen: such a module cannot have a distilled base",
    ),
    (
        "Z7",
        "an id in .BTF_ids of a module with a distilled base that is of a type of the kernel",
        "build without a distilled base: kernels translate the ids of kfuncs and destructors only, and this one would be that of another type",
    ),
    (
        "Z8",
        "a kfunc with the name of a function of the kernel (7.3 and later refuse to register it)",
        "rename the kfunc",
    ),
    ("Z9", "a set of more than 256 kfuncs", "split the set over several hooks: registering it fails"),
    (
        "Z10",
        "a kfunc without a function in the BTF of the module",
        "declare it __bpf_kfunc, so that the compiler keeps it, and encode again (--functions-report says why a function is missing)",
    ),
    (
        "Z11",
        "a set with flags of kfuncs that is not marked as one (6.9 and later refuse to register it)",
        "define it by BTF_KFUNCS_START instead of BTF_SET8_START",
    ),
];

/// What to do about a hazard.
pub fn remedy(number: &str) -> &'static str {
    TABLE.iter().find(|row| row.0 == number).map_or("", |row| row.2)
}

/// What is looked at. The BTF has passed the kernel's rules.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'s> {
    /// The BTF as it stands in the file: alone, on the base, or on a distilled one.
    pub view: &'s BtfView<'s>,
    /// The BTF of the kernel that the file is to go with, if it is at hand.
    pub base: Option<&'s BtfView<'s>>,
    /// The file, if it is an ELF file.
    pub elf: Option<&'s ElfFile<'s>>,
    /// The kernel whose ways count.
    pub kernel: KernelVersion,
}

impl Subject<'_> {
    /// Whether the BTF stands on a base of its own.
    fn is_distilled(&self) -> bool {
        match (self.view.base(), self.base) {
            (Some(own), Some(base)) => !std::ptr::eq(own.bytes(), base.bytes()),
            (Some(_), None) => true,
            (None, _) => false,
        }
    }
}

/// Everything that goes wrong, in the order of the table.
pub fn find(subject: &Subject<'_>) -> Vec<Hazard> {
    let mut found = Vec::new();
    types::order(subject, &mut found);
    types::room(subject, &mut found);
    types::struct_ops(subject, &mut found);
    if subject.is_distilled() && subject.kernel >= DISTILLED {
        types::relocation(subject, &mut found);
    } else {
        types::references(subject, &mut found);
    }
    ids::find(subject, &mut found);
    found
}
