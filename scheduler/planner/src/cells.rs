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

/// For runs of each whole number of cells the least integral of those that begin in each block, counted when first asked
/// for. It follows from the rest and so is no part of what makes cells equal.
#[derive(Debug, Clone, Default)]
struct Blocks(Vec<OnceLock<Box<[f64]>>>);

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
        let rest = length - whole * LENGTH;
        Bounds { of: self, cells, rest, blocks, beyond: rest * self.floor }
    }

    fn in_blocks(&self, cells: usize) -> Box<[f64]> {
        let bounds = Bounds { of: self, cells, rest: 0.0, blocks: &[], beyond: 0.0 };
        let behind = self.first.saturating_add_unsigned(self.least.len() as u64);
        let of_block = |block: i64| {
            let cells = (block * BLOCK).max(self.first)..((block + 1) * BLOCK).min(behind);
            cells.map(|cell| bounds.least(cell)).fold(f64::INFINITY, f64::min)
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
    /// The least of each block for the whole cells,
    blocks: &'a [f64],
    /// and what the seconds beyond them take at least.
    beyond: f64,
}

impl Bounds<'_> {
    /// A lower bound of the integral over a run that begins in this cell, in g/kWh·s; nothing is known where the run
    /// reaches beyond the curve. Exact at one of the starts in it if the level does not change within cells.
    pub(crate) fn least(&self, cell: i64) -> f64 {
        let Ok(at) = usize::try_from(cell - self.of.first) else { return 0.0 };
        let behind = at + self.cells;
        let (Some(&next), Some(&last)) = (self.of.least.get(behind + 1), self.of.least.get(behind)) else { return 0.0 };
        let own = self.of.least[at];
        if self.cells == 0 {
            return (self.rest * own.min(next) - self.of.rounding).max(0.0);
        }
        // All cells between are run through. The time in the first cell shrinks as that in the last two grows, and the
        // cost is linear between the starts at which a cell is filled or emptied.
        let between = self.of.integrals[behind] - self.of.integrals[at + 1];
        let at_its_start = LENGTH * own + self.rest * last;
        let filling_the_last = self.rest * own + LENGTH * last;
        let at_its_end = LENGTH * last + self.rest * next;
        (between + at_its_start.min(filling_the_last).min(at_its_end) - self.of.rounding).max(0.0)
    }

    /// The length in whole cells.
    pub(crate) const fn whole_cells(&self) -> usize {
        self.cells
    }

    /// What the seconds beyond the whole cells take at least.
    pub(crate) const fn beyond(&self) -> f64 {
        self.beyond
    }

    /// The number of the first block the curve has, and what runs of the whole cells take at least in each from there on.
    pub(crate) fn of_blocks(&self) -> (i64, &[f64]) {
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
        let least =
            self.blocks.get(from..=until).map_or(0.0, |blocks| blocks.iter().copied().fold(f64::INFINITY, f64::min));
        if 0.0 < least { least + self.beyond } else { 0.0 }
    }
}

/// The cells of each block between two cells, both included.
pub(crate) fn blocks_between(first: i64, last: i64) -> impl Iterator<Item = (i64, i64)> {
    let blocks = block_of(first)..=block_of(last);
    blocks.map(move |block| ((block * BLOCK).max(first), (block * BLOCK + BLOCK - 1).min(last)))
}
