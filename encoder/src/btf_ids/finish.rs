//! What follows encoding: kfuncs described, ids filled in. One function for all who do it: btfgen itself, which has just encoded the file,
//! and `resolve_btfids`, which gets BTF of any encoder.

use std::borrow::Cow;

use btf::distill::{Ambiguous, Distilled};
use btf::edit::Edit;
use btf::edit::kfunc::{Flags, Kfunc, is_arena_name};
use btf::ids::TypeId;
use btf::map::FixedMap;
use btf::verify::KernelVersion;
use btf::view::BtfView;

use super::finding::Finding;
use super::kfuncs::kfuncs;
use super::patch::patch;
use super::section::IdSection;
use crate::error::{Error, ErrorKind, Result};

/// Flags of kfuncs that have pointers into an arena.
pub const ARENA_FLAGS: u32 = Flags::ARENA_RET | Flags::ARENA_ARG1 | Flags::ARENA_ARG2;
/// Flags of kfuncs whose prototypes are changed. The others change tags at most, which encoding writes, too.
const PROTOTYPE_FLAGS: u32 = Flags::IMPLICIT_ARGS | ARENA_FLAGS;
/// Flags of kfuncs that matter to their tags.
pub const TAGGED_FLAGS: u32 = Flags::FASTCALL;
/// Flags of kfuncs that matter to BTF.
pub const DESCRIBED_FLAGS: u32 = PROTOTYPE_FLAGS | TAGGED_FLAGS;

/// How far the BTF of a file is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stage {
    /// It is to stay as it is; only ids are to be found in it.
    Final,
    /// btfgen has just written it: equal types are one, names in order, kfuncs tagged.
    Encoded,
    /// The same, but the prototypes of kfuncs are left to another tool, apart from attributes: their pointers into arenas are marked.
    EncodedInPart,
    /// Another encoder may have written it.
    Foreign,
}

/// A finished BTF and what goes with it.
#[derive(Clone, Debug)]
pub struct Finished<'b> {
    /// The bytes of `.BTF`.
    pub btf: Cow<'b, [u8]>,
    /// The bytes of `.BTF_ids`, if the file has it and it was to be filled in: of the same size as before.
    pub ids: Option<Vec<u8>>,
    /// What there is to know of the distilled base, if there was to be one; its split part is `btf`.
    pub distilled: Option<Distilled>,
    /// Warnings, in the order of a kernel build's log.
    pub findings: Vec<Finding>,
    /// What else there is to warn about.
    pub warnings: Vec<String>,
}

/// What is to be done to a BTF.
#[derive(Clone, Copy, Debug)]
pub struct Steps {
    /// How far it is.
    pub stage: Stage,
    /// Whether its base is to be distilled, and what to do with types that a kernel would find twice.
    pub distill: Option<Ambiguous>,
    /// Whether `.BTF_ids` is to be filled in.
    pub fill: bool,
    /// The kernel that it is for.
    pub kernel: KernelVersion,
}

/// The BTF of a file as a kernel from 7.0 on wants it (kfuncs described, equal types once, in name order), and the ids of its types.
///
/// `section` is the file's `.BTF_ids` in link-time order ([`super::order::link_order`]). BTF that is at its stage what it should be is
/// neither taken apart nor copied. What is new has to pass [`crate::output::check`] before it is written. The ids that are filled in are those on the distilled base, if there is one: kernels relocate them.
///
/// # Errors
/// Damaged BTF, kfuncs whose flags contradict each other or their prototypes, a result beyond the limits of BTF.
pub fn finish<'b>(view: &'b BtfView<'b>, section: Option<IdSection<'_>>, steps: Steps) -> Result<Finished<'b>> {
    let Steps { stage, distill, fill, kernel } = steps;
    let failed = |e: btf::error::Error| Error::new(ErrorKind::Input, e.to_string());
    let mut finished = Finished {
        btf: Cow::Borrowed(view.bytes()),
        ids: None,
        distilled: None,
        findings: Vec::new(),
        warnings: Vec::new(),
    };
    let mut described = Vec::new();
    if let (Some(section), true) = (&section, stage != Stage::Final) {
        (described, finished.findings) = kfuncs(section, &functions(view))?;
    }
    if stage == Stage::EncodedInPart {
        // The other tool has something to say, too.
        finished.findings.clear();
        described.iter_mut().for_each(|k| k.flags.0 &= ARENA_FLAGS);
    }
    let arenas = kernel >= KernelVersion::ATTRIBUTE_TAGS;
    if !arenas {
        described.iter_mut().for_each(|k| k.flags.0 &= !ARENA_FLAGS);
    }
    let is_changed = |k: &Kfunc| k.flags.0 & PROTOTYPE_FLAGS != 0 || arenas && has_arena_names(view, k.function);
    let changes = stage == Stage::Foreign || described.iter().any(is_changed);
    if stage != Stage::Final && changes {
        let mut edit = Edit::of(view).map_err(failed)?;
        edit.describe_kfuncs(&described, arenas).map_err(failed)?;
        let bytes = edit.write().map_err(failed)?;
        finished.btf = Cow::Owned(bytes);
    }
    if let (Some(base), Some(ambiguous)) = (view.base(), distill) {
        let (mut distilled, warnings) = crate::distill::distill(&finished.btf, base, ambiguous)?;
        finished.btf = Cow::Owned(std::mem::take(&mut distilled.split));
        finished.warnings = warnings;
        finished.distilled = Some(distilled);
    }
    let Some(section) = section.filter(|_| fill) else { return Ok(finished) };
    let (edited, new_base);
    let view = match (&finished.btf, &finished.distilled) {
        (Cow::Borrowed(_), _) => view,
        (Cow::Owned(bytes), None) => {
            edited = BtfView::parse_on(bytes, view.base()).map_err(failed)?;
            &edited
        }
        (Cow::Owned(bytes), Some(distilled)) => {
            new_base = BtfView::parse(&distilled.base).map_err(failed)?;
            edited = BtfView::parse_split(bytes, &new_base).map_err(failed)?;
            &edited
        }
    };
    let (ids, warnings) = patch(section, view);
    finished.findings.extend(warnings);
    finished.ids = Some(ids);
    Ok(finished)
}

/// Whether a parameter of a function says by its name that it leads into an arena.
fn has_arena_names(view: &BtfView<'_>, function: usize) -> bool {
    let id = TypeId((view.first_id().index() + function) as u32);
    let prototype = view.get(id).and_then(|f| view.get(TypeId(f.size_or_type())));
    let mut parameters = prototype.into_iter().flat_map(|p| p.params());
    parameters.any(|p| view.string(p.name_off).is_some_and(is_arena_name))
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
