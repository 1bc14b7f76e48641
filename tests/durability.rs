//! How a file is replaced: when btfgen waits for the disk (for a person, not for make; a library loaded before libc counts the calls
//! of fsync), and that a large file, which is copied while it is encoded, becomes the same and is left alone when that fails.

mod support;

use std::fs;

use support::ids::{Module, SETS};
use support::{btfgen, btfgen_command, compile, must};

/// Notes each call in the file `FSYNC_LOG`, and does not wait.
const SPY: &str = r#"
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>
int fsync(int fd) {
    int log = open(getenv("FSYNC_LOG"), O_WRONLY | O_CREAT | O_APPEND, 0600);
    if (log < 0 || write(log, "x", 1) != 1) abort();
    close(log);
    return 0;
}
"#;

#[test]
fn make_does_not_wait_for_the_disk() {
    let module = Module::new(SETS);
    let at = module.path();
    compile(at, "spy", SPY, &["-fPIC"]);
    must(at, "gcc", ["-shared", "-o", "spy.so", "spy.o"]);
    assert_eq!(module.resolve().code, 0);
    // Whether it waited.
    let waits = |makelevel: Option<&str>, args: &[&str]| {
        let log = at.join("log");
        _ = fs::remove_file(&log);
        let mut command = btfgen_command(at, args);
        command.env("LD_PRELOAD", at.join("spy.so")).env("FSYNC_LOG", &log);
        makelevel.map(|level| command.env("MAKELEVEL", level));
        let run = command.output().expect("btfgen starts");
        assert!(run.status.success(), "{args:?}: {}", String::from_utf8_lossy(&run.stderr));
        log.exists()
    };
    // Raw BTF can be made again.
    assert!(!waits(None, &["--btf_base", "vmlinux", "--btf_encode_detached", "out.btf", "m.ko"]));
    let in_place: [&[&str]; 5] = [
        &["--btf_base", "vmlinux", "m.ko"],
        &["--btf_base", "vmlinux", "-o", "copy.ko", "m.ko"],
        &["--pahole", "-J", "--btf_base", "vmlinux", "m.ko"],
        &["resolve_btfids", "-b", "vmlinux", "m.ko"],
        &["resolve_btfids", "--patch_btfids", "m.ko.BTF_ids", "m.ko"],
    ];
    for args in in_place {
        assert!(waits(None, args), "{args:?}");
        assert!(waits(Some("0"), args), "{args:?}");
        assert!(!waits(Some("1"), args), "{args:?}");
        let with = |option: &'static str| {
            let (first, rest) = args.split_at(1);
            // The first word may say which program it is.
            if first[0].starts_with("--btf") { [&[option], args].concat() } else { [first, &[option], rest].concat() }
        };
        assert!(waits(Some("1"), &with("--fsync=always")), "{args:?}");
        assert!(!waits(None, &with("--fsync=never")), "{args:?}");
    }
}

#[test]
fn large_files_are_copied_meanwhile() {
    // Large enough for a thread of its own; the second file asks for the id of a type that is not there.
    let large = r#"asm(".pushsection .large, \"\"\n.fill 5000000, 1, 85\n.popsection");"#;
    for (ids, code) in [(String::new(), 0), ("ID(struct, nothing);".to_owned(), 9)] {
        let module = Module::new(&format!("{SETS}{ids}{large}"));
        let before = module.folder.read("m.ko");
        let mut results = Vec::new();
        for jobs in ["-j1", "-j2"] {
            module.folder.write("m.ko", &before);
            let names = module.folder.names();
            let run = btfgen(module.path(), ["--fatal_warnings", jobs, "--btf_base", "vmlinux", "m.ko"]);
            assert_eq!(run.code, code, "{}", run.err);
            assert_eq!(module.folder.names(), names, "nothing is left behind");
            results.push(module.folder.read("m.ko"));
        }
        assert!(results[0] == results[1], "the same with a second thread");
        assert_eq!(results[0] == before, code != 0);
        // What is there already is written once more.
        if code == 0 {
            assert_eq!(btfgen(module.path(), ["-j2", "--btf_base", "vmlinux", "m.ko"]).code, 0);
            assert!(module.folder.read("m.ko") == results[0]);
        }
    }
}
