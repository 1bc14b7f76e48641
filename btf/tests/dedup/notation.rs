//! The notation of test cases, one type per line:
//!
//! ```text
//! |B                                   the types of the base follow
//! 1: int
//! |1                                   the types of a unit follow
//! 2: S list/16 {next:*2@0, prev:*2@64}
//! ```
//!
//! A reference is a label (a number), `0` for void, or a type written in place (`*c int`), which becomes a type of its own
//! after the labelled ones, once per unit and text.
//!
//! | notation | meaning |
//! |---|---|
//! | `int` `uint` `long` `ulong` `char` `bool` | the usual INTs |
//! | `I name/size encoding bit_offset bits` | any INT |
//! | `FL name/size` | FLOAT |
//! | `*X` `c X` `v X` `r X` | PTR, CONST, VOLATILE, RESTRICT |
//! | `[X;n]` `[X;n;I]` | ARRAY, with index type I instead of `int` |
//! | `S name/size {m:X@bits, b:X@3w5}` `U` | STRUCT, UNION; `_` is anonymous, `w5` a bit-field of 5 bits; `S!` sets the kflag |
//! | `F name` `FU name` | FWD of a struct, of a union |
//! | `T name X` | TYPEDEF |
//! | `E name/size {A=1}` `E64` | ENUM, ENUM64; `E!` sets the kflag (signed) |
//! | `P X (a:X, ...)` | FUNC_PROTO |
//! | `f name X` `f! name X` | FUNC, global or static |
//! | `V name X` | VAR |
//! | `DS name {X@offset/size}` | DATASEC |
//! | `D "text" X component` `D!` | DECL_TAG; `!` sets the kflag |
//! | `TT "text" X` `TT!` | TYPE_TAG |

use std::collections::BTreeMap;

use btf::graph::{Head, Records};
use btf::kind::Kind;

use crate::input::Input;

/// A test case, and what its labels are.
pub struct Case {
    pub input: Input,
    /// Per label its unit (`None`: the base) and its number there, from 1.
    pub labels: BTreeMap<u32, (Option<usize>, u32)>,
}

#[derive(Default)]
struct Part {
    records: Vec<Vec<u32>>,
    inline: BTreeMap<String, u32>,
}

pub fn parse(text: &str) -> Case {
    let mut parts: Vec<(String, Vec<(u32, String)>)> = Vec::new();
    for line in text.lines().map(str::trim).filter(|l| !l.is_empty()) {
        if let Some(name) = line.strip_prefix('|') {
            parts.push((name.trim().to_string(), Vec::new()));
            continue;
        }
        for item in line.split(" ; ") {
            let (label, body) = item.split_once(':').unwrap_or_else(|| panic!("no label in `{item}`"));
            let label = label.trim().parse().unwrap_or_else(|_| panic!("no number in `{item}`"));
            if parts.is_empty() {
                parts.push(("1".into(), Vec::new()));
            }
            parts.last_mut().unwrap().1.push((label, body.trim().to_string()));
        }
    }
    let mut input = Input::default();
    input.name("");
    let mut labels = BTreeMap::new();
    let mut units = 0;
    for (name, items) in parts {
        let unit = (name != "B").then(|| {
            units += 1;
            units - 1
        });
        for (i, (label, _)) in items.iter().enumerate() {
            assert!(labels.insert(*label, (unit, i as u32 + 1)).is_none(), "label {label} twice");
        }
        let mut part = Part { records: vec![Vec::new(); items.len()], inline: BTreeMap::new() };
        for (i, (_, body)) in items.iter().enumerate() {
            let mut p = Parser { rest: body, unit, input: &mut input, labels: &labels, part: &mut part };
            let record = p.body();
            p.end();
            part.records[i] = record;
        }
        let mut records = Records::default();
        for record in &part.records {
            records.push_record(record);
        }
        match unit {
            None => input.base = Some(records),
            Some(_) => input.units.push(records),
        }
    }
    Case { input, labels }
}

