//! The reference: what every type must become, worked out in the most obvious way and as slowly.
//!
//! All types of the base and of all units stand in one list of nodes; every step is a round over all of them. Of the
//! crate, only the record walk (`refs`, `names`, `Tag`) is used. The rules are those of `btf::dedup`'s documentation:
//!
//! * *nominal colour*: equal label and equal references, where a reference to a tag is cut down to the tag;
//! * F0: in a unit, a forward declaration is the unit's definition;
//! * F1: elsewhere it is the only definition of the tag in the file and the base, if there is only one;
//! * F2: else the one that the evidence says;
//! * F3: else it stays, once per tag;
//! * P1: composites match a base type up to what its forward declarations stand for; other kinds only if no such
//!   declaration is met before a composite.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use btf::graph::{Head, Records, Tag, is_forward, map_refs, refs};
use btf::kind::Kind;

use crate::input::Input;

/// What a unit's type becomes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Fate {
    /// FUNC, VAR, DATASEC, DECL_TAG: not the business of the deduplication.
    Apart,
    /// This type of the base.
    Base(u32),
    /// An own type: those with one number are one type.
    Own(usize),
}

struct Node {
    /// The unit's index; `None` for the base.
    unit: Option<usize>,
    record: Vec<u32>,
    /// The nodes that the record refers to; `None` is void.
    below: Vec<Option<usize>>,
}

impl Node {
    fn tag(&self) -> Option<Tag> {
        Tag::of(&self.record)
    }

    fn forward(&self) -> Option<Tag> {
        self.tag().filter(|_| is_forward(&self.record))
    }

    fn definition(&self) -> Option<Tag> {
        self.tag().filter(|_| !is_forward(&self.record))
    }

    fn kind(&self) -> Kind {
        Head::of(&self.record).kind
    }

    fn is_composite(&self) -> bool {
        [Kind::Struct, Kind::Union].contains(&self.kind())
    }

    fn label(&self) -> Vec<u32> {
        let mut label = self.record.clone();
        map_refs(&mut label, |_| 0);
        label
    }
}

fn merges(record: &[u32]) -> bool {
    ![Kind::Func, Kind::Var, Kind::Datasec, Kind::DeclTag].contains(&Head::of(record).kind)
}

pub struct Oracle {
    nodes: Vec<Node>,
    /// Per unit and local number the node.
    node_of: Vec<Vec<Option<usize>>>,
    /// Per base id the node.
    base_node: Vec<Option<usize>>,
    nominal: Vec<usize>,
    definitions: BTreeMap<Tag, BTreeSet<usize>>,
    /// Tags with several nominal definitions, later also those whose definition turned out to be several types.
    ambiguous: BTreeSet<Tag>,
    /// Nominal colours of definitions that turned out to be several types.
    several: BTreeSet<usize>,
    evidence: BTreeMap<(usize, Tag), usize>,
}

/// Numbers values; equal ones get equal numbers.
fn intern<T: std::hash::Hash + Eq>(values: Vec<T>) -> (Vec<usize>, usize) {
    let mut seen = HashMap::new();
    let mut numbers = Vec::new();
    for value in values {
        let next = seen.len();
        numbers.push(*seen.entry(value).or_insert(next));
    }
    (numbers, seen.len())
}

impl Oracle {
    pub fn classify(input: &Input) -> Vec<Vec<Fate>> {
        let mut oracle = Oracle::read(input);
        oracle.find_nominal_colours();
        oracle.find_definitions();
        oracle.find_evidence();
        let colour = oracle.refine();
        oracle.fates(&colour)
    }

    fn read(input: &Input) -> Oracle {
        let mut o = Oracle {
            nodes: Vec::new(),
            node_of: Vec::new(),
            base_node: Vec::new(),
            nominal: Vec::new(),
            definitions: BTreeMap::new(),
            ambiguous: BTreeSet::new(),
            several: BTreeSet::new(),
            evidence: BTreeMap::new(),
        };
        if let Some(base) = &input.base {
            o.base_node = o.read_part(None, base);
        }
        for (unit, records) in input.units.iter().enumerate() {
            let nodes = o.read_part(Some(unit), records);
            o.node_of.push(nodes);
        }
        o
    }

