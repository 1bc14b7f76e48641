//! Variables that stand directly in a unit (DWARF5 4.1).

use btf::strings::StrId;
use dwarf::die::{Attr, Role, Value};
use dwarf::walk::Die;
use gimli::Endianity;

use super::{Converter, Open, RawRef, ReadPlace, Tagged};

/// A variable DIE (DWARF5 4.1).
#[derive(Clone, Copy, Debug)]
pub struct RawVariable {
    /// Offset of its DIE in the unit.
    pub offset: u32,
    /// Name; empty if its declaration has it.
    pub name: StrId,
    /// Type; void if its declaration has it.
    pub target: RawRef,
    /// The declaration that it completes, or what gcc has kept of it before link-time optimisation.
    pub origin: RawRef,
    /// It is only declared.
    pub declaration: bool,
    /// It is visible outside of its unit.
    pub external: bool,
    /// The compiler made it.
    pub artificial: bool,
    /// Where it is, if that is fixed.
    pub address: Option<u64>,
}

impl<E: Endianity> Converter<'_, '_, '_, '_, E> {
    pub(super) fn variable(&mut self, die: Die<'_>) -> Role {
        let a = die.attributes;
        let name = self.name(a);
        let address = match a.get(Attr::Location) {
            // A variable of another unit is described there.
            Some(Value::Block(start, len)) if self.place == ReadPlace::Own => self.fixed_address(start, len),
            _ => None,
        };
        let mut origin = self.reference_of(a, Attr::Specification);
        if origin == RawRef::VOID {
            origin = self.reference_of(a, Attr::AbstractOrigin);
        }
        let variable = RawVariable {
            offset: die.offset,
            name,
            target: self.type_of(a),
            origin,
            declaration: a.flag(Attr::Declaration),
            external: a.flag(Attr::External),
            artificial: a.flag(Attr::Artificial),
            address,
        };
        self.out.variables.push(variable);
        let place = self.out.variables.len() - 1;
        self.annotate(a, Tagged::Variable(place), -1);
        if !die.has_children {
            return Role::Other;
        }
        self.open(Open { place, name, size: 0, target: variable.target, first: 0 });
        Role::Variable
    }

    /// The address in a location that is just that, perhaps with a constant added.
    fn fixed_address(&self, start: usize, len: usize) -> Option<u64> {
        let bytes = self.unit.bytes().get(start..start.checked_add(len)?)?;
        let expression = gimli::Expression(gimli::EndianSlice::new(bytes, self.unit.endian));
        let mut operations = expression.operations(self.unit.gimli_encoding());
        let address = match operations.next().ok()?? {
            gimli::Operation::Address { address } => address,
            gimli::Operation::AddressIndex { index } => self.unit.address(Value::AddressIndex(index.0 as u64))?,
            _ => return None,
        };
        match operations.next().ok()? {
            None => Some(address),
            Some(gimli::Operation::PlusConstant { value }) if operations.next().ok()?.is_none() => {
                Some(address.wrapping_add(value))
            }
            Some(_) => None,
        }
    }
}
