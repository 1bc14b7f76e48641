//! The stand-in kernel and its module (kernel-fixtures/), built, encoded and looked at: what a user would see.
//!
//! Compilers differ in what they inline and clone, so this asserts chosen facts, not whole dumps.

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use btf::verify::{self, Level};
use btf::view::BtfView;

use support::{btfgen, encode, must, root, text};

/// The fixtures as one compiler makes them, encoded.
struct Fixtures {
    folder: tempfile::TempDir,
    base: Vec<u8>,
    module: Vec<u8>,
    base_said: String,
    module_said: String,
}

impl Fixtures {
    fn make(compiler: &str, flags: &str) -> Fixtures {
        let folder = tempfile::tempdir().expect("there is room for temporary files");
        let at = folder.path();
        let build = format!("BUILD={}", at.display());
        let source = root().join("kernel-fixtures");
        let flags = format!("EXTRA_CFLAGS={flags}");
        must(&source, "make", ["-s", &build, &format!("CC={compiler}"), &flags]);
        let base_said = encode(at, ["-v", "vmlinux"]);
        let module_said = encode(at, ["-v", "--btf_base", "vmlinux", "driver.ko"]);
        let base = section(at, "vmlinux");
        let module = section(at, "driver.ko");
        Fixtures { folder, base, module, base_said, module_said }
    }

    fn gcc() -> &'static Fixtures {
        static FIXTURES: OnceLock<Fixtures> = OnceLock::new();
        FIXTURES.get_or_init(|| Fixtures::make("gcc", ""))
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn base_lines(&self) -> Vec<String> {
        text::lines(&BtfView::parse(&self.base).expect("the base is BTF"))
    }

    fn module_lines(&self) -> Vec<String> {
        let base = BtfView::parse(&self.base).expect("the base is BTF");
        text::lines(&BtfView::parse_split(&self.module, &base).expect("the module has split BTF"))
    }
}

/// The contents of `.BTF` in a file.
fn section(folder: &Path, file: &str) -> Vec<u8> {
    support::section(&folder.join(file), ".BTF").expect("there is a .BTF")
}

#[track_caller]
fn expect(lines: &[String], expected: &[&str]) {
    for e in expected {
        assert!(lines.iter().any(|l| text::matches(l, e)), "no line like {e} in\n{}", lines.join("\n"));
    }
}

#[track_caller]
fn expect_not(lines: &[String], unexpected: &[&str]) {
    for u in unexpected {
        let found = lines.iter().find(|l| text::matches(l, u));
        assert_eq!(found, None, "a line like {u}");
    }
}

fn count(lines: &[String], start: &str) -> usize {
    lines.iter().filter(|l| text::matches(l, start)).count()
}

#[test]
fn kernel_types() {
    let lines = Fixtures::gcc().base_lines();
    expect(
        &lines,
        &[
            "STRUCT list_head size=16 { next: *struct list_head @0; prev: *struct list_head @64 }",
            "STRUCT hlist_node size=16 { next: *struct hlist_node @0; pprev: **struct hlist_node @64 }",
            "STRUCT callback_head size=16 { next: *struct callback_head @0; func: *func(*struct callback_head) -> void @64 }",
            "STRUCT spinlock size=4 { (anon): union { val: atomic_t @0; (anon): struct { locked: u8 @0; pending: u8 @8 } @0; \
             (anon): struct { locked_pending: u16 @0; tail: u16 @16 } @0 } @0 }",
            "TYPEDEF atomic_t = struct { counter: int @0 }",
            "ENUM64 task_flags size=8 { TASK_RUNNING=0, TASK_DEAD=128, TASK_FROZEN=1099511627776 }",
            "ENUM migrate_reason size=4 signed { MIGRATE_NONE=-1, MIGRATE_BALANCE=0, MIGRATE_HOTPLUG=1, MIGRATE_REASONS=2 }",
            "MEMBER task_struct.state: volatile enum task_flags @0",
            "MEMBER task_struct.in_iowait: u32 @?:1",
            "MEMBER task_struct.policy: u32 @?:4",
            "MEMBER task_struct.sched_class: *const struct sched_class @?",
            "MEMBER task_struct.lru: struct { stamp: [2][3]u64 @0; mode: enum { LRU_OFF=0, LRU_ON=1 } @384 } @?",
            "MEMBER mm_struct.cpu_bitmap: [0]long unsigned int @?",
            "MEMBER mm_struct.owner: *struct task_struct @?",
            "MEMBER sched_class.balance: *func(*struct rq, *func(*struct task_struct, enum migrate_reason) -> int, *void) -> int @?",
            "MEMBER net_device.prio_map: [8][2]u32 @?",
            "STRUCT ip_header size=12 { ihl: u8 @0:4; version: u8 @4:4; tos: u8 @8; total_length: __be16 @16; \
             addresses: struct { source: u32 @0; destination: u32 @32 } @32 }",
            "FWD struct cgroup",
            "FWD union audit_record",
            "FWD struct driver_private",
            "MEMBER device.p: *fwd struct driver_private @?",
        ],
    );
    for name in ["task_struct", "mm_struct", "rq", "device", "sk_buff", "list_head"] {
        assert_eq!(count(&lines, &format!("STRUCT {name}")), 1, "definitions of {name}");
    }
}

