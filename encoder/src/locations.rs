//! What the locations of a function's parameters tell: whether the optimiser changed how it is called.

use btf::graph::Head;
use btf::kind::Kind;
use gimli::{EndianSlice, Endianity, Operation};
use object::elf;

use crate::convert::{RawFunction, RawLocation, RawParameter, RawRef, UnitTypes};
use crate::functions::Collector;
use crate::options::Selection;

/// Which registers take arguments, in DWARF's numbers (the psABI of each machine).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Machine {
    /// Registers of the integer arguments, in order; empty if none are known.
    expected: &'static [u16],
    /// Number of registers for arguments.
    count: usize,
    /// Structs larger than a register are passed by reference.
    by_reference: bool,
    /// A number of two words begins in a register of an even place.
    even_pairs: bool,
    /// Whether registers are known: without, nothing can be said about them.
    is_known: bool,
    /// Parameters that begin in memory are judged as pahole 1.32 does: a location that is a constant says nothing about one beyond
    /// the registers, and where one of two words is later counts.
    as_pahole: bool,
}

impl Machine {
    /// The machine of an ELF file.
    pub fn of(machine: u16, is_64: bool, selection: Selection) -> Machine {
        if selection == Selection::Pahole {
            return Machine::by_pahole(machine);
        }
        let expected: &'static [u16] = match machine {
            elf::EM_X86_64 => &[5, 4, 1, 2, 8, 9],
            // A kernel is built with -mregparm=3; others have none.
            elf::EM_386 => &[0, 2, 1],
            elf::EM_AARCH64 => &[0, 1, 2, 3, 4, 5, 6, 7],
            elf::EM_ARM => &[0, 1, 2, 3],
            elf::EM_S390 => &[2, 3, 4, 5, 6],
            elf::EM_PPC | elf::EM_PPC64 => &[3, 4, 5, 6, 7, 8, 9, 10],
            elf::EM_RISCV => &[10, 11, 12, 13, 14, 15, 16, 17],
            elf::EM_LOONGARCH => &[4, 5, 6, 7, 8, 9, 10, 11],
            elf::EM_MIPS if is_64 => &[4, 5, 6, 7, 8, 9, 10, 11],
            elf::EM_MIPS => &[4, 5, 6, 7],
            _ => &[],
        };
        Machine {
            expected,
            count: expected.len(),
            by_reference: machine == elf::EM_S390,
            even_pairs: !is_64 && matches!(machine, elf::EM_ARM | elf::EM_MIPS | elf::EM_PPC),
            is_known: !expected.is_empty(),
            as_pahole: false,
        }
    }

    /// What pahole 1.32 takes for it: where it knows no registers, all are wrong for clang.
    fn by_pahole(machine: u16) -> Machine {
        let (expected, count): (&'static [u16], usize) = match machine {
            elf::EM_X86_64 => (&[5, 4, 1, 2, 8, 9], 6),
            elf::EM_AARCH64 | elf::EM_ARM => (&[0, 1, 2, 3, 4, 5, 6, 7], 8),
            elf::EM_S390 => (&[2, 3, 4, 5, 6], 5),
            elf::EM_PPC | elf::EM_PPC64 | elf::EM_RISCV | elf::EM_MIPS => (&[], 8),
            elf::EM_SPARC | elf::EM_SPARCV9 => (&[], 6),
            _ => (&[], 0),
        };
        let by_reference = machine == elf::EM_S390;
        Machine { expected, count, by_reference, even_pairs: false, is_known: true, as_pahole: true }
    }
}

/// What the parameters' locations tell about a function.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Facts {
    /// A parameter is not passed, or not as the prototype says.
    pub optimized: bool,
    /// A parameter is passed in another register than the calling convention has for it.
    pub unexpected: bool,
    /// The parameters come in another order than in the source.
    pub reordered: bool,
    /// A struct or union is passed by value.
    pub aggregate: bool,
    /// A struct or union is passed by value, but not all of it.
    pub partial: bool,
}

/// Where a parameter is when its function is entered.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum Place {
    Nowhere,
    Constant,
    Register(u16),
    /// Somewhere else, or not known.
    #[default]
    Other,
}

