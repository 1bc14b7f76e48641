//! Tests of the lay-out. Inputs come from `gcc`, `ld` and `objcopy`, whose absence skips a test, and
//! from [`Builder`] for what those do not write. Results are read with the `object` crate, which
//! shares no code with this module, and given back to the tools.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::io::Write as _;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use object::read::elf::{FileHeader, SectionHeader};
use object::{BigEndian, Endianness, elf};
use tempfile::TempDir;

use super::headers::{Format, Section};
use super::*;

// --- Helpers -------------------------------------------------------------------------------------

/// Carries out a plan in memory.
fn apply(plan: &Plan<'_>, old: &[u8]) -> Vec<u8> {
    assert!(plan.pieces().iter().all(|piece| !piece.is_empty()));
    let new = plan.apply(old);
    assert_eq!(new.len() as u64, plan.size());
    new
}

fn update<'a>(name: &'static str, data: impl Into<Option<&'a [u8]>>) -> SectionUpdate<'a> {
    SectionUpdate { name, data: data.into() }
}

fn rewrite(old: &[u8], updates: &[SectionUpdate<'_>]) -> Vec<u8> {
    apply(&plan(old, updates).unwrap(), old)
}

fn set(old: &[u8], name: &'static str, data: &[u8]) -> Vec<u8> {
    rewrite(old, &[update(name, data)])
}

fn remove(old: &[u8], name: &'static str) -> Vec<u8> {
    rewrite(old, &[update(name, None)])
}

fn error(old: &[u8], name: &'static str, data: &[u8]) -> String {
    plan(old, &[update(name, data)]).unwrap_err().to_string()
}

/// `assert_eq` without printing whole files.
#[track_caller]
fn assert_same(left: &[u8], right: &[u8]) {
    let differing = left.iter().zip(right).position(|(left, right)| left != right);
    assert_eq!((left.len(), None), (right.len(), differing), "sizes, first difference");
}

/// Contents that differ for every size.
fn btf(size: usize) -> Vec<u8> {
    (0..size).map(|at| (at * 7 + size) as u8 | 1).collect()
}

/// A section as the `object` crate sees it, without the file offset.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    name: String,
    kind: u32,
    flags: u64,
    addr: u64,
    size: u64,
    link: u32,
    info: u32,
    align: u64,
    entsize: u64,
    contents: Vec<u8>,
}

fn sections(bytes: &[u8]) -> Vec<Seen> {
    if bytes[4] == elf::ELFCLASS64 {
        sections_of::<elf::FileHeader64<Endianness>>(bytes)
    } else {
        sections_of::<elf::FileHeader32<Endianness>>(bytes)
    }
}

fn sections_of<E: FileHeader<Endian = Endianness>>(bytes: &[u8]) -> Vec<Seen> {
    let header = E::parse(bytes).unwrap();
    let endian = header.endian().unwrap();
    let table = header.sections(endian, bytes).unwrap();
    let seen = table.iter().map(|section| Seen {
        name: String::from_utf8(table.section_name(endian, section).unwrap_or_default().to_vec()).unwrap(),
        kind: section.sh_type(endian),
        flags: section.sh_flags(endian).into(),
        addr: section.sh_addr(endian).into(),
        size: section.sh_size(endian).into(),
        link: section.sh_link(endian),
        info: section.sh_info(endian),
        align: section.sh_addralign(endian).into(),
        entsize: section.sh_entsize(endian).into(),
        contents: section.data(endian, bytes).unwrap().to_vec(),
    });
    seen.collect()
}

fn section(bytes: &[u8], name: &str) -> Seen {
    sections(bytes).into_iter().find(|section| section.name == name).unwrap()
}

/// File offset of a section and of the section header table.
fn offset(bytes: &[u8], name: &'static str) -> u64 {
    let file = ElfFile::parse(bytes).unwrap();
    let index = file.find(name).unwrap().unwrap();
    file.sections[index].offset
}

/// Checks that the sections of `old` are in `new` under their numbers and the same in all but their
/// file offsets. The section names may have grown, and section 0 may have a number.
fn assert_others_same(old: &[u8], new: &[u8], except: &[&str]) {
    let (before, after) = (sections(old), sections(new));
    for (index, (before, after)) in before.iter().zip(&after).enumerate().skip(1) {
        if except.contains(&before.name.as_str()) {
            continue;
        }
        if before.kind == elf::SHT_STRTAB && before.size < after.size {
            assert!(after.contents.starts_with(&before.contents));
            continue;
        }
        assert!(before == after, "section {index} `{}` changed", before.name);
    }
}

fn have(tool: &str) -> bool {
    let found = Command::new(tool).arg("--version").stdout(Stdio::null()).status().is_ok();
    if !found {
        eprintln!("skipped: no {tool}");
    }
    found
}

/// Runs a tool that must succeed without a word on standard error; returns its standard output.
fn run<S: AsRef<OsStr>>(tool: impl AsRef<OsStr>, args: &[S]) -> String {
    let output = Command::new(tool.as_ref()).args(args).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && errors.is_empty(), "{:?}: {errors}", tool.as_ref());
    String::from_utf8(output.stdout).unwrap()
}

const PROGRAM: &str = r#"
    #include <stdio.h>
    static int (*volatile print)(const char *) = puts;
    static _Thread_local int zero;
    int bss[1000];
    int main(void) { print("it runs"); return zero + bss[5]; }
