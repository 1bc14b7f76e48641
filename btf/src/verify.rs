//! The kernel's acceptance rules, applied to any BTF: what a kernel would say without asking one.
//!
//! The rules come in tiers, checked in the kernel's order; each has a number that findings carry:
//!
//! | tier | about | kernel BTF | user BTF |
//! |------|-------|------------|----------|
//! | H, S | header, string section | yes | yes |
//! | L    | layout section, alignment (R0a, R0b too) | no | yes |
//! | M    | one record at a time: words that must be 0, names, offsets (`meta`) | yes | yes |
//! | R    | what references lead to: sizes, loops, kinds (`resolve`) | no | yes |
//! | C    | chains of modifiers | yes | yes |
//! | N    | limits of the whole: number of types, bytes of a user BTF | yes | yes |
//!
//! Kernel BTF is what the kernel parses by itself (vmlinux, modules, `.BTF.base`); user BTF is what `bpf(BPF_BTF_LOAD)`
//! gets. The kernel stops at the first violation, which is the first one here. Of the tiers M, R and C all are reported, as far as they
//! do not follow from one another, and a tier with findings is the last one, because the next ones take it for granted.
//! `scripts/test-verify.sh` compares verdicts and texts with those of a kernel.
//!
//! Not checked: R29, an internal consistency check that no input reaches, and R30, the special fields of BPF programs.
//!
//! All of this is linear in the size of the BTF, without recursion.

mod chain;
mod header;
mod log;
mod member;
mod meta;
mod resolve;
pub mod rules;

use std::fmt;

use crate::error::{Error, ErrorKind};
use crate::ids::{StrOff, TypeId};
use crate::kind::Kind;
use crate::view::{BtfView, TypeView};
use log::Line;

/// Bytes of a name that a finding keeps; the text of a hostile name could be as long as the file.
const MAX_NAME_SHOWN: usize = 128;

/// Which of the kernel's doors the BTF is to pass.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Level {
    /// As vmlinux, module or distilled base: tiers H, S, M, C, N.
    Kernel,
    /// As loaded by `bpf(BPF_BTF_LOAD)`: tiers L and R too. Split BTF cannot be loaded that way; it is held to the same
    /// rules, with its base taken as good.
    User,
}

/// A kernel release, for rules that changed: (7, 3) is 7.3.
///
/// Where the release of a change is not known exactly, the strict rule holds up to the first release known to be lax.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct KernelVersion(pub u16, pub u16);

impl KernelVersion {
    /// The newest rules known.
    pub const NEWEST: KernelVersion = KernelVersion(7, 3);
    /// First release known to have 7 bits of kind, 24 of vlen, the header's layout fields, and no rule C3.
    pub const WIDE: KernelVersion = KernelVersion(7, 3);
    /// First release with attributes as tags (kflag of DECL_TAG and TYPE_TAG).
    pub const ATTRIBUTE_TAGS: KernelVersion = KernelVersion(6, 15);
    /// First release whose ENUMs have a kflag: they are signed.
    pub const SIGNED_ENUMS: KernelVersion = KernelVersion(6, 0);
    /// First release known to allow any printable name of a DATASEC.
    pub const PRINTABLE_SECTIONS: KernelVersion = KernelVersion(6, 12);
    /// First release with names of up to 512 bytes instead of 128.
    const LONG_NAMES: KernelVersion = KernelVersion(6, 1);

    /// The version of a release: "6.12.43+deb13-amd64" is of 6.12. None without two numbers.
    pub fn of_release(release: &str) -> Option<KernelVersion> {
        let (major, rest) = release.strip_prefix('v').unwrap_or(release).split_once('.')?;
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        Some(KernelVersion(major.parse().ok()?, rest[..digits].parse().ok()?))
    }

