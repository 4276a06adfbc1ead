//! What of a site is taken over time. Times are planned, not observed: when a job overruns, its owner adds it anew.

use std::collections::BTreeMap;

use jiff::Timestamp;
use lowtide_model::quantity::Seconds;
use lowtide_model::site::Resources;
use lowtide_model::window::Window;

/// The planned use of one site. When a job is planned, its own use must not be in it.
#[derive(Debug, Clone, PartialEq)]
pub struct Occupancy {
    capacity: Resources,
    /// What is taken from each moment up to the next; nothing before the first.
    taken: BTreeMap<Timestamp, Resources>,
}

impl Occupancy {
    /// A site of this capacity with nothing on it.
    #[must_use]
    pub const fn new(capacity: Resources) -> Self {
        Self { capacity, taken: BTreeMap::new() }
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
        // Keep only moments at which something changes, so that adding and removing leaves no trace.
        let mut previous = self.taken.range(..window.start()).next_back().map(|(_, taken)| *taken).unwrap_or_default();
        let mut idle = Vec::new();
        for (at, taken) in self.taken.range(window.start()..=window.end()) {
            if *taken == previous {
                idle.push(*at);
            }
            previous = *taken;
        }
        for at in idle {
            self.taken.remove(&at);
        }
    }

    fn taken_at(&self, at: Timestamp) -> Resources {
        self.taken.range(..=at).next_back().map(|(_, taken)| *taken).unwrap_or_default()
    }

    /// Whether the resources are free all through the window.
    #[must_use]
    pub fn fits(&self, window: Window, resources: Resources) -> bool {
        self.first_conflict(window, resources).is_none()
    }

    /// The start of the last stretch in `window` that has no room, so that a search can go on behind it.
    fn first_conflict(&self, window: Window, resources: Resources) -> Option<Timestamp> {
        let full = |taken: &Resources| !self.capacity.holds(&taken.plus(&resources));
        if full(&self.taken_at(window.start())) {
            return Some(window.start());
        }
        self.taken.range(window.start()..window.end()).find(|(_, taken)| full(taken)).map(|(at, _)| *at)
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
