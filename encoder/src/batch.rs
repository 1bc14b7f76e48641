//! Many files on one base. The modules of a kernel have most of their types from its base and from each other's headers, so the
//! tables that a worker filled for one are the best start for the next: names and classes are found where they stood the
//! last time, and what the base calls them is known. The result does not depend on what they hold.

use std::sync::Mutex;

use btf::base::Base;
use btf::dedup::fold::Fold;
use btf::dedup::renumber::InBase;

use crate::convert::UnitTypes;
use crate::names::Interned;

/// Tables with more classes than this are dropped: memory follows the base and the largest file, not the number of files.
const MOST_CLASSES: u32 = 1 << 17;

/// A base for many files.
#[derive(Debug)]
pub struct Batch<'a> {
    base: Base<'a>,
    /// Tables that no worker has at the moment.
    tables: Mutex<Vec<Tables>>,
}

/// What a worker keeps from one file to the next.
#[derive(Debug)]
pub(crate) struct Tables {
    /// Folded types, none of which counts as had by the next file.
    pub fold: Fold<'static>,
    /// What the base calls them.
    pub in_base: InBase,
    /// Their names.
    pub names: Interned,
    /// Memory for a unit's types.
    pub types: UnitTypes,
}

impl Default for Tables {
    fn default() -> Tables {
        Tables {
            fold: Fold::new(None),
            in_base: InBase::default(),
            names: Interned::default(),
            types: UnitTypes::default(),
        }
    }
}

impl<'a> Batch<'a> {
    /// For a base that was indexed.
    pub fn new(base: Base<'a>) -> Batch<'a> {
        Batch { base, tables: Mutex::default() }
    }

    /// The base.
    pub fn base(&self) -> &Base<'a> {
        &self.base
    }

    /// Tables of an earlier file, if there are any.
    pub(crate) fn take(&self) -> Option<Tables> {
        self.tables.lock().ok()?.pop()
    }

    /// Keeps tables for another file.
    pub(crate) fn give_back(&self, tables: Tables) {
        if tables.fold.classes.end() <= MOST_CLASSES {
            // A lock that another thread left by a panic: the program ends, there is nothing to keep.
            if let Ok(mut all) = self.tables.lock() {
                all.push(tables);
            }
        }
    }
}
