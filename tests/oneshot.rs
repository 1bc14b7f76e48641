//! One step for what pahole, resolve_btfids and objcopy do: a module's BTF with its `.BTF_ids`, in one rewrite. And what a module may
//! be that cannot be encoded as it is.

mod support;

use std::fs;
use std::path::Path;

use btf::view::BtfView;
use support::folder::Folder;
use support::ids::{FLAGS, Module, SETS, pairs, words};
use support::{Run, btfgen, btfgen_command, encode, must, section, skipped, text, works};

/// Lines of the BTF and words of the ids that are in the module.
#[track_caller]
fn contents(module: &Module, name: &str) -> (Vec<String>, Vec<String>) {
    let file = module.path().join(name);
    let (btf, ids) = (section(&file, ".BTF").expect("it has BTF"), section(&file, ".BTF_ids").expect("it has ids"));
    let base = BtfView::parse(&module.base).expect("the base is BTF");
    let view = BtfView::parse_split(&btf, &base).expect("split BTF");
    (text::lines(&view), words(&ids, module.folder.read(name)[5] == 2, &view))
}

fn sorted(mut lines: Vec<String>) -> Vec<String> {
    lines.sort();
    lines
}

#[track_caller]
fn as_the_chain(module: &Module) {
    let linked = module.folder.read("m.ko");
    // The chain of Linux 7.3.
    assert_eq!(module.resolve().code, 0);
    let (lines, words) = module.result();
    let run = btfgen(module.path(), ["--btf_base", "vmlinux", "m.ko"]);
    assert_eq!((run.code, run.err.as_str()), (0, ""));
    let (our_lines, our_words) = contents(module, "m.ko");
    assert_eq!(sorted(our_lines), sorted(lines));
    assert_eq!(pairs(&our_words, 7), FLAGS);
    assert_eq!(our_words.len(), words.len());
    assert_eq!(our_words[16..], words[16..]);
    // Once more, and from the start into a copy: the same bytes.
    let once = module.folder.read("m.ko");
    assert_eq!(encode(module.path(), ["--btf_base", "vmlinux", "m.ko"]), "");
    assert!(module.folder.read("m.ko") == once, "the second run changes bytes");
    module.folder.write("linked.ko", &linked);
    encode(module.path(), ["--btf_base", "vmlinux", "-o", "copy.ko", "linked.ko"]);
    assert!(module.folder.read("copy.ko") == once && module.folder.read("linked.ko") == linked);
    // The raw BTF is that of the file; of a file that is already encoded, too.
    for name in ["linked.ko", "m.ko"] {
        encode(module.path(), ["--btf_base", "vmlinux", "--btf_encode_detached", "raw", name]);
        assert_eq!(Some(module.folder.read("raw")), section(&module.path().join("m.ko"), ".BTF"), "{name}");
    }
}

#[test]
fn ids_and_kfuncs() {
    as_the_chain(&Module::new(SETS));
}

/// Names of parameters tell of arenas, too, where no flag does; kernels before 6.15 refuse the mark.
#[test]
fn arenas_by_name() {
    let module = Module::new("SET8(k, 1); IDF(kf_arena, 4); END8(k);");
    let linked = module.folder.read("m.ko");
    assert_eq!(module.resolve().code, 0);
    encode(module.path(), ["--btf_base", "vmlinux", "m.ko"]);
    let lines = sorted(contents(&module, "m.ko").0);
    assert_eq!(lines, sorted(module.result().0));
    let arenas = |lines: &[String]| {
        let kfunc = lines.iter().find(|l| l.starts_with("FUNC kf_arena(")).expect("it is there");
        kfunc.matches("address_space(1)").count()
    };
    assert_eq!(arenas(&lines), 1);
    module.folder.write("m.ko", &linked);
    encode(module.path(), ["--target-kernel=6.14", "--btf_base", "vmlinux", "m.ko"]);
    assert_eq!(arenas(&contents(&module, "m.ko").0), 0);
}

#[test]
fn ids_and_kfuncs_in_big_endian() {
    if !works("s390x-linux-gnu-gcc", &["--version"]) {
        return skipped("s390x-linux-gnu-gcc (a big-endian target) is not installed");
    }
    as_the_chain(&Module::with("s390x-linux-gnu-gcc", "s390x-linux-gnu-ld", SETS));
}

