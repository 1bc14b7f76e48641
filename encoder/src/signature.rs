//! When two prototypes are the same for a caller: const does not count, composites and typedefs count by
//! name, everything else by structure.

use btf::dedup::fold::Use;
use btf::dedup::table::ClassTable;
use btf::graph::{ClassId, Head, Ref, TagKind, map_refs, refs};
use btf::kind::Kind;
use btf::map::{FixedMap, FixedSet};

/// Numbers types so that those which are the same for a caller share a number.
#[derive(Debug)]
pub struct Signatures<'t, 'b> {
    classes: &'t ClassTable<'b>,
    of_class: FixedMap<ClassId, u32>,
    numbers: FixedMap<Vec<u32>, u32>,
}

/// Marks what a number in a key means.
const TAG: u32 = 1 << 30;

impl<'t, 'b> Signatures<'t, 'b> {
    /// For the classes of a fold.
    pub fn new(classes: &'t ClassTable<'b>) -> Signatures<'t, 'b> {
        Signatures { classes, of_class: FixedMap::default(), numbers: FixedMap::default() }
    }

    /// The number of a type.
    pub fn of(&mut self, used: Use) -> u32 {
        self.of_ref(used.reference)
    }

    fn of_ref(&mut self, reference: Ref) -> u32 {
        match reference {
            Ref::Void => self.number(vec![]),
            Ref::Tag(tag) => self.number(vec![TAG | tag.kind as u32, tag.name.0]),
            Ref::Class(class) => self.of_class(class),
        }
    }

    fn number(&mut self, key: Vec<u32>) -> u32 {
        let next = self.numbers.len() as u32;
        *self.numbers.entry(key).or_insert(next)
    }

    /// With a work list: types nest as deep as the input likes. Each is looked at twice: before its parts and after them.
    fn of_class(&mut self, class: ClassId) -> u32 {
        if let Some(&number) = self.of_class.get(&class) {
            return number;
        }
        let mut work = vec![class];
        let mut open: FixedSet<ClassId> = FixedSet::default();
        while let Some(&at) = work.last() {
            if self.of_class.contains_key(&at) {
                work.pop();
                continue;
            }
            let record = self.classes.get(at);
            if by_name(record) {
                let key = vec![TAG | 8 | tag_word(record), record[1]];
                let number = self.number(key);
                self.of_class.insert(at, number);
            } else if open.insert(at) {
                let known = work.len();
                for word in refs(record) {
                    match Ref::of(word) {
                        // A cycle without a tag: what is still open counts as void.
                        Ref::Class(c) if open.contains(&c) && !self.of_class.contains_key(&c) => {
                            let void = self.number(vec![]);
                            self.of_class.insert(c, void);
                        }
                        Ref::Class(c) if !self.of_class.contains_key(&c) => work.push(c),
                        _ => {}
                    }
                }
                work[known..].reverse();
            } else {
                let number = self.of_parts(at);
                self.of_class.insert(at, number);
            }
        }
        self.of_class[&class]
    }

    fn of_parts(&mut self, class: ClassId) -> u32 {
        let record = self.classes.get(class);
        if Head::of(record).kind == Kind::Const {
            return self.of_ref(Ref::of(record[2]));
        }
        let mut key = record.to_vec();
        map_refs(&mut key, |word| self.of_ref(Ref::of(word)));
        if Head::of(record).kind == Kind::FuncProto {
            key[3..].iter_mut().step_by(2).for_each(|name| *name = 0);
        }
        self.number(key)
    }
}

/// True for what counts by kind and name alone; anonymous composites of a kind are all the same.
fn by_name(record: &[u32]) -> bool {
    matches!(Head::of(record).kind, Kind::Struct | Kind::Union | Kind::Enum | Kind::Enum64 | Kind::Fwd | Kind::Typedef)
}

fn tag_word(record: &[u32]) -> u32 {
    match Head::of(record).kind {
        Kind::Struct => TagKind::Struct as u32,
        Kind::Union => TagKind::Union as u32,
        Kind::Typedef => 3,
        _ => TagKind::Enum as u32,
    }
}
