//! The distilled base (`.BTF.base`; btf.rst 4.4): what a module's BTF needs of the kernel's to be put on that of another build.
//!
//! A split BTF has ids and string offsets of its base, so it belongs to one build of the kernel. A module that has to fit others brings a
//! small base of its own, D, that the kernel replaces by its BTF: it looks for each type of D by its name. So D has only what can be
//! found that way: integers and floats, and structs, unions and enums without their contents, by name and size. What else of the base
//! the module refers to (pointers, typedefs, arrays, prototypes, whatever has no name) moves into its own BTF, S'.
//!
//! The kernel refuses a module if it finds two types for one of D. Where that happens with the base at hand, [`distill`] moves the type
//! into S' as well, with all that is in it ([`Ambiguous::IntoSplit`]), so that nothing has to be found.
//!
//! Nothing is handed out that was not put back ([`relocate`]) and compared, type by type, with what it was made from.

mod matches;
mod relocate;
#[cfg(test)]
mod tests;

use crate::base::Base;
use crate::dedup::resolve::Target;
use crate::edit::read::Reader;
use crate::error::{Error, ErrorKind, Place, Result};
use crate::graph::{FIXED_WORDS, Head, Records, map_names, map_refs, names, refs};
use crate::header::Endian;
use crate::ids::{StrOff, TypeId};
use crate::kind::Kind;
use crate::strings::{StrId, Strings};
use crate::view::{BtfView, TypeView};
use crate::writer::{Extensions, Types};
use matches::{Found, Matches};
use relocate::relocate_by;
pub use relocate::{relocate, targets};

/// What becomes of a type of the base that a kernel would find twice.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Ambiguous {
    /// It moves into the module's own BTF.
    #[default]
    IntoSplit,
    /// It is an error, as no kernel could load the module.
    Refuse,
}

/// A distilled BTF.
#[derive(Clone, Debug)]
pub struct Distilled {
    /// The bytes of `.BTF.base`, in name order.
    pub base: Vec<u8>,
    /// The bytes of `.BTF`, on that base and in name order.
    pub split: Vec<u8>,
    /// Types in the distilled base.
    pub base_types: usize,
    /// Types that moved from the base into the split BTF.
    pub moved: usize,
    /// Those of them that a kernel would have found twice, by id: their kinds and names.
    pub ambiguous: Vec<(Kind, String)>,
}

/// Distils the base of a split BTF.
///
/// # Errors
/// A BTF without a base, damaged BTF, a reference to a function or variable of the base, ambiguous types if they are to be refused,
/// and a result that does not lead back to what it was made from.
pub fn distill(split: &BtfView<'_>, ambiguous: Ambiguous) -> Result<Distilled> {
    let Some(base) = split.base() else { return Err(wrong_base("a BTF without a base has nothing to distil")) };
    let matches = Matches::new(base);
    let mut selection = Selection::new(split, base);
    selection.select(&matches, ambiguous)?;
    let Selection { kept, moved, ambiguous, .. } = selection;

    // The types of both parts in the order in which they are written.
    let in_order = |mut ids: Vec<TypeId>| {
        let name = |id: &TypeId| split.get(*id).and_then(|t| split.string(t.name_off())).unwrap_or(b"");
        ids.sort_by(|a, b| name(a).cmp(name(b)));
        ids
    };
    let (kept, moved_count) = (in_order(kept), moved.len());
    let own = split.types().map(|(id, _)| id).chain(moved);
    let origins = in_order(own.collect());
    let mut target = vec![0; split.end_id().index()];
    for (id, number) in kept.iter().zip(1..) {
        target[id.index()] = Target::Base(TypeId(number)).word();
    }
    for (id, number) in origins.iter().zip(0..) {
        target[id.index()] = Target::Own(number).word();
    }

    let (mut strings, mut reader) = (Strings::new(), Reader::of(split));
    let mut words = Vec::new();
    let mut of = |ids: &[TypeId], change: &mut dyn FnMut(&mut Vec<u32>)| {
        let mut records = Records::default();
        for &id in ids {
            let Some(t) = split.get(id) else { continue };
            // The name is all that is needed of a type that loses its contents.
            reader.read(id, t, &mut strings, &mut words)?;
            change(&mut words);
            records.push_record(&words);
        }
        Ok(records)
    };
    let kept_records = of(&kept, &mut |record| without_contents(record))?;
    let own_records = of(&origins, &mut |record| map_refs(record, |id| target[id as usize]))?;

    let write = |records: &Records, base: Option<&Base<'_>>, endian: Endian| {
        Ok::<_, Error>(Types { records, strings: &strings, base, endian, extensions: Extensions::of(split) }.write()?.0)
    };
    let base_bytes = write(&kept_records, None, split.endian())?;
    let distilled = BtfView::parse(&base_bytes)?;
    let split_bytes = write(&own_records, Some(&Base::for_names(&distilled, &Strings::new())), split.endian())?;

    let new = BtfView::parse_split(&split_bytes, &distilled)?;
    let relocated = relocate_by(&new, base, &matches)?;
    let relocated = BtfView::parse_split(&relocated, base)?;
    same_types(&relocated, split, &origins)?;
    let base_types = kept.len();
    Ok(Distilled { split: split_bytes, base_types, moved: moved_count, ambiguous, base: base_bytes })
}