    fn read_part(&mut self, unit: Option<usize>, records: &Records) -> Vec<Option<usize>> {
        let mut node_of = Vec::new();
        for record in records.iter() {
            node_of.push(merges(record).then_some(self.nodes.len()));
            if merges(record) {
                self.nodes.push(Node { unit, record: record.to_vec(), below: Vec::new() });
            }
        }
        for (record, node) in records.iter().zip(&node_of) {
            if let Some(node) = node {
                let target = |word: u32| (word as usize).checked_sub(1).and_then(|i| node_of.get(i).copied()).flatten();
                self.nodes[*node].below = refs(record).map(target).collect();
            }
        }
        node_of
    }

    fn find_nominal_colours(&mut self) {
        let (mut colour, mut count) = intern(self.nodes.iter().map(Node::label).collect());
        loop {
            let cut = |below: &Option<usize>| below.map(|b| self.nodes[b].tag().ok_or(colour[b]));
            let key = |n: &Node, c: &usize| (*c, n.below.iter().map(cut).collect::<Vec<_>>());
            let (next, next_count) = intern(self.nodes.iter().zip(&colour).map(|(n, c)| key(n, c)).collect());
            colour = next;
            if std::mem::replace(&mut count, next_count) == next_count {
                self.nominal = colour;
                return;
            }
        }
    }

    fn find_definitions(&mut self) {
        for (node, &colour) in self.nodes.iter().zip(&self.nominal) {
            if let Some(tag) = node.definition() {
                self.definitions.entry(tag).or_default().insert(colour);
            }
        }
        self.ambiguous = self.definitions.iter().filter(|(_, d)| d.len() > 1).map(|(t, _)| *t).collect();
    }

    /// The unit's nodes that define a tag.
    fn defined_in(&self, unit: usize, tag: Tag) -> Vec<usize> {
        let is = |&n: &usize| self.nodes[n].unit == Some(unit) && self.nodes[n].definition() == Some(tag);
        (0..self.nodes.len()).filter(is).collect()
    }

    /// The tags that a unit defines in two ways.
    fn doubled(&self, unit: usize) -> BTreeSet<Tag> {
        let tags: BTreeSet<Tag> =
            self.nodes.iter().filter(|n| n.unit == Some(unit)).filter_map(Node::definition).collect();
        let colours = |tag| self.defined_in(unit, tag).iter().map(|&n| self.nominal[n]).collect::<BTreeSet<_>>();
        tags.into_iter().filter(|&tag| colours(tag).len() > 1).collect()
    }

    /// F0: what a forward declaration of the tag means in the unit by itself.
    fn local_meaning(&self, unit: usize, tag: Tag) -> Option<usize> {
        let found = self.defined_in(unit, tag);
        let doubled = self.doubled(unit);
        if found.len() > 1 {
            // Copies of one definition are one, unless they reach what the unit defines in two ways.
            let mut seen: BTreeSet<usize> = found.iter().copied().collect();
            let mut work = found.clone();
            while let Some(at) = work.pop() {
                if self.nodes[at].tag().is_some_and(|t| doubled.contains(&t)) {
                    return None;
                }
                let mut next: Vec<usize> = self.nodes[at].below.iter().flatten().copied().collect();
                if let Some(forward) = self.nodes[at].forward() {
                    next.extend(self.defined_in(unit, forward));
                }
                work.extend(next.into_iter().filter(|&n| seen.insert(n)));
            }
        }
        found.first().copied()
    }

    /// The named composites through which a unit mentions tags: nominal colour of the composite, then the node of each
    /// tagged type that it reaches without passing another tagged type.
    fn carriers(&self, unit: Option<usize>) -> Vec<(usize, usize)> {
        let mut found = Vec::new();
        for start in 0..self.nodes.len() {
            let node = &self.nodes[start];
            if node.unit != unit || node.definition().is_none() {
                continue;
            }
            let mut seen = BTreeSet::new();
            let mut work: Vec<usize> = node.below.iter().flatten().copied().collect();
            while let Some(at) = work.pop() {
                if self.nodes[at].tag().is_some() {
                    found.push((self.nominal[start], at));
                } else if seen.insert(at) {
                    work.extend(self.nodes[at].below.iter().flatten());
                }
            }
        }
        found
    }

