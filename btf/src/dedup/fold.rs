//! Folds units into classes: the local types of a unit, bottom up, into the class table.
//!
//! A reference to a named struct, union or enum is cut down to its [`Tag`], so a unit is an acyclic graph (the rare
//! exception: `cycles`) and each type is interned right after what it refers to. A unit that brings nothing new
//! leaves nothing behind but the list of the classes it has, from which `versions` later tells which
//! definition of an ambiguous tag each unit means.
//!
//! Each worker folds its units into a [`Fold`] of its own, without locks; [`Fold::merge`] then joins two. Nothing that
//! leaves the fold depends on which worker had which unit: a class is its words, and its [`Position`] is the smallest of
//! all its appearances.

use super::cycles;
use super::lists::{Lists, components};
use super::renumber::{InBase, Renumbering, Spelling};
use super::table::ClassTable;
use crate::graph::{ClassId, Records, Ref, Tag, equals_mapped, is_forward, map_refs, refs};
use crate::kind::Kind;
use crate::map::{FixedMap, FixedSet};
use crate::strings::Strings;

/// Where a type first appears: unit number, then number within the unit.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Position {
    /// Number of the unit in the file.
    pub unit: u32,
    /// Number of the type in the unit.
    pub local: u32,
}

impl Position {
    /// First local number of types that were added to units after they were folded.
    pub const ADDED: u32 = 1 << 31;
    /// Past all positions.
    pub const NEVER: Position = Position { unit: u32::MAX, local: u32::MAX };
}

/// The classes that one unit has.
#[derive(Debug, Clone)]
pub struct Unit {
    /// Number of the unit in the file.
    pub number: u32,
    classes: std::ops::Range<usize>,
    /// Those that were added to it.
    added: std::ops::Range<usize>,
    /// The unit's own graph, kept if it defines one tag in two ways, so that a tag alone does not tell which is meant.
    pub(super) exact: Option<Box<ExactUnit>>,
}

/// A unit with its references kept one by one.
#[derive(Debug, Clone)]
pub(super) struct ExactUnit {
    /// Class of each local type; 0 for those that are not folded.
    pub class: Vec<ClassId>,
    /// The records; references are 0 for void or the local number + 1.
    pub records: Records,
    /// What each local type stands for: itself, or the unit's definition for a forward declaration of it.
    pub stands_for: Vec<u32>,
}

impl ExactUnit {
    /// The local type that a local type stands for, and its class.
    pub fn meaning(&self, local: u32) -> Option<(u32, ClassId)> {
        let meant = *self.stands_for.get(local as usize)?;
        self.class.get(meant as usize).filter(|c| c.0 != 0).map(|&class| (meant, class))
    }

    /// The local type behind a reference word, and its class.
    pub fn target(&self, word: u32) -> Option<(u32, ClassId)> {
        self.meaning(word.checked_sub(1)?)
    }

    /// Finds what the forward declarations stand for: the unit's definition of the tag if there is one. If there are
    /// several, they are copies if they have one class and do not reach a tag that the unit defines in two ways; any will
    /// do then. Else nothing tells which is meant.
    fn find_definitions(&mut self) {
        struct Definition {
            first: u32,
            copies: bool,
            doubled: bool,
        }
        let (mut definitions, mut forwards) = (FixedMap::<Tag, Definition>::default(), Vec::new());
        for (local, record) in (0..).zip(self.records.iter()) {
            let Some(tag) = Tag::of(record) else { continue };
            if is_forward(record) {
                forwards.push((local, tag));
                continue;
            }
            let new = Definition { first: local, copies: false, doubled: false };
            let known = definitions.entry(tag).or_insert(new);
            known.copies |= known.first != local;
            known.doubled |= self.class[known.first as usize] != self.class[local as usize];
        }
        let uncertain = |tag: &Tag| definitions.get(tag).is_some_and(|d| d.copies && !d.doubled);
        let reaching = if forwards.iter().any(|(_, tag)| uncertain(tag)) {
            self.reaching(|tag| definitions.get(&tag).is_some_and(|d| d.doubled), &forwards)
        } else {
            Vec::new()
        };
        for (local, tag) in forwards {
            if let Some(d) = definitions.get(&tag).filter(|d| !d.doubled) {
                if !d.copies || !reaching[d.first as usize] {
                    self.stands_for[local as usize] = d.first;
                }
            }
        }
    }

