//! All of btfgen on bytes in memory: what `btfgen --btf_base BASE FILE` does between reading a file and replacing it, and what must
//! hold whatever the bytes are.

use std::borrow::Cow;

use btf::distill::Ambiguous;
use btf::verify::{self, Level};
use btf::view::BtfView;
use dwarf::elf::ElfFile;
use encoder::btf_ids::finish::{Finished, Stage, Steps, finish};
use encoder::btf_ids::order::link_order;
use encoder::btf_ids::section::SECTION;
use encoder::elf_out::{self, Piece, Plan, SectionUpdate};
use encoder::error::ErrorKind;
use encoder::module_file::{self, Compression};
use encoder::options::{Options, Selection};
use encoder::stamp::{self, Identity};
use encoder::threads::Here;
use encoder::{BaseBtf, Caller};

/// More bytes than this that are neither the old file's nor those of new sections are too many: headers, names, alignment.
const MORE: u64 = 1 << 20;

/// What became of a file.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// It was refused, with this text.
    Refused(String),
    /// Its BTF.
    Encoded(Vec<u8>),
}

impl Outcome {
    /// True if there is BTF.
    pub fn is_encoded(&self) -> bool {
        matches!(self, Outcome::Encoded(_))
    }
}

/// Options to run with, several of them by number: the result must be right with any.
pub fn options(number: u64) -> Options {
    Options {
        selection: if number % 8 == 3 { Selection::Pahole } else { Selection::Truthful },
        lang_exclude: vec![0x1c],
        distill: match number % 4 {
            0 => Some(Ambiguous::IntoSplit),
            1 => Some(Ambiguous::Refuse),
            _ => None,
        },
        report_functions: number % 8 == 2,
        ..Options::default()
    }
}

/// Runs everything.
///
/// # Errors
/// What must not be: a result that a kernel would refuse, a file that is not the old one with new sections.
pub fn run(file: &[u8], base: Option<&BtfView<'_>>, options: &Options) -> Result<Outcome, String> {
    let refused = |text: String| Ok(Outcome::Refused(text));
    if let Some(compression) = Compression::of(file) {
        return refused(compression.refusal());
    }
    match module_file::signature(file) {
        Ok(None) => {}
        Ok(Some(start)) if start > file.len() => return Err(format!("a signature at {start}, behind the file's end")),
        Ok(Some(_)) => return refused("it is signed".into()),
        Err(e) => return refused(e.to_string()),
    }
    let elf = match ElfFile::parse(file) {
        Ok(elf) => elf,
        Err(e) => return refused(e.to_string()),
    };
    _ = module_file::release(&elf);
    let caller = Caller { threads: &Here, progress: &|_| {} };
    let encoded = match encoder::encode(&elf, base.map(BaseBtf::View), options, caller) {
        Ok(encoded) => encoded,
        Err(e) if e.kind() == ErrorKind::Verify => return Err(e.to_string()),
        Err(e) => return refused(e.to_string()),
    };
    let view = parse(&encoded.btf, base)?;
    accept(&view, "the BTF")?;
    let section = match link_order(&elf, base, u32::MAX) {
        Ok(section) => section,
        Err(e) => return refused(e.to_string()),
    };
    let steps = Steps { stage: Stage::Encoded, distill: options.distill, fill: true };
    let finished = match finish(&view, section, steps) {
        Ok(finished) => finished,
        Err(e) if e.kind() == ErrorKind::Verify => return Err(e.to_string()),
        Err(e) => return refused(e.to_string()),
    };
    let distilled = finished.distilled.as_ref().map(|d| parse(&d.base, None)).transpose()?;
    distilled.as_ref().map_or(Ok(()), |base| accept(base, "the distilled base"))?;
    accept(&parse(&finished.btf, distilled.as_ref().or(base))?, "the finished BTF")?;
    write(file, &elf, base, finished)
}

