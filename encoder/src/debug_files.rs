//! Files that have the DWARF of another one: `objcopy --only-keep-debug` splits it off, `dwz -m` moves what several files have in
//! common into an alternate file, `-gsplit-dwarf` writes units into files of their own, which a package may have ([`crate::split`]).

use std::fmt::{self, Write as _};
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use dwarf::elf::ElfFile;

use crate::error::{Error, ErrorKind, Result};
use crate::input::Input;
use crate::split::package_path;
use crate::stamp::build_id;

/// Where distributions install debug information.
const DEBUG_FOLDER: &str = "usr/lib/debug";
/// Name and CRC-32 of the file that the DWARF was split off into.
const DEBUG_LINK: &[u8] = b".gnu_debuglink";
/// Name and build id of the alternate file, as dwz writes it for DWARF 4, and mostly for 5.
const ALTERNATE_LINK: &[u8] = b".gnu_debugaltlink";
/// The same in DWARF 5 (DWARF5 7.3.6).
const SUPPLEMENTARY: &[u8] = b".debug_sup";

/// The files that have the DWARF of a file, opened.
#[derive(Debug, Default)]
pub struct DebugFiles {
    path: PathBuf,
    debug: Option<DebugFile>,
    alternate: Option<DebugFile>,
    package: Option<DebugFile>,
    looked: Vec<Looked>,
}

/// Where was looked, and why what was there, if anything, is not taken.
pub type Looked = (PathBuf, Option<String>);

struct DebugFile {
    path: PathBuf,
    name: String,
    input: Arc<Input>,
    release: Box<dyn Fn(Range<usize>) + Send + Sync>,
}

impl fmt::Debug for DebugFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl DebugFile {
    fn new(path: PathBuf, input: Input) -> DebugFile {
        let (input, name) = (Arc::new(input), path.to_string_lossy().into_owned());
        let release = Box::new({
            let input = input.clone();
            move |range| input.release(range)
        });
        DebugFile { path, name, input, release }
    }

    fn parse(&self) -> dwarf::error::Result<ElfFile<'_>> {
        let elf = ElfFile::parse(self.input.bytes())?.releasing(&*self.release);
        Ok(elf.at(&self.path))
    }
}

impl DebugFiles {
    /// Finds the files that go with the file at a path. `root` stands in front of `/usr/lib/debug`.
    ///
    /// # Errors
    /// An alternate file is needed, and is not there. That there is no DWARF at all is no error here.
    pub fn find(path: &Path, elf: &ElfFile<'_>, root: &Path) -> Result<DebugFiles> {
        let mut files = DebugFiles { path: path.to_owned(), ..DebugFiles::default() };
        if !elf.has_dwarf() {
            files.debug = files.look(split_off(path, elf, root), |file, name| matches_split_off(elf, file, name));
        }
        // Whether there are units in it only the file's own ones tell.
        let paths = [Some(path), files.debug.as_ref().map(|file| &*file.path)];
        files.package = paths.into_iter().flatten().find_map(|path| {
            let package = package_path(path);
            open_regular(&package).map(|input| DebugFile::new(package, input))
        });
        let found = files.debug.as_ref().map(|file| (file.path.clone(), file.input.bytes()));
        let link = match found {
            None => Link::of(elf)?.map(|link| (link, path.to_owned())),
            Some((path, bytes)) => Link::of(&ElfFile::parse(bytes)?)?.map(|link| (link, path)),
        };
        let Some((link, path)) = link else { return Ok(files) };
        let looked = files.looked.len();
        let own = path.canonicalize().ok();
        let is_itself = |place: &PathBuf| place.canonicalize().is_ok_and(|place| Some(place) == own);
        let (itself, others): (Vec<_>, Vec<_>) = link.places(&path, root).into_iter().partition(is_itself);
        files.looked.extend(itself.into_iter().map(|place| (place, Some("it is the file itself".into()))));
        files.alternate = files.look(others, |file, _| link.check(file));
        if files.alternate.is_none() {
            let text = format!(
                "what its DWARF has in common with other files is in {}, which was not found{}",
                link.name.display(),
                places(&files.looked[looked..])
            );
            return Err(Error::new(ErrorKind::NoDwarf, text));
        }
        Ok(files)
    }

    /// The text of an error that reading the file ended in; that there is no DWARF, with the places where was looked for it.
    pub fn explain(&self, error: &Error) -> String {
        let places = if error.kind() == ErrorKind::NoDwarf { places(&self.looked) } else { String::new() };
        format!("{error}{places}")
    }

