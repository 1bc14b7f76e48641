//! Reading plans: what to do with the attributes of a DIE, made once per abbreviation (DWARF5 7.5.3).
//!
//! Most attributes of most DIEs are of no use to a type encoder (declaration lines, call sites). A plan joins the fixed
//! sizes of all that is passed over, so that a DIE without a wanted attribute is one addition, and decodes the rest by
//! form without looking at attribute numbers again.

use gimli::{DwAt, DwForm, DwTag, Endianity, Format};

use crate::cursor::{Cursor, End};
use crate::die::{Attr, Role};
use crate::error::{Error, ErrorKind, Result};
use crate::form::{self, Class, Layout};

/// What sizes of forms depend on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Encoding {
    /// Bytes of an address.
    pub address_size: u8,
    /// 32- or 64-bit DWARF.
    pub format: Format,
    /// DWARF version.
    pub version: u16,
    /// The unit was split off from its file (DWARF5 7.3.2).
    pub is_split: bool,
}

impl Encoding {
    /// Bytes of a section offset.
    pub fn offset_size(self) -> u8 {
        self.format.word_size()
    }
}

/// One step of a plan: bytes to pass over, then a value.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    /// Bytes before the value.
    pub skip: u32,
    /// What the value is for; None to pass over it, since its size is in the data.
    pub attr: Option<Attr>,
    /// What it is.
    pub class: Class,
    /// Where it is.
    pub layout: Layout,
}

/// The plan for an abbreviation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub role: Role,
    pub has_children: bool,
    pub tag: DwTag,
    /// Bytes of all attributes together, if that is fixed.
    pub fixed_size: Option<u32>,
    /// The plan is of fixed size, and all values that are wanted are numbers of up to 8 bytes.
    pub is_simple: bool,
    steps: (u32, u32),
    /// Values that stand in the abbreviation itself (DW_FORM_implicit_const).
    constants: (u32, u32),
    /// Bytes after the last step.
    pub rest: u32,
}

/// The plans of an abbreviation table, by code.
#[derive(Debug, Default)]
pub(crate) struct Plans {
    /// By code; producers number from 1 without holes.
    plans: Vec<Option<Plan>>,
    /// Codes too large for the list.
    sparse: std::collections::BTreeMap<u64, Plan>,
    steps: Vec<Step>,
    constants: Vec<(Attr, i64)>,
    /// Where the table is, if it was read to its end. All tables are of one section.
    read: Option<(u64, Encoding)>,
    /// Bytes of all tables that were read.
    bytes_read: u64,
}

/// How many times the bytes of the section may be read, in tables. Those of compilers do not overlap, and units that share one follow
/// each other.
const TIMES: u64 = 64;

/// Codes below this go into the list. A table of N bytes has fewer than N codes, so larger ones are odd.
const DENSE_CODES: u64 = 1 << 16;

impl Plans {
    /// Reads the abbreviation table at `offset`, reusing the memory of an earlier one.
    pub fn read<E: Endianity>(&mut self, abbrev: &[u8], offset: u64, encoding: Encoding, endian: E) -> Result<()> {
        // Units may share a table (link-time optimisation, dwz).
        if self.read == Some((offset, encoding)) {
            return Ok(());
        }
        if self.bytes_read > TIMES * abbrev.len() as u64 {
            return Err(Error::at(ErrorKind::Dwarf, ".debug_abbrev", offset, "the units' abbreviation tables overlap"));
        }
        self.read = None;
        self.plans.clear();
        self.sparse.clear();
        self.steps.clear();
        self.constants.clear();
        let mut cursor = Cursor::new(abbrev, endian).at(usize::try_from(offset).unwrap_or(usize::MAX));
        loop {
            let at = cursor.position;
            let error = |text: &str| Error::at(ErrorKind::Dwarf, ".debug_abbrev", at as u64, text);
            let cut = |_| error("the abbreviation table is cut short");
            let code = cursor.uleb().map_err(cut)?;
            if code == 0 {
                self.bytes_read += (at as u64).saturating_sub(offset);
                self.read = Some((offset, encoding));
                return Ok(());
            }
            let plan = self.read_one(&mut cursor, encoding).map_err(cut)?.map_err(|form| {
                let text = format!("attribute form {form} of abbreviation {code} is unknown");
                Error::at(ErrorKind::Unsupported, ".debug_abbrev", at as u64, text)
            })?;
            if code < DENSE_CODES {
                let at = code as usize;
                if self.plans.len() <= at {
                    self.plans.resize(at + 1, None);
                }
                self.plans[at].get_or_insert(plan);
            } else {
                self.sparse.entry(code).or_insert(plan);
            }
        }
    }

