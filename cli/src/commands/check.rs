//! `btfgen check`: whether the BTF of modules belongs to a base, in one line per module.

use std::fmt::Display;
use std::path::Path;

use btf::distill::relocate;
use btf::graph::map_names;
use btf::ids::{StrOff, TypeId};
use btf::kind::Kind;
use btf::verify::{self, Level, verify};
use btf::view::BtfView;
use dwarf::elf::ElfFile;
use encoder::btf_ids::order::restore_by;
use encoder::btf_ids::{Finding, IdSection, patch::patch};
use encoder::module_file::{self, Compression};
use encoder::stamp::Identity;

use super::{btf_of, identity, open, open_base, unchanged};
use crate::args::CheckArgs;
use crate::base_search;
use crate::exit::Exit;
use crate::messages::{Failure, print_failure};

/// Runs the command. The lines go to standard output; the exit code is that of the first module that is no good.
pub fn run(args: &CheckArgs) -> Exit {
    match check_all(args) {
        Ok(exit) => exit,
        Err(failure) => print_failure(&failure),
    }
}

/// A base with all that is asked of it.
struct Base<'b> {
    view: BtfView<'b>,
    identity: Identity,
    name: String,
}

fn check_all(args: &CheckArgs) -> Result<Exit, Failure> {
    let found = match &args.base.path {
        Some(base) => Some(base.clone()),
        None => base_search::find(&args.files)?,
    };
    let Some(path) = found else {
        for file in &args.files {
            with_elf(file, |_| ())?;
        }
        let text = "not a module of a known kernel: pass --btf_base VMLINUX";
        return Err(Failure::new(Exit::NoBase, &args.files[0], text));
    };
    let failed = |text: String| Failure::new(Exit::Base, &path, text);
    let input = open_base(&path)?;
    let bytes = btf_of(&input, &path)?;
    let view = BtfView::parse(bytes).map_err(|e| failed(format!("the base BTF is damaged: {e}")))?;
    let base = Base { view, identity: identity(&input, bytes), name: path.display().to_string() };
    let mut exit = Exit::Done;
    for file in &args.files {
        let result = check(file, &base);
        unchanged(&input, &path)?;
        let code = match result {
            Ok(Ok(good)) => {
                println!("{}: ok: {good}", file.display());
                continue;
            }
            Ok(Err(bad)) => {
                println!("{}: refused: {bad}", file.display());
                Exit::Refused
            }
            Err(failure) => print_failure(&failure),
        };
        if exit == Exit::Done {
            exit = code;
        }
    }
    Ok(exit)
}

/// What is good about a module's BTF, or what is not.
fn check(path: &Path, base: &Base<'_>) -> Result<Result<String, String>, Failure> {
    with_elf(path, |elf| judge(elf, base))
}

