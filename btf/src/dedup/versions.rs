//! Tags with more than one definition, and what they split.
//!
//! A class mentions tags, and as long as every tag has one definition, a class is a type. An *ambiguous* tag (`struct
//! irq_info` exists three times in a kernel) means something else in different units, and so does every class that
//! mentions it. What a class means in a unit depends on nothing but the definitions that the unit gives to the ambiguous
//! tags: units that agree on those share a *context*.
//!
//! Partition refinement over (class, context): all contexts of a class start as one; they split where a mentioned tag or
//! class has split. If the definition of a so far unambiguous tag splits, that tag is ambiguous too, and another round
//! follows, until nothing is added. The types of the base take part one by one, with their own references.
//!
//! A forward declaration of an ambiguous tag stays one, unless there is evidence: every named composite of its unit that
//! mentions the tag, and that other units have together with a definition of the tag, agrees on the same definition.

use crate::base::Base;
use crate::graph::{ClassId, Ref, Tag, is_forward, refs};
use crate::ids::TypeId;
use crate::map::{FixedMap, FixedSet};

use super::fold::Fold;

/// Number of a context: units that give the same definitions to all ambiguous tags.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) struct Context(pub u32);

/// Number of a version: types that are the same.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) struct Version(pub u32);

/// What a node of the refinement stands for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Node {
    /// A class as the units of a context mean it.
    Class(ClassId, Context),
    /// A type of a unit that defines one tag in two ways: index of the unit, local number.
    Exact(usize, u32),
    /// A type of the base.
    Base(TypeId),
}

/// The tags of the file: their definitions and forward declarations.
#[derive(Debug, Default)]
pub(super) struct Tags {
    /// Distinct definitions, of the file and of the base.
    pub definitions: FixedMap<Tag, Vec<ClassId>>,
    /// Forward declarations in the file: the class that appears first.
    pub forwards: FixedMap<Tag, ClassId>,
    /// Classes that the file has, in ascending order.
    pub present: Vec<ClassId>,
}

impl Tags {
    /// Collects the tags that a file mentions.
    pub fn of(fold: &Fold<'_>, base: Option<&Base<'_>>) -> Tags {
        let mut tags = Tags::default();
        let first = fold.classes.first();
        if base.is_some() {
            let mut seen = vec![false; first as usize];
            for unit in fold.units() {
                for class in fold.classes_of(unit).iter().filter(|c| c.0 < first) {
                    seen[class.index()] = true;
                }
            }
            tags.present.extend((0..first).filter(|&c| seen[c as usize]).map(ClassId));
        }
        tags.present.extend((first..fold.classes.end()).map(ClassId));
        for &class in &tags.present {
            let record = fold.classes.get(class);
            let Some(tag) = Tag::of(record) else { continue };
            if is_forward(record) {
                let earlier = |old: ClassId| match (fold.classes.in_base(old), fold.classes.in_base(class)) {
                    (false, false) => fold.position(class) < fold.position(old),
                    (old_in_base, _) => !old_in_base,
                };
                let slot = tags.forwards.entry(tag).or_insert(class);
                if earlier(*slot) {
                    *slot = class;
                }
            } else {
                tags.definitions.entry(tag).or_default().push(class);
            }
        }
        if let Some(base) = base {
            let mentioned: Vec<Tag> = tags.definitions.keys().chain(tags.forwards.keys()).copied().collect();
            for tag in mentioned {
                for &class in base.definitions(tag) {
                    let all = tags.definitions.entry(tag).or_default();
                    if !all.contains(&class) {
                        all.push(class);
                    }
                }
            }
        }
        tags
    }
}

/// The result of the refinement.
#[derive(Debug, Default)]
pub(super) struct Versions {
    /// Ambiguous tags and their numbers.
    ambiguous: FixedMap<Tag, u32>,
    /// Per unit its context.
    context: Vec<Context>,
    /// Per context the definition it gives to ambiguous tags, sorted by tag number.
    bindings: Vec<Vec<Binding>>,
    /// All nodes with their classes, and where each node stands in that list.
    nodes: Vec<(Node, ClassId)>,
    number: FixedMap<Node, u32>,
    /// Per node its version.
    version: Vec<Version>,
    /// Units with an exact graph, by index.
    exact: FixedSet<usize>,
}

