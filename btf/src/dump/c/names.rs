//! Names for C. BTF may have several types of one name, names that C keeps for itself, and names that are none in C.
//!
//! C has one space for the tags of structs, unions and enums, and one for typedefs, values of enums and functions. The first of a name in id
//! order keeps it, others get `___2`, `___3` behind it, which libbpf ignores when it looks for the kernel's type.

use std::borrow::Cow;
use std::rc::Rc;

use hashbrown::{HashMap, HashSet};

use crate::ids::{StrOff, TypeId};
use crate::kind::Kind;
use crate::view::{BtfView, TypeView};

/// Words that no name can be: C11's, and those of GNU C that have no underscores in front. (`bool`, `true` and `false` are C23's, see
/// [`super::print`].)
const RESERVED: [&str; 36] = [
    "auto", "break", "case", "char", "const", "continue", "default", "do", "double", "else", "enum", "extern", "float",
    "for", "goto", "if", "inline", "int", "long", "register", "restrict", "return", "short", "signed", "sizeof",
    "static", "struct", "switch", "typedef", "typeof", "union", "unsigned", "void", "volatile", "while", "asm",
];

type Map<K, V> = HashMap<K, V, foldhash::fast::FixedState>;

/// Names and the last number that each was given.
type Used<'a> = Map<Cow<'a, [u8]>, u32>;

/// Names of unions (true) and of structs.
type Tag<'a> = (bool, Cow<'a, [u8]>);

/// The names of all types, and those of values as they are given.
pub struct Names<'v, 'a> {
    view: &'v BtfView<'a>,
    /// Behind the name of each type, by id; 0 and 1 are not written.
    suffixes: Vec<u32>,
    /// By id: see [`Names::definitions`].
    definitions: Rc<[TypeId]>,
    idents: Used<'a>,
    typedefs: HashSet<Cow<'a, [u8]>, foldhash::fast::FixedState>,
}

impl<'v, 'a> Names<'v, 'a> {
    /// Names for all types of `view` and its base. `functions` keep theirs.
    pub fn new(view: &'v BtfView<'a>, functions: &[TypeId]) -> Names<'v, 'a> {
        let mut definitions: Vec<TypeId> = (0..view.end_id().0).map(TypeId).collect();
        let suffixes = vec![0; view.end_id().index()];
        let mut names =
            Names { view, suffixes, definitions: Rc::default(), idents: Used::default(), typedefs: HashSet::default() };
        for word in RESERVED {
            names.idents.insert(Cow::Borrowed(word.as_bytes()), 1);
        }
        for &id in functions {
            if let Some(ty) = view.get(id) {
                names.idents.insert(names.plain(ty.name_off()), 1);
            }
        }
        let mut tags = Used::default();
        // A name that is there is nobody's second.
        for (_, ty) in
            view.levels().into_iter().flat_map(|level| level.types()).filter(|(_, ty)| ty.name_off() != StrOff::EMPTY)
        {
            match ty.kind() {
                Kind::Struct | Kind::Union | Kind::Enum | Kind::Enum64 => {
                    _ = tags.insert(names.plain(ty.name_off()), 0)
                }
                Kind::Typedef => _ = names.idents.entry(names.plain(ty.name_off())).or_insert(0),
                _ => {}
            }
        }
        let mut forwards = Vec::new();
        // By kind, composites only: the definition, and how many there are.
        let mut defined: Map<Tag<'a>, (TypeId, u32)> = HashMap::default();
        for level in view.levels() {
            for (id, ty) in level.types().filter(|(_, ty)| ty.name_off() != StrOff::EMPTY) {
                match ty.kind() {
                    Kind::Struct | Kind::Union => {
                        let name = names.plain(ty.name_off());
                        names.suffixes[id.index()] = suffix(&mut tags, name.clone());
                        let entry = defined.entry((ty.kind() == Kind::Union, name)).or_insert((id, 0));
                        entry.1 += 1;
                    }
                    Kind::Enum | Kind::Enum64 => {
                        names.suffixes[id.index()] = suffix(&mut tags, names.plain(ty.name_off()));
                    }
                    Kind::Fwd => forwards.push((id, ty)),
                    Kind::Typedef if names.is_builtin_va_list(ty) => {}
                    Kind::Typedef => {
                        let name = names.plain(ty.name_off());
                        names.suffixes[id.index()] = suffix(&mut names.idents, name.clone());
                        names.typedefs.insert(name);
                    }
                    Kind::Int
                    | Kind::Float
                    | Kind::Ptr
                    | Kind::Array
                    | Kind::Volatile
                    | Kind::Const
                    | Kind::Restrict
                    | Kind::Func
                    | Kind::FuncProto
                    | Kind::Var
                    | Kind::Datasec
                    | Kind::DeclTag
                    | Kind::TypeTag => {}
                }
            }
        }
        // All forward declarations of a name are one; of none or several definitions, as far as is known.
        let mut declared: Map<Tag<'a>, u32> = HashMap::default();
        for (id, ty) in forwards {
            let key = (ty.kflag(), names.plain(ty.name_off()));
            if let Some(&(definition, 1)) = defined.get(&key) {
                definitions[id.index()] = definition;
            } else {
                let name = key.1.clone();
                names.suffixes[id.index()] = *declared.entry(key).or_insert_with(|| suffix(&mut tags, name));
            }
        }
        names.definitions = definitions.into();
        names
    }

