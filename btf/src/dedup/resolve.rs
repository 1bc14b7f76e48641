//! From classes and versions to the types to write.
//!
//! Every class, or version of a class, is either a type of the base or one of the file's own. Forward declarations go to
//! the definition that they stand for, if there is just one, in the file or in the base.
//!
//! A base that knows only a forward declaration of what the file defines (vmlinux points to `struct xfs_mount`, xfs.ko
//! defines it) is special. Composites of the base that point to it are the same as the file's, though those point to the
//! definition: else the module would repeat everything that reaches the declaration (dedup.md 5.5, policy P1). But the
//! pointer itself, a typedef or a prototype over it is not taken from the base: a module's function that takes the struct
//! says so.

use super::fold::{Fold, Position, Use};
use super::versions::{Context, Meaning, Node, Tags, Version, Versions};
use crate::base::Base;
use crate::graph::{ClassId, Head, Records, Ref, Tag, is_forward, map_refs, refs};
use crate::ids::TypeId;
use crate::kind::Kind;
use crate::map::{FixedMap, FixedSet};

/// A type of the result: void, one of the base, or one of the file's own.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Target {
    /// A type of the base, or void.
    Base(TypeId),
    /// One of the file's own types: its number in [`Resolution::records`].
    Own(u32),
}

const OWN_BIT: u32 = 1 << 31;

impl Target {
    /// The word for a target.
    pub fn word(self) -> u32 {
        match self {
            Target::Base(id) => id.0,
            Target::Own(index) => OWN_BIT | index,
        }
    }

    /// The target in a word.
    pub fn of(word: u32) -> Target {
        if word & OWN_BIT != 0 { Target::Own(word & !OWN_BIT) } else { Target::Base(TypeId(word)) }
    }
}

/// The types to write, and where every class went.
#[derive(Debug)]
pub struct Resolution {
    /// The file's own types in the order of their first appearance; references are [`Target`] words.
    pub records: Records,
    /// Tags with more than one definition, in the file or the base; a count to report.
    pub ambiguous_tags: usize,
    targets: Targets,
}

impl Resolution {
    /// Decides what each class of the file becomes.
    pub fn new(fold: &Fold<'_>, base: Option<&Base<'_>>) -> Resolution {
        let tags = Tags::of(fold, base);
        let versions = Versions::refine(fold, base, &tags);
        let ambiguous_tags = versions.ambiguous_tags();
        let (targets, own) = Targets::assign(fold, base, &tags, versions);
        let mut records = Records::default();
        for candidate in own {
            records.push_record(&targets.record(candidate, fold));
        }
        Resolution { records, ambiguous_tags, targets }
    }

    /// What a type that a unit uses became; `unit` is the unit's index in [`Fold::units`].
    pub fn target(&self, unit: usize, used: Use) -> Target {
        self.targets.of_use(unit, used)
    }
}

/// One of the file's own types, before it has a number.
#[derive(Clone, Copy, Debug)]
struct Candidate {
    class: ClassId,
    /// Whose references count, if the class has versions.
    node: Option<Node>,
    /// Unit, position of the class, local number: no two candidates share all three.
    order: (u32, Position, u32),
}

#[derive(Debug)]
struct Targets {
    versions: Versions,
    /// Per class what it became; void where it has versions or is a forward declaration.
    of_class: Vec<Target>,
    of_version: FixedMap<Version, Target>,
    /// Some version of each class that has any: the only one, for a definition of a tag that is not ambiguous.
    a_version: FixedMap<ClassId, Version>,
    definition: FixedMap<Tag, ClassId>,
    of_forward: FixedMap<Tag, Target>,
    /// Per class its tag, if it only declares it.
    declares: FixedMap<ClassId, Tag>,
    /// Classes of the units whose types are resolved one by one, per unit index.
    exact: FixedMap<usize, Vec<ClassId>>,
}

