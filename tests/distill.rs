//! The distilled base: what `.BTF` and `.BTF.base` of a module say together, and what a kernel makes of them.

mod support;

use std::fs;
use std::path::Path;

use btf::distill::relocate;
use btf::header::Header;
use btf::view::BtfView;
use support::folder::Folder;
use support::ids::Module;
use support::{btfgen, btfgen_command, compile, encode, must, root, section, text};

/// The lines of a file's BTF after a kernel put it from its distilled base on `base`.
#[track_caller]
fn relocated(file: &Path, base: &[u8]) -> Vec<String> {
    let (own, distilled) = (section(file, ".BTF"), section(file, ".BTF.base"));
    relocated_parts(&own.expect("there is a .BTF"), &distilled.expect("there is a .BTF.base"), base)
}

#[track_caller]
fn relocated_parts(own: &[u8], distilled: &[u8], base: &[u8]) -> Vec<String> {
    let distilled = BtfView::parse(distilled).expect("the distilled base is BTF");
    let view = BtfView::parse_split(own, &distilled).expect("split BTF on it");
    let base = BtfView::parse(base).expect("the base is BTF");
    let bytes = relocate(&view, &base).expect("a kernel takes it");
    text::lines(&BtfView::parse_split(&bytes, &base).expect("split BTF on the base"))
}

#[track_caller]
fn on_base(file: &Path, base: &[u8]) -> Vec<String> {
    let bytes = section(file, ".BTF").expect("there is a .BTF");
    let base = BtfView::parse(base).expect("the base is BTF");
    text::lines(&BtfView::parse_split(&bytes, &base).expect("split BTF on the base"))
}

/// A folder with the fixtures' `vmlinux`, encoded, `driver.ko`, and `plain.ko`, which was encoded without distilling.
struct Fixtures {
    folder: Folder,
    base: Vec<u8>,
}

impl Fixtures {
    fn new() -> Fixtures {
        let folder = Folder::new();
        let at = folder.path();
        must(&root().join("kernel-fixtures"), "make", ["-s", &format!("BUILD={}", at.display())]);
        encode(at, ["vmlinux"]);
        encode(at, ["--btf_base", "vmlinux", "-o", "plain.ko", "driver.ko"]);
        let base = section(&at.join("vmlinux"), ".BTF").expect("there is a .BTF");
        Fixtures { folder, base }
    }

    #[track_caller]
    fn check(&self, file: &str) {
        let file = self.folder.file(file);
        // What moved from the base comes on top.
        let (before, after) = (on_base(&self.folder.file("plain.ko"), &self.base), relocated(&file, &self.base));
        let lost: Vec<&String> = before.iter().filter(|line| !after.contains(line)).collect();
        assert!(lost.is_empty(), "{lost:#?}");
        assert!(after.len() > before.len());
        let distilled = section(&file, ".BTF.base").expect("there is a .BTF.base");
        let distilled = BtfView::parse(&distilled).expect("it is BTF");
        let lines = text::lines(&distilled);
        assert!(distilled.type_count() < 60, "{lines:#?}");
        for line in lines {
            let kind = line.split(' ').next().expect("a word");
            assert!(["INT", "FLOAT", "STRUCT", "UNION", "ENUM", "FWD"].contains(&kind), "{line}");
            assert!(!line.contains("(anon)"), "{line}");
        }
    }
}