    fn find_evidence(&mut self) {
        // What is given: per carrier and tag the definitions that anything with that carrier has.
        let mut given: BTreeMap<(usize, Tag), BTreeSet<usize>> = BTreeMap::new();
        let units: Vec<usize> = (0..self.node_of.len()).collect();
        for unit in std::iter::once(None).chain(units.iter().copied().map(Some)) {
            for (carrier, at) in self.carriers(unit) {
                let tag = self.nodes[at].tag().unwrap();
                let meant = match self.nodes[at].forward() {
                    None => Some(at),
                    Some(tag) => unit.and_then(|u| self.local_meaning(u, tag)),
                };
                if let Some(definition) = meant {
                    given.entry((carrier, tag)).or_default().insert(self.nominal[definition]);
                }
            }
        }
        for unit in units {
            let mut found: BTreeMap<Tag, BTreeSet<usize>> = BTreeMap::new();
            for (carrier, at) in self.carriers(Some(unit)) {
                let tag = self.nodes[at].tag().unwrap();
                if self.defined_in(unit, tag).is_empty() && self.ambiguous.contains(&tag) {
                    found.entry(tag).or_default().extend(given.get(&(carrier, tag)).into_iter().flatten());
                }
            }
            for (tag, definitions) in found {
                if definitions.len() == 1 {
                    self.evidence.extend(definitions.first().map(|&d| ((unit, tag), d)));
                }
            }
        }
    }

    /// The node that a node stands for: the definition for a forward declaration, if it is known.
    fn meaning(&self, at: usize) -> usize {
        let node = &self.nodes[at];
        let Some(tag) = node.forward() else { return at };
        if let Some(local) = node.unit.and_then(|u| self.local_meaning(u, tag)) {
            return local;
        }
        let meant = if !self.ambiguous.contains(&tag) {
            self.definitions.get(&tag).and_then(|d| d.first())
        } else {
            let found = node.unit.and_then(|u| self.evidence.get(&(u, tag)));
            found.filter(|colour| !self.several.contains(colour))
        };
        match meant {
            Some(colour) => self.nominal.iter().position(|c| c == colour).unwrap(),
            None => at,
        }
    }

    /// The coarsest partition, again and again until no more definition turns out to be several types.
    fn refine(&mut self) -> Vec<usize> {
        loop {
            let meaning: Vec<usize> = (0..self.nodes.len()).map(|n| self.meaning(n)).collect();
            // Forward declarations that stay are alike per tag, whatever size an enum's declaration has.
            let label = |n: &Node| n.forward().ok_or_else(|| n.label());
            let (mut colour, mut count) = intern(self.nodes.iter().map(label).collect());
            loop {
                let below = |n: &Node| n.below.iter().map(|b| b.map(|b| colour[meaning[b]])).collect::<Vec<_>>();
                let (next, next_count) = intern(self.nodes.iter().zip(&colour).map(|(n, c)| (*c, below(n))).collect());
                colour = next;
                if std::mem::replace(&mut count, next_count) == next_count {
                    break;
                }
            }
            let known = (self.ambiguous.len(), self.several.len());
            let mut colours: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
            for (&nominal, &colour) in self.nominal.iter().zip(&colour) {
                colours.entry(nominal).or_default().insert(colour);
            }
            for (node, nominal) in self.nodes.iter().zip(&self.nominal) {
                if let Some(tag) = node.definition().filter(|_| colours[nominal].len() > 1) {
                    self.ambiguous.insert(tag);
                    self.several.insert(*nominal);
                }
            }
            if known == (self.ambiguous.len(), self.several.len()) {
                return (0..self.nodes.len()).map(|n| colour[meaning[n]]).collect();
            }
        }
    }

    /// P1: a base type that meets no declaration of what is known before it meets a composite.
    fn is_complete(&self, start: usize) -> bool {
        let mut seen = BTreeSet::from([start]);
        let mut work = vec![start];
        while let Some(at) = work.pop() {
            let node = &self.nodes[at];
            if self.meaning(at) != at {
                return false;
            }
            if !node.is_composite() {
                work.extend(node.below.iter().flatten().filter(|&&b| seen.insert(b)));
            }
        }
        true
    }

    fn fates(&self, colour: &[usize]) -> Vec<Vec<Fate>> {
        let fate = |node: &Option<usize>| {
            let Some(node) = *node else { return Fate::Apart };
            let stays = self.nodes[node].forward().filter(|_| self.meaning(node) == node);
            for id in 1..=self.base_node.len() {
                let Some(base) = self.base_node[id - 1].filter(|&b| colour[b] == colour[node]) else { continue };
                let matches = match stays {
                    Some(tag) => self.nodes[base].forward() == Some(tag),
                    None => self.nodes[base].forward().is_none() && self.is_complete(base),
                };
                if matches {
                    return Fate::Base(id as u32);
                }
            }
            Fate::Own(colour[node])
        };
        self.node_of.iter().map(|unit| unit.iter().map(fate).collect()).collect()
    }
}
