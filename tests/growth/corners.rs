//! Inputs that punish anything quadratic. Each is made for a size, and what comes of it is known.

use crate::dwarf::{Die, Elf, Name};

/// A family of inputs.
pub struct Corner {
    /// What there is many of.
    pub name: &'static str,
    /// The larger of its sizes in a full run.
    pub size: usize,
    /// The input of a size.
    pub make: fn(&mut Elf, usize),
    /// What comes of it.
    pub expected: fn(usize) -> Expected,
    /// It is the base of a second file, which is what is measured.
    pub module: Option<fn(&mut Elf, usize)>,
}

/// What comes of an input.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Expected {
    /// So many types, functions and variables.
    Counts(usize, usize, usize),
    /// This exit code: kernels refuse longer chains than of 32 types.
    Exit(i32),
}

use Expected::{Counts, Exit};

const fn corner(name: &'static str, size: usize, make: fn(&mut Elf, usize), expected: fn(usize) -> Expected) -> Corner {
    Corner { name, size, make, expected, module: None }
}

const fn on_base(
    name: &'static str,
    size: usize,
    make: fn(&mut Elf, usize),
    module: fn(&mut Elf, usize),
    expected: fn(usize) -> Expected,
) -> Corner {
    Corner { name, size, make, expected, module: Some(module) }
}

/// All of them.
pub const CORNERS: [Corner; 41] = [
    corner("members of a struct", 60_000, members, |n| Counts(n + 2, 0, 0)),
    corner("enumerators, long names", 60_000, enumerators, |_| Counts(1, 0, 0)),
    corner("anonymous structs, nested", 10_000, nested_anonymous, |n| Counts(n + 2, 0, 0)),
    corner("named structs, nested", 10_000, nested_named, |n| Counts(n + 2, 0, 0)),
    corner("pointers in a chain", 100_000, pointers, |n| Counts(n + 1, 0, 0)),
    corner("typedefs in a chain", 100_000, typedefs, |_| Exit(6)),
    corner("arrays of arrays", 10_000, arrays, |n| Counts(n + 1, 0, 0)),
    corner("function types, nested", 50_000, prototypes, |n| Counts(2 * n + 1, 0, 0)),
    corner("parameters of a function", 60_000, parameters, |n| Counts(n + 3, 1, 0)),
    corner("parameters of a function type", 60_000, parameters_of_type, |n| Counts(n + 5, 1, 0)),
    corner("parameters of a type of arrays of arrays", 20_000, parameters_of_arrays, |n| Counts(n + 3, 1, 0)),
    corner("parameters of code that was inlined, too", 60_000, parameters_of_inlined, |_| Counts(3, 1, 0)),
    corner("parameters with one list of locations", 10_000, parameters_with_one_list, |_| Counts(3, 1, 0)),
    corner("names that end in one long name", 100_000, ends_of_a_name, |_| Counts(512, 0, 0)),
    corner("units that begin in each other's abbreviations", 20_000, overlapping_abbreviations, |_| Exit(3)),
    corner("static functions of one name, one unit", 100_000, functions_one_unit, |_| Counts(1, 0, 0)),
    corner("static functions of one name, many units", 100_000, functions_many_units, |_| Counts(1, 0, 0)),
    corner("functions of one name and address", 100_000, functions_one_place, |_| Counts(3, 1, 0)),
    corner("functions", 200_000, functions, |n| Counts(n + 2, n, 0)),
    corner("functions with a tag", 100_000, functions_with_tags, |n| Counts(2 * n + 2, n, 0)),
    corner("structs with a tag", 100_000, structs_with_tags, |n| Counts(2 * n + 1, 0, 0)),
    corner("per-CPU variables", 60_000, variables, |n| Counts(n + 2, 0, n)),
    corner("per-CPU variables with a tag", 60_000, variables_with_tags, |n| Counts(2 * n + 2, 0, n)),
    corner("per-CPU variables, arrays of arrays", 10_000, variables_of_chain, |n| Counts(2 * n + 2, 0, n)),
    corner("ambiguous names", 50_000, ambiguous, |n| Counts(9 * n + 1, 0, 0)),
    corner("names, one ambiguous after the other", 50_000, ambiguous_chain, |n| Counts(4 * n + 3, 0, 0)),
    corner("definitions of one name", 20_000, definitions_of_one_name, |n| Counts(2 * n + 1, 0, 0)),
    corner("units with two definitions of a name", 20_000, exact_units, |n| Counts(n + 5, 0, 0)),
    corner("two definitions of a name, large unit", 100_000, exact_unit, |n| Counts(n + 4, 0, 0)),
    corner("typedefs of functions that take themselves", 100_000, cyclic_typedefs, |n| Counts(3 * n, 0, 0)),
    corner("typedefs in one cycle", 100_000, typedef_ring, |_| Exit(6)),
    corner("functions that take a long cycle", 20_000, functions_of_ring, |n| Counts(n + 3, 1, 0)),
    corner("blocks, nested", 1_000_000, blocks, |_| Counts(1, 0, 0)),
    corner("bytes of a name", 50_000_000, long_name, |_| Counts(2, 0, 0)),
    corner("units", 200_000, units, |_| Counts(1, 0, 0)),
    corner("units that share n abbreviations", 20_000, shared_abbreviations, |_| Counts(1, 0, 0)),
    corner("units that refer to another one", 100_000, units_of_another, |n| Counts(2 * n + 1, 0, 0)),
    corner("bytes of one unit", 500_000_000, big_unit, |_| Counts(6001, 0, 0)),
    on_base("ambiguous names of the base", 50_000, ambiguous, module_of_ambiguous, |n| Counts(n, 0, 0)),
    on_base("types that refer to a chain of the base", 50_000, base_chain, module_of_chain, |n| Counts(n, 0, 0)),
    on_base("names that base and module have", 100_000, structs, structs, |_| Counts(0, 0, 0)),
];