impl Facts {
    /// Looks at the parameters of a function.
    pub fn of<E: Endianity>(c: &Collector<'_, '_, E>, function: &RawFunction, clang: bool, nocall: bool) -> Facts {
        let mut facts = Facts::default();
        let mut by_value = false;
        let mut register = 0usize;
        let word = u64::from(c.unit.header.encoding.address_size);
        for (position, p) in c.parameters(function).iter().enumerate() {
            let (_, target) = c.name_and_type(p);
            let (size, is_struct, is_union) = size_of(c, target, word);
            by_value |= is_struct;
            facts.aggregate |= is_struct || is_union;
            facts.reordered |= c.position_of_origin(p).is_some_and(|o| o != position);
            let slots = if c.machine.by_reference { 1 } else { size.div_ceil(word).max(1) };
            let in_memory = size > if c.machine.by_reference { word } else { 2 * word };
            let wide = size > word && !c.machine.by_reference;
            let place = place(c, p.location, wide);
            facts.partial |= nocall && wide && !in_memory && pieces(c, p.location).is_some_and(|bytes| bytes < size);
            if c.machine.even_pairs && size == 2 * word && !is_struct && !is_union {
                register = register.next_multiple_of(2);
            }
            facts.optimized |= match place {
                Place::Nowhere => true,
                Place::Constant => {
                    let is_location = p.location != RawLocation::Constant;
                    !(c.machine.as_pahole && is_location && register >= c.machine.count)
                }
                Place::Register(_) | Place::Other => false,
            };
            if clang && !nocall {
                if in_memory {
                    continue;
                }
                if let (Place::Register(found), true) = (place, c.machine.is_known) {
                    let last = (register + slots as usize).min(c.machine.expected.len());
                    let expected = c.machine.expected.get(register.min(last)..last).unwrap_or(&[]);
                    facts.unexpected |= !expected.contains(&found);
                }
                register += slots as usize;
                continue;
            }
            if register < c.machine.count {
                match place {
                    Place::Other => facts.optimized = true,
                    Place::Register(found) => {
                        facts.unexpected |= c.machine.expected.get(register).is_some_and(|&e| e != found);
                    }
                    Place::Nowhere | Place::Constant => {}
                }
            }
            register += if in_memory { 1 } else { slots as usize };
        }
        facts.unexpected &= !by_value;
        facts
    }
}

/// The parameters that a clone with constants propagated into it (`.constprop`) takes, by number in the order of their
/// registers: those that were replaced by constants are gone, and the others moved up. None unless every parameter is
/// either gone or a whole register where the calling convention has it.
pub fn taken<E: Endianity>(c: &Collector<'_, '_, E>, function: &RawFunction) -> Option<Vec<usize>> {
    let word = u64::from(c.unit.header.encoding.address_size);
    let mut found: Vec<(usize, usize)> = Vec::new();
    for (number, p) in c.parameters(function).iter().enumerate() {
        let (_, target) = c.name_and_type(p);
        let (size, is_struct, is_union) = size_of(c, target, word);
        match place(c, p.location, false) {
            Place::Nowhere | Place::Constant => {}
            Place::Register(register) if size <= word && !is_struct && !is_union => {
                found.push((c.machine.expected.iter().position(|&e| e == register)?, number));
            }
            Place::Register(_) | Place::Other => return None,
        }
    }
    found.sort_unstable();
    let in_place = found.iter().enumerate().all(|(index, &(argument, _))| index == argument);
    (in_place && !function.variadic).then(|| found.into_iter().map(|(_, number)| number).collect())
}

impl Facts {
    /// The function does not take what its prototype in the source says.
    pub fn is_changed(&self) -> bool {
        self.optimized || self.unexpected || self.reordered
    }
}

impl<E: Endianity> Collector<'_, '_, E> {
    /// Position of a parameter's origin among those of its own function.
    fn position_of_origin(&self, parameter: &RawParameter) -> Option<usize> {
        let parameter = self.types.origins_of_parameter(parameter).last()?;
        let after = self.types.functions.partition_point(|f| f.offset < parameter.offset);
        let function = self.types.functions.get(after.checked_sub(1)?)?;
        self.parameters(function).binary_search_by_key(&parameter.offset, |p| p.offset).ok()
    }
}

