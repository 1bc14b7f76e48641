//! BTF as a header for C: what `bpftool btf dump file F format c` is for.
//!
//! The text declares all types (or some of them and what they need), such that a compiler for the machine of the BTF, or for BPF, gives
//! each size and offset that BTF has. [`order`] says what comes before what, [`names`] what it is called, [`layout`] what has to be
//! said besides the members, [`print`] writes it.

mod layout;
mod names;
mod order;
mod print;
#[cfg(test)]
mod tests;

use crate::error::Result;
use crate::ids::{StrOff, TypeId};
use crate::kind::Kind;
use crate::view::{BtfView, TypeView};

use names::Names;
use order::{Need, Order, Step, Writer};
use print::{BEFORE_C23, Printer};

/// The header with all types of `view` and its base, or with these and what they need. Errors: what C has no types for, as cycles without
/// a pointer, or members without a size; all of it is damaged BTF.
pub fn dump_c(view: &BtfView<'_>, chosen: Option<&[TypeId]>) -> Result<Vec<u8>> {
    let tags = decl_tags(view);
    let kfuncs = kfuncs(view, &tags);
    let names = Names::new(view, &kfuncs);
    let mut printer = Printer::new(view, names, tags.iter().map(|&(of, part, tag)| (of, part, tag)).collect());
    let mut order = Order::new(view);
    for id in roots(view, chosen) {
        // A typedef may be of what is declared only, and so is an enum without values.
        let is_defined =
            view.get(id).is_some_and(|ty| ty.is_composite() || ty.kind() != Kind::Typedef && ty.vlen() > 0);
        order.visit(id, if is_defined { Need::Complete } else { Need::Declared }, &mut printer)?;
    }
    let mut externals: Vec<TypeId> = match chosen {
        None => kfuncs.clone(),
        Some(ids) => ids.iter().copied().filter(|&id| matches!(view.kind(id), Some(Kind::Func | Kind::Var))).collect(),
    };
    externals.sort_by_key(|&id| (view.get(id).and_then(|ty| view.string(ty.name_off())), id));
    for &id in &externals {
        order.visit(id, Need::Complete, &mut printer)?;
    }
    rest_of_values(view, chosen, &mut printer)?;
    write_externals(view, &tags, &externals, &kfuncs, &mut printer)?;
    Ok(framed(&printer))
}

/// All DECL_TAGs of a view and its base: type, component, tag; sorted.
fn decl_tags(view: &BtfView<'_>) -> Vec<(TypeId, i32, TypeId)> {
    let mut tags = Vec::new();
    for level in view.levels() {
        let own = level.types_of(|kind| kind == Kind::DeclTag);
        tags.extend(own.map(|(id, ty)| (TypeId(ty.size_or_type()), ty.component_index().unwrap_or(-1), id)));
    }
    tags.sort_unstable();
    tags
}

fn has_tag(view: &BtfView<'_>, tags: &[(TypeId, i32, TypeId)], id: TypeId, name: &[u8]) -> bool {
    let from = tags.partition_point(|&(of, ..)| of < id);
    let mut own = tags[from..].iter().take_while(|&&(of, ..)| of == id);
    own.any(|&(_, part, tag)| part == -1 && view.get(tag).and_then(|ty| view.string(ty.name_off())) == Some(name))
}

/// The functions that BPF programs may call, in id order.
fn kfuncs(view: &BtfView<'_>, tags: &[(TypeId, i32, TypeId)]) -> Vec<TypeId> {
    let mut functions: Vec<TypeId> = tags.iter().map(|&(of, ..)| of).collect();
    functions.dedup();
    functions.retain(|&id| view.kind(id) == Some(Kind::Func) && has_tag(view, tags, id, b"bpf_kfunc"));
    functions
}

/// What a header is for, in the order of names, so that headers of two kernels can be compared: enums, then everything else.
fn roots(view: &BtfView<'_>, chosen: Option<&[TypeId]>) -> Vec<TypeId> {
    let is_root = |ty: TypeView<'_>| match ty.kind() {
        Kind::Struct | Kind::Union | Kind::Enum | Kind::Enum64 => ty.name_off() != StrOff::EMPTY,
        Kind::Typedef => true,
        Kind::Int
        | Kind::Ptr
        | Kind::Array
        | Kind::Fwd
        | Kind::Volatile
        | Kind::Const
        | Kind::Restrict
        | Kind::Func
        | Kind::FuncProto
        | Kind::Var
        | Kind::Datasec
        | Kind::Float
        | Kind::DeclTag
        | Kind::TypeTag => false,
    };
    let key = |id: TypeId, ty: TypeView<'_>| {
        let is_enum = matches!(ty.kind(), Kind::Enum | Kind::Enum64);
        (!is_enum, view.string(ty.name_off()).unwrap_or_default(), id)
    };
    let mut roots: Vec<_> = match chosen {
        None => view
            .levels()
            .iter()
            .flat_map(|level| level.types())
            .filter(|&(_, ty)| is_root(ty))
            .map(|(id, ty)| key(id, ty))
            .collect(),
        Some(ids) => ids
            .iter()
            .filter_map(|&id| Some((id, view.get(id)?)))
            .filter(|&(_, ty)| is_root(ty))
            .map(|(id, ty)| key(id, ty))
            .collect(),
    };
    roots.sort_unstable();
    roots.into_iter().map(|(_, _, id)| id).collect()
}