#[test]
fn kernel_functions() {
    let fixtures = Fixtures::gcc();
    let lines = fixtures.base_lines();
    expect(
        &lines,
        &[
            "FUNC find_task(pid: pid_t) -> *struct task_struct",
            "FUNC printk(format: *const char, ...) -> int",
            "FUNC kmalloc(size: size_t, flags: gfp_t) -> *void",
            "FUNC start_kernel() -> int",
            "FUNC checksum(header: restrict *const struct ip_header, data: *",
            "FUNC init_once(object: *void) -> void",
            // The strong one, and the weak one that nothing replaced; the alias as its target.
            "FUNC arch_cpu_idle(me: *struct task_struct) -> int",
            "FUNC arch_setup(command_line: **char) -> void",
            "FUNC cpu_idle(idle: *struct task_struct) -> int",
            "FUNC cpu_idle_poll(idle: *struct task_struct) -> int",
        ],
    );
    expect_not(&lines, &["FUNC active_show", "FUNC copy_page", "FUNC list_add", "FUNC refcount_dec_and_test"]);
    let said = &fixtures.base_said;
    assert!(said.contains("several functions have this name; first `active_show`"), "{said}");
    assert!(said.contains("first `copy_page`"), "{said}");
}

#[test]
fn kernel_variables_and_kfuncs() {
    let lines = Fixtures::gcc().base_lines();
    expect(
        &lines,
        &[
            "VAR runqueues: struct rq global",
            "VAR current_task: *struct task_struct global",
            "VAR cpu_slab: struct kmem_cpu static",
            "VAR irq_counts: [4]long unsigned int static",
            "VAR hardirqs_enabled: bool global",
        ],
    );
    assert_eq!((count(&lines, "VAR"), count(&lines, "DATASEC .data..percpu")), (5, 1));
    for variable in ["runqueues", "current_task", "cpu_slab", "irq_counts", "hardirqs_enabled"] {
        let datasec = lines.iter().find(|l| l.starts_with("DATASEC")).expect("there is one");
        assert!(datasec.contains(&format!(" {variable} @")), "{datasec}");
    }
    let kfuncs: BTreeSet<&String> = lines.iter().filter(|l| l.starts_with("DECL_TAG")).collect();
    let expected = [
        "DECL_TAG \"bpf_fastcall\" on FUNC bpf_rdonly_cast",
        "DECL_TAG \"bpf_kfunc\" on FUNC bpf_loop",
        "DECL_TAG \"bpf_kfunc\" on FUNC bpf_rdonly_cast",
        "DECL_TAG \"bpf_kfunc\" on FUNC bpf_task_from_pid",
        "DECL_TAG \"bpf_kfunc\" on FUNC bpf_task_release",
    ];
    assert_eq!(kfuncs.into_iter().collect::<Vec<_>>(), expected);
}

