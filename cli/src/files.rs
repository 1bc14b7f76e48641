//! Which files are meant: named ones, those of lists, those below folders.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use encoder::input::Input;

use crate::commands::unchanged;
use crate::exit::Exit;
use crate::messages::{Failure, print_warning};

/// The files that the arguments name, in their order: `@LIST` stands for the lines of a file, `--modules-dir` for the modules below a folder.
pub fn named(named: &[PathBuf], dirs: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let mut files = Vec::new();
    for file in named {
        match file.as_os_str().as_bytes().strip_prefix(b"@") {
            Some(list) if !list.is_empty() => files.extend(lines(Path::new(OsStr::from_bytes(list)))?),
            _ => files.push(file.clone()),
        }
    }
    for dir in dirs {
        files.extend(modules(dir)?);
    }
    Ok(files)
}

fn lines(list: &Path) -> Result<Vec<PathBuf>, Failure> {
    let input = Input::open(list).map_err(|e| Failure::new(Exit::Io, list, format!("the list cannot be read: {e}")))?;
    let lines = input.bytes().split(|&byte| byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let paths = lines.filter(|line| !line.is_empty()).map(|line| PathBuf::from(OsStr::from_bytes(line))).collect();
    unchanged(&input, list)?;
    Ok(paths)
}

/// The modules below a folder, in the order of their paths. Links to folders are not followed: `/lib/modules/*/build` is one.
fn modules(dir: &Path) -> Result<Vec<PathBuf>, Failure> {
    let (mut found, mut compressed) = (Vec::new(), 0);
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        let failed = |e: std::io::Error| Failure::new(Exit::Io, &folder, format!("the folder cannot be read: {e}"));
        for entry in std::fs::read_dir(&folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let path = entry.path();
            if entry.file_type().map_err(failed)?.is_dir() {
                folders.push(path);
                continue;
            }
            let name = entry.file_name();
            let ends = |ending: &str| name.as_bytes().ends_with(ending.as_bytes());
            if ends(".ko") && path.is_file() {
                found.push(path);
            } else if [".ko.xz", ".ko.zst", ".ko.gz"].iter().any(|ending| ends(ending)) {
                compressed += 1;
            }
        }
    }
    found.sort_unstable();
    if found.is_empty() {
        let text = match compressed {
            0 => "no modules (*.ko) below this folder".into(),
            count => format!("no modules (*.ko) below this folder but {count} compressed ones: uncompress them first"),
        };
        return Err(Failure::new(Exit::Usage, dir, text));
    }
    if compressed > 0 {
        print_warning(dir, &format!("{compressed} compressed modules are left out: uncompress them first"));
    }
    Ok(found)
}
