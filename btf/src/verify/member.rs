//! Where a member of a struct or union stands, and what of its type fits there: R11 to R19.

use crate::kind::Kind;
use crate::view::{IntData, MemberView, TypeView};

/// Bits that a member of type INT may span, counted from the byte where it starts (R17).
const MAX_COPY_BITS: u32 = 128;
/// Bits of an enum bit-field at most, and of an enum in a struct with bit-fields always: those of a C `int`.
const ENUM_BITS: u32 = 32;

/// A rule and its text, as an error.
pub(super) type Checked = Result<(), (&'static str, &'static str)>;

/// Checks a member of `whole`, whose modifiers end in `ty`, of `bytes` bytes.
pub(super) fn check_place(
    whole: TypeView<'_>,
    member: MemberView,
    ty: TypeView<'_>,
    bytes: u32,
    pointer_bytes: u32,
) -> Checked {
    let kflag = whole.kflag();
    let (offset, field_bits) = (member.bit_offset(kflag), member.bit_size(kflag));
    match ty.kind() {
        Kind::Int => {
            let int = ty.int_data().unwrap_or_default();
            let bits = int_bits(int, is_regular_int(ty), kflag, member)?;
            let offset = if kflag { offset } else { offset + int.bit_offset() };
            if bits + offset % 8 > MAX_COPY_BITS {
                return Err(("R17", "nr_copy_bits exceeds 128"));
            }
            must_fit(whole, offset, bits)
        }
        Kind::Enum | Kind::Enum64 if kflag => {
            if field_bits == 0 && offset % 8 != 0 {
                return Err(("R11", "Member is not byte aligned"));
            }
            if field_bits > ENUM_BITS {
                return Err(("R15", "Invalid member bitfield_size"));
            }
            must_fit(whole, offset, if field_bits == 0 { ENUM_BITS } else { field_bits })
        }
        Kind::Float => {
            if field_bits != 0 {
                return Err(("R13", "Invalid member bitfield_size"));
            }
            let align_bits = u64::from(pointer_bytes.min(bytes)) * 8;
            if u64::from(offset).checked_rem(align_bits).unwrap_or(0) != 0 {
                return Err(("R19", "Member is not properly aligned"));
            }
            must_fit(whole, offset, bytes.saturating_mul(8))
        }
        Kind::Ptr | Kind::Struct | Kind::Union | Kind::Array | Kind::Enum | Kind::Enum64 => {
            if field_bits != 0 {
                return Err(("R13", "Invalid member bitfield_size"));
            }
            if offset % 8 != 0 {
                return Err(("R11", "Member is not byte aligned"));
            }
            if u64::from(offset / 8) + u64::from(bytes) > u64::from(whole.size_or_type()) {
                return Err(("R12", "Member exceeds struct_size"));
            }
            Ok(())
        }
        // These have no size, or cannot be members.
        Kind::Fwd
        | Kind::Typedef
        | Kind::Volatile
        | Kind::Const
        | Kind::Restrict
        | Kind::Func
        | Kind::FuncProto
        | Kind::Var
        | Kind::Datasec
        | Kind::DeclTag
        | Kind::TypeTag => Err(("R10", "Invalid member")),
    }
}

/// Whether it is an INT that fills a power of two of bytes.
pub(super) fn is_regular_int(ty: TypeView<'_>) -> bool {
    ty.int_data().is_some_and(|int| int.bit_offset() == 0 && matches!(int.nr_bits(), 8 | 16 | 32 | 64 | 128))
}

/// How many bits a member of type INT takes; R14 to R16 and R18.
fn int_bits(int: IntData, regular: bool, kflag: bool, member: MemberView) -> Result<u32, (&'static str, &'static str)> {
    let (offset, field_bits) = (member.bit_offset(kflag), member.bit_size(kflag));
    if !kflag {
        let end = offset.checked_add(int.bit_offset());
        return end.map(|_| int.nr_bits()).ok_or(("R18", "bits_offset exceeds U32_MAX"));
    }
    if !regular {
        return Err(("R14", "Invalid member base type"));
    }
    if field_bits == 0 && offset % 8 != 0 {
        return Err(("R16", "Invalid member offset"));
    }
    if field_bits > int.nr_bits() {
        return Err(("R15", "Invalid member bitfield_size"));
    }
    Ok(if field_bits == 0 { int.nr_bits() } else { field_bits })
}

/// R12: the member's bits end inside the struct.
fn must_fit(whole: TypeView<'_>, bit_offset: u32, bits: u32) -> Checked {
    let end = (u64::from(bit_offset) + u64::from(bits)).div_ceil(8);
    if end > u64::from(whole.size_or_type()) {
        return Err(("R12", "Member exceeds struct_size"));
    }
    Ok(())
}