/// K06: words of 32 bits, big-endian, in files of that class.
#[test]
fn ids_and_kfuncs_in_32_bits() {
    if !works("mips-linux-gnu-gcc", &["--version"]) {
        return skipped("mips-linux-gnu-gcc (a big-endian target of 32 bits) is not installed");
    }
    as_the_chain(&Module::with("mips-linux-gnu-gcc", "mips-linux-gnu-ld", SETS));
}

/// K05: `.BTF_ids` has a number that symbols cannot hold (gABI "Section Indexes", `SHN_XINDEX`).
#[test]
fn more_sections_than_16_bits_count() {
    let sections: String = (0..66_000).map(|i| format!(".section .many.{i},\\\"a\\\"\\n.byte 0\\n")).collect();
    as_the_chain(&Module::new(&format!("asm(\"{sections}.text\");\n{SETS}")));
}

/// The encoder of a chain leaves ids to the next tool. If they were filled in before, it puts them back into the order of the linker:
/// trees before 7.0 encode a finished module again when vmlinux is newer.
#[test]
fn without_the_ids() {
    for pahole in [false, true] {
        let module = Module::new(SETS);
        let linked = section(&module.path().join("m.ko"), ".BTF_ids");
        let args: &[&str] = match pahole {
            true => &["--pahole", "-J", "--btf_features=default", "--btf_base", "vmlinux", "m.ko"],
            false => &["--no-btf-ids", "--btf_base", "vmlinux", "m.ko"],
        };
        encode(module.path(), args);
        assert_eq!(section(&module.path().join("m.ko"), ".BTF_ids"), linked);
        let (lines, _) = contents(&module, "m.ko");
        // Prototypes are the next tool's as well, tags are not.
        let has = |line: &str| lines.iter().any(|l| text::matches(l, line));
        assert!(has("FUNC kf_implicit(a: int, aux: *const struct bpf_prog_aux, rest: int) -> int"), "{lines:#?}");
        assert!(has("DECL_TAG \"bpf_kfunc\" on FUNC kf_implicit"), "{lines:#?}");
        let once = module.folder.read("m.ko");
        encode(module.path(), ["--btf_base", "vmlinux", "m.ko"]);
        assert_ne!(section(&module.path().join("m.ko"), ".BTF_ids"), linked);
        encode(module.path(), args);
        assert!(module.folder.read("m.ko") == once, "pahole: {pahole}");
    }
}

#[test]
fn a_set_that_cannot_be_put_back() {
    let module = Module::new(SETS);
    encode(module.path(), ["--btf_base", "vmlinux", "m.ko"]);
    must(module.path(), "objcopy", ["--remove-section", ".BTF", "m.ko"]);
    let before = module.folder.listing();
    for args in [&["--btf_base", "vmlinux", "m.ko"][..], &["--pahole", "-J", "--btf_base", "vmlinux", "m.ko"]] {
        let run = btfgen(module.path(), args);
        assert_eq!(run.code, if args[0] == "--pahole" { 1 } else { 3 });
        assert!(run.err.contains("m.ko: FAILED restoring the order of set 'kfuncs'"), "{}", run.err);
        assert!(run.err.contains("link the file again"), "{}", run.err);
    }
    assert_eq!(module.folder.listing(), before);
    // Where all flags are equal there is no order.
    let module = Module::new("SET8(k, 1); IDF(kf_a, 4); IDF(kf_arena, 4); END8(k); ID(struct, own);");
    encode(module.path(), ["--btf_base", "vmlinux", "m.ko"]);
    let once = module.folder.read("m.ko");
    must(module.path(), "objcopy", ["--remove-section", ".BTF", "m.ko"]);
    encode(module.path(), ["--btf_base", "vmlinux", "m.ko"]);
    assert_eq!(section(&module.path().join("m.ko"), ".BTF_ids"), {
        module.folder.write("once.ko", &once);
        section(&module.path().join("once.ko"), ".BTF_ids")
    });
}

