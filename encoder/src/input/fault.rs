//! Reading a mapped file that somebody cuts short meanwhile, or whose disk fails, raises SIGBUS, which would end the process: all
//! other files of the run would be lost, temporary files and tokens of a job server left behind.
//!
//! So the handler puts zero pages into the place of what cannot be read any more, and notes that it did. Reading goes on, over
//! bytes that make no sense, which every parser here is made for; whoever holds the map asks [`Watched::is_broken`] before
//! anything comes of it. A SIGBUS of another origin takes the way that it would have taken without this.
//!
//! This costs a system call per process and nothing per page. The other ways cost more: to read a module of 96 MB instead of mapping
//! it takes as long as a quarter of its encoding, and nothing that was read could be given back.

use std::ffi::{c_int, c_void};
use std::mem::MaybeUninit;
use std::ops::Range;
use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize};

/// Watches over a range of addresses as long as it lives.
#[derive(Debug)]
pub(super) struct Watched(&'static Slot);

/// A range that is watched, or a place for one. Slots are never freed, since the handler may look at any of them at any time: there are
/// as many as files were mapped at once. All accesses are sequentially consistent; none is in a hot path.
#[derive(Debug)]
struct Slot {
    taken: AtomicBool,
    /// Grows by one when the watch begins and when it ends: even while it lasts.
    changes: AtomicUsize,
    /// First address, a page's.
    start: AtomicUsize,
    /// Bytes.
    len: AtomicUsize,
    broken: AtomicBool,
    next: *const Slot,
}

// SAFETY: `next` is not changed after the slot became visible to others, and points to a slot that is never freed.
unsafe impl Sync for Slot {}

impl Slot {
    /// The addresses that are watched; none if that changes at this moment.
    fn range(&self) -> Option<Range<usize>> {
        let changes = self.changes.load(SeqCst);
        let start = self.start.load(SeqCst);
        let range = start..start + self.len.load(SeqCst);
        (changes % 2 == 0 && self.changes.load(SeqCst) == changes).then_some(range)
    }
}

/// The latest slot; the others follow it.
static SLOTS: AtomicPtr<Slot> = AtomicPtr::new(ptr::null_mut());

/// What is to be known in the handler: what SIGBUS did before, and the bytes of a page.
struct Before {
    action: libc::sigaction,
    page: usize,
}

static BEFORE: OnceLock<Before> = OnceLock::new();

impl Watched {
    /// Begins to watch over a map of a file. To be dropped before the map is.
    pub(super) fn new(map: &[u8]) -> Watched {
        BEFORE.get_or_init(install);
        let slot = free_slot();
        slot.broken.store(false, SeqCst);
        slot.start.store(map.as_ptr().addr(), SeqCst);
        slot.len.store(map.len(), SeqCst);
        slot.changes.fetch_add(1, SeqCst);
        Watched(slot)
    }

    /// Whether some of the file could not be read, so that zeros were seen instead.
    pub(super) fn is_broken(&self) -> bool {
        self.0.broken.load(SeqCst)
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.0.changes.fetch_add(1, SeqCst);
        self.0.taken.store(false, SeqCst);
    }
}

/// The slots, the latest first.
fn slots() -> impl Iterator<Item = &'static Slot> {
    // SAFETY: What becomes visible here was leaked, so it lives as long as the process, and is only ever shared.
    let at = |slot: *const Slot| unsafe { slot.as_ref() };
    std::iter::successors(at(SLOTS.load(SeqCst)), move |slot| at(slot.next))
}

fn free_slot() -> &'static Slot {
    if let Some(slot) = slots().find(|slot| !slot.taken.swap(true, SeqCst)) {
        return slot;
    }
    let mut slot = Box::new(Slot {
        taken: AtomicBool::new(true),
        changes: AtomicUsize::new(1),
        start: AtomicUsize::new(0),
        len: AtomicUsize::new(0),
        broken: AtomicBool::new(false),
        next: ptr::null(),
    });
    let mut first = SLOTS.load(SeqCst);
    loop {
        slot.next = first;
        let new = Box::into_raw(slot);
        match SLOTS.compare_exchange(first, new, SeqCst, SeqCst) {
            // SAFETY: It is from a box that was given up just now, and from here on only shared.
            Ok(_) => return unsafe { &*new },
            Err(other) => {
                first = other;
                // SAFETY: The same box, which nobody else has seen.
                slot = unsafe { Box::from_raw(new) };
            }
        }
    }
}

fn install() -> Before {
    // SAFETY: The handler has the signature that SA_SIGINFO asks for and calls only what may be called in a handler; both structures
    // are written to by the calls, and all zeros are valid values of theirs. If this fails, SIGBUS does what it did before.
    unsafe {
        let mut action: libc::sigaction = MaybeUninit::zeroed().assume_init();
        let mut before: libc::sigaction = MaybeUninit::zeroed().assume_init();
        libc::sigaction(libc::SIGBUS, ptr::null(), &mut before);
        action.sa_sigaction = on_bus_error as *const () as usize;
        // On the stack for signals that Rust gives to each thread, like its own handler, which is called for what is not ours.
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_RESTART;
        let page = usize::try_from(libc::sysconf(libc::_SC_PAGESIZE)).unwrap_or(4096);
        libc::sigaction(libc::SIGBUS, &action, ptr::null_mut());
        Before { action: before, page }
    }
}

/// Runs in the middle of anything: no memory is allocated, nothing locked.
extern "C" fn on_bus_error(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    // SAFETY: The kernel hands over a valid siginfo_t; with a positive code the signal is from the kernel, which sets the address.
    let fault = unsafe { ((*info).si_code > 0).then(|| (*info).si_addr().addr()) };
    // Without it the handler was called in the middle of being installed, by a fault in what is not watched yet.
    let before = BEFORE.get();
    if fault.zip(before).is_some_and(|(address, before)| put_zeros(address, before.page)) {
        return;
    }
    // SAFETY: The earlier handler gets what it would have got. Without one, the default action is restored: the access is done again
    // when this returns, or the signal sent once more, and the process ends.
    unsafe {
        match before.map(|before| before.action) {
            Some(old) if old.sa_sigaction == libc::SIG_IGN && fault.is_none() => {}
            Some(old) if old.sa_flags & libc::SA_SIGINFO != 0 && old.sa_sigaction > libc::SIG_IGN => {
                type Handler = extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void);
                std::mem::transmute::<usize, Handler>(old.sa_sigaction)(signal, info, context);
            }
            _ => {
                let default: libc::sigaction = MaybeUninit::zeroed().assume_init();
                libc::sigaction(signal, &default, ptr::null_mut());
                if fault.is_none() {
                    libc::raise(signal);
                }
            }
        }
    }
}

/// Puts zero pages behind a watched address, up to the end of its map. False if it is not watched, or that is not possible.
fn put_zeros(address: usize, page: usize) -> bool {
    let watched =
        |slot: &'static Slot| slot.range().filter(|range| range.contains(&address)).map(|range| (slot, range));
    let Some((slot, range)) = slots().find_map(watched) else { return false };
    let first = range.start + (address - range.start) / page * page;
    // Before the zeros can be seen.
    slot.broken.store(true, SeqCst);
    // SAFETY: The pages belong to a read-only map of a file whose owner is alive, since it is watched, and waits for this very access
    // (or for one of another thread, who gets zeros as well); its bytes are any bytes anyway. Maps begin at a page.
    let zeros = unsafe {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED;
        libc::mmap(ptr::without_provenance_mut(first), range.end - first, libc::PROT_READ, flags, -1, 0)
    };
    zeros != libc::MAP_FAILED
}
