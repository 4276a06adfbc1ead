//! Several stretches with pauses: the times of the situation as slots and units for the dynamic programme, and its
//! answer as times again.
//!
//! The programme charges a stop and a start in grams. The time they take is added afterwards, at the end of the last
//! stretch or of an earlier one that has room behind it; so the grams of the finished course are exact, and the choice of
//! slots is the optimum up to the hour's fraction that a stop or a start takes. A transfer between two stretches takes at
//! least until the next slot begins.

use std::collections::BTreeSet;

use jiff::Timestamp;
use lowtide_model::operating_point::OperatingPoint;
use lowtide_model::quantity::Seconds;
use lowtide_model::window::Window;

use super::course::{Course, Stretch};
use super::guard::First;
use super::interruptible::{Beginning, Cell, Problem, cheapest};
use super::situation::{Place, Rules, Situation};
use super::window::slots;

/// Units of work at most; longer jobs are planned in coarser slots. 192 half hours are four days.
const MOST_UNITS: f64 = 192.0;
/// Units of work in a slot at the reference site at most: finer than a slot only helps where speeds differ.
const UNITS_PER_SLOT: f64 = 4.0;
/// The same of a job with several operating points, whose speeds are seldom whole multiples of one another.
const MIXED_UNITS_PER_SLOT: f64 = 32.0;
/// And its units of work at most.
const MOST_MIXED_UNITS: f64 = 384.0;
/// Slots looked at, at most.
const MOST_SLOTS: usize = 1500;

impl Situation<'_> {
    /// All courses worth comparing under these rules: the best single stretch of each place and, where the job can pause,
    /// the best in several.
    pub(super) fn candidates(&self, rules: Rules) -> Vec<Course> {
        let mut candidates: Vec<Course> =
            (0..self.places.len()).filter_map(|place| self.best_contiguous(place, rules)).collect();
        candidates.extend(self.best_in_pieces(rules, First::Free));
        if !self.input.job.spec.has_one_operating_point() {
            // Slots hold whole units of work, which fit a single point better than all of them.
            let points: BTreeSet<OperatingPoint> = self.places.iter().map(|place| place.point).collect();
            candidates
                .extend(points.into_iter().filter_map(|point| self.best_in_pieces_at(Some(point), rules, First::Free)));
        }
        candidates
    }

    /// The best course with pauses, if the job can pause.
    pub(super) fn best_in_pieces(&self, rules: Rules, first: First) -> Option<Course> {
        self.best_in_pieces_at(None, rules, first)
    }

    /// The same at no other operating point than this one, where one is given.
    fn best_in_pieces_at(&self, point: Option<OperatingPoint>, rules: Rules, first: First) -> Option<Course> {
        if !self.can_pause || (!self.input.policy.delay && !self.input.policy.route) {
            return None;
        }
        let full: Vec<Timestamp> = (0..self.places.len()).map(|place| self.bound(place, rules)).collect();
        let mut margin = Seconds::ZERO;
        // A plan whose stops and starts do not fit before the bound is sought again with that much less time.
        for _ in 0..3 {
            let bounds: Vec<Timestamp> = full.iter().map(|bound| margin.before(*bound)).collect();
            let grid = Grid::new(self, &bounds, rules, point)?.beginning(first);
            let optimum = cheapest(&grid.problem)?;
            let runs = grid.runs(&optimum.run);
            let losses = self.losses(&runs);
            if let Some(stretches) = self.fitted(runs, &full, rules) {
                return Some(self.course(stretches));
            }
            margin = margin + losses + Seconds::saturating(1.0);
        }
        None
    }

    /// Running whenever the rules let it, from as early as possible on, at one place.
    pub(super) fn greedy(&self, place: usize, rules: Rules) -> Option<Course> {
        if !self.can_pause || !rules.windows {
            return None;
        }
        let bounds: Vec<Timestamp> = (0..self.places.len()).map(|at| self.bound(at, rules)).collect();
        let resources = self.places[place].resources;
        let mut runs = Vec::new();
        let mut missing = self.places[place].run_time;
        for opening in &self.openings {
            let Ok(window) = Window::new(opening.start().max(self.places[place].earliest), opening.end()) else {
                continue;
            };
            if !self.places[place].view.occupancy.fits(window, resources) {
                continue;
            }
            runs.push(Stretch { place, window });
            let loss = self.first_loss(place, window.start()) + self.input.overhead.start + self.input.overhead.stop;
            missing = missing.minus(window.duration().minus(loss));
            if missing == Seconds::ZERO {
                return self.fitted(runs, &bounds, rules).map(|stretches| self.course(stretches));
            }
        }
        None
    }

    /// What an hour of later end costs in grams.
    pub(super) fn price_of_delay(&self) -> f64 {
        self.input.policy.weights.grams_per_hour
    }

    /// Time that stretches lose to starts and stops.
    fn losses(&self, runs: &[Stretch]) -> Seconds {
        (0..runs.len()).map(|at| self.loss(runs, at)).sum()
    }

    fn loss(&self, runs: &[Stretch], at: usize) -> Seconds {
        let start =
            if at == 0 { self.first_loss(runs[0].place, runs[0].window.start()) } else { self.input.overhead.start };
        if at + 1 < runs.len() { start + self.input.overhead.stop } else { start }
    }

    /// The stretches cut or drawn out to hold exactly the work, stops and starts included; `None` if there is no room.
    fn fitted(&self, mut runs: Vec<Stretch>, bounds: &[Timestamp], rules: Rules) -> Option<Vec<Stretch>> {
        loop {
            // In shares of the work, as sites differ in speed.
            let share = |runs: &[Stretch], at: usize| {
                let net = runs[at].window.duration().minus(self.loss(runs, at));
                net.get() / self.places[runs[at].place].run_time.get()
            };
            let before: f64 = (0..runs.len() - 1).map(|at| share(&runs, at)).sum();
            let last = runs.len() - 1;
            let stretch = runs[last];
            let missing = 1.0 - before;
            if missing <= 1e-9 {
                // The stretches before hold the work already.
                if last == 0 {
                    return None;
                }
                runs.pop();
                continue;
            }
            let needed = self.places[stretch.place].run_time.times(missing) + self.loss(&runs, last);
            let exact = Window::new(stretch.window.start(), needed.after(stretch.window.start())).ok()?;
            let exact = Stretch { place: stretch.place, window: exact };
            if exact.window.end() <= bounds[stretch.place] && self.open(exact.place, exact.window, rules) {
                runs[last] = exact;
                return Some(runs);
            }
            let (short, at) = (Seconds::between(stretch.window.end(), exact.window.end()), stretch.place);
            if !self.draw_out(&mut runs, short.times(1.0 / self.places[at].run_time.get()).get(), rules) {
                return None;
            }
        }
    }

    /// Makes one of the stretches before the last longer by a share of the work.
    fn draw_out(&self, runs: &mut [Stretch], share: f64, rules: Rules) -> bool {
        for at in 0..runs.len().saturating_sub(1) {
            let (run, next) = (runs[at], runs[at + 1]);
            let longer = self.places[run.place].run_time.times(share);
            if longer <= Seconds::saturating(1e-6) {
                return false;
            }
            let end = longer.after(run.window.end());
            let moves = if self.is_one_site(run.place, next.place) {
                Seconds::ZERO
            } else {
                self.places[next.place].view.site.transfer.time
            };
            let Ok(window) = Window::new(run.window.start(), end) else { continue };
            if moves.after(end) < next.window.start() && self.open(run.place, window, rules) {
                runs[at].window = window;
                return true;
            }
        }
        false
    }
}

