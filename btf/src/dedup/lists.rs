//! Many short lists in two arrays, and what is asked of graphs kept that way: strongly connected components.

/// Lists one after the other in one array.
#[derive(Debug, Clone)]
pub struct Lists<T> {
    items: Vec<T>,
    /// End of each list in `items`; it starts at the end of the one before.
    ends: Vec<u32>,
}

impl<T: Copy + Default> Lists<T> {
    /// No lists.
    pub(crate) fn new() -> Lists<T> {
        Lists { items: Vec::new(), ends: Vec::new() }
    }

    /// `n` lists made from pairs of a list's number and an item; each list keeps the order of the pairs, which `pairs`
    /// must give twice in the same order.
    pub fn grouped<I: Iterator<Item = (u32, T)>>(n: usize, pairs: impl Fn() -> I) -> Lists<T> {
        let mut ends = vec![0u32; n + 1];
        pairs().for_each(|(list, _)| ends[list as usize + 1] += 1);
        for i in 1..=n {
            ends[i] += ends[i - 1];
        }
        let mut items = vec![T::default(); ends[n] as usize];
        for (list, item) in pairs() {
            // While filling, a list's slot holds where its next item goes; at the end that is the list's end.
            let next = &mut ends[list as usize];
            items[*next as usize] = item;
            *next += 1;
        }
        ends.pop();
        Lists { items, ends }
    }

    /// Appends a list.
    pub fn push(&mut self, list: impl IntoIterator<Item = T>) {
        self.items.extend(list);
        self.ends.push(self.items.len() as u32);
    }

    /// A list.
    pub fn get(&self, list: usize) -> &[T] {
        let start = if list == 0 { 0 } else { self.ends[list - 1] as usize };
        &self.items[start..self.ends[list] as usize]
    }
}

/// Strongly connected components of what is reachable from `roots`, those referred to first (Tarjan 1972, with an
/// explicit stack); each sorted.
pub(super) fn components(roots: &[usize], n: usize, below: impl Fn(usize) -> Vec<usize>) -> Vec<Vec<usize>> {
    let mut index = vec![usize::MAX; n];
    let mut low = vec![0; n];
    let mut on_stack = vec![false; n];
    let (mut stack, mut found, mut count) = (Vec::new(), Vec::new(), 0);
    let mut work: Vec<(usize, Vec<usize>)> = Vec::new();
    let mut enter = None;
    let mut roots = roots.iter().copied();
    loop {
        if work.is_empty() {
            match roots.find(|&r| index[r] == usize::MAX) {
                Some(root) => enter = Some(root),
                None => return found,
            }
        }
        if let Some(at) = enter.take() {
            (index[at], low[at]) = (count, count);
            count += 1;
            stack.push(at);
            on_stack[at] = true;
            work.push((at, below(at)));
        }
        let (at, targets) = work.last_mut().expect("a member was just entered");
        let at = *at;
        match targets.pop() {
            Some(t) if index[t] == usize::MAX => enter = Some(t),
            Some(t) if on_stack[t] => low[at] = low[at].min(index[t]),
            Some(_) => {}
            None => {
                work.pop();
                if let Some((parent, _)) = work.last() {
                    low[*parent] = low[*parent].min(low[at]);
                }
                if low[at] == index[at] {
                    let split = stack.iter().rposition(|&x| x == at).expect("a component's root is on the stack");
                    let mut component = stack.split_off(split);
                    component.iter().for_each(|&x| on_stack[x] = false);
                    component.sort_unstable();
                    found.push(component);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grouping_keeps_the_order() {
        let pairs = [(2, 'a'), (0, 'b'), (2, 'c'), (3, 'd')];
        let lists = Lists::grouped(4, || pairs.into_iter());
        let all: Vec<&[char]> = (0..4).map(|i| lists.get(i)).collect();
        assert_eq!(all, [&['b'][..], &[], &['a', 'c'], &['d']]);
        let mut lists = Lists::new();
        lists.push([1, 2]);
        lists.push([]);
        lists.push([3]);
        assert_eq!((lists.get(0), lists.get(1), lists.get(2)), (&[1, 2][..], &[][..], &[3][..]));
    }

    #[test]
    fn components_come_after_what_they_refer_to() {
        let below = [vec![1], vec![2, 3], vec![1], vec![], vec![0, 4]];
        let found = components(&[4, 0], 5, |i| below[i].clone());
        assert_eq!(found, [vec![3], vec![1, 2], vec![0], vec![4]]);
    }
}
