//! BTF, the BPF Type Format: reading, exact deduplication (also against a base BTF), writing, verifying.
//!
//! * Reading: [`view`], in place; [`header`], [`kind`], [`ids`] are its words.
//! * Taking apart, changing, deduplicating a finished BTF: [`edit`]; [`distill`] for `.BTF.base`.
//! * Making one: [`graph`] has types as records, [`strings`] their names, [`writer`] turns them into bytes.
//! * What a kernel would say of it: [`verify`].
//! * What an encoder needs that meets the same types in thousands of units: [`dedup`], [`base`], [`dialect`].
//!
//! # Reading
//!
//! Where a member of a struct is:
//!
//! ```
//! use btf::kind::Kind;
//! use btf::view::BtfView;
//!
//! /// Bits from the start of `struct name` to its member.
//! fn offset_of(btf: &BtfView<'_>, name: &[u8], member: &[u8]) -> Option<u32> {
//!     let (_, composite) = btf.find(Kind::Struct, name)?;
//!     let found = composite.members().find(|m| btf.string(m.name_off) == Some(member))?;
//!     Some(found.bit_offset(composite.kflag()))
//! }
//!
//! # use btf::{dedup::resolve::Target, graph::{Head, Records}, header::Endian, strings::{StrId, Strings}};
//! # let (mut records, mut strings) = (Records::default(), Strings::new());
//! # let (next, prev) = (strings.intern(b"next").0, strings.intern(b"prev").0);
//! # let to = |number| Target::Own(number).word();
//! # records.push(Head { kind: Kind::Ptr, kflag: false }, StrId::EMPTY, to(1), &[]);
//! # let members = [next, to(0), 0, prev, to(0), 64];
//! # records.push(Head { kind: Kind::Struct, kflag: false }, strings.intern(b"list_head"), 16, &members);
//! # let (base, endian, extensions) = (None, Endian::Little, Default::default());
//! # let (bytes, _) = btf::writer::Types { records: &records, strings: &strings, base, endian, extensions }.write()?;
//! // As read from /sys/kernel/btf/vmlinux, or from the section .BTF of a file.
//! let btf = BtfView::parse(&bytes)?;
//! assert_eq!(offset_of(&btf, b"list_head", b"prev"), Some(64));
//! assert_eq!(offset_of(&btf, b"list_head", b"first"), None);
//! # Ok::<(), btf::error::Error>(())
//! ```
//!
//! # Making one, and leaving each type once
//!
//! ```
//! use btf::dedup::resolve::Target;
//! use btf::edit::Edit;
//! use btf::graph::{Head, Records};
//! use btf::header::Endian;
//! use btf::kind::Kind;
//! use btf::strings::{StrId, Strings};
//! use btf::verify::{self, verify};
//! use btf::view::{BtfView, IntData};
//! use btf::writer::{Extensions, Types};
//!
//! let (mut records, mut strings) = (Records::default(), Strings::new());
//! let plain = |kind| Head { kind, kflag: false };
//! let (int, pointers) = (strings.intern(b"int"), strings.intern(b"pointers"));
//! let (a, b) = (strings.intern(b"a"), strings.intern(b"b"));
//! // `struct pointers { int *a; int *b; }`, with a type for each time that one is mentioned.
//! let mut members = Vec::new();
//! for (name, bit_offset) in [(a, 0), (b, 64)] {
//!     let int = records.push(plain(Kind::Int), int, 4, &[IntData::new(IntData::SIGNED, 0, 32).0]);
//!     let pointer = records.push(plain(Kind::Ptr), StrId::EMPTY, Target::Own(int as u32).word(), &[]);
//!     members.extend([name.0, Target::Own(pointer as u32).word(), bit_offset]);
//! }
//! records.push(plain(Kind::Struct), pointers, 16, &members);
//! let extensions = Extensions::default();
//! let types = Types { records: &records, strings: &strings, base: None, endian: Endian::Little, extensions };
//! let (bytes, sizes) = types.write()?;
//! assert_eq!(sizes.types, 5);
//!
//! let once = Edit::of(&BtfView::parse(&bytes)?)?.write()?;
//! let btf = BtfView::parse(&once)?;
//! assert_eq!(btf.type_count(), 3);
//! assert!(verify(&btf, &verify::Options::default()).is_empty(), "a kernel takes it");
//! # Ok::<(), btf::error::Error>(())
//! ```
//!
//! # Stability
//!
//! Versions follow semver: before 1.0 a release that breaks callers raises the second number. All input may be damaged: what reads bytes returns
//! an [`error::Error`] with the place, and never panics. Records and words that a caller makes up are another matter: their shapes are
//! documented at [`graph`], and a wrong one may panic.
#![forbid(unsafe_code)]

pub mod base;
mod bits;
pub mod dedup;
pub mod dialect;
pub mod diff;
pub mod distill;
pub mod dump;
pub mod edit;
pub mod error;
pub mod graph;
pub mod header;
pub mod ids;
mod joint;
pub mod kind;
pub mod map;
pub mod merge;
mod name_offsets;
mod needed;
mod spell;
pub mod stats;
pub mod strings;
#[cfg(test)]
mod testing;
pub mod verify;
pub mod view;
pub mod why;
pub mod writer;
