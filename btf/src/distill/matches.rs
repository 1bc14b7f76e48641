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

/// What of a type counts when it is compared.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Traits {
    kind: Kind,
    kflag: bool,
    /// Bytes; 0 for a FWD.
    size: u32,
    /// Encoding bits of an INT.
    encoding: u32,
}

impl Traits {
    fn of(t: TypeView<'_>) -> Traits {
        let (kind, kflag) = (t.kind(), t.kflag());
        Traits { kind, kflag, size: t.size_or_type(), encoding: t.int_data().map_or(0, |data| data.encoding()) }
    }
}

/// Types of one name; of one size, too, where that matters.
type ByName<'b> = FixedMap<(&'b [u8], Option<u32>), Vec<(TypeId, Traits)>>;

/// The named types of a base that can be in a distilled base, by name.
pub(super) struct Matches<'b> {
    /// By name and size, or by name alone those whose size does not matter. At most two of the same traits: a second one
    /// makes a match ambiguous already, and without a limit a base of equal names would take quadratic time.
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
            let levels = base.levels().into_iter();
            let types = levels.flat_map(|level| level.types_of(|kind| KINDS & kind.bit() != 0).collect::<Vec<_>>());
            types.filter_map(|(id, t)| Some((name(base, t.name_off())?, id, t)))
        };
        let mut composites: FixedMap<&[u8], u32> = FixedMap::default();
        for (name, _, _) in types().filter(|(_, _, t)| t.is_composite()) {
            *composites.entry(name).or_default() += 1;
        }
        let mut by_name: ByName<'b> = FixedMap::default();
        for (name, id, t) in types() {
            let traits = Traits::of(t);
            let any_size = match t.is_composite() {
                true => composites.get(name) == Some(&1),
                false => traits.kind == Kind::Fwd,
            };
            let same = by_name.entry((name, (!any_size).then_some(traits.size))).or_default();
            if same.iter().filter(|(_, other)| *other == traits).count() < 2 {
                same.push((id, traits));
            }
        }
        Matches { by_name }
    }

    /// What a kernel with this base takes for a distilled type. `embedded`: a struct or union of the module has it as a member, also
    /// through arrays, typedefs and qualifiers.
    pub(super) fn of(&self, name: &[u8], distilled: TypeView<'_>, embedded: bool) -> Found {
        let wanted = Traits::of(distilled);
        // ENUM64 has become ENUM.
        let fits = |have: &Traits| match wanted.kind {
            Kind::Int => have.kind == Kind::Int && have.encoding == wanted.encoding,
            Kind::Float => have.kind == Kind::Float,
            Kind::Enum | Kind::Enum64 => matches!(have.kind, Kind::Enum | Kind::Enum64),
            Kind::Struct | Kind::Union => !embedded || have.size == wanted.size,
            // The kflag of a struct or union has nothing to do with that of a declaration, but is what is looked at.
            Kind::Fwd => match have.kind {
                Kind::Fwd => have.kflag == wanted.kflag,
                Kind::Struct => !have.kflag,
                Kind::Union => have.kflag,
                _ => false,
            },
            _ => false,
        };
        let mut found = Found::Nothing;
        for size in [None, Some(wanted.size)] {
            for (id, _) in self.by_name.get(&(name, size)).into_iter().flatten().filter(|(_, have)| fits(have)) {
                found = match found {
                    Found::Nothing => Found::One(*id),
                    Found::One(first) => Found::Several(first.min(*id), first.max(*id)),
                    Found::Several(..) => return found,
                };
            }
        }
        found
    }
}

/// A name that a kernel can have: not empty, not too long.
fn name<'b>(base: &BtfView<'b>, offset: StrOff) -> Option<&'b [u8]> {
    let tail = base.string_tail(offset)?;
    let end = memchr::memchr(0, &tail[..tail.len().min(MAX_NAME + 1)])?;
    Some(&tail[..end]).filter(|name| !name.is_empty())
}
