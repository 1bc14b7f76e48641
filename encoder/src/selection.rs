//! Which functions are described, and by which of their prototypes.

use std::cell::OnceCell;
use std::fmt;
use std::ops::Range;

use btf::dedup::lists::Lists;
use btf::dedup::table::ClassTable;
use btf::map::FixedMap;

use crate::functions::{FunctionSymbols, Group, Instance, Instances, SymbolGroup};
use crate::options::{Features, Selection};
use crate::signature::Signatures;
use crate::target::Target;

/// Why a function is not described.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Reason {
    /// Several functions of that name: a name would not tell which is meant.
    Ambiguous,
    /// No DIE describes what is at the symbol's address.
    NoDebugInformation,
    /// The assembler knows no prototypes.
    Assembler,
    /// Prototypes differ between units.
    Inconsistent,
    /// The optimiser removed a parameter.
    Optimized,
    /// A parameter is passed in an unexpected register.
    UnexpectedRegister,
    /// The parameters come in another order.
    Reordered,
    /// The compiler may have removed the result, or taken a struct apart (`.isra`); debug information does not tell.
    TakenApart,
    /// A parameter has no name.
    UnnamedParameter,
    /// The name has characters that kernels do not accept.
    Name,
    /// Nothing is left of the function but fragments (`.part`, `.cold`), which take what the compiler likes.
    Fragment,
}

/// Why a function that is described may be described otherwise elsewhere.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Note {
    /// Its code is in several pieces; the DIE was found by the one that its symbol names.
    Pieces,
    /// It is another name of a function, whose DIE describes it.
    Alias,
    /// The compiler merged its code with that of another function; its own DIE describes it.
    Merged,
    /// The compiler replaced parameters by constants; those that are left are described.
    ConstantsPropagated,
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Note::Pieces => "in pieces: described by the code at its symbol's address",
            Note::Alias => "alias: described by the function at its address",
            Note::Merged => "merged: its code is that of another function, its prototype its own",
            Note::ConstantsPropagated => "constants propagated: described by the parameters that are left",
        })
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Reason::Ambiguous => "ambiguous address: several functions have this name",
            Reason::NoDebugInformation => "no debug information for the code at the symbol's address",
            Reason::Assembler => "assembler function: its debug information knows no prototype",
            Reason::Inconsistent => "inconsistent prototypes: the units that define it disagree",
            Reason::Optimized => "optimized parameters: the compiler's clone does not take what the source says",
            Reason::UnexpectedRegister => {
                "unexpected register: a parameter is not passed where the calling convention says"
            }
            Reason::Reordered => "reordered parameters: the compiler's clone takes them in another order",
            Reason::TakenApart => "taken apart: the compiler's .isra clone may lack the result or parts of a struct",
            Reason::UnnamedParameter => "unnamed parameter: the debug information does not name it",
            Reason::Name => "name not accepted by kernels",
            Reason::Fragment => "fragment: only parts of the function are code of their own",
        })
    }
}

/// What was decided about a name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Decision {
    /// The name, as far as the first dot.
    pub group: Group,
    /// The first of the group's symbols of the whole name, if clones of the compiler have names of their own.
    pub clone: Option<usize>,
    /// The instance (by number) that describes it, or why none does.
    pub outcome: Result<usize, Reason>,
    /// What is special about the description.
    pub note: Option<Note>,
}

impl Decision {
    /// The name.
    pub fn name<'s>(&self, symbols: &'s FunctionSymbols<'_>) -> &'s [u8] {
        let group = symbols.get(self.group);
        self.clone.map_or(group.name, |symbol| group.symbols[symbol].name)
    }
}

