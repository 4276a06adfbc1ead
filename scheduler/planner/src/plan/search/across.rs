//! The search for the best single stretch at all places at once, by what is remembered of them.
//!
//! Places, their blocks of cells and their cells are looked into in the order of what they cost at least, to whichever place
//! they belong, up to what costs more than the best start found. What is learned of a block on the way is remembered.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use jiff::Timestamp;
use lowtide_model::quantity::Seconds;

use super::super::course::Course;
use super::super::situation::{Place, Rules, Situation};
use super::super::window::Starts;
use super::memory::{OfPlace, OfSize};
use super::{NEARLY, Search};
use crate::cells::{BLOCK, Bounds, block_of, cell_of, start_of};

/// Of a place those blocks are looked into together that cost at least up to so many times the least.
const LITTLE_MORE: f64 = 1.02;

/// What can be looked into, ordered by its least cost, which is not negative, so that its bits are ordered as it is; then the
/// number of the place.
type Entry = Reverse<(u64, usize, Part)>;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Place,
    Block(i64),
    Cell(i64),
}

/// A place that was worth looking into.
struct Opened<'s, 'a> {
    search: Search<'s, 'a>,
    known: OfPlace<'s>,
    length: Seconds,
    bounds: Bounds<'a>,
    /// The last moment at which the job may begin.
    latest: Timestamp,
    /// The first and the last cell in which it may.
    cells: (i64, i64),
    /// Blocks that cost no more than this at least are to be looked into, or have been.
    pushed: f64,
}

impl Situation<'_> {
    /// The best single stretch of each place that could be the best of all, of curves that are nowhere below zero.
    pub(in crate::plan) fn best_of_places_remembered(&self, rules: Rules, known: &OfSize) -> Vec<Course> {
        let whole = |place| Reverse((self.least_cost_remembered(place, rules, known).to_bits(), place, Part::Place));
        let mut heap: BinaryHeap<Entry> = (0..self.places.len()).map(whole).collect();
        let mut opened: Vec<Option<Opened>> = (0..self.places.len()).map(|_| None).collect();
        let mut starts = Starts::default();
        // What costs more than this cannot be the best.
        let mut worth = f64::INFINITY;
        while let Some(Reverse((least, place, part))) = heap.pop() {
            let least = f64::from_bits(least);
            if worth < least || least == f64::INFINITY {
                break;
            }
            if part == Part::Place && opened[place].is_none() {
                opened[place] = Opened::of(self, place, rules, known);
            }
            let Some(of_place) = &mut opened[place] else { continue };
            of_place.search.below = worth;
            match part {
                Part::Place => of_place.push_blocks(least, &mut heap),
                Part::Block(block) => of_place.push_cells(block, least, &mut heap),
                Part::Cell(cell) => of_place.try_cell(cell, least, &mut starts),
            }
            if let Some((leading, _)) = of_place.search.leader {
                worth = worth.min(leading * (1.0 + NEARLY));
            }
        }
        let best = opened.into_iter().flatten().filter_map(|of_place| of_place.search.best());
        best.map(|stretch| self.course(vec![stretch])).collect()
    }
}

impl<'s, 'a> Opened<'s, 'a> {
    /// `None` where the job cannot begin in time.
    fn of(situation: &'s Situation<'a>, place: usize, rules: Rules, known: &'s OfSize) -> Option<Self> {
        let search = Search::new(situation, place, rules, f64::INFINITY);
        let latest = search.latest()?;
        let Place { view, run_time, earliest, number, .. } = situation.places[place];
        let length = situation.first_loss(place, earliest) + run_time;
        let bounds = view.curve.bounds(length);
        let known = known.of_place(number, view.curve, &bounds, situation.input.sites);
        Some(Self { search, known, length, bounds, latest, cells: (cell_of(earliest), cell_of(latest)), pushed: -1.0 })
    }

    /// Those cells of a block in which the job may begin.
    fn cells_of(&self, block: i64) -> (i64, i64) {
        ((block * BLOCK).max(self.cells.0), (block * BLOCK + BLOCK - 1).min(self.cells.1))
    }

    /// What runs with at least this integral cost that begin in a cell or later, unless there is no use in them.
    fn worth(&self, integral: f64, first: i64) -> Option<f64> {
        let least = self.search.costs_at_least(integral, self.length, first);
        (!self.search.in_vain(least, start_of(first))).then_some(least)
    }

    /// Those blocks that cost little more than the cheapest; most searches end before the others. For these the place is put
    /// back.
    fn push_blocks(&mut self, least: f64, heap: &mut BinaryHeap<Entry>) {
        let (from, until) = (self.pushed, least * LITTLE_MORE);
        let mut rest = f64::INFINITY;
        for block in block_of(self.cells.0)..=block_of(self.cells.1) {
            let (first, _) = self.cells_of(block);
            let Some(cost) = self.worth(self.known.least_in(block, first, self.length.get()), first) else {
                continue;
            };
            if until < cost {
                rest = rest.min(cost);
            } else if from < cost {
                heap.push(Reverse((cost.to_bits(), self.search.place, Part::Block(block))));
            }
        }
        self.pushed = until;
        if rest < f64::INFINITY {
            heap.push(Reverse((rest.to_bits(), self.search.place, Part::Place)));
        }
    }

    fn push_cells(&self, block: i64, least: f64, heap: &mut BinaryHeap<Entry>) {
        let (first, last) = self.cells_of(block);
        if self.search.in_vain(least, start_of(first)) {
            return;
        }
        let length = self.length.get();
        self.known.look_through(block, |cell, gap| {
            if (first..=last).contains(&cell) && gap.holds(length) {
                let (from, until) = gap.starts(length);
                let cost = self.worth(self.bounds.least_within(cell, from, until), cell);
                heap.extend(cost.map(|cost| Reverse((cost.to_bits(), self.search.place, Part::Cell(cell)))));
            }
        });
    }

    fn try_cell(&mut self, cell: i64, least: f64, starts: &mut Starts) {
        if self.search.in_vain(least, start_of(cell)) || !self.known.gap(cell).holds(self.length.get()) {
            return;
        }
        let Search { situation, place, .. } = self.search;
        situation.starts_in(place, cell, self.length, starts);
        let latest = self.latest;
        starts.list.iter().filter(|start| **start <= latest).for_each(|start| self.search.look(*start));
        if self.search.leader.is_none_or(|(leading, _)| least * (1.0 + NEARLY) < leading) {
            // It promised more than there is.
            self.known.learn(cell, situation.places[place].view.occupancy, situation.places[place].resources);
        }
    }
}
