//! Jobs that wait are arranged together under prices of room ([`lowtide_planner::joint::Arranging`]), a bounded piece a step: after every
//! forecast, once each has its own plan and before they look for single exchanges ([`crate::rounds`]).
//!
//! What is found is put in force at once, and only where it still fits: nothing else waits for it meanwhile.

use jiff::Timestamp;
use lowtide_model::identity::JobId;
use lowtide_model::job::Job;
use lowtide_model::plan::Plan;
use lowtide_model::quantity::Seconds;
use lowtide_model::site::Resources;
use lowtide_planner::capacity::Occupancy;
use lowtide_planner::joint::{Arranging, Crowd, Inputs, Taken};
use lowtide_planner::policy::Policy;
use lowtide_planner::predict::Prediction;

use crate::engine::Engine;

/// So many steps of work on prices a step of the engine does: some ten milliseconds. A small queue is arranged in one or two steps, each of
/// which is a line of the journal.
const WORK_A_STEP: usize = 3_000_000;
/// So many plans are made in one, of jobs that may run at one site; with more sites fewer, as each is looked at.
const PLANS_A_STEP: usize = 32;
/// The fewest.
const FEWEST_PLANS: usize = 4;
/// Sites that make a plan take twice as long.
const SITES_A_PLAN: usize = 25;
/// No arrangement begins sooner than this after another, seconds: with many zones a forecast comes every few minutes, and each changes
/// little for most jobs.
const PAUSE: f64 = 600.0;
/// Nor sooner than this after a job has come, seconds: many come in one go.
const AFTER_ARRIVALS: f64 = 60.0;
/// Where more plans than this become others at once, what jobs see of the sites is made anew rather than changed with each.
const MOST_SEEN_CHANGES: usize = 100;

/// An arrangement while it is made.
#[derive(Debug)]
pub(crate) struct Arrangement {
    members: Vec<JobId>,
    rests_on: Vec<(Prediction, Policy)>,
    arranging: Arranging,
}

impl Engine {
    /// One piece of it. Whether there was anything to do.
    pub(crate) fn arrange(&mut self, now: Timestamp) -> bool {
        let arrangement = match self.arrangement.take() {
            Some(arrangement) => Some(self.go_on_arranging(now, *arrangement)),
            None => {
                self.list_the_unarranged(now);
                let members = self.next_to_arrange(now);
                if members.is_empty() {
                    return false;
                }
                self.arranged_at = Some(now);
                self.begin_arranging(now, members)
            }
        };
        match arrangement {
            Some(arrangement) if arrangement.arranging.is_done() => self.put_in_force(now, arrangement),
            other => self.arrangement = other.map(Box::new),
        }
        true
    }

    /// What is being arranged rests on sites or forecasts that are others now.
    pub(crate) fn give_up_arranging(&mut self) {
        self.arrangement = None;
        self.unarranged.clear();
    }

    /// The queue is to be arranged: now, or a while after it was last.
    pub(crate) fn want_arrangement(&mut self, now: Timestamp) {
        self.give_up_arranging();
        self.arrangement_due = Some(self.soonest_arrangement(now));
    }

    /// A job has come that waits: it may want a place that another could do without.
    pub(crate) fn want_arrangement_after_arrival(&mut self, now: Timestamp) {
        if self.arrangement_due.is_none() {
            self.arrangement_due = Some(self.soonest_arrangement(Seconds::saturating(AFTER_ARRIVALS).after(now)));
        }
    }

    fn soonest_arrangement(&self, from: Timestamp) -> Timestamp {
        let pause = self.arranged_at.map(|at| Seconds::saturating(PAUSE).after(at));
        pause.map_or(from, |pause| pause.max(from))
    }

    /// When an arrangement is wanted next, or goes on.
    pub(crate) fn next_arrangement(&self, now: Timestamp) -> Option<Timestamp> {
        let under_way = self.arrangement.is_some() || !self.unarranged.is_empty();
        if under_way { Some(now) } else { self.arrangement_due.map(|due| due.max(now)) }
    }

    fn list_the_unarranged(&mut self, now: Timestamp) {
        if self.arrangement_due.is_none_or(|due| now < due) {
            return;
        }
        self.arrangement_due = None;
        for (id, precedence) in self.first_that_wait(now) {
            self.unarranged.insert(id, precedence);
        }
    }

    /// The next jobs that may trade with one another.
    fn next_to_arrange(&mut self, now: Timestamp) -> Vec<JobId> {
        let mut members = Vec::new();
        let mut of = None;
        while let Some((precedence, id)) = self.unarranged.first() {
            if of.is_some_and(|of| !precedence.is_peer_of(of)) && 2 <= members.len() {
                break;
            }
            if of.is_some_and(|of| !precedence.is_peer_of(of)) {
                members.clear();
            }
            self.unarranged.pop_first();
            of = Some(precedence);
            if self.jobs.get(&id).is_some_and(|job| self.may_yield(now, job)) {
                members.push(id);
            }
        }
        if members.len() < 2 { Vec::new() } else { members }
    }

