//! Where units are, and how they find each other: a unit may refer to a DIE of another one by its offset, by the signature of a
//! type unit, or by its offset in the alternate file that dwz made for several files.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, Ordering};

use btf::map::FixedMap;
use dwarf::sections::{DebugData, DebugSection, Sections};
use dwarf::unit::{self, Parts, PlansBuffer, Unit, UnitHeader, UnitKind};
use gimli::Endianity;

use crate::error::Result;

/// A byte of a section with units: the number of the [`Source`], and the offset there.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Place(u64);

impl Place {
    const OFFSET_BITS: u32 = 48;
    /// In no source.
    pub const NOWHERE: Place = Place(0xffff << Place::OFFSET_BITS);

    /// A byte of a source. An offset that no section can have leads to no unit.
    pub fn new(source: usize, offset: u64) -> Place {
        let most = (1 << Place::OFFSET_BITS) - 1;
        Place((source as u64) << Place::OFFSET_BITS | offset.min(most))
    }

    /// Number of the source.
    pub fn source(self) -> usize {
        (self.0 >> Place::OFFSET_BITS) as usize
    }

    /// Bytes from the start of its section.
    pub fn offset(self) -> usize {
        (self.0 & ((1 << Place::OFFSET_BITS) - 1)) as usize
    }

    /// How many bytes it lies behind another place; None if it does not.
    pub fn after(self, other: Place) -> Option<u64> {
        self.0.checked_sub(other.0)
    }

    /// The place some bytes further on.
    pub fn plus(self, bytes: usize) -> Place {
        Place(self.0.saturating_add(bytes as u64))
    }
}

/// A section with units, and what they need to be read.
#[derive(Debug)]
pub struct Source<'a> {
    /// The sections that its units lead to.
    pub sections: Sections<'a>,
    /// The section itself.
    pub info: &'a DebugSection<'a>,
    /// Its units, in order.
    pub headers: Vec<UnitHeader>,
    /// Its file, where it is not the one that is encoded.
    pub file: &'a str,
    /// Its units are read for themselves, or for others of them; those of an alternate file only for others.
    is_own: bool,
    /// The source that offsets in `.debug_info` count in.
    debug_info: usize,
    /// The same of the alternate file.
    alternate: Option<usize>,
    /// Per block of as many bytes as units have on average, the number of the first unit that starts in it or behind it; made when it is
    /// first asked for.
    blocks: OnceLock<Vec<u32>>,
    /// Per unit whether it is a partial one, once somebody asked: 0 if not.
    partial: Vec<AtomicU8>,
}

impl Source<'_> {
    /// True if its units are the file's; otherwise they are those of an alternate file.
    pub fn is_own(&self) -> bool {
        self.is_own
    }

    /// How many units start at or before an offset. What dwz made has 25,000 units for a kernel, and asks millions of times.
    fn units_up_to(&self, offset: usize) -> usize {
        let headers = &self.headers;
        let size = (self.info.len() / headers.len().max(1)).max(1);
        let blocks = self.blocks.get_or_init(|| {
            let mut next = 0;
            let count = self.info.len() / size + 1;
            let first = |block: usize| {
                while headers.get(next).is_some_and(|header| header.offset < block * size) {
                    next += 1;
                }
                next as u32
            };
            (0..count).map(first).collect()
        });
        let of_block = |block: usize| blocks.get(block).map_or(headers.len(), |&first| first as usize);
        let range = of_block(offset / size)..of_block(offset / size + 1);
        range.start + headers[range].partition_point(|header| header.offset <= offset)
    }
}

/// All sections with units that the units of a file can refer to.
#[derive(Debug)]
pub struct Sources<'a> {
    list: Vec<Source<'a>>,
    /// Type units by their signature: (place of the unit, of its type).
    types: FixedMap<u64, (Place, Place)>,
}

