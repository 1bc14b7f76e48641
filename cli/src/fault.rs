//! A fault on purpose, for tests: what is written has been checked, and no input is known that makes the check fail.
//!
//! With `BTFGEN_FAULT=btf` in the environment the BTF has a wrong byte where it is checked before it is written.

use std::borrow::Cow;

const VARIABLE: &str = "BTFGEN_FAULT";

/// Whether the fault is wanted.
pub fn is_wanted() -> bool {
    std::env::var_os(VARIABLE).is_some_and(|what| what == "btf")
}

/// The BTF or, if the fault is wanted, one whose version no kernel knows.
pub fn damage(btf: &[u8]) -> Cow<'_, [u8]> {
    if !is_wanted() {
        return Cow::Borrowed(btf);
    }
    let mut damaged = btf.to_vec();
    damaged.iter_mut().skip(2).take(1).for_each(|version| *version = 99);
    Cow::Owned(damaged)
}