#[test]
fn a_stale_distilled_base_goes() {
    let module = Module::new(SETS);
    encode(module.path(), ["--btf_base", "vmlinux", "m.ko"]);
    let once = module.folder.read("m.ko");
    module.folder.write("stale", b"whatever");
    must(module.path(), "objcopy", ["--add-section", ".BTF.base=stale", "m.ko"]);
    encode(module.path(), ["--btf_base", "vmlinux", "m.ko"]);
    assert_eq!(section(&module.path().join("m.ko"), ".BTF.base"), None);
    let ids = section(&module.path().join("m.ko"), ".BTF_ids");
    module.folder.write("once.ko", &once);
    assert_eq!(ids, section(&module.path().join("once.ko"), ".BTF_ids"));
}

#[test]
fn warnings_and_fatal_ones() {
    let module = Module::new("SET8(k, 1); IDF(kf_a, 4); IDF(missing, 2); END8(k); ID(struct, lost); ID(struct, S);");
    let before = module.folder.listing();
    let run = btfgen(module.path(), ["--fatal_warnings", "--btf_base", "vmlinux", "m.ko"]);
    assert_eq!(run.code, 9, "{}", run.err);
    let text = "btfgen: error: m.ko: 3 warnings, and --fatal_warnings was given: nothing was written\n  \
                WARN: resolve_btfids: no BTF func for kfunc missing in k\n  \
                WARN: resolve_btfids: unresolved symbol lost\n  \
                WARN: resolve_btfids: unresolved symbol missing\n";
    assert_eq!(run.err, text);
    assert_eq!(module.folder.listing(), before);
    let said = encode(module.path(), ["--btf_base", "vmlinux", "m.ko"]);
    assert_eq!(said.lines().count(), 3, "{said}");
    assert!(said.starts_with("m.ko: WARN: resolve_btfids: no BTF func for kfunc missing in k\n"), "{said}");
    let (_, words) = contents(&module, "m.ko");
    assert_eq!(words[..6], ["0x2", "0x1", "0x0", "0x2", "kf_a", "0x4"].map(String::from));
    // Raw BTF has no ids that could be missing, but kfuncs.
    let said = encode(module.path(), ["--btf_base", "vmlinux", "--btf_encode_detached", "raw", "m.ko"]);
    assert_eq!(said, "m.ko: WARN: resolve_btfids: no BTF func for kfunc missing in k\n");
    // Where nothing is wrong the option says nothing.
    let module = Module::new(SETS);
    assert_eq!(encode(module.path(), ["--fatal_warnings", "--btf_base", "vmlinux", "m.ko"]), "");
}

#[test]
fn flags_that_contradict_each_other() {
    let module = Module::new("SET8(a, 1); IDF(kf_a, 4); END8(a); SET8(b, 1); IDF(kf_a, 8); END8(b);");
    let before = module.folder.listing();
    let run = btfgen(module.path(), ["--btf_base", "vmlinux", "m.ko"]);
    assert_eq!(run.code, 3);
    assert!(run.err.contains("m.ko: ERROR: resolve_btfids: kfunc kf_a has inconsistent flags"), "{}", run.err);
    assert_eq!(module.folder.listing(), before);
}

fn signed(elf: &[u8]) -> Vec<u8> {
    let mut file = elf.to_vec();
    file.extend([b's'; 300]);
    file.extend([0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 1, 44]);
    file.extend(b"~Module signature appended~\n");
    file
}

