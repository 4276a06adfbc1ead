//! The search for the best single stretch at one place.
//!
//! Told simply: every start is tried in its order, and a later one is taken only if it costs less. Done so, a site with
//! thousands of plans on it has thousands of starts. Here blocks of cells and cells are looked at in the order of what
//! they cost at least, until that is more than the best one found; so only starts that come near the best are tried.
//! Among these the rule is applied as it is told.

mod across;
pub(super) mod memory;

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use jiff::Timestamp;
use lowtide_model::quantity::Seconds;

use super::course::Stretch;
use super::situation::{Place, Rules, Situation};
use super::window::Starts;
use crate::cells::{blocks_between, cell_of, start_of};

/// Costs nearer to each other than this share are equal: rounding must not decide over hours of waiting.
const EQUAL: f64 = 1e-9;
/// Of starts before the best one those are tried that cost at least so little more: wider than what counts as equal.
const NEARLY: f64 = 1e-6;

pub(super) struct Search<'s, 'a> {
    situation: &'s Situation<'a>,
    place: usize,
    rules: Rules,
    /// When it has to end.
    bound: Timestamp,
    /// What costs more than this is not wanted, in grams.
    below: f64,
    /// The earliest of the cheapest found, with its cost.
    leader: Option<(f64, Timestamp)>,
    found: Vec<(f64, Stretch)>,
}

/// Something to look into, ordered by its least cost, which is not negative, so that its bits are ordered as it is. Then
/// the first and the last cell of it.
type Entry = Reverse<(u64, i64, i64)>;

impl<'s, 'a> Search<'s, 'a> {
    pub(super) fn new(situation: &'s Situation<'a>, place: usize, rules: Rules, below: f64) -> Self {
        let bound = situation.bound(place, rules);
        Self { situation, place, rules, bound, below, leader: None, found: Vec::new() }
    }

    /// Tries one start.
    pub(super) fn look(&mut self, start: Timestamp) {
        let situation = self.situation;
        let Some(stretch) = situation.contiguous(self.place, start) else { return };
        if self.bound < stretch.window.end() {
            return;
        }
        let late = Seconds::between(situation.input.now, stretch.window.end()).hours();
        let cost = situation.grams(&[stretch]) + situation.price_of_delay() * late;
        if self.in_vain(cost, start) || !situation.open(self.place, stretch.window, self.rules) {
            return;
        }
        self.found.push((cost, stretch));
        let leads = |(least, at): (f64, Timestamp)| {
            cost < least * (1.0 - EQUAL) || (start < at && cost <= least * (1.0 + EQUAL))
        };
        if self.leader.is_none_or(leads) {
            self.leader = Some((cost, start));
        }
    }

    /// Whether nothing that costs at least this and starts at this moment or later can be the best.
    fn in_vain(&self, cost: f64, start: Timestamp) -> bool {
        let beaten = |(least, at): (f64, Timestamp)| {
            let margin = if at < start { 1.0 - EQUAL } else { 1.0 + NEARLY };
            least * margin <= cost && (0.0 < cost || at < start)
        };
        self.below < cost || self.leader.is_some_and(beaten)
    }

    /// Whether what costs at least this ends the search: it is looked at in the order of its least cost.
    fn ends_at(&self, least: f64) -> bool {
        self.below < least || self.leader.is_some_and(|(leading, _)| leading * (1.0 + NEARLY) < least)
    }

    /// The last moment at which it may begin.
    fn latest(&self) -> Option<Timestamp> {
        let Place { run_time, earliest, .. } = self.situation.places[self.place];
        let end = self.situation.input.horizon.after(self.situation.input.now);
        let before_bound = if self.bound == Timestamp::MAX { end } else { run_time.before(self.bound) };
        let latest = before_bound.min(end.max(earliest));
        (earliest <= latest).then_some(latest)
    }

    /// What runs of a length cost at least that begin in a cell or later and have at least this integral, in g/kWh·s.
    fn costs_at_least(&self, integral: f64, length: Seconds, first: i64) -> f64 {
        let (situation, delay) = (self.situation, self.situation.price_of_delay());
        // Without a price of delay its hours need not be counted.
        let delayed = if 0.0 < delay {
            delay * (Seconds::between(situation.input.now, start_of(first)) + length).hours()
        } else {
            0.0
        };
        let grams = situation.places[self.place].kilowatts / 3600.0 * integral;
        grams + delayed
    }

    /// Such runs that begin between two cells.
    fn entry(&self, integral: f64, length: Seconds, first: i64, last: i64) -> Entry {
        Reverse((self.costs_at_least(integral, length, first).to_bits(), first, last))
    }

    /// Tries all starts, the most promising cells first.
    pub(super) fn through_cells(&mut self) {
        let Some(latest) = self.latest() else { return };
        let situation = self.situation;
        let Place { view, run_time, earliest, .. } = situation.places[self.place];
        let length = situation.first_loss(self.place, earliest) + run_time;
        let bounds = view.curve.bounds(length);
        let wanted = situation.places[self.place].resources;
        let blocks = blocks_between(cell_of(earliest), cell_of(latest))
            .filter(|(first, _)| view.occupancy.may_start_in_block_of(*first, wanted));
        let mut heap: BinaryHeap<Entry> =
            blocks.map(|(first, last)| self.entry(bounds.least_between(first, last), length, first, last)).collect();
        let mut starts = Starts::default();
        while let Some(Reverse((least, first, last))) = heap.pop() {
            let least = f64::from_bits(least);
            if self.ends_at(least) {
                break;
            }
            if self.in_vain(least, start_of(first)) {
                continue;
            }
            if first < last {
                let mut free_until = first + 1;
                for cell in first..=last {
                    let Reverse(entry) = self.entry(bounds.least(cell), length, cell, cell);
                    if self.in_vain(f64::from_bits(entry.0), start_of(cell))
                        || !view.occupancy.may_start_in(cell, wanted)
                    {
                        continue;
                    }
                    // Whatever begins in this cell runs through all cells from the next on that it fills.
                    let behind = cell_of(length.after(start_of(cell)));
                    let full = view.occupancy.full_cell(free_until.max(cell + 1), behind, wanted);
                    free_until = full.unwrap_or_else(|| behind.max(free_until));
                    if free_until < behind {
                        continue;
                    }
                    heap.push(Reverse(entry));
                }
                continue;
            }
            situation.starts_in(self.place, first, length, &mut starts);
            starts.list.iter().filter(|start| **start <= latest).for_each(|start| self.look(*start));
        }
    }

    /// The best of what was found: in order of their starts, a later one if it costs less.
    pub(super) fn best(mut self) -> Option<Stretch> {
        self.found.sort_by_key(|(_, stretch)| stretch.window.start());
        let mut best: Option<(f64, Stretch)> = None;
        for (cost, stretch) in self.found {
            if best.is_none_or(|(least, _)| cost < least * (1.0 - EQUAL)) {
                best = Some((cost, stretch));
            }
        }
        best.map(|(_, stretch)| stretch)
    }
}