    /// The oldest release that takes such a BTF, going by its kinds, its kflags and its header.
    pub fn oldest_for(view: &BtfView<'_>) -> KernelVersion {
        let of_type = |t: TypeView<'_>| match (t.kind(), t.kflag()) {
            (Kind::DeclTag | Kind::TypeTag, true) => KernelVersion::ATTRIBUTE_TAGS,
            (Kind::Enum, true) => KernelVersion::SIGNED_ENUMS,
            (kind, _) => KernelVersion::first_to_know(kind),
        };
        let oldest = view.types().map(|(_, t)| of_type(t)).max().unwrap_or(KernelVersion(0, 0));
        if view.header().layout().is_some() { oldest.max(KernelVersion::WIDE) } else { oldest }
    }

    /// Bytes of the longest name, and one.
    pub fn max_name(self) -> usize {
        if self >= KernelVersion::LONG_NAMES { 512 } else { 128 }
    }

    /// Whether this kernel knows the kind.
    pub fn knows(self, kind: Kind) -> bool {
        self >= KernelVersion::first_to_know(kind)
    }

    /// First release that knows the kind.
    fn first_to_know(kind: Kind) -> KernelVersion {
        let since = match kind {
            Kind::Int
            | Kind::Ptr
            | Kind::Array
            | Kind::Struct
            | Kind::Union
            | Kind::Enum
            | Kind::Fwd
            | Kind::Typedef
            | Kind::Volatile
            | Kind::Const
            | Kind::Restrict => (4, 18),
            Kind::Func | Kind::FuncProto => (5, 0),
            Kind::Var | Kind::Datasec => (5, 2),
            Kind::Float => (5, 13),
            Kind::DeclTag => (5, 16),
            Kind::TypeTag => (5, 17),
            Kind::Enum64 => (6, 0),
        };
        KernelVersion(since.0, since.1)
    }
}

impl fmt::Display for KernelVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}

/// What to check against, and how much to report.
#[derive(Clone, Debug)]
pub struct Options {
    /// Which tiers are checked.
    pub level: Level,
    /// The kernel whose rules hold.
    pub kernel: KernelVersion,
    /// Bytes of a pointer, from the class of the ELF file; used by [`Level::User`].
    pub pointer_bytes: u32,
    /// Findings after this many are left out.
    pub max_findings: usize,
}

impl Default for Options {
    /// Everything, by the newest kernel of 64 bits; up to 1,000 findings.
    fn default() -> Options {
        Options { level: Level::User, kernel: KernelVersion::NEWEST, pointer_bytes: 8, max_findings: 1000 }
    }
}

/// One violation of one rule.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// Number of the rule: "M53". What it means and what to do about it is in [`rules`].
    pub rule: &'static str,
    /// The type whose record breaks it; void for a rule about the whole.
    pub id: TypeId,
    /// Kind of that type.
    pub kind: Option<Kind>,
    /// Name of that type as text, cut after 128 bytes; empty if it has none.
    pub name: String,
    /// Which member, value, parameter or data section entry.
    pub element: Option<Element>,
    /// The kernel's text for the rule.
    pub text: String,
    /// What a kernel's log says, a line or two: type with details, member with details. Empty where it says nothing.
    pub log: String,
}

/// A member, value, parameter or entry of a data section.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Element {
    /// Its number, counted from 0.
    pub number: u32,
    /// Its name as text (of an entry: that of its variable), cut after 128 bytes; empty if it has none.
    pub name: String,
}

impl Finding {
    /// A violation that is not about a type.
    fn whole(rule: &'static str, text: &str) -> Finding {
        let (text, log) = (text.to_owned(), text.to_owned());
        Finding { rule, id: TypeId::VOID, kind: None, name: String::new(), element: None, text, log }
    }
}

