//! Types as C spells them, in one line, for messages: `const struct sock *`, `int (*)(void *, int)`, `u8[16]`.

use crate::graph::{FIXED_WORDS, Head, is_forward, vlen};
use crate::joint::{Joint, Node};
use crate::kind::Kind;
use crate::strings::StrId;

/// Pointers, arrays, qualifiers and prototypes one after the other that are spelled out; more are `...`.
pub(crate) const MAX_LINKS: usize = 32;
/// Prototypes in prototypes that are spelled out.
const MAX_DEPTH: usize = 3;
/// Parameters of a prototype that are spelled out.
const MAX_PARAMETERS: usize = 24;

/// A type as C spells it without a name.
pub(crate) fn spell(joint: &Joint, node: Node) -> String {
    declare(joint, node, "", MAX_DEPTH)
}

/// A declaration of `name` with a type.
pub(crate) fn declare(joint: &Joint, node: Node, name: &str, depth: usize) -> String {
    let mut declarator = name.to_owned();
    let (mut at, mut qualifiers) = (node, String::new());
    let mut is_pointer = false;
    for _ in 0..MAX_LINKS {
        let Some(kind) = joint.kind(at) else { break };
        let record = joint.record(at);
        match kind {
            Kind::Const => qualifiers += "const ",
            Kind::Volatile => qualifiers += "volatile ",
            Kind::Restrict => qualifiers += "restrict ",
            // As the kernel's headers spell it: `__user`, `__rcu`.
            Kind::TypeTag => qualifiers += &format!("__{} ", joint.text(joint.name(at))),
            Kind::Ptr => {
                let space = if qualifiers.is_empty() { "" } else { " " };
                let sep = if declarator.is_empty() || qualifiers.is_empty() { "" } else { " " };
                declarator = format!("*{space}{}{sep}{declarator}", qualifiers.trim_end());
                qualifiers.clear();
                is_pointer = true;
            }
            Kind::Array => {
                declarator = format!("{}[{}]", grouped(declarator, is_pointer), record[5]);
                is_pointer = false;
                at = record[3];
                continue;
            }
            Kind::FuncProto => {
                declarator = format!("{}({})", grouped(declarator, is_pointer), parameters(joint, at, depth));
                is_pointer = false;
            }
            _ => break,
        }
        at = record[2];
    }
    let space = if declarator.is_empty() || declarator.starts_with('[') { "" } else { " " };
    format!("{qualifiers}{}{space}{declarator}", base_name(joint, at))
}

fn grouped(declarator: String, is_pointer: bool) -> String {
    if is_pointer { format!("({declarator})") } else { declarator }
}

/// The parameters of a FUNC_PROTO, without names.
fn parameters(joint: &Joint, proto: Node, depth: usize) -> String {
    let words = &joint.record(proto)[FIXED_WORDS..];
    if words.is_empty() {
        return "void".into();
    }
    let Some(depth) = depth.checked_sub(1) else { return "...".into() };
    let one = |p: &[u32]| if p == [0, 0] { "...".to_owned() } else { declare(joint, p[1], "", depth) };
    let mut all: Vec<String> = words.chunks_exact(2).take(MAX_PARAMETERS).map(one).collect();
    if words.len() > 2 * MAX_PARAMETERS {
        all.push("...".into());
    }
    all.join(", ")
}

/// What stands at the beginning of a declaration.
fn base_name(joint: &Joint, node: Node) -> String {
    let Some(kind) = joint.kind(node) else { return "void".into() };
    let record = joint.record(node);
    let name = joint.text(StrId(record[1]));
    let keyword = match kind {
        Kind::Struct => "struct",
        Kind::Union => "union",
        Kind::Fwd if Head::of(record).kflag => "union",
        Kind::Fwd => "struct",
        Kind::Enum | Kind::Enum64 => "enum",
        Kind::Int | Kind::Float | Kind::Typedef => return name.into_owned(),
        // Too many links, or what is no type of C.
        _ => return "...".into(),
    };
    if !name.is_empty() {
        return format!("{keyword} {name}");
    }
    let step = if kind == Kind::Enum { 2 } else { 3 };
    match record[FIXED_WORDS..].chunks_exact(step).map(|e| StrId(e[0])).find(|&name| name != StrId::EMPTY) {
        Some(first) if vlen(record) == 1 => format!("{keyword} {{{}}}", joint.text(first)),
        Some(first) => format!("{keyword} {{{}, ...}}", joint.text(first)),
        None => format!("{keyword} {{}}"),
    }
}