    /// Per local type whether it reaches one with a tag that is `doubled`.
    fn reaching(&self, doubled: impl Fn(Tag) -> bool, forwards: &[(u32, Tag)]) -> Vec<bool> {
        let n = self.records.len();
        let references = || {
            let folded = (0..n as u32).filter(|&l| self.class[l as usize].0 != 0);
            folded.flat_map(|from| {
                let words = refs(self.records.get(from as usize)).filter_map(|w| w.checked_sub(1));
                words.filter(|&to| (to as usize) < n).map(move |to| (to, from))
            })
        };
        let users = Lists::grouped(n, references);
        let mut declared: FixedMap<Tag, Vec<u32>> = FixedMap::default();
        forwards.iter().for_each(|&(local, tag)| declared.entry(tag).or_default().push(local));
        let tag = |local: u32| Tag::of(self.records.get(local as usize));
        let mut reaching = vec![false; n];
        let mut work: Vec<u32> = (0..n as u32).filter(|&l| tag(l).is_some_and(&doubled)).collect();
        while let Some(at) = work.pop() {
            if std::mem::replace(&mut reaching[at as usize], true) {
                continue;
            }
            work.extend(users.get(at as usize));
            // A forward declaration reaches what it declares.
            work.extend(tag(at).and_then(|t| declared.get(&t)).into_iter().flatten());
        }
        reaching
    }
}

/// What a local reference means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Local {
    /// No type.
    Void,
    /// The unit's type with this number.
    Type(u32),
}

/// A type as a unit uses it: enough to find its id once all units are known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Use {
    /// The reference.
    pub reference: Ref,
    /// The unit's local type; `None` for void.
    pub local: Option<u32>,
}

const UNKNOWN: u32 = u32::MAX;

/// What folding needs to know of a class besides its record.
#[derive(Clone, Copy, Default, Debug)]
struct Info {
    /// The last unit (counted from 1) that listed it.
    listed: u32,
    /// Number of the tag that it defines; 0 if none.
    defines: u32,
}

/// Units folded into classes; see the module's documentation.
#[derive(Debug)]
pub struct Fold<'b> {
    /// Names.
    pub strings: Strings<'b>,
    /// Types.
    pub classes: ClassTable<'b>,
    /// Smallest position of each class in the file.
    first: Vec<Position>,
    /// The own classes that the file has. A fold that was used for another file before has more.
    used: Vec<ClassId>,
    /// What folding needs to know of each class.
    info: Vec<Info>,
    /// Number of each tag that has a definition or a declaration, from 1.
    tags: FixedMap<Tag, u32>,
    units: Vec<Unit>,
    /// The distinct classes of all units, one unit after the other.
    unit_classes: Vec<ClassId>,
    /// The classes of types that were added to units, one unit after the other.
    added_classes: Vec<ClassId>,
    scratch: Scratch,
    /// Whether units that define one tag in two ways keep their graphs.
    keep_exact: bool,
}

/// Memory that is used again for each unit.
#[derive(Debug, Default)]
struct Scratch {
    /// Per reference to a local type (0, or its number + 1) the word for it, or UNKNOWN.
    reference: Vec<u32>,
    /// Per local type its class; 0 until known.
    class: Vec<u32>,
    record: Vec<u32>,
    /// Types to intern; what a type refers to is put above it.
    stack: Vec<u32>,
    /// Per local type whether that was done.
    open: Vec<bool>,
    /// Per tag, by number, the last unit (counted from 1) that defined it.
    defined: Vec<u32>,
    /// Units so far.
    count: u32,
    /// The class that was interned last.
    previous: ClassId,
    ambiguous: bool,
}

