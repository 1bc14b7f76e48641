//! One shot: from an ELF file with DWARF to every section that is to be written into it, what Kbuild has pahole, resolve_btfids and
//! objcopy do in turn. Bytes in, bytes out: the caller has the files.

use std::borrow::Cow;

use btf::distill::Ambiguous;
use btf::verify::KernelVersion;
use btf::view::BtfView;
use dwarf::elf::ElfFile;

use crate::btf_ids::IdSection;
use crate::btf_ids::finish::{DESCRIBED_FLAGS, Stage, Steps, TAGGED_FLAGS, finish};
use crate::btf_ids::section::SECTION;
use crate::elf_out::{self, ElfOutError, SectionUpdate};
use crate::error::{Error, ErrorKind, Result};
use crate::options::{Features, Options};
use crate::report::Summary;
use crate::stamp::{self, Identity};
use crate::target::Target;
use crate::{BaseBtf, Caller, Clock, Encoded, Request, encode, output};
use crate::{distill, module_file};

/// What is to be done to a file.
#[derive(Clone, Copy, Debug)]
pub struct Task<'t> {
    /// What it is encoded on.
    pub base: Option<BaseBtf<'t>>,
    /// What of its DWARF is encoded, and how.
    pub options: &'t Options,
    /// Whether the prototypes of kfuncs become what Linux from 7.0 on wants. It takes their tags for that: without the features
    /// `decl_tag` and `decl_tag_kfuncs` they stay.
    pub describe_kfuncs: bool,
    /// What becomes of `.BTF_ids`.
    pub ids: Ids,
    /// Whether the base is distilled.
    pub distill: Distill,
    /// The base's identity, if the file is to be stamped with it.
    pub stamp: Option<&'t Identity>,
}

/// Whether the base is distilled.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Distill {
    /// No.
    Off,
    /// Yes; what happens to types that a kernel would find twice.
    On(Ambiguous),
    /// As Kbuild has it: for modules that were built outside the tree of a kernel that knows distilled bases. Not if that would spoil ids.
    Auto,
}

/// What becomes of `.BTF_ids`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ids {
    /// It is filled in.
    Fill,
    /// It is put back into the order of the linker, for another tool to fill in: ids of an earlier run would be wrong with new BTF.
    LinkOrder,
    /// It is not written.
    Leave,
}

impl<'t> Task<'t> {
    /// All that Kbuild has done to a file: ids filled in, the base distilled where it would be, no stamp.
    pub fn new(base: Option<BaseBtf<'t>>, options: &'t Options) -> Task<'t> {
        Task { base, options, describe_kfuncs: true, ids: Ids::Fill, distill: Distill::Auto, stamp: None }
    }
}

impl Task<'_> {
    /// How far the BTF is once it is encoded.
    fn stage(&self, features: Features) -> Stage {
        let Features { decl_tag, decl_tag_kfuncs, attributes, .. } = features;
        match (decl_tag && decl_tag_kfuncs, self.describe_kfuncs, attributes) {
            (true, true, _) => Stage::Encoded,
            (true, false, true) => Stage::EncodedInPart,
            _ => Stage::Final,
        }
    }

    /// Whether the base of this file is distilled; for what was decided here, why. `section` is the file's `.BTF_ids`.
    fn distill(&self, file: &ElfFile<'_>, section: Option<&IdSection<'_>>) -> (Option<Ambiguous>, Option<String>) {
        match self.distill {
            Distill::Off => return (None, None),
            Distill::On(ambiguous) => return (Some(ambiguous), None),
            Distill::Auto => {}
        }
        let Some(release) =
            module_file::release(file).filter(|_| self.base.is_some() && !module_file::is_in_tree(file))
        else {
            return (None, None);
        };
        let external = "it was built outside the kernel's tree (no intree in .modinfo)";
        if !module_file::knows_distilled_base(&release) {
            return (None, Some(format!("{external}, but Linux {release} knows no distilled bases: none is written")));
        }
        if section.is_some_and(|section| !section.untranslated().is_empty()) {
            let why = "has ids that kernels do not translate from a distilled base: none is written";
            return (None, Some(format!("{external}, but its .BTF_ids {why} (--distill_base does so)")));
        }
        (
            Some(Ambiguous::IntoSplit),
            Some(format!("{external}: its base is distilled (--distill_base=off does without)")),
        )
    }

    /// The flags of kfuncs that matter; with none, neither does `.BTF_ids`.
    fn flags(&self, features: Features) -> u32 {
        let tagged = if features.decl_tag_kfuncs { TAGGED_FLAGS } else { 0 };
        let described = if self.stage(features) == Stage::Final { 0 } else { DESCRIBED_FLAGS };
        let written = if self.ids == Ids::Leave { 0 } else { u32::MAX };
        tagged | described | written
    }
}

