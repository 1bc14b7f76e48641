//! The kernel that a BTF is for: what of the features and of the dialect it accepts. Its rules are those of [`btf::verify`].
//!
//! A base is the BTF of that kernel. What stands in it the kernel accepts, so a base that is newer than the kernel that was named
//! wins: then the oldest kernel counts that takes this base.

use btf::dialect::Dialect;
use btf::kind::{Kind, MAX_PORTABLE_VLEN, MAX_VLEN};
use btf::verify::KernelVersion;
use btf::view::BtfView;
use btf::writer::Extensions;

use crate::options::Features;

/// Bytes of the longest name, by default: kernels since 6.1 accept that.
const MAX_NAME: usize = 511;

/// The kernel that a BTF is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Target {
    /// Its release; `None`: what kernels since 6.1 accept.
    kernel: Option<KernelVersion>,
    /// The base is newer than the kernel that was named.
    by_base: bool,
}

/// What is left out or written otherwise because the kernel does not accept it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LeftOut {
    /// The kernel.
    pub kernel: KernelVersion,
    /// The kernel that was named is older than the base.
    pub by_base: bool,
    /// What it is, a phrase each.
    pub what: Vec<&'static str>,
}

impl Target {
    /// The kernel that was named, unless the base says that it is a newer one.
    pub fn new(named: Option<KernelVersion>, base: Option<&BtfView<'_>>) -> Target {
        let Some(named) = named else { return Target::default() };
        let of_base = base.map_or(named, KernelVersion::oldest_for);
        Target { kernel: Some(named.max(of_base)), by_base: of_base > named }
    }

    /// The kernel whose rules the result must keep to.
    pub fn kernel(self) -> KernelVersion {
        self.kernel.unwrap_or(KernelVersion::NEWEST)
    }

    fn accepts(self, since: KernelVersion) -> bool {
        self.kernel() >= since
    }

    fn knows(self, kind: Kind) -> bool {
        self.kernel().knows(kind)
    }

    /// Bytes of the longest name.
    pub fn max_name(self) -> usize {
        self.kernel.map_or(MAX_NAME, |kernel| kernel.max_name() - 1)
    }

    /// Most members or values of a type. More than older kernels read only where they need not.
    pub fn max_vlen(self) -> usize {
        (if self.reads_wide() { MAX_VLEN } else { MAX_PORTABLE_VLEN }) as usize
    }

    fn reads_wide(self) -> bool {
        self.kernel.is_some_and(|kernel| kernel >= KernelVersion::WIDE)
    }

    /// What may be used of the format's additions.
    pub fn extensions(self, features: Features) -> Extensions {
        Extensions { layout: features.layout, wide_vlen: self.reads_wide() }
    }

    /// Whether a DATASEC may have a name.
    pub fn accepts_section_name(self, name: &[u8]) -> bool {
        let printable =
            name.iter().all(|b| matches!(b, 0x20..=0x7e)) && self.accepts(KernelVersion::PRINTABLE_SECTIONS);
        !name.is_empty() && name.len() <= self.max_name() && (printable || crate::names::is_identifier(name))
    }

    /// The features that the kernel accepts.
    pub fn features(self, wanted: Features) -> Features {
        let decl_tag = wanted.decl_tag && self.knows(Kind::DeclTag);
        Features {
            float: wanted.float && self.knows(Kind::Float),
            decl_tag,
            type_tag: wanted.type_tag && self.knows(Kind::TypeTag),
            enum64: wanted.enum64 && self.knows(Kind::Enum64),
            decl_tag_kfuncs: wanted.decl_tag_kfuncs && decl_tag,
            attributes: wanted.attributes && self.accepts(KernelVersion::ATTRIBUTE_TAGS),
            layout: wanted.layout && self.accepts(KernelVersion::WIDE),
            ..wanted
        }
    }