/// Decides about every name, in the order of the symbols. Instances must be in the order of the file.
pub fn select(
    selection: Selection,
    features: Features,
    target: Target,
    symbols: &FunctionSymbols<'_>,
    instances: &Instances,
    classes: &ClassTable<'_>,
) -> Vec<Decision> {
    let groups = symbols.iter().count();
    let of_group = Lists::grouped(groups, || instances.list.iter().map(|i| i.group.0).zip(0u32..));
    let last = symbols.iter().max_by_key(|(_, g)| g.name).map(|(group, _)| group);
    let signatures = Signatures::new(classes);
    let mut selector = Selector {
        features,
        longest_name: target.max_name(),
        symbols,
        instances,
        signatures,
        described: OnceCell::new(),
    };
    let mut decisions = Vec::with_capacity(groups);
    for (group, names) in symbols.iter() {
        let candidates = of_group.get(group.0 as usize);
        let mut decide = |clone: Option<usize>, outcome: Result<u32, Reason>| {
            let outcome = outcome.map(|number| number as usize);
            let note = outcome.ok().and_then(|number| note(&instances.list[number], group));
            decisions.push(Decision { group, clone, outcome, note });
        };
        match selection {
            Selection::Truthful => {
                for meant in names.meanings(features.true_signature) {
                    let clone = (features.true_signature && names.is_clone(meant.start)).then_some(meant.start);
                    decide(clone, selector.truthful(&names, candidates, meant));
                }
            }
            // pahole has nothing to say about names without a DIE.
            Selection::Pahole if candidates.is_empty() => decide(None, Err(Reason::NoDebugInformation)),
            Selection::Pahole => decide(None, selector.pahole(&names, candidates, Some(group) == last)),
        }
    }
    decisions
}

fn note(instance: &Instance, group: Group) -> Option<Note> {
    if instance.group != group {
        Some(Note::Alias)
    } else if instance.symbol.is_some() && !instance.has_code {
        Some(Note::Merged)
    } else if instance.facts.is_changed() && instance.taken.is_some() {
        Some(Note::ConstantsPropagated)
    } else {
        (instance.symbol.is_some() && !instance.has_low_pc).then_some(Note::Pieces)
    }
}

struct Selector<'s, 't, 'b> {
    features: Features,
    longest_name: usize,
    symbols: &'s FunctionSymbols<'s>,
    instances: &'s Instances,
    signatures: Signatures<'t, 'b>,
    /// Per address of a symbol without an appendix the first instance there. Only aliases ask.
    described: OnceCell<FixedMap<u64, u32>>,
}

