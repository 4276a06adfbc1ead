//! What searches for many jobs remember of sites that only fill up.
//!
//! Where room has been looked for and not found there will be none later. So for each site and size of job it is kept how
//! long a run may last that begins in a cell, at most; and for each length in whole cells what it costs at least among the
//! cells of a block in which it may still begin. Both hold for all jobs to come, whatever their length, release and
//! deadline, and neither changes what a search finds: it only spares it looking where nothing is.

use std::collections::BinaryHeap;

use lowtide_model::quantity::Seconds;
use lowtide_model::site::Resources;

use super::super::situation::{Place, Rules, Situation};
use super::{Entry, Search};
use crate::capacity::Occupancy;
use crate::cells::{BLOCK, Bounds, CELL_SECONDS, block_of, cell_of, start_of};
use crate::curve::IntensityCurve;
use crate::plan::window::Starts;

/// As many as [`BLOCK`].
const CELLS: usize = 16;
const _: () = assert!(BLOCK == 16, "a block has as many cells as are remembered of it");
/// Sizes of jobs that are remembered; when there are more, all is forgotten and learned anew.
const MOST_SIZES: usize = 64;
/// Lengths that are told apart, in whole cells, ten days; longer ones are remembered as these.
const MOST_CELLS: usize = 960;
/// Lengths are compared with what is free up to so many seconds: instants are whole nanoseconds, lengths are not.
const ROUNDING: f64 = 1e-6;

/// What was learned while jobs were planned by one [`super::super::Bulk`]. It is of use, and true, for that one alone.
#[derive(Debug, Clone, Default)]
pub struct Memory {
    sizes: Vec<(Resources, Vec<OfSite>)>,
    starts: Starts,
}

/// What is remembered of one site for one size of job.
#[derive(Debug, Clone, Default)]
pub(in crate::plan) struct OfSite {
    /// The first cell of the first block.
    first: i64,
    /// Seconds that runs beginning in each cell may last, at most.
    longest: Vec<f64>,
    /// By length in whole cells, for each block the least integral of runs that may begin there, in g/kWh·s.
    least: Vec<Box<[f64]>>,
}

impl Memory {
    /// What is remembered of all sites for jobs of a size.
    pub(in crate::plan) fn of_size(&mut self, wanted: Resources, sites: usize) -> (&mut [OfSite], &mut Starts) {
        let known = self.sizes.iter().position(|(size, _)| *size == wanted);
        let at = known.unwrap_or_else(|| {
            if self.sizes.len() == MOST_SIZES {
                self.sizes.clear();
            }
            self.sizes.push((wanted, vec![OfSite::default(); sites]));
            self.sizes.len() - 1
        });
        (&mut self.sizes[at].1, &mut self.starts)
    }
}

impl OfSite {
    /// The longest run from a cell on; no limit is known where none was learned.
    pub(in crate::plan) fn longest(&self, cell: i64) -> f64 {
        self.place_of(cell).map_or(f64::INFINITY, |at| self.longest[at])
    }

    fn place_of(&self, cell: i64) -> Option<usize> {
        usize::try_from(cell - self.first).ok().filter(|at| *at < self.longest.len())
    }

    /// Whether a run of this length, in seconds, may begin in a cell.
    pub(in crate::plan) fn may_begin(&self, cell: i64, length: f64) -> bool {
        length <= self.longest(cell) + ROUNDING
    }

    /// Looks at a cell in which no room was found. A moment that is full also ends every run that begins before it.
    pub(in crate::plan) fn learn(&mut self, cell: i64, occupancy: &Occupancy, wanted: Resources) {
        let Some(at) = self.place_of(cell) else { return };
        let (longest, conflict) = occupancy.longest_from(cell, wanted);
        self.longest[at] = self.longest[at].min(longest);
        let Some(conflict) = conflict else { return };
        for (before, longest) in (1..).zip(self.longest[..at].iter_mut().rev()) {
            let until_then = Seconds::between(start_of(cell - before), conflict).get();
            if *longest <= until_then {
                break;
            }
            *longest = until_then;
        }
    }

    /// Takes the blocks' bounds for runs of so many whole cells from the curve.
    fn prepare(&mut self, curve: &IntensityCurve, cells: usize) {
        if self.least.len() <= cells {
            self.least.resize_with(cells + 1, Box::default);
        }
        if self.least[cells].is_empty() {
            let bounds = curve.bounds(in_seconds(cells));
            let (first, blocks) = bounds.of_blocks();
            if self.longest.is_empty() {
                self.first = first * BLOCK;
                self.longest = vec![f64::INFINITY; blocks.len() * CELLS];
            }
            self.least[cells] = blocks.into();
        }
    }

    /// What runs of at least so many whole cells take at least if they begin in a block, once those have fallen away that
    /// find no room.
    fn raise(&mut self, cells: usize, block: i64, least: f64) {
        let at = usize::try_from(block - block_of(self.first)).ok();
        if let Some(of_block) = at.and_then(|at| self.least.get_mut(cells)?.get_mut(at)) {
            *of_block = of_block.max(least);
        }
    }

