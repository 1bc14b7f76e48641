//! From the DIEs of a unit to records: one visitor, one file per family of DIEs.
//!
//! A type is numbered when its DIE begins and becomes a record when that ends, after its children. References stay what
//! DWARF has, offsets in the unit, until the whole unit is read; [`UnitTypes::local`] then finds the number: DIEs come in
//! ascending order, so a bit per byte of the unit and a count per word of bits make a table of a quarter of the unit's size.

mod array;
mod composite;
pub mod distant;
mod enumeration;
mod function;
mod scalar;
mod tag;
mod variable;

use btf::dedup::fold::Local;
use btf::dialect::Dialect;
use btf::graph::{Head, Records, map_refs};
use btf::kind::Kind;
use btf::map::FixedMap;
use btf::strings::StrId;
use dwarf::die::{Attr, Attributes, Role, Value};
use dwarf::unit::Unit;
use dwarf::walk::{Die, Visit};
use gimli::Endianity;

use crate::functions::FunctionNames;
use crate::names::Names;
use crate::options::Features;
use crate::report::Degraded;
use crate::sources::{Place, Sources};

use distant::{Distant, Nowhere};
pub use function::{RawFunction, RawLocation, RawParameter};
pub use tag::{RawTag, Tagged, TagsByNumber};
pub use variable::RawVariable;

/// A reference as DWARF has it: 0 for none, an offset in the unit, or with the top bit the number of a synthetic type, or with the next
/// bit as well a ticket for a DIE of another unit ([`distant`]).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct RawRef(pub u32);

impl RawRef {
    /// No type.
    pub const VOID: RawRef = RawRef(0);
    const RECORD: u32 = 1 << 31;
    const TICKET: u32 = 1 << 30;

    fn record(number: usize) -> RawRef {
        RawRef(RawRef::RECORD | number as u32)
    }

    fn of_ticket(number: u32) -> RawRef {
        RawRef(RawRef::RECORD | RawRef::TICKET | number)
    }

    /// The number of a ticket.
    fn ticket(self) -> Option<u32> {
        const BITS: u32 = RawRef::RECORD | RawRef::TICKET;
        (self.0 & BITS == BITS).then_some(self.0 & !BITS)
    }
}

/// The type DIEs that start in 64 bytes of a unit.
#[derive(Clone, Copy, Default, Debug)]
struct Starts {
    /// A bit per byte.
    here: u64,
    /// How many start before.
    before: u32,
}

/// The types of a unit, its functions and variables. The memory is used again for the next unit.
#[derive(Debug, Default)]
pub struct UnitTypes {
    /// The types: one that stands for none, then one per type DIE in the order of the DIEs, then those that no DIE stands for.
    /// References are [`RawRef`] words until the unit is read, then 0 for void or the number + 1.
    pub records: Records,
    /// Functions in the order of their DIEs.
    pub functions: Vec<RawFunction>,
    /// Their parameters, in the order of their DIEs.
    pub parameters: Vec<RawParameter>,
    /// Variables that stand directly in the unit.
    pub variables: Vec<RawVariable>,
    /// Declaration tags.
    pub tags: Vec<RawTag>,
    /// What could not be said as it is.
    pub degraded: Degraded,
    /// What the unit refers to in others.
    pub distant: Distant,
    /// Where type DIEs start, in stretches of 64 bytes of the unit and of what is laid behind it.
    starts: Vec<Starts>,
    /// Type DIEs that stand for another type, by number.
    aliases: FixedMap<u32, RawRef>,
    /// Types that no DIE stands for, until the unit is read.
    synthetic: Records,
    /// Number of the first of them afterwards.
    first_synthetic: u32,
    /// The index type of arrays, once there is an array.
    int: Option<RawRef>,
    /// gcc's annotations, which stand by themselves.
    annotations: tag::Annotations,
    scratch: Scratch,
}

