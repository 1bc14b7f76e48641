//! Which types of a base a kernel takes for a type of a distilled base.
//!
//! A kernel goes through the types of its own BTF and compares each with the distilled types of that name. How much else has to agree
//! depends on both: see [`Matches::of`]. Nothing of it looks at members, and a struct is even taken for something of another kind.

use crate::ids::{StrOff, TypeId};
use crate::kind::Kind;
use crate::map::FixedMap;
use crate::view::{BtfView, TypeView};

/// The longest name that a kernel takes, in bytes.
const MAX_NAME: usize = 511;

/// The kinds that a distilled base may have or, with ENUM64, be compared with.
pub(super) const KINDS: u32 = Kind::Int.bit()
    | Kind::Float.bit()
    | Kind::Struct.bit()
    | Kind::Union.bit()
    | Kind::Enum.bit()
    | Kind::Enum64.bit()
    | Kind::Fwd.bit();

/// What of a type counts when it is compared, besides name and size.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Traits {
    kind: Kind,
    kflag: bool,
    /// Encoding bits of an INT.
    encoding: u32,
}

impl Traits {
    fn of(t: TypeView<'_>) -> Traits {
        let (kind, kflag) = (t.kind(), t.kflag());
        Traits { kind, kflag, encoding: t.int_data().map_or(0, |data| data.encoding()) }
    }
}

/// The types of the same name and traits, and of one size or of any: the first and the last of them. That there are others between does
/// not matter, and without them no base makes a search long.
#[derive(Clone, Copy, Debug)]
struct Alike {
    traits: Traits,
    first: TypeId,
    last: TypeId,
}

/// The types of a name: by the size, and without one those whose size does not matter.
type ByName<'b> = FixedMap<(&'b [u8], Option<u32>), Vec<Alike>>;

/// The named types of a base that can be in a distilled base, by name.
pub(super) struct Matches<'b> {
    by_name: ByName<'b>,
}

/// The types that match a distilled type.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Found {
    Nothing,
    One(TypeId),
    /// Two of them, the smaller id first. There may be more.
    Several(TypeId, TypeId),
}

impl<'b> Matches<'b> {
    pub(super) fn new(base: &BtfView<'b>) -> Matches<'b> {
        let types = || {
            base.levels()
                .into_iter()
                .flat_map(|level| level.types_of(|kind| KINDS & kind.bit() != 0).collect::<Vec<_>>())
        };
        // Kernels count by the offset of the name: a name that is there twice is two names.
        let mut composites: FixedMap<StrOff, u32> = FixedMap::default();
        for (_, t) in types().filter(|(_, t)| t.is_composite()) {
            *composites.entry(t.name_off()).or_default() += 1;
        }
        let mut by_name = ByName::default();
        for (id, t) in types() {
            let Some(name) = name(base, t.name_off()) else { continue };
            let traits = Traits::of(t);
            let any_size = t.kind() == Kind::Fwd || t.is_composite() && composites.get(&t.name_off()) == Some(&1);
            for size in [Some(Some(t.size_or_type())), any_size.then_some(None)].into_iter().flatten() {
                let alike = by_name.entry((name, size)).or_default();
                match alike.iter_mut().find(|alike| alike.traits == traits) {
                    Some(alike) => alike.last = id,
                    None => alike.push(Alike { traits, first: id, last: id }),
                }
            }
        }
        Matches { by_name }
    }

    /// What a kernel with this base takes for a distilled type. `embedded`: a struct or union of the module has it as a member, also
    /// through arrays, typedefs and qualifiers.
    pub(super) fn of(&self, name: &[u8], distilled: TypeView<'_>, embedded: bool) -> Found {
        let (wanted, size) = (Traits::of(distilled), distilled.size_or_type());
        let fits = |have: &Traits| match wanted.kind {
            Kind::Int => have.kind == Kind::Int && have.encoding == wanted.encoding,
            Kind::Float => have.kind == Kind::Float,
            // ENUM64 has become ENUM.
            Kind::Enum | Kind::Enum64 => matches!(have.kind, Kind::Enum | Kind::Enum64),
            // Of whatever kind.
            Kind::Struct | Kind::Union => true,
            // The kflag of a struct or union has nothing to do with that of a declaration, but is what is looked at.
            Kind::Fwd => match have.kind {
                Kind::Fwd => have.kflag == wanted.kflag,
                Kind::Struct => !have.kflag,
                Kind::Union => have.kflag,
                _ => false,
            },
            _ => false,
        };
        let of = |size| self.by_name.get(&(name, size)).into_iter().flatten().filter(|alike| fits(&alike.traits));
        let all = || of(Some(size)).chain(of(None));
        let is_composite = distilled.is_composite();
        // The first one found has to have the size of an embedded type; of those that come after it that is no longer asked.
        let first =
            if embedded && is_composite { of(Some(size)).map(|a| a.first).min() } else { all().map(|a| a.first).min() };
        match (first, all().map(|alike| alike.last).max()) {
            (Some(first), Some(last)) if last > first => Found::Several(first, last),
            (Some(first), _) => Found::One(first),
            (None, _) => Found::Nothing,
        }
    }
}

/// A name that a kernel can have: not empty, not too long.
fn name<'b>(base: &BtfView<'b>, offset: StrOff) -> Option<&'b [u8]> {
    let tail = base.string_tail(offset)?;
    let end = memchr::memchr(0, &tail[..tail.len().min(MAX_NAME + 1)])?;
    Some(&tail[..end]).filter(|name| !name.is_empty())
}
