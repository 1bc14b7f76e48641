//! What a kernel's log says of a type: its line, and that of a member. The texts are what people search for, so they are the kernel's,
//! letter by letter.

use crate::ids::{StrOff, TypeId};
use crate::kind::Kind;
use crate::view::{BtfView, TypeView};

/// Bytes of a line that are kept: a prototype may have millions of parameters.
const MAX_LINE: usize = 2000;
/// Bytes that a kernel's log takes at once. It writes a type's name with what is before it at once, and a member's with what is behind it.
const MAX_PIECE: usize = 1023;

/// How much of a type's line there is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Line {
    /// Nothing but the text.
    Text,
    /// `[7] text`
    Id,
    /// `[7] STRUCT foo text`
    Basic,
    /// `[7] STRUCT foo size=8 vlen=1 text`
    Full,
}

/// The line about a type.
pub(super) fn type_line(view: &BtfView<'_>, id: TypeId, line: Line, text: &str) -> String {
    let Some(ty) = view.get(id).filter(|_| line != Line::Text && line != Line::Id) else {
        return if line == Line::Text { text.into() } else { format!("[{id}] {text}") };
    };
    let name = name(view, ty.name_off());
    let details = if line == Line::Full { details(view, ty) } else { String::new() };
    let space = if details.is_empty() { "" } else { " " };
    let text_space = if text.is_empty() { "" } else { " " };
    let head = piece(format!("[{id}] {} {name}{space}", ty.kind().name()));
    format!("{head}{details}{text_space}{text}")
}

/// What of a text the log takes at once.
fn piece(mut text: String) -> String {
    let end = (0..=MAX_PIECE.min(text.len())).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
    text.truncate(end);
    text
}

/// The line about a member, a value or an entry of a data section, which follows that about its type; None if there is none. A member is
/// of the type `end`, if there is one, and else of its own.
pub(super) fn element_line(
    view: &BtfView<'_>,
    ty: TypeView<'_>,
    element: usize,
    end: Option<TypeId>,
    text: &str,
) -> Option<String> {
    match ty.kind() {
        Kind::Struct | Kind::Union => ty.member(element).map(|member| {
            let (name, kflag) = (name(view, member.name_off), ty.kflag());
            let bits = if kflag { format!(" bitfield_size={}", member.bit_size(kflag)) } else { String::new() };
            let id = end.unwrap_or(member.type_id);
            let head = piece(format!("\t{name} type_id={id}{bits} bits_offset={}", member.bit_offset(kflag)));
            format!("{head} {text}")
        }),
        Kind::Datasec => ty
            .var(element)
            .map(|var| format!("\t type_id={} offset={} size={} {text}", var.type_id, var.byte_offset, var.byte_size)),
        // Of an enumerator it shows no more than the offset of its name, if that is what is wrong.
        Kind::Enum | Kind::Enum64 if text.starts_with("Invalid name_offset") => Some(format!("\t{text}")),
        _ => None,
    }
}

/// A name as the kernel shows it.
pub(super) fn name(view: &BtfView<'_>, name: StrOff) -> String {
    if name == StrOff::EMPTY {
        return "(anon)".into();
    }
    match view.string_tail(name).filter(|_| name <= StrOff::MAX) {
        None => "(invalid-name-offset)".into(),
        Some(tail) => text_of(tail, MAX_PIECE),
    }
}

/// The start of a name, as text.
pub(super) fn text_of(tail: &[u8], limit: usize) -> String {
    let len = tail.iter().take(limit).position(|&b| b == 0);
    String::from_utf8_lossy(&tail[..len.unwrap_or(tail.len().min(limit))]).into_owned()
}

fn details(view: &BtfView<'_>, ty: TypeView<'_>) -> String {
    let word = ty.size_or_type();
    match ty.kind() {
        Kind::Int => {
            let int = ty.int_data().unwrap_or_default();
            let encoding = match int.encoding() {
                0 => "(none)",
                1 => "SIGNED",
                2 => "CHAR",
                4 => "BOOL",
                _ => "UNKN",
            };
            format!("size={word} bits_offset={} nr_bits={} encoding={encoding}", int.bit_offset(), int.nr_bits())
        }
        Kind::Array => {
            let array = ty.array().unwrap_or_default();
            format!("type_id={} index_type_id={} nr_elems={}", array.elem, array.index, array.nelems)
        }
        Kind::Struct | Kind::Union | Kind::Enum | Kind::Enum64 | Kind::Datasec => {
            format!("size={word} vlen={}", ty.vlen())
        }
        Kind::Fwd => if ty.kflag() { "union" } else { "struct" }.into(),
        Kind::Ptr | Kind::Typedef | Kind::Volatile | Kind::Const | Kind::Restrict | Kind::Func | Kind::TypeTag => {
            format!("type_id={word}")
        }
        Kind::FuncProto => prototype(view, ty),
        Kind::Var => format!("type_id={word} linkage={}", ty.linkage().unwrap_or(0)),
        Kind::Float => format!("size={word}"),
        Kind::DeclTag => format!("type={word} component_idx={}", ty.component_index().unwrap_or(-1)),
    }
}

fn prototype(view: &BtfView<'_>, ty: TypeView<'_>) -> String {
    let mut line = format!("return={} args=(", ty.size_or_type());
    let count = ty.params().len();
    for (n, param) in ty.params().enumerate() {
        if line.len() > MAX_LINE {
            line += "...";
            break;
        }
        let comma = if n == 0 { "" } else { ", " };
        if n + 1 == count && param.type_id == TypeId::VOID {
            line += &format!("{comma}vararg");
        } else {
            line += &piece(format!("{comma}{} {}", param.type_id, name(view, param.name_off)));
        }
    }
    if count == 0 {
        line += "void";
    }
    line + ")"
}