    /// What a run that begins between these two cells, both included, takes at least, in g/kWh·s.
    pub(in crate::plan) fn least_between(
        &mut self,
        curve: &IntensityCurve,
        bounds: &Bounds,
        first: i64,
        last: i64,
    ) -> f64 {
        let cells = bounds.whole_cells().min(MOST_CELLS);
        self.prepare(curve, cells);
        if first < bounds.first_cell() {
            return 0.0;
        }
        let block = |cell: i64| usize::try_from(block_of(cell) - block_of(self.first)).ok();
        let (Some(from), Some(until)) = (block(first), block(last.max(first))) else { return 0.0 };
        let blocks = self.least[cells].get(from..=until);
        let least = blocks.map_or(0.0, |blocks| blocks.iter().fold(f64::INFINITY, |a, b| if *b < a { *b } else { a }));
        with_the_rest(least, bounds)
    }
}

fn in_seconds(cells: usize) -> Seconds {
    Seconds::saturating(cells as f64 * CELL_SECONDS as f64)
}

/// Nothing is known where the run reaches beyond the curve, told as zero.
fn with_the_rest(least: f64, bounds: &Bounds) -> f64 {
    if 0.0 < least { least + bounds.beyond() } else { 0.0 }
}

impl Situation<'_> {
    /// [`Self::least_cost`] of what may still begin at a place.
    pub(in crate::plan) fn least_cost_remembered(&self, place: usize, rules: Rules, known: &mut OfSite) -> f64 {
        let Place { view, kilowatts, run_time, earliest, .. } = self.places[place];
        if view.curve.falls_below_zero() {
            return f64::NEG_INFINITY;
        }
        let horizon = self.input.horizon.after(self.input.now);
        let latest = run_time.before(self.bound(place, rules)).min(horizon).max(earliest);
        let length = self.first_loss(place, earliest) + run_time;
        let bounds = view.curve.bounds(length);
        let integral = known.least_between(view.curve, &bounds, cell_of(earliest), cell_of(latest));
        if integral == f64::INFINITY {
            return integral;
        }
        let late = Seconds::between(self.input.now, earliest) + run_time;
        kilowatts / 3600.0 * integral + self.price_of_delay() * late.hours()
    }
}

impl Search<'_, '_> {
    /// [`Self::through_cells`], by what is remembered, and remembering what is found.
    pub(in crate::plan) fn through_remembered_cells(&mut self, known: &mut OfSite, starts: &mut Starts) {
        let Some(latest) = self.latest() else { return };
        let situation = self.situation;
        let Place { view, run_time, earliest, .. } = situation.places[self.place];
        let length = situation.first_loss(self.place, earliest) + run_time;
        let seconds = length.get();
        let bounds = view.curve.bounds(length);
        let class = bounds.whole_cells().min(MOST_CELLS);
        let (class_length, class_bounds) = (in_seconds(class).get(), view.curve.bounds(in_seconds(class)));
        let wanted = situation.input.job.spec.resources;
        let (first_cell, last_cell) = (cell_of(earliest), cell_of(latest));
        let mut heap: BinaryHeap<Entry> = BinaryHeap::new();
        for block in block_of(first_cell)..=block_of(last_cell) {
            let (first, last) = ((block * BLOCK).max(first_cell), (block * BLOCK + BLOCK - 1).min(last_cell));
            let entry = self.entry(known.least_between(view.curve, &bounds, first, last), length, first, last);
            if f64::from_bits(entry.0.0) < self.below {
                heap.push(entry);
            }
        }
        while let Some(std::cmp::Reverse((least, first, last))) = heap.pop() {
            let least = f64::from_bits(least);
            if self.ends_at(least) {
                break;
            }
            if self.in_vain(least, start_of(first)) {
                continue;
            }
            if last <= first {
                if !known.may_begin(first, seconds) {
                    continue;
                }
                situation.starts_in(self.place, first, length, starts);
                if starts.has_no_room() {
                    known.learn(first, view.occupancy, wanted);
                }
                starts.list.iter().filter(|start| **start <= latest).for_each(|start| self.look(*start));
                continue;
            }
            let mut least_left = f64::INFINITY;
            let block = block_of(first);
            for cell in block * BLOCK..(block + 1) * BLOCK {
                if !known.may_begin(cell, class_length) {
                    continue;
                }
                least_left = least_left.min(class_bounds.least(cell));
                if (first..=last).contains(&cell) && known.may_begin(cell, seconds) {
                    let entry = self.entry(bounds.least(cell), length, cell, cell);
                    if !self.in_vain(f64::from_bits(entry.0.0), start_of(cell)) {
                        heap.push(entry);
                    }
                }
            }
            known.raise(class, block, least_left);
        }
    }
}
