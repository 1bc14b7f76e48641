//! When btfgen waits for the disk: for a person, not for make. A library loaded before libc counts the calls of fsync.

mod support;

use std::fs;

use support::btfgen_command;
use support::ids::{Module, SETS};
use support::{compile, must};

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