#[derive(Debug, Default)]
struct Scratch {
    open: Vec<Open>,
    members: Vec<composite::Member>,
    member_tags: Vec<tag::MemberTag>,
    /// How many DIEs are open in those that have variants.
    variants: Vec<usize>,
    enumerators: Vec<enumeration::Enumerator>,
    parameters: Vec<RawRef>,
    dimensions: Vec<u64>,
    annotations: Vec<StrId>,
    trailer: Vec<u32>,
    wide_enums: Vec<(usize, RawRef)>,
}

/// A DIE whose children are being read.
#[derive(Clone, Copy, Debug)]
struct Open {
    /// Number of the type; for functions, variables and members theirs, for typedefs the offset of the DIE.
    place: usize,
    name: StrId,
    size: u64,
    target: RawRef,
    /// Where its part of the scratch list for its children starts.
    first: usize,
}

/// Converts the DIEs of one unit; borrows everything for that long.
pub struct Converter<'c, 'u, 'a, 'f, E> {
    pub(crate) unit: &'u Unit<'a, E>,
    pub(crate) out: &'c mut UnitTypes,
    pub(crate) names: &'c mut Names<'f>,
    pub(crate) functions: &'c mut FunctionNames<'f>,
    pub(crate) features: Features,
    pub(crate) dialect: Dialect,
    /// Most members or values of a type.
    pub(crate) max_vlen: usize,
    /// Whether variables are wanted.
    pub(crate) variables: bool,
    /// Where other units are.
    pub(crate) sources: &'c Sources<'c>,
    /// Where the DIEs are that are converted.
    pub(crate) place: ReadPlace,
}

/// Where DIEs are that are converted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ReadPlace {
    /// In the unit itself.
    Own,
    /// In another unit, all of which belongs to this one. The number is that of its source.
    Imported(usize),
    /// In another unit, one of its DIEs and what is below it.
    Die(usize),
}

impl ReadPlace {
    /// Number of the source.
    fn source(self) -> usize {
        match self {
            ReadPlace::Own => 0,
            ReadPlace::Imported(source) | ReadPlace::Die(source) => source,
        }
    }
}

impl UnitTypes {
    /// Forgets the last unit and makes room for one of `bytes` bytes at a place.
    pub fn start(&mut self, place: Place, bytes: usize) {
        self.records.clear();
        self.functions.clear();
        self.parameters.clear();
        self.variables.clear();
        self.tags.clear();
        self.records.push(head(Kind::Func), StrId::EMPTY, 0, &[]); // of a kind that is left alone
        self.synthetic.clear();
        self.aliases.clear();
        self.starts.clear();
        self.starts.resize(bytes / 64 + 1, Starts::default());
        self.int = None;
        self.distant.start(place, bytes);
        self.annotations.clear();
        let s = &mut self.scratch;
        s.open.clear();
        s.members.clear();
        s.member_tags.clear();
        s.variants.clear();
        s.enumerators.clear();
        s.parameters.clear();
        s.dimensions.clear();
        s.annotations.clear();
        s.wide_enums.clear();
    }

    /// The unit was read: completes what needed to see all of it.
    pub fn finish(&mut self) {
        if self.distant.is_used() {
            self.finish_distant();
        }
        self.follow_annotations();
        let mut count = 1;
        for starts in &mut self.starts {
            starts.before = count;
            count += starts.here.count_ones();
        }
        self.first_synthetic = count;
        for record in self.synthetic.iter() {
            self.records.push_record(record);
        }
        // Most references are those of types, so they are looked up once and in order.
        let mut records = std::mem::take(&mut self.records);
        for i in 1..records.len() {
            let record = records.get_mut(i);
            if self.aliases.is_empty() {
                map_refs(record, |word| self.number(RawRef(word)).map_or(0, |number| number + 1));
            } else {
                map_refs(record, |word| match self.local(word) {
                    Local::Void => 0,
                    Local::Type(number) => number + 1,
                });
            }
        }
        self.records = records;
        self.set_signs_of_wide_enums();
    }