#[test]
fn signed_modules() {
    let folder = Folder::with_samples();
    let linked = folder.read("driver.ko");
    encode(folder.path(), ["--btf_base", "base", "-o", "plain.ko", "driver.ko"]);
    folder.write("driver.ko", &signed(&linked));
    let before = folder.listing();
    for args in [&["--btf_base", "base", "driver.ko"][..], &["--btf_base", "base", "-o", "new.ko", "driver.ko"]] {
        let run = btfgen(folder.path(), args);
        let text = format!(
            "btfgen: error: driver.ko: it is signed: the signature at offset {:#x} would no longer match: encode before signing, \
             or let --strip-signature cut it off, then sign again\n",
            linked.len()
        );
        assert_eq!((run.code, run.err), (3, text));
        assert_eq!(folder.listing(), before);
    }
    encode(folder.path(), ["--strip-signature", "--btf_base", "base", "driver.ko"]);
    assert_eq!(folder.read("driver.ko"), folder.read("plain.ko"));
    // It is no mistake to say so of one that is not signed.
    encode(folder.path(), ["--strip-signature", "--btf_base", "base", "driver.ko"]);
    assert_eq!(folder.read("driver.ko"), folder.read("plain.ko"));
    // Raw BTF leaves the file, and so its signature, alone.
    folder.write("driver.ko", &signed(&linked));
    encode(folder.path(), ["--btf_base", "base", "--btf_encode_detached", "raw", "driver.ko"]);
    assert_eq!(Some(folder.read("raw")), section(&folder.file("plain.ko"), ".BTF"));
    // A mark without a signature.
    let mut cut = folder.read("plain.ko")[..64].to_vec();
    cut.extend([0xff; 12]);
    cut.extend(b"~Module signature appended~\n");
    folder.write("driver.ko", &cut);
    let run = btfgen(folder.path(), ["--strip-signature", "--btf_base", "base", "driver.ko"]);
    assert_eq!(run.code, 3);
    assert!(run.err.contains("driver.ko: the file ends in the mark of a module signature"), "{}", run.err);
}

#[test]
fn compressed_modules() {
    let folder = Folder::with_samples();
    let magics: [(&str, &[u8]); 3] =
        [("xz", b"\xfd7zXZ\0\0\x01"), ("zstd", b"\x28\xb5\x2f\xfd\x04"), ("gzip", b"\x1f\x8b\x08\x00")];
    for (program, bytes) in magics {
        folder.write("m.ko.z", bytes);
        let run = btfgen(folder.path(), ["--btf_base", "base", "m.ko.z"]);
        let text = format!(
            "btfgen: error: m.ko.z: it is compressed with {program}: uncompress it (`{program} -d`), encode it, then compress it again\n"
        );
        assert_eq!((run.code, run.err), (3, text));
        assert_eq!(folder.read("m.ko.z"), bytes);
        let run = btfgen(folder.path(), ["--btf_base", "m.ko.z", "driver.ko"]);
        assert_eq!(run.code, 5);
        assert!(run.err.contains(&format!("m.ko.z: it is compressed: uncompress it (`{program} -d`)")), "{}", run.err);
    }
}

#[test]
fn lists_and_folders() {
    let folder = Folder::with_samples();
    let linked = folder.read("driver.ko");
    encode(folder.path(), ["--btf_base", "base", "driver.ko"]);
    let encoded = folder.read("driver.ko");
    let prepare = || {
        for name in ["a.ko", "tree/z/b.ko", "tree/a/c.ko", "tree/a/not.o"] {
            fs::create_dir_all(folder.file(name).parent().expect("it has one")).expect("folder is made");
            folder.write(name, &linked);
        }
    };
    prepare();
    // A way back to the top, as /lib/modules has them.
    std::os::unix::fs::symlink("..", folder.file("tree/build")).expect("a link");
    folder.write("list", b"a.ko\n\ntree/z/b.ko\r\n");
    encode(folder.path(), ["--btf_base", "base", "@list"]);
    for (name, done) in [("a.ko", true), ("tree/z/b.ko", true), ("tree/a/c.ko", false)] {
        assert_eq!(folder.read(name) == encoded, done, "{name}");
    }
    prepare();
    encode(folder.path(), ["--btf_base", "base", "--modules-dir", "tree"]);
    for (name, done) in [("a.ko", false), ("tree/z/b.ko", true), ("tree/a/c.ko", true), ("tree/a/not.o", false)] {
        assert_eq!(folder.read(name) == encoded, done, "{name}");
    }
    // In the order of the paths, whatever that of the folder is.
    let said = encode(folder.path(), ["-v", "--btf_base", "base", "--modules-dir", "tree"]);
    let order: Vec<&str> = said.lines().filter(|l| l.contains(" bytes, ")).collect();
    assert!(order.len() == 2 && order[0].contains("tree/a/c.ko") && order[1].contains("tree/z/b.ko"), "{said}");
    // Compressed ones are not passed over in silence.
    folder.write("tree/d.ko.xz", b"");
    let said = encode(folder.path(), ["--btf_base", "base", "--modules-dir", "tree"]);
    assert_eq!(said, "btfgen: warning: tree: 1 compressed modules are left out: uncompress them first\n");
    fs::create_dir(folder.file("empty")).expect("folder is made");
    let fails = |args: &[&str], code, text: &str| {
        let run = btfgen(folder.path(), args);
        assert_eq!(run.code, code, "{}", run.err);
        assert!(run.err.contains(text) && run.err.lines().count() == 1, "{}", run.err);
    };
    fails(&["--modules-dir", "empty"], 2, "empty: no modules (*.ko) below this folder");
    fails(&["--modules-dir", "nowhere"], 1, "nowhere: the folder cannot be read: ");
    fails(&["@nowhere"], 1, "nowhere: the list cannot be read: ");
    folder.write("list", b"a.ko\nlost.ko\n");
    fails(&["--btf_base", "base", "@list"], 1, "lost.ko: cannot be read: ");
    assert_eq!(folder.read("a.ko"), encoded, "the others are encoded all the same");
    folder.write("list", b"\n");
    assert_eq!(encode(folder.path(), ["@list"]), "");
}