const VOID: Target = Target::Base(TypeId::VOID);

impl Targets {
    fn assign(
        fold: &Fold<'_>,
        base: Option<&Base<'_>>,
        tags: &Tags,
        versions: Versions,
    ) -> (Targets, Vec<Candidate>) {
        let exact = fold.units().iter().enumerate();
        let exact = exact.filter_map(|(i, u)| u.exact.as_ref().map(|e| (i, e.class.clone()))).collect();
        let mut t = Targets {
            of_class: vec![VOID; fold.classes.end() as usize],
            of_version: FixedMap::default(),
            a_version: versions.nodes().map(|(_, class, version)| (class, version)).collect(),
            definition: FixedMap::default(),
            of_forward: FixedMap::default(),
            declares: FixedMap::default(),
            exact,
            versions,
        };
        for (&tag, classes) in &tags.definitions {
            if let [only] = classes[..] {
                if !t.versions.is_ambiguous(tag) {
                    t.definition.insert(tag, only);
                }
            }
        }
        let in_base = base.map(|base| InBase::new(fold, base, tags));
        let mut own: Vec<(Candidate, Slot)> = Vec::new();
        t.assign_classes(fold, tags, in_base.as_ref(), &mut own);
        t.assign_versions(fold, in_base.as_ref(), &mut own);
        t.assign_forwards(fold, base, tags, &mut own);
        own.sort_unstable_by_key(|(candidate, _)| candidate.order);
        for (number, (_, slot)) in own.iter().enumerate() {
            let target = Target::Own(number as u32);
            match *slot {
                Slot::Class(class) => t.of_class[class.index()] = target,
                Slot::Version(version) => drop(t.of_version.insert(version, target)),
                Slot::Forward(tag) => drop(t.of_forward.insert(tag, target)),
            }
        }
        (t, own.into_iter().map(|(candidate, _)| candidate).collect())
    }

    fn assign_classes(
        &mut self,
        fold: &Fold<'_>,
        tags: &Tags,
        in_base: Option<&InBase<'_>>,
        own: &mut Vec<(Candidate, Slot)>,
    ) {
        for &class in &tags.present {
            let record = fold.classes.get(class);
            if let Some(tag) = Tag::of(record).filter(|_| is_forward(record)) {
                self.declares.insert(class, tag);
                continue;
            }
            // A definition that only the base has is not in the file.
            if self.a_version.contains_key(&class) {
                continue;
            }
            match in_base.filter(|_| fold.classes.in_base(class)).and_then(|b| b.id(class)) {
                Some(id) => self.of_class[class.index()] = Target::Base(id),
                None => {
                    let position = fold.position(class);
                    let candidate = Candidate { class, node: None, order: (position.unit, position, 0) };
                    own.push((candidate, Slot::Class(class)));
                }
            }
        }
        // Definitions that only the base has, for the file's forward declarations of them.
        for &class in tags.definitions.values().flatten() {
            if self.of_class[class.index()] == VOID && fold.classes.in_base(class) && fold.position(class) == Position::NEVER
            {
                if let Some(id) = in_base.and_then(|b| b.base.ids(class).next()) {
                    self.of_class[class.index()] = Target::Base(id);
                }
            }
        }
    }

