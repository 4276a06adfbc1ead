//! What of a site is taken over time. Times are planned, not observed: when a job overruns, its owner adds it anew.

mod blocks;

use std::collections::BTreeMap;

use jiff::Timestamp;
use lowtide_model::quantity::Seconds;
use lowtide_model::site::Resources;
use lowtide_model::window::Window;

use crate::cells::{cell_from, cell_of, start_of};
use blocks::{Blocks, Taken};

/// The planned use of one site. When a job is planned, its own use must not be in it.
#[derive(Debug, Clone)]
pub struct Occupancy {
    capacity: Resources,
    /// What is taken from each moment up to the next; nothing before the first.
    taken: BTreeMap<Timestamp, Resources>,
    /// The same by cells. It says no more than `taken` does, but of a long run at once.
    blocks: Blocks,
}

impl PartialEq for Occupancy {
    fn eq(&self, other: &Self) -> bool {
        (self.capacity, &self.taken) == (other.capacity, &other.taken)
    }
}

/// The first moment of a cell at which there is room, and the moment by which a run that begins in the cell has to end, both in
/// seconds from the cell's start. Between them may be times without room.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Gap {
    pub first: f64,
    pub last: f64,
}

impl Occupancy {
    /// A site of this capacity with nothing on it.
    #[must_use]
    pub const fn new(capacity: Resources) -> Self {
        Self { capacity, taken: BTreeMap::new(), blocks: Blocks::new() }
    }

    /// What the site holds when nothing runs on it.
    #[must_use]
    pub const fn capacity(&self) -> Resources {
        self.capacity
    }

    /// Takes resources for a time, also where that is more than there is: what runs, runs.
    pub fn add(&mut self, window: Window, resources: Resources) {
        self.change(window, |taken| taken.plus(&resources));
    }

    /// Gives back what was taken for that time.
    pub fn remove(&mut self, window: Window, resources: Resources) {
        self.change(window, |taken| taken.minus(&resources));
    }

    fn change(&mut self, window: Window, new: impl Fn(&Resources) -> Resources) {
        for at in [window.start(), window.end()] {
            let before = self.taken_at(at);
            self.taken.entry(at).or_insert(before);
        }
        for taken in self.taken.range_mut(window.start()..window.end()).map(|(_, taken)| taken) {
            *taken = new(taken);
        }
        // Keep only moments at which something changes, so that adding and removing leaves no trace. What changed within
        // the window still does.
        for at in [window.start(), window.end()] {
            let before = self.taken.range(..at).next_back().map(|(_, taken)| *taken).unwrap_or_default();
            if self.taken.get(&at) == Some(&before) {
                self.taken.remove(&at);
            }
        }
        self.count_cells(window);
    }

    /// Counts the cells that the window touches anew.
    fn count_cells(&mut self, window: Window) {
        let (from, behind) = (cell_of(window.start()), cell_from(window.end()));
        // Cells come in order but for those that come in from before; one search serves all that follow one another.
        let (taken, mut expected) = (&self.taken, from);
        let mut level = self.taken_at(start_of(from));
        let mut steps = taken.range(start_of(from)..).peekable();
        self.blocks.count(from, behind, |cell| {
            if cell != expected {
                level = taken.range(..=start_of(cell)).next_back().map(|(_, taken)| *taken).unwrap_or_default();
                steps = taken.range(start_of(cell)..).peekable();
            }
            expected = cell + 1;
            // A step at its very start leaves nothing in the cell of what was before.
            if let Some((_, taken)) = steps.next_if(|(at, _)| **at == start_of(cell)) {
                level = *taken;
            }
            let mut of_cell = Taken::of(level);
            let end = start_of(cell + 1);
            while let Some((_, taken)) = steps.next_if(|(at, _)| **at < end) {
                level = *taken;
                of_cell = of_cell.with(Taken::of(level));
            }
            of_cell
        });
    }

    fn taken_at(&self, at: Timestamp) -> Resources {
        self.taken.range(..=at).next_back().map(|(_, taken)| *taken).unwrap_or_default()
    }

    /// Whether the resources are free all through the window.
    #[must_use]
    pub fn fits(&self, window: Window, resources: Resources) -> bool {
        self.first_conflict(window, resources).is_none()
    }

