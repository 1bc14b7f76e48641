//! What a kernel's build does to its kfuncs (Linux 7.3): tags, prototypes without the arguments that the verifier passes, pointers
//! into an arena.

use super::Edit;
use crate::dedup::resolve::Target;
use crate::error::{Error, ErrorKind, Place, Result};
use crate::graph::{FIXED_WORDS, Head, map_refs};
use crate::ids::TypeId;
use crate::kind::Kind;
use crate::map::FixedMap;
use crate::strings::StrId;

/// Longest name of a function, in bytes (KSYM_NAME_LEN, Linux 6.1).
const NAME_MAX: usize = 511;
/// Words of a parameter: name and type.
const PARAM_WORDS: usize = 2;

/// A kfunc's flags (`include/linux/btf.h`, Linux 7.3): those that matter to its description.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Flags(pub u32);

impl Flags {
    /// It follows the convention for fast calls.
    pub const FASTCALL: u32 = 1 << 12;
    /// It returns a pointer into an arena.
    pub const ARENA_RET: u32 = 1 << 13;
    /// Its first argument is one.
    pub const ARENA_ARG1: u32 = 1 << 14;
    /// Its second argument is one.
    pub const ARENA_ARG2: u32 = 1 << 15;
    /// The verifier passes its last arguments.
    pub const IMPLICIT_ARGS: u32 = 1 << 16;

    /// Whether a flag is set.
    pub fn has(self, flag: u32) -> bool {
        self.0 & flag != 0
    }
}

/// A function that a kernel offers to BPF programs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Kfunc {
    /// Its FUNC: a number in [`Edit::records`].
    pub function: usize,
    /// Its flags.
    pub flags: Flags,
}

/// Whether a parameter of this name is a pointer into an arena.
pub fn is_arena_name(name: &[u8]) -> bool {
    name.ends_with(b"__arena") || name.ends_with(b"__arena__nullable")
}

fn head(kind: Kind, kflag: bool) -> Head {
    Head { kind, kflag }
}

