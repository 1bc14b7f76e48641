//! What `--help` and the manual pages say beyond the options: examples, exit codes, the environment. Each stands here once; both are made
//! from it.

use std::fmt::Write as _;

use crate::exit::Exit;

/// Name of the texts about encoding, which is no subcommand.
pub const ENCODE: &str = "btfgen";

/// Column in which the remarks on examples begin.
const REMARK_COLUMN: usize = 44;

/// What there is to say about a command.
#[derive(Debug)]
pub struct Texts {
    /// The subcommand, or the program.
    pub command: &'static str,
    /// Paragraphs of the manual page, behind the sentence that the help begins with.
    pub about: &'static [&'static str],
    /// Command lines, each with what it is for.
    pub examples: &'static [(&'static str, &'static str)],
    /// How it may end, beside well.
    pub exits: &'static [Exit],
    /// What comes of several files.
    pub several: &'static str,
    /// Variables of the environment that it heeds, beside those of [`ENVIRONMENT`].
    pub environment: &'static [(&'static str, &'static str)],
}

/// Variables that all commands heed.
pub const ENVIRONMENT: [(&str, &str); 2] = [
    (
        "NO_COLOR",
        "If it is set and not empty, there are no colours, unless --color asks for them (https://no-color.org).",
    ),
    ("CLICOLOR, CLICOLOR_FORCE", "0: no colours; 1: colours without a terminal, too (https://bixense.com/clicolors)."),
];

/// Variables that all heed who change files.
const MAKELEVEL: (&str, &str) = (
    "MAKELEVEL",
    "Set by make for its recipes: changed files are not flushed to the disk, unless --fsync asks for it.",
);
const MAKEFLAGS: (&str, &str) =
    ("MAKEFLAGS", "Set by make: where its job server is, from which each thread beyond the first needs a token.");

const FIRST_FAILURE: &str = "With several files: that of the first one that failed.";