/// A module for a release, made of the sample.
fn module_for(folder: &Folder, name: &str, release: &str) {
    let source = format!(
        "__attribute__((section(\".modinfo\"))) const char info[] = \"license=GPL\\0vermagic={release} SMP mod_unload \"; \
         struct list {{ struct list *next, **prev; }}; int init_module(struct list *l) {{ return l == l->next; }}"
    );
    let object = support::compile(folder.path(), name, &source, &["-O1", "-ffreestanding"]);
    fs::rename(object, folder.file(&format!("{name}.ko"))).expect("it was made");
}

fn searched(folder: &Folder, args: &[&str]) -> Run {
    btfgen_command(folder.path(), args).env("BTFGEN_ROOT", folder.file("root")).output().expect("starts").into()
}

#[test]
fn a_base_is_found_for_a_dump() {
    let folder = Folder::with_samples();
    module_for(&folder, "m", "6.1.0-test");
    encode(folder.path(), ["--btf_base", "base", "m.ko"]);
    let named = btfgen(folder.path(), ["dump", "-B", "base", "m.ko"]);
    assert!(named.code == 0 && !named.out.is_empty(), "{}", named.err);
    assert_eq!(searched(&folder, &["dump", "m.ko"]).code, 8, "nothing is there yet");
    let build = folder.file("root/lib/modules/6.1.0-test/build");
    fs::create_dir_all(&build).expect("folder is made");
    fs::copy(folder.file("base"), build.join("vmlinux")).expect("it is copied");
    let found = searched(&folder, &["dump", "m.ko"]);
    assert_eq!((found.code, found.out), (0, named.out), "{}", found.err);
    // What stands by itself needs none.
    encode(folder.path(), ["--no-base", "m.ko"]);
    fs::remove_dir_all(folder.file("root")).expect("it is there");
    assert_eq!(searched(&folder, &["dump", "m.ko"]).code, 0);
}

