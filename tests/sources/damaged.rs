//! Units that refer to each other in ways that no compiler would: nowhere, in circles, over and over. Written in assembler, since
//! nothing else makes them.

use std::fmt::Write as _;
use std::fs;

use libtest_mimic::{Failed, Trial};

use super::{Result, support, tool};
use btf::view::BtfView;

/// The abbreviations, by name of the number.
const ABBREVIATIONS: &str = r#"
    .section .debug_abbrev,"",@progbits
    .macro abbrev code, tag, children, attributes:vararg
    .uleb128 \code, \tag
    .byte \children
    .uleb128 \attributes
    .byte 0, 0
    .endm
    compile_unit = 1
    abbrev compile_unit, 0x11, 1, 0x03, 0x08, 0x13, 0x0b
    partial_unit = 2
    abbrev partial_unit, 0x3c, 1, 0x13, 0x0b
    typedef = 3
    abbrev typedef, 0x16, 0, 0x03, 0x08, 0x49, 0x10
    base_type = 4
    abbrev base_type, 0x24, 0, 0x03, 0x08, 0x0b, 0x0b, 0x3e, 0x0b
    imported_unit = 5
    abbrev imported_unit, 0x3d, 0, 0x18, 0x10
    typedef_of_signature = 6
    abbrev typedef_of_signature, 0x16, 0, 0x03, 0x08, 0x49, 0x20
    typedef_of_alternate = 7
    abbrev typedef_of_alternate, 0x16, 0, 0x03, 0x08, 0x49, 0x1f20
    struct = 8
    abbrev struct, 0x13, 1, 0x03, 0x08, 0x0b, 0x0b
    member = 9
    abbrev member, 0x0d, 0, 0x03, 0x08, 0x49, 0x10, 0x38, 0x0b
    pointer = 10
    abbrev pointer, 0x0f, 0, 0x49, 0x10
    .byte 0
    .section .debug_info,"",@progbits
info:
    .macro begin label, kind
    .long \label\()_end - \label\()_start
\label\()_start:
    .value 5
    .byte \kind, 8
    .long 0
\label:
    .endm
    .macro compile label
    begin \label, 1
    .uleb128 compile_unit
    .asciz "\label"
    .byte 0x0c
    .endm
    .macro partial label
    begin \label, 3
    .uleb128 partial_unit
    .byte 0x0c
    .endm
    .macro end label
    .byte 0
\label\()_end:
    .endm
    .macro die abbreviation, name
    .uleb128 \abbreviation
    .asciz "\name"
    .endm
    .macro to label, more=0
    .long \label - info + \more
    .endm
    .macro int label
\label:
    die base_type, "int"
    .byte 4, 5
    .endm
    .macro import label, more=0
    .uleb128 imported_unit
    to \label, \more
    .endm
"#;

/// What becomes of some units.
enum End {
    /// Exit code, and what is said.
    Fails(i32, &'static str),
    /// Lines that the result has, and the number of its lines.
    Says(&'static [&'static str], usize),
}

struct Case {
    name: &'static str,
    units: String,
    end: End,
}

/// The tests.
pub fn trials() -> Vec<Trial> {
    let run = |case: Case| Trial::test(format!("damaged::{}", case.name), move || case.test().map_err(Failed::from));
    cases().into_iter().map(run).collect()
}

impl Case {
    fn test(&self) -> Result<()> {
        let folder = tempfile::tempdir().map_err(|e| e.to_string())?;
        let at = folder.path();
        fs::write(at.join("units.s"), format!("{ABBREVIATIONS}{}", self.units)).map_err(|e| e.to_string())?;
        tool(at, "gcc", ["-c", "-o", "units.o", "units.s"])?;
        let run = support::btfgen(at, ["--no-base", "-j2", "--btf_encode_detached", "out", "units.o"]);
        match self.end {
            End::Fails(code, text) => match run.code == code && run.err.contains(text) && !at.join("out").exists() {
                true => Ok(()),
                false => Err(format!("exit code {}: {}", run.code, run.err)),
            },
            End::Says(expected, count) => {
                if run.code != 0 {
                    return Err(format!("exit code {}: {}", run.code, run.err));
                }
                let bytes = fs::read(at.join("out")).map_err(|e| e.to_string())?;
                let lines = support::text::lines(&BtfView::parse(&bytes).map_err(|e| e.to_string())?);
                let missing = expected.iter().find(|e| !lines.iter().any(|l| support::text::matches(l, e)));
                match (missing, lines.len() == count) {
                    (None, true) => Ok(()),
                    _ => Err(format!(
                        "missing: {missing:?}; there are {} lines: {:#?}",
                        lines.len(),
                        &lines[..lines.len().min(20)]
                    )),
                }
            }
        }
    }
}