/// The time from now on in slots, and the problem over them.
struct Grid {
    /// Beginnings of the slots and the end of the last.
    edges: Vec<Timestamp>,
    problem: Problem,
}

impl Grid {
    fn new(situation: &Situation, bounds: &[Timestamp], rules: Rules, point: Option<OperatingPoint>) -> Option<Self> {
        let input = situation.input;
        let may_be = |place: &Place| point.is_none_or(|point| point == place.point);
        let home = situation.home();
        let work = match &situation.places[home] {
            home if may_be(home) => home.run_time,
            _ => situation.places.iter().find(|place| may_be(place))?.run_time,
        };
        let slot = input.slot.max(Seconds::saturating(1.0));
        let count = work.get() / slot.get();
        let slot = slot.times((count / MOST_UNITS).ceil().max(1.0));
        let mixed = point.is_none() && !input.job.spec.has_one_operating_point();
        let finer = if mixed {
            let finest = (MOST_MIXED_UNITS * slot.get() / work.get()).floor();
            let speeds: Vec<f64> = situation.places.iter().map(|place| work.get() / place.run_time.get()).collect();
            units_that_suit(&speeds, finest.clamp(1.0, MIXED_UNITS_PER_SLOT))
        } else {
            (MOST_UNITS * slot.get() / work.get()).floor().clamp(1.0, UNITS_PER_SLOT)
        };
        let unit = 1.0 / (work.get() / slot.get() * finer);
        let edges = Self::edges(situation, bounds, slot, rules);
        let slots = edges.len().checked_sub(1).filter(|slots| 0 < *slots)?;
        // Whole units: a slot never holds more work than it is counted for. The tolerance takes rounding out.
        let units = |share: f64| (share / unit + 1e-6).floor();
        let total = (1.0 / unit - 1e-6).ceil().max(1.0);

        let mut cells = Vec::with_capacity(slots);
        let mut leave_by = Vec::with_capacity(slots);
        for window in edges.windows(2) {
            let window = Window::new(window[0], window[1]).ok()?;
            let mut row = Vec::with_capacity(situation.places.len());
            let mut left = Vec::with_capacity(situation.places.len());
            for (at, place) in situation.places.iter().enumerate() {
                let usable = may_be(place)
                    && place.earliest <= window.start()
                    && window.end() <= bounds[at].max(window.start())
                    && situation.open(at, window, rules);
                let share = window.duration().get() / place.run_time.get();
                let counted = if usable { units(share).min(total) } else { 0.0 };
                row.push(Cell {
                    units: to_count(counted),
                    passes: usable,
                    // The rest of the slot is not lost: the last stretch is cut to the work that is left.
                    run: situation.grams_of(Stretch { place: at, window }) * (counted * unit / share).min(1.0),
                    start: situation.grams_of_loss(at, window.start(), input.overhead.start),
                    transfer: situation.grams_of_transfer(at, window.start()),
                    stop: situation.grams_of_loss(at, window.start(), input.overhead.stop),
                    first: Self::first_cost(situation, at, window.start()),
                });
                let leave = place.view.site.transfer.time.before(window.start());
                left.push(edges.partition_point(|edge| *edge <= leave).checked_sub(1));
            }
            cells.push(row);
            leave_by.push(left);
        }
        let delay = situation.price_of_delay();
        let hours = |edge: &Timestamp| Seconds::between(input.now, *edge).hours();
        let problem = Problem {
            units: to_count(total),
            cells,
            sites: situation.places.len(),
            leave_by,
            beginning: situation.current.map_or(Beginning::Waiting, Beginning::RunningAt),
            end_cost: edges[1..].iter().map(|edge| delay * hours(edge)).collect(),
        };
        Some(Self { edges, problem })
    }

