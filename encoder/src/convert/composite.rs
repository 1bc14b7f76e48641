//! Structs, unions and their members (DWARF5 5.7).

use btf::graph::Head;
use btf::kind::Kind;
use btf::strings::StrId;
use dwarf::die::{Attr, Attributes, Role, Value};
use dwarf::walk::Die;
use gimli::Endianity;

use super::{Converter, Open, RawRef, Tagged, head};

/// A member before the kflag of its composite is known.
#[derive(Clone, Copy, Debug)]
pub struct Member {
    name: StrId,
    target: RawRef,
    bit_offset: u64,
    /// 0: not a bit-field.
    bit_size: u64,
}

/// What members have that are bit-fields, static, or annotated.
const UNUSUAL: u64 = Attr::External.bit()
    | Attr::Declaration.bit()
    | Attr::BitSize.bit()
    | Attr::BitOffset.bit()
    | Attr::DataBitOffset.bit()
    | Attr::Annotation.bit();

/// First bit offset that a struct with kflag cannot say (btf.rst 2.2.4).
const KFLAG_BITS: u64 = 1 << 24;

impl<E: Endianity> Converter<'_, '_, '_, '_, E> {
    pub(super) fn composite(&mut self, die: Die<'_>) -> Role {
        let place = self.out.reserve(die.offset);
        if die.attributes.has(Attr::Signature) {
            return self.type_units_declaration(place, die);
        }
        let name = self.name(die.attributes);
        if die.attributes.flag(Attr::Declaration) {
            if name != StrId::EMPTY {
                let kflag = die.role == Role::Union;
                self.out.define(place, Head { kind: Kind::Fwd, kflag }, name, 0, &[]);
            }
            return Role::Other;
        }
        self.annotate(die.attributes, Tagged::Type(RawRef(die.offset)), -1);
        let size = die.attributes.unsigned(Attr::ByteSize).unwrap_or(0);
        let first = self.out.scratch.members.len();
        // Annotations find the composite by its DIE.
        self.open(Open { place, name, size, target: RawRef(die.offset), first });
        if !die.has_children {
            self.end_composite(die.role);
            return Role::Other;
        }
        die.role
    }

    /// The variants of a Rust enum: what is left of them is a union.
    pub(super) fn variants(&mut self, die: Die<'_>) -> Role {
        let depth = self.out.scratch.open.len();
        if self.out.scratch.variants.last() != Some(&depth) {
            self.out.scratch.variants.push(depth);
            self.out.degraded.foreign_types += 1;
        }
        if die.has_children { Role::Variants } else { Role::Other }
    }

    #[inline(always)]
    pub(super) fn member(&mut self, die: Die<'_>) -> Role {
        let a = die.attributes;
        let bytes = if a.has(Attr::MemberLocation) { a.unsigned(Attr::MemberLocation) } else { Some(0) };
        let bits = bytes.and_then(|bytes| bytes.checked_mul(8));
        let (Some(bit_offset), false, false) = (bits, a.has_any(UNUSUAL), die.has_children) else {
            return self.unusual_member(die);
        };
        let (name, target) = (self.name(a), self.type_of(a));
        if target == RawRef::VOID {
            self.out.degraded.members += 1;
        } else {
            self.out.scratch.members.push(Member { name, target, bit_offset, bit_size: 0 });
        }
        Role::Other
    }

    fn unusual_member(&mut self, die: Die<'_>) -> Role {
        let a = die.attributes;
        if a.flag(Attr::External) || a.flag(Attr::Declaration) {
            return Role::Other; // a static member of C++
        }
        let name = self.name(a);
        let target = self.type_of(a);
        let Some(bit_offset) = self.bit_offset(a) else {
            self.out.degraded.members += 1;
            return Role::Other;
        };
        let bit_size = a.unsigned(Attr::BitSize).unwrap_or(0);
        if target == RawRef::VOID {
            self.out.degraded.members += 1;
            return Role::Other;
        }
        self.out.scratch.members.push(Member { name, target, bit_offset, bit_size });
        let number = self.out.scratch.members.len() - 1;
        self.annotate_member(a, number);
        if !die.has_children {
            return Role::Other;
        }
        self.open(Open { place: number, name, size: 0, target, first: 0 });
        Role::Member
    }

    /// Bits from the start of the composite (DWARF5 5.7.6). None if DWARF computes it at run time.
    fn bit_offset(&mut self, a: &Attributes) -> Option<u64> {
        if let Some(bits) = a.unsigned(Attr::DataBitOffset) {
            return Some(bits);
        }
        let bytes = match a.get(Attr::MemberLocation) {
            None => 0,
            Some(Value::Block(start, len)) => self.constant_location(start, len)?,
            Some(_) => a.unsigned(Attr::MemberLocation)?,
        };
        let bits = bytes.checked_mul(8)?;
        let (Some(inner), Some(size)) = (a.get(Attr::BitOffset), a.unsigned(Attr::BitSize)) else {
            return Some(bits);
        };
        // DWARF 2 and 3 count from the most significant bit of the storage unit (DWARF3 5.5.6). A field of a packed struct
        // may begin outside of it: gcc writes a negative number then, clang one of 8 bytes.
        let inner = match inner {
            Value::Signed(n) => n,
            Value::Unsigned(n) => n as i64,
            _ => return None,
        };
        if self.unit.endian.is_big_endian() {
            return bits.checked_add_signed(inner);
        }
        let storage = a.unsigned(Attr::ByteSize)?.checked_mul(8)?;
        bits.checked_add(storage)?.checked_add_signed(inner.checked_neg()?)?.checked_sub(size)
    }