    /// All that was referred to is there: puts offsets in the place of tickets, in all that refers to something but records, whose references
    /// are looked up anyway.
    #[cold]
    fn finish_distant(&mut self) {
        let UnitTypes { distant, functions, parameters, variables, tags, aliases, .. } = self;
        distant.finish();
        let resolve = |r: &mut RawRef| *r = distant.resolved(*r);
        functions.iter_mut().flat_map(|f| [&mut f.result, &mut f.origin]).for_each(resolve);
        parameters.iter_mut().flat_map(|p| [&mut p.target, &mut p.origin]).for_each(resolve);
        variables.iter_mut().flat_map(|v| [&mut v.target, &mut v.origin]).for_each(resolve);
        aliases.values_mut().for_each(resolve);
        self.scratch.wide_enums.iter_mut().for_each(|(_, underlying)| resolve(underlying));
        tags.iter_mut().filter_map(|tag| tag.tagged.as_type()).for_each(resolve);
        self.annotations.references().for_each(resolve);
    }

    /// The local type behind a [`RawRef`] word.
    #[inline(always)]
    pub fn local(&self, word: u32) -> Local {
        match self.number(RawRef(word)) {
            Some(number) if self.aliases.is_empty() => Local::Type(number),
            Some(number) => self.behind_aliases(number),
            None => Local::Void,
        }
    }

    /// The type that a reference of a record means, once the unit is read.
    pub fn referred(word: u32) -> Local {
        word.checked_sub(1).map_or(Local::Void, Local::Type)
    }

    /// The record of a type; None for void.
    pub fn record(&self, local: Local) -> Option<&[u32]> {
        match local {
            Local::Void => None,
            Local::Type(number) => Some(self.records.get(number as usize)),
        }
    }

    /// The numbers of a function, its origin, the origin of that, ...
    pub fn function_and_origins(&self, number: usize) -> impl Iterator<Item = usize> + '_ {
        let all = &self.functions;
        std::iter::once(number).chain(origins(all[number].origin, all, |f| f.offset, |f| f.origin))
    }

    /// The same of a variable.
    pub fn variable_and_origins(&self, number: usize) -> impl Iterator<Item = usize> + '_ {
        let all = &self.variables;
        std::iter::once(number).chain(origins(all[number].origin, all, |v| v.offset, |v| v.origin))
    }

    /// A parameter's origin, the origin of that, ...
    pub fn origins_of_parameter(&self, parameter: &RawParameter) -> impl Iterator<Item = &RawParameter> {
        let numbers = origins(parameter.origin, &self.parameters, |p| p.offset, |p| p.origin);
        numbers.map(|number| &self.parameters[number])
    }

    #[inline(always)]
    fn number(&self, r: RawRef) -> Option<u32> {
        let r = if r.0 & RawRef::RECORD == 0 {
            r
        } else if let Some(ticket) = r.ticket() {
            RawRef(self.distant.offset_of_ticket(ticket))
        } else {
            return Some(self.first_synthetic + (r.0 & !RawRef::RECORD));
        };
        let starts = self.starts.get(r.0 as usize / 64)?;
        let bit = 1u64 << (r.0 % 64);
        // No DIE starts at 0, which is void.
        (starts.here & bit != 0).then(|| starts.before + (starts.here & (bit - 1)).count_ones())
    }

    /// Follows aliases; a circle of them is void.
    fn behind_aliases(&self, mut number: u32) -> Local {
        for _ in 0..=self.aliases.len() {
            match self.aliases.get(&number).map(|&target| self.number(target)) {
                None => return Local::Type(number),
                Some(None) => return Local::Void,
                Some(Some(next)) => number = next,
            }
        }
        Local::Void
    }

    /// Numbers a type whose DIE starts at `offset`.
    fn reserve(&mut self, offset: u32) -> usize {
        let at = offset as usize / 64;
        match self.starts.get_mut(at) {
            Some(starts) => starts.here |= 1 << (offset % 64),
            None => self.start_behind(at, offset),
        }
        self.records.push_placeholder(0)
    }

    /// The same in a stretch of another unit, for which there is no room yet.
    #[cold]
    fn start_behind(&mut self, at: usize, offset: u32) {
        self.starts.resize(at + 1, Starts::default());
        self.starts[at].here |= 1 << (offset % 64);
    }

    /// Gives a numbered type its record.
    fn define(&mut self, number: usize, head: Head, name: StrId, word2: u32, trailer: &[u32]) {
        self.records.push(head, name, word2, trailer);
        self.records.move_last(number);
    }

    /// Lets a numbered type stand for another.
    fn alias(&mut self, number: usize, target: RawRef) {
        self.aliases.insert(number as u32, target);
    }

    /// Adds a record that no DIE stands for.
    fn synthetic(&mut self, head: Head, name: StrId, word2: u32, trailer: &[u32]) -> RawRef {
        RawRef::record(self.synthetic.push(head, name, word2, trailer))
    }
}

