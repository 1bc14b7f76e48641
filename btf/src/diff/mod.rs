//! What differs between two BTFs, blind to ids, to the order of types and to copies.
//!
//! An *entry* is what has a name: structs, unions and enums (a forward declaration counts as one of them), typedefs, base types (INT, FLOAT),
//! functions, variables, sections. Entries of one kind and name are a pair (`pairs`); if a name has several different types, those that
//! are equal in everything that can be reached from them are pairs, then those that look most alike.
//!
//! What has no name (pointers, arrays, qualifiers, prototypes, anonymous structs) is part of whatever refers to it. So two entries of a pair
//! are *changed* if they differ when each reference to an entry counts as the pair that it is in, and all between is compared in full: a change
//! shows where it is, not in what refers to it. If nothing is added, removed or changed, the pairs are a bisimulation, that is,
//! nothing at all tells the two BTFs apart.
//!
//! Apart from entries there are declaration tags, compared as a set of (tag, what it is on), and types without a name that nothing with a name
//! refers to. Anonymous enums of that sort are named by their first value; of others it is told which there are in one of the BTFs only.

mod changes;
mod pairs;

use std::collections::BTreeSet;
use std::fmt;

use crate::dedup::lists::Lists;
use crate::dedup::partition::{coarsest, number};
use crate::error::Error;
use crate::graph::{Head, Tag, TagKind, is_forward, refs};
use crate::joint::{Joint, Node, shape};
use crate::kind::Kind;
use crate::map::{FixedMap, FixedSet};
use crate::spell::{MAX_LINKS, declare, outline, spell};
use crate::strings::StrId;
use crate::view::BtfView;

pub use changes::{Aspect, Change};
use pairs::Pairs;

/// What kind of entry a name stands for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[allow(missing_docs)]
pub enum Space {
    Struct,
    Union,
    Enum,
    Typedef,
    Base,
    Func,
    Var,
    Datasec,
}

impl Space {
    /// All, in the order of [`Diff::entries`].
    pub const ALL: [Space; 8] = [
        Space::Struct,
        Space::Union,
        Space::Enum,
        Space::Typedef,
        Space::Base,
        Space::Func,
        Space::Var,
        Space::Datasec,
    ];

    /// As it is called in front of a name.
    pub fn word(self) -> &'static str {
        match self {
            Space::Struct => "struct",
            Space::Union => "union",
            Space::Enum => "enum",
            Space::Typedef => "typedef",
            Space::Base => "type",
            Space::Func => "func",
            Space::Var => "var",
            Space::Datasec => "section",
        }
    }

    /// Where a record belongs; None if it has no name, or is of a kind that is no entry.
    pub(crate) fn of(record: &[u32]) -> Option<Space> {
        if record[1] == 0 {
            return None;
        }
        match Head::of(record).kind {
            Kind::Struct | Kind::Union | Kind::Fwd | Kind::Enum | Kind::Enum64 => Some(match Tag::of(record)?.kind {
                TagKind::Struct => Space::Struct,
                TagKind::Union => Space::Union,
                TagKind::Enum => Space::Enum,
            }),
            Kind::Typedef => Some(Space::Typedef),
            Kind::Int | Kind::Float => Some(Space::Base),
            Kind::Func => Some(Space::Func),
            Kind::Var => Some(Space::Var),
            Kind::Datasec => Some(Space::Datasec),
            Kind::Ptr
            | Kind::Array
            | Kind::Volatile
            | Kind::Const
            | Kind::Restrict
            | Kind::FuncProto
            | Kind::DeclTag
            | Kind::TypeTag => None,
        }
    }
}

/// What became of an entry.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Fate {
    /// Only the first BTF has it; what it is in a few words.
    Removed(String),
    /// Only the second BTF has it.
    Added(String),
    /// Both have it, and it differs: how, in the order of its members. There is at least one.
    Changed(Vec<Change>),
}

/// An entry that differs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// What kind of entry it is.
    pub space: Space,
    /// Its name; of an enum without one its first value, as in `{FIRST, ...}`.
    pub name: String,
    /// What became of it.
    pub fate: Fate,
}

