//! Writes seeds: `seeds CORPUS BASE FILE...` puts what each target reads of ELF files into `CORPUS/TARGET/`.
//!
//! BASE is a raw BTF that all files are encoded on, or `-`.

use std::path::Path;
use std::{env, fs};

use btf::view::BtfView;
use dwarf::elf::ElfFile;
use fuzz::{bytes, parts};
use mutate::pipeline::{self, Outcome};

fn main() {
    let args: Vec<String> = env::args().skip(1).collect();
    let [corpus, base, files @ ..] = &args[..] else { panic!("usage: seeds CORPUS BASE FILE...") };
    let base = if base == "-" { Vec::new() } else { fs::read(base).expect("the base is readable") };
    for file in files {
        let data = fs::read(file).unwrap_or_else(|e| panic!("{file}: {e}"));
        let name = file.replace('/', "_");
        let put = |target: &str, bytes: &[u8]| {
            let folder = Path::new(corpus).join(target);
            fs::create_dir_all(&folder).expect("folders can be made");
            fs::write(folder.join(&name), bytes).expect("there is room");
        };
        put("elf", &data);
        put("pipeline", &bytes::joined(&base, &data));
        if let Some(sections) = sections(&data) {
            put("dwarf", &sections);
        }
        let view = BtfView::parse(&base).ok();
        if let Ok(Outcome::Encoded(btf)) = pipeline::run(&data, view.as_ref(), 2) {
            put("btf", &if base.is_empty() { bytes::joined(&btf, &[]) } else { bytes::joined(&base, &btf) });
        }
    }
}

fn sections(data: &[u8]) -> Option<Vec<u8>> {
    let file = ElfFile::parse(data).ok()?;
    let bytes = |name: &str| file.section(name.as_bytes()).and_then(|s| file.bytes(s).ok()).unwrap_or(&[]).to_vec();
    let big = if file.endian == object::Endianness::Big { parts::BIG } else { 0 };
    let class = if file.is_64 { 0 } else { parts::CLASS32 };
    let relocatable = if file.relocatable { parts::RELOCATABLE } else { 0 };
    parts::joined(big | class | relocatable, file.machine, bytes, &bytes(".rela.debug_info"))
}