    /// By id: the STRUCT or UNION that a FWD stands for, if there is just one; any other type itself.
    pub fn definitions(&self) -> Rc<[TypeId]> {
        Rc::clone(&self.definitions)
    }

    /// What of [`Names::definitions`] is of this type.
    pub fn definition(&self, id: TypeId) -> TypeId {
        self.definitions.get(id.index()).copied().unwrap_or(id)
    }

    /// Appends the name of a type, without `struct` and the like.
    pub fn push(&self, id: TypeId, ty: TypeView<'a>, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.plain(ty.name_off()));
        push_suffix(self.suffixes[id.index()], out);
    }

    /// A name for a value, or for an integer type that compilers do not have; it is used then.
    pub fn ident(&mut self, name: StrOff) -> Cow<'a, [u8]> {
        let name = self.plain(name);
        match suffix(&mut self.idents, name.clone()) {
            0 | 1 => name,
            number => {
                let mut name = name.into_owned();
                push_suffix(number, &mut name);
                Cow::Owned(name)
            }
        }
    }

    /// The name of a member or parameter.
    pub fn member(&self, name: StrOff) -> Cow<'a, [u8]> {
        let name = self.plain(name);
        if is_reserved(&name) { Cow::Owned([&name, &b"_"[..]].concat()) } else { name }
    }

    /// The name of a parameter; a typedef's would hide that one from the parameters after it.
    pub fn param(&self, name: StrOff) -> Cow<'a, [u8]> {
        let name = self.plain(name);
        if self.typedefs.contains(&name) || is_reserved(&name) { Cow::Owned([&name, &b"_"[..]].concat()) } else { name }
    }

    /// A name as an identifier of C: other bytes become `_`.
    pub fn plain(&self, name: StrOff) -> Cow<'a, [u8]> {
        let name = self.view.string(name).unwrap_or_default();
        let fits = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
        if name.iter().all(fits) && name.first().is_some_and(|byte| !byte.is_ascii_digit()) {
            return Cow::Borrowed(name);
        }
        let mut changed: Vec<u8> = name.iter().map(|byte| if fits(byte) { *byte } else { b'_' }).collect();
        if changed.first().is_none_or(u8::is_ascii_digit) {
            changed.insert(0, b'_');
        }
        Cow::Owned(changed)
    }

    /// Whether compilers have this typedef, and a macro is its name: see [`super::print`].
    pub fn is_builtin_va_list(&self, ty: TypeView<'a>) -> bool {
        ty.kind() == Kind::Typedef && self.view.string(ty.name_off()) == Some(b"__builtin_va_list")
    }
}

fn is_reserved(name: &[u8]) -> bool {
    RESERVED.iter().any(|word| word.as_bytes() == name)
}

fn push_suffix(number: u32, out: &mut Vec<u8>) {
    if number > 1 {
        out.extend_from_slice(format!("___{number}").as_bytes());
    }
}

/// The next number for this name: 1 if it is not used yet, which for a name that is there means 0. The name with its number is used then.
fn suffix<'a>(used: &mut Used<'a>, name: Cow<'a, [u8]>) -> u32 {
    let last = used.entry(name.clone()).or_insert(0);
    if *last == 0 {
        *last = 1;
        return 1;
    }
    let mut number = *last;
    let mut with_number;
    loop {
        number = number.saturating_add(1);
        with_number = name.to_vec();
        push_suffix(number, &mut with_number);
        if !used.contains_key(with_number.as_slice()) {
            break;
        }
    }
    if let Some(last) = used.get_mut(&name) {
        *last = number;
    }
    used.insert(Cow::Owned(with_number), 1);
    number
}
