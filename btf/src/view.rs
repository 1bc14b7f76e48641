//! Reading BTF in place: `BtfView` borrows the bytes and adds one table, the offset of each record.
//!
//! Parsing walks the type section once and checks what would derail that walk: every kind is known, every record with
//! its trailer lies inside, strings end in a NUL. Everything else, such as ids that lead nowhere, is the business of
//! the accessors (they are total or return an Option) and of the `verify` module. The table is bounded by a third of
//! the type section, so that a header cannot ask for memory that the file does not have.
//!
//! A split BTF borrows its base, to any depth. Ids and string offsets are those of the whole chain: [`BtfView::get`]
//! and [`BtfView::string`] pass an id or offset below the own range on to the base.

use std::ffi::CStr;
use std::fmt;

use crate::error::{Error, ErrorKind, Place, Result};
use crate::graph::Head;
use crate::header::{Endian, Header};
use crate::ids::{StrOff, TypeId};
use crate::kind::{Info, Kind, RECORD_BYTES};

/// A parsed BTF that borrows its bytes and, if it is a split BTF, its base.
#[derive(Clone)]
pub struct BtfView<'a> {
    data: &'a [u8],
    header: Header,
    types: &'a [u8],
    strings: &'a [u8],
    /// Byte offset of each own record in `types`, and where the last one ends.
    offsets: Vec<u32>,
    /// Kind of each own type: what most passes ask first, and often all that they ask.
    kinds: Vec<Kind>,
    /// Largest offset of an own type's name, and largest id that an own type (which merges) refers to.
    largest: (u32, u32),
    base: Option<&'a BtfView<'a>>,
    first_id: u32,
    str_start: u32,
}

impl<'a> BtfView<'a> {
    /// Parses a BTF that stands alone (vmlinux, `.BTF.base`).
    pub fn parse(data: &'a [u8]) -> Result<BtfView<'a>> {
        BtfView::parse_on(data, None)
    }

    /// Parses a split BTF on top of its base, which may be a split BTF itself.
    pub fn parse_split(data: &'a [u8], base: &'a BtfView<'a>) -> Result<BtfView<'a>> {
        BtfView::parse_on(data, Some(base))
    }

    /// Parses a split BTF if there is a base, else one that stands alone.
    pub fn parse_on(data: &'a [u8], base: Option<&'a BtfView<'a>>) -> Result<BtfView<'a>> {
        match BtfView::parse_some(data, base)? {
            (_, Some(damage)) => Err(damage),
            (view, None) => Ok(view),
        }
    }

    /// The same as far as the records can be read; [`BtfView::rest`] is what is left.
    pub(crate) fn parse_prefix(data: &'a [u8], base: Option<&'a BtfView<'a>>) -> Result<BtfView<'a>> {
        Ok(BtfView::parse_some(data, base)?.0)
    }

    /// The records that can be read, and why not all of them.
    fn parse_some(data: &'a [u8], base: Option<&'a BtfView<'a>>) -> Result<(BtfView<'a>, Option<Error>)> {
        let header = Header::parse(data)?;
        if base.is_some_and(|b| b.endian() != header.endian()) {
            let text = format!("the byte order is {:?}, that of the base is the other one", header.endian());
            return Err(Error::new(ErrorKind::Base, Place::Whole, text));
        }
        let (types, strings) = (&data[header.types()], &data[header.strings()]);
        if base.is_none() && data.len() == header.byte_size() {
            let text = "there is nothing after the header";
            return Err(Error::new(ErrorKind::Truncated, Place::Whole, text).with_rule("H7"));
        }
        check_strings(strings, base.is_none())?;
        let (first_id, str_start) = match base {
            Some(b) => (b.end_id().0, b.str_end().0),
            None => (1, 0),
        };
        let (Scan { offsets, kinds, largest }, damage) = scan(types, header.endian(), first_id);
        let limit = |text| Error::new(ErrorKind::Limit, Place::Whole, text);
        u32::try_from(kinds.len())
            .ok()
            .and_then(|n| first_id.checked_add(n))
            .ok_or_else(|| limit("type ids exceed 32 bits"))?;
        u32::try_from(strings.len())
            .ok()
            .and_then(|n| str_start.checked_add(n))
            .ok_or_else(|| limit("string offsets exceed 32 bits"))?;
        Ok((BtfView { data, header, types, strings, offsets, kinds, largest, base, first_id, str_start }, damage))
    }

    /// Bytes of a `long`, which on Linux are those of a pointer, if there is that type.
    pub fn word_size(&self) -> Option<u32> {
        let long = |name: &[u8]| matches!(name, b"long unsigned int" | b"unsigned long" | b"long int" | b"long");
        let mut ints = self.types_of(|kind| kind == Kind::Int);
        ints.find(|(_, t)| self.string(t.name_off()).is_some_and(long)).and_then(|(_, t)| t.byte_size())
    }

    /// Byte order.
    pub fn endian(&self) -> Endian {
        self.header.endian()
    }

    /// The header.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// All bytes that were handed in.
    pub fn bytes(&self) -> &'a [u8] {
        self.data
    }

    /// The base of a split BTF.
    pub fn base(&self) -> Option<&'a BtfView<'a>> {
        self.base
    }

    /// Id of the first own type: 1, or the first one after the base.
    pub fn first_id(&self) -> TypeId {
        TypeId(self.first_id)
    }

    /// One past the id of the last own type.
    pub fn end_id(&self) -> TypeId {
        TypeId(self.first_id + self.kinds.len() as u32)
    }

    /// Number of own types.
    pub fn type_count(&self) -> usize {
        self.kinds.len()
    }

    /// Offset of the first own string: 0, or the first one after the base's.
    pub fn str_start(&self) -> StrOff {
        StrOff(self.str_start)
    }

    /// One past the offset of the last own string byte.
    pub fn str_end(&self) -> StrOff {
        StrOff(self.str_start + self.strings.len() as u32)
    }

    /// The bytes of the type section after the last record: none, but in a view of [`BtfView::parse_prefix`].
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.offsets.last().and_then(|&end| self.types.get(end as usize..)).unwrap_or(&[])
    }

    /// The own string bytes: NUL-terminated strings glued together.
    pub fn strings(&self) -> &'a [u8] {
        self.strings
    }

    /// The string at `offset`, without its NUL; also in the base, also from the middle of a string. None if the offset
    /// is outside all string sections.
    pub fn string(&self, offset: StrOff) -> Option<&'a [u8]> {
        CStr::from_bytes_until_nul(self.string_tail(offset)?).ok().map(CStr::to_bytes)
    }