    /// The first moment in `window` from which on there is no room.
    fn first_conflict(&self, window: Window, resources: Resources) -> Option<Timestamp> {
        let full = |taken: &Resources| !self.capacity.holds(&taken.plus(&resources));
        if full(&self.taken_at(window.start())) {
            return Some(window.start());
        }
        let first_in = |from: Timestamp, until: Timestamp| {
            let steps = (from < until).then(|| self.taken.range(from..until));
            steps.into_iter().flatten().find(|(_, taken)| full(taken)).map(|(at, _)| *at)
        };
        // Whole cells are looked at as such; what begins before them or ends behind them is not.
        let (from, behind) =
            (cell_from(window.start()).max(self.blocks.start()), cell_of(window.end()).min(self.blocks.behind()));
        if behind <= from {
            return first_in(window.start(), window.end());
        }
        first_in(window.start(), start_of(from))
            .or_else(|| {
                self.full_cell(from, behind, resources).and_then(|cell| first_in(start_of(cell), start_of(cell + 1)))
            })
            .or_else(|| first_in(start_of(behind), window.end()))
    }

    /// The first of these cells that has no room for the resources at some moment of it, as far as cells are counted.
    pub(crate) fn full_cell(&self, from: i64, behind: i64, resources: Resources) -> Option<i64> {
        // What asks for more than there is finds no room where nothing is taken either.
        if !self.capacity.holds(&resources) {
            return (from < behind).then_some(from);
        }
        self.blocks.over(self.capacity.minus(&resources), from, behind)
    }

    /// Whether there may be room for the resources at some moment of a cell.
    pub(crate) fn may_start_in(&self, cell: i64, resources: Resources) -> bool {
        self.may_hold(self.blocks.cell(cell), resources)
    }

    /// The same of a cell's whole block.
    pub(crate) fn may_start_in_block_of(&self, cell: i64, resources: Resources) -> bool {
        self.may_hold(self.blocks.block_of(cell), resources)
    }

    fn may_hold(&self, taken: Option<Taken>, resources: Resources) -> bool {
        self.capacity.holds(&resources.plus(&taken.unwrap_or_default().least))
    }

    /// The first moment from `from` on at which the resources are free for the whole duration; `None` if the site never
    /// holds them.
    #[must_use]
    pub fn earliest_fit(&self, from: Timestamp, duration: Seconds, resources: Resources) -> Option<Timestamp> {
        if !self.capacity.holds(&resources) {
            return None;
        }
        let mut start = from;
        loop {
            let Ok(window) = Window::new(start, duration.after(start)) else {
                return (duration == Seconds::ZERO).then_some(start);
            };
            let Some(conflict) = self.first_conflict(window, resources) else { return Some(start) };
            // Behind the last moment that changes anything the site is empty, so this ends.
            let behind = (std::ops::Bound::Excluded(conflict), std::ops::Bound::Unbounded);
            start = self
                .taken
                .range(behind)
                .find(|(_, taken)| self.capacity.holds(&taken.plus(&resources)))
                .map(|(at, _)| *at)?;
        }
    }

    /// The starts from `from` on, before `end`, from which the resources are free for the whole duration: the first and the
    /// last of each stretch of them, in order, are put into `room`.
    pub(crate) fn starts_with_room(
        &self,
        from: Timestamp,
        end: Timestamp,
        duration: Seconds,
        resources: Resources,
        room: &mut Vec<(Timestamp, Timestamp)>,
    ) {
        let full = |taken: &Resources| !self.capacity.holds(&taken.plus(&resources));
        let mut free_since = (!full(&self.taken_at(from))).then_some(from);
        let bounds = if from < end { from..end } else { from..from };
        for (at, taken) in self.taken.range(bounds) {
            if full(taken) {
                let last = duration.before(*at);
                room.extend(free_since.take().filter(|first| *first <= last).map(|first| (first, last)));
            } else {
                free_since.get_or_insert(*at);
            }
        }
        let Some(first) = free_since else { return };
        // What is free up to the end of the stretch has to stay so for as long as its first start needs.
        let needed = Window::new(end, duration.after(end)).ok();
        let conflict = needed.and_then(|needed| self.first_conflict(needed, resources));
        let last = conflict.map_or(end, |conflict| duration.before(conflict));
        room.extend((first <= last).then_some((first, last)));
    }

