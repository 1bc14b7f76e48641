//! In which order units are read: in that of the file, in runs that get shorter towards the end.
//!
//! Neighbours lie on the same pages, so the memory of a run is given back in one step; unit by unit that takes more than
//! twice as long, and pages at the seams come back. Short runs at the end leave no worker without work.

use std::ops::Range;

use dwarf::unit::UnitHeader;

/// Most bytes of a run, unless a unit alone is larger.
const RUN: usize = 1 << 20;

/// Runs that each worker gets, at least, of what is left.
const SHARE: usize = 8;

/// Runs of units, by number; each unit is in one. Units that are large in this file come first, alone.
pub fn runs(headers: &[UnitHeader], workers: usize) -> Vec<Range<usize>> {
    let shares = workers.saturating_mul(SHARE).max(1);
    let mut left: usize = headers.iter().map(|h| h.size).sum();
    let is_large = { move |size: usize| size > left / shares };
    let mut large: Vec<usize> = (0..headers.len()).filter(|&i| is_large(headers[i].size)).collect();
    large.sort_by_key(|&i| std::cmp::Reverse(headers[i].size));
    left -= large.iter().map(|&i| headers[i].size).sum::<usize>();
    let mut runs: Vec<Range<usize>> = large.into_iter().map(|i| i..i + 1).collect();
    let (mut start, mut bytes) = (0, 0);
    for (number, header) in headers.iter().enumerate() {
        if is_large(header.size) {
            runs.push(start..number);
            (start, bytes) = (number + 1, 0);
            continue;
        }
        bytes += header.size;
        if bytes >= (left / shares).min(RUN) {
            runs.push(start..number + 1);
            left -= bytes;
            (start, bytes) = (number + 1, 0);
        }
    }
    runs.push(start..headers.len());
    runs.retain(|run| !run.is_empty());
    runs
}

#[cfg(test)]
mod tests {
    use super::*;
    use dwarf::plan::Encoding;
    use dwarf::unit::{Parts, UnitKind};

    fn headers(sizes: &[usize]) -> Vec<UnitHeader> {
        let encoding = Encoding { address_size: 8, format: gimli::Format::Dwarf32, version: 5, is_split: false };
        let mut offset = 0;
        let header = |&size: &usize| {
            offset += size;
            let kind = UnitKind::Compile;
            UnitHeader {
                offset: offset - size,
                size,
                header_size: 12,
                abbrev_offset: 0,
                encoding,
                kind,
                signature: None,
                dwo_id: None,
                parts: Parts::default(),
                section: "",
            }
        };
        sizes.iter().map(header).collect()
    }

    #[test]
    fn each_unit_is_in_one_run() {
        for sizes in [vec![], vec![1], vec![100; 1000], vec![3 << 20; 50], vec![1, 1, 5000, 1, 1, 9000, 1]] {
            for workers in 1..5 {
                let mut all: Vec<usize> = runs(&headers(&sizes), workers).into_iter().flatten().collect();
                all.sort_unstable();
                assert_eq!(all, (0..sizes.len()).collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn runs_get_shorter_and_large_units_come_first() {
        let mut sizes = vec![10_000; 2000];
        sizes[1500] = 9_000_000;
        let runs = runs(&headers(&sizes), 2);
        assert_eq!(runs[0], 1500..1501);
        assert!(runs[1].start == 0 && runs[1].len() > 50);
        assert_eq!(runs.last(), Some(&(1999..2000)));
    }
}
