//! Where a C compiler puts members, and what has to be written so that it puts them where BTF says.
//!
//! BTF has offsets and sizes, no alignments. So a composite is laid out as a compiler would do it with nothing added, and wherever the
//! result is not what BTF says, something is: `aligned` on a member or on the composite, unnamed bit-fields, or, if a member's or the
//! composite's place breaks an alignment, `packed` and unnamed bit-fields for all that is not filled. What then comes out is right whatever was
//! in the source; where it was `aligned`, the same is found again if a size or an offset shows it.
//!
//! Machines differ in the alignment of what is larger than a word (8 bytes are aligned to 4 in structs of i386, 16 to 8 on s390), and BTF
//! does not tell the machine. Each composite is laid out under both assumptions ([`Aligns`]), and is written such that both give the
//! same. Bit-fields follow the System V rule: one must not cross more units of its type's alignment than its type does.

use std::rc::Rc;

use crate::error::{Error, ErrorKind, Place, Result};
use crate::ids::TypeId;
use crate::kind::Kind;
use crate::view::{BtfView, MemberView, TypeView};

/// Alignments in bytes, powers of two: with everything aligned to its size, up to 16, and with nothing aligned to more than a word.
pub type Aligns = [u32; 2];

/// The largest alignment that is written as `aligned`: more than a page of any machine.
const MAX_ALIGNED: u64 = 1 << 16;
/// More bytes than so many units are filled by an array of bytes, which has a name, instead of bit-fields, which have none.
const MAX_PAD_UNITS: u64 = 512;
/// A size that no type has; what is larger could overflow when counted in bits.
const MAX_BYTES: u64 = 1 << 48;

/// Size and alignment of a type as it is written in C.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    /// Size in bytes.
    pub bytes: u64,
    /// Alignment.
    pub aligns: Aligns,
    /// Of an integer that does not fill its bytes: first bit and number of bits.
    narrow: Option<(u8, u8)>,
}

impl Layout {
    fn new(bytes: u64, aligns: Aligns) -> Layout {
        Layout { bytes, aligns, narrow: None }
    }
}

/// What stands before a member, or at the end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Gap {
    /// Nothing.
    None,
    /// `aligned` with so many bytes; on a composite at its end.
    Aligned(u32),
    /// Unnamed bit-fields, from this bit to that one.
    Bits(u64, u64),
}

/// How a composite is written.
#[derive(Clone, Debug)]
pub struct Plan {
    /// How the whole is aligned.
    pub layout: Layout,
    /// Whether it is `packed`.
    pub packed: bool,
    /// What stands before each member, and after the last one.
    pub gaps: Vec<Gap>,
    /// Bytes of the largest unnamed bit-field.
    pub unit: u32,
    /// Why C has no members in these places, if it is so: all is written as bytes.
    pub opaque: Option<String>,
}

/// The layouts of all types that were asked for, by id.
pub struct Layouts<'v, 'a> {
    view: &'v BtfView<'a>,
    /// Bytes of a `long` and of a pointer: 4 or 8.
    pub word: u32,
    known: Vec<Option<Layout>>,
    /// By id: the type that a reference to this one means.
    definitions: Rc<[TypeId]>,
}

impl<'v, 'a> Layouts<'v, 'a> {
    pub fn new(view: &'v BtfView<'a>, definitions: Rc<[TypeId]>) -> Layouts<'v, 'a> {
        let known = view.levels().iter().find_map(|level| level.word_size().filter(|word| matches!(word, 4 | 8)));
        let word = known.unwrap_or(if has_short_pointers(view) { 4 } else { 8 });
        Layouts { view, word, known: vec![None; view.end_id().index()], definitions }
    }

