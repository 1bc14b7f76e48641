//! The least that reading a file's DWARF could take: passes over all DIEs of all units with gimli's raw entry reader, and does
//! nothing with them.
//!
//!     bare_walk skip|read [-jN] FILE
//!
//! `skip` passes over the attributes, `read` decodes each one. `make bench` compares btfgen with both.

use std::error::Error;
use std::fs::File;
use std::hint::black_box;
use std::num::NonZero;
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use gimli::{DebugAbbrev, DebugInfo, EndianSlice, RunTimeEndian, UnitHeader};
use object::{Object, ObjectSection};

type Slice<'a> = EndianSlice<'a, RunTimeEndian>;

/// DIEs and attributes passed.
#[derive(Clone, Copy, Default)]
struct Count {
    dies: u64,
    attributes: u64,
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bare_walk: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (mode, jobs, path) = match arguments[..] {
        [mode, path] => (mode, thread::available_parallelism().map_or(1, NonZero::get), path),
        [mode, jobs, path] => (mode, jobs.trim_start_matches("-j").parse()?, path),
        _ => return Err("usage: bare_walk skip|read [-jN] FILE".into()),
    };
    let read = match mode {
        "read" => true,
        "skip" => false,
        _ => return Err(format!("neither skip nor read: {mode}").into()),
    };
    let file = File::open(path)?;
    // SAFETY: nobody changes the file meanwhile; this program is only for measuring.
    let data = unsafe { memmap2::Mmap::map(&file)? };
    let object = object::File::parse(&*data)?;
    let endian = if object.is_little_endian() { RunTimeEndian::Little } else { RunTimeEndian::Big };
    let section = |name| match object.section_by_name(name) {
        Some(section) => section.uncompressed_data(),
        None => Ok(Default::default()),
    };
    let (info, abbrev) = (section(".debug_info")?, section(".debug_abbrev")?);
    let (info, abbrev) = (DebugInfo::new(&info, endian), DebugAbbrev::new(&abbrev, endian));

    let mut units = Vec::new();
    let mut headers = info.units();
    while let Some(header) = headers.next()? {
        units.push(header);
    }
    // The largest first, so that all threads end together.
    units.sort_by_key(|unit| std::cmp::Reverse(unit.unit_length()));
    let next = AtomicUsize::new(0);
    let worker = || -> gimli::Result<Count> {
        let mut count = Count::default();
        while let Some(unit) = units.get(next.fetch_add(1, Ordering::Relaxed)) {
            if read { walk::<true>(unit, &abbrev, &mut count)? } else { walk::<false>(unit, &abbrev, &mut count)? }
        }
        Ok(count)
    };
    let mut total = Count::default();
    for count in thread::scope(|scope| {
        let threads: Vec<_> = (0..jobs.max(1)).map(|_| scope.spawn(worker)).collect();
        threads.into_iter().map(|thread| thread.join().expect("a worker does not panic")).collect::<Vec<_>>()
    }) {
        let count = count?;
        total.dies += count.dies;
        total.attributes += count.attributes;
    }
    println!("{} units, {} DIEs, {} attributes", units.len(), total.dies, total.attributes);
    Ok(())
}

fn walk<const READ: bool>(
    unit: &UnitHeader<Slice<'_>>,
    abbrev: &DebugAbbrev<Slice<'_>>,
    count: &mut Count,
) -> gimli::Result<()> {
    let abbreviations = abbrev.abbreviations(unit.debug_abbrev_offset())?;
    let mut entries = unit.entries_raw(&abbreviations, None)?;
    while !entries.is_empty() {
        let Some(abbreviation) = entries.read_abbreviation()? else { continue };
        let attributes = abbreviation.attributes();
        count.dies += 1;
        count.attributes += attributes.len() as u64;
        if READ {
            for specification in attributes {
                black_box(entries.read_attribute_inline(*specification)?);
            }
        } else {
            entries.skip_attributes(attributes)?;
        }
    }
    Ok(())
}
