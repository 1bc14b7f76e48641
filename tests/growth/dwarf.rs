//! DWARF 5 and ELF written by hand: for inputs that no compiler makes in reasonable time.

use std::collections::HashMap;

/// Offset of a DIE in its unit.
pub type Die = u32;
/// Offset of a name in `.debug_str`.
pub type Name = u32;

/// The abbreviations that all units share: number, tag, children, (attribute, form)...
type Abbreviation = (u8, u16, bool, &'static [(u16, u8)]);

const NAME: (u16, u8) = (0x03, STRP);
const SIZE: (u16, u8) = (0x0b, DATA4);
const TYPE: (u16, u8) = (0x49, REF4);
const LOW_PC: (u16, u8) = (0x11, ADDR);
const CODE_SIZE: (u16, u8) = (0x12, DATA4);
const PROTOTYPED: (u16, u8) = (0x27, PRESENT);
const ORIGIN: (u16, u8) = (0x31, REF4);

const ADDR: u8 = 0x01;
const DATA2: u8 = 0x05;
const DATA4: u8 = 0x06;
const DATA1: u8 = 0x0b;
const STRP: u8 = 0x0e;
const REF_ADDR: u8 = 0x10;
const REF4: u8 = 0x13;
const OFFSET: u8 = 0x17;
const EXPRLOC: u8 = 0x18;
const PRESENT: u8 = 0x19;

const ABBREVIATIONS: [Abbreviation; 24] = [
    (1, 0x11, true, &[(0x13, DATA2)]),
    (2, 0x24, false, &[NAME, (0x0b, DATA1), (0x3e, DATA1)]),
    (3, 0x13, true, &[NAME, SIZE]),
    (4, 0x13, true, &[SIZE]),
    (5, 0x13, false, &[NAME, (0x3c, PRESENT)]),
    (6, 0x0d, false, &[NAME, TYPE, (0x38, DATA4)]),
    (7, 0x04, true, &[NAME, SIZE, TYPE]),
    (8, 0x28, false, &[NAME, (0x1c, DATA4)]),
    (9, 0x0f, false, &[(0x0b, DATA1), TYPE]),
    (10, 0x16, false, &[NAME, TYPE]),
    (11, 0x01, true, &[TYPE]),
    (12, 0x21, false, &[TYPE, (0x37, DATA4)]),
    (13, 0x15, true, &[TYPE, PROTOTYPED]),
    (14, 0x05, false, &[NAME, TYPE]),
    (15, 0x2e, true, &[NAME, TYPE, LOW_PC, CODE_SIZE, PROTOTYPED]),
    (16, 0x34, true, &[NAME, TYPE, (0x02, EXPRLOC)]),
    (17, 0x0b, true, &[LOW_PC]),
    (18, 0x26, false, &[TYPE]),
    (19, 0x6000, false, &[NAME, (0x1c, STRP)]),
    (20, 0x2e, true, &[NAME, TYPE, (0x20, DATA1)]),
    (21, 0x2e, true, &[ORIGIN, LOW_PC, CODE_SIZE]),
    (22, 0x05, false, &[ORIGIN]),
    (23, 0x05, false, &[NAME, TYPE, (0x02, OFFSET)]),
    (24, 0x16, false, &[NAME, (0x49, REF_ADDR)]),
];

/// An ELF file in the making.
pub struct Elf {
    info: Vec<u8>,
    abbrev: Vec<u8>,
    strings: Vec<u8>,
    names: HashMap<String, Name>,
    symbols: Vec<(Name, u8, u64, u64)>,
    symbol_strings: Vec<u8>,
    /// After the header of `.debug_loclists`.
    locations: Vec<u8>,
    unit: usize,
}

const TEXT: u64 = 0x100_0000;
const PER_CPU: u64 = 0x8000_0000;
/// Bytes of the header of `.debug_loclists`.
const LISTS: u32 = 12;
const ROOM: u64 = 0x1000_0000;

impl Elf {
    pub fn new() -> Elf {
        let mut abbrev = Vec::new();
        for (code, tag, children, attributes) in ABBREVIATIONS {
            abbrev.push(code);
            uleb(&mut abbrev, tag.into());
            abbrev.push(children.into());
            for (attribute, form) in attributes {
                uleb(&mut abbrev, (*attribute).into());
                abbrev.push(*form);
            }
            abbrev.extend([0, 0]);
        }
        Elf {
            info: Vec::new(),
            abbrev,
            strings: vec![0],
            names: HashMap::new(),
            symbols: Vec::new(),
            symbol_strings: vec![0],
            locations: Vec::new(),
            unit: 0,
        }
    }

    /// After the last abbreviation that is needed, so many that are not.
    pub fn unused_abbreviations(&mut self, count: usize) {
        for code in 0..count {
            uleb(&mut self.abbrev, code as u64 + 100);
            self.abbrev.extend([0x24, 0, 0x0b, DATA1, 0, 0]);
        }
    }

    /// A unit of one DIE, whose abbreviations begin with the unused one of a number. It is an INT, described by the last of them.
    pub fn unit_of_unused(&mut self, first: usize, last: usize) {
        // Where the first one is: the code of each is as long as its number asks for.
        let mut at = 0;
        let tables: usize = self.tables();
        for code in 0..first {
            at += leb(code as u64 + 100).len() + 6;
        }
        let code = leb(last as u64 + 100);
        let length = 8 + code.len() + 1;
        self.info.extend((length as u32).to_le_bytes());
        self.info.extend([5, 0, 1, 8]);
        self.info.extend(((tables + at) as u32).to_le_bytes());
        self.info.extend(code);
        self.info.push(4);
    }

    /// Bytes of the abbreviations that all units share.
    fn tables(&self) -> usize {
        Elf::new().abbrev.len()
    }

    /// A unit with what `f` puts into it.
    pub fn unit(&mut self, f: impl FnOnce(&mut Elf)) {
        self.unit = self.info.len();
        // Length (set at the end), version, kind, address size, offset of the abbreviations.
        self.info.extend([0, 0, 0, 0, 5, 0, 1, 8, 0, 0, 0, 0]);
        self.info.push(1);
        self.info.extend(0x1d_u16.to_le_bytes());
        f(self);
        self.end();
        let length = (self.info.len() - self.unit - 4) as u32;
        self.info[self.unit..self.unit + 4].copy_from_slice(&length.to_le_bytes());
    }

    /// The next DIE.
    pub fn here(&self) -> Die {
        (self.info.len() - self.unit) as Die
    }

    pub fn size(&self) -> usize {
        self.info.len()
    }

    pub fn name(&mut self, text: &str) -> Name {
        if let Some(&name) = self.names.get(text) {
            return name;
        }
        let name = self.strings.len() as Name;
        self.strings.extend(text.bytes().chain([0]));
        self.names.insert(text.to_owned(), name);
        name
    }

    fn die(&mut self, code: u8, words: &[u32]) -> Die {
        let at = self.here();
        self.info.push(code);
        words.iter().for_each(|w| self.info.extend(w.to_le_bytes()));
        at
    }

    /// Ends the children of a DIE.
    pub fn end(&mut self) {
        self.info.push(0);
    }

    pub fn int(&mut self, text: &str, bytes: u8) -> Die {
        let name = self.name(text);
        let at = self.die(2, &[name]);
        self.info.extend([bytes, 5]);
        at
    }

    /// Its children follow, as with all composites, prototypes, functions, variables and blocks, up to [`Elf::end`].
    pub fn structure(&mut self, name: Name, bytes: u32) -> Die {
        self.die(3, &[name, bytes])
    }

    pub fn anonymous(&mut self, bytes: u32) -> Die {
        self.die(4, &[bytes])
    }

    pub fn declaration(&mut self, name: Name) -> Die {
        self.die(5, &[name])
    }

    pub fn member(&mut self, name: Name, target: Die, offset: u32) {
        self.die(6, &[name, target, offset]);
    }

    pub fn enumeration(&mut self, name: Name, bytes: u32, target: Die) -> Die {
        self.die(7, &[name, bytes, target])
    }

    pub fn enumerator(&mut self, name: Name, value: u32) {
        self.die(8, &[name, value]);
    }

    pub fn pointer(&mut self, target: Die) -> Die {
        let at = self.die(9, &[]);
        self.info.push(8);
        self.info.extend(target.to_le_bytes());
        at
    }

    pub fn typedef(&mut self, name: Name, target: Die) -> Die {
        self.die(10, &[name, target])
    }

    /// Of a DIE in any unit, by its offset in the section ([`Elf::size`]).
    pub fn typedef_elsewhere(&mut self, name: Name, target: usize) -> Die {
        self.die(24, &[name, target as u32])
    }

    pub fn array(&mut self, element: Die, index: Die, count: u32) -> Die {
        let at = self.die(11, &[element]);
        self.die(12, &[index, count]);
        self.end();
        at
    }

    pub fn prototype(&mut self, result: Die) -> Die {
        self.die(13, &[result])
    }

    pub fn parameter(&mut self, name: Name, target: Die) {
        self.die(14, &[name, target]);
    }

    /// With code at a place of its own number.
    pub fn function(&mut self, text: &str, result: Die, place: usize) -> Die {
        let name = self.name(text);
        let at = self.die(15, &[name, result]);
        self.info.extend((TEXT + 16 * place as u64).to_le_bytes());
        self.info.extend(16_u32.to_le_bytes());
        at
    }

    /// A function that was inlined, and may have code, too.
    pub fn inlined(&mut self, text: &str, result: Die) -> Die {
        let name = self.name(text);
        let at = self.die(20, &[name, result]);
        self.info.push(1);
        at
    }

    /// The code of such a function.
    pub fn out_of_line(&mut self, inlined: Die, place: usize) {
        self.die(21, &[inlined]);
        self.info.extend((TEXT + 16 * place as u64).to_le_bytes());
        self.info.extend(16_u32.to_le_bytes());
    }

    /// The parameter of a function's code that is that of the inlined function.
    pub fn same_parameter(&mut self, parameter: Die) {
        self.die(22, &[parameter]);
    }

    /// A parameter with the list of locations that follows.
    pub fn parameter_somewhere(&mut self, name: Name, target: Die) {
        self.die(23, &[name, target, LISTS]);
    }

    /// An entry of the list: of a length of code, and nowhere that would be known (DW_OP_nop).
    pub fn location(&mut self) {
        self.locations.extend([4, 0, 1, 1, 0x96]);
    }

    /// A symbol of a function.
    pub fn function_symbol(&mut self, text: &str, place: usize) {
        self.symbol(text, 2, TEXT + 16 * place as u64, 16);
    }

    /// In the per-CPU section, `number` longs from its start, with a symbol.
    pub fn per_cpu(&mut self, text: &str, target: Die, number: usize) {
        let name = self.name(text);
        self.die(16, &[name, target]);
        let address = PER_CPU + 8 * number as u64;
        self.info.extend([9, 0x03]);
        self.info.extend(address.to_le_bytes());
        self.symbol(text, 1, address, 8);
    }

    /// On the stack.
    pub fn local(&mut self, name: Name, target: Die) {
        self.die(16, &[name, target]);
        self.info.extend([2, 0x91, 0x10]);
    }

    pub fn block(&mut self) {
        self.die(17, &[0, 0]);
    }

    pub fn constant(&mut self, target: Die) -> Die {
        self.die(18, &[target])
    }

    /// A declaration tag of the DIE that it is a child of.
    pub fn annotation(&mut self, text: &str) {
        let (kind, text) = (self.name("btf_decl_tag"), self.name(text));
        self.die(19, &[kind, text]);
    }

    fn symbol(&mut self, text: &str, kind: u8, address: u64, size: u64) {
        let name = self.symbol_strings.len() as Name;
        self.symbol_strings.extend(text.bytes().chain([0]));
        self.symbols.push((name, kind, address, size));
    }

    /// The file, linked, for x86-64 (gABI, ELF header and what follows).
    pub fn bytes(mut self) -> Vec<u8> {
        self.abbrev.push(0);
        let mut symtab = vec![0; 24];
        for (name, kind, address, size) in &self.symbols {
            let section: u16 = if *kind == 2 { 1 } else { 2 };
            symtab.extend(name.to_le_bytes());
            symtab.extend([0x10 | kind, 0]);
            symtab.extend(section.to_le_bytes());
            symtab.extend(address.to_le_bytes());
            symtab.extend(size.to_le_bytes());
        }
        let header_names =
            b"\0.text\0.data..percpu\0.debug_info\0.debug_abbrev\0.debug_str\0.debug_loclists\0.symtab\0.strtab\0.shstrtab\0";
        // Length, version 5, bytes of an address and of a segment, number of offsets.
        let mut lists = (8 + self.locations.len() as u32 + 1).to_le_bytes().to_vec();
        lists.extend([5, 0, 8, 0, 0, 0, 0, 0]);
        lists.extend(self.locations.iter().chain(&[0]));
        type Section<'a> = (&'a str, u32, u64, u64, &'a [u8], u32, u32, u64);
        // Name, sh_type, sh_flags, sh_addr, contents, sh_link, sh_info, sh_entsize
        let sections: [Section<'_>; 9] = [
            (".text", 8, 6, TEXT, &[], 0, 0, 0),
            (".data..percpu", 8, 3, PER_CPU, &[], 0, 0, 0),
            (".debug_info", 1, 0, 0, &self.info, 0, 0, 0),
            (".debug_abbrev", 1, 0, 0, &self.abbrev, 0, 0, 0),
            (".debug_str", 1, 0x30, 0, &self.strings, 0, 0, 1),
            (".debug_loclists", 1, 0, 0, &lists, 0, 0, 0),
            (".symtab", 2, 0, 0, &symtab, 8, 1, 24),
            (".strtab", 3, 0, 0, &self.symbol_strings, 0, 0, 0),
            (".shstrtab", 3, 0, 0, header_names, 0, 0, 0),
        ];
        let mut out = vec![0; 64];
        let mut headers = vec![0_u8; 64];
        for (name, kind, flags, address, contents, link, info, entry) in sections {
            out.resize(out.len().next_multiple_of(8), 0);
            let full = [name.as_bytes(), &[0]].concat();
            let at = header_names.windows(full.len()).position(|w| w == full).expect("it is a name");
            let size = if kind == 8 { ROOM } else { contents.len() as u64 };
            headers.extend((at as u32).to_le_bytes());
            headers.extend(kind.to_le_bytes());
            [flags, address, out.len() as u64, size].iter().for_each(|w| headers.extend(w.to_le_bytes()));
            headers.extend(link.to_le_bytes());
            headers.extend(info.to_le_bytes());
            [1, entry].iter().for_each(|w: &u64| headers.extend(w.to_le_bytes()));
            out.extend(contents);
        }
        out.resize(out.len().next_multiple_of(8), 0);
        let start = out.len() as u64;
        out[..20].copy_from_slice(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x3e\0");
        out[20] = 1;
        out[40..48].copy_from_slice(&start.to_le_bytes());
        out[52] = 64;
        out[58] = 64;
        out[60] = 10;
        out[62] = 9;
        out.extend(headers);
        out
    }
}

fn leb(value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    uleb(&mut bytes, value);
    bytes
}

fn uleb(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}
