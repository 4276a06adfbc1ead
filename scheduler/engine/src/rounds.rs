//! Jobs that wait make room for one another: after every forecast, once each has its own plan, their plans are made better
//! together, a bounded number at a time. First they are arranged as a whole ([`crate::arrangement`]), then small groups look for exchanges.
//!
//! Every plan made here is one of [`lowtide_planner::plan::plan`] against the plans of the others, so it keeps the same rules; what
//! it adds is who yields to whom ([`lowtide_planner::joint`]), among jobs that no rule but arrival sets apart. Jobs that run, are to
//! run at once, wait for others, have a budget or are about to start are left where they are. Nothing is left to chance, so a replay of the journal makes the same plans.

use jiff::Timestamp;
use lowtide_model::identity::JobId;
use lowtide_model::job::Job;
use lowtide_model::plan::Plan;
use lowtide_planner::joint::improve;
use lowtide_planner::policy::Policy;
use lowtide_planner::predict::Prediction;

use crate::engine::Engine;
use crate::precedence::Precedence;

/// How many jobs look for better plans together in one step.
const JOBS_A_ROUND: usize = 24;
/// How many plans a step makes for that at most: one for each job alone, and four for each to try exchanges.
const PLANS_A_ROUND: usize = 5 * JOBS_A_ROUND;

/// More jobs than this are not looked at together after one forecast, the oldest first: every round copies what is occupied,
/// and with thousands of jobs the next forecast comes before all have had their turn.
const MOST_JOBS: usize = 1_000;

impl Engine {
    /// The jobs that wait are to look again, together.
    pub(crate) fn begin_rounds(&mut self, now: Timestamp) {
        self.want_arrangement(now);
        self.restless.clear();
        for (id, precedence) in self.first_that_wait(now) {
            self.restless.insert(id, precedence);
        }
    }

    /// The oldest of those that wait: so many as may look for better plans together.
    pub(crate) fn first_that_wait(&self, now: Timestamp) -> Vec<(JobId, Precedence)> {
        let waiting = self.jobs.waiting().take(MOST_JOBS);
        waiting.map(|job| (job.id, self.precedence_of(now, job))).collect()
    }

    /// One step of it, as soon as every job has a plan of its own.
    pub(crate) fn next_round(&mut self, now: Timestamp) {
        if self.someone_awaits_a_plan() || self.arrange(now) {
            return;
        }
        let Some(members) = self.next_peers(now) else { return };
        for (id, plan) in self.better_together(now, &members) {
            self.release_plan(id);
            self.take_over(now, id, plan);
        }
    }

    /// Puts a plan that was found together with others in force, of a job that has none in force now.
    pub(crate) fn take_over(&mut self, now: Timestamp, id: JobId, plan: Plan) {
        let plan = Plan { forecast_issued_at: self.oldest_forecast_behind(&plan), ..plan };
        let Some(precedence) = self.jobs.get(&id).map(|job| self.precedence_of(now, job)) else { return };
        self.decide(id, Some(plan));
        self.occupy_as(id, precedence);
        self.wake_for_plan(now, id);
        self.start_if_due(now, id);
    }

    /// The next jobs to look for better plans together: only such as may trade, so that nobody is pushed to a worse place by one that
    /// comes after it.
    fn next_peers(&mut self, now: Timestamp) -> Option<Vec<JobId>> {
        let mut members: Vec<JobId> = Vec::with_capacity(JOBS_A_ROUND);
        let mut of = None;
        while let Some((precedence, id)) = self.restless.first() {
            let peer = of.is_none_or(|of| precedence.is_peer_of(of));
            if (!peer && 2 <= members.len()) || members.len() == JOBS_A_ROUND {
                break;
            }
            self.restless.pop_first();
            if !peer {
                members.clear();
            }
            of = Some(precedence);
            if self.jobs.get(&id).is_some_and(|job| self.may_yield(now, job)) {
                members.push(id);
            }
        }
        (2 <= members.len()).then_some(members)
    }

    /// Whether a job waits by its own plan and may be given another.
    pub(crate) fn may_yield(&self, now: Timestamp, job: &Job) -> bool {
        let later = job.plan.as_ref().and_then(Plan::start).is_some_and(|start| now < start);
        // What a budget has a say in is planned by it alone.
        let free = self.budgets.of_job(job).is_empty();
        later && free && !job.run_now && job.state.awaits_a_window() && self.may_start(job)
    }

    fn better_together(&self, now: Timestamp, members: &[JobId]) -> Vec<(JobId, Plan)> {
        let jobs: Vec<&Job> = members.iter().filter_map(|id| self.jobs.get(id)).collect();
        let rests_on: Vec<(Prediction, Policy)> =
            jobs.iter().map(|job| (self.predict(now, job), self.policy_in_force(&job.spec))).collect();
        let fixed = self.without_plans_of(&jobs);
        let plans = jobs.iter().filter_map(|job| job.plan.clone()).collect();
        let better = self.with_crowd(now, &jobs, &rests_on, |crowd| improve(crowd, fixed, plans, PLANS_A_ROUND));
        better.into_iter().map(|(member, plan)| (members[member], plan)).collect()
    }
}
