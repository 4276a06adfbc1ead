//! Where and when one job is to run: over all allowed sites and the horizon, in one stretch or in several.
//!
//! [`plan`] is called anew on every epoch, forecast, arrival and end; a plan is complete and only its first step is ever
//! certain to be carried out. What it holds to, from the strongest:
//!
//! 1. **Deadline**: the earlier of the user's and the policy's. The latest start reserves the *high* quantile of the
//!    remaining time. If no start meets it, the job runs as early as possible. A job that can pause, at one site, keeps the
//!    reserve as a chance to miss instead, decided anew in every slot; see the module `guard`.
//! 2. **Windows** of the policy, without its blackouts. A job that cannot be paused runs wholly in such an opening if it fits
//!    into one, else only starts in one. They are left out, with a warning, only for a deadline.
//! 3. **Longest delay**: all waiting from submission to the end, that is without running. Time for a transfer, a stop or
//!    a start is no waiting. Without a longest delay and without a deadline it is the horizon, so that no job waits for
//!    ever.
//! 4. **Objective**: the footprint, or footprint, money and delay by their weights. What is chosen saves at least the policy's minimum of the
//!    footprint of running now, and is never worse than it under the same forecast; only windows may force it to be.
//! 5. **Spread**: of starts that cost nearly the same, jobs take different ones (module `spread`).
//!
//! Where the forecasts of the only zone have misled ([`crate::calibrate::Misled`]), a job that can pause goes by the intensity
//! of the hour instead of the fourth, and keeps the first three.
//!
//! "Now" is the preferred site: where the job runs, else where its checkpoint lies, else the first in the user's order
//! that can take it.
//!
//! Work is counted at the reference site. A site of speed `s` and power `p` needs `1/s` of its time and `p/s` of its
//! energy (energy is power times time), times the site's PUE. Stops and starts cost their time at the power of the job.
//! The energy of a transfer is taken from the grid of the destination when the job starts there, without PUE.
//!
//! This module neither starts nor stops anything and takes the forecast as it is; the occupancy of the sites must not
//! contain the job that is planned.

mod alternatives;
mod beside;
mod bulk;
mod choice;
mod course;
mod guard;
mod interruptible;
mod needs;
mod pieces;
mod search;
mod situation;
mod spread;
mod traded;
mod weighing;
mod window;

use std::cmp::Ordering;

use jiff::Timestamp;
use lowtide_model::estimate::Interval;
use lowtide_model::forecast::{Kind, Tags};
use lowtide_model::identity::SiteId;
use lowtide_model::job::Job;
use lowtide_model::plan::{Alternative, Plan, Reason};
use lowtide_model::quantity::{GramsCo2e, Seconds};
use lowtide_model::site::Site;

pub use bulk::{Bulk, Proposal};
pub use choice::{Choice, choose_stretches};
pub(crate) use needs::needs;

use crate::calibrate::Misled;
use crate::capacity::Occupancy;
use crate::curve::IntensityCurve;
use crate::horizon::Drift;
use crate::plan::course::Course;
use crate::plan::situation::{Rules, Situation};
use crate::policy::Policy;
use crate::predict::Prediction;
use crate::price::PriceCurve;
use crate::wording;

/// A forecast older than this is warned of: most providers issue one at least twice a day.
const STALE_AFTER_HOURS: f64 = 24.0;

/// One site as it looks from now on.
#[derive(Debug, Clone, Copy)]
pub struct SiteView<'a> {
    /// The site.
    pub site: &'a Site,
    /// The intensity of its zone.
    pub curve: &'a IntensityCurve,
    /// The marginal intensity of its zone, where that is told beside the curve.
    pub marginal: Option<&'a IntensityCurve>,
    /// What electricity costs in its zone, where that is known.
    pub price: Option<&'a PriceCurve>,
    /// What the numbers of the curve count; `None` where they are an annual mean of unknown make.
    pub tags: Option<Tags>,
    /// Bounds of what was measured, where the forecasts of the zone have turned out to be worse than none.
    pub misled: Option<Misled>,
    /// How far the intensity wanders from the curve, from hour to hour.
    pub drift: Drift,
    /// What other jobs take of it, planned and running.
    pub occupancy: &'a Occupancy,
}

