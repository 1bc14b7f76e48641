//! The coarsest stable partition of a graph: which nodes nothing tells apart.
//!
//! Each node has a colour and an ordered list of nodes that it refers to; nodes of one colour have lists of one length.
//! Two nodes stay together if their colours are equal and what they refer to, place by place, stays together. Such a graph
//! is a deterministic automaton whose letters are the places, so Hopcroft's algorithm finds the partition in
//! O(references * log nodes), also for long rings and chains where rounds over all nodes would take a round per link.

use super::lists::Lists;

/// The part of each node; parts are numbered by first appearance.
pub(crate) fn coarsest(colour: &[u32], below: &Lists<u32>) -> Vec<u32> {
    let n = colour.len();
    // Per node who refers to it: place in the high half, node in the low half.
    let references = || {
        (0..n as u32).flat_map(|from| {
            let places = below.get(from as usize).iter().enumerate();
            places.map(move |(place, &to)| (to, (place as u64) << 32 | u64::from(from)))
        })
    };
    let users: Lists<u64> = Lists::grouped(n, references);
    let mut parts = Parts::of(colour);
    // Parts that may still split others. What is split while such a part is looked at was read before.
    let mut work: Vec<u32> = (0..parts.count()).collect();
    let mut edges: Vec<u64> = Vec::new();
    while let Some(part) = work.pop() {
        edges.clear();
        parts.members(part).iter().for_each(|&to| edges.extend_from_slice(users.get(to as usize)));
        edges.sort_unstable();
        for same_place in edges.chunk_by(|a, b| a >> 32 == b >> 32) {
            same_place.iter().for_each(|&edge| parts.mark(edge as u32));
            parts.split_marked(&mut work);
        }
    }
    number(parts.part.into_iter()).0
}

/// Numbers values by first appearance; also how many there are.
pub(crate) fn number<T: Eq + std::hash::Hash>(values: impl Iterator<Item = T>) -> (Vec<u32>, u32) {
    let mut seen: crate::map::FixedMap<T, u32> = Default::default();
    let numbers = values
        .map(|v| {
            let next = seen.len() as u32;
            *seen.entry(v).or_insert(next)
        })
        .collect();
    (numbers, seen.len() as u32)
}

/// A partition that splits in time proportional to what is marked.
struct Parts {
    /// The nodes, part by part.
    order: Vec<u32>,
    /// Where each node stands in `order`.
    at: Vec<u32>,
    /// The part of each node.
    part: Vec<u32>,
    /// Range of each part in `order`, and how many of its members, the first ones, are marked.
    ranges: Vec<Range>,
    /// Parts with a marked member.
    touched: Vec<u32>,
}

#[derive(Clone, Copy)]
struct Range {
    start: u32,
    end: u32,
    marked: u32,
}

impl Parts {
    fn of(colour: &[u32]) -> Parts {
        let (part, count) = number(colour.iter());
        let members = Lists::grouped(count as usize, || part.iter().zip(0u32..).map(|(&p, node)| (p, node)));
        let mut parts =
            Parts { order: Vec::new(), at: vec![0; part.len()], part, ranges: Vec::new(), touched: Vec::new() };
        for p in 0..count as usize {
            let start = parts.order.len() as u32;
            parts.order.extend_from_slice(members.get(p));
            parts.ranges.push(Range { start, end: parts.order.len() as u32, marked: 0 });
        }
        for (at, &node) in parts.order.iter().enumerate() {
            parts.at[node as usize] = at as u32;
        }
        parts
    }

    fn count(&self) -> u32 {
        self.ranges.len() as u32
    }

    fn members(&self, part: u32) -> &[u32] {
        let Range { start, end, .. } = self.ranges[part as usize];
        &self.order[start as usize..end as usize]
    }

    /// Marks a node that is not marked yet.
    fn mark(&mut self, node: u32) {
        let range = &mut self.ranges[self.part[node as usize] as usize];
        if range.marked == 0 {
            self.touched.push(self.part[node as usize]);
        }
        let (from, to) = (self.at[node as usize], range.start + range.marked);
        range.marked += 1;
        let other = self.order[to as usize];
        self.order.swap(from as usize, to as usize);
        (self.at[node as usize], self.at[other as usize]) = (to, from);
    }

    /// Splits the marked members from the others, in each part that has both. The smaller half is the new part, and the one
    /// that is to be looked at: if the whole is still in `work`, then both halves are, else one half is enough, since each
    /// node refers to one node per place and the whole has been looked at.
    fn split_marked(&mut self, work: &mut Vec<u32>) {
        while let Some(part) = self.touched.pop() {
            let new = self.ranges.len() as u32;
            let range = &mut self.ranges[part as usize];
            let middle = range.start + std::mem::take(&mut range.marked);
            if middle == range.end {
                continue;
            }
            let half = if middle - range.start <= range.end - middle {
                let half = Range { end: middle, ..*range };
                range.start = middle;
                half
            } else {
                let half = Range { start: middle, ..*range };
                range.end = middle;
                half
            };
            for &node in &self.order[half.start as usize..half.end as usize] {
                self.part[node as usize] = new;
            }
            self.ranges.push(half);
            work.push(new);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lists(below: &[&[u32]]) -> Lists<u32> {
        let mut lists = Lists::new();
        below.iter().for_each(|b| lists.push(b.iter().copied()));
        lists
    }

    /// Rounds over all nodes, until nothing splits.
    fn by_rounds(colour: &[u32], below: &Lists<u32>) -> Vec<u32> {
        let (mut part, mut count) = number(colour.iter().copied());
        loop {
            let key = |i: usize| (part[i], below.get(i).iter().map(|&b| part[b as usize]).collect::<Vec<_>>());
            let (next, next_count) = number((0..colour.len()).map(key));
            part = next;
            if std::mem::replace(&mut count, next_count) == next_count {
                return part;
            }
        }
    }

    #[test]
    fn a_ring_collapses_and_a_mark_unrolls_it() {
        let ring = lists(&[&[1], &[2], &[3], &[0]]);
        assert_eq!(coarsest(&[0, 0, 0, 0], &ring), [0, 0, 0, 0]);
        assert_eq!(coarsest(&[0, 1, 0, 1], &ring), [0, 1, 0, 1]);
        assert_eq!(coarsest(&[0, 1, 1, 1], &ring), [0, 1, 2, 3]);
    }

    #[test]
    fn places_count() {
        // Nodes 2 and 3 refer to 0 and 1, in other orders.
        assert_eq!(coarsest(&[0, 1, 2, 2, 2], &lists(&[&[], &[], &[0, 1], &[1, 0], &[0, 1]])), [0, 1, 2, 3, 2]);
    }

    proptest::proptest! {
        #[test]
        fn same_as_rounds(edges in proptest::collection::vec((0u32..3, 0u32..40, 0u32..40), 1..40)) {
            let n = edges.len() as u32;
            let colour: Vec<u32> = edges.iter().map(|e| e.0).collect();
            let mut below = Lists::new();
            for (colour, a, b) in edges {
                below.push([a % n, b % n].into_iter().take(colour as usize));
            }
            proptest::prop_assert_eq!(coarsest(&colour, &below), by_rounds(&colour, &below));
        }
    }
}