/// An ambiguous tag's definition in a context.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
struct Binding {
    tag: u32,
    class: ClassId,
    /// False if the unit itself has the definition, true if there is evidence for it.
    by_evidence: bool,
}

/// What an ambiguous tag means somewhere.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Meaning {
    /// This class as that node has it.
    Node(Node),
    /// A class without versions.
    Class(ClassId),
    /// Still a forward declaration.
    Forward,
}

impl Versions {
    /// Finds the ambiguous tags and refines until nothing splits.
    pub fn refine(fold: &Fold<'_>, base: Option<&Base<'_>>, tags: &Tags) -> Versions {
        let mut v = Versions::default();
        let mut more: Vec<Tag> = tags.definitions.iter().filter(|(_, d)| d.len() > 1).map(|(&t, _)| t).collect();
        for (index, unit) in fold.units().iter().enumerate() {
            if unit.exact.is_some() {
                v.exact.insert(index);
            }
        }
        while !more.is_empty() {
            more.sort_unstable();
            for tag in more {
                let number = v.ambiguous.len() as u32;
                v.ambiguous.insert(tag, number);
            }
            let mention = Mentions::of(fold, &v.ambiguous);
            v.set_contexts(fold, base, &mention);
            v.set_nodes(fold, base, tags, &mention);
            v.split(fold, base, &mention);
            more = v.newly_ambiguous(fold);
        }
        v
    }

    /// True if the tag has more than one meaning in the file.
    pub fn is_ambiguous(&self, tag: Tag) -> bool {
        self.ambiguous.contains_key(&tag)
    }

    /// Number of ambiguous tags.
    pub fn ambiguous_tags(&self) -> usize {
        self.ambiguous.len()
    }

    /// The context of a unit (by its index).
    pub fn context(&self, unit: usize) -> Context {
        self.context.get(unit).copied().unwrap_or(Context(0))
    }

    /// The version of a node, if its class has versions.
    pub fn version(&self, node: Node) -> Option<Version> {
        self.number.get(&node).map(|&n| self.version[n as usize])
    }

    /// All nodes with their classes and versions.
    pub fn nodes(&self) -> impl Iterator<Item = (Node, ClassId, Version)> {
        self.nodes.iter().zip(&self.version).map(|(&(node, class), &version)| (node, class, version))
    }

    /// What an ambiguous tag means in a context.
    pub fn meaning(&self, tag: Tag, context: Context) -> Meaning {
        let Some(number) = self.ambiguous.get(&tag) else { return Meaning::Forward };
        let Some(bindings) = self.bindings.get(context.0 as usize) else { return Meaning::Forward };
        match bindings.binary_search_by_key(number, |b| b.tag) {
            Ok(at) => self.bound(bindings[at], context),
            Err(_) => Meaning::Forward,
        }
    }

    fn bound(&self, binding: Binding, context: Context) -> Meaning {
        let node = Node::Class(binding.class, context);
        if self.number.contains_key(&node) { Meaning::Node(node) } else { Meaning::Class(binding.class) }
    }

    /// Groups the units by the definitions that they give to the ambiguous tags.
    fn set_contexts(&mut self, fold: &Fold<'_>, base: Option<&Base<'_>>, mention: &Mentions) {
        let defines = |class: ClassId| {
            let record = fold.classes.get(class);
            Tag::of(record).filter(|_| !is_forward(record)).and_then(|tag| self.ambiguous.get(&tag).copied())
        };
        let number: Vec<Option<u32>> = (0..fold.classes.end())
            .map(|c| if c == 0 { None } else { defines(ClassId(c)) })
            .collect();
        let mut own: Vec<Vec<Binding>> = Vec::with_capacity(fold.units().len());
        for unit in fold.units() {
            let binding = |&class: &ClassId| number[class.index()].map(|tag| Binding { tag, class, by_evidence: false });
            let mut bindings: Vec<Binding> = fold.classes_of(unit).iter().filter_map(binding).collect();
            bindings.sort_unstable();
            own.push(bindings);
        }
        let evidence = Evidence::collect(fold, base, mention, &own, &self.ambiguous);
        let mut contexts: FixedMap<Vec<Binding>, Context> = FixedMap::default();
        self.context.clear();
        self.bindings.clear();
        for (index, (unit, bindings)) in fold.units().iter().zip(&own).enumerate() {
            let mut bindings = bindings.clone();
            if self.exact.contains(&index) {
                // Its tags do not have one meaning each: it stands for itself.
                self.context.push(Context(self.bindings.len() as u32));
                self.bindings.push(bindings);
                continue;
            }
            evidence.add_to(&mut bindings, fold.classes_of(unit), mention);
            let next = Context(self.bindings.len() as u32);
            let context = *contexts.entry(bindings).or_insert_with_key(|key| {
                self.bindings.push(key.clone());
                next
            });
            self.context.push(context);
        }
    }