fn members(f: &mut Elf, n: usize) {
    f.unit(|f| {
        let int = f.int("int", 4);
        let first = f.here();
        for _ in 0..n {
            f.anonymous(4);
            let name = f.name(&format!("x{}", f.size()));
            f.member(name, int, 0);
            f.end();
        }
        let step = (f.here() - first) / n as u32;
        let name = f.name("s");
        f.structure(name, 4 * n as u32);
        for i in 0..n as u32 {
            let name = f.name(&format!("m{i}"));
            f.member(name, first + step * i, 4 * i);
        }
        f.end();
    });
}

fn enumerators(f: &mut Elf, n: usize) {
    f.unit(|f| {
        let name = f.name("e");
        f.enumeration(name, 4, 0);
        for i in 0..n {
            let name = f.name(&format!("{}{i}", "LONG_".repeat(20)));
            f.enumerator(name, i as u32);
        }
        f.end();
    });
}

fn nested_anonymous(f: &mut Elf, n: usize) {
    f.unit(|f| {
        let int = f.int("int", 4);
        let name = f.name("s");
        f.structure(name, 4);
        for _ in 0..n {
            f.member(name, f.here() + 13, 0);
            f.anonymous(4);
        }
        f.member(name, int, 0);
        (0..=n).for_each(|_| f.end());
    });
}

fn nested_named(f: &mut Elf, n: usize) {
    f.unit(|f| {
        let mut inner = f.int("int", 4);
        for i in 0..=n {
            let (name, m) = (f.name(&format!("s{i}")), f.name("m"));
            let at = f.structure(name, 4);
            f.member(m, inner, 0);
            f.end();
            inner = at;
        }
    });
}

fn chain(f: &mut Elf, n: usize, mut link: impl FnMut(&mut Elf, Die, usize) -> Die) -> Die {
    let mut at = f.int("int", 4);
    for i in 0..n {
        at = link(f, at, i);
    }
    at
}

fn pointers(f: &mut Elf, n: usize) {
    f.unit(|f| _ = chain(f, n, |f, at, _| f.pointer(at)));
}

fn numbered_typedef(f: &mut Elf, at: Die, i: usize) -> Die {
    let name = f.name(&format!("t{i}"));
    f.typedef(name, at)
}

fn typedefs(f: &mut Elf, n: usize) {
    f.unit(|f| _ = chain(f, n, numbered_typedef));
}

fn arrays(f: &mut Elf, n: usize) {
    f.unit(|f| {
        let index = f.here();
        chain(f, n, |f, at, _| f.array(at, index, 1));
    });
}

fn prototypes(f: &mut Elf, n: usize) {
    f.unit(|f| {
        chain(f, n, |f, at, _| {
            let pointer = f.pointer(at);
            let prototype = f.prototype(pointer);
            let name = f.name("p");
            f.parameter(name, pointer);
            f.end();
            prototype
        });
    });
}

