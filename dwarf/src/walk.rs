//! The decode loop: one pass over the DIEs of a unit. The only hot loop of this crate.

use gimli::{DwForm, DwTag, Endianity};

use crate::cursor::{Cursor, End};
use crate::die::{Attributes, Role, Text, Value};
use crate::error::{Error, ErrorKind, Result};
use crate::plan::{Encoding, Plan, Plans, Step};
use crate::unit::{PlansBuffer, Unit};

/// A DIE that a visitor asked for.
#[derive(Clone, Copy, Debug)]
pub struct Die<'w> {
    /// What it is.
    pub role: Role,
    /// Its tag, where the role is not enough.
    pub tag: DwTag,
    /// Role of the DIE it stands in.
    pub parent: Role,
    /// Bytes from the start of the unit.
    pub offset: u32,
    /// True if [`Visit::leave`] follows after its children.
    pub has_children: bool,
    /// Its attributes.
    pub attributes: &'w Attributes,
}

/// What is done with the DIEs of a unit.
pub trait Visit {
    /// Whether to decode a DIE at all. Otherwise it is passed over and [`Visit::enter`] not called.
    fn wants(&self, role: Role, parent: Role) -> bool;

    /// A DIE. The role that is returned is what its children see as their parent's.
    fn enter(&mut self, die: Die<'_>) -> Role;

    /// The end of the children of a DIE for which [`Visit::enter`] returned this role.
    fn leave(&mut self, role: Role);
}

/// Deepest nesting of DIEs that is followed; compilers stay far below, and the memory for it stays bounded.
const MAX_DEPTH: usize = 1 << 20;

/// Walks all DIEs below the unit's own.
///
/// # Errors
/// An abbreviation that is not in the table, or a unit that ends within a DIE.
pub fn walk<E: Endianity, V: Visit>(unit: &Unit<'_, E>, plans: &PlansBuffer, visitor: &mut V) -> Result<()> {
    let mut walker = Walker::new(unit, &plans.0);
    walker.run(visitor).map_err(|problem| walker.error(problem))
}

/// Decodes the unit's own DIE.
pub(crate) fn root<E: Endianity>(unit: &Unit<'_, E>, plans: &PlansBuffer, root: &mut Attributes) -> Result<()> {
    let mut walker = Walker::new(unit, &plans.0);
    walker.decode_root(root).map_err(|problem| walker.error(problem))
}

enum Problem {
    End,
    Abbreviation(u64),
    Depth,
}

impl From<End> for Problem {
    fn from(_: End) -> Problem {
        Problem::End
    }
}

struct Walker<'p, 'a, E> {
    cursor: Cursor<'a, E>,
    plans: &'p Plans,
    encoding: Encoding,
    unit_offset: usize,
    /// Where the DIE being read starts.
    die: usize,
}

impl<'p, 'a, E: Endianity> Walker<'p, 'a, E> {
    fn new(unit: &Unit<'a, E>, plans: &'p Plans) -> Walker<'p, 'a, E> {
        let start = unit.header.header_size;
        Walker {
            cursor: Cursor::new(unit.bytes(), unit.endian).at(start),
            plans,
            encoding: unit.header.encoding,
            unit_offset: unit.header.offset,
            die: start,
        }
    }

    fn error(&self, problem: Problem) -> Error {
        let at = (self.unit_offset + self.die) as u64;
        let text = match problem {
            Problem::End => "the unit ends within this DIE".into(),
            Problem::Abbreviation(code) => {
                format!("abbreviation {code} is not in the unit's table")
            }
            Problem::Depth => format!("DIEs nested more than {MAX_DEPTH} deep"),
        };
        Error::at(ErrorKind::Dwarf, ".debug_info", at, text)
    }

    fn decode_root(&mut self, root: &mut Attributes) -> std::result::Result<(), Problem> {
        if self.cursor.is_at_end() {
            return Ok(());
        }
        let code = self.cursor.uleb()?;
        if code != 0 {
            let plan = *self.plan(code)?;
            self.decode(&plan, root)?;
        }
        Ok(())
    }

    #[inline(always)]
    fn plan(&self, code: u64) -> std::result::Result<&'p Plan, Problem> {
        self.plans.get(code).ok_or(Problem::Abbreviation(code))
    }