    fn assign_versions(
        &mut self,
        fold: &Fold<'_>,
        in_base: Option<&InBase<'_>>,
        own: &mut Vec<(Candidate, Slot)>,
    ) {
        let mut first_unit: FixedMap<Context, u32> = FixedMap::default();
        for (index, unit) in fold.units().iter().enumerate() {
            let first = first_unit.entry(self.versions.context(index)).or_insert(unit.number);
            *first = unit.number.min(*first);
        }
        let mut best: FixedMap<Version, Candidate> = FixedMap::default();
        for (node, class, version) in self.versions.nodes() {
            let position = fold.position(class);
            let order = match node {
                Node::Base(id) => {
                    if in_base.is_some_and(|b| b.is_exact(id)) {
                        let slot = self.of_version.entry(version).or_insert(Target::Base(id));
                        if slot.word() > id.0 {
                            *slot = Target::Base(id);
                        }
                    }
                    continue;
                }
                Node::Class(_, context) => (first_unit[&context], position, 0),
                Node::Exact(unit, local) => (fold.units()[unit].number, position, local + 1),
            };
            let candidate = Candidate { class, node: Some(node), order };
            let slot = best.entry(version).or_insert(candidate);
            if candidate.order < slot.order {
                *slot = candidate;
            }
        }
        for (version, candidate) in best {
            let record = fold.classes.get(candidate.class);
            if !self.of_version.contains_key(&version) && !is_forward(record) {
                own.push((candidate, Slot::Version(version)));
            }
        }
    }

    /// Forward declarations that stay: those without a definition, and the ambiguous ones of some unit.
    fn assign_forwards(
        &mut self,
        fold: &Fold<'_>,
        base: Option<&Base<'_>>,
        tags: &Tags,
        own: &mut Vec<(Candidate, Slot)>,
    ) {
        let mut stays: FixedMap<Tag, Position> = FixedMap::default();
        for (&tag, &class) in &tags.forwards {
            if !self.definition.contains_key(&tag) && !self.versions.is_ambiguous(tag) {
                stays.insert(tag, fold.position(class));
            }
        }
        if tags.forwards.keys().any(|t| self.versions.is_ambiguous(*t)) {
            for (index, unit) in fold.units().iter().enumerate() {
                let context = self.versions.context(index);
                for class in fold.classes_of(unit) {
                    let Some(&tag) = self.declares.get(class) else { continue };
                    let unresolved = unit.exact.is_some() || self.versions.meaning(tag, context) == Meaning::Forward;
                    if self.versions.is_ambiguous(tag) && unresolved {
                        stays.entry(tag).or_insert(fold.position(tags.forwards[&tag]));
                    }
                }
            }
        }
        for (tag, position) in stays {
            match base.and_then(|b| b.forward(tag)) {
                Some(id) => drop(self.of_forward.insert(tag, Target::Base(id))),
                None => {
                    let order = (position.unit, position, 0);
                    own.push((Candidate { class: tags.forwards[&tag], node: None, order }, Slot::Forward(tag)));
                }
            }
        }
    }

    /// The record of one of the file's own types, with its references resolved.
    fn record(&self, candidate: Candidate, fold: &Fold<'_>) -> Vec<u32> {
        let mut record = fold.classes.get(candidate.class).to_vec();
        match candidate.node {
            Some(Node::Exact(unit, local)) => {
                if let Some(exact) = &fold.units()[unit].exact {
                    record = exact.records.get(local as usize).to_vec();
                    map_refs(&mut record, |word| match exact.target(word) {
                        Some((local, class)) => self.of_node(Node::Exact(unit, local), class).word(),
                        None => 0,
                    });
                }
            }
            Some(Node::Class(_, context)) => {
                map_refs(&mut record, |word| self.of_reference(Ref::of(word), Some(context)).word());
            }
            Some(Node::Base(_)) | None => {
                map_refs(&mut record, |word| self.of_reference(Ref::of(word), None).word());
            }
        }
        record
    }

    fn of_use(&self, unit: usize, used: Use) -> Target {
        match (self.exact.get(&unit), used.local) {
            (Some(classes), Some(local)) if (local as usize) < classes.len() => {
                self.of_node(Node::Exact(unit, local), classes[local as usize])
            }
            _ => self.of_reference(used.reference, Some(self.versions.context(unit))),
        }
    }