/// Two units with the same function of `n` parameters of different types: their prototypes are compared.
fn parameters(f: &mut Elf, n: usize) {
    for _ in 0..2 {
        f.unit(|f| {
            let mut types = Vec::new();
            chain(f, n, |f, at, _| {
                types.push(f.pointer(at));
                types[types.len() - 1]
            });
            f.function("f", types[0], 0);
            for (i, &t) in types.iter().enumerate() {
                let name = f.name(&format!("p{i}"));
                f.parameter(name, t);
            }
            f.end();
        });
    }
    f.function_symbol("f", 0);
}

fn parameters_of_arrays(f: &mut Elf, n: usize) {
    f.unit(|f| {
        let index = f.here();
        let last = chain(f, n, |f, at, _| f.array(at, index, 1));
        f.function("f", index, 0);
        let name = f.name("p");
        (0..n).for_each(|_| f.parameter(name, last));
        f.end();
    });
    f.function_symbol("f", 0);
}

fn parameters_of_inlined(f: &mut Elf, n: usize) {
    f.unit(|f| {
        let int = f.int("int", 4);
        let name = f.name("p");
        let inlined = f.inlined("f", int);
        let parameters: Vec<Die> = (0..n)
            .map(|_| {
                let at = f.here();
                f.parameter(name, int);
                at
            })
            .collect();
        f.end();
        f.out_of_line(inlined, 0);
        parameters.into_iter().for_each(|p| f.same_parameter(p));
        f.end();
    });
    f.function_symbol("f", 0);
}

fn parameters_with_one_list(f: &mut Elf, n: usize) {
    f.unit(|f| {
        let int = f.int("int", 4);
        let name = f.name("p");
        f.function("f", int, 0);
        (0..n).for_each(|_| f.parameter_somewhere(name, int));
        f.end();
    });
    (0..n).for_each(|_| f.location());
    f.function_symbol("f", 0);
}

fn ends_of_a_name(f: &mut Elf, n: usize) {
    let long = f.name(&"x".repeat(n));
    f.unit(|f| {
        let int = f.int("int", 4);
        (0..n as u32).for_each(|i| _ = f.typedef(long + i, int));
    });
}

fn overlapping_abbreviations(f: &mut Elf, n: usize) {
    f.unused_abbreviations(n);
    (0..n).for_each(|i| f.unit_of_unused(i, n - 1));
}

/// The same with a function whose parameter is a pointer to a function of `n` parameters.
fn parameters_of_type(f: &mut Elf, n: usize) {
    for _ in 0..2 {
        f.unit(|f| {
            let mut types = Vec::new();
            chain(f, n, |f, at, _| {
                types.push(f.pointer(at));
                types[types.len() - 1]
            });
            let p = f.name("p");
            let prototype = f.prototype(types[0]);
            types.iter().for_each(|&t| f.parameter(p, t));
            f.end();
            let pointer = f.pointer(prototype);
            f.function("f", types[0], 0);
            f.parameter(p, pointer);
            f.end();
        });
    }
    f.function_symbol("f", 0);
}

fn functions_one_unit(f: &mut Elf, n: usize) {
    f.unit(|f| {
        let int = f.int("int", 4);
        for i in 0..n {
            f.function("f", int, i);
            f.end();
            f.function_symbol("f", i);
        }
    });
}

fn functions_many_units(f: &mut Elf, n: usize) {
    for i in 0..n {
        f.unit(|f| {
            let int = f.int("int", 4);
            f.function("f", int, i);
            f.end();
        });
        f.function_symbol("f", i);
    }
}

/// As a header's inline function that the linker merged.
fn functions_one_place(f: &mut Elf, n: usize) {
    for _ in 0..n {
        f.unit(|f| {
            let int = f.int("int", 4);
            f.function("f", int, 0);
            f.end();
        });
    }
    f.function_symbol("f", 0);
}

fn some_functions(f: &mut Elf, n: usize, tagged: bool) {
    f.unit(|f| {
        let int = f.int("int", 4);
        for i in 0..n {
            let name = format!("f{i}");
            f.function(&name, int, i);
            if tagged {
                f.annotation("tag");
            }
            f.end();
            f.function_symbol(&name, i);
        }
    });
}

fn functions(f: &mut Elf, n: usize) {
    some_functions(f, n, false);
}

fn functions_with_tags(f: &mut Elf, n: usize) {
    some_functions(f, n, true);
}

