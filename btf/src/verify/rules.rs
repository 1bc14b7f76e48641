//! The table of all rules: what each is about, and what to do when it is broken.
//!
//! The numbers are those of `docs/verify.md`, which is made of this table, too (a test compares them).

/// A rule.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rule {
    /// Its number: a tier and a number in it.
    pub number: &'static str,
    /// What breaks it.
    pub broken_if: &'static str,
    /// What to do.
    pub remedy: &'static str,
}

/// The rule with this number.
pub fn rule(number: &str) -> Option<&'static Rule> {
    RULES.iter().find(|rule| rule.number == number)
}

const fn r(number: &'static str, broken_if: &'static str, remedy: &'static str) -> Rule {
    Rule { number, broken_if, remedy }
}

/// What to do about bytes that are not what was written.
const DAMAGED: &str = "the file is damaged or cut short: build and encode it again";
/// About a header that a newer encoder wrote.
const NEWER: &str = "a newer encoder wrote it: encode again with btfgen, or without the encoder's newest features";
/// About references into a base that is not the one at hand.
const OTHER_BASE: &str =
    "it was most likely encoded on another base: encode it again on this kernel's vmlinux (btfgen check tells)";
/// About what no encoder should write.
const ENCODER: &str = "a fault of the encoder, or damage: encode again with btfgen";
/// About names.
const NAMES: &str = "kernels take letters, digits, _ and . only: leave out units of C++ or Rust (--lang_exclude), or encode with btfgen, which renames";
/// About what a kernel resolves for user BTF only.
const LAYOUT: &str = "kernel BTF may have it (packed structs): it matters only where it is loaded with BPF_BTF_LOAD";

