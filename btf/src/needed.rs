//! Which types of a base one file can use at all.
//!
//! Folding a kernel's whole BTF takes longer than encoding most modules. But a type of the base can only be one of the file's
//! if the file has all its names, and if what it refers to is of the file, too. So once the file is folded by itself, its
//! class table tells which types of the base are in it; nine in ten are left out without looking at more than a name.
//!
//! What is needed: the types that are in the table, and the definitions of the file's tags, with what they refer to, since
//! those may differ from the file's. Of any other tag that is referred to the name is enough.

use crate::bits::Bits;
use crate::dedup::table::ClassTable;
use crate::graph::{ClassId, Ref, Tag, TagKind, map_names, map_refs};
use crate::ids::{StrOff, TypeId};
use crate::kind::Kind;
use crate::name_offsets::NameOffsets;
use crate::strings::{StrId, Strings};
use crate::view::{BtfView, TypeView};

/// What is needed of a type of the base.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Need {
    /// Nothing.
    Nothing,
    /// Its kind and name, since a type that is needed refers to it.
    Tag(TagKind),
    /// All of it.
    All,
}

/// What is needed of each type of a base (index: type id) by a file that has these names and, if they are known, these
/// classes, whose names are numbers of `names`.
pub(crate) fn needed(
    view: &BtfView<'_>,
    names: &Strings<'_>,
    offsets: &NameOffsets,
    classes: Option<&ClassTable<'_>>,
) -> Vec<Need> {
    let end = view.end_id().index();
    let tags = classes.map(|classes| tags(classes, names));
    let mut search =
        Search { view, names, offsets, classes, tags, found: vec![UNKNOWN; end], work: Vec::new(), record: Vec::new() };
    search.find_tags();
    let mut need = vec![Need::Nothing; end];
    let mut work = Vec::new();
    let wanted = |kind: Kind| kind.merges() || kind == Kind::DeclTag;
    for (id, t) in view.levels().into_iter().flat_map(|level| level.types_of(wanted)) {
        if t.kind() == Kind::DeclTag {
            need[id.index()] = Need::All; // of no type's identity, but not to be written twice
            continue;
        }
        let found = search.look_at(id, t);
        if found != NO {
            need[id.index()] = Need::All;
            // What a class refers to is of the file, too.
            if !matches!(Ref::of(found), Ref::Class(_)) {
                work.push(id.index());
            }
        }
    }
    while let Some(id) = work.pop() {
        let Some(t) = view.get(TypeId(id as u32)) else { continue };
        refs(t, |target| {
            let (id, target) = (TypeId(target), target as usize);
            if need.get(target) != Some(&Need::Nothing) || !view.kind(id).is_some_and(Kind::merges) {
                return;
            }
            match view.get(id).filter(|t| view.string(t.name_off()) != Some(b"")).and_then(tag_kind) {
                Some(kind) => need[target] = Need::Tag(kind),
                None => {
                    need[target] = Need::All;
                    work.push(target);
                }
            }
        });
    }
    need
}

/// The tags that a file has: three bits per name.
fn tags(classes: &ClassTable<'_>, names: &Strings<'_>) -> Bits {
    let mut tags = Bits::new(names.len() as usize * 3);
    for class in (1..classes.end()).map(ClassId) {
        if let Some(tag) = Tag::of(classes.get(class)) {
            tags.insert(tag.name.0 as usize * 3 + tag.kind as usize);
        }
    }
    tags
}

// What is known about a type of the base: the word of a reference to it, as the file has it, or one of these. None of them is
// such a word: the kind of a tag is less than 3.

/// Nothing yet.
const UNKNOWN: u32 = 0;
/// It is not of the file.
const NO: u32 = u32::MAX;
/// It has all names that it needs to be of the file, and there is nothing to tell more.
const MAYBE: u32 = u32::MAX - 4;
/// What it refers to is looked at first.
const OPEN: u32 = u32::MAX - 8;
/// It is no type: void, a function, a variable or what is not there.
const VOID: u32 = u32::MAX - 12;

struct Search<'s, 'a> {
    view: &'s BtfView<'a>,
    names: &'s Strings<'s>,
    offsets: &'s NameOffsets,
    classes: Option<&'s ClassTable<'s>>,
    tags: Option<Bits>,
    /// Per type what is known.
    found: Vec<u32>,
    work: Vec<u32>,
    record: Vec<u32>,
}

