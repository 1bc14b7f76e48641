//! `btfgen dump`: the types of a file as bpftool prints them, all or some.

use std::io::{self, BufWriter, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use btf::view::BtfView;
use encoder::input::Input;

use super::{btf_of, distilled_base_of, unchanged};
use crate::args::{DumpArgs, DumpFormat};
use crate::exit::Exit;
use crate::messages::{Failure, print_failure};

/// Runs the command.
pub fn run(args: &DumpArgs) -> Exit {
    match dump(args) {
        Ok(()) => Exit::Done,
        Err(failure) => print_failure(&failure),
    }
}

fn dump(args: &DumpArgs) -> Result<(), Failure> {
    let base_input = args.base.path.as_deref().map(open).transpose()?;
    let input = open(&args.file)?;
    let dumped = dump_input(args, &input, base_input.as_ref());
    unchanged(&input, &args.file)?;
    if let (Some(input), Some(path)) = (&base_input, &args.base.path) {
        unchanged(input, path)?;
    }
    dumped
}

fn dump_input(args: &DumpArgs, input: &Input, base_input: Option<&Input>) -> Result<(), Failure> {
    let base = match (base_input, &args.base.path) {
        (Some(input), Some(path)) => Some(BtfView::parse(btf_of(input, path)?).map_err(|e| bad(path, e))?),
        _ => None,
    };
    let bad_input = |e| bad(&args.file, e);
    let bytes = btf_of(input, &args.file)?;
    let distilled = distilled_base_of(input, &args.file)?.map(BtfView::parse).transpose().map_err(bad_input)?;
    // What has a distilled base is shown on it or, as a kernel has it, on the base that was named.
    let relocated = match (&distilled, &base) {
        (Some(distilled), Some(base)) => {
            let view = BtfView::parse_split(bytes, distilled).map_err(bad_input)?;
            let relocated = btf::distill::relocate(&view, base);
            let failed = |e| Failure::new(Exit::Base, &args.file, format!("its distilled base does not fit: {e}"));
            Some(relocated.map_err(failed)?)
        }
        _ => None,
    };
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
    match written.and_then(|()| out.flush()) {
        // `btfgen dump | head` is no failure.
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err(e) => Err(Failure::new(Exit::Io, Path::new("standard output"), e.to_string())),
        Ok(()) => Ok(()),
    }
}

fn open(path: &Path) -> Result<Input, Failure> {
    Input::open(path).map_err(|e| Failure::new(Exit::Io, path, format!("cannot be read: {e}")))
}

fn bad(path: &Path, e: btf::error::Error) -> Failure {
    Failure::new(Exit::Input, path, format!("damaged BTF: {e} (a module's BTF needs --btf_base)"))
}