    fn run<V: Visit>(&mut self, visitor: &mut V) -> std::result::Result<(), Problem> {
        let mut attributes = Attributes::default();
        let mut parents: Vec<Role> = Vec::new();
        let mut parent = Role::Unit;
        if self.cursor.is_at_end() {
            return Ok(());
        }
        let code = self.cursor.uleb()?;
        if code == 0 {
            return Ok(());
        }
        let plan = self.plan(code)?;
        self.skip(plan)?;
        if !plan.has_children {
            return Ok(());
        }
        while !self.cursor.is_at_end() {
            self.die = self.cursor.position;
            let code = self.cursor.uleb()?;
            if code == 0 {
                // Padding after the unit's own children is as good as its end.
                let Some(outer) = parents.pop() else {
                    return Ok(());
                };
                if parent != Role::Other {
                    visitor.leave(parent);
                }
                parent = outer;
                continue;
            }
            let plan = self.plan(code)?;
            let mut role = Role::Other;
            if visitor.wants(plan.role, parent) {
                self.decode(plan, &mut attributes)?;
                role = visitor.enter(Die {
                    role: plan.role,
                    tag: plan.tag,
                    parent,
                    offset: self.die as u32,
                    has_children: plan.has_children,
                    attributes: &attributes,
                });
            } else {
                self.skip(plan)?;
            }
            if plan.has_children {
                if parents.len() == MAX_DEPTH {
                    return Err(Problem::Depth);
                }
                parents.push(parent);
                parent = role;
            }
        }
        // The unit ends without closing everything: producers may leave out trailing zeros (gcc does not).
        while let Some(outer) = parents.pop() {
            if parent != Role::Other {
                visitor.leave(parent);
            }
            parent = outer;
        }
        Ok(())
    }

    #[inline(always)]
    fn skip(&mut self, plan: &Plan) -> std::result::Result<(), End> {
        if let Some(bytes) = plan.fixed_size {
            return self.cursor.skip(u64::from(bytes));
        }
        for step in self.plans.steps(plan) {
            match *step {
                Step::Skip(bytes) => self.cursor.skip(u64::from(bytes))?,
                Step::SkipForm(form) | Step::Read(_, form) => self.skip_form(form)?,
                Step::Constant(..) => {}
            }
        }
        Ok(())
    }

    #[inline(always)]
    fn decode(&mut self, plan: &Plan, attributes: &mut Attributes) -> std::result::Result<(), End> {
        attributes.clear();
        for step in self.plans.steps(plan) {
            match *step {
                Step::Skip(bytes) => self.cursor.skip(u64::from(bytes))?,
                Step::SkipForm(form) => self.skip_form(form)?,
                Step::Constant(attr, value) => attributes.set(attr, Value::Signed(value)),
                Step::Read(attr, form) => {
                    let value = self.value(form)?;
                    attributes.set(attr, value);
                }
            }
        }
        Ok(())
    }

    /// The form that stands before the value itself (DW_FORM_indirect, DWARF5 7.5.3).
    #[cold]
    fn indirect(&mut self) -> std::result::Result<DwForm, End> {
        let form = DwForm(self.cursor.uleb()? as u16);
        match form {
            gimli::DW_FORM_indirect | gimli::DW_FORM_implicit_const => Err(End),
            form => Ok(form),
        }
    }

    /// The value of an indirect form. [`Walker::indirect`] does not return itself, so this goes one deep.
    #[cold]
    #[inline(never)]
    fn value_behind(&mut self, form: DwForm) -> std::result::Result<Value, End> {
        self.value(form)
    }

    #[inline(always)]
    fn skip_form(&mut self, form: DwForm) -> std::result::Result<(), End> {
        let c = &mut self.cursor;
        match form {
            gimli::DW_FORM_exprloc | gimli::DW_FORM_block => {
                let bytes = c.uleb()?;
                c.skip(bytes)
            }
            gimli::DW_FORM_string => c.skip_string(),
            gimli::DW_FORM_udata
            | gimli::DW_FORM_sdata
            | gimli::DW_FORM_ref_udata
            | gimli::DW_FORM_strx
            | gimli::DW_FORM_addrx
            | gimli::DW_FORM_loclistx
            | gimli::DW_FORM_rnglistx
            | gimli::DW_FORM_GNU_addr_index
            | gimli::DW_FORM_GNU_str_index => c.skip_leb(),
            _ => self.value(form).map(|_| ()),
        }
    }

    #[inline(always)]
    fn block(&mut self, bytes: u64) -> std::result::Result<Value, End> {
        let start = self.cursor.position;
        self.cursor.skip(bytes)?;
        Ok(Value::Block(start, bytes as usize))
    }