    /// Makes a node of every class that mentions an ambiguous tag, in every context that has it.
    fn set_nodes(&mut self, fold: &Fold<'_>, base: Option<&Base<'_>>, tags: &Tags, mention: &Mentions) {
        self.nodes.clear();
        self.number.clear();
        let mut add = |node, class| {
            let next = self.nodes.len() as u32;
            if *self.number.entry(node).or_insert(next) == next {
                self.nodes.push((node, class));
            }
        };
        if let Some(base) = base {
            for &class in tags.present.iter().filter(|c| fold.classes.in_base(**c) && mention.any(**c)) {
                base.ids(class).for_each(|id| add(Node::Base(id), class));
            }
        }
        for (index, unit) in fold.units().iter().enumerate() {
            match &unit.exact {
                Some(exact) => {
                    let locals = exact.class.iter().enumerate().filter(|(_, c)| mention.any(**c));
                    locals.for_each(|(local, &class)| add(Node::Exact(index, local as u32), class));
                }
                None => {
                    let context = self.context[index];
                    let classes = fold.classes_of(unit).iter().filter(|c| mention.any(**c));
                    classes.for_each(|&class| add(Node::Class(class, context), class));
                }
            }
        }
    }

    /// The partition refinement: rounds until the number of versions stays.
    fn split(&mut self, fold: &Fold<'_>, base: Option<&Base<'_>>, mention: &Mentions) {
        let mut below: Vec<u64> = Vec::new();
        let mut ends: Vec<usize> = Vec::new();
        for &(node, class) in &self.nodes {
            self.below(node, class, fold, base, mention, |b| below.push(b.word()));
            ends.push(below.len());
        }
        let mut version: Vec<u32> = vec![0; self.nodes.len()];
        let mut next = version.clone();
        let mut key: Vec<u64> = Vec::new();
        let mut count = 0;
        loop {
            let mut seen: FixedMap<Box<[u64]>, u32> = FixedMap::default();
            let mut start = 0;
            for (n, &end) in ends.iter().enumerate() {
                key.clear();
                // The class first: two classes never share a version, so round one starts from them.
                key.extend([u64::from(self.nodes[n].1.0), u64::from(version[n])]);
                key.extend(below[start..end].iter().map(|&word| match Below::of(word) {
                    Below::Node(m) => Below::Node(version[m as usize]).word(),
                    other => other.word(),
                }));
                start = end;
                let fresh = seen.len() as u32;
                next[n] = match seen.get(key.as_slice()) {
                    Some(&known) => known,
                    None => {
                        seen.insert(key.as_slice().into(), fresh);
                        fresh
                    }
                };
            }
            std::mem::swap(&mut version, &mut next);
            if std::mem::replace(&mut count, seen.len()) == seen.len() {
                break;
            }
        }
        self.version = version.into_iter().map(Version).collect();
    }

