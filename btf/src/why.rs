//! Why a type is in a split BTF: what tells it from the base's types of that name, or what needs it.
//!
//! Two types are equal if nothing that can be reached from them tells them apart. So if they are not, a shortest path leads to two types that
//! differ by themselves: in kind, size, members, names, offsets. Pairs of types are visited in the order of their distance, only those that
//! are not equal, which the coarsest partition tells (`Joint::strict_parts`); that is exact with cycles, too, and needs no recursion.

use std::collections::VecDeque;

use crate::diff::Space;
use crate::error::{Error, ErrorKind, Place, Result};
use crate::graph::{FIXED_WORDS, Head, is_forward, refs};
use crate::ids::TypeId;
use crate::joint::{Joint, Node, shape};
use crate::kind::Kind;
use crate::map::FixedMap;
use crate::spell::{outline, spell};
use crate::strings::StrId;
use crate::view::BtfView;

/// Most pairs of types that are looked at for one answer: a kernel has tens of thousands; there are no more than some ten per type in
/// what compilers write.
const MAX_PAIRS: usize = 1 << 22;

/// A type that is asked about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Wanted {
    /// Which kinds; None: any but functions, variables and sections.
    pub space: Option<Space>,
    /// Name.
    pub name: Vec<u8>,
}

impl Wanted {
    /// From `task_struct`, `struct task_struct`, `enum e` and so on.
    pub fn of(text: &str) -> Wanted {
        let text = text.trim();
        let prefix = |space: Space| Some((space, text.strip_prefix(space.word())?.strip_prefix(' ')?.trim_start()));
        let with_word = [Space::Struct, Space::Union, Space::Enum, Space::Typedef].into_iter().find_map(prefix);
        match with_word {
            Some((space, name)) => Wanted { space: Some(space), name: name.into() },
            None => Wanted { space: None, name: text.into() },
        }
    }

    fn is(&self, joint: &Joint, node: Node) -> bool {
        let Some(space) = Space::of(joint.record(node)) else { return false };
        let good = match self.space {
            Some(wanted) => space == wanted,
            None => !matches!(space, Space::Func | Space::Var | Space::Datasec),
        };
        good && joint.strings.get(joint.name(node)) == self.name
    }
}

/// A step on the way from a type to another one that it refers to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Step {
    /// As in `struct sock`, `member 'sk'`, `parameter 2 'flags'`, `return value`, `func f`.
    pub text: String,
    /// The struct or union that is meant, or whose member; None for other steps and for anonymous ones.
    pub declared: Option<Declared>,
}

/// What may be declared in a source file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Declared {
    /// Struct, union, enum or typedef.
    pub space: Space,
    /// Its name.
    pub name: Vec<u8>,
    /// A member of it.
    pub member: Option<Vec<u8>>,
}

/// Two types that differ by themselves.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Difference {
    /// The way there from the type that was asked about, which comes first.
    pub path: Vec<Step>,
    /// What the split BTF has there.
    pub here: String,
    /// What the base has there.
    pub there: String,
    /// One of the two is the forward declaration of the other.
    pub only_declared: bool,
}

/// Why a type is there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Reason {
    /// It need not be: a type of the base is its equal.
    InBase {
        /// That type.
        base: TypeId,
        /// How it is reached here; see [`Reason::New`].
        root: Vec<Step>,
    },
    /// The base's type of that name is another one.
    Differs {
        /// The base's type.
        base: TypeId,
        /// How they differ, the nearest first; there is at least one.
        differences: Vec<Difference>,
    },
    /// The base defines none of that name. How it is reached from a function, a variable or, if there is none, another type that nothing
    /// refers to; the type itself is last. It is alone if nothing refers to it.
    New(Vec<Step>),
}

/// An own type, and why it is there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Why {
    /// The type.
    pub id: TypeId,
    /// As in `struct foo`.
    pub name: String,
    /// What it is in a few words.
    pub outline: String,
    /// One reason per type of that name in the base, or one.
    pub reasons: Vec<Reason>,
}

/// What there is of a name.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Answer {
    /// The own types.
    pub own: Vec<Why>,
    /// Types of the base, if there is no own one.
    pub base: Vec<(TypeId, String)>,
}

