//! Units by their places, with gimli's reader for each: what a DIE refers to may be in another unit, or another file.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use dwarf::sections::DebugData;
use dwarf::unit::{Parts, UnitHeader, UnitKind};
use gimli::{AttributeValue, Dwarf, EndianSlice, Endianity, SectionId, UnitOffset, UnitRef};

use crate::sources::{Place, Sources};

pub type Slice<'a, E> = EndianSlice<'a, E>;
pub type Entry<'a, E> = gimli::DebuggingInformationEntry<Slice<'a, E>>;

/// A unit; gimli sees nothing but it, at offset 0.
pub struct OpenUnit<'a, E: Endianity> {
    start: Place,
    dwarf: Dwarf<Slice<'a, E>>,
    unit: gimli::Unit<Slice<'a, E>>,
    /// What is left of it in its file, if it was split off.
    skeleton: Option<Rc<OpenUnit<'a, E>>>,
}

impl<'a, E: Endianity> OpenUnit<'a, E> {
    /// gimli's reader.
    pub fn get(&self) -> UnitRef<'_, Slice<'a, E>> {
        self.unit.unit_ref(&self.dwarf)
    }

    /// The unit with the lines and the names of files: lines are told by addresses, so they stay with those (DWARF5 3.1.2).
    pub fn with_lines(&self) -> UnitRef<'_, Slice<'a, E>> {
        self.skeleton.as_deref().unwrap_or(self).get()
    }

    /// Where it starts.
    pub fn start(&self) -> Place {
        self.start
    }

    /// The place of a DIE.
    pub fn place(&self, offset: UnitOffset<usize>) -> Place {
        self.start.plus(offset.0)
    }
}

/// A DIE: its unit, and its offset there.
pub type Located<'a, E> = (Rc<OpenUnit<'a, E>>, UnitOffset<usize>);

/// The units of a file and of its alternate file, or those of a file or package of split units.
pub struct Units<'a, E: Endianity> {
    sources: &'a Sources<'a>,
    /// `.debug_line` of the file, and of the alternate one.
    lines: [&'a [u8]; 2],
    endian: E,
    /// All of the alternate file.
    alternate: Option<Arc<Dwarf<Slice<'a, E>>>>,
    /// What is left in its file of the unit that was split off.
    skeleton: Option<Rc<OpenUnit<'a, E>>>,
    open: RefCell<BTreeMap<Place, Rc<OpenUnit<'a, E>>>>,
}

impl<'a, E: Endianity> Units<'a, E> {
    /// None is open yet. `alternate` are the sections of the alternate file.
    pub fn new(
        sources: &'a Sources<'a>,
        lines: [&'a [u8]; 2],
        alternate: Option<&'a DebugData<'a>>,
        endian: E,
    ) -> Units<'a, E> {
        let alternate = alternate.map(|data| {
            Arc::new(load(data, SectionId::DebugInfo, data.info.whole(), lines[1], Parts::default(), endian))
        });
        Units { sources, lines, endian, alternate, skeleton: None, open: RefCell::default() }
    }

