//! Puts a finished file into the place of another one, or of none, in one step.
//!
//! [`replace_file`] and [`write_new_file`] have the caller write to a temporary file in the folder
//! of the target and rename that over the target, so that at any time there is either the whole old
//! file or the whole new one. On an error, and when the process is interrupted before the rename,
//! the old file is as it was.
//!
//! # Links
//!
//! Symbolic links are followed: the file they lead to is replaced, the links stay. A rename cannot
//! reach the other names of a file with several hard links; those keep the old contents. That is
//! what their owners want most of the time: such names come from compiler caches and from copies of
//! trees made with `cp -l`, where a change that shows through would be damage.
//!
//! # What is carried over
//!
//! Permission bits, owner, group and extended attributes of the old file, among them ACLs, SELinux
//! labels and file capabilities. Not the modification time: make shall see a new file. Not
//! `security.ima` and `security.evm`, which are sums over the old contents. A user who may not give
//! files away becomes the owner of the new file, as with `sed -i`; then set-user-ID goes, and if the
//! group could not be kept either, set-group-ID and what the group was allowed beyond everybody.
//! A file without write permission is replaced, since only the folder changes.
//!
//! # Temporary files of killed runs
//!
//! They are called `.btfgen-TARGET.XXXXXX`. A run holds an exclusive `flock` on its temporary file
//! from just after its creation until after the rename, so one that can be locked has no owner;
//! [`remove_stale`] removes those, and every run begins with that. The gap between creation and
//! lock is closed by the creator, who starts over if the file was removed when it has the lock. A
//! file system without `flock` keeps its stale files.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs::{self, File, Metadata, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, XattrFlags};
use rustix::io::Errno;
use tempfile::NamedTempFile;

/// First part of the name of a temporary file.
const TEMP_PREFIX: &str = ".btfgen-";
/// Random letters and digits at its end.
const TEMP_RANDOM: usize = 6;
/// Bytes of the target's name in it. A file name has at most 255 (`NAME_MAX`).
const TEMP_NAME_MAX: usize = 200;
/// Mode of a new file before the umask; `open(2)` as all tools call it.
const NEW_FILE_MODE: u32 = 0o666;
/// Mode of a temporary file before it gets that of the file it replaces.
const PRIVATE_MODE: u32 = 0o600;

/// Identity and state of a file at one moment: what tells that somebody else changed or replaced it
/// in the meantime.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Snapshot {
    device: u64,
    inode: u64,
    /// Bytes.
    size: u64,
    /// Modification time in seconds since 1970 and nanoseconds.
    modified: (i64, i64),
}

impl Snapshot {
    /// State of an open file. Take it before the file is read or mapped.
    pub fn of(file: &File) -> io::Result<Self> {
        Ok(Self::from(&file.metadata()?))
    }
}

impl From<&Metadata> for Snapshot {
    fn from(metadata: &Metadata) -> Self {
        Snapshot {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
        }
    }
}

/// Whether to wait until the new file is on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// `fsync` the file before the rename and the folder after it: a power failure, too, leaves the
    /// whole old or the whole new file.
    Disk,
    /// Leave writing back to the kernel, like compilers and linkers do. A power failure in the next
    /// seconds may leave an empty file on some file systems; a killed process never does.
    Memory,
}

/// Why a file was not written. The old file, if there was one, is as it was, unless it is a device
/// or a pipe.
#[derive(Debug)]
#[non_exhaustive]
pub enum ReplaceError {
    /// An operation failed.
    Io {
        /// What was tried, as in "cannot `doing`".
        doing: &'static str,
        /// The file or folder it was tried on.
        path: PathBuf,
        /// Cause given by the operating system, or by the function that writes the contents.
        source: io::Error,
    },
    /// The file is not the one, or not in the state, that the [`Snapshot`] shows.
    Changed {
        /// The file, links followed.
        path: PathBuf,
    },
    /// Only regular files can be replaced.
    NotRegular {
        /// The file, links followed.
        path: PathBuf,
    },
}

impl fmt::Display for ReplaceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { doing, path, .. } => write!(f, "cannot {doing} `{}`", path.display()),
            Self::Changed { path } => write!(
                f,
                "`{}` was changed while it was read, so it was left alone: run again when nothing else writes it",
                path.display()
            ),
            Self::NotRegular { path } => {
                write!(
                    f,
                    "`{}` is not a regular file: name a file to write with -o",
                    path.display()
                )
            }
        }
    }
}

