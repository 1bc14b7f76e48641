//! Has the allocator keep what is freed for what comes next.
//!
//! Tables of a quarter of a megabyte come and go by the dozen, and by default glibc has each mapped anew and its pages cleared by the
//! kernel again: a seventh of all page faults of a small module, whose encoding takes hardly longer than they do. Larger tables are
//! still mapped by themselves, so that they can grow without being copied.

/// To be called first. Other C libraries are left as they are.
pub fn keep_freed() {
    #[cfg(target_env = "gnu")]
    {
        const MAPPED_ALONE: i32 = 1 << 20;
        const KEPT: i32 = 16 << 20;
        // SAFETY: This changes two parameters of the allocator, before there is a second thread. A refusal leaves them as they are.
        unsafe {
            libc::mallopt(libc::M_MMAP_THRESHOLD, MAPPED_ALONE);
            libc::mallopt(libc::M_TRIM_THRESHOLD, KEPT);
        }
    }
}