    /// The references of a node that can tell it from others of its class, in their order.
    fn below(
        &self,
        node: Node,
        class: ClassId,
        fold: &Fold<'_>,
        base: Option<&Base<'_>>,
        mention: &Mentions,
        mut out: impl FnMut(Below),
    ) {
        let nominal = refs(fold.classes.get(class)).map(Ref::of);
        let matters = |r: &Ref| match r {
            Ref::Void => false,
            Ref::Class(c) => mention.any(*c),
            Ref::Tag(tag) => self.is_ambiguous(*tag),
        };
        let known = |node: Node, class: ClassId| match self.number.get(&node) {
            Some(&n) => Below::Node(n),
            None => Below::Class(class),
        };
        match node {
            Node::Class(_, context) => nominal.filter(matters).for_each(|r| {
                out(match r {
                    Ref::Class(c) => known(Node::Class(c, context), c),
                    Ref::Tag(tag) => match self.meaning(tag, context) {
                        Meaning::Node(node) => known(node, class),
                        Meaning::Class(c) => Below::Class(c),
                        Meaning::Forward => Below::Forward,
                    },
                    Ref::Void => Below::Forward,
                });
            }),
            Node::Exact(unit, local) => {
                let Some(exact) = fold.units()[unit].exact.as_deref() else { return };
                let actual = refs(exact.records.get(local as usize));
                nominal.zip(actual).filter(|(r, _)| matters(r)).for_each(|(_, word)| {
                    out(match exact.target(word).filter(|(_, c)| !is_forward(fold.classes.get(*c))) {
                        Some((local, class)) => known(Node::Exact(unit, local), class),
                        None => Below::Forward,
                    });
                });
            }
            Node::Base(id) => {
                let Some((base, record)) = base.and_then(|b| b.record(id).map(|r| (b, r))) else { return };
                nominal.zip(refs(record)).filter(|(r, _)| matters(r)).for_each(|(_, target)| {
                    let class = base.class(TypeId(target)).filter(|&c| !is_forward(base.classes().get(c)));
                    out(class.map_or(Below::Forward, |class| known(Node::Base(TypeId(target)), class)));
                });
            }
        }
    }

    /// Tags that had one meaning so far and whose definition has split.
    fn newly_ambiguous(&self, fold: &Fold<'_>) -> Vec<Tag> {
        let mut first: FixedMap<ClassId, Version> = FixedMap::default();
        let mut split: FixedSet<Tag> = FixedSet::default();
        for (_, class, version) in self.nodes() {
            if *first.entry(class).or_insert(version) != version {
                let record = fold.classes.get(class);
                split.extend(Tag::of(record).filter(|t| !is_forward(record) && !self.is_ambiguous(*t)));
            }
        }
        split.into_iter().collect()
    }
}

/// What a node refers to, as far as it can tell it from others of its class.
#[derive(Clone, Copy)]
enum Below {
    Node(u32),
    Class(ClassId),
    Forward,
}

impl Below {
    fn word(self) -> u64 {
        match self {
            Below::Node(n) => u64::from(n),
            Below::Class(class) => 1 << 32 | u64::from(class.0),
            Below::Forward => 2 << 32,
        }
    }

    fn of(word: u64) -> Below {
        match word >> 32 {
            0 => Below::Node(word as u32),
            1 => Below::Class(ClassId(word as u32)),
            _ => Below::Forward,
        }
    }
}

/// Which classes mention an ambiguous tag, themselves or through other classes (not through other tags).
struct Mentions {
    any: Vec<bool>,
}

impl Mentions {
    fn of(fold: &Fold<'_>, ambiguous: &FixedMap<Tag, u32>) -> Mentions {
        let mut any = vec![false; fold.classes.end() as usize];
        // Classes stand after those they refer to, save for the rare cycles without a tag: repeat until nothing changes.
        let mut changed = true;
        while std::mem::take(&mut changed) {
            for class in 1..fold.classes.end() {
                let mentions = |any: &[bool], word| match Ref::of(word) {
                    Ref::Void => false,
                    Ref::Class(c) => any[c.index()],
                    Ref::Tag(tag) => ambiguous.contains_key(&tag),
                };
                if !any[class as usize] && refs(fold.classes.get(ClassId(class))).any(|w| mentions(&any, w)) {
                    any[class as usize] = true;
                    changed |= fold.classes.has_cycles();
                }
            }
        }
        Mentions { any }
    }

    fn any(&self, class: ClassId) -> bool {
        self.any[class.index()]
    }
}

/// What named composites say about the ambiguous tags that they mention: per composite and tag the definition that units
/// with both have, or None if they disagree.
#[derive(Default)]
struct Evidence {
    /// Per named composite the ambiguous tags that it mentions.
    mentioned: FixedMap<ClassId, Vec<u32>>,
    definition: FixedMap<(ClassId, u32), Option<ClassId>>,
}