impl std::error::Error for ReplaceError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            Self::Changed { .. } | Self::NotRegular { .. } => None,
        }
    }
}

/// Turns the error of an operation on `path` into a [`ReplaceError`].
fn failed<E: Into<io::Error>>(doing: &'static str, path: &Path) -> impl FnOnce(E) -> ReplaceError {
    let path = path.to_owned();
    move |source| ReplaceError::Io {
        doing,
        path,
        source: source.into(),
    }
}

/// Replaces the contents of the regular file at `path` by what `write` writes.
///
/// `read` is the state of the file when its old contents were read. If it is in another one before
/// the writing or just before the rename, nothing is changed ([`ReplaceError::Changed`]).
pub fn replace_file(
    path: &Path,
    read: &Snapshot,
    durability: Durability,
    write: impl FnOnce(&mut File) -> io::Result<()>,
) -> Result<(), ReplaceError> {
    let target = fs::canonicalize(path).map_err(failed("find", path))?;
    let check = || match fs::metadata(&target).map_err(failed("examine", &target))? {
        metadata if !metadata.is_file() => Err(ReplaceError::NotRegular {
            path: target.clone(),
        }),
        metadata if Snapshot::from(&metadata) != *read => Err(ReplaceError::Changed {
            path: target.clone(),
        }),
        metadata => Ok(metadata),
    };
    let old = check()?;
    let mut temp = create_temp(&target, PRIVATE_MODE)?;
    write(temp.as_file_mut()).map_err(failed("write", &target))?;
    carry_over(&target, &old, &temp)?;
    sync(&temp, durability)?;
    check()?;
    put_in_place(temp, &target, durability)
}

/// Writes a file at `path`, which may exist.
///
/// A new file has mode 0666 less the umask; an existing regular one is replaced and keeps its
/// attributes like in [`replace_file`]. Anything else (a device, a pipe, the standard output as
/// `/dev/stdout`) is written to directly, so that an error may leave part of the output there.
pub fn write_new_file(
    path: &Path,
    durability: Durability,
    write: impl FnOnce(&mut File) -> io::Result<()>,
) -> Result<(), ReplaceError> {
    if let Some(mut file) = open_direct(path)? {
        return write(&mut file).map_err(failed("write", path));
    }
    let target = follow_links(path).map_err(failed("find", path))?;
    let old = match fs::metadata(&target) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        result => Some(result.map_err(failed("examine", &target))?),
    };
    let mode = if old.is_some() {
        PRIVATE_MODE
    } else {
        NEW_FILE_MODE
    };
    let mut temp = create_temp(&target, mode)?;
    write(temp.as_file_mut()).map_err(failed("write", &target))?;
    if let Some(old) = &old {
        carry_over(&target, old, &temp)?;
    }
    sync(&temp, durability)?;
    put_in_place(temp, &target, durability)
}

/// Opens what cannot be replaced by a rename; `None` for regular files and those to be created.
fn open_direct(path: &Path) -> Result<Option<File>, ReplaceError> {
    // The standard streams are taken as they are open, since a regular file behind one may be
    // positioned at its end, or have no name any more.
    let stream = match path.to_str() {
        Some("/dev/stdout" | "/dev/fd/1" | "/proc/self/fd/1") => {
            let stdout = io::stdout();
            stdout.lock().flush().map_err(failed("write", path))?;
            Some(stdout.as_fd().try_clone_to_owned())
        }
        Some("/dev/stderr" | "/dev/fd/2" | "/proc/self/fd/2") => {
            Some(io::stderr().as_fd().try_clone_to_owned())
        }
        _ => None,
    };
    if let Some(stream) = stream {
        return stream
            .map(|fd| Some(File::from(fd)))
            .map_err(failed("open", path));
    }
    match fs::metadata(path) {
        Ok(metadata) if !metadata.is_file() => OpenOptions::new()
            .write(true)
            .open(path)
            .map(Some)
            .map_err(failed("open", path)),
        // An error shows again, with more context, when the file is created.
        _ => Ok(None),
    }
}

/// Path behind all symbolic links at `path`, whose last target need not exist.
fn follow_links(path: &Path) -> io::Result<PathBuf> {
    /// What the kernel allows; path_resolution(7).
    const MAX_LINKS: usize = 40;
    let mut path = path.to_owned();
    for _ in 0..MAX_LINKS {
        match fs::canonicalize(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            result => return result,
        }
        match fs::read_link(&path) {
            Ok(link) => path = folder(&path).join(link),
            Err(_) => return Ok(path),
        }
    }
    Err(io::Error::from(Errno::LOOP))
}

