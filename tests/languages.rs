//! Units in other languages: nothing in them stops a run, and what BTF has no word for keeps its size and is counted.

mod support;

use std::path::Path;

use btf::view::BtfView;

use support::folder::Folder;
use support::{compile, encode, must, text};

const RUST: &str = r#"#![crate_type = "lib"]
#![no_std]
pub enum Variants { First(u32), Second { x: u64, y: u8 }, Third }
#[repr(u8)]
#[derive(Clone, Copy)]
pub enum Plain { One = 1, Two = 200 }
pub union Either { a: u32, b: f64 }
pub struct Holder<'a> { pub text: &'a str, pub list: &'a [Option<Variants>], pub wide: [i128; 3], pub pair: (u8, f32, char) }
pub trait Act { fn act(&self) -> Plain; }
impl<'a> Act for Holder<'a> { fn act(&self) -> Plain { if self.list.len() > 3 { Plain::One } else { Plain::Two } } }
#[no_mangle]
pub extern "C" fn rust_function(a: u32, b: *const Either) -> u64 { unsafe { (*b).a as u64 + a as u64 } }
pub fn dynamic(t: &dyn Act, h: &Holder, f: fn(u8) -> bool, v: Variants) -> u8 {
    t.act() as u8 + h.text.len() as u8 + f(3) as u8 + match v { Variants::First(n) => n as u8, Variants::Second { y, .. } => y, _ => 0 }
}
"#;

/// A file with a unit each of Rust, C and assembler.
fn mixed() -> Folder {
    let folder = Folder::new();
    let at = folder.path();
    folder.write("r.rs", RUST.as_bytes());
    must(at, "rustc", ["--edition=2021", "--emit=obj", "-g", "-C", "panic=abort", "-o", "r.o", "r.rs"]);
    compile(at, "c", "struct in_c { int a; }; int c_function(struct in_c *p) { return p->a; }", &[]);
    folder.write(
        "s.S",
        b"\t.globl asm_function\n\t.type asm_function, @function\nasm_function:\n\tret\n\t.size asm_function, 1\n",
    );
    must(at, "gcc", ["-g", "-c", "-o", "s.o", "s.S"]);
    must(at, "ld", ["-r", "-o", "mixed.o", "r.o", "c.o", "s.o"]);
    folder
}

fn lines(folder: &Path, args: &[&str]) -> (String, Vec<String>) {
    let said = encode(folder, args.iter().chain(&["-v", "--btf_encode_detached", "out", "mixed.o"]));
    let bytes = std::fs::read(folder.join("out")).expect("it was written");
    (said, text::lines(&BtfView::parse(&bytes).expect("it is BTF")))
}

#[test]
fn rust_and_assembler() {
    let folder = mixed();
    let has = |lines: &[String], line: &str| lines.iter().any(|l| text::matches(l, line));
    // As in a kernel's build, without Rust.
    let (said, without) = lines(folder.path(), &[]);
    assert!(said.contains("1 units left out because of their language"), "{said}");
    assert!(said.contains("1 function left out: assembler function"), "{said}");
    assert!(has(&without, "FUNC c_function(p: *struct in_c) -> int") && !has(&without, "FUNC rust_function"));
    // With Rust: its functions, what its enums share, names as kernels accept them.
    for features in ["--btf_features=default", "--btf_features=all", "--target-kernel=5.15"] {
        let (said, with) = lines(folder.path(), &["--lang_exclude=", features]);
        assert!(has(&with, "FUNC c_function(p: *struct in_c) -> int"), "{features}");
        assert!(has(&with, "FUNC rust_function(a: u32, b: *union Either) -> u64"), "{with:#?}");
        let variants = with.iter().find(|l| l.starts_with("UNION Variants size=16 {")).expect("it is there");
        assert!(
            variants.contains("First: struct First @0") && variants.contains("Second: struct Second @0"),
            "{variants}"
        );
        assert!(with.iter().any(|l| l.starts_with("ENUM Plain size=1 { One=1, Two=200 }")), "{with:#?}");
        assert!(has(&with, "STRUCT Holder size=96"), "{with:#?}");
        assert!(said.contains("types that only other languages have, written as pointers, unions or bytes"), "{said}");
        assert!(said.contains("names changed to what kernels accept"), "{said}");
    }
    let (_, only) = lines(folder.path(), &["--lang=rust"]);
    assert!(has(&only, "FUNC rust_function") && !has(&only, "FUNC c_function"));
}