/// All of them.
pub static TEXTS: &[Texts] = &[
    Texts {
        command: ENCODE,
        about: &[
            "For a module only those types are written that the kernel's own BTF, the base, does not have. The types, the tags and \
             prototypes of kfuncs and the ids in .BTF_ids come into the file in one step, and are checked as a kernel would check them \
             before anything is written.",
            "FILE is an ELF file with DWARF, a vmlinux or modules. The new file is complete before it replaces the old one: a failure \
             changes nothing. The result does not depend on the number of threads.",
            "All options, and what is written when, are in usage.md of the documentation.",
        ],
        examples: &[
            ("btfgen vmlinux", "encode a kernel, in place"),
            ("btfgen --btf_base vmlinux foo.ko", "encode a module on top of it"),
            ("btfgen foo.ko", "the same, vmlinux being searched"),
            ("btfgen --btf_base vmlinux --modules-dir DIR", "all modules below DIR"),
            ("btfgen -B vmlinux --detached-dir out *.ko", "raw BTF, files left alone"),
            ("btfgen check --btf_base vmlinux foo.ko", "do they go together?"),
            ("btfgen verify --btf_base vmlinux foo.ko", "would a kernel take it?"),
            ("btfgen dump --btf_base vmlinux foo.ko", "show what was encoded"),
            ("btfgen why-not vfs_read vmlinux", "why is it not there?"),
            ("btfgen why task_struct -B vmlinux foo.ko", "why is it there again?"),
            ("btfgen diff old.ko new.ko", "what differs?"),
            ("btfgen stats -B vmlinux foo.ko", "what is it made of?"),
            ("btfgen report DIR -o report.html", "a page about a whole kernel"),
        ],
        exits: &[
            Exit::Io,
            Exit::Usage,
            Exit::Input,
            Exit::NoDwarf,
            Exit::Base,
            Exit::Limit,
            Exit::Verify,
            Exit::NoBase,
            Exit::Warnings,
            Exit::Refused,
            Exit::Violation,
        ],
        several: FIRST_FAILURE,
        environment: &[MAKEFLAGS, MAKELEVEL],
    },
    Texts {
        command: "dump",
        about: &[
            "The lines, the fields of JSON and the header are those of \"bpftool btf dump\". A module with a distilled base (.BTF.base) is shown on that one or, if a \
             base is named, as a kernel has it.",
        ],
        examples: &[
            ("btfgen dump vmlinux", "a kernel's types"),
            ("btfgen dump --btf_base vmlinux foo.ko", "a module's own types"),
            ("btfgen dump /sys/kernel/btf/vmlinux", "those of the running kernel"),
            ("btfgen dump vmlinux task_struct", "the types of one name"),
            ("btfgen dump --format c vmlinux", "a header for BPF programs"),
            ("btfgen dump --format json vmlinux", "for programs to read"),
        ],
        exits: &[Exit::Io, Exit::Usage, Exit::Input, Exit::Base, Exit::NoBase],
        several: "",
        environment: &[],
    },
    Texts {
        command: "check",
        about: &["A module with a stamp (--stamp) is judged by that, one without by whether everything fits."],
        examples: &[
            ("btfgen check --btf_base vmlinux foo.ko", "do they go together?"),
            ("btfgen check foo.ko bar.ko", "the base is that of their kernel"),
        ],
        exits: &[Exit::Io, Exit::Usage, Exit::Input, Exit::Base, Exit::NoBase, Exit::Refused],
        several: FIRST_FAILURE,
        environment: &[],
    },
    Texts {
        command: "verify",
        about: &[
            "The BTF may be of any encoder. Each violation is named with the type, the member, the lines that the kernel would log and \
             what to do. Hazards break no rule, but something would be lost.",
        ],
        examples: &[
            ("btfgen verify vmlinux", "a kernel's BTF"),
            ("btfgen verify --btf_base vmlinux foo.ko", "a module's"),
            ("btfgen verify --kernel 5.15 out.btf", "by the rules of Linux 5.15"),
            ("btfgen verify --json -B vmlinux *.ko", "for programs to read"),
        ],
        exits: &[Exit::Io, Exit::Usage, Exit::Input, Exit::Base, Exit::NoBase, Exit::Violation],
        several: FIRST_FAILURE,
        environment: &[],
    },
    Texts {
        command: "why-not",
        about: &[
            "The first line is the answer, also if the function is there; what it rests on follows: symbols of that name, and each \
             place in the source where the function is defined, declared or inlined.",
        ],
        examples: &[
            ("btfgen why-not vfs_read vmlinux", "a function of the kernel"),
            ("btfgen why-not -B vmlinux foo_open foo.ko", "of a module, or in the base?"),
        ],
        exits: &[Exit::Io, Exit::Usage, Exit::Input, Exit::NoDwarf, Exit::Base],
        several: "",
        environment: &[],
    },
    Texts {
        command: "stats",
        about: &[
            "A type is redundant if its equal stands in the base or earlier in the same BTF: nothing that can be reached from the two \
             tells them apart.",
        ],
        examples: &[
            ("btfgen stats vmlinux", "a kernel's"),
            ("btfgen stats --btf_base vmlinux foo.ko", "a module's, and what it repeats"),
            ("btfgen stats -B vmlinux --modules-dir DIR", "of each, and of all together"),
            ("btfgen stats --json -B vmlinux foo.ko", "for programs to read"),
        ],
        exits: &[Exit::Io, Exit::Usage, Exit::Input, Exit::Base, Exit::NoBase],
        several: FIRST_FAILURE,
        environment: &[],
    },
    Texts {
        command: "diff",
        about: &[
            "A type is one that has changed if it is another one itself; what contains it, or refers to it, is not named again. Ids and \
             order do not count.",
        ],
        examples: &[
            ("btfgen diff old/vmlinux vmlinux", "two kernels"),
            ("btfgen diff -B vmlinux a/foo.ko foo.ko", "two modules on one base"),
            ("btfgen diff --json old/vmlinux vmlinux", "for programs to read"),
        ],
        exits: &[],
        several: "0: nothing differs; 1: something does; 2: trouble.",
        environment: &[],
    },
    Texts {
        command: "merge",
        about: &[
            "The files may be of any encoder: gcc -gbtf, clang for BPF, modules. What is equal becomes one type; no DWARF is needed.",
        ],
        examples: &[
            ("btfgen merge a.o b.o -o all.btf", "one of two"),
            ("btfgen merge -B vmlinux foo.ko bar.ko -o both.btf", "on top of a kernel's"),
        ],
        exits: &[Exit::Io, Exit::Usage, Exit::Input, Exit::Base, Exit::Limit, Exit::Verify, Exit::NoBase],
        several: "",
        environment: &[],
    },
    Texts {
        command: "why",
        about: &[
            "If the base defines a type of that name, the answer is the shortest path to what differs; else it is what needs the type. Where there is DWARF, \
             each place comes with source file and line.",
        ],
        examples: &[
            ("btfgen why task_struct -B vmlinux foo.ko", "why is it there again?"),
            ("btfgen why foo_ops -B vmlinux foo.ko", "what needs it?"),
        ],
        exits: &[Exit::Io, Exit::Usage, Exit::Input, Exit::Base, Exit::NoBase],
        several: "",
        environment: &[],
    },
    Texts {
        command: "merge",
        about: &["Needs no DWARF: the files may be of compilers that write BTF (gcc -gbtf, clang -target bpf)."],
        examples: &[
            ("btfgen merge -o all.btf a.o b.o", "one BTF of two objects"),
            ("btfgen merge -B vmlinux -o all.btf a.ko b.ko", "of two modules, on their base"),
            ("btfgen merge --flatten -B vmlinux -o all.btf a.ko", "base and module as one"),
        ],
        exits: &[Exit::Io, Exit::Usage, Exit::Input, Exit::Base, Exit::Limit, Exit::Verify, Exit::NoBase],
        several: "",
        environment: &[],
    },
    Texts {
        command: "report",
        about: &[
            "The page is one HTML file that loads nothing: a map of the bytes by folder, file and kind, and tables of files, of types of the base that modules \
             have again, and of functions that are left out. The base is shown beside the modules.",
            "What is in the files is counted as it is, whatever encoder wrote it. Those with DWARF are also encoded in memory, to see which functions are left \
             out and how large the BTF would be; files without BTF are shown as btfgen would write them. No file is changed.",
        ],
        examples: &[
            ("btfgen report DIR -o report.html", "DIR/vmlinux and modules below"),
            ("btfgen report DIR -B vmlinux -o report.html", "with another base"),
        ],
        exits: &[Exit::Io, Exit::Usage, Exit::Input, Exit::Base, Exit::NoBase],
        several: FIRST_FAILURE,
        environment: &[],
    },
    Texts {
        command: "pahole",
        about: &[
            "The flags are those that the kernel's build, from 5.11 to 7.x, passes to pahole; btfgen's own are understood beside them. \
             Any program name that ends in pahole has this effect, and so has --pahole as the first argument of btfgen.",
        ],
        examples: &[
            ("make PAHOLE=/usr/bin/btfgen-pahole", "build a kernel with it"),
            ("make PAHOLE=\"btfgen --pahole\"", "the same without the link"),
            ("btfgen-pahole -J --btf_base vmlinux foo.ko", "as Kbuild calls it"),
        ],
        exits: &[Exit::Io],
        several: "",
        environment: &[
            ("BTFGEN_PAHOLE_VERSION", "The version that --version claims, as in 1.31."),
            ("PAHOLE_LANG_EXCLUDE", "Default of --lang_exclude."),
            MAKEFLAGS,
            MAKELEVEL,
        ],
    },
    Texts {
        command: "resolve_btfids",
        about: &[
            "Does what the tool of that name in the kernel's tree does, for BTF of any encoder. Any program name that ends so has this \
             effect, and so has resolve_btfids as the first argument of btfgen.",
        ],
        examples: &[
            ("make RESOLVE_BTFIDS=/usr/bin/btfgen-resolve_btfids", "build a kernel with it"),
            ("btfgen resolve_btfids -b vmlinux foo.ko", "before Linux 7.0"),
            ("btfgen resolve_btfids --btf foo.btf -b vmlinux foo.ko", "since Linux 7.0"),
            ("btfgen resolve_btfids --patch_btfids foo.ko.BTF_ids foo.ko", "and what follows it"),
        ],
        // Those of the kernel's tool.
        exits: &[],
        several: "0: done; 255: an error; 129: wrong usage; 1: warnings, and --fatal_warnings was given.",
        environment: &[("BTFGEN_COMPAT_WARNINGS", "1: as --compat_warnings."), MAKELEVEL],
    },
];

