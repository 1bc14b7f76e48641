//! Puts a finished file into the place of another one, or of none, in one step.
//!
//! [`replacement`] and [`new_file`] have the caller write to a temporary file in the folder of the
//! target; [`Staged::commit`] renames that over the target, so that at any time there is either the
//! whole old file or the whole new one. On an error, and when the process is interrupted before the
//! rename, the old file is as it was. Several files that belong together are all written before the
//! first is renamed, so that a full disk leaves the old ones.
//!
//! Calls that a signal interrupts (`EINTR`, from file systems on a network or in user space) are made
//! again.
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
//!
//! Signals that can be caught leave none if whoever catches them calls [`abandon`].

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs::{self, File, Metadata, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::fs::{CWD, Dir, FlockOperation, Mode, OFlags, XattrFlags};
use rustix::io::{Errno, retry_on_intr};

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
        Ok(Self::from(&retry(|| file.metadata())?))
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
                write!(f, "`{}` is not a regular file: name a file to write with -o", path.display())
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
    move |source| ReplaceError::Io { doing, path, source: source.into() }
}

/// A file that is complete, beside its place. Dropped, it goes, and the place is as it was.
#[must_use]
#[derive(Debug)]
pub struct Staged {
    /// None for what was written to directly.
    new: Option<NewFile>,
}

#[derive(Debug)]
struct NewFile {
    temp: Temp,
    target: PathBuf,
    durability: Durability,
    /// What has to be there still.
    read: Option<Snapshot>,
}

impl Staged {
    /// Puts the file into its place.
    ///
    /// # Errors
    /// The old file was changed in the meantime ([`ReplaceError::Changed`]), or cannot be replaced; it is as it was.
    pub fn commit(self) -> Result<(), ReplaceError> {
        let Some(NewFile { temp, target, durability, read }) = self.new else { return Ok(()) };
        if let Some(read) = read {
            check_unchanged(&target, &read)?;
        }
        let _locked = temp.rename(&target).map_err(failed("replace", &target))?;
        if durability == Durability::Disk {
            // The new file is in place; a folder that cannot be synced is no reason to fail.
            let _ = File::open(folder(&target)).and_then(|dir| dir.sync_all());
        }
        Ok(())
    }
}

/// Writes what shall replace the regular file at `path`.
///
/// `read` is the state of the file when its old contents were read. If it is in another one before
/// the writing or just before the rename, nothing is changed ([`ReplaceError::Changed`]).
pub fn replacement(
    path: &Path,
    read: &Snapshot,
    durability: Durability,
    write: impl FnOnce(&mut File) -> io::Result<()>,
) -> Result<Staged, ReplaceError> {
    Replacement::begin(path, read)?.stage(durability, write)
}

/// A file that is to take the place of another: [`replacement`] in two steps, for those who can begin to write before they know
/// all of it. Nothing is left of one that is dropped.
#[derive(Debug)]
pub struct Replacement {
    /// The file to be replaced, links followed.
    target: PathBuf,
    read: Snapshot,
    temp: Temp,
}

impl Replacement {
    /// Creates the file, still empty; see [`replacement`].
    pub fn begin(path: &Path, read: &Snapshot) -> Result<Replacement, ReplaceError> {
        let target = retry(|| fs::canonicalize(path)).map_err(failed("find", path))?;
        check_unchanged(&target, read)?;
        let temp = create_temp(&target, PRIVATE_MODE)?;
        Ok(Replacement { target, read: *read, temp })
    }

    /// What will be the new file.
    pub fn file(&mut self) -> &mut File {
        &mut self.temp.file
    }

    /// Has `write` write the rest.
    pub fn stage(
        mut self,
        durability: Durability,
        write: impl FnOnce(&mut File) -> io::Result<()>,
    ) -> Result<Staged, ReplaceError> {
        write(&mut self.temp.file).map_err(failed("write", &self.target))?;
        let old = check_unchanged(&self.target, &self.read)?;
        carry_over(&self.target, &old, &self.temp)?;
        sync(&self.temp, durability)?;
        let Replacement { target, read, temp } = self;
        Ok(Staged { new: Some(NewFile { temp, target, durability, read: Some(read) }) })
    }
}