#[test]
fn module_has_its_own_and_nothing_else() {
    let fixtures = Fixtures::gcc();
    let lines = fixtures.module_lines();
    expect(
        &lines,
        &[
            "STRUCT ring_ops size=16 { push: *func(*struct ring, *struct sk_buff) -> enum ring_state @0; \
             pop: *func(*struct ring) -> *struct sk_buff @64 }",
            "STRUCT ring_entry size=12 { flags: __be16 @0; length: u16 @16:12; last: u16 @28:1; error: u16 @29:3; address: u64 @32 }",
            "MEMBER ring.histogram: [4][32]u32 @?",
            // What the kernel only declares.
            "MEMBER driver_private.next: *struct driver_private @64",
            "MEMBER driver_private.counters: [0]u64 @?",
            "ENUM ring_state size=4 signed { RING_ERROR=-5, RING_IDLE=0, RING_BUSY=1 }",
            "STRUCT sample size=16 { when: u64 @0; priv: *struct driver_private @64 }",
            "FUNC stats_add(priv: *struct driver_private, which: unsigned int, amount: u64) -> void",
            "FUNC init_module() -> int",
            "FUNC cleanup_module() -> void",
            // Equal to one of the kernel, and here all the same.
            "FUNC init_once(object: *void) -> void",
            "DECL_TAG \"bpf_kfunc\" on FUNC bpf_ring_peek",
            "VAR driver_stats: struct driver_stats global",
            "VAR last_user: *struct task_struct static",
            "DATASEC .data..percpu",
        ],
    );
    // No copy of anything that the kernel has, not even of the structs that refer to what only the module completes.
    let base = fixtures.base_lines();
    let in_both = lines.iter().find(|l| base.contains(l) && !l.starts_with("FUNC "));
    assert_eq!(in_both, None);
    expect_not(&lines, &["STRUCT task_struct", "STRUCT device", "STRUCT sk_buff", "TYPEDEF u32", "INT", "FWD"]);
    assert!(fixtures.module_said.contains(" 0 redefined"), "{}", fixtures.module_said);
    assert!(fixtures.module_said.contains("(of the base, following it)"), "{}", fixtures.module_said);
}

#[test]
fn the_base_saves_most() {
    let fixtures = Fixtures::gcc();
    encode(fixtures.path(), ["--btf_encode_detached", "alone.btf", "driver.ko"]);
    let alone = fs::read(fixtures.path().join("alone.btf")).expect("it was written");
    let types = |bytes: &[u8], base: Option<&BtfView<'_>>| BtfView::parse_on(bytes, base).expect("BTF").type_count();
    let base = BtfView::parse(&fixtures.base).expect("the base is BTF");
    let (alone_types, split_types) = (types(&alone, None), types(&fixtures.module, Some(&base)));
    assert!(split_types * 3 < alone_types, "{split_types} types of {alone_types}");
    assert!(fixtures.module.len() * 3 < alone.len(), "{} bytes of {}", fixtures.module.len(), alone.len());
}

/// A module in the dialect that its base has: 1.31 and before flattened arrays of arrays.
#[test]
fn the_module_speaks_the_bases_dialect() {
    let fixtures = Fixtures::gcc();
    let at = fixtures.path();
    encode(at, ["--dialect=pahole-1.31", "--btf_encode_detached", "flat.btf", "vmlinux"]);
    let said = encode(
        at,
        ["-v", "--btf_base", "flat.btf", "--dialect=pahole-1.31", "--btf_encode_detached", "m.btf", "driver.ko"],
    );
    assert!(said.contains(" 0 redefined"), "{said}");
    let base = fs::read(at.join("flat.btf")).expect("it was written");
    let base = BtfView::parse(&base).expect("the base is BTF");
    let module = fs::read(at.join("m.btf")).expect("it was written");
    let module = BtfView::parse_split(&module, &base).expect("split BTF");
    let lines = text::lines(&module);
    expect(&lines, &["MEMBER ring.histogram: [128]u32 @?"]);
    // In the wrong dialect task_struct and all that hangs on it would be there again.
    expect_not(&lines, &["STRUCT task_struct"]);
    let said =
        encode(at, ["-v", "--btf_base", "flat.btf", "--dialect=nested", "--btf_encode_detached", "n.btf", "driver.ko"]);
    assert!(!said.contains(" 0 redefined"), "{said}");
}

#[test]
fn all_is_valid() {
    let fixtures = Fixtures::gcc();
    let base = BtfView::parse(&fixtures.base).expect("the base is BTF");
    let module = BtfView::parse_split(&fixtures.module, &base).expect("split BTF");
    for (view, level) in [(&base, Level::Kernel), (&base, Level::User), (&module, Level::Kernel)] {
        let options = verify::Options { level, ..verify::Options::default() };
        let findings = verify::verify(view, &options);
        assert!(findings.is_empty(), "{level:?}: {findings:?}");
    }
}