impl Evidence {
    fn collect(
        fold: &Fold<'_>,
        base: Option<&Base<'_>>,
        mention: &Mentions,
        own: &[Vec<Binding>],
        ambiguous: &FixedMap<Tag, u32>,
    ) -> Evidence {
        let mut evidence = Evidence::default();
        let named = |class: &ClassId| {
            let record = fold.classes.get(*class);
            mention.any(*class) && Tag::of(record).is_some() && !is_forward(record)
        };
        for unit in fold.units() {
            for &class in fold.classes_of(unit).iter().filter(|c| named(c)) {
                if evidence.mentioned.contains_key(&class) {
                    continue;
                }
                evidence.mentioned.insert(class, mentioned_tags(class, fold, mention, ambiguous));
                let ids = base.filter(|_| fold.classes.in_base(class)).map(|b| (b, b.ids(class)));
                for (base, id) in ids.into_iter().flat_map(|(b, ids)| ids.map(move |id| (b, id))) {
                    for (tag, definition) in base_definitions(id, base, ambiguous) {
                        evidence.add(class, tag, definition);
                    }
                }
            }
        }
        for (unit, bindings) in fold.units().iter().zip(own).filter(|(u, b)| u.exact.is_none() && !b.is_empty()) {
            for &class in fold.classes_of(unit).iter().filter(|c| named(c)) {
                for tag in evidence.mentioned[&class].clone() {
                    if let Ok(at) = bindings.binary_search_by_key(&tag, |b| b.tag) {
                        evidence.add(class, tag, bindings[at].class);
                    }
                }
            }
        }
        evidence
    }

    fn add(&mut self, composite: ClassId, tag: u32, definition: ClassId) {
        let slot = self.definition.entry((composite, tag)).or_insert(Some(definition));
        if *slot != Some(definition) {
            *slot = None;
        }
    }

    /// Adds to a unit's own definitions those that all evidence in the unit agrees on. A definition that has versions
    /// itself would need to be one of them, and nothing tells which.
    fn add_to(&self, bindings: &mut Vec<Binding>, classes: &[ClassId], mention: &Mentions) {
        let mut found: FixedMap<u32, Option<ClassId>> = FixedMap::default();
        for class in classes {
            for tag in self.mentioned.get(class).into_iter().flatten() {
                if let Some(&definition) = self.definition.get(&(*class, *tag)) {
                    let slot = found.entry(*tag).or_insert(definition);
                    if *slot != definition {
                        *slot = None;
                    }
                }
            }
        }
        let own = bindings.len();
        for (tag, definition) in found {
            if let Some(class) = definition.filter(|&c| !mention.any(c)) {
                if bindings[..own].binary_search_by_key(&tag, |b| b.tag).is_err() {
                    bindings.push(Binding { tag, class, by_evidence: true });
                }
            }
        }
        bindings.sort_unstable();
    }
}

/// The ambiguous tags that a class mentions, itself or through other classes.
fn mentioned_tags(start: ClassId, fold: &Fold<'_>, mention: &Mentions, ambiguous: &FixedMap<Tag, u32>) -> Vec<u32> {
    let mut found = Vec::new();
    let mut seen = FixedSet::from_iter([start]);
    let mut work = vec![start];
    while let Some(class) = work.pop() {
        for word in refs(fold.classes.get(class)) {
            match Ref::of(word) {
                Ref::Class(c) if mention.any(c) && seen.insert(c) => work.push(c),
                Ref::Tag(tag) => found.extend(ambiguous.get(&tag)),
                Ref::Class(_) | Ref::Void => {}
            }
        }
    }
    found.sort_unstable();
    found.dedup();
    found
}

/// The definitions of ambiguous tags that a composite of the base refers to.
fn base_definitions(start: TypeId, base: &Base<'_>, ambiguous: &FixedMap<Tag, u32>) -> Vec<(u32, ClassId)> {
    let mut found = Vec::new();
    let mut seen = FixedSet::from_iter([start]);
    let mut work = vec![start];
    while let Some(id) = work.pop() {
        for target in base.record(id).into_iter().flat_map(refs).map(TypeId) {
            let Some(class) = base.class(target) else { continue };
            let record = base.classes().get(class);
            match Tag::of(record) {
                None if seen.insert(target) => work.push(target),
                Some(tag) if !is_forward(record) => found.extend(ambiguous.get(&tag).map(|&t| (t, class))),
                _ => {}
            }
        }
    }
    found
}