/// Origins of origins that are followed; compilers make three with link-time optimisation: of a copy, the function in the unit,
/// what was kept of it from before, its declaration.
const MOST_ORIGINS: usize = 8;

/// The number of what a reference means among `all`, which are in the order of their offsets, that of its origin, and so on.
fn origins<'t, T>(
    first: RawRef,
    all: &'t [T],
    offset: impl Fn(&T) -> u32 + 't,
    origin: impl Fn(&T) -> RawRef + 't,
) -> impl Iterator<Item = usize> + 't {
    let find = move |r: RawRef| all.binary_search_by_key(&r.0, &offset).ok().filter(|_| r != RawRef::VOID);
    let mut next = first;
    std::iter::from_fn(move || {
        let number = find(next)?;
        next = origin(&all[number]);
        Some(number)
    })
    .take(MOST_ORIGINS)
}

fn head(kind: Kind) -> Head {
    Head { kind, kflag: false }
}

/// Per role the parents under which its DIEs are wanted, as bits.
static WANTED: [u32; Role::ALL.len()] = {
    let mut wanted = [0; Role::ALL.len()];
    let mut i = 0;
    while i < Role::ALL.len() {
        wanted[i] = parents(Role::ALL[i]);
        i += 1;
    }
    wanted
};

const fn parents(role: Role) -> u32 {
    match role {
        Role::Other | Role::Unit => 0,
        Role::Member => Role::Struct.bit() | Role::Union.bit() | Role::Variants.bit(),
        Role::Variants => Role::Struct.bit() | Role::Union.bit() | Role::Variants.bit(),
        Role::Enumerator => Role::Enumeration.bit(),
        Role::Subrange => Role::Array.bit(),
        Role::Parameter | Role::VarArgs => Role::Subroutine.bit() | Role::Subprogram.bit(),
        Role::Variable => Role::Unit.bit(),
        Role::Annotation => {
            Role::Unit.bit()
                | Role::Other.bit()
                | Role::Pointer.bit()
                | Role::Struct.bit()
                | Role::Union.bit()
                | Role::Typedef.bit()
                | Role::Member.bit()
                | Role::Subprogram.bit()
                | Role::Parameter.bit()
                | Role::Variable.bit()
        }
        Role::BaseType
        | Role::Pointer
        | Role::Reference
        | Role::PointerToMember
        | Role::Const
        | Role::Volatile
        | Role::Restrict
        | Role::Qualifier
        | Role::Typedef
        | Role::Struct
        | Role::Union
        | Role::Enumeration
        | Role::Array
        | Role::Subroutine
        | Role::Unspecified
        | Role::ForeignType
        | Role::Subprogram
        | Role::ImportedUnit => u32::MAX,
    }
}

