//! The decode loop: one pass over the DIEs of a unit. The only hot loop of this crate.

use gimli::{DwForm, DwTag, Endianity};

use crate::cursor::{Cursor, End};
use crate::die::{Attr, Attributes, Role};
use crate::error::{Error, ErrorKind, Result};
use crate::form::{self, Class, Layout};
use crate::plan::{Encoding, Plan, Plans};
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
#[inline(never)] // inlined into what reads a unit, the loop keeps less in registers
pub fn walk<E: Endianity, V: Visit>(unit: &Unit<'_, E>, plans: &PlansBuffer, visitor: &mut V) -> Result<()> {
    let mut walker = Walker::new(unit, &plans.0);
    walker.run::<V, false>(visitor).map_err(|problem| walker.error(problem))
}

/// Where DIEs that are read for another unit than their own seem to stand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Distant {
    /// What is added to the offsets that a visitor sees (modulo 2^32).
    pub shift: u32,
    /// Their strings are not those of the other unit's file.
    pub other_strings: bool,
}

/// Walks all DIEs below the unit's own, for another unit: offsets of DIEs are shifted, and references to the own unit are
/// [`crate::die::Value::SameSection`]s.
pub fn walk_distant<E: Endianity, V: Visit>(
    unit: &Unit<'_, E>,
    plans: &PlansBuffer,
    distant: Distant,
    visitor: &mut V,
) -> Result<()> {
    let mut walker = Walker { distant, ..Walker::new(unit, &plans.0) };
    walker.run::<V, true>(visitor).map_err(|problem| walker.error(problem))
}

/// Walks the DIE at an offset of a unit and all below it, for another unit, as if it stood directly below a unit's own. Returns the
/// offset of what follows it.
pub fn walk_die<E: Endianity, V: Visit>(
    unit: &Unit<'_, E>,
    plans: &PlansBuffer,
    offset: usize,
    distant: Distant,
    visitor: &mut V,
) -> Result<usize> {
    let mut walker = Walker { distant, ..Walker::new(unit, &plans.0) };
    walker.cursor.position = offset;
    walker.siblings::<V, true>(visitor, true).map_err(|problem| walker.error(problem))?;
    Ok(walker.cursor.position)
}

/// The offsets at which DIEs of a unit start, as a bit per byte.
pub fn starts<E: Endianity>(unit: &Unit<'_, E>, plans: &PlansBuffer) -> Result<Vec<u64>> {
    let mut walker = Walker::new(unit, &plans.0);
    let mut starts = vec![0; unit.bytes().len() / 64 + 1];
    walker.find_starts(&mut starts).map_err(|problem| walker.error(problem))?;
    Ok(starts)
}

/// Decodes the unit's own DIE; its tag.
pub(crate) fn root<E: Endianity>(unit: &Unit<'_, E>, plans: &PlansBuffer, root: &mut Attributes) -> Result<DwTag> {
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
    section: &'static str,
    /// Where the DIE being read starts.
    die: usize,
    distant: Distant,
}

impl<'p, 'a, E: Endianity> Walker<'p, 'a, E> {
    fn new(unit: &Unit<'a, E>, plans: &'p Plans) -> Walker<'p, 'a, E> {
        let start = unit.header.header_size;
        Walker {
            cursor: Cursor::new(unit.bytes(), unit.endian).at(start),
            plans,
            encoding: unit.header.encoding,
            unit_offset: unit.header.offset,
            section: unit.section_name(),
            die: start,
            distant: Distant { shift: 0, other_strings: false },
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
        Error::at(ErrorKind::Dwarf, self.section, at, text)
    }

    fn decode_root(&mut self, root: &mut Attributes) -> std::result::Result<DwTag, Problem> {
        if self.cursor.is_at_end() {
            return Ok(DwTag(0));
        }
        let code = self.cursor.uleb()?;
        if code == 0 {
            return Ok(DwTag(0));
        }
        let plan = self.plan(code)?;
        self.decode(plan, root)?;
        Ok(plan.tag)
    }

    #[inline(always)]
    fn plan(&self, code: u64) -> std::result::Result<&'p Plan, Problem> {
        self.plans.get(code).ok_or(Problem::Abbreviation(code))
    }

    fn run<V: Visit, const DISTANT: bool>(&mut self, visitor: &mut V) -> std::result::Result<(), Problem> {
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
        self.siblings::<V, DISTANT>(visitor, false)
    }