    /// The file, with what was found.
    ///
    /// # Errors
    /// A file that does not go with it.
    pub fn attach<'a>(&'a self, mut elf: ElfFile<'a>) -> Result<ElfFile<'a>> {
        elf = elf.at(&self.path);
        let with_name = |name: &str, e: dwarf::error::Error| {
            Error::new(ErrorKind::Input, format!("its debug information in {name} is not of this file: {e}"))
        };
        if let Some(file) = &self.debug {
            let debug = file.parse().map_err(|e| with_name(&file.name, e))?;
            elf = elf.with_debug(debug).map_err(|e| with_name(&file.name, e))?;
        }
        if let Some(file) = &self.alternate {
            let alternate = file.parse().map_err(|e| with_name(&file.name, e))?;
            elf = elf.with_alternate(alternate, &file.name).map_err(|e| with_name(&file.name, e))?;
        }
        if let Some(file) = &self.package {
            elf = elf.with_package(file.parse(), &file.name);
        }
        Ok(elf)
    }

    /// To be called when all that is wanted was read, as [`Input::check`].
    ///
    /// # Errors
    /// A file, by its name, that was changed since it was opened, or could not be read.
    pub fn check(&self) -> std::result::Result<(), (&Path, io::Error)> {
        let all = [&self.debug, &self.alternate, &self.package];
        all.into_iter().flatten().try_for_each(|file| file.input.check().map_err(|e| (&*file.path, e)))
    }

    /// The first file that is there, has DWARF and passes a check of it and its bytes, which tells why it is not the right one.
    fn look(
        &mut self,
        places: Vec<PathBuf>,
        check: impl Fn(&ElfFile<'_>, &[u8]) -> std::result::Result<(), String>,
    ) -> Option<DebugFile> {
        for path in places {
            let Some(input) = open_regular(&path) else {
                self.looked.push((path, None));
                continue;
            };
            let checked = match ElfFile::parse(input.bytes()) {
                Ok(file) if file.has_dwarf() => check(&file, input.bytes()),
                Ok(_) => Err("it has no DWARF".into()),
                Err(e) => Err(e.to_string()),
            };
            match checked {
                Ok(()) => return Some(DebugFile::new(path, input)),
                Err(why) => self.looked.push((path, Some(why))),
            }
        }
        None
    }
}

/// Says where something was looked for that was not found.
pub fn places(looked: &[Looked]) -> String {
    let mut text = String::new();
    for (number, (path, why)) in looked.iter().enumerate() {
        let separator = if number == 0 { "; looked for it at" } else { "," };
        let _ = write!(text, "{separator} {}", path.display());
        if let Some(why) = why {
            let _ = write!(text, " ({why})");
        }
    }
    text
}

/// Opens a file that another one names; whatever that says, no device and no pipe.
pub fn open_regular(path: &Path) -> Option<Input> {
    let is_file = std::fs::metadata(path).is_ok_and(|metadata| metadata.is_file());
    is_file.then(|| Input::open(path).ok()).flatten()
}

fn by_build_id(root: &Path, id: &[u8]) -> Option<PathBuf> {
    let (first, rest) = id.split_first().filter(|(_, rest)| !rest.is_empty())?;
    let rest: String = rest.iter().map(|byte| format!("{byte:02x}")).collect();
    Some(root.join(DEBUG_FOLDER).join(".build-id").join(format!("{first:02x}")).join(rest + ".debug"))
}

/// The places of GDB, and then those where distributions put what they split off, if both have a build id.
fn split_off(path: &Path, elf: &ElfFile<'_>, root: &Path) -> Vec<PathBuf> {
    let mut places = Vec::new();
    let id = build_id(elf);
    places.extend(id.and_then(|id| by_build_id(root, id)));
    let Ok(real) = path.canonicalize() else { return places };
    let (Some(folder), Some(file_name)) = (real.parent(), real.file_name()) else { return places };
    let below =
        root.join(DEBUG_FOLDER).join(folder.strip_prefix(root).or_else(|_| folder.strip_prefix("/")).unwrap_or(folder));
    if let Some((name, _)) = debug_link(elf) {
        places.extend([folder.join(&name), folder.join(".debug").join(&name), below.join(&name)]);
    }
    if id.is_some() {
        let mut longer = file_name.to_owned();
        longer.push(".debug");
        places.extend([below.join(file_name), below.join(longer)]);
    }
    places.retain(|place| *place != real);
    let mut seen = std::collections::BTreeSet::new();
    places.retain(|place| seen.insert(place.clone()));
    places
}

/// Name and checksum in the link to what was split off. A name with a folder in it is none.
fn debug_link(elf: &ElfFile<'_>) -> Option<(PathBuf, u32)> {
    let bytes = elf.bytes(elf.section(DEBUG_LINK)?).ok()?;
    let end = bytes.iter().position(|&b| b == 0).filter(|&end| end > 0 && !bytes[..end].contains(&b'/'))?;
    let sum = bytes.get((end + 1).next_multiple_of(4)..)?.first_chunk()?;
    Some((path_of(&bytes[..end]), object::Endian::read_u32_bytes(elf.endian, *sum)))
}

fn matches_split_off(elf: &ElfFile<'_>, debug: &ElfFile<'_>, bytes: &[u8]) -> std::result::Result<(), String> {
    match (build_id(elf), build_id(debug), debug_link(elf)) {
        (Some(own), Some(other), _) if own == other => Ok(()),
        (Some(_), Some(_), _) => Err("it has another build id".into()),
        (_, _, Some((_, sum))) if crc32fast::hash(bytes) == sum => Ok(()),
        (_, _, Some(_)) => Err("it has another checksum than .gnu_debuglink says".into()),
        (_, _, None) => Err("it has no build id".into()),
    }
}

/// A path that a file names.
pub fn path_of(bytes: &[u8]) -> PathBuf {
    use std::os::unix::ffi::OsStrExt;
    PathBuf::from(std::ffi::OsStr::from_bytes(bytes))
}

/// What tells the alternate file.
struct Link {
    name: PathBuf,
    /// Its build id, or what its `.debug_sup` has in the place of it.
    id: Vec<u8>,
    supplementary: bool,
}

impl Link {
    /// The link of a file, if it needs an alternate one.
    fn of(elf: &ElfFile<'_>) -> Result<Option<Link>> {
        let damaged = |section: &[u8]| {
            let text =
                format!("{} is damaged: it has no name and id of an alternate file", String::from_utf8_lossy(section));
            Error::new(ErrorKind::Input, text)
        };
        if let Some(section) = elf.section(ALTERNATE_LINK) {
            let bytes = elf.bytes(section)?;
            let end = bytes.iter().position(|&b| b == 0).filter(|&end| end > 0);
            let end = end.ok_or_else(|| damaged(ALTERNATE_LINK))?;
            return Ok(Some(Link {
                name: path_of(&bytes[..end]),
                id: bytes[end + 1..].to_vec(),
                supplementary: false,
            }));
        }
        let Some(found) = Supplementary::of(elf)?.filter(|found| !found.is_one) else { return Ok(None) };
        match found.name.is_empty() {
            true => Err(damaged(SUPPLEMENTARY)),
            false => Ok(Some(Link { name: path_of(found.name), id: found.checksum.to_vec(), supplementary: true })),
        }
    }