/// Writes what shall be the file at `path`, which may exist.
///
/// A new file has mode 0666 less the umask; an existing regular one is replaced and keeps its
/// attributes like in [`replacement`]. Anything else (a device, a pipe, the standard output as
/// `/dev/stdout`) is written to directly and at once, so that an error may leave part of the output there.
pub fn new_file(
    path: &Path,
    durability: Durability,
    write: impl FnOnce(&mut File) -> io::Result<()>,
) -> Result<Staged, ReplaceError> {
    if let Some(mut file) = open_direct(path)? {
        return write(&mut file).map(|()| Staged { new: None }).map_err(failed("write", path));
    }
    let target = follow_links(path).map_err(failed("find", path))?;
    let old = match retry(|| fs::metadata(&target)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        result => Some(result.map_err(failed("examine", &target))?),
    };
    let mode = if old.is_some() { PRIVATE_MODE } else { NEW_FILE_MODE };
    let mut temp = create_temp(&target, mode)?;
    write(&mut temp.file).map_err(failed("write", &target))?;
    if let Some(old) = &old {
        carry_over(&target, old, &temp)?;
    }
    sync(&temp, durability)?;
    Ok(Staged { new: Some(NewFile { temp, target, durability, read: None }) })
}

/// [`new_file`] for one that has no others to wait for.
pub fn write_new_file(
    path: &Path,
    durability: Durability,
    write: impl FnOnce(&mut File) -> io::Result<()>,
) -> Result<(), ReplaceError> {
    new_file(path, durability, write)?.commit()
}

/// The state of a file that has to be the regular one that was read.
fn check_unchanged(target: &Path, read: &Snapshot) -> Result<Metadata, ReplaceError> {
    match retry(|| fs::metadata(target)).map_err(failed("examine", target))? {
        metadata if !metadata.is_file() => Err(ReplaceError::NotRegular { path: target.to_owned() }),
        metadata if Snapshot::from(&metadata) != *read => Err(ReplaceError::Changed { path: target.to_owned() }),
        metadata => Ok(metadata),
    }
}

