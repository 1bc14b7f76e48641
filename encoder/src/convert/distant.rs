//! What a unit refers to in other units.
//!
//! A unit is converted as if its compiler had repeated in it what it refers to elsewhere: behind its own DIEs, at offsets that
//! continue its own, lie *stretches* of other units' DIEs. A stretch is a DIE with all below it, or everything in a unit that is
//! imported. So all that comes later (numbers of types, origins of functions) sees one unit.
//!
//! A reference to a DIE that is in no stretch yet gets a *ticket*. When the unit's own DIEs are read, the DIEs of the tickets are
//! read, which may need further ones, until all are there; then each ticket is known as an offset. Stretches are laid out in the
//! order in which they are read, so offsets ascend with the numbers of types. They do not overlap, unless a
//! DIE is needed before one that contains it: then it is there twice, which changes nothing, and the larger one counts.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;

use btf::map::{FixedMap, FixedSet};

use super::RawRef;
use crate::sources::Place;

/// DIEs of another unit, laid behind the own ones.
#[derive(Clone, Copy, Debug)]
struct Stretch {
    end: Place,
    /// Offset of the first byte.
    offset: u32,
}

/// What to read next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Next {
    /// Everything in the unit that starts there, at an offset.
    Unit(Place, u32),
    /// The DIE there and what is below it, at an offset.
    Die(Place, u32),
}

/// A reference that leads nowhere.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Nowhere {
    /// No type unit has this signature.
    Signature(u64),
    /// An offset in an alternate file, and the file names none.
    NoAlternate(u64),
    /// What is imported is no unit.
    NoUnit(Place),
    /// There is more than offsets can tell.
    TooMuch,
}

/// See the module's documentation.
#[derive(Debug, Default)]
pub struct Distant {
    /// Where the unit itself is.
    own: Option<Range<Place>>,
    /// The first offset behind all stretches.
    end: u32,
    tickets: Vec<Place>,
    ticket_of: FixedMap<Place, u32>,
    /// What was referred to last, by the low bits of the places: what one DIE refers to most others do as well.
    recent: Vec<(Place, RawRef)>,
    /// The stretch that is being read, if it is laid out already.
    current: Option<(Place, Stretch)>,
    /// The first ticket whose DIE was not read yet.
    next: usize,
    /// By the place where they start.
    stretches: BTreeMap<Place, Stretch>,
    /// Units that were imported, and their offsets.
    imports: VecDeque<(Place, u32)>,
    /// The same of those that have none yet: their size.
    later: Vec<(Place, usize)>,
    imported: FixedSet<Place>,
    /// The offsets of the tickets' DIEs, when all are known.
    offsets: Vec<u32>,
    /// The first reference that leads nowhere.
    pub nowhere: Option<Nowhere>,
}

/// Entries of [`Distant::recent`], a power of two; they take 4 KB.
const MOST_RECENT: usize = 256;

/// Offsets are below this; [`RawRef`] needs the other bits.
const MOST: u32 = RawRef::RECORD;

impl Distant {
    /// Forgets the last unit; the next one is at a place.
    pub fn start(&mut self, unit: Place, bytes: usize) {
        self.own = Some(unit..unit.plus(bytes));
        self.end = u32::try_from(bytes).unwrap_or(MOST).max(1); // 0 is void
        self.nowhere = None;
        self.current = None;
        if self.tickets.is_empty() && self.stretches.is_empty() {
            return;
        }
        self.tickets.clear();
        self.ticket_of.clear();
        self.recent.clear();
        self.next = 0;
        self.stretches.clear();
        self.imports.clear();
        self.later.clear();
        self.imported.clear();
        self.offsets.clear();
    }

    /// True if something in other units was referred to.
    pub fn is_used(&self) -> bool {
        !self.tickets.is_empty() || !self.stretches.is_empty()
    }

