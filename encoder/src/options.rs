//! What to encode and how: the features of BTF, languages, selection of functions.

use btf::dialect::Dialect;
use btf::verify::KernelVersion;

/// Options of an encoding.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Options {
    /// Features to write.
    pub features: Features,
    /// The kernel that the BTF is for, whose rules it must keep to; `None`: what kernels since 6.1 accept.
    pub target: Option<KernelVersion>,
    /// Which functions are described.
    pub selection: Selection,
    /// How to write what can be written in more than one way; `None`: as the base does.
    pub dialect: Option<Dialect>,
    /// Which units are read.
    pub units: UnitChoice,
    /// Whether a file without DWARF gets an empty BTF, if there is a base, instead of an error.
    pub empty_without_dwarf: bool,
    /// Whether to report what became of each function ([`crate::report::Summary::function_reports`]).
    pub report_functions: bool,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            features: Features::default(),
            target: None,
            selection: Selection::Truthful,
            dialect: None,
            units: UnitChoice::default(),
            empty_without_dwarf: false,
            report_functions: false,
        }
    }
}

/// Parts of the BTF that can be left out, and ways to write it.
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
    /// Variables of all sections, per-CPU ones among them.
    pub global_var: bool,
    /// C attributes as TYPE_TAGs with a kflag: which pointers of kfuncs lead into an arena.
    pub attributes: bool,
    /// The compiler's clones under their full names (`foo.constprop.0`).
    pub true_signature: bool,
    /// The layout section of a BTF without a base.
    pub layout: bool,
}

impl Features {
    /// None of them.
    pub const NONE: Features = Features {
        var: false,
        float: false,
        decl_tag: false,
        type_tag: false,
        enum64: false,
        consistent_func: false,
        decl_tag_kfuncs: false,
        global_var: false,
        attributes: false,
        true_signature: false,
        layout: false,
    };
    /// What pahole calls `default`.
    pub const USUAL: Features = Features {
        var: true,
        float: true,
        decl_tag: true,
        type_tag: true,
        enum64: true,
        consistent_func: true,
        decl_tag_kfuncs: true,
        ..Features::NONE
    };

    /// Whether any variables are wanted.
    pub fn variables(self) -> bool {
        self.var || self.global_var
    }
}

impl Default for Features {
    fn default() -> Features {
        Features::USUAL
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

/// DWARF's code of Rust, whose units are left out by default.
pub const RUST: u16 = gimli::DW_LANG_Rust.0;

/// Which units are read.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct UnitChoice {
    /// Not those of these languages (DWARF's codes).
    pub not_languages: Vec<u16>,
    /// Only those of these languages, unless there are none here.
    pub only_languages: Vec<u16>,
    /// Not those whose names begin with one of these.
    pub not_prefixes: Vec<String>,
}

impl UnitChoice {
    /// All but those of Rust, as Kbuild has it.
    pub fn without_rust() -> UnitChoice {
        UnitChoice { not_languages: vec![RUST], ..UnitChoice::default() }
    }

    /// Whether a unit of this language and name is read.
    pub fn takes(&self, language: u16, name: &[u8]) -> bool {
        !self.not_languages.contains(&language)
            && (self.only_languages.is_empty() || self.only_languages.contains(&language))
            && !self.not_prefixes.iter().any(|prefix| name.starts_with(prefix.as_bytes()))
    }
}
