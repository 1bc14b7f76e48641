//! Reading plans: what to do with the attributes of a DIE, made once per abbreviation (DWARF5 7.5.3).
//!
//! Most attributes of most DIEs are of no use to a type encoder (declaration lines, call sites). A plan joins the fixed
//! sizes of all that is passed over, so that a DIE without a wanted attribute is one addition, and decodes the rest by
//! form without looking at attribute numbers again.

use gimli::{DwAt, DwForm, DwTag, Endianity, Format};

use crate::cursor::{Cursor, End};
use crate::die::{Attr, Role};
use crate::error::{Error, ErrorKind, Result};

/// What sizes of forms depend on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Encoding {
    /// Bytes of an address.
    pub address_size: u8,
    /// 32- or 64-bit DWARF.
    pub format: Format,
    /// DWARF version.
    pub version: u16,
}

impl Encoding {
    /// Bytes of a section offset.
    pub fn offset_size(self) -> u8 {
        self.format.word_size()
    }
}

/// One step of a plan.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step {
    /// Pass over bytes.
    Skip(u32),
    /// Pass over a value whose size is in the data.
    SkipForm(DwForm),
    /// Decode a value.
    Read(Attr, DwForm),
    /// A value that stands in the abbreviation itself (DW_FORM_implicit_const).
    Constant(Attr, i64),
}

/// The plan for an abbreviation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub role: Role,
    pub tag: DwTag,
    pub has_children: bool,
    /// Bytes of all attributes together, if that is fixed.
    pub fixed_size: Option<u32>,
    steps: (u32, u32),
}

/// The plans of an abbreviation table, by code.
#[derive(Debug, Default)]
pub(crate) struct Plans {
    /// By code; producers number from 1 without holes.
    plans: Vec<Option<Plan>>,
    /// Codes too large for the list.
    sparse: std::collections::BTreeMap<u64, Plan>,
    steps: Vec<Step>,
}

/// Codes below this go into the list. A table of N bytes has fewer than N codes, so larger ones are odd.
const DENSE_CODES: u64 = 1 << 16;

impl Plans {
    /// Reads the abbreviation table at `offset`, reusing the memory of an earlier one.
    pub fn read<E: Endianity>(&mut self, abbrev: &[u8], offset: u64, encoding: Encoding, endian: E) -> Result<()> {
        self.plans.clear();
        self.sparse.clear();
        self.steps.clear();
        let mut cursor = Cursor::new(abbrev, endian).at(usize::try_from(offset).unwrap_or(usize::MAX));
        loop {
            let at = cursor.position;
            let cut =
                |_| Error::at(ErrorKind::Dwarf, ".debug_abbrev", at as u64, "the abbreviation table is cut short");
            let code = cursor.uleb().map_err(cut)?;
            if code == 0 {
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
        let first = self.steps.len();
        let (mut pending, mut fixed, mut all_fixed) = (0u32, 0u32, true);
        loop {
            let (at, form) = (DwAt(cursor.uleb()? as u16), DwForm(cursor.uleb()? as u16));
            let constant = if form == gimli::DW_FORM_implicit_const { Some(cursor.sleb()?) } else { None };
            if at.0 == 0 && form.0 == 0 {
                break;
            }
            let size = match size_of(form, encoding) {
                Ok(size) => size,
                Err(form) => return Ok(Err(form)),
            };
            match size {
                Some(bytes) => fixed = fixed.saturating_add(u32::from(bytes)),
                None => all_fixed = false,
            }
            match (Attr::wanted(at, role), constant, size) {
                (Some(attr), Some(value), _) => self.steps.push(Step::Constant(attr, value)),
                (Some(attr), None, _) => {
                    flush(&mut self.steps, &mut pending);
                    self.steps.push(Step::Read(attr, form));
                }
                (None, _, Some(bytes)) => pending = pending.saturating_add(u32::from(bytes)),
                (None, _, None) => {
                    flush(&mut self.steps, &mut pending);
                    self.steps.push(Step::SkipForm(form));
                }
            }
        }
        flush(&mut self.steps, &mut pending);
        let steps = (first as u32, self.steps.len() as u32);
        Ok(Ok(Plan { role, tag, has_children, fixed_size: all_fixed.then_some(fixed), steps }))
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
}

fn flush(steps: &mut Vec<Step>, pending: &mut u32) {
    if *pending > 0 {
        steps.push(Step::Skip(std::mem::take(pending)));
    }
}

/// Bytes of a form's value, None if the value tells, Err for an unknown form (DWARF5 7.5.6).
fn size_of(form: DwForm, encoding: Encoding) -> std::result::Result<Option<u8>, DwForm> {
    Ok(Some(match form {
        gimli::DW_FORM_flag_present | gimli::DW_FORM_implicit_const => 0,
        gimli::DW_FORM_data1
        | gimli::DW_FORM_ref1
        | gimli::DW_FORM_flag
        | gimli::DW_FORM_strx1
        | gimli::DW_FORM_addrx1 => 1,
        gimli::DW_FORM_data2 | gimli::DW_FORM_ref2 | gimli::DW_FORM_strx2 | gimli::DW_FORM_addrx2 => 2,
        gimli::DW_FORM_strx3 | gimli::DW_FORM_addrx3 => 3,
        gimli::DW_FORM_data4
        | gimli::DW_FORM_ref4
        | gimli::DW_FORM_strx4
        | gimli::DW_FORM_addrx4
        | gimli::DW_FORM_ref_sup4 => 4,
        gimli::DW_FORM_data8 | gimli::DW_FORM_ref8 | gimli::DW_FORM_ref_sig8 | gimli::DW_FORM_ref_sup8 => 8,
        gimli::DW_FORM_data16 => 16,
        gimli::DW_FORM_addr => encoding.address_size,
        // DWARF 2 gave references the size of an address (DWARF2 7.5.4).
        gimli::DW_FORM_ref_addr if encoding.version <= 2 => encoding.address_size,
        gimli::DW_FORM_ref_addr
        | gimli::DW_FORM_sec_offset
        | gimli::DW_FORM_strp
        | gimli::DW_FORM_line_strp
        | gimli::DW_FORM_strp_sup
        | gimli::DW_FORM_GNU_ref_alt
        | gimli::DW_FORM_GNU_strp_alt => encoding.offset_size(),
        gimli::DW_FORM_udata
        | gimli::DW_FORM_sdata
        | gimli::DW_FORM_ref_udata
        | gimli::DW_FORM_strx
        | gimli::DW_FORM_addrx
        | gimli::DW_FORM_loclistx
        | gimli::DW_FORM_rnglistx
        | gimli::DW_FORM_GNU_addr_index
        | gimli::DW_FORM_GNU_str_index
        | gimli::DW_FORM_string
        | gimli::DW_FORM_block
        | gimli::DW_FORM_block1
        | gimli::DW_FORM_block2
        | gimli::DW_FORM_block4
        | gimli::DW_FORM_exprloc
        | gimli::DW_FORM_indirect => return Ok(None),
        _ => return Err(form),
    }))
}