/// Says why types are in a split BTF; at most `most` differences each.
///
/// # Errors
/// Names or types that are referred to but not there; more pairs of types than are looked at.
pub fn why(view: &BtfView<'_>, wanted: &Wanted, most: usize) -> Result<Answer> {
    let joint = Joint::of(&[view]).map_err(|(_, e)| e)?;
    let named = |node: &Node| wanted.is(&joint, *node);
    let own: Vec<Node> = joint.own(0).filter(named).collect();
    let base: Vec<Node> = joint.below(0).filter(named).collect();
    // Of a single BTF with its bases the nodes are the ids.
    let id = |node: Node| TypeId(node);
    if own.is_empty() {
        let base = base.into_iter().map(|node| (id(node), title(&joint, node))).collect();
        return Ok(Answer { own: Vec::new(), base });
    }
    let parts = joint.strict_parts();
    let search = Search { joint: &joint, parts: &parts };
    let mut answer = Answer::default();
    for node in own {
        let space = Space::of(joint.record(node));
        // What the base only declares it does not have.
        let has = |other: Node| is_forward(joint.record(node)) || !is_forward(joint.record(other));
        let same_space = base.iter().copied().filter(|&other| Space::of(joint.record(other)) == space && has(other));
        let same_space: Vec<Node> = same_space.collect();
        let equal = same_space.iter().find(|&&other| parts[node as usize] == parts[other as usize]);
        let reasons = match (equal, same_space.as_slice()) {
            (Some(&equal), _) => vec![Reason::InBase { base: id(equal), root: search.root(node) }],
            (None, []) => vec![Reason::New(search.root(node))],
            (None, others) => {
                let reason = |&other: &Node| {
                    Ok(Reason::Differs { base: id(other), differences: search.differences(node, other, most)? })
                };
                others.iter().map(reason).collect::<Result<_>>()?
            }
        };
        let (name, outline) = (title(&joint, node), outline(&joint, node));
        answer.own.push(Why { id: id(node), name, outline, reasons });
    }
    Ok(answer)
}

/// Per pair of types the one that it was reached from, and by which of its references; None for the first.
type Ways = FixedMap<(Node, Node), Option<((Node, Node), usize)>>;

struct Search<'j> {
    joint: &'j Joint,
    parts: &'j [u32],
}

