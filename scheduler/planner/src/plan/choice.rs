//! What a plan decides without what it explains: for many jobs at once, of which most will go on as planned.
//!
//! The decision is that of [`super::plan`], made by the same rules. It costs less because a site is only searched where
//! it could be the best: sites are looked at in the order of what they take at least, up to the one that takes at least
//! more than the best one found.

use lowtide_model::plan::{Plan, Reason, Segment};
use lowtide_model::quantity::{GramsCo2e, Seconds};
use lowtide_model::window::Window;

use super::course::Course;
use super::search::memory::OfSize;
use super::situation::{Rules, Situation};
use super::{Decision, PlanningInput, decide};

/// Costs nearer to the least than this share are compared by start, end and site as well. It is wider than what counts as
/// equal there, so that no site is left out that could win.
const NEARLY: f64 = 1e-6;

/// Where and when a job is to run.
#[derive(Debug, Clone, PartialEq)]
pub struct Choice {
    /// The stretches, as in its plan.
    pub segments: Vec<Segment>,
    /// The median of what they emit, in grams.
    pub footprint: GramsCo2e,
    /// Why.
    pub reason: Reason,
}

/// Decides as [`super::plan`] does and explains nothing. `None` where that would find no place.
#[must_use]
pub fn choose_stretches(input: &PlanningInput) -> Option<Choice> {
    if !input.policy.weights.ranks_by_footprint() {
        let Plan { segments, footprint, reason, .. } = super::plan(input);
        return (!segments.is_empty()).then_some(Choice { segments, footprint: footprint.median, reason });
    }
    let situation = Situation::of(input).ok()?;
    let run_now = situation.first_at_once()?;
    let candidates = |rules| {
        if situation.can_pause { situation.candidates(rules) } else { situation.best_of_places(rules) }
    };
    let Decision { course, reason, .. } = decide(&situation, &run_now, || situation.at_once(), candidates);
    Some(Choice::of(&situation, &course, reason))
}

impl Choice {
    pub(super) fn of(situation: &Situation, course: &Course, reason: Reason) -> Self {
        Self { segments: situation.segments(course), footprint: GramsCo2e::saturating(course.grams), reason }
    }
}

impl Situation<'_> {
    /// [`Self::run_now`] of [`Self::at_once`]: most often the first place has room.
    fn first_at_once(&self) -> Option<Course> {
        self.first_of_places_at_once(|_, _| true)
    }

    /// The same, by what is remembered.
    pub(super) fn first_at_once_remembered(&self, known: &OfSize) -> Option<Course> {
        self.first_of_places_at_once(|place, window| known.may_fit(self.places[place].number, window))
    }

    /// The course that begins at once at the first place that has room, of those that may have it.
    fn first_of_places_at_once(&self, mut may_fit: impl FnMut(usize, Window) -> bool) -> Option<Course> {
        let mut immediate = |place: usize| {
            let stretch = self.contiguous(place, self.places[place].earliest)?;
            let none = Rules { windows: false, delay: false, deadline: false, reserve: false };
            let fits = may_fit(place, stretch.window) && self.open(place, stretch.window, none);
            fits.then(|| self.course(vec![stretch]))
        };
        (0..self.places.len()).find_map(&mut immediate).or_else(|| self.run_now(&self.at_once()))
    }

    /// The best single stretch of each place that could be the best of all: places are searched in the order of what they take at
    /// least, up to the one that takes more than the best found.
    fn best_of_places(&self, rules: Rules) -> Vec<Course> {
        let mut places: Vec<(f64, usize)> =
            (0..self.places.len()).map(|place| (self.least_cost(place, rules), place)).collect();
        places.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut least = f64::INFINITY;
        let mut found: Vec<Course> = Vec::new();
        for (at_least, place) in places {
            let worth = least + least.abs() * NEARLY;
            if worth < at_least {
                break;
            }
            let Some(course) = self.best_below(place, rules, worth) else { continue };
            let late = Seconds::between(self.input.now, course.end()).hours();
            least = least.min(course.grams + self.price_of_delay() * late);
            found.push(course);
        }
        // Of equal ones the first place wins.
        found.sort_by_key(|course| course.stretches[0].place);
        found
    }
}
