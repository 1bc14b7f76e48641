//! Which program is meant: btfgen goes by several names, so that Kbuild can call it in another one's place.

use std::ffi::{OsStr, OsString};
use std::path::Path;

/// A program that btfgen can be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Personality {
    /// Itself.
    Btfgen,
    /// pahole, as the kernel's build calls it (`PAHOLE=`): anything whose name ends so, or `btfgen --pahole`.
    Pahole,
    /// `resolve_btfids`: anything whose name ends so, or `btfgen resolve_btfids`.
    ResolveBtfids,
}

/// The program that is meant, and its arguments with its name as the first one.
pub fn choose(mut args: Vec<OsString>) -> (Personality, Vec<OsString>) {
    const PROGRAMS: [(&str, &str, Personality); 2] =
        [("pahole", "--pahole", Personality::Pahole), ("resolve_btfids", "resolve_btfids", Personality::ResolveBtfids)];
    let name = args.first().and_then(|arg| Path::new(arg).file_name()).unwrap_or_default();
    let by_name = |ending: &str| name.as_encoded_bytes().ends_with(ending.as_bytes());
    if let Some((_, _, program)) = PROGRAMS.iter().find(|(ending, ..)| by_name(ending)) {
        return (*program, args);
    }
    let by_word = |word: &str| args.get(1).is_some_and(|arg| arg == OsStr::new(word));
    match PROGRAMS.iter().find(|(_, word, _)| by_word(word)) {
        Some((_, word, program)) => {
            // What the help shows as the program's name.
            args.splice(..2, [format!("btfgen {word}").into()]);
            (*program, args)
        }
        None => (Personality::Btfgen, args),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_name_or_first_argument() {
        let meant = |words: &str| {
            let (program, args) = choose(words.split_whitespace().map(OsString::from).collect());
            (program, args.len())
        };
        for pahole in ["pahole -J", "/usr/bin/pahole -J", "x/btfgen-pahole -J", "btfgen --pahole -J"] {
            assert_eq!(meant(pahole), (Personality::Pahole, 2), "{pahole}");
        }
        for ids in ["/usr/bin/resolve_btfids x.ko", "btfgen-resolve_btfids x.ko", "btfgen resolve_btfids x.ko"] {
            assert_eq!(meant(ids), (Personality::ResolveBtfids, 2), "{ids}");
        }
        for btfgen in ["btfgen pahole", "pahole/btfgen x", "btfgen -J --pahole", "/resolve_btfids/btfgen x.ko", ""] {
            assert_eq!(meant(btfgen).0, Personality::Btfgen, "{btfgen}");
        }
    }
}
