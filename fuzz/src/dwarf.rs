//! The walk over DIEs, alone and as the encoder does it.

use dwarf::die::{Attr, Role, Value};
use dwarf::elf::ElfFile;
use dwarf::unit::{PlansBuffer, Unit, UnitHeader};
use dwarf::walk::{Die, Visit, walk};
use encoder::Caller;
use encoder::error::ErrorKind;
use encoder::one_shot::{Task, one_shot};
use gimli::{BigEndian, Endianity, LittleEndian};
use mutate::pipeline::options;

use crate::parts;

/// Debug sections; see [`parts::image`].
pub fn run(data: &[u8]) {
    let image = parts::image(data);
    let Ok(file) = ElfFile::parse(&image) else { return };
    match file.endian {
        object::Endianness::Little => units(&file, LittleEndian),
        object::Endianness::Big => units(&file, BigEndian),
    }
    // By the bits that are left over.
    let options = options(data.first().map_or(0, |bits| u64::from(bits >> 3)));
    let task = Task::new(None, &options);
    if let Err(e) = one_shot(&file, &task, Caller::default()) {
        assert_ne!(e.kind(), ErrorKind::Verify, "{e}");
    }
}

fn units<E: Endianity>(file: &ElfFile<'_>, endian: E) {
    let Ok(data) = file.debug_data() else { return };
    let Ok(headers) = dwarf::unit::headers(&data.info, endian) else { return };
    let mut plans = PlansBuffer::default();
    let mut end = 0;
    for header in headers {
        assert!(header.offset >= end && header.range().end <= data.info.len(), "units overlap");
        end = header.range().end;
        unit(&data, header, &mut plans, endian);
    }
}

fn unit<E: Endianity>(data: &dwarf::sections::DebugData<'_>, header: UnitHeader, plans: &mut PlansBuffer, endian: E) {
    let mut buffer = Vec::new();
    let Ok(bytes) = data.info.part(header.range(), &mut buffer) else { return };
    let Ok(unit) = Unit::open(header, bytes, data.sections(), plans, endian) else { return };
    _ = unit.code_ranges();
    let mut visitor = All { unit: &unit, depth: 0, last: 0 };
    let ended = walk(&unit, plans, &mut visitor).is_ok();
    assert!(!ended || visitor.depth == 0, "each DIE that was entered was left");
}

/// Wants everything, and reads what each value leads to.
struct All<'u, 'a, E> {
    unit: &'u Unit<'a, E>,
    depth: u32,
    last: u32,
}

impl<E: Endianity> Visit for All<'_, '_, E> {
    fn wants(&self, _role: Role, _parent: Role) -> bool {
        true
    }

    fn enter(&mut self, die: Die<'_>) -> Role {
        assert!(die.offset > self.last, "DIEs come in order");
        self.last = die.offset;
        self.depth += u32::from(die.has_children && die.role != Role::Other);
        for attr in [Attr::Name, Attr::Location, Attr::Ranges, Attr::LowPc, Attr::ConstValue, Attr::Type] {
            let Some(value) = die.attributes.get(attr) else { continue };
            match value {
                Value::Text(text) => _ = (self.unit.text(text), self.unit.str_offset(text)),
                Value::Block(start, length) => {
                    assert!(start + length <= self.unit.bytes().len(), "the block is in the unit");
                }
                _ => {}
            }
            _ = self.unit.address(value);
            if let Some(list) = self.unit.range_list(value) {
                _ = self.unit.ranges_at(list);
            }
            if let Some(list) = self.unit.location_list(value) {
                self.unit.location_list_at(list, |mut entries| ((), matches!(entries.next(), Ok(None))));
            }
        }
        die.role
    }

    fn leave(&mut self, _role: Role) {
        self.depth -= 1;
    }
}