/// The texts about a command, if there are any.
pub fn of(command: &str) -> Option<&'static Texts> {
    TEXTS.iter().find(|texts| texts.command == command)
}

/// What stands below the options in a command's help: examples in two columns, then exit codes. Lines fit 79 columns.
pub fn help(command: &str) -> String {
    let Some(texts) = of(command) else { return String::new() };
    let mut help = String::from("Examples:\n");
    for (line, remark) in texts.examples {
        let remark_alone = format!("\n  {:REMARK_COLUMN$}{remark}", "");
        let remark = if line.len() < REMARK_COLUMN { remark } else { remark_alone.as_str() };
        _ = writeln!(help, "  {line:REMARK_COLUMN$}{remark}");
    }
    help.push('\n');
    if texts.exits.is_empty() {
        _ = write!(help, "Exit codes:\n{}", wrapped(texts.several));
    } else {
        let codes: Vec<String> = texts.exits.iter().map(|exit| format!("{} {}", *exit as u8, exit.meaning())).collect();
        _ = write!(help, "Exit codes:\n{}", wrapped(&format!("0 done, {}. {}", codes.join(", "), texts.several)));
    }
    help
}

/// Words in lines of at most 79 columns, indented by two.
fn wrapped(text: &str) -> String {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let last = lines.last_mut().expect("there is one from the start");
        if !last.is_empty() && 2 + last.len() + 1 + word.len() > 79 {
            lines.push(word.into());
        } else {
            last.push_str(if last.is_empty() { "" } else { " " });
            last.push_str(word);
        }
    }
    lines.iter().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use clap::{CommandFactory, FromArgMatches};

    use super::*;
    use crate::args::{Cli, tidied};
    use crate::commands::resolve_btfids::ResolveArgs;
    use crate::pahole;
    use crate::personality::{Personality, choose};

    /// Each example is a command line that is understood, of the command that it stands at.
    #[test]
    fn examples_are_understood() {
        for texts in TEXTS {
            assert!(!texts.examples.is_empty() && !texts.about.is_empty(), "{}", texts.command);
            for (line, remark) in texts.examples {
                assert!(!remark.is_empty() && remark.len() < 79 - REMARK_COLUMN, "{line}: {remark}");
                let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
                if words[0] == "make" {
                    continue;
                }
                let (program, words) = choose(words);
                let command = match program {
                    Personality::Btfgen => {
                        let matches = Cli::command().try_get_matches_from(tidied(words)).expect(line);
                        assert!(Cli::from_arg_matches(&matches).is_ok(), "{line}");
                        matches.subcommand_name().unwrap_or(ENCODE).to_owned()
                    }
                    Personality::Pahole => {
                        pahole::Cli::command().try_get_matches_from(words).expect(line);
                        "pahole".into()
                    }
                    Personality::ResolveBtfids => {
                        ResolveArgs::command().try_get_matches_from(words).expect(line);
                        "resolve_btfids".into()
                    }
                };
                assert!(texts.command == command || texts.command == ENCODE, "{line}");
            }
        }
    }

    #[test]
    fn each_subcommand_has_texts() {
        for command in Cli::command().get_subcommands().filter(|command| !command.is_hide_set()) {
            assert!(of(command.get_name()).is_some(), "examples and exit codes of {}", command.get_name());
            assert!(command.get_after_help().is_some(), "{}", command.get_name());
        }
    }

    #[test]
    fn lines_fit() {
        for texts in TEXTS {
            let help = help(texts.command);
            assert_eq!(help.lines().find(|line| line.len() > 79), None, "{}", texts.command);
        }
    }
}
