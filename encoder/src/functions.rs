//! Functions: the symbols that could be described, and the DIEs that could describe them.

use std::ops::Range;
use std::sync::OnceLock;

use btf::dedup::fold::{Fold, Use};
use btf::dedup::renumber::Renumbering;
use btf::map::{FixedMap, FixedSet};
use btf::strings::{StrId, Strings};
use dwarf::elf::{ElfFile, Symbol};
use dwarf::unit::Unit;
use foldhash::fast::FixedState;
use gimli::Endianity;
use indexmap::IndexMap;
use object::elf;

use crate::convert::{RawFunction, RawParameter, RawRef, Tagged, TagsByNumber, UnitTypes};
use crate::error::{Error, Result};
use crate::locations::{self, Facts, Machine};
use crate::names::Names;
use crate::options::Selection;

/// Number of a name that function symbols have.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Group(pub u32);

/// A function symbol.
#[derive(Clone, Copy, Debug)]
pub struct FunctionSymbol<'a> {
    /// Full name, with what the compiler appended (`.isra.0`).
    pub name: &'a [u8],
    /// Address as DWARF has it; in a relocatable file a made-up one that tells the section, too.
    pub address: Option<u64>,
    /// st_value as it stands in the file.
    pub value: u64,
}

/// All symbols of one base name: what stands before the first dot.
#[derive(Clone, Copy, Debug)]
pub struct SymbolGroup<'a> {
    /// The base name.
    pub name: &'a [u8],
    /// The symbols, sorted by name.
    pub symbols: &'a [FunctionSymbol<'a>],
}

impl SymbolGroup<'_> {
    /// True if the compiler appended something to the symbol's name: it may have changed the parameters.
    pub fn is_clone(&self, symbol: usize) -> bool {
        self.symbols[symbol].name.len() > self.name.len()
    }

    /// What a function's name may mean: the symbols that have it alone, or if none does, all. If clones have names of their own, they
    /// stand for themselves, each name once. Symbols of one name follow each other, those that have it alone first.
    pub fn meanings(&self, clones: bool) -> impl Iterator<Item = Range<usize>> {
        let alike =
            |start: usize| self.symbols[start..].iter().take_while(|s| s.name == self.symbols[start].name).count();
        let mut next = 0;
        std::iter::from_fn(move || {
            let start = next;
            self.symbols.get(start)?;
            let end = start + alike(start);
            let is_plain = |s: &FunctionSymbol<'_>| s.name.len() == self.name.len() && s.address.is_some();
            let end = if clones || self.symbols[..end].iter().any(is_plain) { end } else { self.symbols.len() };
            next = if clones { end } else { self.symbols.len() };
            Some(start..end)
        })
    }

    /// True for `name.constprop.N`: a clone that differs in nothing but parameters replaced by constants.
    fn has_only_constants_propagated(&self, symbol: usize) -> bool {
        let appendix = self.symbols[symbol].name.strip_prefix(self.name).unwrap_or(b"");
        let number = appendix.strip_prefix(b".constprop.");
        number.is_some_and(|n| !n.is_empty() && n.iter().all(u8::is_ascii_digit))
    }
}

/// Where the code of a function's symbol begins.
pub fn entry(file: &ElfFile<'_>, symbol: &Symbol) -> Option<u64> {
    // The lowest bit says that it is Thumb code.
    let mode = u64::from(file.machine == elf::EM_ARM && symbol.kind == elf::STT_FUNC);
    file.address(symbol).map(|address| address & !mode)
}

/// Groups with more symbols than this are searched by address.
const FEW_SYMBOLS: usize = 8;

/// The function symbols of a file, grouped by base name.
#[derive(Debug, Default)]
pub struct FunctionSymbols<'a> {
    /// By base name, in the order of the symbol table; a [`Group`] is a place in it. The number of its first symbol.
    groups: IndexMap<&'a [u8], usize, FixedState>,
    /// The symbols of the first group, of the second, ...
    symbols: Vec<FunctionSymbol<'a>>,
    /// The symbols of large groups by their addresses, sorted.
    by_address: FixedMap<Group, Vec<(u64, usize)>>,
    /// Names of which the compiler left nothing but fragments.
    fragments: Vec<&'a [u8]>,
    /// Whether DIEs are matched with symbols by address. pahole does not succeed in that for relocatable files.
    match_addresses: bool,
    /// Whether a DIE whose name no symbol has may describe the symbol at its address. pahole goes by the name.
    match_other_names: bool,
    /// Per address the first symbol there without an appendix. Seldom needed, so made when it is.
    plain: OnceLock<FixedMap<u64, (Group, usize)>>,
}

