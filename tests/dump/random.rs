//! Random types of C: what a header may have to say, packed, aligned and bit-fields above all.

use std::fmt::Write;

use mutate::rng::Rng;

const INTEGERS: [(&str, u32); 9] = [
    ("char", 8),
    ("signed char", 8),
    ("unsigned char", 8),
    ("short", 16),
    ("unsigned short", 16),
    ("int", 32),
    ("unsigned int", 32),
    ("long long", 64),
    ("unsigned long long", 64),
];

/// C source with types and nothing else.
pub fn source(seed: u64) -> String {
    let mut random = Random { rng: Rng::new(seed), out: String::new(), structs: 0, names: 0, unions: Vec::new() };
    random.out.push_str("typedef unsigned long long u64; typedef u64 loose __attribute__((aligned(4)));\n");
    random.out.push_str("enum small { SMALL } __attribute__((packed)); enum wide { WIDE = 1ll << 40 }; enum minus { MINUS = -5, PLUS };\n");
    random.out.push_str(
        "struct later; typedef struct later later_t; typedef void (*call_t)(struct later *, later_t *, int, ...);\n",
    );
    for _ in 0..random.rng.below(12) + 4 {
        random.composite();
    }
    random.out
}

struct Random {
    rng: Rng,
    out: String,
    /// Structs so far.
    structs: usize,
    /// Names of members and others so far: none is used twice.
    names: usize,
    /// Which of them are unions, by number: nobody mentions these as structs.
    unions: Vec<bool>,
}

impl Random {
    fn name(&mut self, prefix: &str) -> String {
        self.names += 1;
        format!("{prefix}{}", self.names)
    }

    /// A struct or union with a name, or in a typedef.
    fn composite(&mut self) {
        let word = if self.rng.one_in(4) { "union" } else { "struct" };
        let number = self.structs;
        let is_typedef = self.rng.one_in(5);
        let head = if is_typedef { format!("typedef {word}") } else { format!("{word} s{number}") };
        _ = write!(self.out, "{head} ");
        self.body(word == "union", 0);
        if is_typedef {
            _ = write!(self.out, " t{number};\nstruct s{number} {{ t{number} in; }}");
        } else if word == "union" {
            _ = write!(
                self.out,
                ";\nstruct s{number}_ {{ union s{number} in; }};\ntypedef struct s{number}_ w{number}"
            );
        }
        self.out.push_str(";\n");
        if word == "struct" || is_typedef {
            self.structs += 1;
        } else {
            _ = writeln!(self.out, "struct r{number} {{ w{number} in; }};");
            self.structs += 1;
            self.unions.resize(self.structs, false);
            self.unions[number] = true;
        }
        self.unions.resize(self.structs, false);
    }

    fn body(&mut self, is_union: bool, depth: usize) {
        self.out.push_str("{\n");
        for _ in 0..self.rng.below(9) + usize::from(!self.rng.one_in(12)) {
            self.out.push('\t');
            self.member(is_union, depth);
        }
        if !is_union && self.rng.one_in(10) && depth == 0 {
            let name = self.name("flexible");
            _ = writeln!(self.out, "\tint before_{name}; short {name}[0];");
        }
        self.out.push('}');
        match self.rng.below(8) {
            0 | 1 => self.out.push_str(" __attribute__((packed))"),
            2 => _ = write!(self.out, " __attribute__((aligned({})))", 1 << self.rng.below(8)),
            3 => _ = write!(self.out, " __attribute__((packed, aligned({})))", 1 << self.rng.below(5)),
            _ => {}
        }
    }

    fn member(&mut self, is_union: bool, depth: usize) {
        let name = self.name("m");
        let (integer, bits) = *self.rng.pick(&INTEGERS);
        // One at a time, and not of arrays: gcc writes both, and those, now in this way and now in that.
        let qualifier = *self.rng.pick(&["", "", "const ", "volatile "]);
        let mut aligned = String::new();
        if self.rng.one_in(8) {
            aligned = format!(" __attribute__((aligned({})))", 1 << self.rng.below(8));
        } else if self.rng.one_in(12) {
            aligned = " __attribute__((packed))".into();
        }
        let count = self.rng.below(5);
        match self.rng.below(if depth < 3 { 22 } else { 17 }) {
            0..=2 => _ = writeln!(self.out, "{qualifier}{integer} {name}{aligned};"),
            3..=5 => {
                // Of one as wide as its type clang does not say that it is one, not even where it begins within a byte.
                let width = self.rng.below(bits as usize - 1) + 1;
                _ = writeln!(self.out, "{qualifier}{integer} {name}: {width};");
            }
            6 if !is_union => {
                let width = self.rng.below(bits as usize + 1);
                _ = writeln!(self.out, "{integer} {name}: 1; {integer} : {width}; {integer} {name}_: 1;");
            }
            6 | 7 => _ = writeln!(self.out, "_Bool {name}: 1, {name}_: 1;"),
            8 => {
                _ = writeln!(
                    self.out,
                    "enum minus {name}: {}; enum small {name}_; enum wide {name}__;",
                    self.rng.below(29) + 3
                )
            }
            9 => _ = writeln!(self.out, "{integer} {name}[{count}][2]{aligned};"),
            10 => {
                _ = writeln!(
                    self.out,
                    "{qualifier}{integer} *const volatile *{name}{aligned}; long {name}_; float {name}__;"
                )
            }
            11 => _ = writeln!(self.out, "struct later *{name}; const later_t *const {name}_; double {name}__;"),
            12 => {
                _ = writeln!(
                    self.out,
                    "int (*(*{name})(const char *, call_t, int (*)[3], ...))(struct later *){aligned};"
                )
            }
            13 => _ = writeln!(self.out, "void (*{name}[2][{count}])(void); call_t {name}_;"),
            14 => {
                _ = writeln!(self.out, "enum {{ {name}_A, {name}_B = {} }} {name};", self.rng.below(300) as i64 - 100)
            }
            15 => _ = writeln!(self.out, "loose {name}; u64 {name}_{aligned};"),
            16 => match self.earlier() {
                Some(earlier) => _ = writeln!(self.out, "struct s{earlier} {name}, {name}_[2], *{name}__;"),
                None => _ = writeln!(self.out, "char {name};"),
            },
            17 | 18 => {
                self.out.push_str("struct ");
                self.body(false, depth + 1);
                _ = writeln!(self.out, " {name}{};", if self.rng.one_in(3) { "[2]" } else { "" });
            }
            19 => {
                self.out.push_str("union ");
                self.body(true, depth + 1);
                _ = writeln!(self.out, " {name};");
            }
            20 => {
                self.out.push_str("struct ");
                self.body(false, depth + 1);
                self.out.push_str(";\n");
            }
            _ => {
                self.out.push_str("union ");
                self.body(true, depth + 1);
                self.out.push_str(";\n");
            }
        }
    }

    /// A struct that is complete.
    fn earlier(&mut self) -> Option<usize> {
        let structs: Vec<usize> = (0..self.structs).filter(|&n| !self.unions[n]).collect();
        (!structs.is_empty()).then(|| *self.rng.pick(&structs))
    }
}