#[test]
fn a_base_is_found() {
    let folder = Folder::with_samples();
    let base = folder.read("base");
    let raw = section(&folder.file("base"), ".BTF").expect("it is encoded");
    module_for(&folder, "m", "6.1.0-test");
    let linked = folder.read("m.ko");
    encode(folder.path(), ["--btf_base", "base", "-o", "expected.ko", "m.ko"]);
    let expected = folder.read("expected.ko");
    let root = folder.file("root");
    fs::create_dir_all(&root).expect("folder is made");
    // From the last resort to the first.
    let put = |name: &str, bytes: &[u8]| {
        let path = root.join(name);
        fs::create_dir_all(path.parent().expect("it has one")).expect("folder is made");
        fs::write(path, bytes).expect("it is written");
    };
    put("sys/kernel/btf/vmlinux", &raw);
    put("proc/sys/kernel/osrelease", b"6.1.0-other\n");
    let before = folder.listing();
    let run = searched(&folder, &["m.ko"]);
    assert_eq!(run.code, 8, "{}", run.err);
    let start = "btfgen: error: m.ko: it is for Linux 6.1.0-test, and there is no vmlinux with BTF for that in /lib/modules/6.1.0-test";
    assert!(
        run.err.starts_with(start) && run.err.lines().count() == 1 && run.err.contains("--btf_base"),
        "{}",
        run.err
    );
    assert_eq!(folder.listing(), before);
    put("proc/sys/kernel/osrelease", b"6.1.0-test\n");
    let finds = |place: &str| {
        folder.write("m.ko", &linked);
        let run = searched(&folder, &["m.ko"]);
        assert_eq!(run.code, 0, "{}", run.err);
        assert_eq!(run.err, format!("btfgen: base: {} (Linux 6.1.0-test)\n", root.join(place).display()));
        assert!(folder.read("m.ko") == expected);
    };
    finds("sys/kernel/btf/vmlinux");
    put("boot/vmlinux-6.1.0-test", &base);
    finds("boot/vmlinux-6.1.0-test");
    put("usr/lib/debug/boot/vmlinux-6.1.0-test", &base);
    finds("usr/lib/debug/boot/vmlinux-6.1.0-test");
    put("lib/modules/6.1.0-test/vmlinux", &base);
    finds("lib/modules/6.1.0-test/vmlinux");
    // One without BTF does not count.
    put("lib/modules/6.1.0-test/build/vmlinux", &folder.read("vmlinux"));
    finds("lib/modules/6.1.0-test/vmlinux");
    put("lib/modules/6.1.0-test/build/vmlinux", &base);
    finds("lib/modules/6.1.0-test/build/vmlinux");
    // Modules of two releases have no base in common; what is no module needs none.
    module_for(&folder, "n", "6.1.1");
    let run = searched(&folder, &["m.ko", "n.ko"]);
    assert_eq!(run.code, 2);
    assert!(run.err.contains("n.ko: it is for Linux 6.1.1 and m.ko is for Linux 6.1.0-test"), "{}", run.err);
    let run = searched(&folder, &["m.ko", "sample.o"]);
    assert!(run.code == 2 && run.err.contains("sample.o is not a module"), "{}", run.err);
    assert_eq!(searched(&folder, &["sample.o", "driver.ko"]), Run { code: 0, out: vec![], err: String::new() });
    // What cannot be encoded at all does not decide; it is reported by itself, and the code is that of the first one that failed.
    folder.write("m.ko", &linked);
    folder.write("c.ko", b"\xfd7zXZ\0");
    let run = searched(&folder, &["c.ko", "lost.ko", "m.ko"]);
    assert!(folder.read("m.ko") == expected && run.code == 3 && run.err.lines().count() == 3, "{}", run.err);
    assert!(
        run.err.contains("c.ko: it is compressed with xz") && run.err.contains("lost.ko: cannot be read"),
        "{}",
        run.err
    );
    for (name, code, text) in
        [("c.ko", 3, "it is compressed"), ("lost.ko", 1, "cannot be read"), ("sample.o", 8, "pass --btf_base")]
    {
        let run = searched(&folder, &["check", name]);
        assert!(run.code == code && run.err.contains(text) && run.err.lines().count() == 1, "{}", run.err);
    }
    // Nor is one looked for when it is not wanted.
    assert_eq!(searched(&folder, &["--no-base", "n.ko"]), Run { code: 0, out: vec![], err: String::new() });
    assert_eq!(searched(&folder, &["--pahole", "-J", "n.ko"]), Run { code: 0, out: vec![], err: String::new() });
    // A release is no path.
    module_for(&folder, "evil", "../../../tmp");
    assert_eq!(searched(&folder, &["evil.ko"]).code, 0);
    assert!(Path::new(&root).exists());
}