/// Calls again what a signal interrupted.
pub(crate) fn retry<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
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
        Some("/dev/stderr" | "/dev/fd/2" | "/proc/self/fd/2") => Some(io::stderr().as_fd().try_clone_to_owned()),
        _ => None,
    };
    if let Some(stream) = stream {
        return stream.map(|fd| Some(File::from(fd))).map_err(failed("open", path));
    }
    match retry(|| fs::metadata(path)) {
        Ok(metadata) if !metadata.is_file() => {
            OpenOptions::new().write(true).open(path).map(Some).map_err(failed("open", path))
        }
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
        match retry(|| fs::canonicalize(&path)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            result => return result,
        }
        match retry(|| fs::read_link(&path)) {
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

/// The temporary files of this process. Locked while one is created, renamed or removed, so that [`abandon`] misses none.
static TEMPORARY: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

fn temporary() -> MutexGuard<'static, BTreeSet<PathBuf>> {
    TEMPORARY.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Removes the temporary files of this process, for one that is about to end: threads that still write wait forever in their next
/// step.
pub fn abandon() {
    let all = temporary();
    for path in &*all {
        // Nobody is left to tell.
        let _ = fs::remove_file(path);
    }
    std::mem::forget(all);
}

/// A temporary file, removed when dropped.
#[derive(Debug)]
struct Temp {
    file: File,
    path: PathBuf,
}

impl Temp {
    /// Gives it another name, in the place of what has that name; returns it, so that its lock lasts longer than its old name.
    fn rename(self, target: &Path) -> io::Result<impl Sized> {
        let mut all = temporary();
        retry(|| fs::rename(&self.path, target))?;
        all.remove(&self.path);
        drop(all);
        Ok(self)
    }
}

impl Drop for Temp {
    fn drop(&mut self) {
        let mut all = temporary();
        // Not if it was renamed.
        if all.remove(&self.path) {
            // It is not in the way; the next run tries again.
            let _ = retry(|| fs::remove_file(&self.path));
        }
    }
}

/// Creates and locks a temporary file beside `target`.
fn create_temp(target: &Path, mode: u32) -> Result<Temp, ReplaceError> {
    /// A file is lost only if another run cleans up at the very moment; twice in a row is unheard of.
    const ATTEMPTS: usize = 16;
    let dir = folder(target);
    let name = target.file_name().unwrap_or_default();
    remove_stale_among(&leftovers(dir), dir, name);
    for _ in 0..ATTEMPTS {
        // The operating system's error is kept apart, since tempfile adds the random name, which tells nobody anything.
        let mut cause = None;
        let open = |path: &Path| {
            let options = OpenOptions::new().read(true).write(true).create_new(true).mode(mode).open(path);
            options.inspect_err(|e| cause = e.raw_os_error())
        };
        let mut all = temporary();
        let (file, path) = tempfile::Builder::new()
            .prefix(&temp_prefix(name))
            .rand_bytes(TEMP_RANDOM)
            .disable_cleanup(true)
            .make_in(dir, open)
            .map_err(|e| cause.map_or(e, io::Error::from_raw_os_error))
            .map_err(failed("create a temporary file in", dir))?
            .into_parts();
        let temp = Temp { file, path: path.to_path_buf() };
        all.insert(temp.path.clone());
        drop(all);
        if claim(&temp.file).map_err(failed("lock", &temp.path))? {
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
    match retry_on_intr(|| rustix::fs::flock(file, FlockOperation::NonBlockingLockExclusive)) {
        Ok(()) => Ok(retry(|| file.metadata())?.nlink() > 0),
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
    remove_stale_among(&temporaries(dir), dir, name)
}

fn remove_stale_among(temporaries: &[OsString], dir: &Path, name: &OsStr) -> usize {
    let prefix = temp_prefix(name);
    let is_temp = |name: &&OsString| {
        let random = name.as_bytes().strip_prefix(prefix.as_bytes());
        random.is_some_and(|random| random.len() == TEMP_RANDOM && random.iter().all(u8::is_ascii_alphanumeric))
    };
    let of_target = temporaries.iter().filter(is_temp);
    of_target.filter(|temp| matches!(remove_if_stale(&dir.join(temp)), Ok(true))).count()
}

/// The names in a folder that a temporary file of some target could have.
fn temporaries(dir: &Path) -> Vec<OsString> {
    // Not `fs::read_dir`, which panics if the folder cannot be closed.
    let entries = rustix::fs::openat(CWD, dir, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty());
    let entries = entries.and_then(Dir::new).into_iter().flatten().flatten();
    let names = entries.map(|entry| OsStr::from_bytes(entry.file_name().to_bytes()).to_owned());
    names.filter(|name| name.as_bytes().starts_with(TEMP_PREFIX.as_bytes())).collect()
}

/// [`temporaries`] as they were when this process first wrote into the folder: what others leave behind later is for the next
/// run, and many files in one folder must not list it once each.
fn leftovers(dir: &Path) -> Arc<Vec<OsString>> {
    static FOLDERS: Mutex<BTreeMap<PathBuf, Arc<Vec<OsString>>>> = Mutex::new(BTreeMap::new());
    let mut folders = FOLDERS.lock().unwrap_or_else(PoisonError::into_inner);
    Arc::clone(folders.entry(dir.to_owned()).or_insert_with(|| Arc::new(temporaries(dir))))
}

fn remove_if_stale(path: &Path) -> io::Result<bool> {
    // A pipe or a link of this name is not ours, and opening it could do harm.
    if !fs::symlink_metadata(path)?.is_file() {
        return Ok(false);
    }
    // Some file systems want write access for an exclusive lock. Neither does what another put there just now.
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits() as i32;
    let file = OpenOptions::new().read(true).write(true).custom_flags(flags).open(path)?;
    rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive)?;
    // Its run may have renamed it between the opening and the lock.
    let (ours, there) = (file.metadata()?, fs::symlink_metadata(path)?);
    if (ours.dev(), ours.ino()) != (there.dev(), there.ino()) {
        return Ok(false);
    }
    fs::remove_file(path)?;
    Ok(true)
}

fn sync(temp: &Temp, durability: Durability) -> Result<(), ReplaceError> {
    if durability == Durability::Disk || writes_late(&temp.file) {
        // It returns the errors of earlier writes, too.
        temp.file.sync_all().map_err(failed("write", &temp.path))?;
    }
    Ok(())
}

/// Whether the file system may take bytes that it has no room for, and tell only when they are synced: those on a network do, and
/// those in user space may be such.
fn writes_late(file: &File) -> bool {
    /// NFS, SMB (three numbers), Ceph, 9P, AFS, FUSE; magic.h of Linux.
    const LATE: [u32; 8] =
        [0x6969, 0x517b, 0xff53_4d42, 0xfe53_4d42, 0x00c3_6400, 0x0102_1997, 0x5346_414f, 0x6573_5546];
    // The type is a signed word on some machines.
    rustix::fs::fstatfs(file).is_ok_and(|system| LATE.contains(&(system.f_type as u32)))
}

// ---------------------------------------------------------------------------------------------
// Attributes
// ---------------------------------------------------------------------------------------------

/// Gives the new file the owner, group, mode and extended attributes of the old one, in this order:
/// a change of the owner clears bits of the mode and capabilities, and an ACL is tied to the mode.
fn carry_over(target: &Path, old: &Metadata, temp: &Temp) -> Result<(), ReplaceError> {
    let file = &temp.file;
    let new = retry(|| file.metadata()).map_err(failed("examine", &temp.path))?;
    let kept = keep_owner(file, old, &new).map_err(failed("set the owner of", &temp.path))?;
    let mode = allowed_mode(old.mode() & 0o7777, kept);
    file.set_permissions(Permissions::from_mode(mode)).map_err(failed("set the mode of", &temp.path))?;
    copy_attributes(target, file, kept).map_err(failed("copy the extended attributes of", target))
}

/// Which of the owner and the group the new file shares with the old one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Kept {
    owner: bool,
    group: bool,
}

fn keep_owner(file: &File, old: &Metadata, new: &Metadata) -> io::Result<Kept> {
    let change = |owner: Option<u32>, group: Option<u32>| match retry(|| fchown(file, owner, group)) {
        Ok(()) => Ok(true),
        // Not ours to give away, or an id that the user namespace does not know.
        Err(error) if matches!(Errno::from_io_error(&error), Some(Errno::PERM | Errno::INVAL)) => Ok(false),
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
    let names: Vec<_> = names.split(|byte| *byte == 0).filter(|name| !name.is_empty()).collect();
    if !names.contains(&ACL) {
        // The folder may have given the new file one. Most files have none, hence no error.
        let _ = retry_on_intr(|| rustix::fs::fremovexattr(to, ACL));
    }
    for name in names.into_iter().filter(|name| !CONTENT_SUMS.contains(name)) {
        // An ACL has an entry for the group, which now is another.
        if name == ACL && !kept.group {
            continue;
        }
        let Some(value) = attribute(from, name)? else {
            continue;
        };
        match retry_on_intr(|| rustix::fs::fsetxattr(to, name, &value, XattrFlags::empty())) {
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
fn read_whole(mut read: impl FnMut(&mut [u8]) -> Result<usize, Errno>) -> io::Result<Option<Vec<u8>>> {
    let mut buffer = vec![0; 65536];
    match retry_on_intr(|| read(&mut buffer)) {
        Ok(len) => {
            buffer.truncate(len);
            Ok(Some(buffer))
        }
        Err(Errno::NOTSUP | Errno::NODATA | Errno::PERM | Errno::ACCESS) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::io::{Read, Seek, SeekFrom};
    use std::os::unix::fs::symlink;
    use std::process::{Command, Stdio};

    use tempfile::TempDir;

    use super::*;

    /// A folder with a file `target` in it that says `old`.
    fn folder_with_target() -> (TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("target");
        fs::write(&target, "old").unwrap();
        (dir, target)
    }

    fn snapshot(path: &Path) -> Snapshot {
        Snapshot::of(&File::open(path).unwrap()).unwrap()
    }

    fn replace_file(
        path: &Path,
        read: &Snapshot,
        durability: Durability,
        write: impl FnOnce(&mut File) -> io::Result<()>,
    ) -> Result<(), ReplaceError> {
        replacement(path, read, durability, write)?.commit()
    }

    fn replace(path: &Path) -> Result<(), ReplaceError> {
        replace_file(path, &snapshot(path), Durability::Disk, |file| file.write_all(b"new"))
    }

    fn names(dir: &Path) -> BTreeSet<String> {
        let entries = fs::read_dir(dir).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    fn mode(path: &Path) -> u32 {
        fs::symlink_metadata(path).unwrap().mode() & 0o7777
    }

    fn is_root() -> bool {
        fs::metadata("/proc/self").is_ok_and(|metadata| metadata.uid() == 0)
    }

    #[test]
    fn replaces_contents_and_leaves_nothing_else() {
        for durability in [Durability::Disk, Durability::Memory] {
            let (dir, target) = folder_with_target();
            let before = snapshot(&target);
            replace_file(&target, &before, durability, |file| file.write_all(b"new")).unwrap();
            assert_eq!(fs::read(&target).unwrap(), b"new");
            assert_eq!(names(dir.path()), BTreeSet::from(["target".to_owned()]));
            assert_ne!(snapshot(&target), before);
        }
    }

    #[test]
    fn what_was_begun_shows_when_it_is_finished() {
        let (dir, target) = folder_with_target();
        let begin = || {
            let mut new = Replacement::begin(&target, &snapshot(&target)).unwrap();
            new.file().write_all(b"n").unwrap();
            new
        };
        drop(begin());
        assert_eq!(names(dir.path()), BTreeSet::from(["target".to_owned()]));
        begin().stage(Durability::Memory, |file| file.write_all(b"ew")).and_then(Staged::commit).unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"new");
        let new = begin();
        fs::write(&target, "somebody else's").unwrap();
        let error = new.stage(Durability::Memory, |file| file.write_all(b"ew")).unwrap_err();
        assert!(matches!(error, ReplaceError::Changed { .. }));
        assert_eq!(fs::read(&target).unwrap(), b"somebody else's");
        assert_eq!(names(dir.path()), BTreeSet::from(["target".to_owned()]));
    }

    #[test]
    fn links_stay_and_their_target_is_replaced() {
        let (dir, target) = folder_with_target();
        fs::create_dir(dir.path().join("sub")).unwrap();
        let (first, second) = (dir.path().join("sub/first"), dir.path().join("second"));
        symlink("../target", &first).unwrap();
        symlink("sub/first", &second).unwrap();
        replace(&second).unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"new");
        assert_eq!(fs::read_link(&first).unwrap(), Path::new("../target"));
        assert_eq!(fs::read_link(&second).unwrap(), Path::new("sub/first"));
        write_new_file(&second, Durability::Disk, |file| file.write_all(b"newer")).unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"newer");
        assert!(fs::symlink_metadata(&second).unwrap().is_symlink());
    }

    #[test]
    fn other_names_of_a_hard_link_keep_the_old_contents() {
        let (dir, target) = folder_with_target();
        let other = dir.path().join("other");
        fs::hard_link(&target, &other).unwrap();
        replace(&target).unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"new");
        assert_eq!(fs::read(&other).unwrap(), b"old");
    }

    #[test]
    fn mode_owner_and_attributes_are_kept() {
        let (_dir, target) = folder_with_target();
        for bits in [0o644, 0o400, 0o755, 0o4755, 0o2711] {
            fs::set_permissions(&target, Permissions::from_mode(bits)).unwrap();
            replace(&target).unwrap();
            assert_eq!(mode(&target), bits);
        }
        if is_root() {
            std::os::unix::fs::chown(&target, Some(1234), Some(2345)).unwrap();
            fs::set_permissions(&target, Permissions::from_mode(0o4750)).unwrap();
            replace(&target).unwrap();
            let metadata = fs::metadata(&target).unwrap();
            assert_eq!((metadata.uid(), metadata.gid(), mode(&target)), (1234, 2345, 0o4750));
        }
    }

    #[test]
    fn extended_attributes_are_kept() {
        let (_dir, target) = folder_with_target();
        let set = |name: &str, value: &[u8]| rustix::fs::setxattr(&target, name, value, XattrFlags::empty());
        let long = vec![b'x'; 2000];
        if set("user.comment", b"kept").is_err() {
            eprintln!("skipped: no extended attributes here");
            return;
        }
        set("user.empty", b"").unwrap();
        set("user.long", &long).unwrap();
        // u::rw-, u:1234:r--, g::r--, m::r--, o::---; the layout of acl(5) entries in the kernel.
        let entries = [(1, 6, u32::MAX), (2, 4, 1234), (4, 4, u32::MAX), (0x10, 4, u32::MAX), (0x20, 0, u32::MAX)];
        let mut acl = 2u32.to_le_bytes().to_vec();
        for (tag, bits, id) in entries {
            acl.extend_from_slice(&u16::to_le_bytes(tag));
            acl.extend_from_slice(&u16::to_le_bytes(bits));
            acl.extend_from_slice(&u32::to_le_bytes(id));
        }
        let has_acl = set("system.posix_acl_access", &acl).is_ok();
        // Only root may set it, and no kernel without IMA appraisal minds.
        let has_sum = set("security.ima", &[1, 2, 3]).is_ok();
        let bits = mode(&target);
        replace(&target).unwrap();
        let value = |name: &[u8]| attribute(&target, name).unwrap();
        assert_eq!(value(b"user.comment"), Some(b"kept".to_vec()));
        assert_eq!(value(b"user.empty"), Some(Vec::new()));
        assert_eq!(value(b"user.long"), Some(long));
        if has_acl {
            assert_eq!(value(ACL), Some(acl));
        }
        if has_sum {
            assert_eq!(value(b"security.ima"), None);
        }
        assert_eq!(mode(&target), bits);
    }

    #[test]
    fn an_acl_that_the_folder_gives_is_not_kept() {
        let (dir, target) = folder_with_target();
        let set = Command::new("setfacl").args(["-d", "-m", "u:1234:rwx"]).arg(dir.path()).status();
        if !set.is_ok_and(|status| status.success()) {
            eprintln!("skipped: no setfacl");
            return;
        }
        replace(&target).unwrap();
        assert_eq!(attribute(&target, ACL).unwrap(), None);
        assert_eq!(mode(&target), 0o644);
    }

    #[test]
    fn rights_of_a_lost_owner_or_group_are_dropped() {
        let kept = |owner, group| Kept { owner, group };
        assert_eq!(allowed_mode(0o6775, kept(true, true)), 0o6775);
        assert_eq!(allowed_mode(0o6775, kept(false, true)), 0o2775);
        assert_eq!(allowed_mode(0o6775, kept(true, false)), 0o4755);
        assert_eq!(allowed_mode(0o6660, kept(false, false)), 0o0600);
    }

    #[test]
    fn a_file_that_changed_in_the_meantime_is_left_alone() {
        let (dir, target) = folder_with_target();
        let before = snapshot(&target);
        let change = |_: &mut File| fs::write(&target, "changed by another");
        let error = replace_file(&target, &before, Durability::Disk, change).unwrap_err();
        let text = format!(
            "`{}` was changed while it was read, so it was left alone: run again when nothing else writes it",
            fs::canonicalize(&target).unwrap().display()
        );
        assert_eq!(error.to_string(), text);
        assert_eq!(fs::read(&target).unwrap(), b"changed by another");
        // Before the writing too, and when another file took the place.
        let error = replace_file(&target, &before, Durability::Disk, |_| panic!("must not run")).unwrap_err();
        assert!(matches!(error, ReplaceError::Changed { .. }));
        let before = snapshot(&target);
        let swap = |_: &mut File| {
            let other = dir.path().join("other");
            fs::copy(&target, &other)?;
            fs::rename(&other, &target)
        };
        let error = replace_file(&target, &before, Durability::Disk, swap).unwrap_err();
        assert!(matches!(error, ReplaceError::Changed { .. }));
        assert_eq!(names(dir.path()), BTreeSet::from(["target".to_owned()]));
    }

    #[test]
    fn an_error_while_writing_leaves_the_old_file() {
        let (dir, target) = folder_with_target();
        let write = |file: &mut File| {
            file.write_all(b"half")?;
            Err(io::Error::from(Errno::NOSPC))
        };
        let error = replace_file(&target, &snapshot(&target), Durability::Disk, write).unwrap_err();
        assert!(error.to_string().starts_with("cannot write `/"), "{error}");
        let source = std::error::Error::source(&error).unwrap();
        assert_eq!(source.to_string(), "No space left on device (os error 28)");
        assert_eq!(fs::read(&target).unwrap(), b"old");
        assert_eq!(names(dir.path()), BTreeSet::from(["target".to_owned()]));
        assert!(write_new_file(&dir.path().join("fresh"), Durability::Disk, write).is_err());
        assert_eq!(names(dir.path()), BTreeSet::from(["target".to_owned()]));
    }

    #[test]
    fn what_is_not_put_into_place_leaves_nothing() {
        let (dir, target) = folder_with_target();
        let write = |file: &mut File| file.write_all(b"new");
        let first = new_file(&dir.path().join("first"), Durability::Memory, write).unwrap();
        let second = replacement(&target, &snapshot(&target), Durability::Memory, write).unwrap();
        assert_eq!(names(dir.path()).len(), 3);
        assert_eq!(temporary().iter().filter(|path| path.starts_with(dir.path())).count(), 2);
        drop(second);
        first.commit().unwrap();
        assert_eq!(names(dir.path()), BTreeSet::from(["first".to_owned(), "target".to_owned()]));
        assert_eq!(fs::read(&target).unwrap(), b"old");
        // Changed when it was written, but not in its place yet.
        let staged = replacement(&target, &snapshot(&target), Durability::Memory, write).unwrap();
        fs::write(&target, "changed by another").unwrap();
        assert!(matches!(staged.commit().unwrap_err(), ReplaceError::Changed { .. }));
        assert_eq!(fs::read(&target).unwrap(), b"changed by another");
        assert_eq!(names(dir.path()).len(), 2);
        assert!(temporary().iter().all(|path| !path.starts_with(dir.path())));
    }

    #[test]
    fn interrupted_calls_are_made_again() {
        let mut left = 3;
        let call = || {
            left -= 1;
            if left > 0 { Err(io::Error::from(Errno::INTR)) } else { Ok(left) }
        };
        assert_eq!(retry(call).unwrap(), 0);
        assert!(retry(|| Err::<(), _>(io::Error::from(Errno::IO))).is_err());
    }

    #[test]
    fn what_is_not_there_or_no_file_is_refused() {
        let (dir, target) = folder_with_target();
        let before = snapshot(&target);
        let missing = dir.path().join("missing");
        let error = replace_file(&missing, &before, Durability::Disk, |_| Ok(())).unwrap_err();
        assert_eq!(error.to_string(), format!("cannot find `{}`", missing.display()));
        let error = replace_file(dir.path(), &before, Durability::Disk, |_| Ok(())).unwrap_err();
        assert!(matches!(error, ReplaceError::NotRegular { .. }));
        let error = write_new_file(&missing.join("file"), Durability::Disk, |_| Ok(())).unwrap_err();
        assert_eq!(error.to_string(), format!("cannot create a temporary file in `{}`", missing.display()));
    }

    #[test]
    fn a_folder_without_write_permission_is_an_error() {
        let (dir, target) = folder_with_target();
        if is_root() {
            // Root writes everywhere but in file systems that have no such operation.
            let error = write_new_file(Path::new("/sys/btfgen-test"), Durability::Disk, |_| Ok(())).unwrap_err();
            assert_eq!(error.to_string(), "cannot create a temporary file in `/sys`");
            return;
        }
        fs::set_permissions(dir.path(), Permissions::from_mode(0o555)).unwrap();
        let error = replace(&target).unwrap_err();
        assert!(error.to_string().starts_with("cannot create a temporary file in `"), "{error}");
        fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"old");
    }

    #[test]
    fn a_new_file_has_the_usual_mode_and_an_existing_one_keeps_its_own() {
        let (dir, target) = folder_with_target();
        let (usual, new) = (dir.path().join("usual"), dir.path().join("new"));
        File::create(&usual).unwrap();
        let write = |file: &mut File| file.write_all(b"new");
        write_new_file(&new, Durability::Disk, write).unwrap();
        assert_eq!(mode(&new), mode(&usual));
        fs::set_permissions(&target, Permissions::from_mode(0o751)).unwrap();
        write_new_file(&target, Durability::Memory, write).unwrap();
        assert_eq!((mode(&target), fs::read(&target).unwrap()), (0o751, b"new".to_vec()));
        let dangling = dir.path().join("dangling");
        symlink("created", &dangling).unwrap();
        write_new_file(&dangling, Durability::Disk, write).unwrap();
        assert_eq!(fs::read(dir.path().join("created")).unwrap(), b"new");
        let ring = dir.path().join("ring");
        symlink("ring", &ring).unwrap();
        assert!(write_new_file(&ring, Durability::Disk, write).is_err());
    }

    #[test]
    fn long_names_are_possible() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("x".repeat(255));
        fs::write(&target, "old").unwrap();
        replace(&target).unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"new");
    }

    #[test]
    fn devices_and_pipes_are_written_to() {
        let write = |file: &mut File| file.write_all(b"data");
        write_new_file(Path::new("/dev/null"), Durability::Disk, write).unwrap();
        assert!(!fs::metadata("/dev/null").unwrap().is_file());
        let error = write_new_file(Path::new("/dev/full"), Durability::Disk, write).unwrap_err();
        assert_eq!(error.to_string(), "cannot write `/dev/full`");
        let dir = tempfile::tempdir().unwrap();
        let pipe = dir.path().join("pipe");
        assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let reader = Command::new("cat").arg(&pipe).stdout(Stdio::piped()).spawn().unwrap();
        write_new_file(&pipe, Durability::Disk, write).unwrap();
        assert_eq!(reader.wait_with_output().unwrap().stdout, b"data");
        assert_eq!(names(dir.path()), BTreeSet::from(["pipe".to_owned()]));
    }

    #[test]
    fn stale_files_go_and_others_stay() {
        let (dir, target) = folder_with_target();
        let keep = [".btfgen-target.abc", ".btfgen-target.x.abcdef", ".btfgen-other.abcdef", "target.abcdef"];
        for name in keep.iter().chain(&[".btfgen-target.abcdef", ".btfgen-target.ABC123"]) {
            fs::write(dir.path().join(name), "left behind").unwrap();
        }
        let mut expected = BTreeSet::from(keep.map(str::to_owned));
        expected.insert("target".to_owned());
        assert_eq!(remove_stale(dir.path(), OsStr::new("target")), 2);
        assert_eq!(names(dir.path()), expected);
        fs::write(dir.path().join(".btfgen-target.zzzzzz"), "left behind").unwrap();
        replace(&target).unwrap();
        assert_eq!(names(dir.path()), expected);
        fs::create_dir(dir.path().join(".btfgen-target.folder")).unwrap();
        symlink("target", dir.path().join(".btfgen-target.alinkk")).unwrap();
        assert_eq!(remove_stale(dir.path(), OsStr::new("target")), 0);
        assert_eq!(remove_stale(&dir.path().join("missing"), OsStr::new("target")), 0);
    }

    #[test]
    fn the_file_of_a_running_process_is_not_stale() {
        let (dir, target) = folder_with_target();
        let dir = dir.path();
        let write = |file: &mut File| {
            assert_eq!(names(dir).len(), 2);
            assert_eq!(remove_stale(dir, OsStr::new("target")), 0);
            // Another run in between: ours then finds that the file has changed.
            write_new_file(&target, Durability::Memory, |file| file.write_all(b"other"))
                .map_err(|error| io::Error::other(error.to_string()))?;
            assert_eq!(names(dir).len(), 2);
            file.write_all(b"ours")
        };
        let error = replace_file(&target, &snapshot(&target), Durability::Memory, write).unwrap_err();
        assert!(matches!(error, ReplaceError::Changed { .. }));
        assert_eq!(fs::read(&target).unwrap(), b"other");
    }

    #[test]
    fn many_writers_at_once_each_succeed() {
        let (dir, target) = folder_with_target();
        std::thread::scope(|scope| {
            for thread in 0..8u8 {
                let target = &target;
                scope.spawn(move || {
                    for _ in 0..50 {
                        let contents = vec![thread; 5000];
                        write_new_file(target, Durability::Memory, |file| file.write_all(&contents)).unwrap();
                        let seen = fs::read(target).unwrap();
                        assert_eq!(seen.len(), 5000);
                        assert!(seen.iter().all(|byte| *byte == seen[0]));
                    }
                });
            }
        });
        assert_eq!(names(dir.path()), BTreeSet::from(["target".to_owned()]));
    }

    #[test]
    fn the_writer_gets_an_empty_file_it_can_read_back() {
        let (_dir, target) = folder_with_target();
        let write = |file: &mut File| {
            file.write_all(b"abc")?;
            file.seek(SeekFrom::Start(0))?;
            let mut text = String::new();
            file.read_to_string(&mut text)?;
            assert_eq!(text, "abc");
            Ok(())
        };
        replace_file(&target, &snapshot(&target), Durability::Disk, write).unwrap();
    }
}
