//! Annotations: type tags of pointers and declaration tags.
//!
//! clang makes them children of what they stand on (`DW_TAG_LLVM_annotation`). gcc from 16 on lets them stand by themselves
//! (`DW_TAG_GNU_annotation`): what is annotated refers to the first one, and each to the next. Many may share the end of such a
//! chain, which may stand anywhere in the unit, so chains are followed when all of it was read.

use btf::kind::Kind;
use btf::map::FixedMap;
use btf::strings::StrId;
use dwarf::die::{Attr, Attributes, Role, Value};
use dwarf::walk::Die;
use gimli::Endianity;

use super::{Converter, Open, RawRef, UnitTypes, head};

/// A declaration tag.
#[derive(Clone, Copy, Debug)]
pub struct RawTag {
    /// What is tagged.
    pub tagged: Tagged,
    /// Member or parameter number, or -1 for the whole.
    pub component: i32,
    /// The tag's text.
    pub text: StrId,
}

/// What a declaration tag stands on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Tagged {
    /// A struct, union or typedef.
    Type(RawRef),
    /// A function of the unit, by its number.
    Function(usize),
    /// A variable of the unit, by its number.
    Variable(usize),
}

impl Tagged {
    /// The type that is tagged, if it is one.
    pub(super) fn as_type(&mut self) -> Option<&mut RawRef> {
        match self {
            Tagged::Type(tagged) => Some(tagged),
            Tagged::Function(_) | Tagged::Variable(_) => None,
        }
    }
}

/// The declaration tags of a unit's functions, or of its variables, by their numbers.
pub struct TagsByNumber {
    sorted: Vec<(usize, RawTag)>,
}

impl TagsByNumber {
    /// Those for which `number` tells one.
    pub fn new(tags: &[RawTag], number: impl Fn(Tagged) -> Option<usize>) -> TagsByNumber {
        let mut sorted: Vec<(usize, RawTag)> = tags.iter().filter_map(|t| Some((number(t.tagged)?, *t))).collect();
        sorted.sort_by_key(|t| t.0);
        TagsByNumber { sorted }
    }

    /// The tags of one, in their order.
    pub fn of(&self, number: usize) -> impl Iterator<Item = &RawTag> {
        let first = self.sorted.partition_point(|t| t.0 < number);
        self.sorted[first..].iter().take_while(move |t| t.0 == number).map(|t| &t.1)
    }
}

/// What an annotation is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Sort {
    TypeTag,
    DeclTag,
    Other,
}

impl Sort {
    fn of(name: &[u8]) -> Sort {
        match name {
            b"btf_type_tag" => Sort::TypeTag,
            b"btf_decl_tag" => Sort::DeclTag,
            _ => Sort::Other,
        }
    }
}

/// A link of a chain of annotations.
#[derive(Clone, Copy, Debug)]
struct Link {
    sort: Sort,
    text: StrId,
    next: RawRef,
}

/// A declaration tag of a member of a composite that is being read: which members it will have, and in which order, is known at its end.
#[derive(Clone, Copy, Debug)]
pub(super) struct MemberTag {
    /// Place in the scratch list of members.
    member: usize,
    tag: Annotation,
}

#[derive(Clone, Copy, Debug)]
enum Annotation {
    /// clang's: the text.
    Text(StrId),
    /// gcc's: the first link.
    Chain(RawRef),
}

/// The annotations of a unit that stand by themselves, and what refers to them.
#[derive(Debug, Default)]
pub(super) struct Annotations {
    links: FixedMap<RawRef, Link>,
    /// Pointers by the numbers of their types, and the first link.
    pointers: Vec<(usize, RawRef)>,
    /// What else is annotated, with the number of the member or parameter as it is written, and the first link.
    others: Vec<(Tagged, i32, RawRef)>,
}

impl Annotations {
    pub(super) fn clear(&mut self) {
        self.links.clear();
        self.pointers.clear();
        self.others.clear();
    }

    /// All that refers to a DIE.
    pub(super) fn references(&mut self) -> impl Iterator<Item = &mut RawRef> {
        let links = self.links.values_mut().map(|link| &mut link.next);
        let pointers = self.pointers.iter_mut().map(|(_, first)| first);
        let others = self.others.iter_mut().flat_map(|(tagged, _, first)| tagged.as_type().into_iter().chain([first]));
        links.chain(pointers).chain(others)
    }

    /// The texts of a chain, as long as its links are of one sort. What leads in a circle ends.
    fn chain(&self, first: RawRef, sort: Sort) -> Vec<StrId> {
        let next = |link: &Link| self.links.get(&link.next).copied();
        let links = std::iter::successors(self.links.get(&first).copied(), next).take(self.links.len());
        links.take_while(|link| link.sort == sort).map(|link| link.text).filter(|&text| text != StrId::EMPTY).collect()
    }
}

impl UnitTypes {
    /// The unit was read: pointers get their type tags (the first one outermost), all else its declaration tags.
    pub(super) fn follow_annotations(&mut self) {
        let annotations = std::mem::take(&mut self.annotations);
        for &(place, first) in &annotations.pointers {
            let pointee = RawRef(self.records.get(place)[2]);
            let tags = annotations.chain(first, Sort::TypeTag).into_iter().rev();
            let target = tags.fold(pointee, |target, tag| self.synthetic(head(Kind::TypeTag), tag, target.0, &[]));
            self.records.get_mut(place)[2] = target.0;
        }
        for &(tagged, component, first) in &annotations.others {
            let texts = annotations.chain(first, Sort::DeclTag).into_iter();
            self.tags.extend(texts.map(|text| RawTag { tagged, component, text }));
        }
        self.annotations = annotations;
    }

