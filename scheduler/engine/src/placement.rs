//! Keeping every job's plan: what it occupies, when it falls due, when it is made anew and what is done about it.

use jiff::Timestamp;
use lowtide_model::estimate::{Estimate, Interval};
use lowtide_model::forecast::Tags;
use lowtide_model::identity::{JobId, SiteId};
use lowtide_model::job::{Attempt, Epoch, EpochProgress, Job};
use lowtide_model::operating_point::OperatingPoint;
use lowtide_model::plan::Plan;
use lowtide_model::quantity::{GramsCo2e, Joules, Seconds};
use lowtide_model::state::{AfterLeaving, HeldBecause, JobState};
use lowtide_planner::capacity::Occupancy;
use lowtide_planner::joint::Taken;
use lowtide_planner::plan::{Overhead, PlanningInput, SiteView, plan};
use lowtide_planner::policy::Policy;
use lowtide_planner::predict::{Observed, Prediction, Progress, at_reference, predict};
use lowtide_planner::review::footprint_of;

use crate::budget::Budgeted;
use crate::engine::Engine;

/// A plan whose stretch has ended while its job still runs is looked at again after this share of a planning slot.
const LOOK_AGAIN: f64 = 0.5;

impl Engine {
    pub(crate) fn refresh_curves(&mut self, now: Timestamp) {
        for site in &self.sites {
            self.outlook.refresh(now, &site.zone, site.fallback_intensity, self.settings.horizon);
        }
    }

    /// What is thought of a job now.
    pub(crate) fn predict(&self, now: Timestamp, job: &Job) -> Prediction {
        let epochs = self.at_reference_speed(job);
        let history = self.history_of(&job.spec);
        let progress = job.current_attempt().and_then(|attempt| {
            let (speed, power) = self.pace_of(job, attempt);
            attempt.progress.map(|EpochProgress { index: _, at: _, share, ran, energy }| Progress {
                share,
                ran: ran.times(speed),
                energy: energy.times(speed / power),
            })
        });
        let under_way = progress.map_or(Joules::ZERO, |progress| progress.energy);
        predict(&Observed {
            spec: &job.spec,
            epochs: &epochs,
            epochs_total: job.epochs_total(),
            epochs_done: job.epochs_done(),
            ran: job.attempts.iter().map(|attempt| attempt.ran(now).times(self.pace_of(job, attempt).0)).sum(),
            energy_so_far: job.energy_so_far() + under_way,
            history: &history,
            may_stop_early: job.spec.may_stop_early,
            progress,
        })
    }

    /// Speed and power of an attempt relative to the reference site, the fewest workers and no cap.
    pub(crate) fn pace_of(&self, job: &Job, attempt: &Attempt) -> (f64, f64) {
        self.pace_at(&attempt.site, attempt.point, job)
    }

    pub(crate) fn pace_at(&self, site: &SiteId, point: OperatingPoint, job: &Job) -> (f64, f64) {
        let (speed, power) = self.site(site).map_or((1.0, 1.0), |site| (site.speed, site.power));
        let (faster, stronger) = job.spec.pace(point);
        (speed * faster, power * stronger)
    }

    /// The job's epochs as they would have been at a site of relative speed and power 1.
    pub(crate) fn at_reference_speed(&self, job: &Job) -> Vec<Epoch> {
        let of_attempt = |attempt: &Attempt| {
            let (speed, power) = self.pace_of(job, attempt);
            attempt.epochs.iter().map(move |epoch| at_reference(epoch, speed, power)).collect::<Vec<_>>()
        };
        job.attempts.iter().flat_map(of_attempt).collect()
    }

    /// The best plan for a job under its prediction, as things stand.
    pub(crate) fn make_plan(&self, now: Timestamp, job: &Job, prediction: &Prediction) -> Plan {
        let policy = self.policy_in_force(&job.spec);
        let empty = Occupancy::new(lowtide_model::site::Resources::default());
        let room = self.room_for(job, self.sees_up_to(now, job));
        let views = self.views(&room, &empty);
        let plan = plan(&self.planning_input(now, job, prediction, &policy, &views));
        Plan { forecast_issued_at: self.oldest_forecast_behind(&plan), ..plan }
    }

