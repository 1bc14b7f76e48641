//! How two types differ, member by member.

use std::fmt;

use super::Compare;
use crate::graph::{FIXED_WORDS, Head, vlen};
use crate::joint::Node;
use crate::kind::Kind;
use crate::map::{FixedMap, FixedSet};
use crate::spell::outline;
use crate::strings::StrId;

/// In what something differs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Aspect {
    /// A member, value, parameter or variable that only one has; or what an entry is.
    Element,
    /// The type.
    Type,
    /// The size in bytes.
    Size,
    /// The offset in bits (of members) or bytes (of variables).
    Offset,
    /// The size of a bit-field in bits; 0 is none.
    Bits,
    /// The value of an enumerator.
    Value,
    /// The name of a parameter.
    Name,
    /// The linkage of a function or variable.
    Linkage,
    /// The order of what is there.
    Order,
}

impl Aspect {
    /// As it is called in a message; nothing is said for what speaks for itself.
    pub fn word(self) -> &'static str {
        match self {
            Aspect::Element | Aspect::Type | Aspect::Value => "",
            Aspect::Size => "size",
            Aspect::Offset => "offset",
            Aspect::Bits => "bits",
            Aspect::Name => "name",
            Aspect::Linkage => "linkage",
            Aspect::Order => "order",
        }
    }
}

/// One difference.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Change {
    /// Where, from the name of the entry on, as in `.se.load`, `(): parameter 2 flags`; empty: the entry itself.
    pub path: String,
    /// In what.
    pub aspect: Aspect,
    /// What the first BTF has; None if it has none.
    pub from: Option<String>,
    /// What the second BTF has.
    pub to: Option<String>,
}

impl fmt::Display for Change {
    /// `.load: u64 -> unsigned long`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = self.aspect.word();
        let space = if word.is_empty() { "" } else { " " };
        write!(f, "{}: {word}{space}", self.path)?;
        match (&self.from, &self.to) {
            (Some(from), Some(to)) => write!(f, "{from} -> {to}"),
            (Some(from), None) => write!(f, "removed ({from})"),
            (None, Some(to)) => write!(f, "added ({to})"),
            (None, None) => f.write_str("differs"),
        }
    }
}

/// The differences of two types that are not equal, in the order of their members; at least one.
pub(super) fn of(compare: &Compare<'_>, a: Node, b: Node) -> Vec<Change> {
    let mut changes = Vec::new();
    let mut seen = FixedSet::default();
    // What comes next is last.
    let mut work = vec![Item::Nested(String::new(), a, b)];
    while let Some(item) = work.pop() {
        match item {
            Item::Change(change) => changes.push(change),
            Item::Nested(path, a, b) if seen.insert((a, b)) => {
                let mut found = Found { compare, items: Vec::new() };
                found.compare(&path, a, b);
                if found.items.is_empty() {
                    found.push(&path, Aspect::Order, Some("of its members".into()), Some("another one".into()));
                }
                work.extend(found.items.into_iter().rev());
            }
            // An anonymous struct in itself, which is not C.
            Item::Nested(..) => {}
        }
    }
    changes
}

/// A difference, or two anonymous types in the ones that were compared, which differ.
enum Item {
    Change(Change),
    Nested(String, Node, Node),
}

struct Found<'c, 'j> {
    compare: &'c Compare<'j>,
    items: Vec<Item>,
}

impl Found<'_, '_> {
    fn push(&mut self, path: &str, aspect: Aspect, from: Option<String>, to: Option<String>) {
        self.items.push(Item::Change(Change { path: path.to_owned(), aspect, from, to }));
    }

    fn push_if(&mut self, path: &str, aspect: Aspect, from: impl ToString + PartialEq, to: impl ToString + PartialEq) {
        let (from, to) = (from.to_string(), to.to_string());
        if from != to {
            self.push(path, aspect, Some(from), Some(to));
        }
    }

