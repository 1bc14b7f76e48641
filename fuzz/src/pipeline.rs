//! Everything, on a file and its base.

use btf::verify::{Level, Options, verify};
use btf::view::BtfView;
use mutate::file::Original;
use mutate::pipeline;

use crate::bytes::{joined, pair};

/// A base (or none, if it is empty), and an ELF file.
pub fn run(data: &[u8]) {
    let (base, file) = pair(data);
    let view = BtfView::parse(base).ok();
    if view.is_none() && !base.is_empty() {
        return;
    }
    // A base that no kernel would have loaded is not asked for more than a result or an error.
    let is_valid = view.as_ref().is_none_or(is_valid);
    let result = pipeline::run(file, view.as_ref(), u64::from(data.last().copied().unwrap_or(0)));
    if let Err(text) = result {
        assert!(!is_valid, "{text}");
    }
}

fn is_valid(view: &BtfView<'_>) -> bool {
    verify(view, &Options { level: Level::Kernel, max_findings: 1, ..Options::default() }).is_empty()
}

/// Half of the time structured damage; None is for libFuzzer.
pub fn mutate(data: &[u8], seed: u32) -> Option<Vec<u8>> {
    let (base, file) = pair(data);
    match seed % 8 {
        0..4 => Some(joined(base, &Original::new(file.to_vec())?.mutated(u64::from(seed >> 3)))),
        4 if is_valid(&BtfView::parse(base).ok()?) => {
            Some(joined(&::mutate::btf::mutate(base, u64::from(seed >> 3)).bytes, file))
        }
        _ => None,
    }
}