    /// Learns the layout of a type, whose parts are known.
    pub fn learn(&mut self, id: TypeId, ty: TypeView<'a>) -> Result<()> {
        let layout = match ty.kind() {
            Kind::Int => Some(self.integer(ty)),
            Kind::Float | Kind::Enum | Kind::Enum64 => Some(self.scalar(ty.size_or_type())),
            Kind::Ptr => Some(self.scalar(self.word)),
            Kind::Typedef | Kind::Volatile | Kind::Const | Kind::Restrict | Kind::TypeTag => {
                self.of(TypeId(ty.size_or_type()))
            }
            Kind::Array => {
                let a = ty.array().unwrap_or_default();
                self.of(a.elem).and_then(|elem| {
                    let bytes = elem.bytes.checked_mul(u64::from(a.nelems)).filter(|&bytes| bytes < MAX_BYTES)?;
                    Some(Layout::new(bytes, elem.aligns))
                })
            }
            Kind::Struct | Kind::Union => Some(self.plan(id, ty)?.layout),
            Kind::Fwd | Kind::Func | Kind::FuncProto | Kind::Var | Kind::Datasec | Kind::DeclTag => None,
        };
        if let Some(known) = self.known.get_mut(id.index()) {
            *known = layout;
        }
        Ok(())
    }

    /// The layout of a type that was learnt, unless it has no size.
    pub fn of(&self, id: TypeId) -> Option<Layout> {
        *self.known.get(self.definitions.get(id.index())?.index())?
    }

    fn integer(&self, ty: TypeView<'a>) -> Layout {
        let bytes = ty.size_or_type();
        // Those that C has no integer of are written as bytes.
        match bytes {
            1 | 2 | 4 | 8 => Layout { narrow: self.narrow(ty), ..self.scalar(bytes) },
            16 if self.word == 8 => Layout { narrow: self.narrow(ty), ..self.scalar(bytes) },
            _ => Layout::new(u64::from(bytes), [1, 1]),
        }
    }

    fn scalar(&self, bytes: u32) -> Layout {
        // A size that is no power of two is that of a `long double` of i386, which is aligned to 4, or written as bytes.
        let natural = (1 << bytes.trailing_zeros().min(4)).min(16);
        let align = if bytes.is_power_of_two() || bytes == 12 { natural } else { 1 };
        Layout::new(u64::from(bytes), [align, align.min(self.word)])
    }

    /// How to write a STRUCT or UNION whose members' types are known.
    pub fn plan(&self, id: TypeId, ty: TypeView<'a>) -> Result<Plan> {
        let mut fields = Vec::with_capacity(ty.vlen() as usize);
        for (n, member) in ty.members().enumerate() {
            fields.push(self.field(id, ty, n, member)?);
        }
        let bits = u64::from(ty.size_or_type()) * 8;
        let plan = match ty.kind() {
            Kind::Union => union(&fields, bits),
            _ => structure(&fields, bits, false).or_else(|_| structure(&fields, bits, true)),
        };
        Ok(plan.map_or_else(|why| self.opaque(ty, why), |plan| self.with_unit(plan)))
    }

    fn field(&self, id: TypeId, ty: TypeView<'a>, n: usize, member: MemberView) -> Result<Field> {
        let Some(layout) = self.of(member.type_id) else {
            let text = format!("member {n} is of type {}, which has no size", member.type_id);
            return Err(Error::new(ErrorKind::Record, Place::Type(id), text));
        };
        let (start, width) = self.place(ty, member);
        let nameless = member.name_off.0 == 0;
        Ok(Field { start, width, type_bits: layout.bytes * 8, aligns: layout.aligns, nameless })
    }

    /// First bit of a member, and its width if it is a bit-field, else 0. Compilers of 2018 did not say in the struct that it has bit-fields;
    /// their members are of integers that are narrower than their bytes.
    pub fn place(&self, ty: TypeView<'a>, member: MemberView) -> (u64, u64) {
        let start = u64::from(member.bit_offset(ty.kflag()));
        if ty.kflag() {
            return (start, u64::from(member.bit_size(true)));
        }
        match self.of(member.type_id).and_then(|layout| layout.narrow) {
            Some((offset, bits)) => (start + u64::from(offset), u64::from(bits)),
            None => (start, 0),
        }
    }

