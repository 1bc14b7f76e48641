//! Units that were split off from their file (`-gsplit-dwarf`): into a `.dwo` file each, or many into a package of those, `.dwp`
//! (DWARF5 7.3.2, 7.3.5; before that GNU's extension of DWARF 4). What is left in the file is a skeleton, which says where the rest
//! is, and has the addresses.
//!
//! A unit's file is opened when it is its turn, and closed after it, so that as many are open at a time as there are workers. A package
//! stays open.

use std::path::{Path, PathBuf};

use btf::map::{FixedMap, FixedSet};
use dwarf::elf::ElfFile;
use dwarf::sections::{DebugData, DebugSection};
use dwarf::unit::{Parts, PlansBuffer, SPLIT_TYPES, Unit, UnitHeader, UnitKind};
use gimli::{EndianSlice, Endianity, IndexSectionId, UnitIndex};

use crate::debug_files::{self, Looked};
use crate::error::{Error, ErrorKind, Result};
use crate::input::Input;
use crate::sources::{Place, Sources};

/// The units of a `.dwo` file or of a package.
#[derive(Debug)]
pub struct SplitUnits<'a> {
    /// Where they are; compile units are in the first source.
    pub sources: Sources<'a>,
    /// Compile units, by what tells them.
    by_id: FixedMap<u64, UnitHeader>,
    /// Offset of the first compile unit.
    first: Option<usize>,
}

/// Where the units are that were split off from a file.
#[derive(Debug)]
pub struct SplitFiles<'a> {
    /// Byte order and class of the file.
    form: (object::Endianness, bool),
    /// The files with the skeletons: the one that has the DWARF, and the one that it was split off from.
    paths: Vec<&'a Path>,
    /// The package, if there is one, and its name; what is wrong with it.
    package: Option<(&'a str, std::result::Result<SplitUnits<'a>, String>)>,
}

impl<'a> SplitUnits<'a> {
    /// Finds the units of a file.
    ///
    /// # Errors
    /// Damaged headers of units, or indices.
    pub fn new<E: Endianity>(data: &'a DebugData<'a>, file: &'a str, endian: E) -> Result<SplitUnits<'a>> {
        let compile_units = PartsIndex::new(&data.cu_index, endian)?;
        let type_units = PartsIndex::new(&data.tu_index, endian)?;
        let parts = |header: &UnitHeader| match header.kind {
            UnitKind::Type => type_units.parts(header),
            UnitKind::Compile | UnitKind::Partial | UnitKind::Skeleton | UnitKind::Split => compile_units.parts(header),
        };
        let sources = Sources::split(data, file, parts, endian)?;
        let mut by_id = FixedMap::default();
        let source = sources.get(0);
        let mut plans = PlansBuffer::default();
        let compile = |header: &&UnitHeader| matches!(header.kind, UnitKind::Split | UnitKind::Compile);
        for header in source.headers.iter().filter(compile) {
            let id = match header.dwo_id {
                Some(id) => Some(id),
                // Before DWARF 5 only the DIE tells.
                None => {
                    let bytes = &source.info.whole()[header.range()];
                    Unit::open(*header, bytes, source.sections, &mut plans, endian)?.dwo_id
                }
            };
            id.map(|id| by_id.entry(id).or_insert(*header));
        }
        let first = source.headers.iter().find(compile).map(|header| header.offset);
        Ok(SplitUnits { sources, by_id, first })
    }

    /// The unit of a skeleton.
    pub fn find(&self, id: u64) -> Option<UnitHeader> {
        self.by_id.get(&id).copied()
    }

    /// The types of a file's type units, for the first compile unit. What it does not refer to itself its compiler found worth describing all the
    /// same: as long as they were not split off, types of variables are.
    pub fn types_of(&self, unit: &UnitHeader) -> Vec<Place> {
        if self.first != Some(unit.offset) {
            return Vec::new();
        }
        self.sources.own_types().iter().filter_map(|(_, header)| self.sources.type_of(header)).collect()
    }

    /// Bytes that names of DIEs may be in.
    pub fn bytes_with_names(&self) -> usize {
        self.sources.bytes_with_names() + self.sources.get(0).sections.str.len()
    }
}

impl<'a> SplitFiles<'a> {
    /// Those of a file. `package`: the debug sections of the package, if there is one.
    pub fn new<E: Endianity>(
        file: &ElfFile<'a>,
        package: Option<&'a dwarf::error::Result<DebugData<'a>>>,
        endian: E,
    ) -> SplitFiles<'a> {
        let package = package.zip(file.package_path()).map(|(data, name)| {
            let units = match data {
                Ok(data) => SplitUnits::new(data, name, endian).map_err(|e| e.to_string()),
                Err(e) => Err(e.to_string()),
            };
            (name, units)
        });
        let mut paths: Vec<&Path> = [file.debug_file().path, file.path].into_iter().flatten().collect();
        paths.dedup();
        SplitFiles { form: (file.endian, file.is_64), paths, package }
    }

