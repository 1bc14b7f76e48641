//! Tiers H, S, L: the header and what it says about the rest, asked in the kernel's order. The first violation ends it.

use std::ops::Range;

use super::{Check, Finding, KernelVersion, Level, Options};
use crate::header::{Endian, MAGIC, VERSION};
use crate::ids::TypeId;
use crate::view::BtfView;

/// Largest user BTF, and largest string section, in bytes.
pub(super) const MAX_BYTES: usize = 16 << 20;
/// Bytes of the header that kernels know: without the layout fields, and with them.
const NARROW_HEADER: usize = 24;
const WIDE_HEADER: usize = 32;

/// The first of these rules that bytes break. `base` is that of a split BTF.
pub(super) fn check_header(data: &[u8], base: Option<&BtfView<'_>>, options: &Options) -> Option<Finding> {
    let wrong = |rule, text: &str| Some(Finding::whole(rule, text));
    let user = options.level == Level::User;
    if user && data.len() > MAX_BYTES {
        return wrong("N2", "BTF is larger than 16 MiB");
    }
    if data.len() < 8 {
        return wrong("H1", "hdr_len not found");
    }
    let endian = match (data[0], data[1]) {
        (0x9f, 0xeb) => Endian::Little,
        (0xeb, 0x9f) => Endian::Big,
        _ => base.map_or(Endian::Little, BtfView::endian),
    };
    let header_len = endian.read_u32(data, 4).unwrap_or(0) as usize;
    let Some(header) = data.get(..header_len) else { return wrong("H2", "btf_header not found") };
    let known = if options.kernel < KernelVersion::WIDE { NARROW_HEADER } else { WIDE_HEADER };
    if header.iter().skip(known).any(|&byte| byte != 0) {
        return wrong("H3", "Unsupported btf_header");
    }
    // A header that is shorter is one whose missing fields are 0, be it its own length.
    let mut copy = [0; WIDE_HEADER];
    let len = header.len().min(known);
    copy[..len].copy_from_slice(&header[..len]);
    let field = |at: usize| endian.read_u32(&copy, at).unwrap_or(0) as usize;
    if endian.u16_bytes(MAGIC) != copy[..2] || base.is_some_and(|base| base.endian() != endian) {
        return wrong("H4", "Invalid magic");
    }
    if copy[2] != VERSION {
        return wrong("H5", "Unsupported version");
    }
    if copy[3] != 0 {
        return wrong("H6", "Unsupported flags");
    }
    let header_len = field(4);
    if base.is_none() && data.len() == header_len {
        return wrong("H7", "No data");
    }
    let (types, strings, layout) = ((field(8), field(12)), (field(16), field(20)), (field(24), field(28)));
    if let Err((rule, text)) = check_parts(data.len() - header_len, &[types, strings, layout]) {
        return wrong(rule, text);
    }
    let part = |(start, len): (usize, usize)| Range { start: header_len + start, end: header_len + start + len };
    check_strings(data, part(strings), header_len, base.is_none()).or_else(|| {
        if !user {
            return None;
        }
        if layout.1 > 0 && layout.0 % 4 != 0 {
            return wrong("L1", "Unaligned layout_off");
        }
        if layout.1 > 0 && layout.1 < 4 {
            return wrong("L2", "Layout section is too small");
        }
        if layout.1 % 4 != 0 {
            return wrong("L2", "layout_len is not multiple of 4");
        }
        if types.0 % 4 != 0 {
            return wrong("R0a", "Unaligned type_off");
        }
        if base.is_none() && types.1 == 0 {
            return wrong("R0b", "No type found");
        }
        None
    })
}

/// The parts, as offset and length after the header, must tile all that follows it, in any order.
fn check_parts(room: usize, parts: &[(usize, usize); 3]) -> Result<(), (&'static str, &'static str)> {
    // A layout without length is none.
    let mut parts: Vec<(usize, usize)> =
        parts.iter().enumerate().filter(|(n, part)| *n < 2 || part.1 > 0).map(|(_, part)| *part).collect();
    // As the kernel compares them: an offset is before another one if their difference, in 32 bits, is negative.
    let is_after = |a: (usize, usize), b: (usize, usize)| match (a.0 as u32).wrapping_sub(b.0 as u32) as i32 {
        0 => (a.1 as u32).wrapping_sub(b.1 as u32) as i32 > 0,
        difference => difference > 0,
    };
    for end in 1..parts.len() {
        for at in (1..=end).rev() {
            if is_after(parts[at - 1], parts[at]) {
                parts.swap(at - 1, at);
            }
        }
    }
    let mut end = 0;
    for (start, len) in parts {
        if start > room {
            return Err(("H8", "Invalid section offset"));
        }
        if start > end {
            return Err(("H9", "Unsupported section found"));
        }
        if start < end {
            return Err(("H10", "Section overlap found"));
        }
        if len > room - end {
            return Err(("H11", "Total section length too long"));
        }
        end += len;
    }
    if end < room { Err(("H9", "Unsupported section found")) } else { Ok(()) }
}

fn check_strings(data: &[u8], strings: Range<usize>, header_len: usize, standalone: bool) -> Option<Finding> {
    if header_len < WIDE_HEADER && strings.end != data.len() {
        return Some(Finding::whole("S1", "String section is not at the end"));
    }
    let text = &data[strings];
    let good = match text {
        [] => !standalone,
        [first, ..] => text.len() <= MAX_BYTES && text.last() == Some(&0) && (!standalone || *first == 0),
    };
    (!good).then(|| Finding::whole("S2", "Invalid string section"))
}

/// The number of types that a kernel has room for.
pub(super) fn check_count(check: &mut Check<'_, '_>) {
    if check.view.end_id().0.saturating_sub(1) > TypeId::MAX.0 {
        check.findings.push(Finding::whole("N1", "Exceeded max num of types"));
    }
}