    /// The string at `offset` with all that follows in its section: for those who need not search for its NUL, which may be
    /// megabytes away.
    pub fn string_tail(&self, offset: StrOff) -> Option<&'a [u8]> {
        let view = self.level(|v| offset.0 >= v.str_start)?;
        view.strings.get((offset.0 - view.str_start) as usize..).filter(|tail| !tail.is_empty())
    }

    /// The type with this id, own or of the base. None for void and for ids that do not exist.
    pub fn get(&self, id: TypeId) -> Option<TypeView<'a>> {
        let view = self.level(|v| id.0 >= v.first_id)?;
        view.own((id.0 - view.first_id) as usize)
    }

    /// The own type with this number, counted from 0.
    #[inline]
    fn own(&self, number: usize) -> Option<TypeView<'a>> {
        let kind = *self.kinds.get(number)?;
        let (start, end) = (*self.offsets.get(number)?, *self.offsets.get(number + 1)?);
        let record = self.types.get(start as usize..end as usize)?;
        let info = Info::from_word(self.endian().read_u32(record, 4)?);
        Some(TypeView { kind, endian: self.endian(), kflag: info.kflag, vlen: info.vlen, record })
    }

    /// The own types in id order; those of the base are not among them.
    pub fn types(&self) -> impl ExactSizeIterator<Item = (TypeId, TypeView<'a>)> + Clone + '_ {
        (0..self.kinds.len()).map(|n| {
            // The offsets came from a scan of these bytes, so the record is there; the fallback is never taken.
            (TypeId(self.first_id + n as u32), self.own(n).unwrap_or(TypeView::NONE))
        })
    }

    /// The own types of some kinds, in id order. The records of others are not looked at.
    pub fn types_of(&self, wanted: impl Fn(Kind) -> bool) -> impl Iterator<Item = (TypeId, TypeView<'a>)> {
        let numbers = self.kinds.iter().enumerate().filter(move |(_, kind)| wanted(**kind)).map(|(n, _)| n);
        numbers.filter_map(|n| Some((TypeId(self.first_id + n as u32), self.own(n)?)))
    }

    /// The first own type of a kind with this name, by a pass over the types of that kind.
    pub fn find(&self, kind: Kind, name: &[u8]) -> Option<(TypeId, TypeView<'a>)> {
        self.types_of(|k| k == kind).find(|(_, t)| self.string(t.name_off()) == Some(name))
    }

    /// The kind of the type with this id, own or of the base. None for void and for ids that do not exist.
    #[inline]
    pub fn kind(&self, id: TypeId) -> Option<Kind> {
        let view = self.level(|v| id.0 >= v.first_id)?;
        view.kinds.get((id.0 - view.first_id) as usize).copied()
    }

    /// Whether an own type has a name that is not there or, unless it is a FUNC, VAR, DATASEC or DECL_TAG, refers to a type
    /// that is not there.
    pub fn is_dangling(&self) -> bool {
        let (name, target) = self.largest;
        name > 0 && name >= self.str_end().0 || target >= self.end_id().0
    }

    /// This view and its bases, the lowest first.
    pub fn levels(&self) -> Vec<&BtfView<'a>> {
        let mut levels: Vec<_> = std::iter::successors(Some(self), |view| view.base).collect();
        levels.reverse();
        levels
    }

    /// This view or the nearest base for which `wanted` holds.
    #[inline]
    fn level(&self, wanted: impl Fn(&BtfView<'a>) -> bool) -> Option<&BtfView<'a>> {
        let mut view = self;
        while !wanted(view) {
            view = view.base?;
        }
        Some(view)
    }
}

impl fmt::Debug for BtfView<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BtfView")
            .field("endian", &self.endian())
            .field("ids", &(self.first_id()..self.end_id()))
            .field("strings", &(self.str_start()..self.str_end()))
            .field("split", &self.base.is_some())
            .finish()
    }
}