/// What goes into an ELF file, section by section.
#[derive(Clone, Debug)]
pub struct Sections {
    /// `.BTF`
    pub btf: Vec<u8>,
    /// `.BTF.base`, if the base was distilled.
    pub base: Option<Vec<u8>>,
    /// `.BTF_ids`, if the file has it and it is to be written: of the size that it has.
    pub ids: Option<Vec<u8>>,
    /// `.note.btfgen`, if the file is stamped.
    pub stamp: Option<Vec<u8>>,
    /// The kernel by whose rules they were checked.
    pub kernel: KernelVersion,
}

impl Sections {
    /// Makes the BTF as large as a `.BTF` of the file `elf` that is loaded, whose size is fixed; its strings take up what is left over. Whether
    /// there is such a section.
    ///
    /// # Errors
    /// A damaged file. BTF that is larger than the room stays as it is, and cannot be placed.
    pub fn fill_room(&mut self, elf: &[u8]) -> std::result::Result<bool, ElfOutError> {
        let room = elf_out::allocated_room(elf, ".BTF")?;
        if let Some(room) = room {
            self.btf = btf::writer::pad(std::mem::take(&mut self.btf), room);
        }
        Ok(room.is_some())
    }

    /// The changes to a file. What an earlier run left behind and this one does not have is removed: a distilled base that the old BTF
    /// was on, an old stamp.
    pub fn updates(&self) -> Vec<SectionUpdate<'_>> {
        let mut updates = vec![
            SectionUpdate { name: ".BTF", data: Some(&self.btf) },
            SectionUpdate { name: ".BTF.base", data: self.base.as_deref() },
            SectionUpdate { name: stamp::SECTION, data: self.stamp.as_deref() },
        ];
        updates.extend(self.ids.as_deref().map(|ids| SectionUpdate { name: SECTION, data: Some(ids) }));
        updates
    }
}

/// Encodes a file, describes its kfuncs, distils its base and fills in its ids.
///
/// The result is the same for any number of threads. It was verified as a kernel does it.
///
/// # Errors
/// A file without DWARF, damaged DWARF, a base that does not go with it, `.BTF_ids` that cannot be resolved anew, a result beyond the limits
/// of BTF.
pub fn one_shot(file: &ElfFile<'_>, task: &Task<'_>, caller: Caller<'_>) -> Result<(Sections, Summary)> {
    let mut clock = Clock::default();
    let target = Target::new(task.options.target, task.base.map(BaseBtf::view));
    let features = target.features(task.options.features);
    let request = Request { base: task.base, options: task.options, flags: task.flags(features), caller };
    let Encoded { btf, mut summary, section } = encode(file, request, &mut clock)?;
    let (base, word_size, kernel) = (task.base.map(BaseBtf::view), if file.is_64 { 8 } else { 4 }, target.kernel());
    output::check(&btf, None, base, word_size, kernel)?;
    let view = BtfView::parse_on(&btf, base).map_err(|e| Error::new(ErrorKind::Verify, e.to_string()))?;
    clock.lap("verified", String::new);

    let in_link_order = section.as_ref().filter(|_| task.ids == Ids::LinkOrder).map(|section| section.bytes.clone());
    let (distill, remark) = task.distill(file, section.as_ref());
    if let Some(section) = section.as_ref().filter(|_| distill.is_some() && task.ids == Ids::Fill) {
        summary.warnings.extend(distill::ids_warning(section));
    }
    summary.remarks.extend(remark);
    let steps = Steps { stage: task.stage(features), distill, fill: task.ids == Ids::Fill, kernel };
    let finished = finish(&view, section, steps)?;
    clock.lap("kfuncs, ids", || format!("{} warnings", finished.findings.len()));

    summary.findings = finished.findings;
    summary.warnings.extend(finished.warnings);
    if let Some(distilled) = &finished.distilled {
        summary.bytes = finished.btf.len();
        summary.distilled = Some((distilled.base.len(), distilled.base_types, distilled.moved));
    }
    summary.phases = clock.phases;
    let changed = match finished.btf {
        Cow::Owned(changed) => Some(changed),
        Cow::Borrowed(_) => None,
    };
    let is_changed = changed.is_some();
    let sections = Sections {
        base: finished.distilled.map(|distilled| distilled.base),
        ids: finished.ids.or(in_link_order),
        stamp: task.stamp.map(|stamp| stamp.note(file.endian)),
        kernel,
        btf: changed.unwrap_or(btf),
    };
    if is_changed {
        output::check(&sections.btf, sections.base.as_deref(), base, word_size, kernel)?;
    }
    Ok((sections, summary))
}