/// All of them, in the order in which a kernel asks.
pub const RULES: &[Rule] = &[
    r(
        "N2",
        "user BTF of more than 16 MiB",
        "cut it down to the types that the program needs (bpftool gen min_core_btf)",
    ),
    r("H1", "fewer than 8 bytes", DAMAGED),
    r("H2", "fewer bytes than the header has by its own account", DAMAGED),
    r("H3", "a field of the header is in use that this kernel does not know", NEWER),
    r(
        "H4",
        "the magic number is not eb9f in the kernel's byte order",
        "it is no BTF, or of a machine with the other byte order",
    ),
    r("H5", "the version is not 1", NEWER),
    r("H6", "a flag of the header is set", NEWER),
    r("H7", "a base with nothing after its header", "encode the kernel: its BTF is empty"),
    r("H8", "a section begins beyond the data", DAMAGED),
    r("H9", "bytes that belong to no section", DAMAGED),
    r("H10", "two sections overlap", DAMAGED),
    r("H11", "a section ends beyond the data", DAMAGED),
    r("S1", "a header of less than 32 bytes, and strings that do not end the data", DAMAGED),
    r(
        "S2",
        "strings that do not end in a NUL, or (base) do not begin with one, or are missing; more than 16 MiB of them",
        DAMAGED,
    ),
    r("L1", "a layout section whose offset is no multiple of 4 (user BTF)", ENCODER),
    r("L2", "a layout section whose size is no multiple of 4 (user BTF)", ENCODER),
    r("R0a", "a type section whose offset is no multiple of 4 (user BTF)", ENCODER),
    r("R0b", "a base without types (user BTF)", "encode the kernel: its BTF is empty"),
    r(
        "N1",
        "more than 1,048,575 types, those of the base included",
        "encode fewer types: a kernel has no room for more",
    ),
    r("M1", "a record that does not end before the type section does", DAMAGED),
    r(
        "M2",
        "a kind that this kernel does not know",
        "encode for this kernel: leave out what it does not know (--btf_features, --dialect)",
    ),
    r(
        "M3",
        "a bit of the info word that kernels before 7.3 do not know",
        "a struct or enum with more than 65,535 elements: only 7.3 and later take it",
    ),
    r("M4", "a name that is not in the strings", OTHER_BASE),
    r("M10", "INT: vlen", ENCODER),
    r("M11", "INT: kflag", ENCODER),
    r("M12", "INT: bits 28 to 31 of its data word", ENCODER),
    r("M13", "INT: more than 128 bits, the offset included", ENCODER),
    r("M14", "INT: more bits than its size has", ENCODER),
    r("M15", "INT: an encoding other than none, SIGNED, CHAR or BOOL", ENCODER),
    r("M20", "PTR, modifier: vlen", ENCODER),
    r(
        "M21",
        "PTR, modifier: kflag (TYPE_TAG: before 6.15)",
        "for kernels before 6.15: encode without attributes as tags",
    ),
    r("M22", "PTR, modifier: an id beyond 1,048,575", OTHER_BASE),
    r("M23", "TYPEDEF: a name that is missing or no identifier", NAMES),
    r("M24", "TYPE_TAG: no name", ENCODER),
    r("M25", "PTR, CONST, VOLATILE, RESTRICT: a name", ENCODER),
    r("M30", "FWD: vlen", ENCODER),
    r("M31", "FWD: a third word other than 0", ENCODER),
    r("M32", "FWD: a name that is missing or no identifier", NAMES),
    r("M40", "ARRAY: a name", ENCODER),
    r("M41", "ARRAY: vlen, kflag or a third word other than 0", ENCODER),
    r("M42", "ARRAY: elements of void, or an id beyond 1,048,575", OTHER_BASE),
    r("M43", "ARRAY: an index of void, or an id beyond 1,048,575", OTHER_BASE),
    r("M50", "STRUCT, UNION: a name that is no identifier", NAMES),
    r("M51", "STRUCT, UNION: a member whose name is not in the strings", OTHER_BASE),
    r("M52", "STRUCT, UNION: a member with a name that is no identifier", NAMES),
    r("M53", "STRUCT, UNION: a member of void, or an id beyond 1,048,575", OTHER_BASE),
    r("M54", "UNION: a member that is not at 0", ENCODER),
    r("M55", "STRUCT: a member before the one that precedes it", ENCODER),
    r("M56", "STRUCT, UNION: a member that begins beyond the end", ENCODER),
    r("M60", "ENUM, ENUM64: a size other than 1, 2, 4, 8", ENCODER),
    r("M61", "ENUM, ENUM64: a name that is no identifier", NAMES),
    r("M62", "ENUM, ENUM64: a value whose name is not in the strings", OTHER_BASE),
    r("M63", "ENUM, ENUM64: a value with a name that is missing or no identifier", NAMES),
    r("M64", "ENUM: kflag (before 6.0)", "for kernels before 6.0: encode without signs of enums"),
    r("M70", "FUNC_PROTO: a name", ENCODER),
    r("M71", "FUNC_PROTO: kflag", ENCODER),
    r("M72", "FUNC: a name that is missing or no identifier", NAMES),
    r("M73", "FUNC: a linkage other than static or global", "leave out functions that are only declared"),
    r("M74", "FUNC: kflag", ENCODER),
    r("M80", "VAR: vlen or kflag", ENCODER),
    r("M81", "VAR: a name that is missing or no identifier", NAMES),
    r("M82", "VAR: of void, or an id beyond 1,048,575", OTHER_BASE),
    r("M83", "VAR: a linkage other than static or global", "leave out variables that are only declared"),
    r("M90", "DATASEC: size 0", "leave out empty sections"),
    r("M91", "DATASEC: kflag", ENCODER),
    r(
        "M92",
        "DATASEC: a name that is missing, too long or not printable (before 6.12: no identifier)",
        "rename the section, or leave it out",
    ),
    r("M93", "DATASEC: an entry of void, or an id beyond 1,048,575", OTHER_BASE),
    r(
        "M94",
        "DATASEC: an entry before the end of the one that precedes it (overlapping variables), or beyond the section",
        "leave out one of the variables that overlap, and sort the others",
    ),
    r("M95", "DATASEC: an entry of size 0, or larger than the section", "leave out variables of size 0"),
    r("M96", "DATASEC: an entry that ends beyond the section", ENCODER),
    r("M97", "DATASEC: entries that together are larger than the section", ENCODER),
    r("M100", "FLOAT: vlen or kflag", ENCODER),
    r(
        "M101",
        "FLOAT: a size other than 2, 4, 8, 12, 16",
        "leave out such floating types, or describe them otherwise (--dialect float=off)",
    ),
    r("M110", "DECL_TAG: no text", ENCODER),
    r("M111", "DECL_TAG: vlen", ENCODER),
    r("M112", "DECL_TAG: kflag (before 6.15)", "for kernels before 6.15: encode without attributes as tags"),
    r("M113", "DECL_TAG: a component below -1", ENCODER),
    r(
        "R1",
        "more than 32 types, each needed by the one before (user BTF)",
        "declare a type where it is pointed to, or order types so that what is needed comes first",
    ),
    r("R2", "a type that contains itself, or a circle of pointers and modifiers (user BTF)", ENCODER),
    r("R3", "PTR, modifier: of a type that does not exist, or of a VAR, DATASEC, DECL_TAG (user BTF)", OTHER_BASE),
    r("R4", "PTR, modifier: of a FUNC (user BTF)", OTHER_BASE),
    r("R5", "VAR: of a type that does not exist or has no size (user BTF)", OTHER_BASE),
    r("R6", "ARRAY: an index that is no INT of 8, 16, 32, 64 or 128 bits (user BTF)", OTHER_BASE),
    r("R7", "ARRAY: elements of a type that does not exist or has no size (user BTF)", OTHER_BASE),
    r("R8", "ARRAY: of an INT of other than 8, 16, 32, 64 or 128 bits (user BTF)", LAYOUT),
    r("R9", "ARRAY: of 4 GiB or more (user BTF)", LAYOUT),
    r("R10", "STRUCT, UNION: a member of a type that does not exist or has no size (user BTF)", OTHER_BASE),
    r("R11", "STRUCT, UNION: a member, no bit-field and no INT, that is not on a byte boundary (user BTF)", LAYOUT),
    r("R12", "STRUCT, UNION: a member that ends beyond the end (user BTF)", OTHER_BASE),
    r("R13", "STRUCT, UNION: a bit-field that is no INT and no ENUM (user BTF)", ENCODER),
    r("R14", "STRUCT, UNION: a bit-field of an INT of other than 8, 16, 32, 64 or 128 bits (user BTF)", LAYOUT),
    r("R15", "STRUCT, UNION: a bit-field that is wider than its type (user BTF)", ENCODER),
    r("R16", "STRUCT, UNION with bit-fields: an INT that is none, and not on a byte boundary (user BTF)", LAYOUT),
    r("R17", "STRUCT, UNION: an INT that spans more than 128 bits from its first byte on (user BTF)", LAYOUT),
    r("R18", "STRUCT, UNION: an INT whose bits begin beyond 4 Gib (user BTF)", ENCODER),
    r("R19", "STRUCT, UNION: a FLOAT that is not aligned to its size (user BTF)", LAYOUT),
    r("R20", "FUNC: not of a FUNC_PROTO (user BTF)", OTHER_BASE),
    r("R21", "FUNC: a parameter without a name (user BTF)", ENCODER),
    r("R22", "FUNC_PROTO: a result of a type that does not exist or has no size, void aside (user BTF)", OTHER_BASE),
    r("R23", "FUNC_PROTO: variable arguments with a name (user BTF)", ENCODER),
    r(
        "R24",
        "FUNC_PROTO: a parameter of a type that does not exist or has no size, or with a name that is no identifier (user BTF)",
        OTHER_BASE,
    ),
    r("R25", "DATASEC: an entry that is no VAR (user BTF)", OTHER_BASE),
    r("R26", "DATASEC: an entry smaller than its variable (user BTF)", OTHER_BASE),
    r("R27", "DECL_TAG: of what is no STRUCT, UNION, FUNC, VAR, TYPEDEF (user BTF)", OTHER_BASE),
    r("R28", "DECL_TAG: of a component that its target does not have (user BTF)", OTHER_BASE),
    r("C1", "a modifier of a type that does not exist", OTHER_BASE),
    r("C2", "more than 32 modifiers in a row, or a circle of them", ENCODER),
    r(
        "C3",
        "a TYPE_TAG after another modifier (before 7.3)",
        "for kernels before 7.3: encode without type tags (--dialect type-tag=off)",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_number_is_there_twice() {
        for (at, rule) in RULES.iter().enumerate() {
            assert!(RULES[..at].iter().all(|other| other.number != rule.number), "{}", rule.number);
        }
    }
}
