//! Enumerations (DWARF5 5.8).

use btf::graph::Head;
use btf::kind::Kind;
use btf::strings::StrId;
use dwarf::die::{Attr, Role, Value};
use dwarf::walk::Die;
use gimli::Endianity;

use super::{Converter, Open, RawRef, UnitTypes, head, scalar};

/// An enumerator: the value's 64 bits, and whether it is negative.
#[derive(Clone, Copy, Debug)]
pub struct Enumerator {
    name: StrId,
    value: u64,
    negative: bool,
}

impl<E: Endianity> Converter<'_, '_, '_, '_, E> {
    pub(super) fn enumeration(&mut self, die: Die<'_>) -> Role {
        let place = self.out.reserve(die.offset);
        if die.attributes.has(Attr::Signature) {
            return self.type_units_declaration(place, die);
        }
        let name = self.name(die.attributes);
        let size = die.attributes.unsigned(Attr::ByteSize).unwrap_or(4);
        let target = self.type_of(die.attributes);
        let first = self.out.scratch.enumerators.len();
        self.open(Open { place, name, size, target, first });
        if !die.has_children {
            self.end_enumeration();
            return Role::Other;
        }
        Role::Enumeration
    }

    pub(super) fn enumerator(&mut self, die: Die<'_>) -> Role {
        let name = self.name(die.attributes);
        let (value, negative) = match die.attributes.get(Attr::ConstValue) {
            Some(Value::Unsigned(v) | Value::SectionOffset(v) | Value::Address(v)) => (v, false),
            Some(Value::Signed(v)) => (v as u64, v < 0),
            Some(Value::Flag(v)) => (u64::from(v), false),
            _ => {
                self.out.degraded.enumerators += 1;
                return Role::Other;
            }
        };
        if name == StrId::EMPTY {
            self.out.degraded.enumerators += 1;
            return Role::Other;
        }
        self.out.scratch.enumerators.push(Enumerator { name, value, negative });
        Role::Other
    }

    pub(super) fn end_enumeration(&mut self) {
        let Some(open) = self.out.scratch.open.pop() else { return };
        let out = &mut *self.out;
        if !matches!(open.size, 1 | 2 | 4 | 8) {
            out.scratch.enumerators.truncate(open.first);
            out.degraded.enums += 1;
            let bytes = self.bytes(open.size);
            self.out.alias(open.place, bytes);
            return;
        }
        let wide = open.size > 4 && self.dialect.enum64 && self.features.enum64;
        let values = &out.scratch.enumerators[open.first..];
        let kept = values.len().min(self.max_vlen);
        out.degraded.enumerators += (values.len() - kept) as u64;
        let values = &values[..kept];
        let negative = values.iter().any(|e| e.negative);
        let mut trailer = std::mem::take(&mut out.scratch.trailer);
        trailer.clear();
        for e in values {
            let fits = if e.negative { e.value as i64 >= i64::from(i32::MIN) } else { e.value <= u64::from(u32::MAX) };
            out.degraded.enumerators += u64::from(!wide && !fits);
            trailer.extend([e.name.0, e.value as u32]);
            if wide {
                trailer.push((e.value >> 32) as u32);
            }
        }
        let kind = if wide { Kind::Enum64 } else { Kind::Enum };
        let kflag = negative && (wide || self.dialect.enum_sign && self.features.enum64);
        out.define(open.place, Head { kflag, ..head(kind) }, open.name, open.size as u32, &trailer);
        if wide && !negative {
            out.scratch.wide_enums.push((open.place, open.target));
        }
        out.scratch.enumerators.truncate(open.first);
        out.scratch.trailer = trailer;
    }
}

impl UnitTypes {
    /// An ENUM64 is signed if its underlying type is, also without a negative value (as pahole has it).
    pub(super) fn set_signs_of_wide_enums(&mut self) {
        for i in 0..self.scratch.wide_enums.len() {
            let (record, underlying) = self.scratch.wide_enums[i];
            if self.is_signed(underlying) {
                let word = self.records.get(record)[0];
                let kind = Head::of(&[word]).kind;
                self.records.get_mut(record)[0] = Head { kind, kflag: true }.word();
            }
        }
    }

    fn is_signed(&self, underlying: RawRef) -> bool {
        let mut at = self.local(underlying.0);
        for _ in 0..self.records.len() {
            let Some(record) = self.record(at) else { return false };
            match Head::of(record).kind {
                Kind::Int => return record[3] & scalar::SIGNED != 0,
                Kind::Typedef | Kind::Const | Kind::Volatile => at = UnitTypes::referred(record[2]),
                _ => return false,
            }
        }
        false
    }
}