impl<'a> FunctionSymbols<'a> {
    /// Groups the symbols of a file. Fragments that the compiler split off (`.cold`, `.part`) are no functions.
    pub fn of(file: &ElfFile<'a>, selection: Selection) -> Result<FunctionSymbols<'a>> {
        let mut s = FunctionSymbols::default();
        let mut found: Vec<(usize, FunctionSymbol<'a>)> = Vec::new();
        file.each_symbol(|symbol| {
            if symbol.kind != elf::STT_FUNC {
                return Ok(());
            }
            let name = file.symbol_name(&symbol)?;
            let dot = name.iter().position(|&b| b == b'.').unwrap_or(name.len());
            let (base, suffix) = name.split_at(dot);
            let has = |part: &[u8]| suffix.windows(part.len()).any(|w| w == part);
            // `__pfx_foo` names the padding before a function (x86, CONFIG_PREFIX_SYMBOLS), half of a kernel's symbols.
            if base.is_empty() || base.starts_with(b"__pfx_") {
                return Ok(());
            }
            if has(b".cold") || has(b".part") {
                s.fragments.push(base);
                return Ok(());
            }
            let group = s.groups.entry(base);
            let number = group.index();
            group.or_default();
            let address = if symbol.section == 0 { None } else { entry(file, &symbol) };
            found.push((number, FunctionSymbol { name, address, value: symbol.value }));
            Ok::<(), Error>(())
        })?;
        // Nearly in order: most groups have one symbol.
        found.sort_by_key(|(group, _)| *group);
        for group in found.chunk_by_mut(|a, b| a.0 == b.0).filter(|group| group.len() > 1) {
            group.sort_by_key(|(_, symbol)| symbol.name);
        }
        for (number, (group, _)) in found.iter().enumerate().rev() {
            s.groups[*group] = number;
        }
        for group in found.chunk_by(|a, b| a.0 == b.0).filter(|group| group.len() > FEW_SYMBOLS) {
            let addresses = group.iter().enumerate().filter_map(|(n, (_, symbol))| Some((symbol.address?, n)));
            let mut addresses: Vec<(u64, usize)> = addresses.collect();
            addresses.sort_unstable();
            s.by_address.insert(Group(group[0].0 as u32), addresses);
        }
        s.symbols = found.into_iter().map(|(_, symbol)| symbol).collect();
        s.fragments.sort_unstable();
        s.fragments.dedup();
        s.fragments.retain(|name| !s.groups.contains_key(name));
        s.match_addresses = !(file.relocatable && selection == Selection::Pahole);
        s.match_other_names = selection == Selection::Truthful;
        Ok(s)
    }

    /// A group.
    pub fn get(&self, group: Group) -> SymbolGroup<'_> {
        let number = group.0 as usize;
        let (name, &first) = self.groups.get_index(number).expect("groups are numbered by this table");
        let end = self.groups.get_index(number + 1).map_or(self.symbols.len(), |(_, &next)| next);
        SymbolGroup { name, symbols: &self.symbols[first..end] }
    }

    /// The first symbol of a group whose address is in one of some ranges (first, one past the last), which are sorted.
    fn first_in(&self, group: Group, ranges: &[(u64, u64)]) -> Option<usize> {
        if let Some(addresses) = self.by_address.get(&group) {
            let symbols = ranges.iter().flat_map(|range| {
                let first = addresses.partition_point(|a| a.0 < range.0);
                addresses[first..].iter().take_while(|a| a.0 < range.1).map(|a| a.1)
            });
            return symbols.min();
        }
        let is_in = |address: u64| {
            let after = ranges.partition_point(|r| r.0 <= address);
            after > 0 && address < ranges[after - 1].1
        };
        self.get(group).symbols.iter().position(|s| s.address.is_some_and(is_in))
    }

    /// Number of groups.
    pub fn len(&self) -> usize {
        self.groups.len()
    }

    /// True if there are none.
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// The symbol at an address that describes a DIE of another name: of a function with an asm label, or a static one whose
    /// alias is all that clang left of it.
    pub fn of_other_name(&self, address: u64) -> Option<(Group, usize)> {
        if !self.match_other_names {
            return None;
        }
        let plain = self.plain.get_or_init(|| {
            let mut plain = FixedMap::default();
            for (group, names) in self.iter() {
                for (number, symbol) in names.symbols.iter().enumerate().filter(|(n, _)| !names.is_clone(*n)) {
                    symbol.address.map(|address| plain.entry(address).or_insert((group, number)));
                }
            }
            plain
        });
        plain.get(&address).copied()
    }

    /// Names that only fragments of functions have.
    pub fn fragments(&self) -> &[&'a [u8]] {
        &self.fragments
    }

    /// All groups, in the order of the symbol table.
    pub fn iter(&self) -> impl Iterator<Item = (Group, SymbolGroup<'_>)> {
        (0..self.groups.len() as u32).map(|number| (Group(number), self.get(Group(number))))
    }
}

/// Most entries of the memo in [`FunctionNames`]: it stays in a core's own cache.
const MOST_RECENT: usize = 1 << 15;
/// Bytes of `.debug_info` for each entry of the memo. That of a small module is small: its pages are touched here and there, and each
/// costs two faults.
const BYTES_PER_RECENT: usize = 64;

/// The symbols of a file, with a memo of the names that a worker asked for last: units have the same inline functions.
#[derive(Debug)]
pub struct FunctionNames<'a> {
    symbols: &'a FunctionSymbols<'a>,
    /// Names, and their groups + 1, or 0; a power of two of them.
    recent: Vec<(StrId, u32)>,
}