/// Enums without a name that are part of nothing that was written: their values are what they are there for.
fn rest_of_values<'a>(view: &BtfView<'a>, chosen: Option<&[TypeId]>, printer: &mut Printer<'_, 'a>) -> Result<()> {
    if chosen.is_some() {
        return Ok(());
    }
    for level in view.levels() {
        for (id, ty) in level.types_of(|kind| matches!(kind, Kind::Enum | Kind::Enum64)) {
            if ty.name_off() != StrOff::EMPTY || ty.vlen() == 0 || printer.values_written[id.index()] {
                continue;
            }
            let is_keyword = |name: StrOff| matches!(view.string(name), Some(b"true" | b"false"));
            let guarded = ty.enumerators().all(|value| is_keyword(value.name_off));
            if guarded {
                printer.text(BEFORE_C23);
            }
            printer.composite(id)?;
            if guarded {
                printer.out.pop();
                printer.text("#endif\n\n");
            }
        }
    }
    Ok(())
}

fn write_externals<'a>(
    view: &BtfView<'a>,
    tags: &[(TypeId, i32, TypeId)],
    externals: &[TypeId],
    kfuncs: &[TypeId],
    printer: &mut Printer<'_, 'a>,
) -> Result<()> {
    let (of_programs, others): (Vec<TypeId>, Vec<TypeId>) =
        externals.iter().partition(|id| kfuncs.binary_search(id).is_ok());
    for &id in &others {
        if let Some(ty) = view.get(id) {
            printer.external(id, ty, "", "")?;
        }
    }
    if of_programs.is_empty() {
        return Ok(());
    }
    printer.text("#ifndef BPF_NO_KFUNC_PROTOTYPES\n");
    for &id in &of_programs {
        if let Some(ty) = view.get(id) {
            let fast = if has_tag(view, tags, id, b"bpf_fastcall") { "__bpf_fastcall " } else { "" };
            printer.external(id, ty, fast, " __weak __ksym")?;
        }
    }
    printer.text("#endif\n\n");
    Ok(())
}

impl<'a> Writer<'a> for Printer<'_, 'a> {
    fn definition(&self, id: TypeId) -> TypeId {
        self.names.definition(id)
    }

    fn step(&mut self, step: Step, id: TypeId, ty: TypeView<'a>) -> Result<()> {
        match (step, ty.kind()) {
            (Step::Forward, _) => {
                self.forward(id, ty);
                Ok(())
            }
            (Step::Definition, Kind::Typedef) => self.typedef(id, ty),
            (Step::Definition, _) => {
                self.layouts.learn(id, ty)?;
                self.composite(id)
            }
            (Step::Learn, _) => {
                self.layouts.learn(id, ty)?;
                self.scalar(id, ty);
                Ok(())
            }
        }
    }
}

/// The text between what a BPF program expects around it.
fn framed(printer: &Printer<'_, '_>) -> Vec<u8> {
    let mut out = Vec::with_capacity(printer.out.len() + 2048);
    out.extend_from_slice(BEFORE.as_bytes());
    let uses = &printer.uses;
    let macros = [(uses.type_tags, TYPE_TAG), (uses.decl_tags, DECL_TAG), (uses.attributes, ATTRIBUTE)];
    macros.iter().filter(|(used, _)| *used).for_each(|(_, text)| out.extend_from_slice(text.as_bytes()));
    out.extend_from_slice(&printer.out);
    out.extend_from_slice(AFTER.as_bytes());
    out
}

const BEFORE: &str = "\
#ifndef __VMLINUX_H__
#define __VMLINUX_H__

#ifndef BPF_NO_PRESERVE_ACCESS_INDEX
#ifdef __clang__
#if __has_attribute(preserve_access_index)
#pragma clang attribute push (__attribute__((preserve_access_index)), apply_to = record)
#endif
#endif
#endif

#ifndef __ksym
#define __ksym __attribute__((section(\".ksyms\")))
#endif

#ifndef __weak
#define __weak __attribute__((weak))
#endif

#ifndef __bpf_fastcall
#if __has_attribute(bpf_fastcall)
#define __bpf_fastcall __attribute__((bpf_fastcall))
#else
#define __bpf_fastcall
#endif
#endif

";
const TYPE_TAG: &str = "\
#ifndef __btf_type_tag
#if __has_attribute(btf_type_tag)
#define __btf_type_tag(tag) __attribute__((btf_type_tag(tag)))
#else
#define __btf_type_tag(tag)
#endif
#endif

";
const DECL_TAG: &str = "\
#ifndef __btf_decl_tag
#if __has_attribute(btf_decl_tag)
#define __btf_decl_tag(tag) __attribute__((btf_decl_tag(tag)))
#else
#define __btf_decl_tag(tag)
#endif
#endif

";
const ATTRIBUTE: &str = "\
#ifndef __btf_attribute
#ifdef __clang__
#define __btf_attribute(...) __attribute__((__VA_ARGS__))
#else
#define __btf_attribute(...)
#endif
#endif

";
const AFTER: &str = "\
#ifndef BPF_NO_PRESERVE_ACCESS_INDEX
#ifdef __clang__
#if __has_attribute(preserve_access_index)
#pragma clang attribute pop
#endif
#endif
#endif

#endif /* __VMLINUX_H__ */
";
