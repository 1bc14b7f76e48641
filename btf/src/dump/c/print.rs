//! Types as text of C.
//!
//! A declaration is read from the inside out and written from left to right: what it is made of is put on a stack in pieces, which are taken
//! from there one by one and may put more pieces on it (a parameter's declaration, the body of a struct without a name). So nothing recurs,
//! however deep types are nested.

use std::borrow::Cow;
use std::io::Write;

use super::layout::{Gap, Layouts, Pad, Plan, pads};
use super::names::Names;
use crate::error::{Error, ErrorKind, Place, Result};
use crate::ids::{StrOff, TypeId};
use crate::kind::Kind;
use crate::view::{BtfView, IntData, TypeView};

/// A piece of text that is still to be written.
enum Piece<'a> {
    Text(&'static str),
    Name(Cow<'a, [u8]>),
    Number(u64),
    /// `type name`, the name being empty in parameters.
    Declaration {
        id: TypeId,
        name: Cow<'a, [u8]>,
        indent: usize,
    },
    /// A struct, union or enum from its keyword to the attributes after `}`.
    Body {
        id: TypeId,
        indent: usize,
    },
    /// The same without its name.
    Nameless {
        id: TypeId,
        indent: usize,
    },
    Indent(usize),
    Pad(Pad, usize),
    TypeTag(TypeId),
    DeclTags(TypeId, i32),
}

/// Qualifiers and tags, of what is to the left of them.
#[derive(Default, Clone)]
struct Qualifiers {
    is_const: bool,
    is_volatile: bool,
    is_restrict: bool,
    tags: Vec<TypeId>,
}

/// What a type is made of on the way to what has a name.
enum Link {
    Pointer(Qualifiers),
    Array(u32),
    Function(TypeId),
}

/// The text so far, and what it needs to be defined before it.
pub struct Printer<'v, 'a> {
    view: &'v BtfView<'a>,
    pub names: Names<'v, 'a>,
    pub layouts: Layouts<'v, 'a>,
    /// DECL_TAGs: of which type, of which of its parts, tag; sorted.
    tags: Vec<(TypeId, i32, TypeId)>,
    pub out: Vec<u8>,
    stack: Vec<Piece<'a>>,
    /// How long the text may become, and how many references may be followed; what needs more was made to.
    limit: usize,
    steps: usize,
    /// Values of enums without a name that were written, by type.
    pub values_written: Vec<bool>,
    /// Names of integers that compilers do not have, once they are given.
    integers: hashbrown::HashMap<TypeId, Cow<'a, [u8]>, foldhash::fast::FixedState>,
    pub uses: Uses,
}

/// What the text uses of the macros in front of it.
#[derive(Default)]
pub struct Uses {
    pub type_tags: bool,
    pub decl_tags: bool,
    pub attributes: bool,
}

impl<'v, 'a> Printer<'v, 'a> {
    pub fn new(view: &'v BtfView<'a>, names: Names<'v, 'a>, tags: Vec<(TypeId, i32, TypeId)>) -> Printer<'v, 'a> {
        let bytes: usize = view.levels().iter().map(|level| level.bytes().len()).sum();
        Printer {
            view,
            layouts: Layouts::new(view, names.definitions()),
            names,
            tags,
            out: Vec::with_capacity(bytes / 2),
            stack: Vec::new(),
            limit: bytes.saturating_mul(64).saturating_add(1 << 20),
            steps: 0,
            values_written: vec![false; view.end_id().index()],
            integers: hashbrown::HashMap::default(),
            uses: Uses::default(),
        }
    }

    /// `struct x;`
    pub fn forward(&mut self, id: TypeId, ty: TypeView<'a>) {
        self.tag_name(id, ty);
        self.out.extend_from_slice(b";\n\n");
    }

    /// A struct, union or enum with a name, or an enum without one.
    pub fn composite(&mut self, id: TypeId) -> Result<()> {
        self.stack.push(Piece::Text(";\n\n"));
        self.stack.push(Piece::Body { id, indent: 0 });
        self.run(id)
    }

    /// `typedef target name;`
    pub fn typedef(&mut self, id: TypeId, ty: TypeView<'a>) -> Result<()> {
        let target = TypeId(ty.size_or_type());
        let named = |ty: TypeView<'a>, name: &[u8]| self.view.string(ty.name_off()) == Some(name);
        let is_bool = self.view.get(target).is_some_and(|target| target.kind() == Kind::Int && named(target, b"_Bool"));
        if self.names.is_builtin_va_list(ty) {
            // The compiler of the kernel has it; that of BPF has another one, of another size, and no use for either.
            self.text("#ifdef __bpf__\n");
            self.out.extend_from_slice(b"typedef ");
            self.declaration(id, target, Cow::Borrowed(b"__btf_va_list"))?;
            self.text(";\n#define __builtin_va_list __btf_va_list\n#endif\n\n");
            return Ok(());
        }
        let mut name = Vec::new();
        self.names.push(id, ty, &mut name);
        let guarded = is_bool && name == b"bool";
        if guarded {
            self.text(BEFORE_C23);
        }
        self.text("typedef ");
        self.declaration(id, target, Cow::Owned(name))?;
        self.stack.push(Piece::DeclTags(id, -1));
        self.run(id)?;
        self.text(if guarded { ";\n#endif\n\n" } else { ";\n\n" });
        Ok(())
    }

    /// `extern target name suffix;`, for a FUNC with its FUNC_PROTO or for a VAR.
    pub fn external(&mut self, id: TypeId, ty: TypeView<'a>, attributes: &str, suffix: &'static str) -> Result<()> {
        self.text("extern ");
        self.out.extend_from_slice(attributes.as_bytes());
        let name = self.names.member(ty.name_off());
        self.declaration(id, TypeId(ty.size_or_type()), name)?;
        self.text(suffix);
        self.text(";\n");
        Ok(())
    }

    /// A type that compilers may not have under its name; writes nothing for one that they have.
    pub fn scalar(&mut self, id: TypeId, ty: TypeView<'a>) {
        let bytes = ty.size_or_type();
        match ty.kind() {
            Kind::Int if self.integer(ty).is_none() && !self.integers.contains_key(&id) => {
                let name = self.names.ident(ty.name_off());
                self.text("typedef ");
                match equivalent(bytes, ty.int_data().unwrap_or_default(), self.layouts.word) {
                    Some(integer) => {
                        self.text(integer);
                        self.text(" ");
                    }
                    None => _ = write!(self.out, "struct {{ unsigned char bytes[{bytes}]; }} "),
                }
                self.out.extend_from_slice(&name);
                self.text(";\n\n");
                self.integers.insert(id, name);
            }
            Kind::Float if !is_plain_float(self.view.string(ty.name_off()).unwrap_or_default(), bytes) => {
                let name = self.names.plain(ty.name_off());
                let (name, own) = (String::from_utf8_lossy(&name).into_owned(), self.float_name(ty));
                let align = self.layouts.of(id).map_or(1, |layout| layout.aligns[0]);
                if let Some(has_it) = float_test(self.view.string(ty.name_off()).unwrap_or_default(), bytes) {
                    let spelling = name.replace("long_double", "long double");
                    _ = write!(self.out, "#if {has_it}\n#define {own} {spelling}\n#else\n");
                    self.opaque_float(bytes, align, &own);
                    self.text("#endif\n\n");
                } else {
                    self.opaque_float(bytes, align, &own);
                    self.text("\n");
                }
            }
            _ => {}
        }
    }

    fn opaque_float(&mut self, bytes: u32, align: u32, name: &str) {
        _ = writeln!(
            self.out,
            "typedef struct {{ unsigned char bytes[{bytes}]; }} __attribute__((aligned({align}))) {name};"
        );
    }

    fn float_name(&self, ty: TypeView<'a>) -> String {
        let name = self.names.plain(ty.name_off());
        format!("__btf_{}_{}", String::from_utf8_lossy(&name), ty.size_or_type())
    }

    pub fn text(&mut self, text: &'static str) {
        self.out.extend_from_slice(text.as_bytes());
    }

    fn declaration(&mut self, of: TypeId, id: TypeId, name: Cow<'a, [u8]>) -> Result<()> {
        self.stack.push(Piece::Declaration { id, name, indent: 0 });
        self.run(of)
    }

    fn run(&mut self, of: TypeId) -> Result<()> {
        // Pieces without text are bounded by the pieces of types, which have some.
        while let Some(piece) = self.stack.pop() {
            if self.out.len().max(self.steps) > self.limit {
                self.stack.clear();
                let text = "written in C this is longer than any header: types without a name, repeated over and over";
                return Err(Error::new(ErrorKind::Limit, Place::Type(of), text));
            }
            match piece {
                Piece::Text(text) => self.text(text),
                Piece::Name(name) => self.out.extend_from_slice(&name),
                Piece::Number(number) => _ = write!(self.out, "{number}"),
                Piece::Indent(tabs) => self.out.resize(self.out.len() + tabs, b'\t'),
                Piece::Pad(pad, tabs) => self.pad(pad, tabs),
                Piece::TypeTag(id) => self.type_tag(id),
                Piece::DeclTags(id, component) => self.decl_tags(id, component),
                Piece::Declaration { id, name, indent } => self.declare(id, name, indent)?,
                Piece::Body { id, indent } => match self.view.get(id) {
                    Some(ty) if ty.is_composite() => {
                        self.tag_name(id, ty);
                        self.structure(id, ty, indent)?;
                    }
                    Some(ty) => self.enumeration(id, ty, indent)?,
                    None => {}
                },
                Piece::Nameless { id, indent } => {
                    if let Some(ty) = self.view.get(id) {
                        self.text(keyword(ty));
                        self.structure(id, ty, indent)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn declare(&mut self, id: TypeId, name: Cow<'a, [u8]>, indent: usize) -> Result<()> {
        let (links, base, qualifiers) = self.links(id);
        let (mut left, mut right) = (Vec::new(), Vec::new());
        let mut after_pointer = false;
        for link in links {
            if after_pointer && !matches!(link, Link::Pointer(_)) {
                left.push(Piece::Text("("));
                right.push(Piece::Text(")"));
            }
            after_pointer = matches!(link, Link::Pointer(_));
            match link {
                Link::Pointer(q) => {
                    if q.is_const || q.is_volatile || q.is_restrict || !q.tags.is_empty() {
                        left.push(Piece::Text(" "));
                    }
                    left.extend(q.tags.iter().rev().map(|&tag| Piece::TypeTag(tag)));
                    let words = [(q.is_restrict, " restrict"), (q.is_volatile, " volatile"), (q.is_const, " const")];
                    left.extend(words.iter().filter(|(is, _)| *is).map(|(_, word)| Piece::Text(word)));
                    left.push(Piece::Text("*"));
                }
                Link::Array(count) => {
                    right.extend([Piece::Text("["), Piece::Number(count.into()), Piece::Text("]")]);
                }
                Link::Function(id) => self.parameters(id, indent, &mut right),
            }
        }
        self.stack.extend(right.into_iter().rev());
        let alone = name.is_empty() && left.is_empty();
        self.stack.push(Piece::Name(name));
        self.stack.append(&mut left);
        if !alone {
            self.stack.push(Piece::Text(" "));
        }
        self.stack.extend(qualifiers.tags.iter().map(|&tag| Piece::TypeTag(tag)));
        if qualifiers.is_const {
            self.text("const ");
        }
        if qualifiers.is_volatile {
            self.text("volatile ");
        }
        self.base(base, indent)
    }

    /// What a declaration is made of, outermost first, then the type that has a name (or a body), and what qualifies that.
    fn links(&mut self, mut id: TypeId) -> (Vec<Link>, TypeId, Qualifiers) {
        let mut links = Vec::new();
        let mut qualifiers = Qualifiers::default();
        while let Some(ty) = self.view.get(id) {
            let target = TypeId(ty.size_or_type());
            self.steps += 1;
            id = match ty.kind() {
                Kind::Const => (qualifiers.is_const = true, target).1,
                Kind::Volatile => (qualifiers.is_volatile = true, target).1,
                Kind::Restrict => (qualifiers.is_restrict = true, target).1,
                Kind::TypeTag => (qualifiers.tags.push(id), target).1,
                Kind::Ptr => {
                    links.push(Link::Pointer(std::mem::take(&mut qualifiers)));
                    target
                }
                // Qualifiers of an array are those of its elements.
                Kind::Array => {
                    let array = ty.array().unwrap_or_default();
                    links.push(Link::Array(array.nelems));
                    array.elem
                }
                Kind::FuncProto => {
                    qualifiers = Qualifiers::default();
                    links.push(Link::Function(id));
                    target
                }
                Kind::Int
                | Kind::Float
                | Kind::Struct
                | Kind::Union
                | Kind::Enum
                | Kind::Enum64
                | Kind::Fwd
                | Kind::Typedef
                | Kind::Func
                | Kind::Var
                | Kind::Datasec
                | Kind::DeclTag => break,
            };
        }
        (links, id, qualifiers)
    }

    fn parameters(&self, id: TypeId, indent: usize, right: &mut Vec<Piece<'a>>) {
        let mut params: Vec<_> = self.view.get(id).map(TypeView::params).into_iter().flatten().collect();
        let varies = params.last().is_some_and(|p| p.type_id == TypeId::VOID && p.name_off == StrOff::EMPTY);
        params.truncate(params.len() - usize::from(varies));
        right.push(Piece::Text("("));
        for (n, param) in params.iter().enumerate() {
            if n > 0 {
                right.push(Piece::Text(", "));
            }
            let named = param.name_off != StrOff::EMPTY;
            let name = if named { self.names.param(param.name_off) } else { Cow::Borrowed(&b""[..]) };
            right.push(Piece::Declaration { id: param.type_id, name, indent });
        }
        right.push(Piece::Text(match (params.is_empty(), varies) {
            (true, false) => "void)",
            (true, true) => ")",
            (false, true) => ", ...)",
            (false, false) => ")",
        }));
    }

    /// The type at the left of a declaration.
    fn base(&mut self, id: TypeId, indent: usize) -> Result<()> {
        let id = self.names.definition(id);
        let Some(ty) = self.view.get(id) else {
            self.text("void");
            return Ok(());
        };
        match ty.kind() {
            Kind::Int => match self.integers.get(&id) {
                Some(name) => self.out.extend_from_slice(name),
                None => self.out.extend_from_slice(self.view.string(ty.name_off()).unwrap_or_default()),
            },
            Kind::Float if is_plain_float(self.view.string(ty.name_off()).unwrap_or_default(), ty.size_or_type()) => {
                self.out.extend_from_slice(self.view.string(ty.name_off()).unwrap_or_default());
            }
            Kind::Float => {
                let name = self.float_name(ty);
                self.out.extend_from_slice(name.as_bytes());
            }
            Kind::Typedef if self.names.is_builtin_va_list(ty) => self.text("__builtin_va_list"),
            Kind::Typedef => self.names.push(id, ty, &mut self.out),
            Kind::Struct | Kind::Union | Kind::Enum | Kind::Enum64 if ty.name_off() == StrOff::EMPTY => {
                self.stack.push(Piece::Body { id, indent });
            }
            Kind::Struct | Kind::Union | Kind::Enum | Kind::Enum64 | Kind::Fwd => self.tag_name(id, ty),
            Kind::Ptr
            | Kind::Array
            | Kind::Volatile
            | Kind::Const
            | Kind::Restrict
            | Kind::Func
            | Kind::FuncProto
            | Kind::Var
            | Kind::Datasec
            | Kind::DeclTag
            | Kind::TypeTag => {
                let text = format!("a {} is no type of C", ty.kind().name());
                return Err(Error::new(ErrorKind::Record, Place::Type(id), text));
            }
        }
        Ok(())
    }

    /// `struct x`
    fn tag_name(&mut self, id: TypeId, ty: TypeView<'a>) {
        self.text(keyword(ty));
        if ty.name_off() != StrOff::EMPTY {
            self.text(" ");
            self.names.push(id, ty, &mut self.out);
        }
    }

    /// What follows `struct x`.
    fn structure(&mut self, id: TypeId, ty: TypeView<'a>, indent: usize) -> Result<()> {
        self.steps += ty.vlen() as usize;
        let plan = self.layouts.plan(id, ty)?;
        self.text(" {\n");
        let mut pieces = Vec::new();
        if let Some(why) = &plan.opaque {
            pieces.push(Piece::Indent(indent + 1));
            pieces.push(Piece::Name(Cow::Owned(format!("/* not in C: {why} */\n").into_bytes())));
            pieces.push(Piece::Pad(Pad::Bytes(0, u64::from(ty.size_or_type())), indent + 1));
        } else {
            self.members(id, ty, &plan, indent, &mut pieces);
        }
        pieces.extend([Piece::Indent(indent), Piece::Text("}")]);
        if plan.packed {
            pieces.push(Piece::Text(" __attribute__((packed))"));
        }
        if let Some(&Gap::Aligned(align)) = plan.gaps.last() {
            push_aligned(align, &mut pieces);
        }
        pieces.push(Piece::DeclTags(id, -1));
        self.stack.extend(pieces.into_iter().rev());
        Ok(())
    }

    fn members(&mut self, id: TypeId, ty: TypeView<'a>, plan: &Plan, indent: usize, pieces: &mut Vec<Piece<'a>>) {
        let fill = |gap, pieces: &mut Vec<Piece<'a>>| {
            if let Gap::Bits(start, end) = gap {
                if ty.kind() == Kind::Union {
                    pieces.push(Piece::Pad(Pad::Bytes(0, end / 8), indent + 1));
                } else {
                    pieces.extend(pads(start, end, plan.unit).into_iter().map(|pad| Piece::Pad(pad, indent + 1)));
                }
            }
        };
        for (n, (member, &gap)) in ty.members().zip(&plan.gaps).enumerate() {
            fill(gap, pieces);
            pieces.push(Piece::Indent(indent + 1));
            let (_, width) = self.layouts.place(ty, member);
            pieces.push(if member.name_off != StrOff::EMPTY {
                let name = self.names.member(member.name_off);
                Piece::Declaration { id: member.type_id, name, indent: indent + 1 }
            } else if let Some(id) = self.composite_behind(member.type_id) {
                // Kernels from 7.0 on embed structs by their names alone, which is no C but with -fms-extensions; their members are.
                Piece::Nameless { id, indent: indent + 1 }
            } else {
                let name = if width > 0 { Vec::new() } else { format!("__unnamed_{n}").into_bytes() };
                Piece::Declaration { id: member.type_id, name: Cow::Owned(name), indent: indent + 1 }
            });
            if width > 0 {
                pieces.extend([Piece::Text(": "), Piece::Number(width)]);
            }
            if let Gap::Aligned(align) = gap {
                push_aligned(align, pieces);
            }
            pieces.extend([Piece::DeclTags(id, n as i32), Piece::Text(";\n")]);
        }
        fill(*plan.gaps.last().unwrap_or(&Gap::None), pieces);
    }

    /// The STRUCT or UNION that a type is, behind typedefs and qualifiers.
    fn composite_behind(&mut self, mut id: TypeId) -> Option<TypeId> {
        loop {
            id = self.names.definition(id);
            let ty = self.view.get(id)?;
            self.steps += 1;
            match ty.kind() {
                Kind::Struct | Kind::Union => return Some(id),
                kind if kind.is_modifier() => id = TypeId(ty.size_or_type()),
                _ => return None,
            }
        }
    }

    fn pad(&mut self, pad: Pad, tabs: usize) {
        self.out.resize(self.out.len() + tabs, b'\t');
        _ = match pad {
            Pad::Bytes(from, count) => writeln!(self.out, "unsigned char __pad_{from}[{count}];"),
            Pad::Bits(unit, bits) => {
                let integer = match unit {
                    1 => "char",
                    2 => "short",
                    4 => "int",
                    _ => "long",
                };
                writeln!(self.out, "{integer}: {bits};")
            }
        };
    }

    fn enumeration(&mut self, id: TypeId, ty: TypeView<'a>, indent: usize) -> Result<()> {
        let bytes = ty.size_or_type();
        if ty.vlen() == 0 && ty.name_off() == StrOff::EMPTY {
            // C has no enum without a name and without values.
            self.text(equivalent(bytes, IntData::default(), self.layouts.word).unwrap_or("unsigned int"));
            return Ok(());
        }
        if let Some(written) = self.values_written.get_mut(id.index()) {
            *written = true;
        }
        self.tag_name(id, ty);
        self.text(" {\n");
        if ty.vlen() == 0 {
            self.out.resize(self.out.len() + indent + 1, b'\t');
            let mut name = Vec::new();
            self.names.push(id, ty, &mut name);
            name.extend_from_slice(b"___empty = 0,\n");
            self.out.append(&mut name);
        }
        let (mut lowest, mut highest) = (0, 0);
        for value in ty.enumerators() {
            self.out.resize(self.out.len() + indent + 1, b'\t');
            let name = self.names.ident(value.name_off);
            self.out.extend_from_slice(&name);
            let number = if ty.kflag() { i128::from(value.value) } else { i128::from(value.value as u64) };
            (lowest, highest) = (number.min(lowest), number.max(highest));
            _ = match (number > i128::from(u32::MAX), number) {
                (true, _) if !ty.kflag() => writeln!(self.out, " = {number}ULL,"),
                (_, number) if number == i128::from(i64::MIN) => writeln!(self.out, " = {}LL - 1,", number + 1),
                (true, _) => writeln!(self.out, " = {number}LL,"),
                (false, _) if number < i128::from(i32::MIN) => writeln!(self.out, " = {number}LL,"),
                _ => writeln!(self.out, " = {number},"),
            };
            if self.out.len() > self.limit {
                break;
            }
        }
        let fits = |bytes| fits_in(lowest, bytes, lowest < 0) && fits_in(highest, bytes, lowest < 0);
        if !matches!(bytes, 1 | 2 | 4 | 8) || !fits(bytes) {
            let text = format!("a value does not fit into the {bytes} bytes of the enum, or no enum has this size");
            return Err(Error::new(ErrorKind::Record, Place::Type(id), text));
        }
        self.out.resize(self.out.len() + indent, b'\t');
        // Without more, compilers take 4 bytes or, for large values, 8.
        self.text(match bytes {
            1 => "} __attribute__((packed))",
            2 if !fits(1) => "} __attribute__((packed))",
            2 => "} __attribute__((mode(HI)))",
            8 if fits(4) => "} __attribute__((mode(DI)))",
            _ => "}",
        });
        self.stack.push(Piece::DeclTags(id, -1));
        Ok(())
    }

    fn type_tag(&mut self, id: TypeId) {
        let Some(ty) = self.view.get(id) else { return };
        let name = self.view.string(ty.name_off()).unwrap_or_default();
        if ty.kflag() {
            // An attribute of the compiler that the kernel was built with, as `address_space(1)`.
            if name.iter().all(|byte| byte.is_ascii_alphanumeric() || b"_(), ".contains(byte)) && is_balanced(name) {
                self.uses.attributes = true;
                self.text(" __btf_attribute(");
                self.out.extend_from_slice(name);
                self.text(")");
            }
        } else {
            self.uses.type_tags = true;
            self.text(" __btf_type_tag(");
            self.literal(name);
            self.text(")");
        }
    }

    fn decl_tags(&mut self, id: TypeId, component: i32) {
        let from = self.tags.partition_point(|&(of, part, _)| (of, part) < (id, component));
        for n in from..self.tags.len() {
            let (of, part, tag) = self.tags[n];
            if (of, part) != (id, component) {
                break;
            }
            let Some(ty) = self.view.get(tag) else { continue };
            // With the flag it is an attribute of the compiler, which says nothing about the layout.
            if ty.kflag() {
                continue;
            }
            self.uses.decl_tags = true;
            self.text(" __btf_decl_tag(");
            self.literal(self.view.string(ty.name_off()).unwrap_or_default());
            self.text(")");
        }
    }

    fn literal(&mut self, text: &[u8]) {
        self.text("\"");
        for &byte in text {
            match byte {
                b'"' | b'\\' => self.out.extend_from_slice(&[b'\\', byte]),
                // `??` begins a trigraph.
                b'?' => self.text("\\?"),
                0x20..=0x7e => self.out.push(byte),
                _ => _ = write!(self.out, "\\{byte:03o}"),
            }
        }
        self.text("\"");
    }

    /// The name of an INT, if compilers have it for an integer of this size.
    fn integer(&self, ty: TypeView<'a>) -> Option<&'a [u8]> {
        let name = self.view.string(ty.name_off())?;
        let (mut longs, mut chars, mut shorts, mut wides, mut bools, mut signs, mut ints) = (0, 0, 0, 0, 0, 0, 0);
        for word in name.split(|&byte| byte == b' ') {
            *match word {
                b"long" => &mut longs,
                b"char" => &mut chars,
                b"short" => &mut shorts,
                b"__int128" => &mut wides,
                b"_Bool" => &mut bools,
                b"signed" | b"unsigned" => &mut signs,
                b"int" => &mut ints,
                _ => return None,
            } += 1;
        }
        let bytes = match (chars, shorts, longs, wides, bools, ints, signs) {
            (1, 0, 0, 0, 0, 0, 0..=1) | (0, 0, 0, 0, 1, 0, 0) => 1,
            (0, 1, 0, 0, 0, 0..=1, 0..=1) => 2,
            (0, 0, 0, 0, 0, 1, 0..=1) | (0, 0, 0, 0, 0, 0, 1) => 4,
            (0, 0, 1, 0, 0, 0..=1, 0..=1) => self.layouts.word,
            (0, 0, 2, 0, 0, 0..=1, 0..=1) => 8,
            (0, 0, 0, 1, 0, 0, 0..=1) => 16,
            _ => return None,
        };
        (bytes == ty.size_or_type()).then_some(name)
    }
}

/// Opens what C23 has as keywords.
pub const BEFORE_C23: &str = "#if !defined(__STDC_VERSION__) || __STDC_VERSION__ < 202311L\n";

fn keyword(ty: TypeView<'_>) -> &'static str {
    match ty.kind() {
        Kind::Enum | Kind::Enum64 => "enum",
        Kind::Union => "union",
        Kind::Fwd if ty.kflag() => "union",
        _ => "struct",
    }
}

fn push_aligned(align: u32, pieces: &mut Vec<Piece<'_>>) {
    pieces.extend([Piece::Text(" __attribute__((aligned("), Piece::Number(align.into()), Piece::Text(")))")]);
}

fn fits_in(number: i128, bytes: u32, signed: bool) -> bool {
    let bits = bytes.saturating_mul(8).min(64);
    match bits {
        0 => false,
        _ if signed => (-(1 << (bits - 1))..1 << (bits - 1)).contains(&number),
        _ => (0..1 << bits).contains(&number),
    }
}

/// An integer of this size and sign that all compilers have.
fn equivalent(bytes: u32, data: IntData, word: u32) -> Option<&'static str> {
    let signed = data.encoding() & IntData::SIGNED != 0;
    Some(match (bytes, signed) {
        (1, _) if data.encoding() & IntData::BOOL != 0 => "_Bool",
        (1, true) => "signed char",
        (1, false) => "unsigned char",
        (2, true) => "short",
        (2, false) => "unsigned short",
        (4, true) => "int",
        (4, false) => "unsigned int",
        (8, true) => "long long",
        (8, false) => "unsigned long long",
        (16, true) if word == 8 => "__int128",
        (16, false) if word == 8 => "unsigned __int128",
        _ => return None,
    })
}

fn is_plain_float(name: &[u8], bytes: u32) -> bool {
    matches!((name, bytes), (b"float", 4) | (b"double", 8))
}

/// What the preprocessor can be asked, whether a compiler has this type in this size.
fn float_test(name: &[u8], bytes: u32) -> Option<String> {
    let test = match (name, bytes) {
        (b"long double", _) => {
            return Some(format!("defined(__SIZEOF_LONG_DOUBLE__) && __SIZEOF_LONG_DOUBLE__ == {bytes}"));
        }
        (b"__float128", 16) => "defined(__SIZEOF_FLOAT128__) && !defined(__bpf__)",
        (b"_Float128", 16) => "defined(__FLT128_MANT_DIG__) && !defined(__clang__)",
        (b"_Float16", 2) => "defined(__FLT16_MANT_DIG__) && !defined(__bpf__)",
        (b"_Float32", 4) => "defined(__FLT32_MANT_DIG__)",
        (b"_Float64" | b"_Float32x", 8) => "defined(__FLT64_MANT_DIG__)",
        _ => return None,
    };
    Some(test.into())
}

fn is_balanced(text: &[u8]) -> bool {
    let mut depth = 0i64;
    text.iter().all(|byte| {
        depth += i64::from(*byte == b'(') - i64::from(*byte == b')');
        depth >= 0
    }) && depth == 0
}
