//! BTF for people and other programs: the lines of bpftool ([`dump_raw`]), its JSON ([`dump_json`]), a C header ([`dump_c`]).
//!
//! All three take a view and maybe a choice of types ([`named`]), and never fail because of what the BTF says, but for the header: what
//! has no meaning in C is an error. bpftool is followed in what is said and how; docs/dump.md has the differences.

mod c;
mod json;
mod raw;

use crate::ids::TypeId;
use crate::view::BtfView;

pub use c::dump_c;
pub use json::dump_json;
pub use raw::{dump_raw, dump_raw_of, dump_type};

/// Bytes collected before they are handed to a writer; any size that makes calls rare does.
const CHUNK_BYTES: usize = 1 << 16;

/// The types of these names, of any kind, in id order; of each name those that `view` has itself or, if there are none, those of its
/// base. The second part is the first name that there is no type of.
pub fn named<'n>(view: &BtfView<'_>, names: &[&'n [u8]]) -> (Vec<TypeId>, Option<&'n [u8]>) {
    let mut found = vec![false; names.len()];
    let mut chosen = Vec::new();
    for level in view.levels().into_iter().rev() {
        let wanted: Vec<usize> = (0..names.len()).filter(|&n| !found[n]).collect();
        if wanted.is_empty() {
            break;
        }
        for (id, ty) in level.types() {
            let Some(name) = view.string(ty.name_off()).filter(|name| !name.is_empty()) else { continue };
            // A handful of names: a table would not be faster.
            for &n in wanted.iter().filter(|&&n| names[n] == name) {
                found[n] = true;
                chosen.push(id);
            }
        }
    }
    chosen.sort_unstable();
    chosen.dedup();
    (chosen, found.iter().position(|found| !found).map(|n| names[n]))
}