    /// Where runs that begin in a cell have room; and the first moment from the cell's start on at which there is none, if one comes.
    pub(crate) fn gap_at(&self, cell: i64, resources: Resources) -> (Gap, Option<Timestamp>) {
        let full = |taken: &Resources| !self.capacity.holds(&taken.plus(&resources));
        let (from, end) = (start_of(cell), start_of(cell + 1));
        let full_at_once = full(&self.taken_at(from));
        let (mut first, mut last) = (f64::INFINITY, 0.0);
        let mut free_since = (!full_at_once).then_some(from);
        let mut conflict = full_at_once.then_some(from);
        let since = |at: Timestamp| Seconds::between(from, at).get();
        for (at, taken) in self.taken.range(from..end) {
            if full(taken) {
                conflict.get_or_insert(*at);
                if let Some(free) = free_since.take() {
                    (first, last) = (since(free).min(first), since(*at));
                }
            } else {
                free_since.get_or_insert(*at);
            }
        }
        let Some(free) = free_since else { return (Gap { first, last }, conflict) };
        let ever = Window::new(end, Timestamp::MAX).ok().and_then(|ever| self.first_conflict(ever, resources));
        let gap = Gap { first: since(free).min(first), last: ever.map_or(f64::INFINITY, since) };
        (gap, conflict.or(ever))
    }

    /// What is taken at the most at one moment of a window, of each resource by itself.
    pub(crate) fn most_taken(&self, window: Window) -> Resources {
        let later = self.taken.range(window.start()..window.end()).map(|(_, taken)| *taken);
        later.fold(self.taken_at(window.start()), |most, taken| Resources {
            cpus: most.cpus.max(taken.cpus),
            gpus: most.gpus.max(taken.gpus),
        })
    }

    /// The moments from `from` on, before `end`, at which something changes.
    pub(crate) fn changes(&self, from: Timestamp, end: Timestamp) -> impl Iterator<Item = Timestamp> + '_ {
        let bounds = if from < end { from..end } else { from..from };
        self.taken.range(bounds).map(|(at, _)| *at)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{hour, window};

    const fn cpus(cpus: u32) -> Resources {
        Resources { cpus, gpus: 0 }
    }

    #[test]
    fn a_job_starts_in_the_first_gap_that_is_long_enough() {
        let mut site = Occupancy::new(cpus(4));
        site.add(window(0.0, 3.0), cpus(3));
        site.add(window(4.0, 6.0), cpus(2));
        site.add(window(5.0, 7.0), cpus(1));
        for (hours, wanted, expected) in
            [(1.0, 1, 0.0), (1.0, 2, 3.0), (2.0, 2, 3.0), (2.0, 3, 6.0), (1.0, 4, 3.0), (9.0, 4, 7.0)]
        {
            let found = site.earliest_fit(hour(0.0), Seconds::from_hours(hours), cpus(wanted));
            assert_eq!(found, Some(hour(expected)), "{wanted} processors for {hours} h");
        }
        assert_eq!(site.earliest_fit(hour(0.0), Seconds::from_hours(1.0), cpus(5)), None);
    }