fn check_strings(strings: &[u8], standalone: bool) -> Result<()> {
    let wrong = |offset: usize, text| {
        let place = Place::Part { part: "strings", offset: offset as u64 };
        Err(Error::new(ErrorKind::Strings, place, text).with_rule("S2"))
    };
    match strings {
        [] if standalone => wrong(0, "there are no strings, not even the empty one"),
        [first, ..] if standalone && *first != 0 => wrong(0, "the first string is not the empty one"),
        [.., last] if *last != 0 => wrong(strings.len() - 1, "the last string does not end in a NUL"),
        _ => Ok(()),
    }
}

/// What one pass over the records tells; see the fields of [`BtfView`].
struct Scan {
    offsets: Vec<u32>,
    kinds: Vec<Kind>,
    largest: (u32, u32),
}

/// Reads the records one after the other, up to the end or to one that cannot be read; why not is the second part.
fn scan(types: &[u8], endian: Endian, first_id: u32) -> (Scan, Option<Error>) {
    // Compiled for each byte order by itself: a base is scanned for every file, and the order would be asked for at each word.
    match endian {
        Endian::Little => scan_in(types, Endian::Little, first_id),
        Endian::Big => scan_in(types, Endian::Big, first_id),
    }
}

#[inline(always)]
fn scan_in(types: &[u8], endian: Endian, first_id: u32) -> (Scan, Option<Error>) {
    let mut shapes = [None; Kind::ALL.len() + 1];
    for kind in Kind::ALL {
        shapes[kind as usize] = Some((kind, kind.trailer()));
    }
    // Records of kernels average about 25 bytes.
    let mut offsets = Vec::with_capacity(types.len() / 24);
    let mut kinds = Vec::with_capacity(types.len() / 24);
    let mut largest = (0, 0);
    let mut at = 0;
    let mut damage = None;
    while at < types.len() {
        let left = types.len() - at;
        let wrong = |kind, rule, text: String| {
            let text = format!("type {}: {text}", u64::from(first_id) + kinds.len() as u64);
            Some(Error::new(kind, Place::Part { part: "types", offset: at as u64 }, text).with_rule(rule))
        };
        let Some(info) = endian.read_u32(types, at + 4).filter(|_| left >= RECORD_BYTES) else {
            damage = wrong(ErrorKind::Truncated, "M1", format!("{left} bytes left, a record has 12"));
            break;
        };
        let info = Info::from_word(info);
        let Some(&Some((kind, (fixed, each)))) = shapes.get(info.kind_number as usize) else {
            damage = wrong(ErrorKind::Record, "M2", format!("kind {} is not known", info.kind_number));
            break;
        };
        // FUNC uses vlen for the linkage, which adds nothing: its `each` is 0. At most 24 bits times 12.
        let needed = RECORD_BYTES + fixed + each * info.vlen as usize;
        if needed > left {
            damage = wrong(ErrorKind::Truncated, "M1", format!("{left} bytes left, {needed} needed"));
            break;
        }
        offsets.push(at as u32);
        kinds.push(kind);
        let record = &types[at..at + needed];
        largest.0 = largest.0.max(word(endian, record, 0));
        largest.1 = largest.1.max(largest_reference(endian, kind, record));
        at += needed;
    }
    offsets.push(at as u32);
    (Scan { offsets, kinds, largest }, damage)
}