impl Search<'_> {
    /// The nearest pairs that differ by themselves, from two types that are not equal.
    fn differences(&self, a: Node, b: Node, most: usize) -> Result<Vec<Difference>> {
        let mut from = Ways::default();
        from.insert((a, b), None);
        let mut queue = VecDeque::from([(a, b)]);
        let mut found = Vec::new();
        let (mut shape_a, mut shape_b) = (Vec::new(), Vec::new());
        while let Some(pair) = queue.pop_front() {
            let (x, y) = (self.joint.record(pair.0), self.joint.record(pair.1));
            shape(x, &mut shape_a);
            shape(y, &mut shape_b);
            if shape_a != shape_b {
                found.push(self.difference(pair, &from));
                if found.len() >= most.max(1) {
                    break;
                }
                continue;
            }
            for (place, next) in refs(x).zip(refs(y)).enumerate() {
                if self.parts[next.0 as usize] != self.parts[next.1 as usize] && !from.contains_key(&next) {
                    from.insert(next, Some((pair, place)));
                    queue.push_back(next);
                }
            }
            if from.len() > MAX_PAIRS {
                let text = format!("more than {MAX_PAIRS} pairs of types between it and the base's");
                return Err(Error::new(ErrorKind::Limit, Place::Type(TypeId(a)), text));
            }
        }
        Ok(found)
    }

    fn difference(&self, end: (Node, Node), from: &Ways) -> Difference {
        let mut links = Vec::new();
        let mut at = end;
        while let Some(Some((before, place))) = from.get(&at) {
            links.push((before.0, *place));
            at = *before;
        }
        links.reverse();
        let (mut here, mut there) = self.apart(end);
        if here == there {
            // What C has no words for, such as the linkage of a function.
            let kind = |node: Node| self.joint.kind(node).map_or("void", Kind::name);
            let words = |node: Node| &self.joint.record(node)[2..];
            here += &format!(" ({} {:x?})", kind(end.0), words(end.0));
            there += &format!(" ({} {:x?})", kind(end.1), words(end.1));
        }
        let [x, y] = [end.0, end.1].map(|node| self.joint.record(node));
        let only_declared = is_forward(x) != is_forward(y) && Space::of(x) == Space::of(y);
        Difference { path: self.steps(&links, end.0), here, there, only_declared }
    }

    /// How two types differ that differ by themselves.
    fn apart(&self, (a, b): (Node, Node)) -> (String, String) {
        let joint = self.joint;
        let (x, y) = (joint.record(a), joint.record(b));
        let (kind, other) = (joint.kind(a), joint.kind(b));
        let named = |node: Node| match Space::of(joint.record(node)) {
            Some(_) => format!("{}, {}", title(joint, node), outline(joint, node)),
            None => spell(joint, node),
        };
        if kind != other || x[1] != y[1] || is_forward(x) != is_forward(y) {
            return (named(a), named(b));
        }
        let step = match kind {
            Some(Kind::Struct | Kind::Union | Kind::Enum64) => 3,
            Some(Kind::Enum | Kind::FuncProto) => 2,
            _ => return (named(a), named(b)),
        };
        // The first element that differs, without what it refers to.
        let is_reference = kind != Some(Kind::Enum) && kind != Some(Kind::Enum64);
        let own = |e: &[u32]| (e[0], if is_reference { 0 } else { e[1] }, e.get(2).copied());
        let (xs, ys) = (&x[FIXED_WORDS..], &y[FIXED_WORDS..]);
        let same = xs.chunks_exact(step).zip(ys.chunks_exact(step)).take_while(|(e, f)| own(e) == own(f)).count();
        let element = |record: &[u32]| {
            let Some(e) = record[FIXED_WORDS..].chunks_exact(step).nth(same) else { return String::new() };
            let name = match StrId(e[0]) {
                StrId::EMPTY => "(anonymous)".into(),
                name => format!("'{}'", joint.text(name)),
            };
            match kind {
                Some(Kind::FuncProto) => format!("; parameter {} is {name}", same + 1),
                Some(Kind::Enum | Kind::Enum64) => format!("; value {} is {name} = {}", same + 1, e[1] as i32),
                _ if Head::of(record).kflag && e[2] >> 24 != 0 => {
                    format!("; member {} is {name} at bit {}, {} bits", same + 1, e[2] & 0x00ff_ffff, e[2] >> 24)
                }
                _ => format!("; member {} is {name} at bit {}", same + 1, e[2]),
            }
        };
        let what = |node: Node| match kind {
            Some(Kind::FuncProto) => spell(joint, node),
            _ => outline(joint, node),
        };
        (format!("{}{}", what(a), element(x)), format!("{}{}", what(b), element(y)))
    }

    /// How a type is reached from the nearest function or variable, else from the nearest type that nothing refers to.
    fn root(&self, node: Node) -> Vec<Step> {
        let own = self.joint.own(0);
        let place = |n: Node| (n - own.start) as usize;
        // Who refers to each own type: place of the reference in the high half, node in the low half.
        let users = crate::dedup::lists::Lists::<u64>::grouped(own.len(), || {
            own.clone().filter(|&n| self.joint.kind(n) != Some(Kind::DeclTag)).flat_map(|from| {
                let refs = refs(self.joint.record(from)).enumerate();
                let inner = refs.filter(|(_, to)| own.contains(to));
                inner.map(move |(at, to)| (place(to) as u32, (at as u64) << 32 | u64::from(from)))
            })
        });
        let mut towards: FixedMap<Node, Option<(Node, usize)>> = FixedMap::default();
        towards.insert(node, None);
        let mut queue = VecDeque::from([node]);
        let (mut root, mut alone) = (None, None);
        while let Some(at) = queue.pop_front() {
            if matches!(self.joint.kind(at), Some(Kind::Func | Kind::Var)) {
                root = Some(at);
                break;
            }
            let by = users.get(place(at));
            if by.is_empty() {
                alone = alone.or(Some(at));
            }
            for &user in by {
                let (user, reference) = (user as u32, (user >> 32) as usize);
                towards.entry(user).or_insert_with(|| {
                    queue.push_back(user);
                    Some((at, reference))
                });
            }
        }
        // A ring that nothing else refers to has no root.
        let mut at = root.or(alone).unwrap_or(node);
        let mut links = Vec::new();
        while let Some(Some((next, reference))) = towards.get(&at) {
            links.push((at, *reference));
            at = *next;
        }
        self.steps(&links, node)
    }

    /// A way in words: types with names, and by which member or parameter the next one is reached.
    fn steps(&self, links: &[(Node, usize)], end: Node) -> Vec<Step> {
        let joint = self.joint;
        let mut steps = Vec::new();
        // The members of anonymous structs are those of the one that they are in.
        let mut inside: Option<Declared> = None;
        for (node, place) in links.iter().map(|&(node, place)| (node, Some(place))).chain([(end, None)]) {
            let record = joint.record(node);
            if let Some(space) = Space::of(record) {
                let name = joint.strings.get(joint.name(node)).to_vec();
                let declared = Declared { space, name, member: None };
                inside = Some(declared.clone());
                steps.push(Step { text: title(joint, node), declared: Some(declared) });
            } else if place.is_none() {
                steps.push(Step { text: spell(joint, node), declared: None });
            }
            let Some(place) = place else { break };
            match joint.kind(node) {
                Some(Kind::Struct | Kind::Union) => {
                    let name = StrId(record[FIXED_WORDS + 3 * place]);
                    if name != StrId::EMPTY {
                        let member = Some(joint.strings.get(name).to_vec());
                        let declared = inside.clone().map(|inside| Declared { member, ..inside });
                        steps.push(Step { text: format!("member '{}'", joint.text(name)), declared });
                    }
                }
                Some(Kind::FuncProto) => {
                    inside = None;
                    let text = match place.checked_sub(1) {
                        None => "return value".into(),
                        Some(number) => match StrId(record[FIXED_WORDS + 2 * number]) {
                            StrId::EMPTY => format!("parameter {place}"),
                            name => format!("parameter {place} '{}'", joint.text(name)),
                        },
                    };
                    steps.push(Step { text, declared: None });
                }
                _ => {}
            }
        }
        steps
    }
}