    proptest! {
        #[test]
        fn what_is_known_of_whole_cells_agrees_with_every_moment(
            changes in prop::collection::vec((any::<bool>(), 0_u32..3000, 1_u32..900, 1_u32..5), 0..40),
            far in prop::option::of(1_u32..4), from in 0_u32..3000, length in 1_u32..2000, wanted in 1_u32..7,
        ) {
            let minute = |minutes: u32| hour(f64::from(minutes) / 60.0);
            let mut site = Occupancy::new(cpus(6));
            let mut stays: Vec<(Window, Resources)> = Vec::new();
            if let Some(weeks) = far {
                let (start, end) = (f64::from(weeks) * 504.0 - 1000.0, f64::from(weeks) * 504.0);
                stays.push((window(start, end), cpus(1)));
                site.add(window(start, end), cpus(1));
            }
            for (leaves, start, length, taken) in changes {
                if leaves && !stays.is_empty() {
                    let (stay, taken) = stays.remove(start as usize % stays.len());
                    site.remove(stay, taken);
                } else {
                    let stay = Window::new(minute(start), minute(start + length)).expect("in order");
                    site.add(stay, cpus(taken));
                    stays.push((stay, cpus(taken)));
                }
            }
            let taken_at = |at| stays.iter().filter(|(stay, _)| stay.contains(at)).map(|(_, taken)| taken.cpus).sum::<u32>();
            let looked_at = Window::new(minute(from), minute(from + length)).expect("in order");
            let conflict = (from..from + length).map(minute).find(|at| 6 < taken_at(*at) + wanted);
            prop_assert_eq!(site.first_conflict(looked_at, cpus(wanted)), conflict);
            for cell in site.blocks.start()..site.blocks.behind() {
                let begin = (cell - cell_of(hour(0.0))) * 15;
                let levels = || (begin..begin + 15).map(|at| taken_at(hour(at as f64 / 60.0)));
                let expected = Taken {
                    most: cpus(levels().max().expect("minutes")), least: cpus(levels().min().expect("minutes")),
                };
                prop_assert_eq!(site.blocks.cell(cell), Some(expected));
            }
        }

        #[test]
        fn a_gap_is_where_the_first_and_the_last_minute_with_room_are(
            stays in prop::collection::vec((0_u32..90, 1_u32..60, 1_u32..5), 0..12), cell in 0_u32..5, wanted in 1_u32..7,
        ) {
            let mut site = Occupancy::new(cpus(6));
            for (start, length, taken) in &stays {
                site.add(window(f64::from(*start) / 60.0, f64::from(start + length) / 60.0), cpus(*taken));
            }
            let free = |minute: u32| {
                let taken = stays.iter().filter(|(start, length, _)| (*start..start + length).contains(&minute));
                taken.map(|(.., taken)| taken).sum::<u32>() + wanted <= 6
            };
            let begin = cell * 15;
            let first = (begin..begin + 15).find(|minute| free(*minute));
            let end_of = |start: u32| (start..1000).find(|minute| !free(*minute));
            let last = (begin..begin + 15).filter(|minute| free(*minute)).map(|start| end_of(start).unwrap_or(u32::MAX)).max();
            let seconds = |minute: u32| if minute == u32::MAX { f64::INFINITY } else { f64::from(minute - begin) * 60.0 };
            let (gap, conflict) = site.gap_at(cell_of(hour(0.0)) + i64::from(cell), cpus(wanted));
            let expected = Gap { first: first.map_or(f64::INFINITY, seconds), last: last.map_or(0.0, seconds) };
            prop_assert_eq!(gap, expected);
            prop_assert_eq!(conflict, end_of(begin).map(|minute| hour(f64::from(minute) / 60.0)));
        }

        #[test]
        fn what_is_removed_leaves_no_trace_and_a_fit_fits(
            stays in prop::collection::vec((0_u8..40, 1_u8..20, 1_u32..5), 0..12), wanted in 1_u32..5, hours in 1_u8..10,
        ) {
            let mut site = Occupancy::new(cpus(6));
            for (start, length, taken) in &stays {
                site.add(window(f64::from(*start), f64::from(start + length)), cpus(*taken));
            }
            let found = site.earliest_fit(hour(0.0), Seconds::from_hours(f64::from(hours)), cpus(wanted));
            let found = found.expect("all stays end");
            let stretch = |start| Window::new(start, Seconds::from_hours(f64::from(hours)).after(start)).expect("ordered");
            prop_assert!(site.fits(stretch(found), cpus(wanted)));
            for earlier in (0_u32..80).map(|half| hour(f64::from(half) / 2.0)).take_while(|at| *at < found) {
                prop_assert!(!site.fits(stretch(earlier), cpus(wanted)), "{earlier} fits and is before {found}");
            }
            for (start, length, taken) in stays {
                site.remove(window(f64::from(start), f64::from(start + length)), cpus(taken));
            }
            prop_assert_eq!(site, Occupancy::new(cpus(6)));
        }
    }
}
