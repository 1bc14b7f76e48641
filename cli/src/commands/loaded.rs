//! A file's BTF on its base, for the commands that look into finished BTF.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use btf::view::BtfView;
use dwarf::elf::ElfFile;
use encoder::input::Input;

use super::{btf_of, distilled_base_of, open, open_base, unchanged};
use crate::base_search;
use crate::exit::Exit;
use crate::messages::{Failure, printed};

/// Where a running kernel shows the BTF of its modules, on top of its own.
const RUNNING: &str = "/sys/kernel/btf";

/// What to add to the message that BTF is damaged, if that may be for want of a base.
pub const NEEDS_BASE: &str = " (a module's BTF needs --btf_base)";

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
    let input = open_base(path)?;
    let damaged = |e| failed(format!("the base BTF is damaged: {e}"));
    let result = match btf_of(&input, path).and_then(|bytes| BtfView::parse(bytes).map_err(damaged)) {
        Ok(view) => f(Some(&view)),
        Err(failure) => Err(failure),
    };
    unchanged(&input, path)?;
    result
}

/// A file that was read, with what its BTF needs to be looked at.
pub struct Loaded {
    path: PathBuf,
    /// The file.
    pub input: Input,
}

impl Loaded {
    /// Opens a file.
    pub fn open(path: &Path) -> Result<Loaded, Failure> {
        let input = open(path)?;
        Ok(Loaded { path: path.to_owned(), input })
    }

    /// The file as an ELF file, if it is one.
    pub fn elf(&self) -> Option<ElfFile<'_>> {
        ElfFile::parse(self.input.bytes()).ok()
    }

    /// What of `base` the file stands on: nothing if it is linked for itself (a vmlinux), or is that base.
    fn stands_on<'b, 'v>(&self, base: Option<&'b BtfView<'v>>) -> Option<&'b BtfView<'v>> {
        let is_base = |base: &BtfView<'_>| btf_of(&self.input, &self.path).is_ok_and(|bytes| bytes == base.bytes());
        base.filter(|base| self.elf().is_none_or(|elf| elf.relocatable) && !is_base(base))
    }

    /// The distilled base of a file.
    fn distilled(&self) -> Result<Option<BtfView<'_>>, Failure> {
        let bytes = distilled_base_of(&self.input, &self.path).map_err(|f| self.as_input(f))?;
        bytes.map(BtfView::parse).transpose().map_err(|e| damaged(&self.path, &e, ": its .BTF.base"))
    }

    fn relocated(
        &self,
        distilled: Option<&BtfView<'_>>,
        base: Option<&BtfView<'_>>,
    ) -> Result<Option<Vec<u8>>, Failure> {
        let bytes = btf_of(&self.input, &self.path).map_err(|f| self.as_input(f))?;
        relocated(&self.path, bytes, distilled.zip(base), "")
    }

    fn as_input(&self, failure: Failure) -> Failure {
        Failure::new(Exit::Input, &self.path, failure.text)
    }
}

/// The BTF of a file with a distilled base as a kernel has it, on the base that is second in `bases`; None without both. `hint` is for [`damaged`].
pub fn relocated(
    path: &Path,
    bytes: &[u8],
    bases: Option<(&BtfView<'_>, &BtfView<'_>)>,
    hint: &str,
) -> Result<Option<Vec<u8>>, Failure> {
    let Some((distilled, base)) = bases else { return Ok(None) };
    let view = BtfView::parse_split(bytes, distilled).map_err(|e| damaged(path, &e, hint))?;
    let failed = |e| Failure::new(Exit::Base, path, format!("its distilled base does not fit: {e}"));
    btf::distill::relocate(&view, base).map(Some).map_err(failed)
}

/// Calls `f` with the BTFs of files. What is linked for itself (a vmlinux), or is the base, stands on nothing; what has a distilled base stands on it or, as a
/// kernel has it, on `base`; all else stands on `base`.
pub fn with_views<T>(
    files: &[Loaded],
    base: Option<&BtfView<'_>>,
    f: impl FnOnce(&[BtfView<'_>]) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let all = || -> Result<T, Failure> {
        let distilled = files.iter().map(Loaded::distilled).collect::<Result<Vec<_>, _>>()?;
        let relocated = files.iter().zip(&distilled);
        let relocated = relocated.map(|(file, own)| file.relocated(own.as_ref(), file.stands_on(base)));
        let relocated = relocated.collect::<Result<Vec<Option<Vec<u8>>>, Failure>>()?;
        let views = files.iter().zip(distilled.iter().zip(&relocated)).map(|(file, (distilled, relocated))| {
            let base = file.stands_on(base);
            let hint = if base.is_none() { NEEDS_BASE } else { "" };
            let view = match relocated {
                Some(bytes) => BtfView::parse_on(bytes, base),
                None => {
                    let bytes = btf_of(&file.input, &file.path).map_err(|f| file.as_input(f))?;
                    BtfView::parse_on(bytes, distilled.as_ref().or(base))
                }
            };
            view.map_err(|e| damaged(&file.path, &e, hint))
        });
        f(&views.collect::<Result<Vec<_>, Failure>>()?)
    };
    let result = all();
    for file in files {
        unchanged(&file.input, &file.path)?;
    }
    result
}

/// The same for one file.
pub fn with_view<T>(
    path: &Path,
    base: Option<&BtfView<'_>>,
    f: impl FnOnce(&BtfView<'_>, &Input) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let file = [Loaded::open(path)?];
    with_views(&file, base, |views| f(&views[0], &file[0].input))
}

/// The failure of a file whose BTF is damaged.
pub fn damaged(path: &Path, e: &btf::error::Error, hint: &str) -> Failure {
    Failure::new(Exit::Input, path, format!("damaged BTF: {e}{hint}"))
}

/// Writes to standard output. That nobody reads it (`btfgen stats | head`) is no failure.
pub fn print(text: &[u8]) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    printed(out.write_all(text).and_then(|()| out.flush()))
}
