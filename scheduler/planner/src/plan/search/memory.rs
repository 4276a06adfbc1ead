//! What searches for many jobs remember of sites that only fill up.
//!
//! Where room has been looked for and not found there will be none later. So for each site and size of job it is kept how
//! long a run may last that begins in a cell, at most; and for each length in whole cells what it costs at least among the
//! cells of a block in which it may still begin. Both hold for all jobs to come, whatever their length, release and
//! deadline, and neither changes what a search finds: it only spares it looking where nothing is.
//!
//! So it does not matter either which of several threads learned a thing, or when the others hear of it.

use std::collections::BinaryHeap;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use lowtide_model::quantity::Seconds;
use lowtide_model::site::Resources;
use lowtide_model::window::Window;

use super::super::situation::{Place, Rules, Situation};
use super::{Entry, Search};
use crate::capacity::Occupancy;
use crate::cells::{BLOCK, Bounds, CELL_SECONDS, block_of, cell_of, start_of};
use crate::plan::SiteView;
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
#[derive(Debug, Default)]
pub(in crate::plan) struct Memory {
    sizes: RwLock<Vec<(Resources, Arc<OfSize>)>>,
}

/// What is remembered of all sites for one size of job.
#[derive(Debug)]
pub(in crate::plan) struct OfSize {
    sites: Box<[OfSite]>,
    /// By length in whole cells, for each block of each site the least integral of runs that may begin there, in g/kWh·s;
    /// taken from the curves when first asked for.
    least: Box<[OnceLock<Box<[Limit]>>]>,
}

/// What is remembered of one site for one size of job, whatever its length.
#[derive(Debug)]
struct OfSite {
    /// The first cell of the first block.
    first: i64,
    /// Seconds that runs beginning in each cell may last, at most.
    longest: Box<[Limit]>,
    /// Where its blocks are among those of all sites.
    blocks: Range<usize>,
}

/// A number, not below zero, that goes one way only: to where fewer starts are left. Nothing else follows from one, so in
/// which order threads see several of them is no matter.
#[derive(Debug)]
struct Limit(AtomicU64);

/// The bits of numbers that are not below zero are ordered as these are.
impl Limit {
    fn new(limit: f64) -> Self {
        Self(AtomicU64::new(limit.to_bits()))
    }

    fn get(&self) -> f64 {
        f64::from_bits(self.0.load(Ordering::Relaxed))
    }

    fn lower(&self, limit: f64) {
        if limit < self.get() {
            self.0.fetch_min(limit.to_bits(), Ordering::Relaxed);
        }
    }

    fn raise(&self, limit: f64) {
        if self.get() < limit {
            self.0.fetch_max(limit.to_bits(), Ordering::Relaxed);
        }
    }
}

impl Memory {
    /// What is remembered of all these sites for jobs of a size.
    pub(in crate::plan) fn of_size(&self, wanted: Resources, sites: &[SiteView]) -> Arc<OfSize> {
        let of = |sizes: &[(Resources, Arc<OfSize>)]| {
            sizes.iter().find(|(size, _)| *size == wanted).map(|(_, known)| Arc::clone(known))
        };
        // Whoever panicked here left nothing half done.
        if let Some(known) = of(&self.sizes.read().unwrap_or_else(PoisonError::into_inner)) {
            return known;
        }
        let mut sizes = self.sizes.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = of(&sizes) {
            return known;
        }
        if sizes.len() == MOST_SIZES {
            sizes.clear();
        }
        let known = Arc::new(OfSize::of(sites));
        sizes.push((wanted, Arc::clone(&known)));
        known
    }
}

impl OfSize {
    /// Nothing is known but how many blocks there are.
    fn of(sites: &[SiteView]) -> Self {
        let mut next = 0;
        let of_site = |view: &SiteView| {
            let bounds = view.curve.bounds(Seconds::ZERO);
            let (first, blocks) = bounds.of_blocks();
            let longest = std::iter::repeat_with(|| Limit::new(f64::INFINITY)).take(blocks.len() * CELLS).collect();
            let blocks = next..next + blocks.len();
            next = blocks.end;
            OfSite { first: first * BLOCK, longest, blocks }
        };
        let sites = sites.iter().map(of_site).collect();
        let least = std::iter::repeat_with(OnceLock::new).take(MOST_CELLS + 1).collect();
        Self { sites, least }
    }

