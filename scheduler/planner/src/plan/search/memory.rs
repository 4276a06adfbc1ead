//! What searches for many jobs remember of sites that only fill up.
//!
//! Where room has been looked for and not found there will be none later. So for each site and size of job it is kept from
//! which moment of a cell on there is room, and by when a run that begins in it has to end; and for each length in whole
//! cells what it costs at least among those starts of a block that are left. All hold for all jobs to come, whatever their length, release and
//! deadline, and none changes what a search finds: it only spares it looking where nothing is.
//!
//! So it does not matter either which of several threads learned a thing, or when the others hear of it.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use lowtide_model::quantity::Seconds;
use lowtide_model::site::Resources;
use lowtide_model::window::Window;

use super::super::situation::{Place, Rules, Situation};
use crate::capacity::{Gap, Occupancy};
use crate::cells::{BLOCK, Bounds, CELL_SECONDS, Chord, block_of, cell_of, start_of};
use crate::curve::IntensityCurve;
use crate::plan::SiteView;

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
    /// By length in whole cells.
    lengths: Box<[OfLength]>,
}

/// What is remembered of runs of so many whole cells: for each block of all sites, one after the other, the two ends of the [`Chord`]
/// of what those that may begin there take at least, in g/kWh·s. They are taken from the curves when first asked for: jobs of whole
/// cells never need the second.
#[derive(Debug, Default)]
struct OfLength {
    whole: OnceLock<Box<[Limit]>>,
    longer: OnceLock<Box<[Limit]>>,
}

/// What is remembered of one site for one size of job, whatever its length.
#[derive(Debug)]
struct OfSite {
    /// The first cell of the first block.
    first: i64,
    gaps: Box<[Limits]>,
    /// For each block, how long a run that begins in it may last at most, in seconds.
    longest: Box<[Limit]>,
    /// Where its blocks are among those of all sites.
    blocks: Range<usize>,
}

/// Where runs that begin in a cell have room, as far as is known: a [`Gap`] that only gets smaller.
#[derive(Debug)]
struct Limits {
    first: Limit,
    last: Limit,
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
            let no_limit = || Limits { first: Limit::new(0.0), last: Limit::new(f64::INFINITY) };
            let gaps = std::iter::repeat_with(no_limit).take(blocks.len() * CELLS).collect();
            let longest = std::iter::repeat_with(|| Limit::new(f64::INFINITY)).take(blocks.len()).collect();
            let blocks = next..next + blocks.len();
            next = blocks.end;
            OfSite { first: first * BLOCK, gaps, longest, blocks }
        };
        let sites = sites.iter().map(of_site).collect();
        let lengths = std::iter::repeat_with(OfLength::default).take(MOST_CELLS + 1).collect();
        Self { sites, lengths }
    }

    /// What is remembered of a site's blocks for runs of this length.
    fn blocks(&self, site: usize, bounds: &Bounds, sites: &[SiteView]) -> Blocks<'_> {
        let cells = bounds.whole_cells().min(MOST_CELLS);
        let OfSite { first, longest, blocks, .. } = &self.sites[site];
        let limits = |end: fn(&Chord) -> f64| -> Box<[Limit]> {
            let of_site = |view: &SiteView| -> Vec<Limit> {
                view.curve.bounds(in_seconds(cells)).of_blocks().1.iter().map(end).map(Limit::new).collect()
            };
            sites.iter().flat_map(of_site).collect()
        };
        let OfLength { whole, longer } = &self.lengths[cells];
        let whole = &whole.get_or_init(|| limits(|chord| chord.whole))[blocks.clone()];
        let share = bounds.share_beyond(cells);
        let longer = (0.0 < share).then(|| &longer.get_or_init(|| limits(|chord| chord.longer))[blocks.clone()]);
        Blocks { first: block_of(*first), whole, longer, share, longest }
    }

    /// What is remembered of one place, for runs of this length.
    pub(in crate::plan) fn of_place<'k>(
        &'k self,
        site: usize,
        curve: &'k IntensityCurve,
        bounds: &Bounds,
        sites: &[SiteView],
    ) -> OfPlace<'k> {
        let whole = in_seconds(bounds.whole_cells().min(MOST_CELLS));
        let (site, blocks) = (&self.sites[site], self.blocks(site, bounds, sites));
        OfPlace { site, blocks, whole: whole.get(), of_whole: curve.bounds(whole) }
    }

    /// Whether a run at a site may have room.
    pub(in crate::plan) fn may_fit(&self, site: usize, window: Window) -> bool {
        self.sites[site].gap(cell_of(window.start())).holds(window.duration().get())
    }

    /// What a run at a site that begins between these two cells, both included, takes at least, in g/kWh·s.
    fn least_between(
        &self,
        site: usize,
        bounds: &Bounds,
        length: Seconds,
        (first, last): (i64, i64),
        sites: &[SiteView],
    ) -> f64 {
        if first < bounds.first_cell() {
            return 0.0;
        }
        let blocks = self.blocks(site, bounds, sites);
        let place = |cell: i64| place_of(block_of(cell), blocks.first);
        let (Some(from), Some(until)) = (place(first), place(last.max(first))) else { return 0.0 };
        blocks.least_between(from, until, length.get())
    }
}

