//! The distilled base: what `.BTF` and `.BTF.base` of a module say together, and what a kernel makes of them.

mod support;

use std::fs;
use std::path::Path;

use btf::distill::relocate;
use btf::header::Header;
use btf::view::BtfView;
use support::folder::Folder;
use support::{btfgen, compile, encode, must, root, section, text};

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