/// What only one of two BTFs has.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct OneSided {
    /// What only the first has, sorted.
    pub removed: Vec<String>,
    /// What only the second has, sorted.
    pub added: Vec<String>,
}

impl OneSided {
    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.removed.is_empty() && self.added.is_empty()
    }
}

/// What differs between two BTFs.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Diff {
    /// Entries, by kind and name.
    pub entries: Vec<Entry>,
    /// Declaration tags of entries that both have, as in `bpf_kfunc on func foo`.
    pub tags: OneSided,
    /// Types without a name that nothing with a name refers to.
    pub unnamed: OneSided,
}

impl Diff {
    /// Whether nothing differs.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.tags.is_empty() && self.unnamed.is_empty()
    }
}

/// Which of two BTFs cannot be compared, and why.
#[derive(Debug)]
pub struct Unsound {
    /// The second one.
    pub second: bool,
    /// Why.
    pub error: Error,
}

impl fmt::Display for Unsound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl std::error::Error for Unsound {}

/// Compares the own types of two BTFs. Those of their bases are compared as far as own ones refer to what has no name there, and else told
/// apart by kind and name like all entries; but what differs in them is not told.
///
/// # Errors
/// Names or types that are referred to but not there.
pub fn diff(first: &BtfView<'_>, second: &BtfView<'_>) -> Result<Diff, Unsound> {
    let joint = Joint::of(&[first, second]).map_err(|(side, error)| Unsound { second: side == 1, error })?;
    let pairs = Pairs::of(&joint);
    let parts = nominal_parts(&joint, &pairs);
    let compare = Compare { joint: &joint, pairs: &pairs, parts: &parts };
    let mut diff = Diff { entries: compare.entries(), ..Diff::default() };
    compare.unnamed(&mut diff);
    diff.tags = compare.tags();
    // Of one kind and name in the order of what they are.
    diff.entries.sort_by(|a, b| (a.space, &a.name).cmp(&(b.space, &b.name)));
    Ok(diff)
}

/// Per node its part: entries by their pairs, all else by what it is made of.
fn nominal_parts(joint: &Joint, pairs: &Pairs) -> Vec<u32> {
    const PAIR: u32 = u32::MAX;
    let mut blank = Vec::new();
    let (mut shapes, mut below) = (Lists::new(), Lists::new());
    for (node, record) in (0..).zip(joint.records.iter()) {
        match pairs.label(node) {
            Some(label) => {
                shapes.push([PAIR, label]);
                below.push([]);
            }
            None => {
                shape(record, &mut blank);
                shapes.push(blank.iter().copied());
                below.push(refs(record));
            }
        }
    }
    let (colours, _) = number((0..joint.len()).map(|node| shapes.get(node)));
    coarsest(&colours, &below)
}

/// All that is known when entries are compared.
struct Compare<'j> {
    joint: &'j Joint,
    pairs: &'j Pairs,
    parts: &'j [u32],
}

