//! From classes and versions to the types to write.
//!
//! Every class, or version of a class, is either a type of the base or one of the file's own. Forward declarations go to
//! the definition that they stand for, if there is just one, in the file or in the base.
//!
//! A base that knows only a forward declaration of what the file defines (vmlinux points to `struct xfs_mount`, xfs.ko
//! defines it) is special. Composites of the base that point to it are the same as the file's, though those point to the
//! definition: else the module would repeat everything that reaches the declaration. But the
//! pointer itself, a typedef or a prototype over it is not taken from the base: a module's function that takes the struct
//! says so. Precisely: a type of the file is that of the base with the smallest id among those that
//!
//! * are equal to it when every forward declaration, also in the base, means what `versions` says, and
//! * do not lead to a forward declaration that means a definition, other than through a struct or union.

use super::fold::{Fold, Position, Use};
use super::versions::{Context, Meaning, Node, Tags, Version, Versions};
use crate::base::Base;
use crate::graph::{ClassId, Records, Ref, Tag, is_forward, map_refs};
use crate::ids::TypeId;
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
        let mut targets = Targets::new(&tags, versions, fold.classes.end());
        let candidates = targets.assign(fold, base, &tags);
        targets.settle_exact_units(fold);
        let mut records = Records::default();
        for own in &candidates {
            records.push_record(&targets.record(own, fold));
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
    what: What,
    /// Unit, then position of the class or, in a unit that defines a tag in two ways, of the type. No two candidates share
    /// both: versions of one class are of different units.
    order: (u32, Position),
}

#[derive(Clone, Copy, Debug)]
enum What {
    /// The class has no versions.
    Class,
    /// A version; the node is the one whose references count.
    Version(Version, Node),
    /// A forward declaration that stays.
    Forward(Tag),
}

#[derive(Debug)]
struct Targets {
    versions: Versions,
    /// Per class what it became; void where it has versions or is a forward declaration.
    of_class: Vec<Target>,
    of_version: FixedMap<Version, Target>,
    /// Some version of each class that has any: the only one, for the definition of a tag that is not ambiguous.
    a_version: FixedMap<ClassId, Version>,
    /// The definition of each tag that is not ambiguous.
    definition: FixedMap<Tag, ClassId>,
    /// Forward declarations that stay.
    of_forward: FixedMap<Tag, Target>,
    /// Per unit that defines a tag in two ways, by index: what each local type became.
    of_local: FixedMap<usize, Vec<Target>>,
}

const VOID: Target = Target::Base(TypeId::VOID);

impl Targets {
    fn new(tags: &Tags, versions: Versions, classes: u32) -> Targets {
        let definition = tags.definitions.iter().filter_map(|(&tag, classes)| match classes[..] {
            [only] if !versions.is_ambiguous(tag) => Some((tag, only)),
            _ => None,
        });
        Targets {
            of_class: vec![VOID; classes as usize],
            of_version: FixedMap::default(),
            a_version: versions.nodes().map(|(_, class, version)| (class, version)).collect(),
            definition: definition.collect(),
            of_forward: FixedMap::default(),
            of_local: FixedMap::default(),
            versions,
        }
    }

    /// Gives every class, version and forward declaration its target. Returns the own types in the order of their numbers.
    fn assign(&mut self, fold: &Fold<'_>, base: Option<&Base<'_>>, tags: &Tags) -> Vec<Candidate> {
        let completed = Completed::of(base, &self.definition);
        let mut own = Vec::new();
        self.assign_classes(fold, base, tags, &completed, &mut own);
        self.assign_versions(fold, &completed, &mut own);
        self.assign_forwards(fold, base, tags, &mut own);
        own.sort_unstable_by_key(|candidate| candidate.order);
        for (number, candidate) in (0..).zip(&own) {
            let target = Target::Own(number);
            match candidate.what {
                What::Class => self.of_class[candidate.class.index()] = target,
                What::Version(version, _) => drop(self.of_version.insert(version, target)),
                What::Forward(tag) => drop(self.of_forward.insert(tag, target)),
            }
        }
        own
    }