/// A named or anonymous definition in a few words: its size and how much it has.
pub(crate) fn outline(joint: &Joint, node: Node) -> String {
    let Some(kind) = joint.kind(node) else { return "void".into() };
    let record = joint.record(node);
    let count = |one: &str| match vlen(record) {
        1 => format!("1 {one}"),
        n => format!("{n} {one}s"),
    };
    match kind {
        _ if is_forward(record) => "only declared".into(),
        Kind::Struct | Kind::Union => format!("{} bytes, {}", record[2], count("member")),
        Kind::Enum | Kind::Enum64 => {
            let sign = if Head::of(record).kflag { "signed" } else { "unsigned" };
            format!("{} bytes, {sign}, {}", record[2], count("value"))
        }
        Kind::Int => integer(record),
        Kind::Float => format!("{} bytes, floating", record[2]),
        Kind::Datasec => format!("{} bytes, {}", record[2], count("variable")),
        Kind::Func | Kind::Typedef | Kind::Var => spell(joint, record[2]),
        Kind::Fwd
        | Kind::Ptr
        | Kind::Array
        | Kind::Volatile
        | Kind::Const
        | Kind::Restrict
        | Kind::FuncProto
        | Kind::DeclTag
        | Kind::TypeTag => spell(joint, node),
    }
}

fn integer(record: &[u32]) -> String {
    let data = crate::view::IntData(record.get(FIXED_WORDS).copied().unwrap_or(0));
    let encoding = match data.encoding() {
        0 => "unsigned".to_owned(),
        1 => "signed".into(),
        2 => "char".into(),
        3 => "signed char".into(),
        4 => "boolean".into(),
        other => format!("encoding {other:#x}"),
    };
    let bits = if data.nr_bits() == record[2].saturating_mul(8) && data.bit_offset() == 0 {
        String::new()
    } else {
        format!(", {} bits from bit {}", data.nr_bits(), data.bit_offset())
    };
    format!("{} bytes, {encoding}{bits}", record[2])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Blob;
    use crate::view::BtfView;

    #[test]
    fn as_c_has_it() {
        let mut b = Blob::new();
        let int = b.int("int", 4);
        let s = b.structure("s", 4, &[("x", int, 0)]);
        let constant = b.konst(s);
        let ptr = b.ptr(constant);
        let const_ptr = b.konst(ptr);
        let proto = b.proto(int, &[("a", ptr), ("", 0)]);
        let function = b.ptr(proto);
        let array = b.array(function, int, 3);
        let to_array = b.ptr(array);
        let returns = b.proto(function, &[]);
        let matrix = b.array(int, int, 2);
        let matrix = b.array(matrix, int, 3);
        let user = b.type_tag("user", int);
        let user = b.ptr(user);
        let own = b.next_id();
        let endless = b.ptr(own);
        let anonymous = b.enumeration("", false, &[("A", 1), ("B", 2)]);
        let bytes = b.bytes();
        let view = BtfView::parse(&bytes).expect("it is BTF");
        let Ok(joint) = Joint::of(&[&view]) else { panic!("it is sound") };
        let expected = [
            (0, "void"),
            (ptr, "const struct s *"),
            (const_ptr, "const struct s * const"),
            (function, "int (*)(const struct s *, ...)"),
            (array, "int (*[3])(const struct s *, ...)"),
            (to_array, "int (*(*)[3])(const struct s *, ...)"),
            (returns, "int (*(void))(const struct s *, ...)"),
            (user, "__user int *"),
            (anonymous, "enum {A, ...}"),
        ];
        for (id, text) in expected {
            assert_eq!(spell(&joint, id), text);
        }
        assert_eq!(spell(&joint, matrix), "int[3][2]");
        assert_eq!(declare(&joint, const_ptr, "p", 1), "const struct s * const p");
        assert!(spell(&joint, endless).ends_with("...") || spell(&joint, endless).contains("... *"));
    }
}
