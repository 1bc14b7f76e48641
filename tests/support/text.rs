//! BTF as lines of text that do not depend on ids: a line per type, each with all that it refers to written out as far as
//! the next name. tests/cases/README.md describes the notation.

use btf::ids::{StrOff, TypeId};
use btf::kind::Kind;
use btf::view::{BtfView, IntData, TypeView};

/// Deeper than types without names nest.
const MAX_DEPTH: usize = 64;

/// The own types of a BTF, one line each, and after each named struct or union a line per member.
pub fn lines(view: &BtfView<'_>) -> Vec<String> {
    let mut lines = Vec::new();
    for (_, ty) in view.types() {
        lines.push(line(view, ty));
        let name = name(view, ty.name_off());
        if ty.is_composite() && name != "(anon)" {
            let members = ty.members().map(|m| format!("MEMBER {name}.{}", member(view, m, ty.kflag(), 0)));
            lines.extend(members);
        }
    }
    lines
}

/// Whether a line is what was expected: the same, or the expectation ends before it at the end of a word. `?` in the
/// expectation stands for a number.
pub fn matches(line: &str, expected: &str) -> bool {
    let (mut at, mut rest) = (line.as_bytes(), expected.as_bytes());
    loop {
        match (at, rest) {
            ([], []) => return true,
            ([next, ..], []) => {
                let last = expected.bytes().last().unwrap_or(b' ');
                return !(is_word(*next) && is_word(last));
            }
            ([digit, ..], [b'?', after @ ..]) if digit.is_ascii_digit() => {
                let end = at.iter().position(|b| !b.is_ascii_digit()).unwrap_or(at.len());
                (at, rest) = (&at[end..], after);
            }
            ([a, x @ ..], [b, y @ ..]) if a == b => (at, rest) = (x, y),
            _ => return false,
        }
    }
}

fn is_word(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'=')
}

fn name(view: &BtfView<'_>, offset: StrOff) -> String {
    match view.string(offset) {
        Some(b"") => "(anon)".into(),
        Some(name) => String::from_utf8_lossy(name).into_owned(),
        None => format!("(no string at {offset:?})"),
    }
}

fn line(view: &BtfView<'_>, ty: TypeView<'_>) -> String {
    let kind = ty.kind().name();
    let named = format!("{kind} {}", name(view, ty.name_off()));
    match ty.kind() {
        Kind::Int => {
            let int = ty.int_data().unwrap_or_default();
            let size = ty.size_or_type();
            let mut line = format!("{named} size={size} {}", encoding(int));
            if int.nr_bits() != size * 8 {
                line += &format!(" bits={}", int.nr_bits());
            }
            if int.bit_offset() != 0 {
                line += &format!(" offset={}", int.bit_offset());
            }
            line
        }
        Kind::Float => format!("{named} size={}", ty.size_or_type()),
        Kind::Struct | Kind::Union => format!("{named} size={} {}", ty.size_or_type(), members(view, ty, 0)),
        Kind::Enum | Kind::Enum64 => format!("{named} size={}{} {}", ty.size_or_type(), signed(ty), values(view, ty)),
        Kind::Fwd => format!("{kind} {} {}", tag_word(ty), name(view, ty.name_off())),
        Kind::Typedef => format!("{named} = {}", type_text(view, ty.type_id(), 0)),
        Kind::Func => {
            let linkage = ["", " global", " extern"].get(ty.vlen() as usize).unwrap_or(&" linkage?");
            let proto = ty.type_id().and_then(|id| view.get(id)).filter(|p| p.kind() == Kind::FuncProto);
            let text = proto.map_or("(no prototype)".into(), |p| prototype(view, p, 0));
            format!("{named}{text}{linkage}")
        }
        Kind::Var => {
            let linkage = ["static", "global", "extern"].get(ty.linkage().unwrap_or(9) as usize).unwrap_or(&"linkage?");
            format!("{named}: {} {linkage}", type_text(view, ty.type_id(), 0))
        }
        Kind::Datasec => {
            let entry = |v: btf::view::VarEntryView| {
                let variable = view.get(v.type_id).map_or("(nothing)".into(), |t| name(view, t.name_off()));
                format!("{variable} @{} +{}", v.byte_offset, v.byte_size)
            };
            format!("{named} size={} {}", ty.size_or_type(), braced(ty.vars().map(entry), "; "))
        }
        Kind::DeclTag => {
            let target = ty.type_id().and_then(|id| view.get(id));
            let text =
                target.map_or("(nothing)".into(), |t| format!("{} {}", t.kind().name(), name(view, t.name_off())));
            let component = match ty.component_index() {
                None | Some(-1) => String::new(),
                Some(n) => format!(" #{n}"),
            };
            format!("{kind} \"{}\" on {text}{component}", name(view, ty.name_off()))
        }
        Kind::Ptr | Kind::Array | Kind::Volatile | Kind::Const | Kind::Restrict | Kind::FuncProto | Kind::TypeTag => {
            format!("{kind} {}", of(view, ty, 0))
        }
    }
}

