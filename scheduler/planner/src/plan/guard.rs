//! Whether a job of uncertain length runs or waits in the slot at hand, where it can pause and has a deadline at one site.
//!
//! A reserve of the high quantile before the deadline treats every such job as a long one: it gives up the clean hours
//! near the deadline also where the job has most likely ended by then, and plans none of the hours that it reserves. The
//! receding horizon of [`crate::horizon`] weighs both: it waits only where that adds no more than [`CHANCE`] to the chance
//! to miss. It decides the first slot alone, and the cheapest course that begins so is the plan; the reserve is not asked
//! for a second time where it waits. So it has to be asked again in the next slot: the engine sees to that.

use jiff::Timestamp;
use lowtide_model::forecast::Kind;
use lowtide_model::quantity::Seconds;
use lowtide_model::window::Window;

use super::course::Course;
use super::situation::{Rules, Situation};
use super::window::slots;
use crate::horizon::{Drift, Horizon, Remaining, normal_quantile};
use crate::policy::Weights;

/// Chance to miss a deadline that waiting may add, by what is believed in the slot at hand. It may be added in each slot anew,
/// but predictions sharpen: 1 to 3 in a thousand missed on recorded forecasts (`docs/receding-horizon.md`).
const CHANCE: f64 = 0.02;
/// The least price of a miss, in hours of running at the mean intensity: it keeps what many slots of waiting add in bounds.
const LEAST_PRICE_HOURS: f64 = 5.0;
/// The price of a miss that is never chosen, where the length is known.
const NEVER: f64 = 1e9;
/// Slots looked at, at most; further deadlines are looked at in coarser ones. A programme over 96 takes 20
/// microseconds in a release build, 120 where the curve wanders; a decision solves one to eight of them.
const MOST_SLOTS: f64 = 96.0;
/// Quantiles that the remaining work is divided into.
const QUANTILES: u32 = 100;
/// The 95 % quantile of the standard normal distribution.
const NORMAL_95: f64 = 1.645;

/// What is decided of the first slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum First {
    /// Nothing.
    Free,
    Runs,
    Waits,
}