fn cases() -> Vec<Case> {
    use End::{Fails, Says};
    let case = |name, units: &str, end| Case { name, units: units.into(), end };
    let with_int = |what: &str| format!("compile a\n{what}\nend a\ncompile b\nint number\nend b\n");
    let mut all = vec![
        case("another_unit", &with_int("die typedef, t\nto number"), Says(&["TYPEDEF t = int", "INT int size=4"], 2)),
        case(
            "nowhere",
            &with_int("die typedef, t\n.long 0x7ffffff0"),
            Fails(3, "unit a: it refers to .debug_info+0x7ffffff0, where no DIE starts"),
        ),
        case("middle_of_a_die", &with_int("die typedef, t\nto number, 2"), Fails(3, "where no DIE starts")),
        case("header_of_a_unit", &with_int("die typedef, t\nto b, -4"), Fails(3, "where no DIE starts")),
        case("the_end_of_a_unit", &with_int("die typedef, t\nto b_end, -1"), Fails(3, "where no DIE starts")),
        // As within a unit: what is no type is void.
        case("a_unit_for_a_type", &with_int("die typedef, t\nto b"), Says(&["TYPEDEF t = void"], 2)),
        case(
            "in_a_circle",
            "compile a\nouter:\ndie struct, outer\n.byte 8\ndie member, m\nto back\n.byte 0\n.byte 0\nend a\n\
             compile b\nback:\n.uleb128 pointer\nto outer\ndie typedef, name_of_outer\nto outer\nend b\n",
            Says(&["STRUCT outer size=8 { m: *struct outer @0 }", "TYPEDEF name_of_outer = struct outer"], 4),
        ),
        case(
            "imports_in_a_circle",
            "compile a\nimport p\ndie typedef, t\nto number\nend a\n\
             partial p\nint number\nimport q\nend p\n\
             partial q\nimport p\nimport q\ndie typedef, u\nto number\nend q\n",
            Says(&["TYPEDEF t = int", "TYPEDEF u = int"], 3),
        ),
        case("imports_itself", "compile a\nimport a\nint number\nend a\n", Says(&["INT int"], 1)),
        // Read by itself, so nothing is lost or there twice.
        case("imports_a_compile_unit", &with_int("import b"), Says(&["INT int"], 1)),
        case("imports_no_unit", &with_int("import number"), Fails(3, "unit a: it imports .debug_info+0x")),
        case("imports_nowhere", &with_int("import number, 0x10000"), Fails(3, "where no unit starts")),
        // So it is no part of the program.
        case("imported_by_none", "compile a\nend a\npartial p\nint number\nend p\n", Says(&[], 0)),
        case(
            "no_such_signature",
            "compile a\ndie typedef_of_signature, t\n.quad 0x1234\nend a\n",
            Fails(3, "unit a: it refers to type unit 0x0000000000001234, which is not in the file"),
        ),
        case(
            "no_alternate_file",
            "compile a\ndie typedef_of_alternate, t\n.long 0x1234\nend a\n",
            Fails(3, "unit a: it refers to offset 0x1234 in an alternate file, and the file names none"),
        ),
        case(
            "imported_unit_is_cut_short",
            "compile a\nimport p\nend a\npartial p\n.uleb128 struct\nend p\n",
            Fails(3, ".debug_info+0x"),
        ),
    ];
    // From each to the next one, in turns between two units.
    const LONG: usize = 4000;
    let mut units = [String::from("compile a\n"), String::from("partial p\n")];
    for i in 0..LONG {
        let last = if i + 1 == LONG { 0 } else { i + 1 };
        let _ = write!(units[i % 2], "s{i}:\ndie struct, s{i}\n.byte 8\ndie member, next\nto p{i}\n.byte 0\n.byte 0\n");
        let _ = write!(units[(i + 1) % 2], "p{i}:\n.uleb128 pointer\nto s{last}\n");
    }
    let [a, p] = units;
    let chain = Says(&["MEMBER s7.next: *struct s8 @0", "MEMBER s3999.next: *struct s0 @0"], 3 * LONG);
    all.push(Case { name: "a_long_chain", units: format!("{a}end a\n{p}end p\n"), end: chain });
    // Many units that all have the same large one.
    let mut many = String::from("partial p\n.rept 9000\ndie base_type, int\n.byte 4, 5\n.endr\nend p\n");
    (0..5000).for_each(|i| _ = write!(many, "compile u{i}\nimport p\nend u{i}\n"));
    let text = ".debug_info: what its units refer to in other units comes to more than 1024 times its size";
    all.push(Case { name: "over_and_over", units: many, end: Fails(6, text) });
    all
}