    fn of_reference(&self, reference: Ref, context: Option<Context>) -> Target {
        match reference {
            Ref::Void => VOID,
            Ref::Class(class) => match context {
                Some(context) => self.of_node(Node::Class(class, context), class),
                None => self.of_definition(class),
            },
            Ref::Tag(tag) => match self.definition.get(&tag) {
                Some(&class) => self.of_definition(class),
                None => match context.map_or(Meaning::Forward, |c| self.versions.meaning(tag, c)) {
                    Meaning::Node(node @ Node::Class(class, _)) => self.of_node(node, class),
                    Meaning::Node(_) | Meaning::Forward => self.of_forward.get(&tag).copied().unwrap_or(VOID),
                    Meaning::Class(class) => self.of_definition(class),
                },
            },
        }
    }

    fn of_node(&self, node: Node, class: ClassId) -> Target {
        if let Some(version) = self.versions.version(node) {
            return self.of_version.get(&version).copied().unwrap_or(VOID);
        }
        match self.declares.get(&class) {
            Some(tag) => match self.definition.get(tag) {
                Some(&definition) => self.of_definition(definition),
                None => self.of_forward.get(tag).copied().unwrap_or(VOID),
            },
            None => self.of_class[class.index()],
        }
    }

    /// A class that means the same everywhere.
    fn of_definition(&self, class: ClassId) -> Target {
        match self.a_version.get(&class) {
            Some(version) => self.of_version.get(version).copied().unwrap_or(VOID),
            None => self.of_class[class.index()],
        }
    }
}

/// What gets the number of one of the file's own types.
#[derive(Clone, Copy, Debug)]
enum Slot {
    Class(ClassId),
    Version(Version),
    Forward(Tag),
}

/// Which classes are types of the base. Not those that lead to a forward declaration there, other than through a
/// composite, if there is a definition somewhere.
struct InBase<'b> {
    base: &'b Base<'b>,
    /// Per class of the base: it leads to such a declaration in some of its base types. Empty if there is none.
    doubtful: Vec<bool>,
    /// Tags that the base declares and something defines.
    completed: FixedSet<Tag>,
}

impl<'b> InBase<'b> {
    fn new(fold: &Fold<'_>, base: &'b Base<'_>, tags: &Tags) -> InBase<'b> {
        let declared = |tag: &&Tag| base.forward(**tag).is_some();
        let completed: FixedSet<Tag> = tags.definitions.keys().filter(declared).copied().collect();
        let mut doubtful = Vec::new();
        if !completed.is_empty() {
            doubtful.resize(fold.classes.first() as usize, false);
            for class in 1..fold.classes.first() {
                let record = fold.classes.get(ClassId(class));
                let leads = |word| match Ref::of(word) {
                    Ref::Void => false,
                    Ref::Class(c) => c.0 < class && doubtful[c.index()],
                    Ref::Tag(tag) => completed.contains(&tag),
                };
                doubtful[class as usize] = !is_composite(record) && refs(record).any(leads);
            }
        }
        InBase { base, doubtful, completed }
    }

    fn id(&self, class: ClassId) -> Option<TypeId> {
        let doubtful = self.doubtful.get(class.index()).copied().unwrap_or(false);
        self.base.ids(class).find(|&id| !doubtful || self.is_exact(id))
    }

    /// True if a base type does not lead to a declaration of what is defined somewhere, other than through a composite.
    fn is_exact(&self, id: TypeId) -> bool {
        if self.completed.is_empty() {
            return true;
        }
        let mut work = vec![id];
        let mut seen = FixedSet::default();
        while let Some(at) = work.pop() {
            let Some(record) = self.base.record(at) else { continue };
            if Tag::of(record).is_some_and(|t| is_forward(record) && self.completed.contains(&t)) {
                return false;
            }
            if !is_composite(record) && seen.insert(at) {
                work.extend(refs(record).filter(|&t| t != 0).map(TypeId));
            }
        }
        true
    }
}

fn is_composite(record: &[u32]) -> bool {
    matches!(Head::of(record).kind, Kind::Struct | Kind::Union)
}
