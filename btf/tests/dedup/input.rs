//! What a test feeds to the deduplication, free of any table: units, perhaps a base, and names.

use btf::graph::{FIXED_WORDS, Head, Records, map_names, names, vlen};
use btf::header::Endian;
use btf::kind::{Info, Kind};
use btf::strings::StrId;

/// Units and a base. Names are indices into `names`; references are 0 for void, else the number of a type in its unit or
/// base, from 1.
#[derive(Clone, Default, Debug)]
pub struct Input {
    /// All names; the first is empty.
    pub names: Vec<String>,
    /// The base BTF, type ids as they come.
    pub base: Option<Records>,
    /// The units, in the order of the file.
    pub units: Vec<Records>,
}

impl Input {
    pub fn name(&mut self, name: &str) -> StrId {
        if self.names.is_empty() {
            self.names.push(String::new());
        }
        let at = self.names.iter().position(|n| n == name).unwrap_or_else(|| {
            self.names.push(name.to_string());
            self.names.len() - 1
        });
        StrId(at as u32)
    }

    /// The first unit as the base.
    pub fn base_or_unit(mut self) -> Input {
        self.base = Some(self.units.remove(0));
        self
    }

    /// The base as a BTF: ids in the given order, each name as often in the strings as it is used.
    pub fn base_bytes(&self, endian: Endian) -> Option<Vec<u8>> {
        let base = self.base.as_ref()?;
        let (mut types, mut strings) = (Vec::new(), vec![0]);
        for record in base.iter() {
            let mut words = record.to_vec();
            map_names(&mut words, |name| {
                let at = strings.len() as u32;
                match self.names[name.0 as usize].as_str() {
                    "" => StrId::EMPTY,
                    name => {
                        strings.extend_from_slice(name.as_bytes());
                        strings.push(0);
                        StrId(at)
                    }
                }
            });
            let head = Head::of(record);
            let func = head.kind == Kind::Func;
            let vlen = if func { record[FIXED_WORDS] } else { vlen(record) as u32 };
            words.swap(0, 1);
            words[1] = Info::to_word(head.kind, vlen, head.kflag);
            words.truncate(if func { FIXED_WORDS } else { words.len() });
            words.iter().for_each(|&w| endian.push_u32(&mut types, w));
        }
        let mut out = Vec::new();
        endian.push_u16(&mut out, 0xeb9f);
        out.extend_from_slice(&[1, 0]);
        let (t, s) = (types.len() as u32, strings.len() as u32);
        [24, 0, t, t, s].iter().for_each(|&w| endian.push_u32(&mut out, w));
        out.extend(types);
        out.extend(strings);
        Some(out)
    }

    /// Readable form for failures.
    pub fn text(&self) -> String {
        use std::fmt::Write;
        let mut out = String::new();
        let mut part = |title: String, records: &Records| {
            writeln!(out, "|{title}").unwrap();
            for (i, r) in records.iter().enumerate() {
                let names: Vec<&str> = names(r).map(|n| self.names[n.0 as usize].as_str()).collect();
                let refs: Vec<u32> = btf::graph::refs(r).collect();
                writeln!(out, "{}: {} {names:?} -> {refs:?} {:?}", i + 1, Head::of(r).kind.name(), r).unwrap();
            }
        };
        if let Some(base) = &self.base {
            part("B".into(), base);
        }
        for (i, unit) in self.units.iter().enumerate() {
            part(i.to_string(), unit);
        }
        out
    }
}