impl<'a> Sources<'a> {
    /// Those of a file, and of its alternate file. The first source is the file's `.debug_info`.
    ///
    /// # Errors
    /// A unit header that is damaged.
    pub fn new<E: Endianity>(data: &'a DebugData<'a>, endian: E) -> Result<Sources<'a>> {
        let mut sources = Sources { list: Vec::new(), types: FixedMap::default() };
        sources.add_file(data, "", endian)?;
        let own = sources.list.len();
        if let Some((alternate, name)) = &data.alternate {
            sources.add_file(alternate, name, endian)?;
            sources.list[..own].iter_mut().for_each(|source| source.alternate = Some(own));
            sources.list[own..].iter_mut().for_each(|source| source.is_own = false);
        }
        sources.index_types();
        Ok(sources)
    }

    /// Those of a file with split units, which refer to nothing outside of it. `parts` tells what of its sections is a unit's own.
    ///
    /// # Errors
    /// A unit header that is damaged.
    pub fn split<E: Endianity>(
        data: &'a DebugData<'a>,
        file: &'a str,
        parts: impl Fn(&UnitHeader) -> Parts,
        endian: E,
    ) -> Result<Sources<'a>> {
        let mut sources = Sources { list: Vec::new(), types: FixedMap::default() };
        sources.add_file(data, file, endian)?;
        let headers = sources.list.iter_mut().flat_map(|source| &mut source.headers);
        headers.for_each(|header| *header = header.with_parts(parts(header)));
        sources.index_types();
        Ok(sources)
    }

    fn add_file<E: Endianity>(&mut self, data: &'a DebugData<'a>, file: &'a str, endian: E) -> Result<()> {
        let mut sections = data.sections();
        if !file.is_empty() {
            sections.alternate_str = sections.str;
        }
        let debug_info = self.list.len();
        for info in std::iter::once(&data.info).chain(&data.types) {
            let headers = unit::headers(info, endian)?;
            let is_main = self.list.len() == debug_info;
            if let Some(header) = headers.iter().find(|h| !is_main && h.kind != UnitKind::Type) {
                let (section, offset) = (info.name(), header.offset as u64);
                let text = "a compile unit in a section of type units, or in a second .debug_info";
                return Err(dwarf::error::Error::at(dwarf::error::ErrorKind::Unsupported, section, offset, text).into());
            }
            let partial = headers.iter().map(|_| AtomicU8::new(0)).collect();
            self.list.push(Source {
                sections,
                info,
                headers,
                file,
                is_own: true,
                debug_info,
                alternate: None,
                blocks: OnceLock::new(),
                partial,
            });
        }
        Ok(())
    }

    /// The first type unit of a signature counts: linkers and assemblers keep one of several.
    fn index_types(&mut self) {
        for (number, source) in self.list.iter().enumerate() {
            for header in &source.headers {
                let Some((signature, offset)) = header.signature else { continue };
                let unit = Place::new(number, header.offset as u64);
                let found = Place::new(number, (header.offset as u64).saturating_add(offset));
                self.types.entry(signature).or_insert((unit, found));
            }
        }
    }

    /// What to call a place in messages: file, section and offset.
    pub fn name(&self, place: Place) -> String {
        let source = self.get(place.source());
        let separator = if source.file.is_empty() { "" } else { ": " };
        format!("{}{separator}{}+{:#x}", source.file, source.info.name(), place.offset())
    }

    /// A source by its number.
    pub fn get(&self, source: usize) -> &Source<'a> {
        &self.list[source]
    }

    /// All sources, by their numbers.
    pub fn all(&self) -> impl Iterator<Item = (usize, &Source<'a>)> {
        self.list.iter().enumerate()
    }

    /// The sources of the file itself, not of its alternate file.
    pub fn own(&self) -> impl Iterator<Item = (usize, &Source<'a>)> {
        self.list.iter().enumerate().filter(|(_, source)| source.is_own)
    }

    /// The type that a type unit is for, if that unit counts among those of its signature.
    pub fn type_of(&self, header: &UnitHeader) -> Option<Place> {
        header.signature.and_then(|(signature, _)| self.type_of_signature(signature))
    }

    /// Bytes of all that names of DIEs may be in, but for the file's `.debug_str`.
    pub fn bytes_with_names(&self) -> usize {
        let infos: usize = self.list.iter().map(|source| source.info.len()).sum();
        let lines = |source: &Source<'_>| source.sections.line_str.len() + source.sections.alternate_str.len();
        infos + self.list.first().map_or(0, lines)
    }

    /// The place at an offset in the `.debug_info` that units of a source refer to.
    pub fn in_debug_info(&self, source: usize, offset: u64) -> Place {
        Place::new(self.list[source].debug_info, offset)
    }

    /// The same in the alternate file; None if there is none.
    pub fn in_alternate(&self, source: usize, offset: u64) -> Option<Place> {
        self.list[source].alternate.map(|alternate| Place::new(alternate, offset))
    }

    /// The DIE of the type that a type unit is for.
    pub fn type_of_signature(&self, signature: u64) -> Option<Place> {
        self.types.get(&signature).map(|(_, found)| *found)
    }

    /// The type units of the file; of several with one signature the first.
    pub fn own_types(&self) -> Vec<(Place, UnitHeader)> {
        let units = self.own().flat_map(|(number, source)| {
            source.headers.iter().map(move |header| (Place::new(number, header.offset as u64), *header))
        });
        let counts = |place: Place, header: &UnitHeader| {
            header
                .signature
                .is_some_and(|(signature, _)| self.types.get(&signature).is_some_and(|(unit, _)| *unit == place))
        };
        units.filter(|(place, header)| counts(*place, header)).collect()
    }

    /// The unit that a place lies in: where it starts, and its header.
    pub fn unit_at(&self, place: Place) -> Option<(Place, UnitHeader)> {
        let source = self.list.get(place.source())?;
        let header = source.headers[..source.units_up_to(place.offset())]
            .last()
            .filter(|header| place.offset() < header.offset + header.size)?;
        Some((Place::new(place.source(), header.offset as u64), *header))
    }

    /// True if the unit that starts at a place is read for itself: a compile unit of the file. Others are read for the units that
    /// refer to them.
    pub fn is_root<E: Endianity>(&self, unit: Place, header: &UnitHeader, endian: E) -> Result<bool> {
        match header.kind {
            UnitKind::Type | UnitKind::Partial => Ok(false),
            _ if unit.source() != 0 => Ok(false),
            // Before DWARF 5 only the DIE tells.
            _ if header.encoding.version < 5 => Ok(!self.is_partial(unit, header, endian)?),
            UnitKind::Compile | UnitKind::Skeleton | UnitKind::Split => Ok(true),
        }
    }

    fn is_partial<E: Endianity>(&self, unit: Place, header: &UnitHeader, endian: E) -> Result<bool> {
        const NO: u8 = 1;
        const YES: u8 = 2;
        let source = &self.list[unit.source()];
        let number = source.units_up_to(unit.offset()) - 1;
        let known = &source.partial[number];
        if known.load(Ordering::Relaxed) == 0 {
            let mut plans = PlansBuffer::default();
            let bytes = &source.info.whole()[header.range()];
            let opened = Unit::open(*header, bytes, source.sections, &mut plans, endian)?;
            known.store(if opened.tag == gimli::DW_TAG_partial_unit { YES } else { NO }, Ordering::Relaxed);
        }
        Ok(known.load(Ordering::Relaxed) == YES)
    }
}
