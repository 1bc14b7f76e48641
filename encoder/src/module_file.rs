//! What module files are besides ELF: compressed, signed, made for a release of the kernel.

use dwarf::elf::ElfFile;

use crate::error::{Error, ErrorKind, Result};

/// Ways in which `make modules_install` compresses modules (CONFIG_MODULE_COMPRESS, Linux 6.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Compression {
    /// `.ko.xz`
    Xz,
    /// `.ko.zst`
    Zstd,
    /// `.ko.gz`
    Gzip,
}

impl Compression {
    /// By the first bytes of the file.
    pub fn of(bytes: &[u8]) -> Option<Compression> {
        let magics: [(&[u8], Compression); 3] = [
            (b"\xfd7zXZ\0", Compression::Xz),
            (b"\x28\xb5\x2f\xfd", Compression::Zstd),
            (b"\x1f\x8b", Compression::Gzip),
        ];
        magics.iter().find(|(magic, _)| bytes.starts_with(magic)).map(|(_, compression)| *compression)
    }

    /// Name of the program that compresses so.
    pub fn program(self) -> &'static str {
        match self {
            Compression::Xz => "xz",
            Compression::Zstd => "zstd",
            Compression::Gzip => "gzip",
        }
    }

    /// What to say about a file that should not be compressed.
    pub fn refusal(self) -> String {
        let program = self.program();
        format!("it is compressed with {program}: uncompress it (`{program} -d`), encode it, then compress it again")
    }
}

/// Last bytes of a file with an appended module signature (kernel `scripts/sign-file`).
pub const SIGNATURE_MARKER: &[u8] = b"~Module signature appended~\n";
/// Bytes of what stands before it: five bytes about kinds and lengths, three unused ones, the big-endian length of the signature
/// (`struct module_signature`, Linux 3.7).
const SIGNATURE_INFO: usize = 12;

/// Offset of the appended signature, which is the length of the ELF file before it; `None` if there is none.
///
/// # Errors
/// A marker without what belongs before it.
pub fn signature(bytes: &[u8]) -> Result<Option<usize>> {
    let Some(before) = bytes.strip_suffix(SIGNATURE_MARKER) else { return Ok(None) };
    let start = before.split_last_chunk::<SIGNATURE_INFO>().and_then(|(before, info)| {
        let [_, _, _, signer, key, _, _, _, a, b, c, d] = *info;
        let length = usize::try_from(u32::from_be_bytes([a, b, c, d])).ok()?;
        before.len().checked_sub(length)?.checked_sub(usize::from(signer) + usize::from(key))
    });
    let Some(start) = start else {
        let text = format!(
            "the file ends in the mark of a module signature, and what stands before it (at offset {:#x}) is none: \
             it is damaged or cut short; take the file as it was before signing",
            before.len().saturating_sub(SIGNATURE_INFO)
        );
        return Err(Error::new(ErrorKind::Input, text));
    };
    Ok(Some(start))
}

/// The release of the kernel that a module was built for: the first word of `vermagic` in its `.modinfo`.
pub fn release(file: &ElfFile<'_>) -> Option<String> {
    let magic = modinfo(file)?.split(|&byte| byte == 0).find_map(|entry| entry.strip_prefix(b"vermagic="))?;
    let release = magic.split(|&byte| byte == b' ').next().filter(|release| !release.is_empty())?;
    String::from_utf8(release.to_vec()).ok()
}

/// Whether a module was built together with its kernel: modpost says so in `.modinfo` of those modules (Linux 3.2), and of no others.
pub fn is_in_tree(file: &ElfFile<'_>) -> bool {
    modinfo(file).is_some_and(|entries| entries.split(|&byte| byte == 0).any(|entry| entry == b"intree=Y"))
}

/// Whether kernels of a release know `.BTF.base` (Linux 6.11). Older ones take such a module's `.BTF` for one on their own, and
/// refuse the module.
pub fn knows_distilled_base(release: &str) -> bool {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(|number| number.parse().unwrap_or(0));
    let version: (u32, u32) = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    version >= (6, 11)
}

fn modinfo<'f>(file: &ElfFile<'f>) -> Option<&'f [u8]> {
    let section = file.section(b".modinfo").filter(|_| file.relocatable)?;
    file.bytes(section).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signed(elf: &[u8], signer: u8, key: u8, signature: u32) -> Vec<u8> {
        let mut file = elf.to_vec();
        file.extend(vec![b's'; usize::from(signer) + usize::from(key) + signature as usize]);
        file.extend([0, 0, 2, signer, key, 0, 0, 0]);
        file.extend(signature.to_be_bytes());
        file.extend(SIGNATURE_MARKER);
        file
    }

    #[test]
    fn signatures_of_all_lengths() {
        assert_eq!(signature(b"\x7fELF"), Ok(None));
        for (signer, key, length) in [(0, 0, 0), (0, 0, 700), (12, 20, 512), (255, 255, 1)] {
            let file = signed(b"\x7fELF and more", signer, key, length);
            assert_eq!(signature(&file), Ok(Some(13)));
        }
        // A file that is shorter than it says.
        for cut in 1..50 {
            let file = signed(b"\x7fELF", 1, 1, 50);
            assert!(signature(&file[4 + cut..]).is_err(), "{cut}");
        }
        assert!(signature(SIGNATURE_MARKER).is_err());
        let text = signature(&signed(b"", 0, 0, 0)[1..]).unwrap_err().to_string();
        assert!(text.contains("at offset 0x0") && text.contains("before signing"), "{text}");
    }

    #[test]
    fn compressed_files() {
        assert_eq!(Compression::of(b"\x7fELF"), None);
        assert_eq!(Compression::of(b"\xfd7zXZ\0\0"), Some(Compression::Xz));
        assert_eq!(Compression::of(b"\x28\xb5\x2f\xfd"), Some(Compression::Zstd));
        assert_eq!(Compression::of(b"\x1f\x8b\x08"), Some(Compression::Gzip));
        assert!(Compression::Zstd.refusal().contains("`zstd -d`"));
    }

    #[test]
    fn releases_with_distilled_bases() {
        for (release, knows) in [
            ("6.11.0", true),
            ("6.11-rc1", true),
            ("7.3.4+deb13-cloud-amd64", true),
            ("10.0.0", true),
            ("6.10.14", false),
            ("6.1.0-18-amd64", false),
            ("5.19", false),
            ("6", false),
            ("custom", false),
            ("", false),
        ] {
            assert_eq!(knows_distilled_base(release), knows, "{release}");
        }
    }
}