impl<E: Endianity> Visit for Converter<'_, '_, '_, '_, E> {
    #[inline(always)]
    fn wants(&self, role: Role, parent: Role) -> bool {
        WANTED[role as usize] & parent.bit() != 0 && (role != Role::Variable || self.variables)
    }

    #[inline(always)]
    fn enter(&mut self, die: Die<'_>) -> Role {
        // Nearly half of all DIEs.
        if die.role == Role::Member { self.member(die) } else { self.enter_other(die) }
    }

    #[inline]
    fn leave(&mut self, role: Role) {
        match role {
            Role::Struct | Role::Union => self.end_composite(role),
            Role::Enumeration => self.end_enumeration(),
            Role::Array => self.end_array(),
            Role::Subroutine => self.end_subroutine(),
            Role::Pointer => self.end_pointer(),
            Role::Subprogram | Role::Typedef | Role::Member | Role::Parameter | Role::Variable => {
                self.out.scratch.open.pop();
            }
            Role::Other
            | Role::Unit
            | Role::BaseType
            | Role::Reference
            | Role::PointerToMember
            | Role::Const
            | Role::Volatile
            | Role::Restrict
            | Role::Qualifier
            | Role::Unspecified
            | Role::ForeignType
            | Role::Variants
            | Role::Enumerator
            | Role::Subrange
            | Role::VarArgs
            | Role::Annotation
            | Role::ImportedUnit => {}
        }
    }
}

impl<E: Endianity> Converter<'_, '_, '_, '_, E> {
    fn enter_other(&mut self, die: Die<'_>) -> Role {
        match die.role {
            Role::Member => self.member(die),
            Role::Pointer => self.pointer(die),
            Role::Parameter | Role::VarArgs => self.parameter(die),
            Role::Const => self.modifier(die, Kind::Const),
            Role::Volatile => self.modifier(die, Kind::Volatile),
            Role::Restrict => self.modifier(die, Kind::Restrict),
            Role::Qualifier => self.qualifier(die),
            Role::Typedef => self.typedef(die),
            Role::Struct | Role::Union => self.composite(die),
            Role::Enumeration => self.enumeration(die),
            Role::Enumerator => self.enumerator(die),
            Role::Array => self.array(die),
            Role::Subrange => self.subrange(die),
            Role::Subroutine => self.subroutine(die),
            Role::Subprogram => self.subprogram(die),
            Role::BaseType => self.base_type(die),
            Role::Reference | Role::PointerToMember => self.reference(die),
            Role::Unspecified => self.unspecified(die),
            Role::ForeignType => self.foreign_type(die),
            Role::Variants => self.variants(die),
            Role::Variable => self.variable(die),
            Role::Annotation => self.annotation(die),
            Role::ImportedUnit => self.imported_unit(die),
            Role::Other | Role::Unit => Role::Other,
        }
    }

    /// The spelling of the DIE's name; empty if it has none.
    #[inline(always)]
    fn name(&mut self, attributes: &Attributes) -> StrId {
        match attributes.debug_str(Attr::Name).and_then(|offset| self.names.spelling_at(offset)) {
            Some(spelling) => spelling,
            None => self.other_name(attributes),
        }
    }

    fn other_name(&mut self, attributes: &Attributes) -> StrId {
        match attributes.get(Attr::Name) {
            Some(Value::Text(text)) => self.names.spelling(self.unit, text),
            _ => StrId::EMPTY,
        }
    }

    /// The DIE's type.
    #[inline]
    fn type_of(&mut self, attributes: &Attributes) -> RawRef {
        self.reference_of(attributes, Attr::Type)
    }

