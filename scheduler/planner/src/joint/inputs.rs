//! A crowd of jobs as the planner sees each of them, with or without tolls on the sites' room.

use std::collections::BTreeMap;

use jiff::Timestamp;
use lowtide_model::identity::SiteId;
use lowtide_model::plan::Plan;
use lowtide_model::quantity::Seconds;
use lowtide_model::site::Resources;

use super::{Crowd, Round, Taken};
use crate::curve::IntensityCurve;
use crate::plan::{PlanningInput, SiteView, plan};
use crate::policy::Weights;

/// Grams an hour of breaking a deadline or a longest delay counts as: more than any job emits in an hour, so that carbon never
/// buys it.
const GRAMS_PER_LATE_HOUR: f64 = 1e7;
/// What a plan without any stretch counts as.
const NOWHERE: f64 = 1e12;
/// Shares of the tolls that whole queues are planned under. At exact tolls many jobs are as well off with the room as without, and
/// leave some of it empty or crowd out those that need it: a little less or more tips them one way.
const TOLLS_TRIED: [f64; 4] = [1.0, 1.06, 0.985, 0.97];
/// Lateness below this is rounding, hours.
const IN_TIME: f64 = 1.0 / 3600.0;

/// Prices of room by site and slot, as [`super::market::Prices`] tells them.
#[derive(Debug, Clone, PartialEq)]
pub struct Tolls {
    /// When the first slot begins.
    pub start: Timestamp,
    /// How long each is.
    pub slot: Seconds,
    /// Grams for an hour of a processor.
    pub by_site: BTreeMap<SiteId, Vec<f64>>,
}

impl Tolls {
    fn times(&self, share: f64) -> Self {
        let scaled = |tolls: &Vec<f64>| tolls.iter().map(|toll| toll * share).collect();
        let by_site = self.by_site.iter().map(|(site, tolls)| (site.clone(), scaled(tolls))).collect();
        Self { by_site, ..*self }
    }
}

/// Jobs with all their plans rest on. What their sites' occupancies hold is replaced by what is asked for.
#[derive(Debug, Clone)]
pub struct Inputs<'a> {
    /// One for each job.
    pub inputs: Vec<PlanningInput<'a>>,
    /// Tolls a job adds to the carbon when it chooses; costs are told without them.
    pub tolls: Option<&'a Tolls>,
}

impl Inputs<'_> {
    /// Power of a job at a site while it runs, PUE included, kW.
    fn kilowatts(&self, member: usize, view: &SiteView) -> f64 {
        let prediction = self.inputs[member].prediction;
        let watts = prediction.remaining_energy.median.get() / prediction.remaining.median.get().max(1.0);
        watts * view.site.power * view.site.pue.get() / 1e3
    }

    fn tolled(&self, member: usize, view: &SiteView) -> Option<IntensityCurve> {
        let tolls = self.tolls?;
        let by_slot = tolls.by_site.get(&view.site.id)?;
        let kilowatts = self.kilowatts(member, view);
        let width = f64::from(self.resources(member).cpus);
        // The planner counts grams for energy, the toll is for room: as intensity it depends on the job's power.
        let added: Vec<f64> = by_slot.iter().map(|toll| toll * width / kilowatts).collect();
        (0.0 < kilowatts).then(|| view.curve.with_tolls(tolls.start, tolls.slot, &added))
    }

    /// Grams of a plan by the curves as they are.
    fn grams(&self, member: usize, plan: &Plan) -> f64 {
        let input = &self.inputs[member];
        let mut at = input.current.or(input.last_site);
        let mut grams = 0.0;
        for segment in &plan.segments {
            let Some(view) = input.sites.iter().find(|view| view.site.id == segment.site) else { continue };
            let integral =
                view.curve.integral_to(segment.window.end()) - view.curve.integral_to(segment.window.start());
            let (_, stronger) = input.job.spec.pace(segment.point);
            grams += stronger * self.kilowatts(member, view) * integral / 3600.0;
            if at.is_some_and(|at| *at != segment.site) {
                grams += (view.site.transfer.energy * view.curve.at(segment.window.start())).get();
            }
            at = Some(&segment.site);
        }
        grams
    }

    /// Hours by which a plan passes the deadline or the longest delay.
    fn late(&self, member: usize, plan: &Plan) -> f64 {
        let PlanningInput { job, policy, prediction, now, horizon, .. } = &self.inputs[member];
        let of_policy = policy.deadline.map(|deadline| deadline.after(job.submitted_at));
        let deadline = [job.spec.deadline, of_policy].into_iter().flatten().min();
        let longest = [job.spec.max_delay, policy.max_delay].into_iter().flatten().reduce(Seconds::min);
        let longest = if policy.delay { longest } else { Some(Seconds::ZERO) };
        let longest = longest.or_else(|| deadline.is_none().then_some(*horizon));
        // All waiting from the submission to the end; at a slower site the run itself is longer, which is no waiting.
        let planned: Seconds = plan.segments.iter().map(|segment| segment.window.duration()).sum();
        let run = planned.max(prediction.remaining.median) + job.ran(*now);
        let by_delay = longest.map(|longest| (longest + run).after(job.submitted_at));
        let latest = [deadline, by_delay].into_iter().flatten().min();
        let late = latest.map_or(0.0, |latest| plan.end.duration_since(latest).as_secs_f64() / 3600.0);
        if IN_TIME < late { late } else { 0.0 }
    }
}