    /// The dialect as far as the kernel accepts it.
    pub fn dialect(self, wanted: Dialect) -> Dialect {
        Dialect {
            nested_arrays: wanted.nested_arrays,
            enum64: wanted.enum64 && self.knows(Kind::Enum64),
            enum_sign: wanted.enum_sign && self.accepts(KernelVersion::SIGNED_ENUMS),
            float: wanted.float && self.knows(Kind::Float),
            type_tag: wanted.type_tag && self.knows(Kind::TypeTag),
        }
    }

    /// What of the features and the dialect is left out.
    pub fn left_out(self, features: Features, dialect: Dialect) -> Option<LeftOut> {
        let kernel = self.kernel?;
        let (f, d) = (self.features(features), self.dialect(dialect));
        let lost = [
            (features.float && dialect.float && !(f.float && d.float), "no FLOAT: floating types are INTs"),
            (features.decl_tag && !f.decl_tag, "no DECL_TAG"),
            (features.type_tag && dialect.type_tag && !(f.type_tag && d.type_tag), "no TYPE_TAG"),
            (features.enum64 && dialect.enum64 && !(f.enum64 && d.enum64), "no ENUM64: values are cut to 32 bits"),
            (features.enum64 && dialect.enum_sign && !d.enum_sign, "no signs of enums"),
            (features.attributes && !f.attributes, "no attributes as tags"),
            (features.layout && !f.layout, "no layout section"),
            (self.max_name() < MAX_NAME, "no names of more than 127 bytes"),
        ];
        let what = lost.into_iter().filter_map(|(is_lost, what)| is_lost.then_some(what)).collect();
        Some(LeftOut { kernel, by_base: self.by_base, what })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use btf::graph::{Head, Records};
    use btf::header::Endian;
    use btf::strings::Strings;
    use btf::writer::Types;

    const ALL: Features =
        Features { global_var: true, attributes: true, true_signature: true, layout: true, ..Features::USUAL };

    fn target(major: u16, minor: u16) -> Target {
        Target::new(Some(KernelVersion(major, minor)), None)
    }

    #[test]
    fn kernels_know_more_and_more() {
        let names = |t: Target| t.left_out(ALL, Dialect::PAHOLE_1_32).map_or(0, |left| left.what.len());
        let releases = [(5, 12, 8), (5, 13, 7), (5, 16, 6), (5, 17, 5), (6, 0, 3), (6, 1, 2), (6, 15, 1), (7, 3, 0)];
        for (major, minor, lost) in releases {
            assert_eq!(names(target(major, minor)), lost, "{major}.{minor}");
        }
        assert_eq!(Target::default().left_out(ALL, Dialect::PAHOLE_1_32), None);
        assert_eq!(Target::default().features(ALL), ALL);
        assert!(!target(5, 15).features(ALL).decl_tag_kfuncs);
    }

    #[test]
    fn limits() {
        assert_eq!((target(5, 15).max_name(), Target::default().max_name()), (127, 511));
        assert_eq!((target(7, 3).max_vlen(), Target::default().max_vlen()), (0xff_ffff, 0xffff));
        assert!(target(6, 11).accepts_section_name(b".data..percpu") && !target(6, 11).accepts_section_name(b".a-b"));
        assert!(target(6, 12).accepts_section_name(b".a-b") && !target(6, 12).accepts_section_name(b"a\tb"));
    }

    #[test]
    fn a_newer_base_wins() {
        let (mut records, mut strings) = (Records::default(), Strings::new());
        records.push(Head { kind: Kind::Enum64, kflag: false }, strings.intern(b"e"), 8, &[]);
        let extensions = Extensions::default();
        let types = Types { records: &records, strings: &strings, base: None, endian: Endian::Little, extensions };
        let bytes = types.write().expect("it fits").0;
        let base = BtfView::parse(&bytes).expect("it is BTF");
        let target = Target::new(Some(KernelVersion(5, 15)), Some(&base));
        assert_eq!((target.kernel(), target.by_base), (KernelVersion(6, 0), true));
        let newer = Target::new(Some(KernelVersion(6, 6)), Some(&base));
        assert_eq!((newer.kernel(), newer.by_base), (KernelVersion(6, 6), false));
    }
}
