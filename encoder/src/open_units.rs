//! Units that a worker reads DIEs of for other units, kept open: many units refer to the same few.

use std::cell::OnceCell;
use std::rc::Rc;

use btf::map::{FixedMap, FixedSet};
use dwarf::unit::{PlansBuffer, Unit, UnitHeader};
use dwarf::walk;
use gimli::{Endianity, Format};

use crate::error::Result;
use crate::sources::{Place, Sources};

/// Bytes of memory from which on they are closed: more than units of a kernel have in common.
const MOST_MEMORY: usize = 64 << 20;

/// A unit, its reading plans, and where its DIEs start.
#[derive(Debug)]
pub struct OpenUnit<'a, E> {
    /// The unit.
    pub unit: Unit<'a, E>,
    /// Its plans, which others may share.
    pub plans: Rc<PlansBuffer>,
    starts: OnceCell<Vec<u64>>,
}

impl<E: Endianity> OpenUnit<'_, E> {
    /// True if a DIE starts at an offset of the unit.
    pub fn has_die_at(&self, offset: usize) -> Result<bool> {
        let starts = match self.starts.get() {
            Some(starts) => starts,
            None => {
                let found = walk::starts(&self.unit, &self.plans)?;
                self.starts.get_or_init(|| found)
            }
        };
        Ok(starts.get(offset / 64).is_some_and(|word| word >> (offset % 64) & 1 != 0))
    }
}

/// An abbreviation table as units with some encoding read it: source, offset, address size, format, version.
type Table = (usize, u64, u8, Format, u16);

/// The units that are open.
#[derive(Debug)]
pub struct OpenUnits<'a, E> {
    /// Where they are.
    pub sources: &'a Sources<'a>,
    /// Those that were open at any time.
    pub used: FixedSet<Place>,
    units: FixedMap<Place, Rc<OpenUnit<'a, E>>>,
    tables: FixedMap<Table, Rc<PlansBuffer>>,
    memory: usize,
}

impl<'a, E: Endianity> OpenUnits<'a, E> {
    /// None yet.
    pub fn new(sources: &'a Sources<'a>) -> OpenUnits<'a, E> {
        let (used, units, tables) = (FixedSet::default(), FixedMap::default(), FixedMap::default());
        OpenUnits { sources, used, units, tables, memory: 0 }
    }

    /// The unit that starts at a place.
    pub fn open(&mut self, place: Place, header: UnitHeader, endian: E) -> Result<Rc<OpenUnit<'a, E>>> {
        self.used.insert(place);
        if let Some(open) = self.units.get(&place) {
            return Ok(open.clone());
        }
        if self.memory > MOST_MEMORY {
            self.units.clear();
            self.tables.clear();
            self.memory = 0;
        }
        let source = self.sources.get(place.source());
        // Relocations that are not valid are reported when all was read.
        let bytes = source.info.whole().get(header.range()).unwrap_or_default();
        let header = header.read_again(bytes, endian)?;
        let encoding = header.encoding;
        let key = (place.source(), header.abbrev_offset, encoding.address_size, encoding.format, encoding.version);
        let plans = match self.tables.get(&key) {
            Some(plans) => plans.clone(),
            None => {
                let mut plans = PlansBuffer::default();
                plans.read(&header, &source.sections, endian)?;
                self.memory += plans.memory();
                self.tables.entry(key).or_insert(Rc::new(plans)).clone()
            }
        };
        let unit = Unit::open_with(header, bytes, source.sections, &plans, endian)?;
        let open = Rc::new(OpenUnit { unit, plans, starts: OnceCell::new() });
        self.memory += bytes.len() / 8 + size_of::<OpenUnit<'_, E>>();
        self.units.insert(place, open.clone());
        Ok(open)
    }
}