/// The largest id that a record refers to; 0 for FUNC, VAR, DATASEC and DECL_TAG.
#[inline(always)]
fn largest_reference(endian: Endian, kind: Kind, record: &[u8]) -> u32 {
    let elements = |size: usize| {
        let elements = record[RECORD_BYTES..].chunks_exact(size);
        elements.fold(0, |largest: u32, e| largest.max(word(endian, e, 4)))
    };
    match kind {
        Kind::Struct | Kind::Union => elements(12),
        Kind::FuncProto => elements(8).max(word(endian, record, 8)),
        Kind::Array => word(endian, record, 12).max(word(endian, record, 16)),
        Kind::Ptr | Kind::Typedef | Kind::Volatile | Kind::Const | Kind::Restrict | Kind::TypeTag => {
            word(endian, record, 8)
        }
        Kind::Int
        | Kind::Enum
        | Kind::Enum64
        | Kind::Fwd
        | Kind::Float
        | Kind::Func
        | Kind::Var
        | Kind::Datasec
        | Kind::DeclTag => 0,
    }
}

/// One type record with its trailer. Accessors of a trailer that the kind does not have return None or nothing.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TypeView<'a> {
    kind: Kind,
    endian: Endian,
    kflag: bool,
    vlen: u32,
    /// The record from its start to the end of its trailer.
    record: &'a [u8],
}

/// The three words after an ARRAY (btf.rst 2.2.3).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct ArrayInfo {
    /// Type of the elements.
    pub elem: TypeId,
    /// Type of the index.
    pub index: TypeId,
    /// Number of elements.
    pub nelems: u32,
}

/// The word after an INT (btf.rst 2.2.1).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct IntData(pub u32);

impl IntData {
    /// Encoding bit: signed.
    pub const SIGNED: u32 = 1;
    /// Encoding bit: character.
    pub const CHAR: u32 = 2;
    /// Encoding bit: boolean.
    pub const BOOL: u32 = 4;

    /// The word with these fields; bits that do not fit are cut.
    pub fn new(encoding: u32, bit_offset: u32, nr_bits: u32) -> IntData {
        IntData((encoding & 0xf) << 24 | (bit_offset & 0xff) << 16 | nr_bits & 0xff)
    }

    /// Encoding bits: [`IntData::SIGNED`], [`IntData::CHAR`], [`IntData::BOOL`].
    pub fn encoding(self) -> u32 {
        self.0 >> 24 & 0xf
    }

    /// Offset of the value in the integer, in bits.
    pub fn bit_offset(self) -> u32 {
        self.0 >> 16 & 0xff
    }

    /// Size of the value in bits.
    pub fn nr_bits(self) -> u32 {
        self.0 & 0xff
    }
}

/// A member of a struct or union (btf.rst 2.2.4).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct MemberView {
    /// Name; the empty string for an anonymous member.
    pub name_off: StrOff,
    /// Type of the member.
    pub type_id: TypeId,
    /// The third word; what it means depends on the kflag of the composite.
    pub offset_word: u32,
}

impl MemberView {
    fn read(endian: Endian, e: &[u8]) -> MemberView {
        MemberView {
            name_off: StrOff(word(endian, e, 0)),
            type_id: TypeId(word(endian, e, 4)),
            offset_word: word(endian, e, 8),
        }
    }

    /// Offset from the start of the composite, in bits; `kflag` is that of the composite.
    pub fn bit_offset(self, kflag: bool) -> u32 {
        if kflag { self.offset_word & 0x00ff_ffff } else { self.offset_word }
    }

    /// Size of a bit-field in bits, 0 for a member that is none; `kflag` is that of the composite.
    pub fn bit_size(self, kflag: bool) -> u32 {
        if kflag { self.offset_word >> 24 } else { 0 }
    }
}