/// The folder of a file; `.` for a plain name.
fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

// ---------------------------------------------------------------------------------------------
// Temporary files
// ---------------------------------------------------------------------------------------------

/// Creates and locks a temporary file beside `target`; it is removed when dropped.
fn create_temp(target: &Path, mode: u32) -> Result<NamedTempFile, ReplaceError> {
    /// A file is lost only if another run cleans up at the very moment; twice in a row is unheard of.
    const ATTEMPTS: usize = 16;
    let dir = folder(target);
    let name = target.file_name().unwrap_or_default();
    remove_stale(dir, name);
    for _ in 0..ATTEMPTS {
        let temp = tempfile::Builder::new()
            .prefix(&temp_prefix(name))
            .rand_bytes(TEMP_RANDOM)
            .permissions(Permissions::from_mode(mode))
            .tempfile_in(dir)
            .map_err(failed("create a temporary file in", dir))?;
        if claim(temp.as_file()).map_err(failed("lock", temp.path()))? {
            return Ok(temp);
        }
    }
    Err(failed("create a temporary file in", dir)(Errno::BUSY))
}

fn temp_prefix(name: &OsStr) -> OsString {
    let name = name.as_bytes();
    let name = &name[..name.len().min(TEMP_NAME_MAX)];
    OsString::from_vec([TEMP_PREFIX.as_bytes(), name, b"."].concat())
}

/// Locks a new temporary file. False if somebody has taken it for a stale one.
fn claim(file: &File) -> io::Result<bool> {
    match rustix::fs::flock(file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file.metadata()?.nlink() > 0),
        Err(Errno::WOULDBLOCK) => Ok(false),
        // No locks here (NFS without a lock server, for one), so nobody else can take it either.
        Err(Errno::NOLCK | Errno::NOTSUP | Errno::NOSYS | Errno::INVAL) => Ok(true),
        Err(error) => Err(error.into()),
    }
}

/// Removes temporary files for the target `name` in the folder `dir` that runs left behind when
/// they were killed. Returns how many. A file of a run that is still going on is never removed, and
/// what cannot be examined is left alone.
pub fn remove_stale(dir: &Path, name: &OsStr) -> usize {
    let prefix = temp_prefix(name);
    let is_temp = |name: &OsStr| {
        let random = name.as_bytes().strip_prefix(prefix.as_bytes());
        random.is_some_and(|random| {
            random.len() == TEMP_RANDOM && random.iter().all(u8::is_ascii_alphanumeric)
        })
    };
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries
        .filter(|entry| is_temp(&entry.file_name()))
        .filter(|entry| matches!(remove_if_stale(&entry.path()), Ok(true)))
        .count()
}

fn remove_if_stale(path: &Path) -> io::Result<bool> {
    // A pipe or a link of this name is not ours, and opening it could do harm.
    if !fs::symlink_metadata(path)?.is_file() {
        return Ok(false);
    }
    // Some file systems want write access for an exclusive lock.
    let file = OpenOptions::new().read(true).write(true).open(path)?;
    rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive)?;
    // Its run may have renamed it between the opening and the lock.
    let (ours, there) = (file.metadata()?, fs::symlink_metadata(path)?);
    if (ours.dev(), ours.ino()) != (there.dev(), there.ino()) {
        return Ok(false);
    }
    fs::remove_file(path)?;
    Ok(true)
}

fn sync(temp: &NamedTempFile, durability: Durability) -> Result<(), ReplaceError> {
    match durability {
        Durability::Disk => temp
            .as_file()
            .sync_all()
            .map_err(failed("write", temp.path())),
        Durability::Memory => Ok(()),
    }
}

/// Renames `temp` over `target`. The lock ends with the file, after the rename.
fn put_in_place(
    temp: NamedTempFile,
    target: &Path,
    durability: Durability,
) -> Result<(), ReplaceError> {
    let _locked = temp
        .persist(target)
        .map_err(|error| failed("replace", target)(error.error))?;
    if durability == Durability::Disk {
        // The new file is in place; a folder that cannot be synced is no reason to fail.
        let _ = File::open(folder(target)).and_then(|dir| dir.sync_all());
    }
    Ok(())
}

// ---------------------------------------------------------------------------------------------
// Attributes
// ---------------------------------------------------------------------------------------------

