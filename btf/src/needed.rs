//! Which types of a base a small file can use at all.
//!
//! Folding a kernel's whole BTF takes longer than encoding most modules. But a type of the file can only be equal to one of
//! the base if the file has its name, and what it refers to can be equal, too. So when the names of the file are known
//! before the base is folded, nine types in ten of the base are left out without looking at more than their names.

use crate::graph::TagKind;
use crate::ids::{StrOff, TypeId};
use crate::kind::Kind;
use crate::strings::Strings;
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

/// What is needed of each type of a base (index: type id) by a file that has these names.
pub(crate) fn needed(view: &BtfView<'_>, names: &Strings<'_>) -> Vec<Need> {
    let end = view.end_id().index();
    let mut search = Search { view, names, can: vec![Can::Unknown; end], work: Vec::new(), below: Vec::new() };
    let mut need = vec![Need::Nothing; end];
    let mut work = Vec::new();
    for (id, need) in need.iter_mut().enumerate().skip(1) {
        match view.get(TypeId(id as u32)).map(|t| t.kind()) {
            None | Some(Kind::Func | Kind::Var | Kind::Datasec) => {}
            Some(Kind::DeclTag) => *need = Need::All, // of no type's identity, but not to be written twice
            Some(_) if search.can_be_equal(id) => {
                *need = Need::All;
                work.push(id);
            }
            Some(_) => {}
        }
    }
    // A struct may be needed for its name alone, so what it refers to need not be in yet.
    while let Some(id) = work.pop() {
        let Some(t) = view.get(TypeId(id as u32)) else { continue };
        refs(t, |target| {
            let target = target as usize;
            let Some(t) = view.get(TypeId(target as u32)).filter(|_| need.get(target) == Some(&Need::Nothing)) else {
                return;
            };
            match tag_kind(t) {
                Some(kind) => need[target] = Need::Tag(kind),
                None if t.kind().merges() => {
                    need[target] = Need::All;
                    work.push(target);
                }
                None => {}
            }
        });
    }
    need
}

/// How often types refer to types or names that are not there.
pub(crate) fn dangling(view: &BtfView<'_>) -> usize {
    let (ids, strings) = (view.end_id().0, view.str_end());
    let mut count = 0;
    for (_, t) in view.types() {
        count += usize::from(t.name_off() > StrOff::EMPTY && t.name_off() >= strings);
        if t.kind().merges() {
            refs(t, |target| count += usize::from(target >= ids && target != 0));
        }
    }
    count
}

/// Whether a type can be equal to one of the file.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Can {
    Unknown,
    /// It is being looked at: a type that leads back to it does not decide.
    Open,
    Yes,
    No,
}

struct Search<'s, 'a> {
    view: &'s BtfView<'a>,
    names: &'s Strings<'s>,
    can: Vec<Can>,
    work: Vec<usize>,
    below: Vec<usize>,
}

impl Search<'_, '_> {
    fn can_be_equal(&mut self, id: usize) -> bool {
        if self.can[id] == Can::Unknown {
            self.can[id] = self.by_itself(id);
            if self.can[id] == Can::Open {
                self.work.push(id);
                self.decide();
            }
        }
        self.can[id] == Can::Yes
    }

    /// Decides about the types on the work list by what they refer to, which is looked at first. What is open below a type
    /// leads back to it, and does not decide.
    fn decide(&mut self) {
        while let Some(&at) = self.work.last() {
            self.below.clear();
            if let Some(t) = self.view.get(TypeId(at as u32)) {
                refs(t, |target| self.below.push(target as usize));
            }
            let mut verdict = Can::Yes;
            let depth = self.work.len();
            for i in 0..self.below.len() {
                let target = self.below[i];
                if !self.is_type(target) {
                    continue; // counts as void
                }
                if self.can[target] == Can::Unknown {
                    self.can[target] = self.by_itself(target);
                    if self.can[target] == Can::Open {
                        self.work.push(target);
                    }
                }
                if self.can[target] == Can::No {
                    verdict = Can::No;
                    break;
                }
            }
            if verdict == Can::No || self.work.len() == depth {
                // What was put on the list meanwhile is decided when its turn comes.
                let position = depth - 1;
                self.can[at] = verdict;
                self.work.remove(position);
            }
        }
    }

    fn is_type(&self, id: usize) -> bool {
        self.view.get(TypeId(id as u32)).is_some_and(|t| t.kind().merges())
    }

    /// By kind and name alone; open if what it refers to decides.
    fn by_itself(&self, id: usize) -> Can {
        let Some(t) = self.view.get(TypeId(id as u32)).filter(|t| t.kind().merges()) else { return Can::No };
        if !self.is_known(t.name_off()) {
            return Can::No;
        }
        if tag_kind(t).is_some() {
            return Can::Yes; // also if it differs: a forward declaration of the file may mean it
        }
        let members = t.members().map(|m| m.name_off);
        let parameters = t.params().map(|p| p.name_off);
        let enumerators = t.enumerators().map(|e| e.name_off);
        let mut names = members.chain(parameters).chain(enumerators);
        if names.all(|name| self.is_known(name)) { Can::Open } else { Can::No }
    }

    fn is_known(&self, name: StrOff) -> bool {
        name == StrOff::EMPTY || self.view.string(name).is_some_and(|name| self.names.find(name).is_some())
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

/// The types that a type refers to.
fn refs(t: TypeView<'_>, mut f: impl FnMut(u32)) {
    if let Some(target) = t.type_id() {
        f(target.0);
    }
    if let Some(array) = t.array() {
        f(array.elem.0);
        f(array.index.0);
    }
    t.members().for_each(|m| f(m.type_id.0));
    t.params().for_each(|p| f(p.type_id.0));
}
