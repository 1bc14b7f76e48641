//! The base BTF as the first, read-only unit of the class table.
//!
//! Its types are folded like those of a unit, so that a type of the file that stands in the base already finds the base's
//! class while it is read. A base may come from any encoder: sorted by name or not, with strings or even types twice,
//! with forward declarations beside definitions. One [`Base`] serves any number of modules.

use std::sync::OnceLock;

use crate::bits::{Bits, Ranked};
use crate::dedup::fold::{Fold, Local};
use crate::dedup::lists::Lists;
use crate::dedup::table::ClassTable;
use crate::dialect::Dialect;
use crate::graph::{ClassId, Head, Records, Tag, TagKind, is_forward, map_names, refs};
use crate::ids::{StrOff, TypeId};
use crate::kind::Kind;
use crate::map::FixedMap;
use crate::name_offsets::NameOffsets;
use crate::needed::{Need, needed};
use crate::strings::{StrId, Strings};
use crate::view::BtfView;

/// A base BTF, indexed for deduplication; see the module's documentation.
#[derive(Debug)]
pub struct Base<'a> {
    view: &'a BtfView<'a>,
    /// The indexed types as a unit.
    fold: Fold<'static>,
    records: Records,
    /// The ids of the types that are indexed, ascending: per record its type.
    type_ids: Vec<TypeId>,
    /// The same as a set; None if all types are indexed.
    indexed: Option<Ranked>,
    /// Per class its type ids, smallest first: (first, index into `more` + 1 or 0).
    ids: Vec<(TypeId, u32)>,
    more: Vec<(TypeId, u32)>,
    /// Tags with their definitions, sorted: those of `defined[i]` are at the same places in `definitions`.
    defined: Vec<Tag>,
    definitions: Vec<ClassId>,
    forwards: FixedMap<Tag, TypeId>,
    /// The classes that are forward declarations.
    declarations: Vec<ClassId>,
    /// Per type those that refer to it, without composites. Not every file asks, and many files may share it.
    users: OnceLock<Lists<u32>>,
    dialect: OnceLock<Dialect>,
    /// Tags with more than one definition, sorted.
    ambiguous: Vec<Tag>,
    /// Smallest offset of each of the names that were searched for; 0 for those that the base does not have.
    offsets: Vec<StrOff>,
    decl_tags: FixedMap<DeclTag, TypeId>,
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
        let names = NameOffsets::of_all(view, &mut fold.strings);
        Base::index(view, fold, names, None)
    }

    /// Indexes what a file can use that has no other names than these. For one file that is much less work; the result is
    /// the same.
    pub fn for_names(view: &'a BtfView<'a>, names: &Strings<'_>) -> Base<'a> {
        Base::for_some(view, names, None)
    }

    /// The same for a file that has no other types than these classes, whose names are numbers of `names`. That is less
    /// work still.
    pub fn for_classes(view: &'a BtfView<'a>, names: &Strings<'_>, classes: &ClassTable<'_>) -> Base<'a> {
        Base::for_some(view, names, Some(classes))
    }

    fn for_some(view: &'a BtfView<'a>, names: &Strings<'_>, classes: Option<&ClassTable<'_>>) -> Base<'a> {
        let mut fold = Fold::for_base();
        fold.strings = names.copy();
        let offsets = NameOffsets::of_names(view, names);
        let need = needed(view, names, &offsets, classes);
        let base = Base::index(view, fold, offsets, Some(&need));
        // What the base has twice differs further down, perhaps in what the file has no name for.
        if base.more.is_empty() { base } else { Base::new(view) }
    }

    fn index(view: &'a BtfView<'a>, mut fold: Fold<'static>, names: NameOffsets, need: Option<&[Need]>) -> Base<'a> {
        let count = need.map_or(view.end_id().index(), |need| need.iter().filter(|n| **n != Need::Nothing).count());
        let mut type_ids = Vec::with_capacity(count);
        let mut indexed = Bits::new(view.end_id().index());
        let mut records = Records::default();
        records.reserve(count, count * 8);
        fold.classes.reserve(count);
        let mut decl_tags = FixedMap::default();
        let mut words = Vec::new();
        let mut name = |offset: StrOff| match names.get(offset).flatten() {
            Some(id) => id,
            None if offset >= view.str_end() => StrId::EMPTY,
            None => fold.strings.intern(view.string(offset).unwrap_or(b"")),
        };
        // All levels of a base that is a split BTF itself.
        for id in (1..view.end_id().0).map(TypeId) {
            let need = need.map_or(Need::All, |need| need[id.index()]);
            if need == Need::Nothing {
                continue;
            }
            let Some(t) = view.get(id) else { continue };
            type_ids.push(id);
            indexed.insert(id.index());
            if let Need::Tag(kind) = need {
                let (kind, kflag) = match kind {
                    TagKind::Struct | TagKind::Union => (Kind::Fwd, kind == TagKind::Union),
                    TagKind::Enum => (Kind::Enum, false),
                };
                records.push(Head { kind, kflag }, name(t.name_off()), 0, &[]);
                continue;
            }
            t.read_record(&mut words);
            words[2] = t.size_or_type();
            map_names(&mut words, |offset| name(StrOff(offset.0)));
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
        let indexed = need.map(|_| indexed.ranked());
        let local = |id: u32| match number(&indexed, type_ids.len(), TypeId(id)) {
            Some(number) => Local::Type(number as u32),
            // Void, what is not there, or what is not needed and nothing that is needed refers to.
            None => Local::Void,
        };
        fold.fold_with(0, &records, local);
        let mut base = Base {
            view,
            ids: vec![(TypeId::VOID, 0); fold.classes.end() as usize],
            fold,
            records,
            type_ids,
            indexed,
            more: Vec::new(),
            defined: Vec::new(),
            definitions: Vec::new(),
            forwards: FixedMap::default(),
            declarations: Vec::new(),
            users: OnceLock::new(),
            dialect: OnceLock::new(),
            ambiguous: Vec::new(),
            offsets: names.into_first(),
            decl_tags,
        };
        base.index_ids();
        base.index_tags();
        base
    }

    fn index_ids(&mut self) {
        for (number, &id) in self.type_ids.iter().enumerate().rev() {
            let Some(class) = self.fold.class(number as u32) else { continue };
            let slot = &mut self.ids[class.index()];
            let next = if slot.0 == TypeId::VOID {
                0
            } else {
                self.more.push(*slot);
                self.more.len() as u32
            };
            *slot = (id, next);
        }
    }

    fn index_tags(&mut self) {
        let mut definitions = Vec::new();
        for class in (1..self.fold.classes.end()).map(ClassId) {
            let record = self.fold.classes.get(class);
            let Some(tag) = Tag::of(record) else { continue };
            if is_forward(record) {
                let id = self.ids[class.index()].0;
                let first = self.forwards.entry(tag).or_insert(id);
                *first = id.min(*first);
                self.declarations.push(class);
            } else {
                definitions.push((tag, class));
            }
        }
        definitions.sort_unstable();
        (self.defined, self.definitions) = definitions.into_iter().unzip();
        let same = self.defined.chunk_by(|a, b| a == b).filter(|same| same.len() > 1);
        self.ambiguous.extend(same.map(|same| same[0]));
    }

    /// The BTF itself.
    pub fn view(&self) -> &'a BtfView<'a> {
        self.view
    }

    /// The base's names.
    pub fn strings(&self) -> &Strings<'static> {
        &self.fold.strings
    }

    /// The base's classes.
    pub fn classes(&self) -> &ClassTable<'static> {
        &self.fold.classes
    }

    /// The smallest offsets in the base's strings of names (numbers of `strings`, which continues [`Base::strings`]); None
    /// for those that the base does not have. A name that it has only as the end of a longer one is none of them, so that
    /// it does not matter who looks.
    pub(crate) fn find_offsets(&self, strings: &Strings<'_>, names: &[StrId]) -> Vec<Option<StrOff>> {
        let there = |offset: StrOff| Some(offset).filter(|&o| o != StrOff::EMPTY);
        // Where everything is indexed, there is nothing else to find.
        let known = |name: &StrId| match self.offsets.get(name.0 as usize) {
            Some(&offset) => Some(there(offset)),
            None => self.indexed.is_none().then_some(None),
        };
        let mut unknown = Strings::new();
        for name in names.iter().filter(|name| known(name).is_none()) {
            unknown.intern(strings.get(*name));
        }
        if unknown.len() == 1 {
            return names.iter().map(|name| known(name).flatten()).collect();
        }
        let found = NameOffsets::of_names(self.view, &unknown).into_first();
        let search = |name: &StrId| unknown.find(strings.get(*name)).and_then(|id| there(found[id.0 as usize]));
        names.iter().map(|name| known(name).unwrap_or_else(|| search(name))).collect()
    }

    /// The type ids of a class, smallest first.
    pub fn ids(&self, class: ClassId) -> impl Iterator<Item = TypeId> {
        let first = self.ids.get(class.index()).copied().filter(|s| s.0 != TypeId::VOID);
        std::iter::successors(first, |s| (s.1 as usize).checked_sub(1).map(|i| self.more[i])).map(|s| s.0)
    }

    /// The class of a type; `None` for FUNC, VAR, DATASEC, DECL_TAG and for ids that do not exist.
    pub fn class(&self, id: TypeId) -> Option<ClassId> {
        self.number(id).and_then(|number| self.fold.class(number as u32))
    }

    /// The record of a type; its references are type ids.
    pub fn record(&self, id: TypeId) -> Option<&[u32]> {
        self.number(id).map(|number| self.records.get(number))
    }

    fn number(&self, id: TypeId) -> Option<usize> {
        number(&self.indexed, self.type_ids.len(), id)
    }

    /// The distinct definitions of a tag.
    pub fn definitions(&self, tag: Tag) -> &[ClassId] {
        let start = self.defined.partition_point(|&t| t < tag);
        let count = self.defined[start..].iter().take_while(|&&t| t == tag).count();
        &self.definitions[start..start + count]
    }

    /// The tags that the base defines, sorted; those with several definitions as often.
    pub(crate) fn defined_tags(&self) -> impl Iterator<Item = Tag> {
        self.defined.iter().copied()
    }

    /// The tags with more than one definition, sorted.
    pub fn ambiguous_tags(&self) -> &[Tag] {
        &self.ambiguous
    }

    /// The forward declaration of a tag, if the base has one.
    pub fn forward(&self, tag: Tag) -> Option<TypeId> {
        self.forwards.get(&tag).copied()
    }

    /// The classes that are forward declarations.
    pub(crate) fn declarations(&self) -> &[ClassId] {
        &self.declarations
    }

    /// The types that refer to a type, other than structs and unions.
    pub(crate) fn users(&self, id: TypeId) -> &[u32] {
        let users = self.users.get_or_init(|| {
            let ids = self.view.end_id().index();
            let is_composite = |record: &[u32]| matches!(Head::of(record).kind, Kind::Struct | Kind::Union);
            let references = || {
                // FUNC, VAR, DATASEC and DECL_TAG are no types: what refers to one counts as referring to void.
                let refers = move |id, record: &[u32]| !is_composite(record) && self.class(id).is_some();
                let records = self.records().filter(move |&(id, record)| refers(id, record));
                let pairs = records.flat_map(|(id, record)| refs(record).map(move |target| (target, id.0)));
                pairs.filter(move |&(target, _)| (target as usize) < ids)
            };
            Lists::grouped(ids, references)
        });
        users.get(id.index())
    }

    /// The dialect that the base was written in; see [`Dialect::of`]. What leaves no trace is as pahole 1.32 has it.
    pub fn dialect(&self) -> Dialect {
        *self.dialect.get_or_init(|| Dialect::of(self.view, Dialect::PAHOLE_1_32))
    }

    /// A DECL_TAG that the base has already.
    pub fn decl_tag(&self, tag: DeclTag) -> Option<TypeId> {
        self.decl_tags.get(&tag).copied()
    }

    /// Number of types, also of those that are not indexed.
    pub fn type_count(&self) -> u32 {
        self.view.end_id().0 - 1
    }

    /// The types that are indexed, ascending, with their records; references are type ids.
    pub fn records(&self) -> impl Iterator<Item = (TypeId, &[u32])> {
        self.type_ids.iter().copied().zip(self.records.iter())
    }
}

/// The number of a type among the `count` that are indexed.
fn number(indexed: &Option<Ranked>, count: usize, id: TypeId) -> Option<usize> {
    match indexed {
        Some(indexed) => indexed.rank(id.index()),
        None => id.index().checked_sub(1).filter(|&number| number < count),
    }
}