/// A value of an ENUM or ENUM64 (btf.rst 2.2.6, 2.2.19).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct EnumeratorView {
    /// Name.
    pub name_off: StrOff,
    /// The value: sign-extended from 32 bits for a signed ENUM, zero-extended for an unsigned one. That of an unsigned
    /// ENUM64 is to be read as `value as u64`.
    pub value: i64,
    /// Low word as stored.
    pub lo: u32,
    /// High word as stored; 0 for ENUM, which has none.
    pub hi: u32,
}

/// A parameter of a FUNC_PROTO (btf.rst 2.2.13). The last one is `...` if name and type are 0.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ParamView {
    /// Name; the empty string for an anonymous parameter.
    pub name_off: StrOff,
    /// Type.
    pub type_id: TypeId,
}

/// An entry of a DATASEC (btf.rst 2.2.15).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct VarEntryView {
    /// The VAR.
    pub type_id: TypeId,
    /// Offset in the section, in bytes.
    pub byte_offset: u32,
    /// Size, in bytes.
    pub byte_size: u32,
}

impl VarEntryView {
    fn read(endian: Endian, e: &[u8]) -> VarEntryView {
        VarEntryView {
            type_id: TypeId(word(endian, e, 0)),
            byte_offset: word(endian, e, 4),
            byte_size: word(endian, e, 8),
        }
    }
}

impl<'a> TypeView<'a> {
    const NONE: TypeView<'static> =
        TypeView { kind: Kind::Ptr, endian: Endian::NATIVE, kflag: false, vlen: 0, record: &[] };

    /// Kind.
    pub fn kind(self) -> Kind {
        self.kind
    }

    /// Number of members, enumerators, parameters or entries; for a FUNC its linkage.
    pub fn vlen(self) -> u32 {
        self.vlen
    }

    /// Bit 31 of the info word.
    pub fn kflag(self) -> bool {
        self.kflag
    }

    /// The info word as stored.
    pub fn info_word(self) -> u32 {
        self.word(4)
    }

    /// Name; offset 0 if anonymous.
    pub fn name_off(self) -> StrOff {
        StrOff(self.word(0))
    }

    /// The third word: a size in bytes or a type id, by kind (see [`TypeView::byte_size`], [`TypeView::type_id`]).
    pub fn size_or_type(self) -> u32 {
        self.word(8)
    }

    /// Size in bytes as stored, for the kinds that store one.
    pub fn byte_size(self) -> Option<u32> {
        match self.kind {
            Kind::Int | Kind::Struct | Kind::Union | Kind::Enum | Kind::Enum64 | Kind::Datasec | Kind::Float => {
                Some(self.size_or_type())
            }
            Kind::Ptr
            | Kind::Array
            | Kind::Fwd
            | Kind::Typedef
            | Kind::Volatile
            | Kind::Const
            | Kind::Restrict
            | Kind::Func
            | Kind::FuncProto
            | Kind::Var
            | Kind::DeclTag
            | Kind::TypeTag => None,
        }
    }

    /// The type that the third word names (pointee, target, return type, type of a variable), for the kinds that have
    /// it there. An array's element type is in [`TypeView::array`].
    pub fn type_id(self) -> Option<TypeId> {
        match self.kind {
            Kind::Ptr
            | Kind::Typedef
            | Kind::Volatile
            | Kind::Const
            | Kind::Restrict
            | Kind::Func
            | Kind::FuncProto
            | Kind::Var
            | Kind::DeclTag
            | Kind::TypeTag => Some(TypeId(self.size_or_type())),
            Kind::Int
            | Kind::Array
            | Kind::Struct
            | Kind::Union
            | Kind::Enum
            | Kind::Fwd
            | Kind::Datasec
            | Kind::Float
            | Kind::Enum64 => None,
        }
    }

