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
//! What a forward declaration means:
//!
//! * If its unit defines the tag, that definition (for units that define it in two ways see [`super::fold::ExactUnit`]).
//! * Else, if the tag is not ambiguous, its one definition, wherever that is. This also holds for the base's forward
//!   declarations; [`super::resolve`] says what follows from that.
//! * Else what the *evidence* of the unit says. It comes from the named composites of the unit that mention the tag, not
//!   through another tag. Other units and the base may have the same composite (the same class) together with a definition
//!   of the tag. If all those, for all such composites of the unit, are one class, the tag has that definition in the unit;
//!   unless that class turns out to be several types, then it is no evidence.
//! * Else it stays a forward declaration.
//!
//! All evidence is collected before any is used, so the order of units does not matter. From round to round, forward
//! declarations only lose their meaning and types only split, so the end does not depend on the way either.

use super::evidence;
use super::fold::{Fold, Position};
use super::lists::Lists;
use super::partition::coarsest;
use crate::base::Base;
use crate::graph::{ClassId, Ref, Tag, is_forward, refs};
use crate::ids::TypeId;
use crate::map::{FixedMap, FixedSet};

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
    /// Distinct definitions, of the file and of the base, of the tags that the file mentions.
    pub definitions: FixedMap<Tag, Vec<ClassId>>,
    /// Forward declarations in the file.
    pub forwards: FixedMap<Tag, Forward>,
    /// Classes that the file has, in ascending order.
    pub present: Vec<ClassId>,
    /// Definitions of the file's tags that only the base has.
    pub only_in_base: Vec<ClassId>,
}

/// The forward declarations of a tag in a file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Forward {
    /// The one to write. Those of an enum may differ in size and kind; the smallest record is taken, whichever unit has it.
    pub class: ClassId,
    /// Where the first one stands.
    pub position: Position,
}

impl Tags {
    /// Collects the tags that a file mentions.
    pub fn of(fold: &Fold<'_>, base: Option<&Base<'_>>) -> Tags {
        let mut tags = Tags::default();
        let first = fold.classes.first();
        // A class of the base has a position in the file if a unit has it.
        let here = |class: &ClassId| fold.position(*class) != Position::NEVER;
        tags.present.extend((1..first).map(ClassId).filter(here));
        tags.present.extend((first..fold.classes.end()).map(ClassId));
        for &class in &tags.present {
            let record = fold.classes.get(class);
            let Some(tag) = Tag::of(record) else { continue };
            if is_forward(record) {
                let position = fold.position(class);
                let forward = tags.forwards.entry(tag).or_insert(Forward { class, position });
                forward.position = forward.position.min(position);
                if record < fold.classes.get(forward.class) {
                    forward.class = class;
                }
            } else {
                tags.definitions.entry(tag).or_default().push(class);
            }
        }
        if let Some(base) = base {
            let mut seen = vec![false; first as usize];
            tags.present.iter().take_while(|c| c.0 < first).for_each(|c| seen[c.index()] = true);
            let mentioned: Vec<Tag> = tags.definitions.keys().chain(tags.forwards.keys()).copied().collect();
            for tag in mentioned {
                for &class in base.definitions(tag) {
                    // A tag may be mentioned twice, as a definition and as a forward declaration.
                    if std::mem::replace(&mut seen[class.index()], true) {
                        continue;
                    }
                    tags.definitions.entry(tag).or_default().push(class);
                    tags.only_in_base.push(class);
                }
            }
        }
        tags
    }
}

/// A tag that takes part in the refinement.
#[derive(Clone, Copy, Debug)]
struct Play {
    number: u32,
    /// Its definition, if there is just one.
    only: Option<ClassId>,
}

/// The result of the refinement.
#[derive(Debug, Default)]
pub(super) struct Versions {
    /// Tags that take part: the ambiguous ones, and perhaps others, which mean the same everywhere.
    play: FixedMap<Tag, Play>,
    ambiguous: FixedSet<Tag>,
    /// Definitions that turned out to be several types: no evidence.
    several: FixedSet<ClassId>,
    /// Per unit its context.
    context: Vec<Context>,
    /// Per context the definition it gives to tags in play, sorted by tag number.
    bindings: Vec<Vec<Binding>>,
    /// All nodes with their classes, and where each node stands in that list.
    nodes: Vec<(Node, ClassId)>,
    number: FixedMap<Node, u32>,
    /// Some node of each class that has any.
    a_node: FixedMap<ClassId, Node>,
    /// Per node its version.
    version: Vec<Version>,
}

