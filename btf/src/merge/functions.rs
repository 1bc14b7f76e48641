//! The functions of all inputs, each once.

use super::unit::Unit;
use super::{Output, Own};
use crate::base::Base;
use crate::dedup::fold::Use;
use crate::dedup::resolve::Target;
use crate::graph::refs;
use crate::ids::TypeId;
use crate::kind::Kind;
use crate::map::FixedMap;
use crate::strings::StrId;

/// Linkage of a function that others see.
const GLOBAL: u32 = 1;
/// Linkage of a function that is defined elsewhere.
const EXTERN: u32 = 2;

/// Name, prototype and linkage: what makes two functions one.
type Key = (StrId, u32, u32);

#[derive(Default)]
pub(super) struct Functions {
    /// In the order of the inputs, with the number of the input and of the type in its unit.
    all: Vec<(Key, (usize, u32))>,
}

impl Functions {
    /// Adds the functions of an input.
    pub fn add(&mut self, number: usize, unit: &Unit, target: &dyn Fn(Use) -> Target) {
        self.all.extend(unit.own_of(Kind::Func).map(|(local, record)| {
            let key = (StrId(record[1]), target(unit.used(record)).word(), record[3]);
            (key, (number, local))
        }));
    }

    /// Writes each once. A function that is only declared is the global one of its name that takes and returns the same, whatever the
    /// parameters are called: declarations need not name them.
    pub fn write(&self, out: &mut Output, base: Option<&Base<'_>>, own: &mut Own) {
        let mut written: FixedMap<Key, Target> = FixedMap::default();
        let mut global: FixedMap<(StrId, Vec<u32>), Target> = FixedMap::default();
        let (declared, defined): (Vec<_>, Vec<_>) = self.all.iter().partition(|((.., linkage), _)| *linkage == EXTERN);
        for &(key, place) in defined.into_iter().chain(declared) {
            let (name, prototype, linkage) = key;
            let signature = |out: &Output| (name, signature(out, base, prototype));
            let definition = if linkage == EXTERN { global.get(&signature(out)).copied() } else { None };
            let target = definition.unwrap_or_else(|| {
                *written.entry(key).or_insert_with(|| out.push(Kind::Func, name, prototype, &[linkage]))
            });
            if linkage == GLOBAL {
                global.entry(signature(out)).or_insert(target);
            }
            own.insert(place, target);
        }
    }
}

/// What a prototype takes and returns.
fn signature(out: &Output, base: Option<&Base<'_>>, prototype: u32) -> Vec<u32> {
    match Target::of(prototype) {
        Target::Own(number) => refs(out.records.get(number as usize)).collect(),
        // Its references are type ids, and so are the words of targets in the base.
        Target::Base(TypeId::VOID) => Vec::new(),
        Target::Base(id) => {
            base.and_then(|base| base.record(id)).map_or(vec![prototype], |record| refs(record).collect())
        }
    }
}