    /// The package, if it is there and can be read.
    pub fn package(&self) -> Option<&SplitUnits<'a>> {
        self.package.as_ref().and_then(|(_, units)| units.as_ref().ok())
    }

    /// The unit of a skeleton in the package.
    pub fn in_package(&self, id: u64) -> Option<(&SplitUnits<'a>, UnitHeader)> {
        let package = self.package()?;
        Some((package, package.find(id)?))
    }

    /// Calls `read` with the `.dwo` file of a skeleton, its units, and the skeleton's own one among them, which the id tells.
    ///
    /// # Errors
    /// There is no such file: the error names the places.
    pub fn in_file<E: Endianity, T>(
        &self,
        skeleton: &Unit<'_, E>,
        id: u64,
        read: impl FnOnce(&ElfFile<'_>, &SplitUnits<'_>, UnitHeader) -> Result<T>,
    ) -> Result<T> {
        let mut looked: Vec<Looked> = self.looked_for_package(id);
        let mut read = Some(read);
        for path in self.places(skeleton) {
            let Some(input) = debug_files::open_regular(&path) else {
                looked.push((path, None));
                continue;
            };
            let name = path.to_string_lossy();
            let found = self.try_file(&input, &name, skeleton.endian, id, &mut read);
            if let Err(e) = input.check() {
                return Err(Error::new(ErrorKind::Io, format!("{name}: {e}")));
            }
            match found {
                Ok(result) => return result,
                Err(why) => looked.push((path, Some(why))),
            }
        }
        let (unit, name) = (unit_name(skeleton), String::from_utf8_lossy(skeleton.dwo_name));
        let text = format!(
            "unit {unit}: its DWARF was split off into {name}, which was not found{}: build again, keep the .dwo files where they are \
             made, or build without -gsplit-dwarf",
            debug_files::places(&looked)
        );
        Err(Error::new(ErrorKind::NoDwarf, text))
    }

    /// Reads a unit of a file; the error tells why it is not the file of the skeleton.
    fn try_file<E: Endianity, T, F: FnOnce(&ElfFile<'_>, &SplitUnits<'_>, UnitHeader) -> Result<T>>(
        &self,
        input: &Input,
        name: &str,
        endian: E,
        id: u64,
        read: &mut Option<F>,
    ) -> std::result::Result<Result<T>, String> {
        let elf = ElfFile::parse(input.bytes()).map_err(|e| e.to_string())?;
        if (elf.endian, elf.is_64) != self.form {
            return Err("it is for another machine".into());
        }
        let data = elf.split_data().map_err(|e| e.to_string())?;
        let units = SplitUnits::new(&data, name, endian).map_err(|e| e.to_string())?;
        let unit = units.find(id).ok_or_else(|| format!("it has no unit {id:#018x}: it is of another build"))?;
        let read = read.take().ok_or("it was read already")?;
        Ok(read(&elf, &units, unit).and_then(|result| {
            data.check().map_err(Error::from)?;
            Ok(result)
        }))
    }

    /// Where the file may be that a skeleton names: from the folder where it was compiled on, or with the file itself.
    fn places<E: Endianity>(&self, skeleton: &Unit<'_, E>) -> Vec<PathBuf> {
        let (name, folder) = (debug_files::path_of(skeleton.dwo_name), debug_files::path_of(skeleton.comp_dir));
        if self.paths.is_empty() || skeleton.dwo_name.is_empty() {
            return Vec::new();
        }
        let mut places = Vec::new();
        if name.is_absolute() || folder.is_absolute() {
            places.push(folder.join(&name));
        }
        for path in &self.paths {
            let beside = path.parent().unwrap_or(Path::new(""));
            if !name.is_absolute() {
                places.push(beside.join(&name));
            }
            places.extend(name.file_name().map(|name| beside.join(name)));
        }
        let mut seen = FixedSet::default();
        places.retain(|place| seen.insert(place.clone()));
        places
    }

    fn looked_for_package(&self, id: u64) -> Vec<Looked> {
        match &self.package {
            Some((name, Ok(_))) => {
                vec![(name.into(), Some(format!("it has no unit {id:#018x}: it is of another build")))]
            }
            Some((name, Err(why))) => vec![(name.into(), Some(why.clone()))],
            None => self.paths.iter().map(|path| (package_path(path), None)).collect(),
        }
    }
}

