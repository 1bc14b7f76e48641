//! The base BTF as the first, read-only unit of the class table.
//!
//! Its types are folded like those of a unit, so that a type of the file that stands in the base already finds the base's
//! class while it is read. A base may come from any encoder: sorted by name or not, with strings or even types twice,
//! with forward declarations beside definitions. One [`Base`] serves any number of modules.

use std::cell::Cell;

use crate::dedup::fold::{Fold, Local};
use crate::dedup::table::ClassTable;
use crate::graph::{ClassId, Head, Records, Tag, is_forward, map_names, map_refs};
use crate::ids::{StrOff, TypeId};
use crate::kind::Kind;
use crate::map::FixedMap;
use crate::strings::{StrId, Strings};
use crate::view::BtfView;

/// A base BTF, indexed for deduplication; see the module's documentation.
#[derive(Debug)]
pub struct Base<'a> {
    view: &'a BtfView<'a>,
    fold: Fold<'static>,
    /// Per type id (from 1) its class; `None` for FUNC, VAR, DATASEC and DECL_TAG.
    class_of: Vec<Option<ClassId>>,
    /// Per class its type ids, smallest first: (first, index into `more` + 1 or 0).
    ids: Vec<(TypeId, u32)>,
    more: Vec<(TypeId, u32)>,
    records: Records,
    definitions: FixedMap<Tag, Vec<ClassId>>,
    forwards: FixedMap<Tag, TypeId>,
    /// Tags with more than one definition, sorted.
    ambiguous: Vec<Tag>,
    /// Smallest offset of each string.
    offsets: Vec<StrOff>,
    decl_tags: FixedMap<DeclTag, TypeId>,
    dangling: usize,
}

/// What makes two DECL_TAGs the same: the target, the member or parameter (-1: the whole), the text, the kflag.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct DeclTag {
    /// The tagged type.
    pub target: TypeId,
    /// Member or parameter number, or -1.
    pub component: i32,
    /// Text.
    pub name: StrId,
    /// True if the text is a C attribute (6.15).
    pub kflag: bool,
}

