//! Evidence for what a forward declaration of an ambiguous tag means in a unit; [`super::versions`] has the rule.
//!
//! The composites that count for a unit are its *carriers*: named ones that reach the tag without passing another tag. All
//! that is asked of a graph here is what each carrier reaches; since many carriers share most of that, sets of tags are
//! kept once each and handed up the graph.

use super::fold::{Fold, Unit};
use super::lists::components;
use crate::base::Base;
use crate::graph::{ClassId, Ref, Tag, is_forward, refs};
use crate::ids::TypeId;
use crate::map::{FixedMap, FixedSet};

/// Per unit (by index) the definitions that there is evidence for.
pub(super) fn collect(fold: &Fold<'_>, base: Option<&Base<'_>>, ambiguous: &FixedSet<Tag>) -> Vec<Vec<(Tag, ClassId)>> {
    // Nearly no class has such a tag, and every unit has thousands of classes.
    let has_tag = |class| Tag::of(fold.classes.get(class)).is_some_and(|tag| ambiguous.contains(&tag));
    let concerned: Vec<bool> = (0..fold.classes.end()).map(|class| class > 0 && has_tag(ClassId(class))).collect();
    let sought: Vec<FixedSet<Tag>> = fold.units().iter().map(|unit| undefined(fold, unit, &concerned)).collect();
    let mut found = vec![Vec::new(); sought.len()];
    if sought.iter().all(FixedSet::is_empty) {
        return found;
    }
    let tags: FixedSet<Tag> = sought.iter().flatten().copied().collect();
    let carriers = Carriers::of(fold, &sought, &tags);
    let given = Given::collect(fold, base, &carriers, &tags);
    for (unit, sought) in sought.iter().enumerate().filter(|(_, sought)| !sought.is_empty()) {
        let mut agreed: FixedMap<Tag, Option<ClassId>> = FixedMap::default();
        for carrier in fold.classes_of(&fold.units()[unit]) {
            for tag in carriers.tags(carrier).iter().filter(|tag| sought.contains(*tag)) {
                if let Some(&definition) = given.definition.get(&(carrier, *tag)) {
                    agree(&mut agreed, *tag, definition);
                }
            }
        }
        found[unit].extend(agreed.into_iter().filter_map(|(tag, class)| Some((tag, class?))));
    }
    found
}

/// Notes a definition for a key, or None if another one is there.
fn agree<K: Eq + std::hash::Hash>(map: &mut FixedMap<K, Option<ClassId>>, key: K, definition: Option<ClassId>) {
    let known = map.entry(key).or_insert(definition);
    if *known != definition {
        *known = None;
    }
}

/// The ambiguous tags that a unit declares and does not define; `concerned` tells which classes have such a tag.
fn undefined(fold: &Fold<'_>, unit: &Unit, concerned: &[bool]) -> FixedSet<Tag> {
    let (mut declared, mut defined) = (FixedSet::default(), FixedSet::default());
    fold.classes_of(unit).filter(|class| concerned[class.index()]).for_each(|class| {
        let record = fold.classes.get(class);
        let tags = if is_forward(record) { &mut declared } else { &mut defined };
        tags.extend(Tag::of(record));
    });
    declared.retain(|tag| !defined.contains(tag));
    declared
}

fn is_named_composite(record: &[u32]) -> bool {
    Tag::of(record).is_some() && !is_forward(record)
}

/// The carriers of all units, and the tags that each mentions.
struct Carriers {
    sets: Sets<Tag>,
    set: FixedMap<usize, u32>,
}

impl Carriers {
    fn of(fold: &Fold<'_>, sought: &[FixedSet<Tag>], tags: &FixedSet<Tag>) -> Carriers {
        let units = fold.units().iter().zip(sought).filter(|(_, sought)| !sought.is_empty());
        let mut roots: Vec<usize> = units
            .flat_map(|(unit, _)| fold.classes_of(unit))
            .filter(|&class| is_named_composite(fold.classes.get(class)))
            .map(|class| class.index())
            .collect();
        roots.sort_unstable();
        roots.dedup();
        let references = |class: usize| refs(fold.classes.get(ClassId(class as u32))).map(Ref::of);
        let below = |class: usize| {
            let classes = references(class).filter_map(|r| match r {
                Ref::Class(c) if Tag::of(fold.classes.get(c)).is_none() => Some(c.index()),
                _ => None,
            });
            classes.collect()
        };
        let direct = |class: usize, out: &mut Vec<Tag>| {
            out.extend(references(class).filter_map(|r| match r {
                Ref::Tag(tag) => tags.get(&tag).copied(),
                _ => None,
            }));
        };
        let (sets, set) = reached(&roots, fold.classes.end() as usize, below, direct);
        let mut carriers = Carriers { sets, set };
        carriers.set.retain(|&class, set| *set != 0 && is_named_composite(fold.classes.get(ClassId(class as u32))));
        carriers
    }

    /// The tags that a carrier mentions; none for other classes.
    fn tags(&self, class: ClassId) -> &[Tag] {
        self.set.get(&class.index()).map_or(&[], |&set| self.sets.get(set))
    }
}

/// Per carrier and tag the definition that units and the base have together with the carrier; None if they differ.
struct Given {
    definition: FixedMap<(ClassId, Tag), Option<ClassId>>,
}