impl<'b> Fold<'b> {
    /// An empty fold on top of frozen tables (the base's), or by itself.
    pub fn new(base: Option<(&'b Strings<'b>, &'b ClassTable<'b>)>) -> Fold<'b> {
        let (strings, classes) = match base {
            Some((strings, classes)) => (Strings::on(strings), ClassTable::on(classes)),
            None => (Strings::new(), ClassTable::new()),
        };
        Fold {
            strings,
            classes,
            first: Vec::new(),
            used: Vec::new(),
            info: Vec::new(),
            tags: FixedMap::default(),
            units: Vec::new(),
            unit_classes: Vec::new(),
            added_classes: Vec::new(),
            scratch: Scratch::default(),
            keep_exact: true,
        }
    }

    /// An empty fold for the base, which keeps its own graph.
    pub(crate) fn for_base() -> Fold<'static> {
        Fold { keep_exact: false, ..Fold::new(None) }
    }

    /// The units, in the order in which they were folded (not that of the file).
    pub fn units(&self) -> &[Unit] {
        &self.units
    }

    /// The classes of a unit; those of added types may be among them twice.
    pub fn classes_of(&self, unit: &Unit) -> impl Iterator<Item = ClassId> {
        let own = &self.unit_classes[unit.classes.clone()];
        own.iter().chain(&self.added_classes[unit.added.clone()]).copied()
    }

    /// The smallest position of a class in the file.
    pub fn position(&self, class: ClassId) -> Position {
        self.first.get(class.index()).copied().unwrap_or(Position::NEVER)
    }

    /// Folds the types of a unit whose references are not local numbers: `local` says what they mean.
    pub fn fold_with(&mut self, number: u32, records: &Records, local: impl Fn(u32) -> Local) {
        let mut copy = records.clone();
        for i in 0..copy.len() {
            map_refs(copy.get_mut(i), |word| match local(word) {
                Local::Void => 0,
                Local::Type(t) => t.checked_add(1).unwrap_or(0),
            });
        }
        self.fold(number, &copy);
    }

    /// Folds the types of a unit; references are 0 for void (as are those that lead nowhere) or the local number + 1.
    ///
    /// FUNC, VAR, DATASEC and DECL_TAG records are left alone: they never merge.
    ///
    /// Afterwards [`Fold::reference`] and [`Fold::class`] tell about the unit's types, until the next unit is folded.
    pub fn fold(&mut self, number: u32, records: &Records) {
        let n = records.len();
        let s = &mut self.scratch;
        s.count += 1;
        s.ambiguous = false;
        s.class.clear();
        s.class.resize(n, 0);
        s.open.clear();
        s.open.resize(n, false);
        s.reference.clear();
        s.reference.push(0);
        s.reference.extend(records.iter().map(|record| match Tag::of(record) {
            None if foldable(record) => UNKNOWN,
            None => 0,
            Some(tag) => Ref::Tag(tag).word(),
        }));
        let start = self.unit_classes.len();
        for i in 0..n {
            if self.scratch.class[i] == 0 && foldable(records.get(i)) {
                self.fold_from(i, number, records);
            }
        }
        let keep = self.scratch.ambiguous && self.keep_exact;
        let exact = keep.then(|| Box::new(self.exact_unit(records)));
        self.units.push(Unit { number, classes: start..self.unit_classes.len(), added: 0..0, exact });
    }

    /// The graph of the unit just folded.
    fn exact_unit(&self, records: &Records) -> ExactUnit {
        let class: Vec<ClassId> = self.scratch.class.iter().map(|&c| ClassId(c)).collect();
        let mut exact = ExactUnit { stands_for: (0..class.len() as u32).collect(), class, records: records.clone() };
        exact.find_definitions();
        exact
    }

    /// The reference to a type of the unit folded last.
    pub fn reference(&self, local: Local) -> Ref {
        match local {
            Local::Void => Ref::Void,
            Local::Type(t) => match self.scratch.reference.get(t as usize + 1) {
                Some(&word) if word != UNKNOWN => Ref::of(word),
                _ => Ref::Void,
            },
        }
    }

    /// A type of the unit folded last, to be found again when all units are known.
    pub fn used(&self, local: Local) -> Use {
        match (self.reference(local), local) {
            (reference, Local::Type(t)) if reference != Ref::Void => Use { reference, local: Some(t) },
            _ => Use { reference: Ref::Void, local: None },
        }
    }

    /// The class of a type of the unit folded last; `None` for those that are not folded.
    pub fn class(&self, local: u32) -> Option<ClassId> {
        self.scratch.class.get(local as usize).filter(|&&c| c != 0).map(|&c| ClassId(c))
    }

    /// Adds types that are not in the units' own records (the prototypes of functions): per type the index of its unit
    /// in [`Fold::units`], and its record, whose references index `uses`. Returns what to call each of them.
    pub fn add(&mut self, units: &[usize], records: &Records, uses: &[Use]) -> Vec<Use> {
        let mut of_unit: Vec<Vec<ClassId>> = vec![Vec::new(); self.units.len()];
        let mut added = Vec::with_capacity(records.len());
        let mut copy = Vec::new();
        for (index, (&unit, record)) in units.iter().zip(records.iter()).enumerate() {
            copy.clear();
            copy.extend_from_slice(record);
            map_refs(&mut copy, |u| uses[u as usize].reference.word());
            let class = self.classes.intern(&copy);
            self.note(class, Position { unit: self.units[unit].number, local: Position::ADDED + index as u32 });
            of_unit[unit].push(class);
            let local = match &mut self.units[unit].exact {
                Some(exact) => {
                    copy.clear();
                    copy.extend_from_slice(record);
                    map_refs(&mut copy, |u| uses[u as usize].local.map_or(0, |t| t + 1));
                    exact.class.push(class);
                    exact.stands_for.push(exact.records.len() as u32);
                    Some(exact.records.push_record(&copy) as u32)
                }
                None => None,
            };
            added.push(Use { reference: Ref::Class(class), local });
        }
        for (unit, mut classes) in self.units.iter_mut().zip(of_unit) {
            classes.sort_unstable();
            classes.dedup();
            let start = self.added_classes.len();
            self.added_classes.extend(classes);
            unit.added = start..self.added_classes.len();
        }
        added
    }

    fn note(&mut self, class: ClassId, position: Position) {
        if class.index() >= self.first.len() {
            self.first.resize(self.classes.end() as usize, Position::NEVER);
        }
        self.have(class, position);
    }

    /// Notes that the file has a class at a position.
    fn have(&mut self, class: ClassId, position: Position) {
        let first = &mut self.first[class.index()];
        if *first == Position::NEVER && !self.classes.in_base(class) {
            self.used.push(class);
        }
        *first = (*first).min(position);
    }

    /// Interns a type after everything it refers to, with a work list instead of recursion.
    fn fold_from(&mut self, start: usize, number: u32, records: &Records) {
        if self.try_intern(start, number, records) {
            return;
        }
        self.scratch.stack.push(start as u32);
        while let Some(&top) = self.scratch.stack.last() {
            let at = top as usize;
            if self.scratch.class[at] != 0 || self.try_intern(at, number, records) {
                self.scratch.stack.pop();
            } else if std::mem::replace(&mut self.scratch.open[at], true) {
                // It was looked at before, and what it refers to was put above it: that must lead back here.
                self.scratch.stack.clear();
                self.fold_cyclic(number, records);
                return;
            } else {
                let s = &mut self.scratch;
                let unknown = |word: &u32| s.reference.get(*word as usize) == Some(&UNKNOWN);
                s.stack.extend(refs(records.get(at)).filter(unknown).map(|word| word - 1));
            }
        }
    }

    /// Interns a type if everything it refers to has its reference word already.
    fn try_intern(&mut self, at: usize, number: u32, records: &Records) -> bool {
        let s = &mut self.scratch;
        let reference = s.reference.as_slice();
        if let Some((class, expected)) = self.classes.expected_after(s.previous) {
            // No reference of a class is UNKNOWN.
            let referred = |word: u32| reference.get(word as usize).copied().unwrap_or(0);
            if equals_mapped(records.get(at), expected, referred) {
                s.previous = class;
                self.set_class(at, class, number);
                return true;
            }
        }
        s.record.clear();
        s.record.extend_from_slice(records.get(at));
        let mut known = true;
        map_refs(&mut s.record, |word| {
            let word = reference.get(word as usize).copied().unwrap_or(0);
            known &= word != UNKNOWN;
            word
        });
        if known {
            let class = self.classes.intern_after(s.previous, &s.record);
            s.previous = class;
            self.set_class(at, class, number);
        }
        known
    }

    /// Records that a local type belongs to a class, and that the unit has that class.
    fn set_class(&mut self, at: usize, class: ClassId, number: u32) {
        let s = &mut self.scratch;
        s.class[at] = class.0;
        let reference = &mut s.reference[at + 1];
        if *reference == UNKNOWN {
            *reference = Ref::Class(class).word();
        }
        if self.info.len() <= class.index() {
            self.learn_new_classes();
        }
        let position = Position { unit: number, local: at as u32 };
        let (info, s) = (&mut self.info[class.index()], &mut self.scratch);
        if std::mem::replace(&mut info.listed, s.count) == s.count {
            // What is referred to is folded first, wherever it stands; so the first to come is not always the first in the unit.
            let first = &mut self.first[class.index()];
            *first = (*first).min(position);
            return;
        }
        if info.defines != 0 {
            s.ambiguous |= std::mem::replace(&mut s.defined[info.defines as usize], s.count) == s.count;
        }
        self.unit_classes.push(class);
        self.have(class, position);
    }

    /// Finds out what there is to know of the classes that were added to the table.
    fn learn_new_classes(&mut self) {
        for class in self.info.len() as u32..self.classes.end() {
            let mut info = Info::default();
            if class > 0 {
                let record = self.classes.get(ClassId(class));
                if let Some(tag) = Tag::of(record) {
                    let next = self.tags.len() as u32 + 1;
                    let number = *self.tags.entry(tag).or_insert(next);
                    info.defines = if is_forward(record) { 0 } else { number };
                }
            }
            self.info.push(info);
        }
        self.scratch.defined.resize(self.tags.len() + 1, 0);
        self.first.resize(self.info.len().max(self.first.len()), Position::NEVER);
    }

    /// Interns all that is left of a unit when there is a cycle without a tag in it.
    fn fold_cyclic(&mut self, number: u32, records: &Records) {
        let unknown = |s: &Scratch, word: u32| {
            let is_unknown = s.reference.get(word as usize) == Some(&UNKNOWN);
            is_unknown.then(|| word as usize - 1)
        };
        let s = &self.scratch;
        let below = |at: usize| refs(records.get(at)).filter_map(|w| unknown(s, w)).collect::<Vec<_>>();
        let left = |&at: &usize| s.class[at] == 0 && foldable(records.get(at));
        let left: Vec<usize> = (0..records.len()).filter(left).collect();
        for component in components(&left, records.len(), below) {
            let single = component[0];
            if component.len() == 1 && self.try_intern(single, number, records) {
                continue;
            }
            let index = |t: usize| component.binary_search(&t).ok();
            let group: Vec<Vec<u32>> = component
                .iter()
                .map(|&at| {
                    let mut record = records.get(at).to_vec();
                    map_refs(&mut record, |word| match unknown(&self.scratch, word).and_then(index) {
                        Some(i) => cycles::member(i),
                        None => self.scratch.reference.get(word as usize).copied().unwrap_or(0),
                    });
                    record
                })
                .collect();
            let classes = cycles::intern_group(&mut self.classes, &group);
            for (&at, class) in component.iter().zip(classes) {
                self.set_class(at, class, number);
            }
        }
    }

    /// Takes over all that another fold has, which stands alone or on the same base, and whose names are to be read by
    /// `spelling`. What is left there are tables that know all it had, which makes it a good start for a file that has much in
    /// common with this one. `in_base` is what [`Renumbering::into_in_base`] told after the fold's last file, or empty. Returns how its names
    /// and classes are called here.
    pub fn merge<'s>(&mut self, other: &mut Fold<'_>, spelling: &'s dyn Spelling, in_base: InBase) -> Renumbering<'s> {
        let base_end = self.classes.first();
        let mut map = Renumbering::new(spelling, in_base, other.classes.first()..other.classes.end());
        let mut used = std::mem::take(&mut other.used);
        used.sort_unstable();
        if self.units.is_empty() && base_end == 1 {
            self.classes.reserve(used.len());
        }
        let mut copy: Vec<u32> = Vec::new();
        let mut done = 0;
        for &class in &used {
            if class.0 < done || map.is_in_base(class, base_end) {
                continue;
            }
            let Some(group) = other.classes.group_of(class) else {
                copy.clear();
                copy.extend_from_slice(other.classes.get(class));
                map.names(&mut copy, &mut self.strings);
                map_refs(&mut copy, |w| map.reference(Ref::of(w), &mut self.strings).word());
                map.set_class(class, self.classes.intern(&copy));
                continue;
            };
            let records: Vec<Vec<u32>> = group
                .classes()
                .map(|class| {
                    let mut record = other.classes.get(class).to_vec();
                    map.names(&mut record, &mut self.strings);
                    map_refs(&mut record, |w| match Ref::of(w) {
                        Ref::Class(c) if group.position(c).is_some() => {
                            cycles::member((c.0 - group.first().0) as usize)
                        }
                        r => map.reference(r, &mut self.strings).word(),
                    });
                    record
                })
                .collect();
            let merged = cycles::intern_group(&mut self.classes, &records);
            group.classes().zip(merged).for_each(|(class, merged)| map.set_class(class, merged));
            done = group.first().0 + group.size;
        }
        let of_base = other.first.iter().take(other.classes.first() as usize);
        for (class, &position) in (0..).zip(of_base).filter(|(_, p)| **p != Position::NEVER) {
            self.note(ClassId(class), position);
        }
        for &class in &used {
            self.note(map.class(class), other.position(class));
        }
        map.misled |= other.is_misled_by(&map, &used);
        let offset = self.unit_classes.len();
        self.unit_classes.extend(other.unit_classes.drain(..).map(|c| map.class(c)));
        let added_offset = self.added_classes.len();
        self.added_classes.extend(other.added_classes.drain(..).map(|c| map.class(c)));
        for mut unit in other.units.drain(..) {
            unit.classes = unit.classes.start + offset..unit.classes.end + offset;
            unit.added = unit.added.start + added_offset..unit.added.end + added_offset;
            if let Some(exact) = &mut unit.exact {
                exact.class.iter_mut().for_each(|c| *c = map.class(*c));
                for i in 0..exact.records.len() {
                    map.names(exact.records.get_mut(i), &mut self.strings);
                }
            }
            self.units.push(unit);
        }
        other.first.fill(Position::NEVER);
        map
    }

    /// True if some unit has a tag in two spellings, so that its definitions were not seen to be two, or its declaration
    /// not to be that of its definition.
    fn is_misled_by(&self, map: &Renumbering<'_>, used: &[ClassId]) -> bool {
        let mut spelled: FixedMap<Tag, Tag> = FixedMap::default();
        let mut twice: FixedSet<Tag> = FixedSet::default();
        for tag in used.iter().filter_map(|&class| Tag::of(self.classes.get(class))) {
            let Some(name) = map.known_name(tag.name) else { continue };
            let first = *spelled.entry(Tag { name, ..tag }).or_insert(tag);
            if first != tag {
                twice.extend([first, tag]);
            }
        }
        if twice.is_empty() {
            return false;
        }
        let doubtful = |class: ClassId| Tag::of(self.classes.get(class)).filter(|tag| twice.contains(tag));
        let doubtful: Vec<Option<Tag>> = (0..self.classes.end())
            .map(|c| if c < self.classes.first() { None } else { doubtful(ClassId(c)) })
            .collect();
        self.units.iter().any(|unit| {
            let mut here: FixedMap<Tag, Tag> = FixedMap::default();
            self.classes_of(unit).filter_map(|class| doubtful[class.index()]).any(|tag| {
                let name = map.known_name(tag.name).unwrap_or_default();
                *here.entry(Tag { name, ..tag }).or_insert(tag) != tag
            })
        })
    }

    /// Puts the units in the order of the file.
    pub fn sort_units(&mut self) {
        self.units.sort_by_key(|u| u.number);
    }
}

/// True for the kinds that merge; the others are told apart by where they stand.
fn foldable(record: &[u32]) -> bool {
    const KINDS: u32 = {
        let (mut kinds, mut i) = (0, 0);
        while i < Kind::ALL.len() {
            if Kind::ALL[i].merges() {
                kinds |= Kind::ALL[i].bit();
            }
            i += 1;
        }
        kinds
    };
    KINDS >> (record[0] & 0x1f) & 1 != 0
}