impl Search<'_, '_> {
    /// Looks at all types with tags, in their order: most references are to one of them, anywhere in the base.
    fn find_tags(&mut self) {
        let has_tag = |kind| matches!(kind, Kind::Struct | Kind::Union | Kind::Enum | Kind::Enum64 | Kind::Fwd);
        for (id, t) in self.view.levels().into_iter().flat_map(|level| level.types_of(has_tag)) {
            let Some(kind) = tag_kind(t) else { continue };
            let Some(name) = self.name(t.name_off()) else {
                self.found[id.index()] = NO;
                continue;
            };
            if name != StrId::EMPTY {
                let here = |tags: &Bits| tags.contains(name.0 as usize * 3 + kind as usize);
                self.found[id.index()] = match &self.tags {
                    Some(tags) if here(tags) => Ref::Tag(Tag { kind, name }).word(),
                    Some(_) => NO,
                    None => MAYBE,
                };
            }
        }
    }

    /// What there is to know about a type that merges.
    fn look_at(&mut self, id: TypeId, t: TypeView<'_>) -> u32 {
        if self.found[id.index()] == UNKNOWN {
            match self.find(t) {
                OPEN => {
                    self.work.push(id.0);
                    self.decide();
                }
                found => self.found[id.index()] = found,
            }
        }
        self.found[id.index()]
    }

    /// Looks at the types on the work list, and first at what they refer to.
    fn decide(&mut self) {
        while let Some(&at) = self.work.last() {
            let id = at as usize;
            if let (UNKNOWN | OPEN, Some(t)) = (self.found[id], self.view.get(TypeId(at))) {
                let found = self.find(t);
                if found == OPEN && self.found[id] == UNKNOWN {
                    self.found[id] = OPEN;
                    self.push_undecided(t);
                    continue;
                }
                // What is still open although all below was looked at is on a cycle.
                self.found[id] = if found == OPEN { MAYBE } else { found };
            }
            self.work.pop();
        }
    }

    fn push_undecided(&mut self, t: TypeView<'_>) {
        refs(t, |target| {
            if self.is_type(target) && self.found[target as usize] == UNKNOWN {
                self.work.push(target);
            }
        });
    }

    fn is_type(&self, id: u32) -> bool {
        self.view.kind(TypeId(id)).is_some_and(Kind::merges)
    }

    /// What there is to know about a type without a tag; open if what it refers to has to be looked at first.
    fn find(&mut self, t: TypeView<'_>) -> u32 {
        let is_known = |name| self.is_known(name);
        let known = is_known(t.name_off())
            && match t.kind() {
                Kind::Struct | Kind::Union => t.members().all(|m| is_known(m.name_off)),
                Kind::FuncProto => t.params().all(|p| is_known(p.name_off)),
                Kind::Enum | Kind::Enum64 => t.enumerators().all(|e| is_known(e.name_off)),
                _ => true,
            };
        if !known {
            return NO;
        }
        let (mut open, mut maybe) = (false, self.classes.is_none());
        let possible = all_refs(t, |target| {
            let found = self.referred(target);
            open |= matches!(found, UNKNOWN | OPEN);
            maybe |= found == MAYBE;
            found != NO
        });
        match self.classes {
            _ if !possible => NO,
            _ if open => OPEN,
            Some(classes) if !maybe => self.find_class(t, classes),
            _ => MAYBE,
        }
    }

    /// What is known about a type that another refers to.
    fn referred(&self, target: u32) -> u32 {
        if self.is_type(target) { self.found[target as usize] } else { VOID }
    }

    /// The reference to a type whose names the file has, and whose references are known.
    fn find_class(&mut self, t: TypeView<'_>, classes: &ClassTable<'_>) -> u32 {
        let mut record = std::mem::take(&mut self.record);
        t.read_record(&mut record);
        if t.kind() == Kind::Array {
            record[2] = 0;
        }
        map_names(&mut record, |offset| self.name(StrOff(offset.0)).unwrap_or_default());
        map_refs(&mut record, |target| if self.is_type(target) { self.found[target as usize] } else { 0 });
        let class = classes.find(&record);
        self.record = record;
        class.map_or(NO, |class| Ref::Class(class).word())
    }

    #[inline]
    fn is_known(&self, offset: StrOff) -> bool {
        self.offsets.has(offset).unwrap_or_else(|| self.name(offset).is_some())
    }

