//! A real kernel: the first eighth of its units, a quarter, half, all, and all of them twice. The DWARF of units does not depend on
//! where they stand, so for fewer units the section is made shorter, and for more of them it is repeated at the end of the file.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::measure::{self, Cost};
use crate::{TRIES, print, ratio};

/// Most that twice the units may cost, as a multiple.
const LIMIT: f64 = 2.3;
/// Most that may be kept of units that bring nothing new, per byte of theirs.
const KEPT_LIMIT: f64 = 0.25;

struct Kernel {
    path: PathBuf,
    /// Where the section header's sh_offset stands; sh_size follows.
    header: u64,
    start: u64,
    /// Where the units end.
    ends: Vec<u64>,
    file_size: u64,
}

pub fn passes(folder: &Path) -> bool {
    let home = || std::env::var("HOME").map(|home| format!("{home}/.cache/btfgen"));
    let Ok(cache) = std::env::var("BTFGEN_CACHE").or_else(|_| home()) else { return true };
    let version = std::env::var("KERNEL").unwrap_or("7.3".into());
    let original = Path::new(&cache).join("kernels").join(version).join("vmlinux");
    if !original.exists() {
        println!("no kernel in {}: skipped; make test-kernel fetches one", original.display());
        return true;
    }
    let kernel = Kernel::new(&original, folder.join("vmlinux"));
    let mut ok = true;
    let mut before: Option<(Cost, u64, u64, Vec<u8>)> = None;
    for eighths in [1, 2, 4, 8, 16] {
        let out = folder.join("out");
        let bytes = kernel.cut(eighths);
        let run = || measure::encode(&kernel.path, None, &out);
        let mut cost = run();
        ok &= cost.code == 0;
        let btf = fs::read(&out).unwrap_or_default();
        let own = cost.memory.saturating_sub(bytes);
        let mut time = None;
        if let Some((last, last_own, last_bytes, last_btf)) = &mut before {
            for _ in 1..TRIES {
                if ratio(last, &cost) > LIMIT {
                    cost.time = cost.time.min(run().time);
                }
            }
            time = Some(ratio(last, &cost));
            ok &= ratio(last, &cost) <= LIMIT;
            if eighths == 16 {
                let same = *last_btf == btf;
                let kept = own.saturating_sub(*last_own) as f64 / (bytes - *last_bytes) as f64;
                let which = if same { "the same" } else { "another" };
                println!("units twice: {which} BTF; {kept:.2} bytes are kept per byte of the second time");
                ok &= same && kept <= KEPT_LIMIT;
            }
        }
        print("kernel, eighths of its units", eighths, &cost, bytes, time, None);
        before = Some((cost, own, bytes, btf));
    }
    println!("kernel: {}", if ok { "passed" } else { "FAILED" });
    ok
}

impl Kernel {
    /// Copies the file, and its units twice to the end. Never holds much of it: what btfgen inherits of this process's memory would
    /// count as its own.
    fn new(original: &Path, path: PathBuf) -> Kernel {
        fs::copy(original, &path).expect("there is room for temporary files");
        let mut file = File::options().read(true).write(true).open(&path).expect("it opens");
        let file_size = file.metadata().expect("it is there").len();
        let number = |at: u64, bytes: usize| {
            let mut number = [0; 8];
            file.read_exact_at(&mut number[..bytes], at).expect("it is in the file");
            u64::from_le_bytes(number)
        };
        // e_shoff, e_shnum and e_shstrndx (gABI, ELF header); sh_name, sh_offset and sh_size.
        let header = |section: u64| number(40, 8) + 64 * section;
        let names = number(header(number(62, 2)) + 24, 8);
        let is_info = |section: &u64| {
            let mut name = [0; 12];
            file.read_exact_at(&mut name, names + number(header(*section), 4)).is_ok() && name == *b".debug_info\0"
        };
        let info = (1..number(60, 2)).find(is_info).expect("it has DWARF");
        let header = header(info) + 24;
        let (start, size) = (number(header, 8), number(header + 8, 8));
        // The length of a unit comes first and does not count itself (DWARF5 7.5.1).
        let mut ends = vec![4 + number(start, 4)];
        while ends[ends.len() - 1] < size {
            let end = ends[ends.len() - 1];
            ends.push(end + 4 + number(start + end, 4));
        }
        for _ in 0..2 {
            let mut from = File::open(original).expect("it opens");
            from.seek(SeekFrom::Start(start)).and_then(|_| file.seek(SeekFrom::End(0))).expect("it can be read");
            std::io::copy(&mut from.take(size), &mut file).expect("there is room for temporary files");
        }
        Kernel { path, header, start, ends, file_size }
    }

    /// Makes the section so many eighths of all units; its size.
    fn cut(&self, eighths: usize) -> u64 {
        let all = *self.ends.last().expect("it has units");
        let (start, size) = match eighths {
            16 => (self.file_size, 2 * all),
            _ => (self.start, self.ends[self.ends.len() * eighths / 8 - 1]),
        };
        let file = File::options().write(true).open(&self.path).expect("it opens");
        file.write_all_at(&[start.to_le_bytes(), size.to_le_bytes()].concat(), self.header).expect("it is written");
        size
    }
}
