//! Time in cells of a quarter of an hour, counted from 1970, and what a search may know of a whole cell at once.
//!
//! A search over thousands of starts need not try each. Of every cell a curve knows its integral up to there and the
//! least level in it, and a site how full it gets in it. By the first no start in a cell can cost less than a bound; by
//! the second none can find room. What the bounds leave is tried one by one, so the result is that of trying all.

use std::sync::OnceLock;

use jiff::Timestamp;

/// Length of a cell: the finest step in which European forecasts are issued. Longer cells make weaker bounds, shorter
/// ones more of them.
pub(crate) const CELL_SECONDS: i64 = 900;
/// The same as a number to calculate with.
const LENGTH: f64 = 900.0;

/// Cells in a block, four hours: what is kept of each length of run.
pub(crate) const BLOCK: i64 = 16;
/// Runs of up to so many cells have blocks; a longer one is as bounded as its first six weeks.
const MOST_LENGTHS: usize = 4032;

/// Sums of intensity over months have some 10 digits before the point, doubles 16 in all: differences between two sums
/// are off by less than this share of the larger, whatever the order of summation.
const ROUNDING: f64 = 1e-14;

/// The cell that holds a moment.
pub(crate) fn cell_of(at: Timestamp) -> i64 {
    // Before 1970 a fraction of a second counts backwards.
    (at.as_second() - i64::from(at.subsec_nanosecond() < 0)).div_euclid(CELL_SECONDS)
}

/// The first cell that begins at this moment or after it.
pub(crate) fn cell_from(at: Timestamp) -> i64 {
    let cell = cell_of(at);
    if start_of(cell) == at { cell } else { cell + 1 }
}

/// The block that holds a cell.
pub(crate) const fn block_of(cell: i64) -> i64 {
    cell.div_euclid(BLOCK)
}

/// The first moment of a cell; the end of time where it lies beyond it.
pub(crate) fn start_of(cell: i64) -> Timestamp {
    let end_of_time = if cell < 0 { Timestamp::MIN } else { Timestamp::MAX };
    cell.checked_mul(CELL_SECONDS).and_then(|second| Timestamp::from_second(second).ok()).unwrap_or(end_of_time)
}

/// What a curve is, cell by cell.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Cells {
    first: i64,
    /// The integral up to the start of each cell and to the end of the last, in g/kWh·s.
    integrals: Vec<f64>,
    /// The least level in each cell, in g/kWh.
    least: Vec<f64>,
    /// The least level of all.
    floor: f64,
    rounding: f64,
    blocks: Blocks,
}

/// For runs of each whole number of cells what those that begin in each block take at least, counted when first asked
/// for. It follows from the rest and so is no part of what makes cells equal.
#[derive(Debug, Clone, Default)]
struct Blocks(Vec<OnceLock<Box<[Chord]>>>);

impl PartialEq for Blocks {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Cells {
    /// Cells from the first on: the integral up to the start of the first and the end of each, and the least level in each.
    pub(crate) fn new(first: i64, start: f64, cells: impl Iterator<Item = (f64, f64)>) -> Self {
        let mut integrals = vec![start];
        let mut least = Vec::new();
        for (integral, level) in cells {
            integrals.push(integral);
            least.push(level);
        }
        let largest = integrals.iter().fold(0.0_f64, |largest, integral| largest.max(integral.abs()));
        let floor = least.iter().copied().fold(f64::INFINITY, f64::min);
        let blocks = Blocks(vec![OnceLock::new(); least.len().min(MOST_LENGTHS)]);
        Self { first, integrals, least, floor, rounding: largest * ROUNDING, blocks }
    }

    /// Whether any level lies below zero.
    pub(crate) fn fall_below_zero(&self) -> bool {
        self.floor < 0.0
    }

    /// When the first cell begins.
    pub(crate) fn begin(&self) -> Timestamp {
        start_of(self.first)
    }