    fn read_one<E: Endianity>(
        &mut self,
        cursor: &mut Cursor<'_, E>,
        encoding: Encoding,
    ) -> std::result::Result<std::result::Result<Plan, DwForm>, End> {
        let tag = DwTag(cursor.uleb()? as u16);
        let has_children = cursor.u8()? != 0;
        let role = Role::of(tag);
        let (first, first_constant) = (self.steps.len(), self.constants.len());
        let (mut skip, mut fixed, mut all_fixed) = (0u32, 0u32, true);
        let mut seen = 0u64;
        loop {
            let (at, form) = (DwAt(cursor.uleb()? as u16), DwForm(cursor.uleb()? as u16));
            let constant = if form == gimli::DW_FORM_implicit_const { Some(cursor.sleb()?) } else { None };
            if at.0 == 0 && form.0 == 0 {
                break;
            }
            let Some((layout, class)) = form::of(form, encoding) else { return Ok(Err(form)) };
            let size = match layout {
                Layout::Fixed(bytes) => Some(u32::from(bytes)),
                Layout::Sixteen => Some(16),
                Layout::Present | Layout::Constant => Some(0),
                Layout::Uleb | Layout::Sleb | Layout::String | Layout::Block(_) | Layout::Indirect => None,
            };
            match size {
                Some(bytes) => fixed = fixed.saturating_add(bytes),
                None => all_fixed = false,
            }
            // The first of several counts.
            let attr = Attr::wanted(at, role).filter(|&attr| seen & 1 << attr as u32 == 0);
            seen |= attr.map_or(0, |attr| 1 << attr as u32);
            match (attr, constant, size) {
                (Some(attr), Some(value), _) => self.constants.push((attr, value)),
                (None, _, Some(bytes)) => skip = skip.saturating_add(bytes),
                (attr, _, _) => self.steps.push(Step { skip: std::mem::take(&mut skip), attr, class, layout }),
            }
        }
        let steps = &self.steps[first..];
        let is_simple = all_fixed && steps.iter().all(|step| matches!(step.layout, Layout::Fixed(_)));
        Ok(Ok(Plan {
            is_simple,
            role,
            tag,
            has_children,
            fixed_size: all_fixed.then_some(fixed),
            steps: (first as u32, self.steps.len() as u32),
            constants: (first_constant as u32, self.constants.len() as u32),
            rest: skip,
        }))
    }

    /// About how many bytes of memory they take.
    pub fn memory(&self) -> usize {
        let (plan, step) = (size_of::<Option<Plan>>(), size_of::<Step>());
        self.plans.len() * plan + self.steps.len() * step + self.sparse.len() * 2 * plan
    }

    /// The plan of an abbreviation code.
    #[inline(always)]
    pub fn get(&self, code: u64) -> Option<&Plan> {
        if code < DENSE_CODES { self.plans.get(code as usize).and_then(|p| p.as_ref()) } else { self.sparse.get(&code) }
    }

    /// The steps of a plan.
    #[inline(always)]
    pub fn steps(&self, plan: &Plan) -> &[Step] {
        &self.steps[plan.steps.0 as usize..plan.steps.1 as usize]
    }

    /// The values of a plan that stand in the abbreviation.
    #[inline(always)]
    pub fn constants(&self, plan: &Plan) -> &[(Attr, i64)] {
        &self.constants[plan.constants.0 as usize..plan.constants.1 as usize]
    }
}