"#;

/// A folder with input files made by the tools.
struct Inputs {
    dir: TempDir,
}

impl Inputs {
    fn new() -> Self {
        Inputs { dir: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn write(&self, name: &str, contents: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, contents).unwrap();
        path
    }

    /// Compiles `source` with further arguments and returns the output file.
    fn gcc(&self, source: &str, args: &[&str]) -> Vec<u8> {
        let source = self.write("input.c", source);
        let output = self.path("gcc.out");
        let mut command = Command::new("gcc");
        command.arg("-g").arg(&source).arg("-o").arg(&output).args(args);
        assert!(command.status().unwrap().success());
        fs::read(output).unwrap()
    }

    fn object(&self) -> Vec<u8> {
        self.gcc(PROGRAM, &["-c"])
    }

    /// Links an object to the program `linked`.
    fn link(&self, name: &str, object: &[u8]) {
        let (object, linked) = (self.write(name, object), self.path("linked"));
        let options = ["-no-pie", "-o"].map(OsStr::new);
        run("gcc", &[object.as_os_str(), options[0], options[1], linked.as_os_str()]);
    }

    fn run_program(&self, program: &[u8]) -> String {
        use std::os::unix::fs::PermissionsExt;
        let path = self.write("program", program);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        // Another test may fork while the file is open for writing; then it is busy for a moment.
        for _ in 0..100 {
            match Command::new(&path).output() {
                Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy => {
                    std::thread::sleep(std::time::Duration::from_millis(10));
                }
                output => {
                    let output = output.unwrap();
                    assert!(output.status.success(), "{:?}", output.status);
                    return String::from_utf8(output.stdout).unwrap();
                }
            }
        }
        panic!("{} is busy", path.display());
    }

    /// Has `readelf` read all headers and symbols; it warns of what it does not like.
    fn readelf(&self, bytes: &[u8]) {
        let path = self.write("readelf.in", bytes);
        run("readelf", &[OsStr::new("-hlSsrgW"), path.as_os_str()]);
    }
}

/// Writes ELF files piece by piece, with the section header table last.
#[derive(Clone)]
struct Builder {
    wide: bool,
    big_endian: bool,
    e_type: u16,
    /// Type, offset, size of the segments.
    segments: Vec<(u32, u64, u64)>,
    headers: Vec<Section>,
    names: Vec<u8>,
    body: Vec<u8>,
}

impl Builder {
    fn new(wide: bool, big_endian: bool, e_type: u16, segments: usize) -> Self {
        let format = Format { wide, big_endian };
        let header = format.file_header_size() as usize;
        let segment = if wide { 56 } else { 32 };
        Builder {
            wide,
            big_endian,
            e_type,
            segments: vec![(elf::PT_NULL, 0, 0); segments],
            headers: vec![Section::default()],
            names: vec![0],
            body: vec![0; header + segments * segment],
        }
    }

    fn format(&self) -> Format {
        Format { wide: self.wide, big_endian: self.big_endian }
    }

    fn section(&mut self, name: &str, kind: u32, flags: u32, align: u64, contents: &[u8]) -> &mut Section {
        while self.body.len() as u64 % align != 0 {
            self.body.push(0);
        }
        let header = Section {
            name: self.names.len() as u32,
            kind,
            flags: flags.into(),
            offset: self.body.len() as u64,
            size: contents.len() as u64,
            align,
            ..Section::default()
        };
        self.names.extend_from_slice(name.as_bytes());
        self.names.push(0);
        self.body.extend_from_slice(contents);
        self.headers.push(header);
        self.headers.last_mut().unwrap()
    }

    fn data(&mut self, name: &str, contents: &[u8]) -> &mut Section {
        self.section(name, elf::SHT_PROGBITS, 0, 1, contents)
    }

