//! All of btfgen on bytes in memory: what `btfgen --btf_base BASE FILE` does between reading a file and replacing it, and what must
//! hold whatever the bytes are.

use btf::distill::Ambiguous;
use btf::verify::{self, Level};
use btf::view::BtfView;
use dwarf::elf::ElfFile;
use encoder::elf_out::{self, Piece, Plan, SectionUpdate};
use encoder::error::ErrorKind;
use encoder::module_file::{self, Compression};
use encoder::one_shot::{Distill, Sections, Task, one_shot};
use encoder::options::{Options, Selection, UnitChoice};
use encoder::stamp::Identity;
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
        units: UnitChoice { not_languages: vec![0x1c], ..UnitChoice::default() },
        report_functions: number % 8 == 2,
        ..Options::default()
    }
}

/// Whether the base is distilled; by number, too.
fn distill(number: u64) -> Distill {
    match number % 4 {
        0 => Distill::On(Ambiguous::IntoSplit),
        1 => Distill::On(Ambiguous::Refuse),
        2 => Distill::Auto,
        _ => Distill::Off,
    }
}

/// Runs everything, with the [`options`] of this number.
///
/// # Errors
/// What must not be: a result that a kernel would refuse, a file that is not the old one with new sections.
pub fn run(file: &[u8], base: Option<&BtfView<'_>>, number: u64) -> Result<Outcome, String> {
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
    let stamp = base.map(|base| Identity::of(base.bytes(), Some(&elf)));
    let distill = if base.is_some() { distill(number) } else { Distill::Off };
    let options = options(number);
    let task = Task { distill, stamp: stamp.as_ref(), ..Task::new(base.map(BaseBtf::View), &options) };
    let sections = match one_shot(&elf, &task, Caller::default()) {
        Ok((sections, _)) => sections,
        Err(e) if e.kind() == ErrorKind::Verify => return Err(e.to_string()),
        Err(e) => return refused(e.to_string()),
    };
    // What was checked inside is checked once more: here nothing may rely on that.
    let distilled = sections.base.as_ref().map(|bytes| parse(bytes, None)).transpose()?;
    distilled.as_ref().map_or(Ok(()), |base| accept(base, "the distilled base"))?;
    accept(&parse(&sections.btf, distilled.as_ref().or(base))?, "the BTF")?;
    write(file, sections)
}

/// Puts the sections into the file, as the command does, and looks at the result.
fn write(file: &[u8], mut sections: Sections) -> Result<Outcome, String> {
    if let Err(e) = sections.fill_room(file) {
        return Ok(Outcome::Refused(e.to_string()));
    }
    let updates = sections.updates();
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
        Ok(again) if !again.changes_file() => Ok(Outcome::Encoded(sections.btf.clone())),
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