/// Most typedefs, qualifiers and arrays in a row that are followed: kernels follow 32. Without an end, n parameters of a type behind n
/// of them would be n² steps.
const CHAIN: usize = 256;

/// Size of a type in bytes, and whether it is a struct, or a union.
fn size_of<E: Endianity>(c: &Collector<'_, '_, E>, target: RawRef, word: u64) -> (u64, bool, bool) {
    let (mut at, mut count, mut in_array) = (c.types.local(target.0), 1u64, false);
    for _ in 0..CHAIN {
        let Some(record) = c.types.record(at) else { return (0, false, false) };
        match Head::of(record).kind {
            Kind::Int | Kind::Float | Kind::Enum | Kind::Enum64 => {
                return (count.saturating_mul(record[2].into()), false, false);
            }
            Kind::Struct => return (count.saturating_mul(record[2].into()), !in_array, false),
            Kind::Union => return (count.saturating_mul(record[2].into()), false, !in_array),
            Kind::Ptr => return (count.saturating_mul(word), false, false),
            Kind::Typedef | Kind::Const | Kind::Volatile | Kind::Restrict | Kind::TypeTag => {
                at = UnitTypes::referred(record[2]);
            }
            Kind::Array => {
                count = count.saturating_mul(record[5].into());
                in_array = true;
                at = UnitTypes::referred(record[3]);
            }
            Kind::Fwd | Kind::Func | Kind::FuncProto | Kind::Var | Kind::Datasec | Kind::DeclTag => {
                return (0, false, false);
            }
        }
    }
    (0, false, false)
}

/// The bytes that the pieces of the first expression of a location have, if it has pieces: those without a place are missing.
fn pieces<E: Endianity>(c: &Collector<'_, '_, E>, location: RawLocation) -> Option<u64> {
    match location {
        RawLocation::None | RawLocation::Constant => None,
        RawLocation::Expression(start, len) => {
            let bytes = c.unit.bytes().get(start..start.saturating_add(len)).unwrap_or(&[]);
            pieces_of(c, gimli::Expression(EndianSlice::new(bytes, c.unit.endian)))
        }
        RawLocation::List(offset) => c.unit.location_list_at(offset, |mut entries| {
            loop {
                match entries.next() {
                    Ok(Some(entry)) => {
                        if let Some(expression) = expression_of(entry) {
                            return (pieces_of(c, expression), true);
                        }
                    }
                    Ok(None) => return (None, true),
                    Err(e) => return (None, !matches!(e, gimli::Error::UnexpectedEof(_))),
                }
            }
        }),
    }
}

fn pieces_of<E: Endianity>(c: &Collector<'_, '_, E>, expression: gimli::Expression<EndianSlice<'_, E>>) -> Option<u64> {
    let mut operations = expression.operations(c.unit.gimli_encoding());
    let (mut found, mut is_placed) = (None, false);
    while let Ok(Some(operation)) = operations.next() {
        match operation {
            Operation::Piece { size_in_bits, .. } => {
                let bytes = if std::mem::take(&mut is_placed) { size_in_bits / 8 } else { 0 };
                found = Some(found.unwrap_or(0) + bytes);
            }
            _ => is_placed = true,
        }
    }
    found
}

/// Most entries of a list that are looked at for an entry value, and most operations of an expression: compilers need few. Without an
/// end, n parameters with one list of n entries would be n² of them.
const ENTRIES: usize = 256;
const OPERATIONS: usize = 32;

/// The place in the first entry of a location; an entry value may stand in any of them.
fn place<E: Endianity>(c: &Collector<'_, '_, E>, location: RawLocation, wide: bool) -> Place {
    match location {
        RawLocation::None => Place::Nowhere,
        RawLocation::Constant => Place::Constant,
        RawLocation::Expression(start, len) => {
            let bytes = c.unit.bytes().get(start..start.saturating_add(len)).unwrap_or(&[]);
            of_expression(c, gimli::Expression(EndianSlice::new(bytes, c.unit.endian)), wide)
        }
        RawLocation::List(offset) => {
            // The raw entries, since the first one may be of an empty range: it holds on entry.
            c.unit.location_list_at(offset, |mut entries| {
                let mut first = None;
                for _ in 0..ENTRIES {
                    let expression = match entries.next() {
                        Ok(Some(entry)) => expression_of(entry),
                        Ok(None) => return (first.unwrap_or(Place::Nowhere), true),
                        Err(e) => {
                            return (first.unwrap_or(Place::Nowhere), !matches!(e, gimli::Error::UnexpectedEof(_)));
                        }
                    };
                    let Some(expression) = expression else { continue };
                    let found = *first.get_or_insert_with(|| of_expression(c, expression, wide));
                    if found != Place::Other {
                        return (found, true);
                    }
                    let later = entry_value(c, expression)
                        .or_else(|| first_piece(c, expression).filter(|_| wide && c.machine.as_pahole));
                    if let Some(register) = later {
                        return (Place::Register(register), true);
                    }
                }
                (first.unwrap_or(Place::Nowhere), true)
            })
        }
    }
}

