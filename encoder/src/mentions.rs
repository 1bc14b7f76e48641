//! The units that what BTF describes comes from, for people: BTF does not say, but the DWARF of the same file has the name.

use std::collections::{BTreeSet, HashMap};

use btf::kind::Kind;
use dwarf::die::{Attr, Role, Value};
use dwarf::elf::ElfFile;
use dwarf::unit::{PlansBuffer, Unit, UnitKind};
use dwarf::walk::{Die, Visit, walk};
use gimli::{BigEndian, Endianity, LittleEndian};

use crate::error::Result;

/// The compile units whose DWARF defines (or, of a forward declaration, declares) something of a kind and name.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Mentions {
    /// Name of the first of them, in the order of the file.
    pub first: String,
    /// How many there are; 0 if it is not known.
    pub count: usize,
}

/// Those of each of `wanted`, in their order. One pass over the DWARF; a file without any knows nothing, and of None nothing is known.
///
/// # Errors
/// Damaged DWARF.
pub fn mentions(file: &ElfFile<'_>, wanted: &[Option<(Kind, &str)>]) -> Result<Vec<Mentions>> {
    match file.endian {
        object::Endianness::Little => find(file, wanted, LittleEndian),
        object::Endianness::Big => find(file, wanted, BigEndian),
    }
}

/// The DIEs that become a kind of type; none if these have no names.
fn roles_of(kind: Kind) -> &'static [Role] {
    match kind {
        Kind::Struct => &[Role::Struct],
        Kind::Union => &[Role::Union],
        Kind::Fwd => &[Role::Struct, Role::Union],
        Kind::Enum | Kind::Enum64 => &[Role::Enumeration],
        Kind::Typedef => &[Role::Typedef],
        Kind::Func => &[Role::Subprogram],
        Kind::Var => &[Role::Variable],
        Kind::Int | Kind::Float => &[Role::BaseType],
        Kind::Ptr
        | Kind::Array
        | Kind::Const
        | Kind::Volatile
        | Kind::Restrict
        | Kind::FuncProto
        | Kind::Datasec
        | Kind::DeclTag
        | Kind::TypeTag => &[],
    }
}

/// Positions in `wanted` by what their DIE is ([`Role::bit`]), whether it is a declaration, and its name.
type Numbers<'w> = HashMap<(u32, bool, &'w [u8]), Vec<usize>>;

fn find<E: Endianity>(file: &ElfFile<'_>, wanted: &[Option<(Kind, &str)>], endian: E) -> Result<Vec<Mentions>> {
    let mut found = vec![Mentions::default(); wanted.len()];
    let mut numbers = Numbers::new();
    let named = wanted.iter().enumerate().filter_map(|(number, wanted)| Some((number, (*wanted)?)));
    for (number, (kind, name)) in named.filter(|(_, (_, name))| !name.is_empty()) {
        for &role in roles_of(kind) {
            numbers.entry((role.bit(), kind == Kind::Fwd, name.as_bytes())).or_default().push(number);
        }
    }
    if numbers.is_empty() {
        return Ok(found);
    }
    let longest = numbers.keys().map(|(.., name)| name.len()).max().unwrap_or(0);
    let roles = numbers.keys().fold(0, |roles, (role, ..)| roles | role);
    let data = file.debug_data()?;
    data.info.put_in_order();
    let (mut plans, mut buffer) = (PlansBuffer::default(), Vec::new());
    for header in dwarf::unit::headers(&data.info, endian)? {
        // Of type units and partial units those that refer to them would have to be found.
        if header.kind != UnitKind::Compile {
            continue;
        }
        let bytes = data.info.part(header.range(), &mut buffer)?;
        let unit = Unit::open(header, bytes, data.sections(), &mut plans, endian)?;
        // A partial unit of DWARF 4.
        if unit.name.is_empty() {
            continue;
        }
        let mut named = Named { unit: &unit, roles, longest, numbers: &numbers, here: BTreeSet::new() };
        walk(&unit, &plans, &mut named)?;
        for number in named.here {
            let mentions = &mut found[number];
            if mentions.count == 0 {
                mentions.first = String::from_utf8_lossy(unit.name).into_owned();
            }
            mentions.count += 1;
        }
    }
    data.check()?;
    Ok(found)
}

/// Finds what is wanted in a unit.
struct Named<'u, 'a, 'w, E> {
    unit: &'u Unit<'a, E>,
    /// What can be wanted, as bits.
    roles: u32,
    /// Bytes of the longest name that is wanted.
    longest: usize,
    numbers: &'u Numbers<'w>,
    here: BTreeSet<usize>,
}

impl<E: Endianity> Visit for Named<'_, '_, '_, E> {
    fn wants(&self, role: Role, parent: Role) -> bool {
        // Variables of functions are not in BTF.
        self.roles & role.bit() != 0 && (role != Role::Variable || parent == Role::Unit)
    }

    fn enter(&mut self, die: Die<'_>) -> Role {
        if let Some(name) = self.name(&die) {
            let key = (die.role.bit(), die.attributes.flag(Attr::Declaration), name);
            self.here.extend(self.numbers.get(&key).into_iter().flatten());
        }
        die.role
    }

    fn leave(&mut self, _role: Role) {}
}

impl<'a, E: Endianity> Named<'_, 'a, '_, E> {
    /// A DIE's name, unless it is longer than all that is wanted: then its end is not looked for, since a damaged file can have
    /// many names with one far end.
    fn name(&self, die: &Die<'_>) -> Option<&'a [u8]> {
        let Some(Value::Text(text)) = die.attributes.get(Attr::Name) else { return None };
        let rest = self.unit.text_and_rest(text)?;
        let end = rest.iter().take(self.longest + 1).position(|&byte| byte == 0)?;
        Some(&rest[..end])
    }
}
