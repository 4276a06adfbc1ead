//! One stretch without a pause: the best start at each site, by prefix sums, and the soonest there is.

use jiff::Timestamp;
use lowtide_model::quantity::Seconds;
use lowtide_model::window::Window;

use super::course::{Course, Stretch};
use super::search::Search;
use super::situation::{Place, Rules, Situation};
use crate::cells::{cell_of, start_of};

impl Situation<'_> {
    /// One stretch from `start` on.
    pub(super) fn contiguous(&self, place: usize, start: Timestamp) -> Option<Stretch> {
        let length = self.first_loss(place, start) + self.places[place].run_time;
        Some(Stretch { place, window: Window::new(start, length.after(start)).ok()? })
    }

    /// For each place the course that begins as early as there is room, whatever the policy says; where the job runs it
    /// stays.
    pub(super) fn at_once(&self) -> Vec<Course> {
        (0..self.places.len())
            .filter_map(|place| self.first_room(place, self.places[place].earliest))
            .map(|stretch| self.course(vec![stretch]))
            .collect()
    }

    /// What the plan is measured against: of [`Self::at_once`], staying; else the first place that has room at once; else
    /// the first to have room.
    pub(super) fn run_now(&self, at_once: &[Course]) -> Option<Course> {
        let immediate = |course: &&Course| course.start() == self.places[course.stretches[0].place].earliest;
        at_once.iter().find(immediate).or_else(|| at_once.iter().min_by_key(|course| course.start())).cloned()
    }

    fn first_room(&self, place: usize, from: Timestamp) -> Option<Stretch> {
        if self.current == Some(place) && from == self.input.now {
            return self.contiguous(place, from);
        }
        let view = &self.places[place].view;
        let length = self.first_loss(place, from) + self.places[place].run_time;
        let start = view.occupancy.earliest_fit(from, length, self.places[place].resources)?;
        self.contiguous(place, start)
    }

    /// The soonest course that keeps the rules, at the first place that has one: in one stretch, or, for a job that can
    /// pause and fits into no window of the policy, in as many as it takes.
    pub(super) fn soonest(&self, rules: Rules) -> Option<Course> {
        (0..self.places.len())
            .filter_map(|place| {
                let bound = self.bound(place, rules);
                let fits = |stretch: &Stretch| {
                    stretch.window.end() <= bound && self.open(stretch.place, stretch.window, rules)
                };
                let mut starts = self.starts(place).chain(self.beyond_the_horizon(place, rules));
                let one = starts.find_map(|start| self.contiguous(place, start).filter(fits));
                one.map(|stretch| self.course(vec![stretch])).or_else(|| self.greedy(place, rules))
            })
            .min_by_key(|course| (course.start(), course.end()))
    }

    /// The best single stretch at a place that keeps the rules; the earliest of equal ones.
    pub(super) fn best_contiguous(&self, place: usize, rules: Rules) -> Option<Course> {
        self.best_below(place, rules, f64::INFINITY)
    }

    /// The same, or `None` if it costs more than this, delay included.
    pub(super) fn best_below(&self, place: usize, rules: Rules, cost: f64) -> Option<Course> {
        let mut search = Search::new(self, place, rules, cost);
        if self.says_nothing_by_cells(place) {
            self.starts(place).for_each(|start| search.look(start));
        } else {
            search.through_cells();
        }
        search.best().map(|stretch| self.course(vec![stretch]))
    }

    /// Where it runs the job may stay whatever else is there, so a full cell says nothing. Bounds hold for curves that are
    /// nowhere below zero, and prices may be.
    fn says_nothing_by_cells(&self, place: usize) -> bool {
        self.current == Some(place) || self.places[place].view.curve.falls_below_zero()
    }

    /// Less than this no single stretch at a place costs, delay included, whatever else is there.
    pub(super) fn least_cost(&self, place: usize, rules: Rules) -> f64 {
        let Place { view, kilowatts, run_time, earliest, .. } = self.places[place];
        let latest =
            run_time.before(self.bound(place, rules)).min(self.input.horizon.after(self.input.now)).max(earliest);
        if view.curve.falls_below_zero() {
            return f64::NEG_INFINITY;
        }
        let integral = view.curve.bounds(run_time).least_between(cell_of(earliest), cell_of(latest));
        let late = Seconds::between(self.input.now, earliest) + run_time;
        kilowatts / 3600.0 * integral + self.price_of_delay() * late.hours()
    }

    /// Starts to be tried at a place, in order: as soon as it can be there, at every full slot (counted from 1970, so
    /// that a plan made a minute later sees the same ones), at every step of the curve, when others leave, and when a
    /// window opens.
    fn starts(&self, place: usize) -> impl Iterator<Item = Timestamp> + use<> {
        let place_view = &self.places[place];
        let earliest = place_view.earliest;
        let end = self.input.horizon.after(self.input.now);
        let mut starts = vec![earliest];
        starts.extend(slots(earliest, end, self.input.slot));
        starts.extend(place_view.view.curve.steps_between(earliest, end));
        starts.extend(place_view.view.occupancy.changes(earliest, end));
        starts.extend(self.openings.iter().map(Window::start));
        // Coming back where it runs takes at least the time to leave.
        let left = self.input.overhead.stop.after(self.input.now);
        let here = self.current == Some(place);
        starts.retain(|start| (earliest..end).contains(start) && (!here || *start == earliest || left <= *start));
        starts.push(earliest);
        starts.sort_unstable();
        starts.dedup();
        starts.into_iter()
    }

    /// The next window of the policy when none of its windows opens within the horizon, or the first room when there is
    /// none within it.
    fn beyond_the_horizon(&self, place: usize, rules: Rules) -> Option<Timestamp> {
        let end = self.input.horizon.after(self.input.now);
        let start = if rules.windows { self.input.policy.next_opening(end)? } else { end };
        self.first_room(place, start).map(|stretch| stretch.window.start())
    }
}