    fn begin_arranging(&self, now: Timestamp, members: Vec<JobId>) -> Option<Arrangement> {
        let jobs: Vec<&Job> = members.iter().filter_map(|id| self.jobs.get(id)).collect();
        let rests_on: Vec<(Prediction, Policy)> =
            jobs.iter().map(|job| (self.predict(now, job), self.policy_in_force(&job.spec))).collect();
        let fixed = self.without_plans_of(&jobs);
        let plans = jobs.iter().filter_map(|job| job.plan.clone()).collect();
        let arranging = self.with_crowd(now, &jobs, &rests_on, |crowd| Arranging::of(crowd, fixed, plans))?;
        Some(Arrangement { members, rests_on, arranging })
    }

    fn go_on_arranging(&self, now: Timestamp, mut arrangement: Arrangement) -> Arrangement {
        let Arrangement { members, rests_on, arranging } = &mut arrangement;
        let jobs: Vec<&Job> = members.iter().filter_map(|id| self.jobs.get(id)).collect();
        let plans = (PLANS_A_STEP / (1 + self.sites.len() / SITES_A_PLAN)).max(FEWEST_PLANS);
        self.with_crowd(now, &jobs, rests_on, |crowd| arranging.advance(crowd, WORK_A_STEP, plans));
        arrangement
    }

    /// The plans of jobs that still wait become those of the arrangement, if all of them fit and come to less than what is in force.
    fn put_in_force(&mut self, now: Timestamp, arrangement: Arrangement) {
        let Arrangement { members, rests_on, arranging } = arrangement;
        let Some(plans) = arranging.into_better() else { return };
        let still = |id: &JobId| self.jobs.get(id).filter(|job| self.may_yield(now, job));
        let (jobs, (rests_on, plans)): (Vec<&Job>, (Vec<_>, Vec<_>)) = members
            .iter()
            .zip(rests_on.into_iter().zip(plans))
            .filter_map(|(id, of_job)| Some((still(id)?, of_job)))
            .unzip();
        let mut taken = self.without_plans_of(&jobs);
        let fit = jobs.iter().zip(&plans).all(|(job, plan)| takes_its_place(&mut taken, job, plan));
        let better = self.with_crowd(now, &jobs, &rests_on, |crowd| {
            let sum = |plans: &mut dyn Iterator<Item = &Plan>| {
                plans.enumerate().map(|(member, plan)| crowd.cost(member, plan)).sum::<f64>()
            };
            sum(&mut plans.iter()) < sum(&mut jobs.iter().filter_map(|job| job.plan.as_ref()))
        });
        if !(fit && better) {
            return;
        }
        let differ = |job: &Job, plan: &Plan| job.plan.as_ref().is_none_or(|before| before.segments != plan.segments);
        let changed: Vec<(JobId, Plan)> =
            jobs.iter().zip(plans).filter(|(job, plan)| differ(job, plan)).map(|(job, plan)| (job.id, plan)).collect();
        if MOST_SEEN_CHANGES < changed.len() {
            self.views.clear();
        }
        // All leave before anyone comes, so that nobody seems to stand where two are for a moment.
        for (id, _) in &changed {
            self.release_plan(*id);
        }
        for (id, plan) in changed {
            self.take_over(now, id, plan);
        }
    }

    /// What is occupied by all but these.
    pub(crate) fn without_plans_of(&self, jobs: &[&Job]) -> Taken {
        let mut taken = self.occupancy.clone();
        for job in jobs {
            for segment in job.plan.iter().flat_map(|plan| &plan.segments) {
                if let Some(occupancy) = taken.get_mut(&segment.site) {
                    occupancy.remove(segment.window, segment.takes(job.spec.resources));
                }
            }
        }
        taken
    }

    /// These jobs as a crowd, as things stand.
    pub(crate) fn with_crowd<T>(
        &self,
        now: Timestamp,
        jobs: &[&Job],
        rests_on: &[(Prediction, Policy)],
        then: impl FnOnce(&Inputs) -> T,
    ) -> T {
        let empty = Occupancy::new(Resources::default());
        let views = self.views(&self.occupancy, &empty);
        let both = jobs.iter().zip(rests_on);
        let inputs =
            both.map(|(job, (prediction, policy))| self.planning_input(now, job, prediction, policy, &views)).collect();
        then(&Inputs::of(inputs))
    }
}

/// Whether there is room for a plan; it is taken.
fn takes_its_place(taken: &mut Taken, job: &Job, plan: &Plan) -> bool {
    plan.segments.iter().all(|segment| {
        taken.get_mut(&segment.site).is_some_and(|occupancy| {
            let takes = segment.takes(job.spec.resources);
            let fits = occupancy.fits(segment.window, takes);
            occupancy.add(segment.window, takes);
            fits
        })
    })
}