impl Situation<'_> {
    /// The courses worth comparing where the length decides over the first slot; `None` where it does not, or where none
    /// begins as it should.
    pub(super) fn candidates_by_length(&self, rules: Rules) -> Option<Vec<Course>> {
        let first = self.first_slot(rules)?;
        let starts_now = |course: &Course| course.start() <= self.places[0].earliest;
        let rules = Rules { reserve: first == First::Runs, ..rules };
        let mut courses: Vec<Course> = self.best_contiguous(0, rules).into_iter().collect();
        courses.extend(self.contiguous(0, self.places[0].earliest).map(|stretch| self.course(vec![stretch])));
        courses.extend(self.best_in_pieces(rules, first));
        courses.retain(|course| self.admits(course, rules) && starts_now(course) == (first == First::Runs));
        (!courses.is_empty()).then_some(courses)
    }

    /// The course where the forecasts mislead: to run while the intensity, as measured, is at or below the threshold, else to
    /// look again in the next slot, as long as the rules leave room for that; and why. `None` where they are followed.
    pub(super) fn by_threshold(&self, rules: Rules) -> Option<(Course, String)> {
        let [place] = self.places.as_slice() else { return None };
        let policy = self.input.policy;
        // Where money counts too, the curve is not in grams, and the threshold is.
        let applies = self.can_pause && policy.delay && policy.weights == Weights::CARBON;
        let misled = place.view.misled.filter(|_| applies)?;
        let zone = &place.view.site.zone;
        let now = Window::new(self.input.now, Seconds::saturating(1.0).after(self.input.now)).ok()?;
        let course = |start: Timestamp| {
            let course = self.contiguous(0, start).map(|stretch| self.course(vec![stretch]))?;
            Some(course).filter(|course| self.admits(course, rules))
        };
        let at_once = course(place.earliest);
        if place.view.curve.weakest_kind(now) != Kind::Measured {
            let why = format!(
                "jobs placed by the forecasts of {zone} would have emitted more than at once, and the present intensity is not known: nothing is waited for"
            );
            return Some((at_once?, why));
        }
        let (present, threshold) = (place.view.curve.at(self.input.now).get(), misled.threshold());
        let later = slots(place.earliest, Timestamp::MAX, self.input.slot).next().and_then(course);
        let why = format!(
            "jobs placed by the forecasts of {zone} would have emitted more than at once, so none is followed: the job runs at up to \
             {threshold:.0} g/kWh, between the least ({:.0}) and the most ({:.0}) of 30 days, and it is {present:.0} now",
            misled.least, misled.most
        );
        let chosen = if present <= threshold { at_once } else { later.or(at_once) };
        Some((chosen?, why))
    }

    fn first_slot(&self, rules: Rules) -> Option<First> {
        let input = self.input;
        let [place] = self.places.as_slice() else { return None };
        let deadline = self.deadline.filter(|_| rules.deadline)?;
        let fits = self.can_pause && input.policy.delay && input.policy.is_always_open();
        let certain = place.reserve <= Seconds::saturating(1.0);
        let drift = place.view.drift;
        // With length and curve known, the exact programme of all slots has nothing to learn from this one.
        if !fits
            || (certain && drift == Drift::NONE)
            || input.policy.weights != Weights::CARBON
            || deadline <= place.earliest
        {
            return None;
        }
        let left = Seconds::between(place.earliest, deadline);
        let slot = input.slot.max(Seconds::saturating(1.0)).max(left.times(1.0 / MOST_SLOTS));
        let intensity: Vec<f64> = hours(place.earliest, deadline, slot)
            .enumerate()
            .filter(|(at, window)| *at == 0 || self.open(0, *window, rules))
            .map(|(_, window)| place.view.curve.mean(window).get())
            .collect();
        let mean = intensity.iter().sum::<f64>() / intensity.len().max(1) as f64;
        let loss = (input.overhead.stop + input.overhead.start).times(0.5);
        let remaining = if certain { known_slots(place.run_time, slot) } else { self.remaining_slots(slot) };
        let horizon = Horizon {
            intensity: &intensity,
            drift: drift.in_slots(slot.hours()),
            remaining: &remaining,
            change: mean * loss.get() / slot.get(),
            running: self.current.is_some(),
            miss: mean * LEAST_PRICE_HOURS / slot.hours(),
        };
        let decision =
            if certain { Horizon { miss: NEVER, ..horizon }.decide() } else { horizon.decide_within(CHANCE) };
        Some(if decision.run { First::Runs } else { First::Waits })
    }

    /// What is left of the work: lognormal, with the spread below and above the median that the prediction's interval has.
    fn remaining_slots(&self, slot: Seconds) -> Remaining {
        let (place, remaining) = (&self.places[0], self.input.prediction.remaining);
        let median = place.run_time.get();
        let ratio = |bound: Seconds| (bound.get().max(1.0) / remaining.median.get().max(1.0)).ln() / NORMAL_95;
        let (below, above) = (-ratio(remaining.low).min(0.0), ratio(remaining.high).max(0.0));
        let at = |quantile: f64| {
            let z = normal_quantile(quantile);
            median * (z * if z < 0.0 { below } else { above }).exp() / slot.get()
        };
        let values: Vec<f64> =
            (0..QUANTILES).map(|part| at((f64::from(part) + 0.5) / f64::from(QUANTILES)) - 1e-9).collect();
        Remaining::from_equal_quantiles(&values)
    }
}

/// So long a run, in whole slots.
fn known_slots(length: Seconds, slot: Seconds) -> Remaining {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "more slots than are looked at say nothing"
    )]
    let slots = (length.get() / slot.get() - 1e-9).ceil().clamp(1.0, 1e5) as usize;
    Remaining::known(slots)
}

/// Windows of a slot each from a moment on, as many as end by another.
fn hours(from: Timestamp, until: Timestamp, slot: Seconds) -> impl Iterator<Item = Window> {
    let starts = std::iter::successors(Some(from), move |start| Some(slot.after(*start)));
    let windows = starts.map_while(move |start| Window::new(start, slot.after(start)).ok());
    windows.take_while(move |window| window.end() <= until)
}