impl Compare<'_> {
    fn entries(&self) -> Vec<Entry> {
        let own = [self.joint.own(0), self.joint.own(1)];
        let mut entries = Vec::new();
        for pair in self.pairs.all() {
            let fate = match (pair.first, pair.second) {
                (Some(a), Some(b)) if own[0].contains(&a) || own[1].contains(&b) => match self.changes(a, b) {
                    changes if changes.is_empty() => continue,
                    changes => Fate::Changed(changes),
                },
                (Some(a), None) if own[0].contains(&a) => Fate::Removed(outline(self.joint, a)),
                (None, Some(b)) if own[1].contains(&b) => Fate::Added(outline(self.joint, b)),
                _ => continue,
            };
            let Some(node) = pair.first.or(pair.second) else { continue };
            let name = self.joint.text(self.joint.name(node)).into_owned();
            entries.push(Entry { space: pair.space, name, fate });
        }
        entries
    }

    fn changes(&self, a: Node, b: Node) -> Vec<Change> {
        if a == b || self.same(a, b) { Vec::new() } else { changes::of(self, a, b) }
    }

    /// Whether two records differ in nothing but which of the equal types they refer to.
    fn same(&self, a: Node, b: Node) -> bool {
        let (a, b) = (self.joint.record(a), self.joint.record(b));
        let part = |node: u32| self.parts[node as usize];
        let (mut shape_a, mut shape_b) = (Vec::new(), Vec::new());
        shape(a, &mut shape_a);
        shape(b, &mut shape_b);
        shape_a == shape_b && refs(a).map(part).eq(refs(b).map(part))
    }

    /// Types without a name that nothing with a name refers to.
    fn unnamed(&self, diff: &mut Diff) {
        let [removed, added] = [(0, 1), (1, 0)].map(|(side, other)| {
            let there: FixedSet<u32> = self.joint.all(other).map(|node| self.parts[node as usize]).collect();
            let reached = self.reached(side);
            let own = self.joint.own(side).filter(|&node| self.is_unnamed(node));
            let mut seen = FixedSet::default();
            let alone = own.filter(|&node| !reached[node as usize] && !there.contains(&self.parts[node as usize]));
            alone.filter(|&node| seen.insert(self.parts[node as usize])).collect::<Vec<Node>>()
        });
        let is_enum = |node: &Node| matches!(self.joint.kind(*node), Some(Kind::Enum | Kind::Enum64));
        let (enums_a, removed): (Vec<Node>, Vec<Node>) = removed.into_iter().partition(is_enum);
        let (enums_b, added): (Vec<Node>, Vec<Node>) = added.into_iter().partition(is_enum);
        self.anonymous_enums(enums_a, enums_b, &mut diff.entries);
        let sorted = |nodes: Vec<Node>| {
            let mut texts: Vec<String> = nodes.into_iter().map(|node| self.spell_unnamed(node)).collect();
            texts.sort_unstable();
            texts
        };
        diff.unnamed = OneSided { removed: sorted(removed), added: sorted(added) };
    }

    fn spell_unnamed(&self, node: Node) -> String {
        match self.joint.kind(node) {
            Some(Kind::Struct | Kind::Union) => {
                format!("{} ({})", spell(self.joint, node), outline(self.joint, node))
            }
            _ => spell(self.joint, node),
        }
    }

    fn is_unnamed(&self, node: Node) -> bool {
        self.pairs.label(node).is_none() && self.joint.kind(node).is_some_and(|kind| kind != Kind::DeclTag)
    }

    /// The nodes of a BTF that an entry of it refers to, directly or through what has no name.
    fn reached(&self, side: usize) -> Vec<bool> {
        let mut reached = vec![false; self.joint.len()];
        let entries = self.joint.all(side).filter(|&node| self.pairs.label(node).is_some());
        let mut work: Vec<Node> = entries.flat_map(|node| refs(self.joint.record(node))).collect();
        while let Some(node) = work.pop() {
            if !std::mem::replace(&mut reached[node as usize], true) && self.is_unnamed(node) {
                work.extend(refs(self.joint.record(node)));
            }
        }
        reached
    }

    /// Pairs anonymous enums by the first value that another one has, too.
    fn anonymous_enums(&self, mut first: Vec<Node>, mut second: Vec<Node>, entries: &mut Vec<Entry>) {
        let name = |node: Node| spell(self.joint, node)["enum ".len()..].to_owned();
        // Not by their order in the file.
        let by_content = |node: &Node| {
            let values = self.joint.record(*node)[crate::graph::FIXED_WORDS..].chunks_exact(self.value_words(*node));
            values.map(|v| (self.joint.strings.get(StrId(v[0])).to_vec(), v[1])).collect::<Vec<_>>()
        };
        first.sort_by_cached_key(by_content);
        second.sort_by_cached_key(by_content);
        let mut by_value: FixedMap<StrId, Vec<usize>> = FixedMap::default();
        for (at, &node) in second.iter().enumerate().rev() {
            self.value_names(node).for_each(|value| by_value.entry(value).or_default().push(at));
        }
        let mut taken = vec![false; second.len()];
        for a in first {
            let mut free = self.value_names(a).filter_map(|value| {
                let places = by_value.get_mut(&value)?;
                while places.last().is_some_and(|&at| taken[at]) {
                    places.pop();
                }
                places.last().copied()
            });
            let fate = match free.next() {
                Some(at) => {
                    taken[at] = true;
                    Fate::Changed(changes::of(self, a, second[at]))
                }
                None => Fate::Removed(outline(self.joint, a)),
            };
            entries.push(Entry { space: Space::Enum, name: name(a), fate });
        }
        let left = second.iter().zip(&taken).filter(|(_, taken)| !**taken);
        entries.extend(left.map(|(&b, _)| Entry {
            space: Space::Enum,
            name: name(b),
            fate: Fate::Added(outline(self.joint, b)),
        }));
    }

    fn value_words(&self, node: Node) -> usize {
        if self.joint.kind(node) == Some(Kind::Enum64) { 3 } else { 2 }
    }

    fn value_names(&self, node: Node) -> impl Iterator<Item = StrId> + '_ {
        crate::graph::names(self.joint.record(node)).skip(1)
    }

    /// Declaration tags on what both have.
    fn tags(&self) -> OneSided {
        // On what, text, component and kflag; what stands for it in a message.
        type OnWhat = (u32, StrId, u32, u32);
        let sets = [0, 1].map(|side| {
            let tags = self.joint.all(side).filter(|&node| self.joint.kind(node) == Some(Kind::DeclTag));
            let key = |node: Node| {
                let record = self.joint.record(node);
                let key: OnWhat = (self.parts[record[2] as usize], StrId(record[1]), record[3], record[0]);
                (key, node)
            };
            tags.map(key).collect::<FixedMap<OnWhat, Node>>()
        });
        let one_sided = |side: usize| {
            let own = self.joint.own(side);
            let new = sets[side].iter().filter(|(key, node)| own.contains(node) && !sets[1 - side].contains_key(*key));
            let both = new.filter(|(_, node)| self.is_in_both(self.joint.record(**node)[2]));
            both.map(|(_, &node)| self.tag_text(node)).collect::<BTreeSet<String>>().into_iter().collect()
        };
        OneSided { removed: one_sided(0), added: one_sided(1) }
    }

    fn is_in_both(&self, node: Node) -> bool {
        self.pairs.label(node).is_none_or(|label| self.pairs.is_complete(label))
    }

    fn tag_text(&self, tag: Node) -> String {
        let record = self.joint.record(tag);
        let (text, target) = (self.joint.text(StrId(record[1])), record[2]);
        let kflag = if Head::of(record).kflag { "attribute " } else { "" };
        let on = self.entry_text(target);
        match record[3] {
            u32::MAX => format!("{kflag}{text} on {on}"),
            component => format!("{kflag}{text} on {on}, component {component}"),
        }
    }

    /// An entry by its kind and name, anything else as C has it.
    fn entry_text(&self, node: Node) -> String {
        match Space::of(self.joint.record(node)) {
            Some(space) => format!("{} {}", space.word(), self.joint.text(self.joint.name(node))),
            None => spell(self.joint, node),
        }
    }

    /// A reference as C has it. If both BTFs spell it alike although it differs, what it is is added.
    fn spell_apart(&self, a: Node, b: Node) -> (String, String) {
        let (from, to) = (spell(self.joint, a), spell(self.joint, b));
        if from != to {
            return (from, to);
        }
        let (end_a, end_b) = (self.end_of(a), self.end_of(b));
        let (of_a, of_b) = (outline(self.joint, end_a), outline(self.joint, end_b));
        (format!("{from} ({of_a})"), format!("{to} ({of_b})"))
    }

    /// The type behind pointers, arrays and qualifiers.
    fn end_of(&self, mut node: Node) -> Node {
        // As far as it is spelled; rings of pointers are not C, but possible.
        for _ in 0..MAX_LINKS {
            let record = self.joint.record(node);
            node = match self.joint.kind(node) {
                Some(Kind::Ptr | Kind::Const | Kind::Volatile | Kind::Restrict | Kind::TypeTag) => record[2],
                Some(Kind::Array) => record[3],
                _ => break,
            };
        }
        node
    }

    fn is_forward(&self, node: Node) -> bool {
        is_forward(self.joint.record(node))
    }

    fn declare(&self, node: Node, name: StrId) -> String {
        declare(self.joint, node, &self.joint.text(name), 2)
    }
}

#[cfg(test)]
mod tests;