impl<'a> SiteView<'a> {
    /// A site of which nothing is known but its curve and what is taken of it.
    #[must_use]
    pub const fn of(site: &'a Site, curve: &'a IntensityCurve, occupancy: &'a Occupancy) -> Self {
        Self { site, curve, marginal: None, price: None, tags: None, misled: None, drift: Drift::NONE, occupancy }
    }
}

/// Time lost by a pause, in which the job draws its power and does no work.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Overhead {
    /// From the order to leave to the exit.
    pub stop: Seconds,
    /// From the start to where the checkpoint was left.
    pub start: Seconds,
}

/// All a plan rests on.
#[derive(Debug, Clone, Copy)]
pub struct PlanningInput<'a> {
    /// The present.
    pub now: Timestamp,
    /// The job.
    pub job: &'a Job,
    /// What is thought of its remaining time and energy.
    pub prediction: &'a Prediction,
    /// The policy it runs under.
    pub policy: &'a Policy,
    /// All sites there are, in the order of the configuration.
    pub sites: &'a [SiteView<'a>],
    /// Where it runs now, if it runs.
    pub current: Option<&'a SiteId>,
    /// Where its checkpoint or its data lie; starting elsewhere costs a transfer.
    pub last_site: Option<&'a SiteId>,
    /// What a pause costs.
    pub overhead: Overhead,
    /// How far ahead starts are looked for.
    pub horizon: Seconds,
    /// How finely.
    pub slot: Seconds,
    /// Whether the job is to run at once, to be measured.
    pub probing: bool,
    /// Whether the user has said that zones with different tags may be ranked against each other.
    pub comparable: bool,
    /// The installation's own number, by which its jobs spread over starts that are nearly as good.
    pub seed: u64,
}

/// What was decided and why, before it is written down.
struct Decision {
    course: Course,
    reason: Reason,
    warnings: Vec<String>,
    /// What was compared, where there was a choice.
    candidates: Vec<Course>,
}

impl Decision {
    const fn new(course: Course, reason: Reason) -> Self {
        Self { course, reason, warnings: vec![], candidates: vec![] }
    }
}

/// Decides where and when the job runs. Never fails: where nothing is possible the plan has no segments and says why.
#[must_use]
pub fn plan(input: &PlanningInput) -> Plan {
    let situation = match Situation::of(input) {
        Ok(situation) => situation,
        Err(warnings) => return nowhere(input, warnings),
    };
    let (curves, unpriced) = weighing::curves(&situation);
    let ranked: Vec<SiteView> = match &curves {
        Some(curves) => input.sites.iter().zip(curves).map(|(view, curve)| SiteView { curve, ..*view }).collect(),
        None => input.sites.to_vec(),
    };
    let ranking = PlanningInput { sites: &ranked, ..*input };
    // What a curve holds decides nothing about which sites are allowed: their places are the same.
    let ranking = Situation::of(&ranking).unwrap_or_else(|_| situation.clone());
    let at_once = ranking.at_once();
    let Some(run_now) = ranking.run_now(&at_once) else {
        return nowhere(input, situation.warnings.clone());
    };
    let all_candidates = |rules| ranking.candidates(rules);
    let Decision { course, reason, warnings, candidates } =
        decide(&ranking, &run_now, || at_once.clone(), all_candidates);
    // From here on in grams, whatever was ranked by.
    let in_grams = |course: Course| situation.course(course.stretches);
    let (course, run_now) = (in_grams(course), in_grams(run_now));
    let compared = at_once.into_iter().chain(candidates).map(in_grams);
    let alternatives = alternatives::list(&situation, &course, &run_now, compared);
    let (footprint, issued_at, mut notes) = rests_on(&situation, &course);
    let mut all = situation.warnings.clone();
    all.extend(unpriced);
    all.extend(warnings);
    all.append(&mut notes);
    all.extend(weighing::guessed(&situation, &course));
    let marginal = beside::look(&situation, &course, &run_now);
    all.extend(marginal.as_ref().and_then(beside::warning));
    Plan {
        made_at: input.now,
        segments: situation.segments(&course),
        footprint,
        end: course.end(),
        run_now: Some(alternatives::run_now(&situation, &course, &run_now)),
        alternatives,
        reason,
        forecast_issued_at: issued_at,
        marginal,
        cost: weighing::cost(&situation, &course, &run_now),
        cleanest: traded::look(&situation, &course),
        warnings: all,
    }
}