impl Given {
    fn collect(fold: &Fold<'_>, base: Option<&Base<'_>>, carriers: &Carriers, tags: &FixedSet<Tag>) -> Given {
        let mut given = Given { definition: FixedMap::default() };
        for (index, unit) in fold.units().iter().enumerate() {
            if unit.exact.is_some() {
                given.add_exact(fold, index, carriers, tags);
                continue;
            }
            let mut own: FixedMap<Tag, ClassId> = FixedMap::default();
            for class in fold.classes_of(unit) {
                let record = fold.classes.get(class);
                if let Some(tag) = Tag::of(record).filter(|tag| !is_forward(record) && tags.contains(tag)) {
                    own.insert(tag, class);
                }
            }
            if own.is_empty() {
                continue;
            }
            for carrier in fold.classes_of(unit) {
                for tag in carriers.tags(carrier) {
                    if let Some(&definition) = own.get(tag) {
                        agree(&mut given.definition, (carrier, *tag), Some(definition));
                    }
                }
            }
        }
        if let Some(base) = base {
            given.add_base(fold, base, carriers, tags);
        }
        given
    }

    /// In a unit that defines a tag in two ways, each copy of a carrier has its own.
    fn add_exact(&mut self, fold: &Fold<'_>, unit: usize, carriers: &Carriers, tags: &FixedSet<Tag>) {
        let Some(exact) = fold.units()[unit].exact.as_deref() else { return };
        let roots: Vec<usize> = (0..exact.class.len()).filter(|&l| !carriers.tags(exact.class[l]).is_empty()).collect();
        let targets = |local: usize| refs(exact.records.get(local)).filter_map(|word| exact.target(word));
        let below = |local: usize| {
            let untagged = targets(local).filter(|(_, class)| Tag::of(fold.classes.get(*class)).is_none());
            untagged.map(|(local, _)| local as usize).collect()
        };
        let direct = |local: usize, out: &mut Vec<(Tag, ClassId)>| {
            out.extend(targets(local).filter_map(|(_, class)| definition(fold.classes.get(class), class, tags)));
        };
        let (sets, set) = reached(&roots, exact.class.len(), below, direct);
        for root in roots {
            self.add(exact.class[root], sets.get(set[&root]));
        }
    }

    fn add_base(&mut self, fold: &Fold<'_>, base: &Base<'_>, carriers: &Carriers, tags: &FixedSet<Tag>) {
        let classes = carriers.set.keys().map(|&class| ClassId(class as u32)).filter(|&c| fold.classes.in_base(c));
        let roots: Vec<usize> = classes.flat_map(|class| base.ids(class)).map(TypeId::index).collect();
        let targets = |id: usize| {
            let record = base.record(TypeId(id as u32)).unwrap_or_default();
            refs(record).filter_map(|target| base.class(TypeId(target)).map(|class| (target as usize, class)))
        };
        let below = |id: usize| {
            let untagged = targets(id).filter(|(_, class)| Tag::of(base.classes().get(*class)).is_none());
            untagged.map(|(id, _)| id).collect()
        };
        let direct = |id: usize, out: &mut Vec<(Tag, ClassId)>| {
            out.extend(targets(id).filter_map(|(_, class)| definition(base.classes().get(class), class, tags)));
        };
        let (sets, set) = reached(&roots, base.type_count() as usize + 1, below, direct);
        for root in roots {
            if let Some(class) = base.class(TypeId(root as u32)) {
                self.add(class, sets.get(set[&root]));
            }
        }
    }

    fn add(&mut self, carrier: ClassId, definitions: &[(Tag, ClassId)]) {
        for &(tag, definition) in definitions {
            agree(&mut self.definition, (carrier, tag), Some(definition));
        }
    }
}

fn definition(record: &[u32], class: ClassId, tags: &FixedSet<Tag>) -> Option<(Tag, ClassId)> {
    Tag::of(record).filter(|tag| !is_forward(record) && tags.contains(tag)).map(|tag| (tag, class))
}

/// Distinct sets of things, as sorted lists. Set 0 is empty.
struct Sets<T> {
    lists: Vec<Box<[T]>>,
    number: FixedMap<Box<[T]>, u32>,
}

impl<T: Copy + Ord + std::hash::Hash> Sets<T> {
    fn get(&self, set: u32) -> &[T] {
        &self.lists[set as usize]
    }

    fn intern(&mut self, mut list: Vec<T>) -> u32 {
        list.sort_unstable();
        list.dedup();
        if let Some(&known) = self.number.get(list.as_slice()) {
            return known;
        }
        let next = self.lists.len() as u32;
        self.lists.push(list.clone().into());
        self.number.insert(list.into(), next);
        next
    }
}

/// What each node that the roots lead to reaches: the union of what the nodes below it, and it, have directly.
fn reached<T: Copy + Ord + std::hash::Hash>(
    roots: &[usize],
    nodes: usize,
    below: impl Fn(usize) -> Vec<usize>,
    direct: impl Fn(usize, &mut Vec<T>),
) -> (Sets<T>, FixedMap<usize, u32>) {
    let mut sets = Sets { lists: Vec::new(), number: FixedMap::default() };
    sets.intern(Vec::new());
    let mut set: FixedMap<usize, u32> = FixedMap::default();
    for component in components(roots, nodes, &below) {
        let mut list = Vec::new();
        component.iter().for_each(|&node| direct(node, &mut list));
        let mut parts: Vec<u32> =
            component.iter().flat_map(|&node| below(node)).filter_map(|b| set.get(&b).copied()).collect();
        parts.sort_unstable();
        parts.dedup();
        parts.retain(|&part| part != 0);
        let own = match parts[..] {
            // Long chains hand up one set.
            [only] if list.is_empty() => only,
            _ => {
                parts.iter().for_each(|&part| list.extend_from_slice(sets.get(part)));
                sets.intern(list)
            }
        };
        set.extend(component.into_iter().map(|node| (node, own)));
    }
    (sets, set)
}
