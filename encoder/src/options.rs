//! What to encode and how: the features of BTF, languages, selection of functions.

use btf::dialect::Dialect;

/// Options of an encoding.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Options {
    /// Features to write.
    pub features: Features,
    /// Which functions are described.
    pub selection: Selection,
    /// How to write what can be written in more than one way; `None`: as the base does.
    pub dialect: Option<Dialect>,
    /// DWARF language codes of units to leave out.
    pub lang_exclude: Vec<u16>,
    /// Whether a file without DWARF gets an empty BTF, if there is a base, instead of an error.
    pub empty_without_dwarf: bool,
    /// Whether to report what became of each function ([`crate::report::Summary::function_reports`]).
    pub report_functions: bool,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            features: Features::default(),
            selection: Selection::Truthful,
            dialect: None,
            lang_exclude: Vec::new(),
            empty_without_dwarf: false,
            report_functions: false,
        }
    }
}

/// Parts of the BTF that can be left out. The default is what Kbuild asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Features {
    /// Per-CPU variables (VAR, DATASEC).
    pub var: bool,
    /// FLOAT types; otherwise INTs.
    pub float: bool,
    /// DECL_TAGs.
    pub decl_tag: bool,
    /// TYPE_TAGs.
    pub type_tag: bool,
    /// ENUM64; otherwise values are cut to 32 bits.
    pub enum64: bool,
    /// Leave out functions whose prototypes differ between units.
    pub consistent_func: bool,
    /// The DECL_TAGs of kfuncs (`bpf_kfunc`, `bpf_fastcall`).
    pub decl_tag_kfuncs: bool,
}

impl Default for Features {
    fn default() -> Features {
        Features {
            var: true,
            float: true,
            decl_tag: true,
            type_tag: true,
            enum64: true,
            consistent_func: true,
            decl_tag_kfuncs: true,
        }
    }
}

/// Which functions are described, and by which of their prototypes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Selection {
    /// Those whose machine code is known to take what the prototype says: symbols are matched by address.
    #[default]
    Truthful,
    /// Those that pahole 1.32 would select, for comparisons.
    Pahole,
}