fn nowhere(input: &PlanningInput, warnings: Vec<String>) -> Plan {
    Plan {
        made_at: input.now,
        segments: vec![],
        footprint: Interval::exactly(GramsCo2e::ZERO),
        end: input.now,
        run_now: None,
        alternatives: Vec::<Alternative>::new(),
        reason: Reason::NoCapacity,
        forecast_issued_at: None,
        marginal: None,
        cost: None,
        cleanest: None,
        warnings,
    }
}

/// What is to be done. `at_once` are the courses of [`Situation::at_once`], `candidates` those to be compared under rules,
/// the best of all among them.
fn decide(
    situation: &Situation,
    run_now: &Course,
    at_once: impl FnOnce() -> Vec<Course>,
    candidates: impl FnOnce(Rules) -> Vec<Course>,
) -> Decision {
    let input = situation.input;
    let decided = |course: &Course, reason| Decision::new(course.clone(), reason);
    let running = situation.current.is_some();
    if running && (input.job.run_now || input.probing || !situation.can_pause) {
        return with_deadline_warning(situation, decided(run_now, Reason::Continue));
    }
    if input.job.run_now {
        return with_deadline_warning(situation, decided(run_now, Reason::RunNow));
    }
    let rules = Rules { windows: true, delay: true, deadline: true, reserve: true };
    if input.probing {
        let soonest = situation.soonest(rules).unwrap_or_else(|| run_now.clone());
        return with_deadline_warning(situation, decided(&soonest, Reason::Probe));
    }
    let free = !input.policy.delay && !input.policy.route && input.policy.is_always_open();
    if free && situation.admits(run_now, Rules { delay: false, ..rules }) {
        return decided(run_now, if running { Reason::Continue } else { Reason::RunNow });
    }

    if let Some((course, why)) = situation.by_threshold(rules) {
        let reason = situation.reason_for(&course);
        return with_deadline_warning(situation, Decision { warnings: vec![why], ..decided(&course, reason) });
    }
    let by_length = situation.candidates_by_length(rules);
    // What was decided of the slot at hand is not decided again.
    let may_move = by_length.is_none();
    let candidates = by_length.unwrap_or_else(|| candidates(rules));
    if let Some(best) = best_of(situation, run_now, &candidates) {
        let decision = choose(situation, run_now, best, rules, may_move);
        return Decision { candidates, ..decision };
    }
    // Nothing keeps all rules. The longest delay gives way first, then, for a deadline, the windows.
    let without_delay = Rules { delay: false, ..rules };
    if let Some(soonest) = situation.soonest(without_delay) {
        let reason = if for_the_deadline(situation, run_now, &soonest) {
            Reason::Deadline
        } else if running {
            Reason::Continue
        } else {
            Reason::NothingSaved
        };
        let mut decision = decided(&soonest, reason);
        if input.now < soonest.start() && !running {
            decision.warnings.push(format!(
                "the job waits longer than its longest delay: {} is the first time that {}",
                wording::moment(soonest.start()),
                if input.policy.is_always_open() { "a site has room" } else { "a window of the policy has room" }
            ));
        }
        return decision;
    }
    let at_once = at_once();
    let soonest = at_once.iter().min_by_key(|course| course.end()).unwrap_or(run_now);
    let mut decision = decided(soonest, if running { Reason::Continue } else { Reason::Deadline });
    if situation.deadline.is_none() {
        decision.reason = if running { Reason::Continue } else { Reason::RunNow };
        decision.warnings.push("the policy's windows never come; the job runs as early as it can".to_owned());
    } else if situation.admits(soonest, Rules { windows: false, delay: false, deadline: true, reserve: true }) {
        decision.reason = Reason::Deadline;
        decision
            .warnings
            .push("the policy's windows leave no room before the deadline, so the job runs outside them".to_owned());
    }
    with_deadline_warning(situation, decision)
}