impl<'a> FunctionNames<'a> {
    /// An empty memo, for units of so many bytes together.
    pub fn new(symbols: &'a FunctionSymbols<'a>, bytes: usize) -> FunctionNames<'a> {
        let size = (bytes / BYTES_PER_RECENT).clamp(2, MOST_RECENT).next_power_of_two();
        FunctionNames { symbols, recent: vec![(StrId::EMPTY, 0); size] }
    }

    /// See [`FunctionSymbols::of_other_name`].
    pub fn has_other_name(&self, address: u64) -> bool {
        self.symbols.of_other_name(address).is_some()
    }

    /// The group of a name, if a function symbol has that name.
    pub fn group(&mut self, name: StrId, names: &Names<'_>) -> Option<Group> {
        if name == StrId::EMPTY {
            return None;
        }
        let bits = self.recent.len().trailing_zeros();
        let recent = &mut self.recent[(name.0.wrapping_mul(0x9e37_79b9) >> (u32::BITS - bits)) as usize];
        if recent.0 != name {
            let text = names.text(name);
            *recent =
                (name, self.symbols.groups.get_index_of(&*names.accepted(&text)).map_or(0, |group| group as u32 + 1));
        }
        recent.1.checked_sub(1).map(Group)
    }
}

/// A DIE that could describe a function.
#[derive(Clone, Debug)]
pub struct Instance {
    /// Its name.
    pub group: Group,
    /// Number of its unit, and offset of its DIE there: instances sort by these.
    pub unit: u32,
    /// See `unit`.
    pub offset: u32,
    /// It is machine code of its own: it has an address in the DWARF.
    pub has_code: bool,
    /// It begins at an address (not only in several pieces).
    pub has_low_pc: bool,
    /// The symbol of its group at its address.
    pub symbol: Option<usize>,
    /// It is called otherwise than the symbol.
    pub other_name: bool,
    /// What it returns.
    pub result: Use,
    /// Range of its parameters in [`Instances::parameters`].
    pub parameters: Range<usize>,
    /// It ends in `...`.
    pub variadic: bool,
    /// What the locations of its parameters tell.
    pub facts: Facts,
    /// The parameters (by number) that the compiler's clone takes, where that is less than the source says but known.
    pub taken: Option<Vec<usize>>,
    /// The assembler wrote its DWARF, which knows no prototypes.
    pub assembler: bool,
    /// The unit's compiler is clang, and it marked the function as not following the calling convention.
    pub clang_nocall: bool,
    /// A parameter has no name.
    pub unnamed_parameter: bool,
    /// Its declaration tags: (number of the parameter in `parameters`, or -1, and text).
    pub tags: Vec<(i32, StrId)>,
}

/// The instances that a worker found.
#[derive(Debug, Default)]
pub struct Instances {
    /// The instances.
    pub list: Vec<Instance>,
    /// The parameters of all of them.
    pub parameters: Vec<(StrId, Use)>,
}

/// What the instances of a unit are collected with.
pub struct Collector<'c, 'a, E> {
    /// The unit.
    pub unit: &'c Unit<'a, E>,
    /// Its number.
    pub number: u32,
    /// Its DIEs.
    pub types: &'c UnitTypes,
    /// The symbols.
    pub symbols: &'c FunctionSymbols<'a>,
    /// Where parameters are expected.
    pub machine: Machine,
    /// Which instances matter.
    pub selection: Selection,
    /// The unit's compiler is clang.
    pub is_clang: bool,
}