fn expression_of<R: gimli::Reader>(entry: gimli::RawLocListEntry<R>) -> Option<gimli::Expression<R>> {
    use gimli::RawLocListEntry as Entry;
    match entry {
        Entry::AddressOrOffsetPair { data, .. }
        | Entry::StartxEndx { data, .. }
        | Entry::StartxLength { data, .. }
        | Entry::OffsetPair { data, .. }
        | Entry::DefaultLocation { data }
        | Entry::StartEnd { data, .. }
        | Entry::StartLength { data, .. } => Some(data),
        Entry::BaseAddress { .. } | Entry::BaseAddressx { .. } => None,
    }
}

fn of_expression<E: Endianity>(
    c: &Collector<'_, '_, E>,
    expression: gimli::Expression<EndianSlice<'_, E>>,
    wide: bool,
) -> Place {
    let mut operations = expression.operations(c.unit.gimli_encoding());
    let Ok(first) = operations.next() else { return Place::Other };
    let second = operations.next().ok().flatten();
    match (first, second) {
        (None, _) => Place::Nowhere,
        (Some(Operation::Register { register }), None) => Place::Register(register.0),
        (Some(Operation::Register { register }), Some(_)) if !wide => Place::Register(register.0),
        (Some(Operation::Register { register }), Some(Operation::Piece { .. })) => Place::Register(register.0),
        (Some(Operation::RegisterOffset { register, .. }), Some(_)) if has_stack_value(c, expression) => {
            Place::Register(register.0)
        }
        (
            Some(Operation::UnsignedConstant { .. } | Operation::SignedConstant { .. }),
            None | Some(Operation::StackValue),
        ) => Place::Constant,
        (Some(Operation::EntryValue { .. }), _) => entry_value(c, expression).map_or(Place::Other, Place::Register),
        _ => Place::Other,
    }
}

fn has_stack_value<E: Endianity>(c: &Collector<'_, '_, E>, expression: gimli::Expression<EndianSlice<'_, E>>) -> bool {
    let mut operations = expression.operations(c.unit.gimli_encoding());
    for _ in 0..OPERATIONS {
        let Ok(Some(operation)) = operations.next() else { return false };
        if operation == Operation::StackValue {
            return true;
        }
    }
    false
}

/// The register whose value on entry the expression is. In a longer expression it may be any parameter's.
fn entry_value<E: Endianity>(
    c: &Collector<'_, '_, E>,
    expression: gimli::Expression<EndianSlice<'_, E>>,
) -> Option<u16> {
    let mut operations = expression.operations(c.unit.gimli_encoding());
    let Ok(Some(Operation::EntryValue { expression })) = operations.next() else { return None };
    if !matches!(operations.next(), Ok(None | Some(Operation::StackValue))) {
        return None;
    }
    match gimli::Expression(expression).operations(c.unit.gimli_encoding()).next() {
        Ok(Some(Operation::Register { register })) => Some(register.0),
        _ => None,
    }
}

/// The register of the first of several pieces.
fn first_piece<E: Endianity>(
    c: &Collector<'_, '_, E>,
    expression: gimli::Expression<EndianSlice<'_, E>>,
) -> Option<u16> {
    let mut operations = expression.operations(c.unit.gimli_encoding());
    match (operations.next(), operations.next()) {
        (Ok(Some(Operation::Register { register })), Ok(Some(Operation::Piece { .. }))) => Some(register.0),
        _ => None,
    }
}