/// The best candidate, or the soonest course where the candidate saves too little. `may_move` says whether another start that is as
/// good will do.
fn choose(situation: &Situation, run_now: &Course, best: &Course, rules: Rules, may_move: bool) -> Decision {
    let input = situation.input;
    let baseline = if situation.admits(run_now, rules) { Some(run_now.clone()) } else { situation.soonest(rules) };
    let Some(baseline) = baseline else {
        return Decision::new(best.clone(), situation.reason_for(best));
    };
    // The threshold is for the decision to wait. A job that waits by an earlier plan goes on waiting as long as that
    // saves anything: measured anew each time, the last stretch of every wait would be given up.
    // A plan that waits for room alone is no such decision.
    let for_carbon = |plan: &&Plan| matches!(plan.reason, Reason::Delay | Reason::RouteAndDelay | Reason::Pauses);
    let waits = input.job.state.awaits_a_window()
        && input.job.plan.as_ref().filter(for_carbon).and_then(Plan::start).is_some_and(|start| input.now < start);
    let threshold = if waits { 0.0 } else { input.policy.minimum_saving };
    let score = |course: &Course| situation.score(course, run_now);
    let worth_it =
        |course: &Course| course.grams <= baseline.grams * (1.0 - threshold) && score(course) < score(&baseline);
    let cheapest = if score(&baseline) < score(best) { &baseline } else { best };
    let kept = if may_move { situation.kept(best, cheapest, score, rules) } else { None };
    if kept.is_some() || worth_it(best) {
        let other = kept.or_else(|| situation.spread(best, score, rules, worth_it).filter(|_| may_move));
        let best = other.unwrap_or_else(|| best.clone());
        let late = for_the_deadline(situation, run_now, &best);
        let reason = if late { Reason::Deadline } else { situation.reason_for(&best) };
        return Decision::new(best, reason);
    }
    let reason = if for_the_deadline(situation, run_now, &baseline) {
        Reason::Deadline
    } else if situation.current.is_some() {
        Reason::Continue
    } else if situation.no_latitude(&baseline) {
        Reason::Deadline
    } else if !input.policy.delay && !input.policy.route {
        Reason::RunNow
    } else {
        Reason::NothingSaved
    };
    Decision::new(baseline, reason)
}

/// Whether a course that emits more than running at once is chosen because that might end too late.
fn for_the_deadline(situation: &Situation, run_now: &Course, chosen: &Course) -> bool {
    let only_deadline = Rules { windows: false, delay: false, deadline: true, reserve: true };
    run_now.grams < chosen.grams && !situation.admits(run_now, only_deadline)
}

/// The candidate with the least score; of equal ones the earliest to start, then the earliest to end, then the first site.
fn best_of<'c>(situation: &Situation, run_now: &Course, candidates: &'c [Course]) -> Option<&'c Course> {
    candidates.iter().min_by(|a, b| {
        let (score_a, score_b) = (situation.score(a, run_now), situation.score(b, run_now));
        // Equal up to rounding counts as equal, or noise would decide over hours of waiting.
        let order = if (score_a - score_b).abs() <= 1e-9 * score_a.abs().max(score_b.abs()) {
            Ordering::Equal
        } else {
            score_a.total_cmp(&score_b)
        };
        order.then(a.start().cmp(&b.start())).then(a.end().cmp(&b.end()))
    })
}