#[test]
fn dump_prints_the_types() {
    let fixtures = Fixtures::gcc();
    let run = btfgen(fixtures.path(), ["dump", "--btf_base", "vmlinux", "driver.ko"]);
    assert_eq!((run.code, run.err.as_str()), (0, ""));
    let dump = String::from_utf8(run.out).expect("names are ASCII");
    assert!(dump.contains("STRUCT 'driver_private' size="), "{dump}");
    let base = BtfView::parse(&fixtures.base).expect("the base is BTF");
    assert!(dump.starts_with(&format!("[{}] ", base.end_id())), "{dump}");
}

/// The other compiler, the older DWARF, and other machines where their compilers are installed: the same facts.
#[test]
fn other_compilers() {
    let mut others: Vec<(&str, &str, Vec<&str>)> =
        vec![("gcc", "-gdwarf-4", vec![]), ("gcc", "-m32", vec!["LD=ld -m elf_i386"])];
    others.extend(support::has_clang().then_some(("clang", "", vec![])));
    if !support::has_clang() {
        support::skipped("clang is not installed");
    }
    let s390x = support::works("s390x-linux-gnu-gcc", &["--version"]);
    others.extend(s390x.then_some(("s390x-linux-gnu-gcc", "", vec!["LD=s390x-linux-gnu-ld"])));
    if !s390x {
        support::skipped("s390x-linux-gnu-gcc (a big-endian target) is not installed");
    }
    for (compiler, flags, make_args) in others {
        let folder = tempfile::tempdir().expect("there is room for temporary files");
        let at = folder.path();
        let source = root().join("kernel-fixtures");
        let (cc, build) = (format!("CC={compiler}"), format!("BUILD={}", at.display()));
        let flags = format!("EXTRA_CFLAGS={flags}");
        let mut args = vec!["-s", &build, &cc, &flags];
        args.extend(make_args);
        if let Err(error) = support::tool(&source, "make", &args) {
            // A gcc for another machine than x86 has no -m32.
            support::skipped(&error);
            continue;
        }
        let what = format!("{compiler} {flags}");
        encode(at, ["vmlinux"]);
        let said = encode(at, ["-v", "--btf_base", "vmlinux", "driver.ko"]);
        assert!(said.contains(" 0 redefined"), "{what}: {said}");
        let (base, module) = (section(at, "vmlinux"), section(at, "driver.ko"));
        let base = BtfView::parse(&base).expect("the base is BTF");
        let module = BtfView::parse_split(&module, &base).expect("split BTF");
        let (base, module) = (text::lines(&base), text::lines(&module));
        expect(
            &base,
            &[
                "STRUCT task_struct",
                "FUNC find_task(pid: pid_t) -> *struct task_struct",
                "VAR runqueues: struct rq global",
            ],
        );
        expect(
            &base,
            &[
                "DECL_TAG \"bpf_fastcall\" on FUNC bpf_rdonly_cast",
                "FUNC arch_cpu_idle(me: *struct task_struct) -> int",
            ],
        );
        expect(
            &module,
            &["FUNC init_once(object: *void) -> void", "FUNC init_module() -> int", "STRUCT driver_private"],
        );
        expect(
            &module,
            &["DECL_TAG \"bpf_kfunc\" on FUNC bpf_ring_peek", "VAR driver_stats: struct driver_stats global"],
        );
        expect_not(&module, &["STRUCT task_struct", "STRUCT device", "TYPEDEF u32", "INT"]);
    }
}

/// Sources of the fixtures as committed: text that ends in a newline, no binaries.
#[test]
fn fixtures_are_text() {
    let mut folders: Vec<PathBuf> = vec![root().join("kernel-fixtures"), root().join("tests")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("folder is readable") {
            let path = entry.expect("entry is readable").path();
            // `make -C kernel-fixtures` without BUILD= builds here.
            if path.is_dir() && !path.ends_with("build") {
                folders.push(path);
            } else if path.is_file() {
                let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
                assert!(text.ends_with('\n'), "{} does not end in a newline", path.display());
            }
        }
    }
}
