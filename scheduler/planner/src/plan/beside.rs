//! The decision seen by the marginal signal. What is decided is decided by one signal: the two count different things and are
//! never mixed. But where both are known, a user should hear when they disagree.

use lowtide_model::forecast::{Signal, Tags};
use lowtide_model::plan::Beside;
use lowtide_model::quantity::GramsCo2e;

use super::course::Course;
use super::situation::Situation;
use super::{PlanningInput, SiteView, decide};
use crate::wording;

/// By less than this share another decision is a trifle: forecasts are not that good.
const TRIFLE: f64 = 0.05;

/// The plan and running at once by marginal numbers; nothing where a site has none.
pub(super) fn look<'a>(situation: &Situation<'a>, course: &Course, run_now: &Course) -> Option<Beside> {
    let input = situation.input;
    let seen = |view: &SiteView<'a>| {
        let tags = view.tags.map(|tags| Tags { signal: Signal::Marginal, ..tags });
        Some(SiteView { curve: view.marginal?, tags, marginal: None, ..*view })
    };
    let views: Vec<SiteView<'_>> = input.sites.iter().map(seen).collect::<Option<_>>()?;
    let other = PlanningInput { sites: &views, ..*input };
    let other = Situation::of(&other).ok().filter(|other| other.places.len() == situation.places.len())?;
    let at_once = other.at_once();
    let run_now_there = other.run_now(&at_once)?;
    let best = decide(&other, &run_now_there, || at_once.clone(), |rules| other.candidates(rules)).course;
    let grams = |course: &Course| GramsCo2e::saturating(other.grams(&course.stretches));
    let (footprint, least) = (grams(course), grams(&best));
    let segments = other.segments(&best);
    let elsewhere = segments.first() != situation.segments(course).first();
    let flips = elsewhere && least.get() < footprint.get() * (1.0 - TRIFLE);
    Some(Beside { footprint, run_now: grams(run_now), best: least, segments, flips })
}

/// What to say of a decision that would flip.
pub(super) fn warning(beside: &Beside) -> Option<String> {
    let first = beside.segments.first().filter(|_| beside.flips)?;
    Some(format!(
        "by the marginal signal the decision would be another one: {} from {} instead of {} ({} at once)",
        wording::grams(beside.best),
        format_args!("{} at {}", wording::moment(first.window.start()), first.site),
        wording::grams(beside.footprint),
        wording::grams(beside.run_now),
    ))
}
