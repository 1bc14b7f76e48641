//! Where the commands of a page are run: a folder with what the pages speak of.
//!
//! * `vmlinux`, the stand-in kernel, encoded; `foo.ko`, its module, for release 6.18.0-demo, not encoded; `modules/` with it and another one;
//! * `old/vmlinux`, encoded, of the same kernel before a struct changed;
//! * btfgen and the links that `make install` makes, in the search path; the places where bases are looked for, below `root/`.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use super::support::{self, must, root, tool};

pub struct Sandbox {
    folder: tempfile::TempDir,
}

/// Both outputs of a command, and its exit code.
pub struct Run {
    pub code: i32,
    text: String,
}

impl Run {
    pub fn all(&self) -> String {
        self.text.clone()
    }
}

const RELEASE: &str = "6.18.0-demo";

impl Sandbox {
    pub fn new() -> Sandbox {
        static MODEL: OnceLock<Sandbox> = OnceLock::new();
        let model = MODEL.get_or_init(Sandbox::make);
        let folder = tempfile::tempdir().expect("there is room for temporary files");
        must(
            Path::new("/"),
            "cp",
            ["-a", &format!("{}/.", model.at().display()), &folder.path().display().to_string()],
        );
        Sandbox { folder }
    }

    fn at(&self) -> &Path {
        self.folder.path()
    }

    fn make() -> Sandbox {
        let folder = tempfile::tempdir().expect("there is room for temporary files");
        let at = folder.path();
        let dir = |name: &str| fs::create_dir_all(at.join(name)).expect("folder is made");
        ["bin", "old", "modules", &format!("root/lib/modules/{RELEASE}/build")].iter().for_each(|d| dir(d));
        let program = Path::new(env!("CARGO_BIN_EXE_btfgen"));
        for name in ["btfgen", "btfgen-pahole", "btfgen-resolve_btfids"] {
            symlink(program, at.join("bin").join(name)).expect("link is made");
        }
        let source = at.join("source");
        must(&root(), "cp", ["-r", "kernel-fixtures", source.to_str().expect("in UTF-8")]);
        let build = |to: &str| must(&source, "make", ["-s", &format!("BUILD={}", at.join(to).display())]);
        build("build");
        fs::copy(at.join("build/vmlinux"), at.join("vmlinux")).expect("it was built");
        let info = format!(
            "__attribute__((section(\".modinfo\"))) const char info[] = \"vermagic={RELEASE} SMP mod_unload \";"
        );
        let info = support::compile(at, "info", &info, &["-ffreestanding"]);
        must(at, "ld", ["-r", "-o", "foo.ko", "build/driver.ko", info.to_str().expect("in UTF-8")]);
        fs::copy(at.join("foo.ko"), at.join("modules/foo.ko")).expect("it is there");
        let other = "struct list_head { struct list_head *next, *prev; }; int bar(struct list_head *l) { return l->next == l; }";
        let other = support::compile(at, "bar", other, &["-O2", "-ffreestanding"]);
        must(
            at,
            "ld",
            ["-r", "-o", "modules/bar.ko", other.to_str().expect("in UTF-8"), info.to_str().expect("in UTF-8")],
        );
        support::encode(at, ["vmlinux"]);
        // An older kernel had a member more.
        let header = source.join("include/device.h");
        let text = fs::read_to_string(&header).expect("it is readable");
        let (member, more) =
            ("    struct driver_private *p;\n", "    struct driver_private *p;\n    unsigned int users;\n");
        assert!(text.contains(member), "the kernel has changed");
        fs::write(&header, text.replacen(member, more, 1)).expect("it is written");
        build("build/old");
        fs::copy(at.join("build/old/vmlinux"), at.join("old/vmlinux")).expect("it was built");
        support::encode(at, ["old/vmlinux"]);
        fs::copy(at.join("vmlinux"), at.join(format!("root/lib/modules/{RELEASE}/build/vmlinux")))
            .expect("it is there");
        for name in ["source", "build"] {
            fs::remove_dir_all(at.join(name)).expect("it is there");
        }
        for name in ["info.c", "info.o", "bar.c", "bar.o"] {
            fs::remove_file(at.join(name)).expect("it is there");
        }
        Sandbox { folder }
    }

    /// Runs commands in the shell.
    pub fn run(&self, commands: &str) -> Run {
        let mut command = Command::new("bash");
        // Both outputs in the order in which they come.
        command.args(["-euo", "pipefail", "-c", &format!("exec 2>&1\n{commands}")]).current_dir(self.at());
        let path = std::env::var("PATH").expect("there is one");
        command.env("PATH", format!("{}:{path}", self.at().join("bin").display()));
        command.env("BTFGEN_ROOT", self.at().join("root")).env("LC_ALL", "C").stdin(Stdio::null());
        ["MAKEFLAGS", "MFLAGS", "MAKELEVEL", "CARGO_MAKEFLAGS", "RUST_BACKTRACE"]
            .iter()
            .for_each(|name| _ = command.env_remove(name));
        let output = command.output().expect("bash starts");
        let text =
            String::from_utf8_lossy(&output.stdout).replace(&format!("{}/", self.at().join("root").display()), "/");
        Run { code: output.status.code().unwrap_or(-1), text }
    }

    /// A command that cannot be run: its subcommand and flags must be there.
    pub fn check_flags(&self, command: &str) -> Option<String> {
        let words: Vec<&str> = command.split(' ').collect();
        let subcommand = words.get(1).filter(|w| w.starts_with(|c: char| c.is_ascii_lowercase()) && !w.contains('.'));
        let args: Vec<&str> = subcommand.into_iter().copied().filter(|w| *w != "vmlinux").chain(["--help"]).collect();
        let help = match tool(self.at(), env!("CARGO_BIN_EXE_btfgen"), args) {
            Ok(run) => String::from_utf8_lossy(&run.out).into_owned(),
            Err(e) => return Some(format!("{command}: {e}")),
        };
        let known: BTreeSet<&str> =
            help.split([' ', ',', '=', '[', '\n', '<']).filter(|w| w.starts_with('-')).collect();
        let flags = words.iter().map(|w| w.trim_start_matches('[').split(['=', ']']).next().unwrap_or_default());
        let mut flags = flags.filter(|w| w.starts_with('-'));
        flags.find(|flag| !known.contains(flag)).map(|flag| format!("{command}: {flag} is not in the help"))
    }
}