impl Edit<'_> {
    /// Describes kfuncs as the verifier expects them. In the order given; each may come only once. A second time changes nothing.
    /// With `arenas`, pointers into an arena are marked, which kernels before 6.15 refuse.
    ///
    /// # Errors
    /// An arena argument that is no pointer, a name that would become too long.
    pub fn describe_kfuncs(&mut self, kfuncs: &[Kfunc], arenas: bool) -> Result<()> {
        let mut implementations: FixedMap<Vec<u8>, ()> = FixedMap::default();
        for name in self.functions().into_keys().filter(|name| name.ends_with(b"_impl")) {
            implementations.insert(name.to_vec(), ());
        }
        // The tags of each kfunc, before more are added.
        let mut tags: FixedMap<usize, Vec<usize>> = kfuncs.iter().map(|k| (k.function, Vec::new())).collect();
        for (number, record) in self.records.iter().enumerate() {
            if let (Kind::DeclTag, Target::Own(tagged)) = (Head::of(record).kind, Target::of(record[2])) {
                if let Some(tags) = tags.get_mut(&(tagged as usize)) {
                    tags.push(number);
                }
            }
        }
        for kfunc in kfuncs {
            let mut own_tags = tags.remove(&kfunc.function).unwrap_or_default();
            self.tag(kfunc.function, b"bpf_kfunc");
            if kfunc.flags.has(Flags::FASTCALL) {
                own_tags.push(self.tag(kfunc.function, b"bpf_fastcall"));
            }
            if kfunc.flags.has(Flags::IMPLICIT_ARGS) {
                let mut name = self.name(kfunc.function).to_vec();
                name.extend_from_slice(b"_impl");
                let is_there = implementations.contains_key(&name);
                self.hide_implicit(kfunc, (!is_there).then_some(name), &own_tags)?;
            }
            if arenas {
                self.mark_arena(kfunc)?;
            }
        }
        Ok(())
    }

    fn name(&self, number: usize) -> &[u8] {
        self.strings.get(StrId(self.records.get(number)[1]))
    }

    fn tag(&mut self, function: usize, text: &[u8]) -> usize {
        let name = self.strings.intern(text);
        let target = Target::Own(function as u32).word();
        self.records.push(head(Kind::DeclTag, false), name, target, &[u32::MAX])
    }

    /// Cuts the prototype off before the first argument that the verifier passes. The whole one is that of a function of its own,
    /// called `implementation`, unless the source has that.
    fn hide_implicit(&mut self, kfunc: &Kfunc, implementation: Option<Vec<u8>>, tags: &[usize]) -> Result<()> {
        let func = self.records.get(kfunc.function).to_vec();
        if let Some(name) = implementation {
            if name.len() > NAME_MAX {
                let text = format!("ERROR: function name is too long: {}", String::from_utf8_lossy(&name));
                return Err(Error::new(ErrorKind::Limit, Place::Whole, text));
            }
            let name = self.strings.intern(&name);
            let number = self.records.push(head(Kind::Func, false), name, func[2], &func[FIXED_WORDS..]);
            for &tag in tags {
                let tag = self.records.get(tag).to_vec();
                if self.strings.get(StrId(tag[1])) != b"bpf_kfunc" {
                    let target = Target::Own(number as u32).word();
                    self.records.push(Head::of(&tag), StrId(tag[1]), target, &tag[FIXED_WORDS..]);
                }
            }
        }
        let Some(mut prototype) = self.prototype(func[2]) else { return Ok(()) };
        let parameters = prototype[FIXED_WORDS..].chunks_exact(PARAM_WORDS);
        let kept = parameters.take_while(|parameter| !self.is_implicit(parameter[1])).count();
        prototype.truncate(FIXED_WORDS + PARAM_WORDS * kept);
        self.set_prototype(kfunc.function, &prototype);
        Ok(())
    }

    /// Whether an argument is a pointer to what only the verifier has.
    fn is_implicit(&self, word: u32) -> bool {
        let pointer = self.unqualified(word);
        let Some(pointer) = pointer.filter(|(kind, ..)| *kind == Kind::Ptr) else { return false };
        let target = self.unqualified(pointer.2);
        matches!(target, Some((Kind::Struct, b"bpf_prog_aux" | b"btf_struct_meta", _)))
    }

    /// Kind, name and third word of the type behind qualifiers and type tags. Typedefs are not passed.
    fn unqualified(&self, mut word: u32) -> Option<(Kind, &[u8], u32)> {
        // What leads in a circle leads nowhere.
        for _ in 0..=self.records.len() + self.view.end_id().index() {
            let (kind, name, next) = match Target::of(word) {
                Target::Own(number) => {
                    let record = self.records.get(number as usize);
                    (Head::of(record).kind, self.strings.get(StrId(record[1])), record[2])
                }
                Target::Base(id) => {
                    let t = self.view.get(id)?;
                    (t.kind(), self.view.string(t.name_off()).unwrap_or(b""), t.size_or_type())
                }
            };
            match kind {
                Kind::Const | Kind::Volatile | Kind::Restrict | Kind::TypeTag => word = next,
                _ => return Some((kind, name, next)),
            }
        }
        None
    }

    /// A prototype's record, as an own one; `None` if it is none.
    fn prototype(&mut self, word: u32) -> Option<Vec<u32>> {
        let record = match Target::of(word) {
            Target::Own(number) => self.records.get(number as usize).to_vec(),
            Target::Base(id) => {
                let t = self.view.get(id).filter(|t| t.kind() == Kind::FuncProto)?;
                let mut record = vec![head(Kind::FuncProto, false).word(), 0, t.size_or_type()];
                for parameter in t.params() {
                    let name = self.view.string(parameter.name_off).unwrap_or(b"");
                    record.extend([self.strings.intern(name).0, parameter.type_id.0]);
                }
                record
            }
        };
        (Head::of(&record).kind == Kind::FuncProto).then_some(record)
    }

    fn set_prototype(&mut self, function: usize, prototype: &[u32]) {
        let number = self.records.push_record(prototype);
        map_refs(self.records.get_mut(function), |_| Target::Own(number as u32).word());
    }

    /// Tags the pointers of a prototype that lead into an arena.
    fn mark_arena(&mut self, kfunc: &Kfunc) -> Result<()> {
        let word = self.records.get(kfunc.function)[2];
        let Some(mut prototype) = self.prototype(word) else { return Ok(()) };
        let of_flag = |number| {
            number == 0 && kfunc.flags.has(Flags::ARENA_ARG1) || number == 1 && kfunc.flags.has(Flags::ARENA_ARG2)
        };
        let mut places = Vec::new();
        if kfunc.flags.has(Flags::ARENA_RET) {
            places.push(2);
        }
        for (number, parameter) in prototype[FIXED_WORDS..].chunks_exact(PARAM_WORDS).enumerate() {
            let name = self.strings.get(StrId(parameter[0]));
            if of_flag(number) || is_arena_name(name) {
                places.push(FIXED_WORDS + PARAM_WORDS * number + 1);
            }
        }
        if places.is_empty() {
            return Ok(());
        }
        for place in places {
            let Some((Kind::Ptr, _, pointee)) = self.type_at(prototype[place]) else {
                let name = String::from_utf8_lossy(self.name(kfunc.function));
                let text = format!("ERROR: resolve_btfids: kfunc {name}: arena type is not a pointer");
                return Err(Error::new(ErrorKind::Record, Place::Whole, text));
            };
            const TEXT: &[u8] = b"address_space(1)";
            if matches!(self.type_at(pointee), Some((Kind::TypeTag, TEXT, _))) {
                continue; // marked by an earlier run, or by the encoder
            }
            let name = self.strings.intern(TEXT);
            let tag = self.records.push(head(Kind::TypeTag, true), name, pointee, &[]);
            let target = Target::Own(tag as u32).word();
            let pointer = self.records.push(head(Kind::Ptr, false), StrId::EMPTY, target, &[]);
            prototype[place] = Target::Own(pointer as u32).word();
        }
        self.set_prototype(kfunc.function, &prototype);
        Ok(())
    }

    /// Kind, name and third word of a type.
    fn type_at(&self, word: u32) -> Option<(Kind, &[u8], u32)> {
        match Target::of(word) {
            Target::Base(TypeId::VOID) => None,
            Target::Base(id) => {
                let t = self.view.get(id)?;
                Some((t.kind(), self.view.string(t.name_off())?, t.size_or_type()))
            }
            Target::Own(number) => {
                let record = self.records.get(number as usize);
                Some((Head::of(record).kind, self.strings.get(StrId(record[1])), record[2]))
            }
        }
    }
}