    /// The units of a file or package, one of which is that of a skeleton.
    pub fn split(sources: &'a Sources<'a>, line: &'a [u8], skeleton: Rc<OpenUnit<'a, E>>, endian: E) -> Units<'a, E> {
        Units {
            sources,
            lines: [line, &[]],
            endian,
            alternate: None,
            skeleton: Some(skeleton),
            open: RefCell::default(),
        }
    }

    /// The unit that starts at a place.
    pub fn open(&self, start: Place, header: &UnitHeader) -> gimli::Result<Rc<OpenUnit<'a, E>>> {
        if let Some(open) = self.open.borrow().get(&start) {
            return Ok(open.clone());
        }
        let source = self.sources.get(start.source());
        let bytes = source.info.whole().get(header.range()).unwrap_or_default();
        let of_types = header.kind == UnitKind::Type && header.encoding.version < 5;
        let section = if of_types { SectionId::DebugTypes } else { SectionId::DebugInfo };
        let line = self.lines[usize::from(!source.is_own())];
        let mut dwarf = load(source.sections.data, section, bytes, line, header.parts, self.endian);
        dwarf.sup.clone_from(&self.alternate);
        if let Some(skeleton) = &self.skeleton {
            dwarf.make_dwo(&skeleton.dwarf);
        }
        let header = match of_types {
            true => dwarf.type_units().next()?,
            false => dwarf.units().next()?,
        };
        let mut unit = dwarf.unit(header.ok_or(gimli::Error::MissingUnitDie)?)?;
        if let Some(skeleton) = &self.skeleton {
            unit.copy_relocated_attributes(&skeleton.unit);
        }
        let open = Rc::new(OpenUnit { start, dwarf, unit, skeleton: self.skeleton.clone() });
        self.open.borrow_mut().insert(start, open.clone());
        Ok(open)
    }

    /// The DIE at a place; None if there is no unit there.
    pub fn at(&self, place: Place) -> gimli::Result<Option<Located<'a, E>>> {
        let Some((start, header)) = self.sources.unit_at(place) else { return Ok(None) };
        Ok(Some((self.open(start, &header)?, UnitOffset(place.offset() - start.offset()))))
    }

    /// Where the unit starts that a place is in.
    pub fn start_of(&self, place: Place) -> Option<Place> {
        self.sources.unit_at(place).map(|(start, _)| start)
    }

    /// The place that an attribute refers to.
    pub fn target(&self, unit: &OpenUnit<'a, E>, value: AttributeValue<Slice<'a, E>>) -> Option<Place> {
        let source = unit.start.source();
        match value {
            AttributeValue::UnitRef(offset) => Some(unit.place(offset)),
            AttributeValue::DebugInfoRef(offset) => Some(self.sources.in_debug_info(source, offset.0 as u64)),
            AttributeValue::DebugInfoRefSup(offset) => self.sources.in_alternate(source, offset.0 as u64),
            AttributeValue::DebugTypesRef(signature) => self.sources.type_of_signature(signature.0),
            _ => None,
        }
    }

    /// A string of a unit's.
    pub fn text(&self, unit: &OpenUnit<'a, E>, value: AttributeValue<Slice<'a, E>>) -> gimli::Result<Slice<'a, E>> {
        unit.get().attr_string(value)
    }
}

/// gimli's view of a file's sections, of which `info` is one.
fn load<'a, E: Endianity>(
    data: &'a DebugData<'a>,
    section: SectionId,
    info: &'a [u8],
    line: &'a [u8],
    parts: Parts,
    endian: E,
) -> Dwarf<Slice<'a, E>> {
    let from = |bytes: &'a [u8], start: u64| {
        usize::try_from(start).ok().and_then(|start| bytes.get(start..)).unwrap_or_default()
    };
    let bytes = |id: SectionId| match id {
        _ if id == section => info,
        SectionId::DebugAbbrev => from(data.abbrev.whole(), parts.abbrev),
        SectionId::DebugAddr => data.addr.whole(),
        SectionId::DebugLine => from(line, parts.lines),
        SectionId::DebugLineStr => data.line_str.whole(),
        SectionId::DebugLoc => from(data.loc.whole(), parts.locations),
        SectionId::DebugLocLists => from(data.loclists.whole(), parts.locations),
        SectionId::DebugRanges => data.ranges.whole(),
        SectionId::DebugRngLists => from(data.rnglists.whole(), parts.ranges),
        SectionId::DebugStr => data.str.whole(),
        SectionId::DebugStrOffsets => from(data.str_offsets.whole(), parts.str_offsets),
        _ => &[],
    };
    let loaded: Result<_, std::convert::Infallible> = Dwarf::load(|id| Ok(EndianSlice::new(bytes(id), endian)));
    let Ok(dwarf) = loaded;
    dwarf
}