    /// The limits of a site's blocks for runs of so many whole cells.
    fn blocks(&self, site: usize, cells: usize, sites: &[SiteView]) -> &[Limit] {
        let of_length = self.least[cells].get_or_init(|| {
            let of_site = |view: &SiteView| -> Vec<Limit> {
                view.curve.bounds(in_seconds(cells)).of_blocks().1.iter().copied().map(Limit::new).collect()
            };
            sites.iter().flat_map(of_site).collect()
        });
        &of_length[self.sites[site].blocks.clone()]
    }

    /// What a run at a site that begins between these two cells, both included, takes at least, in g/kWh·s.
    fn least_between(&self, site: usize, bounds: &Bounds, (first, last): (i64, i64), sites: &[SiteView]) -> f64 {
        if first < bounds.first_cell() {
            return 0.0;
        }
        let blocks = self.blocks(site, bounds.whole_cells().min(MOST_CELLS), sites);
        let begin = block_of(self.sites[site].first);
        let (Some(from), Some(until)) = (place_of(block_of(first), begin), place_of(block_of(last.max(first)), begin))
        else {
            return 0.0;
        };
        with_the_rest(blocks.get(from..=until).map_or(0.0, least_of), bounds)
    }
}

impl OfSite {
    /// Whether a run of this length, in seconds, may begin in a cell.
    fn may_begin(&self, cell: i64, length: f64) -> bool {
        // No limit is known where none was learned.
        let longest = place_of(cell, self.first).and_then(|at| self.longest.get(at));
        longest.is_none_or(|longest| length <= longest.get() + ROUNDING)
    }

    /// Looks at a cell in which no room was found. A moment that is full also ends every run that begins before it.
    fn learn(&self, cell: i64, occupancy: &Occupancy, wanted: Resources) {
        let Some(at) = place_of(cell, self.first).filter(|at| *at < self.longest.len()) else { return };
        let (longest, conflict) = occupancy.longest_from(cell, wanted);
        self.longest[at].lower(longest);
        let Some(conflict) = conflict else { return };
        for (before, longest) in (1..).zip(self.longest[..at].iter().rev()) {
            let until_then = Seconds::between(start_of(cell - before), conflict).get();
            if longest.get() <= until_then {
                break;
            }
            longest.lower(until_then);
        }
    }
}

/// Its place among those from the first one on.
fn place_of(number: i64, first: i64) -> Option<usize> {
    usize::try_from(number - first).ok()
}

/// The least of them, four at a time: each is compared with the one before it, which takes longer than reading it.
fn least_of(limits: &[Limit]) -> f64 {
    let mut least = [f64::INFINITY; 4];
    let lesser = |a: f64, b: f64| if b < a { b } else { a };
    let (fours, rest) = limits.as_chunks::<4>();
    for four in fours {
        for (least, limit) in least.iter_mut().zip(four) {
            *least = lesser(*least, limit.get());
        }
    }
    rest.iter().map(Limit::get).chain(least).fold(f64::INFINITY, lesser)
}

fn in_seconds(cells: usize) -> Seconds {
    Seconds::saturating(cells as f64 * CELL_SECONDS as f64)
}

/// Nothing is known where the run reaches beyond the curve, told as zero.
fn with_the_rest(least: f64, bounds: &Bounds) -> f64 {
    if 0.0 < least { least + bounds.beyond() } else { 0.0 }
}

impl OfSize {
    /// Whether a run at a place that begins then may have room.
    pub(in crate::plan) fn may_fit(&self, site: usize, window: Window) -> bool {
        self.sites[site].may_begin(cell_of(window.start()), window.duration().get())
    }
}