fn with_deadline_warning(situation: &Situation, mut decision: Decision) -> Decision {
    let Some(deadline) = situation.deadline else { return decision };
    let end = decision.course.end();
    let late = situation.reserve(&decision.course).after(end);
    if deadline < end {
        decision.warnings.push(format!(
            "the deadline {} will probably be missed by {}",
            wording::moment(deadline),
            wording::duration(Seconds::between(deadline, end))
        ));
    } else if deadline < late {
        decision.warnings.push(format!(
            "the deadline {} may be missed: the job ends at {} as expected, but it could take {} longer",
            wording::moment(deadline),
            wording::moment(end),
            wording::duration(Seconds::between(end, late))
        ));
    }
    decision
}

/// The footprint with its interval, the oldest forecast below it, and what the user should know of that.
fn rests_on(situation: &Situation, course: &Course) -> (Interval<GramsCo2e>, Option<Timestamp>, Vec<String>) {
    let input = situation.input;
    let mut notes = Vec::new();
    let mut issued = Vec::new();
    let mut seen = Vec::new();
    for stretch in &course.stretches {
        let view = situation.places[stretch.place].view;
        issued.push(view.curve.issued_at());
        if seen.contains(&stretch.place) {
            continue;
        }
        seen.push(stretch.place);
        match view.curve.issued_at() {
            None => notes.push(format!(
                "no forecast of {}: its annual mean of {:.0} g/kWh is used, by which no hour is cleaner than another",
                view.site.zone,
                view.site.fallback_intensity.get()
            )),
            Some(issued_at) if STALE_AFTER_HOURS < Seconds::between(issued_at, input.now).hours() => {
                notes.push(format!(
                    "the forecast of {} is {} old",
                    view.site.zone,
                    wording::duration(Seconds::between(issued_at, input.now))
                ));
            }
            Some(_) if view.curve.weakest_kind(stretch.window) == Kind::Estimated => notes.push(format!(
                "the forecast of {} does not reach to {}: later hours are taken to be like the same hours before",
                view.site.zone,
                wording::moment(stretch.window.end())
            )),
            Some(_) => {}
        }
    }
    let issued_at = issued.iter().copied().collect::<Option<Vec<_>>>().and_then(|all| all.into_iter().min());
    (situation.footprint(course), issued_at, notes)
}

impl Situation<'_> {
    /// Footprint in grams, and the price of ending later than at once.
    fn score(&self, course: &Course, run_now: &Course) -> f64 {
        let later = course.end().duration_since(run_now.end()).as_secs_f64() / 3600.0;
        course.grams + self.input.policy.weights.grams_per_hour * later
    }

    fn reason_for(&self, course: &Course) -> Reason {
        let first = course.stretches[0];
        let elsewhere = !self.is_one_site(first.place, self.home());
        let later = self.places[first.place].earliest < first.window.start();
        if let Some(current) = self.current
            && first.place == current
        {
            return match course.stretches.len() {
                1 if first.window.start() == self.input.now => Reason::Continue,
                _ => Reason::Pauses,
            };
        }
        match (course.stretches.len(), elsewhere, later) {
            (2.., _, _) => Reason::Pauses,
            (_, true, false) => Reason::Route,
            (_, true, true) => Reason::RouteAndDelay,
            (_, false, true) => Reason::Delay,
            (_, false, false) if self.places[first.place].point != self.places[self.home()].point => {
                Reason::OperatingPoint
            }
            (_, false, false) => Reason::NothingSaved,
        }
    }
}

#[cfg(test)]
mod tests;
