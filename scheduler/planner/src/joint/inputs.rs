//! A crowd of jobs as the planner sees each of them, with or without tolls on the sites' room.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use lowtide_model::identity::SiteId;
use lowtide_model::plan::{Plan, Segment};
use lowtide_model::quantity::Seconds;
use lowtide_model::site::Resources;

use super::{Crowd, Taken};
use crate::curve::IntensityCurve;
use crate::plan::{PlanningInput, SiteView, choose_stretches, plan};
use crate::policy::{Policy, Weights};

/// Grams an hour of breaking a deadline or a longest delay counts as: more than any job emits in an hour, so that carbon never
/// buys it.
const GRAMS_PER_LATE_HOUR: f64 = 1e7;
/// What a plan without any stretch counts as.
const NOWHERE: f64 = 1e12;
/// Lateness below this is rounding, hours.
const IN_TIME: f64 = 1.0 / 3600.0;

/// What room is counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Processors.
    Cpus,
    /// GPUs.
    Gpus,
}

impl Unit {
    /// How much of it resources are.
    #[must_use]
    pub fn count(self, resources: Resources) -> f64 {
        match self {
            Self::Cpus => resources.cpus.into(),
            Self::Gpus => resources.gpus.into(),
        }
    }
}

/// Prices of room by site and slot, as [`super::market::Prices`] tells them.
#[derive(Debug, Clone, PartialEq)]
pub struct Tolls {
    /// When the first slot begins.
    pub start: Timestamp,
    /// How long each is.
    pub slot: Seconds,
    /// What room is counted in.
    pub unit: Unit,
    /// Grams for an hour of a unit.
    pub by_site: BTreeMap<SiteId, Vec<f64>>,
}

impl Tolls {
    /// A share of them.
    #[must_use]
    pub fn times(&self, share: f64) -> Self {
        let scaled = |tolls: &Vec<f64>| tolls.iter().map(|toll| toll * share).collect();
        let by_site = self.by_site.iter().map(|(site, tolls)| (site.clone(), scaled(tolls))).collect();
        Self { by_site, ..*self }
    }
}

/// Tolls, with the curves that jobs see under them: those of one width for their power see the same.
#[derive(Debug)]
pub struct Tolled {
    tolls: Tolls,
    /// By site and the bits of the width for each kW. Made once: the sites' own curves have to stay as they are meanwhile.
    curves: RefCell<BTreeMap<(SiteId, u64), Arc<IntensityCurve>>>,
}

impl Tolled {
    /// These tolls.
    #[must_use]
    pub const fn of(tolls: Tolls) -> Self {
        Self { tolls, curves: RefCell::new(BTreeMap::new()) }
    }

    /// What a job sees of a site, of a width in units and a power in kW; nothing where that is the site's own curve.
    fn curve(&self, view: &SiteView, width: f64, kilowatts: f64) -> Option<Arc<IntensityCurve>> {
        let by_slot = self.tolls.by_site.get(&view.site.id)?;
        // The planner counts grams for energy, the toll is for room: as intensity it depends on the job's power.
        let wide = width / kilowatts;
        if !wide.is_finite() || wide <= 0.0 || by_slot.iter().all(|toll| *toll <= 0.0) {
            return None;
        }
        let mut curves = self.curves.borrow_mut();
        let curve = curves.entry((view.site.id.clone(), wide.to_bits())).or_insert_with(|| {
            let added: Vec<f64> = by_slot.iter().map(|toll| toll * wide).collect();
            Arc::new(view.curve.with_tolls(self.tolls.start, self.tolls.slot, &added))
        });
        Some(Arc::clone(curve))
    }
}

/// Jobs with all their plans rest on. What their sites' occupancies hold is replaced by what is asked for.
#[derive(Debug, Clone)]
pub struct Inputs<'a> {
    /// One for each job.
    pub inputs: Vec<PlanningInput<'a>>,
    /// Tolls a job adds to the carbon when it chooses; costs are told without them.
    pub tolls: Option<&'a Tolled>,
    /// Whether jobs are planned in one stretch under tolls, also where they may pause.
    pub unbroken: bool,
}

impl<'a> Inputs<'a> {
    /// Jobs that choose by carbon alone.
    #[must_use]
    pub const fn of(inputs: Vec<PlanningInput<'a>>) -> Self {
        Self { inputs, tolls: None, unbroken: false }
    }

    /// Power of a job at a site while it runs, PUE included, kW.
    fn kilowatts(&self, member: usize, view: &SiteView) -> f64 {
        let prediction = self.inputs[member].prediction;
        let watts = prediction.remaining_energy.median.get() / prediction.remaining.median.get().max(1.0);
        watts * view.site.power * view.site.pue.get() / 1e3
    }

    fn tolled(&self, member: usize, view: &SiteView) -> Option<Arc<IntensityCurve>> {
        let input = &self.inputs[member];
        let named = [&input.job.spec.sites, &input.policy.sites];
        let may_run_there = named.into_iter().all(|sites| sites.is_empty() || sites.contains(&view.site.id));
        let tolled = self.tolls.filter(|_| may_run_there)?;
        tolled.curve(view, tolled.tolls.unit.count(self.resources(member)), self.kilowatts(member, view))
    }

    /// Where a job goes against what others have taken: as [`Crowd::answer`] has it, without all that explains it.
    pub(super) fn seat(&self, member: usize, taken: &Taken) -> Vec<Segment> {
        self.as_seen(member, taken, |input| choose_stretches(input).map(|choice| choice.segments).unwrap_or_default())
    }

    /// What a job's plan rests on, with tolls and with what others have taken.
    fn as_seen<T>(&self, member: usize, taken: &Taken, then: impl FnOnce(&PlanningInput) -> T) -> T {
        let input = &self.inputs[member];
        let curves: Vec<Option<Arc<IntensityCurve>>> =
            input.sites.iter().map(|view| self.tolled(member, view)).collect();
        let views: Vec<SiteView> = input
            .sites
            .iter()
            .zip(&curves)
            .map(|(view, tolled)| SiteView {
                curve: tolled.as_deref().unwrap_or(view.curve),
                occupancy: taken.get(&view.site.id).unwrap_or(view.occupancy),
                ..*view
            })
            .collect();
        // Under tolls a job looks for the place that is best for all: what keeps it from small savings, or has it pass by the best start
        // for one that is nearly as good, is for its own plan.
        let for_all = self.tolls.map(|_| Policy {
            minimum_saving: 0.0,
            spread: 0.0,
            pausable: input.policy.pausable && !self.unbroken,
            ..input.policy.clone()
        });
        then(&PlanningInput { sites: &views, policy: for_all.as_ref().unwrap_or(input.policy), ..*input })
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

impl Crowd for Inputs<'_> {
    fn len(&self) -> usize {
        self.inputs.len()
    }

    fn resources(&self, member: usize) -> Resources {
        self.inputs[member].job.spec.resources
    }

    fn answer(&self, member: usize, taken: &Taken) -> Plan {
        self.as_seen(member, taken, plan)
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