impl Situation<'_> {
    /// [`Self::least_cost`] of what may still begin at a place.
    pub(in crate::plan) fn least_cost_remembered(&self, place: usize, rules: Rules, known: &OfSize) -> f64 {
        let Place { view, kilowatts, run_time, earliest, number, .. } = self.places[place];
        if view.curve.falls_below_zero() {
            return f64::NEG_INFINITY;
        }
        let horizon = self.input.horizon.after(self.input.now);
        let latest = run_time.before(self.bound(place, rules)).min(horizon).max(earliest);
        let length = self.first_loss(place, earliest) + run_time;
        let bounds = view.curve.bounds(length);
        let between = (cell_of(earliest), cell_of(latest));
        let integral = known.least_between(number, &bounds, between, self.input.sites);
        if integral == f64::INFINITY {
            return integral;
        }
        let late = Seconds::between(self.input.now, earliest) + run_time;
        kilowatts / 3600.0 * integral + self.price_of_delay() * late.hours()
    }
}

impl Search<'_, '_> {
    /// [`Self::through_cells`], by what is remembered, and remembering what is found.
    pub(in crate::plan) fn through_remembered_cells(&mut self, known: &OfSize) {
        let Some(latest) = self.latest() else { return };
        let situation = self.situation;
        let Place { view, run_time, earliest, number, .. } = situation.places[self.place];
        let length = situation.first_loss(self.place, earliest) + run_time;
        let seconds = length.get();
        let bounds = view.curve.bounds(length);
        let class = bounds.whole_cells().min(MOST_CELLS);
        let (class_length, class_bounds) = (in_seconds(class).get(), view.curve.bounds(in_seconds(class)));
        let wanted = situation.input.job.spec.resources;
        let (first_cell, last_cell) = (cell_of(earliest), cell_of(latest));
        let site = &known.sites[number];
        let blocks = known.blocks(number, class, situation.input.sites);
        let limit_of = |block: i64| place_of(block, block_of(site.first)).and_then(|at| blocks.get(at));
        let mut heap: BinaryHeap<Entry> = BinaryHeap::new();
        for block in block_of(first_cell)..=block_of(last_cell) {
            let (first, last) = ((block * BLOCK).max(first_cell), (block * BLOCK + BLOCK - 1).min(last_cell));
            let limit = limit_of(block).filter(|_| bounds.first_cell() <= first);
            let entry = self.entry(with_the_rest(limit.map_or(0.0, Limit::get), &bounds), length, first, last);
            if f64::from_bits(entry.0.0) < self.below {
                heap.push(entry);
            }
        }
        let mut starts = Starts::default();
        while let Some(std::cmp::Reverse((least, first, last))) = heap.pop() {
            let least = f64::from_bits(least);
            if self.ends_at(least) {
                break;
            }
            if self.in_vain(least, start_of(first)) {
                continue;
            }
            if last <= first {
                if !site.may_begin(first, seconds) {
                    continue;
                }
                situation.starts_in(self.place, first, length, &mut starts);
                if starts.has_no_room() {
                    site.learn(first, view.occupancy, wanted);
                }
                starts.list.iter().filter(|start| **start <= latest).for_each(|start| self.look(*start));
                continue;
            }
            let mut least_left = f64::INFINITY;
            let block = block_of(first);
            for cell in block * BLOCK..(block + 1) * BLOCK {
                if !site.may_begin(cell, class_length) {
                    continue;
                }
                least_left = least_left.min(class_bounds.least(cell));
                if (first..=last).contains(&cell) && site.may_begin(cell, seconds) {
                    let entry = self.entry(bounds.least(cell), length, cell, cell);
                    if !self.in_vain(f64::from_bits(entry.0.0), start_of(cell)) {
                        heap.push(entry);
                    }
                }
            }
            // What runs of at least so many whole cells take at least, once those have fallen away that find no room.
            if let Some(limit) = limit_of(block) {
                limit.raise(least_left);
            }
        }
    }
}