impl fmt::Display for Finding {
    /// ``[17] STRUCT `foo` member 2 `bar`: Invalid type_id (M53)``
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            None if self.id == TypeId::VOID => write!(f, "BTF")?,
            None => write!(f, "[{}]", self.id)?,
            Some(kind) if self.name.is_empty() => write!(f, "[{}] {} (anon)", self.id, kind.name())?,
            Some(kind) => write!(f, "[{}] {} `{}`", self.id, kind.name(), self.name)?,
        }
        if let (Some(element), Some(word)) = (&self.element, self.kind.and_then(element_word)) {
            write!(f, " {word} {}", element.number)?;
            if !element.name.is_empty() {
                write!(f, " `{}`", element.name)?;
            }
        }
        let text = if self.text.is_empty() { "Invalid argument" } else { &self.text };
        write!(f, ": {text} ({})", self.rule)
    }
}

/// What the elements of a kind are called.
pub fn element_word(kind: Kind) -> Option<&'static str> {
    match kind {
        Kind::Struct | Kind::Union => Some("member"),
        Kind::Enum | Kind::Enum64 => Some("value"),
        Kind::Func | Kind::FuncProto => Some("parameter"),
        Kind::Datasec => Some("entry"),
        Kind::Int
        | Kind::Ptr
        | Kind::Array
        | Kind::Fwd
        | Kind::Typedef
        | Kind::Volatile
        | Kind::Const
        | Kind::Restrict
        | Kind::Var
        | Kind::Float
        | Kind::DeclTag
        | Kind::TypeTag => None,
    }
}

/// The violations in a BTF, the kernel's first one first; empty means that the kernel would take it.
///
/// Of a split BTF only the own types are checked.
pub fn verify(view: &BtfView<'_>, options: &Options) -> Vec<Finding> {
    match header::check_header(view.bytes(), view.base(), options) {
        Some(finding) => vec![finding],
        None => verify_types(view, options),
    }
}

/// The same for bytes of which nothing is known: also if they are no BTF.
pub fn verify_bytes(data: &[u8], base: Option<&BtfView<'_>>, options: &Options) -> Vec<Finding> {
    if let Some(finding) = header::check_header(data, base, options) {
        return vec![finding];
    }
    match BtfView::parse_prefix(data, base) {
        Ok(view) => verify_types(&view, options),
        Err(e) => vec![of_error(&e)],
    }
}

/// What stops a reader that the kernel's rules do not: numbers that do not fit.
fn of_error(e: &Error) -> Finding {
    let rule = match e.kind() {
        ErrorKind::Limit => "N1",
        _ => e.rule().unwrap_or("H2"),
    };
    Finding::whole(rule, e.text())
}

/// The tiers after the header.
fn verify_types(view: &BtfView<'_>, options: &Options) -> Vec<Finding> {
    let mut check = Check { view, options, findings: Vec::new() };
    header::check_count(&mut check);
    meta::check_records(&mut check);
    if !view.rest().is_empty() {
        meta::report_stop(&mut check);
    }
    let tiers: [fn(&mut Check<'_, '_>); 2] = [resolve::check_references, chain::check_chains];
    for tier in tiers {
        if check.findings.is_empty() {
            tier(&mut check);
        }
    }
    check.findings
}

/// The state of a verification, and what all tiers share.
struct Check<'v, 'a> {
    view: &'v BtfView<'a>,
    options: &'v Options,
    findings: Vec<Finding>,
}

impl Check<'_, '_> {
    /// Whether enough was found, so that a tier can stop.
    fn is_full(&self) -> bool {
        self.findings.len() >= self.options.max_findings
    }

    /// Adds a finding, unless there are enough.
    fn report(&mut self, rule: &'static str, id: TypeId, element: Option<usize>, line: Line, text: impl Into<String>) {
        if self.is_full() {
            return;
        }
        let (view, text) = (self.view, text.into());
        let ty = view.get(id);
        let name = ty.map_or(String::new(), |t| shown(view, t.name_off()));
        let second = ty.zip(element).and_then(|(ty, n)| log::element_line(view, ty, n, None, &text));
        let log = match second {
            Some(second) => format!("{}\n{second}", log::type_line(view, id, line, "")),
            None => log::type_line(view, id, line, &text),
        };
        let element = ty.zip(element).map(|(ty, n)| Element { number: n as u32, name: element_name(view, ty, n) });
        self.findings.push(Finding { rule, id, kind: ty.map(TypeView::kind), name, element, text, log });
    }