/// Plans for a whole queue at once: first come, first served, and with tolls also the largest and the longest first under them,
/// at shares of these a little apart, each made better by exchanges; the best of all. `effort` is the number of plans made beside one for each job and start, in
/// sum. The plans come in the order of the inputs.
#[must_use]
pub fn together(inputs: Vec<PlanningInput>, fixed: &Taken, tolls: Option<&Tolls>, effort: usize) -> Vec<Plan> {
    let crowd = Inputs { inputs, tolls: None };
    let hours = |member: usize| crowd.inputs[member].prediction.remaining.median;
    let size = |member: usize| hours(member).times(crowd.inputs[member].job.spec.resources.cpus.into());
    let in_order: Vec<usize> = (0..crowd.len()).collect();
    // Small ones find a gap, large ones do not.
    let (mut largest, mut longest) = (in_order.clone(), in_order.clone());
    largest.sort_by(|a, b| size(*b).total_cmp(&size(*a)).then(a.cmp(b)));
    longest.sort_by(|a, b| hours(*b).total_cmp(&hours(*a)).then(size(*b).total_cmp(&size(*a))).then(a.cmp(b)));
    let mut starts = vec![Round::one_after_the_other(&crowd, fixed.clone(), &in_order, 0).into_plans()];
    for tolls in tolls.iter().flat_map(|tolls| TOLLS_TRIED.map(|share| tolls.times(share))) {
        let tolled = Inputs { inputs: crowd.inputs.clone(), tolls: Some(&tolls) };
        let under_tolls = |order: &[usize]| Round::one_after_the_other(&tolled, fixed.clone(), order, 0).into_plans();
        starts.extend([under_tolls(&largest), under_tolls(&longest)]);
    }
    let share = effort / starts.len();
    let mut best: Option<Round<Inputs>> = None;
    for plans in starts {
        // A start that is too late for some may end best all the same.
        let mut round = Round::of(&crowd, fixed.clone(), plans, share);
        round.improve();
        if best.as_ref().is_none_or(|best| round.cost() < best.cost()) {
            best = Some(round);
        }
    }
    best.map(Round::into_plans).unwrap_or_default()
}

impl Crowd for Inputs<'_> {
    fn len(&self) -> usize {
        self.inputs.len()
    }

    fn resources(&self, member: usize) -> Resources {
        self.inputs[member].job.spec.resources
    }

    fn answer(&self, member: usize, taken: &Taken) -> Plan {
        let input = &self.inputs[member];
        let curves: Vec<Option<IntensityCurve>> = input.sites.iter().map(|view| self.tolled(member, view)).collect();
        let views: Vec<SiteView> = input
            .sites
            .iter()
            .zip(&curves)
            .map(|(view, tolled)| SiteView {
                curve: tolled.as_ref().unwrap_or(view.curve),
                occupancy: taken.get(&view.site.id).unwrap_or(view.occupancy),
                ..*view
            })
            .collect();
        plan(&PlanningInput { sites: &views, ..*input })
    }

    fn cost(&self, member: usize, plan: &Plan) -> f64 {
        if plan.segments.is_empty() {
            return NOWHERE;
        }
        let input = &self.inputs[member];
        let Weights { carbon, grams_per_money, grams_per_hour } = input.policy.weights;
        let delay = grams_per_hour * Seconds::between(input.now, plan.end).hours();
        let money = plan.cost.as_ref().map_or(0.0, |cost| grams_per_money * cost.amount);
        carbon * self.grams(member, plan) + money + delay + GRAMS_PER_LATE_HOUR * self.late(member, plan)
    }
}
