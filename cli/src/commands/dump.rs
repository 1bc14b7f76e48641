//! `btfgen dump`: the types of a file as bpftool prints them, all or some.

use std::io::{self, BufWriter, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::slice;

use btf::header::Header;
use btf::view::BtfView;
use encoder::input::Input;

use super::loaded::{NEEDS_BASE, base_of, damaged, relocated};
use super::{btf_of, distilled_base_of, open, unchanged};
use crate::args::{DumpArgs, DumpFormat};
use crate::exit::Exit;
use crate::messages::{Failure, print_failure, printed};

/// Runs the command.
pub fn run(args: &DumpArgs) -> Exit {
    match dump(args) {
        Ok(()) => Exit::Done,
        Err(failure) => print_failure(&failure),
    }
}

fn dump(args: &DumpArgs) -> Result<(), Failure> {
    let input = open(&args.file)?;
    let base = match &args.base.path {
        None if !needs_base(&input, &args.file)? => None,
        named => base_of(named.as_deref(), slice::from_ref(&args.file))?,
    };
    let base = base.map(|path| Ok((open(&path)?, path))).transpose()?;
    let dumped = dump_input(args, &input, base.as_ref());
    unchanged(&input, &args.file)?;
    if let Some((input, path)) = &base {
        unchanged(input, path)?;
    }
    dumped
}

/// Whether BTF continues that of a base which is not in the file: its strings do not begin with the empty one.
fn needs_base(input: &Input, path: &Path) -> Result<bool, Failure> {
    let is_split =
        |bytes: &[u8]| Header::parse(bytes).is_ok_and(|h| bytes[h.strings()].first().is_none_or(|&b| b != 0));
    Ok(distilled_base_of(input, path)?.is_none() && is_split(btf_of(input, path)?))
}

fn dump_input(args: &DumpArgs, input: &Input, base: Option<&(Input, PathBuf)>) -> Result<(), Failure> {
    let base = base.map(|(input, path)| BtfView::parse(btf_of(input, path)?).map_err(|e| bad(path, e))).transpose()?;
    let bad_input = |e| bad(&args.file, e);
    let bytes = btf_of(input, &args.file)?;
    let distilled = distilled_base_of(input, &args.file)?.map(BtfView::parse).transpose().map_err(bad_input)?;
    // What has a distilled base is shown on it or, as a kernel has it, on the base that was named.
    let relocated = relocated(&args.file, bytes, distilled.as_ref().zip(base.as_ref()), NEEDS_BASE)?;
    let view = match &relocated {
        Some(bytes) => BtfView::parse_on(bytes, base.as_ref()),
        None => BtfView::parse_on(bytes, distilled.as_ref().or(base.as_ref())),
    };
    let view = view.map_err(bad_input)?;
    print(args, &view)
}

fn print(args: &DumpArgs, view: &BtfView<'_>) -> Result<(), Failure> {
    let names: Vec<&[u8]> = args.names.iter().map(|name| name.as_bytes()).collect();
    let (chosen, missing) = btf::dump::named(view, &names);
    if let Some(name) = missing {
        let text = format!("no type has the name `{}`", String::from_utf8_lossy(name));
        return Err(Failure::new(Exit::Usage, &args.file, text));
    }
    let chosen = (!names.is_empty()).then_some(&chosen[..]);
    let mut out = BufWriter::new(io::stdout().lock());
    let written = match args.format {
        DumpFormat::Raw => btf::dump::dump_raw_of(view, chosen, &mut out),
        DumpFormat::Json => btf::dump::dump_json(view, chosen, &mut out),
        DumpFormat::C => {
            let failed = |e| Failure::new(Exit::Input, &args.file, format!("cannot be written in C: {e}"));
            let header = btf::dump::dump_c(view, chosen).map_err(failed)?;
            out.write_all(&header)
        }
    };
    printed(written.and_then(|()| out.flush()))
}

fn bad(path: &Path, e: btf::error::Error) -> Failure {
    damaged(path, &e, NEEDS_BASE)
}