    /// Offset and width of an integer that does not fill its bytes, unless C has integers of such a width.
    fn narrow(&self, ty: TypeView<'a>) -> Option<(u8, u8)> {
        let int = ty.int_data().filter(|int| int.nr_bits() < ty.size_or_type().saturating_mul(8))?;
        let name = self.view.string(ty.name_off())?;
        let is_bit_int = name.windows(7).any(|word| word == b"_BitInt");
        (!is_bit_int).then_some((int.bit_offset() as u8, int.nr_bits() as u8))
    }

    /// Unnamed bit-fields must not align the composite, as on ARM they do, to more than its members do.
    fn with_unit(&self, mut plan: Plan) -> Plan {
        let largest = if plan.packed { self.word } else { plan.layout.aligns[0].min(plan.layout.aligns[1]) };
        plan.unit = largest.min(self.word);
        plan
    }

    fn opaque(&self, ty: TypeView<'a>, why: &'static str) -> Plan {
        let layout = Layout::new(u64::from(ty.size_or_type()), [1, 1]);
        Plan { layout, packed: false, gaps: Vec::new(), unit: 1, opaque: Some(why.into()) }
    }
}

/// Whether a struct has less than 8 bytes of room for a pointer: tells the machine where there is no `long`.
fn has_short_pointers(view: &BtfView<'_>) -> bool {
    let composites = view.levels().into_iter().flat_map(|level| level.types_of(|kind| kind == Kind::Struct));
    let mut members = composites.flat_map(|(_, ty)| {
        let ends = ty.members().skip(1).map(move |next| next.bit_offset(ty.kflag()));
        let ends = ends.chain([ty.size_or_type().saturating_mul(8)]);
        ty.members().zip(ends).map(move |(member, end)| (member.type_id, member.bit_offset(ty.kflag()), end))
    });
    members.any(|(id, start, end)| view.kind(id) == Some(Kind::Ptr) && end.saturating_sub(start) < 64)
}

/// A member as far as its place is concerned; all in bits but the alignments.
struct Field {
    start: u64,
    /// 0 if it is no bit-field.
    width: u64,
    type_bits: u64,
    aligns: Aligns,
    nameless: bool,
}

impl Field {
    fn bits(&self) -> u64 {
        if self.width > 0 { self.width } else { self.type_bits }
    }

    /// Where a compiler would put it if the one before ends at `end`.
    fn natural(&self, end: u64, align_bits: u64) -> u64 {
        if self.width > 0 && end % align_bits + self.width <= self.type_bits {
            end
        } else {
            end.next_multiple_of(align_bits)
        }
    }

    /// Whether it can be where it is without `packed`.
    fn is_aligned(&self) -> bool {
        self.aligns.iter().map(|&align| u64::from(align) * 8).all(|align| match self.width {
            0 => self.start % align == 0,
            width => self.start % align + width <= self.type_bits,
        })
    }
}

/// A plan, or what C cannot say: without `packed`, or at all.
type Outcome = std::result::Result<Plan, &'static str>;

fn structure(fields: &[Field], bits: u64, packed: bool) -> Outcome {
    let mut aligns: Aligns = [1, 1];
    let mut gaps = Vec::with_capacity(fields.len() + 1);
    let mut end = 0;
    for field in fields {
        if field.start < end {
            return Err("members overlap");
        }
        if field.width > field.type_bits {
            return Err("a bit-field is wider than its type");
        }
        if field.width == 0 && field.start % 8 != 0 {
            return Err("a member that is no bit-field does not begin with a byte");
        }
        if !packed && !field.is_aligned() {
            return Err("packed");
        }
        let at = if packed { [1, 1] } else { field.aligns };
        let natural = at.map(|align| match (packed, field.width) {
            (true, 1..) => end,
            _ => field.natural(end, u64::from(align) * 8),
        });
        let mut gap = if natural == [field.start; 2] { Gap::None } else { Gap::Bits(end, field.start) };
        if gap != Gap::None && !packed && field.width == 0 && !field.nameless {
            if let Some(align) = shown_by(end, field.start, at).filter(|align| bits % (u64::from(*align) * 8) == 0) {
                gap = Gap::Aligned(align);
                raise(&mut aligns, [align; 2]);
            }
        }
        raise(&mut aligns, at);
        gaps.push(gap);
        end = field.start + field.bits();
    }
    if bits < end {
        return Err("a member is beyond the end");
    }
    let mut gap = if end == bits { Gap::None } else { Gap::Bits(end, bits) };
    if aligns.iter().any(|&align| bits % (u64::from(align) * 8) != 0) {
        return Err("packed");
    }
    if aligns.iter().all(|&align| end.next_multiple_of(u64::from(align) * 8) == bits) {
        gap = Gap::None;
    } else if let Some(align) = shown_by(end, bits, aligns).filter(|_| !packed) {
        gap = Gap::Aligned(align);
        raise(&mut aligns, [align; 2]);
    }
    gaps.push(gap);
    Ok(Plan { layout: Layout::new(bits / 8, aligns), packed, gaps, unit: 1, opaque: None })
}