    /// The sites as they look now with what is taken of them; `empty` stands for a site nothing is known of.
    pub(crate) fn views<'a>(&'a self, taken: &'a Taken, empty: &'a Occupancy) -> Vec<SiteView<'a>> {
        let view = |site: &'a lowtide_model::site::Site| {
            let curve = self.outlook.curve(&site.zone)?;
            let tags: Option<Tags> = self.outlook.known(&site.zone).map(|known| known.tags);
            let occupancy = taken.get(&site.id).unwrap_or(empty);
            let marginal = self.outlook.marginal(&site.zone);
            let (misled, drift) = (self.outlook.misled(&site.zone), self.outlook.drift(&site.zone));
            let price = self.prices.get(&site.zone);
            Some(SiteView { site, curve, marginal, price, tags, misled, drift, occupancy })
        };
        self.sites.iter().filter_map(view).collect()
    }

    /// All that a job's plan rests on.
    pub(crate) fn planning_input<'a>(
        &self,
        now: Timestamp,
        job: &'a Job,
        prediction: &'a Prediction,
        policy: &'a Policy,
        sites: &'a [SiteView<'a>],
    ) -> PlanningInput<'a> {
        let current = job.current_attempt().map(|attempt| &attempt.site);
        let last_site =
            job.attempts.iter().rev().find(|attempt| attempt.started_at.is_some()).map(|attempt| &attempt.site);
        let last_site = last_site.or(job.spec.data_at.as_ref());
        let measured = u32::try_from(job.epochs().count()).unwrap_or(u32::MAX);
        let can_pause = job.spec.checkpoint.is_some() && policy.pausable;
        PlanningInput {
            now,
            job,
            prediction,
            policy,
            sites,
            current,
            last_site,
            overhead: Overhead { stop: self.settings.stop_overhead, start: self.settings.start_overhead },
            horizon: self.settings.horizon,
            slot: self.settings.slot,
            probing: can_pause
                && measured < policy.probe_epochs
                && prediction.source > lowtide_model::estimate::EstimateSource::History,
            comparable: self.settings.comparable,
            seed: self.settings.seed,
        }
    }

    pub(crate) fn oldest_forecast_behind(&self, plan: &Plan) -> Option<Timestamp> {
        let zones = plan.segments.iter().filter_map(|segment| self.site(&segment.site)).map(|site| &site.zone);
        zones.filter_map(|zone| self.outlook.known(zone)).map(|known| known.issued_at).min()
    }

    /// Time and energy of a plan beside those of the same work at the reference site with the fewest workers and no cap.
    fn pace_of_plan(&self, job: &Job, plan: &Plan) -> (f64, f64) {
        let (mut time, mut energy, mut work) = (0.0, 0.0, 0.0);
        for segment in &plan.segments {
            let (speed, power) = self.pace_at(&segment.site, segment.point, job);
            let seconds = segment.window.duration().get();
            (time, energy, work) = (time + seconds, energy + seconds * power, work + seconds * speed);
        }
        if 0.0 < work { (time / work, energy / work) } else { (1.0, 1.0) }
    }

    /// The estimate of a whole job: what it used so far and what its plan will use, where and as it is planned to run.
    pub(crate) fn estimate(&self, now: Timestamp, job: &Job, prediction: &Prediction, plan: &Plan) -> Estimate {
        let Prediction { source, after_epoch, duration: _, remaining, energy, remaining_energy } = prediction;
        let (longer, more) = self.pace_of_plan(job, plan);
        let remaining = remaining.map(|remaining| remaining.times(longer));
        let used = energy.median.minus(remaining_energy.median);
        let remaining_energy = remaining_energy.map(|energy| energy.times(more));
        let so_far = job
            .attempts
            .iter()
            .filter_map(|attempt| {
                let site = self.site(&attempt.site)?;
                let curve = self.outlook.curve(&site.zone)?;
                Some(footprint_of(attempt, curve, site.pue, now).0)
            })
            .sum::<GramsCo2e>();
        let footprint = Interval {
            low: so_far + plan.footprint.low,
            median: so_far + plan.footprint.median,
            high: so_far + plan.footprint.high,
        };
        Estimate {
            at: now,
            after_epoch: *after_epoch,
            source: *source,
            duration: remaining.map(|remaining| job.ran(now) + remaining),
            remaining,
            energy: remaining_energy.map(|energy| used + energy),
            remaining_energy,
            footprint,
        }
    }

    /// Makes a job's plan anew, puts it in force and carries out what is due of it.
    pub(crate) fn plan_anew(&mut self, now: Timestamp, id: JobId) {
        self.unplanned.remove(&id);
        self.turns.remove(id);
        let Some(job) = self.jobs.get(&id) else { return };
        if matches!(job.state, JobState::Held { why: HeldBecause::OverBudget(_) }) {
            self.look_again_at_held(now, id);
            return;
        }
        let plannable = job.state.awaits_a_window() || job.state.attempt().is_some();
        if !plannable || !self.may_start(job) {
            self.forget_plan(id);
            return;
        }
        // What the job itself occupies must not stand in its own way.
        self.release_plan(id);
        if self.jobs.get(&id).is_some_and(|job| !job.attempts.is_empty()) {
            // What it has emitted up to now may have used its budget up.
            self.claim(now, id);
        }
        let Some(job) = self.jobs.get(&id) else { return };
        let prediction = self.predict(now, job);
        let turn = self.sees_up_to(now, job);
        if job.state.awaits_a_window() {
            // What runs sees all there is.
            self.look_as(turn);
        }
        let Some(job) = self.jobs.get(&id) else { return };
        let Budgeted { plan, verdict, told } = self.make_plan_in_budget(now, job, &prediction);
        let estimate = self.estimate(now, job, &prediction, &plan);
        // The first epoch under way may tell what no epoch before it did.
        let new_epoch = job
            .estimates
            .last()
            .is_none_or(|last| (last.after_epoch, last.source) != (estimate.after_epoch, estimate.source));
        self.edit(id, |job| {
            // One estimate for each measured epoch and the one of submission: a plan alone makes no new one.
            if new_epoch {
                job.estimates.push(estimate);
            }
        });
        self.decide(id, Some(plan));
        self.make_way(now, id, turn);
        self.occupy_as(id, turn.0);
        self.wake_for_plan(now, id);
        self.claim(now, id);
        // Before anything starts: what passes its limit must not run first and ask afterwards.
        self.enforce_limit(now, id);
        self.enforce_budget(now, id, verdict, told);
        self.start_if_due(now, id);
    }

    /// Whether the jobs it waits for have succeeded.
    pub(crate) fn may_start(&self, job: &Job) -> bool {
        job.spec
            .after
            .iter()
            .all(|needed| self.jobs.get(needed).is_some_and(|needed| needed.state == JobState::Succeeded))
    }

    pub(crate) fn plan_anew_all(&mut self, now: Timestamp) {
        self.refresh_curves(now);
        self.unplanned.extend(self.jobs.aside().map(|job| job.id));
        self.sweep_all();
    }

    /// A plan fell due: start, move on, or look again.
    pub(crate) fn follow_plan(&mut self, now: Timestamp, id: JobId) {
        let Some(job) = self.jobs.get(&id) else { return };
        if job.state.is_final() {
            return;
        }
        self.plan_anew(now, id);
        self.move_if_planned(now, id);
    }

    pub(crate) fn start_if_due(&mut self, now: Timestamp, id: JobId) {
        let Some(job) = self.jobs.get(&id).filter(|job| job.state.awaits_a_window()) else { return };
        let Some(first) = job.plan.as_ref().and_then(|plan| plan.segments.first()) else { return };
        if now < first.window.start() {
            return;
        }
        let (site_id, point, resources) = (first.site.clone(), first.point, first.takes(job.spec.resources));
        let Some(site) = self.site(&site_id) else { return };
        let room = site.capacity.minus(&self.in_use(&site_id));
        if room.holds(&resources) {
            self.start(now, id, &site_id, point);
        }
        // Else something runs longer than planned: its end, or the wake of its plan, brings this job back.
    }

    /// A running job whose plan is not to run on here is asked to leave.
    pub(crate) fn move_if_planned(&mut self, now: Timestamp, id: JobId) {
        let Some(job) = self.jobs.get(&id) else { return };
        let (JobState::Running { .. }, Some(attempt), Some(plan)) = (&job.state, job.current_attempt(), &job.plan)
        else {
            return;
        };
        let Some(first) = plan.segments.first() else { return };
        let as_it_runs = (&first.site, first.point) == (&attempt.site, attempt.point);
        let stays = as_it_runs && first.window.start() <= now;
        if !stays && job.spec.checkpoint.is_some() {
            self.ask_to_pause(now, id, AfterLeaving::Continue);
        }
    }

    pub(crate) fn wake_for_plan(&mut self, now: Timestamp, id: JobId) {
        let Some(job) = self.jobs.get(&id) else { return };
        let running = job.state.attempt().is_some();
        let due = match job.plan.as_ref().and_then(|plan| plan.segments.first()) {
            Some(segment) if running => segment.window.end(),
            // Waiting that rests on a chance to miss, or on the intensity of the hour, is decided anew in every slot.
            Some(segment) if job.spec.checkpoint.is_some() => segment.window.start().min(self.settings.slot.after(now)),
            Some(segment) => segment.window.start(),
            None => self.settings.slot.after(now),
        };
        let soonest = self.settings.slot.times(LOOK_AGAIN).after(now);
        self.wake(id, Some(if due <= now { soonest } else { due }));
    }

    /// Takes a plan out of force: it occupies nothing and falls due no more. It can still be read.
    pub(crate) fn release_plan(&mut self, id: JobId) {
        self.wake(id, None);
        self.vacate(id);
    }

    /// A job that waits for a person has no plan.
    pub(crate) fn forget_plan(&mut self, id: JobId) {
        self.release_plan(id);
        self.decide(id, None);
        self.claim_no_more(id);
    }

    pub(crate) fn rebuild_occupancy(&mut self, now: Timestamp) {
        self.in_force.clear();
        self.stands.clear();
        self.views.clear();
        self.occupancy = self.sites.iter().map(|site| (site.id.clone(), Occupancy::new(site.capacity))).collect();
        let open: Vec<JobId> = self.jobs.open().map(|job| job.id).collect();
        for id in open {
            if let Some(precedence) = self.jobs.get(&id).map(|job| self.precedence_of(now, job)) {
                self.occupy_as(id, precedence);
            }
        }
    }

    /// How long until the next tick is wanted at the latest, for callers that sleep.
    #[must_use]
    pub fn until_next_wake(&self, now: Timestamp) -> Option<Seconds> {
        self.next_wake(now).map(|at| Seconds::between(now, at))
    }
}