    #[inline]
    fn value(&mut self, form: DwForm) -> std::result::Result<Value, End> {
        let offset_size = self.encoding.offset_size();
        let c = &mut self.cursor;
        Ok(match form {
            gimli::DW_FORM_strp => Value::Text(Text::Str(c.unsigned(offset_size)?)),
            gimli::DW_FORM_ref4 => Value::UnitOffset(u64::from(c.u32()?)),
            gimli::DW_FORM_data1 => Value::Unsigned(u64::from(c.u8()?)),
            gimli::DW_FORM_data2 => Value::Unsigned(u64::from(c.u16()?)),
            gimli::DW_FORM_data4 => Value::Unsigned(u64::from(c.u32()?)),
            gimli::DW_FORM_string => {
                let start = c.position;
                c.skip_string()?;
                Value::Text(Text::Inline(start))
            }
            gimli::DW_FORM_flag_present => Value::Flag(true),
            gimli::DW_FORM_sec_offset => Value::SectionOffset(c.unsigned(offset_size)?),
            gimli::DW_FORM_addr => Value::Address(c.unsigned(self.encoding.address_size)?),
            gimli::DW_FORM_exprloc | gimli::DW_FORM_block => {
                let bytes = c.uleb()?;
                self.block(bytes)?
            }
            gimli::DW_FORM_data8 => Value::Unsigned(c.u64()?),
            gimli::DW_FORM_udata => Value::Unsigned(c.uleb()?),
            gimli::DW_FORM_sdata => Value::Signed(c.sleb()?),
            gimli::DW_FORM_data16 => {
                let start = c.position;
                c.skip(16)?;
                Value::Block(start, 16)
            }
            gimli::DW_FORM_flag => Value::Flag(c.u8()? != 0),
            gimli::DW_FORM_ref1 => Value::UnitOffset(u64::from(c.u8()?)),
            gimli::DW_FORM_ref2 => Value::UnitOffset(u64::from(c.u16()?)),
            gimli::DW_FORM_ref8 => Value::UnitOffset(c.u64()?),
            gimli::DW_FORM_ref_udata => Value::UnitOffset(c.uleb()?),
            gimli::DW_FORM_ref_addr => {
                let size = if self.encoding.version <= 2 { self.encoding.address_size } else { offset_size };
                Value::InfoOffset(c.unsigned(size)?)
            }
            gimli::DW_FORM_ref_sig8 => Value::Signature(c.u64()?),
            gimli::DW_FORM_line_strp => Value::Text(Text::LineStr(c.unsigned(offset_size)?)),
            gimli::DW_FORM_strx | gimli::DW_FORM_GNU_str_index => Value::Text(Text::Index(c.uleb()?)),
            gimli::DW_FORM_strx1 => Value::Text(Text::Index(c.unsigned(1)?)),
            gimli::DW_FORM_strx2 => Value::Text(Text::Index(c.unsigned(2)?)),
            gimli::DW_FORM_strx3 => Value::Text(Text::Index(c.unsigned(3)?)),
            gimli::DW_FORM_strx4 => Value::Text(Text::Index(c.unsigned(4)?)),
            gimli::DW_FORM_addrx | gimli::DW_FORM_GNU_addr_index => Value::AddressIndex(c.uleb()?),
            gimli::DW_FORM_addrx1 => Value::AddressIndex(c.unsigned(1)?),
            gimli::DW_FORM_addrx2 => Value::AddressIndex(c.unsigned(2)?),
            gimli::DW_FORM_addrx3 => Value::AddressIndex(c.unsigned(3)?),
            gimli::DW_FORM_addrx4 => Value::AddressIndex(c.unsigned(4)?),
            gimli::DW_FORM_loclistx | gimli::DW_FORM_rnglistx => Value::ListIndex(c.uleb()?),
            gimli::DW_FORM_block1 => {
                let bytes = c.unsigned(1)?;
                self.block(bytes)?
            }
            gimli::DW_FORM_block2 => {
                let bytes = c.unsigned(2)?;
                self.block(bytes)?
            }
            gimli::DW_FORM_block4 => {
                let bytes = c.unsigned(4)?;
                self.block(bytes)?
            }
            gimli::DW_FORM_strp_sup | gimli::DW_FORM_GNU_strp_alt | gimli::DW_FORM_GNU_ref_alt => {
                c.skip(u64::from(offset_size))?;
                Value::Elsewhere
            }
            gimli::DW_FORM_ref_sup4 => {
                c.skip(4)?;
                Value::Elsewhere
            }
            gimli::DW_FORM_ref_sup8 => {
                c.skip(8)?;
                Value::Elsewhere
            }
            gimli::DW_FORM_indirect => {
                let form = self.indirect()?;
                self.value_behind(form)?
            }
            _ => return Err(End),
        })
    }
}