struct Parser<'a> {
    rest: &'a str,
    unit: Option<usize>,
    input: &'a mut Input,
    labels: &'a BTreeMap<u32, (Option<usize>, u32)>,
    part: &'a mut Part,
}

impl Parser<'_> {
    fn space(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn end(&mut self) {
        self.space();
        assert!(self.rest.is_empty(), "left over: `{}`", self.rest);
    }

    fn eat(&mut self, token: &str) -> bool {
        self.space();
        let rest = self.rest.strip_prefix(token);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn expect(&mut self, token: &str) {
        assert!(self.eat(token), "`{token}` expected at `{}`", self.rest);
    }

    fn word(&mut self) -> String {
        self.space();
        let end = self.rest.find(|c: char| !c.is_alphanumeric() && c != '_' && c != '.').unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        word.to_string()
    }

    fn name(&mut self) -> u32 {
        let word = self.word();
        self.input.name(if word == "_" { "" } else { &word }).0
    }

    fn number(&mut self) -> u32 {
        let minus = self.eat("-");
        let word = self.word();
        let number: i64 = word.parse().unwrap_or_else(|_| panic!("number expected: `{word}` at `{}`", self.rest));
        (if minus { -number } else { number }) as u32
    }

    fn quoted(&mut self) -> u32 {
        self.expect("\"");
        let (text, rest) = self.rest.split_once('"').expect("a closing quote");
        self.rest = rest;
        self.input.name(text).0
    }

    fn size(&mut self) -> u32 {
        if self.eat("/") { self.number() } else { 0 }
    }

    /// A label, void, or a type in place.
    fn reference(&mut self) -> u32 {
        self.space();
        if self.rest.starts_with(|c: char| c.is_ascii_digit()) {
            let label = self.number();
            if label == 0 {
                return 0;
            }
            let (unit, number) = self.labels.get(&label).unwrap_or_else(|| panic!("no label {label} so far"));
            assert_eq!(*unit, self.unit, "label {label} is in another unit");
            return *number;
        }
        let before = self.rest;
        let record = self.body();
        let text = before[..before.len() - self.rest.len()].to_string();
        if let Some(&known) = self.part.inline.get(&text) {
            return known;
        }
        self.part.records.push(record);
        let number = self.part.records.len() as u32;
        self.part.inline.insert(text, number);
        number
    }

    fn record(kind: Kind, kflag: bool, name: u32, word2: u32, trailer: &[u32]) -> Vec<u32> {
        let mut record = vec![Head { kind, kflag }.word(), name, word2];
        record.extend_from_slice(trailer);
        record
    }

    fn int(&mut self, name: &str, size: u32, encoding: u32) -> Vec<u32> {
        let name = self.input.name(name).0;
        Self::record(Kind::Int, false, name, size, &[(encoding << 24) | (size * 8)])
    }

    fn body(&mut self) -> Vec<u32> {
        if self.eat("*") {
            let target = self.reference();
            return Self::record(Kind::Ptr, false, 0, target, &[]);
        }
        if self.eat("[") {
            let elem = self.reference();
            self.expect(";");
            let count = self.number();
            let index = if self.eat(";") { self.reference() } else { self.inline("int") };
            self.expect("]");
            return Self::record(Kind::Array, false, 0, 0, &[elem, index, count]);
        }
        let word = self.word();
        let kflag = self.rest.starts_with('!') && self.eat("!");
        match word.as_str() {
            "int" => self.int("int", 4, 1),
            "uint" => self.int("unsigned int", 4, 0),
            "long" => self.int("long", 8, 1),
            "ulong" => self.int("unsigned long", 8, 0),
            "char" => self.int("char", 1, 1),
            "bool" => self.int("_Bool", 1, 4),
            "I" => {
                let name = self.name();
                let size = self.size();
                let (encoding, offset, bits) = (self.number(), self.number(), self.number());
                Self::record(Kind::Int, false, name, size, &[(encoding << 24) | (offset << 16) | bits])
            }
            "FL" => {
                let name = self.name();
                let size = self.size();
                Self::record(Kind::Float, false, name, size, &[])
            }
            "c" | "v" | "r" => {
                let kind = match word.as_str() {
                    "c" => Kind::Const,
                    "v" => Kind::Volatile,
                    _ => Kind::Restrict,
                };
                let target = self.reference();
                Self::record(kind, false, 0, target, &[])
            }
            "S" | "U" => self.composite(if word == "S" { Kind::Struct } else { Kind::Union }, kflag),
            "F" | "FU" => {
                let name = self.name();
                Self::record(Kind::Fwd, word == "FU", name, 0, &[])
            }
            "T" | "V" => {
                let name = self.name();
                let target = self.reference();
                let (kind, trailer) = if word == "T" { (Kind::Typedef, &[][..]) } else { (Kind::Var, &[1][..]) };
                Self::record(kind, false, name, target, trailer)
            }
            "f" => {
                let name = self.name();
                let target = self.reference();
                Self::record(Kind::Func, false, name, target, &[u32::from(!kflag)])
            }
            "E" | "E64" => self.enumeration(word == "E64", kflag),
            "P" => self.prototype(),
            "DS" => self.section(),
            "D" => {
                let text = self.quoted();
                let target = self.reference();
                self.space();
                let component = if self.rest.is_empty() { -1i32 as u32 } else { self.number() };
                Self::record(Kind::DeclTag, kflag, text, target, &[component])
            }
            "TT" => {
                let text = self.quoted();
                let target = self.reference();
                Self::record(Kind::TypeTag, kflag, text, target, &[])
            }
            _ => panic!("no kind `{word}` (before `{}`)", self.rest),
        }
    }

    fn inline(&mut self, text: &str) -> u32 {
        let rest = std::mem::replace(&mut self.rest, "int");
        assert_eq!(text, "int");
        let number = self.reference();
        self.rest = rest;
        number
    }

    fn composite(&mut self, kind: Kind, mut kflag: bool) -> Vec<u32> {
        let name = self.name();
        let size = self.size();
        let mut trailer = Vec::new();
        self.expect("{");
        while !self.eat("}") {
            let name = self.name();
            self.expect(":");
            let target = self.reference();
            let offset = if self.eat("@") { self.word() } else { "0".into() };
            let (offset, bits) = offset.split_once('w').unwrap_or((&offset, "0"));
            let (offset, bits): (u32, u32) = (offset.parse().unwrap(), bits.parse().unwrap());
            kflag |= bits != 0;
            trailer.extend([name, target, (bits << 24) | offset]);
            self.eat(",");
        }
        Self::record(kind, kflag, name, size, &trailer)
    }

    fn enumeration(&mut self, wide: bool, kflag: bool) -> Vec<u32> {
        let name = self.name();
        let size = self.size();
        let mut trailer = Vec::new();
        self.expect("{");
        while !self.eat("}") {
            trailer.push(self.name());
            self.expect("=");
            let minus = self.eat("-");
            let value: i64 = self.word().parse().unwrap();
            let value = if minus { -value } else { value };
            trailer.push(value as u32);
            if wide {
                trailer.push((value >> 32) as u32);
            }
            self.eat(",");
        }
        Self::record(if wide { Kind::Enum64 } else { Kind::Enum }, kflag, name, size, &trailer)
    }

    fn prototype(&mut self) -> Vec<u32> {
        let result = self.reference();
        let mut trailer = Vec::new();
        self.expect("(");
        while !self.eat(")") {
            if self.eat("...") {
                trailer.extend([0, 0]);
            } else {
                trailer.push(self.name());
                self.expect(":");
                trailer.push(self.reference());
            }
            self.eat(",");
        }
        Self::record(Kind::FuncProto, false, 0, result, &trailer)
    }

    fn section(&mut self) -> Vec<u32> {
        let name = self.name();
        let mut trailer = Vec::new();
        self.expect("{");
        while !self.eat("}") {
            let var = self.reference();
            self.expect("@");
            let offset = self.number();
            trailer.extend([var, offset, self.size()]);
            self.eat(",");
        }
        Self::record(Kind::Datasec, false, name, 0, &trailer)
    }
}