impl<'a> Base<'a> {
    /// Indexes a base. References to types or names that do not exist count as void or anonymous.
    pub fn new(view: &'a BtfView<'a>) -> Base<'a> {
        let mut fold = Fold::new(None);
        let mut offsets = vec![StrOff::EMPTY];
        let mut memo = intern_strings(view, &mut fold.strings, &mut offsets);
        let mut records = Records::default();
        let mut decl_tags = FixedMap::default();
        let mut words = Vec::new();
        let endian = view.endian();
        // All levels of a base that is a split BTF itself.
        for id in (1..view.end_id().0).map(TypeId) {
            let Some(t) = view.get(id) else { continue };
            words.clear();
            words.extend(t.bytes().chunks_exact(4).map(|b| endian.u32([b[0], b[1], b[2], b[3]])));
            words[0] = Head { kind: t.kind(), kflag: t.kflag() }.word();
            words[1] = t.name_off().0;
            words[2] = t.size_or_type();
            map_names(&mut words, |offset| memo.id(view, &mut fold.strings, &mut offsets, StrOff(offset.0)));
            match t.kind() {
                Kind::Array => words[2] = 0,
                Kind::DeclTag => {
                    let component = t.component_index().unwrap_or(-1);
                    let tag = DeclTag { target: TypeId(words[2]), component, name: StrId(words[1]), kflag: t.kflag() };
                    decl_tags.entry(tag).or_insert(id);
                }
                _ => {}
            }
            records.push_record(&words);
        }
        let count = records.len() as u32;
        let dangling = Cell::new(memo.dangling);
        let local = |id: u32| match id.checked_sub(1) {
            None => Local::Void,
            Some(index) if index < count => Local::Type(index),
            Some(_) => {
                dangling.set(dangling.get() + 1);
                Local::Void
            }
        };
        fold.fold(0, &records, local);
        let mut base = Base {
            view,
            class_of: (0..count).map(|i| fold.class(i)).collect(),
            ids: vec![(TypeId::VOID, 0); fold.classes.end() as usize],
            more: Vec::new(),
            definitions: FixedMap::default(),
            forwards: FixedMap::default(),
            ambiguous: Vec::new(),
            fold,
            records,
            offsets,
            decl_tags,
            dangling: dangling.get(),
        };
        base.index_ids();
        base.index_tags();
        base
    }

    fn index_ids(&mut self) {
        for (i, class) in self.class_of.iter().enumerate().rev() {
            if let Some(class) = class {
                let slot = &mut self.ids[class.index()];
                let next = if slot.0 == TypeId::VOID {
                    0
                } else {
                    self.more.push(*slot);
                    self.more.len() as u32
                };
                *slot = (TypeId(i as u32 + 1), next);
            }
        }
    }

    fn index_tags(&mut self) {
        for class in (1..self.fold.classes.end()).map(ClassId) {
            let record = self.fold.classes.get(class);
            let Some(tag) = Tag::of(record) else { continue };
            if is_forward(record) {
                let id = self.ids[class.index()].0;
                let first = self.forwards.entry(tag).or_insert(id);
                *first = id.min(*first);
            } else {
                self.definitions.entry(tag).or_default().push(class);
            }
        }
        let ambiguous = self.definitions.iter().filter(|(_, d)| d.len() > 1).map(|(&tag, _)| tag);
        self.ambiguous.extend(ambiguous);
        self.ambiguous.sort_unstable();
    }

    /// The BTF itself.
    pub fn view(&self) -> &'a BtfView<'a> {
        self.view
    }

    /// How often the base refers to types or names that it does not have: it is damaged, or a split BTF itself.
    pub fn dangling(&self) -> usize {
        self.dangling
    }

    /// Bytes of a `long`, which on Linux are those of a pointer, if the base has that type.
    pub fn word_size(&self) -> Option<u32> {
        let names = [&b"long unsigned int"[..], b"unsigned long", b"long int", b"long"];
        let names = names.map(|n| self.fold.strings.find(n));
        let long = |r: &&[u32]| Head::of(r).kind == Kind::Int && names.contains(&Some(StrId(r[1])));
        self.records.iter().find(long).map(|r| r[2])
    }

    /// The base's names.
    pub fn strings(&self) -> &Strings<'static> {
        &self.fold.strings
    }

    /// The base's classes.
    pub fn classes(&self) -> &ClassTable<'static> {
        &self.fold.classes
    }

    /// Offset of a name in the base's strings.
    pub fn offset(&self, name: StrId) -> Option<StrOff> {
        self.offsets.get(name.0 as usize).copied()
    }

    /// The type ids of a class, smallest first.
    pub fn ids(&self, class: ClassId) -> impl Iterator<Item = TypeId> {
        let first = self.ids.get(class.index()).copied().filter(|s| s.0 != TypeId::VOID);
        std::iter::successors(first, |s| (s.1 as usize).checked_sub(1).map(|i| self.more[i])).map(|s| s.0)
    }

    /// The class of a type; `None` for FUNC, VAR, DATASEC, DECL_TAG and for ids that do not exist.
    pub fn class(&self, id: TypeId) -> Option<ClassId> {
        id.index().checked_sub(1).and_then(|i| self.class_of.get(i).copied()).flatten()
    }

    /// The record of a type; its references are type ids.
    pub fn record(&self, id: TypeId) -> Option<&[u32]> {
        id.index().checked_sub(1).filter(|&i| i < self.records.len()).map(|i| self.records.get(i))
    }

    /// The distinct definitions of a tag.
    pub fn definitions(&self, tag: Tag) -> &[ClassId] {
        self.definitions.get(&tag).map_or(&[], |d| d)
    }

    /// The tags that the base defines, in any order.
    pub(crate) fn defined_tags(&self) -> impl Iterator<Item = Tag> {
        self.definitions.keys().copied()
    }

    /// The tags with more than one definition, sorted.
    pub fn ambiguous_tags(&self) -> &[Tag] {
        &self.ambiguous
    }

    /// The forward declaration of a tag, if the base has one.
    pub fn forward(&self, tag: Tag) -> Option<TypeId> {
        self.forwards.get(&tag).copied()
    }

    /// A DECL_TAG that the base has already.
    pub fn decl_tag(&self, tag: DeclTag) -> Option<TypeId> {
        self.decl_tags.get(&tag).copied()
    }

    /// Number of types.
    pub fn type_count(&self) -> u32 {
        self.records.len() as u32
    }

    /// All records, in the order of their ids from 1; references are type ids.
    pub fn records(&self) -> &Records {
        &self.records
    }

    /// A copy of a record with its references replaced.
    pub fn mapped(&self, id: TypeId, f: impl FnMut(u32) -> u32) -> Option<Vec<u32>> {
        self.record(id).map(|r| {
            let mut record = r.to_vec();
            map_refs(&mut record, f);
            record
        })
    }
}

/// From string offsets to numbers; 0 is not known yet, since the empty string never asks.
struct Memo {
    ids: Vec<u32>,
    /// Offsets asked for that are outside of the strings.
    dangling: usize,
}

impl Memo {
    fn id(
        &mut self,
        view: &BtfView<'_>,
        strings: &mut Strings<'static>,
        offsets: &mut Vec<StrOff>,
        offset: StrOff,
    ) -> StrId {
        match self.ids.get(offset.0 as usize) {
            None => {
                self.dangling += 1;
                StrId::EMPTY
            }
            Some(&id) if id != 0 => StrId(id),
            Some(_) => {
                let id = intern(strings, offsets, view.string(offset).unwrap_or(b""), offset);
                self.ids[offset.0 as usize] = id.0;
                id
            }
        }
    }
}

fn intern(strings: &mut Strings<'static>, offsets: &mut Vec<StrOff>, string: &[u8], offset: StrOff) -> StrId {
    let id = strings.intern(string);
    if id.0 as usize == offsets.len() {
        offsets.push(offset);
    }
    id
}

/// Interns every string of the base, also those that only its functions use: none of them is written again.
fn intern_strings(view: &BtfView<'_>, strings: &mut Strings<'static>, offsets: &mut Vec<StrOff>) -> Memo {
    let mut levels: Vec<&BtfView<'_>> = std::iter::successors(Some(view), |v| v.base()).collect();
    levels.reverse();
    let bytes = view.str_end().0 as usize;
    strings.reserve(bytes / 16, bytes);
    let mut memo = vec![0; bytes];
    for level in levels {
        let (start, bytes) = (level.str_start().0 as usize, level.strings());
        let mut at = 0;
        for string in bytes.split(|&b| b == 0) {
            if at < bytes.len() {
                let offset = start + at;
                memo[offset] = intern(strings, offsets, string, StrOff(offset as u32)).0;
            }
            at += string.len() + 1;
        }
    }
    Memo { ids: memo, dangling: 0 }
}