/// A struct of one member.
fn small(f: &mut Elf, text: &str, bytes: u32, target: Die) -> Die {
    let (name, m) = (f.name(text), f.name("m"));
    let at = f.structure(name, bytes);
    f.member(m, target, 0);
    f.end();
    at
}

fn structs_with_tags(f: &mut Elf, n: usize) {
    f.unit(|f| {
        let int = f.int("int", 4);
        for i in 0..n {
            let (name, m) = (f.name(&format!("s{i}")), f.name("m"));
            f.structure(name, 4);
            f.member(m, int, 0);
            f.annotation("tag");
            f.end();
        }
    });
}

fn some_variables(f: &mut Elf, n: usize, tagged: bool) {
    f.unit(|f| {
        let long = f.int("long", 8);
        for i in 0..n {
            f.per_cpu(&format!("v{i}"), long, i);
            if tagged {
                f.annotation("tag");
            }
            f.end();
        }
    });
}

fn variables(f: &mut Elf, n: usize) {
    some_variables(f, n, false);
}

fn variables_with_tags(f: &mut Elf, n: usize) {
    some_variables(f, n, true);
}

fn variables_of_chain(f: &mut Elf, n: usize) {
    f.unit(|f| {
        let index = f.here();
        let end = chain(f, n, |f, at, _| f.array(at, index, 1));
        for i in 0..n {
            f.per_cpu(&format!("v{i}"), end, i);
            f.end();
        }
    });
}

/// Two units that define each name otherwise, each with a struct that points to it; a third declares them and has the first one's
/// structs, a fourth has structs of its own that point to the declarations.
fn ambiguous(f: &mut Elf, n: usize) {
    for unit in 0..4 {
        f.unit(|f| {
            let int = f.int("int", 4);
            for i in 0..n {
                let text = format!("a{i}");
                let name = f.name(&text);
                let at = if unit < 2 { small(f, &text, 4 + 4 * unit, int) } else { f.declaration(name) };
                let pointer = f.pointer(at);
                let holder = if unit == 2 { 0 } else { unit };
                small(f, &format!("h{holder}_{i}"), 8, pointer);
            }
        });
    }
}

/// A unit with the first definition of each.
fn module_of_ambiguous(f: &mut Elf, n: usize) {
    f.unit(|f| {
        let int = f.int("int", 4);
        for i in 0..n {
            let at = small(f, &format!("a{i}"), 4, int);
            let pointer = f.pointer(at);
            small(f, &format!("h0_{i}"), 8, pointer);
            small(f, &format!("new{i}"), 8, pointer);
        }
    });
}

/// Struct i points to struct i + 1, and the last one is another one in each unit.
fn ambiguous_chain(f: &mut Elf, n: usize) {
    for unit in 0..2 {
        f.unit(|f| {
            let int = f.int("int", 4);
            let mut next = small(f, "last", 4 + 4 * unit, int);
            for i in 0..n {
                let pointer = f.pointer(next);
                next = small(f, &format!("s{i}"), 8, pointer);
            }
        });
    }
}

fn definitions_of_one_name(f: &mut Elf, n: usize) {
    for i in 0..n {
        f.unit(|f| {
            let int = f.int("int", 4);
            let at = small(f, "s", 4 + i as u32, int);
            f.pointer(at);
        });
    }
}

/// Each unit defines a name twice (in two scopes), and has a struct of its own that points to both.
fn exact_units(f: &mut Elf, n: usize) {
    for i in 0..n {
        f.unit(|f| {
            let int = f.int("int", 4);
            let (one, two) = (small(f, "s", 4, int), small(f, "s", 8, int));
            let (one, two) = (f.pointer(one), f.pointer(two));
            let (name, m) = (f.name(&format!("own{i}")), f.name("m"));
            f.structure(name, 16);
            f.member(m, one, 0);
            f.member(m, two, 8);
            f.end();
        });
    }
}

fn exact_unit(f: &mut Elf, n: usize) {
    f.unit(|f| {
        let int = f.int("int", 4);
        let one = small(f, "s", 4, int);
        small(f, "s", 8, int);
        let pointer = f.pointer(one);
        for i in 0..n {
            small(f, &format!("own{i}"), 8, pointer);
        }
    });
}

/// `typedef void (*t)(t)`, which in C needs a struct, but not in DWARF.
fn cyclic_typedefs(f: &mut Elf, n: usize) {
    f.unit(|f| {
        for i in 0..n {
            let (name, p) = (f.name(&format!("t{i}")), f.name("p"));
            let at = f.typedef(name, f.here() + 9);
            f.pointer(at + 9 + 6);
            f.prototype(at);
            f.parameter(p, at);
            f.end();
        }
    });
}