    /// The offset in a location that only adds a constant: what C compilers write.
    fn constant_location(&self, start: usize, len: usize) -> Option<u64> {
        let bytes = self.unit.bytes().get(start..start.checked_add(len)?)?;
        let expression = gimli::Expression(gimli::EndianSlice::new(bytes, self.unit.endian));
        let mut operations = expression.operations(self.unit.gimli_encoding());
        let value = match operations.next().ok()?? {
            gimli::Operation::PlusConstant { value } | gimli::Operation::UnsignedConstant { value } => value,
            _ => return None,
        };
        operations.next().ok()?.is_none().then_some(value)
    }

    pub(super) fn end_composite(&mut self, role: Role) {
        let depth = self.out.scratch.open.len();
        let Some(open) = self.out.scratch.open.pop() else { return };
        let has_variants = self.out.scratch.variants.last() == Some(&depth);
        if has_variants {
            self.out.scratch.variants.pop();
        }
        let kind = if role == Role::Union || has_variants { Kind::Union } else { Kind::Struct };
        let size = u32::try_from(open.size).unwrap_or_else(|_| {
            self.out.degraded.sizes += 1;
            u32::MAX
        });
        let out = &mut *self.out;
        let mut kflag = false;
        let mut fitted = None;
        let most = self.max_vlen;
        if !is_plain(&out.scratch.members[open.first..], kind, open.size, most) {
            let before = out.scratch.members.len();
            let fit = fit(&mut out.scratch.members, open.first, kind, open.size, most);
            kflag = fit.kflag;
            out.degraded.members += (before - out.scratch.members.len()) as u64;
            fitted = Some(fit.numbers);
        }
        if !out.scratch.member_tags.is_empty() {
            out.tag_members(&open, fitted.as_deref());
        }
        let words = out.scratch.members[open.first..].iter().map(|m| {
            let offset = m.bit_offset as u32 | if kflag { (m.bit_size as u32) << 24 } else { 0 };
            [m.name.0, m.target.0, offset]
        });
        out.records.push_elements(Head { kflag, ..head(kind) }, open.name, size, words);
        out.scratch.members.truncate(open.first);
        out.records.move_last(open.place);
    }
}

/// True for members that can be written as they are: in order, without bit-fields, within the composite, at most `most`.
fn is_plain(members: &[Member], kind: Kind, size: u64, most: usize) -> bool {
    let end = match kind {
        Kind::Union => 0,
        _ => size.saturating_mul(8).min(u64::from(u32::MAX)),
    };
    let mut last = 0;
    members.len() <= most
        && members.iter().all(|m| {
            let in_order = m.bit_size == 0 && last <= m.bit_offset && m.bit_offset <= end;
            last = m.bit_offset;
            in_order
        })
}

/// What became of members that could not be written as they were.
struct Fit {
    kflag: bool,
    /// Which members are left, in their order, by the numbers that they had before.
    numbers: Vec<usize>,
}

/// Brings the members from `first` on into the form that kernels accept; some may be left out.
fn fit(all: &mut Vec<Member>, first: usize, kind: Kind, size: u64, most: usize) -> Fit {
    let mut members: Vec<(usize, Member)> = all.drain(first..).enumerate().collect();
    // Kernels demand ascending offsets in structs, and none in unions (rules M54, M55 of btf/src/verify/meta.rs).
    match kind {
        Kind::Union => members.retain(|(_, m)| m.bit_offset == 0),
        _ if !members.is_sorted_by_key(|(_, m)| m.bit_offset) => members.sort_by_key(|(_, m)| m.bit_offset),
        _ => {}
    }
    let mut kflag = members.iter().any(|(_, m)| m.bit_size != 0);
    if kflag && members.iter().any(|(_, m)| m.bit_offset >= KFLAG_BITS) {
        // Offsets beyond 2 MiB and bit-fields cannot be said together: the plain members stay right.
        members.retain(|(_, m)| m.bit_size == 0);
        kflag = false;
    }
    // Beyond the end: sizes that are computed at run time (a GNU C struct with an array of variable length) are 0.
    let end = size.saturating_mul(8).min(u64::from(u32::MAX));
    members.retain(|(_, m)| m.bit_offset <= end && m.bit_size < 256);
    members.truncate(most);
    all.extend(members.iter().map(|(_, m)| *m));
    Fit { kflag, numbers: members.into_iter().map(|(number, _)| number).collect() }
}