/// What is remembered of one site's blocks for runs of a length.
struct Blocks<'k> {
    /// The number of the first.
    first: i64,
    whole: &'k [Limit],
    /// Where the runs are longer than that by a share of a cell.
    longer: Option<&'k [Limit]>,
    share: f64,
    longest: &'k [Limit],
}

impl Blocks<'_> {
    /// What a run of this length, in seconds, that begins in one of these blocks takes at least; nothing is known of blocks that
    /// are not there.
    fn least_between(&self, from: usize, until: usize, length: f64) -> f64 {
        let (Some(whole), Some(longest)) = (self.whole.get(from..=until), self.longest.get(from..=until)) else {
            return 0.0;
        };
        let held = |limit: f64, longest: &Limit| if longest.get() + ROUNDING < length { f64::INFINITY } else { limit };
        match self.longer.and_then(|longer| longer.get(from..=until)) {
            None => least_of(whole.iter().zip(longest).map(|(whole, longest)| held(whole.get(), longest))),
            Some(longer) => least_of(whole.iter().zip(longer).zip(longest).map(|((whole, longer), longest)| {
                held(Chord { whole: whole.get(), longer: longer.get() }.at(self.share), longest)
            })),
        }
    }
}

/// What is remembered of one place, for runs of a length.
pub(in crate::plan) struct OfPlace<'k> {
    site: &'k OfSite,
    blocks: Blocks<'k>,
    /// The length in whole cells, in seconds,
    whole: f64,
    /// and what runs of it take.
    of_whole: Bounds<'k>,
}

impl OfPlace<'_> {
    /// What a run of this length, in seconds, that begins in a block, from this cell of it on, takes at least, in g/kWh·s.
    pub(in crate::plan) fn least_in(&self, block: i64, from: i64, length: f64) -> f64 {
        let at = place_of(block, self.blocks.first).filter(|_| self.of_whole.first_cell() <= from);
        at.map_or(0.0, |at| self.blocks.least_between(at, at, length))
    }

    /// Where runs that begin in a cell may have room.
    pub(in crate::plan) fn gap(&self, cell: i64) -> Gap {
        self.site.gap(cell)
    }

    /// Tells the cells of a block in which a run of the whole cells may begin, with where it may, and remembers what those left take
    /// at least.
    pub(in crate::plan) fn look_through(&self, block: i64, mut tell: impl FnMut(i64, Gap)) {
        let (mut left, mut longest) = (Chord::NOTHING, 0.0_f64);
        for cell in block * BLOCK..(block + 1) * BLOCK {
            let gap = self.gap(cell);
            longest = longest.max(gap.last - gap.first);
            if gap.holds(self.whole) {
                let (from, until) = gap.starts(self.whole);
                left = left.lesser(self.of_whole.chord_within(cell, from, until));
                tell(cell, gap);
            }
        }
        let Some(at) = place_of(block, self.blocks.first) else { return };
        let raise = |limits: &[Limit], end: f64| limits.get(at).into_iter().for_each(|limit| limit.raise(end));
        self.blocks.longest.get(at).into_iter().for_each(|limit| limit.lower(longest));
        raise(self.blocks.whole, left.whole);
        self.blocks.longer.into_iter().for_each(|longer| raise(longer, left.longer));
    }

    /// Looks at a cell in which less room was found than was known of.
    pub(in crate::plan) fn learn(&self, cell: i64, occupancy: &Occupancy, wanted: Resources) {
        self.site.learn(cell, occupancy, wanted);
    }
}