    /// A composite ends: tags of its members get the numbers that these have now. `fitted` are the numbers that those that are left had
    /// before, if that are not all, or in another order. The tags of the others go with them.
    #[cold]
    pub(super) fn tag_members(&mut self, composite: &Open, fitted: Option<&[usize]>) {
        // Those of composites around this one come first.
        let own = self.scratch.member_tags.partition_point(|tag| tag.member < composite.first);
        let now: Option<FixedMap<usize, usize>> =
            fitted.map(|numbers| numbers.iter().enumerate().map(|(now, &before)| (before, now)).collect());
        let tagged = Tagged::Type(composite.target);
        for MemberTag { member, tag } in self.scratch.member_tags.drain(own..) {
            let before = member - composite.first;
            let number = now.as_ref().map_or(Some(before), |now| now.get(&before).copied());
            let Some(component) = number.map(|number| number as i32) else { continue };
            match tag {
                Annotation::Text(text) => self.tags.push(RawTag { tagged, component, text }),
                Annotation::Chain(first) => self.annotations.others.push((tagged, component, first)),
            }
        }
    }
}

impl<E: Endianity> Converter<'_, '_, '_, '_, E> {
    /// A pointer's chain of annotations, if it has one.
    #[inline(always)]
    pub(super) fn annotate_pointer(&mut self, attributes: &Attributes, place: usize) {
        if attributes.has(Attr::Annotation) && self.features.type_tag && self.dialect.type_tag {
            let first = self.reference_of(attributes, Attr::Annotation);
            self.out.annotations.pointers.push((place, first));
        }
    }

    /// The chain of annotations of something else, if it has one.
    #[inline(always)]
    pub(super) fn annotate(&mut self, attributes: &Attributes, tagged: Tagged, component: i32) {
        if attributes.has(Attr::Annotation) && self.features.decl_tag {
            let first = self.reference_of(attributes, Attr::Annotation);
            self.out.annotations.others.push((tagged, component, first));
        }
    }

    /// The same of a member, by its place in the scratch list.
    pub(super) fn annotate_member(&mut self, attributes: &Attributes, member: usize) {
        if attributes.has(Attr::Annotation) && self.features.decl_tag {
            let tag = Annotation::Chain(self.reference_of(attributes, Attr::Annotation));
            self.out.scratch.member_tags.push(MemberTag { member, tag });
        }
    }

    /// A link of a chain.
    fn link(&mut self, die: Die<'_>) -> Role {
        let (Some(Value::Text(name)), Some(Value::Text(text))) =
            (die.attributes.get(Attr::Name), die.attributes.get(Attr::ConstValue))
        else {
            return Role::Other;
        };
        let sort = Sort::of(self.unit.text(name).unwrap_or(b""));
        let text = if sort == Sort::Other { StrId::EMPTY } else { self.names.spelling(self.unit, text) };
        let next = self.reference_of(die.attributes, Attr::Annotation);
        self.out.annotations.links.insert(RawRef(die.offset), Link { sort, text, next });
        Role::Other
    }

    /// An annotation: the name tells the attribute, the constant value its text. As a child it stands on its parent.
    pub(super) fn annotation(&mut self, die: Die<'_>) -> Role {
        if matches!(die.parent, Role::Unit | Role::Other) {
            return self.link(die);
        }
        let (Some(Value::Text(name)), Some(Value::Text(text))) =
            (die.attributes.get(Attr::Name), die.attributes.get(Attr::ConstValue))
        else {
            return Role::Other;
        };
        let name = self.unit.text(name).unwrap_or(b"");
        let open = &self.out.scratch.open;
        let Some(&top) = open.last() else { return Role::Other };
        let below = open.len().checked_sub(2).map(|i| open[i]);
        if die.parent == Role::Pointer {
            if Sort::of(name) == Sort::TypeTag && self.features.type_tag && self.dialect.type_tag {
                let text = self.names.spelling(self.unit, text);
                if text != StrId::EMPTY {
                    self.out.scratch.annotations.push(text);
                }
            }
            return Role::Other;
        }
        if Sort::of(name) != Sort::DeclTag || !self.features.decl_tag {
            return Role::Other;
        }
        let (tagged, component) = match (die.parent, below) {
            (Role::Struct | Role::Union, _) => (Tagged::Type(top.target), -1),
            (Role::Typedef, _) => (Tagged::Type(RawRef(top.place as u32)), -1),
            (Role::Member, Some(_)) => {
                let text = self.names.spelling(self.unit, text);
                if text != StrId::EMPTY {
                    let tag = Annotation::Text(text);
                    self.out.scratch.member_tags.push(MemberTag { member: top.place, tag });
                }
                return Role::Other;
            }
            (Role::Subprogram, _) => (Tagged::Function(top.place), -1),
            (Role::Parameter, Some(_)) => {
                let (first, end) = self.out.functions[top.place].parameters;
                (Tagged::Function(top.place), (end - first) as i32 - 1)
            }
            (Role::Variable, _) => (Tagged::Variable(top.place), -1),
            _ => return Role::Other,
        };
        let text = self.names.spelling(self.unit, text);
        if text != StrId::EMPTY {
            self.out.tags.push(RawTag { tagged, component, text });
        }
        Role::Other
    }
}