/// Where the package of a file is.
pub fn package_path(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".dwp");
    name.into()
}

/// The name of a skeleton's unit, as far as it tells.
fn unit_name<E: Endianity>(skeleton: &Unit<'_, E>) -> String {
    let name = if skeleton.name.is_empty() { skeleton.dwo_name } else { skeleton.name };
    String::from_utf8_lossy(name).into_owned()
}

/// Bytes that a skeleton stands for when it is estimated how many threads are worth while.
const BYTES_OF_A_UNIT: usize = 64 << 10;
/// Before DWARF 5 what is left of a unit has no more bytes than this.
const MOST_OF_A_SKELETON: usize = 128;

/// About how many bytes there are to read for a unit.
pub fn bytes_to_read(header: &UnitHeader) -> usize {
    match header.kind {
        UnitKind::Skeleton => BYTES_OF_A_UNIT,
        UnitKind::Compile if header.encoding.version < 5 && header.size <= MOST_OF_A_SKELETON => BYTES_OF_A_UNIT,
        _ => header.size,
    }
}

/// What of a package's sections is whose, in the order of the units.
#[derive(Default)]
struct PartsIndex {
    /// Where the part of the unit's section starts, and ends, that a row is for: of `.debug_info.dwo` or `.debug_types.dwo`.
    rows: Vec<(usize, usize, bool, Parts)>,
}

impl PartsIndex {
    /// Reads an index (DWARF5 7.3.5.3); a file without one is no package.
    fn new<E: Endianity>(section: &DebugSection<'_>, endian: E) -> Result<PartsIndex> {
        let damaged = |e: gimli::Error| {
            Error::new(ErrorKind::Input, format!("{}: the index of the package is damaged: {e}", section.name()))
        };
        // Both indices have the same form.
        let index = gimli::DebugCuIndex::from(EndianSlice::new(section.whole(), endian));
        let index: UnitIndex<EndianSlice<'_, E>> = index.index().map_err(damaged)?;
        let mut rows = Vec::new();
        for row in 1..=index.unit_count() {
            let (mut unit, mut parts) = (None, Parts::default());
            for found in index.sections(row).map_err(damaged)? {
                let (start, size) = (found.offset as usize, found.size as usize);
                match found.section {
                    IndexSectionId::DebugInfo => unit = unit.or(Some((start, start + size, false))),
                    IndexSectionId::DebugTypes => unit = Some((start, start + size, true)),
                    IndexSectionId::DebugAbbrev => parts.abbrev = found.offset.into(),
                    IndexSectionId::DebugStrOffsets => parts.str_offsets = found.offset.into(),
                    IndexSectionId::DebugLoc | IndexSectionId::DebugLocLists => parts.locations = found.offset.into(),
                    IndexSectionId::DebugRngLists => parts.ranges = found.offset.into(),
                    IndexSectionId::DebugLine => parts.lines = found.offset.into(),
                    IndexSectionId::DebugMacinfo | IndexSectionId::DebugMacro => {}
                }
            }
            rows.extend(unit.map(|(start, end, is_types)| (start, end, is_types, parts)));
        }
        rows.sort_by_key(|&(start, _, is_types, _)| (is_types, start));
        Ok(PartsIndex { rows })
    }

    /// The parts of a unit; all of every section if no row is for it.
    fn parts(&self, header: &UnitHeader) -> Parts {
        let of_types = header.section == SPLIT_TYPES;
        let after =
            self.rows.partition_point(|&(start, _, is_types, _)| (is_types, start) <= (of_types, header.offset));
        let row = self.rows[..after].last().filter(|row| row.2 == of_types && header.offset < row.1);
        row.map_or_else(Parts::default, |row| row.3)
    }
}
