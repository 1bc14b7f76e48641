//! Tier C: from every own modifier, follow the chain to an id that was the start of a chain before.

use super::log::Line;
use super::{Check, KernelVersion};
use crate::ids::TypeId;
use crate::kind::Kind;

/// Longest chain of modifiers (rule C2).
const MAX_MODIFIERS: usize = 32;

pub(super) fn check_chains(check: &mut Check<'_, '_>) {
    let view = check.view;
    // Type tags came with 5.17; earlier kernels do not get here with one (M2).
    let tags_first = check.options.kernel < KernelVersion::WIDE;
    for (start, ty) in view.types_of(Kind::is_modifier) {
        if check.is_full() {
            return;
        }
        let (mut id, mut kind, mut target) = (start, ty.kind(), ty.size_or_type());
        let (mut length, mut only_tags) = (0, true);
        while kind.is_modifier() {
            length += 1;
            if length > MAX_MODIFIERS {
                check.report("C2", start, None, Line::Text, "Max chain length or cycle detected");
                break;
            }
            if kind != Kind::TypeTag {
                only_tags = false;
            } else if !only_tags && tags_first {
                check.report("C3", start, None, Line::Text, "Type tags don't precede modifiers");
                break;
            }
            if id < start || target == 0 {
                break;
            }
            id = TypeId(target);
            let Some(next) = view.get(id) else {
                // The kernel has no text for it.
                check.report("C1", start, None, Line::Text, "");
                break;
            };
            (kind, target) = (next.kind(), next.size_or_type());
        }
    }
}