    fn compare(&mut self, path: &str, a: Node, b: Node) {
        let joint = self.compare.joint;
        let (x, y) = (joint.record(a), joint.record(b));
        let (Some(kind), Some(other)) = (joint.kind(a), joint.kind(b)) else { return self.types(path, a, b) };
        let is_enum = |kind| matches!(kind, Kind::Enum | Kind::Enum64);
        if (kind != other && !(is_enum(kind) && is_enum(other)))
            || self.compare.is_forward(a) != self.compare.is_forward(b)
        {
            let (from, to) = (outline(joint, a), outline(joint, b));
            return self.push(path, Aspect::Element, Some(from), Some(to));
        }
        match kind {
            Kind::Struct | Kind::Union => self.members(path, a, b),
            Kind::Enum | Kind::Enum64 => self.values(path, a, b),
            Kind::Func => {
                self.push_if(path, Aspect::Linkage, linkage(x[3]), linkage(y[3]));
                self.prototypes(path, x[2], y[2]);
            }
            Kind::Var => {
                self.push_if(path, Aspect::Linkage, linkage(x[3]), linkage(y[3]));
                self.types(path, x[2], y[2]);
            }
            Kind::Typedef => self.types(path, x[2], y[2]),
            Kind::Datasec => self.variables(path, x, y),
            Kind::Int | Kind::Float => self.push_if(path, Aspect::Element, outline(joint, a), outline(joint, b)),
            Kind::Ptr
            | Kind::Array
            | Kind::Fwd
            | Kind::Volatile
            | Kind::Const
            | Kind::Restrict
            | Kind::FuncProto
            | Kind::DeclTag
            | Kind::TypeTag => self.types(path, a, b),
        }
    }

    fn differ(&self, a: Node, b: Node) -> bool {
        self.compare.parts[a as usize] != self.compare.parts[b as usize]
    }

    /// Two types that something has. Anonymous structs, unions and enums are looked into.
    fn types(&mut self, path: &str, a: Node, b: Node) {
        if !self.differ(a, b) {
            return;
        }
        if self.are_anonymous(a, b) {
            self.items.push(Item::Nested(path.to_owned(), a, b));
            return;
        }
        let (from, to) = self.compare.spell_apart(a, b);
        self.push(path, Aspect::Type, Some(from), Some(to));
    }

    /// Whether both are anonymous definitions of one sort.
    fn are_anonymous(&self, a: Node, b: Node) -> bool {
        let joint = self.compare.joint;
        let anonymous = |node: Node| match joint.kind(node)? {
            kind @ (Kind::Struct | Kind::Union) => Some(kind).filter(|_| joint.name(node) == StrId::EMPTY),
            Kind::Enum | Kind::Enum64 => Some(Kind::Enum).filter(|_| joint.name(node) == StrId::EMPTY),
            _ => None,
        };
        anonymous(a).is_some() && anonymous(a) == anonymous(b)
    }

    fn members(&mut self, path: &str, a: Node, b: Node) {
        let joint = self.compare.joint;
        let (x, y) = (joint.record(a), joint.record(b));
        let (before, after) = (members(x), members(y));
        let partner = self.partners(&before, &after);
        let mut partner_of_after = vec![None; after.len()];
        for (at, other) in partner.iter().enumerate() {
            if let Some(other) = other {
                partner_of_after[*other] = Some(at);
            }
        }
        // In the order of the second's members; what is gone stands where it was, before what came after it.
        let mut gone = 0;
        let mut moved = Vec::new();
        for (at, new) in after.iter().enumerate() {
            let Some(old) = partner_of_after[at] else {
                while gone < before.len() && partner[gone].is_none() {
                    self.element(path, &before[gone], true);
                    gone += 1;
                }
                self.element(path, new, false);
                continue;
            };
            while gone < old {
                if partner[gone].is_none() {
                    self.element(path, &before[gone], true);
                }
                gone += 1;
            }
            let old = &before[old];
            let place = self.place(path, new.name);
            self.types(&place, old.of, new.of);
            self.push_if(&place, Aspect::Bits, old.bits, new.bits);
            if old.offset != new.offset {
                moved.push((place, old.offset, new.offset));
            }
        }
        for (at, old) in before.iter().enumerate().skip(gone) {
            if partner[at].is_none() {
                self.element(path, old, true);
            }
        }
        self.push_if(path, Aspect::Size, x[2], y[2]);
        moved.into_iter().for_each(|(place, from, to)| self.push_if(&place, Aspect::Offset, from, to));
    }

