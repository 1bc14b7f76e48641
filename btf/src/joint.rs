//! Several BTFs in one type graph, to compare them: names have one number in all, and types are nodes of one space.
//!
//! Node 0 is void. A base that several have in common is there once. References of the records are nodes.

use std::ops::Range;

use crate::dedup::lists::Lists;
use crate::dedup::partition::{coarsest, number};
use crate::edit::read::Reader;
use crate::error::Result;
use crate::graph::{Head, Records, map_refs, refs};
use crate::ids::TypeId;
use crate::kind::Kind;
use crate::strings::{StrId, Strings};
use crate::view::BtfView;

/// A type of one of the BTFs; 0 is void.
pub(crate) type Node = u32;

/// The BTFs in one graph.
pub(crate) struct Joint {
    /// Per node its record; that of void is an unnamed FWD, which no type is.
    pub records: Records,
    /// The names.
    pub strings: Strings<'static>,
    /// Per BTF where its types are, those of its bases first.
    sides: Vec<Vec<Level>>,
}

/// The own types of a BTF or of one of its bases.
#[derive(Clone)]
struct Level {
    /// Address of its bytes, which tells it from others.
    bytes: *const u8,
    first_id: u32,
    nodes: Range<Node>,
}

impl Joint {
    /// Puts BTFs and their bases into one graph.
    ///
    /// # Errors
    /// The number of the BTF, with what is wrong: names or types that are referred to but not there.
    pub fn of(views: &[&BtfView<'_>]) -> std::result::Result<Joint, (usize, crate::error::Error)> {
        let mut joint = Joint { records: Records::default(), strings: Strings::new(), sides: Vec::new() };
        joint.records.push(Head { kind: Kind::Fwd, kflag: false }, StrId::EMPTY, 0, &[]);
        let mut known: Vec<Level> = Vec::new();
        for (number, view) in views.iter().enumerate() {
            let mut side: Vec<Level> = Vec::new();
            for view in view.levels() {
                let (bytes, first_id) = (view.bytes().as_ptr(), view.first_id().0);
                let level = match known.iter().find(|l| std::ptr::eq(l.bytes, bytes) && l.first_id == first_id) {
                    Some(level) => level.clone(),
                    None => {
                        let start = joint.records.len() as Node;
                        let end = start + view.type_count() as Node;
                        side.push(Level { bytes, first_id, nodes: start..end });
                        joint.read(view, &side).map_err(|e| (number, e))?;
                        let level = side.pop().expect("it was just put there");
                        known.push(level.clone());
                        level
                    }
                };
                side.push(level);
            }
            joint.sides.push(side);
        }
        Ok(joint)
    }

    fn read(&mut self, view: &BtfView<'_>, side: &[Level]) -> Result<()> {
        let mut reader = Reader::of(view);
        let mut words = Vec::new();
        for (id, t) in view.types() {
            reader.read(id, t, &mut self.strings, &mut words)?;
            map_refs(&mut words, |id| node(side, TypeId(id)));
            self.records.push_record(&words);
        }
        Ok(())
    }

    /// The own types of a BTF.
    pub fn own(&self, side: usize) -> Range<Node> {
        self.sides[side].last().map_or(0..0, |level| level.nodes.clone())
    }

    /// All types of a BTF, those of its bases included.
    pub fn all(&self, side: usize) -> impl Iterator<Item = Node> + '_ {
        self.sides[side].iter().flat_map(|level| level.nodes.clone())
    }

    /// The types of the bases of a BTF.
    pub fn below(&self, side: usize) -> impl Iterator<Item = Node> + '_ {
        let levels = &self.sides[side];
        levels[..levels.len().saturating_sub(1)].iter().flat_map(|level| level.nodes.clone())
    }

    /// Number of nodes.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// The record of a node.
    pub fn record(&self, node: Node) -> &[u32] {
        self.records.get(node as usize)
    }

    /// The kind of a node; None for void.
    pub fn kind(&self, node: Node) -> Option<Kind> {
        (node != 0).then(|| Head::of(self.record(node)).kind)
    }

    /// The name of a node.
    pub fn name(&self, node: Node) -> StrId {
        StrId(self.record(node)[1])
    }

    /// A name as text.
    pub fn text(&self, name: StrId) -> std::borrow::Cow<'_, str> {
        String::from_utf8_lossy(self.strings.get(name))
    }

    /// What no part of which anything tells apart: two nodes have one number if nothing that can be reached from them
    /// differs. FUNC, VAR, DATASEC and DECL_TAG are compared like all else.
    pub fn strict_parts(&self) -> Vec<u32> {
        let mut blank = Vec::new();
        let (mut shapes, mut below) = (Lists::new(), Lists::new());
        for record in self.records.iter() {
            shape(record, &mut blank);
            shapes.push(blank.iter().copied());
            below.push(refs(record));
        }
        let (colours, _) = number((0..self.len()).map(|node| shapes.get(node)));
        coarsest(&colours, &below)
    }
}

/// Puts a record without its references into `shape`.
pub(crate) fn shape(record: &[u32], shape: &mut Vec<u32>) {
    shape.clear();
    shape.extend_from_slice(record);
    map_refs(shape, |_| 0);
}

/// The node of a type that is there.
fn node(side: &[Level], id: TypeId) -> Node {
    let level = side.iter().rev().find(|level| id.0 >= level.first_id);
    level.map_or(0, |level| level.nodes.start + (id.0 - level.first_id))
}