    /// Violation of a rule about a type.
    fn bad(&mut self, rule: &'static str, id: TypeId, text: impl Into<String>) {
        self.report(rule, id, None, Line::Full, text);
    }

    /// Violation of a rule about a member, value, parameter or entry.
    fn bad_element(&mut self, rule: &'static str, id: TypeId, element: usize, text: impl Into<String>) {
        self.report(rule, id, Some(element), Line::Full, text);
    }

    /// Violation of a rule about a member whose modifiers end at a type, which is the one that the kernel names.
    fn bad_member(&mut self, rule: &'static str, id: TypeId, n: usize, end: TypeId, text: &str) {
        let count = self.findings.len();
        self.bad_element(rule, id, n, text);
        let line = self.view.get(id).and_then(|ty| log::element_line(self.view, ty, n, Some(end), text));
        if let (Some(finding), Some(line)) = (self.findings.get_mut(count), line) {
            finding.log = format!("{}\n{line}", log::type_line(self.view, id, Line::Full, ""));
        }
    }

    /// Whether the name is an identifier for the kernel (Latin-1 letters included, UTF-8 not), and not empty.
    fn is_identifier(&self, name: StrOff) -> bool {
        let letter = |b: u8| b.is_ascii_alphabetic() || matches!(b, b'_' | b'.' | 0xc0..=0xd6 | 0xd8..=0xf6 | 0xf8..);
        self.name_is(name, |at, b| letter(b) || at > 0 && b.is_ascii_digit())
    }

    /// Whether the name is printable for the kernel, and not empty.
    fn is_printable(&self, name: StrOff) -> bool {
        self.name_is(name, |_, b| matches!(b, 0x20..=0x7e | 0xa0..))
    }

    fn is_empty_name(&self, name: StrOff) -> bool {
        self.view.string_tail(name).is_none_or(|tail| tail[0] == 0)
    }

    /// Whether the name is not empty, not too long, and made of bytes that are allowed where they stand. Looks at
    /// no more bytes than the longest name has.
    fn name_is(&self, name: StrOff, allowed: impl Fn(usize, u8) -> bool) -> bool {
        let Some(tail) = self.view.string_tail(name) else { return false };
        let longest = self.options.kernel.max_name();
        let end = tail.iter().take(longest + 1).enumerate().position(|(at, &b)| b == 0 || !allowed(at, b));
        end.is_some_and(|end| end > 0 && tail[end] == 0)
    }
}

/// The start of a name, as text.
fn shown(view: &BtfView<'_>, name: StrOff) -> String {
    log::text_of(view.string_tail(name).unwrap_or(&[]), MAX_NAME_SHOWN)
}

