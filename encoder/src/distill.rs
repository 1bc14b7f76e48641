//! A finished BTF given a distilled base (`.BTF.base`), so that its module loads into other builds of the kernel, too.

use btf::distill::{self, Ambiguous, Distilled};
use btf::view::BtfView;

use crate::btf_ids::IdSection;
use crate::error::{Error, ErrorKind, Result};

/// How many types a warning names.
const NAMED: usize = 20;

/// Distils the base of a split BTF. Returns what there is to warn about, too.
///
/// # Errors
/// See [`btf::distill::distill`].
pub fn distill(btf: &[u8], base: &BtfView<'_>, ambiguous: Ambiguous) -> Result<(Distilled, Vec<String>)> {
    let failed = |e: btf::error::Error| {
        let kind = match e.kind() {
            btf::error::ErrorKind::Base => ErrorKind::Base,
            btf::error::ErrorKind::Limit => ErrorKind::Limit,
            _ => ErrorKind::Verify,
        };
        Error::new(kind, format!("the base cannot be distilled: {e}"))
    };
    let view = BtfView::parse_split(btf, base).map_err(failed)?;
    let distilled = distill::distill(&view, ambiguous).map_err(failed)?;
    let warnings = warning(&distilled).into_iter().collect();
    Ok((distilled, warnings))
}

fn warning(distilled: &Distilled) -> Option<String> {
    let all = &distilled.ambiguous;
    if all.is_empty() {
        return None;
    }
    Some(format!(
        "a kernel would find more than one type in its BTF for {} of this one, and not load the module, so the module describes by \
         itself: {}",
        all.len(),
        listed(all.iter().map(|(kind, name)| format!("{} `{name}`", kind.name())))
    ))
}

/// What there is to warn about ids in `.BTF_ids` of a module with a distilled base.
pub(crate) fn ids_warning(section: &IdSection<'_>) -> Option<String> {
    let names = section.untranslated();
    let names_of = || listed(names.iter().map(|name| format!("`{}`", String::from_utf8_lossy(name))));
    (!names.is_empty()).then(|| {
        format!(
            "kernels do not translate ids from a distilled base except for kfuncs and destructors, so these of .BTF_ids will mean other \
             types, or none: {}: encode without --distill_base if the module uses them",
            names_of()
        )
    })
}

/// The first ones, and how many more there are.
fn listed(names: impl ExactSizeIterator<Item = String>) -> String {
    let more = names.len().saturating_sub(NAMED);
    let mut names: Vec<String> = names.take(NAMED).collect();
    if more > 0 {
        names.push(format!("{more} more"));
    }
    names.join(", ")
}