    /// Adds the section names and the header table.
    fn finish(mut self) -> Vec<u8> {
        let names = [&self.names[..], b".shstrtab\0"].concat();
        self.section(".shstrtab", elf::SHT_STRTAB, 0, 1, &names);
        let format = self.format();
        let word = format.word_size();
        while self.body.len() % word != 0 {
            self.body.push(0);
        }
        let (shoff, count) = (self.body.len() as u64, self.headers.len());
        let extended = count >= 0xff00;
        if extended {
            self.headers[0].size = count as u64;
            self.headers[0].link = count as u32 - 1;
        }
        for header in &self.headers {
            header.emit(format, &mut self.body);
        }
        let mut fields = Vec::new();
        let class = if self.wide { elf::ELFCLASS64 } else { elf::ELFCLASS32 };
        let order = if self.big_endian { elf::ELFDATA2MSB } else { elf::ELFDATA2LSB };
        fields.extend_from_slice(&[0x7f, b'E', b'L', b'F', class, order, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        let mut put = |value: u64, size: usize| format.put(&mut fields, value, size);
        let phoff = if self.segments.is_empty() { 0 } else { format.file_header_size() };
        for (value, size) in [(self.e_type.into(), 2), (62, 2), (1, 4), (0, word), (phoff, word), (shoff, word)] {
            put(value, size);
        }
        let (shnum, shstrndx) = if extended { (0, 0xffff) } else { (count, count - 1) };
        let phentsize = format.program_header_size();
        for value in
            [0, 0, format.file_header_size(), phentsize, self.segments.len() as u64, format.section_header_size()]
        {
            put(value, 2);
        }
        put(shnum as u64, 2);
        put(shstrndx as u64, 2);
        // e_flags has 4 bytes: the two zeros above.
        for (kind, offset, size) in &self.segments {
            put((*kind).into(), 4);
            if self.wide {
                put(4, 4);
            }
            for value in [*offset, 0x1000, 0x1000, *size, *size] {
                put(value, word);
            }
            put(if self.wide { 1 } else { 4 }, word);
            if !self.wide {
                put(1, 4);
            }
        }
        self.body[..fields.len()].copy_from_slice(&fields);
        self.body
    }
}

/// A relocatable file in each class and byte order.
fn small_objects() -> Vec<Vec<u8>> {
    let mut files = Vec::new();
    for (wide, big_endian) in [(false, false), (false, true), (true, false), (true, true)] {
        let mut builder = Builder::new(wide, big_endian, elf::ET_REL, 0);
        builder.section(".text", elf::SHT_PROGBITS, elf::SHF_ALLOC, 16, &btf(33));
        builder.section(".bss", elf::SHT_NOBITS, elf::SHF_ALLOC, 32, &[]).size = 0x1000;
        builder.data(".comment", b"hello");
        builder.section(".debug_info", elf::SHT_PROGBITS, 0, 4, &btf(77));
        files.push(builder.finish());
    }
    files
}

// --- Adding, replacing, removing -----------------------------------------------------------------

#[test]
fn adds_a_section_to_every_kind_of_file() {
    for old in small_objects() {
        let new = set(&old, ".BTF", &btf(50));
        assert_others_same(&old, &new, &[]);
        let after = sections(&new);
        assert_eq!(after.len(), sections(&old).len() + 1);
        let added = after.last().unwrap();
        let expected = Seen {
            name: ".BTF".to_owned(),
            kind: elf::SHT_PROGBITS,
            flags: 0,
            addr: 0,
            size: 50,
            link: 0,
            info: 0,
            align: 8,
            entsize: 0,
            contents: btf(50),
        };
        assert_eq!(*added, expected);
        assert_eq!(offset(&new, ".BTF") % 8, 0);
    }
}

#[test]
fn big_endian_fields_are_big_endian() {
    let new = set(&small_objects()[1], ".BTF", &btf(50));
    let header = elf::FileHeader32::<BigEndian>::parse(&*new).unwrap();
    assert_eq!(header.e_shnum(BigEndian), 7);
    assert_eq!(header.sections(BigEndian, &*new).unwrap().len(), 7);
}

#[test]
fn result_depends_on_the_last_contents_only() {
    let gcc = have("gcc").then(|| Inputs::new().object());
    for old in small_objects().into_iter().chain(gcc) {
        let direct = set(&old, ".BTF", &btf(100));
        for size in [0, 1, 64, 99, 100, 101, 5000] {
            let other = set(&old, ".BTF", &btf(size));
            assert_same(&set(&other, ".BTF", &btf(100)), &direct);
        }
        let data = btf(100);
        let same = plan(&direct, &[update(".BTF", &data[..])]).unwrap();
        assert!(!same.changes_file());
        assert_same(&apply(&same, &direct), &direct);
    }
}

#[test]
fn two_sections_at_once_are_the_same_as_one_after_the_other() {
    for old in small_objects() {
        let (one, two) = (btf(30), btf(41));
        let both = rewrite(&old, &[update(".BTF", &one[..]), update(".BTF.base", &two[..])]);
        assert_eq!(section(&both, ".BTF").contents, one);
        assert_eq!(section(&both, ".BTF.base").contents, two);
        let grown = rewrite(&both, &[update(".BTF", &btf(999)[..]), update(".BTF.base", &btf(5)[..])]);
        assert_same(&rewrite(&grown, &[update(".BTF", &one[..]), update(".BTF.base", &two[..])]), &both);
        assert_same(&set(&set(&old, ".BTF", &one), ".BTF.base", &two), &both);
    }
}

#[test]
fn removing_the_last_section_gives_the_numbers_back() {
    for old in small_objects() {
        let both = rewrite(&old, &[update(".BTF", &btf(9)[..]), update(".BTF.base", &btf(8)[..])]);
        let without = remove(&both, ".BTF.base");
        assert_eq!(sections(&without).len(), sections(&old).len() + 1);
        assert_others_same(&old, &without, &[]);
        let with_again = set(&without, ".BTF.base", &btf(8));
        assert_same(&with_again, &both);
        // The place of a dropped header is taken by an added section.
        let swapped = rewrite(&without, &[update(".BTF", None), update(".BTF.base", &btf(8)[..])]);
        assert_eq!(sections(&swapped).len(), sections(&old).len() + 1);
        assert_eq!(section(&swapped, ".BTF.base").contents, btf(8));
        assert_others_same(&old, &swapped, &[]);
        let none = rewrite(&both, &[update(".BTF.base", None), update(".BTF", None)]);
        assert_eq!(sections(&none).len(), sections(&old).len());
        assert!(!plan(&none, &[update(".BTF", None)]).unwrap().changes_file());
    }
}

#[test]
fn a_removed_section_in_the_middle_leaves_an_empty_header() {
    let mut builder = Builder::new(true, false, elf::ET_REL, 0);
    builder.data(".one", b"1111");
    builder.data(".BTF", &btf(100));
    builder.data(".two", b"2222");
    let old = builder.finish();
    let new = remove(&old, ".BTF");
    assert_others_same(&old, &new, &[".BTF"]);
    let left = &sections(&new)[2];
    assert_eq!((left.name.as_str(), left.size), ("", 0));
    assert_eq!(new.len(), old.len() - 96, "100 bytes less 4 of padding");
    assert!(!plan(&new, &[update(".BTF", None)]).unwrap().changes_file());
    Inputs::new().readelf(&new);
}

#[test]
fn sections_behind_a_replaced_one_move_and_keep_their_alignment() {
    let mut builder = Builder::new(true, false, elf::ET_REL, 0);
    builder.data(".one", b"1");
    builder.data(".BTF", &btf(100));
    builder.section(".aligned", elf::SHT_PROGBITS, elf::SHF_ALLOC, 64, &btf(10));
    builder.data(".last", b"x");
    let old = builder.finish();
    for size in [0, 1, 55, 56, 100, 1000] {
        let new = set(&old, ".BTF", &btf(size));
        assert_others_same(&old, &new, &[".BTF"]);
        assert_eq!(section(&new, ".BTF").contents, btf(size));
        assert_eq!(offset(&new, ".aligned"), (offset(&new, ".BTF") + size as u64).next_multiple_of(64));
        assert_eq!(offset(&new, ".last"), offset(&new, ".aligned") + 10);
        assert_same(&set(&new, ".BTF", &btf(100)), &set(&set(&old, ".BTF", &btf(7)), ".BTF", &btf(100)));
    }
}

#[test]
fn sections_of_other_types_are_refused() {
    let mut builder = Builder::new(true, false, elf::ET_REL, 0);
    builder.section(".BTF", elf::SHT_SYMTAB, 0, 8, &btf(24));
    assert!(error(&builder.finish(), ".BTF", b"x").starts_with("section `.BTF` has type 0x2"));
    let mut builder = Builder::new(true, false, elf::ET_REL, 0);
    builder.headers[0].kind = elf::SHT_SYMTAB;
    builder.data(".one", b"1");
    assert!(error(&builder.finish(), ".BTF", b"x").starts_with("section 0, which has type 0x2"));
}

#[test]
fn symbols_stay_aligned_whatever_their_header_says() {
    for align in [0, 1, 1 << 38, 12] {
        let mut builder = Builder::new(true, false, elf::ET_REL, 0);
        builder.data(".BTF", &btf(99));
        builder.section(".symtab", elf::SHT_SYMTAB, 0, 8, &btf(24)).align = align;
        let new = set(&builder.finish(), ".BTF", &btf(33));
        assert_eq!(offset(&new, ".symtab") % 8, 0, "sh_addralign {align:#x}");
        assert_eq!(section(&new, ".symtab").align, align);
    }
}

#[test]
fn a_section_that_objcopy_added_is_replaced_where_it_is() {
    if !have("gcc") || !have("objcopy") {
        return;
    }
    let inputs = Inputs::new();
    let object = inputs.write("input.o", inputs.object());
    inputs.write("data", btf(1001));
    let option = format!(".BTF={}", inputs.path("data").display());
    run("objcopy", &[OsStr::new("--add-section"), OsStr::new(&option), object.as_os_str()]);
    let old = fs::read(&object).unwrap();
    let index = |bytes: &[u8]| sections(bytes).iter().position(|section| section.name == ".BTF");
    for size in [10, 1001, 4000] {
        let new = set(&old, ".BTF", &btf(size));
        inputs.readelf(&new);
        assert_others_same(&old, &new, &[".BTF"]);
        assert_eq!(index(&new), index(&old));
        let section = section(&new, ".BTF");
        assert_eq!((section.contents, section.align), (btf(size), 8));
        assert_same(&set(&set(&old, ".BTF", &btf(3)), ".BTF", &btf(size)), &set(&new, ".BTF", &btf(size)));
    }
}

#[test]
fn objects_that_ld_joined_can_be_rewritten_and_linked() {
    if !have("gcc") || !have("ld") {
        return;
    }
    let inputs = Inputs::new();
    let first = inputs.write("first.o", set(&inputs.object(), ".BTF", &btf(300)));
    let assembly = inputs.write(
        "second.s",
        ".section .BTF.base\n.ascii \"old\"\n.section .note.GNU-stack\n.section .tail,\"a\"\n.long .BTF.base\n",
    );
    let (second, joined) = (inputs.path("second.o"), inputs.path("joined.o"));
    run("gcc", &[OsStr::new("-c"), assembly.as_os_str(), OsStr::new("-o"), second.as_os_str()]);
    let args = ["-r", "-o"].map(OsStr::new);
    run("ld", &[args[0], args[1], joined.as_os_str(), first.as_os_str(), second.as_os_str()]);
    let old = fs::read(&joined).unwrap();
    assert_eq!(section(&old, ".BTF").size, 300);
    let new = set(&old, ".BTF", &btf(1234));
    assert_others_same(&old, &new, &[".BTF"]);
    inputs.readelf(&new);
    inputs.link("new.o", &new);
    let program = fs::read(inputs.path("linked")).unwrap();
    assert_eq!(inputs.run_program(&program), "it runs\n");
    assert_eq!(section(&program, ".BTF").contents, btf(1234));
    // Symbols and a relocation refer to it, so its number stays in use.
    let without = remove(&old, ".BTF.base");
    assert_eq!(sections(&without).len(), sections(&old).len());
    assert_others_same(&old, &without, &[".BTF.base"]);
    inputs.link("without.o", &without);
    let [first, second] = ["without.o", "again.o"].map(|name| inputs.path(name));
    run("ld", &[args[0], first.as_os_str(), args[1], second.as_os_str()]);
}

// --- Loaded files --------------------------------------------------------------------------------

#[test]
fn rewritten_programs_run() {
    if !have("gcc") {
        return;
    }
    let inputs = Inputs::new();
    for args in [&["-pie"][..], &["-no-pie"], &["-static"], &["-Wl,-z,separate-code", "-O2"]] {
        let old = inputs.gcc(PROGRAM, args);
        let direct = set(&old, ".BTF", &btf(100));
        let mut new = old.clone();
        for size in [5000, 3, 100_000, 100] {
            new = set(&new, ".BTF", &btf(size));
            assert_others_same(&old, &new, &[]);
            assert_eq!(section(&new, ".BTF").contents, btf(size));
            assert_eq!(inputs.run_program(&new), "it runs\n");
            inputs.readelf(&new);
        }
        assert_same(&new, &direct);
        new = remove(&new, ".BTF");
        assert_others_same(&old, &new, &[]);
        assert_eq!(inputs.run_program(&new), "it runs\n");
    }
}

#[test]
fn a_loaded_section_is_overwritten_in_place() {
    if !have("gcc") {
        return;
    }
    let inputs = Inputs::new();
    let source = format!("{PROGRAM}\n__asm__(\".section .BTF,\\\"a\\\"\\n.zero 200, 1\\n.text\");");
    let old = inputs.gcc(&source, &[]);
    assert_eq!(allocated_room(&old, ".BTF"), Ok(Some(200)));
    assert_eq!(allocated_room(&old, ".BTF.base"), Ok(None));
    assert_eq!(allocated_room(&old, ".comment"), Ok(None));
    for size in [200, 150, 0] {
        let new = set(&old, ".BTF", &btf(size));
        assert_eq!(new.len(), old.len());
        assert_others_same(&old, &new, &[".BTF"]);
        let mut expected = btf(size);
        expected.resize(200, 0);
        let contents = section(&new, ".BTF").contents;
        assert_eq!(contents, expected);
        let differing: BTreeSet<_> = (0..old.len()).filter(|at| old[*at] != new[*at]).collect();
        let start = offset(&old, ".BTF") as usize;
        assert!(differing.iter().all(|at| (start..start + 200).contains(at)));
        assert_eq!(inputs.run_program(&new), "it runs\n");
        assert!(!plan(&new, &[update(".BTF", &btf(size)[..])]).unwrap().changes_file());
    }
    assert_eq!(
        error(&old, ".BTF", &btf(201)),
        "`.BTF` needs 201 bytes, and the section has 200 and is loaded at run time, so it cannot grow or move: \
         write the data to a file of its own (--btf_encode_detached) and link it in"
    );
    assert_eq!(
        plan(&old, &[update(".BTF", None)]).unwrap_err().to_string(),
        "`.BTF` is loaded at run time and cannot be removed: link the file again without it"
    );
}

#[test]
fn an_alloc_section_of_a_relocatable_file_is_replaced_freely() {
    let mut builder = Builder::new(true, false, elf::ET_REL, 0);
    builder.section(".BTF", elf::SHT_PROGBITS, elf::SHF_ALLOC, 4, &btf(20));
    builder.data(".rest", b"rest");
    let old = builder.finish();
    assert_eq!(allocated_room(&old, ".BTF"), Ok(None));
    let new = set(&old, ".BTF", &btf(300));
    let section = section(&new, ".BTF");
    assert_eq!((section.contents, section.align, section.flags), (btf(300), 4, elf::SHF_ALLOC.into()));
    assert_others_same(&old, &new, &[".BTF"]);
}

/// A linked file whose only segment covers everything but the section header table.
fn covered(wide: bool) -> Vec<u8> {
    let mut builder = Builder::new(wide, false, elf::ET_EXEC, 1);
    builder.section(".text", elf::SHT_PROGBITS, elf::SHF_ALLOC, 16, b"code");
    builder.section(".BTF", elf::SHT_PROGBITS, 0, 8, &btf(40));
    builder.section(".data", elf::SHT_PROGBITS, elf::SHF_ALLOC, 16, b"data");
    builder.segments[0] = (elf::PT_LOAD, 0, builder.body.len() as u64 + 20);
    builder.finish()
}

#[test]
fn what_a_segment_covers_never_moves() {
    for old in [covered(true), covered(false)] {
        for size in [12, 40, 41] {
            let new = set(&old, ".BTF", &btf(size));
            assert_others_same(&old, &new, &[".BTF"]);
            assert_eq!(section(&new, ".BTF").contents, btf(size));
            for name in [".text", ".data", ".shstrtab"] {
                assert_eq!(offset(&new, name), offset(&old, name));
            }
            let place = offset(&old, ".BTF") as usize;
            if size > 40 {
                assert!(new[place..place + 40].iter().all(|byte| *byte == 0));
                // From now on it is behind the floor and leaves no more holes.
                assert_same(&set(&set(&new, ".BTF", &btf(999)), ".BTF", &btf(size)), &new);
            } else {
                assert_eq!(offset(&new, ".BTF"), place as u64);
                assert!(new[place + size..place + 40].iter().all(|byte| *byte == 0));
            }
        }
        // The section names begin below the end of the segment; a second name moves them.
        let new = set(&old, ".BTF.base", &btf(5));
        assert_others_same(&old, &new, &[]);
        assert!(offset(&new, ".shstrtab") > offset(&old, ".shstrtab"));
        assert_eq!(section(&new, ".BTF.base").contents, btf(5));
        assert_eq!(remove(&old, ".BTF").len(), old.len());
    }
}

#[test]
fn section_headers_inside_a_segment_move_only_if_they_grow() {
    // As the Go linker writes it.
    let mut builder = Builder::new(true, false, elf::ET_DYN, 1);
    builder.section(".BTF", elf::SHT_PROGBITS, 0, 8, &btf(40));
    let mut old = builder.finish();
    let len = old.len() as u64;
    old[64 + 32..64 + 40].copy_from_slice(&len.to_le_bytes());
    old[64..68].copy_from_slice(&elf::PT_LOAD.to_le_bytes());
    let file = ElfFile::parse(&old).unwrap();
    assert_eq!(file.floor, len);
    let grown = set(&old, ".BTF", &btf(80));
    assert_eq!(ElfFile::parse(&grown).unwrap().shoff, file.shoff);
    assert_eq!(offset(&grown, ".BTF"), len);
    let added = set(&old, ".BTF.base", &btf(80));
    assert!(ElfFile::parse(&added).unwrap().shoff > len);
    assert_others_same(&old, &added, &[]);
}

// --- Numbers -------------------------------------------------------------------------------------

#[test]
fn more_sections_than_fit_16_bits() {
    if !have("gcc") {
        return;
    }
    let inputs = Inputs::new();
    let mut assembly = String::from(".globl f\nf: ret\n");
    for index in 0..66_000 {
        assembly += &format!(".section .s{index}\n.byte {}\n", index % 251);
    }
    assembly += ".globl last\nlast: .byte 1\n";
    let source = inputs.write("many.s", assembly);
    let object = inputs.path("many.o");
    run("gcc", &[OsStr::new("-c"), source.as_os_str(), OsStr::new("-o"), object.as_os_str()]);
    let old = fs::read(&object).unwrap();
    assert!(sections(&old).len() > 66_000);
    let new = set(&old, ".BTF", &btf(100));
    assert_others_same(&old, &new, &[]);
    assert_eq!(sections(&new).len(), sections(&old).len() + 1);
    assert_eq!(sections(&new).last().unwrap().contents, btf(100));
    assert_eq!(sections(&new)[0].size, sections(&new).len() as u64);
    assert_same(&set(&set(&new, ".BTF", &btf(1)), ".BTF", &btf(100)), &new);
    inputs.readelf(&new);
}

#[test]
fn the_number_of_sections_crosses_the_limit_both_ways() {
    for wide in [false, true] {
        let mut builder = Builder::new(wide, false, elf::ET_REL, 0);
        for _ in 0..0xff00 - 3 {
            builder.data("", b"");
        }
        builder.names.extend_from_slice(b".BTF\0");
        let old = builder.finish();
        assert_eq!((sections(&old).len(), sections(&old)[0].size), (0xfeff, 0));
        let new = set(&old, ".BTF", &btf(4));
        assert_eq!((sections(&new).len(), sections(&new)[0].size), (0xff00, 0xff00));
        assert_others_same(&old, &new, &[]);
        assert_same(&remove(&new, ".BTF"), &old);
    }
}

#[test]
fn a_known_name_is_used_again() {
    let mut builder = Builder::new(true, false, elf::ET_REL, 0);
    builder.data(".rel.BTF", b"");
    let old = builder.finish();
    let new = set(&old, ".BTF", &btf(4));
    assert_eq!(section(&new, ".shstrtab"), section(&old, ".shstrtab"));
    assert_eq!(section(&new, ".BTF").contents, btf(4));
}

// --- Refused input -------------------------------------------------------------------------------

#[test]
fn damaged_files_are_refused() {
    let old = &small_objects()[2];
    let patched = |at: usize, bytes: &[u8]| {
        let mut file = old.clone();
        file[at..at + bytes.len()].copy_from_slice(bytes);
        file
    };
    let shoff = u64::from_le_bytes(old[0x28..0x30].try_into().unwrap());
    let table = format!("section header table at {shoff:#x}");
    let damaged = "the file is damaged or cut short; build it again";
    let file = format!("({} bytes)", old.len());
    let cases = [
        (old[..10].to_vec(), "not an ELF file: pass a vmlinux, a .ko or an object file".to_owned()),
        (patched(4, &[3]), "not an ELF file: pass a vmlinux, a .ko or an object file".to_owned()),
        (
            old[..63].to_vec(),
            format!("ELF header at 0x0 (64 bytes) ends past the end of the file (63 bytes): {damaged}"),
        ),
        (patched(0x3a, &[40, 0]), format!("section headers of 40 bytes: {damaged}")),
        (
            patched(0x3c, &[0xff, 0xfe]),
            format!("{table} (4177856 bytes) ends past the end of the file {file}: {damaged}"),
        ),
        (
            patched(0x28, &[0xff; 8]),
            format!(
                "section header table at 0xffffffffffffffff (64 bytes) ends past the end of the file {file}: {damaged}"
            ),
        ),
        (patched(0x3c, &[0, 0]), format!("section header table of 0 sections: {damaged}")),
        (patched(0x3e, &[9, 0]), format!("section names in section 9, past the last of 6 sections: {damaged}")),
        (patched(0x3e, &[1, 0]), format!("section names in section 1, which has type 0x1: {damaged}")),
        (
            patched(0x3e, &[0, 0]),
            "no section headers or section names: the file was stripped of them; pass the file as linked".to_owned(),
        ),
    ];
    for (file, expected) in &cases {
        assert_eq!(error(file, ".BTF", &btf(10)), *expected);
    }
    let extended = {
        let mut file = patched(0x3c, &[0, 0]);
        let size = shoff as usize + 0x20;
        file[size..size + 8].copy_from_slice(&u64::MAX.to_le_bytes());
        file
    };
    assert_eq!(
        error(&extended, ".BTF", &btf(10)),
        format!("section header table of 18446744073709551615 sections: {damaged}")
    );
}

#[test]
fn every_cut_and_every_changed_byte_is_survived() {
    let linked = covered(true);
    for old in small_objects().iter().chain([&linked]) {
        let old = set(old, ".BTF", &btf(20));
        for len in 0..old.len() {
            assert!(plan(&old[..len], &[update(".BTF", &btf(10)[..])]).is_err());
        }
        let mut accepted = 0;
        for at in 0..old.len() {
            for value in [0, 1, 7, 0x7f, 0x80, 0xff] {
                let mut file = old.clone();
                file[at] = value;
                accepted += usize::from(survives(&file));
            }
        }
        assert!(accepted > old.len());
    }
}

/// Replaces, adds and removes in a file that may be damaged. True if the file was accepted; then the
/// result must be one that is accepted too and needs no further change.
fn survives(file: &[u8]) -> bool {
    let data = btf(33);
    let updates = [update(".BTF", &data[..]), update(".BTF.base", &data[..7]), update(".comment", None)];
    let Ok(plan) = plan(file, &updates) else {
        return false;
    };
    assert!(plan.size() < 4 * file.len() as u64 + 1000);
    let new = apply(&plan, file);
    let again = super::plan(&new, &updates).unwrap();
    assert_same(&apply(&again, &new), &new);
    true
}

#[test]
fn a_signed_module_is_refused() {
    let mut file = small_objects()[2].clone();
    file.extend_from_slice(b"some PKCS#7\x01\x00~Module signature appended~\n");
    assert_eq!(
        error(&file, ".BTF", &btf(10)),
        "a module signature follows the ELF data and would no longer match: \
         encode before signing, or remove it first (`objcopy` writes the module without it)"
    );
    assert!(!plan(&file, &[update(".BTF", None)]).unwrap().changes_file());
}

#[test]
fn trailing_data_is_refused_and_trailing_zeros_are_not() {
    let old = &small_objects()[2];
    let file = [&old[..], b"payload"].concat();
    assert_eq!(
        error(&file, ".BTF", &btf(10)),
        format!(
            "7 bytes at offset {:#x} follow the last section and belong to none: \
             remove them first (`objcopy` writes the file without them)",
            old.len()
        )
    );
    let file = [&old[..], &[0; 100]].concat();
    assert_same(&set(&file, ".BTF", &btf(10)), &set(old, ".BTF", &btf(10)));
}

#[test]
fn ambiguous_and_odd_sections_are_refused() {
    let build = |add: &dyn Fn(&mut Builder)| {
        let mut builder = Builder::new(true, false, elf::ET_REL, 0);
        add(&mut builder);
        builder.finish()
    };
    let twice = build(&|builder| {
        builder.data(".BTF", b"1");
        builder.data(".BTF", b"2");
    });
    assert_eq!(
        error(&twice, ".BTF", b"3"),
        "sections 1 and 2 are both named `.BTF`: the file is damaged or cut short; build it again"
    );
    let empty = build(&|builder| {
        builder.section(".BTF", elf::SHT_NOBITS, 0, 1, b"").size = 50;
    });
    assert_eq!(
        error(&empty, ".BTF", b"3"),
        "`.BTF` has a header but no contents (SHT_NOBITS), as in a split debug file: pass the unsplit file"
    );
    let relocated = build(&|builder| {
        builder.data(".BTF", b"1234");
        builder.section(".rela.BTF", elf::SHT_RELA, 0, 8, &[0; 24]).info = 1;
    });
    assert_eq!(
        error(&relocated, ".BTF", b"3"),
        "section 2 holds relocations for `.BTF`, which would spoil new contents: link first"
    );
    let overlapping = build(&|builder| {
        builder.data(".BTF", b"1234");
        builder.data(".other", b"1234").offset -= 1;
    });
    assert_eq!(
        error(&overlapping, ".BTF", b"3"),
        "section 1 at 0x40 (4 bytes) overlaps section 2 at 0x43 (4 bytes): \
         the file is damaged or cut short; build it again"
    );
}

#[test]
fn a_compressed_section_becomes_plain() {
    let mut builder = Builder::new(true, false, elf::ET_REL, 0);
    builder.section(".BTF", elf::SHT_PROGBITS, elf::SHF_COMPRESSED, 1, &btf(30));
    let new = set(&builder.finish(), ".BTF", &btf(30));
    assert_eq!(section(&new, ".BTF").flags, 0);
}

// --- Writing -------------------------------------------------------------------------------------

fn open(path: &Path) -> File {
    File::open(path).unwrap()
}

#[test]
fn the_written_file_is_the_planned_one() {
    let inputs = Inputs::new();
    for old in small_objects() {
        let input = inputs.write("input", &old);
        let data = btf(70_000);
        let plan = plan(&old, &[update(".BTF", &data[..])]).unwrap();
        let mut output = File::create(inputs.path("output")).unwrap();
        plan.write(&open(&input), &mut output).unwrap();
        assert_eq!(fs::read(inputs.path("output")).unwrap(), apply(&plan, &old));
    }
}

#[test]
fn what_another_plan_wrote_ahead_does_not_show() {
    let inputs = Inputs::new();
    let (one, same, base) = (btf(1), btf(300), btf(20));
    let (mut shorter, mut longer) = (0, 0);
    for old in small_objects() {
        let encoded = rewrite(&old, &[update(".BTF", &same[..]), update(".BTF.base", &base[..])]);
        for old in [old, encoded] {
            let input = inputs.write("input", &old);
            let plans = [
                vec![update(".BTF", &one[..]), update(".BTF.base", None)],
                vec![update(".BTF", &same[..]), update(".BTF.base", None)],
                vec![update(".BTF", &same[..]), update(".BTF.base", &base[..])],
                vec![update(".BTF.base", &one[..])],
            ]
            .map(|updates| plan(&old, &updates).unwrap());
            for (first, second) in plans.iter().flat_map(|first| plans.iter().map(move |second| (first, second))) {
                let path = inputs.path("output");
                let mut output =
                    File::options().read(true).write(true).create(true).truncate(true).open(&path).unwrap();
                let ahead = first.write_ahead(&open(&input), &mut output).unwrap();
                assert_eq!(output.metadata().unwrap().len(), ahead.bytes);
                second.write_after(ahead, &open(&input), &mut output).unwrap();
                assert_same(&fs::read(&path).unwrap(), &apply(second, &old));
                shorter += u32::from(ahead.bytes < second.unmoved());
                longer += u32::from(ahead.bytes > second.unmoved());
            }
        }
    }
    assert!(shorter > 0 && longer > 0, "both ways are seen");
}

#[test]
fn a_plan_can_be_written_to_a_pipe_and_behind_other_output() {
    let inputs = Inputs::new();
    let old = &small_objects()[2];
    let input = inputs.write("input", old);
    let data = btf(5);
    let plan = plan(old, &[update(".BTF", &data[..])]).unwrap();

    let mut cat = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut writer = File::from(OwnedFd::from(cat.stdin.take().unwrap()));
    plan.write(&open(&input), &mut writer).unwrap();
    drop(writer);
    let piped = cat.wait_with_output().unwrap().stdout;
    assert_eq!(piped, apply(&plan, old));

    let path = inputs.write("appended", b"first");
    let mut output = fs::OpenOptions::new().append(true).open(&path).unwrap();
    plan.write(&open(&input), &mut output).unwrap();
    output.write_all(b"end").unwrap();
    assert_eq!(fs::read(&path).unwrap(), [b"first", &piped[..], b"end"].concat());
}

#[test]
fn a_shorter_input_and_a_full_output_are_errors() {
    let inputs = Inputs::new();
    let old = &small_objects()[2];
    let data = btf(5);
    let plan = plan(old, &[update(".BTF", &data[..])]).unwrap();
    let short = inputs.write("short", &old[..100]);
    let mut output = File::create(inputs.path("output")).unwrap();
    assert_eq!(plan.write(&open(&short), &mut output).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    let input = inputs.write("input", old);
    let mut full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    assert_eq!(plan.write(&open(&input), &mut full).unwrap_err().kind(), io::ErrorKind::StorageFull);
}

#[test]
fn a_file_a_pipe_and_one_opened_to_append_get_the_same() {
    let inputs = Inputs::new();
    for old in small_objects() {
        // A section that stays where it is, one that grows before others, and nothing at all.
        for data in [None, Some(btf(5)), Some(btf(1001))] {
            let updates = data.as_deref().map(|data| update(".BTF", data));
            let plan = plan(&old, updates.as_slice()).unwrap();
            let input = inputs.write("input", &old);
            let mut output = File::create(inputs.path("output")).unwrap();
            plan.write(&open(&input), &mut output).unwrap();
            let expected = fs::read(inputs.path("output")).unwrap();
            assert_eq!(expected.len() as u64, plan.size());

            let path = inputs.write("appended", "");
            let mut appended = fs::OpenOptions::new().append(true).open(&path).unwrap();
            plan.write(&open(&input), &mut appended).unwrap();
            assert!(fs::read(path).unwrap() == expected);

            let (mut reader, writer) = std::os::unix::net::UnixStream::pair().unwrap();
            let read = std::thread::spawn(move || {
                let mut bytes = Vec::new();
                reader.read_to_end(&mut bytes).map(|_| bytes)
            });
            plan.write(&open(&input), &mut File::from(OwnedFd::from(writer))).unwrap();
            assert!(read.join().unwrap().unwrap() == expected);
        }
    }
}