impl Instances {
    /// Adds the functions of the unit that was just folded.
    pub fn collect<E: Endianity>(&mut self, c: &Collector<'_, '_, E>, fold: &Fold<'_>) {
        let mut addresses = Vec::new();
        let mut entries = Vec::new();
        let of_function = |tagged| if let Tagged::Function(number) = tagged { Some(number) } else { None };
        let tags = TagsByNumber::new(&c.types.tags, of_function);
        let mut with_code: FixedSet<Group> = FixedSet::default();
        let mut without_code = Vec::new();
        for (number, function) in c.types.functions.iter().enumerate().filter(|(_, f)| !f.declaration) {
            let Some(group) = c.group(number) else {
                self.add_under_other_name(c, fold, number, &tags);
                continue;
            };
            c.entry_addresses(function, &mut addresses);
            entries.clear();
            if c.symbols.match_addresses {
                entries.extend(addresses.iter().map(|&address| (address, address.saturating_add(1))));
                entries.sort_unstable();
            }
            let symbol = c.symbols.first_in(group, &entries);
            let has_code = !addresses.is_empty();
            if symbol.is_some() {
                with_code.insert(group);
            }
            match (c.selection, symbol) {
                (Selection::Pahole, _) | (Selection::Truthful, Some(_)) => {
                    self.add(c, fold, number, group, symbol, has_code, &tags);
                }
                // An inlined copy, discarded code, or a function whose code the compiler merged with that of another.
                (Selection::Truthful, None) if !has_code => without_code.push((number, group)),
                // The symbols of its name are those of namesakes.
                (Selection::Truthful, None) => self.add_under_other_name(c, fold, number, &tags),
            }
        }
        without_code.retain(|(_, group)| !with_code.contains(group));
        if without_code.is_empty() {
            return;
        }
        // The symbol of a merged function is an alias of the other or a jump to it: in any case within its own unit.
        let ranges = c.unit.code_ranges();
        let mut here: FixedMap<Group, Option<usize>> = FixedMap::default();
        for (number, group) in without_code {
            let symbol = *here.entry(group).or_insert_with(|| c.symbols.first_in(group, &ranges));
            if symbol.is_some() {
                self.add(c, fold, number, group, symbol, false, &tags);
            }
        }
    }

    /// A function none of whose names is at its address: what is there may be another.
    fn add_under_other_name<E: Endianity>(
        &mut self,
        c: &Collector<'_, '_, E>,
        fold: &Fold<'_>,
        number: usize,
        tags: &TagsByNumber,
    ) {
        let low_pc = c.types.functions[number].low_pc;
        if let Some((group, symbol)) = low_pc.and_then(|address| c.symbols.of_other_name(address)) {
            self.add(c, fold, number, group, Some(symbol), true, tags);
            self.list.last_mut().expect("it was added").other_name = true;
        }
    }

    #[allow(clippy::too_many_arguments)] // what is known of one function
    fn add<E: Endianity>(
        &mut self,
        c: &Collector<'_, '_, E>,
        fold: &Fold<'_>,
        number: usize,
        group: Group,
        symbol: Option<usize>,
        has_code: bool,
        tags: &TagsByNumber,
    ) {
        let function = &c.types.functions[number];
        let all = || c.types.function_and_origins(number).map(|number| &c.types.functions[number]);
        let clang = c.is_clang;
        let nocall = all().any(|f| f.nocall);
        let first = self.parameters.len();
        let mut unnamed_parameter = false;
        for p in c.parameters(function) {
            let (name, target) = c.name_and_type(p);
            unnamed_parameter |= name == StrId::EMPTY;
            self.parameters.push((name, fold.used(c.types.local(target.0))));
        }
        let is_clone = symbol.is_some_and(|s| c.symbols.get(group).is_clone(s));
        let facts = match c.selection == Selection::Pahole || is_clone || (clang && nocall) {
            true => Facts::of(c, function, clang, nocall),
            false => Facts::default(),
        };
        let result = all().map(|f| f.result).find(|&result| result != RawRef::VOID).unwrap_or(RawRef::VOID);
        self.list.push(Instance {
            group,
            unit: c.number,
            offset: function.offset,
            has_code,
            has_low_pc: function.low_pc.is_some(),
            symbol,
            other_name: false,
            result: fold.used(c.types.local(result.0)),
            parameters: first..self.parameters.len(),
            variadic: all().any(|f| f.variadic),
            taken: facts.is_changed().then(|| self.taken(c, function, group, symbol)).flatten(),
            facts,
            assembler: c.unit.language == gimli::DW_LANG_Mips_Assembler,
            clang_nocall: clang && nocall,
            unnamed_parameter,
            tags: c.tags(number, tags),
        });
    }