/// Gives the new file the owner, group, mode and extended attributes of the old one, in this order:
/// a change of the owner clears bits of the mode and capabilities, and an ACL is tied to the mode.
fn carry_over(target: &Path, old: &Metadata, temp: &NamedTempFile) -> Result<(), ReplaceError> {
    let file = temp.as_file();
    let new = file.metadata().map_err(failed("examine", temp.path()))?;
    let kept = keep_owner(file, old, &new).map_err(failed("set the owner of", temp.path()))?;
    let mode = allowed_mode(old.mode() & 0o7777, kept);
    file.set_permissions(Permissions::from_mode(mode))
        .map_err(failed("set the mode of", temp.path()))?;
    copy_attributes(target, file, kept).map_err(failed("copy the extended attributes of", target))
}

/// Which of the owner and the group the new file shares with the old one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Kept {
    owner: bool,
    group: bool,
}

fn keep_owner(file: &File, old: &Metadata, new: &Metadata) -> io::Result<Kept> {
    let change = |owner: Option<u32>, group: Option<u32>| match fchown(file, owner, group) {
        Ok(()) => Ok(true),
        // Not ours to give away, or an id that the user namespace does not know.
        Err(error)
            if matches!(
                Errno::from_io_error(&error),
                Some(Errno::PERM | Errno::INVAL)
            ) =>
        {
            Ok(false)
        }
        Err(error) => Err(error),
    };
    Ok(Kept {
        group: old.gid() == new.gid() || change(None, Some(old.gid()))?,
        owner: old.uid() == new.uid() || change(Some(old.uid()), None)?,
    })
}

/// The mode bits that do not give the rights of the old owner or group to somebody else.
fn allowed_mode(mode: u32, kept: Kept) -> u32 {
    const SET_USER_ID: u32 = 0o4000;
    const SET_GROUP_ID: u32 = 0o2000;
    const GROUP: u32 = 0o070;
    let mut allowed = mode;
    if !kept.owner {
        allowed &= !SET_USER_ID;
    }
    if !kept.group {
        let everybody = (mode & 0o007) << 3;
        allowed &= !SET_GROUP_ID & (!GROUP | everybody);
    }
    allowed
}

const ACL: &[u8] = b"system.posix_acl_access";
/// Sums over contents and inode, which no longer hold.
const CONTENT_SUMS: [&[u8]; 2] = [b"security.ima", b"security.evm"];

fn copy_attributes(from: &Path, to: &File, kept: Kept) -> io::Result<()> {
    let names = attribute_names(from)?;
    let names: Vec<_> = names
        .split(|byte| *byte == 0)
        .filter(|name| !name.is_empty())
        .collect();
    if !names.contains(&ACL) {
        // The folder may have given the new file one. Most files have none, hence no error.
        let _ = rustix::fs::fremovexattr(to, ACL);
    }
    for name in names
        .into_iter()
        .filter(|name| !CONTENT_SUMS.contains(name))
    {
        // An ACL has an entry for the group, which now is another.
        if name == ACL && !kept.group {
            continue;
        }
        let Some(value) = attribute(from, name)? else {
            continue;
        };
        match rustix::fs::fsetxattr(to, name, &value, XattrFlags::empty()) {
            // Labels and capabilities need rights that the owner of a file may lack; without them
            // the new file has what the system gives to new files.
            Err(Errno::PERM | Errno::ACCESS | Errno::NOTSUP) if !name.starts_with(b"user.") => {}
            result => result?,
        }
    }
    Ok(())
}

/// Names of the extended attributes, each followed by a zero byte; listxattr(2).
fn attribute_names(path: &Path) -> io::Result<Vec<u8>> {
    let names = read_whole(|buffer| rustix::fs::listxattr(path, buffer))?;
    Ok(names.unwrap_or_default())
}

/// Value of an extended attribute; `None` if it is gone or may not be read.
fn attribute(path: &Path, name: &[u8]) -> io::Result<Option<Vec<u8>>> {
    read_whole(|buffer| rustix::fs::getxattr(path, name, buffer))
}

/// Calls `read` with a buffer that holds the longest list and value there can be
/// (`XATTR_LIST_MAX`, `XATTR_SIZE_MAX`; xattr(7)).
fn read_whole(read: impl FnOnce(&mut [u8]) -> Result<usize, Errno>) -> io::Result<Option<Vec<u8>>> {
    let mut buffer = vec![0; 65536];
    match read(&mut buffer) {
        Ok(len) => {
            buffer.truncate(len);
            Ok(Some(buffer))
        }
        Err(Errno::NOTSUP | Errno::NODATA | Errno::PERM | Errno::ACCESS) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