/// `struct foo`.
fn title(joint: &Joint, node: Node) -> String {
    match Space::of(joint.record(node)) {
        Some(space) => format!("{} {}", space.word(), joint.text(joint.name(node))),
        None => spell(joint, node),
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{Blob, RandomType, build, build_on};

    fn texts(path: &[Step]) -> Vec<&str> {
        path.iter().map(|step| step.text.as_str()).collect()
    }

    /// `struct outer { struct ring *next; }`, `struct ring { struct ring *next; union { int (*call)(struct deep *d); }; }`.
    fn rings(b: &mut Blob, int: u32, deep: &dyn Fn(&mut Blob) -> u32) {
        let next = b.next_id();
        let (ring, outer) = (next + 6, next + 7);
        b.ptr(ring);
        let deep = deep(b);
        let to_deep = b.ptr(deep);
        let proto = b.proto(int, &[("d", to_deep)]);
        let call = b.ptr(proto);
        let inner = b.composite(Kind::Union, "", false, 8, &[("call", call, 0)]);
        assert_eq!(b.structure("ring", 16, &[("next", next, 0), ("", inner, 64)]), ring);
        assert_eq!(b.structure("outer", 8, &[("next", next, 0)]), outer);
    }

    #[test]
    fn the_way_to_the_first_difference() {
        let mut base = Blob::new();
        let int = base.int("int", 4);
        rings(&mut base, int, &|b| b.structure("deep", 8, &[("x", 1, 0)]));
        let base = base.bytes();
        let base = BtfView::parse(&base).expect("a base");
        let ask = |deep: &dyn Fn(&mut Blob) -> u32| {
            let mut b = Blob::on(&base);
            rings(&mut b, int, deep);
            let proto = b.proto(int, &[("o", b.next_id() - 1)]);
            b.func("f", 1, proto);
            let bytes = b.bytes();
            let view = BtfView::parse_split(&bytes, &base).expect("a split BTF");
            why(&view, &Wanted::of("struct outer"), 3).expect("it is sound")
        };
        let answer = ask(&|b| b.fwd("deep", false));
        let [Reason::Differs { differences, .. }] = &answer.own[0].reasons[..] else { panic!("{answer:?}") };
        let way = ["struct outer", "member 'next'", "struct ring", "member 'call'", "parameter 1 'd'", "struct deep"];
        assert_eq!((texts(&differences[0].path), differences.len()), (way.to_vec(), 1));
        assert!(differences[0].only_declared);
        assert_eq!(
            (differences[0].here.as_str(), differences[0].there.as_str()),
            ("struct deep, only declared", "struct deep, 8 bytes, 1 member")
        );
        let member = Some(b"call".to_vec());
        assert_eq!(
            differences[0].path[3].declared,
            Some(Declared { space: Space::Struct, name: b"ring".to_vec(), member })
        );
        let answer = ask(&|b| b.structure("deep", 8, &[("x", 1, 32)]));
        let [Reason::Differs { differences, .. }] = &answer.own[0].reasons[..] else { panic!("{answer:?}") };
        assert_eq!(differences[0].here, "8 bytes, 1 member; member 1 is 'x' at bit 32");
        let answer = ask(&|b| b.structure("deep", 8, &[("x", 1, 0)]));
        let [Reason::InBase { root, .. }] = &answer.own[0].reasons[..] else { panic!("{answer:?}") };
        assert_eq!(texts(root), ["func f", "parameter 1 'o'", "struct outer"]);
    }

    #[test]
    fn what_needs_it() {
        let mut base = Blob::new();
        let int = base.int("int", 4);
        base.structure("known", 4, &[("x", int, 0)]);
        let base = base.bytes();
        let base = BtfView::parse(&base).expect("a base");
        let mut b = Blob::on(&base);
        let lone = b.structure("lone", 4, &[("x", int, 0)]);
        let used = b.structure("used", 4, &[("x", lone, 0)]);
        b.typedef("used_t", used);
        let bytes = b.bytes();
        let view = BtfView::parse_split(&bytes, &base).expect("a split BTF");
        let ask = |name: &str| why(&view, &Wanted::of(name), 1).expect("it is sound");
        let root = |name: &str| match &ask(name).own[0].reasons[..] {
            [Reason::New(path)] => texts(path).join(" -> "),
            other => panic!("{other:?}"),
        };
        assert_eq!(root("lone"), "typedef used_t -> struct used -> member 'x' -> struct lone");
        assert_eq!(root("used_t"), "typedef used_t");
        assert_eq!(ask("known").base, [(TypeId(2), "struct known".to_owned())]);
        assert_eq!(ask("union known"), Answer::default());
        assert_eq!(ask("nothing"), Answer::default());
    }

    proptest! {
        /// There is a difference if and only if two types are not equal, and it is one.
        #[test]
        fn differences_are_real(base in vec(any::<RandomType>(), 1..20), own in vec(any::<RandomType>(), 1..20)) {
            let order = |types: &[RandomType]| (0..types.len()).collect::<Vec<usize>>();
            let base = build(&base, &order(&base));
            let base = BtfView::parse(&base).expect("a base");
            let bytes = build_on(Blob::on(&base), &own, &order(&own)).bytes();
            let view = BtfView::parse_split(&bytes, &base).expect("a split BTF");
            let Ok(joint) = Joint::of(&[&view]) else { panic!("it is sound") };
            let parts = joint.strict_parts();
            for name in ["a", "b", "c"] {
                for why in why(&view, &Wanted::of(name), 100).expect("it is sound").own {
                    for reason in why.reasons {
                        match reason {
                            Reason::InBase { base, .. } => {
                                prop_assert_eq!(parts[why.id.index()], parts[base.index()]);
                            }
                            Reason::Differs { base, differences } => {
                                prop_assert!(parts[why.id.index()] != parts[base.index()]);
                                prop_assert!(!differences.is_empty());
                                prop_assert!(differences.iter().all(|d| d.here != d.there), "{:#?}", differences);
                            }
                            Reason::New(path) => prop_assert!(!path.is_empty()),
                        }
                    }
                }
            }
        }
    }
}