    /// The DIEs from here on that have the same parent, or just `one` of them, and all below them.
    fn siblings<V: Visit, const DISTANT: bool>(
        &mut self,
        visitor: &mut V,
        one: bool,
    ) -> std::result::Result<(), Problem> {
        let mut attributes = Attributes::default();
        let mut parents: Vec<Role> = Vec::new();
        let mut parent = Role::Unit;
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
                if DISTANT && one && parents.is_empty() {
                    return Ok(());
                }
                continue;
            }
            let plan = self.plan(code)?;
            let mut role = Role::Other;
            if visitor.wants(plan.role, parent) {
                self.decode(plan, &mut attributes)?;
                let mut offset = self.die as u32;
                if DISTANT {
                    attributes.make_distant(self.unit_offset as u64, self.distant.other_strings);
                    offset = offset.wrapping_add(self.distant.shift);
                }
                role = visitor.enter(Die {
                    role: plan.role,
                    tag: plan.tag,
                    parent,
                    offset,
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
            } else if DISTANT && one && parents.is_empty() {
                return Ok(());
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

    fn find_starts(&mut self, starts: &mut [u64]) -> std::result::Result<(), Problem> {
        let mut depth = 0usize;
        while !self.cursor.is_at_end() {
            self.die = self.cursor.position;
            let code = self.cursor.uleb()?;
            if code == 0 {
                depth = depth.saturating_sub(1);
            } else {
                starts[self.die / 64] |= 1 << (self.die % 64);
                let plan = self.plan(code)?;
                self.skip(plan)?;
                depth += usize::from(plan.has_children);
            }
            // Padding after the unit's own DIE is as good as its end.
            if depth == 0 {
                break;
            }
        }
        Ok(())
    }

    #[inline(always)]
    fn skip(&mut self, plan: &Plan) -> std::result::Result<(), End> {
        if let Some(bytes) = plan.fixed_size {
            return self.cursor.skip(u64::from(bytes));
        }
        for step in self.plans.steps(plan) {
            self.cursor.advance(step.skip);
            match step.layout {
                Layout::Fixed(bytes) => self.cursor.advance(u32::from(bytes)),
                layout => self.skip_value(layout)?,
            }
        }
        self.cursor.skip(u64::from(plan.rest))
    }

    #[inline(always)]
    fn decode(&mut self, plan: &Plan, attributes: &mut Attributes) -> std::result::Result<(), End> {
        attributes.clear();
        for &(attr, value) in self.plans.constants(plan) {
            attributes.set(attr, Class::Signed, value as u64);
        }
        if let (true, Some(size)) = (plan.is_simple, plan.fixed_size) {
            if let Some(window) = self.cursor.window(size) {
                let mut at = 0;
                for step in self.plans.steps(plan) {
                    at += step.skip;
                    if let (Layout::Fixed(size), Some(attr)) = (step.layout, step.attr) {
                        attributes.set(attr, step.class, window.number(at, size)?);
                        at += u32::from(size);
                    }
                }
                self.cursor.advance(size);
                return Ok(());
            }
        }
        for step in self.plans.steps(plan) {
            self.cursor.advance(step.skip);
            match (step.layout, step.attr) {
                (Layout::Fixed(size), Some(attr)) => {
                    let word = self.cursor.fixed(size)?;
                    attributes.set(attr, step.class, word);
                }
                (layout, Some(attr)) => self.decode_other(attr, step.class, layout, attributes)?,
                (layout, None) => self.skip_value(layout)?,
            }
        }
        self.cursor.skip(u64::from(plan.rest))
    }

    #[inline]
    fn decode_other(
        &mut self,
        attr: Attr,
        class: Class,
        layout: Layout,
        attributes: &mut Attributes,
    ) -> std::result::Result<(), End> {
        let c = &mut self.cursor;
        let start = c.position;
        let word = match layout {
            Layout::Fixed(size) => c.fixed(size)?,
            Layout::String => {
                c.skip_string()?;
                start as u64
            }
            Layout::Uleb => c.uleb()?,
            Layout::Sleb => c.sleb()? as u64,
            Layout::Present => 1,
            Layout::Block(_) | Layout::Sixteen => {
                let length = c.block(layout)?;
                attributes.set_length(attr, length);
                c.position as u64 - length
            }
            Layout::Indirect => {
                let (layout, class) = self.indirect()?;
                return self.decode_other(attr, class, layout, attributes);
            }
            Layout::Constant => return Err(End), // kept with the plan; without meaning behind DW_FORM_indirect
        };
        attributes.set(attr, class, word);
        Ok(())
    }

    #[inline]
    fn skip_value(&mut self, layout: Layout) -> std::result::Result<(), End> {
        let c = &mut self.cursor;
        match layout {
            Layout::Fixed(bytes) => c.skip(u64::from(bytes)),
            Layout::Block(_) | Layout::Sixteen => c.block(layout).map(|_| ()),
            Layout::String => c.skip_string(),
            Layout::Uleb | Layout::Sleb => c.skip_leb(),
            Layout::Present | Layout::Constant => Ok(()),
            Layout::Indirect => {
                let (layout, _) = self.indirect()?;
                self.skip_value(layout)
            }
        }
    }

    /// The form that stands before the value itself (DW_FORM_indirect, DWARF5 7.5.3).
    #[cold]
    fn indirect(&mut self) -> std::result::Result<(Layout, Class), End> {
        let form = DwForm(u16::try_from(self.cursor.uleb()?).map_err(|_| End)?);
        let known = form::of(form, self.encoding).ok_or(End)?;
        // Neither form can follow here, so what is behind an indirect form goes one deep.
        if matches!(known.0, Layout::Indirect | Layout::Constant) { Err(End) } else { Ok(known) }
    }
}