    fn places(&self, path: &Path, root: &Path) -> Vec<PathBuf> {
        let real = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let folder = real.parent().unwrap_or(Path::new("/"));
        let mut places = vec![folder.join(&self.name)];
        if let Some(name) = self.name.file_name() {
            places.push(root.join(DEBUG_FOLDER).join(".dwz").join(name));
        }
        places.extend(by_build_id(root, &self.id).filter(|_| !self.supplementary));
        places
    }

    fn check(&self, file: &ElfFile<'_>) -> std::result::Result<(), String> {
        let id = match self.supplementary {
            true => Supplementary::of(file).ok().flatten().filter(|found| found.is_one).map(|found| found.checksum),
            false => build_id(file),
        };
        match id {
            Some(id) if *id == *self.id => Ok(()),
            Some(_) => Err("it has another build id".into()),
            None => Err("it has no build id".into()),
        }
    }
}

/// What `.debug_sup` says.
struct Supplementary<'a> {
    /// The file is a supplementary one; otherwise it names one.
    is_one: bool,
    name: &'a [u8],
    checksum: &'a [u8],
}

impl<'a> Supplementary<'a> {
    fn of(elf: &ElfFile<'a>) -> Result<Option<Supplementary<'a>>> {
        let Some(section) = elf.section(SUPPLEMENTARY) else { return Ok(None) };
        let parsed = Supplementary::parse(elf.bytes(section)?);
        let damaged =
            || Error::new(ErrorKind::Input, ".debug_sup is damaged: it does not say what it is the supplement of");
        parsed.map(Some).ok_or_else(damaged)
    }

    fn parse(bytes: &'a [u8]) -> Option<Supplementary<'a>> {
        let (_, rest) = bytes.split_first_chunk::<2>()?; // version
        let (&is_one, rest) = rest.split_first()?;
        let end = rest.iter().position(|&b| b == 0)?;
        let (name, rest) = (&rest[..end], &rest[end + 1..]);
        // A length of less than 128 is one byte of LEB128; checksums have 20.
        let (&length, rest) = rest.split_first().filter(|(length, _)| **length < 0x80)?;
        Some(Supplementary { is_one: is_one != 0, name, checksum: rest.get(..usize::from(length))? })
    }
}
