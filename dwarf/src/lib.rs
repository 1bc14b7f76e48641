//! The DWARF of kernels and modules as a fast stream of debugging information entries (DIEs).
//!
//! [`elf`] finds the debug sections of an ELF file, decompresses and relocates them; [`mod@unit`] reads unit headers;
//! [`walk`] passes once over the DIEs of a unit and decodes those that a visitor asks for, by a reading plan
//! made per abbreviation. gimli reads what is not in the hot path: location and range lists, expressions.
//!
//! Nothing here knows BTF.
//!
//! The structs that a file defines, by name and size:
//!
//! ```
//! use dwarf::die::{Attr, Role, Value};
//! use dwarf::elf::ElfFile;
//! use dwarf::unit::{PlansBuffer, Unit, headers};
//! use dwarf::walk::{Die, Visit, walk};
//! use gimli::LittleEndian;
//!
//! struct Structs<'u, 'a> {
//!     unit: &'u Unit<'a, LittleEndian>,
//!     found: Vec<(String, u64)>,
//! }
//!
//! impl Visit for Structs<'_, '_> {
//!     fn wants(&self, role: Role, _parent: Role) -> bool {
//!         role == Role::Struct
//!     }
//!
//!     fn enter(&mut self, die: Die<'_>) -> Role {
//!         if let (Some(Value::Text(name)), Some(size)) = (die.attributes.get(Attr::Name), die.attributes.unsigned(Attr::ByteSize)) {
//!             let name = self.unit.text(name).unwrap_or_default();
//!             self.found.push((String::from_utf8_lossy(name).into_owned(), size));
//!         }
//!         die.role
//!     }
//!
//!     fn leave(&mut self, _role: Role) {}
//! }
//!
//! fn structs(file: &[u8]) -> Result<Vec<(String, u64)>, dwarf::error::Error> {
//!     let elf = ElfFile::parse(file)?;
//!     let data = elf.debug_data()?;
//!     let (mut plans, mut buffer, mut found) = (PlansBuffer::default(), Vec::new(), Vec::new());
//!     for header in headers(&data.info, LittleEndian)? {
//!         let bytes = data.info.part(header.range(), &mut buffer)?;
//!         let unit = Unit::open(header, bytes, data.sections(), &mut plans, LittleEndian)?;
//!         let mut visitor = Structs { unit: &unit, found: Vec::new() };
//!         walk(&unit, &plans, &mut visitor)?;
//!         found.extend(visitor.found);
//!     }
//!     Ok(found)
//! }
//! # // A little-endian machine with a C compiler.
//! # let folder = std::env::temp_dir().join(format!("btfgen-dwarf-doc-{}", std::process::id()));
//! # std::fs::create_dir_all(&folder).unwrap();
//! # std::fs::write(folder.join("a.c"), "struct point { int x, y; } origin;").unwrap();
//! # let compiled = std::process::Command::new("cc").args(["-g", "-c", "a.c"]).current_dir(&folder).status();
//! # assert!(compiled.unwrap().success());
//! # let file = std::fs::read(folder.join("a.o")).unwrap();
//! # std::fs::remove_dir_all(&folder).unwrap();
//! // Of `struct point { int x, y; } origin;`, compiled with -g:
//! assert_eq!(structs(&file)?, [("point".to_string(), 8)]);
//! # Ok::<(), dwarf::error::Error>(())
//! ```
#![forbid(unsafe_code)]

mod compressed;
pub mod cursor;
pub mod die;
pub mod elf;
pub mod error;
mod form;
pub mod plan;
mod relocate;
pub mod sections;
pub mod unit;
pub mod walk;
