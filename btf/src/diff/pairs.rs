//! Which entries of two BTFs are meant to be the same.

use super::Space;
use crate::graph::{FIXED_WORDS, Head, is_forward, names};
use crate::joint::{Joint, Node};
use crate::map::FixedSet;
use crate::strings::StrId;

/// Most comparisons of types of one name; beyond that they are pairs in the order of their contents.
const MAX_COMPARED: usize = 1 << 16;

/// An entry of the first BTF and one of the second, or one that has no partner.
#[derive(Clone, Copy, Debug)]
pub struct Pair {
    /// What kind of entry it is.
    pub space: Space,
    /// In the first BTF; one node of those that are equal.
    pub first: Option<Node>,
    /// In the second BTF.
    pub second: Option<Node>,
}

/// All pairs.
pub struct Pairs {
    all: Vec<Pair>,
    /// Per node its pair + 1; 0 for what is no entry.
    label: Vec<u32>,
}

/// A node under its name, ready to be sorted. Equal parts are types that nothing tells apart.
type Named = (Space, StrId, u32, usize, Node);

impl Pairs {
    pub fn of(joint: &Joint) -> Pairs {
        let parts = joint.strict_parts();
        let mut named: Vec<Named> = Vec::new();
        for side in 0..2 {
            // Own types stand for those that are equal to them.
            let nodes = joint.own(side).chain(joint.below(side));
            named.extend(nodes.filter_map(|node| {
                let space = Space::of(joint.record(node))?;
                Some((space, joint.name(node), parts[node as usize], side, node))
            }));
        }
        // Stable: own types stay before those of bases.
        named.sort_by_key(|&(space, name, part, side, _)| (space, name, part, side));
        let mut pairs = Pairs { all: Vec::new(), label: vec![0; joint.len()] };
        for same_name in named.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1)) {
            pairs.add_name(joint, same_name);
        }
        pairs
    }

    fn add_name(&mut self, joint: &Joint, same_name: &[Named]) {
        let space = same_name[0].0;
        // What only one of the BTFs has: all nodes of one part.
        let mut left: [Vec<&[Named]>; 2] = Default::default();
        for same in same_name.chunk_by(|a, b| a.2 == b.2) {
            let split = same.partition_point(|&(.., side, _)| side == 0);
            match same.split_at(split) {
                (first, []) => left[0].push(first),
                ([], second) => left[1].push(second),
                (first, second) => self.add(Pair { space, first: Some(first[0].4), second: Some(second[0].4) }, same),
            }
        }
        let [mut first, mut second] = left;
        if first.len() > 1 || second.len() > 1 {
            first.sort_by_cached_key(|same| content(joint, same[0].4));
            second.sort_by_cached_key(|same| content(joint, same[0].4));
        }
        for (a, b) in alike(joint, &first, &second) {
            self.add(Pair { space, first: Some(first[a][0].4), second: Some(second[b][0].4) }, first[a]);
            let label = self.all.len() as u32;
            second[b].iter().for_each(|named| self.label[named.4 as usize] = label);
            (first[a], second[b]) = (&[], &[]);
        }
        let is_declaration = |same: &[Named]| is_forward(joint.record(same[0].4));
        // A pointer to what is only declared is one to what is defined elsewhere under that name.
        let defined = same_name.iter().find(|n| self.label[n.4 as usize] != 0 && !is_forward(joint.record(n.4)));
        let defined = defined.map(|n| self.label[n.4 as usize]);
        for (side, lists) in [first, second].into_iter().enumerate() {
            for same in lists.into_iter().filter(|same| !same.is_empty()) {
                let node = Some(same[0].4);
                let pair = if side == 0 { (node, None) } else { (None, node) };
                self.add(Pair { space, first: pair.0, second: pair.1 }, same);
                if let (true, Some(label)) = (is_declaration(same), defined) {
                    same.iter().for_each(|named| self.label[named.4 as usize] = label);
                }
            }
        }
    }

    fn add(&mut self, pair: Pair, nodes: &[Named]) {
        self.all.push(pair);
        let label = self.all.len() as u32;
        nodes.iter().for_each(|named| self.label[named.4 as usize] = label);
    }

    /// All pairs, by kind and name of the entry.
    pub fn all(&self) -> impl Iterator<Item = &Pair> {
        self.all.iter()
    }

    /// The number of the pair that an entry is in; None for what is no entry.
    pub fn label(&self, node: Node) -> Option<u32> {
        Some(self.label[node as usize]).filter(|&label| label != 0)
    }

    /// Whether both BTFs have an entry.
    pub fn is_complete(&self, label: u32) -> bool {
        let pair = &self.all[label as usize - 1];
        pair.first.is_some() && pair.second.is_some()
    }
}

/// What an entry is like, whatever the ids: definitions first, then kind, size, names.
fn content(joint: &Joint, node: Node) -> (bool, u32, usize, u32, Vec<Vec<u8>>) {
    let record = joint.record(node);
    let size = if crate::graph::refs(record).next().is_some() && !has_size(record) { 0 } else { record[2] };
    let texts = names(record).map(|name| joint.strings.get(name).to_vec());
    (is_forward(record), record[0], record.len() - FIXED_WORDS, size, texts.collect())
}

fn has_size(record: &[u32]) -> bool {
    use crate::kind::Kind;
    matches!(Head::of(record).kind, Kind::Struct | Kind::Union | Kind::Datasec)
}

/// Which of the types of one name look most alike; each is in one pair at most.
fn alike(joint: &Joint, first: &[&[Named]], second: &[&[Named]]) -> Vec<(usize, usize)> {
    if first.len() <= 1 && second.len() <= 1 || first.len() * second.len() > MAX_COMPARED {
        return (0..first.len().min(second.len())).map(|i| (i, i)).collect();
    }
    let names_of = |same: &[Named]| -> FixedSet<StrId> { names(joint.record(same[0].4)).collect() };
    let seconds: Vec<FixedSet<StrId>> = second.iter().map(|same| names_of(same)).collect();
    let mut scores = Vec::new();
    for (a, of_first) in first.iter().enumerate() {
        let names = names_of(of_first);
        for (b, of_second) in second.iter().enumerate() {
            let (x, y) = (joint.record(of_first[0].4), joint.record(of_second[0].4));
            let common = names.iter().filter(|name| seconds[b].contains(*name)).count();
            // A definition and a declaration are partners if there is nothing better.
            let same_sort = is_forward(x) == is_forward(y);
            scores.push((!same_sort, usize::MAX - common, x.len().abs_diff(y.len()), a, b));
        }
    }
    scores.sort_unstable();
    let (mut taken_a, mut taken_b) = (vec![false; first.len()], vec![false; second.len()]);
    let mut found = Vec::new();
    for (.., a, b) in scores {
        if !taken_a[a] && !taken_b[b] {
            (taken_a[a], taken_b[b]) = (true, true);
            found.push((a, b));
        }
    }
    found
}