impl OfSite {
    /// No limit is known where none was learned.
    fn gap(&self, cell: i64) -> Gap {
        let limits = place_of(cell, self.first).and_then(|at| self.gaps.get(at));
        let known = limits.map(|limits| Gap { first: limits.first.get(), last: limits.last.get() });
        known.unwrap_or(Gap { first: 0.0, last: f64::INFINITY })
    }

    /// Looks at a cell in which less room was found than was known of. A moment that is full also ends every run that begins before it.
    fn learn(&self, cell: i64, occupancy: &Occupancy, wanted: Resources) {
        let Some(at) = place_of(cell, self.first).filter(|at| *at < self.gaps.len()) else { return };
        let (gap, conflict) = occupancy.gap_at(cell, wanted);
        self.gaps[at].first.raise(gap.first);
        self.gaps[at].last.lower(gap.last);
        let Some(conflict) = conflict else { return };
        for (before, limits) in (1..).zip(self.gaps[..at].iter().rev()) {
            let until_then = Seconds::between(start_of(cell - before), conflict).get();
            if limits.last.get() <= until_then {
                break;
            }
            limits.last.lower(until_then);
        }
    }
}

impl Gap {
    /// Whether a run of this length, in seconds, may have room in it.
    pub(in crate::plan) fn holds(&self, length: f64) -> bool {
        self.first + length <= self.last + ROUNDING
    }

    /// Between which moments of the cell, in seconds from its start, a run of this length in it begins.
    pub(in crate::plan) fn starts(&self, length: f64) -> (f64, f64) {
        let end = CELL_SECONDS as f64;
        let first = self.first.min(end);
        (first, (self.last - length + ROUNDING).clamp(first, end))
    }
}

/// Its place among those from the first one on.
fn place_of(number: i64, first: i64) -> Option<usize> {
    usize::try_from(number - first).ok()
}

fn least_of(numbers: impl Iterator<Item = f64>) -> f64 {
    numbers.fold(f64::INFINITY, |a, b| if b < a { b } else { a })
}

fn in_seconds(cells: usize) -> Seconds {
    Seconds::saturating(cells as f64 * CELL_SECONDS as f64)
}

impl Situation<'_> {
    /// [`Self::least_cost`] of what may still begin at a place.
    pub(in crate::plan) fn least_cost_remembered(&self, place: usize, rules: Rules, known: &OfSize) -> f64 {
        let Place { view, kilowatts, run_time, earliest, number, .. } = self.places[place];
        let horizon = self.input.horizon.after(self.input.now);
        let latest = run_time.before(self.bound(place, rules)).min(horizon).max(earliest);
        let length = self.first_loss(place, earliest) + run_time;
        let bounds = view.curve.bounds(length);
        let between = (cell_of(earliest), cell_of(latest));
        let integral = known.least_between(number, &bounds, length, between, self.input.sites);
        if integral == f64::INFINITY {
            return integral;
        }
        let late = Seconds::between(self.input.now, earliest) + run_time;
        kilowatts / 3600.0 * integral + self.price_of_delay() * late.hours()
    }
}
