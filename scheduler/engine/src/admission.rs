//! Taking a job in: what is refused, what is held, what is estimated first.

use jiff::Timestamp;
use lowtide_model::identity::{JobId, SiteId};
use lowtide_model::job::{Approved, Job, JobSpec};
use lowtide_model::plan::Plan;
use lowtide_model::quantity::GramsCo2e;
use lowtide_model::state::{HeldBecause, JobState, StateChange};
use lowtide_planner::limit::{LimitVerdict, check_limit};

use crate::budget::Budgeted;
use crate::engine::{Engine, Refusal};

impl Engine {
    /// Whether a job may be submitted. Asked before [`crate::Event::Submitted`]: an event in the journal is a fact.
    pub fn may_submit(&self, now: Timestamp, spec: &JobSpec) -> Result<(), Refusal> {
        if !self.policies.contains_key(&spec.policy) {
            let known = self.policies.keys().cloned().collect();
            return Err(Refusal::NoSuchPolicy { name: spec.policy.clone(), known });
        }
        if let Some(name) = spec.sites.iter().chain(&spec.data_at).find(|name| self.site(name).is_none()) {
            let known = self.sites.iter().map(|site| site.id.clone()).collect();
            return Err(Refusal::NoSuchSite { name: name.clone(), known });
        }
        if let Some(deadline) = spec.deadline.filter(|deadline| *deadline <= now) {
            return Err(Refusal::DeadlinePassed { deadline, now });
        }
        for needed in &spec.after {
            match self.jobs.get(needed).map(|job| &job.state) {
                None => return Err(Refusal::BadDependency(*needed, "there is no such job")),
                Some(JobState::Failed { .. } | JobState::Cancelled | JobState::Lost) => {
                    return Err(Refusal::BadDependency(*needed, "it has not succeeded and never will"));
                }
                Some(_) => {}
            }
        }
        let large_enough =
            |site: &SiteId| self.site(site).is_some_and(|site| site.capacity.holds(&spec.least_resources()));
        let mut allowed = self.sites.iter().map(|site| &site.id);
        let fits = allowed.any(|site| (spec.sites.is_empty() || spec.sites.contains(site)) && large_enough(site));
        if fits { Ok(()) } else { Err(Refusal::TooLarge { asked: spec.least_resources() }) }
    }

    /// The job as it would be taken in now, with its plan. Changes nothing but remembered curves.
    pub fn dry_run(&mut self, now: Timestamp, spec: JobSpec) -> Result<Job, Refusal> {
        self.may_submit(now, &spec)?;
        self.refresh_curves(now);
        let mut job = Job::submitted(JobId(0), spec, now);
        let prediction = self.predict(now, &job);
        let Budgeted { plan, told, .. } = self.make_plan_in_budget(now, &job, &prediction);
        let plan = Plan { warnings: told.into_iter().map(|told| told.text).chain(plan.warnings).collect(), ..plan };
        job.estimates.push(self.estimate(now, &job, &prediction, &plan));
        job.plan = Some(plan);
        Ok(job)
    }

    pub(crate) fn admit(&mut self, now: Timestamp, id: JobId, spec: JobSpec) {
        if self.jobs.contains_key(&id) {
            return;
        }
        for needed in &spec.after {
            self.dependents.entry(*needed).or_default().push(id);
        }
        self.jobs.insert(id, Job::submitted(id, spec, now));
        self.refresh_curves(now);
        self.plan_anew(now, id);
        if self.jobs.get(&id).is_some_and(|job| self.may_yield(now, job)) {
            self.want_arrangement_after_arrival(now);
        }
    }

    /// Compares the latest estimate with the policy's carbon limit and does what the policy says.
    pub(crate) fn enforce_limit(&mut self, now: Timestamp, id: JobId) {
        let Some(job) = self.jobs.get(&id) else { return };
        if job.state.is_final() || Self::is_approved(job, &Approved::Limit) {
            return;
        }
        let policy = self.policy_in_force(&job.spec);
        let Some(estimate) = job.estimates.last() else { return };
        let predicted = estimate.footprint;
        let words = |limit: GramsCo2e| {
            format!(
                "predicted {}, over the limit of {} of policy `{}`",
                grams(predicted.median),
                grams(limit),
                policy.id
            )
        };
        let running = job.state.attempt().is_some();
        match check_limit(&policy, &predicted) {
            LimitVerdict::Within => {}
            LimitVerdict::Warn { limit } => {
                self.note_once(now, id, "over the limit", &format!("{}: it runs all the same", words(limit)));
            }
            LimitVerdict::Hold { limit } if running => self.pause_for_approval(now, id, &words(limit)),
            LimitVerdict::Hold { limit } => {
                let why = HeldBecause::OverLimit { predicted_g: whole(predicted.median), limit_g: whole(limit) };
                if self.change(now, id, &StateChange::Hold { why }).is_ok() {
                    self.forget_plan(id);
                    self.note(now, id, format!("{}: held until it is released", words(limit)));
                }
            }
            LimitVerdict::Stop { limit } => {
                self.note_once(now, id, "over the limit", &format!("{}: stopped", words(limit)));
                self.cancel(now, id);
            }
        }
    }

    /// A running job that passes its limit leaves a checkpoint and waits for approval; one without checkpoints runs on.
    fn pause_for_approval(&mut self, now: Timestamp, id: JobId, words: &str) {
        let can_pause = self.jobs.get(&id).is_some_and(|job| job.spec.checkpoint.is_some());
        if can_pause {
            // Once for each prediction: one that has outgrown its approval says so again.
            let text = format!("{words}: paused until it is resumed");
            self.note_once(now, id, &text, &text);
            self.ask_to_pause(now, id, lowtide_model::state::AfterLeaving::Wait);
        } else {
            let text = format!("{words}: it cannot be paused and runs on; cancel it if it should not");
            self.note_once(now, id, "over the limit", &text);
        }
    }

    /// A note, unless one that holds `mark` is there already.
    pub(crate) fn note_once(&mut self, now: Timestamp, id: JobId, mark: &str, text: &str) {
        let known = self.jobs.get(&id).is_some_and(|job| job.notes.iter().any(|note| note.text.contains(mark)));
        if !known {
            self.note(now, id, text);
        }
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a footprint is finite and not negative")]
pub(crate) fn whole(footprint: GramsCo2e) -> u64 {
    footprint.get().round() as u64
}

fn grams(footprint: GramsCo2e) -> String {
    if footprint.get() < 10.0 { format!("{:.2} g", footprint.get()) } else { format!("{:.0} g", footprint.get()) }
}