/// A tag's definition in a context.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
struct Binding {
    tag: u32,
    class: ClassId,
    /// False if the unit itself has the definition, true if there is evidence for it.
    by_evidence: bool,
}

/// What a tag means somewhere.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Meaning {
    /// A class as that node has it.
    Node(Node),
    /// A class without versions.
    Class(ClassId),
    /// Still a forward declaration.
    Forward(Tag),
}

/// Rounds in which only tags that are known to be ambiguous take part. A chain of structs, each split by the next, needs a
/// round per link: after this many (kernels need three or four), all tags take part at once.
const PATIENCE: usize = 16;

impl Versions {
    /// Finds the ambiguous tags and refines until nothing splits.
    pub fn refine(fold: &Fold<'_>, base: Option<&Base<'_>>, tags: &Tags) -> Versions {
        let mut v = Versions::default();
        v.ambiguous.extend(tags.definitions.iter().filter(|(_, d)| d.len() > 1).map(|(&tag, _)| tag));
        if let Some(base) = base {
            // What is ambiguous in the base alone counts if the file has a type that the base has more than once.
            let used = tags.present.iter().filter(|&&c| fold.classes.in_base(c)).chain(&tags.only_in_base);
            if !v.ambiguous.is_empty() || used.into_iter().any(|&c| base.ids(c).nth(1).is_some()) {
                v.ambiguous.extend(base.ambiguous_tags());
            }
        }
        if v.ambiguous.is_empty() {
            return v;
        }
        let evidence = evidence::collect(fold, base, &v.ambiguous);
        let mut more: Vec<Tag> = v.ambiguous.iter().copied().collect();
        for round in 1.. {
            if round == PATIENCE {
                more.extend(tags.definitions.keys().copied());
                more.extend(base.into_iter().flat_map(Base::defined_tags));
            }
            v.add_to_play(more, base, tags);
            let mention = Mentions::of(fold, &v.play);
            let concerned = v.concerned(fold, &mention);
            v.set_contexts(fold, &evidence, &concerned);
            v.set_nodes(fold, base, &mention, &concerned);
            v.split(fold, base, &mention);
            match v.take_split(fold) {
                Some(tags) => more = tags,
                None => break,
            }
        }
        v
    }

    fn add_to_play(&mut self, mut more: Vec<Tag>, base: Option<&Base<'_>>, tags: &Tags) {
        more.sort_unstable();
        for tag in more {
            let definitions = tags.definitions.get(&tag).map(Vec::as_slice);
            let definitions = definitions.or(base.map(|b| b.definitions(tag))).unwrap_or_default();
            let only = if let [only] = definitions { Some(*only) } else { None };
            let number = self.play.len() as u32;
            self.play.entry(tag).or_insert(Play { number, only });
        }
    }