/// Calls `f` with an ELF file, or says why the file is none.
fn with_elf<T>(path: &Path, f: impl FnOnce(&ElfFile<'_>) -> T) -> Result<T, Failure> {
    let input = open(path)?;
    let failed = |text: String| Failure::new(Exit::Input, path, text);
    let result = match Compression::of(input.bytes()) {
        Some(c) => Err(failed(format!("it is compressed: uncompress it (`{} -d`)", c.program()))),
        None => ElfFile::parse(input.bytes()).map(|elf| f(&elf)).map_err(|e| failed(e.to_string())),
    };
    unchanged(&input, path)?;
    result
}

fn judge(elf: &ElfFile<'_>, base: &Base<'_>) -> Result<String, String> {
    let bytes = |name: &str| {
        let section = elf.section(name.as_bytes()).filter(|s| s.size > 0);
        section.map(|s| elf.bytes(s).map_err(|e| e.to_string())).transpose()
    };
    let btf = bytes(".BTF")?.ok_or("it has no BTF (section .BTF): encode it")?;
    let stamp = Identity::stamped(elf);
    let distilled = bytes(".BTF.base")?;
    if let Some(distilled) = distilled {
        return judge_distilled(elf, btf, distilled, base);
    }
    if let Some(stamp) = stamp.as_ref().filter(|stamp| stamp.hash != base.identity.hash) {
        return Err(format!("it was encoded on another base ({stamp}), {} has {}", base.name, base.identity));
    }
    let other_base = "it was encoded on another base, or is damaged";
    let view = BtfView::parse_on(btf, Some(&base.view))
        .map_err(|e| format!("on top of {} its BTF makes no sense ({e}): {other_base}", base.name))?;
    if let Some(text) = violation(&view, elf) {
        return Err(format!("{text}: {other_base}"));
    }
    if stamp.is_none() {
        if let Some(id) = misplaced_name(&view) {
            return Err(format!("the name of type {id} begins inside of another one: {other_base}"));
        }
    }
    let ids = ids(elf, &view)?;
    let how =
        if stamp.is_some() { "its stamp says so" } else { "all references fit; it has no stamp that would prove it" };
    Ok(format!("its BTF belongs to {}: {how}{ids}", base.name))
}

/// The same for a module with a distilled base: it is put on the base as a kernel does it when it loads the module.
fn judge_distilled(elf: &ElfFile<'_>, btf: &[u8], distilled: &[u8], base: &Base<'_>) -> Result<String, String> {
    if let Some(release) = module_file::release(elf).filter(|release| !module_file::knows_distilled_base(release)) {
        return Err(format!(
            "it has a distilled base (.BTF.base), which Linux {release} does not know, and so would take its .BTF for one on its own: \
             encode it with --distill_base=off"
        ));
    }
    let own_base = BtfView::parse(distilled).map_err(|e| format!("its distilled base .BTF.base is damaged: {e}"))?;
    violation(&own_base, elf).map_or(Ok(()), |text| Err(format!("its distilled base .BTF.base: {text}")))?;
    let view = BtfView::parse_on(btf, Some(&own_base)).map_err(|e| format!("its .BTF is damaged: {e}"))?;
    violation(&view, elf).map_or(Ok(()), Err)?;
    let misfit = |what: &dyn Display| format!("its distilled base does not fit {}: {what}", base.name);
    let relocated = relocate(&view, &base.view).map_err(|e| misfit(&e))?;
    let relocated = BtfView::parse_on(&relocated, Some(&base.view)).map_err(|e| misfit(&e))?;
    violation(&relocated, elf).map_or(Ok(()), |text| Err(misfit(&text)))?;
    let ids = ids(elf, &view)?;
    let types = own_base.type_count();
    Ok(format!("its distilled base fits {}: each of the {types} types is found there, and once{ids}", base.name))
}

/// Why a kernel would not take the BTF, or what could not be in one that belongs to its base.
fn violation(view: &BtfView<'_>, elf: &ElfFile<'_>) -> Option<String> {
    let pointer_bytes = if elf.is_64 { 8 } else { 4 };
    let options = verify::Options { level: Level::User, pointer_bytes, max_findings: 1, ..Default::default() };
    verify(view, &options).first().map(|finding| format!("its BTF is not valid: {finding}"))
}

/// The first own type with a name that begins in the middle of a string: offsets of names go on where those of the base end, so on
/// another base they are shifted.
fn misplaced_name(view: &BtfView<'_>) -> Option<TypeId> {
    let mut levels: Vec<&BtfView<'_>> = view.levels();
    levels.reverse();
    let begins = |offset: StrOff| {
        let level = levels.iter().find(|level| offset >= level.str_start())?;
        let at = (offset.0 - level.str_start().0) as usize;
        (at == 0 || level.strings().get(at - 1) == Some(&0)).then_some(())
    };
    let mut words = Vec::new();
    view.types().find_map(|(id, t)| {
        t.read_record(&mut words);
        if t.kind() == Kind::Array {
            words[2] = 0;
        }
        let mut good = true;
        map_names(&mut words, |name| {
            good &= begins(StrOff(name.0)).is_some();
            name
        });
        (!good).then_some(id)
    })
}

/// Whether `.BTF_ids` has the ids of the BTF; what else there is to say of them.
fn ids(elf: &ElfFile<'_>, view: &BtfView<'_>) -> Result<String, String> {
    let text = |e: encoder::error::Error| e.to_string();
    let Some(section) = IdSection::of(elf).map_err(text)? else { return Ok(String::new()) };
    let there = section.bytes.clone();
    let (expected, findings) = patch(restore_by(section, elf, view.base()).map_err(text)?, view);
    if let Some(at) = there.iter().zip(&expected).position(|(a, b)| a != b) {
        let at = at / 4 * 4;
        let word = |bytes: &[u8]| bytes.get(at..at + 4).map_or(String::new(), |b| format!("{b:02x?}"));
        return Err(format!(
            "its .BTF_ids is not that of its BTF: at offset {at:#x} there is {}, not {}: fill it in (`btfgen resolve_btfids`), or \
             encode the module again",
            word(&there),
            word(&expected)
        ));
    }
    match findings.iter().filter(|finding| matches!(finding, Finding::Unresolved { .. })).count() {
        0 => Ok(String::new()),
        1 => Ok("; one name in .BTF_ids has no type".into()),
        count => Ok(format!("; {count} names in .BTF_ids have no type")),
    }
}