    /// The DIE that an attribute refers to.
    #[inline(always)]
    fn reference_of(&mut self, attributes: &Attributes, attr: Attr) -> RawRef {
        match attributes.unit_offset(attr) {
            Some(offset) if offset < u64::from(RawRef::RECORD) => RawRef(offset as u32),
            _ => attributes.get(attr).map_or(RawRef::VOID, |value| self.distant_reference(value)),
        }
    }

    #[cold]
    fn distant_reference(&mut self, value: Value) -> RawRef {
        let place = match value {
            Value::InfoOffset(offset) => Some(self.sources.in_debug_info(self.place.source(), offset)),
            _ => self.distant_place(value),
        };
        match place {
            Some(place) => self.out.distant.reference(place),
            None => RawRef::VOID,
        }
    }

    /// Where a DIE is that is not simply one of the unit's; None if there is no such place.
    fn distant_place(&mut self, value: Value) -> Option<Place> {
        let source = self.place.source();
        let (place, nowhere) = match value {
            Value::InfoOffset(offset) => (Some(self.sources.in_debug_info(source, offset)), None),
            Value::SameSection(offset) => (Some(Place::new(source, offset)), None),
            Value::AlternateOffset(offset) => {
                (self.sources.in_alternate(source, offset), Some(Nowhere::NoAlternate(offset)))
            }
            Value::Signature(signature) => {
                (self.sources.type_of_signature(signature), Some(Nowhere::Signature(signature)))
            }
            _ => (None, None),
        };
        if place.is_none() {
            self.out.distant.nowhere = self.out.distant.nowhere.or(nowhere);
        }
        place
    }

    /// `DW_TAG_imported_unit`: a partial unit's DIEs belong to this one (DWARF5 3.2.5). Another compile unit is read by itself, and only
    /// what is referred to counts (gcc's link-time optimisation imports those whose functions it has).
    #[cold]
    fn imported_unit(&mut self, die: Die<'_>) -> Role {
        let value = die.attributes.get(Attr::Import);
        let Some(place) = value.and_then(|value| self.distant_place(value)) else { return Role::Other };
        let distant = &mut self.out.distant;
        match self.sources.unit_at(place) {
            Some((unit, header)) if place.after(unit) == Some(header.header_size as u64) => {
                match self.sources.is_root(unit, &header, self.unit.endian) {
                    Ok(true) => {}
                    _ => distant.import(unit, header.size, !matches!(self.place, ReadPlace::Die(_))),
                }
            }
            _ => _ = distant.nowhere.get_or_insert(Nowhere::NoUnit(place)),
        }
        Role::Other
    }

    /// A declaration that stands for the definition in a type unit (DWARF5 5.7.1).
    fn type_units_declaration(&mut self, place: usize, die: Die<'_>) -> Role {
        let definition = self.reference_of(die.attributes, Attr::Signature);
        self.out.alias(place, definition);
        Role::Other
    }

    /// Opens a DIE whose children matter.
    fn open(&mut self, open: Open) {
        self.out.scratch.open.push(open);
    }

    fn top(&mut self) -> Option<&mut Open> {
        self.out.scratch.open.last_mut()
    }

    /// A one-byte unsigned integer, for stretches of bytes that have no type in BTF.
    fn bytes(&mut self, count: u64) -> RawRef {
        let name = self.names.intern(b"unsigned char");
        let byte = self.out.synthetic(head(Kind::Int), name, 1, &[8]);
        let index = self.index_type();
        let count = u32::try_from(count).unwrap_or(0);
        self.out.synthetic(head(Kind::Array), StrId::EMPTY, 0, &[byte.0, index.0, count])
    }

    /// The index type of arrays: `int`, whatever DWARF says (as all kernels' BTF has it).
    fn index_type(&mut self) -> RawRef {
        match self.out.int {
            Some(int) => int,
            None => {
                let name = self.names.intern(b"int");
                let int = self.out.synthetic(head(Kind::Int), name, 4, &[scalar::SIGNED | 32]);
                self.out.int = Some(int);
                int
            }
        }
    }
}
