//! A file's BTF on its base, for the commands that look into finished BTF.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use btf::view::BtfView;
use dwarf::elf::ElfFile;
use encoder::input::Input;

use super::{btf_of, distilled_base_of, unchanged};
use crate::base_search;
use crate::exit::Exit;
use crate::messages::Failure;

/// Where a running kernel shows the BTF of its modules, on top of its own.
const RUNNING: &str = "/sys/kernel/btf";

/// The base that was named, or else that of the modules' kernel. Files with bases of their own can do without.
pub fn base_of(named: Option<&Path>, files: &[PathBuf]) -> Result<Option<PathBuf>, Failure> {
    if let Some(named) = named {
        return Ok(Some(named.to_owned()));
    }
    let is_of_running = |file: &PathBuf| file.starts_with(RUNNING) && !file.ends_with("vmlinux");
    if !files.is_empty() && files.iter().all(is_of_running) {
        return Ok(Some(Path::new(RUNNING).join("vmlinux")));
    }
    let is_distilled = |file: &PathBuf| {
        let input = Input::open(file).ok();
        input.is_some_and(|input| distilled_base_of(&input, file).is_ok_and(|base| base.is_some()))
    };
    match base_search::find(files) {
        Err(failure) if failure.exit == Exit::NoBase && files.iter().all(is_distilled) => Ok(None),
        found => found,
    }
}

/// Calls `f` with a base, if there is one.
pub fn with_base<T>(
    path: Option<&Path>,
    f: impl FnOnce(Option<&BtfView<'_>>) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let Some(path) = path else { return f(None) };
    let failed = |text: String| Failure::new(Exit::Base, path, text);
    let input = Input::open(path).map_err(|e| failed(format!("the base cannot be read: {e}")))?;
    let damaged = |e| failed(format!("the base BTF is damaged: {e}"));
    let result = match btf_of(&input, path).and_then(|bytes| BtfView::parse(bytes).map_err(damaged)) {
        Ok(view) => f(Some(&view)),
        Err(failure) => Err(failure),
    };
    unchanged(&input, path)?;
    result
}

/// Calls `f` with the BTF of a file. What is linked for itself (a vmlinux) stands on nothing; what has a distilled base stands on it or, as a
/// kernel has it, on `base`; all else stands on `base`.
pub fn with_view<T>(
    path: &Path,
    base: Option<&BtfView<'_>>,
    f: impl FnOnce(&BtfView<'_>, &Input) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let input = Input::open(path).map_err(|e| Failure::new(Exit::Io, path, format!("cannot be read: {e}")))?;
    let result = view_of(path, &input, base, f);
    unchanged(&input, path)?;
    result
}

/// [`with_view`] for a file that is open.
pub fn view_of<T>(
    path: &Path,
    input: &Input,
    base: Option<&BtfView<'_>>,
    f: impl FnOnce(&BtfView<'_>, &Input) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let failed = |text: String| Failure::new(Exit::Input, path, text);
    let as_input = |failure: Failure| failed(failure.text);
    let hint = if base.is_none() { " (a module's BTF needs --btf_base)" } else { "" };
    let bad = |e: btf::error::Error| damaged(path, &e, hint);
    let bytes = btf_of(input, path).map_err(as_input)?;
    let elf = ElfFile::parse(input.bytes()).ok();
    let base = base.filter(|_| elf.as_ref().is_none_or(|elf| elf.relocatable));
    let distilled = distilled_base_of(input, path).map_err(as_input)?.map(BtfView::parse).transpose().map_err(bad)?;
    let relocated = match (&distilled, base) {
        (Some(distilled), Some(base)) => {
            let view = BtfView::parse_split(bytes, distilled).map_err(bad)?;
            let relocated = btf::distill::relocate(&view, base);
            let failed = |e| Failure::new(Exit::Base, path, format!("its distilled base does not fit: {e}"));
            Some(relocated.map_err(failed)?)
        }
        _ => None,
    };
    let view = match &relocated {
        Some(bytes) => BtfView::parse_on(bytes, base),
        None => BtfView::parse_on(bytes, distilled.as_ref().or(base)),
    };
    f(&view.map_err(bad)?, input)
}

/// The failure of a file whose BTF is damaged.
pub fn damaged(path: &Path, e: &btf::error::Error, hint: &str) -> Failure {
    Failure::new(Exit::Input, path, format!("damaged BTF: {e}{hint}"))
}

/// Writes to standard output. That nobody reads it (`btfgen stats | head`) is no failure.
pub fn print(text: &[u8]) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(text).and_then(|()| out.flush()) {
        Err(e) if e.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::new(Exit::Io, Path::new("standard output"), e.to_string()))
        }
        _ => Ok(()),
    }
}
