//! What follows encoding: kfuncs described, ids filled in. One function for all who do it: btfgen itself, which has just encoded the file,
//! and `resolve_btfids`, which gets BTF of any encoder.

use std::borrow::Cow;

use btf::edit::Edit;
use btf::edit::kfunc::Flags;
use btf::map::FixedMap;
use btf::view::BtfView;

use super::finding::Finding;
use super::kfuncs::kfuncs;
use super::patch::patch;
use super::section::IdSection;
use crate::error::{Error, ErrorKind, Result};

/// Flags of kfuncs whose prototypes are changed. The others change tags at most, which encoding writes, too.
const PROTOTYPE_FLAGS: u32 = Flags::IMPLICIT_ARGS | Flags::ARENA_RET | Flags::ARENA_ARG1 | Flags::ARENA_ARG2;
/// Flags of kfuncs that matter to BTF.
pub const DESCRIBED_FLAGS: u32 = PROTOTYPE_FLAGS | Flags::FASTCALL;

/// How far the BTF of a file is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stage {
    /// It is to stay as it is; only ids are to be found in it.
    Final,
    /// [`crate::encode`] has just written it: equal types are one, names in order, kfuncs tagged.
    Encoded,
    /// Another encoder may have written it.
    Foreign,
}

/// A finished BTF and what goes with it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finished<'b> {
    /// The bytes of `.BTF`.
    pub btf: Cow<'b, [u8]>,
    /// The bytes of `.BTF_ids`, if the file has it and it was to be filled in: of the same size as before.
    pub ids: Option<Vec<u8>>,
    /// Warnings, in the order of a kernel build's log.
    pub findings: Vec<Finding>,
}

/// The BTF of a file as a kernel from 7.0 on wants it (kfuncs described, equal types once, in name order), and the ids of its types.
///
/// `section` is the file's `.BTF_ids` in link-time order ([`super::order::link_order`]). It is filled in if `fill` says so. BTF that is
/// at its stage what it should be is neither taken apart nor copied.
///
/// # Errors
/// Damaged BTF, kfuncs whose flags contradict each other or their prototypes, a result beyond the limits of BTF.
pub fn finish<'b>(
    view: &'b BtfView<'b>,
    section: Option<IdSection<'_>>,
    stage: Stage,
    fill: bool,
) -> Result<Finished<'b>> {
    let failed = |e: btf::error::Error| Error::new(ErrorKind::Input, e.to_string());
    let mut finished = Finished { btf: Cow::Borrowed(view.bytes()), ids: None, findings: Vec::new() };
    let mut described = Vec::new();
    if let (Some(section), true) = (&section, stage != Stage::Final) {
        (described, finished.findings) = kfuncs(section, &functions(view))?;
    }
    let changes = stage == Stage::Foreign || described.iter().any(|k| k.flags.0 & PROTOTYPE_FLAGS != 0);
    if stage != Stage::Final && changes {
        let mut edit = Edit::of(view).map_err(failed)?;
        edit.describe_kfuncs(&described).map_err(failed)?;
        let bytes = edit.write().map_err(failed)?;
        if stage == Stage::Encoded {
            let word_size = view.levels().iter().find_map(|level| level.word_size()).unwrap_or(8);
            crate::verify(&bytes, view.base(), word_size)?;
        }
        finished.btf = Cow::Owned(bytes);
    }
    let Some(section) = section.filter(|_| fill) else { return Ok(finished) };
    let edited;
    let view = match &finished.btf {
        Cow::Borrowed(_) => view,
        Cow::Owned(bytes) => {
            edited = BtfView::parse_on(bytes, view.base()).map_err(failed)?;
            &edited
        }
    };
    let (ids, warnings) = patch(section, view);
    finished.findings.extend(warnings);
    finished.ids = Some(ids);
    Ok(finished)
}

/// The own FUNCs by name, the first one of each, with their numbers among the own types.
fn functions<'b>(view: &'b BtfView<'_>) -> FixedMap<&'b [u8], usize> {
    let mut functions = FixedMap::default();
    let first = view.first_id().index();
    for (id, t) in view.types_of(|kind| kind == btf::kind::Kind::Func) {
        if let Some(name) = view.string(t.name_off()) {
            functions.entry(name).or_insert(id.index() - first);
        }
    }
    functions
}
