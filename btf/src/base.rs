//! The base BTF as the first, read-only unit of the class table.
//!
//! Its types are folded like those of a unit, so that a type of the file that stands in the base already finds the base's
//! class while it is read. A base may come from any encoder: sorted by name or not, with strings or even types twice,
//! with forward declarations beside definitions. One [`Base`] serves any number of modules.

use crate::dedup::fold::{Fold, Local};
use crate::dedup::table::ClassTable;
use crate::graph::{ClassId, Head, Records, Tag, TagKind, is_forward, map_names};
use crate::ids::{StrOff, TypeId};
use crate::kind::Kind;
use crate::map::FixedMap;
use crate::needed::{Need, dangling, needed};
use crate::strings::{self, StrId, Strings};
use crate::view::BtfView;

/// A base BTF, indexed for deduplication; see the module's documentation.
#[derive(Debug)]
pub struct Base<'a> {
    view: &'a BtfView<'a>,
    fold: Fold<'static>,
    /// Per type id its number among the types that are indexed, from 1; 0 for those that are not.
    numbers: Vec<u32>,
    /// The ids of the types that are indexed, ascending.
    type_ids: Vec<TypeId>,
    /// Per indexed type its class; `None` for FUNC, VAR, DATASEC and DECL_TAG.
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
    /// Everything is indexed, not only what one file needs.
    complete: bool,
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
        let mut fold = Fold::for_base();
        let mut offsets = vec![StrOff::EMPTY];
        let memo = intern_strings(view, &mut fold.strings, &mut offsets);
        Base::index(view, fold, offsets, memo, None)
    }

    /// Indexes what a file can use that has no other names than these. For one small file that is much less work; the
    /// result is the same.
    pub fn for_names(view: &'a BtfView<'a>, names: &Strings<'_>) -> Base<'a> {
        let need = needed(view, names);
        let memo = Memo { ids: Vec::new(), end: view.str_end() };
        let base = Base::index(view, Fold::for_base(), vec![StrOff::EMPTY], memo, Some(&need));
        // What the base has twice differs further down, perhaps in what the file has no name for.
        if base.more.is_empty() { base } else { Base::new(view) }
    }

    fn index(
        view: &'a BtfView<'a>,
        mut fold: Fold<'static>,
        mut offsets: Vec<StrOff>,
        mut memo: Memo,
        need: Option<&[Need]>,
    ) -> Base<'a> {
        let mut records = Records::default();
        let mut decl_tags = FixedMap::default();
        let mut words = Vec::new();
        let endian = view.endian();
        let mut numbers = vec![0; view.end_id().index()];
        let mut type_ids = Vec::new();
        // All levels of a base that is a split BTF itself.
        for id in (1..view.end_id().0).map(TypeId) {
            let need = need.map_or(Need::All, |n| n[id.index()]);
            if need == Need::Nothing {
                continue;
            }
            let Some(t) = view.get(id) else { continue };
            type_ids.push(id);
            numbers[id.index()] = type_ids.len() as u32;
            words.clear();
            match need {
                Need::Tag(kind) => {
                    let name = memo.id(view, &mut fold.strings, &mut offsets, t.name_off());
                    let (kind, kflag) = match kind {
                        TagKind::Struct | TagKind::Union => (Kind::Fwd, kind == TagKind::Union),
                        TagKind::Enum => (Kind::Enum, false),
                    };
                    records.push(Head { kind, kflag }, name, 0, &[]);
                    continue;
                }
                Need::All | Need::Nothing => {}
            }
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
        let local = |id: u32| match numbers.get(id as usize).map(|n| n.checked_sub(1)) {
            Some(Some(number)) => Local::Type(number),
            // Void, what is not there, or what is not needed and nothing that is needed refers to.
            Some(None) | None => Local::Void,
        };
        fold.fold_with(0, &records, local);
        let mut base = Base {
            view,
            numbers,
            type_ids,
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
            dangling: dangling(view),
            complete: need.is_none(),
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
                *slot = (self.type_ids[i], next);
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

    /// The base's names.
    pub fn strings(&self) -> &Strings<'static> {
        &self.fold.strings
    }

    /// The base's classes.
    pub fn classes(&self) -> &ClassTable<'static> {
        &self.fold.classes
    }

    /// The smallest offset of a name in the base's strings. Use [`Base::find_offsets`] where this does not know it.
    pub(crate) fn offset(&self, name: StrId) -> Option<StrOff> {
        let known = self.offsets.get(name.0 as usize).copied().filter(|_| self.complete);
        // A name that a base has only as the end of a longer one is written again, so that it does not matter who looks.
        known.filter(|&offset| offset == StrOff::EMPTY || self.view.string(StrOff(offset.0 - 1)) == Some(b""))
    }

    /// The smallest offsets in the base's strings of names of which [`Base::offset`] knows nothing; None for those that the
    /// base does not have.
    pub(crate) fn find_offsets(&self, names: &[&[u8]]) -> Vec<Option<StrOff>> {
        // Where everything is indexed, there is nothing else to find.
        if self.complete { vec![None; names.len()] } else { strings::find_all(self.view, names) }
    }

    /// The type ids of a class, smallest first.
    pub fn ids(&self, class: ClassId) -> impl Iterator<Item = TypeId> {
        let first = self.ids.get(class.index()).copied().filter(|s| s.0 != TypeId::VOID);
        std::iter::successors(first, |s| (s.1 as usize).checked_sub(1).map(|i| self.more[i])).map(|s| s.0)
    }

    /// The class of a type; `None` for FUNC, VAR, DATASEC, DECL_TAG and for ids that do not exist.
    pub fn class(&self, id: TypeId) -> Option<ClassId> {
        self.number(id).and_then(|i| self.class_of[i])
    }

    /// The record of a type; its references are type ids.
    pub fn record(&self, id: TypeId) -> Option<&[u32]> {
        self.number(id).map(|i| self.records.get(i))
    }

    fn number(&self, id: TypeId) -> Option<usize> {
        (*self.numbers.get(id.index())? as usize).checked_sub(1)
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

    /// Number of types, also of those that are not indexed.
    pub fn type_count(&self) -> u32 {
        self.numbers.len() as u32 - 1
    }

    /// The types that are indexed, ascending, with their records; references are type ids.
    pub fn records(&self) -> impl Iterator<Item = (TypeId, &[u32])> {
        self.type_ids.iter().copied().zip(self.records.iter())
    }
}

/// From string offsets to numbers.
struct Memo {
    /// Per offset its number; 0 is not known yet, since the empty string never asks. Empty if few will ask.
    ids: Vec<u32>,
    end: StrOff,
}

impl Memo {
    fn id(
        &mut self,
        view: &BtfView<'_>,
        strings: &mut Strings<'static>,
        offsets: &mut Vec<StrOff>,
        offset: StrOff,
    ) -> StrId {
        if offset >= self.end {
            return StrId::EMPTY;
        }
        match self.ids.get(offset.0 as usize) {
            Some(&id) if id != 0 => return StrId(id),
            _ => {}
        }
        let id = intern(strings, offsets, view.string(offset).unwrap_or(b""), offset);
        if let Some(known) = self.ids.get_mut(offset.0 as usize) {
            *known = id.0;
        }
        id
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
    Memo { ids: memo, end: view.str_end() }
}