    /// The number of a name, if the file has it.
    #[inline]
    fn name(&self, offset: StrOff) -> Option<StrId> {
        match self.offsets.get(offset) {
            Some(known) => known,
            None => self.view.string(offset).and_then(|name| self.names.find(name)),
        }
    }
}

fn tag_kind(t: TypeView<'_>) -> Option<TagKind> {
    if t.name_off() == StrOff::EMPTY {
        return None;
    }
    match t.kind() {
        Kind::Struct => Some(TagKind::Struct),
        Kind::Union => Some(TagKind::Union),
        Kind::Fwd if t.kflag() => Some(TagKind::Union),
        Kind::Fwd => Some(TagKind::Struct),
        Kind::Enum | Kind::Enum64 => Some(TagKind::Enum),
        _ => None,
    }
}

/// Whether `f` holds for all types that a type refers to; it is not asked about more after the first of which it does not.
fn all_refs(t: TypeView<'_>, mut f: impl FnMut(u32) -> bool) -> bool {
    match t.kind() {
        Kind::Struct | Kind::Union => t.members().all(|m| f(m.type_id.0)),
        Kind::FuncProto => f(t.size_or_type()) && t.params().all(|p| f(p.type_id.0)),
        Kind::Array => t.array().is_none_or(|a| f(a.elem.0) && f(a.index.0)),
        _ => t.type_id().is_none_or(|target| f(target.0)),
    }
}

fn refs(t: TypeView<'_>, mut f: impl FnMut(u32)) {
    all_refs(t, |target| {
        f(target);
        true
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dedup::fold::Fold;
    use crate::graph::Head;
    use crate::graph::Records;
    use crate::testing::Blob;
    use crate::view::IntData;

    fn head(kind: Kind) -> Head {
        Head { kind, kflag: false }
    }

    /// A file with `int`, `int *`, and a struct that is only declared.
    fn file() -> Fold<'static> {
        let mut fold = Fold::new(None);
        let (int, declared) = (fold.strings.intern(b"int"), fold.strings.intern(b"declared"));
        let mut records = Records::default();
        records.push(head(Kind::Int), int, 4, &[IntData::new(IntData::SIGNED, 0, 32).0]);
        records.push(head(Kind::Ptr), StrId::EMPTY, 1, &[]);
        records.push(head(Kind::Fwd), declared, 0, &[]);
        fold.fold(0, &records);
        fold
    }

    #[test]
    fn classes_tell_more_than_names() {
        let mut blob = Blob::new();
        let int = blob.int("int", 4);
        let pointer = blob.ptr(int);
        let twice = blob.ptr(pointer);
        let other = blob.int("other", 4);
        let name = blob.name("unknown");
        let struct_name = blob.name("unknown_struct");
        let tag = blob.raw(struct_name, Kind::Struct, 0, false, 0, &[]);
        let to_other = blob.ptr(other);
        let declared = blob.name("declared");
        let definition = blob.raw(declared, Kind::Struct, 2, false, 16, &[name, to_other, 0, name, tag, 64]);
        let data = blob.bytes();
        let view = BtfView::parse(&data).unwrap();
        let fold = file();
        let offsets = NameOffsets::of_names(&view, &fold.strings);
        let by_classes = needed(&view, &fold.strings, &offsets, Some(&fold.classes));
        let all = |need: &[Need]| -> Vec<u32> {
            (0..need.len() as u32).filter(|&id| need[id as usize] == Need::All).collect()
        };
        // The definition brings what it refers to.
        assert_eq!(all(&by_classes), [int, pointer, other, to_other, definition]);
        assert_eq!(by_classes[tag as usize], Need::Tag(TagKind::Struct));
        // A pointer to a pointer has no name that the file lacks.
        let by_names = needed(&view, &fold.strings, &offsets, None);
        assert_eq!(all(&by_names), [int, pointer, twice, other, to_other, definition]);
    }

    #[test]
    fn cycles_without_a_tag_may_be_the_file_s() {
        let mut blob = Blob::new();
        let ring = [blob.ptr(2), blob.ptr(1)];
        let data = blob.bytes();
        let view = BtfView::parse(&data).unwrap();
        let fold = file();
        let offsets = NameOffsets::of_names(&view, &fold.strings);
        let need = needed(&view, &fold.strings, &offsets, Some(&fold.classes));
        assert!(ring.iter().all(|&id| need[id as usize] == Need::All));
    }
}