/// K22: an external module as Linux 6.12 builds it, and all else that distils.
#[test]
fn all_ways_to_ask_for_it() {
    let fixtures = Fixtures::new();
    let at = fixtures.folder.path();
    encode(at, ["--btf_base", "vmlinux", "--distill_base", "-o", "option.ko", "driver.ko"]);
    encode(at, ["--btf_base", "vmlinux", "--distill_base=plain", "-o", "plainly.ko", "driver.ko"]);
    encode(at, ["--btf_base", "vmlinux", "--btf_features=+distilled_base", "-o", "feature.ko", "driver.ko"]);
    fs::copy(at.join("driver.ko"), at.join("pahole.ko")).expect("copied");
    let list =
        "--btf_features=encode_force,var,float,enum64,decl_tag,type_tag,optimized_func,consistent_func,decl_tag_kfuncs";
    let pahole =
        ["--pahole", "-J", list, "--btf_features=distilled_base", "--lang_exclude=rust", "--btf_base", "vmlinux"];
    encode(at, pahole.iter().chain(&["pahole.ko"]));
    // pahole leaves .BTF_ids to another tool.
    encode(at, ["--btf_base", "vmlinux", "--distill_base", "--no-btf-ids", "-o", "encoded.ko", "driver.ko"]);
    fixtures.check("option.ko");
    for (file, like) in [("plainly.ko", "option.ko"), ("feature.ko", "option.ko"), ("pahole.ko", "encoded.ko")] {
        let read = |name| fs::read(at.join(name)).expect("written");
        assert_eq!(read(file), read(like), "{file}");
    }
    // Raw BTF has no room for two.
    encode(at, pahole.iter().chain(&["--btf_encode_detached=raw", "driver.ko"]));
    assert_eq!(Some(fixtures.folder.read("raw")), section(&at.join("plain.ko"), ".BTF"));
    assert!(!at.join("raw.base").exists());
    encode(at, ["--btf_base", "vmlinux", "--distill_base", "--btf_encode_detached", "two", "driver.ko"]);
    assert_eq!(Some(fixtures.folder.read("two")), section(&at.join("option.ko"), ".BTF"));
    assert_eq!(Some(fixtures.folder.read("two.base")), section(&at.join("option.ko"), ".BTF.base"));

    // What a dump says: as it is, and as a kernel has it.
    let dump = |args: &[&str]| {
        let run = btfgen(at, ["dump"].iter().chain(args));
        assert_eq!(run.code, 0, "{}", run.err);
        run.out
    };
    assert_eq!(dump(&["option.ko"]), dump(&["--btf_base", "two.base", "two"]));
    let kernels = String::from_utf8(dump(&["--btf_base", "vmlinux", "option.ko"])).expect("ASCII");
    assert!(
        kernels
            .lines()
            .next()
            .expect("a line")
            .starts_with(&format!("[{}]", BtfView::parse(&fixtures.base).expect("the base is BTF").end_id()))
    );

    // The second step of 6.12's build fills in ids of the distilled base.
    let run = btfgen(at, ["resolve_btfids", "--btf_base", "vmlinux", "option.ko"]);
    assert_eq!(run.code, 0, "{}", run.err);
    let ids = section(&at.join("option.ko"), ".BTF_ids").expect("there are ids");
    let base_ids = BtfView::parse(&fixtures.base).expect("the base is BTF").end_id().0;
    let words = |bytes: &[u8]| -> Vec<u32> {
        bytes.chunks_exact(4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
    };
    assert!(words(&ids).iter().all(|&id| id < base_ids), "{ids:?}");
    fixtures.check("option.ko");

    // Without the option it goes.
    encode(at, ["--btf_base", "vmlinux", "pahole.ko"]);
    assert_eq!(section(&at.join("pahole.ko"), ".BTF.base"), None);
    assert_eq!(section(&at.join("pahole.ko"), ".BTF"), section(&at.join("plain.ko"), ".BTF"));
}

/// As Linux 7.3 builds external modules.
#[test]
fn resolve_btfids_distils() {
    let fixtures = Fixtures::new();
    let at = fixtures.folder.path();
    encode(at, ["--btf_base", "vmlinux", "--btf_encode_detached", "m.1", "driver.ko"]);
    let run = btfgen(at, ["resolve_btfids", "--btf_base", "vmlinux", "--distill_base", "--btf", "m.1", "driver.ko"]);
    assert_eq!(run.code, 0, "{}", run.err);
    let (own, distilled) = (fixtures.folder.read("driver.ko.BTF"), fixtures.folder.read("driver.ko.BTF.base"));
    let (before, after) =
        (on_base(&at.join("plain.ko"), &fixtures.base), relocated_parts(&own, &distilled, &fixtures.base));
    assert_eq!(before.iter().find(|line| !after.contains(line)), None);
    // Ids are those on the distilled base.
    let end = BtfView::parse(&distilled).expect("it is BTF");
    let end = BtfView::parse_split(&own, &end).expect("it is split BTF").end_id().0;
    let ids = fixtures.folder.read("driver.ko.BTF_ids");
    let ids: Vec<u32> = ids.chunks_exact(4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
    assert!(ids.iter().any(|&id| id > 1) && ids.iter().all(|&id| id < end), "{ids:?}");
    // Without a base there is nothing to distil.
    let run = btfgen(at, ["resolve_btfids", "--distill_base", "--btf", "vmlinux", "vmlinux"]);
    assert_eq!(run.code, 0, "{}", run.err);
    assert!(!at.join("vmlinux.BTF.base").exists());
}

const TWICE: [(&str, &str); 2] = [
    (
        "a",
        "struct inner { int x; }; struct twice { struct inner *i; }; long use_a(struct twice *t) { return t->i->x; } int _start(void) { return 0; }",
    ),
    ("b", "struct twice { long other; }; long use_b(struct twice *t) { return t->other; }"),
];
const MODULE: &str = "struct inner { int x; }; struct twice { struct inner *i; }; long take(struct twice *t, unsigned n) { return t->i->x + n; }";

/// K23: a type that a kernel would find twice.
#[test]
fn ambiguous_types() {
    let folder = Folder::new();
    let at = folder.path();
    for (name, source) in TWICE {
        compile(at, name, source, &["-O1", "-ffreestanding", "-fno-pie"]);
    }
    must(at, "ld", ["-o", "vmlinux", "a.o", "b.o"]);
    encode(at, ["vmlinux"]);
    compile(at, "m", MODULE, &["-O1", "-ffreestanding", "-fno-pie"]);
    let before = folder.listing();
    let run = btfgen(at, ["--btf_base", "vmlinux", "--distill_base=plain", "m.o"]);
    assert_eq!(run.code, 5);
    assert!(run.err.contains("the base has several types for STRUCT `twice`"), "{}", run.err);
    assert_eq!(folder.listing(), before, "nothing was written");

    let said = encode(at, ["--btf_base", "vmlinux", "--distill_base", "m.o"]);
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(said.contains("warning: m.o: ") && said.contains("describes by itself: STRUCT `twice`"), "{said}");
    let base = section(&at.join("vmlinux"), ".BTF").expect("there is a .BTF");
    let lines = relocated(&at.join("m.o"), &base);
    for line in
        ["STRUCT twice size=8 { i: *struct inner @0 }", "FUNC take(t: *struct twice, n: unsigned int) -> long int"]
    {
        assert!(lines.iter().any(|l| l == line), "{line}: {lines:#?}");
    }
    let distilled = section(&at.join("m.o"), ".BTF.base").expect("there is a .BTF.base");
    let distilled = text::lines(&BtfView::parse(&distilled).expect("it is BTF"));
    assert!(!distilled.iter().any(|line| line.contains("twice")), "{distilled:#?}");
    assert!(distilled.iter().any(|line| line.starts_with("STRUCT inner")), "{distilled:#?}");

    // It says so, but the module is in order, and so is the build.
    fs::write(at.join("m.1"), section(&at.join("m.o"), ".BTF").expect("there")).expect("written");
    encode(at, ["--btf_base", "vmlinux", "--btf_encode_detached", "m.1", "m.o"]);
    let run = btfgen(
        at,
        ["resolve_btfids", "--fatal_warnings", "--btf_base", "vmlinux", "--distill_base", "--btf", "m.1", "m.o"],
    );
    assert!(run.code == 0 && run.err.contains("STRUCT `twice`"), "{}", run.err);
}

/// K24: the base as an ELF file with nothing but BTF, as raw BTF, and with the layout section of Linux 7.x.
#[test]
fn bases_of_all_forms() {
    let fixtures = Fixtures::new();
    let at = fixtures.folder.path();
    let options = ["--btf_base", "vmlinux", "--distill_base", "-o", "expected.ko", "driver.ko"];
    encode(at, options);
    fixtures.folder.write("raw", &fixtures.base);
    fixtures.folder.write("e.c", b"");
    must(at, "gcc", ["-c", "-o", "only.o", "e.c"]);
    must(at, "objcopy", ["--add-section", ".BTF=raw", "only.o"]);
    fixtures.folder.write("layout", &with_layout(&fixtures.base));
    for base in ["raw", "only.o", "layout"] {
        encode(at, ["--btf_base", base, "--distill_base", "-o", "out.ko", "driver.ko"]);
        assert_eq!(fixtures.folder.read("out.ko"), fixtures.folder.read("expected.ko"), "{base}");
    }
}

/// The same BTF with a header of 32 bytes, and the size of each kind's records between types and strings.
fn with_layout(btf: &[u8]) -> Vec<u8> {
    let header = Header::parse(btf).expect("it is BTF");
    let (types, strings) = (&btf[header.types()], &btf[header.strings()]);
    let layout: Vec<u8> = (0..20u8).flat_map(|kind| [if kind == 1 { 4 } else { 0 }, 0, 0, 0]).collect();
    let mut out = btf[..4].to_vec();
    let (t, l, s) = (types.len() as u32, layout.len() as u32, strings.len() as u32);
    for word in [32, 0, t, t + l, s, t, l] {
        out.extend_from_slice(&u32::to_le_bytes(word));
    }
    out.extend_from_slice(types);
    out.extend_from_slice(&layout);
    out.extend_from_slice(strings);
    out
}

#[test]
fn what_is_refused() {
    let folder = Folder::with_samples();
    let at = folder.path();
    let before = folder.listing();
    let run = btfgen(at, ["--distill_base", "sample.o"]);
    assert!(run.code == 2 && run.err.contains("--btf_base"), "{run:?}");
    let run = btfgen(at, ["--btf_features=+distilled_base", "sample.o"]);
    assert!(run.code == 2 && run.err.contains("feature `distilled_base` needs --btf_base"), "{run:?}");
    assert_eq!(btfgen(at, ["--pahole", "-J", "--btf_features=distilled_base", "sample.o"]).code, 1);
    assert_eq!(folder.listing(), before);
}

/// A module with this `.modinfo` and these words in `.BTF_ids`.
fn module_with(module: &Module, name: &str, modinfo: &str, ids: &str) {
    let entries: Vec<String> = modinfo.split(' ').map(|entry| format!(".asciz \\\"{entry}\\\"")).collect();
    let source = format!(
        "asm(\".pushsection .modinfo, \\\"a\\\"\\n{}\\n.popsection\");\n{}{ids}",
        entries.join("\\n"),
        support::ids::MACROS
    );
    let object = compile(module.path(), name, &source, &["-O1", "-ffreestanding", "-fno-pie"]);
    fs::rename(object, module.folder.file(&format!("{name}.ko"))).expect("it was made");
}

const KFUNCS: &str = "SET8(k, 1); IDF(kf_a, 4); IDF(kf_fast, 0x1000); END8(k);";

/// As Kbuild has it: what is built outside the tree of a kernel that knows distilled bases gets one.
#[test]
fn by_default_outside_the_tree() {
    let module = Module::new(KFUNCS);
    let at = module.path();
    let has_base = |name: &str| section(&at.join(name), ".BTF.base").is_some();
    let run = |args: &[&str]| encode(at, ["-v", "--btf_base", "vmlinux"].iter().chain(args));
    for (name, modinfo, expected, says) in [
        ("out", "vermagic=6.11.0 license=GPL", true, Some("no intree in .modinfo): its base is distilled")),
        ("tree", "vermagic=6.11.0 intree=Y license=GPL", false, None),
        ("old", "vermagic=6.1.0-18-amd64 license=GPL", false, Some("Linux 6.1.0-18-amd64 knows no distilled bases")),
        ("object", "license=GPL", false, None),
    ] {
        module_with(&module, name, modinfo, KFUNCS);
        let ko = format!("{name}.ko");
        let said = run(&["-o", "auto.ko", &ko]);
        assert_eq!(has_base("auto.ko"), expected, "{name}: {said}");
        assert_eq!(says.is_some(), said.contains("no intree"), "{name}: {said}");
        assert!(says.is_none_or(|text| said.contains(text)), "{name}: {said}");
        // The same as when it is said.
        let how = if expected { "--distill_base" } else { "--distill_base=off" };
        for how in [how, "--distill_base=auto"] {
            run(&[how, "-o", "said.ko", &ko]);
            assert!(module.folder.read("said.ko") == module.folder.read("auto.ko"), "{name} {how}");
        }
        // Whoever says what to write means nothing else, and raw BTF is one file.
        for how in [&["--distill_base=off"][..], &["--btf_features=default"], &["--compat=pahole"]] {
            run(&[how, &["-o", "off.ko", &ko]].concat());
            assert!(!has_base("off.ko"), "{name} {how:?}");
        }
        run(&["--btf_encode_detached", "raw", &ko]);
        run(&["--distill_base=off", "-o", "off.ko", &ko]);
        assert_eq!(Some(module.folder.read("raw")), section(&at.join("off.ko"), ".BTF"), "{name}");
        assert!(!at.join("raw.base").exists());
        for pahole in [&["--pahole", "-J"][..], &["--pahole", "-J", "--btf_features=default"]] {
            fs::copy(at.join(&ko), at.join("pahole.ko")).expect("copied");
            encode(at, pahole.iter().chain(&["--btf_base", "vmlinux", "pahole.ko"]));
            assert!(!has_base("pahole.ko"), "{name} {pahole:?}");
        }
        // Again, on the result, and back.
        for (how, name) in [("--distill_base=auto", "auto.ko"), ("--distill_base=off", "off.ko")] {
            fs::copy(at.join("auto.ko"), at.join("again.ko")).expect("copied");
            run(&[how, "again.ko"]);
            for part in [".BTF", ".BTF.base", ".BTF_ids"] {
                assert_eq!(section(&at.join("again.ko"), part), section(&at.join(name), part), "{ko} {how} {part}");
            }
        }
    }
}

/// Kernels translate ids of a distilled base for kfuncs alone: nothing is made automatic that would spoil others.
#[test]
fn ids_that_no_kernel_translates() {
    let module = Module::new(KFUNCS);
    let at = module.path();
    module_with(&module, "m", "vermagic=6.11.0", &format!("{KFUNCS} ID(struct, own); ID(struct, S);"));
    let said = encode(at, ["-v", "--btf_base", "vmlinux", "-o", "auto.ko", "m.ko"]);
    assert!(said.contains("but its .BTF_ids has ids that kernels do not translate"), "{said}");
    assert_eq!(section(&at.join("auto.ko"), ".BTF.base"), None);
    let said = encode(at, ["--btf_base", "vmlinux", "--distill_base", "-o", "asked.ko", "m.ko"]);
    assert!(said.contains("warning: m.ko: kernels do not translate ids") && said.contains(": `S`, `own`: "), "{said}");
    assert!(section(&at.join("asked.ko"), ".BTF.base").is_some());
    // Whoever leaves the ids alone has nothing to be warned of.
    for args in [["--btf_encode_detached", "raw"], ["--no-btf-ids", "-oleft.ko"]] {
        let all = ["--btf_base", "vmlinux", "--distill_base"].iter().chain(&args).chain(&["m.ko"]);
        assert_eq!(encode(at, all), "");
    }
    // A base that was found will do.
    let base = at.join("root/lib/modules/6.11.0/build");
    fs::create_dir_all(&base).expect("made");
    fs::copy(at.join("vmlinux"), base.join("vmlinux")).expect("copied");
    let run =
        btfgen_command(at, ["--distill_base", "m.ko"]).env("BTFGEN_ROOT", at.join("root")).output().expect("it starts");
    assert!(run.status.success(), "{run:?}");
    assert!(module.folder.read("m.ko") == module.folder.read("asked.ko"));
}

/// `btfgen check` puts a distilled base on the kernel's BTF as the kernel does it.
#[test]
fn checks() {
    let folder = Folder::new();
    let at = folder.path();
    let kernel = |name: &str, types: &str| {
        let source = format!(
            "{types} long use(struct pointed *p, struct inner *i) {{ return sizeof *p + sizeof *i; }} int _start(void) {{ return 0; }}"
        );
        compile(at, name, &source, &["-O1", "-ffreestanding", "-fno-pie"]);
        must(at, "ld", ["-o", name, &format!("{name}.o")]);
        encode(at, [name]);
    };
    let (inner, pointed) = ("struct inner { int x; };", "struct pointed { long a; };");
    kernel("v1", &format!("{inner} {pointed}"));
    kernel("grown", &format!("{inner} struct pointed {{ long a, b; }};"));
    kernel("other", &format!("struct inner {{ int x, y; }}; {pointed}"));
    kernel("gone", "struct inner { int x; }; struct renamed { long a; };\n#define pointed renamed\n");
    let module = format!(
        "{inner} {pointed} struct own {{ struct inner i; struct pointed *p; }}; long f(struct own *o) {{ return o->i.x + o->p->a; }}"
    );
    compile(at, "m", &module, &["-O1", "-ffreestanding", "-fno-pie"]);
    encode(at, ["--btf_base", "v1", "--distill_base", "--stamp", "m.o"]);
    let check = |base: &str| {
        let run = btfgen(at, ["check", "--btf_base", base, "m.o"]);
        (run.code, String::from_utf8(run.out).expect("ASCII"))
    };
    let fits = |base: &str| {
        let line = format!("m.o: ok: its distilled base fits {base}: each of the 3 types is found there, and once\n");
        assert_eq!(check(base), (0, line));
    };
    fits("v1");
    // The module only has pointers to it. Its stamp names another base, which does not matter.
    fits("grown");
    let refused = |base: &str, why: &str| {
        let (code, line) = check(base);
        assert_eq!(code, 10, "{line}");
        assert!(line.starts_with(&format!("m.o: refused: its distilled base does not fit {base}: ")), "{line}");
        assert!(line.contains(why) && line.lines().count() == 1, "{line}");
    };
    refused("other", "the base has no STRUCT `inner` of 4 bytes");
    refused("gone", "the base has no STRUCT `pointed` of 8 bytes");
    // Two of them: as in `ambiguous_types`, in one kernel.
    compile(
        at,
        "b",
        "struct inner { int z; }; struct pointed { long c, d; } *p; int g(struct inner *i) { return i->z + p->c; }",
        &["-O1", "-ffreestanding", "-fno-pie"],
    );
    must(at, "ld", ["-o", "twice", "v1.o", "b.o"]);
    encode(at, ["twice"]);
    refused("twice", "the base has several types for STRUCT `inner`");
    // Kernels before 6.11 would not even look.
    let module = Module::new(KFUNCS);
    module_with(&module, "m", "vermagic=6.10.0", KFUNCS);
    encode(module.path(), ["--btf_base", "vmlinux", "--distill_base", "m.ko"]);
    let run = btfgen(module.path(), ["check", "--btf_base", "vmlinux", "m.ko"]);
    let line = String::from_utf8(run.out).expect("ASCII");
    assert!(run.code == 10 && line.contains("Linux 6.10.0 does not know"), "{line}");
    // Ids that are not those of the distilled base.
    module_with(&module, "m", "vermagic=6.11.0", KFUNCS);
    encode(module.path(), ["--btf_base", "vmlinux", "--distill_base", "m.ko"]);
    let run = btfgen(module.path(), ["check", "--btf_base", "vmlinux", "m.ko"]);
    assert_eq!(run.code, 0, "{run:?}");
    assert_eq!(module.run(&["--link_order", "m.ko"]).code, 0);
    let run = btfgen(module.path(), ["check", "--btf_base", "vmlinux", "m.ko"]);
    assert!(
        run.code == 10 && String::from_utf8_lossy(&run.out).contains("its .BTF_ids is not that of its BTF"),
        "{run:?}"
    );
}