#[test]
fn stamps_and_checks() {
    let module = Module::new(SETS);
    let at = module.path();
    let linked = module.folder.read("m.ko");
    // A kernel with more in it, and with a build id.
    let other = format!(
        "{} struct more {{ long a, b; }} more; int extra(struct more *m) {{ return m->a; }}",
        support::ids::KERNEL
    );
    support::compile(at, "o", &other, &["-O1", "-ffreestanding", "-fno-pie"]);
    must(at, "ld", ["--build-id=0x0123ab", "-o", "other", "o.o"]);
    encode(at, ["other"]);
    let check = |args: &[&str]| {
        let run = btfgen(at, ["check"].iter().chain(args));
        assert_eq!(run.out.iter().filter(|&&b| b == b'\n').count(), args.len() - 2, "{run:?}");
        (run.code, String::from_utf8(run.out).expect("UTF-8"))
    };
    let refused = |args: &[&str], start: &str| {
        let (code, line) = check(args);
        assert_eq!(code, 10, "{line}");
        assert!(line.starts_with(&format!("m.ko: refused: {start}")), "{line}");
        line
    };
    refused(&["--btf_base", "vmlinux", "m.ko"], "it has no BTF (section .BTF)");
    encode(at, ["--btf_base", "vmlinux", "m.ko"]);
    let plain = module.folder.read("m.ko");
    let (code, line) = check(&["--btf_base", "vmlinux", "m.ko"]);
    assert_eq!(code, 0, "{line}");
    assert!(line.starts_with("m.ko: ok: its BTF belongs to vmlinux: all references fit; it has no stamp"), "{line}");
    let line = refused(&["--btf_base", "other", "m.ko"], "");
    assert!(line.contains("it was encoded on another base, or is damaged"), "{line}");
    // Ids that are not filled in.
    assert_eq!(module.run(&["--link_order", "-b", "vmlinux", "m.ko"]).code, 0);
    refused(&["--btf_base", "vmlinux", "m.ko"], "its .BTF_ids is not that of its BTF: at offset 0x0 ");

    module.folder.write("m.ko", &linked);
    encode(at, ["--stamp", "--btf_base", "other", "m.ko"]);
    let stamped = module.folder.read("m.ko");
    let (code, line) = check(&["--btf_base", "other", "m.ko"]);
    assert_eq!((code, line.as_str()), (0, "m.ko: ok: its BTF belongs to other: its stamp says so\n"));
    let line =
        refused(&["--btf_base", "vmlinux", "m.ko"], "it was encoded on another base (build id 0123ab, SHA-256 of BTF ");
    let raw = section(&at.join("other"), ".BTF").expect("it is encoded");
    module.folder.write("raw", &raw);
    let hash = String::from_utf8(must(at, "sha256sum", ["raw"]).out).expect("ASCII");
    assert!(line.contains(hash.split(' ').next().expect("a hash")), "{line}");
    // The same BTF from elsewhere, as in /sys.
    assert_eq!(check(&["--btf_base", "raw", "m.ko"]).0, 0);
    // Other tools read the note, stripping keeps it; a second stamp changes nothing, an encoding without one removes it.
    let notes = String::from_utf8(must(at, "readelf", ["-nW", "m.ko"]).out).expect("ASCII");
    assert!(notes.contains(".note.btfgen") && notes.contains("btfgen") && !notes.contains("corrupt"), "{notes}");
    encode(at, ["--stamp", "--btf_base", "other", "m.ko"]);
    assert!(module.folder.read("m.ko") == stamped);
    must(at, "strip", ["--strip-debug", "m.ko"]);
    assert_eq!(check(&["--btf_base", "other", "m.ko"]).0, 0);
    module.folder.write("m.ko", &stamped);
    encode(at, ["--btf_base", "other", "m.ko"]);
    assert_eq!(section(&at.join("m.ko"), ".note.btfgen"), None);
    // Several, and the first that is no good decides.
    module.folder.write("good.ko", &plain);
    let run = btfgen(at, ["check", "--btf_base", "vmlinux", "good.ko", "m.ko", "lost.ko"]);
    assert_eq!((run.code, run.out.iter().filter(|&&b| b == b'\n').count(), run.err.lines().count()), (10, 2, 1));
    // What cannot be checked at all.
    module.folder.write("m.xz", b"\xfd7zXZ\0");
    for (args, code, text) in [
        (["--btf_base", "vmlinux", "m.xz"], 3, "m.xz: it is compressed: uncompress it (`xz -d`)"),
        (["--btf_base", "m.1", "good.ko"], 5, "m.1: the base BTF is damaged"),
        (["--btf_base", "nowhere", "good.ko"], 5, "nowhere: the base cannot be read"),
    ] {
        let run = btfgen(at, ["check"].iter().chain(&args));
        assert_eq!(run.code, code, "{}", run.err);
        assert!(run.err.contains(text), "{}", run.err);
    }
    let run = btfgen(at, ["check", "good.ko"]);
    assert_eq!((run.code, run.err.lines().count()), (8, 1), "{}", run.err);
    let run = btfgen(at, ["--stamp", "good.ko"]);
    assert_eq!(run.code, 2, "{}", run.err);
    // Cut off anywhere: a line, no panic.
    for end in (64..stamped.len()).step_by(stamped.len() / 97) {
        module.folder.write("cut.ko", &stamped[..end]);
        let run = btfgen(at, ["check", "--btf_base", "other", "cut.ko"]);
        assert!([0, 3, 10].contains(&run.code), "{end}: {run:?}");
    }
}