/// Puts the sections into the file, as the command does, and looks at the result.
fn write(
    file: &[u8],
    elf: &ElfFile<'_>,
    base: Option<&BtfView<'_>>,
    finished: Finished<'_>,
) -> Result<Outcome, String> {
    let btf = match elf_out::allocated_room(file, ".BTF") {
        Ok(Some(room)) => Cow::Owned(btf::writer::pad(finished.btf.into_owned(), room)),
        Ok(None) => finished.btf,
        Err(e) => return Ok(Outcome::Refused(e.to_string())),
    };
    let note = base.map(|base| Identity::of(base.bytes(), Some(elf)).note(elf.endian));
    let mut updates = vec![
        SectionUpdate { name: ".BTF", data: Some(&btf) },
        SectionUpdate { name: ".BTF.base", data: finished.distilled.as_ref().map(|d| &d.base[..]) },
        SectionUpdate { name: stamp::SECTION, data: note.as_deref() },
    ];
    updates.extend(finished.ids.as_deref().map(|ids| SectionUpdate { name: SECTION, data: Some(ids) }));
    let plan = match elf_out::plan(file, &updates) {
        Ok(plan) => plan,
        Err(e) => return Ok(Outcome::Refused(e.to_string())),
    };
    let new = written(file, &plan, &updates)?;
    let new_elf = ElfFile::parse(&new).map_err(|e| format!("the new file: {e}"))?;
    for update in &updates {
        let found = new_elf.section(update.name.as_bytes()).map(|s| new_elf.bytes(s)).transpose();
        let found = found.map_err(|e| format!("the new file: {e}"))?;
        // A loaded section keeps its size.
        let is_there = match (found, update.data) {
            (Some(found), Some(data)) => {
                found.strip_prefix(data).is_some_and(|rest| rest.iter().all(|&byte| byte == 0))
            }
            (found, data) => found.is_none() && data.is_none(),
        };
        if !is_there {
            return Err(format!("the new file has not the {} that was put in", update.name));
        }
    }
    match elf_out::plan(&new, &updates) {
        Ok(again) if !again.changes_file() => Ok(Outcome::Encoded(btf.into_owned())),
        Ok(_) => Err("the same sections once more change the new file".into()),
        Err(e) => Err(format!("the new file is refused: {e}")),
    }
}

/// The bytes of a plan.
///
/// # Errors
/// A plan that is larger than what it is made of, or has ranges that the old file has not.
pub fn written(file: &[u8], plan: &Plan<'_>, updates: &[SectionUpdate<'_>]) -> Result<Vec<u8>, String> {
    let added: usize = updates.iter().filter_map(|update| update.data).map(<[u8]>::len).sum();
    let most = file.len() as u64 + added as u64 + MORE;
    if plan.size() > most {
        return Err(format!("a plan of {} bytes for a file of {} and {added} more", plan.size(), file.len()));
    }
    let mut new = Vec::with_capacity(plan.size() as usize);
    for piece in plan.pieces() {
        match piece {
            Piece::Copy(range) => {
                let bytes = file.get(range.start as usize..range.end as usize);
                new.extend(bytes.ok_or_else(|| format!("bytes {range:?} of a file of {}", file.len()))?);
            }
            Piece::Bytes(bytes) => new.extend(&bytes[..]),
            Piece::Zeros(count) => new.resize(new.len() + *count as usize, 0),
        }
    }
    if new.len() as u64 != plan.size() {
        return Err(format!("a plan of {} bytes has {}", plan.size(), new.len()));
    }
    Ok(new)
}

fn parse<'b>(bytes: &'b [u8], base: Option<&'b BtfView<'b>>) -> Result<BtfView<'b>, String> {
    BtfView::parse_on(bytes, base).map_err(|e| format!("the result cannot be parsed: {e}"))
}

fn accept(view: &BtfView<'_>, what: &str) -> Result<(), String> {
    let options = verify::Options { level: Level::Kernel, max_findings: 1, ..Default::default() };
    match verify::verify(view, &options).first() {
        None => Ok(()),
        Some(finding) => Err(format!("a kernel would refuse {what}: {finding}")),
    }
}