impl Situation<'_> {
    /// Those of [`Self::starts`] that lie in a cell, in order, as far as a run of this length has room from there on.
    pub(super) fn starts_in(&self, place: usize, cell: i64, length: Seconds, starts: &mut Starts) {
        let Place { view, earliest, .. } = self.places[place];
        let end = self.input.horizon.after(self.input.now);
        let (from, end) = (start_of(cell).max(earliest), start_of(cell + 1).min(end));
        starts.list.clear();
        starts.room.clear();
        let wanted = self.places[place].resources;
        view.occupancy.starts_with_room(from, end.max(from), length, wanted, &mut starts.room);
        if starts.room.is_empty() {
            return;
        }
        let list = &mut starts.list;
        list.extend((from == earliest).then_some(earliest));
        if from < end {
            list.extend(slots_from(from, end, self.input.slot));
            list.extend(view.curve.steps_between(from, end));
            list.extend(view.occupancy.changes(from, end));
            let opened = self.openings.partition_point(|opening| opening.start() < from);
            list.extend(self.openings[opened..].iter().map(Window::start).take_while(|start| *start < end));
        }
        list.retain(|start| starts.room.iter().any(|(first, last)| (first..=last).contains(&start)));
        list.sort_unstable();
        list.dedup();
    }
}

/// Starts of one cell, kept from cell to cell for their space.
#[derive(Debug, Clone, Default)]
pub(super) struct Starts {
    pub list: Vec<Timestamp>,
    room: Vec<(Timestamp, Timestamp)>,
}

/// The multiples of a slot after `start` and before `end`.
pub(super) fn slots(start: Timestamp, end: Timestamp, slot: Seconds) -> impl Iterator<Item = Timestamp> {
    slots_from(start, end, slot).filter(move |at| start < *at)
}

/// The multiples of a slot from `start` on and before `end`.
fn slots_from(start: Timestamp, end: Timestamp, slot: Seconds) -> impl Iterator<Item = Timestamp> {
    let length = slot.get().max(1.0);
    let first = (start.duration_since(Timestamp::UNIX_EPOCH).as_secs_f64() / length).floor();
    (0_u32..)
        .map(move |number| Seconds::saturating((first + f64::from(number)) * length).after(Timestamp::UNIX_EPOCH))
        .skip_while(move |at| *at < start)
        .take_while(move |at| *at < end)
}

#[cfg(test)]
mod tests;