    /// The record with its trailer, as stored.
    pub fn bytes(self) -> &'a [u8] {
        self.record
    }

    /// Appends the words of the record with its trailer.
    #[inline]
    pub fn push_words(self, out: &mut Vec<u32>) {
        out.extend(self.record.chunks_exact(4).map(|b| self.endian.u32([b[0], b[1], b[2], b[3]])));
    }

    /// Replaces `record` by the words of the record with its trailer as [`crate::graph`] has them, except that names are still offsets
    /// and references ids.
    #[inline]
    pub fn read_record(self, record: &mut Vec<u32>) {
        record.clear();
        self.push_words(record);
        record[0] = Head { kind: self.kind(), kflag: self.kflag() }.word();
        record[1] = self.name_off().0;
    }

    /// Encoding, offset and size of an INT.
    pub fn int_data(self) -> Option<IntData> {
        (self.kind == Kind::Int).then(|| IntData(self.word(12)))
    }

    /// Element, index and length of an ARRAY.
    pub fn array(self) -> Option<ArrayInfo> {
        (self.kind == Kind::Array).then(|| ArrayInfo {
            elem: TypeId(self.word(12)),
            index: TypeId(self.word(16)),
            nelems: self.word(20),
        })
    }

    /// Linkage of a FUNC or VAR: 0 static, 1 global, 2 extern.
    pub fn linkage(self) -> Option<u32> {
        match self.kind {
            Kind::Func => Some(self.vlen),
            Kind::Var => Some(self.word(12)),
            _ => None,
        }
    }

    /// Component index of a DECL_TAG: member or parameter counted from 0, or -1 for the whole.
    pub fn component_index(self) -> Option<i32> {
        (self.kind == Kind::DeclTag).then(|| self.word(12) as i32)
    }

    /// Members of a STRUCT or UNION.
    pub fn members(self) -> impl DoubleEndedIterator<Item = MemberView> + ExactSizeIterator + Clone + use<'a> {
        let endian = self.endian;
        self.elements(self.is_composite(), 12).map(move |e| MemberView::read(endian, e))
    }

    /// Member `n` of a STRUCT or UNION, counted from 0.
    pub fn member(self, n: usize) -> Option<MemberView> {
        Some(MemberView::read(self.endian, self.elements(self.is_composite(), 12).nth(n)?))
    }

    /// Values of an ENUM or ENUM64.
    pub fn enumerators(self) -> impl DoubleEndedIterator<Item = EnumeratorView> + ExactSizeIterator + Clone + use<'a> {
        let (endian, signed) = (self.endian, self.kflag);
        let wide = self.kind == Kind::Enum64;
        self.elements(wide || self.kind == Kind::Enum, if wide { 12 } else { 8 }).map(move |e| {
            let (lo, hi) = (word(endian, e, 4), if wide { word(endian, e, 8) } else { 0 });
            let value = match (wide, signed) {
                (true, _) => (u64::from(hi) << 32 | u64::from(lo)) as i64,
                (false, true) => i64::from(lo as i32),
                (false, false) => i64::from(lo),
            };
            EnumeratorView { name_off: StrOff(word(endian, e, 0)), value, lo, hi }
        })
    }

    /// Parameters of a FUNC_PROTO.
    pub fn params(self) -> impl DoubleEndedIterator<Item = ParamView> + ExactSizeIterator + Clone + use<'a> {
        let endian = self.endian;
        self.elements(self.kind == Kind::FuncProto, 8)
            .map(move |e| ParamView { name_off: StrOff(word(endian, e, 0)), type_id: TypeId(word(endian, e, 4)) })
    }

    /// Parameter `n` of a FUNC_PROTO, counted from 0.
    pub fn param(self, n: usize) -> Option<ParamView> {
        let e = self.elements(self.kind == Kind::FuncProto, 8).nth(n)?;
        Some(ParamView { name_off: StrOff(word(self.endian, e, 0)), type_id: TypeId(word(self.endian, e, 4)) })
    }

    /// Entries of a DATASEC.
    pub fn vars(self) -> impl DoubleEndedIterator<Item = VarEntryView> + ExactSizeIterator + Clone + use<'a> {
        let endian = self.endian;
        self.elements(self.kind == Kind::Datasec, 12).map(move |e| VarEntryView::read(endian, e))
    }

    /// Entry `n` of a DATASEC, counted from 0.
    pub fn var(self, n: usize) -> Option<VarEntryView> {
        Some(VarEntryView::read(self.endian, self.elements(self.kind == Kind::Datasec, 12).nth(n)?))
    }

    /// Whether this is a STRUCT or UNION.
    pub fn is_composite(self) -> bool {
        matches!(self.kind, Kind::Struct | Kind::Union)
    }

    /// The vlen elements of `size` bytes after the record, or none if the kind has no such elements.
    #[inline]
    fn elements(self, own: bool, size: usize) -> std::slice::ChunksExact<'a, u8> {
        let bytes: &'a [u8] = if own { self.record.get(RECORD_BYTES..).unwrap_or(&[]) } else { &[] };
        bytes.chunks_exact(size)
    }

    #[inline]
    fn word(self, at: usize) -> u32 {
        word(self.endian, self.record, at)
    }
}