    /// Per member of the first the one of the second that it is: of the same name, or without one and of the same type, or the next
    /// one without a name.
    fn partners(&self, before: &[Member], after: &[Member]) -> Vec<Option<usize>> {
        let mut partner = vec![None; before.len()];
        let mut taken = vec![false; after.len()];
        // A name comes once, but for damaged input; then they are partners in their order.
        let mut places: FixedMap<(StrId, Option<u32>), Vec<usize>> = FixedMap::default();
        let part = |m: &Member| self.compare.parts[m.of as usize];
        for (at, m) in after.iter().enumerate().rev() {
            let key = (m.name, (m.name == StrId::EMPTY).then(|| part(m)));
            places.entry(key).or_default().push(at);
        }
        for (at, m) in before.iter().enumerate() {
            let key = (m.name, (m.name == StrId::EMPTY).then(|| part(m)));
            if let Some(other) = places.get_mut(&key).and_then(Vec::pop) {
                (partner[at], taken[other]) = (Some(other), true);
            }
        }
        let mut free = (0..after.len()).filter(|&at| !taken[at] && after[at].name == StrId::EMPTY);
        for (at, m) in before.iter().enumerate() {
            if partner[at].is_none() && m.name == StrId::EMPTY {
                partner[at] = free.next();
            }
        }
        partner
    }

    /// A member that only one has.
    fn element(&mut self, path: &str, m: &Member, removed: bool) {
        let what = Some(self.compare.declare(m.of, StrId::EMPTY));
        let place = self.place(path, m.name);
        let (from, to) = if removed { (what, None) } else { (None, what) };
        self.push(&place, Aspect::Element, from, to);
    }

    /// The path of a member. One without a name is not in it, as in C.
    fn place(&self, path: &str, name: StrId) -> String {
        match name {
            StrId::EMPTY => path.to_owned(),
            name => format!("{path}.{}", self.compare.joint.text(name)),
        }
    }

    fn values(&mut self, path: &str, a: Node, b: Node) {
        let joint = self.compare.joint;
        let (x, y) = (joint.record(a), joint.record(b));
        self.push_if(path, Aspect::Size, x[2], y[2]);
        let sign = |record: &[u32]| if Head::of(record).kflag { "signed" } else { "unsigned" };
        self.push_if(path, Aspect::Element, sign(x), sign(y));
        let (before, after) = (values(x), values(y));
        let old: FixedMap<StrId, i64> = before.iter().copied().collect();
        let new: FixedMap<StrId, i64> = after.iter().copied().collect();
        let place = |name: StrId| format!("{path}: {}", joint.text(name));
        for &(name, value) in &after {
            let was = old.get(&name).map(|value| value.to_string());
            if old.get(&name) != Some(&value) {
                self.push(&place(name), Aspect::Value, was, Some(value.to_string()));
            }
        }
        for &(name, value) in before.iter().filter(|(name, _)| !new.contains_key(name)) {
            self.push(&place(name), Aspect::Value, Some(value.to_string()), None);
        }
    }