impl Selector<'_, '_, '_> {
    fn get(&self, number: u32) -> &Instance {
        &self.instances.list[number as usize]
    }

    /// The first instance with code at the address of a symbol; what has the symbol's own name comes first.
    fn described(&self, address: u64) -> Option<u32> {
        let described = self.described.get_or_init(|| {
            let mut described = FixedMap::default();
            let with_code = || (0..).zip(&self.instances.list).filter(|(_, i)| i.has_code);
            let own_names = with_code().filter(|(_, i)| !i.other_name);
            for (number, instance) in own_names.chain(with_code().filter(|(_, i)| i.other_name)) {
                let group = self.symbols.get(instance.group);
                if let Some(symbol) = instance.symbol.filter(|&s| !group.is_clone(s)) {
                    group.symbols[symbol].address.map(|address| described.entry(address).or_insert(number));
                }
            }
            described
        });
        described.get(&address).copied()
    }

    /// The symbol decides: what has the name alone is the function; only if nothing has, a clone of the compiler is. The
    /// DIE at its address describes it. A symbol without an appendix is called as the source says, since callers
    /// elsewhere may rely on it; a clone only if its parameters are where the prototype puts them.
    ///
    /// `meant` are the symbols that count, all of which a name may mean.
    fn truthful(&mut self, group: &SymbolGroup<'_>, candidates: &[u32], meant: Range<usize>) -> Result<u32, Reason> {
        let plain = !group.is_clone(meant.start) && group.symbols[meant.clone()].iter().any(|s| s.address.is_some());
        let name = if self.features.true_signature { group.symbols[meant.start].name } else { group.name };
        if !crate::names::is_identifier(name) || name.len() > self.longest_name {
            return Err(Reason::Name);
        }
        let mut addresses = group.symbols[meant.clone()].iter().filter_map(|s| s.address);
        let Some(first) = addresses.next() else { return Err(Reason::NoDebugInformation) };
        let ambiguous = addresses.any(|a| a != first);
        let counted = |&&number: &&u32| {
            let instance = self.get(number);
            !instance.other_name && instance.symbol.is_some_and(|symbol| meant.contains(&symbol))
        };
        let mut voters: Vec<u32> = candidates.iter().filter(counted).copied().collect();
        if ambiguous {
            return Err(if voters.is_empty() { Reason::NoDebugInformation } else { Reason::Ambiguous });
        }
        if voters.iter().any(|&v| self.get(v).has_code) {
            voters.retain(|&v| self.get(v).has_code);
        }
        if voters.is_empty() {
            // An alias has no DIE, but what its address belongs to has one.
            voters.extend(plain.then(|| self.described(first)).flatten());
        }
        if voters.is_empty() {
            return Err(Reason::NoDebugInformation);
        }
        voters.retain(|&v| !self.get(v).assembler);
        let Some(&canonical) = voters.first() else { return Err(Reason::Assembler) };
        if self.features.consistent_func && voters[1..].iter().any(|&v| !self.same_prototype(canonical, v)) {
            return Err(Reason::Inconsistent);
        }
        let instance = self.get(canonical);
        if instance.unnamed_parameter {
            return Err(Reason::UnnamedParameter);
        }
        // What describes an alias is of a group of its own.
        let own = self.symbols.get(instance.group);
        let is_isra = |s: usize| own.symbols[s].name.windows(5).any(|w| w == b".isra");
        if instance.symbol.is_some_and(is_isra) && (instance.result.local.is_some() || instance.facts.aggregate) {
            return Err(Reason::TakenApart);
        }
        if (!plain || instance.clang_nocall) && instance.taken.is_none() {
            let facts = instance.facts;
            if facts.reordered {
                return Err(Reason::Reordered);
            }
            if facts.optimized || facts.partial {
                return Err(Reason::Optimized);
            }
            if facts.unexpected {
                return Err(Reason::UnexpectedRegister);
            }
        }
        Ok(canonical)
    }

    /// pahole 1.32's rules with their faults: all instances of a name vote, also inlined ones;
    /// addresses match only in linked files; the last name of a file is never ambiguous.
    fn pahole(&mut self, group: &SymbolGroup<'_>, all: &[u32], last: bool) -> Result<u32, Reason> {
        let candidates: Vec<u32> = all.iter().copied().filter(|&n| !self.get(n).unnamed_parameter).collect();
        let Some(&first) = candidates.first() else { return Err(Reason::UnnamedParameter) };
        let facts = candidates.iter().map(|&n| self.get(n).facts);
        let unexpected = facts.clone().any(|f| f.unexpected);
        let reordered = facts.clone().any(|f| f.reordered);
        let inconsistent = candidates[1..].iter().any(|&n| !self.same_prototype(first, n));

        let optimized = |n: u32| {
            let i = self.get(n);
            let is_changed = i.symbol.is_some_and(|s| {
                let name = group.symbols[s].name;
                let has = |part: &[u8]| name.windows(part.len()).any(|w| w == part);
                has(b".isra") || has(b".constprop")
            });
            i.facts.optimized && (i.clang_nocall || is_changed)
        };
        let at_symbol = |&&n: &&u32| self.get(n).symbol.is_some() && self.get(n).has_low_pc;
        let canonical = candidates.iter().filter(at_symbol).find(|&&n| !optimized(n));
        let canonical = canonical.or_else(|| candidates.iter().find(at_symbol));
        let canonical = canonical.or_else(|| candidates.iter().find(|&&n| self.get(n).has_low_pc));
        let canonical = *canonical.unwrap_or(&first);

        // The last reason that applies is the one that pahole reports.
        let mut reason = None;
        if unexpected {
            reason = Some(Reason::UnexpectedRegister);
        }
        if inconsistent && self.features.consistent_func && !unexpected && !reordered {
            reason = Some(Reason::Inconsistent);
        }
        if reordered {
            reason = Some(Reason::Reordered);
        }
        if optimized(canonical) {
            reason = Some(Reason::Optimized);
        }
        if !last && is_ambiguous(group) {
            reason = Some(Reason::Ambiguous);
        }
        reason.map_or(Ok(canonical), Err)
    }

    fn same_prototype(&mut self, a: u32, b: u32) -> bool {
        let instances = self.instances;
        let (a, b) = (&instances.list[a as usize], &instances.list[b as usize]);
        let parameters = |i: &Instance| instances.parameters[i.parameters.clone()].iter().map(|(_, used)| *used);
        if a.variadic != b.variadic
            || a.parameters.len() != b.parameters.len()
            || self.signatures.of(a.result) != self.signatures.of(b.result)
        {
            return false;
        }
        parameters(a).zip(parameters(b)).all(|(x, y)| self.signatures.of(x) == self.signatures.of(y))
    }
}

/// A symbol at another address than the one before it, unless that one is at 0.
fn is_ambiguous(group: &SymbolGroup<'_>) -> bool {
    group.symbols.windows(2).any(|w| w[0].value != 0 && w[0].value != w[1].value)
}