fn encoding(int: IntData) -> String {
    match int.encoding() {
        0 => "UNSIGNED".into(),
        IntData::SIGNED => "SIGNED".into(),
        IntData::CHAR => "CHAR".into(),
        IntData::BOOL => "BOOL".into(),
        other => format!("encoding={other}"),
    }
}

fn signed(ty: TypeView<'_>) -> &'static str {
    if ty.kflag() { " signed" } else { "" }
}

fn tag_word(ty: TypeView<'_>) -> &'static str {
    match (ty.kind(), ty.kflag()) {
        (Kind::Struct, _) | (Kind::Fwd, false) => "struct",
        (Kind::Union, _) | (Kind::Fwd, true) => "union",
        _ => "enum",
    }
}

fn braced(parts: impl Iterator<Item = String>, separator: &str) -> String {
    let parts: Vec<String> = parts.collect();
    if parts.is_empty() { "{ }".into() } else { format!("{{ {} }}", parts.join(separator)) }
}

fn members(view: &BtfView<'_>, ty: TypeView<'_>, depth: usize) -> String {
    let text = braced(ty.members().map(|m| member(view, m, ty.kflag(), depth)), "; ");
    let has_bit_fields = ty.members().any(|m| m.bit_size(ty.kflag()) != 0);
    if ty.kflag() != has_bit_fields { format!("kflag {text}") } else { text }
}

fn member(view: &BtfView<'_>, m: btf::view::MemberView, kflag: bool, depth: usize) -> String {
    let bits = match m.bit_size(kflag) {
        0 => String::new(),
        bits => format!(":{bits}"),
    };
    let place = format!("@{}{bits}", m.bit_offset(kflag));
    format!("{}: {} {place}", name(view, m.name_off), type_text(view, Some(m.type_id), depth))
}

fn values(view: &BtfView<'_>, ty: TypeView<'_>) -> String {
    let wide = ty.kind() == Kind::Enum64 && !ty.kflag();
    let value = |e: btf::view::EnumeratorView| {
        let value = if wide { (e.value as u64).to_string() } else { e.value.to_string() };
        format!("{}={value}", name(view, e.name_off))
    };
    braced(ty.enumerators().map(value), ", ")
}

fn prototype(view: &BtfView<'_>, ty: TypeView<'_>, depth: usize) -> String {
    let parameter = |p: btf::view::ParamView| match (p.name_off, p.type_id) {
        (StrOff::EMPTY, TypeId::VOID) => "...".into(),
        (StrOff::EMPTY, id) => type_text(view, Some(id), depth),
        (n, id) => format!("{}: {}", name(view, n), type_text(view, Some(id), depth)),
    };
    let parameters: Vec<String> = ty.params().map(parameter).collect();
    format!("({}) -> {}", parameters.join(", "), type_text(view, ty.type_id(), depth))
}

/// A type as others refer to it.
fn type_text(view: &BtfView<'_>, id: Option<TypeId>, depth: usize) -> String {
    match id {
        None | Some(TypeId::VOID) => "void".into(),
        Some(id) => view.get(id).map_or_else(|| format!("(no type {id})"), |ty| of(view, ty, depth + 1)),
    }
}

fn of(view: &BtfView<'_>, ty: TypeView<'_>, depth: usize) -> String {
    if depth > MAX_DEPTH {
        return "(too deep)".into();
    }
    let target = |prefix: &str| format!("{prefix}{}", type_text(view, ty.type_id(), depth));
    let own_name = name(view, ty.name_off());
    match ty.kind() {
        Kind::Int | Kind::Float | Kind::Typedef => own_name,
        Kind::Ptr => target("*"),
        Kind::Const => target("const "),
        Kind::Volatile => target("volatile "),
        Kind::Restrict => target("restrict "),
        Kind::TypeTag => target(&format!("tag({own_name}) ")),
        Kind::Array => {
            let a = ty.array().unwrap_or_default();
            let index = match type_text(view, Some(a.index), depth) {
                int if int == "int" => String::new(),
                other => format!(":{other}"),
            };
            format!("[{}{index}]{}", a.nelems, type_text(view, Some(a.elem), depth))
        }
        Kind::FuncProto => format!("func{}", prototype(view, ty, depth)),
        Kind::Struct | Kind::Union if own_name == "(anon)" => format!("{} {}", tag_word(ty), members(view, ty, depth)),
        Kind::Enum | Kind::Enum64 if own_name == "(anon)" => format!("enum {}", values(view, ty)),
        Kind::Struct | Kind::Union | Kind::Enum | Kind::Enum64 => format!("{} {own_name}", tag_word(ty)),
        Kind::Fwd => format!("fwd {} {own_name}", tag_word(ty)),
        Kind::Func | Kind::Var | Kind::Datasec | Kind::DeclTag => format!("({} {own_name})", ty.kind().name()),
    }
}