/// A type of the base as the distilled base has it.
fn without_contents(record: &mut Vec<u32>) {
    let kind = match Head::of(record).kind {
        Kind::Enum64 => Kind::Enum,
        kind => kind,
    };
    if matches!(kind, Kind::Struct | Kind::Union | Kind::Enum) {
        record[0] = Head { kind, kflag: false }.word();
        record.truncate(FIXED_WORDS);
    }
}

/// Which types of the base stay there, and which move.
struct Selection<'v> {
    split: &'v BtfView<'v>,
    base: &'v BtfView<'v>,
    seen: Vec<bool>,
    work: Vec<TypeId>,
    /// The record that is looked at.
    record: Vec<u32>,
    embedded: Embedded<'v>,
    kept: Vec<TypeId>,
    moved: Vec<TypeId>,
    ambiguous: Vec<(Kind, String)>,
}

impl<'v> Selection<'v> {
    fn new(split: &'v BtfView<'v>, base: &'v BtfView<'v>) -> Selection<'v> {
        Selection {
            split,
            base,
            seen: vec![false; base.end_id().index()],
            work: Vec::new(),
            record: Vec::new(),
            embedded: Embedded::new(split),
            kept: Vec::new(),
            moved: Vec::new(),
            ambiguous: Vec::new(),
        }
    }

    /// Leaves `kept` and `moved` in the order of their ids.
    fn select(&mut self, matches: &Matches<'_>, ambiguous: Ambiguous) -> Result<()> {
        let mut found = Vec::new();
        for (_, t) in self.split.types() {
            self.refers(t);
        }
        self.follow(&mut found)?;
        found.sort_unstable();
        // What is in a type that moves may have to be looked at, too; then it is appended here. A type that turns out to be embedded
        // only later has moved for nothing, which is harmless.
        let mut next = 0;
        while let Some(&id) = found.get(next) {
            next += 1;
            let Some(t) = self.base.get(id) else { continue };
            let name = self.base.string(t.name_off()).unwrap_or(b"");
            if ambiguous == Ambiguous::Refuse || matches.of(name, t, self.embedded.has(id)) == Found::One(id) {
                self.kept.push(id);
                continue;
            }
            self.ambiguous.push((t.kind(), text(name)));
            self.moves(id, t);
            self.follow(&mut found)?;
        }
        if self.kept.is_empty() {
            // A kernel may refuse a base without types.
            let ints = self.base.types_of(|kind| kind == Kind::Int);
            let name = |t: TypeView<'_>| self.base.string(t.name_off()).unwrap_or(b"");
            let mut ints =
                ints.filter(|&(id, t)| !self.seen[id.index()] && matches.of(name(t), t, false) == Found::One(id));
            self.kept.extend(ints.next().map(|(id, _)| id));
        }
        self.kept.sort_unstable();
        self.moved.sort_unstable();
        Ok(())
    }

    /// Follows what is referred to, up to the types that can stay in the base: these are appended to `found`.
    fn follow(&mut self, found: &mut Vec<TypeId>) -> Result<()> {
        while let Some(id) = self.work.pop() {
            let fails = |text: String| Err(Error::new(ErrorKind::Base, Place::Type(id), text));
            let Some(t) = self.base.get(id) else { return fails("the base does not have it".into()) };
            if !t.kind().merges() {
                let kind = t.kind().name();
                return fails(format!("this {kind} of the base is referred to, and cannot be in a distilled base"));
            }
            if matches::KINDS & t.kind().bit() != 0 && has_name(self.base, t) {
                found.push(id);
            } else {
                self.moves(id, t);
            }
        }
        Ok(())
    }

    fn moves(&mut self, id: TypeId, t: TypeView<'_>) {
        self.moved.push(id);
        self.refers(t);
    }

    /// Takes up what a type of the new split BTF refers to.
    fn refers(&mut self, t: TypeView<'_>) {
        self.embedded.members(t);
        let record = &mut self.record;
        t.read_record(record);
        for id in refs(record).map(TypeId).filter(|id| *id != TypeId::VOID) {
            if self.seen.get_mut(id.index()).is_some_and(|seen| !std::mem::replace(seen, true)) {
                self.work.push(id);
            }
        }
    }
}