    fn prototypes(&mut self, path: &str, a: Node, b: Node) {
        let joint = self.compare.joint;
        if joint.kind(a) != Some(Kind::FuncProto) || joint.kind(b) != Some(Kind::FuncProto) {
            return self.types(path, a, b);
        }
        let (x, y) = (joint.record(a), joint.record(b));
        self.types(&format!("{path}(): return value"), x[2], y[2]);
        let parameters = |record: &[u32]| -> Vec<(StrId, Node)> {
            record[FIXED_WORDS..].chunks_exact(2).map(|p| (StrId(p[0]), p[1])).collect()
        };
        let (before, after) = (parameters(x), parameters(y));
        let spell = |&(name, of): &(StrId, Node)| match (name, of) {
            (StrId::EMPTY, 0) => "...".to_owned(),
            _ => self.compare.declare(of, name),
        };
        for at in 0..before.len().max(after.len()) {
            let (old, new) = (before.get(at), after.get(at));
            let name = new.or(old).map_or(StrId::EMPTY, |p| p.0);
            let name = if name == StrId::EMPTY { String::new() } else { format!(" {}", joint.text(name)) };
            let place = format!("{path}(): parameter {}{name}", at + 1);
            match (old, new) {
                (Some(old), Some(new)) => {
                    self.types(&place, old.1, new.1);
                    self.push_if(&place, Aspect::Name, joint.text(old.0), joint.text(new.0));
                }
                (old, new) => {
                    let (from, to) = (old.map(spell), new.map(spell));
                    self.push(&place, Aspect::Element, from, to);
                }
            }
        }
    }

    fn variables(&mut self, path: &str, x: &[u32], y: &[u32]) {
        let joint = self.compare.joint;
        let entries = |record: &[u32]| -> Vec<(u32, Node, u32, u32)> {
            let entry = |e: &[u32]| (self.compare.parts[e[0] as usize], e[0], e[1], e[2]);
            record[FIXED_WORDS..].chunks_exact(3).map(entry).collect()
        };
        let (before, after) = (entries(x), entries(y));
        let old: FixedMap<u32, (u32, u32)> =
            before.iter().map(|&(part, _, offset, size)| (part, (offset, size))).collect();
        let new: FixedSet<u32> = after.iter().map(|e| e.0).collect();
        let mut moved = Vec::new();
        let place = |node: Node| format!("{path}: {}", joint.text(joint.name(node)));
        for &(part, node, offset, size) in &after {
            match old.get(&part) {
                None => self.push(&place(node), Aspect::Element, None, Some(format!("{size} bytes at {offset}"))),
                Some(&(_, was)) if was != size => self.push_if(&place(node), Aspect::Size, was, size),
                Some(&(was, _)) if was != offset => moved.push((place(node), was, offset)),
                Some(_) => {}
            }
        }
        for &(_, node, offset, size) in before.iter().filter(|e| !new.contains(&e.0)) {
            self.push(&place(node), Aspect::Element, Some(format!("{size} bytes at {offset}")), None);
        }
        self.push_if(path, Aspect::Size, x[2], y[2]);
        moved.into_iter().for_each(|(place, from, to)| self.push_if(&place, Aspect::Offset, from, to));
    }
}

/// A member of a struct or union.
struct Member {
    name: StrId,
    of: Node,
    /// In bits from the start.
    offset: u32,
    /// Size of a bit-field, 0 for others.
    bits: u32,
}

fn members(record: &[u32]) -> Vec<Member> {
    let kflag = Head::of(record).kflag;
    let member = |m: &[u32]| {
        let (offset, bits) = if kflag { (m[2] & 0x00ff_ffff, m[2] >> 24) } else { (m[2], 0) };
        Member { name: StrId(m[0]), of: m[1], offset, bits }
    };
    let all: Vec<Member> = record[FIXED_WORDS..].chunks_exact(3).map(member).collect();
    debug_assert_eq!(all.len(), vlen(record));
    all
}

/// Names and values of an enum; those of an unsigned one of 8 bytes may wrap.
fn values(record: &[u32]) -> Vec<(StrId, i64)> {
    let head = Head::of(record);
    let words = &record[FIXED_WORDS..];
    if head.kind == Kind::Enum64 {
        let value = |v: &[u32]| (StrId(v[0]), (u64::from(v[2]) << 32 | u64::from(v[1])) as i64);
        return words.chunks_exact(3).map(value).collect();
    }
    let value = |v: u32| if head.kflag { i64::from(v as i32) } else { i64::from(v) };
    words.chunks_exact(2).map(|v| (StrId(v[0]), value(v[1]))).collect()
}

fn linkage(word: u32) -> String {
    match word {
        0 => "static".into(),
        1 => "global".into(),
        2 => "extern".into(),
        other => other.to_string(),
    }
}
