//! How full a site is, counted by cells and by blocks of cells: what lets a search pass by whole days that are taken.

use std::collections::VecDeque;

use lowtide_model::site::Resources;

use crate::cells::{BLOCK, block_of};

const _: () = assert!(BLOCK == 16, "a block is counted in as many cells as it has");
/// As many as [`BLOCK`].
const CELLS: usize = 16;

/// So many blocks of a site are counted, six weeks: nearly all plans lie within. What lies beyond is looked at step by step.
const MOST_BLOCKS: i64 = 252;

/// What is taken in one cell or block.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Taken {
    /// The most of each resource at any moment in it.
    pub most: Resources,
    /// The least.
    pub least: Resources,
}

impl Taken {
    pub(super) fn of(level: Resources) -> Self {
        Self { most: level, least: level }
    }

    pub(super) fn with(self, other: Self) -> Self {
        let (one, two) = (self.most, other.most);
        let most = Resources { cpus: one.cpus.max(two.cpus), gpus: one.gpus.max(two.gpus) };
        let (one, two) = (self.least, other.least);
        Self { most, least: Resources { cpus: one.cpus.min(two.cpus), gpus: one.gpus.min(two.gpus) } }
    }
}

#[derive(Debug, Clone, Default)]
struct Block {
    cells: [Taken; CELLS],
    all: Taken,
}

/// The cells of some weeks.
#[derive(Debug, Clone, Default)]
pub(super) struct Blocks {
    blocks: VecDeque<Block>,
    /// The number of the first block.
    first: i64,
}

impl Blocks {
    pub(super) const fn new() -> Self {
        Self { blocks: VecDeque::new(), first: 0 }
    }

    /// The first cell that is counted.
    pub(super) fn start(&self) -> i64 {
        self.first * BLOCK
    }

    /// The first cell behind those that are counted.
    pub(super) fn behind(&self) -> i64 {
        self.next_block() * BLOCK
    }

    fn next_block(&self) -> i64 {
        self.first.saturating_add_unsigned(self.blocks.len() as u64)
    }

    /// Counts the cells from one up to another anew, and with them those that come in between.
    pub(super) fn count(&mut self, from: i64, behind: i64, mut of: impl FnMut(i64) -> Taken) {
        let (first, last) = (block_of(from), block_of(behind - 1));
        if self.blocks.is_empty() {
            self.first = first;
        }
        let fresh = |block: i64, of: &mut dyn FnMut(i64) -> Taken| {
            let mut cells = [Taken::default(); CELLS];
            (block * BLOCK..).zip(&mut cells).for_each(|(cell, taken)| *taken = of(cell));
            Block { all: all_of(&cells), cells }
        };
        while first < self.first && self.next_block() < first + MOST_BLOCKS {
            self.first -= 1;
            self.blocks.push_front(fresh(self.first, &mut of));
        }
        while self.next_block() <= last.min(self.first + MOST_BLOCKS - 1) {
            let next = self.next_block();
            self.blocks.push_back(fresh(next, &mut of));
        }
        for cell in from.max(self.start())..behind.min(self.behind()) {
            if let Some(block) = self.block_mut(cell) {
                block.cells[place_in_block(cell)] = of(cell);
            }
        }
        for block in first.max(self.first)..=last {
            if let Some(block) = self.block_mut(block * BLOCK) {
                block.all = all_of(&block.cells);
            }
        }
        // What has passed is given back and need not be carried along.
        while self.blocks.front().is_some_and(|block| block.all == Taken::default()) {
            self.blocks.pop_front();
            self.first += 1;
        }
        while self.blocks.back().is_some_and(|block| block.all == Taken::default()) {
            self.blocks.pop_back();
        }
    }

    fn block(&self, cell: i64) -> Option<&Block> {
        usize::try_from(block_of(cell) - self.first).ok().and_then(|at| self.blocks.get(at))
    }

    fn block_mut(&mut self, cell: i64) -> Option<&mut Block> {
        usize::try_from(block_of(cell) - self.first).ok().and_then(|at| self.blocks.get_mut(at))
    }

    /// What is taken in a cell, if it is counted.
    pub(super) fn cell(&self, cell: i64) -> Option<Taken> {
        self.block(cell).map(|block| block.cells[place_in_block(cell)])
    }

    /// What is taken in the block of a cell, if it is counted.
    pub(super) fn block_of(&self, cell: i64) -> Option<Taken> {
        self.block(cell).map(|block| block.all)
    }

    /// The first of these cells in which at some moment more than this is taken, as far as cells are counted.
    pub(super) fn over(&self, free: Resources, from: i64, behind: i64) -> Option<i64> {
        let (mut cell, behind) = (from.max(self.start()), behind.min(self.behind()));
        while cell < behind {
            let block = self.block(cell)?;
            let next = (block_of(cell) + 1) * BLOCK;
            if !free.holds(&block.all.most) {
                let cells = &block.cells[place_in_block(cell)..];
                let over = (cell..next.min(behind)).zip(cells).find(|(_, taken)| !free.holds(&taken.most));
                if let Some((over, _)) = over {
                    return Some(over);
                }
            }
            cell = next;
        }
        None
    }
}

fn all_of(cells: &[Taken; CELLS]) -> Taken {
    cells.iter().fold(cells[0], |all, taken| all.with(*taken))
}

fn place_in_block(cell: i64) -> usize {
    usize::try_from(cell.rem_euclid(BLOCK)).expect("a remainder is not negative")
}