    /// True if the tag has more than one meaning in the file.
    pub fn is_ambiguous(&self, tag: Tag) -> bool {
        self.ambiguous.contains(&tag)
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

    /// What a tag means in a context.
    pub fn meaning(&self, tag: Tag, context: Context) -> Meaning {
        let Some(play) = self.play.get(&tag) else { return Meaning::Forward(tag) };
        let bindings = self.bindings.get(context.0 as usize).map_or(&[][..], |b| b);
        match bindings.binary_search_by_key(&play.number, |b| b.tag).map(|at| bindings[at]) {
            Ok(Binding { class, by_evidence: false, .. }) => self.known(Node::Class(class, context), class),
            Ok(Binding { class, by_evidence: true, .. }) if !self.several.contains(&class) => self.anywhere(class),
            _ => self.elsewhere(tag),
        }
    }

    /// What a forward declaration means for which neither a definition nor evidence is at hand.
    fn elsewhere(&self, tag: Tag) -> Meaning {
        let only = self.play.get(&tag).filter(|_| !self.is_ambiguous(tag)).and_then(|p| p.only);
        only.map_or(Meaning::Forward(tag), |class| self.anywhere(class))
    }

    /// A class that is the same type wherever it stands.
    fn anywhere(&self, class: ClassId) -> Meaning {
        self.a_node.get(&class).map_or(Meaning::Class(class), |&node| Meaning::Node(node))
    }

    fn known(&self, node: Node, class: ClassId) -> Meaning {
        if self.number.contains_key(&node) { Meaning::Node(node) } else { Meaning::Class(class) }
    }

    /// Per unit its classes that mention or define a tag in play: few of some thousands.
    fn concerned(&self, fold: &Fold<'_>, mention: &Mentions) -> Lists<u32> {
        let is_concerned = |class| mention.any(class) || self.defines(fold, class).is_some();
        let concerned: Vec<bool> = (0..fold.classes.end()).map(|c| c > 0 && is_concerned(ClassId(c))).collect();
        let (mut lists, mut list) = (Lists::new(), Vec::new());
        for unit in fold.units() {
            fold.classes_of(unit).filter(|class| concerned[class.index()]).for_each(|class| list.push(class.0));
            lists.push(list.drain(..));
        }
        lists
    }

    /// The number of the tag in play that a class defines.
    fn defines(&self, fold: &Fold<'_>, class: ClassId) -> Option<u32> {
        let record = fold.classes.get(class);
        let tag = Tag::of(record).filter(|_| !is_forward(record))?;
        self.play.get(&tag).map(|play| play.number)
    }

    /// Groups the units by the definitions that they give to the tags in play.
    fn set_contexts(&mut self, fold: &Fold<'_>, evidence: &[Vec<(Tag, ClassId)>], concerned: &Lists<u32>) {
        let mut contexts: FixedMap<Vec<Binding>, Context> = FixedMap::default();
        self.context.clear();
        self.bindings.clear();
        for (index, (unit, evidence)) in fold.units().iter().zip(evidence).enumerate() {
            let by_evidence = |&(tag, class): &(Tag, ClassId)| {
                self.play.get(&tag).map(|p| Binding { tag: p.number, class, by_evidence: true })
            };
            let mut bindings: Vec<Binding> = evidence.iter().filter_map(by_evidence).collect();
            let next = Context(self.bindings.len() as u32);
            if unit.exact.is_some() {
                // Its tags do not have one meaning each: it stands for itself.
                bindings.sort_unstable();
                self.bindings.push(bindings);
                self.context.push(next);
                continue;
            }
            let own = concerned.get(index).iter().map(|&class| ClassId(class));
            bindings.extend(own.filter_map(|class| {
                let tag = self.defines(fold, class)?;
                Some(Binding { tag, class, by_evidence: false })
            }));
            bindings.sort_unstable();
            bindings.dedup();
            let context = *contexts.entry(bindings).or_insert_with_key(|key| {
                self.bindings.push(key.clone());
                next
            });
            self.context.push(context);
        }
    }

    /// Makes a node of every class that mentions a tag in play, in every context that has it.
    fn set_nodes(&mut self, fold: &Fold<'_>, base: Option<&Base<'_>>, mention: &Mentions, concerned: &Lists<u32>) {
        self.nodes.clear();
        self.number.clear();
        self.a_node.clear();
        let mut add = |node, class| {
            let next = self.nodes.len() as u32;
            if *self.number.entry(node).or_insert(next) == next {
                self.nodes.push((node, class));
                self.a_node.entry(class).or_insert(node);
            }
        };
        if let Some(base) = base {
            for class in (1..fold.classes.first()).map(ClassId).filter(|c| mention.any(*c)) {
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
                    let classes = concerned.get(index).iter().map(|&class| ClassId(class));
                    let classes = classes.filter(|&class| mention.any(class));
                    classes.for_each(|class| add(Node::Class(class, context), class));
                }
            }
        }
    }

    /// Refines. Nodes of one class refer to the same number of things that can tell them apart, so that the references can
    /// be compared place by place; what has no versions is a node of its own kind here.
    fn split(&mut self, fold: &Fold<'_>, base: Option<&Base<'_>>, mention: &Mentions) {
        let mut colour: Vec<u32> = self.nodes.iter().map(|(_, class)| class.0).collect();
        let mut leaves: FixedMap<Meaning, u32> = FixedMap::default();
        let mut below: Lists<u32> = Lists::new();
        let mut meanings: Vec<Meaning> = Vec::new();
        for &(node, class) in &self.nodes {
            meanings.clear();
            self.below(node, class, fold, base, mention, &mut meanings);
            below.push(meanings.iter().map(|&meaning| match meaning {
                Meaning::Node(node) => self.number[&node],
                leaf => {
                    let next = (self.nodes.len() + leaves.len()) as u32;
                    *leaves.entry(leaf).or_insert(next)
                }
            }));
        }
        for leaf in 0..leaves.len() as u32 {
            colour.push(fold.classes.end() + leaf);
            below.push([]);
        }
        let part = coarsest(&colour, &below);
        self.version = part.into_iter().take(self.nodes.len()).map(Version).collect();
    }

