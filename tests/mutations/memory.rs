//! How much memory a thread has, and the most that it had. The only unsafe code here.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    static NOW: Cell<isize> = const { Cell::new(0) };
    static MOST: Cell<isize> = const { Cell::new(0) };
}

/// The system's allocator, counting.
pub struct Counting;

fn count(bytes: isize) {
    // What a thread allocates when its own variables are gone is not counted.
    _ = NOW.try_with(|now| {
        now.set(now.get() + bytes);
        _ = MOST.try_with(|most| most.set(most.get().max(now.get())));
    });
}

// SAFETY: all calls go to the system's allocator with the arguments that came; counting neither allocates nor panics: the variables
// need no initialisation, and a sum of sizes of what is there at one time fits in an isize.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: the caller's promise about the layout is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        // SAFETY: the pointer came from this allocator, that is from the system's, with this layout.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size as isize - layout.size() as isize);
        // SAFETY: as above, and the caller's promise about the new size is passed on.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

/// The most that this thread has had more than at the start, in bytes, during `run`.
pub fn most_during<T>(run: impl FnOnce() -> T) -> (T, usize) {
    let start = NOW.get();
    MOST.set(start);
    let result = run();
    (result, usize::try_from(MOST.get() - start).unwrap_or(0))
}