fn ring(f: &mut Elf, n: usize) -> Die {
    let first = f.here();
    for i in 0..n {
        let name = f.name(&format!("t{i}"));
        let next = if i + 1 == n { first } else { f.here() + 9 };
        f.typedef(name, next);
    }
    first
}

fn typedef_ring(f: &mut Elf, n: usize) {
    f.unit(|f| _ = ring(f, n));
}

/// Pointers and not typedefs, which are compared by their names. A prototype makes the cycle one that differs from a pointer to itself.
fn functions_of_ring(f: &mut Elf, n: usize) {
    for _ in 0..2 {
        f.unit(|f| {
            let first = f.here();
            for i in 1..=n as u32 {
                f.array(first + i % n as u32 * ARRAY, first, i);
            }
            f.function("f", first, 0);
            f.end();
        });
    }
    f.function_symbol("f", 0);
}

/// Bytes of an array's DIE and of what is below it.
const ARRAY: Die = 15;

fn blocks(f: &mut Elf, n: usize) {
    f.unit(|f| {
        let int = f.int("int", 4);
        f.function("f", int, 0);
        (0..n).for_each(|_| f.block());
        (0..=n).for_each(|_| f.end());
    });
}

fn long_name(f: &mut Elf, n: usize) {
    f.unit(|f| {
        let int = f.int("int", 4);
        small(f, &"x".repeat(n), 4, int);
    });
}

fn units(f: &mut Elf, n: usize) {
    (0..n).for_each(|_| f.unit(|f| _ = f.int("int", 4)));
}

fn shared_abbreviations(f: &mut Elf, n: usize) {
    f.unused_abbreviations(n);
    units(f, n);
}

/// As link-time optimisation leaves them: each has a typedef, of a struct in the first one.
fn units_of_another(f: &mut Elf, n: usize) {
    let mut structs = Vec::new();
    f.unit(|f| {
        let int = f.int("int", 4);
        for i in 0..n {
            structs.push(f.size());
            let (name, member) = (f.name(&format!("s{i}")), f.name("m"));
            f.structure(name, 4);
            f.member(member, int, 0);
            f.end();
        }
    });
    for (i, found) in structs.into_iter().enumerate() {
        let name = f.name(&format!("t{i}"));
        f.unit(|f| _ = f.typedef_elsewhere(name, found));
    }
}

/// A thousand structs and what surrounds them, again and again, and functions with blocks and variables.
fn big_unit(f: &mut Elf, n: usize) {
    f.unit(|f| {
        let int = f.int("int", 4);
        let names: Vec<(Name, Name)> =
            (0..1000).map(|i| (f.name(&format!("s{i}")), f.name(&format!("t{i}")))).collect();
        let members: Vec<Name> = (0..8).map(|i| f.name(&format!("m{i}"))).collect();
        let mut i = 0;
        while f.size() < n {
            let (name, typedef) = names[i % 1000];
            let at = f.structure(name, 32);
            members.iter().zip(0..).for_each(|(m, i)| f.member(*m, int, 4 * i));
            f.end();
            let (pointer, constant) = (f.pointer(at), f.constant(at));
            f.pointer(constant);
            let typedef = f.typedef(typedef, at);
            f.array(typedef, int, 7);
            f.function("f", pointer, i);
            for member in &members {
                f.block();
                f.local(*member, pointer);
                f.end();
                f.end();
            }
            f.end();
            i += 1;
        }
    });
}

/// Structs whose members are pointers to pointers to ... to an int.
fn base_chain(f: &mut Elf, n: usize) {
    structs_on_chain(f, n, "s");
}

/// The same with names of its own.
fn module_of_chain(f: &mut Elf, n: usize) {
    structs_on_chain(f, n, "own");
}

fn structs_on_chain(f: &mut Elf, n: usize, name: &str) {
    f.unit(|f| {
        let mut links = Vec::new();
        chain(f, n, |f, at, _| {
            links.push(f.pointer(at));
            links[links.len() - 1]
        });
        links.iter().enumerate().for_each(|(i, &at)| _ = small(f, &format!("{name}{i}"), 8, at));
    });
}

fn structs(f: &mut Elf, n: usize) {
    f.unit(|f| {
        let int = f.int("int", 4);
        (0..n).for_each(|i| _ = small(f, &format!("s{i}"), 4, int));
    });
}