    /// The bounds of runs of this length, in seconds.
    pub(crate) fn bounds(&self, length: f64) -> Bounds<'_> {
        let whole = (length / LENGTH).floor();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "more cells than there are say nothing"
        )]
        let cells = whole.clamp(0.0, 1e9) as usize;
        let of_length = cells.min(self.blocks.0.len().saturating_sub(1));
        let blocks =
            self.blocks.0.get(of_length).map_or(&[][..], |blocks| blocks.get_or_init(|| self.in_blocks(of_length)));
        Bounds { of: self, cells, rest: length - whole * LENGTH, blocks }
    }

    fn in_blocks(&self, cells: usize) -> Box<[Chord]> {
        let bounds = Bounds { of: self, cells, rest: 0.0, blocks: &[] };
        let behind = self.first.saturating_add_unsigned(self.least.len() as u64);
        let of_block = |block: i64| {
            let cells = (block * BLOCK).max(self.first)..((block + 1) * BLOCK).min(behind);
            cells.map(|cell| bounds.chord_within(cell, 0.0, LENGTH)).fold(Chord::NOTHING, Chord::lesser)
        };
        (block_of(self.first)..=block_of(behind - 1)).map(of_block).collect()
    }
}

/// What runs of one length take at least.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds<'a> {
    of: &'a Cells,
    /// The length in whole cells,
    cells: usize,
    /// and the seconds beyond them.
    rest: f64,
    /// What runs that begin in each block take at least.
    blocks: &'a [Chord],
}

/// What runs of some whole cells take at least, and what they do if they last another cell, in g/kWh·s. Of those that begin at one
/// moment, what the time beyond the whole cells takes is at least so much a second; the least of several such lines lies nowhere
/// below the line from its one end to its other.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Chord {
    pub whole: f64,
    pub longer: f64,
}

impl Chord {
    /// Of no run.
    pub(crate) const NOTHING: Self = Self { whole: f64::INFINITY, longer: f64::INFINITY };

    pub(crate) fn lesser(self, other: Self) -> Self {
        Self { whole: self.whole.min(other.whole), longer: self.longer.min(other.longer) }
    }

    /// What runs take at least that last this share of a cell beyond the whole ones.
    pub(crate) fn at(self, share: f64) -> f64 {
        // There may be no run at all.
        if share == 0.0 || self.whole == f64::INFINITY {
            self.whole
        } else {
            self.whole + share * (self.longer - self.whole)
        }
    }
}

impl Bounds<'_> {
    /// A lower bound of the integral over a run that begins in this cell, in g/kWh·s; nothing is known where the run
    /// reaches beyond the curve. Exact at one of the starts in it if the level does not change within cells.
    pub(crate) fn least(&self, cell: i64) -> f64 {
        self.least_within(cell, 0.0, LENGTH)
    }

    /// The same of a run that begins between two moments of a cell, in seconds from its start.
    pub(crate) fn least_within(&self, cell: i64, from: f64, until: f64) -> f64 {
        let Ok(at) = usize::try_from(cell - self.of.first) else { return 0.0 };
        let behind = at + self.cells;
        let (Some(&next), Some(&last)) = (self.of.least.get(behind + 1), self.of.least.get(behind)) else { return 0.0 };
        let own = self.of.least[at];
        if self.cells == 0 {
            return (self.rest * own.min(next) - self.of.rounding).max(0.0);
        }
        // All cells between are run through. The time in the first cell shrinks as that in the last two grows, and the
        // cost is linear up to the start with which the last but one is filled, and from there on.
        let between = self.of.integrals[behind] - self.of.integrals[at + 1];
        let beginning_at = |start: f64| {
            let behind = start + self.rest;
            own * (LENGTH - start) + last * behind.min(LENGTH) + next * (behind - LENGTH).max(0.0)
        };
        let filling_the_last = (LENGTH - self.rest).clamp(from, until);
        let ends = beginning_at(from).min(beginning_at(until)).min(beginning_at(filling_the_last));
        (between + ends - self.of.rounding).max(0.0)
    }

    /// What runs of the whole cells take at least that begin between two moments of a cell, in seconds from its start.
    pub(crate) fn chord_within(&self, cell: i64, from: f64, until: f64) -> Chord {
        let whole = Self { rest: 0.0, ..*self }.least_within(cell, from, until);
        let behind = usize::try_from(cell - self.of.first).map_or(usize::MAX, |at| at.saturating_add(self.cells));
        // The time beyond lies in these two.
        let ends = self.of.least.get(behind).zip(self.of.least.get(behind.saturating_add(1)));
        let beyond = ends.map_or(0.0, |(last, next)| LENGTH * last.min(*next));
        Chord { whole, longer: whole + beyond }
    }

    /// The length in whole cells.
    pub(crate) const fn whole_cells(&self) -> usize {
        self.cells
    }

    /// The share of a cell beyond those up to which a chord tells; of a run that lasts longer nothing is told but of the whole
    /// cells.
    pub(crate) fn share_beyond(&self, cells: usize) -> f64 {
        if self.cells == cells { self.rest / LENGTH } else { 0.0 }
    }

    /// The number of the first block the curve has, and what runs of the whole cells take at least in each from there on.
    pub(crate) fn of_blocks(&self) -> (i64, &[Chord]) {
        (block_of(self.of.first), self.blocks)
    }

    /// The first cell of which anything is known.
    pub(crate) const fn first_cell(&self) -> i64 {
        self.of.first
    }

    /// A lower bound for all runs that begin between these two cells, both included.
    pub(crate) fn least_between(&self, first: i64, last: i64) -> f64 {
        let block_of = |cell: i64| usize::try_from(block_of(cell) - block_of(self.of.first)).ok();
        let (Some(from), Some(until)) = (block_of(first), block_of(last.max(first))) else { return 0.0 };
        if first < self.of.first {
            return 0.0;
        }
        let share = self.share_beyond(self.cells.min(self.of.blocks.0.len().saturating_sub(1)));
        let blocks = self.blocks.get(from..=until);
        blocks.map_or(0.0, |blocks| blocks.iter().map(|block| block.at(share)).fold(f64::INFINITY, f64::min))
    }
}

