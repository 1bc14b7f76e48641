//! Arrays (DWARF5 5.5).

use btf::kind::Kind;
use btf::strings::StrId;
use dwarf::die::{Attr, Role, Value};
use dwarf::walk::Die;
use gimli::Endianity;

use super::{Converter, Open, RawRef, head};

impl<E: Endianity> Converter<'_, '_, '_, '_, E> {
    pub(super) fn array(&mut self, die: Die<'_>) -> Role {
        let place = self.out.reserve(die.offset);
        let target = self.type_of(die.attributes);
        let first = self.out.scratch.dimensions.len();
        self.open(Open { place, name: StrId::EMPTY, size: 0, target, first });
        if !die.has_children {
            self.end_array();
            return Role::Other;
        }
        Role::Array
    }

    /// A dimension: its upper bound + 1, or its count, or 0 if that is unknown (`[]`) or computed at run time.
    pub(super) fn subrange(&mut self, die: Die<'_>) -> Role {
        let count = match (die.attributes.get(Attr::UpperBound), die.attributes.get(Attr::Count)) {
            (Some(Value::Unsigned(upper)), _) => upper.wrapping_add(1),
            (Some(Value::Signed(upper)), _) => u64::try_from(upper.saturating_add(1)).unwrap_or(0),
            (Some(_), _) => 0,
            (None, Some(_)) => die.attributes.unsigned(Attr::Count).unwrap_or(0),
            (None, None) => 0,
        };
        // gcc writes [0] as an upper bound of -1 in 4 or 8 bytes where it has no signed form.
        let count = if count == 1 << 32 && self.unit.header.encoding.address_size == 4 { 0 } else { count };
        self.out.scratch.dimensions.push(count);
        Role::Other
    }

    pub(super) fn end_array(&mut self) {
        let Some(open) = self.out.scratch.open.pop() else { return };
        let index = self.index_type();
        let mut target = open.target;
        if target == RawRef::VOID {
            self.out.degraded.foreign_types += 1;
            self.out.scratch.dimensions.truncate(open.first);
            return; // an array of nothing: the place stays void
        }
        let dimensions = &mut self.out.scratch.dimensions;
        if dimensions.len() == open.first {
            dimensions.push(1);
        } else if !self.dialect.nested_arrays {
            let all = dimensions.drain(open.first..).fold(1u64, u64::saturating_mul);
            dimensions.push(all);
        }
        for i in (open.first..self.out.scratch.dimensions.len()).rev() {
            let count = self.out.scratch.dimensions[i];
            let count = u32::try_from(count).unwrap_or_else(|_| {
                self.out.degraded.sizes += 1;
                0
            });
            let trailer = [target.0, index.0, count];
            if i == open.first {
                self.out.define(open.place, head(Kind::Array), StrId::EMPTY, 0, &trailer);
            } else {
                target = self.out.synthetic(head(Kind::Array), StrId::EMPTY, 0, &trailer);
            }
        }
        self.out.scratch.dimensions.truncate(open.first);
    }
}
