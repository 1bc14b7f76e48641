//! All steps after each other, for callers that have the parts at hand.

use btf::edit::Edit;
use btf::view::BtfView;

use super::finding::Finding;
use super::kfuncs::kfuncs;
use super::section::IdSection;
use crate::error::{Error, ErrorKind, Result};

/// The BTF of a file as a kernel from 7.0 on wants it: kfuncs described, equal types once, in name order. `section` is the file's, in
/// link-time order. The ids are then found in the result ([`super::patch::patch`]).
///
/// # Errors
/// Damaged BTF, kfuncs whose flags contradict each other or their prototypes.
pub fn finish(section: Option<&IdSection<'_>>, btf: &BtfView<'_>) -> Result<(Vec<u8>, Vec<Finding>)> {
    let failed = |e: btf::error::Error| Error::new(ErrorKind::Input, e.to_string());
    let mut edit = Edit::of(btf).map_err(failed)?;
    let mut findings = Vec::new();
    if let Some(section) = section {
        let (kfuncs, warnings) = kfuncs(section, &edit)?;
        findings = warnings;
        edit.describe_kfuncs(&kfuncs).map_err(failed)?;
    }
    Ok((edit.write().map_err(failed)?, findings))
}