/// The cells of each block between two cells, both included.
pub(crate) fn blocks_between(first: i64, last: i64) -> impl Iterator<Item = (i64, i64)> {
    let blocks = block_of(first)..=block_of(last);
    blocks.map(move |block| ((block * BLOCK).max(first), (block * BLOCK + BLOCK - 1).min(last)))
}

#[cfg(test)]
mod tests {
    use lowtide_model::quantity::{GramsPerKwh, Seconds};
    use lowtide_model::window::Window;
    use proptest::prelude::*;

    use super::*;
    use crate::curve::IntensityCurve;
    use crate::testing::{forecast, hour, window};

    proptest! {
        #[test]
        fn no_run_takes_less_than_the_bounds_of_its_start_its_cell_and_its_block(
            levels in prop::collection::vec(0.0..900.0_f64, 30..60), start in 0.0..20.0_f64, length in 1.0..36000.0_f64,
            earlier in 0.0..1.0_f64, later in 0.0..1.0_f64,
        ) {
            let forecast = forecast("GB", &levels);
            let curve = IntensityCurve::build(Some(&forecast), GramsPerKwh::ZERO, hour(0.0), window(0.0, 60.0));
            let length = Seconds::saturating(length);
            let run = Window::new(hour(start), length.after(hour(start))).expect("in order");
            let taken = curve.mean(run).get() * run.duration().get();
            let (bounds, cell) = (curve.bounds(length), cell_of(run.start()));
            let at = Seconds::between(start_of(cell), run.start()).get();
            let within = bounds.least_within(cell, at * earlier, at + (LENGTH - at) * later);
            let slack = 1e-6 * (1.0 + taken);
            prop_assert!(within <= taken + slack, "{within} within {taken}");
            prop_assert!(bounds.least(cell) <= within + slack);
            let share = bounds.share_beyond(bounds.whole_cells());
            let chord = bounds.chord_within(cell, at * earlier, at + (LENGTH - at) * later).at(share);
            prop_assert!(chord <= taken + slack, "chord {chord} of {taken}");
            let block = bounds.least_between(cell, cell);
            prop_assert!(block <= taken + slack, "block {block} of {taken}");
            // And they are of use.
            prop_assert!(0.0 < chord || taken < 1.0);
        }
    }
}