fn union(fields: &[Field], bits: u64) -> Outcome {
    if fields.iter().any(|field| field.start != 0) {
        return Err("a member of a union is not at its start");
    }
    if fields.iter().any(|field| field.width > field.type_bits) {
        return Err("a bit-field is wider than its type");
    }
    let largest = fields.iter().map(Field::bits).max().unwrap_or(0).next_multiple_of(8);
    if bits < largest {
        return Err("a member is beyond the end");
    }
    let mut aligns: Aligns = [1, 1];
    fields.iter().for_each(|field| raise(&mut aligns, field.aligns));
    let packed = aligns.iter().any(|&align| bits % (u64::from(align) * 8) != 0);
    if packed {
        aligns = [1, 1];
    }
    let mut gaps = vec![Gap::None; fields.len() + 1];
    if aligns.iter().any(|&align| largest.next_multiple_of(u64::from(align) * 8) != bits) {
        let align = shown_by(largest, bits, aligns);
        gaps[fields.len()] = align.map_or(Gap::Bits(0, bits), Gap::Aligned);
        raise(&mut aligns, [align.unwrap_or(1); 2]);
    }
    Ok(Plan { layout: Layout::new(bits / 8, aligns), packed, gaps, unit: 1, opaque: None })
}

fn raise(aligns: &mut Aligns, to: Aligns) {
    aligns.iter_mut().zip(to).for_each(|(align, to)| *align = (*align).max(to));
}

/// The smallest alignment, in bytes, that moves what would begin at bit `end` to bit `start`, if it says more than one of these does.
fn shown_by(end: u64, start: u64, aligns: Aligns) -> Option<u32> {
    let mut align = u64::from(aligns[0].min(aligns[1])) * 2;
    while align <= MAX_ALIGNED {
        if end.next_multiple_of(align * 8) == start && aligns.iter().all(|&a| u64::from(a) <= align) {
            return u32::try_from(align).ok();
        }
        align *= 2;
    }
    None
}

/// A piece of a gap that is filled.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Pad {
    /// An unnamed bit-field: bytes of its type, bits.
    Bits(u32, u64),
    /// Bytes from this one on, so many.
    Bytes(u64, u64),
}

/// What fills the bits from `start` to `end` if no bit-field is larger than `unit` bytes: none crosses a unit.
pub fn pads(start: u64, end: u64, unit: u32) -> Vec<Pad> {
    let unit_bits = u64::from(unit) * 8;
    if (end - start) / unit_bits > MAX_PAD_UNITS {
        let first = start.next_multiple_of(8);
        let mut pads = vec![Pad::Bytes(first / 8, (end - first) / 8)];
        if first > start {
            pads.insert(0, Pad::Bits(1, first - start));
        }
        if end % 8 != 0 {
            pads.push(Pad::Bits(1, end % 8));
        }
        return pads;
    }
    let mut pads = Vec::new();
    let mut at = start;
    while at < end {
        let next = ((at / unit_bits + 1) * unit_bits).min(end);
        pads.push(Pad::Bits(unit, next - at));
        at = next;
    }
    pads
}
