//! The ELF layer: reading, and writing sections back.

use dwarf::elf::ElfFile;
use encoder::btf_ids::order::link_order;
use encoder::btf_ids::section::SECTION;
use encoder::elf_out::{self, SectionUpdate};
use encoder::functions::FunctionSymbols;
use encoder::kfuncs::Kfuncs;
use encoder::module_file;
use encoder::options::{Features, Selection};
use encoder::stamp::Identity;
use encoder::target::Target;
use encoder::variables::DataSections;
use mutate::pipeline::written;

/// Contents of a new `.BTF`: any will do.
const BTF: &[u8] = b"\x9f\xeb\x01\x00 not a BTF, but nobody asks";

/// An ELF file.
pub fn run(data: &[u8]) {
    _ = module_file::signature(data);
    if let Ok(file) = ElfFile::parse(data) {
        read(&file);
        _ = elf_out::linkable(file.data(), BTF);
    }
    write(data, &[SectionUpdate { name: ".BTF", data: Some(BTF) }]);
    write(
        data,
        &[SectionUpdate { name: ".BTF", data: None }, SectionUpdate { name: ".BTF.base", data: Some(&BTF[..7]) }],
    );
}

fn read(file: &ElfFile<'_>) {
    for section in &file.sections {
        _ = file.bytes(section);
    }
    _ = file.each_symbol::<dwarf::error::Error>(|symbol| {
        file.symbol_name(&symbol)?;
        file.address(&symbol);
        Ok(())
    });
    for selection in [Selection::Truthful, Selection::Pahole] {
        _ = FunctionSymbols::of(file, selection);
    }
    let all = Features { global_var: true, ..Features::default() };
    for features in [Features::default(), all] {
        _ = DataSections::of(file, features, Target::new(None, None));
    }
    _ = module_file::release(file);
    _ = Identity::stamped(file);
    if let Ok(Some(section)) = link_order(file, None, u32::MAX) {
        _ = Kfuncs::of(&section);
        let there = file.section(SECTION.as_bytes()).expect("it was read");
        assert_eq!(section.bytes.len() as u64, there.size);
    }
    if let Ok(data) = file.debug_data() {
        let sections = data.sections();
        assert!(data.check().is_err() || sections.abbrev.len() == data.abbrev.len());
        let mut buffer = Vec::new();
        _ = data.info.part(0..data.info.len(), &mut buffer);
    }
}

fn write(data: &[u8], updates: &[SectionUpdate<'_>]) {
    _ = elf_out::allocated_room(data, ".BTF");
    let Ok(plan) = elf_out::plan(data, updates) else { return };
    let new = written(data, &plan, updates).expect("the plan is sound");
    assert_eq!(plan.changes_file(), new != data, "whether the file changes");
    // The writer asks for less than the reader, which wants symbols.
    let again = elf_out::plan(&new, updates).expect("what was written can be written again");
    assert!(!again.changes_file(), "twice is once");
    if ElfFile::parse(data).is_ok() {
        let file = ElfFile::parse(&new).expect("what could be read can be read");
        for update in updates {
            let found = file.section(update.name.as_bytes()).map(|s| file.bytes(s).expect("it is in the file"));
            match (found, update.data) {
                (Some(found), Some(new)) => assert!(found.starts_with(new), "{}: other contents", update.name),
                (found, new) => assert_eq!(found.is_some(), new.is_some(), "{}", update.name),
            }
        }
    }
}