/// The name of a member, value, parameter, or of the variable of an entry.
fn element_name(view: &BtfView<'_>, ty: TypeView<'_>, n: usize) -> String {
    let name = match ty.kind() {
        Kind::Struct | Kind::Union => ty.member(n).map(|member| member.name_off),
        Kind::Enum | Kind::Enum64 => ty.enumerators().nth(n).map(|value| value.name_off),
        Kind::FuncProto => ty.params().nth(n).map(|param| param.name_off),
        Kind::Func => view.get(TypeId(ty.size_or_type())).and_then(|p| p.params().nth(n)).map(|param| param.name_off),
        Kind::Datasec => ty.var(n).and_then(|var| view.get(var.type_id)).map(|var| var.name_off()),
        _ => None,
    };
    name.map_or(String::new(), |name| shown(view, name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::Endian;
    use crate::testing::{Blob, every_kind};

    /// The findings' rules, and the elements that they are about.
    pub(super) fn rules_by(options: &Options, data: &[u8]) -> Vec<(&'static str, Option<u32>)> {
        let view = BtfView::parse(data).unwrap();
        verify(&view, options).iter().map(|f| (f.rule, f.element.as_ref().map(|e| e.number))).collect()
    }

    /// What breaks when `build` adds to an INT (id 1): the rules by the newest kernel.
    pub(super) fn broken(build: impl FnOnce(&mut Blob)) -> Vec<(&'static str, Option<u32>)> {
        broken_by(KernelVersion::NEWEST, build)
    }

    /// The same by another kernel.
    pub(super) fn broken_by(kernel: KernelVersion, build: impl FnOnce(&mut Blob)) -> Vec<(&'static str, Option<u32>)> {
        let mut b = Blob::new();
        b.int("int", 4);
        build(&mut b);
        rules_by(&Options { kernel, ..Options::default() }, &b.bytes())
    }

    fn whole(level: Level, data: &[u8]) -> Vec<&'static str> {
        rules_by(&Options { level, ..Options::default() }, data).iter().map(|r| r.0).collect()
    }

    #[test]
    fn every_kind_is_fine_at_every_level_of_kernels_that_know_it() {
        for endian in [Endian::Little, Endian::Big] {
            let data = every_kind(endian).bytes();
            for level in [Level::Kernel, Level::User] {
                for kernel in [KernelVersion::NEWEST, KernelVersion(6, 12), KernelVersion(6, 1)] {
                    assert_eq!(rules_by(&Options { level, kernel, ..Options::default() }, &data), []);
                }
            }
        }
    }

    #[test]
    fn parts_must_tile_the_data() {
        let mut b = Blob::new();
        b.int("int", 4);
        let (types, strings) = (b.types.len() as u32, b.strings.len() as u32);
        let check = |header: &[u32], types: &[u8], tail: &[u8]| {
            let mut b = b.clone();
            b.types = types.to_vec();
            b.strings.extend_from_slice(tail);
            let data = b.bytes_laid_out(header);
            (whole(Level::Kernel, &data), whole(Level::User, &data))
        };
        let t = b.types.as_slice();
        assert_eq!(check(&[0, types, types, strings], t, b""), (vec![], vec![]));
        // A byte after the strings.
        assert_eq!(check(&[0, types, types, strings], t, b"\0"), (vec!["H9"], vec!["H9"]));
        // A gap between types and strings.
        let gap = [t, &[0; 4]].concat();
        assert_eq!(check(&[0, types, types + 4, strings], &gap, b"").0, ["H9"]);
        // A gap that leaves the types unaligned.
        let shifted = [&[0], t].concat();
        assert_eq!(check(&[1, types, types + 1, strings], &shifted, b""), (vec!["H9"], vec!["H9"]));
        // Types that are also the start of the strings.
        let one = [0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0];
        assert_eq!(check(&[0, 12, 11, strings + 1], &one, b"").0, ["H10"]);
        // Layout of 4, of 2 and of 6 bytes, and one at an odd place.
        let with_layout = |n: usize| [t, &vec![0; n]].concat();
        let header = |n: u32| [0, types, types + n, strings, types, n];
        assert_eq!(check(&header(4), &with_layout(4), b""), (vec![], vec![]));
        assert_eq!(check(&header(2), &with_layout(2), b""), (vec![], vec!["L2"]));
        assert_eq!(check(&header(6), &with_layout(6), b""), (vec![], vec!["L2"]));
        let odd = [0, types, types, strings, types + strings, 4];
        assert_eq!(strings % 4, 1);
        assert_eq!(check(&odd, t, &[0; 4]), (vec![], vec!["L1"]));
        // Kernels before 7.3 do not know the layout.
        let mut b4 = b.clone();
        b4.types = with_layout(4);
        let data = b4.bytes_laid_out(&header(4));
        let old = Options { kernel: KernelVersion(6, 12), ..Options::default() };
        assert_eq!(rules_by(&old, &data), [("H3", None)]);
    }

    #[test]
    fn limits_of_the_whole() {
        assert_eq!(whole(Level::Kernel, &Blob::new().bytes()), [""; 0]);
        assert_eq!(whole(Level::User, &Blob::new().bytes()), ["R0b"]);
        let mut b = Blob::new();
        for _ in 0..TypeId::MAX.0 {
            b.words(&[0, 2 << 24, 0]);
        }
        assert_eq!(whole(Level::Kernel, &b.bytes()), [""; 0]);
        b.words(&[0, 2 << 24, 0]);
        assert_eq!(whole(Level::Kernel, &b.bytes()), ["N1"]);
        let mut b = Blob::new();
        b.int("int", 4);
        b.strings.resize(header::MAX_BYTES, 0);
        assert_eq!(whole(Level::Kernel, &b.bytes()), [""; 0]);
        assert_eq!(whole(Level::User, &b.bytes()), ["N2"]);
        b.strings.push(0);
        assert_eq!(whole(Level::Kernel, &b.bytes()), ["S2"]);
    }

    #[test]
    fn chains_of_modifiers() {
        let kernel =
            |b: &Blob, kernel| rules_by(&Options { level: Level::Kernel, kernel, ..Options::default() }, &b.bytes());
        let newest = |b: &Blob| kernel(b, KernelVersion::NEWEST);
        let mut b = Blob::new();
        b.konst(9);
        assert_eq!(newest(&b), [("C1", None)]);
        // Id k leads to k+1; the last one to void.
        let chain = |n: u32| {
            let mut b = Blob::new();
            (1..=n).for_each(|id| _ = b.konst(if id < n { id + 1 } else { 0 }));
            b
        };
        assert_eq!(newest(&chain(32)), []);
        assert_eq!(newest(&chain(33)), [("C2", None)]);
        let mut b = Blob::new();
        b.konst(2);
        b.typedef("t", 1);
        // From id 2 on, id 1 counts as checked.
        assert_eq!(newest(&b), [("C2", None)]);
        let mut b = Blob::new();
        let tag = b.type_tag("user", 0);
        b.konst(tag);
        assert_eq!(newest(&b), []);
        assert_eq!(kernel(&b, KernelVersion(6, 12)), [("C3", None)]);
    }

    #[test]
    fn findings_are_cut_and_shown() {
        let mut b = Blob::new();
        b.int("int", 4);
        b.structure("s", 8, &[("a", 1, 0), ("b", 0, 32)]);
        b.structure(&"x".repeat(1000), 0, &[]);
        let data = b.bytes();
        let view = BtfView::parse(&data).unwrap();
        let found = verify(&view, &Options::default());
        assert_eq!(found[0].to_string(), "[2] STRUCT `s` member 1 `b`: Invalid type_id (M53)");
        assert_eq!(found[1].to_string(), format!("[3] STRUCT `{}`: Invalid name (M50)", "x".repeat(128)));
        assert_eq!(verify(&view, &Options { max_findings: 1, ..Options::default() }).len(), 1);
    }

    /// The BTF of a whole kernel, if `BTF_VMLINUX` names one; `BTF_MODULE` may name one on top of it.
    #[test]
    fn shipped_btf_has_no_findings() {
        let Some(vmlinux) = std::env::var_os("BTF_VMLINUX") else { return };
        let base_data = std::fs::read(vmlinux).unwrap();
        let base = BtfView::parse(&base_data).unwrap();
        assert_eq!(verify(&base, &Options::default()), []);
        let Some(module) = std::env::var_os("BTF_MODULE") else { return };
        let data = std::fs::read(module).unwrap();
        assert_eq!(verify(&BtfView::parse_split(&data, &base).unwrap(), &Options::default()), []);
    }
}