    fn taken<E: Endianity>(
        &self,
        c: &Collector<'_, '_, E>,
        function: &RawFunction,
        group: Group,
        symbol: Option<usize>,
    ) -> Option<Vec<usize>> {
        let constants_only = symbol.is_some_and(|s| c.symbols.get(group).has_only_constants_propagated(s));
        if constants_only { locations::taken(c, function) } else { None }
    }

    /// Takes over another worker's instances.
    pub fn merge(&mut self, other: Instances, map: &mut Renumbering<'_>, strings: &mut Strings<'_>) {
        let offset = self.parameters.len();
        let parameters = other.parameters.into_iter();
        self.parameters.extend(parameters.map(|(name, used)| (map.name(name, strings), map.used(used, strings))));
        self.list.extend(other.list.into_iter().map(|mut i| {
            i.parameters = i.parameters.start + offset..i.parameters.end + offset;
            i.result = map.used(i.result, strings);
            i.tags.iter_mut().for_each(|t| t.1 = map.free_name(t.1, strings));
            i
        }));
    }
}

impl<'a, E: Endianity> Collector<'_, 'a, E> {
    /// The group of a function's name, which its origin may have, or the origin's declaration.
    fn group(&self, number: usize) -> Option<Group> {
        let mut all = self.types.function_and_origins(number).map(|number| &self.types.functions[number]);
        all.find(|f| f.name != StrId::EMPTY)?.group
    }

    /// The parameters of a function; those of its abstract instance if it has none of its own.
    pub fn parameters(&self, function: &RawFunction) -> &[RawParameter] {
        let range = |f: &RawFunction| f.parameters.0 as usize..f.parameters.1 as usize;
        &self.types.parameters[range(function)]
    }

    /// Name and type of a parameter, its own or those of its origin.
    pub fn name_and_type(&self, p: &RawParameter) -> (StrId, RawRef) {
        let (mut name, mut target) = (p.name, p.target);
        if name == StrId::EMPTY || target == RawRef::VOID {
            for origin in self.types.origins_of_parameter(p) {
                name = if name == StrId::EMPTY { origin.name } else { name };
                target = if target == RawRef::VOID { origin.target } else { target };
                if name != StrId::EMPTY && target != RawRef::VOID {
                    break;
                }
            }
        }
        (name, target)
    }

    /// The declaration tags of a function and of its origins, whose parameters may be more, or in another order.
    fn tags(&self, number: usize, tags: &TagsByNumber) -> Vec<(i32, StrId)> {
        let mut found = Vec::new();
        // By the place of an origin's parameter, the number of the function's own; made when it is needed.
        let own = self.parameters(&self.types.functions[number]);
        let mut own_numbers: Option<FixedMap<u32, usize>> = None;
        for described in self.types.function_and_origins(number) {
            for tag in tags.of(described) {
                let component = match usize::try_from(tag.component) {
                    Ok(component) if described != number => {
                        let numbers = own_numbers.get_or_insert_with(|| self.numbers_by_origin(own));
                        let parameter = self.parameters(&self.types.functions[described]).get(component);
                        let by_origin = parameter.and_then(|p| numbers.get(&p.offset).copied());
                        // A definition does not refer to the parameters of its declaration, and has them in the same order.
                        let in_order = || own.get(component).is_some_and(|p| p.origin == RawRef::VOID);
                        match by_origin.or_else(|| in_order().then_some(component)) {
                            Some(component) => component as i32,
                            None => continue,
                        }
                    }
                    _ => tag.component,
                };
                found.push((component, tag.text));
            }
        }
        found
    }

    fn numbers_by_origin(&self, own: &[RawParameter]) -> FixedMap<u32, usize> {
        let origins = |p| self.types.origins_of_parameter(p).map(|origin| origin.offset);
        own.iter().enumerate().flat_map(|(number, p)| origins(p).map(move |offset| (offset, number))).collect()
    }

    /// The addresses at which a function may begin: its own, or those of its pieces.
    fn entry_addresses(&self, function: &RawFunction, out: &mut Vec<u64>) {
        out.clear();
        out.extend(function.low_pc);
        if let Some(offset) = function.ranges.filter(|_| function.low_pc.is_none()) {
            out.extend(self.unit.ranges_at(offset).into_iter().map(|(begin, _)| begin));
        }
    }
}