    /// What to call the DIE at a place.
    pub fn reference(&mut self, place: Place) -> RawRef {
        if let Some(own) = self.own.as_ref().filter(|own| own.contains(&place)) {
            let offset = place.after(own.start).and_then(|o| u32::try_from(o).ok()).filter(|&o| o < MOST);
            return offset.map_or(RawRef::VOID, RawRef);
        }
        let slot = place.offset() % MOST_RECENT;
        if let Some((start, stretch)) = self.current.filter(|(start, stretch)| (*start..stretch.end).contains(&place)) {
            return RawRef(stretch.offset + (place.offset() - start.offset()) as u32);
        }
        if let Some(&(_, reference)) = self.recent.get(slot).filter(|(recent, _)| *recent == place) {
            return reference;
        }
        let reference = match self.ticket_of.get(&place) {
            Some(&ticket) => RawRef::of_ticket(ticket),
            None => self.offset_of(place).map_or_else(|| self.ticket(place), RawRef),
        };
        self.recent.resize(MOST_RECENT, (Place::NOWHERE, RawRef::VOID));
        self.recent[slot] = (place, reference);
        reference
    }

    /// A new ticket.
    fn ticket(&mut self, place: Place) -> RawRef {
        let next = self.tickets.len() as u32;
        if next >= RawRef::TICKET {
            self.nowhere.get_or_insert(Nowhere::TooMuch);
            return RawRef::VOID;
        }
        self.ticket_of.insert(place, next);
        self.tickets.push(place);
        RawRef::of_ticket(next)
    }

    /// Everything in a unit of some bytes belongs to this one. `now`: unless a DIE is being read that is not laid out yet.
    pub fn import(&mut self, unit: Place, bytes: usize, now: bool) {
        if !self.imported.insert(unit) {
            return;
        }
        if now { self.import_now(unit, bytes) } else { self.later.push((unit, bytes)) }
    }

    fn import_now(&mut self, unit: Place, bytes: usize) {
        if let Some(offset) = self.lay_out(unit, bytes) {
            self.imports.push_back((unit, offset));
        }
    }

    /// The next thing to read. A DIE needs to be [laid out](Distant::lay_out) when it was read, and its end is known.
    pub fn next_read(&mut self) -> Option<Next> {
        if let Some((unit, bytes)) = self.later.pop() {
            self.import_now(unit, bytes);
        }
        self.current = None;
        if let Some((unit, offset)) = self.imports.pop_front() {
            self.current = self.stretches.get(&unit).filter(|stretch| stretch.offset == offset).map(|s| (unit, *s));
            return Some(Next::Unit(unit, offset));
        }
        while let Some(&place) = self.tickets.get(self.next) {
            self.next += 1;
            if self.offset_of(place).is_none() {
                return Some(Next::Die(place, self.end));
            }
        }
        None
    }

    /// Gives the bytes at a place the next offsets; None if there are none left.
    pub fn lay_out(&mut self, place: Place, bytes: usize) -> Option<u32> {
        let offset = self.end;
        let end = u32::try_from(bytes).ok().and_then(|bytes| offset.checked_add(bytes)).filter(|&end| end < MOST);
        let Some(end) = end else {
            self.nowhere.get_or_insert(Nowhere::TooMuch);
            return None;
        };
        self.end = end;
        let behind = place.plus(bytes);
        let inside: Vec<Place> = self.stretches.range(place..behind).map(|(start, _)| *start).collect();
        for start in inside {
            self.stretches.remove(&start);
        }
        self.stretches.insert(place, Stretch { end: behind, offset });
        Some(offset)
    }

    fn offset_of(&self, place: Place) -> Option<u32> {
        if self.stretches.is_empty() {
            return None; // nothing but the unit itself was read
        }
        let (start, stretch) = self.stretches.range(..=place).next_back()?;
        let inside = place.after(*start).filter(|_| place < stretch.end)?;
        Some(stretch.offset + inside as u32)
    }

    /// All was read: each ticket gets its offset.
    pub fn finish(&mut self) {
        let mut offsets = std::mem::take(&mut self.offsets);
        offsets.extend(self.tickets.iter().map(|&place| self.offset_of(place).unwrap_or(0)));
        self.offsets = offsets;
    }

    /// A reference with the offset in the place of the ticket.
    #[inline]
    pub fn resolved(&self, r: RawRef) -> RawRef {
        r.ticket().map_or(r, |ticket| RawRef(self.offset_of_ticket(ticket)))
    }

    /// The offset of a ticket's DIE.
    pub fn offset_of_ticket(&self, ticket: u32) -> u32 {
        self.offsets.get(ticket as usize).copied().unwrap_or(0)
    }
}
