//! The gate before the file: what a kernel would refuse is not written.

use btf::verify::{self, Finding, KernelVersion, Level, verify_bytes};
use btf::view::BtfView;

use crate::error::{Error, ErrorKind, Result};

/// Checks BTF as a kernel does when it loads it, by the rules of `kernel`. `own_base` is its distilled base, which is checked, too, `base` what it
/// stands on without one.
///
/// What a kernel asks of user BTF only (tier R) is not asked: packed structs of modules break such rules rightfully.
///
/// # Errors
/// [`ErrorKind::Verify`], a fault of this program; [`ErrorKind::Limit`] for a chain of types that is longer than kernels follow.
pub fn check(
    btf: &[u8],
    own_base: Option<&[u8]>,
    base: Option<&BtfView<'_>>,
    pointer_bytes: u32,
    kernel: KernelVersion,
) -> Result<()> {
    let failed = |text: String| Error::new(ErrorKind::Verify, text);
    let Some(own_base) = own_base else { return check_one(btf, base, pointer_bytes, kernel) };
    check_one(own_base, None, pointer_bytes, kernel)?;
    let view = BtfView::parse(own_base).map_err(|e| failed(e.to_string()))?;
    check_one(btf, Some(&view), pointer_bytes, kernel)
}

fn check_one(btf: &[u8], base: Option<&BtfView<'_>>, pointer_bytes: u32, kernel: KernelVersion) -> Result<()> {
    match first(btf, base, pointer_bytes, kernel) {
        None => Ok(()),
        // Chains are as the DWARF has them: C has no rule about their length, and only damage makes circles.
        Some(finding) if finding.rule == "C2" => Err(Error::new(
            ErrorKind::Limit,
            format!(
                "a chain of typedefs and qualifiers is longer than kernels follow, or leads back to itself: {finding}"
            ),
        )),
        Some(finding) => Err(Error::new(
            ErrorKind::Verify,
            format!("the result would be refused by a kernel: {finding}; please report this as a bug"),
        )),
    }
}

/// The first rule of a kernel that BTF breaks, in words.
pub fn violation(btf: &[u8], base: Option<&BtfView<'_>>, pointer_bytes: u32, kernel: KernelVersion) -> Option<String> {
    first(btf, base, pointer_bytes, kernel).map(|finding| finding.to_string())
}

fn first(btf: &[u8], base: Option<&BtfView<'_>>, pointer_bytes: u32, kernel: KernelVersion) -> Option<Finding> {
    let options = verify::Options { level: Level::Kernel, kernel, pointer_bytes, max_findings: 1 };
    verify_bytes(btf, base, &options).into_iter().next()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(btf: &[u8], own_base: Option<&[u8]>, base: Option<&BtfView<'_>>, pointer_bytes: u32) -> Result<()> {
        super::check(btf, own_base, base, pointer_bytes, KernelVersion::NEWEST)
    }

    /// A base of one INT; `damage` is what the third word, its size, becomes.
    fn blob(size: u32) -> Vec<u8> {
        let words = [24, 0, 16, 16, 1, 0, 1 << 24, size, 32];
        [&[0x9f, 0xeb, 1, 0], &words.map(u32::to_le_bytes).concat()[..], &[0]].concat()
    }

    #[test]
    fn what_a_kernel_refuses_is_an_error_of_its_own() {
        let split = btf::writer::empty_split(btf::header::Endian::Little);
        let (good, bad) = (blob(4), blob(2));
        assert_eq!(check(&good, None, None, 8), Ok(()));
        assert_eq!(check(&split, Some(&good), None, 8), Ok(()));
        for error in [check(&bad, None, None, 8), check(&split, Some(&bad), None, 8), check(&bad[..30], None, None, 8)]
        {
            let error = error.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Verify);
            assert!(error.to_string().contains("please report"), "{error}");
        }
        let text = check(&bad, None, None, 8).unwrap_err().to_string();
        assert!(text.contains("[1] INT (anon): nr_bits exceeds type_size (M14)"), "{text}");
    }
}