    /// With what was decided of the first slot.
    fn beginning(mut self, first: First) -> Self {
        let forbid = |price: &mut f64| *price = f64::INFINITY;
        match first {
            First::Free => {}
            First::Waits => self.problem.cells[0].iter_mut().for_each(|cell| cell.units = 0),
            First::Runs => {
                self.problem.cells[0].iter_mut().for_each(|cell| forbid(&mut cell.stop));
                self.problem.cells[1..].iter_mut().flatten().for_each(|cell| cell.first = None);
            }
        }
        self
    }

    /// Now, every full slot, and whatever cuts one: when a place can be reached, must be left, or a window begins or ends.
    fn edges(situation: &Situation, bounds: &[Timestamp], slot: Seconds, rules: Rules) -> Vec<Timestamp> {
        let now = situation.input.now;
        let last = bounds.iter().copied().max().unwrap_or(now).min(situation.input.horizon.after(now));
        let mut edges = vec![now, last];
        edges.extend(slots(now, last, slot).take(MOST_SLOTS));
        edges.extend(situation.places.iter().map(|place| place.earliest));
        edges.extend(bounds);
        if rules.windows {
            edges.extend(situation.openings.iter().flat_map(|opening| [opening.start(), opening.end()]));
        }
        edges.retain(|edge| (now..=last).contains(edge));
        edges.sort_unstable();
        edges.dedup();
        edges.truncate(MOST_SLOTS);
        edges
    }

    /// What the very first start costs: the way to its checkpoint, and the transfer where that lies elsewhere.
    fn first_cost(situation: &Situation, place: usize, at: Timestamp) -> Option<f64> {
        if at < situation.places[place].earliest {
            return None;
        }
        let loss = situation.grams_of_loss(place, at, situation.first_loss(place, at));
        let moves = situation.rests_at.is_some_and(|rests| !situation.is_one_site(rests, place));
        Some(if moves { loss + situation.grams_of_transfer(place, at) } else { loss })
    }

    /// Slots of one site in a row are one stretch.
    fn runs(&self, pieces: &[(usize, usize)]) -> Vec<Stretch> {
        let mut runs: Vec<Stretch> = Vec::new();
        for (slot, place) in pieces {
            let window = Window::new(self.edges[*slot], self.edges[slot + 1]).expect("edges are in order");
            match runs.last_mut() {
                Some(last) if last.place == *place && last.window.end() == window.start() => {
                    last.window = Window::new(last.window.start(), window.end()).expect("edges are in order");
                }
                _ => runs.push(Stretch { place: *place, window }),
            }
        }
        runs
    }
}

/// Into how many units of work a slot is best cut, up to this many: of places with these speeds a slot holds whole units, and what is
/// left over is lost to the search. So that the place that loses most loses least; of equal ones the fewest.
fn units_that_suit(speeds: &[f64], finest: f64) -> f64 {
    let lost = |units: f64| {
        speeds.iter().map(|speed| 1.0 - (speed * units + 1e-6).floor() / (speed * units)).fold(0.0, f64::max)
    };
    let counts = (1..=to_count(finest)).map(|count| count as f64);
    counts.min_by(|a, b| lost(*a).total_cmp(&lost(*b))).unwrap_or(1.0)
}

fn to_count(value: f64) -> usize {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "whole, at least 0, at most a thousand"
    )]
    {
        value.clamp(0.0, 10_000.0) as usize
    }
}