/// Which types are members of structs or unions, directly or through arrays, typedefs and qualifiers: of those the size matters.
struct Embedded<'v> {
    split: &'v BtfView<'v>,
    seen: Vec<bool>,
    work: Vec<TypeId>,
}

impl<'v> Embedded<'v> {
    fn new(split: &'v BtfView<'v>) -> Embedded<'v> {
        Embedded { split, seen: vec![false; split.end_id().index()], work: Vec::new() }
    }

    fn has(&self, id: TypeId) -> bool {
        self.seen.get(id.index()) == Some(&true)
    }

    /// Takes up the members of a type, if it has any.
    fn members(&mut self, t: TypeView<'_>) {
        self.work.extend(t.members().map(|member| member.type_id));
        while let Some(id) = self.work.pop() {
            if self.seen.get_mut(id.index()).is_none_or(|seen| std::mem::replace(seen, true)) {
                continue;
            }
            let Some(t) = self.split.get(id) else { continue };
            match t.kind() {
                Kind::Array => self.work.extend(t.array().map(|array| array.elem)),
                kind if kind.is_modifier() => self.work.extend(t.type_id()),
                _ => {}
            }
        }
    }
}

/// Checks that the types of one BTF are these of another one on the same base.
fn same_types(new: &BtfView<'_>, old: &BtfView<'_>, origins: &[TypeId]) -> Result<()> {
    let differs = |id, what: &str| {
        let text = format!("{what} after distilling and putting it back; please report this as a bug");
        Err(Error::new(ErrorKind::Model, Place::Type(id), text))
    };
    if new.type_count() != origins.len() {
        return differs(TypeId::VOID, "there are other types");
    }
    let read = |t: TypeView<'_>, words: &mut Vec<u32>| {
        t.read_record(words);
    };
    let first = new.first_id().0;
    let origin = |id: u32| match id.checked_sub(first) {
        Some(own) => origins.get(own as usize).map_or(u32::MAX, |id| id.0),
        None => id,
    };
    let (mut here, mut there) = (Vec::new(), Vec::new());
    for ((_, t), &id) in new.types().zip(origins) {
        let Some(before) = old.get(id) else { return differs(id, "it is not there") };
        read(t, &mut here);
        read(before, &mut there);
        if t.info_word() != before.info_word() || here.len() != there.len() {
            return differs(id, "it is another type");
        }
        let string = |view: &BtfView<'_>, name: StrId| view.string(StrOff(name.0)).map(<[u8]>::to_vec);
        if names(&here).zip(names(&there)).any(|(a, b)| a != b && string(new, a) != string(old, b)) {
            return differs(id, "it has another name");
        }
        map_refs(&mut here, origin);
        for words in [&mut here, &mut there] {
            map_names(words, |_| StrId::EMPTY);
        }
        if here != there {
            return differs(id, "it refers to others");
        }
    }
    Ok(())
}

fn has_name(view: &BtfView<'_>, t: TypeView<'_>) -> bool {
    view.string_tail(t.name_off()).is_some_and(|tail| tail.first() != Some(&0))
}

fn text(name: &[u8]) -> String {
    String::from_utf8_lossy(name).into_owned()
}

fn wrong_base(text: &str) -> Error {
    Error::new(ErrorKind::Base, Place::Whole, text)
}