impl fmt::Debug for TypeView<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} name={:?} vlen={} ", self.kind.name(), self.name_off(), self.vlen)?;
        write!(f, "kflag={} word={}", u8::from(self.kflag), self.size_or_type())
    }
}

/// The word at a place that is known to be inside; 0 if it is not.
#[inline]
fn word(endian: Endian, bytes: &[u8], at: usize) -> u32 {
    endian.read_u32(bytes, at).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dump::dump_raw;
    use crate::testing::{Blob, every_kind};
    use crate::verify::{Options, verify};

    #[test]
    fn reads_every_kind_in_both_byte_orders() {
        for endian in [Endian::Little, Endian::Big] {
            let data = every_kind(endian).bytes();
            let view = BtfView::parse(&data).unwrap();
            assert_eq!((view.endian(), view.first_id(), view.str_start()), (endian, TypeId(1), StrOff(0)));
            assert_eq!(view.end_id().index(), view.type_count() + 1);
            let kinds: std::collections::HashSet<Kind> = view.types().map(|(_, t)| t.kind()).collect();
            assert_eq!(kinds.len(), Kind::ALL.len());
            assert!(view.types().all(|(id, ty)| view.get(id) == Some(ty)));
            let find = |kind, name: &str| {
                let found =
                    view.types().find(|(_, t)| t.kind() == kind && view.string(t.name_off()) == Some(name.as_bytes()));
                found.unwrap().1
            };
            assert_eq!(find(Kind::Int, "int").int_data(), Some(IntData::new(IntData::SIGNED, 0, 32)));
            let array = find(Kind::Array, "").array().unwrap();
            assert_eq!(array, ArrayInfo { elem: TypeId(1), index: TypeId(2), nelems: 3 });
            let bits = find(Kind::Struct, "bits");
            let places: Vec<_> = bits.members().map(|m| (m.bit_offset(true), m.bit_size(true))).collect();
            assert_eq!(places, [(0, 3), (3, 29), (64, 0)]);
            assert_eq!((bits.byte_size(), bits.type_id(), bits.member(3)), (Some(16), None, None));
            assert_eq!(bits.member(2), bits.members().last());
            let values = |kind, name| find(kind, name).enumerators().map(|e| e.value).collect::<Vec<_>>();
            assert_eq!(values(Kind::Enum, "e"), [1, 0xffff_ffff]);
            assert_eq!(values(Kind::Enum, ""), [1, -1]);
            assert_eq!(values(Kind::Enum64, "es64"), [i64::MIN, -1]);
            assert_eq!(find(Kind::FuncProto, "").params().len(), 3);
            assert_eq!(find(Kind::Func, "f1").linkage(), Some(1));
            assert_eq!(find(Kind::DeclTag, "tag").component_index(), Some(1));
            let entry = find(Kind::Datasec, ".data").var(0).unwrap();
            assert_eq!((entry.byte_offset, entry.byte_size), (8, 4));
            // Accessors of other kinds give nothing.
            assert_eq!((bits.array(), bits.int_data(), bits.linkage(), bits.params().len()), (None, None, None, 0));
        }
    }

    #[test]
    fn split_on_split_numbers_on() {
        let mut b = Blob::new();
        let int = b.int("int", 4);
        let base_data = b.bytes();
        let base = BtfView::parse(&base_data).unwrap();
        let mut b = Blob::on(&base);
        let ptr = b.ptr(int);
        b.typedef("one", ptr);
        let middle_data = b.bytes();
        let middle = BtfView::parse_split(&middle_data, &base).unwrap();
        let mut b = Blob::on(&middle);
        let own = b.structure("two", 4, &[("x", int, 0)]);
        let data = b.bytes();
        let view = BtfView::parse_split(&data, &middle).unwrap();

        assert_eq!((view.first_id(), view.end_id()), (TypeId(4), TypeId(5)));
        assert_eq!(view.types().map(|(id, _)| id).collect::<Vec<_>>(), [TypeId(own)]);
        let name = |id| view.get(TypeId(id)).and_then(|t| view.string(t.name_off()));
        assert_eq!(
            [0, 1, 2, 3, 4, 5].map(name),
            [None, Some("int"), Some(""), Some("one"), Some("two"), None].map(|n: Option<&str>| n.map(str::as_bytes))
        );
        assert_eq!(view.string(StrOff(2)), Some(&b"nt"[..]));
        assert_eq!(view.string(view.str_end()), None);
        assert_eq!(view.base().unwrap().base().unwrap().end_id(), TypeId(2));

        // A header alone is a fine split BTF, but not a base; the byte orders must agree.
        let empty = Blob::on(&view).bytes();
        assert_eq!(BtfView::parse_split(&empty, &view).unwrap().type_count(), 0);
        assert_eq!(BtfView::parse(&empty).unwrap_err().rule(), Some("H7"));
        let big = Blob::with_endian(Endian::Big).bytes();
        assert_eq!(BtfView::parse_split(&big, &base).unwrap_err().kind(), ErrorKind::Base);
    }

    #[test]
    fn records_that_derail_the_scan_are_errors() {
        let fail = |words: &[u32]| {
            let mut b = Blob::new();
            b.int("int", 4);
            b.words(words);
            BtfView::parse(&b.bytes()).unwrap_err().to_string()
        };
        assert_eq!(fail(&[0, 0]), "BTF types+0x10: type 2: 8 bytes left, a record has 12");
        assert_eq!(fail(&[0, 0, 0]), "BTF types+0x10: type 2: kind 0 is not known");
        assert_eq!(fail(&[0, 20 << 24, 0]), "BTF types+0x10: type 2: kind 20 is not known");
        assert_eq!(fail(&[0, 0x7f << 24, 0]), "BTF types+0x10: type 2: kind 127 is not known");
        assert_eq!(fail(&[0, 0x04ff_ffff, 0]), "BTF types+0x10: type 2: 12 bytes left, 201326592 needed");
        let strings = |bytes: &[u8]| {
            let mut b = Blob::new();
            b.strings = bytes.to_vec();
            b.int("", 4);
            BtfView::parse(&b.bytes()).unwrap_err().to_string()
        };
        assert_eq!(strings(b"a\0"), "BTF strings+0x0: the first string is not the empty one");
        assert_eq!(strings(b"\0a"), "BTF strings+0x1: the last string does not end in a NUL");
        assert_eq!(strings(b""), "BTF strings+0x0: there are no strings, not even the empty one");
    }

    /// Reads all that can be read.
    fn exercise(data: &[u8], base: Option<&BtfView<'_>>) -> bool {
        let Ok(view) = BtfView::parse_on(data, base) else { return false };
        dump_raw(&view, &mut std::io::sink()).unwrap();
        verify(&view, &Options::default());
        true
    }

    #[test]
    fn no_damage_panics() {
        for endian in [Endian::Little, Endian::Big] {
            let data = every_kind(endian).bytes();
            for end in 0..data.len() {
                assert!(!exercise(&data[..end], None), "cut at {end}");
            }
            for at in 0..data.len() {
                for byte in [0, 1, 0x7f, 0x80, 0xff, data[at] ^ 1, data[at].wrapping_add(4)] {
                    let mut changed = data.clone();
                    changed[at] = byte;
                    exercise(&changed, None);
                    let base = BtfView::parse(&data).unwrap();
                    exercise(&changed, Some(&base));
                }
            }
        }
    }

    #[test]
    fn what_leads_nowhere_is_noticed() {
        let mut good = every_kind(Endian::Little);
        let data = good.bytes();
        assert!(!BtfView::parse(&data).unwrap().is_dangling());
        let next = BtfView::parse(&data).unwrap().end_id().0;
        let name_end = BtfView::parse(&data).unwrap().str_end().0;
        // A FUNC may come before what it refers to is known; other types may not refer to what is not there.
        good.func("f", 0, next + 7);
        assert!(!BtfView::parse(&good.bytes()).unwrap().is_dangling());
        let bad: [fn(&mut Blob, u32); 5] = [
            |blob, id| _ = blob.ptr(id),
            |blob, id| _ = blob.array(1, id, 3),
            |blob, id| _ = blob.structure("s", 8, &[("a", 1, 0), ("b", id, 32)]),
            |blob, id| _ = blob.proto(0, &[("a", 1), ("b", id)]),
            |blob, id| _ = blob.proto(id, &[]),
        ];
        for add in bad {
            let mut blob = good.clone();
            add(&mut blob, next + 2);
            assert!(BtfView::parse(&blob.bytes()).unwrap().is_dangling());
        }
        let mut blob = good.clone();
        blob.raw(name_end + 100, Kind::Func, 0, false, 1, &[]);
        assert!(BtfView::parse(&blob.bytes()).unwrap().is_dangling());
    }
}