    /// The references of a node that can tell it from others of its class, in their order.
    fn below(
        &self,
        node: Node,
        class: ClassId,
        fold: &Fold<'_>,
        base: Option<&Base<'_>>,
        mention: &Mentions,
        out: &mut Vec<Meaning>,
    ) {
        let nominal = refs(fold.classes.get(class)).map(Ref::of);
        let matters = |r: &Ref| match r {
            Ref::Void => false,
            Ref::Class(c) => mention.any(*c),
            Ref::Tag(tag) => self.play.contains_key(tag),
        };
        match node {
            Node::Class(_, context) => out.extend(nominal.filter(matters).filter_map(|r| match r {
                Ref::Class(c) => Some(self.known(Node::Class(c, context), c)),
                Ref::Tag(tag) => Some(self.meaning(tag, context)),
                Ref::Void => None,
            })),
            Node::Exact(unit, local) => {
                let Some(exact) = fold.units()[unit].exact.as_deref() else { return };
                let actual = refs(exact.records.get(local as usize));
                out.extend(nominal.zip(actual).filter(|(r, _)| matters(r)).filter_map(|(_, word)| {
                    let (local, class) = exact.target(word)?;
                    Some(self.of_local(fold, unit, local, class))
                }));
            }
            Node::Base(id) => {
                let Some((base, record)) = base.and_then(|b| b.record(id).map(|r| (b, r))) else { return };
                out.extend(nominal.zip(refs(record)).filter(|(r, _)| matters(r)).filter_map(|(_, target)| {
                    let class = base.class(TypeId(target))?;
                    let record = base.classes().get(class);
                    Some(match Tag::of(record).filter(|_| is_forward(record)) {
                        Some(tag) => self.elsewhere(tag),
                        None => self.known(Node::Base(TypeId(target)), class),
                    })
                }));
            }
        }
    }

    /// What a local type of an exact unit is.
    pub fn of_local(&self, fold: &Fold<'_>, unit: usize, local: u32, class: ClassId) -> Meaning {
        let record = fold.classes.get(class);
        match Tag::of(record).filter(|_| is_forward(record)) {
            Some(tag) => self.meaning(tag, self.context(unit)),
            None => self.known(Node::Exact(unit, local), class),
        }
    }

    /// Notes which definitions are several types. If that takes a meaning from some forward declaration, returns the tags
    /// that are ambiguous now and were not.
    fn take_split(&mut self, fold: &Fold<'_>) -> Option<Vec<Tag>> {
        let mut first: FixedMap<ClassId, Version> = FixedMap::default();
        let mut several: Vec<(Tag, ClassId)> = Vec::new();
        for (_, class, version) in self.nodes() {
            if *first.entry(class).or_insert(version) != version && !self.several.contains(&class) {
                let record = fold.classes.get(class);
                several.extend(Tag::of(record).filter(|_| !is_forward(record)).map(|tag| (tag, class)));
            }
        }
        let mut more = Vec::new();
        for &(tag, class) in &several {
            self.several.insert(class);
            if self.ambiguous.insert(tag) {
                more.push(tag);
            }
        }
        let new: FixedSet<ClassId> = several.into_iter().map(|(_, class)| class).collect();
        let was_evidence = self.bindings.iter().flatten().any(|b| b.by_evidence && new.contains(&b.class));
        (was_evidence || !more.is_empty()).then_some(more)
    }
}

/// Which classes mention a tag in play, themselves or through other classes (not through other tags).
struct Mentions {
    any: Vec<bool>,
}

impl Mentions {
    fn of(fold: &Fold<'_>, play: &FixedMap<Tag, Play>) -> Mentions {
        let mut any = vec![false; fold.classes.end() as usize];
        for group in fold.classes.in_order() {
            let mentions = |word| match Ref::of(word) {
                Ref::Void => false,
                Ref::Class(c) => any[c.index()],
                Ref::Tag(tag) => play.contains_key(&tag),
            };
            if group.classes().any(|c| refs(fold.classes.get(c)).any(mentions)) {
                group.classes().for_each(|c| any[c.index()] = true);
            }
        }
        Mentions { any }
    }

    fn any(&self, class: ClassId) -> bool {
        self.any[class.index()]
    }
}