    fn assign_classes(
        &mut self,
        fold: &Fold<'_>,
        base: Option<&Base<'_>>,
        tags: &Tags,
        completed: &Completed,
        own: &mut Vec<Candidate>,
    ) {
        let in_base = |class: ClassId| {
            let ids = base.filter(|_| fold.classes.in_base(class)).map(|b| b.ids(class));
            ids.into_iter().flatten().find(|&id| completed.is_exact(id))
        };
        for &class in &tags.present {
            let record = fold.classes.get(class);
            let declares = Tag::of(record).is_some() && is_forward(record);
            if declares || self.a_version.contains_key(&class) {
                continue;
            }
            match in_base(class) {
                Some(id) => self.of_class[class.index()] = Target::Base(id),
                None => {
                    let position = fold.position(class);
                    own.push(Candidate { class, what: What::Class, order: (position.unit, position) });
                }
            }
        }
        // For the file's forward declarations of them.
        for &class in &tags.only_in_base {
            self.of_class[class.index()] = in_base(class).map_or(VOID, Target::Base);
        }
    }

    fn assign_versions(&mut self, fold: &Fold<'_>, completed: &Completed, own: &mut Vec<Candidate>) {
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
                    if completed.is_exact(id) {
                        let target = self.of_version.entry(version).or_insert(Target::Base(id));
                        if target.word() > id.0 {
                            *target = Target::Base(id);
                        }
                    }
                    continue;
                }
                Node::Class(_, context) => (first_unit[&context], position),
                Node::Exact(unit, local) => {
                    let unit = fold.units()[unit].number;
                    (unit, Position { unit, local })
                }
            };
            let candidate = Candidate { class, what: What::Version(version, node), order };
            let known = best.entry(version).or_insert(candidate);
            if candidate.order < known.order {
                *known = candidate;
            }
        }
        own.extend(best.into_iter().filter(|(version, _)| !self.of_version.contains_key(version)).map(|(_, c)| c));
    }

    /// Forward declarations that stay: those without a definition, and the ambiguous ones that some unit cannot resolve.
    fn assign_forwards(&mut self, fold: &Fold<'_>, base: Option<&Base<'_>>, tags: &Tags, own: &mut Vec<Candidate>) {
        let unresolved = self.unresolved(fold, tags);
        for (&tag, forward) in &tags.forwards {
            let ambiguous = self.versions.is_ambiguous(tag);
            if self.definition.contains_key(&tag) || ambiguous && !unresolved.contains(&tag) {
                continue;
            }
            if let Some(id) = base.and_then(|b| b.forward(tag)) {
                self.of_forward.insert(tag, Target::Base(id));
            } else {
                let order = (forward.position.unit, forward.position);
                own.push(Candidate { class: forward.class, what: What::Forward(tag), order });
            }
        }
    }

    /// The ambiguous tags that stay forward declarations in some unit.
    fn unresolved(&self, fold: &Fold<'_>, tags: &Tags) -> FixedSet<Tag> {
        let mut unresolved = FixedSet::default();
        if !tags.forwards.keys().any(|&tag| self.versions.is_ambiguous(tag)) {
            return unresolved;
        }
        for (index, unit) in fold.units().iter().enumerate() {
            let stays = |meaning| match meaning {
                Meaning::Forward(tag) if self.versions.is_ambiguous(tag) => Some(tag),
                _ => None,
            };
            match &unit.exact {
                Some(exact) => {
                    let locals = (0..exact.class.len() as u32).filter_map(|local| exact.meaning(local));
                    let meanings = locals.map(|(local, class)| self.versions.of_local(fold, index, local, class));
                    unresolved.extend(meanings.filter_map(stays));
                }
                None => {
                    let context = self.versions.context(index);
                    let records = fold.classes_of(unit).map(|class| fold.classes.get(class));
                    let declared = records.filter(|r| is_forward(r)).filter_map(Tag::of);
                    unresolved.extend(declared.map(|tag| self.versions.meaning(tag, context)).filter_map(stays));
                }
            }
        }
        unresolved
    }

    /// Works out what each type of the units that define a tag in two ways became.
    fn settle_exact_units(&mut self, fold: &Fold<'_>) {
        for (index, unit) in fold.units().iter().enumerate() {
            let Some(exact) = &unit.exact else { continue };
            let target = |local| match exact.meaning(local) {
                Some((local, class)) => self.of_meaning(self.versions.of_local(fold, index, local, class)),
                None => VOID,
            };
            let targets = (0..exact.class.len() as u32).map(target).collect();
            self.of_local.insert(index, targets);
        }
    }

    /// The record of one of the file's own types, with its references resolved.
    fn record(&self, own: &Candidate, fold: &Fold<'_>) -> Vec<u32> {
        let mut record = fold.classes.get(own.class).to_vec();
        match own.what {
            What::Version(_, Node::Exact(unit, local)) => {
                if let Some(exact) = &fold.units()[unit].exact {
                    record = exact.records.get(local as usize).to_vec();
                    let target =
                        |word: u32| word.checked_sub(1).map_or(VOID, |local| self.of_local[&unit][local as usize]);
                    map_refs(&mut record, |word| target(word).word());
                }
            }
            What::Version(_, Node::Class(_, context)) => {
                map_refs(&mut record, |word| self.of_reference(Ref::of(word), Some(context)).word());
            }
            // Whatever it reaches means the same everywhere. A version without a node of the file is of the base.
            What::Class | What::Forward(_) | What::Version(_, Node::Base(_)) => {
                map_refs(&mut record, |word| self.of_reference(Ref::of(word), None).word());
            }
        }
        record
    }

    fn of_use(&self, unit: usize, used: Use) -> Target {
        match (self.of_local.get(&unit), used.local) {
            (Some(targets), Some(local)) if (local as usize) < targets.len() => targets[local as usize],
            _ => self.of_reference(used.reference, Some(self.versions.context(unit))),
        }
    }

    fn of_reference(&self, reference: Ref, context: Option<Context>) -> Target {
        match (reference, context) {
            (Ref::Void, _) => VOID,
            (Ref::Class(class), None) => self.of_class[class.index()],
            (Ref::Class(class), Some(context)) => match self.versions.version(Node::Class(class, context)) {
                Some(version) => self.of_version(version),
                None => self.of_class[class.index()],
            },
            (Ref::Tag(tag), None) => self.of_meaning(Meaning::Forward(tag)),
            (Ref::Tag(tag), Some(context)) => self.of_meaning(self.versions.meaning(tag, context)),
        }
    }

    fn of_meaning(&self, meaning: Meaning) -> Target {
        match meaning {
            Meaning::Node(node) => self.versions.version(node).map_or(VOID, |version| self.of_version(version)),
            Meaning::Class(class) => self.of_class[class.index()],
            Meaning::Forward(tag) => match self.definition.get(&tag) {
                Some(&class) => match self.a_version.get(&class) {
                    Some(&version) => self.of_version(version),
                    None => self.of_class[class.index()],
                },
                None => self.of_forward.get(&tag).copied().unwrap_or(VOID),
            },
        }
    }

    fn of_version(&self, version: Version) -> Target {
        self.of_version.get(&version).copied().unwrap_or(VOID)
    }
}

/// The forward declarations of the base whose definition is known, and what leads to them.
struct Completed {
    /// The types of the base that lead to such a declaration, other than through a composite.
    leads: FixedSet<TypeId>,
}

impl Completed {
    fn of(base: Option<&Base<'_>>, definition: &FixedMap<Tag, ClassId>) -> Completed {
        let mut completed = Completed { leads: FixedSet::default() };
        let Some(base) = base else { return completed };
        let declares = |class: ClassId| {
            let record = base.classes().get(class);
            is_forward(record) && Tag::of(record).is_some_and(|tag| definition.contains_key(&tag))
        };
        let declaring = base.declarations().iter().copied().filter(|&class| declares(class));
        let mut work: Vec<TypeId> = declaring.flat_map(|class| base.ids(class)).collect();
        while let Some(id) = work.pop() {
            if completed.leads.insert(id) {
                work.extend(base.users(id).iter().copied().map(TypeId));
            }
        }
        completed
    }

    /// True if a base type says all that is known: it does not lead to a declaration of what is defined somewhere.
    fn is_exact(&self, id: TypeId) -> bool {
        !self.leads.contains(&id)
    }
}