/// As the build of Linux 7.3 puts BTF into the image: an object for the linker, made of a first link, and ids for the last one.
#[track_caller]
fn links_as_a_kernel(compiler: &str, linker: &str) {
    let folder = Folder::new();
    let at = folder.path();
    let ids =
        "SET8(k, 1); IDF(kf_implicit, 0x10010); IDF(kf_a, 4); END8(k); ID(struct, own); int _start(void) { return 0; }";
    support::compile_with(
        compiler,
        at,
        "v",
        &format!("{}{ids}", support::ids::MACROS),
        &["-O1", "-ffreestanding", "-fno-pie"],
    );
    must(at, linker, ["-o", "first", "v.o"]);
    let first = folder.read("first");
    assert_eq!(encode(at, ["--btf_object", "btf.o", "--btf_ids", "blob", "first"]), "");
    assert!(folder.read("first") == first);
    let linked = must(at, linker, ["--fatal-warnings", "-o", "vmlinux", "v.o", "btf.o"]);
    assert_eq!(linked.err, "");
    let run = btfgen(at, ["resolve_btfids", "--patch_btfids", "blob", "vmlinux"]);
    assert_eq!((run.code, run.err.as_str()), (0, ""));
    let (btf, ids) = (section(&at.join("vmlinux"), ".BTF").expect("it was linked"), folder.read("blob"));
    encode(at, ["--btf_encode_detached", "raw", "first"]);
    assert_eq!(btf, folder.read("raw"));
    assert_eq!(section(&at.join("vmlinux"), ".BTF_ids"), Some(ids.clone()));
    let view = BtfView::parse(&btf).expect("it is BTF");
    let big = first[5] == 2;
    assert_eq!(words(&ids, big, &view)[..2], ["0x2", "0x1"].map(String::from));
    assert!(words(&ids, big, &view).contains(&"own".into()));
    // The image in one step is the same.
    encode(at, ["-o", "again", "vmlinux"]);
    assert!(folder.read("again") == folder.read("vmlinux"));
    // Readable by others; no code on the stack.
    let headers = String::from_utf8(must(at, "readelf", ["-hSW", "btf.o"]).out).expect("ASCII");
    for word in ["REL (Relocatable file)", " .BTF ", ".note.GNU-stack", ".shstrtab"] {
        assert!(headers.contains(word), "{headers}");
    }
}

#[test]
fn a_kernel_is_linked() {
    links_as_a_kernel("gcc", "ld");
    if works("s390x-linux-gnu-gcc", &["--version"]) {
        links_as_a_kernel("s390x-linux-gnu-gcc", "s390x-linux-gnu-ld");
    }
    // Without .BTF_ids there is no blob; results do not take the place of inputs.
    let folder = Folder::with_samples();
    encode(folder.path(), ["--btf_object", "btf.o", "--btf_ids", "blob", "vmlinux"]);
    assert!(folder.file("btf.o").exists() && !folder.file("blob").exists());
    let before = folder.listing();
    for args in [&["--btf_object", "vmlinux", "vmlinux"][..], &["--btf_object", "o", "--btf_ids", "vmlinux", "vmlinux"]]
    {
        let run = btfgen(folder.path(), args);
        assert!(run.code == 2 && run.err.contains("vmlinux is an input"), "{}", run.err);
    }
    assert_eq!(btfgen(folder.path(), ["--btf_ids", "blob", "vmlinux"]).code, 2);
    assert_eq!(folder.listing(), before);
}
